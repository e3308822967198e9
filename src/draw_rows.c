/* Job: write a picture as DOT text by rows and columns: modules are rows, the first at the foot;
 * time steps are columns from left to right.
 * Invariant: the text depends on the picture alone; nothing in it was named by a user without
 * passing through the escapes of label.h. Must not know: how the picture was made.
 *
 * Layout. What is the same in each step of a module stands in one row, by rank=same; edges that are
 * not seen keep a row in order and the rows of different modules apart. An edge to another step
 * and another row does not take part in the layout, or rows would be torn. Gradients stand to the
 * right of the last step and mirror it: the last step's come first, and their edges lead down. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "picture.h"

enum { TITLE_LIMIT = 200, SMALL = 400, FAR = 2 };

typedef struct member {
    uint64_t row;
    int64_t position;
    uint32_t figure;
} member;

typedef enum band_kind {
    MIXED = 1,      /* some of its steps are looked into, others are in a box */
    FRAMED = 2,     /* those that are looked into are clusters */
    BACK_FRAMED = 4 /* and those of its gradients */
} band_kind;

typedef struct writer {
    const reel__picture *p;
    const reel__palette *colour;
    reel__text *out;
    member *member; /* of rows */
    size_t members;
    uint64_t *row;      /* by figure; 0: in none */
    uint32_t *crowd;    /* by place: single figures */
    uint32_t *cluster;  /* by place: its number; REEL__NONE: none */
    uint32_t *first_in; /* by place: the first of them; REEL__NONE */
    uint64_t *edge;     /* those that take part in the layout, by bands, sorted */
    size_t edges;
    uint32_t *reader; /* by figure: of what comes in, the band that reads it, if of several runs */
    uint8_t *kind;    /* by place, of modules: the bits of band_kind */
    bool *beside;     /* by figure: comes in, and is not the first to do so there */
    uint32_t stubs;   /* of cut edges, written so far */
    uint32_t framed;  /* modules whose steps are clusters, but for gradients */
    bool slopes;      /* there are gradients */
    bool mirrored;    /* a module goes backward in time */
    bool apart;       /* there are steps that have nothing to do with each other */
} writer;

bool reel__picture_rows(const reel__picture *p)
{
    const reel_draw_args *a = p->args;
    return a->level != REEL_LEVEL_OP || a->open || a->closed || a->depth > 0 || a->to > a->from ||
           a->most_steps || a->pass != REEL_PASS_ALL || a->weights == REEL_WEIGHTS_STUBS || a->cut;
}

/* Figures */

static bool is_op(const reel__slot *s, const char *name)
{
    return s->op->name && strcmp(s->op->name, name) == 0;
}

static bool arithmetic(const reel__slot *s)
{
    static const char *const name[] = {"one_minus", "scale",  "shift",      "neg",
                                       "square",    "sum_of", "reciprocal", "lerp"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        if (is_op(s, name[i])) {
            return true;
        }
    }
    return s->op->flags & REEL_OP_ELEMENTWISE && s->n == 2;
}

bool reel__smooth(const reel__slot *s)
{
    static const char *const name[] = {"softmax", "log_softmax", "masked_softmax"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        if (is_op(s, name[i])) {
            return true;
        }
    }
    return s->op->flags & REEL_OP_ELEMENTWISE && s->n == 1 && !arithmetic(s);
}

static bool has_name(const reel__slot *s)
{
    return *reel_node_name(reel__node_of(s)) != '\0';
}

static void write_fill(const writer *w, const char *shape, const char *fill, const char *line,
                       uint8_t order)
{
    reel__text_format(w->out,
                      ", shape=%s, style=\"rounded,filled%s\", fillcolor=\"%s\", color=\"%s\"",
                      shape, order ? ",dashed" : "", fill, line);
}

static void write_look(const writer *w, uint32_t figure)
{
    const reel__figure *f = &w->p->figure[figure];
    const reel__palette *c = w->colour;
    const reel__slot *s = reel__slot_at(w->p->tape, f->last);
    unsigned order = f->order < 2 ? f->order : 2;
    bool module = f->kind == REEL__FIGURE_MODULE;
    bool strong = module || f->products || f->tails || s->op->flags & REEL_OP_MATMUL;
    if (f->kind == REEL__FIGURE_WEIGHT) {
        reel__text_format(w->out,
                          ", shape=%s, style=filled, fillcolor=\"%s\", color=\"%s\", "
                          "fontcolor=\"%s\", fontsize=10",
                          f->stub == REEL__NONE ? "box" : "note", c->weight_fill, c->weight_line,
                          c->weight_ink);
    } else if (!module && s->n == 0) {
        reel__text_add(w->out, ", shape=plaintext");
    } else if (strong) {
        write_fill(w, "box", c->fill[order][1], c->line[order], f->order);
    } else if (reel__smooth(s)) {
        write_fill(w, "box", f->order ? c->fill[order][0] : c->smooth, c->line[order], f->order);
    } else if (arithmetic(s)) {
        bool round = !has_name(s) && f->kind == REEL__FIGURE_NODE && !w->p->args->values &&
                     w->p->args->level != REEL_LEVEL_OP;
        write_fill(w, round ? "ellipse" : "box", f->order ? c->fill[order][0] : c->pointwise,
                   c->line[order], f->order);
        reel__text_add(w->out, round ? ", margin=\"0.02,0\"" : "");
    } else {
        write_fill(w, "box", c->fill[order][0], c->line[order], f->order);
    }
    reel__figure_overlay(w->p, figure, w->out);
    reel__text_add(w->out, f->root ? ", penwidth=2.5" : "");
}

static bool is_single(const reel__figure *f)
{
    return f->kind == REEL__FIGURE_NODE ||
           (f->kind == REEL__FIGURE_ALIKE && f->column == REEL__NONE);
}

/* The module's row of a figure: what is stacked. */
static uint32_t band(const reel__picture *p, const reel__figure *f)
{
    return p->place[f->place].row;
}

/* An input that stands in a column and in no module. */
static bool comes_in(const reel__picture *p, const reel__figure *f)
{
    return f->column != REEL__NONE && is_single(f) && !f->order && !band(p, f) &&
           reel__slot_at(p->tape, f->last)->n == 0;
}

static bool find_inputs(const writer *w)
{
    const reel__picture *p = w->p;
    for (size_t e = p->edges; e-- > 0;) {
        uint32_t from = reel__edge_from(p->edge[e]), to = reel__edge_to(p->edge[e]);
        uint32_t b = band(p, &p->figure[to]);
        if (comes_in(p, &p->figure[from]) && !p->figure[to].order && reel__row_run(p, b)) {
            w->reader[from] = b;
        }
    }
    reel__map known = {0};
    bool enough = true;
    for (uint32_t f = 0; f < p->figures && enough; f++) {
        if (comes_in(p, &p->figure[f])) {
            uint64_t where = reel__mix(p->figure[f].column, w->reader[f]) | 1;
            w->beside[f] = reel__map_get(&known, where) != NULL;
            enough = reel__map_put(&known, where, w->beside);
        }
    }
    reel__map_free(&known);
    return enough;
}

static void write_group(const writer *w, const reel__figure *f)
{
    bool inside = is_single(f) && band(w->p, f);
    if (w->beside[f - w->p->figure]) {
        return; /* one of them is below the others of the column */
    }
    if (f->column != REEL__NONE && f->kind != REEL__FIGURE_WEIGHT && !f->order && !inside) {
        const reel__column *c = &w->p->column[f->column];
        reel__text_format(w->out, ", group=\"a%" PRIu32 "c%" PRIu32 "\"", c->axis, c->index);
    }
}

static void write_figure(const writer *w, uint32_t figure, const char *indent)
{
    reel__text_add(w->out, indent);
    reel__row_name(w->p, figure, w->out);
    reel__text_add(w->out, " [label=<");
    reel__row_label(w->p, figure, w->out);
    reel__figure_step(w->p, figure, w->out);
    reel__figure_values(w->p, figure, w->out);
    reel__text_add(w->out, ">");
    write_look(w, figure);
    write_group(w, &w->p->figure[figure]);
    reel__text_add(w->out, ", tooltip=\"");
    reel__figure_tooltip(w->p, figure, w->out);
    reel__figure_trace(w->p, figure, w->out);
    reel__text_add(w->out, "\"]\n");
}

/* Clusters: the steps of modules that are looked into. */

static bool clustered(const writer *w, uint32_t place)
{
    const reel__place *q = &w->p->place[place], *row = &w->p->place[q->row];
    return w->p->ease < REEL__EASE_PLAIN && row->depth && !row->pass &&
           w->crowd[place] >= (row->kind ? 2 : 3);
}

static void write_cluster(const writer *w, uint32_t place, uint32_t first, uint32_t number)
{
    const reel__picture *p = w->p;
    const reel__place *q = &p->place[place];
    reel__text_format(w->out, "    subgraph cluster_%" PRIu32 " {\n        label=<", number);
    reel__row_place_title(p, place, q->timed ? p->figure[first].column : REEL__NONE, w->out);
    reel__text_format(
        w->out,
        ">; labeljust=l; labelloc=b; style=\"rounded,filled%s\"; color=\"%s\"; fillcolor=\"%s\";\n",
        q->order ? ",dashed" : "",
        q->order ? w->colour->line[q->order < 2 ? q->order : 2] : w->colour->quiet,
        w->colour->panel);
    for (uint32_t f = first; f != REEL__NONE; f = p->figure[f].next) {
        write_figure(w, f, "        ");
    }
    reel__text_add(w->out, "    }\n");
}

/* Single figures by place, as lists through `next`. */
static void list_places(writer *w)
{
    const reel__picture *p = w->p;
    for (uint32_t i = 0; i < p->places; i++) {
        w->first_in[i] = w->cluster[i] = REEL__NONE;
    }
    for (uint32_t f = (uint32_t)p->figures; f-- > 0;) {
        reel__figure *g = &p->figure[f];
        if (is_single(g)) {
            g->next = w->first_in[g->place];
            w->first_in[g->place] = f;
            w->crowd[g->place]++;
        }
    }
}

static void write_figures(writer *w)
{
    const reel__picture *p = w->p;
    uint32_t clusters = 0;
    list_places(w);
    for (uint32_t i = 1; i < p->places; i++) {
        if (clustered(w, i)) {
            w->cluster[i] = clusters++;
            write_cluster(w, i, w->first_in[i], w->cluster[i]);
        }
    }
    for (uint32_t f = 0; f < p->figures; f++) {
        if (!is_single(&p->figure[f]) || !clustered(w, p->figure[f].place)) {
            write_figure(w, f, "    ");
        }
    }
}

/* Rows */

static int64_t position(const reel__picture *p, const reel__figure *f)
{
    if (f->column == REEL__NONE || f->kind == REEL__FIGURE_WEIGHT) {
        return -1;
    }
    const reel__column *c = &p->column[f->column];
    uint32_t i = f->order % 2 ? c->of - 1 - c->index : c->index;
    return (int64_t)f->order * c->of + i;
}

/* The gradients of steps differ by what flows into them, so that they are in one row when they are
 * of what is the same forward. */
static uint64_t gradient_row(const reel__picture *p, const reel__slot *s, uint64_t where)
{
    const reel__slot *origin = s->origin ? reel__slot_at(p->tape, s->origin - 1) : NULL;
    uint32_t k = origin ? origin->mark : 0;
    bool drawn = origin && k < p->nodes.n && p->nodes.v[k] == origin->id;
    if (!drawn || p->figure_of[k] == REEL__NONE) {
        return 0;
    }
    const reel__figure *of = &p->figure[p->figure_of[k]];
    uint64_t what = reel__mix((uintptr_t)s->op, (uint64_t)of->ordinal << 8 | of->order);
    return reel__mix(reel__mix(where, what), origin->id - of->first) | 1;
}

/* The same number for figures that stand in one row; 0: in none. */
static uint64_t row_of(const writer *w, const reel__figure *f)
{
    const reel__picture *p = w->p;
    if (f->column == REEL__NONE || f->kind == REEL__FIGURE_WEIGHT) {
        return 0;
    }
    uint64_t where = reel__mix(p->column[f->column].axis, band(p, f));
    if (f->kind == REEL__FIGURE_MODULE) {
        return reel__mix(where, 1) | 1;
    }
    const reel__slot *s = reel__slot_at(p->tape, f->last);
    if (f->order) {
        return gradient_row(p, s, where);
    }
    uint64_t what = reel__mix((uintptr_t)s->op, (uint64_t)f->order << 8 | f->products);
    if (band(p, f)) {
        return reel__mix(reel__mix(where, what), (uint64_t)f->ordinal << 1) | 1;
    }
    if (s->n) {
        return 0; /* may stand anywhere; rows of such are what dot can lose its way in */
    }
    for (const char *c = reel_node_name(reel__node_of(s)); *c; c++) {
        what = *c >= '0' && *c <= '9' ? what : reel__mix(what, (unsigned char)*c);
    }
    what = reel__mix(what, w->reader[f - p->figure]);
    return reel__mix(where, what) | 1;
}

static int compare_members(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->row != y->row) {
        return x->row < y->row ? -1 : 1;
    }
    if (x->position != y->position) {
        return x->position < y->position ? -1 : 1;
    }
    return x->figure < y->figure ? -1 : x->figure > y->figure;
}

/* A box of weights stands to the left of the row that it is used in first. */
static void place_weights(writer *w)
{
    const reel__picture *p = w->p;
    for (size_t e = 0; e < p->edges; e++) {
        uint32_t f = reel__edge_from(p->edge[e]), to = reel__edge_to(p->edge[e]);
        const reel__figure *g = &p->figure[f];
        if (g->kind == REEL__FIGURE_WEIGHT && g->stub == REEL__NONE && !w->row[f] && w->row[to]) {
            w->row[f] = w->row[to];
            w->member[w->members++] = (member){w->row[to], -1, f};
        }
    }
}

/* The same number for what a module does in all its steps: where it is looked into in some of them,
 * its box stands in the row of what is at the top, which is what it does last, from where its state
 * goes on, and of gradients what is done first. 0: no box's. */
static uint64_t open_module(const writer *w, const reel__figure *f)
{
    const reel__picture *p = w->p;
    bool some = f->column != REEL__NONE && band(p, f) &&
                (f->kind == REEL__FIGURE_MODULE || f->kind == REEL__FIGURE_NODE);
    return some ? reel__mix(reel__mix(p->column[f->column].axis, band(p, f)), 2 + f->order) | 1 : 0;
}

/* Rows are numbered by their first figure, so that their order does not depend on hashes. */
static bool find_rows(writer *w)
{
    const reel__picture *p = w->p;
    reel__map known = {0};
    bool done = true;
    for (uint32_t f = 0; f < p->figures && done; f++) {
        uint64_t key = row_of(w, &p->figure[f]);
        if (!key) {
            continue;
        }
        uintptr_t row = (uintptr_t)reel__map_get(&known, key);
        if (!row) {
            row = f + 1;
            done = reel__map_put(&known, key, (void *)row);
        }
        w->row[f] = row;
        uint64_t module = open_module(w, &p->figure[f]);
        if (module && p->figure[f].kind == REEL__FIGURE_NODE) {
            bool top = p->figure[f].order % 2 == 0 || !reel__map_get(&known, module);
            done = done && (!top || reel__map_put(&known, module, (void *)row));
        }
    }
    for (uint32_t f = 0; f < p->figures; f++) {
        if (w->row[f] && p->figure[f].kind == REEL__FIGURE_MODULE) {
            uint64_t module = open_module(w, &p->figure[f]);
            uintptr_t row = module ? (uintptr_t)reel__map_get(&known, module) : 0;
            w->row[f] = row ? row : w->row[f];
            w->kind[band(p, &p->figure[f])] |= row && !p->figure[f].order ? MIXED : 0;
        }
        if (w->row[f]) {
            w->member[w->members++] = (member){w->row[f], position(p, &p->figure[f]), f};
        }
    }
    reel__map_free(&known);
    place_weights(w);
    qsort(w->member, w->members, sizeof *w->member, compare_members);
    return done;
}

static void write_invisible(const writer *w, uint32_t from, uint32_t to, const char *more)
{
    reel__text_add(w->out, "    ");
    reel__row_name(w->p, from, w->out);
    reel__text_add(w->out, " -> ");
    reel__row_name(w->p, to, w->out);
    reel__text_format(w->out, " [style=invis%s]\n", more);
}

static void write_row(const writer *w, const member *m, size_t n)
{
    reel__text_add(w->out, "    { rank=same;");
    for (size_t i = 0; i < n; i++) {
        reel__text_add(w->out, " ");
        reel__row_name(w->p, m[i].figure, w->out);
        reel__text_add(w->out, ";");
    }
    reel__text_add(w->out, " }\n");
    for (size_t i = 1; i < n; i++) {
        uint32_t a = m[i - 1].figure, b = m[i].figure;
        const reel__figure *f = &w->p->figure[a];
        bool led = reel__has_edge(w->p, a, b) || reel__has_edge(w->p, b, a);
        bool inner =
            is_single(f) && band(w->p, f) && f->ordinal; /* the first row leads the others */
        bool unseen = !led && !inner && m[i - 1].position != m[i].position;
        if (unseen && w->p->ease < REEL__EASE_ORDER) {
            write_invisible(w, a, b, "");
        }
    }
}

static void write_rows(const writer *w)
{
    for (size_t begin = 0, end; begin < w->members; begin = end) {
        for (end = begin + 1; end < w->members && w->member[end].row == w->member[begin].row;
             end++) {
        }
        if (end - begin > 1) {
            write_row(w, w->member + begin, end - begin);
        }
    }
}

/* Edges */

typedef struct course {
    const reel__figure *from, *to;
    bool weight;
    bool crosses; /* from a pass to another one */
    bool step;    /* to another step */
    bool level;   /* within a row */
    bool back;    /* the layout goes against the arrow */
    bool loose;   /* the layout ignores it */
    bool cut;     /* no gradient comes back over it, of those of the forward pass */
} course;

static int compare_edges(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Whether an edge that takes part in the layout leads from one module to another. */
static bool leads(const writer *w, uint32_t from, uint32_t to)
{
    uint64_t key = reel__edge(from, to);
    return w->edges && bsearch(&key, w->edge, w->edges, sizeof *w->edge, compare_edges);
}

/* Whether an edge leads down in the next step: where cells are looked into, to what comes no later
 * there, or to a module that leads to the edge's own. Rows are the same in all steps, so that such
 * an edge may take part in the layout against its arrow, and is led down between the steps. */
static bool descends(const writer *w, const course *c, uint32_t from, uint32_t to)
{
    int64_t span = position(w->p, c->to) - position(w->p, c->from);
    uint32_t a = band(w->p, c->from), b = band(w->p, c->to);
    if (!c->step || c->crosses || c->level || !w->row[from] || !w->row[to] || !a || !b ||
        (span != 1 && span != -1)) {
        return false;
    }
    if (a != b) {
        return !c->from->order && leads(w, b, a);
    }
    bool last = c->from->kind == REEL__FIGURE_MODULE && w->kind[a] & MIXED;
    return is_single(c->to) && (last || (is_single(c->from) && c->from->ordinal >= c->to->ordinal));
}

/* Whether an edge leads up to the box for the steps that follow. */
static bool ascends(const writer *w, const course *c)
{
    uint32_t b = band(w->p, c->to);
    return c->step && !c->crosses && !c->level && is_single(c->from) &&
           c->to->kind == REEL__FIGURE_MODULE && w->kind[b] & MIXED && band(w->p, c->from) == b;
}

/* Of a column for several steps, whether the edge leads from each to another one. */
static bool is_later(const reel__picture *p, uint32_t from, uint32_t to)
{
    uint64_t key = reel__edge(from, to);
    const uint64_t *e = bsearch(&key, p->edge, p->edges, sizeof *p->edge, compare_edges);
    return e && p->later[e - p->edge];
}

static course course_of(const writer *w, uint32_t from, uint32_t to)
{
    const reel__picture *p = w->p;
    course c = {.from = &p->figure[from], .to = &p->figure[to]};
    c.weight = c.from->kind == REEL__FIGURE_WEIGHT;
    c.crosses = c.from->order != c.to->order && !c.weight;
    bool timed = c.from->column != REEL__NONE && c.to->column != REEL__NONE && !c.weight;
    c.step = from == to || is_later(p, from, to) ||
             (timed && c.from->column != c.to->column &&
              p->column[c.from->column].axis == p->column[c.to->column].axis);
    c.level = w->row[from] && w->row[from] == w->row[to];
    c.loose = c.crosses || ((c.step || (c.weight && w->row[from])) && !c.level);
    if (descends(w, &c, from, to)) {
        c.loose = false;
        c.back = c.from->order % 2 == 0;
    } else if (ascends(w, &c)) {
        c.loose = false;
    } else if (c.level) {
        c.back = position(p, c.from) > position(p, c.to);
    } else if (!c.weight && !c.crosses) {
        c.back = c.from->order % 2;
    }
    return c;
}

/* A bar near where the arrow comes from: what goes on is a value, and no gradient comes back. */
static void write_bar(const writer *w, const course *c)
{
    reel__text_add(w->out, c->back
                               ? ", style=dashed, dir=both, arrowhead=nonenonetee, arrowtail=normal"
                               : ", style=dashed, dir=both, arrowtail=nonenonetee");
}

static void write_edge_look(const writer *w, const course *c)
{
    const reel__palette *colour = w->colour;
    if (c->crosses) {
        reel__text_format(w->out, "color=\"%s\", style=dotted, arrowsize=0.5", colour->quiet);
    } else if (c->weight) {
        reel__text_format(w->out, "color=\"%s\", arrowsize=0.5", colour->weight_edge);
        reel__text_add(w->out, c->from->stub != REEL__NONE ? ", arrowhead=none, weight=4" : "");
    } else if (c->to->order) {
        reel__text_format(w->out, "color=\"%s\", style=dashed",
                          colour->line[c->to->order < 2 ? c->to->order : 2]);
    } else {
        reel__text_format(w->out, "color=\"%s\"", c->step ? colour->line[0] : colour->ink);
    }
    reel__text_add(w->out, c->step && !c->crosses ? ", penwidth=2" : "");
    if (c->cut) {
        write_bar(w, c);
    } else {
        reel__text_add(w->out, c->back ? ", dir=back" : "");
    }
    if (c->loose && w->p->ease < REEL__EASE_PLAIN) {
        reel__text_add(w->out, ", constraint=false");
    } else if (!c->step && !c->weight) {
        reel__text_add(w->out, ", weight=6");
    }
}

/* What is drawn as a stub when edges are cut: what leads far, or from one pass to another. */
static bool is_far(const writer *w, const course *c)
{
    if (!w->p->args->cut || c->weight) {
        return false;
    }
    int64_t span = position(w->p, c->from) - position(w->p, c->to);
    return c->crosses || (c->step && (span > FAR || span < -FAR));
}

/* All that a figure has from far off in one stub; their steps are told where they are others. */
static void write_stub(writer *w, size_t begin, size_t end)
{
    const reel__picture *p = w->p;
    uint32_t to = reel__edge_to(p->edge[begin]), cluster = w->cluster[p->figure[to].place];
    if (cluster != REEL__NONE && is_single(&p->figure[to])) {
        reel__text_format(w->out, "    subgraph cluster_%" PRIu32 " {", cluster);
    }
    reel__text_format(w->out,
                      "    \"stub %" PRIu32
                      "\" [shape=plaintext, fontsize=9, height=0.1, width=0.1, "
                      "margin=\"0.02,0.01\", fontcolor=\"%s\", label=<",
                      w->stubs, w->colour->faint);
    const char *before = "";
    for (size_t e = begin; e < end; e++) {
        uint32_t from = reel__edge_from(p->edge[e]);
        course c = course_of(w, from, to);
        if (!is_far(w, &c)) {
            continue;
        }
        reel__text_add(w->out, before);
        reel__row_short(p, from, w->out);
        if (p->figure[from].column != p->figure[to].column) {
            reel__text_add(w->out, " ");
            reel__row_time(p, from, w->out);
        }
        before = "<br/>";
    }
    reel__text_add(w->out, cluster != REEL__NONE && is_single(&p->figure[to]) ? ">] }\n" : ">]\n");
    bool back = p->figure[to].order % 2;
    reel__text_add(w->out, "    ");
    if (back) {
        reel__row_name(p, to, w->out);
        reel__text_format(w->out, " -> \"stub %" PRIu32 "\"", w->stubs++);
    } else {
        reel__text_format(w->out, "\"stub %" PRIu32 "\" -> ", w->stubs++);
        reel__row_name(p, to, w->out);
    }
    reel__text_format(w->out, " [color=\"%s\", style=dotted, arrowsize=0.5%s]\n", w->colour->quiet,
                      back ? ", dir=back" : "");
}

static void write_stubs(writer *w)
{
    const reel__picture *p = w->p;
    for (size_t begin = 0, end; begin < p->edges; begin = end) {
        bool far = false;
        uint32_t to = reel__edge_to(p->edge[begin]);
        for (end = begin; end < p->edges && reel__edge_to(p->edge[end]) == to; end++) {
            course c = course_of(w, reel__edge_from(p->edge[end]), to);
            far = far || is_far(w, &c);
        }
        if (far) {
            write_stub(w, begin, end);
        }
    }
}

static void write_edge(writer *w, size_t e)
{
    uint32_t from = reel__edge_from(w->p->edge[e]), to = reel__edge_to(w->p->edge[e]);
    course c = course_of(w, from, to);
    if (is_far(w, &c)) {
        return; /* write_stubs tells */
    }
    reel__text_add(w->out, "    ");
    reel__row_name(w->p, c.back ? to : from, w->out);
    reel__text_add(w->out, " -> ");
    reel__row_name(w->p, c.back ? from : to, w->out);
    reel__text_add(w->out, " [");
    c.cut = w->p->cut[e] && !c.weight && !c.from->order && !c.to->order;
    write_edge_look(w, &c);
    reel__row_edge_label(w->p, e, c.cut ? c.step ? "truncated" : "no gradient" : NULL, w->out);
    reel__text_add(w->out, "]\n");
}

/* Stacking: what a module does in a step stands above what was done in that step before it. What a
 * module does before and after one inside it is two such parts. */

static void find_band_edges(writer *w)
{
    const reel__picture *p = w->p;
    size_t n = 0;
    for (size_t e = 0; e < p->edges; e++) {
        course c = course_of(w, reel__edge_from(p->edge[e]), reel__edge_to(p->edge[e]));
        if (!c.loose && !c.level && !c.weight && !c.step && !c.from->order) {
            w->edge[n++] = reel__edge(band(p, c.from), band(p, c.to));
        }
    }
    w->edges = n; /* courses know of none before */
    qsort(w->edge, w->edges, sizeof *w->edge, compare_edges);
}

typedef struct stacked {
    uint32_t column, band;
    uint32_t foot, top; /* the first and the last figure there */
} stacked;

static int compare_stacked(const void *a, const void *b)
{
    const stacked *x = a, *y = b;
    if (x->column != y->column) {
        return x->column < y->column ? -1 : 1;
    }
    return x->foot < y->foot ? -1 : x->foot > y->foot;
}

/* What stands in each column, from the foot up: one entry for what a module does without a break,
 * and what comes in for one of several runs below that. */
static size_t list_stacked(const writer *w, stacked *list)
{
    const reel__picture *p = w->p;
    size_t n = 0, kept = 0;
    for (uint32_t f = 0; f < p->figures; f++) {
        uint32_t b = w->reader[f] ? w->reader[f] : band(p, &p->figure[f]);
        if (w->row[f] && b && !p->figure[f].order) {
            list[n++] = (stacked){.column = p->figure[f].column, .band = b, .foot = f, .top = f};
        }
    }
    qsort(list, n, sizeof *list, compare_stacked);
    for (size_t i = 0; i < n; i++) {
        if (kept && list[kept - 1].column == list[i].column &&
            list[kept - 1].band == list[i].band) {
            list[kept - 1].top = list[i].top;
        } else {
            list[kept++] = list[i];
        }
    }
    return kept;
}

static void write_stack(const writer *w, stacked *list)
{
    size_t n = list_stacked(w, list);
    for (size_t i = 1; i < n; i++) {
        const stacked *a = &list[i - 1], *b = &list[i];
        if (a->column == b->column && !leads(w, b->band, a->band) && !leads(w, a->band, b->band)) {
            write_invisible(w, a->top, b->foot, ", weight=8");
        }
    }
}

/* The last figure of a cluster. */
static uint32_t last_in(const writer *w, uint32_t place)
{
    uint32_t f = w->first_in[place];
    while (w->p->figure[f].next != REEL__NONE) {
        f = w->p->figure[f].next;
    }
    return f;
}

/* What is known of the picture as a whole. */
static void look_over(writer *w)
{
    const reel__picture *p = w->p;
    for (uint32_t i = 0; i < p->places; i++) {
        if (w->cluster[i] != REEL__NONE) {
            const reel__figure *f = &p->figure[w->first_in[i]];
            w->framed += !f->order && !(w->kind[band(p, f)] & FRAMED);
            w->kind[band(p, f)] |= f->order ? BACK_FRAMED : FRAMED;
        }
    }
    for (uint32_t f = 0; f < p->figures; f++) {
        w->slopes = w->slopes || p->figure[f].order;
    }
    for (size_t c = 1; c < p->columns; c++) {
        w->apart = w->apart || p->column[c].axis != p->column[0].axis;
    }
    for (size_t e = 0; e < p->edges && !w->mirrored; e++) {
        const reel__figure *a = &p->figure[reel__edge_from(p->edge[e])];
        const reel__figure *b = &p->figure[reel__edge_to(p->edge[e])];
        w->mirrored = band(p, a) && band(p, a) == band(p, b) && !a->order && !b->order &&
                      position(p, a) > position(p, b) && position(p, b) >= 0;
    }
}

/* Gradients, and without them modules whose steps are clusters. Of a single one, and of several
 * runs, it is the inputs of each that keep them in order. */
static bool anchored(const writer *w, const reel__figure *f)
{
    uint32_t b = band(w->p, f);
    if (f->column == REEL__NONE) {
        return false;
    }
    return f->order ? w->kind[b] & BACK_FRAMED
                    : w->kind[b] & FRAMED && w->framed > 1 && !w->slopes && !reel__row_run(w->p, b);
}

/* The last of the inputs of the steps among which the figure's is; REEL__NONE: none. */
static uint32_t last_input(const reel__picture *p, const reel__figure *of)
{
    uint32_t last = REEL__NONE;
    for (uint32_t f = 0; f < p->figures; f++) {
        const reel__figure *g = &p->figure[f];
        bool ours = comes_in(p, g) && p->column[g->column].axis == p->column[of->column].axis;
        last = ours && (last == REEL__NONE || position(p, g) >= position(p, &p->figure[last]))
                   ? f
                   : last;
    }
    return last;
}

/* dot does not keep clusters in order by what leads from one to the other in a row: they change
 * places for fewer crossings. It does by points under them that are in order and are not seen, each
 * leading to what its step does last. `list`: room for a member for each place and figure. */
static size_t list_anchors(const writer *w, member *list)
{
    const reel__picture *p = w->p;
    size_t n = 0;
    for (uint32_t i = 0; i < p->places; i++) {
        uint32_t last = w->cluster[i] != REEL__NONE ? last_in(w, i) : REEL__NONE;
        if (last != REEL__NONE && anchored(w, &p->figure[last])) {
            const reel__figure *f = &p->figure[last];
            list[n++] = (member){(uint64_t)band(p, f) << 8 | f->order, position(p, f), last};
        }
    }
    for (uint32_t i = 0; i < p->figures; i++) {
        const reel__figure *f = &p->figure[i];
        if (f->kind == REEL__FIGURE_MODULE && anchored(w, f)) {
            list[n++] = (member){(uint64_t)band(p, f) << 8 | f->order, position(p, f), i};
        }
    }
    if (n) {
        qsort(list, n, sizeof *list, compare_members);
    }
    return n;
}

static void write_anchors(const writer *w, member *list)
{
    const reel__picture *p = w->p;
    const size_t n = list_anchors(w, list);
    /* where some go backward in time, or there are several such nets, more would break than mend */
    bool led = w->mirrored || w->apart;
    for (size_t i = 0; i < n; i++) {
        const reel__figure *f = &p->figure[list[i].figure];
        bool chained = i && list[i - 1].row >> 8 == list[i].row >> 8;
        uint32_t before = !chained && f->order && !led ? last_input(p, f) : REEL__NONE;
        reel__text_format(w->out, "    \"anchor %zu\" [shape=point, style=invis, width=0.01]\n", i);
        if (chained) {
            reel__text_format(w->out, "    { rank=same; \"anchor %zu\" -> ", i - 1);
        } else if (before != REEL__NONE) { /* gradients stand to the right of all else */
            reel__text_add(w->out, "    { rank=same; ");
            reel__row_name(p, before, w->out);
            reel__text_add(w->out, " -> ");
            led = true;
        }
        if (chained || before != REEL__NONE) {
            reel__text_format(w->out, "\"anchor %zu\" [style=invis] }\n", i);
        }
        reel__text_format(w->out, "    \"anchor %zu\" -> ", i);
        reel__row_name(p, list[i].figure, w->out);
        reel__text_format(w->out, " [style=invis, weight=%d]\n", f->order ? 20 : 1);
    }
}

static void write_head(const writer *w)
{
    const reel__palette *c = w->colour;
    const reel_draw_args *a = w->p->args;
    reel__text_add(w->out, "digraph reel {\n    graph [rankdir=BT, newrank=true, nodesep=0.25, "
                           "ranksep=0.35, ");
    reel__text_font(a, w->out);
    reel__text_format(w->out, ", fontsize=11, bgcolor=\"%s\", fontcolor=\"%s\"", c->ground, c->ink);
    bool large = w->p->figures > SMALL || w->p->edges > 2 * SMALL;
    reel__text_add(w->out, large ? ", nslimit=0.5, mclimit=0.2" : "");
    const char *title = a->title ? a->title : "";
    if (*title || w->p->ease >= REEL__EASE_ROWS) {
        reel__text_add(w->out, ", labelloc=t, label=<");
        if (*title) {
            reel__text_add(w->out, "<font point-size=\"18\">");
            reel__text_html(w->out, title, TITLE_LIMIT);
            reel__text_add(w->out, "</font>");
        }
        if (w->p->ease >= REEL__EASE_ROWS) {
            reel__text_add(w->out, *title ? "<br/>" : "");
            reel__text_add(w->out, "not in rows and columns: dot cannot lay out so much by them");
        }
        reel__text_add(w->out, ">");
    }
    reel__text_format(w->out,
                      "]\n    node [fontsize=12, height=0.3, width=0.3, "
                      "margin=\"0.1,0.05\", fontcolor=\"%s\", ",
                      c->ink);
    reel__text_font(a, w->out);
    reel__text_add(w->out, "]\n    edge [arrowsize=0.6, fontsize=10, ");
    reel__text_font(a, w->out);
    reel__text_format(w->out, ", fontcolor=\"%s\"]\n", c->faint);
}

static void write_all(writer *w, stacked *list)
{
    write_head(w);
    write_figures(w);
    find_band_edges(w);
    for (size_t e = 0; e < w->p->edges; e++) {
        write_edge(w, e);
    }
    write_stubs(w);
    if (w->p->ease < REEL__EASE_ROWS) {
        write_rows(w);
        write_stack(w, list);
    }
    if (w->p->ease < REEL__EASE_ORDER) {
        look_over(w);
        write_anchors(w, w->member);
    }
    reel__text_add(w->out, "}\n");
}

bool reel__picture_write_rows(const reel__picture *p, reel__text *out)
{
    writer w = {.p = p, .colour = p->palette, .out = out};
    w.member = reel__reallocarray(NULL, p->places + p->figures, sizeof *w.member);
    w.row = reel__calloc(p->figures + 1, sizeof *w.row);
    w.crowd = reel__calloc(p->places, sizeof *w.crowd);
    w.first_in = reel__calloc(p->places, sizeof *w.first_in);
    w.cluster = reel__calloc(p->places, sizeof *w.cluster);
    w.edge = reel__reallocarray(NULL, p->edges + 1, sizeof *w.edge);
    w.reader = reel__calloc(p->figures + 1, sizeof *w.reader);
    w.beside = reel__calloc(p->figures + 1, sizeof *w.beside);
    w.kind = reel__calloc(p->places, sizeof *w.kind);
    stacked *list = reel__reallocarray(NULL, p->figures + 1, sizeof *list);
    bool done = w.member && w.row && w.crowd && w.first_in && w.cluster && w.edge && list &&
                w.reader && w.beside && w.kind;
    done = done && find_inputs(&w) && find_rows(&w);
    if (done) {
        write_all(&w, list);
    }
    reel__free(w.member);
    reel__free(w.row);
    reel__free(w.crowd);
    reel__free(w.first_in);
    reel__free(w.cluster);
    reel__free(w.edge);
    reel__free(w.reader);
    reel__free(w.beside);
    reel__free(w.kind);
    reel__free(list);
    return done;
}
