/* Axes in another order.
 * Invariant: axis i of the result is axis axes[i] of the argument.
 * Must not know: transpose, which is an op of its own for matmul's sake. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

typedef struct order {
    int64_t rank;
    int64_t axes[REEL_MAX_RANK]; /* past the rank: 0 */
} order;

enum { TOGETHER = 16 };

/* The result's sizes, and the steps in x along its axes, with axes of size 1 in front up to the
 * full rank. */
static void full_rank(const reel_call *c, int64_t *dim, int64_t *stride)
{
    const order *o = c->attr;
    int missing = REEL_MAX_RANK - (int)o->rank;
    for (int i = 0; i < missing; i++) {
        dim[i] = 1;
        stride[i] = 0;
    }
    for (int i = 0; i < o->rank; i++) {
        dim[missing + i] = c->y.shape.dim[i];
        stride[missing + i] = 1;
        for (int64_t k = o->axes[i] + 1; k < o->rank; k++) {
            stride[missing + i] *= c->x[0].shape.dim[k];
        }
    }
}

#include <reel/real32.h>

#include "permute.c"

#include <reel/real64.h>

#include "permute.c"

static bool permute_shape(reel_shaping *s)
{
    const order *o = s->attr;
    reel_shape x = reel_node_shape(s->x[0]);
    if (o->rank != x.rank) {
        return reel_shaping_fail(s, "%lld axes: expected %d", (long long)o->rank, x.rank);
    }
    bool seen[REEL_MAX_RANK] = {false};
    s->y = x;
    for (int i = 0; i < x.rank; i++) {
        int64_t k = o->axes[i];
        if (k < 0 || k >= x.rank || seen[k]) {
            return reel_shaping_fail(s, "axis %lld at place %d: expected each of 0 to %d once",
                                     (long long)k, i, x.rank - 1);
        }
        seen[k] = true;
        s->y.dim[i] = x.dim[k];
    }
    return true;
}

/* Units are the runs along the last axis. */
static int64_t permute_units(const reel_call *c)
{
    int rank = c->y.shape.rank;
    return rank && c->y.size ? c->y.size / c->y.shape.dim[rank - 1] : c->y.size;
}

static bool permute_window(const reel_call *c, reel_window *w)
{
    int64_t dim[REEL_MAX_RANK], stride[REEL_MAX_RANK];
    int rank = c->y.shape.rank;
    full_rank(c, dim, stride);
    *w = (reel_window){.offset = 0};
    for (int k = 0; k < rank; k++) {
        w->stride[k] = stride[REEL_MAX_RANK - rank + k];
    }
    return true;
}

static reel_node *permute_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const order *o = reel_node_attr(y);
    order back = {.rank = o->rank};
    for (int k = 0; k < o->rank; k++) {
        back.axes[o->axes[k]] = k;
    }
    return reel_apply1(REEL_HERE, &reel_op_permute, dy, &back);
}

static void permute_label(const reel_node *y, char *text, size_t n)
{
    const order *o = reel_node_attr(y);
    char axes[2 * REEL_MAX_RANK + 1] = "";
    for (int i = 0; i < o->rank; i++) {
        axes[2 * i] = ' ';
        axes[2 * i + 1] = (char)('0' + o->axes[i]);
        axes[2 * i + 2] = 0;
    }
    snprintf(text, n, "permute%s", axes);
}

static reel_node *permute_sample(reel_sampler *s, int k)
{
    static const struct {
        reel_shape shape;
        int axes[REEL_MAX_RANK];
    } sample[] = {
        {{1, {5, 1, 1, 1}}, {0}},          {{2, {3, 5, 1, 1}}, {1, 0}},
        {{3, {2, 3, 4, 1}}, {2, 0, 1}},    {{3, {2, 3, 4, 1}}, {-2, 0, -1}},
        {{4, {2, 3, 1, 4}}, {3, 1, 0, 2}}, {{4, {2, 3, 2, 3}}, {1, 0, 2, 3}},
    };
    int n = (int)(sizeof sample / sizeof sample[0]);
    return k < n ? reel_permute(reel_sample_real(s, -1, 1, sample[k].shape), sample[k].shape.rank,
                                sample[k].axes)
                 : NULL;
}

const reel_op reel_op_permute = {
    .name = "permute",
    .arity = 1,
    .flags = REEL_OP_VIEW,
    .attr_size = sizeof(order),
    .shape = permute_shape,
    .run_f32 = permute_run_f32,
    .run_f64 = permute_run_f64,
    .units = permute_units,
    .window = permute_window,
    .gradient = permute_gradient,
    .label = permute_label,
    .sample = permute_sample,
};

/** Axis i of the result is axis axes[i] of x (negative: from the last); `rank` is that of x, and
 * each axis occurs once. */
reel_node *reel_permute_at(const char *at, reel_node *x, int rank, const int *axes)
{
    order o = {.rank = rank};
    if (!axes && rank > 0) {
        return reel_node_fail(at, x, REEL_ERR_ARGUMENT, "permute: no axes: expected %d", rank);
    }
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        o.axes[i] = i < rank ? reel_axis_from_first(rank, axes[i]) : 0;
    }
    return reel_apply1(at, &reel_op_permute, x, &o);
}

#else

/* Copies `rows` runs of n elements, `apart` and `stride` elements apart in x, dense in y. All runs
 * together, since their elements are often neighbours in x where those of one run are not. */
static void TYPED(permute_rows)(const REAL *x, REAL *y, int64_t rows, int64_t n, int64_t apart,
                                int64_t stride)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < rows; k++) {
            y[k * n + i] = x[i * stride + k * apart];
        }
    }
}

static void TYPED(permute_run)(const reel_call *c)
{
    int64_t d[REEL_MAX_RANK];
    int64_t stride[REEL_MAX_RANK];
    full_rank(c, d, stride);
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    for (int64_t u = c->begin; u < c->end;) {
        int64_t k = u % d[2];
        int64_t rest = u / d[2];
        int64_t rows = d[2] - k < c->end - u ? d[2] - k : c->end - u;
        rows = rows < TOGETHER ? rows : TOGETHER;
        int64_t from = rest / d[1] * stride[0] + rest % d[1] * stride[1] + k * stride[2];
        if (stride[3] == 1) {
            memcpy(y + u * d[3], x + from, (size_t)d[3] * sizeof(REAL));
            u++;
        } else {
            TYPED(permute_rows)(x + from, y + u * d[3], rows, d[3], stride[2], stride[3]);
            u += rows;
        }
    }
}

#endif
