/* Units and their indices. Invariant: unit[] ascends and index[unit[i]] == i, so that the same text
 * gives the same indices whatever the order in which it was read. */
#include "vocabulary.h"
#include "../program/say.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BYTE_UNITS = 256, CHAR_UNITS = 0x110000 };

/* Reads the unit at the start of the text; returns the bytes it takes, 0 when it is not valid. */
static size_t next_unit(bool chars, const unsigned char *byte, size_t size, uint32_t *unit)
{
    if (chars) {
        return reel_utf8_decode((const char *)byte, size, unit);
    }
    *unit = byte[0];
    return 1;
}

static bool make(vocabulary *v, bool chars)
{
    size_t units = chars ? CHAR_UNITS : BYTE_UNITS;
    *v = (vocabulary){.chars = chars, .index = malloc(units * sizeof *v->index)};
    if (v->index == NULL) {
        return out_of_memory();
    }
    for (size_t i = 0; i < units; i++) {
        v->index[i] = -1;
    }
    return true;
}

/* Numbers the units whose index is not -1, in ascending order. */
static bool number_units(vocabulary *v)
{
    int32_t units = v->chars ? CHAR_UNITS : BYTE_UNITS;
    v->n = 0;
    for (int32_t i = 0; i < units; i++) {
        v->n += v->index[i] >= 0;
    }
    v->unit = malloc((size_t)v->n * sizeof *v->unit + 1);
    if (v->unit == NULL) {
        return out_of_memory();
    }
    int32_t n = 0;
    for (int32_t i = 0; i < units; i++) {
        if (v->index[i] >= 0) {
            v->index[i] = n;
            v->unit[n++] = i;
        }
    }
    return true;
}

bool vocabulary_of_text(vocabulary *v, const unsigned char *byte, size_t size, bool chars)
{
    if (!make(v, chars)) {
        return false;
    }
    for (size_t i = 0; i < size;) {
        uint32_t unit;
        size_t length = next_unit(chars, byte + i, size - i, &unit);
        if (length == 0) {
            return complain("byte %zu of the text is not valid UTF-8", i);
        }
        v->index[unit] = 0;
        i += length;
    }
    return number_units(v);
}

void vocabulary_free(vocabulary *v)
{
    free(v->unit);
    free(v->index);
    *v = (vocabulary){0};
}

bool vocabulary_encode(const vocabulary *v, const char *what, const unsigned char *byte,
                       size_t size, int32_t **index, int64_t *n)
{
    *n = 0;
    *index = malloc(size * sizeof **index + 1);
    if (*index == NULL) {
        return out_of_memory();
    }
    for (size_t i = 0; i < size;) {
        uint32_t unit;
        size_t length = next_unit(v->chars, byte + i, size - i, &unit);
        if (length == 0) {
            return complain("%s: byte %zu (0x%02x) is not valid UTF-8", what, i, byte[i]);
        }
        if (v->index[unit] < 0) {
            return complain("%s: byte %zu: %s%02" PRIX32
                            " does not occur in the text that the model learned",
                            what, i, v->chars ? "the character U+" : "the byte 0x", unit);
        }
        (*index)[(*n)++] = v->index[unit];
        i += length;
    }
    return true;
}

bool vocabulary_write(const vocabulary *v, int32_t index, FILE *out)
{
    char text[4] = {(char)v->unit[index]};
    size_t length = v->chars ? reel_utf8_encode((uint32_t)v->unit[index], text) : 1;
    return fwrite(text, 1, length, out) == length;
}

bool vocabulary_store(const vocabulary *v, reel_archive *a)
{
    return reel_archive_put(a, "vocabulary", REEL_I32, v->unit, reel_dims(v->n)) == REEL_OK ||
           complain("%s", reel_archive_message(a));
}

bool vocabulary_restore(vocabulary *v, reel_archive *a, const char *path, bool chars)
{
    const reel_archive_tensor *t = reel_archive_find(a, "vocabulary");
    if (t == NULL || t->dtype != REEL_I32 || t->shape.rank != 1 || t->shape.dim[0] < 1) {
        return complain("%s: not a checkpoint of reel-charlm: it has no vocabulary", path);
    }
    if (!make(v, chars)) {
        return false;
    }
    const int32_t *unit = t->data;
    int32_t last = -1;
    for (int64_t i = 0; i < t->shape.dim[0]; i++) {
        if (unit[i] <= last || unit[i] >= (chars ? CHAR_UNITS : BYTE_UNITS)) {
            return complain("%s: a damaged vocabulary", path);
        }
        v->index[last = unit[i]] = 0;
    }
    return number_units(v);
}
