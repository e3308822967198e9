/* Job: the compiled executor: takes an evaluation apart, finds or makes its plan, runs it, and hands
 * the results to the nodes.
 * Invariant: when a kernel reports an error, the reference executor computes the same again and says
 * what is wrong where; so both report alike.
 * Must not know: how plans are made or run. */
#include <string.h>

#include "memory.h"
#include "params.h"
#include "plan.h"

static reel__compiled *state_of(reel_tape *tape)
{
    if (!tape->compiled) {
        tape->compiled = reel__calloc(1, sizeof *tape->compiled);
        if (tape->compiled) {
            tape->compiled->tape = tape;
            tape->compiled->passes = REEL__PASS_ALL;
        }
    }
    return tape->compiled;
}

/* The plans seen last */

static void unlink_plan(reel__compiled *c, reel__plan *p)
{
    *(p->newer ? &p->newer->older : &c->newest) = p->older;
    *(p->older ? &p->older->newer : &c->oldest) = p->newer;
    p->newer = p->older = NULL;
}

static void put_first(reel__compiled *c, reel__plan *p)
{
    p->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = p;
    c->newest = p;
}

static void forget(reel__compiled *c, reel__plan *p)
{
    reel__plan **at = &c->plan[p->hash % REEL__PLAN_BUCKETS];
    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    unlink_plan(c, p);
    reel__plan_free(p);
    c->plans--;
}

static reel__plan *known_plan(reel__compiled *c, const reel__graph *g)
{
    for (reel__plan *p = c->plan[g->hash % REEL__PLAN_BUCKETS]; p; p = p->next) {
        if (p->hash == g->hash && p->words == g->words &&
            memcmp(p->key, g->key, g->words * sizeof *p->key) == 0) {
            unlink_plan(c, p);
            put_first(c, p);
            return p;
        }
    }
    return NULL;
}

static reel__plan *find_plan(reel__compiled *c, reel__graph *g)
{
    reel__plan *p = known_plan(c, g);
    if (p) {
        c->hits++;
        return p;
    }
    c->misses++;
    p = reel__arrange(c, g);
    if (!p) {
        return NULL;
    }
    if (c->plans == REEL__MOST_PLANS) {
        forget(c, c->oldest);
        c->evicted++;
    }
    p->next = c->plan[p->hash % REEL__PLAN_BUCKETS];
    c->plan[p->hash % REEL__PLAN_BUCKETS] = p;
    put_first(c, p);
    c->plans++;
    return p;
}

static void forget_all(reel__compiled *c)
{
    while (c->oldest) {
        forget(c, c->oldest);
    }
    reel__templates_free(c);
    reel__packs_free(c);
}

void reel__compiled_free(reel__compiled *c)
{
    if (c) {
        forget_all(c);
        reel__arena_free(&c->work);
        reel__arena_free(&c->lay);
        reel__free(c->key);
        reel__free(c->room);
        reel__free(c);
    }
}

void reel__tape_set_passes(reel_tape *tape, unsigned passes)
{
    reel__compiled *c = state_of(tape);
    if (c && c->passes != passes) {
        forget_all(c);
        c->passes = passes;
    }
}

/* Running */

static bool run(reel__compiled *c, const reel__graph *g, const reel__plan *plan)
{
    reel_tape *tape = c->tape;
    const void **outside = reel__arena_alloc(&c->work, (g->outsides + 1) * sizeof *outside);
    uint64_t *version = reel__arena_alloc(&c->work, (g->outsides + 1) * sizeof *version);
    if (!outside || !version) {
        return false;
    }
    for (uint32_t i = 0; i < g->outsides; i++) {
        const reel__slot *s = g->outside[i];
        const reel__use *use = s->flags & REEL__PARAM ? s->attr : NULL;
        outside[i] = s->data;
        version[i] = use ? reel__mix(reel__param_key(use->param), use->version) | 1 : 0;
    }
    size_t bytes = plan->scratch + plan->working + 64;
    char *kept = plan->kept ? reel__pool_get(&tape->pool, plan->kept) : NULL;
    char *scratch = reel__pool_get(&tape->pool, bytes);
    bool ok = scratch && (kept || !plan->kept) &&
              reel__replay(c, plan, outside, version, scratch, kept);
    for (uint32_t i = 0; ok && i < plan->results; i++) {
        const reel__result *x = &plan->result[i];
        reel__slot *s = g->node[x->node];
        s->data = kept + x->place.offset;
        s->flags |= REEL__COMPUTED;
    }
    tape->evaluated += ok ? g->nodes : 0;
    if (scratch) {
        reel__pool_put(&tape->pool, scratch, bytes);
    }
    if (kept && !ok) {
        reel__pool_put(&tape->pool, kept, plan->kept);
    }
    return ok;
}

static reel_status no_memory(reel_tape *tape)
{
    reel__fail(tape, REEL_ERR_MEMORY, NULL, "evaluation: out of memory");
    return tape->status;
}

static reel_status eval(reel_tape *tape, size_t n, reel__slot *const *roots)
{
    reel__compiled *c = state_of(tape);
    bool computed = !tape->trap_nan;
    for (size_t i = 0; computed && i < n; i++) {
        roots[i]->flags |= REEL__WANT;
        computed = roots[i]->flags & REEL__COMPUTED;
    }
    if (computed) {
        return tape->status;
    }
    /* What looks at every value wants them one after another. */
    if (tape->trap_nan) {
        return reel__reference.eval(tape, n, roots);
    }
    if (!c) {
        return no_memory(tape);
    }
    reel__arena_rewind(&c->work);
    reel__graph g = {.tape = tape};
    if (!reel__collect(c, &g, n, roots)) {
        return tape->status;
    }
    reel__plan *plan = find_plan(c, &g);
    c->kernel_failed = false;
    if (plan && run(c, &g, plan)) {
        return tape->status;
    }
    if (c->kernel_failed) {
        return reel__reference.eval(tape, n, roots);
    }
    return no_memory(tape);
}

const reel__executor reel__compiled_executor = {.name = "compiled", .eval = eval};
