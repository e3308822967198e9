/* Reads a text of speeches. */
#include "play.h"

#include "../program/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is being read: lines and speakers grow, and lines point into the text by offset till its
 * end. */
typedef struct reader {
    play *p;
    const char *name;        /* of the text, for complaints */
    size_t length, room;     /* of the text */
    int64_t lines, speakers; /* room for them */
    size_t *offset;          /* [lines] */
    int64_t *place;          /* [lines]: bytes of the file before it */
    int64_t bytes;           /* of the file so far */
    bool named;              /* this speech's speaker has been told */
    bool fresh;              /* no line of this speech has come yet */
    int32_t speech, speaking;
} reader;

/* Makes room for one more in an array of n elements; false, with the array as it was. */
static bool grow(void *array, int64_t n, int64_t *room, size_t size)
{
    if (n < *room) {
        return true;
    }
    int64_t more = *room ? 2 * *room : 64;
    void *old, *bigger;
    memcpy(&old, array, sizeof old);
    bigger = realloc(old, (size_t)more * size);
    if (bigger == NULL) {
        return out_of_memory();
    }
    memcpy(array, &bigger, sizeof bigger);
    *room = more;
    return true;
}

static int32_t find_speaker(reader *r, const char *name, size_t n)
{
    play *p = r->p;
    for (int64_t i = 0; i < p->speakers; i++) {
        if (strlen(p->speaker[i].name) == n && memcmp(p->speaker[i].name, name, n) == 0) {
            return (int32_t)i;
        }
    }
    if (!grow(&p->speaker, p->speakers, &r->speakers, sizeof *p->speaker)) {
        return -1;
    }
    p->speaker[p->speakers] = (speaker){.name = strndup(name, n)};
    if (p->speaker[p->speakers].name == NULL) {
        out_of_memory();
        return -1;
    }
    return (int32_t)p->speakers++;
}

static void hash_line(play *p, const char *text, size_t n)
{
    for (size_t i = 0; i <= n; i++) {
        p->hash = (p->hash ^ (unsigned char)(i < n ? text[i] : '\n')) * 1099511628211u;
    }
}

static bool add_text(reader *r, const char *text, size_t n)
{
    while (r->length + n + 1 > r->room) {
        size_t more = r->room ? 2 * r->room : 65536;
        char *bigger = realloc(r->p->text, more);
        if (bigger == NULL) {
            return out_of_memory();
        }
        r->p->text = bigger;
        r->room = more;
    }
    memcpy(r->p->text + r->length, text, n);
    r->p->text[r->length + n] = '\0';
    r->length += n + 1;
    return true;
}

static bool add_line(reader *r, const char *text, size_t n, int64_t number, int64_t place)
{
    play *p = r->p;
    int64_t lines = r->lines, same = r->lines;
    if (!grow(&p->line, p->n, &r->lines, sizeof *p->line) ||
        !grow(&r->offset, p->n, &lines, sizeof *r->offset) ||
        !grow(&r->place, p->n, &same, sizeof *r->place)) {
        return false;
    }
    r->offset[p->n] = r->length;
    r->place[p->n] = place;
    p->line[p->n++] =
        (line){.bytes = (int32_t)n, .speech = r->speech, .speaker = r->speaking, .number = number};
    return add_text(r, text, n);
}

static bool take_line(reader *r, const char *text, size_t n, int64_t number)
{
    int64_t place = r->bytes;
    r->bytes += (int64_t)n + 1;
    hash_line(r->p, text, n);
    if (reel_utf8_invalid(text, n) < n || memchr(text, '\0', n)) {
        return complain("%s:%lld: not a line of UTF-8 text", r->name, (long long)number);
    }
    if (n == 0 || strspn(text, " \t") >= n) {
        r->speech += !r->fresh;
        r->speaking = r->fresh ? r->speaking : -1;
        r->named = false;
        r->fresh = true;
        return true;
    }
    if (r->fresh && !r->named && text[n - 1] == ':') {
        r->speaking = find_speaker(r, text, n - 1);
        r->named = true;
        return r->speaking >= 0;
    }
    r->fresh = false;
    return add_line(r, text, n, number, place);
}

/* The first speech's beginning at or behind that many bytes. */
static int64_t part_begin(const reader *r, int64_t bytes)
{
    const play *p = r->p;
    int64_t i = 0;
    while (i < p->n &&
           (r->place[i] < bytes || (i > 0 && p->line[i].speech == p->line[i - 1].speech))) {
        i++;
    }
    return i;
}

static bool count_words(play *p)
{
    char words[4096];
    bool ok = true;
    for (int64_t i = 0; ok && i < p->n + p->speakers; i++) {
        const char *text = i < p->n ? p->line[i].text : p->speaker[i - p->n].name;
        size_t n = words_of(text, strlen(text), words, sizeof words);
        ok = reel_vocabulary_count(p->every, words, n) == REEL_OK;
    }
    return (ok && reel_vocabulary_cut(p->every, 1, 0) == REEL_OK) || vocabulary_complain(p->every);
}

static bool reader_end(reader *r)
{
    play *p = r->p;
    for (int64_t i = 0; i < p->n; i++) {
        p->line[i].text = p->text + r->offset[i];
    }
    p->test = part_begin(r, r->bytes * 9 / 10);
    p->validation = part_begin(r, r->bytes * 17 / 20);
    if (p->validation < 2 || p->test - p->validation < 2 || p->n - p->test < 2) {
        return complain("%s: too short: %lld lines of speeches; expected at least two in the last "
                        "tenth, in the twentieth before it and before that",
                        r->name, (long long)p->n);
    }
    p->every = reel_vocabulary_new(REEL_WORDS, false);
    return (p->every || out_of_memory()) && count_words(p);
}

bool play_read(play *p, const char *path)
{
    *p = (play){.hash = 14695981039346656037u};
    reader r = {.p = p, .name = path, .fresh = true, .speaking = -1};
    reel_lines *lines = reel_lines_open(path);
    bool ok = lines || out_of_memory();
    size_t n;
    for (const char *text; ok && (text = reel_lines_next(lines, &n)) != NULL;) {
        ok = take_line(&r, text, n, reel_lines_number(lines));
    }
    if (ok && reel_lines_status(lines)) {
        ok = complain("%s", reel_lines_message(lines));
    }
    reel_lines_close(lines);
    ok = ok && reader_end(&r);
    free(r.offset);
    free(r.place);
    return ok;
}

bool play_take(play *p, const char *name, const char *text)
{
    *p = (play){.hash = 14695981039346656037u};
    reader r = {.p = p, .name = name, .fresh = true, .speaking = -1};
    bool ok = true;
    int64_t number = 0;
    while (ok && *text != '\0') {
        size_t n = strcspn(text, "\n");
        ok = take_line(&r, text, n, ++number);
        text += n + (text[n] == '\n');
    }
    ok = ok && reader_end(&r);
    free(r.offset);
    free(r.place);
    return ok;
}

void play_free(play *p)
{
    for (int64_t i = 0; i < p->speakers; i++) {
        free(p->speaker[i].name);
    }
    reel_vocabulary_free(p->every);
    free(p->speaker);
    free(p->line);
    free(p->text);
    free(p->weight);
    free(p->stem);
    free(p->numbers);
    *p = (play){0};
}

reel_vocabulary *play_vocabulary(const play *p, int64_t least)
{
    char words[4096];
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    if (v == NULL) {
        out_of_memory();
        return NULL;
    }
    bool ok = true;
    for (int64_t i = 0; ok && i < p->validation; i++) {
        const line *l = &p->line[i];
        size_t n = words_of(l->text, (size_t)l->bytes, words, sizeof words);
        ok = reel_vocabulary_count(v, words, n) == REEL_OK;
    }
    if (!ok || reel_vocabulary_cut(v, least, 0)) {
        vocabulary_complain(v);
        reel_vocabulary_free(v);
        return NULL;
    }
    return v;
}

/* log of the number of training lines over that of those with the word, half a line where there are
 * none. */
static bool weigh(play *p)
{
    size_t words = (size_t)reel_vocabulary_size(p->every);
    p->weight = calloc(words + 1, sizeof *p->weight);
    int64_t *seen = calloc(words + 1, sizeof *seen); /* 1 + the line that it was last seen in */
    for (int64_t i = 0; p->weight && seen && i < p->validation; i++) {
        const line *l = &p->line[i];
        for (int32_t k = 0; k < l->words; k++) {
            p->weight[l->every[k]] += seen[l->every[k]] != i + 1;
            seen[l->every[k]] = i + 1;
        }
    }
    bool ok = (p->weight && seen) || out_of_memory();
    for (size_t w = 0; ok && w < words; w++) {
        const char *word = reel_vocabulary_token(p->every, (int32_t)w, NULL);
        double n = fmax(p->weight[w], 0.5);
        p->weight[w] = strchr(".,;:?!-", word[0]) ? 0 : log((double)p->validation / n);
    }
    free(seen);
    return ok;
}

/* At most so many bytes, to the end of a character. */
static size_t beginning_of(const char *word, size_t n, size_t most)
{
    while (n > most && (word[most] & 0xc0) == 0x80) {
        most++;
    }
    return n < most ? n : most;
}

/* Words are long enough where four letters tell something; a shorter one is its own stem. */
static bool find_stems(play *p)
{
    enum { LETTERS = 4 };
    int32_t words = (int32_t)reel_vocabulary_size(p->every);
    reel_vocabulary *stems = reel_vocabulary_new(REEL_WORDS, false);
    int32_t *first = malloc(((size_t)words + 1) * sizeof *first);
    p->stem = malloc(((size_t)words + 1) * sizeof *p->stem);
    bool ok = (stems && first && p->stem) || out_of_memory();
    for (int32_t w = 0; ok && w < words; w++) {
        size_t n;
        const char *word = reel_vocabulary_token(p->every, w, &n);
        ok = reel_vocabulary_count(stems, word, beginning_of(word, n, LETTERS)) == REEL_OK ||
             vocabulary_complain(stems);
        first[w] = -1;
    }
    ok = ok && (reel_vocabulary_cut(stems, 1, 0) == REEL_OK || vocabulary_complain(stems));
    for (int32_t w = 0; ok && w < words; w++) {
        size_t n;
        const char *word = reel_vocabulary_token(p->every, w, &n);
        int32_t s = reel_vocabulary_find(stems, word, beginning_of(word, n, LETTERS));
        first[s] = first[s] < 0 ? w : first[s];
        p->stem[w] = first[s];
    }
    reel_vocabulary_free(stems);
    free(first);
    return ok;
}

bool play_number(play *p, const reel_vocabulary *known)
{
    char words[4096];
    int64_t all = 0;
    for (int64_t i = 0; i < p->n + p->speakers; i++) {
        const char *text = i < p->n ? p->line[i].text : p->speaker[i - p->n].name;
        size_t n = words_of(text, strlen(text), words, sizeof words);
        all += reel_vocabulary_encode(p->every, words, n, NULL, 0);
    }
    p->numbers = malloc((size_t)(2 * all + 1) * sizeof *p->numbers);
    if (p->numbers == NULL) {
        return out_of_memory();
    }
    int32_t *next = p->numbers;
    for (int64_t i = 0; i < p->n; i++) {
        line l, *own = &p->line[i];
        size_t n = words_of(own->text, strlen(own->text), words, sizeof words);
        int64_t room = reel_vocabulary_encode(p->every, words, n, NULL, 0);
        line_make(&l, p, known, own->text, next, room);
        l.speech = own->speech;
        l.speaker = own->speaker;
        l.number = own->number;
        *own = l;
        next += 2 * room;
    }
    for (int64_t i = 0; i < p->speakers; i++) {
        speaker *s = &p->speaker[i];
        size_t n = words_of(s->name, strlen(s->name), words, sizeof words);
        s->every = next;
        s->words = (int32_t)reel_vocabulary_encode(p->every, words, n, next, (int64_t)n);
        next += s->words;
    }
    return weigh(p) && find_stems(p);
}

const char *line_speaker(const play *p, const line *l)
{
    return l->speaker >= 0 ? p->speaker[l->speaker].name : "";
}
