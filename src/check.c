/* Job: the gradient checker's three doors: an op, a function, a cell. Each says how its subject is
 * recorded. Invariant: order 2 is tried only where order 1 is right. Must not know: what any op
 * computes. */
#include <reel/check.h>

#include <stdio.h>
#include <string.h>

#include <reel/ops.h>

#include "checker.h"
#include "memory.h"

static void name_leaves(reel__checker *c)
{
    for (size_t i = 0; i < c->sampler.n; i++) {
        reel__leaf *leaf = &c->sampler.leaf[i];
        const char *given = reel_node_name(leaf->node);
        if (*given) {
            snprintf(leaf->name, sizeof leaf->name, "%s", given);
        } else if (!leaf->name[0]) {
            snprintf(leaf->name, sizeof leaf->name, "x%zu", i);
        }
    }
}

static void free_analytic(reel__checker *c)
{
    for (int way = 0; way < 2; way++) {
        for (size_t i = 0; c->analytic[way] && i < c->analytic_rows; i++) {
            reel__free(c->analytic[way][i]);
        }
        reel__free(c->analytic[way]);
        c->analytic[way] = NULL;
    }
}

/* One subject at one order. True when the check was carried out; the verdict is in c->worst. */
static bool check_order(reel__checker *c, int order)
{
    bool empty = true;
    c->order = order;
    c->tape = reel_tape_new(1, .dtype = REEL_F64, .seed = c->args->seed);
    if (!c->tape) {
        return reel__check_out_of_memory(c);
    }
    reel__sampler_init(&c->sampler, c->args->seed, (uint64_t)c->sample);
    bool ok = reel__check_find_weights(c);
    reel__sampler_free(&c->sampler);
    reel__sampler_init(&c->sampler, c->args->seed, (uint64_t)c->sample);
    ok = ok && reel__check_analytic(c, &empty);
    if (ok && !empty) {
        name_leaves(c);
        ok = reel__check_compare(c);
    }
    free_analytic(c);
    reel__sampler_free(&c->sampler);
    reel__free(c->weight);
    reel__free(c->term);
    reel__free(c->node);
    reel__free(c->slope);
    reel__free(c->leaf);
    c->weight = NULL;
    c->term = NULL;
    c->node = c->slope = NULL;
    c->leaf = NULL;
    c->weights = c->terms = c->term_capacity = c->leaf_capacity = c->leaves = 0;
    reel_tape_free(c->tape);
    c->tape = NULL;
    return ok;
}

/* Both orders; order 2 only when order 1 is right, since nothing can be right above a wrong one. */
static bool check_orders(reel__checker *c)
{
    int orders = c->args->order == 2 ? 2 : 1;
    for (int order = 1; order <= orders; order++) {
        if (!check_order(c, order)) {
            return false;
        }
        if (c->worst > 1) {
            return true;
        }
    }
    return true;
}

static bool conclude(reel__checker *c, bool carried_out)
{
    reel_check_report *r = c->report;
    r->ok = carried_out && c->worst <= 1;
    if (!carried_out) {
        return false;
    }
    if (r->compared == 0 && r->kinks > 0) {
        snprintf(r->message, sizeof r->message,
                 "%s: nothing could be compared: the function has a kink at each of %lld entries",
                 c->title, (long long)r->kinks);
        r->ok = false;
        return false;
    }
    size_t used = strlen(r->message);
    if (used == 0) {
        used = (size_t)snprintf(r->message, sizeof r->message,
                                "%s: there is nothing to differentiate", c->title);
    }
    snprintf(r->message + used, sizeof r->message - used, "; compared: %lld, kinks left out: %lld",
             (long long)r->compared, (long long)r->kinks);
    return r->ok;
}

/* A checker with an empty report, or the reason why there is none in it. */
static bool begin(reel__checker *c, const reel_check_args *args, reel_check_report *report,
                  const char *title)
{
    *report = (reel_check_report){.order = 1, .index = -1};
    *c = (reel__checker){.args = args, .report = report, .worst = -1};
    snprintf(c->title, sizeof c->title, "%s", title);
    if (args->order < 0 || args->order > 2) {
        return reel__check_stop(c, REEL_ERR_ARGUMENT, "order is %d, not 1 or 2", args->order);
    }
    return true;
}

/* What is checked. */

static void name_arguments(reel__checker *c, reel_node *y)
{
    for (size_t i = 0; i < c->sampler.next; i++) {
        reel__leaf *leaf = &c->sampler.leaf[i];
        for (int k = 0; k < reel_node_arity(y) && !leaf->name[0]; k++) {
            if (reel_node_arg(y, k) == leaf->node) {
                snprintf(leaf->name, sizeof leaf->name, "x%d", k);
            }
        }
    }
}

static void record_op(reel__checker *c)
{
    reel_node *y = c->args->op->sample(&c->sampler, c->sample);
    if (y) {
        name_arguments(c, y);
        reel__check_add(c, y);
    }
}

/* Whether there is a k-th sample. */
static bool has_sample(reel__checker *c, bool *there)
{
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64, .seed = c->args->seed);
    if (!tape) {
        return reel__check_out_of_memory(c);
    }
    reel__sampler_init(&c->sampler, c->args->seed, (uint64_t)c->sample);
    reel__sampler_begin(&c->sampler, tape);
    *there = c->args->op->sample(&c->sampler, c->sample) != NULL;
    c->tape = tape;
    bool ok = reel_tape_status(tape) == REEL_OK || reel__check_stop_at_tape(c);
    reel__sampler_free(&c->sampler);
    reel_tape_free(tape);
    c->tape = NULL;
    return ok;
}

bool reel_check_op_with(const reel_check_args *args)
{
    reel__checker c;
    reel_check_report own;
    const reel_op *op = args->op;
    if (!begin(&c, args, args->report ? args->report : &own, op && op->name ? op->name : "op")) {
        return false;
    }
    if (!op || !op->sample) {
        return reel__check_stop(&c, REEL_ERR_ARGUMENT, op ? "the op has no samples" : "op is NULL");
    }
    c.record = record_op;
    bool ok = true, there = true;
    for (c.sample = 0; ok && c.worst <= 1; c.sample++) {
        snprintf(c.title, sizeof c.title, "%s, sample %d", op->name, c.sample);
        ok = has_sample(&c, &there);
        if (!ok || !there) {
            break;
        }
        ok = check_orders(&c);
    }
    if (ok && c.sample == 0) {
        return reel__check_stop(&c, REEL_ERR_ARGUMENT, "there is no such sample");
    }
    return conclude(&c, ok);
}

static void record_function(reel__checker *c)
{
    const reel_check_args *a = c->args;
    bool chosen = a->low != 0 || a->high != 0;
    reel_node **x = reel__calloc((size_t)a->inputs, sizeof *x);
    if (!x) {
        reel__check_give_up(c);
        return;
    }
    for (int i = 0; i < a->inputs; i++) {
        x[i] =
            reel_sample_real(&c->sampler, chosen ? a->low : -1, chosen ? a->high : 1, a->shape[i]);
        reel__sampler_name(&c->sampler, "x%d", i);
    }
    if (!reel_tape_status(c->tape)) {
        reel_node *y = a->function(c->tape, x, a->context);
        if (reel_node_dtype(y) == REEL_I32) {
            reel_tape_fail(c->tape, REEL_HERE, REEL_ERR_ARGUMENT,
                           "gradient check: the result is i32");
        }
        reel__check_add(c, y);
    }
    reel__free(x);
}

bool reel_check_function_with(const reel_check_args *args)
{
    reel__checker c;
    reel_check_report own;
    if (!begin(&c, args, args->report ? args->report : &own, "function")) {
        return false;
    }
    if (!args->function) {
        return reel__check_stop(&c, REEL_ERR_ARGUMENT, "function is NULL");
    }
    if (args->inputs < 0 || (args->inputs > 0 && !args->shape)) {
        return reel__check_stop(&c, REEL_ERR_ARGUMENT, "%d inputs need as many shapes",
                                args->inputs);
    }
    if (!(args->low < args->high) && (args->low != 0 || args->high != 0)) {
        return reel__check_stop(&c, REEL_ERR_ARGUMENT, "inputs cannot lie in (%g, %g)", args->low,
                                args->high);
    }
    c.record = record_function;
    c.params = args->params;
    bool ok = check_orders(&c);
    return conclude(&c, ok);
}

static int64_t or_default(int64_t value, int64_t other)
{
    return value > 0 ? value : other;
}

static void record_cell(reel__checker *c)
{
    reel_cell *cell = c->args->cell;
    int64_t T = or_default(c->args->steps, 3), batch = or_default(c->args->batch, 2);
    reel_node **x = reel__calloc((size_t)T, 2 * sizeof *x);
    double *time = reel__calloc((size_t)T * (size_t)batch, sizeof *time);
    if (!x || !time) {
        reel__free(x);
        reel__free(time);
        reel__check_give_up(c);
        return;
    }
    for (int64_t i = 0; i < T * batch; i++) { /* for cells that are told the time */
        time[i] = 0.37 + (double)(i / batch) * 1.21 + (double)(i % batch) * 0.53;
    }
    for (int64_t t = 0; t < T; t++) {
        x[t] = reel_sample_real(&c->sampler, -1, 1, reel_dims(batch, reel_cell_in(cell)));
        reel__sampler_name(&c->sampler, "the input at t=%lld", (long long)t);
    }
    reel_state s = reel_state_zero(c->tape, cell, batch);
    for (int i = 0; i < s.n; i++) {
        s.v[i] = reel_sample_real(&c->sampler, -1, 1, reel_node_shape(s.v[i]));
        reel__sampler_name(&c->sampler, "initial state %d", i);
    }
    reel_status status = reel_run(cell, T, x, &s, x + T, .time = time);
    for (int64_t t = 0; t < reel_cell_steps(cell, T) && !status; t++) {
        reel__check_add(c, x[T + t]);
    }
    for (int i = 0; i < s.n && !status; i++) {
        reel__check_add(c, s.v[i]);
    }
    reel__free(x);
    reel__free(time);
}

bool reel_check_cell_with(const reel_check_args *args)
{
    reel__checker c;
    reel_check_report own;
    if (!begin(&c, args, args->report ? args->report : &own, "cell")) {
        return false;
    }
    if (!args->cell) {
        return reel__check_stop(&c, REEL_ERR_ARGUMENT, "cell is NULL");
    }
    snprintf(c.title, sizeof c.title, "cell %s, %lld steps of batch %lld",
             reel_cell_name(args->cell), (long long)or_default(args->steps, 3),
             (long long)or_default(args->batch, 2));
    c.record = record_cell;
    c.params = reel_cell_params(args->cell);
    bool ok = check_orders(&c);
    return conclude(&c, ok);
}
