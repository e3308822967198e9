/* Vectors of REAL for one instruction set, as isa_*.h begins it: VEC, how many LANES it has, and the functions
 * of libm on all lanes at once. V(name) is a name for this type and set.
 *
 * A kernel is written once, over VEC: arithmetic and comparisons are the compiler's vector extensions,
 * SELECT(c, a, b) is c ? a : b lane by lane, C(v) a constant, LIBM(f) the libm function. Truth values are
 * combined by &, | and ~. Where there are no vectors VEC is REAL.
 *
 * Which code computes an element never depends on its lane or neighbours: what is not a multiple of
 * LANES is padded by the caller. glibc's libmvec is called by its own symbols, since compilers would go there
 * under -ffast-math only, which is never used. Errors are bounded in docs/accuracy.md. */
#ifndef VECTOR_INLINE
#ifdef __GNUC__
#define VECTOR_INLINE static inline __attribute__((always_inline))
#else
#define VECTOR_INLINE static inline
#endif
#ifdef VECTOR_X86
#include <immintrin.h>
#endif
#endif

#ifdef ISA_FEATURES
#ifdef __clang__
#define ISA_PRAGMA_(...) _Pragma(#__VA_ARGS__)
#define ISA_PRAGMA(...) ISA_PRAGMA_(__VA_ARGS__)
ISA_PRAGMA(clang attribute push(__attribute__((target(ISA_FEATURES))), apply_to = function))
#undef ISA_PRAGMA
#undef ISA_PRAGMA_
#else
#define ISA_PRAGMA_(...) _Pragma(#__VA_ARGS__)
#define ISA_PRAGMA(...) ISA_PRAGMA_(__VA_ARGS__)
#pragma GCC push_options
ISA_PRAGMA(GCC target(ISA_FEATURES))
#undef ISA_PRAGMA
#undef ISA_PRAGMA_
#endif
#endif

#undef VEC
#undef MASK
#undef V
#undef V_
#undef C
#undef SELECT
#undef LIBM
#undef SCALAR
#undef LANES
#undef MVEC_NAME
#undef MVEC_NAME_
#undef NARROW
#undef NARROW_
#undef NARROW__
#undef MVEC_1
#undef MVEC_2
#undef LANEWISE_1
#undef LANEWISE_2
#undef LANEWISE_3
#undef BY_F64

#define V_(name) ISA_NAMED(name)
#define V(name) V_(TYPED(name))
#define VEC V(vec)
#define MASK V(vec_mask)
#define C(v) V(vec_splat)((REAL)(v))
#define SELECT(c, a, b) V(vec_select)(c, a, b)
#define LIBM(f) V(vec_##f)
#if REEL_REAL == 32
#define SCALAR(name) name##f
#else
#define SCALAR(name) name
#endif

#ifdef VECTOR_BYTES

#if VECTOR_BYTES == 16 && REEL_REAL == 64
#define LANES 2
#elif VECTOR_BYTES * 8 / REEL_REAL == 4
#define LANES 4
#elif VECTOR_BYTES * 8 / REEL_REAL == 8
#define LANES 8
#else
#define LANES 16
#endif

typedef REAL VEC __attribute__((vector_size(VECTOR_BYTES)));
typedef __typeof__((VEC){0} < (VEC){0}) MASK;

VECTOR_INLINE VEC V(vec_splat)(REAL v)
{
    return v - (VEC){0}; /* keeps the sign of a zero, which adding would not */
}

VECTOR_INLINE VEC V(vec_select)(MASK c, VEC a, VEC b)
{
    return (VEC)((c & (MASK)a) | (~c & (MASK)b));
}

VECTOR_INLINE VEC V(vec_load)(const REAL *p)
{
    VEC v;
    memcpy(&v, p, sizeof v);
    return v;
}

VECTOR_INLINE void V(vec_store)(REAL *p, VEC v)
{
    memcpy(p, &v, sizeof v);
}

VECTOR_INLINE VEC V(vec_fabs)(VEC x)
{
    return (VEC)((MASK)x & ~(MASK)V(vec_splat)((REAL)-0.0));
}

VECTOR_INLINE VEC V(vec_copysign)(VEC x, VEC sign)
{
    const MASK bit = (MASK)V(vec_splat)((REAL)-0.0);
    return (VEC)(((MASK)x & ~bit) | ((MASK)sign & bit));
}

#define LANEWISE_1(f)                       \
    VECTOR_INLINE VEC V(vec_##f)(VEC x)     \
    {                                       \
        for (int k = 0; k < LANES; k++) {   \
            x[k] = SCALAR(f)(x[k]);         \
        }                                   \
        return x;                           \
    }
#define LANEWISE_2(f)                          \
    VECTOR_INLINE VEC V(vec_##f)(VEC x, VEC y) \
    {                                          \
        for (int k = 0; k < LANES; k++) {      \
            x[k] = SCALAR(f)(x[k], y[k]);      \
        }                                      \
        return x;                              \
    }
#define LANEWISE_3(f)                                 \
    VECTOR_INLINE VEC V(vec_##f)(VEC x, VEC y, VEC z) \
    {                                                 \
        for (int k = 0; k < LANES; k++) {             \
            x[k] = SCALAR(f)(x[k], y[k], z[k]);       \
        }                                             \
        return x;                                     \
    }

#if defined __clang__ && defined ISA_FEATURES
/* clang passes vectors as the command line's instruction set says, here in memory, whatever a function's own set
 * is, so it cannot call libmvec's wide functions: it calls the narrow ones on each part. */
#define NARROW__(typed) typed##_baseline
#define NARROW_(typed) NARROW__(typed)
#define NARROW(name) NARROW_(TYPED(name))
#define MVEC_1(f)                                             \
    VECTOR_INLINE VEC V(vec_##f)(VEC x)                       \
    {                                                         \
        NARROW(vec) part[VECTOR_BYTES / 16];                  \
        memcpy(part, &x, sizeof x);                           \
        for (int k = 0; k < VECTOR_BYTES / 16; k++) {         \
            part[k] = NARROW(vec_##f)(part[k]);               \
        }                                                     \
        memcpy(&x, part, sizeof x);                           \
        return x;                                             \
    }
#define MVEC_2(f)                                             \
    VECTOR_INLINE VEC V(vec_##f)(VEC x, VEC y)                \
    {                                                         \
        NARROW(vec) a[VECTOR_BYTES / 16], b[VECTOR_BYTES / 16]; \
        memcpy(a, &x, sizeof x);                              \
        memcpy(b, &y, sizeof y);                              \
        for (int k = 0; k < VECTOR_BYTES / 16; k++) {         \
            a[k] = NARROW(vec_##f)(a[k], b[k]);               \
        }                                                     \
        memcpy(&x, a, sizeof x);                              \
        return x;                                             \
    }
#else
/* Const, so that a call that an expression has twice is made once. */
#define MVEC_NAME_(letter, lanes, args, f) _ZGV##letter##N##lanes##args##_##f
#define MVEC_NAME(letter, lanes, args, f) MVEC_NAME_(letter, lanes, args, f)
#define MVEC_1(f)                                                                      \
    extern VEC MVEC_NAME(MVEC_LETTER, LANES, v, SCALAR(f))(VEC) __attribute__((const)); \
    VECTOR_INLINE VEC V(vec_##f)(VEC x)                                                \
    {                                                                                  \
        return MVEC_NAME(MVEC_LETTER, LANES, v, SCALAR(f))(x);                         \
    }
#define MVEC_2(f)                                                                            \
    extern VEC MVEC_NAME(MVEC_LETTER, LANES, vv, SCALAR(f))(VEC, VEC) __attribute__((const)); \
    VECTOR_INLINE VEC V(vec_##f)(VEC x, VEC y)                                               \
    {                                                                                        \
        return MVEC_NAME(MVEC_LETTER, LANES, vv, SCALAR(f))(x, y);                           \
    }
#endif

#else /* plain C */

#define LANES 1
typedef REAL VEC;
typedef int MASK;

VECTOR_INLINE VEC V(vec_splat)(REAL v)
{
    return v;
}

VECTOR_INLINE VEC V(vec_select)(MASK c, VEC a, VEC b)
{
    return c ? a : b;
}

VECTOR_INLINE VEC V(vec_load)(const REAL *p)
{
    return *p;
}

VECTOR_INLINE void V(vec_store)(REAL *p, VEC v)
{
    *p = v;
}

#define LANEWISE_1(f)                   \
    VECTOR_INLINE VEC V(vec_##f)(VEC x) \
    {                                   \
        return SCALAR(f)(x);            \
    }
#define LANEWISE_2(f)                          \
    VECTOR_INLINE VEC V(vec_##f)(VEC x, VEC y) \
    {                                          \
        return SCALAR(f)(x, y);                \
    }
#define LANEWISE_3(f)                                 \
    VECTOR_INLINE VEC V(vec_##f)(VEC x, VEC y, VEC z) \
    {                                                 \
        return SCALAR(f)(x, y, z);                    \
    }

LANEWISE_1(fabs)
LANEWISE_2(copysign)

#endif

/* A function of floats as one of doubles, where that is the way to few wrong digits. The pass over doubles has
 * to come first. */
#if REEL_REAL == 32 && defined VECTOR_BYTES
typedef REAL V(vec_half) __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef double V(vec_wide) __attribute__((vector_size(VECTOR_BYTES)));
#define BY_F64(f)                                                                           \
    VECTOR_INLINE VEC V(f)(VEC x)                                                           \
    {                                                                                       \
        V(vec_half) half[2];                                                                \
        memcpy(half, &x, sizeof x);                                                         \
        for (int k = 0; k < 2; k++) {                                                       \
            half[k] = __builtin_convertvector(                                              \
                V_(f##_f64)(__builtin_convertvector(half[k], V(vec_wide))), V(vec_half));   \
        }                                                                                   \
        memcpy(&x, half, sizeof x);                                                         \
        return x;                                                                           \
    }
#else
#define BY_F64(f)                     \
    VECTOR_INLINE VEC V(f)(VEC x)     \
    {                                 \
        return (REAL)V_(f##_f64)(x);  \
    }
#endif

#if !defined VECTOR_BYTES || REEL_MVEC < 1
#undef MVEC_1
#undef MVEC_2
#define MVEC_1 LANEWISE_1
#define MVEC_2 LANEWISE_2
#endif

/* Compilers make instructions of these where there are any. */
LANEWISE_1(ceil)
LANEWISE_1(floor)
LANEWISE_1(nearbyint)
LANEWISE_1(rint)
LANEWISE_1(round)
LANEWISE_1(sqrt)
LANEWISE_1(trunc)
LANEWISE_2(fmax)
LANEWISE_2(fmin)
LANEWISE_3(fma)

/* In libmvec since glibc 2.22. */
MVEC_1(cos)
MVEC_1(sin)
MVEC_2(pow)
#if defined VECTOR_BYTES && REEL_REAL == 32
#include "vector_f32.h"
#else
MVEC_1(exp)
MVEC_1(log)

/* y exp(x) for x <= 0; where nothing is left a zero of y's sign, be y infinite. For floats, vector_f32.h keeps its
 * digits where exp(x) alone is too small a number to do so. */
VECTOR_INLINE VEC V(vec_times_exp)(VEC y, VEC x)
{
    return SELECT(x < C(-800), LIBM(copysign)(C(0), y), y * LIBM(exp)(x));
}

/* exp(-|x|). */
VECTOR_INLINE VEC V(vec_fading)(VEC x)
{
    return LIBM(exp)(-LIBM(fabs)(x));
}

/* 1/(1 + exp(-x)), without overflow and without losing the digits of small values. */
VECTOR_INLINE VEC V(vec_logistic)(VEC x)
{
    const VEC e = V(vec_fading)(x);
    return SELECT(x < 0, e, C(1)) / (C(1) + e);
}
#endif

#if REEL_MVEC < 2
#undef MVEC_1
#undef MVEC_2
#define MVEC_1 LANEWISE_1
#define MVEC_2 LANEWISE_2
#endif

/* Since 2.35. */
MVEC_1(acos)
MVEC_1(asinh)
MVEC_1(atan)
MVEC_1(atanh)
MVEC_1(cbrt)
MVEC_1(cosh)
MVEC_1(erfc)
MVEC_1(exp2)
MVEC_1(log1p)
MVEC_1(log2)
MVEC_1(sinh)
#if REEL_REAL == 32
/* libmvec's are off by up to 3.2, 3.1, 4, 3.5 and 3.5 units in the last place. */
BY_F64(vec_acosh)
BY_F64(vec_asin)
BY_F64(vec_erf)
BY_F64(vec_log10)
BY_F64(vec_tan)
#else
MVEC_1(acosh)
MVEC_1(asin)
MVEC_1(erf)
MVEC_1(log10)
MVEC_1(tan)
#endif
#if !defined VECTOR_BYTES || REEL_REAL == 64
MVEC_1(expm1)
MVEC_1(tanh)
#endif
MVEC_2(atan2)
MVEC_2(hypot)

/* For ops to come. */
LANEWISE_1(lgamma)
LANEWISE_1(logb)
LANEWISE_1(tgamma)
LANEWISE_2(fdim)
LANEWISE_2(fmod)
LANEWISE_2(nextafter)
LANEWISE_2(remainder)
