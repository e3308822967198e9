/* Job: the table of a text's tokens: counting them, and giving them numbers.
 * Invariant: special tokens are not in the table; a token of a text that is written like one is,
 * and never gets a number. The numbers depend on counts and bytes alone, not on the order of
 * counting. Must not know: files' formats. */
#include "text_vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

const char *const reel__special_name[REEL_SPECIALS] = {"<unk>", "<s>", "</s>"};

reel_vocabulary *reel_vocabulary_new(reel_units units, bool special)
{
    reel_vocabulary *v = reel__calloc(1, sizeof *v);
    if (!v) {
        return NULL;
    }
    v->units = units;
    v->special = special;
    v->size = reel__vocabulary_base(v);
    if (units != REEL_WORDS && units != REEL_CHARACTERS && units != REEL_BYTES) {
        reel__trouble_set(&v->trouble, REEL_ERR_ARGUMENT,
                          "vocabulary: units %d: expected words, characters or bytes", (int)units);
    }
    return v;
}

void reel_vocabulary_free(reel_vocabulary *v)
{
    if (!v) {
        return;
    }
    reel__arena_free(&v->bytes);
    reel__free(v->word);
    reel__free(v->slot);
    reel__free(v->numbered);
    reel__free(v);
}

reel_status reel_vocabulary_status(const reel_vocabulary *v)
{
    return v ? v->trouble.status : REEL_ERR_ARGUMENT;
}

const char *reel_vocabulary_message(const reel_vocabulary *v)
{
    return v ? v->trouble.message : "the vocabulary is NULL";
}

int32_t reel__vocabulary_base(const reel_vocabulary *v)
{
    return v->special ? REEL_SPECIALS : 0;
}

int32_t reel__special_number(const reel_vocabulary *v, const char *s, size_t n)
{
    for (int32_t i = 0; i < reel__vocabulary_base(v); i++) {
        const char *name = reel__special_name[i];
        if (n == strlen(name) && memcmp(s, name, n) == 0) {
            return i;
        }
    }
    return -1;
}

/* The table */

/* FNV-1a, 64 bit, its halves mixed, since the low bits choose the slot. */
static uint64_t hash_of(const char *s, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
    }
    return h ^ h >> 32;
}

/* The slot that holds the token, or the free one where it belongs. */
static size_t slot_of(const reel_vocabulary *v, const char *s, size_t n, uint64_t hash)
{
    size_t i = (size_t)hash & (v->slots - 1);
    for (; v->slot[i]; i = (i + 1) & (v->slots - 1)) {
        const reel__word *w = &v->word[v->slot[i] - 1];
        if (w->hash == hash && w->n == n && memcmp(w->s, s, n) == 0) {
            break;
        }
    }
    return i;
}

static reel__word *look_up(const reel_vocabulary *v, const char *s, size_t n)
{
    uint32_t found = v->slots ? v->slot[slot_of(v, s, n, hash_of(s, n))] : 0;
    return found ? &v->word[found - 1] : NULL;
}

/* Room for one more token. */
static bool grow(reel_vocabulary *v)
{
    enum { FIRST_SLOTS = 512 };
    if (v->words == v->word_room) {
        size_t room = v->word_room ? 2 * v->word_room : FIRST_SLOTS / 2;
        reel__word *word = reel__reallocarray(v->word, room, sizeof *word);
        if (!word) {
            return false;
        }
        v->word = word;
        v->word_room = room;
    }
    if (2 * (v->words + 1) <= v->slots) {
        return true;
    }
    size_t slots = v->slots ? 2 * v->slots : FIRST_SLOTS;
    uint32_t *slot = reel__calloc(slots, sizeof *slot);
    if (!slot) {
        return false;
    }
    reel__free(v->slot);
    v->slot = slot;
    v->slots = slots;
    for (size_t i = 0; i < v->words; i++) {
        const reel__word *w = &v->word[i];
        v->slot[slot_of(v, w->s, w->n, w->hash)] = (uint32_t)i + 1;
    }
    return true;
}

reel__word *reel__vocabulary_add(reel_vocabulary *v, const char *s, size_t n, bool *fresh)
{
    uint64_t hash = hash_of(s, n);
    uint32_t found = v->slots ? v->slot[slot_of(v, s, n, hash)] : 0;
    *fresh = !found;
    if (found) {
        return &v->word[found - 1];
    }
    char *copy = v->words < INT32_MAX && grow(v) ? reel__arena_alloc(&v->bytes, n + 1) : NULL;
    if (!copy) {
        return NULL;
    }
    memcpy(copy, s, n);
    copy[n] = 0;
    reel__word *w = &v->word[v->words];
    *w = (reel__word){.s = copy, .n = n, .hash = hash, .number = -1};
    v->words++;
    v->slot[slot_of(v, s, n, hash)] = (uint32_t)v->words;
    return w;
}

int32_t reel__vocabulary_unknown(const reel_vocabulary *v)
{
    return v->special ? REEL_UNKNOWN : -1;
}

int32_t reel__vocabulary_number(const reel_vocabulary *v, const char *s, size_t n)
{
    const reel__word *w = look_up(v, s, n);
    return w && w->number >= 0 ? w->number : reel__vocabulary_unknown(v);
}

/* Counting */

/* Where a text stands, for messages. */
typedef struct spot {
    const char *label; /* the file; NULL: a text in memory */
    int64_t line;      /* from 1 */
    int64_t byte;      /* of the line, of the text where there is no file; from 0 */
} spot;

static reel_status not_utf8(reel_vocabulary *v, const spot *at, unsigned char byte)
{
    long long number = (long long)at->byte + 1;
    return at->label
               ? reel__trouble_set(&v->trouble, REEL_ERR_FORMAT,
                                   "%.1024s: line %lld: byte %lld (0x%02x) is not valid UTF-8",
                                   at->label, (long long)at->line, number, byte)
               : reel__trouble_set(&v->trouble, REEL_ERR_FORMAT,
                                   "count: byte %lld of the text (0x%02x) is not valid UTF-8",
                                   number, byte);
}

static reel_status out_of_memory(reel_vocabulary *v)
{
    return reel__trouble_set(&v->trouble, REEL_ERR_MEMORY, "vocabulary: out of memory");
}

/* A token that was not counted yet, which alone has to be looked at for its UTF-8. */
static reel__word *take_new(reel_vocabulary *v, const char *s, size_t n, const spot *at)
{
    size_t wrong = v->units == REEL_WORDS ? reel_utf8_invalid(s, n) : n;
    if (wrong < n) {
        spot there = *at;
        there.byte += (int64_t)wrong;
        not_utf8(v, &there, (unsigned char)s[wrong]);
        return NULL;
    }
    bool fresh;
    reel__word *w = reel__vocabulary_add(v, s, n, &fresh);
    if (!w) {
        out_of_memory(v);
    }
    return w;
}

/* Counts a token that begins at that spot. */
static reel_status count_token(reel_vocabulary *v, const char *s, size_t n, const spot *at)
{
    reel__word *w = look_up(v, s, n);
    w = w ? w : take_new(v, s, n, at);
    if (w) {
        w->count++;
        v->total++;
        v->known += w->number >= 0;
    }
    return v->trouble.status;
}

reel_status reel_vocabulary_count(reel_vocabulary *v, const char *text, size_t n)
{
    if (!v || v->trouble.status) {
        return reel_vocabulary_status(v);
    }
    if (!text && n) {
        return reel__trouble_set(&v->trouble, REEL_ERR_ARGUMENT, "count: the text is NULL");
    }
    reel_status status = REEL_OK;
    for (size_t i = 0, begin, end; !status && i < n; i += end) {
        reel__piece piece = reel__scan(v->units, true, text + i, n - i, &begin, &end);
        spot at = {.byte = (int64_t)(i + begin)};
        if (piece == REEL__INVALID) {
            status = not_utf8(v, &at, (unsigned char)text[i]);
        } else if (piece == REEL__TOKEN) {
            status = count_token(v, text + i + begin, end - begin, &at);
        }
    }
    return status;
}

static reel_status count_source(reel_vocabulary *v, reel__source *f, reel__window *w)
{
    spot at = {.label = f->label, .line = 1};
    int64_t line_begin = w->place;
    for (;;) {
        const char *s = NULL;
        size_t n = 0;
        reel__piece piece = reel__window_next(f, w, v->units, &s, &n);
        if (piece == REEL__NONE) {
            return REEL_OK;
        }
        if (piece == REEL__UNREADABLE) {
            return reel__trouble_set(&v->trouble, f->trouble.status, "%s", f->trouble.message);
        }
        int64_t end = reel__window_tell(w);
        at.byte = end - (int64_t)n - line_begin;
        if (piece == REEL__INVALID) {
            return not_utf8(v, &at, (unsigned char)*s);
        }
        reel_status status = piece == REEL__TOKEN ? count_token(v, s, n, &at) : REEL_OK;
        if (status) {
            return status;
        }
        if (n == 1 && *s == '\n') {
            at.line++;
            line_begin = end;
        }
    }
}

reel_status reel_vocabulary_count_file(reel_vocabulary *v, const char *path)
{
    if (!v || v->trouble.status) {
        return reel_vocabulary_status(v);
    }
    reel__source f;
    reel_status status;
    if (reel__source_open(&f, path)) {
        reel__window w = {.place = f.place, .limit = INT64_MAX};
        status = count_source(v, &f, &w);
        reel__window_free(&w);
    } else {
        status = reel__trouble_set(&v->trouble, f.trouble.status, "%s", f.trouble.message);
    }
    reel__source_close(&f);
    return status;
}

/* Numbers */

/* The most frequent first, then by bytes. No two tokens are equal. */
static int compare(const void *a, const void *b)
{
    const reel__word *x = *(const reel__word *const *)a, *y = *(const reel__word *const *)b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    int order = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static void number_words(reel_vocabulary *v, reel__word *const *order, size_t n)
{
    const int32_t base = reel__vocabulary_base(v);
    for (size_t i = 0; i < v->words; i++) {
        v->word[i].number = -1;
    }
    v->known = 0;
    for (size_t i = 0; i < n; i++) {
        order[i]->number = base + (int32_t)i;
        v->numbered[i] = (uint32_t)(order[i] - v->word);
        v->known += order[i]->count;
    }
    v->size = base + (int32_t)n;
}

reel_status reel_vocabulary_cut(reel_vocabulary *v, int64_t least, int64_t most)
{
    if (!v || v->trouble.status) {
        return reel_vocabulary_status(v);
    }
    const int32_t base = reel__vocabulary_base(v);
    if (least < 0 || most < 0 || (most > 0 && most < base)) {
        return reel__trouble_set(&v->trouble, REEL_ERR_ARGUMENT,
                                 "cut: at least %lld times, at most %lld tokens: expected 0 or "
                                 "more, and room for the %d special tokens",
                                 (long long)least, (long long)most, (int)base);
    }
    least = least ? least : 1;
    most = most && most < INT32_MAX ? most : INT32_MAX;
    reel__word **order = reel__reallocarray(NULL, v->words, sizeof *order);
    uint32_t *numbered = reel__reallocarray(NULL, v->words, sizeof *numbered);
    if (!order || !numbered) {
        reel__free(order);
        reel__free(numbered);
        return out_of_memory(v);
    }
    size_t n = 0;
    for (size_t i = 0; i < v->words; i++) {
        reel__word *w = &v->word[i];
        if (w->count >= least && reel__special_number(v, w->s, w->n) < 0) {
            order[n++] = w;
        }
    }
    qsort(order, n, sizeof *order, compare);
    n = n < (size_t)(most - base) ? n : (size_t)(most - base);
    reel__free(v->numbered);
    v->numbered = numbered;
    number_words(v, order, n);
    reel__free(order);
    return REEL_OK;
}

/* What it holds */

int64_t reel_vocabulary_size(const reel_vocabulary *v)
{
    return v ? v->size : 0;
}

reel_units reel_vocabulary_units(const reel_vocabulary *v)
{
    return v ? v->units : REEL_WORDS;
}

bool reel_vocabulary_special(const reel_vocabulary *v)
{
    return v && v->special;
}

int64_t reel_vocabulary_counted(const reel_vocabulary *v, int32_t token)
{
    if (!v || token < 0 || token >= v->size) {
        return 0;
    }
    const int32_t base = reel__vocabulary_base(v);
    if (token < base) {
        return token == REEL_UNKNOWN ? v->total - v->known : 0;
    }
    return v->word[v->numbered[token - base]].count;
}

int32_t reel_vocabulary_find(const reel_vocabulary *v, const char *token, size_t n)
{
    if (!v || !token) {
        return -1;
    }
    int32_t special = reel__special_number(v, token, n);
    const reel__word *w = special < 0 ? look_up(v, token, n) : NULL;
    return w ? w->number : special;
}

const char *reel_vocabulary_token(const reel_vocabulary *v, int32_t token, size_t *n)
{
    if (!v || token < 0 || token >= v->size) {
        return NULL;
    }
    const int32_t base = reel__vocabulary_base(v);
    const reel__word *w = token < base ? NULL : &v->word[v->numbered[token - base]];
    if (n) {
        *n = w ? w->n : strlen(reel__special_name[token]);
    }
    return w ? w->s : reel__special_name[token];
}
