/* Text files as sequences of numbers, one a line. */
#ifndef EXAMPLES_TRANSLATE_CORPUS_H
#define EXAMPLES_TRANSLATE_CORPUS_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>

/* Sequences of numbers: all of a text file's lines. */
typedef struct corpus {
    int64_t n;       /* sequences */
    int64_t *length; /* [n] */
    int32_t **token; /* [n][length], in one block */
    int64_t tokens;  /* in all */
    char **line;     /* [n]: the lines themselves, where they were asked for */
    int32_t *block;  /* what token points into */
} corpus;

/* Reads a file of one sequence a line, with the vocabulary; empty lines stay, as sequences of
 * length 0. With `longest` > 0 the rest of longer lines is left out. */
bool corpus_read(corpus *c, const char *path, const reel_vocabulary *v, int64_t longest,
                 bool keep_lines);
void corpus_free(corpus *c);
/* FNV-1a over all numbers and lengths: whether a resumed run sees what it was trained on. */
uint64_t corpus_hash(const corpus *c);

#endif
