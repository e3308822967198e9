/* The distinct units of a text, and text as their indices. */
#ifndef CHARLM_VOCABULARY_H
#define CHARLM_VOCABULARY_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct vocabulary {
    bool chars; /* units are characters of UTF-8; else bytes */
    int32_t n;
    int32_t *unit;  /* the n units in ascending order: byte values or code points */
    int32_t *index; /* from a unit to its position, -1 where there is none */
} vocabulary;

/* From all units that occur in the text (valid UTF-8 if `chars`). */
bool vocabulary_of_text(vocabulary *v, const unsigned char *byte, size_t size, bool chars);
void vocabulary_free(vocabulary *v);
/* Text as indices, owned by the caller. `what` names the text in the complaint about a unit that is
 * not in the vocabulary. */
bool vocabulary_encode(const vocabulary *v, const char *what, const unsigned char *byte,
                       size_t size, int32_t **index, int64_t *n);
/* Writes the unit at that index as text. */
bool vocabulary_write(const vocabulary *v, int32_t index, FILE *out);
/* Stores it in an archive, and takes it back. */
bool vocabulary_store(const vocabulary *v, reel_archive *a);
bool vocabulary_restore(vocabulary *v, reel_archive *a, const char *path, bool chars);

#endif
