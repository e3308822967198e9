/* The copy problem (Hochreiter & Schmidhuber 1997, as in Arjovsky et al. 2016): ten symbols out of
 * eight, T - 1 blanks, a marker, and then, while ten more blanks come in, the ten symbols are to be
 * said in their order; before that the answer is blank. What knows where the marker is but
 * remembers nothing has a cross-entropy of 10 ln 8/(T + 20) for each step: the baseline.
 *
 * Sequences are drawn afresh for each update. The three networks have about as many weights as the
 * paper's LSTM of 40 units. The settings are Reel's own, which solve T = 20; the paper's are --rate
 * 1e-3 --alpha 0.9 --clip 0 --forget 1 --fall 1 --iterations 10000. */
#include "experiment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALPHABET = 8, BLANK = ALPHABET, MARKER, CLASSES, KINDS = 3, LENGTHS = 3 };
enum { MOST_BATCH = 1024, TESTS = 1000, POINT = 50 };

typedef struct contender {
    const char *name;
    const reel_cell_type *type;
    int64_t hidden;
    const char *published[LENGTHS];
} contender;

static const contender contenders[KINDS] = {
    {"LSTM", &reel_lstm, 40, {"solved", "baseline", "baseline"}},
    {"GRU", &reel_gru, 46, {"solved", "-", "-"}},
    {"RNN", &reel_rnn, 80, {"-", "-", "-"}}};
static const int64_t lengths[LENGTHS] = {20, 100, 200};

/* Solved: a tenth of the baseline's cross-entropy or less. */
static const double solved = 0.1;

static double length, cell, iterations, batch = 128, rate = 1e-2, alpha = 0.99, clip = 1,
                                        symbols = 10, forget = 5, fall = 0.01;

static const setting settings[] = {
    {"cell", &cell, 0, 0, "all|lstm|gru|rnn", "which network"},
    {"length", &length, 0, 10000, NULL, "T; 0: 20, 100 and 200"},
    {"symbols", &symbols, 1, 1000, NULL, "how many to copy"},
    {"iterations", &iterations, 0, 1e7, NULL, "updates; 0: 40000 to T = 20, beyond that 10000"},
    {"batch", &batch, 1, MOST_BATCH, NULL, "sequences of an update"},
    {"rate", &rate, 1e-9, 10, NULL, "RMSprop's rate"},
    {"fall", &fall, 0, 1, NULL, "what is left of the rate at the end, falling as a cosine"},
    {"alpha", &alpha, 1e-9, 0.999999, NULL, "RMSprop's smoothing"},
    {"clip", &clip, 0, 1e9, NULL, "limit on the gradient's global norm; 0: none"},
    {"forget", &forget, -100, 100, NULL, "where the LSTM's forget bias starts"},
    {0}};

typedef struct net {
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape, *test_tape;
    reel_random random;
    int64_t K, T, steps; /* symbols, blanks and the marker, all steps */
    int32_t *in, *out;   /* [steps, batch] */
    reel_node **step;
} net;

static void draw(net *a, int64_t n, reel_random *random)
{
    for (int64_t b = 0; b < n; b++) {
        for (int64_t t = 0; t < a->steps; t++) {
            a->in[t * n + b] = t == a->K + a->T - 1 ? MARKER : BLANK;
            a->out[t * n + b] = BLANK;
        }
        for (int64_t k = 0; k < a->K; k++) {
            int32_t symbol = (int32_t)reel_random_below(random, ALPHABET);
            a->in[k * n + b] = a->out[(a->K + a->T + k) * n + b] = symbol;
        }
    }
}

/* [steps, n, CLASSES] for what was drawn. */
static reel_node *logits(net *a, reel_tape *tape, int64_t n)
{
    reel_tape_reset(tape);
    reel_node *in = reel_input(tape, REEL_I32, a->in, reel_dims(a->steps, n));
    reel_unstack(reel_one_hot(in, CLASSES), (int)a->steps, a->step);
    reel_unroll(a->cell, a->steps, a->step, NULL, a->step);
    return reel_linear(a->params, "readout", CLASSES, reel_stack((int)a->steps, a->step));
}

static reel_node *loss(net *a, reel_node *said, int64_t n)
{
    reel_tape *tape = reel_node_tape(said);
    return reel_cross_entropy(said, reel_input(tape, REEL_I32, a->out, reel_dims(a->steps, n)));
}

typedef struct result {
    double cross_entropy, right; /* the share of symbols said right; NAN after a complaint */
} result;

/* On sequences of their own, the same for all networks of that length. */
static result test(experiment *e, net *a)
{
    reel_random random = reel_random_new(e->seed, reel_random_stream("copy test"));
    result sum = {0, 0};
    int64_t batches = TESTS / (int64_t)batch + 1, n = (int64_t)batch;
    double *best = malloc((size_t)(a->steps * n) * sizeof *best);
    for (int64_t i = 0; best && i < batches; i++) {
        draw(a, n, &random);
        reel_node *said = logits(a, a->test_tape, n), *error = loss(a, said, n);
        reel_node *say = reel_argmax_axis(said, -1, false), *both[] = {error, say};
        double value = NAN;
        if (reel_eval(2, both) || reel_scalar(error, &value) ||
            reel_read(say, best, (size_t)(a->steps * n))) {
            complain("%s", reel_tape_message(a->test_tape));
            sum = (result){NAN, NAN};
            break;
        }
        int64_t right = 0;
        for (int64_t at = (a->K + a->T) * n; at < a->steps * n; at++) {
            right += (int32_t)best[at] == a->out[at];
        }
        sum.cross_entropy += value / (double)batches;
        sum.right += (double)right / (double)(a->K * n * batches);
    }
    if (!best) {
        complain("out of memory");
        sum = (result){NAN, NAN};
    }
    free(best);
    return sum;
}

static result train(experiment *e, net *a, const char *name)
{
    const int64_t all = iterations > 0 ? (int64_t)iterations : a->T <= lengths[0] ? 40000 : 10000;
    reel_opt *opt = reel_rmsprop(a->params, .rate = rate, .alpha = alpha, .clip_norm = clip);
    reel_schedule schedule = {
        .kind = REEL_RATE_COSINE, .rate = rate, .total = all, .floor = rate * fall};
    char series[64];
    snprintf(series, sizeof series, "%s, T = %lld", name, (long long)a->T);
    experiment_begin(e, all, "%s", series);
    bool good = true;
    double sum = 0;
    for (int64_t i = 1; good && i <= all; i++) {
        double value = NAN;
        int64_t n = (int64_t)batch;
        draw(a, n, &a->random);
        reel_opt_set_rate(opt, reel_schedule_rate(&schedule, i - 1));
        good = reel_opt_step(opt, loss(a, logits(a, a->tape, n), n), &value) == REEL_OK ||
               complain("%s", reel_tape_message(a->tape));
        sum += value;
        if (i % POINT == 0) {
            experiment_point(e, series, (double)i, sum / POINT);
            sum = 0;
        }
        good = good && experiment_update(e, i, value);
    }
    reel_opt_free(opt);
    return good || interrupted() ? test(e, a) : (result){NAN, NAN};
}

static result run(experiment *e, const contender *c, int64_t T)
{
    net a = {.params = reel_params_new(REEL_F32, e->seed),
             .tape = reel_tape_new(1),
             .test_tape = reel_tape_new(1, .inference = true),
             .random = reel_random_new(e->seed, reel_random_stream("copy")),
             .K = (int64_t)symbols,
             .T = T,
             .steps = T + 2 * (int64_t)symbols};
    char options[64] = "";
    if (c->type == &reel_lstm) {
        snprintf(options, sizeof options, "forget_bias=%g", forget);
    }
    a.cell = reel_cell_of(a.params, "net", c->type, .in = CLASSES, .hidden = c->hidden,
                          .options = options);
    a.in = malloc((size_t)(a.steps * (int64_t)batch) * sizeof *a.in);
    a.out = malloc((size_t)(a.steps * (int64_t)batch) * sizeof *a.out);
    a.step = malloc((size_t)a.steps * sizeof(reel_node *));
    result r = {NAN, NAN};
    if (a.in && a.out && a.step) {
        r = train(e, &a, c->name);
    } else {
        complain("out of memory");
    }
    reel_tape_free(a.tape);
    reel_tape_free(a.test_tape);
    reel_cell_free(a.cell);
    reel_params_free(a.params);
    free(a.in);
    free(a.out);
    free(a.step);
    return r;
}

/* What is left of the baseline's cross-entropy. */
static double report(experiment *e, const contender *c, int64_t T, result r)
{
    const char *published = "-";
    for (int k = 0; k < LENGTHS; k++) {
        published = lengths[k] == T && (int64_t)symbols == 10 ? c->published[k] : published;
    }
    double baseline = symbols * log(ALPHABET) / ((double)T + 2 * symbols);
    double left = r.cross_entropy / baseline;
    experiment_clear(e);
    printf("%-6s %6lld %6lld %14.5f %10.4f %8.1f%% %9.1f%%  %-8s  %s\n", c->name,
           (long long)c->hidden, (long long)T, r.cross_entropy, baseline, 100 * left, 100 * r.right,
           left <= solved ? "solved"
           : left < 0.95  ? "partly"
                          : "baseline",
           published);
    return left;
}

int main(int argc, char **argv)
{
    experiment e = {.name = "copy",
                    .about = "The copy problem: ten symbols to be said again after T steps. "
                             "Cross-entropy for each step of\nLSTM, GRU and simple network at "
                             "several T, beside that of no memory. Solved: a tenth of it.\n",
                    .x_label = "update",
                    .y_label = "cross-entropy",
                    .settings = settings};
    int status;
    if (!experiment_start(&e, argc, argv, &status)) {
        return status;
    }
    if (e.quick) {
        symbols = 2;
        length = 5;
        iterations = 1000;
        batch = 32;
        alpha = 0.9;
        forget = fall = 1;
    }
    if (iterations > 0 && iterations < 1) {
        complain("--iterations: expected 0, or 1 or more");
        return EXIT_USAGE;
    }
    if (length > 0 && length < 1) {
        complain("--length: expected 0, or 1 or more");
        return EXIT_USAGE;
    }
    printf("%-6s %6s %6s %14s %10s %9s %10s  %-8s  %s\n", "cell", "units", "T", "cross-entropy",
           "baseline", "of it", "right", "so", "published");
    bool ok = true;
    for (int k = 0; k < (length > 0 ? 1 : LENGTHS); k++) {
        int64_t T = length > 0 ? (int64_t)length : lengths[k];
        for (int i = 0; i < KINDS && !interrupted(); i++) {
            if (cell > 0 && i != (int)cell - 1) {
                continue;
            }
            double left = report(&e, &contenders[i], T, run(&e, &contenders[i], T));
            bool claimed = contenders[i].type != &reel_rnn && T <= lengths[0];
            ok = ok && !isnan(left) && !(claimed && left > solved);
        }
    }
    return experiment_finish(&e, ok);
}
