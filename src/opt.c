/* Job: an optimizer as an object: its options, groups, slots and counts.
 * Invariant: options are valid once they are stored; a call that fails has changed nothing.
 * Must not know: how a step is computed (opt_step.c, opt_rules.c). */
#include "opt.h"

#include "memory.h"
#include "params.h"
#include "tape.h"

#include <math.h>
#include <string.h>

static const char *const kind_name[] = {
    [REEL_SGD] = "sgd",           [REEL_ADAGRAD] = "adagrad", [REEL_RMSPROP] = "rmsprop",
    [REEL_ADADELTA] = "adadelta", [REEL_ADAM] = "adam",       [REEL_ADAMW] = "adamw",
};
enum { KINDS = sizeof kind_name / sizeof *kind_name };

static bool is_kind(reel_opt_kind kind)
{
    return (unsigned)kind < KINDS;
}

const char *reel_opt_kind_name(reel_opt_kind kind)
{
    return is_kind(kind) ? kind_name[kind] : "";
}

bool reel_opt_kind_find(const char *name, reel_opt_kind *kind)
{
    for (int k = 0; name && kind && k < KINDS; k++) {
        if (strcmp(name, kind_name[k]) == 0) {
            *kind = (reel_opt_kind)k;
            return true;
        }
    }
    return false;
}

/* Options */

static bool is_adam(reel_opt_kind kind)
{
    return kind == REEL_ADAM || kind == REEL_ADAMW;
}

/* One option as it was given: who takes it and what it may be. */
typedef struct option {
    const char *name;
    double given;
    bool taken;         /* by this kind of optimizer */
    bool zero_by_minus; /* its default is not 0: a negative number asks for 0 */
    double below;       /* must be smaller than this */
} option;

/* NULL, or what is wrong, with the option's name in *name. */
static const char *option_problem(const reel_opt_args *a, const char **name)
{
    bool momentum = a->kind == REEL_SGD || a->kind == REEL_RMSPROP;
    bool alpha = a->kind == REEL_RMSPROP || a->kind == REEL_ADADELTA;
    const option all[] = {
        {"rate", a->rate, true, true, INFINITY},
        {"momentum", a->momentum, momentum, false, 1},
        {"nesterov", a->nesterov, a->kind == REEL_SGD, false, INFINITY},
        {"decay", a->decay, true, a->kind == REEL_ADAMW, INFINITY},
        {"alpha", a->alpha, alpha, true, 1},
        {"centered", a->centered, a->kind == REEL_RMSPROP, false, INFINITY},
        {"beta1", a->beta1, is_adam(a->kind), true, 1},
        {"beta2", a->beta2, is_adam(a->kind), true, 1},
        {"epsilon", a->epsilon, a->kind != REEL_SGD, true, INFINITY},
        {"clip_norm", a->clip_norm, true, false, INFINITY},
        {"clip_value", a->clip_value, true, false, INFINITY},
        {"clip_param", a->clip_param, true, false, INFINITY},
        {"clip_step", a->clip_step, true, false, INFINITY},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const option *o = &all[i];
        *name = o->name;
        if (o->given != 0 && !o->taken) {
            return "is not an option of this optimizer";
        }
        if (isnan(o->given) || o->given >= o->below) {
            return o->below == 1 ? "must be below 1" : "must be finite";
        }
        if (o->given < 0 && !o->zero_by_minus) {
            return "must not be negative";
        }
    }
    *name = "nesterov";
    return a->nesterov && !(a->momentum > 0) ? "needs momentum" : NULL;
}

static double choose(double given, double standard)
{
    return given < 0 ? 0 : given != 0 ? given : standard;
}

static reel_opt_args with_defaults(reel_opt_args a)
{
    bool adam = is_adam(a.kind);
    a.rate = choose(a.rate, adam ? 0.001 : a.kind == REEL_ADADELTA ? 1 : 0.01);
    a.decay = choose(a.decay, a.kind == REEL_ADAMW ? 0.01 : 0);
    a.alpha = choose(a.alpha, a.kind == REEL_ADADELTA ? 0.9 : 0.99);
    a.beta1 = choose(a.beta1, 0.9);
    a.beta2 = choose(a.beta2, 0.999);
    a.epsilon = choose(a.epsilon, a.kind == REEL_ADAGRAD    ? 1e-10
                                  : a.kind == REEL_ADADELTA ? 1e-6
                                                            : 1e-8);
    return a;
}

/* Reports bad options; what is returned is valid in any case. */
static reel_opt_args check_options(reel_opt_args a)
{
    const char *at = a.at ? reel__base_name(a.at) : "reel_opt_new_with";
    reel_opt_args plain = {.params = a.params, .at = a.at};
    if (!is_kind(a.kind)) {
        reel_params_fail(a.params, REEL_ERR_ARGUMENT, "%s: no optimizer of kind %d", at,
                         (int)a.kind);
        return with_defaults(plain);
    }
    const char *name;
    const char *problem = option_problem(&a, &name);
    if (problem) {
        reel_params_fail(a.params, REEL_ERR_ARGUMENT, "%s: %s: %s %s", at, kind_name[a.kind], name,
                         problem);
        plain.kind = a.kind;
        return with_defaults(plain);
    }
    return with_defaults(a);
}

static void name_slots(reel_opt *opt)
{
    const reel_opt_args *o = &opt->o;
    if (is_adam(o->kind)) {
        opt->slot_name[opt->slots++] = "m";
        opt->slot_name[opt->slots++] = "v";
        return;
    }
    if (o->kind != REEL_SGD) {
        opt->slot_name[opt->slots++] = "s";
    }
    if (o->kind == REEL_ADADELTA) {
        opt->slot_name[opt->slots++] = "d";
    }
    if (o->centered) {
        opt->slot_name[opt->slots++] = "m";
    }
    if (o->momentum > 0) {
        opt->slot_name[opt->slots++] = "v";
    }
}

reel_opt *reel_opt_new_with(const reel_opt_args *args)
{
    reel_opt *opt = reel__calloc(1, sizeof *opt);
    if (!opt) {
        return NULL;
    }
    opt->o = check_options(args ? *args : (reel_opt_args){.rate = 0});
    name_slots(opt);
    return opt;
}

void reel_opt_free(reel_opt *opt)
{
    if (!opt) {
        return;
    }
    for (size_t i = 0; i < opt->states; i++) {
        for (int k = 0; k < opt->slots; k++) {
            reel__free(opt->state[i].slot[k]);
        }
    }
    for (size_t i = 0; i < opt->groups; i++) {
        reel__free(opt->group[i].pattern);
    }
    reel__free(opt->state);
    reel__free(opt->group);
    reel__free(opt->work.param);
    reel__free(opt->work.node);
    reel__free(opt->work.root);
    reel__free((void *)(uintptr_t)opt->work.data);
    reel__free(opt->work.gradient);
    reel__free(opt->work.step);
    reel__free(opt);
}

/* What it says of itself */

reel_params *reel_opt_params(const reel_opt *opt)
{
    return opt ? opt->o.params : NULL;
}

reel_opt_kind reel_opt_kind_of(const reel_opt *opt)
{
    return opt ? opt->o.kind : REEL_SGD;
}

double reel_opt_norm(const reel_opt *opt)
{
    return opt ? opt->norm : 0;
}

uint64_t reel_opt_count(const reel_opt *opt)
{
    return opt ? opt->count : 0;
}

double reel_opt_rate(const reel_opt *opt)
{
    return opt ? opt->o.rate : 0;
}

void reel_opt_set_rate(reel_opt *opt, double rate)
{
    if (!opt) {
        return;
    }
    if (!isfinite(rate) || rate < 0) {
        reel_params_fail(opt->o.params, REEL_ERR_ARGUMENT,
                         "reel_opt_set_rate: %g: a rate is finite and not negative", rate);
        return;
    }
    opt->o.rate = rate;
}

/* Groups */

reel_status reel_opt_group(reel_opt *opt, const char *pattern, double rate_factor, double decay)
{
    if (!opt) {
        return REEL_ERR_ARGUMENT;
    }
    if (!pattern || !isfinite(rate_factor) || rate_factor < 0 || !isfinite(decay)) {
        reel_params_fail(
            opt->o.params, REEL_ERR_ARGUMENT,
            "reel_opt_group '%s': factor %g, decay %g: expected a pattern, a finite factor "
            "that is not negative and a finite decay",
            pattern ? pattern : "", rate_factor, decay);
        return REEL_ERR_ARGUMENT;
    }
    reel__group added = {.factor = rate_factor, .decay = decay};
    added.pattern = reel__strdup(pattern);
    reel__group *group =
        added.pattern ? reel__reallocarray(opt->group, opt->groups + 1, sizeof *group) : NULL;
    if (!group) {
        reel__free(added.pattern);
        reel_params_fail(opt->o.params, REEL_ERR_MEMORY, "reel_opt_group '%s': out of memory",
                         pattern);
        return REEL_ERR_MEMORY;
    }
    opt->group = group;
    opt->group[opt->groups++] = added;
    return REEL_OK;
}

const reel__group *reel__opt_group(const reel_opt *opt, const reel_param *p)
{
    for (size_t i = opt->groups; i > 0; i--) {
        if (reel_name_matches(opt->group[i - 1].pattern, p->name)) {
            return &opt->group[i - 1];
        }
    }
    return NULL;
}

/* States */

reel__state *reel__opt_state(reel_opt *opt, const reel_param *p)
{
    if (p->index >= opt->states) {
        size_t states = reel_params_count(opt->o.params);
        reel__state *state = reel__reallocarray(opt->state, states, sizeof *state);
        if (!state) {
            return NULL;
        }
        memset(state + opt->states, 0, (states - opt->states) * sizeof *state);
        opt->state = state;
        opt->states = states;
    }
    return &opt->state[p->index];
}

bool reel__opt_slots(reel_opt *opt, reel__state *s, const reel_param *p)
{
    if (s->made) {
        return true;
    }
    size_t bytes = p->size * reel_dtype_size(p->dtype);
    void *slot[REEL__SLOTS] = {NULL};
    for (int k = 0; k < opt->slots; k++) {
        slot[k] = reel__malloc_aligned(bytes);
        if (!slot[k]) {
            while (k > 0) {
                reel__free(slot[--k]);
            }
            return false;
        }
        memset(slot[k], 0, bytes);
    }
    memcpy(s->slot, slot, sizeof slot);
    s->made = true;
    return true;
}

/* The state there is, or NULL: for the many ways to ask about a weight that is none of ours. */
static reel__state *known_state(const reel_opt *opt, const reel_param *p)
{
    if (!opt || !p || p->set != opt->o.params || p->waiting || p->index >= opt->states) {
        return NULL;
    }
    return &opt->state[p->index];
}

void *reel_opt_slot(reel_opt *opt, reel_param *p, int k, const char **name)
{
    reel__state *s = known_state(opt, p);
    if (!s || !s->made || k < 0 || k >= opt->slots) {
        return NULL;
    }
    if (name) {
        *name = opt->slot_name[k];
    }
    return s->slot[k];
}

reel_status reel_opt_make_slots(reel_opt *opt, reel_param *p)
{
    if (!opt || !p || p->set != opt->o.params) {
        reel_params_fail(reel_opt_params(opt), REEL_ERR_ARGUMENT,
                         "reel_opt_make_slots: weight '%s' is not of the optimizer's set",
                         reel_param_name(p));
        return REEL_ERR_ARGUMENT;
    }
    reel__state *s = reel__opt_state(opt, p);
    if (!s || !reel__opt_slots(opt, s, p)) {
        reel_params_fail(opt->o.params, REEL_ERR_MEMORY,
                         "reel_opt_make_slots: weight '%s': out of memory", p->name);
        return REEL_ERR_MEMORY;
    }
    return REEL_OK;
}

uint64_t reel_opt_param_count(const reel_opt *opt, const reel_param *p)
{
    const reel__state *s = known_state(opt, p);
    return s ? s->count : 0;
}

void reel_opt_restore_counts(reel_opt *opt, uint64_t count)
{
    if (opt) {
        opt->count = count;
    }
}

void reel_opt_restore_param_count(reel_opt *opt, const reel_param *p, uint64_t count)
{
    if (!opt || !p || p->set != opt->o.params) {
        return;
    }
    reel__state *s = reel__opt_state(opt, p);
    if (!s) {
        reel_params_fail(opt->o.params, REEL_ERR_MEMORY,
                         "reel_opt_restore_param_count: weight '%s': out of memory", p->name);
        return;
    }
    s->count = count;
}
