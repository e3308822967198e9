/* Training by truncated back-propagation through time. An update runs one window of the text, takes
 * a step of the optimizer and carries the state on; around it come the held-out loss, samples, the
 * log and checkpoints. Invariant: what the weights become depends on the options and the text
 * alone, not on when a run was stopped, sampled from or measured. */
#include "train.h"
#include "../program/say.h"
#include "evaluate.h"
#include "log.h"
#include "sample.h"
#include "trainer.h"

#include <inttypes.h>
#include <math.h>

enum { FIRST_SAMPLE = 20 };

/* The rate of the coming update: by the epoch, with a linear warm-up by the update. */
static double current_rate(const trainer *t)
{
    const reel_schedule by_epoch = {
        .kind = REEL_RATE_EXPONENTIAL,
        .rate = t->c.rate,
        .factor = t->c.decay,
        .after = t->c.decay_after,
    };
    const reel_schedule by_step = {
        .rate = reel_schedule_rate(&by_epoch, t->k.step / t->s.per_epoch + 1),
        .warmup = t->c.warmup,
    };
    return reel_schedule_rate(&by_step, t->k.step);
}

/* The mean loss per unit over the window's fresh steps, as a node. `carried` becomes the state that
 * the next window starts from. */
static reel_node *record(trainer *t, const window *w, reel_state *carried)
{
    const int64_t batch = t->s.batch, T = w->end - w->start, before = w->next - w->start;
    reel_state s = reel_state_from(t->tape, t->m.cell, batch, &t->carry);
    streams_read(&t->s, w->start, w->end, t->input);
    model_inputs(&t->m, t->tape, T, batch, t->input, t->x);
    if (before > 0) {
        (void)reel_unroll(t->m.cell, before, t->x, &s, t->x);
    }
    *carried = s;
    if (before < T) {
        (void)reel_unroll(t->m.cell, T - before, t->x + before, &s, t->x + before);
    }
    const int64_t fresh = w->end - w->fresh;
    streams_read(&t->s, w->fresh + 1, w->end + 1, t->target);
    reel_node *target = reel_input(t->tape, REEL_I32, t->target, reel_dims(fresh, batch));
    reel_node *logits = model_logits(&t->m, fresh, t->x + (w->fresh - w->start));
    return reel_name(reel_cross_entropy(logits, target), "loss");
}

static bool update_weights(trainer *t, double *loss)
{
    const window w = streams_window(&t->s, t->k.step % t->s.per_epoch);
    if (w.fresh == 0) {
        reel_carry_free(&t->carry); /* an epoch starts from a zero state */
        t->k.epoch_loss = 0;
        t->k.epoch_count = 0;
    }
    reel_tape_reset(t->tape);
    reel_tape_set_counter(t->tape, (uint64_t)t->k.step);
    reel_state carried;
    reel_node *mean = record(t, &w, &carried);
    /* Summing over time instead makes the gradient that clipping sees longer by the number of
     * steps. */
    const double steps = (double)(w.end - w.fresh);
    const double scale = t->c.loss == LOSS_SUM ? steps : 1;
    reel_opt_set_rate(t->opt, current_rate(t));
    if (reel_opt_step(t->opt, scale == 1 ? mean : reel_scale(mean, scale), loss) != REEL_OK ||
        reel_state_keep(&t->carry, &carried) != REEL_OK) {
        return tape_complain(t->tape);
    }
    *loss /= scale;
    return t->average == NULL || reel_average_update(t->average) == REEL_OK ||
           complain("%s", reel_params_message(t->m.params));
}

/* Puts the averages in the weights' place, and the weights back, when there are averages. */
static bool swap_average(trainer *t)
{
    return t->average == NULL || reel_average_swap(t->average) == REEL_OK ||
           complain("%s", reel_params_message(t->m.params));
}

static int64_t units_seen(const trainer *t)
{
    return t->k.step * t->s.batch * t->s.stride;
}

static bool write_sample(trainer *t, const char *title)
{
    if (t->c.no_samples) {
        return true;
    }
    char seen[32];
    const sampling how = {
        .prime = t->c.prime,
        .temperature = t->c.temperature,
        .length = t->c.length,
        .seed = (uint64_t)t->c.seed,
        .stream = (uint64_t)t->k.step,
    };
    progress_clear(&t->p);
    printf("\n--- %s: step %" PRId64 ", %s characters read ---\n", title, t->k.step,
           thousands(units_seen(t), seen, sizeof seen));
    bool ok = sample(&t->m, t->reader, &t->v, &how, stdout);
    printf("\n\n");
    if (fflush(stdout) != 0 || ferror(stdout)) {
        note("samples cannot be written any more; the training goes on without them");
        t->c.no_samples = true;
        return true;
    }
    return ok;
}

/* On the way, samples show the weights as they are; the last one what the run leaves behind. */
static bool write_last_sample(trainer *t)
{
    bool ok = swap_average(t) && write_sample(t, "after training");
    return swap_average(t) && ok;
}

static bool log_update(trainer *t)
{
    const double n = (double)t->k.log_count;
    const log_row row = {
        .step = t->k.step,
        .units = units_seen(t),
        .epoch = (double)t->k.step / (double)t->s.per_epoch,
        .loss = t->k.log_loss / n,
        .norm = t->k.log_norm / n,
        .rate = reel_opt_rate(t->opt),
        .valid = NAN,
    };
    t->k.log_loss = t->k.log_norm = 0;
    t->k.log_count = 0;
    return log_write(t->log, t->c.log, &row);
}

static bool log_valid(trainer *t, double valid)
{
    const log_row row = {
        .step = t->k.step,
        .units = units_seen(t),
        .epoch = (double)t->k.step / (double)t->s.per_epoch,
        .loss = NAN,
        .norm = NAN,
        .rate = reel_opt_rate(t->opt),
        .valid = valid,
    };
    return log_write(t->log, t->c.log, &row);
}

/* Measures the held-out loss, and keeps the model when it is the best so far. Measurements that a
 * run makes only because it stops here (`planned` false) are not remembered in the checkpoint,
 * which must not depend on where a run was stopped. */
static bool validate(trainer *t, bool planned)
{
    if (t->n - t->n_train < 2) {
        return true;
    }
    double loss = 0;
    progress_clear(&t->p);
    const int64_t n = t->n - t->n_train;
    bool ok = swap_average(t) && evaluate(&t->m, t->reader, t->unit + t->n_train, n,
                                          evaluate_streams(n, t->s.batch), &loss);
    const bool complete = ok && interrupted() == 0;
    const bool best = complete && loss < t->k.best && loss < t->best_on_disk;
    if (best) {
        t->best_on_disk = loss;
        ok = checkpoint_write_model(&t->r, loss, t->best_path);
    }
    ok = swap_average(t) && ok;
    if (!complete) {
        return ok;
    }
    if (planned) {
        t->k.valid_step = t->k.step;
    }
    if (planned && loss < t->k.best) {
        t->k.best = loss;
        t->k.best_step = t->k.step;
    }
    const double training = t->k.epoch_count > 0 ? t->k.epoch_loss / (double)t->k.epoch_count : NAN;
    progress_valid(&t->p, (t->k.step - 1) / t->s.per_epoch + 1, t->k.step, training, loss, best);
    return ok && log_valid(t, loss);
}

static void count(trainer *t, double loss)
{
    const double norm = reel_opt_norm(t->opt);
    const double limit = (double)t->c.seconds - (clock_seconds() - t->p.started);
    t->k.step++;
    t->k.log_loss += loss;
    t->k.log_norm += norm;
    t->k.log_count++;
    t->k.epoch_loss += loss;
    t->k.epoch_count++;
    const update u = {
        .step = t->k.step,
        .steps = t->steps,
        .epoch = (t->k.step - 1) / t->s.per_epoch + 1,
        .loss = loss,
        .norm = norm,
        .units = t->s.batch * t->s.stride,
        .seconds_left = t->c.seconds > 0 ? fmax(limit, 0) : INFINITY,
    };
    progress_update(&t->p, &u);
}

/* Samples come at steps 20, 60, 180, ...: often while much changes, seldom later. */
static bool sample_is_due(int64_t step)
{
    while (step > FIRST_SAMPLE && step % 3 == 0) {
        step /= 3;
    }
    return step == FIRST_SAMPLE;
}

static bool validation_is_due(const trainer *t)
{
    const int64_t every = t->c.valid_every > 0 ? t->c.valid_every : t->s.per_epoch;
    return t->k.step % every == 0;
}

/* All that the present step is the occasion for. */
static bool follow_up(trainer *t)
{
    const int64_t step = t->k.step;
    if (step % t->c.log_every == 0 && !log_update(t)) {
        return false;
    }
    if (sample_is_due(step) && !write_sample(t, step == FIRST_SAMPLE ? "at first" : "train more")) {
        return false;
    }
    if (validation_is_due(t) && !validate(t, true)) {
        return false;
    }
    return step % t->c.save_every != 0 || trainer_save(t);
}

static bool out_of_time(const trainer *t)
{
    return t->c.seconds > 0 && clock_seconds() - t->p.started >= (double)t->c.seconds;
}

static bool loop(trainer *t)
{
    /* A signal may have come while the held-out loss was being measured. */
    if (t->k.step > 0 && validation_is_due(t) && t->k.valid_step != t->k.step &&
        !validate(t, true)) {
        return false;
    }
    while (t->k.step < t->steps && interrupted() == 0 && !out_of_time(t)) {
        double loss = 0;
        if (!update_weights(t, &loss)) {
            return complain("stopped at step %" PRId64
                            "; a smaller --rate or --clip may help if the loss "
                            "ran away. %s holds what was saved before",
                            t->k.step, t->c.checkpoint);
        }
        count(t, loss);
        if (!follow_up(t)) {
            return false;
        }
    }
    return true;
}

static bool finish(trainer *t)
{
    if (!trainer_save(t)) {
        return false;
    }
    progress_clear(&t->p);
    if (interrupted() != 0) {
        note("stopped at step %" PRId64 ", which is saved: 'reel-charlm train --resume "
             "--checkpoint %s' and the same text go on from there",
             t->k.step, t->c.checkpoint);
        return true;
    }
    if (t->k.step > 0 && !validation_is_due(t) && !validate(t, false)) {
        return false;
    }
    if (t->k.step > 0 && !write_last_sample(t)) {
        return false;
    }
    if (!t->c.quiet) {
        note("%s: the model after step %" PRId64 "%s%s", t->c.checkpoint, t->k.step,
             isfinite(t->best_on_disk) ? "; the best one: " : "",
             isfinite(t->best_on_disk) ? t->best_path : "");
    }
    return true;
}

static bool draw_curve(const trainer *t)
{
    char title[PATH_SIZE];
    snprintf(title, sizeof title, "%" PRId64 " x %" PRId64 " %s", t->c.layers, t->c.hidden,
             t->c.cell);
    return t->c.plot == NULL || plot_log(t->c.log, t->c.plot, title);
}

static bool run_training(trainer *t, const config *c, int n, char *const *path)
{
    if (!trainer_start(t, c, n, path) || !log_open(&t->log, t->c.log, t->c.resume, t->k.step)) {
        return false;
    }
    interrupt_catch();
    progress_start(&t->p, t->c.quiet, t->k.step);
    bool ok = loop(t) && finish(t);
    ok = log_close(t->log, t->c.log) && ok;
    return ok && draw_curve(t);
}

int train(const config *c, int n, char *const *path)
{
    trainer t;
    bool ok = run_training(&t, c, n, path);
    trainer_free(&t);
    if (!ok) {
        return EXIT_RUN;
    }
    return interrupted() != 0 ? EXIT_SIGNAL + interrupted() : 0;
}
