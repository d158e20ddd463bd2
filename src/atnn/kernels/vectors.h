// Vectors of channels that the compiler keeps in registers, and the size of parallel tasks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

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

// Calls body.template operator()<KB>(k) for blocks of 16, 8, 4 and 1 channels that together cover all.
template <typename Body>
inline void for_blocks(int64_t channels, const Body& body) {
  int64_t k = 0;
  for (; k + 16 <= channels; k += 16) body.template operator()<16>(k);
  if (k + 8 <= channels) body.template operator()<8>(k), k += 8;
  if (k + 4 <= channels) body.template operator()<4>(k), k += 4;
  for (; k < channels; ++k) body.template operator()<1>(k);
}

}  // namespace atnn
