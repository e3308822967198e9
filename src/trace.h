/* What the run that was measured last did for a node: what drawings want to know. */
#ifndef REEL_SRC_TRACE_H
#define REEL_SRC_TRACE_H

#include "tape.h"

typedef struct reel__traced {
    uint32_t step, kernel; /* kernel: its number in the step */
    const char *segment;   /* "pre", "main" or "post" */
    double seconds, flops; /* its share of the kernels it was computed in */
    bool again;            /* the backward pass computed it once more */
} reel__traced;

/* Whether a run since the reset was measured. */
bool reel__is_traced(const reel_tape *tape);
/* False when the run did not compute it, or nothing was measured since the reset. */
bool reel__traced_of(const reel__slot *s, reel__traced *out);

#endif
