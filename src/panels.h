/* Matrix products with a right matrix that is packed once and used many times, as the weights of a
 * recurrent network are. Nothing here allocates.
 *
 * Each element of a product is one sum over k in rising order, begun with 0 or with C's element, so
 * that neither the number of rows, nor the place of a row or column, nor a cut changes a bit. Only
 * whether the processor has fused multiply-add does. */
#ifndef REEL_SRC_PANELS_H
#define REEL_SRC_PANELS_H

#include <reel/base.h>

/* Bytes that a packed [k, n] matrix takes; its memory should be 128-byte aligned. */
size_t reel__panels_bytes(reel_dtype dtype, int64_t k, int64_t n);

/* Packs W [k, n], whose element (i, j) stands at w + i * row + j * column; strides count elements.
 */
void reel__panels_pack(reel_dtype dtype, int64_t k, int64_t n, const void *w, int64_t row,
                       int64_t column, void *panels);

/* Bytes of working memory that one call of reel__panels_multiply needs, for itself alone; may be 0.
 */
size_t reel__panels_scratch(reel_dtype dtype, int64_t m, int64_t k);

/* Columns may be cut between threads at multiples of this. */
int64_t reel__panels_step(reel_dtype dtype);

/* C[:, from:to] = A W[:, from:to] + (accumulate ? C[:, from:to] : 0) with A [m, k], C [m, n].
 * `from` and `to` are multiples of reel__panels_step() or n. Any strides will do; fastest are those
 * of rows that lie dense (a_column = c_column = 1). Sizes may be 0. Without `accumulate` C is not
 * read. */
void reel__panels_multiply(reel_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a,
                           int64_t a_row, int64_t a_column, const void *panels, int64_t from,
                           int64_t to, bool accumulate, void *c, int64_t c_row, int64_t c_column,
                           void *scratch);

enum { REEL__MOST_SIDES = 8 };

/* C += Σ_i A_iᵀ B_i, the sum of many products, as the gradients of weights are; for several B and C
 * at once, such as those of the weights of h and of x, since copying A takes its time; no two C
 * share an element. A_i [k, m]
 * and B_i [k, n] are `count` pairs of matrices of the same strides, which count elements. */
typedef struct reel__side {
    const char *const *b; /* where the matrices stand */
    int64_t row, column;
    int64_t left, right; /* the columns of B and C that are wanted */
    bool accumulate;     /* else the sum begins with 0 */
    char *c;
    int64_t c_row, c_column;
} reel__side;

typedef struct reel__tall {
    reel_dtype dtype;
    int64_t m, k, count;
    const char *const *a;
    int64_t a_row, a_column;
    const reel__side *side;
    int sides; /* 1 to REEL__MOST_SIDES */
} reel__tall;

/* Bytes of working memory, 128-byte aligned, that one call of reel__tall_multiply needs. */
size_t reel__tall_scratch(const reel__tall *t);

/* Rows [from, to) of every C. The order of a sum is that of the pairs, k rising in each, whatever
 * the part and whatever stands beside it. */
void reel__tall_multiply(const reel__tall *t, int64_t from, int64_t to, void *scratch);

/* Tests only: whatever the processor has, use no kernels that need more than these features
 * (reel__cpu_feature; ~0U: no limit). What was packed before is worthless then. Not for use while
 * other threads multiply. */
void reel__panels_limit(unsigned features);

#endif
