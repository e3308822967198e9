/* The character model: embedding or one-hot input, a stack of recurrent layers, a linear readout.
 */
#ifndef CHARLM_MODEL_H
#define CHARLM_MODEL_H

#include "options.h"

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct model {
    reel_params *params;
    reel_cell *cell;
    int64_t vocabulary, embed;
    double dropout;
} model;

/* Makes the weights of the model that `c` describes, for a vocabulary of that size. */
bool model_new(model *m, const config *c, int64_t vocabulary);
void model_free(model *m);

/* Inputs of T steps as nodes x[0..T-1] of [batch, features], from indices [T, batch]. */
void model_inputs(model *m, reel_tape *tape, int64_t T, int64_t batch, const int32_t *index,
                  reel_node **x);
/* Scores of the next unit: [T, batch, vocabulary] from the outputs y[0..T-1] of the cell. */
reel_node *model_logits(model *m, int64_t T, reel_node *const *y);
/* Runs the whole of it over T steps from the state s, which moves on; returns the logits. */
reel_node *model_run(model *m, reel_tape *tape, int64_t T, int64_t batch, const int32_t *index,
                     reel_state *s);

/* A tape for this model. Training: for its updates; otherwise for reading values only. */
reel_tape *model_tape(const config *c, bool training);

/* Whether there is such a kind of cell; complains when there is not. */
bool model_check_cell(const char *name);
void model_print_cells(void);

#endif
