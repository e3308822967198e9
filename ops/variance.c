/* Variance, made of means. */
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

static reel_node *variance(const char *at, reel_node *x, int axis, bool unbiased, bool keep)
{
    int first = reel_axis_from_first(reel_node_rank(x), axis);
    int64_t n = axis == REEL_ALL_AXES ? reel_node_size(x) : reel_node_dim(x, first);
    if (unbiased && n == 1) {
        return reel_node_fail(at, x, REEL_ERR_SHAPE,
                              "variance: the unbiased variance of one element is not defined");
    }
    reel_node *d = reel_sub_at(at, x, reel_reduce_apply(at, &reel_op_mean, x, first, true));
    reel_node *v = reel_reduce_apply(at, &reel_op_mean, reel_square_at(at, d), first, keep);
    if (!unbiased || n == 0) {
        return v;
    }
    return reel_scale_at(at, v, (double)n / (double)(n - 1));
}

/** Σ (x - mean x)² / n over all elements, or / (n - 1) when `unbiased`, which needs two elements.
 */
reel_node *reel_variance_at(const char *at, reel_node *x, bool unbiased)
{
    return variance(at, x, REEL_ALL_AXES, unbiased, false);
}

/** The variance along an axis of size n > 0 (negative: from the last), divided by n, or by n - 1
 * when `unbiased`; the axis goes, or with `keep` stays with size 1. */
reel_node *reel_variance_axis_at(const char *at, reel_node *x, int axis, bool unbiased, bool keep)
{
    return variance(at, x, axis, unbiased, keep);
}
