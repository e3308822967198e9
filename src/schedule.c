/* Job: learning rates as functions of time.
 * Invariant: plain data in, a number out; only a plateau schedule remembers anything, and only in
 * its struct. Must not know: optimizers. */
#include <reel/opt.h>

#include <math.h>

static const double PI = 3.14159265358979323846;

static double factor_of(const reel_schedule *s)
{
    return s->factor != 0 ? s->factor : 0.5;
}

static double cosine(const reel_schedule *s, int64_t t)
{
    if (s->total <= 0) {
        return s->rate;
    }
    double part = t < s->total ? (double)t / (double)s->total : 1;
    return s->floor + (s->rate - s->floor) * (1 + cos(PI * part)) / 2;
}

/* The rate once the warm-up is over, by the step and by the time that the schedule counts. */
static double rate_after_warmup(const reel_schedule *s, int64_t step, int64_t t)
{
    switch (s->kind) {
    case REEL_RATE_CONSTANT:
        break;
    case REEL_RATE_STEP:
        return s->rate * pow(factor_of(s), (double)(t / (s->every > 0 ? s->every : 1)));
    case REEL_RATE_EXPONENTIAL:
        return s->rate * pow(factor_of(s), (double)t);
    case REEL_RATE_COSINE:
        return cosine(s, t);
    case REEL_RATE_INVERSE_SQRT:
        return s->rate * sqrt((s->warmup > 0 ? (double)s->warmup : 1) / ((double)step + 1));
    case REEL_RATE_PLATEAU:
        return s->rate * pow(factor_of(s), (double)s->cuts);
    }
    return s->rate;
}

double reel_schedule_rate(const reel_schedule *s, int64_t t)
{
    int64_t step = t > 0 ? t : 0;
    double rate;
    if (step < s->warmup) {
        rate = s->rate * ((double)step + 1) / (double)s->warmup;
    } else {
        int64_t counted = step - (s->warmup > 0 ? s->warmup : 0);
        counted -= s->after > 0 ? s->after : 0;
        rate = rate_after_warmup(s, step, counted > 0 ? counted : 0);
    }
    return rate < s->floor ? s->floor : rate;
}

void reel_schedule_report(reel_schedule *s, double loss)
{
    if (s->kind != REEL_RATE_PLATEAU || (!s->started && isnan(loss))) {
        return;
    }
    if (!s->started || loss < s->best) {
        s->started = true;
        s->best = loss;
        s->bad = 0;
        return;
    }
    s->bad++;
    if (s->bad >= (s->patience > 0 ? s->patience : 1)) {
        s->bad = 0;
        s->cuts++;
    }
}
