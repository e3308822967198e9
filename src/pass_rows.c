/* Pass: a reduction of everything reduces rows, and then what they come to.
 * Invariant: the op says that this is the same, but for rounding. Rows are those of an element-wise
 * value that fit into a block of a fused group, which then need not be stored to be reduced. */
#include <reel/axis.h>

#include "code.h"
#include "memory.h"

#ifdef REEL_STRESS
enum { SHORTEST = 2, LEAST = 0 }; /* small nets, too */
#else
/* SHORTEST: elements; of shorter rows there are too many to be reduced in turn. LEAST: bytes; what
 * is smaller is in the cache anyway. */
enum { SHORTEST = 16, LEAST = 1 << 17 };
#endif

static bool splits(const reel__ir *ir, const reel__value *v)
{
    if (v->kind != REEL__RUN || !(v->op->flags & REEL_OP_NESTS)) {
        return false;
    }
    const reel_reduce_attr *r = v->attr;
    const reel__value *x = &ir->v[v->arg[0]];
    int64_t n = x->shape.rank > 1 ? x->shape.dim[x->shape.rank - 1] : 0;
    int64_t element = (int64_t)reel_dtype_size(ir->real);
    return r->axis == REEL_ALL_AXES && x->kind == REEL__MAP && x->dtype == (uint8_t)ir->real &&
           v->dtype == (uint8_t)ir->real && n >= SHORTEST && n <= REEL__BLOCK_BYTES / element &&
           x->size > n && x->size >= LEAST / element;
}

/* The rows' values, of value `of` of the old form. Its number, or -1. */
static int reduce_rows(reel__ir *ir, const reel__ir *old, const reel__value *of, int x)
{
    const reel__value *from = &old->v[of->arg[0]];
    reel_reduce_attr *attr = reel__ir_alloc(ir, 1, sizeof *attr);
    reel__value *v = attr ? reel__ir_add(ir, REEL__RUN, 1) : NULL;
    if (!v) {
        return -1;
    }
    int last = from->shape.rank - 1;
    *attr = (reel_reduce_attr){.axis = last};
    v->dtype = of->dtype;
    v->op = of->op;
    v->attr = attr;
    v->shape = reel_shape_without(from->shape, last);
    v->size = reel_shape_size(v->shape);
    v->node = of->node;
    v->arg[0] = x;
    return ir->n - 1;
}

bool reel__pass_rows(reel__ir *ir)
{
    bool any = false;
    for (int i = ir->ports; i < ir->n && !any; i++) {
        any = splits(ir, &ir->v[i]);
    }
    if (!any) {
        return true;
    }
    reel__ir made = {0};
    int *map = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *map);
    bool ok = map && reel__ir_start(&made, ir);
    for (int i = 0; map && i < ir->ports; i++) {
        map[i] = i;
    }
    for (int i = ir->ports; ok && i < ir->n; i++) {
        int rows =
            splits(ir, &ir->v[i]) ? reduce_rows(&made, ir, &ir->v[i], map[ir->v[i].arg[0]]) : -1;
        ok = !made.failed && (map[i] = reel__ir_copy(&made, ir, i, map)) >= 0;
        if (ok && rows >= 0) {
            made.v[map[i]].arg[0] = rows;
        }
    }
    ok = reel__ir_become(ir, &made, map, ok);
    reel__free(map);
    return ok;
}
