/* Job: read the safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes,
 * all little-endian (https://github.com/huggingface/safetensors, "Format"). Invariant: the whole
 * description is checked against the file's size before anything is read or allocated for a tensor,
 * and the archive's contents are replaced only when all went well. Must not know: what the tensors
 * are for. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "memory.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors is little-endian: this file copies bytes and needs swapping on this machine"
#endif

typedef struct source {
    const char *label;
    int fd; /* -1: the bytes are in memory */
    const char *bytes;
    uint64_t size;
} source;

static bool source_read(reel_archive *a, const source *s, uint64_t at, void *out, size_t size)
{
    if (s->fd < 0) {
        if (size) {
            memcpy(out, s->bytes + at, size);
        }
        return true;
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(s->fd, (char *)out + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            reel_archive_fail(a, REEL_ERR_FILE, "%s: cannot read: %s", s->label, strerror(errno));
            return false;
        }
        if (n == 0) {
            reel_archive_fail(a, REEL_ERR_FORMAT,
                              "%s: truncated while it was read: it ends at byte %" PRIu64
                              ", expected %" PRIu64,
                              s->label, at + done, s->size);
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

/* The header's length, checked. 0 with an error when the file cannot be one. */
static size_t read_length(reel_archive *a, const source *s)
{
    unsigned char raw[REEL__LENGTH_BYTES];
    uint64_t length = 0;
    if (s->size < sizeof raw) {
        reel_archive_fail(a, REEL_ERR_FORMAT,
                          "%s: %" PRIu64 " bytes, expected at least the %d of the header's length: "
                          "truncated, or no safetensors file",
                          s->label, s->size, REEL__LENGTH_BYTES);
        return 0;
    }
    if (!source_read(a, s, 0, raw, sizeof raw)) {
        return 0;
    }
    for (int i = REEL__LENGTH_BYTES; i-- > 0;) {
        length = length << 8 | raw[i];
    }
    if (length > REEL__HEADER_LIMIT || length < 2) {
        reel_archive_fail(a, REEL_ERR_FORMAT,
                          "%s: header of %" PRIu64 " bytes, expected 2 to %d: corrupted, or no "
                          "safetensors file",
                          s->label, length, REEL__HEADER_LIMIT);
        return 0;
    }
    if (length > s->size - REEL__LENGTH_BYTES) {
        reel_archive_fail(a, REEL_ERR_FORMAT,
                          "%s: truncated in its header: it has %" PRIu64
                          " bytes, the header alone needs %" PRIu64,
                          s->label, s->size, length + REEL__LENGTH_BYTES);
        return 0;
    }
    return (size_t)length;
}

static void fail_json(reel_archive *a, const source *s, const json_error_t *error)
{
    char quote[REEL__QUOTE];
    if (!error->text[0]) {
        reel__archive_no_memory(a, "reading the header");
        return;
    }
    reel_archive_fail(a, REEL_ERR_FORMAT,
                      "%s: corrupted header: %s (byte %d of the header), expected JSON", s->label,
                      reel__quote(quote, error->text), error->position);
}

/* The header as JSON; NULL with an error. */
static json_t *read_header(reel_archive *a, const source *s, uint64_t *data_start)
{
    size_t length = read_length(a, s);
    if (!length) {
        return NULL;
    }
    char *text = reel__malloc(length);
    if (!text) {
        reel__archive_no_memory(a, "reading the header");
        return NULL;
    }
    json_t *header = NULL;
    if (source_read(a, s, REEL__LENGTH_BYTES, text, length)) {
        json_error_t error = {.text = ""};
        if (text[0] == '{') {
            header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
        } else {
            snprintf(error.text, sizeof error.text, "it does not start with '{'");
        }
        if (!header) {
            fail_json(a, s, &error);
        }
    }
    reel__free(text);
    *data_start = REEL__LENGTH_BYTES + length;
    return header;
}

static bool parse_metadata(reel_archive *a, const source *s, const json_t *metadata, reel__table *t)
{
    char quote[REEL__QUOTE];
    void *i;
    if (!json_is_object(metadata)) {
        reel_archive_fail(a, REEL_ERR_FORMAT, "%s: %s is no object of strings", s->label,
                          REEL__METADATA);
        return false;
    }
    /* The iterator only reads; its parameter lacks a const. */
    json_t *object = (json_t *)(uintptr_t)metadata;
    for (i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        const char *key = json_object_iter_key(i);
        const char *value = json_string_value(json_object_iter_value(i));
        if (!value) {
            reel_archive_fail(a, REEL_ERR_FORMAT, "%s: metadata '%s' is no string", s->label,
                              reel__quote(quote, key));
            return false;
        }
        if (!reel__table_set_text(t, key, value)) {
            reel__archive_no_memory(a, "reading the metadata");
            return false;
        }
    }
    return true;
}

static bool malformed(reel_archive *a, const source *s, const char *name, const char *what)
{
    char quote[REEL__QUOTE];
    reel_archive_fail(a, REEL_ERR_FORMAT, "%s: tensor '%s': %s", s->label, reel__quote(quote, name),
                      what);
    return false;
}

/* A JSON array of sizes as a fresh array, never NULL without an error. */
static int64_t *parse_sizes(reel_archive *a, const source *s, const char *name, const json_t *array,
                            const char *what, size_t *count)
{
    size_t n = json_array_size(array);
    bool good = json_is_array(array);
    for (size_t i = 0; good && i < n; i++) {
        const json_t *size = json_array_get(array, i);
        good = json_is_integer(size) && json_integer_value(size) >= 0;
    }
    if (!good) {
        malformed(a, s, name, what);
        return NULL;
    }
    int64_t *sizes = reel__calloc(n, sizeof *sizes);
    if (!sizes) {
        reel__archive_no_memory(a, "reading the header");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        sizes[i] = json_integer_value(json_array_get(array, i));
    }
    *count = n;
    return sizes;
}

static bool explain_skip(reel_archive *a, reel__entry *e)
{
    char quote[REEL__QUOTE];
    reel__quote(quote, e->name);
    if (e->element->dtype == REEL_DTYPE_DEFAULT) {
        e->why = reel__format("'%s': elements are %s, Reel holds F64, F32, F16, BF16 and I32",
                              quote, e->element->name);
    } else if (e->rank > REEL_MAX_RANK) {
        e->why =
            reel__format("'%s': rank %zu, Reel holds at most %d", quote, e->rank, REEL_MAX_RANK);
    } else {
        return true;
    }
    if (!e->why) {
        reel__archive_no_memory(a, "reading the header");
    }
    return e->why;
}

/* Where the tensor's bytes are: begin and size of the entry. */
static bool parse_offsets(reel_archive *a, const source *s, const json_t *value, reel__entry *e)
{
    char quote[REEL__QUOTE], dims[REEL__QUOTE];
    size_t n, bytes;
    int64_t *offset = parse_sizes(a, s, e->name, json_object_get(value, "data_offsets"),
                                  "data_offsets are not two offsets", &n);
    if (!offset) {
        return false;
    }
    int64_t begin = n == 2 ? offset[0] : 0, end = n == 2 ? offset[1] : -1;
    reel__free(offset);
    if (end < begin) {
        return malformed(a, s, e->name, "data_offsets are not two offsets, the second not below");
    }
    bool possible = reel__element_bytes(e->element, e->rank, e->dim, &bytes);
    if (!possible || bytes != (uint64_t)(end - begin)) {
        reel__quote(quote, e->name);
        reel__dims_text(dims, e->rank, e->dim);
        if (!possible) {
            reel_archive_fail(a, REEL_ERR_FORMAT, "%s: tensor '%s': %s %s is no possible shape",
                              s->label, quote, e->element->name, dims);
        } else {
            reel_archive_fail(a, REEL_ERR_FORMAT,
                              "%s: tensor '%s': %" PRId64
                              " bytes by its data_offsets, expected %zu "
                              "for %s %s",
                              s->label, quote, end - begin, bytes, e->element->name, dims);
        }
        return false;
    }
    e->begin = (uint64_t)begin;
    e->size = bytes;
    return true;
}

static bool parse_tensor(reel_archive *a, const source *s, const char *name, const json_t *value,
                         reel__table *t)
{
    char quote[REEL__QUOTE], found[REEL__QUOTE];
    if (!json_is_object(value)) {
        return malformed(a, s, name, "its description is no object");
    }
    const char *type = json_string_value(json_object_get(value, "dtype"));
    if (!type) {
        return malformed(a, s, name, "dtype is missing or no string");
    }
    const reel__element *element = reel__element_named(type);
    if (!element) {
        reel_archive_fail(a, REEL_ERR_FORMAT,
                          "%s: tensor '%s': unknown dtype '%s', expected such as F32", s->label,
                          reel__quote(quote, name), reel__quote(found, type));
        return false;
    }
    size_t rank;
    int64_t *dim = parse_sizes(a, s, name, json_object_get(value, "shape"),
                               "shape is missing or no list of sizes", &rank);
    if (!dim) {
        return false;
    }
    reel__entry *e = reel__entry_new(name, element, rank, dim);
    reel__free(dim);
    if (!e) {
        reel__archive_no_memory(a, "reading the header");
        return false;
    }
    if (!parse_offsets(a, s, value, e) || !explain_skip(a, e)) {
        reel__entry_free(e);
        return false;
    }
    if (!reel__table_add(t, e)) {
        reel__archive_no_memory(a, "reading the header");
        return false;
    }
    return true;
}

static bool parse_header(reel_archive *a, const source *s, json_t *header, reel__table *t)
{
    for (void *i = json_object_iter(header); i; i = json_object_iter_next(header, i)) {
        const char *key = json_object_iter_key(i);
        const json_t *value = json_object_iter_value(i);
        if (strcmp(key, REEL__METADATA) == 0 ? !parse_metadata(a, s, value, t)
                                             : !parse_tensor(a, s, key, value, t)) {
            return false;
        }
    }
    return true;
}

static int by_place(const void *left, const void *right)
{
    const reel__entry *a = *(reel__entry *const *)left, *b = *(reel__entry *const *)right;
    if (a->begin != b->begin) {
        return a->begin < b->begin ? -1 : 1;
    }
    return (a->size > b->size) - (a->size < b->size);
}

/* Tensors must fill the data from its first byte to its last, each byte once: the format forbids
 * holes, so that nothing can hide in a file. */
static bool check_fit(reel_archive *a, const source *s, reel__entry *const *entry, size_t count,
                      uint64_t data_size)
{
    char quote[REEL__QUOTE];
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        const reel__entry *e = entry[i];
        reel__quote(quote, e->name);
        if (e->begin != end) {
            reel_archive_fail(a, REEL_ERR_FORMAT,
                              "%s: tensor '%s' starts at byte %" PRIu64
                              " of the data, expected %" PRIu64 ": tensors %s",
                              s->label, quote, e->begin, end,
                              e->begin < end ? "overlap" : "leave a gap");
            return false;
        }
        end += e->size; /* cannot overflow: both come from an int64_t offset */
        if (end > data_size) {
            reel_archive_fail(a, REEL_ERR_FORMAT,
                              "%s: truncated: tensor '%s' ends at byte %" PRIu64
                              " of the data, the file has %" PRIu64 " bytes of it",
                              s->label, quote, end, data_size);
            return false;
        }
    }
    if (end != data_size) {
        reel_archive_fail(a, REEL_ERR_FORMAT,
                          "%s: %" PRIu64 " trailing bytes after the last tensor, expected none",
                          s->label, data_size - end);
        return false;
    }
    return true;
}

static bool check_layout(reel_archive *a, const source *s, const reel__table *t, uint64_t data_size)
{
    reel__entry **order = reel__calloc(t->count, sizeof(reel__entry *));
    if (!order) {
        reel__archive_no_memory(a, "reading the header");
        return false;
    }
    if (t->count) {
        memcpy(order, t->entry, t->count * sizeof(reel__entry *));
        qsort(order, t->count, sizeof(reel__entry *), by_place);
    }
    bool fits = check_fit(a, s, order, t->count, data_size);
    reel__free(order);
    return fits;
}

/* 16-bit numbers become f32. False when memory is out. */
static bool entry_widen(reel__entry *e)
{
    size_t count = e->size / sizeof(uint16_t);
    const uint16_t *half = e->bytes;
    if (count > SIZE_MAX / sizeof(float)) {
        return false;
    }
    float *wide = reel__malloc_aligned(count * sizeof *wide);
    if (!wide) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        wide[i] = e->element->widen(half[i]);
    }
    reel__free(e->bytes);
    e->bytes = wide;
    e->size = count * sizeof *wide;
    e->element = reel__element_of(REEL_F32);
    return true;
}

static bool read_data(reel_archive *a, const source *s, const reel__table *t, uint64_t data_start)
{
    for (size_t i = 0; i < t->count; i++) {
        reel__entry *e = t->entry[i];
        e->bytes = reel__malloc_aligned(e->size);
        if (!e->bytes) {
            reel__archive_no_memory(a, "reading a tensor");
            return false;
        }
        if (!source_read(a, s, data_start + e->begin, e->bytes, e->size)) {
            return false;
        }
        if (!e->why && e->element->widen && !entry_widen(e)) {
            reel__archive_no_memory(a, "reading a tensor");
            return false;
        }
        e->tensor.data = e->bytes;
    }
    return true;
}

static reel_status read_source(reel_archive *a, const source *s)
{
    uint64_t data_start;
    char *path = reel__strdup(s->label);
    if (!path) {
        return reel_archive_fail(a, REEL_ERR_MEMORY, "%s: out of memory while opening it",
                                 s->label);
    }
    reel__free(a->path);
    a->path = path;
    json_t *header = read_header(a, s, &data_start);
    if (!header) {
        return a->status;
    }
    reel__table table = {.entry = NULL};
    if (parse_header(a, s, header, &table) && check_layout(a, s, &table, s->size - data_start) &&
        read_data(a, s, &table, data_start)) {
        reel__table old = a->table;
        a->table = table;
        table = old;
    }
    reel__table_clear(&table);
    json_decref(header);
    return a->status;
}

reel_status reel__archive_read_bytes(reel_archive *a, const char *label, const void *bytes,
                                     size_t size)
{
    if (!a || a->status != REEL_OK) {
        return reel_archive_status(a);
    }
    return read_source(a, &(source){.label = label, .fd = -1, .bytes = bytes, .size = size});
}

static reel_status read_open_file(reel_archive *a, const char *path, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return reel_archive_fail(a, REEL_ERR_FILE, "%s: cannot read: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return reel_archive_fail(a, REEL_ERR_FILE, "%s: is %s, expected a safetensors file", path,
                                 S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
    }
    return read_source(a, &(source){.label = path, .fd = fd, .size = (uint64_t)info.st_size});
}

reel_status reel_archive_read(reel_archive *a, const char *path)
{
    if (!a || a->status != REEL_OK) {
        return reel_archive_status(a);
    }
    if (!path) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "the path to read is NULL");
    }
    /* Without O_NONBLOCK, opening a named pipe would wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return reel_archive_fail(a, REEL_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
    }
    reel_status status = read_open_file(a, path, fd);
    close(fd);
    return status;
}
