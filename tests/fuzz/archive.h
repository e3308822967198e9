/* What must hold for any bytes at all that are given to the reader of safetensors. */
#ifndef TESTS_FUZZ_ARCHIVE_H
#define TESTS_FUZZ_ARCHIVE_H

#include <reel/params.h>
#include <stdio.h>

#include "memory_file.h"

#define fuzz_require(x) ((x) ? (void)0 : fuzz_broken(#x))

static inline void fuzz_broken(const char *what)
{
    fprintf(stderr, "not true: %s\n", what);
    abort();
}

/* Reads every byte of every tensor, where a checker would see one too many. */
static inline unsigned fuzz_touch(const reel_archive *a)
{
    unsigned sum = 0;
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const reel_archive_tensor *t = reel_archive_at(a, i);
        size_t bytes = (size_t)reel_shape_size(t->shape) * reel_dtype_size(t->dtype);
        for (size_t k = 0; k < bytes; k++) {
            sum += ((const unsigned char *)t->data)[k];
        }
        fuzz_require(reel_archive_find(a, t->name) == t);
    }
    return sum;
}

/* One line that begins with the file's name, and an archive as empty as before. */
static inline void fuzz_refused(const reel_archive *a)
{
    const char *message = reel_archive_message(a);
    fuzz_require(reel_archive_status(a) == REEL_ERR_FORMAT);
    fuzz_require(strncmp(message, "fuzz: ", 6) == 0);
    for (; *message; message++) {
        fuzz_require((unsigned char)*message >= 0x20);
    }
    fuzz_require(reel_archive_count(a) == 0 && !reel_archive_skipped(a, 0));
}

/* What was read can be written, and reads as the same. */
static inline void fuzz_accepted(reel_archive *a)
{
    reel_archive *b = reel_archive_new();
    memory_file first = memory_file_of(a);
    fuzz_require(first.size > 0);
    fuzz_require(reel__archive_read_bytes(b, "again", first.bytes, first.size) == REEL_OK);
    fuzz_require(fuzz_touch(a) == fuzz_touch(b));
    memory_file second = memory_file_of(b);
    fuzz_require(first.size == second.size && !memcmp(first.bytes, second.bytes, first.size));
    free(first.bytes);
    free(second.bytes);
    reel_archive_free(b);
}

/* Taking weights changes all that fit or none. */
static inline void fuzz_take(reel_archive *a)
{
    reel_params *ps = reel_params_new(REEL_F64, 1);
    reel_init one = {REEL_INIT_CONSTANT, 1, 0};
    reel_param *w = reel_params_get(ps, "w", reel_dims(2), one, 0);
    fuzz_require(w);
    reel_status status = reel_archive_take_params(a, "", ps);
    fuzz_require(status == reel_archive_status(a));
    if (status) {
        const double *value = reel_param_data(w);
        fuzz_require(value[0] == 1 && value[1] == 1 && !reel_params_unclaimed(ps, 0));
    }
    reel_params_free(ps);
}

static inline void fuzz_archive(const unsigned char *bytes, size_t size)
{
    reel_archive *a = reel_archive_new();
    if (reel__archive_read_bytes(a, "fuzz", bytes, size)) {
        fuzz_refused(a);
    } else {
        fuzz_accepted(a);
        fuzz_take(a);
    }
    reel_archive_free(a);
}

#endif
