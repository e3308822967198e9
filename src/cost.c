/* Job: what kernels are called and what they cost, in operations and in bytes.
 * Invariant: figures follow from the plan alone; what all instances share counts once.
 * Must not know: how kernels run, how long they take. */
#include "cost.h"

#include <inttypes.h>
#include <string.h>

enum { ALIGN = 64, NAMED = 12 };

static int64_t element(const reel__value *v)
{
    return (int64_t)reel_dtype_size((reel_dtype)v->dtype);
}

/* How many instances of the value the step reads. */
static int64_t copies(const reel__code *code, const reel__step *step, int value)
{
    const reel__segment *s = &code->segment[step->segment];
    int64_t count = (int64_t)step->to - step->from;
    if (code->ir.v[value].kind == REEL__CONST) {
        return 1;
    }
    for (int p = 0; p < s->ports; p++) {
        const reel__binding *b = &step->binding[p];
        if (s->port[p] == value && !b->each && b->stride == 0) {
            return 1;
        }
    }
    return count;
}

static int64_t spread_size(const reel__fused *f, const reel__operand *x)
{
    int64_t n = 1;
    for (int k = 0; k < f->shape.rank; k++) {
        n *= x->window.stride[k] ? f->shape.dim[k] : 1;
    }
    return n;
}

static reel__cost cost_of_fused(const reel__code *code, const reel__step *step,
                                const reel__fused *f)
{
    int64_t size = reel_shape_size(f->shape), count = (int64_t)step->to - step->from;
    reel__cost cost = {.flops = 0};
    for (int o = 0; o < f->ops; o++) {
        const reel__map_op *op = &f->op[o];
        cost.flops += (op->reduces ? spread_size(f, &f->output[op->out]) : size) * count;
    }
    for (int i = 0; i < f->inputs; i++) {
        const reel__operand *x = &f->input[i];
        cost.bytes +=
            spread_size(f, x) * copies(code, step, x->value) * element(&code->ir.v[x->value]);
    }
    for (int i = 0; i < f->outputs; i++) {
        const reel__operand *x = &f->output[i];
        cost.bytes += spread_size(f, x) * count * element(&code->ir.v[x->value]);
    }
    return cost;
}

/* How many places the instances of an adding kernel add to. */
static int64_t sums_of(const reel__step *step, int sums)
{
    int64_t count = (int64_t)step->to - step->from, n = 0;
    const reel__place *to = step->sum + sums * count;
    for (int64_t i = 0; i < count; i++) {
        n += i == 0 || to[i].base != to[i - 1].base || to[i].offset != to[i - 1].offset;
    }
    return n;
}

static reel__cost cost_of_product(const reel__code *code, const reel__step *step,
                                  const reel__kernel *k, int sums)
{
    const reel__term *t = k->term;
    int64_t count = (int64_t)step->to - step->from;
    int64_t results = k->added ? sums_of(step, sums) : count;
    int64_t times = k->added || k->accumulate ? 2 : 1;
    int64_t numbers = t->m * t->k * copies(code, step, t->a.x.value) +
                      t->k * t->n * copies(code, step, t->b.x.value) +
                      times * t->m * t->n * results;
    return (reel__cost){2 * t->m * t->n * t->k * count, numbers * element(&code->ir.v[k->value])};
}

reel__cost reel__cost_of(const reel__plan *plan, const reel__step *step, const reel__kernel *k,
                         int sums)
{
    const reel__code *code = plan->group[step->group].code;
    const reel__value *v = &code->ir.v[k->value];
    int64_t count = (int64_t)step->to - step->from;
    if (k->kind == REEL__DO_MAP) {
        return cost_of_fused(code, step, k->fused);
    }
    if (k->kind == REEL__DO_PRODUCT) {
        return cost_of_product(code, step, k, sums);
    }
    if (k->kind == REEL__DO_ZERO) {
        return (reel__cost){0, v->size * element(v) * count};
    }
    if (k->kind == REEL__DO_COPY && plan->group[step->group].given[k->value] & REEL__IN_PLACE) {
        return (reel__cost){0, 0};
    }
    if (k->kind == REEL__DO_COPY) {
        const reel__value *from = &code->ir.v[k->term_value];
        return (reel__cost){0, 2 * from->size * element(from) * count};
    }
    reel__cost cost = {v->size * count, v->size * element(v) * count};
    cost.bytes *= k->added || k->accumulate ? 2 : 1;
    for (int i = 0; i < v->n; i++) {
        const reel__value *a = &code->ir.v[v->arg[i]];
        cost.bytes += a->size * element(a) * copies(code, step, k->args[i].value);
    }
    return cost;
}

int64_t reel__plan_flops(const reel__plan *plan)
{
    int64_t flops = 0;
    for (uint32_t s = 0; s < plan->steps; s++) {
        const reel__step *step = &plan->step[s];
        const reel__segment *segment = &plan->group[step->group].code->segment[step->segment];
        int sums = 0;
        for (int k = 0; k < segment->kernels; k++) {
            flops += reel__cost_of(plan, step, &segment->kernel[k], sums).flops;
            sums += segment->kernel[k].added;
        }
    }
    return flops;
}

size_t reel__plan_peak(const reel__plan *plan)
{
    return plan->scratch + plan->kept;
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Each array of a group for all instances. */
static size_t arrays_apart(const reel__group *q)
{
    const reel__ir *ir = &q->code->ir;
    size_t bytes = 0;
    for (int i = ir->ports; i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        bool own = v->store == REEL__ARRAY && q->life[i].first <= q->life[i].last &&
                   !(q->given[i] & REEL__IN_PLACE);
        bytes += own ? rounded((size_t)(v->size * element(v)) * q->count) : 0;
    }
    return bytes;
}

/* Each temporary of a step. */
static size_t temporaries_apart(const reel__plan *plan, const reel__step *step)
{
    const reel__ir *ir = &plan->group[step->group].code->ir;
    size_t bytes = 0;
    for (int i = ir->ports; i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        bool own = v->store == REEL__TEMP && (v->made | v->used) >> step->segment & 1;
        bytes += own ? rounded((size_t)(v->size * element(v))) * (step->to - step->from) : 0;
    }
    return bytes;
}

size_t reel__plan_without_reuse(const reel__plan *plan)
{
    size_t bytes = 0;
    for (uint32_t k = 0; k < plan->keeps; k++) {
        bytes += rounded(plan->keep[k].bytes);
    }
    for (uint32_t q = 0; q < plan->groups; q++) {
        bytes += arrays_apart(&plan->group[q]);
    }
    for (uint32_t s = 0; s < plan->steps; s++) {
        bytes += temporaries_apart(plan, &plan->step[s]);
    }
    return bytes;
}

/* Names */

const char *reel__segment_name(int segment)
{
    static const char *const name[REEL__SEGMENTS] = {"pre", "main", "post"};
    return name[segment];
}

const char *reel__kernel_kind_name(int kind)
{
    static const char *const name[] = {"fused", "product", "op", "copy", "zero"};
    return name[kind];
}

static const char *op_name(const reel_op *op)
{
    return op && op->name && *op->name ? op->name : "op";
}

static void add_shape(reel__text *out, reel_shape shape)
{
    char text[128];
    reel__text_add(out, " ");
    reel__text_add(out, shape.rank ? reel__shape_text(text, sizeof text, shape) : "scalar");
}

/* The ops in the order in which they first come up, with how often they do. */
static void add_ops(reel__text *out, const reel__fused *f)
{
    int named = 0;
    for (int o = 0; o < f->ops; o++) {
        bool before = false;
        int times = 0;
        for (int i = 0; i < f->ops; i++) {
            bool same = f->op[i].op == f->op[o].op;
            before = before || (same && i < o);
            times += same;
        }
        if (before) {
            continue;
        }
        if (named == NAMED) {
            reel__text_add(out, ", ...");
            return;
        }
        reel__text_add(out, named++ ? ", " : "");
        if (times > 1) {
            reel__text_format(out, "%d ", times);
        }
        reel__text_format(out, "%.60s", op_name(f->op[o].op));
    }
}

void reel__kernel_words(const reel__code *code, const reel__kernel *k, reel__text *out)
{
    const reel__value *v = &code->ir.v[k->value];
    switch ((reel__kernel_kind)k->kind) {
    case REEL__DO_MAP:
        add_ops(out, k->fused);
        add_shape(out, k->fused->shape);
        return;
    case REEL__DO_PRODUCT:
        reel__text_format(out, "%" PRId64 " x %" PRId64 " x %" PRId64 "%s", k->term->m, k->term->n,
                          k->term->k, k->added ? ", added up" : "");
        return;
    case REEL__DO_RUN:
        reel__text_format(out, "%.60s", op_name(v->op));
        add_shape(out, v->n ? code->ir.v[v->arg[0]].shape : v->shape);
        return;
    case REEL__DO_COPY:
        reel__text_add(out, "copy");
        add_shape(out, code->ir.v[k->term_value].shape);
        return;
    case REEL__DO_ZERO:
        reel__text_add(out, "zero");
        add_shape(out, v->shape);
        return;
    }
}

static uint64_t mix_shape(uint64_t h, reel_shape shape)
{
    h = reel__mix(h, (uint64_t)shape.rank);
    for (int k = 0; k < shape.rank; k++) {
        h = reel__mix(h, (uint64_t)shape.dim[k]);
    }
    return h;
}

uint64_t reel__kernel_hash(const reel__code *code, const reel__kernel *k)
{
    const reel__value *v = &code->ir.v[k->value];
    uint64_t h = reel__mix(k->kind, (uint64_t)k->added);
    switch ((reel__kernel_kind)k->kind) {
    case REEL__DO_MAP:
        for (int o = 0; o < k->fused->ops; o++) {
            h = reel__mix(h, (uint64_t)(uintptr_t)k->fused->op[o].op);
        }
        return mix_shape(h, k->fused->shape);
    case REEL__DO_PRODUCT:
        h = reel__mix(h, (uint64_t)k->term->m);
        return reel__mix(reel__mix(h, (uint64_t)k->term->n), (uint64_t)k->term->k);
    case REEL__DO_RUN:
        h = reel__mix(h, (uint64_t)(uintptr_t)v->op);
        return mix_shape(h, v->n ? code->ir.v[v->arg[0]].shape : v->shape);
    case REEL__DO_COPY:
        return mix_shape(h, code->ir.v[k->term_value].shape);
    case REEL__DO_ZERO:
        return mix_shape(h, v->shape);
    }
    return h;
}
