/* For the stress build alone: faults that tests plant in the compiled executor, to see that they
 * are found, and counts of what each pass has done, to see that all are exercised. */
#ifndef REEL_SRC_PLANT_H
#define REEL_SRC_PLANT_H

#include <reel/base.h>

typedef enum reel__fault {
    REEL__SOUND,
    REEL__WRONG_STRIDE,
    REEL__STALE_PACK,
    REEL__MERGED_MASKS,
    REEL__EARLY_REUSE,
    REEL__MISSING_ACCUMULATION,
    REEL__WRONG_ORDER,
    REEL__DROPPED_DEPENDENCY,
    REEL__LOST_BETA,
    REEL__WRONG_TEMPLATE,
    REEL__FOLDED_NUMBER,
    REEL__WRONG_COLUMNS,
    REEL__PARTS_TOGETHER,
    REEL__ROWS_ASTRAY,
    REEL__NOT_BESIDE,
    REEL__WRONG_PATTERN
} reel__fault;

#ifdef REEL_STRESS
/* Whether the fault is planted now. */
bool reel__planted(reel__fault fault);
/* Notes that the pass of that bit of reel__pass has changed something. */
void reel__pass_used(unsigned pass);
/* Plants a fault; 0 mends it. The name of one, NULL past the last. How often pass i was used. */
void reel__plant(int fault);
const char *reel__plant_name(int fault);
uint64_t reel__pass_count(int i);
#else
static inline bool reel__planted(reel__fault fault)
{
    (void)fault;
    return false;
}
static inline void reel__pass_used(unsigned pass)
{
    (void)pass;
}
#endif

#endif
