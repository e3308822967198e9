/* What goes into a checkpoint, and back. No clock and no path is stored: the same run writes the
 * same bytes. */
#include "training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A checkpoint says whose it is. */
static const char *format_name(char *text, size_t size)
{
    snprintf(text, size, "%s 1", the_program->name);
    return text;
}

static bool archive_complain(const reel_archive *a)
{
    return complain("%s", reel_archive_message(a));
}

reel_archive *checkpoint_read(const char *path)
{
    char name[64];
    reel_archive *a = reel_archive_new();
    if (!a) {
        out_of_memory();
        return NULL;
    }
    if (reel_archive_read(a, path) != REEL_OK) {
        archive_complain(a);
        reel_archive_free(a);
        return NULL;
    }
    const char *format = reel_archive_get(a, "format");
    if (!format || strcmp(format, format_name(name, sizeof name)) != 0) {
        complain("%s: not a checkpoint of %s", path, the_program->name);
        reel_archive_free(a);
        return NULL;
    }
    return a;
}

reel_archive *checkpoint_open(const char *path, checkpoint_use use)
{
    reel_archive *a = checkpoint_read(path);
    if (a && !options_restore(a, path, use)) {
        reel_archive_free(a);
        return NULL;
    }
    return a;
}

bool checkpoint_weights(reel_archive *a, const char *path, reel_params *ps)
{
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        const char *name = reel_param_name(reel_params_at(ps, i));
        const reel_archive_tensor *t = reel_archive_find(a, name);
        if (!t) {
            return complain("%s: the weight '%s' is missing", path, name);
        }
        if (reel_params_offer(ps, name, t->dtype, t->data, t->shape) != REEL_OK) {
            return complain("%s: %s", path, reel_params_message(ps));
        }
    }
    return true;
}

bool checkpoint_put_vocabulary(reel_archive *a, const char *key, reel_vocabulary *v)
{
    char *text = reel_vocabulary_text(v);
    if (!text) {
        return out_of_memory();
    }
    bool ok = reel_archive_set(a, key, text) == REEL_OK || archive_complain(a);
    free(text);
    return ok;
}

reel_vocabulary *checkpoint_take_vocabulary(reel_archive *a, const char *path, const char *key)
{
    const char *text = reel_archive_get(a, key);
    if (!text) {
        complain("%s: its vocabulary '%s' is missing", path, key);
        return NULL;
    }
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    if (!v) {
        out_of_memory();
        return NULL;
    }
    if (reel_vocabulary_read(v, text) != REEL_OK) {
        complain("%s: vocabulary '%s': %s", path, key, reel_vocabulary_message(v));
        reel_vocabulary_free(v);
        return NULL;
    }
    return v;
}

/* Counters */

typedef struct counter {
    const char *key;
    int64_t *count;
    double *sum;
} counter;

enum { COUNTERS = 6 };

static void list_counters(training *t, counter list[COUNTERS])
{
    const counter all[COUNTERS] = {
        {"run.step", &t->step, NULL},
        {"run.judged", &t->judged, NULL},
        {"run.best", NULL, &t->best},
        {"run.best_epoch", &t->best_epoch, NULL},
        {"run.epoch_loss", NULL, &t->epoch_loss},
        {"run.epoch_count", &t->epoch_count, NULL},
    };
    memcpy(list, all, sizeof all);
}

static bool put_counters(reel_archive *a, training *t)
{
    counter list[COUNTERS];
    list_counters(t, list);
    for (int i = 0; i < COUNTERS; i++) {
        if ((list[i].sum
                 ? reel_archive_set_f64(a, list[i].key, *list[i].sum)
                 : reel_archive_set_u64(a, list[i].key, (uint64_t)*list[i].count)) != REEL_OK) {
            return false;
        }
    }
    return true;
}

static bool take_counters(reel_archive *a, training *t)
{
    counter list[COUNTERS];
    list_counters(t, list);
    for (int i = 0; i < COUNTERS; i++) {
        uint64_t count = 0;
        if ((list[i].sum ? reel_archive_get_f64(a, list[i].key, list[i].sum)
                         : reel_archive_get_u64(a, list[i].key, &count)) != REEL_OK) {
            return false;
        }
        if (list[i].count) {
            *list[i].count = (int64_t)count;
        }
    }
    return true;
}

/* Files */

static bool put_model(reel_archive *a, training *t)
{
    char name[64];
    return (reel_archive_set(a, "format", format_name(name, sizeof name)) == REEL_OK &&
            reel_archive_put_params(a, "", t->params) == REEL_OK) ||
           archive_complain(a);
}

static bool write_file(training *t, const char *path, bool whole)
{
    reel_archive *a = reel_archive_new();
    if (!a) {
        return out_of_memory();
    }
    bool ok =
        put_model(a, t) && options_store(a, OPTION_KEPT) && (!t->store || t->store(t->context, a));
    if (ok && whole) {
        ok = options_store(a, OPTION_GOAL) &&
             ((reel_archive_set_u64(a, "run.data", t->data) == REEL_OK && put_counters(a, t) &&
               reel_archive_put_opt(a, t->opt) == REEL_OK) ||
              archive_complain(a));
    }
    ok = ok && (reel_archive_write(a, path) == REEL_OK || archive_complain(a));
    reel_archive_free(a);
    return ok;
}

bool training_save(training *t)
{
    return write_file(t, t->checkpoint, true);
}

bool training_save_best(training *t)
{
    char path[4096];
    return write_file(t, best_path(t->checkpoint, path, sizeof path), false);
}

const char *best_path(const char *checkpoint, char *path, size_t size)
{
    static const char ending[] = ".safetensors";
    size_t stem = strlen(checkpoint), n = sizeof ending - 1;
    if (stem > n && strcmp(checkpoint + stem - n, ending) == 0) {
        stem -= n;
    }
    snprintf(path, size, "%.*s.best%s", (int)stem, checkpoint, ending);
    return path;
}

static bool same_data(reel_archive *a, const training *t)
{
    uint64_t data = 0;
    if (!reel_archive_get(a, "run.data")) {
        return complain("%s: holds a model but no training to resume", t->checkpoint);
    }
    if (reel_archive_get_u64(a, "run.data", &data) != REEL_OK) {
        return archive_complain(a);
    }
    return data == t->data ||
           complain("%s: was trained or measured on other data: resume with the same files",
                    t->checkpoint);
}

bool training_restore(training *t)
{
    reel_archive *a = checkpoint_read(t->checkpoint);
    bool ok = a && same_data(a, t) && checkpoint_weights(a, t->checkpoint, t->params) &&
              ((take_counters(a, t) && reel_archive_take_opt(a, t->opt) == REEL_OK) ||
               archive_complain(a));
    reel_archive_free(a);
    return ok;
}
