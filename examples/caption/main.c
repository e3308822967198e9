/* reel-caption: captions of made-up scenes, and what scheduled sampling does for them (Bengio et
 * al. 2015). This file finds the command; the others are
 *
 *   scene    three things on a square, and noisy features       caption  what is said of them
 *   data     what is learned from and measured on               model    the network and its loss
 *   train    one model                                          judge    decoding and scores
 *   table    the experiment                                     plot     its curves
 */
#include "../program/program.h"
#include "judge.h"
#include "table.h"
#include "train.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    TRAIN = 1,
    EVAL = 2,
    DESCRIBE = 4,
    TABLE = 8,
    LEARN = TRAIN | TABLE,
    READ = EVAL | DESCRIBE
};

static settings set = {.checkpoint = "caption.safetensors",
                       .folder = "caption-table",
                       .method = SCHEDULED,
                       .scenes = 100,
                       .heldout = 400,
                       .data_seed = 1,
                       .noise = 0.3,
                       .hidden = 64,
                       .embedding = 64,
                       .epochs = 60,
                       .batch = 32,
                       .seed = 1,
                       .dropout = 0.3,
                       .rate = 4e-3,
                       .clip = 5,
                       .share = 0.5,
                       .beam = 1,
                       .show = 5,
                       .seeds = 5};

static const option options[] = {
    {"checkpoint", OPTION_TEXT, &set.checkpoint, "FILE", 0, 0, TRAIN | READ, OPTION_FREE,
     "the model"},
    {"resume", OPTION_FLAG, &set.resume, NULL, 0, 0, TRAIN, OPTION_FREE,
     "go on from the checkpoint"},
    {"overwrite", OPTION_FLAG, &set.overwrite, NULL, 0, 0, TRAIN, OPTION_FREE,
     "replace the checkpoint"},
    {"best", OPTION_FLAG, &set.best, NULL, 0, 0, READ, OPTION_FREE,
     "the best model of the run instead of its last"},
    {"method", OPTION_WORD, &set.method, "baseline|dropout|always|scheduled|uniform", 0, 0, TRAIN,
     OPTION_KEPT, "how it is trained"},
    {"share", OPTION_NUMBER, &set.share, "S", 0.01, 0.99, LEARN, OPTION_KEPT,
     "of the truth in the last update, to which the inverse sigmoid falls"},
    {"scenes", OPTION_WHOLE, &set.scenes, "N", 1, MOST_SCENES, LEARN, OPTION_KEPT,
     "scenes to learn from, five captions each"},
    {"heldout", OPTION_WHOLE, &set.heldout, "N", 1, MOST_SCENES, LEARN, OPTION_KEPT,
     "scenes to measure on, with pairs of colour and shape not seen before"},
    {"noise", OPTION_NUMBER, &set.noise, "S", 0, 1000, LEARN, OPTION_KEPT,
     "deviation of the noise on features"},
    {"data-seed", OPTION_WHOLE, &set.data_seed, "N", 0, 1e15, LEARN, OPTION_KEPT,
     "seed of scenes and captions"},
    {"hidden", OPTION_WHOLE, &set.hidden, "N", 1, 4096, LEARN, OPTION_KEPT, "units of the LSTM"},
    {"embedding", OPTION_WHOLE, &set.embedding, "N", 1, 4096, LEARN, OPTION_KEPT,
     "features of a word"},
    {"dropout", OPTION_NUMBER, &set.dropout, "P", 0, 0.95, LEARN, OPTION_KEPT,
     "rate of the method dropout"},
    {"epochs", OPTION_WHOLE, &set.epochs, "N", 1, MOST_EPOCHS, LEARN, OPTION_KEPT, "epochs"},
    {"batch", OPTION_WHOLE, &set.batch, "N", 1, 4096, LEARN, OPTION_KEPT, "captions of an update"},
    {"rate", OPTION_NUMBER, &set.rate, "R", 1e-9, 10, LEARN, OPTION_KEPT,
     "Adam's rate at first; falls as a cosine to a tenth"},
    {"clip", OPTION_NUMBER, &set.clip, "C", 1e-9, 1e9, LEARN, OPTION_KEPT,
     "limit on the gradient's global norm"},
    {"seed", OPTION_WHOLE, &set.seed, "N", 0, 1e15, TRAIN, OPTION_KEPT,
     "seed of weights, order and words"},
    {"beam", OPTION_WHOLE, &set.beam, "N", 1, 100, READ | TABLE, OPTION_FREE,
     "hypotheses of a scene; 1: greedy"},
    {"show", OPTION_WHOLE, &set.show, "N", 1, MOST_SCENES, DESCRIBE, OPTION_FREE,
     "how many scenes"},
    {"seeds", OPTION_WHOLE, &set.seeds, "N", 1, 100, TABLE, OPTION_FREE, "runs of each row"},
    {"folder", OPTION_TEXT, &set.folder, "DIR", 0, 0, TABLE, OPTION_FREE,
     "where models and scores are kept, and looked for"},
    {"curves", OPTION_TEXT, &set.curves, "FILE", 0, 0, TABLE, OPTION_FREE,
     "draw the held-out scores: .svg, .png, .pdf (by gnuplot), or .gp, its script"},
    {"quick", OPTION_FLAG, &set.quick, NULL, 0, 0, TABLE, OPTION_FREE,
     "a small version, in seconds, that checks what it shows"},
    {"quiet", OPTION_FLAG, &set.quiet, NULL, 0, 0, TRAIN | TABLE, OPTION_FREE, "show no progress"},
    {.name = NULL}};

/* What a checkpoint was made with, from its options. */
typedef struct opened {
    data d;
    captioner m;
} opened;

static void close_model(opened *o)
{
    captioner_free(&o->m);
    data_free(&o->d);
}

static bool open_model(opened *o)
{
    char path[4096];
    const char *file = set.best ? best_path(set.checkpoint, path, sizeof path) : set.checkpoint;
    reel_archive *a = file ? checkpoint_open(file, CHECKPOINT_USE) : NULL;
    bool ok = a && settings_data(&set, &o->d) && settings_model(&set, &o->d, &o->m) &&
              archive_weights(a, file, o->m.params);
    reel_archive_free(a);
    return ok;
}

static int run_train(int n, char *const *operand)
{
    (void)n, (void)operand;
    opened o = {.m = {0}};
    double curve[MOST_EPOCHS];
    reel_archive *a = set.resume ? checkpoint_open(set.checkpoint, CHECKPOINT_RESUME) : NULL;
    bool ok = (a || !set.resume) && settings_data(&set, &o.d) && settings_model(&set, &o.d, &o.m) &&
              train_captioner(&set, &o.d, &o.m, curve, 1);
    reel_archive_free(a);
    close_model(&o);
    return exit_status(ok);
}

static int run_eval(int n, char *const *operand)
{
    (void)n, (void)operand;
    opened o = {.m = {0}};
    captioner *model = &o.m;
    scores found;
    bool ok = open_model(&o) &&
              judge_captions(&model, 1, (int)set.beam, &o.d.test, o.d.vocabulary, &found);
    if (ok) {
        printf("BLEU-4 %.2f\nMETEOR %.2f\nCIDEr-D %.2f\n", 100 * found.bleu, 100 * found.meteor,
               100 * found.cider);
    }
    close_model(&o);
    return exit_status(ok);
}

static void print_words(const char *before, int64_t n, const char *const *word)
{
    fputs(before, stdout);
    for (int64_t i = 0; i < n; i++) {
        printf("%s%s", i > 0 ? " " : "", word[i]);
    }
    putchar('\n');
}

static void describe(const opened *o, int64_t i, const reel_hypothesis *said)
{
    const char *word[MOST_WORDS];
    const caption *right = &o->d.test.caption[i * REFERENCES];
    scene_print(&o->d.test.scene[i], stdout);
    print_words("  model: ", said_words(said, o->d.vocabulary, word), word);
    for (int k = 0; k < REFERENCES; k++) {
        print_words("         ", right[k].n, right[k].word);
    }
    putchar('\n');
}

static int run_describe(int n, char *const *operand)
{
    (void)n, (void)operand;
    opened o = {.m = {0}};
    captioner *model = &o.m;
    bool ok = open_model(&o);
    int64_t shown = ok && set.show < o.d.test.n ? set.show : o.d.test.n;
    reel_hypothesis *said = calloc((size_t)shown + 1, sizeof *said);
    ok = ok && (said || out_of_memory()) &&
         say_captions(&model, 1, (int)set.beam, shown, o.d.test.scene, said);
    for (int64_t i = 0; ok && i < shown; i++) {
        describe(&o, i, &said[i]);
    }
    if (ok) {
        reel_decode_free(said, shown);
    }
    free(said);
    close_model(&o);
    return exit_status(ok);
}

static int run_table(int n, char *const *operand)
{
    (void)n, (void)operand;
    return table(&set);
}

int main(int argc, char **argv)
{
    static const command commands[] = {
        {"train", NULL, "learn to tell scenes", 0, 0, run_train},
        {"eval", NULL, "measure a model on held-out scenes", 0, 0, run_eval},
        {"describe", NULL, "tell held-out scenes", 0, 0, run_describe},
        {"table", NULL, "ways of training and ensembles, over several seeds", 0, 0, run_table},
        {.name = NULL}};
    static const program self = {
        .name = "reel-caption",
        .about = "Captions of made-up scenes by an LSTM, and what scheduled sampling does for "
                 "them.\n",
        .commands = commands,
        .options = options,
        .more = "Examples:\n  reel-caption train --checkpoint c.safetensors\n"
                "  reel-caption describe --checkpoint c.safetensors\n"
                "  reel-caption table --curves captions.svg\n"};
    return program_main(&self, argc, argv);
}
