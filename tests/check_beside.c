/* Gradients of weights whose left matrix is the same, which are made at once: the bits of those
 * made one by one, on any number of threads, and the reference executor's values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/reel.h>

#include "../src/plan.h"
#include "suite.h"

enum { IN = 40, HIDDEN = 48, MOST_STEPS = 8, MOST_BATCH = 150, MOST_WEIGHTS = 10 };

typedef reel_node *step(reel_node *x, reel_node *h, reel_node *const *w);

static reel_node *times(reel_node *x, reel_node *w)
{
    return reel_matmul(x, reel_transpose(w));
}

static reel_node *two(reel_node *x, reel_node *h, reel_node *const *w)
{
    return reel_tanh(reel_add(times(x, w[0]), times(h, w[1])));
}

/* A third right matrix, which is computed in the step. */
static reel_node *three(reel_node *x, reel_node *h, reel_node *const *w)
{
    reel_node *s = reel_sin(reel_mul(h, h));
    return reel_tanh(reel_add(reel_add(times(x, w[0]), times(s, w[1])), times(h, w[2])));
}

/* One weight twice: both terms of its gradient go into one sum. */
static reel_node *twice(reel_node *x, reel_node *h, reel_node *const *w)
{
    return reel_tanh(reel_add(times(x, w[0]), reel_add(times(h, w[1]), times(reel_sin(h), w[1]))));
}

/* One weight for parts side by side. */
static reel_node *joined(reel_node *x, reel_node *h, reel_node *const *w)
{
    return reel_tanh(times(reel_concat(1, 3, ((reel_node *[]){h, x, reel_sin(h)})), w[0]));
}

/* More than go at once. */
static reel_node *many(reel_node *x, reel_node *h, reel_node *const *w)
{
    reel_node *z = times(x, w[0]);
    for (int k = 1; k < MOST_WEIGHTS; k++) {
        z = reel_add(z, times(reel_scale(h, 1.0 / k), w[k]));
    }
    return reel_tanh(z);
}

/* Two with one left matrix below a third with another. */
static reel_node *below(reel_node *x, reel_node *h, reel_node *const *w)
{
    return reel_tanh(times(reel_sin(reel_add(times(x, w[0]), times(h, w[1]))), w[2]));
}

typedef struct variant {
    const char *name;
    step *step;
    bool meets; /* some are made at once */
    int weights;
    int wide[MOST_WEIGHTS]; /* columns of each weight */
} variant;

static const variant variants[] = {
    {"two", two, true, 2, {IN, HIDDEN}},
    {"three", three, true, 3, {IN, HIDDEN, HIDDEN}},
    {"twice", twice, true, 2, {IN, HIDDEN}},
    {"joined", joined, true, 1, {HIDDEN + IN + HIDDEN}},
    {"many", many, true, MOST_WEIGHTS, {IN, 48, 48, 48, 48, 48, 48, 48, 48, 48}},
    {"below", below, true, 3, {IN, HIDDEN, HIDDEN}},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static double number(int64_t i)
{
    return (double)(i * 2654435761U % 1000003) / 500001.5 - 1;
}

typedef struct made {
    double *gradient[MOST_WEIGHTS];
    char *dump;
} made;

static void free_made(made *m)
{
    for (int k = 0; k < MOST_WEIGHTS; k++) {
        free(m->gradient[k]);
    }
    free(m->dump);
}

static char *dump_of(reel_tape *tape)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(stream);
    ck_assert_int_eq(reel_plan_dump(tape, stream), REEL_OK);
    fclose(stream);
    return text;
}

static double *copied(const void *data, reel_dtype dtype, int64_t n)
{
    double *v = malloc((size_t)n * sizeof *v);
    ck_assert_ptr_nonnull(v);
    for (int64_t i = 0; i < n; i++) {
        v[i] = dtype == REEL_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
    }
    return v;
}

/* Sequences of several lengths, so that sums begin in one step and go on in others. */
static made make(const variant *v, reel_tape *tape, reel_dtype dtype, int batch, int steps)
{
    static double data[HIDDEN * (2 * HIDDEN + IN)], row[MOST_BATCH * IN];
    static const double zeros[MOST_BATCH * HIDDEN];
    reel_node *w[MOST_WEIGHTS], *loss = NULL;
    const void *gradient[MOST_WEIGHTS];
    made m = {.dump = NULL};
    for (int k = 0; k < v->weights; k++) {
        for (int64_t i = 0; i < HIDDEN * v->wide[k]; i++) {
            data[i] = number(i + 1000 * k) / 8;
        }
        w[k] = reel_input(tape, REEL_F64, data, reel_dims(HIDDEN, v->wide[k]));
    }
    for (int s = 1; s <= 2; s++) {
        reel_node *h = reel_input(tape, REEL_F64, zeros, reel_dims(batch, HIDDEN));
        for (int t = 0; t < steps / s; t++) {
            for (int64_t i = 0; i < batch * IN; i++) {
                row[i] = number(i + 77 * t + s);
            }
            reel_scope_enter(tape, "step");
            h = v->step(reel_input(tape, REEL_F64, row, reel_dims(batch, IN)), h, w);
            reel_scope_leave(tape);
        }
        reel_node *own = reel_mean(reel_square(h));
        loss = loss ? reel_add(loss, own) : own;
    }
    ck_assert_int_eq(reel_gradients(loss, (size_t)v->weights, w, gradient), REEL_OK);
    for (int k = 0; k < v->weights; k++) {
        m.gradient[k] = copied(gradient[k], dtype, HIDDEN * v->wide[k]);
    }
    m.dump = dump_of(tape);
    return m;
}

static made run(const variant *v, reel_dtype dtype, int batch, int steps, reel_executor executor,
                int threads, unsigned passes)
{
    reel_tape *tape = reel_tape_new(threads, .dtype = dtype, .executor = executor,
                                    .on_error = reel_print_and_exit);
    reel__tape_set_passes(tape, passes);
    made m = make(v, tape, dtype, batch, steps);
    reel_tape_free(tape);
    return m;
}

static void assert_equal(const variant *v, const made *a, const made *b, const char *what)
{
    for (int k = 0; k < v->weights; k++) {
        size_t bytes = (size_t)(HIDDEN * v->wide[k]) * sizeof(double);
        ck_assert_msg(memcmp(a->gradient[k], b->gradient[k], bytes) == 0, "%s: weight %d: %s",
                      v->name, k, what);
    }
}

START_TEST(same_bits_as_one_by_one)
{
    static const int batches[] = {1, 3, 32, MOST_BATCH};
    const variant *v = &variants[_i / 2];
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        for (int steps = 3; steps <= MOST_STEPS; steps += 5) {
            unsigned less = REEL__PASS_ALL & ~(unsigned)REEL__PASS_BESIDE;
            made apart = run(v, dtype, batches[b], steps, REEL_COMPILED, 1, less);
            made once = run(v, dtype, batches[b], steps, REEL_COMPILED, 1, REEL__PASS_ALL);
            made three = run(v, dtype, batches[b], steps, REEL_COMPILED, 3, REEL__PASS_ALL);
            assert_equal(v, &once, &three, "other bits with three threads");
            /* Where both terms go into one sum, blocks of the depth take turns. */
            if (v->step != twice) {
                assert_equal(v, &once, &apart, "other bits than one by one");
            }
            ck_assert_ptr_null(strstr(apart.dump, ", with the next"));
            ck_assert_msg(!strstr(once.dump, ", with the next") == !v->meets, "%s:\n%s", v->name,
                          once.dump);
            free_made(&apart);
            free_made(&once);
            free_made(&three);
        }
    }
}
END_TEST

START_TEST(values_of_the_reference)
{
    const variant *v = &variants[_i];
    made want = run(v, REEL_F64, MOST_BATCH, MOST_STEPS, REEL_REFERENCE, 1, REEL__PASS_ALL);
    made got = run(v, REEL_F64, MOST_BATCH, MOST_STEPS, REEL_COMPILED, 2, REEL__PASS_ALL);
    for (int k = 0; k < v->weights; k++) {
        int64_t n = HIDDEN * v->wide[k];
        double largest = 0;
        for (int64_t i = 0; i < n; i++) {
            largest = fmax(largest, fabs(want.gradient[k][i]));
        }
        for (int64_t i = 0; i < n; i++) {
            double off = fabs(want.gradient[k][i] - got.gradient[k][i]);
            ck_assert_msg(off <= 1e-13 * largest, "%s: weight %d: %g off of %g", v->name, k, off,
                          largest);
        }
        ck_assert(largest > 0);
    }
    free_made(&want);
    free_made(&got);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("beside");
    TCase *all = tcase_create("beside");
    tcase_add_loop_test(all, same_bits_as_one_by_one, 0, 2 * VARIANTS);
    tcase_add_loop_test(all, values_of_the_reference, 0, VARIANTS);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
