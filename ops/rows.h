/* Rows of exponentials, for softmax and its relatives: once per real type, like reel/real32.h. Exponentials are those
 * of the op exp, on vectors; sums are in f64 and added up in an order that depends on the row's length alone. */

/* Enough partial results side by side that no addition waits for the one before. */
#ifndef ROW_LANES
#define ROW_LANES 16
#define ROW_BLOCK 256
#endif

static inline double TYPED(row_total)(const REAL *x, int64_t n)
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

/* NaN is passed over; -inf if there is nothing else. */
static inline REAL TYPED(row_largest)(const REAL *x, int64_t n)
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

/* In place. */
static inline void TYPED(row_exp)(REAL *x, int64_t n)
{
    const REAL *in = x;
    reel_op_exp.TYPED(map)((size_t)n, &in, x, NULL);
}

/* Σ exp(x - less). */
static inline double TYPED(row_exp_total)(const REAL *x, int64_t n, REAL less)
{
    REAL y[ROW_BLOCK];
    double total = 0;
    for (int64_t from = 0; from < n; from += ROW_BLOCK) {
        const int64_t size = n - from < ROW_BLOCK ? n - from : ROW_BLOCK;
        for (int64_t k = 0; k < size; k++) {
            y[k] = x[from + k] - less;
        }
        TYPED(row_exp)(y, size);
        total += TYPED(row_total)(y, size);
    }
    return total;
}
