/* Job: find the groups of a graph, which are blocks of one code, and the recurrences among them.
 * Invariant: groups are numbered as their first blocks are recorded, recurrences as they can run.
 */
#include "arrange.h"

#include <string.h>

#include "plant.h"

/* A weight, or something made of weights alone. */
static bool is_weight(const reel__arranging *a, const reel__source *x)
{
    if (x->block == REEL__NONE) {
        return a->g->outside[x->at]->flags & REEL__PARAM;
    }
    return x->block == 0 && a->g->node[x->at]->n > 0;
}

static uint64_t group_hash(const reel__arranging *a, uint32_t j)
{
    const reel__block *b = &a->g->block[j];
    uint64_t h = reel__mix((uint64_t)(uintptr_t)b->template, b->window);
    if (!(a->c->passes & REEL__PASS_BATCH)) {
        return reel__mix(h, j);
    }
    for (uint32_t p = 0; p < b->ports; p++) {
        const reel__source *x = &reel__ports_of(a, b)[p];
        if (is_weight(a, x)) {
            h = reel__mix(h, (uint64_t)x->block << 32 | x->at);
        }
    }
    return reel__mix(h, 1);
}

static bool same_group(const reel__arranging *a, uint32_t i, uint32_t j)
{
    const reel__block *b = &a->g->block[i], *other = &a->g->block[j];
    if (b->template != other->template || b->window != other->window || b->copy != other->copy ||
        !(a->c->passes & REEL__PASS_BATCH)) {
        return i == j;
    }
    for (uint32_t p = 0; p < b->ports; p++) {
        const reel__source *x = &reel__ports_of(a, b)[p], *y = &reel__ports_of(a, other)[p];
        if ((x->block != y->block || x->at != y->at) && is_weight(a, x)) {
            return false;
        }
    }
    return true;
}

static bool find_groups(reel__arranging *a)
{
    reel__graph *g = a->g;
    size_t capacity = 16;
    while (capacity < 2 * (size_t)g->blocks) {
        capacity *= 2;
    }
    uint32_t *table = reel__arrange_take(a, capacity, sizeof *table); /* group + 1 */
    uint32_t *example = reel__arrange_take(a, g->blocks, sizeof *example);
    reel__group *group = reel__arrange_room(a, g->blocks, sizeof *group);
    if (a->failed) {
        return false;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        reel__template *t = g->block[j].template;
        uint32_t q = t->group;
        if (q >= a->groups || !same_group(a, example[q], j)) {
            size_t at = (size_t)group_hash(a, j) & (capacity - 1);
            while (table[at] && !same_group(a, example[table[at] - 1], j)) {
                at = (at + 1) & (capacity - 1);
            }
            if (!table[at]) {
                example[a->groups] = j;
                group[a->groups] = (reel__group){.template = t};
                table[at] = ++a->groups;
            }
            q = table[at] - 1;
        }
        if (group[q].count) {
            reel__pass_used(REEL__PASS_BATCH);
        }
        t->group = g->block[j].group = q;
        group[q].count++;
    }
    a->group = reel__arrange_keep(a, a->groups, sizeof *a->group);
    a->plan->order = reel__arrange_keep(a, g->blocks, sizeof *a->plan->order);
    if (a->failed) {
        return false;
    }
    memcpy(a->group, group, a->groups * sizeof *group);
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
static bool sort_added(reel__arranging *a)
{
    reel__graph *g = a->g;
    a->added_start = reel__arrange_take(a, (size_t)g->blocks + 1, sizeof *a->added_start);
    a->added_of = reel__arrange_room(a, g->added_count, sizeof *a->added_of);
    if (a->failed) {
        return false;
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        a->added_start[g->added[i].block + 1]++;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        a->added_start[j + 1] += a->added_start[j];
    }
    uint32_t *at = reel__arrange_take(a, g->blocks, sizeof *at);
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
static bool sort_edges(reel__arranging *a, const pairs *p, edges *e)
{
    uint32_t *at = reel__arrange_take(a, a->groups, sizeof *at);
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

static bool find_edges(reel__arranging *a, edges *e)
{
    const reel__graph *g = a->g;
    size_t most = g->port_count + (size_t)g->added_count;
    pairs p = {.from = reel__arrange_room(a, most, sizeof *p.from),
               .to = reel__arrange_room(a, most, sizeof *p.to)};
    p.seen = reel__arrange_take(a, a->groups, sizeof *p.seen);
    e->self = reel__arrange_take(a, a->groups, sizeof *e->self);
    e->start = reel__arrange_take(a, (size_t)a->groups + 1, sizeof *e->start);
    e->to = reel__arrange_room(a, most, sizeof *e->to);
    if (a->failed) {
        return false;
    }
    for (uint32_t q = 0; q < a->groups; q++) {
        for (uint32_t i = 0; i < a->group[q].count; i++) {
            const reel__block *b = &g->block[a->plan->order[a->group[q].first + i]];
            for (uint32_t k = 0; k < b->ports; k++) {
                const reel__source *x = &reel__ports_of(a, b)[k];
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
static bool order_by_blocks(reel__arranging *a, const edges *e)
{
    uint32_t n = a->components, done = 0;
    uint32_t *first = reel__arrange_take(a, n, sizeof *first),
             *waits = reel__arrange_take(a, n, sizeof *waits);
    uint32_t *number = reel__arrange_take(a, n, sizeof *number);
    bool *recurrent = reel__arrange_take(a, n, sizeof *recurrent);
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

static bool find_components(reel__arranging *a)
{
    edges e;
    if (!find_edges(a, &e)) {
        return false;
    }
    uint32_t n = a->groups, index = 0, depth = 0, waiting = 0;
    uint32_t *number = reel__arrange_take(a, n, sizeof *number),
             *low = reel__arrange_take(a, n, sizeof *low);
    uint32_t *next = reel__arrange_take(a, n, sizeof *next),
             *path = reel__arrange_take(a, n, sizeof *path);
    uint32_t *stack = reel__arrange_take(a, n, sizeof *stack);
    bool *on = reel__arrange_take(a, n, sizeof *on);
    a->component = reel__arrange_take(a, n, sizeof *a->component);
    a->recurrent = reel__arrange_take(a, n, sizeof *a->recurrent);
    a->by_component = reel__arrange_take(a, n, sizeof *a->by_component);
    a->component_start = reel__arrange_take(a, (size_t)n + 1, sizeof *a->component_start);
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

static bool find_codes(reel__arranging *a)
{
    reel__graph *g = a->g;
    a->recurs = reel__arrange_take(a, a->groups, sizeof *a->recurs);
    a->feeds = reel__arrange_take(a, a->groups, sizeof *a->feeds);
    for (uint32_t q = 0; !a->failed && q < a->groups; q++) {
        const reel__ir *raw = &a->group[q].template->raw;
        a->recurs[q] = reel__arrange_take(a, (size_t)(raw->ports + raw->outs), 1);
        a->feeds[q] = reel__arrange_take(a, (size_t)raw->outs, 1);
    }
    if (a->failed) {
        return false;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        uint32_t k = reel__component_of(a, j);
        g->block[j].recurrence = a->recurrent[k] ? k + 1 : 0;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        if (!b->recurrence) {
            continue;
        }
        for (uint32_t p = 0; p < b->ports; p++) {
            const reel__source *x = &reel__ports_of(a, b)[p];
            if (x->block != REEL__NONE && reel__inside(a, x->block, j)) {
                a->recurs[b->group][p] = 1;
                a->feeds[g->block[x->block].group][x->at] = 1;
            }
        }
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        const reel__added *s = &g->added[i];
        if (reel__inside(a, s->block, s->to_block)) {
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

bool reel__arrange_groups(reel__arranging *a)
{
    return find_groups(a) && sort_added(a) && find_components(a) && find_codes(a);
}
