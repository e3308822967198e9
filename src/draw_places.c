/* Job: places: the paths of scopes, merged, apart for each order of differentiation.
 * Invariant: a place comes after its parent; two places differ in path or order.
 * Must not know: what is drawn in them. */
#include "memory.h"
#include "picture.h"

#include <string.h>

/* Scopes nested deeper than this count as their ancestor at this depth: dot's parser has a limited
 * stack, and nobody can read more. */
enum { DEEPEST = 40, ORDERS = 8 };

struct reel__places {
    reel__picture *picture;
    uint32_t *known[ORDERS]; /* per scope: its place + 1 */
    reel__map lookup;        /* (parent, name or t) -> place + 1 */
    reel__ids path;
};

reel__places *reel__places_new(reel__picture *p)
{
    reel__places *w = reel__calloc(1, sizeof *w);
    p->place = reel__calloc(1, sizeof *p->place);
    if (!w || !p->place) {
        reel__free(w);
        return NULL;
    }
    p->places = p->place_capacity = 1;
    p->place[0] = (reel__place){.name = ""};
    w->picture = p;
    return w;
}

void reel__places_free(reel__places *w)
{
    if (!w) {
        return;
    }
    for (int i = 0; i < ORDERS; i++) {
        reel__free(w->known[i]);
    }
    reel__map_free(&w->lookup);
    reel__ids_free(&w->path);
    reel__free(w);
}

/* A place to be looked for: a module of that name, a step when the name is NULL, or a pass. */
typedef struct wanted {
    uint32_t parent;
    const char *name;
    int64_t t;
    bool pass;
    uint8_t order;
} wanted;

static uint64_t key_of(const wanted *k)
{
    uint64_t word = k->pass ? 3 : k->name ? 5 : 7;
    for (const char *c = k->name; c && *c; c++) {
        word = (word ^ (unsigned char)*c) * 0x100000001b3U;
    }
    return reel__mix(reel__mix((uint64_t)k->parent << 8 | k->order, (uint64_t)k->t), word) | 1;
}

static bool is(const reel__place *p, const wanted *k)
{
    if (p->parent != k->parent || p->order != k->order || p->pass != k->pass || p->t != k->t ||
        !p->name != !k->name) {
        return false;
    }
    return !k->name || strcmp(p->name, k->name) == 0;
}

/* REEL__NONE as module or row: the place is its own. */
static uint32_t add_place(reel__places *w, const wanted *k, uint32_t module, uint32_t row)
{
    reel__picture *p = w->picture;
    if (p->places == p->place_capacity) {
        size_t capacity = 2 * p->place_capacity + 14;
        reel__place *v = reel__reallocarray(p->place, capacity, sizeof *v);
        if (!v) {
            return REEL__NONE;
        }
        p->place = v;
        p->place_capacity = capacity;
    }
    uint32_t self = (uint32_t)p->places++;
    const reel__place *up = &p->place[k->parent];
    bool step = !k->name && !k->pass;
    p->place[self] = (reel__place){
        .name = k->name,
        .t = k->t,
        .parent = k->parent,
        .module = module == REEL__NONE ? self : module,
        .row = row == REEL__NONE ? self : row,
        .depth = up->depth + 1,
        .order = k->order,
        .pass = k->pass,
        .timed = up->timed || step,
        .column = up->timed ? up->column
                  : step    ? k->t
                            : 0,
    };
    return self;
}

/* Finds or makes a place whose module and row are known. */
static uint32_t find_or_add(reel__places *w, const wanted *k, uint32_t module, uint32_t row)
{
    uint64_t key = key_of(k);
    for (;;) {
        uintptr_t found = (uintptr_t)reel__map_get(&w->lookup, key);
        if (!found) {
            break;
        }
        if (is(&w->picture->place[found - 1], k)) {
            return (uint32_t)found - 1;
        }
        key = reel__mix(key, 1) | 1;
    }
    uint32_t self = add_place(w, k, module, row);
    if (self != REEL__NONE && !reel__map_put(&w->lookup, key, (void *)((uintptr_t)self + 1))) {
        return REEL__NONE;
    }
    return self;
}

/* The module of that name inside another, with the same at order 0. */
static uint32_t enter_module(reel__places *w, uint32_t parent, const char *name)
{
    wanted k = {.parent = parent, .name = name, .order = w->picture->place[parent].order};
    wanted first = {.parent = w->picture->place[parent].row, .name = name};
    uint32_t row = k.order ? find_or_add(w, &first, REEL__NONE, REEL__NONE) : 0;
    if (row == REEL__NONE) {
        return REEL__NONE;
    }
    return find_or_add(w, &k, REEL__NONE, k.order ? row : REEL__NONE);
}

/* The place of one scope inside the place of its parent. */
static uint32_t enter(reel__places *w, uint32_t parent, const reel__scope *s)
{
    const reel__place *up = &w->picture->place[parent];
    if (up->depth >= DEEPEST) {
        return parent;
    }
    wanted k = {.parent = parent, .name = s->name, .t = s->name ? 0 : s->t, .order = up->order};
    uint32_t module = up->module;
    if (s->name) {
        module = enter_module(w, module, s->name);
    }
    if (module != REEL__NONE && s->kind) {
        w->picture->place[module].kind = s->kind;
    }
    if (module == REEL__NONE || (s->name && w->picture->place[module].parent == parent)) {
        return module;
    }
    return find_or_add(w, &k, module, w->picture->place[module].row);
}

static uint32_t outermost(reel__places *w, uint8_t order)
{
    return order ? find_or_add(w, &(wanted){.pass = true, .order = order}, REEL__NONE, 0) : 0;
}

uint32_t reel__place_of(reel__places *w, uint32_t scope, uint8_t order)
{
    const reel_tape *tape = w->picture->tape;
    order = order < ORDERS ? order : ORDERS - 1;
    if (!w->known[order]) {
        w->known[order] = reel__calloc(tape->scope_count, sizeof **w->known);
        uint32_t top = w->known[order] ? outermost(w, order) : REEL__NONE;
        if (top == REEL__NONE) {
            return REEL__NONE;
        }
        w->known[order][0] = top + 1;
    }
    uint32_t *known = w->known[order];
    w->path.n = 0;
    for (; !known[scope]; scope = tape->scopes[scope].parent) {
        if (!reel__ids_push(&w->path, scope)) {
            return REEL__NONE;
        }
    }
    uint32_t place = known[scope] - 1;
    while (w->path.n) {
        scope = w->path.v[--w->path.n];
        place = enter(w, place, &tape->scopes[scope]);
        if (place == REEL__NONE) {
            return REEL__NONE;
        }
        known[scope] = place + 1;
    }
    return place;
}
