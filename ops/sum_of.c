/* sum_of: y = x0 + x1 + ... + xn-1, all of one shape. The reverse sweep sums contributions with it,
 * and an executor may run the arguments' kernels straight into y (REEL_OP_SUM). */
#ifndef REEL_REAL

#include <reel/op.h>
#include <reel/ops.h>

#include <reel/real32.h>

#include "sum_of.c"

#include <reel/real64.h>

#include "sum_of.c"

static bool shape(reel_shaping *s)
{
    s->y = reel_node_shape(s->x[0]);
    for (int i = 1; i < s->n; i++) {
        if (!reel_shape_equal(s->y, reel_node_shape(s->x[i]))) {
            return reel_shaping_fail(s, "all shapes must be equal");
        }
    }
    return true;
}

static reel_node *gradient(reel_node *y, reel_node *dy, int i)
{
    (void)y;
    (void)i;
    return dy;
}

static reel_node *sample(reel_sampler *s, int k)
{
    static const int counts[] = {1, 2, 3, 5};
    if (k >= 4) {
        return NULL;
    }
    const int64_t dim[3] = {2, 1 + k, 3};
    reel_node *x[5];
    for (int i = 0; i < counts[k]; i++) {
        x[i] = reel_sample_real(s, -1, 1, reel_shape_of(k, dim));
    }
    return reel_sum_of(counts[k], x);
}

const reel_op reel_op_sum_of = {
    .name = "sum_of",
    .arity = -1,
    .flags = REEL_OP_SUM | REEL_OP_ACCUMULATES,
    .shape = shape,
    .run_f32 = sum_of_f32,
    .run_f64 = sum_of_f64,
    .gradient = gradient,
    .sample = sample,
};

/** y = x[0] + x[1] + ... + x[n-1], all of one shape, n ≥ 1. */
reel_node *reel_sum_of_at(const char *at, int n, reel_node *const *x)
{
    return reel_apply(at, &reel_op_sum_of, n, x, NULL);
}

#else

static void TYPED(sum_of)(const reel_call *c)
{
    REAL *restrict y = c->y.data;
    int first = 0;
    if (!c->accumulate) {
        const REAL *restrict x = c->x[first++].data;
        for (int64_t i = 0; i < c->y.size; i++) {
            y[i] = x[i];
        }
    }
    for (int k = first; k < c->n; k++) {
        const REAL *restrict x = c->x[k].data;
        for (int64_t i = 0; i < c->y.size; i++) {
            y[i] += x[i];
        }
    }
}

#endif
