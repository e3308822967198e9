/* Job: the derivative of a function of one variable from its values, with a bound of its own error.
 * Central differences at halved steps are extrapolated to step 0 (Ridders 1982; Richardson), and so
 * are the differences to either side: where those two disagree, the function has a kink. Invariant:
 * what is found depends on the function's values alone. Must not know: gradients, tapes. */
#include "check_slope.h"

#include <float.h>
#include <math.h>

enum { LEVELS = 6, ROUNDS = 6 };

/* Neville's scheme for differences at steps h, h/2, h/4, ... whose error is a series in h^order. */
typedef struct tableau {
    double row[LEVELS]; /* of the last step added: extrapolated 0, 1, ... times */
    double value, error;
    int n;
    double factor; /* 2^order */
} tableau;

static void tableau_add(tableau *t, double difference)
{
    double before[LEVELS];
    for (int j = 0; j < t->n; j++) {
        before[j] = t->row[j];
    }
    t->row[0] = difference;
    double power = t->factor;
    for (int j = 1; j <= t->n; j++) {
        t->row[j] = (power * t->row[j - 1] - before[j - 1]) / (power - 1);
        power *= t->factor;
        double error = fmax(fabs(t->row[j] - t->row[j - 1]), fabs(t->row[j] - before[j - 1]));
        if (error <= t->error) {
            t->error = error;
            t->value = t->row[j];
        }
    }
    t->n++;
}

static bool is_finite(double x)
{
    return isfinite(x) != 0;
}

/* What the steps of one round, the largest and its halves, tell. */
typedef struct round_found {
    reel__slope slope;
    double jump;  /* right minus left derivative, in size */
    bool defined; /* all values were finite */
} round_found;

/* Returns false when f failed. */
static bool round_find(const reel__slope_args *a, double step, round_found *found)
{
    reel__slope *out = &found->slope;
    tableau central = {.error = HUGE_VAL, .factor = 4};
    tableau right = {.error = HUGE_VAL, .factor = 2}, left = right;
    double h = step, noise = 0;
    *found = (round_found){.slope = {.error = HUGE_VAL}};
    for (int i = 0; i < LEVELS; i++, h /= 2) {
        double up, down;
        if (!a->f(a->context, h, &up) || !a->f(a->context, -h, &down)) {
            return false;
        }
        if (!is_finite(up) || !is_finite(down)) {
            return true;
        }
        tableau_add(&central, (up - down) / (2 * h));
        tableau_add(&right, (up - a->f0) / h);
        tableau_add(&left, (a->f0 - down) / h);
        if (i < 2) {
            continue;
        }
        noise = 8 * DBL_EPSILON * fmax(a->magnitude, fmax(fabs(up), fabs(down))) / h;
        if (central.error <= 0.05 * a->tolerance * fabs(central.value) + noise) {
            out->settled = true;
            break;
        }
    }
    out->value = central.value;
    out->error = 2 * central.error + noise;
    found->defined = true;
    found->jump = fabs(right.value - left.value);
    double doubt = 10 * (right.error + left.error) + 20 * noise;
    out->kink = found->jump > doubt + 1e-4 * fmax(fabs(right.value), fabs(left.value));
    return true;
}

bool reel__slope_find(const reel__slope_args *args, reel__slope *out)
{
    reel__slope best = {.error = HUGE_VAL};
    double jump = 0, step = args->step;
    for (int i = 0; i < ROUNDS && !best.settled; i++, step /= 8) {
        round_found found;
        if (!round_find(args, step, &found)) {
            return false;
        }
        if (found.slope.kink) {
            jump = found.jump;
        } else if (found.defined && found.slope.error < best.error) {
            best = found.slope;
        }
    }
    /* A kink beside the point is left behind as the steps shrink. One at the point is seen at every
     * step, but the smallest ones may bury it in rounding errors. */
    best.kink = jump > 0 && best.error > 0.1 * jump;
    *out = best;
    return true;
}
