/* What goes into a checkpoint, and back. No clock and no path is stored: the same run writes the
 * same bytes. */
#include "training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

reel_archive *checkpoint_open(const char *path, checkpoint_use use)
{
    reel_archive *a = archive_open(path);
    if (a && !options_restore(a, path, use)) {
        reel_archive_free(a);
        return NULL;
    }
    return a;
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

/* Files */

static bool fill(reel_archive *a, training *t, bool whole)
{
    counter list[COUNTERS];
    list_counters(t, list);
    return archive_sign(a) && reel_archive_put_params(a, "", t->params) == REEL_OK &&
           reel_archive_set_u64(a, "data", t->data) == REEL_OK &&
           (!whole ||
            (reel_archive_set_u64(a, "run.data", t->data) == REEL_OK &&
             counters_put(a, list, COUNTERS) && reel_archive_put_opt(a, t->opt) == REEL_OK));
}

static bool write_file(training *t, const char *path, bool whole)
{
    reel_archive *a = reel_archive_new();
    bool told = a && options_store(a, OPTION_KEPT) && (!whole || options_store(a, OPTION_GOAL)) &&
                (!t->store || t->store(t->context, a));
    if (a && !told) {
        reel_archive_free(a);
        return false;
    }
    return archive_close(a, a && fill(a, t, whole), path);
}

bool training_save(training *t)
{
    return write_file(t, t->checkpoint, true);
}

bool training_save_best(training *t)
{
    char path[4096];
    return best_path(t->checkpoint, path, sizeof path) && write_file(t, path, false);
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

bool checkpoint_learned(const char *path, uint64_t data)
{
    uint64_t learned = data;
    reel_archive *a = archive_open(path);
    bool ok = a != NULL;
    if (ok && reel_archive_get(a, "data") && reel_archive_get_u64(a, "data", &learned)) {
        ok = archive_complain(a);
    }
    reel_archive_free(a);
    return ok && (learned == data ||
                  complain("%s: was trained on other data: expected the same files", path));
}

bool training_restore(training *t)
{
    counter list[COUNTERS];
    list_counters(t, list);
    reel_archive *a = archive_open(t->checkpoint);
    bool ok = a && same_data(a, t) && archive_weights(a, t->checkpoint, t->params) &&
              ((counters_take(a, list, COUNTERS) && reel_archive_take_opt(a, t->opt) == REEL_OK) ||
               archive_complain(a));
    reel_archive_free(a);
    return ok;
}
