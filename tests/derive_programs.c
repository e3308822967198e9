/* Job: the programs of check_derive.c. Each has something of its own for a backward pass that is
 * put together from those of blocks. */
#include "derive_programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/axis.h>
#include <reel/models.h>
#include <reel/op.h>
#include <reel/ops.h>

enum { BATCH = 3, IN = 4, HIDDEN = 5, WORDS = 7 };

/* Leaves and weights */

static reel_node *leaf(study *s, reel_shape shape)
{
    double v[64 * BATCH * IN];
    size_t n = (size_t)reel_shape_size(shape);
    if (n > sizeof v / sizeof *v) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = s->whole ? (double)reel_random_below(&s->data, 5) - 2
                        : 2 * reel_random_uniform(&s->data) - 1;
    }
    return reel_input(s->tape, REEL_F64, v, shape);
}

/* Of -1, 0 and 1: a state times this does not grow. */
static reel_node *signs(study *s, reel_shape shape)
{
    double v[BATCH * HIDDEN];
    for (int64_t i = 0; i < reel_shape_size(shape); i++) {
        v[i] = (double)reel_random_below(&s->data, 3) - 1;
    }
    return reel_input(s->tape, REEL_F64, v, shape);
}

static reel_node *indices(study *s, int limit, int64_t n)
{
    int32_t v[BATCH];
    for (int64_t i = 0; i < n; i++) {
        v[i] = (int32_t)reel_random_below(&s->data, (uint64_t)limit);
    }
    return reel_input(s->tape, REEL_I32, v, reel_dims(n));
}

static reel_node *weight(study *s, const char *name, reel_shape shape)
{
    reel_init init = {REEL_INIT_CONSTANT, 1, 0};
    return reel_use(s->tape, reel_params_get(s->params, name, shape, init, 0));
}

static reel_node *row(study *s)
{
    return leaf(s, reel_dims(BATCH, IN));
}

static reel_node *wide(study *s)
{
    return leaf(s, reel_dims(BATCH, HIDDEN));
}

/* Σ x ⊙ c: no two elements count the same. */
static reel_node *weigh(study *s, reel_node *x)
{
    return reel_sum(reel_mul(x, leaf(s, reel_node_shape(x))));
}

static void enter(study *s, const char *name, int t)
{
    reel_scope_enter(s->tape, name);
    reel_scope_step(s->tape, t);
}

static void leave(study *s)
{
    reel_scope_leave(s->tape);
    reel_scope_leave(s->tape);
}

/* A step whose values and gradients stay whole and small: h ⊙ p + x Wᵀ. */
static reel_node *whole_step(study *s, const char *name, int t, reel_node *h, reel_node *x)
{
    enter(s, name, t);
    reel_node *w = weight(s, "w", reel_dims(HIDDEN, reel_node_dim(x, -1)));
    reel_node *y =
        reel_add(reel_mul(h, signs(s, reel_dims(BATCH, HIDDEN))), reel_affine(x, w, NULL));
    leave(s);
    return y;
}

static reel_node *zeros(study *s)
{
    return reel_constant(s->tape, 0, reel_dims(BATCH, HIDDEN));
}

static reel_cell *cell_of(study *s, int i, const reel_cell_type *type, int64_t in)
{
    char name[16];
    snprintf(name, sizeof name, "cell%d", i);
    if (!s->cell[i]) {
        s->cell[i] = reel_cell_of(s->params, name, type, .in = in, .hidden = HIDDEN);
    }
    return s->cell[i];
}

static void unroll(study *s, reel_cell *cell, int T, reel_node **y)
{
    for (int t = 0; t < T; t++) {
        y[t] = row(s);
    }
    if (reel_unroll(cell, T, y, NULL, y)) {
        fprintf(stderr, "%s\n", reel_tape_message(s->tape));
        abort();
    }
}

/* Sums of many contributions */

/* One value that every step reads: its cotangent is a sum of `length`. */
static reel_node *read_by_all(study *s)
{
    reel_node *h = reel_mul(weight(s, "a", reel_dims(BATCH, HIDDEN)), wide(s));
    reel_node *y = zeros(s);
    for (int t = 0; t < s->length; t++) {
        enter(s, "reader", t);
        y = reel_add(y, reel_mul(h, wide(s)));
        leave(s);
    }
    return weigh(s, y);
}

/* The same from inside of a scope, read with and without a factor, so that some contributions are
 * products and others are what comes in. */
static reel_node *read_by_all_and_passed_on(study *s)
{
    enter(s, "source", 0);
    reel_node *h = reel_mul(weight(s, "a", reel_dims(BATCH, HIDDEN)), wide(s));
    leave(s);
    reel_node *y = zeros(s);
    for (int t = 0; t < s->length; t++) {
        enter(s, "reader", t);
        y = t % 3 ? reel_add(y, h) : reel_add(reel_mul(h, wide(s)), y);
        leave(s);
    }
    return weigh(s, y);
}

static reel_node *many_losses(study *s)
{
    reel_node *loss[DERIVE_LONGEST], *h = zeros(s);
    for (int t = 0; t < s->length; t++) {
        h = whole_step(s, "step", t, h, row(s));
        enter(s, "loss", t);
        loss[t] = weigh(s, h);
        leave(s);
    }
    return reel_sum_of(s->length, loss);
}

/* Terms of a sum that are there twice, or are no products, and a sum that is a term of another. */
static reel_node *sums_of_sums(study *s)
{
    reel_node *term[DERIVE_LONGEST], *w = weight(s, "a", reel_dims(BATCH, HIDDEN)), *sum = zeros(s);
    for (int k = 0; k < 2; k++) {
        for (int t = 0; t < s->length; t++) {
            enter(s, k ? "second" : "first", t);
            term[t] = t % 4 == 3 ? term[t - 1] : t % 4 == 2 ? w : reel_mul(w, wide(s));
            leave(s);
        }
        if (k) {
            term[s->length / 2] = sum;
        }
        sum = reel_sum_of(s->length, term);
    }
    return reel_add(weigh(s, sum), weigh(s, reel_mul(sum, wide(s))));
}

/* Sums of products made in other blocks, with more in the block of the sum than the sum. */
static reel_node *sums_of_products(study *s)
{
    reel_node *term[DERIVE_LONGEST], *loss = reel_number(s->tape, 0);
    reel_node *w = weight(s, "w", reel_dims(HIDDEN, IN)), *v = weight(s, "v", reel_dims(HIDDEN));
    for (int k = 0; k < 3; k++) {
        for (int t = 0; t < s->length; t++) {
            enter(s, "term", t);
            reel_node *x = row(s);
            term[t] = reel_affine(k == 1 && t % 2 ? x : reel_mul(x, weight(s, "x", reel_dims(IN))),
                                  w, NULL);
            leave(s);
        }
        enter(s, "sum", k);
        reel_node *sum = reel_sum_of(s->length, term);
        reel_node *y = reel_mul(reel_mul(sum, v), wide(s));
        loss = reel_add(loss, reel_add(weigh(s, y), weigh(s, reel_add(sum, v))));
        leave(s);
    }
    return loss;
}

/* One product is a contribution to two long sums. */
static reel_node *shared_contributions(study *s)
{
    reel_node *v = weight(s, "v", reel_dims(BATCH, IN)), *w = weight(s, "w", reel_dims(BATCH, IN));
    reel_node *loss = reel_number(s->tape, 0);
    for (int t = 0; t < s->length; t++) {
        enter(s, "step", t);
        reel_node *y = reel_affine(reel_add(v, w), leaf(s, reel_dims(HIDDEN, IN)), NULL);
        loss = reel_add(loss, weigh(s, y));
        leave(s);
    }
    return loss;
}

static reel_node *only_last_loss(study *s)
{
    reel_node *h = zeros(s);
    for (int t = 0; t < s->length; t++) {
        h = whole_step(s, "step", t, h, row(s));
    }
    return weigh(s, h);
}

/* A decoder that reads every output of an encoder in every step. */
static reel_node *encoder_and_decoder(study *s)
{
    reel_node *code[DERIVE_LONGEST], *h = zeros(s), *loss[DERIVE_LONGEST];
    int T = s->length < 24 ? s->length : 24;
    for (int t = 0; t < T; t++) {
        h = code[t] = whole_step(s, "encoder", t, h, row(s));
    }
    reel_node *v = weight(s, "v", reel_dims(BATCH, HIDDEN));
    for (int t = 0; t < T; t++) {
        enter(s, "decoder", t);
        reel_node *read[DERIVE_LONGEST];
        for (int k = 0; k < T; k++) {
            read[k] = reel_mul(code[k], signs(s, reel_dims(BATCH, 1)));
        }
        h = reel_add(reel_mul(h, signs(s, reel_dims(BATCH, HIDDEN))), reel_sum_of(T, read));
        loss[t] = reel_sum(reel_mul(h, v));
        leave(s);
    }
    return reel_sum_of(T, loss);
}

/* Windows */

/* Rows of one product, each read in a step of its own, and some of them in a second layer too. */
static reel_node *unstacked(study *s)
{
    int T = s->length < 60 ? s->length : 60;
    reel_node *x = leaf(s, reel_dims(T * BATCH, IN)), *part[60], *h = zeros(s), *g = zeros(s);
    reel_node *y = reel_affine(x, weight(s, "first", reel_dims(IN, IN)), NULL);
    reel_unstack(reel_reshape(y, reel_dims(T, BATCH, IN)), T, part);
    for (int t = 0; t < T; t++) {
        h = whole_step(s, "lower", t, h, part[t]);
    }
    for (int t = 0; t < T; t++) {
        g = whole_step(s, "upper", t, g, t % 2 ? part[t] : reel_slice(h, 1, 1, 5));
    }
    return reel_add(weigh(s, h), weigh(s, g));
}

/* Slices of one value taken by the readers themselves, parts of which overlap. */
static reel_node *slices(study *s)
{
    enter(s, "source", 0);
    reel_node *x = reel_mul(weight(s, "a", reel_dims(8, 16)), leaf(s, reel_dims(8, 16)));
    leave(s);
    reel_node *y = reel_constant(s->tape, 0, reel_dims(4, 4));
    for (int t = 0; t < s->length; t++) {
        enter(s, "reader", t);
        reel_node *part = reel_slice(reel_slice(x, 0, t % 4, t % 4 + 4), 1, t % 13, t % 13 + 4);
        y = reel_add(y, reel_mul(part, leaf(s, reel_dims(4, 4))));
        leave(s);
    }
    return weigh(s, y);
}

/* Slices that cover one value once, by as many readers as there are: nothing is added up. Some of
 * them read all of it when there are odd numbers. */
static reel_node *windows_of_one(study *s)
{
    enter(s, "source", 0);
    reel_node *x = reel_mul(weight(s, "all", reel_dims(DERIVE_LONGEST, 2)),
                            weight(s, "factor", reel_dims(DERIVE_LONGEST, 2)));
    leave(s);
    reel_node *y = reel_constant(s->tape, 0, reel_dims(1, 2));
    for (int t = 0; t < s->length; t++) {
        enter(s, "reader", t);
        y = reel_add(y, reel_mul(reel_slice(x, 0, t, t + 1), leaf(s, reel_dims(1, 2))));
        if (s->length % 2 && t % 7 == 0) {
            y = reel_add(y, reel_sum_axis(x, 0, true));
        }
        leave(s);
    }
    return weigh(s, y);
}

static reel_node *stacked(study *s)
{
    reel_node *y[DERIVE_LONGEST], *h = zeros(s);
    for (int t = 0; t < s->length; t++) {
        y[t] = h = whole_step(s, "step", t, h, row(s));
    }
    reel_node *all = reel_stack(s->length, y), *both = reel_concat(1, s->length, y);
    all = reel_affine(all, weight(s, "out", reel_dims(2, HIDDEN)), NULL);
    reel_node *first = reel_slice(both, 1, 2, HIDDEN);
    reel_node *total = reel_sum_axis(reel_sum_axis(all, 0, false), 0, false);
    return reel_add(weigh(s, total), weigh(s, first));
}

/* Leaves */

/* A weight read twice by one op, by two ops of a step, and by way of two ports. */
static reel_node *leaf_twice(study *s)
{
    reel_node *w = weight(s, "square", reel_dims(IN, IN)), *y = row(s), *sum = reel_sum(y);
    for (int t = 0; t < s->length; t++) {
        enter(s, "step", t);
        reel_node *x = row(s);
        y = reel_sub(reel_matmul(x, reel_matmul(w, w)),
                     reel_mul(reel_matmul(x, w), reel_matmul(x, w)));
        sum = reel_add(sum, reel_sum(reel_add(reel_mul(y, x), reel_matmul(y, w))));
        leave(s);
    }
    return sum;
}

/* Blocks of one template: a port is a weight here, an earlier value there, one value for two ports
 * in a third place. */
static reel_node *ports_change_roles(study *s)
{
    reel_node *p[4] = {weight(s, "p", reel_dims(BATCH, HIDDEN)),
                       weight(s, "q", reel_dims(BATCH, HIDDEN)), wide(s), wide(s)};
    reel_node *loss = reel_number(s->tape, 3);
    for (int t = 0; t < s->length; t++) {
        reel_node *a = p[t % 4], *b = p[t / 4 % 4];
        enter(s, "step", t);
        reel_node *y = reel_add(reel_mul(a, signs(s, reel_dims(BATCH, HIDDEN))),
                                reel_mul(b, signs(s, reel_dims(BATCH, HIDDEN))));
        loss = reel_add(loss, weigh(s, y));
        leave(s);
        p[2 + t % 2] = t % 5 ? y : a;
    }
    return loss;
}

static reel_node *unused_weights(study *s)
{
    reel_node *h = zeros(s), *w = weight(s, "nowhere", reel_dims(3));
    reel_node *cut = weight(s, "cut", reel_dims(BATCH, HIDDEN));
    for (int t = 0; t < s->length; t++) {
        h = whole_step(s, "step", t, h, row(s));
        enter(s, "unused", t);
        reel_want(reel_mul(h, weight(s, "aside", reel_dims(HIDDEN))));
        h = reel_add(h, reel_detach(reel_mul(cut, wide(s))));
        leave(s);
    }
    reel_want(reel_scale(w, 2));
    return weigh(s, h);
}

/* A gradient that is what came in at the loss, or a value that is there already. */
static reel_node *nothing_to_compute(study *s)
{
    reel_node *a = weight(s, "a", reel_scalar_shape()), *b = weight(s, "b", reel_scalar_shape());
    reel_scope_enter(s->tape, "sum");
    reel_node *loss = reel_add(reel_add(a, b), reel_number(s->tape, 1));
    for (int t = 1; t < s->length; t++) {
        loss = reel_add(loss, reel_number(s->tape, t));
    }
    reel_scope_leave(s->tape);
    return loss;
}

static reel_node *gradient_is_a_leaf(study *s)
{
    reel_node *a = weight(s, "a", reel_scalar_shape());
    reel_node *b = weight(s, "b", reel_scalar_shape());
    reel_scope_enter(s->tape, "sum");
    reel_node *loss = reel_add(reel_mul(a, reel_number(s->tape, s->length)), reel_mul(a, b));
    for (int t = 1; t < s->length; t++) {
        loss = reel_add(loss, reel_number(s->tape, t));
    }
    reel_scope_leave(s->tape);
    return loss;
}

/* Words: i32 leaves are ports of a step, and index what a weight's rows were made into. */
static reel_node *embedded(study *s)
{
    reel_node *h = zeros(s), *loss[DERIVE_LONGEST];
    reel_node *table = weight(s, "table", reel_dims(WORDS, IN));
    for (int t = 0; t < s->length; t++) {
        enter(s, "word", t);
        reel_node *x = reel_gather(table, indices(s, WORDS, BATCH));
        x = reel_add(x, reel_gather(table, reel_argmax_axis(h, 1, false))); /* no gradient by h */
        leave(s);
        h = whole_step(s, "step", t, h, x);
        enter(s, "choice", t);
        reel_node *y = reel_pick(h, indices(s, HIDDEN, BATCH));
        loss[t] = weigh(s, reel_add(y, reel_pick(h, indices(s, HIDDEN, BATCH))));
        leave(s);
    }
    return reel_sum_of(s->length, loss);
}

/* Nodes in between */

static reel_node *between_steps(study *s)
{
    reel_node *h = zeros(s), *sum = reel_number(s->tape, 0);
    reel_node *v = weight(s, "between", reel_dims(HIDDEN));
    for (int t = 0; t < s->length; t++) {
        reel_node *early = reel_mul(h, signs(s, reel_dims(HIDDEN)));
        h = whole_step(s, "step", t, early, row(s));
        sum = reel_add(sum, weigh(s, reel_add(h, v)));
        h = t % 2 ? reel_add(h, v) : reel_neg(h);
        sum = reel_add(sum, reel_sum(early));
    }
    return sum;
}

/* Two sequences, step by step in turn, with nodes outside of scopes that belong to either. */
static reel_node *interleaved(study *s)
{
    reel_node *h[2] = {zeros(s), zeros(s)}, *loss[2] = {NULL};
    for (int t = 0; t < s->length; t++) {
        reel_node *late[2];
        for (int k = 0; k < 2; k++) {
            late[k] = reel_neg(h[k]);
        }
        for (int k = 0; k < 2; k++) {
            h[k] = whole_step(s, k ? "one" : "other", t, reel_sub(h[k], reel_scale(late[k], 2)),
                              row(s));
        }
        for (int k = 0; k < 2; k++) {
            h[k] = reel_minimum(reel_maximum(h[k], late[1 - k]), wide(s));
            reel_node *here = weigh(s, reel_add(h[k], late[k]));
            loss[k] = loss[k] ? reel_add(loss[k], here) : here;
        }
    }
    return reel_sub(loss[0], loss[1]);
}

static reel_node *loss_in_the_middle(study *s)
{
    reel_node *h = zeros(s), *loss = NULL;
    for (int t = 0; t < s->length + 3; t++) {
        h = whole_step(s, "step", t, h, row(s));
        if (t == s->length - 1) {
            enter(s, "loss", 0);
            loss = weigh(s, h);
            reel_want(reel_scale(loss, 3));
            leave(s);
        }
    }
    reel_want(h);
    return loss;
}

/* The forward pass has gradients: a penalty on their size. */
static reel_node *gradient_penalty(study *s)
{
    reel_node *x = row(s), *h = zeros(s), *dx;
    for (int t = 0; t < s->length; t++) {
        h = whole_step(s, "step", t, h, t % 3 ? row(s) : x);
    }
    if (reel_grad(weigh(s, h), 1, &x, &dx)) {
        abort();
    }
    return reel_add(reel_sum(reel_mul(dx, signs(s, reel_dims(BATCH, IN)))), weigh(s, h));
}

/* Weights that are read through something made of them. */
static reel_node *transformed_outside(study *s)
{
    reel_node *h = zeros(s), *w = weight(s, "raw", reel_dims(HIDDEN, IN));
    w = reel_mul(reel_neg(w), weight(s, "gain", reel_dims(HIDDEN, 1)));
    for (int t = 0; t < s->length; t++) {
        enter(s, "step", t);
        h = reel_add(reel_mul(h, signs(s, reel_dims(BATCH, HIDDEN))), reel_affine(row(s), w, NULL));
        leave(s);
    }
    return weigh(s, h);
}

static reel_node *transformed_inside(study *s)
{
    reel_node *h = zeros(s);
    enter(s, "transform", 0);
    reel_node *w =
        reel_mul(weight(s, "raw", reel_dims(HIDDEN, IN)), weight(s, "gain", reel_dims(HIDDEN, 1)));
    leave(s);
    for (int t = 0; t < s->length; t++) {
        enter(s, "step", t);
        h = reel_add(reel_mul(h, signs(s, reel_dims(BATCH, HIDDEN))), reel_affine(row(s), w, NULL));
        leave(s);
    }
    return weigh(s, h);
}

/* y = a bᵀ, whose rule reads its arguments by way of reel_matmul, which looks whether they are
 * transposed tensors. */

static bool similar_shape(reel_shaping *s)
{
    s->y = reel_dims(reel_node_dim(s->x[0], 0), reel_node_dim(s->x[1], 0));
    return true;
}

#define SIMILAR(REAL, name)                                                             \
    static void name(const reel_call *c)                                                \
    {                                                                                   \
        int64_t m = c->y.shape.dim[0], n = c->y.shape.dim[1], k = c->x[0].shape.dim[1]; \
        const REAL *a = c->x[0].data, *b = c->x[1].data;                                \
        REAL *y = c->y.data;                                                            \
        for (int64_t i = 0; i < m * n; i++) {                                           \
            y[i] = 0;                                                                   \
            for (int64_t l = 0; l < k; l++) {                                           \
                y[i] += a[i / n * k + l] * b[i % n * k + l];                            \
            }                                                                           \
        }                                                                               \
    }
SIMILAR(float, similar_f32)
SIMILAR(double, similar_f64)

static reel_node *similar_gradient(reel_node *y, reel_node *dy, int i)
{
    reel_node *other = reel_node_arg(y, 1 - i);
    return reel_matmul(i ? reel_transpose(dy) : dy, other);
}

static const reel_op op_similar = {.name = "similar",
                                   .arity = 2,
                                   .shape = similar_shape,
                                   .run_f32 = similar_f32,
                                   .run_f64 = similar_f64,
                                   .gradient = similar_gradient};

/* The blocks have one template, and in the first one a port is the transpose of another port. */
static reel_node *rule_sees_its_arguments(study *s)
{
    reel_node *w = weight(s, "square", reel_dims(HIDDEN, HIDDEN));
    reel_node *v = weight(s, "other", reel_dims(HIDDEN, HIDDEN)), *loss = reel_number(s->tape, 0);
    for (int t = 0; t < s->length; t++) {
        enter(s, "turned", t);
        reel_node *turned = t % 2 ? reel_transpose(w) : reel_neg(v);
        leave(s);
        enter(s, "step", t);
        reel_node *x = reel_mul(wide(s), weight(s, "a", reel_dims(HIDDEN)));
        reel_node *y = reel_apply2(REEL_HERE, &op_similar, x, turned, NULL);
        y = reel_add(y, reel_sum_axis(reel_mul(w, v), 0, false));
        loss = reel_add(loss, weigh(s, y));
        leave(s);
    }
    return loss;
}

/* y = x, and the gradient of x is g, wherever y goes: a synthetic gradient (Jaderberg et al. 2017).
 */

static bool given_shape(reel_shaping *s)
{
    s->y = reel_node_shape(s->x[0]);
    return true;
}

static void given_f32(const reel_call *c)
{
    memcpy(c->y.data, c->x[0].data, (size_t)c->y.size * sizeof(float));
}

static void given_f64(const reel_call *c)
{
    memcpy(c->y.data, c->x[0].data, (size_t)c->y.size * sizeof(double));
}

static reel_node *given_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)dy;
    return i ? reel_zero_gradient() : reel_node_arg(y, 1);
}

static const reel_op op_given = {.name = "given",
                                 .arity = 2,
                                 .flags = REEL_OP_NONLINEAR_GRADIENT,
                                 .shape = given_shape,
                                 .run_f32 = given_f32,
                                 .run_f64 = given_f64,
                                 .gradient = given_gradient};

/* The gradient is a node of the block, of another one, a leaf, a weight. Where a weight has one use
 * its gradient may be a value of the forward pass: such structures are recorded. */
static reel_node *given_gradients(study *s)
{
    reel_node *loss = reel_number(s->tape, 0), *before = wide(s);
    for (int t = 0; t < s->length; t++) {
        enter(s, "step", t);
        reel_node *v = weight(s, "v", reel_dims(BATCH, HIDDEN)), *leaf = wide(s);
        reel_node *here = reel_sub(leaf, before), *g[4] = {here, before, leaf, v};
        reel_node *x = reel_mul(wide(s), weight(s, "w", reel_dims(BATCH, HIDDEN)));
        reel_node *y = reel_apply2(REEL_HERE, &op_given, t % 3 ? x : v, g[t / 2 % 4], NULL);
        loss = reel_add(loss, reel_sum(y));
        leave(s);
        before = reel_add(wide(s), reel_number(s->tape, t % 2));
    }
    return loss;
}

/* Models */

static reel_node *lstm(study *s)
{
    reel_node *y[DERIVE_LONGEST], *loss[DERIVE_LONGEST];
    unroll(s, cell_of(s, 0, &reel_lstm, IN), s->length, y);
    for (int t = 0; t < s->length; t++) {
        loss[t] = reel_sum(reel_square(reel_linear(s->params, "out", 2, y[t])));
    }
    return reel_sum_of(s->length, loss);
}

/* Whose steps read rows of a weight. */
static reel_node *gru(study *s)
{
    reel_node *y[DERIVE_LONGEST];
    unroll(s, cell_of(s, 0, &reel_gru, IN), s->length, y);
    return reel_mean(reel_square(reel_stack(s->length, y)));
}

static reel_node *two_layers_with_dropout(study *s)
{
    if (!s->cell[0]) {
        s->cell[0] = reel_layers_with(
            &(reel_cell_args){
                .params = s->params, .name = "net", .type = &reel_lstm, .in = IN, .hidden = HIDDEN},
            2, 0.25);
    }
    reel_node *y[DERIVE_LONGEST];
    unroll(s, s->cell[0], s->length, y);
    return reel_mean(reel_square(reel_stack(s->length, y)));
}

/* Sequences of different lengths, one by one, over words, with a loss at each of their steps. */
static reel_node *ragged(study *s)
{
    reel_node *loss[DERIVE_LONGEST];
    int n = 0, sequences = 2 + s->length % 5;
    for (int k = 0; k < sequences; k++) {
        reel_node *y[DERIVE_LONGEST];
        int T = 1 + (7 * k + s->length) % 11;
        for (int t = 0; t < T; t++) {
            y[t] = reel_embedding(s->params, "words", WORDS, IN, indices(s, WORDS, 1));
        }
        if (reel_unroll(cell_of(s, 0, &reel_lstm, IN), T, y, NULL, y)) {
            abort();
        }
        for (int t = 0; t < T; t++) {
            reel_node *logits = reel_linear(s->params, "out", WORDS, y[t]);
            loss[n++] = reel_cross_entropy(logits, indices(s, WORDS, 1));
        }
    }
    return reel_sum_of(n, loss);
}

/* Forwards and backwards in time, and a product of what both give. */
static reel_node *both_directions(study *s)
{
    reel_node *x[DERIVE_LONGEST], *y[2][DERIVE_LONGEST], *part[DERIVE_LONGEST];
    int T = s->length;
    for (int t = 0; t < T; t++) {
        x[t] = y[0][t] = y[1][T - 1 - t] = row(s);
    }
    for (int k = 0; k < 2; k++) {
        if (reel_unroll(cell_of(s, k, &reel_rnn, IN), T, y[k], NULL, y[k])) {
            abort();
        }
    }
    for (int t = 0; t < T; t++) {
        reel_node *both[3] = {y[0][t], y[1][T - 1 - t], x[t]};
        part[t] = reel_tanh(reel_linear(s->params, "join", 3, reel_concat(1, 3, both)));
    }
    return weigh(s, reel_sum_of(T, part));
}

/* Attention over all outputs of an encoder in every step of a decoder. */
static reel_node *attention(study *s)
{
    int T = s->length < 24 ? s->length : 24;
    reel_node *code[DERIVE_LONGEST], *loss[DERIVE_LONGEST], *y = zeros(s);
    unroll(s, cell_of(s, 0, &reel_lstm, IN), T, code);
    reel_state state = reel_state_zero(s->tape, cell_of(s, 1, &reel_rnn, HIDDEN), BATCH);
    for (int t = 0; t < T; t++) {
        enter(s, "attention", t);
        reel_node *score[DERIVE_LONGEST], *read[DERIVE_LONGEST];
        for (int k = 0; k < T; k++) {
            score[k] = reel_sum_axis(reel_mul(code[k], y), 1, true);
        }
        reel_node *a = reel_softmax(reel_concat(1, T, score), 1);
        for (int k = 0; k < T; k++) {
            read[k] = reel_mul(code[k], reel_slice(a, 1, k, k + 1));
        }
        reel_node *context = reel_sum_of(T, read);
        leave(s);
        y = reel_step_once(cell_of(s, 1, &reel_rnn, HIDDEN), t, context, &state);
        loss[t] = weigh(s, y);
    }
    return reel_sum_of(T, loss);
}

/* Weight normalisation of a recurrent weight (Salimans & Kingma 2016): w = g v/‖v‖. */
static reel_node *weight_norm(study *s)
{
    reel_node *v = weight(s, "v", reel_dims(HIDDEN, HIDDEN)), *h = wide(s), *loss[DERIVE_LONGEST];
    reel_node *w = reel_mul(weight(s, "g", reel_dims(HIDDEN, 1)),
                            reel_div(v, reel_norm_axis(reel_shift(v, 3), 1, true)));
    for (int t = 0; t < s->length; t++) {
        enter(s, "step", t);
        h = reel_tanh(reel_add(reel_affine(h, w, NULL), wide(s)));
        leave(s);
        loss[t] = weigh(s, h);
    }
    return reel_sum_of(s->length, loss);
}

/* The same inside of a scope, through reel_bind. */
static reel_node *weight_norm_bound(study *s)
{
    reel_init init = {REEL_INIT_CONSTANT, 1, 0};
    reel_param *p = reel_params_get(s->params, "w", reel_dims(HIDDEN, HIDDEN), init, 0);
    enter(s, "norm", 0);
    reel_node *v = weight(s, "v", reel_dims(HIDDEN, HIDDEN)), *h = wide(s), *loss[DERIVE_LONGEST];
    reel_node *w = reel_mul(weight(s, "g", reel_dims(HIDDEN, 1)),
                            reel_div(v, reel_norm_axis(reel_shift(v, 3), 1, true)));
    leave(s);
    if (reel_bind(s->tape, p, w)) {
        abort();
    }
    for (int t = 0; t < s->length; t++) {
        enter(s, "step", t);
        h = reel_tanh(reel_add(reel_affine(h, reel_use(s->tape, p), NULL), wide(s)));
        loss[t] = weigh(s, h);
        leave(s);
    }
    return reel_sum_of(s->length, loss);
}

/* A tree whose shape depends on the length. */
static reel_node *branch(study *s, int leaves)
{
    if (leaves < 2) {
        return row(s);
    }
    reel_scope_enter(s->tape, "branch");
    reel_node *part[2] = {branch(s, leaves / 2), branch(s, leaves - leaves / 2)};
    reel_node *y =
        reel_tanh(reel_affine(reel_concat(1, 2, part), weight(s, "tree", reel_dims(IN, 2 * IN)),
                              weight(s, "shift", reel_dims(IN))));
    reel_scope_leave(s->tape);
    return y;
}

static reel_node *tree(study *s)
{
    return weigh(s, branch(s, s->length + 1));
}

const derive_program derive_programs[] = {
    {"read by all", read_by_all, true, BY_BLOCKS},
    {"read by all and passed on", read_by_all_and_passed_on, true, BY_BLOCKS},
    {"many losses", many_losses, true, BY_BLOCKS},
    {"sums of sums", sums_of_sums, true, BY_BLOCKS},
    {"sums of products", sums_of_products, true, BY_BLOCKS},
    {"shared contributions", shared_contributions, true, BY_BLOCKS},
    {"given gradients", given_gradients, true, ANY_WAY},
    {"only the last loss", only_last_loss, true, BY_BLOCKS},
    {"encoder and decoder", encoder_and_decoder, true, BY_BLOCKS},
    {"unstacked", unstacked, true, BY_BLOCKS},
    {"slices", slices, true, BY_BLOCKS},
    {"windows of one", windows_of_one, true, BY_BLOCKS},
    {"stacked", stacked, true, BY_BLOCKS},
    {"leaf twice", leaf_twice, true, BY_BLOCKS},
    {"ports change roles", ports_change_roles, true, BY_BLOCKS},
    {"unused weights", unused_weights, true, BY_BLOCKS},
    {"nothing to compute", nothing_to_compute, true, BY_BLOCKS},
    {"gradient is a leaf", gradient_is_a_leaf, true, BY_BLOCKS},
    {"embedded", embedded, true, BY_BLOCKS},
    {"between steps", between_steps, true, BY_BLOCKS},
    {"interleaved", interleaved, true, BY_BLOCKS},
    {"loss in the middle", loss_in_the_middle, true, BY_BLOCKS},
    {"gradient penalty", gradient_penalty, true, BY_BLOCKS},
    {"transformed outside", transformed_outside, true, ANY_WAY},
    {"transformed inside", transformed_inside, true, BY_BLOCKS},
    {"rule sees its arguments", rule_sees_its_arguments, true, BY_BLOCKS},
    {"lstm", lstm, false, BY_BLOCKS},
    {"gru", gru, false, ANY_WAY},
    {"two layers with dropout", two_layers_with_dropout, false, BY_BLOCKS},
    {"ragged", ragged, false, BY_BLOCKS},
    {"both directions", both_directions, false, BY_BLOCKS},
    {"attention", attention, false, BY_BLOCKS},
    {"weight norm", weight_norm, false, ANY_WAY},
    {"weight norm, bound", weight_norm_bound, false, BY_BLOCKS},
    {"tree", tree, false, BY_BLOCKS},
    {NULL, NULL, false, BY_BLOCKS},
};
