/* Pass: products are as narrow as what is read of them.
 * Invariant: of a product that is read through windows alone, the rows and columns between the
 * first and the last that any window reaches remain; each of their elements is the same sum as
 * before. Nothing is computed that was not before. */
#include "code.h"

#include "memory.h"
#include "plant.h"

/* Rows and columns [from, to) of a product that are read. */
typedef struct span {
    int64_t from[2], to[2];
    bool narrower;
} span;

typedef struct pass {
    const reel__ir *old;
    reel__ir *ir;
    int *map;
    span *span; /* by old value */
} pass;

static bool may_narrow(const reel__ir *ir, const reel__value *v)
{
    if (v->kind != REEL__PRODUCT || v->flags || v->shape.rank != 2 || v->size == 0) {
        return false;
    }
    for (int k = 0; k < v->n; k++) {
        if (ir->v[v->arg[k]].shape.rank != 2) {
            return false;
        }
    }
    return true;
}

static void read_through(const reel__value *product, const reel__value *view, span *s)
{
    int64_t from[REEL_MAX_RANK], to[REEL_MAX_RANK];
    if (!reel__window_span(product->shape, view->shape, view->window, from, to)) {
        s->narrower = false;
        return;
    }
    for (int k = 0; k < 2; k++) {
        s->from[k] = from[k] < s->from[k] ? from[k] : s->from[k];
        s->to[k] = to[k] > s->to[k] ? to[k] : s->to[k];
    }
}

/* What is read of each product. Whether any is wider than that. */
static bool find_spans(pass *p)
{
    const reel__ir *ir = p->old;
    bool any = false;
    for (int i = 0; i < ir->n; i++) {
        const reel_shape *shape = &ir->v[i].shape;
        p->span[i] = (span){.narrower = may_narrow(ir, &ir->v[i])};
        for (int k = 0; k < 2 && p->span[i].narrower; k++) {
            p->span[i].from[k] = shape->dim[k];
        }
    }
    for (int i = ir->ports; i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        for (int k = 0; k < v->n; k++) {
            span *s = &p->span[v->arg[k]];
            if (v->kind != REEL__VIEW) {
                s->narrower = false;
            } else if (s->narrower) {
                read_through(&ir->v[v->arg[k]], v, s);
            }
        }
    }
    for (int i = 0; i < ir->n; i++) {
        span *s = &p->span[i];
        const int64_t *dim = ir->v[i].shape.dim;
        bool less = s->to[0] - s->from[0] < dim[0] || s->to[1] - s->from[1] < dim[1];
        s->narrower = s->narrower && s->from[0] < s->to[0] && s->from[1] < s->to[1] && less;
        any = any || s->narrower;
    }
    return any;
}

/* Rows or columns [from, to) of the result are those of this matrix. */
static int cut(reel__ir *ir, int matrix, int axis, int64_t from, int64_t to)
{
    if (from == 0 && to == ir->v[matrix].shape.dim[axis]) {
        return matrix;
    }
    return reel__ir_rows(ir, matrix, axis, from, to - from);
}

/* The product, as narrow as its span; -1 when its matrices' parts are no windows. */
static int narrowed(pass *p, int i)
{
    const reel__value *old = &p->old->v[i];
    const span *s = &p->span[i];
    int *arg = reel__ir_alloc(p->ir, (size_t)old->n, sizeof *arg);
    if (!arg) {
        return -1;
    }
    int64_t shift = reel__planted(REEL__WRONG_COLUMNS) && s->from[1] > 0;
    for (int k = 0; k < old->n / 2; k++) {
        int rows = old->transposed[k] & 1 ? 1 : 0, columns = old->transposed[k] & 2 ? 0 : 1;
        arg[2 * k] = cut(p->ir, p->map[old->arg[2 * k]], rows, s->from[0], s->to[0]);
        arg[2 * k + 1] =
            cut(p->ir, p->map[old->arg[2 * k + 1]], columns, s->from[1] - shift, s->to[1] - shift);
        if (arg[2 * k] < 0 || arg[2 * k + 1] < 0) {
            return -1;
        }
    }
    int made = reel__ir_copy(p->ir, p->old, i, p->map);
    if (made >= 0) {
        reel__value *v = &p->ir->v[made];
        v->arg = arg;
        v->shape = reel_dims(s->to[0] - s->from[0], s->to[1] - s->from[1]);
        v->size = reel_shape_size(v->shape);
        reel__pass_used(REEL__PASS_NARROW);
    }
    return made;
}

/* The view of a product that is narrower now. */
static int view_of_narrowed(pass *p, int i)
{
    const reel__value *old = &p->old->v[i];
    const span *s = &p->span[old->arg[0]];
    const reel__value *product = &p->ir->v[p->map[old->arg[0]]];
    reel_window all = reel__window_all(product->shape), place = all, whole;
    place.offset = -(s->from[0] * all.stride[0] + s->from[1] * all.stride[1]);
    reel_window *window = reel__ir_alloc(p->ir, 1, sizeof *window);
    if (!window ||
        !reel__window_of(p->old->v[old->arg[0]].shape, &place, old->shape, old->window, &whole)) {
        return -1;
    }
    if (!old->flags && reel_shape_equal(old->shape, product->shape) &&
        reel__window_dense(old->shape, &whole)) {
        reel__ir_into(p->ir, old->node, product->node);
        return p->map[old->arg[0]];
    }
    int made = reel__ir_copy(p->ir, p->old, i, p->map);
    if (made >= 0) {
        *window = whole;
        p->ir->v[made].window = window;
    }
    return made;
}

static bool rewrite(reel__ir *ir, int *map, span *spans)
{
    reel__ir made;
    pass p = {.old = ir, .ir = &made, .map = map, .span = spans};
    bool ok = reel__ir_start(&made, ir);
    for (int i = 0; ok && i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        map[i] = i;
        if (i < ir->ports) {
            continue;
        }
        map[i] = -1;
        if (spans[i].narrower) {
            map[i] = narrowed(&p, i);
            spans[i].narrower = map[i] >= 0;
        } else if (v->kind == REEL__VIEW && spans[v->arg[0]].narrower) {
            map[i] = view_of_narrowed(&p, i);
            ok = map[i] >= 0;
        }
        if (map[i] < 0 && ok && !made.failed) {
            map[i] = reel__ir_copy(&made, ir, i, map);
        }
        ok = ok && !made.failed;
    }
    return reel__ir_become(ir, &made, map, ok) && reel__ir_sweep(ir);
}

bool reel__pass_narrow(reel__ir *ir)
{
    enum { MOST_ROUNDS = 4 }; /* what a narrower product reads may be a product */
    bool ok = true, more = true;
    for (int round = 0; ok && more && round < MOST_ROUNDS; round++) {
        int *map = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *map);
        span *spans = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *spans);
        pass p = {.old = ir, .span = spans};
        ok = map && spans;
        more = ok && find_spans(&p);
        ok = ok && (!more || rewrite(ir, map, spans));
        reel__free(map);
        reel__free(spans);
    }
    return ok;
}
