/* Training of one captioner: whose words it sees, in which order it sees scenes, and how it is
 * measured. Everything random follows from the seed and the number of the update. */
#include "train.h"
#include "../program/program.h"
#include "judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { POOL = 8 }; /* batches that are sorted by length together */

typedef struct learner {
    const settings *s;
    const data *d;
    captioner *m;
    double *curve; /* measured after every so-many-th epoch */
    int64_t every;
    reel_tape *tape;
    reel_bucketing batches;
    int64_t *length;       /* of captions */
    int64_t *order, epoch; /* of captions, in that epoch; -1: none yet */
    reel_teacher teacher;
    const scene **seen; /* [batch] */
    const caption **told;
} learner;

bool settings_data(const settings *s, data *d)
{
    const data_args args = {.scenes = s->scenes,
                            .heldout = s->heldout,
                            .noise = s->noise,
                            .seed = (uint64_t)s->data_seed};
    return data_make(d, &args);
}

bool settings_model(const settings *s, const data *d, captioner *m)
{
    const captioner_args args = {.vocabulary = reel_vocabulary_size(d->vocabulary),
                                 .embedding = s->embedding,
                                 .hidden = s->hidden,
                                 .dropout = s->method == DROPOUT ? s->dropout : 0,
                                 .seed = (uint64_t)s->seed};
    return captioner_make(m, &args);
}

/* The k of an inverse sigmoid k/(k + exp(i/k)) that has fallen to a share at update i, by
 * bisection: it grows with k. */
static double sigmoid_k(double share, double i)
{
    double low = 1, high = fmax(i, 2);
    for (int n = 0; n < 100; n++) {
        double k = (low + high) / 2;
        bool more = i / k > log(k * (1 - share) / share);
        low = more ? k : low;
        high = more ? high : k;
    }
    return low;
}

static reel_teacher teacher_of(const settings *s, int64_t updates)
{
    switch (s->method) {
    case ALWAYS:
        return (reel_teacher){.decay = REEL_DECAY_NONE, .k = 0};
    case SCHEDULED:
    case UNIFORM:
        return (reel_teacher){.decay = REEL_DECAY_INVERSE_SIGMOID,
                              .k = sigmoid_k(s->share, (double)updates)};
    default:
        return (reel_teacher){.decay = REEL_DECAY_NONE, .k = 1};
    }
}

/* The captions of a batch, of epoch i / per_epoch. Returns how many. */
static int64_t open_batch(learner *l, int64_t i, int64_t *words)
{
    int64_t per_epoch = reel_bucket_count(&l->batches), epoch = i / per_epoch;
    if (epoch != l->epoch) {
        if (reel_bucket_epoch(&l->batches, epoch, l->order) != REEL_OK) {
            out_of_memory();
            return 0;
        }
        l->epoch = epoch;
    }
    int64_t from = i % per_epoch * l->batches.batch, left = l->batches.n - from;
    int64_t n = left < l->batches.batch ? left : l->batches.batch;
    for (int64_t b = 0; b < n; b++) {
        int64_t k = l->order[from + b];
        l->told[b] = &l->d->training.caption[k];
        l->seen[b] = &l->d->training.scene[k / REFERENCES];
        *words += l->told[b]->n + 1;
    }
    return n;
}

static reel_node *record(void *context, int64_t i, int64_t *units)
{
    learner *l = context;
    int64_t n = open_batch(l, i, units);
    if (n == 0) {
        return NULL;
    }
    reel_random random =
        reel_random_new((uint64_t)l->s->seed, reel_random_stream("words") + (uint64_t)i);
    const lesson how = {.share = reel_truth_share(&l->teacher, i),
                        .own = l->s->method == UNIFORM ? REEL_OWN_UNIFORM : REEL_OWN_DRAWN,
                        .random = &random};
    reel_node *loss = captioner_loss(l->m, l->tape, n, l->seen, l->told, &how);
    if (!loss) {
        tape_complain(l->tape);
    }
    return loss;
}

static bool judge(void *context, int64_t epoch, double *score)
{
    learner *l = context;
    scores found;
    if (epoch % l->every != 0 && epoch != l->s->epochs) {
        return true; /* with the least of scores: not the best one */
    }
    if (!judge_captions(&l->m, 1, 1, &l->d->valid, l->d->vocabulary, &found)) {
        return false;
    }
    *score = found.cider;
    l->curve[epoch - 1] = found.cider;
    if (!l->s->quiet) {
        note("epoch %" PRId64 ": of held-out scenes BLEU-4 %.1f, METEOR %.1f, CIDEr-D %.1f", epoch,
             100 * found.bleu, 100 * found.meteor, 100 * found.cider);
    }
    return true;
}

static double schedule(void *context, int64_t i)
{
    const learner *l = context;
    const reel_schedule cosine = {.kind = REEL_RATE_COSINE,
                                  .rate = 1,
                                  .total = l->s->epochs * reel_bucket_count(&l->batches),
                                  .floor = 0.1};
    return reel_schedule_rate(&cosine, i);
}

static bool store(void *context, reel_archive *a)
{
    const learner *l = context;
    return checkpoint_put_vocabulary(a, "words", l->d->vocabulary);
}

static bool learner_make(learner *l)
{
    const split *t = &l->d->training;
    int64_t n = t->n * REFERENCES;
    l->length = malloc((size_t)n * sizeof *l->length);
    l->order = malloc((size_t)n * sizeof *l->order);
    l->seen = malloc((size_t)l->s->batch * sizeof(const scene *));
    l->told = malloc((size_t)l->s->batch * sizeof(const caption *));
    l->tape = reel_tape_new(1, .seed = (uint64_t)l->s->seed);
    for (int64_t i = 0; l->length && i < n; i++) {
        l->length[i] = t->caption[i].n;
    }
    l->batches = (reel_bucketing){.n = n,
                                  .length = l->length,
                                  .batch = l->s->batch,
                                  .pool = POOL,
                                  .shuffled = true,
                                  .seed = (uint64_t)l->s->seed};
    l->teacher = teacher_of(l->s, l->s->epochs * reel_bucket_count(&l->batches));
    return (l->length && l->order && l->seen && l->told && l->tape) || out_of_memory();
}

static void learner_free(learner *l)
{
    free(l->length);
    free(l->order);
    free(l->seen);
    free(l->told);
    reel_tape_free(l->tape);
}

bool train_captioner(const settings *s, const data *d, captioner *m, double *curve, int64_t every)
{
    learner l = {.s = s, .d = d, .m = m, .curve = curve, .every = every, .epoch = -1};
    bool ok = learner_make(&l);
    for (int64_t i = 0; curve && i < s->epochs; i++) {
        curve[i] = NAN;
    }
    if (ok) {
        training t = {.context = &l,
                      .params = m->params,
                      .opt = reel_adam(m->params, .rate = s->rate, .clip_norm = s->clip),
                      .tape = l.tape,
                      .checkpoint = s->checkpoint,
                      .resume = s->resume,
                      .overwrite = s->overwrite,
                      .quiet = s->quiet,
                      .per_epoch = reel_bucket_count(&l.batches),
                      .epochs = s->epochs,
                      .units = "words",
                      .data = data_hash(d),
                      .store = store,
                      .loss = record,
                      .judge = curve ? judge : NULL,
                      .rate = s->rate,
                      .schedule = schedule};
        ok = t.opt ? training_run(&t) : out_of_memory();
        reel_opt_free(t.opt);
    }
    learner_free(&l);
    return ok;
}
