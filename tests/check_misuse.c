/* Misuse of the public calls: NULLs, impossible sizes, nodes from elsewhere. Each gives a status
 * and, where there is a tape or a set to hold it, one message; none crashes. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

static reel_tape *tape;
static reel_params *ps;

static void setup(void)
{
    tape = reel_tape_new(1, .dtype = REEL_F64);
    ps = reel_params_new(REEL_F64, 1);
}

static void teardown(void)
{
    reel_tape_free(tape);
    reel_params_free(ps);
}

static reel_node *leaf(reel_tape *t)
{
    static const double v[6] = {1, 2, 3, 4, 5, 6};
    return reel_input(t, REEL_F64, v, reel_dims(2, 3));
}

/* The tape's message must hold the text; the tape is then reset. */
static void expect(const char *text)
{
    const char *message = reel_tape_message(tape);
    ck_assert_msg(strstr(message, text) != NULL, "message '%s' lacks '%s'", message, text);
    reel_tape_reset(tape);
}

START_TEST(lists_of_nodes)
{
    reel_node *x = leaf(tape), *y = reel_sum(x), *d;
    ck_assert_int_eq(reel_grad(y, 1, &x, NULL), REEL_ERR_ARGUMENT);
    expect("reel_grad: a list of nodes is NULL");
    x = leaf(tape), y = reel_sum(x);
    ck_assert_int_eq(reel_grad(y, 1, NULL, &d), REEL_ERR_ARGUMENT);
    expect("reel_grad: a list of nodes is NULL");
    x = leaf(tape), y = reel_sum(x);
    ck_assert_int_eq(reel_vjp(1, &y, NULL, 1, &x, &d), REEL_ERR_ARGUMENT);
    expect("reel_vjp: a list of nodes is NULL");
    x = leaf(tape), y = reel_sum(x);
    ck_assert_int_eq(reel_jvp(1, &y, 1, &x, NULL, &d), REEL_ERR_ARGUMENT);
    expect("reel_jvp: a list of nodes is NULL");
    const int32_t index = 1;
    x = leaf(tape), y = reel_sum(x);
    reel_node *i = reel_input(tape, REEL_I32, &index, reel_scalar_shape());
    ck_assert_int_eq(reel_vjp(1, &y, &i, 1, &x, &d), REEL_ERR_SHAPE);
    expect("direction 0 is i32: expected f64");
}
END_TEST

START_TEST(values)
{
    reel_node *x = leaf(tape), *one = reel_sum(x);
    ck_assert_int_eq(reel_read(x, NULL, 6), REEL_ERR_ARGUMENT);
    expect("reel_read: room for 0 elements: expected 6");
    x = leaf(tape);
    ck_assert_int_eq(reel_read_f32(x, NULL, 6), REEL_ERR_ARGUMENT);
    expect("room for 0 elements");
    one = reel_sum(leaf(tape));
    ck_assert_int_eq(reel_scalar(one, NULL), REEL_OK);
    ck_assert_ptr_null(reel_data(NULL));
    ck_assert_int_ne(reel_eval(1, NULL), REEL_OK);
}
END_TEST

static void first(size_t n, const double *const *x, double *y, const void *attr)
{
    (void)attr;
    memcpy(y, x[0], n * sizeof *y);
}

START_TEST(ops)
{
    static const reel_op wide = {
        .name = "wide", .arity = -1, .flags = REEL_OP_ELEMENTWISE, .map_f64 = first};
    static const reel_op index = {.name = "index",
                                  .arity = 1,
                                  .flags = REEL_OP_ELEMENTWISE | REEL_OP_INDEX_RESULT,
                                  .map_f64 = first};
    reel_node *x[REEL_MAX_MAPPED + 1];
    for (int i = 0; i <= REEL_MAX_MAPPED; i++) {
        x[i] = leaf(tape);
    }
    ck_assert_ptr_nonnull(reel_data(reel_apply(REEL_HERE, &wide, REEL_MAX_MAPPED, x, NULL)));
    reel_apply(REEL_HERE, &wide, REEL_MAX_MAPPED + 1, x, NULL);
    expect("wide: 9 arguments: an element-wise op takes at most 8");
    reel_apply1(REEL_HERE, &index, leaf(tape), NULL);
    expect("index: an element-wise op takes and gives real values");
    reel_apply1(REEL_HERE, &reel_op_scale, leaf(tape), NULL);
    expect("scale: its attribute is NULL");
    reel_apply0(REEL_HERE, tape, NULL, NULL);
    expect("the op is NULL");
    ck_assert_int_eq(reel_node_id(reel_apply1(REEL_HERE, NULL, leaf(tape), NULL)), -1);
    ck_assert_int_eq(reel_node_dim(reel_slice_step(leaf(tape), 0, 0, 2, INT64_MAX), 0), 1);
}
END_TEST

static reel_node *two_sizes(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *a[4];
    reel_gates(c, 4, x, s->v[0], a);
    reel_gates(c, 3, x, s->v[0], a);
    return a[0];
}

static reel_node *long_names(reel_cell *c, reel_node *x, reel_state *s)
{
    char gate[128];
    memset(gate, 'g', sizeof gate - 1);
    gate[sizeof gate - 1] = '\0';
    return s->v[0] = reel_gate(c, gate, x, s->v[0]);
}

static reel_node *no_name(reel_cell *c, reel_node *x, reel_state *s)
{
    return s->v[0] = reel_gate(c, NULL, x, s->v[0]);
}

static reel_node *too_many(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *a[2];
    reel_gates(c, 99, x, s->v[0], NULL);
    reel_gates(NULL, 2, x, s->v[0], a);
    return a[1];
}

START_TEST(cells)
{
    static const struct {
        reel_step *step;
        const char *message;
    } bad[] = {{two_sizes, "weight_ih"},
               {long_names, "the name of a gate is too long"},
               {no_name, "the name of a gate is missing"},
               {too_many, "99 gates: expected 1 to 16"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        reel_cell *c = reel_cell_new(ps, "bad", bad[i].step, .in = 3, .hidden = 3);
        reel_node *x = leaf(tape), *y;
        ck_assert_int_ne(reel_unroll(c, 1, &x, NULL, &y), REEL_OK);
        expect(bad[i].message);
        reel_params_clear_error(ps);
        reel_cell_free(c);
    }
}
END_TEST

START_TEST(inputs_of_an_unroll)
{
    reel_cell *c = reel_cell_of(ps, "rnn", &reel_rnn, .in = 3, .hidden = 2);
    reel_tape *other = reel_tape_new(1, .dtype = REEL_F64);
    reel_node *x[2] = {leaf(tape), NULL}, *y[2];
    ck_assert_int_eq(reel_unroll(c, 2, x, NULL, y), REEL_ERR_ARGUMENT);
    expect("rnn: a node is NULL (in rnn, t=1)");
    x[0] = leaf(tape);
    x[1] = leaf(other);
    ck_assert_int_eq(reel_unroll(c, 2, x, NULL, y), REEL_ERR_ARGUMENT);
    expect("'rnn': an input is of another tape");
    ck_assert_int_eq(reel_unroll(c, -1, x, NULL, y), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_unroll(c, 2, NULL, NULL, y), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_unroll(c, 0, NULL, NULL, NULL), REEL_OK);
    reel_tape_free(other);
    reel_cell_free(c);
}
END_TEST

/* A step taken alone is step t of an unroll, and is recorded in its scope. */
START_TEST(one_step_is_a_step_of_the_unroll)
{
    reel_cell *c = reel_layers_with(
        &(reel_cell_args){.params = ps, .name = "net", .type = &reel_gru, .in = 3, .hidden = 4}, 2,
        0);
    reel_state s = reel_state_zero(tape, c, 2);
    char scope[64];
    reel_node_scope(reel_step_once(c, 7, leaf(tape), &s), scope, sizeof scope);
    ck_assert_str_eq(scope, "net/l1/t=7");
    reel_cell_free(c);
}
END_TEST

START_TEST(broken_cells_stay_broken)
{
    reel_cell *c = reel_cell_new(ps, "none", NULL, .in = 3, .hidden = 2);
    ck_assert_int_eq(reel_params_status(ps), REEL_ERR_ARGUMENT);
    reel_params_clear_error(ps);
    reel_node *x = leaf(tape), *y;
    ck_assert_int_eq(reel_unroll(c, 1, &x, NULL, &y), REEL_ERR_ARGUMENT);
    expect("cell 'none' was made with bad arguments");
    reel_cell_free(c);
    ck_assert_ptr_null(reel_cell_stack_with(NULL));
    ck_assert_ptr_null(reel_cell_stack(ps, "stack", 2, NULL));
    reel_cell *twice = reel_cell_of(ps, "a", &reel_rnn, .in = 2, .hidden = 2),
              *both[2] = {twice, twice};
    ck_assert_ptr_null(reel_cell_stack(ps, "stack", 2, both));
    ck_assert(strstr(reel_params_message(ps), "none of them NULL or twice") != NULL);
}
END_TEST

START_TEST(states_and_the_rest)
{
    reel_carry carry = {0};
    reel_state s = {.n = 0}, wild = {.n = 1000};
    ck_assert_int_eq(reel_state_keep(NULL, &s), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_state_keep(&carry, NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_state_keep(&carry, &wild), REEL_ERR_ARGUMENT);
    reel_carry_zero(NULL, 0);
    reel_carry_free(NULL);
    ck_assert_int_eq(reel_state_detach(NULL).n, 0);
    reel_cell_gate_bias(NULL, 4, 1, 1);
    reel_opt_kind kind;
    ck_assert(!reel_opt_kind_find("adam", NULL));
    ck_assert(!reel_opt_kind_find(NULL, &kind));
    reel_scope_enter(NULL, "x");
    reel_scope_leave(NULL);
    ck_assert_ptr_nonnull(reel_gate(NULL, "f", leaf(tape), NULL));
    expect("the cell is NULL");
}
END_TEST

/* Derivatives where a formula alone would give NaN. */
START_TEST(derivatives_at_corners)
{
    const double zero = 0, two = 2;
    reel_node *x = reel_input(tape, REEL_F64, &zero, reel_scalar_shape());
    reel_node *b = reel_input(tape, REEL_F64, &two, reel_scalar_shape());
    reel_node *d = reel_power(x, 2);
    for (int order = 0; order < 3; order++) {
        ck_assert_int_eq(reel_grad(d, 1, &x, &d), REEL_OK);
    }
    double v;
    ck_assert_int_eq(reel_scalar(d, &v), REEL_OK);
    ck_assert_double_eq(v, 0);
    reel_node *in[2] = {x, b}, *g[2];
    ck_assert_int_eq(reel_grad(reel_pow(x, b), 2, in, g), REEL_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(reel_scalar(g[i], &v), REEL_OK);
        ck_assert_double_eq(v, 0);
    }
    ck_assert_int_eq(reel_grad(reel_hypot(x, x), 1, &x, g), REEL_OK);
    ck_assert_int_eq(reel_scalar(g[0], &v), REEL_OK);
    ck_assert_double_eq(v, 0);
}
END_TEST

/* A bias gradient over very many rows, in f32: plain summation would be percents off. */
START_TEST(long_sums_stay_exact)
{
    reel_tape *single = reel_tape_new(1);
    reel_node *b = reel_constant(single, 0.5, reel_dims(1)), *db;
    reel_node *rows = reel_constant(single, 0.1, reel_dims(5000000, 1));
    ck_assert_int_eq(reel_grad(reel_sum(reel_mul(rows, b)), 1, &b, &db), REEL_OK);
    double v;
    ck_assert_int_eq(reel_scalar(reel_reshape(db, reel_scalar_shape()), &v), REEL_OK);
    ck_assert_double_eq_tol(v, 5e5, 1);
    reel_tape_free(single);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("misuse");
    TCase *tc = tcase_create("misuse");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, lists_of_nodes);
    tcase_add_test(tc, values);
    tcase_add_test(tc, ops);
    tcase_add_test(tc, cells);
    tcase_add_test(tc, inputs_of_an_unroll);
    tcase_add_test(tc, one_step_is_a_step_of_the_unroll);
    tcase_add_test(tc, broken_cells_stay_broken);
    tcase_add_test(tc, states_and_the_rest);
    tcase_add_test(tc, derivatives_at_corners);
    tcase_add_test(tc, long_sums_stay_exact);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
