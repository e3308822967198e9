/* Pass: windows of element-wise results become narrower element-wise results.
 * Invariant: every element that remains is computed by the same op from the same elements, so no
 * bit changes. Done only where all readers are windows: nothing is computed that was not before. */
#include "ir.h"

#include "memory.h"
#include "plant.h"

typedef struct pass {
    const reel__ir *old;
    reel__ir *ir;
    int *map;
    bool *sinks; /* old value: element-wise, and read through windows alone */
} pass;

static void find_sinks(pass *p)
{
    const reel__ir *old = p->old;
    for (int i = 0; i < old->n; i++) {
        const reel__value *v = &old->v[i];
        p->sinks[i] = v->kind == REEL__MAP && !v->flags && v->uses > 0;
    }
    for (int i = 0; i < old->n; i++) {
        for (int k = 0; old->v[i].kind != REEL__VIEW && k < old->v[i].n; k++) {
            p->sinks[old->v[i].arg[k]] = false;
        }
    }
    /* An argument of a value that sinks is read through windows too. */
    for (int i = old->n - 1; i >= 0; i--) {
        const reel__value *v = &old->v[i];
        for (int k = 0; p->sinks[i] && k < v->n; k++) {
            const reel__value *a = &old->v[v->arg[k]];
            if (a->kind == REEL__MAP && !a->flags && a->uses == 1) {
                p->sinks[v->arg[k]] = true;
            }
        }
    }
}

/* Window w, of shape `small`, of the old value i of which the window's strides are those of a dense
 * tensor of shape `large`, to which i is broadcast: the same window of i alone. */
static bool narrow(reel_shape large, reel_shape small, const reel_window *w, reel_shape own,
                   reel_shape *part, reel_window *out)
{
    reel_window dense = reel__window_all(own), wide = reel__window_all(large),
                spread = {.offset = 0};
    for (int k = 0; k < own.rank; k++) {
        int at = large.rank - own.rank + k;
        spread.stride[at] = own.dim[k] == 1 ? 0 : dense.stride[k];
    }
    (void)wide;
    *part = small;
    return reel__window_of(large, &spread, small, w, out);
}

static int view_of(pass *p, int i, reel_shape large, reel_shape small, const reel_window *w,
                   int node);

/* The element-wise old value i, computed for the window alone. */
static int narrowed(pass *p, int i, reel_shape small, const reel_window *w, int node)
{
    const reel__value *old = &p->old->v[i];
    int arg[REEL_MAX_MAPPED];
    if (old->n > REEL_MAX_MAPPED) {
        return -1;
    }
    for (int k = 0; k < old->n; k++) {
        arg[k] = view_of(p, old->arg[k], old->shape, small, w, node);
        if (arg[k] < 0) {
            return -1;
        }
    }
    reel__value *v = reel__ir_add(p->ir, REEL__MAP, old->n);
    if (!v) {
        return -1;
    }
    v->op = old->op;
    v->attr = old->attr;
    v->dtype = old->dtype;
    v->shape = small;
    v->size = reel_shape_size(small);
    v->node = old->node;
    for (int k = 0; k < old->n; k++) {
        v->arg[k] = arg[k];
    }
    return p->ir->n - 1;
}

/* The window of the old value i broadcast to `large`; -1 when there is no such window. */
static int view_of(pass *p, int i, reel_shape large, reel_shape small, const reel_window *w,
                   int node)
{
    const reel__value *old = &p->old->v[i];
    if (p->sinks[i] && reel_shape_equal(old->shape, large)) {
        return narrowed(p, i, small, w, node);
    }
    reel_shape part;
    reel_window own, whole;
    if (p->map[i] < 0 || !narrow(large, small, w, old->shape, &part, &own)) {
        return -1;
    }
    reel__value a = p->ir->v[p->map[i]];
    if (a.kind == REEL__VIEW) {
        /* `own` counts in the value's dense elements; axes that were broadcast stand still. */
        if (!reel__window_of(a.shape, a.window, part, &own, &whole)) {
            return -1;
        }
    } else {
        whole = own;
    }
    reel__value *v = reel__ir_add(p->ir, REEL__VIEW, 1);
    reel_window *window = v ? reel__ir_alloc(p->ir, 1, sizeof *window) : NULL;
    if (!window) {
        return -1;
    }
    v = &p->ir->v[p->ir->n - 1];
    v->dtype = a.dtype;
    v->shape = part;
    v->size = reel_shape_size(part);
    v->node = node;
    v->arg[0] = a.kind == REEL__VIEW ? a.arg[0] : p->map[i];
    *window = whole;
    v->window = window;
    return p->ir->n - 1;
}

bool reel__pass_sink(reel__ir *ir)
{
    reel__ir made;
    pass p = {.old = ir, .ir = &made};
    reel__ir_count(ir);
    bool ok = reel__ir_start(&made, ir);
    p.map = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *p.map);
    p.sinks = reel__calloc((size_t)ir->n + 1, sizeof *p.sinks);
    ok = ok && p.map && p.sinks;
    if (ok) {
        find_sinks(&p);
    }
    for (int i = 0; ok && i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        p.map[i] = i;
        if (i < ir->ports) {
            continue;
        }
        p.map[i] = -1;
        if (v->kind == REEL__VIEW && !v->flags && p.sinks[v->arg[0]]) {
            reel__pass_used(REEL__PASS_SINK);
            p.map[i] = narrowed(&p, v->arg[0], v->shape, v->window, v->node);
        }
        if (p.map[i] < 0 && !made.failed) {
            p.map[i] = reel__ir_copy(&made, ir, i, p.map);
        }
        ok = !made.failed;
    }
    ok = reel__ir_become(ir, &made, p.map, ok);
    reel__free(p.map);
    reel__free(p.sinks);
    return ok && reel__ir_sweep(ir) && reel__pass_cse(ir);
}
