/* What kernels are called, and what they cost. */
#ifndef REEL_SRC_COST_H
#define REEL_SRC_COST_H

#include "label.h"
#include "plan.h"

typedef struct reel__cost {
    int64_t flops, bytes;
} reel__cost;

/* Of one kernel of a step, all instances; `sums`: how many kernels before it in the step add to
 * sums of other blocks. */
reel__cost reel__cost_of(const reel__plan *plan, const reel__step *step, const reel__kernel *k,
                         int sums);
int64_t reel__plan_flops(const reel__plan *plan);
/* Memory for values, with and without bytes that are used again. */
size_t reel__plan_peak(const reel__plan *plan);
size_t reel__plan_without_reuse(const reel__plan *plan);

/* "pre", "main", "post". */
const char *reel__segment_name(int segment);
/* "product", "fused", "op", "copy", "zero". */
const char *reel__kernel_kind_name(int kind);
/* "2 sigmoid, tanh [32,256]"; "32 x 1024 x 256" for a product. */
void reel__kernel_words(const reel__code *code, const reel__kernel *k, reel__text *out);
/* The same for equal words, and hardly ever for others. */
uint64_t reel__kernel_hash(const reel__code *code, const reel__kernel *k);

#endif
