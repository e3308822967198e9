/* Random leaves that can be given again: what the tests of ops and the gradient checker draw from.
 */
#ifndef REEL_SRC_SAMPLER_H
#define REEL_SRC_SAMPLER_H

#include <reel/op.h>
#include <reel/random.h>
#include <reel/tape.h>

typedef enum reel__leaf_kind {
    REEL__LEAF_REAL,  /* differentiated against */
    REEL__LEAF_FIXED, /* real, not differentiated against */
    REEL__LEAF_INDEX
} reel__leaf_kind;

typedef struct reel__leaf {
    reel__leaf_kind kind;
    reel_shape shape;
    int64_t size;
    double *value;   /* of real and fixed leaves; may be changed between recordings */
    int32_t *index;  /* of index leaves */
    reel_node *node; /* in the recording in force */
    char name[96];   /* "" when it has none */
} reel__leaf;

struct reel_sampler {
    reel_tape *tape;
    reel_random random;
    reel__leaf *leaf;
    size_t n, capacity;
    size_t next; /* the leaf that the next request gives */
};

void reel__sampler_init(reel_sampler *s, uint64_t seed, uint64_t stream);
/* Starts a recording on `tape`: leaves already drawn are given again, in the order of the requests,
 * with their present values. */
void reel__sampler_begin(reel_sampler *s, reel_tape *tape);
void reel__sampler_free(reel_sampler *s);

/* A leaf that starts at given values; the first request copies them. */
reel_node *reel__sample_value(reel_sampler *s, reel__leaf_kind kind, const char *name,
                              const double *value, reel_shape shape);
/* A leaf of weights for a sum: of either sign, between 0.5 and 1.5 in size, no two alike. */
reel_node *reel__sample_weight(reel_sampler *s, reel__leaf_kind kind, const char *name,
                               reel_shape shape);
/* Names the leaf given last. */
void reel__sampler_name(reel_sampler *s, const char *format, ...) REEL_PRINTF(2, 3);

#endif
