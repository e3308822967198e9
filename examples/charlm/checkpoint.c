/* What goes into a checkpoint, and back. No clock and no path is stored: the same run writes the
 * same bytes. */
#include "checkpoint.h"
#include "../program/say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char format_name[] = "reel-charlm 1";
enum { NAME_SIZE = 256 };

static bool archive_complain(const reel_archive *a)
{
    return complain("%s", reel_archive_message(a));
}

/* The counters by name, so that writing and reading share one list. */
typedef struct counter_entry {
    const char *key;
    int64_t *count;
    double *sum;
} counter_entry;

enum { COUNTERS = 9 };

static void list_counters(counters *k, counter_entry list[COUNTERS])
{
    const counter_entry all[COUNTERS] = {
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

static bool put_counters(reel_archive *a, counters *k)
{
    counter_entry list[COUNTERS];
    list_counters(k, list);
    for (int i = 0; i < COUNTERS; i++) {
        reel_status status = list[i].sum != NULL
                                 ? reel_archive_set_f64(a, list[i].key, *list[i].sum)
                                 : reel_archive_set_u64(a, list[i].key, (uint64_t)*list[i].count);
        if (status != REEL_OK) {
            return false;
        }
    }
    return true;
}

static bool take_counters(reel_archive *a, counters *k)
{
    counter_entry list[COUNTERS];
    list_counters(k, list);
    for (int i = 0; i < COUNTERS; i++) {
        uint64_t count = 0;
        reel_status status = list[i].sum != NULL ? reel_archive_get_f64(a, list[i].key, list[i].sum)
                                                 : reel_archive_get_u64(a, list[i].key, &count);
        if (status != REEL_OK) {
            return false;
        }
        if (list[i].count != NULL) {
            *list[i].count = (int64_t)count;
        }
    }
    return true;
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
    return reel_archive_set(a, "format", format_name) == REEL_OK && config_store_model(r->c, a) &&
           vocabulary_store(r->v, a) && reel_archive_put_params(a, "", r->m->params) == REEL_OK;
}

static bool put_run(reel_archive *a, const run *r)
{
    return config_store_goals(r->c, a) &&
           reel_archive_set_u64(a, "text.hash", r->text_hash) == REEL_OK &&
           reel_archive_set_u64(a, "text.bytes", r->text_size) == REEL_OK &&
           put_counters(a, r->k) && reel_archive_put_opt(a, r->opt) == REEL_OK &&
           (r->carry->n == 0 || reel_archive_put_carry(a, r->carry) == REEL_OK) &&
           (r->average == NULL || put_average(a, r->average, r->m->params));
}

static bool write_and_free(reel_archive *a, bool filled, const char *path)
{
    if (a == NULL) {
        return out_of_memory();
    }
    bool ok = (filled && reel_archive_write(a, path) == REEL_OK) || archive_complain(a);
    reel_archive_free(a);
    return ok;
}

bool checkpoint_write(const run *r, const char *path)
{
    reel_archive *a = reel_archive_new();
    return write_and_free(a, put_model(a, r) && put_run(a, r), path);
}

bool checkpoint_write_model(const run *r, double loss, const char *path)
{
    reel_archive *a = reel_archive_new();
    bool filled = put_model(a, r) && reel_archive_set_f64(a, "held_out.loss", loss) == REEL_OK &&
                  reel_archive_set_u64(a, "held_out.step", (uint64_t)r->k->step) == REEL_OK;
    return write_and_free(a, filled, path);
}

reel_archive *checkpoint_read(const char *path)
{
    reel_archive *a = reel_archive_new();
    if (a == NULL) {
        out_of_memory();
        return NULL;
    }
    if (reel_archive_read(a, path) != REEL_OK) {
        archive_complain(a);
        reel_archive_free(a);
        return NULL;
    }
    const char *format = reel_archive_get(a, "format");
    if (format == NULL || strcmp(format, format_name) != 0) {
        complain("%s: not a checkpoint of reel-charlm", path);
        reel_archive_free(a);
        return NULL;
    }
    return a;
}

/* Every weight of the model must be there, and fit. */
static bool take_weights(reel_archive *a, const char *path, reel_params *ps)
{
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        const char *name = reel_param_name(reel_params_at(ps, i));
        const reel_archive_tensor *t = reel_archive_find(a, name);
        if (t == NULL) {
            return complain("%s: the weight '%s' is missing", path, name);
        }
        if (reel_params_offer(ps, name, t->dtype, t->data, t->shape) != REEL_OK) {
            return complain("%s: %s", path, reel_params_message(ps));
        }
    }
    return true;
}

bool checkpoint_model(reel_archive *a, const char *path, bool strict, config *c, vocabulary *v,
                      model *m)
{
    return config_restore(c, a, path, strict) && model_check_cell(c->cell) &&
           vocabulary_restore(v, a, path, c->units == UNITS_CHARS) && model_new(m, c, v->n) &&
           take_weights(a, path, m->params);
}

bool checkpoint_open(config *c, bool strict, vocabulary *v, model *m)
{
    reel_archive *a = checkpoint_read(c->checkpoint);
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
    if (!take_counters(a, r->k) || reel_archive_take_opt(a, r->opt) != REEL_OK ||
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
        reel_archive *a = checkpoint_read(path);
        if (a != NULL && reel_archive_get(a, "held_out.loss") != NULL) {
            (void)(reel_archive_get_f64(a, "held_out.loss", &loss) == REEL_OK);
        }
        reel_archive_free(a);
    }
    return loss;
}
