/* broadcast_to: repeats x along axes of size 1 and new leading axes.
 * sum_to: its transpose, the sum over the axes along which a tensor of the given shape would be
 * repeated. */
#ifndef REEL_REAL

#include <reel/op.h>
#include <reel/ops.h>

#include <math.h>
#include <string.h>

typedef struct target {
    int64_t rank;
    int64_t dim[REEL_MAX_RANK];
} target;

static reel_shape target_shape(const void *attr)
{
    const target *t = attr;
    return reel_shape_of((int)t->rank, t->dim);
}

/* The steps of the small tensor along the axes of the large one: 0 where it is repeated. */
static void small_strides(reel_shape large, reel_shape small, int64_t *stride)
{
    int64_t step = 1;
    for (int k = 1; k <= large.rank; k++) {
        int64_t d = k <= small.rank ? small.dim[small.rank - k] : 1;
        stride[large.rank - k] = d == 1 ? 0 : step;
        step *= d;
    }
}

/* An index over all axes but the last, and where it stands in the small tensor. */
typedef struct walker {
    reel_shape large;
    int64_t stride[REEL_MAX_RANK], index[REEL_MAX_RANK];
    int64_t at;
} walker;

static walker walk(reel_shape large, reel_shape small)
{
    walker w = {.large = large};
    if (w.large.rank == 0) {
        w.large = reel_shape_of(1, (const int64_t[]){1});
    }
    small_strides(w.large, small, w.stride);
    return w;
}

static void step(walker *w)
{
    for (int k = w->large.rank - 2; k >= 0; k--) {
        w->at += w->stride[k];
        if (++w->index[k] < w->large.dim[k]) {
            return;
        }
        w->at -= w->stride[k] * w->large.dim[k];
        w->index[k] = 0;
    }
}

/* Whether all axes along which the small tensor, of that size, is repeated come before all others.
 */
static bool over_leading_axes(const walker *w, int64_t size)
{
    int64_t inner = 1;
    for (int k = w->large.rank - 1; k >= 0 && inner < size; k--) {
        if (w->stride[k] == 0 && w->large.dim[k] != 1) {
            return false;
        }
        inner *= w->large.dim[k];
    }
    return size > 0 && inner == size;
}

#include <reel/real32.h>

#include "broadcast.c"

#include <reel/real64.h>

#include "broadcast.c"

/* Whether `small` repeats to exactly `large`. */
static bool repeats_to(reel_shape small, reel_shape large)
{
    if (small.rank > large.rank) {
        return false;
    }
    for (int k = 1; k <= small.rank; k++) {
        int64_t d = small.dim[small.rank - k];
        if (d != 1 && d != large.dim[large.rank - k]) {
            return false;
        }
    }
    return true;
}

static bool broadcast_shape(reel_shaping *s)
{
    s->y = target_shape(s->attr);
    return repeats_to(reel_node_shape(s->x[0]), s->y) ||
           reel_shaping_fail(s, "does not repeat to the shape asked for");
}

static bool sum_shape(reel_shaping *s)
{
    s->y = target_shape(s->attr);
    return repeats_to(s->y, reel_node_shape(s->x[0])) ||
           reel_shaping_fail(s, "the shape asked for does not repeat to it");
}

static bool broadcast_window(const reel_call *c, reel_window *w)
{
    *w = (reel_window){.offset = 0};
    small_strides(c->y.shape, c->x[0].shape, w->stride);
    return true;
}

static reel_node *broadcast_gradient(reel_node *y, reel_node *dy, int i)
{
    return reel_sum_to(dy, reel_node_shape(reel_node_arg(y, i)));
}

static reel_node *sum_gradient(reel_node *y, reel_node *dy, int i)
{
    return reel_broadcast_to(dy, reel_node_shape(reel_node_arg(y, i)));
}

static const reel_shape samples[][2] = {
    /* small, large */
    {{0, {1, 1, 1, 1}}, {0, {1, 1, 1, 1}}}, {{0, {1, 1, 1, 1}}, {2, {3, 2, 1, 1}}},
    {{1, {4, 1, 1, 1}}, {2, {3, 4, 1, 1}}}, {{2, {3, 1, 1, 1}}, {2, {3, 5, 1, 1}}},
    {{2, {1, 4, 1, 1}}, {3, {2, 3, 4, 1}}}, {{4, {2, 1, 3, 1}}, {4, {2, 2, 3, 2}}},
    {{3, {2, 1, 3, 1}}, {3, {2, 5, 3, 1}}}, {{3, {2, 5, 3, 1}}, {3, {2, 5, 3, 1}}},
};
enum { SAMPLES = sizeof samples / sizeof samples[0] };

static reel_node *broadcast_sample(reel_sampler *s, int k)
{
    return k < SAMPLES ? reel_broadcast_to(reel_sample_real(s, -1, 1, samples[k][0]), samples[k][1])
                       : NULL;
}

static reel_node *sum_sample(reel_sampler *s, int k)
{
    return k < SAMPLES ? reel_sum_to(reel_sample_real(s, -1, 1, samples[k][1]), samples[k][0])
                       : NULL;
}

const reel_op reel_op_broadcast_to = {
    .name = "broadcast_to",
    .arity = 1,
    .flags = REEL_OP_VIEW,
    .attr_size = sizeof(target),
    .shape = broadcast_shape,
    .run_f32 = broadcast_to_f32,
    .run_f64 = broadcast_to_f64,
    .window = broadcast_window,
    .gradient = broadcast_gradient,
    .sample = broadcast_sample,
};

const reel_op reel_op_sum_to = {
    .name = "sum_to",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_ACCUMULATES,
    .attr_size = sizeof(target),
    .shape = sum_shape,
    .run_f32 = sum_to_f32,
    .run_f64 = sum_to_f64,
    .gradient = sum_gradient,
    .sample = sum_sample,
};

static reel_node *apply(const char *at, const reel_op *op, reel_node *x, reel_shape shape)
{
    target t;
    memset(&t, 0, sizeof t);
    if (shape.rank < 0 || shape.rank > REEL_MAX_RANK) {
        return reel_node_fail(at, x, REEL_ERR_SHAPE, "%s: rank %d: expected 0 to %d", op->name,
                              shape.rank, REEL_MAX_RANK);
    }
    t.rank = shape.rank;
    memcpy(t.dim, shape.dim, sizeof t.dim);
    return reel_apply1(at, op, x, &t);
}

/** x repeated along axes of size 1 and new leading axes until it has the shape (NumPy's rules). */
reel_node *reel_broadcast_to_at(const char *at, reel_node *x, reel_shape shape)
{
    return apply(at, &reel_op_broadcast_to, x, shape);
}

/** x summed over the axes along which a tensor of the given shape would have to be repeated to give
 * x's shape: the transpose of reel_broadcast_to. */
reel_node *reel_sum_to_at(const char *at, reel_node *x, reel_shape shape)
{
    return apply(at, &reel_op_sum_to, x, shape);
}

#else

#include "rows.h"

static void TYPED(broadcast_to)(const reel_call *c)
{
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    walker w = walk(c->y.shape, c->x[0].shape);
    int64_t n = w.large.dim[w.large.rank - 1], stride = w.stride[w.large.rank - 1];
    for (int64_t from = 0; from < c->y.size; from += n) {
        for (int64_t i = 0; i < n; i++) {
            y[from + i] = x[w.at + i * stride];
        }
        step(&w);
    }
}

/* Sums in f64: a gradient is often summed over very many rows. */
static void TYPED(sum_to)(const reel_call *c)
{
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    double *sum = reel_call_scratch(c, (size_t)c->y.size * sizeof *sum);
    if (!sum) {
        return;
    }
    for (int64_t i = 0; i < c->y.size; i++) {
        sum[i] = c->accumulate ? (double)y[i] : 0;
    }
    walker w = walk(c->x[0].shape, c->y.shape);
    int64_t n = w.large.dim[w.large.rank - 1];
    bool leading = over_leading_axes(&w, c->y.size);
    if (leading) {
        TYPED(reel__row_add)(x, c->x[0].size / c->y.size, c->y.size, c->y.size, sum);
    }
    for (int64_t from = 0; !leading && from < c->x[0].size; from += n) {
        const REAL *row = x + from;
        double *to = sum + w.at;
        if (w.stride[w.large.rank - 1]) {
            for (int64_t i = 0; i < n; i++) {
                to[i] += (double)row[i];
            }
        } else {
            *to += TYPED(reel__row_total)(row, n);
        }
        step(&w);
    }
    for (int64_t i = 0; i < c->y.size; i++) {
        y[i] = (REAL)sum[i];
    }
}

#endif
