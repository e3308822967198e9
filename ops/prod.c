/* Product along an axis or over everything.
 * Invariant: the gradient multiplies the elements on either side of each one instead of dividing by
 * it, so that zeros do no harm. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

enum { WIDTH = 64 };

#include <reel/real32.h>

#include "prod.c"

#include <reel/real64.h>

#include "prod.c"

/* Π_{j≠i} x[j] = Π_{j<i} x[j] · Π_{j>i} x[j] along an axis of size n. */
static reel_node *product_of_others(reel_node *x, int axis, int64_t n)
{
    reel_shape edge = reel_node_shape(x);
    edge.dim[axis] = 1;
    reel_node *one = reel_constant(reel_node_tape(x), 1, edge);
    reel_node *before[2] = {one, reel_slice(x, axis, 0, n - 1)};
    reel_node *after[2] = {reel_slice(x, axis, 1, n), one};
    return reel_mul(reel_cumprod(reel_concat(axis, 2, before), axis),
                    reel_cumprod_reverse(reel_concat(axis, 2, after), axis));
}

static reel_node *prod_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const reel_reduce_attr *a = reel_node_attr(y);
    reel_node *x = reel_node_arg(y, 0);
    reel_shape shape = reel_node_shape(x);
    int64_t size = reel_shape_size(shape);
    if (size == 0) {
        return reel_zero_gradient();
    }
    reel_node *others;
    if (a->axis == REEL_ALL_AXES) {
        others = product_of_others(reel_reshape(x, reel_dims(size)), 0, size);
        others = reel_reshape(others, shape);
    } else {
        others = product_of_others(x, a->axis, shape.dim[a->axis]);
    }
    return reel_mul(reel_reduce_spread(y, dy), others);
}

static reel_node *prod_sample(reel_sampler *s, int k)
{
    return reel_reduce_sample(s, k, &reel_op_prod, -2, 2);
}

const reel_op reel_op_prod = {
    .name = "prod",
    .arity = 1,
    .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
    .attr_size = sizeof(reel_reduce_attr),
    .shape = reel_reduce_shape,
    .run_f32 = prod_run_f32,
    .run_f64 = prod_run_f64,
    .units = reel_reduce_units,
    .gradient = prod_gradient,
    .label = reel_reduce_label,
    .sample = prod_sample,
};

/** Π x over all elements, a scalar; 1 for an empty tensor. */
reel_node *reel_prod_at(const char *at, reel_node *x)
{
    return reel_reduce_apply(at, &reel_op_prod, x, REEL_ALL_AXES, false);
}

/** Π x along an axis (negative: from the last); the axis goes, or with `keep` stays with size 1. */
reel_node *reel_prod_axis_at(const char *at, reel_node *x, int axis, bool keep)
{
    return reel_reduce_apply(at, &reel_op_prod, x, axis, keep);
}

#else

static void TYPED(prod_run)(const reel_call *c)
{
    reel_along a = reel_reduce_along(c);
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, WIDTH)) {
        const REAL *x = (const REAL *)c->x[0].data + part.first;
        REAL *y = (REAL *)c->y.data + part.unit;
        for (int64_t i = 0; i < part.width; i++) {
            y[i] = 1;
        }
        for (int64_t k = 0; k < a.n; k++) {
            for (int64_t i = 0; i < part.width; i++) {
                y[i] *= x[k * a.inner + i];
            }
        }
    }
}

#endif
