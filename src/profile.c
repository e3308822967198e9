/* Job: add up the time of kernels. */
#include "profile.h"

#include <time.h>

uint64_t reel__profile_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void reel__profile_add(const reel__running *r, const reel__kernel *k, uint64_t ns)
{
    (void)r;
    (void)k;
    (void)ns;
}
