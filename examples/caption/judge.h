/* Captions by one model or several, and how good they are. */
#ifndef EXAMPLES_CAPTION_JUDGE_H
#define EXAMPLES_CAPTION_JUDGE_H

#include "model.h"

typedef struct scores {
    double bleu, meteor, cider; /* CIDEr-D as published, not times ten */
} scores;

enum { MOST_MODELS = 10 };

/* Says a caption of each scene by beam search, with the mean of the models' probabilities. found:
 * [n], freed with reel_decode_free. False after a complaint. */
bool say_captions(captioner *const *model, int models, int beam, int64_t n, const scene *seen,
                  reel_hypothesis *found);
bool judge_captions(captioner *const *model, int models, int beam, const split *s,
                    const reel_vocabulary *v, scores *result);
/* The words of a caption that was said; returns how many. */
int said_words(const reel_hypothesis *h, const reel_vocabulary *v, const char **word);

#endif
