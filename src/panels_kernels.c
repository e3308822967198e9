/* Job: the inner kernels of products with packed matrices: tiles of C that stay in registers.
 * Invariant: an element's sum is one chain of multiply-adds, k rising, whatever the tile.
 * Must not know: how matrices are packed beyond one panel, or who shares the work. */
#include "panels_kernels.h"

#include "cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* clang 14 takes minutes over thousands of checks in unrolled loops, gcc does not. */
#if defined(__clang__)
#define INLINE static inline __attribute__((always_inline, no_sanitize("undefined")))
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* Any processor: vectors of 16 bytes, which compilers make of whatever there is. Four of them make
 * a panel; two rows fill 8 of 16 registers. */
typedef float vector_f32 __attribute__((vector_size(16), aligned(4), may_alias));
typedef double vector_f64 __attribute__((vector_size(16), aligned(8), may_alias));

#define TARGET
#define NEEDS      0
#define ROWS       2
#define DEEP       256
#define KERNELS(K) K(1, 0) K(1, 1) K(2, 0)

#define REAL                  float
#define VECTOR                vector_f32
#define NAME(x)               x##_f32
#define LOAD(p)               (*(const vector_f32 *)(p))
#define STORE(p, v)           (*(vector_f32 *)(p) = (v))
#define SPREAD(x)             ((vector_f32){(x), (x), (x), (x)})
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#include "panels_tile.h"

#define REAL                  double
#define VECTOR                vector_f64
#define NAME(x)               x##_f64
#define LOAD(p)               (*(const vector_f64 *)(p))
#define STORE(p, v)           (*(vector_f64 *)(p) = (v))
#define SPREAD(x)             ((vector_f64){(x), (x)})
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#include "panels_tile.h"

#undef TARGET
#undef NEEDS
#undef ROWS
#undef DEEP
#undef KERNELS

#if defined(__x86_64__)

/* AVX2: 16 registers. Six rows of one panel take 12 for sums, 2 for the panel, 1 for A. With fewer
 * rows, more panels keep both multipliers busy (8 sums in flight). */
#define TARGET     __attribute__((target("avx2,fma")))
#define NEEDS      (REEL__CPU_AVX2 | REEL__CPU_FMA)
#define ROWS       6
#define DEEP       384
#define KERNELS(K) K(1, 0) K(1, 1) K(1, 2) K(2, 0) K(2, 1) K(3, 0) K(3, 1) K(4, 0) K(5, 0) K(6, 0)

#define REAL                  float
#define VECTOR                __m256
#define NAME(x)               x##_avx2_f32
#define LOAD(p)               _mm256_loadu_ps(p)
#define STORE(p, v)           _mm256_storeu_ps(p, v)
#define SPREAD(x)             _mm256_set1_ps(x)
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#include "panels_tile.h"

#define REAL                  double
#define VECTOR                __m256d
#define NAME(x)               x##_avx2_f64
#define LOAD(p)               _mm256_loadu_pd(p)
#define STORE(p, v)           _mm256_storeu_pd(p, v)
#define SPREAD(x)             _mm256_set1_pd(x)
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_pd(a, b, c)
#include "panels_tile.h"

#undef TARGET
#undef NEEDS
#undef ROWS
#undef DEEP
#undef KERNELS

/* AVX-512: 32 registers, and a panel's row is one. Eight rows of two panels take 16 for sums. */
#define TARGET __attribute__((target("avx512f")))
#define NEEDS  REEL__CPU_AVX512
#define ROWS   8
#define DEEP   512
/* clang-format off */
#define KERNELS(K)                                                                  \
    K(1, 0) K(1, 1) K(1, 2) K(1, 3) K(2, 0) K(2, 1) K(2, 2) K(3, 0) K(3, 1) K(3, 2) \
    K(4, 0) K(4, 1) K(5, 0) K(5, 1) K(6, 0) K(6, 1) K(7, 0) K(7, 1) K(8, 0) K(8, 1)
/* clang-format on */

#define REAL                  float
#define VECTOR                __m512
#define NAME(x)               x##_avx512_f32
#define LOAD(p)               _mm512_loadu_ps(p)
#define STORE(p, v)           _mm512_storeu_ps(p, v)
#define SPREAD(x)             _mm512_set1_ps(x)
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#include "panels_tile.h"

#define REAL                  double
#define VECTOR                __m512d
#define NAME(x)               x##_avx512_f64
#define LOAD(p)               _mm512_loadu_pd(p)
#define STORE(p, v)           _mm512_storeu_pd(p, v)
#define SPREAD(x)             _mm512_set1_pd(x)
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_pd(a, b, c)
#include "panels_tile.h"

#endif

const reel__tiles *reel__tiles_for(reel_dtype dtype, unsigned features)
{
    static const reel__tiles *const sets[][2] = {
#if defined(__x86_64__)
        {&tiles_avx512_f32, &tiles_avx512_f64},
        {&tiles_avx2_f32, &tiles_avx2_f64},
#endif
        {&tiles_f32, &tiles_f64},
    };
    size_t i = 0;
    while (sets[i][0]->needs & ~features) {
        i++;
    }
    return sets[i][dtype == REEL_F32 ? 0 : 1];
}
