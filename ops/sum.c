/* Sum and mean along an axis or over everything.
 * Invariant: sums are in f64, so that the error of an f32 one does not grow with its length. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

enum { WIDTH = 64 };

#include <reel/real32.h>

#include "sum.c"

#include <reel/real64.h>

#include "sum.c"

static int64_t averaged(const reel_node *y)
{
    const reel_reduce_attr *a = reel_node_attr(y);
    return reel_along_axis(reel_node_shape(reel_node_arg(y, 0)), a->axis).n;
}

static reel_node *sum_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_reduce_spread(y, dy);
}

static reel_node *mean_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_reduce_spread(y, reel_scale(dy, 1 / (double)averaged(y)));
}

static reel_node *sum_sample(reel_sampler *s, int k)
{
    if (k == 0) {
        return reel_sum(reel_sample_real(s, -1, 1, reel_dims(601)));
    }
    return reel_reduce_sample(s, k - 1, &reel_op_sum, -2, 2);
}

static reel_node *mean_sample(reel_sampler *s, int k)
{
    return reel_reduce_sample(s, k, &reel_op_mean, -2, 2);
}

const reel_op reel_op_sum = {
    .name = "sum",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = reel_reduce_shape,
    .run_f32 = sum_run_f32,
    .run_f64 = sum_run_f64,
    .units = reel_reduce_units,
    .gradient = sum_gradient,
    .label = reel_reduce_label,
    .sample = sum_sample,
};

const reel_op reel_op_mean = {
    .name = "mean",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = reel_reduce_shape_some,
    .run_f32 = mean_run_f32,
    .run_f64 = mean_run_f64,
    .units = reel_reduce_units,
    .gradient = mean_gradient,
    .label = reel_reduce_label,
    .sample = mean_sample,
};

/** Σ x over all elements, a scalar; 0 for an empty tensor. */
reel_node *reel_sum_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_sum, x, REEL_ALL_AXES, false);
}

/** Σ x along an axis (negative: from the last); the axis goes, or with `keep` stays with size 1. */
reel_node *reel_sum_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_sum, x, axis, keep);
}

/** Σ x / size over all elements, a scalar. No elements: an error. */
reel_node *reel_mean_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_mean, x, REEL_ALL_AXES, false);
}

/** Σ x / n along an axis of size n > 0 (negative: from the last); the axis goes, or with `keep`
 * stays with size 1. */
reel_node *reel_mean_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_mean, x, axis, keep);
}

#else

#include "rows.h"

static void TYPED(scaled_sums)(const reel_call *c, const reel_along *a, double scale)
{
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, a, c->end, WIDTH)) {
        if (a->inner == 1) {
            y[part.unit] = (REAL)(TYPED(reel__row_total)(x + part.first, a->n) * scale);
            continue;
        }
        double total[WIDTH] = {0};
        TYPED(reel__row_add)(x + part.first, a->n, a->inner, part.width, total);
        for (int64_t i = 0; i < part.width; i++) {
            y[part.unit + i] = (REAL)(total[i] * scale);
        }
    }
}

static void TYPED(sum_run)(const reel_call *c)
{
    reel_along a = reel_reduce_along(c);
    TYPED(scaled_sums)(c, &a, 1);
}

static void TYPED(mean_run)(const reel_call *c)
{
    reel_along a = reel_reduce_along(c);
    TYPED(scaled_sums)(c, &a, 1 / (double)a.n);
}

#endif
