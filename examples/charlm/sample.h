/* Writing text with a model. */
#ifndef CHARLM_SAMPLE_H
#define CHARLM_SAMPLE_H

#include "model.h"
#include "vocabulary.h"

#include <stdio.h>

typedef struct sampling {
    const char
        *prime; /* text to go on from; NULL: a line break, or the first unit where there is none */
    double temperature; /* scores are divided by it; 0: always the likeliest unit */
    int64_t length;     /* units to write after the prime */
    uint64_t seed, stream;
    bool flush; /* after every unit, for someone who watches */
} sampling;

/* Writes the prime, if one was given, and what the model goes on with. The same seed and stream
 * write the same text. */
bool sample(model *m, reel_tape *tape, const vocabulary *v, const sampling *how, FILE *out);

#endif
