/* Tagged sentences, read from files. */
#include "sentences.h"
#include "../program/program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void sentences_free(sentences *s)
{
    free(s->first);
    free(s->length);
    free(s->word);
    free(s->tag);
    free(s->byte);
    free(s->form);
    reel_vocabulary_free(s->forms);
    *s = (sentences){0};
}

int64_t sentences_words(const sentences *s)
{
    return s->first ? s->first[s->n] : 0;
}

const char *sentences_word(const sentences *s, int64_t i)
{
    return s->byte + s->word[i];
}

/* An array with room for at least n + 1, twice as large as before when it must grow. *room is left
 * to the caller. NULL after a complaint; the array is as it was. */
static void *grown(void *array, int64_t n, int64_t room, size_t size)
{
    if (n < room) {
        return array;
    }
    void *more = realloc(array, (size_t)(2 * n + 256) * size);
    if (!more) {
        out_of_memory();
    }
    return more;
}

static bool room_for_sentence(sentences *s)
{
    int64_t *first = grown(s->first, s->n + 1, s->room, sizeof *first);
    if (!first) {
        return false;
    }
    if (!s->first) {
        first[0] = 0;
    }
    s->room = s->n + 1 < s->room ? s->room : 2 * (s->n + 1) + 256;
    s->first = first;
    return true;
}

static bool room_for_word(sentences *s, int64_t words, int64_t bytes)
{
    int64_t *word = grown(s->word, words, s->word_room, sizeof *word);
    s->word = word ? word : s->word;
    int32_t *tag = grown(s->tag, words, s->word_room, sizeof *tag);
    s->tag = tag ? tag : s->tag;
    char *byte = grown(s->byte, bytes, s->byte_room, 1);
    s->byte = byte ? byte : s->byte;
    if (!word || !tag || !byte) {
        return false;
    }
    s->word_room = words < s->word_room ? s->word_room : 2 * words + 256;
    s->byte_room = bytes < s->byte_room ? s->byte_room : 2 * bytes + 256;
    return true;
}

/* first[n] is where the sentence that is being made begins, first[n + 1] where it ends so far. */
bool sentences_add(sentences *s, const char *word, size_t n, int32_t tag)
{
    if (!room_for_sentence(s)) {
        return false;
    }
    int64_t i = s->open ? s->first[s->n + 1] : s->first[s->n];
    if (!room_for_word(s, i, s->bytes + (int64_t)n)) {
        return false;
    }
    memcpy(s->byte + s->bytes, word, n);
    s->byte[s->bytes + (int64_t)n] = '\0';
    s->word[i] = s->bytes;
    s->tag[i] = tag;
    s->bytes += (int64_t)n + 1;
    s->first[s->n + 1] = i + 1;
    s->open = true;
    return true;
}

void sentences_end(sentences *s)
{
    s->n += s->open;
    s->open = false;
}

/* Files
 * ---------------------------------------------------------------------------------------------- */

/* Where a file is being read. */
typedef struct reading {
    sentences *s;
    labels *tags;
    const char *path;
    int64_t line;
    bool learn;
} reading;

bool sentences_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\0';
}

bool sentences_word_is(const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sentences_blank(word[i])) {
            return false;
        }
    }
    return n > 0;
}

static bool take_word(reading *r, const char *word, size_t n, const char *tag, size_t m)
{
    if (!sentences_word_is(word, n) || m == 0 || memchr(tag, '\0', m)) {
        return complain("%s:%" PRId64
                        ": '%.*s' with the tag '%.*s': expected a word without blanks "
                        "and a tag",
                        r->path, r->line, (int)n, word, (int)m, tag);
    }
    if (reel_utf8_invalid(word, n) < n || reel_utf8_invalid(tag, m) < m) {
        return complain("%s:%" PRId64 ": not valid UTF-8", r->path, r->line);
    }
    int32_t number = r->learn ? labels_add(r->tags, tag, m) : labels_find(r->tags, tag, m);
    if (number < 0) {
        return !r->learn && complain("%s:%" PRId64 ": the model has no tag '%.*s'", r->path,
                                     r->line, (int)m, tag);
    }
    return sentences_add(r->s, word, n, number);
}

static const char *last_of(const char *text, size_t n, char c)
{
    while (n > 0) {
        if (text[--n] == c) {
            return text + n;
        }
    }
    return NULL;
}

/* The first column is the word, the last one the tag; between them are tabs or, without any,
 * spaces. */
static bool take_columns(reading *r, const char *line, size_t n)
{
    if (n == 0) {
        sentences_end(r->s);
        return true;
    }
    char between = memchr(line, '\t', n) ? '\t' : ' ';
    const char *first = memchr(line, between, n), *last = last_of(line, n, between);
    if (!first) {
        return complain("%s:%" PRId64 ": '%.*s': expected a word, a tab and a tag", r->path,
                        r->line, (int)n, line);
    }
    return take_word(r, line, (size_t)(first - line), last + 1, n - (size_t)(last + 1 - line));
}

static bool take_slashes(reading *r, const char *line, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n;) {
        size_t from = i;
        while (i < n && line[i] != ' ' && line[i] != '\t') {
            i++;
        }
        const char *slash = last_of(line + from, i - from, '/');
        if (i > from && !slash) {
            return complain("%s:%" PRId64 ": '%.*s': expected a word, a slash and a tag", r->path,
                            r->line, (int)(i - from), line + from);
        }
        ok = i == from || take_word(r, line + from, (size_t)(slash - line) - from, slash + 1,
                                    i - (size_t)(slash + 1 - line));
        i++;
    }
    sentences_end(r->s);
    return ok;
}

bool sentences_read(sentences *s, const char *path, bool slashes, bool learn, labels *tags)
{
    reading r = {.s = s, .tags = tags, .path = path, .learn = learn};
    reel_lines *lines = reel_lines_open(path);
    if (!lines) {
        return out_of_memory();
    }
    bool ok = true;
    size_t n;
    for (const char *line; ok && (line = reel_lines_next(lines, &n));) {
        r.line = reel_lines_number(lines);
        ok = slashes ? take_slashes(&r, line, n) : take_columns(&r, line, n);
    }
    if (ok && reel_lines_status(lines) != REEL_OK) {
        ok = complain("%s", reel_lines_message(lines));
    }
    sentences_end(s);
    reel_lines_close(lines);
    return ok;
}

/* Forms and order
 * ------------------------------------------------------------------------------------ */

static bool give_forms(sentences *s)
{
    int64_t words = sentences_words(s);
    s->forms = reel_vocabulary_new(REEL_WORDS, false);
    s->form = malloc((size_t)(words + 1) * sizeof *s->form);
    if (!s->forms || !s->form) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < words; i++) {
        const char *word = sentences_word(s, i);
        if (reel_vocabulary_count(s->forms, word, strlen(word)) != REEL_OK) {
            return complain("word %" PRId64 ": %s", i + 1, reel_vocabulary_message(s->forms));
        }
    }
    if (reel_vocabulary_cut(s->forms, 1, 0) != REEL_OK) {
        return vocabulary_complain(s->forms);
    }
    for (int64_t i = 0; i < words; i++) {
        const char *word = sentences_word(s, i);
        s->form[i] = reel_vocabulary_find(s->forms, word, strlen(word));
        if (s->form[i] < 0) {
            return complain("word %" PRId64 ": '%s': expected a word without blanks", i + 1, word);
        }
    }
    return true;
}

static void exchange(int64_t *array, int64_t i, int64_t j)
{
    int64_t was = array[i];
    array[i] = array[j];
    array[j] = was;
}

bool sentences_settle(sentences *s, bool keep, uint64_t seed)
{
    s->length = calloc((size_t)s->n + 1, sizeof *s->length);
    if (!s->length) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < s->n; i++) {
        s->length[i] = s->first[i + 1] - s->first[i];
    }
    if (!give_forms(s)) {
        return false;
    }
    reel_random random = reel_random_new(seed, reel_random_stream("sentences"));
    for (int64_t i = keep ? 0 : s->n - 1; i > 0; i--) {
        int64_t j = (int64_t)reel_random_below(&random, (uint64_t)i + 1);
        exchange(s->first, i, j);
        exchange(s->length, i, j);
    }
    return true;
}

uint64_t sentences_hash(const sentences *s)
{
    uint64_t h = HASH_START;
    for (int64_t i = 0; i < s->n; i++) {
        h = hash_bytes(h, &s->length[i], sizeof s->length[i]);
        h = hash_bytes(h, s->tag + s->first[i], (size_t)s->length[i] * sizeof *s->tag);
        for (int64_t k = 0; k < s->length[i]; k++) {
            const char *word = sentences_word(s, s->first[i] + k);
            h = hash_bytes(h, word, strlen(word) + 1);
        }
    }
    return h;
}
