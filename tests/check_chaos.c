/* Memory may run out at any allocation: every one of them is made to fail in turn. A failure must
 * be one clean error, change no weight, leak nothing (the sanitizer and valgrind builds see to
 * that), and leave the objects fit for another try. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/cell.h>
#include <reel/check.h>
#include <reel/models.h>
#include <reel/op.h>
#include <reel/ops.h>
#include <reel/opt.h>
#include <reel/params.h>
#include <reel/tape.h>

#include "../src/memory.h"
#include "suite.h"

enum { STEPS = 4, BATCH = 2, VOCABULARY = 5, HIDDEN = 3, LAYERS = 2, MOST_VALUES = 1024 };

/* A small character model with all its parts. */
typedef struct model {
    reel_params *params;
    reel_cell *cell;
    reel_opt *opt;
    reel_carry carry;
} model;

static bool model_open(model *m)
{
    *m = (model){.params = reel_params_new(REEL_F32, 1)};
    if (!m->params) {
        return false;
    }
    m->cell = reel_layers_with(&(reel_cell_args){.params = m->params,
                                                 .name = "rnn",
                                                 .type = &reel_lstm,
                                                 .in = HIDDEN,
                                                 .hidden = HIDDEN,
                                                 .at = REEL_HERE},
                               LAYERS, 0.1);
    m->opt = reel_adam(m->params, .rate = 0.01, .clip_norm = 5);
    return m->cell && m->opt && reel_params_status(m->params) == REEL_OK;
}

static void model_close(model *m)
{
    reel_carry_free(&m->carry);
    reel_opt_free(m->opt);
    reel_cell_free(m->cell);
    reel_params_free(m->params);
}

/* The loss of one chunk of text. */
static reel_node *model_loss(model *m, reel_tape *tape, reel_state *s)
{
    static const int32_t text[STEPS + 1][BATCH] = {{0, 1}, {2, 3}, {4, 0}, {1, 1}, {3, 2}};
    reel_node *x[STEPS], *y[STEPS];
    *s = reel_state_from(tape, m->cell, BATCH, &m->carry);
    for (int t = 0; t < STEPS; t++) {
        reel_node *index = reel_input(tape, REEL_I32, text[t], reel_dims(BATCH));
        x[t] = reel_embedding(m->params, "embedding", VOCABULARY, HIDDEN, index);
    }
    if (reel_unroll(m->cell, STEPS, x, s, y)) {
        return NULL;
    }
    reel_node *logits = reel_linear(m->params, "readout", VOCABULARY, reel_stack(STEPS, y));
    return reel_cross_entropy(logits, reel_input(tape, REEL_I32, text[1], reel_dims(STEPS, BATCH)));
}

static reel_status train_step(model *m, reel_tape *tape, double *loss)
{
    reel_state s;
    reel_node *y = model_loss(m, tape, &s);
    reel_status status = y ? reel_opt_step(m->opt, y, loss) : reel_tape_status(tape);
    return status ? status : reel_state_keep(&m->carry, &s);
}

static size_t read_weights(const model *m, double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < reel_params_count(m->params); i++) {
        const reel_param *p = reel_params_at(m->params, i);
        size_t size = (size_t)reel_param_size(p);
        ck_assert_uint_le(n + size, MOST_VALUES);
        ck_assert_int_eq(reel_param_read(p, out + n, size), REEL_OK);
        n += size;
    }
    return n;
}

/* The next allocation to fail. Of a function that makes many, all of the first ones, then fewer and
 * fewer; under a memory checker, which takes fifty times as long, fewer of every function. */
static uint64_t next_one(uint64_t n, bool many)
{
    bool slow = getenv("REEL_TEST_SLOW") != NULL;
    return n + 1 + (slow ? n / 6 : many ? n / 40 : 0);
}

/* Making everything, with the n-th allocation failing. False when there is no n-th. */
static bool beginning(uint64_t nth, bool all_after)
{
    model m;
    double loss = -1;
    reel__memory_fail(nth, all_after);
    bool open = model_open(&m);
    reel_tape *tape = open ? reel_tape_new(1) : NULL;
    reel_status status = tape ? train_step(&m, tape, &loss) : REEL_ERR_MEMORY;
    bool failed = reel__memory_failed();
    reel__memory_fail(0, false);
    ck_assert_msg(!failed || status == REEL_ERR_MEMORY || status == REEL_OK,
                  "allocation %llu: %s: %s", (unsigned long long)nth, reel_status_name(status),
                  reel_tape_message(tape));
    ck_assert_msg(failed || status == REEL_OK, "%s", reel_tape_message(tape));
    if (tape && status) {
        ck_assert_msg(strstr(reel_tape_message(tape), "out of memory") != NULL,
                      "allocation %llu: '%s'", (unsigned long long)nth, reel_tape_message(tape));
    }
    reel_tape_free(tape);
    model_close(&m);
    return failed;
}

START_TEST(first_step_of_a_program)
{
    uint64_t n = 1;
    while (beginning(n, _i == 1)) {
        n = next_one(n, false);
    }
    ck_assert_uint_gt(n, 50);
}
END_TEST

/* One more step of a model that has been trained, with the n-th allocation failing: nothing
 * changes, and the same tape then makes the step that it would have made. */
static bool interrupted(model *m, reel_tape *tape, uint64_t nth, bool all_after)
{
    double before[MOST_VALUES], after[MOST_VALUES], loss = -1;
    reel_tape_reset(tape);
    size_t n = read_weights(m, before);
    uint64_t count = reel_opt_count(m->opt);
    reel__memory_fail(nth, all_after);
    reel_state s;
    reel_node *y = model_loss(m, tape, &s);
    reel_status status = y ? reel_opt_step(m->opt, y, &loss) : reel_tape_status(tape);
    bool failed = reel__memory_failed();
    reel__memory_fail(0, false);
    if (status == REEL_OK) {
        return failed; /* an allocation that the step could do without */
    }
    ck_assert_msg(failed && status == REEL_ERR_MEMORY, "allocation %llu: %s",
                  (unsigned long long)nth, reel_tape_message(tape));
    ck_assert_msg(strstr(reel_tape_message(tape), "out of memory") != NULL, "allocation %llu: '%s'",
                  (unsigned long long)nth, reel_tape_message(tape));
    ck_assert_double_eq(loss, -1);
    ck_assert_uint_eq(read_weights(m, after), n);
    ck_assert_mem_eq(before, after, n * sizeof *before);
    ck_assert_uint_eq(reel_opt_count(m->opt), count);
    ck_assert_int_eq(reel_params_status(m->params), REEL_OK);
    return true;
}

START_TEST(step_of_a_trained_model)
{
    for (int fresh = 0; fresh < 2; fresh++) {
        for (uint64_t n = 1, more = 1; more; n = next_one(n, false)) {
            model m, twin;
            double loss, same;
            ck_assert(model_open(&m) && model_open(&twin));
            reel_tape *tape = reel_tape_new(1), *other = reel_tape_new(1);
            ck_assert_int_eq(train_step(&m, tape, &loss), REEL_OK);
            ck_assert_int_eq(train_step(&twin, other, &same), REEL_OK);
            if (fresh) { /* a tape that holds no memory yet */
                reel_tape_free(tape);
                tape = reel_tape_new(1);
            }
            uint64_t count = reel_opt_count(m.opt);
            more = interrupted(&m, tape, n, _i == 1);
            if (reel_opt_count(m.opt) == count) { /* it was interrupted: once more */
                reel_tape_reset(tape);
                reel_tape_reset(other);
                ck_assert_int_eq(train_step(&m, tape, &loss), REEL_OK);
                ck_assert_int_eq(train_step(&twin, other, &same), REEL_OK);
                ck_assert_double_eq(loss, same);
                double a[MOST_VALUES], b[MOST_VALUES];
                size_t size = read_weights(&m, a);
                ck_assert_uint_eq(read_weights(&twin, b), size);
                ck_assert_mem_eq(a, b, size * sizeof *a);
            }
            reel_tape_free(tape);
            reel_tape_free(other);
            model_close(&m);
            model_close(&twin);
        }
    }
}
END_TEST

/* Every op's value and gradient. */
static bool op_interrupted(const reel_op *op, uint64_t nth)
{
    reel_check_report r;
    reel__memory_fail(nth, false);
    reel_check_op(&r, op, .order = 2, .mode = REEL_CHECK_DIRECTIONS, .directions = 1);
    bool failed = reel__memory_failed();
    reel__memory_fail(0, false);
    ck_assert_msg(!failed || r.ok || r.status == REEL_ERR_MEMORY, "%s, allocation %llu: %s",
                  op->name, (unsigned long long)nth, r.message);
    ck_assert_msg(failed || r.ok, "%s", r.message);
    return failed;
}

START_TEST(gradient_check_of_an_op)
{
    const reel_op *op = reel_ops()[_i];
    if (!op->gradient) {
        return;
    }
    for (uint64_t n = 1; op_interrupted(op, n); n = next_one(n, true)) {
    }
}
END_TEST

/* Second derivatives, forward mode and reading on an f64 tape. */
static reel_status differentiate(reel_tape *tape, double *out)
{
    reel_node *x = reel_constant(tape, 0.5, reel_dims(3, 3)), *dx, *dy;
    reel_scope_enter(tape, "outer");
    reel_scope_step(tape, 1);
    reel_node *many[20];
    for (int i = 0; i < 20; i++) {
        many[i] = reel_name(reel_tanh(reel_matmul(x, reel_scale(x, 0.1 * i))), "a name");
    }
    reel_node *y = reel_sum(reel_stack(20, many));
    reel_status status = reel_grad(y, 1, &x, &dx);
    status = status ? status : reel_grad(reel_sum(reel_mul(dx, dx)), 1, &x, &dx);
    status = status ? status : reel_jvp(1, &y, 1, &x, &x, &dy);
    return status ? status : reel_scalar(reel_add(dy, reel_sum(dx)), out);
}

START_TEST(higher_derivatives)
{
    double wanted = 0;
    for (uint64_t n = 0, more = 1; more; n = next_one(n, false)) {
        double got = -1;
        reel__memory_fail(n, _i == 1);
        reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
        reel_status status = tape ? differentiate(tape, &got) : REEL_ERR_MEMORY;
        more = n == 0 || reel__memory_failed();
        reel__memory_fail(0, false);
        wanted = n == 0 ? got : wanted;
        if (status) {
            ck_assert_int_eq(status, REEL_ERR_MEMORY);
            ck_assert_double_eq(got, -1);
            ck_assert_msg(!tape || strstr(reel_tape_message(tape), "out of memory"), "%s",
                          reel_tape_message(tape));
            reel_tape_reset(tape);
            status = tape ? differentiate(tape, &got) : REEL_OK;
            ck_assert_int_eq(status, REEL_OK);
        }
        ck_assert(!tape || got == wanted);
        reel_tape_free(tape);
    }
}
END_TEST

int main(void)
{
    int ops = 0;
    while (reel_ops()[ops]) {
        ops++;
    }
    Suite *suite = suite_create("chaos");
    TCase *each = tcase_create("every allocation fails once");
    tcase_set_timeout(each, 900);
    tcase_add_loop_test(each, first_step_of_a_program, 0, 2);
    tcase_add_loop_test(each, step_of_a_trained_model, 0, 2);
    tcase_add_loop_test(each, higher_derivatives, 0, 2);
    tcase_add_loop_test(each, gradient_check_of_an_op, 0, ops);
    suite_add_tcase(suite, each);
    return suite_run(suite);
}
