/* Looking into plans: counters, dumps, profiles, and drawings coloured by them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/reel.h>

#include "../src/memory.h"
#include "suite.h"
#include "written.h"

enum { HIDDEN = 4, BATCH = 2, MOST = 40 };

typedef struct net {
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape;
} net;

static net net_open(void)
{
    net n = {.params = reel_params_new(REEL_F32, 1),
             .tape = reel_tape_new(1, .executor = REEL_COMPILED)};
    n.cell = reel_cell_of(n.params, "lstm", &reel_lstm, .in = HIDDEN, .hidden = HIDDEN);
    ck_assert(n.params && n.tape && n.cell);
    return n;
}

static void net_close(net *n)
{
    reel_tape_free(n->tape);
    reel_cell_free(n->cell);
    reel_params_free(n->params);
}

static reel_node *record(net *n, int T)
{
    static const float data[BATCH * HIDDEN] = {0.5F, -1, 0.25F, 1, 2, -0.5F, 0, 1};
    reel_node *x[MOST], *y[MOST];
    reel_tape_reset(n->tape);
    for (int t = 0; t < T; t++) {
        x[t] = reel_name(reel_input(n->tape, REEL_F32, data, reel_dims(BATCH, HIDDEN)), "x");
    }
    ck_assert_int_eq(reel_unroll(n->cell, T, x, NULL, y), REEL_OK);
    return reel_mean(reel_square(y[T - 1]));
}

static double loss_of(net *n, int T)
{
    double v = 0;
    ck_assert_msg(reel_scalar(record(n, T), &v) == REEL_OK, "%s", reel_tape_message(n->tape));
    return v;
}

static void learn(net *n, reel_opt *opt, int T)
{
    ck_assert_msg(reel_opt_step(opt, record(n, T), NULL) == REEL_OK, "%s",
                  reel_tape_message(n->tape));
}

/* Counters */

START_TEST(second_iteration_is_a_hit)
{
    net n = net_open();
    loss_of(&n, 3);
    reel_plan_stats first = reel_plan_statistics(n.tape);
    ck_assert_int_eq(first.misses, 1);
    ck_assert_int_eq(first.hits, 0);
    ck_assert_int_eq(first.plans, 1);
    ck_assert_int_gt(first.templates, 0);
    ck_assert_int_gt(first.codes, 0);
    ck_assert_uint_gt(first.plan_bytes, 0);
    for (int i = 1; i < 5; i++) {
        loss_of(&n, 3);
        reel_plan_stats s = reel_plan_statistics(n.tape);
        ck_assert_int_eq(s.hits, i);
        ck_assert_int_eq(s.misses, 1);
        ck_assert_int_eq(s.plans, 1);
        ck_assert_int_eq(s.codes, first.codes);
        ck_assert_int_eq(s.templates, first.templates);
    }
    net_close(&n);
}
END_TEST

START_TEST(another_length_is_a_miss)
{
    net n = net_open();
    loss_of(&n, 6);
    reel_plan_stats before = reel_plan_statistics(n.tape);
    loss_of(&n, 9);
    reel_plan_stats after = reel_plan_statistics(n.tape);
    ck_assert_int_eq(after.misses, 2);
    ck_assert_int_eq(after.hits, 0);
    ck_assert_int_eq(after.plans, 2);
    ck_assert_int_eq(after.templates, before.templates);
    net_close(&n);
}
END_TEST

/* Training, evaluating and sampling by turns, in any order: each is planned once. */
START_TEST(alternation_does_not_thrash)
{
    net n = net_open();
    reel_opt *opt = reel_adam(n.params);
    enum { ROUNDS = 20 };
    for (int i = 0; i < ROUNDS; i++) {
        learn(&n, opt, 8);
        loss_of(&n, 8);
        loss_of(&n, 1);
        learn(&n, opt, 8);
        loss_of(&n, 20);
    }
    reel_plan_stats s = reel_plan_statistics(n.tape);
    ck_assert_int_eq(s.misses, 4);
    ck_assert_int_eq(s.plans, 4);
    ck_assert_int_eq(s.hits, 5 * ROUNDS - 4);
    ck_assert_int_eq(s.evicted, 0);
    reel_opt_free(opt);
    net_close(&n);
}
END_TEST

START_TEST(plans_are_bounded)
{
    reel_tape *tape = reel_tape_new(1, .executor = REEL_COMPILED);
    enum { KINDS = 300 };
    for (int i = 1; i <= KINDS; i++) {
        reel_tape_reset(tape);
        ck_assert_ptr_nonnull(reel_data(reel_tanh(reel_constant(tape, 0.5, reel_dims(i)))));
    }
    reel_plan_stats s = reel_plan_statistics(tape);
    ck_assert_int_eq(s.misses, KINDS);
    ck_assert_int_lt(s.plans, KINDS);
    ck_assert_int_eq(s.plans + s.evicted, KINDS);
    reel_tape_free(tape);
}
END_TEST

START_TEST(memory_is_used_again)
{
    net n = net_open();
    reel_opt *opt = reel_adam(n.params);
    learn(&n, opt, MOST);
    reel_plan_stats s = reel_plan_statistics(n.tape);
    ck_assert_int_gt(s.kernels, MOST);
    ck_assert_uint_gt(s.peak_bytes, 0);
    ck_assert_uint_lt(s.peak_bytes, s.without_reuse);
    reel_opt_free(opt);
    net_close(&n);
}
END_TEST

/* As lstm in models, with one weight for [h, x], as a user would write it. */
static reel_node *joined_step(reel_cell *c, reel_node *x, reel_state *s)
{
    int64_t H = reel_cell_hidden(c);
    reel_init init = {.kind = REEL_INIT_GLOROT};
    reel_node *hx[] = {s->v[0], x}, *a[4];
    reel_node *w = reel_cell_weight(c, x, "w", reel_dims(4 * H, H + reel_cell_in(c)), init);
    reel_node *b = reel_cell_weight(c, x, "b", reel_dims(4 * H), init);
    reel_split(reel_affine(reel_concat(1, 2, hx), w, b), 1, 4, a);
    reel_node *keep = reel_mul(reel_sigmoid(a[1]), s->v[1]);
    s->v[1] = reel_add(keep, reel_mul(reel_sigmoid(a[0]), reel_tanh(a[2])));
    return s->v[0] = reel_mul(reel_sigmoid(a[3]), reel_tanh(s->v[1]));
}

enum { STEPS = 50 };

static reel_plan_stats train_lstm(int64_t hidden, int64_t batch, bool joined)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_cell *cell =
        joined ? reel_cell_new(ps, "c", joined_step, .in = hidden, .hidden = hidden, .states = 2)
               : reel_cell_of(ps, "c", &reel_lstm, .in = hidden, .hidden = hidden);
    reel_opt *opt = reel_sgd(ps);
    reel_tape *tape = reel_tape_new(1, .executor = REEL_COMPILED);
    float *data = calloc((size_t)(STEPS * batch * hidden), sizeof *data);
    ck_assert(data && tape && opt && cell);
    reel_shape shape = reel_dims(STEPS, batch, hidden);
    reel_node *x[STEPS], *y[STEPS];
    reel_unstack(reel_input_borrowed(tape, REEL_F32, data, shape), STEPS, x);
    ck_assert_int_eq(reel_unroll(cell, STEPS, x, NULL, y), REEL_OK);
    reel_node *r = reel_input_borrowed(tape, REEL_F32, data, shape);
    reel_node *loss = reel_sum(reel_mul(reel_stack(STEPS, y), r));
    ck_assert_msg(reel_opt_step(opt, loss, NULL) == REEL_OK, "%s", reel_tape_message(tape));
    reel_plan_stats s = reel_plan_statistics(tape);
    size_t peak = reel_tape_statistics(tape).peak_value_bytes;
    ck_assert_uint_ge(peak, s.peak_bytes);
    ck_assert_uint_lt(peak, s.peak_bytes + s.peak_bytes / 100);
    free(data);
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_cell_free(cell);
    reel_params_free(ps);
    return s;
}

/* Rules read the four gates, the cell state, its tanh, and h: seven tensors a step. Beside them
 * there are the weights' gradients and what a step works with. */
START_TEST(training_takes_little_more_than_rules_read)
{
    static const int64_t size[][2] = {{128, 16}, {128, 32}, {256, 32}};
    const int64_t hidden = size[_i][0], batch = size[_i][1];
    double read = 7.0 * STEPS * (double)(batch * hidden) * sizeof(float);
    reel_plan_stats lstm = train_lstm(hidden, batch, false);
    reel_plan_stats joined = train_lstm(hidden, batch, true);
    ck_assert_double_lt((double)lstm.peak_bytes, 1.3 * read);
    ck_assert_double_lt((double)joined.peak_bytes, 1.3 * read);
    ck_assert_int_eq(joined.flops, lstm.flops);
    ck_assert_uint_lt(joined.pack_bytes, lstm.pack_bytes + lstm.pack_bytes / 100);
}
END_TEST

/* A product of [3,5] and [5,7], and tanh of it. */
START_TEST(flops_are_exact)
{
    reel_tape *tape = reel_tape_new(1, .executor = REEL_COMPILED);
    static const float data[35] = {1};
    reel_node *a = reel_input(tape, REEL_F32, data, reel_dims(3, 5));
    reel_node *b = reel_input(tape, REEL_F32, data, reel_dims(5, 7));
    ck_assert_ptr_nonnull(reel_data(reel_tanh(reel_matmul(a, b))));
    reel_plan_stats s = reel_plan_statistics(tape);
    ck_assert_int_eq(s.flops, 2 * 3 * 5 * 7 + 3 * 7);
    ck_assert_int_eq(s.kernels, 2);
    reel_tape_free(tape);
}
END_TEST

/* Dumps */

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    if (f) {
        text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
        fclose(f);
    }
    return text;
}

static void expect_golden(const char *text, const char *file)
{
    const char *source = getenv("srcdir"), *target = getenv("REEL_TEST_GOLDEN");
    char path[512];
    if (target) {
        snprintf(path, sizeof path, "%.200s/%s", target, file);
        FILE *f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
    }
    snprintf(path, sizeof path, "%.200s/tests/golden/%s", source ? source : ".", file);
    char *wanted = read_all(path);
    size_t same = 0;
    while (text[same] && text[same] == wanted[same]) {
        same++;
    }
    ck_assert_msg(text[same] == wanted[same], "%s: dumped '%.80s', expected '%.80s'", file,
                  text + same, wanted + same);
    free(wanted);
}

/* REEL_TEST_GOLDEN=folder writes the dump there, to be looked at and committed. */
START_TEST(dump_is_golden)
{
    net n = net_open();
    loss_of(&n, 3);
    char *text = written(n.tape, reel_plan_dump_at);
    expect_golden(text, "plan_lstm.txt");
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(dumps_are_stable)
{
    char *text[3];
    for (int i = 0; i < 3; i++) {
        net n = net_open();
        reel_opt *opt = reel_adam(n.params);
        reel_tape_set_profiling(n.tape, i == 2);
        for (int k = 0; k <= i; k++) {
            learn(&n, opt, 20);
        }
        text[i] = written(n.tape, reel_plan_dump_at);
        reel_opt_free(opt);
        net_close(&n);
    }
    ck_assert_str_eq(text[0], text[1]);
    ck_assert_str_eq(text[0], text[2]);
    ck_assert_ptr_nonnull(strstr(text[0], "lstm/t=3, backward"));
    ck_assert_ptr_nonnull(strstr(text[0], "lstm.weight_hh_l0"));
    ck_assert_ptr_nonnull(strstr(text[0], "kernels as in step"));
    for (int i = 0; i < 3; i++) {
        free(text[i]);
    }
}
END_TEST

/* After a reset, and when nothing has run. */
/* Two tensors with a part in common, as the gradients of a GRU's gates are: neither begins with
 * zeros that are then added up. */
START_TEST(parts_may_be_shared)
{
    reel_tape *tape = reel_tape_new(1, .executor = REEL_COMPILED);
    static const float data[4] = {1, -2, 0.5F, 3};
    reel_node *x = reel_input(tape, REEL_F32, data, reel_dims(2, 2));
    reel_node *both = reel_pad(reel_tanh(x), 1, 0, 2);
    reel_node *a = reel_sum_of(2, ((reel_node *[]){both, reel_pad(reel_sin(x), 1, 2, 0)}));
    reel_node *b = reel_sum_of(2, ((reel_node *[]){both, reel_pad(reel_cos(x), 1, 2, 0)}));
    float want[8], got[8];
    ck_assert_int_eq(reel_read_f32(reel_add(a, reel_scale(b, 2)), got, 8), REEL_OK);
    char *text = written(tape, reel_plan_dump_at);
    ck_assert_msg(!strstr(text, " zero ") && !strstr(text, "sum_of"), "%s", text);
    free(text);
    reel_tape_free(tape);
    tape = reel_tape_new(1, .executor = REEL_REFERENCE);
    x = reel_input(tape, REEL_F32, data, reel_dims(2, 2));
    reel_node *t = reel_tanh(x), *s = reel_sin(x), *c = reel_cos(x);
    reel_node *sum[] = {reel_add(t, reel_scale(t, 2)), reel_add(s, reel_scale(c, 2))};
    ck_assert_int_eq(reel_read_f32(reel_concat(1, 2, sum), want, 8), REEL_OK);
    ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
    reel_tape_free(tape);
}
END_TEST

/* The inputs' derivatives are one tensor: the steps' parts of it are computed where they belong,
 * the last step's, which another template computes, as well. */
START_TEST(parts_are_computed_in_place)
{
    net n = net_open();
    static const float data[MOST * BATCH * HIDDEN];
    reel_node *all = reel_input(n.tape, REEL_F32, data, reel_dims(MOST, BATCH, HIDDEN));
    reel_node *x[MOST], *y[MOST];
    reel_unstack(all, MOST, x);
    ck_assert_int_eq(reel_unroll(n.cell, MOST, x, NULL, y), REEL_OK);
    reel_node *loss = reel_sum(reel_square(reel_stack(MOST, y)));
    const void *gradient;
    ck_assert_msg(reel_gradients(loss, 1, &all, &gradient) == REEL_OK, "%s",
                  reel_tape_message(n.tape));
    char *text = written(n.tape, reel_plan_dump_at), *rest = NULL;
    int copies = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strstr(line, "  copy  ")) {
            copies++;
            ck_assert_msg(strstr(line, ", lies there already") != NULL, "%s", line);
        }
    }
    ck_assert_int_eq(copies, 2 * MOST);
    free(text);
    net_close(&n);
}
END_TEST

/* Tensors of parts that are put together again, each in a scope of its own, so that plans make them
 * in different blocks: what lies in a stretch of another may become part of a third. */
static void put_together(reel_executor executor, int which, float *got, size_t *size)
{
    enum { T = 6, ROWS = 2 };
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_tape *tape = reel_tape_new(1, .executor = executor);
    reel_cell *cell = reel_cell_of(ps, "rnn", &reel_rnn, .in = HIDDEN, .hidden = HIDDEN);
    static const float data[ROWS * HIDDEN] = {0.5F, -1, 0.25F, 1, 2, -0.5F, 0, 1};
    reel_node *x[T], *y[T];
    for (int t = 0; t < T; t++) {
        x[t] = reel_input(tape, REEL_F32, data, reel_dims(ROWS, HIDDEN));
    }
    ck_assert_int_eq(reel_unroll(cell, T, x, NULL, y), REEL_OK);
    reel_scope_enter(tape, "first");
    reel_node *first =
        which == 2 ? reel_stack(2, (reel_node *[]){y[1], reel_tanh(y[0])}) : reel_stack(T, y);
    reel_scope_leave(tape);
    reel_scope_enter(tape, "other");
    reel_node *other = reel_tanh(reel_linear(ps, "l", HIDDEN, x[0]));
    reel_scope_leave(tape);
    reel_scope_enter(tape, "second");
    reel_node *one = reel_reshape(other, reel_dims(1, ROWS, HIDDEN));
    reel_node *second = which == 1 ? reel_stack(3, (reel_node *[]){other, y[0], y[1]})
                                   : reel_concat(0, 2, (reel_node *[]){first, one});
    reel_scope_leave(tape);
    reel_scope_enter(tape, "third");
    reel_node *third = reel_concat(0, 2, (reel_node *[]){one, second});
    reel_scope_leave(tape);
    reel_node *all[] = {first, third, second};
    ck_assert_msg(reel_eval(which == 3 ? 2 : 3, all) == REEL_OK, "%s", reel_tape_message(tape));
    *size = (size_t)reel_node_size(third);
    ck_assert_int_eq(reel_read_f32(third, got, *size), REEL_OK);
    reel_tape_free(tape);
    reel_cell_free(cell);
    reel_params_free(ps);
}

START_TEST(parts_are_put_together_again)
{
    float got[128], want[128];
    size_t n, m;
    put_together(REEL_COMPILED, _i, got, &n);
    put_together(REEL_REFERENCE, _i, want, &m);
    ck_assert_uint_eq(n, m);
    for (size_t i = 0; i < n; i++) {
        ck_assert_float_eq_tol(got[i], want[i], 1e-6F);
    }
}
END_TEST

START_TEST(dump_without_recording)
{
    net n = net_open();
    char *none = written(n.tape, reel_plan_dump_at);
    ck_assert_str_eq(none, "no plan has run\n");
    loss_of(&n, 3);
    reel_tape_reset(n.tape);
    char *text = written(n.tape, reel_plan_dump_at);
    ck_assert_ptr_nonnull(strstr(text, "product"));
    ck_assert_ptr_null(strstr(text, "lstm"));
    free(none);
    free(text);
    net_close(&n);
}
END_TEST

/* Profiles */

static reel_profile profile_of_training(net *n, int runs)
{
    reel_opt *opt = reel_adam(n->params);
    reel_tape_set_profiling(n->tape, true);
    for (int i = 0; i < runs; i++) {
        learn(n, opt, 20);
    }
    reel_opt_free(opt);
    return reel_profile_totals(n->tape);
}

START_TEST(profile_adds_up)
{
    net n = net_open();
    reel_profile p = profile_of_training(&n, 4);
    reel_plan_stats s = reel_plan_statistics(n.tape);
    double seconds = p.products.seconds + p.elementwise.seconds + p.others.seconds;
    double flops = p.products.flops + p.elementwise.flops + p.others.flops;
    ck_assert_int_eq(p.runs, 4);
    ck_assert_int_eq(p.products.calls + p.elementwise.calls + p.others.calls, 4 * s.kernels);
    ck_assert_double_eq(flops, 4.0 * (double)s.flops);
    ck_assert(seconds > 0 && seconds <= p.seconds);
    /* x W and h U of 20 steps (h U of the first has zeros, which are multiplied too); the gradients
     * of W and U of 20 steps, that of h of 19 */
    double one = 2.0 * BATCH * 4 * HIDDEN * HIDDEN;
    ck_assert_double_eq(p.products.flops, 4 * one * (2 * 20 + 2 * 20 + 19));
    net_close(&n);
}
END_TEST

/* The column of milliseconds under a heading that ends so, added up. */
static double column(const char *text, const char *heading)
{
    double sum = 0;
    const char *at = strstr(text, heading);
    ck_assert_ptr_nonnull(at);
    for (at = strchr(at, '\n') + 1; *at && *at != '\n'; at = strchr(at, '\n') + 1) {
        sum += strtod(at, NULL);
    }
    return sum;
}

START_TEST(tables_add_up)
{
    net n = net_open();
    reel_profile p = profile_of_training(&n, 3);
    char *text = written(n.tape, reel_profile_print_at);
    double all = 1e3 * (p.products.seconds + p.elementwise.seconds + p.others.seconds);
    double rounding = 0.0005 * 40;
    ck_assert_double_eq_tol(column(text, "instances  kernel"), all, rounding);
    ck_assert_double_eq_tol(column(text, "GB/s  scope"), all, rounding);
    ck_assert_ptr_nonnull(strstr(text, "  lstm/t=*\n"));
    ck_assert_ptr_nonnull(strstr(text, "  lstm/t=*, backward\n"));
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(profiling_is_switched)
{
    net n = net_open();
    loss_of(&n, 3);
    ck_assert_int_eq(reel_profile_totals(n.tape).runs, 0);
    char *text = written(n.tape, reel_profile_print_at);
    ck_assert_str_eq(text, "nothing was measured\n");
    free(text);
    reel_tape_set_profiling(n.tape, true);
    loss_of(&n, 3);
    loss_of(&n, 3);
    reel_tape_set_profiling(n.tape, false);
    loss_of(&n, 3);
    ck_assert_int_eq(reel_profile_totals(n.tape).runs, 2);
    reel_tape_set_profiling(n.tape, true);
    ck_assert_int_eq(reel_profile_totals(n.tape).runs, 0);
    net_close(&n);
}
END_TEST

START_TEST(same_bits_with_profiling)
{
    double loss[2];
    for (int i = 0; i < 2; i++) {
        net n = net_open();
        reel_opt *opt = reel_adam(n.params);
        reel_tape_set_profiling(n.tape, i);
        learn(&n, opt, 9);
        learn(&n, opt, 9);
        loss[i] = loss_of(&n, 9);
        reel_opt_free(opt);
        net_close(&n);
    }
    ck_assert(loss[0] == loss[1]);
}
END_TEST

/* Drawings */

static char *drawn(reel_draw_args args, reel_status expected)
{
    char *text = NULL;
    size_t size = 0;
    args.stream = open_memstream(&text, &size);
    args.at = "test.c:1";
    ck_assert_ptr_nonnull(args.stream);
    ck_assert_int_eq(reel_draw_with(&args), expected);
    fclose(args.stream);
    return text;
}

static void expect_valid(const char *text)
{
    if (system("dot -V >/dev/null 2>&1") != 0) {
        return;
    }
    FILE *dot = popen("dot -Tsvg -o /dev/null", "w");
    ck_assert_ptr_nonnull(dot);
    fputs(text, dot);
    ck_assert_msg(pclose(dot) == 0, "dot rejects:\n%s", text);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *c = text; (c = strstr(c, part)); c += strlen(part)) {
        n++;
    }
    return n;
}

START_TEST(colours_are_valid)
{
    net n = net_open();
    reel_tape_set_profiling(n.tape, true);
    reel_node *loss = record(&n, 3), *dw[1];
    reel_node *w = reel_use(n.tape, reel_params_find(n.params, "lstm.weight_hh_l0"));
    ck_assert_int_eq(reel_grad(loss, 1, &w, dw), REEL_OK);
    ck_assert_int_eq(reel_eval(2, (reel_node *[]){loss, dw[0]}), REEL_OK);
    for (int collapse = REEL_DRAW_ALL; collapse <= REEL_BY_MODULE; collapse++) {
        for (int colour = REEL_BY_PLAN; colour <= REEL_BY_TIME; colour++) {
            char *text = drawn((reel_draw_args){.root = loss,
                                                .more = 1,
                                                .roots = dw,
                                                .collapse = (reel_draw_collapse)collapse,
                                                .colour = (reel_draw_colour)colour},
                               REEL_OK);
            bool plan = colour == REEL_BY_PLAN;
            ck_assert((strstr(text, "<i>step ") != NULL) == plan);
            ck_assert((strstr(text, "flop\"") != NULL) == !plan);
            ck_assert_ptr_nonnull(strstr(text, ", step"));
            expect_valid(text);
            free(text);
        }
    }
    net_close(&n);
}
END_TEST

/* The nodes of one fused kernel carry one number: those of a step of an LSTM from the bias on are
 * +, four slices, four gates, and five more. */
START_TEST(fused_nodes_are_alike)
{
    net n = net_open();
    reel_tape_set_profiling(n.tape, true);
    reel_node *loss = record(&n, 3);
    ck_assert_int_eq(reel_eval(1, &loss), REEL_OK);
    char *text = drawn((reel_draw_args){.root = loss, .colour = REEL_BY_PLAN}, REEL_OK);
    const char *at = strstr(text, "tanh in lstm/t=1");
    ck_assert_ptr_nonnull(at);
    unsigned step, kernel;
    ck_assert_int_eq(sscanf(strstr(at, ", step "), ", step %u (main), kernel %u", &step, &kernel),
                     2);
    char label[64];
    snprintf(label, sizeof label, "<i>step %u.%u</i>", step, kernel);
    ck_assert_uint_eq(count(text, label), 1 + 4 + 4 + 5);
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(trained_graph_has_colours)
{
    net n = net_open();
    reel_opt *opt = reel_adam(n.params);
    reel_tape_set_profiling(n.tape, true);
    for (int i = 0; i < 3; i++) {
        reel_node *loss = record(&n, 20);
        ck_assert_int_eq(reel_opt_step(opt, loss, NULL), REEL_OK);
        char *text = drawn((reel_draw_args){.root = loss, .colour = REEL_BY_PLAN}, REEL_OK);
        ck_assert_uint_gt(count(text, "<i>step "), 20 * 15);
        free(text);
    }
    reel_opt_free(opt);
    net_close(&n);
}
END_TEST

/* What is computed again is told apart, and the nodes' colours are those of the first time. */
START_TEST(values_computed_again)
{
    net n = net_open();
    reel_tape_free(n.tape);
    n.tape = reel_tape_new(1, .executor = REEL_COMPILED, .keep_every = 5);
    reel_opt *opt = reel_adam(n.params);
    learn(&n, opt, 20);
    reel_tape_set_profiling(n.tape, true);
    reel_node *loss = record(&n, 20);
    ck_assert_int_eq(reel_opt_step(opt, loss, NULL), REEL_OK);
    char *dump = written(n.tape, reel_plan_dump_at),
         *table = written(n.tape, reel_profile_print_at);
    ck_assert_ptr_nonnull(strstr(dump, ", again\n"));
    ck_assert_ptr_nonnull(strstr(table, "lstm/t=*, again\n"));
    char *text = drawn((reel_draw_args){.root = loss, .colour = REEL_BY_PLAN}, REEL_OK);
    ck_assert_uint_gt(count(text, "<i>step "), 20 * 15);
    free(dump);
    free(table);
    free(text);
    reel_opt_free(opt);
    net_close(&n);
}
END_TEST

START_TEST(colours_need_a_profile)
{
    net n = net_open();
    reel_node *loss = record(&n, 3);
    ck_assert_int_eq(reel_eval(1, &loss), REEL_OK);
    free(drawn((reel_draw_args){.root = loss, .colour = REEL_BY_TIME}, REEL_ERR_ARGUMENT));
    ck_assert_ptr_nonnull(strstr(reel_tape_message(n.tape), "reel_tape_set_profiling"));
    loss = record(&n, 3);
    free(drawn((reel_draw_args){.root = loss, .colour = (reel_draw_colour)9}, REEL_ERR_ARGUMENT));
    ck_assert_ptr_nonnull(strstr(reel_tape_message(n.tape), "number 9"));
    net_close(&n);
}
END_TEST

/* Errors */

START_TEST(nothing_to_look_at)
{
    ck_assert_int_eq(reel_plan_statistics(NULL).plans, 0);
    ck_assert_int_eq(reel_profile_totals(NULL).runs, 0);
    reel_tape_set_profiling(NULL, true);
    ck_assert_int_eq(reel_plan_dump(NULL, stdout), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_profile_print(NULL, stdout), REEL_ERR_ARGUMENT);
    reel_tape *tape = reel_tape_new(1, .executor = REEL_REFERENCE);
    ck_assert_ptr_nonnull(reel_data(reel_tanh(reel_constant(tape, 1, reel_dims(3)))));
    ck_assert_int_eq(reel_plan_statistics(tape).misses, 0);
    char *text = written(tape, reel_plan_dump_at);
    ck_assert_str_eq(text, "no plan has run\n");
    free(text);
    ck_assert_int_eq(reel_plan_dump(tape, NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_profile_print(tape, stdout), REEL_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(reel_tape_message(tape), "reel_plan_dump: the stream is NULL"));
    reel_tape_free(tape);
}
END_TEST

START_TEST(a_stream_that_takes_nothing)
{
    net n = net_open();
    loss_of(&n, 3);
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        ck_assert_int_eq(reel_plan_dump(n.tape, full), REEL_ERR_FILE);
        ck_assert_ptr_nonnull(strstr(reel_tape_message(n.tape), "cannot write to the stream"));
        fclose(full);
    }
    net_close(&n);
}
END_TEST

static bool taken(reel_status s)
{
    return s == REEL_OK || s == REEL_ERR_MEMORY;
}

/* One allocation fails, whichever it is: that is reported or makes no difference. */
START_TEST(memory_runs_out)
{
    char *text = NULL;
    size_t size = 0;
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        net n = net_open();
        reel_opt *opt = reel_adam(n.params);
        learn(&n, opt, 3);
        reel_node *loss = record(&n, 4);
        FILE *stream = open_memstream(&text, &size);
        ck_assert_ptr_nonnull(stream);
        reel__memory_fail(nth, false);
        reel_tape_set_profiling(n.tape, true);
        ck_assert(taken(reel_opt_step(opt, loss, NULL)));
        ck_assert(taken(reel_plan_dump(n.tape, stream)));
        ck_assert(taken(reel_profile_print(n.tape, stream)));
        if (reel_profile_totals(n.tape).runs) {
            ck_assert(taken(reel_draw_stream(stream, loss, .colour = REEL_BY_TIME)) ||
                      reel_tape_status(n.tape) == REEL_ERR_ARGUMENT);
        }
        reel_tape_status(n.tape);
        failed = reel__memory_failed();
        reel__memory_fail(0, false);
        fclose(stream);
        free(text);
        text = NULL;
        reel_opt_free(opt);
        net_close(&n);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *counters = tcase_create("counters");
    tcase_add_test(counters, second_iteration_is_a_hit);
    tcase_add_test(counters, another_length_is_a_miss);
    tcase_add_test(counters, alternation_does_not_thrash);
    tcase_add_test(counters, plans_are_bounded);
    tcase_add_test(counters, memory_is_used_again);
    const int sizes =
        getenv("REEL_TEST_SLOW") ? 1 : 3; /* the last takes minutes under a checker of memory */
    tcase_add_loop_test(counters, training_takes_little_more_than_rules_read, 0, sizes);
    tcase_add_test(counters, flops_are_exact);
    suite_add_tcase(suite, counters);
    TCase *dumps = tcase_create("dumps");
    tcase_add_test(dumps, dump_is_golden);
    tcase_add_test(dumps, dumps_are_stable);
    tcase_add_test(dumps, dump_without_recording);
    tcase_add_test(dumps, parts_may_be_shared);
    tcase_add_test(dumps, parts_are_computed_in_place);
    tcase_add_loop_test(dumps, parts_are_put_together_again, 0, 4);
    suite_add_tcase(suite, dumps);
    TCase *profiles = tcase_create("profiles");
    tcase_add_test(profiles, profile_adds_up);
    tcase_add_test(profiles, tables_add_up);
    tcase_add_test(profiles, profiling_is_switched);
    tcase_add_test(profiles, same_bits_with_profiling);
    suite_add_tcase(suite, profiles);
    TCase *drawings = tcase_create("drawings");
    tcase_add_test(drawings, colours_are_valid);
    tcase_add_test(drawings, fused_nodes_are_alike);
    tcase_add_test(drawings, trained_graph_has_colours);
    tcase_add_test(drawings, values_computed_again);
    tcase_add_test(drawings, colours_need_a_profile);
    suite_add_tcase(suite, drawings);
    TCase *errors = tcase_create("errors");
    tcase_add_test(errors, nothing_to_look_at);
    tcase_add_test(errors, a_stream_that_takes_nothing);
    tcase_add_test(errors, memory_runs_out);
    suite_add_tcase(suite, errors);
    return suite_run(suite);
}
