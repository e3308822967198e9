/** @file
 * Training of sequences: by the truth, by what the model itself says, and by rewards for all of it.
 *
 * A roll-out records the steps of a decoder while its words are drawn from values just computed:
 *
 *     double e = reel_truth_share(&(reel_teacher){.decay = REEL_DECAY_LINEAR, .k = 1, .c = 1e-4},
 * update); reel_roll_out(.tape = tape, .step = step, .context = &model, .state = &s, .batch = B, .N
 * = N, .truth = words, .share = e, .random = &random, .out = logp, .next = said);
 *
 * No gradient goes through a word that was drawn.
 */
#ifndef REEL_TEACH_H
#define REEL_TEACH_H

#include <reel/base.h>
#include <reel/decode.h>
#include <reel/params.h>
#include <reel/random.h>

REEL_BEGIN

/** How the share of the truth falls (Bengio et al. 2015), at update i = 0, 1, ... */
typedef enum reel_decay {
    REEL_DECAY_NONE,           /**< k */
    REEL_DECAY_LINEAR,         /**< max(floor, k - c i) */
    REEL_DECAY_EXPONENTIAL,    /**< kⁱ, k < 1 */
    REEL_DECAY_INVERSE_SIGMOID /**< k/(k + exp(i/k)), k ≥ 1 */
} reel_decay;

typedef struct reel_teacher {
    reel_decay decay;
    double k, c, floor;
} reel_teacher;

/** ε_i, the probability that a word before a step is the truth's: in [0, 1]. */
REEL_API double reel_truth_share(const reel_teacher *t, int64_t i);

/** What a word that is not the truth's is. */
typedef enum reel_own {
    REEL_OWN_DRAWN,     /**< drawn from the model's probabilities */
    REEL_OWN_LIKELIEST, /**< the likeliest, the first of equal ones */
    REEL_OWN_UNIFORM    /**< any word of the vocabulary */
} reel_own;

/** What a roll-out is told. */
typedef struct reel_roll_args {
    reel_tape *tape;
    reel_decode_step *step; /**< as for decoding; its source node numbers the batch */
    void *context;
    reel_state *state; /**< moves on; NULL: the step has none */
    int64_t batch, N;  /**< N steps at most */
    /** [N][batch]: the words before each step, the first row always used; NULL: `begin` before the
     * first, and own ones from there on. */
    const int32_t *truth;
    int32_t begin;
    double share;   /**< ε: each word by itself is the truth's with this probability */
    int64_t forced; /**< so many words of each sequence, beside the first, are the truth's in any
                       case */
    reel_own own;
    reel_random *random; /**< NULL only where nothing is drawn */
    bool ends; /**< sequences that said `end` as an own word go on with nothing else, and when all
                  have, the steps end */
    int32_t end;
    reel_node **out; /**< room for N nodes: log-probabilities [batch, vocabulary] of each step, NULL
                        behind the last */
    /** [N][batch]: the own word after each step, in the last step, too; NULL: not asked for. */
    int32_t *next;
    int64_t *length; /**< [batch]: own words until the sequence ended, the end included; NULL */
    int64_t *steps;  /**< how many steps there were; NULL */
    const char *at;
} reel_roll_args;
/** Records the steps, and evaluates each where the next needs words of its own. An error is also
 * the tape's. */
REEL_API REEL_CHECKED reel_status reel_roll_out_with(const reel_roll_args *args);
/** reel_roll_out(.tape = tape, .step = step, ...) */
#define reel_roll_out(...) reel_roll_out_with(&(reel_roll_args){__VA_ARGS__, .at = REEL_HERE})

/** REINFORCE's loss (Williams 1992), -1/batch Σ_t Σ_b A_tb log p(w_tb): with the advantage A the
 * reward that is still to come less a baseline, its gradient is on average that of minus the
 * expected reward. out: N nodes as reel_roll_out's, next: its words, advantage: [N][batch], both
 * read now. Words whose advantage is 0 have no part in it. */
REEL_API reel_node *reel_policy_loss_at(const char *at, int64_t N, reel_node *const *out,
                                        const int32_t *next, const double *advantage);
#define reel_policy_loss(...) reel_policy_loss_at(REEL_HERE, __VA_ARGS__)

/** A learned baseline (Ranzato et al. 2016): b_t = w · h_t + b, with no gradient into h_t. Weights
 * `name.weight` [1, features], `name.bias`. h: N nodes [batch, features]; reward and weight:
 * [N][batch], weight 0 where a sequence has ended, NULL: 1. Writes the values to value [N][batch]
 * and gives Σ weight (b_t - reward)² / Σ weight, to be minimised; the error node on error. */
REEL_API reel_node *reel_baseline_at(const char *at, reel_params *ps, const char *name, int64_t N,
                                     reel_node *const *h, const double *reward,
                                     const double *weight, double *value);
#define reel_baseline(...) reel_baseline_at(REEL_HERE, __VA_ARGS__)

/** MIXER's annealing (Ranzato et al. 2016): after `first` epochs of cross-entropy alone, stages of
 * `each` epochs, in the k-th of which the last k·`by` steps are sampled. */
typedef struct reel_mixer {
    int64_t first, each, by;
} reel_mixer;
/** How many of N steps are by cross-entropy in that epoch (from 0): N at first, 0 in the end. */
REEL_API int64_t reel_mixer_forced(const reel_mixer *m, int64_t epoch, int64_t N);

REEL_END

#endif
