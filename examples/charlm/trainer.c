/* A run before its first update and after its last one. Invariant: a resumed run differs in nothing
 * from one that has come to the same step without stopping. */
#include "trainer.h"
#include "../program/archive.h"
#include "../program/say.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool trainer_save(trainer *t)
{
    return checkpoint_write(&t->r, t->c.checkpoint);
}

/* The vocabulary of a new run comes from its text; that of a resumed one is there already, and the
 * text must be the one that the checkpoint `a` was trained on. */
static bool understand(trainer *t, const text *raw, reel_archive *a)
{
    t->r.text_hash = text_hash(raw);
    t->r.text_size = raw->size;
    bool known = a != NULL
                     ? checkpoint_check_text(a, t->c.checkpoint, &t->r)
                     : vocabulary_of_text(&t->v, raw->byte, raw->size, t->c.units == UNITS_CHARS);
    return known && vocabulary_encode(&t->v, "the text", raw->byte, raw->size, &t->unit, &t->n);
}

static bool read_text(trainer *t, int n, char *const *path, reel_archive *a)
{
    text raw;
    const bool chars = t->c.units == UNITS_CHARS;
    bool ok = text_read(&raw, n, path, chars) && understand(t, &raw, a);
    if (ok && !t->c.quiet) {
        char size[32];
        fprintf(stderr, "%s %s from %zu %s, %d distinct\n", thousands(t->n, size, sizeof size),
                chars ? "characters" : "bytes", raw.files, raw.files == 1 ? "file" : "files",
                (int)t->v.n);
    }
    text_free(&raw);
    return ok;
}

/* The held-out part is the last one, so that no sentence of it was half learned. */
static bool split(trainer *t)
{
    const double share = t->c.valid;
    t->n_train = (int64_t)floor((double)t->n * (1 - share));
    if (share > 0 && t->n - t->n_train < 2) {
        return complain("the text is too short: of %" PRId64 " units, --valid %g holds out %" PRId64
                        ", and a prediction needs two",
                        t->n, share, t->n - t->n_train);
    }
    const config *c = &t->c;
    if (!streams_make(&t->s, t->unit, t->n_train, c->batch, c->stride, c->seq)) {
        return false;
    }
    const size_t places = (size_t)(c->seq * c->batch);
    t->input = malloc(places * sizeof *t->input);
    t->target = malloc(places * sizeof *t->target);
    t->x = malloc((size_t)c->seq * sizeof *t->x);
    t->steps = c->epochs * t->s.per_epoch;
    t->steps = c->steps > 0 && c->steps < t->steps ? c->steps : t->steps;
    return (t->input != NULL && t->target != NULL && t->x != NULL) || out_of_memory();
}

static bool make_optimizer(trainer *t)
{
    const config *c = &t->c;
    const reel_opt_args args = {
        .params = t->m.params,
        .kind = (reel_opt_kind)c->optimizer,
        .rate = c->rate,
        .momentum = c->momentum,
        .decay = c->weight_decay,
        .alpha = c->alpha,
        .clip_norm = c->clip,
        .clip_value = c->clip_value,
        .at = REEL_HERE,
    };
    t->opt = reel_opt_new_with(&args);
    t->average = c->average > 0 ? reel_average_new(t->m.params, c->average) : NULL;
    t->tape = model_tape(c, true);
    t->reader = model_tape(c, false);
    t->r.opt = t->opt;
    t->r.average = t->average;
    if (t->opt == NULL || (c->average > 0 && t->average == NULL)) {
        return out_of_memory();
    }
    return reel_params_status(t->m.params) == REEL_OK ||
           complain("%s", reel_params_message(t->m.params));
}

static void announce(const trainer *t)
{
    char weights[32];
    if (!t->c.quiet) {
        fprintf(stderr,
                "%" PRId64 " x %" PRId64 " %s, %s weights; %" PRId64
                " updates an epoch; checkpoint %s\n",
                t->c.layers, t->c.hidden, t->c.cell,
                thousands(reel_params_size(t->m.params), weights, sizeof weights), t->s.per_epoch,
                t->c.checkpoint);
    }
}

/* Whether no file that training writes is one of the texts it reads. */
static bool texts_are_safe(const trainer *t, int n, char *const *path)
{
    const char *const written[] = {t->c.checkpoint, t->best_path, t->c.log, t->c.plot};
    for (size_t k = 0; k < sizeof written / sizeof written[0]; k++) {
        struct stat out, in;
        bool there = written[k] != NULL && *written[k] != '\0' && stat(written[k], &out) == 0;
        for (int i = 0; there && i < n; i++) {
            if (stat(path[i], &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
                return complain("%s is the text to learn; name another file to write to",
                                written[k]);
            }
        }
    }
    return true;
}

static bool start_anew(trainer *t, int n, char *const *path)
{
    if (!t->c.overwrite && access(t->c.checkpoint, F_OK) == 0) {
        return complain("%s exists: --resume goes on from it, --overwrite replaces it",
                        t->c.checkpoint);
    }
    if (!read_text(t, n, path, NULL) || !split(t) || !model_new(&t->m, &t->c, t->v.n) ||
        !make_optimizer(t)) {
        return false;
    }
    announce(t);
    return trainer_save(t); /* what cannot be written should not be found out after an hour */
}

static bool resume(trainer *t, int n, char *const *path)
{
    reel_archive *a = archive_open(t->c.checkpoint);
    bool ok = a != NULL && checkpoint_model(a, t->c.checkpoint, true, &t->c, &t->v, &t->m) &&
              read_text(t, n, path, a) && make_optimizer(t) &&
              checkpoint_run(a, t->c.checkpoint, &t->r) && split(t);
    reel_archive_free(a);
    if (!ok) {
        return false;
    }
    t->best_on_disk = checkpoint_loss(t->best_path);
    announce(t);
    if (t->k.step >= t->steps) {
        note("%s is at step %" PRId64 " already; more --epochs or --steps go on from there",
             t->c.checkpoint, t->k.step);
    }
    return true;
}

bool trainer_start(trainer *t, const config *c, int n, char *const *path)
{
    *t = (trainer){.c = *c, .k = {.best = INFINITY}, .best_on_disk = INFINITY};
    t->r = (run){.c = &t->c, .v = &t->v, .m = &t->m, .carry = &t->carry, .k = &t->k};
    return best_path(c->checkpoint, t->best_path, sizeof t->best_path) &&
           texts_are_safe(t, n, path) && (c->resume ? resume(t, n, path) : start_anew(t, n, path));
}

void trainer_free(trainer *t)
{
    reel_tape_free(t->tape);
    reel_tape_free(t->reader);
    reel_average_free(t->average);
    reel_opt_free(t->opt);
    reel_carry_free(&t->carry);
    model_free(&t->m);
    vocabulary_free(&t->v);
    free(t->unit);
    free(t->input);
    free(t->target);
    free(t->x);
}
