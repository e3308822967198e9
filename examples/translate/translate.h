/* What the parts of reel-translate know of each other.
 *
 *   main        commands and options            translator   the network
 *   corpus      texts as numbers                pairs        sentence pairs and batches
 *   train       the loop's loss and judgement   rewards      training by BLEU
 *   evaluate    decoding and scores             align        pictures of attention
 */
#ifndef EXAMPLES_TRANSLATE_H
#define EXAMPLES_TRANSLATE_H

#include "../program/program.h"
#include "corpus.h"

enum { ATTENTION_NONE = 6 }; /* after the scores of reel_score, in their order */

enum { OBJECTIVE_LIKELIHOOD, OBJECTIVE_SELF_CRITICAL, OBJECTIVE_MIXER };
enum { REWARD_GLEU, REWARD_BLEU };
enum { MOST_PARTS = 64 }; /* of a batch */

/* What the user asked for; the options' table in main.c explains each. */
typedef struct settings {
    const char *cell, *cell_options, *checkpoint, *from, *valid_source, *valid_target;
    int64_t attention, heads, hidden, embed, layers, least, most_words, after;
    int64_t batch, pool, parts, epochs, seed, longest, threads, save_every, warmup;
    int64_t objective, reward, mixer_first, mixer_each, mixer_by;
    int64_t beam;
    double dropout, rate, decay, clip, smoothing, weight, baseline_rate;
    double alpha, beta, seconds;
    bool one_way, resume, overwrite, quiet, f64, maxout_readout, input_feeding, late, ties, coverage;
    const char *output;
} settings;

extern settings set;

/* The network -------------------------------------------------------------------------------------
 */

typedef struct translator {
    reel_vocabulary *source, *target;
    reel_params *params;
    reel_attention attention;
    reel_encoder encoder;
    reel_decoder decoder;
} translator;

/* Makes the network that the settings describe, for the two vocabularies, which become its own. */
bool translator_new(translator *m);
void translator_free(translator *m);
/* A network from a checkpoint, with its options. */
bool translator_open(translator *m, const char *path);
reel_tape *translator_tape(bool trains);
/* Whether the options make a network; complains. */
bool check_network(void);
void print_cells(void);

/* Sentence pairs */

typedef struct pairs {
    corpus source, target;
} pairs;

/* Reads two files of as many lines; the target's lines themselves, too, if asked. */
bool pairs_read(pairs *p, const translator *m, const char *source, const char *target,
                bool keep_target);
void pairs_free(pairs *p);
uint64_t pairs_hash(const pairs *p);

/* Sentences side by side, step by step. */
typedef struct batch {
    int64_t n, T, N;          /* sentences, source steps, target steps with the end */
    int64_t *length, *spoken; /* [n]: source steps; target steps with the end */
    int32_t *word;            /* [T][n] */
    int32_t *last, *next;     /* [N][n]: before and after each target step */
    int64_t words;            /* of the targets, ends included */
    const int32_t *name;      /* [n]: what masks go by; NULL: places in the batch */
    /* room for what is recorded */
    reel_node **h, **y, **logits, **weights;
} batch;

/* Sentences which[0 .. n - 1]; a target may be missing (target NULL). An empty source is one
 * unknown word. */
bool batch_make(batch *b, const corpus *source, const corpus *target, const int64_t *which,
                int64_t n);
void batch_free(batch *b);
/* Records the reading of the sources. */
reel_source batch_encode(const translator *m, reel_tape *tape, const batch *b);
/* Records teacher forcing; fills b->logits, and b->weights where attention there is. */
bool batch_force(const translator *m, reel_tape *tape, const batch *b, const reel_source *source);

/* Evaluation */

/* Translations: the words of each sentence, without the end. */
typedef struct said {
    int64_t n;
    int64_t *length;
    int32_t **token;
} said;

typedef struct decoding {
    int64_t beam;
    double alpha, beta;
} decoding;

bool decode_corpus(const translator *m, reel_tape *tape, const corpus *source, const decoding *how,
                   said *out);
void said_free(said *s);
/* BLEU against the lines of a text, as multi-bleu has it: over those from..to words long (of the
 * source), or all. */
bool bleu_of(const translator *m, const said *s, const pairs *p, int64_t from, int64_t to,
             reel_bleu *bleu, int64_t *sentences);

/* Rewards */

/* Records an update by the reward of what the model says itself. */
reel_node *reward_loss(const translator *m, reel_tape *tape, const pairs *p, const batch *b,
                       const int64_t *which, int64_t update, int64_t epoch);
/* Makes the baseline's weights, where there is one. */
bool reward_weights(const translator *m);

/* Commands: exit statuses. */
int command_train(int n, char *const *file);
int command_eval(int n, char *const *file);
int command_translate(int n, char *const *file);
int command_align(int n, char *const *file);

#endif
