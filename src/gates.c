/* Job: what step functions are made of: the weights they ask for, and the small layers that
 * programs share. Invariant: a weight is made on first use under the cell's name; what is wrong
 * with it is an error on the set and on the tape. Must not know: any kind of cell. */
#include "cell.h"

#include <reel/ops.h>
#include <reel/random.h>

#include <math.h>
#include <string.h>

#include "memory.h"
#include "params.h"
#include "tape.h"

static void fail_memory(reel_params *ps)
{
    reel_params_fail(ps, REEL_ERR_MEMORY, "out of memory for a cell's weight");
}

static bool remember(reel_cell *c, const char *what, reel_param *p)
{
    if (c->known_n == c->known_capacity) {
        size_t capacity = c->known_capacity ? 2 * c->known_capacity : 8;
        reel__known *v = reel__reallocarray(c->known, capacity, sizeof *v);
        if (!v) {
            return false;
        }
        c->known = v;
        c->known_capacity = capacity;
    }
    char *copy = reel__strdup(what);
    if (!copy) {
        return false;
    }
    c->known[c->known_n++] = (reel__known){.what = copy, .param = p};
    return true;
}

/* "first<between>second" in `room` of n bytes, or false. Recording asks for weights by name at
 * every step, so this is no printf. */
static bool join(char *room, size_t n, const char *first, char between, const char *second)
{
    size_t k = strlen(first), m = strlen(second);
    if (k + m + 2 > n) {
        return false;
    }
    memcpy(room, first, k);
    room[k] = between;
    memcpy(room + k + 1, second, m + 1);
    return true;
}

/* Whether a weight's name has the layer's number, "_l1", in any layer, as PyTorch's have, or from
 * the second one on: in the first it is of the cell alone. */
typedef enum numbering { LATER_LAYERS, ALL_LAYERS } numbering;

/* The cell's weight `what`, made on first use as `<cell>.<what>`, the layer's number, and the
 * cell's suffix. NULL after reporting. */
static reel_param *weight(reel_cell *c, const char *what, numbering numbered, reel_shape shape,
                          reel_init init, int blocks)
{
    for (size_t k = 0; k < c->known_n; k++) { /* steps ask for them in one order */
        size_t i = c->asked < c->known_n ? c->asked : 0;
        c->asked = i + 1;
        if (strcmp(c->known[i].what, what) == 0 &&
            reel_shape_equal(reel_param_shape(c->known[i].param), shape)) {
            return c->known[i].param;
        }
    }
    char *full = c->layer || numbered == ALL_LAYERS
                     ? reel__format("%s.%s_l%d%s", c->name, what, c->layer, c->suffix)
                     : reel__format("%s.%s%s", c->name, what, c->suffix);
    reel_param *p = full ? reel_params_get(c->params, full, shape, init, blocks) : NULL;
    if (!full || (p && !remember(c, what, p))) {
        fail_memory(c->params);
        p = NULL;
    }
    reel__free(full);
    return p;
}

/* A gate's weight, "<role>_<gate>". NULL after reporting. */
static reel_param *gate_weight(reel_cell *c, const char *role, const char *gate, reel_shape shape,
                               reel_init init)
{
    char what[96];
    if (!gate || !*gate || !join(what, sizeof what, role, '_', gate)) {
        reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                         "cell '%s': the name of a gate is %s: expected 1 to %d characters",
                         c->name, gate && *gate ? "too long" : "missing", (int)sizeof what - 20);
        return NULL;
    }
    return weight(c, what, LATER_LAYERS, shape, init, 1);
}

static reel_shape matrix(int64_t rows, int64_t cols)
{
    const int64_t dim[2] = {rows, cols};
    return reel_shape_of(2, dim);
}

static reel_shape vector(int64_t n)
{
    return reel_shape_of(1, &n);
}

static reel_node *use(const char *at, reel_cell *c, const reel_node *like, reel_param *p)
{
    reel_tape *tape = reel_node_tape(like);
    if (!p && reel_params_status(c->params)) {
        return reel__fail(tape, reel_params_status(c->params), at, "%s",
                          reel_params_message(c->params));
    }
    return reel_use_at(at, tape, p);
}

static reel_node *no_cell(const char *at, reel_node *x)
{
    return reel_node_fail(at, x, REEL_ERR_ARGUMENT, "the cell is NULL");
}

reel_param *reel_cell_param(reel_cell *c, const char *what, reel_shape shape, reel_init init)
{
    if (!c) {
        return NULL;
    }
    if (!what || !*what) {
        reel_params_fail(c->params, REEL_ERR_ARGUMENT, "cell '%s': a weight needs a name", c->name);
        return NULL;
    }
    return weight(c, what, LATER_LAYERS, shape, init, 1);
}

reel_node *reel_cell_weight_at(const char *at, reel_cell *c, reel_node *like, const char *what,
                               reel_shape shape, reel_init init)
{
    if (!c) {
        return no_cell(at, like);
    }
    return use(at, c, like, reel_cell_param(c, what, shape, init));
}

/* x Wᵀ */
static reel_node *times(const char *at, reel_node *x, reel_node *W)
{
    return reel_affine_at(at, x, W, NULL);
}

reel_node *reel_gate_at(const char *at, reel_cell *c, const char *gate, reel_node *x, reel_node *h)
{
    if (!c) {
        return no_cell(at, x);
    }
    reel_param *W = gate_weight(c, "weight_ih", gate, matrix(c->hidden, c->in), c->weight);
    uint64_t key = c->regular.per_gate && gate ? reel_random_stream(gate) : 0;
    if (reel__drops_by_gate(c, REEL__INPUT)) {
        x = reel__drop(at, c, REEL__INPUT, key, x);
    }
    reel_node *a = times(at, x, use(at, c, x, W));
    if (h) {
        h = reel__drop(at, c, REEL__RECURRENT, key, h);
        reel_param *U =
            gate_weight(c, "weight_hh", gate, matrix(c->hidden, c->hidden), c->recurrent);
        reel_node *both[2] = {a, times(at, h, use(at, c, x, U))};
        a = reel_sum_of_at(at, 2, both);
    }
    if (c->no_bias) {
        return a;
    }
    return reel_add_at(at, a,
                       use(at, c, x, gate_weight(c, "bias", gate, vector(c->hidden), c->bias)));
}

/* The n stacked weights under PyTorch's names: "weight_ih", "weight_hh". */
static reel_param *stacked(reel_cell *c, int n, const char *what, int64_t cols, reel_init init)
{
    return weight(c, what, ALL_LAYERS, matrix(n * c->hidden, cols), init, n);
}

/* "bias_ih" or "bias_hh"; the input one carries the gates' own starts. */
static reel_param *stacked_bias(reel_cell *c, int n, const char *what, bool input)
{
    reel_param *p = weight(c, what, ALL_LAYERS, vector(n * c->hidden), c->bias, n);
    if (!p || !input || !c->gate_biases || !reel_param_take_fresh(p)) {
        return p;
    }
    for (int i = 0; i < c->gate_biases; i++) {
        const reel__gate_bias *b = &c->gate_bias[i];
        reel_init init = {REEL_INIT_CONSTANT, b->value, 0};
        if (b->n == n && reel_param_init_rows(p, b->k * c->hidden, (b->k + 1) * c->hidden, init)) {
            return NULL;
        }
    }
    return p;
}

/* Rows [from, to) of a weight: one node for the whole recording, as the weight itself is, so that
 * steps share it and its gradient. */
static reel_node *rows_of(const char *at, reel_cell *c, const reel_node *like, reel_param *p,
                          int64_t from, int64_t to)
{
    reel_node *all = use(at, c, like, p);
    reel_tape *tape = reel_node_tape(all);
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    uint64_t key = reel__mix(reel__mix(reel__param_key(p), (uint64_t)from), (uint64_t)to) | 1;
    reel__slot *known = reel__map_get(&tape->uses, key);
    if (known) {
        return reel__node_of(known);
    }
    uint32_t scope = tape->scope;
    tape->scope = 0;
    reel_node *rows = reel_slice_at(at, all, 0, from, to);
    tape->scope = scope;
    if (!tape->status && !reel__map_put(&tape->uses, key, reel__live(rows))) {
        return reel__fail(tape, REEL_ERR_MEMORY, at, "out of memory for rows of weight '%s'",
                          reel_param_name(p));
    }
    return rows;
}

static void cut(const char *at, const reel_cell *c, int n, reel_node *all, reel_node **part)
{
    for (int k = 0; k < n; k++) {
        part[k] = n == 1 ? all : reel_slice_at(at, all, -1, k * c->hidden, (k + 1) * c->hidden);
    }
}

/* The first m of the n gates' rows of p, times what they see of x. */
static reel_node *rows_times(const char *at, reel_cell *c, int n, int m, int arrow, reel_node *x,
                             reel_param *p)
{
    reel_node *part[REEL__MOST_GATES];
    if (!reel__drops_by_gate(c, arrow)) {
        x = arrow == REEL__RECURRENT ? reel__drop(at, c, arrow, 0, x) : x;
        return times(at, x, m < n ? rows_of(at, c, x, p, 0, m * c->hidden) : use(at, c, x, p));
    }
    for (int k = 0; k < m; k++) {
        reel_node *seen = reel__drop(at, c, arrow, (uint64_t)k, x);
        part[k] = times(at, seen, rows_of(at, c, x, p, k * c->hidden, (k + 1) * c->hidden));
    }
    return reel_concat_at(at, -1, m, part);
}

static reel_node *input_half(const char *at, reel_cell *c, int n, reel_node *x)
{
    return rows_times(at, c, n, n, REEL__INPUT, x, stacked(c, n, "weight_ih", c->in, c->weight));
}

static reel_param *recurrent(reel_cell *c, int n)
{
    return stacked(c, n, "weight_hh", c->hidden, c->recurrent);
}

static reel_node *add_bias(const char *at, reel_cell *c, int n, reel_node *a, const char *what,
                           bool input)
{
    return reel_add_at(at, a, use(at, c, a, stacked_bias(c, n, what, input)));
}

/* Whether there is a cell and a sensible number of gates; else every gate becomes the error node.
 */
static bool gates_fit(const char *at, const reel_cell *c, int n, int least, int most, reel_node *x,
                      reel_node **a)
{
    if (c && n >= least && n <= most && (n == 0 || a)) {
        return true;
    }
    reel_node *error =
        c ? reel_node_fail(at, x, REEL_ERR_ARGUMENT,
                           "cell '%s': %d gates: expected %d to %d and room for them", c->name, n,
                           least, most)
          : no_cell(at, x);
    for (int k = 0; a && k < n; k++) {
        a[k] = error;
    }
    return false;
}

void reel_gates_at(const char *at, reel_cell *c, int n, reel_node *x, reel_node *h, reel_node **a)
{
    if (!gates_fit(at, c, n, 1, REEL__MOST_GATES, x, a)) {
        return;
    }
    reel_node *both[2] = {input_half(at, c, n, x),
                          rows_times(at, c, n, n, REEL__RECURRENT, h, recurrent(c, n))};
    reel_node *all = reel_sum_of_at(at, 2, both);
    if (!c->no_bias) {
        all = add_bias(at, c, n, all, "bias_ih", true);
    }
    if (c->two_biases && !c->no_bias) {
        all = add_bias(at, c, n, all, "bias_hh", false);
    }
    cut(at, c, n, all, a);
}

void reel_gates_apart_at(const char *at, reel_cell *c, int n, int m, reel_node *x, reel_node *h,
                         bool recurrent_bias, reel_node **xs, reel_node **hs)
{
    bool inputs = gates_fit(at, c, n, 1, REEL__MOST_GATES, x, xs);
    bool recurrents = gates_fit(at, c, m, 0, n, h, hs);
    if (!inputs || !recurrents) {
        return;
    }
    reel_node *from_x = input_half(at, c, n, x);
    if (!c->no_bias) {
        from_x = add_bias(at, c, n, from_x, "bias_ih", true);
    }
    cut(at, c, n, from_x, xs);
    if (m < 1) {
        return;
    }
    reel_node *from_h = rows_times(at, c, n, m, REEL__RECURRENT, h, recurrent(c, n));
    if (!c->no_bias && (c->two_biases || recurrent_bias)) {
        reel_param *b = stacked_bias(c, n, "bias_hh", false);
        from_h = reel_add_at(at, from_h,
                             m < n ? rows_of(at, c, h, b, 0, m * c->hidden) : use(at, c, h, b));
    }
    cut(at, c, m, from_h, hs);
}

reel_node *reel_gate_recurrent_at(const char *at, reel_cell *c, int n, int k, reel_node *h)
{
    if (!c || k < 0 || k >= n || n > REEL__MOST_GATES) {
        return reel_node_fail(at, h, REEL_ERR_ARGUMENT, "gate %d of %d of cell '%s': there is none",
                              k, n, reel_cell_name(c));
    }
    int64_t from = k * c->hidden, to = (k + 1) * c->hidden;
    h = reel__drop(at, c, REEL__RECURRENT, (uint64_t)k, h);
    reel_node *a = times(at, h, rows_of(at, c, h, recurrent(c, n), from, to));
    if (!c->two_biases || c->no_bias) {
        return a;
    }
    return reel_add_at(at, a, rows_of(at, c, h, stacked_bias(c, n, "bias_hh", false), from, to));
}

void reel_cell_gate_bias(reel_cell *c, int n, int k, double value)
{
    for (int i = 0; c && i < c->gate_biases; i++) {
        if (c->gate_bias[i].n == n && c->gate_bias[i].k == k) {
            return;
        }
    }
    if (c && c->gate_biases < REEL__MOST_GATES) {
        c->gate_bias[c->gate_biases++] = (reel__gate_bias){n, k, value};
    } else if (c) {
        reel_params_fail(c->params, REEL_ERR_ARGUMENT, "cell '%s': more than %d gate biases",
                         c->name, REEL__MOST_GATES);
    }
}

/* Small layers */

static reel_param *named(reel_params *ps, const char *name, const char *what, reel_shape shape,
                         reel_init init)
{
    char few[256]; /* so that finding a weight that exists needs no memory */
    bool fits = name && join(few, sizeof few, name, '.', what);
    char *full = fits ? few : reel__format("%s.%s", name, what);
    reel_param *p = full ? reel_params_get(ps, full, shape, init, 1) : NULL;
    if (!full) {
        reel_params_fail(ps, REEL_ERR_MEMORY, "out of memory for weight '%s.%s'", name, what);
    }
    if (!fits) {
        reel__free(full);
    }
    return p;
}

static reel_node *use_named(const char *at, reel_params *ps, const reel_node *like, reel_param *p)
{
    reel_tape *tape = reel_node_tape(like);
    if (!p && reel_params_status(ps)) {
        return reel__fail(tape, reel_params_status(ps), at, "%s", reel_params_message(ps));
    }
    return reel_use_at(at, tape, p);
}

reel_node *reel_linear_at(const char *at, reel_params *ps, const char *name, int64_t out,
                          reel_node *x)
{
    if (!ps) {
        return reel_node_fail(at, x, REEL_ERR_ARGUMENT, "reel_linear: the params set is NULL");
    }
    int64_t in = reel_node_dim(x, -1);
    double r = in > 0 ? 1 / sqrt((double)in) : 0;
    reel_init init = {REEL_INIT_UNIFORM, -r, r};
    reel_node *W = use_named(at, ps, x, named(ps, name, "weight", matrix(out, in), init));
    return reel_affine_at(at, x, W,
                          use_named(at, ps, x, named(ps, name, "bias", vector(out), init)));
}

reel_node *reel_embedding_at(const char *at, reel_params *ps, const char *name, int64_t count,
                             int64_t size, reel_node *index)
{
    if (!ps) {
        return reel_node_fail(at, index, REEL_ERR_ARGUMENT,
                              "reel_embedding: the params set is NULL");
    }
    reel_param *table =
        named(ps, name, "weight", matrix(count, size), (reel_init){REEL_INIT_NORMAL, 0, 1});
    return reel_gather_at(at, use_named(at, ps, index, table), index);
}

reel_node *reel_norm_layer_at(const char *at, reel_params *ps, const char *name, reel_node *x)
{
    if (!ps) {
        return reel_node_fail(at, x, REEL_ERR_ARGUMENT, "reel_norm_layer: the params set is NULL");
    }
    reel_shape features = vector(reel_node_dim(x, -1));
    reel_init one = {REEL_INIT_CONSTANT, 1, 0}, zero = {REEL_INIT_CONSTANT, 0, 0};
    reel_node *gain = use_named(at, ps, x, named(ps, name, "weight", features, one));
    return reel_layer_norm_at(at, x, gain,
                              use_named(at, ps, x, named(ps, name, "bias", features, zero)), 1e-5);
}
