/** @file
 * Decoding: likely sequences of tokens by any step function: the likeliest, greedily or by beam
 * search, or some drawn at random; by several models together.
 */
#ifndef REEL_DECODE_H
#define REEL_DECODE_H

#include <reel/base.h>
#include <reel/cell.h>
#include <reel/random.h>

REEL_BEGIN

/** One step of n hypotheses, recorded on the tape: gets their last tokens [n] (i32), their states,
 * which move on in s, and of which source sequence each one is, [n] (i32), to gather what belongs
 * to it. Returns log-probabilities [n, vocabulary] of the next token. */
typedef reel_node *reel_decode_step(void *context, int64_t t, reel_node *last, reel_node *source,
                                    reel_state *s);

/** What the log-probability of n tokens is divided by. */
typedef enum reel_length_penalty {
    REEL_LENGTH_WU,   /**< ((5 + n)/6)^α (Wu et al. 2016); α = 0: none */
    REEL_LENGTH_POWER /**< n^α */
} reel_length_penalty;

/** What decoding is told. */
typedef struct reel_decode_args {
    reel_tape *tape;
    reel_decode_step *step;
    void *context;
    const reel_state *start; /**< a row for each source sequence; may have no states */
    int64_t sources;         /**< how many source sequences there are */
    int beam;                /**< hypotheses kept of each; 0: 1, which is greedy decoding */
    int best;                /**< how many are given back of each, at most; 0: 1 */
    /** Tokens that begin and end a sequence; an end that the vocabulary does not have never comes,
     * so that sequences are of `longest` tokens. */
    int32_t begin, end;
    int64_t longest;         /**< tokens at most, the end counted */
    int64_t least;           /**< the end may not come before so many other tokens */
    reel_length_penalty penalty;
    double alpha;
    /** What attention leaves out costs, β Σ_j log min(Σ_t α_tj, 1) (Wu et al. 2016), of at least
     * 1e-10 each, where the k-th state [rows, T] holds Σ_t α_tj (reel_decoder.covers makes one); 0:
     * nothing does. */
    double beta;
    int covered;           /**< k, from 1; 0: none */
    const int64_t *length; /**< by source, how many of the T places count; NULL: T */
    /** By token, whether it may be said; the end counts, too. NULL: all may. */
    const bool *allowed;
    /** Not NULL: each of `beam` hypotheses of a source goes on with a token drawn from it, until it
     * ends. */
    reel_random *random;
    double temperature; /**< of draws: from softmax(log-probabilities / temperature); 0: 1 */
    int top_k;          /**< draws from the k likeliest tokens; 0: from all */
    double top_p;       /**< draws from the fewest likeliest tokens that have this share together
                           (Holtzman et       al. 2020); 0: from all */
    const char *at;
} reel_decode_args;

/** A sequence that was found. */
typedef struct reel_hypothesis {
    int64_t length;         /**< tokens, the end counted when it came */
    int32_t *token;         /**< without the beginning */
    bool ended;             /**< false: cut off at `longest` */
    double log_probability; /**< of the tokens */
    double score;           /**< log_probability divided by the penalty, and what was left out */
} reel_hypothesis;

/** Beam search: in each step the `beam` likeliest continuations of a source's hypotheses go on,
 * those that end are set aside, until there are `beam` of these or none goes on. Equal ones stand
 * in the order of their hypotheses, then of tokens. found (untouched where the arguments make no
 * sense): sources · best entries, those of a source from the best score down, `length` -1 where
 * there were fewer; freed with reel_decode_free. What is recorded stays on the tape. On error,
 * which is also the tape's, all have length -1. */
REEL_API REEL_CHECKED reel_status reel_decode_with(const reel_decode_args *args,
                                                   reel_hypothesis *found);
/** reel_decode(found, .tape = tape, .step = step, ...) */
#define reel_decode(found, ...) \
    reel_decode_with(&(reel_decode_args){__VA_ARGS__, .at = REEL_HERE}, found)
/** Frees the tokens of n hypotheses. */
REEL_API void reel_decode_free(reel_hypothesis *found, int64_t n);

/** Models that decode together: a step's probabilities are the mean of theirs. */
typedef struct reel_ensemble {
    int n;
    reel_decode_step *const *step; /**< [n] */
    void *const *context;          /**< [n] */
    const int *states;             /**< [n]: how many each has */
} reel_ensemble;
/** A reel_decode_step whose context is a reel_ensemble and whose states are those of its models one
 * after another (reel_state_join). */
REEL_API reel_node *reel_ensemble_step(void *ensemble, int64_t t, reel_node *last,
                                       reel_node *source, reel_state *s);
/** The states of n models one after another. More than REEL_MAX_STATES of them: none, and an error
 * on the tape. */
REEL_API reel_state reel_state_join_at(const char *at, int n, const reel_state *s);
#define reel_state_join(...) reel_state_join_at(REEL_HERE, __VA_ARGS__)

REEL_END

#endif
