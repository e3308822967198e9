/* What checkpoints of all programs are made of: an archive that says whose it is, weights,
 * counters. */
#ifndef EXAMPLES_PROGRAM_ARCHIVE_H
#define EXAMPLES_PROGRAM_ARCHIVE_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Complains with the archive's message; false. */
bool archive_complain(const reel_archive *a);
/* Marks it as this program's ("reel-charlm 1"). */
bool archive_sign(reel_archive *a);
/* Reads a file of this program; NULL after a complaint. */
reel_archive *archive_open(const char *path);
/* Writes it, if `filled`, and frees it. False after a complaint. */
bool archive_close(reel_archive *a, bool filled, const char *path);
/* Takes the weights of a model that was made anew: each must be there, and fit. */
bool archive_weights(reel_archive *a, const char *path, reel_params *ps);

/* Counts and sums by name, so that writing and reading share one list. */
typedef struct counter {
    const char *key;
    int64_t *count; /* NULL: a sum */
    double *sum;
} counter;
/* Put, and taken back. On failure the archive has the message. */
bool counters_put(reel_archive *a, const counter *list, int n);
bool counters_take(reel_archive *a, const counter *list, int n);

/* The file of the best model, "x.best.safetensors" for "x.safetensors", in the caller's buffer.
 * NULL after a complaint: it is too small. */
const char *best_path(const char *checkpoint, char *path, size_t size);

#endif
