/* Training speed of recurrent cells as a user writes them, made here of primitive ops: forward and
 * backward of one batch, f32. The loss is the sum of the outputs, each times a fixed random number.
 * Of each row two things are measured:
 *
 * - the loss and its derivatives with respect to all weights and inputs, by reel_gradients;
 * - (w-) a training step, reel_opt_step with SGD at rate 0, which needs derivatives of weights
 * only.
 *
 * Rates count the matrix products alone, and of those what the work needs: products with the
 * weights forward, for the weights and for what is multiplied by them; the last without the inputs'
 * part for a training step. Ratios are to products of 2000x2000 on one core, measured in turns with
 * the rows. Everything is the median of rounds; recording is part of the time. */
#include "bench.h"

/* The cells */

enum { I, F, G, O, LSTM_GATES };

static reel_node *lstm_of_gates(reel_node *const *a, reel_state *s)
{
    reel_node *i = reel_sigmoid(a[I]), *f = reel_sigmoid(a[F]), *o = reel_sigmoid(a[O]);
    s->v[1] = reel_add(reel_mul(f, s->v[1]), reel_mul(i, reel_tanh(a[G])));
    return s->v[0] = reel_mul(o, reel_tanh(s->v[1]));
}

static reel_node *lstm(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *a[LSTM_GATES];
    reel_gates(cell, LSTM_GATES, x, s->v[0], a);
    return lstm_of_gates(a, s);
}

/* A weight of its own for each gate. */
static reel_node *lstm_apart(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *a[LSTM_GATES] = {[I] = reel_gate(cell, "i", x, s->v[0]),
                                [F] = reel_gate(cell, "f", x, s->v[0]),
                                [G] = reel_gate(cell, "g", x, s->v[0]),
                                [O] = reel_gate(cell, "o", x, s->v[0])};
    return lstm_of_gates(a, s);
}

/* One weight for the state and the input joined. */
static reel_node *lstm_concat(reel_cell *cell, reel_node *x, reel_state *s)
{
    int64_t rows = LSTM_GATES * reel_cell_hidden(cell);
    int64_t columns = reel_cell_hidden(cell) + reel_cell_in(cell);
    reel_init glorot = {.kind = REEL_INIT_GLOROT}, zero = {.kind = REEL_INIT_CONSTANT};
    reel_node *w = reel_cell_weight(cell, x, "weight", reel_dims(rows, columns), glorot);
    reel_node *b = reel_cell_weight(cell, x, "bias", reel_dims(rows), zero);
    reel_node *hx[] = {s->v[0], x}, *a[LSTM_GATES];
    reel_split(reel_affine(reel_concat(1, 2, hx), w, b), 1, LSTM_GATES, a);
    return lstm_of_gates(a, s);
}

/* As PyTorch has it: the reset gate after the product, and a bias there. */
static reel_node *gru(reel_cell *cell, reel_node *x, reel_state *s)
{
    enum { R, Z, N, GATES };
    reel_node *h = s->v[0], *xs[GATES], *hs[GATES];
    reel_gates_apart(cell, GATES, GATES, x, h, true, xs, hs);
    reel_node *r = reel_sigmoid(reel_add(xs[R], hs[R]));
    reel_node *z = reel_sigmoid(reel_add(xs[Z], hs[Z]));
    reel_node *n = reel_tanh(reel_add(xs[N], reel_mul(r, hs[N])));
    return s->v[0] = reel_lerp(n, h, z);
}

static reel_node *rnn(reel_cell *cell, reel_node *x, reel_state *s)
{
    return s->v[0] = reel_tanh(reel_gate(cell, "h", x, s->v[0]));
}

static reel_node *mgu(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *h = s->v[0];
    reel_node *f = reel_sigmoid(reel_gate(cell, "f", x, h));
    reel_node *g = reel_tanh(reel_gate(cell, "g", x, reel_mul(f, h)));
    return s->v[0] = reel_lerp(h, g, f);
}

/* The tables and their rows */

typedef struct table {
    const char *name, *help;
    reel_step *step;
    int gates, states;
    bool ragged;
} table;

static const table tables[] = {
    {"lstm", "an LSTM, its gates from one weight", lstm, LSTM_GATES, 2, false},
    {"apart", "an LSTM, a weight for each gate", lstm_apart, LSTM_GATES, 2, false},
    {"concat", "an LSTM, one weight for [h, x]", lstm_concat, LSTM_GATES, 2, false},
    {"gru", "a gated recurrent unit", gru, 3, 1, false},
    {"rnn", "a simple recurrent network", rnn, 1, 1, false},
    {"mgu", "a minimal gated unit", mgu, 2, 1, false},
    {"ragged", "the LSTM, sequences recorded one by one, lengths new each time", lstm, LSTM_GATES,
     2, true},
};
enum { TABLES = sizeof tables / sizeof tables[0] };

/* Lengths of ragged sequences are uniform in this range. */
enum { SHORTEST = 5, LONGEST = 50 };

typedef struct row {
    int hidden, batch, steps;
    double goal, ragged_goal; /* ratios; 0: none */
    bool ragged;              /* the ragged table has it, too */
} row;

static const row rows[] = {
    {64, 1, 50, 0.35, 0, false},    {128, 16, 50, 0.80, 0, true},   {128, 32, 50, 0.90, 0.45, true},
    {256, 32, 50, 0.94, 0.6, true}, {256, 64, 50, 0.95, 0.6, true}, {512, 32, 35, 0.95, 0, false},
    {512, 64, 50, 0.96, 0, false},
};
enum { ROWS = sizeof rows / sizeof rows[0], MOST_ROWS = 64 };

/* Goals of the speed-up by two threads: from this size up. */
enum { THREADS_HIDDEN = 256, THREADS_BATCH = 32 };

/* Measuring */

enum { ALL, WEIGHTS, MODES };

typedef struct work {
    const table *table;
    row row;
    reel_params *params;
    reel_cell *cell;
    reel_opt *opt;
    reel_random random;
    float *x, *r; /* the inputs, and what the outputs are multiplied by */
    int sequences;
    int *length;           /* of each sequence */
    int total;             /* their sum */
    reel_node **in, **out; /* of all steps of all sequences */
    reel_node **loss;      /* of each sequence */
    reel_node **x_of;      /* its inputs */
    reel_node **by;        /* weights and inputs */
    const void **gradient;
} work;

static work work_new(const table *t, const row *r)
{
    work w = {.table = t, .row = *r, .params = reel_params_new(REEL_F32, 1)};
    w.cell = reel_cell_new(w.params, "cell", t->step, .in = r->hidden, .hidden = r->hidden,
                           .states = t->states);
    w.opt = reel_sgd(w.params, .rate = -1); /* 0 */
    w.random = reel_random_new(1, reel_random_stream("lengths"));
    w.sequences = t->ragged ? r->batch : 1;
    int steps = t->ragged ? r->batch * LONGEST : r->steps; /* at most */
    size_t size = (size_t)r->hidden * (size_t)(t->ragged ? steps : steps * r->batch);
    w.x = bench_normal(size, 1, 1);
    w.r = bench_normal(size, 1e-2, 2);
    w.length = bench_alloc((size_t)w.sequences, sizeof *w.length);
    w.in = bench_alloc((size_t)steps, sizeof *w.in);
    w.out = bench_alloc((size_t)steps, sizeof *w.out);
    w.loss = bench_alloc((size_t)w.sequences, sizeof *w.loss);
    enum { PARAMS = 32 };
    w.x_of = bench_alloc((size_t)w.sequences, sizeof *w.x_of);
    w.by = bench_alloc((size_t)w.sequences + PARAMS, sizeof *w.by);
    w.gradient = bench_alloc((size_t)w.sequences + PARAMS, sizeof *w.gradient);
    return w;
}

static void work_free(work *w)
{
    reel_opt_free(w->opt);
    reel_cell_free(w->cell);
    reel_params_free(w->params);
    free(w->x);
    free(w->r);
    free(w->length);
    free(w->in);
    free(w->out);
    free(w->loss);
    free(w->x_of);
    free(w->by);
    free(w->gradient);
}

static void draw_lengths(work *w)
{
    w->total = 0;
    for (int s = 0; s < w->sequences; s++) {
        uint64_t range = LONGEST - SHORTEST + 1;
        w->length[s] =
            w->table->ragged ? SHORTEST + (int)reel_random_below(&w->random, range) : w->row.steps;
        w->total += w->length[s];
    }
}

/* Sequence s, of which `at` steps come before: its loss, recorded. */
static reel_node *record_sequence(work *w, reel_tape *tape, int s, int at)
{
    int T = w->length[s], batch = w->table->ragged ? 1 : w->row.batch;
    size_t offset = (size_t)at * (size_t)(batch * w->row.hidden);
    reel_shape shape = reel_dims(T, batch, w->row.hidden);
    w->x_of[s] = reel_input_borrowed(tape, REEL_F32, w->x + offset, shape);
    reel_unstack(w->x_of[s], T, w->in + at);
    BENCH_CHECK(tape, reel_unroll(w->cell, T, w->in + at, NULL, w->out + at));
    reel_node *r = reel_input_borrowed(tape, REEL_F32, w->r + offset, shape);
    return reel_sum(reel_mul(reel_stack(T, w->out + at), r));
}

static reel_node *record(work *w, reel_tape *tape)
{
    int at = 0;
    for (int s = 0; s < w->sequences; s++) {
        w->loss[s] = record_sequence(w, tape, s, at);
        at += w->length[s];
    }
    return w->sequences == 1 ? w->loss[0] : reel_sum_of(w->sequences, w->loss);
}

/* The loss and its derivatives with respect to weights and inputs. */
static void all_gradients(work *w, reel_tape *tape, reel_node *loss)
{
    size_t n = 0;
    for (size_t i = 0; i < reel_params_count(w->params); i++) {
        w->by[n++] = reel_use(tape, reel_params_at(w->params, i));
    }
    for (int s = 0; s < w->sequences; s++) {
        w->by[n++] = w->x_of[s];
    }
    BENCH_CHECK(tape, reel_gradients(loss, n, w->by, w->gradient));
    /* An update would change the weights: nothing made from their values may be used again. */
    for (size_t i = 0; i < reel_params_count(w->params); i++) {
        (void)reel_param_change(reel_params_at(w->params, i));
    }
}

static void iterate(work *w, reel_tape *tape, int mode)
{
    reel_tape_reset(tape);
    reel_node *loss = record(w, tape);
    if (mode == ALL) {
        all_gradients(w, tape, loss);
    } else {
        double value;
        BENCH_CHECK(tape, reel_opt_step(w->opt, loss, &value));
    }
}

/* Floating-point operations of the products of one iteration. */
static double flops(const work *w, int mode)
{
    double H = w->row.hidden, in = H;
    double products = mode == ALL ? 3 * (in + H) : 3 * (in + H) - in;
    double items = w->table->ragged ? w->total : (double)w->row.steps * w->row.batch;
    return 2 * items * w->table->gates * H * products;
}

/* Runs some iterations; adds time and rate of one. Returns the time. */
static double measure(work *w, reel_tape *tape, int mode, int passes, bench_samples *ms,
                      bench_samples *rate)
{
    double seconds = 0, done = 0;
    for (int p = 0; p < passes; p++) {
        draw_lengths(w);
        double start = bench_seconds();
        iterate(w, tape, mode);
        seconds += bench_seconds() - start;
        done += flops(w, mode);
    }
    bench_add(ms, seconds / passes * 1e3);
    bench_add(rate, done / seconds * 1e-9);
    return seconds;
}

typedef struct result {
    bench_samples ms[BENCH_TAPES][MODES], rate[BENCH_TAPES][MODES], sgemm;
} result;

static void measure_row(work *w, const bench_settings *settings, result *r)
{
    enum { WARM = 2 };
    const double least = settings->quick ? 0.01 : 0.03; /* seconds of one measurement */
    int passes[BENCH_TAPES][MODES];
    reel_tape *tape[BENCH_TAPES];
    int tapes = bench_tapes(settings, tape);
    for (int k = 0; k < tapes; k++) {
        for (int mode = 0; mode < MODES; mode++) {
            bench_samples unused = {0};
            double seconds = 0;
            for (int i = 0; i < WARM; i++) {
                seconds = measure(w, tape[k], mode, 1, &unused, &unused);
            }
            passes[k][mode] = 1 + (int)(least / seconds);
        }
    }
    int rounds = settings->quick ? 3 : 5;
    for (int round = 0; round < rounds; round++) {
        bench_add(&r->sgemm, bench_sgemm());
        for (int mode = 0; mode < MODES; mode++) {
            for (int k = 0; k < tapes; k++) {
                measure(w, tape[k], mode, passes[k][mode], &r->ms[k][mode], &r->rate[k][mode]);
            }
        }
    }
    bench_tapes_free(tape, tapes);
}

/* Where the time of kernels goes, on a tape of its own, as measuring each kernel takes time. */
static void print_shares(work *w, const bench_settings *settings)
{
    enum { RUNS = 30 };
    static const char *const name[MODES] = {[ALL] = "all", [WEIGHTS] = "weights"};
    for (int mode = 0; mode < MODES; mode++) {
        reel_tape *tape = bench_tape(settings->threads);
        for (int i = 0; i < RUNS; i++) {
            draw_lengths(w);
            iterate(w, tape, mode);
            if (i == 0) { /* which had all to plan */
                reel_tape_set_profiling(tape, true);
            }
        }
        reel_profile p = reel_profile_totals(tape);
        double all = p.products.seconds + p.elementwise.seconds + p.others.seconds;
        printf("  %s: products %.1f %%, element-wise %.1f %%, others %.1f %%\n", name[mode],
               100 * p.products.seconds / all, 100 * p.elementwise.seconds / all,
               100 * p.others.seconds / all);
        reel_tape_free(tape);
    }
}

/* Printing */

static void print_goal(double goal)
{
    if (goal > 0) {
        printf(" %6.2f", goal);
    } else {
        printf(" %6s", "-");
    }
}

static void print_header(const table *t, const bench_settings *settings)
{
    printf("\n%s: %s\n", t->name, t->help);
    printf("%-7s %4s %3s %5s %9s %8s %6s %6s %9s %9s %8s %8s", "table", "H", "B", "T", "ms",
           "GFLOP/s", "ratio", "goal", "w-ms", "w-GFLOP/s", "w-ratio", "sgemm");
    if (settings->threads > 1) {
        printf(" %8s %6s %10s", "speed-up", "x-goal", "w-speed-up");
    }
    putchar('\n');
}

static void print_row(const table *t, const row *w, const bench_settings *settings, result *r)
{
    int k = settings->threads > 1 ? BENCH_MANY : BENCH_ONE;
    char steps[16];
    if (t->ragged) {
        snprintf(steps, sizeof steps, "%d-%d", SHORTEST, LONGEST);
    } else {
        snprintf(steps, sizeof steps, "%d", w->steps);
    }
    double sgemm = bench_middle(&r->sgemm), rate[BENCH_TAPES][MODES];
    for (int i = 0; i <= k; i++) {
        for (int mode = 0; mode < MODES; mode++) {
            rate[i][mode] = bench_middle(&r->rate[i][mode]);
        }
    }
    printf("%-7s %4d %3d %5s %9.3f %8.1f %6.3f", t->name, w->hidden, w->batch, steps,
           bench_middle(&r->ms[k][ALL]), rate[k][ALL], rate[k][ALL] / sgemm);
    print_goal(t->ragged ? w->ragged_goal : w->goal);
    printf(" %9.3f %9.1f %8.3f %8.1f", bench_middle(&r->ms[k][WEIGHTS]), rate[k][WEIGHTS],
           rate[k][WEIGHTS] / sgemm, sgemm);
    if (k == BENCH_MANY) {
        printf(" %8.2f", rate[BENCH_MANY][ALL] / rate[BENCH_ONE][ALL]);
        bool large = w->hidden >= THREADS_HIDDEN && w->batch >= THREADS_BATCH;
        print_goal(large && settings->threads == 2 && !t->ragged ? 1.7 : 0);
        printf(" %10.2f", rate[BENCH_MANY][WEIGHTS] / rate[BENCH_ONE][WEIGHTS]);
    }
    putchar('\n');
    fflush(stdout);
}

/* Options */

/* "H,B,T:H,B,T": sizes of any kind; those that have goals keep them. Returns how many. */
static int read_rows(const bench_settings *settings, const char *text, row *out)
{
    int n = 0;
    for (const char *p = text; n < MOST_ROWS; p++) {
        int v[3] = {0};
        for (int i = 0; i < 3; i++) {
            v[i] = bench_number(&p, 4096);
            if (!v[i] || (i < 2 && *p++ != ',')) {
                bench_reject(settings, "--rows '%s': expected H,B,T, with colons between rows",
                             text);
            }
        }
        row r = {v[0], v[1], v[2], 0, 0, false};
        for (int i = 0; i < ROWS; i++) {
            if (rows[i].hidden == r.hidden && rows[i].batch == r.batch &&
                rows[i].steps == r.steps) {
                r = rows[i];
            }
        }
        out[n++] = r;
        if (*p == 0) {
            return n;
        }
        if (*p != ':') {
            bench_reject(settings, "--rows '%s': expected H,B,T, with colons between rows", text);
        }
    }
    bench_reject(settings, "--rows: more than %d", MOST_ROWS);
}

int main(int argc, char **argv)
{
    const char *only = NULL, *sizes = NULL, *shares = NULL, *names[TABLES];
    const bench_option own[] = {
        {"--table", "NAME,...", "lstm, apart, concat, gru, rnn, mgu, ragged (all of them)", &only},
        {"--rows", "H,B,T:...", "hidden size, batch and steps (those with goals)", &sizes},
        {"--shares", NULL, "and where the time of kernels goes", &shares},
    };
    bench_settings settings = bench_options(
        argc, argv, "Measures how fast recurrent cells train, with N threads also against one.", 3,
        own);
    for (int t = 0; t < TABLES; t++) {
        names[t] = tables[t].name;
    }
    bench_check_list(&settings, "--table", only, TABLES, names);
    row chosen[MOST_ROWS];
    int n = ROWS;
    memcpy(chosen, rows, sizeof rows);
    if (sizes) {
        n = read_rows(&settings, sizes, chosen);
    }
    for (int t = 0; t < TABLES; t++) {
        if (!bench_listed(only, tables[t].name)) {
            continue;
        }
        print_header(&tables[t], &settings);
        for (int i = 0; i < n; i++) {
            if (tables[t].ragged && !sizes && !chosen[i].ragged) {
                continue;
            }
            work w = work_new(&tables[t], &chosen[i]);
            static result r;
            r = (result){0};
            measure_row(&w, &settings, &r);
            print_row(&tables[t], &chosen[i], &settings, &r);
            if (shares) {
                print_shares(&w, &settings);
            }
            work_free(&w);
        }
    }
    putchar('\n');
    bench_sgemm_print();
    return 0;
}
