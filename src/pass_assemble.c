/* Pass: what is put together of parts.
 * Invariant: the windows of one value share no element. A sum of tensors that are each zero but for
 * a window of its own is one tensor with all the windows. */
#include <reel/ops.h>

#include "ir.h"
#include "plant.h"

enum { MOST_PARTS = 1024 };

static bool windows_of(reel__ir *ir, reel__value *v, reel_window *w)
{
    reel_tensor *x = reel__ir_alloc(ir, (size_t)v->n, sizeof *x);
    if (!x) {
        return false;
    }
    for (int k = 0; k < v->n; k++) {
        const reel__value *a = &ir->v[v->arg[k]];
        x[k] = (reel_tensor){.dtype = (reel_dtype)a->dtype, .shape = a->shape, .size = a->size};
    }
    reel_call call = {.op = v->op, .n = v->n, .x = x, .attr = v->attr};
    call.y = (reel_tensor){.dtype = (reel_dtype)v->dtype, .shape = v->shape, .size = v->size};
    for (int k = 0; k < v->n; k++) {
        if (x[k].size == 0 || !v->op->place(&call, k, &w[k])) {
            return false;
        }
    }
    return true;
}

static void take_apart(reel__ir *ir, int i)
{
    reel__value *v = &ir->v[i];
    if (v->kind != REEL__RUN || !v->op->place || v->flags & REEL__ADDED || v->size == 0 ||
        v->n == 0) {
        return;
    }
    reel_window *w = reel__ir_alloc(ir, (size_t)v->n, sizeof *w);
    if (w && windows_of(ir, v, w)) {
        reel__pass_used(REEL__PASS_ASSEMBLE);
        v->kind = REEL__ASSEMBLE;
        v->window = w;
    }
}

static bool sum_of_parts(const reel__ir *ir, const reel__value *v, int *parts)
{
    *parts = 0;
    if (v->kind != REEL__MAP || !(v->op->flags & REEL_OP_SUM) || v->n < 2) {
        return false;
    }
    for (int k = 0; k < v->n; k++) {
        const reel__value *a = &ir->v[v->arg[k]];
        if (a->kind != REEL__ASSEMBLE || a->flags) { /* others may put the same parts together */
            return false;
        }
        *parts += a->n;
    }
    return *parts <= MOST_PARTS;
}

static bool all_apart(const reel__ir *ir, reel_shape shape, int n, const int *arg,
                      const reel_window *w)
{
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
            if (!reel__windows_apart(shape, ir->v[arg[i]].shape, &w[i], ir->v[arg[j]].shape,
                                     &w[j])) {
                return false;
            }
        }
    }
    return true;
}

static void join(reel__ir *ir, int i)
{
    int parts;
    reel__value *v = &ir->v[i];
    if (!sum_of_parts(ir, v, &parts)) {
        return;
    }
    int *arg = reel__ir_alloc(ir, (size_t)parts, sizeof *arg);
    reel_window *w = reel__ir_alloc(ir, (size_t)parts, sizeof *w);
    if (!arg || !w) {
        return;
    }
    int n = 0;
    for (int k = 0; k < v->n; k++) {
        const reel__value *a = &ir->v[v->arg[k]];
        for (int j = 0; j < a->n; j++) {
            arg[n] = a->arg[j];
            w[n++] = a->window[j];
        }
    }
    if (all_apart(ir, v->shape, n, arg, w)) {
        for (int k = 0; k < v->n; k++) {
            reel__ir_into(ir, ir->v[v->arg[k]].node, v->node);
        }
        v->kind = REEL__ASSEMBLE;
        v->n = n;
        v->arg = arg;
        v->window = w;
    }
}

bool reel__pass_assemble(reel__ir *ir)
{
    reel__ir_count(ir);
    for (int i = ir->ports; i < ir->n; i++) {
        take_apart(ir, i);
        join(ir, i);
    }
    return !ir->failed && reel__ir_sweep(ir);
}
