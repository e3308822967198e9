/* exp and log of vectors of floats: libmvec's expf and logf are off by up to 2.6 and
 * 3.8 units in the last place, and by more in what is made of them. Here it is less than one, in no more
 * time. vector.h includes this once per instruction set. */

typedef uint32_t V(vec_bits) __attribute__((vector_size(VECTOR_BYTES)));

/* a b + c, rounded once where that is one instruction. */
VECTOR_INLINE VEC V(vec_mul_add)(VEC a, VEC b, VEC c)
{
#ifdef ISA_FEATURES
    return LIBM(fma)(a, b, c);
#else
    return a * b + c;
#endif
}
#define MUL_ADD V(vec_mul_add)

#if VECTOR_BYTES == 16
#define FLOATS(f) _mm_##f##_ps
#elif VECTOR_BYTES == 32
#define FLOATS(f) _mm256_##f##_ps
#else
#define FLOATS(f) _mm512_##f##_ps
#endif

/* x, but c where it is more, or less. NaN stays: the instructions return their second operand if one is NaN. */
VECTOR_INLINE VEC V(vec_at_most)(VEC x, REAL c)
{
    return FLOATS(min)(C(c), x);
}

VECTOR_INLINE VEC V(vec_at_least)(VEC x, REAL c)
{
    return FLOATS(max)(C(c), x);
}

/* y exp(x) for x in [-110, 89]: exp(x) = 2^n exp(r) with |r| <= log(2)/2. The polynomial is minimax for
 * (exp(r) - 1 - r)/r², error 2^-28. */
VECTOR_INLINE VEC V(vec_exp_inside)(VEC x, VEC y)
{
    /* Adding it rounds to an integer and leaves n + 254 in the low bits. */
    const VEC magic = C(0x1.8p23 + 254);
    const VEC shifted = MUL_ADD(x, C(1.44269504088896341), magic);
    const VEC n = shifted - magic;
    /* log(2) in two parts, of which the first has so few digits that n times it is exact. */
    const VEC high = MUL_ADD(n, C(-0.693359375), x), low = C(2.12194440054690583e-4);
    const VEC r = MUL_ADD(n, low, high);
    const VEC lost = MUL_ADD(n, low, high - r); /* what rounding took off r */
    VEC p = MUL_ADD(r, C(0.0013814467238262296), C(0.008368780836462975));
    p = MUL_ADD(r, p, C(0.04166839271783829));
    p = MUL_ADD(r, p, C(0.1666651964187622));
    p = MUL_ADD(r, p, C(0.4999999403953552));
    p = MUL_ADD(r * r, p, lost) + r;
    /* 2^n as a product of two, since n may lie beyond the exponents that there are; shifting by 23 drops what
     * is left of the magic number. */
    const V(vec_bits) both = (V(vec_bits))shifted, half = both >> 1;
    return MUL_ADD(y, p, y) * (VEC)(half << 23) * (VEC)((both - half) << 23);
}

VECTOR_INLINE VEC V(vec_exp)(VEC x)
{
    x = V(vec_at_most)(V(vec_at_least)(x, -104), 89); /* beyond: infinity and 0 */
    return V(vec_exp_inside)(x, C(1));
}

/* For x <= 0. Beyond -110 nothing is left, be y infinite, of its sign. */
VECTOR_INLINE VEC V(vec_times_exp)(VEC y, VEC x)
{
    const MASK far = x < C(-110);
    return V(vec_exp_inside)(SELECT(far, C(-110), x), SELECT(far, LIBM(copysign)(C(0), y), y));
}

/* exp(-|x|). */
VECTOR_INLINE VEC V(vec_fading)(VEC x)
{
    const VEC a = LIBM(fabs)(x);
    return V(vec_exp_inside)(-V(vec_at_most)(a, 110), C(1)); /* beyond: 0 */
}

/* 1/(1 + exp(-x)): with w = 2^24 and e = w exp(-|x|), which no finite x makes subnormal before the quotient is,
 * it is e/(w + e) for x < 0 and w/(w + e) for the others. */
VECTOR_INLINE VEC V(vec_logistic)(VEC x)
{
    const VEC w = C(0x1p24), a = LIBM(fabs)(x), t = V(vec_at_most)(a, 104);
    const VEC magic = C(0x1.8p23 + 127 + 24), shifted = MUL_ADD(t, C(-1.44269504088896341), magic);
    const VEC n = shifted - magic, power = (VEC)((V(vec_bits))shifted << 23);
    const VEC r = MUL_ADD(n, C(2.12194440054690583e-4), MUL_ADD(n, C(-0.693359375), -t));
    VEC p = MUL_ADD(r, C(0.0013814467238262296), C(0.008368780836462975));
    p = MUL_ADD(r, p, C(0.04166839271783829));
    p = MUL_ADD(r, p, C(0.1666651964187622));
    p = MUL_ADD(r, p, C(0.4999999403953552));
    p = MUL_ADD(r * r, p, r);
    const VEC e = MUL_ADD(power, p, power);
    return SELECT((MASK)x < 0, e, w) / (w + e);
}

/* e/(e + 2) with e = exp(2|x|) - 1 = 2^n (exp(r) - 1) + 2^n - 1, where the last two are exact, and r is
 * 2|x| if that is small: no digit of small values is lost. From 10 on it is 1. */
VECTOR_INLINE VEC V(vec_tanh)(VEC x)
{
    const VEC a = LIBM(fabs)(x), t = V(vec_at_most)(a, 10);
    const VEC magic = C(0x1.8p23 + 127), shifted = MUL_ADD(t, C(2.8853900817779268), magic);
    const VEC n = shifted - magic, power = (VEC)((V(vec_bits))shifted << 23);
    const VEC r = MUL_ADD(n, C(2.12194440054690583e-4), MUL_ADD(n, C(-0.693359375), t + t));
    VEC p = MUL_ADD(r, C(0.0013814467238262296), C(0.008368780836462975));
    p = MUL_ADD(r, p, C(0.04166839271783829));
    p = MUL_ADD(r, p, C(0.1666651964187622));
    p = MUL_ADD(r, p, C(0.4999999403953552));
    p = MUL_ADD(r * r, p, r);
    const VEC e = MUL_ADD(power, p, power - C(1));
    return LIBM(copysign)(e / (e + C(2)), x);
}

/* 2^n (exp(r) - 1) + 2^n - 1, halved first since 2^128 is no float. Below 2^-25 it is x, be it a subnormal or
 * a zero. */
VECTOR_INLINE VEC V(vec_expm1)(VEC x)
{
    const VEC t = V(vec_at_most)(V(vec_at_least)(x, -30), 89); /* beyond: infinity and -1 */
    const VEC magic = C(0x1.8p23 + 126), shifted = MUL_ADD(t, C(1.44269504088896341), magic);
    const VEC n = shifted - magic, power = (VEC)((V(vec_bits))shifted << 23);
    const VEC r = MUL_ADD(n, C(2.12194440054690583e-4), MUL_ADD(n, C(-0.693359375), t));
    VEC p = MUL_ADD(r, C(0.0013814467238262296), C(0.008368780836462975));
    p = MUL_ADD(r, p, C(0.04166839271783829));
    p = MUL_ADD(r, p, C(0.1666651964187622));
    p = MUL_ADD(r, p, C(0.4999999403953552));
    p = MUL_ADD(r * r, p, r);
    const VEC half = MUL_ADD(power, p, power - C(0.5));
    return SELECT(LIBM(fabs)(x) < C(0x1p-25), x, half + half);
}

/* log(x) = k log(2) + log(1 + f) with 1 + f from √½ to √2. The polynomial is minimax for
 * (log(1 + f) - f + f²/2)/f³, error 2^-30. */
VECTOR_INLINE VEC V(vec_log)(VEC x)
{
    const MASK subnormal = x < C(0x1p-126);
    const V(vec_bits) root = {0}, bits = (V(vec_bits))SELECT(subnormal, x * C(0x1p23), x);
    const V(vec_bits) above = bits - (root + 0x3f3504f3U); /* the bits of √½ */
    const VEC k = __builtin_convertvector((MASK)above >> 23, VEC) - SELECT(subnormal, C(23), C(0));
    const VEC f = (VEC)((above & 0x7fffffU) + 0x3f3504f3U) - C(1);
    const VEC f2 = f * f;
    VEC p = MUL_ADD(f, C(0.06746641546487808), C(-0.11675652116537094));
    p = MUL_ADD(f, p, C(0.11888161301612854));
    p = MUL_ADD(f, p, C(-0.1240558922290802));
    p = MUL_ADD(f, p, C(0.14219552278518677));
    p = MUL_ADD(f, p, C(-0.1666799634695053));
    p = MUL_ADD(f, p, C(0.2000211924314499));
    p = MUL_ADD(f, p, C(-0.25000008940696716));
    p = MUL_ADD(f, p, C(0.3333331346511841));
    VEC y = MUL_ADD(k, C(-2.12194440054690583e-4), f * f2 * p);
    y = f + MUL_ADD(f2, C(-0.5), y);
    y = MUL_ADD(k, C(0.693359375), y);
    return SELECT((x > C(0)) & (x < C(INFINITY)), y,
                  SELECT(x == C(0), C(-INFINITY), SELECT(x > C(0), x, C(NAN))));
}

#undef MUL_ADD
#undef FLOATS
