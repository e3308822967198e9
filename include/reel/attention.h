/** @file
 * Attention: a query reads a weighted mean of what a memory holds.
 *
 *     reel_attention a = {.params = ps, .name = "attention", .score = REEL_ADDITIVE, .size = 64};
 *     reel_memory m = reel_memory_of(&a, T, h, length);       // once for a batch of sequences
 *     reel_node *weights, *c = reel_attend(&a, &m, s, &weights);   // in every step
 *
 * Weights are made on first use, under the attention's name. What is beyond the end of a sequence
 * has a weight of exactly 0 and no gradient, whatever stands there.
 */
#ifndef REEL_ATTENTION_H
#define REEL_ATTENTION_H

#include <reel/base.h>
#include <reel/params.h>

REEL_BEGIN

/** How well a query s fits h_j. q and n: their features. */
typedef enum reel_score {
    /** vᵀ tanh(W s + U h_j) (Bahdanau et al. 2015). `name.weight_query` [size, q],
     * `name.weight_key` [size, n], `name.weight_score` [size]. U h_j is computed once for the
     * memory. */
    REEL_ADDITIVE,
    REEL_DOT,        /**< s · h_j, q = n (Luong et al. 2015) */
    REEL_GENERAL,    /**< s · W h_j (Luong et al. 2015). `name.weight_general` [q, n] */
    REEL_SCALED_DOT, /**< s · h_j/√n, q = n (Vaswani et al. 2017) */
    /** vᵀ tanh(W [s, h_j]) (Luong et al. 2015). `name.weight_concat` [size, q + n],
     * `name.weight_score` [size]. */
    REEL_CONCATENATED,
    /** `heads` scaled dot products of parts of W_q s, W_k h_j, W_v h_j, side by side through W_o
     * (Vaswani et al. 2017), q = n. As PyTorch's MultiheadAttention: `name.in_proj_weight` [3n, n],
     * `name.in_proj_bias` [3n], `name.out_proj.weight` [n, n], `name.out_proj.bias` [n]. */
    REEL_MULTI_HEAD
} reel_score;

/** What attends. */
typedef struct reel_attention {
    reel_params *params;
    const char *name;
    reel_score score;
    int64_t query; /**< q, features of a query; 0: as many as the memory has, n */
    int64_t size;  /**< of the layer in additive and concatenated scores; 0: n */
    int heads;     /**< of multi-head, a divisor of n; 0: 1 */
    /** Additive scores see how much weight each place has had so far, v tanh(... + w Σ α_j) (Tu et
     * al. 2016; See et al. 2017). `name.weight_coverage` [size]. */
    bool coverage;
    /** What stands in the memory is of so many steps each (reel_cell_factor: a pyramid's), so that
     * a sequence of length n has ⌈n / factor⌉ places; 0: 1. */
    int factor;
} reel_attention;

/** What is attended to: of one recording. */
typedef struct reel_memory {
    reel_node *value;    /**< [batch, T, n]; of multi-head: W_v h_j [batch, heads, T, n/heads] */
    reel_node *key;      /**< likewise, as the score sees it: computed once */
    reel_node *mask;     /**< [batch, T]: 1 within a sequence; NULL: everywhere */
    reel_node *coverage; /**< [batch, T]: the sum of the weights so far; NULL: not kept */
} reel_memory;

/** A memory of T nodes h [batch, n]. length: by sequence, from 1 to T (times the
 * factor); NULL: T. On error its nodes are the error node, and the tape says why. */
REEL_API reel_memory reel_memory_of_at(const char *at, const reel_attention *a, int64_t T,
                                       reel_node *const *h, const int64_t *length);
#define reel_memory_of(...) reel_memory_of_at(REEL_HERE, __VA_ARGS__)

/** The context Σ_j α_j h_j [batch, n] with α = softmax_j of the scores of query [batch, q]. The
 * weights α, if asked for: [batch, T], of multi-head [batch, heads, T]: nodes like any other, to be
 * read, drawn or penalised. Adds them to the memory's coverage where there is one. */
REEL_API reel_node *reel_attend_at(const char *at, const reel_attention *a, reel_memory *m,
                                   reel_node *query, reel_node **weights);
#define reel_attend(...) reel_attend_at(REEL_HERE, __VA_ARGS__)

/** Σ_j min(α_j, coverage_j), the mean over the batch: a penalty on attending twice to a place (See
 * et al. 2017). coverage: as it was before weights was added. */
REEL_API reel_node *reel_coverage_loss_at(const char *at, reel_node *weights, reel_node *coverage);
#define reel_coverage_loss(...) reel_coverage_loss_at(REEL_HERE, __VA_ARGS__)

REEL_END

#endif
