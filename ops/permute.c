/* Axes in another order.
 * Invariant: axis i of the result is axis axes[i] of the argument.
 * Must not know: transpose, which is an op of its own for matmul's sake. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

/* Everything is done at full rank: axes past the rank stay where they are, with size 1. */
typedef struct order {
    int64_t rank;
    int64_t axes[REEL_MAX_RANK];
} order;

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

/* Units are the runs along the last of the four axes. */
static int64_t permute_units(const reel_call *c)
{
    const int64_t *d = c->y.shape.dim;
    return c->y.size ? d[0] * d[1] * d[2] : 0;
}

static reel_node *permute_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const order *o = reel_node_attr(y);
    order back = {.rank = o->rank};
    for (int k = 0; k < REEL_MAX_RANK; k++) {
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
    .gradient = permute_gradient,
    .label = permute_label,
    .sample = permute_sample,
};

/** Axis i of the result is axis axes[i] of x (negative: from the last); `rank` is that of x, and
 * each axis occurs once. */
reel_node *reel_permute_at(const char *at, reel_node *x, int rank, const int *axes)
{
    order o = {.rank = rank};
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        o.axes[i] = i < rank ? reel_axis_from_first(rank, axes[i]) : i;
    }
    return reel_apply1(at, &reel_op_permute, x, &o);
}

#else

static void TYPED(permute_row)(const REAL *x, REAL *y, int64_t n, int64_t stride)
{
    if (stride == 1) {
        memcpy(y, x, (size_t)n * sizeof(REAL));
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[i * stride];
    }
}

static void TYPED(permute_run)(const reel_call *c)
{
    const order *o = c->attr;
    const int64_t *in = c->x[0].shape.dim;
    const int64_t *d = c->y.shape.dim;
    const int64_t in_stride[REEL_MAX_RANK] = {in[1] * in[2] * in[3], in[2] * in[3], in[3], 1};
    int64_t stride[REEL_MAX_RANK];
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        stride[i] = in_stride[o->axes[i]];
    }
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    for (int64_t u = c->begin; u < c->end; u++) {
        int64_t k = u % d[2];
        int64_t rest = u / d[2];
        int64_t from = rest / d[1] * stride[0] + rest % d[1] * stride[1] + k * stride[2];
        TYPED(permute_row)(x + from, y + u * d[3], d[3], stride[3]);
    }
}

#endif
