/* Job: cells and stacks: their making and their options.
 * Invariant: whatever is wrong with a cell is an error on its params set, from where it reaches
 * every tape the cell is used on. Must not know: any kind of cell, nor how steps follow one another
 * (unroll.c). */
#include "cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "tape.h"

/* Making */

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
        reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                         "cell '%s': %s has no option '%.*s': expected %s", c->name, type->name,
                         (int)name_length, text, known);
        return;
    }
    const reel_cell_option *o = &type->option[i];
    if (c->chosen[i]) {
        reel_params_fail(c->params, REEL_ERR_ARGUMENT, "cell '%s': option %s of %s is given twice",
                         c->name, o->name, type->name);
        return;
    }
    c->chosen[i] = true;
    const char *value = equals ? equals + 1 : "";
    size_t value_length = equals ? length - name_length - 1 : 0;
    if (o->words && !*o->words) {
        if (equals && !(value_length == 1 && (*value == '0' || *value == '1'))) {
            reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                             "cell '%s': option %s of %s is a flag: expected %s, %s=0 or %s=1",
                             c->name, o->name, type->name, o->name, o->name, o->name);
            return;
        }
        c->option[i] = equals ? *value - '0' : 1;
        return;
    }
    if (o->words) {
        int position = word_position(o->words, value, value_length);
        if (position < 0) {
            reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                             "cell '%s': option %s=%.*s of %s: expected one of %s", c->name,
                             o->name, (int)value_length, value, type->name, o->words);
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
        reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                         "cell '%s': option %s=%.*s of %s: expected a number", c->name, o->name,
                         (int)value_length, value, type->name);
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
                         "cell '%s': options '%s' are for cells with a type: expected none",
                         c->name, options);
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

enum { MOST_FEATURES = 1 << 30 };

/* Whether its steps can be run at all. */
static bool complete(const reel_cell *c)
{
    return c->step && *c->name && c->in > 0 && c->in <= MOST_FEATURES && c->hidden > 0 &&
           c->hidden <= MOST_FEATURES && c->states >= 1 && c->states <= REEL_MAX_STATES &&
           c->layer >= 0;
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
    if (a->in <= 0 || a->hidden <= 0 || a->in > MOST_FEATURES || a->hidden > MOST_FEATURES) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT,
                         "%s: cell '%s': .in = %lld, .hidden = %lld: expected both from 1 to 2^30",
                         at, c->name, (long long)a->in, (long long)a->hidden);
    }
    if (c->states < 1 || c->states > REEL_MAX_STATES) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: cell '%s': %d states: expected 1 to %d", at,
                         c->name, c->states, REEL_MAX_STATES);
    }
    if (a->layer < 0) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: cell '%s': layer %d: expected 0 or more", at,
                         c->name, a->layer);
    }
}

reel_cell *reel_cell_new_with(const reel_cell_args *args)
{
    if (!args || !args->params) {
        return NULL;
    }
    reel_cell *c = reel__calloc(1, sizeof *c);
    char *name = reel__strdup(args->name ? args->name : "");
    char *suffix = reel__strdup(args->suffix ? args->suffix : "");
    if (!c || !name || !suffix) {
        reel__free(c);
        reel__free(name);
        reel__free(suffix);
        fail_memory(args->params);
        return NULL;
    }
    double r = args->hidden > 0 ? 1 / sqrt((double)args->hidden) : 0;
    *c = (reel_cell){
        .params = args->params,
        .name = name,
        .suffix = suffix,
        .step = args->type ? args->type->step : args->step,
        .in = args->in,
        .hidden = args->hidden,
        .states = args->type     ? args->type->states
                  : args->states ? args->states
                                 : 1,
        .layer = args->layer,
        .type = args->type,
        .weight = or_else(args->weight, (reel_init){REEL_INIT_UNIFORM, -r, r}),
        .recurrent = or_else(args->recurrent, (reel_init){REEL_INIT_ORTHOGONAL, 1, 0}),
        .bias = or_else(args->bias, (reel_init){REEL_INIT_CONSTANT, 0, 0}),
        .two_biases = args->two_biases,
        .no_bias = args->no_bias,
        .context = args->context,
    };
    reel_status before = reel_params_status(c->params);
    set_options(c, args->options);
    if (c->type && c->type->count) {
        c->states = c->type->count(c);
    }
    check_args(args, c);
    c->broken = !complete(c) || reel_params_status(c->params) != before;
    reel_cell_regularize(c, &args->regular);
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
    reel__free(c->suffix);
    reel__free(c);
}

static void check_stack(const reel_stack_args *a, const reel_cell *c, const char *at)
{
    if (!a->name || !*a->name) {
        reel_params_fail(a->params, REEL_ERR_ARGUMENT, "%s: a stack needs a name", at);
    }
    if (!(a->dropout >= 0 && a->dropout < 1)) {
        reel_params_fail(a->params, REEL_ERR_ARGUMENT,
                         "%s: stack '%s': dropout %g: expected 0 to below 1", at, c->name,
                         a->dropout);
    }
    if (c->states > REEL_MAX_STATES) {
        reel_params_fail(a->params, REEL_ERR_ARGUMENT,
                         "%s: stack '%s': %d states: expected at most %d", at, c->name, c->states,
                         REEL_MAX_STATES);
    }
    for (int l = 1; l < c->layer_count; l++) {
        if (c->layers[l]->in != c->layers[l - 1]->hidden) {
            reel_params_fail(
                a->params, REEL_ERR_SHAPE,
                "%s: stack '%s': layer %d takes %lld features, the one below gives %lld", at,
                c->name, l, (long long)c->layers[l]->in, (long long)c->layers[l - 1]->hidden);
        }
    }
}

/* Whether cell l of the list stands in it before. */
static bool repeated(const reel_stack_args *a, int l)
{
    for (int k = 0; k < l; k++) {
        if (a->cell[k] == a->cell[l]) {
            return true;
        }
    }
    return false;
}

static bool stackable(const reel_stack_args *a)
{
    bool all = a->n > 0 && a->n <= REEL_MAX_STATES;
    for (int l = 0; all && l < a->n; l++) {
        all = a->cell[l] && !repeated(a, l);
    }
    return all;
}

/* Each once: the stack owns its cells even when it does not come to be. */
static void free_cells(const reel_stack_args *a)
{
    for (int l = 0; l < a->n; l++) {
        if (!repeated(a, l)) {
            reel_cell_free(a->cell[l]);
        }
    }
}

reel_cell *reel_cell_stack_with(const reel_stack_args *args)
{
    if (!args || !args->params || (args->n > 0 && !args->cell)) {
        return NULL;
    }
    const char *at = args->at ? reel__base_name(args->at) : "reel_cell_stack";
    if (!stackable(args)) {
        reel_params_fail(args->params, REEL_ERR_ARGUMENT,
                         "%s: a stack needs 1 to %d cells, none of them NULL or twice", at,
                         REEL_MAX_STATES);
        free_cells(args);
        return NULL;
    }
    reel_cell *c = reel__calloc(1, sizeof *c);
    reel_cell **layers = c ? reel__calloc((size_t)args->n, sizeof *layers) : NULL;
    char *name = layers ? reel__strdup(args->name ? args->name : "") : NULL;
    if (!name) {
        fail_memory(args->params);
        reel__free(c);
        reel__free(layers);
        free_cells(args);
        return NULL;
    }
    *c = (reel_cell){.params = args->params,
                     .name = name,
                     .in = args->cell[0]->in,
                     .hidden = args->cell[args->n - 1]->hidden,
                     .layers = layers,
                     .form = REEL__STACK,
                     .layer_count = args->n,
                     .dropout = args->dropout};
    for (int l = 0; l < args->n; l++) {
        layers[l] = args->cell[l];
        c->states += layers[l]->states;
        c->broken = c->broken || layers[l]->broken;
    }
    reel_status before = reel_params_status(c->params);
    check_stack(args, c, at);
    c->broken = c->broken || reel_params_status(c->params) != before;
    return c;
}

/* Cells around cells */

/* Takes the cells over. NULL after freeing them. */
static reel_cell *around(const reel_around_args *a, const char *what, reel__form form, int n)
{
    if (!a || !a->params) {
        return NULL;
    }
    reel_params *ps = a->params;
    const char *at = a->at ? reel__base_name(a->at) : what;
    reel_cell *inner[2] = {a->cell, a->backward};
    bool whole = inner[0] && (n == 1 || (inner[1] && inner[1] != inner[0]));
    reel_cell *c = whole ? reel__calloc(1, sizeof *c) : NULL;
    reel_cell **layers = whole ? reel__calloc((size_t)n, sizeof *layers) : NULL;
    char *name = whole ? reel__strdup(a->name ? a->name : "") : NULL;
    char *suffix = whole ? reel__strdup("") : NULL;
    if (!c || !layers || !name || !suffix) {
        if (!whole) {
            reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: %s needs %s", at, what,
                             n == 1 ? "a cell" : "two different cells");
        } else {
            fail_memory(ps);
        }
        reel__free(c);
        reel__free(layers);
        reel__free(name);
        reel__free(suffix);
        reel_cell_free(inner[0]);
        reel_cell_free(inner[1] != inner[0] ? inner[1] : NULL);
        return NULL;
    }
    *c = (reel_cell){.params = ps,
                     .name = name,
                     .suffix = suffix,
                     .in = inner[0]->in,
                     .hidden = inner[0]->hidden,
                     .form = form,
                     .layers = layers,
                     .layer_count = n};
    reel_status before = reel_params_status(ps);
    for (int k = 0; k < n; k++) {
        layers[k] = inner[k];
        c->states += inner[k]->states;
        c->broken = c->broken || inner[k]->broken;
    }
    if (!*name) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: %s needs a name", at, what);
    }
    if (c->states > REEL_MAX_STATES) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "%s: '%s': %d states: expected at most %d", at,
                         name, c->states, REEL_MAX_STATES);
    }
    c->broken = c->broken || reel_params_status(ps) != before;
    return c;
}

static void break_shape(reel_cell *c, const reel_around_args *a, const char *what)
{
    reel_params_fail(c->params, REEL_ERR_SHAPE, "%s: '%s': %s",
                     a->at ? reel__base_name(a->at) : "reel_cell", c->name, what);
    c->broken = true;
}

reel_cell *reel_cell_bidirectional_with(const reel_around_args *a)
{
    reel_cell *c = around(a, "reel_cell_bidirectional", REEL__BOTH, 2);
    if (!c) {
        return NULL;
    }
    const reel_cell *f = c->layers[0], *b = c->layers[1];
    c->form = a->sum ? REEL__BOTH_SUM : REEL__BOTH;
    c->hidden = a->sum ? f->hidden : f->hidden + b->hidden;
    if (f->in != b->in || (a->sum && f->hidden != b->hidden)) {
        break_shape(c, a,
                    a->sum ? "to add up, both directions need the same sizes"
                           : "both directions need the same features of the input");
    }
    if (reel_cell_factor(f) != reel_cell_factor(b)) {
        break_shape(c, a, "both directions need the same number of outputs");
    }
    return c;
}

static reel_cell *passing(const reel_around_args *a, const char *what, reel__form form)
{
    reel_cell *c = around(a, what, form, 1);
    if (c && (c->in != c->hidden || reel_cell_factor(c) != 1)) {
        break_shape(c, a, "to be added to its input, the output needs its size and steps");
    }
    return c;
}

reel_cell *reel_cell_residual_with(const reel_around_args *a)
{
    return passing(a, "reel_cell_residual", REEL__RESIDUAL);
}

reel_cell *reel_cell_highway_with(const reel_around_args *a)
{
    reel_cell *c = passing(a, "reel_cell_highway", REEL__HIGHWAY);
    if (c) {
        double r = 1 / sqrt((double)c->in);
        c->weight = (reel_init){REEL_INIT_UNIFORM, -r, r};
        c->bias = or_else(a->bias, (reel_init){REEL_INIT_CONSTANT, -1, 0});
    }
    return c;
}

reel_cell *reel_cell_pyramid_with(const reel_around_args *a)
{
    reel_cell *c = around(a, "reel_cell_pyramid", REEL__PYRAMID, 1);
    if (!c) {
        return NULL;
    }
    c->factor = a->factor;
    if (a->factor < 2 || a->factor > REEL__MOST_STEPS || c->in % a->factor) {
        char text[96];
        snprintf(text, sizeof text,
                 "factor %d of a cell with %lld features: expected 2 to %d, a part of them",
                 a->factor, (long long)c->in, REEL__MOST_STEPS);
        break_shape(c, a, text);
    } else {
        c->in /= a->factor;
    }
    return c;
}

/* A layer of PyTorch's bidirectional modules. */
static reel_cell *one_each_way(const reel_cell_args *args)
{
    reel_cell_args backward = *args;
    char suffix[32];
    snprintf(suffix, sizeof suffix, "%s_reverse", args->suffix ? args->suffix : "");
    backward.suffix = suffix;
    return reel_cell_bidirectional_with(
        &(reel_around_args){.params = args->params,
                            .name = args->name,
                            .cell = reel_cell_new_with(args),
                            .backward = reel_cell_new_with(&backward),
                            .at = args->at});
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
        a.in = l ? args->hidden * (args->bidirectional ? 2 : 1) : args->in;
        cell[l] = args->bidirectional ? one_each_way(&a) : reel_cell_new_with(&a);
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

/* Asking */

int64_t reel_cell_in(const reel_cell *c)
{
    return c ? c->in : 0;
}

int reel_cell_factor(const reel_cell *c)
{
    if (!c) {
        return 1;
    }
    int all = c->form == REEL__PYRAMID ? c->factor : 1;
    bool pair = c->form == REEL__BOTH || c->form == REEL__BOTH_SUM;
    for (int l = 0; l < (pair ? 1 : c->layer_count); l++) {
        all *= reel_cell_factor(c->layers[l]);
    }
    return all;
}

bool reel_cell_stepwise(const reel_cell *c)
{
    bool apart =
        c && c->form != REEL__BOTH && c->form != REEL__BOTH_SUM && c->form != REEL__PYRAMID;
    for (int l = 0; apart && l < c->layer_count; l++) {
        apart = reel_cell_stepwise(c->layers[l]);
    }
    return apart;
}

int64_t reel_cell_steps(const reel_cell *c, int64_t T)
{
    int factor = reel_cell_factor(c);
    return c && T > 0 && factor > 0 ? (T + factor - 1) / factor : 0;
}

int reel_cell_summary(const reel_cell *c)
{
    int before = 0;
    while (c && c->layer_count > 0) {
        int last = c->layer_count - 1;
        for (int l = 0; l < last; l++) {
            before += c->layers[l]->states;
        }
        c = c->layers[last];
    }
    return before;
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
