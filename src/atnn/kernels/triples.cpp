// CPU kernels of triples.py, which says what they compute and holds the plain reference.
//
// A row of neighbors k fills the vector registers for each neighbor j. Functions share angular parts and widths, so
// that a triple costs one exponential per width and a few products per function. Triples are never stored.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <array>
#include <cmath>
#include <optional>
#include <type_traits>
#include <vector>

#include "vectors.h"

namespace {

using at::Tensor;
using namespace atnn;

// Value and derivative along a direction: one code computes a function and its directional derivative.
template <typename V>
struct Dual {
  V value, slope;
};
template <typename V>
inline Dual<V> operator+(const Dual<V>& a, const Dual<V>& b) {
  return {a.value + b.value, a.slope + b.slope};
}
template <typename V>
inline Dual<V> operator-(const Dual<V>& a, const Dual<V>& b) {
  return {a.value - b.value, a.slope - b.slope};
}
template <typename V>
inline Dual<V> operator*(const Dual<V>& a, const Dual<V>& b) {
  return {a.value * b.value, a.value * b.slope + a.slope * b.value};
}
template <typename V, typename T>
inline Dual<V> operator*(T a, const Dual<V>& b) {
  return {a * b.value, a * b.slope};
}
template <typename V, typename T>
inline Dual<V> operator+(T a, const Dual<V>& b) {
  return {a + b.value, b.slope};
}

// What is asked for: the number itself, or its derivative.
template <typename V>
inline V wanted(const V& x) {
  return x;
}
template <typename V>
inline V wanted(const Dual<V>& x) {
  return x.slope;
}

using atnn::exponential;
template <typename T>
inline Dual<Lanes<T>> exponential(const Dual<Lanes<T>>& x) {
  const Lanes<T> value = exponential<T>(x.value);
  return {value, value * x.slope};
}

// cos(pi sqrt(x) / 2) or its derivative by x, for 0 <= x <= 1: a power series in x, without a root.
template <typename T, bool derivative, typename N>
inline N quarter_wave(const N& x) {
  constexpr int degree = sizeof(T) == 4 ? 7 : 12;
  static constexpr auto factor = [] {
    std::array<T, degree + 1> c{};
    double value = 1;
    for (int i = 0; i <= degree; ++i) {
      const double next = -value * (M_PI * M_PI / 4) / ((2 * i + 1) * (2 * i + 2));
      c[i] = T(derivative ? (i + 1) * next : value);
      value = next;
    }
    return c;
  }();
  N sum = factor[degree - 1] + factor[degree] * x;
#pragma GCC unroll 16
  for (int i = degree - 2; i >= 0; --i) sum = factor[i] + sum * x;
  return sum;
}

template <typename V>
inline V where_below_1(const V& x, const V& f) {
  return x < 1 ? f : V{};
}
template <typename V>
inline Dual<V> where_below_1(const Dual<V>& x, const Dual<V>& f) {
  return {where_below_1(x.value, f.value), where_below_1(x.value, f.slope)};
}

template <typename T, typename N>
inline N power(N base, int64_t exponent) {
  N result = base - base;
  result = T(1) + result;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = result * base;
    base = base * base;
  }
  return result;
}

// The functions as the loops want them: those of one width stand together, equal angular parts are computed once.
struct TripleFunctions {
  double cutoff;
  int64_t envelope;
  std::vector<double> etas;
  std::vector<int64_t> narrow, first, part, zeta, sign;  // by width; first function; by function; by angular part

  TripleFunctions(double cutoff, int64_t envelope, at::ArrayRef<double> etas, at::IntArrayRef narrow,
                  at::IntArrayRef table)  // rows of width, zeta, sign
      : cutoff(cutoff), envelope(envelope), etas(etas.vec()), narrow(narrow.vec()), first(etas.size() + 1, 0) {
    for (size_t f = 0; f + 2 < table.size(); f += 3) {
      TORCH_CHECK(f == 0 || table[f - 3] <= table[f], "atnn: functions of triples must be sorted by width");
      ++first[table[f] + 1];
      size_t p = 0;
      while (p < zeta.size() && (zeta[p] != table[f + 1] || sign[p] != table[f + 2])) ++p;
      if (p == zeta.size()) zeta.push_back(table[f + 1]), sign.push_back(table[f + 2]);
      part.push_back(p);
    }
    for (size_t w = 0; w < this->etas.size(); ++w) first[w + 1] += first[w];
  }
  int64_t columns() const { return 4 + etas.size(); }  // of the table: unit vector, length, radial parts
  int64_t count() const { return part.size(); }
};

// Slots for the neighbors of one center within the cutoff, kind by kind, with a register of zeros after each kind.
template <typename T>
struct Slots {
  const int64_t kinds, columns;
  int64_t stride = 0;
  std::vector<int64_t> start, count, slot;

  Slots(int64_t kinds, int64_t columns) : kinds(kinds), columns(columns), start(kinds), count(kinds) {}

  void assign(const T* table, const int64_t* kind, int64_t pairs, T cutoff) {
    slot.assign(pairs, -1);
    std::fill(count.begin(), count.end(), 0);
    for (int64_t e = 0; e < pairs; ++e)
      if (table[e * columns + 3] < cutoff) slot[e] = count[kind[e]]++;
    stride = 0;
    for (int64_t k = 0; k < kinds; ++k) start[k] = stride, stride += count[k] ? count[k] + LANES<T> : 0;
    for (int64_t e = 0; e < pairs; ++e)
      if (slot[e] >= 0) slot[e] += start[kind[e]];
  }
  void gather(const T* table, std::vector<T>& into) const {
    into.assign(columns * stride, T(0));
    for (size_t e = 0; e < slot.size(); ++e)
      if (slot[e] >= 0)
        for (int64_t c = 0; c < columns; ++c) into[c * stride + slot[e]] = table[e * columns + c];
  }
  void scatter(const std::vector<T>& from, T* table) const {
    for (size_t e = 0; e < slot.size(); ++e)
      for (int64_t c = 0; c < columns; ++c) table[e * columns + c] = slot[e] < 0 ? T(0) : from[c * stride + slot[e]];
  }
  // Calls row(j, first k, end of k) so that every pair of neighbors comes once, between begin and end of its kinds.
  template <typename Begin, typename Row, typename End>
  void rows(const Begin& begin, const Row& row, const End& end) const {
    for (int64_t b = 0; b < kinds; ++b)
      for (int64_t a = 0; a <= b; ++a) {
        if (count[a] == 0 || count[b] == 0) continue;
        const int64_t place = b * (b + 1) / 2 + a;
        const int64_t outer = count[a] <= count[b] ? a : b, inner = a + b - outer;  // the longer fills the registers
        begin(place);
        for (int64_t j = start[outer]; j < start[outer] + count[outer]; ++j)
          row(j, a == b ? j + 1 : start[inner], start[inner] + count[inner]);
        end(place);
      }
  }
};

// Columns of one center: numbers, or numbers with their derivatives along a direction.
template <typename T, typename N>
struct Columns {
  static constexpr bool dual = !std::is_same_v<N, Lanes<T>>;
  std::vector<T> values, slopes;

  N many(int64_t at) const {
    if constexpr (dual)
      return {load<Lanes<T>>(&values[at]), load<Lanes<T>>(&slopes[at])};
    else
      return load<Lanes<T>>(&values[at]);
  }
  N one(int64_t at) const {
    if constexpr (dual)
      return {Lanes<T>{} + values[at], Lanes<T>{} + slopes[at]};
    else
      return Lanes<T>{} + values[at];
  }
};

// The loops over the triples of one center at a time, with their working memory.
template <typename T, typename N>
class Triples {
  typedef Lanes<T> V;
  const TripleFunctions& functions;
  Slots<T> slots;
  Columns<T, N> x;
  const int64_t widths;
  std::vector<N> own, angular, by_cosine;  // columns of j; angular parts and their derivatives
  N cosine, square, envelope, by_square;   // of the angle at the center, of the distance from j to k

 public:
  Triples(const TripleFunctions& f, int64_t kinds)
      : functions(f), slots(kinds, f.columns()), widths(f.etas.size()), own(f.columns()), angular(f.zeta.size()),
        by_cosine(f.zeta.size()) {}

  void enter(const T* table, const T* direction, const int64_t* kind, int64_t pairs) {
    slots.assign(table, kind, pairs, T(functions.cutoff));
    slots.gather(table, x.values);
    if (direction) slots.gather(direction, x.slopes);
  }

  // out[place, f]: the sums.
  void sums(T* out) {
    const int64_t count = functions.count();
    std::vector<V> total(count);
    slots.rows([&](int64_t) { std::fill(total.begin(), total.end(), V{}); },
               [&](int64_t j, int64_t k, int64_t end) {
                 own_columns(j);
                 for (; k < end; k += LANES<T>) {
                   geometry(k);
                   for (int64_t w = 0; w < widths; ++w) {
                     N product = own[4 + w] * column(4 + w, k);
                     if (functions.narrow[w]) product = product * (gaussian(w) * envelope);
                     for (int64_t f = functions.first[w]; f < functions.first[w + 1]; ++f)
                       total[f] += wanted(product * angular[functions.part[f]]);
                   }
                 }
               },
               [&](int64_t place) {
                 for (int64_t f = 0; f < count; ++f) out[place * count + f] = across(total[f]);
               });
  }

  // out[pair, column]: derivative by the table of sum_f gradient[place, f] sums[place, f].
  void gradients(const T* gradient, T* out) {
    const int64_t columns = functions.columns();
    std::vector<T> result(columns * slots.stride, T(0));
    std::vector<V> mine(columns);
    const T* g = nullptr;
    auto add = [&](int64_t c, int64_t at, const N& to_j, const N& to_k) {
      mine[c] += wanted(to_j);
      T* place = &result[c * slots.stride + at];
      const V sum = load<V>(place) + wanted(to_k);
      std::memcpy(place, &sum, sizeof(V));
    };
    slots.rows([&](int64_t place) { g = gradient + place * functions.count(); },
               [&](int64_t j, int64_t k, int64_t end) {
                 own_columns(j);
                 std::fill(mine.begin(), mine.end(), V{});
                 for (; k < end; k += LANES<T>) {
                   geometry(k);
                   N to_cosine{}, to_square{};
                   for (int64_t w = 0; w < widths; ++w) {
                     N sum{}, slope{};
                     for (int64_t f = functions.first[w]; f < functions.first[w + 1]; ++f) {
                       sum = sum + g[f] * angular[functions.part[f]];
                       slope = slope + g[f] * by_cosine[functions.part[f]];
                     }
                     const N other = column(4 + w, k);
                     N mutual = own[4 + w] * other;
                     if (functions.narrow[w]) {
                       const N far = gaussian(w);
                       to_square = to_square + mutual * sum * far * (by_square - T(functions.etas[w]) * envelope);
                       sum = sum * far * envelope;
                       mutual = mutual * far * envelope;
                     }
                     to_cosine = to_cosine + mutual * slope;
                     add(4 + w, k, sum * other, sum * own[4 + w]);
                   }
                   const N length = column(3, k), doubled = T(2) * to_square;
                   add(3, k, doubled * (own[3] - length * cosine), doubled * (length - own[3] * cosine));
                   to_cosine = to_cosine - doubled * own[3] * length;
                   for (int64_t c = 0; c < 3; ++c) add(c, k, to_cosine * column(c, k), to_cosine * own[c]);
                 }
                 for (int64_t c = 0; c < columns; ++c) result[c * slots.stride + j] += across(mine[c]);
               },
               [](int64_t) {});
    slots.scatter(result, out);
  }

 private:
  N column(int64_t c, int64_t k) const { return x.many(c * slots.stride + k); }
  void own_columns(int64_t j) {
    for (int64_t c = 0; c < functions.columns(); ++c) own[c] = x.one(c * slots.stride + j);
  }
  N gaussian(int64_t w) const { return exponential<T>(T(-functions.etas[w]) * square); }

  void geometry(int64_t k) {
    cosine = own[0] * column(0, k) + own[1] * column(1, k) + own[2] * column(2, k);
    const N length = column(3, k);
    square = own[3] * own[3] + length * length - T(2) * own[3] * length * cosine;
    const N scaled = T(1 / (functions.cutoff * functions.cutoff)) * square;
    const N wave = quarter_wave<T, false>(scaled), before = power<T>(wave, functions.envelope - 1);
    envelope = where_below_1(scaled, before * wave);
    by_square = where_below_1(scaled, T(functions.envelope / (functions.cutoff * functions.cutoff)) * before *
                                          quarter_wave<T, true>(scaled));
    for (size_t p = 0; p < angular.size(); ++p) {
      // 2^(1 - zeta) (1 + lambda c)^zeta = 2 b^zeta with b = (1 + lambda c) / 2
      const T sign = functions.sign[p];
      const N base = T(0.5) + (T(0.5) * sign) * cosine, before = power<T>(base, functions.zeta[p] - 1);
      angular[p] = T(2) * (before * base);
      by_cosine[p] = (sign * T(functions.zeta[p])) * before;
    }
  }
  static T across(const V& x) {
    T sum = 0;
    for (int i = 0; i < LANES<T>; ++i) sum += x[i];
    return sum;
  }
};

template <typename Body>
void over_centers(const Tensor& offsets, int64_t columns, const Body& body) {
  const int64_t *first = offsets.const_data_ptr<int64_t>(), atoms = offsets.numel() - 1;
  const int64_t pairs = atoms ? first[atoms] / atoms : 0;
  at::parallel_for(0, atoms, grain(atoms, pairs * pairs * columns), [&](int64_t from, int64_t to) {
    body(from, to, first);
  });
}

template <typename T, bool dual>
void triple_sums(const TripleFunctions& f, const Tensor& table, const Tensor& direction, const Tensor& kind,
                 const Tensor& offsets, int64_t kinds, Tensor& out) {
  const T *x = table.const_data_ptr<T>(), *y = dual ? direction.const_data_ptr<T>() : nullptr;
  const int64_t *z = kind.const_data_ptr<int64_t>(), row = out.size(1) * out.size(2), columns = f.columns();
  T* result = out.mutable_data_ptr<T>();
  over_centers(offsets, columns, [&](int64_t from, int64_t to, const int64_t* first) {
    Triples<T, std::conditional_t<dual, Dual<Lanes<T>>, Lanes<T>>> loops(f, kinds);
    for (int64_t n = from; n < to; ++n) {
      const int64_t at = first[n] * columns;
      loops.enter(x + at, dual ? y + at : nullptr, z + first[n], first[n + 1] - first[n]);
      loops.sums(result + n * row);
    }
  });
}

template <typename T, bool dual>
void triple_gradients(const TripleFunctions& f, const Tensor& table, const Tensor& direction, const Tensor& gradient,
                      const Tensor& kind, const Tensor& offsets, int64_t kinds, Tensor& out) {
  const T *x = table.const_data_ptr<T>(), *y = dual ? direction.const_data_ptr<T>() : nullptr;
  const T* g = gradient.const_data_ptr<T>();
  const int64_t *z = kind.const_data_ptr<int64_t>(), columns = f.columns();
  const int64_t row = gradient.size(1) * gradient.size(2);
  T* result = out.mutable_data_ptr<T>();
  over_centers(offsets, 2 * columns, [&](int64_t from, int64_t to, const int64_t* first) {
    Triples<T, std::conditional_t<dual, Dual<Lanes<T>>, Lanes<T>>> loops(f, kinds);
    for (int64_t n = from; n < to; ++n) {
      const int64_t at = first[n] * columns;
      loops.enter(x + at, dual ? y + at : nullptr, z + first[n], first[n + 1] - first[n]);
      loops.gradients(g + n * row, result + at);
    }
  });
}

// Along a direction of the table: the derivative of the sums in that direction.
Tensor triples(const Tensor& table, const std::optional<Tensor>& direction, const Tensor& kind, const Tensor& offsets,
               int64_t kinds, double cutoff, int64_t envelope, at::ArrayRef<double> etas, at::IntArrayRef narrow,
               at::IntArrayRef table_of_functions) {
  const TripleFunctions functions(cutoff, envelope, etas, narrow, table_of_functions);
  auto x = table.contiguous(), y = direction ? direction->contiguous() : x;
  auto out = at::zeros({offsets.numel() - 1, kinds * (kinds + 1) / 2, functions.count()}, x.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "atnn_triples", [&] {
    const auto run = direction ? triple_sums<scalar_t, true> : triple_sums<scalar_t, false>;
    run(functions, x, y, kind, offsets, kinds, out);
  });
  return out;
}

Tensor triples_gradient(const Tensor& table, const std::optional<Tensor>& direction, const Tensor& gradient,
                        const Tensor& kind, const Tensor& offsets, int64_t kinds, double cutoff, int64_t envelope,
                        at::ArrayRef<double> etas, at::IntArrayRef narrow, at::IntArrayRef table_of_functions) {
  const TripleFunctions functions(cutoff, envelope, etas, narrow, table_of_functions);
  auto x = table.contiguous(), y = direction ? direction->contiguous() : x, g = gradient.contiguous();
  auto out = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "atnn_triples_gradient", [&] {
    const auto run = direction ? triple_gradients<scalar_t, true> : triple_gradients<scalar_t, false>;
    run(functions, x, y, g, kind, offsets, kinds, out);
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(atnn, CPU, m) {
  m.impl("triples", triples);
  m.impl("triples_gradient", triples_gradient);
}
