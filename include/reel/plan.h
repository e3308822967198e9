/** @file
 * Looking into the compiled executor: what its plans do, and where the time goes.
 *
 * An evaluation is taken apart into blocks, a plan says which kernels compute them in what order
 * and where values lie, and the plan is kept for the next evaluation of the same structure. See
 * docs/execution.md. What the reference executor computes is not seen here.
 */
#ifndef REEL_PLAN_H
#define REEL_PLAN_H

#include <reel/base.h>
#include <stdio.h>

REEL_BEGIN

/** Counters of a tape's plans. They survive resets. */
typedef struct reel_plan_stats {
    int64_t templates;    /**< distinct structures of blocks now known */
    int64_t codes;        /**< compiled forms of them: one for each way of being arranged */
    int64_t plans;        /**< held now */
    int64_t hits;         /**< evaluations whose plan was known */
    int64_t misses;       /**< evaluations that had to be planned */
    int64_t recorded;     /**< of these, backward passes that had to be recorded first: the blocks
                             alone did not tell them */
    int64_t evicted;      /**< plans given up because newer ones took their place */
    size_t plan_bytes;    /**< held by plans, templates and codes */
    size_t pack_bytes;    /**< held by weights in the order in which products read them */
    int64_t kernels;      /**< of the plan that ran last; 0 when there is none */
    int64_t flops;        /**< likewise: 2mnk for a product, one for an element of anything else */
    size_t peak_bytes;    /**< likewise: memory for all values while it ran */
    size_t without_reuse; /**< what it would be if no two values ever had the same bytes */
} reel_plan_stats;
/** The counters. All 0 for NULL, and where nothing has been compiled. */
REEL_API reel_plan_stats reel_plan_statistics(const reel_tape *tape);

/** Writes the plan that ran last: its steps in order, each with the scope of its first instance,
 * what its ports read, and its kernels with shapes, operands, flops and bytes; then the arrays with
 * their places and lives. The text holds no address and no time, so that two of them can be
 * compared. Scopes and names are those of the recording; after a reset they are left out. "no plan
 * has run" when there is none. `stream` stays open. */
#define reel_plan_dump(...) reel_plan_dump_at(REEL_HERE, __VA_ARGS__)
/** As the macro. */
REEL_API REEL_CHECKED reel_status reel_plan_dump_at(const char *at, reel_tape *tape, FILE *stream);

/** Measures every kernel of every plan that runs from here on, after forgetting what was measured
 * before; or, with `on` false, measures no more and keeps what there is. While it is off a kernel
 * pays one branch. Plans are made anew after it has been switched on. */
#define reel_tape_set_profiling(...) reel_tape_set_profiling_at(REEL_HERE, __VA_ARGS__)
/** As the macro. */
REEL_API void reel_tape_set_profiling_at(const char *at, reel_tape *tape, bool on);

/** What kernels of one kind took. Bytes are what they read and wrote, wherever it was. */
typedef struct reel_profile_part {
    int64_t calls;
    double seconds, flops, bytes;
} reel_profile_part;

/** What was measured: kernels alone, and whole runs; recording and planning are in neither. */
typedef struct reel_profile {
    int64_t runs;
    double seconds; /**< of the runs, from the first kernel to the last value */
    reel_profile_part products;
    reel_profile_part elementwise;
    reel_profile_part others;
} reel_profile;
/** The totals so far. All 0 for NULL, and where nothing was measured. */
REEL_API reel_profile reel_profile_totals(const reel_tape *tape);

/** Writes what was measured as tables: by kernel, by scope (the time steps of one scope added up
 * as t=*), and by kind of kernel. `stream` stays open. */
#define reel_profile_print(...) reel_profile_print_at(REEL_HERE, __VA_ARGS__)
/** As the macro. */
REEL_API REEL_CHECKED reel_status reel_profile_print_at(const char *at, reel_tape *tape,
                                                        FILE *stream);

REEL_END

#endif
