/* Values of options as text: whole numbers, numbers, and words of a list "one|two|three", which are
 * their positions in it. */
#ifndef EXAMPLES_PROGRAM_VALUE_H
#define EXAMPLES_PROGRAM_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each takes the text of option --name; false after a complaint, and the value is untouched. */
bool value_whole(const char *name, const char *text, double low, double high, int64_t *value);
bool value_number(const char *name, const char *text, double low, double high, double *value);
bool value_word(const char *name, const char *text, const char *words, int64_t *position);
/* The word at that position, in the caller's buffer, which is returned. */
const char *value_word_at(const char *words, int64_t position, char *text, size_t size);

#endif
