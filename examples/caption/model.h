/* The captioner: features become the start state of an LSTM that says the words. */
#ifndef EXAMPLES_CAPTION_MODEL_H
#define EXAMPLES_CAPTION_MODEL_H

#include "data.h"

typedef struct captioner {
    reel_params *params;
    reel_cell *cell;
    int64_t vocabulary, embedding;
    double dropout; /* of embedded words and of what the LSTM says, in training */
} captioner;

typedef struct captioner_args {
    int64_t vocabulary, embedding, hidden;
    double dropout;
    uint64_t seed;
} captioner_args;

/* With all weights. False after a complaint. */
bool captioner_make(captioner *m, const captioner_args *args);
void captioner_free(captioner *m);
/* The states before the first word, for n scenes' features. */
reel_state captioner_start(captioner *m, reel_tape *tape, int64_t n, const float *feature);
/* A reel_decode_step; the context is the captioner. */
reel_node *captioner_step(void *context, int64_t t, reel_node *last, reel_node *source,
                          reel_state *s);

/* Who says the word before a step in training. */
typedef struct lesson {
    double share; /* of the truth */
    reel_own own; /* what a word is that is not the truth's */
    reel_random *random;
} lesson;
/* The mean over n captions (each given with its scene) of the nats of all words and the end. */
reel_node *captioner_loss(captioner *m, reel_tape *tape, int64_t n, const scene *const *seen,
                          const caption *const *told, const lesson *how);

#endif
