/* Running a plan: what replay.c and its kinds of kernels share. */
#ifndef REEL_SRC_REPLAY_H
#define REEL_SRC_REPLAY_H

#include "plan.h"

/* One step while it runs. */
typedef struct reel__running {
    reel__compiled *c;
    reel_tape *tape;
    const reel__plan *plan;
    const reel__step *step;
    const reel__group *group;
    const reel__segment *segment;
    char *base[3];
    const void *const *outside;
    const uint64_t *version; /* of outside values that are weights; 0: not one */
    int64_t count;           /* instances */
    char *temporary;         /* the step's temporaries */
    int sums;                /* `added` kernels so far */
} reel__running;

/* An operand's places for the step's instances: evenly apart, or each by itself. */
typedef struct reel__ref {
    char *at;
    int64_t stride; /* bytes */
    const reel__place *each;
    size_t offset;    /* added to each */
    uint64_t version; /* of the weight it is; 0: none */
} reel__ref;

char *reel__address(const reel__running *r, reel__place p);
reel__ref reel__find(const reel__running *r, const reel__operand *x);

static inline char *reel__ref_at(const reel__running *r, const reel__ref *x, int64_t i)
{
    return x->each ? reel__address(r, x->each[i]) + x->offset : x->at + i * x->stride;
}

/* Working memory of at least so many bytes, until the next call; NULL when memory is out. */
void *reel__room(reel__compiled *c, size_t bytes);

bool reel__run_fused(reel__running *r, const reel__kernel *k);
bool reel__run_product(reel__running *r, const reel__kernel *k);
/* Runs as many of k[0..n), which are added up and have the same left matrix, as can be made at
 * once: *done, 0 where that is less than two. */
bool reel__run_beside(reel__running *r, const reel__kernel *k, int n, int *done);

#endif
