/* reel-verse: ranks lines as the next one of a text, as DopeLearning does (Malmi et al. 2016), and
 * makes verses of lines that there are. */
#include "settings.h"

#include "../program/program.h"

settings set = {.checkpoint = "verse.safetensors",
                .epochs = 4,
                .batch = 256,
                .window = 2600,
                .seed = 1,
                .draws = 1,
                .least = 2,
                .word = 64,
                .hidden = 64,
                .letter = 16,
                .characters = 48,
                .size = 64,
                .dropout = 0.5,
                .rate = 5e-3,
                .clip = 5,
                .margin = 1,
                .parts = "words+characters+topic+features+speakers",
                .candidates = 300,
                .lines = 12,
                .choice = 1};

enum { TRAIN = 1, EVAL = 2, WRITE = 4, QUICK = 8, MOST = 1000000 };

static const command commands[] = {
    {"train", "TEXT", "Learns which line comes next.", 1, 1, run_train},
    {"eval", "TEXT", "Ranks the true next lines of the held-out part among others.", 1, 1,
     run_eval},
    {"write", "TEXT [FIRST]", "Makes a verse of lines of the text.", 1, 2, run_write},
    {"quick", "[TEXT]", "Tries in seconds whether a small model learns; a play is made up.", 0, 1,
     run_quick},
    {0}};

static const option options[] = {
    {"checkpoint", OPTION_TEXT, &set.checkpoint, "FILE", 0, 0, TRAIN | EVAL | WRITE, OPTION_FREE,
     "the model's file"},
    {"resume", OPTION_FLAG, &set.resume, NULL, 0, 0, TRAIN, OPTION_FREE,
     "go on from the checkpoint, with its options"},
    {"overwrite", OPTION_FLAG, &set.overwrite, NULL, 0, 0, TRAIN, OPTION_FREE,
     "replace a checkpoint that is there"},
    {"epochs", OPTION_WHOLE, &set.epochs, "N", 1, MOST, TRAIN | QUICK, OPTION_KEPT,
     "times that all lines are learned from; the rate falls till their end"},
    {"loss", OPTION_WORD, &set.loss, "margin|softmax", 0, 0, TRAIN | QUICK, OPTION_KEPT,
     "what is made small: how far wrong lines come within the margin, or cross-entropy"},
    {"margin", OPTION_NUMBER, &set.margin, "X", 1e-6, 1e6, TRAIN | QUICK, OPTION_KEPT,
     "by how much the right line's score is to be higher"},
    {"parts", OPTION_TEXT, &set.parts, "PART+PART...", 0, 0, TRAIN | QUICK, OPTION_KEPT,
     "what the score is made of: words, characters, topic, features, speakers"},
    {"batch", OPTION_WHOLE, &set.batch, "N", 2, 4096, TRAIN, OPTION_KEPT,
     "lines of an update, each a wrong next line for the others"},
    {"window", OPTION_WHOLE, &set.window, "N", 2, 1e9, TRAIN, OPTION_KEPT,
     "lines of the stretch of text that they are drawn from"},
    {"word", OPTION_WHOLE, &set.word, "N", 1, 4096, TRAIN, OPTION_KEPT,
     "numbers of a word's vector"},
    {"hidden", OPTION_WHOLE, &set.hidden, "N", 1, 4096, TRAIN, OPTION_KEPT,
     "units of a net over words"},
    {"letter", OPTION_WHOLE, &set.letter, "N", 1, 4096, TRAIN, OPTION_KEPT,
     "numbers of a byte's vector"},
    {"characters", OPTION_WHOLE, &set.characters, "N", 1, 4096, TRAIN, OPTION_KEPT,
     "units of a net over bytes"},
    {"size", OPTION_WHOLE, &set.size, "N", 1, 4096, TRAIN, OPTION_KEPT, "numbers of a part's code"},
    {"least", OPTION_WHOLE, &set.least, "N", 1, MOST, TRAIN | QUICK, OPTION_KEPT,
     "a word is known when it was seen so often"},
    {"dropout", OPTION_NUMBER, &set.dropout, "P", 0, 0.99, TRAIN | QUICK, OPTION_KEPT,
     "share of vectors and states that is left out in training"},
    {"rate", OPTION_NUMBER, &set.rate, "X", 1e-9, 10, TRAIN, OPTION_KEPT, "Adam's rate at first"},
    {"clip", OPTION_NUMBER, &set.clip, "X", 1e-9, 1e9, TRAIN | QUICK, OPTION_KEPT,
     "limit on the gradient's global norm"},
    {"save-every", OPTION_WHOLE, &set.save_every, "N", 0, 1e9, TRAIN, OPTION_FREE,
     "updates between checkpoints; an epoch's end always makes one"},
    {"seconds", OPTION_NUMBER, &set.seconds, "S", 0, 1e9, TRAIN, OPTION_FREE,
     "stop after so much time; 0: never"},
    {"curves", OPTION_TEXT, &set.curves, "FILE", 0, 0, EVAL, OPTION_FREE,
     "draw how many true lines are among the first: .svg, .png, .pdf (by gnuplot), or .gp, its "
     "script"},
    {"candidates", OPTION_WHOLE, &set.candidates, "N", 2, MOST, EVAL, OPTION_FREE,
     "lines to be ranked"},
    {"validation", OPTION_FLAG, &set.validation, NULL, 0, 0, EVAL, OPTION_FREE,
     "measure on the part that chooses the best model instead"},
    {"lines", OPTION_WHOLE, &set.lines, "N", 1, 1000, WRITE, OPTION_FREE, "of the verse"},
    {"among", OPTION_WORD, &set.among, "all|training|held-out", 0, 0, WRITE, OPTION_FREE,
     "part of the text that lines come from"},
    {"choice", OPTION_WHOLE, &set.choice, "N", 1, 100, WRITE, OPTION_FREE,
     "draw from the N best lines each time"},
    {"seed", OPTION_WHOLE, &set.seed, "N", 0, 1e15, TRAIN | QUICK, OPTION_KEPT,
     "of all randomness"},
    {"seed", OPTION_WHOLE, &set.draws, "N", 0, 1e15, EVAL | WRITE, OPTION_FREE, "of what is drawn"},
    {"threads", OPTION_WHOLE, &set.threads, "N", 0, 256, TRAIN | EVAL | WRITE | QUICK, OPTION_FREE,
     "0: one per core; results do not depend on it"},
    {"quiet", OPTION_FLAG, &set.quiet, NULL, 0, 0, TRAIN | EVAL, OPTION_FREE, "show no progress"},
    {0}};

int main(int argc, char **argv)
{
    const program p = {
        .name = "reel-verse",
        .about = "Ranks lines as the next one of a text of speeches, with encoders "
                 "learned by a max-margin loss\n(as Malmi et al. 2016 do for rap), and "
                 "makes verses of lines that there are, with their sources.\n",
        .commands = commands,
        .options = options,
        .more = "TEXT has speeches set apart by empty lines, the first line of each its "
                "speaker's name and a colon.\nIts last tenth is held out whole; the "
                "twentieth before it chooses the best model, which is kept\nbeside "
                "the checkpoint NAME.safetensors as NAME.best.safetensors.\n"};
    return program_main(&p, argc, argv);
}
