/* What a model learns from: lines of one stretch of the text, each the next line of its own context
 * and a wrong one for all others of the batch. */
#ifndef EXAMPLES_VERSE_BATCHES_H
#define EXAMPLES_VERSE_BATCHES_H

#include "settings.h"

typedef struct batches {
    model *model;
    reel_tape *tape;
    int64_t end;            /* lines [0, end) are for training */
    int64_t window;         /* lines of a stretch */
    int64_t n;              /* of a batch */
    verse_context *context; /* [n] */
    const line **next;      /* [n] */
    uint32_t *order;        /* [window] */
    float *features;        /* [n][n][features] */
    float *mask;            /* [n][n]: -1e4 where a line is no wrong one, nor the true one */
    int32_t *index;         /* [n]: 0, 1, 2, ... */
} batches;

bool batches_make(batches *b, model *m, reel_tape *tape);
void batches_free(batches *b);
/* How many are an epoch. */
int64_t batches_count(const batches *b);
/* Records the loss of batch i, which depends on the seed and i alone; NULL after a complaint. */
reel_node *batches_loss(batches *b, int64_t i);

#endif
