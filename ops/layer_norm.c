/* Layer normalisation over the last axis (Ba, Kiros & Hinton 2016).
 * Invariant: the three ops here give each other's gradients to any order.
 * y = standardize(x) = (x - mean) r,  r = inverse_deviation(x) = 1/√(variance + ε). */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/isa.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <string.h>

/* Sums are in so many parts, whatever the instruction set: vectors whatever the compiler may assume
 * of rounding, and the same bits from all of them. */
enum { PARTS = 16 };

typedef struct deviation_attr {
    double epsilon;
} deviation_attr;

/* vector.h has some functions of floats by those of doubles, so these come first. */
#include <reel/real64.h>

#include "layer_norm.c"

#include <reel/real32.h>

#include "layer_norm.c"

static bool standardize_shape(reel_shaping *s)
{
    s->y = reel_node_shape(s->x[0]);
    if (reel_shaping_axis(s, 0, -1) < 0) {
        return false;
    }
    if (s->y.dim[s->y.rank - 1] == 0) {
        return reel_shaping_fail(s, "no elements to average: expected at least one");
    }
    const deviation_attr *a = s->attr;
    return a->epsilon >= 0 || reel_shaping_fail(s, "epsilon %g: expected 0 or more", a->epsilon);
}

static bool inverse_deviation_shape(reel_shaping *s)
{
    if (!standardize_shape(s)) {
        return false;
    }
    s->y.dim[s->y.rank - 1] = 1;
    return true;
}

static bool standardize_gradient_shape(reel_shaping *s)
{
    s->y = reel_node_shape(s->x[0]);
    if (reel_shaping_axis(s, 0, -1) < 0) {
        return false;
    }
    reel_shape rows = s->y;
    rows.dim[rows.rank - 1] = 1;
    return (reel_shape_equal(s->y, reel_node_shape(s->x[1])) &&
            reel_shape_equal(rows, reel_node_shape(s->x[2]))) ||
           reel_shaping_fail(s, "expected two of a shape and a number for each of their rows");
}

static int64_t layer_norm_units(const reel_call *c)
{
    const reel_shape *x = &c->x[0].shape;
    int64_t n = x->dim[x->rank - 1];
    return n ? c->x[0].size / n : 0;
}

/* dx = r (dy - mean(dy) - y mean(dy ⊙ y)) */
static reel_node *standardize_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const deviation_attr *a = reel_node_attr(y);
    reel_node *r = reel_apply1(REEL_HERE, &reel_op_inverse_deviation, reel_node_arg(y, 0), a);
    return reel_standardize_gradient(dy, y, r);
}

static reel_node *mean_product(reel_node *a, reel_node *b)
{
    return reel_mean_axis(reel_mul(a, b), -1, true);
}

/* z = r (d - mean(d) - y mean(d ⊙ y)) is linear in d, and its own transpose. */
static reel_node *standardize_gradient_gradient(reel_node *z, reel_node *dz, int i)
{
    reel_node *d = reel_node_arg(z, 0), *y = reel_node_arg(z, 1), *r = reel_node_arg(z, 2);
    if (i == 0) {
        return reel_standardize_gradient(dz, y, r);
    }
    if (i == 1) {
        reel_node *sum =
            reel_add(reel_mul(dz, mean_product(d, y)), reel_mul(d, mean_product(dz, y)));
        return reel_neg(reel_mul(r, sum));
    }
    return reel_div(reel_sum_axis(reel_mul(dz, z), -1, true), r);
}

/* dr/dx = -r³ (x - mean) / n = -r² y / n */
static reel_node *inverse_deviation_gradient(reel_node *r, reel_node *dr, int i)
{
    (void)i;
    const deviation_attr *a = reel_node_attr(r);
    reel_node *x = reel_node_arg(r, 0);
    reel_node *y = reel_apply1(REEL_HERE, &reel_op_standardize, x, a);
    reel_node *each = reel_scale(reel_mul(dr, reel_square(r)), -1 / (double)reel_node_dim(x, -1));
    return reel_mul(y, each);
}

static reel_node *layer_norm_sample(reel_sampler *s, int k, const reel_op *op)
{
    static const struct {
        reel_shape shape;
        double epsilon;
    } sample[] = {
        {{1, {5, 1, 1, 1}}, 1e-5},
        {{2, {3, 7, 1, 1}}, 1e-2},
        {{4, {2, 1, 2, 19}}, 0},
        {{2, {3, 1, 1, 1}}, 0.5},
    };
    if (k >= (int)(sizeof sample / sizeof sample[0])) {
        return NULL;
    }
    deviation_attr a = {.epsilon = sample[k].epsilon};
    return reel_apply1(REEL_HERE, op, reel_sample_real(s, -2, 2, sample[k].shape), &a);
}

static reel_node *standardize_gradient_sample(reel_sampler *s, int k)
{
    static const reel_shape shape[] = {{1, {5, 1, 1, 1}}, {2, {3, 7, 1, 1}}, {3, {2, 2, 19, 1}}};
    if (k >= (int)(sizeof shape / sizeof shape[0])) {
        return NULL;
    }
    reel_shape rows = shape[k];
    rows.dim[rows.rank - 1] = 1;
    reel_node *d = reel_sample_real(s, -2, 2, shape[k]), *y = reel_sample_real(s, -2, 2, shape[k]);
    return reel_standardize_gradient(d, y, reel_sample_real(s, 0.3, 2, rows));
}

static reel_node *standardize_sample(reel_sampler *s, int k)
{
    return layer_norm_sample(s, k, &reel_op_standardize);
}

static reel_node *inverse_deviation_sample(reel_sampler *s, int k)
{
    return layer_norm_sample(s, k, &reel_op_inverse_deviation);
}

const reel_op reel_op_standardize = {
    .name = "standardize",
    .arity = 1,
    .attr_size = sizeof(deviation_attr),
    .shape = standardize_shape,
    .run_f32 = standardize_run_f32,
    .run_f64 = standardize_run_f64,
    .units = layer_norm_units,
    .gradient = standardize_gradient,
    .sample = standardize_sample,
};

const reel_op reel_op_inverse_deviation = {
    .name = "inverse_deviation",
    .arity = 1,
    .flags = REEL_OP_REDUCTION,
    .attr_size = sizeof(deviation_attr),
    .shape = inverse_deviation_shape,
    .run_f32 = inverse_deviation_run_f32,
    .run_f64 = inverse_deviation_run_f64,
    .units = layer_norm_units,
    .gradient = inverse_deviation_gradient,
    .sample = inverse_deviation_sample,
};

const reel_op reel_op_standardize_gradient = {
    .name = "standardize_gradient",
    .arity = 3,
    .shape = standardize_gradient_shape,
    .run_f32 = standardize_gradient_run_f32,
    .run_f64 = standardize_gradient_run_f64,
    .units = layer_norm_units,
    .gradient = standardize_gradient_gradient,
    .sample = standardize_gradient_sample,
};

/** r ⊙ (dy - mean(dy) - y ⊙ mean(dy ⊙ y)), means over the last axis: from the cotangent dy of y =
 * standardize(x) to that of x. r: 1/√(variance + ε) of each row of x. */
reel_node *reel_standardize_gradient_at(const char *at, reel_node *dy, reel_node *y, reel_node *r)
{
    return reel_apply3(at, &reel_op_standardize_gradient, dy, y, r, NULL);
}

/** y = (x - mean) / √(variance + ε) over the last axis, the variance divided by n: layer
 * normalisation without gain and bias. epsilon ≥ 0. */
reel_node *reel_standardize_at(const char *at, reel_node *x, double epsilon)
{
    deviation_attr a = {.epsilon = epsilon};
    return reel_apply1(at, &reel_op_standardize, x, &a);
}

/** gain ⊙ (x - mean) / √(variance + ε) + bias over the last axis (Ba, Kiros & Hinton 2016). gain
 * and bias are [features]; either may be NULL. epsilon ≥ 0; PyTorch's is 1e-5. */
reel_node *reel_layer_norm_at(const char *at, reel_node *x, reel_node *gain, reel_node *bias,
                              double epsilon)
{
    reel_node *y = reel_standardize_at(at, x, epsilon);
    y = gain ? reel_mul_at(at, y, gain) : y;
    return bias ? reel_add_at(at, y, bias) : y;
}

#elif !defined ISA_OPEN /* once per type */

#undef ISA_SOURCE
#define ISA_SOURCE "layer_norm.c"
#include "isa_each.h"

/* By instruction set. */
static void (*const TYPED(normalise)[REEL_ISAS])(const REAL *x, int64_t n, double epsilon, REAL *y,
                                                 REAL *r) = EACH_ISA(TYPED(normalise));
static void (*const TYPED(standardize_gradient)[REEL_ISAS])(const REAL *dy, const REAL *y, REAL r,
                                                            int64_t n, REAL *dx) =
    EACH_ISA(TYPED(standardize_gradient));

static void TYPED(standardize_gradient_run)(const reel_call *c)
{
    int64_t n = c->x[0].shape.dim[c->x[0].shape.rank - 1];
    const REAL *dy = c->x[0].data, *y = c->x[1].data, *r = c->x[2].data;
    const reel_isa isa = reel_isa_used();
    for (int64_t u = c->begin; u < c->end; u++) {
        TYPED(standardize_gradient)
        [isa](dy + u * n, y + u * n, r[u], n, (REAL *)c->y.data + u * n);
    }
}

static void TYPED(standardize_run)(const reel_call *c)
{
    const deviation_attr *a = c->attr;
    int64_t n = c->x[0].shape.dim[c->x[0].shape.rank - 1];
    const reel_isa isa = reel_isa_used();
    for (int64_t u = c->begin; u < c->end; u++) {
        REAL r;
        TYPED(normalise)
        [isa]((const REAL *)c->x[0].data + u * n, n, a->epsilon, (REAL *)c->y.data + u * n, &r);
    }
}

static void TYPED(inverse_deviation_run)(const reel_call *c)
{
    const deviation_attr *a = c->attr;
    int64_t n = c->x[0].shape.dim[c->x[0].shape.rank - 1];
    const reel_isa isa = reel_isa_used();
    for (int64_t u = c->begin; u < c->end; u++) {
        TYPED(normalise)
        [isa]((const REAL *)c->x[0].data + u * n, n, a->epsilon, NULL, (REAL *)c->y.data + u);
    }
}

#else /* once per type and instruction set */

VECTOR_INLINE double V(total)(const double *part, const REAL *rest, int64_t n, double mean,
                              bool squared)
{
    double total = 0;
    for (int j = 0; j < PARTS; j++) {
        total += part[j];
    }
    for (int64_t k = 0; k < n; k++) {
        double v = (double)rest[k] - mean;
        total += squared ? v * v : v;
    }
    return total;
}

/* r and, where there is a y, (x - mean) r. */
static void V(normalise)(const REAL *x, int64_t n, double epsilon, REAL *y, REAL *r)
{
    const int64_t whole = n - n % PARTS;
    double sum[PARTS] = {0}, square[PARTS] = {0};
    for (int64_t k = 0; k < whole; k += PARTS) {
        for (int j = 0; j < PARTS; j++) {
            sum[j] += (double)x[k + j];
        }
    }
    const double mean = V(total)(sum, x + whole, n - whole, 0, false) / (double)n;
    for (int64_t k = 0; k < whole; k += PARTS) {
        for (int j = 0; j < PARTS; j++) {
            double v = (double)x[k + j] - mean;
            square[j] += v * v;
        }
    }
    const double variance = V(total)(square, x + whole, n - whole, mean, true) / (double)n;
    const double inverse = 1 / sqrt(variance + epsilon);
    *r = (REAL)inverse;
    for (int64_t k = 0; y && k < n; k++) {
        y[k] = (REAL)(((double)x[k] - mean) * inverse);
    }
}

static void V(standardize_gradient)(const REAL *dy, const REAL *y, REAL r, int64_t n, REAL *dx)
{
    const int64_t whole = n - n % PARTS;
    double sum[PARTS] = {0}, along[PARTS] = {0}, mean = 0, slope = 0;
    for (int64_t k = 0; k < whole; k += PARTS) {
        for (int j = 0; j < PARTS; j++) {
            sum[j] += (double)dy[k + j];
            along[j] += (double)dy[k + j] * (double)y[k + j];
        }
    }
    for (int64_t k = whole; k < n; k++) {
        mean += (double)dy[k];
        slope += (double)dy[k] * (double)y[k];
    }
    for (int j = 0; j < PARTS; j++) {
        mean += sum[j];
        slope += along[j];
    }
    mean /= (double)n;
    slope /= (double)n;
    for (int64_t k = 0; k < n; k++) {
        dx[k] = (REAL)((double)r * (((double)dy[k] - mean) - (double)y[k] * slope));
    }
}

#endif
