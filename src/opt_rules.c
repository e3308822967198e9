/* Job: the arithmetic of updates, once per real type by re-inclusion.
 * Invariant: sums run in one fixed order, so the same gradients give the same bits.
 * Must not know: tapes, params sets, where the gradients come from. */
#ifndef REEL_REAL

#include "opt.h"

#include <math.h>

/* A step is computed block by block, so that what passes between the stages stays in the cache. */
enum { BLOCK = 1024, LANES = 8 };

#include <reel/real32.h>

#include "opt_rules.c"

#include <reel/real64.h>

#include "opt_rules.c"

#else

double TYPED(reel__squares)(const void *x, size_t n, double limit)
{
    const REAL *v = x;
    double lane[LANES] = {0};
    size_t whole = n / LANES * LANES; /* a constant width is made vectors of */
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            double a = fabs((double)v[i + k]);
            a = a > limit ? limit : a; /* keeps NaN */
            lane[k] += a * a;
        }
    }
    for (size_t i = whole; i < n; i++) {
        double a = fabs((double)v[i]);
        a = a > limit ? limit : a;
        lane[i - whole] += a * a;
    }
    double sum = 0;
    for (int k = 0; k < LANES; k++) {
        sum += lane[k];
    }
    return sum;
}

/* The gradient of elements [at, at + n) as the rules see it: clipped, with L2 decay. */
static void TYPED(load)(const reel__update *u, size_t at, size_t n, REAL *g)
{
    if (u->gradient_dtype == REEL_F32) {
        const float *raw = (const float *)u->gradient + at;
        for (size_t i = 0; i < n; i++) {
            g[i] = (REAL)raw[i];
        }
    } else {
        /* Scaled before it is narrowed: only the clipped value need fit. */
        const double *raw = (const double *)u->gradient + at;
        for (size_t i = 0; i < n; i++) {
            double a = raw[i] > u->limit ? u->limit : raw[i];
            a = a < -u->limit ? -u->limit : a;
            g[i] = (REAL)(a * u->scale);
        }
    }
    if (u->gradient_dtype == REEL_F32 && (isfinite(u->limit) || u->scale != 1)) {
        REAL limit = (REAL)u->limit, scale = (REAL)u->scale;
        for (size_t i = 0; i < n; i++) {
            REAL a = g[i] > limit ? limit : g[i];
            a = a < -limit ? -limit : a;
            g[i] = a * scale;
        }
    }
    if (u->decay != 0 && u->kind != REEL_ADAMW) {
        const REAL *w = (const REAL *)u->weight + at;
        REAL decay = (REAL)u->decay;
        for (size_t i = 0; i < n; i++) {
            g[i] += decay * w[i];
        }
    }
}

static void TYPED(sgd)(const reel__update *u, size_t at, size_t n, const REAL *g, REAL *step)
{
    REAL rate = (REAL)u->rate, momentum = (REAL)u->momentum;
    if (!u->slot[0]) {
        for (size_t i = 0; i < n; i++) {
            step[i] = rate * g[i];
        }
        return;
    }
    REAL *v = (REAL *)u->slot[0] + at;
    for (size_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + g[i];
        step[i] = rate * (u->nesterov ? g[i] + momentum * v[i] : v[i]);
    }
}

static void TYPED(adagrad)(const reel__update *u, size_t at, size_t n, const REAL *g, REAL *step)
{
    REAL rate = (REAL)u->rate, epsilon = (REAL)u->epsilon;
    REAL *s = (REAL *)u->slot[0] + at;
    for (size_t i = 0; i < n; i++) {
        s[i] += g[i] * g[i];
        step[i] = rate * (g[i] / (LIBM(sqrt)(s[i]) + epsilon));
    }
}

static void TYPED(rmsprop)(const reel__update *u, size_t at, size_t n, const REAL *g, REAL *step)
{
    REAL rate = (REAL)u->rate, epsilon = (REAL)u->epsilon;
    REAL alpha = (REAL)u->alpha, rest = (REAL)(1 - u->alpha);
    REAL *s = (REAL *)u->slot[0] + at;
    int k = 1;
    if (u->centered) {
        REAL *m = (REAL *)u->slot[k++] + at;
        for (size_t i = 0; i < n; i++) {
            s[i] = alpha * s[i] + rest * (g[i] * g[i]);
            m[i] = alpha * m[i] + rest * g[i];
            /* Rounding may take a variance of zero below it. */
            REAL variance = s[i] - m[i] * m[i];
            step[i] = g[i] / (LIBM(sqrt)(variance > 0 ? variance : 0) + epsilon);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            s[i] = alpha * s[i] + rest * (g[i] * g[i]);
            step[i] = g[i] / (LIBM(sqrt)(s[i]) + epsilon);
        }
    }
    if (u->slot[k]) {
        REAL *v = (REAL *)u->slot[k] + at;
        REAL momentum = (REAL)u->momentum;
        for (size_t i = 0; i < n; i++) {
            v[i] = momentum * v[i] + step[i];
            step[i] = v[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        step[i] *= rate;
    }
}

static void TYPED(adadelta)(const reel__update *u, size_t at, size_t n, const REAL *g, REAL *step)
{
    REAL rate = (REAL)u->rate, epsilon = (REAL)u->epsilon;
    REAL rho = (REAL)u->alpha, rest = (REAL)(1 - u->alpha);
    REAL *s = (REAL *)u->slot[0] + at, *d = (REAL *)u->slot[1] + at;
    for (size_t i = 0; i < n; i++) {
        s[i] = rho * s[i] + rest * (g[i] * g[i]);
        REAL move = LIBM(sqrt)(d[i] + epsilon) / LIBM(sqrt)(s[i] + epsilon) * g[i];
        d[i] = rho * d[i] + rest * (move * move);
        step[i] = rate * move;
    }
}

static void TYPED(adam)(const reel__update *u, size_t at, size_t n, const REAL *g, REAL *step)
{
    REAL rate = (REAL)(u->rate / u->bias1), root = (REAL)(1 / u->bias2), epsilon = (REAL)u->epsilon;
    REAL beta1 = (REAL)u->beta1, rest1 = (REAL)(1 - u->beta1);
    REAL beta2 = (REAL)u->beta2, rest2 = (REAL)(1 - u->beta2);
    REAL *m = (REAL *)u->slot[0] + at, *v = (REAL *)u->slot[1] + at;
    for (size_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + rest1 * g[i];
        v[i] = beta2 * v[i] + rest2 * (g[i] * g[i]);
        step[i] = rate * (m[i] / (LIBM(sqrt)(v[i]) * root + epsilon));
    }
    if (u->kind == REEL_ADAMW && u->decay != 0) {
        const REAL *w = (const REAL *)u->weight + at;
        REAL shrink = (REAL)(u->rate * u->decay);
        for (size_t i = 0; i < n; i++) {
            step[i] += shrink * w[i];
        }
    }
}

/* The step of elements [at, at + n), n at most BLOCK, to be subtracted; moves the slots on. */
static void TYPED(step)(const reel__update *u, size_t at, size_t n, REAL *step)
{
    REAL g[BLOCK];
    TYPED(load)(u, at, n, g);
    switch (u->kind) {
    case REEL_SGD:
        TYPED(sgd)(u, at, n, g, step);
        break;
    case REEL_ADAGRAD:
        TYPED(adagrad)(u, at, n, g, step);
        break;
    case REEL_RMSPROP:
        TYPED(rmsprop)(u, at, n, g, step);
        break;
    case REEL_ADADELTA:
        TYPED(adadelta)(u, at, n, g, step);
        break;
    case REEL_ADAM:
    case REEL_ADAMW:
        TYPED(adam)(u, at, n, g, step);
        break;
    }
}

static void TYPED(update_clipped)(const reel__update *u)
{
    REAL *w = u->weight, *step = u->step;
    for (size_t at = 0; at < u->n; at += BLOCK) {
        TYPED(step)(u, at, u->n - at < BLOCK ? u->n - at : BLOCK, step + at);
    }
    double norm = sqrt(TYPED(reel__squares)(step, u->n, INFINITY));
    REAL scale = (REAL)(norm > u->clip_step ? u->clip_step / norm : 1);
    for (size_t i = 0; i < u->n; i++) {
        w[i] -= scale * step[i];
    }
}

void TYPED(reel__update)(const reel__update *u)
{
    if (u->clip_step > 0) {
        TYPED(update_clipped)(u);
        return;
    }
    REAL *w = u->weight;
    for (size_t at = 0; at < u->n; at += BLOCK) {
        REAL step[BLOCK];
        size_t n = u->n - at < BLOCK ? u->n - at : BLOCK;
        TYPED(step)(u, at, n, step);
        for (size_t i = 0; i < n; i++) {
            w[at + i] -= step[i];
        }
    }
}

#endif
