/* Threads: the same bits for any number of them, and a child of a process that has used them works.
 */
#include <reel/reel.h>

#include <math.h>
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

/* Products large enough to be cut, packed and taken as tall ones, and small ones that are added to
 * a sum: the gradients of `steps` times h W' and s Q, [rows, in] by [in, out] and back. */
typedef struct product_case {
    int rows, in, out, steps;
} product_case;

static double *product_gradients(reel_dtype dtype, product_case k, int threads,
                                 reel_executor executor, size_t *n)
{
    reel_params *ps = reel_params_new(dtype, 1);
    const reel_init around_zero = {REEL_INIT_UNIFORM, -0.1, 0.1};
    reel_param *w = reel_params_get(ps, "w", reel_dims(k.out, k.in), around_zero, 0);
    reel_param *q = reel_params_get(ps, "q", reel_dims(k.in, k.out), around_zero, 0);
    reel_tape *tape = reel_tape_new(threads, .dtype = dtype, .executor = executor);
    const size_t inputs = (size_t)(k.rows * k.in), weights = (size_t)(k.in * k.out);
    double *data = malloc(inputs * sizeof *data);
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < inputs; i++) {
        data[i] = sin(0.37 * (double)i);
    }
    reel_node *x = reel_input(tape, REEL_F64, data, reel_dims(k.rows, k.in)), *h = reel_tanh(x);
    reel_node *s = h, *loss = NULL;
    for (int t = 0; t < k.steps; t++) {
        reel_scope_enter(tape, "step");
        reel_scope_step(tape, t);
        reel_node *z = reel_matmul(h, reel_transpose(reel_use(tape, w)));
        z = reel_tanh(reel_add(z, reel_matmul(s, reel_use(tape, q))));
        s = k.in == k.out ? z : s;
        reel_node *energy = reel_sum(reel_square(z));
        loss = loss ? reel_add(loss, energy) : energy;
        reel_scope_leave(tape);
        reel_scope_leave(tape);
    }
    reel_node *to[] = {x, reel_use(tape, w), reel_use(tape, q)};
    const void *g[3];
    ck_assert_msg(reel_gradients(loss, 3, to, g) == REEL_OK, "%s", reel_tape_message(tape));
    *n = inputs + 2 * weights;
    double *all = malloc(*n * sizeof *all);
    ck_assert_ptr_nonnull(all);
    for (size_t i = 0; i < *n; i++) {
        int part = i < inputs ? 0 : i < inputs + weights ? 1 : 2;
        size_t at = i - (part ? inputs : 0) - (part == 2 ? weights : 0);
        all[i] = dtype == REEL_F32 ? (double)((const float *)g[part])[at]
                                   : ((const double *)g[part])[at];
    }
    reel_tape_free(tape);
    reel_params_free(ps);
    free(data);
    return all;
}

START_TEST(products_of_all_sizes)
{
    static const product_case cases[] = {
        {3, 64, 64, 5},   {20, 5, 2100, 2},   {130, 130, 130, 1},
        {600, 33, 49, 5}, {520, 70, 2100, 1}, {530, 40, 4200, 1},
    };
    const int last = quick() ? 2 : (int)(sizeof cases / sizeof *cases);
    for (int c = 0; c < last; c++) {
        for (int type = 0; type < 2; type++) {
            const reel_dtype dtype = type ? REEL_F64 : REEL_F32;
            size_t n;
            double *right = product_gradients(dtype, cases[c], 1, REEL_REFERENCE, &n);
            double *one = product_gradients(dtype, cases[c], 1, REEL_COMPILED, &n);
            double *three = product_gradients(dtype, cases[c], 3, REEL_COMPILED, &n);
            double largest = 0, furthest = 0;
            for (size_t i = 0; i < n; i++) {
                largest = fmax(largest, fabs(right[i]));
                furthest = fmax(furthest, fabs(right[i] - one[i]));
            }
            ck_assert_double_le(furthest, (type ? 1e-13 : 1e-5) * largest);
            ck_assert_mem_eq(one, three, n * sizeof *one);
            free(right);
            free(one);
            free(three);
        }
    }
}
END_TEST

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
    tcase_add_test(tc, products_of_all_sizes);
    tcase_add_test(tc, child_of_a_process_with_threads);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
