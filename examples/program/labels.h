/* Classes and tags: their names, and how often which was taken for which. */
#ifndef EXAMPLES_LABELS_H
#define EXAMPLES_LABELS_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>

/* Names, numbered in the order in which they were added. */
typedef struct labels {
    int64_t n, room;
    char **name;
} labels;

/* The number of a name of n bytes; -1 when it is none, and of labels_add after a complaint. */
int32_t labels_find(const labels *l, const char *name, size_t n);
int32_t labels_add(labels *l, const char *name, size_t n);
void labels_free(labels *l);
/* In a checkpoint, a name a line; taken into an empty list. False after a complaint. */
bool labels_put(reel_archive *a, const labels *l);
bool labels_take(reel_archive *a, const char *path, labels *l);

/* count[truth * labels->n + said] */
typedef struct scores {
    const labels *labels;
    int64_t *count;
    int64_t all, right;
} scores;

/* False after a complaint; scores_free in either case. */
bool scores_new(scores *s, const labels *l);
void scores_free(scores *s);
void scores_add(scores *s, int32_t truth, int32_t said);
/* The share that was right; 0 of nothing. */
double scores_accuracy(const scores *s);
/* Precision, recall and F1 from what was said and right, what was said, and what was true. */
typedef struct f1 {
    double precision, recall, f1;
} f1;
f1 f1_of(int64_t right, int64_t said, int64_t truth);
/* A row for each label with its precision, recall, F1 and how often it is true, and their means. */
void scores_print(const scores *s, const char *what);
/* The table of what was taken for what, where it fits on a page, else its largest entries. */
void scores_print_confusion(const scores *s);
/* The same as a picture: SVG. False after a complaint. */
bool scores_draw(const scores *s, const char *path);

/* FNV-1a, 64 bit, going on from h; HASH_START at first. */
#define HASH_START UINT64_C(14695981039346656037)
uint64_t hash_bytes(uint64_t h, const void *data, size_t n);

#endif
