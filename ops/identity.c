/* Ops that pass their argument on and change the gradient only.
 * Invariant: y = x to the bit. */
#ifndef REEL_REAL
#include <reel/op.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct factor {
    double c;
} factor;

#include <reel/real32.h>

#include "identity.c"

#include <reel/real64.h>

#include "identity.c"

static reel_node *detach_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)y;
    (void)dy;
    (void)i;
    return reel_zero_gradient();
}

static reel_node *clip_gradient_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const factor *f = reel_node_attr(y);
    return reel_clamp(dy, -f->c, f->c);
}

static reel_node *scale_gradient_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const factor *f = reel_node_attr(y);
    return reel_scale(dy, f->c);
}

static void factor_label(const reel_node *y, char *text, size_t n)
{
    const factor *f = reel_node_attr(y);
    snprintf(text, n, "%s %g", reel_node_op(y)->name, f->c);
}

/* The gradients of detach and scale_gradient are not the derivatives of their values, by design:
 * their samples are not differentiated. */
static reel_node *detach_sample(reel_sampler *s, int k)
{
    return k ? NULL : reel_detach(reel_sample_fixed(s, -1, 1, reel_dims(3, 5)));
}

static reel_node *clip_gradient_sample(reel_sampler *s, int k)
{
    return k ? NULL : reel_clip_gradient(reel_sample_real(s, -1, 1, reel_dims(3, 5)), 1e6);
}

static reel_node *scale_gradient_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_scale_gradient(reel_sample_real(s, -1, 1, reel_dims(3, 5)), 1);
    case 1:
        return reel_scale_gradient(reel_sample_fixed(s, -1, 1, reel_dims(2, 1, 3)), -2);
    default:
        return NULL;
    }
}

const reel_op reel_op_detach = {
    .name = "detach",
    .arity = 1,
    .flags = REEL_OP_ELEMENTWISE,
    .map_f32 = copy_f32,
    .map_f64 = copy_f64,
    .gradient = detach_gradient,
    .sample = detach_sample,
};

const reel_op reel_op_clip_gradient = {
    .name = "clip_gradient",
    .arity = 1,
    .flags = REEL_OP_ELEMENTWISE | REEL_OP_NONLINEAR_GRADIENT,
    .attr_size = sizeof(factor),
    .map_f32 = copy_f32,
    .map_f64 = copy_f64,
    .gradient = clip_gradient_gradient,
    .label = factor_label,
    .sample = clip_gradient_sample,
};

const reel_op reel_op_scale_gradient = {
    .name = "scale_gradient",
    .arity = 1,
    .flags = REEL_OP_ELEMENTWISE,
    .attr_size = sizeof(factor),
    .map_f32 = copy_f32,
    .map_f64 = copy_f64,
    .gradient = scale_gradient_gradient,
    .label = factor_label,
    .sample = scale_gradient_sample,
};

/** y = x, through which no gradient flows. */
reel_node *reel_detach_at(const char *at, reel_node *x)
{
    return reel_apply1(at, &reel_op_detach, x, NULL);
}

/** y = x; the gradient that comes back is cut element by element to [-c, c], c > 0. Not linear in
 * the cotangent, so forward mode refuses it. */
reel_node *reel_clip_gradient_at(const char *at, reel_node *x, double c)
{
    if (!(c > 0)) {
        return reel_node_fail(at, x, REEL_ERR_ARGUMENT, "clip_gradient: %g: expected more than 0",
                              c);
    }
    factor f = {.c = c};
    return reel_apply1(at, &reel_op_clip_gradient, x, &f);
}

/** y = x; the gradient that comes back is multiplied by c: -1 reverses it (Ganin & Lempitsky 2015).
 */
reel_node *reel_scale_gradient_at(const char *at, reel_node *x, double c)
{
    if (!isfinite(c)) {
        return reel_node_fail(at, x, REEL_ERR_ARGUMENT,
                              "scale_gradient: %g: expected a finite factor", c);
    }
    factor f = {.c = c};
    return reel_apply1(at, &reel_op_scale_gradient, x, &f);
}

#else

static void TYPED(copy)(size_t n, const REAL *const *x, REAL *y, const void *attr)
{
    (void)attr;
    memmove(y, x[0], n * sizeof(REAL));
}

#endif
