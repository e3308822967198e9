/* Job: faults to plant and passes to count, in the stress build. */
#include "plant.h"

#ifdef REEL_STRESS

#include <stdatomic.h>

static _Atomic int planted;
static _Atomic uint64_t used[32];

static const char *const names[] = {"none",
                                    "wrong stride",
                                    "stale pack of a weight",
                                    "merged masks",
                                    "early reuse of a buffer",
                                    "missing accumulation",
                                    "wrong order of instances",
                                    "dropped dependency",
                                    "lost beta of a product",
                                    "wrong template",
                                    "number folded into a plan",
                                    "wrong columns of a product",
                                    "parts of a sum in one place",
                                    "rows brought to another's place",
                                    "product beside others left out",
                                    "another block taken for a known one"};
enum { FAULTS = sizeof names / sizeof *names };

bool reel__planted(reel__fault fault)
{
    return planted == (int)fault;
}

void reel__pass_used(unsigned pass)
{
    used[(unsigned)__builtin_ctz(pass)]++;
}

void reel__plant(int fault)
{
    planted = fault;
}

const char *reel__plant_name(int fault)
{
    return fault > 0 && fault < FAULTS ? names[fault] : NULL;
}

uint64_t reel__pass_count(int i)
{
    return i >= 0 && i < 32 ? used[i] : 0;
}

#else
typedef int reel__no_faults; /* a file is not to be empty */
#endif
