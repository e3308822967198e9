/* Job: group the nodes to be drawn into figures, and find the edges between figures.
 * Invariant: every node is in one figure (or hidden), so whatever can be reached from a node in the
 * graph can be reached from its figure in the picture. Must not know: how figures look. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "picture.h"

typedef struct grouping {
    reel__picture *picture;
    reel__places *places;
    uint32_t *place; /* per node */
    uint32_t *box;   /* per place: the figure of its nodes + 1 */
    size_t boxes;    /* entries of box */
    reel__map alike; /* what nodes outside modules do -> figure + 1 */
    uint64_t *users; /* per node: which modules use the weight */
} grouping;

static bool is_weight(const reel__slot *s)
{
    return s->flags & REEL__PARAM;
}

static bool collapsed(const reel__picture *p)
{
    return p->args->collapse != REEL_DRAW_ALL;
}

uint32_t reel__new_figure(reel__picture *p, reel__figure_kind kind, uint32_t node, uint32_t place)
{
    if (p->figures == p->figure_capacity) {
        size_t capacity = 2 * p->figure_capacity + 64;
        reel__figure *v = reel__reallocarray(p->figure, capacity, sizeof *v);
        if (!v) {
            return REEL__NONE;
        }
        p->figure = v;
        p->figure_capacity = capacity;
    }
    p->figure[p->figures] = (reel__figure){.kind = (uint8_t)kind,
                                           .first = p->nodes.v[node],
                                           .last = p->nodes.v[node],
                                           .place = place,
                                           .next = REEL__NONE,
                                           .column = REEL__NONE,
                                           .stub = REEL__NONE,
                                           .word = REEL__NONE,
                                           .tail = REEL__NONE,
                                           .order = p->order[node]};
    return (uint32_t)p->figures++;
}

static void join(reel__picture *p, uint32_t figure, uint32_t node)
{
    p->figure_of[node] = figure;
    if (p->nodes.v[node] > p->figure[figure].last) {
        p->figure[figure].last = p->nodes.v[node];
    }
    p->figure[figure].count++;
}

/* What nodes must have in common to be drawn as one outside modules. Numbers in names do not count:
 * x0, x1, ... are alike. */
static uint64_t likeness(const reel__picture *p, uint32_t node)
{
    const reel__slot *s = reel__drawn(p, node);
    uint64_t h = reel__mix((uintptr_t)s->op,
                           (uint64_t)s->dtype << 16 | (uint64_t)s->rank << 8 | p->order[node]);
    for (int i = 0; i < s->rank; i++) {
        h = reel__mix(h, (uint64_t)s->dim[i]);
    }
    for (const char *c = reel_node_name(reel__node_of(s)); *c; c++) {
        h = *c >= '0' && *c <= '9' ? h : reel__mix(h, (unsigned char)*c);
    }
    return h | 1;
}

static uint32_t alike(grouping *g, uint32_t node)
{
    reel__picture *p = g->picture;
    uint64_t key = likeness(p, node);
    uintptr_t known = (uintptr_t)reel__map_get(&g->alike, key);
    if (known) {
        return (uint32_t)known - 1;
    }
    uint32_t f = reel__new_figure(p, REEL__FIGURE_ALIKE, node, p->place[g->place[node]].module);
    if (f != REEL__NONE && !reel__map_put(&g->alike, key, (void *)((uintptr_t)f + 1))) {
        return REEL__NONE;
    }
    return f;
}

static uint32_t box_of(grouping *g, uint32_t node, uint32_t place)
{
    if (!g->box[place]) {
        uint32_t f = reel__new_figure(g->picture, REEL__FIGURE_MODULE, node, place);
        if (f == REEL__NONE) {
            return REEL__NONE;
        }
        g->box[place] = f + 1;
    }
    return g->box[place] - 1;
}

static bool outside(const reel__place *place)
{
    return place->depth == 0 || place->pass;
}

static uint32_t figure_for(grouping *g, uint32_t node)
{
    reel__picture *p = g->picture;
    uint32_t place = g->place[node];
    uint32_t module = p->place[place].module;
    switch (p->args->collapse) {
    case REEL_BY_STEP:
        return outside(&p->place[place]) ? reel__new_figure(p, REEL__FIGURE_NODE, node, place)
                                         : box_of(g, node, place);
    case REEL_BY_MODULE:
        return outside(&p->place[module]) ? alike(g, node) : box_of(g, node, module);
    case REEL_DRAW_ALL:
        break;
    }
    return reel__new_figure(p, REEL__FIGURE_NODE, node, place);
}

static bool place_nodes(grouping *g)
{
    reel__picture *p = g->picture;
    for (size_t k = 0; k < p->nodes.n; k++) {
        g->place[k] = reel__place_of(g->places, reel__drawn(p, k)->scope, p->order[k]);
        if (g->place[k] == REEL__NONE) {
            return false;
        }
    }
    g->boxes = p->places;
    g->box = reel__calloc(g->boxes, sizeof *g->box);
    return g->box != NULL;
}

/* A constant outside modules, such as an initial state of zeros: goes with its first user when all
 * are of one module. */
static bool is_loose(const grouping *g, uint32_t node)
{
    const reel__picture *p = g->picture;
    const reel__slot *s = reel__drawn(p, node);
    return collapsed(p) && s->n == 0 && !(s->op->flags & REEL_OP_LEAF) &&
           outside(&p->place[g->place[node]]);
}

/* The module figure that all users of each loose node are in or are gradients of, + 1; the first of
 * them. */
static void find_loose_users(const grouping *g, uint32_t *user)
{
    const reel__picture *p = g->picture;
    for (size_t k = 0; k < p->nodes.n; k++) {
        const reel__slot *s = reel__drawn(p, k);
        uint32_t f = p->figure_of[k];
        for (int i = 0; i < s->n; i++) {
            uint32_t *known = &user[reel__args(s)[i]->mark];
            if (f == REEL__NONE || p->figure[f].kind != REEL__FIGURE_MODULE) {
                *known = REEL__NONE;
            } else if (!*known) {
                *known = f + 1;
            } else if (*known != REEL__NONE && p->place[p->figure[*known - 1].place].row !=
                                                   p->place[p->figure[f].place].row) {
                *known = REEL__NONE;
            }
        }
    }
}

static bool place_loose(grouping *g)
{
    reel__picture *p = g->picture;
    uint32_t *user = p->after; /* free for this until weights are grouped */
    find_loose_users(g, user);
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        uint32_t known = user[k];
        user[k] = 0;
        if (!is_loose(g, k)) {
            continue;
        }
        uint32_t f = known - 1;
        if (known && known != REEL__NONE) {
            p->figure_of[k] = f;
            p->figure[f].count++;
            continue;
        }
        f = figure_for(g, k);
        if (f == REEL__NONE) {
            return false;
        }
        join(p, f, k);
    }
    return true;
}

static bool make_figures(grouping *g)
{
    reel__picture *p = g->picture;
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        p->figure_of[k] = REEL__NONE;
        if (is_weight(reel__drawn(p, k)) || is_loose(g, k)) {
            continue;
        }
        uint32_t f = figure_for(g, k);
        if (f == REEL__NONE) {
            return false;
        }
        join(p, f, k);
    }
    return !collapsed(p) || place_loose(g);
}

/* For each weight, the modules that use it, as a hash; and in p->after, for now, that module + 1
 * when it is one. Uses by gradients count only if there are no others. */
static void find_users(grouping *g)
{
    reel__picture *p = g->picture;
    for (size_t k = 0; k < p->nodes.n; k++) {
        const reel__slot *s = reel__drawn(p, k);
        for (int i = 0; i < s->n; i++) {
            const reel__slot *a = reel__args(s)[i];
            if (!is_weight(a)) {
                continue;
            }
            uint32_t self = p->place[g->place[k]].module + 1;
            bool alone = outside(&p->place[self - 1]);
            uint64_t user = alone ? ((uint64_t)p->figure_of[k] + 1) << 32 : self;
            if ((p->order[k] && g->users[a->mark]) || (!alone && p->after[a->mark] == self)) {
                continue;
            }
            p->after[a->mark] = g->users[a->mark] ? REEL__NONE : self;
            g->users[a->mark] = reel__mix(g->users[a->mark], user) | 1;
        }
    }
}

static bool group_weights(grouping *g)
{
    reel__picture *p = g->picture;
    find_users(g);
    reel__map known = {0};
    bool done = true;
    for (uint32_t k = 0; k < p->nodes.n && done; k++) {
        if (!is_weight(reel__drawn(p, k))) {
            continue;
        }
        uint64_t key = g->users[k] | 1;
        uint32_t module = p->after[k] == REEL__NONE || !p->after[k] ? 0 : p->after[k] - 1;
        uintptr_t f = (uintptr_t)reel__map_get(&known, key);
        if (!f) {
            f = (uintptr_t)reel__new_figure(p, REEL__FIGURE_WEIGHT, k, module) + 1;
            done = f != (uintptr_t)REEL__NONE + 1 && reel__map_put(&known, key, (void *)f);
        } else {
            uint32_t last = reel__slot_at(p->tape, p->figure[f - 1].last)->mark;
            p->after[last] = k;
        }
        if (done) {
            join(p, (uint32_t)f - 1, k);
            p->after[k] = REEL__NONE;
        }
    }
    reel__map_free(&known);
    return done;
}

static bool separate_weights(reel__picture *p)
{
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        if (is_weight(reel__drawn(p, k))) {
            uint32_t f = reel__new_figure(p, REEL__FIGURE_WEIGHT, k, 0);
            if (f == REEL__NONE) {
                return false;
            }
            join(p, f, k);
            p->after[k] = REEL__NONE;
        }
    }
    return true;
}

/* A weight with users in one place stands there; others are shared. */
static void place_weights(reel__picture *p)
{
    uint32_t *user = p->after; /* free for this: separate weights need no list */
    for (size_t e = 0; e < p->edges; e++) {
        reel__figure *f = &p->figure[reel__edge_from(p->edge[e])];
        if (f->kind != REEL__FIGURE_WEIGHT) {
            continue;
        }
        uint32_t place = p->figure[reel__edge_to(p->edge[e])].place;
        uint32_t *known = &user[reel__slot_at(p->tape, f->first)->mark];
        f->shared = f->shared || (*known != REEL__NONE && *known != place);
        *known = place;
        f->place = f->shared ? 0 : place;
    }
    for (size_t k = 0; k < p->nodes.n; k++) {
        p->after[k] = REEL__NONE;
    }
}

static int compare_edges(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void remove_repeated(reel__picture *p)
{
    qsort(p->edge, p->edges, sizeof *p->edge, compare_edges);
    size_t kept = 0;
    for (size_t e = 0; e < p->edges; e++) {
        if (kept == 0 || p->edge[kept - 1] != p->edge[e]) {
            p->edge[kept++] = p->edge[e];
        }
    }
    p->edges = kept;
}

/* A figure's edge to itself is shown only where it leads from one step to another: the recurrence.
 */
static bool shown(const grouping *g, uint32_t from_node, uint32_t to_node)
{
    const reel__picture *p = g->picture;
    uint32_t from = p->figure_of[from_node], to = p->figure_of[to_node];
    if (from == REEL__NONE || to == REEL__NONE) {
        return false;
    }
    if (from != to) {
        return true;
    }
    const reel__place *a = &p->place[g->place[from_node]], *b = &p->place[g->place[to_node]];
    return a->timed && b->timed && a->column != b->column;
}

static bool find_edges(grouping *g)
{
    reel__picture *p = g->picture;
    size_t count = 0;
    for (size_t k = 0; k < p->nodes.n; k++) {
        count += (size_t)reel__drawn(p, k)->n;
    }
    p->edge = reel__reallocarray(NULL, count + 1, sizeof *p->edge);
    if (!p->edge) {
        return false;
    }
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        const reel__slot *s = reel__drawn(p, k);
        for (int i = 0; i < s->n; i++) {
            uint32_t a = reel__args(s)[i]->mark;
            if (shown(g, a, k)) {
                p->edge[p->edges++] = reel__edge(p->figure_of[a], p->figure_of[k]);
            }
        }
    }
    return true;
}

static void append_figure(reel__picture *p, uint32_t f)
{
    reel__place *place = &p->place[p->figure[f].place];
    if (place->figure == REEL__NONE) {
        place->figure = f;
    } else {
        p->figure[place->last_figure].next = f;
    }
    place->last_figure = f;
    place->lowest = f < place->lowest ? f : place->lowest;
    place->highest = place->highest == REEL__NONE || f > place->highest ? f : place->highest;
}

/* Widens a place's range of figures to what is below it, and hangs in the child. */
static void append_child(reel__picture *p, uint32_t child)
{
    const reel__place *c = &p->place[child];
    reel__place *up = &p->place[c->parent];
    if (c->lowest == REEL__NONE) {
        return;
    }
    up->lowest = c->lowest < up->lowest ? c->lowest : up->lowest;
    up->highest = up->highest == REEL__NONE || c->highest > up->highest ? c->highest : up->highest;
}

static void hang(reel__picture *p, uint32_t child)
{
    reel__place *up = &p->place[p->place[child].parent];
    if (p->place[child].lowest == REEL__NONE) {
        return;
    }
    if (up->child) {
        p->place[up->last_child].sibling = child;
    } else {
        up->child = child;
    }
    up->last_child = child;
}

/* Notes where an edge leads from a step to the next one beside it, so that nothing else need keep
 * them in order. */
static void link_steps(reel__picture *p, uint32_t from, uint32_t to)
{
    uint32_t a = p->figure[from].place, b = p->figure[to].place;
    while (p->place[a].depth > p->place[b].depth) {
        a = p->place[a].parent;
    }
    while (p->place[b].depth > p->place[a].depth) {
        b = p->place[b].parent;
    }
    while (p->place[a].parent != p->place[b].parent) {
        a = p->place[a].parent;
        b = p->place[b].parent;
    }
    const reel__place *x = &p->place[a], *y = &p->place[b];
    if (a == b || x->name || y->name || x->pass || y->pass) {
        return;
    }
    if (reel__next_step(x, y)) {
        p->place[a].linked = true;
    } else if (reel__next_step(y, x)) {
        p->place[b].linked = true;
    }
}

static void furnish_places(reel__picture *p)
{
    for (size_t i = 0; i < p->places; i++) {
        reel__place *q = &p->place[i];
        q->figure = q->last_figure = q->lowest = q->highest = REEL__NONE;
    }
    for (uint32_t f = 0; f < p->figures; f++) {
        if (!p->figure[f].shared) {
            append_figure(p, f);
        }
    }
    for (uint32_t i = (uint32_t)p->places; i-- > 1;) {
        append_child(p, i);
    }
    for (uint32_t i = 1; i < p->places; i++) {
        hang(p, i);
    }
    for (size_t e = 0; e < p->edges; e++) {
        uint32_t from = reel__edge_from(p->edge[e]), to = reel__edge_to(p->edge[e]);
        if (p->figure[from].kind != REEL__FIGURE_WEIGHT) {
            link_steps(p, from, to);
        }
    }
}

static bool hides_weights(const reel__picture *p)
{
    return p->args->hide_weights || p->args->weights == REEL_WEIGHTS_HIDDEN;
}

static bool fill(grouping *g)
{
    reel__picture *p = g->picture;
    if (!reel__find_orders(p->tape, &p->nodes, p->order)) {
        return false;
    }
    g->places = reel__places_new(p);
    if (!g->places || !place_nodes(g)) {
        return false;
    }
    if (reel__picture_rows(p)) {
        return reel__picture_columns(p) && reel__picture_boxes(p) &&
               reel__picture_levels(p, g->place);
    }
    if (!make_figures(g)) {
        return false;
    }
    if (!hides_weights(p) && !(collapsed(p) ? group_weights(g) : separate_weights(p))) {
        return false;
    }
    if (!find_edges(g)) {
        return false;
    }
    if (collapsed(p)) {
        remove_repeated(p);
    } else {
        place_weights(p);
    }
    furnish_places(p);
    return true;
}

bool reel__has_edge(const reel__picture *p, uint32_t from, uint32_t to)
{
    uint64_t wanted = reel__edge(from, to);
    size_t low = 0, high = p->edges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->edge[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < p->edges && p->edge[low] == wanted;
}

bool reel__picture_fill(reel__picture *p)
{
    size_t n = p->nodes.n;
    grouping g = {.picture = p};
    p->figure_of = reel__calloc(n, sizeof *p->figure_of);
    p->after = reel__calloc(n, sizeof *p->after);
    p->order = reel__calloc(n, sizeof *p->order);
    g.place = reel__calloc(n, sizeof *g.place);
    g.users = reel__calloc(n, sizeof *g.users);
    bool done = p->figure_of && p->after && p->order && g.place && g.users && fill(&g);
    reel__places_free(g.places);
    reel__map_free(&g.alike);
    reel__free(g.place);
    reel__free(g.box);
    reel__free(g.users);
    return done;
}

void reel__picture_free(reel__picture *p)
{
    reel__ids_free(&p->nodes);
    reel__free(p->figure_of);
    reel__free(p->after);
    reel__free(p->order);
    reel__free(p->is_root);
    reel__free(p->figure);
    reel__free(p->place);
    reel__free(p->edge);
    reel__free(p->strands);
    reel__free(p->strand);
    reel__free(p->cut);
    reel__free(p->later);
    reel__ids_free(&p->stubs);
    reel__free(p->column);
    reel__free(p->column_of);
    reel__free(p->box_of);
    reel__free(p->node_measured);
    reel__free(p->measured);
    reel__free(p->tint);
}
