/* For tests and benchmarks, which go through all instruction sets in one process. */
#ifndef REEL_SRC_ISA_H
#define REEL_SRC_ISA_H

#include <reel/isa.h>

/* The best that this machine can run, whatever was chosen. */
reel_isa reel__isa_best(void);
/* Makes kernels use it from now on; it must be one that the machine can run, and no kernel may be
 * running. */
void reel__isa_force(reel_isa isa);

#endif
