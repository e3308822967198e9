/* Training speed of the cells that Reel ships, as modules under its driver, beside the same
 * equations typed by hand on the tape in this file, and beside the LSTM of tests/bench/rnn: forward
 * and backward of one batch, f32, an SGD step at rate 0. The loss is the sum of the outputs, each
 * times a fixed random number. Rates count the matrix products alone; the last ratio is of a cell's
 * rate to that of the LSTM of primitive ops, measured in turns with it. Everything is the median of
 * rounds; recording is part of the time. */
#include "bench.h"

#include <math.h>

/* By hand */

/* What the hand-written loops read: weights of one iteration. */
typedef struct hand {
    reel_tape *tape;
    reel_params *params;
    int64_t n; /* hidden and input size */
} hand;

static reel_node *weight(hand *h, const char *name, int64_t rows, int64_t columns)
{
    double r = 1 / sqrt((double)h->n);
    reel_shape shape = columns ? reel_dims(rows * h->n, columns * h->n) : reel_dims(rows * h->n);
    reel_init even = {REEL_INIT_UNIFORM, -r, r};
    return reel_use(h->tape, reel_params_get(h->params, name, shape, even, 1));
}

/* The rows of W x + U h + b of n gates; h may be NULL. */
static void sums(hand *w, int n, reel_node *x, reel_node *h, reel_node **a)
{
    reel_node *all = reel_affine(x, weight(w, "W", n, 1), weight(w, "b", n, 0));
    all = h ? reel_add(all, reel_affine(h, weight(w, "U", n, 1), NULL)) : all;
    for (int k = 0; k < n; k++) {
        a[k] = reel_slice(all, 1, k * w->n, (k + 1) * w->n);
    }
}

enum { I, F, G, O, GATES };

/* With w, c is normalised before it goes out. */
static reel_node *lstm_of(reel_node **a, hand *w, reel_node **s)
{
    reel_node *i = reel_sigmoid(a[I]), *f = reel_sigmoid(a[F]), *o = reel_sigmoid(a[O]);
    s[1] = reel_add(reel_mul(f, s[1]), reel_mul(i, reel_tanh(a[G])));
    reel_node *c =
        w ? reel_layer_norm(s[1], weight(w, "gc", 1, 0), weight(w, "bc", 1, 0), 1e-5) : s[1];
    return s[0] = reel_mul(o, reel_tanh(c));
}

static reel_node *hand_lstm(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a[GATES];
    sums(w, GATES, x, s[0], a);
    return lstm_of(a, NULL, s);
}

/* Gates see c by vectors or by matrices. */
static reel_node *peeping(hand *w, reel_node *x, reel_node **s, int64_t columns)
{
    reel_node *a[GATES];
    sums(w, GATES, x, s[0], a);
    reel_node *pi = weight(w, "pi", 1, columns), *pf = weight(w, "pf", 1, columns),
              *po = weight(w, "po", 1, columns), *c = s[1];
    reel_node *i =
        reel_sigmoid(reel_add(a[I], columns ? reel_affine(c, pi, NULL) : reel_mul(pi, c)));
    reel_node *f =
        reel_sigmoid(reel_add(a[F], columns ? reel_affine(c, pf, NULL) : reel_mul(pf, c)));
    c = s[1] = reel_add(reel_mul(f, c), reel_mul(i, reel_tanh(a[G])));
    reel_node *o =
        reel_sigmoid(reel_add(a[O], columns ? reel_affine(c, po, NULL) : reel_mul(po, c)));
    return s[0] = reel_mul(o, reel_tanh(c));
}

static reel_node *hand_diagonal(hand *w, reel_node *x, reel_node **s)
{
    return peeping(w, x, s, 0);
}

static reel_node *hand_full(hand *w, reel_node *x, reel_node **s)
{
    return peeping(w, x, s, 1);
}

static reel_node *hand_coupled(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a[3];
    sums(w, 3, x, s[0], a);
    reel_node *f = reel_sigmoid(a[0]), *o = reel_sigmoid(a[2]);
    s[1] = reel_lerp(reel_tanh(a[1]), s[1], f);
    return s[0] = reel_mul(o, reel_tanh(s[1]));
}

static reel_node *hand_rnn(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a;
    sums(w, 1, x, s[0], &a);
    return s[0] = reel_tanh(a);
}

static reel_node *hand_gru(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a[3];
    sums(w, 3, x, NULL, a);
    reel_node *u = weight(w, "U", 2, 1), *h = s[0], *rz = reel_affine(h, u, NULL);
    reel_node *r = reel_sigmoid(reel_add(a[0], reel_slice(rz, 1, 0, w->n)));
    reel_node *z = reel_sigmoid(reel_add(a[1], reel_slice(rz, 1, w->n, 2 * w->n)));
    reel_node *inner = reel_affine(reel_mul(r, h), weight(w, "Un", 1, 1), NULL);
    return s[0] = reel_lerp(h, reel_tanh(reel_add(a[2], inner)), z);
}

static reel_node *hand_gru_pytorch(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a[3], *h = s[0];
    sums(w, 3, x, NULL, a);
    reel_node *u = reel_affine(h, weight(w, "U", 3, 1), weight(w, "bu", 3, 0));
    reel_node *r = reel_sigmoid(reel_add(a[0], reel_slice(u, 1, 0, w->n)));
    reel_node *z = reel_sigmoid(reel_add(a[1], reel_slice(u, 1, w->n, 2 * w->n)));
    reel_node *inner = reel_mul(r, reel_slice(u, 1, 2 * w->n, 3 * w->n));
    return s[0] = reel_lerp(reel_tanh(reel_add(a[2], inner)), h, z);
}

static reel_node *hand_mgu(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a[2], *h = s[0];
    sums(w, 2, x, NULL, a);
    reel_node *f = reel_sigmoid(reel_add(a[0], reel_affine(h, weight(w, "Uf", 1, 1), NULL)));
    reel_node *inner = reel_affine(reel_mul(f, h), weight(w, "Ug", 1, 1), NULL);
    return s[0] = reel_lerp(h, reel_tanh(reel_add(a[1], inner)), f);
}

static reel_node *hand_layer_norm(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a[GATES];
    reel_node *h = reel_layer_norm(reel_affine(s[0], weight(w, "U", GATES, 1), NULL),
                                   weight(w, "gh", GATES, 0), NULL, 1e-5);
    reel_node *in = reel_layer_norm(reel_affine(x, weight(w, "W", GATES, 1), NULL),
                                    weight(w, "gx", GATES, 0), NULL, 1e-5);
    reel_node *all = reel_add(reel_add(h, in), weight(w, "b", GATES, 0));
    for (int k = 0; k < GATES; k++) {
        a[k] = reel_slice(all, 1, k * w->n, (k + 1) * w->n);
    }
    return lstm_of(a, w, s);
}

static reel_node *hand_multiplicative(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a[GATES];
    reel_node *m = reel_mul(reel_affine(x, weight(w, "Wm", 1, 1), NULL),
                            reel_affine(s[0], weight(w, "Um", 1, 1), NULL));
    sums(w, GATES, x, m, a);
    return lstm_of(a, NULL, s);
}

static reel_node *hand_indrnn(hand *w, reel_node *x, reel_node **s)
{
    reel_node *a;
    sums(w, 1, x, NULL, &a);
    return s[0] = reel_relu(reel_add(a, reel_mul(weight(w, "u", 1, 0), s[0])));
}

static reel_node *hand_sru(hand *w, reel_node *x, reel_node **s)
{
    reel_node *c = s[0];
    reel_node *af = reel_affine(x, weight(w, "Wf", 1, 1), weight(w, "bf", 1, 0));
    reel_node *ar = reel_affine(x, weight(w, "Wr", 1, 1), weight(w, "br", 1, 0));
    reel_node *f = reel_sigmoid(reel_add(af, reel_mul(weight(w, "vf", 1, 0), c)));
    reel_node *r = reel_sigmoid(reel_add(ar, reel_mul(weight(w, "vr", 1, 0), c)));
    reel_node *fresh = reel_affine(x, weight(w, "W", 1, 1), NULL);
    s[0] = reel_lerp(fresh, c, f);
    return reel_lerp(reel_scale(x, sqrt(3)), s[0], r);
}

/* The phase is left to the op; time is the step. */
static int64_t now;

static reel_node *hand_phased(hand *w, reel_node *x, reel_node **s)
{
    int64_t batch = reel_node_dim(x, 0);
    double *t = bench_alloc((size_t)batch, 2 * sizeof *t);
    for (int64_t b = 0; b < batch; b++) {
        t[2 * b] = (double)now;
    }
    reel_node *time = reel_input(w->tape, REEL_F64, t, reel_dims(batch, 2));
    free(t);
    reel_node *least = reel_number(w->tape, 1e-3);
    reel_node *tau = reel_maximum(reel_abs(reel_shift(weight(w, "period", 1, 0), 8)), least);
    reel_node *r = reel_maximum(reel_abs(reel_shift(weight(w, "open", 1, 0), 0.1)), least);
    reel_node *phi = reel_phase(time, tau, weight(w, "shift", 1, 0));
    reel_node *up = reel_mul(phi, reel_scale(reel_reciprocal(r), 2)),
              *down = reel_shift(reel_neg(up), 2);
    reel_node *k = reel_where(reel_lt(phi, reel_scale(r, 0.5)), up,
                              reel_where(reel_ge(phi, r), reel_scale(phi, 1e-3), down));
    reel_node *old[2] = {s[0], s[1]};
    peeping(w, x, s, 0);
    s[1] = reel_lerp(old[1], s[1], k);
    return s[0] = reel_lerp(old[0], s[0], k);
}

/* The cells: how many [H, H] matrices a step multiplies by, all of them three times in training. */

typedef struct entry {
    const char *name;
    const reel_cell_type *type;
    const char *options;
    reel_node *(*by_hand)(hand *w, reel_node *x, reel_node **s);
    int states, of_x, of_h;
} entry;

static const entry entries[] = {
    {"lstm", &reel_lstm, NULL, hand_lstm, 2, 4, 4},
    {"lstm-diagonal", &reel_lstm, "peephole=diagonal", hand_diagonal, 2, 4, 4},
    {"lstm-full", &reel_lstm, "peephole=full", hand_full, 2, 4, 7},
    {"lstm-coupled", &reel_lstm, "coupled", hand_coupled, 2, 3, 3},
    {"gru", &reel_gru, NULL, hand_gru, 1, 3, 3},
    {"gru-pytorch", &reel_gru, "pytorch", hand_gru_pytorch, 1, 3, 3},
    {"rnn", &reel_rnn, NULL, hand_rnn, 1, 1, 1},
    {"mgu", &reel_mgu, NULL, hand_mgu, 1, 2, 2},
    {"layer-norm", &reel_layer_norm_lstm, NULL, hand_layer_norm, 2, 4, 4},
    {"multiplicative", &reel_multiplicative_lstm, NULL, hand_multiplicative, 2, 5, 5},
    {"phased", &reel_phased_lstm, NULL, hand_phased, 2, 4, 4},
    {"indrnn", &reel_indrnn, NULL, hand_indrnn, 1, 1, 0},
    {"sru", &reel_sru, NULL, hand_sru, 1, 3, 0},
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

/* The LSTM of tests/bench/rnn */
static reel_node *primitive_lstm(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *a[GATES];
    reel_gates(cell, GATES, x, s->v[0], a);
    return lstm_of(a, NULL, s->v);
}

/* Measuring */

enum { HIDDEN = 256, BATCH = 32, STEPS = 50 };
enum { MODULE, HAND, LSTM, WAYS };

typedef struct work {
    const entry *entry;
    int way;
    reel_params *params;
    reel_cell *cell;
    reel_opt *opt;
    reel_tape *tape;
    const float *x, *r;
} work;

static void iterate(work *w)
{
    reel_node *in[STEPS], *out[STEPS];
    reel_shape shape = reel_dims(STEPS, BATCH, HIDDEN);
    reel_tape_reset(w->tape);
    reel_unstack(reel_input_borrowed(w->tape, REEL_F32, w->x, shape), STEPS, in);
    if (w->way == HAND) {
        hand h = {w->tape, w->params, HIDDEN};
        reel_node *s[2];
        s[0] = s[1] = reel_constant(w->tape, 0, reel_dims(BATCH, HIDDEN));
        for (now = 0; now < STEPS; now++) {
            out[now] = w->entry->by_hand(&h, in[now], s);
        }
    } else {
        BENCH_CHECK(w->tape, reel_unroll(w->cell, STEPS, in, NULL, out));
    }
    reel_node *r = reel_input_borrowed(w->tape, REEL_F32, w->r, shape);
    double loss;
    BENCH_CHECK(w->tape,
                reel_opt_step(w->opt, reel_sum(reel_mul(reel_stack(STEPS, out), r)), &loss));
}

static work work_new(const entry *e, int way, const float *x, const float *r)
{
    work w = {.entry = e, .way = way, .params = reel_params_new(REEL_F32, 1), .x = x, .r = r};
    w.tape = bench_tape(1);
    w.opt = reel_sgd(w.params, .rate = -1); /* 0 */
    if (way == LSTM) {
        w.cell = reel_cell_new(w.params, "cell", primitive_lstm, .in = HIDDEN, .hidden = HIDDEN,
                               .states = 2);
    } else if (way == MODULE) {
        w.cell = reel_cell_of(w.params, "cell", e->type, .in = HIDDEN, .hidden = HIDDEN,
                              .options = e->options);
    }
    return w;
}

static void work_free(work *w)
{
    reel_tape_free(w->tape);
    reel_opt_free(w->opt);
    reel_cell_free(w->cell);
    reel_params_free(w->params);
}

/* Floating-point operations of the products of one training step: those with x have no derivative
 * by x. */
static double flops(int of_x, int of_h)
{
    return 2.0 * STEPS * BATCH * HIDDEN * HIDDEN * (2 * of_x + 3 * of_h);
}

static double measure(work *w, int passes)
{
    double start = bench_seconds();
    for (int p = 0; p < passes; p++) {
        iterate(w);
    }
    return (bench_seconds() - start) / passes;
}

static void measure_entry(const entry *e, const bench_settings *settings, const float *x,
                          const float *r)
{
    work w[WAYS];
    int passes[WAYS];
    static bench_samples ms[WAYS];
    for (int k = 0; k < WAYS; k++) {
        w[k] = work_new(e, k, x, r);
        ms[k].n = 0;
        measure(&w[k], 2);
        passes[k] = 1 + (int)((settings->quick ? 0.01 : 0.05) / measure(&w[k], 1));
    }
    for (int round = 0; round < (settings->quick ? 3 : 11); round++) {
        for (int k = 0; k < WAYS; k++) {
            bench_add(&ms[k], 1e3 * measure(&w[k], passes[k]));
        }
    }
    double module = bench_middle(&ms[MODULE]), by_hand = bench_middle(&ms[HAND]);
    double rate = 1e-6 * flops(e->of_x, e->of_h) / module;
    double of_lstm = 1e-6 * flops(GATES, GATES) / bench_middle(&ms[LSTM]);
    printf("%-15s %9.3f %9.3f %11.2f %9.1f %9.1f %8.2f\n", e->name, module, by_hand,
           module / by_hand, rate, of_lstm, rate / of_lstm);
    fflush(stdout);
    for (int k = 0; k < WAYS; k++) {
        work_free(&w[k]);
    }
}

int main(int argc, char **argv)
{
    const char *only = NULL, *names[ENTRIES];
    const bench_option own[] = {{"--cell", "NAME,...", "which cells (all of them)", &only}};
    bench_settings settings = bench_options(
        argc, argv,
        "Measures how fast the cells that Reel ships train, at H = 256, B = 32, T = 50.", 1, own);
    for (int k = 0; k < ENTRIES; k++) {
        names[k] = entries[k].name;
    }
    bench_check_list(&settings, "--cell", only, ENTRIES, names);
    const size_t size = (size_t)STEPS * BATCH * HIDDEN;
    float *x = bench_normal(size, 1, 1), *r = bench_normal(size, 1e-2, 2);
    printf("%-15s %9s %9s %11s %9s %9s %8s\n", "cell", "ms", "by hand", "ms/by hand", "GFLOP/s",
           "LSTM's", "of it");
    for (int k = 0; k < ENTRIES; k++) {
        if (bench_listed(only, entries[k].name)) {
            measure_entry(&entries[k], &settings, x, r);
        }
    }
    free(x);
    free(r);
    return 0;
}
