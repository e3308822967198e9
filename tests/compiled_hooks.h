/* What tests ask of the compiled executor beyond the public interface. Each of these may be absent:
 * tests then do without and say so. */
#ifndef TESTS_COMPILED_HOOKS_H
#define TESTS_COMPILED_HOOKS_H

#include <reel/tape.h>

/* How often pass i has changed a plan since the program started. */
extern uint64_t reel__pass_count(int pass) __attribute__((weak));
/* Breaks one thing in the executor, from 1 up; 0 mends it. */
extern void reel__plant(int fault) __attribute__((weak));
/* What fault i breaks, in a few words; NULL when there is no such fault. */
extern const char *reel__plant_name(int fault) __attribute__((weak));

#endif
