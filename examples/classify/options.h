/* What the user can set; options.c has the table. */
#ifndef CLASSIFY_OPTIONS_H
#define CLASSIFY_OPTIONS_H

#include "../program/program.h"
#include "../program/reader.h"

enum { COMMAND_TRAIN, COMMAND_EVAL, COMMAND_LABEL, COMMAND_PREPARE };
enum { UNITS_WORDS, UNITS_CHARACTERS };
enum { POOL_LAST, POOL_MEAN, POOL_MAX, POOL_ATTENTION };
enum { TASK_AGREEMENT, TASK_ORDER, TASK_SPEAKERS };

typedef struct settings {
    const char *checkpoint, *confusion;
    bool resume, overwrite, quiet, by_file, no_recurrence, held_out_part;
    int64_t seed, threads, epochs, batch, save_every;
    double held_out, rate, clip;
    int64_t units, least, most_words, longest;
    int64_t embed, pool;
    reader_options net;
    int64_t task, lines, classes;
} settings;

extern settings set;
extern const option option_table[];

#endif
