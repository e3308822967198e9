/* The commands that use a model. Each returns the program's exit status. */
#ifndef CHARLM_COMMANDS_H
#define CHARLM_COMMANDS_H

#include "options.h"

int command_sample(config *c);
int command_eval(config *c, int n, char *const *path);
/* Draws what the options describe or, when --checkpoint was given, the model in it. */
int command_draw(config *c, bool from_checkpoint, const char *output);
int command_demo(const config *c, const char *folder);

#endif
