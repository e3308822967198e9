/* All that a training run consists of: made, saved, resumed and freed here, for train.c to drive.
 */
#ifndef CHARLM_TRAINER_H
#define CHARLM_TRAINER_H

#include "checkpoint.h"
#include "progress.h"
#include "streams.h"

#include <stdio.h>

enum { PATH_SIZE = 4096 };

typedef struct trainer {
    config c;
    vocabulary v;
    model m;
    reel_opt *opt;
    reel_average *average;
    reel_carry carry;
    counters k;
    run r;                    /* all of the above, as a checkpoint sees it */
    reel_tape *tape, *reader; /* for updates; for reading values only */
    int32_t *unit;            /* the text: n units, the first n_train of them for training */
    int64_t n, n_train;
    streams s;
    int32_t *input, *target;
    reel_node **x;
    int64_t steps; /* planned in all */
    double best_on_disk;
    char best_path[PATH_SIZE];
    FILE *log;
    progress p;
} trainer;

/* Reads the text and makes the model: a new one with a checkpoint of its own, or with --resume the
 * one in the checkpoint. Complains and returns false on error; trainer_free is called in either
 * case. */
bool trainer_start(trainer *t, const config *c, int n, char *const *path);
bool trainer_save(trainer *t);
void trainer_free(trainer *t);

#endif
