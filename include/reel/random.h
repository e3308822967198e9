/** @file
 * Random numbers: counter-based (Philox 4x32-10, Salmon et al. 2011), so that a number depends on its seed,
 * stream and position alone, never on threads or order.
 */
#ifndef REEL_RANDOM_H
#define REEL_RANDOM_H

#include <reel/base.h>

REEL_BEGIN

/** A generator: plain data, to be copied and saved as its three words. */
typedef struct reel_random {
    uint64_t seed, stream, position;
} reel_random;

/** A generator at the start of a stream. Streams of one seed are independent. */
REEL_API reel_random reel_random_new(uint64_t seed, uint64_t stream);
/** 64 random bits. */
REEL_API uint64_t reel_random_bits(reel_random *r);
/** Uniform in [0, 1), 53 bits. */
REEL_API double reel_random_uniform(reel_random *r);
/** Standard normal (Box & Muller 1958). */
REEL_API double reel_random_normal(reel_random *r);
/** Uniform in 0..n-1 without bias; n > 0. */
REEL_API uint64_t reel_random_below(reel_random *r, uint64_t n);
/** Draws an index from n probabilities or other non-negative weights; n - 1 when all are zero. */
REEL_API size_t reel_random_choice(reel_random *r, const double *weight, size_t n);
/** Fills index with a random permutation of 0..n-1 (Fisher–Yates). */
REEL_API void reel_random_shuffle(reel_random *r, uint32_t *index, size_t n);
/** Four words of Philox 4x32-10 for this seed, stream and 128-bit counter: what masks are made of. */
REEL_API void reel_random_block(uint64_t seed, uint64_t stream, uint64_t counter_high,
                                uint64_t counter_low, uint32_t out[4]);
/** A stream number from a text (FNV-1a, 64 bit). */
REEL_API uint64_t reel_random_stream(const char *text);

REEL_END

#endif
