/* Vanishing and exploding gradients, measured: a simple recurrent network whose recurrent weight is
 * scaled to a given largest singular value (Bengio et al. 1994; Pascanu et al. 2013), against an
 * LSTM with several forget biases, whose memory lets the gradient pass (Hochreiter & Schmidhuber
 * 1997; Gers et al. 2000). */
#include "experiment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RNNS = 5, LSTMS = 3, NETS = RNNS + LSTMS, INPUTS = 4, MOST_STEPS = 1000 };
enum { ORTHOGONAL, NORMAL };

static const double scale[RNNS] = {0.5, 0.9, 1.0, 1.1, 1.5};
static const double forget_bias[LSTMS] = {0, 1, 3};

static double steps = 100, hidden = 64, batch = 16, start = ORTHOGONAL, input = 0.1;

static const setting settings[] = {
    {"steps", &steps, 2, MOST_STEPS, NULL, "time steps T"},
    {"hidden", &hidden, 1, 1024, NULL, "units"},
    {"batch", &batch, 1, 1024, NULL, "sequences"},
    {"input", &input, 0, 100, NULL, "standard deviation of the inputs"},
    {"start", &start, 0, 0, "orthogonal|normal", "recurrent weights before they are scaled"},
    {0}};

/* The network's report: the norms of the derivatives of Σ h_T ⊙ R with R ~ N(0, 1), so that every
 * unit of the last step is blamed alike and nothing of another step is. */
static bool measure(experiment *e, reel_flow *flow, const reel_cell_type *kind, double number)
{
    static reel_state state[MOST_STEPS + 1];
    static reel_node *x[MOST_STEPS], *y[MOST_STEPS];
    int64_t T = (int64_t)steps, H = (int64_t)hidden, B = (int64_t)batch;
    char options[32];
    bool rnn = kind == &reel_rnn;
    snprintf(options, sizeof options, "forget_bias=%g", number);
    reel_params *ps = reel_params_new(REEL_F64, e->seed);
    reel_cell *cell = reel_cell_of(
        ps, "net", kind, .in = INPUTS, .hidden = H, .options = rnn ? NULL : options,
        .recurrent = {start == NORMAL ? REEL_INIT_NORMAL : REEL_INIT_DEFAULT, 0, 1 / sqrt(hidden)});
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_random random = reel_random_new(e->seed, reel_random_stream("gradient flow"));
    double *r = calloc((size_t)(B * H + B * INPUTS * T), sizeof *r);
    bool ok = false;
    for (int64_t i = 0; r && i < B * H + B * INPUTS * T; i++) {
        r[i] = reel_random_normal(&random) * (i < B * H ? 1 : input);
    }
    /* Twice: weights are there to be scaled once a step has been recorded. */
    for (int pass = 0; r && pass < 2; pass++) {
        reel_tape_reset(tape);
        for (int64_t t = 0; t < T; t++) {
            x[t] = reel_input(tape, REEL_F64, r + B * H + t * B * INPUTS, reel_dims(B, INPUTS));
        }
        state[0] = reel_state_zero(tape, cell, B);
        int64_t n = pass ? T : 1;
        if (reel_flow_unroll(cell, n, x, state, y) ||
            (!pass && rnn &&
             reel_param_set_singular(reel_params_find(ps, "net.weight_hh_l0"), 0, number))) {
            break;
        }
        reel_node *R = reel_input(tape, REEL_F64, r, reel_dims(B, H));
        ok = pass &&
             reel_flow_measure(flow, reel_sum(reel_mul(y[n - 1], R)), n + 1, state, ps) == REEL_OK;
    }
    if (!ok) {
        complain("%s", reel_tape_status(tape) ? reel_tape_message(tape)
                       : r                    ? reel_params_message(ps)
                                              : "out of memory");
    }
    free(r);
    reel_tape_free(tape);
    reel_cell_free(cell);
    reel_params_free(ps);
    return ok;
}

/* The derivative `back` steps before the last, in units of that at the last. */
static double passed(const reel_flow *flow, int state, int64_t back)
{
    const double *norm = flow->norm + state * flow->steps + flow->steps - 1;
    return norm[-back] / norm[0];
}

static void print_table(const reel_flow *flow)
{
    int64_t T = (int64_t)steps;
    int64_t back[] = {T / 10, T / 4, T / 2, 3 * T / 4, T};
    printf("|dL/dv| so many steps before the last, in units of that at the last\n%-24s %9s %9s",
           "network, v", "singular", "radius");
    for (int k = 0; k < 5; k++) {
        printf(" %9lld", (long long)back[k]);
    }
    putchar('\n');
    for (int i = 0; i < NETS; i++) {
        for (int s = 0; s < flow[i].states; s++) {
            char name[64];
            snprintf(name, sizeof name, "%s, %s", flow[i].name, s ? "c" : "h");
            int k = flow[i].weights == 4 ? 2 : 0; /* of an LSTM: the candidate's */
            printf("%-24s %9.3f %9.3f", name, flow[i].weight[k].singular, flow[i].weight[k].radius);
            for (int b = 0; b < 5; b++) {
                printf(" %9.2g", passed(&flow[i], s, back[b]));
            }
            putchar('\n');
        }
    }
}

/* What theory says: a step of the simple network lengthens by no more than its singular value, more
 * of it lets more pass, and a memory passes more the more its forget gate is open, and no less than
 * about that gate a step. */
static bool as_expected(const reel_flow *flow)
{
    int64_t T = (int64_t)steps;
    for (int i = 0; i < NETS; i++) {
        int memory = i >= RNNS;
        double all = passed(&flow[i], memory, T), mean = pow(all, 1 / (double)T);
        if (!memory && mean > scale[i] * (1 + 1e-9)) {
            return complain("%s: %.3f a step: more than its singular value", flow[i].name, mean);
        }
        if (memory && mean < 1 / (1 + exp(-forget_bias[i - RNNS])) - 0.1) {
            return complain("%s: %.3f a step: less than its forget gate", flow[i].name, mean);
        }
        if (i && i != RNNS && all < passed(&flow[i - 1], memory, T)) {
            return complain("%s passes less than %s", flow[i].name, flow[i - 1].name);
        }
    }
    return true;
}

static bool draw(experiment *e, reel_flow *flow)
{
    if (!e->curves) {
        return true;
    }
    reel_status status = reel_flow_plot(e->curves, NETS, flow);
    if (status) {
        complain("%s", flow[0].message);
    }
    return status == REEL_OK || status == REEL_ERR_PROGRAM;
}

int main(int argc, char **argv)
{
    experiment e = {.name = "gradflow",
                    .about = "How far the gradient of the last step's output reaches back: a tanh "
                             "network with its\nrecurrent weight scaled to several largest "
                             "singular values, and an LSTM with several\nforget biases.\n",
                    .settings = settings};
    int status;
    if (!experiment_start(&e, argc, argv, &status)) {
        return status;
    }
    if (e.quick) {
        steps = 40;
        hidden = 24;
    }
    reel_flow flow[NETS] = {{0}};
    char name[NETS][32];
    bool ok = true;
    for (int i = 0; ok && i < NETS && !interrupted(); i++) {
        double number = i < RNNS ? scale[i] : forget_bias[i - RNNS];
        snprintf(name[i], sizeof name[i], i < RNNS ? "RNN %.1f" : "LSTM, forget bias %g", number);
        flow[i].name = name[i];
        ok = measure(&e, &flow[i], i < RNNS ? &reel_rnn : &reel_lstm, number);
    }
    if (ok && !interrupted()) {
        print_table(flow);
        ok = draw(&e, flow) && (!e.quick || as_expected(flow));
    }
    for (int i = 0; i < NETS; i++) {
        reel_flow_free(&flow[i]);
    }
    return experiment_finish(&e, ok);
}
