/* Job: leaves, shapes and values of random programs, and how a value is brought to another shape or
 * range. */
#include "random_machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <reel/ops.h>

enum { MOST_ELEMENTS = 700, MOST_KEPT = 3000 };

int64_t any_size(machine *m, bool zero)
{
    static const int64_t size[] = {1, 1, 1, 2, 2, 3, 3,  3,  4,  4,  5,
                                   5, 6, 7, 7, 8, 9, 13, 16, 17, 31, 33};
    if (zero && chance(m, 2)) {
        return 0;
    }
    return size[below(m, (int)(sizeof size / sizeof *size))];
}

reel_shape any_shape(machine *m, int rank)
{
    reel_shape s = {rank, {1, 1, 1, 1}};
    for (int i = 0, left = MOST_ELEMENTS; i < rank; i++) {
        s.dim[i] = any_size(m, true);
        if (s.dim[i] > left) {
            s.dim[i] = 1;
        }
        left = s.dim[i] ? left / (int)s.dim[i] : 1;
    }
    return s;
}

static void *borrow(machine *m, void *p)
{
    m->borrowed[m->borrowings++] = p;
    return p;
}

reel_node *leaf(machine *m, double low, double high, reel_shape shape)
{
    int64_t n = reel_shape_size(shape);
    double *v = malloc(((size_t)n + 1) * sizeof *v);
    if (!v) {
        abort();
    }
    for (int64_t i = 0; i < n; i++) { /* strictly inside, after rounding too */
        double u = 0.001 + 0.998 * reel_random_uniform(&m->data);
        v[i] = (double)(float)(low + (high - low) * u);
    }
    if (chance(m, 15) && m->borrowings < MOST_BORROWED && reel_tape_dtype(m->tape) == REEL_F64) {
        return reel_input_borrowed(m->tape, REEL_F64, borrow(m, v), shape);
    }
    reel_node *x = reel_input(m->tape, REEL_F64, v, shape);
    free(v);
    return x;
}

reel_node *index_leaf(machine *m, int32_t limit, reel_shape shape)
{
    int64_t n = reel_shape_size(shape);
    int32_t *v = malloc(((size_t)n + 1) * sizeof *v);
    if (!v) {
        abort();
    }
    for (int64_t i = 0; i < n; i++) {
        v[i] = (int32_t)reel_random_below(&m->data, (uint64_t)limit);
    }
    reel_node *x = reel_input(m->tape, REEL_I32, v, shape);
    free(v);
    return x;
}

reel_node *weight(machine *m, const char *name, reel_shape shape)
{
    char full[64];
    int n = snprintf(full, sizeof full, "%s", name);
    for (int i = 0; i < shape.rank; i++) {
        n += snprintf(full + n, sizeof full - (size_t)n, "_%d", (int)shape.dim[i]);
    }
    reel_init init = {REEL_INIT_UNIFORM, -0.5, 0.5};
    return reel_use(m->tape, reel_params_get(m->params, full, shape, init, 0));
}

value any_value(machine *m)
{
    int a = below(m, 1000), b = below(m, 1000);
    return m->pool[(a > b ? a : b) * m->n / 1000];
}

void keep(machine *m, reel_node *x, double most)
{
    if (reel_tape_status(m->tape) || reel_node_dtype(x) == REEL_I32) {
        return;
    }
    if (reel_node_size(x) > MOST_KEPT) {
        x = fit(m, x, reel_dims(7, 11));
    }
    int i = m->n < MOST_VALUES ? m->n++ : below(m, MOST_VALUES);
    m->pool[i] = (value){x, most};
}

static bool broadcasts(reel_shape from, reel_shape to)
{
    if (from.rank > to.rank) {
        return false;
    }
    for (int i = 0; i < from.rank; i++) {
        int64_t a = from.dim[from.rank - 1 - i], b = to.dim[to.rank - 1 - i];
        if (a != b && a != 1) {
            return false;
        }
    }
    return true;
}

/* The flat x repeated to at least `need` elements, or filled up with zeros. */
static reel_node *longer(machine *m, reel_node *x, int64_t need)
{
    enum { MOST_COPIES = 8 };
    int64_t have = reel_node_size(x);
    if (have == 0) { /* an error node */
        return x;
    }
    int64_t copies = (need + have - 1) / have;
    reel_node *copy[MOST_COPIES];
    if (copies > MOST_COPIES) {
        return reel_tile(x, 0, copies);
    }
    if (chance(m, 30)) {
        return reel_pad(x, 0, below(m, 2) ? need - have : 0, need - have);
    }
    for (int i = 0; i < copies; i++) {
        copy[i] = x;
    }
    return reel_concat(0, (int)copies, copy);
}

reel_node *fit(machine *m, reel_node *x, reel_shape shape)
{
    reel_shape from = reel_node_shape(x);
    int64_t have = reel_shape_size(from), need = reel_shape_size(shape);
    if (reel_shape_equal(from, shape)) {
        return x;
    }
    if (have == 0 && need != 0) {
        return leaf(m, -1, 1, shape);
    }
    if (have == need) {
        return reel_reshape(x, shape);
    }
    if (broadcasts(from, shape) && chance(m, 70)) {
        return reel_broadcast_to(x, shape);
    }
    x = reel_reshape(x, reel_dims(have));
    if (have < need) {
        x = longer(m, x, need);
        have = reel_node_size(x);
    }
    int64_t start = have > need ? below(m, (int)(have - need + 1)) : 0;
    return reel_reshape(reel_slice(x, 0, start, start + need), shape);
}

reel_node *into_range(machine *m, reel_node *x, double most, double low, double high)
{
    if (-most >= low && most <= high) {
        return x;
    }
    if (low == -high) {
        switch (below(m, 3)) {
        case 0:
            return reel_scale(reel_tanh(x), high);
        case 1:
            if (most < 50) {
                return reel_scale(x, 0.999 * high / most);
            }
            break;
        default:
            break;
        }
    }
    return reel_shift(reel_scale(reel_sigmoid(x), high - low), low);
}

reel_node *any_of_shape(machine *m, reel_shape shape)
{
    if (chance(m, 15)) {
        return leaf(m, -1, 1, shape);
    }
    value v = any_value(m);
    reel_node *x = fit(m, v.x, shape);
    return v.most <= 2 ? x : into_range(m, x, v.most, -1.5, 1.5);
}

reel_node *weigh(machine *m, reel_node *x)
{
    if (chance(m, 30)) {
        return reel_mul(reel_sum(reel_square(x)), reel_number(m->tape, 0.25));
    }
    return reel_sum(reel_mul(x, leaf(m, 0.3, 1.3, reel_node_shape(x))));
}
