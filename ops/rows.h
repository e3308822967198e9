/* Rows of numbers, for softmax and its relatives: once per real type, like reel/real32.h. Exponentials are those of the
 * op exp, on vectors; sums are in f64 and added up in an order that depends on the row's length alone. No include guard.
 */

double TYPED(reel__row_total)(const REAL *x, int64_t n);

/* Adds rows of n elements, `stride` apart, to sum[n], each column in the order of the rows. */
void TYPED(reel__row_add)(const REAL *x, int64_t rows, int64_t stride, int64_t n, double *sum);

/* NaN is passed over; -inf if there is nothing else. */
REAL TYPED(reel__row_largest)(const REAL *x, int64_t n);

/* Where the first of the largest of sign x is, or the first NaN; n > 0, sign 1 or -1. */
int64_t TYPED(reel__row_place)(const REAL *x, int64_t n, REAL sign);

/* y = x - less; y may be x. */
void TYPED(reel__row_less)(const REAL *x, int64_t n, REAL less, REAL *y);

void TYPED(reel__row_scale)(REAL *x, int64_t n, REAL factor);

/* In place. */
void TYPED(reel__row_exp)(REAL *x, int64_t n);

/* Σ exp(x - less). */
double TYPED(reel__row_exp_total)(const REAL *x, int64_t n, REAL less);
