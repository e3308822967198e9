/* What can be set on the command line. */
#ifndef EXAMPLES_CAPTION_SETTINGS_H
#define EXAMPLES_CAPTION_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* How a model is trained (Bengio et al. 2015). */
enum { BASELINE, DROPOUT, ALWAYS, SCHEDULED, UNIFORM, METHODS };

enum { MOST_EPOCHS = 1000, MOST_SCENES = 100000 };

typedef struct settings {
    const char *checkpoint, *folder, *curves;
    bool resume, overwrite, quiet, quick, best;
    int64_t method;
    int64_t scenes, heldout, data_seed; /* the data */
    double noise;
    int64_t hidden, embedding, epochs, batch, seed; /* the model and its training */
    double dropout, rate, clip, share;
    int64_t beam, show, seeds;
} settings;

#endif
