/* Job: colours that show what the plan did: when a figure was computed, or how long that took.
 * Invariant: what one kernel computes looks alike; but for times, labels say nothing that another
 * run would not.
 * Must not know: plans. */
#include <inttypes.h>
#include <math.h>

#include "memory.h"
#include "picture.h"
#include "trace.h"

static void add_node(reel__tint *t, const reel__traced *x)
{
    if (!t->nodes || x->step < t->first || (x->step == t->first && x->kernel < t->kernel)) {
        t->first = x->step;
        t->kernel = x->kernel;
        t->segment = x->segment;
    }
    t->last = t->nodes && t->last > x->step ? t->last : x->step;
    if (!t->votes) {
        t->most = x->step;
    }
    t->votes += t->most == x->step ? 1 : -1; /* finds the majority, where there is one */
    t->seconds += x->seconds;
    t->flops += x->flops;
    t->nodes++;
}

bool reel__picture_tint(reel__picture *p)
{
    p->tint = reel__calloc(p->figures + 1, sizeof *p->tint);
    if (!p->tint) {
        return false;
    }
    for (size_t k = 0; k < p->nodes.n; k++) {
        reel__traced x;
        if (p->figure_of[k] != REEL__NONE && reel__traced_of(reel__drawn(p, k), &x)) {
            add_node(&p->tint[p->figure_of[k]], &x);
        }
    }
    for (size_t f = 0; f < p->figures; f++) {
        p->slowest = p->tint[f].seconds > p->slowest ? p->tint[f].seconds : p->slowest;
    }
    return true;
}

/* Hues of steps that follow each other lie far apart; where there are only greys, shades tell
 * kernels apart, and labels the steps. */
static void write_step_colour(const reel__picture *p, const reel__tint *t, reel__text *out)
{
    static const double shade[] = {0.16, 0.30, 0.44, 0.23, 0.37};
    double turn = 0.58 + 0.61803398875 * t->most;
    uint32_t kernel = t->first == t->last ? t->kernel : 1;
    if (p->palette->grey) {
        reel__text_format(out, "0.000 0.000 %.3f", 1 - shade[kernel % 5]);
    } else if (p->palette->dark) {
        reel__text_format(out, "%.3f %.2f 0.36", turn - floor(turn), 0.4 + shade[kernel % 5]);
    } else {
        reel__text_format(out, "%.3f %.2f 0.97", turn - floor(turn), shade[kernel % 5]);
    }
}

static void write_heat(const reel__picture *p, const reel__tint *t, reel__text *out)
{
    double heat = p->slowest > 0 ? sqrt(t->seconds / p->slowest) : 0;
    reel__part_colour(p, heat, out);
}

void reel__figure_colour(const reel__picture *p, uint32_t figure, reel__text *out)
{
    const reel__tint *t = &p->tint[figure];
    if (!t->nodes) {
        reel__text_add(out, p->palette->ground);
    } else if (p->args->colour == REEL_BY_PLAN) {
        write_step_colour(p, t, out);
    } else {
        write_heat(p, t, out);
    }
}

/* "1.2 ms", "340 flop" */
static void write_amount(double n, const char *const *unit, int units, reel__text *out)
{
    int u = 0;
    for (; n >= 999.5 && u < units - 1; u++) {
        n /= 1000;
    }
    reel__text_format(out, "%.3g %s", n, unit[u]);
}

static void write_spent(const reel__tint *t, reel__text *out)
{
    static const char *const time[] = {"ns", "\xc2\xb5s", "ms", "s"};
    static const char *const work[] = {"flop", "kflop", "Mflop", "Gflop", "Tflop"};
    write_amount(1e9 * t->seconds, time, 4, out);
    reel__text_add(out, ", ");
    write_amount(t->flops, work, 5, out);
}

void reel__figure_step(const reel__picture *p, uint32_t figure, reel__text *out)
{
    if (!p->tint || !p->tint[figure].nodes) {
        return;
    }
    const reel__tint *t = &p->tint[figure];
    reel__text_format(out, "<br/><font point-size=\"9\" color=\"%s\"><i>", p->palette->ink);
    if (p->args->colour == REEL_BY_TIME) {
        write_spent(t, out);
    } else if (p->figure[figure].count == 1) {
        reel__text_format(out, "step %" PRIu32 ".%" PRIu32, t->first, t->kernel);
    } else if (t->first == t->last) {
        reel__text_format(out, "step %" PRIu32, t->first);
    } else {
        reel__text_format(out, "steps %" PRIu32 "\xe2\x80\x93%" PRIu32, t->first, t->last);
    }
    reel__text_add(out, "</i></font>");
}

void reel__figure_trace(const reel__picture *p, uint32_t figure, reel__text *out)
{
    if (!p->tint || !p->tint[figure].nodes) {
        return;
    }
    const reel__tint *t = &p->tint[figure];
    if (t->first == t->last) {
        reel__text_format(out, ", step %" PRIu32 " (%s), kernel %" PRIu32, t->first, t->segment,
                          t->kernel);
    } else {
        reel__text_format(out, ", steps %" PRIu32 " to %" PRIu32, t->first, t->last);
    }
    if (p->args->colour == REEL_BY_TIME) {
        reel__text_add(out, ", ");
        write_spent(t, out);
    }
}
