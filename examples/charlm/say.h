/* What the program says to its user: one line on stderr, under the program's name. */
#ifndef CHARLM_SAY_H
#define CHARLM_SAY_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stddef.h>

enum { EXIT_RUN = 1, EXIT_USAGE = 2, EXIT_SIGNAL = 128 };

/* Prints "reel-charlm: ..." and a newline. Always returns false, for `return complain(...)`. */
bool complain(const char *format, ...) REEL_PRINTF(1, 2);
/* The same for a remark that is no error. */
void note(const char *format, ...) REEL_PRINTF(1, 2);
/* The complaint of an allocation that failed; returns false. */
bool out_of_memory(void);
/* "1,234,567" in the caller's buffer, which it returns. */
const char *thousands(int64_t n, char *text, size_t size);

#endif
