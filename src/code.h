/* Compiling a template: what code.c and its passes share. */
#ifndef REEL_SRC_CODE_H
#define REEL_SRC_CODE_H

#include "plan.h"

/* Rows [from, from + n) along one axis of matrix i, as a view at the end; -1 when that is no
 * window. */
int reel__ir_rows(reel__ir *ir, int i, int axis, int64_t from, int64_t n);

/* Gives every value its segment; a product of which only some columns go on is divided. recurs: by
 * port, then by node; feeds: by node; whole: all in one segment. */
bool reel__pass_segments(reel__ir *ir, const uint8_t *recurs, const uint8_t *feeds, bool whole);

/* A kernel to be. */
typedef struct reel__draft {
    uint8_t kind; /* reel__kernel_kind */
    bool accumulate;
    uint8_t beside; /* of reel__kernel */
    int value, term;
    int *member; /* MAP */
    int members, room;
} reel__draft;

/* The value of which i is a window, or i. */
static inline int reel__base_of(const reel__ir *ir, int i)
{
    return ir->v[i].kind == REEL__VIEW ? ir->v[i].arg[0] : i;
}

/* Lets products that are added up and have the same left matrix follow one another, and says so. */
void reel__pass_beside(const reel__ir *ir, reel__draft *draft, int n);

/* Puts the code's values into kernels and gives them their places. */
bool reel__pass_fuse(reel__code *code, unsigned passes);

#endif
