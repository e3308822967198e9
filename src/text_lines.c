/* Job: lines of a file of any size, one at a time.
 * Invariant: no more is held than a line and what was read with it. */
#include <string.h>

#include "memory.h"
#include "text_source.h"

struct reel_lines {
    reel__source f;
    reel__window w;
    int64_t number; /* of the line read last */
};

reel_lines *reel_lines_open(const char *path)
{
    reel_lines *l = reel__calloc(1, sizeof *l);
    if (l && reel__source_open(&l->f, path)) {
        l->w.limit = INT64_MAX;
        l->w.place = l->f.place;
    }
    return l;
}

void reel_lines_close(reel_lines *l)
{
    if (l) {
        reel__window_free(&l->w);
        reel__source_close(&l->f);
        reel__free(l);
    }
}

reel_status reel_lines_status(const reel_lines *l)
{
    return l ? l->f.trouble.status : REEL_ERR_ARGUMENT;
}

const char *reel_lines_message(const reel_lines *l)
{
    return l ? l->f.trouble.message : "the reader is NULL";
}

/* The next n bytes are the line, and `end` more end it. */
static const char *take(reel_lines *l, size_t n, size_t end, size_t *length)
{
    char *line = l->w.buffer + l->w.begin;
    l->w.begin += n + end;
    l->number++;
    if (end && n && line[n - 1] == '\r') {
        n--;
    }
    line[n] = 0; /* over its end, or where the buffer has room for it */
    if (length) {
        *length = n;
    }
    return line;
}

const char *reel_lines_next(reel_lines *l, size_t *n)
{
    if (n) {
        *n = 0;
    }
    if (!l || l->f.trouble.status) {
        return NULL;
    }
    size_t seen = 0; /* bytes without a line end */
    for (;;) {
        size_t waiting = l->w.end - l->w.begin;
        const char *line = l->w.buffer ? l->w.buffer + l->w.begin : "";
        const char *end = waiting > seen ? memchr(line + seen, '\n', waiting - seen) : NULL;
        if (end) {
            return take(l, (size_t)(end - line), 1, n);
        }
        seen = waiting;
        reel__filled filled = reel__window_fill(&l->f, &l->w);
        if (filled != REEL__MORE) {
            return filled == REEL__ENDED && waiting ? take(l, waiting, 0, n) : NULL;
        }
    }
}

int64_t reel_lines_number(const reel_lines *l)
{
    return l ? l->number : 0;
}

int64_t reel_lines_tell(const reel_lines *l)
{
    return l ? reel__window_tell(&l->w) : 0;
}

reel_status reel_lines_seek(reel_lines *l, int64_t place, int64_t number)
{
    if (!l || l->f.trouble.status) {
        return reel_lines_status(l);
    }
    if (!l->f.seekable) {
        return reel__trouble_set(&l->f.trouble, REEL_ERR_FILE,
                                 "%.1024s: cannot go to a place in it: it is no file on a disk",
                                 l->f.label);
    }
    if (place < 0 || place > l->f.size || number < 1) {
        return reel__trouble_set(&l->f.trouble, REEL_ERR_ARGUMENT,
                                 "%.1024s: cannot go to byte %lld as line %lld: it has %lld bytes, "
                                 "and lines are numbered from 1",
                                 l->f.label, (long long)place, (long long)number,
                                 (long long)l->f.size);
    }
    reel__window_seek(&l->w, place);
    l->number = number - 1;
    return REEL_OK;
}
