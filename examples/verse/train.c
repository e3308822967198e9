/* The commands train and eval. */
#include "batches.h"

#include "../program/curves.h"
#include "../program/program.h"

#include <math.h>

typedef struct trainer {
    session s;
    batches batches;
    training t;
} trainer;

static reel_node *loss(void *own, int64_t i, int64_t *units)
{
    trainer *r = own;
    *units += r->batches.n;
    return batches_loss(&r->batches, i);
}

static bool store(void *own, reel_archive *a)
{
    trainer *r = own;
    return checkpoint_put_vocabulary(a, "words", r->s.known) &&
           (reel_archive_set_u64(a, "verse.text", r->s.play.hash) == REEL_OK ||
            complain("%s", reel_archive_message(a)));
}

/* From its whole to a hundredth, as half a cosine. */
static double schedule(void *own, int64_t i)
{
    const trainer *r = own;
    reel_schedule s = {
        .kind = REEL_RATE_COSINE, .rate = 1, .total = r->t.epochs * r->t.per_epoch, .floor = 0.01};
    return reel_schedule_rate(&s, i);
}

static bool judge(void *own, int64_t epoch, double *score)
{
    trainer *r = own;
    const play *p = &r->s.play;
    ranks k[KINDS];
    if (!rank_all(&r->s.model, r->s.tape, p->validation, p->test, set.candidates,
                  (uint64_t)set.draws, true, k)) {
        return false;
    }
    if (interrupted()) {
        return true; /* of a part only: the resumed run measures again */
    }
    double n = (double)k[ALL].n;
    *score = k[ALL].reciprocal / n;
    if (!set.quiet) {
        note("epoch %lld: validation: MRR %.4f, first %.2f %%, mean rank %.1f", (long long)epoch,
             *score, 100 * (double)k[ALL].at[0] / n, k[ALL].sum / n);
    }
    return true;
}

static bool make(trainer *r, const char *text)
{
    reel_archive *a = NULL;
    model_sizes sizes;
    if (set.resume && !(a = checkpoint_open(set.checkpoint, CHECKPOINT_RESUME))) {
        return false;
    }
    bool ok = sizes_of(&sizes) && play_read(&r->s.play, text);
    if (ok) {
        r->s.known = a ? checkpoint_take_vocabulary(a, set.checkpoint, "words")
                       : play_vocabulary(&r->s.play, set.least);
        ok = r->s.known && play_number(&r->s.play, r->s.known) &&
             model_make(&r->s.model, &sizes, &r->s.play, r->s.known);
    }
    reel_archive_free(a);
    return ok;
}

static bool train(trainer *r, const char *text)
{
    training *t = &r->t;
    if (!make(r, text)) {
        return false;
    }
    reel_params *ps = r->s.model.params;
    r->s.tape = reel_tape_new((int)set.threads, .inference = true);
    t->tape = reel_tape_new((int)set.threads, .seed = (uint64_t)set.seed);
    t->opt = reel_adam(ps, .rate = set.rate, .clip_norm = set.clip);
    if (!r->s.tape || !t->tape || !t->opt) {
        return out_of_memory();
    }
    if (!batches_make(&r->batches, &r->s.model, t->tape)) {
        return false;
    }
    t->params = ps;
    t->epochs = set.epochs; /* which a checkpoint may have told by now */
    t->rate = set.rate;
    t->data = r->s.play.hash;
    t->per_epoch = batches_count(&r->batches);
    if (!set.quiet) {
        note("%lld lines to train on, %lld for validation, %lld held out; %lld words",
             (long long)r->s.play.validation, (long long)(r->s.play.test - r->s.play.validation),
             (long long)(r->s.play.n - r->s.play.test),
             (long long)reel_vocabulary_size(r->s.known));
    }
    return training_run(t);
}

int run_train(int n, char *const *operand)
{
    (void)n;
    trainer r = {.t = {.checkpoint = set.checkpoint,
                       .resume = set.resume,
                       .overwrite = set.overwrite,
                       .quiet = set.quiet,
                       .save_every = set.save_every,
                       .seconds = set.seconds,
                       .units = "lines",
                       .store = store,
                       .loss = loss,
                       .judge = judge,
                       .schedule = schedule}};
    r.t.context = &r;
    bool ok = train(&r, operand[0]);
    batches_free(&r.batches);
    reel_opt_free(r.t.opt);
    reel_tape_free(r.t.tape);
    session_close(&r.s);
    return exit_status(ok);
}

int run_eval(int n, char *const *operand)
{
    (void)n;
    session s = {.tape = NULL};
    ranks r[KINDS];
    bool ok = (!set.curves || curves_path(set.curves)) && session_open(&s, operand[0]);
    if (ok) {
        int64_t begin = set.validation ? s.play.validation : s.play.test;
        int64_t end = set.validation ? s.play.test : s.play.n;
        ok = rank_enough(end - begin, set.candidates) &&
             rank_all(&s.model, s.tape, begin, end, set.candidates, (uint64_t)set.draws, set.quiet,
                      r);
    }
    if (ok && !interrupted()) {
        rank_print(r, set.candidates);
        ok = !set.curves || rank_draw(r, set.candidates, set.curves);
    }
    session_close(&s);
    return exit_status(ok);
}
