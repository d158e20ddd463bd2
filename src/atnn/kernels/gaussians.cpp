// CPU kernels of gaussians.py, which says what they compute and holds the plain reference.
//
// Channels fill the vector registers; a pair reads the table of its neighbor's element and stores no exponential.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>

#include "vectors.h"

namespace {

using at::Tensor;
using namespace atnn;

constexpr int LARGEST = 5;  // number of rows that have a kernel

// The table with channels padded to full registers.
template <typename T>
struct Table {
  const Tensor exponents, amplitudes;
  const int64_t gaussians, channels, padded;

  Table(const Tensor& exponents, const Tensor& amplitudes)
      : exponents(pad(exponents)), amplitudes(pad(amplitudes)), gaussians(exponents.size(1)),
        channels(exponents.size(2)), padded(this->exponents.size(2)) {}

  static Tensor pad(const Tensor& x) {
    const int64_t missing = (LANES<T> - x.size(-1) % LANES<T>) % LANES<T>;
    return missing ? at::constant_pad_nd(x, {0, missing}) : x.contiguous();
  }
  const T* exponent(int64_t kind) const { return exponents.const_data_ptr<T>() + kind * gaussians * padded; }
  const T* amplitude(int64_t kind) const {
    return amplitudes.const_data_ptr<T>() + kind * amplitudes.size(1) * gaussians * padded;
  }
  int64_t lanes(int64_t k) const { return std::min<int64_t>(LANES<T>, channels - k); }  // in use from channel k on
};

// Calls body(pair, k, exponent(g), amplitude(n, g)) for every pair and register of channels.
template <typename T, typename Body>
void over_pairs(const Table<T>& table, const Tensor& kind, int64_t rows, const Body& body) {
  const int64_t* z = kind.const_data_ptr<int64_t>();
  const int64_t pairs = kind.numel(), step = table.padded;
  at::parallel_for(0, pairs, grain(pairs, 2 * table.gaussians * (rows + 8)), [&](int64_t from, int64_t to) {
    for (int64_t e = from; e < to; ++e) {
      const T *kappa = table.exponent(z[e]), *factor = table.amplitude(z[e]);
      for (int64_t k = 0; k < table.channels; k += LANES<T>)
        body(
            e, k, [&](int64_t g) { return load<Lanes<T>>(kappa + g * step + k); },
            [&](int64_t n, int64_t g) { return load<Lanes<T>>(factor + (n * table.gaussians + g) * step + k); });
    }
  });
}

template <typename T, int N>
void sums(const Table<T>& table, const Tensor& square, const Tensor& kind, Tensor& out) {
  const T* s = square.const_data_ptr<T>();
  T* op = out.mutable_data_ptr<T>();
  const int64_t pairs = square.numel(), channels = table.channels;
  over_pairs(table, kind, N, [&](int64_t e, int64_t k, auto exponent, auto amplitude) {
    Lanes<T> sum[N] = {};
    for (int64_t g = 0; g < table.gaussians; ++g) {
      const Lanes<T> gaussian = exponential<T>(-s[e] * exponent(g));
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) sum[n] += amplitude(n, g) * gaussian;
    }
    for (int n = 0; n < N; ++n)
      std::memcpy(op + (n * pairs + e) * channels + k, &sum[n], table.lanes(k) * sizeof(T));
  });
}

template <typename T, int N>
void weighted(const Table<T>& table, const Tensor& weights, const Tensor& square, const Tensor& kind, Tensor& out) {
  const T *s = square.const_data_ptr<T>(), *wp = weights.const_data_ptr<T>();
  T* op = out.mutable_data_ptr<T>();
  const int64_t pairs = square.numel(), channels = table.channels;
  over_pairs(table, kind, N, [&](int64_t e, int64_t k, auto exponent, auto amplitude) {
    Lanes<T> weight[N] = {}, sum = {};
    for (int n = 0; n < N; ++n)
      std::memcpy(&weight[n], wp + (n * pairs + e) * channels + k, table.lanes(k) * sizeof(T));
    for (int64_t g = 0; g < table.gaussians; ++g) {
      Lanes<T> factor = amplitude(0, g) * weight[0];
#pragma GCC unroll 8
      for (int n = 1; n < N; ++n) factor += amplitude(n, g) * weight[n];
      sum += factor * exponential<T>(-s[e] * exponent(g));
    }
    T total = 0;
    for (int l = 0; l < LANES<T>; ++l) total += sum[l];
    op[e] = k ? op[e] + total : total;
  });
}

// Calls run.template operator()<N>() with N = rows.
template <int N = 1, typename Run>
void with_rows(int64_t rows, const Run& run) {
  if constexpr (N > LARGEST) {
    TORCH_CHECK(false, "atnn: no kernel for ", rows, " rows of sums of Gaussians");
  } else if (rows == N) {
    run.template operator()<N>();
  } else {
    with_rows<N + 1>(rows, run);
  }
}

Tensor gaussian_sums(const Tensor& square, const Tensor& kind, const Tensor& exponents, const Tensor& amplitudes) {
  auto s = square.contiguous(), z = kind.contiguous();
  auto out = at::empty({amplitudes.size(1), s.numel(), exponents.size(2)}, s.options());
  AT_DISPATCH_FLOATING_TYPES(s.scalar_type(), "atnn_gaussian_sums", [&] {
    const Table<scalar_t> table(exponents, amplitudes);
    with_rows(amplitudes.size(1), [&]<int N>() { sums<scalar_t, N>(table, s, z, out); });
  });
  return out;
}

Tensor weighted_sums(const Tensor& weights, const Tensor& square, const Tensor& kind, const Tensor& exponents,
                     const Tensor& amplitudes) {
  auto w = weights.contiguous(), s = square.contiguous(), z = kind.contiguous();
  auto out = at::empty_like(s);
  AT_DISPATCH_FLOATING_TYPES(s.scalar_type(), "atnn_weighted_sums", [&] {
    const Table<scalar_t> table(exponents, amplitudes);
    with_rows(amplitudes.size(1), [&]<int N>() { weighted<scalar_t, N>(table, w, s, z, out); });
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(atnn, CPU, m) {
  m.impl("gaussian_sums", gaussian_sums);
  m.impl("weighted_sums", weighted_sums);
}
