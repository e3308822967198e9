/* Job: singular values and spectral radii of matrices and of weights' blocks.
 * Invariant: matrices are squared with their largest element at 1, their scale kept apart as a
 * logarithm, so that no power over- or underflows. Must not know: tapes and cells. */
#include <reel/flow.h>

#include <math.h>
#include <string.h>

#include "memory.h"

enum { MOST_GRAM_SQUARINGS = 40, MOST_SQUARINGS = 48 };

/* y = x x, for [n, n]. */
static void square(size_t n, const double *x, double *y)
{
    memset(y, 0, n * n * sizeof *y);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            double xik = x[i * n + k];
            for (size_t j = 0; j < n; j++) {
                y[i * n + j] += xik * x[k * n + j];
            }
        }
    }
}

static double largest_element(size_t n, const double *x)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double size = fabs(x[i]);
        most = size > most || isnan(size) ? size : most;
        if (isnan(most)) {
            break;
        }
    }
    return most;
}

/* Divides by the largest element and returns it. */
static double normalise(size_t n, double *x)
{
    double most = largest_element(n, x);
    for (size_t i = 0; most > 0 && i < n; i++) {
        x[i] /= most;
    }
    return most;
}

static double norm_of(size_t n, const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] * x[i];
    }
    return sqrt(sum);
}

/* x squared in place, through y: x² = x e^scale of what scale is afterwards. False: it is zero. */
static bool power_twice(size_t n, double **x, double **y, double *scale)
{
    square(n, *x, *y);
    double *squared = *y;
    *y = *x;
    *x = squared;
    double most = normalise(n * n, squared);
    *scale = 2 * *scale + log(most);
    return most > 0;
}

/* A square matrix and the room for its square, one block. */
static bool two_squares(size_t n, double **x, double **y)
{
    *x = n && n > SIZE_MAX / n ? NULL : reel__reallocarray(NULL, n * n, 2 * sizeof **x);
    *y = *x ? *x + n * n : NULL;
    return *x != NULL;
}

/* ‖a v‖/‖v‖, with a [rows, cols] or, `flip`, its transpose: a lower bound of the largest singular
 * value. */
static double stretch(size_t rows, size_t cols, const double *a, bool flip, const double *v)
{
    double sum = 0;
    size_t out = flip ? cols : rows, in = flip ? rows : cols;
    for (size_t i = 0; i < out; i++) {
        double y = 0;
        for (size_t j = 0; j < in; j++) {
            y += (flip ? a[j * cols + i] : a[i * cols + j]) * v[j];
        }
        sum += y * y;
    }
    return sqrt(sum) / norm_of(in, v);
}

/* The Gram matrix of the shorter side, of n rows. */
static void gram(size_t rows, size_t cols, const double *a, bool flip, size_t n, double *g)
{
    size_t length = flip ? cols : rows;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < length; k++) {
                sum += flip ? a[i * cols + k] * a[j * cols + k] : a[k * cols + i] * a[k * cols + j];
            }
            g[i * n + j] = g[j * n + i] = sum;
        }
    }
}

/* The row of a power of the Gram matrix that has most of the largest eigenvector in it: its
 * diagonal element is the largest. */
static const double *longest_row(size_t n, const double *g)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = g[i * n + i] > g[best * n + best] ? i : best;
    }
    return g + best * n;
}

/* log of the trace's 2p-th root, an upper bound of log σ. */
static double upper_bound(size_t n, const double *g, double scale, double p)
{
    double trace = 0;
    for (size_t i = 0; i < n; i++) {
        trace += g[i * n + i];
    }
    return (log(trace) + scale) / (2 * p);
}

/* Of a matrix whose largest element is 1. */
static double iterate_gram(size_t rows, size_t cols, const double *a, double *g, double *room)
{
    bool flip = rows < cols;
    size_t n = flip ? rows : cols;
    gram(rows, cols, a, flip, n, g);
    double scale = log(normalise(n * n, g)), p = 1, lower = 0;
    for (int k = 0; k < MOST_GRAM_SQUARINGS; k++, p *= 2) {
        lower = stretch(rows, cols, a, flip, longest_row(n, g));
        if (upper_bound(n, g, scale, p) - log(lower) <= 1e-10) {
            break;
        }
        power_twice(n, &g, &room, &scale);
    }
    return lower;
}

double reel_matrix_singular(int64_t rows, int64_t cols, const double *a)
{
    if (rows <= 0 || cols <= 0 || !a) {
        return 0;
    }
    size_t m = (size_t)rows, n = (size_t)cols, short_side = m < n ? m : n;
    double most = largest_element(m * n, a), *g, *room, value = NAN;
    if (!(most > 0) || isinf(most)) {
        return most > 0 || isnan(most) ? (double)NAN : 0;
    }
    double *unit = reel__reallocarray(NULL, m * n, sizeof *unit);
    if (unit && two_squares(short_side, &g, &room)) {
        memcpy(unit, a, m * n * sizeof *unit);
        normalise(m * n, unit);
        value = most * iterate_gram(m, n, unit, g, room);
        reel__free(g);
    }
    reel__free(unit);
    return value;
}

double reel_matrix_radius(int64_t n, const double *a)
{
    if (n <= 0 || !a) {
        return 0;
    }
    size_t m = (size_t)n;
    double *x, *y, most = largest_element(m * m, a), scale = log(most), last = INFINITY, p = 1;
    if (!(most > 0) || isinf(most)) {
        return most > 0 || isnan(most) ? (double)NAN : 0;
    }
    if (!two_squares(m, &x, &y)) {
        return NAN;
    }
    double *block = x;
    memcpy(x, a, m * m * sizeof *x);
    normalise(m * m, x);
    double radius = scale + log(norm_of(m * m, x));
    for (int k = 0; k < MOST_SQUARINGS && fabs(radius - last) > 1e-12; k++) {
        last = radius;
        p *= 2;
        if (!power_twice(m, &x, &y, &scale)) {
            radius = -INFINITY;
            break;
        }
        radius = (scale + log(norm_of(m * m, x))) / p;
    }
    reel__free(block);
    return exp(radius);
}

/* Blocks of weights */

int64_t reel_param_blocks(const reel_param *p)
{
    reel_shape s = p ? reel_param_shape(p) : reel_scalar_shape();
    if (s.rank != 2 || !s.dim[0] || !s.dim[1]) {
        return 0;
    }
    return s.dim[0] % s.dim[1] == 0 ? s.dim[0] / s.dim[1] : 1;
}

static double fail(const reel_param *p, reel_status status, const char *what, int64_t block,
                   const char *expected)
{
    reel_params_fail(reel_param_set(p), status, "%s: block %lld of weight '%s': expected %s", what,
                     (long long)block, reel_param_name(p), expected);
    return NAN;
}

/* What a block is: `rows` rows of `cols`, from element `from`. */
typedef struct block {
    int64_t rows, cols;
    size_t from, size;
} block;

/* The whole weight as f64, to be freed, and which part of it is meant. NULL after reporting. */
static double *read_block(const reel_param *p, const char *what, int64_t k, bool square_only,
                          block *b)
{
    if (!p) {
        return NULL;
    }
    reel_shape s = reel_param_shape(p);
    int64_t blocks = reel_param_blocks(p);
    if (k < 0 || k >= blocks) {
        char expected[96];
        snprintf(expected, sizeof expected,
                 blocks ? "a block from 0 to %lld" : "a weight that is a matrix",
                 (long long)blocks - 1);
        fail(p, REEL_ERR_ARGUMENT, what, k, expected);
        return NULL;
    }
    *b = (block){.rows = s.dim[0] / blocks, .cols = s.dim[1]};
    if (square_only && b->rows != b->cols) {
        fail(p, REEL_ERR_SHAPE, what, k, "a square matrix, or several stacked");
        return NULL;
    }
    b->size = (size_t)(b->rows * b->cols);
    b->from = (size_t)k * b->size;
    size_t n = (size_t)reel_param_size(p);
    double *w = reel__reallocarray(NULL, n, sizeof *w);
    if (!w || reel_param_read(p, w, n)) {
        reel_params_fail(reel_param_set(p), REEL_ERR_MEMORY, "%s: out of memory", what);
        reel__free(w);
        return NULL;
    }
    return w;
}

static double measured(const reel_param *p, const char *what, int64_t k, const block *b,
                       const double *w, double value)
{
    if (!isnan(value)) {
        return value;
    }
    if (isfinite(largest_element(b->size, w + b->from))) {
        reel_params_fail(reel_param_set(p), REEL_ERR_MEMORY, "%s: out of memory", what);
        return NAN;
    }
    return fail(p, REEL_ERR_NAN, what, k, "finite elements");
}

double reel_param_singular(const reel_param *p, int64_t k)
{
    block b;
    double *w = read_block(p, "reel_param_singular", k, false, &b);
    if (!w) {
        return NAN;
    }
    double value = measured(p, "reel_param_singular", k, &b, w,
                            reel_matrix_singular(b.rows, b.cols, w + b.from));
    reel__free(w);
    return value;
}

double reel_param_radius(const reel_param *p, int64_t k)
{
    block b;
    double *w = read_block(p, "reel_param_radius", k, true, &b);
    if (!w) {
        return NAN;
    }
    double value =
        measured(p, "reel_param_radius", k, &b, w, reel_matrix_radius(b.rows, w + b.from));
    reel__free(w);
    return value;
}

static reel_status set_singular(reel_param *p, int64_t k, const block *b, double *w, double value)
{
    const char *what = "reel_param_set_singular";
    double now = measured(p, what, k, b, w, reel_matrix_singular(b->rows, b->cols, w + b->from));
    if (isnan(now)) {
        return reel_params_status(reel_param_set(p));
    }
    if (now == 0 && value > 0) {
        fail(p, REEL_ERR_VALUE, what, k, "an element that is not 0");
        return REEL_ERR_VALUE;
    }
    for (size_t i = b->from; i < b->from + b->size; i++) {
        w[i] = now > 0 ? w[i] / now * value : 0;
    }
    return reel_param_write(p, w, (size_t)reel_param_size(p));
}

reel_status reel_param_set_singular(reel_param *p, int64_t k, double value)
{
    if (!p) {
        return REEL_ERR_ARGUMENT;
    }
    if (!(value >= 0) || isinf(value)) {
        fail(p, REEL_ERR_ARGUMENT, "reel_param_set_singular", k, "a finite value of 0 or more");
        return REEL_ERR_ARGUMENT;
    }
    block b;
    double *w = read_block(p, "reel_param_set_singular", k, false, &b);
    if (!w) {
        return reel_params_status(reel_param_set(p));
    }
    reel_status status = set_singular(p, k, &b, w, value);
    reel__free(w);
    return status;
}
