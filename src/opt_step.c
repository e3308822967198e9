/* Job: one update: gradients, checks, clipping, and the change of the weights.
 * Invariant: all or nothing. Whatever can fail (recording, evaluation, a gradient that is not
 * finite, memory) does so before the first weight or slot changes. Must not know: the formulas of
 * the optimizers (opt_rules.c). */
#include "opt.h"

#include "memory.h"
#include "params.h"
#include "tape.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* Where a step reports what went wrong: on a tape, or on the params set when there is none. */
typedef struct report {
    reel_tape *tape;
    reel_params *params;
    const char *at, *who;
} report;

static reel_status fail(const report *to, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);
static reel_status fail(const report *to, reel_status status, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (to->tape) {
        reel__fail(to->tape, status, to->at, "%s: %s", to->who, text);
    } else {
        reel_params_fail(to->params, status, "%s: %s", to->who, text);
    }
    return status;
}

static reel_status no_memory(const report *to)
{
    return fail(to, REEL_ERR_MEMORY, "out of memory");
}

/* An optimizer that can work; reports why it cannot. */
static reel_status check_opt(const reel_opt *opt, const report *to)
{
    if (!opt) {
        return fail(to, REEL_ERR_ARGUMENT, "the optimizer is NULL");
    }
    const reel_params *ps = opt->o.params;
    if (!ps) {
        return fail(to, REEL_ERR_ARGUMENT, "the optimizer has no params set");
    }
    if (reel_params_status(ps)) {
        return fail(to, reel_params_status(ps), "%s", reel_params_message(ps));
    }
    return REEL_OK;
}

/* Room for n weights and one root more. */
static bool reserve(reel__work *w, size_t n)
{
    if (n < w->capacity) {
        return true;
    }
    size_t capacity = n + 16;
    void *param = reel__reallocarray(w->param, capacity, sizeof *w->param);
    w->param = param ? param : w->param;
    void *node = reel__reallocarray(w->node, capacity, sizeof *w->node);
    w->node = node ? node : w->node;
    void *root = reel__reallocarray(w->root, capacity, sizeof *w->root);
    w->root = root ? root : w->root;
    void *data = reel__reallocarray((void *)(uintptr_t)w->data, capacity, sizeof *w->data);
    w->data = data ? data : w->data;
    void *gradient = reel__reallocarray(w->gradient, capacity, sizeof *w->gradient);
    w->gradient = gradient ? gradient : w->gradient;
    if (!param || !node || !root || !data || !gradient) {
        return false;
    }
    w->capacity = capacity;
    return true;
}

/* Gradients */

/* The trainable weights used on the tape, into the optimizer's working memory. */
static reel_status collect(reel_opt *opt, reel_tape *tape, const report *to, size_t *count)
{
    reel__work *w = &opt->work;
    size_t used = reel__tape_params(tape, 0, NULL, NULL);
    if (!reserve(w, used)) {
        return no_memory(to);
    }
    reel__tape_params(tape, used, w->param, w->node);
    size_t n = 0;
    for (size_t i = 0; i < used; i++) {
        if (w->param[i]->set == opt->o.params && !w->param[i]->frozen) {
            w->param[n] = w->param[i];
            w->node[n++] = w->node[i];
        }
    }
    *count = n;
    return REEL_OK;
}

size_t reel_opt_grads_at(const char *at, reel_opt *opt, reel_node *loss, size_t n,
                         reel_param **params, reel_node **grads)
{
    reel_tape *tape = reel_node_tape(loss);
    report to = {.tape = tape, .params = reel_opt_params(opt), .at = at, .who = "reel_opt_grads"};
    size_t count;
    if (!reel__live(loss)) {
        reel__fail_dead(tape, at, to.who, loss);
        return 0;
    }
    if (tape->status || check_opt(opt, &to) || collect(opt, tape, &to, &count)) {
        return 0;
    }
    if (n && (!params || !grads)) {
        fail(&to, REEL_ERR_ARGUMENT, "params or grads is NULL");
        return 0;
    }
    size_t wanted = n < count ? n : count;
    if (wanted && reel_grad_at(at, loss, wanted, opt->work.node, grads)) {
        return 0;
    }
    for (size_t i = 0; i < wanted; i++) {
        params[i] = opt->work.param[i];
    }
    return count;
}

/* Clipping */

static double squares(const reel__gradient *g, double limit)
{
    return g->dtype == REEL_F32 ? reel__squares_f32(g->data, g->param->size, limit)
                                : reel__squares_f64(g->data, g->param->size, limit);
}

/* The factor that brings a norm down to the limit; 0 for a limit means none. */
static double clip_factor(double norm, double limit)
{
    return limit > 0 && norm > limit ? limit / norm : 1;
}

static bool all_finite(const reel__gradient *g)
{
    for (size_t i = 0; i < g->param->size; i++) {
        double x =
            g->dtype == REEL_F32 ? ((const float *)g->data)[i] : ((const double *)g->data)[i];
        if (!isfinite(x)) {
            return false;
        }
    }
    return true;
}

static reel_status blame(size_t n, const reel__gradient *g, const report *to)
{
    for (size_t i = 0; i < n; i++) {
        if (!all_finite(&g[i])) {
            return fail(to, REEL_ERR_NAN,
                        "the gradient of '%s' is not finite; no weight has changed",
                        g[i].param->name);
        }
    }
    return fail(to, REEL_ERR_NAN, "the norm of the gradient overflows; no weight has changed");
}

/* Fills in the gradients' scales: element-wise limit, then each weight's norm, then the global
 * norm. */
static reel_status clip(reel_opt *opt, size_t n, reel__gradient *g, const report *to)
{
    const reel_opt_args *o = &opt->o;
    double raw = 0, clipped = 0;
    for (size_t i = 0; i < n; i++) {
        double all = squares(&g[i], INFINITY);
        double rest = o->clip_value > 0 ? squares(&g[i], o->clip_value) : all;
        raw += all;
        g[i].norm = sqrt(rest);
        g[i].scale = clip_factor(g[i].norm, o->clip_param);
        clipped += rest * g[i].scale * g[i].scale;
    }
    opt->norm = sqrt(raw);
    if (!isfinite(raw)) {
        return blame(n, g, to);
    }
    double scale = clip_factor(sqrt(clipped), o->clip_norm);
    for (size_t i = 0; i < n; i++) {
        g[i].scale *= scale;
        /* All kinds but SGD square the gradient. */
        double most = o->kind == REEL_SGD ? FLT_MAX : sqrt(FLT_MAX);
        if (g[i].param->dtype == REEL_F32 && g[i].norm * g[i].scale > most) {
            return fail(to, REEL_ERR_NAN,
                        "the gradient of '%s' is too large for f32; no weight has changed",
                        g[i].param->name);
        }
    }
    return REEL_OK;
}

/* The update */

/* Everything that the update needs memory for. */
static bool prepare(reel_opt *opt, size_t n, const reel__gradient *g)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const reel_param *p = g[i].param;
        reel__state *s = reel__opt_state(opt, p);
        if (!s || !reel__opt_slots(opt, s, p)) {
            return false;
        }
        size_t own = p->size * reel_dtype_size(p->dtype);
        bytes = own > bytes ? own : bytes;
    }
    reel__work *w = &opt->work;
    if (opt->o.clip_step > 0 && bytes > w->step_bytes) {
        void *step = reel__malloc_aligned(bytes);
        if (!step) {
            return false;
        }
        reel__free(w->step);
        w->step = step;
        w->step_bytes = bytes;
    }
    return true;
}

static void update_param(reel_opt *opt, const reel__gradient *g)
{
    const reel_opt_args *o = &opt->o;
    reel_param *p = g->param;
    reel__state *s = &opt->state[p->index];
    const reel__group *group = reel__opt_group(opt, p);
    double count = (double)++s->count;
    reel__update u = {
        .kind = o->kind,
        .nesterov = o->nesterov,
        .centered = o->centered,
        .rate = o->rate * (group ? group->factor : 1),
        .decay = group && group->decay >= 0 ? group->decay : o->decay,
        .momentum = o->momentum,
        .alpha = o->alpha,
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .epsilon = o->epsilon,
        .bias1 = 1 - pow(o->beta1, count),
        .bias2 = sqrt(1 - pow(o->beta2, count)),
        .limit = o->clip_value > 0 ? o->clip_value : INFINITY,
        .scale = g->scale,
        .clip_step = o->clip_step,
        .gradient = g->data,
        .gradient_dtype = g->dtype,
        .n = p->size,
        .weight = p->data,
        .slot = {s->slot[0], s->slot[1], s->slot[2]},
        .step = opt->work.step,
    };
    if (p->dtype == REEL_F32) {
        reel__update_f32(&u);
    } else {
        reel__update_f64(&u);
    }
    p->version++;
}

static reel_status update(reel_opt *opt, size_t n, reel__gradient *g, const report *to)
{
    reel_status status = clip(opt, n, g, to);
    if (status) {
        return status;
    }
    if (!prepare(opt, n, g)) {
        return no_memory(to);
    }
    for (size_t i = 0; i < n; i++) {
        update_param(opt, &g[i]);
    }
    opt->count++;
    return REEL_OK;
}

/* Steps */

static reel_status step(const char *at, reel_opt *opt, reel_node *loss, double *value,
                        const report *to)
{
    size_t n;
    reel_status status = collect(opt, to->tape, to, &n);
    if (status) {
        return status;
    }
    if (n == 0) {
        return fail(
            to, REEL_ERR_ARGUMENT,
            "no weight of the optimizer's set that is not frozen has been used on this tape");
    }
    reel__work *w = &opt->work;
    status = reel__tape_gradients(at, loss, n, w->node, w->data);
    if (status) {
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        w->gradient[i] = (reel__gradient){
            .param = w->param[i], .data = w->data[i], .dtype = reel_tape_dtype(to->tape)};
    }
    double found;
    status = reel_scalar(loss, &found);
    if (!status) {
        status = update(opt, n, w->gradient, to);
    }
    if (!status && value) {
        *value = found;
    }
    return status;
}

reel_status reel_opt_step_at(const char *at, reel_opt *opt, reel_node *loss, double *value)
{
    reel_tape *tape = reel_node_tape(loss);
    report to = {.tape = tape, .params = reel_opt_params(opt), .at = at, .who = "reel_opt_step"};
    if (!reel__live(loss)) {
        reel__fail_dead(tape, at, to.who, loss);
        return tape && tape->status ? tape->status : REEL_ERR_ARGUMENT;
    }
    if (tape->status) {
        return tape->status;
    }
    reel_status status = check_opt(opt, &to);
    return status ? status : step(at, opt, loss, value, &to);
}

/* Whether the optimizer may change the weight; *skip for one that it leaves alone. */
static reel_status check_param(reel_opt *opt, const reel_param *p, size_t i, const report *to,
                               bool *skip)
{
    if (!p) {
        return fail(to, REEL_ERR_ARGUMENT, "weight %zu is NULL", i);
    }
    if (p->set != opt->o.params) {
        return fail(to, REEL_ERR_ARGUMENT, "'%s' is not a weight of the optimizer's set", p->name);
    }
    reel__state *s = reel__opt_state(opt, p);
    if (!s) {
        return no_memory(to);
    }
    if (s->call == opt->calls) {
        return fail(to, REEL_ERR_ARGUMENT, "'%s' is given twice", p->name);
    }
    s->call = opt->calls;
    *skip = p->frozen;
    return REEL_OK;
}

static reel_status check_gradient(const reel_param *p, const reel_node *g, const report *to)
{
    if (!reel__live(g)) {
        reel__fail_dead(to->tape, to->at, to->who, g);
        return to->tape && to->tape->status ? to->tape->status : REEL_ERR_ARGUMENT;
    }
    if (reel_node_dtype(g) == REEL_I32 || !reel_shape_equal(reel_node_shape(g), p->shape)) {
        char have[96], want[96];
        return fail(to, REEL_ERR_SHAPE, "the gradient of '%s' is %s %s: expected a real %s",
                    p->name, reel_dtype_name(reel_node_dtype(g)),
                    reel__shape_text(have, sizeof have, reel_node_shape(g)),
                    reel__shape_text(want, sizeof want, p->shape));
    }
    return REEL_OK;
}

/* Checks and gathers what reel_opt_apply was given; *kept of the n are to be updated. */
static reel_status gather(reel_opt *opt, size_t n, reel_param *const *params,
                          reel_node *const *grads, const report *to, size_t *kept)
{
    reel__work *w = &opt->work;
    if (!reserve(w, n)) {
        return no_memory(to);
    }
    opt->calls++;
    *kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool skip = false;
        reel_status status = check_param(opt, params[i], i, to, &skip);
        status = status ? status : check_gradient(params[i], grads[i], to);
        if (status) {
            return status;
        }
        if (!skip) {
            w->root[*kept] = grads[i];
            w->gradient[(*kept)++] = (reel__gradient){.param = params[i]};
        }
    }
    return REEL_OK;
}

reel_status reel_opt_apply(reel_opt *opt, size_t n, reel_param *const *params,
                           reel_node *const *grads)
{
    reel_tape *tape = n && grads ? reel_node_tape(grads[0]) : NULL;
    report to = {.tape = tape, .params = reel_opt_params(opt), .who = "reel_opt_apply"};
    reel_status status = check_opt(opt, &to);
    if (status || n == 0) {
        return status;
    }
    if (!params || !grads) {
        return fail(&to, REEL_ERR_ARGUMENT, "params or grads is NULL");
    }
    size_t kept = 0;
    status = gather(opt, n, params, grads, &to, &kept);
    if (status || kept == 0) {
        return status;
    }
    reel__work *w = &opt->work;
    status = reel_eval(kept, w->root);
    if (status) {
        return status;
    }
    for (size_t i = 0; i < kept; i++) {
        w->gradient[i].data = reel_data(w->root[i]);
        w->gradient[i].dtype = reel_node_dtype(w->root[i]);
    }
    return update(opt, kept, w->gradient, &to);
}

reel_status reel_opt_apply_values(reel_opt *opt, size_t n, reel_param *const *params,
                                  const double *const *grads)
{
    report to = {.params = reel_opt_params(opt), .who = "reel_opt_apply_values"};
    reel_status status = check_opt(opt, &to);
    if (status || n == 0) {
        return status;
    }
    if (!params || !grads) {
        return fail(&to, REEL_ERR_ARGUMENT, "params or grads is NULL");
    }
    reel__work *w = &opt->work;
    if (!reserve(w, n)) {
        return no_memory(&to);
    }
    opt->calls++;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool skip = false;
        status = check_param(opt, params[i], i, &to, &skip);
        if (status) {
            return status;
        }
        if (!grads[i]) {
            return fail(&to, REEL_ERR_ARGUMENT, "the gradient of '%s' is NULL", params[i]->name);
        }
        if (!skip) {
            w->gradient[kept++] =
                (reel__gradient){.param = params[i], .data = grads[i], .dtype = REEL_F64};
        }
    }
    return kept ? update(opt, kept, w->gradient, &to) : REEL_OK;
}
