/* The loop of updates. Invariant: what a checkpoint holds depends on the options, the data and the
 * number of updates alone, not on when the run was stopped or measured. */
#include "training.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* What a run shows while it goes on; no result depends on it. */
typedef struct view {
    meter m;
    double since, loss; /* a running mean, for the eye */
    int64_t units, first;
    double judging; /* seconds */
} view;

static bool begin(training *t)
{
    if (t->resume) {
        return training_restore(t);
    }
    char best[4096];
    if (!best_path(t->checkpoint, best, sizeof best)) {
        return false;
    }
    if (!t->overwrite && access(t->checkpoint, F_OK) == 0) {
        return complain("%s exists: --resume goes on from it, --overwrite replaces it",
                        t->checkpoint);
    }
    if (!t->overwrite && access(best, F_OK) == 0) {
        return complain("%s exists: --overwrite replaces it", best);
    }
    (void)remove(best);      /* another run's */
    return training_save(t); /* what cannot be written should not be found out after an hour */
}

static int64_t updates(const training *t)
{
    return t->epochs * t->per_epoch;
}

static double rate_of_units(const view *v)
{
    double took = clock_seconds() - v->m.started - v->judging;
    return took > 0 ? (double)v->units / took : 0;
}

static void show(training *t, view *v, double loss)
{
    v->loss = t->step == v->first + 1 ? loss : 0.95 * v->loss + 0.05 * loss;
    if (!meter_due(&v->m)) {
        return;
    }
    char rate[32];
    const char *bold = v->m.colour ? "\033[1m" : "", *plain = v->m.colour ? "\033[0m" : "";
    meter_show(&v->m, t->step - v->first, updates(t) - v->first,
               "epoch %" PRId64 "/%" PRId64 ", %" PRId64 "/%" PRId64 "  %sloss %.3f%s  %s %s/s",
               (t->step - 1) / t->per_epoch + 1, t->epochs, (t->step - 1) % t->per_epoch + 1,
               t->per_epoch, bold, v->loss, plain,
               thousands(llrint(rate_of_units(v)), rate, sizeof rate), t->units);
}

static bool update(training *t, view *v)
{
    int64_t i = t->step, units = 0;
    double loss = 0;
    reel_tape_reset(t->tape);
    reel_tape_set_counter(t->tape, (uint64_t)i);
    if (i % t->per_epoch == 0) {
        t->epoch_loss = 0;
        t->epoch_count = 0;
    }
    reel_node *node = t->loss(t->context, i, &units);
    if (!node) {
        return false;
    }
    reel_opt_set_rate(t->opt, t->rate * (t->schedule ? t->schedule(t->context, i) : 1));
    if (reel_opt_step(t->opt, node, &loss) != REEL_OK) {
        return tape_complain(t->tape);
    }
    t->step++;
    t->epoch_loss += loss;
    t->epoch_count++;
    v->units += units;
    show(t, v, loss);
    return !t->updated || t->updated(t->context, i, loss);
}

/* Measures the model after an epoch, keeps it if it is the best, and saves the run. */
static bool end_epoch(training *t, view *v)
{
    int64_t epoch = t->step / t->per_epoch;
    double begun = clock_seconds(), score = -INFINITY;
    if (!t->quiet) {
        char took[32], rate[32];
        meter_clear(&v->m);
        fprintf(stderr, "epoch %" PRId64 ": loss %.4f, %s %s/s, %s\n", epoch,
                t->epoch_loss / (double)t->epoch_count,
                thousands(llrint(rate_of_units(v)), rate, sizeof rate), t->units,
                duration(begun - v->m.started, took, sizeof took));
    }
    if (t->judge && !t->judge(t->context, epoch, &score)) {
        return false;
    }
    v->judging += clock_seconds() - begun;
    if (t->judge && interrupted()) {
        return true; /* cut short: the resumed run measures again */
    }
    t->judged = epoch;
    if (score > t->best) {
        t->best = score;
        t->best_epoch = epoch;
        if (!training_save_best(t)) {
            return false;
        }
    }
    return training_save(t);
}

static bool out_of_time(const training *t, const view *v)
{
    return t->seconds > 0 && clock_seconds() - v->m.started >= t->seconds;
}

static bool loop(training *t, view *v)
{
    while (!interrupted()) {
        if (t->step > 0 && t->step % t->per_epoch == 0 && t->judged * t->per_epoch < t->step) {
            if (!end_epoch(t, v)) {
                return false;
            }
            continue;
        }
        if (t->step >= updates(t) || out_of_time(t, v)) {
            return true;
        }
        if (!update(t, v)) {
            return complain("stopped at update %" PRId64 "; %s holds what was saved before",
                            t->step, t->checkpoint);
        }
        if (t->save_every > 0 && t->step % t->save_every == 0 && !training_save(t)) {
            return false;
        }
    }
    return true;
}

bool training_run(training *t)
{
    view v = {.units = 0};
    t->best = -INFINITY;
    interrupt_catch();
    if (!begin(t)) {
        return false;
    }
    if (t->step >= updates(t) && t->judged >= t->epochs) {
        note("%s has had all of its %" PRId64 " epochs already", t->checkpoint,
             t->step / t->per_epoch);
    }
    v.first = t->step;
    meter_start(&v.m, t->quiet);
    bool ok = loop(t, &v);
    meter_clear(&v.m);
    t->rate_units = rate_of_units(&v);
    if (!ok || !training_save(t)) {
        return false;
    }
    if (interrupted()) {
        note("stopped at update %" PRId64 ", which is saved in %s: --resume goes on from there",
             t->step, t->checkpoint);
    } else if (t->step < updates(t)) {
        note("stopped after %.0f s at update %" PRId64
             ", which is saved in %s: --resume goes on from there",
             t->seconds, t->step, t->checkpoint);
    }
    return true;
}
