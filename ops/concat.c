/* Joining tensors along an axis that they have (concat) or along a new one (stack).
 * Invariant: the gradient of each argument is a slice of dy whose place is found without looking at
 * the other arguments whenever all have the same size, so that joining T tensors costs no T². */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

typedef struct join {
    int64_t axis;
    int64_t rows; /* of each argument along the axis, when all have the same; else -1 */
} join;

#include <reel/real32.h>

#include "concat.c"

#include <reel/real64.h>

#include "concat.c"

static bool same_but(reel_shape a, reel_shape b, int axis)
{
    if (axis >= 0 && axis < a.rank && a.rank == b.rank) {
        b.dim[axis] = a.dim[axis];
    }
    return reel_shape_equal(a, b);
}

static bool concat_shape(reel_shaping *s)
{
    const join *j = s->attr;
    s->y = reel_node_shape(s->x[0]);
    int axis = reel_shaping_axis(s, 0, (int)j->axis);
    if (axis < 0) {
        return false;
    }
    for (int i = 1; i < s->n; i++) {
        reel_shape x = reel_node_shape(s->x[i]);
        if (!same_but(s->y, x, axis)) {
            return reel_shaping_fail(s, "argument %d differs from argument 0 off axis %d", i, axis);
        }
        if (x.dim[axis] > INT64_MAX - s->y.dim[axis]) {
            return reel_shaping_fail(s, "the result is too large");
        }
        s->y.dim[axis] += x.dim[axis];
    }
    return true;
}

static bool stack_shape(reel_shaping *s)
{
    const join *j = s->attr;
    reel_shape first = reel_node_shape(s->x[0]);
    if (first.rank == REEL_MAX_RANK) {
        return reel_shaping_fail(s, "the result would have rank %d: expected at most %d",
                                 first.rank + 1, REEL_MAX_RANK);
    }
    if (j->axis < 0 || j->axis > first.rank) {
        return reel_shaping_fail(s, "axis %d: expected %d to %d", (int)j->axis, -first.rank - 1,
                                 first.rank);
    }
    for (int i = 1; i < s->n; i++) {
        if (!reel_shape_equal(first, reel_node_shape(s->x[i]))) {
            return reel_shaping_fail(s, "argument %d is shaped unlike argument 0", i);
        }
    }
    s->y = reel_shape_with(first, (int)j->axis, s->n);
    return true;
}

static int64_t join_units(const reel_call *c)
{
    const join *j = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)j->axis);
    return c->y.size ? a.outer * a.n : 0;
}

/* The rows before argument i. */
static int64_t rows_before(const reel_call *c, int i)
{
    const join *j = c->attr;
    int64_t rows = 0;
    if (j->rows >= 0) {
        return i * j->rows;
    }
    for (int k = 0; k < i; k++) {
        rows += c->x[k].shape.dim[j->axis];
    }
    return rows;
}

static bool concat_place(const reel_call *c, int i, reel_window *w)
{
    const join *j = c->attr;
    int64_t stride = 1;
    *w = (reel_window){.offset = 0};
    for (int k = c->y.shape.rank - 1; k >= 0; k--) {
        w->stride[k] = stride;
        w->offset = k == j->axis ? rows_before(c, i) * stride : w->offset;
        stride *= c->y.shape.dim[k];
    }
    return true;
}

static bool stack_place(const reel_call *c, int i, reel_window *w)
{
    const join *j = c->attr;
    int64_t stride = 1;
    int to = c->y.shape.rank - 2;
    *w = (reel_window){.offset = 0};
    for (int k = c->y.shape.rank - 1; k >= 0; k--) {
        if (k == j->axis) {
            w->offset = i * stride;
        } else {
            w->stride[to--] = stride;
        }
        stride *= c->y.shape.dim[k];
    }
    return true;
}

static reel_node *concat_gradient(reel_node *y, reel_node *dy, int i)
{
    const join *j = reel_node_attr(y);
    int axis = (int)j->axis;
    int64_t start = 0;
    if (j->rows >= 0) {
        start = i * j->rows;
    } else {
        for (int k = 0; k < i; k++) {
            start += reel_node_dim(reel_node_arg(y, k), axis);
        }
    }
    return reel_slice(dy, axis, start, start + reel_node_dim(reel_node_arg(y, i), axis));
}

static reel_node *stack_gradient(reel_node *y, reel_node *dy, int i)
{
    const join *j = reel_node_attr(y);
    return reel_select(dy, (int)j->axis, i);
}

static void join_label(const reel_node *y, char *text, size_t n)
{
    const join *j = reel_node_attr(y);
    snprintf(text, n, "%s axis %d", reel_node_op(y)->name, (int)j->axis);
}

static reel_node *concat_sample(reel_sampler *s, int k)
{
    reel_node *x[3];
    switch (k) {
    case 0:
        x[0] = reel_sample_real(s, -1, 1, reel_dims(2));
        x[1] = reel_sample_real(s, -1, 1, reel_dims(3));
        return reel_concat(0, 2, x);
    case 1:
        x[0] = reel_sample_real(s, -1, 1, reel_dims(3, 2));
        x[1] = reel_sample_real(s, -1, 1, reel_dims(3, 1));
        x[2] = reel_sample_real(s, -1, 1, reel_dims(3, 5));
        return reel_concat(-1, 3, x);
    case 2:
        x[0] = reel_sample_real(s, -1, 1, reel_dims(2, 3, 1, 2));
        x[1] = x[0];
        return reel_concat(1, 2, x);
    case 3:
        x[0] = reel_sample_real(s, -1, 1, reel_dims(2, 0, 2));
        x[1] = reel_sample_real(s, -1, 1, reel_dims(2, 2, 2));
        return reel_concat(-2, 2, x);
    case 4:
        x[0] = reel_sample_real(s, -1, 1, reel_dims(2, 3));
        return reel_concat(0, 1, x);
    default:
        return NULL;
    }
}

static reel_node *stack_sample(reel_sampler *s, int k)
{
    static const struct {
        reel_shape shape;
        int axis;
    } sample[] = {
        {{0, {1, 1, 1, 1}}, 0}, {{2, {2, 3, 1, 1}}, 0},  {{1, {5, 1, 1, 1}}, -1},
        {{3, {2, 1, 3, 1}}, 2}, {{3, {3, 2, 2, 1}}, -3},
    };
    if (k >= (int)(sizeof sample / sizeof sample[0])) {
        return NULL;
    }
    reel_node *x[3];
    for (int i = 0; i < 3; i++) {
        x[i] = reel_sample_real(s, -1, 1, sample[k].shape);
    }
    return reel_stack_axis(sample[k].axis, 3, x);
}

const reel_op reel_op_concat = {
    .name = "concat",
    .arity = -1,
    .attr_size = sizeof(join),
    .flags = REEL_OP_VIEW,
    .shape = concat_shape,
    .run_f32 = concat_run_f32,
    .run_f64 = concat_run_f64,
    .units = join_units,
    .place = concat_place,
    .gradient = concat_gradient,
    .label = join_label,
    .sample = concat_sample,
};

const reel_op reel_op_stack = {
    .name = "stack",
    .arity = -1,
    .attr_size = sizeof(join),
    .flags = REEL_OP_VIEW,
    .shape = stack_shape,
    .run_f32 = stack_run_f32,
    .run_f64 = stack_run_f64,
    .units = join_units,
    .place = stack_place,
    .gradient = stack_gradient,
    .label = join_label,
    .sample = stack_sample,
};

/** x[0..n-1] one after another along an axis (negative: from the last). All other sizes must agree;
 * n must be at least 1. */
reel_node *reel_concat_at(const char *at, int axis, int n, reel_node *const *x)
{
    if (n < 1 || !x) {
        return reel_node_fail(at, NULL, REEL_ERR_ARGUMENT,
                              "concat: %d tensors: expected at least one", n);
    }
    join j = {.axis = reel_axis_from_first(reel_node_rank(x[0]), axis)};
    j.rows = reel_node_dim(x[0], (int)j.axis);
    for (int i = 1; i < n && j.rows >= 0; i++) {
        if (reel_node_dim(x[i], (int)j.axis) != j.rows) {
            j.rows = -1;
        }
    }
    return reel_apply(at, &reel_op_concat, n, x, &j);
}

/** x[0..n-1], all of one shape, as the rows of a new axis, which is `axis` of the result (negative:
 * from its last). n must be at least 1. */
reel_node *reel_stack_axis_at(const char *at, int axis, int n, reel_node *const *x)
{
    if (n < 1 || !x) {
        return reel_node_fail(at, NULL, REEL_ERR_ARGUMENT,
                              "stack: %d tensors: expected at least one", n);
    }
    join j = {.axis = reel_axis_from_first(reel_node_rank(x[0]) + 1, axis), .rows = 1};
    return reel_apply(at, &reel_op_stack, n, x, &j);
}

/** x[0..n-1], all of one shape, as the rows of a new axis 0: steps [batch, features] become a
 * sequence [n, batch, features]. n must be at least 1. */
reel_node *reel_stack_at(const char *at, int n, reel_node *const *x)
{
    return reel_stack_axis_at(at, 0, n, x);
}

#else

/* Rows [begin, end) of one block, which the arguments share out between them. */
static void TYPED(join_block)(const reel_call *c, const reel_along *a, int64_t block, int64_t begin,
                              int64_t end, bool stack)
{
    const join *j = c->attr;
    REAL *y = (REAL *)c->y.data + block * a->n * a->inner;
    int first = j->rows > 0 ? (int)(begin / j->rows) : 0;
    int64_t offset = j->rows > 0 ? first * j->rows : 0;
    for (int i = first; i < c->n && offset < end; i++) {
        const REAL *x = c->x[i].data;
        int64_t rows = stack ? 1 : c->x[i].shape.dim[j->axis];
        int64_t from = begin > offset ? begin : offset;
        int64_t to = end < offset + rows ? end : offset + rows;
        if (from < to) {
            memcpy(y + from * a->inner, x + (block * rows + from - offset) * a->inner,
                   (size_t)((to - from) * a->inner) * sizeof(REAL));
        }
        offset += rows;
    }
}

static void TYPED(join_run)(const reel_call *c, bool stack)
{
    const join *j = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)j->axis);
    for (int64_t u = c->begin; u < c->end;) {
        int64_t block = u / a.n;
        int64_t begin = u - block * a.n;
        int64_t end = a.n - begin < c->end - u ? a.n : begin + c->end - u;
        TYPED(join_block)(c, &a, block, begin, end, stack);
        u += end - begin;
    }
}

static void TYPED(concat_run)(const reel_call *c)
{
    TYPED(join_run)(c, false);
}

static void TYPED(stack_run)(const reel_call *c)
{
    TYPED(join_run)(c, true);
}

#endif
