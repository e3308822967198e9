/* Job: clipping of gradients held as plain numbers, each kind named for what it does.
 * Invariant: a gradient whose norm is not finite is left as it is, for the caller to see.
 * Must not know: weights, optimizers. */
#include "opt.h"

#include <math.h>

static double scale_to(double limit, double square, size_t n, double *const *g, const size_t *size)
{
    double norm = sqrt(square);
    if (!isfinite(norm) || !(limit > 0) || norm <= limit) {
        return norm;
    }
    double scale = limit / norm;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < size[i]; k++) {
            g[i][k] *= scale;
        }
    }
    return norm;
}

double reel_clip_global_norm(double limit, size_t n, double *const *g, const size_t *size)
{
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        square += reel__squares_f64(g[i], size[i], INFINITY);
    }
    return scale_to(limit, square, n, g, size);
}

double reel_clip_param_norm(double limit, double *g, size_t size)
{
    return scale_to(limit, reel__squares_f64(g, size, INFINITY), 1, &g, &size);
}

void reel_clip_elements(double limit, double *g, size_t size)
{
    if (!(limit > 0)) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        double a = g[i] > limit ? limit : g[i]; /* keeps NaN */
        g[i] = a < -limit ? -limit : a;
    }
}
