/* What the loop of updates and its checkpoints know of each other. */
#ifndef EXAMPLES_PROGRAM_TRAINING_H
#define EXAMPLES_PROGRAM_TRAINING_H

#include "program.h"

/* Writes all that the run needs to go on from here; or the model alone, as the best one. */
bool training_save(training *t);
bool training_save_best(training *t);
/* Takes weights, optimizer and counters back. */
bool training_restore(training *t);

#endif
