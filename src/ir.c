/* Job: the intermediate form: its memory, copying, counting, and the geometry of windows.
 * Invariant: an argument's number is smaller than its value's.
 * Must not know: what the passes do, nor how anything runs. */
#include "ir.h"

#include <string.h>

#include "memory.h"

void *reel__ir_alloc(reel__ir *ir, size_t count, size_t size)
{
    size_t bytes;
    void *p =
        __builtin_mul_overflow(count, size, &bytes) ? NULL : reel__arena_alloc(ir->arena, bytes);
    if (!p) {
        ir->failed = true;
        return NULL;
    }
    return memset(p, 0, bytes);
}

reel__value *reel__ir_add(reel__ir *ir, reel__kind kind, int n)
{
    if (ir->n == ir->capacity) {
        int capacity = ir->capacity ? 2 * ir->capacity : 64;
        reel__value *v = reel__reallocarray(ir->v, (size_t)capacity, sizeof *v);
        if (!v) {
            ir->failed = true;
            return NULL;
        }
        ir->v = v;
        ir->capacity = capacity;
    }
    int *arg = n ? reel__ir_alloc(ir, (size_t)n, sizeof *arg) : NULL;
    if (n && !arg) {
        return NULL;
    }
    reel__value *v = &ir->v[ir->n++];
    *v = (reel__value){.kind = (uint8_t)kind, .n = n, .arg = arg, .node = -1, .home = -1};
    return v;
}

bool reel__ir_start(reel__ir *to, const reel__ir *from)
{
    *to = (reel__ir){
        .ports = from->ports, .outs = from->outs, .real = from->real, .arena = from->arena};
    to->out = reel__ir_alloc(to, (size_t)from->outs + 1, sizeof *to->out);
    to->into = reel__ir_alloc(to, (size_t)from->outs + 1, sizeof *to->into);
    for (int i = 0; to->into && i < from->outs; i++) {
        to->into[i] = from->into ? from->into[i] : -1;
    }
    for (int i = 0; i < from->ports && !to->failed; i++) {
        reel__ir_copy(to, from, i, NULL);
    }
    return !to->failed;
}

int reel__ir_copy(reel__ir *to, const reel__ir *from, int i, const int *map)
{
    const reel__value *old = &from->v[i];
    reel__value *v = reel__ir_add(to, old->kind, old->n);
    if (!v) {
        return -1;
    }
    int *arg = v->arg;
    *v = *old;
    v->arg = arg;
    for (int k = 0; k < v->n; k++) {
        arg[k] = map ? map[old->arg[k]] : old->arg[k];
    }
    return to->n - 1;
}

void reel__ir_into(reel__ir *ir, int node, int to)
{
    if (ir->into && node >= 0 && node != to) {
        ir->into[node] = to;
    }
}

bool reel__ir_become(reel__ir *ir, reel__ir *made, const int *map, bool ok)
{
    if (!ok) {
        reel__ir_free(made);
        return false;
    }
    for (int i = 0; i < ir->outs; i++) {
        made->out[i] = ir->out[i] < 0 ? -1 : map[ir->out[i]];
    }
    reel__ir_free(ir);
    *ir = *made;
    return true;
}

void reel__ir_count(reel__ir *ir)
{
    for (int i = 0; i < ir->n; i++) {
        ir->v[i].uses = 0;
    }
    for (int i = 0; i < ir->n; i++) {
        for (int k = 0; k < ir->v[i].n; k++) {
            ir->v[ir->v[i].arg[k]].uses++;
        }
    }
}

bool reel__ir_sweep(reel__ir *ir)
{
    int *map = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *map);
    if (!map) {
        ir->failed = true;
        return false;
    }
    for (int i = 0; i < ir->n; i++) {
        map[i] = ir->v[i].flags || i < ir->ports ? 0 : -1;
    }
    for (int i = ir->n - 1; i >= 0; i--) {
        for (int k = 0; map[i] == 0 && k < ir->v[i].n; k++) {
            map[ir->v[i].arg[k]] = 0;
        }
    }
    int n = 0;
    for (int i = 0; i < ir->n; i++) {
        if (map[i] < 0) {
            continue;
        }
        reel__value v = ir->v[i];
        for (int k = 0; k < v.n; k++) {
            v.arg[k] = map[v.arg[k]];
        }
        map[i] = n;
        ir->v[n++] = v;
    }
    ir->n = n;
    for (int i = 0; i < ir->outs; i++) {
        ir->out[i] = ir->out[i] < 0 ? -1 : map[ir->out[i]];
    }
    reel__free(map);
    reel__ir_count(ir);
    return true;
}

void reel__ir_free(reel__ir *ir)
{
    reel__free(ir->v);
    ir->v = NULL;
    ir->n = ir->capacity = 0;
}

/* Windows */

reel_window reel__window_all(reel_shape shape)
{
    reel_window w = {.offset = 0};
    int64_t stride = 1;
    for (int k = shape.rank - 1; k >= 0; k--) {
        w.stride[k] = stride;
        stride *= shape.dim[k];
    }
    return w;
}

bool reel__window_dense(reel_shape shape, const reel_window *w)
{
    int64_t stride = 1;
    for (int k = shape.rank - 1; k >= 0; k--) {
        if (shape.dim[k] != 1 && w->stride[k] != stride) {
            return false;
        }
        stride *= shape.dim[k];
    }
    return true;
}

/* The axis of a dense tensor along which a step of `stride` elements goes `steps` times from
 * `start`; -1: none. */
static int axis_of(reel_shape large, const reel_window *dense, const int64_t *start, int64_t stride,
                   int64_t steps)
{
    for (int k = 0; k < large.rank; k++) {
        int64_t by = dense->stride[k];
        if (large.dim[k] > 1 && stride % by == 0 && start[k] + stride / by * steps < large.dim[k]) {
            return k;
        }
    }
    return -1;
}

/* A window of a dense tensor taken apart by axes: where it starts, and for each of its own axes the
 * tensor's (-1: stands still) and the step along it. */
typedef struct apart {
    int64_t start[REEL_MAX_RANK];
    int axis[REEL_MAX_RANK];
    int64_t step[REEL_MAX_RANK];
} apart;

static bool take_apart(reel_shape large, reel_shape small, const reel_window *w, apart *a)
{
    reel_window dense = reel__window_all(large);
    int64_t rest = w->offset;
    for (int k = 0; k < large.rank; k++) {
        int64_t stride = dense.stride[k];
        a->start[k] = stride ? rest / stride : 0;
        rest -= a->start[k] * stride;
        if (a->start[k] >= large.dim[k] && large.dim[k] > 0) {
            return false;
        }
    }
    unsigned used = 0;
    for (int j = 0; j < small.rank; j++) {
        a->axis[j] = -1;
        a->step[j] = 0;
        if (small.dim[j] <= 1 || w->stride[j] == 0) {
            continue;
        }
        int k = axis_of(large, &dense, a->start, w->stride[j], small.dim[j] - 1);
        if (k < 0 || used >> k & 1U) {
            return false;
        }
        used |= 1U << k;
        a->axis[j] = k;
        a->step[j] = w->stride[j] / dense.stride[k];
    }
    return true;
}

bool reel__window_of(reel_shape large, const reel_window *p, reel_shape small, const reel_window *w,
                     reel_window *out)
{
    if (reel__window_dense(large, p)) {
        *out = *w;
        out->offset += p->offset;
        return true;
    }
    apart a;
    if (reel_shape_size(large) == 0 || !take_apart(large, small, w, &a)) {
        return false;
    }
    *out = (reel_window){.offset = p->offset};
    for (int k = 0; k < large.rank; k++) {
        out->offset += a.start[k] * p->stride[k];
    }
    for (int j = 0; j < small.rank; j++) {
        out->stride[j] = a.axis[j] < 0 ? 0 : a.step[j] * p->stride[a.axis[j]];
    }
    return true;
}

/* First and last position along axis k that the window touches. */
static void range_of(const apart *a, reel_shape small, int k, int64_t *from, int64_t *to)
{
    *from = *to = a->start[k];
    for (int j = 0; j < small.rank; j++) {
        if (a->axis[j] == k) {
            *to += a->step[j] * (small.dim[j] - 1);
        }
    }
}

bool reel__windows_apart(reel_shape large, reel_shape a, const reel_window *wa, reel_shape b,
                         const reel_window *wb)
{
    apart pa, pb;
    if (!take_apart(large, a, wa, &pa) || !take_apart(large, b, wb, &pb)) {
        return false;
    }
    for (int k = 0; k < large.rank; k++) {
        int64_t a0, a1, b0, b1;
        range_of(&pa, a, k, &a0, &a1);
        range_of(&pb, b, k, &b0, &b1);
        if (a1 < b0 || b1 < a0) {
            return true;
        }
    }
    return false;
}

bool reel__window_span(reel_shape large, reel_shape small, const reel_window *w, int64_t *from,
                       int64_t *to)
{
    apart a;
    if (reel_shape_size(small) == 0 || !take_apart(large, small, w, &a)) {
        return false;
    }
    for (int k = 0; k < large.rank; k++) {
        range_of(&a, small, k, &from[k], &to[k]);
        to[k]++;
    }
    return true;
}
