/* What reel-classify and reel-tag share beside the graph. */
#include "labelling.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

bool batches_new(batches *b, const labelling *s, int64_t n, const int64_t *length)
{
    *b = (batches){.how = {.n = n,
                           .length = length,
                           .batch = s->batch,
                           .pool = 100,
                           .shuffled = true,
                           .seed = (uint64_t)s->seed},
                   .order = malloc((size_t)(n + 1) * sizeof *b->order),
                   .epoch = -1};
    return b->order || out_of_memory();
}

void batches_free(batches *b)
{
    free(b->order);
    *b = (batches){.epoch = -1};
}

const int64_t *batches_at(batches *b, int64_t i, int64_t *n)
{
    int64_t per_epoch = reel_bucket_count(&b->how), epoch = i / per_epoch;
    if (epoch != b->epoch && reel_bucket_epoch(&b->how, epoch, b->order) != REEL_OK) {
        out_of_memory();
        return NULL;
    }
    b->epoch = epoch;
    int64_t from = i % per_epoch * b->how.batch, rest = b->how.n - from;
    *n = rest < b->how.batch ? rest : b->how.batch;
    return b->order + from;
}

int64_t labelling_learned(const labelling *s, int64_t n)
{
    double out = floor((double)n * s->held_out);
    return n - (int64_t)out;
}

bool labelling_tapes(const labelling *s, reel_tape **learning, reel_tape **measuring)
{
    *learning = reel_tape_new((int)s->threads, .seed = (uint64_t)s->seed);
    *measuring = reel_tape_new((int)s->threads, .inference = true);
    return (*learning && *measuring) || out_of_memory();
}

bool labelling_train(const labelling *s, const batches *b, training *t)
{
    t->opt = reel_adam(t->params, .rate = s->rate, .clip_norm = s->clip);
    t->checkpoint = s->checkpoint;
    t->resume = s->resume;
    t->overwrite = s->overwrite;
    t->quiet = s->quiet;
    t->per_epoch = reel_bucket_count(&b->how);
    t->epochs = s->epochs;
    t->save_every = s->save_every;
    t->rate = s->rate;
    bool ok = t->opt ? training_run(t) : out_of_memory();
    if (ok && t->best_epoch > 0 && !interrupted()) {
        char best[4096];
        printf("best held-out accuracy %.4f, after epoch %" PRId64 ", in %s\n", t->best,
               t->best_epoch, best_path(s->checkpoint, best, sizeof best));
    }
    reel_opt_free(t->opt);
    return ok;
}

bool labelling_answer(bool (*answer)(void *context, const char *line, size_t n), void *context)
{
    reel_lines *lines = reel_lines_open("-");
    bool ok = lines || out_of_memory();
    size_t n;
    for (const char *line; ok && !interrupted() && (line = reel_lines_next(lines, &n));) {
        ok = answer(context, line, n);
        fflush(stdout);
    }
    if (ok && reel_lines_status(lines) != REEL_OK) {
        ok = complain("%s", reel_lines_message(lines));
    }
    reel_lines_close(lines);
    return ok;
}
