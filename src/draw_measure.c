/* Job: what is shown of values: mean, deviation, histogram, NaN, bytes, and how strongly the loss
 * feels a node. Invariant: nothing is measured of what is not drawn; the tape's own settings are as
 * they were. Must not know: how a picture is laid out. */
#include <math.h>
#include <string.h>

#include "flow.h"
#include "memory.h"
#include "picture.h"
#include "trace.h"

enum { BINS = 8, FEWEST_DECADES = 2, MOST_DECADES = 7 };

static bool is_real(const reel__slot *s)
{
    return s->dtype != REEL_I32;
}

static double element(const reel__slot *s, const void *data, int64_t i)
{
    return s->dtype == REEL_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static void find_range(const reel__slot *s, const void *data, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < reel__size(s); i++) {
        double v = element(s, data, i);
        *low = v < *low ? v : *low;
        *high = v > *high ? v : *high;
    }
}

static void describe(const reel__slot *s, const void *data, reel__measured *m)
{
    int64_t n = reel__size(s);
    double low, high, mean = 0, square = 0;
    bool finite = true;
    find_range(s, data, &low, &high);
    for (int64_t i = 0; i < n; i++) {
        double v = element(s, data, i), off = v - mean;
        finite = finite && isfinite(v);
        mean += off / (double)(i + 1);
        square += off * (v - mean);
    }
    m->known = n > 0;
    m->origin = !finite;
    m->mean = mean;
    m->deviation = n ? sqrt(square / (double)n) : 0;
    for (int64_t i = 0; i < n && finite; i++) {
        double at = high > low ? (element(s, data, i) - low) / (high - low) * BINS : 0;
        m->bin[at < BINS - 1 ? (int)at : BINS - 1]++;
    }
}

/* All nodes that are drawn and hold reals (of the forward pass), into x; how many. */
static size_t list_nodes(const reel__picture *p, bool forward, reel_node **x, uint32_t *index)
{
    size_t n = 0;
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        const reel__slot *s = reel__drawn(p, k);
        if (is_real(s) && !(forward && s->origin)) {
            index[n] = k;
            x[n++] = reel__node_of(s);
        }
    }
    return n;
}

static reel_status measure_values(const reel__picture *p, reel_node **x, uint32_t *index)
{
    size_t n = list_nodes(p, false, x, index);
    bool trap = p->tape->trap_nan;
    p->tape->trap_nan = false; /* what it would stop at is what is looked for */
    reel_status status = reel_eval(n, x);
    for (size_t i = 0; i < n && !status; i++) {
        const void *data = reel_data(x[i]);
        if (data) {
            describe(reel__slot_of(x[i]), data, &p->node_measured[index[i]]);
        }
    }
    p->tape->trap_nan = trap;
    return status ? status : p->tape->status;
}

static reel_status measure_gradients(const reel__picture *p, reel_node **x, uint32_t *index)
{
    const reel_node *loss = p->args->root;
    if (!loss || reel_node_size(loss) != 1) {
        return reel__picture_fail(p, REEL_ERR_ARGUMENT,
                                  "colours by gradient need a root of one element, the loss");
    }
    size_t n = list_nodes(p, true, x, index);
    const void **data = reel__reallocarray(NULL, n + 1, sizeof *data);
    if (!data) {
        return reel__picture_fail(p, REEL_ERR_MEMORY, "out of memory");
    }
    reel_status status = reel_gradients_at(p->args->at, p->args->root, n, x, data);
    for (size_t i = 0; i < n && !status; i++) {
        p->node_measured[index[i]].gradient = reel__norm(x[i], data[i]);
    }
    reel__free(data);
    return status;
}

reel_status reel__picture_measure(reel__picture *p)
{
    const reel_draw_args *a = p->args;
    bool values = a->values || a->nan, gradients = a->colour == REEL_BY_GRADIENT;
    p->node_measured = reel__calloc(p->nodes.n, sizeof *p->node_measured);
    reel_node **x = reel__reallocarray(NULL, p->nodes.n, sizeof *x);
    uint32_t *index = reel__reallocarray(NULL, p->nodes.n, sizeof *index);
    reel_status status = REEL_OK;
    if (!p->node_measured || !x || !index) {
        status = reel__picture_fail(p, REEL_ERR_MEMORY, "out of memory for a drawing of %zu nodes",
                                    p->nodes.n);
    }
    for (size_t k = 0; k < p->nodes.n && !status; k++) {
        p->node_measured[k].gradient = NAN;
        p->node_measured[k].bytes = reel__bytes(reel__drawn(p, k));
    }
    status = status || !values ? status : measure_values(p, x, index);
    status = status || !gradients ? status : measure_gradients(p, x, index);
    reel__free(x);
    reel__free(index);
    return status;
}

/* Whether no argument has what the node has. */
static bool begins(const reel__picture *p, const reel__slot *s)
{
    for (int i = 0; i < s->n; i++) {
        if (p->node_measured[reel__args(s)[i]->mark].origin) {
            return false;
        }
    }
    return true;
}

bool reel__picture_sum_up(reel__picture *p)
{
    p->measured = reel__calloc(p->figures + 1, sizeof *p->measured);
    if (!p->measured) {
        return false;
    }
    for (uint32_t k = 0; k < p->nodes.n; k++) {
        uint32_t f = p->figure_of[k];
        if (f == REEL__NONE) {
            continue;
        }
        const reel__slot *s = reel__drawn(p, k);
        reel__measured *m = &p->measured[f];
        reel__traced x;
        m->again = m->again || (reel__traced_of(s, &x) && x.again);
        if (!p->node_measured) {
            continue;
        }
        const reel__measured *own = &p->node_measured[k];
        size_t bytes = m->bytes + own->bytes;
        bool origin = m->origin || (own->origin && begins(p, s)), again = m->again;
        if (p->figure[f].last == s->id) {
            *m = *own;
        }
        m->bytes = bytes;
        m->origin = origin;
        m->again = again;
    }
    p->flattest = INFINITY;
    for (size_t f = 0; f < p->figures; f++) {
        const reel__measured *m = &p->measured[f];
        p->most_bytes = m->bytes > p->most_bytes ? m->bytes : p->most_bytes;
        p->steepest = m->gradient > p->steepest ? m->gradient : p->steepest;
        bool counts = m->gradient > 0 && !p->figure[f].order;
        p->flattest = counts && !(m->gradient > p->flattest) ? m->gradient : p->flattest;
    }
    return true;
}

void reel__part_colour(const reel__picture *p, double part, reel__text *out)
{
    double s = part > 0 ? part < 1 ? part : 1 : 0;
    if (p->palette->grey) {
        reel__text_format(out, "0.000 0.000 %.3f", 1 - 0.55 * s);
    } else if (p->palette->dark) {
        reel__text_format(out, "%.3f 0.850 %.3f", 0.14 - 0.12 * s, 0.15 + 0.4 * s);
    } else {
        reel__text_format(out, "%.3f %.3f 1.000", 0.15 - 0.12 * s, 0.6 * s);
    }
}

/* How many powers of ten the colours span. */
static double decades(const reel__picture *p)
{
    double span = log10(p->steepest / p->flattest);
    return span < FEWEST_DECADES ? FEWEST_DECADES : span > MOST_DECADES ? MOST_DECADES : span;
}

static void write_measured_colour(const reel__picture *p, const reel__measured *m, reel__text *out)
{
    double part = 0;
    if (p->args->colour == REEL_BY_MEMORY) {
        part = p->most_bytes ? sqrt((double)m->bytes / (double)p->most_bytes) : 0;
    } else if (m->gradient > 0 && p->steepest > 0) {
        part = 1 + log10(m->gradient / p->steepest) / decades(p);
    }
    reel__text_add(out, ", fillcolor=\"");
    reel__part_colour(p, part, out);
    reel__text_add(out, "\"");
}

void reel__figure_overlay(const reel__picture *p, uint32_t figure, reel__text *out)
{
    const reel__figure *f = &p->figure[figure];
    reel_draw_colour by = p->args->colour;
    bool weight = f->kind == REEL__FIGURE_WEIGHT;
    bool leaf = f->kind != REEL__FIGURE_MODULE && reel__slot_at(p->tape, f->last)->n == 0;
    if (p->tint && !weight && !leaf) {
        reel__text_add(out, ", fillcolor=\"");
        reel__figure_colour(p, figure, out);
        reel__text_add(out, "\"");
    }
    const reel__measured *m = p->measured ? &p->measured[figure] : NULL;
    bool scaled = by == REEL_BY_MEMORY || (by == REEL_BY_GRADIENT && !f->order && !weight);
    if (m && scaled && !(leaf && !weight)) {
        write_measured_colour(p, m, out);
    }
    if (m && m->again) {
        reel__text_add(out, ", peripheries=2");
    }
    if (m && m->origin && p->args->nan) {
        reel__text_format(out, ", style=filled, fillcolor=\"%s\", fontcolor=white, penwidth=3",
                          p->palette->alarm);
    }
}

static void write_bytes(size_t bytes, reel__text *out)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB"};
    double n = (double)bytes;
    int u = 0;
    for (; n >= 1000 && u < 3; u++) {
        n /= 1000;
    }
    reel__text_format(out, "%.3g %s", n, unit[u]);
}

static void write_histogram(const reel__measured *m, reel__text *out)
{
    uint32_t most = 1;
    for (int i = 0; i < BINS; i++) {
        most = m->bin[i] > most ? m->bin[i] : most;
    }
    /* U+2581 to U+2587: blocks of rising height, clear of the line above */
    for (int i = 0; i < BINS; i++) {
        uint64_t height = (uint64_t)m->bin[i] * 6 / most;
        reel__text_format(out, "\xe2\x96%c", (int)(0x81 + height));
    }
}

static void open_line(const reel__picture *p, reel__text *out)
{
    reel__text_format(out, "<br/><font point-size=\"9\" color=\"%s\">", p->palette->faint);
}

void reel__figure_values(const reel__picture *p, uint32_t figure, reel__text *out)
{
    const reel__measured *m = p->measured ? &p->measured[figure] : NULL;
    if (!m || !p->node_measured || p->figure[figure].stub != REEL__NONE) {
        return;
    }
    if (m->known && p->args->values) {
        open_line(p, out);
        reel__text_format(out, "%.3g \xc2\xb1 %.2g</font>", m->mean, m->deviation);
        if (isfinite(m->mean)) {
            open_line(p, out);
            write_histogram(m, out);
            reel__text_add(out, "</font>");
        }
    }
    if (p->args->colour == REEL_BY_GRADIENT && isfinite(m->gradient) && !p->figure[figure].order) {
        open_line(p, out);
        reel__text_format(out, "\xe2\x80\x96\xe2\x88\x87\xe2\x80\x96 %.2g</font>", m->gradient);
    } else if (p->args->colour == REEL_BY_MEMORY) {
        open_line(p, out);
        write_bytes(m->bytes, out);
        reel__text_add(out, "</font>");
    }
}
