/* Job: counters of plans.
 * Invariant: reading them changes nothing.
 * Must not know: how plans are made or run. */
#include <reel/plan.h>

#include "cost.h"

static size_t code_bytes(const reel__code *code)
{
    return sizeof *code + code->arena.reserved + (size_t)code->ir.capacity * sizeof *code->ir.v;
}

static void count_template(const reel__template *t, reel_plan_stats *s)
{
    s->templates++;
    s->plan_bytes += sizeof *t + t->words * sizeof *t->key + t->arena.reserved +
                     (size_t)t->raw.capacity * sizeof *t->raw.v + reel__pullbacks_bytes(t);
    for (const reel__code *code = t->codes; code; code = code->next) {
        s->codes++;
        s->plan_bytes += code_bytes(code);
    }
}

reel_plan_stats reel_plan_statistics(const reel_tape *tape)
{
    const reel__compiled *c = tape ? tape->compiled : NULL;
    if (!c) {
        return (reel_plan_stats){0};
    }
    reel_plan_stats s = {.plans = c->plans,
                         .hits = (int64_t)c->hits,
                         .misses = (int64_t)c->misses,
                         .recorded = (int64_t)c->recorded,
                         .evicted = (int64_t)c->evicted};
    for (size_t i = 0; i < REEL__TEMPLATE_BUCKETS; i++) {
        for (const reel__template *t = c->bucket[i]; t; t = t->next) {
            count_template(t, &s);
        }
    }
    for (const reel__plan *p = c->newest; p; p = p->older) {
        s.plan_bytes += sizeof *p + p->arena.reserved;
    }
    for (size_t i = 0; i < c->packs; i++) {
        s.pack_bytes += c->pack[i].bytes;
    }
    if (c->ran.plan) {
        s.kernels = c->ran.plan->kernels;
        s.flops = reel__plan_flops(c->ran.plan);
        s.peak_bytes = reel__plan_peak(c->ran.plan);
        s.without_reuse = reel__plan_without_reuse(c->ran.plan);
    }
    return s;
}
