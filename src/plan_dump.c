/* Job: the plan that ran last, as text that a person reads.
 * Invariant: the text depends on structure, names and scopes alone: no address, no time.
 * Must not know: how plans are made or run. */
#include <reel/plan.h>

#include <inttypes.h>
#include <string.h>

#include "cost.h"
#include "memory.h"
#include "plan_write.h"
#include "profile.h"

typedef struct dump {
    reel__text *out;
    const reel__ran *ran;
    const reel__plan *plan;
    const uint32_t *first;
    const reel__step *step; /* the present one */
    const reel__code *code;
    reel__cost cost; /* of all kernels so far */
    uint32_t *shown; /* by group and segment: the step + 1 that shows its kernels */
} dump;

static void add_shape(reel__text *out, reel_shape shape)
{
    char text[128];
    reel__text_add(out, shape.rank ? reel__shape_text(text, sizeof text, shape) : "scalar");
}

static const char *op_name(const reel_op *op)
{
    return op && op->name && *op->name ? op->name : "op";
}

/* Operands: p port, c constant, a array, t temporary, with the value's number in its block. */

static void add_value(const dump *d, int value)
{
    const reel__value *v = &d->code->ir.v[value];
    char kind = v->kind == REEL__PORT     ? 'p'
                : v->kind == REEL__CONST  ? 'c'
                : v->store == REEL__ARRAY ? 'a'
                                          : 't';
    reel__text_format(d->out, "%c%d", kind, value);
}

static void add_strides(const dump *d, const int64_t *stride, int rank)
{
    reel__text_add(d->out, "(");
    for (int k = 0; k < rank; k++) {
        reel__text_format(d->out, "%s%" PRId64, k ? "," : "", stride[k]);
    }
    reel__text_add(d->out, ")");
}

/* With the offset when there is one, and the strides when they are not those of all of the value.
 */
static void add_operand(const dump *d, const reel__operand *x, reel_shape shape)
{
    const reel__value *v = &d->code->ir.v[x->value];
    add_value(d, x->value);
    if (x->window.offset) {
        reel__text_format(d->out, "+%" PRId64, x->window.offset);
    }
    if (reel_shape_size(shape) != v->size || !reel__window_dense(shape, &x->window)) {
        add_strides(d, x->window.stride, shape.rank);
    }
}

static void add_matrix(const dump *d, const reel__matrix *m, int64_t rows, int64_t columns)
{
    reel__operand x = m->x;
    add_value(d, x.value);
    if (x.window.offset) {
        reel__text_format(d->out, "+%" PRId64, x.window.offset);
    }
    if (m->row != columns || m->column != 1) {
        add_strides(d, (const int64_t[]){m->row, m->column}, 2);
    }
    reel__text_format(d->out, " [%" PRId64 ",%" PRId64 "]", rows, columns);
}

/* Kernels */

static void write_map_op(const dump *d, const reel__fused *f, const reel__map_op *op)
{
    reel__text_add(d->out, "           ");
    if (op->reduces) {
        add_operand(d, &f->output[op->out], f->shape);
    } else {
        reel__text_format(d->out, "r%d", op->to);
    }
    reel__text_format(d->out, " = %.60s", op_name(op->op));
    for (int k = 0; k < op->n; k++) {
        reel__text_add(d->out, " ");
        if (op->arg[k] >= 0) {
            reel__text_format(d->out, "r%d", op->arg[k]);
        } else {
            add_operand(d, &f->input[-1 - op->arg[k]], f->shape);
        }
    }
    if (op->out >= 0 && !op->reduces) {
        reel__text_add(d->out, " -> ");
        add_operand(d, &f->output[op->out], f->shape);
    }
    reel__text_add(d->out, "\n");
}

static void write_to(const dump *d, const reel__kernel *k, reel_shape shape)
{
    if (k->added) {
        reel__text_add(d->out, "sum");
    } else {
        add_operand(d, &k->to, shape);
    }
}

static void write_product(const dump *d, const reel__kernel *k)
{
    const reel__term *t = k->term;
    if (k->added) {
        reel__text_add(d->out, "sum");
        if (t->c.x.window.offset) {
            reel__text_format(d->out, "+%" PRId64, t->c.x.window.offset);
        }
        reel__text_format(d->out, " [%" PRId64 ",%" PRId64 "]", t->m, t->n);
    } else {
        add_matrix(d, &t->c, t->m, t->n);
    }
    reel__text_add(d->out, k->added || k->accumulate ? " += " : " = ");
    add_matrix(d, &t->a, t->m, t->k);
    reel__text_add(d->out, " x ");
    add_matrix(d, &t->b, t->k, t->n);
    if (k->beside) {
        reel__text_add(d->out, ", with the next");
    }
}

static void write_what(const dump *d, const reel__kernel *k)
{
    const reel__value *v = &d->code->ir.v[k->value];
    switch ((reel__kernel_kind)k->kind) {
    case REEL__DO_MAP:
        add_shape(d->out, k->fused->shape);
        reel__text_format(d->out, ", %d registers", k->fused->registers);
        return;
    case REEL__DO_PRODUCT:
        write_product(d, k);
        return;
    case REEL__DO_RUN:
        write_to(d, k, v->shape);
        reel__text_add(d->out, " ");
        add_shape(d->out, v->shape);
        reel__text_add(d->out, k->added || k->accumulate ? " += " : " = ");
        reel__text_format(d->out, "%.60s", op_name(v->op));
        for (int i = 0; i < v->n; i++) {
            reel__text_add(d->out, " ");
            add_operand(d, &k->args[i], d->code->ir.v[v->arg[i]].shape);
        }
        return;
    case REEL__DO_COPY:
        add_operand(d, &k->to, d->code->ir.v[k->term_value].shape);
        reel__text_add(d->out, " = ");
        add_operand(d, &k->args[0], d->code->ir.v[k->term_value].shape);
        reel__text_add(d->out, " ");
        add_shape(d->out, d->code->ir.v[k->term_value].shape);
        if (d->plan->group[d->step->group].given[k->value] & REEL__IN_PLACE) {
            reel__text_add(d->out, ", lies there already");
        }
        return;
    case REEL__DO_ZERO:
        write_to(d, k, v->shape);
        reel__text_add(d->out, " = 0 ");
        add_shape(d->out, v->shape);
        return;
    }
}

static void write_kernel(dump *d, int number, const reel__kernel *k, int sums)
{
    reel__cost cost = reel__cost_of(d->plan, d->step, k, sums);
    reel__text_format(d->out, "    %3d  %-7s  ", number, reel__kernel_kind_name(k->kind));
    write_what(d, k);
    reel__text_format(d->out, "; %" PRId64 " bytes", cost.bytes);
    if (cost.flops) {
        reel__text_format(d->out, ", %" PRId64 " flops", cost.flops);
    }
    reel__text_add(d->out, "\n");
    for (int o = 0; k->kind == REEL__DO_MAP && o < k->fused->ops; o++) {
        write_map_op(d, k->fused, &k->fused->op[o]);
    }
    d->cost.flops += cost.flops;
    d->cost.bytes += cost.bytes;
}

/* Steps */

static void add_name(const dump *d, uint32_t outside)
{
    const reel__ran *ran = d->ran;
    uint32_t number = d->plan->from ? d->plan->from[outside] : outside;
    if (!ran->outside || ran->epoch != ran->tape->epoch) {
        return;
    }
    const char *name = reel_node_name(reel__node_of(ran->outside[number]));
    reel__text_add(d->out, *name ? " " : "");
    reel__text_format(d->out, "%.100s", name);
}

static void add_place(const dump *d, reel__place p)
{
    static const char *const base[] = {"scratch", "kept"};
    if (p.base == REEL__CONSTANT) {
        reel__text_add(d->out, "constant");
        return;
    }
    if (p.base < REEL__CONSTANT) {
        reel__text_format(d->out, "%s+%zu", base[p.base], p.offset);
        return;
    }
    reel__text_format(d->out, "outside %" PRIu32, p.base - REEL__OUTSIDE);
    add_name(d, p.base - REEL__OUTSIDE);
    if (p.offset) {
        reel__text_format(d->out, "+%zu", p.offset);
    }
}

static void write_binding(const dump *d, int port, const reel__binding *b)
{
    uint32_t count = d->step->to - d->step->from;
    reel__text_format(d->out, "         p%d ", port);
    add_shape(d->out, d->code->ir.v[port].shape);
    reel__text_add(d->out, ": ");
    add_place(d, b->at);
    if (b->each) {
        reel__text_add(d->out, " and other places");
    } else if (count > 1 && b->stride) {
        reel__text_format(d->out, ", then every %" PRId64, b->stride);
    }
    reel__text_add(d->out, "\n");
}

/* Where what is added goes, for the first instance of each kernel. */
static void write_sums(const dump *d, const reel__segment *s)
{
    uint32_t count = d->step->to - d->step->from;
    for (int k = 0, sums = 0; k < s->kernels; k++) {
        if (!s->kernel[k].added) {
            continue;
        }
        size_t at = (size_t)sums++ * count;
        reel__text_format(d->out, "         sum of %d: ", k);
        add_place(d, d->step->sum[at]);
        reel__text_add(d->out, d->step->starts[at] ? ", begun here\n" : "\n");
    }
}

static void write_scope(const dump *d)
{
    const reel__group *q = &d->plan->group[d->step->group];
    uint32_t whose;
    const reel__slot *s =
        reel__ran_slot(d->ran, d->first, d->plan->order[q->first + d->step->from], &whose);
    if (s && s->scope) {
        char text[512];
        reel__scope_text(d->ran->tape, s->scope, text, sizeof text, false);
        reel__text_add(d->out, "  ");
        reel__text_add(d->out, text);
    }
    reel__text_add(d->out, reel__whose(whose));
}

static bool same_count(const reel__step *a, const reel__step *b)
{
    return a->to - a->from == b->to - b->from;
}

/* Kernels that an earlier step has shown. */
static void write_short(dump *d, const reel__segment *s, uint32_t shown)
{
    reel__cost all = {0, 0};
    int sums = 0;
    for (int k = 0; k < s->kernels; k++) {
        reel__cost cost = reel__cost_of(d->plan, d->step, &s->kernel[k], sums);
        sums += s->kernel[k].added;
        all.flops += cost.flops;
        all.bytes += cost.bytes;
    }
    reel__text_format(d->out, "         kernels as in step %" PRIu32 "; %" PRId64 " bytes", shown,
                      all.bytes);
    if (all.flops) {
        reel__text_format(d->out, ", %" PRId64 " flops", all.flops);
    }
    reel__text_add(d->out, "\n");
    d->cost.flops += all.flops;
    d->cost.bytes += all.bytes;
}

static void write_step(dump *d, uint32_t number)
{
    d->step = &d->plan->step[number];
    const reel__group *q = &d->plan->group[d->step->group];
    d->code = q->code;
    const reel__segment *s = &q->code->segment[d->step->segment];
    reel__text_format(d->out, "step %" PRIu32 "  %s of group %" PRIu32, number,
                      reel__segment_name(d->step->segment), d->step->group);
    if (d->step->to - d->step->from == 1) {
        reel__text_format(d->out, ", instance %" PRIu32, d->step->from);
    } else {
        reel__text_format(d->out, ", instances %" PRIu32 " to %" PRIu32, d->step->from,
                          d->step->to - 1);
    }
    write_scope(d);
    reel__text_add(d->out, "\n");
    for (int p = 0; p < s->ports; p++) {
        write_binding(d, s->port[p], &d->step->binding[p]);
    }
    write_sums(d, s);
    uint32_t *shown = &d->shown[d->step->group * REEL__SEGMENTS + d->step->segment];
    if (*shown && same_count(&d->plan->step[*shown - 1], d->step)) {
        write_short(d, s, *shown - 1);
        return;
    }
    *shown = number + 1;
    int sums = 0;
    for (int k = 0; k < s->kernels; k++) {
        write_kernel(d, k, &s->kernel[k], sums);
        sums += s->kernel[k].added;
    }
}

/* Arrays */

static void write_array(dump *d, uint32_t group, int value)
{
    const reel__group *q = &d->plan->group[group];
    const reel__value *v = &q->code->ir.v[value];
    reel__life life = q->life[value];
    if (v->store != REEL__ARRAY || v->kind == REEL__PORT || life.first > life.last) {
        return;
    }
    reel__text_format(d->out, "  group %" PRIu32 " a%d ", group, value);
    add_shape(d->out, v->shape);
    uint32_t count = q->given[value] & REEL__WINDOWED  ? q->window
                     : q->given[value] & REEL__ROLLING ? 2 * q->window
                     : q->given[value] & REEL__PAIRED  ? 2 * q->width
                                                       : q->count;
    reel__text_format(d->out, " x %" PRIu32 ": %zu bytes at ", count,
                      (size_t)v->size * reel_dtype_size((reel_dtype)v->dtype) * count);
    add_place(d, q->array[value]);
    if (life.last == d->plan->steps) {
        reel__text_format(d->out, ", from step %" PRIu32 " on\n", life.first);
    } else {
        reel__text_format(d->out, ", steps %" PRIu32 " to %" PRIu32 "\n", life.first, life.last);
    }
}

static void write_arrays(dump *d)
{
    reel__text_add(d->out, "arrays\n");
    for (uint32_t q = 0; q < d->plan->groups; q++) {
        for (int i = 0; i < d->plan->group[q].code->ir.n; i++) {
            write_array(d, q, i);
        }
    }
    for (uint32_t k = 0; k < d->plan->keeps; k++) {
        const reel__keep *x = &d->plan->keep[k];
        reel__text_format(d->out, "  copied at the end: %zu bytes from ", x->bytes);
        add_place(d, x->from);
        reel__text_add(d->out, " to ");
        add_place(d, x->to);
        reel__text_add(d->out, "\n");
    }
}

static bool write_dump(const reel_tape *tape, reel__text *out)
{
    const reel__compiled *c = tape->compiled;
    if (!c || !c->ran.plan) {
        reel__text_add(out, "no plan has run\n");
        return true;
    }
    const reel__plan *plan = c->ran.plan;
    uint32_t *first = reel__ran_first(&c->ran);
    uint32_t *shown = reel__calloc((size_t)plan->groups * REEL__SEGMENTS + 1, sizeof *shown);
    if (!first || !shown) {
        reel__free(first);
        reel__free(shown);
        return false;
    }
    dump d = {.out = out, .ran = &c->ran, .plan = plan, .first = first, .shown = shown};
    reel__text_format(out,
                      "plan of %" PRIu32 " nodes in %" PRIu32 " groups: %" PRIu32 " steps, %" PRId64
                      " kernels\n",
                      plan->nodes, plan->groups, plan->steps, plan->kernels);
    for (uint32_t s = 0; s < plan->steps; s++) {
        write_step(&d, s);
    }
    write_arrays(&d);
    reel__text_format(out, "totals\n  kernels: %" PRId64 " bytes, %" PRId64 " flops\n",
                      d.cost.bytes, d.cost.flops);
    reel__text_format(out,
                      "  memory: %zu bytes kept, %zu scratch, of which one step has %zu at most; ",
                      plan->kept, plan->scratch, plan->working);
    reel__text_format(out, "%zu without reuse\n", reel__plan_without_reuse(plan));
    reel__free(first);
    reel__free(shown);
    return true;
}

reel_status reel_plan_dump_at(const char *at, reel_tape *tape, FILE *stream)
{
    return reel__write_report(at, tape, stream, "reel_plan_dump", write_dump);
}
