/* Job: text that grows, and escaping of whatever users name things for Graphviz.
 * Invariant: what is added escaped is valid UTF-8 without control characters and cannot end the
 * label or attribute it stands in. Must not know: what is drawn. */
#include "label.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

enum { PIECE = 1 << 16 };

static bool failed(const reel__text *t)
{
    return t->no_memory || t->refused;
}

static void hand_over(reel__text *t)
{
    if (!failed(t) && t->n && !t->sink(t->context, t->data, t->n)) {
        t->refused = true;
    }
    t->n = 0;
}

static bool room_for(reel__text *t, size_t n)
{
    if (failed(t)) {
        return false;
    }
    if (t->sink && t->n >= PIECE) {
        hand_over(t);
    }
    if (t->capacity - t->n >= n) {
        return true;
    }
    size_t capacity = t->capacity ? t->capacity : 2 * PIECE;
    while (capacity - t->n < n) {
        if (capacity > SIZE_MAX / 2) {
            t->no_memory = true;
            return false;
        }
        capacity *= 2;
    }
    char *data = reel__realloc(t->data, capacity);
    if (!data) {
        t->no_memory = true;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return !failed(t);
}

static void add_bytes(reel__text *t, const char *bytes, size_t n)
{
    if (n && room_for(t, n)) {
        memcpy(t->data + t->n, bytes, n);
        t->n += n;
    }
}

void reel__text_add(reel__text *t, const char *text)
{
    add_bytes(t, text, strlen(text));
}

void reel__text_format(reel__text *t, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) {
        add_bytes(t, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    }
}

size_t reel__character(const unsigned char *s, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80         ? 1
               : s[0] >> 5 == 0x6  ? 2
               : s[0] >> 4 == 0xe  ? 3
               : s[0] >> 3 == 0x1e ? 4
                                   : 0;
    if (n < 2) {
        *point = s[0];
        return n;
    }
    uint32_t p = s[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) { /* also where the string ends */
            return 0;
        }
        p = p << 6 | (s[i] & 0x3fU);
    }
    *point = p;
    return p < least[n] || p > 0x10ffff || (p >= 0xd800 && p < 0xe000) ? 0 : n;
}

/* Graphviz replaces \N, \G and others by names of what it draws, and \\ by one backslash: once in
 * labels, twice in tooltips (2.43). */
#define BACKSLASH         "\\\\"
#define TOOLTIP_BACKSLASH BACKSLASH BACKSLASH

/* What stands for the characters that may not stand for themselves; NULL: the character may. */
static const char *html_escape(uint32_t point)
{
    switch (point) {
    case '\\':
        return BACKSLASH;
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\n':
        return "<br/>";
    default:
        return NULL;
    }
}

static const char *quoted_escape(uint32_t point)
{
    switch (point) {
    case '&':
        return "&amp;";
    case '"':
        return "\\\"";
    case '\\':
        return TOOLTIP_BACKSLASH;
    case '\n':
        return "\\n";
    default:
        return NULL;
    }
}

static const char *xml_escape(uint32_t point)
{
    return point == '\n' ? "\xe2\x90\xa4" : point == '\\' ? NULL : html_escape(point);
}

/* Control characters as their pictures, U+2400 on; those that are no characters as U+FFFD. */
static bool add_picture(reel__text *t, uint32_t point)
{
    if (point < 0x20) {
        char picture[3] = {'\xe2', '\x90', (char)(0x80 + point)};
        add_bytes(t, picture, sizeof picture);
        return true;
    }
    if (point == 0x7f) {
        reel__text_add(t, "\xe2\x90\xa1");
        return true;
    }
    if ((point >= 0x80 && point < 0xa0) || (point & 0xfffe) == 0xfffe) {
        reel__text_add(t, "\xef\xbf\xbd");
        return true;
    }
    return false;
}

static void add_escaped(reel__text *t, const char *bytes, size_t limit,
                        const char *(*escape)(uint32_t point))
{
    const unsigned char *s = (const unsigned char *)bytes;
    for (size_t i = 0; *s; i++) {
        if (i == limit) {
            reel__text_add(t, "\xe2\x80\xa6");
            return;
        }
        uint32_t point;
        size_t n = reel__character(s, &point);
        if (n == 0) {
            reel__text_add(t, "\xef\xbf\xbd");
            s++;
            continue;
        }
        const char *instead = escape(point);
        if (instead) {
            reel__text_add(t, instead);
        } else if (!add_picture(t, point)) {
            add_bytes(t, (const char *)s, n);
        }
        s += n;
    }
}

void reel__text_html(reel__text *t, const char *bytes, size_t limit)
{
    add_escaped(t, bytes, limit, html_escape);
}

void reel__text_quoted(reel__text *t, const char *bytes, size_t limit)
{
    add_escaped(t, bytes, limit, quoted_escape);
}

void reel__text_xml(reel__text *t, const char *bytes, size_t limit)
{
    add_escaped(t, bytes, limit, xml_escape);
}

bool reel__text_flush(reel__text *t)
{
    if (t->sink) {
        hand_over(t);
    }
    return !failed(t);
}

void reel__text_free(reel__text *t)
{
    reel__free(t->data);
    *t = (reel__text){.sink = t->sink, .context = t->context};
}
