/** @file
 * Decoding: the most likely sequences of tokens by any step function, greedily or by beam search.
 */
#ifndef REEL_DECODE_H
#define REEL_DECODE_H

#include <reel/base.h>
#include <reel/cell.h>

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
    int32_t begin, end;      /**< tokens that begin and end a sequence */
    int64_t longest;         /**< tokens at most, the end counted */
    int64_t least;           /**< the end may not come before so many other tokens */
    reel_length_penalty penalty;
    double alpha;
    const char *at;
} reel_decode_args;

/** A sequence that was found. */
typedef struct reel_hypothesis {
    int64_t length;         /**< tokens, the end counted when it came */
    int32_t *token;         /**< without the beginning */
    bool ended;             /**< false: cut off at `longest` */
    double log_probability; /**< of the tokens */
    double score;           /**< log_probability divided by the penalty */
} reel_hypothesis;

/** Beam search: in each step the `beam` likeliest continuations of a source's hypotheses go on,
 * those that end are set aside, until there are `beam` of these or none goes on. Equal ones stand
 * in the order of their hypotheses, then of tokens. found: sources · best entries, those of a
 * source from the best score down, `length` -1 where there were fewer; freed with reel_decode_free.
 * What is recorded stays on the tape. On error, which is also the tape's, all have length -1. */
REEL_API REEL_CHECKED reel_status reel_decode_with(const reel_decode_args *args,
                                                   reel_hypothesis *found);
/** reel_decode(found, .tape = tape, .step = step, ...) */
#define reel_decode(found, ...) \
    reel_decode_with(&(reel_decode_args){__VA_ARGS__, .at = REEL_HERE}, found)
/** Frees the tokens of n hypotheses. */
REEL_API void reel_decode_free(reel_hypothesis *found, int64_t n);

REEL_END

#endif
