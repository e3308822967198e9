/* Progress lines. What it must not know: how training works. Nothing here has an influence on
 * results. */
#include "progress.h"
#include "../program/say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double nats_per_bit = 0.69314718055994530942;

void progress_start(progress *p, bool quiet, int64_t step)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    double now = clock_seconds();
    *p = (progress){.quiet = quiet,
                    .started = now,
                    .shown = now,
                    .since = now,
                    .first_step = step,
                    .since_step = step};
    p->terminal = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    p->colour = p->terminal && (no_colour == NULL || no_colour[0] == '\0');
}

void progress_clear(const progress *p)
{
    if (p->terminal && !p->quiet) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

static void show(progress *p, const update *u, double now)
{
    char rate[32], left[32];
    double left_seconds = (double)((u->steps - u->step) * u->units) / p->rate;
    duration(left_seconds < u->seconds_left ? left_seconds : u->seconds_left, left, sizeof left);
    thousands(llrint(p->rate), rate, sizeof rate);
    if (p->terminal) {
        fputs("\r\033[K", stderr);
    }
    const char *bold = p->colour ? "\033[1m" : "", *plain = p->colour ? "\033[0m" : "";
    fprintf(stderr, "epoch %" PRId64 ", step %" PRId64, u->epoch, u->step);
    if (isinf(u->seconds_left)) { /* else the clock decides how many there will be */
        fprintf(stderr, "/%" PRId64, u->steps);
    }
    fprintf(stderr, "  %s%.3f nats%s = %.3f bits/char  gradient %.3g  %s chars/s  %s left%s", bold,
            p->loss, plain, p->loss / nats_per_bit, p->norm, rate, left, p->terminal ? "" : "\n");
    fflush(stderr);
    p->shown = now;
}

void progress_update(progress *p, const update *u)
{
    bool first = u->step == p->first_step + 1;
    p->loss = first ? u->loss : 0.95 * p->loss + 0.05 * u->loss;
    p->norm = first ? u->norm : 0.95 * p->norm + 0.05 * u->norm;
    double now = clock_seconds();
    if (now - p->since >= 1 || p->rate == 0) {
        p->rate = (double)((u->step - p->since_step) * u->units) / (now - p->since + 1e-9);
        p->since = now;
        p->since_step = u->step;
    }
    if (!p->quiet && (first || now - p->shown >= (p->terminal ? 0.25 : 10))) {
        show(p, u, now);
    }
}

void progress_valid(progress *p, int64_t epoch, int64_t step, double training, double valid,
                    bool best)
{
    if (p->quiet) {
        return;
    }
    char took[32];
    duration(clock_seconds() - p->started, took, sizeof took);
    progress_clear(p);
    const char *bold = p->colour ? "\033[1m" : "", *plain = p->colour ? "\033[0m" : "";
    fprintf(stderr,
            "epoch %" PRId64 ", step %" PRId64
            ": held-out %s%.4f nats%s = %.4f bits/char, training %.4f nats,"
            " after %s%s\n",
            epoch, step, bold, valid, plain, valid / nats_per_bit, training, took,
            best ? " (best so far)" : "");
    /* The time it took to read the held-out text is not the training's. */
    p->since = clock_seconds();
    p->since_step = step;
}
