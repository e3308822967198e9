/* Heat maps: what stands between numbers and SVG. For chart*.c. */
#ifndef REEL_SRC_CHART_H
#define REEL_SRC_CHART_H

#include <reel/chart.h>

#include "label.h"

typedef struct reel__rgb {
    uint8_t r, g, b;
} reel__rgb;

/* What maps are drawn with. */
typedef struct reel__ink {
    const char *background, *text, *faint;
    reel__rgb missing; /* behind what is not finite */
} reel__ink;

typedef struct reel__chart {
    const reel_heat_map_args *args;
    const reel_heat *map;
    size_t maps, across;
    reel_heat single;
    double low, high; /* of the scale; low < high */
    int digits;       /* of numbers in cells */
    int64_t strange;  /* values that are not finite */
    bool whole;       /* all values are whole numbers */
} reel__chart;

/* The colour for a place in the scale, from 0 to 1. */
reel__rgb reel__scale_colour(reel_chart_scale scale, reel_chart_theme theme, double x);
/* Whether black is easier to read on it than white. */
bool reel__is_bright(reel__rgb c);
const reel__ink *reel__ink_of(reel_chart_theme theme);

/* What the colour of a value stands for: the value or its share of the row. */
double reel__chart_level(const reel__chart *c, const reel_heat *m, int64_t row, int64_t column,
                         double sum);
/* The sum of the absolute values of a row, where it is needed. */
double reel__chart_sum(const reel__chart *c, const reel_heat *m, int64_t row);

/* The picture as SVG. False when memory is out; what `out` failed at, it knows itself. */
bool reel__chart_write(const reel__chart *c, reel__text *out);

/* Characters: the width in px of the first `limit` characters at 1 px a letter's height. */
double reel__text_width(const char *text, size_t limit);
/* A number with a point, whatever the locale; at most n - 1 bytes. */
void reel__number(char *text, size_t n, double x, int digits);

#endif
