/* Job: records the scalar that is checked, at the leaves' values in force, and its analytic
 * gradient. What is checked becomes a scalar f of leaves: results are summed under fixed random
 * weights w. At order 2 it is g = <∇f, v> for a fixed random v, of the leaves and of w, so that a
 * rule is also checked as a function of its cotangent. Invariant: weights are never changed; a leaf
 * of the checker's own is bound in each one's place. Must not know: difference formulas. */
#include "checker.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <reel/ops.h>

#include "memory.h"
#include "tape.h"

bool reel__check_stop(reel__checker *c, reel_status status, const char *format, ...)
{
    reel_check_report *r = c->report;
    if (r->status == REEL_OK) {
        int used = snprintf(r->message, sizeof r->message, "%s: ", c->title);
        va_list args;
        va_start(args, format);
        vsnprintf(r->message + used, sizeof r->message - (size_t)used, format, args);
        va_end(args);
        r->status = status;
    }
    return false;
}

bool reel__check_stop_at_tape(reel__checker *c)
{
    reel_status status = reel_tape_status(c->tape);
    const char *message = reel_tape_message(c->tape);
    return reel__check_stop(c, status ? status : REEL_ERR_ARGUMENT, "%s",
                            *message ? message
                                     : "it records something else each time it is called");
}

bool reel__check_out_of_memory(reel__checker *c)
{
    return reel__check_stop(c, REEL_ERR_MEMORY, "out of memory");
}

void reel__check_give_up(reel__checker *c)
{
    reel_tape_fail(c->tape, REEL_HERE, REEL_ERR_MEMORY, "gradient check: out of memory");
}

static void add_term(reel__checker *c, reel_node *x, size_t leaf)
{
    if (c->terms == c->term_capacity) {
        size_t capacity = c->term_capacity ? 2 * c->term_capacity : 16;
        reel__term *more = reel__reallocarray(c->term, capacity, sizeof *more);
        if (!more) {
            reel__check_give_up(c);
            return;
        }
        c->term = more;
        c->term_capacity = capacity;
    }
    c->term[c->terms++] = (reel__term){x, leaf};
}

void reel__check_add(reel__checker *c, reel_node *x)
{
    add_term(c, x, SIZE_MAX);
}

/* Σ <leaf, node> over the terms. */
static reel_node *sum_terms(reel__checker *c)
{
    reel_node *sum = NULL;
    for (size_t i = 0; i < c->terms; i++) {
        reel_node *weight = c->sampler.leaf[c->term[i].leaf].node;
        reel_node *part = reel_sum(reel_mul(weight, c->term[i].node));
        sum = sum ? reel_add(sum, part) : part;
    }
    return sum;
}

/* The index of the leaf given last. */
static size_t last_leaf(const reel__checker *c)
{
    return c->sampler.next ? c->sampler.next - 1 : 0;
}

static bool is_result(const reel_node *x)
{
    return reel_node_dtype(x) != REEL_I32;
}

static reel_node *weigh_results(reel__checker *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->terms; i++) {
        reel_node *x = c->term[i].node;
        if (!is_result(x)) {
            continue;
        }
        reel__sample_weight(&c->sampler, c->order == 2 ? REEL__LEAF_REAL : REEL__LEAF_FIXED,
                            "the cotangent", reel_node_shape(x));
        if (reel_tape_status(c->tape)) {
            return NULL;
        }
        c->term[kept++] = (reel__term){x, last_leaf(c)};
    }
    c->terms = kept;
    return kept ? sum_terms(c) : NULL;
}

static bool find_real_leaves(reel__checker *c)
{
    size_t n = c->sampler.next;
    if (n > c->leaf_capacity) {
        reel_node **node = reel__reallocarray(c->node, n, sizeof *node);
        c->node = node ? node : c->node;
        reel_node **slope = reel__reallocarray(c->slope, n, sizeof *slope);
        c->slope = slope ? slope : c->slope;
        size_t *leaf = reel__reallocarray(c->leaf, n, sizeof *leaf);
        c->leaf = leaf ? leaf : c->leaf;
        if (!node || !slope || !leaf) {
            reel__check_give_up(c);
            return false;
        }
        c->leaf_capacity = n;
    }
    c->leaves = 0;
    for (size_t i = 0; i < n; i++) {
        if (c->sampler.leaf[i].kind == REEL__LEAF_REAL) {
            c->node[c->leaves] = c->sampler.leaf[i].node;
            c->leaf[c->leaves++] = i;
        }
    }
    return true;
}

/* From f to g = <∇f, v>. */
static reel_node *slope_along_v(reel__checker *c, reel_node *f)
{
    if (reel_grad(f, c->leaves, c->node, c->slope)) {
        return NULL;
    }
    c->terms = 0;
    for (size_t i = 0; i < c->leaves; i++) {
        reel__sample_weight(&c->sampler, REEL__LEAF_FIXED, "", reel_node_shape(c->node[i]));
        if (reel_tape_status(c->tape)) {
            return NULL;
        }
        add_term(c, c->slope[i], last_leaf(c));
    }
    return sum_terms(c);
}

static void bind_weights(reel__checker *c)
{
    for (size_t i = 0; i < c->weights; i++) {
        reel_param *p = c->weight[i];
        double *value = reel__reallocarray(NULL, (size_t)reel_param_size(p), sizeof *value);
        if (!value || reel_param_read(p, value, (size_t)reel_param_size(p))) {
            reel__check_give_up(c);
        } else {
            reel_node *leaf = reel__sample_value(&c->sampler, REEL__LEAF_REAL, reel_param_name(p),
                                                 value, reel_param_shape(p));
            reel_status status = reel_bind(c->tape, p, leaf);
            (void)status; /* the tape keeps it */
        }
        reel__free(value);
    }
}

/* Records the scalar anew. NULL when there is nothing to differentiate, or an error on the tape. */
static reel_node *record(reel__checker *c)
{
    reel_tape_reset(c->tape);
    reel__sampler_begin(&c->sampler, c->tape);
    c->terms = 0;
    bind_weights(c);
    c->record(c);
    reel_node *f = reel_tape_status(c->tape) ? NULL : weigh_results(c);
    if (!f || !find_real_leaves(c)) {
        return NULL;
    }
    f = c->order == 2 ? slope_along_v(c, f) : f;
    return reel_tape_status(c->tape) ? NULL : f;
}

bool reel__check_find_weights(reel__checker *c)
{
    if (!c->params) {
        return true;
    }
    reel__sampler_begin(&c->sampler, c->tape);
    c->record(c);
    if (reel_params_status(c->params)) {
        return reel__check_stop(c, reel_params_status(c->params), "%s",
                                reel_params_message(c->params));
    }
    if (reel_tape_status(c->tape)) {
        return reel__check_stop_at_tape(c);
    }
    size_t n = reel__tape_params(c->tape, 0, NULL, NULL);
    reel_node **node = reel__reallocarray(NULL, n, sizeof *node);
    c->weight = reel__reallocarray(NULL, n, sizeof(reel_param *));
    if (!node || !c->weight) {
        reel__free(node);
        return reel__check_out_of_memory(c);
    }
    n = reel__tape_params(c->tape, n, c->weight, node);
    reel__free(node);
    for (size_t i = 0; i < n; i++) {
        reel_param *p = c->weight[i];
        if (reel_param_set(p) == c->params && !reel_param_frozen(p)) {
            c->weight[c->weights++] = p;
        }
    }
    return true;
}

/* Reads a node into fresh memory; NULL after stopping. */
static double *read_values(reel__checker *c, reel_node *x)
{
    size_t n = (size_t)reel_node_size(x);
    double *out = reel__reallocarray(NULL, n, sizeof *out);
    if (!out) {
        reel__check_out_of_memory(c);
        return NULL;
    }
    if (reel_read(x, out, n)) {
        reel__free(out);
        reel__check_stop_at_tape(c);
        return NULL;
    }
    return out;
}

/* Σ |leaf| |node| over the terms: what the scalar's rounding error is in proportion to. */
static bool find_magnitude(reel__checker *c)
{
    c->magnitude = 0;
    for (size_t i = 0; i < c->terms; i++) {
        const reel__leaf *leaf = &c->sampler.leaf[c->term[i].leaf];
        double *value = read_values(c, c->term[i].node);
        if (!value) {
            return false;
        }
        for (int64_t k = 0; k < leaf->size; k++) {
            c->magnitude += fabs(leaf->value[k] * value[k]);
        }
        reel__free(value);
    }
    return true;
}

static bool keep_analytic(reel__checker *c, int way, reel_node *const *gradient)
{
    c->analytic[way] = reel__calloc(c->leaves, sizeof(double *));
    if (!c->analytic[way]) {
        return reel__check_out_of_memory(c);
    }
    c->analytic_rows = c->leaves;
    if (reel_eval(c->leaves, gradient)) {
        return reel__check_stop_at_tape(c);
    }
    for (size_t i = 0; i < c->leaves; i++) {
        c->analytic[way][i] = read_values(c, gradient[i]);
        if (!c->analytic[way][i]) {
            return false;
        }
    }
    return true;
}

/* At order 2 the product of the Hessian and v also comes as a vjp of the gradient. */
static bool second_way(reel__checker *c)
{
    size_t n = c->leaves;
    reel_node **gradient = reel__reallocarray(NULL, 2 * n, sizeof *gradient);
    if (!gradient) {
        return reel__check_out_of_memory(c);
    }
    for (size_t i = 0; i < n; i++) {
        gradient[n + i] = c->sampler.leaf[c->term[i].leaf].node;
    }
    bool ok =
        !reel_vjp(n, c->slope, gradient + n, n, c->node, gradient) || reel__check_stop_at_tape(c);
    ok = ok && keep_analytic(c, 1, gradient);
    reel__free(gradient);
    return ok;
}

bool reel__check_analytic(reel__checker *c, bool *empty)
{
    reel_node *f = record(c);
    if (!f) {
        *empty = reel_tape_status(c->tape) == REEL_OK;
        return *empty || reel__check_stop_at_tape(c);
    }
    *empty = c->leaves == 0;
    if (*empty) {
        return true;
    }
    reel_node **gradient = reel__reallocarray(NULL, c->leaves, sizeof *gradient);
    if (!gradient) {
        return reel__check_out_of_memory(c);
    }
    bool ok = !reel_grad(f, c->leaves, c->node, gradient) || reel__check_stop_at_tape(c);
    ok = ok && (!reel_scalar(f, &c->f0) || reel__check_stop_at_tape(c));
    ok = ok && keep_analytic(c, 0, gradient);
    ok = ok && (c->order == 1 || second_way(c));
    ok = ok && find_magnitude(c);
    reel__free(gradient);
    if (ok && !isfinite(c->f0)) {
        return reel__check_stop(c, REEL_ERR_NAN, "the value is %g where it is to be differentiated",
                                c->f0);
    }
    return ok;
}

bool reel__check_line(void *context, double t, double *value)
{
    reel__checker *c = context;
    reel__leaf *leaf = &c->sampler.leaf[c->leaf[c->line_leaf]];
    if (c->line_entry >= 0) {
        leaf->value[c->line_entry] = c->base[c->line_entry] + t;
    } else {
        for (int64_t k = 0; k < leaf->size; k++) {
            leaf->value[k] = c->base[k] + t * c->direction[k];
        }
    }
    reel_node *f = record(c);
    leaf = &c->sampler.leaf[c->leaf[c->line_leaf]]; /* more leaves than before may have moved it */
    memcpy(leaf->value, c->base, (size_t)leaf->size * sizeof *c->base);
    return (f && !reel_scalar(f, value)) || reel__check_stop_at_tape(c);
}
