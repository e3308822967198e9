/* The table of options: what there is, and values to and from text. For options.c. */
#ifndef CHARLM_OPTIONS_TABLE_H
#define CHARLM_OPTIONS_TABLE_H

#include "options.h"

#include <stddef.h>

typedef enum kind { INTEGER, NUMBER, WORDS, TEXT, PATH, FLAG } kind;

/* KEPT: stored in checkpoints, and not to be contradicted when a run is resumed. GOAL: stored with
 * the run as its default when it is resumed. */
enum { FREE, KEPT, GOAL };

typedef struct option_spec {
    const char *name;
    kind kind;
    size_t offset;
    const char *value; /* what help shows for the argument; for WORDS the words, in order */
    const char *fallback;
    double low, high;
    unsigned commands;
    int kept;
    const char *help;
} option_spec;

/* The options in their order; their number is options_count. */
extern const option_spec options_table[];
extern const int options_count;

/* The option of that name that one of the commands has, or -1. */
int option_find(const char *name, size_t length, unsigned commands);
/* Sets it from text; complains and returns false when the text is no such value. A flag is set by
 * any text but "no". */
bool option_set(config *c, const option_spec *o, const char *text);
/* Its value as text, such that option_set reads the same value back; "yes" or "no" for a flag. */
void option_text(const config *c, const option_spec *o, char *text, size_t size);
/* The options of a preset as "name=value name ...", or NULL when there is none of that name. */
const char *preset_find(const char *name);

#endif
