/* Numeric derivatives of a function of one variable, with an error bound and an eye for kinks. */
#ifndef REEL_SRC_CHECK_SLOPE_H
#define REEL_SRC_CHECK_SLOPE_H

#include <reel/base.h>

/* f at distance t from the point of interest. Returns false when it cannot be had: the search
 * stops. A value that is not finite is allowed: the function is not defined there. */
typedef bool reel__line(void *context, double t, double *f);

typedef struct reel__slope_args {
    reel__line *f;
    void *context;
    double f0;        /* f at 0; finite */
    double magnitude; /* of the terms that f adds up: its rounding error is in proportion */
    double step;      /* the largest step */
    double tolerance; /* relative error that is good enough */
} reel__slope_args;

typedef struct reel__slope {
    double value; /* df/dt at 0 */
    double error; /* bound of its own error, from the spread of the estimates and from rounding */
    bool settled; /* the estimates converged */
    bool kink;    /* the derivatives from the right and from the left differ at every step tried */
} reel__slope;

/* False when f said so. Depends on f alone, so that no analytic value can talk it into a verdict.
 */
bool reel__slope_find(const reel__slope_args *args, reel__slope *out);

#endif
