/** @file
 * The gradient checker: analytic against numeric derivatives, to second order, in f64.
 */
#ifndef REEL_CHECK_H
#define REEL_CHECK_H

#include <reel/base.h>
#include <reel/cell.h>
#include <reel/op.h>

REEL_BEGIN

/** How derivatives are compared. A direction moves one input or weight as a whole; one that fails is halved
 * until it leads to a wrong entry. */
typedef enum reel_check_mode {
    REEL_CHECK_AUTO = 0,  /**< full up to 200 entries in all, else random directions */
    REEL_CHECK_FULL,      /**< every entry of every input by a central difference */
    REEL_CHECK_DIRECTIONS /**< directional derivatives along random directions: cheap at any size */
} reel_check_mode;

/** What a check found. `ok` is the verdict; the rest tells the worst entry. At order 2 the gradient of
 * <∇f, v> is compared for a fixed random v, by reel_grad and by reel_vjp, also against the cotangent that
 * weighs the results, which is then named "the cotangent". */
typedef struct reel_check_report {
    bool ok;
    reel_status status;     /**< not REEL_OK: the check could not be carried out; see message */
    char message[512];      /**< one or more lines fit to print: verdict and worst entry */
    int order;              /**< 1 or 2: where the worst entry was found */
    char name[96];          /**< which input or weight */
    int64_t index;          /**< which element (row-major); -1: a direction through all of its elements */
    double analytic, numeric, absolute, relative;
    int64_t compared;       /**< derivatives compared */
    int64_t kinks;          /**< entries left out because the function is not smooth there */
} reel_check_report;

/** Options; zero means the default in brackets. The error of an entry is judged by
 * |a - n| ≤ tolerance · max(|a|, |n|) + the numeric derivative's own error bound, which is estimated from
 * the difference formula at several steps, so that tiny gradients are judged as strictly as large ones. */
typedef struct reel_check_args {
    reel_check_report *report;  /**< filled in; required */
    int order;                  /**< 1 or 2 [1] */
    reel_check_mode mode;
    int directions;             /**< per input or weight [8] */
    double tolerance;           /**< [1e-6] */
    double step;                /**< largest step of the difference formula [1e-2, relative to max(1,|x|)] */
    uint64_t seed;
    /* reel_check_cell */
    reel_cell *cell;
    int64_t steps, batch;       /**< [3, 2] */
    /* reel_check_op */
    const reel_op *op;
    /* reel_check_function */
    reel_node *(*function)(reel_tape *tape, reel_node *const *x, void *context);
    void *context;
    reel_params *params;        /**< weights that the function uses: checked too, unless frozen */
    int inputs;                 /**< number of inputs x */
    const reel_shape *shape;    /**< their shapes */
    double low, high;           /**< inputs are uniform in (low, high) [-1, 1] */
} reel_check_args;

/** Checks every sample of an op: `reel_check_op(&report, &op)`. Returns report->ok. */
#define reel_check_op(r, ...) reel_check_op_with(&(reel_check_args){.report = (r), .op = __VA_ARGS__})
/** As the macro reel_check_op. */
REEL_API bool reel_check_op_with(const reel_check_args *args);
/** Checks a cell over `steps` steps: all weights, inputs and initial states:
 * `reel_check_cell(&report, cell, .steps = 5)`. Returns report->ok. */
#define reel_check_cell(r, ...) reel_check_cell_with(&(reel_check_args){.report = (r), .cell = __VA_ARGS__})
/** As the macro reel_check_cell. */
REEL_API bool reel_check_cell_with(const reel_check_args *args);
/** Checks any function of inputs and weights. A result that is not scalar is reduced by a fixed random
 * weighting, so that no symmetry hides an error: `reel_check_function(&report, f, .inputs = 1, .shape = &s)`.
 * Returns report->ok. */
#define reel_check_function(r, ...)                                                                 \
    reel_check_function_with(&(reel_check_args){.report = (r), .function = __VA_ARGS__})
/** As the macro reel_check_function. */
REEL_API bool reel_check_function_with(const reel_check_args *args);

REEL_END

#endif
