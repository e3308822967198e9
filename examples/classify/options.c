/* The options, their defaults and what becomes of them in checkpoints. */
#include "options.h"

settings set = {
    .common = {.checkpoint = "classify.safetensors",
               .seed = 1,
               .threads = 1,
               .epochs = 10,
               .batch = 32,
               .held_out = 0.1,
               .rate = 2e-3,
               .clip = 5,
               .least = 2,
               .embed = 64,
               .net = {.cell = "lstm",
                       .layers = 1,
                       .hidden = 64,
                       .direction = DIRECTION_BOTH,
                       .dropout = 0.2},
               .lines = 2000},
    .pool = POOL_MEAN,
    .classes = 10,
};

const option option_table[] = {
    {"by-file", OPTION_FLAG, &set.by_file, NULL, 0, 0, IN(TRAIN) | IN(EVAL), OPTION_KEPT,
     "each file is a class: its lines are texts, its name the label"},
    {"units", OPTION_WORD, &set.units, "words|characters", 0, 0, IN(TRAIN), OPTION_KEPT,
     "what a text is read as"},
    {"most-words", OPTION_WHOLE, &set.most_words, "N", 0, 1e9, IN(TRAIN), OPTION_KEPT,
     "keep only the most frequent words; 0: all"},
    {"longest", OPTION_WHOLE, &set.longest, "N", 0, 1e6, IN(TRAIN), OPTION_KEPT,
     "leave the rest of longer texts out; 0: none"},
    {"pool", OPTION_WORD, &set.pool, "last|mean|max|attention", 0, 0, IN(TRAIN), OPTION_KEPT,
     "what of the net's outputs is classified"},
    {"task", OPTION_WORD, &set.task, "agreement|order|speakers", 0, 0, IN(PREPARE), OPTION_FREE,
     "what to make: sentences with is or are left out; lines of a text, as they are and with words "
     "shuffled; what the speakers of a play say"},
    {"classes", OPTION_WHOLE, &set.classes, "N", 2, 10000, IN(PREPARE), OPTION_FREE,
     "speakers: how many, those who say most"},
    LABELLING_OPTIONS(set.common, "texts"),
    {0}};
