/** @file
 * Gradient-flow diagnostics: how large the loss's derivatives are at every step of an unroll, and
 * how much the recurrent weights stretch what passes through them.
 *
 * A gradient that flows back from step t+1 to step t is multiplied by the Jacobian of the step. In
 * a simple recurrent network that is Wᵀ diag(φ'), whose norm is at most the largest singular value
 * of W where |φ'| ≤ 1: below 1 the gradient vanishes, above 1 it may explode (Bengio et al. 1994;
 * Pascanu et al. 2013, section 2.1). An LSTM's memory passes it on through f ⊙ alone (Hochreiter &
 * Schmidhuber 1997).
 *
 *     reel_state state[T + 1];
 *     state[0] = reel_state_zero(tape, cell, batch);
 *     reel_flow_unroll(cell, T, x, state, y);
 *     reel_flow flow = {.name = "LSTM"};
 *     if (reel_flow_measure(&flow, loss_of(y[T - 1]), T + 1, state, params) == REEL_OK) {
 *         reel_flow_print(&flow, stdout);
 *         reel_flow_plot("flow.svg", 1, &flow);
 *     }
 *     reel_flow_free(&flow);
 */
#ifndef REEL_FLOW_H
#define REEL_FLOW_H

#include <stdio.h>

#include <reel/base.h>
#include <reel/cell.h>
#include <reel/params.h>

REEL_BEGIN

/* The states of every step */

/** reel_unroll that keeps the states of every step: state[0] is given, state[t + 1] is what step t
 * leaves (its n and nodes are filled in). Recorded step by step, as by reel_step_once, all layers
 * of a stack together; the states are then those of all layers. `state` holds T + 1 entries, x and
 * y hold T and may be the same array. On error y and the states are the error node and the status
 * returned is also the tape's. */
REEL_API reel_status reel_flow_unroll_at(const char *at, reel_cell *cell, int64_t T,
                                         reel_node *const *x, reel_state *state, reel_node **y);
#define reel_flow_unroll(...) reel_flow_unroll_at(REEL_HERE, __VA_ARGS__)

/** norm[i n + t] = ‖∂loss/∂v_i‖₂ of state[t], over batch and features together, for every state i
 * of n steps: the whole derivative, through all that depends on that node (of h_t: the output of
 * step t and the steps behind). The states may be from reel_flow_unroll or gathered from
 * reel_step_once, and must all have state[0].n nodes on the loss's tape. `norm` holds state[0].n ·
 * n numbers. On error they are untouched and the status is also the tape's. */
REEL_API REEL_CHECKED reel_status reel_flow_norms_at(const char *at, reel_node *loss, int64_t n,
                                                     const reel_state *state, double *norm);
#define reel_flow_norms(...) reel_flow_norms_at(REEL_HERE, __VA_ARGS__)

/* Weights */

/** The largest singular value of `a` [rows, cols], row-major: max ‖A v‖/‖v‖. Power iteration on the
 * smaller of AᵀA and AAᵀ, 2^k steps of it by k squarings: ends when its bounds ‖Av‖ ≤ σ ≤ (tr
 * G^p)^(1/2p), p = 2^k, agree to 1e-10, which takes at most 40 squarings whatever the gap to the
 * second value; the lower bound is returned, as a rule exact to rounding. Costs 2 n³ flops for each
 * squaring, n the smaller side. 0 for an empty matrix; NAN when an element is not finite or memory
 * is out. */
REEL_API double reel_matrix_singular(int64_t rows, int64_t cols, const double *a);
/** The spectral radius max |λ| of a square matrix [n, n]: the limit of ‖A^p‖^(1/p) (Gelfand 1941),
 * p = 2^k by k squarings, so that complex pairs and equal moduli do no harm. Ends when two
 * estimates differ by less than 1e-12 relatively, or after 48 squarings. The error is of the order
 * of what rounding A itself does to the eigenvalue. 0 for an empty or nilpotent matrix; NAN as
 * above. */
REEL_API double reel_matrix_radius(int64_t n, const double *a);

/** Blocks of a weight that stacks square matrices, such as the gates of weight_hh [n H, H]: dim[0]
 * / dim[1]; 1 for any other matrix, 0 for what is none. */
REEL_API int64_t reel_param_blocks(const reel_param *p);
/** The largest singular value of block k of a weight. An error on its set, and NAN, when there is
 * no such block or an element is not finite. */
REEL_API double reel_param_singular(const reel_param *p, int64_t block);
/** The spectral radius of square block k of a weight; errors as above. */
REEL_API double reel_param_radius(const reel_param *p, int64_t block);
/** Multiplies block k of a weight so that its largest singular value becomes `value` (≥ 0, to
 * 1e-10); moves the version. A block of zeros is an error unless value is 0. On error, reported on
 * the set, the weight is unchanged. */
REEL_API REEL_CHECKED reel_status reel_param_set_singular(reel_param *p, int64_t block,
                                                          double value);

/* The report */

/** One block of one recurrent weight. */
typedef struct reel_flow_weight {
    char name[96];   /**< the weight's, and "[k]" where it has several blocks */
    double singular; /**< largest singular value */
    double radius;   /**< spectral radius */
} reel_flow_weight;

/** What reel_flow_measure found. Start with {0} or with a name; freed with reel_flow_free. */
typedef struct reel_flow {
    const char *name; /**< the caller's: for tables and curves; borrowed; NULL: "" */
    reel_status status;
    char message[512]; /**< what went wrong; "" when nothing did */
    int states;        /**< states of a step */
    int64_t steps;     /**< steps measured, the initial state counted: t = 0 .. steps - 1 */
    double *norm;      /**< norm[i steps + t] as reel_flow_norms tells */
    int weights;
    reel_flow_weight *weight; /**< every block of every weight named "*weight_hh*" */
} reel_flow;

/** Makes the report: the norms at all n steps and the recurrent weights of `params` (NULL: none).
 * What `flow` held is freed first. On error, which is also in flow->message, it holds no figures.
 */
REEL_API REEL_CHECKED reel_status reel_flow_measure_at(const char *at, reel_flow *flow,
                                                       reel_node *loss, int64_t n,
                                                       const reel_state *state,
                                                       reel_params *params);
#define reel_flow_measure(...) reel_flow_measure_at(REEL_HERE, __VA_ARGS__)
/** Writes the report as two tables: norms by step (all of them, or about 20 evenly spread with the
 * first and last, a column for each state), and weights. `out` stays open. REEL_ERR_FILE when it
 * cannot be written. */
REEL_API reel_status reel_flow_print(const reel_flow *flow, FILE *out);
/** Draws the norms of n reports against T - t, the steps back from the last state, on a logarithmic
 * axis: a curve for each state of each report. By the end of the path: .gp writes a script of
 * gnuplot that holds its data; .svg, .png and .pdf have the program gnuplot draw it. Where there is
 * none, or it fails, the script is left beside, under the path with .gp behind, and the status is
 * REEL_ERR_PROGRAM. What went wrong is in flow[0].message. */
REEL_API reel_status reel_flow_plot(const char *path, int n, reel_flow *flow);
/** Frees the figures and makes the report {0}, its name kept. NULL is allowed. */
REEL_API void reel_flow_free(reel_flow *flow);

REEL_END

#endif
