/* The command `train`, which `demo` uses too. */
#ifndef CHARLM_TRAIN_H
#define CHARLM_TRAIN_H

#include "options.h"

/* Trains as the options say on the n files or folders; returns the program's exit status. */
int train(const config *c, int n, char *const *path);

#endif
