/* What the user can set; options.c has the table. */
#ifndef TAG_OPTIONS_H
#define TAG_OPTIONS_H

#include "../program/program.h"
#include "../program/reader.h"

enum { COMMAND_TRAIN, COMMAND_EVAL, COMMAND_LABEL, COMMAND_PREPARE };
enum { FORMAT_COLUMNS, FORMAT_SLASHES };

typedef struct settings {
    const char *checkpoint, *confusion;
    bool resume, overwrite, quiet, no_recurrence, held_out_part, restore;
    int64_t seed, threads, epochs, batch, save_every;
    double held_out, rate, clip;
    int64_t format, least, longest;
    int64_t embed, characters;
    reader_options net;
    int64_t lines;
} settings;

extern settings set;
extern const option option_table[];

#endif
