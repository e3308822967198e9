/* Writing what is known of plans to a stream. */
#ifndef REEL_SRC_PLAN_WRITE_H
#define REEL_SRC_PLAN_WRITE_H

#include <stdio.h>

#include "label.h"
#include "tape.h"

/* Writes by `write` to the stream; errors go to the tape, in the name of `who`. Writes nothing on a
 * tape in error. */
reel_status reel__write_report(const char *at, reel_tape *tape, FILE *stream, const char *who,
                               bool (*write)(const reel_tape *tape, reel__text *out));

#endif
