/* Job: write a picture as DOT text: figures in clusters, edges, and what keeps time going from left
 * to right. Invariant: the text depends on the picture alone, names are counted from its first
 * node, and nothing in it was named by a user without passing through the escapes of label.h. Must
 * not know: how the picture was made.
 *
 * Layout. A weight that is used in several places stands apart and is named where it is used: lines
 * from it to every step would cover the picture. With every node shown, data flow from left to
 * right, so that time does too; gradients flow back, from right to left, in a block of their own.
 * Collapsed, modules stack from bottom to top and the steps of a module stand side by side;
 * gradients flow down again, at the right of what they are gradients of. */
#include <inttypes.h>
#include <stdlib.h>

#include "memory.h"
#include "picture.h"

enum { TITLE_LIMIT = 200, DEEPEST_INDENT = 16, SMALL = 400 };

typedef struct writer {
    const reel__picture *p;
    reel__text *out;
    uint32_t base;     /* the first drawn id: names count from it */
    uint32_t clusters; /* written so far */
    bool collapsed;
} writer;

static bool is_single(const reel__figure *f)
{
    return f->count == 1 && f->kind != REEL__FIGURE_MODULE;
}

static void write_name(const writer *w, uint32_t figure)
{
    const reel__figure *f = &w->p->figure[figure];
    if (is_single(f)) {
        reel__text_format(w->out, "n%" PRIu32, f->first - w->base);
    } else {
        reel__text_format(w->out, "b%" PRIu32, figure);
    }
}

static void indent(const writer *w, uint32_t depth)
{
    for (uint32_t i = 0; i <= depth && i < DEEPEST_INDENT; i++) {
        reel__text_add(w->out, "    ");
    }
}

static const char *line_of(const writer *w, uint8_t order)
{
    return w->p->palette->line[order < 2 ? order : 2];
}

static const char *fill_of(const writer *w, uint8_t order, bool strong)
{
    return w->p->palette->fill[order < 2 ? order : 2][strong];
}

static void write_look(const writer *w, const reel__figure *f)
{
    const reel__slot *s = reel__slot_at(w->p->tape, f->first);
    bool several = f->kind == REEL__FIGURE_MODULE;
    const char *dashed = f->order ? ",dashed" : "";
    const reel__palette *c = w->p->palette;
    if (f->kind == REEL__FIGURE_WEIGHT) {
        reel__text_format(w->out, ", style=\"filled\", fillcolor=\"%s\", color=\"%s\"",
                          c->weight_fill, c->weight_line);
    } else if (!several && s->n == 0) {
        reel__text_format(w->out, ", style=\"rounded,filled%s\", fillcolor=\"%s\", color=\"%s\"",
                          dashed, c->leaf, c->leaf_line);
    } else if (w->p->tint) {
        reel__text_format(w->out, ", style=\"rounded,filled%s\", color=\"%s\"", dashed,
                          line_of(w, f->order));
    } else if (!several && s->op->flags & REEL_OP_VIEW) {
        reel__text_format(w->out,
                          ", style=\"rounded,filled%s\", fillcolor=\"%s\", color=\"%s\", "
                          "fontcolor=\"%s\"",
                          dashed, c->ground, f->order ? line_of(w, f->order) : c->quiet, c->faint);
    } else if (f->order || several || s->op->flags & REEL_OP_MATMUL) {
        reel__text_format(w->out, ", style=\"rounded,filled%s\", fillcolor=\"%s\", color=\"%s\"",
                          dashed, fill_of(w, f->order, several || s->op->flags & REEL_OP_MATMUL),
                          line_of(w, f->order));
    }
    reel__figure_overlay(w->p, (uint32_t)(f - w->p->figure), w->out);
    reel__text_add(w->out, f->root ? ", penwidth=2.5" : "");
}

/* Columns keep the steps of different modules above each other. */
static void write_column(const writer *w, const reel__figure *f)
{
    const reel__place *place = &w->p->place[f->place];
    if (w->collapsed && place->timed) {
        reel__text_format(w->out, ", group=\"t%" PRId64 "d%d\"", place->column, (int)place->order);
    }
}

static void write_figure(const writer *w, uint32_t figure, uint32_t depth)
{
    const reel__figure *f = &w->p->figure[figure];
    indent(w, depth);
    write_name(w, figure);
    reel__text_add(w->out, " [label=<");
    reel__figure_label(w->p, figure, w->out);
    reel__figure_step(w->p, figure, w->out);
    reel__figure_values(w->p, figure, w->out);
    reel__text_add(w->out, ">");
    write_look(w, f);
    write_column(w, f);
    reel__text_add(w->out, ", tooltip=\"");
    reel__figure_tooltip(w->p, figure, w->out);
    reel__figure_trace(w->p, figure, w->out);
    reel__text_add(w->out, "\"]\n");
}

static void write_cluster_label(const writer *w, const reel__place *q)
{
    if (q->pass && q->order > 1) {
        reel__text_format(w->out, "<b>derivative of order %d</b>", (int)q->order);
    } else if (q->pass) {
        reel__text_add(w->out, "<b>backward</b>");
    } else if (q->name) {
        reel__text_add(w->out, "<b>");
        reel__text_html(w->out, *q->name ? q->name : "(no name)", TITLE_LIMIT);
        reel__text_add(w->out, "</b>");
    } else {
        reel__text_format(w->out, "t=%" PRId64, q->t);
    }
}

static void open_cluster(writer *w, uint32_t place)
{
    const reel__place *q = &w->p->place[place];
    indent(w, q->depth - 1);
    reel__text_format(w->out, "subgraph cluster_%" PRIu32 " {\n", w->clusters++);
    indent(w, q->depth);
    reel__text_add(w->out, "label=<");
    write_cluster_label(w, q);
    const reel__palette *c = w->p->palette;
    const char *fill = q->name && !q->pass ? c->panel : c->ground;
    reel__text_format(w->out, ">; style=\"rounded,filled%s\"; color=\"%s\"; fillcolor=\"%s\";\n",
                      q->pass ? ",dashed" : "", q->order ? line_of(w, q->order) : c->quiet, fill);
}

static void write_inside(const writer *w, uint32_t place)
{
    const reel__place *q = &w->p->place[place];
    for (uint32_t f = q->figure; f != REEL__NONE; f = w->p->figure[f].next) {
        write_figure(w, f, q->depth);
    }
}

/* Down to the first child, on to the next sibling, up when there is none. */
static void write_clusters(writer *w)
{
    const reel__place *place = w->p->place;
    uint32_t at = 0;
    for (;;) {
        if (at) {
            open_cluster(w, at);
        }
        write_inside(w, at);
        if (place[at].child) {
            at = place[at].child;
            continue;
        }
        while (at) {
            indent(w, place[at].depth - 1);
            reel__text_add(w->out, "}\n");
            if (place[at].sibling) {
                at = place[at].sibling;
                break;
            }
            at = place[at].parent;
        }
        if (!at) {
            return;
        }
    }
}

static void write_weights(const writer *w)
{
    bool open = false;
    for (uint32_t f = 0; f < w->p->figures; f++) {
        if (!w->p->figure[f].shared) {
            continue;
        }
        if (!open) {
            reel__text_format(w->out,
                              "    subgraph cluster_weights {\n"
                              "        label=<<b>weights</b>>; style=\"rounded,filled\"; "
                              "color=\"%s\"; fillcolor=\"%s\";\n",
                              w->p->palette->weight_line, w->p->palette->ground);
            open = true;
        }
        write_figure(w, f, 1);
    }
    reel__text_add(w->out, open ? "    }\n" : "");
}

/* Where one end of an edge stands to the other. */
typedef struct course {
    const reel__figure *from, *to;
    bool weight;  /* from a weight */
    bool crosses; /* to another order of differentiation: a forward value that a gradient needs */
    bool step;    /* to another time step */
    bool back;    /* the layout is to go against the arrow */
    bool level;   /* both ends are in one row */
} course;

static course course_of(const writer *w, uint32_t from, uint32_t to)
{
    const reel__picture *p = w->p;
    course c = {.from = &p->figure[from], .to = &p->figure[to]};
    const reel__place *a = &p->place[c.from->place], *b = &p->place[c.to->place];
    c.weight = c.from->kind == REEL__FIGURE_WEIGHT;
    c.crosses = c.from->order != c.to->order;
    /* a figure leads to itself only through a step */
    c.step = c.from == c.to || (!c.weight && a->timed && b->timed && a->column != b->column);
    c.level = w->collapsed && a->row == b->row;
    if (c.step && !c.crosses) {
        c.back = a->column > b->column;
    } else if (!c.weight && !c.crosses) {
        c.back = c.from->order % 2;
    }
    return c;
}

static void write_edge_look(const writer *w, const course *c)
{
    if (c->crosses) {
        reel__text_format(w->out, "color=\"%s\", style=dotted, arrowsize=0.5",
                          w->p->palette->quiet);
    } else if (c->weight) {
        reel__text_format(w->out, "color=\"%s\", arrowsize=0.5", w->p->palette->weight_edge);
    } else if (c->to->order) {
        reel__text_format(w->out, "color=\"%s\", style=dashed", line_of(w, c->to->order));
    } else if (c->step) {
        reel__text_format(w->out, "color=\"%s\"", line_of(w, 0));
    } else {
        reel__text_format(w->out, "color=\"%s\"", w->p->palette->stroke);
    }
    if (c->step && !c->crosses) {
        reel__text_add(w->out, ", penwidth=2");
    }
    if (c->back) {
        reel__text_add(w->out, ", dir=back");
    }
}

/* Whether the layout may ignore the edge: what keeps to rows and time would else be torn apart. */
static bool is_loose(const writer *w, const course *c)
{
    if (!w->collapsed) {
        return c->crosses;
    }
    if (c->crosses) {
        return c->step ||
               (c->from->kind != REEL__FIGURE_NODE && c->to->kind == REEL__FIGURE_MODULE);
    }
    return c->step && !c->level;
}

static void write_edge_pull(const writer *w, const course *c)
{
    if (is_loose(w, c)) {
        reel__text_add(w->out, ", constraint=false");
    } else if (c->crosses) {
        reel__text_add(w->out, ", weight=0");
    } else if (w->collapsed && !c->step && !c->weight) {
        reel__text_add(w->out, ", weight=8");
    }
}

static void write_edge(const writer *w, uint64_t edge)
{
    uint32_t from = reel__edge_from(edge), to = reel__edge_to(edge);
    course c = course_of(w, from, to);
    reel__text_add(w->out, "    ");
    write_name(w, c.back ? to : from);
    reel__text_add(w->out, " -> ");
    write_name(w, c.back ? from : to);
    reel__text_add(w->out, " [");
    write_edge_look(w, &c);
    write_edge_pull(w, &c);
    reel__text_add(w->out, "]\n");
}

typedef struct ordered {
    uint32_t group; /* what it is in order within */
    int block;
    int64_t t;
    uint32_t self; /* the place or figure */
} ordered;

static int compare_ordered(const void *a, const void *b)
{
    const ordered *x = a, *y = b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    if (x->block != y->block) {
        return x->block < y->block ? -1 : 1;
    }
    if (x->t != y->t) {
        return x->t < y->t ? -1 : 1;
    }
    return x->self < y->self ? -1 : x->self > y->self;
}

static void write_invisible(const writer *w, uint32_t from, uint32_t to)
{
    reel__text_add(w->out, "    ");
    write_name(w, from);
    reel__text_add(w->out, " -> ");
    write_name(w, to);
    reel__text_add(w->out, " [style=invis]\n");
}

/* Steps that no data lead between are put in order by an edge that is not seen. */
static void order_clusters(const writer *w, ordered *list)
{
    const reel__picture *p = w->p;
    size_t n = 0;
    for (uint32_t i = 1; i < p->places; i++) {
        const reel__place *q = &p->place[i];
        if (!q->name && !q->pass && q->lowest != REEL__NONE) {
            list[n++] = (ordered){.group = q->parent, .self = i, .t = q->t};
        }
    }
    qsort(list, n, sizeof *list, compare_ordered);
    for (size_t i = 1; i < n; i++) {
        const reel__place *a = &p->place[list[i - 1].self], *b = &p->place[list[i].self];
        bool mirrored = a->order % 2;
        if (a->parent == b->parent && !(a->linked && reel__next_step(a, b))) {
            write_invisible(w, mirrored ? a->lowest : a->highest,
                            mirrored ? b->highest : b->lowest);
        }
    }
}

/* In the row of a module: its weights, its steps, the steps of its gradients. */
static size_t list_rows(const reel__picture *p, ordered *list)
{
    size_t n = 0;
    for (uint32_t f = 0; f < p->figures; f++) {
        const reel__place *q = &p->place[p->figure[f].place];
        bool weight = p->figure[f].kind == REEL__FIGURE_WEIGHT && p->figure[f].place;
        if (weight || p->figure[f].kind == REEL__FIGURE_MODULE) {
            int block = weight ? 0 : 1 + q->order;
            list[n++] = (ordered){.group = q->row, .block = block, .t = q->column, .self = f};
        }
    }
    qsort(list, n, sizeof *list, compare_ordered);
    return n;
}

static void write_row(const writer *w, const ordered *list, size_t n)
{
    reel__text_add(w->out, "    { rank=same;");
    for (size_t i = 0; i < n; i++) {
        reel__text_add(w->out, " ");
        write_name(w, list[i].self);
        reel__text_add(w->out, ";");
    }
    reel__text_add(w->out, " }\n");
    for (size_t i = 1; i < n; i++) {
        uint32_t a = list[i - 1].self, b = list[i].self;
        bool led = reel__has_edge(w->p, a, b) || reel__has_edge(w->p, b, a);
        if (!led || list[i - 1].block != list[i].block) {
            write_invisible(w, a, b);
        }
    }
}

/* Where gradients begin, beside where values end. */
static void write_turn(const writer *w)
{
    const reel__picture *p = w->p;
    uint32_t end = REEL__NONE, begin = REEL__NONE;
    for (uint32_t f = 0; f < p->figures; f++) {
        const reel__figure *g = &p->figure[f];
        bool leaf = g->kind == REEL__FIGURE_NODE || g->kind == REEL__FIGURE_ALIKE
                        ? reel__slot_at(p->tape, g->first)->n == 0
                        : false;
        if (g->root && g->order == 0 && g->kind != REEL__FIGURE_WEIGHT && end == REEL__NONE) {
            end = f;
        } else if (leaf && g->order == 1 && begin == REEL__NONE) {
            begin = f;
        }
    }
    if (end == REEL__NONE || begin == REEL__NONE || p->place[p->figure[end].place].row) {
        return;
    }
    reel__text_add(w->out, "    { rank=same; ");
    write_name(w, end);
    reel__text_add(w->out, " -> ");
    write_name(w, begin);
    reel__text_add(w->out, " [style=invis] }\n");
}

/* Gradients that nothing else uses go to the foot. */
static void write_foot(const writer *w, bool *used)
{
    const reel__picture *p = w->p;
    for (size_t e = 0; e < p->edges; e++) {
        used[reel__edge_from(p->edge[e])] = true;
    }
    const char *before = "    { rank=min; ", *after = "";
    for (uint32_t f = 0; f < p->figures; f++) {
        const reel__figure *g = &p->figure[f];
        if (g->root && g->order % 2 && g->kind != REEL__FIGURE_MODULE && !used[f]) {
            reel__text_add(w->out, before);
            write_name(w, f);
            before = "; ";
            after = " }\n";
        }
    }
    reel__text_add(w->out, after);
}

static void write_rows(const writer *w, ordered *list)
{
    size_t n = list_rows(w->p, list);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && list[end].group == list[begin].group; end++) {
        }
        if (end - begin > 1) {
            write_row(w, list + begin, end - begin);
        }
    }
}

static void write_head(const writer *w)
{
    reel__text *out = w->out;
    const reel__palette *c = w->p->palette;
    reel__text_add(out, "digraph reel {\n    graph [");
    reel__text_add(out, w->collapsed ? "rankdir=BT, newrank=true, nodesep=0.3, ranksep=0.35"
                                     : "rankdir=LR, nodesep=0.15, ranksep=0.3");
    reel__text_add(out, ", ");
    reel__text_font(w->p->args, out);
    reel__text_format(out, ", fontsize=11, bgcolor=\"%s\", fontcolor=\"%s\"", c->ground, c->ink);
    /* dot looks for the best layout of large pictures for longer than anybody waits. */
    reel__text_add(out, w->p->figures > SMALL ? ", nslimit=0.5, mclimit=0.2" : "");
    if (w->p->args->title && *w->p->args->title) {
        reel__text_add(out, ", labelloc=t, label=<<font point-size=\"18\">");
        reel__text_html(out, w->p->args->title, TITLE_LIMIT);
        reel__text_add(out, "</font>>");
    }
    reel__text_format(out,
                      "]\n    node [shape=box, style=\"rounded,filled\", fillcolor=\"%s\", "
                      "color=\"%s\", fontcolor=\"%s\", ",
                      fill_of(w, 0, false), line_of(w, 0), c->ink);
    reel__text_font(w->p->args, out);
    reel__text_add(out, ", fontsize=12, height=0.3, width=0.3, margin=\"0.08,0.04\"]\n"
                        "    edge [arrowsize=0.6]\n");
}

bool reel__picture_write(const reel__picture *p, reel__text *out)
{
    if (reel__picture_rows(p)) {
        return reel__picture_write_rows(p, out);
    }
    size_t most = p->places > p->figures ? p->places : p->figures;
    ordered *list = reel__reallocarray(NULL, most, sizeof *list);
    bool *used = reel__calloc(p->figures, sizeof *used);
    if (!list || !used) {
        reel__free(list);
        reel__free(used);
        return false;
    }
    writer w = {
        .p = p, .out = out, .base = p->nodes.v[0], .collapsed = p->args->collapse != REEL_DRAW_ALL};
    write_head(&w);
    if (w.collapsed) {
        for (uint32_t f = 0; f < p->figures; f++) {
            write_figure(&w, f, 0);
        }
    } else {
        write_weights(&w);
        write_clusters(&w);
    }
    for (size_t e = 0; e < p->edges; e++) {
        if (!p->figure[reel__edge_from(p->edge[e])].shared) { /* else named in the user's label */
            write_edge(&w, p->edge[e]);
        }
    }
    if (w.collapsed) {
        write_rows(&w, list);
        write_turn(&w);
        write_foot(&w, used);
    } else {
        order_clusters(&w, list);
    }
    reel__text_add(out, "}\n");
    reel__free(list);
    reel__free(used);
    return true;
}

bool reel__picture_author(const void *picture, reel__text *out)
{
    return reel__picture_write(picture, out);
}
