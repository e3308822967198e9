/* Spans of words: what tags B-X, I-X and O stand for, and how many are found exactly. */
#ifndef TAG_SPANS_H
#define TAG_SPANS_H

#include "../program/labels.h"

typedef struct spans {
    const labels *tags;
    labels types;
    int32_t *type;                 /* of each tag; -1: outside */
    bool *begins;                  /* a tag B-X */
    int64_t *right, *said, *truth; /* by type */
} spans;

/* False after a complaint; spans_free in either case. Without tags B-X it has no types. */
bool spans_new(spans *s, const labels *tags);
void spans_free(spans *s);
/* Counts a sentence's spans: a span goes from a B-X, or an I-X that follows no X, over all I-X. One
 * is right when both its ends and its type are. */
void spans_add(spans *s, const int32_t *truth, const int32_t *said, int64_t n);
/* Precision, recall and F1 of each type and of all. */
void spans_print(const spans *s);

#endif
