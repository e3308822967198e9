/* Job: the frame of random programs: rounds, statements, evaluation, differentiation, training.
 * Invariant: every choice depends on the seed and on shapes alone, or is taken from the run that is
 * followed. */
#include "random_machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <reel/ops.h>

#include "noisy.h"
#include "random_catalogue.h"
#include "tape.h"

enum { LARGE_TAPE = 6000 /* nodes above which nothing is differentiated any more */ };

static void *grow(void *p, size_t n, size_t size)
{
    p = realloc(p, n * size);
    if (!p) {
        abort();
    }
    return p;
}

/* The program's frame */

static uint64_t frame_bits(const random_graph *g, uint64_t what)
{
    reel_random r = reel_random_new(g->seed, 1000 + what);
    return reel_random_bits(&r);
}

bool random_graph_inference(const random_graph *g)
{
    return frame_bits(g, 0) % 8 == 0;
}

int random_graph_statements(const random_graph *g, int structure)
{
    return 4 + (int)(frame_bits(g, 1 + (uint64_t)structure) % (GRAPH_STATEMENTS - 3));
}

int random_graph_rounds(const random_graph *g)
{
    return 1 + (int)(frame_bits(g, 9) % GRAPH_ROUNDS);
}

/* The first structure twice, the second, then either. */
int random_graph_structure(const random_graph *g, int round)
{
    static const int order[] = {0, 0, 1, 0};
    return round < 4 ? order[round] : (int)(frame_bits(g, 10) >> round & 1);
}

/* Marks of nodes */

enum { LOOSE = 1 /* a noisy op takes part in the value */, USED = 2 /* was evaluated */ };

static bool is_loose(const machine *m, const reel__slot *s)
{
    if (noisy_op(s->op) || (m->moved && s->flags & REEL__PARAM)) {
        return true;
    }
    for (int i = 0; i < s->n; i++) {
        if (m->mark[reel__args(s)[i]->id] & LOOSE) {
            return true;
        }
    }
    return false;
}

/* The node's mark, after those of all nodes have been brought up to date. */
static unsigned char *mark_of(machine *m, const reel_node *x)
{
    uint32_t count = m->tape->count;
    if (count > m->mark_capacity) {
        m->mark_capacity = 2 * count;
        m->mark = grow(m->mark, m->mark_capacity, 1);
    }
    for (; m->marks < count; m->marks++) {
        m->mark[m->marks] = is_loose(m, reel__slot_at(m->tape, m->marks)) ? LOOSE : 0;
    }
    return &m->mark[reel_node_id(x)];
}

bool is_exact(machine *m, const reel_node *x)
{
    return !(*mark_of(m, x) & LOOSE);
}

static void count_op(const machine *m, const reel_op *op)
{
    const catalogue *c = catalogue_get();
    for (int i = 0; i < c->n; i++) {
        m->trace->count[i] += c->op[i].op == op;
    }
}

/* Counts what the values asked for were made of, and forgets the marks. */
static void count_used(machine *m)
{
    for (uint32_t id = m->trace->count ? m->marks : 0; id-- > 0;) {
        const reel__slot *s = reel__slot_at(m->tape, id);
        if (!(m->mark[id] & USED)) {
            continue;
        }
        count_op(m, s->op);
        for (int i = 0; i < s->n; i++) {
            m->mark[reel__args(s)[i]->id] |= USED;
        }
    }
    m->marks = 0;
}

/* Evaluation */

static void note(machine *m, reel_node *x)
{
    random_trace *t = m->trace;
    if (t->n == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 64;
        t->out = grow(t->out, t->capacity, sizeof *t->out);
    }
    random_output *o = &t->out[t->n];
    *o = (random_output){.round = m->round,
                         .statement = m->statement,
                         .id = reel_node_id(x),
                         .op = reel_node_op(x)->name,
                         .dtype = reel_node_dtype(x),
                         .shape = reel_node_shape(x),
                         .exact = is_exact(m, x),
                         .n = (size_t)reel_node_size(x)};
    reel_node_scope(x, o->scope, sizeof o->scope);
    snprintf(o->where, sizeof o->where, "%s", reel_node_where(x));
    o->value = grow(NULL, o->n + 1, sizeof *o->value);
    if (reel_read(x, o->value, o->n)) {
        free(o->value);
        return;
    }
    *mark_of(m, x) |= USED;
    t->n++;
}

void emit(machine *m, int n, reel_node *const *x)
{
    if (reel_eval((size_t)n, x)) {
        return;
    }
    for (int i = 0; i < n; i++) {
        note(m, x[i]);
    }
}

bool decide(machine *m, reel_node *x, double threshold)
{
    random_trace *t = m->trace;
    reel_node *mean = reel_mean(x);
    emit(m, 1, &mean);
    if (reel_tape_status(m->tape)) {
        return false;
    }
    bool yes = t->n > 0 && t->out[t->n - 1].value[0] > threshold;
    if (t->follow && t->taken < t->follow->decisions) {
        yes = t->follow->decision[t->taken++];
    }
    if (t->decisions == t->decision_capacity) {
        t->decision_capacity = 2 * t->decision_capacity + 16;
        t->decision = grow(t->decision, t->decision_capacity, 1);
    }
    t->decision[t->decisions++] = yes;
    return yes;
}

static void evaluate_some(machine *m)
{
    reel_node *x[6];
    int n = 1 + below(m, 6);
    for (int i = 0; i < n; i++) {
        x[i] = any_value(m).x;
    }
    emit(m, n, x);
}

static void want_some(machine *m)
{
    for (int n = 1 + below(m, 3); n > 0; n--) {
        reel_want(any_value(m).x);
    }
}

/* What is recorded next depends on a value: how long a loop goes on, which of two branches is
 * taken. */
static void branch(machine *m)
{
    value v = any_value(m);
    reel_node *x = into_range(m, v.x, v.most, -1, 1);
    if (reel_node_size(x) == 0) {
        return;
    }
    for (int i = 0; i < 4 && !reel_tape_status(m->tape); i++) {
        if (!decide(m, x, 0.03 - 0.1 * i)) {
            x = reel_shift(reel_scale(x, 0.5), 0.1);
            break;
        }
        x = reel_sin(reel_mul(x, reel_shift(x, 1)));
    }
    keep(m, x, 1.1);
}

/* Differentiation */

static void keep_all(machine *m, int n, reel_node *const *x)
{
    for (int i = 0; i < n; i++) {
        keep(m, x[i], 100);
    }
}

static int any_values(machine *m, int most, reel_node **x)
{
    int n = 1 + below(m, most);
    for (int i = 0; i < n; i++) {
        x[i] = any_value(m).x;
        if (reel_node_dtype(x[i]) == REEL_I32) {
            x[i] = leaf(m, -1, 1, reel_node_shape(x[i]));
        }
    }
    return n;
}

static void gradient_twice(machine *m, int n, reel_node *const *x, reel_node *const *dx)
{
    reel_node *sum[4], *ddx[4];
    for (int i = 0; i < n; i++) {
        sum[i] = weigh(m, dx[i]);
    }
    if (!reel_grad(reel_sum_of(n, sum), (size_t)n, x, ddx)) {
        keep_all(m, n, ddx);
        if (chance(m, 50)) {
            emit(m, n, ddx);
        }
    }
}

static void differentiate(machine *m)
{
    if (m->tape->count > LARGE_TAPE) {
        return;
    }
    reel_node *x[4], *dx[4], *y = weigh(m, any_value(m).x);
    int n = any_values(m, 3, x);
    if (reel_grad(y, (size_t)n, x, dx)) {
        return;
    }
    keep_all(m, n, dx);
    if (chance(m, 40)) {
        emit(m, n, dx);
    }
    if (chance(m, 35) && m->tape->count < LARGE_TAPE / 3) {
        gradient_twice(m, n, x, dx);
    }
}

static void pull_back(machine *m)
{
    if (m->tape->count > LARGE_TAPE) {
        return;
    }
    reel_node *y[3], *dy[3], *x[3], *dx[3];
    int k = any_values(m, 2, y), n = any_values(m, 3, x);
    for (int i = 0; i < k; i++) {
        dy[i] = any_of_shape(m, reel_node_shape(y[i]));
    }
    if (!reel_vjp((size_t)k, y, dy, (size_t)n, x, dx)) {
        keep_all(m, n, dx);
        emit(m, n, dx);
    }
}

/* Forward mode is refused where a gradient rule is not linear. */
static bool all_linear(const machine *m)
{
    for (uint32_t id = 0; id < m->tape->count; id++) {
        if (reel__slot_at(m->tape, id)->op->flags & REEL_OP_NONLINEAR_GRADIENT) {
            return false;
        }
    }
    return true;
}

static void push_forward(machine *m)
{
    if (m->tape->count > LARGE_TAPE / 3 || !all_linear(m)) {
        return;
    }
    reel_node *y = any_value(m).x, *x[2], *dx[2], *dy;
    if (reel_node_dtype(y) == REEL_I32) {
        return;
    }
    int n = any_values(m, 2, x);
    for (int i = 0; i < n; i++) {
        dx[i] = any_of_shape(m, reel_node_shape(x[i]));
    }
    if (!reel_jvp(1, &y, (size_t)n, x, dx, &dy)) {
        keep_all(m, 1, &dy);
        emit(m, 1, &dy);
    }
}

/* Training */

static void note_weights(machine *m)
{
    count_used(m);
    reel_tape_reset(m->tape);
    for (size_t i = 0; i < reel_params_count(m->params); i++) {
        note(m, reel_use(m->tape, reel_params_at(m->params, i)));
    }
}

static void train(machine *m)
{
    reel_node *term[MOST_WEIGHED];
    int n = 2 + below(m, 6);
    for (int i = 0; i < n; i++) {
        value v = any_value(m);
        term[i] = reel_node_size(v.x) ? reel_mean(reel_square(into_range(m, v.x, v.most, -2, 2)))
                                      : reel_number(m->tape, 0.5);
    }
    reel_node *x = any_of_shape(m, reel_dims(3, 5));
    term[n++] = weigh(m, reel_tanh(reel_affine(x, weight(m, "last", reel_dims(4, 5)), NULL)));
    reel_node *alone = chance(m, 40) ? cell_loss(m) : NULL;
    reel_node *loss = alone ? alone : reel_sum_of(n, term);
    double before = 0;
    if (reel_opt_step(m->opt, loss, &before)) {
        return;
    }
    note(m, loss);
    m->moved = true;
    noisy_weights_moved();
    note_weights(m);
}

/* Statements */

static const struct {
    void (*run)(machine *m);
    int share;
    const char *name;
} statements[] = {
    {apply_any_op, 26, "op"},       {apply_chain, 8, "chain"},
    {multiply, 12, "product"},      {move_elements, 8, "move"},
    {reduce, 6, "reduction"},       {sum_many, 4, "sum of many"},
    {unroll_cells, 5, "cells"},     {unroll_ragged, 3, "ragged cells"},
    {grow_tree, 2, "tree"},         {repeat_scope, 4, "repeated scope"},
    {drop_out, 4, "dropout"},       {evaluate_some, 5, "evaluation"},
    {want_some, 2, "want"},         {branch, 3, "branch"},
    {differentiate, 5, "gradient"}, {pull_back, 2, "vjp"},
    {push_forward, 1, "jvp"},
};

static int any_statement(machine *m)
{
    int all = 0, n = (int)(sizeof statements / sizeof *statements);
    for (int i = 0; i < n; i++) {
        all += statements[i].share;
    }
    int at = below(m, all);
    for (int i = 0; i < n; i++) {
        at -= statements[i].share;
        if (at < 0) {
            return i;
        }
    }
    return 0;
}

static void start_statement(machine *m, int structure, int i)
{
    m->statement = i;
    m->choice = reel_random_new(m->g->seed, (uint64_t)(2000 + 100 * structure + i));
    m->data = reel_random_new(m->g->seed, (uint64_t)(4000 + 100 * m->round + i));
}

static void dump_statement(const machine *m, int kind, uint32_t from)
{
    FILE *f = m->trace->dump;
    if (!f) {
        return;
    }
    fprintf(f, "round %d, statement %d: %s\n", m->round, m->statement, statements[kind].name);
    for (uint32_t id = from; id < m->tape->count; id++) {
        const reel__slot *s = reel__slot_at(m->tape, id);
        char shape[64];
        fprintf(f, "  %u = %s%s (", id, s->op->name,
                reel__shape_text(shape, sizeof shape, reel__shape(s)));
        for (int i = 0; i < s->n; i++) {
            fprintf(f, i ? ", %u" : "%u", reel__args(s)[i]->id);
        }
        fprintf(f, ")  %s\n", reel__base_name(s->at ? s->at : ""));
    }
}

static void run_statement(machine *m, int structure, int i)
{
    start_statement(m, structure, i);
    uint32_t from = m->tape->count;
    int kind = any_statement(m);
    bool scoped = chance(m, 15);
    if (scoped) {
        char name[16];
        snprintf(name, sizeof name, "part%d", below(m, 3));
        reel_scope_enter(m->tape, name);
    }
    statements[kind].run(m);
    if (scoped) {
        reel_scope_leave(m->tape);
    }
    dump_statement(m, kind, from);
}

/* The first values, so that every statement finds some. */
static void start_round(machine *m, int structure)
{
    start_statement(m, structure, 90);
    m->n = 0;
    m->marks = 0;
    for (int i = 0; i < 3; i++) {
        keep(m, leaf(m, -1, 1, any_shape(m, 1 + below(m, 3))), 1);
    }
    keep(m, weight(m, "first", reel_dims(3, 5)), 0.5);
}

static void end_round(machine *m, int structure)
{
    start_statement(m, structure, 91);
    reel_node *x[8];
    for (int i = 0; i < 8; i++) {
        x[i] = any_value(m).x;
    }
    if (chance(m, 80)) {
        emit(m, 8, x);
    }
    if (chance(m, 60) && !reel_tape_status(m->tape)) {
        train(m);
    }
}

static void run_round(machine *m)
{
    int structure = random_graph_structure(m->g, m->round);
    reel_tape_set_counter(m->tape, (uint64_t)m->round);
    start_round(m, structure);
    for (int i = 0; i < random_graph_statements(m->g, structure); i++) {
        if (!(m->g->without[structure] >> i & 1) && !reel_tape_status(m->tape)) {
            run_statement(m, structure, i);
        }
    }
    if (!reel_tape_status(m->tape)) {
        end_round(m, structure);
    }
    m->trace->nodes += m->tape->count;
    count_used(m);
}

static void give_back(machine *m)
{
    for (int i = 0; i < m->borrowings; i++) {
        free(m->borrowed[i]);
    }
    m->borrowings = 0;
}

static void finish(machine *m)
{
    for (int i = 0; i < m->cells; i++) {
        reel_cell_free(m->cell[i].cell);
    }
    reel_opt_free(m->opt);
    reel_params_free(m->params);
    free(m->mark);
}

void random_graph_run(const random_graph *g, reel_tape *tape, random_trace *trace)
{
    machine *m = calloc(1, sizeof *m);
    if (!m) {
        abort();
    }
    m->g = g;
    m->trace = trace;
    m->tape = tape;
    m->params = reel_params_new(reel_tape_dtype(tape), g->seed);
    m->opt = reel_sgd(m->params, .rate = 0.05, .clip_norm = 1);
    for (m->round = 0; m->round < random_graph_rounds(g) && !trace->status; m->round++) {
        if (g->without_rounds >> m->round & 1) {
            continue;
        }
        reel_tape_reset(tape);
        give_back(m);
        run_round(m);
        trace->status = reel_tape_status(tape);
        snprintf(trace->message, sizeof trace->message, "%s", reel_tape_message(tape));
    }
    reel_tape_reset(tape);
    give_back(m);
    finish(m);
    free(m);
}

void random_trace_free(random_trace *trace)
{
    for (size_t i = 0; i < trace->n; i++) {
        free(trace->out[i].value);
    }
    free(trace->out);
    free(trace->decision);
    *trace = (random_trace){.status = REEL_OK};
}
