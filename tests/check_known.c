/* Blocks that are known are not taken apart: the plans and bits are those of a tape that takes all
 * apart, whatever differs between a block and the one it is taken for. */
#include <stdlib.h>
#include <string.h>

#include <reel/reel.h>

#include "../src/plan.h"
#include "suite.h"
#include "written.h"

enum { WIDE = 4, MOST_ROOTS = 8, MOST_STEPS = 12, MOST_ADDENDS = 24, ROUNDS = 12, DRAWN = 100 };

/* One recording: what differs from round to round is up to it. */
typedef struct recording {
    reel_tape *tape;
    reel_params *params;
    reel_param *w, *u;
    int round;
    uint64_t seed;               /* of drawn programs */
    reel_node *root[MOST_ROOTS]; /* the first is the loss */
    int roots;
} recording;

static reel_node *leaf(const recording *r, int rows, int columns, int which)
{
    double v[WIDE * WIDE * 2];
    for (int i = 0; i < rows * columns; i++) {
        v[i] = (double)((i * 37 + which * 11) % 17) / 17 - 0.4;
    }
    return reel_input(r->tape, REEL_F64, v, reel_dims(rows, columns));
}

static void add_root(recording *r, reel_node *x)
{
    ck_assert_int_lt(r->roots, MOST_ROOTS);
    r->root[r->roots++] = x;
}

static reel_node *cell(const recording *r, reel_node *x, reel_node *h)
{
    reel_node *z =
        reel_add(reel_matmul(x, reel_use(r->tape, r->w)), reel_matmul(h, reel_use(r->tape, r->u)));
    reel_node *f = reel_sigmoid(reel_slice(z, 1, 0, WIDE));
    return reel_add(reel_mul(f, h), reel_tanh(reel_slice(z, 1, WIDE, 2 * WIDE)));
}

static reel_node *sequence(const recording *r, int steps, reel_node **all)
{
    reel_node *h = leaf(r, 1, WIDE, 0);
    for (int t = 0; t < steps; t++) {
        reel_node *x = leaf(r, 1, WIDE, t + 1);
        reel_scope_enter(r->tape, "step");
        h = cell(r, x, h);
        reel_scope_leave(r->tape);
        if (all) {
            all[t] = h;
        }
    }
    return h;
}

static void lengths(recording *r)
{
    add_root(r, reel_sum(sequence(r, 2 + r->round * 5 % 9, NULL)));
}

static void ragged(recording *r)
{
    reel_node *last[3];
    for (int s = 0; s < 3; s++) {
        last[s] = reel_sum(sequence(r, 1 + (r->round * 7 + s * 5) % 6, NULL));
    }
    add_root(r, reel_sum_of(3, last));
}

/* What is asked for of a step: its state, more of it in some rounds. */
static void asked(recording *r)
{
    reel_node *all[MOST_STEPS], *h = sequence(r, 6, all);
    add_root(r, reel_sum(r->round % 3 == 1 ? reel_stack(6, all) : h));
    if (r->round % 4 == 2) {
        add_root(r, all[3]);
    }
    if (r->round % 5 == 3) {
        reel_want(all[2]);
    }
}

/* Nodes of another scope between those of a step, needed or not. */
static void divided(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1);
    for (int t = 0; t < 6; t++) {
        bool needed = r->round % 3 == 1 || (r->round % 3 == 2 && t % 2);
        reel_scope_enter(r->tape, "step");
        reel_node *a = reel_tanh(h);
        reel_scope_enter(r->tape, "inner");
        reel_node *b = reel_sin(a);
        reel_scope_leave(r->tape);
        reel_node *c = reel_mul(a, needed ? b : h);
        h = reel_add(c, a);
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* The same nodes, and one of another scope between them that is asked for by itself at times. */
static void between(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1), *other = NULL;
    for (int t = 0; t < 6; t++) {
        reel_scope_enter(r->tape, "step");
        reel_node *a = reel_tanh(h);
        reel_scope_enter(r->tape, "inner");
        reel_node *b = reel_sin(t == 4 ? h : a);
        reel_scope_leave(r->tape);
        h = reel_add(a, h);
        reel_scope_leave(r->tape);
        other = t == 4 || (t == 2 && r->round % 2) ? b : other;
    }
    add_root(r, r->round % 3 == 2 ? reel_sum(reel_add(h, other)) : reel_sum(h));
}

/* The same nodes, in one scope or in two. */
static void ending(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1);
    for (int t = 0; t < 6; t++) {
        reel_scope_enter(r->tape, "step");
        reel_node *a = reel_tanh(h);
        if ((t + r->round) % 5 == 3) {
            reel_scope_leave(r->tape);
            reel_scope_enter(r->tape, "step");
        }
        h = reel_add(a, h);
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* Different ones of a block's nodes are asked for: patterns of some of them fit where others are
 * needed, too. */
static void some(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1);
    int which = r->round < 6 ? r->round % 2 : 2;
    reel_scope_enter(r->tape, "step");
    reel_node *a = reel_tanh(h), *b = reel_sin(a), *c = reel_add(a, h);
    reel_scope_leave(r->tape);
    add_root(r, reel_sum(reel_add(a, which ? b : c)));
    if (which == 2) {
        add_root(r, a);
        add_root(r, c);
    }
}

/* A leaf amid a step, or something computed in its place; or the step's first half has a value
 * already. */
static void halves(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1);
    for (int t = 0; t < 6; t++) {
        int kind = (t + r->round) % 4;
        reel_scope_enter(r->tape, "step");
        reel_node *a = reel_tanh(h);
        if (kind == 1 && r->round % 3 == 1) {
            ck_assert_int_eq(reel_eval(1, &a), REEL_OK);
        }
        reel_node *b = kind == 2 ? reel_sin(h) : leaf(r, 1, WIDE, 2);
        h = reel_add(reel_mul(a, b), h);
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* Long sums in scopes, of terms that are added in place and of others. */
static void sums(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1);
    for (int t = 0; t < 4; t++) {
        reel_node *term[5];
        for (int i = 0; i < 5; i++) {
            reel_scope_enter(r->tape, "term");
            reel_node *v = reel_tanh(reel_scale(h, i + 1.0));
            term[i] = (t + r->round) % 3 ? reel_tanh(v) : reel_matmul(v, leaf(r, WIDE, WIDE, i));
            reel_scope_leave(r->tape);
        }
        reel_scope_enter(r->tape, "sum");
        h = reel_sum_of(5, term);
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* Both arguments of a step are one node at times. */
static void coinciding(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1), *g = leaf(r, 1, WIDE, 2);
    for (int t = 0; t < 6; t++) {
        reel_node *x = (t + r->round) % 3 == 1 ? h : g;
        reel_scope_enter(r->tape, "step");
        reel_node *next = reel_mul(reel_tanh(reel_add(h, x)), reel_sub(x, h));
        h = reel_add(next, h);
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* A step by a weight, or by an input or a value in its place. */
static void weights(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1);
    for (int t = 0; t < 6; t++) {
        int kind = (t / 2 + r->round) % 3;
        reel_node *w = kind == 0   ? reel_slice(reel_use(r->tape, r->w), 1, 0, WIDE)
                       : kind == 1 ? leaf(r, WIDE, WIDE, 3)
                                   : reel_tanh(leaf(r, WIDE, WIDE, 3));
        reel_scope_enter(r->tape, "step");
        h = reel_tanh(reel_matmul(h, w));
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* Products of steps that are added up, in place where nobody else reads them. */
static void added(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1), *term[6];
    for (int t = 0; t < 6; t++) {
        reel_scope_enter(r->tape, "step");
        h = reel_tanh(h);
        term[t] = reel_matmul(h, reel_use(r->tape, r->w));
        reel_scope_leave(r->tape);
    }
    add_root(r, r->round % 3 ? reel_sum(reel_sum_of(6, term))
                             : reel_sum(reel_add(term[5], reel_mul(term[4], term[3]))));
}

/* Products that are added up, and read by steps at times. */
static void shared(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1), *term[6];
    for (int t = 0; t < 6; t++) {
        term[t] = reel_matmul(leaf(r, 1, WIDE, t), reel_slice(reel_use(r->tape, r->w), 1, 0, WIDE));
        reel_scope_enter(r->tape, "step");
        h = reel_tanh(reel_add((t + r->round) % 3 ? term[t] : leaf(r, 1, WIDE, 3), h));
        reel_scope_leave(r->tape);
    }
    reel_scope_enter(r->tape, "sum"); /* so that it is one of terms from elsewhere */
    reel_node *sum = reel_sum_of(6, term);
    reel_scope_leave(r->tape);
    add_root(r, reel_sum(reel_add(sum, h)));
}

/* Likewise windows of a sum. */
static void parts(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1), *term[6];
    for (int t = 0; t < 6; t++) {
        reel_scope_enter(r->tape, "step");
        h = reel_tanh(h);
        term[t] = reel_pad(h, 0, t, 5 - t);
        reel_scope_leave(r->tape);
    }
    add_root(r, r->round % 3 ? reel_sum(reel_square(reel_sum_of(6, term)))
                             : reel_sum(reel_add(term[5], reel_mul(term[4], term[3]))));
}

/* Part of it has been evaluated before the rest is recorded. */
static void pieces(recording *r)
{
    reel_node *all[MOST_STEPS];
    sequence(r, 5, all);
    if (r->round % 2) {
        reel_node *early = all[r->round % 5];
        ck_assert_int_eq(reel_eval(1, &early), REEL_OK);
    }
    reel_node *h = all[4];
    for (int t = 0; t < 4; t++) {
        reel_scope_enter(r->tape, "step");
        reel_node *inside = reel_constant(r->tape, 0.5, reel_dims(1, WIDE));
        h = cell(r, (t + r->round) % 3 ? inside : all[t], h);
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* The same, and the step reads them, too. */
static void parts_read(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1), *term[6];
    for (int t = 0; t < 6; t++) {
        reel_scope_enter(r->tape, "step");
        h = reel_tanh(h);
        term[t] = reel_pad(h, 0, t, 5 - t);
        h = reel_add(h, reel_slice(term[t], 0, t, t + 1));
        reel_scope_leave(r->tape);
    }
    for (int i = 0; i < r->round; i++) { /* another graph each time */
        h = reel_sin(h);
    }
    reel_scope_enter(r->tape, "sum");
    reel_node *sum = reel_sum_of(6, term);
    reel_scope_leave(r->tape);
    add_root(r, reel_sum(reel_add(h, reel_square(sum))));
}

/* A sum in a scope, of parts or of products. */
static void parts_or_not(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1), *term[6];
    for (int t = 0; t < 6; t++) {
        reel_scope_enter(r->tape, "step");
        h = reel_tanh(h);
        reel_node *rows = reel_mul(leaf(r, 6, WIDE, 4), h);
        term[t] = r->round % 3 == 2 ? reel_matmul(rows, leaf(r, WIDE, WIDE, 2))
                                    : reel_pad(h, 0, t, 5 - t);
        reel_scope_leave(r->tape);
    }
    reel_scope_enter(r->tape, "sum");
    reel_node *sum = reel_tanh(reel_sum_of(6, term));
    reel_scope_leave(r->tape);
    add_root(r, reel_sum(reel_square(sum)));
}

/* A sum whose terms are of another scope, or of its own, with a value already. */
static void sum_inside(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1);
    for (int t = 0; t < 6; t++) {
        reel_node *term[5];
        bool apart = (t / 2 + r->round) % 3 == 2;
        reel_scope_enter(r->tape, apart ? "terms" : "step");
        for (int i = 0; i < 5; i++) {
            term[i] = reel_matmul(h, leaf(r, WIDE, WIDE, i));
        }
        if (apart) {
            reel_scope_leave(r->tape);
            reel_scope_enter(r->tape, "step");
        } else {
            ck_assert_int_eq(reel_eval(5, term), REEL_OK);
        }
        h = reel_add(reel_sin(h), reel_sum_of(5, term));
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

static void attributes(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1);
    for (int t = 0; t < 6; t++) {
        reel_scope_enter(r->tape, "step");
        h = reel_tanh(reel_scale(h, (t + r->round) % 3 ? 0.5 : 0.25));
        h = reel_add(h, reel_slice(reel_concat(1, 2, ((reel_node *[]){h, h})), 1,
                                   (t * r->round) % 3, (t * r->round) % 3 + WIDE));
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* More nodes, or more of what they read, than a pattern has. */
static void large(recording *r)
{
    reel_node *h = leaf(r, 1, WIDE, 1), *x[70];
    for (int i = 0; i < 70; i++) {
        x[i] = leaf(r, 1, WIDE, i);
    }
    for (int t = 0; t < 5; t++) {
        reel_scope_enter(r->tape, "long");
        for (int i = 0; i < 60 + r->round % 3 * 4; i++) {
            h = reel_tanh(h);
        }
        reel_scope_leave(r->tape);
        reel_scope_enter(r->tape, "wide");
        reel_node *y = reel_concat(1, 62 + r->round % 3 * 4, x);
        h = reel_add(h, reel_slice(y, 1, 4, 4 + WIDE));
        reel_scope_leave(r->tape);
    }
    add_root(r, reel_sum(h));
}

/* Steps of other shapes. */
static void shapes(recording *r)
{
    for (int s = 0; s < 2; s++) {
        int rows = 1 + (r->round + s) % 3;
        reel_node *h = leaf(r, rows > 2 ? 2 : rows, WIDE, 1);
        for (int t = 0; t < 4; t++) {
            reel_scope_enter(r->tape, "step");
            h = reel_tanh(
                reel_add(h, leaf(r, (t + r->round) % 2 ? 1 : (rows > 2 ? 2 : rows), WIDE, 2)));
            reel_scope_leave(r->tape);
        }
        add_root(r, reel_sum(h));
    }
    r->root[0] = reel_add(r->root[0], r->root[1]);
}

/* Nodes of a drawn program that may be added up. */
typedef struct addends {
    reel_node *part[MOST_ADDENDS], *product[MOST_ADDENDS];
    int parts, products;
} addends;

/* One node of a step, of nodes of the step or before it. */
static reel_node *draw_node(recording *r, uint64_t op, reel_node *a, reel_node *b, int *depth,
                            addends *all)
{
    switch (op) {
    case 0:
        return reel_add(a, b);
    case 1:
        return reel_mul(a, b);
    case 2:
        return reel_sin(a);
    case 3:
        return reel_add(a, leaf(r, 1, WIDE, 5));
    case 4:
        reel_scope_enter(r->tape, "inner");
        (*depth)++;
        return reel_tanh(a);
    case 5:
        if (*depth) {
            reel_scope_leave(r->tape);
            (*depth)--;
        }
        return reel_sub(a, b);
    case 6:
    case 7:
        if (all->parts < MOST_ADDENDS) {
            int at = all->parts % 6;
            reel_node *part = all->part[all->parts++] = reel_pad(a, 0, at, 5 - at);
            return op == 6 ? reel_sigmoid(a) : reel_slice(part, 0, at, at + 1);
        }
        return reel_sigmoid(b);
    case 8:
    case 9:
        if (all->products < MOST_ADDENDS) {
            reel_node *w =
                op == 8 ? leaf(r, WIDE, WIDE, 3) : reel_slice(reel_use(r->tape, r->w), 1, 0, WIDE);
            return all->product[all->products++] = reel_matmul(a, w);
        }
        return reel_tanh(b);
    case 10:
        return all->products < 5 ? reel_tanh(a) : reel_sum_of(5, all->product);
    case 11:
        return reel_sum_of(4, ((reel_node *[]){a, b, a, b}));
    default:
        return reel_tanh(reel_scale(a, 0.5));
    }
}

/* Steps of two kinds that are drawn by the seed, and what differs by the round as well. */
static void drawn(recording *r)
{
    enum { KINDS = 2, OPS = 13, SELDOM = 30, MOST_LOCAL = 16 };
    reel_random change = reel_random_new(r->seed, 100 + (uint64_t)r->round);
    reel_node *h[2] = {leaf(r, 1, WIDE, 0), leaf(r, 1, WIDE, 1)}, *loss;
    addends all = {.parts = 0};
    const uint64_t steps = 3 + reel_random_below(&change, 8);
    for (uint64_t t = 0; t < steps; t++) {
        uint64_t kind =
            reel_random_below(&change, 4) ? t % KINDS : reel_random_below(&change, KINDS);
        reel_random rule = reel_random_new(r->seed, kind);
        reel_node *x[MOST_LOCAL] = {h[0], h[1], leaf(r, 1, WIDE, (int)t)};
        uint64_t n = 3, nodes = 2 + reel_random_below(&rule, MOST_LOCAL - 5);
        int depth = reel_random_below(&rule, 8) > 0;
        if (depth) {
            reel_scope_enter(r->tape, "step");
        }
        for (; n < 3 + nodes; n++) {
            uint64_t op = reel_random_below(&rule, OPS), j = reel_random_below(&rule, n);
            uint64_t i = reel_random_below(&rule, 2) ? n - 1 : reel_random_below(&rule, n);
            if (reel_random_below(&change, SELDOM) == 0) {
                op = reel_random_below(&change, OPS);
                i = reel_random_below(&change, n);
            }
            x[n] = draw_node(r, op, x[i], x[j], &depth, &all);
            uint64_t what = reel_random_below(&change, 4 * SELDOM);
            if (what == 0) {
                reel_want(x[n]);
            } else if (what == 1) {
                ck_assert_int_eq(reel_eval(1, &x[n]), REEL_OK);
            } else if (what == 2 && r->roots < 3) {
                add_root(r, x[n]);
            }
        }
        while (depth-- > 0) {
            reel_scope_leave(r->tape);
        }
        h[1] = h[0];
        h[0] = x[n - 1];
    }
    loss = reel_sum(reel_add(h[0], h[1]));
    reel_scope_enter(r->tape, "sums");
    if (all.parts >= 5 && reel_random_below(&change, 3)) {
        loss = reel_add(loss, reel_sum(reel_tanh(reel_sum_of(5, all.part))));
    }
    if (all.products >= 4 && reel_random_below(&change, 3)) {
        loss = reel_add(loss, reel_sum(reel_tanh(reel_sum_of(4, all.product))));
    }
    reel_scope_leave(r->tape);
    add_root(r, r->roots ? r->root[0] : loss);
    r->root[0] = loss;
}

static const struct {
    const char *name;
    void (*record)(recording *r);
} programs[] = {
    {"lengths", lengths},       {"ragged", ragged},
    {"asked", asked},           {"divided", divided},
    {"between", between},       {"ending", ending},
    {"halves", halves},         {"sums", sums},
    {"coinciding", coinciding}, {"weights", weights},
    {"added", added},           {"shared", shared},
    {"parts", parts},           {"pieces", pieces},
    {"attributes", attributes}, {"some", some},
    {"parts_read", parts_read}, {"parts_or_not", parts_or_not},
    {"sum_inside", sum_inside}, {"large", large},
    {"shapes", shapes},
};
enum { PROGRAMS = sizeof programs / sizeof *programs };

typedef enum goal { VALUES, INFERENCE, NUMBERS, NODES, GOALS } goal;

/* Whatever is asked for of the recording, as numbers behind each other. */
static int reach(recording *r, goal g, double *out)
{
    reel_node *w[2] = {reel_use(r->tape, r->w), reel_use(r->tape, r->u)};
    const void *gradient[2];
    int n = 0;
    if (g == NUMBERS) {
        ck_assert_msg(reel_gradients(r->root[0], 2, w, gradient) == REEL_OK, "%s",
                      reel_tape_message(r->tape));
        for (int k = 0; k < 2; k++) {
            memcpy(out + n, gradient[k], 2 * WIDE * WIDE * sizeof *out);
            n += 2 * WIDE * WIDE;
        }
        return n;
    }
    if (g == NODES) {
        reel_node *dx[2];
        ck_assert_int_eq((int)reel_grad(r->root[0], 2, w, dx), 0);
        add_root(r, dx[0]);
        add_root(r, dx[1]);
    }
    ck_assert_msg(reel_eval((size_t)r->roots, r->root) == REEL_OK, "%s",
                  reel_tape_message(r->tape));
    for (int i = 0; i < r->roots; i++) {
        size_t size = (size_t)reel_shape_size(reel_node_shape(r->root[i]));
        memcpy(out + n, reel_data(r->root[i]), size * sizeof *out);
        n += (int)size;
    }
    return n;
}

static recording begin(unsigned passes, goal g)
{
    const reel_init start = {.kind = REEL_INIT_UNIFORM, .a = -1, .b = 1};
    recording r = {.params = reel_params_new(REEL_F64, 1)};
    r.w = reel_params_get(r.params, "w", reel_dims(WIDE, 2 * WIDE), start, 0);
    r.u = reel_params_get(r.params, "u", reel_dims(WIDE, 2 * WIDE), start, 0);
    r.tape = reel_tape_new(1, .dtype = REEL_F64, .on_error = reel_print_and_exit,
                           .executor = REEL_COMPILED, .inference = g == INFERENCE);
    reel__tape_set_passes(r.tape, passes);
    return r;
}

/* Gives how many blocks were known. */
static uint64_t same_with(const char *name, void (*record)(recording *r), uint64_t seed, goal g,
                          unsigned passes)
{
    recording r[2];
    for (int k = 0; k < 2; k++) {
        r[k] = begin(k ? passes : passes & ~(unsigned)REEL__PASS_KNOWN, g);
    }
    for (int round = 0; round < ROUNDS; round++) {
        double out[2][512];
        int n[2];
        char *dump[2];
        for (int k = 0; k < 2; k++) {
            reel_tape_reset(r[k].tape);
            r[k].round = round;
            r[k].roots = 0;
            r[k].seed = seed;
            record(&r[k]);
            n[k] = reach(&r[k], g, out[k]);
            dump[k] = written(r[k].tape, reel_plan_dump_at);
        }
        ck_assert_msg(strcmp(dump[0], dump[1]) == 0,
                      "%s %llu, round %d, goal %d: taken apart\n%.1500s\nknown\n%.1500s", name,
                      (unsigned long long)seed, round, (int)g, dump[0], dump[1]);
        ck_assert_int_eq(n[0], n[1]);
        ck_assert_msg(memcmp(out[0], out[1], (size_t)n[0] * sizeof out[0][0]) == 0,
                      "%s %llu, round %d, goal %d: other bits", name, (unsigned long long)seed,
                      round, (int)g);
        free(dump[0]);
        free(dump[1]);
    }
    ck_assert_msg(reel__compiled_of(r[0].tape)->known == 0, "%s: known without the pass", name);
    const uint64_t known = reel__compiled_of(r[1].tape)->known;
    ck_assert_msg(reel_plan_statistics(r[0].tape).plans == reel_plan_statistics(r[1].tape).plans,
                  "%s: another number of plans", name);
    for (int k = 0; k < 2; k++) {
        reel_tape_free(r[k].tape);
        reel_params_free(r[k].params);
    }
    return known;
}

START_TEST(plans_and_bits)
{
    const int i = _i / GOALS;
    uint64_t known =
        same_with(programs[i].name, programs[i].record, 0, (goal)(_i % GOALS), REEL__PASS_ALL);
    ck_assert_msg(known > 0, "%s: no block was known", programs[i].name);
}
END_TEST

START_TEST(alone)
{
    same_with(programs[_i].name, programs[_i].record, 0, NUMBERS, REEL__PASS_KNOWN);
}
END_TEST

START_TEST(drawn_programs)
{
    const uint64_t programs_drawn = getenv("REEL_TEST_SLOW") ? DRAWN / 10 : DRAWN;
    uint64_t known = 0;
    for (uint64_t seed = 1; seed <= programs_drawn; seed++) {
        known += same_with("drawn", drawn, seed, (goal)_i, REEL__PASS_ALL);
    }
    ck_assert_uint_gt(known, 10 * programs_drawn);
}
END_TEST

/* Of steps that were seen in twos or more, no other is taken apart again. */
START_TEST(next_lengths_are_known)
{
    recording r = begin(REEL__PASS_ALL, NUMBERS);
    double out[512];
    uint64_t before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        reel_tape_reset(r.tape);
        r.round = round;
        r.roots = 0;
        add_root(&r, reel_sum(sequence(&r, 5 + round, NULL)));
        before = reel__compiled_of(r.tape)->known;
        reach(&r, NUMBERS, out);
    }
    ck_assert_int_eq((int)(reel__compiled_of(r.tape)->known - before), 5 + ROUNDS - 1);
    reel_tape_free(r.tape);
    reel_params_free(r.params);
}
END_TEST

/* What is kept is no reason to take a step apart that was seen in all ways. */
START_TEST(values_and_gradients_in_turn)
{
    recording r = begin(REEL__PASS_ALL, VALUES);
    double out[512];
    for (int round = 0; round < 2 * ROUNDS; round++) {
        const int steps = 5 + round / 2;
        reel_tape_reset(r.tape);
        r.round = round;
        r.roots = 0;
        add_root(&r, reel_sum(sequence(&r, steps, NULL)));
        const uint64_t before = reel__compiled_of(r.tape)->known;
        reach(&r, round % 2 ? VALUES : NUMBERS, out);
        const int known = (int)(reel__compiled_of(r.tape)->known - before);
        ck_assert_msg(round < 4 || known == steps, "round %d: %d of %d steps", round, known, steps);
    }
    reel_tape_free(r.tape);
    reel_params_free(r.params);
}
END_TEST

/* Many kinds of steps that end alike, in any order. */
START_TEST(kinds_that_end_alike)
{
    enum { KINDS = 16, STEPS = 40 };
    recording r = begin(REEL__PASS_ALL, VALUES);
    reel_random random = reel_random_new(1, 1);
    uint64_t before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        reel_tape_reset(r.tape);
        reel_node *h = leaf(&r, 1, WIDE, 1);
        before = reel__compiled_of(r.tape)->known;
        for (int t = 0; t < STEPS; t++) {
            reel_scope_enter(r.tape, "step");
            h = reel_tanh(reel_scale(h, 1 + 0.1 * (double)reel_random_below(&random, KINDS)));
            reel_scope_leave(r.tape);
        }
        ck_assert_int_eq(reel_eval(1, &h), REEL_OK);
    }
    ck_assert_int_ge((int)(reel__compiled_of(r.tape)->known - before),
                     STEPS - 1); /* the last is kept */
    reel_tape_free(r.tape);
    reel_params_free(r.params);
}
END_TEST

/* Structures that never come back do not pile up, and what is known is found after they went. */
START_TEST(bounded)
{
    recording r = begin(REEL__PASS_ALL, VALUES);
    uint64_t before = 0;
    for (int round = 0; round < 3 * REEL__MOST_PATTERNS; round++) {
        reel_tape_reset(r.tape);
        reel_node *h = leaf(&r, 1, WIDE, 1);
        before = reel__compiled_of(r.tape)->known;
        int kind =
            round / 2 - round % 2; /* each twice, but not in a row: that is not taken apart */
        for (int t = 0; t < 4; t++) {
            reel_scope_enter(r.tape, "step");
            h = reel_tanh(reel_scale(h, 1 + 1e-3 * kind));
            reel_scope_leave(r.tape);
        }
        ck_assert_int_eq(reel_eval(1, &h), REEL_OK);
        ck_assert_uint_le(reel__compiled_of(r.tape)->patterns, REEL__MOST_PATTERNS);
    }
    ck_assert_uint_gt(reel__compiled_of(r.tape)->known, before);
    reel_tape_free(r.tape);
    reel_params_free(r.params);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("known");
    TCase *all = tcase_create("known");
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, plans_and_bits, 0, PROGRAMS * GOALS);
    tcase_add_loop_test(all, alone, 0, PROGRAMS);
    tcase_add_loop_test(all, drawn_programs, 0, GOALS);
    tcase_add_test(all, next_lengths_are_known);
    tcase_add_test(all, values_and_gradients_in_turn);
    tcase_add_test(all, kinds_that_end_alike);
    tcase_add_test(all, bounded);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
