/* Job: labels and names of figures in pictures that are laid out by rows and columns.
 * Invariant: everything that users named passes through the escapes of label.h; a name depends on
 * where its figure is, not on how many nodes came before. Must not know: where figures stand. */
#include <inttypes.h>
#include <string.h>

#include "picture.h"

enum { NAME_LIMIT = 48, LISTED = 6, DEEPEST = 64 };

#define DOTS  "\xe2\x80\xa6"
#define TIMES "\xc3\x97"

/* Names for DOT. A part of a path that has anything but letters, digits, '_' and '-' in it, or is
 * long, is cut and told apart by a hash. */
static void write_part(const char *part, reel__text *out)
{
    char text[NAME_LIMIT + 1];
    size_t n = 0;
    bool plain = true;
    uint64_t h = 0;
    for (const char *c = part; *c; c++) {
        bool good = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || *c == '_' || *c == '-';
        plain = plain && good && n < NAME_LIMIT;
        h = reel__mix(h, (unsigned char)*c);
        if (good && n < NAME_LIMIT) {
            text[n++] = *c;
        }
    }
    text[n] = '\0';
    reel__text_add(out, text);
    if (!plain || !n) {
        reel__text_format(out, "~%08" PRIx32, (uint32_t)h);
    }
}

static void write_path(const reel__picture *p, uint32_t place, reel__text *out)
{
    uint32_t path[DEEPEST];
    int n = 0;
    for (uint32_t q = place; p->place[q].depth && n < DEEPEST; q = p->place[q].parent) {
        path[n] = q;
        n += !p->place[q].pass;
    }
    for (int i = n; i-- > 0;) {
        const reel__place *q = &p->place[path[i]];
        if (q->name) {
            reel__text_add(out, i == n - 1 ? "" : "/");
            write_part(q->name, out);
            if (q->run) {
                reel__text_format(out, ":%" PRIu32, q->run + 1);
            }
        } else {
            reel__text_format(out, "@%" PRId64, q->t);
        }
    }
}

void reel__row_name(const reel__picture *p, uint32_t figure, reel__text *out)
{
    const reel__figure *f = &p->figure[figure];
    reel__text_add(out, f->kind == REEL__FIGURE_WEIGHT ? "\"weights " : "\"");
    if (f->kind != REEL__FIGURE_WEIGHT) {
        write_path(p, f->place, out);
    }
    if (f->kind != REEL__FIGURE_MODULE) {
        reel__text_format(out, "#%" PRIu32, f->ordinal);
    } else if (f->column != REEL__NONE) {
        const reel__column *c = &p->column[f->column];
        /* a module may be in steps of its own and, elsewhere, within steps */
        reel__text_format(out, c->axis ? "@%" PRId64 : "@t%" PRId64, c->first);
        if (c->count > 1) {
            reel__text_format(out, "..%" PRId64, c->last);
        }
    }
    for (int i = 0; i < f->order; i++) {
        reel__text_add(out, "'");
    }
    reel__text_add(out, "\"");
}

/* Labels */

static void small(const reel__picture *p, const char *before, reel__text *out)
{
    reel__text_format(out, "%s<font point-size=\"9\" color=\"%s\">", before, p->palette->faint);
}

static void write_shape(const reel__picture *p, const reel__slot *s, reel__text *out)
{
    char shape[128];
    if (p->args->no_shapes) {
        return;
    }
    small(p, "<br/>", out);
    reel__text_html(out, s->rank ? reel__shape_text(shape, sizeof shape, reel__shape(s)) : "scalar",
                    NAME_LIMIT);
    reel__text_add(out, "</font>");
}

/* As papers write what scopes and kinds of cells are called. */
static void write_title(const char *name, bool kind, reel__text *out)
{
    static const char *const known[][2] = {{"lstm", "LSTM"},
                                           {"gru", "GRU"},
                                           {"rnn", "RNN"},
                                           {"sru", "SRU"},
                                           {"mgu", "MGU"},
                                           {"indrnn", "IndRNN"},
                                           {"phased_lstm", "phased LSTM"},
                                           {"layer_norm_lstm", "layer norm LSTM"},
                                           {"multiplicative_lstm", "multiplicative LSTM"}};
    for (size_t i = 0; kind && i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i][0], name) == 0) {
            reel__text_add(out, known[i][1]);
            return;
        }
    }
    reel__text_html(out, *name ? name : "(no name)", NAME_LIMIT);
}

static void write_time(const reel__picture *p, uint32_t column, reel__text *out)
{
    if (column == REEL__NONE) {
        return;
    }
    const reel__column *c = &p->column[column];
    if (c->count == 1) {
        reel__text_format(out, "t=%" PRId64, c->first);
    } else {
        reel__text_format(out, "t=%" PRId64 DOTS "%" PRId64 " " TIMES "%" PRIu32, c->first, c->last,
                          c->count);
    }
}

static void write_order(uint8_t order, reel__text *out)
{
    if (order) {
        reel__text_add(out, order == 1 ? "\xe2\x88\x82 " : "\xe2\x88\x82\xc2\xb2 ");
    }
}

/* How many of the last parts of a module's path tell it from the others of the same title. */
static uint32_t telling(const reel__picture *p, uint32_t row)
{
    const char *kind = p->place[row].kind;
    uint32_t most = 1;
    for (uint32_t i = 1; i < p->places; i++) {
        const reel__place *q = &p->place[i];
        bool rival = q->row == i && i != row && !q->pass && q->used &&
                     (kind ? q->kind && strcmp(q->kind, kind) == 0 : !q->kind);
        uint32_t n = 1, a = row, b = i;
        while (rival && p->place[a].depth && p->place[b].depth &&
               strcmp(p->place[a].name, p->place[b].name) == 0) {
            a = p->place[a].parent;
            b = p->place[b].parent;
            n++;
        }
        bool same = !p->place[a].depth && !p->place[b].depth; /* another run of it */
        most = rival && !same && n > most ? n : most;
    }
    return most < p->place[row].depth ? most : p->place[row].depth;
}

static void write_path_end(const reel__picture *p, uint32_t row, uint32_t from, uint32_t parts,
                           reel__text *out)
{
    uint32_t path[DEEPEST];
    uint32_t n = 0;
    for (uint32_t q = row; p->place[q].depth && n < parts && n < DEEPEST; q = p->place[q].parent) {
        path[n++] = q;
    }
    for (uint32_t i = n; i-- > from;) {
        const char *name = p->place[path[i]].name;
        reel__text_html(out, *name ? name : "(no name)", NAME_LIMIT);
        reel__text_add(out, i > from ? "/" : "");
    }
}

void reel__row_titles(reel__picture *p)
{
    for (uint32_t f = 0; f < p->figures; f++) {
        p->place[p->place[p->figure[f].place].row].used = true;
    }
    for (uint32_t i = 1; reel__picture_rows(p) && i < p->places; i++) {
        if (p->place[i].row == i && p->place[i].used && !p->place[i].pass) {
            p->place[i].telling = telling(p, i);
        }
    }
}

void reel__row_time(const reel__picture *p, uint32_t figure, reel__text *out)
{
    write_time(p, p->figure[figure].column, out);
}

uint32_t reel__row_run(const reel__picture *p, uint32_t row)
{
    for (uint32_t q = row; p->place[q].depth; q = p->place[q].parent) {
        if (p->place[p->place[q].first].runs > 1) {
            return p->place[q].run + 1;
        }
    }
    return 0;
}

void reel__row_place_title(const reel__picture *p, uint32_t place, uint32_t column, reel__text *out)
{
    const reel__place *row = &p->place[p->place[place].row];
    const char *kind = row->kind;
    write_order(p->place[place].order, out);
    reel__text_add(out, "<b>");
    write_title(kind ? kind : row->name ? row->name : "", kind != NULL, out);
    reel__text_add(out, "</b>");
    uint32_t parts = row->telling, from = kind ? 0 : 1; /* the last is the title */
    bool path = parts > from && !(parts == 1 && strcmp(kind, row->name) == 0);
    const uint32_t run = reel__row_run(p, p->place[place].row);
    if (!path && !run && column == REEL__NONE) {
        return;
    }
    small(p, "<br/>", out);
    if (path) {
        write_path_end(p, p->place[place].row, from, parts, out);
    }
    if (run) {
        reel__text_format(out, "%srun %" PRIu32, path ? " " : "", run);
    }
    if (column != REEL__NONE) {
        reel__text_add(out, path || run ? " " : "");
        write_time(p, column, out);
    }
    reel__text_add(out, "</font>");
}

static bool reads_weight(const reel__slot *s)
{
    for (int i = 0; i < s->n; i++) {
        const reel__slot *a = reel__args(s)[i];
        if (a->flags & REEL__PARAM ||
            (a->op->flags & REEL_OP_VIEW && a->n == 1 && reel__args(a)[0]->flags & REEL__PARAM)) {
            return true;
        }
    }
    return false;
}

/* Whether it is the product or sum that a figure W x + b ends with, not what is made of that. */
static bool sums_up(const reel__slot *s)
{
    const char *name = s->op->name ? s->op->name : "";
    return s->op->flags & REEL_OP_MATMUL || strcmp(name, "add") == 0 || strcmp(name, "sum_of") == 0;
}

static const reel__slot *inner(const reel__slot *s)
{
    return reel__args(s)[0];
}

static void write_linear(uint8_t products, const reel__slot *top, reel__text *out)
{
    static const char *const text[] = {"W x", "W x + U h"};
    reel__text_add(out, products <= 2 ? text[products - 1] : "\xce\xa3 W x");
    if (!(top->op->flags & REEL_OP_MATMUL) && reads_weight(top)) {
        reel__text_add(out, " + b");
    }
}

static bool is_softmax(const reel__slot *s)
{
    const char *name = s->op->name ? s->op->name : "";
    return strcmp(name, "softmax") == 0 || strcmp(name, "log_softmax") == 0 ||
           strcmp(name, "masked_softmax") == 0;
}

/* What a gradient rule multiplies: by a weight, or for one. */
static void write_op(const reel__picture *p, const reel__slot *s, reel__text *out)
{
    bool plain = is_softmax(s) || s->op->flags & REEL_OP_VIEW;
    if (plain && p->args->level != REEL_LEVEL_OP) { /* the axis is of no interest there */
        reel__text_html(out, s->op->name, NAME_LIMIT);
        return;
    }
    if (s->origin && s->op->flags & REEL_OP_MATMUL) {
        reel__text_add(out, reads_weight(s) ? "\xce\xb4 W" : "\xce\xb4\xc2\xb7x");
        return;
    }
    reel__op_label(s, out);
}

/* W x + b, or a function of that and then it; that is told by its name where it has one. */
static void write_layer(const reel__picture *p, uint8_t products, const reel__slot *s,
                        reel__text *out)
{
    if (sums_up(s)) {
        write_linear(products, s, out);
        return;
    }
    const char *name = reel_node_name(reel__node_of(inner(s)));
    write_op(p, s, out);
    small(p, "<br/>", out);
    if (*name) {
        reel__text_html(out, name, NAME_LIMIT);
        reel__text_add(out, " = ");
    }
    write_linear(products, inner(s), out);
    reel__text_add(out, "</font>");
}

/* Linear maps that a figure took in. */
static void write_tail(const reel__picture *p, const reel__figure *f, reel__text *out)
{
    if (!f->tails) {
        return;
    }
    const reel__slot *s = reel__drawn(p, f->tail);
    const char *name = reel_node_name(reel__node_of(s));
    bool module = f->kind == REEL__FIGURE_MODULE;
    reel__text_add(out, "<br/>");
    if (!module) {
        reel__text_add(out, "and ");
    }
    if (*name) {
        reel__text_add(out, "<b>");
        reel__text_html(out, name, NAME_LIMIT);
        reel__text_add(out, "</b> = ");
    }
    write_layer(p, f->tail_products, s, out);
    if (f->tails > 1) {
        reel__text_format(out, ", " TIMES "%" PRIu32, f->tails);
    }
}

static void write_single(const reel__picture *p, const reel__figure *f, reel__text *out)
{
    const reel__slot *s = reel__slot_at(p->tape, f->last);
    const reel__slot *first = f->products ? s : reel__slot_at(p->tape, f->first);
    const char *name = reel_node_name(reel__node_of(first));
    bool leaf = s->n == 0;
    if (*name) {
        reel__text_add(out, "<b>");
        reel__text_html(out, name, NAME_LIMIT);
        const char *end = reel_node_name(reel__node_of(reel__slot_at(p->tape, f->last)));
        if (strcmp(name, end) != 0) {
            reel__text_add(out, " " DOTS " ");
            reel__text_html(out, end, NAME_LIMIT);
        }
        reel__text_add(out, leaf ? "</b>" : "</b><br/>");
    }
    if (f->products) {
        write_layer(p, f->products, s, out);
    } else if (!leaf || !*name) {
        write_op(p, s, out);
    }
    if (f->kind == REEL__FIGURE_ALIKE && f->column != REEL__NONE && f->times > 1) {
        small(p, "<br/>", out);
        write_time(p, f->column, out);
        reel__text_add(out, "</font>");
    } else if (f->kind == REEL__FIGURE_ALIKE && f->times > 1 && !p->place[f->place].timed) {
        reel__text_format(out, " " TIMES "%" PRIu32, f->times);
    }
    if (p->args->level == REEL_LEVEL_OP || leaf) {
        write_shape(p, s, out);
    }
}

static void write_weight(const reel__picture *p, uint32_t k, bool shapes, reel__text *out)
{
    const reel__slot *s = reel__drawn(p, k);
    const char *name = reel_node_name(reel__node_of(s));
    const char *last = shapes ? NULL : strrchr(name, '.');
    reel__text_html(out, last && last[1] ? last + 1 : name, NAME_LIMIT);
    if (shapes && !p->args->no_shapes) {
        char shape[128];
        small(p, " ", out);
        reel__text_html(out, reel__shape_text(shape, sizeof shape, reel__shape(s)), NAME_LIMIT);
        reel__text_add(out, "</font>");
    }
}

static void write_weights(const reel__picture *p, const reel__figure *f, reel__text *out)
{
    bool stub = f->stub != REEL__NONE;
    uint32_t k = stub ? p->stubs.v[f->stub] : reel__slot_at(p->tape, f->first)->mark;
    for (uint32_t i = 0; i < f->count; i++) {
        if (i == LISTED && f->count > LISTED + 1) {
            reel__text_format(out, "<br/>" DOTS " and %" PRIu32 " more", f->count - LISTED);
            break;
        }
        reel__text_add(out, i ? "<br/>" : "");
        write_weight(p, k, !stub, out);
        if (i + 1 < f->count) {
            k = stub ? p->stubs.v[f->stub + i + 1] : p->after[k];
        }
    }
    if (stub && f->uses > 1) {
        reel__text_format(out, "<br/><i>shared " TIMES "%" PRIu32 "</i>", f->uses);
    }
}

/* What a box took in: the word that it looks up. */
static void write_words(const reel__picture *p, const reel__figure *f, reel__text *out)
{
    if (f->word == REEL__NONE) {
        return;
    }
    const char *name = reel_node_name(reel__node_of(reel__drawn(p, f->word)));
    bool several = f->column != REEL__NONE && p->column[f->column].count > 1;
    if (*name && !several) {
        reel__text_add(out, "<br/><i>");
        reel__text_html(out, name, NAME_LIMIT);
        reel__text_add(out, "</i>");
    }
}

/* Each where it is used: a word that is looked up before what is made of it. */
static void write_insides(const reel__picture *p, const reel__figure *f, reel__text *out)
{
    bool last = false;
    const reel__slot *tail = f->tails ? reel__drawn(p, f->tail) : NULL;
    for (int i = 0; tail && f->word != REEL__NONE && i < tail->n; i++) {
        last = last || reel__args(tail)[i]->mark == f->word;
    }
    if (!last) {
        write_words(p, f, out);
    }
    write_tail(p, f, out);
    if (last) {
        write_words(p, f, out);
    }
}

void reel__row_label(const reel__picture *p, uint32_t figure, reel__text *out)
{
    const reel__figure *f = &p->figure[figure];
    switch ((reel__figure_kind)f->kind) {
    case REEL__FIGURE_MODULE:
        if (f->order && !p->place[f->place].order) {
            write_order(f->order, out);
        }
        reel__row_place_title(p, f->place, f->column, out);
        write_insides(p, f, out);
        if (p->args->level != REEL_LEVEL_GATE && !f->order) { /* derivatives are of many shapes */
            write_shape(p, reel__slot_at(p->tape, f->last), out);
        }
        break;
    case REEL__FIGURE_WEIGHT:
        write_weights(p, f, out);
        break;
    case REEL__FIGURE_NODE:
    case REEL__FIGURE_ALIKE:
        write_single(p, f, out);
        write_insides(p, f, out);
        break;
    }
}

void reel__row_short(const reel__picture *p, uint32_t figure, reel__text *out)
{
    const reel__figure *f = &p->figure[figure];
    const reel__slot *s = reel__slot_at(p->tape, f->last);
    const char *name = reel_node_name(reel__node_of(s));
    const reel__place *row = &p->place[p->place[f->place].row];
    write_order(f->order, out);
    if (f->kind == REEL__FIGURE_MODULE) {
        write_title(row->kind ? row->kind : row->name ? row->name : "", row->kind != NULL, out);
    } else if (*name) {
        reel__text_html(out, name, NAME_LIMIT);
    } else if (f->products) {
        write_linear(f->products, sums_up(s) ? s : inner(s), out);
    } else {
        write_op(p, s, out);
    }
}

static bool is_cell(const reel__picture *p, const reel__figure *f)
{
    return f->kind == REEL__FIGURE_MODULE && p->place[p->place[f->place].row].kind;
}

static void write_carried(const reel__picture *p, size_t edge, reel__text *out)
{
    const char *name = reel_node_name(reel__node_of(reel__drawn(p, p->strand[edge])));
    if (*name && p->strands[edge] == 1) {
        reel__text_html(out, name, NAME_LIMIT);
    } else if (p->strands[edge] <= 2) { /* as states are called by convention */
        reel__text_add(out, p->strands[edge] == 1 ? "h" : "h, c");
    } else {
        reel__text_format(out, "%" PRIu32 " states", p->strands[edge]);
    }
}

void reel__row_edge_label(const reel__picture *p, size_t edge, const char *remark, reel__text *out)
{
    const reel__figure *from = &p->figure[reel__edge_from(p->edge[edge])],
                       *to = &p->figure[reel__edge_to(p->edge[edge])];
    const char *name = reel_node_name(reel__node_of(reel__drawn(p, p->strand[edge])));
    bool forward = from->kind == REEL__FIGURE_MODULE && !from->order && !to->order;
    bool step = is_cell(p, from) && to->kind == REEL__FIGURE_MODULE && from->place == to->place;
    bool carries = forward && ((*name && p->strands[edge] == 1) || step);
    if (!carries && !remark) {
        return;
    }
    reel__text_add(out, from == to ? ", label=<&#160;" : ", label=<"); /* clear of the loop */
    if (carries) {
        write_carried(p, edge, out);
    }
    if (remark) {
        reel__text_format(out, "%s<i>%s</i>", carries ? "<br/>" : "", remark);
    }
    reel__text_add(out, ">");
}
