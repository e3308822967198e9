/* Job: learn valid arguments of every op from its samples: shapes, attributes and the range of the
 * elements, so that a program can apply the op to values of its own that are brought into range. */
#include "random_catalogue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/ops.h>
#include <reel/tape.h>

#include "sampler.h"

enum { SEED = 11, MOST_SAMPLES = 64 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "catalogue of ops: %s: %s\n", what, why);
    abort();
}

static void *get(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    if (!p) {
        die("calloc", "out of memory");
    }
    return p;
}

/* Two ops of a user: p x³ - x by element with a derivative, and a sum of squares with its own
 * loop. */

static void bend_f32(size_t n, const float *const *x, float *y, const void *attr)
{
    float p = (float)*(const double *)attr;
    for (size_t i = 0; i < n; i++) {
        y[i] = p * x[0][i] * x[0][i] * x[0][i] - x[0][i];
    }
}

static void bend_f64(size_t n, const double *const *x, double *y, const void *attr)
{
    double p = *(const double *)attr;
    for (size_t i = 0; i < n; i++) {
        y[i] = p * x[0][i] * x[0][i] * x[0][i] - x[0][i];
    }
}

static reel_node *bend_gradient(reel_node *y, reel_node *dy, int i)
{
    double p = *(const double *)reel_node_attr(y);
    reel_node *x = reel_node_arg(y, i);
    return reel_mul(dy, reel_shift(reel_scale(reel_square(x), 3 * p), -1));
}

static reel_node *bend_sample(reel_sampler *s, int k);

static const reel_op op_bend = {.name = "user_bend",
                                .arity = 1,
                                .flags = REEL_OP_ELEMENTWISE,
                                .attr_size = sizeof(double),
                                .map_f32 = bend_f32,
                                .map_f64 = bend_f64,
                                .gradient = bend_gradient,
                                .sample = bend_sample};

static reel_node *bend_sample(reel_sampler *s, int k)
{
    const double p = 0.3;
    return k ? NULL
             : reel_apply1(REEL_HERE, &op_bend, reel_sample_real(s, -2, 2, reel_dims(6)), &p);
}

static bool energy_shape(reel_shaping *s)
{
    s->y = reel_scalar_shape();
    return true;
}

static void energy_f32(const reel_call *c)
{
    const float *x = c->x[0].data;
    float sum = 0;
    for (int64_t i = 0; i < c->x[0].size; i++) {
        sum += x[i] * x[i];
    }
    *(float *)c->y.data = sum;
}

static void energy_f64(const reel_call *c)
{
    const double *x = c->x[0].data;
    double sum = 0;
    for (int64_t i = 0; i < c->x[0].size; i++) {
        sum += x[i] * x[i];
    }
    *(double *)c->y.data = sum;
}

static reel_node *energy_gradient(reel_node *y, reel_node *dy, int i)
{
    return reel_mul(dy, reel_scale(reel_node_arg(y, i), 2));
}

static reel_node *energy_sample(reel_sampler *s, int k);

static const reel_op op_energy = {.name = "user_energy",
                                  .arity = 1,
                                  .shape = energy_shape,
                                  .run_f32 = energy_f32,
                                  .run_f64 = energy_f64,
                                  .gradient = energy_gradient,
                                  .sample = energy_sample};

static reel_node *energy_sample(reel_sampler *s, int k)
{
    static const int64_t size[] = {7, 1, 0};
    return k == 3 ? NULL
                  : reel_apply1(REEL_HERE, &op_energy,
                                reel_sample_real(s, -2, 2, reel_dims(size[k])), NULL);
}

/* Learning. */

static double *values(reel_node *x)
{
    size_t n = (size_t)reel_node_size(x);
    double *v = get(n, sizeof *v);
    if (reel_read(x, v, n)) {
        die(reel_node_op(x)->name, reel_tape_message(reel_node_tape(x)));
    }
    return v;
}

static catalogue_arg learn_arg(reel_node *x)
{
    catalogue_arg a = {.shape = reel_node_shape(x), .low = INFINITY, .high = -INFINITY};
    double *v = values(x);
    for (int64_t i = 0; i < reel_node_size(x); i++) {
        a.low = fmin(a.low, v[i]);
        a.high = fmax(a.high, v[i]);
    }
    free(v);
    if (a.low > a.high) { /* no elements */
        a.low = -1;
        a.high = 1;
    }
    if (reel_node_dtype(x) == REEL_I32) {
        a.kind = x == reel_counter(reel_node_tape(x)) ? CATALOGUE_COUNTER : CATALOGUE_INDEX;
        a.limit = (int32_t)fmax(a.high, 0) + 1;
    }
    return a;
}

static catalogue_sample learn_sample(const reel_op *op, reel_node *y)
{
    catalogue_sample s = {.n = reel_node_arity(y), .attr = get(op->attr_size, 1)};
    if (s.n > CATALOGUE_ARGS) {
        die(op->name, "too many arguments in a sample");
    }
    for (int i = 0; i < s.n; i++) {
        s.x[i] = learn_arg(reel_node_arg(y, i));
    }
    if (op->attr_size) {
        memcpy(s.attr, reel_node_attr(y), op->attr_size);
    }
    double *v = values(y);
    for (int64_t i = 0; i < reel_node_size(y); i++) {
        s.most = fmax(s.most, fabs(v[i]));
    }
    free(v);
    return s;
}

/* By element each argument has one range, whatever the shape. */
static void widen(catalogue_op *c)
{
    for (int k = 0; k < c->n; k++) {
        for (int i = 0; i < c->sample[k].n; i++) {
            catalogue_arg *first = &c->sample[0].x[i];
            first->low = fmin(first->low, c->sample[k].x[i].low);
            first->high = fmax(first->high, c->sample[k].x[i].high);
        }
        c->sample[0].most = fmax(c->sample[0].most, c->sample[k].most);
    }
    for (int k = 1; k < c->n; k++) {
        for (int i = 0; i < c->sample[k].n; i++) {
            c->sample[k].x[i].low = c->sample[0].x[i].low;
            c->sample[k].x[i].high = c->sample[0].x[i].high;
        }
        c->sample[k].most = c->sample[0].most;
    }
}

static catalogue_op learn(const reel_op *op)
{
    catalogue_op c = {.op = op, .sample = get(MOST_SAMPLES, sizeof *c.sample)};
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64, .seed = SEED);
    for (; op->sample && c.n < MOST_SAMPLES; c.n++) {
        reel_sampler s;
        reel_tape_reset(tape);
        reel__sampler_init(&s, SEED, (uint64_t)c.n);
        reel__sampler_begin(&s, tape);
        reel_node *y = op->sample(&s, c.n);
        if (y) {
            c.sample[c.n] = learn_sample(op, y);
        }
        reel__sampler_free(&s);
        if (!y) {
            break;
        }
    }
    reel_tape_free(tape);
    /* inverse_or_zero is defined apart from 0: the ranges of its samples do not join */
    if (op->flags & REEL_OP_ELEMENTWISE && op != &reel_op_inverse_or_zero) {
        widen(&c);
    }
    return c;
}

const catalogue *catalogue_get(void)
{
    static catalogue *known;
    if (known) {
        return known;
    }
    int n = 0;
    while (reel_ops()[n]) {
        n++;
    }
    known = get(1, sizeof *known);
    known->op = get((size_t)n + 2, sizeof *known->op);
    for (int i = 0; i < n; i++) {
        known->op[known->n++] = learn(reel_ops()[i]);
    }
    known->op[known->n++] = learn(&op_bend);
    known->op[known->n++] = learn(&op_energy);
    return known;
}
