/* Parallel loops over independent parts. */
#ifndef REEL_SRC_THREADS_H
#define REEL_SRC_THREADS_H

#include <stdint.h>

typedef void reel__body(void *context, int64_t begin, int64_t end);

/* Calls body on ranges that make up [0, units), on up to `threads` threads. How the ranges are cut
 * never matters to the result: units are independent. */
void reel__parallel(int threads, int64_t units, reel__body *body, void *context);

/* What runs them: "OpenMP", "libgomp" or "none". Static. */
const char *reel__threads_kind(void);

#endif
