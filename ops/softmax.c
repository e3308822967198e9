/* Softmax and its logarithm along an axis, with or without a mask.
 * Invariant: the largest element is taken out first, so nothing overflows. -inf and masked elements
 * have weight zero; a column of nothing else is zeros (-inf as logarithms), with gradient zero, not
 * NaN. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <stdio.h>

enum { WIDTH = 64 };

typedef struct softmax_attr {
    int64_t axis;
} softmax_attr;

#include <reel/real32.h>

#include "softmax.c"

#include <reel/real64.h>

#include "softmax.c"

static bool softmax_shape(reel_shaping *s)
{
    const softmax_attr *a = s->attr;
    s->y = reel_node_shape(s->x[0]);
    if (reel_shaping_axis(s, 0, (int)a->axis) < 0) {
        return false;
    }
    return s->n == 1 || reel_shape_equal(s->y, reel_node_shape(s->x[1])) ||
           reel_shaping_fail(s, "the mask is shaped unlike the values");
}

static int64_t softmax_units(const reel_call *c)
{
    const softmax_attr *a = c->attr;
    return c->y.size ? c->y.size / c->y.shape.dim[a->axis] : 0;
}

static void softmax_label(const reel_node *y, char *text, size_t n)
{
    const softmax_attr *a = reel_node_attr(y);
    snprintf(text, n, "%s axis %d", reel_node_op(y)->name, (int)a->axis);
}

/* dx = y ⊙ (dy - Σ dy ⊙ y) */
static reel_node *softmax_gradient(reel_node *y, reel_node *dy, int i)
{
    const softmax_attr *a = reel_node_attr(y);
    if (i == 1) {
        return reel_zero_gradient();
    }
    reel_node *weighted = reel_mul(dy, y);
    reel_node *total = reel_sum_axis(weighted, (int)a->axis, true);
    return reel_sub(weighted, reel_mul(y, total));
}

/* dx = dy - softmax(x) Σ dy */
static reel_node *log_softmax_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const softmax_attr *a = reel_node_attr(y);
    reel_node *total = reel_sum_axis(dy, (int)a->axis, true);
    return reel_sub(dy, reel_mul(reel_exp(y), total));
}

static reel_node *sample_input(reel_sampler *s, int k, int *axis)
{
    static const struct {
        reel_shape shape;
        int axis;
    } sample[] = {
        {{1, {5, 1, 1, 1}}, 0}, {{2, {3, 4, 1, 1}}, -1}, {{2, {3, 4, 1, 1}}, 0},
        {{3, {2, 3, 2, 1}}, 1}, {{4, {2, 1, 2, 3}}, 3},  {{2, {4, 1, 1, 1}}, 1},
    };
    if (k >= (int)(sizeof sample / sizeof sample[0])) {
        return NULL;
    }
    *axis = sample[k].axis;
    return reel_sample_real(s, -3, 3, sample[k].shape);
}

static reel_node *softmax_sample(reel_sampler *s, int k)
{
    int axis = 0;
    reel_node *x = sample_input(s, k, &axis);
    return x ? reel_softmax(x, axis) : NULL;
}

static reel_node *log_softmax_sample(reel_sampler *s, int k)
{
    int axis = 0;
    reel_node *x = sample_input(s, k, &axis);
    return x ? reel_log_softmax(x, axis) : NULL;
}

/* Masks of the full shape and such as are broadcast. */
static reel_node *masked_softmax_sample(reel_sampler *s, int k)
{
    int axis = 0;
    reel_node *x = sample_input(s, k, &axis);
    if (!x) {
        return NULL;
    }
    reel_shape shape = reel_node_shape(x);
    if (k % 2) {
        shape.dim[0] = 1;
    }
    return reel_masked_softmax(x, reel_heaviside(reel_sample_fixed(s, -1, 1, shape)), axis);
}

const reel_op reel_op_softmax = {
    .name = "softmax",
    .arity = 1,
    .attr_size = sizeof(softmax_attr),
    .shape = softmax_shape,
    .run_f32 = softmax_run_f32,
    .run_f64 = softmax_run_f64,
    .units = softmax_units,
    .gradient = softmax_gradient,
    .label = softmax_label,
    .sample = softmax_sample,
};

const reel_op reel_op_log_softmax = {
    .name = "log_softmax",
    .arity = 1,
    .attr_size = sizeof(softmax_attr),
    .shape = softmax_shape,
    .run_f32 = log_softmax_run_f32,
    .run_f64 = log_softmax_run_f64,
    .units = softmax_units,
    .gradient = log_softmax_gradient,
    .label = softmax_label,
    .sample = log_softmax_sample,
};

const reel_op reel_op_masked_softmax = {
    .name = "masked_softmax",
    .arity = 2,
    .attr_size = sizeof(softmax_attr),
    .shape = softmax_shape,
    .run_f32 = masked_softmax_run_f32,
    .run_f64 = masked_softmax_run_f64,
    .units = softmax_units,
    .gradient = softmax_gradient,
    .label = softmax_label,
    .sample = masked_softmax_sample,
};

static softmax_attr along(const reel_node *x, int axis)
{
    return (softmax_attr){.axis = reel_axis_from_first(reel_node_rank(x), axis)};
}

/** y[k] = exp(x[k]) / Σ_j exp(x[j]) along an axis (negative: from the last), without overflow. A
 * column of -inf alone gives zeros, as if all of it were masked. */
reel_node *reel_softmax_at(const char *at, reel_node *x, int axis)
{
    softmax_attr a = along(x, axis);
    return reel_apply1(at, &reel_op_softmax, x, &a);
}

/** y[k] = x[k] - log Σ_j exp(x[j]) along an axis (negative: from the last), without overflow. A
 * column of -inf alone gives -inf. */
reel_node *reel_log_softmax_at(const char *at, reel_node *x, int axis)
{
    softmax_attr a = along(x, axis);
    return reel_apply1(at, &reel_op_log_softmax, x, &a);
}

/** Softmax along an axis (negative: from the last) over the elements whose mask is not 0; the
 * others get 0, and so does a column without any. The mask repeats to x's shape; its own derivative
 * is zero. What x holds at masked places, NaN included, has no influence. */
reel_node *reel_masked_softmax_at(const char *at, reel_node *x, reel_node *mask, int axis)
{
    softmax_attr a = along(x, axis);
    if (!reel_shape_equal(reel_node_shape(mask), reel_node_shape(x))) {
        mask = reel_broadcast_to_at(at, mask, reel_node_shape(x));
    }
    return reel_apply2(at, &reel_op_masked_softmax, x, mask, &a);
}

#else

#include "rows.h"

/* -inf - -inf would be NaN: with 0 as the largest element exp gives the zeros that are wanted. */
static REAL TYPED(finite_max)(REAL most)
{
    return most == (REAL)-INFINITY ? 0 : most;
}

/* One dense row: the largest element that the mask (NULL: none) lets through. */
static REAL TYPED(row_max)(const REAL *x, const REAL *mask, int64_t n)
{
    if (!mask) {
        return TYPED(finite_max)(TYPED(reel__row_largest)(x, n));
    }
    REAL most = (REAL)-INFINITY;
    for (int64_t k = 0; k < n; k++) {
        most = x[k] > most && mask[k] != 0 ? x[k] : most;
    }
    return TYPED(finite_max)(most);
}

/* y = x - most, -inf where it is masked: in two loops, each of which is made vectors of. */
static void TYPED(less)(const REAL *x, const REAL *mask, REAL *y, int64_t n, REAL most)
{
    if (!mask) {
        TYPED(reel__row_less)(x, n, most, y);
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        y[k] = mask[k] != 0 ? x[k] - most : (REAL)-INFINITY;
    }
}

/* y = exp(x - most); returns the sum of it. */
static double TYPED(masked_exp)(const REAL *x, const REAL *mask, REAL *y, int64_t n, REAL most)
{
    TYPED(less)(x, mask, y, n, most);
    TYPED(reel__row_exp)(y, n);
    return TYPED(reel__row_total)(y, n);
}

static void TYPED(softmax_row)(const REAL *x, const REAL *mask, REAL *y, int64_t n)
{
    double sum = TYPED(masked_exp)(x, mask, y, n, TYPED(row_max)(x, mask, n));
    TYPED(reel__row_scale)(y, n, sum == 0 ? 0 : (REAL)(1 / sum));
}

static void TYPED(log_softmax_row)(const REAL *x, REAL *y, int64_t n)
{
    REAL most = TYPED(row_max)(x, NULL, n);
    double sum = TYPED(reel__row_exp_total)(x, n, most);
    REAL less = sum == 0 ? 0 : (REAL)log(sum);
    for (int64_t k = 0; k < n; k++) {
        y[k] = x[k] - most - less;
    }
}

/* The same for `width` columns side by side. */
static void TYPED(column_max)(const REAL *x, const REAL *mask, const reel_along *a, int64_t width,
                              REAL *most)
{
    for (int64_t i = 0; i < width; i++) {
        most[i] = (REAL)-INFINITY;
    }
    for (int64_t k = 0; k < a->n; k++) {
        const REAL *row = x + k * a->inner;
        const REAL *keep = mask ? mask + k * a->inner : NULL;
        for (int64_t i = 0; i < width; i++) {
            most[i] = row[i] > most[i] && (!keep || keep[i] != 0) ? row[i] : most[i];
        }
    }
    for (int64_t i = 0; i < width; i++) {
        most[i] = TYPED(finite_max)(most[i]);
    }
}

static void TYPED(column_exp)(const REAL *x, const REAL *mask, REAL *y, const reel_along *a,
                              int64_t width, const REAL *most, double *sum)
{
    for (int64_t i = 0; i < width; i++) {
        sum[i] = 0;
    }
    for (int64_t k = 0; k < a->n; k++) {
        int64_t row = k * a->inner;
        for (int64_t i = row; i < row + width; i++) {
            y[i] = !mask || mask[i] != 0 ? x[i] - most[i - row] : (REAL)-INFINITY;
        }
        TYPED(reel__row_exp)(y + row, width);
        for (int64_t i = row; i < row + width; i++) {
            sum[i - row] += (double)y[i];
        }
    }
}

static void TYPED(softmax_columns)(const REAL *x, const REAL *mask, REAL *y, const reel_along *a,
                                   int64_t width)
{
    REAL most[WIDTH];
    REAL scale[WIDTH];
    double sum[WIDTH];
    TYPED(column_max)(x, mask, a, width, most);
    TYPED(column_exp)(x, mask, y, a, width, most, sum);
    for (int64_t i = 0; i < width; i++) {
        scale[i] = sum[i] == 0 ? 0 : (REAL)(1 / sum[i]);
    }
    for (int64_t k = 0; k < a->n; k++) {
        REAL *row = y + k * a->inner;
        for (int64_t i = 0; i < width; i++) {
            row[i] *= scale[i];
        }
    }
}

static void TYPED(log_softmax_columns)(const REAL *x, REAL *y, const reel_along *a, int64_t width)
{
    REAL most[WIDTH];
    REAL less[WIDTH];
    double sum[WIDTH];
    TYPED(column_max)(x, NULL, a, width, most);
    TYPED(column_exp)(x, NULL, y, a, width, most, sum);
    for (int64_t i = 0; i < width; i++) {
        less[i] = sum[i] == 0 ? 0 : (REAL)log(sum[i]);
    }
    for (int64_t k = 0; k < a->n; k++) {
        int64_t row = k * a->inner;
        for (int64_t i = 0; i < width; i++) {
            y[row + i] = x[row + i] - most[i] - less[i];
        }
    }
}

static void TYPED(softmax_over)(const reel_call *c, const REAL *mask)
{
    const softmax_attr *attr = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)attr->axis);
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, WIDTH)) {
        const REAL *x = (const REAL *)c->x[0].data + part.first;
        const REAL *keep = mask ? mask + part.first : NULL;
        REAL *y = (REAL *)c->y.data + part.first;
        if (a.inner == 1) {
            TYPED(softmax_row)(x, keep, y, a.n);
        } else {
            TYPED(softmax_columns)(x, keep, y, &a, part.width);
        }
    }
}

static void TYPED(softmax_run)(const reel_call *c)
{
    TYPED(softmax_over)(c, NULL);
}

static void TYPED(masked_softmax_run)(const reel_call *c)
{
    TYPED(softmax_over)(c, c->x[1].data);
}

static void TYPED(log_softmax_run)(const reel_call *c)
{
    const softmax_attr *attr = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)attr->axis);
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, WIDTH)) {
        const REAL *x = (const REAL *)c->x[0].data + part.first;
        REAL *y = (REAL *)c->y.data + part.first;
        if (a.inner == 1) {
            TYPED(log_softmax_row)(x, y, a.n);
        } else {
            TYPED(log_softmax_columns)(x, y, &a, part.width);
        }
    }
}

#endif
