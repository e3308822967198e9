/* Labelled texts: read from files, and as numbers. */
#include "texts.h"
#include "../program/program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void texts_free(texts *t)
{
    free(t->begin);
    free(t->size);
    free(t->label);
    free(t->byte);
    free(t->length);
    free(t->first);
    free(t->token);
    *t = (texts){0};
}

/* Makes room for one more; what the arrays hold stays whatever happens. */
static bool room_for_one(texts *t)
{
    if (t->n < t->room) {
        return true;
    }
    int64_t room = t->room > 0 ? 2 * t->room : 256;
    int64_t *begin = realloc(t->begin, (size_t)room * sizeof *begin);
    t->begin = begin ? begin : t->begin;
    int64_t *size = realloc(t->size, (size_t)room * sizeof *size);
    t->size = size ? size : t->size;
    int32_t *label = realloc(t->label, (size_t)room * sizeof *label);
    t->label = label ? label : t->label;
    if (!begin || !size || !label) {
        return out_of_memory();
    }
    t->room = room;
    return true;
}

bool texts_add(texts *t, const char *text, size_t n, int32_t label)
{
    int64_t end = t->bytes + (int64_t)n;
    if (end > t->byte_room) {
        int64_t room = 2 * end + 4096;
        char *byte = realloc(t->byte, (size_t)room);
        if (!byte) {
            return out_of_memory();
        }
        t->byte = byte;
        t->byte_room = room;
    }
    if (!room_for_one(t)) {
        return false;
    }
    if (n > 0) {
        memcpy(t->byte + t->bytes, text, n);
    }
    t->begin[t->n] = t->bytes;
    t->size[t->n] = (int64_t)n;
    t->label[t->n++] = label;
    t->bytes = end;
    return true;
}

/* Files
 * ---------------------------------------------------------------------------------------------- */

static int32_t label_of(const char *name, size_t n, bool learn, labels *l, const char *path,
                        int64_t line)
{
    int32_t label = learn ? labels_add(l, name, n) : labels_find(l, name, n);
    if (label < 0 && !learn) {
        complain("%s:%" PRId64 ": the model has no label '%.*s'", path, line, (int)n, name);
    }
    return label;
}

static bool take_line(texts *t, const char *path, int64_t number, const char *line, size_t n,
                      bool learn, labels *l)
{
    const char *tab = memchr(line, '\t', n);
    if (!tab || tab == line) {
        return complain("%s:%" PRId64 ": expected a label, a tab and a text", path, number);
    }
    size_t name = (size_t)(tab - line);
    int32_t label = label_of(line, name, learn, l, path, number);
    return label >= 0 && texts_add(t, tab + 1, n - name - 1, label);
}

bool texts_read(texts *t, const char *path, bool by_file, bool learn, labels *l)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int32_t label = by_file ? label_of(name, strlen(name), learn, l, path, 1) : 0;
    reel_lines *lines = label >= 0 ? reel_lines_open(path) : NULL;
    if (!lines) {
        return label >= 0 && out_of_memory();
    }
    bool ok = true;
    size_t n;
    for (const char *line; ok && (line = reel_lines_next(lines, &n));) {
        if (reel_utf8_invalid(line, n) < n) {
            ok = complain("%s:%" PRId64 ": byte %zu is not valid UTF-8", path,
                          reel_lines_number(lines), reel_utf8_invalid(line, n) + 1);
        } else if (n > 0) {
            ok = by_file ? texts_add(t, line, n, label)
                         : take_line(t, path, reel_lines_number(lines), line, n, learn, l);
        }
    }
    if (ok && reel_lines_status(lines) != REEL_OK) {
        ok = complain("%s", reel_lines_message(lines));
    }
    reel_lines_close(lines);
    return ok;
}

/* Numbers
 * -------------------------------------------------------------------------------------------- */

bool texts_encode(texts *t, const reel_vocabulary *v, int64_t longest)
{
    int64_t all = 0;
    t->length = calloc((size_t)t->n + 1, sizeof *t->length);
    t->first = calloc((size_t)t->n + 1, sizeof *t->first);
    if (!t->length || !t->first) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < t->n; i++) {
        int64_t n = reel_vocabulary_encode(v, t->byte + t->begin[i], (size_t)t->size[i], NULL, 0);
        n = longest > 0 && n > longest ? longest : n;
        t->length[i] = n > 0 ? n : 1;
        t->first[i] = all;
        all += t->length[i];
    }
    t->token = malloc((size_t)(all > 0 ? all : 1) * sizeof *t->token);
    if (!t->token) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < t->n; i++) {
        int32_t *token = t->token + t->first[i];
        token[0] = REEL_END_OF_TEXT;
        (void)reel_vocabulary_encode(v, t->byte + t->begin[i], (size_t)t->size[i], token,
                                     t->length[i]);
    }
    return true;
}

static void swap(texts *t, int64_t i, int64_t j)
{
    int64_t begin = t->begin[i], size = t->size[i];
    int32_t label = t->label[i];
    t->begin[i] = t->begin[j];
    t->size[i] = t->size[j];
    t->label[i] = t->label[j];
    t->begin[j] = begin;
    t->size[j] = size;
    t->label[j] = label;
}

void texts_shuffle(texts *t, uint64_t seed)
{
    reel_random random = reel_random_new(seed, reel_random_stream("texts"));
    for (int64_t i = t->n - 1; i > 0; i--) {
        swap(t, i, (int64_t)reel_random_below(&random, (uint64_t)i + 1));
    }
}

uint64_t texts_hash(const texts *t)
{
    uint64_t h = HASH_START;
    for (int64_t i = 0; i < t->n; i++) {
        h = hash_bytes(h, &t->label[i], sizeof t->label[i]);
        h = hash_bytes(h, &t->length[i], sizeof t->length[i]);
        h = hash_bytes(h, t->token + t->first[i], (size_t)t->length[i] * sizeof *t->token);
    }
    return h;
}
