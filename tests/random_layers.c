/* Job: statements of random programs that use weights over and over: cells unrolled, ragged
 * sequences, trees, scopes that repeat. */
#include "random_machine.h"

#include <stdlib.h>
#include <string.h>

#include <reel/models.h>
#include <reel/ops.h>

/* From MANY_STEPS on a weight's gradient is added up in place. */
enum { FEW_STEPS = 7, MANY_STEPS = 16, MOST_STEPS = 18, MOST_SEQUENCES = 5 };

static int64_t steps(machine *m)
{
    return chance(m, 8) ? MANY_STEPS + below(m, MOST_STEPS - MANY_STEPS + 1)
                        : 1 + below(m, FEW_STEPS);
}

/* Cells. A generated one reads its form from the number in its context. */

static reel_node *generated_step(reel_cell *c, reel_node *x, reel_state *s)
{
    unsigned form = (unsigned)(uintptr_t)reel_cell_context(c);
    reel_node *h = s->v[0], *f = reel_sigmoid(reel_gate(c, "f", x, h));
    reel_node *in = form & 1 ? reel_mul(f, h) : h;
    reel_node *a = reel_gate(c, "g", x, in);
    reel_node *g = form & 2 ? reel_tanh(a) : form & 4 ? reel_softsign(a) : reel_sin(a);
    if (form & 8) {
        reel_node *o = reel_sigmoid(reel_gate(c, "o", x, form & 16 ? h : NULL));
        g = reel_mul(o, g);
    }
    if (s->n > 1) {
        s->v[1] = reel_add(reel_mul(f, s->v[1]), reel_mul(reel_one_minus(f), g));
        g = reel_tanh(s->v[1]);
    }
    return s->v[0] = form & 32 ? reel_lerp(h, g, f) : reel_add(reel_mul(reel_one_minus(f), g), h);
}

/* [h, x] first, then one product, cut into gates. */
static reel_node *joined_step(reel_cell *c, reel_node *x, reel_state *s)
{
    int64_t H = reel_cell_hidden(c), in = reel_cell_in(c);
    reel_node *both[2] = {s->v[0], x}, *gate[3];
    reel_init init = {REEL_INIT_UNIFORM, -0.4, 0.4};
    reel_node *w = reel_cell_weight(c, x, "joined", reel_dims(3 * H, H + in), init);
    reel_node *b = reel_cell_weight(c, x, "shift", reel_dims(3 * H), init);
    reel_split(reel_affine(reel_concat(1, 2, both), w, b), 1, 3, gate);
    s->v[1] = reel_add(reel_mul(reel_sigmoid(gate[0]), s->v[1]), reel_tanh(gate[1]));
    return s->v[0] = reel_mul(reel_sigmoid(gate[2]), reel_tanh(s->v[1]));
}

/* Of masks, those that the type has a place for. */
static reel_regularizers any_regularizers(const reel_cell_type *type, unsigned form)
{
    static const reel_regularizers all[] = {
        {.input = {.p = 0.3}, .output = {.p = 0.2}},
        {.input = {.p = 0.3, .lifetime = REEL_EACH_SEQUENCE},
         .recurrent = {.p = 0.2, .lifetime = REEL_EACH_SEQUENCE},
         .per_gate = true},
        {.candidate = {.p = 0.4}, .recurrent = {.p = 0.2, .lifetime = REEL_EACH_SEQUENCE}},
        {.zoneout_h = 0.2, .zoneout_c = 0.4}};
    reel_regularizers r = all[form % 4];
    if (type == &reel_rnn || type == &reel_indrnn) {
        r.candidate = (reel_mask){.p = 0};
    }
    r.per_gate =
        r.per_gate && type != &reel_indrnn && type != &reel_sru && type != &reel_layer_norm_lstm;
    return r;
}

static reel_cell *make_cell(machine *m, const char *key, int kind, unsigned form, int64_t in,
                            int64_t hidden)
{
    static const char *const lstms[] = {NULL,          "peephole=diagonal", "peephole=full coupled",
                                        "fgr",         "coupled fgr",       "nig niaf",
                                        "nfg noaf nog"};
    static const struct {
        const reel_cell_type *type;
        const char *options;
    } others[] = {{&reel_rnn, NULL},
                  {&reel_mgu, NULL},
                  {&reel_sru, NULL},
                  {&reel_indrnn, "activation=tanh"},
                  {&reel_rnn, NULL},
                  {&reel_layer_norm_lstm, NULL},
                  {&reel_rnn, NULL},
                  {&reel_multiplicative_lstm, NULL},
                  {&reel_phased_lstm, "open=0.6 leak=0.2"}};
    enum { LSTMS = sizeof lstms / sizeof *lstms, OTHERS = sizeof others / sizeof *others };
    if (kind < 3) {
        unsigned other = form % OTHERS;
        const reel_regularizers none = {.zoneout_h = 0};
        const reel_cell_type *type = kind == 0   ? &reel_lstm
                                     : kind == 1 ? &reel_gru
                                                 : others[other].type;
        return reel_cell_of(m->params, key, type, .in = in, .hidden = hidden,
                            .two_biases = form & 1,
                            .options = kind == 0   ? lstms[form % LSTMS]
                                       : kind == 1 ? (form & 2 ? "pytorch" : NULL)
                                                   : others[other].options,
                            .regular = form & 32 ? any_regularizers(type, form) : none);
    }
    if (kind == 3) {
        return reel_cell_new(m->params, key, joined_step, .in = in, .hidden = hidden, .states = 2);
    }
    return reel_cell_new(m->params, key, generated_step, .in = in, .hidden = hidden,
                         .states = form & 64 ? 2 : 1, .context = (void *)(uintptr_t)form);
}

static reel_cell *make_stack(machine *m, const char *key, int kind, unsigned form, int64_t in,
                             int64_t hidden)
{
    reel_cell *layer[2];
    char name[64];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s_%d", key, i);
        layer[i] =
            make_cell(m, name, (kind + i * (int)(form & 3)) % 5, form, i ? hidden : in, hidden);
    }
    return reel_cell_stack(m->params, key, 2, layer, .dropout = form & 4 ? 0.25 : 0);
}

/* Two cells, one each way, or a cell with its input around it. */
static reel_cell *make_around(machine *m, const char *key, int kind, unsigned form, int64_t in,
                              int64_t hidden)
{
    char name[64];
    snprintf(name, sizeof name, "%s_0", key);
    reel_cell *c = make_cell(m, name, kind, form, in, hidden);
    if (in == hidden && form & 1) {
        return form & 2 ? reel_cell_residual(m->params, key, c)
                        : reel_cell_highway(m->params, key, c);
    }
    snprintf(name, sizeof name, "%s_1", key);
    return reel_cell_bidirectional(
        m->params, key, c, make_cell(m, name, (kind + 1) % 5, form, in, hidden), .sum = form & 4);
}

/* Any cell of these sizes; cells of one key are one, over all rounds. `plain`: it is to go step by
 * step, and its output is its hidden state. */
static reel_cell *any_cell(machine *m, int64_t in, int64_t hidden, bool plain)
{
    char key[48];
    int kind = below(m, 5), stack = chance(m, 30), around = !plain && chance(m, 25);
    unsigned form = (unsigned)below(m, 128) & (chance(m, 50) ? 127U : 8U);
    snprintf(key, sizeof key, "%s%d_%u_%d_%d",
             around  ? "around"
             : stack ? "stack"
                     : "cell",
             kind, form, (int)in, (int)hidden);
    for (int i = 0; i < m->cells; i++) {
        if (strcmp(m->cell[i].key, key) == 0) {
            return m->cell[i].cell;
        }
    }
    if (m->cells == MOST_CELLS) {
        return NULL;
    }
    memcpy(m->cell[m->cells].key, key, sizeof key);
    reel_cell *c = (around  ? make_around
                    : stack ? make_stack
                            : make_cell)(m, key, kind, form, in, hidden);
    m->cell[m->cells++].cell = c;
    return c;
}

static void steps_of_input(machine *m, int64_t T, int64_t batch, int64_t in, reel_node **x)
{
    if (chance(m, 40)) {
        reel_unstack(leaf(m, -1, 1, reel_dims(T, batch, in)), (int)T, x);
        return;
    }
    for (int64_t t = 0; t < T; t++) {
        x[t] = chance(m, 30) ? any_of_shape(m, reel_dims(batch, in))
                             : leaf(m, -1, 1, reel_dims(batch, in));
    }
}

/* A loss over all steps, or the last step alone. */
static void use_steps(machine *m, int64_t T, reel_node *const *y)
{
    reel_node *each[MOST_STEPS];
    keep(m, y[T - 1], 2);
    if (chance(m, 60)) {
        for (int64_t t = 0; t < T; t++) {
            each[t] =
                reel_tanh(reel_affine(y[t], weight(m, "out", reel_dims(3, reel_node_dim(y[t], 1))),
                                      weight(m, "out", reel_dims(3))));
        }
        keep(m, reel_stack((int)T, each), 1);
    }
}

static reel_node *states_gradient(machine *m, reel_node *y, const reel_state *s)
{
    reel_node *dx = y;
    return reel_grad(weigh(m, y), 1, &s->v[0], &dx) ? y : dx;
}

void unroll_cells(machine *m)
{
    int64_t T = steps(m), batch = 1 + below(m, 5);
    int64_t in = 1 + below(m, 7), hidden = 1 + below(m, 9);
    bool plain = chance(m, 60);
    reel_cell *c = any_cell(m, in, hidden, plain);
    if (!c) {
        return;
    }
    int64_t length[5];
    for (int64_t b = 0; b < batch; b++) {
        length[b] = below(m, (int)T + 1);
    }
    reel_node *x[MOST_STEPS], *y[MOST_STEPS];
    steps_of_input(m, T, batch, in, x);
    reel_state s = reel_state_zero(m->tape, c, batch);
    for (int i = 0; i < s.n; i++) {
        s.v[i] = chance(m, 50) ? any_of_shape(m, reel_dims(batch, hidden)) : s.v[i];
    }
    reel_state start = s;
    if (plain ? reel_unroll(c, T, x, &s, y)
              : reel_run(c, T, x, &s, y, .length = chance(m, 70) ? length : NULL,
                         .reverse = chance(m, 30))) {
        return;
    }
    if (plain && chance(m, 30)) { /* on from there, after an evaluation */
        emit(m, 1, &y[T - 1]);
        y[T - 1] = reel_step_once(c, T, x[0], &s);
    }
    use_steps(m, T, y);
    keep(m, s.v[s.n - 1], 4);
    if (chance(m, 25)) {
        keep(m, states_gradient(m, y[T - 1], &start), 10);
    }
}

/* Sequences of different lengths, one by one. */
void unroll_ragged(machine *m)
{
    int64_t in = 1 + below(m, 6), hidden = 1 + below(m, 7), batch = chance(m, 70) ? 1 : 2;
    reel_cell *c = any_cell(m, in, hidden, true);
    if (!c) {
        return;
    }
    reel_node *loss[MOST_SEQUENCES], *w = weight(m, "ragged", reel_dims(2, hidden));
    int n = 2 + below(m, MOST_SEQUENCES - 1);
    for (int k = 0; k < n; k++) {
        int64_t T = steps(m);
        reel_node *x[MOST_STEPS], *y[MOST_STEPS];
        steps_of_input(m, T, batch, in, x);
        if (reel_unroll(c, T, x, NULL, y)) {
            return;
        }
        loss[k] = reel_sum(reel_square(reel_affine(y[T - 1], w, NULL)));
        if (chance(m, 20)) {
            emit(m, 1, &loss[k]);
        }
    }
    keep(m, reel_sum_of(n, loss), 3.0 * n);
}

reel_node *cell_loss(machine *m)
{
    int64_t T = chance(m, 50) ? MANY_STEPS : 1 + below(m, FEW_STEPS), batch = 1 + below(m, 3);
    int64_t in = 1 + below(m, 5), hidden = 1 + below(m, 6);
    reel_cell *c = any_cell(m, in, hidden, true);
    reel_node *x[MOST_STEPS], *y[MOST_STEPS];
    if (!c) {
        return NULL;
    }
    reel_unstack(leaf(m, -1, 1, reel_dims(T, batch, in)), (int)T, x);
    if (reel_unroll(c, T, x, NULL, y)) {
        return NULL;
    }
    return chance(m, 50) ? reel_sum(reel_square(y[T - 1]))
                         : reel_mean(reel_square(reel_stack((int)T, y)));
}

/* A tree whose shape is drawn: each inner node joins two. */
static reel_node *tree(machine *m, int depth, int64_t size)
{
    if (depth == 0 || chance(m, 25)) {
        return chance(m, 50) ? leaf(m, -1, 1, reel_dims(1, size))
                             : any_of_shape(m, reel_dims(1, size));
    }
    reel_scope_enter(m->tape, "branch");
    reel_node *part[2];
    part[0] = tree(m, depth - 1, size);
    part[1] = tree(m, depth - 1, size);
    reel_node *y =
        reel_tanh(reel_affine(reel_concat(1, 2, part), weight(m, "tree", reel_dims(size, 2 * size)),
                              weight(m, "tree", reel_dims(size))));
    reel_scope_leave(m->tape);
    return y;
}

void grow_tree(machine *m)
{
    int64_t size = 1 + below(m, 6);
    int depth = 1 + below(m, 4);
    keep(m, tree(m, depth, size), 1);
}

/* A body of statements in a scope, the same in every step, each going on from the one before. */
void repeat_scope(machine *m)
{
    reel_shape shape = any_shape(m, 2);
    reel_node *x = any_of_shape(m, shape);
    int T = 2 + below(m, 4), n = 1 + below(m, 4);
    reel_random body = m->choice;
    reel_scope_enter(m->tape, "loop");
    for (int t = 0; t < T && !reel_tape_status(m->tape); t++) {
        m->choice = body;
        reel_scope_step(m->tape, t);
        m->n = m->n > MOST_VALUES - 8 ? MOST_VALUES - 8 : m->n;
        int before = m->n;
        keep(m, x, 2);
        for (int i = 0; i < n; i++) {
            (i % 2 ? multiply : apply_chain)(m);
        }
        x = reel_tanh(reel_add(fit(m, m->pool[m->n - 1].x, shape), x));
        m->n = before; /* every step chooses among the same values */
        reel_scope_leave(m->tape);
    }
    reel_scope_leave(m->tape);
    keep(m, x, 1);
}
