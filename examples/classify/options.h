/* What the user can set; options.c has the table. */
#ifndef CLASSIFY_OPTIONS_H
#define CLASSIFY_OPTIONS_H

#include "../program/labelling.h"

enum { UNITS_WORDS, UNITS_CHARACTERS };
enum { POOL_LAST, POOL_MEAN, POOL_MAX, POOL_ATTENTION };
enum { TASK_AGREEMENT, TASK_ORDER, TASK_SPEAKERS };

typedef struct settings {
    labelling common;
    bool by_file;
    int64_t units, most_words, longest, pool, task, classes;
} settings;

extern settings set;
extern const option option_table[];

#endif
