/* Timing (Gers, Schraudolph & Schmidhuber 2002): one cell is to give a spike every 49 steps, or
 * every 50, as its input says, with nothing else to go by: no clock, no input at the spikes, no
 * shorter interval to learn from. The cell has to count, keep the count to itself, and act on it.
 *
 * While the output gate is shut, h tells nothing of the count. Peepholes let the gates see it all
 * the same. Without them they live on what leaks through, and how far the gate is shut at first
 * decides how long learning takes: here it is all but shut, and "does not learn" means within the
 * updates allowed, not never.
 *
 * After the paper: one block of one cell, squashing functions that are the identity, a readout of h
 * alone, errors up to 0.49 allowed, a stream that goes on until the first larger one and so trains
 * no further than the net has come, momentum of 0.99. Different: the gradient is the whole one,
 * through time, not a truncated one, and is clipped; an update is made after each stream, not each
 * step; one net has both intervals; the cell starts as a counter that forgets little. */
#include "experiment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INTERVALS = 2, KINDS = 2, GATES = 4, POINT = 250 };

typedef struct contender {
    const char *name, *options, *published;
} contender;

static const contender contenders[KINDS] = {
    {"with peepholes", "niaf noaf peephole=diagonal", "learns"},
    {"without", "niaf noaf", "does not"}};

static const double allowed = 0.49;

static double cell, interval = 49, seeds = 10, updates = 60000, spikes = 5, tested = 100,
                    rate = 1e-4, momentum = 0.99, clip = 1, gate = -6, forget = 5, count = 0.3;

static const setting settings[] = {
    {"cell", &cell, 0, 0, "all|with|without", "with peepholes or without"},
    {"interval", &interval, 2, 1000, NULL, "steps from spike to spike; the other is one more"},
    {"seeds", &seeds, 1, 1000, NULL, "nets of each kind, from --seed on"},
    {"updates", &updates, 1, 1e8, NULL, "most updates"},
    {"spikes", &spikes, 1, 1000, NULL, "of the longest training stream"},
    {"tested", &tested, 1, 10000, NULL, "spikes a net must give to have solved it"},
    {"rate", &rate, 1e-12, 10, NULL, "rate of gradient descent"},
    {"momentum", &momentum, 0, 0.9999, NULL, "its momentum"},
    {"clip", &clip, 1e-9, 1e9, NULL, "limit on the gradient's global norm"},
    {"gate", &gate, -100, 100, NULL, "where the output gate's bias starts"},
    {"forget", &forget, -100, 100, NULL, "where the forget gate's bias starts"},
    {"count", &count, -100, 100, NULL, "where the candidate's bias starts"},
    {0}};

typedef struct net {
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape, *test_tape;
    int64_t chunk;                /* the longer interval: what is recorded at a time */
    reel_node **step;             /* [chunk] */
    double *said, *target, *mask; /* [chunk, INTERVALS] */
    int64_t reach[INTERVALS];     /* steps up to the first error, it included */
} net;

/* Compares steps [first, first + chunk) and masks what comes after a first error. Returns whether
 * one of the streams goes on. */
static bool compare(net *a, int64_t first, bool *ended)
{
    for (int64_t t = 0; t < a->chunk; t++) {
        for (int k = 0; k < INTERVALS; k++) {
            int64_t at = t * INTERVALS + k, every = (int64_t)interval + k;
            a->target[at] = (first + t + 1) % every == 0;
            a->mask[at] = !ended[k];
            a->reach[k] += !ended[k];
            ended[k] = ended[k] || !(fabs(a->said[at] - a->target[at]) <= allowed);
        }
    }
    return !(ended[0] && ended[1]);
}

/* Both streams until their first error, or for so many spikes: the squared error of each, summed
 * over its steps, the mean of the two. NULL after an error. *right: there was none too large. */
static reel_node *record(net *a, reel_tape *tape, int64_t n, bool *right)
{
    static const double which[INTERVALS] = {0, 1};
    bool ended[INTERVALS] = {false, false}, on = true;
    reel_shape shape = reel_dims(a->chunk, INTERVALS, 1);
    size_t size = (size_t)(a->chunk * INTERVALS);
    reel_tape_reset(tape);
    reel_state state = reel_state_zero(tape, a->cell, INTERVALS);
    reel_node *x = reel_input(tape, REEL_F64, which, reel_dims(INTERVALS, 1)), *sum = NULL;
    a->reach[0] = a->reach[1] = 0;
    for (int64_t i = 0; on && i < n; i++) {
        for (int64_t t = 0; t < a->chunk; t++) {
            a->step[t] = x;
        }
        reel_unroll(a->cell, a->chunk, a->step, &state, a->step);
        reel_node *y = reel_linear(a->params, "readout", 1, reel_stack((int)a->chunk, a->step));
        if (reel_read(y, a->said, size)) {
            return NULL;
        }
        on = compare(a, i * a->chunk, ended);
        reel_node *mask = reel_input(tape, REEL_F64, a->mask, shape);
        reel_node *error = reel_sub(y, reel_input(tape, REEL_F64, a->target, shape));
        reel_node *squares = reel_sum(reel_mul(mask, reel_square(error)));
        sum = sum ? reel_add(sum, squares) : squares;
    }
    *right = !ended[0] && !ended[1];
    return reel_mul(sum, reel_number(tape, 1.0 / INTERVALS));
}

/* The number of updates after which the net goes through the test without an error; 0: it never
 * did; -1 after a complaint or a signal. */
static int64_t train(experiment *e, net *a, const char *series)
{
    reel_opt *opt = reel_sgd(a->params, .rate = rate, .momentum = momentum, .clip_norm = clip);
    int64_t solved = 0, most = (int64_t)updates;
    bool good = true, right = false;
    experiment_begin(e, most, "%s", series);
    for (int64_t i = 1; good && !solved && i <= most; i++) {
        double loss = NAN;
        reel_node *node = record(a, a->tape, (int64_t)spikes, &right);
        if (right && record(a, a->test_tape, (int64_t)tested, &right) && right) {
            solved = i;
        }
        if (solved || i % POINT == 0) {
            experiment_point(e, series, (double)i, 0.5 * (double)(a->reach[0] + a->reach[1]));
        }
        good = solved || (node && reel_opt_step(opt, node, &loss) == REEL_OK) ||
               complain("%s", reel_tape_message(a->tape));
        good = good && experiment_update(e, i, loss);
    }
    reel_opt_free(opt);
    return good ? solved : -1;
}

static int64_t run(experiment *e, const contender *c, uint64_t seed)
{
    const double biases[GATES] = {0, forget, count, gate}; /* of i, f, g, o */
    reel_init small = {REEL_INIT_UNIFORM, -0.1, 0.1};
    net a = {.params = reel_params_new(REEL_F64, seed),
             .tape = reel_tape_new(1, .dtype = REEL_F64),
             .test_tape = reel_tape_new(1, .dtype = REEL_F64, .inference = true),
             .chunk = (int64_t)interval + 1};
    size_t size = (size_t)(a.chunk * INTERVALS);
    a.cell = reel_cell_of(a.params, "net", &reel_lstm, .in = 1, .hidden = 1, .weight = small,
                          .recurrent = small, .options = c->options);
    a.step = malloc((size_t)a.chunk * sizeof(reel_node *));
    a.said = malloc(size * sizeof *a.said);
    a.target = malloc(size * sizeof *a.target);
    a.mask = malloc(size * sizeof *a.mask);
    char series[64];
    snprintf(series, sizeof series, "%s, seed %llu", c->name, (unsigned long long)seed);
    int64_t solved = -1;
    if (!a.step || !a.said || !a.target || !a.mask) {
        complain("out of memory");
    } else if (reel_params_offer(a.params, "net.bias_ih_l0", REEL_F64, biases, reel_dims(GATES)) ||
               reel_params_set_init(a.params, "readout.weight", small) ||
               reel_params_set_init(a.params, "readout.bias",
                                    (reel_init){REEL_INIT_CONSTANT, 0, 0})) {
        complain("%s", reel_params_message(a.params));
    } else {
        solved = train(e, &a, series);
    }
    reel_tape_free(a.tape);
    reel_tape_free(a.test_tape);
    reel_cell_free(a.cell);
    reel_params_free(a.params);
    free(a.step);
    free(a.said);
    free(a.target);
    free(a.mask);
    return solved;
}

/* How many seeds solve it; -1 after a complaint or a signal. */
static int64_t try_all(experiment *e, const contender *c)
{
    int64_t n = 0;
    for (int64_t s = 0; s < (int64_t)seeds; s++) {
        uint64_t seed = e->seed + (uint64_t)s;
        int64_t solved = run(e, c, seed);
        if (solved < 0) {
            return -1;
        }
        n += solved > 0;
        experiment_clear(e);
        if (solved) {
            printf("%-14s  seed %llu: after %lld updates\n", c->name, (unsigned long long)seed,
                   (long long)solved);
        } else {
            printf("%-14s  seed %llu: not\n", c->name, (unsigned long long)seed);
        }
    }
    return n;
}

int main(int argc, char **argv)
{
    experiment e = {.name = "timing",
                    .about = "One LSTM cell learns to spike every 49 or every 50 steps, as told: "
                             "how many seeds do,\nwith peepholes and without.\n",
                    .x_label = "update",
                    .y_label = "steps until the first error",
                    .settings = settings};
    int status;
    if (!experiment_start(&e, argc, argv, &status)) {
        return status;
    }
    if (e.quick) {
        interval = 9;
        gate = -4;
        rate = 3e-4;
        seeds = 2;
        updates = 7000;
    }
    bool ok = true;
    int64_t solved[KINDS] = {-1, -1};
    for (int k = 0; k < KINDS && !interrupted(); k++) {
        if (cell == 0 || k == (int)cell - 1) {
            solved[k] = try_all(&e, &contenders[k]);
            ok = ok && solved[k] >= 0;
        }
    }
    experiment_clear(&e);
    printf("%-14s  %9s  %6s  %8s  %s\n", "LSTM", "intervals", "gate", "solved", "published");
    for (int k = 0; k < KINDS; k++) {
        if (solved[k] >= 0) {
            printf("%-14s  %4.0f %4.0f  %6g  %3lld of %lld  %s\n", contenders[k].name, interval,
                   interval + 1, gate, (long long)solved[k], (long long)seeds,
                   contenders[k].published);
        }
    }
    ok = ok && (solved[0] < 0 || 2 * solved[0] > (int64_t)seeds) && solved[1] <= 0;
    return experiment_finish(&e, ok);
}
