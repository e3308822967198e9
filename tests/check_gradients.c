/* Losses and gradients as numbers, by reel_gradients: against reel_grad's nodes on the reference
 * executor, for structures whose backward passes meet in every way; on tapes that are new, and on
 * tapes that have seen other lengths of the same. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <reel/reel.h>

#include "suite.h"

enum { WIDTH = 3, BATCH = 2, LONGEST = 24, MOST = 64, WORDS = 7 };

typedef struct net {
    reel_params *params;
    reel_cell *cell, *second;
    reel_tape *tape;
    reel_node *by[MOST]; /* what the loss is differentiated by */
    size_t n;
} net;

static double number(int i, int k)
{
    return sin(1.7 * i + 0.9 * k + 0.3);
}

/* A leaf that the loss is differentiated by. */
static reel_node *leaf(net *s, reel_shape shape)
{
    double v[LONGEST * BATCH * WIDTH];
    int64_t size = reel_shape_size(shape);
    ck_assert_int_le(size, LONGEST * BATCH * WIDTH);
    for (int64_t i = 0; i < size; i++) {
        v[i] = number((int)i, (int)s->n);
    }
    reel_node *x = reel_input(s->tape, REEL_F64, v, shape);
    ck_assert_uint_lt(s->n, MOST);
    s->by[s->n++] = x;
    return x;
}

static reel_node *weight(net *s, const char *name, reel_shape shape)
{
    reel_init init = {.kind = REEL_INIT_GLOROT};
    return reel_use(s->tape, reel_params_get(s->params, name, shape, init, 0));
}

static reel_node *step_leaf(net *s)
{
    return leaf(s, reel_dims(BATCH, WIDTH));
}

/* A simple recurrent step with a scope of its own. */
static reel_node *step(net *s, int t, reel_node *x, reel_node *h)
{
    reel_scope_enter(s->tape, "net");
    reel_scope_step(s->tape, t);
    reel_node *y = reel_tanh(reel_add(reel_matmul(x, weight(s, "wx", reel_dims(WIDTH, WIDTH))),
                                      reel_matmul(h, weight(s, "wh", reel_dims(WIDTH, WIDTH)))));
    reel_scope_leave(s->tape);
    reel_scope_leave(s->tape);
    return y;
}

static reel_node *start(net *s)
{
    return step_leaf(s);
}

static reel_node *unrolled(net *s, int T, reel_node **y)
{
    reel_node *x[LONGEST];
    reel_unstack(leaf(s, reel_dims(T, BATCH, WIDTH)), T, x);
    ck_assert_int_eq(reel_unroll(s->cell, T, x, NULL, y), REEL_OK);
    return y[T - 1];
}

/* The structures */

static reel_node *loss_at_the_end(net *s, int T)
{
    reel_node *y[LONGEST];
    return reel_mean(reel_square(unrolled(s, T, y)));
}

static reel_node *loss_everywhere(net *s, int T)
{
    reel_node *y[LONGEST];
    unrolled(s, T, y);
    return reel_mean(reel_square(reel_stack(T, y)));
}

/* The losses of steps are nodes of steps, or of nothing. */
static reel_node *sum_of_losses(net *s, int T)
{
    reel_node *h = start(s), *loss[LONGEST];
    for (int t = 0; t < T; t++) {
        h = step(s, t, step_leaf(s), h);
        loss[t] = reel_sum(t % 3 ? reel_square(h) : h);
    }
    return reel_sum_of(T, loss);
}

static reel_node *losses_one_by_one(net *s, int T)
{
    reel_node *h = start(s), *loss = reel_number(s->tape, 0);
    for (int t = 0; t < T; t++) {
        h = step(s, t, step_leaf(s), h);
        loss = reel_add(loss, reel_sum(reel_square(h)));
    }
    return loss;
}

/* Each step of a decoder reads all that an encoder made. */
static reel_node *attention(net *s, int T)
{
    reel_node *y[LONGEST];
    unrolled(s, T, y);
    reel_node *h = start(s), *loss = reel_number(s->tape, 0);
    for (int t = 0; t < T; t++) {
        reel_scope_enter(s->tape, "decoder");
        reel_scope_step(s->tape, t);
        reel_node *score[LONGEST], *mixed[LONGEST];
        for (int k = 0; k < T; k++) {
            score[k] = reel_exp(reel_sum(reel_mul(h, y[k])));
            mixed[k] = reel_mul(y[k], score[k]);
        }
        h = reel_tanh(reel_div(reel_sum_of(T, mixed), reel_sum_of(T, score)));
        reel_scope_leave(s->tape);
        reel_scope_leave(s->tape);
        h = step(s, t, h, h);
        loss = reel_add(loss, reel_sum(h));
    }
    return loss;
}

/* A state that many later steps read, and a leaf that all do. */
static reel_node *skipping(net *s, int T)
{
    reel_node *h[LONGEST + 1] = {start(s)}, *common = step_leaf(s);
    for (int t = 0; t < T; t++) {
        h[t + 1] = step(s, t, reel_add(common, h[t / 2]), reel_add(h[t], h[0]));
    }
    return reel_sum(h[T]);
}

static reel_node *leaf_twice(net *s, int T)
{
    reel_node *h = start(s);
    for (int t = 0; t < T; t++) {
        reel_node *x = step_leaf(s);
        h = step(s, t, reel_mul(x, x), reel_add(h, x));
    }
    return reel_sum(reel_square(h));
}

/* Nodes of no scope between the steps. */
static reel_node *interleaved(net *s, int T)
{
    reel_node *h = start(s);
    for (int t = 0; t < T; t++) {
        h = reel_scale(step(s, t, reel_sin(step_leaf(s)), h), 0.9);
    }
    return reel_mean(reel_square(reel_sub(h, s->by[0])));
}

/* Slices of one tensor, some read in several blocks, some in none. */
static reel_node *slices(net *s, int T)
{
    reel_node *all = leaf(s, reel_dims(LONGEST, BATCH, WIDTH)), *part[LONGEST], *h = start(s);
    reel_unstack(all, LONGEST, part);
    for (int t = 0; t < T; t++) {
        h = step(s, t, reel_add(part[t], part[t / 2 + 1]), h);
    }
    return reel_sum(reel_mul(h, part[1]));
}

static reel_node *words(net *s, int T)
{
    reel_node *h = start(s);
    for (int t = 0; t < T; t++) {
        int32_t word[BATCH];
        for (int b = 0; b < BATCH; b++) {
            word[b] = (t * 5 + b) % WORDS;
        }
        reel_node *i = reel_input(s->tape, REEL_I32, word, reel_dims(BATCH));
        h = step(s, t, reel_gather(weight(s, "words", reel_dims(WORDS, WIDTH)), i), h);
    }
    return reel_sum(reel_square(h));
}

static reel_node *ragged(net *s, int T)
{
    reel_node *loss[5];
    for (int k = 0; k < 5; k++) {
        reel_node *y[LONGEST];
        int length = 1 + (T * (k + 2) + k) % T;
        reel_node *last = unrolled(s, length, y);
        loss[k] = reel_sum(reel_mul(last, y[0]));
    }
    return reel_sum_of(5, loss);
}

static reel_node *two_layers(net *s, int T)
{
    reel_node *y[LONGEST], *z[LONGEST];
    unrolled(s, T, y);
    ck_assert_int_eq(reel_unroll(s->second, T, y, NULL, z), REEL_OK);
    return reel_add(reel_mean(reel_square(z[T - 1])), reel_mean(y[0]));
}

/* A weight that is changed before the steps read it. */
static reel_node *transformed(net *s, int T)
{
    reel_node *w = weight(s, "transformed", reel_dims(WIDTH, WIDTH)), *h = start(s);
    w = reel_div(w, reel_sqrt(reel_sum(reel_square(w))));
    for (int t = 0; t < T; t++) {
        reel_scope_step(s->tape, t);
        h = reel_tanh(reel_matmul(h, w));
        reel_scope_leave(s->tape);
    }
    return reel_sum(h);
}

/* Where blocks of one template read it, the same value is a transpose here and none there. */
static reel_node *transposes(net *s, int T)
{
    reel_node *h = leaf(s, reel_dims(WIDTH, WIDTH));
    for (int t = 0; t < T; t++) {
        reel_node *x = leaf(s, reel_dims(WIDTH, WIDTH));
        x = t % 3 ? reel_sin(x) : reel_transpose(x);
        reel_scope_step(s->tape, t);
        h = reel_tanh(reel_matmul(reel_mul(h, x), x));
        reel_scope_leave(s->tape);
    }
    return reel_sum(h);
}

/* By something computed on the way, and by what the loss has nothing to do with. */
static reel_node *inner_and_unused(net *s, int T)
{
    reel_node *h = start(s);
    for (int t = 0; t < T; t++) {
        h = step(s, t, step_leaf(s), h);
        if (t == T / 2) {
            s->by[s->n++] = h;
        }
    }
    step_leaf(s);
    return reel_sum(reel_square(h));
}

static reel_node *unused(net *s, int T)
{
    step_leaf(s);
    weight(s, "unused", reel_dims(WIDTH, WIDTH));
    reel_node *y[LONGEST];
    return reel_sum(unrolled(s, T, y));
}

static const struct structure {
    const char *name;
    reel_node *(*record)(net *s, int T);
    bool recorded; /* the backward pass may have to be */
} structures[] = {
    {"loss at the end", loss_at_the_end, false},
    {"loss everywhere", loss_everywhere, false},
    {"sum of losses", sum_of_losses, false},
    {"losses one by one", losses_one_by_one, false},
    {"attention", attention, false},
    {"skipping", skipping, false},
    {"leaf twice", leaf_twice, false},
    {"interleaved", interleaved, false},
    {"slices", slices, false},
    {"words", words, false},
    {"ragged", ragged, false},
    {"two layers", two_layers, false},
    {"transformed", transformed, false},
    {"transposes", transposes, false},
    {"inner and unused", inner_and_unused, true},
    {"unused", unused, false},
};
enum { STRUCTURES = sizeof structures / sizeof *structures };

/* Comparing */

static net open_net(reel_dtype dtype, reel_executor executor)
{
    net s = {.params = reel_params_new(dtype, 1)};
    s.tape = reel_tape_new(1, .dtype = dtype, .executor = executor);
    s.cell = reel_cell_of(s.params, "lstm", &reel_lstm, .in = WIDTH, .hidden = WIDTH);
    s.second = reel_cell_of(s.params, "gru", &reel_gru, .in = WIDTH, .hidden = WIDTH);
    ck_assert(s.params && s.tape && s.cell && s.second);
    return s;
}

static void close_net(net *s)
{
    reel_cell_free(s->cell);
    reel_cell_free(s->second);
    reel_tape_free(s->tape);
    reel_params_free(s->params);
}

static reel_node *record(net *s, const struct structure *g, int T)
{
    reel_tape_reset(s->tape);
    s->n = 0;
    reel_node *loss = g->record(s, T);
    for (size_t i = 0; i < reel_params_count(s->params); i++) {
        s->by[s->n++] = reel_use(s->tape, reel_params_at(s->params, i));
    }
    ck_assert_msg(reel_tape_status(s->tape) == REEL_OK, "%s: %s", g->name,
                  reel_tape_message(s->tape));
    return loss;
}

static double element(reel_dtype dtype, const void *data, int64_t i)
{
    return dtype == REEL_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

/* Every element within a multiple of what rounding the largest of its tensor costs. */
static void compare(const char *name, int T, size_t k, reel_dtype dtype, reel_node *want,
                    const void *got)
{
    int64_t size = reel_node_size(want);
    const void *data = reel_data(want);
    double largest = 0;
    ck_assert(data && got);
    for (int64_t i = 0; i < size; i++) {
        largest = fmax(largest, fabs(element(dtype, data, i)));
    }
    for (int64_t i = 0; i < size; i++) {
        double a = element(dtype, data, i), b = element(dtype, got, i);
        double bound = largest * (dtype == REEL_F32 ? 4e-5 : 1e-13);
        ck_assert_msg(fabs(a - b) <= bound,
                      "%s, T = %d, gradient %zu, element %d: %.17g, not %.17g", name, T, k, (int)i,
                      b, a);
    }
}

static void agree(const struct structure *g, net *ours, net *reference, reel_dtype dtype, int T)
{
    const void *data[MOST];
    reel_node *want[MOST + 1], *loss = record(ours, g, T);
    ck_assert_msg(reel_gradients(loss, ours->n, ours->by, data) == REEL_OK, "%s: %s", g->name,
                  reel_tape_message(ours->tape));
    want[0] = record(reference, g, T);
    ck_assert_uint_eq(ours->n, reference->n);
    ck_assert_int_eq(reel_grad(want[0], reference->n, reference->by, want + 1), REEL_OK);
    ck_assert_int_eq(reel_eval(reference->n + 1, want), REEL_OK);
    ck_assert(reel_is_computed(loss));
    compare(g->name, T, 0, dtype, want[0], reel_data(loss));
    for (size_t k = 0; k < ours->n; k++) {
        compare(g->name, T, k + 1, dtype, want[k + 1], data[k]);
    }
}

static const int lengths[] = {3, 7, 7, 20, 5, 20, 17, 16, 24, 3};

START_TEST(agree_with_nodes)
{
    const struct structure *g = &structures[_i / 2];
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    net ours = open_net(dtype, REEL_COMPILED), reference = open_net(dtype, REEL_REFERENCE);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        agree(g, &ours, &reference, dtype, lengths[i]);
    }
    if (!g->recorded) {
        ck_assert_msg(reel_plan_statistics(ours.tape).recorded == 0,
                      "%s: the backward pass was recorded", g->name);
    }
    close_net(&ours);
    close_net(&reference);
}
END_TEST

/* Structures by turns on one tape, which knows the parts of all of them. */
START_TEST(by_turns)
{
    net ours = open_net(REEL_F64, REEL_COMPILED), reference = open_net(REEL_F64, REEL_REFERENCE);
    for (int round = 0; round < 3; round++) {
        for (int k = 0; k < STRUCTURES; k++) {
            agree(&structures[k], &ours, &reference, REEL_F64, 4 + (5 * round + k) % 18);
        }
    }
    close_net(&ours);
    close_net(&reference);
}
END_TEST

START_TEST(the_reference_executor_does_it_too)
{
    net ours = open_net(REEL_F64, REEL_REFERENCE), reference = open_net(REEL_F64, REEL_REFERENCE);
    for (int k = 0; k < STRUCTURES; k++) {
        agree(&structures[k], &ours, &reference, REEL_F64, 5);
    }
    close_net(&ours);
    close_net(&reference);
}
END_TEST

START_TEST(nothing_is_recorded)
{
    net s = open_net(REEL_F32, REEL_COMPILED);
    const void *data[MOST];
    for (int round = 0; round < 2; round++) {
        reel_node *loss = record(&s, &structures[0], 9);
        int64_t nodes = reel_tape_statistics(s.tape).nodes;
        ck_assert_int_eq(reel_gradients(loss, s.n, s.by, data), REEL_OK);
        ck_assert_int_eq(reel_tape_statistics(s.tape).nodes, nodes);
    }
    reel_plan_stats stats = reel_plan_statistics(s.tape);
    ck_assert_int_eq(stats.misses, 1);
    ck_assert_int_eq(stats.hits, 1);
    close_net(&s);
}
END_TEST

/* Asked for again, and once the loss is known. */
START_TEST(again_on_the_same_recording)
{
    net s = open_net(REEL_F64, REEL_COMPILED);
    const void *first[MOST], *second[MOST];
    reel_node *loss = record(&s, &structures[1], 6);
    ck_assert_int_eq(reel_gradients(loss, s.n, s.by, first), REEL_OK);
    ck_assert_int_eq(reel_gradients(loss, s.n, s.by, second), REEL_OK);
    for (size_t k = 0; k < s.n; k++) {
        size_t bytes = (size_t)reel_node_size(s.by[k]) * sizeof(double);
        ck_assert_int_eq(memcmp(first[k], second[k], bytes), 0);
    }
    close_net(&s);
}
END_TEST

/* What the loss does not depend on has zeros, as many as it has elements, whatever was asked for
 * before. */
START_TEST(leaves_that_do_not_matter)
{
    static const int64_t sizes[] = {3, 700, 1, 700, 0, 701, 3};
    net s = open_net(REEL_F64, REEL_COMPILED);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const void *data[2];
        reel_tape_reset(s.tape);
        reel_node *x = reel_constant(s.tape, 2, reel_dims(4));
        reel_node *by[2] = {x, reel_constant(s.tape, 7, reel_dims(sizes[i]))};
        ck_assert_int_eq(reel_eval(2, by), REEL_OK); /* they are leaves now */
        ck_assert_int_eq(reel_gradients(reel_sum(reel_square(x)), 2, by, data), REEL_OK);
        const double *dx = data[0], *none = data[1];
        ck_assert(dx[0] == 4 && dx[3] == 4);
        for (int64_t k = 0; k < sizes[i]; k++) {
            ck_assert_msg(none[k] == 0, "size %lld, element %lld: %g", (long long)sizes[i],
                          (long long)k, none[k]);
        }
    }
    close_net(&s);
}
END_TEST

/* Misuse: one message each, and no pointer to anything. */

static void expect_refused(net *s, reel_node *loss, size_t n, reel_node *const *x, bool nowhere,
                           reel_status status, const char *message)
{
    const void *data[1] = {s};
    ck_assert_int_eq(reel_gradients_at("net.c:7", loss, n, x, nowhere ? NULL : data), status);
    if (!nowhere && n) {
        ck_assert_ptr_null(data[0]);
    }
    ck_assert_msg(strstr(reel_tape_message(s->tape), message) != NULL, "'%s' has no '%s'",
                  reel_tape_message(s->tape), message);
    reel_tape_reset(s->tape);
}

START_TEST(misuse_is_refused)
{
    net s = open_net(REEL_F64, REEL_COMPILED), other = open_net(REEL_F64, REEL_COMPILED);
    reel_node *x = step_leaf(&s);
    expect_refused(&s, x, 1, &x, false, REEL_ERR_SHAPE,
                   "reel_gradients: f64 [2,3]: expected one real element");
    x = step_leaf(&s);
    reel_node *foreign = step_leaf(&other);
    expect_refused(&s, reel_sum(x), 1, &foreign, false, REEL_ERR_ARGUMENT,
                   "reel_gradients: node 0 is of another tape");
    x = step_leaf(&s);
    expect_refused(&s, reel_sum(x), 1, &x, true, REEL_ERR_ARGUMENT, "reel_gradients");
    x = step_leaf(&s);
    expect_refused(&s, reel_sum(x), 1, NULL, false, REEL_ERR_ARGUMENT, "reel_gradients");
    const void *data[1] = {&s};
    ck_assert_int_ne(reel_gradients(NULL, 1, &x, data), REEL_OK);
    ck_assert_ptr_null(data[0]);
    close_net(&s);
    close_net(&other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients");
    TCase *values = tcase_create("values");
    tcase_set_timeout(values, 120);
    tcase_add_loop_test(values, agree_with_nodes, 0, 2 * STRUCTURES);
    tcase_add_test(values, by_turns);
    tcase_add_test(values, the_reference_executor_does_it_too);
    tcase_add_test(values, nothing_is_recorded);
    tcase_add_test(values, again_on_the_same_recording);
    tcase_add_test(values, leaves_that_do_not_matter);
    tcase_add_test(values, misuse_is_refused);
    suite_add_tcase(suite, values);
    return suite_run(suite);
}
