/* Derivatives against closed forms and against each other, and what they cost. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/cell.h>
#include <reel/op.h>
#include <reel/ops.h>
#include <reel/params.h>
#include <reel/random.h>
#include <reel/tape.h>

#include "suite.h"

enum { MOST = 64 };

static reel_tape *tape64(void)
{
    return reel_tape_new(1, .dtype = REEL_F64);
}

static const double *read(reel_node *x, double *out)
{
    ck_assert_int_le(reel_node_size(x), MOST);
    ck_assert_msg(reel_read(x, out, (size_t)reel_node_size(x)) == REEL_OK, "%s",
                  reel_tape_message(reel_node_tape(x)));
    return out;
}

static double value(reel_node *x)
{
    double v = NAN;
    ck_assert_msg(reel_scalar(x, &v) == REEL_OK, "%s", reel_tape_message(reel_node_tape(x)));
    return v;
}

static reel_node *slope(reel_node *y, reel_node *x)
{
    reel_node *dx = NULL;
    ck_assert_msg(reel_grad(y, 1, &x, &dx) == REEL_OK, "%s", reel_tape_message(reel_node_tape(y)));
    return dx;
}

static reel_node *pull(reel_node *y, reel_node *dy, reel_node *x)
{
    reel_node *dx = NULL;
    ck_assert_msg(reel_vjp(1, &y, &dy, 1, &x, &dx) == REEL_OK, "%s",
                  reel_tape_message(reel_node_tape(y)));
    return dx;
}

static reel_node *push(reel_node *y, reel_node *x, reel_node *dx)
{
    reel_node *dy = NULL;
    ck_assert_msg(reel_jvp(1, &y, 1, &x, &dx, &dy) == REEL_OK, "%s",
                  reel_tape_message(reel_node_tape(y)));
    return dy;
}

static reel_node *random_leaf(reel_tape *tape, reel_random *r, reel_shape shape)
{
    double v[MOST];
    ck_assert_int_le(reel_shape_size(shape), MOST);
    for (int64_t i = 0; i < reel_shape_size(shape); i++) {
        v[i] = 2 * reel_random_uniform(r) - 1;
    }
    return reel_input(tape, REEL_F64, v, shape);
}

static double dot(reel_node *a, reel_node *b)
{
    return value(reel_sum(reel_mul(a, b)));
}

static void same(double a, double b)
{
    ck_assert_msg(fabs(a - b) <= 1e-12 * fmax(1, fmax(fabs(a), fabs(b))), "%.17g is not %.17g", a,
                  b);
}

static void same_nodes(reel_node *a, reel_node *b)
{
    double x[MOST], y[MOST];
    ck_assert(reel_shape_equal(reel_node_shape(a), reel_node_shape(b)));
    read(a, x);
    read(b, y);
    for (int64_t i = 0; i < reel_node_size(a); i++) {
        same(x[i], y[i]);
    }
}

/* A function of a vector of 4 with dense derivatives of every order. */
static reel_node *network(reel_tape *tape, reel_random *r, reel_node *x)
{
    reel_node *W = random_leaf(tape, r, reel_dims(5, 4)), *b = random_leaf(tape, r, reel_dims(5));
    reel_node *U = random_leaf(tape, r, reel_dims(3, 5)), *c = random_leaf(tape, r, reel_dims(3));
    reel_node *h = reel_tanh(reel_affine(reel_reshape(x, reel_dims(1, 4)), W, b));
    return reel_softmax(reel_exp(reel_affine(h, U, c)), 1);
}

/* Closed forms. */

START_TEST(products_and_chains)
{
    reel_tape *tape = tape64();
    double a = 0.7;
    reel_node *x = reel_number(tape, a);
    reel_node *y = reel_mul(reel_square(x), reel_sin(x));
    same(value(slope(y, x)), 2 * a * sin(a) + a * a * cos(a));
    y = reel_exp(reel_sin(reel_square(x)));
    same(value(slope(y, x)), exp(sin(a * a)) * cos(a * a) * 2 * a);
    y = reel_div(reel_log(x), reel_sqrt(x));
    same(value(slope(y, x)), (1 / a) / sqrt(a) - log(a) / 2 * pow(a, -1.5));
    reel_tape_free(tape);
}
END_TEST

START_TEST(quadratic_form)
{
    reel_tape *tape = tape64();
    reel_random r = reel_random_new(1, 1);
    reel_node *A = random_leaf(tape, &r, reel_dims(4, 4)),
              *x = random_leaf(tape, &r, reel_dims(4, 1));
    reel_node *y = reel_sum(reel_matmul(reel_transpose(x), reel_matmul(A, x)));
    reel_node *symmetric = reel_add(A, reel_transpose(A));
    reel_node *g = slope(y, x);
    same_nodes(g, reel_matmul(symmetric, x));
    same_nodes(slope(y, A), reel_matmul(x, reel_transpose(x)));
    for (int i = 0; i < 4; i++) {
        same_nodes(slope(reel_sum(reel_slice(g, 0, i, i + 1)), x),
                   reel_reshape(reel_slice(symmetric, 0, i, i + 1), reel_dims(4, 1)));
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(rosenbrock)
{
    reel_tape *tape = tape64();
    double a = -0.3, b = 0.8;
    reel_node *x[2] = {reel_number(tape, a), reel_number(tape, b)}, *g[2], *h[2];
    reel_node *gap = reel_sub(x[1], reel_square(x[0]));
    reel_node *y = reel_add(reel_square(reel_one_minus(x[0])), reel_scale(reel_square(gap), 100));
    ck_assert_int_eq(reel_grad(y, 2, x, g), REEL_OK);
    same(value(g[0]), -2 * (1 - a) - 400 * a * (b - a * a));
    same(value(g[1]), 200 * (b - a * a));
    ck_assert_int_eq(reel_grad(g[0], 2, x, h), REEL_OK);
    same(value(h[0]), 2 - 400 * b + 1200 * a * a);
    same(value(h[1]), -400 * a);
    ck_assert_int_eq(reel_grad(g[1], 2, x, h), REEL_OK);
    same(value(h[0]), -400 * a);
    same(value(h[1]), 200);
    reel_tape_free(tape);
}
END_TEST

START_TEST(broadcast_arguments_get_sums)
{
    reel_tape *tape = tape64();
    reel_random r = reel_random_new(1, 2);
    reel_node *x = random_leaf(tape, &r, reel_dims(2, 3, 4)),
              *row = random_leaf(tape, &r, reel_dims(4));
    reel_node *column = random_leaf(tape, &r, reel_dims(3, 1)), *s = reel_number(tape, 0.3);
    reel_node *arg[3] = {row, column, s}, *d[3];
    reel_node *y = reel_sum(reel_mul(reel_mul(x, row), reel_mul(column, s)));
    ck_assert_int_eq(reel_grad(y, 3, arg, d), REEL_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert(reel_shape_equal(reel_node_shape(d[i]), reel_node_shape(arg[i])));
        same(dot(d[i], arg[i]), value(y)); /* y is linear in each */
    }
    reel_tape_free(tape);
}
END_TEST

/* Higher orders. */

START_TEST(derivatives_of_any_order)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_number(tape, 0.4), *e = reel_exp(x), *p = reel_power(x, 7),
              *s = reel_sin(x);
    double falling = 1;
    for (int n = 1; n <= 7; n++) {
        e = slope(e, x);
        p = slope(p, x);
        s = slope(s, x);
        falling *= 8 - n;
        same(value(e), exp(0.4));
        same(value(p), falling * pow(0.4, 7 - n));
        same(value(s), sin(0.4 + n * 1.5707963267948966));
    }
    same(value(slope(p, x)), 0);
    reel_node *t = reel_tanh(x);
    double y = tanh(0.4), q = 1 - y * y;
    t = slope(slope(slope(t, x), x), x);
    same(value(t), q * (6 * y * y - 2));
    reel_tape_free(tape);
}
END_TEST

START_TEST(hessian_is_symmetric)
{
    reel_tape *tape = tape64();
    reel_random r = reel_random_new(1, 3);
    reel_node *x = random_leaf(tape, &r, reel_dims(4));
    reel_node *y = reel_sum(reel_mul(network(tape, &r, x), random_leaf(tape, &r, reel_dims(1, 3))));
    reel_node *g = slope(y, x);
    double h[4][MOST];
    bool dense = true;
    for (int i = 0; i < 4; i++) {
        read(slope(reel_select(g, 0, i), x), h[i]);
    }
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            same(h[i][j], h[j][i]);
            dense = dense && fabs(h[i][j]) > 1e-6;
        }
    }
    ck_assert(dense);
    reel_tape_free(tape);
}
END_TEST

START_TEST(hessian_vector_products_agree)
{
    reel_tape *tape = tape64();
    reel_random r = reel_random_new(1, 4);
    reel_node *x = random_leaf(tape, &r, reel_dims(4)), *v = random_leaf(tape, &r, reel_dims(4));
    reel_node *y = reel_sum(reel_mul(network(tape, &r, x), random_leaf(tape, &r, reel_dims(1, 3))));
    reel_node *g = slope(y, x);
    reel_node *reverse = slope(reel_sum(reel_mul(g, v)), x);
    same_nodes(pull(g, v, x), reverse);
    same_nodes(push(g, x, v), reverse);
    same_nodes(slope(push(y, x, v), x), reverse);
    reel_tape_free(tape);
}
END_TEST

/* Products with the Jacobian. */

START_TEST(vjp_is_linear_and_jvp_its_transpose)
{
    reel_tape *tape = tape64();
    for (uint64_t seed = 0; seed < 5; seed++) {
        reel_tape_reset(tape);
        reel_random r = reel_random_new(seed, 5);
        reel_node *x = random_leaf(tape, &r, reel_dims(4)), *y = network(tape, &r, x);
        reel_node *u = random_leaf(tape, &r, reel_dims(1, 3)),
                  *w = random_leaf(tape, &r, reel_dims(1, 3));
        reel_node *v = random_leaf(tape, &r, reel_dims(4));
        same_nodes(pull(y, reel_add(reel_scale(u, 2), reel_scale(w, -3)), x),
                   reel_add(reel_scale(pull(y, u, x), 2), reel_scale(pull(y, w, x), -3)));
        same(dot(u, push(y, x, v)), dot(pull(y, u, x), v));
        double j[3][MOST];
        for (int i = 0; i < 3; i++) { /* row by row against column by column */
            double unit[3] = {0};
            unit[i] = 1;
            read(pull(y, reel_input(tape, REEL_F64, unit, reel_dims(1, 3)), x), j[i]);
        }
        for (int k = 0; k < 4; k++) {
            double unit[4] = {0}, column[MOST];
            unit[k] = 1;
            read(push(y, x, reel_input(tape, REEL_F64, unit, reel_dims(4))), column);
            for (int i = 0; i < 3; i++) {
                same(j[i][k], column[i]);
            }
        }
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(several_results_and_arguments)
{
    reel_tape *tape = tape64();
    reel_random r = reel_random_new(1, 6);
    reel_node *x[2] = {random_leaf(tape, &r, reel_dims(3)), random_leaf(tape, &r, reel_dims(3))};
    reel_node *first = reel_mul(x[0], x[1]), *second = reel_exp(first); /* one above the other */
    reel_node *y[3] = {first, second, first};
    reel_node *dy[3], *dx[2], *v[2], *forward[3];
    for (int i = 0; i < 3; i++) {
        dy[i] = random_leaf(tape, &r, reel_dims(3));
    }
    ck_assert_int_eq(reel_vjp(3, y, dy, 2, x, dx), REEL_OK);
    reel_node *inner = reel_add(reel_add(dy[0], dy[2]), reel_mul(dy[1], second));
    same_nodes(dx[0], reel_mul(inner, x[1]));
    same_nodes(dx[1], reel_mul(inner, x[0]));
    v[0] = random_leaf(tape, &r, reel_dims(3));
    v[1] = random_leaf(tape, &r, reel_dims(3));
    ck_assert_int_eq(reel_jvp(3, y, 2, x, v, forward), REEL_OK);
    reel_node *tangent = reel_add(reel_mul(v[0], x[1]), reel_mul(x[0], v[1]));
    same_nodes(forward[0], tangent);
    same_nodes(forward[1], reel_mul(second, tangent));
    same_nodes(forward[2], tangent);
    reel_tape_free(tape);
}
END_TEST

/* What x and y may be. */

START_TEST(unrelated_arguments_get_zeros)
{
    reel_tape *tape = tape64();
    reel_random r = reel_random_new(1, 7);
    reel_node *x = random_leaf(tape, &r, reel_dims(3)),
              *other = random_leaf(tape, &r, reel_dims(2, 2));
    reel_node *y = reel_sum(x), *arg[4] = {x, other, reel_tanh(x), reel_detach(x)}, *d[4];
    ck_assert_int_eq(reel_grad(y, 4, arg, d), REEL_OK);
    double v[MOST];
    for (int i = 1; i < 4; i++) {
        ck_assert(reel_shape_equal(reel_node_shape(d[i]), reel_node_shape(arg[i])));
        read(d[i], v);
        for (int64_t k = 0; k < reel_node_size(d[i]); k++) {
            ck_assert_double_eq(v[k], 0);
        }
    }
    ck_assert_double_eq(value(reel_sum(slope(reel_sum(reel_detach(x)), x))), 0);
    ck_assert_double_eq(value(reel_sum(slope(reel_sum(slope(y, x)), x))), 0); /* y is linear */
    reel_tape_free(tape);
}
END_TEST

START_TEST(same_argument_twice)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_number(tape, 3), *arg[2] = {x, x}, *d[2];
    reel_node *y = reel_mul(x, x);
    ck_assert_int_eq(reel_grad(y, 2, arg, d), REEL_OK);
    ck_assert_double_eq(value(d[0]), 6);
    ck_assert_double_eq(value(d[1]), 6);
    y = reel_add(reel_add(x, x), reel_mul(x, reel_mul(x, x)));
    ck_assert_double_eq(value(slope(y, x)), 2 + 27);
    reel_tape_free(tape);
}
END_TEST

/* The stack of matrices is laid out as one, whose rows no size of its tells. */
START_TEST(products_without_elements)
{
    reel_tape *tape = tape64();
    reel_random r = reel_random_new(1, 1);
    for (int inner = 0; inner < 3; inner += 2) {
        for (int columns = 0; columns < 6; columns += 5) {
            reel_node *a = random_leaf(tape, &r, reel_dims(2, 3, inner)), *d[2];
            reel_node *b = random_leaf(tape, &r, reel_dims(inner, columns));
            reel_node *y = reel_sum(reel_square(reel_matmul(a, b)));
            ck_assert_msg(reel_grad(y, 2, (reel_node *[]){a, b}, d) == REEL_OK, "%s",
                          reel_tape_message(tape));
            ck_assert_int_eq(reel_eval(2, d), REEL_OK);
            ck_assert(reel_shape_equal(reel_node_shape(d[0]), reel_node_shape(a)));
            ck_assert(reel_shape_equal(reel_node_shape(d[1]), reel_node_shape(b)));
        }
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(argument_may_be_any_node)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_number(tape, 0.5), *h = reel_exp(x), *y = reel_square(h);
    same(value(slope(y, h)), 2 * exp(0.5));
    reel_node *both[2] = {x, h}, *d[2];
    ck_assert_int_eq(reel_grad(y, 2, both, d), REEL_OK);
    same(value(d[1]), 2 * exp(0.5)); /* with x held free, as a partial derivative */
    same(value(d[0]), 2 * exp(1));
    ck_assert_double_eq(value(slope(y, y)), 1);
    ck_assert_double_eq(value(slope(x, x)), 1);
    ck_assert_double_eq(value(slope(x, y)), 0); /* y comes after x */
    reel_node *one = reel_reshape(x, reel_dims(1, 1));
    ck_assert_double_eq(value(slope(one, x)), 1);
    ck_assert_int_eq(reel_node_rank(slope(one, one)), 2);
    reel_tape_free(tape);
}
END_TEST

START_TEST(gradient_may_be_recorded_after_evaluation)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_number(tape, 0.5), *y = reel_sin(reel_exp(x));
    same(value(y), sin(exp(0.5)));
    same(value(slope(y, x)), cos(exp(0.5)) * exp(0.5));
    reel_node *again = slope(reel_mul(y, slope(y, x)), x);
    double e = exp(0.5), c = cos(e), s = sin(e);
    same(value(again), c * c * e * e + s * (-s * e * e + c * e));
    reel_tape_free(tape);
}
END_TEST

START_TEST(single_precision_gradients)
{
    double wide[MOST], single[MOST];
    for (int i = 0; i < 2; i++) {
        reel_tape *tape = reel_tape_new(1, .dtype = i ? REEL_F32 : REEL_F64);
        reel_random r = reel_random_new(1, 8);
        reel_node *x = random_leaf(tape, &r, reel_dims(4));
        reel_node *y =
            reel_sum(reel_mul(network(tape, &r, x), random_leaf(tape, &r, reel_dims(1, 3))));
        read(slope(y, x), i ? single : wide);
        reel_tape_free(tape);
    }
    for (int k = 0; k < 4; k++) {
        ck_assert_double_eq_tol(wide[k], single[k], 1e-5);
    }
}
END_TEST

/* Rules. */

static int called[2];

static void plus_map(size_t n, const double *const *x, double *y, const void *attr)
{
    (void)attr;
    for (size_t i = 0; i < n; i++) {
        y[i] = x[0][i] + x[1][i];
    }
}

static reel_node *counting_rule(reel_node *y, reel_node *dy, int i)
{
    (void)y;
    called[i]++;
    return dy;
}

static reel_node *null_rule(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)dy, (void)i;
    return NULL;
}

static reel_node *misshapen_rule(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)i;
    return reel_sum(dy);
}

static reel_tape *stranger;

static reel_node *foreign_rule(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)dy, (void)i;
    return reel_number(stranger, 1);
}

static reel_node *failing_rule(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_matmul(y, dy);
}

static const reel_op counting = {.name = "counting",
                                 .arity = 2,
                                 .flags = REEL_OP_ELEMENTWISE,
                                 .map_f64 = plus_map,
                                 .gradient = counting_rule};

START_TEST(only_wanted_branches_are_asked_for)
{
    reel_tape *tape = tape64();
    reel_node *a = reel_number(tape, 1), *b = reel_number(tape, 2);
    reel_node *y = reel_apply2(REEL_HERE, &counting, a, reel_exp(b), NULL);
    memset(called, 0, sizeof called);
    ck_assert_double_eq(value(slope(y, a)), 1);
    ck_assert_int_eq(called[0], 1);
    ck_assert_int_eq(called[1], 0);
    reel_tape_free(tape);
}
END_TEST

START_TEST(bad_rules_are_told)
{
    reel_op bad = counting;
    struct {
        reel_node *(*rule)(reel_node *y, reel_node *dy, int i);
        const char *part;
        reel_status status;
    } cases[] = {{NULL, "no gradient rule", REEL_ERR_GRADIENT},
                 {null_rule, "gave NULL", REEL_ERR_GRADIENT},
                 {misshapen_rule, "gave [] for a [3]", REEL_ERR_SHAPE},
                 {foreign_rule, "not on this tape", REEL_ERR_GRADIENT},
                 {failing_rule, "in the gradient rule of counting", REEL_ERR_SHAPE}};
    stranger = tape64();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reel_tape *tape = tape64();
        bad.gradient = cases[i].rule;
        reel_node *x = reel_constant(tape, 1, reel_dims(3)), *dx = NULL;
        reel_scope_enter(tape, "enc");
        int line = __LINE__ + 1;
        reel_node *y = reel_apply2(REEL_HERE, &bad, x, x, NULL);
        ck_assert_int_eq(reel_grad(reel_sum(y), 1, &x, &dx), cases[i].status);
        ck_assert_int_eq(reel_node_id(dx), -1);
        const char *message = reel_tape_message(tape);
        char start[64];
        snprintf(start, sizeof start, "check_grad.c:%d: ", line);
        ck_assert_msg(strncmp(message, start, strlen(start)) == 0, "%s", message);
        ck_assert_msg(strstr(message, cases[i].part) && strstr(message, "counting"), "%s", message);
        ck_assert_msg(strstr(message, "(in enc)") != NULL, "%s", message);
        reel_tape_free(tape);
    }
    reel_tape_free(stranger);
}
END_TEST

START_TEST(clipped_gradients_refuse_forward_mode)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_constant(tape, 1, reel_dims(3)), *dy, *v = x;
    reel_node *y = reel_sum(reel_scale(reel_clip_gradient(x, 2), 5));
    double d[MOST];
    read(slope(y, x), d);
    ck_assert_double_eq(d[0], 2);
    ck_assert_int_eq(reel_jvp(1, &y, 1, &x, &v, &dy), REEL_ERR_GRADIENT);
    ck_assert_ptr_nonnull(strstr(reel_tape_message(tape), "clip_gradient"));
    reel_tape_free(tape);
}
END_TEST

START_TEST(gradient_nodes_know_their_origin)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_number(tape, 2), *y = reel_log(x), *dx = slope(y, x);
    ck_assert_ptr_eq(reel_node_origin(dx), y);
    ck_assert_str_eq(reel_node_where(dx), reel_node_where(y));
    reel_tape_free(tape);
}
END_TEST

/* Costs. */

typedef struct cost {
    double nodes, peak, evaluated;
} cost;

static cost cost_of(reel_node *loss, reel_node *x)
{
    reel_node *all[2] = {slope(loss, x), loss};
    ck_assert_int_eq(reel_eval(2, all), REEL_OK);
    reel_tape_stats s = reel_tape_statistics(reel_node_tape(loss));
    return (cost){(double)s.nodes, (double)s.peak_value_bytes, (double)s.evaluated};
}

static void linear(cost one, cost four)
{
    ck_assert_msg(four.nodes < 4.2 * one.nodes, "%g, %g nodes", one.nodes, four.nodes);
    ck_assert_msg(four.evaluated < 4.2 * one.evaluated, "%g, %g kernels", one.evaluated,
                  four.evaluated);
    ck_assert_msg(four.peak < 4.6 * one.peak, "%g, %g bytes", one.peak, four.peak);
}

/* The gradients of T slices of one tensor are gathered in one buffer, not in T padded copies. */
static cost slices(int64_t T)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_constant(tape, 0.5, reel_dims(T, 32)),
              *h = reel_constant(tape, 0, reel_dims(32));
    for (int64_t t = 0; t < T; t++) {
        h = reel_tanh(reel_add(h, reel_select(x, 0, t)));
    }
    cost c = cost_of(reel_sum(h), x);
    reel_tape_free(tape);
    return c;
}

START_TEST(slices_cost_linear)
{
    cost one = slices(250), four = slices(1000);
    linear(one, four);
    ck_assert_msg(four.peak < 10.0 * 1000 * 32 * sizeof(double), "%g bytes", four.peak);
}
END_TEST

/* The T contributions to a weight's gradient never exist side by side. */
static cost recurrence(int64_t T)
{
    reel_tape *tape = tape64();
    reel_node *W = reel_constant(tape, 0.01, reel_dims(64, 64));
    reel_node *h = reel_constant(tape, 1, reel_dims(1, 64));
    for (int64_t t = 0; t < T; t++) {
        h = reel_tanh(reel_matmul(h, W));
    }
    cost c = cost_of(reel_sum(h), W);
    reel_tape_free(tape);
    return c;
}

START_TEST(weight_gradients_cost_linear)
{
    cost one = recurrence(100), four = recurrence(400);
    linear(one, four);
    ck_assert_msg(four.peak < 40.0 * 64 * 64 * sizeof(double), "%g bytes", four.peak);
}
END_TEST

/* No recursion: depth costs no stack. */
enum { SMALL_STACK = 256 * 1024 };

static reel_node *small_step(reel_cell *c, reel_node *x, reel_state *s)
{
    return s->v[0] = reel_tanh(reel_gate(c, "a", x, s->v[0]));
}

static void *long_unroll(void *context)
{
    const int64_t steps = getenv("REEL_TEST_SLOW") ? 5000 : 100000;
    double *result = context;
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_cell *cell = reel_cell_new(ps, "rnn", small_step, .in = 2, .hidden = 3);
    reel_tape *tape = reel_tape_new(1);
    reel_node **y = malloc((size_t)steps * sizeof(reel_node *));
    reel_node *x = reel_constant(tape, 0.5, reel_dims(1, 2)), *dx, *second;
    for (int64_t t = 0; y && t < steps; t++) {
        y[t] = x;
    }
    if (y && reel_unroll(cell, steps, y, NULL, y) == REEL_OK) {
        reel_node *loss = reel_sum(reel_stack((int)steps, y));
        if (reel_grad(loss, 1, &x, &dx) == REEL_OK &&
            reel_grad(reel_sum(dx), 1, &x, &second) == REEL_OK &&
            reel_scalar(reel_sum(reel_add(dx, second)), result) != REEL_OK) {
            *result = NAN;
        }
    }
    if (reel_tape_status(tape)) {
        fprintf(stderr, "%s\n", reel_tape_message(tape));
    }
    free(y);
    reel_tape_free(tape);
    reel_cell_free(cell);
    reel_params_free(ps);
    return NULL;
}

START_TEST(depth_needs_no_stack)
{
    pthread_attr_t attr;
    pthread_t thread;
    double result = NAN;
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, long_unroll, &result), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_msg(isfinite(result), "%g", result);
    pthread_attr_destroy(&attr);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grad");
    TCase *forms = tcase_create("closed forms");
    tcase_add_test(forms, products_and_chains);
    tcase_add_test(forms, quadratic_form);
    tcase_add_test(forms, rosenbrock);
    tcase_add_test(forms, broadcast_arguments_get_sums);
    tcase_add_test(forms, derivatives_of_any_order);
    tcase_add_test(forms, hessian_is_symmetric);
    tcase_add_test(forms, hessian_vector_products_agree);
    tcase_add_test(forms, vjp_is_linear_and_jvp_its_transpose);
    tcase_add_test(forms, several_results_and_arguments);
    suite_add_tcase(suite, forms);
    TCase *cases = tcase_create("arguments and rules");
    tcase_add_test(cases, unrelated_arguments_get_zeros);
    tcase_add_test(cases, same_argument_twice);
    tcase_add_test(cases, argument_may_be_any_node);
    tcase_add_test(cases, products_without_elements);
    tcase_add_test(cases, gradient_may_be_recorded_after_evaluation);
    tcase_add_test(cases, single_precision_gradients);
    tcase_add_test(cases, only_wanted_branches_are_asked_for);
    tcase_add_test(cases, bad_rules_are_told);
    tcase_add_test(cases, clipped_gradients_refuse_forward_mode);
    tcase_add_test(cases, gradient_nodes_know_their_origin);
    suite_add_tcase(suite, cases);
    TCase *costs = tcase_create("costs");
    tcase_set_timeout(costs, 900);
    tcase_add_test(costs, slices_cost_linear);
    tcase_add_test(costs, weight_gradients_cost_linear);
    tcase_add_test(costs, depth_needs_no_stack);
    suite_add_tcase(suite, costs);
    return suite_run(suite);
}
