/* Pass: windows are read in place.
 * Invariant: a view's argument is no view; kernels that need dense arguments get a copy of a view
 * that is not dense, everything else reads through the window. */
#include "ir.h"

#include "memory.h"
#include "plant.h"

typedef struct pass {
    const reel__ir *old;
    reel__ir *ir;
    int *map;   /* old value -> new one, perhaps a view */
    int *dense; /* old value -> the same, laid out densely; -1: not asked for yet */
} pass;

/* The result's window in argument 0 of the old value, if its op says so. */
static bool window_of(const reel__ir *old, const reel__value *v, reel_window *w)
{
    if (v->kind != REEL__RUN || !v->op->window || v->size == 0 || v->flags & REEL__ADDED) {
        return false;
    }
    const reel__value *a = &old->v[v->arg[0]];
    reel_tensor x = {.dtype = (reel_dtype)a->dtype, .shape = a->shape, .size = a->size};
    reel_call call = {.op = v->op, .n = 1, .x = &x, .attr = v->attr};
    call.y = (reel_tensor){.dtype = (reel_dtype)v->dtype, .shape = v->shape, .size = v->size};
    return a->size > 0 && v->op->window(&call, w);
}

/* A view of `base`, appended. */
static int add_view(reel__ir *ir, const reel__value *like, int base, const reel_window *w)
{
    reel__value copy = *like;
    reel__value *v = reel__ir_add(ir, REEL__VIEW, 1);
    reel_window *window = v ? reel__ir_alloc(ir, 1, sizeof *window) : NULL;
    if (!window) {
        return -1;
    }
    v = &ir->v[ir->n - 1];
    v->dtype = copy.dtype;
    v->shape = copy.shape;
    v->size = copy.size;
    v->node = copy.node;
    v->op = copy.op;
    v->attr = copy.attr;
    v->arg[0] = base;
    *window = *w;
    v->window = window;
    return ir->n - 1;
}

static bool is_dense(const reel__ir *ir, int i)
{
    const reel__value *v = &ir->v[i];
    return v->kind != REEL__VIEW || reel__window_dense(v->shape, v->window);
}

/* The old value i as one that lies densely. */
static int dense_of(pass *p, int i)
{
    int made = p->map[i];
    if (p->dense[i] >= 0 || p->ir->failed || is_dense(p->ir, made)) {
        return p->dense[i] >= 0 ? p->dense[i] : made;
    }
    reel__value from = p->ir->v[made];
    reel__value *v = reel__ir_add(p->ir, REEL__ASSEMBLE, 1);
    reel_window *w = v ? reel__ir_alloc(p->ir, 1, sizeof *w) : NULL;
    if (!w) {
        return made;
    }
    v = &p->ir->v[p->ir->n - 1];
    v->dtype = from.dtype;
    v->shape = from.shape;
    v->size = from.size;
    v->node = from.node;
    v->arg[0] = made;
    *w = reel__window_all(from.shape);
    v->window = w;
    p->dense[i] = p->ir->n - 1;
    return p->dense[i];
}

static bool needs_dense(const reel__value *user, int shape_rank)
{
    return user->kind == REEL__RUN || user->kind == REEL__ACCUMULATE ||
           (user->kind == REEL__PRODUCT && shape_rank > 2);
}

static void take(pass *p, int i)
{
    const reel__value *old = &p->old->v[i];
    reel_window w, whole;
    if (window_of(p->old, old, &w)) {
        const reel__value *a = &p->ir->v[p->map[old->arg[0]]];
        int base = a->kind == REEL__VIEW ? a->arg[0] : p->map[old->arg[0]];
        reel_window in = a->kind == REEL__VIEW ? *a->window : reel__window_all(a->shape);
        if (reel__window_of(a->shape, &in, old->shape, &w, &whole)) {
            reel__pass_used(REEL__PASS_VIEWS);
            p->map[i] = add_view(p->ir, old, base, &whole);
            if (old->flags && !p->ir->failed) {
                int kept = dense_of(p, i);
                p->ir->v[kept].flags |= old->flags;
            }
            return;
        }
    }
    for (int k = 0; k < old->n; k++) {
        if (needs_dense(old, p->old->v[old->arg[k]].shape.rank)) {
            dense_of(p, old->arg[k]);
        }
    }
    p->map[i] = reel__ir_copy(p->ir, p->old, i, p->map);
    for (int k = 0; !p->ir->failed && k < old->n; k++) {
        int laid = p->dense[old->arg[k]];
        if (laid >= 0 && needs_dense(old, p->old->v[old->arg[k]].shape.rank)) {
            p->ir->v[p->map[i]].arg[k] = laid;
        }
    }
}

bool reel__pass_views(reel__ir *ir)
{
    reel__ir made;
    pass p = {.old = ir, .ir = &made};
    bool ok = reel__ir_start(&made, ir);
    p.map = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *p.map);
    p.dense = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *p.dense);
    ok = ok && p.map && p.dense;
    for (int i = 0; ok && i < ir->n; i++) {
        p.dense[i] = -1;
        p.map[i] = i;
        if (i >= ir->ports) {
            take(&p, i);
        }
        ok = !made.failed;
    }
    for (int i = 0; ok && i < ir->outs; i++) {
        int old = ir->out[i];
        made.out[i] = old < 0                                 ? -1
                      : ir->v[old].flags && p.dense[old] >= 0 ? p.dense[old]
                                                              : p.map[old];
    }
    reel__free(p.map);
    reel__free(p.dense);
    if (!ok) {
        reel__ir_free(&made);
        return false;
    }
    reel__ir_free(ir);
    *ir = made;
    return reel__ir_sweep(ir);
}
