/* Other shapes for the same elements in the same order, and what is made of that.
 * Invariant: elements keep their row-major order.
 * Must not know: the elements' type, beyond its size. */
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

typedef struct form {
    int64_t rank;
    int64_t dim[REEL_MAX_RANK];
} form;

static bool reshape_shape(reel_shaping *s)
{
    const form *f = s->attr;
    int64_t size = reel_node_size(s->x[0]);
    if (f->rank < 0 || f->rank > REEL_MAX_RANK) {
        return reel_shaping_fail(s, "rank %lld: expected 0 to %d", (long long)f->rank,
                                 REEL_MAX_RANK);
    }
    int64_t n = 1;
    bool fits = true;
    for (int i = 0; i < f->rank; i++) {
        if (f->dim[i] < 0) {
            return reel_shaping_fail(s,
                                     "size %lld of axis %d: expected 0 or more, or one -1 that "
                                     "the others determine",
                                     (long long)f->dim[i], i);
        }
        fits = fits && (f->dim[i] == 0 || n <= INT64_MAX / f->dim[i]);
        n = fits ? n * f->dim[i] : n;
    }
    s->y = reel_shape_of((int)f->rank, f->dim);
    if (!fits || n != size) {
        return reel_shaping_fail(s, "%lld elements do not fill the new shape", (long long)size);
    }
    return true;
}

static int64_t reshape_units(const reel_call *c)
{
    return c->y.size;
}

static void reshape_run(const reel_call *c)
{
    size_t element = reel_dtype_size(c->y.dtype);
    size_t from = (size_t)c->begin * element;
    if (c->begin < c->end) {
        memcpy((char *)c->y.data + from, (const char *)c->x[0].data + from,
               (size_t)(c->end - c->begin) * element);
    }
}

static bool reshape_window(const reel_call *c, reel_window *w)
{
    int64_t stride = 1;
    *w = (reel_window){.offset = 0};
    for (int k = c->y.shape.rank - 1; k >= 0; k--) {
        w->stride[k] = stride;
        stride *= c->y.shape.dim[k];
    }
    return true;
}

static reel_node *reshape_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_reshape(dy, reel_node_shape(reel_node_arg(y, 0)));
}

static void reshape_label(const reel_node *y, char *text, size_t n)
{
    const form *f = reel_node_attr(y);
    int used = snprintf(text, n, "reshape [");
    for (int i = 0; i < f->rank && used >= 0 && (size_t)used < n; i++) {
        used += snprintf(text + used, n - (size_t)used, i ? ",%lld" : "%lld", (long long)f->dim[i]);
    }
    if (used >= 0 && (size_t)used < n) {
        snprintf(text + used, n - (size_t)used, "]");
    }
}

static reel_node *reshape_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_reshape(reel_sample_real(s, -1, 1, reel_dims(2, 3)), reel_dims(3, 2));
    case 1:
        return reel_reshape(reel_sample_real(s, -1, 1, reel_dims(2, 3, 5)), reel_dims(-1, 5));
    case 2:
        return reel_reshape(reel_sample_real(s, -1, 1, reel_dims(1, 1)), reel_scalar_shape());
    case 3:
        return reel_reshape(reel_sample_real(s, -1, 1, reel_scalar_shape()), reel_dims(1, 1, 1, 1));
    case 4:
        return reel_expand_dims(reel_sample_real(s, -1, 1, reel_dims(2, 3)), -2);
    case 5:
        return reel_squeeze(reel_sample_real(s, -1, 1, reel_dims(2, 1, 3, 1)), 1);
    case 6:
        return reel_reshape(reel_sample_real(s, -1, 1, reel_dims(0, 3)), reel_dims(2, 0));
    case 7:
        return reel_repeat(reel_sample_real(s, -1, 1, reel_dims(2, 3, 2)), 1, 2);
    case 8:
        return reel_tile(reel_sample_real(s, -1, 1, reel_dims(2, 3)), -1, 3);
    default:
        return NULL;
    }
}

const reel_op reel_op_reshape = {
    .name = "reshape",
    .arity = 1,
    .flags = REEL_OP_VIEW,
    .attr_size = sizeof(form),
    .shape = reshape_shape,
    .run_f32 = reshape_run,
    .run_f64 = reshape_run,
    .units = reshape_units,
    .window = reshape_window,
    .gradient = reshape_gradient,
    .label = reshape_label,
    .sample = reshape_sample,
};

/* The size that a single -1 stands for; -1 when the other sizes do not determine it. */
static int64_t missing(const form *f, int64_t size)
{
    int64_t others = 1;
    int open = 0;
    for (int i = 0; i < f->rank && i < REEL_MAX_RANK; i++) {
        if (f->dim[i] == -1) {
            open++;
        } else if (f->dim[i] <= 0 || others > INT64_MAX / f->dim[i]) {
            return -1;
        } else {
            others *= f->dim[i];
        }
    }
    return open == 1 && size % others == 0 ? size / others : -1;
}

/** The same elements in row-major order under another shape of the same size. One size may be -1:
 * it follows from the others. */
reel_node *reel_reshape_at(const char *at, reel_node *x, reel_shape shape)
{
    form f = {.rank = shape.rank};
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        f.dim[i] = i < shape.rank ? shape.dim[i] : 1;
    }
    int64_t rest = missing(&f, reel_node_size(x));
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        f.dim[i] = f.dim[i] == -1 ? rest : f.dim[i];
    }
    return reel_apply1(at, &reel_op_reshape, x, &f);
}

/** x with a new axis of size 1, which is `axis` of the result (negative: from its last). */
reel_node *reel_expand_dims_at(const char *at, reel_node *x, int axis)
{
    int rank = reel_node_rank(x);
    int first = reel_axis_from_first(rank + 1, axis);
    if (first < 0 || first > rank || rank == REEL_MAX_RANK) {
        return reel_node_fail(at, x, REEL_ERR_SHAPE,
                              "expand_dims: no room for axis %d in a tensor of rank %d", axis,
                              rank);
    }
    return reel_reshape_at(at, x, reel_shape_with(reel_node_shape(x), first, 1));
}

/** x without an axis of size 1 (negative: from the last). */
reel_node *reel_squeeze_at(const char *at, reel_node *x, int axis)
{
    int first = reel_axis_from_first(reel_node_rank(x), axis);
    if (first < 0 || reel_node_dim(x, first) != 1) {
        return reel_node_fail(at, x, REEL_ERR_SHAPE,
                              "squeeze: axis %d of a tensor of rank %d has size %lld: expected 1",
                              axis, reel_node_rank(x), (long long)reel_node_dim(x, axis));
    }
    return reel_reshape_at(at, x, reel_shape_without(reel_node_shape(x), first));
}

/* Copies along an axis: `each` row n times (1 2 -> 1 1 2 2) or all rows n times (1 2 -> 1 2 1 2).
 */
static reel_node *copies(const char *at, reel_node *x, int axis, int64_t n, bool each)
{
    const char *name = each ? "repeat" : "tile";
    reel_shape shape = reel_node_shape(x);
    int first = reel_axis_from_first(shape.rank, axis);
    if (first < 0 || first >= shape.rank || n < 0) {
        return reel_node_fail(at, x, REEL_ERR_ARGUMENT,
                              "%s: %lld times along axis %d of a tensor of rank %d", name,
                              (long long)n, axis, shape.rank);
    }
    reel_along a = reel_along_axis(shape, first);
    if (n > 0 && shape.dim[first] > INT64_MAX / n) {
        return reel_node_fail(at, x, REEL_ERR_SHAPE, "%s: the result is too large", name);
    }
    int64_t before = each ? a.outer * a.n : a.outer;
    int64_t after = each ? a.inner : a.n * a.inner;
    reel_node *single = reel_reshape_at(at, x, reel_dims(before, 1, after));
    reel_node *spread = reel_broadcast_to_at(at, single, reel_dims(before, n, after));
    shape.dim[first] *= n;
    return reel_reshape_at(at, spread, shape);
}

/** Each row of an axis (negative: from the last) n ≥ 0 times: 1 2 becomes 1 1 2 2. */
reel_node *reel_repeat_at(const char *at, reel_node *x, int axis, int64_t n)
{
    return copies(at, x, axis, n, true);
}

/** The whole of an axis (negative: from the last) n ≥ 0 times: 1 2 becomes 1 2 1 2. */
reel_node *reel_tile_at(const char *at, reel_node *x, int axis, int64_t n)
{
    return copies(at, x, axis, n, false);
}
