/* Job: what stands in a figure and in its tooltip.
 * Invariant: everything that users named passes through the escapes of label.h.
 * Must not know: where figures stand or what they look like. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "picture.h"

enum { NAME_LIMIT = 48, TITLE_LIMIT = 200, LISTED = 8 };

/* How papers write what ops do. An op's own label is used where it has one, and may begin with its
 * name. */
static const struct {
    const char *name, *symbol;
} symbols[] = {
    {"add", "+"},
    {"sub", "\xe2\x88\x92"},
    {"mul", "\xe2\x8a\x99"},
    {"div", "\xc3\xb7"},
    {"neg", "\xe2\x88\x92"},
    {"sigmoid", "\xcf\x83"},
    {"sigmoid_gradient", "\xcf\x83\xe2\x80\xb2"},
    {"tanh_gradient", "tanh\xe2\x80\xb2"},
    {"matmul", "\xc3\x97"},
    {"sum", "\xce\xa3"},
    {"sum_of", "\xce\xa3"},
    {"sum_to", "\xce\xa3"},
    {"prod", "\xce\xa0"},
    {"sqrt", "\xe2\x88\x9a"},
    {"square", "x\xc2\xb2"},
    {"reciprocal", "1/x"},
    {"one_minus", "1\xe2\x88\x92x"},
    {"abs", "|x|"},
    {"exp2", "2\xcb\xa3"},
};

void reel__op_label(const reel__slot *s, reel__text *out)
{
    char text[96] = "";
    const char *name = s->op->name && *s->op->name ? s->op->name : "op";
    if (s->op->label) {
        s->op->label(reel__node_of(s), text, sizeof text);
        text[sizeof text - 1] = '\0';
    }
    const char *shown = *text ? text : name;
    size_t n = strlen(name);
    if (strncmp(shown, name, n) == 0 && (shown[n] == '\0' || shown[n] == ' ')) {
        for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
            if (strcmp(symbols[i].name, name) == 0) {
                reel__text_add(out, symbols[i].symbol);
                shown += n;
                break;
            }
        }
    }
    reel__text_html(out, shown, NAME_LIMIT);
}

static void write_small(const reel__picture *p, reel__text *out, const char *before,
                        const char *text)
{
    reel__text_add(out, before);
    reel__text_format(out, "<font point-size=\"9\" color=\"%s\">", p->palette->faint);
    reel__text_html(out, text, NAME_LIMIT);
    reel__text_add(out, "</font>");
}

static void write_shape(const reel__picture *p, const reel__slot *s, const char *before,
                        reel__text *out)
{
    if (p->args->no_shapes) {
        return;
    }
    char shape[128];
    write_small(p, out, before,
                s->rank ? reel__shape_text(shape, sizeof shape, reel__shape(s)) : "scalar");
}

static void write_value(const reel__slot *s, reel__text *out)
{
    if (s->dtype == REEL_I32) {
        reel__text_format(out, "%" PRId32, *(const int32_t *)s->data);
    } else if (s->dtype == REEL_F32) {
        reel__text_format(out, "%.4g", (double)*(const float *)s->data);
    } else {
        reel__text_format(out, "%.4g", *(const double *)s->data);
    }
}

static void write_name(const char *name, reel__text *out)
{
    reel__text_add(out, "<b>");
    reel__text_html(out, name, NAME_LIMIT);
    reel__text_add(out, "</b>");
}

/* Shared weights are named where they are used. */
static void write_shared(const reel__picture *p, const reel__slot *s, reel__text *out)
{
    for (int i = 0; i < s->n; i++) {
        const reel__slot *a = reel__args(s)[i];
        uint32_t f = p->figure_of[a->mark];
        if (f != REEL__NONE && p->figure[f].shared) {
            const char *name = reel_node_name(reel__node_of(a)), *last = strrchr(name, '.');
            reel__text_format(out, "<br/><font point-size=\"9\" color=\"%s\">",
                              p->tint && !p->palette->dark ? "#4A3800" : p->palette->weight_ink);
            reel__text_html(out, last && last[1] ? last + 1 : name, NAME_LIMIT);
            reel__text_add(out, "</font>");
        }
    }
}

static void write_node(const reel__picture *p, const reel__slot *s, reel__text *out)
{
    const char *name = reel_node_name(reel__node_of(s));
    bool leaf = s->n == 0 && s->op->flags & REEL_OP_LEAF;
    if (*name) {
        write_name(name, out);
    }
    if (!leaf) {
        reel__text_add(out, *name ? "<br/>" : "");
        reel__op_label(s, out);
        write_shared(p, s, out);
        write_shape(p, s, "<br/>", out);
        return;
    }
    if (s->op == &reel__op_input && s->flags & REEL__COMPUTED && reel__size(s) == 1) {
        /* one number: it says more than its shape */
        reel__text_add(out, *name ? "<br/>" : "");
        write_value(s, out);
        return;
    }
    if (!*name) {
        reel__op_label(s, out);
    }
    write_shape(p, s, "<br/>", out);
}

static void write_weights(const reel__picture *p, const reel__figure *f, reel__text *out)
{
    uint32_t k = reel__slot_at(p->tape, f->first)->mark;
    for (uint32_t i = 0; i < f->count && k != REEL__NONE; i++, k = p->after[k]) {
        if (i == LISTED && f->count > LISTED + 1) {
            reel__text_format(out, "<br/>\xe2\x80\xa6 and %" PRIu32 " more", f->count - LISTED);
            return;
        }
        const reel__slot *s = reel__drawn(p, k);
        reel__text_add(out, i ? "<br/>" : "");
        reel__text_html(out, reel_node_name(reel__node_of(s)), NAME_LIMIT);
        write_shape(p, s, f->count == 1 ? "<br/>" : " ", out);
    }
}

void reel__place_label(const reel__picture *p, uint32_t place, reel__text *out)
{
    uint32_t path[64];
    int n = 0;
    for (uint32_t q = place; p->place[q].depth && n < 64; q = p->place[q].parent) {
        if (p->place[q].name) {
            path[n++] = q;
        }
    }
    for (int i = n; i-- > 0;) {
        const char *name = p->place[path[i]].name;
        reel__text_html(out, *name ? name : "(no name)", NAME_LIMIT);
        reel__text_add(out, i ? "/" : "");
    }
}

static void write_module(const reel__picture *p, const reel__figure *f, reel__text *out)
{
    const reel__place *place = &p->place[f->place];
    const char *line = "";
    if (f->order) {
        reel__text_add(out, f->order == 1 ? "\xe2\x88\x82 " : "\xe2\x88\x82\xc2\xb2 ");
    }
    if (p->place[place->module].depth && !p->place[place->module].pass) {
        reel__text_add(out, "<b>");
        reel__place_label(p, place->module, out);
        reel__text_add(out, "</b>");
        line = "<br/>";
    }
    for (uint32_t q = f->place; p->place[q].depth; q = p->place[q].parent) {
        if (!p->place[q].name && !p->place[q].pass) {
            reel__text_format(out, "%st=%" PRId64, line, p->place[q].t);
            line = " in ";
        }
    }
    write_shape(p, reel__slot_at(p->tape, f->last), "<br/>", out);
}

static void write_alike(const reel__picture *p, const reel__figure *f, reel__text *out)
{
    const reel__slot *first = reel__slot_at(p->tape, f->first),
                     *last = reel__slot_at(p->tape, f->last);
    if (f->count == 1) {
        write_node(p, first, out);
        return;
    }
    const char *name = reel_node_name(reel__node_of(first));
    if (*name) {
        const char *end = reel_node_name(reel__node_of(last));
        write_name(name, out);
        if (strcmp(name, end) != 0) {
            reel__text_add(out, " \xe2\x80\xa6 ");
            write_name(end, out);
        }
        reel__text_add(out, "<br/>");
    }
    if (!*name || first->n) {
        reel__op_label(first, out);
        reel__text_add(out, " ");
    }
    reel__text_format(out, "\xc3\x97%" PRIu32, f->count);
    write_shape(p, first, "<br/>", out);
}

void reel__figure_label(const reel__picture *p, uint32_t figure, reel__text *out)
{
    const reel__figure *f = &p->figure[figure];
    switch ((reel__figure_kind)f->kind) {
    case REEL__FIGURE_NODE:
        write_node(p, reel__slot_at(p->tape, f->first), out);
        break;
    case REEL__FIGURE_WEIGHT:
        write_weights(p, f, out);
        break;
    case REEL__FIGURE_MODULE:
        write_module(p, f, out);
        break;
    case REEL__FIGURE_ALIKE:
        write_alike(p, f, out);
        break;
    }
}

void reel__figure_tooltip(const reel__picture *p, uint32_t figure, reel__text *out)
{
    const reel__figure *f = &p->figure[figure];
    if (f->count > 1) {
        reel__text_format(out, "%" PRIu32 " nodes", f->count);
        return;
    }
    const reel__slot *s = reel__slot_at(p->tape, f->first);
    reel__text_quoted(out, s->op->name ? s->op->name : "op", NAME_LIMIT);
    if (s->scope) {
        char scope[256];
        reel__scope_text(p->tape, s->scope, scope, sizeof scope, false);
        reel__text_add(out, " in ");
        reel__text_quoted(out, scope, TITLE_LIMIT);
    }
    if (s->at && *s->at) {
        reel__text_add(out, ", ");
        reel__text_quoted(out, reel__base_name(s->at), NAME_LIMIT);
    }
}
