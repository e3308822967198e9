/* Job: arrange a graph's blocks into a plan: which run together, in what order, and where their
 * values live.
 * Invariant: a step runs after every step whose results it reads. A plan is a function of structure
 * alone: the same graph gives the same plan.
 * Must not know: what kernels do, nor any address. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "plan.h"
#include "plant.h"

#ifdef REEL_STRESS
enum {
    ALIGN = 64,
    STEP_SCRATCH = 1 << 10,
    LEAST_WINDOW = 1 << 9,
    MOST_WINDOW = 1 << 9,
    LITTLE = 1 << 8
}; /* so that small nets have some */
#else
enum {
    ALIGN = 64,
    STEP_SCRATCH = 1 << 20,
    LEAST_WINDOW = 1 << 17,
    MOST_WINDOW = 15 << 16,
    LITTLE = 1 << 16 /* temporaries: not worth placing anew */
};
#endif

enum { SHARE = 8 }; /* a window's, of what a recurrence hands from segment to segment */

typedef struct array {
    size_t bytes; /* of one instance */
    uint32_t count;
    int64_t first, last; /* steps between which it is in use */
    uint32_t wanted;     /* how many instances are kept */
    bool read;           /* by another block, or kept */
    bool far;            /* and not just by the window and the next one of its recurrence */
    bool lasts;          /* and not just by main of the next level */
    bool rolling, paired;
    uint32_t within; /* the array that it is a stretch of + 1; 0: none */
    size_t at;       /* and where */
    reel__place place;
} array;

typedef struct member {
    uint64_t key;
    uint32_t block;
} member;

/* Instances of one group that are of one level. */
typedef struct range {
    uint32_t level, group, from, to;
} range;

typedef struct arrange {
    reel__compiled *c;
    reel__graph *g;
    reel__plan *plan;
    reel__arena *arena; /* working memory */
    uint32_t groups;
    reel__group *group;
    uint32_t *component; /* by group */
    bool *recurrent;     /* by component */
    uint32_t components;
    uint32_t *by_component, *component_start; /* groups */
    uint32_t *last_turn, *last_level;         /* by component: its last window, level */
    range *covers;                            /* by group: of the present window; `level` counts */
    uint8_t **recurs, **feeds;                /* by group */
    uint32_t *added_start;                    /* by block: its entries in added_of */
    uint32_t *added_of;
    member *member;        /* scratch for sorting */
    uint32_t *array_start; /* by group */
    array *array;
    uint32_t arrays;
    struct spot *spot; /* by port of the graph */
    reel__step *step;
    uint32_t steps, step_room;
    bool failed;
} arrange;

static void *take(arrange *a, size_t count, size_t size)
{
    size_t bytes;
    void *p =
        __builtin_mul_overflow(count + 1, size, &bytes) ? NULL : reel__arena_alloc(a->arena, bytes);
    if (!p) {
        a->failed = true;
        return NULL;
    }
    return memset(p, 0, bytes);
}

/* Memory that stays with the plan. */
static void *keep(arrange *a, size_t count, size_t size)
{
    size_t bytes;
    void *p = __builtin_mul_overflow(count + 1, size, &bytes)
                  ? NULL
                  : reel__arena_alloc(&a->plan->arena, bytes);
    if (!p) {
        a->failed = true;
        return NULL;
    }
    return memset(p, 0, bytes);
}

static const reel__source *ports_of(const arrange *a, const reel__block *b)
{
    return a->g->port + b->first_port;
}

/* Groups */

/* A weight, or something made of weights alone. */
static bool is_weight(const arrange *a, const reel__source *x)
{
    if (x->block == REEL__NONE) {
        return a->g->outside[x->at]->flags & REEL__PARAM;
    }
    return x->block == 0 && a->g->node[x->at]->n > 0;
}

static uint64_t group_hash(const arrange *a, uint32_t j)
{
    const reel__block *b = &a->g->block[j];
    uint64_t h = reel__mix((uint64_t)(uintptr_t)b->template, b->window);
    if (!(a->c->passes & REEL__PASS_BATCH)) {
        return reel__mix(h, j);
    }
    for (uint32_t p = 0; p < b->ports; p++) {
        const reel__source *x = &ports_of(a, b)[p];
        if (is_weight(a, x)) {
            h = reel__mix(h, (uint64_t)x->block << 32 | x->at);
        }
    }
    return reel__mix(h, 1);
}

static bool same_group(const arrange *a, uint32_t i, uint32_t j)
{
    const reel__block *b = &a->g->block[i], *other = &a->g->block[j];
    if (b->template != other->template || b->window != other->window || b->copy != other->copy ||
        !(a->c->passes & REEL__PASS_BATCH)) {
        return i == j;
    }
    for (uint32_t p = 0; p < b->ports; p++) {
        const reel__source *x = &ports_of(a, b)[p], *y = &ports_of(a, other)[p];
        if (is_weight(a, x) && (x->block != y->block || x->at != y->at)) {
            return false;
        }
    }
    return true;
}

static bool find_groups(arrange *a)
{
    reel__graph *g = a->g;
    size_t capacity = 16;
    while (capacity < 2 * (size_t)g->blocks) {
        capacity *= 2;
    }
    uint32_t *table = take(a, capacity, sizeof *table); /* group + 1 */
    uint32_t *example = take(a, g->blocks, sizeof *example);
    a->group = keep(a, g->blocks, sizeof *a->group);
    if (a->failed) {
        return false;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        size_t at = (size_t)group_hash(a, j) & (capacity - 1);
        while (table[at] && !same_group(a, example[table[at] - 1], j)) {
            at = (at + 1) & (capacity - 1);
        }
        if (!table[at]) {
            example[a->groups] = j;
            a->group[a->groups].template = g->block[j].template;
            table[at] = ++a->groups;
        }
        if (a->group[table[at] - 1].count) {
            reel__pass_used(REEL__PASS_BATCH);
        }
        g->block[j].group = table[at] - 1;
        a->group[table[at] - 1].count++;
    }
    a->plan->order = keep(a, g->blocks, sizeof *a->plan->order);
    if (a->failed) {
        return false;
    }
    uint32_t first = 0;
    for (uint32_t q = 0; q < a->groups; q++) {
        a->group[q].first = first;
        first += a->group[q].count;
        a->group[q].count = 0;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        reel__group *q = &a->group[g->block[j].group];
        a->plan->order[q->first + q->count++] = j;
    }
    return true;
}

/* Sums: entries by contributing block. */
static bool sort_added(arrange *a)
{
    reel__graph *g = a->g;
    a->added_start = take(a, (size_t)g->blocks + 1, sizeof *a->added_start);
    a->added_of = take(a, g->added_count, sizeof *a->added_of);
    if (a->failed) {
        return false;
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        a->added_start[g->added[i].block + 1]++;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        a->added_start[j + 1] += a->added_start[j];
    }
    uint32_t *at = take(a, g->blocks, sizeof *at);
    if (a->failed) {
        return false;
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        uint32_t j = g->added[i].block;
        a->added_of[a->added_start[j] + at[j]++] = i;
    }
    return true;
}

/* Recurrences: strongly connected groups (Tarjan 1972), without recursion. */

typedef struct edges {
    uint32_t *start, *to; /* from a group to the groups that read it */
    bool *self;
} edges;

/* Edges as they are found, each once if its reader's all come together. */
typedef struct pairs {
    uint32_t *from, *to, n;
    uint32_t *seen; /* by group: the last that read it + 1 */
} pairs;

static void add_edge(pairs *p, edges *e, uint32_t from, uint32_t to)
{
    if (from == to) {
        e->self[to] = true;
    } else if (p->seen[from] != to + 1) {
        p->seen[from] = to + 1;
        p->from[p->n] = from;
        p->to[p->n++] = to;
    }
}

/* Edges by the group that they start from. */
static bool sort_edges(arrange *a, const pairs *p, edges *e)
{
    uint32_t *at = take(a, a->groups, sizeof *at);
    for (uint32_t i = 0; i < p->n; i++) {
        e->start[p->from[i] + 1]++;
    }
    for (uint32_t q = 0; q < a->groups; q++) {
        e->start[q + 1] += e->start[q];
    }
    for (uint32_t i = 0; at && i < p->n; i++) {
        uint32_t from = p->from[i];
        e->to[e->start[from] + at[from]++] = p->to[i];
    }
    return at != NULL;
}

static bool find_edges(arrange *a, edges *e)
{
    const reel__graph *g = a->g;
    size_t most = g->port_count + (size_t)g->added_count;
    pairs p = {.from = take(a, most, sizeof *p.from), .to = take(a, most, sizeof *p.to)};
    p.seen = take(a, a->groups, sizeof *p.seen);
    e->self = take(a, a->groups, sizeof *e->self);
    e->start = take(a, (size_t)a->groups + 1, sizeof *e->start);
    e->to = take(a, most, sizeof *e->to);
    if (a->failed) {
        return false;
    }
    for (uint32_t q = 0; q < a->groups; q++) {
        for (uint32_t i = 0; i < a->group[q].count; i++) {
            const reel__block *b = &g->block[a->plan->order[a->group[q].first + i]];
            for (uint32_t k = 0; k < b->ports; k++) {
                const reel__source *x = &ports_of(a, b)[k];
                if (x->block != REEL__NONE) {
                    add_edge(&p, e, g->block[x->block].group, q);
                }
            }
        }
    }
    memset(p.seen, 0, a->groups * sizeof *p.seen);
    for (uint32_t i = 0; i < g->added_count; i++) {
        add_edge(&p, e, g->block[g->added[i].block].group, g->block[g->added[i].to_block].group);
    }
    return sort_edges(a, &p, e);
}

/* Renumbers components so that, of those that could come next, the one that was recorded first
 * does: what is computed again then comes right before it is needed. */
static bool order_by_blocks(arrange *a, const edges *e)
{
    uint32_t n = a->components, done = 0;
    uint32_t *first = take(a, n, sizeof *first), *waits = take(a, n, sizeof *waits);
    uint32_t *number = take(a, n, sizeof *number);
    bool *recurrent = take(a, n, sizeof *recurrent);
    if (a->failed) {
        return false;
    }
    memset(first, 0xff, n * sizeof *first);
    for (uint32_t q = 0; q < a->groups; q++) {
        uint32_t k = a->component[q], block = a->plan->order[a->group[q].first];
        first[k] = block < first[k] ? block : first[k];
        for (uint32_t i = e->start[q]; i < e->start[q + 1]; i++) {
            waits[a->component[e->to[i]]] += a->component[e->to[i]] != k;
        }
    }
    while (done < n) {
        uint32_t next = REEL__NONE;
        for (uint32_t k = 0; k < n; k++) {
            if (waits[k] == 0 && first[k] != REEL__NONE &&
                (next == REEL__NONE || first[k] < first[next])) {
                next = k;
            }
        }
        first[next] = REEL__NONE;
        number[next] = done;
        recurrent[done++] = a->recurrent[next];
        for (uint32_t q = 0; q < a->groups; q++) {
            for (uint32_t i = e->start[q]; a->component[q] == next && i < e->start[q + 1]; i++) {
                waits[a->component[e->to[i]]] -= a->component[e->to[i]] != next;
            }
        }
    }
    for (uint32_t q = 0; q < a->groups; q++) {
        a->component[q] = number[a->component[q]];
    }
    memcpy(a->recurrent, recurrent, n * sizeof *recurrent);
    return true;
}

static bool find_components(arrange *a)
{
    edges e;
    if (!find_edges(a, &e)) {
        return false;
    }
    uint32_t n = a->groups, index = 0, depth = 0, waiting = 0;
    uint32_t *number = take(a, n, sizeof *number), *low = take(a, n, sizeof *low);
    uint32_t *next = take(a, n, sizeof *next), *path = take(a, n, sizeof *path);
    uint32_t *stack = take(a, n, sizeof *stack);
    bool *on = take(a, n, sizeof *on);
    a->component = take(a, n, sizeof *a->component);
    a->recurrent = take(a, n, sizeof *a->recurrent);
    a->by_component = take(a, n, sizeof *a->by_component);
    a->component_start = take(a, (size_t)n + 1, sizeof *a->component_start);
    if (a->failed) {
        return false;
    }
    for (uint32_t root = 0; root < n; root++) {
        if (number[root]) {
            continue;
        }
        path[depth++] = root;
        while (depth) {
            uint32_t v = path[depth - 1];
            if (!number[v]) {
                number[v] = low[v] = ++index;
                next[v] = e.start[v];
                stack[waiting++] = v;
                on[v] = true;
            }
            bool deeper = false;
            while (next[v] < e.start[v + 1] && !deeper) {
                uint32_t w = e.to[next[v]];
                if (!number[w]) {
                    path[depth++] = w;
                    deeper = true;
                } else {
                    low[v] = on[w] && low[w] < low[v] ? low[w] : low[v];
                    next[v]++;
                }
            }
            if (deeper) {
                continue;
            }
            depth--;
            if (low[v] == number[v]) {
                uint32_t size = 0, w;
                do {
                    w = stack[--waiting];
                    on[w] = false;
                    a->component[w] = a->components;
                    size++;
                } while (w != v);
                a->recurrent[a->components++] = size > 1 || e.self[v];
            }
        }
    }
    /* Components come out readers first. */
    for (uint32_t q = 0; q < n; q++) {
        a->component[q] = a->components - 1 - a->component[q];
    }
    for (uint32_t i = 0, j = a->components; i + 1 < j; i++) {
        bool swap = a->recurrent[i];
        a->recurrent[i] = a->recurrent[--j];
        a->recurrent[j] = swap;
    }
    if (a->c->tape->keep_every && !order_by_blocks(a, &e)) {
        return false;
    }
    for (uint32_t q = 0; q < n; q++) {
        a->component_start[a->component[q] + 1]++;
    }
    for (uint32_t k = 0; k < a->components; k++) {
        a->component_start[k + 1] += a->component_start[k];
    }
    memset(next, 0, n * sizeof *next);
    for (uint32_t q = 0; q < n; q++) {
        uint32_t k = a->component[q];
        a->by_component[a->component_start[k] + next[k]++] = q;
    }
    return true;
}

static uint32_t component_of(const arrange *a, uint32_t block)
{
    return a->component[a->g->block[block].group];
}

/* Whether block x feeds block j within one recurrence. */
static bool inside(const arrange *a, uint32_t x, uint32_t j)
{
    uint32_t k = component_of(a, j);
    return a->recurrent[k] && component_of(a, x) == k;
}

static bool find_codes(arrange *a)
{
    reel__graph *g = a->g;
    a->recurs = take(a, a->groups, sizeof *a->recurs);
    a->feeds = take(a, a->groups, sizeof *a->feeds);
    for (uint32_t q = 0; !a->failed && q < a->groups; q++) {
        const reel__ir *raw = &a->group[q].template->raw;
        a->recurs[q] = take(a, (size_t)(raw->ports + raw->outs), 1);
        a->feeds[q] = take(a, (size_t)raw->outs, 1);
    }
    if (a->failed) {
        return false;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        if (!a->recurrent[component_of(a, j)]) {
            continue;
        }
        for (uint32_t p = 0; p < b->ports; p++) {
            const reel__source *x = &ports_of(a, b)[p];
            if (x->block != REEL__NONE && inside(a, x->block, j)) {
                a->recurs[b->group][p] = 1;
                a->feeds[g->block[x->block].group][x->at] = 1;
            }
        }
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        const reel__added *s = &g->added[i];
        if (inside(a, s->block, s->to_block)) {
            const reel__block *to = &g->block[s->to_block];
            a->recurs[to->group][to->ports + s->to_at] = 1;
            a->feeds[g->block[s->block].group][s->at] = 1;
        }
    }
    for (uint32_t q = 0; q < a->groups; q++) {
        a->group[q].code =
            reel__code_find(a->group[q].template, a->c->passes, a->recurs[q], a->feeds[q]);
        if (!a->group[q].code) {
            return false;
        }
    }
    return true;
}

/* Levels */

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* A block's level: the longest way to it within its recurrence; its tail: the longest way on. */
static void find_levels(arrange *a)
{
    reel__graph *g = a->g;
    for (uint32_t j = 0; j < g->blocks; j++) {
        g->block[j].level = g->block[j].tail = 0;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        reel__block *b = &g->block[j];
        if (!a->recurrent[component_of(a, j)]) {
            continue;
        }
        for (uint32_t p = 0; p < b->ports; p++) {
            const reel__source *x = &ports_of(a, b)[p];
            if (p && reel__planted(REEL__DROPPED_DEPENDENCY)) {
                continue;
            }
            if (x->block != REEL__NONE && inside(a, x->block, j)) {
                b->level = larger(b->level, g->block[x->block].level + 1);
            }
        }
        for (uint32_t i = a->added_start[j]; i < a->added_start[j + 1]; i++) {
            const reel__added *s = &g->added[a->added_of[i]];
            if (inside(a, j, s->to_block)) {
                g->block[s->to_block].level = larger(g->block[s->to_block].level, b->level + 1);
            }
        }
    }
    for (uint32_t j = g->blocks; j-- > 0;) {
        reel__block *b = &g->block[j];
        if (!a->recurrent[component_of(a, j)]) {
            continue;
        }
        for (uint32_t i = a->added_start[j]; i < a->added_start[j + 1]; i++) {
            const reel__added *s = &g->added[a->added_of[i]];
            if (inside(a, j, s->to_block)) {
                b->tail = larger(b->tail, g->block[s->to_block].tail + 1);
            }
        }
        for (uint32_t p = 0; p < b->ports; p++) {
            const reel__source *x = &ports_of(a, b)[p];
            if (x->block != REEL__NONE && inside(a, x->block, j)) {
                g->block[x->block].tail = larger(g->block[x->block].tail, b->tail + 1);
            }
        }
    }
}

/* The forward block of each scope, for backward blocks to go by. */
static uint32_t *find_partners(arrange *a)
{
    reel__graph *g = a->g;
    size_t scopes = g->tape->scope_count;
    uint32_t *of_scope = take(a, scopes, sizeof *of_scope);
    uint32_t *partner = take(a, g->blocks, sizeof *partner);
    if (a->failed) {
        return NULL;
    }
    for (uint32_t j = 1; j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        partner[j] = REEL__NONE;
        if (b->scope && !b->backward) { /* a copy, if there is one, stands behind its original */
            of_scope[b->scope] = j + 1;
        } else if (b->scope && of_scope[b->scope]) {
            partner[j] = of_scope[b->scope] - 1;
        }
    }
    partner[0] = REEL__NONE;
    return partner;
}

/* A backward recurrence goes through the groups of its forward one in the opposite order, when that
 * is a valid order: values then lie for both as they are used together. */
static bool mirrors(arrange *a, uint32_t k, const uint32_t *partner, uint32_t *most)
{
    reel__graph *g = a->g;
    *most = 0;
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        const reel__group *q = &a->group[a->by_component[i]];
        for (uint32_t m = 0; m < q->count; m++) {
            uint32_t j = a->plan->order[q->first + m];
            if (partner[j] == REEL__NONE) {
                return false;
            }
            *most = larger(*most, g->block[partner[j]].level);
        }
    }
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        const reel__group *q = &a->group[a->by_component[i]];
        for (uint32_t m = 0; m < q->count; m++) {
            uint32_t j = a->plan->order[q->first + m];
            const reel__block *b = &g->block[j];
            uint32_t own = g->block[partner[j]].level;
            for (uint32_t p = 0; p < b->ports; p++) {
                const reel__source *x = &ports_of(a, b)[p];
                if (x->block != REEL__NONE && inside(a, x->block, j) &&
                    g->block[partner[x->block]].level <= own) {
                    return false;
                }
            }
            for (uint32_t s = a->added_start[j]; s < a->added_start[j + 1]; s++) {
                const reel__added *to = &g->added[a->added_of[s]];
                if (inside(a, j, to->to_block) && g->block[partner[to->to_block]].level >= own) {
                    return false;
                }
            }
        }
    }
    return true;
}

static int by_key(const void *x, const void *y)
{
    const member *a = x, *b = y;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return (a->block > b->block) - (a->block < b->block);
}

/* Orders the instances of each group of the component. */
static void order_component(arrange *a, uint32_t k, const uint32_t *partner)
{
    reel__graph *g = a->g;
    uint32_t most = 0;
    bool backward = a->recurrent[k] && mirrors(a, k, partner, &most);
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        reel__group *q = &a->group[a->by_component[i]];
        bool sorted = true;
        for (uint32_t m = 0; m < q->count; m++) {
            uint32_t j = a->plan->order[q->first + m];
            reel__block *b = &g->block[j];
            uint64_t tail = UINT16_MAX - (b->tail < UINT16_MAX ? b->tail : UINT16_MAX);
            bool has = partner[j] != REEL__NONE;
            uint64_t key = (uint64_t)b->level << 16 | tail;
            if (backward || (has && !a->recurrent[k])) {
                const reel__block *p = &g->block[partner[j]];
                key = (uint64_t)p->group << 32 | p->position;
            }
            if (backward) {
                b->level = most - g->block[partner[j]].level;
            }
            a->member[m] = (member){.key = key, .block = j};
            sorted = sorted && (m == 0 || by_key(&a->member[m - 1], &a->member[m]) < 0);
        }
        if (!sorted) {
            qsort(a->member, q->count, sizeof *a->member, by_key);
        }
        for (uint32_t m = 0; m < q->count; m++) {
            a->plan->order[q->first + m] = a->member[m].block;
            g->block[a->member[m].block].position = m;
        }
    }
}

/* Steps */

/* `origin`: where the window begins that the instances are of. */
static void add_step(arrange *a, uint32_t group, int segment, uint32_t from, uint32_t to,
                     uint32_t origin, bool odd)
{
    const reel__segment *s = &a->group[group].code->segment[segment];
    if (s->kernels == 0 || from == to) {
        return;
    }
    uint32_t chunk = to - from;
    if (s->scratch && chunk > STEP_SCRATCH / s->scratch) {
        chunk = s->scratch >= STEP_SCRATCH ? 1 : (uint32_t)(STEP_SCRATCH / s->scratch);
    }
    for (uint32_t at = from; at < to; at += chunk) {
        if (a->steps == a->step_room) {
            uint32_t room = a->step_room ? 2 * a->step_room : 64;
            reel__step *step = take(a, room, sizeof *step);
            if (!step) {
                return;
            }
            if (a->steps) {
                memcpy(step, a->step, a->steps * sizeof *step);
            }
            a->step = step;
            a->step_room = room;
        }
        uint32_t end = to - at < chunk ? to : at + chunk;
        a->step[a->steps++] = (reel__step){.group = group,
                                           .segment = (uint8_t)segment,
                                           .from = at,
                                           .to = end,
                                           .origin = origin,
                                           .odd = odd};
        a->group[group].window = larger(a->group[group].window, end - origin);
    }
}

static int by_level(const void *x, const void *y)
{
    const range *a = x, *b = y;
    if (a->level != b->level) {
        return a->level < b->level ? -1 : 1;
    }
    return (a->group > b->group) - (a->group < b->group);
}

/* The component's instances by level: what runs together. Their number; 0 when memory is out. */
static uint32_t find_ranges(arrange *a, uint32_t k, range **ranges)
{
    reel__graph *g = a->g;
    uint32_t n = 0, most = 0;
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        most += a->group[a->by_component[i]].count;
    }
    range *r = take(a, most, sizeof *r);
    for (uint32_t i = a->component_start[k]; r && i < a->component_start[k + 1]; i++) {
        uint32_t group = a->by_component[i];
        const reel__group *q = &a->group[group];
        const uint32_t *order = a->plan->order + q->first;
        for (uint32_t m = 0; m < q->count;) {
            uint32_t from = m, level = g->block[order[m]].level;
            while (m < q->count && g->block[order[m]].level == level) {
                m++;
            }
            r[n++] = (range){level, group, from, m};
        }
    }
    if (r) {
        qsort(r, n, sizeof *r, by_level);
    }
    *ranges = r;
    return n;
}

/* Bytes that an instance of the group hands from segment to segment. */
static size_t handed_on(const reel__group *q)
{
    const reel__ir *ir = &q->code->ir;
    size_t bytes = 0;
    for (int i = ir->ports; i < ir->n; i++) {
        unsigned segments =
            (unsigned)(ir->v[i].made | ir->v[i].used) & ((1U << REEL__SEGMENTS) - 1);
        if (ir->v[i].store == REEL__ARRAY && segments & (segments - 1)) {
            bytes += (size_t)ir->v[i].size * reel_dtype_size((reel_dtype)ir->v[i].dtype);
        }
    }
    return bytes;
}

/* Which instances of each group the window's ranges cover; false when some group's are no
 * neighbours. */
static bool cover(arrange *a, uint32_t k, const range *r, uint32_t n)
{
    bool neighbours = true;
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        a->covers[a->by_component[i]] = (range){.from = UINT32_MAX};
    }
    for (uint32_t i = 0; i < n; i++) {
        range *c = &a->covers[r[i].group];
        c->from = r[i].from < c->from ? r[i].from : c->from;
        c->to = larger(c->to, r[i].to);
        c->level += r[i].to - r[i].from; /* how many they are */
    }
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        const range *c = &a->covers[a->by_component[i]];
        neighbours = neighbours && (c->level == 0 || c->level == c->to - c->from);
    }
    return neighbours;
}

static void add_segment_steps(arrange *a, uint32_t k, int segment, bool odd)
{
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        const range *c = &a->covers[a->by_component[i]];
        if (c->from < c->to) {
            add_step(a, a->by_component[i], segment, c->from, c->to, c->from, odd);
        }
    }
}

/* Tells the blocks of a window which one it is, and where in it they are. */
static void take_turn(arrange *a, const range *r, uint32_t n, uint32_t turn)
{
    uint32_t beside = 0; /* instances of the same level and group before */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = a->covers[r[i].group].from;
        reel__group *q = &a->group[r[i].group];
        bool more = i && r[i - 1].level == r[i].level && r[i - 1].group == r[i].group;
        beside = more ? beside + r[i - 1].to - r[i - 1].from : 0;
        q->width = larger(q->width, beside + r[i].to - r[i].from);
        for (uint32_t m = r[i].from; m < r[i].to; m++) {
            reel__block *b = &a->g->block[a->plan->order[q->first + m]];
            b->turn = turn;
            b->slot = m - first;              /* and a window further, when the turn is odd */
            b->near = beside + m - r[i].from; /* and a level further, when that is odd */
        }
    }
}

/* How a recurrence is cut into windows of levels. */
typedef struct cut {
    const range *r;
    uint32_t n;
    size_t *until; /* by range: bytes that go from segment to segment before it */
    size_t windows;
} cut;

static uint32_t next_level(const cut *c, uint32_t i)
{
    uint32_t level = c->r[i].level;
    while (i < c->n && c->r[i].level == level) {
        i++;
    }
    return i;
}

/* As many windows as are needed for none to be too large: it is to fit into the cache, and to be
 * little of all that the recurrence makes. */
static bool find_cut(arrange *a, cut *c)
{
    c->until = take(a, (size_t)c->n + 1, sizeof *c->until);
    for (uint32_t i = 0; c->until && i < c->n; i++) {
        size_t bytes = handed_on(&a->group[c->r[i].group]);
        c->until[i + 1] = c->until[i] + bytes * (c->r[i].to - c->r[i].from);
    }
    size_t most = c->until ? c->until[c->n] / SHARE : 0;
    most = most < LEAST_WINDOW ? LEAST_WINDOW : most > MOST_WINDOW ? MOST_WINDOW : most;
    for (uint32_t from = 0, to, more; c->until && from < c->n; from = to) {
        to = next_level(c, from);
        while (to < c->n) {
            more = next_level(c, to);
            if (c->until[more] - c->until[from] > most) {
                break;
            }
            to = more;
        }
        c->windows++;
    }
    return c->until != NULL;
}

/* Where the window that begins at range `from` ends: all are about as large. */
static uint32_t window_end(const cut *c, uint32_t from, uint32_t turn)
{
    if (turn + 1 >= c->windows) {
        return c->n;
    }
    size_t all = c->until[c->n];
    size_t goal = all / c->windows * (turn + 1) + all % c->windows * (turn + 1) / c->windows;
    uint32_t to = next_level(c, from);
    while (to < c->n && c->until[to] < goal) {
        to = next_level(c, to);
    }
    return to;
}

/* Whether the instances of each window are neighbours in every group. Where they are not, as when
 * the levels of several forward groups interleave, the recurrence is one window. */
static bool has_windows(arrange *a, uint32_t k, const cut *c)
{
    for (uint32_t turn = 0, from = 0, to; from < c->n; turn++, from = to) {
        to = window_end(c, from, turn);
        if (!cover(a, k, c->r + from, to - from)) {
            return false;
        }
    }
    return true;
}

/* A recurrence runs in windows of levels: what does not recur runs for a window's instances at
 * once, and what it hands on is still in the cache when it is used. */
static void add_recurrent_steps(arrange *a, uint32_t k)
{
    range *r;
    uint32_t n = find_ranges(a, k, &r);
    cut c = {.r = r, .n = n};
    if (!r || !find_cut(a, &c)) {
        return;
    }
    if (!has_windows(a, k, &c)) {
        c.windows = 1;
    }
    for (uint32_t turn = 0, from = 0, to; from < n; turn++, from = to) {
        to = window_end(&c, from, turn);
        cover(a, k, r + from, to - from);
        take_turn(a, r + from, to - from, turn);
        a->last_turn[k] = turn;
        a->last_level[k] = r[to - 1].level;
        add_segment_steps(a, k, REEL__PRE, turn % 2);
        for (uint32_t i = from; i < to; i++) {
            add_step(a, r[i].group, REEL__MAIN, r[i].from, r[i].to, a->covers[r[i].group].from,
                     turn % 2);
        }
        add_segment_steps(a, k, REEL__POST, turn % 2);
    }
}

static bool find_steps(arrange *a)
{
    uint32_t *partner = find_partners(a);
    a->last_turn = take(a, a->components, sizeof *a->last_turn);
    a->last_level = take(a, a->components, sizeof *a->last_level);
    a->covers = take(a, a->groups, sizeof *a->covers);
    a->member = take(a, a->g->blocks, sizeof *a->member);
    if (!partner || a->failed) {
        return false;
    }
    find_levels(a);
    for (uint32_t k = 0; k < a->components; k++) {
        order_component(a, k, partner);
        if (a->recurrent[k]) {
            add_recurrent_steps(a, k);
            continue;
        }
        for (int segment = 0; segment < REEL__SEGMENTS; segment++) {
            for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
                uint32_t group = a->by_component[i];
                add_step(a, group, segment, 0, a->group[group].count, 0, false);
            }
        }
    }
    for (uint32_t j = 0; !a->failed && j < a->g->blocks; j++) {
        reel__block *b = &a->g->block[j];
        b->slot += b->turn % 2 ? a->group[b->group].window : 0;
        b->near += b->level % 2 ? a->group[b->group].width : 0;
    }
    for (uint32_t s = 0; !a->failed && s < a->steps; s++) {
        const reel__group *q = &a->group[a->step[s].group];
        a->step[s].near = a->g->block[a->plan->order[q->first + a->step[s].from]].near;
    }
    return !a->failed;
}

/* Places */

/* Where a value of a block lies: an array's instance and an offset in it, or no array. */
typedef struct spot {
    uint32_t array; /* REEL__NONE: outside or constant, as `place` says */
    size_t offset;
    reel__place place;
} spot;

static size_t element(const reel__value *v)
{
    return reel_dtype_size((reel_dtype)v->dtype);
}

/* The array that array `at` is a stretch of, if it is one. */
static uint32_t whole_of(const arrange *a, uint32_t at, size_t *offset)
{
    while (a->array[at].within) {
        *offset += a->array[at].at;
        at = a->array[at].within - 1;
    }
    return at;
}

/* `maker`: the block that computes the value, when it lies in an array; may be NULL. */
static spot made_by(const arrange *a, reel__source from, uint32_t *maker)
{
    const reel__graph *g = a->g;
    size_t offset = 0;
    while (from.block != REEL__NONE) {
        const reel__block *b = &g->block[from.block];
        const reel__ir *ir = &a->group[b->group].code->ir;
        const reel__value *v = &ir->v[ir->out[from.at]];
        int base = ir->out[from.at];
        if (v->kind == REEL__VIEW) {
            offset += (size_t)v->window->offset * element(v);
            base = v->arg[0];
            v = &ir->v[base];
        }
        if (v->kind == REEL__CONST) {
            return (spot){REEL__NONE, offset, {REEL__CONSTANT, (size_t)(uintptr_t)v->constant}};
        }
        if (v->kind != REEL__PORT) {
            uint32_t at = a->array_start[b->group] + (uint32_t)base;
            const array *x = &a->array[at];
            offset += (x->rolling ? b->slot : x->paired ? b->near : b->position) * x->bytes;
            at = whole_of(a, at, &offset);
            if (maker) {
                *maker = from.block;
            }
            return (spot){at, offset, {0, 0}};
        }
        from = ports_of(a, b)[base];
    }
    return (spot){REEL__NONE, offset, {REEL__OUTSIDE + from.at, 0}};
}

static spot spot_of(const arrange *a, reel__source x)
{
    return made_by(a, x, NULL);
}

/* Once it is settled where instances lie: several passes ask for the spot of a port. */
static bool find_spots(arrange *a)
{
    a->spot = take(a, a->g->port_count, sizeof *a->spot);
    for (uint32_t p = 0; a->spot && p < a->g->port_count; p++) {
        a->spot[p] = spot_of(a, a->g->port[p]);
    }
    return a->spot != NULL;
}

/* Whether the block is of its recurrence's last window. */
static bool last_turn(const arrange *a, uint32_t block)
{
    return a->g->block[block].turn == a->last_turn[component_of(a, block)];
}

/* Whether block j reads its port in `main` alone. */
static bool reads_in_main(const arrange *a, const reel__block *b, uint32_t port)
{
    const reel__code *code = a->group[b->group].code;
    for (int s = 0; s < REEL__SEGMENTS; s++) {
        for (int p = 0; s != REEL__MAIN && p < code->segment[s].ports; p++) {
            if (code->segment[s].port[p] == (int)port) {
                return false;
            }
        }
    }
    return true;
}

/* Whether the block is of its recurrence's last level. */
static bool last_level(const arrange *a, uint32_t block)
{
    return a->g->block[block].level == a->last_level[component_of(a, block)];
}

/* Who reads what: a value that only the same recurrence reads, and soon, needs no lasting place;
 * and what first passes of recomputed steps have ready, nobody may read at all. */
static void find_readers(arrange *a)
{
    const reel__graph *g = a->g;
    for (uint32_t j = 0; j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        uint32_t maker = 0;
        for (uint32_t p = 0; p < b->ports; p++) {
            spot s = made_by(a, ports_of(a, b)[p], &maker);
            if (s.array != REEL__NONE) {
                array *x = &a->array[s.array];
                x->read = true;
                x->far = x->far || (inside(a, maker, j) ? b->turn > g->block[maker].turn + 1
                                                        : !last_turn(a, maker));
                x->lasts = x->lasts ||
                           (inside(a, maker, j)
                                ? b->level > g->block[maker].level + 1 || !reads_in_main(a, b, p)
                                : !last_level(a, maker));
            }
        }
        for (uint32_t at = 0; at < b->nodes; at++) {
            if (g->kept[b->first + at] && !b->copy) {
                spot s = made_by(a, (reel__source){j, at}, &maker);
                if (s.array != REEL__NONE) {
                    array *x = &a->array[s.array];
                    x->read = true;
                    x->far = x->far || !last_turn(a, maker);
                    x->lasts = x->lasts || !last_level(a, maker);
                }
            }
        }
    }
}

/* Beyond any memory, and so far below SIZE_MAX that sums of such sizes do not overflow. */
#define MOST_BYTES ((size_t)1 << 46)

/* Where a value of a recurrence has its place: for all instances, for those of a window, or for
 * those of two. */
static void choose_place(arrange *a, uint32_t group, int i)
{
    reel__group *q = &a->group[group];
    const reel__value *v = &q->code->ir.v[i];
    array *x = &a->array[a->array_start[group] + (uint32_t)i];
    x->bytes = (size_t)v->size * element(v);
    x->count = q->count;
    if (x->count && x->bytes > MOST_BYTES / x->count) {
        a->failed = true;
        return;
    }
    if (!(a->c->passes & REEL__PASS_MEMORY) || v->kind == REEL__ACCUMULATE) {
        return;
    }
    unsigned segments = (unsigned)(v->made | v->used) & ((1U << REEL__SEGMENTS) - 1);
    if (!x->lasts && segments == 1U << REEL__MAIN && q->width && q->width < q->count / 2) {
        q->given[i] = REEL__PAIRED;
        x->paired = true;
        x->count = 2 * q->width;
    } else if (!x->read && q->window < q->count) {
        q->given[i] = REEL__WINDOWED;
        x->count = q->window;
    } else if (!x->far && q->window < q->count / 2) {
        q->given[i] = REEL__ROLLING;
        x->rolling = true;
        x->count = 2 * q->window;
    }
}

static bool find_arrays(arrange *a)
{
    a->array_start = take(a, a->groups, sizeof *a->array_start);
    bool windows = false;
    for (uint32_t q = 0; !a->failed && q < a->groups; q++) {
        a->array_start[q] = a->arrays;
        a->arrays += (uint32_t)a->group[q].code->ir.n;
        windows = windows || a->group[q].window < a->group[q].count || a->group[q].width;
    }
    a->array = take(a, (size_t)a->arrays + a->steps, sizeof *a->array);
    if (!a->failed && windows) {
        find_readers(a);
    }
    for (uint32_t q = 0; !a->failed && q < a->groups; q++) {
        const reel__ir *ir = &a->group[q].code->ir;
        a->group[q].given = keep(a, (size_t)ir->n, 1);
        for (int i = 0; a->group[q].given && i < ir->n; i++) {
            array *x = &a->array[a->array_start[q] + (uint32_t)i];
            x->first = INT64_MAX;
            x->last = -1;
            if (ir->v[i].store == REEL__ARRAY) {
                choose_place(a, q, i);
            }
        }
    }
    return !a->failed;
}

/* Whether the parts of a value lie in some array just as the value wants them: that stretch of the
 * array is the value then. */
static bool lies_ready(const arrange *a, const reel__block *b, const reel__value *v, spot *first)
{
    const reel__ir *ir = &a->group[b->group].code->ir;
    int64_t size = 0;
    for (int k = 0; k < v->n; k++) {
        const reel__value *part = &ir->v[v->arg[k]];
        size_t offset = (size_t)v->window[k].offset * element(v);
        if (part->kind != REEL__PORT || part->dtype != v->dtype ||
            !reel__window_dense(part->shape, &v->window[k])) {
            return false;
        }
        spot s = spot_of(a, ports_of(a, b)[v->arg[k]]);
        if (s.array == REEL__NONE || a->array[s.array].rolling || s.offset < offset) {
            return false;
        }
        s.offset -= offset;
        if (k == 0) {
            *first = s;
        }
        if (s.array != first->array || s.offset != first->offset) {
            return false;
        }
        size += part->size;
    }
    return size == v->size && v->n > 0;
}

static void find_stretches(arrange *a)
{
    for (uint32_t j = 0; j < a->g->blocks; j++) {
        const reel__block *b = &a->g->block[j];
        reel__group *q = &a->group[b->group];
        const reel__ir *ir = &q->code->ir;
        for (int i = ir->ports; q->count == 1 && i < ir->n; i++) {
            spot s = {.array = REEL__NONE};
            if (ir->v[i].kind == REEL__ASSEMBLE && ir->v[i].store == REEL__ARRAY &&
                lies_ready(a, b, &ir->v[i], &s)) {
                array *x = &a->array[a->array_start[b->group] + (uint32_t)i];
                x->within = s.array + 1;
                x->at = s.offset;
                q->given[i] |= REEL__IN_PLACE;
            }
        }
    }
}

static void use_at(array *x, int64_t step)
{
    x->first = step < x->first ? step : x->first;
    x->last = step > x->last ? step : x->last;
}

/* Which entry of the block's goes from node `at` into a sum. */
static const reel__added *added_by(const arrange *a, uint32_t block, const reel__code *code,
                                   int value)
{
    for (uint32_t i = a->added_start[block]; i < a->added_start[block + 1]; i++) {
        const reel__added *s = &a->g->added[a->added_of[i]];
        if (code->ir.out[s->at] == value) {
            return s;
        }
    }
    return NULL;
}

static void find_uses(arrange *a)
{
    for (uint32_t s = 0; s < a->steps; s++) {
        const reel__step *step = &a->step[s];
        const reel__group *q = &a->group[step->group];
        const reel__ir *ir = &q->code->ir;
        const reel__segment *segment = &q->code->segment[step->segment];
        for (int i = ir->ports; i < ir->n; i++) {
            const reel__value *v = &ir->v[i];
            if (v->store == REEL__ARRAY && (v->made | v->used) >> step->segment & 1) {
                size_t offset = 0;
                uint32_t at = whole_of(a, a->array_start[step->group] + (uint32_t)i, &offset);
                use_at(&a->array[at], s);
            }
        }
        for (uint32_t m = step->from; m < step->to; m++) {
            uint32_t j = a->plan->order[q->first + m];
            const reel__block *b = &a->g->block[j];
            for (int p = 0; p < segment->ports; p++) {
                const spot *x = &a->spot[b->first_port + (uint32_t)segment->port[p]];
                if (x->array != REEL__NONE) {
                    use_at(&a->array[x->array], s);
                }
            }
            for (int kernel = 0; kernel < segment->kernels; kernel++) {
                if (!segment->kernel[kernel].added) {
                    continue;
                }
                const reel__added *to = added_by(a, j, q->code, segment->kernel[kernel].value);
                if (to) {
                    spot x = spot_of(a, (reel__source){to->to_block, to->to_at});
                    use_at(&a->array[x.array], s);
                }
            }
        }
    }
}

static void find_wanted(arrange *a)
{
    reel__graph *g = a->g;
    for (uint32_t j = 0; j < g->blocks; j++) {
        for (uint32_t at = 0; at < g->block[j].nodes; at++) {
            if (g->kept[g->block[j].first + at] && !g->block[j].copy) {
                spot x = spot_of(a, (reel__source){j, at});
                if (x.array != REEL__NONE) {
                    a->array[x.array].wanted++;
                    a->array[x.array].last = a->steps;
                }
            }
        }
    }
}

typedef struct placed {
    size_t from, to;
    int64_t first, last;
} placed;

static int by_size(const void *x, const void *y)
{
    const array *const *a = x, *const *b = y;
    size_t m = (*a)->bytes * (*a)->count, n = (*b)->bytes * (*b)->count;
    if (m != n) {
        return m > n ? -1 : 1;
    }
    return (*a > *b) - (*a < *b);
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* The lowest place where the array meets none that is in use at the same time. */
static size_t lowest(const placed *all, uint32_t n, const array *x, size_t bytes, bool reuse)
{
    size_t at = 0;
    int64_t early = reel__planted(REEL__EARLY_REUSE) ? 1 : 0;
    for (uint32_t i = 0; i < n; i++) {
        bool together =
            !reuse || (all[i].first <= x->last - early && x->first <= all[i].last - early);
        if (!together) {
            reel__pass_used(REEL__PASS_MEMORY);
        }
        if (together && all[i].from < at + bytes && at < all[i].to) {
            at = all[i].to;
        }
    }
    return at;
}

/* Bytes of the step's temporaries. */
static size_t working_of(const arrange *a, const reel__step *step)
{
    size_t bytes = a->group[step->group].code->segment[step->segment].scratch;
    return bytes * (step->to - step->from);
}

/* Temporaries as arrays: one for all steps in a row that want about the same. */
static uint32_t find_working(arrange *a)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < a->steps; s++) {
        array *x = n ? &a->array[a->arrays + n - 1] : NULL;
        size_t bytes = working_of(a, &a->step[s]), least = bytes, most = bytes;
        if (x) {
            least = x->bytes < bytes ? x->bytes : bytes;
            most = x->bytes > bytes ? x->bytes : bytes;
        }
        if (!x || !(most <= LITTLE || most / 2 <= least || !(a->c->passes & REEL__PASS_MEMORY))) {
            x = &a->array[a->arrays + n++];
            *x = (array){.count = 1, .first = s};
            most = bytes;
        }
        x->bytes = most;
        x->last = s;
        a->plan->working = most > a->plan->working ? most : a->plan->working;
    }
    return n;
}

/* Tells the steps where their temporaries have been placed. */
static void bind_working(arrange *a, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const array *x = &a->array[a->arrays + i];
        for (int64_t s = x->first; s <= x->last; s++) {
            a->step[s].temporary = x->place.offset;
        }
    }
}

static bool place_arrays(arrange *a)
{
    uint32_t working = find_working(a);
    array **list = take(a, (size_t)a->arrays + working, sizeof *list);
    placed *all = take(a, (size_t)a->arrays + working, sizeof *all);
    uint32_t n = 0, done = 0;
    if (a->failed) {
        return false;
    }
    for (uint32_t i = 0; i < working; i++) {
        if (a->array[a->arrays + i].bytes) {
            list[n++] = &a->array[a->arrays + i];
        }
    }
    for (uint32_t i = 0; i < a->arrays; i++) {
        array *x = &a->array[i];
        size_t bytes = rounded(x->bytes * x->count);
        if (x->last < 0 || x->within) {
            continue;
        }
        a->plan->shared += bytes;
        if (x->wanted && 2 * x->wanted >= x->count) {
            x->place = (reel__place){REEL__KEPT, a->plan->kept};
            a->plan->kept += bytes;
        } else {
            list[n++] = x;
        }
    }
    qsort(list, n, sizeof *list, by_size);
    for (uint32_t i = 0; i < n; i++) {
        array *x = list[i];
        size_t bytes = rounded(x->bytes * x->count);
        size_t at = lowest(all, done, x, bytes, a->c->passes & REEL__PASS_MEMORY);
        x->place = (reel__place){REEL__SCRATCH, at};
        a->plan->scratch = at + bytes > a->plan->scratch ? at + bytes : a->plan->scratch;
        uint32_t to = done++;
        while (to > 0 && all[to - 1].from > at) {
            all[to] = all[to - 1];
            to--;
        }
        all[to] = (placed){at, at + bytes, x->first, x->last};
    }
    bind_working(a, working);
    return true;
}

static reel__place place_at(const arrange *a, const spot *s)
{
    reel__place p = s->array == REEL__NONE ? s->place : a->array[s->array].place;
    p.offset += s->offset;
    return p;
}

static reel__place place_of(const arrange *a, reel__source x)
{
    spot s = spot_of(a, x);
    return place_at(a, &s);
}

static bool bind_port(arrange *a, const reel__step *step, int port, reel__binding *binding)
{
    const reel__group *q = &a->group[step->group];
    uint32_t n = step->to - step->from;
    reel__place first = {0, 0}, second = {0, 0};
    reel__place *each = NULL;
    for (uint32_t m = 0; m < n; m++) {
        uint32_t at = reel__planted(REEL__WRONG_ORDER) ? n - 1 - m : m;
        const reel__block *b = &a->g->block[a->plan->order[q->first + step->from + at]];
        reel__place p = place_at(a, &a->spot[b->first_port + (uint32_t)port]);
        if (m == 0) {
            first = p;
        } else if (m == 1) {
            second = p;
        }
        int64_t stride = m ? (int64_t)(second.offset - first.offset) : 0;
        bool even =
            p.base == first.base && (int64_t)(p.offset - first.offset) == stride * (int64_t)m;
        if (!even && !each) {
            each = keep(a, n, sizeof *each);
            if (!each) {
                return false;
            }
            for (uint32_t i = 0; i < m; i++) {
                each[i] = (reel__place){first.base, first.offset + (size_t)(stride * (int64_t)i)};
            }
            if (m == 1) {
                each[0] = first;
            }
        }
        if (each) {
            each[m] = p;
        }
    }
    *binding = (reel__binding){.at = first, .each = each};
    binding->stride = n > 1 ? (int64_t)(second.offset - first.offset) : 0;
    return true;
}

/* Where the step's contributions to sums go, and which of them come first. */
static bool bind_sums(arrange *a, reel__step *step, bool *started)
{
    const reel__group *q = &a->group[step->group];
    const reel__segment *s = &q->code->segment[step->segment];
    size_t n = step->to - step->from, kernels = 0;
    for (int k = 0; k < s->kernels; k++) {
        kernels += s->kernel[k].added;
    }
    if (!kernels) {
        return true;
    }
    step->sum = keep(a, kernels * n, sizeof *step->sum);
    step->starts = keep(a, kernels * n, 1);
    if (a->failed) {
        return false;
    }
    size_t to = 0;
    for (int k = 0; k < s->kernels; k++) {
        /* A value's parts are first where the value is. */
        bool part = k > 0 && s->kernel[k - 1].added && s->kernel[k - 1].value == s->kernel[k].value;
        for (uint32_t m = step->from; s->kernel[k].added && m < step->to; m++, to++) {
            uint32_t j = a->plan->order[q->first + m];
            const reel__added *x = added_by(a, j, q->code, s->kernel[k].value);
            const reel__block *b = &a->g->block[x->to_block];
            uint32_t node = b->first + x->to_at;
            step->sum[to] = place_of(a, (reel__source){x->to_block, x->to_at});
            step->starts[to] = part ? step->starts[to - n] : !started[node];
            started[node] = true;
        }
    }
    return true;
}

static bool bind(arrange *a)
{
    bool *started = take(a, a->g->nodes, sizeof *started);
    for (uint32_t i = 0; !a->failed && i < a->steps; i++) {
        reel__step *step = &a->step[i];
        const reel__segment *s = &a->group[step->group].code->segment[step->segment];
        step->binding = keep(a, (size_t)s->ports, sizeof *step->binding);
        for (int p = 0; !a->failed && p < s->ports; p++) {
            bind_port(a, step, s->port[p], &step->binding[p]);
        }
        bind_sums(a, step, started);
        a->plan->kernels += s->kernels;
    }
    for (uint32_t q = 0; !a->failed && q < a->groups; q++) {
        reel__group *group = &a->group[q];
        group->array = keep(a, (size_t)group->code->ir.n, sizeof *group->array);
        group->life = keep(a, (size_t)group->code->ir.n, sizeof *group->life);
        for (int i = 0; !a->failed && i < group->code->ir.n; i++) {
            size_t offset = 0;
            uint32_t at = whole_of(a, a->array_start[q] + (uint32_t)i, &offset);
            const array *x = &a->array[at];
            group->array[i] = x->place;
            group->array[i].offset += offset;
            group->life[i] = x->last < 0 ? (reel__life){1, 0}
                                         : (reel__life){(uint32_t)x->first, (uint32_t)x->last};
        }
    }
    return !a->failed;
}

/* Kept nodes: those whose array is not kept as a whole are copied. */
static bool find_results(arrange *a)
{
    reel__graph *g = a->g;
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->nodes; i++) {
        n += g->kept[i];
    }
    reel__plan *plan = a->plan;
    plan->result = keep(a, n, sizeof *plan->result);
    plan->keep = keep(a, n, sizeof *plan->keep);
    if (a->failed) {
        return false;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        for (uint32_t at = 0; at < g->block[j].nodes; at++) {
            uint32_t node = g->block[j].first + at;
            if (!g->kept[node] || g->block[j].copy) {
                continue;
            }
            reel__place p = place_of(a, (reel__source){j, at});
            if (p.base != REEL__KEPT) {
                reel__place to = {REEL__KEPT, plan->kept};
                const reel__ir *raw = &g->block[j].template->raw; /* not every node is recorded */
                const reel__value *v = &raw->v[raw->out[at]];
                size_t bytes = (size_t)v->size * element(v);
                plan->keep[plan->keeps++] = (reel__keep){p, to, bytes};
                plan->kept += rounded(bytes);
                p = to;
            }
            plan->result[plan->results++] = (reel__result){.node = node, .place = p};
        }
    }
    return true;
}

static bool finish(arrange *a)
{
    reel__plan *plan = a->plan;
    plan->step = keep(a, a->steps, sizeof *plan->step);
    plan->key = keep(a, a->g->words, sizeof *plan->key);
    if (a->failed) {
        return false;
    }
    if (a->steps) {
        memcpy(plan->step, a->step, a->steps * sizeof *plan->step);
    }
    memcpy(plan->key, a->g->key, a->g->words * sizeof *plan->key);
    plan->words = a->g->words;
    plan->hash = a->g->hash;
    plan->steps = a->steps;
    plan->group = a->group;
    plan->groups = a->groups;
    plan->outsides = a->g->outsides;
    plan->nodes = a->g->nodes;
    return true;
}

reel__plan *reel__arrange(reel__compiled *c, reel__graph *g)
{
    reel__plan *plan = c->spare ? c->spare : reel__calloc(1, sizeof *plan);
    if (c->spare) {
        reel__arena arena = plan->arena;
        reel__arena_rewind(&arena);
        *plan = (reel__plan){.arena = arena};
        c->spare = NULL;
    }
    arrange a = {.c = c, .g = g, .plan = plan, .arena = &c->work};
    if (plan && find_groups(&a) && sort_added(&a) && find_components(&a) && find_codes(&a) &&
        find_steps(&a) && find_arrays(&a)) {
        if (c->passes & REEL__PASS_MEMORY) {
            find_stretches(&a);
        }
        if (!find_spots(&a)) {
            reel__plan_free(plan);
            return NULL;
        }
        find_uses(&a);
        find_wanted(&a);
        if (place_arrays(&a) && bind(&a) && find_results(&a) && finish(&a)) {
            return plan;
        }
    }
    reel__plan_free(plan);
    return NULL;
}

void reel__plan_free(reel__plan *plan)
{
    if (plan) {
        reel__arena_free(&plan->arena);
        reel__free(plan);
    }
}
