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
    int64_t *order, epoch;  /* the sentences of that epoch; -1: of none */
    int64_t *room;          /* for the lengths and the order of a batch */
    int32_t *name;          /* of the sentences of a batch: numbers */
    const int64_t *which;   /* the sentences of the last update */
    batch part[MOST_PARTS]; /* what they are, part by part: its graph may still be read */
    int64_t parts, words;
    int32_t *next; /* the words to be said, part after part */
    training t;
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
    j->room = malloc(3 * (size_t)set.batch * sizeof *j->room);
    j->name = malloc((size_t)set.batch * sizeof *j->name);
    for (int64_t k = 0; j->name && k < set.batch; k++) {
        j->name[k] = (int32_t)k;
    }
    j->epoch = -1;
    return (j->order && j->room && j->name) || out_of_memory();
}

/* Updates */

static void forget_parts(job *j)
{
    for (int64_t p = 0; p < j->parts; p++) {
        batch_free(&j->part[p]);
    }
    j->parts = j->words = 0;
}

/* Puts sentences of like length next to each other, for parts of so many. */
static bool sort_batch(job *j, int64_t *which, int64_t n, int64_t each)
{
    int64_t *length = j->room, *second = length + n, *place = second + n;
    for (int64_t k = 0; k < n; k++) {
        length[k] = j->train.target.length[which[k]];
        second[k] = j->train.source.length[which[k]];
    }
    const reel_bucketing like = {
        .n = n, .length = length, .second = second, .batch = each, .shuffled = true};
    if (reel_bucket_epoch(&like, 0, place) != REEL_OK) {
        return out_of_memory();
    }
    for (int64_t k = 0; k < n; k++) {
        length[k] = which[place[k]];
    }
    memcpy(which, length, (size_t)n * sizeof *which);
    return true;
}

/* Makes a batch of one part, or of several of like length, each of which is padded to its own
 * longest only. */
static bool part_batch(job *j, int64_t *which, int64_t n)
{
    int64_t parts = set.objective == OBJECTIVE_LIKELIHOOD ? set.parts : 1;
    int64_t each = (n - 1) / parts + 1;
    if (parts > 1 && !sort_batch(j, which, n, each)) {
        return false;
    }
    for (int64_t k = 0; k < n; k += each) {
        batch *b = &j->part[j->parts++];
        if (!batch_make(b, &j->train.source, &j->train.target, which + k,
                        n - k < each ? n - k : each)) {
            return false;
        }
        b->name = parts > 1 ? j->name + k : NULL;
        j->words += b->words;
    }
    return true;
}

/* The words to be said, part after part. */
static reel_node *words_next(job *j, int64_t places)
{
    int32_t *next = realloc(j->next, (size_t)places * sizeof *next), *to = next;
    j->next = next ? next : j->next;
    for (int64_t p = 0; next && p < j->parts; p++) {
        const batch *b = &j->part[p];
        memcpy(to, b->next, (size_t)(b->N * b->n) * sizeof *to);
        to += b->N * b->n;
    }
    if (!next) {
        out_of_memory();
        return NULL;
    }
    return reel_input(j->tape, REEL_I32, next, reel_dims(places));
}

static bool next_batch(job *j, int64_t i)
{
    int64_t epoch = i / j->t.per_epoch, first = i % j->t.per_epoch * set.batch;
    int64_t n = j->train.source.n - first < set.batch ? j->train.source.n - first : set.batch;
    if (epoch != j->epoch && reel_bucket_epoch(&j->buckets, epoch, j->order) != REEL_OK) {
        return out_of_memory();
    }
    j->epoch = epoch;
    j->which = j->order + first;
    forget_parts(j);
    return part_batch(j, j->order + first, n);
}

/* -1/words Σ log p(word), with label smoothing (Szegedy et al. 2016) if asked for. */
static reel_node *likelihood(job *j)
{
    reel_node *rows[MOST_PARTS];
    reel_decoder decoder = j->m.decoder;
    int64_t places = 0;
    for (int64_t p = 0; p < j->parts; p++) {
        batch *b = &j->part[p];
        reel_source source = batch_encode(&j->m, j->tape, b);
        decoder.sequence = b->name;
        reel_state s = reel_decoder_start(&decoder, &source);
        reel_node *last = reel_input(j->tape, REEL_I32, b->last, reel_dims(b->N, b->n));
        rows[p] = reel_decode_rows(&decoder, &source, b->N, last, &s, b->logits, NULL);
        places += b->N * b->n;
    }
    reel_node *next = words_next(j, places);
    if (!next) {
        return NULL;
    }
    reel_node *logits = reel_rows_logits(&decoder, reel_concat(0, (int)j->parts, rows));
    reel_node *total =
        reel_cross_entropy_full(logits, next, NULL, REEL_BEGINNING, set.smoothing, REEL_SUM);
    return reel_mul(total, reel_number(j->tape, 1 / (double)j->words));
}

static reel_node *loss(void *context, int64_t i, int64_t *units)
{
    job *j = context;
    if (!next_batch(j, i)) {
        return NULL;
    }
    *units = j->words;
    return set.objective == OBJECTIVE_LIKELIHOOD
               ? likelihood(j)
               : reward_loss(&j->m, j->tape, &j->train, j->part, j->which, i, i / j->t.per_epoch);
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

/* A checkpoint of a version whose batches had one part does not say so. */
static bool has_parts(const reel_archive *a)
{
    if (option_given("parts") && set.parts != 1 && set.objective != OBJECTIVE_LIKELIHOOD) {
        return complain("--parts: training by rewards has one part; --pool 100 saves padding");
    }
    if (!a || !set.resume || reel_archive_get(a, "option.parts")) {
        return true;
    }
    if (option_given("parts") && set.parts != 1) {
        return complain("%s: --parts is 1 there; a resumed run cannot change it", set.checkpoint);
    }
    set.parts = 1;
    return true;
}

static bool start(job *j, char *const *file)
{
    const char *old = set.resume ? set.checkpoint : set.from && *set.from ? set.from : NULL;
    reel_archive *a =
        old ? checkpoint_open(old, set.resume ? CHECKPOINT_RESUME : CHECKPOINT_START) : NULL;
    bool ok =
        (!old || a) && has_parts(a) && check_network() && vocabularies(j, file, a, old) &&
        read_pairs(j, file) && translator_new(&j->m) &&
        (!a || archive_weights(a, old, j->m.params)) && reward_weights(&j->m) &&
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
    forget_parts(&j);
    pairs_free(&j.train);
    pairs_free(&j.valid);
    free(j.order);
    free(j.room);
    free(j.next);
    free(j.name);
    reel_opt_free(j.opt);
    reel_tape_free(j.tape);
    reel_tape_free(j.reader);
    translator_free(&j.m);
    return exit_status(ok);
}
