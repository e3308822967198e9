/** @file
 * Operations: what a node does. The ops that Reel ships use nothing that is not here, and a user's
 * op needs no registration.
 *
 * An op is a `static const reel_op`: name, arity, shape rule, kernels for f32 and f64, and a
 * gradient rule that builds tape nodes. Ops are pure. An attribute is part of the graph's
 * structure; a number that changes between iterations is a leaf node instead.
 *
 * The reverse sweep does once what rules then need not repeat: it asks only for the gradients that
 * are wanted, sums contributions, and sums a gradient down to the shape of an argument that was
 * broadcast.
 */
#ifndef REEL_OP_H
#define REEL_OP_H

#include <reel/base.h>

REEL_BEGIN

enum { REEL_MAX_MAPPED = 8 /**< arguments of an element-wise op */ };

/** Properties of an op. */
typedef enum reel_op_flags {
    REEL_OP_ELEMENTWISE =
        1 << 0,            /**< y[k] = f(x0[k], x1[k], ...) with broadcasting: has map kernels;
                                real arguments and result, at most REEL_MAX_MAPPED of them */
    REEL_OP_VIEW = 1 << 1, /**< moves elements only: every output element is an input element */
    REEL_OP_REDUCTION = 1 << 2, /**< sums or the like along axes */
    REEL_OP_MATMUL = 1 << 3,    /**< a (batched) matrix product */
    REEL_OP_LEAF = 1 << 4,      /**< has no arguments and its value comes from outside */
    REEL_OP_ACCUMULATES =
        1 << 5, /**< the kernel can add to y instead of overwriting it (call->accumulate). Of a
                     reduction besides: y is a sum over leading axes of the one argument, and one
                     more leading axis in a call is summed as well */
    REEL_OP_SUM = 1 << 6,                /**< y = x0 + x1 + ... + xn-1, all of one shape */
    REEL_OP_NONLINEAR_GRADIENT = 1 << 7, /**< the rule is not linear in dy: forward mode refuses */
    REEL_OP_INDEX_RESULT = 1 << 8,       /**< the result is i32 */
    REEL_OP_ALONG_AXIS =
        1 << 9 /**< besides REEL_OP_REDUCTION: of one real argument along the axis, counted from the
                    first, of the attribute, a reel_reduce_attr (reel/axis.h); shaped as
                    reel_reduce_shape has it, with reel_reduce_units; each result is real and of one
                    line of elements. Lines that are rows may be reduced by calls of their own, a
                    few at a time: x [rows, n], y [rows], axis 1, keep 0 */
} reel_op_flags;

/** One tensor as a kernel sees it: dense, row-major. */
typedef struct reel_tensor {
    void *data; /**< const for inputs by contract */
    reel_dtype dtype;
    reel_shape shape;
    int64_t size; /**< number of elements */
} reel_tensor;

/** One run of a kernel. Kernels compute the output units [begin, end); see reel_op.units. */
typedef struct reel_call {
    const reel_op *op;
    int n;                /**< number of inputs */
    const reel_tensor *x; /**< the inputs */
    reel_tensor y;        /**< the output; holds rubbish on entry unless `accumulate` */
    const void *attr;
    bool accumulate;               /**< add to y (only for REEL_OP_ACCUMULATES) */
    int64_t begin, end;            /**< which units to compute */
    struct reel_call_state *state; /**< the executor's */
} reel_call;

/** Reports that a value is out of range ("index 70 of 65 rows"); the executor stops there. May be
 * called from any thread; the first message is kept. */
REEL_API void reel_call_fail(const reel_call *call, const char *format, ...) REEL_PRINTF(2, 3);
/** Working memory for one run of the kernel, 64-byte aligned, freed by the executor. On failure
 * returns NULL after reporting it: the kernel just returns. */
REEL_API void *reel_call_scratch(const reel_call *call, size_t bytes);

/** Where the elements of one tensor stand in another, dense one: element (i0, i1, ...) at
 * offset + i0 stride[0] + i1 stride[1] + ..., counted in elements. No stride is negative. */
typedef struct reel_window {
    int64_t offset;
    int64_t stride[REEL_MAX_RANK];
} reel_window;

/** What a shape rule sees and fills in. */
typedef struct reel_shaping {
    const reel_op *op;
    int n;
    reel_node *const *x; /**< arguments: ask reel_node_shape and friends */
    const void *attr;
    reel_shape y;  /**< to be filled in */
    char *message; /**< the core's */
    reel_status status;
} reel_shaping;

/** Rejects the arguments: the message says what was expected ("inner sizes differ"); the core puts
 * the place, the op, all shapes and the scope around it. Returns false, for `return
 * reel_shaping_fail(...)`. */
REEL_API bool reel_shaping_fail(reel_shaping *s, const char *format, ...) REEL_PRINTF(2, 3);
/** Resolves a possibly negative axis of argument i; -1 after reporting when it is out of range. */
REEL_API int reel_shaping_axis(reel_shaping *s, int i, int axis);

/** Draws inputs for the tests of an op: an opaque source of random leaves. */
typedef struct reel_sampler reel_sampler;
/** The tape that the samples are recorded on. */
REEL_API reel_tape *reel_sampler_tape(reel_sampler *s);
/** A real leaf with elements uniform in (lo, hi); derivatives are checked with respect to it. */
REEL_API reel_node *reel_sample_real(reel_sampler *s, double lo, double hi, reel_shape shape);
/** The same, not differentiated against: a probability, a mask. */
REEL_API reel_node *reel_sample_fixed(reel_sampler *s, double lo, double hi, reel_shape shape);
/** An i32 leaf with elements in 0..n-1. */
REEL_API reel_node *reel_sample_index(reel_sampler *s, int32_t n, reel_shape shape);

struct reel_op {
    const char *name;
    int arity;           /**< number of arguments; -1: any number from one up */
    unsigned flags;      /**< reel_op_flags */
    unsigned index_args; /**< bit i: argument i is i32 (all others are real) */
    size_t attr_size; /**< bytes of the attribute, which the node copies; 0: none. Unused bytes in
                         it must be zero, since attributes are compared as bytes. */

    /** The result's shape, by the attribute and the arguments' shapes and types alone: it is not
     * asked again for a node that is like an earlier one. NULL for element-wise ops (broadcasting)
     * and for ops whose result has the shape of argument 0. Returns false after
     * reel_shaping_fail. */
    bool (*shape)(reel_shaping *s);

    /** Element-wise kernels: y[0..n-1] from dense runs x[0][0..n-1], x[1][0..n-1], ... Broadcasting
     * is done by the executor. y may be one of the inputs. */
    void (*map_f32)(size_t n, const float *const *x, float *y, const void *attr);
    void (*map_f64)(size_t n, const double *const *x, double *y, const void *attr);

    /** Kernels of all other ops, by the tape's real type. */
    void (*run_f32)(const reel_call *call);
    void (*run_f64)(const reel_call *call);
    /** Into how many independent parts the output may be cut; each is computed alike, whoever
     * computes it, so results do not depend on threads. NULL: one. Only shapes and attr of the call
     * may be read. */
    int64_t (*units)(const reel_call *call);

    /* What lets a plan save work; all optional, and none changes a value. Of the call only shapes
     * and attr may be read. */

    /** The result is a window of argument 0: an executor may read it there and copy nothing. */
    bool (*window)(const reel_call *call, reel_window *w);
    /** Argument i stands in this window of the result; no two arguments overlap, and what none of
     * them covers is 0. An executor may have arguments computed in their place. */
    bool (*place)(const reel_call *call, int i, reel_window *w);
    /** For REEL_OP_MATMUL: whether a and b are read transposed in y = a b. */
    void (*transposed)(const void *attr, bool *a, bool *b);

    /** The gradient rule: nodes for ∂/∂x[i] of Σ dy ⊙ y, given the node y (its arguments are
     * reel_node_arg(y, i)). Called only for arguments that matter. Must depend on structure only,
     * never on values. May return a node of y's broadcast shape; the sweep sums it down.
     * reel_zero_gradient(): the derivative is zero almost everywhere. NULL rule: asking for a
     * gradient is an error. */
    reel_node *(*gradient)(reel_node *y, reel_node *dy, int i);

    /** A short label for drawings and messages, such as "slice 1:3"; NULL: the name. */
    void (*label)(const reel_node *y, char *text, size_t n);

    /** The k-th sample for the tests, k = 0, 1, ...; NULL after the last. Samples keep off kinks by
     * themselves or rely on the checker's kink detector. */
    reel_node *(*sample)(reel_sampler *s, int k);
};

/** Records a node. `at` is REEL_HERE or what the caller handed down; `x` are the op's n arguments,
 * all on one tape; `attr` has op->attr_size bytes and is copied. On error (reported on the tape):
 * the error node. */
REEL_API reel_node *reel_apply(const char *at, const reel_op *op, int n, reel_node *const *x,
                               const void *attr);
/** The same for one, two and three arguments. */
REEL_API reel_node *reel_apply1(const char *at, const reel_op *op, reel_node *a, const void *attr);
REEL_API reel_node *reel_apply2(const char *at, const reel_op *op, reel_node *a, reel_node *b,
                                const void *attr);
REEL_API reel_node *reel_apply3(const char *at, const reel_op *op, reel_node *a, reel_node *b,
                                reel_node *c, const void *attr);
/** For ops without arguments. */
REEL_API reel_node *reel_apply0(const char *at, reel_tape *tape, const reel_op *op,
                                const void *attr);
/** What a gradient rule returns where the derivative is zero by definition. */
REEL_API reel_node *reel_zero_gradient(void);
/** Raises an error at a node's tape, for library code that checks arguments before it records. */
REEL_API reel_node *reel_node_fail(const char *at, reel_node *x, reel_status status,
                                   const char *format, ...) REEL_PRINTF(4, 5);

/** All ops that Reel ships, sorted by name, NULL at the end. */
REEL_API const reel_op *const *reel_ops(void);
/** The op of that name, or NULL. */
REEL_API const reel_op *reel_op_find(const char *name);

/** What a loss makes of its values, one for each position. */
typedef enum reel_reduction {
    REEL_MEAN, /**< their mean, a scalar */
    REEL_SUM,  /**< their sum, a scalar */
    REEL_NONE  /**< all of them */
} reel_reduction;

REEL_END

#endif
