/* Job: run a plan: step after step, kernel after kernel.
 * Invariant: a run reads outside values and writes the run's own memory, nothing else; it can be
 * thrown away.
 * Must not know: nodes, and what an op computes. */
#include "replay.h"

#include <string.h>

#include "call.h"
#include "memory.h"
#include "profile.h"

char *reel__address(const reel__running *r, reel__place p)
{
    if (p.base == REEL__CONSTANT) {
        return (char *)(uintptr_t)p.offset;
    }
    if (p.base < REEL__CONSTANT) {
        return r->base[p.base] + p.offset;
    }
    return (char *)(uintptr_t)r->outside[p.base - REEL__OUTSIDE] + p.offset;
}

reel__ref reel__find(const reel__running *r, const reel__operand *x)
{
    const reel__value *v = &r->group->code->ir.v[x->value];
    int64_t element = (int64_t)reel__dtype_size((reel_dtype)v->dtype);
    reel__ref ref = {.offset = (size_t)(x->window.offset * element)};
    if (v->kind == REEL__PORT) {
        const reel__binding *b = &r->step->binding[r->segment->binding[x->value]];
        ref.each = b->each;
        ref.stride = b->stride;
        ref.at = reel__address(r, b->at) + ref.offset;
        if (b->at.base >= REEL__OUTSIDE && !b->each && b->stride == 0) {
            ref.version = r->version[b->at.base - REEL__OUTSIDE];
        }
        return ref;
    }
    ref.stride = v->size * element;
    if (v->kind == REEL__CONST) {
        ref.at = (char *)v->constant + ref.offset;
        ref.stride = 0;
    } else if (v->store == REEL__ARRAY) {
        int64_t from = r->step->from;
        if (r->group->given[x->value] & REEL__WINDOWED) {
            from -= r->step->origin;
        } else if (r->group->given[x->value] & REEL__ROLLING) {
            from += (int64_t)(r->step->odd ? r->group->window : 0) - r->step->origin;
        } else if (r->group->given[x->value] & REEL__PAIRED) {
            from = r->step->near;
        }
        ref.at = reel__address(r, r->group->array[x->value]) + from * ref.stride + ref.offset;
    } else {
        ref.at = r->temporary + v->offset * (size_t)r->count + ref.offset;
    }
    return ref;
}

void *reel__room(reel__compiled *c, size_t bytes)
{
    if (bytes > c->room_bytes) {
        void *room = reel__malloc_aligned(bytes + bytes / 4);
        if (!room) {
            return NULL;
        }
        reel__free(c->room);
        c->room = room;
        c->room_bytes = bytes + bytes / 4;
    }
    return c->room;
}

/* How many instances from m on can be summed by one call: they lie one after another, go into the
 * same sum, and the op sums leading axes away, so that one more of them makes no difference. */
static int64_t summed_at_once(const reel__running *r, const reel__kernel *k, const reel_tensor *x,
                              const reel__ref *ref, int64_t m)
{
    const reel_op *op = r->group->code->ir.v[k->value].op;
    unsigned sums = REEL_OP_REDUCTION | REEL_OP_ACCUMULATES;
    int64_t bytes = x->size * (int64_t)reel__dtype_size(x->dtype), n = 1;
    if (!k->added || (op->flags & sums) != sums || x->shape.rank == REEL_MAX_RANK || ref->each ||
        ref->stride != bytes) {
        return 1;
    }
    const reel__place *sum = r->step->sum + (int64_t)r->sums * r->count;
    while (m + n < r->count && sum[m + n].base == sum[m].base &&
           sum[m + n].offset == sum[m].offset) {
        n++;
    }
    return n;
}

/* An op's own kernel, instance by instance. */
static bool run_op(reel__running *r, const reel__kernel *k)
{
    enum { FEW = 8 };
    reel_tensor few[FEW], *x = few;
    reel__ref few_refs[FEW], *ref = few_refs, to = {.at = NULL};
    const reel__ir *ir = &r->group->code->ir;
    const reel__value *v = &ir->v[k->value];
    if (v->n > FEW) {
        x = reel__arena_alloc(&r->c->work, (size_t)v->n * sizeof *x);
        ref = reel__arena_alloc(&r->c->work, (size_t)v->n * sizeof *ref);
        if (!x || !ref) {
            return false;
        }
    }
    for (int i = 0; i < v->n; i++) {
        const reel__value *a = &ir->v[v->arg[i]];
        ref[i] = reel__find(r, &k->args[i]);
        x[i] = (reel_tensor){.dtype = (reel_dtype)a->dtype, .shape = a->shape, .size = a->size};
    }
    if (!k->added) {
        to = reel__find(r, &k->to);
    }
    for (int64_t m = 0, n = 1; m < r->count; m += n) {
        for (int i = 0; i < v->n; i++) {
            x[i].data = reel__ref_at(r, &ref[i], m);
        }
        reel_tensor all = v->n ? x[0] : (reel_tensor){.data = NULL};
        n = v->n == 1 ? summed_at_once(r, k, &x[0], &ref[0], m) : 1;
        if (n > 1) {
            all.shape = reel_shape_of(
                all.shape.rank + 1,
                (const int64_t[]){n, all.shape.dim[0], all.shape.dim[1], all.shape.dim[2]});
            all.size *= n;
        }
        reel_call_state state = {.status = REEL_OK};
        reel_call call = {.op = v->op,
                          .n = v->n,
                          .x = n > 1 ? &all : x,
                          .attr = v->attr,
                          .end = 1,
                          .accumulate = k->accumulate,
                          .state = &state};
        call.y = (reel_tensor){.dtype = (reel_dtype)v->dtype, .shape = v->shape, .size = v->size};
        if (k->added) {
            int64_t entry = (int64_t)r->sums * r->count + m;
            call.y.data = reel__address(r, r->step->sum[entry]);
            call.accumulate = !r->step->starts[entry];
        } else {
            call.y.data = reel__ref_at(r, &to, m);
        }
        reel_status status = reel__call_run(&call, r->tape->dtype, r->tape->threads);
        if (status) {
            r->c->kernel_failed = status != REEL_ERR_MEMORY;
            return false;
        }
    }
    return true;
}

/* Copies a window into a window. */
static void copy_one(reel_shape shape, size_t element, char *to, const int64_t *to_stride,
                     const char *from, const int64_t *from_stride)
{
    int64_t index[REEL_MAX_RANK] = {0};
    int rank = shape.rank;
    int64_t run = rank ? shape.dim[rank - 1] : 1, rows = 1;
    int64_t to_step = rank ? to_stride[rank - 1] : 1, from_step = rank ? from_stride[rank - 1] : 1;
    for (int k = 0; k < rank - 1; k++) {
        rows *= shape.dim[k];
    }
    for (int64_t row = 0; row < rows; row++) {
        int64_t a = 0, b = 0;
        for (int k = 0; k < rank - 1; k++) {
            a += index[k] * to_stride[k];
            b += index[k] * from_stride[k];
        }
        char *y = to + a * (int64_t)element;
        const char *x = from + b * (int64_t)element;
        if (to_step == 1 && from_step == 1) {
            memcpy(y, x, (size_t)run * element);
        } else {
            for (int64_t i = 0; i < run; i++) {
                memcpy(y + i * to_step * (int64_t)element, x + i * from_step * (int64_t)element,
                       element);
            }
        }
        for (int k = rank - 2; k >= 0 && ++index[k] == shape.dim[k]; k--) {
            index[k] = 0;
        }
    }
}

static void run_copy(reel__running *r, const reel__kernel *k)
{
    const reel__value *from = &r->group->code->ir.v[k->term_value];
    reel__ref x = reel__find(r, &k->args[0]), y = reel__find(r, &k->to);
    size_t element = reel__dtype_size((reel_dtype)from->dtype);
    for (int64_t m = 0; m < r->count; m++) {
        copy_one(from->shape, element, reel__ref_at(r, &y, m), k->to.window.stride,
                 reel__ref_at(r, &x, m), k->args[0].window.stride);
    }
}

static void run_zero(reel__running *r, const reel__kernel *k)
{
    const reel__value *v = &r->group->code->ir.v[k->value];
    reel__ref y = reel__find(r, &k->to);
    for (int64_t m = 0; m < r->count; m++) {
        memset(reel__ref_at(r, &y, m), 0, (size_t)v->size * reel__dtype_size((reel_dtype)v->dtype));
    }
}

static bool run_kernel(reel__running *r, const reel__kernel *k)
{
    switch (k->kind) {
    case REEL__DO_MAP:
        return reel__run_fused(r, k);
    case REEL__DO_PRODUCT:
        return reel__run_product(r, k);
    case REEL__DO_RUN:
        return run_op(r, k);
    case REEL__DO_COPY:
        if (!(r->group->given[k->value] & REEL__IN_PLACE)) {
            run_copy(r, k);
        }
        return true;
    default:
        run_zero(r, k);
        return true;
    }
}

/* k, and of those that follow it what is made with it: *n in all. */
static bool run_kernels(reel__running *r, const reel__kernel *k, int *n)
{
    *n = 0;
    if (k->beside && !reel__run_beside(r, k, 1 + k->beside, n)) {
        return false;
    }
    if (*n) {
        return true;
    }
    *n = 1;
    return run_kernel(r, k);
}

/* Of products that were made at once each has its share of the time, by columns. */
static void share_out(reel__profile *p, const reel__kernel *k, int n, uint64_t ns)
{
    uint64_t all = 0, columns = 0, shared = 0;
    for (int i = 0; n > 1 && i < n; i++) {
        all += (uint64_t)k[i].term->n; /* at least 1: of nothing no kernel is made */
    }
    for (int i = 0; i < n; i++) {
        columns += n > 1 ? (uint64_t)k[i].term->n : 0;
        uint64_t until = n > 1 ? ns * columns / all : ns;
        reel__profile_add(p, until - shared);
        shared = until;
    }
}

static bool run_step(reel__running *r, const reel__step *step)
{
    r->step = step;
    r->group = &r->plan->group[step->group];
    r->segment = &r->group->code->segment[step->segment];
    r->count = (int64_t)step->to - step->from;
    r->temporary = r->base[REEL__SCRATCH] + step->temporary;
    r->sums = 0;
    for (int k = 0, n; k < r->segment->kernels; k += n) {
        const reel__kernel *kernel = &r->segment->kernel[k];
        uint64_t start = r->c->profile ? reel__profile_now() : 0;
        if (!run_kernels(r, kernel, &n)) {
            return false;
        }
        if (r->c->profile) {
            share_out(r->c->profile, kernel, n, reel__profile_now() - start);
        }
        r->sums += n * kernel->added;
    }
    return true;
}

bool reel__replay(reel__compiled *c, const reel__plan *plan, const void *const *outside,
                  const uint64_t *version, char *scratch, char *kept)
{
    reel__running r = {.c = c,
                       .tape = c->tape,
                       .plan = plan,
                       .outside = outside,
                       .version = version,
                       .base = {scratch, kept, NULL}};
    c->run++;
    if (c->profile) {
        reel__profile_begin(c->profile, plan);
    }
    for (uint32_t s = 0; s < plan->steps; s++) {
        if (!run_step(&r, &plan->step[s])) {
            return false;
        }
    }
    for (uint32_t k = 0; k < plan->keeps; k++) {
        memcpy(reel__address(&r, plan->keep[k].to), reel__address(&r, plan->keep[k].from),
               plan->keep[k].bytes);
    }
    if (c->profile) {
        reel__profile_end(c, plan);
    }
    return true;
}
