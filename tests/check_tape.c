/* The tape: values on demand, what survives a reset, scopes, weights, random masks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/op.h>
#include <reel/ops.h>
#include <reel/params.h>
#include <reel/random.h>
#include <reel/tape.h>

#include "../src/tape.h"
#include "suite.h"
#include "tapes.h"

START_TEST(values_are_computed_on_demand)
{
    reel_tape *tape = tape64();
    reel_node *x = vector(tape, 1, 2, 3);
    reel_node *wanted = reel_sum(reel_mul(x, x));
    reel_node *other = reel_exp(x);
    ck_assert_int_eq(reel_tape_statistics(tape).evaluated, 0);
    ck_assert(!reel_is_computed(wanted));
    ck_assert_double_eq(value(wanted), 14);
    ck_assert(reel_is_computed(wanted));
    ck_assert(!reel_is_computed(other));
    ck_assert_int_eq(reel_tape_statistics(tape).evaluated, 2);
    ck_assert_double_eq(value(wanted), 14);
    ck_assert_int_eq(reel_tape_statistics(tape).evaluated, 2);
    reel_node *later = reel_add(wanted, reel_number(tape, 1)); /* recording goes on */
    ck_assert_double_eq(value(later), 15);
    reel_node *dx;
    ck_assert_int_eq(reel_grad(later, 1, &x, &dx), REEL_OK);
    double d[3];
    ck_assert_int_eq(reel_read(dx, d, 3), REEL_OK);
    ck_assert_double_eq(d[2], 6);
    reel_tape_free(tape);
}
END_TEST

START_TEST(control_flow_may_depend_on_values)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_number(tape, 1), *y = x;
    int steps = 0;
    while (value(y) < 1000) {
        y = reel_scale(y, 2);
        steps++;
    }
    reel_node *dx;
    ck_assert_int_eq(steps, 10);
    ck_assert_int_eq(reel_grad(y, 1, &x, &dx), REEL_OK);
    ck_assert_double_eq(value(dx), 1024);
    reel_tape_free(tape);
}
END_TEST

START_TEST(wanted_values_stay)
{
    reel_tape *tape = reel_tape_new(1, .inference = true);
    reel_node *x = vector(tape, 1, 2, 3);
    reel_node *dropped = reel_exp(x), *kept = reel_want(reel_neg(x));
    reel_node *y = reel_sum(reel_mul(reel_add(dropped, x), kept));
    ck_assert_int_eq(reel_eval(1, &y), REEL_OK);
    ck_assert(reel_is_computed(kept));
    ck_assert(!reel_is_computed(dropped));
    float v[3];
    ck_assert_int_eq(reel_read_f32(dropped, v, 3), REEL_OK); /* computed again */
    ck_assert_float_eq_tol(v[1], expf(2), 1e-5F);
    reel_tape_free(tape);
}
END_TEST

START_TEST(gradient_reads_what_was_kept)
{
    reel_tape *tape = tape64();
    reel_node *x = vector(tape, 1, 2, 3);
    reel_node *y = reel_tanh(reel_exp(x)), *loss = reel_sum(y), *dx;
    ck_assert_int_eq(reel_eval(1, &loss), REEL_OK);
    int64_t before = reel_tape_statistics(tape).evaluated;
    ck_assert_int_eq(before, 3);
    ck_assert_int_eq(reel_grad(loss, 1, &x, &dx), REEL_OK);
    ck_assert_int_eq(reel_eval(1, &dx), REEL_OK);
    ck_assert(reel_is_computed(y));
    reel_tape_free(tape);
}
END_TEST

/* Products that only a sum reads are added up in place; these are read by others too. */
START_TEST(terms_of_a_sum_are_values_of_their_own)
{
    for (int way = 0; way < 6; way++) {
        reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64, .inference = way % 2 == 1);
        reel_node *a = filled(tape, 2, 3), *b = filled(tape, 3, 2), *c = reel_scale(b, 2);
        reel_node *p = reel_matmul(a, b), *q = reel_matmul(a, c); /* 3 and 6 everywhere */
        reel_node *pq = reel_sum_of(2, ((reel_node *[]){p, q}));
        reel_node *ppq = reel_sum_of(3, ((reel_node *[]){p, p, q}));
        reel_node *first = reel_max(pq), *last = reel_max(reel_mul(ppq, p));
        if (way / 2 == 0) { /* all at once */
            reel_node *all[4] = {last, first, p, q};
            ck_assert_int_eq(reel_eval(4, all), REEL_OK);
        } else if (way / 2 == 1) { /* a term is computed before its sum */
            ck_assert_double_eq(value(reel_min(p)), 3);
        } else {
            reel_want(p);
        }
        reel_node *kept = reel_want(reel_matmul(a, b)); /* read by the sum alone, but asked for */
        ck_assert_double_eq(value(reel_max(reel_sum_of(2, ((reel_node *[]){kept, q})))), 9);
        ck_assert(reel_is_computed(kept));
        ck_assert_double_eq(value(first), 9);
        ck_assert_double_eq(value(last), 36);
        ck_assert_double_eq(value(reel_max(p)), 3);
        ck_assert_double_eq(value(reel_max(q)), 6);
        ck_assert_double_eq(value(reel_min(reel_sub(ppq, pq))), 3);
        reel_tape_free(tape);
    }
}
END_TEST

START_TEST(inference_keeps_nothing)
{
    size_t bytes[2];
    for (int i = 0; i < 2; i++) {
        reel_tape *tape = reel_tape_new(1, .inference = i == 1);
        ck_assert(reel_tape_training(tape) == (i == 0));
        reel_node *y = reel_constant(tape, 0.5, reel_dims(64, 64));
        for (int k = 0; k < 50; k++) {
            y = reel_tanh(y);
        }
        ck_assert_int_eq(reel_eval(1, &y), REEL_OK);
        bytes[i] = reel_tape_statistics(tape).peak_value_bytes;
        reel_tape_free(tape);
    }
    ck_assert_uint_ge(bytes[0], 50 * 64 * 64 * sizeof(float));
    ck_assert_uint_le(bytes[1], 6 * 64 * 64 * sizeof(float));
}
END_TEST

START_TEST(reset_keeps_memory)
{
    reel_tape *tape = reel_tape_new(1);
    size_t reserved = 0;
    for (int i = 0; i < 6; i++) {
        reel_tape_reset(tape);
        reel_node *x = reel_constant(tape, 0.5, reel_dims(9, 9)), *y = x, *dx;
        reel_scope_enter(tape, "module");
        for (int k = 0; k < 150; k++) {
            reel_scope_step(tape, k);
            y = reel_tanh(reel_matmul(y, x));
            reel_scope_leave(tape);
        }
        y = reel_sum(y);
        ck_assert_int_eq(reel_grad(y, 1, &x, &dx), REEL_OK);
        ck_assert_int_eq(reel_eval(1, &dx), REEL_OK);
        size_t now = reel_tape_statistics(tape).reserved_bytes;
        if (i == 1) {
            reserved = now;
        } else if (i > 1) {
            ck_assert_uint_eq(now, reserved);
        }
    }
    reel_tape_reset(tape);
    reel_tape_stats s = reel_tape_statistics(tape);
    ck_assert_int_eq(s.nodes, 0);
    ck_assert_int_eq(s.evaluated, 0);
    ck_assert_uint_eq(s.value_bytes, 0);
    reel_tape_free(tape);
}
END_TEST

/* Tens of megabytes, which do not fit into one block at first: what is held is settled after the
 * largest structure, and smaller ones and it again need no more. */
START_TEST(growing_structures_settle)
{
    static const int64_t rows[] = {1000, 3000, 9000, 3000, 9000, 9000, 1000, 9000};
    reel_tape *tape = reel_tape_new(1);
    size_t settled = 0;
    const int n = getenv("REEL_TEST_SLOW") ? 2 : (int)(sizeof rows / sizeof *rows);
    for (int i = 0; i < n; i++) {
        reel_tape_reset(tape);
        reel_node *x = reel_constant(tape, 0.5, reel_dims(rows[i], 1000)), *y[2];
        double mean;
        y[0] = reel_tanh(x);
        y[1] = reel_sigmoid(x);
        ck_assert_int_eq(reel_eval(2, y), REEL_OK);
        ck_assert_int_eq(reel_scalar(reel_mean(y[1]), &mean), REEL_OK);
        ck_assert_double_eq_tol(mean, 1 / (1 + exp(-0.5)), 1e-6);
        reel_tape_stats s = reel_tape_statistics(tape);
        ck_assert_uint_ge(s.reserved_bytes, (size_t)rows[i] * 2000 * sizeof(float));
        if (i == 3) { /* after the reset that follows the largest */
            settled = s.reserved_bytes;
        } else if (i > 3) {
            ck_assert_uint_eq(s.reserved_bytes, settled);
        }
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(inputs_are_copied_or_borrowed)
{
    reel_tape *tape = tape64();
    double data[3] = {1, 2, 3};
    reel_node *copy = reel_input(tape, REEL_F64, data, reel_dims(3));
    reel_node *borrowed = reel_input_borrowed(tape, REEL_F64, data, reel_dims(3));
    ck_assert_ptr_ne(reel_data(copy), data);
    ck_assert_ptr_eq(reel_data(borrowed), data);
    reel_node *y = reel_sum(reel_neg(borrowed)); /* nothing may be written over it in place */
    ck_assert_double_eq(value(y), -6);
    ck_assert_double_eq(data[0], 1);
    data[0] = 100;
    ck_assert_double_eq(value(reel_sum(copy)), 6);
    float single[3] = {1, 2, 3};
    reel_input_borrowed(tape, REEL_F32, single, reel_dims(3));
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    reel_tape_reset(tape);
    reel_input(tape, REEL_F64, NULL, reel_dims(3));
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    reel_input(tape, (reel_dtype)9, data, reel_dims(3));
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    reel_tape_free(tape);
}
END_TEST

START_TEST(types_are_converted)
{
    reel_tape *single = reel_tape_new(1), *wide = tape64();
    double third = 1.0 / 3, back;
    float third32 = 1.0F / 3;
    ck_assert_int_eq(reel_node_dtype(reel_number(single, third)), REEL_F32);
    ck_assert_double_eq(value(reel_number(single, third)), (double)third32);
    ck_assert_double_eq(value(reel_number(wide, third)), third);
    reel_node *x = reel_input(wide, REEL_F32, &third32, reel_scalar_shape());
    ck_assert_int_eq(reel_node_dtype(x), REEL_F64);
    ck_assert_double_eq(value(x), (double)third32);
    ck_assert_int_eq(reel_read(x, &back, 1), REEL_OK);
    int32_t index[2] = {3, -4};
    reel_node *i = reel_input(wide, REEL_I32, index, reel_dims(2));
    double as_double[2];
    ck_assert_int_eq(reel_node_dtype(i), REEL_I32);
    ck_assert_int_eq(reel_read(i, as_double, 2), REEL_OK);
    ck_assert_double_eq(as_double[1], -4);
    reel_neg(i);
    ck_assert_int_eq(reel_tape_status(wide), REEL_ERR_SHAPE);
    expect_in_message(wide, "i32");
    reel_tape_free(single);
    reel_tape_free(wide);
}
END_TEST

START_TEST(scalars_and_empty_tensors)
{
    reel_tape *tape = tape64();
    reel_node *s = reel_number(tape, 3), *x = vector(tape, 1, 2, 3), *d[2];
    ck_assert_int_eq(reel_node_rank(s), 0);
    ck_assert_int_eq(reel_node_size(s), 1);
    ck_assert_int_eq(reel_node_dim(s, 0), 0);
    ck_assert_int_eq(reel_node_rank(reel_mul(s, s)), 0);
    reel_node *y = reel_sum(reel_mul(s, x));
    ck_assert_int_eq(reel_grad(y, 2, ((reel_node *[]){s, x}), d), REEL_OK);
    ck_assert_double_eq(value(d[0]), 6);
    reel_node *none = reel_input(tape, REEL_F64, NULL, reel_dims(0, 3));
    ck_assert_int_eq(reel_node_size(none), 0);
    ck_assert_double_eq(value(reel_sum(reel_tanh(none))), 0);
    ck_assert_int_eq(reel_node_dim(reel_add(none, x), 0), 0);
    ck_assert_int_eq(reel_read(none, NULL, 0), REEL_OK);
    reel_node *product = reel_matmul(none, reel_constant(tape, 1, reel_dims(3, 2)));
    ck_assert_int_eq(reel_node_dim(product, 0), 0);
    ck_assert_int_eq(reel_eval(1, &product), REEL_OK);
    reel_node *inner = reel_matmul(reel_constant(tape, 1, reel_dims(2, 0)),
                                   reel_constant(tape, 1, reel_dims(0, 2)));
    double zeros[4] = {1, 1, 1, 1};
    ck_assert_int_eq(reel_read(inner, zeros, 4), REEL_OK);
    ck_assert_double_eq(zeros[0] + zeros[1] + zeros[2] + zeros[3], 0);
    reel_node *loss = reel_add(reel_sum(reel_mul(none, x)), reel_sum(x));
    ck_assert_int_eq(reel_grad(loss, 2, ((reel_node *[]){none, x}), d), REEL_OK);
    ck_assert_int_eq(reel_node_dim(d[0], 1), 3);
    double dx[3];
    ck_assert_int_eq(reel_read(d[1], dx, 3), REEL_OK);
    ck_assert_double_eq(dx[0], 1);
    ck_assert_int_eq(reel_eval(1, d), REEL_OK);
    reel_tape_free(tape);
}
END_TEST

/* NaN. */

START_TEST(trap_names_the_first_node)
{
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64, .trap_nan = true);
    reel_node *x = vector(tape, 1, -1, 3);
    reel_scope_enter(tape, "enc");
    reel_scope_step(tape, 2);
    int line = __LINE__ + 1;
    reel_node *bad = reel_log(x);
    reel_node *y = reel_sum(reel_exp(bad));
    ck_assert_int_eq(reel_eval(1, &y), REEL_ERR_NAN);
    EXPECT_MESSAGE(tape, line, "log: element 1 of [3] is NaN (in enc, t=2)");
    reel_tape_free(tape);
}
END_TEST

START_TEST(trap_looks_at_the_backward_pass_and_at_inputs)
{
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_tape_set_trap_nan(tape, true);
    reel_node *x = vector(tape, 1, 0, 3), *dx;
    reel_scope_enter(tape, "dec");
    int line = __LINE__ + 1;
    reel_node *y = reel_sqrt(x);
    reel_node *loss = reel_sum(y);
    ck_assert_int_eq(reel_eval(1, &loss), REEL_OK);
    ck_assert_int_eq(reel_grad(loss, 1, &x, &dx), REEL_OK);
    ck_assert_int_eq(reel_eval(1, &dx), REEL_ERR_NAN);
    char start[64];
    snprintf(start, sizeof start, "check_tape.c:%d: ", line);
    expect_in_message(tape, start);
    expect_in_message(tape, "+infinity");
    expect_in_message(tape, "in the gradient of sqrt");
    expect_in_message(tape, "(in dec)");
    reel_tape_reset(tape);
    line = __LINE__ + 1;
    x = reel_number(tape, NAN);
    y = reel_neg(x);
    ck_assert_int_eq(reel_eval(1, &y), REEL_ERR_NAN);
    EXPECT_MESSAGE(tape, line, "input: element 0 of [] is NaN");
    reel_tape_reset(tape);
    reel_tape_set_trap_nan(tape, false);
    x = vector(tape, 1, NAN, 3);
    y = reel_neg(x);
    ck_assert_int_eq(reel_eval(1, &y), REEL_OK);
    reel_tape_free(tape);
}
END_TEST

/* Scopes and names. */

START_TEST(scopes_are_paths)
{
    reel_tape *tape = tape64();
    char text[64];
    reel_node *x = reel_number(tape, 1);
    ck_assert_uint_eq(reel_node_scope(x, text, sizeof text), 0);
    reel_scope_enter(tape, "decoder");
    reel_scope_enter(tape, "gru1");
    reel_scope_step(tape, 7);
    reel_node *y = reel_neg(x);
    reel_scope_leave(tape);
    reel_node *z = reel_neg(y);
    reel_scope_leave(tape);
    reel_scope_leave(tape);
    ck_assert_uint_eq(reel_node_scope(y, text, sizeof text), strlen("decoder/gru1/t=7"));
    ck_assert_str_eq(text, "decoder/gru1/t=7");
    reel_node_scope(z, text, sizeof text);
    ck_assert_str_eq(text, "decoder/gru1");
    ck_assert_uint_eq(reel_node_scope(y, text, 8), strlen("decoder/gru1/t=7"));
    ck_assert_str_eq(text, "decoder");
    ck_assert_uint_eq(reel_node_scope(y, NULL, 0), strlen("decoder/gru1/t=7"));
    reel_node *dx, *loss = reel_square(y);
    ck_assert_int_eq(reel_grad(loss, 1, &x, &dx), REEL_OK);
    ck_assert_ptr_nonnull(reel_node_origin(dx));
    reel_node_scope(dx, text, sizeof text); /* a gradient node is where its forward node is */
    reel_node *origin = reel_node_origin(dx);
    char forward[64];
    reel_node_scope(origin, forward, sizeof forward);
    ck_assert_str_eq(text, forward);
    ck_assert_str_eq(reel_node_where(dx), reel_node_where(origin));
    ck_assert_ptr_null(reel_node_origin(y));
    ck_assert_int_eq(reel_tape_status(tape), REEL_OK);
    reel_scope_leave(tape);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    reel_scope_enter(tape, "left open");
    reel_tape_reset(tape);
    ck_assert_uint_eq(reel_node_scope(reel_number(tape, 1), text, sizeof text), 0);
    reel_tape_free(tape);
}
END_TEST

/* One op of a drawn step on the rows x[0..*n), tensors of 3 columns: it may add some, and gives its
 * result. */
static reel_node *drawn_op(reel_random *r, reel_node **x, int *n)
{
    int op = (int)reel_random_below(r, 9);
    reel_node *a = x[reel_random_below(r, (uint64_t)*n)], *y = NULL;
    reel_node *pair[2] = {a, x[reel_random_below(r, (uint64_t)*n)]};
    int64_t rows = reel_node_dim(a, 0), at = (int64_t)reel_random_below(r, (uint64_t)rows);
    int count = 2 + (int)reel_random_below(r, 4);
    bool keep = reel_random_below(r, 2);
    switch (op) {
    case 0:
        return x[(*n)++] = reel_tanh(a);
    case 1:
        return x[(*n)++] = reel_scale(a, (double)count);
    case 2:
        return x[(*n)++] = reel_mul(a, reel_slice(pair[1], 0, 0, 1)); /* broadcast */
    case 3:
        return x[(*n)++] = reel_slice(a, 0, at, rows);
    case 4: {
        reel_node *some[5] = {pair[0], pair[1], a, a, pair[1]};
        y = reel_concat(0, count, some);
        return x[(*n)++] = reel_slice(y, 0, 0, 1 + at);
    }
    case 5:
        return reel_matmul(a, reel_transpose(pair[1]));
    case 6:
        return reel_sum_axis(a, (int)at % 2, keep);
    case 7:
        return reel_argmax_axis(a, 1, keep);
    default:
        return reel_gather(a, reel_argmax_axis(pair[1], 1, false));
    }
}

/* What is recorded in a scope is compared with what was in the scope before it, for its shapes. */
START_TEST(scopes_like_others_have_their_own_shapes)
{
    enum { STEPS = 12, OPS = 10 };
    reel_tape *tape[2] = {tape64(), tape64()}; /* in scopes, and in none */
    uint64_t kept[OPS], seed = 1 + (uint64_t)_i;
    for (int t = 0; t < STEPS; t++) {
        reel_random change = reel_random_new(seed, (uint64_t)t);
        reel_node *x[2][2 * OPS + 2];
        int n[2] = {2, 2};
        if (t == STEPS / 2) { /* shapes become others */
            seed += 1000;
        }
        for (int k = 0; k < 2; k++) {
            if (k == 0) {
                reel_scope_step(tape[0], t);
            }
            x[k][0] = filled(tape[k], 3 + (int64_t)(seed % 3), 3);
            x[k][1] = filled(tape[k], 2, 3);
        }
        for (int i = 0; i < OPS; i++) {
            if (t == 0 || reel_random_below(&change, 8) == 0) {
                kept[i] = reel_random_below(&change, 1 << 20);
            }
            reel_node *y[2];
            for (int k = 0; k < 2; k++) {
                reel_random r = reel_random_new(kept[i], 7);
                y[k] = drawn_op(&r, x[k], &n[k]);
                ck_assert_msg(reel_tape_status(tape[k]) == REEL_OK, "%s",
                              reel_tape_message(tape[k]));
            }
            ck_assert_msg(reel_shape_equal(reel_node_shape(y[0]), reel_node_shape(y[1])),
                          "seed %d, step %d, node %d", _i, t, i);
            ck_assert_int_eq((int)reel_node_dtype(y[0]), (int)reel_node_dtype(y[1]));
            ck_assert_int_eq((int)reel_node_id(y[0]), (int)reel_node_id(y[1]));
        }
        int count = 1 + (int)reel_random_below(&change, 5);
        for (int k = 0; k < 2; k++) { /* fewer of the same, or more */
            reel_node *some[5] = {x[k][1], x[k][1], x[k][1], x[k][1], x[k][1]};
            ck_assert_int_eq((int)reel_node_dim(reel_concat(0, count, some), 0), 2 * count);
        }
        reel_scope_leave(tape[0]);
    }
    reel_tape_free(tape[0]);
    reel_tape_free(tape[1]);
}
END_TEST

/* A step that is like the one before it but for one argument that will not do. */
START_TEST(scopes_like_others_have_their_own_errors)
{
    enum { MISFIT, OTHER_TAPE, STALE, INDEX, ERROR_NODE, CASES };
    static const char *const said[CASES] = {
        "matmul: [2,3] x [2,3]: inner sizes differ", "argument 1 is a node of another tape",
        "a node was kept over a reset of its tape", "argument 1 is i32: expected f64",
        "a node is the error node of an earlier recording"};
    reel_tape *tape = tape64(), *other = tape64(), *third = tape64();
    reel_node *bad = NULL, *wrong = reel_add(filled(third, 1, 2), filled(third, 1, 3));
    ck_assert_int_eq(reel_tape_status(third), REEL_ERR_SHAPE);
    reel_tape_reset(third);
    filled(tape, 1, 1);
    reel_node *stale = filled(tape, 3, 2);
    reel_tape_reset(tape);
    const int32_t index[6] = {0};
    for (int t = 0; t < 4; t++) {
        reel_scope_step(tape, t);
        reel_node *a = filled(tape, 2, 3), *b = filled(tape, 3, 2);
        bad = _i == MISFIT       ? a
              : _i == OTHER_TAPE ? filled(other, 3, 2)
              : _i == STALE      ? stale
              : _i == INDEX      ? reel_input(tape, REEL_I32, index, reel_dims(3, 2))
                                 : wrong;
        reel_matmul(a, t == 3 ? bad : b);
        ck_assert_int_eq(reel_tape_status(tape) == REEL_OK, t < 3);
        reel_scope_leave(tape);
    }
    expect_in_message(tape, said[_i]);
    reel_tape_free(tape);
    reel_tape_free(other);
    reel_tape_free(third);
}
END_TEST

/* Whether recording this is known from the time before: kind 0 to 3 differ in an attribute, in the
 * arguments of a long list, in memory taken before. */
static bool known_from_before(reel_tape *tape, int kind)
{
    reel_tape_reset(tape);
    reel_node *x = filled(tape, 2, 2);
    reel_scope_enter(tape, kind == 3 ? "a scope with a long name" : "a");
    reel_node *y = reel_scale(x, kind == 1 ? 3 : 2), *some[5] = {x, y, x, kind == 2 ? y : x, y};
    for (int i = 0; i < 100; i++) { /* more than a block of memory in the stress build */
        y = reel_clamp(reel_sum_of(5, some), -1, i);
        some[1] = y;
    }
    reel_scope_leave(tape);
    return tape->echo;
}

/* A change once is not to cost what repetition gains for ever. */
START_TEST(recordings_repeat_after_a_change)
{
    reel_tape *tape = tape64();
    static const int kinds[] = {0, 1, 2, 3, 2, 0, 3, 1, 0};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        bool known = known_from_before(tape, kinds[k]);
        ck_assert_msg(!known, "change %d", (int)k);
        known_from_before(tape, kinds[k]); /* where memory lies elsewhere than before */
        for (int i = 0; i < 3; i++) {
            ck_assert_msg(known_from_before(tape, kinds[k]), "change %d, %d later", (int)k, i);
        }
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(nodes_know_themselves)
{
    reel_tape *tape = tape64();
    char name[] = "hidden";
    int line = __LINE__ + 1;
    reel_node *x = reel_constant(tape, 2, reel_dims(2, 3)), *y = reel_name(reel_scale(x, 3), name);
    name[0] = 'X';
    char where[32];
    snprintf(where, sizeof where, "check_tape.c:%d", line);
    ck_assert_str_eq(reel_node_where(y), where);
    ck_assert_str_eq(reel_node_name(y), "hidden");
    ck_assert_str_eq(reel_node_name(x), "");
    ck_assert_int_eq(reel_node_dim(x, -1), 3);
    ck_assert_int_eq(reel_node_dim(x, 0), 2);
    ck_assert_int_eq(reel_node_dim(x, 2), 0);
    ck_assert_int_eq(reel_node_dim(x, -3), 0);
    ck_assert_int_eq(reel_node_arity(y), 1);
    ck_assert_ptr_eq(reel_node_arg(y, 0), x);
    ck_assert_ptr_null(reel_node_arg(y, 1));
    ck_assert_str_eq(reel_node_op(y)->name, "scale");
    ck_assert_ptr_nonnull(reel_node_attr(y));
    ck_assert_ptr_eq(reel_node_tape(y), tape);
    ck_assert_int_eq(reel_node_id(y), reel_node_id(x) + 1);
    reel_tape_free(tape);
}
END_TEST

/* Weights. */

static reel_init from(double a)
{
    return (reel_init){REEL_INIT_CONSTANT, a, 0};
}

START_TEST(one_leaf_per_weight)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_param *p = reel_params_get(ps, "w", reel_dims(3), from(0.1), 0);
    reel_tape *tape = reel_tape_new(1), *wide = tape64();
    reel_node *w = reel_use(tape, p);
    ck_assert_ptr_eq(reel_use(tape, p), w);
    ck_assert_ptr_eq(reel_node_param(w), p);
    ck_assert_str_eq(reel_node_name(w), "w");
    ck_assert_ptr_eq(reel_data(w), reel_param_data(p));
    double v[3];
    ck_assert_int_eq(reel_read(reel_use(wide, p), v, 3), REEL_OK); /* promoted */
    ck_assert_double_eq(v[0], (double)0.1F);
    reel_params *doubles = reel_params_new(REEL_F64, 1);
    reel_use(tape, reel_params_get(doubles, "w", reel_dims(3), from(0.1), 0));
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    expect_in_message(tape, "'w' is f64");
    reel_tape_free(tape);
    reel_tape_free(wide);
    reel_params_free(ps);
    reel_params_free(doubles);
}
END_TEST

START_TEST(changed_weight_is_noticed)
{
    for (int wide = 0; wide < 2; wide++) {
        reel_params *ps = reel_params_new(REEL_F32, 1);
        reel_param *p = reel_params_get(ps, "enc.w", reel_dims(3), from(2), 0);
        reel_tape *tape = reel_tape_new(1, .dtype = wide ? REEL_F64 : REEL_F32);
        reel_node *w = reel_use(tape, p);
        reel_node *y = reel_sum(reel_mul(w, w)), *z = reel_sum(w);
        ck_assert_double_eq(value(y), 12);
        float *data = reel_param_change(p);
        data[0] = 5;
        ck_assert_double_eq(value(y), 12); /* what was computed stays readable */
        double v = -1;
        ck_assert_int_eq(reel_scalar(z, &v), REEL_ERR_STALE);
        ck_assert_double_eq(v, -1);
        expect_in_message(tape, "enc.w");
        reel_tape_reset(tape);
        ck_assert_double_eq(value(reel_sum(reel_use(tape, p))), 9);
        reel_tape_free(tape);
        reel_params_free(ps);
    }
}
END_TEST

START_TEST(bound_node_takes_the_weights_place)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_param *p = reel_params_get(ps, "w", reel_dims(3), from(2), 0);
    reel_tape *tape = tape64();
    reel_node *x = vector(tape, 1, 2, 3), *half = reel_scale(x, 0.5), *dx;
    ck_assert_int_eq(reel_bind(tape, p, half), REEL_OK);
    ck_assert_ptr_eq(reel_use(tape, p), half);
    reel_node *y = reel_sum(reel_square(reel_use(tape, p)));
    ck_assert_double_eq(value(y), 3.5);
    ck_assert_int_eq(reel_grad(y, 1, &x, &dx), REEL_OK);
    double d[3];
    ck_assert_int_eq(reel_read(dx, d, 3), REEL_OK);
    ck_assert_double_eq(d[2], 1.5);
    ck_assert_int_eq(reel_bind(tape, p, x), REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    reel_use(tape, p); /* the binding is gone, and this use comes too early for another */
    ck_assert_int_eq(reel_bind(tape, p, vector(tape, 1, 2, 3)), REEL_ERR_ARGUMENT);
    expect_in_message(tape, "'w'");
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_bind(tape, p, reel_number(tape, 1)), REEL_ERR_SHAPE);
    expect_in_message(tape, "'w' is [3]");
    reel_tape_reset(tape);
    reel_tape *other = tape64();
    ck_assert_int_ne(reel_bind(tape, p, vector(other, 1, 2, 3)), REEL_OK);
    reel_tape_free(other);
    reel_tape_free(tape);
    reel_params_free(ps);
}
END_TEST

START_TEST(errors_of_a_set_flow_into_tapes)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_param *p = reel_params_get(ps, "w", reel_dims(3), from(2), 0);
    ck_assert_ptr_null(reel_params_get(ps, "w", reel_dims(4), from(2), 0));
    reel_tape *tape = reel_tape_new(1);
    reel_use(tape, p);
    ck_assert_int_eq(reel_tape_status(tape), reel_params_status(ps));
    expect_in_message(tape, reel_params_message(ps));
    reel_tape_free(tape);
    reel_params_free(ps);
}
END_TEST

/* Masks. */

enum { MASK = 200 };

typedef struct mask_case {
    uint64_t seed, counter;
    const char *scope;
    int before; /* masks drawn in the scope before this one */
    int threads;
    reel_dtype dtype;
} mask_case;

static void draw_mask(const mask_case *m, double *out)
{
    reel_tape *tape = reel_tape_new(m->threads, .seed = m->seed, .dtype = m->dtype);
    reel_tape_set_counter(tape, 99);
    reel_tape_reset(tape);
    reel_tape_set_counter(tape, m->counter);
    reel_scope_enter(tape, m->scope);
    reel_node *x = reel_constant(tape, 1, reel_dims(MASK));
    for (int i = 0; i < m->before; i++) {
        reel_dropout(x, 0.5);
    }
    reel_node *y = reel_dropout(x, 0.5);
    ck_assert_msg(reel_read(y, out, MASK) == REEL_OK, "%s", reel_tape_message(tape));
    ck_assert_uint_eq(reel_tape_counter(tape), m->counter);
    reel_tape_free(tape);
}

static int masks_differ(mask_case a, mask_case b)
{
    double x[MASK], y[MASK];
    int differ = 0;
    draw_mask(&a, x);
    draw_mask(&b, y);
    for (int i = 0; i < MASK; i++) {
        differ += x[i] != y[i];
    }
    return differ;
}

START_TEST(masks_depend_on_seed_scope_ordinal_counter_alone)
{
    mask_case base = {.seed = 1, .counter = 5, .scope = "a", .threads = 1, .dtype = REEL_F32};
    mask_case other = base;
    ck_assert_int_eq(masks_differ(base, other), 0);
    other.threads = 4;
    other.dtype = REEL_F64;
    ck_assert_int_eq(masks_differ(base, other), 0);
    other = base;
    other.seed = 2;
    ck_assert_int_gt(masks_differ(base, other), MASK / 4);
    other = base;
    other.counter = 6;
    ck_assert_int_gt(masks_differ(base, other), MASK / 4);
    other.counter = base.counter + ((uint64_t)1 << 32);
    ck_assert_int_gt(masks_differ(base, other), MASK / 4);
    other = base;
    other.scope = "b";
    ck_assert_int_gt(masks_differ(base, other), MASK / 4);
    other = base;
    other.before = 1;
    ck_assert_int_gt(masks_differ(base, other), MASK / 4);
}
END_TEST

START_TEST(masks_are_the_same_in_every_pass)
{
    reel_tape *tape = tape64();
    reel_node *x = reel_constant(tape, 1, reel_dims(MASK)), *dx;
    reel_node *y = reel_dropout(x, 0.5), *loss = reel_sum(y);
    ck_assert_int_eq(reel_grad(loss, 1, &x, &dx), REEL_OK);
    double a[MASK], b[MASK];
    ck_assert_int_eq(reel_read(dx, a, MASK), REEL_OK);
    ck_assert_int_eq(reel_read(y, b, MASK), REEL_OK);
    ck_assert_mem_eq(a, b, sizeof a);
    reel_tape_reset(tape);
    reel_tape_set_training(tape, false);
    x = reel_constant(tape, 1, reel_dims(MASK));
    ck_assert_double_eq(value(reel_sum(reel_dropout(x, 0.5))), MASK);
    reel_tape_free(tape);
}
END_TEST

START_TEST(counter_is_a_leaf)
{
    reel_tape *tape = tape64();
    reel_tape_set_counter(tape, 0x123456789abcdef0U);
    reel_node *c = reel_counter(tape);
    ck_assert_ptr_eq(reel_counter(tape), c);
    ck_assert_int_eq(reel_node_dtype(c), REEL_I32);
    const int32_t *words = reel_data(c);
    ck_assert_uint_eq((uint32_t)words[0], 0x9abcdef0U);
    ck_assert_uint_eq((uint32_t)words[1], 0x12345678U);
    reel_tape_free(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tape");
    TCase *values = tcase_create("values");
    tcase_add_test(values, values_are_computed_on_demand);
    tcase_add_test(values, control_flow_may_depend_on_values);
    tcase_add_test(values, wanted_values_stay);
    tcase_add_test(values, gradient_reads_what_was_kept);
    tcase_add_test(values, terms_of_a_sum_are_values_of_their_own);
    tcase_add_test(values, inference_keeps_nothing);
    tcase_add_test(values, reset_keeps_memory);
    tcase_add_test(values, growing_structures_settle);
    tcase_add_test(values, inputs_are_copied_or_borrowed);
    tcase_add_test(values, types_are_converted);
    tcase_add_test(values, scalars_and_empty_tensors);
    tcase_add_test(values, trap_names_the_first_node);
    tcase_add_test(values, trap_looks_at_the_backward_pass_and_at_inputs);
    suite_add_tcase(suite, values);
    TCase *context = tcase_create("scopes, weights, masks");
    tcase_add_test(context, scopes_are_paths);
    tcase_add_loop_test(context, scopes_like_others_have_their_own_shapes, 0, 40);
    tcase_add_loop_test(context, scopes_like_others_have_their_own_errors, 0, 5);
    tcase_add_test(context, recordings_repeat_after_a_change);
    tcase_add_test(context, nodes_know_themselves);
    tcase_add_test(context, one_leaf_per_weight);
    tcase_add_test(context, changed_weight_is_noticed);
    tcase_add_test(context, bound_node_takes_the_weights_place);
    tcase_add_test(context, errors_of_a_set_flow_into_tapes);
    tcase_add_test(context, masks_depend_on_seed_scope_ordinal_counter_alone);
    tcase_add_test(context, masks_are_the_same_in_every_pass);
    tcase_add_test(context, counter_is_a_leaf);
    suite_add_tcase(suite, context);
    return suite_run(suite);
}
