/* The scenes of a run and their captions as numbers. */
#ifndef EXAMPLES_CAPTION_DATA_H
#define EXAMPLES_CAPTION_DATA_H

#include "caption.h"

enum { REFERENCES = 5 };

typedef struct split {
    int64_t n;
    scene *scene;     /* [n] */
    caption *caption; /* [n][REFERENCES] */
} split;

typedef struct data_args {
    int64_t scenes, heldout; /* how many to learn from, and how many to measure on */
    double noise;
    uint64_t seed;
} data_args;

typedef struct data {
    reel_vocabulary *vocabulary; /* of the words of the training captions */
    split training, valid, test; /* the last two of scenes with novel pairs */
} data;

bool data_make(data *d, const data_args *args);
void data_free(data *d);
/* A hash of all captions learned from, and of what is seen. */
uint64_t data_hash(const data *d);

#endif
