/* The cells of models/: golden vectors of those that PyTorch has not, derivatives to second order
 * of all of them with every option, and what some are special cases of. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "suite.h"

enum { MOST_WEIGHTS = 32, MOST_T = 8 };

/* Golden vectors */

typedef struct golden_case {
    const reel_archive *archive;
    char name[128], options[96];
    const reel_cell_type *type;
    int64_t in, hidden, batch, steps;
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape;
} golden_case;

static const reel_archive_tensor *find(const golden_case *g, const char *what)
{
    char key[192];
    snprintf(key, sizeof key, "%s/%s", g->name, what);
    return reel_archive_find(g->archive, key);
}

static void open_case(golden_case *g)
{
    const char *colon = strchr(g->name, ':'), *dot = strchr(g->name, '.');
    char kind[64];
    long long v[4];
    snprintf(kind, sizeof kind, "%.*s", (int)(colon - g->name), g->name);
    snprintf(g->options, sizeof g->options, "%.*s", (int)(dot - colon - 1), colon + 1);
    ck_assert_int_eq(sscanf(dot, ".%lld.%lld.%lld.%lld", v, v + 1, v + 2, v + 3), 4);
    g->type = reel_cell_type_find(kind);
    ck_assert_msg(g->type != NULL, "there is no %s", kind);
    g->in = v[0];
    g->hidden = v[1];
    g->batch = v[2];
    g->steps = v[3];
    g->params = reel_params_new(REEL_F64, 1);
    g->tape = reel_tape_new(1, .dtype = REEL_F64);
    g->cell = reel_cell_of(g->params, "net", g->type, .in = g->in, .hidden = g->hidden,
                           .options = g->options);
    size_t length = strlen(g->name);
    for (size_t i = 0; i < reel_archive_count(g->archive); i++) {
        const reel_archive_tensor *t = reel_archive_at(g->archive, i);
        const char *what = t->name + length + 1;
        static const char *const others[] = {"x", "s0", "sn", "y", "R", "Rs", "loss", "time"};
        bool weight = strncmp(t->name, g->name, length) == 0 && t->name[length] == '/' &&
                      strncmp(what, "grad.", 5) != 0;
        for (size_t k = 0; weight && k < sizeof others / sizeof *others; k++) {
            weight = strcmp(what, others[k]) != 0;
        }
        char name[96];
        snprintf(name, sizeof name, "net.%s", weight ? what : "");
        ck_assert_int_eq(weight ? reel_params_offer(g->params, name, t->dtype, t->data, t->shape)
                                : REEL_OK,
                         REEL_OK);
    }
}

static void run_case(golden_case *g)
{
    open_case(g);
    reel_node *x = golden_leaf(g->tape, g->archive, g->name, "x"),
              *s0 = golden_leaf(g->tape, g->archive, g->name, "s0"), *xs[MOST_T], *ys[MOST_T];
    reel_state s = {.n = reel_cell_states(g->cell)};
    ck_assert_int_eq(s.n, reel_node_dim(s0, 0));
    reel_unstack(x, (int)g->steps, xs);
    reel_unstack(s0, s.n, s.v);
    const reel_archive_tensor *time = find(g, "time");
    ck_assert_msg(reel_run(g->cell, g->steps, xs, &s, ys, .time = time ? time->data : NULL) ==
                      REEL_OK,
                  "%s: %s", g->name, reel_tape_message(g->tape));
    ck_assert_ptr_null(reel_params_unclaimed(g->params, 0));
    reel_node *y = reel_stack((int)g->steps, ys), *sn = reel_stack(s.n, s.v);
    reel_node *loss =
        reel_add(reel_sum(reel_mul(y, golden_leaf(g->tape, g->archive, g->name, "R"))),
                 reel_sum(reel_mul(sn, golden_leaf(g->tape, g->archive, g->name, "Rs"))));
    golden_compare(g->archive, g->name, "y", y);
    golden_compare(g->archive, g->name, "sn", sn);
    golden_compare(g->archive, g->name, "loss", loss);
    reel_node *to[MOST_WEIGHTS] = {x, s0}, *d[MOST_WEIGHTS];
    char what[MOST_WEIGHTS][64] = {"grad.x", "grad.s0"};
    size_t n = 2;
    for (size_t i = 0; i < reel_params_count(g->params); i++) {
        reel_param *p = reel_params_at(g->params, i);
        ck_assert_msg(reel_param_loaded(p), "%s: %s was not given", g->name, reel_param_name(p));
        snprintf(what[n], sizeof what[n], "grad.%s", reel_param_name(p) + strlen("net."));
        to[n++] = reel_use(g->tape, p);
    }
    ck_assert_msg(reel_grad(loss, n, to, d) == REEL_OK, "%s", reel_tape_message(g->tape));
    for (size_t i = 0; i < n; i++) {
        golden_compare(g->archive, g->name, what[i], d[i]);
    }
    reel_tape_free(g->tape);
    reel_cell_free(g->cell);
    reel_params_free(g->params);
}

START_TEST(golden_vectors)
{
    reel_archive *a = golden_open("models.safetensors");
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
    ck_assert_int_eq(cases, 63);
    reel_archive_free(a);
}
END_TEST

/* Every kind with every word and flag of its options, by itself */

enum { MOST_VARIANTS = 128 };

static struct {
    const reel_cell_type *type;
    char options[64];
} variant[MOST_VARIANTS];
static int variants;

static void add_variant(const reel_cell_type *type, const char *name, const char *word)
{
    if (variants == MOST_VARIANTS) {
        abort();
    }
    variant[variants].type = type;
    snprintf(variant[variants].options, sizeof variant[0].options, "%s%s%s", name, *word ? "=" : "",
             word);
    variants++;
}

static void list_variants(void)
{
    for (const reel_cell_type *const *t = reel_cell_types(); *t; t++) {
        add_variant(*t, "", "");
        for (int i = 0; i < REEL_MAX_OPTIONS && (*t)->option[i].name; i++) {
            const reel_cell_option *o = &(*t)->option[i];
            for (const char *w = o->words; w && *w;) {
                char word[32];
                size_t n = strcspn(w, "|");
                snprintf(word, sizeof word, "%.*s", (int)n, w);
                add_variant(*t, o->name, word);
                w += n + (w[n] == '|');
            }
            if (o->words && !*o->words) {
                add_variant(*t, o->name, "");
            }
        }
    }
    add_variant(&reel_lstm, "coupled peephole", "full");
    add_variant(&reel_lstm, "coupled peephole", "diagonal");
    add_variant(&reel_lstm, "nig nfg nog fgr peephole", "diagonal");
    add_variant(&reel_lstm, "coupled fgr", "");
}

/* Some of them only, under a checker that slows all down. */
static bool left_out(int i)
{
    return getenv("REEL_TEST_SLOW") && i % 4;
}

static reel_cell *variant_cell(reel_params *ps, int i, const char *more)
{
    char options[128];
    snprintf(options, sizeof options, "%s %s", variant[i].options, more);
    return reel_cell_of(ps, "net", variant[i].type, .in = 3, .hidden = 2, .options = options);
}

START_TEST(second_order)
{
    if (left_out(_i)) {
        return;
    }
    reel_params *ps = reel_params_new(_i % 2 ? REEL_F32 : REEL_F64, 7);
    /* periods that the steps of the check go through, open for long */
    bool phased = variant[_i].type == &reel_phased_lstm;
    reel_cell *cell = variant_cell(ps, _i, phased ? "open=0.6 leak=0.3" : "");
    reel_check_report report;
    ck_assert_msg(reel_check_cell(&report, cell, .steps = 3, .batch = 2, .order = 2), "%s: %s",
                  variant[_i].options, report.message);
    ck_assert_int_gt(report.compared, 10);
    reel_cell_free(cell);
    reel_params_free(ps);
}
END_TEST

/* Outputs and states of a cell over some steps, in that type. */
static int run_plain(reel_cell *cell, reel_dtype dtype, double *out)
{
    reel_tape *tape = reel_tape_new(1, .dtype = dtype);
    reel_node *x[MOST_T], *y[MOST_T];
    int n = 0;
    for (int t = 0; t < MOST_T; t++) {
        double v[6];
        for (int i = 0; i < 6; i++) {
            v[i] = sin(1.3 * t + 0.7 * i + 0.2);
        }
        x[t] = reel_input(tape, REEL_F64, v, reel_dims(2, 3));
    }
    reel_state s = reel_state_zero(tape, cell, 2);
    ck_assert_msg(reel_unroll(cell, MOST_T, x, &s, y) == REEL_OK, "%s", reel_tape_message(tape));
    for (int t = 0; t < MOST_T; t++) {
        ck_assert_int_eq(reel_read(y[t], out + n, (size_t)reel_node_size(y[t])), REEL_OK);
        n += (int)reel_node_size(y[t]);
    }
    for (int i = 0; i < s.n; i++) {
        ck_assert_int_eq(reel_read(s.v[i], out + n, (size_t)reel_node_size(s.v[i])), REEL_OK);
        n += (int)reel_node_size(s.v[i]);
    }
    reel_tape_free(tape);
    return n;
}

START_TEST(single_and_double_precision_agree)
{
    if (left_out(_i)) {
        return;
    }
    double out[2][256];
    int n = 0;
    for (int k = 0; k < 2; k++) {
        reel_dtype dtype = k ? REEL_F64 : REEL_F32;
        reel_params *ps = reel_params_new(dtype, 7);
        bool phased = variant[_i].type == &reel_phased_lstm;
        reel_cell *cell = variant_cell(ps, _i, phased ? "open=0.6" : "");
        n = run_plain(cell, dtype, out[k]);
        reel_cell_free(cell);
        reel_params_free(ps);
    }
    double size = 0;
    for (int i = 0; i < n; i++) {
        size = fmax(size, fabs(out[1][i]));
        ck_assert_msg(fabs(out[0][i] - out[1][i]) <= 2e-5, "%s: %.9g, %.9g", variant[_i].options,
                      out[0][i], out[1][i]);
    }
    ck_assert_double_gt(size, 0.01);
}
END_TEST

/* What is a special case of what */

static void expect_equal(reel_cell *a, reel_cell *b, int compared)
{
    double out[2][256];
    run_plain(a, REEL_F64, out[0]);
    run_plain(b, REEL_F64, out[1]);
    for (int i = 0; i < compared; i++) {
        ck_assert_msg(fabs(out[0][i] - out[1][i]) <= 1e-14, "%d: %.17g, %.17g", i, out[0][i],
                      out[1][i]);
    }
    reel_cell_free(a);
    reel_cell_free(b);
}

/* i = σ(-a_f) = 1 - σ(a_f): the LSTM whose input gate has the forget gate's weights, negated. */
START_TEST(coupled_is_an_lstm)
{
    enum { H = 2, IN = 3 };
    static const char *const names[] = {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0"};
    static const int columns[] = {IN, H, 1};
    reel_params *ps = reel_params_new(REEL_F64, 5);
    reel_cell *one =
        reel_cell_of(ps, "one", &reel_lstm, .in = IN, .hidden = H, .options = "coupled");
    reel_cell *two = reel_cell_of(ps, "two", &reel_lstm, .in = IN, .hidden = H);
    double out[256];
    run_plain(one, REEL_F64, out); /* makes the weights: f, g, o */
    for (int k = 0; k < 3; k++) {
        char name[64];
        double v[3 * H * IN], w[4 * H * IN];
        int rows = H * columns[k]; /* of a gate */
        snprintf(name, sizeof name, "one.%s", names[k]);
        ck_assert_int_eq(reel_param_read(reel_params_find(ps, name), v, (size_t)(3 * rows)),
                         REEL_OK);
        for (int i = 0; i < rows; i++) {
            w[i] = -v[i];
        }
        memcpy(w + rows, v, 3 * (size_t)rows * sizeof *w);
        snprintf(name, sizeof name, "two.%s", names[k]);
        reel_shape shape = k < 2 ? reel_dims(4 * H, columns[k]) : reel_dims(4 * H);
        ck_assert_int_eq(reel_params_offer(ps, name, REEL_F64, w, shape), REEL_OK);
    }
    expect_equal(one, two, (MOST_T + 2) * 2 * H);
    reel_params_free(ps);
}
END_TEST

START_TEST(diagonal_peepholes_are_diagonal_matrices)
{
    enum { H = 2 };
    reel_params *ps = reel_params_new(REEL_F64, 5);
    reel_params_set_init(ps, "one.weight_ch_*", (reel_init){REEL_INIT_UNIFORM, -2, 2});
    reel_cell *one =
        reel_cell_of(ps, "one", &reel_lstm, .in = 3, .hidden = H, .options = "peephole=diagonal");
    reel_cell *two =
        reel_cell_of(ps, "two", &reel_lstm, .in = 3, .hidden = H, .options = "peephole=full");
    double out[256];
    run_plain(one, REEL_F64, out);
    for (size_t i = 0, n = reel_params_count(ps); i < n; i++) {
        reel_param *p = reel_params_at(ps, i);
        char name[64];
        double v[64], w[H * H] = {0};
        snprintf(name, sizeof name, "two%s", reel_param_name(p) + strlen("one"));
        ck_assert_int_eq(reel_param_read(p, v, (size_t)reel_param_size(p)), REEL_OK);
        bool peephole = strstr(name, "weight_ch") != NULL;
        for (int k = 0; peephole && k < H; k++) {
            w[k * H + k] = v[k];
        }
        ck_assert_int_eq(reel_params_offer(ps, name, REEL_F64, peephole ? w : v,
                                           peephole ? reel_dims(H, H) : reel_param_shape(p)),
                         REEL_OK);
    }
    expect_equal(one, two, (MOST_T + 2) * 2 * H);
    reel_params_free(ps);
}
END_TEST

/* The weights of one cell under another's name. */
static void give_weights(reel_params *ps, const char *from, const char *to)
{
    for (size_t i = 0, n = reel_params_count(ps); i < n; i++) {
        const reel_param *p = reel_params_at(ps, i);
        if (strncmp(reel_param_name(p), from, strlen(from)) == 0) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", to, reel_param_name(p) + strlen(from));
            ck_assert_int_eq(
                reel_params_offer(ps, name, REEL_F64, reel_param_data(p), reel_param_shape(p)),
                REEL_OK);
        }
    }
}

/* A time gate that leaks everything is open: φ of 1 when α is 1/φ. Here each step is half way
 * through the open part, where k = 1. */
START_TEST(an_open_phased_lstm_is_an_lstm)
{
    enum { H = 2, T = 4 };
    reel_params *ps = reel_params_new(REEL_F64, 5);
    reel_params_set_init(ps, "two.period", (reel_init){REEL_INIT_CONSTANT, 4, 0});
    reel_cell *one =
        reel_cell_of(ps, "one", &reel_lstm, .in = 3, .hidden = H, .options = "peephole=diagonal");
    reel_cell *two =
        reel_cell_of(ps, "two", &reel_phased_lstm, .in = 3, .hidden = H, .options = "open=0.5");
    double a[256], b[256], when[T][2], units[H] = {4, 4}, none[H] = {0};
    run_plain(one, REEL_F64, a);
    give_weights(ps, "one", "two");
    ck_assert_int_eq(reel_params_offer(ps, "two.period", REEL_F64, units, reel_dims(H)), REEL_OK);
    ck_assert_int_eq(reel_params_offer(ps, "two.shift", REEL_F64, none, reel_dims(H)), REEL_OK);
    for (int t = 0; t < T; t++) {
        when[t][0] = 4 * t - 3; /* φ = 1/4 = r/2, before the shift, too */
        when[t][1] = 1e9 * 4 * t + 1;
    }
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_node *x[T], *y[T];
    for (int t = 0; t < T; t++) {
        double v[6];
        for (int i = 0; i < 6; i++) {
            v[i] = sin(1.3 * t + 0.7 * i + 0.2);
        }
        x[t] = reel_input(tape, REEL_F64, v, reel_dims(2, 3));
    }
    ck_assert_int_eq(reel_run(two, T, x, NULL, y, .time = when[0]), REEL_OK);
    for (int t = 0; t < T; t++) {
        ck_assert_int_eq(reel_read(y[t], b, 2 * H), REEL_OK);
        for (int i = 0; i < 2 * H; i++) {
            ck_assert_double_eq_tol(b[i], a[t * 2 * H + i], 1e-14);
        }
    }
    reel_tape_free(tape);
    reel_cell_free(one);
    reel_cell_free(two);
    reel_params_free(ps);
}
END_TEST

/* A step of one sequence: the bias has the gradient of what the gates sum up, which is cut. */
START_TEST(gradients_of_gates_are_cut)
{
    enum { H = 2, N = 4 * H };
    const reel_cell_type *type = _i ? &reel_phased_lstm : &reel_lstm;
    const char *own = _i ? "open=0.9" : "peephole=diagonal";
    const double limit = 0.02;
    double slope[2][N];
    int cut = 0, whole = 0;
    reel_params *ps = reel_params_new(REEL_F64, 5);
    for (int k = 0; k < 2; k++) {
        char options[64];
        snprintf(options, sizeof options, "%s clip=%g", own, k ? limit : 0);
        reel_cell *cell = reel_cell_of(ps, "net", type, .in = 3, .hidden = H, .options = options);
        reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
        reel_node *x = reel_constant(tape, 0.7, reel_dims(1, 3)), *y;
        reel_state s = reel_state_zero(tape, cell, 1);
        s.v[1] = reel_constant(tape, 0.5, reel_dims(1, H));
        ck_assert_int_eq(reel_run(cell, 1, &x, &s, &y, .time = (double[]){1}), REEL_OK);
        reel_node *bias = reel_use(tape, reel_params_find(ps, "net.bias_ih_l0"));
        const void *data;
        ck_assert_int_eq(reel_gradients(reel_sum(y), 1, &bias, &data), REEL_OK);
        memcpy(slope[k], data, sizeof slope[k]);
        reel_tape_free(tape);
        reel_cell_free(cell);
    }
    for (int i = 0; i < N; i++) {
        ck_assert_double_eq(slope[1][i], fmin(fmax(slope[0][i], -limit), limit));
        cut += fabs(slope[0][i]) > limit;
        whole += slope[0][i] != 0 && fabs(slope[0][i]) < limit;
    }
    ck_assert_int_gt(cut, 0);
    ck_assert_int_gt(whole, 0);
    reel_params_free(ps);
}
END_TEST

/* The phase */

START_TEST(phases_are_floored)
{
    static const double time[] = {0, 2.5, 7, -0.5, -4, -1e-30, 4e12 + 1};
    static const double want[] = {0, 0.625, 0.75, 0.875, 0, 1, 0.25};
    enum { N = sizeof time / sizeof *time };
    for (int wide = 0; wide < 2; wide++) {
        reel_tape *tape = reel_tape_new(1, .dtype = wide ? REEL_F64 : REEL_F32);
        double both[N][2], v[N];
        for (int i = 0; i < N; i++) {
            both[i][0] = wide ? time[i] : (double)(float)time[i];
            both[i][1] = time[i] - both[i][0];
        }
        reel_node *t = reel_input(tape, REEL_F64, both[0], reel_dims(N, 2));
        reel_node *y = reel_phase(t, reel_constant(tape, 4, reel_dims(1)),
                                  reel_constant(tape, 0, reel_dims(1)));
        ck_assert_int_eq(reel_read(y, v, N), REEL_OK);
        for (int i = 0; i < N; i++) {
            ck_assert(v[i] >= 0 && v[i] < 1);
            ck_assert_double_eq_tol(v[i], want[i], 1e-7);
        }
        reel_tape_free(tape);
    }
}
END_TEST

/* Against differences, away from the jumps: also where t - s is negative. */
START_TEST(phases_have_the_floored_mods_derivatives)
{
    const double t = -7.3, period = 2.9, shift = 4.1, h = 1e-6;
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_node *x[3] = {reel_input(tape, REEL_F64, ((double[]){t, 0}), reel_dims(1, 2)),
                       reel_constant(tape, period, reel_dims(1)),
                       reel_constant(tape, shift, reel_dims(1))};
    reel_node *y = reel_sum(reel_phase(x[0], x[1], x[2])), *d[3];
    ck_assert_int_eq(reel_grad(y, 3, x, d), REEL_OK);
    double dt[2], dp, ds;
    ck_assert_int_eq(reel_read(d[0], dt, 2), REEL_OK);
    ck_assert_int_eq(reel_read(d[1], &dp, 1), REEL_OK);
    ck_assert_int_eq(reel_read(d[2], &ds, 1), REEL_OK);
    double turns = (t - shift) / period, above = (t - shift) / (period + h);
    double below = (t - shift) / (period - h);
    ck_assert_double_eq_tol(dp, ((above - floor(above)) - (below - floor(below))) / (2 * h), 1e-6);
    ck_assert_double_eq_tol(dp, -turns / period, 1e-14);
    ck_assert_double_eq_tol(ds, -1 / period, 1e-14);
    ck_assert_double_eq_tol(dt[0], 1 / period, 1e-14);
    ck_assert_double_eq_tol(dt[1], 1 / period, 1e-14);
    reel_tape_free(tape);
}
END_TEST

/* One unit of the Phased LSTM with U = 0, g = 1, all gates open: h = k tanh(1) from h⁻ = 0. Tells k
 * and ∂k/∂r. */
static double openness_at(double phi, bool training, double *by_r)
{
    reel_params *ps = reel_params_new(REEL_F64, 1);
    reel_params_set_init(ps, "*", (reel_init){REEL_INIT_CONSTANT, 0, 0});
    reel_params_set_init(ps, "*bias_ih_l0", (reel_init){REEL_INIT_CONSTANT, 60, 0});
    reel_cell *cell = reel_cell_of(ps, "c", &reel_phased_lstm, .in = 1, .hidden = 1,
                                   .options = "open=0.5 leak=0.25 forget_bias=60");
    double one = 1, none = 0, open = 0.5, h, r;
    ck_assert_int_eq(reel_params_offer(ps, "c.period", REEL_F64, &one, reel_dims(1)), REEL_OK);
    ck_assert_int_eq(reel_params_offer(ps, "c.shift", REEL_F64, &none, reel_dims(1)), REEL_OK);
    ck_assert_int_eq(reel_params_offer(ps, "c.open_ratio", REEL_F64, &open, reel_dims(1)), REEL_OK);
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_tape_set_training(tape, training);
    reel_node *x = reel_constant(tape, 0, reel_dims(1, 1)), *y, *d;
    ck_assert_int_eq(reel_run(cell, 1, &x, NULL, &y, .time = &phi), REEL_OK);
    ck_assert_int_eq(reel_read(y, &h, 1), REEL_OK);
    reel_node *ratio = reel_use(tape, reel_params_find(ps, "c.open_ratio"));
    ck_assert_int_eq(reel_grad(reel_sum(y), 1, &ratio, &d), REEL_OK);
    ck_assert_int_eq(reel_read(d, &r, 1), REEL_OK);
    *by_r = r / tanh(1);
    reel_tape_free(tape);
    reel_cell_free(cell);
    reel_params_free(ps);
    return h / tanh(1);
}

/* Where pieces meet, value and derivative are those of the piece to the right. */
START_TEST(time_gates_open_and_close)
{
    static const struct {
        double phi, k, by_r;
    } want[] = {{0, 0, 0},       {0.125, 0.5, -1}, {0.25, 1, 2},
                {0.375, 0.5, 3}, {0.5, 0.125, 0},  {0.75, 0.1875, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        double by_r, k = openness_at(want[i].phi, true, &by_r);
        ck_assert_double_eq_tol(k, want[i].k, 1e-12);
        ck_assert_double_eq_tol(by_r, want[i].by_r, 1e-12);
    }
    double by_r;
    ck_assert_double_eq(openness_at(0.75, false, &by_r), 0); /* at test, closed is closed */
}
END_TEST

START_TEST(periods_and_shifts_start_within_bounds)
{
    enum { N = 2000 };
    for (int given = 0; given < 2; given++) {
        reel_params *ps = reel_params_new(REEL_F64, 3);
        reel_cell *cell = reel_cell_of(ps, "c", &reel_phased_lstm, .in = 1, .hidden = N,
                                       .options = given ? "period_low=1 period_high=3 shift=100"
                                                        : "period_low=1 period_high=3");
        reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
        reel_node *x = reel_constant(tape, 0, reel_dims(1, 1)), *y;
        reel_params_set_init(ps, "*weight*", (reel_init){REEL_INIT_CONSTANT, 0, 0});
        ck_assert_int_eq(reel_unroll(cell, 1, &x, NULL, &y), REEL_OK);
        const double *tau = reel_param_data(reel_params_find(ps, "c.period"));
        const double *s = reel_param_data(reel_params_find(ps, "c.shift"));
        double mean_log = 0, mean_shift = 0;
        for (int i = 0; i < N; i++) {
            ck_assert(tau[i] >= exp(1) && tau[i] <= exp(3) && s[i] >= 0);
            ck_assert_double_le(s[i], given ? 100 : tau[i]);
            mean_log += log(tau[i]) / N;
            mean_shift += s[i] / (given ? 100 : tau[i]) / N;
        }
        ck_assert_double_eq_tol(mean_log, 2, 5 * sqrt(4 / 12.0 / N));
        ck_assert_double_eq_tol(mean_shift, 0.5, 5 * sqrt(1 / 12.0 / N));
        reel_tape_free(tape);
        reel_cell_free(cell);
        reel_params_free(ps);
    }
}
END_TEST

START_TEST(contradictory_options_are_refused)
{
    static const char *const options[] = {"coupled nig", "coupled,nfg"};
    for (int k = 0; k < 2; k++) {
        reel_params *ps = reel_params_new(REEL_F64, 1);
        reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
        reel_cell *cell =
            reel_cell_of(ps, "c", &reel_lstm, .in = 1, .hidden = 1, .options = options[k]);
        reel_node *x = reel_constant(tape, 0, reel_dims(1, 1)), *y;
        ck_assert_int_ne(reel_unroll(cell, 1, &x, NULL, &y), REEL_OK);
        ck_assert_ptr_nonnull(strstr(reel_tape_message(tape), "cell 'c': coupled gates and n"));
        reel_tape_free(tape);
        reel_cell_free(cell);
        reel_params_free(ps);
    }
}
END_TEST

int main(void)
{
    list_variants();
    Suite *s = suite_create("models");
    TCase *c = tcase_create("cells");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, golden_vectors);
    tcase_add_loop_test(c, second_order, 0, variants);
    tcase_add_loop_test(c, single_and_double_precision_agree, 0, variants);
    tcase_add_test(c, coupled_is_an_lstm);
    tcase_add_test(c, diagonal_peepholes_are_diagonal_matrices);
    tcase_add_test(c, an_open_phased_lstm_is_an_lstm);
    tcase_add_loop_test(c, gradients_of_gates_are_cut, 0, 2);
    tcase_add_test(c, phases_are_floored);
    tcase_add_test(c, phases_have_the_floored_mods_derivatives);
    tcase_add_test(c, time_gates_open_and_close);
    tcase_add_test(c, periods_and_shifts_start_within_bounds);
    tcase_add_test(c, contradictory_options_are_refused);
    suite_add_tcase(s, c);
    return suite_run(s);
}
