/* Pass: beside. Products that are added up elsewhere and have the same left matrix, as the
 * gradients of the weights of h and of x, become neighbours: run at once, they copy it once.
 * Invariant: a kernel runs after those that make what it reads; the terms of one value stay
 * together. */
#include "code.h"

#include <string.h>

#include "plant.h"

/* The value in whose place i stands. */
static int root_of(const reel__ir *ir, int i)
{
    i = reel__base_of(ir, i);
    while (ir->v[i].store == REEL__INSIDE) {
        i = ir->v[i].home;
    }
    return i;
}

static bool adds(const reel__ir *ir, const reel__draft *d)
{
    return d->kind == REEL__DO_PRODUCT && ir->v[d->value].flags & REEL__ADDED;
}

static bool same_left(const reel__ir *ir, const reel__draft *x, const reel__draft *y)
{
    const reel__value *u = &ir->v[x->value], *v = &ir->v[y->value];
    return u->arg[2 * x->term] == v->arg[2 * y->term] &&
           (u->transposed[x->term] & 1) == (v->transposed[y->term] & 1);
}

/* The end of the terms of the value whose first one is at p, if all have the same left matrix; else
 * p. */
static int terms_end(const reel__ir *ir, const reel__draft *d, int n, int p)
{
    bool same = adds(ir, &d[p]) && (p == 0 || d[p - 1].value != d[p].value);
    int end = p;
    for (; same && end < n && d[end].value == d[p].value; end++) {
        same = same_left(ir, &d[p], &d[end]);
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
    for (int q = end; q < n;) {
        int next = terms_end(ir, d, n, q);
        bool joins = next > q && end - p + next - q <= REEL__MOST_BESIDE &&
                     same_left(ir, &d[p], &d[q]) && can_move(ir, d, q, next, end);
        for (; joins && q < next; q++) {
            move_up(d, q, end++);
        }
        q = next > q ? next : q + 1;
    }
    return end;
}

void reel__pass_beside(const reel__ir *ir, reel__draft *draft, int n)
{
    for (int p = 0; p < n;) {
        int end = terms_end(ir, draft, n, p);
        end = end > p ? gather(ir, draft, n, p, end) : p + 1;
        for (int q = p; q < end - 1; q++) {
            reel__pass_used(REEL__PASS_BESIDE);
            int after = end - 1 - q;
            draft[q].beside = (uint8_t)(after < REEL__MOST_BESIDE ? after : REEL__MOST_BESIDE - 1);
        }
        p = end;
    }
}
