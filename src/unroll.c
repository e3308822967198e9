/* Job: the driver: applies a cell along time and through the layers of a stack, and moves states.
 * Invariant: every step is recorded in the scope of its module and time, and a cell sees only its
 * own states. Must not know: what any step function computes. */
#include <reel/ops.h>

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

/* Steps of one unroll: T of them, the first of which is number `first` in scopes. */
typedef struct span {
    const char *at;
    reel_tape *tape;
    int64_t T, first;
} span;

static void along_time(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                       reel_node **y)
{
    for (int64_t t = 0; t < u->T; t++) {
        reel_scope_step(u->tape, u->first + t);
        y[t] = step(u->at, u->tape, c, x[t], s);
        reel_scope_leave(u->tape);
    }
}

/* The states of layer l of a stack start at `from` in the stack's. */
static reel_state part_of(const reel_state *s, int from, int n)
{
    reel_state part = {.n = n};
    memcpy(part.v, s->v + from, (size_t)n * sizeof part.v[0]);
    return part;
}

static void enter_layer(reel_tape *tape, int l)
{
    char name[16];
    snprintf(name, sizeof name, "l%d", l);
    reel_scope_enter(tape, name);
}

static void through_layers(const span *u, reel_cell *c, reel_node *const *x, reel_state *s,
                           reel_node **y)
{
    int from = 0;
    for (int l = 0; l < c->layer_count; l++) {
        reel_cell *layer = c->layers[l];
        reel_state part = part_of(s, from, layer->states);
        enter_layer(u->tape, l);
        for (int64_t t = 0; l && c->dropout > 0 && t < u->T; t++) {
            y[t] = reel_dropout_at(u->at, y[t], c->dropout);
        }
        if (layer->layer_count) {
            through_layers(u, layer, l ? y : x, &part, y);
        } else {
            along_time(u, layer, l ? y : x, &part, y);
        }
        reel_scope_leave(u->tape);
        memcpy(s->v + from, part.v, (size_t)part.n * sizeof part.v[0]);
        from += part.n;
    }
}

static void run(const span *u, reel_cell *c, reel_node *const *x, reel_state *s, reel_node **y)
{
    reel_scope_enter(u->tape, c->name);
    if (c->layer_count) {
        through_layers(u, c, x, s, y);
    } else {
        along_time(u, c, x, s, y);
    }
    reel_scope_leave(u->tape);
    for (int i = 0; i < s->n && !u->tape->status; i++) {
        reel_want(s->v[i]);
    }
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

reel_status reel_unroll_at(const char *at, reel_cell *c, int64_t T, reel_node *const *x,
                           reel_state *s, reel_node **y)
{
    reel_state own;
    reel_tape *tape = T > 0 && x ? reel_node_tape(x[0]) : NULL;
    if (T == 0) {
        return REEL_OK;
    }
    if (T < 0 || !x || !y) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "reel_unroll: T = %lld with NULL or negative arguments", (long long)T);
        return REEL_ERR_ARGUMENT;
    }
    bool ready = usable(at, c, tape) && (s || give_zero_states(at, c, x[0], &own)) &&
                 check_states(at, c, s ? s : &own, tape);
    if (ready) {
        uint32_t scope = tape->scope;
        run(&(span){.at = at, .tape = tape, .T = T}, c, x, s ? s : &own, y);
        tape->scope = scope;
    }
    if (!ready || tape->status) {
        for (int64_t t = 0; t < T; t++) {
            y[t] = reel__error_node(tape);
        }
        return tape ? tape->status : REEL_ERR_ARGUMENT;
    }
    return REEL_OK;
}

reel_node *reel_step_once_at(const char *at, reel_cell *c, int64_t t, reel_node *x, reel_state *s)
{
    reel_tape *tape = reel_node_tape(x);
    if (!s) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at, "reel_step_once: the state is NULL");
    }
    if (!usable(at, c, tape) || !check_states(at, c, s, tape)) {
        return reel__error_node(tape);
    }
    reel_node *y = x;
    run(&(span){.at = at, .tape = tape, .T = 1, .first = t}, c, &x, s, &y);
    return tape->status ? reel__error_node(tape) : y;
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
        s->v[i] = reel_input_at(at, tape, REEL_F64, carry->value[i], carry->shape[i]);
    }
}

reel_state reel_state_from_at(const char *at, reel_tape *tape, const reel_cell *c, int64_t batch,
                              const reel_carry *carry)
{
    reel_state s = {.n = 0};
    if (!usable(at, c, tape)) {
        s.n = c ? c->states : 0;
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
