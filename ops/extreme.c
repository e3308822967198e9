/* Largest and smallest elements and where they are.
 * Invariant: the first of several equal elements counts, and a NaN counts as beyond every number,
 * so that max and argmax speak of the same element. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

enum { WIDTH = 64 };

#include <reel/real32.h>

#include "extreme.c"

#include <reel/real64.h>

#include "extreme.c"

static bool place_shape(reel_shaping *s)
{
    const reel_reduce_attr *a = s->attr;
    if (!reel_reduce_shape_some(s)) {
        return false;
    }
    reel_along x = reel_along_axis(reel_node_shape(s->x[0]), a->axis);
    return x.n <= INT32_MAX || reel_shaping_fail(s, "more elements than an i32 can count");
}

/* dy at the element that was chosen, zero elsewhere. */
static reel_node *to_place(reel_node *y, reel_node *dy, const reel_op *place)
{
    const reel_reduce_attr *a = reel_node_attr(y);
    reel_node *x = reel_node_arg(y, 0);
    reel_shape shape = reel_node_shape(x);
    bool all = a->axis == REEL_ALL_AXES;
    reel_node *index = reel_reduce_apply(REEL_HERE, place, x, a->axis, false);
    if (a->keep) {
        dy = reel_reshape(dy, reel_node_shape(index));
    }
    if (!all) {
        return reel_unpick_axis(dy, index, a->axis, shape.dim[a->axis]);
    }
    return reel_reshape(reel_unpick_axis(dy, index, 0, reel_shape_size(shape)), shape);
}

static reel_node *max_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return to_place(y, dy, &reel_op_argmax);
}

static reel_node *min_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return to_place(y, dy, &reel_op_argmin);
}

static reel_node *place_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)y;
    (void)dy;
    (void)i;
    return reel_zero_gradient();
}

static reel_node *max_sample(reel_sampler *s, int k)
{
    return reel_reduce_sample(s, k, &reel_op_max, -2, 2);
}

static reel_node *min_sample(reel_sampler *s, int k)
{
    return reel_reduce_sample(s, k, &reel_op_min, -2, 2);
}

static reel_node *argmax_sample(reel_sampler *s, int k)
{
    return reel_reduce_sample(s, k, &reel_op_argmax, -2, 2);
}

static reel_node *argmin_sample(reel_sampler *s, int k)
{
    return reel_reduce_sample(s, k, &reel_op_argmin, -2, 2);
}

const reel_op reel_op_max = {
    .name = "max",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = reel_reduce_shape_some,
    .run_f32 = max_run_f32,
    .run_f64 = max_run_f64,
    .units = reel_reduce_units,
    .gradient = max_gradient,
    .label = reel_reduce_label,
    .sample = max_sample,
};

const reel_op reel_op_min = {
    .name = "min",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = reel_reduce_shape_some,
    .run_f32 = min_run_f32,
    .run_f64 = min_run_f64,
    .units = reel_reduce_units,
    .gradient = min_gradient,
    .label = reel_reduce_label,
    .sample = min_sample,
};

const reel_op reel_op_argmax = {
    .name = "argmax",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_INDEX_RESULT,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = place_shape,
    .run_f32 = argmax_run_f32,
    .run_f64 = argmax_run_f64,
    .units = reel_reduce_units,
    .gradient = place_gradient,
    .label = reel_reduce_label,
    .sample = argmax_sample,
};

const reel_op reel_op_argmin = {
    .name = "argmin",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_INDEX_RESULT,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = place_shape,
    .run_f32 = argmin_run_f32,
    .run_f64 = argmin_run_f64,
    .units = reel_reduce_units,
    .gradient = place_gradient,
    .label = reel_reduce_label,
    .sample = argmin_sample,
};

/** The largest element, a scalar; NaN if there is one. The gradient goes to the first largest
 * element. No elements: an error. The larger of two tensors element by element is reel_maximum. */
reel_node *reel_max_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_max, x, REEL_ALL_AXES, false);
}

/** The largest element along an axis of size n > 0 (negative: from the last), as reel_max; the axis
 * goes, or with `keep` stays with size 1. */
reel_node *reel_max_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_max, x, axis, keep);
}

/** The smallest element, a scalar; NaN if there is one. The gradient goes to the first smallest
 * element. No elements: an error. The smaller of two tensors element by element is reel_minimum. */
reel_node *reel_min_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_min, x, REEL_ALL_AXES, false);
}

/** The smallest element along an axis of size n > 0 (negative: from the last), as reel_min; the
 * axis goes, or with `keep` stays with size 1. */
reel_node *reel_min_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_min, x, axis, keep);
}

/** The row-major position of the largest element, an i32 scalar: the first of equals; the first NaN
 * if there is one. */
reel_node *reel_argmax_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_argmax, x, REEL_ALL_AXES, false);
}

/** The position along an axis (negative: from the last) of the largest element, i32, as
 * reel_argmax; the axis goes, or with `keep` stays with size 1. */
reel_node *reel_argmax_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_argmax, x, axis, keep);
}

/** The row-major position of the smallest element, an i32 scalar: the first of equals; the first
 * NaN if there is one. */
reel_node *reel_argmin_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_argmin, x, REEL_ALL_AXES, false);
}

/** The position along an axis (negative: from the last) of the smallest element, i32, as
 * reel_argmin; the axis goes, or with `keep` stays with size 1. */
reel_node *reel_argmin_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_argmin, x, axis, keep);
}

#else

#include "rows.h"

static bool TYPED(beyond)(REAL v, REAL best)
{
    return v > best || (v != v && best == best);
}

/* The largest of sign x in each of `width` columns. */
static void TYPED(extremes)(const REAL *x, const reel_along *a, int64_t width, REAL sign,
                            REAL *best, int32_t *place)
{
    for (int64_t i = 0; i < width; i++) {
        best[i] = sign * x[i];
        place[i] = 0;
    }
    for (int64_t k = 1; k < a->n; k++) {
        const REAL *row = x + k * a->inner;
        for (int64_t i = 0; i < width; i++) {
            if (TYPED(beyond)(sign * row[i], best[i])) {
                best[i] = sign * row[i];
                place[i] = (int32_t)k;
            }
        }
    }
}

static void TYPED(extreme_rows)(const reel_call *c, int64_t n, REAL sign, bool places)
{
    for (int64_t unit = c->begin; unit < c->end; unit++) {
        const REAL *x = (const REAL *)c->x[0].data + unit * n;
        int64_t k = TYPED(reel__row_place)(x, n, sign);
        if (places) {
            ((int32_t *)c->y.data)[unit] = (int32_t)k;
        } else {
            ((REAL *)c->y.data)[unit] = x[k];
        }
    }
}

static void TYPED(extreme_run)(const reel_call *c, REAL sign, bool places)
{
    reel_along a = reel_reduce_along(c);
    if (a.inner == 1) {
        TYPED(extreme_rows)(c, a.n, sign, places);
        return;
    }
    const REAL *x = c->x[0].data;
    REAL best[WIDTH];
    int32_t place[WIDTH];
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, WIDTH)) {
        TYPED(extremes)(x + part.first, &a, part.width, sign, best, place);
        for (int64_t i = 0; i < part.width; i++) {
            if (places) {
                ((int32_t *)c->y.data)[part.unit + i] = place[i];
            } else {
                ((REAL *)c->y.data)[part.unit + i] = sign * best[i];
            }
        }
    }
}

static void TYPED(max_run)(const reel_call *c)
{
    TYPED(extreme_run)(c, 1, false);
}

static void TYPED(min_run)(const reel_call *c)
{
    TYPED(extreme_run)(c, -1, false);
}

static void TYPED(argmax_run)(const reel_call *c)
{
    TYPED(extreme_run)(c, 1, true);
}

static void TYPED(argmin_run)(const reel_call *c)
{
    TYPED(extreme_run)(c, -1, true);
}

#endif
