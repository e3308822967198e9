/* Job: cells: their making, their options, and the weights their steps ask for.
 * Invariant: whatever is wrong with a cell is an error on its params set, from where it reaches every tape
 * the cell is used on.
 * Must not know: any kind of cell, nor how steps follow one another (unroll.c). */
#include "cell.h"

#include <reel/ops.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "params.h"
#include "tape.h"

/* Making ----------------------------------------------------------------------------------------- */

static void fail_memory(reel_params *ps)
{
    if (ps) {
        reel_params_fail(ps, REEL_ERR_MEMORY, "out of memory for a cell");
    }
}

static void list_options(const reel_cell_type *type, char *text, size_t n)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < REEL_MAX_OPTIONS && type->option[i].name && used < n; i++) {
        const reel_cell_option *o = &type->option[i];
        used += (size_t)snprintf(text + used, n - used, "%s%s%s", used ? ", " : "", o->name,
                                 o->words && !*o->words ? "" : "=...");
    }
    if (!used) {
        snprintf(text, n, "none");
    }
}

/* The position of `word` in "a|b|c"; -1 when it is none of them. */
static int word_position(const char *words, const char *word, size_t length)
{
    int position = 0;
    for (const char *w = words; *w; position++) {
        size_t n = strcspn(w, "|");
        if (n == length && memcmp(w, word, n) == 0) {
            return position;
        }
        w += n + (w[n] == '|');
    }
    return -1;
}

/* One "name", "name=word" or "name=number" of `length` characters. */
static void set_option(reel_cell *c, const char *text, size_t length)
{
    const reel_cell_type *type = c->type;
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t)(equals - text) : length;
    int i = 0;
    while (i < REEL_MAX_OPTIONS && type->option[i].name &&
           (strlen(type->option[i].name) != name_length ||
            memcmp(type->option[i].name, text, name_length) != 0)) {
        i++;
    }
    char known[256];
    if (i == REEL_MAX_OPTIONS || !type->option[i].name) {
        list_options(type, known, sizeof known);
        reel_params_fail(c->params, REEL_ERR_ARGUMENT, "cell '%s': %s has no option '%.*s': expected %s",
                         c->name, type->name, (int)name_length, text, known);
        return;
    }
    const reel_cell_option *o = &type->option[i];
    const char *value = equals ? equals + 1 : "";
    size_t value_length = equals ? length - name_length - 1 : 0;
    if (o->words && !*o->words) {
        if (equals && !(value_length == 1 && (*value == '0' || *value == '1'))) {
            reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                             "cell '%s': option %s of %s is a flag: expected %s, %s=0 or %s=1", c->name,
                             o->name, type->name, o->name, o->name, o->name);
            return;
        }
        c->option[i] = equals ? *value - '0' : 1;
        return;
    }
    if (o->words) {
        int position = word_position(o->words, value, value_length);
        if (position < 0) {
            reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                             "cell '%s': option %s=%.*s of %s: expected one of %s", c->name, o->name,
                             (int)value_length, value, type->name, o->words);
            return;
        }
        c->option[i] = position;
        return;
    }
    char number[64] = "", *end = number;
    if (value_length && value_length < sizeof number) {
        memcpy(number, value, value_length);
        c->option[i] = strtod(number, &end);
    }
    if (!*number || *end || !isfinite(c->option[i])) {
        reel_params_fail(c->params, REEL_ERR_ARGUMENT, "cell '%s': option %s=%.*s of %s: expected a number",
                         c->name, o->name, (int)value_length, value, type->name);
    }
}

static void set_options(reel_cell *c, const char *options)
{
    for (int i = 0; c->type && i < REEL_MAX_OPTIONS && c->type->option[i].name; i++) {
        c->option[i] = c->type->option[i].value;
    }
    if (!options) {
        return;
    }
    if (!c->type) {
        reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                         "cell '%s': options '%s' are for cells with a type: expected none", c->name,
                         options);
        return;
    }
    const char *between = " ,\t\n";
    for (const char *p = options + strspn(options, between); *p; p += strspn(p, between)) {
        size_t length = strcspn(p, between);
        set_option(c, p, length);
        p += length;
    }
}

static reel_init or_else(reel_init init, reel_init fallback)
{
    return init.kind == REEL_INIT_DEFAULT ? fallback : init;
}

static void check_args(const reel_cell_args *a, const reel_cell *c)
{
    reel_params *ps = a->params;
    const char *at = a->at ? reel__base_name(a->at) : "reel_cell_new";
    if (!a->name || !*a->name) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: a cell needs a name", at);
    }
    if (!c->step) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: cell '%s' needs a step function or a type", at,
                         c->name);
    }
    if (a->in <= 0 || a->hidden <= 0) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT,
                         "%s: cell '%s': .in = %lld, .hidden = %lld: expected both above 0", at, c->name,
                         (long long)a->in, (long long)a->hidden);
    }
    if (c->states < 1 || c->states > REEL_MAX_STATES) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: cell '%s': %d states: expected 1 to %d", at, c->name,
                         c->states, REEL_MAX_STATES);
    }
    if (a->layer < 0) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: cell '%s': layer %d: expected 0 or more", at, c->name,
                         a->layer);
    }
}

reel_cell *reel_cell_new_with(const reel_cell_args *args)
{
    if (!args || !args->params) {
        return NULL;
    }
    reel_cell *c = reel__calloc(1, sizeof *c);
    char *name = reel__strdup(args->name ? args->name : "");
    if (!c || !name) {
        reel__free(c);
        reel__free(name);
        fail_memory(args->params);
        return NULL;
    }
    double r = args->hidden > 0 ? 1 / sqrt((double)args->hidden) : 0;
    *c = (reel_cell){
        .params = args->params,
        .name = name,
        .step = args->type ? args->type->step : args->step,
        .in = args->in,
        .hidden = args->hidden,
        .states = args->type ? args->type->states : args->states ? args->states : 1,
        .layer = args->layer,
        .type = args->type,
        .weight = or_else(args->weight, (reel_init){REEL_INIT_UNIFORM, -r, r}),
        .recurrent = or_else(args->recurrent, (reel_init){REEL_INIT_ORTHOGONAL, 1, 0}),
        .bias = or_else(args->bias, (reel_init){REEL_INIT_CONSTANT, 0, 0}),
        .two_biases = args->two_biases,
        .no_bias = args->no_bias,
        .context = args->context,
    };
    check_args(args, c);
    set_options(c, args->options);
    return c;
}

void reel_cell_free(reel_cell *c)
{
    if (!c) {
        return;
    }
    for (int l = 0; l < c->layer_count; l++) {
        reel_cell_free(c->layers[l]);
    }
    reel__free(c->layers);
    for (size_t i = 0; i < c->known_n; i++) {
        reel__free(c->known[i].what);
    }
    reel__free(c->known);
    reel__free(c->name);
    reel__free(c);
}

static void check_stack(const reel_stack_args *a, const reel_cell *c, const char *at)
{
    if (!a->name || !*a->name) {
        reel_params_fail(a->params, REEL_ERR_ARGUMENT, "%s: a stack needs a name", at);
    }
    if (!(a->dropout >= 0 && a->dropout < 1)) {
        reel_params_fail(a->params, REEL_ERR_ARGUMENT, "%s: stack '%s': dropout %g: expected 0 to below 1",
                         at, c->name, a->dropout);
    }
    if (c->states > REEL_MAX_STATES) {
        reel_params_fail(a->params, REEL_ERR_ARGUMENT, "%s: stack '%s': %d states: expected at most %d", at,
                         c->name, c->states, REEL_MAX_STATES);
    }
    for (int l = 1; l < c->layer_count; l++) {
        if (c->layers[l]->in != c->layers[l - 1]->hidden) {
            reel_params_fail(a->params, REEL_ERR_SHAPE,
                             "%s: stack '%s': layer %d takes %lld features, the one below gives %lld", at,
                             c->name, l, (long long)c->layers[l]->in, (long long)c->layers[l - 1]->hidden);
        }
    }
}

reel_cell *reel_cell_stack_with(const reel_stack_args *args)
{
    const char *at = args->at ? reel__base_name(args->at) : "reel_cell_stack";
    bool complete = args->n > 0;
    for (int l = 0; l < args->n; l++) {
        complete = complete && args->cell[l];
    }
    reel_cell *c = complete && args->params ? reel__calloc(1, sizeof *c) : NULL;
    reel_cell **layers = c ? reel__calloc((size_t)args->n, sizeof *layers) : NULL;
    char *name = layers ? reel__strdup(args->name ? args->name : "") : NULL;
    if (!name) {
        if (args->params && !complete) {
            reel_params_fail(args->params, REEL_ERR_ARGUMENT, "%s: a stack needs one or more cells", at);
        }
        fail_memory(args->params);
        reel__free(c);
        reel__free(layers);
        for (int l = 0; l < args->n; l++) {
            reel_cell_free(args->cell[l]);
        }
        return NULL;
    }
    *c = (reel_cell){.params = args->params,
                     .name = name,
                     .in = args->cell[0]->in,
                     .hidden = args->cell[args->n - 1]->hidden,
                     .layers = layers,
                     .layer_count = args->n,
                     .dropout = args->dropout};
    for (int l = 0; l < args->n; l++) {
        layers[l] = args->cell[l];
        c->states += layers[l]->states;
    }
    check_stack(args, c, at);
    return c;
}

reel_cell *reel_layers_with(const reel_cell_args *args, int layers, double dropout)
{
    enum { MOST = REEL_MAX_STATES };
    if (!args || !args->params) {
        return NULL;
    }
    if (layers < 1 || layers > MOST || args->layer) {
        reel_params_fail(args->params, REEL_ERR_ARGUMENT,
                         "cell '%s': %d layers from layer %d: expected 1 to %d from layer 0",
                         args->name ? args->name : "", layers, args->layer, MOST);
        return NULL;
    }
    reel_cell *cell[MOST];
    for (int l = 0; l < layers; l++) {
        reel_cell_args a = *args;
        a.layer = l;
        a.in = l ? args->hidden : args->in;
        cell[l] = reel_cell_new_with(&a);
        if (!cell[l]) {
            while (l-- > 0) {
                reel_cell_free(cell[l]);
            }
            return NULL;
        }
    }
    return reel_cell_stack_with(&(reel_stack_args){.params = args->params,
                                                   .name = args->name,
                                                   .n = layers,
                                                   .cell = cell,
                                                   .dropout = dropout,
                                                   .at = args->at});
}

/* Asking ----------------------------------------------------------------------------------------- */

int64_t reel_cell_in(const reel_cell *c)
{
    return c ? c->in : 0;
}

int64_t reel_cell_hidden(const reel_cell *c)
{
    return c ? c->hidden : 0;
}

int reel_cell_states(const reel_cell *c)
{
    return c ? c->states : 0;
}

const char *reel_cell_name(const reel_cell *c)
{
    return c ? c->name : "";
}

reel_params *reel_cell_params(const reel_cell *c)
{
    return c ? c->params : NULL;
}

void *reel_cell_context(const reel_cell *c)
{
    return c ? c->context : NULL;
}

double reel_cell_option_value(const reel_cell *c, int i)
{
    return c && i >= 0 && i < REEL_MAX_OPTIONS ? c->option[i] : 0;
}

/* Weights ---------------------------------------------------------------------------------------- */

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

/* The cell's weight `what`, made on first use as `<cell>.<what><suffix>`. NULL after reporting. */
static reel_param *weight(reel_cell *c, const char *what, const char *suffix, reel_shape shape,
                          reel_init init, int blocks)
{
    for (size_t i = 0; i < c->known_n; i++) {
        if (strcmp(c->known[i].what, what) == 0) {
            return c->known[i].param;
        }
    }
    char *full = reel__format("%s.%s%s", c->name, what, suffix);
    reel_param *p = full ? reel_params_get(c->params, full, shape, init, blocks) : NULL;
    if (!full || (p && !remember(c, what, p))) {
        fail_memory(c->params);
        p = NULL;
    }
    reel__free(full);
    return p;
}

/* "_l1" for layer 1; nothing for layer 0, where a weight is of the cell alone. */
static const char *own_suffix(const reel_cell *c, char *text, size_t n)
{
    text[0] = '\0';
    if (c->layer) {
        snprintf(text, n, "_l%d", c->layer);
    }
    return text;
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

reel_node *reel_cell_weight_at(const char *at, reel_cell *c, reel_node *like, const char *what,
                               reel_shape shape, reel_init init)
{
    char suffix[16];
    return use(at, c, like, weight(c, what, own_suffix(c, suffix, sizeof suffix), shape, init, 1));
}

/* x Wᵀ */
static reel_node *times(const char *at, reel_node *x, reel_node *W)
{
    return reel_affine_at(at, x, W, NULL);
}

reel_node *reel_gate_at(const char *at, reel_cell *c, const char *gate, reel_node *x, reel_node *h)
{
    char what[96], suffix[16];
    own_suffix(c, suffix, sizeof suffix);
    snprintf(what, sizeof what, "weight_ih_%s", gate);
    reel_node *a = times(at, x, use(at, c, x, weight(c, what, suffix, matrix(c->hidden, c->in), c->weight, 1)));
    if (h) {
        snprintf(what, sizeof what, "weight_hh_%s", gate);
        reel_node *U =
            use(at, c, x, weight(c, what, suffix, matrix(c->hidden, c->hidden), c->recurrent, 1));
        reel_node *both[2] = {a, times(at, h, U)};
        a = reel_sum_of_at(at, 2, both);
    }
    if (c->no_bias) {
        return a;
    }
    snprintf(what, sizeof what, "bias_%s", gate);
    return reel_add_at(at, a, use(at, c, x, weight(c, what, suffix, vector(c->hidden), c->bias, 1)));
}

/* The n stacked weights under PyTorch's names: "weight_ih", "weight_hh". */
static reel_param *stacked(reel_cell *c, int n, const char *what, int64_t cols, reel_init init)
{
    char suffix[16];
    snprintf(suffix, sizeof suffix, "_l%d", c->layer);
    return weight(c, what, suffix, matrix(n * c->hidden, cols), init, n);
}

/* "bias_ih" or "bias_hh"; the input one carries the gates' own starts. */
static reel_param *stacked_bias(reel_cell *c, int n, const char *what, bool input)
{
    char suffix[16];
    snprintf(suffix, sizeof suffix, "_l%d", c->layer);
    reel_param *p = weight(c, what, suffix, vector(n * c->hidden), c->bias, n);
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

/* Rows [from, to) of a weight: one node for the whole recording, as the weight itself is, so that steps
 * share it and its gradient. */
static reel_node *rows_of(const char *at, reel_cell *c, const reel_node *like, reel_param *p, int64_t from,
                          int64_t to)
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

static reel_node *input_half(const char *at, reel_cell *c, int n, reel_node *x)
{
    return times(at, x, use(at, c, x, stacked(c, n, "weight_ih", c->in, c->weight)));
}

static reel_param *recurrent(reel_cell *c, int n)
{
    return stacked(c, n, "weight_hh", c->hidden, c->recurrent);
}

static reel_node *add_bias(const char *at, reel_cell *c, int n, reel_node *a, const char *what, bool input)
{
    return reel_add_at(at, a, use(at, c, a, stacked_bias(c, n, what, input)));
}

void reel_gates_at(const char *at, reel_cell *c, int n, reel_node *x, reel_node *h, reel_node **a)
{
    reel_node *both[2] = {input_half(at, c, n, x), times(at, h, use(at, c, h, recurrent(c, n)))};
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
    reel_node *from_x = input_half(at, c, n, x);
    if (!c->no_bias) {
        from_x = add_bias(at, c, n, from_x, "bias_ih", true);
    }
    cut(at, c, n, from_x, xs);
    if (m < 1) {
        return;
    }
    reel_param *U = recurrent(c, n);
    reel_node *from_h = times(at, h, m < n ? rows_of(at, c, h, U, 0, m * c->hidden) : use(at, c, h, U));
    if (!c->no_bias && (c->two_biases || recurrent_bias)) {
        reel_param *b = stacked_bias(c, n, "bias_hh", false);
        from_h = reel_add_at(at, from_h, m < n ? rows_of(at, c, h, b, 0, m * c->hidden) : use(at, c, h, b));
    }
    cut(at, c, m, from_h, hs);
}

reel_node *reel_gate_recurrent_at(const char *at, reel_cell *c, int n, int k, reel_node *h)
{
    int64_t from = k * c->hidden, to = (k + 1) * c->hidden;
    reel_node *a = times(at, h, rows_of(at, c, h, recurrent(c, n), from, to));
    if (!c->two_biases || c->no_bias) {
        return a;
    }
    return reel_add_at(at, a, rows_of(at, c, h, stacked_bias(c, n, "bias_hh", false), from, to));
}

void reel_cell_gate_bias(reel_cell *c, int n, int k, double value)
{
    for (int i = 0; i < c->gate_biases; i++) {
        if (c->gate_bias[i].n == n && c->gate_bias[i].k == k) {
            return;
        }
    }
    if (c->gate_biases < REEL__MOST_GATES) {
        c->gate_bias[c->gate_biases++] = (reel__gate_bias){n, k, value};
    }
}

/* Small layers ----------------------------------------------------------------------------------- */

static reel_param *named(reel_params *ps, const char *name, const char *what, reel_shape shape,
                         reel_init init)
{
    char few[256]; /* so that finding a weight that exists needs no memory */
    int length = snprintf(few, sizeof few, "%s.%s", name, what);
    bool fits = length >= 0 && (size_t)length < sizeof few;
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

reel_node *reel_linear_at(const char *at, reel_params *ps, const char *name, int64_t out, reel_node *x)
{
    if (!ps) {
        return reel_node_fail(at, x, REEL_ERR_ARGUMENT, "reel_linear: the params set is NULL");
    }
    int64_t in = reel_node_dim(x, -1);
    double r = in > 0 ? 1 / sqrt((double)in) : 0;
    reel_init init = {REEL_INIT_UNIFORM, -r, r};
    reel_node *W = use_named(at, ps, x, named(ps, name, "weight", matrix(out, in), init));
    return reel_affine_at(at, x, W, use_named(at, ps, x, named(ps, name, "bias", vector(out), init)));
}

reel_node *reel_embedding_at(const char *at, reel_params *ps, const char *name, int64_t count,
                             int64_t size, reel_node *index)
{
    if (!ps) {
        return reel_node_fail(at, index, REEL_ERR_ARGUMENT, "reel_embedding: the params set is NULL");
    }
    reel_param *table =
        named(ps, name, "weight", matrix(count, size), (reel_init){REEL_INIT_NORMAL, 0, 1});
    return reel_gather_at(at, use_named(at, ps, index, table), index);
}
