/* Where the time of runs goes, by kind of kernel and by scope. */
#ifndef REEL_SRC_PROFILE_H
#define REEL_SRC_PROFILE_H

#include "replay.h"

/* Nanoseconds of a clock that only goes forward. */
uint64_t reel__profile_now(void);
void reel__profile_add(const reel__running *r, const reel__kernel *k, uint64_t ns);

#endif
