/* Training speed of a character model, as reel-charlm trains one: LSTM, embedding of size H, Adam,
 * global-norm clip 5, f32, the state carried. Rates count the products with the weights of the LSTM
 * and the readout: 3*2 operations for each weight and character. Ratios are to products of
 * 2000x2000 on one core, measured in turns with the chunks. The text is random: the work does not
 * depend on it. */
#include "bench.h"

enum { VOCABULARY = 65, MOST_STEPS = 64, MOST_CHARS = 2500 };

typedef struct model {
    const char *name;
    int layers, hidden, seq, batch;
    double goal; /* ratio */
} model;

static const model models[] = {
    {"2x128", 2, 128, 50, 50, 0.80},
    {"2x256", 2, 256, 64, 32, 0.85},
    {"3x512", 3, 512, 50, 50, 0.90},
};
enum { MODELS = sizeof models / sizeof models[0] };

typedef struct work {
    const model *model;
    reel_params *params;
    reel_cell *cell;
    reel_opt *opt;
    reel_carry carry;
    reel_random random;
    int32_t input[MOST_CHARS], target[MOST_CHARS];
} work;

static int chars(const model *m)
{
    return m->seq * m->batch;
}

static double flops_per_char(const model *m)
{
    double H = m->hidden;
    return 3.0 * 2 * (m->layers * 4 * H * 2 * H + VOCABULARY * H);
}

static void draw_text(work *w)
{
    for (int i = 0; i < chars(w->model); i++) {
        w->input[i] = (int32_t)reel_random_below(&w->random, VOCABULARY);
        w->target[i] = (int32_t)reel_random_below(&w->random, VOCABULARY);
    }
}

/* Trains on one chunk; returns the seconds it took. */
static double train(work *w, reel_tape *tape)
{
    const model *m = w->model;
    draw_text(w);
    double start = bench_seconds();
    reel_tape_reset(tape);
    reel_node *x[MOST_STEPS], *y[MOST_STEPS];
    reel_node *index = reel_input(tape, REEL_I32, w->input, reel_dims(m->seq, m->batch));
    reel_node *target = reel_input(tape, REEL_I32, w->target, reel_dims(m->seq, m->batch));
    reel_unstack(reel_embedding(w->params, "embedding", VOCABULARY, m->hidden, index), m->seq, x);
    reel_state s = reel_state_from(tape, w->cell, m->batch, &w->carry);
    BENCH_CHECK(tape, reel_unroll(w->cell, m->seq, x, &s, y));
    reel_node *logits = reel_linear(w->params, "readout", VOCABULARY, reel_stack(m->seq, y));
    double value;
    BENCH_CHECK(tape, reel_opt_step(w->opt, reel_cross_entropy(logits, target), &value));
    BENCH_CHECK(tape, reel_state_keep(&w->carry, &s));
    return bench_seconds() - start;
}

typedef struct result {
    bench_samples seconds[BENCH_TAPES], sgemm, step;
} result;

static void print_header(const bench_settings *settings)
{
    printf("%-6s %4s %6s %9s %9s %8s %6s %6s %8s %9s %7s %8s %6s", "model", "seq", "batch",
           "chars/s", "ms", "GFLOP/s", "ratio", "goal", "sgemm", "sgemm-1", "nodes", "kernels",
           "MB");
    printf(settings->threads > 1 ? " %8s\n" : "\n", "speed-up");
}

static void print_row(const model *m, result *r, int tapes, reel_tape_stats stats)
{
    double median = bench_middle(&r->seconds[tapes - 1]), large = bench_middle(&r->sgemm);
    double rate = flops_per_char(m) * chars(m) / median * 1e-9;
    printf("%-6s %4d %6d %9.0f %9.2f %8.1f %6.3f %6.2f %8.1f %9.1f %7lld %8lld %6.0f", m->name,
           m->seq, m->batch, chars(m) / median, median * 1e3, rate, rate / large, m->goal, large,
           bench_middle(&r->step), (long long)stats.nodes, (long long)stats.evaluated,
           (double)stats.peak_value_bytes * 1e-6);
    if (tapes > 1) {
        printf(" %8.2f", bench_middle(&r->seconds[BENCH_ONE]) / median);
    }
    putchar('\n');
    fflush(stdout);
}

/* Rounds of a quarter of a second by one thread, three of them at least. */
static void measure(work *w, reel_tape *const *tape, int tapes, double budget, result *r)
{
    const model *m = w->model;
    double spent = 0;
    while (spent < budget || r->sgemm.n < 3) {
        bench_add(&r->sgemm, bench_sgemm());
        bench_add(&r->step, bench_gemm(m->batch, 4 * (int64_t)m->hidden, m->hidden));
        double round = 0;
        while (round < 0.25) {
            for (int k = 0; k < tapes; k++) {
                double seconds = train(w, tape[k]);
                bench_add(&r->seconds[k], seconds);
                round += k == BENCH_ONE ? seconds : 0;
            }
        }
        spent += round;
    }
}

static void run(const model *m, const bench_settings *settings)
{
    enum { WARM = 3 };
    static work w;
    static result r;
    w = (work){.model = m, .params = reel_params_new(REEL_F32, 1), .random = reel_random_new(1, 1)};
    r = (result){0};
    w.cell = reel_layers_with(&(reel_cell_args){.params = w.params,
                                                .name = "rnn",
                                                .type = &reel_lstm,
                                                .in = m->hidden,
                                                .hidden = m->hidden},
                              m->layers, 0);
    w.opt = reel_adam(w.params, .rate = 2e-3, .clip_norm = 5);
    reel_tape *tape[BENCH_TAPES];
    int tapes = bench_tapes(settings, tape);
    for (int i = 0; i < WARM * tapes; i++) {
        train(&w, tape[i % tapes]);
    }
    measure(&w, tape, tapes, settings->quick ? 2 : 8, &r);
    print_row(m, &r, tapes, reel_tape_statistics(tape[tapes - 1]));
    bench_tapes_free(tape, tapes);
    reel_carry_free(&w.carry);
    reel_opt_free(w.opt);
    reel_cell_free(w.cell);
    reel_params_free(w.params);
}

int main(int argc, char **argv)
{
    const char *only = NULL, *names[MODELS];
    const bench_option own[] = {
        {"--model", "NAME,...", "layers and hidden size: 2x128, 2x256, 3x512 (all of them)", &only},
    };
    bench_settings settings = bench_options(
        argc, argv,
        "Measures how fast a character model trains; with N threads also against one.\n"
        "sgemm-1 is the rate of the LSTM's product of one step, nodes, kernels and MB what a chunk "
        "needs.",
        1, own);
    for (int i = 0; i < MODELS; i++) {
        names[i] = models[i].name;
    }
    bench_check_list(&settings, "--model", only, MODELS, names);
    print_header(&settings);
    for (int i = 0; i < MODELS; i++) {
        if (bench_listed(only, models[i].name)) {
            run(&models[i], &settings);
        }
    }
    putchar('\n');
    bench_sgemm_print();
    return 0;
}
