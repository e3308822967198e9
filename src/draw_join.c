/* Job: at module level, make one figure of those that say one thing: a module and the output layer
 * that alone reads it; what is computed once, and linear maps of it for those that read it, too.
 * Invariant: what leads to or from a figure that is joined leads to or from what it is a part of.
 * Must not know: how figures look or where they stand. */
#include "memory.h"
#include "picture.h"

typedef struct ties {
    uint32_t source, sources; /* one of them, and how many */
    uint32_t reader, readers; /* of its own order */
    uint64_t sum;             /* over its readers: the same for the same readers */
    uint64_t maps;            /* over those of them that are linear maps of it alone */
    uint64_t said;            /* what such a map says; 0: none so far */
    bool differs;             /* a map is read by others than it is, or says something else */
    bool recurs;              /* it leads to another step of its module */
    bool root;
    uint32_t into; /* what it becomes a part of; REEL__NONE */
} ties;

static uint32_t row(const reel__picture *p, uint32_t f)
{
    return p->place[p->figure[f].place].row;
}

static void tie(const reel__picture *p, ties *t, const uint64_t *edge, size_t edges)
{
    for (size_t f = 0; f < p->figures; f++) {
        t[f] = (ties){.into = REEL__NONE};
    }
    for (size_t k = 0; k < p->nodes.n; k++) {
        if (p->is_root[k] && p->figure_of[k] != REEL__NONE) {
            t[p->figure_of[k]].root = true;
        }
    }
    for (size_t e = 0; e < edges; e++) {
        uint32_t from = reel__edge_from(edge[e]), to = reel__edge_to(edge[e]);
        bool recurs = row(p, from) == row(p, to) && p->figure[from].column != p->figure[to].column;
        t[from].recurs = t[from].recurs || recurs;
        t[to].recurs = t[to].recurs || recurs;
        if (from == to) {
            continue;
        }
        t[to].source = from;
        t[to].sources++;
        if (p->figure[from].order == p->figure[to].order) {
            t[from].reader = to;
            t[from].readers++;
            t[from].sum += reel__mix(to, 1);
        }
    }
}

/* Drawn for itself and not a part of a module that is looked into. */
static bool alone(const reel__picture *p, uint32_t f)
{
    const reel__figure *g = &p->figure[f];
    return g->kind != REEL__FIGURE_MODULE && g->order == 0 && !p->place[row(p, f)].inmost;
}

/* What it is a linear map of, perhaps with a function on top, and of nothing else; REEL__NONE. */
static uint32_t mapped(const reel__picture *p, const ties *t, uint32_t f)
{
    const reel__figure *g = &p->figure[f];
    if (!g->products || !alone(p, f) || t[f].sources != 1) {
        return REEL__NONE;
    }
    const reel__figure *of = &p->figure[t[f].source];
    return of->order == 0 && of->column == g->column ? t[f].source : REEL__NONE;
}

/* What goes on to the next step is read by that, so that the last one alone would be joined: it
 * stands for itself. */
static bool ends_in(const reel__picture *p, const ties *t, uint32_t module, uint32_t f)
{
    const reel__figure *g = &p->figure[module];
    return g->kind == REEL__FIGURE_MODULE && !p->place[row(p, module)].kind && !t[module].recurs &&
           t[module].readers == 1 && !t[module].root &&
           (g->word == REEL__NONE || p->figure[f].word == REEL__NONE);
}

static bool is_map(const reel__picture *p, const ties *t, uint32_t f, uint32_t of)
{
    const reel__figure *g = &p->figure[of];
    return alone(p, of) && reel__slot_at(p->tape, g->last)->n && !t[of].root && !t[f].root &&
           t[f].readers && p->figure[f].word == REEL__NONE;
}

/* What one label can say of several maps. Numbers in names do not count. */
static uint64_t said_by(const reel__picture *p, uint32_t f)
{
    const reel__figure *g = &p->figure[f];
    const reel__slot *s = reel__slot_at(p->tape, g->last);
    uint64_t h = reel__mix((uintptr_t)s->op, g->products);
    for (const char *c = reel_node_name(reel__node_of(s)); *c; c++) {
        h = *c >= '0' && *c <= '9' ? h : reel__mix(h, (unsigned char)*c);
    }
    return h | 1;
}

static void find_joins(const reel__picture *p, ties *t)
{
    for (uint32_t f = 0; f < p->figures; f++) {
        uint32_t of = mapped(p, t, f);
        if (of != REEL__NONE && is_map(p, t, f, of)) {
            uint64_t said = said_by(p, f);
            t[of].maps += reel__mix(f, 1);
            t[of].differs = t[of].differs || (t[of].said && t[of].said != said);
            t[of].said = said;
        }
    }
    for (uint32_t f = 0; f < p->figures; f++) {
        uint32_t of = mapped(p, t, f);
        if (of != REEL__NONE && is_map(p, t, f, of)) {
            t[of].differs = t[of].differs || t[f].sum != t[of].sum - t[of].maps;
        }
    }
    for (uint32_t f = 0; f < p->figures; f++) {
        uint32_t of = mapped(p, t, f);
        if (of != REEL__NONE && (ends_in(p, t, of, f) || (is_map(p, t, f, of) && !t[of].differs))) {
            t[f].into = of;
        }
    }
}

static void join(reel__picture *p, uint32_t f, uint32_t of)
{
    const reel__figure *part = &p->figure[f];
    reel__figure *whole = &p->figure[of];
    whole->tail = reel__slot_at(p->tape, part->last)->mark;
    whole->tail_products = part->products;
    whole->tails++;
    whole->count += part->count;
    if (whole->kind == REEL__FIGURE_MODULE) { /* it gives what its output layer does */
        whole->last = part->last;
        whole->word = whole->word == REEL__NONE ? part->word : whole->word;
    }
}

/* Figures that are left close the ranks; `t` says what became of each. */
static void compact(reel__picture *p, ties *t)
{
    uint32_t kept = 0;
    for (uint32_t f = 0; f < p->figures; f++) {
        if (t[f].into == REEL__NONE) {
            p->figure[kept] = p->figure[f];
            t[f].reader = kept++;
        }
    }
    for (size_t k = 0; k < p->nodes.n; k++) {
        uint32_t f = p->figure_of[k];
        if (f != REEL__NONE) {
            p->figure_of[k] = t[t[f].into == REEL__NONE ? f : t[f].into].reader;
        }
    }
    p->figures = kept;
}

bool reel__join_figures(reel__picture *p, const uint64_t *edge, size_t edges)
{
    ties *t = reel__reallocarray(NULL, p->figures + 1, sizeof *t);
    if (!t) {
        return false;
    }
    tie(p, t, edge, edges);
    find_joins(p, t);
    for (uint32_t f = 0; f < p->figures; f++) {
        if (t[f].into != REEL__NONE && t[t[f].into].into != REEL__NONE) {
            t[f].into = REEL__NONE; /* a map of a map stands for itself */
        }
    }
    for (uint32_t f = 0; f < p->figures; f++) {
        if (t[f].into != REEL__NONE) {
            join(p, f, t[f].into);
        }
    }
    compact(p, t);
    reel__free(t);
    return true;
}
