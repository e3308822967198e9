/* Errors of a tape: they stick, tell what, where and why, and nothing a caller does crashes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <reel/op.h>
#include <reel/ops.h>
#include <reel/params.h>
#include <reel/tape.h>

#include "suite.h"
#include "tapes.h"

START_TEST(message_tells_what_where_why)
{
    reel_tape *tape = tape64();
    reel_node *a = filled(tape, 32, 100), *b = filled(tape, 128, 65);
    reel_scope_enter(tape, "decoder");
    reel_scope_enter(tape, "mgu");
    reel_scope_step(tape, 3);
    int line = __LINE__ + 1;
    reel_node *y = reel_matmul(a, b);
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    EXPECT_MESSAGE(tape, line,
                   "matmul: [32,100] x [128,65]: inner sizes differ (in decoder/mgu, t=3)");
    reel_tape_free(tape);
}
END_TEST

START_TEST(first_error_wins_and_sticks)
{
    reel_tape *tape = tape64();
    reel_node *x = vector(tape, 1, 2, 3);
    int line = __LINE__ + 1;
    reel_node *bad = reel_add(x, filled(tape, 1, 2));
    EXPECT_MESSAGE(tape, line, "add: [3] x [1,2]: shapes do not broadcast");
    reel_node *worse = reel_mul(reel_tanh(bad), NULL);
    ck_assert_ptr_eq(worse, bad);
    ck_assert_ptr_eq(reel_sum(x), bad);
    ck_assert_ptr_eq(reel_input(tape, REEL_F64, NULL, reel_dims(3)), bad);
    EXPECT_MESSAGE(tape, line, "add: [3] x [1,2]: shapes do not broadcast");
    double v = 5, three[3];
    reel_node *dx = NULL;
    ck_assert_int_eq(reel_eval(1, &x), REEL_ERR_SHAPE);
    ck_assert_int_eq(reel_scalar(bad, &v), REEL_ERR_SHAPE);
    ck_assert_double_eq(v, 5);
    ck_assert_int_eq(reel_read(x, three, 3), REEL_ERR_SHAPE);
    ck_assert_ptr_null(reel_data(x));
    ck_assert_int_eq(reel_grad(x, 1, &x, &dx), REEL_ERR_SHAPE);
    ck_assert_ptr_eq(dx, bad);
    ck_assert_int_eq(reel_vjp(1, &x, &x, 1, &x, &dx), REEL_ERR_SHAPE);
    ck_assert_int_eq(reel_jvp(1, &x, 1, &x, &x, &dx), REEL_ERR_SHAPE);
    ck_assert_int_eq(reel_node_size(bad), 0);
    ck_assert_int_eq(reel_node_rank(bad), 0);
    ck_assert_int_eq(reel_node_id(bad), -1);
    ck_assert_str_eq(reel_node_where(bad), "");
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_tape_status(tape), REEL_OK);
    ck_assert_str_eq(reel_tape_message(tape), "");
    ck_assert_double_eq(value(reel_sum(vector(tape, 1, 2, 3))), 6);
    reel_tanh(bad);
    ck_assert_int_ne(reel_tape_status(tape), REEL_OK);
    reel_tape_free(tape);
}
END_TEST

START_TEST(null_is_answered)
{
    double v = 5;
    reel_node *none = NULL, *out = NULL;
    char text[8] = "x";
    reel_tape_reset(NULL);
    reel_tape_free(NULL);
    reel_scope_enter(NULL, "a");
    reel_scope_step(NULL, 1);
    reel_scope_leave(NULL);
    reel_tape_set_training(NULL, true);
    reel_tape_set_counter(NULL, 1);
    reel_tape_set_trap_nan(NULL, true);
    ck_assert_int_ne(reel_tape_status(NULL), REEL_OK);
    ck_assert_ptr_nonnull(reel_tape_message(NULL));
    ck_assert_uint_eq(reel_tape_counter(NULL), 0);
    ck_assert_int_eq(reel_tape_statistics(NULL).nodes, 0);
    ck_assert_ptr_nonnull(reel_number(NULL, 1));
    ck_assert_ptr_nonnull(reel_constant(NULL, 1, reel_dims(2)));
    ck_assert_ptr_nonnull(reel_use(NULL, NULL));
    ck_assert_ptr_nonnull(reel_counter(NULL));
    ck_assert_int_ne(reel_bind(NULL, NULL, NULL), REEL_OK);
    ck_assert_ptr_nonnull(reel_add(NULL, NULL));
    ck_assert_ptr_nonnull(reel_tanh(reel_add(NULL, NULL)));
    ck_assert_int_ne(reel_eval(1, &none), REEL_OK);
    ck_assert_int_ne(reel_eval(1, NULL), REEL_OK);
    ck_assert_int_eq(reel_eval(0, NULL), REEL_OK);
    ck_assert_int_ne(reel_scalar(NULL, &v), REEL_OK);
    ck_assert_double_eq(v, 5);
    ck_assert_ptr_null(reel_data(NULL));
    ck_assert_int_ne(reel_grad(NULL, 1, &none, &out), REEL_OK);
    ck_assert_ptr_nonnull(out);
    ck_assert_int_ne(reel_vjp(1, NULL, NULL, 1, NULL, &out), REEL_OK);
    ck_assert_int_ne(reel_jvp(1, &none, 1, &none, &none, &out), REEL_OK);
    ck_assert_int_eq(reel_node_id(NULL), -1);
    ck_assert_ptr_null(reel_node_op(NULL));
    ck_assert_ptr_null(reel_node_arg(NULL, 0));
    ck_assert_ptr_null(reel_node_param(NULL));
    ck_assert_ptr_null(reel_node_origin(NULL));
    ck_assert_str_eq(reel_node_name(NULL), "");
    ck_assert_uint_eq(reel_node_scope(NULL, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
    ck_assert(!reel_is_computed(NULL));
    ck_assert_ptr_null(reel_want(NULL));
    reel_name(NULL, "x");
    reel_tape *tape = tape64();
    reel_add(vector(tape, 1, 2, 3), NULL);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    expect_in_message(tape, "add: a node is NULL");
    reel_tape_reset(tape);
    ck_assert_int_ne(reel_bind(tape, NULL, vector(tape, 1, 2, 3)), REEL_OK);
    reel_tape_reset(tape);
    reel_use(tape, NULL);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    reel_node *two[2] = {vector(tape, 1, 2, 3), NULL};
    ck_assert_int_eq(reel_eval(2, two), REEL_ERR_ARGUMENT);
    reel_tape_free(tape);
}
END_TEST

START_TEST(nodes_kept_over_a_reset)
{
    reel_tape *tape = tape64();
    reel_node *old = reel_tanh(vector(tape, 1, 2, 3));
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_node_id(old), -1);
    ck_assert_int_eq(reel_node_size(old), 0);
    reel_tanh(old); /* its slot is empty now */
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_STALE);
    expect_in_message(tape, "kept over a reset");
    reel_tape_reset(tape);
    reel_node *x = vector(tape, 1, 2, 3), *y = reel_exp(x); /* and now another node's */
    ck_assert_ptr_ne(y, old);
    ck_assert_int_eq(reel_node_id(old), -1);
    double three[3];
    ck_assert_int_eq(reel_read(old, three, 3), REEL_ERR_STALE);
    reel_tape_reset(tape);
    x = vector(tape, 1, 2, 3);
    reel_node *dx, *sum = reel_sum(x);
    ck_assert_int_eq(reel_grad(sum, 1, &old, &dx), REEL_ERR_STALE);
    for (int i = 0; i < 126; i++) {
        reel_tape_reset(tape);
        vector(tape, 1, 2, 3);
        ck_assert_int_eq(reel_node_id(x), -1);
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(nodes_of_two_tapes)
{
    reel_tape *one = tape64(), *two = tape64();
    reel_node *x = vector(one, 1, 2, 3), *y = vector(two, 1, 2, 3), *dx;
    reel_add(x, y);
    ck_assert_int_eq(reel_tape_status(one), REEL_ERR_ARGUMENT);
    expect_in_message(one, "another tape");
    ck_assert_int_eq(reel_tape_status(two), REEL_OK);
    reel_tape_reset(one);
    x = vector(one, 1, 2, 3);
    ck_assert_int_eq(reel_grad(reel_sum(x), 1, &y, &dx), REEL_ERR_ARGUMENT);
    reel_tape_reset(one);
    reel_node *both[2] = {vector(one, 1, 2, 3), y};
    ck_assert_int_eq(reel_eval(2, both), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_tape_status(two), REEL_OK);
    reel_tape_free(one);
    reel_tape_free(two);
}
END_TEST

typedef struct heard {
    int calls;
    reel_status status;
    char message[256];
} heard;

static void hear(void *context, reel_status status, const char *message)
{
    heard *h = context;
    h->calls++;
    h->status = status;
    snprintf(h->message, sizeof h->message, "%s", message);
}

START_TEST(handler_is_called_once)
{
    heard h = {0};
    reel_tape *tape = reel_tape_new(1, .on_error = hear, .context = &h);
    reel_node *x = vector(tape, 1, 2, 3);
    ck_assert_int_eq(h.calls, 0);
    reel_add(x, filled(tape, 1, 2));
    reel_add(x, filled(tape, 1, 2));
    ck_assert_int_eq(h.calls, 1);
    ck_assert_int_eq(h.status, REEL_ERR_SHAPE);
    ck_assert_str_eq(h.message, reel_tape_message(tape));
    reel_tape_reset(tape);
    reel_add(vector(tape, 1, 2, 3), filled(tape, 1, 2));
    ck_assert_int_eq(h.calls, 2);
    reel_tape_free(tape);
}
END_TEST

START_TEST(short_programs_print_and_exit)
{
    reel_tape *tape = reel_tape_new(1, .on_error = reel_print_and_exit);
    fclose(stderr);
    reel_add(vector(tape, 1, 2, 3), filled(tape, 1, 2));
    exit(0);
}
END_TEST

/* stderr into a file and back. */
static int saved_stderr;
static FILE *caught;

static void catch_stderr(void)
{
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    caught = tmpfile();
    ck_assert_ptr_nonnull(caught);
    ck_assert_int_ge(dup2(fileno(caught), STDERR_FILENO), 0);
}

static const char *caught_text(void)
{
    static char text[2048];
    fflush(stderr);
    rewind(caught);
    size_t n = fread(text, 1, sizeof text - 1, caught);
    text[n] = '\0';
    ck_assert_int_ge(dup2(saved_stderr, STDERR_FILENO), 0);
    close(saved_stderr);
    fclose(caught);
    return text;
}

START_TEST(unread_error_is_printed)
{
    for (int by_free = 0; by_free < 2; by_free++) {
        reel_tape *tape = tape64();
        catch_stderr();
        reel_add(vector(tape, 1, 2, 3), filled(tape, 1, 2));
        if (by_free) {
            reel_tape_free(tape);
        } else {
            reel_tape_reset(tape);
        }
        const char *text = caught_text();
        ck_assert_msg(strstr(text, "add: [3] x [1,2]: shapes do not broadcast") != NULL, "%s",
                      text);
        if (!by_free) {
            catch_stderr();
            reel_tape_free(tape);
            ck_assert_str_eq(caught_text(), "");
        }
    }
}
END_TEST

START_TEST(read_error_is_not_printed)
{
    heard h = {0};
    catch_stderr();
    reel_tape *tape = tape64();
    reel_add(vector(tape, 1, 2, 3), filled(tape, 1, 2));
    bool failed = reel_tape_status(tape) != REEL_OK;
    reel_tape_free(tape);
    tape = reel_tape_new(1, .on_error = hear, .context = &h);
    reel_add(vector(tape, 1, 2, 3), filled(tape, 1, 2));
    reel_tape_free(tape);
    ck_assert_str_eq(caught_text(), "");
    ck_assert(failed && h.calls == 1);
}
END_TEST

START_TEST(bad_options_are_errors)
{
    reel_tape *tape = reel_tape_new(-1);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    reel_tape_free(tape);
    tape = reel_tape_new(1, .dtype = REEL_I32);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    reel_tape_free(tape);
    tape = reel_tape_new(1, .executor = (reel_executor)77);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    reel_tape_free(tape);
    setenv("REEL_EXECUTOR", "nonsense", 1);
    tape = reel_tape_new(1);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    expect_in_message(tape, "REEL_EXECUTOR");
    expect_in_message(tape, "nonsense");
    reel_tape_free(tape);
    setenv("REEL_EXECUTOR", "reference", 1);
    tape = reel_tape_new(1);
    ck_assert_int_eq(reel_tape_status(tape), REEL_OK);
    ck_assert_double_eq(value(reel_number(tape, 2)), 2);
    reel_tape_free(tape);
    tape = reel_tape_new_with(NULL);
    ck_assert_int_eq(reel_tape_dtype(tape), REEL_F32);
    ck_assert_int_ge(reel_tape_threads(tape), 1);
    reel_tape_free(tape);
}
END_TEST

START_TEST(bad_reads_are_errors)
{
    reel_tape *tape = tape64();
    double two[2], v = 5;
    float few[2];
    ck_assert_int_eq(reel_read(vector(tape, 1, 2, 3), two, 2), REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_read_f32(vector(tape, 1, 2, 3), few, 2), REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_scalar(vector(tape, 1, 2, 3), &v), REEL_ERR_SHAPE);
    ck_assert_double_eq(v, 5);
    reel_tape_reset(tape);
    reel_node *x = vector(tape, 1, 2, 3), *dx;
    ck_assert_int_eq(reel_grad(x, 1, &x, &dx), REEL_ERR_SHAPE);
    reel_tape_reset(tape);
    x = vector(tape, 1, 2, 3);
    reel_node *y = reel_sum(x);
    ck_assert_int_eq(reel_vjp(1, &y, &x, 1, &x, &dx), REEL_ERR_SHAPE);
    reel_tape_free(tape);
}
END_TEST

START_TEST(library_code_can_raise_errors)
{
    reel_tape *tape = tape64();
    reel_node *bad = reel_tape_fail(tape, "/a/b/model.c:7", REEL_ERR_VALUE,
                                    "layers: %d: expected 1 or more", -2);
    ck_assert_str_eq(reel_tape_message(tape), "model.c:7: layers: -2: expected 1 or more");
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_VALUE);
    ck_assert_ptr_eq(reel_neg(bad), bad);
    reel_tape_reset(tape);
    reel_node_fail("model.c:8", vector(tape, 1, 2, 3), REEL_ERR_SHAPE, "%s", "no");
    ck_assert_str_eq(reel_tape_message(tape), "model.c:8: no");
    reel_tape_free(tape);
}
END_TEST

static int64_t long_dims(reel_tape *tape, int64_t a, int64_t b)
{
    return reel_node_size(reel_constant(tape, 0, reel_dims(a, b)));
}

START_TEST(impossible_shapes_are_errors)
{
    reel_tape *tape = tape64();
    reel_shape five = {.rank = 5, .dim = {1, 1, 1, 1}};
    reel_input(tape, REEL_F64, &(double){1}, five);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    reel_tape_reset(tape);
    reel_constant(tape, 1, five);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    reel_tape_reset(tape);
    reel_node *deep = reel_constant(tape, 1, reel_dims(1, 2, 1, 2));
    reel_stack(1, &deep);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    reel_tape_reset(tape);
    long_dims(tape, -1, 2);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    reel_tape_reset(tape);
    long_dims(tape, INT64_MAX / 2, 3);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    expect_in_message(tape, "too large");
    reel_tape_reset(tape);
    long_dims(tape, INT64_MAX / 4, 1); /* the elements fit, their bytes do not */
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    reel_tape_reset(tape);
    reel_node *row = reel_constant(tape, 1, reel_dims(1, (int64_t)1 << 40));
    reel_node *column = reel_constant(tape, 1, reel_dims((int64_t)1 << 40, 1));
    ck_assert_int_eq(reel_tape_status(tape), REEL_OK); /* recording computes nothing */
    reel_add(row, column);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_SHAPE);
    reel_tape_reset(tape);
    ck_assert_double_eq(value(reel_number(tape, 3)), 3);
    reel_tape_free(tape);
}
END_TEST

/* Kernels that fail. */

START_TEST(bad_index_is_told_with_its_place)
{
    reel_tape *tape = tape64();
    int32_t index[2] = {1, 70};
    reel_node *table = filled(tape, 65, 4);
    int line = __LINE__ + 1;
    reel_node *rows = reel_gather(table, reel_input(tape, REEL_I32, index, reel_dims(2)));
    ck_assert_int_eq(reel_eval(1, &rows), REEL_ERR_VALUE);
    char start[64];
    snprintf(start, sizeof start, "check_errors.c:%d: gather: ", line);
    expect_in_message(tape, start);
    expect_in_message(tape, "70");
    expect_in_message(tape, "0 to 64");
    ck_assert(!reel_is_computed(rows));
    reel_tape_free(tape);
}
END_TEST

static void no_kernel_map(size_t n, const float *const *x, float *y, const void *attr)
{
    (void)attr;
    for (size_t i = 0; i < n; i++) {
        y[i] = x[0][i];
    }
}

START_TEST(missing_kernel_is_an_error)
{
    static const reel_op single = {
        .name = "single", .arity = 1, .flags = REEL_OP_ELEMENTWISE, .map_f32 = no_kernel_map};
    static const reel_op none = {.name = "none", .arity = 1};
    reel_tape *tape = tape64();
    reel_node *y = reel_apply1(REEL_HERE, &single, vector(tape, 1, 2, 3), NULL);
    ck_assert_int_eq(reel_eval(1, &y), REEL_ERR_ARGUMENT);
    expect_in_message(tape, "single: the op has no f64 kernel");
    reel_tape_reset(tape);
    y = reel_apply1(REEL_HERE, &none, vector(tape, 1, 2, 3), NULL);
    ck_assert_int_eq(reel_eval(1, &y), REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    reel_node *two[2] = {vector(tape, 1, 2, 3), vector(tape, 1, 2, 3)};
    reel_apply(REEL_HERE, &single, 2, two, NULL);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    expect_in_message(tape, "2 arguments: expected 1");
    reel_tape_free(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("errors");
    TCase *errors = tcase_create("errors");
    tcase_add_test(errors, message_tells_what_where_why);
    tcase_add_test(errors, first_error_wins_and_sticks);
    tcase_add_test(errors, null_is_answered);
    tcase_add_test(errors, nodes_kept_over_a_reset);
    tcase_add_test(errors, nodes_of_two_tapes);
    tcase_add_test(errors, handler_is_called_once);
    if (suite_forks()) {
        tcase_add_exit_test(errors, short_programs_print_and_exit, 1);
    }
    tcase_add_test(errors, unread_error_is_printed);
    tcase_add_test(errors, read_error_is_not_printed);
    tcase_add_test(errors, bad_options_are_errors);
    tcase_add_test(errors, bad_reads_are_errors);
    tcase_add_test(errors, library_code_can_raise_errors);
    tcase_add_test(errors, impossible_shapes_are_errors);
    tcase_add_test(errors, bad_index_is_told_with_its_place);
    tcase_add_test(errors, missing_kernel_is_an_error);
    suite_add_tcase(suite, errors);
    return suite_run(suite);
}
