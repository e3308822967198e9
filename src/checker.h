/* The inside of the gradient checker: what is checked, how it is recorded, how it is judged. */
#ifndef REEL_SRC_CHECKER_H
#define REEL_SRC_CHECKER_H

#include <reel/check.h>

#include "sampler.h"

/* A result and the index of the leaf that weighs it. */
typedef struct reel__term {
    reel_node *node;
    size_t leaf;
} reel__term;

typedef struct reel__checker reel__checker;

/* Records what is checked: leaves through c->sampler, results through reel__check_add. */
typedef void reel__recorder(reel__checker *c);

struct reel__checker {
    const reel_check_args *args;
    reel__recorder *record;
    int order, sample;
    reel_params *params; /* whose weights are checked; may be NULL */
    char title[160];

    reel_tape *tape;
    reel_sampler sampler;
    reel_param **weight; /* those found in use */
    size_t weights;
    reel__term *term; /* of the scalar last recorded */
    size_t terms, term_capacity;
    reel_node **node, **slope; /* the real leaves and their gradients */
    size_t *leaf;              /* their indices in the sampler */
    size_t leaves, leaf_capacity;
    double *
        *analytic[2]; /* gradients of the scalar, by reel_grad and by reel_vjp; NULL row: none */
    size_t analytic_rows;

    /* the line along which the scalar is followed */
    size_t line_leaf;
    int64_t line_entry;      /* -1: along `direction` */
    const double *direction; /* of the leaf's size */
    double *base;
    double f0, magnitude;

    reel_check_report *report;
    double worst; /* difference over allowance of the report's entry; negative: there is none */
};

/* Ends the check: it could not be carried out. All of these return false. */
bool reel__check_stop(reel__checker *c, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);
bool reel__check_stop_at_tape(reel__checker *c);
bool reel__check_out_of_memory(reel__checker *c);

/* For recorders: adds a result to the scalar; i32 results do not count. */
void reel__check_add(reel__checker *c, reel_node *x);
/* For recorders: says on the tape that memory is out. */
void reel__check_give_up(reel__checker *c);

/* Learns which weights are used by recording once without binding them. */
bool reel__check_find_weights(reel__checker *c);
/* The scalar at the leaves' own values, its gradient, and the size of its terms. *empty: there is
 * no real result or no leaf to differentiate. */
bool reel__check_analytic(reel__checker *c, bool *empty);
/* The scalar along the line, as a reel__line. */
bool reel__check_line(void *context, double t, double *value);
/* Compares all leaves with difference formulas. False when that could not be carried out. */
bool reel__check_compare(reel__checker *c);

#endif
