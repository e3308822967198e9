/** @file
 * Weights: named tensors in a set that owns them and outlives tapes.
 *
 * A weight is made on first use, initialised from (seed, name) so that the order of creation does not
 * matter. A tensor loaded from a file waits for its name. Errors of a set are sticky, like a tape's, and
 * flow into the tape that uses the weight.
 */
#ifndef REEL_PARAMS_H
#define REEL_PARAMS_H

#include <reel/base.h>

REEL_BEGIN

/** How a weight starts. fan_in = product of all dimensions but the first, fan_out = dim[0]. */
typedef enum reel_init_kind {
    REEL_INIT_DEFAULT = 0, /**< what the caller of the creating function chose for this weight; where nobody chose, Glorot
                                for two dimensions and more, else 0 */
    REEL_INIT_CONSTANT,    /**< a everywhere */
    REEL_INIT_UNIFORM,     /**< U(a, b) */
    REEL_INIT_NORMAL,      /**< N(a, b²): mean a, standard deviation b */
    REEL_INIT_GLOROT,      /**< U(-r, r), r = gain √(6/(fan_in + fan_out)) (Glorot & Bengio 2010, eq. 16); gain = a, 0 means 1 */
    REEL_INIT_HE,          /**< N(0, 2/fan_in) times gain (He et al. 2015, eq. 10); gain = a, 0 means 1 */
    REEL_INIT_ORTHOGONAL,  /**< rows or columns orthonormal, times gain (Saxe et al. 2014); gain = a, 0 means 1 */
    REEL_INIT_IDENTITY     /**< a on the diagonal (0 means 1), 0 elsewhere (Le et al. 2015) */
} reel_init_kind;

/** A start, with its numbers as reel_init_kind tells. */
typedef struct reel_init {
    reel_init_kind kind;
    double a, b;
} reel_init;

/** A new, empty set. dtype is f32 or f64. NULL only when memory is out. */
REEL_API reel_params *reel_params_new(reel_dtype dtype, uint64_t seed);
/** Frees the set and its weights. Tapes that used them must not evaluate from them afterwards. */
REEL_API void reel_params_free(reel_params *ps);
/** The element type of all weights of the set. */
REEL_API reel_dtype reel_params_dtype(const reel_params *ps);
/** What the starts of its weights depend on. */
REEL_API uint64_t reel_params_seed(const reel_params *ps);
/** REEL_OK or the first error; its message ("" when there is none). Never NULL. */
REEL_API reel_status reel_params_status(const reel_params *ps);
REEL_API const char *reel_params_message(const reel_params *ps);
/** Raises an error on the set; the first one wins. */
REEL_API void reel_params_fail(reel_params *ps, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);
/** Forgets the error, once it has been dealt with. */
REEL_API void reel_params_clear_error(reel_params *ps);

/** The weight of that name, made on first use with this shape and start. Matrices of `blocks` row blocks
 * (the gates of a cell; 0 means 1) are initialised block by block, fans counted per block. An override by
 * reel_params_set_init or a waiting loaded tensor takes precedence over `init`. On a shape that differs
 * from the existing one, or bad arguments: an error on the set and NULL. */
REEL_API reel_param *reel_params_get(reel_params *ps, const char *name, reel_shape shape, reel_init init,
                                     int blocks);
/** The weight of that name, or NULL without an error. */
REEL_API reel_param *reel_params_find(const reel_params *ps, const char *name);
/** Number of weights made so far. */
REEL_API size_t reel_params_count(const reel_params *ps);
/** In order of creation. */
REEL_API reel_param *reel_params_at(const reel_params *ps, size_t i);
/** Total number of elements of all weights. */
REEL_API int64_t reel_params_size(const reel_params *ps);
/** Overrides the start of weights created later whose name matches the pattern (`*` any run, `?` any one
 * character); later calls win. A forget bias stays: reel_param_init_rows comes after it. */
REEL_API reel_status reel_params_set_init(reel_params *ps, const char *pattern, reel_init init);
/** Freezes (or thaws) all weights, present and future, whose name matches: optimizers leave them alone. */
REEL_API reel_status reel_params_freeze(reel_params *ps, const char *pattern, bool frozen);
/** Offers a tensor to the set: copied (and converted) into the weight of that name if there is one, else
 * kept until a weight of that name is made. A shape that differs is an error that names both. */
REEL_API reel_status reel_params_offer(reel_params *ps, const char *name, reel_dtype dtype,
                                       const void *data, reel_shape shape);
/** The k-th loaded tensor that no weight has claimed; NULL after the last. */
REEL_API const char *reel_params_unclaimed(const reel_params *ps, size_t k);
/** A copy of the whole set with the same names, values, frozen flags, versions of its own; NULL when out
 * of memory. */
REEL_API reel_params *reel_params_copy(const reel_params *ps);

/** The weight's name. Lives as long as the weight. */
REEL_API const char *reel_param_name(const reel_param *p);
/** The weight's shape. */
REEL_API reel_shape reel_param_shape(const reel_param *p);
/** The type of its elements: the set's. */
REEL_API reel_dtype reel_param_dtype(const reel_param *p);
/** Number of elements. */
REEL_API int64_t reel_param_size(const reel_param *p);
/** Whether optimizers leave it alone: see reel_params_freeze. */
REEL_API bool reel_param_frozen(const reel_param *p);
/** The set that owns it. */
REEL_API reel_params *reel_param_set(const reel_param *p);
/** Counts changes of the value; a tape refuses to recompute from a weight whose version has moved. */
REEL_API uint64_t reel_param_version(const reel_param *p);
/** The elements, to be read. */
REEL_API const void *reel_param_data(const reel_param *p);
/** The elements, to be changed: moves the version. */
REEL_API void *reel_param_change(reel_param *p);
/** Copies the elements out, and in, as f64. n must be the size; in moves the version. */
REEL_API REEL_CHECKED reel_status reel_param_read(const reel_param *p, double *out, size_t n);
REEL_API REEL_CHECKED reel_status reel_param_write(reel_param *p, const double *in, size_t n);
/** Starts rows [first, last) anew with `init`, from (seed, name, first). Meant for the moment of creation:
 * does nothing to a weight whose value came from a file. */
REEL_API reel_status reel_param_init_rows(reel_param *p, int64_t first, int64_t last, reel_init init);
/** Whether this weight's value was loaded rather than initialised. */
REEL_API bool reel_param_loaded(const reel_param *p);
/** True once, right after reel_params_get created the weight: the place for reel_param_init_rows. */
REEL_API bool reel_param_take_fresh(reel_param *p);

/** Whether `name` matches a pattern of `*` and `?`. */
REEL_API bool reel_name_matches(const char *pattern, const char *name);

REEL_END

#endif
