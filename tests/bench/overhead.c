/* What Reel costs beside arithmetic: recording, evaluating the same structure again, a new
 * combination of steps that were seen before, a structure that was never seen, and a chain of a
 * million scalars. Tensors are so small that computing with them hardly counts. Medians, with the
 * tape's memory warm. */
#include "bench.h"

/* Recording, by kind of node */

typedef reel_node *record(reel_node *x, reel_node *w);

static reel_node *unary(reel_node *x, reel_node *w)
{
    (void)w;
    return reel_tanh(x);
}

static reel_node *binary(reel_node *x, reel_node *w)
{
    (void)w;
    return reel_add(x, x);
}

static reel_node *broadcast(reel_node *x, reel_node *w)
{
    return reel_add(x, w);
}

static reel_node *with_attribute(reel_node *x, reel_node *w)
{
    (void)w;
    return reel_scale(x, 2);
}

static reel_node *product(reel_node *x, reel_node *w)
{
    (void)w;
    return reel_matmul(x, x);
}

static reel_node *cut(reel_node *x, reel_node *w)
{
    (void)w;
    return reel_slice(x, 1, 0, 8);
}

static double record_kind(reel_tape *tape, record *f, int repeats)
{
    enum { COUNT = 200000 };
    bench_samples ns = {0};
    for (int r = 0; r < repeats; r++) {
        reel_tape_reset(tape);
        reel_node *x = reel_constant(tape, 1, reel_dims(8, 8)),
                  *w = reel_constant(tape, 1, reel_dims(8));
        reel_node *last = x;
        double start = bench_seconds();
        for (int i = 0; i < COUNT; i++) {
            last = f(x, w);
        }
        bench_add(&ns, (bench_seconds() - start) / COUNT * 1e9);
        BENCH_CHECK(tape, reel_node_id(last) < 0);
    }
    return bench_middle(&ns);
}

static void kinds(const bench_settings *settings)
{
    static const struct {
        const char *name;
        record *f;
    } kind[] = {{"one argument (tanh)", unary},   {"two arguments (add)", binary},
                {"broadcast (add)", broadcast},   {"attribute (scale)", with_attribute},
                {"shape rule (matmul)", product}, {"shape rule and attribute (slice)", cut}};
    reel_tape *tape = bench_tape(settings->threads);
    printf("%-36s %8s   %s\n", "recording a node", "ns", "goal 25");
    for (size_t i = 0; i < sizeof kind / sizeof kind[0]; i++) {
        printf("  %-34s %8.1f\n", kind[i].name,
               record_kind(tape, kind[i].f, settings->quick ? 7 : 31));
    }
    reel_tape_free(tape);
}

/* A small LSTM */

enum { SMALL = 4, MOST_STEPS = 1000 };

typedef struct net {
    reel_params *params;
    reel_cell *cell;
    reel_opt *opt;
    float input[MOST_STEPS * SMALL];
} net;

static void net_start(net *n)
{
    n->params = reel_params_new(REEL_F32, 1);
    n->cell = reel_cell_of(n->params, "cell", &reel_lstm, .in = SMALL, .hidden = SMALL);
    n->opt = reel_sgd(n->params, .rate = -1); /* 0 */
    memset(n->input, 0, sizeof n->input);
}

static void net_end(net *n)
{
    reel_opt_free(n->opt);
    reel_cell_free(n->cell);
    reel_params_free(n->params);
}

/* The sum of the last output after T steps of batch 1. */
static reel_node *record_net(net *n, reel_tape *tape, int T)
{
    reel_node *x[MOST_STEPS];
    reel_tape_reset(tape);
    for (int t = 0; t < T; t++) { /* an input each: unstacking another number would be new */
        x[t] = reel_input_borrowed(tape, REEL_F32, n->input + t * SMALL, reel_dims(1, SMALL));
    }
    BENCH_CHECK(tape, reel_unroll(n->cell, T, x, NULL, x));
    return reel_sum(x[T - 1]);
}

/* What a recording is for. */
typedef enum goal { FORWARD, TRAIN, GOALS } goal;
static const char *const goal_name[GOALS] = {"forward", "training step"};

static void finish(net *n, reel_tape *tape, reel_node *loss, goal g)
{
    BENCH_CHECK(tape, g == FORWARD ? reel_eval(1, &loss) : reel_opt_step(n->opt, loss, NULL));
}

/* Seconds of one pass of T steps, from the reset on. */
static double net_pass(net *n, reel_tape *tape, int T, goal g)
{
    double start = bench_seconds();
    finish(n, tape, record_net(n, tape, T), g);
    return bench_seconds() - start;
}

/* Recording a net, by node: the steps, and the reverse sweep over them. */
static void recording(net *n, const bench_settings *settings)
{
    reel_tape *tape = bench_tape(settings->threads);
    bench_samples steps = {0}, sweep = {0};
    for (int r = -2; r < (settings->quick ? 21 : 101); r++) {
        double start = bench_seconds();
        reel_node *loss = record_net(n, tape, MOST_STEPS);
        double recorded = bench_seconds();
        double forward = (double)reel_tape_statistics(tape).nodes;
        reel_param *param[8];
        reel_node *grad[8];
        double again = bench_seconds();
        size_t count = reel_opt_grads(n->opt, loss, 8, param, grad);
        double swept = bench_seconds();
        BENCH_CHECK(tape, count == 0);
        if (r >= 0) {
            bench_add(&steps, (recorded - start) / forward * 1e9);
            bench_add(&sweep,
                      (swept - again) / ((double)reel_tape_statistics(tape).nodes - forward) * 1e9);
        }
    }
    printf("  %-34s %8.1f\n", "steps of an LSTM", bench_middle(&steps));
    printf("  %-34s %8.1f\n", "the reverse sweep over them", bench_middle(&sweep));
    reel_tape_free(tape);
}

/* The same structure again */

static void again(net *n, const bench_settings *settings)
{
    static const int lengths[] = {1, 5, 50};
    reel_tape *tape = bench_tape(settings->threads);
    printf("\n%-22s %6s %7s %10s %10s %12s\n", "the same again", "steps", "nodes", "record us",
           "rest us", "rest ns/node");
    for (int g = 0; g < GOALS; g++) {
        for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
            bench_samples record_us = {0}, rest = {0};
            for (int r = -10; r < (settings->quick ? 100 : 1000); r++) {
                double start = bench_seconds();
                reel_node *loss = record_net(n, tape, lengths[k]);
                double recorded = bench_seconds();
                finish(n, tape, loss, (goal)g);
                if (r >= 0) {
                    bench_add(&record_us, (recorded - start) * 1e6);
                    bench_add(&rest, (bench_seconds() - recorded) * 1e6);
                }
            }
            double us = bench_middle(&rest), nodes = (double)reel_tape_statistics(tape).nodes;
            printf("  %-20s %6d %7.0f %10.2f %10.2f %12.1f\n", goal_name[g], lengths[k], nodes,
                   bench_middle(&record_us), us, us * 1e3 / nodes);
        }
    }
    reel_tape_free(tape);
}

/* New combinations: lengths that were never seen, of steps that were. What a length costs for the
 * first time, less what it costs for the third. */
static void combinations(net *n, const bench_settings *settings)
{
    enum { FIRST = 50, LAST = 250, LENGTHS = LAST - FIRST };
    printf("\n%-36s %8s %12s   %s\n", "a new number of steps, per step", "ns", "again ns",
           "goal 50 (first column)");
    for (int g = 0; g < GOALS; g++) {
        reel_tape *tape = bench_tape(settings->threads);
        uint32_t order[LENGTHS];
        reel_random random = reel_random_new(1, (uint64_t)g);
        reel_random_shuffle(&random, order, LENGTHS);
        for (int i = 0; i < 5; i++) {
            net_pass(n, tape, LAST + i, (goal)g); /* its memory is enough for all that come */
        }
        bench_samples more = {0}, same = {0};
        for (int i = 0; i < (settings->quick ? LENGTHS / 4 : LENGTHS); i++) {
            int T = FIRST + (int)order[i];
            double first = net_pass(n, tape, T, (goal)g);
            net_pass(n, tape, T, (goal)g);
            double third = net_pass(n, tape, T, (goal)g);
            bench_add(&more, (first - third) / T * 1e9);
            bench_add(&same, third / T * 1e9);
        }
        printf("  %-34s %8.1f %12.1f\n", goal_name[g], bench_middle(&more), bench_middle(&same));
        reel_tape_free(tape);
    }
}

/* New structures: random expressions in a scope of their own */

enum { EXPRESSION = 100 };

static reel_node *record_expression(reel_tape *tape, uint64_t which)
{
    reel_random random = reel_random_new(1, which);
    reel_node *v[EXPRESSION];
    const float zero[2 * SMALL] = {0};
    reel_tape_reset(tape);
    reel_scope_enter(tape, "expression");
    v[0] = reel_input(tape, REEL_F32, zero, reel_dims(2, SMALL));
    for (int i = 1; i < EXPRESSION; i++) {
        reel_node *a = v[reel_random_below(&random, (uint64_t)i)], *b = v[i - 1];
        switch (reel_random_below(&random, 6)) {
        case 0:
            v[i] = reel_add(a, b);
            break;
        case 1:
            v[i] = reel_mul(a, b);
            break;
        case 2:
            v[i] = reel_sub(a, b);
            break;
        case 3:
            v[i] = reel_tanh(b);
            break;
        case 4:
            v[i] = reel_sigmoid(b);
            break;
        default:
            v[i] = reel_matmul(a, reel_matmul(reel_transpose(b), b));
            break;
        }
    }
    reel_node *y = reel_sum(v[EXPRESSION - 1]);
    reel_scope_leave(tape);
    return y;
}

/* Seconds of recording and evaluating it, with its derivative if asked for. */
static double expression_pass(reel_tape *tape, uint64_t which, bool derive)
{
    double start = bench_seconds();
    reel_node *y[2] = {record_expression(tape, which)}, *x = reel_node_arg(y[0], 0);
    if (derive) {
        while (reel_node_arity(x)) {
            x = reel_node_arg(x, 0);
        }
        BENCH_CHECK(tape, reel_grad(y[0], 1, &x, &y[1]));
    }
    BENCH_CHECK(tape, reel_eval(derive ? 2 : 1, y));
    return bench_seconds() - start;
}

static void structures(const bench_settings *settings)
{
    reel_tape *tape = bench_tape(settings->threads);
    printf("\n%-36s %8s %12s   %s\n", "a new structure, per node", "ns", "again ns",
           "goal 5000 (first column)");
    for (int derive = 0; derive < 2; derive++) {
        bench_samples more = {0}, same = {0};
        for (int i = -5; i < (settings->quick ? 50 : 200); i++) {
            uint64_t which = (uint64_t)(1000 * derive + 10 + i);
            double first = expression_pass(tape, which, derive);
            double nodes = (double)reel_tape_statistics(tape).nodes;
            expression_pass(tape, which, derive);
            double third = expression_pass(tape, which, derive);
            if (i >= 0) {
                bench_add(&more, (first - third) / nodes * 1e9);
                bench_add(&same, third / nodes * 1e9);
            }
        }
        printf("  %-34s %8.1f %12.1f\n", derive ? "value and derivative" : "value",
               bench_middle(&more), bench_middle(&same));
    }
    reel_tape_free(tape);
}

/* A chain of scalars, forward and backward */
static void chain(const bench_settings *settings)
{
    enum { LENGTH = 1000000, PARTS = 4 };
    static const char *const part[PARTS] = {"recording", "the reverse sweep",
                                            "value and derivative", "all together"};
    reel_tape *tape = bench_tape(settings->threads);
    bench_samples ms[PARTS] = {0};
    for (int r = -1; r < (settings->quick ? 1 : 3); r++) {
        double time[PARTS];
        time[0] = bench_seconds();
        reel_tape_reset(tape);
        reel_node *x = reel_number(tape, 0.5), *y[2] = {x};
        for (int i = 0; i < LENGTH; i++) {
            y[0] = reel_tanh(y[0]);
        }
        time[1] = bench_seconds();
        BENCH_CHECK(tape, reel_grad(y[0], 1, &x, &y[1]));
        time[2] = bench_seconds();
        BENCH_CHECK(tape, reel_eval(2, y));
        time[3] = bench_seconds();
        for (int p = 0; p < PARTS && r >= 0; p++) {
            double from = time[p % (PARTS - 1)], to = p + 1 < PARTS ? time[p + 1] : time[p];
            bench_add(&ms[p], (to - from) * 1e3);
        }
    }
    printf("\n%-36s %8s %12s\n", "a chain of a million tanh", "ms", "ns per tanh");
    for (int p = 0; p < PARTS; p++) {
        double median = bench_middle(&ms[p]);
        printf("  %-34s %8.1f %12.1f\n", part[p], median, median * 1e6 / LENGTH);
    }
    reel_tape_free(tape);
}

int main(int argc, char **argv)
{
    bench_settings settings = bench_options(
        argc, argv, "Measures what recording and planning cost beside arithmetic.", 0, NULL);
    static net n;
    net_start(&n);
    kinds(&settings);
    recording(&n, &settings);
    again(&n, &settings);
    combinations(&n, &settings);
    structures(&settings);
    chain(&settings);
    net_end(&n);
    return 0;
}
