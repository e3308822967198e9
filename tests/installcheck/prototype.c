/* A research prototype: a cell of one's own, checked, and trained to repeat what it saw a step
 * before. */
#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

enum { STEPS = 6, BATCH = 8, ITERATIONS = 150 };

/* The minimal gated unit (Zhou et al. 2016). */
static reel_node *mgu(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *h = s->v[0];
    reel_node *f = reel_sigmoid(reel_gate(cell, "f", x, h));
    reel_node *g = reel_tanh(reel_gate(cell, "g", x, reel_mul(f, h)));
    return s->v[0] = reel_lerp(h, g, f);
}

static int fail(const char *what, const char *message)
{
    fprintf(stderr, "prototype.c: %s: %s\n", what, message);
    return 1;
}

/* One iteration's loss: y_t = W h_t + b should be x_{t-1}. */
static reel_node *echo_loss(reel_tape *tape, reel_params *params, reel_cell *cell,
                            unsigned iteration)
{
    reel_node *x[STEPS], *y[STEPS], *loss = NULL;
    unsigned bits = iteration * 2654435761u;
    for (int t = 0; t < STEPS; t++) {
        double data[BATCH];
        for (int b = 0; b < BATCH; b++) {
            bits = bits * 1664525u + 1013904223u;
            data[b] = bits >> 31 ? 1 : -1;
        }
        x[t] = reel_input(tape, REEL_F64, data, reel_dims(BATCH, 1));
    }
    if (reel_unroll(cell, STEPS, x, NULL, y) != REEL_OK) {
        return y[0];
    }
    for (int t = 1; t < STEPS; t++) {
        reel_node *error = reel_sub(reel_linear(params, "out", 1, y[t]), x[t - 1]);
        reel_node *term = reel_mean(reel_mul(error, error));
        loss = loss == NULL ? term : reel_add(loss, term);
    }
    return loss;
}

int main(void)
{
    if (strcmp(reel_version(), REEL_VERSION) != 0) {
        return fail("version", reel_version());
    }
    reel_params *params = reel_params_new(REEL_F32, 1);
    reel_cell *cell = reel_cell_new(params, "mgu", mgu, .in = 1, .hidden = 12);
    reel_check_report report;
    if (!reel_check_cell(&report, cell, .order = 1)) {
        return fail("gradient check", report.message);
    }
    reel_opt *opt = reel_adam(params, .rate = 0.02);
    reel_tape *tape = reel_tape_new(2);
    double first = 0, last = 0;
    for (unsigned i = 0; i < ITERATIONS; i++) {
        reel_tape_reset(tape);
        if (reel_opt_step(opt, echo_loss(tape, params, cell, i), &last) != REEL_OK) {
            return fail("training", reel_tape_message(tape));
        }
        first = i == 0 ? last : first;
    }
    if (!(last < first / 10)) {
        fprintf(stderr, "prototype.c: loss %g after %d steps, %g at first\n", last, ITERATIONS,
                first);
        return 1;
    }

    reel_tape_reset(tape);
    double zeros[6] = {0};
    reel_matmul(reel_input(tape, REEL_F64, zeros, reel_dims(2, 3)),
                reel_input(tape, REEL_F64, zeros, reel_dims(2, 3)));
    if (reel_tape_status(tape) != REEL_ERR_SHAPE ||
        strstr(reel_tape_message(tape), "prototype.c") == NULL) {
        return fail("a wrong shape should be an error that names this file",
                    reel_tape_message(tape));
    }
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_cell_free(cell);
    reel_params_free(params);
    return 0;
}
