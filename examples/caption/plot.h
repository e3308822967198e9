/* Learning curves, drawn by gnuplot. */
#ifndef EXAMPLES_CAPTION_PLOT_H
#define EXAMPLES_CAPTION_PLOT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct plot_line {
    const char *name;
    const double *y; /* [n], at 1, 2, ...; what is not a number is left out */
    int64_t n;
} plot_line;

/* Whether the file's name ends in .svg, .png, .pdf or .gp; false after a complaint. */
bool plot_check(const char *path);
/* Draws CIDEr-D over epochs; .gp: the script alone. False after a complaint; a gnuplot that is
 * missing is none, and leaves its script. */
bool plot_curves(const char *path, int n, const plot_line *lines);

#endif
