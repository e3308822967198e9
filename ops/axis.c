/* What ops along an axis and by index share: one shape rule, one gradient and one set of samples
 * for all reductions. Invariant: the axis of a recorded reduction counts from the first, or is
 * REEL_ALL_AXES. Must not know: any particular op. */
#include <reel/axis.h>

#include <stdio.h>

#include <reel/ops.h>
#include <reel/tape.h>

reel_node *reel_reduce_apply(const char *at, const reel_op *op, reel_node *x, int axis, bool keep)
{
    reel_reduce_attr a = {.axis = reel_axis_from_first(reel_node_rank(x), axis), .keep = keep};
    return reel_apply1(at, op, x, &a);
}

bool reel_reduce_shape(reel_shaping *s)
{
    const reel_reduce_attr *a = s->attr;
    reel_shape x = reel_node_shape(s->x[0]);
    if (a->axis == REEL_ALL_AXES) {
        s->y = (reel_shape){a->keep ? x.rank : 0, {1, 1, 1, 1}};
        return true;
    }
    int axis = reel_shaping_axis(s, 0, a->axis);
    if (axis < 0) {
        return false;
    }
    s->y = reel_shape_without(x, axis);
    if (a->keep) {
        s->y = reel_shape_with(s->y, axis, 1);
    }
    return true;
}

bool reel_reduce_shape_some(reel_shaping *s)
{
    const reel_reduce_attr *a = s->attr;
    if (!reel_reduce_shape(s)) {
        return false;
    }
    reel_along x = reel_along_axis(reel_node_shape(s->x[0]), a->axis);
    return x.n > 0 || reel_shaping_fail(s, "no elements to reduce: expected at least one");
}

int64_t reel_reduce_units(const reel_call *call)
{
    return call->y.size;
}

reel_along reel_reduce_along(const reel_call *call)
{
    const reel_reduce_attr *a = call->attr;
    return reel_along_axis(call->x[0].shape, a->axis);
}

reel_node *reel_reduce_spread(const reel_node *y, reel_node *v)
{
    const reel_reduce_attr *a = reel_node_attr(y);
    reel_shape x = reel_node_shape(reel_node_arg(y, 0));
    if (a->axis != REEL_ALL_AXES && !a->keep) {
        v = reel_reshape(v, reel_shape_with(reel_shape_without(x, a->axis), a->axis, 1));
    }
    return reel_broadcast_to(v, x);
}

void reel_reduce_label(const reel_node *y, char *text, size_t n)
{
    const reel_reduce_attr *a = reel_node_attr(y);
    const char *name = reel_node_op(y)->name;
    if (a->axis == REEL_ALL_AXES) {
        snprintf(text, n, "%s", name);
    } else {
        snprintf(text, n, "%s axis %d", name, a->axis);
    }
}

reel_node *reel_reduce_sample(reel_sampler *s, int k, const reel_op *op, double lo, double hi)
{
    static const struct {
        reel_shape shape;
        int axis;
        bool keep;
    } sample[] = {
        {{1, {7, 1, 1, 1}}, 0, false},
        {{1, {37, 1, 1, 1}}, -1, true},
        {{2, {3, 5, 1, 1}}, 0, false},
        {{2, {3, 5, 1, 1}}, 1, true},
        {{2, {1, 4, 1, 1}}, -2, false},
        {{2, {6, 1, 1, 1}}, 1, false},
        {{3, {2, 3, 4, 1}}, 1, false},
        {{3, {2, 3, 4, 1}}, -3, true},
        {{4, {2, 3, 1, 5}}, -3, false},
        {{4, {2, 1, 3, 2}}, 3, true},
        {{3, {2, 3, 3, 1}}, REEL_ALL_AXES, false},
        {{2, {3, 4, 1, 1}}, REEL_ALL_AXES, true},
        {{0, {1, 1, 1, 1}}, REEL_ALL_AXES, false},
    };
    if (k >= (int)(sizeof sample / sizeof sample[0])) {
        return NULL;
    }
    reel_node *x = reel_sample_real(s, lo, hi, sample[k].shape);
    return reel_reduce_apply(REEL_HERE, op, x, sample[k].axis, sample[k].keep);
}

bool reel_index_check(const reel_call *call, int32_t index, int64_t position, int64_t n)
{
    if (index >= 0 && index < n) {
        return true;
    }
    reel_call_fail(call, "index %d at position %lld: expected 0 to %lld", (int)index,
                   (long long)position, (long long)n - 1);
    return false;
}
