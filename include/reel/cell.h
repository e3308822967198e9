/** @file
 * Cells and the driver that unrolls them.
 *
 * A cell is a step function with declared state. The function reads the states s->v[0..], writes
 * the new ones there and returns the step's output (usually the new hidden state). Weights are made
 * on first use, under the cell's name. One driver gives every cell, the user's too, stacking,
 * dropout between layers, scopes and truncation.
 */
#ifndef REEL_CELL_H
#define REEL_CELL_H

#include <reel/base.h>
#include <reel/params.h>

REEL_BEGIN

enum { REEL_MAX_STATES = 64, REEL_MAX_OPTIONS = 12 };

/** The nodes a cell carries from step to step: v[0] is the hidden state h by convention, v[1] the
 * memory c; for a stack, the layers' states one after another from the lowest layer up. */
typedef struct reel_state {
    int n;
    reel_node *v[REEL_MAX_STATES];
} reel_state;

/** One step: input x [batch, in], states in and out in s, returns the output [batch, hidden]. */
typedef reel_node *reel_step(reel_cell *cell, reel_node *x, reel_state *s);

/** An option that a kind of cell understands: a number, or one of the words in `words`
 * ("before|after", whose value is its position). */
typedef struct reel_cell_option {
    const char *name;
    double value;      /**< the default */
    const char *words; /**< NULL: a number; "" : a flag, 1 when named */
    const char *help;  /**< one line */
} reel_cell_option;

/** A kind of cell that is shipped or shared: what reel_cell_new needs to know beside the sizes. */
typedef struct reel_cell_type {
    const char *name;
    const char *help; /**< one line: what it is and its source */
    int states;
    reel_step *step;
    reel_cell_option option[REEL_MAX_OPTIONS]; /**< up to the first without a name */
    /** Where options decide how many states there are; NULL: `states`. */
    int (*count)(const reel_cell *cell);
} reel_cell_type;

/** How long a mask lasts. */
typedef enum reel_lifetime {
    REEL_EACH_STEP,    /**< a fresh one each step */
    REEL_EACH_SEQUENCE /**< one for all steps of a run (Gal & Ghahramani 2016) */
} reel_lifetime;

/** A dropout mask on an arrow: with probability p an element is 0, else it is times 1/(1-p); in
 * test mode there is none. Drawn for each unit and sequence: see reel_run_args.sequence. */
typedef struct reel_mask {
    double p; /**< 0: none */
    reel_lifetime lifetime;
    reel_node *given; /**< this node [batch, features] instead, also in test mode */
} reel_mask;

/** What regularizes a cell. Zaremba et al. 2014: input (and output) each step. Gal & Ghahramani
 * 2016: input and recurrent each sequence, per gate or not. Semeniuta et al. 2016: candidate.
 * Krueger et al. 2017: zoneout. A mask on the recurrent arrow each step is the naive dropout that
 * forgets. The recurrent mask is on what the recurrent weights see, not on h where h is carried on
 * as it is. In training a run fails when its cell, or one of a stack, never asks for a recurrent or
 * candidate mask that is set, or for one by gate: it has no place for it. */
typedef struct reel_regularizers {
    reel_mask input, recurrent, candidate, output;
    bool per_gate; /**< each gate has an input and a recurrent mask of its own */
    /** Training: with that probability a unit keeps its old value, states[0] and the others; test:
     * z old + (1 - z) new. The step computes h from the c that is not zoned. */
    double zoneout_h, zoneout_c;
} reel_regularizers;

/** What a cell is made from; zero members mean the default. */
typedef struct reel_cell_args {
    reel_params *params;
    const char *name;   /**< prefix of the weights' names and the scope's name */
    reel_step *step;    /**< the step function; NULL when `type` is given */
    int64_t in, hidden; /**< features of the input and of each state */
    int states;         /**< number of states, each [batch, hidden]; 0 means 1 */
    int layer;          /**< the number k in PyTorch's names, weight_ih_l<k> */
    const reel_cell_type *type;
    const char *options; /**< of the type: "name=value name ...", separated by spaces or commas */
    reel_init weight, recurrent,
        bias;        /**< default starts: U(-1/√hidden, 1/√hidden), orthogonal per gate, 0 */
    bool two_biases; /**< an input and a recurrent bias, as PyTorch has */
    bool no_bias;
    void *context;             /**< the step function's own: reel_cell_context */
    reel_regularizers regular; /**< as reel_cell_regularize */
    bool bidirectional;        /**< reel_layers: each layer goes both ways, as PyTorch's */
    const char *suffix;        /**< behind the weights' names; PyTorch's is "_reverse" */
    const char *at;            /**< filled in by the macros */
} reel_cell_args;

/** A new cell, owned by the caller, freed with reel_cell_free. NULL only when memory is out or
 * there is no params set; other bad arguments are an error on the set, which flows into every tape
 * the cell is used on. Cells of one name share weights. */
REEL_API reel_cell *reel_cell_new_with(const reel_cell_args *args);
/** reel_cell_new(params, "name", step, .in = I, .hidden = H, .states = n) */
#define reel_cell_new(...) reel_cell_new_with(&(reel_cell_args){__VA_ARGS__, .at = REEL_HERE})
/** reel_cell_of(params, "name", &reel_lstm, .in = I, .hidden = H, .options = "forget_bias=2") */
#define reel_cell_of(ps, label, kind, ...) \
    reel_cell_new_with(&(reel_cell_args){  \
        .params = (ps), .name = (label), .type = (kind), .at = REEL_HERE, __VA_ARGS__})
/** Frees the cell (a stack: its layers too), not its weights. NULL is allowed. */
REEL_API void reel_cell_free(reel_cell *cell);

/** What a stack is made from. */
typedef struct reel_stack_args {
    reel_params *params;
    const char *name;
    int n;                  /**< number of layers */
    reel_cell *const *cell; /**< from the lowest up; the stack takes ownership, whatever happens */
    double dropout;         /**< between layers, as Zaremba et al. 2014: not on the last output */
    const char *at;
} reel_stack_args;
/** A stack of layers as one cell: h^l_t = cell_l(h^{l-1}_t, h^l_{t-1}), any mixture of cells, each
 * of them once. NULL when there are no cells or memory is out (an error on the set). */
REEL_API reel_cell *reel_cell_stack_with(const reel_stack_args *args);
/** reel_cell_stack(params, "name", n, cells, .dropout = p) */
#define reel_cell_stack(...) reel_cell_stack_with(&(reel_stack_args){__VA_ARGS__, .at = REEL_HERE})
/** The usual stack: `layers` cells of one kind, weights named name.weight_ih_l0, _l1, ... as
 * PyTorch's. args->layer must be 0. */
REEL_API reel_cell *reel_layers_with(const reel_cell_args *args, int layers, double dropout);

/** What is made around a cell, or two. */
typedef struct reel_around_args {
    reel_params *params;
    const char *name;
    reel_cell *cell;     /**< what is wrapped becomes the wrapper's, whatever happens */
    reel_cell *backward; /**< bidirectional: the other direction */
    bool sum;            /**< bidirectional: outputs added up, not side by side */
    int factor;          /**< pyramid: steps that become one, 2 to 16 */
    reel_init bias;      /**< highway: default -1, so that x passes at first */
    const char *at;
} reel_around_args;
/** A layer that goes both ways: y_t = [h→_t, h←_t] (Schuster & Paliwal 1997), or h→_t + h←_t. The
 * backward cell begins at each sequence's own end. States: the forward cell's, then the backward
 * one's. Needs all steps at once: not for reel_step_once. NULL when memory is out or there is no
 * cell. */
REEL_API reel_cell *reel_cell_bidirectional_with(const reel_around_args *args);
/** reel_cell_bidirectional(params, "name", forward, backward, .sum = true) */
#define reel_cell_bidirectional(...) \
    reel_cell_bidirectional_with(&(reel_around_args){__VA_ARGS__, .at = REEL_HERE})
/** y = cell(x) + x (He et al. 2016). */
REEL_API reel_cell *reel_cell_residual_with(const reel_around_args *args);
/** reel_cell_residual(params, "name", cell) */
#define reel_cell_residual(...) \
    reel_cell_residual_with(&(reel_around_args){__VA_ARGS__, .at = REEL_HERE})
/** y = t ⊙ cell(x) + (1 - t) ⊙ x, t = σ(W x + b) (Srivastava et al. 2015). Weights
 * `name.weight_ih_highway`, `name.bias_highway`. */
REEL_API reel_cell *reel_cell_highway_with(const reel_around_args *args);
/** reel_cell_highway(params, "name", cell) */
#define reel_cell_highway(...) \
    reel_cell_highway_with(&(reel_around_args){__VA_ARGS__, .at = REEL_HERE})
/** The cell sees `factor` neighbouring steps side by side, so that an output stands for so many
 * (Chan et al. 2016): ⌈T / factor⌉ outputs, zeros beyond the end. Not for reel_step_once. */
REEL_API reel_cell *reel_cell_pyramid_with(const reel_around_args *args);
/** reel_cell_pyramid(params, "name", cell, .factor = 2) */
#define reel_cell_pyramid(...) \
    reel_cell_pyramid_with(&(reel_around_args){__VA_ARGS__, .at = REEL_HERE})
/** Regularizes a cell: all cells of a stack, and all of what is wrapped. A rate out of range is an
 * error on the set. A `given` mask belongs to one recording: set it anew after a reset. */
REEL_API void reel_cell_regularize(reel_cell *cell, const reel_regularizers *regular);

/** Features of the input; 0 for NULL. */
REEL_API int64_t reel_cell_in(const reel_cell *cell);
/** Features of the output; 0 for NULL. */
REEL_API int64_t reel_cell_hidden(const reel_cell *cell);
/** Number of states, all layers of a stack together. */
REEL_API int reel_cell_states(const reel_cell *cell);
/** The cell's name. Never NULL. */
REEL_API const char *reel_cell_name(const reel_cell *cell);
/** The set that owns its weights. */
REEL_API reel_params *reel_cell_params(const reel_cell *cell);
/** What was given as `.context`: the step function's own. */
REEL_API void *reel_cell_context(const reel_cell *cell);
/** The value of the type's i-th option (in the order of its declaration). */
REEL_API double reel_cell_option_value(const reel_cell *cell, int i);

/** Which state sums a sequence up: state 0, h by convention, of the top layer; of one that goes
 * both ways the backward cell's, which at the end has seen the first step last. */
REEL_API int reel_cell_summary(const reel_cell *cell);
/** Whether it can run one step after another: not what goes both ways or is a pyramid. */
REEL_API bool reel_cell_stepwise(const reel_cell *cell);
/** How many steps become one output: more than 1 where a pyramid is in it. */
REEL_API int reel_cell_factor(const reel_cell *cell);
/** How many outputs T steps have: fewer than T where a pyramid is in it. */
REEL_API int64_t reel_cell_steps(const reel_cell *cell, int64_t T);

/* What step functions are made of */

/** The candidate value g = tanh(...) with its mask, g itself where it has none: a cell passes what
 * it adds to its memory through this, so that it can be regularized as Semeniuta et al. 2016. */
REEL_API reel_node *reel_candidate_at(const char *at, reel_cell *cell, reel_node *g);
#define reel_candidate(...) reel_candidate_at(REEL_HERE, __VA_ARGS__)
/** What the recurrent weights see of h, with its mask, h itself where it has none: for cells that
 * multiply by weights of their own; reel_gate and its relatives see to it. Masks by gate are an
 * error here. A mask that a cell has no place for is an error of the run. */
REEL_API reel_node *reel_recurrent_at(const char *at, reel_cell *cell, reel_node *h);
#define reel_recurrent(...) reel_recurrent_at(REEL_HERE, __VA_ARGS__)
/** The time of the present step: [batch, 2], t = hi + lo, so that f32 keeps the digits of f64. The
 * step's number when the run was given no time; NULL outside of a run. */
REEL_API reel_node *reel_cell_time_at(const char *at, reel_cell *cell);
#define reel_cell_time(...) reel_cell_time_at(REEL_HERE, __VA_ARGS__)

/** W x + U h + b: one gate of the cell. Weights `<cell>.weight_ih_<gate>` [hidden, in],
 * `.weight_hh_<gate>` [hidden, hidden], `.bias_<gate>` [hidden] (with a layer k > 0: `_l<k>`
 * behind). h may be NULL: no recurrent part. */
REEL_API reel_node *reel_gate_at(const char *at, reel_cell *cell, const char *gate, reel_node *x,
                                 reel_node *h);
#define reel_gate(...) reel_gate_at(REEL_HERE, __VA_ARGS__)
/** n gates from one stored tensor under PyTorch's names: a[k] = rows k of W x + U h + b, with
 * `<cell>.weight_ih_l<layer>` [n hidden, in], `weight_hh_l` [n hidden, hidden], `bias_ih_l` [n
 * hidden] (and `bias_hh_l` with two biases). */
REEL_API void reel_gates_at(const char *at, reel_cell *cell, int n, reel_node *x, reel_node *h,
                            reel_node **a);
#define reel_gates(...) reel_gates_at(REEL_HERE, __VA_ARGS__)
/** The two halves of reel_gates apart: xs[k] = rows k of W x + b (the input bias) for all n gates,
 * hs[k] = rows k of U h for the first m gates (+ the recurrent bias with two biases or when
 * `recurrent_bias` is set: cuDNN's GRU needs it). */
REEL_API void reel_gates_apart_at(const char *at, reel_cell *cell, int n, int m, reel_node *x,
                                  reel_node *h, bool recurrent_bias, reel_node **xs,
                                  reel_node **hs);
#define reel_gates_apart(...) reel_gates_apart_at(REEL_HERE, __VA_ARGS__)
/** U_k h alone (and its recurrent bias with two biases) for the rows of gate k out of n of
 * weight_hh: for gates that see something other than h, such as r ⊙ h. */
REEL_API reel_node *reel_gate_recurrent_at(const char *at, reel_cell *cell, int n, int k,
                                           reel_node *h);
#define reel_gate_recurrent(...) reel_gate_recurrent_at(REEL_HERE, __VA_ARGS__)
/** A weight of the cell's own, named by the cell, a dot and `what` (with a layer k > 0, `_l` and k
 * behind). */
REEL_API reel_node *reel_cell_weight_at(const char *at, reel_cell *cell, reel_node *like,
                                        const char *what, reel_shape shape, reel_init init);
#define reel_cell_weight(...) reel_cell_weight_at(REEL_HERE, __VA_ARGS__)
/** That weight itself, made if it is not there: while reel_param_take_fresh says so, it may be
 * started in a way of its own. NULL after an error on the set. */
REEL_API reel_param *reel_cell_param(reel_cell *cell, const char *what, reel_shape shape,
                                     reel_init init);
/** Starts the bias of gate k of n (in the one bias; with two, in the input one) at a constant when
 * the weight is created: the forget bias. Call before reel_gates in the step. */
REEL_API void reel_cell_gate_bias(reel_cell *cell, int n, int k, double value);

/* States */

/** All states zero, for a batch of that size. */
REEL_API reel_state reel_state_zero_at(const char *at, reel_tape *tape, const reel_cell *cell,
                                       int64_t batch);
#define reel_state_zero(...) reel_state_zero_at(REEL_HERE, __VA_ARGS__)

/** State values between tapes' resets: truncated BPTT carries values, not gradients. Start with
 * {0}. */
typedef struct reel_carry {
    int n;
    reel_shape shape[REEL_MAX_STATES];
    double *value[REEL_MAX_STATES]; /**< f64 holds both types exactly */
} reel_carry;
/** The carried states as leaves; zero where nothing is carried yet. A batch or cell that differs
 * from the carried one is an error on the tape. */
REEL_API reel_state reel_state_from_at(const char *at, reel_tape *tape, const reel_cell *cell,
                                       int64_t batch, const reel_carry *carry);
#define reel_state_from(...) reel_state_from_at(REEL_HERE, __VA_ARGS__)
/** Evaluates the states (final states of an unroll are kept, so this costs nothing after a step)
 * and copies their values. On error the carry is unchanged. */
REEL_API REEL_CHECKED reel_status reel_state_keep(reel_carry *carry, const reel_state *s);
/** Sets sequence b of every state to zero: a new sequence starts in its place. */
REEL_API void reel_carry_zero(reel_carry *carry, int64_t b);
/** Frees the values and makes it {0} again. */
REEL_API void reel_carry_free(reel_carry *carry);
/** The states with the gradient cut. */
REEL_API reel_state reel_state_detach_at(const char *at, const reel_state *s);
#define reel_state_detach(...) reel_state_detach_at(REEL_HERE, __VA_ARGS__)

/** Rows of every state by an i32 index [n]: hypotheses of a beam search go on from those they
 * extend. */
REEL_API reel_state reel_state_gather_at(const char *at, const reel_state *s, reel_node *index);
#define reel_state_gather(...) reel_state_gather_at(REEL_HERE, __VA_ARGS__)
/** Sequences [from, to) of the batch. */
REEL_API reel_state reel_state_slice_at(const char *at, const reel_state *s, int64_t from,
                                        int64_t to);
#define reel_state_slice(...) reel_state_slice_at(REEL_HERE, __VA_ARGS__)

/** β/T Σ_t (‖h_t‖ - ‖h_{t-1}‖)² over each sequence's own length, the mean over the batch (Krueger &
 * Memisevic 2016): a penalty to be added to the loss. h: T nodes [batch, n]; h0: the initial state,
 * NULL: 0; length: by sequence, NULL: T. The gradient of ‖h‖ at 0 is 0. */
REEL_API reel_node *reel_norm_stabilizer_at(const char *at, int64_t T, reel_node *const *h,
                                            reel_node *h0, const int64_t *length, double beta);
#define reel_norm_stabilizer(...) reel_norm_stabilizer_at(REEL_HERE, __VA_ARGS__)

/* The driver */

/** Applies the cell along time: y[t] = step(x[t]), s moves on. A stack runs layer by layer. x and y
 * hold T nodes each (they may be the same array). Final states are marked with reel_want. Scopes:
 * the cell's name, then t=0, 1, ...; layers of a stack "name/l0". With s NULL the states start at
 * zero and are dropped. T may differ on every call. On error y is filled with the error node and
 * the status returned is also the tape's. */
REEL_API reel_status reel_unroll_at(const char *at, reel_cell *cell, int64_t T, reel_node *const *x,
                                    reel_state *s, reel_node **y);
#define reel_unroll(...) reel_unroll_at(REEL_HERE, __VA_ARGS__)
/** What reel_run is told. */
typedef struct reel_run_args {
    reel_cell *cell;
    int64_t T;
    reel_node *const *x; /**< T nodes [batch, in] */
    reel_state *state;   /**< moves on; NULL: starts at zero and is dropped */
    reel_node **y;       /**< T nodes [batch, hidden]; NULL ones behind reel_cell_steps(cell, T) */
    /** By sequence of the batch, how many of the T steps are its own. From there on its state
     * stays, its outputs are 0, and nothing that stands in x matters. NULL: T. */
    const int64_t *length;
    const double *time; /**< [T][batch]: when each step is, for cells that ask for it */
    bool reverse;       /**< from the last step (of each sequence) to the first */
    int64_t first;      /**< the number of the first step in scopes */
    /** Names of the sequences, [batch]: what masks go by, so that a sequence has the same ones in
     * any batch. NULL: each run has masks of its own. */
    const int32_t *sequence;
    const char *at;
} reel_run_args;
/** As reel_unroll, for batches of sequences that differ in length, for cells that are told the
 * time, and backward in time. A batch gives what its sequences give one by one. */
REEL_API reel_status reel_run_with(const reel_run_args *args);
/** reel_run(cell, T, x, &state, y, .length = lengths, ...) */
#define reel_run(...) reel_run_with(&(reel_run_args){__VA_ARGS__, .at = REEL_HERE})
/** One step with scope t, through all layers, as step t of an unroll: for sampling and
 * data-dependent loops. */
REEL_API reel_node *reel_step_once_at(const char *at, reel_cell *cell, int64_t t, reel_node *x,
                                      reel_state *s);
#define reel_step_once(...) reel_step_once_at(REEL_HERE, __VA_ARGS__)

/* Small layers that programs share */

/** x Wᵀ + b with weights `name.weight` [out, in] and `name.bias` [out] made on first use; in is x's
 * last dimension. Starts: U(-1/√in, 1/√in) both, as PyTorch's Linear. */
REEL_API reel_node *reel_linear_at(const char *at, reel_params *ps, const char *name, int64_t out,
                                   reel_node *x);
#define reel_linear(...) reel_linear_at(REEL_HERE, __VA_ARGS__)
/** Rows of `name.weight` [count, size] at an i32 index: shape of the index + [size]. Start: N(0,
 * 1), as PyTorch's Embedding. */
REEL_API reel_node *reel_embedding_at(const char *at, reel_params *ps, const char *name,
                                      int64_t count, int64_t size, reel_node *index);
#define reel_embedding(...) reel_embedding_at(REEL_HERE, __VA_ARGS__)
/** Layer normalization over x's last axis (Ba et al. 2016), ε = 1e-5, with weights `name.weight`
 * and `name.bias` made on first use, as PyTorch's LayerNorm. Starts: 1 and 0. */
REEL_API reel_node *reel_norm_layer_at(const char *at, reel_params *ps, const char *name,
                                       reel_node *x);
#define reel_norm_layer(...) reel_norm_layer_at(REEL_HERE, __VA_ARGS__)
/** Embedded words x [..., batch, size] where, in each sequence, a word is 0 everywhere with
 * probability p and else times 1/(1-p) (Gal & Ghahramani 2016): in whatever steps and parts they
 * are embedded, as long as the tape's counter is the same. words [..., batch]: i32; sequence: names
 * as reel_run's, NULL: places in the batch. x itself in test mode. */
REEL_API reel_node *reel_word_dropout_at(const char *at, reel_node *x, reel_node *words, double p,
                                         const int32_t *sequence);
#define reel_word_dropout(...) reel_word_dropout_at(REEL_HERE, __VA_ARGS__)
/** x [batch, n] as reel_dropout drops it, but a sequence has the same mask in any batch: it goes by
 * the tape's seed and counter, the scope in force, so that each place needs one of its own, and the
 * names of the sequences (as reel_run's; NULL: places in the batch). */
REEL_API reel_node *reel_sequence_dropout_at(const char *at, reel_node *x, double p,
                                             const int32_t *sequence);
#define reel_sequence_dropout(...) reel_sequence_dropout_at(REEL_HERE, __VA_ARGS__)

REEL_END

#endif
