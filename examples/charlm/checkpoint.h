/* Checkpoints: one safetensors file that holds the weights under their own names, and beside them
 * the vocabulary, the options and all that a run needs to go on as if it had never stopped. */
#ifndef CHARLM_CHECKPOINT_H
#define CHARLM_CHECKPOINT_H

#include "model.h"
#include "vocabulary.h"

#include <reel/reel.h>

/* Where a run stands: with the weights, the optimizer, the states and the averages, all that its
 * future depends on. */
typedef struct counters {
    int64_t step;              /* updates made */
    double log_loss, log_norm; /* sums since the last row of the log ... */
    int64_t log_count;         /* ... over so many updates */
    double epoch_loss;         /* sum since the epoch's start */
    int64_t epoch_count;
    double best; /* lowest held-out loss so far; infinity before the first */
    int64_t best_step;
    int64_t valid_step; /* the last one after which the held-out loss was measured */
} counters;

/* What a run consists of. */
typedef struct run {
    config *c;
    vocabulary *v;
    model *m;
    reel_opt *opt;
    reel_average *average; /* NULL: none */
    reel_carry *carry;
    counters *k;
    uint64_t text_hash, text_size;
} run;

/* Writes everything, atomically. */
bool checkpoint_write(const run *r, const char *path);
/* Writes what is needed to use the model, with its held-out loss. */
bool checkpoint_write_model(const run *r, double loss, const char *path);

/* Makes the options, the vocabulary and the model of a checkpoint. With `strict`, options that were
 * given and differ are a complaint; else they win. */
bool checkpoint_model(reel_archive *a, const char *path, bool strict, config *c, vocabulary *v,
                      model *m);
/* archive_open and checkpoint_model in one, for commands that only use the model in
 * c->checkpoint. */
bool checkpoint_open(config *c, bool strict, vocabulary *v, model *m);
/* Whether the run's text is the one that the checkpoint was trained on; complains when it is not.
 */
bool checkpoint_check_text(reel_archive *a, const char *path, const run *r);
/* Restores the rest of a run: optimizer, states, averages, counters. */
bool checkpoint_run(reel_archive *a, const char *path, run *r);
/* The held-out loss of the model in that file; infinity when there is no such file. */
double checkpoint_loss(const char *path);

#endif
