/* Cells and their driver: golden vectors of every shipped cell and of a user's one, derivatives to
 * second order, states, stacks, options, truncation. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

/* The user's cell of the documentation: the minimal gated unit (Zhou et al. 2016). */
static reel_node *mgu(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *h = s->v[0];
    reel_node *f = reel_sigmoid(reel_gate(c, "f", x, h));
    reel_node *g = reel_tanh(reel_gate(c, "g", x, reel_mul(f, h)));
    return s->v[0] = reel_lerp(h, g, f);
}

static const char *golden(const char *name)
{
    static char path[1024];
    const char *dir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/golden/%s", dir ? dir : ".", name);
    return path;
}

/* Golden vectors */

typedef struct golden_case {
    reel_archive *archive;
    char name[96];
    int64_t in, hidden, batch, steps;
    int layers;
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape;
} golden_case;

static const reel_archive_tensor *tensor(const golden_case *g, const char *what)
{
    char key[160];
    snprintf(key, sizeof key, "%s/%s", g->name, what);
    return reel_archive_find(g->archive, key);
}

static reel_node *leaf(const golden_case *g, const char *what)
{
    const reel_archive_tensor *t = tensor(g, what);
    ck_assert_msg(t != NULL, "%s has no %s", g->name, what);
    return reel_input(g->tape, t->dtype, t->data, t->shape);
}

static bool has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

/* Makes the cell that the case's name describes: KIND[-options].in.hidden.batch.steps.layers. */
static void make_cell(golden_case *g)
{
    const char *dot = strchr(g->name, '.');
    char kind[96];
    snprintf(kind, sizeof kind, "%.*s", (int)(dot - g->name), g->name);
    long long v[4];
    ck_assert_int_eq(sscanf(dot, ".%lld.%lld.%lld.%lld.%d", v, v + 1, v + 2, v + 3, &g->layers), 5);
    g->in = v[0];
    g->hidden = v[1];
    g->batch = v[2];
    g->steps = v[3];
    g->params = reel_params_new(REEL_F64, 1);
    reel_cell_args args = {.params = g->params,
                           .name = "net",
                           .in = g->in,
                           .hidden = g->hidden,
                           .two_biases = !has(kind, "-one") && !has(kind, "-none"),
                           .no_bias = has(kind, "-none")};
    char options[64] = "";
    if (has(kind, "rnn")) {
        args.type = &reel_rnn;
        snprintf(options, sizeof options, "activation=%s", has(kind, "relu") ? "relu" : "tanh");
    } else if (has(kind, "lstm")) {
        args.type = &reel_lstm;
    } else if (has(kind, "gru")) {
        args.type = &reel_gru;
        snprintf(options, sizeof options, "reset=%s,update=%s",
                 has(kind, "after") ? "after" : "before", has(kind, "-new") ? "new" : "old");
    } else {
        args.step = mgu;
    }
    args.options = *options ? options : NULL;
    g->cell = args.type ? reel_layers_with(&args, g->layers, 0) : reel_cell_new_with(&args);
    ck_assert_ptr_nonnull(g->cell);
}

/* Offers every weight of the case to the set, under the net's name. */
static void offer_weights(golden_case *g)
{
    size_t length = strlen(g->name);
    for (size_t i = 0; i < reel_archive_count(g->archive); i++) {
        const reel_archive_tensor *t = reel_archive_at(g->archive, i);
        const char *what = t->name + length + 1;
        if (strncmp(t->name, g->name, length) == 0 && t->name[length] == '/' &&
            (strncmp(what, "weight", 6) == 0 || strncmp(what, "bias", 4) == 0)) {
            char name[96];
            snprintf(name, sizeof name, "net.%s", what);
            ck_assert_int_eq(reel_params_offer(g->params, name, t->dtype, t->data, t->shape),
                             REEL_OK);
        }
    }
    /* cuDNN's form of the GRU has a second bias in the candidate, which PyTorch without it leaves
     * at 0. */
    if (has(g->name, "after") && has(g->name, "-one")) {
        for (int l = 0; l < g->layers; l++) {
            char name[96];
            double zero[64] = {0};
            snprintf(name, sizeof name, "net.bias_hh_l%d", l);
            ck_assert_int_eq(
                reel_params_offer(g->params, name, REEL_F64, zero, reel_dims(3 * g->hidden)),
                REEL_OK);
        }
    }
}

static void compare(const golden_case *g, const char *what, reel_node *x)
{
    const reel_archive_tensor *t = tensor(g, what);
    ck_assert_msg(t != NULL, "%s has no %s", g->name, what);
    int64_t n = reel_shape_size(t->shape);
    ck_assert_msg(reel_node_size(x) == n, "%s/%s: size", g->name, what);
    const double *have = reel_data(x), *want = t->data;
    ck_assert_msg(have != NULL, "%s/%s: %s", g->name, what, reel_tape_message(g->tape));
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(have[i] - want[i]) <= 1e-10 * fmax(1, fabs(want[i])),
                      "%s/%s[%lld] is %.17g: expected %.17g", g->name, what, (long long)i, have[i],
                      want[i]);
    }
}

/* Σ y ⊙ R */
static reel_node *weighted(const golden_case *g, reel_node *y, const char *what)
{
    return reel_sum(reel_mul(y, leaf(g, what)));
}

/* The states of one kind (h or c) of all layers as [layers, batch, hidden]. */
static reel_node *states(const golden_case *g, const reel_state *s, int kind)
{
    int per_layer = s->n / g->layers;
    reel_node *v[8];
    for (int l = 0; l < g->layers; l++) {
        v[l] = s->v[l * per_layer + kind];
    }
    return reel_stack(g->layers, v);
}

static void check_gradients(golden_case *g, reel_node *loss, reel_node *x, reel_node *h0,
                            reel_node *c0)
{
    reel_node *to[64] = {x, h0}, *d[64];
    char name[64][64] = {"grad.x", "grad.h0"};
    size_t n = 2;
    if (c0) {
        strcpy(name[n], "grad.c0");
        to[n++] = c0;
    }
    for (size_t i = 0; i < reel_params_count(g->params); i++) {
        reel_param *p = reel_params_at(g->params, i);
        snprintf(name[n], sizeof name[n], "grad.%s", reel_param_name(p) + strlen("net."));
        if (tensor(g, name[n])) {
            to[n++] = reel_use(g->tape, p);
        }
    }
    ck_assert_msg(reel_grad(loss, n, to, d) == REEL_OK, "%s", reel_tape_message(g->tape));
    ck_assert_uint_ge(n, 4);
    for (size_t i = 0; i < n; i++) {
        compare(g, name[i], d[i]);
    }
}

static void run_case(golden_case *g)
{
    make_cell(g);
    offer_weights(g);
    g->tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_node *x = leaf(g, "x"), *h0 = leaf(g, "h0");
    bool lstm = reel_cell_states(g->cell) == 2 * g->layers;
    reel_node *c0 = lstm ? leaf(g, "c0") : NULL;
    reel_state s = {.n = reel_cell_states(g->cell)};
    for (int l = 0; l < g->layers; l++) {
        s.v[l * (lstm ? 2 : 1)] = reel_select(h0, 0, l);
        if (lstm) {
            s.v[2 * l + 1] = reel_select(c0, 0, l);
        }
    }
    reel_node *xs[16], *ys[16];
    reel_unstack(x, (int)g->steps, xs);
    ck_assert_msg(reel_unroll(g->cell, g->steps, xs, &s, ys) == REEL_OK, "%s: %s", g->name,
                  reel_tape_message(g->tape));
    ck_assert_ptr_null(reel_params_unclaimed(g->params, 0));
    reel_node *y = reel_stack((int)g->steps, ys), *hn = states(g, &s, 0);
    reel_node *loss = reel_add(weighted(g, y, "R"), weighted(g, hn, "Rh"));
    if (lstm) {
        reel_node *cn = states(g, &s, 1);
        loss = reel_add(loss, weighted(g, cn, "Rc"));
        compare(g, "cn", cn);
    }
    compare(g, "y", y);
    compare(g, "hn", hn);
    compare(g, "loss", loss);
    check_gradients(g, loss, x, h0, c0);
    reel_tape_free(g->tape);
    reel_cell_free(g->cell);
    reel_params_free(g->params);
}

static const struct {
    const char *file;
    int cases;
} files[] = {{"rnn.safetensors", 18},
             {"lstm.safetensors", 9},
             {"gru.safetensors", 36},
             {"mgu.safetensors", 4}};

START_TEST(golden_vectors)
{
    reel_archive *a = reel_archive_new();
    ck_assert_msg(reel_archive_read(a, golden(files[_i].file)) == REEL_OK, "%s",
                  reel_archive_message(a));
    int cases = 0;
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const char *key = reel_archive_at(a, i)->name, *slash = strchr(key, '/');
        if (slash && strcmp(slash, "/loss") == 0) {
            golden_case g = {.archive = a};
            snprintf(g.name, sizeof g.name, "%.*s", (int)(slash - key), key);
            run_case(&g);
            cases++;
        }
    }
    ck_assert_int_eq(cases, files[_i].cases);
    reel_archive_free(a);
}
END_TEST

/* Derivatives */

static const char *const gru_options[] = {"reset=before,update=new", "reset=before,update=old",
                                          "reset=after,update=new", "reset=after,update=old",
                                          "pytorch"};

static reel_cell *variant(reel_params *ps, int i)
{
    switch (i) {
    case 0:
        return reel_cell_of(ps, "rnn", &reel_rnn, .in = 3, .hidden = 2);
    case 1:
        return reel_cell_of(ps, "lstm", &reel_lstm, .in = 2, .hidden = 3, .two_biases = true);
    case 2:
        return reel_cell_new(ps, "mgu", mgu, .in = 3, .hidden = 2);
    case 3: {
        reel_cell *cell[2] = {reel_cell_of(ps, "low", &reel_gru, .in = 3, .hidden = 2),
                              reel_cell_of(ps, "high", &reel_lstm, .in = 2, .hidden = 2)};
        return reel_cell_stack(ps, "mixed", 2, cell);
    }
    default:
        return reel_cell_of(ps, "gru", &reel_gru, .in = 2, .hidden = 2,
                            .options = gru_options[i - 4]);
    }
}

START_TEST(second_order)
{
    reel_params *ps = reel_params_new(_i % 2 ? REEL_F32 : REEL_F64, 7);
    reel_cell *cell = variant(ps, _i);
    reel_check_report report;
    ck_assert_msg(reel_check_cell(&report, cell, .steps = 3, .batch = 2, .order = 2), "%s",
                  report.message);
    ck_assert_int_gt(report.compared, 10);
    reel_cell_free(cell);
    reel_params_free(ps);
}
END_TEST

/* Driver */

typedef struct fixture {
    reel_params *ps;
    reel_tape *tape;
} fixture;

static fixture f;

static void setup(void)
{
    f.ps = reel_params_new(REEL_F64, 3);
    f.tape = reel_tape_new(1, .dtype = REEL_F64);
}

static void teardown(void)
{
    reel_tape_free(f.tape);
    reel_params_free(f.ps);
}

/* T inputs [batch, in] with fixed, uneven values. */
static void inputs(int T, int64_t batch, int64_t in, reel_node **x)
{
    for (int t = 0; t < T; t++) {
        double v[64];
        for (int i = 0; i < batch * in; i++) {
            v[i] = sin(1.7 * t + 0.9 * i + 0.3);
        }
        x[t] = reel_input(f.tape, REEL_F64, v, reel_dims(batch, in));
    }
}

START_TEST(user_cell_makes_weights_on_first_use)
{
    reel_cell *c = reel_cell_new(f.ps, "mgu", mgu, .in = 3, .hidden = 4, .states = 1);
    ck_assert_uint_eq(reel_params_count(f.ps), 0);
    reel_node *x[2], *y[2];
    inputs(2, 2, 3, x);
    ck_assert_int_eq(reel_unroll(c, 2, x, NULL, y), REEL_OK);
    ck_assert_uint_eq(reel_params_count(f.ps), 6);
    const char *names[] = {"mgu.weight_ih_f", "mgu.weight_hh_f", "mgu.bias_f",
                           "mgu.weight_ih_g", "mgu.weight_hh_g", "mgu.bias_g"};
    for (int i = 0; i < 6; i++) {
        ck_assert_msg(reel_params_find(f.ps, names[i]) != NULL, "%s", names[i]);
    }
    char scope[64];
    reel_node_scope(y[1], scope, sizeof scope);
    ck_assert_str_eq(scope, "mgu/t=1");
    reel_cell_free(c);
}
END_TEST

START_TEST(forget_bias_and_orthogonal_gates)
{
    reel_cell *c = reel_cell_of(f.ps, "lstm", &reel_lstm, .in = 3, .hidden = 4, .two_biases = true,
                                .options = "forget_bias=2.5");
    reel_node *x[1], *y[1];
    inputs(1, 1, 3, x);
    ck_assert_int_eq(reel_unroll(c, 1, x, NULL, y), REEL_OK);
    double b[16], U[64];
    ck_assert_int_eq(reel_param_read(reel_params_find(f.ps, "lstm.bias_ih_l0"), b, 16), REEL_OK);
    for (int i = 0; i < 16; i++) {
        ck_assert_double_eq(b[i], i / 4 == 1 ? 2.5 : 0);
    }
    ck_assert_int_eq(reel_param_read(reel_params_find(f.ps, "lstm.bias_hh_l0"), b, 16), REEL_OK);
    for (int i = 0; i < 16; i++) {
        ck_assert_double_eq(b[i], 0);
    }
    ck_assert_int_eq(reel_param_read(reel_params_find(f.ps, "lstm.weight_hh_l0"), U, 64), REEL_OK);
    for (int gate = 0; gate < 4; gate++) {
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 4; j++) {
                double dot = 0;
                for (int k = 0; k < 4; k++) {
                    dot += U[16 * gate + 4 * i + k] * U[16 * gate + 4 * j + k];
                }
                ck_assert_double_eq_tol(dot, i == j, 1e-12);
            }
        }
    }
    reel_cell_free(c);
}
END_TEST

START_TEST(stack_scopes_and_states)
{
    reel_cell *c = reel_layers_with(
        &(reel_cell_args){.params = f.ps, .name = "net", .type = &reel_lstm, .in = 3, .hidden = 2},
        3, 0);
    ck_assert_int_eq(reel_cell_states(c), 6);
    reel_node *x[4], *y[4];
    inputs(4, 2, 3, x);
    reel_state s = reel_state_zero(f.tape, c, 2);
    ck_assert_int_eq(reel_unroll(c, 4, x, &s, y), REEL_OK);
    ck_assert_ptr_eq(s.v[4], y[3]);
    char scope[64];
    reel_node_scope(s.v[3], scope, sizeof scope);
    ck_assert_str_eq(scope, "net/l1/t=3");
    ck_assert_ptr_nonnull(reel_params_find(f.ps, "net.weight_ih_l2"));
    reel_cell_free(c);
}
END_TEST

/* Steps taken one at a time, with values computed in between, equal the unroll. */
START_TEST(step_by_step_equals_unroll)
{
    reel_cell *c = reel_layers_with(
        &(reel_cell_args){.params = f.ps, .name = "net", .type = &reel_gru, .in = 3, .hidden = 4},
        2, 0);
    reel_node *x[5], *y[5];
    inputs(5, 2, 3, x);
    reel_state s = reel_state_zero(f.tape, c, 2), one = reel_state_zero(f.tape, c, 2);
    ck_assert_int_eq(reel_unroll(c, 5, x, &s, y), REEL_OK);
    for (int t = 0; t < 5; t++) {
        reel_node *o = reel_step_once(c, t, x[t], &one);
        double a[8], b[8];
        ck_assert_int_eq(reel_read(o, a, 8), REEL_OK);
        ck_assert_int_eq(reel_read(y[t], b, 8), REEL_OK);
        ck_assert_mem_eq(a, b, sizeof a);
    }
    reel_cell_free(c);
}
END_TEST

static double chunk(reel_cell *c, int from, int to, const reel_carry *carry, reel_carry *out,
                    double *grad)
{
    reel_node *x[8], *y[8];
    reel_tape_reset(f.tape);
    inputs(8, 2, 3, x);
    reel_state s = reel_state_from(f.tape, c, 2, carry);
    ck_assert_int_eq(reel_unroll(c, to - from, x + from, &s, y), REEL_OK);
    reel_node *loss = reel_sum(reel_square(reel_stack(to - from, y)));
    reel_node *U = reel_use(f.tape, reel_params_find(f.ps, "rnn.weight_hh_l0")), *dU;
    ck_assert_int_eq(reel_grad(loss, 1, &U, &dU), REEL_OK);
    double value;
    ck_assert_int_eq(reel_scalar(loss, &value), REEL_OK);
    ck_assert_int_eq(reel_read(dU, grad, 16), REEL_OK);
    ck_assert_int_eq(reel_state_keep(out, &s), REEL_OK);
    return value;
}

/* Carried values give the loss of the whole sequence; one chunk of all steps is full BPTT; two
 * chunks cut the gradient between them. */
START_TEST(truncation)
{
    reel_cell *c = reel_cell_of(f.ps, "rnn", &reel_rnn, .in = 3, .hidden = 4);
    reel_carry none = {0}, middle = {0}, end = {0}, end2 = {0};
    double whole[16], first[16], second[16];
    double all = chunk(c, 0, 8, &none, &end, whole);
    double a = chunk(c, 0, 4, &none, &middle, first);
    double b = chunk(c, 4, 8, &middle, &end2, second);
    ck_assert_double_eq_tol(all, a + b, 1e-12);
    ck_assert_mem_eq(end.value[0], end2.value[0], 8 * sizeof(double));
    double difference = 0;
    for (int i = 0; i < 16; i++) {
        difference = fmax(difference, fabs(whole[i] - first[i] - second[i]));
    }
    ck_assert_double_gt(difference, 1e-3);

    /* The same two chunks on one tape: with the state detached, the gradients of the chunks;
     * without, those of full BPTT. */
    for (int cut = 0; cut < 2; cut++) {
        reel_tape_reset(f.tape);
        reel_node *x[8], *y[8];
        inputs(8, 2, 3, x);
        reel_state s = reel_state_zero(f.tape, c, 2);
        ck_assert_int_eq(reel_unroll(c, 4, x, &s, y), REEL_OK);
        s = cut ? reel_state_detach(&s) : s;
        ck_assert_int_eq(reel_unroll(c, 4, x + 4, &s, y + 4), REEL_OK);
        reel_node *loss = reel_sum(reel_square(reel_stack(8, y)));
        reel_node *U = reel_use(f.tape, reel_params_find(f.ps, "rnn.weight_hh_l0")), *dU;
        ck_assert_int_eq(reel_grad(loss, 1, &U, &dU), REEL_OK);
        double d[16];
        ck_assert_int_eq(reel_read(dU, d, 16), REEL_OK);
        for (int i = 0; i < 16; i++) {
            ck_assert_double_eq_tol(d[i], cut ? first[i] + second[i] : whole[i], 1e-12);
        }
    }
    reel_carry_free(&middle);
    reel_carry_free(&end);
    reel_carry_free(&end2);
    reel_cell_free(c);
}
END_TEST

/* Sliding windows, k1 = 2 < k2 = 5: each window starts from the state two steps into the last one,
 * and its forward values are those of the whole sequence. */
START_TEST(sliding_windows)
{
    reel_cell *c = reel_cell_of(f.ps, "lstm", &reel_lstm, .in = 3, .hidden = 4);
    enum { T = 11, K1 = 2, K2 = 5 };
    double want[T][8];
    reel_node *x[T], *y[T];
    inputs(T, 2, 3, x);
    ck_assert_int_eq(reel_unroll(c, T, x, NULL, y), REEL_OK);
    for (int t = 0; t < T; t++) {
        ck_assert_int_eq(reel_read(y[t], want[t], 8), REEL_OK);
    }
    reel_carry carry = {0};
    for (int from = 0; from + K2 <= T; from += K1) {
        reel_tape_reset(f.tape);
        inputs(T, 2, 3, x);
        reel_state s = reel_state_from(f.tape, c, 2, &carry);
        ck_assert_int_eq(reel_unroll(c, K1, x + from, &s, y), REEL_OK);
        reel_state mid = s;
        ck_assert_int_eq(reel_unroll(c, K2 - K1, x + from + K1, &s, y + K1), REEL_OK);
        for (int t = 0; t < K2; t++) {
            double have[8];
            ck_assert_int_eq(reel_read(y[t], have, 8), REEL_OK);
            ck_assert_mem_eq(have, want[from + t], sizeof have);
        }
        ck_assert_int_eq(reel_state_keep(&carry, &mid), REEL_OK);
    }
    reel_carry_free(&carry);
    reel_cell_free(c);
}
END_TEST

START_TEST(carry_zero_starts_one_sequence_anew)
{
    reel_cell *c = reel_cell_of(f.ps, "lstm", &reel_lstm, .in = 3, .hidden = 4);
    reel_carry carry = {0};
    reel_node *x[2], *y[2];
    inputs(2, 2, 3, x);
    reel_state s = reel_state_zero(f.tape, c, 2);
    ck_assert_int_eq(reel_unroll(c, 2, x, &s, y), REEL_OK);
    ck_assert_int_eq(reel_state_keep(&carry, &s), REEL_OK);
    reel_carry_zero(&carry, 1);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 8; k++) {
            ck_assert((carry.value[i][k] == 0) == (k >= 4));
        }
    }
    reel_carry_free(&carry);
    reel_cell_free(c);
}
END_TEST

/* Errors */

static void expect(const char *have, const char *want)
{
    ck_assert_msg(strstr(have, want) != NULL, "message '%s' lacks '%s'", have, want);
}

START_TEST(errors_reach_the_tape)
{
    static const struct {
        const char *options, *message;
    } bad[] = {{"depth=3", "lstm has no option 'depth': expected forget_bias"},
               {"peephole=full peephole=none", "option peephole of lstm is given twice"},
               {"forget_bias=much", "expected a number"},
               {"forget_bias", "expected a number"}};
    for (int i = 0; i < 3; i++) {
        reel_params *ps = reel_params_new(REEL_F64, 1);
        reel_cell *c =
            reel_cell_of(ps, "lstm", &reel_lstm, .in = 3, .hidden = 2, .options = bad[i].options);
        expect(reel_params_message(ps), bad[i].message);
        reel_tape_reset(f.tape);
        reel_node *x[1], *y[1];
        inputs(1, 2, 3, x);
        ck_assert_int_eq(reel_unroll(c, 1, x, NULL, y), REEL_ERR_ARGUMENT);
        expect(reel_tape_message(f.tape), bad[i].message);
        reel_cell_free(c);
        reel_params_free(ps);
    }
}
END_TEST

START_TEST(wrong_input_names_place_and_step)
{
    reel_cell *c = reel_cell_new(f.ps, "mgu", mgu, .in = 5, .hidden = 4);
    reel_node *x[2], *y[2];
    inputs(2, 2, 3, x);
    reel_scope_enter(f.tape, "decoder");
    ck_assert_int_eq(reel_unroll(c, 2, x, NULL, y), REEL_ERR_SHAPE);
    const char *message = reel_tape_message(f.tape);
    expect(message, "check_cells.c:");
    expect(message, "matmul: [2,3] x [4,5]: inner sizes differ");
    expect(message, "(in decoder/mgu, t=0)");
    ck_assert_int_eq(reel_node_id(y[1]), -1);
    reel_cell_free(c);
}
END_TEST

static reel_node *forgetful(reel_cell *c, reel_node *x, reel_state *s)
{
    (void)c;
    (void)s;
    return reel_node_dim(x, 0) ? NULL : x;
}

START_TEST(bad_cells)
{
    reel_node *x[2], *y[2];
    inputs(2, 2, 3, x);
    reel_cell *c = reel_cell_new(f.ps, "forgetful", forgetful, .in = 3, .hidden = 4);
    ck_assert_int_eq(reel_unroll(c, 2, x, NULL, y), REEL_ERR_ARGUMENT);
    expect(reel_tape_message(f.tape), "'forgetful': its step function returned NULL");
    reel_cell_free(c);
    reel_tape_reset(f.tape);
    inputs(2, 2, 3, x);
    ck_assert_int_eq(reel_unroll(NULL, 2, x, NULL, y), REEL_ERR_ARGUMENT);
    expect(reel_tape_message(f.tape), "the cell is NULL");
    c = reel_cell_of(f.ps, "lstm", &reel_lstm, .in = 3, .hidden = 4);
    reel_state s = {.n = 1, .v = {x[0]}};
    reel_tape_reset(f.tape);
    inputs(2, 2, 3, x);
    ck_assert_int_eq(reel_unroll(c, 2, x, &s, y), REEL_ERR_ARGUMENT);
    expect(reel_tape_message(f.tape), "1 states given: expected 2");
    reel_cell_free(c);
    reel_cell *two[2] = {reel_cell_of(f.ps, "a", &reel_rnn, .in = 3, .hidden = 4),
                         reel_cell_of(f.ps, "b", &reel_rnn, .in = 5, .hidden = 4)};
    c = reel_cell_stack(f.ps, "stack", 2, two);
    expect(reel_params_message(f.ps), "layer 1 takes 5 features, the one below gives 4");
    reel_cell_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cells");
    TCase *golden_case_ = tcase_create("golden");
    tcase_add_loop_test(golden_case_, golden_vectors, 0, (int)(sizeof files / sizeof files[0]));
    suite_add_tcase(suite, golden_case_);
    TCase *derivatives = tcase_create("derivatives");
    tcase_add_loop_test(derivatives, second_order, 0, 9);
    suite_add_tcase(suite, derivatives);
    TCase *driver = tcase_create("driver");
    tcase_add_checked_fixture(driver, setup, teardown);
    tcase_add_test(driver, user_cell_makes_weights_on_first_use);
    tcase_add_test(driver, forget_bias_and_orthogonal_gates);
    tcase_add_test(driver, stack_scopes_and_states);
    tcase_add_test(driver, step_by_step_equals_unroll);
    tcase_add_test(driver, truncation);
    tcase_add_test(driver, sliding_windows);
    tcase_add_test(driver, carry_zero_starts_one_sequence_anew);
    tcase_add_test(driver, errors_reach_the_tape);
    tcase_add_test(driver, wrong_input_names_place_and_step);
    tcase_add_test(driver, bad_cells);
    suite_add_tcase(suite, driver);
    return suite_run(suite);
}
