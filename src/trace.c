/* Job: which node each kernel of a run was for, and what share of its time is the node's.
 * Invariant: the members of a fused kernel and all its instances have equal shares; a node that
 * passes made part of another one is computed where that is, and has no share of its own.
 * Must not know: drawings. */
#include "trace.h"

#include <string.h>

#include "cost.h"
#include "memory.h"
#include "profile.h"

uint32_t *reel__ran_first(const reel__ran *ran)
{
    const reel__plan *plan = ran->plan;
    uint32_t blocks = 0;
    for (uint32_t q = 0; q < plan->groups; q++) {
        blocks += plan->group[q].count;
    }
    uint32_t *first = reel__calloc((size_t)blocks + 1, sizeof *first);
    if (first && plan->start) {
        memcpy(first, plan->start, blocks * sizeof *first);
    }
    if (!first || plan->like) {
        return first;
    }
    for (uint32_t q = 0; q < plan->groups; q++) {
        for (uint32_t m = 0; m < plan->group[q].count; m++) {
            first[plan->order[plan->group[q].first + m] + 1] =
                (uint32_t)plan->group[q].template->raw.outs;
        }
    }
    for (uint32_t j = 0; j < blocks; j++) {
        first[j + 1] += first[j];
    }
    return first;
}

const char *reel__whose(uint32_t whose)
{
    return whose & REEL__BACKWARD ? ", backward" : whose & REEL__AGAIN ? ", again" : "";
}

static bool known(const reel__ran *ran)
{
    return ran->node && ran->epoch == ran->tape->epoch;
}

const reel__slot *reel__ran_slot(const reel__ran *ran, const uint32_t *first, uint32_t block,
                                 uint32_t *whose)
{
    const reel__plan *plan = ran->plan;
    *whose = 0;
    if (plan->like) {
        uint32_t node = plan->like[block] & REEL__NO_NODE;
        *whose = plan->like[block] & ~REEL__NO_NODE;
        return node == REEL__NO_NODE || !known(ran) ? NULL : ran->node[node];
    }
    if (!known(ran) || first[block] == first[block + 1]) {
        return NULL;
    }
    const reel__slot *s = ran->node[first[block]];
    *whose = s->origin ? REEL__BACKWARD : 0;
    return s;
}

/* The node of the recording that has that number in the plan's graph; NULL: none has. */
static const reel__slot *node_of(const reel__ran *ran, uint32_t number)
{
    const reel__plan *plan = ran->plan;
    if (plan->gradient) {
        number = plan->forward ? plan->forward[number] : REEL__NONE;
    }
    return number == REEL__NONE || !known(ran) ? NULL : ran->node[number];
}

typedef struct tracer {
    reel__profile *p;
    const reel__ran *ran;
    const uint32_t *first;
} tracer;

/* What a node has of a kernel. */
typedef struct share {
    double ns, flops;
} share;

static bool has_part(const reel__profile *p, const reel__slot *s)
{
    return p->part[s->id].run == p->runs;
}

/* One kernel's part for template node `at` of all instances of the step. */
static void note(tracer *t, uint32_t step, int kernel, int at, share of)
{
    const reel__plan *plan = t->ran->plan;
    const reel__step *x = &plan->step[step];
    for (uint32_t m = x->from; at >= 0 && m < x->to; m++) {
        uint32_t block = plan->order[plan->group[x->group].first + m];
        const reel__slot *s = node_of(t->ran, t->first[block] + (uint32_t)at);
        if (s) {
            reel__part *part = &t->p->part[s->id];
            bool again = plan->like && plan->like[block] & REEL__AGAIN;
            if (again && has_part(t->p, s)) {
                part->ns += of.ns;
                part->flops += of.flops;
                part->again = true;
                continue;
            }
            share before = has_part(t->p, s) ? (share){part->ns, part->flops} : (share){0, 0};
            bool both = again || (has_part(t->p, s) && part->again);
            *part = (reel__part){.ns = before.ns + of.ns,
                                 .flops = before.flops + of.flops,
                                 .run = t->p->runs,
                                 .step = step,
                                 .kernel = (uint32_t)kernel,
                                 .segment = x->segment,
                                 .again = both};
        }
    }
}

static void note_kernel(tracer *t, uint32_t step, int number, const reel__kernel *k, uint64_t ns,
                        int sums)
{
    const reel__step *x = &t->ran->plan->step[step];
    double flops = (double)reel__cost_of(t->ran->plan, x, k, sums).flops;
    int nodes = k->kind == REEL__DO_MAP ? k->fused->ops : 1;
    double parts = (double)(x->to - x->from) * nodes;
    for (int o = 0; o < nodes; o++) {
        int at = k->kind == REEL__DO_MAP ? k->fused->op[o].node : k->node;
        note(t, step, number, at, (share){(double)ns / parts, flops / parts});
    }
}

/* The template node that node `at` is a part of, or the same as; -1: none. */
static int next_of(const reel__ir *ir, int at)
{
    int value = ir->out[at], node = value >= ir->ports ? ir->v[value].node : -1;
    return node >= 0 && node != at ? node : ir->into[at];
}

/* One instance's node `at`, when it has no kernel of its own. */
static void note_merged(tracer *t, const reel__ir *ir, uint32_t first, int at)
{
    const reel__slot *s = node_of(t->ran, first + (uint32_t)at);
    for (int hops = 0; s && !has_part(t->p, s) && hops < ir->outs; hops++) {
        at = next_of(ir, at);
        const reel__slot *other = at < 0 ? NULL : node_of(t->ran, first + (uint32_t)at);
        if (!other) {
            return;
        }
        if (has_part(t->p, other)) {
            t->p->part[s->id] = t->p->part[other->id];
            t->p->part[s->id].ns = t->p->part[s->id].flops = 0;
        }
    }
}

static void note_rest(tracer *t, const reel__group *q)
{
    const reel__ir *ir = &q->code->ir;
    for (uint32_t m = 0; m < q->count; m++) {
        for (int at = 0; at < ir->outs; at++) {
            note_merged(t, ir, t->first[t->ran->plan->order[q->first + m]], at);
        }
    }
}

static bool reserve(reel__profile *p, size_t count)
{
    if (count <= p->parts) {
        return true;
    }
    reel__part *v = reel__reallocarray(p->part, count, sizeof *v);
    if (!v) {
        return false;
    }
    memset(v + p->parts, 0, (count - p->parts) * sizeof *v);
    p->part = v;
    p->parts = count;
    return true;
}

bool reel__trace(reel__profile *p, const reel__ran *ran)
{
    const reel__plan *plan = ran->plan;
    uint32_t *first = reel__ran_first(ran);
    if (!first || !reserve(p, ran->tape->count)) {
        reel__free(first);
        return false;
    }
    tracer t = {p, ran, first};
    size_t number = 0;
    for (uint32_t s = 0; s < plan->steps; s++) {
        const reel__code *code = plan->group[plan->step[s].group].code;
        const reel__segment *segment = &code->segment[plan->step[s].segment];
        int sums = 0;
        for (int k = 0; k < segment->kernels; k++) {
            note_kernel(&t, s, k, &segment->kernel[k], p->of_kernel[number++], sums);
            sums += segment->kernel[k].added;
        }
    }
    for (uint32_t q = 0; q < plan->groups; q++) {
        note_rest(&t, &plan->group[q]);
    }
    reel__free(first);
    return true;
}

bool reel__is_traced(const reel_tape *tape)
{
    const reel__profile *p = tape->compiled ? tape->compiled->measured : NULL;
    return p && p->runs && p->epoch == tape->epoch;
}

bool reel__traced_of(const reel__slot *s, reel__traced *out)
{
    if (!reel__is_traced(s->tape)) {
        return false;
    }
    const reel__profile *p = s->tape->compiled->measured;
    if (s->id >= p->parts || !has_part(p, s)) {
        return false;
    }
    const reel__part *part = &p->part[s->id];
    *out = (reel__traced){.step = part->step,
                          .kernel = part->kernel,
                          .segment = reel__segment_name(part->segment),
                          .seconds = part->ns / 1e9,
                          .flops = part->flops,
                          .again = part->again};
    return true;
}
