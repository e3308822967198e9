/* Job: know a block again that was taken apart before, such as the next time step, without taking
 * it apart.
 * Invariant: nodes that match a pattern have the structure that its template's key says, the same
 * nodes asked for and kept, and ports numbered alike. What only the rest of the recording can tell
 * is seen to by collect.c.
 * Must not know: what an op computes. */
#include "pattern.h"

#include <string.h>

#include "plant.h"

enum { MOST_TRIED = 32 };

struct reel__pattern_node {
    const reel_op *op;
    const void *attr;
    int64_t dim[REEL_MAX_RANK];
    uint32_t before; /* nodes recorded from it to the last one */
    int32_t n;
    uint8_t rank, dtype;
};

static bool same_dims(const int64_t *a, const int64_t *b)
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/* Whether argument x is port number `to` of a block whose first node has the id `first`. What has
 * been seen of its ports: port[0..*seen). */
static bool fits_port(const reel__pattern *p, uint32_t to, reel__slot *x, uint32_t first,
                      reel__slot **port, uint32_t *seen)
{
    if (to < *seen) {
        return port[to] == x || reel__planted(REEL__WRONG_PATTERN);
    }
    const reel__pattern_port *like = &p->port[to];
    if (x->rank != like->rank || x->dtype != like->dtype || !same_dims(x->dim, like->dim) ||
        (x->id >= first && !(x->flags & REEL__COMPUTED))) {
        return false;
    }
    for (uint32_t i = 0; i < to; i++) {
        if (port[i] == x) {
            return false;
        }
    }
    port[to] = x;
    *seen = to + 1;
    return true;
}

static bool fits(const reel__pattern *p, const reel__sought *x)
{
    const reel__slot *last = x->last;
    const int32_t *ref = p->ref;
    if (last->id < p->node[0].before) {
        return false;
    }
    uint32_t seen = 0, first = last->id - p->node[0].before;
    for (uint32_t i = 0; i < p->nodes; i++) {
        const struct reel__pattern_node *like = &p->node[i];
        reel__slot *s = reel__slot_at(last->tape, last->id - like->before);
        if (s->op != like->op || s->n != like->n || s->scope != last->scope || s->origin ||
            s->flags & REEL__COMPUTED || s->rank != like->rank || s->dtype != like->dtype ||
            (s->stamp == x->walk) != (p->asked >> i & 1U) || !same_dims(s->dim, like->dim) ||
            (like->attr && memcmp(s->attr, like->attr, like->op->attr_size) != 0 &&
             !reel__planted(REEL__WRONG_PATTERN))) {
            return false;
        }
        reel__slot *const *arg = reel__args(s);
        for (int a = 0; a < s->n; a++, ref++) {
            if (*ref >= 0 ? arg[a] != x->slot[*ref]
                          : !fits_port(p, (uint32_t)(-1 - *ref), arg[a], first, x->port, &seen)) {
                return false;
            }
        }
        x->slot[i] = s;
    }
    return true;
}

/* Finds out what the nodes' gradient rules read. Ops are the same whichever nodes match. */
static void find_reads(reel__pattern *p, const reel__sought *x)
{
    const int32_t *ref = p->ref;
    p->rules_read = p->rules_port = 0;
    for (uint32_t i = 0; i < p->nodes; i++) {
        uint64_t reads = reel__rule_reads(x->slot[i]);
        p->rules_read |= (uint64_t)((reads & REEL__READS_Y) != 0) << i;
        for (int a = 0; a < p->node[i].n; a++, ref++) {
            if (reads & reel__reads_bit(a)) {
                *(*ref >= 0 ? &p->rules_read : &p->rules_port) |= (uint64_t)1
                                                                  << (*ref >= 0 ? *ref : -1 - *ref);
            }
        }
    }
    p->ruled = !x->last->tape->reads_failed; /* else it was a guess */
}

static void mark(uint64_t which, reel__slot *const *slot)
{
    for (; which; which &= which - 1) {
        slot[__builtin_ctzll(which)]->flags |= REEL__READ;
    }
}

static bool matches(reel__pattern *p, reel__sought *x)
{
    if (!fits(p, x)) {
        return false;
    }
    if (x->mark_read) {
        if (!p->ruled) {
            find_reads(p, x);
        }
        mark(p->rules_read, x->slot);
        mark(p->rules_port, x->port);
    }
    x->kept = x->kept_of(x->context, p->nodes, x->slot);
    return (p->asked | x->kept) == p->read;
}

static size_t bucket_of(const reel_op *op)
{
    return (size_t)(reel__mix((uint64_t)(uintptr_t)op, 0) % REEL__PATTERN_BUCKETS);
}

reel__pattern *reel__pattern_find(reel__compiled *c, const reel__pattern *before, reel__sought *x)
{
    reel__pattern *guess = before ? before->then : NULL;
    if (guess && matches(guess, x)) {
        return guess;
    }
    reel__pattern *p = c->pattern[bucket_of(x->last->op)];
    for (int i = 0; p && i < MOST_TRIED; i++, p = p->next) {
        if (p != guess && matches(p, x)) {
            return p;
        }
    }
    return NULL;
}

/* Making one */

static void *room(reel__arena *arena, size_t count, size_t size, bool *ok)
{
    void *p = *ok ? reel__arena_alloc(arena, (count + 1) * size) : NULL;
    *ok = *ok && p;
    return p;
}

static int32_t ref_of(const reel__specimen *x, const reel__slot *s, uint32_t nodes)
{
    for (uint32_t i = 0; i < nodes; i++) {
        if (x->slot[i] == s) {
            return (int32_t)i;
        }
    }
    return -1;
}

/* The number of port s, which is put behind the others if it is new; REEL__NONE where there are
 * more than the template has. */
static uint32_t port_of(reel__pattern *p, const reel__specimen *x, const reel__slot *s,
                        const reel__slot **port)
{
    uint32_t i = 0;
    while (i < p->ports && port[i] != s) {
        i++;
    }
    if (i < p->ports) {
        return i;
    }
    if (i == x->ports) {
        return REEL__NONE;
    }
    port[i] = s;
    p->port[i] = (reel__pattern_port){.rank = s->rank, .dtype = s->dtype, .weight = x->weight[i]};
    memcpy(p->port[i].dim, s->dim, sizeof s->dim);
    p->ports++;
    return i;
}

static bool describe(reel__pattern *p, const reel__specimen *x, reel__arena *arena)
{
    const reel__slot *port[REEL__PATTERN_PORTS];
    const uint32_t last = x->slot[x->nodes - 1]->id;
    int32_t *ref = p->ref;
    bool ok = true;
    for (uint32_t i = 0; i < x->nodes; i++) {
        const reel__slot *s = x->slot[i];
        struct reel__pattern_node *to = &p->node[i];
        *to = (struct reel__pattern_node){
            .op = s->op, .before = last - s->id, .n = s->n, .rank = s->rank, .dtype = s->dtype};
        memcpy(to->dim, s->dim, sizeof s->dim);
        if (s->op->attr_size) {
            void *copy = room(arena, 1, s->op->attr_size, &ok);
            if (!copy) {
                return false;
            }
            to->attr = memcpy(copy, s->attr, s->op->attr_size);
        }
        for (int a = 0; a < s->n; a++, ref++) {
            const reel__slot *from = reel__args(s)[a];
            *ref = ref_of(x, from, i);
            if (*ref < 0) {
                uint32_t at = port_of(p, x, from, port);
                if (at == REEL__NONE) {
                    return false;
                }
                *ref = -1 - (int32_t)at;
            }
        }
    }
    return p->ports == x->ports;
}

/* The order in which collect.c meets the ports. */
static void order_ports(reel__pattern *p)
{
    uint64_t met = 0;
    uint32_t n = 0;
    const int32_t *ref = p->ref;
    for (uint32_t i = 0; i < p->nodes; i++) {
        ref += p->node[i].n;
    }
    for (uint32_t i = p->nodes; i-- > 0;) {
        ref -= p->node[i].n;
        for (int a = 0; a < p->node[i].n; a++) {
            uint64_t bit = ref[a] < 0 ? (uint64_t)1 << (-1 - ref[a]) : 0;
            if (bit & ~met) {
                met |= bit;
                p->call[n++] = (uint32_t)(-1 - ref[a]);
            }
        }
    }
}

static bool same_nodes(const reel__pattern *a, const reel__pattern *b)
{
    const int32_t *x = a->ref, *y = b->ref;
    for (uint32_t i = 0; i < a->nodes; i++) {
        size_t refs = (size_t)a->node[i].n;
        if (a->node[i].before != b->node[i].before || a->node[i].n != b->node[i].n ||
            memcmp(x, y, refs * sizeof *x) != 0) {
            return false;
        }
        x += refs;
        y += refs;
    }
    return true;
}

/* A template says what its nodes and the shapes of its ports are. */
static bool there_is(const reel__compiled *c, size_t bucket, const reel__pattern *p)
{
    const reel__pattern *x = c->pattern[bucket];
    while (x && (x->template != p->template || x->asked != p->asked || x->read != p->read ||
                 !same_nodes(x, p))) {
        x = x->next;
    }
    return x != NULL;
}

/* NULL when memory is out, or a port of the template is none of the nodes' arguments. */
static reel__pattern *make(const reel__specimen *x, reel__arena *arena)
{
    size_t refs = 0;
    bool ok = true;
    for (uint32_t i = 0; i < x->nodes; i++) {
        refs += (size_t)x->slot[i]->n;
    }
    reel__pattern *p = room(arena, 1, sizeof *p, &ok);
    if (!p) {
        return NULL;
    }
    *p = (reel__pattern){
        .template = x->template, .nodes = x->nodes, .asked = x->asked, .read = x->read};
    p->node = room(arena, x->nodes, sizeof *p->node, &ok);
    p->ref = room(arena, refs, sizeof *p->ref, &ok);
    p->call = room(arena, x->ports, sizeof *p->call, &ok);
    p->port = room(arena, x->ports, sizeof *p->port, &ok);
    return ok && describe(p, x, arena) ? p : NULL;
}

void reel__pattern_learn(reel__compiled *c, const reel__specimen *x)
{
    size_t bucket = bucket_of(x->slot[x->nodes - 1]->op);
    if (c->patterns == REEL__MOST_PATTERNS) {
        return;
    }
    const reel__pattern *trial = make(x, &c->work); /* which may be one that there is */
    if (!trial || there_is(c, bucket, trial)) {
        return;
    }
    reel__pattern *p = make(x, &c->pattern_memory);
    if (p) {
        order_ports(p);
        p->next = c->pattern[bucket];
        c->pattern[bucket] = p;
        c->patterns++;
    }
}

void reel__patterns_free(reel__compiled *c)
{
    memset(c->pattern, 0, sizeof c->pattern);
    reel__arena_free(&c->pattern_memory);
    c->patterns = 0;
}
