/* One element of each column by index, its transpose, and one-hot vectors.
 * Invariant: pick and unpick share one attribute and are each other's gradient. An unpick that
 * accumulates touches the elements it names only. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <string.h>

typedef struct pick_attr {
    int64_t axis, n; /* of the large tensor */
    int64_t skip;    /* an index that stands for no element; REEL_SKIP_NONE: none */
} pick_attr;

#include <reel/real32.h>

#include "pick.c"

#include <reel/real64.h>

#include "pick.c"

static bool pick_shape(reel_shaping *s)
{
    const pick_attr *a = s->attr;
    int axis = reel_shaping_axis(s, 0, (int)a->axis);
    if (axis < 0) {
        return false;
    }
    s->y = reel_shape_without(reel_node_shape(s->x[0]), axis);
    return reel_shape_equal(s->y, reel_node_shape(s->x[1])) ||
           reel_shaping_fail(s, "the index must have the shape of the values without axis %d",
                             axis);
}

static bool unpick_shape(reel_shaping *s)
{
    const pick_attr *a = s->attr;
    reel_shape x = reel_node_shape(s->x[0]);
    if (!reel_shape_equal(x, reel_node_shape(s->x[1]))) {
        return reel_shaping_fail(s, "values and index differ in shape");
    }
    if (x.rank == REEL_MAX_RANK || a->axis < 0 || a->axis > x.rank) {
        return reel_shaping_fail(s, "no room for axis %d", (int)a->axis);
    }
    if (a->n < 0) {
        return reel_shaping_fail(s, "size %lld: expected 0 or more", (long long)a->n);
    }
    s->y = reel_shape_with(x, (int)a->axis, a->n);
    return true;
}

static bool one_hot_shape(reel_shaping *s)
{
    const pick_attr *a = s->attr;
    reel_shape x = reel_node_shape(s->x[0]);
    if (x.rank == REEL_MAX_RANK) {
        return reel_shaping_fail(s, "the result would have rank %d: expected at most %d",
                                 x.rank + 1, REEL_MAX_RANK);
    }
    if (a->n < 0) {
        return reel_shaping_fail(s, "size %lld: expected 0 or more", (long long)a->n);
    }
    s->y = reel_shape_with(x, x.rank, a->n);
    return true;
}

static int64_t pick_units(const reel_call *c)
{
    return c->y.size;
}

static int64_t unpick_units(const reel_call *c)
{
    return c->y.size ? c->x[0].size : 0;
}

static reel_node *pick_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const pick_attr *a = reel_node_attr(y);
    return reel_apply2(REEL_HERE, &reel_op_unpick, dy, reel_node_arg(y, 1), a);
}

static reel_node *unpick_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const pick_attr *a = reel_node_attr(y);
    return reel_apply2(REEL_HERE, &reel_op_pick, dy, reel_node_arg(y, 1), a);
}

static reel_node *one_hot_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)y;
    (void)dy;
    (void)i;
    return reel_zero_gradient();
}

static reel_node *pick_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_pick(reel_sample_real(s, -1, 1, reel_dims(5)),
                         reel_sample_index(s, 5, reel_scalar_shape()));
    case 1:
        return reel_pick(reel_sample_real(s, -1, 1, reel_dims(3, 5)),
                         reel_sample_index(s, 5, reel_dims(3)));
    case 2:
        return reel_pick(reel_sample_real(s, -1, 1, reel_dims(2, 3, 1, 4)),
                         reel_sample_index(s, 4, reel_dims(2, 3, 1)));
    case 3:
        return reel_pick_axis(reel_sample_real(s, -1, 1, reel_dims(2, 3, 4)),
                              reel_sample_index(s, 3, reel_dims(2, 4)), 1);
    case 4:
        return reel_pick_axis(reel_sample_real(s, -1, 1, reel_dims(3, 4)),
                              reel_sample_index(s, 3, reel_dims(4)), -2);
    case 5:
        return reel_pick_skip(reel_sample_real(s, -1, 1, reel_dims(6, 3)),
                              reel_sample_index(s, 3, reel_dims(6)), 1);
    default:
        return NULL;
    }
}

static reel_node *unpick_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_unpick(reel_sample_real(s, -1, 1, reel_scalar_shape()),
                           reel_sample_index(s, 5, reel_scalar_shape()), 5);
    case 1:
        return reel_unpick(reel_sample_real(s, -1, 1, reel_dims(3)),
                           reel_sample_index(s, 5, reel_dims(3)), 5);
    case 2:
        return reel_unpick(reel_sample_real(s, -1, 1, reel_dims(2, 1, 3)),
                           reel_sample_index(s, 4, reel_dims(2, 1, 3)), 4);
    case 3:
        return reel_unpick_axis(reel_sample_real(s, -1, 1, reel_dims(2, 3)),
                                reel_sample_index(s, 4, reel_dims(2, 3)), 0, 4);
    case 4:
        return reel_unpick_axis(reel_sample_real(s, -1, 1, reel_dims(2, 3)),
                                reel_sample_index(s, 4, reel_dims(2, 3)), -2, 4);
    case 5:
        return reel_unpick_skip(reel_sample_real(s, -1, 1, reel_dims(6)),
                                reel_sample_index(s, 3, reel_dims(6)), 3, 2);
    default:
        return NULL;
    }
}

static reel_node *one_hot_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_one_hot(reel_sample_index(s, 4, reel_scalar_shape()), 4);
    case 1:
        return reel_one_hot(reel_sample_index(s, 3, reel_dims(7)), 3);
    case 2:
        return reel_one_hot(reel_sample_index(s, 3, reel_dims(2, 1, 3)), 5);
    default:
        return NULL;
    }
}

const reel_op reel_op_pick = {
    .name = "pick",
    .arity = 2,
    .index_args = 1 << 1,
    .attr_size = sizeof(pick_attr),
    .shape = pick_shape,
    .run_f32 = pick_run_f32,
    .run_f64 = pick_run_f64,
    .units = pick_units,
    .gradient = pick_gradient,
    .sample = pick_sample,
};

const reel_op reel_op_unpick = {
    .name = "unpick",
    .arity = 2,
    .flags = REEL_OP_ACCUMULATES,
    .index_args = 1 << 1,
    .attr_size = sizeof(pick_attr),
    .shape = unpick_shape,
    .run_f32 = unpick_run_f32,
    .run_f64 = unpick_run_f64,
    .units = unpick_units,
    .gradient = unpick_gradient,
    .sample = unpick_sample,
};

const reel_op reel_op_one_hot = {
    .name = "one_hot",
    .arity = 1,
    .index_args = 1 << 0,
    .attr_size = sizeof(pick_attr),
    .shape = one_hot_shape,
    .run_f32 = one_hot_run_f32,
    .run_f64 = one_hot_run_f64,
    .units = unpick_units,
    .gradient = one_hot_gradient,
    .sample = one_hot_sample,
};

static reel_node *pick(const char *at, reel_node *x, reel_node *index, int axis, int64_t skip)
{
    pick_attr a = {.axis = reel_axis_from_first(reel_node_rank(x), axis),
                   .n = reel_node_dim(x, axis),
                   .skip = skip};
    return reel_apply2(at, &reel_op_pick, x, index, &a);
}

/** y = x[..., index[...], ...]: one element along an axis (negative: from the last), chosen by an
 * i32 index shaped as x without that axis. An index outside 0..n-1 is an error when the value is
 * computed. */
reel_node *reel_pick_axis_at(const char *at, reel_node *x, reel_node *index, int axis)
{
    return pick(at, x, index, axis, REEL_SKIP_NONE);
}

/** y[...] = x[..., index[...]]: one element along the last axis, as reel_pick_axis. */
reel_node *reel_pick_at(const char *at, reel_node *x, reel_node *index)
{
    return pick(at, x, index, -1, REEL_SKIP_NONE);
}

/** As reel_pick, with 0 where the index is `skip`. */
reel_node *reel_pick_skip_at(const char *at, reel_node *x, reel_node *index, int64_t skip)
{
    return pick(at, x, index, -1, skip);
}

/** The transpose of reel_pick_axis: zeros, and x where the index points along a new axis of size n,
 * which is `axis` of the result (negative: from its last). */
reel_node *reel_unpick_axis_at(const char *at, reel_node *x, reel_node *index, int axis, int64_t n)
{
    pick_attr a = {
        .axis = reel_axis_from_first(reel_node_rank(x) + 1, axis), .n = n, .skip = REEL_SKIP_NONE};
    return reel_apply2(at, &reel_op_unpick, x, index, &a);
}

/** y[..., j] = x[...] where j = index[...], else 0, for j = 0..n-1: the transpose of reel_pick. */
reel_node *reel_unpick_at(const char *at, reel_node *x, reel_node *index, int64_t n)
{
    return reel_unpick_axis_at(at, x, index, -1, n);
}

/** As reel_unpick, with zeros alone where the index is `skip`. */
reel_node *reel_unpick_skip_at(const char *at, reel_node *x, reel_node *index, int64_t n,
                               int64_t skip)
{
    pick_attr a = {.axis = reel_node_rank(x), .n = n, .skip = skip};
    return reel_apply2(at, &reel_op_unpick, x, index, &a);
}

/** y[..., j] = 1 where j = index[...], else 0, for j = 0..n-1. An index outside 0..n-1 is an error
 * when the value is computed. */
reel_node *reel_one_hot_at(const char *at, reel_node *index, int64_t n)
{
    pick_attr a = {.axis = reel_node_rank(index), .n = n, .skip = REEL_SKIP_NONE};
    return reel_apply1(at, &reel_op_one_hot, index, &a);
}

#else

static void TYPED(pick_run)(const reel_call *c)
{
    const pick_attr *attr = c->attr;
    reel_along a = reel_along_axis(c->x[0].shape, (int)attr->axis);
    const REAL *x = c->x[0].data;
    const int32_t *index = c->x[1].data;
    REAL *y = c->y.data;
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, INT64_MAX)) {
        for (int64_t i = 0; i < part.width; i++) {
            int64_t u = part.unit + i;
            if (index[u] == attr->skip) {
                y[u] = 0;
            } else if (reel_index_check(c, index[u], u, a.n)) {
                y[u] = x[part.first + i + index[u] * a.inner];
            } else {
                return;
            }
        }
    }
}

/* Puts x, or 1 where there is none, at the index. */
static void TYPED(place)(const reel_call *c, const REAL *x, const int32_t *index)
{
    const pick_attr *attr = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)attr->axis);
    REAL *y = c->y.data;
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, INT64_MAX)) {
        for (int64_t k = 0; k < a.n && !c->accumulate; k++) {
            memset(y + part.first + k * a.inner, 0, (size_t)part.width * sizeof(REAL));
        }
        for (int64_t i = 0; i < part.width; i++) {
            int64_t u = part.unit + i;
            if (index[u] == attr->skip) {
                continue;
            }
            if (!reel_index_check(c, index[u], u, a.n)) {
                return;
            }
            y[part.first + i + index[u] * a.inner] += x ? x[u] : 1;
        }
    }
}

static void TYPED(unpick_run)(const reel_call *c)
{
    TYPED(place)(c, c->x[0].data, c->x[1].data);
}

static void TYPED(one_hot_run)(const reel_call *c)
{
    TYPED(place)(c, NULL, c->x[0].data);
}

#endif
