// The C interface that src/CommonCanvas.Tensors/Fast/NativeKernels.cs binds.
//
// bf16 values come in pairs of 32 bits: the even k in the low half, the odd k above it, as two neighbours of a row lie in
// memory. A pair counts as one value of k.
#pragma once

#include <cstdint>

#if defined(_WIN32)
#define COMMONCANVAS_EXPORT extern "C" __declspec(dllexport)
#else
#define COMMONCANVAS_EXPORT extern "C" __attribute__((visibility("default")))
#endif

using Pair = std::uint32_t;

// Whether this processor and this system run the kernels below: 1, or 0 for "no bf16 instructions". Where the library was
// compiled for another processor or by an old compiler the answer is 0 and the kernels are not in it.
COMMONCANVAS_EXPORT int commoncanvas_bf16_supported();

// Whether they are faster than fp32 arithmetic there: 1 or 0, the same on every processor of a kind.
COMMONCANVAS_EXPORT int commoncanvas_bf16_pays();

// tile[r][c] = sum over segments s and pairs k of rows[s][r][k] . b[s, k][c], r < 8, c < 32. For a convolution a segment is
// a tap of the kernel and rows[s] are the pixels that it reads; a linear layer or a 1x1 convolution has one segment.
//   rows: [segments][8] addresses, each of length pairs;  b: [segments * length][32] pairs, aligned to 64;  tile: [8][32]
COMMONCANVAS_EXPORT void commoncanvas_bf16_rows(std::int64_t segments, const Pair *const *rows, std::int64_t length,
                                                const Pair *b, float *tile);

// tile[r][c] = sum over pairs k of a[k * stride + r] . b[k][c], r < 14, c < 32: gradients of weights, k being pixels.
//   a: length rows of at least 14 pairs;  b: [length][32] pairs, aligned to 64;  tile: [14][32]
COMMONCANVAS_EXPORT void commoncanvas_bf16_outer(std::int64_t length, const Pair *a, std::int64_t stride, const Pair *b,
                                                 float *tile);
