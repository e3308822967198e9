/* The phase of an oscillation.
 * Invariant: computed in f64 from both parts of the time, whatever the tape's type; in [0, 1), also
 * for times before the shift: the mod is floored. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/isa.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <string.h>

/* vector.h has some functions of floats by those of doubles, so these come first. */
#include <reel/real64.h>

#include "phase.c"

#include <reel/real32.h>

#include "phase.c"

static bool phase_shape(reel_shaping *s)
{
    reel_shape t = reel_node_shape(s->x[0]), period = reel_node_shape(s->x[1]);
    if (t.rank != 2 || t.dim[1] != 2 || period.rank != 1 ||
        !reel_shape_equal(period, reel_node_shape(s->x[2]))) {
        return reel_shaping_fail(s, "expected a time [batch,2], periods [n] and shifts [n]");
    }
    s->y = reel_dims(t.dim[0], period.dim[0]);
    return true;
}

static int64_t phase_units(const reel_call *c)
{
    return c->y.shape.dim[0];
}

/* φ = (t - s)/τ - ⌊(t - s)/τ⌋, and the floor is flat. */
static reel_node *phase_gradient(reel_node *y, reel_node *dy, int i)
{
    reel_node *t = reel_node_arg(y, 0), *period = reel_node_arg(y, 1), *shift = reel_node_arg(y, 2);
    if (i == 0) {
        reel_node *dt = reel_sum_axis(reel_div(dy, period), 1, true);
        return reel_broadcast_to(dt, reel_node_shape(t));
    }
    if (i == 2) {
        return reel_neg(reel_div(reel_sum_to(dy, reel_node_shape(shift)), period));
    }
    /* the large part first, so that the small one keeps its digits */
    reel_node *since = reel_sub(reel_slice(t, 1, 0, 1), shift);
    since = reel_add(since, reel_slice(t, 1, 1, 2));
    reel_node *sum = reel_sum_to(reel_mul(dy, since), reel_node_shape(period));
    return reel_neg(reel_div(sum, reel_square(period)));
}

static reel_node *phase_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_phase(reel_sample_real(s, -9, 9, reel_dims(3, 2)),
                          reel_sample_real(s, 1, 5, reel_dims(4)),
                          reel_sample_real(s, 0, 5, reel_dims(4)));
    case 1:
        return reel_phase(reel_sample_real(s, -1, 0, reel_dims(1, 2)),
                          reel_sample_real(s, 0.5, 1, reel_dims(1)),
                          reel_sample_real(s, 2, 3, reel_dims(1)));
    default:
        return NULL;
    }
}

const reel_op reel_op_phase = {
    .name = "phase",
    .arity = 3,
    .shape = phase_shape,
    .run_f32 = phase_run_f32,
    .run_f64 = phase_run_f64,
    .units = phase_units,
    .gradient = phase_gradient,
    .sample = phase_sample,
};

/** φ = ((t - s) mod τ)/τ in [0, 1), with the floored mod: for a time t before the shift s, too
 * (Neil et al. 2016). time [batch, 2]: t is the sum of the columns, which keeps digits in f32
 * (reel_cell_time); period τ and shift s: [n], τ > 0. Gives [batch, n]. ∂φ/∂t = 1/τ, ∂φ/∂s = -1/τ,
 * ∂φ/∂τ = -(t - s)/τ²; at a jump, the derivative to its right. */
reel_node *reel_phase_at(const char *at, reel_node *time, reel_node *period, reel_node *shift)
{
    return reel_apply3(at, &reel_op_phase, time, period, shift, NULL);
}

#elif !defined ISA_OPEN /* once per type */

#undef ISA_SOURCE
#define ISA_SOURCE "phase.c"
#include "isa_each.h"

static void (*const TYPED(phases)[REEL_ISAS])(int64_t n, const REAL *time, const REAL *period,
                                              const REAL *shift, REAL *y) = EACH_ISA(TYPED(phases));

static void TYPED(phase_run)(const reel_call *c)
{
    const REAL *time = c->x[0].data;
    const int64_t n = c->x[1].size;
    const reel_isa isa = reel_isa_used();
    for (int64_t b = c->begin; b < c->end; b++) {
        TYPED(phases)
        [isa](n, time + 2 * b, c->x[1].data, c->x[2].data, (REAL *)c->y.data + b * n);
    }
}

#else /* once per type and instruction set */

/* Of one time. */
static void V(phases)(int64_t n, const REAL *time, const REAL *period, const REAL *shift, REAL *y)
{
    const REAL last = 1 - (REAL)(sizeof(REAL) == 4 ? 0x1p-24 : 0x1p-53); /* before 1 */
    const double high = (double)time[0], low = (double)time[1];
    for (int64_t i = 0; i < n; i++) {
        double turns = ((high - (double)shift[i]) + low) / (double)period[i];
        REAL phase = (REAL)(turns - floor(turns));
        y[i] = phase >= 1 ? last : phase; /* NaN stays */
    }
}

#endif
