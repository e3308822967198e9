/* Curves drawn by gnuplot. */
#ifndef EXAMPLES_PROGRAM_CURVES_H
#define EXAMPLES_PROGRAM_CURVES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct curve_point {
    int series;
    double x, y;
} curve_point;

typedef struct curves {
    const char *path; /* .svg, .png, .pdf, or .gp: gnuplot's script alone */
    const char *x_label, *y_label;
    bool logarithmic; /* y */
    int series;
    const char *const *name; /* [series] */
    size_t n;
    const curve_point
        *point; /* [n], those of a series in order; a y that is no number is left out */
} curves;

/* Whether --curves can be of that name; complains. */
bool curves_path(const char *path);
/* False after a complaint; a gnuplot that is missing is a note, and leaves the script. */
bool curves_draw(const curves *c);

#endif
