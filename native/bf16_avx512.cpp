// Micro-kernels of bf16 matrix products: a tile of C in registers while k runs. Each element is one chain of vdpbf16ps in
// the order of k, so its value does not depend on the tile that it falls in. vdpbf16ps multiplies exactly, adds in fp32 and
// takes subnormal numbers for zero.
//
// Includes no header with inline functions of its own: their copies, compiled for AVX-512 here, could be the ones that the
// linker keeps.
#include "commoncanvas_native.h"

#include <immintrin.h>

namespace {

constexpr int vectors = 2, lanes = 16, columns = vectors * lanes;

// The same bits as bf16 pairs; the compilers disagree on which casts between their vector types they allow.
inline __m512bh bf16(__m512i bits) {
  union {
    __m512i bits;
    __m512bh pairs;
  } v;
  v.bits = bits;
  return v.pairs;
}

template <int Rows>
struct Tile {
  __m512 c[Rows][vectors];

  Tile() {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) c[r][v] = _mm512_setzero_ps();
  }

  // c += the outer product of a column of A, whose value of row r is a(r), and a row of B
  template <typename A>
  void add(const A &a, const Pair *b) {
    __m512bh b0 = bf16(_mm512_load_si512(b)), b1 = bf16(_mm512_load_si512(b + lanes));
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++) {
      __m512bh x = bf16(_mm512_set1_epi32(static_cast<int>(a(r))));
      c[r][0] = _mm512_dpbf16_ps(c[r][0], x, b0);
      c[r][1] = _mm512_dpbf16_ps(c[r][1], x, b1);
    }
  }

  void store(float *tile) const {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) _mm512_storeu_ps(tile + r * columns + v * lanes, c[r][v]);
  }
};

} // namespace

void commoncanvas_bf16_rows(std::int64_t segments, const Pair *const *rows, std::int64_t length, const Pair *b, float *tile) {
  constexpr int height = 8;
  Tile<height> sums;
  for (; segments > 0; segments--, rows += height) {
    const Pair *p0 = rows[0], *p1 = rows[1], *p2 = rows[2], *p3 = rows[3];
    const Pair *p4 = rows[4], *p5 = rows[5], *p6 = rows[6], *p7 = rows[7];
    const Pair *const p[height] = {p0, p1, p2, p3, p4, p5, p6, p7};
    for (std::int64_t k = 0; k < length; k++, b += columns) sums.add([&](int r) { return p[r][k]; }, b);
  }
  sums.store(tile);
}

void commoncanvas_bf16_outer(std::int64_t length, const Pair *a, std::int64_t stride, const Pair *b, float *tile) {
  Tile<14> sums;
  for (std::int64_t k = 0; k < length; k++, a += stride, b += columns) sums.add([&](int r) { return a[r]; }, b);
  sums.store(tile);
}
