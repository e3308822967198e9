/** @file
 * The vector instruction set that kernels run on: chosen once, by the processor, when first asked
 * for. All of them are in every build; none needs more of the processor than it has.
 */
#ifndef REEL_ISA_H
#define REEL_ISA_H

#include <reel/base.h>

REEL_BEGIN

/** Kernels of different instruction sets may differ in the last bits of a result; within one, an
 * element's bits do not depend on where it stands. */
typedef enum reel_isa {
    REEL_ISA_BASELINE, /**< what every processor of this kind has: SSE2 on x86-64, else plain C */
    REEL_ISA_AVX2,     /**< AVX2 and FMA */
    REEL_ISA_AVX512    /**< AVX-512 F, DQ, BW and VL */
} reel_isa;

enum { REEL_ISAS = REEL_ISA_AVX512 + 1 /**< how many there are */ };

/** The best that processor and system have, or what the environment variable REEL_ISA names, which
 * is read once. What it names wrongly, or what this machine cannot run, is reported on standard
 * error and ignored. Never changes afterwards; any thread may ask. */
REEL_API reel_isa reel_isa_used(void);
/** "baseline", "avx2", "avx512". Static; never NULL. */
REEL_API const char *reel_isa_name(reel_isa isa);

REEL_END

#endif
