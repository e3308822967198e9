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
} reel_cell_type;

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
    void *context;  /**< the step function's own: reel_cell_context */
    const char *at; /**< filled in by the macros */
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

/* What step functions are made of */

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

/* The driver */

/** Applies the cell along time: y[t] = step(x[t]), s moves on. A stack runs layer by layer. x and y
 * hold T nodes each (they may be the same array). Final states are marked with reel_want. Scopes:
 * the cell's name, then t=0, 1, ...; layers of a stack "name/l0". With s NULL the states start at
 * zero and are dropped. T may differ on every call. On error y is filled with the error node and
 * the status returned is also the tape's. */
REEL_API reel_status reel_unroll_at(const char *at, reel_cell *cell, int64_t T, reel_node *const *x,
                                    reel_state *s, reel_node **y);
#define reel_unroll(...) reel_unroll_at(REEL_HERE, __VA_ARGS__)
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

REEL_END

#endif
