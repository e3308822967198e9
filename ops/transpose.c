/* transpose: swaps the last two axes. An op of its own beside permute, so that a product can
 * recognise it and read its argument transposed instead. */
#ifndef REEL_REAL

#include <reel/op.h>
#include <reel/ops.h>

enum { TILE = 16 };

#include <reel/real32.h>

#include "transpose.c"

#include <reel/real64.h>

#include "transpose.c"

static int64_t units(const reel_call *c)
{
    reel_shape s = c->y.shape;
    int64_t matrices = 1;
    for (int i = 0; i < s.rank - 2; i++) {
        matrices *= s.dim[i];
    }
    return matrices;
}

static bool window(const reel_call *c, reel_window *w)
{
    int64_t stride = 1;
    int rank = c->x[0].shape.rank;
    *w = (reel_window){.offset = 0};
    for (int k = rank - 1; k >= 0; k--) {
        w->stride[k] = stride;
        stride *= c->x[0].shape.dim[k];
    }
    int64_t last = w->stride[rank - 1];
    w->stride[rank - 1] = w->stride[rank - 2];
    w->stride[rank - 2] = last;
    return true;
}

static bool shape(reel_shaping *s)
{
    s->y = reel_node_shape(s->x[0]);
    if (s->y.rank < 2) {
        return reel_shaping_fail(s, "expected a matrix, or a batch of them");
    }
    int64_t rows = s->y.dim[s->y.rank - 2];
    s->y.dim[s->y.rank - 2] = s->y.dim[s->y.rank - 1];
    s->y.dim[s->y.rank - 1] = rows;
    return true;
}

static reel_node *gradient(reel_node *y, reel_node *dy, int i)
{
    (void)y;
    (void)i;
    return reel_transpose(dy);
}

static reel_node *sample(reel_sampler *s, int k)
{
    static const reel_shape shapes[] = {
        {2, {3, 5, 1, 1}}, {2, {1, 4, 1, 1}}, {3, {2, 19, 3, 1}}, {4, {2, 1, 3, 2}}};
    return k < 4 ? reel_transpose(reel_sample_real(s, -1, 1, shapes[k])) : NULL;
}

const reel_op reel_op_transpose = {
    .name = "transpose",
    .arity = 1,
    .flags = REEL_OP_VIEW,
    .shape = shape,
    .run_f32 = transpose_f32,
    .run_f64 = transpose_f64,
    .units = units,
    .window = window,
    .gradient = gradient,
    .sample = sample,
};

/** Swaps the last two axes: the transpose of a matrix, or of each matrix of a batch. */
reel_node *reel_transpose_at(const char *at, reel_node *x)
{
    return reel_apply1(at, &reel_op_transpose, x, NULL);
}

#else

/* In tiles, so that neither side strides through the whole matrix. */
static void TYPED(transpose)(const reel_call *c)
{
    int rank = c->y.shape.rank;
    int64_t rows = c->y.shape.dim[rank - 2], cols = c->y.shape.dim[rank - 1];
    for (int64_t u = c->begin; u < c->end; u++) {
        const REAL *x = (const REAL *)c->x[0].data + u * rows * cols;
        REAL *y = (REAL *)c->y.data + u * rows * cols;
        for (int64_t r0 = 0; r0 < rows; r0 += TILE) {
            int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows;
            for (int64_t k = 0; k < cols; k++) {
                for (int64_t r = r0; r < r1; r++) {
                    y[r * cols + k] = x[k * rows + r];
                }
            }
        }
    }
}

#endif
