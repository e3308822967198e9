/* Gradients of weights whose left matrix is the same, which are made at once: the bits of those
 * made one by one, on any number of threads, and the reference executor's values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <reel/reel.h>

#include "../src/plan.h"
#include "suite.h"
#include "written.h"

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
    int most; /* of them in a run, by the plan */
    int weights;
    int wide[MOST_WEIGHTS]; /* columns of each weight */
} variant;

static const variant variants[] = {
    {"two", two, 2, 2, {IN, HIDDEN}},
    {"three", three, 3, 3, {IN, HIDDEN, HIDDEN}},
    {"twice", twice, 3, 2, {IN, HIDDEN}},
    {"joined", joined, 3, 1, {HIDDEN + IN + HIDDEN}},
    {"many", many, 8, MOST_WEIGHTS, {IN, 48, 48, 48, 48, 48, 48, 48, 48, 48}},
    {"below", below, 2, 3, {IN, HIDDEN, HIDDEN}},
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
    m.dump = written(tape, reel_plan_dump_at);
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

/* How many products in a row a dump says are made at once, at most. */
static int longest_run(const char *dump)
{
    static const char with[] = ", with the next";
    int run = 1, most = 1;
    for (const char *line = dump; *line;) {
        size_t n = strcspn(line, "\n");
        const char *found = strstr(line, with);
        run = found && found < line + n ? run + 1 : 1;
        most = run > most ? run : most;
        line += n + (line[n] == '\n');
    }
    return most;
}

START_TEST(same_bits_as_one_by_one)
{
    static const int batches[] = {1, 3, 32, MOST_BATCH};
    const variant *v = &variants[_i / 2];
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    const size_t all = sizeof batches / sizeof *batches, few = getenv("REEL_TEST_SLOW") ? 1 : 0;
    for (size_t b = few; b < all - few; b++) {
        for (int steps = few ? MOST_STEPS : 3; steps <= MOST_STEPS; steps += 5) {
            unsigned less = REEL__PASS_ALL & ~(unsigned)REEL__PASS_BESIDE;
            made apart = run(v, dtype, batches[b], steps, REEL_COMPILED, 1, less);
            made once = run(v, dtype, batches[b], steps, REEL_COMPILED, 1, REEL__PASS_ALL);
            made three = run(v, dtype, batches[b], steps, REEL_COMPILED, 3, REEL__PASS_ALL);
            assert_equal(v, &once, &three, "other bits with three threads");
            assert_equal(v, &once, &apart, "other bits than one by one");
            ck_assert_ptr_null(strstr(apart.dump, ", with the next"));
            ck_assert_msg(longest_run(once.dump) == v->most, "%s:\n%s", v->name, once.dump);
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

/* Sums of products that are recorded as such: aᵀ x and aᵀ r, where r may be made between them. */

enum { DEEP = 24, HIGH = 40, SUMS = 4, TIMES = 9 };

typedef reel_node *maker(reel_node *x, reel_node *q);

static reel_node *soft(reel_node *x, reel_node *q)
{
    (void)q;
    return reel_softmax(x, 1);
}

static reel_node *product(reel_node *x, reel_node *q)
{
    return reel_matmul(x, q);
}

static reel_node *sine(reel_node *x, reel_node *q)
{
    return reel_sin(reel_matmul(x, q));
}

static reel_node *window(reel_node *x, reel_node *q)
{
    reel_node *both = reel_concat(1, 2, ((reel_node *[]){q, q}));
    return reel_slice(reel_matmul(x, both), 1, HIDDEN / 2, HIDDEN / 2 + HIDDEN);
}

static reel_node *parts(reel_node *x, reel_node *q)
{
    reel_node *tail = reel_slice(reel_matmul(x, q), 1, 16, HIDDEN);
    return reel_concat(1, 2, ((reel_node *[]){reel_slice(x, 1, 0, 16), tail}));
}

static maker *const makers[] = {soft, product, sine, window, parts};
enum { MAKERS = sizeof makers / sizeof *makers };

static reel_node *drawn(reel_tape *tape, int64_t rows, int64_t columns, int64_t from)
{
    static double data[DEEP * HIGH + HIDDEN * HIDDEN];
    for (int64_t i = 0; i < rows * columns; i++) {
        data[i] = number(i + from);
    }
    return reel_input(tape, REEL_F64, data, reel_dims(rows, columns));
}

/* The instances of one template go into one sum, or, `several`, into another one from `TIMES -
 * SUMS` on. */
static int record_sums(reel_tape *tape, maker *make_right, bool several, reel_node **y)
{
    reel_node *term[2][SUMS][TIMES];
    int terms[2] = {0}, n = 0;
    for (int t = 0; t < TIMES; t++) {
        int to = several && t >= TIMES - SUMS;
        reel_scope_enter(tape, "step");
        reel_node *left = reel_transpose(drawn(tape, DEEP, HIGH, 7 * t));
        reel_node *x = drawn(tape, DEEP, HIDDEN - 16, 11 * t), *wide = drawn(tape, DEEP, HIDDEN, t);
        term[to][0][terms[to]] = reel_matmul(left, x);
        reel_node *r = make_right(wide, drawn(tape, HIDDEN, HIDDEN, 3 * t));
        reel_node *narrow = reel_slice(r, 1, 0, 32), *sum = reel_add(narrow, x);
        term[to][1][terms[to]] = reel_matmul(left, reel_slice(r, 1, 20, 40));
        term[to][2][terms[to]] = reel_matmul(left, sum);
        term[to][3][terms[to]++] = reel_matmul(left, reel_cos(sum));
        reel_scope_leave(tape);
    }
    for (int to = 0; to <= several; to++) {
        for (int s = 0; s < SUMS; s++) {
            y[n++] = reel_sum_of(terms[to], term[to][s]);
        }
    }
    return n;
}

START_TEST(right_matrices_made_between)
{
    maker *make_right = makers[_i / 2];
    const bool several = _i % 2;
    static const struct {
        reel_executor executor;
        int threads;
        unsigned passes;
    } how[] = {{REEL_COMPILED, 1, REEL__PASS_ALL},
               {REEL_COMPILED, 3, REEL__PASS_ALL},
               {REEL_COMPILED, 1, REEL__PASS_ALL & ~(unsigned)REEL__PASS_BESIDE},
               {REEL_REFERENCE, 1, REEL__PASS_ALL}};
    enum { WAYS = sizeof how / sizeof *how };
    reel_tape *tape[WAYS];
    reel_node *y[WAYS][2 * SUMS];
    int n = 0;
    for (int w = 0; w < WAYS; w++) {
        tape[w] = reel_tape_new(how[w].threads, .dtype = REEL_F64, .executor = how[w].executor,
                                .on_error = reel_print_and_exit);
        reel__tape_set_passes(tape[w], how[w].passes);
        n = record_sums(tape[w], make_right, several, y[w]);
        ck_assert_int_eq(reel_eval((size_t)n, y[w]), REEL_OK);
    }
    for (int k = 0; k < n; k++) {
        int64_t size = reel_shape_size(reel_node_shape(y[0][k]));
        const double *v[WAYS];
        for (int w = 0; w < WAYS; w++) {
            v[w] = reel_data(y[w][k]);
        }
        for (int w = 1; w < WAYS - 1; w++) {
            ck_assert_int_eq(memcmp(v[0], v[w], (size_t)size * sizeof(double)), 0);
        }
        for (int64_t i = 0; i < size; i++) {
            ck_assert(fabs(v[0][i] - v[WAYS - 1][i]) <= 1e-12);
        }
    }
    char *dump = written(tape[0], reel_plan_dump_at);
    ck_assert_ptr_nonnull(strstr(dump, ", with the next"));
    free(dump);
    for (int w = 0; w < WAYS; w++) {
        reel_tape_free(tape[w]);
    }
}
END_TEST

/* One square tensor that is the left matrix of some products and, transposed, of others. */
START_TEST(either_way_round)
{
    const void *gradient[2][3];
    reel_tape *tape[2];
    for (int k = 0; k < 2; k++) {
        tape[k] = reel_tape_new(1, .dtype = REEL_F64, .on_error = reel_print_and_exit,
                                .executor = k ? REEL_COMPILED : REEL_REFERENCE);
        reel_node *x = drawn(tape[k], HIDDEN, HIDDEN, 0), *h = drawn(tape[k], HIDDEN, HIDDEN, 99);
        reel_node *w[3] = {x, drawn(tape[k], HIDDEN, HIDDEN, 77),
                           drawn(tape[k], HIDDEN, HIDDEN, 5)};
        for (int t = 0; t < 6; t++) {
            reel_scope_enter(tape[k], "step");
            h = reel_tanh(reel_add(times(x, w[1]), times(h, w[2])));
            reel_scope_leave(tape[k]);
        }
        ck_assert_int_eq(reel_gradients(reel_mean(reel_square(h)), 3, w, gradient[k]), REEL_OK);
    }
    for (int i = 0; i < 3; i++) {
        for (int64_t e = 0; e < HIDDEN * HIDDEN; e++) {
            double want = ((const double *)gradient[0][i])[e];
            ck_assert(fabs(((const double *)gradient[1][i])[e] - want) <= 1e-13);
        }
    }
    reel_tape_free(tape[0]);
    reel_tape_free(tape[1]);
}
END_TEST

/* Left matrices that are windows of one tensor: whether two are the same one. */

typedef struct windows {
    int from[2], high[2]; /* columns of the tensor, the rows of the left matrix */
    bool turned;          /* the second is a window of the transposed tensor */
    bool folded;          /* or of one with half as many columns and twice as many rows */
    bool same;
} windows;

static const windows pairs[] = {
    {{0, 0}, {HIGH, HIGH}, false, false, true},      {{0, 0}, {HIGH, HIGH}, true, false, true},
    {{0, HIGH}, {HIGH, HIGH}, false, false, false},  {{8, 0}, {HIGH, HIGH}, true, false, false},
    {{0, 0}, {HIGH, HIGH - 4}, false, false, false}, {{0, 0}, {HIGH, HIGH}, false, true, false},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

static reel_node *left_of(const windows *w, reel_node *z, int which)
{
    int64_t from = w->from[which], to = from + w->high[which];
    if (which && w->turned) {
        return reel_slice(reel_transpose(z), 0, from, to);
    }
    if (which && w->folded) {
        return reel_transpose(reel_slice(reel_reshape(z, reel_dims(2 * DEEP, HIGH)), 0, 0, DEEP));
    }
    return reel_transpose(reel_slice(z, 1, from, to));
}

START_TEST(windows_of_one_tensor)
{
    const windows *w = &pairs[_i];
    reel_tape *tape[2];
    reel_node *y[2][2];
    for (int k = 0; k < 2; k++) {
        reel_node *term[2][TIMES];
        tape[k] = reel_tape_new(1, .dtype = REEL_F64, .on_error = reel_print_and_exit,
                                .executor = k ? REEL_COMPILED : REEL_REFERENCE);
        for (int t = 0; t < TIMES; t++) {
            reel_scope_enter(tape[k], "step");
            reel_node *z = drawn(tape[k], DEEP, 2 * HIGH, 7 * t);
            for (int which = 0; which < 2; which++) {
                reel_node *right = drawn(tape[k], DEEP, 32, 11 * t + which);
                term[which][t] = reel_matmul(left_of(w, z, which), right);
            }
            reel_scope_leave(tape[k]);
        }
        y[k][0] = reel_sum_of(TIMES, term[0]);
        y[k][1] = reel_sum_of(TIMES, term[1]);
        ck_assert_int_eq(reel_eval(2, y[k]), REEL_OK);
    }
    for (int which = 0; which < 2; which++) {
        const double *want = reel_data(y[0][which]), *got = reel_data(y[1][which]);
        for (int i = 0; i < w->high[which] * 32; i++) {
            ck_assert(fabs(want[i] - got[i]) <= 1e-12);
        }
    }
    char *dump = written(tape[1], reel_plan_dump_at);
    ck_assert_msg(longest_run(dump) == (w->same ? 2 : 1), "%s", dump);
    free(dump);
    reel_tape_free(tape[0]);
    reel_tape_free(tape[1]);
}
END_TEST

/* Every product has a line of a profile, and a share of the time where it is made with others. */
static void all_took_time(reel_tape *tape)
{
    char *text = written(tape, reel_profile_print_at);
    int found = 0;
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        const char *added = strstr(line, "added up");
        if (added && added < line + n) {
            ck_assert_msg(strtod(line, NULL) > 0, "%.*s", (int)n, line);
            found++;
        }
        line += n + (line[n] == '\n');
    }
    ck_assert_int_gt(found, 0);
    free(text);
}

START_TEST(profile_has_all_of_them)
{
    const variant *v = &variants[_i];
    double flops[2];
    int64_t calls[2];
    for (int k = 0; k < 2; k++) {
        reel_tape *tape = reel_tape_new(1, .dtype = REEL_F32, .executor = REEL_COMPILED,
                                        .on_error = reel_print_and_exit);
        reel__tape_set_passes(tape,
                              k ? REEL__PASS_ALL : REEL__PASS_ALL & ~(unsigned)REEL__PASS_BESIDE);
        reel_tape_set_profiling(tape, true);
        made m = make(v, tape, REEL_F32, MOST_BATCH, MOST_STEPS);
        reel_profile p = reel_profile_totals(tape);
        flops[k] = p.products.flops;
        calls[k] = p.products.calls;
        ck_assert(p.products.seconds > 0 && p.products.seconds <= p.seconds);
        all_took_time(tape);
        free_made(&m);
        reel_tape_free(tape);
    }
    ck_assert(calls[0] == calls[1] && flops[0] == flops[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("beside");
    TCase *all = tcase_create("beside");
    tcase_add_loop_test(all, same_bits_as_one_by_one, 0, 2 * VARIANTS);
    tcase_add_loop_test(all, values_of_the_reference, 0, VARIANTS);
    tcase_add_loop_test(all, right_matrices_made_between, 0, 2 * MAKERS);
    tcase_add_test(all, either_way_round);
    tcase_add_loop_test(all, windows_of_one_tensor, 0, PAIRS);
    tcase_add_loop_test(all, profile_has_all_of_them, 0, VARIANTS);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
