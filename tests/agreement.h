/* Whether two executors agree on a random program.
 *
 * Values that no noisy op takes part in (noisy.h) must have the same bits. For any other value the
 * bound is
 *
 *     |a - b| ≤ u (m + m* / 1024),    u = 1e-12 in f64, 2^-18 in f32,
 *
 * where m is the magnitude of what rounding can do to this very element: how far it moves, by
 * first order, when every element of every op before it that is noisy, or comes after a noisy one,
 * is moved by its own magnitude (that of a sum of products: the sum of the products' absolute
 * values; by element: its absolute value). m* is the largest m of the tensor. m is found by running
 * the program some times with random disturbances of epsilon times those magnitudes (2^-34 in f64,
 * 2^-20 in f32), and taking the largest movement over epsilon: an estimate from below, so that the
 * bound is tighter than if m were exact. A tensor of which an element moves by more than a small
 * part of the largest element lies at a kink or is ill-conditioned; it is left out and counted. One
 * that moves by no more than a few units in the last place of its largest element may differ by
 * four times as much: that is the rounding of the disturbed runs themselves, which does not shrink
 * with epsilon. */
#ifndef TESTS_AGREEMENT_H
#define TESTS_AGREEMENT_H

#include "random_graph.h"

#define ALL_PASSES (~0U)

/* How a program is run. */
typedef struct lane {
    reel_dtype dtype;
    bool compiled;
    unsigned passes;
    int threads;
    double epsilon; /* not 0: by the noisy executor */
    uint64_t noise;
    const char *broken; /* by the noisy executor, with this op off by 1e-9 */
} lane;

enum { FEW_NOISES = 3, MORE_NOISES = 16 };

/* A program's values by the reference executor, and how sensitive they are. */
typedef struct oracle {
    random_graph g;
    reel_dtype dtype;
    random_trace reference;
    random_trace noise[MORE_NOISES];
    int noises;
} oracle;

typedef struct tally {
    uint64_t programs, nodes, elements, exact, left_out, failed_programs;
    double closest; /* the largest part of a bound that was used up */
} tally;

/* What noise is a part of: see above. */
double agreement_epsilon(reel_dtype dtype);
/* The bound for an element that noise of that part moved by `moved`, of a tensor of which it moved
 * one by most_moved, and whose largest element has that size. */
double agreement_bound(reel_dtype dtype, double moved, double most_moved, double largest);

/* How many passes the compiled executor has. */
int compiled_passes(void);

void run_lane(const random_graph *g, const lane *l, const random_trace *follow, random_trace *t);
void oracle_make(oracle *o, const random_graph *g, reel_dtype dtype, uint64_t *count);
void oracle_free(oracle *o);
/* Runs the program on the lane and compares. False: text tells what differs. */
bool oracle_agrees(oracle *o, const lane *l, tally *t, char *text, size_t n);
/* Does the job in a process of its own. False when that crashes or hangs: text, which says what was
 * done, is then continued. */
bool in_child(void (*job)(void *context), void *context, char *text, size_t n);
/* Zeroed memory that children share. */
void *shared_memory(size_t size);
/* Leaves out of a program that fails, and of the passes, whatever is not needed for it to fail. */
void make_smaller(random_graph *g, lane *l, char *text, size_t n);
/* "SEED WITHOUT0 WITHOUT1 ROUNDS", as the command line of check_compiled takes it. */
void program_text(const random_graph *g, char *text, size_t n);

#endif
