/* What an archive holds, for the files that fill it, read it and write it. */
#ifndef REEL_SRC_ARCHIVE_H
#define REEL_SRC_ARCHIVE_H

#include <jansson.h>
#include <reel/file.h>

/* An element type of the safetensors format. `dtype` is what Reel holds it as, 0 when it cannot;
 * `widen` is set for the 16-bit types, which become f32 on the way in. */
typedef struct reel__element {
    const char *name;
    int bits;
    reel_dtype dtype;
    float (*widen)(uint16_t);
} reel__element;

typedef struct reel__entry {
    reel_archive_tensor tensor; /* what callers see; meaningless when `why` is set */
    const reel__element *element;
    char *name;
    void *bytes;    /* as the file has them, but for the widening */
    size_t size;    /* of bytes */
    char *why;      /* the line that says why Reel cannot hold it; NULL when it can */
    uint64_t begin; /* where the bytes are within the file's data, while reading or writing */
    size_t rank;
    int64_t dim[]; /* of any rank: what Reel cannot hold is still written back unchanged */
} reel__entry;

/* Everything between the braces of a file. A zeroed table is empty and may be cleared. */
typedef struct reel__table {
    reel__entry **entry; /* in the file's order */
    reel__entry **held;  /* those that callers may ask for */
    size_t count, held_count, room;
    json_t *index; /* name -> position in `entry` */
    json_t *text;  /* key -> string */
} reel__table;

enum { REEL__ARCHIVE_MESSAGE = 2048, REEL__QUOTE = 160 };

struct reel_archive {
    reel__table table;
    char *path; /* of the last read; NULL before */
    reel_status status;
    char message[REEL__ARCHIVE_MESSAGE];
};

/* Of the format: the one name that is no tensor, the bytes of the header's length, its largest
 * value. */
#define REEL__METADATA "__metadata__"
enum { REEL__LENGTH_BYTES = 8, REEL__HEADER_LIMIT = 100 * 1000 * 1000 };

/* NULL when memory is out. */
reel__entry *reel__entry_new(const char *name, const reel__element *element, size_t rank,
                             const int64_t *dim);
void reel__entry_free(reel__entry *e);
/* Takes the entry over, also on failure (memory is out; false). The name must be new. */
bool reel__table_add(reel__table *t, reel__entry *e);
/* False when memory is out. */
bool reel__table_set_text(reel__table *t, const char *key, const char *value);
void reel__table_clear(reel__table *t);
/* NULL when the table has no such name. */
reel__entry *reel__table_find(const reel__table *t, const char *name);

/* The element type of that name in the format; NULL when there is none. */
const reel__element *reel__element_named(const char *name);
/* The element type that Reel's own dtype is written as; NULL for what is no dtype. */
const reel__element *reel__element_of(reel_dtype dtype);
/* Bytes of a tensor; false when they do not fit memory or do not fill whole bytes. Stricter than
 * need be for empty tensors, so that strides cannot overflow either. */
bool reel__element_bytes(const reel__element *element, size_t rank, const int64_t *dim,
                         size_t *bytes);

bool reel__utf8_valid(const char *text);
/* A copy fit for a message: control characters replaced, the end of a long name cut. Returns out.
 */
const char *reel__quote(char out[REEL__QUOTE], const char *text);
/* "[2,3]". Returns out. */
const char *reel__dims_text(char out[REEL__QUOTE], size_t rank, const int64_t *dim);
reel_status reel__archive_no_memory(reel_archive *a, const char *doing);
/* The file the archive came from, or "archive". */
const char *reel__archive_label(const reel_archive *a);

/* Whether a tensor may become the value of a weight, or a slot of an optimizer for it. */
REEL_CHECKED reel_status reel__archive_check_fit(reel_archive *a, const reel__entry *e,
                                                 const reel_param *p);
/* The rest of the name when it starts with the prefix, else NULL. */
const char *reel__name_after(const char *prefix, const char *name);

/* Reads a file's bytes from memory; `label` stands for the path in messages. */
REEL_CHECKED reel_status reel__archive_read_bytes(reel_archive *a, const char *label,
                                                  const void *bytes, size_t size);
/* Hands the file's bytes to `put`, piece by piece; stops when it returns false. False then, and
 * when memory is out or the archive is too large for the format, with the error on the archive. */
bool reel__archive_emit(reel_archive *a, bool (*put)(void *to, const void *bytes, size_t size),
                        void *to);

#endif
