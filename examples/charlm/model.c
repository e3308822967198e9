/* The model as a graph. What it must not know: where text comes from, how it is trained, how it is
 * stored. */
#include "model.h"
#include "../program/say.h"
#include "mgu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kinds of cells on offer: this program's own, then the library's. NULL past the last. */
static const reel_cell_type *cell_type_at(size_t i)
{
    return i == 0 ? &mgu_cell : reel_cell_types()[i - 1];
}

static const reel_cell_type *find_cell(const char *name)
{
    return strcmp(mgu_cell.name, name) == 0 ? &mgu_cell : reel_cell_type_find(name);
}

bool model_check_cell(const char *name)
{
    return find_cell(name) != NULL ||
           complain("--cell: '%s' is no kind of cell; 'reel-charlm train --help' lists them", name);
}

/* "name=before|after", "name=1" (a number and its default) or "name". */
static void print_cell_option(const reel_cell_option *o)
{
    char left[64];
    if (o->words == NULL) {
        snprintf(left, sizeof left, "%s=%g", o->name, o->value);
    } else {
        snprintf(left, sizeof left, "%s%s%s", o->name, o->words[0] != '\0' ? "=" : "", o->words);
    }
    printf("    %-21s  %s\n", left, o->help);
}

void model_print_cells(void)
{
    for (size_t i = 0; cell_type_at(i) != NULL; i++) {
        const reel_cell_type *type = cell_type_at(i);
        printf("  %-23s  %s\n", type->name, type->help);
        for (int k = 0; k < REEL_MAX_OPTIONS && type->option[k].name != NULL; k++) {
            print_cell_option(&type->option[k]);
        }
    }
}

reel_tape *model_tape(const config *c, bool training)
{
    return reel_tape_new((int)c->threads, .dtype = c->dtype == DTYPE_F64 ? REEL_F64 : REEL_F32,
                         .seed = (uint64_t)c->seed, .inference = !training);
}

/* Weights are made on first use: one recorded step makes them all, so that they can be counted,
 * loaded and given to an optimizer. */
static bool make_weights(model *m, const config *c)
{
    reel_tape *tape = model_tape(c, false);
    const int32_t index = 0;
    reel_state s = reel_state_zero(tape, m->cell, 1);
    (void)model_run(m, tape, 1, 1, &index, &s);
    bool ok = reel_tape_status(tape) == REEL_OK || tape_complain(tape);
    reel_tape_free(tape);
    if (ok && reel_params_status(m->params) != REEL_OK) {
        ok = complain("%s", reel_params_message(m->params));
    }
    return ok;
}

bool model_new(model *m, const config *c, int64_t vocabulary)
{
    *m = (model){.vocabulary = vocabulary, .embed = c->embed, .dropout = c->dropout};
    m->params = reel_params_new(c->dtype == DTYPE_F64 ? REEL_F64 : REEL_F32, (uint64_t)c->seed);
    if (c->init > 0) {
        const reel_init uniform = {.kind = REEL_INIT_UNIFORM, .a = -c->init, .b = c->init};
        if (reel_params_set_init(m->params, "*", uniform) != REEL_OK) {
            return complain("%s", reel_params_message(m->params));
        }
    }
    const reel_cell_args cell = {
        .params = m->params,
        .name = c->cell,
        .type = find_cell(c->cell),
        .in = c->embed > 0 ? c->embed : vocabulary,
        .hidden = c->hidden,
        .options = c->cell_options,
        .two_biases = c->two_biases,
        .at = REEL_HERE,
    };
    m->cell = reel_layers_with(&cell, (int)c->layers, c->dropout);
    return make_weights(m, c);
}

void model_free(model *m)
{
    reel_cell_free(m->cell);
    reel_params_free(m->params);
    *m = (model){0};
}

void model_inputs(model *m, reel_tape *tape, int64_t T, int64_t batch, const int32_t *index,
                  reel_node **x)
{
    reel_node *units = reel_name(reel_input(tape, REEL_I32, index, reel_dims(T, batch)), "text");
    reel_node *features =
        m->embed > 0 ? reel_embedding(m->params, "embedding", m->vocabulary, m->embed, units)
                     : reel_one_hot(units, m->vocabulary);
    reel_unstack(features, (int)T, x);
}

reel_node *model_logits(model *m, int64_t T, reel_node *const *y)
{
    reel_node *h = reel_stack((int)T, y);
    if (m->dropout > 0) {
        h = reel_dropout(h, m->dropout);
    }
    return reel_linear(m->params, "readout", m->vocabulary, h);
}

reel_node *model_run(model *m, reel_tape *tape, int64_t T, int64_t batch, const int32_t *index,
                     reel_state *s)
{
    reel_node **x = malloc((size_t)T * sizeof *x);
    if (x == NULL) {
        return reel_tape_fail(tape, REEL_HERE, REEL_ERR_MEMORY, "out of memory");
    }
    model_inputs(m, tape, T, batch, index, x);
    (void)reel_unroll(m->cell, T, x, s, x);
    reel_node *logits = model_logits(m, T, x);
    free(x);
    return logits;
}
