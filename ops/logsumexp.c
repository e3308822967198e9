/* log Σ exp along an axis or over everything.
 * Invariant: the largest element is taken out first, so nothing overflows; -inf means a term that
 * is not there, and a column of nothing else has the value -inf and the gradient zero. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>

enum { WIDTH = 64 };

#include <reel/real32.h>

#include "logsumexp.c"

#include <reel/real64.h>

#include "logsumexp.c"

static reel_node *logsumexp_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const reel_reduce_attr *a = reel_node_attr(y);
    reel_node *x = reel_node_arg(y, 0);
    reel_shape shape = reel_node_shape(x);
    reel_node *share;
    if (a->axis == REEL_ALL_AXES) {
        share = reel_softmax(reel_reshape(x, reel_dims(reel_shape_size(shape))), 0);
        share = reel_reshape(share, shape);
    } else {
        share = reel_softmax(x, a->axis);
    }
    return reel_mul(reel_reduce_spread(y, dy), share);
}

static reel_node *logsumexp_sample(reel_sampler *s, int k)
{
    return reel_reduce_sample(s, k, &reel_op_logsumexp, -3, 3);
}

const reel_op reel_op_logsumexp = {
    .name = "logsumexp",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = reel_reduce_shape,
    .run_f32 = logsumexp_run_f32,
    .run_f64 = logsumexp_run_f64,
    .units = reel_reduce_units,
    .gradient = logsumexp_gradient,
    .label = reel_reduce_label,
    .sample = logsumexp_sample,
};

/** log Σ exp(x) over all elements, a scalar, without overflow; -inf for an empty tensor and for one
 * of -inf alone. */
reel_node *reel_logsumexp_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_logsumexp, x, REEL_ALL_AXES, false);
}

/** log Σ exp(x) along an axis (negative: from the last), as reel_logsumexp; the axis goes, or with
 * `keep` stays with size 1. */
reel_node *reel_logsumexp_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_logsumexp, x, axis, keep);
}

#else

#include "rows.h"

static REAL TYPED(logsumexp_row)(const REAL *x, int64_t n)
{
    REAL most = TYPED(reel__row_largest)(x, n);
    /* inf - inf would be NaN; 0 lets exp and log carry the infinity through. */
    most = isinf(most) ? 0 : most;
    return most + LIBM(log)((REAL)TYPED(reel__row_exp_total)(x, n, most));
}

static void TYPED(largest)(const REAL *x, const reel_along *a, int64_t width, REAL *most)
{
    for (int64_t i = 0; i < width; i++) {
        most[i] = (REAL)-INFINITY;
    }
    for (int64_t k = 0; k < a->n; k++) {
        for (int64_t i = 0; i < width; i++) {
            REAL v = x[k * a->inner + i];
            most[i] = v > most[i] ? v : most[i];
        }
    }
}

static void TYPED(logsumexp_columns)(const REAL *x, REAL *y, const reel_along *a, int64_t width)
{
    REAL most[WIDTH], e[WIDTH];
    double sum[WIDTH] = {0};
    TYPED(largest)(x, a, width, most);
    for (int64_t i = 0; i < width; i++) {
        most[i] = isinf(most[i]) ? 0 : most[i];
    }
    for (int64_t k = 0; k < a->n; k++) {
        for (int64_t i = 0; i < width; i++) {
            e[i] = x[k * a->inner + i] - most[i];
        }
        TYPED(reel__row_exp)(e, width);
        for (int64_t i = 0; i < width; i++) {
            sum[i] += (double)e[i];
        }
    }
    for (int64_t i = 0; i < width; i++) {
        y[i] = most[i] + LIBM(log)((REAL)sum[i]);
    }
}

static void TYPED(logsumexp_run)(const reel_call *c)
{
    reel_along a = reel_reduce_along(c);
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, WIDTH)) {
        if (a.inner == 1) {
            y[part.unit] = TYPED(logsumexp_row)(x + part.first, a.n);
        } else {
            TYPED(logsumexp_columns)(x + part.first, y + part.unit, &a, part.width);
        }
    }
}

#endif
