// Functions in fp64, for the few numbers that every device must draw alike: an error of 1e-15 disappears in the rounding to fp32.
#pragma once
#include "types.cuh"

// sin and cos of 2 pi turns. Quarter turns are taken off exactly; the rest, up to pi / 4, by fdlibm's polynomials.
__device__ __forceinline__ void sincos_turns(double turns, double& sine, double& cosine)
{
    double quarters = rint(4.0 * turns), angle = (turns - 0.25 * quarters) * 6.283185307179586477, z = angle * angle;
    double s = fma(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08);
    s = fma(z, s, 2.75573137070700676789e-06);
    s = fma(z, s, -1.98412698298579493134e-04);
    s = fma(z, s, 8.33333333332248946124e-03);
    s = fma(z, s, -1.66666666666666324348e-01);
    s = fma(angle * z, s, angle);
    double c = fma(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09);
    c = fma(z, c, -2.75573143513906633035e-07);
    c = fma(z, c, 2.48015872894767294178e-05);
    c = fma(z, c, -1.38888888888741095749e-03);
    c = fma(z, c, 4.16666666666666019037e-02);
    c = fma(z * z, c, fma(-0.5, z, 1.0));
    int quadrant = __double2int_rn(quarters) & 3;
    double first = quadrant & 1 ? c : s, second = quadrant & 1 ? s : c;
    sine = quadrant & 2 ? -first : first;
    cosine = (quadrant + 1) & 2 ? -second : second;
}

// ln(n 2^-24) of n = 1 to 2^24: n = m 2^e with m from sqrt(1/2) to sqrt(2), ln m by fdlibm's series in (m - 1) / (m + 1).
__device__ __forceinline__ double log_of_24_bits(word n)
{
    double x = n;
    int high = __double2hiint(x), exponent = (high - 0x3fe6a09e) >> 20;
    double f = __hiloint2double(high - (exponent << 20), __double2loint(x)) - 1.0, s = f / (2.0 + f), z = s * s;
    double r = fma(z, 1.479819860511658591e-01, 1.531383769920937332e-01);
    r = fma(z, r, 1.818357216161805012e-01);
    r = fma(z, r, 2.222219843214978396e-01);
    r = fma(z, r, 2.857142874366239149e-01);
    r = fma(z, r, 3.999999999940941908e-01);
    r = fma(z, r, 6.666666666666735130e-01);
    double square = 0.5 * f * f, e = exponent - 24;
    return fma(e, 6.93147180369123816490e-01, f - (square - fma(s, fma(z, r, square), e * 1.90821492927058770002e-10)));
}

// 2^x for x from -1000 to 1000, by the Taylor series of exp.
__device__ __forceinline__ double exp2_exact(double x)
{
    double n = rint(x), r = (x - n) * 0.693147180559945309417, p = 1.6059043836821613e-10; // 1 / 13!
    p = fma(p, r, 2.0876756987868099e-09);
    p = fma(p, r, 2.5052108385441719e-08);
    p = fma(p, r, 2.7557319223985891e-07);
    p = fma(p, r, 2.7557319223985893e-06);
    p = fma(p, r, 2.4801587301587302e-05);
    p = fma(p, r, 1.9841269841269841e-04);
    p = fma(p, r, 1.3888888888888889e-03);
    p = fma(p, r, 8.3333333333333333e-03);
    p = fma(p, r, 4.1666666666666667e-02);
    p = fma(p, r, 1.6666666666666667e-01);
    p = fma(p, r, 0.5);
    p = fma(p, r, 1.0);
    p = fma(p, r, 1.0);
    return p * __hiloint2double((__double2int_rn(n) + 1023) << 20, 0);
}
