/* Job: figures and edges of pictures that are laid out by rows and columns: boxes for modules, and
 * ops, without what only moves values about.
 * Invariant: whatever can be reached from a node that is drawn can be reached from its figure, over
 * drawn figures alone. Must not know: how figures look or where they stand. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "picture.h"

enum { FOLDED_SOURCES = 64, BUDGET = 16 };

typedef enum part {
    SEEN,
    FOLDED, /* a view: what it passes on comes from its sources */
    HIDDEN, /* says nothing: a number, a constant, or made of constants alone */
    ABSENT, /* of a pass that is not drawn */
    WEIGHT
} part;

typedef struct sources {
    uint32_t begin, n; /* in the pool: indices of nodes */
} sources;

typedef struct leveling {
    reel__picture *p;
    const uint32_t *place;
    uint8_t *part;
    uint32_t *column; /* per node; REEL__NONE */
    uint32_t *users;  /* per node: how many of its own order */
    uint32_t *into;   /* per node: the sum that it is drawn as a part of; REEL__NONE */
    uint8_t *products;
    sources *source; /* of folded nodes */
    reel__ids pool;
    reel__ids cut;     /* beside the pool: 1 where no gradient comes back from */
    reel__map known;   /* what makes figures one -> figure + 1 */
    uint32_t *ordinal; /* per place */
} leveling;

static bool is_op(const reel__slot *s, const char *name)
{
    return s->op->name && strcmp(s->op->name, name) == 0;
}

static bool one_of(const reel__slot *s, const char *const *name, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_op(s, name[i])) {
            return true;
        }
    }
    return false;
}

static bool is_root(const reel__picture *p, const reel__slot *s)
{
    return s->mark < p->nodes.n && reel__drawn(p, s->mark) == s && p->is_root[s->mark];
}

/* Moves elements and no more, or what the gradient of such an op does. */
static bool moves(const reel__slot *s)
{
    static const char *const other[] = {"broadcast_to", "sum_to", "pad", "detach"};
    return s->op->flags & REEL_OP_VIEW || one_of(s, other, sizeof other / sizeof *other);
}

/* The module that the node is a part of the box of; REEL__NONE: none. Collapsed steps of a cell are
 * a box even where the others are looked into. */
static uint32_t box_row(const leveling *g, uint32_t k)
{
    const reel__picture *p = g->p;
    uint32_t place = g->place[k], column = p->column_of[place], row = p->place[place].row;
    bool gap = column != REEL__NONE && p->column[column].count > 1 && p->place[row].inmost &&
               p->args->collapse != REEL_BY_MODULE;
    return p->box_of[place] == REEL__NONE && gap ? row : p->box_of[place];
}

static bool passes(const reel__picture *p, uint8_t order)
{
    return p->args->pass == REEL_PASS_ALL || (p->args->pass == REEL_PASS_FORWARD) == (order == 0);
}

static bool said_nothing(const leveling *g, const reel__slot *s)
{
    if (s->n == 0) {
        bool leaf = s->op->flags & REEL_OP_LEAF;
        return !leaf || (s->rank == 0 && !*reel_node_name(reel__node_of(s)));
    }
    for (int i = 0; i < s->n; i++) {
        const reel__slot *a = reel__args(s)[i];
        if (g->part[a->mark] != HIDDEN || a->op->flags & REEL_OP_LEAF) {
            return false;
        }
    }
    return true;
}

static part part_of(const leveling *g, uint32_t k)
{
    const reel__picture *p = g->p;
    const reel__slot *s = reel__drawn(p, k);
    if (s->flags & REEL__PARAM) {
        return WEIGHT;
    }
    if (!passes(p, p->order[k])) {
        return ABSENT;
    }
    if (p->args->level == REEL_LEVEL_OP || is_root(p, s)) {
        return SEEN;
    }
    if (said_nothing(g, s)) {
        return HIDDEN;
    }
    bool free = box_row(g, k) == REEL__NONE && !*reel_node_name(reel__node_of(s));
    return free && s->n && moves(s) ? FOLDED : SEEN;
}

/* Whether lines past a node are no more than those to and from it. */
static bool as_few(const leveling *g, size_t from, uint32_t to)
{
    return g->p->args->level == REEL_LEVEL_MODULE && from == 2 && to == 2;
}

static bool detaches(const reel__slot *s)
{
    return is_op(s, "detach");
}

static bool add_source(leveling *g, uint32_t node, bool cut)
{
    return reel__ids_push(&g->pool, node) && reel__ids_push(&g->cut, cut);
}

/* The sources of a folded node, each once. False when they are too many; *enough when memory is. */
static bool find_sources(leveling *g, uint32_t k, bool *enough)
{
    const reel__slot *s = reel__drawn(g->p, k);
    sources *own = &g->source[k];
    bool cut = detaches(s);
    own->begin = (uint32_t)g->pool.n;
    for (int i = 0; i < s->n && *enough; i++) {
        uint32_t a = reel__args(s)[i]->mark;
        if (g->part[a] == SEEN || g->part[a] == WEIGHT) {
            *enough = add_source(g, a, cut);
        } else if (g->part[a] == FOLDED) {
            for (uint32_t j = 0; j < g->source[a].n && *enough; j++) {
                uint32_t from = g->source[a].begin + j;
                *enough = add_source(g, g->pool.v[from], cut || g->cut.v[from]);
            }
        }
    }
    own->n = (uint32_t)g->pool.n - own->begin;
    bool many = own->n > 1 && ((g->users[k] > 1 && !as_few(g, own->n, g->users[k])) ||
                               (own->n > FOLDED_SOURCES && g->pool.n > BUDGET * g->p->nodes.n));
    if (many) {
        g->pool.n = g->cut.n = own->begin;
    }
    return !many;
}

static void count_users(const leveling *g)
{
    const reel__picture *p = g->p;
    for (size_t k = 0; k < p->nodes.n; k++) {
        const reel__slot *s = reel__drawn(p, k);
        for (int i = 0; i < s->n; i++) {
            uint32_t a = reel__args(s)[i]->mark;
            g->users[a] += p->order[a] == p->order[k];
        }
    }
}

static bool find_parts(leveling *g)
{
    bool enough = true;
    for (uint32_t k = 0; k < g->p->nodes.n && enough; k++) {
        g->part[k] = (uint8_t)part_of(g, k);
        if (g->part[k] == FOLDED && !find_sources(g, k, &enough)) {
            g->part[k] = SEEN;
        }
    }
    return enough;
}

/* Columns. What stands in no step is of the step that all it is made of are in, or else all its
 * users. */

#define MIXED (REEL__NONE - 1)

static uint32_t common(uint32_t a, uint32_t b)
{
    return b == REEL__NONE ? a : a == REEL__NONE || a == b ? b : MIXED;
}

static void find_columns(const leveling *g)
{
    const reel__picture *p = g->p;
    bool rolled = p->args->collapse == REEL_BY_MODULE;
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        g->column[k] = REEL__NONE;
        const reel__slot *s = reel__drawn(p, k);
        uint32_t c = p->column_of[g->place[k]];
        for (int i = 0; c == REEL__NONE && i < s->n; i++) {
            uint32_t a = reel__args(s)[i]->mark;
            bool counts = g->part[a] != WEIGHT && p->order[a] == p->order[k];
            g->column[k] = counts ? common(g->column[k], g->column[a]) : g->column[k];
        }
        g->column[k] = c == REEL__NONE ? g->column[k] : c;
    }
    uint32_t *settled = g->into; /* free for this until sums are found */
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        settled[k] = g->column[k] != REEL__NONE;
    }
    for (uint32_t k = (uint32_t)p->nodes.n; k-- > 0;) {
        const reel__slot *s = reel__drawn(p, k);
        for (int i = 0; i < s->n; i++) {
            uint32_t a = reel__args(s)[i]->mark;
            if (!settled[a] && p->order[a] == p->order[k]) {
                g->column[a] = common(g->column[a], g->column[k]);
            }
        }
    }
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        if (rolled || g->column[k] == MIXED || g->part[k] == WEIGHT) {
            g->column[k] = REEL__NONE;
        }
    }
}

/* W x + U h + b is one figure: products by weights, and their sums with each other and biases. */

static bool is_weight(const leveling *g, uint32_t k)
{
    if (g->part[k] == FOLDED && g->source[k].n == 1) {
        k = g->pool.v[g->source[k].begin];
    }
    return g->part[k] == WEIGHT;
}

static bool sums(const reel__slot *s)
{
    static const char *const name[] = {"add", "sum_of"};
    return one_of(s, name, 2);
}

/* The product or sum that W x + b ends with, and not a function of it. */
static bool sums_up(const reel__slot *s)
{
    return s->op->flags & REEL_OP_MATMUL || sums(s);
}

static bool is_linear(const leveling *g, uint32_t k)
{
    const reel__slot *s = reel__drawn(g->p, k);
    if (g->p->order[k] || g->part[k] != SEEN || box_row(g, k) != REEL__NONE) {
        return false;
    }
    if (s->op->flags & REEL_OP_MATMUL) {
        return s->n == 2 &&
               (is_weight(g, reel__args(s)[0]->mark) || is_weight(g, reel__args(s)[1]->mark));
    }
    int products = 0;
    for (int i = 0; sums(s) && i < s->n; i++) {
        uint32_t a = reel__args(s)[i]->mark;
        bool own = g->products[a] && g->users[a] == 1 && g->place[a] == g->place[k] &&
                   !*reel_node_name(reel__node_of(reel__args(s)[i])) &&
                   !is_root(g->p, reel__args(s)[i]);
        if (!own && !is_weight(g, a) && g->part[a] != HIDDEN) {
            return false;
        }
        products += own;
    }
    return products > 0;
}

static void find_linear(const leveling *g)
{
    for (uint32_t k = 0; k < g->p->nodes.n; k++) {
        g->into[k] = REEL__NONE;
        if (g->p->args->level == REEL_LEVEL_OP || !is_linear(g, k)) {
            continue;
        }
        const reel__slot *s = reel__drawn(g->p, k);
        unsigned products = s->op->flags & REEL_OP_MATMUL ? 1 : 0;
        for (int i = 0; !products && i < s->n; i++) {
            uint32_t a = reel__args(s)[i]->mark;
            if (g->products[a]) {
                g->into[a] = k;
            }
        }
        for (int i = 0; sums(s) && i < s->n; i++) {
            products += g->products[reel__args(s)[i]->mark];
        }
        g->products[k] = (uint8_t)(products < UINT8_MAX ? products : UINT8_MAX);
    }
}

/* At module level a layer, such as softmax(W x + b), is one figure, where no module is looked into.
 */
static void find_outputs(const leveling *g)
{
    const reel__picture *p = g->p;
    for (uint32_t k = 0; k < p->nodes.n && p->args->level == REEL_LEVEL_MODULE; k++) {
        const reel__slot *s = reel__drawn(p, k);
        if (g->part[k] != SEEN || p->order[k] || box_row(g, k) != REEL__NONE ||
            p->place[p->place[g->place[k]].row].inmost ||
            !(reel__smooth(s) || is_op(s, "cross_entropy"))) {
            continue;
        }
        uint32_t a = reel__args(s)[0]->mark;
        if (g->products[a] && g->users[a] == 1 && g->into[a] == REEL__NONE &&
            g->column[a] == g->column[k] && sums_up(reel__args(s)[0]) &&
            !is_root(p, reel__args(s)[0])) {
            g->into[a] = k;
            g->products[k] = g->products[a];
        }
    }
}

static bool is_word(const reel__slot *s)
{
    return s->n == 0 && s->dtype == REEL_I32;
}

/* At module level a box or a layer takes in the index that nothing else reads: a word. */
static void find_words(const leveling *g)
{
    const reel__picture *p = g->p;
    for (uint32_t k = 0; k < p->nodes.n && p->args->level == REEL_LEVEL_MODULE; k++) {
        const reel__slot *s = reel__drawn(p, k);
        bool takes = g->part[k] == SEEN &&
                     (box_row(g, k) != REEL__NONE || (g->products[k] && g->into[k] == REEL__NONE));
        for (int i = 0; i < s->n && takes; i++) {
            const reel__slot *a = reel__args(s)[i];
            bool word = is_word(a) && g->users[a->mark] == 1 && g->part[a->mark] == SEEN &&
                        !is_root(p, a) && box_row(g, a->mark) == REEL__NONE;
            g->into[a->mark] = word ? k : g->into[a->mark];
        }
    }
}

/* Figures */

static uint32_t new_figure(leveling *g, reel__figure_kind kind, uint32_t k, uint32_t place)
{
    uint32_t f = reel__new_figure(g->p, kind, k, place);
    if (f != REEL__NONE) {
        reel__figure *figure = &g->p->figure[f];
        figure->column = g->column[k];
        figure->products = g->products[k];
        figure->ordinal = kind != REEL__FIGURE_MODULE ? g->ordinal[place]++ : 0;
    }
    return f;
}

static void join(reel__picture *p, uint32_t f, uint32_t k)
{
    reel__figure *figure = &p->figure[f];
    p->figure_of[k] = f;
    figure->count++;
    figure->first = p->nodes.v[k] < figure->first ? p->nodes.v[k] : figure->first;
    figure->last = p->nodes.v[k] > figure->last ? p->nodes.v[k] : figure->last;
}

/* What nodes of a column for several steps must have in common. Numbers in names do not count. */
static uint64_t likeness(const leveling *g, uint32_t k)
{
    const reel__slot *s = reel__drawn(g->p, k);
    uint64_t h = reel__mix((uintptr_t)s->op, (uint64_t)s->rank << 8 | g->products[k]);
    for (const char *c = reel_node_name(reel__node_of(s)); *c; c++) {
        h = *c >= '0' && *c <= '9' ? h : reel__mix(h, (unsigned char)*c);
    }
    return reel__mix(h, g->p->place[g->place[k]].module);
}

/* Of a net that is not unrolled, what nodes of its steps must have in common: the line that records
 * them, and to be the first, second, ... of their kind that it records in the step. False when
 * memory is out. */
static bool line_of(leveling *g, uint32_t k, uint64_t *line)
{
    const reel__slot *s = reel__drawn(g->p, k);
    uint64_t what = reel__mix(reel__mix((uintptr_t)s->op, (uintptr_t)s->at), g->p->order[k]);
    uint64_t here = reel__mix(reel__mix(what, 0x6c696e65U), s->scope) | 1;
    uintptr_t before = (uintptr_t)reel__map_get(&g->known, here);
    *line = reel__mix(reel__mix(what, before), g->p->place[g->place[k]].module) | 1;
    return reel__map_put(&g->known, here, (void *)(before + 1));
}

/* 0: a figure of its own. */
static uint64_t key_of(const leveling *g, uint32_t k)
{
    const reel__picture *p = g->p;
    uint32_t row = box_row(g, k), column = g->column[k];
    uint64_t where = (uint64_t)column << 8 | p->order[k];
    if (row != REEL__NONE) {
        return reel__mix(where, row) | 1;
    }
    bool several = column != REEL__NONE && p->column[column].count > 1;
    bool single = is_root(p, reel__drawn(p, k)) && !p->place[g->place[k]].timed;
    if (several || (p->args->collapse == REEL_BY_MODULE && !single)) {
        return reel__mix(reel__mix(where, 0x616c696b65U), likeness(g, k)) | 1;
    }
    return 0;
}

/* Of a net that is not unrolled, the place of the first of the steps that stands for all of them,
 * or else the node's own. False when memory is out. */
static bool first_step(leveling *g, uint32_t k, uint32_t *place)
{
    const reel__picture *p = g->p;
    const reel__place *own = &p->place[g->place[k]];
    *place = g->place[k];
    if (p->args->collapse != REEL_BY_MODULE || !own->timed) {
        return true;
    }
    uint64_t key = reel__mix(reel__mix(own->module, p->order[k]), 0x66697273U) | 1;
    uintptr_t known = (uintptr_t)reel__map_get(&g->known, key);
    *place = known ? (uint32_t)known - 1 : *place;
    return known || reel__map_put(&g->known, key, (void *)((uintptr_t)*place + 1));
}

static bool place_node(leveling *g, uint32_t k)
{
    uint64_t key = key_of(g, k);
    if (key && g->p->args->collapse == REEL_BY_MODULE && g->p->place[g->place[k]].timed &&
        box_row(g, k) == REEL__NONE && !line_of(g, k, &key)) {
        return false;
    }
    uintptr_t known = key ? (uintptr_t)reel__map_get(&g->known, key) : 0;
    uint32_t f = (uint32_t)known - 1, place = g->place[k];
    if (!known) {
        uint32_t row = box_row(g, k);
        if (row == REEL__NONE && !first_step(g, k, &place)) {
            return false;
        }
        f = row != REEL__NONE
                ? new_figure(g, REEL__FIGURE_MODULE, k, row)
                : new_figure(g, key ? REEL__FIGURE_ALIKE : REEL__FIGURE_NODE, k, place);
        if (f == REEL__NONE ||
            (key && !reel__map_put(&g->known, key, (void *)((uintptr_t)f + 1)))) {
            return false;
        }
    }
    join(g->p, f, k);
    g->p->figure[f].times++;
    return true;
}

/* A figure of one step names one word; another one stands for itself. */
static bool take_in(leveling *g, uint32_t k)
{
    reel__picture *p = g->p;
    uint32_t f = p->figure_of[g->into[k]], c = p->figure[f].column;
    if (!is_word(reel__drawn(p, k))) {
        join(p, f, k);
        return true;
    }
    bool several =
        p->args->collapse == REEL_BY_MODULE || (c != REEL__NONE && p->column[c].count > 1);
    if (p->figure[f].word != REEL__NONE && !several) {
        return place_node(g, k);
    }
    p->figure[f].word = k;
    p->figure_of[k] = f;
    p->figure[f].count++;
    return true;
}

static bool make_figures(leveling *g)
{
    reel__picture *p = g->p;
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        p->figure_of[k] = REEL__NONE;
        if (g->part[k] == SEEN && g->into[k] == REEL__NONE && !place_node(g, k)) {
            return false;
        }
    }
    for (uint32_t k = (uint32_t)p->nodes.n; k-- > 0;) {
        if (g->into[k] != REEL__NONE && !take_in(g, k)) {
            return false;
        }
    }
    return true;
}

/* Edges */

typedef struct strand {
    uint64_t edge;
    uint32_t node;
    bool cut;   /* no gradient comes back */
    bool later; /* it leads to another step of a column for several */
} strand;

static int compare_strands(const void *a, const void *b)
{
    const strand *x = a, *y = b;
    if (x->edge != y->edge) {
        return x->edge < y->edge ? -1 : 1;
    }
    return x->node < y->node ? -1 : x->node > y->node;
}

typedef struct strands {
    strand *v;
    size_t n, capacity;
} strands;

static bool add_strand(strands *list, strand s)
{
    if (list->n == list->capacity) {
        size_t capacity = 2 * list->capacity + 256;
        strand *v = reel__reallocarray(list->v, capacity, sizeof *v);
        if (!v) {
            return false;
        }
        list->v = v;
        list->capacity = capacity;
    }
    list->v[list->n++] = s;
    return true;
}

/* Whether both are steps of one column, and not the same. */
static bool is_later(const leveling *g, uint32_t a, uint32_t k)
{
    const reel__place *x = &g->p->place[g->place[a]], *y = &g->p->place[g->place[k]];
    return x->timed && y->timed && x->column != y->column && g->column[a] == g->column[k];
}

/* What leads from node a to figure `to`, in which node k is. A figure leads to itself only where
 * steps were folded. */
static bool lead(const leveling *g, uint32_t a, uint32_t k, bool cut, strands *list)
{
    const reel__picture *p = g->p;
    uint32_t from = p->figure_of[a], to = p->figure_of[k];
    if (from == REEL__NONE || (g->part[a] == WEIGHT && p->order[k])) {
        return true;
    }
    if (from == to) {
        const reel__place *x = &p->place[g->place[a]], *y = &p->place[g->place[k]];
        bool recurs =
            p->args->collapse == REEL_BY_MODULE && x->timed && y->timed && x->column != y->column;
        return !recurs || add_strand(list, (strand){reel__edge(from, to), a, cut, false});
    }
    return add_strand(list, (strand){reel__edge(from, to), a, cut, is_later(g, a, k)});
}

static bool lead_all(const leveling *g, uint32_t k, strands *list)
{
    const reel__slot *s = reel__drawn(g->p, k);
    bool enough = true, cut = detaches(s);
    for (int i = 0; i < s->n && enough; i++) {
        uint32_t a = reel__args(s)[i]->mark;
        enough = lead(g, a, k, cut, list);
        for (uint32_t j = 0; g->part[a] == FOLDED && j < g->source[a].n && enough; j++) {
            uint32_t from = g->source[a].begin + j;
            enough = lead(g, g->pool.v[from], k, cut || g->cut.v[from], list);
        }
    }
    return enough;
}

static bool find_edges(const leveling *g, strands *list)
{
    bool enough = true;
    for (uint32_t k = 0; k < g->p->nodes.n && enough; k++) {
        if (g->part[k] == SEEN) {
            enough = lead_all(g, k, list);
        }
    }
    return enough;
}

/* Weights */

static reel_draw_weights weights_of(const reel__picture *p)
{
    const reel_draw_args *a = p->args;
    if (a->hide_weights || a->weights == REEL_WEIGHTS_HIDDEN) {
        return REEL_WEIGHTS_HIDDEN;
    }
    if (a->weights != REEL_WEIGHTS_DEFAULT) {
        return a->weights;
    }
    return a->level == REEL_LEVEL_OP ? REEL_WEIGHTS_ONCE : REEL_WEIGHTS_HIDDEN;
}

/* Each weight with each figure that reads it. Gradients are not counted as users. */
static bool list_uses(const leveling *g, strands *list)
{
    const reel__picture *p = g->p;
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        const reel__slot *s = reel__drawn(p, k);
        for (int i = 0; i < s->n && g->part[k] == SEEN && !p->order[k]; i++) {
            uint32_t a = reel__args(s)[i]->mark;
            if (g->part[a] == FOLDED && g->source[a].n == 1) {
                a = g->pool.v[g->source[a].begin];
            }
            if (g->part[a] == WEIGHT &&
                !add_strand(list, (strand){p->figure_of[k], a, false, false})) {
                return false;
            }
        }
    }
    size_t kept = 0;
    if (list->n) {
        qsort(list->v, list->n, sizeof *list->v, compare_strands);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (!kept || compare_strands(&list->v[kept - 1], &list->v[i]) != 0) {
            list->v[kept++] = list->v[i];
        }
    }
    list->n = kept;
    return true;
}

/* A box for all weights with the same users. */
static bool weights_once(leveling *g, const strands *use)
{
    reel__picture *p = g->p;
    uint64_t *users = reel__calloc(p->nodes.n, sizeof *users);
    if (!users) {
        return false;
    }
    for (size_t i = 0; i < use->n; i++) {
        users[use->v[i].node] = reel__mix(users[use->v[i].node], use->v[i].edge + 1) | 1;
    }
    bool done = true;
    reel__map group = {0};
    for (uint32_t k = 0; k < p->nodes.n && done; k++) {
        if (g->part[k] != WEIGHT || !users[k]) {
            continue;
        }
        uintptr_t f = (uintptr_t)reel__map_get(&group, users[k]);
        if (!f) {
            f = (uintptr_t)new_figure(g, REEL__FIGURE_WEIGHT, k, 0) + 1;
            done = f != (uintptr_t)REEL__NONE + 1 && reel__map_put(&group, users[k], (void *)f);
        } else {
            p->after[reel__slot_at(p->tape, p->figure[f - 1].last)->mark] = k;
        }
        if (done) {
            join(p, (uint32_t)f - 1, k);
        }
    }
    reel__map_free(&group);
    reel__free(users);
    return done;
}

/* A note of its own for each figure that uses weights. */
static bool weights_as_stubs(leveling *g, const strands *use, strands *edge)
{
    reel__picture *p = g->p;
    for (size_t i = 0; i < use->n; i++) {
        g->users[use->v[i].node] = 0;
    }
    for (size_t i = 0; i < use->n; i++) {
        g->users[use->v[i].node]++;
    }
    for (size_t i = 0; i < use->n;) {
        uint32_t user = (uint32_t)use->v[i].edge, most = 0;
        uint32_t f = new_figure(g, REEL__FIGURE_WEIGHT, use->v[i].node, 0);
        if (f == REEL__NONE ||
            !add_strand(edge, (strand){reel__edge(f, user), use->v[i].node, false, false})) {
            return false;
        }
        size_t begin = p->stubs.n;
        for (; i < use->n && use->v[i].edge == user; i++) {
            if (!reel__ids_push(&p->stubs, use->v[i].node)) {
                return false;
            }
            most = g->users[use->v[i].node] > most ? g->users[use->v[i].node] : most;
        }
        p->figure[f].stub = (uint32_t)begin;
        p->figure[f].count = (uint32_t)(p->stubs.n - begin);
        p->figure[f].column = p->figure[user].column;
        p->figure[f].uses = most;
    }
    return true;
}

/* Makes figures for weights, and adds the edges of those that lead() does not know of. */
static bool add_weights(leveling *g, strands *edge)
{
    reel__picture *p = g->p;
    reel_draw_weights how = weights_of(p);
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        p->after[k] = REEL__NONE;
    }
    if (how == REEL_WEIGHTS_HIDDEN) {
        return true;
    }
    strands use = {0};
    bool done = list_uses(g, &use);
    done = done &&
           (how == REEL_WEIGHTS_STUBS ? weights_as_stubs(g, &use, edge) : weights_once(g, &use));
    reel__free(use.v);
    return done;
}

/* Of a loop over time only what leads from one of the steps counts. */
static bool counts(const leveling *g, uint32_t first, uint32_t node)
{
    const reel__place *a = &g->p->place[g->place[first]], *b = &g->p->place[g->place[node]];
    return g->p->args->collapse != REEL_BY_MODULE || a->column == b->column;
}

static bool merge(const leveling *g, strands *list)
{
    reel__picture *p = g->p;
    if (list->n) {
        qsort(list->v, list->n, sizeof *list->v, compare_strands);
    }
    p->edge = reel__reallocarray(NULL, list->n + 1, sizeof *p->edge);
    p->strands = reel__calloc(list->n + 1, sizeof *p->strands);
    p->strand = reel__calloc(list->n + 1, sizeof *p->strand);
    p->cut = reel__calloc(list->n + 1, sizeof *p->cut);
    p->later = reel__calloc(list->n + 1, sizeof *p->later);
    if (!p->edge || !p->strands || !p->strand || !p->cut || !p->later) {
        return false;
    }
    for (size_t i = 0; i < list->n; i++) {
        const strand *s = &list->v[i];
        if (!p->edges || p->edge[p->edges - 1] != s->edge) {
            p->edge[p->edges] = s->edge;
            p->cut[p->edges] = p->later[p->edges] = true;
            p->strand[p->edges++] = s->node;
        }
        p->cut[p->edges - 1] = p->cut[p->edges - 1] && s->cut;
        p->later[p->edges - 1] = p->later[p->edges - 1] && s->later;
        bool repeated = i && compare_strands(s - 1, s) == 0;
        p->strands[p->edges - 1] += !repeated && counts(g, p->strand[p->edges - 1], s->node);
    }
    return true;
}

/* The edges that lead() knows of; what they carry is not asked for. */
static bool join_figures(const leveling *g)
{
    strands list = {0};
    bool done = find_edges(g, &list);
    uint64_t *edge = done ? reel__reallocarray(NULL, list.n + 1, sizeof *edge) : NULL;
    size_t n = 0;
    if (edge && list.n) {
        qsort(list.v, list.n, sizeof *list.v, compare_strands);
    }
    for (size_t i = 0; edge && i < list.n; i++) {
        if (!n || edge[n - 1] != list.v[i].edge) {
            edge[n++] = list.v[i].edge;
        }
    }
    done = edge && reel__join_figures(g->p, edge, n);
    reel__free(edge);
    reel__free(list.v);
    return done;
}

static bool fill(leveling *g)
{
    strands edge = {0};
    count_users(g);
    bool done = find_parts(g);
    if (done) {
        find_columns(g);
        find_linear(g);
        find_outputs(g);
        find_words(g);
    }
    done = done && make_figures(g) && (g->p->args->level != REEL_LEVEL_MODULE || join_figures(g)) &&
           add_weights(g, &edge) && find_edges(g, &edge) && merge(g, &edge);
    reel__free(edge.v);
    return done;
}

bool reel__picture_levels(reel__picture *p, const uint32_t *place)
{
    size_t n = p->nodes.n;
    leveling g = {.p = p,
                  .place = place,
                  .part = reel__calloc(n, sizeof *g.part),
                  .column = reel__calloc(n, sizeof *g.column),
                  .users = reel__calloc(n, sizeof *g.users),
                  .into = reel__calloc(n, sizeof *g.into),
                  .products = reel__calloc(n, sizeof *g.products),
                  .source = reel__calloc(n, sizeof *g.source),
                  .ordinal = reel__calloc(p->places, sizeof *g.ordinal)};
    bool done =
        g.part && g.column && g.users && g.into && g.products && g.source && g.ordinal && fill(&g);
    reel__free(g.part);
    reel__free(g.column);
    reel__free(g.users);
    reel__free(g.into);
    reel__free(g.products);
    reel__free(g.source);
    reel__free(g.ordinal);
    reel__ids_free(&g.pool);
    reel__ids_free(&g.cut);
    reel__map_free(&g.known);
    return done;
}
