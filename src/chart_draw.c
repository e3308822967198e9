/* Job: lay heat maps out and write them as SVG.
 * Invariant: no text leaves the picture or meets another, by widths that are rather too large. The
 * text depends on the arguments alone, and not on the locale.
 * Must not know: where the text goes. */
#include "chart.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

enum { LONGEST = 32, LONGEST_TITLE = 120 };

static const double letter = 12, title_letter = 16, map_letter = 13, small_letter = 10, margin = 12,
                    gap = 6, between = 28, usual_cell = 24, usual_width = 960, usual_height = 720,
                    bar_width = 14, slope = 0.70710678118654752;

/* Widths of letters, as shares of their height. */
static double character_width(uint32_t p)
{
    if (p < 0x80) {
        return strchr("iljtfrI.,:;'`|!()[]{}- ", (int)p) ? 0.42
               : strchr("mwMW@%", (int)p)                ? 1.0
               : p >= 'A' && p <= 'Z'                    ? 0.76
                                                         : 0.65;
    }
    bool wide = (p >= 0x1100 && p < 0x1160) || (p >= 0x2e80 && p < 0xa4d0) ||
                (p >= 0xac00 && p < 0xd7a4) || (p >= 0xf900 && p < 0xfb00) ||
                (p >= 0xfe30 && p < 0xfe70) || (p >= 0xff00 && p < 0xff61) || p >= 0x1f000;
    bool mark = p >= 0x300 && p < 0x370;
    return mark ? 0 : wide || (p >= 0x2000 && p < 0x2e80) || p >= 0xfff0 ? 1.05 : 0.72;
}

double reel__text_width(const char *text, size_t limit)
{
    double width = 0;
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; *s; i++) {
        if (i == limit) {
            return width + 1.05;
        }
        uint32_t point = 0;
        size_t n = reel__character(s, &point);
        width += character_width(n && point >= 0x20 ? point : 0xfffd);
        s += n ? n : 1;
    }
    return width;
}

void reel__number(char *text, size_t n, double x, int digits)
{
    snprintf(text, n, "%.*f", digits, x);
    if (fabs(x) >= 1e7 || (x != 0 && fabs(x) < 0.5 * pow(10, -digits))) {
        snprintf(text, n, "%.*g", digits > 1 ? digits : 1, x);
    }
    const char *point = localeconv()->decimal_point;
    char *at = *point ? strstr(text, point) : NULL;
    if (at) {
        *at = '.';
        memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1);
    }
}

/* A length or place, to a tenth of a px. */
static void add_px(reel__text *out, double px)
{
    long long tenths = llround(px * 10);
    const char *sign = tenths < 0 ? "-" : "";
    tenths = tenths < 0 ? -tenths : tenths;
    if (tenths % 10) {
        reel__text_format(out, "%s%lld.%lld", sign, tenths / 10, tenths % 10);
    } else {
        reel__text_format(out, "%s%lld", sign, tenths / 10);
    }
}

static void attribute(reel__text *out, const char *name, double px)
{
    reel__text_format(out, " %s=\"", name);
    add_px(out, px);
    reel__text_add(out, "\"");
}

static void add_rectangle(reel__text *out, double x, double y, double width, double height)
{
    reel__text_add(out, "<rect");
    attribute(out, "x", x);
    attribute(out, "y", y);
    attribute(out, "width", width);
    attribute(out, "height", height);
}

typedef enum anchor { START, MIDDLE, END } anchor;

/* Text on a base line; turned by so many degrees around its anchor. */
static void open_text(reel__text *out, double x, double y, double size, anchor a, int turned)
{
    static const char *const name[] = {
        [MIDDLE] = " text-anchor=\"middle\"", [END] = " text-anchor=\"end\"", [START] = ""};
    reel__text_add(out, "<text");
    attribute(out, "x", x);
    attribute(out, "y", y);
    if (size != letter) {
        attribute(out, "font-size", size);
    }
    reel__text_add(out, name[a]);
    if (turned) {
        reel__text_format(out, " transform=\"rotate(%d,", turned);
        add_px(out, x);
        reel__text_add(out, ",");
        add_px(out, y);
        reel__text_add(out, ")\"");
    }
}

static void add_text(reel__text *out, double x, double y, double size, anchor a, int turned,
                     const char *text, size_t limit)
{
    open_text(out, x, y, size, a, turned);
    reel__text_add(out, ">");
    reel__text_xml(out, text, limit);
    reel__text_add(out, "</text>\n");
}

/* One map's measures. */
typedef struct layout {
    double cell_width, cell_height;
    double left, top;              /* from the corner of its place to that of its cells */
    double width, height;          /* of all of it */
    double title_room;             /* above, of its title */
    int64_t row_step, column_step; /* which labels are shown */
    bool slanted;
} layout;

static const char *label_of(const char *const *label, int64_t i, char number[24])
{
    if (label) {
        return label[i];
    }
    snprintf(number, 24, "%lld", (long long)i);
    return number;
}

static double widest(const char *const *label, int64_t n)
{
    double most = 0;
    char number[24];
    for (int64_t i = label ? 0 : n - 1; i < n; i++) {
        most = fmax(most, reel__text_width(label_of(label, i, number), LONGEST));
    }
    return most * letter;
}

/* The least of 1, 2, 5, 10, 20, ... cells that are as long as the room that a label needs. */
static int64_t step_for(double room, double cell)
{
    static const int64_t of_ten[] = {1, 2, 5};
    int64_t ten = 1;
    for (int i = 0;; i = (i + 1) % 3) {
        int64_t step = of_ten[i] * ten;
        if ((double)step * cell >= room || step > INT64_MAX / 100) {
            return step;
        }
        ten *= i == 2 ? 10 : 1;
    }
}

/* A value as its cell shows it. */
static const char *cell_text(const reel__chart *c, double v, char text[64])
{
    if (isfinite(v)) {
        reel__number(text, 64, v, c->digits);
        return text;
    }
    return isnan(v) ? "NaN" : v > 0 ? "\xe2\x88\x9e" : "\xe2\x88\x92\xe2\x88\x9e";
}

static double widest_number(const reel__chart *c, const reel_heat *m)
{
    double most = 0;
    char text[64];
    for (int64_t i = 0; i < m->rows * m->columns; i++) {
        most = fmax(most, reel__text_width(cell_text(c, m->value[i], text), LONGEST));
    }
    return most * small_letter;
}

static double cell_size(double given, double usual, int64_t n)
{
    return given > 0 ? given : fmin(usual_cell, fmax(usual / (double)n, 2));
}

/* How far column labels reach above the cells, and to the right of them. */
static void place_columns(const reel_heat *m, layout *l, double *above, double *right)
{
    double label = widest(m->column_label, m->columns);
    l->slanted = m->column_label && label + gap > l->cell_width;
    if (!l->slanted) {
        l->column_step = step_for(m->columns > 1 ? label + gap : 0, l->cell_width);
        *above = letter + gap;
        *right = fmax(0, label / 2 - l->cell_width / 2);
        return;
    }
    l->column_step = step_for(letter * 1.15 / slope, l->cell_width);
    *above = *right = 0;
    for (int64_t j = 0; j < m->columns; j += l->column_step) {
        double reach = letter * reel__text_width(m->column_label[j], LONGEST) * slope;
        double beyond = ((double)(m->columns - j) - 0.5) * l->cell_width;
        *above = fmax(*above, reach + letter * slope + gap);
        *right = fmax(*right, reach + letter * slope - beyond);
    }
}

static layout measure(const reel__chart *c, const reel_heat *m)
{
    const reel_heat_map_args *a = c->args;
    layout l = {.cell_width = cell_size(a->cell_width, usual_width, m->columns),
                .cell_height = cell_size(a->cell_height, usual_height, m->rows)};
    if (a->numbers) {
        l.cell_width = fmax(l.cell_width, a->cell_width > 0 ? 0 : widest_number(c, m) + gap);
        l.cell_height = fmax(l.cell_height, a->cell_height > 0 ? 0 : small_letter + gap);
    }
    double above, right, title = map_letter * reel__text_width(m->title ? m->title : "", LONGEST);
    place_columns(m, &l, &above, &right);
    l.row_step = step_for(letter * 1.1, l.cell_height);
    l.title_room = m->title ? map_letter + gap : 0;
    l.left = widest(m->row_label, m->rows) + gap + (m->row_title ? letter + gap : 0);
    l.top = l.title_room + (m->column_title ? letter + gap : 0) + above;
    double head = letter * reel__text_width(m->column_title ? m->column_title : "", LONGEST_TITLE),
           side = letter * reel__text_width(m->row_title ? m->row_title : "", LONGEST_TITLE);
    l.width = l.left + fmax((double)m->columns * l.cell_width + right, fmax(head, title - l.left));
    l.height = l.top + fmax((double)m->rows * l.cell_height, side);
    return l;
}

/* Cells */

static void cross_out(const reel__chart *c, double x, double y, const layout *l, reel__text *out)
{
    reel__text_add(out, "<path d=\"M");
    const double corner[4][2] = {{x, y},
                                 {x + l->cell_width, y + l->cell_height},
                                 {x + l->cell_width, y},
                                 {x, y + l->cell_height}};
    for (int i = 0; i < 4; i++) {
        reel__text_add(out, i == 0 ? "" : i == 2 ? " M" : " L");
        add_px(out, corner[i][0]);
        reel__text_add(out, ",");
        add_px(out, corner[i][1]);
    }
    reel__text_format(out, "\" stroke=\"%s\" fill=\"none\"/>", reel__ink_of(c->args->theme)->text);
}

static void add_tooltip(const reel__chart *c, const reel_heat *m, int64_t i, int64_t j,
                        double level, reel__text *out)
{
    char text[64];
    double v = m->value[i * m->columns + j];
    reel__text_add(out, "<title>");
    reel__text_xml(out, label_of(m->row_label, i, text), LONGEST_TITLE);
    reel__text_add(out, ", ");
    reel__text_xml(out, label_of(m->column_label, j, text), LONGEST_TITLE);
    reel__text_add(out, ": ");
    if (isfinite(v)) {
        reel__number(text, sizeof text, v, c->whole ? 0 : c->digits > 4 ? c->digits : 4);
    }
    reel__text_add(out, isfinite(v) ? text : cell_text(c, v, text));
    if (c->args->by_row && isfinite(v)) {
        reel__number(text, sizeof text, 100 * level, 1);
        reel__text_format(out, " (%s%% of the row)", text);
    }
    reel__text_add(out, "</title>");
}

static void add_cell(const reel__chart *c, const reel_heat *m, const layout *l, int64_t i,
                     int64_t j, double x, double y, double sum, reel__text *out)
{
    double v = m->value[i * m->columns + j], level = reel__chart_level(c, m, i, j, sum);
    double share = (level - c->low) / (c->high - c->low);
    reel__rgb fill = isfinite(v) ? reel__scale_colour(c->args->scale, c->args->theme, share)
                                 : reel__ink_of(c->args->theme)->missing;
    reel__text_add(out, "<g>");
    add_rectangle(out, x, y, l->cell_width, l->cell_height);
    reel__text_format(out, " fill=\"#%02x%02x%02x\"/>", (unsigned)fill.r, (unsigned)fill.g,
                      (unsigned)fill.b);
    char text[64];
    const char *number = cell_text(c, v, text);
    bool fits = reel__text_width(number, LONGEST) * small_letter <= l->cell_width &&
                small_letter <= l->cell_height;
    bool written = fits && (c->args->numbers || isinf(v));
    if (!isfinite(v) && !written) {
        cross_out(c, x, y, l, out);
    }
    if (written) {
        open_text(out, x + l->cell_width / 2, y + l->cell_height / 2 + small_letter * 0.36,
                  small_letter, MIDDLE, 0);
        reel__text_format(out, " stroke=\"none\" fill=\"%s\">%s</text>",
                          reel__is_bright(fill) ? "#000000" : "#ffffff", number);
    }
    add_tooltip(c, m, i, j, level, out);
    reel__text_add(out, "</g>\n");
}

static void add_cells(const reel__chart *c, const reel_heat *m, const layout *l, double x, double y,
                      reel__text *out)
{
    bool lines = fmin(l->cell_width, l->cell_height) >= 12;
    const reel__ink *ink = reel__ink_of(c->args->theme);
    reel__text_format(out, "<g stroke=\"%s\" stroke-width=\"1\"%s>\n",
                      lines ? ink->background : "none",
                      lines ? "" : " shape-rendering=\"crispEdges\"");
    for (int64_t i = 0; i < m->rows; i++) {
        double sum = reel__chart_sum(c, m, i);
        for (int64_t j = 0; j < m->columns; j++) {
            add_cell(c, m, l, i, j, x + (double)j * l->cell_width, y + (double)i * l->cell_height,
                     sum, out);
        }
    }
    reel__text_add(out, "</g>\n");
    add_rectangle(out, x, y, (double)m->columns * l->cell_width, (double)m->rows * l->cell_height);
    reel__text_format(out, " fill=\"none\" stroke=\"%s\" stroke-width=\"0.7\"/>\n", ink->faint);
}

/* Labels */

static void add_row_labels(const reel_heat *m, const layout *l, double x, double y, reel__text *out)
{
    char number[24];
    for (int64_t i = 0; i < m->rows; i += l->row_step) {
        add_text(out, x - gap, y + ((double)i + 0.5) * l->cell_height + letter * 0.35, letter, END,
                 0, label_of(m->row_label, i, number), LONGEST);
    }
}

static void add_column_labels(const reel_heat *m, const layout *l, double x, double y,
                              reel__text *out)
{
    char number[24];
    for (int64_t j = 0; j < m->columns; j += l->column_step) {
        double at = x + ((double)j + 0.5) * l->cell_width;
        if (l->slanted) {
            add_text(out, at + letter * 0.3, y - gap, letter, START, -45,
                     label_of(m->column_label, j, number), LONGEST);
        } else {
            add_text(out, at, y - gap, letter, MIDDLE, 0, label_of(m->column_label, j, number),
                     LONGEST);
        }
    }
}

/* A map whose place begins at x, y. */
static void add_map(const reel__chart *c, const reel_heat *m, const layout *l, double x, double y,
                    reel__text *out)
{
    double left = x + l->left, top = y + l->top, rows = (double)m->rows * l->cell_height;
    if (m->title) {
        reel__text_add(out, "<g font-weight=\"bold\">");
        add_text(out, x, y + map_letter, map_letter, START, 0, m->title, LONGEST);
        reel__text_add(out, "</g>");
    }
    if (m->column_title) {
        add_text(out, left, y + l->title_room + letter, letter, START, 0, m->column_title,
                 LONGEST_TITLE);
    }
    if (m->row_title) {
        double side = letter * reel__text_width(m->row_title, LONGEST_TITLE);
        add_text(out, x + letter, top + fmax(rows, side) / 2, letter, MIDDLE, -90, m->row_title,
                 LONGEST_TITLE);
    }
    add_cells(c, m, l, left, top, out);
    add_row_labels(m, l, left, top, out);
    add_column_labels(m, l, left, top, out);
}

/* The legend */

static void legend_label(const reel__chart *c, double share, char text[64])
{
    double v = c->low + share * (c->high - c->low), reach = fmax(fabs(c->low), fabs(c->high));
    int digits = reach >= 100 ? 0 : reach >= 10 ? 1 : reach >= 0.1 ? 2 : 4;
    bool whole = c->low == floor(c->low) && c->high == floor(c->high) && v == floor(v);
    if (c->args->by_row) {
        reel__number(text, 60, 100 * v, 0);
        strcat(text, "%");
    } else {
        reel__number(text, 64, v, whole ? 0 : digits);
    }
}

static double legend_width(const reel__chart *c)
{
    double most = 0;
    char text[64];
    for (int i = 0; i <= 2; i++) {
        legend_label(c, i / 2.0, text);
        most = fmax(most, reel__text_width(text, LONGEST) * letter);
    }
    most = fmax(most, c->strange ? letter * reel__text_width("not finite", LONGEST) : 0);
    return between + bar_width + gap + most;
}

static void add_legend(const reel__chart *c, double x, double y, double height, reel__text *out)
{
    enum { PIECES = 32 };
    const reel__ink *ink = reel__ink_of(c->args->theme);
    char text[64];
    reel__text_add(out, "<g shape-rendering=\"crispEdges\">\n");
    for (int i = 0; i < PIECES; i++) {
        double share = 1 - (i + 0.5) / PIECES;
        reel__rgb fill = reel__scale_colour(c->args->scale, c->args->theme, share);
        add_rectangle(out, x, y + i * height / PIECES, bar_width, height / PIECES + 0.5);
        reel__text_format(out, " fill=\"#%02x%02x%02x\"/>\n", (unsigned)fill.r, (unsigned)fill.g,
                          (unsigned)fill.b);
    }
    add_rectangle(out, x, y, bar_width, height);
    reel__text_format(out, " fill=\"none\" stroke=\"%s\" stroke-width=\"0.7\"/>\n</g>\n",
                      ink->faint);
    for (int i = 0; i <= 2; i++) {
        legend_label(c, i / 2.0, text);
        add_text(out, x + bar_width + gap, y + (1 - i / 2.0) * height + letter * 0.35, letter,
                 START, 0, text, LONGEST);
    }
    if (c->strange) {
        const layout l = {.cell_width = bar_width, .cell_height = bar_width};
        double below = y + height + bar_width;
        add_rectangle(out, x, below, bar_width, bar_width);
        reel__text_format(out, " fill=\"#%02x%02x%02x\" stroke=\"%s\" stroke-width=\"0.7\"/>",
                          (unsigned)ink->missing.r, (unsigned)ink->missing.g,
                          (unsigned)ink->missing.b, ink->faint);
        cross_out(c, x, below, &l, out);
        add_text(out, x + bar_width + gap, below + bar_width / 2 + letter * 0.35, letter, START, 0,
                 "not finite", LONGEST);
    }
}

/* The whole */

typedef struct grid {
    layout *map;
    double *width, *height; /* of its columns and rows */
    size_t rows;
    double all_width, all_height;
} grid;

static bool grid_measure(const reel__chart *c, grid *g)
{
    g->rows = (c->maps + c->across - 1) / c->across;
    g->map = reel__calloc(c->maps, sizeof *g->map);
    g->width = reel__calloc(c->across, sizeof *g->width);
    g->height = reel__calloc(g->rows, sizeof *g->height);
    if (!g->map || !g->width || !g->height) {
        return false;
    }
    for (size_t k = 0; k < c->maps; k++) {
        double *width = &g->width[k % c->across], *height = &g->height[k / c->across];
        g->map[k] = measure(c, &c->map[k]);
        *width = fmax(*width, g->map[k].width);
        *height = fmax(*height, g->map[k].height);
    }
    g->all_width = between * (double)(c->across - 1);
    g->all_height = between * (double)(g->rows - 1);
    for (size_t j = 0; j < c->across; j++) {
        g->all_width += g->width[j];
    }
    for (size_t i = 0; i < g->rows; i++) {
        g->all_height += g->height[i];
    }
    return true;
}

static void grid_free(grid *g)
{
    reel__free(g->map);
    reel__free(g->width);
    reel__free(g->height);
}

static void add_maps(const reel__chart *c, const grid *g, double top, reel__text *out)
{
    double y = top;
    for (size_t i = 0; i < g->rows; i++) {
        double x = margin;
        for (size_t j = 0; j < c->across && i * c->across + j < c->maps; j++) {
            size_t k = i * c->across + j;
            add_map(c, &c->map[k], &g->map[k], x, y, out);
            x += g->width[j] + between;
        }
        y += g->height[i] + between;
    }
}

static void add_head(const reel__chart *c, double width, double height, reel__text *out)
{
    const reel__ink *ink = reel__ink_of(c->args->theme);
    const char *font =
        c->args->font ? c->args->font : "Helvetica, Arial, 'DejaVu Sans', sans-serif";
    reel__text_add(out, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    attribute(out, "width", width);
    attribute(out, "height", height);
    reel__text_add(out, " viewBox=\"0 0 ");
    add_px(out, width);
    reel__text_add(out, " ");
    add_px(out, height);
    reel__text_add(out, "\" font-family=\"");
    reel__text_xml(out, font, 4 * LONGEST_TITLE);
    reel__text_add(out, "\"");
    attribute(out, "font-size", letter);
    reel__text_format(out, " fill=\"%s\">\n", ink->text);
    if (c->args->title) {
        reel__text_add(out, "<title>");
        reel__text_xml(out, c->args->title, LONGEST_TITLE);
        reel__text_add(out, "</title>\n");
    }
    add_rectangle(out, 0, 0, width, height);
    reel__text_format(out, " fill=\"%s\"/>\n", ink->background);
}

bool reel__chart_write(const reel__chart *c, reel__text *out)
{
    grid g = {0};
    bool enough = grid_measure(c, &g);
    if (enough) {
        const char *title = c->args->title;
        double head = title ? title_letter + 2 * gap : 0;
        double bar_top = margin + head + (g.rows == 1 ? g.map[0].top : letter);
        double bar = fmin(200, fmax(60, g.all_height - (bar_top - margin - head)));
        double legend_height = c->args->no_legend ? 0 : bar_top + bar + (c->strange ? 40 : 10);
        double width = g.all_width + (c->args->no_legend ? 0 : legend_width(c));
        width = fmax(width, title ? title_letter * reel__text_width(title, LONGEST_TITLE) : 0);
        add_head(c, width + 2 * margin, fmax(margin + head + g.all_height, legend_height) + margin,
                 out);
        if (title) {
            reel__text_add(out, "<g font-weight=\"bold\">");
            add_text(out, margin, margin + title_letter * 0.8, title_letter, START, 0, title,
                     LONGEST_TITLE);
            reel__text_add(out, "</g>");
        }
        add_maps(c, &g, margin + head, out);
        if (!c->args->no_legend) {
            add_legend(c, margin + g.all_width + between, bar_top, bar, out);
        }
        reel__text_add(out, "</svg>\n");
    }
    grid_free(&g);
    return enough;
}
