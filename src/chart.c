/* Job: heat maps: check what was asked for, find the ends of the scale, send the text where it
 * belongs.
 * Invariant: whatever fails, the old file stays whole and the reason is in the caller's message.
 * Must not know: how a map is laid out. */
#include "chart.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "deliver.h"

enum { MOST_CELLS = 1000000, MOST_MAPS = 10000, MOST_DIGITS = 9, MOST_PX = 1000 };

static reel_status fail(const reel_heat_map_args *a, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);
static reel_status fail(const reel_heat_map_args *a, reel_status status, const char *format, ...)
{
    char text[REEL__WRITER_MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *at = a->at ? a->at : "", *slash = strrchr(at, '/');
    if (a->message && a->room) {
        snprintf(a->message, a->room, "%s%sreel_heat_map: %s", slash ? slash + 1 : at,
                 *at ? ": " : "", text);
    }
    return status;
}

/* What the colours stand for */

double reel__chart_sum(const reel__chart *c, const reel_heat *m, int64_t row)
{
    double sum = 0;
    for (int64_t j = 0; c->args->by_row && j < m->columns; j++) {
        double v = m->value[row * m->columns + j];
        sum += isfinite(v) ? fabs(v) : 0;
    }
    return sum;
}

double reel__chart_level(const reel__chart *c, const reel_heat *m, int64_t row, int64_t column,
                         double sum)
{
    double v = m->value[row * m->columns + column];
    if (!c->args->by_row || !isfinite(v)) {
        return v;
    }
    return sum != 0 ? v / sum : 0; /* a class that never occurs */
}

static void look_at_row(reel__chart *c, const reel_heat *m, int64_t i, double *least, double *most)
{
    double sum = reel__chart_sum(c, m, i);
    for (int64_t j = 0; j < m->columns; j++) {
        double v = m->value[i * m->columns + j], level = reel__chart_level(c, m, i, j, sum);
        if (!isfinite(level)) {
            c->strange++;
            continue;
        }
        c->whole = c->whole && v == floor(v) && fabs(v) < 1e15;
        *least = fmin(*least, level);
        *most = fmax(*most, level);
    }
}

static void find_range(reel__chart *c)
{
    double least = INFINITY, most = -INFINITY;
    c->whole = true;
    for (size_t k = 0; k < c->maps; k++) {
        for (int64_t i = 0; i < c->map[k].rows; i++) {
            look_at_row(c, &c->map[k], i, &least, &most);
        }
    }
    c->low = c->args->low;
    c->high = c->args->high;
    if (c->low == 0 && c->high == 0) {
        bool any = least <= most, both = c->args->scale == REEL_CHART_DIVERGING;
        double reach = any ? fmax(fabs(least), fabs(most)) : 1;
        c->low = both ? -reach : any ? fmin(least, 0) : 0;
        c->high = both ? reach : any ? most : 1;
        c->low = fmin(fmax(c->low, -1e300), 1e300); /* the difference of the ends stays finite */
        c->high = fmin(fmax(c->high, -1e300), 1e300);
        c->high = c->low < c->high ? c->high : c->low + fmax(1, fabs(c->low));
    }
    c->digits = c->args->digits > 0 ? c->args->digits : c->args->digits < 0 || c->whole ? 0 : 2;
}

/* Checks */

static reel_status check_map(const reel__chart *c, size_t k, int64_t *cells)
{
    const reel_heat *m = &c->map[k];
    char which[40] = "";
    if (c->args->maps) {
        snprintf(which, sizeof which, "map %zu: ", k);
    }
    if (m->rows < 1 || m->columns < 1) {
        return fail(c->args, REEL_ERR_ARGUMENT,
                    "%s%lld rows and %lld columns: expected 1 or more of each", which,
                    (long long)m->rows, (long long)m->columns);
    }
    if (m->rows > MOST_CELLS || m->columns > MOST_CELLS ||
        (*cells += m->rows * m->columns) > MOST_CELLS) {
        return fail(c->args, REEL_ERR_ARGUMENT,
                    "%s%lld rows and %lld columns: expected no more than %d cells in all", which,
                    (long long)m->rows, (long long)m->columns, MOST_CELLS);
    }
    if (!m->value) {
        return fail(c->args, REEL_ERR_ARGUMENT, "%sno values: .value is NULL", which);
    }
    for (int64_t i = 0; i < m->rows + m->columns; i++) {
        const bool row = i < m->rows;
        const char *const *label = row ? m->row_label : m->column_label;
        int64_t at = row ? i : i - m->rows;
        if (label && !label[at]) {
            return fail(c->args, REEL_ERR_ARGUMENT, "%sthe label of %s %lld is NULL", which,
                        row ? "row" : "column", (long long)at);
        }
    }
    return REEL_OK;
}

static bool is_size(double px)
{
    return px == 0 || (px >= 1 && px <= MOST_PX);
}

static reel_status check_style(const reel_heat_map_args *a)
{
    if (a->scale < REEL_CHART_SEQUENTIAL || a->scale > REEL_CHART_GREY) {
        return fail(a, REEL_ERR_ARGUMENT, "no scale has number %d", (int)a->scale);
    }
    if (a->theme < REEL_CHART_LIGHT || a->theme > REEL_CHART_PRINT) {
        return fail(a, REEL_ERR_ARGUMENT, "no theme has number %d", (int)a->theme);
    }
    bool given = a->low != 0 || a->high != 0;
    if (given && !(a->low < a->high && isfinite(a->high - a->low))) {
        return fail(a, REEL_ERR_ARGUMENT,
                    "the scale goes from %g to %g: expected .low below .high, both finite", a->low,
                    a->high);
    }
    if (!is_size(a->cell_width) || !is_size(a->cell_height)) {
        return fail(a, REEL_ERR_ARGUMENT, "cells of %g x %g px: expected from 1 to %d, or 0",
                    a->cell_width, a->cell_height, MOST_PX);
    }
    if (a->digits > MOST_DIGITS) {
        return fail(a, REEL_ERR_ARGUMENT, "%d digits: expected no more than %d", a->digits,
                    MOST_DIGITS);
    }
    return REEL_OK;
}

static bool ends_in_svg(const char *path)
{
    size_t n = strlen(path);
    const char *end = path + (n < 4 ? 0 : n - 4);
    return n > 4 && end[0] == '.' && (end[1] | 32) == 's' && (end[2] | 32) == 'v' &&
           (end[3] | 32) == 'g';
}

static reel_status check(const reel__chart *c)
{
    const reel_heat_map_args *a = c->args;
    if (!a->path == !a->stream) {
        return fail(a, REEL_ERR_ARGUMENT, "expected either a path or a stream");
    }
    if (a->path && !ends_in_svg(a->path)) {
        return fail(a, REEL_ERR_ARGUMENT,
                    "%.400s: unknown kind of file: expected a name that ends in .svg", a->path);
    }
    if (a->maps && (!a->map || a->value)) {
        return fail(a, REEL_ERR_ARGUMENT, "%zu maps, and %s", a->maps,
                    a->map ? "also .value: expected one of the two" : ".map is NULL");
    }
    if (a->maps > MOST_MAPS) {
        return fail(a, REEL_ERR_ARGUMENT, "%zu maps: expected no more than %d", a->maps, MOST_MAPS);
    }
    int64_t cells = 0;
    reel_status status = check_style(a);
    for (size_t k = 0; !status && k < c->maps; k++) {
        status = check_map(c, k, &cells);
    }
    return status;
}

/* Where it goes */

static bool write_chart(const void *chart, reel__text *out)
{
    return reel__chart_write(chart, out);
}

static size_t square_root(size_t n)
{
    size_t root = 1;
    while (root * root < n) {
        root++;
    }
    return root;
}

reel_status reel_heat_map_with(const reel_heat_map_args *a)
{
    if (!a) {
        return REEL_ERR_ARGUMENT;
    }
    if (a->message && a->room) {
        *a->message = '\0';
    }
    reel__chart c = {.args = a, .map = a->map, .maps = a->maps};
    if (!a->maps) {
        c.single = (reel_heat){.rows = a->rows,
                               .columns = a->columns,
                               .value = a->value,
                               .row_label = a->row_label,
                               .column_label = a->column_label,
                               .row_title = a->row_title,
                               .column_title = a->column_title};
        c.map = &c.single;
        c.maps = 1;
    }
    reel_status status = check(&c);
    if (status) {
        return status;
    }
    c.across = a->across ? a->across : square_root(c.maps);
    c.across = c.across < c.maps ? c.across : c.maps;
    find_range(&c);
    char why[REEL__WRITER_MESSAGE];
    status = reel__deliver(a->path, a->stream, write_chart, &c, why);
    return status ? fail(a, status, "%s", why) : REEL_OK;
}
