/** @file
 * Types, status codes and macros that every other header builds on.
 *
 * Conventions of the whole library:
 * - tensors are dense and row-major, of rank 0 to 4; sizes count elements, never bytes;
 * - a step is `[batch, features]`, a sequence `[time, batch, features]`;
 * - weights are `[out, in]` and `y = x Wᵀ + b`;
 * - options are keyword arguments: `reel_f(required, .option = value)` expands to
 *   `reel_f_with(&(reel_f_args){...})`; a zero member means the default;
 * - a function that returns `reel_status` reports what went wrong through it and through the message
 *   of the object it was called on; the compiler warns when the status is ignored.
 */
#ifndef REEL_BASE_H
#define REEL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define REEL_API __attribute__((visibility("default")))
#define REEL_CHECKED __attribute__((warn_unused_result))
#define REEL_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define REEL_API
#define REEL_CHECKED
#define REEL_PRINTF(text, first)
#endif

#ifdef __cplusplus
#define REEL_BEGIN extern "C" {
#define REEL_END }
#else
#define REEL_BEGIN
#define REEL_END
#endif

#define REEL_STRING_OF(x) #x
#define REEL_STRING(x) REEL_STRING_OF(x)
/** Where the caller stands, as one string constant: "file.c:12". Nodes remember it. */
#define REEL_HERE __FILE__ ":" REEL_STRING(__LINE__)

/** The version of the headers; reel_version() is that of the library in use. */
#define REEL_VERSION "0.1.0"

enum { REEL_MAX_RANK = 4 };

REEL_BEGIN

/** Element types. f32 and f64 are the real ones; i32 holds indices and counters. */
typedef enum reel_dtype { REEL_DTYPE_DEFAULT = 0, REEL_F32 = 1, REEL_F64 = 2, REEL_I32 = 3 } reel_dtype;

/** What went wrong. 0 is success. */
typedef enum reel_status {
    REEL_OK = 0,
    REEL_ERR_MEMORY,  /**< an allocation failed */
    REEL_ERR_ARGUMENT,/**< an argument is out of range, NULL or contradicts another */
    REEL_ERR_SHAPE,   /**< shapes or element types do not fit */
    REEL_ERR_STALE,   /**< a node outlived its tape's reset, or a weight changed before a recomputation */
    REEL_ERR_NAN,     /**< trap_nan found a NaN or an infinity, or a gradient is not finite */
    REEL_ERR_GRADIENT,/**< an op has no gradient rule for what was asked */
    REEL_ERR_VALUE,   /**< a value is out of range, such as an index */
    REEL_ERR_FILE,    /**< a file cannot be opened, read or written */
    REEL_ERR_FORMAT,  /**< a file is not what it should be */
    REEL_ERR_PROGRAM  /**< another program (dot) is missing or failed */
} reel_status;

/** A tensor's shape: dim[0..rank-1]; members past the rank are 1. */
typedef struct reel_shape {
    int rank;
    int64_t dim[REEL_MAX_RANK];
} reel_shape;

typedef struct reel_tape reel_tape;     /**< one recording: reel/tape.h */
typedef struct reel_node reel_node;     /**< a value on a tape, perhaps not yet computed */
typedef struct reel_op reel_op;         /**< what a node does: reel/op.h */
typedef struct reel_params reel_params; /**< a set of named weights: reel/params.h */
typedef struct reel_param reel_param;   /**< one of them */
typedef struct reel_cell reel_cell;     /**< a step function with weights and state: reel/cell.h */

/** "0.1.0". Static; never NULL. */
REEL_API const char *reel_version(void);
/** A short English name of the status, such as "shapes do not fit". Static; never NULL. */
REEL_API const char *reel_status_name(reel_status status);
/** "f32", "f64", "i32". Static; never NULL. */
REEL_API const char *reel_dtype_name(reel_dtype dtype);
/** Bytes of one element; 0 for what is no dtype. */
REEL_API size_t reel_dtype_size(reel_dtype dtype);

/** Builds a shape from `rank` sizes; members past the rank are 1. */
static inline reel_shape reel_shape_of(int rank, const int64_t *dim)
{
    reel_shape s = {rank, {1, 1, 1, 1}};
    for (int i = 0; i < rank && i < REEL_MAX_RANK; i++) {
        s.dim[i] = dim[i];
    }
    return s;
}

/** The number of elements; a rank-0 tensor has one. Cannot overflow for a shape taken from a node. */
static inline int64_t reel_shape_size(reel_shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.rank; i++) {
        n *= s.dim[i];
    }
    return n;
}

static inline bool reel_shape_equal(reel_shape a, reel_shape b)
{
    if (a.rank != b.rank) {
        return false;
    }
    for (int i = 0; i < a.rank; i++) {
        if (a.dim[i] != b.dim[i]) {
            return false;
        }
    }
    return true;
}

/** Shapes written out: reel_dims(2, 3) is a reel_shape of rank 2. */
#define reel_dims(...)                                                                             \
    reel_shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                       \
                  (const int64_t[]){__VA_ARGS__})
/** The shape of a scalar. */
#define reel_scalar_shape() reel_shape_of(0, NULL)

REEL_END

#endif
