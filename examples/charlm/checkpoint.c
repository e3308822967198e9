/* What goes into a checkpoint, and back. No clock and no path is stored: the same run writes the
 * same bytes. */
#include "checkpoint.h"
#include "../program/archive.h"
#include "../program/say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAME_SIZE = 256 };

enum { COUNTERS = 9 };

static void list_counters(counters *k, counter list[COUNTERS])
{
    const counter all[COUNTERS] = {
        {"run.step", &k->step, NULL},
        {"run.log_loss", NULL, &k->log_loss},
        {"run.log_norm", NULL, &k->log_norm},
        {"run.log_count", &k->log_count, NULL},
        {"run.epoch_loss", NULL, &k->epoch_loss},
        {"run.epoch_count", &k->epoch_count, NULL},
        {"run.best", NULL, &k->best},
        {"run.best_step", &k->best_step, NULL},
        {"run.valid_step", &k->valid_step, NULL},
    };
    memcpy(list, all, sizeof all);
}

static bool put_average(reel_archive *a, const reel_average *average, const reel_params *ps)
{
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        const reel_param *p = reel_params_at(ps, i);
        char name[NAME_SIZE];
        uint64_t updates;
        const double *mean = reel_average_read(average, p, &updates);
        if (mean == NULL) {
            continue;
        }
        snprintf(name, sizeof name, "average.%s", reel_param_name(p));
        if (reel_archive_put(a, name, REEL_F64, mean, reel_param_shape(p)) != REEL_OK ||
            reel_archive_set_u64(a, name, updates) != REEL_OK) {
            return false;
        }
    }
    return true;
}

static bool take_average(reel_archive *a, reel_average *average, const reel_params *ps)
{
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        const reel_param *p = reel_params_at(ps, i);
        char name[NAME_SIZE];
        uint64_t updates = 0;
        snprintf(name, sizeof name, "average.%s", reel_param_name(p));
        const reel_archive_tensor *t = reel_archive_find(a, name);
        if (t == NULL || t->dtype != REEL_F64 ||
            reel_archive_get_u64(a, name, &updates) != REEL_OK ||
            reel_average_restore(average, p, t->data, (size_t)reel_shape_size(t->shape), updates) !=
                REEL_OK) {
            return false;
        }
    }
    return true;
}

static bool put_model(reel_archive *a, const run *r)
{
    return archive_sign(a) && config_store_model(r->c, a) && vocabulary_store(r->v, a) &&
           reel_archive_put_params(a, "", r->m->params) == REEL_OK;
}

static bool put_run(reel_archive *a, const run *r)
{
    counter list[COUNTERS];
    list_counters(r->k, list);
    return config_store_goals(r->c, a) &&
           reel_archive_set_u64(a, "text.hash", r->text_hash) == REEL_OK &&
           reel_archive_set_u64(a, "text.bytes", r->text_size) == REEL_OK &&
           counters_put(a, list, COUNTERS) && reel_archive_put_opt(a, r->opt) == REEL_OK &&
           (r->carry->n == 0 || reel_archive_put_carry(a, r->carry) == REEL_OK) &&
           (r->average == NULL || put_average(a, r->average, r->m->params));
}

bool checkpoint_write(const run *r, const char *path)
{
    reel_archive *a = reel_archive_new();
    return archive_close(a, a && put_model(a, r) && put_run(a, r), path);
}

bool checkpoint_write_model(const run *r, double loss, const char *path)
{
    reel_archive *a = reel_archive_new();
    bool filled = a && put_model(a, r) &&
                  reel_archive_set_f64(a, "held_out.loss", loss) == REEL_OK &&
                  reel_archive_set_u64(a, "held_out.step", (uint64_t)r->k->step) == REEL_OK;
    return archive_close(a, filled, path);
}

bool checkpoint_model(reel_archive *a, const char *path, bool strict, config *c, vocabulary *v,
                      model *m)
{
    return config_restore(c, a, path, strict) && model_check_cell(c->cell) &&
           vocabulary_restore(v, a, path, c->units == UNITS_CHARS) && model_new(m, c, v->n) &&
           archive_weights(a, path, m->params);
}

bool checkpoint_open(config *c, bool strict, vocabulary *v, model *m)
{
    reel_archive *a = archive_open(c->checkpoint);
    bool ok = a != NULL && checkpoint_model(a, c->checkpoint, strict, c, v, m);
    reel_archive_free(a);
    return ok;
}

bool checkpoint_check_text(reel_archive *a, const char *path, const run *r)
{
    uint64_t hash = 0, size = 0;
    if (reel_archive_get(a, "text.hash") == NULL) {
        return complain("%s: holds a model but no training to resume", path);
    }
    if (reel_archive_get_u64(a, "text.hash", &hash) != REEL_OK ||
        reel_archive_get_u64(a, "text.bytes", &size) != REEL_OK) {
        return archive_complain(a);
    }
    return (hash == r->text_hash && size == r->text_size) ||
           complain("%s: was trained on another text (of %" PRIu64 " bytes, this one has %" PRIu64
                    "%s): resume with the same text",
                    path, size, r->text_size, size == r->text_size ? " too, but others" : "");
}

bool checkpoint_run(reel_archive *a, const char *path, run *r)
{
    counter list[COUNTERS];
    list_counters(r->k, list);
    if (!counters_take(a, list, COUNTERS) || reel_archive_take_opt(a, r->opt) != REEL_OK ||
        (reel_archive_find(a, "carry.0") != NULL &&
         reel_archive_take_carry(a, r->carry) != REEL_OK)) {
        return archive_complain(a);
    }
    return r->average == NULL || r->k->step == 0 || take_average(a, r->average, r->m->params) ||
           complain("%s: its averages are missing or damaged", path);
}

double checkpoint_loss(const char *path)
{
    double loss = INFINITY;
    if (access(path, F_OK) == 0) {
        reel_archive *a = archive_open(path);
        if (a != NULL && reel_archive_get(a, "held_out.loss") != NULL) {
            (void)(reel_archive_get_f64(a, "held_out.loss", &loss) == REEL_OK);
        }
        reel_archive_free(a);
    }
    return loss;
}
