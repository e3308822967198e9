/* What reel-classify and reel-tag share beside the graph: settings, options, and how they train. */
#ifndef EXAMPLES_LABELLING_H
#define EXAMPLES_LABELLING_H

#include "labels.h"
#include "program.h"
#include "reader.h"

enum { COMMAND_TRAIN, COMMAND_EVAL, COMMAND_LABEL, COMMAND_PREPARE };
#define IN(command)     (1U << COMMAND_##command)
#define LABELLING_MODEL (IN(TRAIN) | IN(EVAL) | IN(LABEL))

typedef struct labelling {
    const char *checkpoint, *confusion;
    bool resume, overwrite, quiet, no_recurrence, held_out_part;
    int64_t seed, threads, epochs, batch, save_every, least, embed, lines;
    double held_out, rate, clip;
    reader_options net;
} labelling;

/* Rows of a program's table for the labelling `s` of what it calls its `texts`. */
/* clang-format off */
#define LABELLING_OPTIONS(s, texts) \
    {"checkpoint", OPTION_TEXT, &(s).checkpoint, "FILE", 0, 0, LABELLING_MODEL, OPTION_FREE, \
     "the model's file"}, \
    {"resume", OPTION_FLAG, &(s).resume, NULL, 0, 0, IN(TRAIN), OPTION_FREE, \
     "go on from the checkpoint"}, \
    {"overwrite", OPTION_FLAG, &(s).overwrite, NULL, 0, 0, IN(TRAIN), OPTION_FREE, \
     "replace a checkpoint that exists"}, \
    {"held-out", OPTION_NUMBER, &(s).held_out, "SHARE", 0, 0.9, IN(TRAIN), OPTION_KEPT, \
     "share of the " texts " that measures the model after each epoch"}, \
    {"held-out-part", OPTION_FLAG, &(s).held_out_part, NULL, 0, 0, IN(EVAL), OPTION_FREE, \
     "measure on the " texts " that were held out in training, of the same files"}, \
    {"least", OPTION_WHOLE, &(s).least, "N", 1, 1e9, IN(TRAIN), OPTION_KEPT, \
     "rarer words are unknown ones"}, \
    {"no-recurrence", OPTION_FLAG, &(s).no_recurrence, NULL, 0, 0, IN(TRAIN), OPTION_KEPT, \
     "label by words alone, whatever their order"}, \
    {"cell", OPTION_TEXT, &(s).net.cell, "KIND", 0, 0, IN(TRAIN), OPTION_KEPT, \
     "kind of cell: those of 'reel-charlm train --help'"}, \
    {"cell-options", OPTION_TEXT, &(s).net.cell_options, "TEXT", 0, 0, IN(TRAIN), OPTION_KEPT, \
     "the cell's options: 'name=value ...'"}, \
    {"direction", OPTION_WORD, &(s).net.direction, DIRECTIONS, 0, 0, IN(TRAIN), OPTION_KEPT, \
     "how the net reads"}, \
    {"layers", OPTION_WHOLE, &(s).net.layers, "N", 1, 16, IN(TRAIN), OPTION_KEPT, \
     "layers of cells"}, \
    {"hidden", OPTION_WHOLE, &(s).net.hidden, "N", 1, 8192, IN(TRAIN), OPTION_KEPT, \
     "units of a cell, in each direction"}, \
    {"embed", OPTION_WHOLE, &(s).embed, "N", 1, 8192, IN(TRAIN), OPTION_KEPT, \
     "features of a word"}, \
    {"dropout", OPTION_NUMBER, &(s).net.dropout, "P", 0, 0.95, IN(TRAIN), OPTION_KEPT, \
     "rate of dropout of words' features, between layers and of what is labelled"}, \
    {"recurrent-dropout", OPTION_NUMBER, &(s).net.recurrent_dropout, "P", 0, 0.95, IN(TRAIN), \
     OPTION_KEPT, "rate of dropout of what the recurrent weights see, one mask for each reading"}, \
    {"epochs", OPTION_WHOLE, &(s).epochs, "N", 1, 1e6, IN(TRAIN), OPTION_GOAL, \
     "how often all " texts " are read"}, \
    {"batch", OPTION_WHOLE, &(s).batch, "N", 1, 65536, LABELLING_MODEL, OPTION_KEPT, \
     texts " of an update"}, \
    {"rate", OPTION_NUMBER, &(s).rate, "R", 1e-9, 10, IN(TRAIN), OPTION_KEPT, \
     "Adam's learning rate"}, \
    {"clip", OPTION_NUMBER, &(s).clip, "C", 1e-9, 1e9, IN(TRAIN), OPTION_KEPT, \
     "limit on the gradient's global norm"}, \
    {"save-every", OPTION_WHOLE, &(s).save_every, "N", 0, 1e9, IN(TRAIN), OPTION_FREE, \
     "updates between checkpoints, beside those after epochs; 0: none"}, \
    {"confusion", OPTION_TEXT, &(s).confusion, "FILE", 0, 0, IN(EVAL), OPTION_FREE, \
     "draw what was taken for what, as SVG"}, \
    {"lines", OPTION_WHOLE, &(s).lines, "N", 2, 1e7, IN(TRAIN) | IN(EVAL) | IN(PREPARE), \
     OPTION_KEPT, "sentences to make up"}, \
    {"seed", OPTION_WHOLE, &(s).seed, "N", 0, 9e15, IN(TRAIN) | IN(PREPARE), OPTION_KEPT, \
     "of all that is random"}, \
    {"threads", OPTION_WHOLE, &(s).threads, "N", 0, 1024, LABELLING_MODEL, OPTION_FREE, \
     "0: one per core; results do not depend on it"}, \
    {"quiet", OPTION_FLAG, &(s).quiet, NULL, 0, 0, IN(TRAIN), OPTION_FREE, "no progress"}
/* clang-format on */

/* The batches of training: of texts [0, n) with those lengths, epoch after epoch in a new order. */
typedef struct batches {
    reel_bucketing how;
    int64_t *order, epoch;
} batches;

/* False after a complaint; batches_free in either case. */
bool batches_new(batches *b, const labelling *s, int64_t n, const int64_t *length);
void batches_free(batches *b);
/* Batch i, counted from the first epoch on: the numbers of its texts, and how many; NULL after a
 * complaint. */
const int64_t *batches_at(batches *b, int64_t i, int64_t *n);

/* How many of n texts are learned, the others being held out. */
int64_t labelling_learned(const labelling *s, int64_t n);
/* Tapes for training and for measuring; false after a complaint. */
bool labelling_tapes(const labelling *s, reel_tape **learning, reel_tape **measuring);
/* Trains t, of which the caller has set context, params, tape, units, data and functions, and tells
 * which epoch was best. */
bool labelling_train(const labelling *s, const batches *b, training *t);
/* Answers standard input line by line, so that a pipe gets each answer at once. */
bool labelling_answer(bool (*answer)(void *context, const char *line, size_t n), void *context);

#endif
