/* Job: judges analytic gradients by difference formulas, entry by entry or along random directions,
 * and takes down the worst. Invariant: every leaf holds its own values again after each comparison.
 * Must not know: what is checked. */
#include "checker.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check_slope.h"
#include "memory.h"

enum { FULL_LIMIT = 200 };

static double tolerance(const reel__checker *c)
{
    return c->args->tolerance > 0 ? c->args->tolerance : 1e-6;
}

static double largest_step(const reel__checker *c)
{
    return c->args->step > 0 ? c->args->step : 1e-2;
}

static void write_entry(reel__checker *c, char *text, size_t n)
{
    const reel_check_report *r = c->report;
    const reel__leaf *leaf = &c->sampler.leaf[c->leaf[c->line_leaf]];
    size_t used = (size_t)snprintf(text, n, "%s", r->name);
    if (r->index < 0) {
        snprintf(text + used, n - used, " (along a direction)");
        return;
    }
    int64_t at[REEL_MAX_RANK], rest = r->index;
    for (int i = leaf->shape.rank - 1; i >= 0; i--) {
        at[i] = rest % leaf->shape.dim[i];
        rest /= leaf->shape.dim[i];
    }
    for (int i = 0; i < leaf->shape.rank && used < n; i++) {
        const char *end = i + 1 == leaf->shape.rank ? "]" : "";
        used += (size_t)snprintf(text + used, n - used, "%s%lld%s", i ? "," : "[", (long long)at[i],
                                 end);
    }
}

/* Takes down the entry as the worst so far. */
static void take_down(reel__checker *c, double analytic, double numeric, double ratio)
{
    reel_check_report *r = c->report;
    char entry[160];
    c->worst = ratio;
    r->order = c->order;
    r->index = c->line_entry;
    r->analytic = analytic;
    r->numeric = numeric;
    r->absolute = fabs(analytic - numeric);
    double size = fmax(fabs(analytic), fabs(numeric));
    r->relative = r->absolute == 0 ? 0 : r->absolute / size;
    snprintf(r->name, sizeof r->name, "%s", c->sampler.leaf[c->leaf[c->line_leaf]].name);
    write_entry(c, entry, sizeof entry);
    snprintf(r->message, sizeof r->message,
             "%s: %s %s: analytic %.10g, numeric %.10g, absolute %.2g, relative %.2g (order %d)",
             c->title, ratio <= 1 ? "gradients agree; worst" : "wrong gradient of", entry, analytic,
             numeric, r->absolute, r->relative, c->order);
}

/* The difference over what is allowed; at most 1 when the two agree. */
static double judge(const reel__checker *c, double analytic, const reel__slope *numeric)
{
    double difference = fabs(analytic - numeric->value);
    double allowed = tolerance(c) * fmax(fabs(analytic), fabs(numeric->value)) + numeric->error;
    if (difference == 0) {
        return 0;
    }
    return isfinite(analytic) && allowed > 0 ? difference / allowed : HUGE_VAL;
}

static double analytic_slope(const reel__checker *c, int way)
{
    const double *gradient = c->analytic[way][c->line_leaf];
    if (c->line_entry >= 0) {
        return gradient[c->line_entry];
    }
    double sum = 0;
    for (int64_t k = 0; k < c->sampler.leaf[c->leaf[c->line_leaf]].size; k++) {
        sum += gradient[k] * c->direction[k];
    }
    return sum;
}

/* How large the entries of the line's leaf are: steps are relative to that. */
static double line_scale(const reel__checker *c)
{
    const reel__leaf *leaf = &c->sampler.leaf[c->leaf[c->line_leaf]];
    if (c->line_entry >= 0) {
        return fmax(1, fabs(c->base[c->line_entry]));
    }
    int64_t moved = 0;
    for (int64_t k = 0; k < leaf->size; k++) {
        moved += c->direction[k] != 0;
    }
    return fmin(1, 4 / sqrt((double)moved + 1));
}

/* Compares along the line. *ratio: see judge; 0 where the function has a kink. */
static bool compare(reel__checker *c, double *ratio)
{
    reel__slope numeric;
    reel__slope_args search = {.f = reel__check_line,
                               .context = c,
                               .f0 = c->f0,
                               .magnitude = c->magnitude,
                               .step = largest_step(c) * line_scale(c),
                               .tolerance = tolerance(c)};
    if (!reel__slope_find(&search, &numeric)) {
        return false;
    }
    *ratio = 0;
    for (int way = 0; way < c->order; way++) { /* order 2 has two ways to the analytic value */
        double analytic = analytic_slope(c, way);
        double found = judge(c, analytic, &numeric);
        double size = fmax(fabs(analytic), fabs(numeric.value));
        bool undecided = !numeric.settled && found <= 1 && numeric.error > 1e-2 * size &&
                         numeric.error > 1e3 * DBL_EPSILON * c->magnitude / largest_step(c);
        if (numeric.kink || undecided) {
            c->report->kinks++;
            return true;
        }
        *ratio = fmax(*ratio, found);
        if (found > c->worst) {
            take_down(c, analytic, numeric.value, found);
        }
    }
    c->report->compared++;
    return true;
}

static int64_t line_size(const reel__checker *c)
{
    return c->sampler.leaf[c->leaf[c->line_leaf]].size;
}

static bool compare_entries(reel__checker *c)
{
    double ratio;
    for (c->line_entry = 0; c->line_entry < line_size(c); c->line_entry++) {
        if (!compare(c, &ratio)) {
            return false;
        }
    }
    return true;
}

/* A direction fails: halves it until one entry is left, to name that one. */
static bool narrow(reel__checker *c, double *direction, double *half)
{
    int64_t first = 0, last = line_size(c);
    c->direction = half;
    while (last - first > 1) {
        int64_t middle = first + (last - first) / 2;
        double ratio[2];
        for (int side = 0; side < 2; side++) {
            int64_t from = side ? middle : first, to = side ? last : middle;
            memset(half, 0, (size_t)line_size(c) * sizeof *half);
            memcpy(half + from, direction + from, (size_t)(to - from) * sizeof *half);
            if (!compare(c, &ratio[side])) {
                return false;
            }
        }
        if (ratio[0] <= 1 && ratio[1] <= 1) {
            return true; /* too little in either half: the direction stands */
        }
        first = ratio[1] > ratio[0] ? middle : first;
        last = ratio[1] > ratio[0] ? last : middle;
    }
    reel_check_report before = *c->report;
    double ratio, worst = c->worst;
    c->worst = 0;
    c->line_entry = first;
    if (!compare(c, &ratio)) {
        return false;
    }
    if (ratio <= 1) { /* a borderline case: alone, the entry is let pass */
        *c->report = before;
        c->worst = worst;
    }
    return true;
}

static bool compare_directions(reel__checker *c, reel_random *random)
{
    size_t n = (size_t)line_size(c);
    double *direction = reel__reallocarray(NULL, 2 * n, sizeof *direction);
    if (!direction) {
        return reel__check_out_of_memory(c);
    }
    bool ok = true;
    double ratio = 0;
    int directions = c->args->directions > 0 ? c->args->directions : 8;
    for (int i = 0; ok && ratio <= 1 && n > 0 && i < directions; i++) {
        for (size_t k = 0; k < n; k++) {
            double size = 0.5 + reel_random_uniform(random);
            direction[k] = reel_random_below(random, 2) ? size : -size;
        }
        c->line_entry = -1;
        c->direction = direction;
        ok = compare(c, &ratio);
    }
    if (ok && ratio > 1) {
        ok = narrow(c, direction, direction + n);
    }
    reel__free(direction);
    return ok;
}

static bool compare_leaf(reel__checker *c, bool full, reel_random *random)
{
    const reel__leaf *leaf = &c->sampler.leaf[c->leaf[c->line_leaf]];
    c->base = reel__reallocarray(NULL, (size_t)leaf->size, sizeof *c->base);
    if (!c->base) {
        return reel__check_out_of_memory(c);
    }
    memcpy(c->base, leaf->value, (size_t)leaf->size * sizeof *c->base);
    bool ok = full ? compare_entries(c) : compare_directions(c, random);
    reel__free(c->base);
    c->base = NULL;
    return ok;
}

bool reel__check_compare(reel__checker *c)
{
    int64_t entries = 0;
    for (size_t i = 0; i < c->leaves; i++) {
        entries += c->sampler.leaf[c->leaf[i]].size;
    }
    reel_check_mode mode = c->args->mode;
    bool full = mode == REEL_CHECK_FULL || (mode == REEL_CHECK_AUTO && entries <= FULL_LIMIT);
    reel_random random = reel_random_new(c->args->seed, reel_random_stream("directions"));
    for (c->line_leaf = 0; c->line_leaf < c->leaves; c->line_leaf++) {
        if (!compare_leaf(c, full, &random)) {
            return false;
        }
    }
    return true;
}
