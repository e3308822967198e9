/* Job: write the safetensors format (safetensors_read.c says what it is).
 * Invariant: equal archives give equal bytes.
 * Must not know: what the tensors are for; how a file is replaced. */
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "memory.h"
#include "write.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors is little-endian: this file copies bytes and needs swapping on this machine"
#endif

enum { ALIGNMENT = 8 };

/* Puts the entries in the order of their bytes and gives each its place: wide elements first, so
 * that a reader that maps the file finds every tensor aligned; otherwise as they arrived. */
static void place(const reel__table *t, reel__entry **order)
{
    static const int bits[] = {64, 32, 16, 8, 6, 4};
    uint64_t end = 0;
    size_t next = 0;
    for (size_t w = 0; w < sizeof bits / sizeof *bits; w++) {
        for (size_t i = 0; i < t->count; i++) {
            reel__entry *e = t->entry[i];
            if (e->element->bits == bits[w]) {
                order[next++] = e;
                e->begin = end;
                end += e->size;
            }
        }
    }
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The metadata with its keys sorted; NULL when memory is out. */
static json_t *sorted_text(json_t *text)
{
    size_t count = json_object_size(text), n = 0;
    json_t *sorted = json_object();
    const char **key = reel__calloc(count, sizeof *key);
    bool good = sorted && key;
    for (void *i = json_object_iter(text); good && i; i = json_object_iter_next(text, i)) {
        key[n++] = json_object_iter_key(i);
    }
    if (good) {
        qsort(key, count, sizeof *key, by_text);
    }
    for (size_t i = 0; good && i < count; i++) {
        good = json_object_set(sorted, key[i], json_object_get(text, key[i])) == 0;
    }
    reel__free(key);
    if (!good) {
        json_decref(sorted);
        return NULL;
    }
    return sorted;
}

/* An array of numbers; NULL when memory is out. */
static json_t *numbers(size_t count, const int64_t *number)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++) {
        if (json_array_append_new(array, json_integer(number[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *describe(const reel__entry *e)
{
    const int64_t offset[] = {(int64_t)e->begin, (int64_t)(e->begin + e->size)};
    json_t *value = json_object();
    if (value && (json_object_set_new(value, "dtype", json_string(e->element->name)) != 0 ||
                  json_object_set_new(value, "shape", numbers(e->rank, e->dim)) != 0 ||
                  json_object_set_new(value, "data_offsets", numbers(2, offset)) != 0)) {
        json_decref(value);
        return NULL;
    }
    return value;
}

/* NULL when memory is out. */
static json_t *make_header(const reel__table *t)
{
    json_t *header = json_object();
    bool good = header;
    if (good && json_object_size(t->text)) {
        good = json_object_set_new(header, REEL__METADATA, sorted_text(t->text)) == 0;
    }
    for (size_t i = 0; good && i < t->count; i++) {
        good = json_object_set_new(header, t->entry[i]->name, describe(t->entry[i])) == 0;
    }
    if (!good) {
        json_decref(header);
        return NULL;
    }
    return header;
}

/* The first bytes of the file, up to the data: fresh; NULL with an error. */
static char *make_head(reel_archive *a, size_t *size)
{
    json_t *header = make_header(&a->table);
    size_t length = header ? json_dumpb(header, NULL, 0, JSON_COMPACT) : 0;
    size_t padded = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *head = NULL;
    if (padded > REEL__HEADER_LIMIT) {
        reel_archive_fail(
            a, REEL_ERR_VALUE,
            "the header would need %zu bytes, safetensors allows %d: fewer tensors or "
            "shorter names and texts are needed",
            padded, REEL__HEADER_LIMIT);
    } else if (length) {
        head = reel__malloc(REEL__LENGTH_BYTES + padded);
    }
    if (head && json_dumpb(header, head + REEL__LENGTH_BYTES, length, JSON_COMPACT) != length) {
        reel__free(head);
        head = NULL;
    }
    json_decref(header);
    if (!head) {
        reel__archive_no_memory(a, "making the header"); /* if there is no other error yet */
        return NULL;
    }
    memset(head + REEL__LENGTH_BYTES + length, ' ', padded - length);
    for (int i = 0; i < REEL__LENGTH_BYTES; i++) {
        head[i] = (char)(unsigned char)((uint64_t)padded >> 8 * i);
    }
    *size = REEL__LENGTH_BYTES + padded;
    return head;
}

bool reel__archive_emit(reel_archive *a, bool (*put)(void *to, const void *bytes, size_t size),
                        void *to)
{
    size_t count = a->table.count, head_size = 0;
    reel__entry **order = reel__calloc(count, sizeof(reel__entry *));
    if (!order) {
        reel__archive_no_memory(a, "writing");
        return false;
    }
    place(&a->table, order);
    char *head = make_head(a, &head_size);
    bool good = head && put(to, head, head_size);
    for (size_t i = 0; good && i < count; i++) {
        good = put(to, order[i]->bytes, order[i]->size);
    }
    reel__free(head);
    reel__free(order);
    return good;
}

static bool put_to_file(void *to, const void *bytes, size_t size)
{
    return reel__writer_put(to, bytes, size);
}

reel_status reel_archive_write(reel_archive *a, const char *path)
{
    if (!a || a->status != REEL_OK) {
        return reel_archive_status(a);
    }
    reel__writer w;
    if (reel__writer_open(&w, path) && reel__archive_emit(a, put_to_file, &w) &&
        reel__writer_commit(&w)) {
        return REEL_OK;
    }
    reel__writer_drop(&w);
    return w.status != REEL_OK ? reel_archive_fail(a, w.status, "%s", w.message) : a->status;
}
