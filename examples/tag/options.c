/* The options, their defaults and what becomes of them in checkpoints. */
#include "options.h"

settings set = {
    .common = {.checkpoint = "tag.safetensors",
               .seed = 1,
               .threads = 1,
               .epochs = 10,
               .batch = 16,
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
               .lines = 1000},
    .longest = 100,
};

const option option_table[] = {
    {"format", OPTION_WORD, &set.format, "columns|slashes", 0, 0, IN(TRAIN) | IN(EVAL), OPTION_KEPT,
     "how files are written: a line 'word<TAB>tag' for each word and an empty one between "
     "sentences, or a line 'word/tag word/tag' for each sentence"},
    {"characters", OPTION_WHOLE, &set.characters, "N", 0, 1024, IN(TRAIN), OPTION_KEPT,
     "units of a net that reads each word's characters both ways; 0: none"},
    {"restore", OPTION_FLAG, &set.restore, NULL, 0, 0, IN(LABEL), OPTION_FREE,
     "write text with the capitals and punctuation that the tags of 'prepare' stand for"},
    {"longest", OPTION_WHOLE, &set.longest, "N", 1, 1e6, IN(PREPARE), OPTION_FREE,
     "longer paragraphs become several sequences"},
    LABELLING_OPTIONS(set.common, "sentences"),
    {0}};
