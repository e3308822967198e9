/* The rows of an axis in reverse.
 * Invariant: a flip is its own inverse and its own gradient.
 * Must not know: the elements' type, beyond its size. */
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

typedef struct flip_attr {
    int64_t axis;
} flip_attr;

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

static void flip_run(const reel_call *c)
{
    const flip_attr *attr = c->attr;
    reel_along a = reel_along_axis(c->y.shape, (int)attr->axis);
    size_t row = (size_t)a.inner * reel_dtype_size(c->y.dtype);
    for (int64_t u = c->begin; u < c->end; u++) {
        int64_t block = u / a.n;
        int64_t from = 2 * block * a.n + a.n - 1 - u;
        memcpy((char *)c->y.data + (size_t)u * row, (const char *)c->x[0].data + (size_t)from * row,
               row);
    }
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
    .run_f32 = flip_run,
    .run_f64 = flip_run,
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
