/* Euclidean norm along an axis or over everything.
 * Invariant: at a zero vector, where the norm has no derivative, all derivatives are taken as 0; no
 * square overflows or vanishes. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>

enum { LANES = 16, WIDTH = 64 };

#include <reel/real32.h>

#include "norm.c"

#include <reel/real64.h>

#include "norm.c"

static reel_node *norm_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    reel_node *scale = reel_mul(dy, reel_inverse_or_zero(y));
    return reel_mul(reel_reduce_spread(y, scale), reel_node_arg(y, 0));
}

static reel_node *inverse_or_zero_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_neg(reel_mul(dy, reel_square(y)));
}

static reel_node *norm_sample(reel_sampler *s, int k)
{
    return reel_reduce_sample(s, k, &reel_op_norm, 0.5, 2);
}

static reel_node *inverse_or_zero_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_inverse_or_zero(reel_sample_real(s, 0.5, 3, reel_dims(37)));
    case 1:
        return reel_inverse_or_zero(reel_sample_real(s, -3, -0.5, reel_dims(2, 1, 3, 2)));
    default:
        return NULL;
    }
}

const reel_op reel_op_norm = {
    .name = "norm",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = reel_reduce_shape,
    .run_f32 = norm_run_f32,
    .run_f64 = norm_run_f64,
    .units = reel_reduce_units,
    .gradient = norm_gradient,
    .label = reel_reduce_label,
    .sample = norm_sample,
};

const reel_op reel_op_inverse_or_zero = {
    .name = "inverse_or_zero",
    .arity = 1,
    .flags = REEL_OP_ELEMENTWISE,
    .map_f32 = inverse_or_zero_f32,
    .map_f64 = inverse_or_zero_f64,
    .gradient = inverse_or_zero_gradient,
    .sample = inverse_or_zero_sample,
};

/** ‖x‖₂ = √Σ x² over all elements, a scalar. The gradient at ‖x‖ = 0 is taken as 0. */
reel_node *reel_norm_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_norm, x, REEL_ALL_AXES, false);
}

/** √Σ x² along an axis (negative: from the last), as reel_norm; the axis goes, or with `keep` stays
 * with size 1. */
reel_node *reel_norm_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_norm, x, axis, keep);
}

/** 1/x where x ≠ 0, else 0, with derivatives -1/x² and 0: for dividing by what may be zero. */
reel_node *reel_inverse_or_zero_at(const char *at, reel_node *x)
{
    return reel_apply1(at, &reel_op_inverse_or_zero, x, NULL);
}

#else

/* For columns whose squares leave the range of f64: scales by the largest element. */
static double TYPED(scaled_norm)(const REAL *x, const reel_along *a)
{
    double most = 0;
    for (int64_t k = 0; k < a->n; k++) {
        most = fmax(most, fabs((double)x[k * a->inner]));
    }
    if (most == 0 || isinf(most)) {
        return most;
    }
    double sum = 0;
    for (int64_t k = 0; k < a->n; k++) {
        double v = (double)x[k * a->inner] / most;
        sum += v * v;
    }
    return most * sqrt(sum);
}

static double TYPED(row_squares)(const REAL *x, int64_t n)
{
    double lane[LANES] = {0};
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        for (int j = 0; j < LANES; j++) {
            lane[j] += (double)x[k + j] * (double)x[k + j];
        }
    }
    for (; k < n; k++) {
        lane[0] += (double)x[k] * (double)x[k];
    }
    double total = 0;
    for (int j = 0; j < LANES; j++) {
        total += lane[j];
    }
    return total;
}

static void TYPED(column_squares)(const REAL *x, const reel_along *a, int64_t width, double *sum)
{
    for (int64_t i = 0; i < width; i++) {
        sum[i] = 0;
    }
    for (int64_t k = 0; k < a->n; k++) {
        for (int64_t i = 0; i < width; i++) {
            double v = (double)x[k * a->inner + i];
            sum[i] += v * v;
        }
    }
}

static void TYPED(norm_columns)(const REAL *x, REAL *y, const reel_along *a, int64_t width)
{
    double sum[WIDTH];
    if (a->inner == 1) {
        sum[0] = TYPED(row_squares)(x, a->n);
    } else {
        TYPED(column_squares)(x, a, width, sum);
    }
    for (int64_t i = 0; i < width; i++) {
        bool out_of_range = sum[i] < 1e-280 || isinf(sum[i]);
        y[i] = (REAL)(out_of_range ? TYPED(scaled_norm)(x + i, a) : sqrt(sum[i]));
    }
}

static void TYPED(norm_run)(const reel_call *c)
{
    reel_along a = reel_reduce_along(c);
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, WIDTH)) {
        TYPED(norm_columns)(x + part.first, y + part.unit, &a, part.width);
    }
}

static void TYPED(inverse_or_zero)(size_t n, const REAL *const *x, REAL *y, const void *attr)
{
    (void)attr;
    for (size_t i = 0; i < n; i++) {
        REAL v = x[0][i];
        y[i] = v == 0 ? 0 : 1 / v;
    }
}

#endif
