/* Pass: equal work once.
 * Invariant: of two values with the same op, attribute and arguments only the first remains; ops
 * are pure, and what changes between runs is an argument (a mask's counter, a number), so nothing
 * that could differ is merged. */
#include "ir.h"

#include <string.h>

#include "memory.h"
#include "plant.h"

static uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        h = reel__mix(h, word);
    }
    return h;
}

static size_t attr_size(const reel__value *v)
{
    return v->op && v->attr && !reel__planted(REEL__MERGED_MASKS) ? v->op->attr_size : 0;
}

static size_t windows_size(const reel__value *v)
{
    return v->kind == REEL__VIEW       ? sizeof *v->window
           : v->kind == REEL__ASSEMBLE ? (size_t)v->n * sizeof *v->window
                                       : 0;
}

static uint64_t hash_of(const reel__value *v)
{
    uint64_t h = reel__mix((uint64_t)(uintptr_t)v->op, v->kind);
    h = hash_bytes(h, v->attr, attr_size(v));
    h = hash_bytes(h, v->window, windows_size(v));
    for (int k = 0; k < v->n; k++) {
        h = reel__mix(h, (uint64_t)(unsigned)v->arg[k]);
    }
    return h;
}

static bool same_bytes(const void *a, const void *b, size_t n)
{
    return n == 0 || memcmp(a, b, n) == 0;
}

static bool same(const reel__value *a, const reel__value *b)
{
    size_t terms = a->kind == REEL__PRODUCT ? (size_t)a->n / 2 : 0;
    return a->kind == b->kind && a->op == b->op && a->n == b->n && a->dtype == b->dtype &&
           reel_shape_equal(a->shape, b->shape) && attr_size(a) == attr_size(b) &&
           same_bytes(a->arg, b->arg, (size_t)a->n * sizeof *a->arg) &&
           same_bytes(a->attr, b->attr, attr_size(a)) &&
           same_bytes(a->window, b->window, windows_size(a)) &&
           same_bytes(a->transposed, b->transposed, terms);
}

/* Values that other blocks add up are as many contributions as there are of them. */
static bool mergeable(const reel__value *v)
{
    return v->kind != REEL__PORT && v->kind != REEL__ACCUMULATE && v->n > 0 &&
           !(v->flags & REEL__ADDED);
}

bool reel__pass_cse(reel__ir *ir)
{
    size_t capacity = 16;
    while (capacity < 2 * (size_t)ir->n) {
        capacity *= 2;
    }
    int *table = reel__calloc(capacity, sizeof *table); /* number + 1 */
    int *map = reel__reallocarray(NULL, (size_t)ir->n + 1, sizeof *map);
    for (int i = 0; table && map && i < ir->n; i++) {
        reel__value *v = &ir->v[i];
        for (int k = 0; k < v->n; k++) {
            v->arg[k] = map[v->arg[k]];
        }
        map[i] = i;
        if (!mergeable(v)) {
            continue;
        }
        size_t at = (size_t)hash_of(v) & (capacity - 1);
        while (table[at] && !same(&ir->v[table[at] - 1], v)) {
            at = (at + 1) & (capacity - 1);
        }
        if (table[at]) {
            reel__pass_used(REEL__PASS_CSE);
            map[i] = table[at] - 1;
            ir->v[map[i]].flags |= v->flags;
            v->flags = 0;
        } else {
            table[at] = i + 1;
        }
    }
    for (int i = 0; map && i < ir->outs; i++) {
        ir->out[i] = ir->out[i] < 0 ? -1 : map[ir->out[i]];
    }
    ir->failed = ir->failed || !table || !map;
    reel__free(table);
    reel__free(map);
    return !ir->failed && reel__ir_sweep(ir);
}
