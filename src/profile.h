/* Where the time of runs goes, by kernel and by scope, and which node was computed when. */
#ifndef REEL_SRC_PROFILE_H
#define REEL_SRC_PROFILE_H

#include "plan.h"

/* What kernels of one kind, or those of one scope, took. */
typedef struct reel__spent {
    char *name;
    uint8_t kind, segment; /* of kernels */
    int64_t calls, instances;
    uint64_t ns;
    double flops, bytes;
} reel__spent;

typedef struct reel__spents {
    reel__spent *v;
    size_t n, capacity;
    reel__map known; /* hash -> number + 1 */
} reel__spents;

/* A node's part in the run that was measured last. */
typedef struct reel__part {
    double ns, flops;
    int64_t run; /* in which it was computed */
    uint32_t step, kernel;
    uint8_t segment;
    bool again; /* computed again for the backward pass, too */
} reel__part;

typedef struct reel__profile {
    int64_t runs;
    uint64_t ns, start;  /* of runs; of this one */
    uint64_t *of_kernel; /* this run's kernels, in order */
    size_t kernels, capacity;
    reel__spents kernel, scope;
    reel__ids entry;  /* by scope of the recording, thrice: its entry in `scope` + 1 */
    uint32_t epoch;   /* of the recording */
    reel__part *part; /* by id */
    size_t parts;
    bool failed; /* memory was out: something is missing */
} reel__profile;

/* Nanoseconds of a clock that only goes forward. */
uint64_t reel__profile_now(void);
/* A run begins; one of its kernels, in order, has taken so long; all of them are done. */
void reel__profile_begin(reel__profile *p, const reel__plan *plan);
void reel__profile_add(reel__profile *p, uint64_t ns);
void reel__profile_end(reel__compiled *c, const reel__plan *plan);
void reel__profile_free(reel__profile *p);

/* The entry of that key; `name` is called for a new one. NULL when memory is out. */
reel__spent *reel__spent_of(reel__spents *s, uint64_t key, char *(*name)(const void *context),
                            const void *context);
/* By block of the plan that ran: the number of its first node in the plan's graph, if that is
 * known; freed by the caller. NULL when memory is out. */
uint32_t *reel__ran_first(const reel__ran *ran);
/* ", backward" and the like. */
const char *reel__whose(uint32_t whose);
/* A node in the scope of one of its blocks; NULL when none is known any more. *whose: 0,
 * REEL__BACKWARD or REEL__AGAIN. */
const reel__slot *reel__ran_slot(const reel__ran *ran, const uint32_t *first, uint32_t block,
                                 uint32_t *whose);
/* Notes which node each kernel of the run that has just ended was for (trace.c). False when memory
 * is out. */
bool reel__trace(reel__profile *p, const reel__ran *ran);

#endif
