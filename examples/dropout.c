/* Dropout between time steps, on the adding problem (Hochreiter & Schmidhuber 1997): an LSTM has to
 * carry a number over many steps. Masks drawn afresh each step on all that goes from step to step,
 * h and c, wear its memory away; the ways around that keep it. All have the same rate, and are off
 * at test: what is measured is what the network has learned.
 *
 * On h alone such masks do little harm here: an LSTM's c goes on beside the recurrent weights. That
 * is a row of its own, without a claim. The two inputs come through a linear layer, so that a mask
 * on them does not hide a whole number. */
#include "experiment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FEATURES = 2, EMBEDDED = 32, MOST_BATCH = 1024, MOST_EPOCHS = 1000, MOST_SEEDS = 100 };
enum { NONE, NAIVE, NAIVE_H, ZAREMBA, GAL, SEMENIUTA, STABILIZER, ZONEOUT, METHODS };

static const char *const names[METHODS] = {[NONE] = "none",
                                           [NAIVE] = "naive, on h and c",
                                           [NAIVE_H] = "naive, on h alone",
                                           [ZAREMBA] = "Zaremba et al. 2014",
                                           [GAL] = "Gal & Ghahramani 2016",
                                           [SEMENIUTA] = "Semeniuta et al. 2016",
                                           [STABILIZER] = "Krueger & Memisevic 2016",
                                           [ZONEOUT] = "zoneout, Krueger et al. 2017"};

static double method, length = 100, p = 0.25, beta = 50, seeds = 5, epochs = 20, updates = 125,
                      hidden = 32, batch = 64, rate = 1e-2, clip = 1, testing = 2000;

static const setting settings[] = {
    {"method", &method, 0, 0, "all|none|naive|naive-h|zaremba|gal|semeniuta|stabilizer|zoneout",
     "what regularizes"},
    {"length", &length, 2, 10000, NULL, "time steps"},
    {"p", &p, 0, 0.99, NULL, "rate of dropout, and of zoneout for h and c"},
    {"beta", &beta, 0, 1e6, NULL, "weight of the norm stabilizer, which has no rate"},
    {"seeds", &seeds, 1, MOST_SEEDS, NULL, "how many runs, from --seed on"},
    {"epochs", &epochs, 1, MOST_EPOCHS, NULL, "stretches of training, each with a test behind it"},
    {"updates", &updates, 1, 1e6, NULL, "updates of a stretch, each on new sequences"},
    {"hidden", &hidden, 1, 4096, NULL, "units"},
    {"batch", &batch, 1, MOST_BATCH, NULL, "sequences of an update"},
    {"rate", &rate, 1e-9, 10, NULL, "Adam's rate at first; falls as a cosine to its hundredth"},
    {"clip", &clip, 1e-9, 1e9, NULL, "limit on the gradient's global norm"},
    {"testing", &testing, 1, 1e6, NULL, "test sequences"},
    {0}};

typedef struct net {
    int method;
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape, *test_tape;
    float *x, sum[MOST_BATCH]; /* [T, n, FEATURES] and [n] of a batch */
    reel_node **steps;
} net;

/* An LSTM that forgets: each step, units of both states are dropped before anything sees them. */
static reel_node *naive_step(reel_cell *cell, reel_node *x, reel_state *s)
{
    for (int i = 0; i < s->n; i++) {
        s->v[i] = reel_dropout(s->v[i], p);
    }
    return reel_lstm.step(cell, x, s);
}

static reel_regularizers regularizers(int which)
{
    reel_mask each_step = {.p = p, .lifetime = REEL_EACH_STEP},
              each_sequence = {.p = p, .lifetime = REEL_EACH_SEQUENCE};
    switch (which) {
    case NAIVE_H:
        return (reel_regularizers){.recurrent = each_step};
    case ZAREMBA:
        return (reel_regularizers){.input = each_step, .output = each_step};
    case GAL:
        return (reel_regularizers){.input = each_sequence, .recurrent = each_sequence};
    case SEMENIUTA:
        return (reel_regularizers){.candidate = each_step};
    case ZONEOUT:
        return (reel_regularizers){.zoneout_h = p, .zoneout_c = p};
    default:
        return (reel_regularizers){.zoneout_h = 0};
    }
}

/* n new sequences, two steps marked in each, one in each half, and the sum of their numbers. */
static void draw(net *a, int64_t n, reel_random *random)
{
    int64_t T = (int64_t)length, half = T / 2;
    for (int64_t b = 0; b < n; b++) {
        int64_t first = (int64_t)reel_random_below(random, (uint64_t)half);
        int64_t second = half + (int64_t)reel_random_below(random, (uint64_t)(T - half));
        a->sum[b] = 0;
        for (int64_t t = 0; t < T; t++) {
            bool marked = t == first || t == second;
            float *x = a->x + (t * n + b) * FEATURES;
            x[0] = (float)reel_random_uniform(random);
            x[1] = marked;
            a->sum[b] += marked ? x[0] : 0;
        }
    }
}

/* The mean squared error of the answer to a new batch, and what is to be made small besides. */
static reel_node *record(net *a, reel_tape *tape, int64_t n, reel_random *random)
{
    int64_t T = (int64_t)length;
    draw(a, n, random);
    reel_node *x = reel_input(tape, REEL_F32, a->x, reel_dims(T, n, FEATURES));
    reel_unstack(reel_linear(a->params, "input", EMBEDDED, x), (int)T, a->steps);
    reel_unroll(a->cell, T, a->steps, NULL, a->steps);
    reel_node *answer = reel_linear(a->params, "readout", 1, a->steps[T - 1]);
    reel_node *sum = reel_input(tape, REEL_F32, a->sum, reel_dims(n, 1));
    reel_node *loss = reel_squared_error(answer, sum, REEL_MEAN);
    if (a->method == STABILIZER && reel_tape_training(tape)) {
        return reel_add(loss, reel_norm_stabilizer(T, a->steps, NULL, NULL, beta));
    }
    return loss;
}

/* The root mean squared error on the test sequences of that seed; NAN after a complaint. */
static double test(net *a, uint64_t seed)
{
    double sum = 0;
    reel_random random = reel_random_new(seed, reel_random_stream("test"));
    int64_t all = (int64_t)testing;
    for (int64_t from = 0; from < all; from += MOST_BATCH) {
        int64_t n = all - from < MOST_BATCH ? all - from : MOST_BATCH;
        double error;
        reel_tape_reset(a->test_tape);
        if (reel_scalar(record(a, a->test_tape, n, &random), &error)) {
            complain("%s", reel_tape_message(a->test_tape));
            return NAN;
        }
        sum += error * (double)n;
    }
    return sqrt(sum / (double)all);
}

/* Adds the test error after each epoch to curve[]; returns the last, NAN after a complaint or a
 * signal. */
static double train(experiment *e, net *a, uint64_t seed, double *curve)
{
    reel_opt *opt = reel_adam(a->params, .rate = rate, .clip_norm = clip);
    reel_random random = reel_random_new(seed, reel_random_stream("training"));
    int64_t done = 0, all = (int64_t)updates * (int64_t)epochs;
    reel_schedule schedule = {
        .kind = REEL_RATE_COSINE, .rate = rate, .total = all, .floor = rate / 100};
    double error = NAN;
    bool good = true;
    experiment_begin(e, all, "%s, seed %llu", names[a->method], (unsigned long long)seed);
    for (int64_t epoch = 0; good && epoch < (int64_t)epochs; epoch++) {
        for (int64_t k = 0; good && k < (int64_t)updates; k++) {
            double loss = NAN;
            reel_opt_set_rate(opt, reel_schedule_rate(&schedule, done));
            reel_tape_reset(a->tape);
            reel_tape_set_counter(a->tape, (uint64_t)done);
            reel_node *node = record(a, a->tape, (int64_t)batch, &random);
            good = reel_opt_step(opt, node, &loss) == REEL_OK ||
                   complain("%s", reel_tape_message(a->tape));
            good = good && experiment_update(e, ++done, loss);
        }
        error = good ? test(a, seed) : NAN;
        curve[epoch] += error;
        good = good && !isnan(error);
    }
    reel_opt_free(opt);
    return error;
}

static double run(experiment *e, int which, uint64_t seed, double *curve)
{
    reel_cell_type naive = reel_lstm;
    naive.step = naive_step;
    net a = {.method = which,
             .params = reel_params_new(REEL_F32, seed),
             .tape = reel_tape_new(1, .seed = seed),
             .test_tape = reel_tape_new(1, .inference = true)};
    a.cell = reel_cell_of(a.params, "net", which == NAIVE ? &naive : &reel_lstm, .in = EMBEDDED,
                          .hidden = (int64_t)hidden, .regular = regularizers(which));
    size_t T = (size_t)length;
    a.x = malloc(T * MOST_BATCH * FEATURES * sizeof *a.x);
    a.steps = malloc(T * sizeof(reel_node *));
    double error = NAN;
    if (a.x && a.steps) {
        error = train(e, &a, seed, curve);
    } else {
        complain("out of memory");
    }
    reel_tape_free(a.tape);
    reel_tape_free(a.test_tape);
    reel_cell_free(a.cell);
    reel_params_free(a.params);
    free(a.x);
    free(a.steps);
    return error;
}

/* Prints a row: mean and standard deviation over the seeds. Returns the mean; NAN when one did not
 * come to an end. */
static double run_seeds(experiment *e, int which)
{
    double sum = 0, squares = 0, error[MOST_SEEDS], curve[MOST_EPOCHS] = {0};
    int n = (int)seeds;
    for (int k = 0; k < n; k++) {
        error[k] = run(e, which, e->seed + (uint64_t)k, curve);
        if (isnan(error[k])) {
            return NAN;
        }
        sum += error[k];
    }
    for (int k = 0; k < n; k++) {
        squares += (error[k] - sum / n) * (error[k] - sum / n);
    }
    experiment_clear(e);
    printf("%-30s %10.4f %8.4f  ", names[which], sum / n, n > 1 ? sqrt(squares / (n - 1)) : 0);
    for (int k = 0; k < n; k++) {
        printf(" %.4f", error[k]);
    }
    putchar('\n');
    for (int k = 0; k < (int)epochs; k++) {
        experiment_point(e, names[which], k + 1, curve[k] / n);
    }
    return sum / n;
}

/* Always answering 1 has an error of √(1/6). The memory is lost where more than half of that is
 * left, and kept where less than a quarter is. */
static bool as_claimed(int which, double error)
{
    double chance = sqrt(1.0 / 6);
    if (which == NAIVE && error < chance / 2) {
        return complain("%s: %.4f: expected more than half of %.3f", names[which], error, chance);
    }
    if (which != NAIVE && which != NAIVE_H && error > chance / 4) {
        return complain("%s: %.4f: expected less than a quarter of %.3f", names[which], error,
                        chance);
    }
    return true;
}

int main(int argc, char **argv)
{
    experiment e = {.name = "dropout",
                    .about = "Dropout between time steps: test error of an LSTM on the adding "
                             "problem, with masks that wear\nits memory away and with the ways "
                             "around that. Without memory it is 0.408.\n",
                    .x_label = "epoch",
                    .y_label = "test RMSE",
                    .settings = settings};
    int status;
    if (!experiment_start(&e, argc, argv, &status)) {
        return status;
    }
    if (e.quick) {
        length = 30;
        seeds = 1;
        epochs = 6;
        batch = 32;
        testing = 500;
    }
    printf("%-30s %10s %8s   of each seed\n", "method", "test RMSE", "sd");
    bool ok = true;
    for (int i = 0; i < METHODS && !interrupted(); i++) {
        if (method == 0 || i == (int)method - 1) {
            double error = run_seeds(&e, i);
            ok = !isnan(error) && as_claimed(i, error) && ok;
        }
    }
    return experiment_finish(&e, ok);
}
