/* How far the unary element-wise ops are off in f32, in units in the last place of the true value. What is true
 * is told by the same op in f64, which tests/check_vector.c compares with the C library. */
#ifndef TESTS_ULP_H
#define TESTS_ULP_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <reel/op.h>

enum { ULP_BLOCK = 1024 };

/* The bound of docs/accuracy.md for ops of one argument. */
#define ULP_BOUND 3.0

/* The numbers of ops that have some: binary fractions, so that both types compute with the same. */
static const double ulp_attr[2] = {0.75, 0.875};

static inline bool ulp_measurable(const reel_op *op)
{
    return op->arity == 1 && (op->flags & REEL_OP_ELEMENTWISE) && op->map_f32 && op->map_f64 &&
           op->attr_size <= sizeof ulp_attr;
}

static inline float ulp_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The distance of two floats around `want`. */
static inline double ulp_unit(double want)
{
    int exponent;
    if (want == 0 || fabs(want) < 0x1p-126) {
        return 0x1p-149;
    }
    frexp(want, &exponent);
    return ldexp(1, (exponent > 128 ? 128 : exponent) - 24);
}

/* Infinity counts as the first number that is too large. */
static inline double ulp_cut(double v)
{
    return fabs(v) > 0x1p128 ? copysign(0x1p128, v) : v;
}

static inline double ulp_error(float got, double want)
{
    if (got == (float)want) {
        return fabs((double)got - want) / ulp_unit(want) <= 0.5
                   ? fabs((double)got - want) / ulp_unit(want)
                   : 0; /* both infinite, or the rounding between two binades */
    }
    if (isnan(want) || isnan(got)) {
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    }
    return fabs(ulp_cut((double)got) - ulp_cut(want)) / ulp_unit(ulp_cut(want));
}

typedef struct ulp_worst {
    double error;
    float x, got;
    double want;
} ulp_worst;

/* ULP_BLOCK floats whose bits are first, first + step, ... */
static inline void ulp_scan(const reel_op *op, uint32_t first, uint32_t step, ulp_worst *worst)
{
    float x[ULP_BLOCK], y[ULP_BLOCK];
    double wide[ULP_BLOCK], want[ULP_BLOCK];
    for (uint32_t i = 0; i < ULP_BLOCK; i++) {
        x[i] = ulp_float(first + i * step);
        wide[i] = (double)x[i];
    }
    op->map_f32(ULP_BLOCK, (const float *const[]){x}, y, ulp_attr);
    op->map_f64(ULP_BLOCK, (const double *const[]){wide}, want, ulp_attr);
    for (int i = 0; i < ULP_BLOCK; i++) {
        if ((double)y[i] != want[i]) {
            double error = ulp_error(y[i], want[i]);
            if (error > worst->error) {
                *worst = (ulp_worst){error, x[i], y[i], want[i]};
            }
        }
    }
}

#endif
