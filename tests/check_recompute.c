/* Training with .keep_every: the same gradients from less memory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <reel/reel.h>

#include "suite.h"
#include "tapes.h"

enum { STEPS = 60, BATCH = 4, FEATURES = 6, HIDDEN = 24, LAYERS = 2, UPDATES = 3 };

typedef struct outcome {
    double loss[UPDATES];
    double weight[20000];
    size_t weights, peak;
} outcome;

static void fill(double *x, size_t n, uint64_t seed)
{
    reel_random r = reel_random_new(seed, 1);
    for (size_t i = 0; i < n; i++) {
        x[i] = reel_random_uniform(&r) - 0.5;
    }
}

/* A few updates of a stack with dropout between its layers. */
static void train(int keep_every, outcome *o)
{
    static double data[STEPS * BATCH * FEATURES];
    reel_params *ps = reel_params_new(REEL_F64, 3);
    reel_cell *cell = reel_layers_with(
        &(reel_cell_args){
            .params = ps, .name = "net", .type = &reel_lstm, .in = FEATURES, .hidden = HIDDEN},
        LAYERS, 0.2);
    reel_opt *opt = reel_sgd(ps, .rate = 0.1);
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64, .keep_every = keep_every);
    for (int u = 0; u < UPDATES; u++) {
        reel_node *x[STEPS], *y[STEPS];
        fill(data, sizeof data / sizeof *data, 7 + (uint64_t)u);
        reel_tape_reset(tape);
        reel_tape_set_counter(tape, (uint64_t)u);
        reel_unstack(reel_input(tape, REEL_F64, data, reel_dims(STEPS, BATCH, FEATURES)), STEPS, x);
        ck_assert_int_eq(reel_unroll(cell, STEPS, x, NULL, y), REEL_OK);
        reel_node *loss = reel_sum(reel_square(reel_stack(STEPS, y)));
        ck_assert_msg(reel_opt_step(opt, loss, &o->loss[u]) == REEL_OK, "%s",
                      reel_tape_message(tape));
    }
    o->peak = reel_tape_statistics(tape).peak_value_bytes;
    o->weights = 0;
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        const reel_param *p = reel_params_at(ps, i);
        size_t n = (size_t)reel_param_size(p);
        ck_assert_uint_le(o->weights + n, sizeof o->weight / sizeof *o->weight);
        ck_assert_int_eq(reel_param_read(p, o->weight + o->weights, n), REEL_OK);
        o->weights += n;
    }
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_cell_free(cell);
    reel_params_free(ps);
}

START_TEST(same_gradients_from_less_memory)
{
    static outcome all, some;
    static const int every[] = {1, 4, 8, 59, 1000};
    train(0, &all);
    train(every[_i], &some);
    ck_assert_uint_eq(all.weights, some.weights);
    for (int u = 0; u < UPDATES; u++) {
        ck_assert_double_eq_tol(all.loss[u], some.loss[u], 1e-12 * fabs(all.loss[u]));
    }
    for (size_t i = 0; i < all.weights; i++) {
        ck_assert_double_eq_tol(all.weight[i], some.weight[i], 1e-12);
    }
    if (every[_i] == 8) {
        ck_assert_msg(10 * some.peak < 7 * all.peak, "%zu bytes, %zu when all is kept", some.peak,
                      all.peak);
    }
}
END_TEST

START_TEST(negative_is_an_error)
{
    reel_tape *tape = reel_tape_new(1, .keep_every = -1);
    ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
    expect_in_message(tape, ".keep_every = -1: expected 0 (keep all) or more");
    reel_tape_free(tape);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recomputation");
    TCase *tests = tcase_create("steps");
    tcase_add_loop_test(tests, same_gradients_from_less_memory, 0, 5);
    tcase_add_test(tests, negative_is_an_error);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
