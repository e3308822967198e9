/* What the products of panels.h share. */
#ifndef REEL_SRC_PANELS_INNER_H
#define REEL_SRC_PANELS_INNER_H

#include "panels.h"
#include "panels_kernels.h"

/* Tiles are taken in strips of at most so many rows: what these have of A, and the part of C that
 * panels at work make of them, then stays in the second cache while the panels go through it. */
enum { REEL__STRIP_ROWS = 80 };

/* Rows of a matrix: where each begins, and the step between columns in elements. */
typedef struct reel__lines {
    const char *start[REEL__DEEPEST];
    int64_t k, step;
} reel__lines;

/* Rows that will be gathered next: with every tile some are called into the second cache. */
typedef struct reel__coming {
    const reel__lines *lines; /* dense ones */
    int64_t left, bytes;      /* of each row, from where on and how much */
    int64_t next, each;       /* the row that is next, and how many a tile calls for */
} reel__coming;

typedef struct reel__strips {
    const reel__tiles *tiles;
    int64_t size, width; /* bytes of an element, columns of a panel */
    int64_t m, n, k;
    const char *a; /* unless rows are gathered */
    int64_t a_row, a_column;
    const char *end; /* of the packed matrix */
    char *gathered;  /* the rows of A that are at work, tile by tile; NULL: they stand in A */
    char *c;
    int64_t c_row, c_column;
    bool load;
    reel__coming *coming; /* NULL: nothing */
} reel__strips;

const reel__tiles *reel__panel_tiles(reel_dtype dtype);

/* How many pieces of at most so much there are, and where the i-th of `count` nearly equal ones
 * begins. */
static inline int64_t reel__pieces(int64_t size, int64_t most)
{
    return (size + most - 1) / most;
}

static inline int64_t reel__cut(int64_t size, int64_t count, int64_t i)
{
    int64_t longer = size % count;
    return size / count * i + (i < longer ? i : longer);
}

static inline int64_t reel__strip_tiles(const reel__tiles *tiles)
{
    return REEL__STRIP_ROWS / tiles->rows;
}

/* Tiles [first, last) of `count`, whose rows are gathered if they have to be, by the panels of
 * columns [from, to); the panel of column 0 is at `panels`. */
void reel__strip_multiply(const reel__strips *p, int64_t first, int64_t last, const char *panels,
                          int64_t from, int64_t to);

/* k rows of a matrix at `x`, `row` bytes apart. */
void reel__lines_set(reel__lines *lines, const char *x, int64_t row, int64_t k, int64_t step);

/* Copies the columns of tiles [from, to), of `count` over m columns: each tile [k][its columns],
 * one after another. */
void reel__tiles_gather(const reel__lines *lines, int64_t size, int64_t m, int64_t count,
                        int64_t from, int64_t to, char *out);

/* Panels [k][width] of columns [left, right), one after another; what is missing to the full width
 * of the last is 0. */
void reel__lines_pack(const reel__lines *lines, int64_t size, int64_t left, int64_t right,
                      char *out);

#endif
