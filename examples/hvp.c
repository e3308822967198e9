/* Products of the Hessian with a vector, two ways: as the gradient of <g, v>, and as the derivative
 * of the gradient g in the direction v (forward over reverse). Both are compared with a difference
 * of gradients. Then they train a small recurrent net by truncated Newton steps (Martens 2010):
 * each solves (H + damping I) d = -g by conjugate gradients, which need the Hessian only through
 * such products. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 12, BATCH = 4, HIDDEN = 5, MOST_WEIGHTS = 8, MOST = 256, NEWTON = 40, CG = 40 };

/* A recording of the loss and its gradient, to which products may be added at will: what has been
 * computed stays. */
typedef struct problem {
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape;
    size_t n;    /* weights */
    size_t size; /* their elements */
    reel_node *loss, *w[MOST_WEIGHTS], *g[MOST_WEIGHTS];
} problem;

typedef enum way { GRADIENT_OF_PRODUCT, FORWARD_OVER_REVERSE } way;

/* The net predicts the next value of a sine from the values so far. */
static reel_node *record_loss(problem *p)
{
    reel_node *x[STEPS], *y[STEPS], *target[STEPS];
    for (int t = 0; t < STEPS; t++) {
        double now[BATCH], next[BATCH];
        for (int b = 0; b < BATCH; b++) {
            now[b] = sin(0.6 * t + 1.5 * b);
            next[b] = sin(0.6 * (t + 1) + 1.5 * b);
        }
        x[t] = reel_input(p->tape, REEL_F64, now, reel_dims(BATCH, 1));
        target[t] = reel_input(p->tape, REEL_F64, next, reel_dims(BATCH, 1));
    }
    if (reel_unroll(p->cell, STEPS, x, NULL, y)) {
        return y[0];
    }
    reel_node *answer = reel_linear(p->params, "readout", 1, reel_stack(STEPS, y));
    return reel_squared_error(answer, reel_stack(STEPS, target), REEL_MEAN);
}

/* Records loss and gradient at the weights as they are. */
static bool record(problem *p)
{
    reel_tape_reset(p->tape);
    p->loss = record_loss(p);
    p->n = reel_params_count(p->params);
    p->size = (size_t)reel_params_size(p->params);
    if (p->n > MOST_WEIGHTS || p->size > MOST) {
        return false;
    }
    for (size_t i = 0; i < p->n; i++) {
        p->w[i] = reel_use(p->tape, reel_params_at(p->params, i));
    }
    return reel_grad(p->loss, p->n, p->w, p->g) == REEL_OK;
}

/* Reads nodes shaped as the weights one after another into v. */
static bool read_all(const problem *p, reel_node *const *x, double *v)
{
    for (size_t i = 0, k = 0; i < p->n; i++) {
        size_t size = (size_t)reel_node_size(p->w[i]);
        if (reel_read(x[i], v + k, size)) {
            return false;
        }
        k += size;
    }
    return true;
}

/* out = H v */
static bool hessian_vector(const problem *p, way how, const double *v, double *out)
{
    reel_node *dir[MOST_WEIGHTS], *product[MOST_WEIGHTS], *term[MOST_WEIGHTS];
    for (size_t i = 0, k = 0; i < p->n; i++) {
        dir[i] = reel_input(p->tape, REEL_F64, v + k, reel_node_shape(p->w[i]));
        k += (size_t)reel_node_size(p->w[i]);
    }
    if (how == FORWARD_OVER_REVERSE) {
        return reel_jvp(p->n, p->g, p->n, p->w, dir, product) == REEL_OK &&
               read_all(p, product, out);
    }
    for (size_t i = 0; i < p->n; i++) {
        term[i] = reel_sum(reel_mul(p->g[i], dir[i]));
    }
    return reel_grad(reel_sum_of((int)p->n, term), p->n, p->w, product) == REEL_OK &&
           read_all(p, product, out);
}

/* Adds step times d to the weights. */
static bool move(const problem *p, double step, const double *d)
{
    for (size_t i = 0, k = 0; i < p->n; i++) {
        double w[MOST];
        reel_param *param = reel_params_at(p->params, i);
        size_t size = (size_t)reel_param_size(param);
        if (reel_param_read(param, w, size)) {
            return false;
        }
        for (size_t j = 0; j < size; j++) {
            w[j] += step * d[k + j];
        }
        if (reel_param_write(param, w, size)) {
            return false;
        }
        k += size;
    }
    return true;
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* The largest difference of two vectors, relative to the largest element of the second. */
static double difference(size_t n, const double *a, const double *b)
{
    double most = 0, scale = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(a[i] - b[i]));
        scale = fmax(scale, fabs(b[i]));
    }
    return most / scale;
}

/* (g(w + h v) - g(w - h v))/2h; leaves a recording at w behind. */
static bool numeric_product(problem *p, const double *v, double *out)
{
    const double h = 1e-5;
    double up[MOST], down[MOST];
    bool ok = move(p, h, v) && record(p) && read_all(p, p->g, up) && move(p, -2 * h, v) &&
              record(p) && read_all(p, p->g, down) && move(p, h, v) && record(p);
    for (size_t i = 0; ok && i < p->size; i++) {
        out[i] = (up[i] - down[i]) / (2 * h);
    }
    return ok;
}

static bool compare(problem *p)
{
    double v[MOST], reverse[MOST], forward[MOST], numeric[MOST];
    reel_random random = reel_random_new(1, reel_random_stream("direction"));
    for (size_t i = 0; i < p->size; i++) {
        v[i] = reel_random_normal(&random);
    }
    if (!numeric_product(p, v, numeric) || !hessian_vector(p, GRADIENT_OF_PRODUCT, v, reverse) ||
        !hessian_vector(p, FORWARD_OVER_REVERSE, v, forward)) {
        return false;
    }
    bool agree = difference(p->size, reverse, forward) < 1e-10 &&
                 difference(p->size, reverse, numeric) < 1e-6;
    printf("Hessian-vector products for %zu weights, two ways and by differences: %s\n", p->size,
           agree ? "they agree" : "they DIFFER");
    return agree;
}

/* d = -(H + damping I)⁻¹ g, roughly: conjugate gradients from 0, stopped early. */
static bool newton_direction(const problem *p, double damping, const double *g, double *d)
{
    double r[MOST], s[MOST], Hs[MOST];
    memset(d, 0, p->size * sizeof *d);
    for (size_t i = 0; i < p->size; i++) {
        s[i] = r[i] = -g[i];
    }
    double rr = dot(p->size, r, r), goal = 1e-6 * rr;
    for (int k = 0; k < CG && rr > goal; k++) {
        if (!hessian_vector(p, k % 2 ? GRADIENT_OF_PRODUCT : FORWARD_OVER_REVERSE, s, Hs)) {
            return false;
        }
        double curvature = dot(p->size, s, Hs) + damping * dot(p->size, s, s);
        if (curvature <= 0) { /* uphill from here on: what there is must do */
            if (k == 0) {
                memcpy(d, s, p->size * sizeof *d);
            }
            return true;
        }
        double a = rr / curvature, old = rr;
        for (size_t i = 0; i < p->size; i++) {
            d[i] += a * s[i];
            r[i] -= a * (Hs[i] + damping * s[i]);
        }
        rr = dot(p->size, r, r);
        for (size_t i = 0; i < p->size; i++) {
            s[i] = r[i] + rr / old * s[i];
        }
    }
    return true;
}

/* The longest of d, d/2, d/4, ... that lowers the loss; recorded there. Trust in the next step
 * grows when the whole of this one did, and else shrinks. */
static bool line_search(problem *p, const double *d, double *loss, double *damping)
{
    double step = 1, before = *loss;
    if (!move(p, step, d)) {
        return false;
    }
    while (record(p) && reel_scalar(p->loss, loss) == REEL_OK) {
        if (*loss <= before || step < 1e-10) {
            *damping *= step < 1 ? 2 : 0.5;
            return true;
        }
        step /= 2;
        if (!move(p, -step, d)) {
            return false;
        }
    }
    return false;
}

static bool train(problem *p)
{
    double g[MOST], d[MOST], loss, first, damping = 0.1;
    if (!record(p) || reel_scalar(p->loss, &first)) {
        return false;
    }
    loss = first;
    printf("%6s %12s %12s\n", "step", "loss", "gradient");
    for (int k = 0; k <= NEWTON; k++) {
        if (!read_all(p, p->g, g)) {
            return false;
        }
        if (k % 8 == 0) {
            printf("%6d %12.6f %12.2e\n", k, loss, sqrt(dot(p->size, g, g)));
        }
        if (k < NEWTON &&
            (!newton_direction(p, damping, g, d) || !line_search(p, d, &loss, &damping))) {
            return false;
        }
    }
    return loss < 0.05 * first;
}

int main(int argc, char **argv)
{
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    if (argc > 1) {
        fputs("Usage: hvp\n"
              "Computes Hessian-vector products two ways and trains a small net with them.\n",
              help ? stdout : stderr);
        return help ? 0 : 2;
    }
    problem p = {.params = reel_params_new(REEL_F64, 3),
                 .tape = reel_tape_new(1, .dtype = REEL_F64)};
    p.cell = reel_cell_of(p.params, "rnn", &reel_rnn, .in = 1, .hidden = HIDDEN);
    bool ok = record(&p) && compare(&p) && train(&p);
    if (!ok) {
        const char *message = reel_tape_message(p.tape);
        fprintf(stderr, "hvp: %s\n", *message ? message : "not learned");
    }
    reel_tape_free(p.tape);
    reel_cell_free(p.cell);
    reel_params_free(p.params);
    return ok ? 0 : 1;
}
