/* Cross-entropy of logits against a class index.
 * Invariant: the fused op is log-softmax and pick in one pass, for the common case; what is rarer
 * (weights, smoothing) is made of other ops. A skipped index gives loss and gradient zero. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <string.h>

typedef struct cross_entropy_attr {
    int64_t skip; /* an index that stands for no position; REEL_SKIP_NONE: none */
} cross_entropy_attr;

#include <reel/real32.h>

#include "cross_entropy.c"

#include <reel/real64.h>

#include "cross_entropy.c"

static bool cross_entropy_shape(reel_shaping *s)
{
    reel_shape x = reel_node_shape(s->x[0]);
    if (reel_shaping_axis(s, 0, -1) < 0) {
        return false;
    }
    s->y = reel_shape_without(x, x.rank - 1);
    return reel_shape_equal(s->y, reel_node_shape(s->x[1])) ||
           reel_shaping_fail(s,
                             "the index must have the shape of the logits without the last axis");
}

static int64_t cross_entropy_units(const reel_call *c)
{
    return c->y.size;
}

/* 1 where the index counts, 0 where it is skipped; with weights that of the class instead of 1. */
static reel_node *index_weight(const char *at, const reel_node *logits, reel_node *index,
                               reel_node *weight, int64_t skip)
{
    if (!weight) {
        int64_t classes = reel_node_dim(logits, -1);
        weight = reel_constant_at(at, reel_node_tape(logits), 1, reel_dims(classes));
    }
    return reel_gather_skip_at(at, weight, index, skip);
}

static reel_node *kept_only(const reel_node *x, reel_node *index, reel_node *dy, int64_t skip)
{
    return skip == REEL_SKIP_NONE ? dy
                                  : reel_mul(dy, index_weight(REEL_HERE, x, index, NULL, skip));
}

/* dx = (softmax(x) - one-hot) dy, without the skipped positions: one op, since logits are often the
 * largest values that there are. */
static reel_node *cross_entropy_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    reel_node *x[] = {reel_node_arg(y, 0), reel_node_arg(y, 1), dy};
    return reel_apply(REEL_HERE, &reel_op_cross_entropy_gradient, 3, x, reel_node_attr(y));
}

/* With p = softmax(x), k = 1 where the position counts and w = k dy ḡ: x̄ = p ⊙ (w - Σ p w) and
 * dȳ = k (Σ p ḡ - ḡ[index]). */
static reel_node *cross_entropy_gradient_gradient(reel_node *y, reel_node *g, int i)
{
    const cross_entropy_attr *a = reel_node_attr(y);
    reel_node *x = reel_node_arg(y, 0), *index = reel_node_arg(y, 1), *dy = reel_node_arg(y, 2);
    reel_node *p = reel_softmax(x, -1);
    if (i == 2) {
        reel_node *mean = reel_sum_axis(reel_mul(p, g), -1, false);
        return kept_only(x, index, reel_sub(mean, reel_pick_skip(g, index, a->skip)), a->skip);
    }
    reel_node *w = reel_mul(reel_expand_dims(kept_only(x, index, dy, a->skip), -1), g);
    reel_node *weighted = reel_mul(p, w);
    return reel_sub(weighted, reel_mul(p, reel_sum_axis(weighted, -1, true)));
}

static bool cross_entropy_gradient_shape(reel_shaping *s)
{
    reel_shape index = reel_node_shape(s->x[1]);
    s->y = reel_node_shape(s->x[0]);
    return reel_shape_equal(index, reel_node_shape(s->x[2])) &&
                   reel_shape_equal(index, reel_shape_without(s->y, s->y.rank - 1))
               ? true
               : reel_shaping_fail(s, "index and cotangent must have the shape of the logits "
                                      "without the last axis");
}

static int64_t cross_entropy_gradient_units(const reel_call *c)
{
    return c->x[1].size;
}

static reel_node *cross_entropy_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_cross_entropy_each(reel_sample_real(s, -2, 2, reel_dims(5)),
                                       reel_sample_index(s, 5, reel_scalar_shape()));
    case 1:
        return reel_cross_entropy_each(reel_sample_real(s, -2, 2, reel_dims(3, 4)),
                                       reel_sample_index(s, 4, reel_dims(3)));
    case 2:
        return reel_cross_entropy_each(reel_sample_real(s, -2, 2, reel_dims(2, 1, 3, 7)),
                                       reel_sample_index(s, 7, reel_dims(2, 1, 3)));
    case 3:
        return reel_cross_entropy_full(reel_sample_real(s, -2, 2, reel_dims(6, 3)),
                                       reel_sample_index(s, 3, reel_dims(6)), NULL, 1, 0,
                                       REEL_NONE);
    default:
        return NULL;
    }
}

static reel_node *cross_entropy_gradient_sample(reel_sampler *s, int k)
{
    static const reel_shape shape[] = {{1, {5}}, {2, {3, 4}}, {4, {2, 1, 3, 7}}, {2, {6, 3}}};
    if (k >= (int)(sizeof shape / sizeof *shape)) {
        return NULL;
    }
    const cross_entropy_attr a = {.skip = k == 3 ? 1 : REEL_SKIP_NONE};
    const int last = shape[k].rank - 1;
    reel_node *x[] = {
        reel_sample_real(s, -2, 2, shape[k]),
        reel_sample_index(s, (int32_t)shape[k].dim[last], reel_shape_without(shape[k], last)),
        reel_sample_real(s, -1, 1, reel_shape_without(shape[k], last))};
    return reel_apply(REEL_HERE, &reel_op_cross_entropy_gradient, 3, x, &a);
}

const reel_op reel_op_cross_entropy_gradient = {
    .name = "cross_entropy_gradient",
    .arity = 3,
    .index_args = 1 << 1,
    .attr_size = sizeof(cross_entropy_attr),
    .shape = cross_entropy_gradient_shape,
    .run_f32 = cross_entropy_gradient_run_f32,
    .run_f64 = cross_entropy_gradient_run_f64,
    .units = cross_entropy_gradient_units,
    .gradient = cross_entropy_gradient_gradient,
    .sample = cross_entropy_gradient_sample,
};

const reel_op reel_op_cross_entropy = {
    .name = "cross_entropy",
    .arity = 2,
    .index_args = 1 << 1,
    .attr_size = sizeof(cross_entropy_attr),
    .shape = cross_entropy_shape,
    .run_f32 = cross_entropy_run_f32,
    .run_f64 = cross_entropy_run_f64,
    .units = cross_entropy_units,
    .gradient = cross_entropy_gradient,
    .sample = cross_entropy_sample,
};

static reel_node *fused(const char *at, reel_node *logits, reel_node *index, int64_t skip)
{
    cross_entropy_attr a = {.skip = skip};
    return reel_apply2(at, &reel_op_cross_entropy, logits, index, &a);
}

/** -log softmax(logits)[index] for each position: logits [..., classes], an i32 index [...] of
 * classes; shaped as the index. An index out of range is an error when the value is computed. */
reel_node *reel_cross_entropy_each_at(const char *at, reel_node *logits, reel_node *index)
{
    return fused(at, logits, index, REEL_SKIP_NONE);
}

/** The mean over all positions of -log softmax(logits)[index], a scalar: logits [..., classes], an
 * i32 index [...] of classes. An index out of range is an error when the value is computed. */
reel_node *reel_cross_entropy_at(const char *at, reel_node *logits, reel_node *index)
{
    return reel_mean_at(at, fused(at, logits, index, REEL_SKIP_NONE));
}

/* (1 - ε) w[y] (-log p[y]) + ε/V Σ_c w[c] (-log p[c]); w[y] is `own`, zero where skipped. */
static reel_node *smoothed(const char *at, reel_node *logits, reel_node *index, reel_node *weight,
                           reel_node *own, reel_node *kept, int64_t skip, double smoothing)
{
    reel_node *log_p = reel_log_softmax_at(at, logits, -1);
    reel_node *picked = reel_mul_at(at, own, reel_pick_skip_at(at, log_p, index, skip));
    reel_node *loss = reel_scale_at(at, picked, smoothing - 1);
    if (smoothing == 0) {
        return loss;
    }
    reel_node *all = weight ? reel_mul_at(at, log_p, weight) : log_p;
    reel_node *total = reel_mul_at(at, kept, reel_sum_axis_at(at, all, -1, false));
    double share = -smoothing / (double)reel_node_dim(logits, -1);
    return reel_add_at(at, loss, reel_scale_at(at, total, share));
}

/** Cross-entropy with everything, as PyTorch defines it. For a position of class y among V classes
 * with weights w: (1 - ε) w[y] (-log p[y]) + (ε/V) Σ_c w[c] (-log p[c]), p = softmax(logits), ε =
 * smoothing. logits [..., V], index i32 [...], weight [V] or NULL (all 1). Positions whose index is
 * ignore_index give 0 and do not count (-1: none is ignored). REEL_MEAN divides the sum by Σ w[y]
 * over the positions that count (NaN when there are none), REEL_SUM does not, REEL_NONE gives each
 * position's loss. */
reel_node *reel_cross_entropy_full_at(const char *at, reel_node *logits, reel_node *index,
                                      reel_node *weight, int64_t ignore_index, double smoothing,
                                      int reduction)
{
    if (!(smoothing >= 0 && smoothing <= 1)) {
        return reel_node_fail(at, logits, REEL_ERR_ARGUMENT,
                              "cross_entropy: smoothing %g: expected 0 to 1", smoothing);
    }
    int64_t skip = ignore_index == -1 ? REEL_SKIP_NONE : ignore_index;
    bool plain = !weight && smoothing == 0;
    if (plain && (skip == REEL_SKIP_NONE || reduction != REEL_MEAN)) {
        return reel_reduce_loss_at(at, fused(at, logits, index, skip), reduction);
    }
    reel_node *own = index_weight(at, logits, index, weight, skip);
    reel_node *kept = weight ? index_weight(at, logits, index, NULL, skip) : own;
    reel_node *each = plain ? fused(at, logits, index, skip)
                            : smoothed(at, logits, index, weight, own, kept, skip, smoothing);
    if (reduction != REEL_MEAN) {
        return reel_reduce_loss_at(at, each, reduction);
    }
    return reel_div_at(at, reel_sum_at(at, each), reel_sum_at(at, own));
}

#else

#include "rows.h"

/* log Σ exp(x) - x[index] */
static REAL TYPED(position_loss)(const REAL *x, int64_t n, int32_t index)
{
    REAL most = TYPED(reel__row_largest)(x, n);
    most = isinf(most) ? 0 : most; /* inf - inf would be NaN */
    return (REAL)log(TYPED(reel__row_exp_total)(x, n, most)) - (x[index] - most);
}

static void TYPED(cross_entropy_run)(const reel_call *c)
{
    const cross_entropy_attr *a = c->attr;
    int64_t n = c->x[0].shape.dim[c->x[0].shape.rank - 1];
    const REAL *x = c->x[0].data;
    const int32_t *index = c->x[1].data;
    REAL *y = c->y.data;
    for (int64_t u = c->begin; u < c->end; u++) {
        if (index[u] == a->skip) {
            y[u] = 0;
        } else if (reel_index_check(c, index[u], u, n)) {
            y[u] = TYPED(position_loss)(x + u * n, n, index[u]);
        } else {
            return;
        }
    }
}

/* One row: y = (softmax(x) - one-hot) dy. */
static void TYPED(position_gradient)(const REAL *x, int64_t n, int32_t index, REAL dy, REAL *y)
{
    REAL most = TYPED(reel__row_largest)(x, n);
    most = isinf(most) ? 0 : most;
    TYPED(reel__row_less)(x, n, most, y);
    TYPED(reel__row_exp)(y, n);
    TYPED(reel__row_scale)(y, n, (REAL)((double)dy / TYPED(reel__row_total)(y, n)));
    y[index] -= dy;
}

static void TYPED(cross_entropy_gradient_run)(const reel_call *c)
{
    const cross_entropy_attr *a = c->attr;
    const int64_t n = c->y.shape.dim[c->y.shape.rank - 1];
    const REAL *x = c->x[0].data, *dy = c->x[2].data;
    const int32_t *index = c->x[1].data;
    REAL *y = c->y.data;
    for (int64_t u = c->begin; u < c->end; u++) {
        if (index[u] == a->skip) {
            memset(y + u * n, 0, (size_t)n * sizeof *y);
        } else if (reel_index_check(c, index[u], u, n)) {
            TYPED(position_gradient)(x + u * n, n, index[u], dy[u], y + u * n);
        } else {
            return;
        }
    }
}

#endif
