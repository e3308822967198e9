/* Training: what an update is made of, and what a model is worth. */
#include "translate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    translator m;
    pairs train, valid;
    reel_opt *opt;
    reel_tape *tape, *reader;
    reel_bucketing buckets;
    int64_t *order, epoch; /* the sentences of that epoch; -1: of none */
    training t;
    batch b; /* of the last update: its graph may still be read */
} job;

/* Data */

static reel_vocabulary *vocabulary_of(const char *path)
{
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    if (!v) {
        out_of_memory();
    } else if (reel_vocabulary_count_file(v, path) != REEL_OK ||
               reel_vocabulary_cut(v, set.least, set.most_words) != REEL_OK) {
        vocabulary_complain(v);
        reel_vocabulary_free(v);
        v = NULL;
    }
    return v;
}

static bool vocabularies(job *j, char *const *file, reel_archive *a, const char *path)
{
    if (a) {
        j->m.source = checkpoint_take_vocabulary(a, path, "vocabulary.source");
        j->m.target = j->m.source ? checkpoint_take_vocabulary(a, path, "vocabulary.target") : NULL;
    } else {
        j->m.source = vocabulary_of(file[0]);
        j->m.target = j->m.source ? vocabulary_of(file[1]) : NULL;
    }
    return j->m.target != NULL;
}

static bool read_pairs(job *j, char *const *file)
{
    if (!pairs_read(&j->train, &j->m, file[0], file[1], false)) {
        return false;
    }
    if ((set.valid_source == NULL) != (set.valid_target == NULL)) {
        return complain("--valid-source and --valid-target go together");
    }
    if (set.valid_source &&
        !pairs_read(&j->valid, &j->m, set.valid_source, set.valid_target, true)) {
        return false;
    }
    j->buckets = (reel_bucketing){.n = j->train.source.n,
                                  .length = j->train.target.length,
                                  .second = j->train.source.length,
                                  .batch = set.batch,
                                  .pool = set.pool,
                                  .shuffled = true,
                                  .seed = (uint64_t)set.seed};
    j->order = malloc((size_t)j->train.source.n * sizeof *j->order);
    j->epoch = -1;
    return j->order || out_of_memory();
}

/* Updates */

static bool next_batch(job *j, int64_t i, const int64_t **which)
{
    int64_t epoch = i / j->t.per_epoch, first = i % j->t.per_epoch * set.batch;
    int64_t n = j->train.source.n - first < set.batch ? j->train.source.n - first : set.batch;
    if (epoch != j->epoch && reel_bucket_epoch(&j->buckets, epoch, j->order) != REEL_OK) {
        return out_of_memory();
    }
    j->epoch = epoch;
    *which = j->order + first;
    batch_free(&j->b);
    return batch_make(&j->b, &j->train.source, &j->train.target, *which, n);
}

/* -1/words Σ log p(word), with label smoothing (Szegedy et al. 2016) if asked for. */
static reel_node *likelihood(job *j)
{
    batch *b = &j->b;
    reel_source source = batch_encode(&j->m, j->tape, b);
    reel_state s = reel_decoder_start(&j->m.decoder, &source);
    reel_shape shape = reel_dims(b->N, b->n);
    reel_node *logits =
        reel_decode_together(&j->m.decoder, &source, b->N,
                             reel_input(j->tape, REEL_I32, b->last, shape), &s, b->logits, NULL);
    reel_node *total =
        reel_cross_entropy_full(logits, reel_input(j->tape, REEL_I32, b->next, shape), NULL,
                                REEL_BEGINNING, set.smoothing, REEL_SUM);
    return reel_mul(total, reel_number(j->tape, 1 / (double)b->words));
}

static reel_node *loss(void *context, int64_t i, int64_t *units)
{
    job *j = context;
    const int64_t *which = NULL;
    if (!next_batch(j, i, &which)) {
        return NULL;
    }
    *units = j->b.words;
    return set.objective == OBJECTIVE_LIKELIHOOD
               ? likelihood(j)
               : reward_loss(&j->m, j->tape, &j->train, &j->b, which, i, i / j->t.per_epoch);
}

static double schedule(void *context, int64_t i)
{
    const job *j = context;
    double warm = set.warmup > 0 ? fmin(1, (double)(i + 1) / (double)set.warmup) : 1;
    int64_t epoch = i / j->t.per_epoch;
    return warm * (epoch < set.after ? 1 : pow(set.decay, (double)(epoch - set.after + 1)));
}

static bool judge(void *context, int64_t epoch, double *score)
{
    job *j = context;
    said s = {.n = 0};
    reel_bleu b;
    int64_t n;
    const decoding greedy = {.beam = 1};
    double begun = clock_seconds();
    bool ok = decode_corpus(&j->m, j->reader, &j->valid.source, &greedy, &s) &&
              (interrupted() || bleu_of(&j->m, &s, &j->valid, 0, 0, &b, &n));
    if (ok && !interrupted()) {
        *score = b.bleu;
        printf("epoch %" PRId64 "  loss %.4f  BLEU %.2f (greedy, %" PRId64 " sentences, %.1f s)\n",
               epoch, j->t.epoch_loss / (double)j->t.epoch_count, 100 * b.bleu, n,
               clock_seconds() - begun);
        fflush(stdout);
    }
    said_free(&s);
    return ok;
}

static bool store(void *context, reel_archive *a)
{
    job *j = context;
    return checkpoint_put_vocabulary(a, "vocabulary.source", j->m.source) &&
           checkpoint_put_vocabulary(a, "vocabulary.target", j->m.target);
}

/* From beginning to end */

static bool start(job *j, char *const *file)
{
    const char *old = set.resume ? set.checkpoint : set.from && *set.from ? set.from : NULL;
    reel_archive *a =
        old ? checkpoint_open(old, set.resume ? CHECKPOINT_RESUME : CHECKPOINT_START) : NULL;
    bool ok =
        (!old || a) && check_network() && vocabularies(j, file, a, old) && read_pairs(j, file) &&
        translator_new(&j->m) && (!a || archive_weights(a, old, j->m.params)) &&
        reward_weights(&j->m) &&
        (!a || !reel_archive_find(a, "baseline.weight") || archive_weights(a, old, j->m.params));
    reel_archive_free(a);
    return ok;
}

static void announce(const job *j)
{
    char pairs_text[32], weights[32];
    if (!set.quiet) {
        fprintf(stderr,
                "%s pairs; %" PRId64 " and %" PRId64 " words; %s weights; %" PRId64
                " updates an epoch; checkpoint %s\n",
                thousands(j->train.source.n, pairs_text, sizeof pairs_text),
                reel_vocabulary_size(j->m.source), reel_vocabulary_size(j->m.target),
                thousands(reel_params_size(j->m.params), weights, sizeof weights), j->t.per_epoch,
                set.checkpoint);
    }
}

static bool run(job *j)
{
    j->tape = translator_tape(true);
    j->reader = translator_tape(false);
    j->opt = reel_adam(j->m.params, .rate = set.rate, .clip_norm = set.clip);
    if (!j->tape || !j->reader || !j->opt) {
        return out_of_memory();
    }
    j->t = (training){.context = j,
                      .params = j->m.params,
                      .opt = j->opt,
                      .tape = j->tape,
                      .checkpoint = set.checkpoint,
                      .resume = set.resume,
                      .overwrite = set.overwrite,
                      .quiet = set.quiet,
                      .per_epoch = reel_bucket_count(&j->buckets),
                      .epochs = set.epochs,
                      .save_every = set.save_every,
                      .units = "words",
                      .data = pairs_hash(&j->train) ^ pairs_hash(&j->valid) << 1,
                      .store = store,
                      .loss = loss,
                      .judge = j->valid.source.n > 0 ? judge : NULL,
                      .rate = set.rate,
                      .schedule = schedule,
                      .seconds = set.seconds};
    announce(j);
    return training_run(&j->t);
}

int command_train(int n, char *const *file)
{
    job j = {.epoch = -1};
    (void)n;
    bool ok = start(&j, file) && run(&j);
    if (ok && !set.quiet && j.t.best_epoch > 0) {
        note("best after epoch %" PRId64 ": BLEU %.2f", j.t.best_epoch, 100 * j.t.best);
    }
    batch_free(&j.b);
    pairs_free(&j.train);
    pairs_free(&j.valid);
    free(j.order);
    reel_opt_free(j.opt);
    reel_tape_free(j.tape);
    reel_tape_free(j.reader);
    translator_free(&j.m);
    return exit_status(ok);
}
