/* The choice of BLIS's kernels, apart from starting it. */
#ifndef REEL_SRC_BLAS_H
#define REEL_SRC_BLAS_H

#include "cpu.h"

/* The name of the kernel set that BLIS should be made to take on such a processor, because it would
 * take its generic one by itself; NULL: its own choice stands. Static. */
const char *reel__blas_better(const reel__cpu *cpu);

#endif
