/* Rows of a table by index, and the transpose: adding rows to a table.
 * Invariant: gather and scatter_add share one attribute and are each other's gradient. A
 * scatter_add that accumulates touches the rows it names only. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <string.h>

typedef struct gather_attr {
    int64_t rows; /* of the table */
    int64_t skip; /* an index that stands for a row of zeros; REEL_SKIP_NONE: none */
} gather_attr;

#include <reel/real32.h>

#include "gather.c"

#include <reel/real64.h>

#include "gather.c"

/* The axes of x from `from` on, behind those of `front`. */
static bool join_shapes(reel_shaping *s, reel_shape front, reel_shape x, int from)
{
    int rank = front.rank + x.rank - from;
    if (rank > REEL_MAX_RANK) {
        return reel_shaping_fail(s, "the result would have rank %d: expected at most %d", rank,
                                 REEL_MAX_RANK);
    }
    s->y = front;
    s->y.rank = rank;
    for (int i = from; i < x.rank; i++) {
        s->y.dim[front.rank + i - from] = x.dim[i];
    }
    return true;
}

static bool gather_shape(reel_shaping *s)
{
    reel_shape table = reel_node_shape(s->x[0]);
    if (table.rank == 0) {
        return reel_shaping_fail(s, "a scalar has no rows");
    }
    return join_shapes(s, reel_node_shape(s->x[1]), table, 1);
}

static bool scatter_add_shape(reel_shaping *s)
{
    const gather_attr *a = s->attr;
    reel_shape x = reel_node_shape(s->x[0]);
    reel_shape index = reel_node_shape(s->x[1]);
    if (a->rows < 0) {
        return reel_shaping_fail(s, "%lld rows: expected 0 or more", (long long)a->rows);
    }
    bool fits = x.rank >= index.rank;
    for (int i = 0; fits && i < index.rank; i++) {
        fits = x.dim[i] == index.dim[i];
    }
    if (!fits) {
        return reel_shaping_fail(s, "the updates' first sizes must be the index's shape");
    }
    return join_shapes(s, reel_shape_of(1, &a->rows), x, index.rank);
}

static int64_t gather_units(const reel_call *c)
{
    return c->y.size ? c->x[1].size : 0;
}

/* Elements of a row: every unit adds up one column of the result. */
static int64_t scatter_add_units(const reel_call *c)
{
    return c->y.size ? c->y.size / c->y.shape.dim[0] : 0;
}

static reel_node *gather_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const gather_attr *a = reel_node_attr(y);
    return reel_apply2(REEL_HERE, &reel_op_scatter_add, dy, reel_node_arg(y, 1), a);
}

static reel_node *scatter_add_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const gather_attr *a = reel_node_attr(y);
    return reel_apply2(REEL_HERE, &reel_op_gather, dy, reel_node_arg(y, 1), a);
}

static reel_node *gather_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_gather(reel_sample_real(s, -1, 1, reel_dims(5, 3)),
                           reel_sample_index(s, 5, reel_dims(7)));
    case 1:
        return reel_gather(reel_sample_real(s, -1, 1, reel_dims(4)),
                           reel_sample_index(s, 4, reel_dims(3, 1, 2)));
    case 2:
        return reel_gather(reel_sample_real(s, -1, 1, reel_dims(3, 1, 2)),
                           reel_sample_index(s, 3, reel_scalar_shape()));
    case 3:
        return reel_gather(reel_sample_real(s, -1, 1, reel_dims(3, 2, 2)),
                           reel_sample_index(s, 3, reel_dims(2, 5)));
    case 4:
        return reel_gather_skip(reel_sample_real(s, -1, 1, reel_dims(3, 2)),
                                reel_sample_index(s, 3, reel_dims(2, 5)), 1);
    default:
        return NULL;
    }
}

static reel_node *scatter_add_sample(reel_sampler *s, int k)
{
    switch (k) {
    case 0:
        return reel_scatter_add(reel_sample_real(s, -1, 1, reel_dims(7, 3)),
                                reel_sample_index(s, 5, reel_dims(7)), 5);
    case 1:
        return reel_scatter_add(reel_sample_real(s, -1, 1, reel_dims(3, 2)),
                                reel_sample_index(s, 4, reel_dims(3, 2)), 4);
    case 2:
        return reel_scatter_add(reel_sample_real(s, -1, 1, reel_dims(2, 3)),
                                reel_sample_index(s, 3, reel_scalar_shape()), 3);
    case 3:
        return reel_scatter_add(reel_sample_real(s, -1, 1, reel_dims(2, 3, 1, 2)),
                                reel_sample_index(s, 4, reel_dims(2, 3)), 6);
    case 4:
        return reel_scatter_add_skip(reel_sample_real(s, -1, 1, reel_dims(6, 2)),
                                     reel_sample_index(s, 3, reel_dims(6)), 3, 2);
    default:
        return NULL;
    }
}

const reel_op reel_op_gather = {
    .name = "gather",
    .arity = 2,
    .index_args = 1 << 1,
    .attr_size = sizeof(gather_attr),
    .shape = gather_shape,
    .run_f32 = gather_run_f32,
    .run_f64 = gather_run_f64,
    .units = gather_units,
    .gradient = gather_gradient,
    .sample = gather_sample,
};

const reel_op reel_op_scatter_add = {
    .name = "scatter_add",
    .arity = 2,
    .flags = REEL_OP_ACCUMULATES,
    .index_args = 1 << 1,
    .attr_size = sizeof(gather_attr),
    .shape = scatter_add_shape,
    .run_f32 = scatter_add_run_f32,
    .run_f64 = scatter_add_run_f64,
    .units = scatter_add_units,
    .gradient = scatter_add_gradient,
    .sample = scatter_add_sample,
};

/** y[i...] = table[index[i...]]: rows of a table [rows, ...] by an i32 index of any shape, as an
 * embedding does; shaped index.shape + table.shape[1:]. Index `skip` stands for a row of zeros
 * (padding). Any other index outside 0..rows-1 is an error when the value is computed. */
reel_node *reel_gather_skip_at(const char *at, reel_node *table, reel_node *index, int64_t skip)
{
    gather_attr a = {.rows = reel_node_dim(table, 0), .skip = skip};
    return reel_apply2(at, &reel_op_gather, table, index, &a);
}

/** y[i...] = table[index[i...]]: rows of a table [rows, ...] by an i32 index of any shape, as an
 * embedding does; shaped index.shape + table.shape[1:]. An index outside 0..rows-1 is an error when
 * the value is computed. */
reel_node *reel_gather_at(const char *at, reel_node *table, reel_node *index)
{
    return reel_gather_skip_at(at, table, index, REEL_SKIP_NONE);
}

/** The transpose of reel_gather_skip: updates whose index is `skip` are left out. */
reel_node *reel_scatter_add_skip_at(const char *at, reel_node *updates, reel_node *index,
                                    int64_t rows, int64_t skip)
{
    gather_attr a = {.rows = rows, .skip = skip};
    return reel_apply2(at, &reel_op_scatter_add, updates, index, &a);
}

/** y[r] = Σ updates[i...] over all i with index[i...] = r: the transpose of reel_gather. Updates
 * are shaped index.shape + rest, the result [rows] + rest. An index outside 0..rows-1 is an error
 * when the value is computed. */
reel_node *reel_scatter_add_at(const char *at, reel_node *updates, reel_node *index, int64_t rows)
{
    return reel_scatter_add_skip_at(at, updates, index, rows, REEL_SKIP_NONE);
}

#else

static void TYPED(gather_run)(const reel_call *c)
{
    const gather_attr *a = c->attr;
    const REAL *table = c->x[0].data;
    const int32_t *index = c->x[1].data;
    REAL *y = c->y.data;
    if (c->begin >= c->end) {
        return;
    }
    size_t row = (size_t)(c->y.size / c->x[1].size);
    for (int64_t u = c->begin; u < c->end; u++) {
        if (index[u] == a->skip) {
            memset(y + (size_t)u * row, 0, row * sizeof(REAL));
        } else if (reel_index_check(c, index[u], u, a->rows)) {
            memcpy(y + (size_t)u * row, table + (size_t)index[u] * row, row * sizeof(REAL));
        } else {
            return;
        }
    }
}

static void TYPED(scatter_add_run)(const reel_call *c)
{
    const gather_attr *a = c->attr;
    const REAL *x = c->x[0].data;
    const int32_t *index = c->x[1].data;
    REAL *y = c->y.data;
    if (c->begin >= c->end) {
        return;
    }
    int64_t row = c->y.size / a->rows;
    for (int64_t r = 0; r < a->rows && !c->accumulate; r++) {
        memset(y + r * row + c->begin, 0, (size_t)(c->end - c->begin) * sizeof(REAL));
    }
    for (int64_t k = 0; k < c->x[1].size; k++) {
        if (index[k] == a->skip) {
            continue;
        }
        if (!reel_index_check(c, index[k], k, a->rows)) {
            return;
        }
        const REAL *from = x + k * row;
        REAL *to = y + index[k] * row;
        for (int64_t i = c->begin; i < c->end; i++) {
            to[i] += from[i];
        }
    }
}

#endif
