/* Job: take what an evaluation needs apart into blocks, one for each stretch of nodes recorded in
 * one scope, and find the blocks' templates. Blocks that match a pattern (pattern.c) are taken as a
 * whole: of their nodes those alone are looked at that others read.
 * Invariant: a block reads earlier blocks only. The key says all that a plan depends on: structure,
 * shapes, attributes, what is kept; no address and no number that is a leaf.
 * Must not know: how blocks are compiled or arranged. */
#include <reel/ops.h>

#include <string.h>

#include "memory.h"
#include "pattern.h"
#include "plant.h"

enum { BLOCK_NODES = 512, PROLOGUE = 0 };

/* What the passes below know of a node, so that they need not walk through the recording again and
 * again: needed nodes by number, in recording order, then outside ones. */
typedef struct note {
    uint32_t block, at;
    uint32_t uses;
    uint32_t sum;              /* the needed node it is added to + 1; 0: none */
    uint32_t port_block, port; /* the last block that it is a port of, and which */
    uint32_t scope;
    uint32_t first, n; /* its arguments: edge[first..] */
    bool part;         /* its argument in a window, 0 elsewhere */
    bool out, kept, backward, long_sum, addable, weight, root;
    bool known; /* its block is match[first] */
} note;

/* A block that is known. */
typedef struct match {
    reel__pattern *pattern;
    uint32_t last; /* the id of its last node */
    uint32_t block;
    uint64_t kept;     /* of its nodes */
    reel__slot **slot; /* its nodes */
    reel__slot **port; /* what it reads */
} match;

typedef struct collect {
    reel__compiled *c;
    reel_tape *tape;
    reel__graph *g;
    uint32_t walk, n;
    uint32_t nodes; /* needed ones, of which n have notes: all but what known blocks have inside */
    reel__slot **need; /* in recording order */
    note *note;        /* needed ones first, then outside ones */
    match *match;      /* latest recorded first */
    uint32_t matches, match_capacity;
    bool keep_read; /* what gradient rules read may be kept */
    bool plain;     /* nothing is taken as known */
    bool again;     /* some block is not what it was taken for: all is to be taken apart */
    uint32_t *edge; /* numbers of notes */
    uint32_t outsides, outside_capacity;
    size_t edges, words;
    uint32_t *flag_at; /* by node of a block: where its key has its flags */
    reel__template *last;
} collect;

/* In note.sum: the sum is not part of what is collected. */
#define SUM_ELSEWHERE UINT32_MAX

static bool no_memory(const collect *k)
{
    reel__fail(k->tape, REEL_ERR_MEMORY, NULL, "evaluation: out of memory");
    return false;
}

static void *take(const collect *k, size_t count, size_t size)
{
    size_t bytes;
    void *p = __builtin_mul_overflow(count + 1, size, &bytes)
                  ? NULL
                  : reel__arena_alloc(&k->c->work, bytes);
    if (!p) {
        no_memory(k);
    }
    return p;
}

/* What is needed */

static bool visit(collect *k, reel__slot *s)
{
    if (s->stamp == k->walk) {
        return true;
    }
    s->stamp = k->walk;
    if (!(s->flags & REEL__COMPUTED)) {
        reel__pending_add(&k->tape->pending, s->id);
        return true;
    }
    reel__slot **v =
        reel__arena_grow(&k->c->work, k->g->outside, k->outsides, &k->outside_capacity, sizeof *v);
    if (!v) {
        return no_memory(k);
    }
    k->g->outside = v;
    s->mark = k->outsides;
    k->g->outside[k->outsides++] = s;
    return reel__fresh(s);
}

static bool kept(const collect *k, const reel__slot *s)
{
    return s->flags & REEL__WANT || (s->flags & REEL__READ && !k->g->step && reel__kept(s));
}

/* What a pattern cannot tell shows that a block is another one than was thought. */
static bool mistaken(collect *k, uint32_t m)
{
    k->match[m].pattern->barred = true;
    k->again = true;
    return false;
}

/* Which of the nodes are kept. */
static uint64_t kept_of(void *context, uint32_t n, reel__slot *const *slot)
{
    const collect *k = context;
    uint64_t all = 0;
    for (uint32_t i = n; i-- > 0;) {
        all |= (uint64_t)kept(k, slot[i]) << i;
    }
    return all;
}

/* Takes the block whose last node is `last` as a whole, if it is known; *done tells. */
static bool take_known(collect *k, const reel__slot *last, bool *done)
{
    reel__slot *slot[REEL__PATTERN_NODES], *port[REEL__PATTERN_PORTS];
    reel__pattern *before = k->matches ? k->match[k->matches - 1].pattern : NULL;
    reel__sought x = {.last = last,
                      .walk = k->walk,
                      .mark_read = k->keep_read,
                      .kept_of = kept_of,
                      .context = k};
    x.slot = slot;
    x.port = port;
    *done = false;
    if (k->plain || !last->scope || last->origin) {
        return true;
    }
    reel__pattern *p = reel__pattern_find(k->c, before, &x);
    if (!p || p->barred) {
        return true;
    }
    reel__pass_used(REEL__PASS_KNOWN);
    match *m = reel__arena_grow(&k->c->work, k->match, k->matches, &k->match_capacity, sizeof *m);
    reel__slot **own = take(k, (size_t)p->nodes + p->ports, sizeof *own);
    if (!own) {
        return false;
    }
    if (!m || !reel__ids_push(&k->tape->needed, last->id)) {
        return no_memory(k);
    }
    memcpy(own, slot, p->nodes * sizeof *own);
    memcpy(own + p->nodes, port, p->ports * sizeof *own);
    k->match = m;
    m[k->matches++] = (match){
        .pattern = p, .last = last->id, .kept = x.kept, .slot = own, .port = own + p->nodes};
    if (before) {
        before->then = p;
    }
    for (uint32_t i = 0; i + 1 < p->nodes; i++) {
        if (p->asked >> i & 1U) {
            reel__pending_drop(&k->tape->pending, slot[i]->id);
        }
    }
    for (uint32_t i = 0; i < p->ports; i++) {
        if (!visit(k, port[p->call[i]])) {
            return false;
        }
    }
    k->c->known++;
    k->nodes += p->nodes;
    k->n += (uint32_t)__builtin_popcountll(p->asked);
    k->edges += p->ports;
    *done = true;
    return true;
}

static bool need(collect *k, size_t n, reel__slot *const *roots)
{
    reel_tape *tape = k->tape;
    tape->needed.n = 0;
    reel__pending_clear(&tape->pending);
    if (!reel__pending_reserve(&tape->pending, tape->count)) {
        return no_memory(k);
    }
    for (size_t i = 0; i < n; i++) {
        roots[i]->flags |= REEL__WANT;
        if (!visit(k, roots[i])) {
            return false;
        }
    }
    k->keep_read = !tape->inference && !k->g->step;
    tape->reads_failed = false;
    while (tape->pending.count) {
        reel__slot *s = reel__slot_at(tape, reel__pending_take(&tape->pending));
        reel__slot *const *arg = reel__args(s);
        bool done;
        if (k->matches && s->id >= k->match[k->matches - 1].slot[0]->id) {
            return mistaken(k, k->matches - 1); /* a node between its own divides it */
        }
        if (!take_known(k, s, &done)) {
            return false;
        }
        if (done) {
            continue;
        }
        if (!reel__ids_push(&tape->needed, s->id)) {
            return no_memory(k);
        }
        if (k->keep_read && !s->origin) {
            reel__mark_read(s);
        }
        k->edges += (size_t)s->n;
        k->nodes++;
        k->n++;
        for (int i = 0; i < s->n; i++) {
            if (!visit(k, arg[i])) {
                return false;
            }
        }
    }
    /* What is kept decides how sums are grouped: a guess would change bits. */
    return !tape->reads_failed || no_memory(k);
}

/* Whether a sum begins a block of its own, so that its terms are added in place: one of many terms,
 * or of some from elsewhere, as the gradients of weights over time. What adds up a few within a
 * cell is not worth a block. */
static bool is_long(const reel__slot *s)
{
    int elsewhere = 0;
    if (!(s->op->flags & REEL_OP_SUM) || s->n < REEL__SOME_TERMS) {
        return false;
    }
    for (int i = 0; i < s->n && elsewhere < REEL__SOME_TERMS; i++) {
        elsewhere += reel__args(s)[i]->scope != s->scope;
    }
    return s->n >= REEL__MANY_TERMS || elsewhere >= REEL__SOME_TERMS;
}

static note note_of(const collect *k, const reel__slot *s, uint32_t first)
{
    bool sum = s->op->flags & REEL_OP_SUM;
    return (note){.port_block = REEL__NONE,
                  .scope = s->scope,
                  .first = first,
                  .n = (uint32_t)s->n,
                  .kept = kept(k, s),
                  .backward = s->origin != 0,
                  .long_sum = is_long(s),
                  .part = s->op->place && s->n == 1,
                  .addable = s->op->flags & REEL_OP_ACCUMULATES && !sum};
}

/* A sum of windows, which are put together rather than added up. */
static bool of_parts(const collect *k, const note *sum)
{
    if (sum->n > BLOCK_NODES / 2) {
        return false;
    }
    for (uint32_t a = 0; a < sum->n; a++) {
        const note *x = &k->note[k->edge[sum->first + a]];
        if (!x->part || x->uses != 1) {
            return false;
        }
    }
    return true;
}

/* The number of a note. */
static uint32_t number_of(const collect *k, const reel__slot *s)
{
    return s->mark + (s->flags & REEL__COMPUTED ? k->n : 0);
}

/* The node's arguments as numbers of notes; edge: where they go. */
static bool number_args(collect *k, uint32_t i, uint32_t edge)
{
    const reel__slot *s = k->need[i];
    reel__slot *const *arg = reel__args(s);
    note *own = &k->note[i];
    for (int a = 0; a < s->n; a++) {
        uint32_t x = number_of(k, arg[a]);
        k->note[x].uses++;
        k->edge[edge + (uint32_t)a] = x;
    }
    for (uint32_t a = 0; own->long_sum && a < own->n; a++) {
        const note *from = &k->note[k->edge[edge + a]];
        if (from->known && (from->addable || from->part)) {
            return mistaken(k, from->first); /* who else reads it decides what becomes of it */
        }
    }
    own->long_sum = own->long_sum && !of_parts(k, own);
    return true;
}

/* Notes of what others read of match m, from number i on, and in the notes of what it reads that it
 * does; gives the number that is next. */
static uint32_t number_known(collect *k, uint32_t m, uint32_t i)
{
    const match *own = &k->match[m];
    for (uint32_t p = 0; p < own->pattern->ports; p++) {
        note *from = &k->note[number_of(k, own->port[p])];
        from->uses++;
        from->out = true;
    }
    for (uint64_t left = own->pattern->asked; left; left &= left - 1) {
        uint32_t at = (uint32_t)__builtin_ctzll(left);
        reel__slot *s = own->slot[at];
        s->mark = i;
        k->need[i] = s;
        k->note[i] = note_of(k, s, m);
        k->note[i].n = 0;
        k->note[i].long_sum = false;
        k->note[i].known = true;
        k->note[i++].at = at;
    }
    return i;
}

/* Into recording order, numbered. */
static bool number(collect *k, size_t n, reel__slot *const *roots)
{
    k->need = take(k, k->n, sizeof *k->need);
    k->note = take(k, (size_t)k->n + k->outsides, sizeof *k->note);
    k->edge = take(k, k->edges, sizeof *k->edge);
    if (!k->need || !k->note || !k->edge) {
        return false;
    }
    for (uint32_t i = 0; i < k->outsides; i++) {
        const reel__slot *s = k->g->outside[i];
        k->note[k->n + i] =
            (note){.block = REEL__NONE, .port_block = REEL__NONE, .weight = s->flags & REEL__PARAM};
    }
    const reel__ids *needed = &k->tape->needed;
    uint32_t edge = 0, i = 0, m = k->matches;
    for (size_t left = needed->n; left > 0; left--) {
        uint32_t id = needed->v[left - 1];
        if (m > 0 && k->match[m - 1].last == id) {
            i = number_known(k, --m, i);
            continue;
        }
        reel__slot *s = reel__slot_at(k->tape, id);
        s->mark = i;
        k->need[i] = s;
        k->note[i] = note_of(k, s, edge);
        if (!number_args(k, i, edge)) {
            return false;
        }
        edge += (uint32_t)s->n;
        i++;
    }
    for (size_t r = 0; r < n; r++) {
        if (!(roots[r]->flags & REEL__COMPUTED)) {
            k->note[roots[r]->mark].root = true;
        }
    }
    return true;
}

/* Blocks */

/* Made of weights and constants alone, outside every scope: it comes before everything else, so
 * that where weights are first used makes no difference to the block that does. */
static bool is_prologue(const collect *k, const note *own)
{
    if (own->scope || own->backward) {
        return false;
    }
    for (uint32_t a = 0; a < own->n; a++) {
        const note *x = &k->note[k->edge[own->first + a]];
        if (!x->weight && x->block != PROLOGUE) {
            return false;
        }
    }
    return true;
}

/* Outside every scope, what stands together need not belong together: the end of one sequence and
 * the beginning of the next, say. There a stretch is divided into parts with nothing between them,
 * so that a block depends on no more than its nodes do. */

static uint32_t root_of(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

static void join(uint32_t *parent, uint32_t i, uint32_t j)
{
    i = root_of(parent, i);
    j = root_of(parent, j);
    parent[i > j ? i : j] = i > j ? j : i;
}

/* Joins nodes of stretches outside scopes along their edges, and the terms of a long sum, which are
 * added one after another. `stretch`, `parent`, `ready`: by node; the last two of nodes outside
 * scopes. */
static void join_parts(const collect *k, const uint32_t *stretch, uint32_t *parent, bool *ready)
{
    for (uint32_t i = 0; i < k->n; i++) {
        const note *own = &k->note[i];
        uint32_t term = REEL__NONE;
        if (own->scope && !own->long_sum) {
            continue;
        }
        ready[i] = true;
        for (uint32_t a = 0; a < own->n; a++) {
            uint32_t x = k->edge[own->first + a];
            if (x >= k->n) {
                continue;
            }
            bool beside = stretch[x] == stretch[i];
            if (!own->scope) {
                ready[i] = ready[i] && beside && ready[x];
                if (beside && stretch[i]) {
                    join(parent, i, x);
                }
            }
            if (own->long_sum && !k->note[x].scope && stretch[x]) {
                if (term != REEL__NONE && stretch[term] == stretch[x]) {
                    join(parent, term, x);
                }
                term = x;
            }
        }
    }
    /* A part is ready when all of it is: it reads values that are there. */
    for (uint32_t i = 0; i < k->n; i++) {
        if (!k->note[i].scope) {
            uint32_t root = root_of(parent, i);
            ready[root] = ready[root] && ready[i];
        }
    }
}

/* Whether a node and one before it, of which one at least is of a known block, belong together as a
 * pattern cannot tell: what was recorded between them is not needed. */
static bool one_stretch(const note *a, const note *b)
{
    bool same_match = a->known && b->known && a->first == b->first;
    return (a->known || b->known) && !same_match && a->scope == b->scope && !a->backward &&
           !b->backward;
}

/* The block of each node and its place there, in k->note[]; the number of blocks, or 0 when memory
 * is out or a known block is not what was thought. size: of each block, room for one more than
 * there are nodes. */
static uint32_t number_blocks(collect *k, uint32_t *size)
{
    uint32_t *stretch = take(k, k->n, sizeof *stretch), *parent = take(k, k->n, sizeof *parent);
    bool *ready = take(k, k->n, sizeof *ready);
    if (!stretch || !parent || !ready) {
        return 0;
    }
    uint32_t n = 0, nodes = 0, scope = 0, stretches = 0;
    const note *before = NULL;
    bool backward = false;
    size[PROLOGUE] = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        note *s = &k->note[i];
        parent[i] = i;
        if (is_prologue(k, s) && size[PROLOGUE] < UINT16_MAX) {
            s->block = PROLOGUE;
            s->at = size[PROLOGUE]++;
            stretch[i] = 0;
            continue;
        }
        if (before && one_stretch(before, s)) {
            mistaken(k, before->known ? before->first : s->first);
            return 0;
        }
        before = s;
        if (!stretches || scope != s->scope || backward != s->backward || nodes == BLOCK_NODES ||
            s->long_sum) {
            stretches++;
            nodes = 0;
            scope = s->scope;
            backward = s->backward;
        }
        s->block = REEL__NONE;
        stretch[i] = stretches;
        nodes++;
    }
    join_parts(k, stretch, parent, ready);
    uint32_t last = 0, ready_block = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        note *s = &k->note[i];
        if (!stretch[i]) {
            continue;
        }
        if (stretch[i] != last) {
            last = stretch[i];
            ready_block = 0;
            if (s->scope) { /* in a scope a stretch is a block */
                size[++n] = 0;
            }
        }
        if (s->known) {
            s->block = n;
            k->match[s->first].block = n;
            size[n] = k->match[s->first].pattern->nodes;
            continue;
        }
        if (s->scope) {
            s->block = n;
        } else {
            note *root = &k->note[root_of(parent, i)];
            if (root->block == REEL__NONE) {
                bool is_ready = ready[root - k->note];
                if (!is_ready || !ready_block) {
                    size[++n] = 0;
                }
                root->block = is_ready && ready_block ? ready_block : n;
                ready_block = is_ready ? root->block : ready_block;
            }
            s->block = root->block;
        }
        s->at = size[s->block]++;
    }
    return n + 1;
}

/* The nodes of a block that is known. */
static void fill_known(const collect *k, const match *m)
{
    reel__graph *g = k->g;
    reel__block *b = &g->block[m->block];
    b->scope = m->slot[0]->scope;
    b->template = m->pattern->template;
    memcpy(g->node + b->first, m->slot, b->nodes * sizeof *g->node);
    memset(g->kept + b->first, 0, b->nodes);
    for (uint64_t left = m->kept; left; left &= left - 1) {
        g->kept[b->first + (uint32_t)__builtin_ctzll(left)] = true;
    }
}

static bool divide(collect *k)
{
    reel__graph *g = k->g;
    uint32_t *size = take(k, k->n, sizeof *size);
    uint32_t blocks = size ? number_blocks(k, size) : 0;
    if (!blocks) {
        return false;
    }
    reel__block *b = take(k, blocks, sizeof *b);
    g->block = b;
    g->blocks = blocks;
    g->nodes = k->nodes;
    g->node = take(k, k->nodes, sizeof *g->node);
    g->kept = take(k, k->nodes, sizeof *g->kept);
    if (!b || !g->node || !g->kept) {
        return false;
    }
    uint32_t first = 0;
    for (uint32_t j = 0; j < blocks; j++) {
        b[j] = (reel__block){.first = first, .nodes = size[j]};
        first += size[j];
    }
    for (uint32_t i = 0; i < k->n; i++) {
        const note *s = &k->note[i];
        reel__block *own = &b[s->block];
        if (s->known) {
            continue;
        }
        if (s->at == 0) {
            own->scope = s->scope;
            own->backward = s->backward;
        }
        g->node[own->first + s->at] = k->need[i];
        g->kept[own->first + s->at] = s->kept;
    }
    for (uint32_t m = 0; m < k->matches; m++) {
        fill_known(k, &k->match[m]);
    }
    return true;
}

/* Sums over blocks: a contribution that nobody else reads is added in place. */

static bool can_be_added(const note *from, const note *sum)
{
    return from->addable && from->uses == 1 && !from->kept && from->block != sum->block;
}

static bool find_sums(collect *k)
{
    reel__graph *g = k->g;
    uint32_t count = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        const note *own = &k->note[i];
        for (uint32_t a = 0; a < own->n; a++) {
            uint32_t x = k->edge[own->first + a];
            note *from = &k->note[x];
            if (x >= k->n) {
                continue;
            }
            if (own->long_sum && can_be_added(from, own)) {
                from->sum = i + 1;
                count++;
            } else if (from->block != own->block) {
                from->out = true;
            }
        }
    }
    g->added = take(k, count, sizeof *g->added);
    g->added_count = count;
    return g->added != NULL;
}

/* Keys */

/* A node's flags and how many arguments it has, in front of its dtype and rank. */
enum { KEY_OUT = 1, KEY_ADDED = 2, KEY_STARTED = 4, KEY_ARGS_SHIFT = 8, KEY_FLAGS_SHIFT = 16 };

/* What a shape takes, at most. */
enum { SHAPE_WORDS = 1 + REEL_MAX_RANK };

static bool grow_key(collect *k, size_t words)
{
    reel__compiled *c = k->c;
    size_t capacity = c->key_capacity ? c->key_capacity : 1024;
    while (capacity - k->words < words) {
        capacity *= 2;
    }
    uint64_t *key = reel__reallocarray(c->key, capacity, sizeof *key);
    if (!key) {
        return no_memory(k);
    }
    c->key = key;
    c->key_capacity = capacity;
    return true;
}

/* Room for so many more words. */
static inline bool reserve(collect *k, size_t words)
{
    return words <= k->c->key_capacity - k->words || grow_key(k, words);
}

static inline void push(collect *k, uint64_t word)
{
    k->c->key[k->words++] = word;
}

/* These write where room has been reserved, and return where the next word goes. */

static inline uint64_t *put_shape(uint64_t *to, const reel__slot *s, uint64_t rest)
{
    *to++ = rest << KEY_FLAGS_SHIFT | (uint64_t)s->dtype << 8 | s->rank;
    for (int i = 0; i < s->rank; i++) {
        *to++ = (uint64_t)s->dim[i];
    }
    return to;
}

/* A weight, or what was made of weights: the same for all instances of a block. */
static bool is_weight(const note *x)
{
    return x->weight || (x->block == PROLOGUE && x->n > 0);
}

static const reel__slot *slot_at(const collect *k, uint32_t x)
{
    return x < k->n ? k->need[x] : k->g->outside[x - k->n];
}

/* The argument as a node of the block or a port of it. */
static inline uint64_t *put_arg(collect *k, uint64_t *to, uint32_t block, uint32_t x)
{
    note *from = &k->note[x];
    if (from->block == block) {
        *to++ = from->at;
        return to;
    }
    if (from->port_block != block) {
        reel__graph *g = k->g;
        from->port_block = block;
        from->port = g->block[block].ports++;
        g->port[g->port_count++] =
            (reel__source){.block = from->block, .at = x < k->n ? from->at : x - k->n};
        to = put_shape(to, slot_at(k, x), is_weight(from) ? 3 : 2);
    }
    *to++ = (uint64_t)1 << 32 | from->port;
    return to;
}

static inline uint64_t *put_attr(uint64_t *to, const reel__slot *s)
{
    size_t bytes = s->op->attr_size, words = (bytes + 7) / 8;
    if (bytes == 0 || reel__planted(REEL__WRONG_TEMPLATE)) {
        return to;
    }
    to[words - 1] = 0;
    memcpy(to, s->attr, bytes);
    return to + words;
}

/* `from`: where the block's key begins. */
static bool push_node(collect *k, uint32_t block, size_t from, uint32_t i)
{
    const reel__slot *s = k->need[i];
    const note *own = &k->note[i];
    const uint32_t *edge = k->edge + own->first;
    uint64_t flags = (own->out || own->kept ? KEY_OUT : 0) | (own->sum ? KEY_ADDED : 0);
    uint64_t args = own->n;
    if (!reserve(k, 1 + SHAPE_WORDS + s->op->attr_size / 8 + 1 + own->n * (SHAPE_WORDS + 1))) {
        return false;
    }
    for (uint32_t a = 0; own->long_sum && a < own->n; a++) {
        args -= k->note[edge[a]].sum == i + 1;
    }
    flags |= args < own->n ? KEY_STARTED : 0;
    k->flag_at[own->at] = (uint32_t)(k->words - from + 1);
    uint64_t *to = k->c->key + k->words;
    *to++ = (uint64_t)(uintptr_t)s->op;
    to = put_shape(to, s, args << KEY_ARGS_SHIFT | flags);
    to = put_attr(to, s);
    for (uint32_t a = 0; a < own->n; a++) {
        if (!own->long_sum || k->note[edge[a]].sum != i + 1) {
            to = put_arg(k, to, block, edge[a]);
        }
    }
    k->words = (size_t)(to - k->c->key);
    return true;
}

static uint64_t hash_word(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15U;
    return h ^ h >> 29;
}

/* Four chains, which do not wait for each other. */
static uint64_t hash_words(const uint64_t *w, size_t n)
{
    uint64_t h[4] = {n, 1, 2, 3};
    size_t i = 0;
    for (; n - i >= 4; i += 4) {
        for (int k = 0; k < 4; k++) {
            h[k] = hash_word(h[k], w[i + (size_t)k]);
        }
    }
    for (; i < n; i++) {
        h[0] = hash_word(h[0], w[i]);
    }
    return reel__mix(reel__mix(h[0], h[1]), reel__mix(h[2], h[3]));
}

/* Templates */

static reel__slot *slot_of(const reel__graph *g, const reel__source *x)
{
    return x->block == REEL__NONE ? g->outside[x->at] : g->node[g->block[x->block].first + x->at];
}

static void describe(reel__value *v, const reel__slot *s)
{
    v->dtype = s->dtype;
    v->shape = reel__shape(s);
    v->size = reel__size(s);
}

static bool is_plain_product(const reel__slot *s)
{
    if (!(s->op->flags & REEL_OP_MATMUL) || !s->op->transposed || s->n != 2) {
        return false;
    }
    bool a, b;
    const reel__slot *x = reel__args(s)[0], *y = reel__args(s)[1];
    s->op->transposed(s->attr, &a, &b);
    return y->rank == 2 && (x->rank == 2 || (x->rank > 2 && !a)) && reel__size(s) > 0 &&
           reel__size(x) > 0;
}

static reel__kind kind_of(const reel__slot *s, bool started)
{
    return started                                                         ? REEL__ACCUMULATE
           : s->op->flags & REEL_OP_ELEMENTWISE && s->n <= REEL_MAX_MAPPED ? REEL__MAP
           : s->op->flags & REEL_OP_SUM                                    ? REEL__MAP
           : is_plain_product(s)                                           ? REEL__PRODUCT
                                                                           : REEL__RUN;
}

/* The block's node number `at`, which is number i of the needed ones, as a value. */
static bool build_node(collect *k, reel__template *t, uint32_t block, uint32_t i, uint32_t at)
{
    const reel__slot *s = k->need[i];
    reel__ir *ir = &t->raw;
    int arg[REEL_MAX_MAPPED], n = 0, *many = arg;
    if (s->n > REEL_MAX_MAPPED) {
        many = take(k, (size_t)s->n, sizeof *many);
    }
    bool started = false;
    for (int a = 0; many && a < s->n; a++) {
        const note *from = &k->note[k->edge[k->note[i].first + (uint32_t)a]];
        if (from->sum == i + 1) {
            started = true;
        } else {
            many[n++] = from->block == block ? ir->ports + (int)from->at : (int)from->port;
        }
    }
    reel__value *v = many ? reel__ir_add(ir, kind_of(s, started), n) : NULL;
    void *attr = v && s->op->attr_size ? reel__ir_alloc(ir, 1, s->op->attr_size) : NULL;
    uint8_t *transposed = v && v->kind == REEL__PRODUCT ? reel__ir_alloc(ir, 1, 1) : NULL;
    if (!v || ir->failed) {
        return no_memory(k);
    }
    describe(v, s);
    v->op = s->op;
    v->node = (int)at;
    for (int a = 0; a < n; a++) {
        v->arg[a] = many[a];
    }
    if (attr) {
        memcpy(attr, s->attr, s->op->attr_size);
        v->attr = attr;
    }
    if (transposed) {
        bool ta, tb;
        s->op->transposed(s->attr, &ta, &tb);
        *transposed = (uint8_t)((ta ? 1 : 0) | (tb ? 2 : 0));
        v->transposed = transposed;
    }
    const note *own = &k->note[i];
    v->flags = (uint8_t)((own->out || own->kept ? REEL__OUT : 0) | (own->sum ? REEL__ADDED : 0));
    ir->out[at] = ir->n - 1;
    return true;
}

static bool build(collect *k, reel__template *t, uint32_t block)
{
    reel__graph *g = k->g;
    const reel__block *b = &g->block[block];
    t->raw = (reel__ir){
        .ports = (int)b->ports, .outs = (int)b->nodes, .arena = &t->arena, .real = k->tape->dtype};
    t->raw.out = reel__ir_alloc(&t->raw, (size_t)b->nodes + 1, sizeof *t->raw.out);
    for (uint32_t p = 0; p < b->ports && !t->raw.failed; p++) {
        reel__value *v = reel__ir_add(&t->raw, REEL__PORT, 0);
        if (v) {
            describe(v, slot_of(g, &g->port[b->first_port + p]));
            v->store = REEL__GIVEN;
        }
    }
    if (t->raw.failed) {
        return no_memory(k);
    }
    for (uint32_t at = 0; at < b->nodes; at++) {
        /* node numbers of the graph are by block; notes are by recording order */
        uint32_t i = g->node[b->first + at]->mark;
        if (!build_node(k, t, block, i, at)) {
            return false;
        }
    }
    return true;
}

static void free_template(reel__template *t)
{
    reel__ir_free(&t->raw);
    reel__arena_free(&t->arena);
    for (reel__code *code = t->codes; code;) {
        reel__code *next = code->next;
        reel__code_free(code);
        code = next;
    }
    reel__pullbacks_free(t);
    reel__free(t->key);
    reel__free(t);
}

void reel__templates_free(reel__compiled *c)
{
    for (size_t i = 0; i < REEL__TEMPLATE_BUCKETS; i++) {
        for (reel__template *t = c->bucket[i]; t;) {
            reel__template *next = t->next;
            free_template(t);
            t = next;
        }
        c->bucket[i] = NULL;
    }
    c->templates = 0;
}

/* The template with that key, or NULL. */
static reel__template *known_template(const reel__compiled *c, const uint64_t *key, size_t words,
                                      uint64_t hash)
{
    for (reel__template *t = c->bucket[hash % REEL__TEMPLATE_BUCKETS]; t; t = t->next) {
        if (t->hash == hash && t->words == words && memcmp(t->key, key, words * sizeof *key) == 0) {
            return t;
        }
    }
    return NULL;
}

/* A template that is no use yet: with its key, not in its bucket. NULL when memory is out. */
static reel__template *new_template(const uint64_t *key, size_t words, uint64_t hash,
                                    const uint32_t *flag_at, size_t nodes)
{
    reel__template *t = reel__calloc(1, sizeof *t);
    uint64_t *copy = reel__reallocarray(NULL, words + 1, sizeof *copy);
    uint32_t *flags = t ? reel__arena_alloc(&t->arena, (nodes + 1) * sizeof *flags) : NULL;
    if (!copy || !flags) {
        if (t) {
            reel__arena_free(&t->arena);
        }
        reel__free(t);
        reel__free(copy);
        return NULL;
    }
    if (words) {
        memcpy(copy, key, words * sizeof *copy);
    }
    if (nodes) {
        memcpy(flags, flag_at, nodes * sizeof *flags);
    }
    *t = (reel__template){
        .key = copy, .words = words, .hash = hash, .flag_at = flags, .arena = t->arena};
    return t;
}

static void add_template(reel__compiled *c, reel__template *t)
{
    reel__template **bucket = &c->bucket[t->hash % REEL__TEMPLATE_BUCKETS];
    c->templates++;
    t->next = *bucket;
    *bucket = t;
}

/* The template of the block whose key has just been built: key[from..words). */
static reel__template *find_template(collect *k, uint32_t block, size_t from)
{
    reel__compiled *c = k->c;
    const uint64_t *key = c->key + from;
    size_t words = k->words - from;
    reel__template *last = k->last, *t = last ? last->then : NULL;
    if (t && t->words == words && memcmp(t->key, key, words * sizeof *key) == 0) {
        return t;
    }
    uint64_t hash = hash_words(key, words);
    t = known_template(c, key, words, hash);
    if (t) {
        return t;
    }
    t = new_template(key, words, hash, k->flag_at, k->g->block[block].nodes);
    if (!t) {
        no_memory(k);
        return NULL;
    }
    if (!build(k, t, block)) {
        free_template(t);
        return NULL;
    }
    add_template(c, t);
    return t;
}

reel__template *reel__template_read(reel__compiled *c, reel__template *t, const uint64_t *nodes)
{
    const reel__ir *raw = &t->raw;
    uint64_t *key = reel__arena_alloc(&c->work, (t->words + 1) * sizeof *key);
    bool same = true;
    if (!key) {
        return NULL;
    }
    memcpy(key, t->key, t->words * sizeof *key);
    for (int at = 0; at < raw->outs; at++) {
        if (nodes[at / 64] >> at % 64 & 1 && !(raw->v[raw->out[at]].flags & REEL__OUT)) {
            key[t->flag_at[at]] |= (uint64_t)KEY_OUT << KEY_FLAGS_SHIFT;
            same = false;
        }
    }
    if (same) {
        return t;
    }
    uint64_t hash = hash_words(key, t->words);
    reel__template *made = known_template(c, key, t->words, hash);
    if (made) {
        return made;
    }
    made = new_template(key, t->words, hash, t->flag_at, (size_t)raw->outs);
    if (!made) {
        return NULL;
    }
    reel__ir from = *raw;
    from.arena = &made->arena;
    bool ok = reel__ir_start(&made->raw, &from);
    for (int i = raw->ports; ok && i < raw->n; i++) {
        ok = reel__ir_copy(&made->raw, raw, i, NULL) >= 0;
        reel__value *v = ok ? &made->raw.v[i] : NULL;
        void *attr = ok && v->attr ? reel__ir_alloc(&made->raw, 1, v->op->attr_size) : NULL;
        uint8_t *transposed = ok && v->transposed ? reel__ir_alloc(&made->raw, 1, 1) : NULL;
        ok = ok && !made->raw.failed;
        if (ok && attr) {
            v->attr = memcpy(attr, v->attr, v->op->attr_size);
        }
        if (ok && transposed) {
            *transposed = *v->transposed;
            v->transposed = transposed;
        }
        if (ok && nodes[v->node / 64] >> v->node % 64 & 1) {
            v->flags |= REEL__OUT;
        }
    }
    for (int at = 0; ok && at < raw->outs; at++) {
        made->raw.out[at] = raw->out[at];
    }
    if (!ok) {
        free_template(made);
        return NULL;
    }
    add_template(c, made);
    return made;
}

reel__template *reel__template_sum(reel__compiled *c, const reel__slot *like, uint32_t n,
                                   bool started)
{
    reel__graph g = {.tape = c->tape};
    collect k = {.c = c, .tape = c->tape, .g = &g};
    uint64_t flags = KEY_OUT | (started ? KEY_STARTED : 0);
    if (!reserve(&k, 1 + SHAPE_WORDS + n * (size_t)(SHAPE_WORDS + 1))) {
        return NULL;
    }
    uint64_t *to = c->key;
    *to++ = (uint64_t)(uintptr_t)&reel_op_sum_of;
    to = put_shape(to, like, (uint64_t)n << KEY_ARGS_SHIFT | flags);
    for (uint32_t p = 0; p < n; p++) {
        to = put_shape(to, like, 2);
        *to++ = (uint64_t)1 << 32 | p;
    }
    k.words = (size_t)(to - c->key);
    uint64_t hash = hash_words(c->key, k.words);
    reel__template *t = known_template(c, c->key, k.words, hash);
    if (t) {
        return t;
    }
    t = new_template(c->key, k.words, hash, &(uint32_t){1}, 1);
    if (!t) {
        return NULL;
    }
    reel__ir *ir = &t->raw;
    *ir = (reel__ir){.ports = (int)n, .outs = 1, .arena = &t->arena, .real = c->tape->dtype};
    ir->out = reel__ir_alloc(ir, 1, sizeof *ir->out);
    for (uint32_t p = 0; p < n && !ir->failed; p++) {
        reel__value *v = reel__ir_add(ir, REEL__PORT, 0);
        if (v) {
            describe(v, like);
            v->store = REEL__GIVEN;
        }
    }
    reel__value *v =
        ir->failed ? NULL : reel__ir_add(ir, started ? REEL__ACCUMULATE : REEL__MAP, (int)n);
    if (!v) {
        free_template(t);
        return NULL;
    }
    describe(v, like);
    v->op = &reel_op_sum_of;
    v->node = 0;
    v->flags = REEL__OUT;
    for (uint32_t p = 0; p < n; p++) {
        v->arg[p] = (int)p;
    }
    ir->out[0] = (int)n;
    add_template(c, t);
    return t;
}

/* What a block that is known reads. */
static bool find_ports(collect *k, reel__block *b, uint32_t m)
{
    const match *own = &k->match[m];
    const reel__pattern *p = own->pattern;
    for (uint32_t i = 0; i < p->ports; i++) {
        const reel__slot *s = own->port[i];
        uint32_t x = number_of(k, s);
        const note *from = &k->note[x];
        if (is_weight(from) != p->port[i].weight) {
            return mistaken(k, m);
        }
        k->g->port[k->g->port_count++] =
            (reel__source){.block = from->block, .at = x < k->n ? from->at : s->mark};
    }
    b->ports = p->ports;
    return true;
}

/* Makes a pattern of a block, if it has nothing about it that depends on more than its nodes, what
 * is asked for of them and what is kept. */
static void learn(collect *k, const reel__block *b)
{
    const reel__graph *g = k->g;
    bool weight[REEL__PATTERN_PORTS];
    reel__specimen x = {.template = b->template,
                        .nodes = b->nodes,
                        .ports = b->ports,
                        .slot = g->node + b->first,
                        .weight = weight};
    if (k->plain || !b->scope || b->backward || b->nodes > REEL__PATTERN_NODES ||
        b->ports > REEL__PATTERN_PORTS) {
        return;
    }
    for (uint32_t at = 0; at < b->nodes; at++) {
        const reel__slot *own = x.slot[at];
        const note *s = &k->note[own->mark];
        bool sum = own->op->flags & REEL_OP_SUM && own->n >= REEL__SOME_TERMS;
        if (sum || s->sum) { /* where its terms come from decides what becomes of a sum */
            return;
        }
        x.asked |= (uint64_t)(s->out || s->root) << at;
        x.read |= (uint64_t)(s->out || s->kept) << at;
    }
    for (uint32_t i = 0; i < b->ports; i++) {
        weight[i] = is_weight(&k->note[number_of(k, slot_of(g, &g->port[b->first_port + i]))]);
    }
    reel__pattern_learn(k->c, &x);
}

/* Block j's template, by its key. */
static bool take_apart(collect *k, uint32_t j)
{
    reel__block *b = &k->g->block[j];
    size_t from = k->words;
    uint32_t templates = k->c->templates;
    for (uint32_t at = 0; at < b->nodes; at++) {
        if (!push_node(k, j, from, k->g->node[b->first + at]->mark)) {
            return false;
        }
    }
    b->template = find_template(k, j, from);
    k->words = from;
    if (!b->template) {
        return false;
    }
    if (k->c->templates == templates) { /* what is seen for the second time may well come again */
        learn(k, b);
    }
    return true;
}

static bool find_templates(collect *k)
{
    reel__graph *g = k->g;
    uint32_t m = k->matches;
    g->port = take(k, k->edges, sizeof *g->port);
    k->flag_at = take(k, k->n, sizeof *k->flag_at);
    if (!g->port || !k->flag_at ||
        !reserve(k, 1)) { /* a block of no nodes has an empty key, not none */
        return false;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        reel__block *b = &g->block[j];
        b->first_port = g->port_count;
        bool known = m > 0 && k->match[m - 1].block == j;
        if (known ? !find_ports(k, b, --m) : !take_apart(k, j)) {
            return false;
        }
        if (k->last) {
            k->last->then = b->template;
        }
        k->last = b->template;
    }
    return true;
}

/* The whole */

static void list_sums(collect *k)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        const note *own = &k->note[i];
        if (own->sum && own->sum != SUM_ELSEWHERE) {
            const note *sum = &k->note[own->sum - 1];
            k->g->added[n++] = (reel__added){own->block, own->at, sum->block, sum->at};
        }
    }
}

static bool push_whole(collect *k)
{
    reel__graph *g = k->g;
    list_sums(k);
    size_t most = 3 + g->blocks + (size_t)g->port_count + g->nodes + 2 * (size_t)g->added_count;
    if (!reserve(k, most)) {
        return false;
    }
    push(k, g->blocks);
    push(k, k->outsides);
    push(k, g->step);
    for (uint32_t j = 0; j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        push(k, (uint64_t)(uintptr_t)b->template);
        for (uint32_t p = 0; p < b->ports; p++) {
            const reel__source *x = &g->port[b->first_port + p];
            /* relative, so that what is counted is the shape of the graph */
            push(k, x->block == REEL__NONE ? (uint64_t)1 << 63 | x->at
                                           : (uint64_t)(j - x->block) << 20 | x->at);
        }
        for (uint32_t at = 0; (at = reel__next_kept(g, b, at)) < b->nodes; at++) {
            push(k, (uint64_t)1 << 62 | at);
        }
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        const reel__added *x = &g->added[i];
        push(k, (uint64_t)x->block << 32 | x->at);
        push(k, (uint64_t)x->to_block << 32 | x->to_at);
    }
    return true;
}

/* A root that goes into a sum elsewhere, and nowhere else, can be added there in place. */
static bool add_elsewhere(collect *k, reel__slot *root)
{
    note *own = &k->note[root->mark];
    if (!own->addable || own->uses) {
        return false;
    }
    own->sum = SUM_ELSEWHERE;
    own->kept = false;
    return true;
}

/* All but the key of the whole. `added`: by root, or NULL: see reel__collect_part. */
static bool take_all(collect *k, size_t n, reel__slot *const *roots, bool *added)
{
    k->walk = reel__walk(k->tape);
    if (!need(k, n, roots)) {
        return false;
    }
    k->g->outsides = k->outsides;
    if (!number(k, n, roots)) {
        return false;
    }
    for (size_t i = 0; added && i < n; i++) {
        added[i] = added[i] && add_elsewhere(k, roots[i]);
    }
    return divide(k) && find_sums(k) && find_templates(k);
}

bool reel__collect_part(reel__compiled *c, reel__graph *g, size_t n, reel__slot *const *roots,
                        bool *added, reel__source *where)
{
    collect k = {.c = c, .tape = c->tape, .g = g, .plain = true};
    if (!take_all(&k, n, roots, added)) {
        return false;
    }
    list_sums(&k);
    for (size_t i = 0; i < n; i++) {
        const note *own = &k.note[roots[i]->mark];
        where[i] = (reel__source){own->block, own->at};
    }
    return true;
}

bool reel__collect(reel__compiled *c, reel__graph *g, size_t n, reel__slot *const *roots)
{
    const reel__graph empty = *g;
    if (c->patterns == REEL__MOST_PATTERNS) {
        reel__patterns_free(c);
    }
    collect k = {.c = c, .tape = c->tape, .g = g, .plain = !(c->passes & REEL__PASS_KNOWN)};
    bool ok = take_all(&k, n, roots, NULL);
    if (k.again) {
        *g = empty;
        k = (collect){.c = c, .tape = c->tape, .g = g, .plain = true};
        ok = take_all(&k, n, roots, NULL);
    }
    if (!ok || !push_whole(&k)) {
        return false;
    }
    g->words = k.words;
    g->key = take(&k, k.words, sizeof *g->key);
    if (!g->key) {
        return false;
    }
    memcpy(g->key, c->key, k.words * sizeof *g->key);
    g->hash = hash_words(g->key, g->words);
    return true;
}
