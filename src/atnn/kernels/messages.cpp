// CPU kernels of messages.py and couplings.py, which say what each computes and hold the plain references.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "vectors.h"

namespace {

using at::Tensor;
using namespace atnn;

// Degree of each of the (L + 1)^2 components, and the weight that a component has: of its degree, or the only one.
constexpr int degree_of(int m) { return m < 1 ? 0 : m < 4 ? 1 : m < 9 ? 2 : 3; }
template <int D>
constexpr int weight_of(int m) {
  return D == 1 ? 0 : degree_of(m);
}

template <typename T, int M, int D, int KB>
inline void messages_block(const T* weights, const T* nodes, const int64_t* j, const int64_t* place, T* out,
                           int64_t begin, int64_t end, int64_t channels, int64_t k) {
  typedef typename Vec<T, KB>::type V;
  V acc[M] = {};
  for (int64_t e = begin; e < end; ++e) {
    const T* w = weights + (place ? place[e] : e) * D * channels + k;
    const T* x = nodes + j[e] * M * channels + k;
    V weight[D];
    for (int l = 0; l < D; ++l) weight[l] = load<V>(w + l * channels);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) acc[m] += weight[weight_of<D>(m)] * load<V>(x + m * channels);
  }
  for (int m = 0; m < M; ++m) store(out + m * channels + k, acc[m]);
}

template <typename T, int M, int D, int KB>
inline void overlaps_block(const T* held, const T* nodes, const int64_t* j, T* out, int64_t begin, int64_t end,
                           int64_t channels, int64_t k) {
  typedef typename Vec<T, KB>::type V;
  V x[M];
  for (int m = 0; m < M; ++m) x[m] = load<V>(held + m * channels + k);
  for (int64_t e = begin; e < end; ++e) {
    const T* y = nodes + j[e] * M * channels + k;
    V acc[D] = {};
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) acc[weight_of<D>(m)] += x[m] * load<V>(y + m * channels);
    for (int l = 0; l < D; ++l) store(out + (e * D + l) * channels + k, acc[l]);
  }
}

template <typename T, int M, int D>
void sum_messages(const Tensor& weights, const Tensor& nodes, const Tensor& j, const Tensor& reverse,
                  const Tensor& offsets, bool mirrored, Tensor& out) {
  const int64_t atoms = offsets.numel() - 1, channels = nodes.size(2);
  const T *w = weights.const_data_ptr<T>(), *x = nodes.const_data_ptr<T>();
  const int64_t *first = offsets.const_data_ptr<int64_t>(), *to = j.const_data_ptr<int64_t>();
  const int64_t* place = mirrored ? reverse.const_data_ptr<int64_t>() : nullptr;
  T* o = out.mutable_data_ptr<T>();
  at::parallel_for(0, atoms, grain(atoms, M * channels), [&](int64_t from, int64_t until) {
    for (int64_t n = from; n < until; ++n)
      for_blocks<T>(channels, [&]<int KB>(int64_t k) {
        messages_block<T, M, D, KB>(w, x, to, place, o + n * M * channels, first[n], first[n + 1], channels, k);
      });
  });
}

template <typename T, int M, int D>
void pair_overlaps(const Tensor& x, const Tensor& y, const Tensor& j, const Tensor& offsets, Tensor& out) {
  const int64_t atoms = offsets.numel() - 1, channels = x.size(2);
  const T *xp = x.const_data_ptr<T>(), *yp = y.const_data_ptr<T>();
  const int64_t *first = offsets.const_data_ptr<int64_t>(), *to = j.const_data_ptr<int64_t>();
  T* o = out.mutable_data_ptr<T>();
  at::parallel_for(0, atoms, grain(atoms, M * channels), [&](int64_t from, int64_t until) {
    for (int64_t n = from; n < until; ++n)
      for_blocks<T>(channels, [&]<int KB>(int64_t k) {
        overlaps_block<T, M, D, KB>(xp + n * M * channels, yp, to, o, first[n], first[n + 1], channels, k);
      });
  });
}

// Calls body.template operator()<M, D>() for M components with one weight, or with one for each of their degrees.
template <typename Body>
void for_components(int64_t m, int64_t weights, const Body& body) {
  switch (m) {
    case 1: return body.template operator()<1, 1>();
    case 4: return weights == 1 ? body.template operator()<4, 1>() : body.template operator()<4, 2>();
    case 9: return weights == 1 ? body.template operator()<9, 1>() : body.template operator()<9, 3>();
    case 16: return weights == 1 ? body.template operator()<16, 1>() : body.template operator()<16, 4>();
    default: TORCH_CHECK(false, "atnn: no kernel for ", m, " spherical components");
  }
}

Tensor messages(const Tensor& weights, const Tensor& nodes, const Tensor& j, const Tensor& reverse,
                const Tensor& offsets, bool mirrored) {
  auto w = weights.contiguous(), x = nodes.contiguous();
  auto out = at::empty({offsets.numel() - 1, x.size(1), x.size(2)}, x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "atnn_messages", [&] {
    for_components(x.size(1), w.size(1), [&]<int M, int D>() {
      sum_messages<scalar_t, M, D>(w, x, j, reverse, offsets, mirrored, out);
    });
  });
  return out;
}

Tensor overlaps(const Tensor& centers, const Tensor& neighbors, const Tensor& j, const Tensor& offsets,
                int64_t degrees) {
  auto x = centers.contiguous(), y = neighbors.contiguous();
  auto out = at::empty({j.size(0), degrees, x.size(2)}, x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "atnn_overlaps", [&] {
    for_components(x.size(1), degrees,
                   [&]<int M, int D>() { pair_overlaps<scalar_t, M, D>(x, y, j, offsets, out); });
  });
  return out;
}

template <typename T, int KB>
inline void spread_block(const T* weights, const T* nodes, const int64_t* j, const int64_t* place, T* out,
                         int64_t begin, int64_t end, int64_t channels, int64_t k) {
  typedef typename Vec<T, KB>::type V;
  V acc = {};
  for (int64_t e = begin; e < end; ++e) acc += weights[place ? place[e] : e] * load<V>(nodes + j[e] * channels + k);
  store(out + k, acc);
}

Tensor spread(const Tensor& weights, const Tensor& nodes, const Tensor& j, const Tensor& reverse,
              const Tensor& offsets, bool mirrored) {
  auto w = weights.contiguous(), x = nodes.contiguous();
  const int64_t atoms = offsets.numel() - 1, channels = x.size(1);
  auto out = at::empty({atoms, channels}, x.options());
  const int64_t *first = offsets.const_data_ptr<int64_t>(), *to = j.const_data_ptr<int64_t>();
  const int64_t* place = mirrored ? reverse.const_data_ptr<int64_t>() : nullptr;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "atnn_spread", [&] {
    const scalar_t *wp = w.const_data_ptr<scalar_t>(), *xp = x.const_data_ptr<scalar_t>();
    scalar_t* o = out.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, atoms, grain(atoms, channels), [&](int64_t from, int64_t until) {
      for (int64_t n = from; n < until; ++n)
        for_blocks<scalar_t>(channels, [&]<int KB>(int64_t k) {
          spread_block<scalar_t, KB>(wp, xp, to, place, o + n * channels, first[n], first[n + 1], channels, k);
        });
    });
  });
  return out;
}

// By halves: one lane after the other would wait for each addition.
template <typename T, int N>
inline T sum_of_lanes(const T* lanes) {
  if constexpr (N == 1) return lanes[0];
  else if constexpr (N == 2) return lanes[0] + lanes[1];
  else {
    typedef typename Vec<T, N / 2>::type V;
    T half[N / 2];
    store(half, load<V>(lanes) + load<V>(lanes + N / 2));
    return sum_of_lanes<T, N / 2>(half);
  }
}

Tensor pair_products(const Tensor& centers, const Tensor& neighbors, const Tensor& j, const Tensor& offsets) {
  auto x = centers.contiguous(), y = neighbors.contiguous();
  const int64_t atoms = offsets.numel() - 1, channels = x.size(1);
  auto out = at::empty({j.size(0)}, x.options());
  const int64_t *first = offsets.const_data_ptr<int64_t>(), *to = j.const_data_ptr<int64_t>();
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "atnn_pair_products", [&] {
    const scalar_t *xp = x.const_data_ptr<scalar_t>(), *yp = y.const_data_ptr<scalar_t>();
    scalar_t* o = out.mutable_data_ptr<scalar_t>();
    constexpr int wide = LANES<scalar_t>;
    typedef Lanes<scalar_t> V;
    at::parallel_for(0, atoms, grain(atoms, channels), [&](int64_t from, int64_t until) {
      for (int64_t n = from; n < until; ++n)
        for (int64_t e = first[n]; e < first[n + 1]; ++e) {
          const scalar_t *a = xp + n * channels, *b = yp + to[e] * channels;
          V lanes = {};
          int64_t k = 0;
          for (; k + wide <= channels; k += wide) lanes += load<V>(a + k) * load<V>(b + k);
          scalar_t parts[wide];
          store(parts, lanes);
          scalar_t sum = sum_of_lanes<scalar_t, wide>(parts);
          for (; k < channels; ++k) sum += a[k] * b[k];
          o[e] = sum;
        }
    });
  });
  return out;
}

// R blocks of KB channels of one atom: out[row of the term] += coefficient * x * y * z.
template <typename T, int KB, int R>
inline void couple_block(const T* x, const T* y, const T* z, T* out, const int32_t* terms, const T* factors,
                         int64_t count, int64_t rows, int64_t channels) {
  typedef typename Vec<T, KB>::type V;
  for (int64_t row = 0; row < rows; ++row)
    for (int r = 0; r < R; ++r) store(out + row * channels + r * KB, V{});
  // Terms are sorted by their row of the result, which stays in registers as long as it is the same.
  V sums[R] = {};
  for (int64_t q = 0; q < count; ++q) {
    const int32_t* term = terms + 4 * q;
    const T *a = x + term[0] * channels, *b = y + term[1] * channels, *c = z + term[2] * channels;
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) sums[r] += factors[q] * load<V>(a + r * KB) * load<V>(b + r * KB) * load<V>(c + r * KB);
    if (q + 1 < count && term[7] == term[3]) continue;
    for (int r = 0; r < R; ++r) store(out + term[3] * channels + r * KB, sums[r]), sums[r] = V{};
  }
}

Tensor couple(const Tensor& x, const Tensor& y, const Tensor& z, const Tensor& terms, const Tensor& coefficients,
              int64_t rows) {
  auto a = x.contiguous(), b = y.contiguous(), c = z.contiguous();
  const int64_t atoms = a.size(0), channels = a.size(2), count = terms.size(0);
  auto out = at::empty({atoms, rows, channels}, a.options());
  const int32_t* t = terms.const_data_ptr<int32_t>();
  AT_DISPATCH_FLOATING_TYPES(a.scalar_type(), "atnn_couple", [&] {
    const scalar_t *ap = a.const_data_ptr<scalar_t>(), *bp = b.const_data_ptr<scalar_t>();
    const scalar_t *cp = c.const_data_ptr<scalar_t>(), *factors = coefficients.const_data_ptr<scalar_t>();
    scalar_t* op = out.mutable_data_ptr<scalar_t>();
    const int64_t sa = a.size(1) * channels, sb = b.size(1) * channels, sc = c.size(1) * channels;
    constexpr int wide = LANES<scalar_t>;
    at::parallel_for(0, atoms, grain(atoms, count * channels / 4), [&](int64_t from, int64_t until) {
      for (int64_t n = from; n < until; ++n) {
        auto block = [&]<int KB, int R>(int64_t k) {
          couple_block<scalar_t, KB, R>(ap + n * sa + k, bp + n * sb + k, cp + n * sc + k, op + n * rows * channels + k,
                                        t, factors, count, rows, channels);
        };
        int64_t k = 0;
        for (; k + 4 * wide <= channels; k += 4 * wide) block.template operator()<wide, 4>(k);
        if (k + 2 * wide <= channels) block.template operator()<wide, 2>(k), k += 2 * wide;
        if (k + wide <= channels) block.template operator()<wide, 1>(k), k += wide;
        if (k + wide / 2 <= channels) block.template operator()<wide / 2, 1>(k), k += wide / 2;
        for (; k < channels; ++k) block.template operator()<1, 1>(k);
      }
    });
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(atnn, CPU, m) {
  m.impl("messages", messages);
  m.impl("overlaps", overlaps);
  m.impl("couple", couple);
  m.impl("spread", spread);
  m.impl("pair_products", pair_products);
}
