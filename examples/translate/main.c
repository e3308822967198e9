/* reel-translate: an encoder and a decoder with attention, trained on parallel text. */
#include "translate.h"

settings set = {.cell = "gru",
                .cell_options = "",
                .checkpoint = "translate.safetensors",
                .from = "",
                .attention = REEL_ADDITIVE,
                .hidden = 256,
                .embed = 256,
                .heads = 8,
                .layers = 1,
                .least = 2,
                .batch = 64,
                .pool = 1,
                .parts = 16,
                .epochs = 10,
                .seed = 1,
                .longest = 100,
                .threads = 1,
                .save_every = 200,
                .after = 1000000,
                .mixer_each = 1,
                .mixer_by = 3,
                .beam = 5,
                .dropout = 0.3,
                .rate = 1e-3,
                .decay = 0.5,
                .clip = 1,
                .weight = 0.5,
                .baseline_rate = 0.01,
                .alpha = 1};

static int cells(int n, char *const *file)
{
    (void)n;
    (void)file;
    print_cells();
    return 0;
}

enum { TRAIN = 1, EVAL = 2, TRANSLATE = 4, ALIGN = 8, USE = EVAL | TRANSLATE | ALIGN };

static const command commands[] = {
    {"train", "SOURCE TARGET", "learn from two texts, line by line each other's translation", 2, 2,
     command_train},
    {"eval", "SOURCE TARGET", "translate a text, print BLEU by length of sentence", 2, 2,
     command_eval},
    {"translate", "[FILE]", "translate the lines of a file or of standard input", 0, 1,
     command_translate},
    {"align", "SOURCE TARGET OUT.svg", "draw what attention reads while it says the targets", 3, 3,
     command_align},
    {"cells", NULL, "list the kinds of cells", 0, 0, cells},
    {.name = NULL},
};

#define WHOLE(key, member, shown, low, high, commands, care, help)             \
    {                                                                          \
        key, OPTION_WHOLE, &set.member, shown, low, high, commands, care, help \
    }
#define NUMBER(key, member, shown, low, high, commands, care, help)             \
    {                                                                           \
        key, OPTION_NUMBER, &set.member, shown, low, high, commands, care, help \
    }
#define WORD(key, member, words, commands, care, help)                   \
    {                                                                    \
        key, OPTION_WORD, &set.member, words, 0, 0, commands, care, help \
    }
#define TEXT(key, member, shown, commands, care, help)                   \
    {                                                                    \
        key, OPTION_TEXT, &set.member, shown, 0, 0, commands, care, help \
    }
#define FLAG(key, member, commands, care, help)                         \
    {                                                                   \
        key, OPTION_FLAG, &set.member, NULL, 0, 0, commands, care, help \
    }

static const option options[] = {
    TEXT("checkpoint", checkpoint, "FILE", TRAIN | USE, OPTION_FREE, "the model's file"),
    TEXT("cell", cell, "NAME", TRAIN, OPTION_MODEL, "kind of cell, see 'cells'"),
    TEXT("cell-options", cell_options, "LIST", TRAIN, OPTION_MODEL,
         "options of that kind, as \"name=value name\""),
    WORD("attention", attention, "additive|dot|general|scaled-dot|concat|multi-head|none", TRAIN,
         OPTION_MODEL, "what is attended by"),
    WHOLE("heads", heads, "N", 1, 1024, TRAIN, OPTION_MODEL, "of multi-head attention"),
    WHOLE("hidden", hidden, "N", 1, 65536, TRAIN, OPTION_MODEL,
          "units of a layer, in each direction"),
    WHOLE("embed", embed, "N", 1, 65536, TRAIN, OPTION_MODEL, "features of a word and the readout"),
    WHOLE("layers", layers, "N", 1, 16, TRAIN, OPTION_MODEL, "layers on each side"),
    FLAG("one-way", one_way, TRAIN, OPTION_MODEL, "the encoder only reads forward"),
    FLAG("coverage", coverage, TRAIN, OPTION_MODEL,
         "additive attention sees where it has attended (Tu et al. 2016)"),
    FLAG("late", late, TRAIN, OPTION_MODEL, "attend after the cell (Luong et al. 2015)"),
    FLAG("input-feeding", input_feeding, TRAIN, OPTION_MODEL, "the cell sees the last readout"),
    FLAG("maxout", maxout_readout, TRAIN, OPTION_MODEL, "a maxout readout instead of tanh"),
    FLAG("tied", ties, TRAIN, OPTION_MODEL, "the output's weights are the target's embedding"),
    WHOLE("least", least, "N", 1, 1e9, TRAIN, OPTION_MODEL, "words seen less often are unknown"),
    WHOLE("words", most_words, "N", 0, 1e9, TRAIN, OPTION_MODEL,
          "words known at most, in each language; 0: no limit"),
    WHOLE("longest", longest, "N", 1, 1e6, TRAIN, OPTION_MODEL,
          "words of a sentence that are read"),
    NUMBER("dropout", dropout, "P", 0, 0.99, TRAIN, OPTION_KEPT,
           "dropout of embedded words, between layers and of the readout"),
    NUMBER("smoothing", smoothing, "E", 0, 0.99, TRAIN, OPTION_KEPT, "label smoothing"),
    WHOLE("batch", batch, "N", 1, 65536, TRAIN, OPTION_KEPT, "sentences in an update"),
    WHOLE("pool", pool, "N", 0, 1e9, TRAIN, OPTION_KEPT,
          "batches that are sorted by length together; 0: all, 1: none"),
    WHOLE("parts", parts, "N", 1, MOST_PARTS, TRAIN, OPTION_KEPT,
          "parts of a batch, by length, each padded to its own longest; rewards have one"),
    NUMBER("rate", rate, "R", 1e-12, 1e3, TRAIN, OPTION_KEPT, "learning rate of Adam"),
    WHOLE("warmup", warmup, "N", 0, 1e9, TRAIN, OPTION_KEPT,
          "updates over which the rate rises at first"),
    NUMBER("decay", decay, "F", 1e-6, 1, TRAIN, OPTION_KEPT, "factor on the rate per epoch ..."),
    WHOLE("decay-after", after, "N", 0, 1e9, TRAIN, OPTION_KEPT, "... after this one"),
    NUMBER("clip", clip, "C", 0, 1e9, TRAIN, OPTION_KEPT, "limit on the gradient's norm; 0: none"),
    WORD("objective", objective, "likelihood|self-critical|mixer", TRAIN, OPTION_KEPT,
         "what is optimised: likelihood, or the reward of what the model says"),
    WORD("reward", reward, "gleu|bleu", TRAIN, OPTION_KEPT, "what a sentence is worth"),
    NUMBER("weight", weight, "W", 0, 1e3, TRAIN, OPTION_KEPT,
           "of the cross-entropy beside rewards"),
    NUMBER("baseline-rate", baseline_rate, "W", 0, 1e3, TRAIN, OPTION_KEPT,
           "of the baseline's loss in mixer"),
    WHOLE("mixer-first", mixer_first, "N", 0, 1e6, TRAIN, OPTION_KEPT,
          "epochs of cross-entropy alone in mixer"),
    WHOLE("mixer-each", mixer_each, "N", 1, 1e6, TRAIN, OPTION_KEPT, "epochs of a stage in mixer"),
    WHOLE("mixer-by", mixer_by, "N", 1, 1e6, TRAIN, OPTION_KEPT,
          "words by which a stage goes further in mixer"),
    TEXT("from", from, "FILE", TRAIN, OPTION_FREE,
         "start with the weights and words of this checkpoint"),
    FLAG("f64", f64, TRAIN, OPTION_MODEL, "compute in f64"),
    WHOLE("seed", seed, "N", 0, 9e15, TRAIN, OPTION_KEPT, "seed of everything random"),
    WHOLE("epochs", epochs, "N", 1, 1e6, TRAIN, OPTION_GOAL, "times through the pairs"),
    NUMBER("seconds", seconds, "N", 0, 1e9, TRAIN, OPTION_FREE,
           "stop after so much time; 0: never"),
    WHOLE("save-every", save_every, "N", 1, 1e9, TRAIN, OPTION_FREE, "updates between checkpoints"),
    TEXT("valid-source", valid_source, "FILE", TRAIN, OPTION_FREE,
         "a text to measure BLEU on after each epoch ..."),
    TEXT("valid-target", valid_target, "FILE", TRAIN, OPTION_FREE, "... and its translation"),
    FLAG("resume", resume, TRAIN, OPTION_FREE, "go on from the checkpoint"),
    FLAG("overwrite", overwrite, TRAIN, OPTION_FREE, "replace an existing checkpoint"),
    WHOLE("beam", beam, "N", 1, 1000, EVAL | TRANSLATE, OPTION_FREE,
          "translations kept at each step; 1: greedy"),
    NUMBER("alpha", alpha, "A", 0, 10, EVAL | TRANSLATE, OPTION_FREE,
           "length penalty (Wu et al. 2016)"),
    NUMBER("beta", beta, "B", 0, 10, EVAL | TRANSLATE, OPTION_FREE,
           "what leaving out a word of the source costs (Wu et al. 2016)"),
    TEXT("output", output, "FILE", EVAL, OPTION_FREE, "keep the translations"),
    WHOLE("threads", threads, "N", 0, 1024, TRAIN | USE, OPTION_FREE,
          "threads; 0: one per core. The results do not depend on it"),
    FLAG("quiet", quiet, TRAIN | USE, OPTION_FREE, "show no progress"),
    {.name = NULL},
};

static const program this_program = {
    .name = "reel-translate",
    .about = "Translates by an encoder and a decoder, with attention or without.\n",
    .commands = commands,
    .options = options,
    .more = "Texts are tokens with spaces between, a sentence a line.\n",
};

int main(int argc, char **argv)
{
    return program_main(&this_program, argc, argv);
}
