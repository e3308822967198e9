/* Losses made of other ops, and how a loss is reduced over its positions. Cross-entropy has a file
 * of its own. */
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

/** The mean or the sum of a loss over its positions, or the loss itself: `reduction` is a
 * reel_reduction. */
reel_node *reel_reduce_loss_at(const char *at, reel_node *each, int reduction)
{
    switch (reduction) {
    case REEL_MEAN:
        return reel_mean_at(at, each);
    case REEL_SUM:
        return reel_sum_at(at, each);
    case REEL_NONE:
        return each;
    default:
        return reel_node_fail(at, each, REEL_ERR_ARGUMENT,
                              "reduction %d: expected REEL_MEAN, REEL_SUM or REEL_NONE", reduction);
    }
}

/* Where the mask is 0 the loss may be anything, NaN too. */
static reel_node *masked(const char *at, reel_node *each, reel_node *mask)
{
    reel_node *zero = reel_constant_at(at, reel_node_tape(each), 0, reel_scalar_shape());
    return reel_where_at(at, mask, each, zero);
}

/* Σ each / Σ mask; 0 where the mask has nothing. */
static reel_node *over(const char *at, reel_node *each, reel_node *mask)
{
    return reel_mul_at(at, each, reel_inverse_or_zero_at(at, mask));
}

/** The mean of a loss over all tokens: Σ m l / Σ m, so that a token counts as much in a long
 * sequence as in a short one. each and mask [...] have one shape; mask is 1 or 0, and what stands
 * where it is 0 does not matter. 0 for an empty mask. */
reel_node *reel_mean_of_tokens_at(const char *at, reel_node *each, reel_node *mask)
{
    return over(at, reel_sum_at(at, masked(at, each, mask)), reel_sum_at(at, mask));
}

/** The mean over sequences of their mean losses: a sequence counts as much, however long it is.
 * each and mask [steps, batch]; mask is 1 or 0, and what stands where it is 0 does not matter. An
 * empty sequence has a mean of 0. */
reel_node *reel_mean_of_sequences_at(const char *at, reel_node *each, reel_node *mask)
{
    reel_node *sum = reel_sum_axis_at(at, masked(at, each, mask), 0, false);
    return reel_mean_at(at, over(at, sum, reel_sum_axis_at(at, mask, 0, false)));
}

/** The mean over sequences of their summed losses, the negative log-likelihood of a sequence: a
 * long one counts for more. each and mask [steps, batch]; mask is 1 or 0, and what stands where it
 * is 0 does not matter. */
reel_node *reel_mean_of_sums_at(const char *at, reel_node *each, reel_node *mask)
{
    return reel_mean_at(at, reel_sum_axis_at(at, masked(at, each, mask), 0, false));
}

/** Binary cross-entropy on logits: -t log σ(x) - (1 - t) log(1 - σ(x)) = softplus(x) - t x, without
 * overflow. Targets t in [0, 1] have x's shape or broadcast; reduction is a reel_reduction. */
reel_node *reel_bce_logits_at(const char *at, reel_node *x, reel_node *target, int reduction)
{
    reel_node *each = reel_sub_at(at, reel_softplus_at(at, x), reel_mul_at(at, target, x));
    return reel_reduce_loss_at(at, each, reduction);
}

/** (a - b)², without a factor 1/2; reduction is a reel_reduction. */
reel_node *reel_squared_error_at(const char *at, reel_node *a, reel_node *b, int reduction)
{
    return reel_reduce_loss_at(at, reel_squared_difference_at(at, a, b), reduction);
}

/** Huber's loss of d = a - b (Huber 1964): d²/2 for |d| ≤ δ, δ (|d| - δ/2) beyond; delta > 0;
 * reduction is a reel_reduction. */
reel_node *reel_huber_at(const char *at, reel_node *a, reel_node *b, double delta, int reduction)
{
    if (!(delta > 0)) {
        return reel_node_fail(at, a, REEL_ERR_ARGUMENT, "huber: delta %g: expected more than 0",
                              delta);
    }
    reel_node *d = reel_sub_at(at, a, b);
    /* With c = d cut to [-δ, δ] both cases are c (d - c/2). */
    reel_node *c = reel_clamp_at(at, d, -delta, delta);
    reel_node *each = reel_mul_at(at, c, reel_sub_at(at, d, reel_scale_at(at, c, 0.5)));
    return reel_reduce_loss_at(at, each, reduction);
}

/** Multi-class hinge loss: Σ_{j≠y} max(0, m - s[y] + s[j]), or of the squares when `squared`
 * (Weston & Watkins 1999): a sum over classes, where PyTorch divides by their number. scores [...,
 * V], an i32 index
 * [...] of the classes y; reduction, a reel_reduction, is over positions. */
reel_node *reel_multi_hinge_at(const char *at, reel_node *scores, reel_node *index, double margin,
                               bool squared, int reduction)
{
    reel_node *own = reel_expand_dims_at(at, reel_pick_at(at, scores, index), -1);
    reel_node *gap = reel_shift_at(at, reel_sub_at(at, scores, own), margin);
    reel_node *hinge = reel_relu_at(at, gap);
    hinge = squared ? reel_square_at(at, hinge) : hinge;
    reel_node *others =
        reel_one_minus_at(at, reel_one_hot_at(at, index, reel_node_dim(scores, -1)));
    reel_node *each = reel_sum_axis_at(at, reel_mul_at(at, hinge, others), -1, false);
    return reel_reduce_loss_at(at, each, reduction);
}

/** Pairwise ranking hinge loss: max(0, m - s⁺ + s⁻) for the scores of what should rank higher and
 * lower; reduction is a reel_reduction. */
reel_node *reel_ranking_hinge_at(const char *at, reel_node *positive, reel_node *negative,
                                 double margin, int reduction)
{
    reel_node *gap = reel_sub_at(at, negative, positive);
    return reel_reduce_loss_at(at, reel_relu_at(at, reel_shift_at(at, gap, margin)), reduction);
}
