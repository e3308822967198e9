/* The classifier as a graph: words, a net that reads them or none, one vector for a text, a class.
 */
#ifndef CLASSIFY_MODEL_H
#define CLASSIFY_MODEL_H

#include "options.h"

/* A batch of texts, padded: token[t * n + b]. */
typedef struct batch {
    int64_t n, T;
    int32_t *token;  /* [T * n] */
    int64_t *length; /* [n] */
    int32_t *label;  /* [n] */
    int64_t tokens;  /* without padding */
    int64_t room;    /* of token */
} batch;

typedef struct model {
    reel_params *params;
    reel_cell *cell; /* NULL: no recurrence */
    int64_t words, classes;
} model;

/* With the options in `set`; all weights are made. False after a complaint; model_free in either
 * case. */
bool model_new(model *m, int64_t words, int64_t classes);
void model_free(model *m);
/* [n, classes] */
reel_node *model_logits(model *m, reel_tape *tape, const batch *b);
/* The mean cross-entropy of a batch. */
reel_node *model_loss(model *m, reel_tape *tape, const batch *b);

#endif
