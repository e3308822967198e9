/** @file
 * What ops that work along an axis, or by index, share: geometry for kernels, and the shape rule,
 * the gradient and the samples of reductions. A user's op may use all of it.
 */
#ifndef REEL_AXIS_H
#define REEL_AXIS_H

#include <reel/op.h>

REEL_BEGIN

/** The axis of a reduction over all elements. */
enum { REEL_ALL_AXES = -1000 };

/** A tensor seen along one axis: `outer` blocks of `n` rows of `inner` elements. Column u = o inner
 * + i consists of the elements (o n + k) inner + i for k = 0..n-1; there are outer inner columns.
 */
typedef struct reel_along {
    int64_t outer, n, inner;
} reel_along;

/** The geometry of a shape along an axis from 0 to rank-1; REEL_ALL_AXES: one column of everything.
 */
static inline reel_along reel_along_axis(reel_shape s, int axis)
{
    reel_along a = {1, 1, 1};
    if (axis == REEL_ALL_AXES) {
        a.n = reel_shape_size(s);
        return a;
    }
    a.n = s.dim[axis];
    for (int i = 0; i < axis; i++) {
        a.outer *= s.dim[i];
    }
    for (int i = axis + 1; i < s.rank; i++) {
        a.inner *= s.dim[i];
    }
    return a;
}

/** Some neighbouring columns of one block. */
typedef struct reel_columns {
    int64_t unit;  /**< the first column: its element in a reduced tensor */
    int64_t first; /**< the first column's first element in the whole tensor */
    int64_t width; /**< how many columns */
} reel_columns;

/** Moves on to the next columns before `end`, at most `most` of them and of one block only; false
 * when there are no more. Starts from {.unit = begin}. */
static inline bool reel_columns_next(reel_columns *c, const reel_along *a, int64_t end,
                                     int64_t most)
{
    c->unit += c->width;
    if (c->unit >= end) {
        return false;
    }
    int64_t block = c->unit / a->inner;
    int64_t i = c->unit - block * a->inner;
    int64_t width = a->inner - i < most ? a->inner - i : most;
    c->width = width < end - c->unit ? width : end - c->unit;
    c->first = block * a->n * a->inner + i;
    return true;
}

/** The shape without one of its axes. */
static inline reel_shape reel_shape_without(reel_shape s, int axis)
{
    reel_shape r = {s.rank - 1, {1, 1, 1, 1}};
    for (int i = 0, j = 0; i < s.rank; i++) {
        if (i != axis) {
            r.dim[j++] = s.dim[i];
        }
    }
    return r;
}

/** The shape with a new axis of size n before `axis`; the rank must be below REEL_MAX_RANK. */
static inline reel_shape reel_shape_with(reel_shape s, int axis, int64_t n)
{
    reel_shape r = {s.rank + 1, {1, 1, 1, 1}};
    for (int i = 0, j = 0; i < r.rank; i++) {
        r.dim[i] = i == axis ? n : s.dim[j++];
    }
    return r;
}

/** A negative axis of a tensor of that rank counted from the first instead. What is out of range is
 * returned as it is, for the shape rule to reject. */
static inline int reel_axis_from_first(int rank, int axis)
{
    return axis < 0 && axis + rank >= 0 ? axis + rank : axis;
}

/* Reductions */

/** The attribute of a reduction. */
typedef struct reel_reduce_attr {
    int32_t axis; /**< or REEL_ALL_AXES */
    int32_t keep; /**< 1: the axis stays, with size 1 */
} reel_reduce_attr;

/** Records the reduction `op` of x; a negative axis counts from the last. */
REEL_API reel_node *reel_reduce_apply(const char *at, const reel_op *op, reel_node *x, int axis,
                                      bool keep);
/** The shape rule of reductions: x without the axis, or with size 1 there. */
REEL_API bool reel_reduce_shape(reel_shaping *s);
/** The same for those that need at least one element. */
REEL_API bool reel_reduce_shape_some(reel_shaping *s);
/** Units of reductions: one for each result. See REEL_OP_ALONG_AXIS for reductions whose results
 * each need one line of elements and nothing else. */
REEL_API int64_t reel_reduce_units(const reel_call *call);
/** The geometry of argument 0. */
REEL_API reel_along reel_reduce_along(const reel_call *call);
/** For gradient rules: v, shaped as the reduction y, spread over the shape of y's argument. */
REEL_API reel_node *reel_reduce_spread(const reel_node *y, reel_node *v);
/** For drawings: "max axis 1". */
REEL_API void reel_reduce_label(const reel_node *y, char *text, size_t n);
/** The k-th usual sample of a reduction, of elements in (lo, hi). */
REEL_API reel_node *reel_reduce_sample(reel_sampler *s, int k, const reel_op *op, double lo,
                                       double hi);

/* Indices */

/** What an op with an index to skip has when there is none: no i32 equals it. */
#define REEL_SKIP_NONE INT64_MIN

/** For kernels: whether index[position] is in 0..n-1; reports it when it is not. */
REEL_API bool reel_index_check(const reel_call *call, int32_t index, int64_t position, int64_t n);

REEL_END

#endif
