/* Bringing a text to where it belongs: a stream, or a file as a whole. */
#ifndef REEL_SRC_DELIVER_H
#define REEL_SRC_DELIVER_H

#include <reel/base.h>
#include <stdio.h>

#include "label.h"
#include "write.h"

/* Writes the text; false when memory is out. */
typedef bool reel__author(const void *context, reel__text *out);

/* To the stream, which stays open, or, where it is NULL, to the path, whose old file stays whole on
 * failure. REEL_ERR_MEMORY and what the writing fails by; then the message says why. */
reel_status reel__deliver(const char *path, FILE *stream, reel__author *author, const void *context,
                          char message[REEL__WRITER_MESSAGE]);

#endif
