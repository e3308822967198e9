/* The figures of a run as tab-separated values. */
#ifndef CHARLM_LOG_H
#define CHARLM_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct log_row {
    int64_t step, units; /* units: characters trained on so far */
    double epoch;        /* with its fraction */
    double loss;         /* training, nats per character, mean over the stretch; NAN: none */
    double norm;
    double rate;
    double valid; /* held-out, nats per character; NAN: none */
} log_row;

/* Opens the log (path NULL: none, *out becomes NULL). A new run begins it anew; a resumed one keeps
 * the rows up to its step, so that rows written after the checkpoint are not there twice. */
bool log_open(FILE **out, const char *path, bool resume, int64_t step);
bool log_write(FILE *out, const char *path, const log_row *row);
bool log_close(FILE *out, const char *path);

/* Draws the curves of a log as SVG through gnuplot. Without gnuplot: a note, and true. */
bool plot_log(const char *log, const char *svg, const char *title);

#endif
