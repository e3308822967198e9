/* Archives as checkpoints. No clock and no path is stored: the same run writes the same bytes. */
#include "archive.h"

#include "say.h"

#include <string.h>

static const char *signature(char *text, size_t size)
{
    snprintf(text, size, "%s 1", program_name);
    return text;
}

bool archive_complain(const reel_archive *a)
{
    return complain("%s", reel_archive_message(a));
}

bool archive_sign(reel_archive *a)
{
    char text[64];
    return reel_archive_set(a, "format", signature(text, sizeof text)) == REEL_OK;
}

reel_archive *archive_open(const char *path)
{
    char text[64];
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
    if (!format || strcmp(format, signature(text, sizeof text)) != 0) {
        complain("%s: not a checkpoint of %s", path, program_name);
        reel_archive_free(a);
        return NULL;
    }
    return a;
}

bool archive_close(reel_archive *a, bool filled, const char *path)
{
    if (!a) {
        return out_of_memory();
    }
    bool ok = (filled && reel_archive_write(a, path) == REEL_OK) || archive_complain(a);
    reel_archive_free(a);
    return ok;
}

bool archive_weights(reel_archive *a, const char *path, reel_params *ps)
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

bool counters_put(reel_archive *a, const counter *list, int n)
{
    for (int i = 0; i < n; i++) {
        reel_status status = list[i].count
                                 ? reel_archive_set_u64(a, list[i].key, (uint64_t)*list[i].count)
                                 : reel_archive_set_f64(a, list[i].key, *list[i].sum);
        if (status != REEL_OK) {
            return false;
        }
    }
    return true;
}

bool counters_take(reel_archive *a, const counter *list, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t count = 0;
        reel_status status = list[i].count ? reel_archive_get_u64(a, list[i].key, &count)
                                           : reel_archive_get_f64(a, list[i].key, list[i].sum);
        if (status != REEL_OK) {
            return false;
        }
        if (list[i].count) {
            *list[i].count = (int64_t)count;
        }
    }
    return true;
}

const char *best_path(const char *checkpoint, char *path, size_t size)
{
    static const char ending[] = ".safetensors";
    size_t stem = strlen(checkpoint), n = sizeof ending - 1;
    if (stem > n && strcmp(checkpoint + stem - n, ending) == 0) {
        stem -= n;
    }
    int length = snprintf(path, size, "%.*s.best%s", (int)stem, checkpoint, ending);
    if (length < 0 || (size_t)length >= size) {
        complain("--checkpoint: the name is longer than %zu bytes", size);
        return NULL;
    }
    return path;
}
