/** @file
 * Tables of numbers as pictures: heat maps as plain SVG, for which no other program is needed.
 *
 *     char why[256];
 *     if (reel_heat_map("alignment.svg", .rows = n, .columns = m, .value = weights,
 *                       .row_label = target_words, .column_label = source_words,
 *                       .message = why, .room = sizeof why) != REEL_OK) {
 *         fprintf(stderr, "%s\n", why);
 *     }
 *
 * Common uses:
 * - the alignment of an attention (Bahdanau et al. 2015, figure 3): a row for each target word, a
 *   column for each source word, values reel_read from the attention's weights. Words stand at the
 *   left and slanted on top;
 * - gates over time: a row for each chosen unit and a column for each step, `.low = 0, .high = 1`
 *   for gates of a logistic function, `.scale = REEL_CHART_DIVERGING` for states;
 * - confusion tables: a row for what is right and a column for what was said, `.numbers = true,
 *   .by_row = true`, which colours counts by their share of the row;
 * - several maps in one picture, such as the heads of an attention: `.maps = n, .map = map`.
 *
 * Every cell has a tooltip with its row, column and value.
 */
#ifndef REEL_CHART_H
#define REEL_CHART_H

#include <reel/base.h>
#include <stdio.h>

REEL_BEGIN

/** Colours for values. All but the last are told apart by those who do not see all colours, too. */
typedef enum reel_chart_scale {
    REEL_CHART_SEQUENTIAL = 0, /**< from the background to blue: from nothing to much */
    REEL_CHART_DIVERGING,      /**< from blue over the background to red, around 0 */
    REEL_CHART_VIRIDIS,        /**< from violet over green to yellow, in even steps to the eye */
    REEL_CHART_GREY            /**< from white to black */
} reel_chart_scale;

/** The picture's background and text. */
typedef enum reel_chart_theme {
    REEL_CHART_LIGHT = 0,
    REEL_CHART_DARK,
    REEL_CHART_PRINT /**< black on white; every scale becomes that of greys */
} reel_chart_theme;

/** One map of several. Texts may be any bytes: what is not UTF-8 is shown as U+FFFD. */
typedef struct reel_heat {
    int64_t rows, columns;           /**< 1 or more each, and no more than a million cells */
    const double *value;             /**< [rows][columns]; what is not finite is crossed out */
    const char *const *row_label;    /**< [rows], from the top; NULL: 0, 1, ... */
    const char *const *column_label; /**< [columns]; slanted where they would not fit; NULL: 0, 1, ... */
    const char *row_title, *column_title; /**< what rows and columns are; NULL: nothing */
    const char *title;
} reel_heat;

/** What is drawn, and how; zero members mean the default. */
typedef struct reel_heat_map_args {
    const char *path; /**< ends in .svg; NULL with a stream */
    /* A single map: as the members of reel_heat. */
    int64_t rows, columns;
    const double *value;
    const char *const *row_label;
    const char *const *column_label;
    const char *row_title, *column_title;
    const char *title;    /**< of the whole picture */
    size_t maps;          /**< more than 0: these maps instead of a single one */
    const reel_heat *map; /**< all in the colours of one scale from .low to .high */
    size_t across;        /**< maps side by side; 0: about as many as one below the other */
    reel_chart_scale scale;
    reel_chart_theme theme;
    double low, high; /**< the ends of the scale, which values beyond have the colours of. Both 0:
                         from the least to the greatest value, and from 0 where none is below;
                         as far down as up where the scale is diverging */
    bool by_row;      /**< colours are by value / sum of the row's absolute values; numbers stay */
    bool numbers;     /**< write each value into its cell */
    int digits;       /**< digits behind the point of these; 0: none where all values are whole,
                         else 2; below 0: none */
    double cell_width, cell_height; /**< in px; 0: 24, less where many cells would make the map
                                       large, more where numbers need it */
    bool no_legend;
    const char *font;  /**< families as CSS lists them; NULL: sans-serif ones */
    FILE *stream;      /**< instead of a path: where the text goes; stays open */
    char *message;     /**< where the reason of a failure goes, "" if there is none; may be NULL */
    size_t room;       /**< bytes there */
    const char *at;
} reel_heat_map_args;

/** reel_heat_map("gates.svg", .rows = units, .columns = steps, .value = v): the picture, which
 * replaces the file at the path as a whole. REEL_ERR_ARGUMENT: something above is not as it should
 * be; REEL_ERR_FILE, REEL_ERR_MEMORY. On error the old file stays whole. */
#define reel_heat_map(...)                                                                         \
    reel_heat_map_with(&(reel_heat_map_args){.at = REEL_HERE, .path = __VA_ARGS__})
/** As the macros reel_heat_map and reel_heat_map_stream. */
REEL_API REEL_CHECKED reel_status reel_heat_map_with(const reel_heat_map_args *args);
/** reel_heat_map_stream(stdout, .rows = ...): the SVG text only. */
#define reel_heat_map_stream(out, ...)                                                             \
    reel_heat_map_with(&(reel_heat_map_args){.at = REEL_HERE, .stream = (out), __VA_ARGS__})

REEL_END

#endif
