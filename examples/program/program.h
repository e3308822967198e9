/* What the programs that train models have in common: commands and options, what they say, Ctrl-C,
 * progress, checkpoints and the loop of updates. Results depend on none of it but the options'
 * values.
 *
 * A program is a table of commands and one of options; main is
 *
 *     return program_main(&program, argc, argv);
 */
#ifndef EXAMPLES_PROGRAM_H
#define EXAMPLES_PROGRAM_H

#include "archive.h"
#include "say.h"

/* Options and commands */

typedef enum option_kind {
    OPTION_WHOLE,  /* value: int64_t */
    OPTION_NUMBER, /* value: double */
    OPTION_WORD,   /* value: int64_t, the position in "a|b|c" */
    OPTION_TEXT,   /* value: const char *, which may be NULL */
    OPTION_FLAG    /* value: bool */
} option_kind;

/* What becomes of an option in checkpoints. */
typedef enum option_care {
    OPTION_FREE,  /* nothing */
    OPTION_KEPT,  /* stored; a command that reads the checkpoint gets it back, and one that resumes
                   * it may not contradict it */
    OPTION_MODEL, /* the same, and of the model, so that another run can start from it */
    OPTION_GOAL   /* stored; may be given anew when a run is resumed */
} option_care;

typedef struct program_option {
    const char *name;
    option_kind kind;
    void *value;       /* holds the default */
    const char *shown; /* the argument in the help; of a word the choices "a|b|c" */
    double low, high;
    unsigned commands; /* bits: 1 << the command's place in the table */
    option_care care;
    const char *help;
} option;

typedef struct command {
    const char *name, *operands, *help;      /* operands: "FILE ..." for the help */
    int least, most;                         /* how many operands */
    int (*run)(int n, char *const *operand); /* returns the exit status */
} command;

typedef struct program {
    const char *name;        /* "reel-translate" */
    const char *about;       /* lines that end in a newline */
    const command *commands; /* up to the first without a name */
    const option *options;   /* likewise */
    const char *more;        /* what the help ends with: examples, files; NULL */
    bool single;             /* the one command is what the program does, and is not named */
    const char *letters;     /* short names of options: "o=output l=layers"; NULL */
} program;

/* The running program; set by program_main. */
extern const program *the_program;

/* Handles --help and --version, finds the command, sets the options and runs it. */
int program_main(const program *p, int argc, char **argv);
/* Whether the user gave that option. */
bool option_given(const char *name);

/* Training */

/* A run: what is trained, how long, and the functions that do it. Everything random in an update
 * must follow from the seed and the number of the update, so that a resumed run goes on bit by bit.
 */
typedef struct training {
    void *context;
    reel_params *params;
    reel_opt *opt;
    reel_tape *tape;
    const char *checkpoint; /* the file */
    bool resume, overwrite, quiet;
    int64_t per_epoch, epochs; /* updates; */
    int64_t save_every;        /* updates between checkpoints; an epoch's end always makes one */
    const char *units;         /* what is counted, for progress: "words" */
    uint64_t data;             /* a hash of the data; a resumed run's must be the same */
    /* What else belongs in the model's file: vocabularies. NULL: nothing. */
    bool (*store)(void *context, reel_archive *a);
    /* Records update i, of epoch i / per_epoch, and returns the loss; adds to *units what was
     * trained on. The tape is reset and its counter set before. NULL after a complaint. */
    reel_node *(*loss)(void *context, int64_t i, int64_t *units);
    /* After an update, with the value of its loss; may be NULL. */
    bool (*updated)(void *context, int64_t i, double loss);
    /* After an epoch, counted from 1: measures the model on held-out data. *score: higher is
     * better; the best model is written to best_path. May be NULL. */
    bool (*judge)(void *context, int64_t epoch, double *score);
    double rate;                                  /* of learning, before the schedule's factor */
    double (*schedule)(void *context, int64_t i); /* factor on the rate; NULL: 1 */
    double seconds;                               /* stop after so much time; 0: none */
    /* the loop's own */
    int64_t step;        /* updates made */
    int64_t judged;      /* epochs after which the model was measured */
    double best;         /* score; -inf: none */
    int64_t best_epoch;  /* from 1 */
    double epoch_loss;   /* sum since the epoch's beginning ... */
    int64_t epoch_count; /* ... over so many updates */
    double rate_units;   /* units per second over the whole of this process's training, without
                            judging */
} training;

/* Trains; the checkpoint is written at the end, after Ctrl-C and on the way. False after a
 * complaint. A signal is no failure: see interrupted(). Vocabularies and model must have been made
 * before, from the checkpoint's options and texts with `resume` (checkpoint_open). */
bool training_run(training *t);

typedef enum checkpoint_use {
    CHECKPOINT_USE,
    CHECKPOINT_RESUME, /* a kept option that was given and differs is an error */
    CHECKPOINT_START   /* only the model's options are taken */
} checkpoint_use;
/* Opens a checkpoint and takes back the options it keeps. What was given wins, but for a resumed
 * run. NULL after a complaint. */
reel_archive *checkpoint_open(const char *path, checkpoint_use use);
/* Whether the checkpoint's training had data of this hash, as far as it tells; complains if not. */
bool checkpoint_learned(const char *path, uint64_t data);
/* The options of that care as text beside the tensors; and back, without those that were given. */
bool options_store(reel_archive *a, option_care care);
bool options_restore(const reel_archive *a, const char *path, checkpoint_use use);
/* A vocabulary under a key of the archive: put, and taken. */
bool checkpoint_put_vocabulary(reel_archive *a, const char *key, reel_vocabulary *v);
reel_vocabulary *checkpoint_take_vocabulary(reel_archive *a, const char *path, const char *key);

#endif
