/* The experiment: ways of training and ensembles, over several seeds. */
#ifndef EXAMPLES_CAPTION_TABLE_H
#define EXAMPLES_CAPTION_TABLE_H

#include "settings.h"

/* Trains what the folder does not hold yet, and prints the table. s: the settings that checkpoints
 * keep. Returns the exit status: 0 when the claims came true. */
int table(settings *s);

#endif
