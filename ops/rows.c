/* Rows of numbers, as softmax and its relatives and sums along an axis take them.
 * Invariant: the order in which a row is added up depends on its length alone: neither the
 * instruction set nor a cut of the work changes it. */
#ifndef REEL_REAL

#include <reel/isa.h>
#include <reel/op.h>
#include <reel/ops.h>

#include <math.h>
#include <string.h>

/* Enough partial results side by side that no addition waits for the one before; they are kept in
 * memory where compilers see no other way, so that as much as possible is done to each at once:
 * AT_ONCE elements, or ROWS rows, whose sums are then read and written once for them all. */
enum { ROW_LANES = 16, ROW_BLOCK = 256, AT_ONCE = 4, COLUMNS = 16, ROWS = 8, SHORT_LANES = 4 };

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

void TYPED(reel__row_add)(const REAL *x, int64_t rows, int64_t stride, int64_t n, double *sum)
{
    static void (*const by[REEL_ISAS])(const REAL *, int64_t, int64_t, int64_t, double *) =
        EACH_ISA(TYPED(row_add));
    by[reel_isa_used()](x, rows, stride, n, sum);
}

REAL TYPED(reel__row_largest)(const REAL *x, int64_t n)
{
    static REAL (*const by[REEL_ISAS])(const REAL *, int64_t) = EACH_ISA(TYPED(row_largest));
    return by[reel_isa_used()](x, n);
}

int64_t TYPED(reel__row_place)(const REAL *x, int64_t n, REAL sign)
{
    static int64_t (*const by[REEL_ISAS])(const REAL *, int64_t, REAL) = EACH_ISA(TYPED(row_place));
    return by[reel_isa_used()](x, n, sign);
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

/* ROW_LANES sums in f64, in as many vectors as that makes, each by a name: compilers keep arrays in
 * memory. */
#ifdef VECTOR_BYTES
typedef double V(wide) __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL V(narrow) __attribute__((vector_size(VECTOR_BYTES * REEL_REAL / 64)));

typedef struct V(lanes) {
    V(wide) a, b, c, d, e, f, g, h;
} V(lanes);
enum { V(each) = VECTOR_BYTES / 8, V(vectors) = ROW_LANES / V(each) };

VECTOR_INLINE void V(lanes_add_to)(V(wide) * sum, int i, const REAL *x)
{
    V(narrow) v;
    if (i < V(vectors)) {
        memcpy(&v, x + i * V(each), sizeof v);
        *sum += __builtin_convertvector(v, V(wide));
    }
}

VECTOR_INLINE void V(lanes_add)(V(lanes) * s, const REAL *x)
{
    V(lanes_add_to)(&s->a, 0, x);
    V(lanes_add_to)(&s->b, 1, x);
    V(lanes_add_to)(&s->c, 2, x);
    V(lanes_add_to)(&s->d, 3, x);
    V(lanes_add_to)(&s->e, 4, x);
    V(lanes_add_to)(&s->f, 5, x);
    V(lanes_add_to)(&s->g, 6, x);
    V(lanes_add_to)(&s->h, 7, x);
}

VECTOR_INLINE void V(lanes_store)(double *lane, const V(lanes) * s)
{
    const V(wide) all[] = {s->a, s->b, s->c, s->d, s->e, s->f, s->g, s->h};
    memcpy(lane, all, ROW_LANES * sizeof *lane);
}
#else
typedef struct V(lanes) {
    double v[ROW_LANES];
} V(lanes);

static void V(lanes_add)(V(lanes) * s, const REAL *x)
{
    for (int j = 0; j < ROW_LANES; j++) {
        s->v[j] += (double)x[j];
    }
}

static void V(lanes_store)(double *lane, const V(lanes) * s)
{
    memcpy(lane, s->v, sizeof s->v);
}
#endif

static double V(row_total)(const REAL *x, int64_t n)
{
    V(lanes) s = {0};
    double lane[ROW_LANES], total = 0;
    int64_t k = 0;
    for (; k + ROW_LANES <= n; k += ROW_LANES) {
        V(lanes_add)(&s, x + k);
    }
    for (; k < n; k++) {
        total += (double)x[k];
    }
    V(lanes_store)(lane, &s);
    for (int j = 0; j < 8; j++) { /* by halves */
        lane[j] += lane[j + 8];
    }
    for (int j = 0; j < 4; j++) {
        lane[j] += lane[j + 4];
    }
    return total + (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* Adds `count` columns of ROWS rows, `stride` apart. */
VECTOR_INLINE void V(add_columns)(const REAL *x, int64_t stride, double *restrict sum, int count)
{
    for (int j = 0; j < count; j++) {
        const REAL *a = x + j, *b = a + 4 * stride;
        double t = sum[j] + (double)a[0];
        t = t + (double)a[stride] + (double)a[2 * stride] + (double)a[3 * stride];
        sum[j] =
            t + (double)b[0] + (double)b[stride] + (double)b[2 * stride] + (double)b[3 * stride];
    }
}

VECTOR_INLINE void V(add_row)(const REAL *x, double *restrict sum, int count)
{
    for (int j = 0; j < count; j++) {
        sum[j] += (double)x[j];
    }
}

static void V(row_add)(const REAL *x, int64_t rows, int64_t stride, int64_t n, double *sum)
{
    int64_t k = 0;
    for (; k + ROWS <= rows; k += ROWS) {
        const REAL *row = x + k * stride;
        int64_t i = 0;
        for (; i + COLUMNS <= n; i += COLUMNS) {
            V(add_columns)(row + i, stride, sum + i, COLUMNS);
        }
        V(add_columns)(row + i, stride, sum + i, (int)(n - i));
    }
    for (; k < rows; k++) {
        const REAL *row = x + k * stride;
        int64_t i = 0;
        for (; i + COLUMNS <= n; i += COLUMNS) {
            V(add_row)(row + i, sum + i, COLUMNS);
        }
        V(add_row)(row + i, sum + i, (int)(n - i));
    }
}

VECTOR_INLINE REAL V(larger)(REAL x, REAL than)
{
    return x > than ? x : than;
}

static REAL V(row_largest)(const REAL *x, int64_t n)
{
    REAL lane[ROW_LANES];
    int64_t k = 0;
    for (int j = 0; j < ROW_LANES; j++) {
        lane[j] = (REAL)-INFINITY;
    }
    for (; k + AT_ONCE * ROW_LANES <= n; k += AT_ONCE * ROW_LANES) {
        const REAL *a = x + k, *b = a + ROW_LANES, *c = b + ROW_LANES, *d = c + ROW_LANES;
        for (int j = 0; j < ROW_LANES; j++) {
            lane[j] = V(larger)(a[j], V(larger)(b[j], V(larger)(c[j], V(larger)(d[j], lane[j]))));
        }
    }
    for (; k + ROW_LANES <= n; k += ROW_LANES) {
        for (int j = 0; j < ROW_LANES; j++) {
            lane[j] = V(larger)(x[k + j], lane[j]);
        }
    }
    for (; k < n; k++) {
        lane[0] = V(larger)(x[k], lane[0]);
    }
    for (int half = ROW_LANES / 2; half; half /= 2) {
        for (int j = 0; j < half; j++) {
            lane[j] = V(larger)(lane[j + half], lane[j]);
        }
    }
    return lane[0];
}

/* Of a few elements. */
static int64_t V(short_place)(const REAL *x, int64_t n, REAL sign)
{
    REAL lane[SHORT_LANES];
    int64_t k = 0;
    int nan = 0;
    for (int j = 0; j < SHORT_LANES; j++) {
        lane[j] = (REAL)-INFINITY;
    }
    for (; k + SHORT_LANES <= n; k += SHORT_LANES) {
        for (int j = 0; j < SHORT_LANES; j++) {
            lane[j] = V(larger)(sign * x[k + j], lane[j]);
            nan |= x[k + j] != x[k + j];
        }
    }
    for (; k < n; k++) {
        lane[0] = V(larger)(sign * x[k], lane[0]);
        nan |= x[k] != x[k];
    }
    const REAL wanted = V(larger)(V(larger)(lane[0], lane[1]), V(larger)(lane[2], lane[3])) * sign;
    for (k = 0; nan ? x[k] == x[k] : x[k] != wanted;) {
        k++;
    }
    return k;
}

enum { V(at_once) = AT_ONCE * ROW_LANES };

/* Brings the largest of V(at_once) elements into lane[], NaNs left out; tells whether there are any
 * NaNs. */
VECTOR_INLINE int V(meet)(const REAL *a, REAL sign, REAL *restrict lane)
{
    const REAL *b = a + ROW_LANES, *c = b + ROW_LANES, *d = c + ROW_LANES;
    int nan = 0;
    for (int j = 0; j < ROW_LANES; j++) {
        REAL x = V(larger)(sign * a[j], V(larger)(sign * b[j], lane[j]));
        lane[j] = V(larger)(sign * c[j], V(larger)(sign * d[j], x));
        nan |= (a[j] != a[j]) | (b[j] != b[j]) | (c[j] != c[j]) | (d[j] != d[j]);
    }
    return nan;
}

VECTOR_INLINE bool V(has)(const REAL *x, REAL wanted)
{
    int found = 0;
    for (int j = 0; j < V(at_once); j++) {
        found |= x[j] == wanted;
    }
    return found;
}

static int64_t V(row_place)(const REAL *x, int64_t n, REAL sign)
{
    REAL lane[ROW_LANES];
    int64_t k = 0;
    if (n < V(at_once)) {
        return V(short_place)(x, n, sign);
    }
    for (int j = 0; j < ROW_LANES; j++) {
        lane[j] = (REAL)-INFINITY;
    }
    for (; k + V(at_once) <= n; k += V(at_once)) {
        if (V(meet)(x + k, sign, lane)) {
            return k + V(short_place)(x + k, V(at_once), sign);
        }
    }
    REAL wanted = (REAL)-INFINITY;
    for (int j = 0; j < ROW_LANES; j++) {
        wanted = V(larger)(lane[j], wanted);
    }
    if (k < n) {
        int64_t last = k + V(short_place)(x + k, n - k, sign);
        if (!(sign * x[last] <= wanted)) {
            return last;
        }
    }
    wanted *= sign;
    for (k = 0; !V(has)(x + k, wanted);) {
        k += V(at_once);
    }
    while (x[k] != wanted) {
        k++;
    }
    return k;
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
