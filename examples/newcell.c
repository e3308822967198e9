/* A new recurrent cell, from its equations to a trained network. The cell is the minimal gated unit
 * (Zhou et al. 2016), written as a user would write it. The program checks its derivatives to
 * second order, trains it on the adding problem (Hochreiter & Schmidhuber 1997), and draws it
 * unrolled when asked to. */
#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

enum { STEPS = 20, BATCH = 32, FEATURES = 2, HIDDEN = 16, UPDATES = 1600, REPORTS = 8 };

/* The whole cell. Its weights are made when they are first asked for. */
static reel_node *mgu(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *h = s->v[0];
    reel_node *f = reel_sigmoid(reel_gate(c, "f", x, h));
    reel_node *g = reel_tanh(reel_gate(c, "g", x, reel_mul(f, h)));
    return s->v[0] = reel_lerp(h, g, f);
}

/* Every weight, input and initial state, and the gradient of the gradient. */
static bool check(void)
{
    reel_params *ps = reel_params_new(REEL_F64, 1);
    reel_cell *cell = reel_cell_new(ps, "mgu", mgu, .in = 3, .hidden = 4);
    reel_check_report report;
    reel_check_cell(&report, cell, .steps = 5, .batch = 3, .order = 2);
    printf("gradients: %s\n", report.message);
    reel_cell_free(cell);
    reel_params_free(ps);
    return report.ok;
}

typedef struct net {
    reel_params *params;
    reel_cell *cell;
} net;

/* The adding problem: each step has a random number and a marker; the answer after the last step is
 * the sum of the two numbers that were marked, one in each half. */
static void make_batch(reel_random *random, double *x, double *sum)
{
    memset(x, 0, STEPS * BATCH * FEATURES * sizeof *x);
    for (int b = 0; b < BATCH; b++) {
        sum[b] = 0;
        for (int half = 0; half < 2; half++) {
            uint64_t t = (uint64_t)half * STEPS / 2 + reel_random_below(random, STEPS / 2);
            x[(t * BATCH + (uint64_t)b) * FEATURES + 1] = 1;
        }
        for (int t = 0; t < STEPS; t++) {
            double *step = x + (t * BATCH + b) * FEATURES;
            step[0] = reel_random_uniform(random);
            sum[b] += step[0] * step[1];
        }
    }
}

/* The mean squared error of one batch, recorded. */
static reel_node *record(const net *n, reel_tape *tape, reel_random *random)
{
    static double data[STEPS * BATCH * FEATURES];
    double sum[BATCH];
    reel_node *x[STEPS], *y[STEPS];
    make_batch(random, data, sum);
    reel_unstack(reel_input(tape, REEL_F64, data, reel_dims(STEPS, BATCH, FEATURES)), STEPS, x);
    if (reel_unroll(n->cell, STEPS, x, NULL, y)) {
        return y[0];
    }
    reel_node *answer = reel_linear(n->params, "readout", 1, y[STEPS - 1]);
    reel_node *target = reel_input(tape, REEL_F64, sum, reel_dims(BATCH, 1));
    return reel_squared_error(answer, target, REEL_MEAN);
}

static bool train(const net *n, reel_tape *tape)
{
    reel_opt *opt = reel_adam(n->params, .rate = 1e-2, .clip_norm = 1);
    reel_random random = reel_random_new(1, reel_random_stream("adding problem"));
    double mean = 0;
    printf("%8s  %s\n", "updates", "mean squared error (0.167 by always answering 1)");
    for (int i = 1; i <= UPDATES; i++) {
        double error = 0;
        reel_tape_reset(tape);
        if (reel_opt_step(opt, record(n, tape, &random), &error)) {
            fprintf(stderr, "newcell: %s\n", reel_tape_message(tape));
            break;
        }
        mean += error / (UPDATES / REPORTS);
        if (i % (UPDATES / REPORTS) == 0) {
            printf("%8d  %.4f\n", i, mean);
            mean = i < UPDATES ? 0 : mean;
        }
    }
    bool complete = reel_opt_count(opt) == UPDATES;
    reel_opt_free(opt);
    return complete && mean < 0.02;
}

/* Two steps of the cell alone. */
static bool draw(const char *path)
{
    static const float zero[BATCH * FEATURES];
    enum { T = 2 };
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_cell *cell = reel_cell_new(ps, "mgu", mgu, .in = FEATURES, .hidden = HIDDEN);
    reel_tape *tape = reel_tape_new(1);
    reel_node *x[T], *y[T];
    for (int t = 0; t < T; t++) {
        x[t] = reel_name(reel_input(tape, REEL_F32, zero, reel_dims(BATCH, FEATURES)), "x");
    }
    bool ok = reel_unroll(cell, T, x, NULL, y) == REEL_OK &&
              reel_draw(path, reel_name(y[T - 1], "h")) == REEL_OK;
    if (ok) {
        printf("drawn: %s\n", path);
    } else {
        fprintf(stderr, "newcell: %s\n", reel_tape_message(tape));
    }
    reel_tape_free(tape);
    reel_cell_free(cell);
    reel_params_free(ps);
    return ok;
}

static bool check_and_train(void)
{
    net n = {.params = reel_params_new(REEL_F32, 1)};
    n.cell = reel_cell_new(n.params, "mgu", mgu, .in = FEATURES, .hidden = HIDDEN);
    reel_tape *tape = reel_tape_new(1);
    bool ok = check() && train(&n, tape);
    puts(ok ? "learned" : "not learned");
    reel_tape_free(tape);
    reel_cell_free(n.cell);
    reel_params_free(n.params);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return check_and_train() ? 0 : 1;
    }
    if (argc == 3 && strcmp(argv[1], "--draw") == 0) {
        return draw(argv[2]) ? 0 : 1;
    }
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fputs("Usage: newcell [--draw FILE]\n"
          "Checks a cell's gradients and trains it on a toy task, in a few seconds.\n"
          "\n"
          "  --draw FILE  draw two steps of it instead: a .dot, .svg, .png or .pdf file\n"
          "  --help       print this and exit\n",
          help ? stdout : stderr);
    return help ? 0 : 2;
}
