/* What was taken for what, as a picture: a square for each pair, the darker the larger its share of
 * the row, so that frequent classes do not outshine rare ones. */
#include "labels.h"
#include "program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 44, LEFT = 150, TOP = 130, ROOM = 400, MOST_DRAWN = 200 };

typedef struct svg {
    char *text;
    size_t size, room;
    bool failed;
} svg;

static void put(svg *p, const char *format, ...) REEL_PRINTF(2, 3);
static void put(svg *p, const char *format, ...)
{
    if (p->room - p->size < ROOM && !p->failed) {
        char *more = realloc(p->text, 2 * p->room + ROOM);
        p->failed = !more;
        p->text = more ? more : p->text;
        p->room = more ? 2 * p->room + ROOM : p->room;
    }
    if (p->failed) {
        return;
    }
    va_list rest;
    va_start(rest, format);
    int n = vsnprintf(p->text + p->size, p->room - p->size, format, rest);
    va_end(rest);
    p->size += n > 0 && (size_t)n < p->room - p->size ? (size_t)n : 0;
}

/* A name's first characters as XML text. */
static void put_name(svg *p, const char *name)
{
    enum { SHOWN = 18 };
    int shown = 0;
    for (const char *c = name; *c; c++) {
        shown += ((unsigned char)*c & 0xC0) != 0x80;
        if (shown > SHOWN) {
            put(p, "…");
            return;
        }
        const char *written = *c == '&' ? "&amp;" : *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : NULL;
        if (written) {
            put(p, "%s", written);
        } else {
            put(p, "%c", *c);
        }
    }
}

static void put_row(svg *p, const scores *s, int64_t i)
{
    int64_t n = s->labels->n, all = 0, y = TOP + i * SIDE;
    for (int64_t j = 0; j < n; j++) {
        all += s->count[i * n + j];
    }
    put(p, "<text x=\"%d\" y=\"%lld\" text-anchor=\"end\">", LEFT - 6,
        (long long)(y + SIDE / 2 + 4));
    put_name(p, s->labels->name[i]);
    put(p, "</text>\n");
    for (int64_t j = 0; j < n; j++) {
        double share = all > 0 ? (double)s->count[i * n + j] / (double)all : 0;
        long long x = LEFT + j * SIDE;
        put(p, "<rect x=\"%lld\" y=\"%lld\" width=\"%d\" height=\"%d\" fill=\"rgb(%d,%d,%d)\"/>\n",
            x, (long long)y, SIDE, SIDE, (int)(255 - 225 * share), (int)(255 - 175 * share),
            (int)(255 - 105 * share));
        put(p, "<text x=\"%lld\" y=\"%lld\" text-anchor=\"middle\" fill=\"%s\">%lld</text>\n",
            x + SIDE / 2, (long long)(y + SIDE / 2 + 4), share > 0.5 ? "white" : "black",
            (long long)s->count[i * n + j]);
    }
}

static void put_columns(svg *p, const scores *s)
{
    for (int64_t j = 0; j < s->labels->n; j++) {
        long long x = LEFT + j * SIDE + SIDE / 2 + 4;
        put(p, "<text transform=\"translate(%lld,%d) rotate(-60)\">", x, TOP - 6);
        put_name(p, s->labels->name[j]);
        put(p, "</text>\n");
    }
}

bool scores_draw(const scores *s, const char *path)
{
    if (s->labels->n > MOST_DRAWN) {
        return complain("%s: %lld labels: expected no more than %d to draw", path,
                        (long long)s->labels->n, MOST_DRAWN);
    }
    svg p = {0};
    long long width = LEFT + s->labels->n * SIDE + 90, height = TOP + s->labels->n * SIDE + 10;
    put(&p,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%lld\" height=\"%lld\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
        "<text x=\"6\" y=\"18\">row: true, column: taken for</text>\n",
        width, height);
    put_columns(&p, s);
    for (int64_t i = 0; i < s->labels->n; i++) {
        put_row(&p, s, i);
    }
    put(&p, "</svg>\n");
    char message[256];
    bool ok = !p.failed || out_of_memory();
    if (ok && reel_write_file(path, p.text, p.size, message, sizeof message) != REEL_OK) {
        ok = complain("%s: %s", path, message);
    }
    free(p.text);
    return ok;
}
