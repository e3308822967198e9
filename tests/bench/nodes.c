/* What it costs to record a node: median over repetitions, in ns, with the tape's memory warm. */
#include <reel/reel.h>

#include "bench.h"

enum { COUNT = 200000, REPEATS = 31 };

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

static double cost(reel_tape *tape, record *f)
{
    double ns[REPEATS];
    for (int r = 0; r < REPEATS; r++) {
        reel_tape_reset(tape);
        reel_node *x = reel_constant(tape, 1, reel_dims(8, 8)),
                  *w = reel_constant(tape, 1, reel_dims(8));
        reel_node *last = x;
        double start = bench_seconds();
        for (int i = 0; i < COUNT; i++) {
            last = f(x, w);
        }
        ns[r] = (bench_seconds() - start) / COUNT * 1e9;
        BENCH_CHECK(tape, reel_node_id(last) < 0);
    }
    return bench_median(ns, REPEATS);
}

int main(void)
{
    static const struct {
        const char *name;
        record *f;
    } kinds[] = {{"one argument (tanh)", unary},   {"two arguments (add)", binary},
                 {"broadcast (add)", broadcast},   {"attribute (scale)", with_attribute},
                 {"shape rule (matmul)", product}, {"shape rule and attribute (slice)", cut}};
    reel_tape *tape = reel_tape_new(1);
    printf("%-34s %8s\n", "recording a node", "ns");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        printf("%-34s %8.1f\n", kinds[i].name, cost(tape, kinds[i].f));
    }
    reel_tape_free(tape);
    return 0;
}
