/* Labelled texts: read from files, made up, and as numbers. */
#ifndef CLASSIFY_TEXTS_H
#define CLASSIFY_TEXTS_H

#include "../program/labels.h"

#include <stdio.h>

typedef struct texts {
    int64_t n, room;
    int64_t *begin; /* [n]: where each one's bytes are */
    int64_t *size;  /* [n]: how many */
    int32_t *label; /* [n]; -1: not known */
    char *byte;
    int64_t bytes, byte_room;
    /* after texts_encode */
    int64_t *length; /* [n], at least 1 */
    int64_t *first;  /* [n]: places in token */
    int32_t *token;
} texts;

void texts_free(texts *t);
/* False after a complaint. */
bool texts_add(texts *t, const char *text, size_t n, int32_t label);
/* Adds the texts of a file with a line "label<TAB>text" for each, or, by_file, a text a line under
 * the file's name. Where `learn`, new labels are added to the list; else they are an error. */
bool texts_read(texts *t, const char *path, bool by_file, bool learn, labels *l);
/* As numbers; of an empty text the number REEL_END_OF_TEXT. */
bool texts_encode(texts *t, const reel_vocabulary *v, int64_t longest);
/* Brings them into a random order. */
void texts_shuffle(texts *t, uint64_t seed);
uint64_t texts_hash(const texts *t);

/* Made up: sentences about things here and there, with the verb left out; its number, "is" or
 * "are", is that of the one noun that follows no preposition. Each has as many singular as plural
 * nouns, so that the words say nothing but in their order. */
bool texts_make_agreement(texts *t, int64_t lines, uint64_t seed, labels *l);
/* Lines of a text: each is "straight" or "shuffled", its words in random order, with equal chance.
 */
bool texts_print_order(const char *path, uint64_t seed, FILE *out);
/* A play, of paragraphs that begin with a line "NAME:": what the `classes` who say most say, line
 * by line, as "NAME<TAB>line". */
bool texts_print_speakers(const char *path, int64_t classes, FILE *out);

#endif
