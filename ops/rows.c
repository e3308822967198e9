/* Rows of numbers, as softmax and its relatives and sums along an axis take them.
 * Invariant: the order in which a row is added up depends on its length alone: neither the
 * instruction set nor a cut of the work changes it. */
#ifndef REEL_REAL

#include <reel/isa.h>
#include <reel/op.h>
#include <reel/ops.h>

#include <math.h>
#include <string.h>

/* Enough partial results side by side that no addition waits for the one before. */
enum { ROW_LANES = 16, ROW_BLOCK = 256 };

/* vector.h has some functions of floats by those of doubles, so these come first. */
#include <reel/real64.h>

#include "rows.c"

#include <reel/real32.h>

#include "rows.c"

#elif !defined ISA_OPEN /* once per type */

#include "rows.h"

#undef ISA_SOURCE
#define ISA_SOURCE "rows.c"
#include "isa_each.h"

double TYPED(reel__row_total)(const REAL *x, int64_t n)
{
    static double (*const by[REEL_ISAS])(const REAL *, int64_t) = EACH_ISA(TYPED(row_total));
    return by[reel_isa_used()](x, n);
}

REAL TYPED(reel__row_largest)(const REAL *x, int64_t n)
{
    static REAL (*const by[REEL_ISAS])(const REAL *, int64_t) = EACH_ISA(TYPED(row_largest));
    return by[reel_isa_used()](x, n);
}

void TYPED(reel__row_less)(const REAL *x, int64_t n, REAL less, REAL *y)
{
    static void (*const by[REEL_ISAS])(const REAL *, int64_t, REAL, REAL *) =
        EACH_ISA(TYPED(row_less));
    by[reel_isa_used()](x, n, less, y);
}

void TYPED(reel__row_scale)(REAL *x, int64_t n, REAL factor)
{
    static void (*const by[REEL_ISAS])(REAL *, int64_t, REAL) = EACH_ISA(TYPED(row_scale));
    by[reel_isa_used()](x, n, factor);
}

void TYPED(reel__row_exp)(REAL *x, int64_t n)
{
    const REAL *in = x;
    reel_op_exp.TYPED(map)((size_t)n, &in, x, NULL);
}

double TYPED(reel__row_exp_total)(const REAL *x, int64_t n, REAL less)
{
    REAL y[ROW_BLOCK];
    double total = 0;
    for (int64_t from = 0; from < n; from += ROW_BLOCK) {
        const int64_t size = n - from < ROW_BLOCK ? n - from : ROW_BLOCK;
        TYPED(reel__row_less)(x + from, size, less, y);
        TYPED(reel__row_exp)(y, size);
        total += TYPED(reel__row_total)(y, size);
    }
    return total;
}

#else /* once per type and instruction set */

static double V(row_total)(const REAL *x, int64_t n)
{
    double lane[ROW_LANES] = {0}, total = 0;
    int64_t k = 0;
    for (; k + ROW_LANES <= n; k += ROW_LANES) {
        for (int j = 0; j < ROW_LANES; j++) {
            lane[j] += (double)x[k + j];
        }
    }
    for (; k < n; k++) {
        total += (double)x[k];
    }
    for (int j = 0; j < ROW_LANES; j++) {
        total += lane[j];
    }
    return total;
}

static REAL V(row_largest)(const REAL *x, int64_t n)
{
    REAL lane[ROW_LANES];
    int64_t k = 0;
    for (int j = 0; j < ROW_LANES; j++) {
        lane[j] = (REAL)-INFINITY;
    }
    for (; k + ROW_LANES <= n; k += ROW_LANES) {
        for (int j = 0; j < ROW_LANES; j++) {
            lane[j] = x[k + j] > lane[j] ? x[k + j] : lane[j];
        }
    }
    for (; k < n; k++) {
        lane[0] = x[k] > lane[0] ? x[k] : lane[0];
    }
    for (int j = 1; j < ROW_LANES; j++) {
        lane[0] = lane[j] > lane[0] ? lane[j] : lane[0];
    }
    return lane[0];
}

static void V(row_less)(const REAL *x, int64_t n, REAL less, REAL *y)
{
    for (int64_t k = 0; k < n; k++) {
        y[k] = x[k] - less;
    }
}

static void V(row_scale)(REAL *x, int64_t n, REAL factor)
{
    for (int64_t k = 0; k < n; k++) {
        x[k] *= factor;
    }
}

#endif
