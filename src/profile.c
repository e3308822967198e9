/* Job: add up what kernels take, by kernel and by scope.
 * Invariant: a run counts when all of it was measured; what is measured is kernels, not this.
 * Must not know: what kernels do, how tables look. */
#include "profile.h"

#include <reel/plan.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cost.h"
#include "memory.h"

uint64_t reel__profile_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void reel__profile_begin(reel__profile *p, const reel__plan *plan)
{
    size_t kernels = (size_t)plan->kernels;
    if (kernels > p->capacity) {
        uint64_t *v = reel__reallocarray(p->of_kernel, kernels, sizeof *v);
        if (v) {
            p->of_kernel = v;
            p->capacity = kernels;
        }
        p->failed = p->failed || !v;
    }
    p->kernels = 0;
    p->start = reel__profile_now();
}

void reel__profile_add(reel__profile *p, uint64_t ns)
{
    if (p->kernels < p->capacity) {
        p->of_kernel[p->kernels] = ns;
    }
    p->kernels++;
}

reel__spent *reel__spent_of(reel__spents *s, uint64_t key, char *(*name)(const void *context),
                            const void *context)
{
    uintptr_t found = (uintptr_t)reel__map_get(&s->known, key | 1);
    if (found) {
        return &s->v[found - 1];
    }
    if (s->n == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 32;
        reel__spent *v = reel__reallocarray(s->v, capacity, sizeof *v);
        if (!v) {
            return NULL;
        }
        s->v = v;
        s->capacity = capacity;
    }
    char *text = name(context);
    if (!text || !reel__map_put(&s->known, key | 1, (void *)((uintptr_t)s->n + 1))) {
        reel__free(text);
        return NULL;
    }
    s->v[s->n] = (reel__spent){.name = text};
    return &s->v[s->n++];
}

static void spents_free(reel__spents *s)
{
    for (size_t i = 0; i < s->n; i++) {
        reel__free(s->v[i].name);
    }
    reel__free(s->v);
    reel__map_free(&s->known);
}

void reel__profile_free(reel__profile *p)
{
    if (p) {
        spents_free(&p->kernel);
        spents_free(&p->scope);
        reel__ids_free(&p->entry);
        reel__free(p->of_kernel);
        reel__free(p->part);
        reel__free(p);
    }
}

/* By kernel */

typedef struct named_kernel {
    const reel__code *code;
    const reel__kernel *kernel;
} named_kernel;

static char *kernel_name(const void *context)
{
    const named_kernel *n = context;
    reel__text text = {.data = NULL};
    reel__kernel_words(n->code, n->kernel, &text);
    char *name = text.no_memory ? NULL : reel__format("%.*s", (int)text.n, text.data);
    reel__text_free(&text);
    return name;
}

static void spend(reel__spent *to, int64_t instances, uint64_t ns, double flops, double bytes)
{
    to->instances += instances;
    to->ns += ns;
    to->flops += flops;
    to->bytes += bytes;
}

/* What one step took, by kernel; the sum of it in *all. `first`: the number of its first kernel. */
static bool spend_step(reel__profile *p, const reel__plan *plan, const reel__step *step,
                       size_t first, reel__spent *all)
{
    const reel__code *code = plan->group[step->group].code;
    const reel__segment *s = &code->segment[step->segment];
    int sums = 0;
    for (int k = 0; k < s->kernels; k++) {
        const reel__kernel *kernel = &s->kernel[k];
        named_kernel named = {code, kernel};
        uint64_t key = reel__mix(reel__kernel_hash(code, kernel), step->segment);
        reel__spent *spent = reel__spent_of(&p->kernel, key, kernel_name, &named);
        if (!spent) {
            return false;
        }
        reel__cost cost = reel__cost_of(plan, step, kernel, sums);
        uint64_t ns = p->of_kernel[first + (size_t)k];
        spent->kind = kernel->kind;
        spent->segment = step->segment;
        spent->calls++;
        spend(spent, (int64_t)step->to - step->from, ns, (double)cost.flops, (double)cost.bytes);
        spend(all, 0, ns, (double)cost.flops, (double)cost.bytes);
        sums += kernel->added;
    }
    all->calls = s->kernels;
    return true;
}

/* By scope */

enum { SCOPE_TEXT = 512 };

typedef struct named_scope {
    char text[SCOPE_TEXT];
} named_scope;

static char *scope_name(const void *context)
{
    return reel__strdup(((const named_scope *)context)->text);
}

/* The path with every time step as t=*. */
static void write_scope(const reel_tape *tape, uint32_t scope, uint32_t whose, named_scope *out)
{
    enum { DEEPEST = 64 };
    uint32_t path[DEEPEST];
    int depth = 0;
    for (uint32_t s = scope; s && depth < DEEPEST; s = tape->scopes[s].parent) {
        path[depth++] = s;
    }
    size_t n = 0;
    out->text[0] = '\0';
    while (depth-- > 0 && n < sizeof out->text) {
        const char *name = tape->scopes[path[depth]].name;
        int more = snprintf(out->text + n, sizeof out->text - n, "%s%s", n ? "/" : "",
                            name ? name : "t=*");
        n += more > 0 ? (size_t)more : 0;
    }
    if (!scope) {
        snprintf(out->text, sizeof out->text, "(outside)");
        n = strlen(out->text);
    }
    if (n < sizeof out->text) {
        snprintf(out->text + n, sizeof out->text - n, "%s", reel__whose(whose));
    }
}

/* Room for the entries of the recording's scopes. */
static bool reserve_scopes(reel__profile *p, const reel_tape *tape)
{
    if (p->epoch != tape->epoch) {
        p->entry.n = 0;
        p->epoch = tape->epoch;
    }
    while (p->entry.n < 3 * tape->scope_count) {
        if (!reel__ids_push(&p->entry, 0)) {
            return false;
        }
    }
    return true;
}

static reel__spent *scope_entry(reel__profile *p, const reel_tape *tape, uint32_t scope,
                                uint32_t whose)
{
    uint32_t *known = &p->entry.v[3 * scope + (whose & REEL__BACKWARD ? 1 : whose ? 2 : 0)];
    if (!*known) {
        named_scope name;
        write_scope(tape, scope, whose, &name);
        uint64_t h = 0xcbf29ce484222325U;
        for (const char *c = name.text; *c; c++) {
            h = (h ^ (unsigned char)*c) * 0x100000001b3U;
        }
        reel__spent *spent = reel__spent_of(&p->scope, h, scope_name, &name);
        if (!spent) {
            return NULL;
        }
        *known = (uint32_t)(spent - p->scope.v) + 1;
    }
    return &p->scope.v[*known - 1];
}

/* Shares what the step took among the scopes of its instances. */
static bool spend_scopes(reel__profile *p, const reel__ran *ran, const uint32_t *first,
                         const reel__step *step, const reel__spent *all)
{
    const reel__group *q = &ran->plan->group[step->group];
    uint32_t count = step->to - step->from;
    uint64_t left = all->ns;
    for (uint32_t m = 0; m < count; m++) {
        uint32_t whose;
        const reel__slot *s =
            reel__ran_slot(ran, first, ran->plan->order[q->first + step->from + m], &whose);
        reel__spent *spent = scope_entry(p, ran->tape, s ? s->scope : 0, whose);
        if (!spent) {
            return false;
        }
        uint64_t ns = left / (count - m);
        left -= ns;
        spend(spent, all->calls, ns, all->flops / count, all->bytes / count);
    }
    return true;
}

static bool spend_run(reel__profile *p, const reel__ran *ran)
{
    uint32_t *first = reel__ran_first(ran);
    bool ok = first && reserve_scopes(p, ran->tape);
    size_t kernel = 0;
    for (uint32_t s = 0; ok && s < ran->plan->steps; s++) {
        const reel__step *step = &ran->plan->step[s];
        reel__spent all = {.name = NULL};
        ok =
            spend_step(p, ran->plan, step, kernel, &all) && spend_scopes(p, ran, first, step, &all);
        kernel += (size_t)all.calls;
    }
    reel__free(first);
    return ok;
}

void reel__profile_end(reel__compiled *c, const reel__plan *plan)
{
    reel__profile *p = c->profile;
    uint64_t ns = reel__profile_now() - p->start;
    if (p->kernels > p->capacity || p->kernels != (size_t)plan->kernels) {
        p->failed = true;
        return;
    }
    p->runs++;
    p->ns += ns;
    if (!spend_run(p, &c->ran) || !reel__trace(p, &c->ran)) {
        p->failed = true;
    }
}

/* Switching */

void reel_tape_set_profiling_at(const char *at, reel_tape *tape, bool on)
{
    if (!tape || tape->status) {
        return;
    }
    if (!on) {
        if (tape->compiled) {
            tape->compiled->profile = NULL;
        }
        return;
    }
    reel__compiled *c = reel__compiled_of(tape);
    reel__profile *p = c ? reel__calloc(1, sizeof *p) : NULL;
    if (!p) {
        reel__fail(tape, REEL_ERR_MEMORY, at, "reel_tape_set_profiling: out of memory");
        return;
    }
    if (!c->profile) {
        reel__plans_forget(c); /* plans made under it remember more */
    }
    reel__profile_free(c->measured);
    c->profile = c->measured = p;
}
