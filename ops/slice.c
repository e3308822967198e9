/* Slices, and their transpose: zeros around a tensor.
 * Invariant: slice and pad share one attribute and are each other's gradient. A pad that
 * accumulates touches the rows of its region only, so that the gradients of all slices of a tensor
 * cost no more than the tensor. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

/* Rows start, start + step, ... before stop of an axis of `extent` rows. */
typedef struct region {
    int64_t axis, start, stop, step, extent;
    int64_t drop; /* 1: the small side lacks the axis; the region is one row */
} region;

static int64_t region_rows(const region *r)
{
    return r->start < r->stop ? (r->stop - r->start - 1) / r->step + 1 : 0;
}

#include <reel/real32.h>

#include "slice.c"

#include <reel/real64.h>

#include "slice.c"

static bool slice_shape(reel_shaping *s)
{
    const region *r = s->attr;
    s->y = reel_node_shape(s->x[0]);
    int axis = reel_shaping_axis(s, 0, (int)r->axis);
    if (axis < 0) {
        return false;
    }
    long long start = (long long)r->start;
    if (r->step < 1) {
        return reel_shaping_fail(s, "step %lld: expected 1 or more", (long long)r->step);
    }
    if (r->drop && (start < 0 || start >= r->extent)) {
        return reel_shaping_fail(s, "index %lld is out of range of axis %d", start, axis);
    }
    if (start < 0 || r->stop < start || r->stop > r->extent) {
        return reel_shaping_fail(s, "%lld:%lld is no range of axis %d", start, (long long)r->stop,
                                 axis);
    }
    s->y.dim[axis] = region_rows(r);
    if (r->drop) {
        s->y = reel_shape_without(s->y, axis);
    }
    return true;
}

static bool pad_shape(reel_shaping *s)
{
    const region *r = s->attr;
    s->y = reel_node_shape(s->x[0]);
    if (r->drop) {
        s->y = reel_shape_with(s->y, (int)r->axis, 1);
    } else if (reel_shaping_axis(s, 0, (int)r->axis) < 0) {
        return false;
    }
    s->y.dim[r->axis] = r->extent;
    return true;
}

/* The region of the large tensor, as a window with the small one's axes. */
static void region_window(const region *r, reel_shape large, reel_window *w)
{
    int64_t stride = 1;
    int to = large.rank - 1 - (r->drop != 0);
    *w = (reel_window){.offset = 0};
    for (int k = large.rank - 1; k >= 0; k--) {
        bool steps = k == r->axis && r->step < large.dim[k]; /* else there is one row at most */
        if (k == r->axis) {
            w->offset = r->start * stride;
        }
        if (k != r->axis || !r->drop) {
            w->stride[to--] = steps ? r->step * stride : stride;
        }
        stride *= large.dim[k];
    }
}

static bool slice_window(const reel_call *c, reel_window *w)
{
    region_window(c->attr, c->x[0].shape, w);
    return true;
}

static bool pad_place(const reel_call *c, int i, reel_window *w)
{
    (void)i;
    region_window(c->attr, c->y.shape, w);
    return true;
}

static int64_t slice_units(const reel_call *c)
{
    const region *r = c->attr;
    reel_along a = reel_along_axis(c->x[0].shape, (int)r->axis);
    return c->y.size ? a.outer * region_rows(r) : 0;
}

static int64_t pad_units(const reel_call *c)
{
    const region *r = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)r->axis);
    return c->y.size ? a.outer * a.n : 0;
}

static reel_node *slice_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_apply1(REEL_HERE, &reel_op_pad, dy, reel_node_attr(y));
}

static reel_node *pad_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_apply1(REEL_HERE, &reel_op_slice, dy, reel_node_attr(y));
}

static void slice_label(const reel_node *y, char *text, size_t n)
{
    const region *r = reel_node_attr(y);
    long long start = (long long)r->start;
    if (r->drop) {
        snprintf(text, n, "select %lld", start);
    } else if (r->step == 1) {
        snprintf(text, n, "slice %lld:%lld", start, (long long)r->stop);
    } else {
        snprintf(text, n, "slice %lld:%lld:%lld", start, (long long)r->stop, (long long)r->step);
    }
}

static void pad_label(const reel_node *y, char *text, size_t n)
{
    const region *r = reel_node_attr(y);
    snprintf(text, n, "pad %lld:%lld", (long long)r->start, (long long)r->stop);
}

static reel_node *slice_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_slice(reel_sample_real(s, -1, 1, reel_dims(7)), 0, 2, 5);
    case 1:
        return reel_slice(reel_sample_real(s, -1, 1, reel_dims(3, 5)), -1, -4, -1);
    case 2:
        return reel_slice(reel_sample_real(s, -1, 1, reel_dims(3, 5)), 0, 1, INT64_MAX);
    case 3:
        return reel_slice_step(reel_sample_real(s, -1, 1, reel_dims(2, 7, 3)), 1, 1, 7, 2);
    case 4:
        return reel_slice_step(reel_sample_real(s, -1, 1, reel_dims(2, 1, 2, 8)), 3, 0, 8, 3);
    case 5:
        return reel_select(reel_sample_real(s, -1, 1, reel_dims(4, 3, 2)), 0, 2);
    case 6:
        return reel_select(reel_sample_real(s, -1, 1, reel_dims(2, 3, 1, 5)), 1, -1);
    case 7:
        return reel_select(reel_sample_real(s, -1, 1, reel_dims(5)), -1, 0);
    case 8:
        return reel_slice(reel_sample_real(s, -1, 1, reel_dims(3, 4)), 1, 2, 2);
    default:
        return NULL;
    }
}

static reel_node *pad_sample(reel_sampler *s, int k)
{
    static const region spread = {
        .axis = 1, .start = 1, .stop = 6, .step = 2, .extent = 7, .drop = 0};
    static const region insert = {
        .axis = 1, .start = 2, .stop = 3, .step = 1, .extent = 4, .drop = 1};
    switch (k) {
    case 0:
        return reel_pad(reel_sample_real(s, -1, 1, reel_dims(3)), 0, 2, 1);
    case 1:
        return reel_pad(reel_sample_real(s, -1, 1, reel_dims(2, 3)), -1, 0, 2);
    case 2:
        return reel_pad(reel_sample_real(s, -1, 1, reel_dims(2, 1, 3, 2)), 2, 1, 0);
    case 3:
        return reel_apply1(REEL_HERE, &reel_op_pad, reel_sample_real(s, -1, 1, reel_dims(2, 3, 2)),
                           &spread);
    case 4:
        return reel_apply1(REEL_HERE, &reel_op_pad, reel_sample_real(s, -1, 1, reel_dims(3, 2)),
                           &insert);
    default:
        return NULL;
    }
}

const reel_op reel_op_slice = {
    .name = "slice",
    .arity = 1,
    .flags = REEL_OP_VIEW,
    .attr_size = sizeof(region),
    .shape = slice_shape,
    .run_f32 = slice_run_f32,
    .run_f64 = slice_run_f64,
    .units = slice_units,
    .window = slice_window,
    .gradient = slice_gradient,
    .label = slice_label,
    .sample = slice_sample,
};

const reel_op reel_op_pad = {
    .name = "pad",
    .arity = 1,
    .flags = REEL_OP_ACCUMULATES,
    .attr_size = sizeof(region),
    .shape = pad_shape,
    .run_f32 = pad_run_f32,
    .run_f64 = pad_run_f64,
    .units = pad_units,
    .place = pad_place,
    .gradient = pad_gradient,
    .label = pad_label,
    .sample = pad_sample,
};

/* A position as NumPy counts it: negative from the end, INT64_MAX the end itself. What is out of
 * range stays so, for the shape rule to report as it was given. */
static int64_t position(int64_t i, int64_t n)
{
    if (i == INT64_MAX) {
        return n;
    }
    return i < 0 && i >= -n ? i + n : i;
}

/** Rows start, start + step, ... before stop along an axis. Negative axis and positions count from
 * the end; a stop of INT64_MAX is the end. Out of range positions, stop < start, step < 1: an
 * error. */
reel_node *reel_slice_step_at(const char *at, reel_node *x, int axis, int64_t start, int64_t stop,
                              int64_t step)
{
    int64_t n = reel_node_dim(x, axis);
    region r = {.axis = reel_axis_from_first(reel_node_rank(x), axis),
                .start = position(start, n),
                .stop = position(stop, n),
                .step = step,
                .extent = n,
                .drop = 0};
    return reel_apply1(at, &reel_op_slice, x, &r);
}

/** Rows start to stop - 1 along an axis. Negative axis and positions count from the end, as in
 * NumPy; a stop of INT64_MAX is the end. Out of range positions and stop < start are an error. */
reel_node *reel_slice_at(const char *at, reel_node *x, int axis, int64_t start, int64_t stop)
{
    return reel_slice_step_at(at, x, axis, start, stop, 1);
}

/** Row i of an axis, which goes: reel_select(x, 0, t) is step t of a sequence. Negative axis and i
 * count from the end; out of range: an error. */
reel_node *reel_select_at(const char *at, reel_node *x, int axis, int64_t i)
{
    int64_t n = reel_node_dim(x, axis);
    int64_t start = i < 0 && i >= -n ? i + n : i;
    region r = {.axis = reel_axis_from_first(reel_node_rank(x), axis),
                .start = start,
                .stop = start < n ? start + 1 : n,
                .step = 1,
                .extent = n,
                .drop = 1};
    return reel_apply1(at, &reel_op_slice, x, &r);
}

/** x with `before` rows of zeros in front of an axis (negative: from the last) and `after` behind
 * it. */
reel_node *reel_pad_at(const char *at, reel_node *x, int axis, int64_t before, int64_t after)
{
    int64_t n = reel_node_dim(x, axis);
    if (before < 0 || after < 0 || before > INT64_MAX - n || after > INT64_MAX - n - before) {
        return reel_node_fail(at, x, REEL_ERR_ARGUMENT,
                              "pad: %lld rows before and %lld after: expected 0 or more",
                              (long long)before, (long long)after);
    }
    region r = {.axis = reel_axis_from_first(reel_node_rank(x), axis),
                .start = before,
                .stop = before + n,
                .step = 1,
                .extent = before + n + after,
                .drop = 0};
    return reel_apply1(at, &reel_op_pad, x, &r);
}

/** x moved `by` places along an axis (negative: from the last), zeros moving in: y[k] = x[k - by].
 * The shape stays. */
reel_node *reel_delay_at(const char *at, reel_node *x, int axis, int64_t by)
{
    int64_t n = reel_node_dim(x, axis);
    int64_t left = by > n ? n : by < -n ? -n : by;
    if (left >= 0) {
        return reel_pad_at(at, reel_slice_at(at, x, axis, 0, n - left), axis, left, 0);
    }
    return reel_pad_at(at, reel_slice_at(at, x, axis, -left, n), axis, 0, -left);
}

/* The error node in all n parts. */
static void fill(reel_node **part, int n, reel_node *error)
{
    for (int i = 0; part && i < n; i++) {
        part[i] = error;
    }
}

/** Cuts an axis (negative: from the last) into n equal parts, written to part[0..n-1]. The size
 * must be a multiple of n. On error every part is the error node. */
void reel_split_at(const char *at, reel_node *x, int axis, int n, reel_node **part)
{
    int64_t size = reel_node_dim(x, axis);
    if (!part || n <= 0 || size % n) {
        fill(part, n,
             reel_node_fail(at, x, REEL_ERR_SHAPE, "split: %d parts of %lld rows: expected a %s", n,
                            (long long)size, part ? "divisor" : "place for them"));
        return;
    }
    int64_t rows = size / n;
    for (int i = 0; i < n; i++) {
        part[i] = reel_slice_at(at, x, axis, i * rows, (i + 1) * rows);
    }
}

/** Takes axis 0 apart: part[i] = row i of x, without the axis. n must be its size. On error every
 * part is the error node. */
void reel_unstack_at(const char *at, reel_node *x, int n, reel_node **part)
{
    int64_t size = reel_node_dim(x, 0);
    if (!part || size != n) {
        fill(part, n,
             reel_node_fail(at, x, REEL_ERR_SHAPE, "unstack: %d parts of %lld rows: expected %s", n,
                            (long long)size, part ? "as many" : "a place for them"));
        return;
    }
    for (int i = 0; i < n; i++) {
        part[i] = reel_select_at(at, x, 0, i);
    }
}

#else

/* The region's rows are the same units on both sides: (block, j) of the small tensor is (block,
 * start + j step) of the large one. */
static void TYPED(slice_run)(const reel_call *c)
{
    const region *r = c->attr;
    reel_along a = reel_along_axis(c->x[0].shape, (int)r->axis);
    int64_t rows = region_rows(r);
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    for (int64_t u = c->begin; u < c->end;) {
        int64_t block = u / rows;
        int64_t j = u - block * rows;
        int64_t run = rows - j < c->end - u ? rows - j : c->end - u;
        const REAL *from = x + (block * a.n + r->start + j * r->step) * a.inner;
        REAL *to = y + u * a.inner;
        if (r->step == 1) {
            memcpy(to, from, (size_t)(run * a.inner) * sizeof(REAL));
        } else {
            for (int64_t k = 0; k < run; k++) {
                memcpy(to + k * a.inner, from + k * r->step * a.inner,
                       (size_t)a.inner * sizeof(REAL));
            }
        }
        u += run;
    }
}

static void TYPED(pad_add)(const REAL *x, REAL *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

static void TYPED(pad_copy)(const REAL *x, REAL *y, int64_t n)
{
    memcpy(y, x, (size_t)n * sizeof(REAL));
}

/* Rows [from, to) of one block. */
static void TYPED(pad_rows)(const region *r, const REAL *x, REAL *y, int64_t inner, int64_t from,
                            int64_t to, bool accumulate)
{
    if (!accumulate) {
        memset(y + from * inner, 0, (size_t)((to - from) * inner) * sizeof(REAL));
    }
    void (*put)(const REAL *, REAL *, int64_t) = accumulate ? TYPED(pad_add) : TYPED(pad_copy);
    int64_t j = from > r->start ? (from - r->start + r->step - 1) / r->step : 0;
    int64_t last = to < r->stop ? to : r->stop;
    int64_t row = r->start + j * r->step;
    if (r->step == 1 && row < last) {
        put(x + j * inner, y + row * inner, (last - row) * inner);
        return;
    }
    for (; row < last; row += r->step, j++) {
        put(x + j * inner, y + row * inner, inner);
    }
}

static void TYPED(pad_run)(const reel_call *c)
{
    const region *r = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)r->axis);
    int64_t rows = region_rows(r);
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    for (int64_t u = c->begin; u < c->end;) {
        int64_t block = u / a.n;
        int64_t from = u - block * a.n;
        int64_t to = a.n - from < c->end - u ? a.n : from + c->end - u;
        TYPED(pad_rows)
        (r, x + block * rows * a.inner, y + block * a.n * a.inner, a.inner, from, to,
         c->accumulate);
        u += to - from;
    }
}

#endif
