/** @file
 * Files of weights (safetensors) and checkpoints.
 *
 * Writing is atomic: a temporary file in the same folder, fsync, rename. Whoever is killed while writing
 * leaves the old or the new file whole. Reading checks everything before it changes anything.
 */
#ifndef REEL_FILE_H
#define REEL_FILE_H

#include <reel/base.h>
#include <reel/opt.h>
#include <reel/params.h>

REEL_BEGIN

/** Writes all weights of the set as one safetensors file, names and dtypes as they are, then the loaded
 * tensors that still wait for their name. The message of a failure is the set's (reel_params_message). */
REEL_API REEL_CHECKED reel_status reel_params_save(reel_params *ps, const char *path);
/** Reads a safetensors file: each tensor goes to the weight of its name, converted to the set's dtype
 * (F16, BF16, F32 and F64 are read), or waits for it. A file that is truncated, corrupted, has an
 * oversized header, or a tensor of another shape or dtype than expected gives one error that names the
 * file, the tensor and what was expected; then nothing has changed. A tensor that can be no weight, such as
 * PyTorch's integer `num_batches_tracked`, is an error only when a weight of its name is made. */
REEL_API REEL_CHECKED reel_status reel_params_load(reel_params *ps, const char *path);

/** A safetensors file as a table of tensors and text: what checkpoints and tools are made of. */
typedef struct reel_archive reel_archive;

/** One tensor of an archive, to be read. */
typedef struct reel_archive_tensor {
    const char *name;
    reel_dtype dtype;      /**< F16 and BF16 have been widened to f32 */
    reel_shape shape;
    const void *data;      /**< lives as long as the archive */
} reel_archive_tensor;

/** A new, empty archive. NULL only when memory is out. */
REEL_API reel_archive *reel_archive_new(void);
/** Frees the archive and its tensors. NULL is allowed. */
REEL_API void reel_archive_free(reel_archive *a);
/** REEL_OK, or the first error. */
REEL_API reel_status reel_archive_status(const reel_archive *a);
/** The first error's message; "" when there is none. Never NULL. */
REEL_API const char *reel_archive_message(const reel_archive *a);
/** Reads the whole file into the archive, replacing what it held. */
REEL_API REEL_CHECKED reel_status reel_archive_read(reel_archive *a, const char *path);
/** Writes it atomically. */
REEL_API REEL_CHECKED reel_status reel_archive_write(reel_archive *a, const char *path);
/** Puts a copy of a tensor; the name must be new. */
REEL_API REEL_CHECKED reel_status reel_archive_put(reel_archive *a, const char *name, reel_dtype dtype,
                                                   const void *data, reel_shape shape);
/** Number of tensors. */
REEL_API size_t reel_archive_count(const reel_archive *a);
/** In the file's order; NULL past the last. */
REEL_API const reel_archive_tensor *reel_archive_at(const reel_archive *a, size_t i);
/** NULL when there is none of that name. */
REEL_API const reel_archive_tensor *reel_archive_find(const reel_archive *a, const char *name);
/** Why the k-th tensor that Reel cannot hold (integers other than I32, rank above 4, ...) is not among the
 * tensors: a line that names it. It is no error until it is asked for, and is written back as it was read.
 * NULL past the last. */
REEL_API const char *reel_archive_skipped(const reel_archive *a, size_t k);
/** Text beside the tensors (`__metadata__`). Copied; a later value replaces an earlier one. */
REEL_API REEL_CHECKED reel_status reel_archive_set(reel_archive *a, const char *key, const char *value);
/** The same for a whole number, written in decimal. */
REEL_API REEL_CHECKED reel_status reel_archive_set_u64(reel_archive *a, const char *key, uint64_t value);
/** Written as a hexadecimal float, so that it comes back bit for bit. */
REEL_API REEL_CHECKED reel_status reel_archive_set_f64(reel_archive *a, const char *key, double value);
/** NULL when there is none. */
REEL_API const char *reel_archive_get(const reel_archive *a, const char *key);
/** On a missing or malformed entry: an error that names the key; *value is untouched. */
REEL_API REEL_CHECKED reel_status reel_archive_get_u64(reel_archive *a, const char *key, uint64_t *value);
/** The same for a number that reel_archive_set_f64 wrote. */
REEL_API REEL_CHECKED reel_status reel_archive_get_f64(reel_archive *a, const char *key, double *value);
/** Raises an error on the archive; the first one wins. Returns `status`. */
REEL_API reel_status reel_archive_fail(reel_archive *a, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);

/** Puts all weights of a set under `prefix` + name, and takes them back: taking checks that every weight the
 * archive holds under the prefix fits before it changes any; weights not made yet wait for their name. */
REEL_API REEL_CHECKED reel_status reel_archive_put_params(reel_archive *a, const char *prefix,
                                                          const reel_params *ps);
REEL_API REEL_CHECKED reel_status reel_archive_take_params(reel_archive *a, const char *prefix,
                                                           reel_params *ps);
/** The same for an optimizer: slots as tensors "opt.<slot>.<weight>", counts and rate as metadata. Its
 * params must have been made (and taken) before, and it must have been made with the same options and
 * groups, which are the program's to keep. */
REEL_API REEL_CHECKED reel_status reel_archive_put_opt(reel_archive *a, reel_opt *opt);
REEL_API REEL_CHECKED reel_status reel_archive_take_opt(reel_archive *a, reel_opt *opt);
/** States carried between chunks, as tensors "carry.<k>". */
struct reel_carry;
REEL_API REEL_CHECKED reel_status reel_archive_put_carry(reel_archive *a, const struct reel_carry *carry);
REEL_API REEL_CHECKED reel_status reel_archive_take_carry(reel_archive *a, struct reel_carry *carry);

/** Writes `size` bytes to `path` atomically: for logs, samples, plots. On failure errno's text is in
 * `message` (n bytes). */
REEL_API REEL_CHECKED reel_status reel_write_file(const char *path, const void *data, size_t size,
                                                  char *message, size_t n);

REEL_END

#endif
