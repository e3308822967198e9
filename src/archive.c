/* Job: the table of tensors that a file of weights is, in memory.
 * Invariant: names are unique valid UTF-8; an entry that Reel cannot hold is kept byte for byte, so
 * that writing back what was read loses nothing; the first error stays. Must not know: how bytes
 * are laid out in a file, what weights and optimizers are. */
#include "archive.h"

#include <reel/text.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

reel_archive *reel_archive_new(void)
{
    return reel__calloc(1, sizeof(reel_archive));
}

void reel_archive_free(reel_archive *a)
{
    if (!a) {
        return;
    }
    reel__table_clear(&a->table);
    reel__free(a->path);
    reel__free(a);
}

reel_status reel_archive_status(const reel_archive *a)
{
    return a ? a->status : REEL_ERR_ARGUMENT;
}

const char *reel_archive_message(const reel_archive *a)
{
    return a ? a->message : "the archive is NULL";
}

reel_status reel_archive_fail(reel_archive *a, reel_status status, const char *format, ...)
{
    if (!a || status == REEL_OK || a->status != REEL_OK) {
        return a && a->status != REEL_OK ? a->status : status;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(a->message, sizeof a->message, format, args);
    va_end(args);
    a->status = status;
    return status;
}

reel_status reel__archive_no_memory(reel_archive *a, const char *doing)
{
    return reel_archive_fail(a, REEL_ERR_MEMORY, "%s: out of memory while %s",
                             reel__archive_label(a), doing);
}

const char *reel__archive_label(const reel_archive *a)
{
    return a && a->path ? a->path : "archive";
}

/* Text in messages. */

const char *reel__quote(char out[REEL__QUOTE], const char *text)
{
    static const char more[] = "...";
    size_t n = 0;
    for (; text[n] && n < REEL__QUOTE - sizeof more; n++) {
        unsigned char c = (unsigned char)text[n];
        out[n] = c < 0x20 || c == 0x7f ? '?' : text[n];
    }
    if (!text[n]) {
        out[n] = 0;
        return out;
    }
    /* Cut between characters, not within one. */
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) {
        n--;
    }
    memcpy(out + n, more, sizeof more);
    return out;
}

const char *reel__dims_text(char out[REEL__QUOTE], size_t rank, const int64_t *dim)
{
    size_t used = 1;
    out[0] = '[';
    for (size_t i = 0; i < rank; i++) {
        char number[32];
        int n = snprintf(number, sizeof number, "%s%lld", i ? "," : "", (long long)dim[i]);
        if (used + (size_t)n > REEL__QUOTE - sizeof ",...]") {
            memcpy(out + used, ",...", 4);
            used += 4;
            break;
        }
        memcpy(out + used, number, (size_t)n);
        used += (size_t)n;
    }
    out[used] = ']';
    out[used + 1] = 0;
    return out;
}

bool reel__utf8_valid(const char *text)
{
    size_t n = strlen(text);
    return reel_utf8_invalid(text, n) == n;
}

/* The table. */

reel__entry *reel__entry_new(const char *name, const reel__element *element, size_t rank,
                             const int64_t *dim)
{
    size_t bytes;
    if (__builtin_mul_overflow(rank, sizeof *dim, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(reel__entry), &bytes)) {
        return NULL;
    }
    reel__entry *e = reel__calloc(1, bytes);
    if (!e) {
        return NULL;
    }
    e->name = reel__strdup(name);
    if (!e->name) {
        reel__free(e);
        return NULL;
    }
    e->element = element;
    e->rank = rank;
    for (size_t i = 0; i < rank; i++) {
        e->dim[i] = dim[i];
    }
    return e;
}

void reel__entry_free(reel__entry *e)
{
    if (!e) {
        return;
    }
    reel__free(e->name);
    reel__free(e->bytes);
    reel__free(e->why);
    reel__free(e);
}

static bool table_grow(reel__table *t)
{
    if (t->count < t->room) {
        return true;
    }
    size_t room = t->room ? t->room * 2 : 16;
    reel__entry **entry = reel__reallocarray(t->entry, room, sizeof *entry);
    if (!entry) {
        return false;
    }
    t->entry = entry;
    reel__entry **held = reel__reallocarray(t->held, room, sizeof *held);
    if (!held) {
        return false;
    }
    t->held = held;
    t->room = room;
    return true;
}

static bool table_index(reel__table *t, const char *name)
{
    if (!t->index) {
        t->index = json_object();
    }
    return t->index &&
           json_object_set_new_nocheck(t->index, name, json_integer((json_int_t)t->count)) == 0;
}

bool reel__table_add(reel__table *t, reel__entry *e)
{
    if (!table_grow(t) || !table_index(t, e->name)) {
        reel__entry_free(e);
        return false;
    }
    t->entry[t->count++] = e;
    if (!e->why) {
        t->held[t->held_count++] = e;
        e->tensor = (reel_archive_tensor){.name = e->name,
                                          .dtype = e->element->dtype,
                                          .shape = reel_shape_of((int)e->rank, e->dim),
                                          .data = e->bytes};
    }
    return true;
}

bool reel__table_set_text(reel__table *t, const char *key, const char *value)
{
    if (!t->text) {
        t->text = json_object();
    }
    return t->text && json_object_set_new(t->text, key, json_string(value)) == 0;
}

void reel__table_clear(reel__table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        reel__entry_free(t->entry[i]);
    }
    reel__free(t->entry);
    reel__free(t->held);
    json_decref(t->index);
    json_decref(t->text);
    *t = (reel__table){.entry = NULL};
}

reel__entry *reel__table_find(const reel__table *t, const char *name)
{
    const json_t *position = json_object_get(t->index, name);
    return position ? t->entry[json_integer_value(position)] : NULL;
}

/* The calls of the header. */

static bool put_is_valid(reel_archive *a, const char *name, reel_dtype dtype, const void *data,
                         reel_shape shape, size_t *bytes)
{
    char quote[REEL__QUOTE], dims[REEL__QUOTE];
    if (!name || !reel__utf8_valid(name) || strcmp(name, REEL__METADATA) == 0) {
        reel_archive_fail(a, REEL_ERR_ARGUMENT, "a tensor named '%s': %s",
                          reel__quote(quote, name ? name : "NULL"),
                          !name                     ? "expected a name"
                          : !reel__utf8_valid(name) ? "the name is not valid UTF-8"
                                                    : "safetensors keeps this name for itself");
        return false;
    }
    reel__quote(quote, name);
    const reel__element *element = reel__element_of(dtype);
    if (!element) {
        reel_archive_fail(a, REEL_ERR_ARGUMENT, "tensor '%s': dtype %d, expected f32, f64 or i32",
                          quote, (int)dtype);
        return false;
    }
    if (shape.rank < 0 || shape.rank > REEL_MAX_RANK) {
        reel_archive_fail(a, REEL_ERR_SHAPE, "tensor '%s': rank %d, expected 0 to %d", quote,
                          shape.rank, REEL_MAX_RANK);
        return false;
    }
    size_t rank = (size_t)shape.rank;
    if (!reel__element_bytes(element, rank, shape.dim, bytes)) {
        reel_archive_fail(a, REEL_ERR_SHAPE, "tensor '%s': %s is no possible shape", quote,
                          reel__dims_text(dims, rank, shape.dim));
        return false;
    }
    if (!data && *bytes) {
        reel_archive_fail(a, REEL_ERR_ARGUMENT, "tensor '%s': the data is NULL", quote);
        return false;
    }
    if (reel__table_find(&a->table, name)) {
        reel_archive_fail(a, REEL_ERR_ARGUMENT,
                          "tensor '%s' is in the archive already: names must differ", quote);
        return false;
    }
    return true;
}

reel_status reel_archive_put(reel_archive *a, const char *name, reel_dtype dtype, const void *data,
                             reel_shape shape)
{
    size_t bytes = 0;
    if (!a || a->status != REEL_OK) {
        return reel_archive_status(a);
    }
    if (!put_is_valid(a, name, dtype, data, shape, &bytes)) {
        return a->status;
    }
    reel__entry *e = reel__entry_new(name, reel__element_of(dtype), (size_t)shape.rank, shape.dim);
    if (!e) {
        return reel__archive_no_memory(a, "adding a tensor");
    }
    e->bytes = reel__malloc_aligned(bytes);
    if (!e->bytes) {
        reel__entry_free(e);
        return reel__archive_no_memory(a, "adding a tensor");
    }
    e->size = bytes;
    if (bytes) {
        memcpy(e->bytes, data, bytes);
    }
    return reel__table_add(&a->table, e) ? REEL_OK : reel__archive_no_memory(a, "adding a tensor");
}

size_t reel_archive_count(const reel_archive *a)
{
    return a ? a->table.held_count : 0;
}

const reel_archive_tensor *reel_archive_at(const reel_archive *a, size_t i)
{
    return a && i < a->table.held_count ? &a->table.held[i]->tensor : NULL;
}

const reel_archive_tensor *reel_archive_find(const reel_archive *a, const char *name)
{
    const reel__entry *e = a && name ? reel__table_find(&a->table, name) : NULL;
    return e && !e->why ? &e->tensor : NULL;
}

const char *reel_archive_skipped(const reel_archive *a, size_t k)
{
    for (size_t i = 0; a && i < a->table.count; i++) {
        const reel__entry *e = a->table.entry[i];
        if (e->why && k-- == 0) {
            return e->why;
        }
    }
    return NULL;
}
