/** @file
 * What this build of Reel is and what it found on this machine: for bug reports and `reel-info`.
 */
#ifndef REEL_INFO_H
#define REEL_INFO_H

#include <reel/base.h>
#include <reel/blas.h>

REEL_BEGIN

/** Facts about the library and the machine. Strings that are not arrays are static. */
typedef struct reel_info {
    const char *version;  /**< Reel's, as reel_version() */
    const char *compiler; /**< that built the library: "gcc 12.2.0" */
    const char *threads;  /**< how it runs on several threads: "OpenMP", "libgomp" or "none" */
    int cores;            /**< processors that the system lets this process use */
    char cpu[64];         /**< the processor's name, "unknown" where it cannot be found out */
    char features[96];    /**< its vector instruction sets: "sse3 ssse3 avx fma avx2 avx512" */
    const char *isa;      /**< which of them kernels use: reel_isa_name(reel_isa_used()) */
    reel_blas blas;
    bool dot;     /**< whether reel_draw() will find Graphviz's `dot` in PATH */
    bool gnuplot; /**< whether `gnuplot` is in PATH */
} reel_info;

/** Fills in *out. Cannot fail. Starts BLIS: see reel_blas_info(). */
REEL_API void reel_info_get(reel_info *out);

/** Whether a program of that name is in a folder of the environment variable PATH and may be run.
 */
REEL_API bool reel_program_exists(const char *name);

REEL_END

#endif
