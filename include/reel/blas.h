/** @file
 * Matrix products, by BLIS.
 */
#ifndef REEL_BLAS_H
#define REEL_BLAS_H

#include <reel/base.h>

REEL_BEGIN

/** C ← α A B + β C with A [m, k], B [k, n], C [m, n], all f32 or all f64.
 *
 * Element (i, j) of a matrix stands at `data + i * row + j * column`; the strides count elements,
 * so a transpose or a slice costs nothing. Any strides will do for A and B, also zero or negative
 * ones (rows that overlap take a slow path); the elements of C must be distinct and overlap neither
 * A nor B. β = 0 overwrites C without reading it; k = 0 leaves β C. With m or n not positive, or a
 * dtype that is not real, nothing happens.
 *
 * Runs on the calling thread alone, whatever BLIS_NUM_THREADS or OMP_NUM_THREADS say, and may be
 * called by several threads at once. The same sizes and strides give the same bits on the same
 * machine. BLIS itself gets its packing buffers from the system and ends the process when there is
 * no memory for them.
 *
 * The first call of this or of reel_blas_info() chooses BLIS's kernels: see reel_blas. */
REEL_API void reel_gemm(reel_dtype dtype, int64_t m, int64_t n, int64_t k, double alpha,
                        const void *a, int64_t a_row, int64_t a_column, const void *b,
                        int64_t b_row, int64_t b_column, double beta, void *c, int64_t c_row,
                        int64_t c_column);

/** Who chose the kernels that BLIS runs. */
typedef enum reel_blas_chooser {
    REEL_BLAS_ITSELF = 0, /**< BLIS, which knows this processor */
    REEL_BLAS_USER,       /**< the environment variable BLIS_ARCH_TYPE */
    REEL_BLAS_REEL,       /**< Reel, because BLIS does not know this processor */
    REEL_BLAS_TOO_LATE    /**< nobody any more: the program used BLIS before it used Reel */
} reel_blas_chooser;

/** What BLIS is and which of its kernel sets is in use. All strings are static.
 *
 * BLIS recognises processors by family; one that is newer than itself gets its generic kernels,
 * several times slower than the processor's own. Where that would happen, Reel makes BLIS take the
 * best set it has that the processor runs, by setting BLIS_ARCH_TYPE while BLIS starts. A valid
 * BLIS_ARCH_TYPE of the user's is left alone; one that BLIS would abort on, or whose kernels this
 * processor cannot run, is reported on stderr once and removed from the environment.
 *
 * Since the environment may change in it, a program with several threads had better make the first
 * call of reel_blas_info() or reel_gemm() before it starts them. */
typedef struct reel_blas {
    const char *version;      /**< "0.9.0" */
    const char *architecture; /**< BLIS's name of the kernel set: "haswell", "skx", "zen3",
                                 "generic", ... */
    reel_blas_chooser chooser;
    const char *message; /**< one line that explains the choice, for people */
} reel_blas;

/** Tells what was chosen, choosing first if need be. Cannot fail. Threads may call it at once. */
REEL_API void reel_blas_info(reel_blas *out);

REEL_END

#endif
