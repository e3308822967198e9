/* Job: the driver: applies a cell along time and through the layers of a stack, and moves states.
 * Invariant: every step is recorded in the scope of its module and time, and a cell sees only its
 * own states. Must not know: what any step function computes. */
#include <reel/ops.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cell.h"
#include "memory.h"
#include "tape.h"

/* Steps */

static bool usable(const char *at, const reel_cell *c, reel_tape *tape)
{
    if (!c) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "the cell is NULL (reel_params_message of its set may say why)");
        return false;
    }
    if (reel_params_status(c->params)) {
        reel__fail(tape, reel_params_status(c->params), at, "%s", reel_params_message(c->params));
        return false;
    }
    if (c->broken) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at, "cell '%s' was made with bad arguments", c->name);
        return false;
    }
    return tape && !tape->status;
}

/* One step of a plain cell, with what it is given and what it leaves behind checked. */
static reel_node *step(const char *at, reel_tape *tape, reel_cell *c, reel_node *x, reel_state *s)
{
    const reel__slot *in = reel__live(x);
    if (!in) {
        return reel__fail_dead(tape, at, c->name, x);
    }
    if (in->tape != tape) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at, "cell '%s': an input is of another tape",
                          c->name);
    }
    if (c->type && in->rank == 2 && in->dtype != REEL_I32 && in->dim[1] != c->in) {
        char have[128];
        return reel__fail(tape, REEL_ERR_SHAPE, at,
                          "cell '%s': the input is %s: expected [batch,%lld]", c->name,
                          reel__shape_text(have, sizeof have, reel__shape(in)), (long long)c->in);
    }
    reel_node *y = c->step(c, x, s);
    if (tape->status) {
        return reel__error_node(tape);
    }
    if (!y || s->n != c->states) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at,
                          !y ? "cell '%s': its step function returned NULL"
                             : "cell '%s': its step function changed the number of states",
                          c->name);
    }
    for (int i = 0; i < s->n; i++) {
        const reel__slot *v = reel__live(s->v[i]);
        if (!v) {
            return reel__fail_dead(tape, at, c->name, s->v[i]);
        }
        if (v->rank != 2 || v->dim[0] != in->dim[0] || v->dim[1] != c->hidden) {
            char have[128];
            return reel__fail(tape, REEL_ERR_SHAPE, at,
                              "cell '%s': after the step state %d is %s: expected [%lld,%lld]",
                              c->name, i, reel__shape_text(have, sizeof have, reel__shape(v)),
                              (long long)in->dim[0], (long long)c->hidden);
        }
    }
    return y;
}

/* What a run is made of: T steps, the first of which is number `first` in scopes. */
typedef struct span {
    const char *at;
    reel_tape *tape;
    int64_t T, first, batch;
    bool reverse;
    const int64_t *length; /* by sequence; NULL: all have T steps */
    reel_node **live;      /* by step: 1 for sequences that are not over; NULL: none is */
    reel_node **time;      /* by step; NULL: none was given */
    reel_node *const *raw; /* what the run was given, by step; NULL where steps are others */
    reel__drops *drops;
} span;

static void *scratch(const span *u, int64_t n, size_t size)
{
    void *p = reel__arena_alloc(&u->tape->arena, (size_t)n * size);
    if (!p) {
        reel__fail(u->tape, REEL_ERR_MEMORY, u->at, "out of memory for %lld steps", (long long)n);
        return NULL;
    }
    return memset(p, 0, (size_t)n * size);
}

/* A sequence that is over keeps its state, and its output is 0. */
static void hold_ended(const span *u, int64_t t, const reel_state *old, reel_state *s,
                       reel_node **y)
{
    reel_node *live = u->live ? u->live[t] : NULL;
    if (!live) {
        return;
    }
    reel_node *none = reel_constant_at(u->at, u->tape, 0, reel_scalar_shape());
    *y = reel_where_at(u->at, live, *y, none);
    for (int i = 0; i < s->n; i++) {
        s->v[i] = reel_where_at(u->at, live, s->v[i], old->v[i]);
    }
}

/* What stands in the padding is not read: NaN there would go into the derivatives of weights. What
 * layers give is 0 there. */
static reel_node *without_padding(const span *u, int64_t t, reel_node *x)
{
    const reel__slot *in = reel__live(x);
    bool padded = u->live && u->live[t] && u->raw && x == u->raw[t];
    if (!padded || !in || in->tape != u->tape || in->dtype == REEL_I32 || in->rank != 2 ||
        in->dim[0] != u->batch) {
        return x;
    }
    reel_node *none = reel_constant_at(u->at, u->tape, 0, reel_scalar_shape());
    return reel_where_at(u->at, u->live[t], x, none);
}

static void along_time(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                       reel_node **y)
{
    reel__drops_begin(c, u->drops);
    reel__scope_kind(u->tape, c->type ? c->type->name : c->name);
    for (int64_t k = 0; k < u->T; k++) {
        int64_t t = u->reverse ? u->T - 1 - k : k;
        reel_scope_step(u->tape, u->first + t);
        reel_state old = *s;
        reel__drops_step(c);
        c->now.time = u->time ? u->time[t] : NULL;
        c->now.step = u->first + t;
        bool apart = reel__drops_by_gate(c, REEL__INPUT); /* the gates see to it */
        reel_node *in = without_padding(u, t, x[t]);
        in = apart ? in : reel__drop(u->at, c, REEL__INPUT, 0, in);
        reel_node *out = step(u->at, u->tape, c, in, s);
        if (!u->tape->status) {
            out = reel__zone_out(u->at, c, &old, s, out);
            out = reel__drop(u->at, c, REEL__OUTPUT, 0, out);
            hold_ended(u, t, &old, s, &out);
        }
        y[t] = out;
        reel_scope_leave(u->tape);
    }
    if (u->T && !u->tape->status && !reel__drops_used(u->at, c)) {
        y[u->T - 1] = reel__error_node(u->tape);
    }
    c->now = (reel__now){0};
}

/* The states of layer l of a stack start at `from` in the stack's. */
static reel_state part_of(const reel_state *s, int from, int n)
{
    reel_state part = {.n = n};
    memcpy(part.v, s->v + from, (size_t)n * sizeof part.v[0]);
    return part;
}

static int64_t run_cell(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                        reel_node **y);

/* Layer l, in a scope of that name, with its own of the states. Gives how many outputs it has. */
static int64_t run_layer(const span *u, reel_cell *c, int l, const char *name, reel_node *const *x,
                         reel_state *s, reel_node **y)
{
    int from = 0;
    for (int k = 0; k < l; k++) {
        from += c->layers[k]->states;
    }
    reel_state part = part_of(s, from, c->layers[l]->states);
    reel_scope_enter(u->tape, name);
    int64_t T = run_cell(u, c->layers[l], x, &part, y);
    reel_scope_leave(u->tape);
    memcpy(s->v + from, part.v, (size_t)part.n * sizeof part.v[0]);
    return T;
}

/* Between layers, in the scopes of the layer above. */
static void drop_between(const span *u, const reel_cell *c, reel_node **y)
{
    for (int64_t t = 0; c->dropout > 0 && t < u->T; t++) {
        reel_scope_step(u->tape, u->first + t);
        y[t] = reel__drop_between(u->at, u->drops, y[t], c->dropout);
        reel_scope_leave(u->tape);
    }
}

/* What is left of the run when groups of `factor` steps become one. */
static bool coarsen(const span *u, int factor, span *to)
{
    *to = *u;
    to->T = (u->T + factor - 1) / factor;
    to->raw = NULL;
    to->live = u->live ? scratch(u, to->T, sizeof(reel_node *)) : NULL;
    to->time = u->time ? scratch(u, to->T, sizeof(reel_node *)) : NULL;
    int64_t *length = u->length ? scratch(u, u->batch, sizeof *length) : NULL;
    if (u->tape->status) {
        return false;
    }
    for (int64_t b = 0; length && b < u->batch; b++) {
        length[b] = (u->length[b] + factor - 1) / factor;
    }
    to->length = length;
    for (int64_t t = 0; t < to->T; t++) {
        int64_t last = (t + 1) * factor - 1 < u->T ? (t + 1) * factor - 1 : u->T - 1;
        if (u->live) { /* a group lives while its first step does */
            to->live[t] = u->live[t * factor];
        }
        if (u->time) {
            to->time[t] = u->time[last];
        }
    }
    return true;
}

static int64_t through_layers(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                              reel_node **y)
{
    span now = *u;
    for (int l = 0; l < c->layer_count && !u->tape->status; l++) {
        char name[16];
        snprintf(name, sizeof name, "l%d", l);
        if (l) {
            reel_scope_enter(u->tape, name);
            drop_between(&now, c, y);
            reel_scope_leave(u->tape);
        }
        int64_t T = run_layer(&now, c, l, name, l ? y : x, s, y);
        int factor = reel_cell_factor(c->layers[l]);
        span next;
        if (T != now.T && !coarsen(&now, factor, &next)) {
            break;
        }
        now = T != now.T ? next : now;
    }
    return now.T;
}

/* Forward in time and backward, from each sequence's own end: what is over has not begun. */
static int64_t both_ways(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                         reel_node **y)
{
    reel_node **given = scratch(u, u->T, sizeof *given), **back = scratch(u, u->T, sizeof *back);
    if (!given || !back) {
        return u->T;
    }
    memcpy(given, x, (size_t)u->T * sizeof *given);
    span backward = *u;
    backward.reverse = !u->reverse;
    int64_t T = run_layer(u, c, 0, "forward", given, s, y);
    run_layer(&backward, c, 1, "backward", given, s, back);
    for (int64_t t = 0; t < T && !u->tape->status; t++) {
        reel_scope_step(u->tape, u->first + t);
        reel_node *both[2] = {y[t], back[t]};
        y[t] = c->form == REEL__BOTH_SUM ? reel_add_at(u->at, y[t], back[t])
                                         : reel_concat_at(u->at, 1, 2, both);
        reel_scope_leave(u->tape);
    }
    return T;
}

/* h + x, or t ⊙ h + (1 - t) ⊙ x. */
static int64_t around(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                      reel_node **y)
{
    reel_node **given = scratch(u, u->T, sizeof *given);
    if (!given) {
        return u->T;
    }
    memcpy(given, x, (size_t)u->T * sizeof *given);
    int64_t T = run_layer(u, c, 0, "inner", given, s, y);
    for (int64_t t = 0; t < T && !u->tape->status; t++) {
        reel_scope_step(u->tape, u->first + t);
        if (c->form == REEL__RESIDUAL) {
            y[t] = reel_add_at(u->at, y[t], given[t]);
        } else {
            reel_node *in = without_padding(u, t, given[t]);
            reel_node *carry = reel_sigmoid_at(u->at, reel_gate_at(u->at, c, "highway", in, NULL));
            y[t] = reel_lerp_at(u->at, in, y[t], carry);
        }
        hold_ended(u, t, &(reel_state){.n = 0}, &(reel_state){.n = 0}, &y[t]);
        reel_scope_leave(u->tape);
    }
    return T;
}

/* Groups of steps side by side, zeros behind the last. */
static int64_t pyramid(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                       reel_node **y)
{
    span coarse;
    reel_node **group = scratch(u, u->T, sizeof *group);
    if (!group || !coarsen(u, c->factor, &coarse)) {
        return u->T;
    }
    reel_node *part[REEL__MOST_STEPS];
    for (int64_t t = 0; t < coarse.T; t++) {
        reel_scope_step(u->tape, u->first + t);
        for (int k = 0; k < c->factor; k++) {
            int64_t from = t * c->factor + k;
            part[k] =
                from < u->T ? x[from] : reel_constant_at(u->at, u->tape, 0, reel_node_shape(x[0]));
            if (from < u->T && u->live && u->live[from]) {
                part[k] = reel_where_at(u->at, u->live[from], part[k],
                                        reel_constant_at(u->at, u->tape, 0, reel_scalar_shape()));
            }
        }
        group[t] = reel_concat_at(u->at, 1, c->factor, part);
        reel_scope_leave(u->tape);
    }
    return run_layer(&coarse, c, 0, "inner", group, s, y);
}

static int64_t run_cell(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                        reel_node **y)
{
    switch (c->form) {
    case REEL__STACK:
        return through_layers(u, c, x, s, y);
    case REEL__BOTH:
    case REEL__BOTH_SUM:
        return both_ways(u, c, x, s, y);
    case REEL__RESIDUAL:
    case REEL__HIGHWAY:
        return around(u, c, x, s, y);
    case REEL__PYRAMID:
        return pyramid(u, c, x, s, y);
    default:
        along_time(u, c, x, s, y);
        return u->T;
    }
}

static int64_t run(const span *u, reel_cell *c, reel_node *const *x, reel_state *s, reel_node **y)
{
    reel_scope_enter(u->tape, c->name);
    int64_t T = run_cell(u, c, x, s, y);
    reel_scope_leave(u->tape);
    for (int i = 0; i < s->n && !u->tape->status; i++) {
        reel_want(s->v[i]);
    }
    return T;
}

static bool check_states(const char *at, const reel_cell *c, const reel_state *s, reel_tape *tape)
{
    if (s->n != c->states) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at, "cell '%s': %d states given: expected %d", c->name,
                   s->n, c->states);
        return false;
    }
    return true;
}

static bool give_zero_states(const char *at, const reel_cell *c, const reel_node *x, reel_state *s)
{
    reel_tape *tape = reel_node_tape(x);
    if (reel_node_rank(x) != 2) {
        char text[128];
        reel__fail(tape, REEL_ERR_SHAPE, at,
                   "cell '%s': the input is %s: expected [batch, features]", c->name,
                   reel__shape_text(text, sizeof text, reel_node_shape(x)));
        return false;
    }
    *s = reel_state_zero_at(at, tape, c, reel_node_dim(x, 0));
    return !tape->status;
}

/* Checks what is special about a run, and makes the leaves of it. */
static bool prepare(const reel_run_args *a, span *u)
{
    u->batch = reel_node_rank(a->x[0]) == 2 ? reel_node_dim(a->x[0], 0) : 0;
    for (int64_t b = 0; a->length && b < u->batch; b++) {
        if (a->length[b] < 0 || a->length[b] > a->T) {
            reel__fail(u->tape, REEL_ERR_ARGUMENT, u->at,
                       "cell '%s': sequence %lld has length %lld: expected 0 to %lld",
                       a->cell->name, (long long)b, (long long)a->length[b], (long long)a->T);
            return false;
        }
    }
    u->live = a->length ? scratch(u, a->T, sizeof *u->live) : NULL;
    u->time = a->time ? scratch(u, a->T, sizeof *u->time) : NULL;
    double *value = a->length || a->time ? scratch(u, 2 * u->batch, sizeof *value) : NULL;
    for (int64_t t = 0; a->length && t < a->T && !u->tape->status; t++) {
        int64_t over = 0;
        for (int64_t b = 0; b < u->batch; b++) {
            value[b] = t < a->length[b];
            over += t >= a->length[b];
        }
        if (over) {
            char name[64];
            snprintf(name, sizeof name, "%lld of %lld go on", (long long)(u->batch - over),
                     (long long)u->batch);
            u->live[t] = reel_name(
                reel_input_at(u->at, u->tape, REEL_F64, value, reel_dims(u->batch, 1)), name);
        }
    }
    bool f32 = reel_tape_dtype(u->tape) == REEL_F32;
    for (int64_t t = 0; a->time && t < a->T && !u->tape->status; t++) {
        for (int64_t b = 0; b < u->batch; b++) {
            double when = a->time[t * u->batch + b], high = f32 ? (double)(float)when : when;
            if (!isfinite(when)) {
                reel__fail(u->tape, REEL_ERR_ARGUMENT, u->at,
                           "cell '%s': the time of step %lld, sequence %lld is %g: expected a "
                           "finite number",
                           a->cell->name, (long long)t, (long long)b, when);
                return false;
            }
            value[2 * b] = high;
            value[2 * b + 1] = when - high;
        }
        u->time[t] = reel_input_at(u->at, u->tape, REEL_F64, value, reel_dims(u->batch, 2));
    }
    return !u->tape->status;
}

static reel_status run_all(const reel_run_args *a, bool once)
{
    reel_state own;
    reel_cell *c = a->cell;
    reel_tape *tape = a->T > 0 && a->x ? reel_node_tape(a->x[0]) : NULL;
    if (a->T == 0) {
        return REEL_OK;
    }
    if (a->T < 0 || !a->x || !a->y) {
        reel__fail(tape, REEL_ERR_ARGUMENT, a->at,
                   "reel_run: T = %lld with NULL or negative arguments", (long long)a->T);
        return REEL_ERR_ARGUMENT;
    }
    bool ready = usable(a->at, c, tape) &&
                 (a->state || give_zero_states(a->at, c, a->x[0], &own)) &&
                 check_states(a->at, c, a->state ? a->state : &own, tape);
    reel__drops drops = {.tape = tape, .sequence = a->sequence, .once = once};
    span u = {.at = a->at,
              .tape = tape,
              .T = a->T,
              .first = a->first,
              .reverse = a->reverse,
              .length = a->length,
              .raw = a->x,
              .drops = &drops};
    int64_t T = a->T;
    if (ready && prepare(a, &u)) {
        uint32_t scope = tape->scope;
        drops.batch = u.batch;
        T = run(&u, c, a->x, a->state ? a->state : &own, a->y);
        tape->scope = scope;
    }
    bool failed = !ready || tape->status;
    for (int64_t t = failed ? 0 : T; t < a->T; t++) {
        a->y[t] = failed ? reel__error_node(tape) : NULL;
    }
    return !failed ? REEL_OK : tape ? tape->status : REEL_ERR_ARGUMENT;
}

reel_status reel_run_with(const reel_run_args *args)
{
    return args ? run_all(args, false) : REEL_ERR_ARGUMENT;
}

reel_status reel_unroll_at(const char *at, reel_cell *c, int64_t T, reel_node *const *x,
                           reel_state *s, reel_node **y)
{
    return run_all(&(reel_run_args){.cell = c, .T = T, .x = x, .state = s, .y = y, .at = at},
                   false);
}

reel_node *reel_step_once_at(const char *at, reel_cell *c, int64_t t, reel_node *x, reel_state *s)
{
    reel_tape *tape = reel_node_tape(x);
    if (!s) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at, "reel_step_once: the state is NULL");
    }
    if (usable(at, c, tape) && !reel_cell_stepwise(c)) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at,
                          "cell '%s' needs all steps at once: it is pyramidal or goes both ways",
                          c->name);
    }
    reel_node *y = x;
    run_all(&(reel_run_args){.cell = c, .T = 1, .x = &x, .state = s, .y = &y, .first = t, .at = at},
            true);
    return y;
}

/* States */

/* The width of each state of a cell, layers of a stack one after another. */
static int widths(const reel_cell *c, int from, int64_t *width)
{
    if (!c->layer_count) {
        for (int i = 0; i < c->states && from < REEL_MAX_STATES; i++) {
            width[from++] = c->hidden;
        }
        return from;
    }
    for (int l = 0; l < c->layer_count; l++) {
        from = widths(c->layers[l], from, width);
    }
    return from;
}

static void make_states(const char *at, reel_tape *tape, const reel_cell *c, int64_t batch,
                        const reel_carry *carry, reel_state *s)
{
    int64_t width[REEL_MAX_STATES];
    s->n = widths(c, 0, width);
    if (carry && carry->n && carry->n != s->n) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at, "cell '%s' has %d states, %d are carried", c->name,
                   s->n, carry->n);
    }
    for (int i = 0; i < s->n; i++) {
        const int64_t dim[2] = {batch, width[i]};
        reel_shape shape = reel_shape_of(2, dim);
        if (!carry || !carry->n || tape->status) {
            s->v[i] = reel_constant_at(at, tape, 0, shape);
            continue;
        }
        if (!reel_shape_equal(shape, carry->shape[i])) {
            char want[128], have[128];
            reel__fail(tape, REEL_ERR_SHAPE, at, "cell '%s': state %d is %s, the carried one %s",
                       c->name, i, reel__shape_text(want, sizeof want, shape),
                       reel__shape_text(have, sizeof have, carry->shape[i]));
        }
        s->v[i] = reel_name(reel_input_at(at, tape, REEL_F64, carry->value[i], carry->shape[i]),
                            "carried");
    }
}

reel_state reel_state_from_at(const char *at, reel_tape *tape, const reel_cell *c, int64_t batch,
                              const reel_carry *carry)
{
    reel_state s = {.n = 0};
    if (!usable(at, c, tape)) {
        s.n = c ? c->states : 0;
        s.n = s.n < REEL_MAX_STATES ? s.n : REEL_MAX_STATES;
        for (int i = 0; i < s.n && i < REEL_MAX_STATES; i++) {
            s.v[i] = reel__error_node(tape);
        }
        return s;
    }
    make_states(at, tape, c, batch, carry, &s);
    return s;
}

reel_state reel_state_zero_at(const char *at, reel_tape *tape, const reel_cell *c, int64_t batch)
{
    return reel_state_from_at(at, tape, c, batch, NULL);
}

reel_state reel_state_detach_at(const char *at, const reel_state *s)
{
    reel_state cut = {.n = s && s->n > 0 && s->n <= REEL_MAX_STATES ? s->n : 0};
    for (int i = 0; i < cut.n; i++) {
        cut.v[i] = reel_detach_at(at, s->v[i]);
    }
    return cut;
}

reel_state reel_state_gather_at(const char *at, const reel_state *s, reel_node *index)
{
    reel_state rows = {.n = s && s->n > 0 && s->n <= REEL_MAX_STATES ? s->n : 0};
    for (int i = 0; i < rows.n; i++) {
        rows.v[i] = reel_gather_at(at, s->v[i], index);
    }
    return rows;
}

reel_state reel_state_slice_at(const char *at, const reel_state *s, int64_t from, int64_t to)
{
    reel_state rows = {.n = s && s->n > 0 && s->n <= REEL_MAX_STATES ? s->n : 0};
    for (int i = 0; i < rows.n; i++) {
        rows.v[i] = reel_slice_at(at, s->v[i], 0, from, to);
    }
    return rows;
}

reel_status reel_state_keep(reel_carry *carry, const reel_state *s)
{
    if (!carry || !s || s->n < 0 || s->n > REEL_MAX_STATES) {
        return REEL_ERR_ARGUMENT;
    }
    if (!s->n) {
        return REEL_OK;
    }
    reel_status status = reel_eval((size_t)s->n, s->v);
    if (status) {
        return status;
    }
    reel_tape *tape = reel_node_tape(s->v[0]);
    reel_carry fresh = {.n = s->n};
    for (int i = 0; i < s->n; i++) {
        fresh.shape[i] = reel_node_shape(s->v[i]);
        size_t n = (size_t)reel_node_size(s->v[i]);
        fresh.value[i] = reel__reallocarray(NULL, n, sizeof(double));
        if (!fresh.value[i]) {
            reel_carry_free(&fresh);
            reel__fail(tape, REEL_ERR_MEMORY, NULL, "reel_state_keep: out of memory");
            return tape->status;
        }
        status = reel_read(s->v[i], fresh.value[i], n);
        if (status) {
            reel_carry_free(&fresh);
            return status;
        }
    }
    reel_carry_free(carry);
    *carry = fresh;
    return REEL_OK;
}

void reel_carry_zero(reel_carry *carry, int64_t b)
{
    for (int i = 0; carry && i < carry->n; i++) {
        reel_shape shape = carry->shape[i];
        int64_t row = shape.rank && shape.dim[0] ? reel_shape_size(shape) / shape.dim[0] : 0;
        if (b >= 0 && b < shape.dim[0]) {
            memset(carry->value[i] + b * row, 0, (size_t)row * sizeof(double));
        }
    }
}

void reel_carry_free(reel_carry *carry)
{
    if (!carry) {
        return;
    }
    for (int i = 0; i < carry->n; i++) {
        reel__free(carry->value[i]);
    }
    *carry = (reel_carry){0};
}
