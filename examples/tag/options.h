/* What the user can set; options.c has the table. */
#ifndef TAG_OPTIONS_H
#define TAG_OPTIONS_H

#include "../program/labelling.h"

enum { FORMAT_COLUMNS, FORMAT_SLASHES };

typedef struct settings {
    labelling common;
    bool restore;
    int64_t format, longest, characters;
} settings;

extern settings set;
extern const option option_table[];

#endif
