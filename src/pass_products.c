/* Pass: products.
 * Invariant: a product is a sum of terms A B of one shape, each accumulated into the same place. A
 * sum with several products among its terms becomes one product and the rest; a product of a
 * concatenation becomes the sum of the products of its parts. Only the order of additions changes.
 * A product that is added to a sum of another block may have terms that are parts of the result
 * instead, each its own rows or columns.
 */
#include <reel/ops.h>

#include "code.h"

#include "memory.h"
#include "plant.h"

#ifdef REEL_STRESS
enum { MOST_TERMS = 64, LEAST_PART = 1 };
#else
enum { MOST_TERMS = 64, LEAST_PART = 16 }; /* narrower products are slower than a copy */
#endif

typedef struct pass {
    const reel__ir *old;
    reel__ir *ir;
    int *map;
} pass;

static bool is_sum(const reel__value *v)
{
    return v->kind == REEL__MAP && (v->op == &reel_op_add || v->op->flags & REEL_OP_SUM);
}

/* The terms of a tree of sums, in order, as old values. */
typedef struct terms {
    int v[MOST_TERMS];
    int n, products;
    int sum[MOST_TERMS], sums; /* nodes of the sums within */
} terms;

/* False when there are too many. */
static bool gather(const reel__ir *old, int root, terms *t)
{
    int stack[MOST_TERMS], depth = 0;
    stack[depth++] = root;
    while (depth) {
        int i = stack[--depth];
        const reel__value *v = &old->v[i];
        bool inner = i == root || (v->uses == 1 && !v->flags && is_sum(v) &&
                                   reel_shape_equal(v->shape, old->v[root].shape));
        if (inner && i != root) {
            if (t->sums == MOST_TERMS) {
                return false;
            }
            t->sum[t->sums++] = v->node;
        }
        if (!inner) {
            if (t->n == MOST_TERMS) {
                return false;
            }
            t->v[t->n++] = i;
            t->products += v->kind == REEL__PRODUCT && v->uses == 1 && !v->flags &&
                           reel_shape_equal(v->shape, old->v[root].shape);
            continue;
        }
        if (depth + v->n > MOST_TERMS) {
            return false;
        }
        for (int k = v->n - 1; k >= 0; k--) {
            stack[depth++] = v->arg[k];
        }
    }
    return true;
}

static bool joins(const reel__ir *old, int root, int i)
{
    const reel__value *v = &old->v[i];
    return v->kind == REEL__PRODUCT && v->uses == 1 && !v->flags &&
           reel_shape_equal(v->shape, old->v[root].shape);
}

/* One product of all the terms that are products. */
static int add_product(pass *p, int root, const terms *t)
{
    int pairs = 0;
    for (int k = 0; k < t->n; k++) {
        pairs += joins(p->old, root, t->v[k]) ? p->old->v[t->v[k]].n / 2 : 0;
    }
    const reel__value *like = &p->old->v[root];
    reel__value *v = reel__ir_add(p->ir, REEL__PRODUCT, 2 * pairs);
    uint8_t *transposed = v ? reel__ir_alloc(p->ir, (size_t)pairs, 1) : NULL;
    int *term_node = transposed ? reel__ir_alloc(p->ir, (size_t)pairs, sizeof *term_node) : NULL;
    if (!term_node) {
        return -1;
    }
    v = &p->ir->v[p->ir->n - 1];
    v->transposed = transposed;
    v->term_node = term_node;
    v->dtype = like->dtype;
    v->shape = like->shape;
    v->size = like->size;
    int n = 0;
    for (int k = 0; k < t->n; k++) {
        const reel__value *term = &p->old->v[t->v[k]];
        for (int j = 0; joins(p->old, root, t->v[k]) && j < term->n / 2; j++, n++) {
            v->op = term->op;
            v->node = term->node;
            transposed[n] = term->transposed[j];
            term_node[n] = term->term_node ? term->term_node[j] : term->node;
            v->arg[2 * n] = p->map[term->arg[2 * j]];
            v->arg[2 * n + 1] = p->map[term->arg[2 * j + 1]];
        }
    }
    return p->ir->n - 1;
}

static int add_sum(pass *p, const reel__value *like, int a, int b)
{
    reel__value copy = *like;
    reel__value *v = reel__ir_add(p->ir, REEL__MAP, 2);
    if (!v) {
        return -1;
    }
    v->op = &reel_op_add;
    v->dtype = copy.dtype;
    v->shape = copy.shape;
    v->size = copy.size;
    v->node = copy.node;
    v->arg[0] = a;
    v->arg[1] = b;
    return p->ir->n - 1;
}

static bool rewrite_sum(pass *p, int i)
{
    const reel__value *old = &p->old->v[i];
    terms t = {.n = 0};
    if (!is_sum(old) || !gather(p->old, i, &t) || t.products < 2) {
        return false;
    }
    reel__pass_used(REEL__PASS_PRODUCTS);
    int sum = add_product(p, i, &t);
    if (sum >= 0) {
        reel__ir_into(p->ir, old->node, p->ir->v[sum].node);
        for (int k = 0; k < t.sums; k++) {
            reel__ir_into(p->ir, t.sum[k], p->ir->v[sum].node);
        }
    }
    for (int k = 0; sum >= 0 && k < t.n; k++) {
        if (!joins(p->old, i, t.v[k])) {
            sum = add_sum(p, old, sum, p->map[t.v[k]]);
        }
    }
    if (sum >= 0) {
        p->ir->v[sum].flags |= old->flags;
    }
    p->map[i] = sum;
    return true;
}

/* Concatenations */

/* Whether v's parts lie one after another along axis `axis` of two and fill it. */
static bool concatenates(const reel__ir *ir, const reel__value *v, int axis)
{
    int64_t at = 0;
    if (v->kind != REEL__ASSEMBLE || v->shape.rank != 2 || v->n < 2 || v->n > MOST_TERMS / 4) {
        return false;
    }
    reel_window all = reel__window_all(v->shape);
    for (int k = 0; k < v->n; k++) {
        const reel__value *part = &ir->v[v->arg[k]];
        const reel_window *w = &v->window[k];
        if (part->shape.rank != 2 || part->shape.dim[1 - axis] != v->shape.dim[1 - axis] ||
            w->offset != at * all.stride[axis] || w->stride[0] != all.stride[0] ||
            w->stride[1] != all.stride[1]) {
            return false;
        }
        at += part->shape.dim[axis];
    }
    return at == v->shape.dim[axis];
}

/* Rows [from, from + n) along one axis of a matrix; -1 when that is no window. */
int reel__ir_rows(reel__ir *ir, int i, int axis, int64_t from, int64_t n)
{
    reel__value m = ir->v[i];
    reel_window in = m.kind == REEL__VIEW ? *m.window : reel__window_all(m.shape);
    reel_window w = reel__window_all(m.shape), whole;
    reel_shape part = m.shape;
    w.offset = from * w.stride[axis];
    part.dim[axis] = n;
    if (!reel__window_of(m.shape, &in, part, &w, &whole)) {
        return -1;
    }
    reel__value *v = reel__ir_add(ir, REEL__VIEW, 1);
    reel_window *window = v ? reel__ir_alloc(ir, 1, sizeof *window) : NULL;
    if (!window) {
        return -1;
    }
    v = &ir->v[ir->n - 1];
    v->dtype = m.dtype;
    v->shape = part;
    v->size = reel_shape_size(part);
    v->arg[0] = m.kind == REEL__VIEW ? m.arg[0] : i;
    *window = whole;
    v->window = window;
    return ir->n - 1;
}

/* The first term whose left matrix is a concatenation along the summed axis; -1: none. */
static int splits(const reel__ir *ir, const reel__value *v)
{
    for (int j = 0; v->kind == REEL__PRODUCT && j < v->n / 2; j++) {
        if (concatenates(ir, &ir->v[v->arg[2 * j]], v->transposed[j] & 1 ? 0 : 1) &&
            ir->v[v->arg[2 * j + 1]].shape.rank == 2) {
            return j;
        }
    }
    return -1;
}

/* The product i, which is the last value, with term j split over the parts of its left matrix. */
static void split(reel__ir *ir, int i, int j)
{
    reel__value old = ir->v[i];
    reel__value left = ir->v[old.arg[2 * j]];
    int axis = old.transposed[j] & 1 ? 0 : 1;
    int n = old.n / 2 + left.n - 1;
    int *arg = reel__ir_alloc(ir, (size_t)n * 2, sizeof *arg);
    uint8_t *transposed = reel__ir_alloc(ir, (size_t)n, 1);
    int *term_node = reel__ir_alloc(ir, (size_t)n, sizeof *term_node);
    int to = 0;
    int64_t from = 0;
    for (int k = 0; !ir->failed && k < old.n / 2; k++) {
        for (int part = 0; part < (k == j ? left.n : 1); part++, to++) {
            transposed[to] = old.transposed[k];
            term_node[to] = old.term_node ? old.term_node[k] : old.node;
            arg[2 * to] = k == j ? left.arg[part] : old.arg[2 * k];
            arg[2 * to + 1] = old.arg[2 * k + 1];
            if (k == j) {
                int64_t rows = ir->v[left.arg[part]].shape.dim[axis];
                arg[2 * to + 1] = reel__ir_rows(ir, old.arg[2 * k + 1],
                                                old.transposed[j] & 2 ? 1 : 0, from, rows);
                from += rows;
                if (arg[2 * to + 1] < 0) {
                    return;
                }
            }
        }
    }
    if (ir->failed) {
        return;
    }
    old.n = 2 * n;
    old.arg = arg;
    old.transposed = transposed;
    old.term_node = term_node;
    ir->v[i].flags = 0;
    reel__value *v = reel__ir_add(ir, REEL__PRODUCT, 0);
    if (v) {
        *v = old;
    }
}

/* The side of the product's only term whose matrix is a concatenation along an axis of the result:
 * 0, 1; -1: none. */
static int side_of_parts(const reel__ir *ir, const reel__value *v)
{
    if (v->kind != REEL__PRODUCT || v->n != 2 || v->part || !(v->flags & REEL__ADDED)) {
        return -1;
    }
    for (int side = 0; side < 2; side++) {
        const reel__value *m = &ir->v[v->arg[side]];
        int axis = (v->transposed[0] >> side & 1) ^ side;
        bool wide = concatenates(ir, m, axis);
        for (int k = 0; wide && k < m->n; k++) {
            wide = ir->v[m->arg[k]].shape.dim[axis] >= LEAST_PART;
        }
        if (wide && v->shape.rank == 2 && ir->v[v->arg[1 - side]].shape.rank == 2) {
            return side;
        }
    }
    return -1;
}

/* The product i has a term for each part of the concatenation on that side. */
static void take_parts(reel__ir *ir, int i, int side)
{
    reel__value *v = &ir->v[i];
    const reel__value *m = &ir->v[v->arg[side]];
    size_t n = (size_t)m->n;
    int *arg = reel__ir_alloc(ir, 2 * n, sizeof *arg);
    uint8_t *transposed = reel__ir_alloc(ir, n, 1);
    int *term_node = reel__ir_alloc(ir, n, sizeof *term_node);
    int64_t *part = reel__ir_alloc(ir, n, sizeof *part);
    if (ir->failed) {
        return;
    }
    int axis = (v->transposed[0] >> side & 1) ^ side;
    int64_t at = 0;
    for (int k = 0; k < m->n; k++) {
        arg[2 * k + side] = m->arg[k];
        arg[2 * k + 1 - side] = v->arg[1 - side];
        transposed[k] = v->transposed[0];
        term_node[k] = v->term_node ? v->term_node[0] : v->node;
        part[k] = reel__planted(REEL__PARTS_TOGETHER) ? 0 : side ? at : at * v->shape.dim[1];
        at += ir->v[m->arg[k]].shape.dim[axis];
    }
    reel__pass_used(REEL__PASS_PRODUCTS);
    v->n = 2 * m->n;
    v->arg = arg;
    v->transposed = transposed;
    v->term_node = term_node;
    v->part = part;
}

bool reel__pass_products(reel__ir *ir)
{
    reel__ir made;
    pass p = {.old = ir, .ir = &made};
    reel__ir_count(ir);
    bool ok = reel__ir_start(&made, ir);
    p.map = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *p.map);
    ok = ok && p.map;
    for (int i = 0; ok && i < ir->n; i++) {
        p.map[i] = i;
        if (i >= ir->ports && !rewrite_sum(&p, i)) {
            p.map[i] = reel__ir_copy(&made, ir, i, p.map);
        }
        ok = !made.failed;
        int side = ok && i >= ir->ports ? side_of_parts(&made, &made.v[p.map[i]]) : -1;
        if (side >= 0) {
            take_parts(&made, p.map[i], side);
            ok = !made.failed;
        }
        /* What other blocks add up is one product of tall matrices in the end: its terms are not to
         * be split. */
        while (ok && i >= ir->ports && !(made.v[p.map[i]].flags & REEL__ADDED)) {
            int before = made.n, j = splits(&made, &made.v[p.map[i]]);
            if (j < 0) {
                break;
            }
            split(&made, p.map[i], j);
            ok = !made.failed;
            if (!ok || made.n == before || made.v[made.n - 1].kind != REEL__PRODUCT) {
                break;
            }
            p.map[i] = made.n - 1;
        }
    }
    ok = reel__ir_become(ir, &made, p.map, ok);
    reel__free(p.map);
    return ok && reel__ir_sweep(ir);
}
