/* Job: cut text into tokens, in memory and in files alike.
 * Invariant: what a piece is depends on nothing before it, so that reading can begin at the end of
 * any piece. Must not know: which tokens have numbers. */
#include "text_source.h"

bool reel__is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static reel__piece scan_word(bool last, const char *s, size_t n, size_t *begin, size_t *end)
{
    size_t i = 0;
    while (i < n && reel__is_blank(s[i])) {
        i++;
    }
    *begin = *end = i;
    if (i < n && s[i] == '\n') {
        *end = i + 1;
        return REEL__LINE_END;
    }
    while (i < n && s[i] != '\n' && !reel__is_blank(s[i])) {
        i++;
    }
    if (i == *begin || (i == n && !last)) {
        return REEL__NONE;
    }
    *end = i;
    return REEL__TOKEN;
}

static reel__piece scan_character(bool last, const char *s, size_t n, size_t *end)
{
    enum { LONGEST = 4 };
    uint32_t code;
    size_t length = reel_utf8_decode(s, n, &code);
    if (length == 0 && n < LONGEST && !last) {
        return REEL__NONE;
    }
    *end = length ? length : 1;
    return length ? REEL__TOKEN : REEL__INVALID;
}

reel__piece reel__scan(reel_units units, bool last, const char *s, size_t n, size_t *begin,
                       size_t *end)
{
    *begin = *end = 0;
    if (n == 0) {
        return REEL__NONE;
    }
    if (units == REEL_WORDS) {
        return scan_word(last, s, n, begin, end);
    }
    if (units == REEL_CHARACTERS) {
        return scan_character(last, s, n, end);
    }
    *end = 1;
    return REEL__TOKEN;
}

reel__piece reel__window_next(reel__source *f, reel__window *w, reel_units units, const char **s,
                              size_t *n)
{
    bool last = false;
    for (;;) {
        size_t begin, end;
        const char *text = w->buffer ? w->buffer + w->begin : "";
        reel__piece piece = reel__scan(units, last, text, w->end - w->begin, &begin, &end);
        if (piece != REEL__NONE) {
            *s = text + begin;
            *n = end - begin;
            w->begin += end;
            return piece;
        }
        w->begin += begin;
        if (last) {
            return REEL__NONE;
        }
        reel__filled filled = reel__window_fill(f, w);
        if (filled == REEL__FAILED) {
            return REEL__UNREADABLE;
        }
        last = filled == REEL__ENDED;
    }
}
