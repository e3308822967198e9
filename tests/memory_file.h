/* Safetensors files in memory: what tests put into a reader and get from a writer. */
#ifndef TESTS_MEMORY_FILE_H
#define TESTS_MEMORY_FILE_H

#include <stdlib.h>
#include <string.h>

#include "archive.h"

typedef struct memory_file {
    unsigned char *bytes;
    size_t size;
} memory_file;

static inline bool memory_file_put(void *to, const void *bytes, size_t size)
{
    memory_file *f = to;
    unsigned char *grown = realloc(f->bytes, f->size + size + 1);
    if (!grown) {
        return false;
    }
    if (size) {
        memcpy(grown + f->size, bytes, size);
    }
    f->bytes = grown;
    f->size += size;
    return true;
}

/* The bytes that the archive would have as a file; empty on failure. */
static inline memory_file memory_file_of(reel_archive *a)
{
    memory_file f = {.bytes = NULL};
    if (!reel__archive_emit(a, memory_file_put, &f)) {
        free(f.bytes);
        return (memory_file){.bytes = NULL};
    }
    return f;
}

/* A file of that header and data, whatever they say. */
static inline memory_file memory_file_make(const char *header, const void *data, size_t size)
{
    memory_file f = {.bytes = NULL};
    unsigned char length[8];
    size_t n = strlen(header);
    for (int i = 0; i < 8; i++) {
        length[i] = (unsigned char)((unsigned long long)n >> 8 * i);
    }
    if (!memory_file_put(&f, length, 8) || !memory_file_put(&f, header, n) ||
        !memory_file_put(&f, data, size)) {
        abort();
    }
    return f;
}

#endif
