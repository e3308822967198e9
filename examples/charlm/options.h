/* The program's options: one table gives parsing, help, what a checkpoint stores and what a resumed
 * run may not contradict. */
#ifndef CHARLM_OPTIONS_H
#define CHARLM_OPTIONS_H

#include "../program/drawing.h"

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>

/* The commands, as bits: an option lists those it belongs to. */
enum { TRAIN = 1, SAMPLE = 2, EVAL = 4, DRAW = 8, DEMO = 16 };

enum { UNITS_BYTES, UNITS_CHARS };
enum { LOSS_MEAN, LOSS_SUM };
enum { DTYPE_F32, DTYPE_F64 };
enum { TEXT_SIZE = 128, MAX_OPTIONS = 96 };

/* Every option's value. Words of a fixed list are kept as their position in it. */
typedef struct config {
    /* the text */
    int64_t units;
    double valid;
    /* the model */
    char cell[TEXT_SIZE], cell_options[TEXT_SIZE];
    int64_t layers, hidden, embed;
    bool two_biases;
    double init, dropout;
    int64_t dtype;
    /* the learning */
    int64_t seq, stride, batch, optimizer, loss, seed, warmup, decay_after;
    double rate, alpha, momentum, weight_decay, decay;
    double clip, clip_value, average;
    int64_t valid_every, log_every;
    /* the run: free to change when a run is resumed */
    int64_t epochs, steps, seconds, threads, save_every;
    bool resume, overwrite, quiet, no_samples;
    const char *checkpoint, *log, *plot, *preset;
    /* samples */
    int64_t length;
    double temperature;
    const char *prime;
    /* eval and draw */
    bool held_out;
    int64_t eval_batch, draw_steps;
    drawing drawing;

    bool given[MAX_OPTIONS]; /* by the user, in the table's order */
} config;

typedef enum parse_result { PARSE_OK, PARSE_DONE, PARSE_BAD } parse_result;

/* All options at their defaults, then those of a preset (NULL: none). */
bool config_preset(config *c, const char *name);
/* Parses a command's line; argv[0] is the command. Operands are moved to argv[*first..].
 * PARSE_DONE: help or the version was printed. PARSE_BAD: a complaint was made. */
parse_result config_parse(config *c, unsigned command, int argc, char **argv, int *first);
/* Whether the user gave that option of the command. */
bool config_given(const config *c, const char *name, unsigned command);
void options_help(unsigned command);

/* Writes what belongs to the model and its learning, as text beside the tensors, and how long it is
 * to learn. */
bool config_store_model(const config *c, reel_archive *a);
bool config_store_goals(const config *c, reel_archive *a);
/* Takes it all back. Options that were given win; with `strict` a complaint is made when they
 * contradict. */
bool config_restore(config *c, reel_archive *a, const char *path, bool strict);

#endif
