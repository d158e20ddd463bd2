// Vectors of channels that the compiler keeps in registers, and the size of parallel tasks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace atnn {

inline int64_t grain(int64_t atoms, int64_t work_per_atom) {
  // About 20 microseconds of work per task, so that small molecules stay on one thread.
  return std::max<int64_t>(1, 40000 / std::max<int64_t>(1, work_per_atom));
}

// KB numbers that the compiler keeps in vector registers.
template <typename T, int KB>
struct Vec {
  typedef T type __attribute__((vector_size(KB * sizeof(T)), aligned(alignof(T))));
};
template <typename T>
struct Vec<T, 1> {
  typedef T type;
};

template <typename V, typename T>
inline V load(const T* from) {
  V v;
  std::memcpy(&v, from, sizeof(V));
  return v;
}

template <typename V, typename T>
inline void store(T* to, const V& v) {
  std::memcpy(to, &v, sizeof(V));
}

// Bytes of a register. Vectors that are wider are kept in memory, which is many times slower.
#if defined(__AVX512F__)
constexpr int REGISTER = 64;
#elif defined(__AVX__)
constexpr int REGISTER = 32;
#else
constexpr int REGISTER = 16;
#endif
template <typename T>
constexpr int LANES = REGISTER / sizeof(T);
// A full register.
template <typename T>
using Lanes = typename Vec<T, LANES<T>>::type;

// Calls body.template operator()<KB>(k) for blocks of a register, of parts of it and of 1 that together cover all.
template <typename T, typename Body>
inline void for_blocks(int64_t channels, const Body& body) {
  constexpr int wide = LANES<T>;
  int64_t k = 0;
  for (; k + wide <= channels; k += wide) body.template operator()<wide>(k);
  if constexpr (wide > 8)
    if (k + 8 <= channels) body.template operator()<8>(k), k += 8;
  if constexpr (wide > 4)
    if (k + 4 <= channels) body.template operator()<4>(k), k += 4;
  for (; k < channels; ++k) body.template operator()<1>(k);
}

// exp(x) for x <= 0: 2^n exp(f) with |f| <= ln(2) / 2 and the Taylor series of exp(f). It stops falling where it
// vanishes beside 1, so that products with two others of the kind are not denormal, which would be far slower.
template <typename T>
inline Lanes<T> exponential(Lanes<T> x) {
  constexpr bool single = sizeof(T) == 4;
  constexpr int degree = single ? 7 : 13, mantissa = single ? 23 : 52;
  constexpr T smallest = single ? -30 : -200, high = single ? 0.693359375 : 6.93147180369123816490e-01;
  constexpr T low = single ? -2.12194440e-4 : 1.90821492927058770002e-10, per_ln2 = 1.44269504088896340736;
  constexpr T rounder = single ? 12582912.0 : 6755399441055744.0;  // adding it leaves an integer in the lowest bits
  static constexpr auto factor = [] {
    std::array<T, degree + 1> c{};
    double value = 1;
    for (int i = 0; i <= degree; value /= ++i) c[i] = T(value);
    return c;
  }();
  x = x < smallest ? Lanes<T>{} + smallest : x;
  const Lanes<T> shifted = x * per_ln2 + rounder, n = shifted - rounder, f = (x - n * high) - n * low;
  Lanes<T> sum = f * factor[degree] + factor[degree - 1];
#pragma GCC unroll 16
  for (int i = degree - 2; i >= 0; --i) sum = sum * f + factor[i];
  typename Vec<std::conditional_t<single, int32_t, int64_t>, LANES<T>>::type exponent, bits;
  std::memcpy(&exponent, &shifted, sizeof(exponent));
  std::memcpy(&bits, &sum, sizeof(bits));
  bits += exponent << mantissa;
  std::memcpy(&sum, &bits, sizeof(bits));
  return sum;
}

}  // namespace atnn
