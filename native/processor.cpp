// Asks the processor for its instructions; compiled for the oldest one.
#include "commoncanvas_native.h"

#if defined(COMMONCANVAS_AVX512_BF16)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace {

struct Registers {
  std::uint32_t a, b, c, d;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  Registers r{};
#if defined(_MSC_VER)
  int values[4];
  __cpuidex(values, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<std::uint32_t>(values[0]), static_cast<std::uint32_t>(values[1]),
       static_cast<std::uint32_t>(values[2]), static_cast<std::uint32_t>(values[3])};
#else
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d); // zeros where the processor has no such leaf
#endif
  return r;
}

// Register state that the system saves when it switches threads.
std::uint64_t saved_state() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
#endif
}

bool has(std::uint32_t bits, int bit) { return (bits >> bit & 1) != 0; }

bool has_avx512_bf16() {
  constexpr std::uint64_t sse_avx_and_avx512 = 0xE6;
  if (cpuid(0, 0).a < 7 || !has(cpuid(1, 0).c, 27 /* OSXSAVE */)) return false;
  if ((saved_state() & sse_avx_and_avx512) != sse_avx_and_avx512) return false;
  Registers leaf7 = cpuid(7, 0);
  return has(leaf7.b, 16 /* AVX512F */) && leaf7.a >= 1 && has(cpuid(7, 1).a, 5 /* AVX512_BF16 */);
}

// Intel's start a vdpbf16ps, of two multiplications a lane, in the time of four fp32 ones (measured on an Emerald Rapids: 4.0 times
// vfmadd231ps); AMD's, from Zen 4 on, in that of one.
bool has_slow_avx512_bf16() {
  Registers vendor = cpuid(0, 0);
  return vendor.b == 0x756e6547 && vendor.d == 0x49656e69 && vendor.c == 0x6c65746e; // "GenuineIntel"
}

} // namespace

int commoncanvas_bf16_pays() { return has_avx512_bf16() && !has_slow_avx512_bf16() ? 1 : 0; }

int commoncanvas_bf16_supported() { return has_avx512_bf16() ? 1 : 0; }

#else

int commoncanvas_bf16_pays() { return 0; }

int commoncanvas_bf16_supported() { return 0; }

#endif
