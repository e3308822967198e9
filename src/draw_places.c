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
    uint32_t *run;           /* per scope; NULL: runs are not told apart */
    reel__ids path;
};

/* A cell's step: a scope right inside of one that says what kind of cell it is. */
static bool is_step(const reel_tape *tape, size_t scope)
{
    const reel__scope *s = &tape->scopes[scope];
    return !s->name && tape->scopes[s->parent].kind;
}

/* The path from a scope to one inside, as a number. */
static uint64_t path_within(const reel_tape *tape, uint32_t outer, uint32_t inner)
{
    uint64_t h = 0;
    for (uint32_t s = inner; s != outer; s = tape->scopes[s].parent) {
        const char *name = tape->scopes[s].name;
        h = reel__mix(h, name ? 5 : (uint64_t)tape->scopes[s].t << 3 | 7);
        for (const char *c = name; c && *c; c++) {
            h = reel__mix(h, (unsigned char)*c);
        }
    }
    return h;
}

/* What is known of scopes so far. */
typedef struct counting {
    const reel_tape *tape;
    uint32_t *run;
    uint64_t *path; /* per scope: where it is, runs being told apart */
    uint32_t *end;  /* per scope: the first behind it that is not inside */
    reel__map made; /* (path, step) -> how many runs have it */
} counting;

static uint64_t step_of(const counting *c, uint32_t scope, uint32_t step)
{
    return reel__mix(c->path[scope], path_within(c->tape, scope, step)) | 1;
}

/* A scope belongs to the run after the last that has any of the steps of cells inside it: windows
 * of one sequence go on with it, and another sequence is another run. */
static bool count_run(counting *c, uint32_t scope)
{
    uint32_t run = 0;
    for (uint32_t i = scope + 1; i < c->end[scope]; i++) {
        uintptr_t runs =
            is_step(c->tape, i) ? (uintptr_t)reel__map_get(&c->made, step_of(c, scope, i)) : 0;
        run = runs > run ? (uint32_t)runs : run;
    }
    for (uint32_t i = scope + 1; i < c->end[scope]; i++) {
        if (is_step(c->tape, i) &&
            !reel__map_put(&c->made, step_of(c, scope, i), (void *)((uintptr_t)run + 1))) {
            return false;
        }
    }
    c->run[scope] = run;
    return true;
}

static bool count_runs(counting *c)
{
    const reel__scope *scopes = c->tape->scopes;
    const uint32_t n = (uint32_t)c->tape->scope_count;
    for (uint32_t i = n; i-- > 1;) {
        c->end[i] = c->end[i] ? c->end[i] : i + 1;
        uint32_t *up = &c->end[scopes[i].parent];
        *up = c->end[i] > *up ? c->end[i] : *up;
    }
    uint32_t *depth = c->end; /* of scopes that are done with */
    depth[0] = 0;
    for (uint32_t i = 1; i < n; i++) {
        uint32_t deep = depth[scopes[i].parent] + 1;
        c->path[i] =
            reel__mix(c->path[scopes[i].parent], path_within(c->tape, scopes[i].parent, i));
        if (scopes[i].name && deep < DEEPEST && !count_run(c, i)) {
            return false;
        }
        c->path[i] = reel__mix(c->path[i], c->run[i]);
        depth[i] = deep;
    }
    return true;
}

/* Which run of its module each scope on the tape is, by its number; NULL when memory is out. */
static uint32_t *scope_runs(const reel_tape *tape)
{
    const size_t n = tape->scope_count + 1;
    counting c = {.tape = tape,
                  .run = reel__calloc(n, sizeof *c.run),
                  .path = reel__calloc(n, sizeof *c.path),
                  .end = reel__calloc(n, sizeof *c.end)};
    bool done = c.run && c.path && c.end && count_runs(&c);
    reel__map_free(&c.made);
    reel__free(c.path);
    reel__free(c.end);
    if (!done) {
        reel__free(c.run);
    }
    return done ? c.run : NULL;
}

reel__places *reel__places_new(reel__picture *p)
{
    reel__places *w = reel__calloc(1, sizeof *w);
    p->place = reel__calloc(1, sizeof *p->place);
    bool done = w && p->place;
    if (done && reel__picture_rows(p) && p->args->collapse != REEL_BY_MODULE) {
        w->run = scope_runs(p->tape);
        done = w->run != NULL;
    }
    if (!done) {
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
    reel__free(w->run);
    reel__ids_free(&w->path);
    reel__free(w);
}

/* A place to be looked for: a module of that name, a step when the name is NULL, or a pass. */
typedef struct wanted {
    uint32_t parent;
    const char *name;
    int64_t t;
    uint32_t run;
    bool pass;
    uint8_t order;
} wanted;

static uint64_t key_of(const wanted *k)
{
    uint64_t word = k->pass ? 3 : k->name ? 5 : 7;
    for (const char *c = k->name; c && *c; c++) {
        word = (word ^ (unsigned char)*c) * 0x100000001b3U;
    }
    uint64_t where = reel__mix((uint64_t)k->parent << 8 | k->order, (uint64_t)k->t);
    return reel__mix(reel__mix(where, k->run), word) | 1;
}

static bool is(const reel__place *p, const wanted *k)
{
    if (p->parent != k->parent || p->order != k->order || p->pass != k->pass || p->t != k->t ||
        p->run != k->run || !p->name != !k->name) {
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
        .run = k->run,
        .first = self,
        .runs = 1,
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

/* A run of a module and its first one know of each other. */
static uint32_t enter_run(reel__places *w, const wanted *k)
{
    wanted first = *k;
    first.run = 0;
    uint32_t begin = find_or_add(w, &first, REEL__NONE, REEL__NONE);
    uint32_t self =
        begin == REEL__NONE || !k->run ? begin : find_or_add(w, k, REEL__NONE, REEL__NONE);
    if (self != REEL__NONE) {
        reel__place *place = w->picture->place;
        place[self].first = begin;
        place[begin].runs = k->run + 1 > place[begin].runs ? k->run + 1 : place[begin].runs;
    }
    return self;
}

/* The module of that name inside another, with the same at order 0. */
static uint32_t enter_module(reel__places *w, uint32_t parent, const char *name, uint32_t run)
{
    wanted k = {
        .parent = parent, .name = name, .run = run, .order = w->picture->place[parent].order};
    wanted forward = {.parent = w->picture->place[parent].row, .name = name, .run = run};
    uint32_t row = enter_run(w, k.order ? &forward : &k);
    return row == REEL__NONE || !k.order ? row : find_or_add(w, &k, REEL__NONE, row);
}

/* The place of one scope inside the place of its parent. */
static uint32_t enter(reel__places *w, uint32_t parent, uint32_t scope)
{
    const reel__scope *s = &w->picture->tape->scopes[scope];
    const reel__place *up = &w->picture->place[parent];
    if (up->depth >= DEEPEST) {
        return parent;
    }
    wanted k = {.parent = parent,
                .name = s->name,
                .t = s->name ? 0 : s->t,
                .run = w->run ? w->run[scope] : 0,
                .order = up->order};
    uint32_t module = up->module;
    if (s->name) {
        module = enter_module(w, module, s->name, k.run);
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
        place = enter(w, place, scope);
        if (place == REEL__NONE) {
            return REEL__NONE;
        }
        known[scope] = place + 1;
    }
    return place;
}
