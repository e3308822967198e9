/* What the options of reel-verse say. */
#ifndef EXAMPLES_VERSE_SETTINGS_H
#define EXAMPLES_VERSE_SETTINGS_H

#include "rank.h"

typedef struct settings {
    const char *checkpoint;
    bool resume, overwrite, quiet;
    int64_t epochs, batch, window, save_every, threads, seed, draws;
    int64_t least, word, hidden, letter, characters, size;
    double dropout, rate, clip, margin, seconds;
    int64_t loss;      /* LOSS_... */
    const char *parts; /* "words+characters+..." */
    const char *curves;
    int64_t candidates, lines, among, choice;
    bool validation;
} settings;
enum { LOSS_MARGIN, LOSS_SOFTMAX };
enum { AMONG_ALL, AMONG_TRAINING, AMONG_TEST };

extern settings set;

/* The parts of the score that --parts names; false after a complaint. */
bool parts_of(const char *text, unsigned *parts);
bool sizes_of(model_sizes *s);

/* A text, the words a model knows and the model: what every command needs. */
typedef struct session {
    play play;
    reel_vocabulary *known;
    model model;
    reel_tape *tape; /* for scores */
} session;
/* Makes the model of the checkpoint for that text. */
bool session_open(session *s, const char *text);
void session_close(session *s);

int run_train(int n, char *const *operand);
int run_eval(int n, char *const *operand);
int run_write(int n, char *const *operand);
int run_quick(int n, char *const *operand);

#endif
