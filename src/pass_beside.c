/* Pass: beside. Products that are added up elsewhere and have the same left matrix, as the
 * gradients of the weights of h and of x, become neighbours: run at once, they copy it once.
 * Invariant: a kernel runs after those that make what it reads; the terms of one value stay
 * together. (What else is added to a sum may come before or after it.)
 * Must not know: instances, which decide whether neighbours do run at once. */
#include "code.h"

#include <string.h>

#include "panels.h"

/* The value in whose place i stands. */
static int root_of(const reel__ir *ir, int i)
{
    i = reel__base_of(ir, i);
    while (ir->v[i].store == REEL__INSIDE) {
        i = ir->v[i].home;
    }
    return i;
}

/* A narrow result is better made by itself, its panels being empty for the most part; in the stress
 * build all are small. */
static int64_t least_columns(const reel__ir *ir)
{
#ifdef REEL_STRESS
    (void)ir;
    return 1;
#else
    return reel__panels_step(ir->real);
#endif
}

/* Whether it is added up, and its result neither narrow nor wider than high: threads share rows. */
static bool adds(const reel__ir *ir, const reel__draft *d)
{
    const reel__value *v = &ir->v[d->value];
    if (d->kind != REEL__DO_PRODUCT || !(v->flags & REEL__ADDED)) {
        return false;
    }
    const uint8_t t = v->transposed[d->term];
    const reel__value *left = &ir->v[v->arg[2 * d->term]];
    int64_t k = left->shape.dim[left->shape.rank - (t & 1 ? 2 : 1)];
    int64_t n = ir->v[v->arg[2 * d->term + 1]].shape.dim[t & 2 ? 0 : 1];
    return n <= left->size / k && n >= least_columns(ir); /* neither is 0: it is a product */
}

static reel_window window_of(const reel__value *v)
{
    return v->kind == REEL__VIEW ? *v->window : reel__window_all(v->shape);
}

/* Whether matrices i and j, transposed or not, are the same one: two windows may be. */
static bool same_matrix(const reel__ir *ir, int i, bool i_transposed, int j, bool j_transposed)
{
    const reel__value *u = &ir->v[i], *v = &ir->v[j];
    if (i == j) {
        return i_transposed == j_transposed;
    }
    if (reel__base_of(ir, i) != reel__base_of(ir, j) || u->shape.rank != 2 || v->shape.rank != 2) {
        return false;
    }
    const reel_window a = window_of(u), b = window_of(v);
    bool same = a.offset == b.offset;
    for (int k = 0; k < 2; k++) {
        int own = i_transposed ? 1 - k : k, other = j_transposed ? 1 - k : k;
        same = same && u->shape.dim[own] == v->shape.dim[other] && a.stride[own] == b.stride[other];
    }
    return same;
}

static bool same_left(const reel__ir *ir, const reel__draft *x, const reel__draft *y)
{
    const reel__value *u = &ir->v[x->value], *v = &ir->v[y->value];
    return same_matrix(ir, u->arg[2 * x->term], u->transposed[x->term] & 1, v->arg[2 * y->term],
                       v->transposed[y->term] & 1);
}

/* The end of the terms of the value whose first one is at p, if all can stand beside it; else p. */
static int terms_end(const reel__ir *ir, const reel__draft *d, int n, int p)
{
    bool same = adds(ir, &d[p]) && (p == 0 || d[p - 1].value != d[p].value);
    int end = p;
    for (; same && end < n && d[end].value == d[p].value; end++) {
        same = adds(ir, &d[end]) && same_left(ir, &d[p], &d[end]);
    }
    return same ? end : p;
}

static bool writes(const reel__ir *ir, const reel__draft *d, int root)
{
    bool found = root_of(ir, d->value) == root;
    for (int m = 0; m < d->members; m++) {
        found = found || root_of(ir, d->member[m]) == root;
    }
    return found;
}

/* Whether the terms [p, end) can run as early as position `to`: nothing between makes what they
 * read. What they make is read in other blocks. */
static bool can_move(const reel__ir *ir, const reel__draft *d, int p, int end, int to)
{
    bool can = true;
    for (int t = p; t < end; t++) {
        const int *arg = &ir->v[d[t].value].arg[2 * d[t].term];
        for (int q = to; can && q < p; q++) {
            can =
                !writes(ir, &d[q], root_of(ir, arg[0])) && !writes(ir, &d[q], root_of(ir, arg[1]));
        }
    }
    return can;
}

static void move_up(reel__draft *d, int p, int to)
{
    reel__draft moved = d[p];
    memmove(d + to + 1, d + to, (size_t)(p - to) * sizeof *d);
    d[to] = moved;
}

/* Brings terms that can stand beside [p, end) there; returns the new end. */
static int gather(const reel__ir *ir, reel__draft *d, int n, int p, int end)
{
    for (int q = end, next; q < n; q = next) {
        next = terms_end(ir, d, n, q);
        bool joins = next > q && end - p + next - q <= REEL__MOST_BESIDE &&
                     same_left(ir, &d[p], &d[q]) && can_move(ir, d, q, next, end);
        next = next > q ? next : q + 1;
        for (int from = q; joins && from < next; from++) {
            move_up(d, from, end++);
        }
    }
    return end;
}

void reel__pass_beside(const reel__ir *ir, reel__draft *draft, int n)
{
    for (int p = 0; p < n;) {
        int end = terms_end(ir, draft, n, p);
        end = end > p ? gather(ir, draft, n, p, end) : p + 1;
        for (int q = p; q < end; q++) {
            int run = p + (q - p) / REEL__MOST_BESIDE * REEL__MOST_BESIDE + REEL__MOST_BESIDE;
            draft[q].beside = (uint8_t)((run < end ? run : end) - 1 - q);
        }
        p = end;
    }
}
