/* Programs that train, for tests of how a block's backward pass is derived. */
#ifndef TESTS_DERIVE_PROGRAMS_H
#define TESTS_DERIVE_PROGRAMS_H

#include <reel/cell.h>
#include <reel/params.h>
#include <reel/random.h>
#include <reel/tape.h>

enum { DERIVE_CELLS = 3, DERIVE_LONGEST = 320 };

/* What a program is recorded with. */
typedef struct study {
    reel_tape *tape;
    reel_params *params;
    reel_cell *cell[DERIVE_CELLS]; /* made on first use */
    int length;                    /* how many steps there are */
    bool whole;                    /* leaves of small whole numbers */
    reel_random data;              /* of the elements of leaves */
} study;

typedef enum derive_way {
    ANY_WAY,
    BY_BLOCKS, /* derived block by block */
    RECORDED   /* recorded once, for the whole structure */
} derive_way;

typedef struct derive_program {
    const char *name;
    reel_node *(*record)(study *s); /* gives the loss */
    /* All values and gradients are whole numbers that an f32 holds, at these leaves and weights:
     * sums then have the same bits in any order. */
    bool whole;
    derive_way way; /* how it must have been done */
} derive_program;

/* All of them, up to one without a name. */
extern const derive_program derive_programs[];

#endif
