// CPU kernels of atnn::*; the Python functions of the same names beside this file say what each computes and hold
// the plain reference that these are tested against. Pairs are sorted by center, so every atom owns its output row.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "vectors.h"

namespace {

using at::Tensor;
using namespace atnn;

// One block of KB channels held in registers while the pairs of one atom stream by.
template <typename T, int M, int KB>
inline void moments_block(const T* a, const T* b, T* out, int64_t begin, int64_t end, int64_t k_total, int64_t k0) {
  typedef typename Vec<T, KB>::type V;
  V acc[M] = {};
  for (int64_t e = begin; e < end; ++e) {
    const V be = load<V>(b + e * k_total + k0);
    const T* ae = a + e * M;
#pragma GCC unroll 20
    for (int m = 0; m < M; ++m) acc[m] += ae[m] * be;
  }
  for (int m = 0; m < M; ++m) std::memcpy(out + m * k_total + k0, &acc[m], sizeof(V));
}

template <typename T, int M, int KB>
inline void contract_angular_block(const T* a, const T* g, T* out, int64_t begin, int64_t end, int64_t k_total,
                                   int64_t k0) {
  typedef typename Vec<T, KB>::type V;
  V held[M];
  for (int m = 0; m < M; ++m) held[m] = load<V>(g + m * k_total + k0);
  for (int64_t e = begin; e < end; ++e) {
    const T* ae = a + e * M;
    V acc = ae[0] * held[0];
#pragma GCC unroll 20
    for (int m = 1; m < M; ++m) acc += ae[m] * held[m];
    std::memcpy(out + e * k_total + k0, &acc, sizeof(V));
  }
}

template <typename T, int M, int KB>
inline void contract_radial_block(const T* b, const T* g, T* out, int64_t begin, int64_t end, int64_t k_total,
                                  int64_t k0) {
  // Transposed and padded to R vectors: the inner loop runs over components without a horizontal sum.
  constexpr int P = M == 1 ? 1 : M <= 4 ? 4 : M <= 8 ? 8 : M <= 16 ? 16 : 32, W = std::min(P, LANES<T>), R = P / W;
  typedef typename Vec<T, W>::type V;
  T table[KB][P] = {};
  for (int m = 0; m < M; ++m)
    for (int k = 0; k < KB; ++k) table[k][m] = g[m * k_total + k0 + k];
  V held[KB][R];
  for (int k = 0; k < KB; ++k)
    for (int r = 0; r < R; ++r) held[k][r] = load<V>(table[k] + r * W);
  for (int64_t e = begin; e < end; ++e) {
    const T* be = b + e * k_total + k0;
    T row[P];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      V acc = be[0] * held[0][r], other = {};  // two sums, so that one product need not wait for the last
#pragma GCC unroll 16
      for (int k = 1; k < KB; ++k) (k % 2 ? other : acc) += be[k] * held[k][r];
      store(row + r * W, acc + other);
    }
    T* o = out + e * M;
    if (k0 == 0)
      std::memcpy(o, row, M * sizeof(T));
    else
      for (int m = 0; m < M; ++m) o[m] += row[m];
  }
}

template <template <typename, int, int> class Block, typename T, int M>
void for_channels(const T* x, const T* y, T* out, int64_t begin, int64_t end, int64_t k_total) {
  for_blocks<T>(k_total, [&]<int KB>(int64_t k) { Block<T, M, KB>::run(x, y, out, begin, end, k_total, k); });
}

template <typename T, int M, int KB>
struct Moments {
  static void run(const T* a, const T* b, T* o, int64_t s, int64_t e, int64_t kt, int64_t k) {
    moments_block<T, M, KB>(a, b, o, s, e, kt, k);
  }
};
template <typename T, int M, int KB>
struct ContractAngular {
  static void run(const T* a, const T* g, T* o, int64_t s, int64_t e, int64_t kt, int64_t k) {
    contract_angular_block<T, M, KB>(a, g, o, s, e, kt, k);
  }
};
template <typename T, int M, int KB>
struct ContractRadial {
  static void run(const T* b, const T* g, T* o, int64_t s, int64_t e, int64_t kt, int64_t k) {
    contract_radial_block<T, M, KB>(b, g, o, s, e, kt, k);
  }
};

enum class Kind { moments, contract_angular, contract_radial };

template <template <typename, int, int> class Block, Kind kind, typename T, int M>
void over_atoms(const Tensor& x, const Tensor& y, const Tensor& offsets, Tensor& out, int64_t k_total) {
  const T *xp = x.const_data_ptr<T>(), *yp = y.const_data_ptr<T>();
  T* op = out.mutable_data_ptr<T>();
  const int64_t* first = offsets.const_data_ptr<int64_t>();
  const int64_t atoms = offsets.numel() - 1;
  const int64_t pairs_per_atom = atoms ? first[atoms] / atoms : 0;
  at::parallel_for(0, atoms, grain(atoms, pairs_per_atom * M * k_total / 16), [&](int64_t from, int64_t to) {
    for (int64_t n = from; n < to; ++n) {
      const int64_t node = n * M * k_total;
      if constexpr (kind == Kind::moments)
        for_channels<Block, T, M>(xp, yp, op + node, first[n], first[n + 1], k_total);
      else
        for_channels<Block, T, M>(xp, yp + node, op, first[n], first[n + 1], k_total);
    }
  });
}

template <template <typename, int, int> class Block, Kind kind>
void dispatch(const Tensor& x, const Tensor& y, const Tensor& offsets, Tensor& out, int64_t m, int64_t k) {
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "atnn_moments", [&] {
    switch (m) {
      case 1: return over_atoms<Block, kind, scalar_t, 1>(x, y, offsets, out, k);
      case 3: return over_atoms<Block, kind, scalar_t, 3>(x, y, offsets, out, k);
      case 4: return over_atoms<Block, kind, scalar_t, 4>(x, y, offsets, out, k);
      case 5: return over_atoms<Block, kind, scalar_t, 5>(x, y, offsets, out, k);
      case 7: return over_atoms<Block, kind, scalar_t, 7>(x, y, offsets, out, k);
      case 9: return over_atoms<Block, kind, scalar_t, 9>(x, y, offsets, out, k);
      case 10: return over_atoms<Block, kind, scalar_t, 10>(x, y, offsets, out, k);
      case 16: return over_atoms<Block, kind, scalar_t, 16>(x, y, offsets, out, k);
      case 20: return over_atoms<Block, kind, scalar_t, 20>(x, y, offsets, out, k);
      default: TORCH_CHECK(false, "atnn: no kernel for ", m, " angular components");
    }
  });
}

Tensor moments(const Tensor& angular, const Tensor& radial, const Tensor& offsets) {
  auto a = angular.contiguous(), b = radial.contiguous();
  auto out = at::empty({offsets.numel() - 1, a.size(1), b.size(1)}, a.options());
  dispatch<Moments, Kind::moments>(a, b, offsets, out, a.size(1), b.size(1));
  return out;
}

Tensor contract_angular(const Tensor& angular, const Tensor& nodes, const Tensor& offsets) {
  auto a = angular.contiguous(), g = nodes.contiguous();
  auto out = at::empty({a.size(0), g.size(2)}, a.options());
  dispatch<ContractAngular, Kind::contract_angular>(a, g, offsets, out, g.size(1), g.size(2));
  return out;
}

Tensor contract_radial(const Tensor& radial, const Tensor& nodes, const Tensor& offsets) {
  auto b = radial.contiguous(), g = nodes.contiguous();
  auto out = at::empty({b.size(0), g.size(1)}, b.options());
  dispatch<ContractRadial, Kind::contract_radial>(b, g, offsets, out, g.size(1), g.size(2));
  return out;
}

template <typename T, bool mirrored>
void sum_rows(const Tensor& x, const Tensor& reverse, const Tensor& offsets, Tensor& out) {
  const int64_t width = x.size(1), atoms = offsets.numel() - 1;
  const int64_t *first = offsets.const_data_ptr<int64_t>(), *back = reverse.const_data_ptr<int64_t>();
  const T* xp = x.const_data_ptr<T>();
  T* op = out.mutable_data_ptr<T>();
  const int64_t pairs_per_atom = atoms ? first[atoms] / atoms : 0;
  at::parallel_for(0, atoms, grain(atoms, pairs_per_atom * (1 + width / 8)), [&](int64_t from, int64_t to) {
    for (int64_t n = from; n < to; ++n) {
      T* o = op + n * width;
      for (int64_t k = 0; k < width; ++k) o[k] = 0;
      for (int64_t e = first[n]; e < first[n + 1]; ++e) {
        const T* row = xp + (mirrored ? back[e] : e) * width;
#pragma GCC ivdep
        for (int64_t k = 0; k < width; ++k) o[k] += row[k];
      }
    }
  });
}

template <bool mirrored>
Tensor sum_pairs(const Tensor& pairs, const Tensor& reverse, const Tensor& offsets) {
  auto x = pairs.contiguous();
  auto out = at::empty({offsets.numel() - 1, x.size(1)}, x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "atnn_sum_pairs",
                             [&] { sum_rows<scalar_t, mirrored>(x, reverse, offsets, out); });
  return out;
}

// Derivative of the given order of [(cos(pi r / rc) + 1) / 2]^2 = 3/8 + cos(pi x) / 2 + cos(2 pi x) / 8.
Tensor cosine_squared(const Tensor& lengths, double cutoff, int64_t order) {
  auto r = lengths.contiguous();
  // ATen's cosine is vectorised, the C library's is not.
  auto angle = at::mul(r, M_PI / cutoff);
  auto cosine = at::cos(angle), sine = order % 2 ? at::sin(angle) : cosine;
  auto out = at::empty_like(r);
  AT_DISPATCH_FLOATING_TYPES(r.scalar_type(), "atnn_cosine_squared", [&] {
    const scalar_t *rp = r.const_data_ptr<scalar_t>(), *c = cosine.const_data_ptr<scalar_t>();
    const scalar_t* s = sine.const_data_ptr<scalar_t>();
    scalar_t* op = out.mutable_data_ptr<scalar_t>();
    // The n-th derivative of cos is +cos, -sin, -cos, +sin in turn.
    const double sign = order % 4 == 1 || order % 4 == 2 ? -1.0 : 1.0, power = sign * std::pow(M_PI / cutoff, order);
    const scalar_t first = 0.5 * power, second = 0.125 * std::ldexp(power, order), limit = cutoff;
    const scalar_t constant = order == 0 ? 0.375 : 0.0;
    const bool odd = order % 2;
    for (int64_t e = 0; e < r.numel(); ++e) {
      const scalar_t one = odd ? s[e] : c[e], two = odd ? 2 * s[e] * c[e] : 2 * c[e] * c[e] - 1;
      op[e] = rp[e] < limit ? constant + first * one + second * two : scalar_t(0);
    }
  });
  return out;
}

// Each pair once -> both directions, sorted by center, with the position of the opposite direction.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> mirror_pairs(const Tensor& half_i, const Tensor& half_j,
                                                                const Tensor& half_shifts, int64_t atoms) {
  auto hi = half_i.contiguous(), hj = half_j.contiguous(), hs = half_shifts.contiguous();
  const int64_t half = hi.numel();
  auto i = at::empty({2 * half}, hi.options()), j = at::empty({2 * half}, hi.options());
  auto reverse = at::empty({2 * half}, hi.options());
  auto shifts = at::empty({2 * half, 3}, hs.options());
  auto offsets = at::zeros({atoms + 1}, hi.options());
  const int64_t *ip = hi.const_data_ptr<int64_t>(), *jp = hj.const_data_ptr<int64_t>();
  const int32_t* sp = hs.const_data_ptr<int32_t>();
  int64_t *io = i.mutable_data_ptr<int64_t>(), *jo = j.mutable_data_ptr<int64_t>();
  int64_t *ro = reverse.mutable_data_ptr<int64_t>(), *first = offsets.mutable_data_ptr<int64_t>();
  int32_t* so = shifts.mutable_data_ptr<int32_t>();
  for (int64_t p = 0; p < half; ++p) {
    ++first[ip[p] + 1];
    ++first[jp[p] + 1];
  }
  for (int64_t n = 0; n < atoms; ++n) first[n + 1] += first[n];
  std::vector<int64_t> next(first, first + atoms);
  for (int64_t p = 0; p < half; ++p) {
    const int64_t x = next[ip[p]]++, y = next[jp[p]]++;
    io[x] = ip[p], jo[x] = jp[p], ro[x] = y;
    io[y] = jp[p], jo[y] = ip[p], ro[y] = x;
    for (int c = 0; c < 3; ++c) so[3 * x + c] = sp[3 * p + c], so[3 * y + c] = -sp[3 * p + c];
  }
  return {i, j, shifts, reverse, offsets};
}

}  // namespace

TORCH_LIBRARY_IMPL(atnn, CPU, m) {
  m.impl("moments", moments);
  m.impl("contract_angular", contract_angular);
  m.impl("contract_radial", contract_radial);
  m.impl("sum_centers", sum_pairs<false>);
  m.impl("sum_neighbors", sum_pairs<true>);
  m.impl("cosine_squared", cosine_squared);
  m.impl("mirror_pairs", mirror_pairs);
}
