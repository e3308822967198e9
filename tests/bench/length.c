/* Cost and memory per time step as the unroll grows: a 1x32 LSTM at batch 4, forward, backward and
 * an Adam step, at T = 200, 2,000 and 20,000. Rounds take turns over the lengths, each with the
 * tape's memory warm; medians. */
#include <reel/reel.h>

#include "bench.h"

enum { BATCH = 4, HIDDEN = 32, LENGTHS = 3, ROUNDS = 9, MOST = 20000 };

static const int lengths[LENGTHS] = {200, 2000, 20000};

typedef struct figures {
    double seconds;
    double values, nodes; /* bytes */
} figures;

typedef struct net {
    reel_params *ps;
    reel_cell *cell;
    reel_opt *opt;
    reel_node **x, **y;
    float *input;
} net;

static figures step(net *n, reel_tape *tape, int T)
{
    double start = bench_seconds();
    reel_tape_reset(tape);
    reel_node *all = reel_input(tape, REEL_F32, n->input, reel_dims(T, BATCH, HIDDEN));
    reel_unstack(all, T, n->x);
    BENCH_CHECK(tape, reel_unroll(n->cell, T, n->x, NULL, n->y));
    reel_node *loss = reel_mean(reel_square(reel_stack(T, n->y)));
    BENCH_CHECK(tape, reel_opt_step(n->opt, loss, NULL));
    reel_tape_stats s = reel_tape_statistics(tape);
    return (figures){bench_seconds() - start, (double)s.peak_value_bytes, (double)s.node_bytes};
}

int main(void)
{
    net n = {.ps = reel_params_new(REEL_F32, 1)};
    n.cell = reel_cell_of(n.ps, "lstm", &reel_lstm, .in = HIDDEN, .hidden = HIDDEN);
    n.opt = reel_adam(n.ps, .rate = 1e-3, .clip_norm = 5);
    n.x = malloc(MOST * sizeof *n.x);
    n.y = malloc(MOST * sizeof *n.y);
    n.input = malloc((size_t)MOST * BATCH * HIDDEN * sizeof *n.input);
    if (!n.x || !n.y || !n.input) {
        return 1;
    }
    reel_random random = reel_random_new(1, 1);
    for (size_t i = 0; i < (size_t)MOST * BATCH * HIDDEN; i++) {
        n.input[i] = (float)reel_random_normal(&random);
    }
    /* One tape per length; several passes of the short ones, so that each measurement takes a
     * while. */
    reel_tape *tape[LENGTHS];
    double seconds[LENGTHS][ROUNDS];
    figures last[LENGTHS];
    for (int k = 0; k < LENGTHS; k++) {
        tape[k] = reel_tape_new(1);
        last[k] = step(&n, tape[k], lengths[k]);
    }
    for (int r = 0; r < ROUNDS; r++) {
        for (int k = 0; k < LENGTHS; k++) {
            int passes = MOST / lengths[k];
            double total = 0;
            for (int p = 0; p < passes; p++) {
                last[k] = step(&n, tape[k], lengths[k]);
                total += last[k].seconds;
            }
            seconds[k][r] = total / passes;
        }
    }
    printf("%8s %14s %10s %18s %16s\n", "T", "us per step", "ratio", "value bytes/step",
           "node bytes/step");
    double first = 0;
    for (int k = 0; k < LENGTHS; k++) {
        double us = bench_median(seconds[k], ROUNDS) / lengths[k] * 1e6;
        first = k ? first : us;
        printf("%8d %14.2f %10.3f %18.0f %16.0f\n", lengths[k], us, us / first,
               last[k].values / lengths[k], last[k].nodes / lengths[k]);
        reel_tape_free(tape[k]);
    }
    reel_opt_free(n.opt);
    reel_cell_free(n.cell);
    reel_params_free(n.ps);
    free(n.x);
    free(n.y);
    free(n.input);
    return 0;
}
