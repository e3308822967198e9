/* The driver: lengths, directions, layers around cells, masks and zoneout. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "suite.h"

enum { IN = 3, HIDDEN = 4, MOST_T = 9, BATCH = 4, MOST_WEIGHTS = 64 };

typedef struct fixture {
    reel_params *ps;
    reel_tape *tape;
} fixture;

static fixture f;

static void setup(void)
{
    f.ps = reel_params_new(REEL_F64, 3);
    f.tape = reel_tape_new(1, .dtype = REEL_F64);
    ck_assert(f.ps && f.tape);
}

static void teardown(void)
{
    reel_tape_free(f.tape);
    reel_params_free(f.ps);
}

static double number(int64_t t, int64_t b, int64_t i)
{
    return sin(1.7 * (double)t + 2.3 * (double)b + 0.9 * (double)i + 0.3);
}

/* Step t of sequences [first, first + batch). */
static reel_node *input(int64_t t, int64_t first, int64_t batch, int64_t n)
{
    double v[256];
    ck_assert_int_le(batch * n, 256);
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t i = 0; i < n; i++) {
            v[b * n + i] = number(t, first + b, i);
        }
    }
    return reel_input(f.tape, REEL_F64, v, reel_dims(batch, n));
}

/* Golden vectors of modules that go both ways, over sequences that differ in length */

static void offer(const reel_archive *a, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const reel_archive_tensor *t = reel_archive_at(a, i);
        const char *what = t->name + length + 1;
        if (strncmp(t->name, name, length) == 0 && t->name[length] == '/' &&
            (strncmp(what, "weight", 6) == 0 || strncmp(what, "bias", 4) == 0)) {
            char key[128];
            snprintf(key, sizeof key, "net.%s", what);
            ck_assert_int_eq(reel_params_offer(f.ps, key, t->dtype, t->data, t->shape), REEL_OK);
        }
    }
}

static void run_golden(const reel_archive *a, const char *name)
{
    long long v[5];
    ck_assert_int_eq(
        sscanf(strchr(name, '.'), ".%lld.%lld.%lld.%lld.%lld", v, v + 1, v + 2, v + 3, v + 4), 5);
    const int64_t steps = v[3], batch = v[2];
    const int layers = (int)v[4];
    const reel_cell_type *type = name[0] == 'l'   ? &reel_lstm
                                 : name[0] == 'g' ? &reel_gru
                                                  : &reel_rnn;
    const int kinds = type == &reel_lstm ? 2 : 1;
    setup();
    reel_cell *cell =
        reel_layers_with(&(reel_cell_args){.params = f.ps,
                                           .name = "net",
                                           .type = type,
                                           .options = type == &reel_gru ? "pytorch" : NULL,
                                           .in = v[0],
                                           .hidden = v[1],
                                           .two_biases = true,
                                           .bidirectional = true},
                         layers, 0);
    ck_assert_ptr_nonnull(cell);
    offer(a, name);
    const reel_archive_tensor *given = golden_tensor(a, name, "lengths");
    int64_t length[16];
    for (int64_t b = 0; b < batch; b++) {
        length[b] = ((const int32_t *)given->data)[b];
    }
    reel_node *x = golden_leaf(f.tape, a, name, "x"),
              *start[2] = {golden_leaf(f.tape, a, name, "h0"), NULL};
    start[1] = kinds > 1 ? golden_leaf(f.tape, a, name, "c0") : NULL;
    reel_state s = {.n = 2 * layers * kinds};
    for (int i = 0; i < s.n; i++) {
        s.v[i] = reel_select(start[i % kinds], 0, i / kinds);
    }
    reel_node *xs[16], *ys[16], *last[2][16];
    reel_unstack(x, (int)steps, xs);
    ck_assert_msg(reel_run(cell, steps, xs, &s, ys, .length = length) == REEL_OK, "%s",
                  reel_tape_message(f.tape));
    ck_assert_ptr_null(reel_params_unclaimed(f.ps, 0));
    reel_node *y = reel_stack((int)steps, ys);
    reel_node *loss = reel_sum(reel_mul(y, golden_leaf(f.tape, a, name, "R")));
    golden_compare(a, name, "y", y);
    for (int k = 0; k < kinds; k++) {
        for (int i = 0; i < 2 * layers; i++) {
            last[k][i] = s.v[i * kinds + k];
        }
        reel_node *all = reel_stack(2 * layers, last[k]);
        golden_compare(a, name, k ? "cn" : "hn", all);
        loss =
            reel_add(loss, reel_sum(reel_mul(all, golden_leaf(f.tape, a, name, k ? "Rc" : "Rh"))));
    }
    golden_compare(a, name, "loss", loss);
    reel_node *to[MOST_WEIGHTS] = {x, start[0], start[1]}, *d[MOST_WEIGHTS];
    char what[MOST_WEIGHTS][80] = {"grad.x", "grad.h0", "grad.c0"};
    size_t n = (size_t)kinds + 1;
    for (size_t i = 0; i < reel_params_count(f.ps); i++) {
        reel_param *p = reel_params_at(f.ps, i);
        snprintf(what[n], sizeof what[n], "grad.%s", reel_param_name(p) + strlen("net."));
        to[n++] = reel_use(f.tape, p);
    }
    ck_assert_int_eq(reel_grad(loss, n, to, d), REEL_OK);
    for (size_t i = 0; i < n; i++) {
        golden_compare(a, name, what[i], d[i]);
    }
    reel_cell_free(cell);
    teardown();
}

START_TEST(both_ways_as_pytorch)
{
    reel_archive *a = golden_open("both_ways.safetensors");
    int cases = 0;
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const char *key = reel_archive_at(a, i)->name, *slash = strchr(key, '/');
        if (slash && strcmp(slash, "/loss") == 0) {
            char name[96];
            snprintf(name, sizeof name, "%.*s", (int)(slash - key), key);
            run_golden(a, name);
            cases++;
        }
    }
    ck_assert_int_eq(cases, 6);
    reel_archive_free(a);
}
END_TEST

/* A file of PyTorch's, weights found by name */

START_TEST(a_module_is_imported)
{
    enum { T = 5, B = 3, WORDS = 11 };
    char path[1024];
    reel_archive *a = golden_open("imported.safetensors");
    ck_assert_msg(reel_params_load(f.ps, golden_path(path, sizeof path, "imported.safetensors")) ==
                      REEL_OK,
                  "%s", reel_params_message(f.ps));
    reel_cell *encoder = reel_layers_with(&(reel_cell_args){.params = f.ps,
                                                            .name = "encoder",
                                                            .type = &reel_gru,
                                                            .options = "pytorch",
                                                            .in = 4,
                                                            .hidden = 3,
                                                            .two_biases = true,
                                                            .bidirectional = true},
                                          2, 0);
    const reel_archive_tensor *words = reel_archive_find(a, "words");
    reel_node *index = reel_input(f.tape, REEL_I32, words->data, reel_dims(T, B));
    reel_node *x[T], *y[T];
    reel_unstack(reel_embedding(f.ps, "words", WORDS, 4, index), T, x);
    ck_assert_int_eq(reel_unroll(encoder, T, x, NULL, y), REEL_OK);
    reel_node *all = reel_linear(f.ps, "out", 5, reel_norm_layer(f.ps, "norm", reel_stack(T, y)));
    const double *have = reel_data(all), *want = reel_archive_find(a, "y")->data;
    ck_assert_msg(have != NULL, "%s", reel_tape_message(f.tape));
    for (int i = 0; i < T * B * 5; i++) {
        ck_assert_double_eq_tol(have[i], want[i], 1e-10);
    }
    for (size_t i = 0; i < reel_params_count(f.ps); i++) {
        ck_assert(reel_param_loaded(reel_params_at(f.ps, i)));
    }
    reel_cell_free(encoder);
    reel_archive_free(a);
}
END_TEST

/* A batch gives what its sequences give one by one */

static reel_node *mgu(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *h = s->v[0];
    reel_node *g = reel_sigmoid(reel_gate(c, "f", x, h));
    reel_node *n = reel_candidate(c, reel_tanh(reel_gate(c, "g", x, reel_mul(g, h))));
    return s->v[0] = reel_lerp(h, n, g);
}

static const reel_regularizers *regular_of(int form)
{
    static const reel_regularizers all[] = {
        {.zoneout_h = 0},
        {.input = {.p = 0.4}, .output = {.p = 0.3}},
        {.input = {.p = 0.4, .lifetime = REEL_EACH_SEQUENCE},
         .recurrent = {.p = 0.3, .lifetime = REEL_EACH_SEQUENCE}},
        {.input = {.p = 0.4, .lifetime = REEL_EACH_SEQUENCE},
         .recurrent = {.p = 0.3, .lifetime = REEL_EACH_SEQUENCE},
         .per_gate = true},
        {.candidate = {.p = 0.5}},
        {.candidate = {.p = 0.5, .lifetime = REEL_EACH_SEQUENCE}},
        {.zoneout_h = 0.3, .zoneout_c = 0.6},
        {.recurrent = {.p = 0.5}, .per_gate = true},
    };
    return form < (int)(sizeof all / sizeof *all) ? &all[form] : NULL;
}

static reel_cell *plain(const char *name, int kind, int64_t in)
{
    return kind == 0   ? reel_cell_of(f.ps, name, &reel_lstm, .in = in, .hidden = HIDDEN)
           : kind == 1 ? reel_cell_of(f.ps, name, &reel_gru, .in = in, .hidden = HIDDEN)
           : kind == 2 ? reel_cell_of(f.ps, name, &reel_gru, .in = in, .hidden = HIDDEN,
                                      .options = "pytorch")
                       : reel_cell_new(f.ps, name, mgu, .in = in, .hidden = HIDDEN);
}

enum { NETS = 6 };

static reel_cell *net_of(int which)
{
    switch (which) {
    case 0:
        return plain("a", 0, IN);
    case 1: {
        reel_cell *l[2] = {plain("a", 1, IN), reel_cell_residual(f.ps, "r", plain("b", 3, HIDDEN))};
        return reel_cell_stack(f.ps, "net", 2, l, .dropout = 0.25);
    }
    case 2: {
        reel_cell *l[2] = {
            reel_cell_bidirectional(f.ps, "both", plain("a", 0, IN), plain("b", 2, IN)),
            plain("c", 3, 2 * HIDDEN)};
        return reel_cell_stack(f.ps, "net", 2, l, .dropout = 0.25);
    }
    case 3: {
        reel_cell *l[2] = {plain("a", 3, IN),
                           reel_cell_pyramid(f.ps, "p", plain("b", 0, 2 * HIDDEN), .factor = 2)};
        return reel_cell_stack(f.ps, "net", 2, l);
    }
    case 4: {
        reel_cell *both = reel_cell_bidirectional(f.ps, "both", plain("a", 1, 3 * IN),
                                                  plain("b", 1, 3 * IN), .sum = true);
        reel_cell *l[2] = {reel_cell_pyramid(f.ps, "p", both, .factor = 3),
                           reel_cell_highway(f.ps, "h", plain("c", 0, HIDDEN))};
        return reel_cell_stack(f.ps, "net", 2, l);
    }
    default:
        return reel_layers_with(&(reel_cell_args){.params = f.ps,
                                                  .name = "net",
                                                  .type = &reel_lstm,
                                                  .in = IN,
                                                  .hidden = HIDDEN,
                                                  .bidirectional = true},
                                2, 0.5);
    }
}

/* The loss: outputs and last states, each with weights that go by step, sequence and unit. */
static reel_node *loss_of(reel_cell *cell, int64_t first, int64_t batch, int64_t T,
                          const int64_t *length, reel_node **x)
{
    static const int32_t names[BATCH] = {7, 3, 1000, 12};
    reel_node *y[MOST_T], *term[MOST_T + REEL_MAX_STATES];
    reel_state s = reel_state_zero(f.tape, cell, batch);
    for (int64_t t = 0; t < T; t++) {
        x[t] = input(t, first, batch, IN);
    }
    ck_assert_msg(reel_run(cell, T, x, &s, y, .length = length, .sequence = names + first) ==
                      REEL_OK,
                  "%s", reel_tape_message(f.tape));
    int64_t outputs = reel_cell_steps(cell, T);
    int n = 0;
    for (int64_t t = 0; t < outputs; t++) {
        term[n++] = reel_sum(reel_mul(y[t], input(t + 20, first, batch, reel_cell_hidden(cell))));
    }
    for (int64_t t = outputs; t < T; t++) {
        ck_assert_ptr_null(y[t]);
    }
    for (int i = 0; i < s.n; i++) {
        term[n++] =
            reel_sum(reel_mul(s.v[i], input(40 + i, first, batch, reel_node_dim(s.v[i], 1))));
    }
    return reel_sum_of(n, term);
}

/* Adds a loss and its gradients by weights to what is there. */
static double add_gradients(reel_node *loss, double *sum, size_t most)
{
    double value;
    size_t at = 0;
    ck_assert_int_eq(reel_scalar(loss, &value), REEL_OK);
    for (size_t k = 0; k < reel_params_count(f.ps); k++) {
        reel_param *p = reel_params_at(f.ps, k);
        reel_node *w = reel_use(f.tape, p), *d;
        size_t n = (size_t)reel_param_size(p);
        ck_assert_uint_le(at + n, most);
        ck_assert_int_eq(reel_grad(loss, 1, &w, &d), REEL_OK);
        const double *v = reel_data(d);
        ck_assert_ptr_nonnull(v);
        for (size_t i = 0; i < n; i++) {
            sum[at + i] += v[i];
        }
        at += n;
    }
    return value;
}

START_TEST(batches_are_their_sequences)
{
    enum { MOST = 4096 };
    static double whole[MOST], parts[MOST];
    const int64_t length[BATCH] = {9, 4, 1, 7}, T = MOST_T;
    const int which = _i % NETS, form = _i / NETS;
    if (getenv("REEL_TEST_SLOW") &&
        form % NETS != which) { /* under a checker that slows all down */
        return;
    }
    memset(whole, 0, sizeof whole);
    memset(parts, 0, sizeof parts);
    reel_cell *cell = net_of(which);
    reel_cell_regularize(cell, regular_of(form));
    reel_node *x[MOST_T], *dx[MOST_T];
    reel_node *loss = loss_of(cell, 0, BATCH, T, length, x);
    double all = add_gradients(loss, whole, MOST), sum = 0;
    ck_assert_int_eq(reel_grad(loss, (size_t)T, x, dx), REEL_OK);
    for (int64_t t = 0; t < T; t++) {
        const double *v = reel_data(dx[t]);
        for (int64_t b = 0; b < BATCH; b++) {
            for (int64_t i = 0; t >= length[b] && i < IN; i++) {
                ck_assert_double_eq(v[b * IN + i], 0); /* padding does not matter */
            }
        }
    }
    for (int64_t b = 0; b < BATCH; b++) {
        reel_tape_reset(f.tape);
        sum += add_gradients(loss_of(cell, b, 1, length[b], NULL, x), parts, MOST);
    }
    ck_assert_msg(fabs(all - sum) <= 1e-12 * fmax(1, fabs(all)), "net %d, form %d: %.17g, %.17g",
                  which, form, all, sum);
    double size = 0;
    for (size_t i = 0; i < MOST; i++) {
        size = fmax(size, fabs(whole[i]));
        ck_assert_msg(fabs(whole[i] - parts[i]) <= 1e-12 * fmax(1, fabs(whole[i])),
                      "net %d, form %d, gradient %zu: %.17g, %.17g", which, form, i, whole[i],
                      parts[i]);
    }
    ck_assert_double_gt(size, 1e-3);
    reel_cell_free(cell);
}
END_TEST

/* What is beyond the end of a sequence may be anything. */
START_TEST(padding_may_be_nan)
{
    const int64_t length[2] = {3, 1};
    reel_cell *cell = net_of(4);
    reel_node *x[3], *y[3];
    for (int64_t t = 0; t < 3; t++) {
        double v[2 * IN];
        for (int i = 0; i < 2 * IN; i++) {
            v[i] = i >= IN && t >= 1 ? NAN : number(t, 0, i);
        }
        x[t] = reel_input(f.tape, REEL_F64, v, reel_dims(2, IN));
    }
    reel_state s = reel_state_zero(f.tape, cell, 2);
    ck_assert_int_eq(reel_run(cell, 3, x, &s, y, .length = length), REEL_OK);
    double v[2 * HIDDEN];
    ck_assert_int_eq(reel_read(y[0], v, 2 * HIDDEN), REEL_OK);
    for (int i = 0; i < 2 * HIDDEN; i++) {
        ck_assert(isfinite(v[i]));
    }
    for (int i = 0; i < s.n; i++) {
        ck_assert_int_eq(reel_read(s.v[i], v, 2 * HIDDEN), REEL_OK);
        ck_assert(isfinite(v[0]) && isfinite(v[2 * HIDDEN - 1]));
    }
    reel_cell_free(cell);
}
END_TEST

/* All kinds of cells, and what is made of them: weights' derivatives are those of padding that is
 * 0. */

static reel_node *odd_step(reel_cell *c, reel_node *x, reel_state *s)
{
    return s->v[0] = reel_tanh(reel_gate(c, "g", x, s->v[0]));
}

enum { ALONE, BOTH_WAYS, NUMBERED, RESIDUAL, HIGHWAY, PYRAMID, OWN, MADE };

static reel_cell *made(reel_params *ps, const reel_cell_type *type, int how)
{
    int64_t hidden = how == RESIDUAL || how == HIGHWAY ? IN : HIDDEN;
    reel_cell_args a = {.params = ps,
                        .name = "c",
                        .type = how == OWN ? NULL : type,
                        .step = how == OWN ? odd_step : NULL,
                        .states = how == OWN ? 1 : 0,
                        .in = how == PYRAMID ? 2 * IN : IN,
                        .hidden = hidden,
                        .layer = how == NUMBERED ? 1 : 0,
                        .bidirectional = how == BOTH_WAYS,
                        .at = REEL_HERE};
    if (how == BOTH_WAYS) {
        return reel_layers_with(&a, 2, 0);
    }
    reel_cell *c = reel_cell_new_with(&a);
    return how == RESIDUAL  ? reel_cell_residual(ps, "r", c)
           : how == HIGHWAY ? reel_cell_highway(ps, "r", c)
           : how == PYRAMID ? reel_cell_pyramid(ps, "r", c, .factor = 2)
                            : c;
}

START_TEST(padding_goes_into_no_derivative)
{
    enum { T = 4, PARAMS = 64, MOST_NUMBERS = 4096 };
    const int64_t length[2] = {T, 1};
    static double slope[3][MOST_NUMBERS];
    const double padding[3] = {0, NAN, 1e308};
    const reel_cell_type *type = reel_cell_types()[_i / MADE];
    size_t numbers = 0;
    reel_params *ps = reel_params_new(REEL_F64, 3);
    reel_cell *cell = made(ps, type, _i % MADE);
    for (int k = 0; k < 3; k++) {
        reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
        reel_node *x[T], *y[T], *w[PARAMS], *dw[PARAMS];
        for (int64_t t = 0; t < T; t++) {
            double v[2 * IN];
            for (int i = 0; i < 2 * IN; i++) {
                v[i] = i >= IN && t >= 1 ? padding[k] : number(t, 0, i);
            }
            x[t] = reel_input(tape, REEL_F64, v, reel_dims(2, IN));
        }
        ck_assert_msg(reel_run(cell, T, x, NULL, y, .length = length) == REEL_OK, "%s",
                      reel_tape_message(tape));
        reel_node *loss = reel_sum(reel_square(reel_stack((int)reel_cell_steps(cell, T), y)));
        size_t n = reel_params_count(ps), at = 0;
        ck_assert_uint_le(n, PARAMS);
        for (size_t i = 0; i < n; i++) {
            w[i] = reel_use(tape, reel_params_at(ps, i));
        }
        ck_assert_int_eq(reel_grad(loss, n, w, dw), REEL_OK);
        for (size_t i = 0; i < n; i++) {
            size_t size = (size_t)reel_node_size(dw[i]);
            ck_assert_uint_le(at + size, MOST_NUMBERS);
            ck_assert_int_eq(reel_read(dw[i], slope[k] + at, size), REEL_OK);
            at += size;
        }
        numbers = at;
        reel_tape_free(tape);
    }
    ck_assert_uint_gt(numbers, 0);
    for (size_t i = 0; i < numbers; i++) {
        ck_assert_msg(slope[1][i] == slope[0][i] && slope[2][i] == slope[0][i],
                      "%s, form %d, number %zu: %g, %g and %g", type->name, _i % MADE, i,
                      slope[0][i], slope[1][i], slope[2][i]);
    }
    reel_cell_free(cell);
    reel_params_free(ps);
}
END_TEST

START_TEST(width_of_input_is_told)
{
    reel_cell *cell = reel_cell_of(f.ps, "c", &reel_lstm, .in = IN, .hidden = HIDDEN);
    reel_node *x = input(0, 0, 2, IN + 2), *y;
    char told[64];
    snprintf(told, sizeof told, "cell 'c': the input is [2,%d]: expected [batch,%d]", IN + 2, IN);
    ck_assert_int_eq(reel_run(cell, 1, &x, NULL, &y), REEL_ERR_SHAPE);
    ck_assert_msg(strstr(reel_tape_message(f.tape), told) != NULL, "%s", reel_tape_message(f.tape));
    reel_cell_free(cell);
}
END_TEST

/* All kinds of cells, both ways: a batch gives what its sequences give one by one. */
START_TEST(batches_of_all_kinds)
{
    enum { T = 5 };
    const int64_t length[3] = {5, 1, 3};
    const double time[T * 3] = {0, 0.5, 2, 1, 1, 3, 4, 2, 3.5, 5, 3, 4, 9, 4, 5};
    for (const reel_cell_type *const *type = reel_cell_types(); *type; type++) {
        double all[T][3][2 * HIDDEN], one[2 * HIDDEN];
        reel_params *ps = reel_params_new(REEL_F64, 3);
        reel_cell *cell = reel_layers_with(&(reel_cell_args){.params = ps,
                                                             .name = "c",
                                                             .type = *type,
                                                             .in = IN,
                                                             .hidden = HIDDEN,
                                                             .bidirectional = true,
                                                             .at = REEL_HERE},
                                           2, 0);
        for (int64_t b = -1; b < 3; b++) { /* -1: all */
            int64_t n = b < 0 ? 3 : 1, steps = b < 0 ? T : length[b];
            reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
            reel_node *x[T], *y[T];
            double when[T * 3];
            for (int64_t t = 0; t < steps; t++) {
                double v[3 * IN];
                for (int64_t k = 0; k < n; k++) {
                    for (int64_t i = 0; i < IN; i++) {
                        v[k * IN + i] = number(t, b < 0 ? k : b, i);
                    }
                    when[t * n + k] = time[t * 3 + (b < 0 ? k : b)];
                }
                x[t] = reel_input(tape, REEL_F64, v, reel_dims(n, IN));
            }
            ck_assert_int_eq(
                reel_run(cell, steps, x, NULL, y, .length = b < 0 ? length : NULL, .time = when),
                REEL_OK);
            for (int64_t t = 0; t < steps; t++) {
                double *to = b < 0 ? all[t][0] : one;
                ck_assert_int_eq(reel_read(y[t], to, (size_t)n * 2 * HIDDEN), REEL_OK);
                for (int i = 0; b >= 0 && i < 2 * HIDDEN; i++) {
                    ck_assert_msg(fabs(one[i] - all[t][b][i]) <= 1e-12, "%s: %.17g, %.17g",
                                  (*type)->name, one[i], all[t][b][i]);
                }
            }
            reel_tape_free(tape);
        }
        reel_cell_free(cell);
        reel_params_free(ps);
    }
}
END_TEST

/* Output of one step after another, or NAN where the run is refused. */
static double regular_run(const reel_cell_type *type, const reel_regularizers *r, bool *refused)
{
    enum { T = 3 };
    reel_params *ps = reel_params_new(REEL_F64, 3);
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_cell *cell = reel_cell_of(ps, "c", type, .in = IN, .hidden = HIDDEN);
    reel_node *x[T], *y[T];
    for (int64_t t = 0; t < T; t++) {
        double v[2 * IN];
        for (int i = 0; i < 2 * IN; i++) {
            v[i] = number(t, 0, i);
        }
        x[t] = reel_input(tape, REEL_F64, v, reel_dims(2, IN));
    }
    reel_cell_regularize(cell, r);
    double value = NAN;
    *refused = reel_run(cell, T, x, NULL, y) != REEL_OK;
    if (*refused) {
        const char *told = reel_tape_message(tape);
        ck_assert_msg(strstr(told, "has no place for one") || strstr(told, "see one and the same"),
                      "%s", told);
    } else {
        ck_assert_int_eq(reel_scalar(reel_sum(reel_square(reel_stack(T, y))), &value), REEL_OK);
    }
    reel_tape_free(tape);
    reel_cell_free(cell);
    reel_params_free(ps);
    return value;
}

/* A mask that is asked for does something, or is refused. */
START_TEST(masks_act_or_are_refused)
{
    const reel_mask half = {.p = 0.5}, lasting = {.p = 0.5, .lifetime = REEL_EACH_SEQUENCE};
    const reel_regularizers form[] = {{.input = half},
                                      {.recurrent = half},
                                      {.recurrent = lasting},
                                      {.candidate = half},
                                      {.output = half},
                                      {.input = lasting, .per_gate = true},
                                      {.recurrent = lasting, .per_gate = true},
                                      {.zoneout_h = 0.5}};
    int acted = 0, told = 0;
    for (const reel_cell_type *const *type = reel_cell_types(); *type; type++) {
        bool refused;
        double bare = regular_run(*type, &(reel_regularizers){.input = {0}}, &refused);
        ck_assert(!refused && isfinite(bare));
        for (size_t k = 0; k < sizeof form / sizeof *form; k++) {
            double value = regular_run(*type, &form[k], &refused);
            ck_assert_msg(refused || value != bare, "%s, form %zu: no effect", (*type)->name, k);
            acted += !refused;
            told += refused;
        }
    }
    ck_assert_int_gt(acted, 6 * told);
    ck_assert_int_gt(told, 0);
}
END_TEST

/* Reversed input, with the directions' weights exchanged, gives reversed output. */
START_TEST(reversed_is_reversed)
{
    enum { T = 5 };
    reel_cell *one = reel_cell_bidirectional(f.ps, "both", plain("a", 0, IN), plain("b", 0, IN));
    reel_cell *two = reel_cell_bidirectional(f.ps, "both", plain("b", 0, IN), plain("a", 0, IN));
    reel_node *x[T], *y[T], *z[T], *back[T];
    for (int t = 0; t < T; t++) {
        x[t] = input(t, 0, 2, IN);
        back[T - 1 - t] = x[t];
    }
    ck_assert_int_eq(reel_unroll(one, T, x, NULL, y), REEL_OK);
    ck_assert_int_eq(reel_unroll(two, T, back, NULL, z), REEL_OK);
    for (int t = 0; t < T; t++) {
        double a[4 * HIDDEN], b[4 * HIDDEN];
        ck_assert_int_eq(reel_read(y[t], a, 4 * HIDDEN), REEL_OK);
        ck_assert_int_eq(reel_read(z[T - 1 - t], b, 4 * HIDDEN), REEL_OK);
        for (int i = 0; i < HIDDEN; i++) {
            ck_assert_double_eq(a[i], b[HIDDEN + i]);
            ck_assert_double_eq(a[HIDDEN + i], b[i]);
        }
    }
    reel_cell_free(one);
    reel_cell_free(two);
}
END_TEST

/* Masks: their rate, scale and lifetime */

enum { WIDE = 4096, ROWS = 2 };

/* Shows its input and what its recurrent weights see. */
static reel_node *echo(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *g = reel_candidate(c, x);
    s->v[0] = x;
    return g;
}

static void masked(const reel_regularizers *r, reel_node **y, int T, double *out)
{
    reel_cell *cell = reel_cell_new(f.ps, "echo", echo, .in = WIDE, .hidden = WIDE, .regular = *r);
    reel_node *x[4];
    for (int t = 0; t < T; t++) {
        x[t] = reel_constant(f.tape, 1, reel_dims(ROWS, WIDE));
    }
    ck_assert_int_eq(reel_unroll(cell, T, x, NULL, y), REEL_OK);
    for (int t = 0; t < T; t++) {
        ck_assert_int_eq(reel_read(y[t], out + (size_t)t * ROWS * WIDE, ROWS * WIDE), REEL_OK);
    }
    reel_cell_free(cell);
}

START_TEST(masks_have_their_rate_scale_and_lifetime)
{
    enum { T = 3, N = ROWS * WIDE };
    static double v[T * N];
    static const reel_regularizers all[] = {
        {.input = {.p = 0.3}},     {.input = {.p = 0.3, .lifetime = REEL_EACH_SEQUENCE}},
        {.candidate = {.p = 0.3}}, {.candidate = {.p = 0.3, .lifetime = REEL_EACH_SEQUENCE}},
        {.output = {.p = 0.3}},
    };
    const reel_regularizers *r = &all[_i];
    bool lasts = r->input.lifetime || r->candidate.lifetime;
    reel_node *y[T];
    masked(r, y, T, v);
    for (int t = 0; t < T; t++) {
        int zeros = 0, as_before = 0, as_the_other = 0;
        for (int i = 0; i < N; i++) {
            double x = v[t * N + i];
            ck_assert(x == 0 || fabs(x - 1 / 0.7) < 1e-15);
            zeros += x == 0;
            as_before += t && (x == 0) == (v[(t - 1) * N + i] == 0);
            as_the_other += i >= WIDE && (x == 0) == (v[t * N + i - WIDE] == 0);
        }
        /* five standard deviations */
        ck_assert_double_lt(fabs(zeros - 0.3 * N), 5 * sqrt(0.21 * N));
        double same = 0.3 * 0.3 + 0.7 * 0.7, spread = 5 * sqrt(same * (1 - same) * N);
        ck_assert(!t || (lasts ? as_before == N : fabs(as_before - same * N) < spread));
        ck_assert_double_lt(fabs(as_the_other - same * WIDE), spread);
    }
    reel_tape_set_training(f.tape, false);
    masked(r, y, T, v);
    for (int i = 0; i < T * N; i++) {
        ck_assert_double_eq(v[i], 1);
    }
}
END_TEST

/* Two runs that name no sequences have masks of their own; that name the same ones, the same. */
START_TEST(runs_differ_and_names_do_not)
{
    static const int32_t name[ROWS] = {5, 6}, other[ROWS] = {6, 5};
    static double v[4][ROWS * WIDE];
    reel_cell *cell = reel_cell_new(f.ps, "echo", echo, .in = WIDE, .hidden = WIDE,
                                    .regular = {.input = {.p = 0.5}});
    for (int k = 0; k < 4; k++) {
        reel_node *x = reel_constant(f.tape, 1, reel_dims(ROWS, WIDE)), *y;
        const int32_t *names = k < 2 ? NULL : k == 2 ? name : other;
        ck_assert_int_eq(reel_run(cell, 1, &x, NULL, &y, .sequence = names), REEL_OK);
        ck_assert_int_eq(reel_read(y, v[k], ROWS * WIDE), REEL_OK);
    }
    ck_assert_int_ne(memcmp(v[0], v[1], sizeof v[0]), 0);
    ck_assert_int_eq(memcmp(v[2], v[3] + WIDE, sizeof v[0] / 2), 0);
    ck_assert_int_eq(memcmp(v[2] + WIDE, v[3], sizeof v[0] / 2), 0);
    reel_cell_free(cell);
}
END_TEST

/* One step at a time, a mask of the sequence stays what it is. */
START_TEST(single_steps_keep_the_mask_of_the_sequence)
{
    static double v[2][ROWS * WIDE];
    reel_cell *cell =
        reel_cell_new(f.ps, "echo", echo, .in = WIDE, .hidden = WIDE,
                      .regular = {.input = {.p = 0.5, .lifetime = REEL_EACH_SEQUENCE}});
    reel_state s = reel_state_zero(f.tape, cell, ROWS);
    for (int t = 0; t < 2; t++) {
        reel_node *x = reel_constant(f.tape, 1, reel_dims(ROWS, WIDE));
        ck_assert_int_eq(reel_read(reel_step_once(cell, t, x, &s), v[t], ROWS * WIDE), REEL_OK);
    }
    ck_assert_int_eq(memcmp(v[0], v[1], sizeof v[0]), 0);
    reel_cell_free(cell);
}
END_TEST

/* A given mask is used as it is, in test mode, too. */
START_TEST(given_masks)
{
    static double v[ROWS * WIDE];
    reel_tape_set_training(f.tape, false);
    reel_cell *cell = reel_cell_new(f.ps, "echo", echo, .in = WIDE, .hidden = WIDE);
    reel_node *mask = reel_constant(f.tape, 3, reel_dims(ROWS, WIDE));
    reel_cell_regularize(cell, &(reel_regularizers){.input = {.given = mask}});
    reel_node *x = reel_constant(f.tape, 2, reel_dims(ROWS, WIDE)), *y;
    ck_assert_int_eq(reel_unroll(cell, 1, &x, NULL, &y), REEL_OK);
    ck_assert_int_eq(reel_read(y, v, ROWS * WIDE), REEL_OK);
    ck_assert(v[0] == 6 && v[ROWS * WIDE - 1] == 6);
    reel_cell_free(cell);
}
END_TEST

/* A word that is dropped is dropped in all of its sequence, and in no other because of that. */
START_TEST(words_drop_by_type)
{
    enum { WORDS = 1000, T = 2, B = 3 };
    static int32_t word[T][WORDS][B];
    static double v[T][WORDS][B];
    for (int t = 0; t < T; t++) {
        for (int k = 0; k < WORDS; k++) {
            for (int b = 0; b < B; b++) {
                word[t][k][b] = t ? WORDS - 1 - k : k;
            }
        }
    }
    int dropped = 0, differ = 0;
    for (int t = 0; t < T; t++) { /* in two parts, in scopes of their own */
        reel_scope_step(f.tape, t);
        reel_node *w = reel_input(f.tape, REEL_I32, word[t], reel_dims(WORDS, B));
        reel_node *x = reel_constant(f.tape, 1, reel_dims(WORDS, B, 1));
        reel_node *y = reel_word_dropout(x, w, 0.25, NULL);
        ck_assert_int_eq(reel_read(y, v[t][0], WORDS * B), REEL_OK);
        reel_scope_leave(f.tape);
    }
    for (int k = 0; k < WORDS; k++) {
        for (int b = 0; b < B; b++) {
            ck_assert(v[0][k][b] == 0 || fabs(v[0][k][b] - 1 / 0.75) < 1e-15);
            ck_assert_double_eq(v[0][k][b], v[1][WORDS - 1 - k][b]);
            dropped += v[0][k][b] == 0;
            differ += v[0][k][b] != v[0][k][(b + 1) % B];
        }
    }
    ck_assert_double_lt(fabs(dropped - 0.25 * WORDS * B), 5 * sqrt(0.25 * 0.75 * WORDS * B));
    ck_assert_int_gt(differ, WORDS / 2);
    reel_node *w = reel_input(f.tape, REEL_I32, word[0], reel_dims(WORDS, B));
    reel_node *x = reel_constant(f.tape, 1, reel_dims(WORDS, B, 1));
    reel_tape_set_training(f.tape, false);
    ck_assert_ptr_eq(reel_word_dropout(x, w, 0.25, NULL), x);
}
END_TEST

/* Counts on: h is the number of the step, c a hundred times that. */
static reel_node *count_on(reel_cell *c, reel_node *x, reel_state *s)
{
    (void)c;
    s->v[1] = reel_add(s->v[1], reel_scale(x, 100));
    return s->v[0] = reel_scale(s->v[1], 0.01); /* from the c that is not zoned */
}

START_TEST(zoneout_keeps_old_values)
{
    enum { N = ROWS * WIDE };
    static double h[N], c[N], y[N];
    reel_cell *cell = reel_cell_new(f.ps, "count", count_on, .in = WIDE, .hidden = WIDE,
                                    .states = 2, .regular = {.zoneout_h = 0.25, .zoneout_c = 0.6});
    for (int test = 0; test < 2; test++) {
        reel_tape_set_training(f.tape, !test);
        reel_node *x = reel_constant(f.tape, 1, reel_dims(ROWS, WIDE)), *out;
        reel_state s = reel_state_zero(f.tape, cell, ROWS);
        ck_assert_int_eq(reel_unroll(cell, 1, &x, &s, &out), REEL_OK);
        ck_assert_int_eq(reel_read(s.v[0], h, N), REEL_OK);
        ck_assert_int_eq(reel_read(s.v[1], c, N), REEL_OK);
        ck_assert_int_eq(reel_read(out, y, N), REEL_OK);
        ck_assert_int_eq(memcmp(h, y, sizeof h), 0);
        int kept_h = 0, kept_c = 0, both = 0;
        for (int i = 0; i < N; i++) {
            if (test) {
                ck_assert_double_eq_tol(h[i], 0.75, 1e-15);
                ck_assert_double_eq_tol(c[i], 40, 1e-13);
                continue;
            }
            ck_assert(h[i] == 0 || h[i] == 1); /* never scaled */
            ck_assert(c[i] == 0 || c[i] == 100);
            kept_h += h[i] == 0;
            kept_c += c[i] == 0;
            both += h[i] == 0 && c[i] == 0;
        }
        ck_assert(test || fabs(kept_h - 0.25 * N) < 5 * sqrt(0.25 * 0.75 * N));
        ck_assert(test || fabs(kept_c - 0.6 * N) < 5 * sqrt(0.6 * 0.4 * N));
        ck_assert(test || fabs(both - 0.15 * N) < 5 * sqrt(0.15 * 0.85 * N));
    }
    reel_cell_free(cell);
}
END_TEST

/* The average over masks of one linear step is the step in test mode. */
START_TEST(recurrent_masks_are_on_what_the_weights_see)
{
    reel_cell *cell = reel_cell_of(f.ps, "gru", &reel_gru, .in = 1, .hidden = 1,
                                   .regular = {.recurrent = {.p = 0.999}});
    reel_params_set_init(f.ps, "*", (reel_init){REEL_INIT_CONSTANT, -50, 0});
    reel_node *x = reel_constant(f.tape, 1, reel_dims(1, 1)), *y;
    reel_state s = {.n = 1, .v = {reel_constant(f.tape, 0.625, reel_dims(1, 1))}};
    ck_assert_int_eq(reel_unroll(cell, 1, &x, &s, &y), REEL_OK);
    double v;
    ck_assert_int_eq(reel_scalar(reel_sum(y), &v), REEL_OK);
    ck_assert_double_eq_tol(v, 0.625, 1e-12); /* z = 0: h is carried on without a mask */
    reel_cell_free(cell);
}
END_TEST

/* The norm stabilizer */

START_TEST(norm_stabilizer)
{
    enum { T = 4, B = 3, N = 2 };
    const int64_t length[B] = {4, 2, 1};
    const double beta = 0.7;
    reel_node *h[T], *d[T + 1], *all[T + 1];
    double value[T + 1][B][N], norm[T + 1][B], want = 0, have;
    for (int t = 0; t <= T; t++) {
        for (int b = 0; b < B; b++) {
            for (int i = 0; i < N; i++) {
                value[t][b][i] = t == 1 && b == 0 ? 0 : number(t, b, i);
            }
            norm[t][b] = hypot(value[t][b][0], value[t][b][1]);
        }
        all[t] = reel_input(f.tape, REEL_F64, value[t], reel_dims(B, N));
    }
    memcpy(h, all + 1, sizeof h);
    for (int b = 0; b < B; b++) {
        for (int t = 1; t <= length[b]; t++) {
            double change = norm[t][b] - norm[t - 1][b];
            want += beta / ((double)length[b] * B) * change * change;
        }
    }
    reel_node *loss = reel_norm_stabilizer(T, h, all[0], length, beta);
    ck_assert_int_eq(reel_scalar(loss, &have), REEL_OK);
    ck_assert_double_eq_tol(have, want, 1e-14);
    ck_assert_int_eq(reel_grad(loss, T + 1, all, d), REEL_OK);
    for (int t = 0; t <= T; t++) {
        const double *v = reel_data(d[t]);
        for (int b = 0; b < B; b++) {
            double by_norm = 0;
            if (t >= 1 && t <= length[b]) {
                by_norm += 2 * (norm[t][b] - norm[t - 1][b]);
            }
            if (t < length[b]) {
                by_norm -= 2 * (norm[t + 1][b] - norm[t][b]);
            }
            for (int i = 0; i < N; i++) {
                double by = norm[t][b] > 0 ? value[t][b][i] / norm[t][b] : 0;
                ck_assert_double_eq_tol(v[b * N + i], beta / ((double)length[b] * B) * by_norm * by,
                                        1e-13);
            }
        }
    }
}
END_TEST

/* Derivatives, with every kind of regularizer and layer; to second order for a third of the pairs,
 * with each layer and each regularizer among them. */
START_TEST(derivatives)
{
    const int which = _i % NETS, form = _i / NETS, order = form % 3 == which % 3 ? 2 : 1;
    if (getenv("REEL_TEST_SLOW") &&
        form % NETS != which) { /* under a checker that slows all down */
        return;
    }
    reel_cell *cell = net_of(which);
    reel_cell_regularize(cell, regular_of(form));
    reel_check_report report;
    ck_assert_msg(reel_check_cell(&report, cell, .steps = 3, .batch = 2, .order = order), "%s",
                  report.message);
    ck_assert_int_gt(report.compared, 10);
    reel_cell_free(cell);
}
END_TEST

/* Time */

static reel_node *clock_of(reel_cell *c, reel_node *x, reel_state *s)
{
    (void)x;
    return s->v[0] = reel_sum_axis(reel_cell_time(c), 1, true);
}

START_TEST(cells_are_told_the_time)
{
    const double time[2][2] = {{1e9 + 0.0009765625, 3}, {-7.5, 1e12 + 1}};
    for (int wide = 0; wide < 2; wide++) {
        reel_tape *tape = reel_tape_new(1, .dtype = wide ? REEL_F64 : REEL_F32);
        reel_params *ps = reel_params_new(wide ? REEL_F64 : REEL_F32, 1);
        reel_cell *cell = reel_cell_new(ps, "clock", clock_of, .in = 1, .hidden = 1);
        reel_node *x[2], *y[2];
        for (int t = 0; t < 2; t++) {
            x[t] = reel_constant(tape, 0, reel_dims(2, 1));
        }
        ck_assert_int_eq(reel_run(cell, 2, x, NULL, y, .time = time[0]), REEL_OK);
        for (int t = 0; t < 2; t++) {
            double v[2];
            ck_assert_int_eq(reel_read(y[t], v, 2), REEL_OK);
            for (int b = 0; b < 2; b++) {
                ck_assert_double_eq(v[b], wide ? time[t][b] : (double)(float)time[t][b]);
            }
        }
        reel_cell_free(cell);
        reel_params_free(ps);
        reel_tape_free(tape);
    }
}
END_TEST

/* States */

START_TEST(states_by_rows)
{
    reel_cell *cell = plain("a", 0, IN);
    reel_state s = {.n = 2, .v = {input(0, 0, 3, HIDDEN), input(1, 0, 3, HIDDEN)}};
    reel_node *index = reel_input(f.tape, REEL_I32, ((int32_t[]){2, 2, 0, 1}), reel_dims(4));
    reel_state some = reel_state_gather(&s, index), part = reel_state_slice(&s, 1, 3);
    for (int k = 0; k < 2; k++) {
        double v[4 * HIDDEN];
        ck_assert_int_eq(reel_read(some.v[k], v, 4 * HIDDEN), REEL_OK);
        ck_assert_double_eq(v[0], number(k, 2, 0));
        ck_assert_double_eq(v[2 * HIDDEN + 1], number(k, 0, 1));
        ck_assert_int_eq(reel_read(part.v[k], v, 2 * HIDDEN), REEL_OK);
        ck_assert_double_eq(v[0], number(k, 1, 0));
        ck_assert_double_eq(v[HIDDEN], number(k, 2, 0));
    }
    reel_cell_free(cell);
}
END_TEST

/* Bad input has one message that says what and where. */

static void expect_on_set(const char *part)
{
    ck_assert_int_ne(reel_params_status(f.ps), REEL_OK);
    ck_assert_msg(strstr(reel_params_message(f.ps), part) != NULL, "'%s' does not say '%s'",
                  reel_params_message(f.ps), part);
    reel_params_clear_error(f.ps);
}

static void expect_on_tape(const char *part)
{
    ck_assert_int_ne(reel_tape_status(f.tape), REEL_OK);
    ck_assert_msg(strstr(reel_tape_message(f.tape), part) != NULL, "'%s' does not say '%s'",
                  reel_tape_message(f.tape), part);
    reel_tape_reset(f.tape);
}

START_TEST(bad_cells)
{
    reel_cell *c = reel_cell_of(f.ps, "a", &reel_gru, .in = 2, .hidden = 2,
                                .regular = {.recurrent = {.p = 1}});
    expect_on_set("cell 'a': dropout 1 on its recurrent arrow: expected 0 or more, below 1");
    reel_cell_free(c);
    c = reel_cell_of(f.ps, "a", &reel_gru, .in = 2, .hidden = 2, .regular = {.zoneout_c = -1});
    expect_on_set("cell 'a': zoneout -1 of c: expected 0 to 1");
    reel_cell_free(c);
    c = reel_cell_residual(f.ps, "r", plain("a", 0, IN));
    expect_on_set("'r': to be added to its input, the output needs its size and steps");
    reel_cell_free(c);
    c = reel_cell_pyramid(f.ps, "p", plain("a", 0, 3), .factor = 2);
    expect_on_set("'p': factor 2 of a cell with 3 features: expected 2 to 16, a part of them");
    reel_cell_free(c);
    c = reel_cell_bidirectional(f.ps, "b", plain("a", 0, 3), plain("b", 0, 2));
    expect_on_set("'b': both directions need the same features of the input");
    reel_cell_free(c);
    ck_assert_ptr_null(reel_cell_bidirectional(f.ps, "b", plain("a", 0, 3)));
    expect_on_set("needs two different cells");
    ck_assert_ptr_null(reel_cell_highway(f.ps, "h", NULL));
    expect_on_set("needs a cell");
}
END_TEST

START_TEST(bad_runs)
{
    reel_cell *cell = plain("a", 0, IN), *both = net_of(2);
    reel_node *x[2] = {input(0, 0, 2, IN), input(1, 0, 2, IN)}, *y[2];
    ck_assert_int_ne(reel_run(cell, 2, x, NULL, y, .length = ((int64_t[]){2, 3})), REEL_OK);
    expect_on_tape("cell 'a': sequence 1 has length 3: expected 0 to 2");
    x[0] = input(0, 0, 2, IN);
    ck_assert_int_ne(reel_run(cell, 1, x, NULL, y, .time = ((double[]){1, INFINITY})), REEL_OK);
    expect_on_tape("cell 'a': the time of step 0, sequence 1 is inf: expected a finite number");
    x[0] = input(0, 0, 2, IN);
    reel_state s = reel_state_zero(f.tape, both, 2);
    reel_step_once(both, 0, x[0], &s);
    expect_on_tape("cell 'net' needs all steps at once");
    reel_cell_free(cell);
    reel_cell_free(both);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("driver");
    TCase *c = tcase_create("golden");
    tcase_add_test(c, both_ways_as_pytorch);
    suite_add_tcase(s, c);
    TCase *own = tcase_create("runs");
    tcase_add_checked_fixture(own, setup, teardown);
    tcase_set_timeout(own, 120);
    tcase_add_test(own, a_module_is_imported);
    tcase_add_loop_test(own, batches_are_their_sequences, 0, 8 * NETS);
    tcase_add_test(own, padding_may_be_nan);
    int kinds = 0;
    while (reel_cell_types()[kinds]) {
        kinds++;
    }
    tcase_add_loop_test(own, padding_goes_into_no_derivative, 0, kinds * MADE);
    tcase_add_test(own, masks_act_or_are_refused);
    tcase_add_test(own, batches_of_all_kinds);
    tcase_add_test(own, width_of_input_is_told);
    tcase_add_test(own, reversed_is_reversed);
    tcase_add_loop_test(own, masks_have_their_rate_scale_and_lifetime, 0, 5);
    tcase_add_test(own, runs_differ_and_names_do_not);
    tcase_add_test(own, single_steps_keep_the_mask_of_the_sequence);
    tcase_add_test(own, given_masks);
    tcase_add_test(own, words_drop_by_type);
    tcase_add_test(own, zoneout_keeps_old_values);
    tcase_add_test(own, recurrent_masks_are_on_what_the_weights_see);
    tcase_add_test(own, norm_stabilizer);
    tcase_add_loop_test(own, derivatives, 0, 8 * NETS);
    tcase_add_test(own, cells_are_told_the_time);
    tcase_add_test(own, states_by_rows);
    tcase_add_test(own, bad_cells);
    tcase_add_test(own, bad_runs);
    suite_add_tcase(s, own);
    return suite_run(s);
}
