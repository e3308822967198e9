/* Job: how weights start.
 * Invariant: the start of rows [first, last) depends on the seed, the weight's name, `first`, the
 * block's shape and the kind of start alone, never on what was made before; it is computed in f64
 * for either type. Must not know: who asks, and why. */
#include "memory.h"
#include "params.h"

#include <reel/blas.h>
#include <reel/random.h>

#include <math.h>
#include <string.h>

/* Rows of the first dimension as a matrix [rows, cols]. */
typedef struct block {
    int64_t rows, cols;
    double *x;
    reel_random random;
} block;

const char *reel__init_problem(reel_init init)
{
    if (!isfinite(init.a) || !isfinite(init.b)) {
        return "its start has a parameter that is not finite";
    }
    switch (init.kind) {
    case REEL_INIT_NORMAL:
        return init.b < 0 ? "its start has a negative standard deviation" : NULL;
    case REEL_INIT_DEFAULT:
    case REEL_INIT_CONSTANT:
    case REEL_INIT_UNIFORM:
    case REEL_INIT_GLOROT:
    case REEL_INIT_HE:
    case REEL_INIT_ORTHOGONAL:
    case REEL_INIT_IDENTITY:
        return NULL;
    }
    return "its start is of no known kind";
}

static void fill_constant(block *b, double value)
{
    for (int64_t i = 0; i < b->rows * b->cols; i++) {
        b->x[i] = value;
    }
}

static void fill_uniform(block *b, double low, double high)
{
    for (int64_t i = 0; i < b->rows * b->cols; i++) {
        b->x[i] = low + (high - low) * reel_random_uniform(&b->random);
    }
}

static void fill_normal(block *b, double mean, double sd)
{
    for (int64_t i = 0; i < b->rows * b->cols; i++) {
        b->x[i] = mean + sd * reel_random_normal(&b->random);
    }
}

static void fill_identity(block *b, double value)
{
    fill_constant(b, 0);
    for (int64_t i = 0; i < b->rows && i < b->cols; i++) {
        b->x[i * b->cols + i] = value;
    }
}

/* Orthogonal */

/* Rows are made orthonormal a panel at a time, so that nearly all of the work is matrix products.
 */
enum { PANEL = 32 };

/* v[0..count) -= (v Qᵀ) Q for the `done` rows of Q before them. `c` holds PANEL * done numbers. */
static void project(double *q, int64_t done, int64_t count, int64_t length, double *c)
{
    double *v = q + done * length;
    reel_gemm(REEL_F64, count, done, length, 1, v, length, 1, q, 1, length, 0, c, done, 1);
    reel_gemm(REEL_F64, count, length, done, -1, c, done, 1, q, length, 1, 1, v, length, 1);
}

/* Modified Gram–Schmidt within the panel. */
static void orthonormalise(double *v, int64_t count, int64_t length)
{
    for (int64_t k = 0; k < count; k++) {
        double *a = v + k * length;
        for (int64_t j = 0; j < k; j++) {
            const double *b = v + j * length;
            double dot = 0;
            for (int64_t i = 0; i < length; i++) {
                dot += a[i] * b[i];
            }
            for (int64_t i = 0; i < length; i++) {
                a[i] -= dot * b[i];
            }
        }
        double square = 0;
        for (int64_t i = 0; i < length; i++) {
            square += a[i] * a[i];
        }
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (int64_t i = 0; i < length; i++) {
            a[i] *= scale;
        }
    }
}

/* Gram–Schmidt leaves a positive diagonal in R, so that Q is uniform among orthogonal matrices
 * without a correction of signs. Twice is enough (Giraud et al. 2005) for orthogonality to
 * rounding. */
static void gram_schmidt(double *q, int64_t count, int64_t length, double *c)
{
    for (int64_t done = 0; done < count; done += PANEL) {
        int64_t n = count - done < PANEL ? count - done : PANEL;
        for (int pass = 0; pass < 2; pass++) {
            if (done) {
                project(q, done, n, length, c);
            }
            orthonormalise(q + done * length, n, length);
        }
    }
}

static bool fill_orthogonal(block *b, double gain)
{
    bool wide = b->rows <= b->cols;
    int64_t count = wide ? b->rows : b->cols, length = wide ? b->cols : b->rows;
    size_t size = (size_t)count * (size_t)length;
    double *q = reel__malloc_aligned(size * sizeof *q);
    double *c = reel__malloc_aligned((size_t)count * PANEL * sizeof *c);
    bool done = q && c;
    if (done) {
        for (size_t i = 0; i < size; i++) {
            q[i] = reel_random_normal(&b->random);
        }
        gram_schmidt(q, count, length, c);
        int64_t down = wide ? length : 1, right = wide ? 1 : length;
        for (int64_t i = 0; i < b->rows; i++) {
            for (int64_t j = 0; j < b->cols; j++) {
                b->x[i * b->cols + j] = gain * q[i * down + j * right];
            }
        }
    }
    reel__free(c);
    reel__free(q);
    return done;
}

/* - */

static bool fill(block *b, reel_init init)
{
    double fan_in = (double)b->cols, fan_out = (double)b->rows;
    double gain = init.a != 0 ? init.a : 1;
    switch (init.kind) {
    case REEL_INIT_DEFAULT:
    case REEL_INIT_CONSTANT:
        fill_constant(b, init.a);
        break;
    case REEL_INIT_UNIFORM:
        fill_uniform(b, init.a, init.b);
        break;
    case REEL_INIT_NORMAL:
        fill_normal(b, init.a, init.b);
        break;
    case REEL_INIT_GLOROT: {
        double r = gain * sqrt(6 / (fan_in + fan_out));
        fill_uniform(b, -r, r);
        break;
    }
    case REEL_INIT_HE:
        fill_normal(b, 0, gain * sqrt(2 / fan_in));
        break;
    case REEL_INIT_ORTHOGONAL:
        return fill_orthogonal(b, gain);
    case REEL_INIT_IDENTITY:
        fill_identity(b, gain);
        break;
    }
    return true;
}

bool reel__init_rows(reel_param *p, int64_t first, int64_t last, reel_init init)
{
    int64_t rows = p->shape.rank ? p->shape.dim[0] : 1;
    if (first == last || p->size == 0) {
        return true;
    }
    if (init.kind == REEL_INIT_DEFAULT) {
        init = (reel_init){p->shape.rank > 1 ? REEL_INIT_GLOROT : REEL_INIT_CONSTANT, 0, 0};
    }
    block b = {.rows = last - first, .cols = (int64_t)p->size / rows};
    size_t size = (size_t)(b.rows * b.cols), skip = (size_t)(first * b.cols);
    /* Rows start streams of their own, far apart: the multiplier is odd, so no two coincide. */
    uint64_t stream = reel_random_stream(p->name) + (uint64_t)first * UINT64_C(0x9e3779b97f4a7c15);
    b.random = reel_random_new(reel_params_seed(p->set), stream);
    b.x = reel__malloc_aligned(size * sizeof *b.x);
    bool done = b.x && fill(&b, init);
    if (done) {
        char *to = p->data;
        reel__convert(to + skip * reel_dtype_size(p->dtype), p->dtype, b.x, REEL_F64, size);
    }
    reel__free(b.x);
    return done;
}
