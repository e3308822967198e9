/* Pass: what recurs and what does not.
 * Invariant: of a block's values, PRE ones depend on nothing that comes from the same recurrence
 * and can run for all instances at once; POST ones feed nothing that goes on in it, and can wait
 * for all instances; only MAIN ones must go step by step. */
#include <string.h>

#include "code.h"
#include "memory.h"
#include "plant.h"

/* Values that depend on what recurs, and values that what recurs depends on. */
static void propagate(const reel__ir *ir, const uint8_t *recurs, const uint8_t *feeds,
                      bool *depends, bool *leads)
{
    for (int i = 0; i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        depends[i] =
            i < ir->ports ? recurs[i] : v->kind == REEL__ACCUMULATE && recurs[ir->ports + v->node];
        leads[i] = false;
        for (int k = 0; k < v->n; k++) {
            depends[i] = depends[i] || depends[v->arg[k]];
        }
    }
    for (int at = 0; at < ir->outs; at++) {
        if (feeds[at] && ir->out[at] >= 0) {
            leads[ir->out[at]] = true;
        }
    }
    for (int i = ir->n - 1; i >= 0; i--) {
        for (int k = 0; leads[i] && k < ir->v[i].n; k++) {
            leads[ir->v[i].arg[k]] = true;
        }
    }
}

/* Columns of a product, some of which lead on and some do not: the columns that a view takes. */
static bool columns_of(const reel__value *product, const reel__value *view)
{
    reel_window all = reel__window_all(product->shape);
    return product->kind == REEL__PRODUCT && product->shape.rank == 2 && view->shape.rank == 2 &&
           view->shape.dim[0] == product->shape.dim[0] &&
           view->window->stride[0] == all.stride[0] && view->window->stride[1] == 1 &&
           view->window->offset + view->shape.dim[1] <= product->shape.dim[1];
}

static bool divided(const reel__ir *ir, int i, const bool *leads)
{
    const reel__value *v = &ir->v[i];
    bool some = false, others = false;
    if (v->kind != REEL__PRODUCT || v->flags) {
        return false;
    }
    for (int j = i + 1; j < ir->n; j++) {
        const reel__value *user = &ir->v[j];
        for (int k = 0; k < user->n; k++) {
            if (user->arg[k] != i) {
                continue;
            }
            if (user->kind != REEL__VIEW || !columns_of(v, user)) {
                return false;
            }
            some = some || leads[j];
            others = others || !leads[j];
        }
    }
    for (int k = 1; k < v->n; k += 2) {
        if (ir->v[v->arg[k]].shape.rank != 2) {
            return false;
        }
    }
    return some && others;
}

/* The product's columns that the view takes, as a product of its own. */
static int narrow(reel__ir *to, const reel__ir *from, const reel__value *product,
                  const reel__value *view, const int *map)
{
    int b[64];
    if (product->n / 2 > 64) {
        return -1;
    }
    for (int k = 0; k < product->n / 2; k++) {
        int axis = product->transposed[k] & 2 ? 0 : 1;
        b[k] = reel__ir_rows(to, map[product->arg[2 * k + 1]], axis, view->window->offset,
                             view->shape.dim[1]);
        if (b[k] < 0) {
            return -1;
        }
    }
    (void)from;
    reel__value *v = reel__ir_add(to, REEL__PRODUCT, product->n);
    if (!v) {
        return -1;
    }
    v->op = product->op;
    v->transposed = product->transposed;
    v->term_node = product->term_node;
    v->dtype = product->dtype;
    v->shape = view->shape;
    v->size = view->size;
    v->node = product->node;
    v->flags = view->flags;
    for (int k = 0; k < product->n / 2; k++) {
        v->arg[2 * k] = map[product->arg[2 * k]];
        v->arg[2 * k + 1] = b[k];
    }
    return to->n - 1;
}

static bool divide_products(reel__ir *ir, const bool *leads)
{
    reel__ir made;
    int *map = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *map);
    bool ok = reel__ir_start(&made, ir) && map;
    for (int i = 0; ok && i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        map[i] = i;
        if (i < ir->ports) {
            continue;
        }
        map[i] = -1;
        if (v->kind == REEL__VIEW && divided(ir, v->arg[0], leads)) {
            map[i] = narrow(&made, ir, &ir->v[v->arg[0]], v, map);
        }
        if (map[i] < 0 && !made.failed) {
            map[i] = reel__ir_copy(&made, ir, i, map);
        }
        ok = !made.failed;
    }
    ok = reel__ir_become(ir, &made, map, ok);
    reel__free(map);
    return ok && reel__ir_sweep(ir);
}

static void assign(reel__ir *ir, const bool *depends, const bool *leads, bool any, bool whole)
{
    for (int i = 0; i < ir->n; i++) {
        reel__value *v = &ir->v[i];
        v->segment = !any         ? REEL__PRE
                     : whole      ? REEL__MAIN
                     : depends[i] ? leads[i] ? REEL__MAIN : REEL__POST
                                  : REEL__PRE;
    }
    if (!any || whole) {
        return;
    }
    reel__pass_used(REEL__PASS_SEGMENTS);
    /* Element-wise work that only later segments read is done where it is read: what is kept from
     * one segment to the next costs memory, computing it there or here costs the same. */
    for (int i = ir->n - 1; i >= ir->ports; i--) {
        reel__value *v = &ir->v[i];
        if (v->kind != REEL__MAP || v->segment != REEL__PRE || v->flags) {
            continue;
        }
        int least = REEL__SEGMENTS;
        for (int j = i + 1; j < ir->n; j++) {
            for (int k = 0; k < ir->v[j].n; k++) {
                int reader = ir->v[j].arg[k] == i ? ir->v[j].segment : REEL__SEGMENTS;
                /* a product's terms may run earlier than their sum */
                bool earlier = ir->v[j].kind != REEL__MAP;
                least = ir->v[j].arg[k] == i && earlier ? REEL__PRE
                        : reader < least                ? reader
                                                        : least;
            }
        }
        if (least < REEL__SEGMENTS) {
            v->segment = (uint8_t)least;
        }
    }
}

bool reel__pass_segments(reel__ir *ir, const uint8_t *recurs, const uint8_t *feeds, bool whole)
{
    bool *depends = reel__calloc((size_t)ir->n + 1, sizeof *depends);
    bool *leads = reel__calloc((size_t)ir->n + 1, sizeof *leads);
    bool ok = depends && leads;
    if (ok && !whole) {
        propagate(ir, recurs, feeds, depends, leads);
        ok = divide_products(ir, leads);
        reel__free(depends);
        reel__free(leads);
        depends = reel__calloc((size_t)ir->n + 1, sizeof *depends);
        leads = reel__calloc((size_t)ir->n + 1, sizeof *leads);
        ok = ok && depends && leads;
    }
    if (ok) {
        propagate(ir, recurs, feeds, depends, leads);
        bool any = false;
        for (int i = 0; i < ir->ports + ir->outs; i++) {
            any = any || recurs[i];
        }
        assign(ir, depends, leads, any, whole);
    }
    reel__free(depends);
    reel__free(leads);
    return ok;
}
