/* A recurrent net that reads sequences: what programs that label texts have in common. */
#ifndef EXAMPLES_READER_H
#define EXAMPLES_READER_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>

enum { DIRECTION_FORWARD, DIRECTION_BOTH };
#define DIRECTIONS "forward|both"

/* What the options say. */
typedef struct reader_options {
    const char *cell, *cell_options;
    int64_t layers, hidden, direction;
    double dropout, recurrent_dropout;
} reader_options;

/* False after a complaint: whether there is such a cell. */
bool reader_check(const reader_options *o);
/* A stack of cells over `in` features, as the options say; NULL as reel_layers_with. */
reel_cell *reader_new(reel_params *ps, const char *name, int64_t in, const reader_options *o);
/* Runs over x [T, batch, in]: [T, batch, features], 0 beyond each sequence's end. */
reel_node *reader_run(reel_cell *cell, reel_node *x, const int64_t *length);
/* What the net says when it has read all of a sequence: [batch, features] of y, which reader_run
 * gave; of both directions each at its own end. */
reel_node *reader_last(reel_node *y, const int64_t *length, bool both);
/* The same outputs as a memory that is attended to. */
reel_memory reader_memory(const reel_attention *a, reel_node *y, const int64_t *length);
/* 1 within each sequence: [T, batch, 1]. */
reel_node *reader_mask(reel_tape *tape, int64_t T, int64_t batch, const int64_t *length);

#endif
