/* The tagger as a graph: words, with what their characters say, a net that reads them, a tag for
 * each. */
#ifndef TAG_MODEL_H
#define TAG_MODEL_H

#include "options.h"

enum { LONGEST_WORD = 32 };

/* A batch of sentences, padded: word[t * n + b]. Characters are read once for each different word.
 */
typedef struct batch {
    int64_t n, T;
    int32_t *word, *tag;  /* [T * n] */
    int64_t *length;      /* [n] */
    int64_t different, C; /* words, and their longest */
    int32_t *which;       /* [T * n]: a word's place among the different ones */
    int32_t *character;   /* [C * different] */
    int64_t *spelled;     /* [different]: characters of each */
    int64_t tokens;       /* without padding */
} batch;

typedef struct model {
    reel_params *params;
    reel_cell *cell;    /* NULL: no recurrence */
    reel_cell *speller; /* NULL: words are not spelled */
    int64_t words, characters, tags;
} model;

/* With the options in `set`; all weights are made. False after a complaint; model_free in either
 * case. */
bool model_new(model *m, int64_t words, int64_t characters, int64_t tags);
void model_free(model *m);
/* [T, n, tags] */
reel_node *model_logits(model *m, reel_tape *tape, const batch *b);
/* The mean cross-entropy over a batch's words. */
reel_node *model_loss(model *m, reel_tape *tape, const batch *b);

#endif
