/* Attention (Bahdanau et al. 2015; Luong et al. 2015; Vaswani et al. 2017).
 *
 *     e_j = score(s, h_j),  α = softmax_j(e),  c = Σ_j α_j h_j
 *
 * attention.h has the scores. What of a score is of h_j alone is the memory's key. */
#include <reel/attention.h>
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <limits.h>
#include <math.h>
#include <stdio.h>

enum { MOST_NAME = 256 };

/* Weights */

static reel_node *weight(const char *at, const reel_attention *a, reel_node *like, const char *what,
                         reel_shape shape, reel_init init)
{
    char name[MOST_NAME];
    int n = snprintf(name, sizeof name, "%s.%s", a->name ? a->name : "", what);
    if (!a->params || !a->name || !*a->name || n >= (int)sizeof name) {
        return reel_node_fail(at, like, REEL_ERR_ARGUMENT,
                              "attention: expected a params set and a name of 1 to %d characters",
                              MOST_NAME - 32);
    }
    reel_param *p = reel_params_get(a->params, name, shape, init, 1);
    return p ? reel_use_at(at, reel_node_tape(like), p)
             : reel_node_fail(at, like, reel_params_status(a->params), "%s",
                              reel_params_message(a->params));
}

static reel_init even(int64_t in)
{
    double r = in > 0 ? 1 / sqrt((double)in) : 0;
    return (reel_init){REEL_INIT_UNIFORM, -r, r};
}

static int64_t or_else(int64_t given, int64_t otherwise)
{
    return given > 0 ? given : otherwise;
}

/* Additive and concatenated scores: what the layer makes of the query (part 0) or of the memory
 * (part 1). n: features of the memory. */
static reel_node *layer(const char *at, const reel_attention *a, int64_t n, int part, reel_node *x)
{
    int64_t q = or_else(a->query, n), size = or_else(a->size, n);
    if (a->score == REEL_ADDITIVE) {
        return reel_affine_at(at, x,
                              weight(at, a, x, part ? "weight_key" : "weight_query",
                                     reel_dims(size, part ? n : q), even(part ? n : q)),
                              NULL);
    }
    reel_node *W = weight(at, a, x, "weight_concat", reel_dims(size, q + n), even(q + n));
    return reel_affine_at(at, x, reel_slice_at(at, W, 1, part ? q : 0, part ? q + n : q), NULL);
}

/* W_q x, W_k x or W_v x with its bias: part 0, 1, 2 of PyTorch's in_proj. */
static reel_node *projected(const char *at, const reel_attention *a, reel_node *x, int part)
{
    int64_t n = reel_node_dim(x, -1);
    reel_init zero = {REEL_INIT_CONSTANT, 0, 0};
    reel_node *W = weight(at, a, x, "in_proj_weight", reel_dims(3 * n, n), even(n));
    reel_node *b = weight(at, a, x, "in_proj_bias", reel_dims(3 * n), zero);
    return reel_affine_at(at, x, reel_slice_at(at, W, 0, part * n, (part + 1) * n),
                          reel_slice_at(at, b, 0, part * n, (part + 1) * n));
}

/* [batch, T, n] as [batch, heads, T, n/heads] */
static reel_node *in_heads(const char *at, int64_t heads, reel_node *x)
{
    int64_t batch = reel_node_dim(x, 0), T = reel_node_dim(x, 1), n = reel_node_dim(x, 2);
    reel_node *apart = reel_reshape_at(at, x, reel_dims(batch, T, heads, n / heads));
    return reel_permute_at(at, apart, 4, (const int[]){0, 2, 1, 3});
}

/* The memory */

/* Nodes that carry an error on; `why` is one. */
static reel_memory no_memory(reel_node *why)
{
    return (reel_memory){.value = why, .key = why};
}

/* 1 within each sequence: [batch, T] */
static reel_node *mask_of(const char *at, reel_node *h, int64_t T, int64_t factor,
                          const int64_t *length)
{
    enum { SOME = 256 };
    const int64_t batch = reel_node_dim(h, 0);
    reel_tape *tape = reel_node_tape(h);
    reel_node *ends = NULL;
    for (int64_t first = 0; first < batch; first += SOME) {
        double end[SOME];
        int64_t n = batch - first < SOME ? batch - first : SOME;
        for (int64_t b = 0; b < n; b++) {
            int64_t own = (length[first + b] + factor - 1) / factor;
            if (own < 1 || own > T) {
                return reel_node_fail(
                    at, h, REEL_ERR_ARGUMENT,
                    "attention: sequence %lld has length %lld: expected 1 to %lld",
                    (long long)(first + b), (long long)length[first + b], (long long)(T * factor));
            }
            end[b] = (double)own;
        }
        reel_node *some = reel_input_at(at, tape, REEL_F64, end, reel_dims(n, 1));
        ends = ends ? reel_concat_at(at, 0, 2, (reel_node *[]){ends, some}) : some;
    }
    reel_node *place = reel_cumsum_at(at, reel_constant_at(at, tape, 1, reel_dims(1, T)), 1);
    return reel_le_at(at, place, ends);
}

reel_memory reel_memory_of_at(const char *at, const reel_attention *a, int64_t T,
                              reel_node *const *h, const int64_t *length)
{
    if (!a || T < 1 || T > INT_MAX || !h) {
        return no_memory(reel_node_fail(at, h ? h[0] : NULL, REEL_ERR_ARGUMENT,
                                        "attention: %lld nodes to attend to: expected 1 or more",
                                        (long long)T));
    }
    if (a->score < REEL_ADDITIVE || a->score > REEL_MULTI_HEAD) {
        return no_memory(reel_node_fail(at, h[0], REEL_ERR_ARGUMENT,
                                        "attention '%s': no score has number %d",
                                        a->name ? a->name : "", (int)a->score));
    }
    if (a->coverage && a->score != REEL_ADDITIVE) {
        return no_memory(reel_node_fail(at, h[0], REEL_ERR_ARGUMENT,
                                        "attention '%s': coverage is for additive scores alone",
                                        a->name ? a->name : ""));
    }
    int64_t n = reel_node_dim(h[0], -1), heads = or_else(a->heads, 1);
    if (reel_node_rank(h[0]) != 2 || (a->score == REEL_MULTI_HEAD && n % heads)) {
        return no_memory(reel_node_fail(
            at, h[0], REEL_ERR_ARGUMENT,
            "attention '%s': rank %d, %lld features, %lld heads: expected [batch, "
            "features] with a whole number of features for each head",
            a->name ? a->name : "", reel_node_rank(h[0]), (long long)n, (long long)heads));
    }
    reel_node *all = reel_stack_axis_at(at, 1, (int)T, h);
    reel_memory m = {.value = all, .key = all};
    m.mask = length ? mask_of(at, h[0], T, or_else(a->factor, 1), length) : NULL;
    if (length) { /* so that nothing that stands there matters */
        reel_node *zero = reel_constant_at(at, reel_node_tape(all), 0, reel_scalar_shape());
        all = reel_where_at(at, reel_expand_dims_at(at, m.mask, -1), all, zero);
        m.value = m.key = all;
    }
    if (a->score == REEL_ADDITIVE || a->score == REEL_CONCATENATED) {
        m.key = layer(at, a, n, 1, all);
    } else if (a->score == REEL_MULTI_HEAD) {
        m.key = in_heads(at, heads, projected(at, a, all, 1));
        m.value = in_heads(at, heads, projected(at, a, all, 2));
    }
    if (a->coverage) {
        m.coverage =
            reel_constant_at(at, reel_node_tape(all), 0, reel_dims(reel_node_dim(all, 0), T));
    }
    return m;
}

/* Attending */

/* Σ over the last axis of keys times a query that has room for them. */
static reel_node *products(const char *at, reel_node *key, reel_node *query, int axis)
{
    reel_node *each = reel_mul_at(at, key, reel_expand_dims_at(at, query, axis));
    return reel_sum_axis_at(at, each, -1, false);
}

static reel_node *scores(const char *at, const reel_attention *a, const reel_memory *m,
                         reel_node *s)
{
    int64_t n = reel_node_dim(m->value, -1);
    switch (a->score) {
    case REEL_DOT:
        return products(at, m->key, s, 1);
    case REEL_SCALED_DOT:
        return reel_scale_at(at, products(at, m->key, s, 1), 1 / sqrt((double)n));
    case REEL_GENERAL: {
        int64_t q = or_else(a->query, n);
        reel_node *W = weight(at, a, s, "weight_general", reel_dims(q, n), even(n));
        return products(at, m->key, reel_matmul_at(at, s, W), 1);
    }
    default: {
        int64_t size = or_else(a->size, n);
        reel_node *sum = reel_add_at(at, m->key, reel_expand_dims_at(at, layer(at, a, n, 0, s), 1));
        if (m->coverage) {
            reel_node *w = weight(at, a, s, "weight_coverage", reel_dims(size), even(size));
            sum =
                reel_add_at(at, sum, reel_mul_at(at, reel_expand_dims_at(at, m->coverage, -1), w));
        }
        reel_node *v = weight(at, a, s, "weight_score", reel_dims(size), even(size));
        return reel_sum_axis_at(at, reel_mul_at(at, reel_tanh_at(at, sum), v), -1, false);
    }
    }
}

static reel_node *normalised(const char *at, reel_node *e, reel_node *mask)
{
    return mask ? reel_masked_softmax_at(at, e, mask, -1) : reel_softmax_at(at, e, -1);
}

static reel_node *attend_in_heads(const char *at, const reel_attention *a, const reel_memory *m,
                                  reel_node *query, reel_node **weights)
{
    int64_t batch = reel_node_dim(query, 0), n = reel_node_dim(query, 1);
    int64_t heads = or_else(a->heads, 1), T = reel_node_dim(m->key, 2);
    reel_init zero = {REEL_INIT_CONSTANT, 0, 0};
    reel_node *q =
        reel_reshape_at(at, projected(at, a, query, 0), reel_dims(batch, heads, n / heads));
    reel_node *e = reel_scale_at(at, products(at, m->key, q, 2), sqrt((double)heads / (double)n));
    reel_node *mask = m->mask;
    if (mask) {
        mask =
            reel_broadcast_to_at(at, reel_expand_dims_at(at, mask, 1), reel_dims(batch, heads, T));
    }
    *weights = normalised(at, e, mask);
    reel_node *read = reel_mul_at(at, m->value, reel_expand_dims_at(at, *weights, -1));
    read = reel_reshape_at(at, reel_sum_axis_at(at, read, 2, false), reel_dims(batch, n));
    return reel_affine_at(at, read,
                          weight(at, a, query, "out_proj.weight", reel_dims(n, n), even(n)),
                          weight(at, a, query, "out_proj.bias", reel_dims(n), zero));
}

reel_node *reel_attend_at(const char *at, const reel_attention *a, reel_memory *m, reel_node *query,
                          reel_node **weights)
{
    reel_node *own;
    weights = weights ? weights : &own;
    if (!a || !m || reel_node_rank(query) != 2) {
        return *weights =
                   reel_node_fail(at, query, REEL_ERR_ARGUMENT,
                                  "attention: a query of rank %d: expected [batch, features]",
                                  reel_node_rank(query));
    }
    if (a->score == REEL_MULTI_HEAD) {
        return attend_in_heads(at, a, m, query, weights);
    }
    *weights = normalised(at, scores(at, a, m, query), m->mask);
    if (m->coverage) {
        m->coverage = reel_add_at(at, m->coverage, *weights);
    }
    reel_node *read = reel_mul_at(at, m->value, reel_expand_dims_at(at, *weights, -1));
    return reel_sum_axis_at(at, read, 1, false);
}

reel_node *reel_coverage_loss_at(const char *at, reel_node *weights, reel_node *coverage)
{
    reel_node *twice = reel_minimum_at(at, weights, coverage);
    return reel_mean_at(at, reel_sum_axis_at(at, twice, -1, false));
}
