/* For tests of single ops: short ways to make leaves and to say what a node must be. */
#ifndef TESTS_VALUES_H
#define TESTS_VALUES_H

#include <math.h>
#include <string.h>

#include <check.h>
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#define COUNT(...) (sizeof(__VA_ARGS__) / sizeof(*(__VA_ARGS__)))

static reel_tape *tape;

static inline void open_tape(void)
{
    tape = reel_tape_new(1, .dtype = REEL_F64, .seed = 5);
    ck_assert_ptr_nonnull(tape);
}

static inline void close_tape(void)
{
    reel_tape_free(tape);
}

static inline reel_node *real_of(reel_shape shape, size_t n, const double *v)
{
    ck_assert_int_eq((int)n, (int)reel_shape_size(shape));
    return reel_input(tape, REEL_F64, v, shape);
}

static inline reel_node *index_of(reel_shape shape, size_t n, const int32_t *v)
{
    ck_assert_int_eq((int)n, (int)reel_shape_size(shape));
    return reel_input(tape, REEL_I32, v, shape);
}

/* REAL_LEAF(reel_dims(2, 2), 1, 2, 3, 4) */
#define REAL_LEAF(shape, ...) \
    real_of(shape, COUNT((double[]){__VA_ARGS__}), (double[]){__VA_ARGS__})
#define INDEX_LEAF(shape, ...) \
    index_of(shape, COUNT((int32_t[]){__VA_ARGS__}), (int32_t[]){__VA_ARGS__})

static inline bool close_to(double got, double want)
{
    if (isnan(want) || isinf(want)) {
        return isnan(want) ? isnan(got) : got == want;
    }
    return fabs(got - want) <= 1e-12 * fmax(1, fabs(want));
}

static inline void expect(int line, reel_node *x, reel_shape shape, size_t n, const double *want)
{
    double got[64];
    ck_assert_msg(n <= 64 && reel_tape_status(tape) == REEL_OK, "line %d: %s", line,
                  reel_tape_message(tape));
    ck_assert_msg(reel_shape_equal(reel_node_shape(x), shape), "line %d: wrong shape", line);
    ck_assert_msg(reel_read(x, got, n) == REEL_OK, "line %d: %s", line, reel_tape_message(tape));
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(close_to(got[i], want[i]), "line %d: element %zu is %.17g, expected %.17g",
                      line, i, got[i], want[i]);
    }
}

#define EXPECT(x, shape, ...) \
    expect(__LINE__, x, shape, COUNT((double[]){__VA_ARGS__}), (double[]){__VA_ARGS__})
#define EXPECT_SCALAR(x, ...) EXPECT(x, reel_scalar_shape(), __VA_ARGS__)

/* The gradient of Σ y ⊙ (1, 2, 3, ...) with respect to x: no two elements count the same. */
static inline reel_node *slope(reel_node *y, reel_node *x)
{
    reel_shape shape = reel_node_shape(y);
    double weight[64];
    for (int i = 0; i < 64; i++) {
        weight[i] = i + 1;
    }
    ck_assert_int_le((int)reel_shape_size(shape), 64);
    reel_node *dy = reel_input(tape, REEL_F64, weight, shape);
    reel_node *dx = NULL;
    ck_assert_msg(reel_vjp(1, &y, &dy, 1, &x, &dx) == REEL_OK, "%s", reel_tape_message(tape));
    return dx;
}

/* x must be an error of that status, when recorded or when evaluated, whose message has the text in
 * it. */
static inline void expect_failure(int line, reel_node *x, reel_status status, const char *text)
{
    reel_status got = reel_eval(1, &x);
    ck_assert_msg(reel_tape_status(tape) == status, "line %d: status %d (%d): %s", line, (int)got,
                  (int)reel_tape_status(tape), reel_tape_message(tape));
    ck_assert_msg(strstr(reel_tape_message(tape), text) != NULL, "line %d: message: %s", line,
                  reel_tape_message(tape));
    reel_tape_reset(tape);
}

#define EXPECT_FAILURE(x, status, text) expect_failure(__LINE__, x, status, text)

#endif
