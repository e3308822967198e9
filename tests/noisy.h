/* An executor for tests that computes as the reference executor does and disturbs every element of
 * a result by a random part of its magnitude: where the rounding of the op depends on how it is
 * computed, and in all that is computed from there on. How far values then move shows how sensitive
 * they are to rounding. */
#ifndef TESTS_NOISY_H
#define TESTS_NOISY_H

#include <reel/op.h>
#include <reel/tape.h>

/* The disturbance of what follows: element += epsilon r magnitude, with r in ±[0.5, 1] drawn from
 * the seed. */
void noisy_start(double epsilon, uint64_t seed);
/* Tells that weights have been updated from values that noise went into. */
void noisy_weights_moved(void);
/* Makes the tape compute so from now on; nothing may be on it yet. */
void noisy_take(reel_tape *tape);
/* Whether executors may round this op's result differently. False: it must have the same bits. */
bool noisy_op(const reel_op *op);
/* The op of that name gives results that are off by this part of their magnitude: a fault that
 * comparisons must find. NULL: none. */
void noisy_break(const char *op, double by);

#endif
