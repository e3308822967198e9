/* How well a model predicts a text. */
#ifndef CHARLM_EVALUATE_H
#define CHARLM_EVALUATE_H

#include "model.h"

/* How many streams a text of n units is read as by default: at most `most`, each of 10,000 units or
 * more, so that what their starts lack in context does not count (the loss is some 0.0004 nats
 * higher than exact). */
int64_t evaluate_streams(int64_t n, int64_t most);

/* The mean loss in nats over the n - 1 predictions of units 1..n-1, each counted once. The text is
 * read as `batch` contiguous streams side by side, all starting from a zero state, which is carried
 * from chunk to chunk: with batch 1 the whole text is one stream and the figure is exact; with
 * more, the first units of each further stream are predicted with less context than they could
 * have. Stops early on a signal, which the caller asks for. Complains and returns false on error.
 */
bool evaluate(model *m, reel_tape *tape, const int32_t *unit, int64_t n, int64_t batch,
              double *loss);

#endif
