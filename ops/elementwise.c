/* Job: turn each line of elementwise.def into an op: kernels for both types and every instruction set, gradient
 * rule, samples, descriptor, public function. Nothing here names an op.
 * Invariant: an element's bits depend on nothing but the inputs there and the instruction set: tails are
 * padded to whole vectors. */
#ifndef REEL_REAL

#include <reel/isa.h>
#include <reel/op.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#if defined __x86_64__ && defined __GNUC__
#define VECTOR_X86
#endif

/* Of a vector, by instruction set; 0: one element at a time. */
static const size_t vector_bytes[REEL_ISAS] = {
#ifdef VECTOR_X86
    16, 32, 64
#else
    0
#endif
};

/* Some functions of floats are computed by those of doubles, so these come first. */
#include <reel/real64.h>

#include "elementwise.c"

#include <reel/real32.h>

#include "elementwise.c"

typedef struct one_number {
    double p;
} one_number;

typedef struct two_numbers {
    double p, q;
} two_numbers;

static reel_node *number(const reel_node *like, double value)
{
    return reel_constant(reel_node_tape(like), value, reel_shape_of(0, NULL));
}

/* (1 + erf(x/√2))/2 */
static reel_node *normal_cdf(reel_node *x)
{
    return reel_scale(reel_shift(reel_erf(reel_scale(x, 0.70710678118654752440)), 1), 0.5);
}

/* exp(-x²/2)/√(2π) */
static reel_node *normal_pdf(reel_node *x)
{
    return reel_scale(reel_exp(reel_scale(reel_square(x), -0.5)), 0.39894228040143267794);
}

static reel_node *gelu_tanh_slope(reel_node *x)
{
    const double k = 0.79788456080286535588;
    reel_node *x2 = reel_square(x);
    reel_node *t = reel_tanh(reel_mul(reel_scale(x, k), reel_shift(reel_scale(x2, 0.044715), 1)));
    reel_node *inner = reel_shift(reel_scale(x2, 3 * 0.044715 * k), k);
    reel_node *bell = reel_mul(reel_scale(x, 0.5), reel_mul(reel_one_minus(reel_square(t)), inner));
    return reel_add(reel_scale(reel_shift(t, 1), 0.5), bell);
}

static reel_node *mish_slope(reel_node *x)
{
    reel_node *t = reel_tanh(reel_softplus(x));
    return reel_add(t, reel_mul(x, reel_mul(reel_one_minus(reel_square(t)), reel_sigmoid(x))));
}

/* Shapes of the samples: equal, broadcast both ways, a scalar, all ranks. */
static const reel_shape sample_shapes[][3] = {
    {{2, {3, 5, 1, 1}}, {2, {3, 5, 1, 1}}, {2, {3, 5, 1, 1}}},
    {{2, {4, 3, 1, 1}}, {1, {3, 1, 1, 1}}, {2, {4, 1, 1, 1}}},
    {{3, {2, 1, 3, 1}}, {3, {1, 4, 1, 1}}, {1, {1, 1, 1, 1}}},
    {{0, {1, 1, 1, 1}}, {1, {7, 1, 1, 1}}, {0, {1, 1, 1, 1}}},
    {{4, {2, 1, 2, 3}}, {4, {1, 3, 2, 1}}, {3, {3, 1, 3, 1}}},
};
enum { SAMPLES = sizeof sample_shapes / sizeof sample_shapes[0] };

static reel_node *draw(reel_sampler *s, int k, int i, double low, double high)
{
    return reel_sample_real(s, low, high, sample_shapes[k][i]);
}

static void label_1(const reel_node *y, char *text, size_t n)
{
    const one_number *attr = reel_node_attr(y);
    snprintf(text, n, "%s %g", reel_node_op(y)->name, attr->p);
}

static void label_2(const reel_node *y, char *text, size_t n)
{
    const two_numbers *attr = reel_node_attr(y);
    snprintf(text, n, "%s %g, %g", reel_node_op(y)->name, attr->p, attr->q);
}

/* What all the macros below share: a rule sees its letters, some of which it may not need. */
#define RULE(name, letters, choice)                                                                \
    static reel_node *name##_gradient(reel_node *y, reel_node *dy, int i)                          \
    {                                                                                              \
        letters;                                                                                   \
        (void)dy;                                                                                  \
        (void)i;                                                                                   \
        return choice;                                                                             \
    }
#define LETTER(v, k)                                                                               \
    reel_node *v = reel_node_arg(y, k);                                                            \
    (void)v
#define ZERO reel_zero_gradient()
#define OP(name_, n, attr_, label_)                                                                \
    const reel_op reel_op_##name_ = {.name = #name_,                                               \
                                     .arity = n,                                                   \
                                     .flags = REEL_OP_ELEMENTWISE,                                 \
                                     .attr_size = attr_,                                           \
                                     .map_f32 = name_##_f32,                                       \
                                     .map_f64 = name_##_f64,                                       \
                                     .gradient = name_##_gradient,                                 \
                                     .label = label_,                                              \
                                     .sample = name_##_sample};

#define UNARY(name, value, dx, lo, hi)                                                             \
    RULE(name, LETTER(x, 0), dx)                                                                   \
    static reel_node *name##_sample(reel_sampler *s, int k)                                        \
    {                                                                                              \
        return k < SAMPLES ? reel_##name(draw(s, k, 0, lo, hi)) : NULL;                            \
    }                                                                                              \
    OP(name, 1, 0, NULL)                                                                           \
    reel_node *reel_##name##_at(const char *at, reel_node *x)                                      \
    {                                                                                              \
        return reel_apply1(at, &reel_op_##name, x, NULL);                                          \
    }

#define UNARY_1(name, p, value, dx, p_sample, lo, hi)                                              \
    RULE(name, LETTER(x, 0); const double p = ((const one_number *)reel_node_attr(y))->p; (void)p, \
         dx)                                                                                       \
    static reel_node *name##_sample(reel_sampler *s, int k)                                        \
    {                                                                                              \
        return k < SAMPLES ? reel_##name(draw(s, k, 0, lo, hi), p_sample) : NULL;                  \
    }                                                                                              \
    OP(name, 1, sizeof(one_number), label_1)                                                       \
    reel_node *reel_##name##_at(const char *at, reel_node *x, double p)                            \
    {                                                                                              \
        return reel_apply1(at, &reel_op_##name, x, &(one_number){p});                              \
    }

#define UNARY_2(name, p, q, value, dx, p_sample, q_sample, lo, hi)                                 \
    RULE(name, LETTER(x, 0); const two_numbers *attr = reel_node_attr(y); const double p = attr->p; \
         const double q = attr->q; (void)p; (void)q, dx)                                           \
    static reel_node *name##_sample(reel_sampler *s, int k)                                        \
    {                                                                                              \
        return k < SAMPLES ? reel_##name(draw(s, k, 0, lo, hi), p_sample, q_sample) : NULL;        \
    }                                                                                              \
    OP(name, 1, sizeof(two_numbers), label_2)                                                      \
    reel_node *reel_##name##_at(const char *at, reel_node *x, double p, double q)                  \
    {                                                                                              \
        return reel_apply1(at, &reel_op_##name, x, &(two_numbers){p, q});                          \
    }

#define BINARY(name, value, da, db, lo_a, hi_a, lo_b, hi_b)                                        \
    RULE(name, LETTER(a, 0); LETTER(b, 1), i == 0 ? da : db)                                       \
    static reel_node *name##_sample(reel_sampler *s, int k)                                        \
    {                                                                                              \
        if (k >= SAMPLES) {                                                                        \
            return NULL;                                                                           \
        }                                                                                          \
        reel_node *a = draw(s, k, 0, lo_a, hi_a);                                                  \
        return reel_##name(a, draw(s, k, 1, lo_b, hi_b));                                          \
    }                                                                                              \
    OP(name, 2, 0, NULL)                                                                           \
    reel_node *reel_##name##_at(const char *at, reel_node *a, reel_node *b)                        \
    {                                                                                              \
        return reel_apply2(at, &reel_op_##name, a, b, NULL);                                       \
    }

#define TERNARY(name, value, da, db, dc, lo_a, hi_a, lo_b, hi_b, lo_c, hi_c)                       \
    RULE(name, LETTER(a, 0); LETTER(b, 1); LETTER(c, 2), i == 0 ? da : i == 1 ? db : dc)           \
    static reel_node *name##_sample(reel_sampler *s, int k)                                        \
    {                                                                                              \
        if (k >= SAMPLES) {                                                                        \
            return NULL;                                                                           \
        }                                                                                          \
        reel_node *a = draw(s, k, 0, lo_a, hi_a);                                                  \
        reel_node *b = draw(s, k, 1, lo_b, hi_b);                                                  \
        return reel_##name(a, b, draw(s, k, 2, lo_c, hi_c));                                       \
    }                                                                                              \
    OP(name, 3, 0, NULL)                                                                           \
    reel_node *reel_##name##_at(const char *at, reel_node *a, reel_node *b, reel_node *c)          \
    {                                                                                              \
        return reel_apply3(at, &reel_op_##name, a, b, c, NULL);                                    \
    }

#include "elementwise.def"

#elif !defined ISA_OPEN /* once per type */

/* Computes whole vectors: n is a multiple of their size. */
typedef void TYPED(whole)(size_t n, const REAL *const *in, REAL *out, const void *attr);

#undef ISA_SOURCE
#define ISA_SOURCE "elementwise.c"
#include "isa_each.h"

/* The n elements that do not fill a vector, padded with copies of the last. */
static void TYPED(tail)(TYPED(whole) *compute, int arity, size_t n, size_t lanes,
                        const REAL *const *in, REAL *out, const void *attr)
{
    enum { MOST = 64 / sizeof(REAL) };
    REAL x[3][MOST], y[MOST];
    const REAL *at[3];
    for (int j = 0; j < arity; j++) {
        for (size_t k = 0; k < lanes; k++) {
            x[j][k] = in[j][k < n ? k : n - 1];
        }
        at[j] = x[j];
    }
    compute(lanes, at, y, attr);
    for (size_t k = 0; k < n; k++) {
        out[k] = y[k];
    }
}

static void TYPED(map)(TYPED(whole) *const *kernels, int arity, size_t n, const REAL *const *in,
                       REAL *out, const void *attr)
{
    const reel_isa isa = reel_isa_used();
    const size_t lanes = vector_bytes[isa] ? vector_bytes[isa] / sizeof(REAL) : 1;
    const size_t rest = n % lanes, most = n - rest;
    if (most) {
        kernels[isa](most, in, out, attr);
    }
    if (rest) {
        const REAL *at[3];
        for (int j = 0; j < arity; j++) {
            at[j] = in[j] + most;
        }
        TYPED(tail)(kernels[isa], arity, rest, lanes, at, out + most, attr);
    }
}

#define MAP(name, arity)                                                                           \
    static void TYPED(name)(size_t n, const REAL *const *in, REAL *out, const void *attr)          \
    {                                                                                              \
        static TYPED(whole) *const kernels[REEL_ISAS] = EACH_ISA(TYPED(whole_##name));                              \
        TYPED(map)(kernels, arity, n, in, out, attr);                                              \
    }
#define UNARY(name, value, dx, lo, hi) MAP(name, 1)
#define UNARY_1(name, p, value, dx, ps, lo, hi) MAP(name, 1)
#define UNARY_2(name, p, q, value, dx, ps, qs, lo, hi) MAP(name, 1)
#define BINARY(name, value, da, db, la, ha, lb, hb) MAP(name, 2)
#define TERNARY(name, value, da, db, dc, la, ha, lb, hb, lc, hc) MAP(name, 3)

#include "elementwise.def"

#undef MAP
#undef UNARY
#undef UNARY_1
#undef UNARY_2
#undef BINARY
#undef TERNARY

#else /* the kernels, once per type and instruction set */

/* log(1 + exp(-|x|)) */
VECTOR_INLINE VEC V(log1p_fading)(VEC x)
{
    return LIBM(log1p)(LIBM(fading)(x));
}

/* x logistic(u), with u of x's sign. */
VECTOR_INLINE VEC V(gated)(VEC x, VEC u)
{
    return SELECT(x < 0, V(vec_times_exp)(x, -LIBM(fabs)(u)), x) / (C(1) + LIBM(fading)(u));
}

/* x tanh(log(1 + w)) with w = exp(x), which is x (w² + 2w)/(w² + 2w + 2); for x > 0, where w may overflow, it is
 * reduced by w².
 *
 * x Φ(x) = x erfc(-x/√2)/2, and x logistic(2u) with u = √(2/π) (x + 0.044715 x³), which is x/2 (1 + tanh(u)): for
 * x < 0 there is nothing to cancel. An error of the argument is amplified by about its square, which digits beyond
 * those of a float make up for. */
#if REEL_REAL == 64
VECTOR_INLINE VEC V(mish)(VEC x)
{
    const VEC e = LIBM(fading)(x);
    const VEC above = SELECT(x < 0, e + C(2), C(1) + C(2) * e);
    const VEC below = SELECT(x < 0, e * (e + C(2)) + C(2), C(2) * e * e + C(2) * e + C(1));
    return SELECT(x < 0, V(vec_times_exp)(x, -LIBM(fabs)(x)), x) * (above / below);
}

VECTOR_INLINE VEC V(gelu)(VEC x)
{
    return C(0.5) * x * LIBM(erfc)(C(-0.70710678118654752440) * x);
}

VECTOR_INLINE VEC V(gelu_tanh)(VEC x)
{
    return V(gated)(x, C(1.59576912160573071176) * (x + C(0.044715) * x * x * x));
}
#else
BY_F64(mish)
BY_F64(gelu)
BY_F64(gelu_tanh)
#endif

/* So many vectors by each turn of a loop, which takes as long as one or two instructions of theirs. */
#define TURN 4
#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#elif defined __GNUC__
#define UNROLLED _Pragma("GCC unroll 4")
#else
#define UNROLLED
#endif

#define PARAMETER(letter, k) const VEC letter = C(((const double *)attr)[k])
/* Pointers are read before the loop, since the compiler must think that out may point at them. */
#define FROM(letter, k) const REAL *const from_##letter = in[k]
#define LOAD(letter) const VEC letter = V(vec_load)(from_##letter + i)
/* What a turn does with its vectors: one after another, where that is little, or side by side. The functions of
 * libm are long chains, each step of which waits for the one before, so that a processor has to have several
 * under way, and sees no further ahead than two or three of them; nothing is stored before all are done, or the
 * compiler, which must think that out may be the input, could not mix their steps. */
#define IN_TURN(letters, value)                                                                    \
    UNROLLED                                                                                       \
    for (size_t k = 0; k < TURN; k++) {                                                            \
        const size_t i = at + k * LANES;                                                           \
        letters;                                                                                   \
        V(vec_store)(out + i, value);                                                              \
    }
#define SIDE_BY_SIDE(letters, value)                                                               \
    VEC turn[TURN];                                                                                \
    UNROLLED                                                                                       \
    for (size_t k = 0; k < TURN; k++) {                                                            \
        const size_t i = at + k * LANES;                                                           \
        letters;                                                                                   \
        turn[k] = value;                                                                           \
    }                                                                                              \
    UNROLLED                                                                                       \
    for (size_t k = 0; k < TURN; k++) {                                                            \
        V(vec_store)(out + at + k * LANES, turn[k]);                                               \
    }
#define KERNEL(name, all, before, letters, value)                                                  \
    static void V(whole_##name)(size_t n, const REAL *const *in, REAL *out, const void *attr)      \
    {                                                                                              \
        (void)attr;                                                                                \
        before;                                                                                    \
        size_t at = 0;                                                                             \
        for (; n - at >= TURN * LANES; at += TURN * LANES) {                                       \
            all(letters, value)                                                                    \
        }                                                                                          \
        for (size_t i = at; i < n; i += LANES) {                                                   \
            letters;                                                                               \
            V(vec_store)(out + i, value);                                                          \
        }                                                                                          \
    }
#define UNARY(name, value, dx, lo, hi) KERNEL(name, SIDE_BY_SIDE, FROM(x, 0), LOAD(x), value)
#define UNARY_1(name, p, value, dx, ps, lo, hi)                                                    \
    KERNEL(name, SIDE_BY_SIDE, FROM(x, 0); PARAMETER(p, 0), LOAD(x), value)
#define UNARY_2(name, p, q, value, dx, ps, qs, lo, hi)                                             \
    KERNEL(name, SIDE_BY_SIDE, FROM(x, 0); PARAMETER(p, 0); PARAMETER(q, 1), LOAD(x), value)
#define BINARY(name, value, da, db, la, ha, lb, hb)                                                \
    KERNEL(name, IN_TURN, FROM(a, 0); FROM(b, 1), LOAD(a); LOAD(b), value)
#define TERNARY(name, value, da, db, dc, la, ha, lb, hb, lc, hc)                                   \
    KERNEL(name, IN_TURN, FROM(a, 0); FROM(b, 1); FROM(c, 2), LOAD(a); LOAD(b); LOAD(c), value)

#include "elementwise.def"

#undef TURN
#undef UNROLLED
#undef PARAMETER
#undef FROM
#undef LOAD
#undef IN_TURN
#undef SIDE_BY_SIDE
#undef KERNEL
#undef UNARY
#undef UNARY_1
#undef UNARY_2
#undef BINARY
#undef TERNARY

#endif
