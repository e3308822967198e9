/* The inner kernels of products with packed matrices, by instruction set. */
#ifndef REEL_SRC_PANELS_KERNELS_H
#define REEL_SRC_PANELS_KERNELS_H

#include <reel/base.h>

/* A panel is so many bytes wide: one cache line for each row of the packed matrix. */
enum { REEL__PANEL = 64 };

/* C[rows, panels * width] = A[rows, k] times that many neighbouring panels, C added if `load`. */
typedef struct reel__tile {
    int64_t k;
    const void *a;
    int64_t a_row, a_column; /* elements */
    const void *panel;       /* the first one: [k][width] */
    int64_t panel_step;      /* elements from one to the next */
    void *c;
    int64_t c_row; /* elements; columns are dense */
    bool load;
    const void *next; /* C of the tile that comes next, for the cache */
    /* Memory that is called into the cache meanwhile, for each panel as much: ahead + i *
     * ahead_step bytes, i < k. Kernels of few rows do not: the processor sees by itself what they
     * stream. */
    const void *ahead;
    int64_t ahead_step;
} reel__tile;

typedef void reel__tile_kernel(const reel__tile *tile);

enum {
    REEL__DEEPEST = 512, /* bounds reel__tiles' deep */
    REEL__TILE_ROWS = 8,
    REEL__TILE_STREAMED = 3, /* up to so many rows, nothing is called for */
    REEL__TILE_CHOICES = 4,
    REEL__TILE_PANELS = 1 << (REEL__TILE_CHOICES - 1),
    REEL__TILE_LINES = 16 /* bounds a tile's rows times panels */
};

typedef struct reel__tiles {
    unsigned needs; /* reel__cpu_feature */
    int rows;       /* the most rows that a kernel takes */
    int deep;       /* how much of k to take at a time: the more, the less often C is read and
                     * written; panels and the strip of A that is at work come from the second
                     * cache, which a tile hardly waits for */
    /* [r][p]: for r rows and 1 << p panels; NULL from some p > 0 on. */
    reel__tile_kernel *kernel[REEL__TILE_ROWS + 1][REEL__TILE_CHOICES];
} reel__tiles;

/* The best kernels that need no more than these features. Static. */
const reel__tiles *reel__tiles_for(reel_dtype dtype, unsigned features);

#endif
