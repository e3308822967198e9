/* Threads: the same bits for any number of them, and a child of a process that has used them works.
 */
#include <reel/reel.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"
#include "threads.h"

/* Large enough that every kind of work is cut: a product of several pieces, long element-wise runs,
 * rows with a broadcast bias, softmax rows, a mask. */
enum { BATCH = 96, IN = 80, HIDDEN = 160, STEPS = 3, CLASSES = 300 };

typedef struct result {
    double loss;
    float *weights;
    size_t n;
} result;

/* Under a checker that slows all down, less work of the same size shows as much. */
static bool quick(void)
{
    return getenv("REEL_TEST_SLOW") != NULL;
}

static result train(int threads)
{
    reel_params *ps = reel_params_new(REEL_F32, 5);
    reel_cell *cell = reel_layers_with(
        &(reel_cell_args){
            .params = ps, .name = "net", .type = &reel_lstm, .in = IN, .hidden = HIDDEN},
        2, 0.3);
    reel_opt *opt = reel_adam(ps, .rate = 1e-2, .clip_norm = 1);
    reel_tape *tape = reel_tape_new(threads, .seed = 9);
    ck_assert_int_eq(reel_tape_threads(tape), threads);
    static float input[STEPS * BATCH * IN];
    static int32_t target[STEPS * BATCH];
    reel_random random = reel_random_new(3, 4);
    for (size_t i = 0; i < sizeof input / sizeof input[0]; i++) {
        input[i] = (float)reel_random_normal(&random);
    }
    for (size_t i = 0; i < sizeof target / sizeof target[0]; i++) {
        target[i] = (int32_t)reel_random_below(&random, CLASSES);
    }
    result r = {.loss = 0};
    const int steps = quick() ? 1 : STEPS;
    const uint64_t updates = quick() ? 1 : 3;
    for (uint64_t k = 0; k < updates; k++) {
        reel_tape_reset(tape);
        reel_tape_set_counter(tape, k);
        reel_node *x[STEPS], *y[STEPS];
        reel_unstack(reel_input(tape, REEL_F32, input, reel_dims(steps, BATCH, IN)), steps, x);
        ck_assert_int_eq(reel_unroll(cell, steps, x, NULL, y), REEL_OK);
        reel_node *logits = reel_linear(ps, "out", CLASSES, reel_stack(steps, y));
        reel_node *loss =
            reel_cross_entropy(logits, reel_input(tape, REEL_I32, target, reel_dims(steps, BATCH)));
        ck_assert_msg(reel_opt_step(opt, loss, &r.loss) == REEL_OK, "%s", reel_tape_message(tape));
    }
    r.n = (size_t)reel_params_size(ps);
    r.weights = malloc(r.n * sizeof *r.weights);
    ck_assert_ptr_nonnull(r.weights);
    size_t at = 0;
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        reel_param *p = reel_params_at(ps, i);
        memcpy(r.weights + at, reel_param_data(p), (size_t)reel_param_size(p) * sizeof *r.weights);
        at += (size_t)reel_param_size(p);
    }
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_cell_free(cell);
    reel_params_free(ps);
    return r;
}

START_TEST(same_bits)
{
    static const int threads[] = {2, 3, 8};
    result one = train(1);
    for (int i = 0; i < 3; i++) {
        result many = train(threads[i]);
        ck_assert(one.loss == many.loss);
        ck_assert_uint_eq(one.n, many.n);
        ck_assert_msg(memcmp(one.weights, many.weights, one.n * sizeof *one.weights) == 0,
                      "weights after training with %d threads differ from those with 1",
                      threads[i]);
        free(many.weights);
    }
    free(one.weights);
}
END_TEST

START_TEST(child_of_a_process_with_threads)
{
    result parent = train(3);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(quick() ? 110 : 60);
        result mine = train(3);
        _exit(memcmp(mine.weights, parent.weights, mine.n * sizeof *mine.weights) != 0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child %s",
                  WIFSIGNALED(status) ? "hung or crashed" : "computed other bits");
    free(parent.weights);
}
END_TEST

static void note(void *context, int64_t begin, int64_t end)
{
    unsigned char *seen = context;
    for (int64_t i = begin; i < end; i++) {
        seen[i]++;
    }
}

START_TEST(every_unit_once)
{
    for (int threads = 1; threads <= 5; threads++) {
        for (int64_t units = 0; units < 23; units++) {
            unsigned char seen[23] = {0};
            reel__parallel(threads, units, note, seen);
            for (int64_t i = 0; i < 23; i++) {
                ck_assert_int_eq(seen[i], i < units);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tc = tcase_create("threads");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_unit_once);
    tcase_add_test(tc, same_bits);
    tcase_add_test(tc, child_of_a_process_with_threads);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
