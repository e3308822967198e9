/* Job: what was measured, as tables and as totals.
 * Invariant: shares are of the time of kernels; rows are in order of time.
 * Must not know: how it was measured. */
#include <reel/plan.h>

#include <inttypes.h>
#include <stdlib.h>

#include "cost.h"
#include "memory.h"
#include "plan_write.h"
#include "profile.h"

static const reel__profile *measured(const reel_tape *tape)
{
    return tape && tape->compiled ? tape->compiled->measured : NULL;
}

reel_profile reel_profile_totals(const reel_tape *tape)
{
    const reel__profile *p = measured(tape);
    if (!p) {
        return (reel_profile){0};
    }
    reel_profile all = {.runs = p->runs, .seconds = (double)p->ns / 1e9};
    for (size_t i = 0; i < p->kernel.n; i++) {
        const reel__spent *s = &p->kernel.v[i];
        reel_profile_part *to = s->kind == REEL__DO_PRODUCT ? &all.products
                                : s->kind == REEL__DO_MAP   ? &all.elementwise
                                                            : &all.others;
        to->calls += s->calls;
        to->seconds += (double)s->ns / 1e9;
        to->flops += s->flops;
        to->bytes += s->bytes;
    }
    return all;
}

static int by_time(const void *x, const void *y)
{
    const reel__spent *const *a = x, *const *b = y;
    if ((*a)->ns != (*b)->ns) {
        return (*a)->ns > (*b)->ns ? -1 : 1;
    }
    return (*a > *b) - (*a < *b);
}

static void write_figures(reel__text *out, double seconds, double all, double flops, double bytes)
{
    reel__text_format(out, "%10.3f %5.1f%%", 1e3 * seconds, all > 0 ? 100 * seconds / all : 0);
    reel__text_format(out, " %9.2f %8.2f", seconds > 0 ? flops / seconds / 1e9 : 0,
                      seconds > 0 ? bytes / seconds / 1e9 : 0);
}

/* In order of time; NULL when memory is out. */
static const reel__spent **sorted(const reel__spents *s)
{
    const reel__spent **v = reel__reallocarray(NULL, s->n + 1, sizeof *v);
    for (size_t i = 0; v && i < s->n; i++) {
        v[i] = &s->v[i];
    }
    if (v) {
        qsort(v, s->n, sizeof *v, by_time);
    }
    return v;
}

static bool write_kernels(reel__text *out, const reel__profile *p, double all)
{
    const reel__spent **v = sorted(&p->kernel);
    reel__text_add(out, "\n        ms  share   GFLOP/s     GB/s    calls  instances  kernel\n");
    for (size_t i = 0; v && i < p->kernel.n; i++) {
        const reel__spent *s = v[i];
        write_figures(out, (double)s->ns / 1e9, all, s->flops, s->bytes);
        reel__text_format(out, " %8" PRId64 " %10" PRId64 "  %-4s %-7s ", s->calls, s->instances,
                          reel__segment_name(s->segment), reel__kernel_kind_name(s->kind));
        reel__text_add(out, s->name);
        reel__text_add(out, "\n");
    }
    reel__free(v);
    return v != NULL;
}

static bool write_scopes(reel__text *out, const reel__profile *p, double all)
{
    const reel__spent **v = sorted(&p->scope);
    reel__text_add(out, "\n        ms  share   GFLOP/s     GB/s  scope\n");
    for (size_t i = 0; v && i < p->scope.n; i++) {
        write_figures(out, (double)v[i]->ns / 1e9, all, v[i]->flops, v[i]->bytes);
        reel__text_add(out, "  ");
        reel__text_add(out, v[i]->name);
        reel__text_add(out, "\n");
    }
    reel__free(v);
    return v != NULL;
}

static void write_part(reel__text *out, const reel_profile_part *x, double all, const char *name)
{
    write_figures(out, x->seconds, all, x->flops, x->bytes);
    reel__text_format(out, " %8" PRId64 "  %s\n", x->calls, name);
}

static bool write_profile(const reel_tape *tape, reel__text *out)
{
    const reel__profile *p = measured(tape);
    if (!p || !p->runs) {
        reel__text_add(out, "nothing was measured\n");
        return true;
    }
    if (p->failed) {
        return false;
    }
    reel_profile t = reel_profile_totals(tape);
    double all = t.products.seconds + t.elementwise.seconds + t.others.seconds;
    int64_t calls = t.products.calls + t.elementwise.calls + t.others.calls;
    reel__text_format(out, "%" PRId64 " runs, %.3f ms: %" PRId64 " kernels, %.3f ms\n", t.runs,
                      1e3 * t.seconds, calls, 1e3 * all);
    if (!write_kernels(out, p, all) || !write_scopes(out, p, all)) {
        return false;
    }
    reel__text_add(out, "\n        ms  share   GFLOP/s     GB/s    calls  kind\n");
    write_part(out, &t.products, all, "products");
    write_part(out, &t.elementwise, all, "element-wise");
    write_part(out, &t.others, all, "other kernels");
    reel_profile_part sum = {calls, all, t.products.flops + t.elementwise.flops + t.others.flops,
                             t.products.bytes + t.elementwise.bytes + t.others.bytes};
    write_part(out, &sum, all, "all kernels");
    reel__text_format(out, "%10.3f                                     between kernels\n",
                      1e3 * (t.seconds - all));
    return true;
}

reel_status reel_profile_print_at(const char *at, reel_tape *tape, FILE *stream)
{
    return reel__write_report(at, tape, stream, "reel_profile_print", write_profile);
}
