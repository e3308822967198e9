/* Job: make the graph of a loss and its gradients from the graph of the loss, block by block.
 * Invariant: the backward pass of a block is a function of its template, of which of its ports
 * matter and of how many cotangents come in where; so it is recorded once, on the block where it is
 * first met, and from then on known. Sums have the terms that the reverse sweep of grad.c gives
 * them, in the same order. What a backward pass computes again of its block has the same bits.
 * Must not know: any op by name, nor how blocks are arranged. */
#include <reel/ops.h>

#include <string.h>

#include "memory.h"
#include "plan.h"
#include "plant.h"

/* Where a value comes from, seen from the block whose backward pass it is. */
enum { OF_COTANGENT, OF_BACKWARD, OF_NODE, OF_PORT };
typedef struct ref {
    uint32_t kind;
    uint32_t a; /* which cotangent, backward block, node or port */
    uint32_t b; /* BACKWARD: which node of it */
} ref;

/* What happens to the contributions that a block makes to the cotangent of a port's source. */
enum {
    OPEN,   /* they are summed elsewhere */
    ADDED,  /* likewise, in place where that can be */
    CLOSED, /* there are no others: they are summed here */
};

/* Something that a backward pass hands on: a contribution by way of a port, or the cotangent of a
 * sum, which is that of all its terms. */
typedef struct outcome {
    uint32_t port;   /* REEL__NONE: of a sum */
    uint32_t reader; /* the node whose rule made it, or the sum */
    bool part;       /* a window's place in a tensor of zeros */
} outcome;

typedef struct form_block {
    reel__template *template;
    uint32_t nodes, ports;
    ref *port;
} form_block;

/* A backward pass for one choice of what happens to its contributions. */
typedef struct form {
    struct form *next;
    const uint8_t *mode; /* by port */
    ref *from;           /* by outcome; of a closed port, the first has the sum */
    bool *added;         /* by outcome */
    reel__template *forward;
    form_block *block;
    uint32_t blocks, nodes, ports;
    const reel__added *add;
    uint32_t adds;
} form;

typedef struct reel__pullback {
    struct reel__pullback *next;
    uint64_t *key; /* what matters, and where cotangents come in */
    size_t words;
    bool possible;
    outcome *outcome;
    uint32_t outcomes;
    form *forms;
    reel__arena arena;
} reel__pullback;

/* Which nodes of a block depend on an x, given which of its ports do. */
typedef struct reel__paths {
    struct reel__paths *next;
    uint64_t *in; /* bits: ports, then nodes whose terms in other blocks do */
    uint64_t *node;
} reel__paths;

/* One contribution to the cotangent of a node of the forward pass or an outside value. */
typedef struct entry {
    uint32_t next;
    uint32_t id;   /* of the node whose rule made it: the sweep goes by it, downwards */
    uint32_t port; /* number of the port in the graph, or REEL__NONE */
    bool part, added;
    reel__source from; /* once it is known */
} entry;

typedef struct target {
    uint32_t first, last; /* entries + 1 */
    uint32_t count;
    bool summed; /* by a block of its own */
} target;

typedef struct derive {
    reel__compiled *c;
    reel_tape *tape;
    const reel__graph *g;
    reel__graph *all;
    const reel__paths **paths; /* by block */
    uint32_t *sum_start;       /* by block: the added terms of its sums, in sum_of */
    uint32_t *sum_of;          /* numbers in g->added */
    target *target;            /* nodes of the graph, then outside values */
    uint8_t *mode;             /* by port of the graph */
    reel__pullback **pullback; /* by block; NULL: no cotangent comes in */
    form **form;
    uint32_t *first_entry; /* by block: the entries of its outcomes */
    entry *entry;
    uint32_t entries, room;
    uint64_t *key; /* of the pullback that is looked for */
    size_t words;
} derive;

/* What one recording of a block's backward pass made. */
typedef struct recorded {
    uint32_t first; /* id of the first cotangent */
    uint32_t cotangents;
    outcome *outcome;
    reel_node **node; /* by outcome */
    uint32_t outcomes;
} recorded;

/* Memory that is not zeroed. */
static bool no_memory(const derive *d)
{
    reel__fail(d->tape, REEL_ERR_MEMORY, NULL, "gradient: out of memory");
    return false;
}

static void *room(const derive *d, size_t count, size_t size)
{
    size_t bytes;
    void *p = __builtin_mul_overflow(count + 1, size, &bytes)
                  ? NULL
                  : reel__arena_alloc(&d->c->work, bytes);
    if (!p) {
        no_memory(d);
    }
    return p;
}

static void *take(derive *d, size_t count, size_t size)
{
    void *p = room(d, count, size);
    return p ? memset(p, 0, (count + 1) * size) : NULL;
}

static bool bit(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << i % 64;
}

static size_t bit_words(size_t n)
{
    return n / 64 + 1;
}

/* What depends on an x */

static reel__paths *find_paths(derive *d, reel__template *t, const uint64_t *in)
{
    const reel__ir *raw = &t->raw;
    size_t words = bit_words((size_t)(raw->ports + raw->outs));
    for (reel__paths *p = t->paths; p; p = p->next) {
        if (memcmp(p->in, in, words * sizeof *in) == 0) {
            return p;
        }
    }
    reel__paths *p = reel__arena_alloc(&t->arena, sizeof *p);
    uint64_t *bits = reel__arena_alloc(&t->arena, 2 * words * sizeof *bits);
    if (!p || !bits) {
        no_memory(d);
        return NULL;
    }
    *p = (reel__paths){.next = t->paths, .in = bits, .node = bits + words};
    memcpy(p->in, in, words * sizeof *in);
    memset(p->node, 0, words * sizeof *in);
    for (int at = 0; at < raw->outs; at++) {
        const reel__value *v = &raw->v[raw->out[at]];
        bool matters = bit(in, (size_t)(raw->ports + at));
        for (int k = 0; k < v->n && !matters; k++) {
            int a = v->arg[k];
            matters = a < raw->ports ? bit(in, (size_t)a) : bit(p->node, (size_t)raw->v[a].node);
        }
        if (matters && v->dtype != REEL_I32) {
            set_bit(p->node, (size_t)at);
        }
    }
    t->paths = p;
    return p;
}

/* The terms of sums that come from other blocks, by the block of the sum. */
static bool sort_sums(derive *d)
{
    const reel__graph *g = d->g;
    d->sum_start = take(d, (size_t)g->blocks + 1, sizeof *d->sum_start);
    d->sum_of = take(d, g->added_count, sizeof *d->sum_of);
    uint32_t *at = take(d, g->blocks, sizeof *at);
    if (!d->sum_start || !d->sum_of || !at) {
        return false;
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        d->sum_start[g->added[i].to_block + 1]++;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        d->sum_start[j + 1] += d->sum_start[j];
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        uint32_t j = g->added[i].to_block;
        d->sum_of[d->sum_start[j] + at[j]++] = i;
    }
    return true;
}

static bool source_matters(const derive *d, const bool *outside, const reel__source *x)
{
    return x->block == REEL__NONE ? outside[x->at] : bit(d->paths[x->block]->node, x->at);
}

static bool find_matters(derive *d, size_t n, const uint32_t *x)
{
    const reel__graph *g = d->g;
    d->paths = take(d, g->blocks, sizeof(reel__paths *));
    bool *outside = take(d, g->outsides, sizeof *outside);
    uint32_t most = 0;
    for (uint32_t j = 0; j < g->blocks; j++) {
        uint32_t bits = g->block[j].ports + g->block[j].nodes;
        most = bits > most ? bits : most;
    }
    uint64_t *in = take(d, bit_words(most), sizeof *in);
    if (!d->paths || !outside || !in) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (x[i] != REEL__NONE) {
            outside[x[i]] = true;
        }
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        memset(in, 0, bit_words((size_t)b->ports + b->nodes) * sizeof *in);
        for (uint32_t p = 0; p < b->ports; p++) {
            if (source_matters(d, outside, &g->port[b->first_port + p])) {
                set_bit(in, p);
            }
        }
        for (uint32_t i = d->sum_start[j]; i < d->sum_start[j + 1]; i++) {
            const reel__added *s = &g->added[d->sum_of[i]];
            if (bit(d->paths[s->block]->node, s->at)) {
                set_bit(in, (size_t)b->ports + s->to_at);
            }
        }
        d->paths[j] = find_paths(d, b->template, in);
        if (!d->paths[j]) {
            return false;
        }
    }
    return true;
}

/* Recording a block's backward pass */

/* Contributions while they are recorded: lists by node of the block, then by port. */
typedef struct terms {
    reel_node **node;
    uint32_t *next, n;       /* + 1 */
    uint32_t *first, *last;  /* likewise */
    uint32_t *count, *maker; /* maker: by term */
} terms;

static bool start_terms(derive *d, terms *t, size_t targets, size_t most)
{
    t->node = take(d, most, sizeof(reel_node *));
    t->next = take(d, most, sizeof *t->next);
    t->maker = take(d, most, sizeof *t->maker);
    t->first = take(d, targets, sizeof *t->first);
    t->last = take(d, targets, sizeof *t->last);
    t->count = take(d, targets, sizeof *t->count);
    return t->node && t->next && t->maker && t->first && t->last && t->count;
}

static void add_term(terms *t, uint32_t to, reel_node *node, uint32_t maker)
{
    uint32_t i = t->n++;
    t->node[i] = node;
    t->maker[i] = maker;
    *(t->last[to] ? &t->next[t->last[to] - 1] : &t->first[to]) = i + 1;
    t->last[to] = i + 1;
    t->count[to]++;
}

static reel_node *total_of(const terms *t, uint32_t to, reel__slot *of, reel_node **list)
{
    size_t n = 0;
    for (uint32_t i = t->first[to]; i; i = t->next[i - 1]) {
        list[n++] = t->node[i - 1];
    }
    return reel__gradient_sum(of, n, list);
}

static reel__slot *source_slot(const reel__graph *g, const reel__source *x)
{
    return x->block == REEL__NONE ? g->outside[x->at] : g->node[g->block[x->block].first + x->at];
}

static reel__slot *port_slot(const derive *d, const reel__block *b, uint32_t p)
{
    return source_slot(d->g, &d->g->port[b->first_port + p]);
}

/* Numbers the block's nodes and then its ports, in their marks. */
static void number_slots(const derive *d, const reel__block *b)
{
    uint32_t walk = reel__walk(d->tape);
    for (uint32_t p = 0; p < b->ports; p++) {
        reel__slot *s = port_slot(d, b, p);
        s->stamp = walk;
        s->mark = b->nodes + p;
    }
    for (uint32_t at = 0; at < b->nodes; at++) {
        reel__slot *s = d->g->node[b->first + at];
        s->stamp = walk;
        s->mark = at;
    }
}

/* Stands for the cotangents that come in: the key has, behind what matters, in each word a node and
 * how many come in there. */
static bool record_cotangents(derive *d, const reel__block *b, const reel__pullback *p, terms *t,
                              recorded *r)
{
    r->first = d->tape->count;
    for (size_t w = 1; w < p->words; w++) {
        uint32_t at = (uint32_t)(p->key[w] >> 32);
        const reel__slot *s = d->g->node[b->first + at];
        for (uint32_t i = (uint32_t)p->key[w]; i > 0; i--) {
            reel__slot *dy =
                reel__record(d->tape, s->at, &reel__op_input, (reel_dtype)s->dtype, reel__shape(s));
            if (!dy) {
                return false;
            }
            dy->flags |= REEL__COMPUTED;
            add_term(t, at, reel__node_of(dy), at);
            r->cotangents++;
        }
    }
    return true;
}

static bool is_sum_of_others(const reel__block *b, uint32_t at)
{
    const reel__ir *raw = &b->template->raw;
    return raw->v[raw->out[at]].kind == REEL__ACCUMULATE;
}

static void add_outcome(recorded *r, uint32_t port, uint32_t reader, reel_node *node)
{
    r->outcome[r->outcomes] = (outcome){.port = port, .reader = reader};
    r->node[r->outcomes++] = node;
}

/* Contributions of one node's rule. */
static bool apply_rules(const derive *d, uint32_t j, uint32_t at, reel_node *dy, terms *t,
                        recorded *r)
{
    const reel__block *b = &d->g->block[j];
    const reel__paths *paths = d->paths[j];
    reel__slot *s = d->g->node[b->first + at];
    uint32_t walk = d->tape->stamp;
    for (int i = 0; i < s->n; i++) {
        const reel__slot *a = reel__args(s)[i];
        if (a->stamp != walk || (a->mark < b->nodes ? !bit(paths->node, a->mark)
                                                    : !bit(paths->in, a->mark - b->nodes))) {
            continue;
        }
        reel_node *dx;
        if (!reel__gradient_rule(s, i, dy, &dx)) {
            return false;
        }
        if (dx && a->mark < b->nodes) {
            add_term(t, a->mark, dx, at);
        } else if (dx) {
            add_term(t, a->mark, dx, at);
            add_outcome(r, a->mark - b->nodes, at, dx);
        }
    }
    return true;
}

static bool record_rules(derive *d, uint32_t j, const reel__pullback *p, const uint8_t *mode,
                         recorded *r)
{
    const reel__block *b = &d->g->block[j];
    size_t most = 0, arguments = 0;
    for (size_t w = 1; w < p->words; w++) {
        most += (uint32_t)p->key[w];
    }
    for (uint32_t at = 0; at < b->nodes; at++) {
        arguments += (size_t)d->g->node[b->first + at]->n;
    }
    terms t = {.n = 0};
    *r = (recorded){.outcome = take(d, arguments + b->nodes, sizeof *r->outcome),
                    .node = take(d, arguments + b->nodes, sizeof(reel_node *))};
    reel_node **list = take(d, most + arguments, sizeof(reel_node *));
    if (!r->outcome || !r->node || !list ||
        !start_terms(d, &t, (size_t)b->nodes + b->ports, most + arguments) ||
        !record_cotangents(d, b, p, &t, r)) {
        return false;
    }
    number_slots(d, b);
    for (uint32_t at = b->nodes; at-- > 0;) {
        if (!bit(d->paths[j]->node, at) || !t.count[at]) {
            continue;
        }
        reel_node *dy = total_of(&t, at, d->g->node[b->first + at], list);
        if (d->tape->status || !apply_rules(d, j, at, dy, &t, r)) {
            return false;
        }
        if (is_sum_of_others(b, at)) {
            add_outcome(r, REEL__NONE, at, dy);
        }
    }
    for (uint32_t i = 0; mode && i < r->outcomes; i++) {
        uint32_t port = r->outcome[i].port;
        if (port != REEL__NONE && mode[port] == CLOSED) {
            reel__slot *reader = d->g->node[b->first + r->outcome[i].reader];
            uint32_t to = b->nodes + port;
            r->node[i] = t.count[to] ? total_of(&t, to, reader, list) : NULL;
            t.count[to] = 0; /* the first outcome has it all */
        }
    }
    return !d->tape->status;
}

/* Records the backward pass of block j behind what the tape has. With modes, closed ports get the
 * sum of what comes to them. Ports pass for leaves meanwhile: what a rule sees of them must not be
 * what another block of the template has not. */
static bool record(derive *d, uint32_t j, const reel__pullback *p, const uint8_t *mode, recorded *r)
{
    const reel__block *b = &d->g->block[j];
    reel__slot *was = take(d, b->ports, sizeof *was);
    if (!was) {
        return false;
    }
    for (uint32_t k = 0; k < b->ports; k++) {
        reel__slot *s = port_slot(d, b, k);
        was[k] = *s;
        s->op = &reel__op_input;
        s->n = 0;
    }
    bool ok = record_rules(d, j, p, mode, r);
    for (uint32_t k = 0; k < b->ports; k++) {
        reel__slot *s = port_slot(d, b, k);
        s->op = was[k].op;
        s->n = was[k].n;
    }
    return ok;
}

static void unrecord(derive *d, uint32_t count)
{
    d->tape->count = count;
}

/* Whether the outcome is one window's place, which nothing else reads. */
static bool is_part(const derive *d, const recorded *r, uint32_t i)
{
    const reel__slot *s = reel__live(r->node[i]);
    if (!s->op->place || s->n != 1 || s->id < r->first + r->cotangents) {
        return false;
    }
    uint32_t uses = 0;
    for (uint32_t k = 0; k < r->outcomes; k++) {
        uses += reel__live(r->node[k]) == s;
    }
    for (uint32_t id = s->id + 1; id < d->tape->count; id++) {
        const reel__slot *u = reel__slot_at(d->tape, id);
        for (int a = 0; a < u->n; a++) {
            uses += reel__args(u)[a] == s;
        }
    }
    return uses == 1;
}

/* Pullbacks */

static reel__pullback *new_pullback(derive *d, uint32_t j)
{
    reel__template *t = d->g->block[j].template;
    uint32_t count = d->tape->count;
    reel__pullback *p = reel__calloc(1, sizeof *p);
    uint64_t *key = p ? reel__arena_alloc(&p->arena, (d->words + 1) * sizeof *key) : NULL;
    recorded r;
    bool ok = key;
    if (ok) {
        memcpy(key, d->key, d->words * sizeof *key);
        p->key = key;
        p->words = d->words;
        ok = record(d, j, p, NULL, &r);
    }
    if (ok) {
        p->outcome = reel__arena_alloc(&p->arena, (r.outcomes + 1) * sizeof *p->outcome);
        ok = p->outcome;
    }
    for (uint32_t i = 0; ok && i < r.outcomes; i++) {
        p->outcome[i] = r.outcome[i];
        p->outcome[i].part = is_part(d, &r, i);
    }
    unrecord(d, count);
    if (!ok) {
        no_memory(d); /* unless there is another reason already */
        if (p) {
            reel__arena_free(&p->arena);
        }
        reel__free(p);
        return NULL;
    }
    p->outcomes = r.outcomes;
    p->possible = true;
    p->next = t->pullbacks;
    t->pullbacks = p;
    return p;
}

/* The pullback whose key has just been put together. */
static reel__pullback *find_pullback(derive *d, uint32_t j)
{
    for (reel__pullback *p = d->g->block[j].template->pullbacks; p; p = p->next) {
        if (p->words == d->words && memcmp(p->key, d->key, d->words * sizeof *d->key) == 0) {
            return p;
        }
    }
    return new_pullback(d, j);
}

void reel__pullbacks_free(reel__template *t)
{
    for (reel__pullback *p = t->pullbacks; p;) {
        reel__pullback *next = p->next;
        reel__arena_free(&p->arena);
        reel__free(p);
        p = next;
    }
    t->pullbacks = NULL;
}

size_t reel__pullbacks_bytes(const reel__template *t)
{
    size_t bytes = 0;
    for (const reel__pullback *p = t->pullbacks; p; p = p->next) {
        bytes += sizeof *p + p->arena.reserved;
    }
    return bytes;
}

/* Contributions, in the order of the sweep */

static uint32_t number_of(const derive *d, const reel__source *x)
{
    return x->block == REEL__NONE ? d->g->nodes + x->at : d->g->block[x->block].first + x->at;
}

static bool add_entry(derive *d, uint32_t to, entry e)
{
    entry *v = reel__arena_grow(&d->c->work, d->entry, d->entries, &d->room, sizeof *v);
    if (!v) {
        return no_memory(d);
    }
    d->entry = v;
    uint32_t i = d->entries++;
    target *t = &d->target[to];
    t->count++;
    uint32_t *link = t->last ? &d->entry[t->last - 1].next : &t->first;
    if (t->last && d->entry[t->last - 1].id < e.id) { /* parts of one stretch, or block 0 */
        link = &t->first;
        while (d->entry[*link - 1].id >= e.id) {
            link = &d->entry[*link - 1].next;
        }
        e.next = *link;
        *link = i + 1;
    } else {
        *link = i + 1;
        t->last = i + 1;
    }
    d->entry[i] = e;
    return true;
}

enum { MOST_PARTS = 256 };

/* All contributions to the target have been made, two or more: decides how they are summed. Gives
 * how many cotangents its block gets. */
static uint32_t settle(derive *d, target *t, bool outside)
{
    const entry *e = &d->entry[t->first - 1];
    uint32_t port = e->port, parts = 0;
    bool closed = port != REEL__NONE;
    for (uint32_t i = t->first; i; i = d->entry[i - 1].next) {
        closed = closed && d->entry[i - 1].port == port;
        parts += d->entry[i - 1].part;
    }
    if (closed) {
        d->mode[port] = CLOSED;
        return 1;
    }
    bool many = t->count >= REEL__SOME_TERMS && (parts < t->count || t->count > MOST_PARTS);
    for (uint32_t i = t->first; many && i; i = d->entry[i - 1].next) {
        if (d->entry[i - 1].port != REEL__NONE) {
            d->mode[d->entry[i - 1].port] = ADDED;
        }
    }
    t->summed = many || outside;
    return t->summed ? 1 : t->count;
}

/* The key of block j's pullback; false when no cotangent comes in. */
static bool build_key(derive *d, uint32_t j)
{
    const reel__graph *g = d->g;
    const reel__block *b = &g->block[j];
    bool any = false;
    d->key[0] = (uint64_t)(uintptr_t)d->paths[j];
    d->words = 1;
    for (uint32_t at = 0; at < b->nodes; at++) {
        target *t = &d->target[b->first + at];
        uint32_t n = t->count < 2 ? t->count : settle(d, t, false);
        if (n) {
            d->key[d->words++] = (uint64_t)at << 32 | n;
            any = true;
        }
    }
    return any;
}

static bool contribute(derive *d, uint32_t j)
{
    const reel__graph *g = d->g;
    const reel__block *b = &g->block[j];
    const reel__pullback *p = d->pullback[j];
    d->first_entry[j] = d->entries;
    for (uint32_t i = 0; i < p->outcomes; i++) {
        const outcome *x = &p->outcome[i];
        entry e = {.id = g->node[b->first + x->reader]->id, .port = REEL__NONE, .part = x->part};
        uint32_t to = g->nodes + g->outsides; /* nobody: a sum's goes to all its terms */
        if (x->port != REEL__NONE) {
            e.port = b->first_port + x->port;
            to = number_of(d, &g->port[e.port]);
        }
        if (!add_entry(d, to, e)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < p->outcomes; i++) {
        const outcome *x = &p->outcome[i];
        for (uint32_t k = d->sum_start[j]; x->port == REEL__NONE && k < d->sum_start[j + 1]; k++) {
            const reel__added *s = &g->added[d->sum_of[k]];
            entry e = {.id = g->node[b->first + x->reader]->id, .port = REEL__NONE};
            if (s->to_at == x->reader && bit(d->paths[s->block]->node, s->at) &&
                !add_entry(d, g->block[s->block].first + s->at, e)) {
                return false;
            }
        }
    }
    return true;
}

/* Which blocks have a backward pass, and which. */
static bool descend(derive *d, uint32_t loss)
{
    const reel__graph *g = d->g;
    uint32_t most = 0;
    for (uint32_t j = 0; j < g->blocks; j++) {
        most = g->block[j].nodes + 1 > most ? g->block[j].nodes + 1 : most;
    }
    d->key = take(d, most, sizeof *d->key);
    d->pullback = take(d, g->blocks, sizeof(reel__pullback *));
    d->first_entry = take(d, g->blocks, sizeof *d->first_entry);
    d->target = take(d, (size_t)g->nodes + g->outsides, sizeof *d->target); /* and nobody */
    d->mode = take(d, g->port_count, 1);
    if (!d->key || !d->pullback || !d->first_entry || !d->target || !d->mode ||
        !add_entry(d, loss, (entry){.id = UINT32_MAX, .port = REEL__NONE})) {
        return false;
    }
    for (uint32_t j = g->blocks; j-- > 0;) {
        if (!build_key(d, j)) {
            continue;
        }
        d->pullback[j] = find_pullback(d, j);
        if (!d->pullback[j] || !d->pullback[j]->possible || !contribute(d, j)) {
            return false;
        }
    }
    return true;
}

/* Forms */

/* What slot s is for the block whose nodes and ports are numbered; false: nothing that it knows. */
static bool refer(const derive *d, const reel__block *b, const recorded *r, const reel__slot *s,
                  ref *to)
{
    if (s->id >= r->first && s->id < r->first + r->cotangents) {
        *to = (ref){.kind = OF_COTANGENT, .a = s->id - r->first};
        return true;
    }
    if (s->stamp != d->tape->stamp) {
        return false;
    }
    *to = s->mark < b->nodes ? (ref){.kind = OF_NODE, .a = s->mark}
                             : (ref){.kind = OF_PORT, .a = s->mark - b->nodes};
    return true;
}

/* Takes what the block reads as computed, but for the nodes in `again`, which stand as if its
 * backward pass had recorded them; or takes that back. */
static void pretend(const derive *d, const reel__block *b, const uint64_t *again, bool *was,
                    bool computed)
{
    for (uint32_t i = 0; i < b->nodes + b->ports; i++) {
        reel__slot *s = i < b->nodes ? d->g->node[b->first + i] : port_slot(d, b, i - b->nodes);
        if (computed) {
            was[i] = s->flags & REEL__COMPUTED;
            s->flags |= REEL__COMPUTED;
        }
    }
    for (uint32_t i = 0; i < b->nodes; i++) {
        reel__slot *s = d->g->node[b->first + i];
        if (bit(again, i)) {
            s->origin = computed ? s->id + 1 : 0;
            s->flags = (uint16_t)(computed ? s->flags & ~REEL__COMPUTED : s->flags);
        }
    }
    for (uint32_t i = 0; !computed && i < b->nodes + b->ports; i++) {
        reel__slot *s = i < b->nodes ? d->g->node[b->first + i] : port_slot(d, b, i - b->nodes);
        s->flags = (uint16_t)(was[i] ? s->flags : s->flags & ~REEL__COMPUTED);
    }
}

/* Which outcomes are to be computed: the others pass on what comes in, or are in a closed sum. */
static bool find_roots(derive *d, const recorded *r, const reel__pullback *p, const uint8_t *mode,
                       reel__slot **root, bool *added, uint32_t *outcome_of, uint32_t *roots)
{
    uint32_t *seen = take(d, d->tape->count - r->first, sizeof *seen);
    if (!seen) {
        return false;
    }
    for (uint32_t i = 0; i < r->outcomes; i++) {
        const reel__slot *s = r->node[i] ? reel__live(r->node[i]) : NULL;
        if (s && s->id >= r->first) {
            seen[s->id - r->first]++;
        }
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->outcomes; i++) {
        reel__slot *s = r->node[i] ? reel__live(r->node[i]) : NULL;
        if (!s || s->id < r->first + r->cotangents || s->flags & REEL__COMPUTED) {
            continue;
        }
        uint32_t port = p->outcome[i].port;
        root[n] = s;
        added[n] = port != REEL__NONE && mode[port] == ADDED && seen[s->id - r->first] == 1;
        outcome_of[n++] = i;
    }
    *roots = n;
    return true;
}

/* `read`: bits, nodes of the block, then ports. */
static void note_read(const reel__block *b, const ref *x, uint64_t *read)
{
    if (x->kind == OF_NODE) {
        set_bit(read, x->a);
    } else if (x->kind == OF_PORT) {
        set_bit(read, (size_t)b->nodes + x->a);
    }
}

/* What the form keeps of the blocks that were collected. False: not possible, or memory is out. */
static bool keep_blocks(derive *d, const reel__block *b, reel__pullback *p, const recorded *r,
                        const reel__graph *g, form *f, uint64_t *read)
{
    f->blocks = g->blocks - 1;
    f->block = reel__arena_alloc(&p->arena, (f->blocks + 1) * sizeof *f->block);
    reel__added *add = reel__arena_alloc(&p->arena, (g->added_count + 1) * sizeof *add);
    if (!f->block || !add) {
        return no_memory(d);
    }
    if (g->block[0].nodes) {
        return false;
    }
    for (uint32_t k = 0; k < f->blocks; k++) {
        const reel__block *from = &g->block[k + 1];
        form_block *to = &f->block[k];
        *to = (form_block){from->template, from->nodes, from->ports, NULL};
        to->port = reel__arena_alloc(&p->arena, (from->ports + 1) * sizeof *to->port);
        if (!to->port) {
            return no_memory(d);
        }
        for (uint32_t q = 0; q < from->ports; q++) {
            const reel__source *x = &g->port[from->first_port + q];
            if (x->block != REEL__NONE) {
                to->port[q] = (ref){OF_BACKWARD, x->block - 1, x->at};
            } else if (!refer(d, b, r, g->outside[x->at], &to->port[q])) {
                return false;
            }
            note_read(b, &to->port[q], read);
        }
        f->nodes += from->nodes;
        f->ports += from->ports;
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        add[i] = g->added[i];
        add[i].block--;
        add[i].to_block--;
    }
    f->add = add;
    f->adds = g->added_count;
    return true;
}

static bool keep_outcomes(derive *d, const reel__block *b, reel__pullback *p, const recorded *r,
                          form *f, uint64_t *read)
{
    f->from = reel__arena_alloc(&p->arena, (r->outcomes + 1) * sizeof *f->from);
    f->added = reel__arena_alloc(&p->arena, r->outcomes + 1);
    if (!f->from || !f->added) {
        return no_memory(d);
    }
    memset(f->added, 0, r->outcomes + 1);
    memset(f->from, 0, (r->outcomes + 1) * sizeof *f->from); /* of a closed port's others: any */
    for (uint32_t i = 0; i < r->outcomes; i++) {
        const reel__slot *s = r->node[i] ? reel__live(r->node[i]) : NULL;
        bool computed = s && s->id >= r->first + r->cotangents && !(s->flags & REEL__COMPUTED);
        if (s && !computed && !refer(d, b, r, s, &f->from[i])) {
            return false;
        }
        if (s && !computed) {
            note_read(b, &f->from[i], read);
        }
    }
    return true;
}

/* Collects what has been recorded, and the nodes of the block that are in `again`. Notes what that
 * reads. False: not possible, or the status says why. */
static bool collect_with(derive *d, uint32_t j, reel__pullback *p, const recorded *r,
                         const uint64_t *again, uint64_t *read, form *f)
{
    const reel__block *b = &d->g->block[j];
    reel__slot **root = take(d, r->outcomes, sizeof *root);
    bool *added = take(d, r->outcomes, sizeof *added);
    bool *was = take(d, (size_t)b->nodes + b->ports, sizeof *was);
    uint32_t *outcome_of = take(d, r->outcomes, sizeof *outcome_of), roots;
    reel__source *where = take(d, r->outcomes, sizeof *where);
    if (!root || !added || !was || !outcome_of || !where ||
        !find_roots(d, r, p, f->mode, root, added, outcome_of, &roots)) {
        return false;
    }
    reel__graph g = {.tape = d->tape, .step = true};
    pretend(d, b, again, was, true);
    bool ok = reel__collect_part(d->c, &g, roots, root, added, where);
    pretend(d, b, again, was, false);
    if (!ok) {
        return false;
    }
    number_slots(d, b);
    f->nodes = f->ports = 0;
    memset(read, 0, bit_words((size_t)b->nodes + b->ports) * sizeof *read);
    if (!keep_blocks(d, b, p, r, &g, f, read) || !keep_outcomes(d, b, p, r, f, read)) {
        return false;
    }
    for (uint32_t i = 0; i < roots; i++) {
        f->from[outcome_of[i]] = (ref){OF_BACKWARD, where[i].block - 1, where[i].at};
        f->added[outcome_of[i]] = added[i];
    }
    return true;
}

/* Whether node `at` of the block can be had again from what is kept in any case: what is put
 * together of parts takes no less memory than they do; element-wise results are computed from what
 * the backward pass reads itself, or other blocks do. */
static bool cheap(const reel__block *b, uint32_t at, const uint64_t *read, const uint64_t *again)
{
    const reel__ir *raw = &b->template->raw;
    const reel__value *v = &raw->v[raw->out[at]];
    if (v->flags || v->n == 0 || v->n > REEL_MAX_MAPPED) {
        return false;
    }
    if (v->kind == REEL__RUN && v->op->place && v->n > 1) {
        return true;
    }
    bool there = v->kind == REEL__MAP && v->op->flags & REEL_OP_ELEMENTWISE;
    for (int k = 0; there && k < v->n; k++) {
        const reel__value *x = &raw->v[v->arg[k]];
        bool port = v->arg[k] < raw->ports;
        size_t number = port ? (size_t)b->nodes + (size_t)v->arg[k] : (size_t)x->node;
        there =
            (bit(read, number) && (port || !bit(again, number))) || (!port && x->flags & REEL__OUT);
    }
    return there;
}

/* What is read of the block and computed again instead of being kept. */
static bool find_again(const derive *d, const reel__block *b, const form *f, const recorded *r,
                       const uint64_t *read, uint64_t *again)
{
    bool any = false;
    for (uint32_t at = 0; at < b->nodes; at++) {
        bool handed_on = false;
        for (uint32_t i = 0; i < r->outcomes; i++) {
            handed_on = handed_on || (f->from[i].kind == OF_NODE && f->from[i].a == at);
        }
        const reel__slot *s = d->g->node[b->first + at];
        if (bit(read, at) && !handed_on && !s->origin && !(s->flags & REEL__COMPUTED) &&
            cheap(b, at, read, again)) {
            set_bit(again, at);
            any = true;
        }
    }
    return any;
}

static bool collect_form(derive *d, uint32_t j, reel__pullback *p, const recorded *r, form *f)
{
    const reel__block *b = &d->g->block[j];
    size_t words = bit_words((size_t)b->nodes + b->ports);
    uint64_t *again = take(d, words, sizeof *again), *read = take(d, words, sizeof *read);
    if (!again || !read || !collect_with(d, j, p, r, again, read, f)) {
        return false;
    }
    if (d->c->passes & REEL__PASS_AGAIN && find_again(d, b, f, r, read, again)) {
        reel__pass_used(REEL__PASS_AGAIN);
        if (!collect_with(d, j, p, r, again, read, f)) {
            return false;
        }
    }
    f->forward = reel__template_read(d->c, b->template, read);
    return f->forward || no_memory(d);
}

static form *new_form(derive *d, uint32_t j)
{
    const reel__block *b = &d->g->block[j];
    reel__pullback *p = d->pullback[j];
    uint32_t count = d->tape->count;
    form *f = reel__arena_alloc(&p->arena, sizeof *f);
    uint8_t *mode = reel__arena_alloc(&p->arena, b->ports + 1);
    recorded r;
    if (!f || !mode) {
        no_memory(d);
        return NULL;
    }
    if (b->ports) {
        memcpy(mode, d->mode + b->first_port, b->ports);
    }
    *f = (form){.mode = mode, .next = p->forms};
    bool ok = record(d, j, p, mode, &r);
    bool possible = ok && collect_form(d, j, p, &r, f);
    unrecord(d, count);
    if (!possible) {
        p->possible = p->possible && d->tape->status;
        return NULL;
    }
    p->forms = f;
    return f;
}

static bool find_forms(derive *d)
{
    const reel__graph *g = d->g;
    d->form = take(d, g->blocks, sizeof(form *));
    if (!d->form) {
        return false;
    }
    for (uint32_t j = g->blocks; j-- > 0;) {
        if (!d->pullback[j]) {
            continue;
        }
        const reel__block *b = &g->block[j];
        for (form *f = d->pullback[j]->forms; f && !d->form[j]; f = f->next) {
            if (b->ports == 0 || memcmp(f->mode, d->mode + b->first_port, b->ports) == 0) {
                d->form[j] = f;
            }
        }
        d->form[j] = d->form[j] ? d->form[j] : new_form(d, j);
        if (!d->form[j]) {
            return false;
        }
    }
    return true;
}

/* The whole graph */

/* The constants, as the first block of a graph: the loss's own cotangent, and gradients that are
 * zero. */
static bool make_constants(derive *d, const reel__slot *loss, size_t n, const uint32_t *x,
                           reel__slot *const *slots, reel__graph *g, reel__source *gradient,
                           reel__source *one)
{
    reel_tape *tape = d->tape;
    uint32_t count = tape->count, scope = tape->scope, roots = 1;
    reel__slot **root = take(d, n + 1, sizeof *root);
    bool *added = take(d, n + 1, sizeof *added);
    reel__source *where = take(d, n + 1, sizeof *where);
    if (!root || !added || !where) {
        return false;
    }
    tape->scope = 0;
    root[0] = reel__live(reel_constant_at(loss->at, tape, 1, reel__shape(loss)));
    for (size_t i = 0; i < n; i++) {
        if (x[i] == REEL__NONE || d->target[d->g->nodes + x[i]].count == 0) {
            root[roots++] = reel__live(reel_constant_at(loss->at, tape, 0, reel__shape(slots[i])));
        }
    }
    tape->scope = scope;
    bool ok =
        !tape->status && reel__collect_part(d->c, g, roots, root, added, where) && g->blocks == 1;
    unrecord(d, count);
    if (!ok) {
        return false;
    }
    *one = (reel__source){d->g->blocks, where[0].at}; /* they come behind the forward pass */
    for (size_t i = 0, k = 1; i < n; i++) {
        if (x[i] == REEL__NONE || d->target[d->g->nodes + x[i]].count == 0) {
            gradient[i] = (reel__source){d->g->blocks, where[k++].at};
        }
    }
    return true;
}

/* Room for all blocks; the forward ones and that of constants are put there. */
static bool start_graph(derive *d, const reel__graph *constants)
{
    const reel__graph *g = d->g;
    reel__graph *all = d->all;
    size_t blocks = (size_t)g->blocks + 1, nodes = (size_t)g->nodes + constants->nodes;
    size_t ports = g->port_count;
    size_t adds = g->added_count;
    for (uint32_t j = 0; j < g->blocks; j++) {
        const form *f = d->form[j];
        if (f) {
            blocks += f->blocks;
            nodes += f->nodes;
            ports += f->ports;
            adds += f->adds;
        }
    }
    for (uint32_t v = 0; v < g->nodes + g->outsides; v++) {
        if (d->target[v].summed) {
            blocks++;
            nodes++;
            ports += d->target[v].count;
            adds += d->target[v].count;
        }
    }
    if (blocks + nodes + ports > UINT32_MAX / 2) {
        return no_memory(d);
    }
    *all = (reel__graph){.tape = d->tape,
                         .arena = &d->c->work,
                         .step = true,
                         .outside = g->outside,
                         .outsides = g->outsides,
                         .node = room(d, nodes, sizeof(reel__slot *)),
                         .kept = room(d, nodes, 1),
                         .block = room(d, blocks, sizeof *all->block),
                         .port = room(d, ports, sizeof *all->port),
                         .added = room(d, adds, sizeof *all->added)};
    if (!all->node || !all->kept || !all->block || !all->port || !all->added) {
        return false;
    }
    memcpy(all->block, g->block, g->blocks * sizeof *all->block);
    all->block[g->blocks] = constants->block[0];
    all->block[g->blocks].first = g->nodes;
    all->blocks = g->blocks + 1;
    memcpy(all->port, g->port, g->port_count * sizeof *all->port);
    all->port_count = g->port_count;
    if (g->added_count) {
        memcpy(all->added, g->added, g->added_count * sizeof *all->added);
    }
    all->added_count = g->added_count;
    for (uint32_t j = 0; j < g->blocks; j++) {
        if (d->form[j]) {
            all->block[j].template = d->form[j]->forward;
        }
    }
    memcpy(all->node, g->node, g->nodes * sizeof *all->node);
    memcpy(all->node + g->nodes, constants->node, constants->nodes * sizeof *all->node);
    memcpy(all->kept, g->kept, g->nodes);
    all->nodes = g->nodes + constants->nodes;
    memset(all->node + all->nodes, 0, (nodes - all->nodes) * sizeof *all->node);
    memset(all->kept + g->nodes, 0, nodes - g->nodes);
    return true;
}

static reel__block *add_block(derive *d, reel__template *t, uint32_t nodes, uint32_t scope)
{
    reel__graph *all = d->all;
    reel__block *b = &all->block[all->blocks++];
    *b = (reel__block){.template = t,
                       .first = all->nodes,
                       .nodes = nodes,
                       .first_port = all->port_count,
                       .scope = scope,
                       .backward = true};
    all->nodes += nodes;
    return b;
}

static void add_port(derive *d, reel__block *b, reel__source x)
{
    d->all->port[d->all->port_count++] = x;
    b->ports++;
}

/* A block that sums the contributions to a node. */
static bool add_sum(derive *d, const target *t, const reel__slot *of, reel__source *to)
{
    uint32_t plain = 0;
    for (uint32_t i = t->first; i; i = d->entry[i - 1].next) {
        plain += !d->entry[i - 1].added;
    }
    reel__template *template = reel__template_sum(d->c, of, plain, plain < t->count);
    if (!template) {
        return no_memory(d);
    }
    reel__block *b = add_block(d, template, 1, of->scope);
    *to = (reel__source){d->all->blocks - 1, 0};
    for (uint32_t i = t->first; i; i = d->entry[i - 1].next) {
        const entry *e = &d->entry[i - 1];
        if (e->added) {
            d->all->added[d->all->added_count++] =
                (reel__added){e->from.block, e->from.at, to->block, to->at};
        } else {
            add_port(d, b, e->from);
        }
    }
    return true;
}

/* The cotangents of block j's nodes, one after another as its pullback wants them. */
static bool find_cotangents(derive *d, uint32_t j, reel__source *cotangent)
{
    const reel__block *b = &d->g->block[j];
    const reel__pullback *p = d->pullback[j];
    uint32_t n = 0;
    for (size_t w = 1; w < p->words; w++) {
        uint32_t at = (uint32_t)(p->key[w] >> 32), v = b->first + at;
        const target *t = &d->target[v];
        if (t->summed) {
            if (!add_sum(d, t, d->g->node[v], &cotangent[n++])) {
                return false;
            }
            continue;
        }
        uint32_t left = (uint32_t)p->key[w]; /* one, of a closed sum */
        for (uint32_t i = t->first; i && left; i = d->entry[i - 1].next, left--) {
            cotangent[n++] = d->entry[i - 1].from;
        }
    }
    return true;
}

static reel__source resolve(const derive *d, uint32_t j, uint32_t first,
                            const reel__source *cotangent, const ref *x)
{
    switch (x->kind) {
    case OF_COTANGENT:
        return cotangent[x->a];
    case OF_BACKWARD:
        return (reel__source){first + x->a, x->b};
    case OF_NODE:
        return (reel__source){j, x->a};
    default:
        return d->g->port[d->g->block[j].first_port + x->a];
    }
}

static void hand_on(derive *d, uint32_t j, uint32_t first, const reel__source *cotangent)
{
    const reel__graph *g = d->g;
    const form *f = d->form[j];
    const reel__pullback *p = d->pullback[j];
    uint32_t next = d->first_entry[j] + p->outcomes;
    for (uint32_t i = 0; i < p->outcomes; i++) {
        entry *e = &d->entry[d->first_entry[j] + i];
        e->from = resolve(d, j, first, cotangent, &f->from[i]);
        e->added = f->added[i];
    }
    for (uint32_t i = 0; i < p->outcomes; i++) {
        const outcome *x = &p->outcome[i];
        for (uint32_t k = d->sum_start[j]; x->port == REEL__NONE && k < d->sum_start[j + 1]; k++) {
            const reel__added *s = &g->added[d->sum_of[k]];
            if (s->to_at == x->reader && bit(d->paths[s->block]->node, s->at)) {
                d->entry[next++].from = d->entry[d->first_entry[j] + i].from;
            }
        }
    }
}

static bool add_backward(derive *d, uint32_t j, reel__source *cotangent)
{
    const form *f = d->form[j];
    if (!find_cotangents(d, j, cotangent)) {
        return false;
    }
    uint32_t first = d->all->blocks, scope = d->g->block[j].scope;
    for (uint32_t k = 0; k < f->blocks; k++) {
        const form_block *from = &f->block[k];
        reel__block *b = add_block(d, from->template, from->nodes, scope);
        for (uint32_t q = 0; q < from->ports; q++) {
            add_port(d, b, resolve(d, j, first, cotangent, &from->port[q]));
        }
    }
    for (uint32_t i = 0; i < f->adds; i++) {
        reel__added s = f->add[i];
        s.block += first;
        s.to_block += first;
        d->all->added[d->all->added_count++] = s;
    }
    hand_on(d, j, first, cotangent);
    return true;
}

/* The gradient of outside value x: its place in the graph. */
static bool find_gradient(derive *d, uint32_t x, reel__source *to)
{
    const target *t = &d->target[d->g->nodes + x];
    if (t->summed) {
        if (!add_sum(d, t, d->g->outside[x], to)) {
            return false;
        }
    } else {
        *to = d->entry[t->first - 1].from;
    }
    /* A value that is there already needs no plan, and a forward one would have to be kept. */
    return to->block != REEL__NONE && to->block >= d->g->blocks;
}

static bool build(derive *d, const reel__slot *loss, size_t n, const uint32_t *x,
                  reel__slot *const *slots, reel__source *gradient)
{
    const reel__graph *g = d->g;
    reel__graph constants = {.tape = d->tape, .step = true};
    reel__source one;
    uint32_t most = 0;
    if (!make_constants(d, loss, n, x, slots, &constants, gradient, &one) ||
        !start_graph(d, &constants)) {
        return false;
    }
    d->entry[0].from = one;
    for (uint32_t j = 0; j < g->blocks; j++) {
        uint32_t all = 0;
        for (size_t w = 1; d->form[j] && w < d->pullback[j]->words; w++) {
            all += (uint32_t)d->pullback[j]->key[w];
        }
        most = all > most ? all : most;
    }
    reel__source *cotangent = take(d, most, sizeof *cotangent);
    if (!cotangent) {
        return false;
    }
    for (uint32_t j = g->blocks; j-- > 0;) {
        if (d->form[j] && !add_backward(d, j, cotangent)) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        bool any = x[i] != REEL__NONE && d->target[g->nodes + x[i]].count;
        for (size_t k = 0; any && k < i; k++) { /* twice the same leaf */
            if (x[k] == x[i]) {
                gradient[i] = gradient[k];
                any = false;
            }
        }
        if (any && !find_gradient(d, x[i], &gradient[i])) {
            return false;
        }
        d->all->kept[d->all->block[gradient[i].block].first + gradient[i].at] = 1;
    }
    return true;
}

bool reel__derive(reel__compiled *c, const reel__graph *g, reel__slot *loss, size_t n,
                  const uint32_t *x, reel__slot *const *slots, reel__graph *all,
                  reel__source *gradient)
{
    derive d = {.c = c, .tape = c->tape, .g = g, .all = all};
    uint32_t at = 0;
    while (g->node[at] != loss) {
        at++;
    }
    if (!sort_sums(&d) || !find_matters(&d, n, x)) {
        return false;
    }
    uint32_t j = g->blocks - 1;
    while (g->block[j].first > at) {
        j--;
    }
    if (!bit(d.paths[j]->node, at - g->block[j].first)) {
        return false;
    }
    if (!descend(&d, at)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (x[i] != REEL__NONE && d.target[g->nodes + x[i]].count > 1) {
            settle(&d, &d.target[g->nodes + x[i]], true);
        }
    }
    return find_forms(&d) && build(&d, loss, n, x, slots, gradient);
}
