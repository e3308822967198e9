/** @file
 * The tape: records expressions, evaluates them on demand, differentiates them.
 *
 * Recording infers shapes and computes nothing. A value is computed when it is asked for, and
 * recording may go on afterwards, so control flow that depends on values is ordinary C. A tape is
 * used by one thread at a time; a program may have many.
 *
 * Errors are sticky: the first one is kept with its message, every constructor then returns the
 * tape's error node (never NULL), and whatever leaves the tape (evaluation, gradients, drawing, an
 * optimizer's step) returns the status. reel_tape_reset() clears it; an error that nobody read is
 * printed to stderr when its tape is reset or freed.
 */
#ifndef REEL_TAPE_H
#define REEL_TAPE_H

#include <reel/base.h>

REEL_BEGIN

/** Which engine computes values. The environment variable REEL_EXECUTOR ("compiled" or "reference")
 * sets the default, which is otherwise REEL_COMPILED. */
typedef enum reel_executor {
    REEL_EXECUTOR_DEFAULT = 0,
    REEL_REFERENCE, /**< one node after another: obvious code, the oracle for any other engine */
    REEL_COMPILED   /**< plans, which are kept and run again: see docs/execution.md */
} reel_executor;

/** Called once, when an error first happens on a tape. `message` lives as long as the error. */
typedef void reel_error_handler(void *context, reel_status status, const char *message);

/** Options of a tape; zero members mean the default. */
typedef struct reel_tape_args {
    int threads;      /**< 0: one per core. The results do not depend on it. */
    reel_dtype dtype; /**< of all real values; default f32. Leaves are converted to it, so an
                           f32 model is checked in f64 as it stands; f64 weights on an f32
                           tape are an error. */
    reel_executor executor;
    bool inference; /**< keep no value for a later backward pass */
    int keep_every; /**< of an unroll's time steps, keep every k-th one's values for the backward
                         pass of an optimizer's step, and compute the others again there: less
                         memory for about a third more time. 0: keep all. */
    bool trap_nan;  /**< fail on the first node whose value is NaN or infinite */
    uint64_t seed;  /**< of random masks; 0 is a seed like any other */
    reel_error_handler *on_error; /**< optional; see also reel_print_and_exit */
    void *context;                /**< handed to on_error */
    const char *at;               /**< filled in by the macro */
} reel_tape_args;

/** A new tape, or NULL when memory is out (every function takes a NULL tape and reports it).
 * A bad option or environment variable is an error on the tape. Freed with reel_tape_free. */
REEL_API reel_tape *reel_tape_new_with(const reel_tape_args *args);
/** reel_tape_new(threads, .option = value, ...) */
#define reel_tape_new(...) reel_tape_new_with(&(reel_tape_args){__VA_ARGS__, .at = REEL_HERE})
/** An error handler for short programs: prints the message to stderr and exits with status 1. */
REEL_API void reel_print_and_exit(void *context, reel_status status, const char *message);
/** Frees the tape and every node and value on it. NULL is allowed. */
REEL_API void reel_tape_free(reel_tape *tape);
/** Forgets all nodes, values, scopes and the error; keeps memory for what comes next. A node kept
 * over a reset is an error where it is used, not a crash (one kept over exactly 128 resets, or a
 * multiple, is taken for the node that is in its place now). */
REEL_API void reel_tape_reset(reel_tape *tape);
/** REEL_OK, or the first error since the last reset. Reading it marks the error as read. */
REEL_API reel_status reel_tape_status(reel_tape *tape);
/** The first error's message, such as
 * "mgu.c:12: matmul: [32,100] x [128,65]: inner sizes differ (in decoder/mgu, t=3)"; "" when there
 * is none. Lives until the next reset. Never NULL. Marks the error as read. */
REEL_API const char *reel_tape_message(reel_tape *tape);
/** Raises an error on the tape with the caller's place; the first one wins. Returns the error node.
 * `at` is REEL_HERE or a place handed down from a caller. */
REEL_API reel_node *reel_tape_fail(reel_tape *tape, const char *at, reel_status status,
                                   const char *format, ...) REEL_PRINTF(4, 5);
/** The tape's element type for real values. */
REEL_API reel_dtype reel_tape_dtype(const reel_tape *tape);
/** Number of threads that kernels may use. */
REEL_API int reel_tape_threads(const reel_tape *tape);
/** Train/test switch that dropout and the like read when they are recorded; a tape starts in
 * training unless it was made for inference. */
REEL_API void reel_tape_set_training(reel_tape *tape, bool training);
REEL_API bool reel_tape_training(const reel_tape *tape);
/** Switches reel_tape_args.trap_nan from here on. */
REEL_API void reel_tape_set_trap_nan(reel_tape *tape, bool trap);
/** The counter that random masks depend on: the same (seed, scope, counter) gives the same mask. A
 * training loop sets it to the number of its iteration, right after the reset, and saves it in
 * checkpoints. Survives reset; masks recorded before the next reset keep the counter of the first.
 */
REEL_API void reel_tape_set_counter(reel_tape *tape, uint64_t counter);
REEL_API uint64_t reel_tape_counter(const reel_tape *tape);

/** What random masks depend on beside scope and counter. */
REEL_API uint64_t reel_tape_seed(const reel_tape *tape);
/** A stream number for one random node: a function of the scope path in force and of how many were
 * asked for in it since the reset, so that masks depend on neither order nor batching elsewhere. */
REEL_API uint64_t reel_tape_stream(reel_tape *tape);
/** A number for the scope path in force alone: the same however often it was entered. For streams
 * of reel_keyed_mask, whose rows go by keys of their own. */
REEL_API uint64_t reel_tape_place(const reel_tape *tape);

/** What a tape has used. Bytes of values and of nodes are those in use now; peak_* since the last
 * reset. */
typedef struct reel_tape_stats {
    int64_t nodes;           /**< recorded since the last reset */
    int64_t evaluated;       /**< nodes computed since the last reset */
    size_t node_bytes;       /**< nodes, attributes, scopes */
    size_t value_bytes;      /**< values now alive */
    size_t peak_value_bytes; /**< the most that were ever alive at once */
    size_t reserved_bytes;   /**< held from the system, kept over resets, in part addresses that were never
                                used; beside it what plans hold, which reel_plan_statistics tells */
} reel_tape_stats;
/** What the tape has used. All 0 for NULL. */
REEL_API reel_tape_stats reel_tape_statistics(const reel_tape *tape);

/* Leaves */

/** A leaf holding a copy of `data` (shape.size elements of `dtype`; real data is converted to the
 * tape's type, f64 data on an f32 tape is rounded). data may be NULL only if the size is 0. */
REEL_API reel_node *reel_input_at(const char *at, reel_tape *tape, reel_dtype dtype,
                                  const void *data, reel_shape shape);
#define reel_input(...) reel_input_at(REEL_HERE, __VA_ARGS__)
/** The same without a copy: `data` must have the tape's real type or i32 and must stay unchanged
 * until the tape is reset or freed. */
REEL_API reel_node *reel_input_borrowed_at(const char *at, reel_tape *tape, reel_dtype dtype,
                                           const void *data, reel_shape shape);
#define reel_input_borrowed(...) reel_input_borrowed_at(REEL_HERE, __VA_ARGS__)
/** A scalar leaf: a number that changes between iterations (a rate, a temperature). */
REEL_API reel_node *reel_number_at(const char *at, reel_tape *tape, double value);
#define reel_number(...) reel_number_at(REEL_HERE, __VA_ARGS__)
/** The weight as a node: the same node for the same weight until the reset, or what reel_bind put
 * in its place. The weight's present value is borrowed; evaluating something from it after it has
 * been changed is an error (REEL_ERR_STALE). */
REEL_API reel_node *reel_use_at(const char *at, reel_tape *tape, reel_param *param);
#define reel_use(...) reel_use_at(REEL_HERE, __VA_ARGS__)
/** Puts a node in a weight's place until the reset (weight norm, fast weights, meta-learning). The
 * shape must be the weight's; the weight must not have been used on this tape since the reset. */
REEL_API reel_status reel_bind_at(const char *at, reel_tape *tape, reel_param *param,
                                  reel_node *node);
#define reel_bind(...) reel_bind_at(REEL_HERE, __VA_ARGS__)
/** The tape's counter as an i32 leaf of shape [2] (low and high word), one per reset. */
REEL_API reel_node *reel_counter_at(const char *at, reel_tape *tape);
#define reel_counter(...) reel_counter_at(REEL_HERE, __VA_ARGS__)

/* Scopes */

/** Enters a module's scope: nodes made until the matching leave belong to path "outer/name". */
REEL_API void reel_scope_enter(reel_tape *tape, const char *name);
/** Enters time step t of the scope in force: shown as "outer/t=7". */
REEL_API void reel_scope_step(reel_tape *tape, int64_t t);
/** Leaves the innermost scope. Leaving the outermost is an error on the tape. */
REEL_API void reel_scope_leave(reel_tape *tape);

/* Nodes */

/** What a node is. On a NULL, stale or error node: a scalar shape, 0, NULL or "" (reel_node_tape:
 * the tape that a stale or error node belongs to). */
REEL_API reel_shape reel_node_shape(const reel_node *x);
REEL_API int reel_node_rank(const reel_node *x);
/** Size of one dimension; a negative axis counts from the last. 0 when out of range. */
REEL_API int64_t reel_node_dim(const reel_node *x, int axis);
/** Number of elements. */
REEL_API int64_t reel_node_size(const reel_node *x);
/** Type of the elements. */
REEL_API reel_dtype reel_node_dtype(const reel_node *x);
/** The tape it was recorded on; also of an error node. */
REEL_API reel_tape *reel_node_tape(const reel_node *x);
/** Position in recording order, from 0. -1 for a node that is none. */
REEL_API int64_t reel_node_id(const reel_node *x);
/** What the node does. */
REEL_API const reel_op *reel_node_op(const reel_node *x);
/** The op's attribute, as it was given to reel_apply. */
REEL_API const void *reel_node_attr(const reel_node *x);
/** Number of arguments, and the i-th of them. */
REEL_API int reel_node_arity(const reel_node *x);
REEL_API reel_node *reel_node_arg(const reel_node *x, int i);
/** The weight behind a reel_use leaf, else NULL. */
REEL_API reel_param *reel_node_param(const reel_node *x);
/** For a node made by a gradient rule: the forward node whose rule made it; else NULL. */
REEL_API reel_node *reel_node_origin(const reel_node *x);
/** "file.c:12", as short as it was recorded. */
REEL_API const char *reel_node_where(const reel_node *x);
/** Writes the scope path, such as "decoder/gru1/t=7" ("" outside any), truncated to n bytes with
 * its NUL. Returns the length it would need, as snprintf does. */
REEL_API size_t reel_node_scope(const reel_node *x, char *text, size_t n);
/** Gives the node a name for messages and drawings; copied. Returns x. */
REEL_API reel_node *reel_name(reel_node *x, const char *name);
/** The name given, or the weight's name, or "". */
REEL_API const char *reel_node_name(const reel_node *x);
/** Keeps the value once it is computed. Returns x. */
REEL_API reel_node *reel_want(reel_node *x);

/* Values */

/** Computes the values of the n nodes and whatever they need. They stay readable until the reset.
 */
REEL_API REEL_CHECKED reel_status reel_eval(size_t n, reel_node *const *x);
/** Evaluates x; returns its elements (of reel_node_dtype), valid until the reset; NULL on error. */
REEL_API const void *reel_data(reel_node *x);
/** Evaluates x and copies its elements as f64. `n` must be its size. */
REEL_API REEL_CHECKED reel_status reel_read(reel_node *x, double *out, size_t n);
/** The same as f32. */
REEL_API REEL_CHECKED reel_status reel_read_f32(reel_node *x, float *out, size_t n);
/** Evaluates a one-element node. *out is untouched on error. */
REEL_API REEL_CHECKED reel_status reel_scalar(reel_node *x, double *out);
/** Whether the value is there to be read without computing anything. */
REEL_API bool reel_is_computed(const reel_node *x);

/* Derivatives */

/** dx[i] = ∂y/∂x[i] as nodes, for a one-element y. Where y does not depend on x[i]: a constant
 * zero. The gradient is a graph like any other: it can be evaluated, drawn and differentiated
 * again. On error every dx[i] is the error node. */
REEL_API REEL_CHECKED reel_status reel_grad_at(const char *at, reel_node *y, size_t n,
                                               reel_node *const *x, reel_node **dx);
#define reel_grad(...) reel_grad_at(REEL_HERE, __VA_ARGS__)
/** Computes a one-element loss and its derivatives as numbers: data[i] points to ∂loss/∂x[i], of
 * x[i]'s shape and the tape's type, which belongs to the tape and stays readable until the reset.
 * The values are those of reel_grad's nodes, but where every x[i] is a leaf the compiled executor
 * records none and computes nothing that nobody asked for: the way to a training loop of one's own.
 * On error every data[i] is NULL. */
REEL_API REEL_CHECKED reel_status reel_gradients_at(const char *at, reel_node *loss, size_t n,
                                                    reel_node *const *x, const void **data);
#define reel_gradients(...) reel_gradients_at(REEL_HERE, __VA_ARGS__)
/** Vector–Jacobian product: dx[j] = Σᵢ (∂y[i]/∂x[j])ᵀ dy[i], dy[i] shaped as y[i]. */
REEL_API REEL_CHECKED reel_status reel_vjp_at(const char *at, size_t m, reel_node *const *y,
                                              reel_node *const *dy, size_t n, reel_node *const *x,
                                              reel_node **dx);
#define reel_vjp(...) reel_vjp_at(REEL_HERE, __VA_ARGS__)
/** Jacobian–vector product (forward mode), as a vjp of the vjp: dy[i] = Σⱼ (∂y[i]/∂x[j]) dx[j]. An
 * op whose gradient rule is not linear in the cotangent refuses with REEL_ERR_GRADIENT. */
REEL_API REEL_CHECKED reel_status reel_jvp_at(const char *at, size_t m, reel_node *const *y,
                                              size_t n, reel_node *const *x, reel_node *const *dx,
                                              reel_node **dy);
#define reel_jvp(...) reel_jvp_at(REEL_HERE, __VA_ARGS__)

REEL_END

#endif
