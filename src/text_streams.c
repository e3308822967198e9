/* Job: a file of any size as streams of tokens side by side.
 * Invariant: what a stream gives next depends on the byte where it stands alone, so that its place
 * is one number; it always stands between two tokens. Memory does not grow with the file. */
#include <string.h>

#include "memory.h"
#include "text_vocabulary.h"

struct reel_streams {
    reel__source f;
    const reel_vocabulary *v;
    int64_t batch;
    reel__window *w; /* [batch]: their limits are the ends of the parts */
    int64_t *begin;  /* [batch]: of the parts */
    int64_t read;
    bool ends;     /* lines end with a token */
    bool unending; /* and the last one has no line end */
};

/* Opening */

static reel_status fail(reel_streams *s, reel_status status, const char *what)
{
    return reel__trouble_set(&s->f.trouble, status, "%.1024s: %s",
                             s->f.label ? s->f.label : "streams", what);
}

/* What a part may begin behind. */
enum { LINE, WORD };

static bool ends_with(int kind, char c)
{
    return c == '\n' || (kind == WORD && reel__is_blank(c));
}

/* The first place from `from` to before `to` behind a line end, or behind a word; -1: there is none
 * or it cannot be read. */
static int64_t find_beginning(reel_streams *s, reel__window *w, int kind, int64_t from, int64_t to)
{
    w->limit = to - 1; /* a part that begins behind it would be empty */
    reel__window_seek(w, from - 1);
    while (reel__window_fill(&s->f, w) == REEL__MORE) {
        int64_t place = reel__window_tell(w);
        for (size_t i = w->begin; i < w->end; i++) {
            if (ends_with(kind, w->buffer[i])) {
                return place + (int64_t)(i - w->begin) + 1;
            }
        }
        w->begin = w->end;
    }
    return -1;
}

/* The first place from there on that is not in the middle of a character; -1: it cannot be read. */
static int64_t find_character(reel_streams *s, reel__window *w, int64_t from, int64_t to)
{
    enum { LONGEST = 4 };
    w->limit = to;
    reel__window_seek(w, from);
    if (reel__window_fill(&s->f, w) != REEL__MORE) {
        return -1;
    }
    size_t i = 0, n = w->end - w->begin;
    while (i < n && i < LONGEST - 1 && ((unsigned char)w->buffer[w->begin + i] & 0xC0) == 0x80) {
        i++;
    }
    return i < n ? from + (int64_t)i : -1;
}

/* Where a part that should begin at `from`, and the next one at `to`, does begin; -1: nowhere. */
static int64_t find_cut(reel_streams *s, reel__window *w, int64_t from, int64_t to)
{
    enum { NEAR = 1 << 20 }; /* what has no line end for so long has no lines to speak of */
    int64_t near = to - from < NEAR ? to : from + NEAR;
    int64_t cut = find_beginning(s, w, LINE, from, near);
    if (cut >= 0 || s->f.trouble.status || s->v->units == REEL_BYTES) {
        return cut >= 0 || s->f.trouble.status ? cut : from;
    }
    return s->v->units == REEL_WORDS ? find_beginning(s, w, WORD, from, to)
                                     : find_character(s, w, from, to);
}

/* size b / batch without overflow. */
static int64_t share(int64_t size, int64_t b, int64_t batch)
{
    return size / batch * b + size % batch * b / batch;
}

static bool too_few(reel_streams *s, int64_t b)
{
    reel__trouble_set(
        &s->f.trouble, REEL_ERR_VALUE,
        "%.1024s: %lld bytes of it are too few for a batch of %lld: stream %lld would "
        "have no token of its own",
        s->f.label, (long long)s->f.size, (long long)s->batch, (long long)b);
    return false;
}

static bool cut_parts(reel_streams *s, reel__window *w)
{
    const int64_t size = s->f.size, batch = s->batch;
    for (int64_t b = 1; b < batch; b++) {
        int64_t from = share(size, b, batch), to = share(size, b + 1, batch);
        s->begin[b] = find_cut(s, w, from, to);
        if (s->begin[b] < 0) {
            return too_few(s, b);
        }
    }
    for (int64_t b = 0; b < batch; b++) {
        s->w[b].place = s->begin[b];
        s->w[b].limit = b + 1 < batch ? s->begin[b + 1] : size;
    }
    return true;
}

/* Whether there is no line feed at the file's end. */
static bool lacks_line_end(reel_streams *s, reel__window *w)
{
    w->limit = s->f.size;
    reel__window_seek(w, s->f.size - 1);
    return reel__window_fill(&s->f, w) == REEL__MORE && w->buffer[w->begin] != '\n';
}

static void prepare(reel_streams *s)
{
    const size_t n = (size_t)s->batch;
    if (s->f.size < s->batch) { /* with a byte or more for each, no part is empty */
        too_few(s, s->f.size);
        return;
    }
    s->w = reel__calloc(n, sizeof *s->w);
    s->begin = reel__calloc(n, sizeof *s->begin);
    if (!s->w || !s->begin) {
        fail(s, REEL_ERR_MEMORY, "out of memory");
        return;
    }
    reel__window w = {.buffer = NULL};
    s->ends = s->v->units == REEL_WORDS && s->v->special;
    if (cut_parts(s, &w)) {
        s->unending = s->ends && lacks_line_end(s, &w);
    }
    reel__window_free(&w);
}

reel_streams *reel_streams_open(const char *path, const reel_vocabulary *v, int64_t batch)
{
    reel_streams *s = reel__calloc(1, sizeof *s);
    if (!s) {
        return NULL;
    }
    s->v = v;
    s->batch = batch;
    bool open = reel__source_open(&s->f, path);
    if (open && (!v || batch < 1)) {
        fail(s, REEL_ERR_ARGUMENT,
             v ? "a batch of less than one stream" : "the streams' vocabulary is NULL");
    } else if (open && !s->f.seekable) {
        fail(s, REEL_ERR_FILE, "cannot be read as streams: it is no file on a disk");
    } else if (open) {
        prepare(s);
    }
    return s;
}

void reel_streams_close(reel_streams *s)
{
    if (!s) {
        return;
    }
    for (int64_t b = 0; s->w && b < s->batch; b++) {
        reel__window_free(&s->w[b]);
    }
    reel__free(s->w);
    reel__free(s->begin);
    reel__source_close(&s->f);
    reel__free(s);
}

reel_status reel_streams_status(const reel_streams *s)
{
    return s ? s->f.trouble.status : REEL_ERR_ARGUMENT;
}

const char *reel_streams_message(const reel_streams *s)
{
    return s ? s->f.trouble.message : "the streams are NULL";
}

/* Reading */

/* At its part's end: back to the beginning. Returns whether the end of the last line, which has no
 * line feed, comes between. */
static bool turn(reel_streams *s, int64_t b)
{
    bool line_end = s->unending && b + 1 == s->batch;
    reel__window_seek(&s->w[b], s->begin[b]);
    return line_end;
}

static bool next_token(reel_streams *s, int64_t b, int32_t *token)
{
    const char *text;
    size_t n;
    for (int turns = 0;;) {
        switch (reel__window_next(&s->f, &s->w[b], s->v->units, &text, &n)) {
        case REEL__TOKEN:
            *token = reel__vocabulary_number(s->v, text, n);
            return true;
        case REEL__INVALID:
            *token = reel__vocabulary_unknown(s->v);
            return true;
        case REEL__LINE_END:
            if (s->ends) {
                *token = REEL_END_OF_TEXT;
                return true;
            }
            break;
        case REEL__NONE:
            if (turn(s, b)) {
                *token = REEL_END_OF_TEXT;
                return true;
            }
            if (++turns > 1) {
                reel__trouble_set(&s->f.trouble, REEL_ERR_VALUE,
                                  "%.1024s: stream %lld, bytes %lld to %lld, has no token",
                                  s->f.label, (long long)b, (long long)s->begin[b],
                                  (long long)s->w[b].limit);
                return false;
            }
            break;
        case REEL__UNREADABLE:
            return false;
        }
    }
}

reel_status reel_streams_next(reel_streams *s, int64_t n, int32_t *token)
{
    if (!s || s->f.trouble.status) {
        return reel_streams_status(s);
    }
    if (n < 0 || (n && !token)) {
        return fail(s, REEL_ERR_ARGUMENT, "less than no tokens, or no room for them");
    }
    for (int64_t b = 0; b < s->batch; b++) {
        for (int64_t t = 0; t < n; t++) {
            if (!next_token(s, b, &token[t * s->batch + b])) {
                return s->f.trouble.status;
            }
        }
    }
    s->read += n * s->batch;
    return REEL_OK;
}

int64_t reel_streams_read(const reel_streams *s)
{
    return s ? s->read : 0;
}

void reel_streams_tell(const reel_streams *s, int64_t *place)
{
    for (int64_t b = 0; s && s->w && b < s->batch; b++) {
        place[b] = reel__window_tell(&s->w[b]);
    }
}

reel_status reel_streams_seek(reel_streams *s, const int64_t *place)
{
    if (!s || s->f.trouble.status) {
        return reel_streams_status(s);
    }
    if (!place) {
        return fail(s, REEL_ERR_ARGUMENT, "no places to go on from");
    }
    for (int64_t b = 0; b < s->batch; b++) {
        if (place[b] < s->begin[b] || place[b] > s->w[b].limit) {
            return reel__trouble_set(
                &s->f.trouble, REEL_ERR_ARGUMENT,
                "%.1024s: stream %lld cannot go on at byte %lld: it has bytes %lld to %lld; "
                "were file and batch the same?",
                s->f.label, (long long)b, (long long)place[b], (long long)s->begin[b],
                (long long)s->w[b].limit);
        }
    }
    for (int64_t b = 0; b < s->batch; b++) {
        reel__window_seek(&s->w[b], place[b]);
    }
    return REEL_OK;
}
