/* matmul: the matrix product over the last two axes, leading axes as a batch, either matrix
 * transposed at no cost. A transpose that feeds a matmul is taken into it when it is recorded. */
#ifndef REEL_REAL

#include <reel/blas.h>
#include <reel/op.h>
#include <reel/ops.h>

#include <stdio.h>
#include <string.h>

typedef struct matmul_attr {
    int64_t ta, tb; /* whether a, b are read transposed */
} matmul_attr;

/* y[M,N] = op(a)[M,K] op(b)[K,N], `batch` times; a batch step is 0 where one matrix serves all. */
typedef struct product {
    int64_t m, n, k, batch;
    int64_t a_row, a_col, b_row, b_col;
    int64_t a_step, b_step;
} product;

static product product_of(reel_shape a, reel_shape b, const matmul_attr *attr)
{
    int64_t a_rows = a.dim[a.rank - 2], a_cols = a.dim[a.rank - 1];
    int64_t b_rows = b.dim[b.rank - 2], b_cols = b.dim[b.rank - 1];
    product p = {.batch = 1};
    p.m = attr->ta ? a_cols : a_rows;
    p.k = attr->ta ? a_rows : a_cols;
    p.n = attr->tb ? b_rows : b_cols;
    p.a_row = attr->ta ? 1 : a_cols;
    p.a_col = attr->ta ? a_cols : 1;
    p.b_row = attr->tb ? 1 : b_cols;
    p.b_col = attr->tb ? b_cols : 1;
    reel_shape larger = a.rank >= b.rank ? a : b;
    for (int i = 0; i < larger.rank - 2; i++) {
        p.batch *= larger.dim[i];
    }
    p.a_step = a.rank > 2 ? a_rows * a_cols : 0;
    p.b_step = b.rank > 2 ? b_rows * b_cols : 0;
    if (b.rank == 2 && !attr->ta) {
        /* One right matrix for all: the batch is more rows of a. */
        p.m *= p.batch;
        p.batch = 1;
    }
    return p;
}

/* Pieces of columns that threads may share. They depend on the sizes alone, and one thread makes
 * the same ones, so that the bits are the same for any number of threads. */
enum { PIECE = 256, WORTH_CUTTING = 1 << 21 };

static int64_t pieces(const product *p)
{
    return p->m * p->k * p->n < WORTH_CUTTING ? 1 : (p->n + PIECE - 1) / PIECE;
}

static int64_t units(const reel_call *c)
{
    product p = product_of(c->x[0].shape, c->x[1].shape, c->attr);
    return p.batch * pieces(&p);
}

#include <reel/real32.h>

#include "matmul.c"

#include <reel/real64.h>

#include "matmul.c"

static bool inner_sizes_differ(reel_shaping *s)
{
    const matmul_attr *attr = s->attr;
    return reel_shaping_fail(s, "inner sizes differ%s",
                             attr->ta && attr->tb ? " (both transposed)"
                             : attr->ta           ? " (the first is transposed)"
                             : attr->tb           ? " (the second is transposed)"
                                                  : "");
}

/* Two plain matrices, which is what steps record by the thousand. */
static bool shape_plain(reel_shaping *s, const reel_shape *a, const reel_shape *b)
{
    const matmul_attr *attr = s->attr;
    int64_t inner_a = attr->ta ? a->dim[0] : a->dim[1];
    int64_t inner_b = attr->tb ? b->dim[1] : b->dim[0];
    if (inner_a != inner_b) {
        return inner_sizes_differ(s);
    }
    s->y.rank = 2;
    s->y.dim[0] = attr->ta ? a->dim[1] : a->dim[0];
    s->y.dim[1] = attr->tb ? b->dim[0] : b->dim[1];
    return true;
}

static bool shape(reel_shaping *s)
{
    reel_shape a = reel_node_shape(s->x[0]), b = reel_node_shape(s->x[1]);
    if (a.rank == 2 && b.rank == 2) {
        return shape_plain(s, &a, &b);
    }
    if (a.rank < 2 || b.rank < 2) {
        return reel_shaping_fail(s, "expected two matrices, or batches of them");
    }
    bool batched = a.rank > 2 && b.rank > 2;
    bool alike = a.rank == b.rank;
    for (int i = 0; batched && alike && i < a.rank - 2; i++) {
        alike = a.dim[i] == b.dim[i];
    }
    if (batched && !alike) {
        return reel_shaping_fail(s, "batch sizes differ");
    }
    const matmul_attr *attr = s->attr;
    int64_t inner_a = attr->ta ? a.dim[a.rank - 2] : a.dim[a.rank - 1];
    int64_t inner_b = attr->tb ? b.dim[b.rank - 1] : b.dim[b.rank - 2];
    if (inner_a != inner_b) {
        return inner_sizes_differ(s);
    }
    s->y = a.rank >= b.rank ? a : b;
    s->y.dim[s->y.rank - 2] = attr->ta ? a.dim[a.rank - 1] : a.dim[a.rank - 2];
    s->y.dim[s->y.rank - 1] = attr->tb ? b.dim[b.rank - 2] : b.dim[b.rank - 1];
    return true;
}

static reel_node *record(const char *at, reel_node *a, bool ta, reel_node *b, bool tb)
{
    return reel_apply2(at, &reel_op_matmul, a, b, &(matmul_attr){ta, tb});
}

/* [..., M, K] as one matrix [the rest, K]. */
static reel_node *flat(reel_node *x)
{
    reel_shape s = reel_node_shape(x);
    if (s.rank <= 2) {
        return x;
    }
    int64_t rows = 1; /* spelled out: -1 would be ambiguous where there are no columns */
    for (int k = 0; k < s.rank - 1; k++) {
        rows *= s.dim[k];
    }
    const int64_t dim[2] = {rows, s.dim[s.rank - 1]};
    return reel_reshape(x, reel_shape_of(2, dim));
}

/* With Y = A B: dA = dY Bᵀ, dB = Aᵀ dY, and the transposes of these where A or B was read
 * transposed. Where one B serves a batch of A, the sum over the batch is one product of tall
 * matrices. */
static reel_node *gradient(reel_node *y, reel_node *dy, int i)
{
    reel_node *a = reel_node_arg(y, 0), *b = reel_node_arg(y, 1);
    const matmul_attr *attr = reel_node_attr(y);
    bool ta = attr->ta, tb = attr->tb;
    if (i == 0) {
        return ta ? record(NULL, b, tb, dy, true) : record(NULL, dy, false, b, !tb);
    }
    if (!ta && reel_node_rank(b) == 2) {
        a = flat(a);
        dy = flat(dy);
    }
    return tb ? record(NULL, dy, true, a, ta) : record(NULL, a, !ta, dy, false);
}

static void transposed(const void *attr, bool *a, bool *b)
{
    const matmul_attr *m = attr;
    *a = m->ta;
    *b = m->tb;
}

static void label(const reel_node *y, char *text, size_t n)
{
    const matmul_attr *attr = reel_node_attr(y);
    snprintf(text, n, "matmul%s%s", attr->ta ? " Aᵀ" : "", attr->tb ? " Bᵀ" : "");
}

typedef struct case_ {
    reel_shape a, b;
    bool ta, tb;
} case_;

static const case_ cases[] = {
    {{2, {3, 4, 1, 1}}, {2, {4, 5, 1, 1}}, false, false},
    {{2, {4, 3, 1, 1}}, {2, {4, 5, 1, 1}}, true, false},
    {{2, {3, 4, 1, 1}}, {2, {5, 4, 1, 1}}, false, true},
    {{2, {4, 3, 1, 1}}, {2, {5, 4, 1, 1}}, true, true},
    {{2, {1, 7, 1, 1}}, {2, {7, 1, 1, 1}}, false, false},
    {{2, {1, 1, 1, 1}}, {2, {1, 6, 1, 1}}, false, false},
    {{3, {2, 3, 4, 1}}, {3, {2, 4, 2, 1}}, false, false},
    {{3, {2, 4, 3, 1}}, {3, {2, 2, 4, 1}}, true, true},
    {{3, {2, 3, 4, 1}}, {2, {4, 2, 1, 1}}, false, false},
    {{3, {2, 3, 4, 1}}, {2, {2, 4, 1, 1}}, false, true},
    {{3, {2, 4, 3, 1}}, {2, {2, 4, 1, 1}}, true, true},
    {{2, {3, 4, 1, 1}}, {3, {2, 4, 2, 1}}, false, false},
    {{2, {4, 3, 1, 1}}, {3, {2, 2, 4, 1}}, true, true},
    {{4, {2, 3, 2, 4}}, {4, {2, 3, 4, 1}}, false, false},
};

static reel_node *sample(reel_sampler *s, int k)
{
    if (k >= (int)(sizeof cases / sizeof cases[0])) {
        return NULL;
    }
    const case_ *c = &cases[k];
    reel_node *a = reel_sample_real(s, -1, 1, c->a);
    return record(REEL_HERE, a, c->ta, reel_sample_real(s, -1, 1, c->b), c->tb);
}

const reel_op reel_op_matmul = {
    .name = "matmul",
    .arity = 2,
    .flags = REEL_OP_MATMUL | REEL_OP_ACCUMULATES,
    .attr_size = sizeof(matmul_attr),
    .shape = shape,
    .run_f32 = matmul_f32,
    .run_f64 = matmul_f64,
    .units = units,
    .transposed = transposed,
    .gradient = gradient,
    .label = label,
    .sample = sample,
};

/* Takes a transpose into the product: reel_matmul(a, reel_transpose(b)) copies nothing. */
static reel_node *untransposed(reel_node *x, bool *transposed)
{
    if (reel_node_op(x) == &reel_op_transpose) {
        *transposed = !*transposed;
        return reel_node_arg(x, 0);
    }
    return x;
}

/** y = a b over the last two axes: [..., M, K] x [..., K, N] gives [..., M, N]. Leading axes are a
 * batch; one matrix without them serves the whole batch. A reel_transpose as an argument costs
 * nothing. */
reel_node *reel_matmul_at(const char *at, reel_node *a, reel_node *b)
{
    bool ta = false, tb = false;
    a = untransposed(a, &ta);
    b = untransposed(b, &tb);
    return record(at, a, ta, b, tb);
}

/** y = x Wᵀ + b: x [..., in], W [out, in], b [out] or NULL for none. */
reel_node *reel_affine_at(const char *at, reel_node *x, reel_node *W, reel_node *b)
{
    reel_node *y;
    reel_shape s = reel_node_shape(x);
    if (s.rank == 1) {
        const int64_t row[2] = {1, s.dim[0]};
        y = record(at, reel_reshape_at(at, x, reel_shape_of(2, row)), false, W, true);
        const int64_t out[1] = {reel_node_dim(y, -1)};
        y = reel_reshape_at(at, y, reel_shape_of(1, out));
    } else {
        y = record(at, x, false, W, true);
    }
    return b ? reel_add_at(at, y, b) : y;
}

#else

static void TYPED(matmul)(const reel_call *c)
{
    product p = product_of(c->x[0].shape, c->x[1].shape, c->attr);
    const REAL *a = c->x[0].data, *b = c->x[1].data;
    REAL *y = c->y.data;
    int64_t cuts = pieces(&p);
    for (int64_t u = c->begin; u < c->end; u++) {
        int64_t k = u / cuts, from = u % cuts * PIECE;
        int64_t n = u % cuts == cuts - 1 ? p.n - from : PIECE;
        reel_gemm(sizeof(REAL) == 4 ? REEL_F32 : REEL_F64, p.m, n, p.k, 1, a + k * p.a_step,
                  p.a_row, p.a_col, b + k * p.b_step + from * p.b_col, p.b_row, p.b_col,
                  c->accumulate ? 1 : 0, y + k * p.m * p.n + from, p.n, 1);
    }
}

#endif
