/* The adding problem (Hochreiter & Schmidhuber 1997): each of T steps has a random number and a
 * marker, two steps are marked, one in each half, and the answer after the last step is the sum of
 * their numbers. Always answering 1 gives a root mean squared error of 0.408. */
#include "experiment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 2, KINDS = 3, LENGTHS = 3, MOST_BATCH = 1024, TEST_BATCH = 400 };

/* Sizes of about 4,600 weights each, with the test errors of a small published comparison. */
typedef struct contender {
    const char *name;
    const reel_cell_type *type;
    int64_t hidden;
    double published[LENGTHS];
} contender;

static const contender contenders[KINDS] = {{"LSTM", &reel_lstm, 32, {0.0105, 0.0381, 0.105}},
                                            {"GRU", &reel_gru, 36, {0.0129, 0.198, 0.426}},
                                            {"RNN", &reel_rnn, 67, {0.386, 0.401, 0.406}}};
static const int64_t lengths[LENGTHS] = {100, 200, 400};

static double length, cell, epochs = 20, batch = 64, rate = 1e-2, clip = 1, training = 16000,
                            testing = 4000;

static const setting settings[] = {
    {"cell", &cell, 0, 0, "all|lstm|gru|rnn", "which network"},
    {"length", &length, 0, 10000, NULL, "T; 0: 100, 200 and 400"},
    {"epochs", &epochs, 1, 10000, NULL, "times through the training sequences"},
    {"batch", &batch, 1, MOST_BATCH, NULL, "sequences of an update"},
    {"rate", &rate, 1e-9, 10, NULL, "Adam's rate at first; falls as a cosine to its hundredth"},
    {"clip", &clip, 1e-9, 1e9, NULL, "limit on the gradient's global norm"},
    {"training", &training, 1, 1e7, NULL, "training sequences"},
    {"testing", &testing, 1, 1e7, NULL, "test sequences"},
    {0}};

/* Sequences one after another: x [n, T, FEATURES], sum [n]. */
typedef struct sequences {
    int64_t n, T;
    float *x, *sum;
} sequences;

static bool make_sequences(sequences *s, int64_t n, int64_t T, reel_random *random)
{
    *s = (sequences){.n = n, .T = T};
    s->x = calloc((size_t)(n * T * FEATURES), sizeof *s->x);
    s->sum = calloc((size_t)n, sizeof *s->sum);
    for (int64_t i = 0; s->x && s->sum && i < n; i++) {
        float *x = s->x + i * T * FEATURES;
        int64_t half = T / 2;
        int64_t first = (int64_t)reel_random_below(random, (uint64_t)half);
        int64_t second = half + (int64_t)reel_random_below(random, (uint64_t)(T - half));
        x[first * FEATURES + 1] = x[second * FEATURES + 1] = 1;
        for (int64_t t = 0; t < T; t++) {
            x[t * FEATURES] = (float)reel_random_uniform(random);
        }
        s->sum[i] = x[first * FEATURES] + x[second * FEATURES];
    }
    return s->x && s->sum;
}

typedef struct net {
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape, *test_tape;
    sequences train, test;
    uint32_t *order;
    float *x; /* [T, batch, FEATURES] of one batch */
    reel_node **steps;
} net;

/* The mean squared error over `n` sequences of `order`. */
static reel_node *record(net *a, reel_tape *tape, const sequences *s, const uint32_t *order,
                         int64_t n)
{
    float sum[MOST_BATCH];
    for (int64_t b = 0; b < n; b++) {
        sum[b] = s->sum[order[b]];
        for (int64_t t = 0; t < s->T; t++) {
            memcpy(a->x + (t * n + b) * FEATURES, s->x + ((int64_t)order[b] * s->T + t) * FEATURES,
                   FEATURES * sizeof *a->x);
        }
    }
    reel_tape_reset(tape);
    reel_unstack(reel_input(tape, REEL_F32, a->x, reel_dims(s->T, n, FEATURES)), (int)s->T,
                 a->steps);
    reel_unroll(a->cell, s->T, a->steps, NULL, a->steps);
    reel_node *answer = reel_linear(a->params, "readout", 1, a->steps[s->T - 1]);
    return reel_squared_error(answer, reel_input(tape, REEL_F32, sum, reel_dims(n, 1)), REEL_MEAN);
}

/* The root mean squared error on the test sequences; NAN after a complaint. */
static double test(net *a)
{
    double sum = 0;
    for (int64_t i = 0; i < a->test.n; i++) {
        a->order[i] = (uint32_t)i;
    }
    for (int64_t from = 0; from < a->test.n; from += TEST_BATCH) {
        int64_t n = a->test.n - from < TEST_BATCH ? a->test.n - from : TEST_BATCH;
        double error;
        if (reel_scalar(record(a, a->test_tape, &a->test, a->order + from, n), &error)) {
            complain("%s", reel_tape_message(a->test_tape));
            return NAN;
        }
        sum += error * (double)n;
    }
    return sqrt(sum / (double)a->test.n);
}

/* Returns the test error after the last epoch, or after that in which a signal came; NAN after a
 * complaint. */
static double train(experiment *e, net *a, const char *name)
{
    reel_opt *opt = reel_adam(a->params, .rate = rate, .clip_norm = clip);
    reel_random random = reel_random_new(e->seed, reel_random_stream("order"));
    int64_t per_epoch = a->train.n / (int64_t)batch, done = 0, all = per_epoch * (int64_t)epochs;
    reel_schedule schedule = {
        .kind = REEL_RATE_COSINE, .rate = rate, .total = all, .floor = rate / 100};
    double error = NAN;
    bool good = true;
    char series[64];
    snprintf(series, sizeof series, "%s, T = %lld", name, (long long)a->train.T);
    experiment_begin(e, all, "%s", series);
    for (int64_t epoch = 0; good && epoch < (int64_t)epochs; epoch++) {
        for (int64_t i = 0; i < a->train.n; i++) {
            a->order[i] = (uint32_t)i;
        }
        reel_random_shuffle(&random, a->order, (size_t)a->train.n);
        for (int64_t b = 0; good && b < per_epoch; b++) {
            double loss = NAN;
            reel_opt_set_rate(opt, reel_schedule_rate(&schedule, done));
            reel_node *node =
                record(a, a->tape, &a->train, a->order + b * (int64_t)batch, (int64_t)batch);
            good = reel_opt_step(opt, node, &loss) == REEL_OK ||
                   complain("%s", reel_tape_message(a->tape));
            good = good && experiment_update(e, ++done, loss);
        }
        error = good || interrupted() ? test(a) : NAN;
        experiment_point(e, series, (double)(epoch + 1), error);
    }
    reel_opt_free(opt);
    return error;
}

static double run(experiment *e, const contender *c, int64_t T)
{
    net a = {.params = reel_params_new(REEL_F32, e->seed),
             .tape = reel_tape_new(1),
             .test_tape = reel_tape_new(1, .inference = true)};
    a.cell = reel_cell_of(a.params, "net", c->type, .in = FEATURES, .hidden = c->hidden);
    reel_random random = reel_random_new(e->seed, reel_random_stream("adding problem"));
    int64_t n = (int64_t)training, m = (int64_t)testing;
    bool made = make_sequences(&a.train, n, T, &random) && make_sequences(&a.test, m, T, &random);
    a.order = malloc((size_t)(n > m ? n : m) * sizeof *a.order);
    a.x = malloc((size_t)(T * MOST_BATCH * FEATURES) * sizeof *a.x);
    a.steps = malloc((size_t)T * sizeof(reel_node *));
    double error = NAN;
    if (made && a.order && a.x && a.steps) {
        error = train(e, &a, c->name);
    } else {
        complain("out of memory");
    }
    reel_tape_free(a.tape);
    reel_tape_free(a.test_tape);
    reel_cell_free(a.cell);
    reel_params_free(a.params);
    free(a.train.x);
    free(a.train.sum);
    free(a.test.x);
    free(a.test.sum);
    free(a.order);
    free(a.x);
    free(a.steps);
    return error;
}

static bool report(experiment *e, const contender *c, int64_t T, double error)
{
    char published[16] = "-";
    double limit = INFINITY;
    for (int k = 0; k < LENGTHS; k++) {
        if (lengths[k] == T) {
            limit = c->published[k];
            snprintf(published, sizeof published, "%.4f", limit);
        }
    }
    experiment_clear(e);
    printf("%-6s %6lld %6lld %12.4f %12s\n", c->name, (long long)c->hidden, (long long)T, error,
           published);
    return error <= limit;
}

int main(int argc, char **argv)
{
    experiment e = {.name = "adding",
                    .about = "The adding problem: test error of LSTM, GRU and simple network at "
                             "several lengths, beside\npublished figures.\n",
                    .x_label = "epoch",
                    .y_label = "test RMSE",
                    .settings = settings};
    int status;
    if (!experiment_start(&e, argc, argv, &status)) {
        return status;
    }
    if (e.quick) {
        length = 30;
        epochs = 6;
        training = 8000;
        testing = 1000;
    }
    if (batch > training || (length > 0 && length < 2)) {
        complain(batch > training ? "--batch is more than --training"
                                  : "--length: expected 0, or 2 or more");
        return EXIT_USAGE;
    }
    printf("%-6s %6s %6s %12s %12s\n", "cell", "units", "T", "test RMSE", "published");
    bool ok = true;
    for (int k = 0; k < (length > 0 ? 1 : LENGTHS); k++) {
        int64_t T = length > 0 ? (int64_t)length : lengths[k];
        for (int i = 0; i < KINDS && !interrupted(); i++) {
            if (cell > 0 && i != (int)cell - 1) {
                continue;
            }
            double error = run(&e, &contenders[i], T);
            bool simple = contenders[i].type == &reel_rnn;
            ok = (report(&e, &contenders[i], T, error) || simple) && ok;
            ok = ok && !(e.quick && !simple && !(error < 0.1)) && !isnan(error);
        }
    }
    return experiment_finish(&e, ok);
}
