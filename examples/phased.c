/* Frequency discrimination (Neil, Pfeiffer & Liu 2016, section 3.1): is the period of a sine wave
 * between 5 and 6? The wave is seen in a window of unknown length and place, at regular times or at
 * random ones. A Phased LSTM, which is told when each step is, against an LSTM that has the time as
 * a second input.
 *
 * The paper's settings, with two differences in form alone: sequences of a batch end at lengths of
 * their own where the paper's are padded and masked in front, and both leave the states as they
 * are; and the seeds are this program's. Gradients of what gates sum up are cut to ±10. */
#include "experiment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLINGS = 3, CELLS = 2, MOST_BATCH = 256, MOST_SEEDS = 100, MOST_RATE = 10, GATES = 4 };
enum { STANDARD, ASYNCHRONOUS, HIGH };
enum { PHASED, LSTM };

/* All times are between 0 and `END`. */
static const double END = 125, SHORTEST = 15, LOW = 5, UP = 6, LONGEST_PERIOD = 100;

typedef struct figure {
    double mean, deviation;
} figure;

/* Validation accuracy after 70 epochs, in percent, of five seeds. */
static const figure published[SAMPLINGS][CELLS] = {[STANDARD] = {{99.26, 0.23}, {89.34, 18.9}},
                                                   [ASYNCHRONOUS] = {{97.89, 0.57}, {69.02, 13.3}},
                                                   [HIGH] = {{99.61, 0.28}, {51.72, 0.71}}};
static const char *const sampling_names[SAMPLINGS] = {"standard", "asynchronous", "high"};
static const char *const cell_names[CELLS] = {"phased", "lstm"};

static double sampling, cell, seeds = 5, epochs, hidden = 110, batch = 32, rate = 1e-3,
                              training = 5000, validation = 500;

static const setting settings[] = {
    {"sampling", &sampling, 0, 0, "all|standard|asynchronous|high",
     "one point per unit of time, random times, or ten points"},
    {"cell", &cell, 0, 0, "all|phased|lstm", "which network"},
    {"seeds", &seeds, 1, MOST_SEEDS, NULL, "how many runs, from --seed on"},
    {"epochs", &epochs, 0, 10000, NULL, "0: 70, and 10 with ten points per unit of time"},
    {"hidden", &hidden, 1, 4096, NULL, "units"},
    {"batch", &batch, 2, MOST_BATCH, NULL, "sequences of an update"},
    {"rate", &rate, 1e-9, 10, NULL, "Adam's rate"},
    {"training", &training, 1, 1e7, NULL, "training sequences, drawn afresh each epoch"},
    {"validation", &validation, 1, 1e7, NULL, "and validation sequences"},
    {0}};

typedef struct net {
    int sampling, kind;
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape, *test_tape;
    /* One batch, by sequence and point. */
    double *when, *wave;
    int64_t length[MOST_BATCH];
    int32_t label[MOST_BATCH];
    /* The same, by step and sequence, as the driver takes it. */
    double *time;
    float *x;
    reel_node **steps;
} net;

static double between(reel_random *random, double low, double high)
{
    return low + (high - low) * reel_random_uniform(random);
}

static int64_t most_points(void)
{
    return (int64_t)END * MOST_RATE + 1;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sequence b: when its points are, and the wave there. */
static void draw(net *a, int64_t b, bool first_half, reel_random *random)
{
    double *when = a->when + b * most_points(), *wave = a->wave + b * most_points();
    double period =
        first_half ? between(random, LOW, UP) : exp(between(random, 0, log(LONGEST_PERIOD)));
    double duration = between(random, SHORTEST, END);
    double start = between(random, 0, END - duration);
    double shift = between(random, 0, duration);
    if (a->sampling == ASYNCHRONOUS) {
        a->length[b] = (int64_t)between(random, SHORTEST, END);
        for (int64_t k = 0; k < a->length[b]; k++) {
            when[k] = start + duration * reel_random_uniform(random);
        }
        qsort(when, (size_t)a->length[b], sizeof *when, by_size);
    } else {
        double per_unit = a->sampling == HIGH ? MOST_RATE : 1;
        a->length[b] = (int64_t)(duration * per_unit);
        for (int64_t k = 0; k < a->length[b]; k++) {
            when[k] = start + (double)k / per_unit;
        }
    }
    for (int64_t k = 0; k < a->length[b]; k++) {
        wave[k] = sin(2 * acos(-1) * when[k] / period - shift);
    }
    a->label[b] = period >= LOW && period <= UP;
}

/* A new batch of n, and its scores [n, 2]. */
static reel_node *record(net *a, reel_tape *tape, int64_t n, reel_random *random)
{
    int64_t T = 0, features = a->kind == LSTM ? 2 : 1;
    for (int64_t b = 0; b < n; b++) {
        draw(a, b, b < n / 2, random);
        T = a->length[b] > T ? a->length[b] : T;
    }
    memset(a->x, 0, (size_t)(T * n * features) * sizeof *a->x);
    memset(a->time, 0, (size_t)(T * n) * sizeof *a->time);
    for (int64_t b = 0; b < n; b++) {
        for (int64_t t = 0; t < a->length[b]; t++) {
            int64_t from = b * most_points() + t, to = t * n + b;
            a->time[to] = a->when[from];
            a->x[to * features] = (float)a->wave[from];
            if (a->kind == LSTM) {
                a->x[to * features + 1] = (float)a->when[from];
            }
        }
    }
    reel_tape_reset(tape);
    reel_unstack(reel_input(tape, REEL_F32, a->x, reel_dims(T, n, features)), (int)T, a->steps);
    reel_state last = reel_state_zero(tape, a->cell, n);
    reel_run(a->cell, T, a->steps, &last, a->steps, .length = a->length,
             .time = a->kind == PHASED ? a->time : NULL);
    return reel_leaky_relu(reel_linear(a->params, "readout", 2, last.v[0]), 0.01);
}

/* The percentage of validation sequences that are told right; NAN after a complaint. */
static double validate(net *a, reel_random *random)
{
    int64_t right = 0, all = (int64_t)validation;
    float score[MOST_BATCH * 2];
    for (int64_t from = 0; from < all; from += (int64_t)batch) {
        int64_t n = all - from < (int64_t)batch ? all - from : (int64_t)batch;
        if (reel_read_f32(record(a, a->test_tape, n, random), score, (size_t)(2 * n))) {
            complain("%s", reel_tape_message(a->test_tape));
            return NAN;
        }
        for (int64_t b = 0; b < n; b++) {
            right += (score[2 * b + 1] > score[2 * b]) == (a->label[b] == 1);
        }
    }
    return 100 * (double)right / (double)all;
}

/* Validation accuracy after the last epoch; NAN after a complaint or a signal. */
static double train(experiment *e, net *a, int64_t last, uint64_t seed)
{
    reel_opt *opt = reel_adam(a->params, .rate = rate);
    reel_random random = reel_random_new(seed, reel_random_stream("training")),
                check = reel_random_new(seed, reel_random_stream("validation"));
    int64_t n = (int64_t)batch, per_epoch = ((int64_t)training + n - 1) / n, done = 0;
    double accuracy = NAN;
    bool good = true;
    char series[64];
    snprintf(series, sizeof series, "%s, %s, seed %llu", cell_names[a->kind],
             sampling_names[a->sampling], (unsigned long long)seed);
    experiment_begin(e, per_epoch * last, "%s", series);
    for (int64_t epoch = 1; good && epoch <= last; epoch++) {
        for (int64_t b = 0; good && b < per_epoch; b++) {
            double loss = NAN;
            int64_t left = (int64_t)training - b * n;
            int64_t size = left < n ? left : n;
            reel_node *score = record(a, a->tape, size, &random);
            reel_node *label = reel_input(a->tape, REEL_I32, a->label, reel_dims(size));
            good = reel_opt_step(opt, reel_cross_entropy(score, label), &loss) == REEL_OK ||
                   complain("%s", reel_tape_message(a->tape));
            good = good && experiment_update(e, ++done, loss);
        }
        accuracy = good ? validate(a, &check) : NAN;
        good = good && !isnan(accuracy);
        if (good) {
            experiment_point(e, series, (double)epoch, 100 - accuracy);
        }
        if (good && (epoch % 10 == 0 || epoch == last)) {
            experiment_clear(e);
            printf("%-12s %-6s  seed %-3llu epoch %-4lld %6.2f\n", sampling_names[a->sampling],
                   cell_names[a->kind], (unsigned long long)seed, (long long)epoch, accuracy);
        }
    }
    reel_opt_free(opt);
    return accuracy;
}

static double run(experiment *e, int which, int kind, int64_t last, uint64_t seed)
{
    net a = {.sampling = which,
             .kind = kind,
             .params = reel_params_new(REEL_F32, seed),
             .tape = reel_tape_new(1),
             .test_tape = reel_tape_new(1, .inference = true)};
    reel_params_set_init(a.params, "*weight*", (reel_init){REEL_INIT_NORMAL, 0, 0.1});
    reel_params_set_init(a.params, "readout.bias", (reel_init){REEL_INIT_CONSTANT, 0, 0});
    a.cell =
        kind == PHASED
            ? reel_cell_of(a.params, "net", &reel_phased_lstm, .in = 1, .hidden = (int64_t)hidden,
                           .options = "forget_bias=0 shift=100 clip=10")
            : reel_cell_of(a.params, "net", &reel_lstm, .in = 2, .hidden = (int64_t)hidden,
                           .options = "forget_bias=0 peephole=diagonal clip=10");
    reel_cell_gate_bias(a.cell, GATES, 0, -0.1);
    size_t points = (size_t)(most_points() * (int64_t)batch);
    a.when = malloc(points * sizeof *a.when);
    a.wave = malloc(points * sizeof *a.wave);
    a.time = malloc(points * sizeof *a.time);
    a.x = malloc(2 * points * sizeof *a.x);
    a.steps = malloc((size_t)most_points() * sizeof *a.steps);
    double accuracy = NAN;
    if (a.when && a.wave && a.time && a.x && a.steps) {
        accuracy = train(e, &a, last, seed);
    } else {
        complain("out of memory");
    }
    reel_tape_free(a.tape);
    reel_tape_free(a.test_tape);
    reel_cell_free(a.cell);
    reel_params_free(a.params);
    free(a.when);
    free(a.wave);
    free(a.time);
    free(a.x);
    free(a.steps);
    return accuracy;
}

/* Mean and standard deviation over the seeds; NAN when one did not come to an end. */
static figure run_seeds(experiment *e, int which, int kind, int64_t last)
{
    double sum = 0, squares = 0, value[MOST_SEEDS];
    int n = (int)seeds;
    for (int k = 0; k < n; k++) {
        value[k] = run(e, which, kind, last, e->seed + (uint64_t)k);
        if (isnan(value[k])) {
            return (figure){NAN, NAN};
        }
        sum += value[k];
    }
    for (int k = 0; k < n; k++) {
        squares += (value[k] - sum / n) * (value[k] - sum / n);
    }
    return (figure){sum / n, n > 1 ? sqrt(squares / (n - 1)) : 0};
}

/* The published figure is reached, within its deviation, and the LSTM's is less; in quick mode, by
 * far. */
static bool as_claimed(experiment *e, int which, const figure *got)
{
    double least =
        e->quick ? 80 : published[which][PHASED].mean - published[which][PHASED].deviation;
    double margin = e->quick ? 15 : 0;
    if (got[PHASED].mean < least) {
        return complain("%s: %.2f with the Phased LSTM: expected %.2f or more",
                        sampling_names[which], got[PHASED].mean, least);
    }
    if (got[LSTM].mean >= got[PHASED].mean - margin) {
        return complain("%s: the LSTM's %.2f is not %g less than the Phased LSTM's",
                        sampling_names[which], got[LSTM].mean, margin);
    }
    return true;
}

static void print_table(figure (*got)[CELLS])
{
    printf("%-12s %-6s  %8s %6s   %9s %6s\n", "sampling", "cell", "accuracy", "sd", "published",
           "sd");
    for (int s = 0; s < SAMPLINGS; s++) {
        for (int k = 0; k < CELLS; k++) {
            if (!isnan(got[s][k].mean)) {
                printf("%-12s %-6s  %8.2f %6.2f   %9.2f %6.2f\n", sampling_names[s], cell_names[k],
                       got[s][k].mean, got[s][k].deviation, published[s][k].mean,
                       published[s][k].deviation);
            }
        }
    }
}

int main(int argc, char **argv)
{
    experiment e = {.name = "phased",
                    .about = "Is the period of a sine wave between 5 and 6? Validation accuracy of "
                             "the Phased LSTM and of\nan LSTM that sees the time, for three ways "
                             "of sampling, beside the published figures.\n",
                    .x_label = "epoch",
                    .y_label = "wrong answers, %",
                    .settings = settings};
    int status;
    if (!experiment_start(&e, argc, argv, &status)) {
        return status;
    }
    if (e.quick) {
        sampling = 1 + ASYNCHRONOUS;
        cell = 0;
        seeds = 1;
        epochs = 10;
        hidden = 24;
        batch = 32;
        rate = 1e-2;
        training = 1600;
    }
    figure got[SAMPLINGS][CELLS];
    bool ok = true;
    for (int s = 0; s < SAMPLINGS; s++) {
        int64_t last = epochs > 0 ? (int64_t)epochs : s == HIGH ? 10 : 70;
        for (int k = 0; k < CELLS; k++) {
            bool asked = ok && !interrupted() && (sampling == 0 || s == (int)sampling - 1) &&
                         (cell == 0 || k == (int)cell - 1);
            got[s][k] = asked ? run_seeds(&e, s, k, last) : (figure){NAN, NAN};
            ok = ok && !(asked && isnan(got[s][k].mean));
        }
    }
    print_table(got);
    for (int s = 0; s < SAMPLINGS; s++) {
        ok = as_claimed(&e, s, got[s]) && ok; /* what was not run is no number, and no claim */
    }
    return experiment_finish(&e, ok);
}
