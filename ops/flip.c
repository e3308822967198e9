/* The rows of an axis in reverse.
 * Invariant: a flip is its own inverse and its own gradient. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

typedef struct flip_attr {
    int64_t axis;
} flip_attr;

#include <reel/real32.h>

#include "flip.c"

#include <reel/real64.h>

#include "flip.c"

static bool flip_shape(reel_shaping *s)
{
    const flip_attr *a = s->attr;
    s->y = reel_node_shape(s->x[0]);
    return reel_shaping_axis(s, 0, (int)a->axis) >= 0;
}

static int64_t flip_units(const reel_call *c)
{
    const flip_attr *attr = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)attr->axis);
    return c->y.size ? a.outer * a.n : 0;
}

static reel_node *flip_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const flip_attr *a = reel_node_attr(y);
    return reel_flip(dy, (int)a->axis);
}

static void flip_label(const reel_node *y, char *text, size_t n)
{
    const flip_attr *a = reel_node_attr(y);
    snprintf(text, n, "flip axis %d", (int)a->axis);
}

static reel_node *flip_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_flip(reel_sample_real(s, -1, 1, reel_dims(5)), 0);
    case 1:
        return reel_flip(reel_sample_real(s, -1, 1, reel_dims(3, 4)), 0);
    case 2:
        return reel_flip(reel_sample_real(s, -1, 1, reel_dims(2, 3, 2, 1)), -3);
    case 3:
        return reel_flip(reel_sample_real(s, -1, 1, reel_dims(2, 1, 3)), -1);
    default:
        return NULL;
    }
}

const reel_op reel_op_flip = {
    .name = "flip",
    .arity = 1,
    .flags = REEL_OP_VIEW,
    .attr_size = sizeof(flip_attr),
    .shape = flip_shape,
    .run_f32 = flip_run_f32,
    .run_f64 = flip_run_f64,
    .units = flip_units,
    .gradient = flip_gradient,
    .label = flip_label,
    .sample = flip_sample,
};

/** y[k] = x[n-1-k] along an axis (negative: from the last): time reversed. */
reel_node *reel_flip_at(const char *at, reel_node *x, int axis)
{
    flip_attr a = {.axis = reel_axis_from_first(reel_node_rank(x), axis)};
    return reel_apply1(at, &reel_op_flip, x, &a);
}

#else

static void TYPED(flip_run)(const reel_call *c)
{
    const flip_attr *attr = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)attr->axis);
    const REAL *x = c->x[0].data;
    REAL *y = c->y.data;
    for (int64_t u = c->begin; u < c->end;) {
        int64_t block = u / a.n;
        int64_t end = (block + 1) * a.n < c->end ? (block + 1) * a.n : c->end;
        int64_t from = (2 * block + 1) * a.n - 1; /* minus a unit: the unit it is copied from */
        for (; u < end && a.inner == 1; u++) {
            y[u] = x[from - u];
        }
        for (; u < end; u++) {
            memcpy(y + u * a.inner, x + (from - u) * a.inner, (size_t)a.inner * sizeof(REAL));
        }
    }
}

#endif
