/* What the experiment programs have in common: options, progress, a stop on Ctrl-C, curves. Results
 * depend on none of it but the seed and the program's own settings. */
#ifndef EXAMPLES_EXPERIMENT_H
#define EXAMPLES_EXPERIMENT_H

#include "program/curves.h"
#include "program/say.h"

/* A setting of a program: a number with a default and limits, or, with `words`, one of "a|b|c",
 * kept as its position. */
typedef struct setting {
    const char *name;
    double *value; /* holds the default */
    double low, high;
    const char *words; /* NULL: a number */
    const char *help;
} setting;

enum { MOST_SERIES = 32 };

typedef struct experiment {
    const char *name, *about; /* the program, and what it shows, some lines that end in a newline */
    const char *x_label, *y_label;
    const setting *settings; /* up to the first without a name */
    bool quick, quiet;
    uint64_t seed;
    const char *curves; /* FILE.svg, .png, .pdf or .gp; NULL: none */
    /* the helper's own */
    bool failed;
    meter progress;
    char what[64], series[MOST_SERIES][64];
    int64_t total;
    int series_count;
    curve_point *points;
    size_t count, capacity;
} experiment;

/* Takes the arguments and begins to catch Ctrl-C. False: help was printed or a complaint made, and
 * main is to return *status. */
bool experiment_start(experiment *e, int argc, char **argv, int *status);
/* A stretch of `total` updates begins. */
void experiment_begin(experiment *e, int64_t total, const char *what, ...) REEL_PRINTF(3, 4);
/* After an update: shows how far it is, four times a second on a terminal, else every ten seconds.
 * False when a signal has asked the program to stop. */
bool experiment_update(experiment *e, int64_t done, double loss);
/* Wipes the progress line, before the program prints. */
void experiment_clear(const experiment *e);
/* A point of the curve of that name. */
void experiment_point(experiment *e, const char *series, double x, double y);
/* Draws the curves, if asked to, frees them and returns main's status: `ok` and no signal, 0. */
int experiment_finish(experiment *e, bool ok);

#endif
