/* Job: statements of random programs: single ops, chains by element, products, moves, reductions,
 * sums. */
#include "random_machine.h"

#include <math.h>

#include <reel/axis.h>
#include <reel/ops.h>

#include "random_catalogue.h"

/* Any op, at values of the program. */

/* A shape that broadcasts to s. */
static reel_shape part_of_shape(machine *m, reel_shape s)
{
    if (chance(m, 60)) {
        return s;
    }
    int drop = s.rank ? below(m, s.rank + 1) : 0;
    reel_shape p = {s.rank - drop, {1, 1, 1, 1}};
    for (int i = 0; i < p.rank; i++) {
        p.dim[i] = chance(m, 30) ? 1 : s.dim[i + drop];
    }
    return p;
}

static reel_node *argument(machine *m, const catalogue_arg *a, reel_shape shape)
{
    if (a->kind == CATALOGUE_COUNTER) {
        return reel_counter(m->tape);
    }
    if (a->kind == CATALOGUE_INDEX) {
        return index_leaf(m, a->limit, shape);
    }
    if (chance(m, 10)) {
        return leaf(m, a->low, a->high, shape);
    }
    value v = any_value(m);
    return into_range(m, fit(m, v.x, shape), v.most, a->low, a->high);
}

/* An index is made into something that later statements can use, unless rounding may decide between
 * equals. */
static void keep_result(machine *m, reel_node *y, double most)
{
    if (reel_node_dtype(y) != REEL_I32) {
        keep(m, y, most);
        return;
    }
    emit(m, 1, &y);
    if (reel_node_rank(y) < REEL_MAX_RANK && !reel_tape_status(m->tape) && is_exact(m, y)) {
        keep(m, reel_one_hot(y, 40), 1);
    }
}

/* Without an epsilon, whether rows of equal elements deviate at all is for rounding to say: to each
 * element its place is added. */
static reel_node *deviating(machine *m, reel_node *x)
{
    reel_node *ones = reel_constant(m->tape, 1, reel_dims(reel_node_dim(x, -1)));
    return reel_add(x, reel_scale(reel_cumsum(ones, 0), 0.1));
}

void apply_any_op(machine *m)
{
    const catalogue *all = catalogue_get();
    const catalogue_op *c = &all->op[below(m, all->n)];
    const catalogue_sample *s = &c->sample[below(m, c->n)];
    bool by_element = c->op->flags & REEL_OP_ELEMENTWISE;
    reel_shape shape =
        chance(m, 50) ? reel_node_shape(any_value(m).x) : any_shape(m, below(m, REEL_MAX_RANK + 1));
    reel_node *x[CATALOGUE_ARGS] = {NULL};
    for (int i = 0; i < s->n; i++) {
        x[i] = argument(m, &s->x[i], by_element ? part_of_shape(m, shape) : s->x[i].shape);
        if (i && chance(m, 8) && s->x[i].kind == CATALOGUE_REAL &&
            s->x[i - 1].kind == CATALOGUE_REAL && s->x[i].low <= s->x[i - 1].low &&
            s->x[i].high >= s->x[i - 1].high &&
            reel_shape_equal(reel_node_shape(x[i]), reel_node_shape(x[i - 1]))) {
            x[i] = x[i - 1];
        }
    }
    if (c->op == &reel_op_standardize || c->op == &reel_op_inverse_deviation) {
        x[0] = deviating(m, x[0]);
    }
    reel_node *y = s->n ? reel_apply(REEL_HERE, c->op, s->n, x, s->attr)
                        : reel_apply0(REEL_HERE, m->tape, c->op, s->attr);
    keep_result(m, y, 2 * s->most + 1);
}

/* Some ops by element, one upon the other, with partners of lower rank. */
void apply_chain(machine *m)
{
    value v = any_value(m);
    reel_node *x = v.most > 3 ? into_range(m, v.x, v.most, -2, 2) : v.x, *first = x;
    for (int n = 2 + below(m, 8); n > 0; n--) {
        reel_node *other = any_of_shape(m, part_of_shape(m, reel_node_shape(x)));
        switch (below(m, 9)) {
        case 0:
            x = reel_tanh(reel_add(x, other));
            break;
        case 1:
            x = reel_sigmoid(reel_mul(x, other));
            break;
        case 2:
            x = reel_mul(x, reel_one_minus(reel_square(reel_tanh(x))));
            break;
        case 3:
            x = reel_lerp(x, reel_tanh(other), reel_sigmoid(first));
            break;
        case 4:
            x = reel_relu(reel_sub(x, other));
            break;
        case 5:
            x = reel_exp(reel_neg(reel_square(reel_add(x, other))));
            break;
        case 6:
            x = reel_scale(reel_shift(reel_sin(x), 0.25), 0.75);
            break;
        case 7:
            x = reel_softsign(reel_mul_add(x, other, first));
            break;
        default:
            x = reel_mul(reel_sigmoid(x), reel_number(m->tape, 0.5 + 0.1 * m->round));
            break;
        }
    }
    keep(m, x, 3);
}

/* Products */

static reel_node *matrix(machine *m, int64_t rows, int64_t columns)
{
    reel_shape shape = reel_dims(rows, columns), turned = reel_dims(columns, rows);
    switch (below(m, 4)) {
    case 0:
        return reel_transpose(any_of_shape(m, turned));
    case 1:
        return chance(m, 50) ? weight(m, "w", shape) : reel_transpose(weight(m, "w", turned));
    default:
        return any_of_shape(m, shape);
    }
}

static reel_node *matrices(machine *m, int64_t batch, int64_t rows, int64_t columns)
{
    if (chance(m, 40)) {
        return reel_transpose(any_of_shape(m, reel_dims(batch, columns, rows)));
    }
    return any_of_shape(m, reel_dims(batch, rows, columns));
}

/* Every form of batch. */
static void multiply_batches(machine *m)
{
    int64_t b = 1 + below(m, 4), i = 1 + below(m, 6), k = any_size(m, true), j = 1 + below(m, 6);
    reel_node *y;
    switch (below(m, 4)) {
    case 0:
        y = reel_matmul(matrices(m, b, i, k), matrices(m, b, k, j));
        break;
    case 1:
        y = reel_matmul(matrices(m, b, i, k), matrix(m, k, j));
        break;
    case 2:
        y = reel_matmul(matrix(m, i, k), matrices(m, b, k, j));
        break;
    default:
        y = reel_matmul(any_of_shape(m, reel_dims(2, b, i, k)),
                        any_of_shape(m, reel_dims(2, b, k, j)));
        break;
    }
    keep(m, y, 3 + (double)k);
}

static void multiply_pair(machine *m)
{
    int64_t i = any_size(m, true), k = any_size(m, true), j = any_size(m, false);
    keep(m, reel_matmul(matrix(m, i, k), matrix(m, k, j)), 3 + (double)k / 2);
}

/* Several products of one input, as gates are. */
static void multiply_gates(machine *m)
{
    int64_t b = any_size(m, true), in = any_size(m, false), out = any_size(m, false);
    reel_node *x = any_of_shape(m, reel_dims(b, in)), *h = any_of_shape(m, reel_dims(b, out));
    reel_node *gate[4] = {NULL};
    static const char *const name[4][3] = {
        {"wi", "ui", "bi"}, {"wf", "uf", "bf"}, {"wo", "uo", "bo"}, {"wg", "ug", "bg"}};
    int n = 2 + below(m, 3);
    for (int k = 0; k < n; k++) {
        reel_node *a = reel_affine(x, weight(m, name[k][0], reel_dims(out, in)),
                                   weight(m, name[k][2], reel_dims(out)));
        gate[k] =
            reel_add(a, reel_matmul(h, reel_transpose(weight(m, name[k][1], reel_dims(out, out)))));
    }
    reel_node *y = reel_tanh(gate[0]);
    for (int k = 1; k < n; k++) {
        y = chance(m, 50) ? reel_mul(y, reel_sigmoid(gate[k])) : reel_add(y, gate[k]);
    }
    keep(m, y, 4);
    keep(m, gate[1], 4);
}

/* A product of [h, x], and slices of a product. */
static void multiply_joined(machine *m)
{
    int64_t b = any_size(m, false), in = any_size(m, false), h = 1 + below(m, 8);
    reel_node *part[2] = {any_of_shape(m, reel_dims(b, h)), any_of_shape(m, reel_dims(b, in))};
    int n = 1 + below(m, 4);
    reel_node *w = weight(m, "joined", reel_dims(n * h, h + in)), *gate[4];
    reel_node *y = reel_affine(reel_concat(1, 2, part), w, weight(m, "joined", reel_dims(n * h)));
    if (chance(m, 50)) {
        reel_split(y, 1, n, gate);
    } else {
        for (int k = 0; k < n; k++) {
            gate[k] = reel_slice(y, -1, k * h, (k + 1) * h);
        }
    }
    for (int k = 0; k < n; k++) {
        keep(m, k % 2 ? reel_tanh(gate[k]) : gate[k], 4);
    }
    if (chance(m, 30)) { /* the gradient of a slice of a weight */
        keep(m, reel_affine(part[0], reel_slice(w, 1, 0, h), NULL), 4);
    }
}

void multiply(machine *m)
{
    switch (below(m, 4)) {
    case 0:
        multiply_batches(m);
        break;
    case 1:
        multiply_pair(m);
        break;
    case 2:
        multiply_gates(m);
        break;
    default:
        multiply_joined(m);
        break;
    }
}

/* Moves */

static void cut(machine *m, value v, int axis)
{
    int64_t n = reel_node_dim(v.x, axis), start = below(m, (int)n + 1);
    int64_t stop = start + below(m, (int)(n - start) + 1);
    switch (below(m, 4)) {
    case 0:
        keep(m, reel_slice(v.x, axis, start, stop), v.most);
        break;
    case 1:
        keep(m, reel_slice_step(v.x, axis, start, stop, 1 + below(m, 3)), v.most);
        break;
    case 2:
        keep(m, reel_delay(v.x, axis, below(m, 7) - 3), v.most);
        break;
    default:
        if (start < n) {
            keep(m, reel_select(v.x, axis, start), v.most);
        }
        break;
    }
}

static void join(machine *m, value v, int axis)
{
    reel_node *x[3] = {v.x};
    reel_shape shape = reel_node_shape(v.x);
    int n = 1 + below(m, 3);
    bool stack = shape.rank < REEL_MAX_RANK && chance(m, 40);
    for (int i = 1; i < n; i++) {
        if (!stack) {
            shape.dim[axis] = any_size(m, true);
        }
        x[i] = chance(m, 20) && i == 1 ? v.x : any_of_shape(m, shape);
    }
    keep(m, stack ? reel_stack_axis(axis, n, x) : reel_concat(axis, n, x), fmax(v.most, 2));
}

static void turn(machine *m, value v, int axis)
{
    int rank = reel_node_rank(v.x), axes[REEL_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        axes[i] = (i + axis) % rank;
    }
    switch (below(m, 5)) {
    case 0:
        keep(m, reel_permute(v.x, rank, axes), v.most);
        break;
    case 1:
        keep(m, reel_flip(v.x, axis), v.most);
        break;
    case 2:
        keep(m, rank > 1 ? reel_transpose(v.x) : reel_repeat(v.x, 0, 2), v.most);
        break;
    case 3:
        keep(m, reel_pad(v.x, axis, below(m, 3), below(m, 3)), v.most);
        break;
    default:
        keep(m, rank < REEL_MAX_RANK ? reel_expand_dims(v.x, axis) : reel_tile(v.x, axis, 2),
             v.most);
        break;
    }
}

static void look_up(machine *m, value v)
{
    int64_t rows = reel_node_dim(v.x, 0);
    if (rows == 0) {
        return;
    }
    reel_node *index = index_leaf(m, (int32_t)rows, any_shape(m, 1));
    reel_node *y = reel_gather(v.x, index);
    keep(m, y, v.most);
    keep(m, reel_scatter_add(y, index, rows + 1), 4 * v.most);
}

void move_elements(machine *m)
{
    value v = any_value(m);
    if (reel_node_rank(v.x) == 0) {
        v.x = reel_broadcast_to(v.x, any_shape(m, 2));
    }
    int axis = below(m, reel_node_rank(v.x));
    switch (below(m, 6)) {
    case 0:
        cut(m, v, axis);
        break;
    case 1:
        join(m, v, axis);
        break;
    case 2:
        turn(m, v, axis);
        break;
    case 3:
        look_up(m, v);
        break;
    case 4:
        keep(m, fit(m, v.x, any_shape(m, 1 + below(m, 4))), v.most);
        break;
    default:
        keep(m,
             reel_sum_to(v.x, reel_node_size(v.x) ? part_of_shape(m, reel_node_shape(v.x))
                                                  : reel_node_shape(v.x)),
             8 * v.most);
        break;
    }
}

/* Reductions */

void reduce(machine *m)
{
    value v = any_value(m);
    int rank = reel_node_rank(v.x);
    if (rank == 0 || reel_node_size(v.x) == 0) {
        keep(m, reel_sum(v.x), v.most);
        return;
    }
    int axis = below(m, rank);
    bool keeps = chance(m, 50);
    reel_node *x = into_range(m, v.x, v.most, -2, 2);
    double n = (double)reel_node_dim(x, axis);
    switch (below(m, 14)) {
    case 0:
        keep(m, reel_sum_axis(x, axis, keeps), 2 * n);
        break;
    case 1:
        keep(m, reel_mean_axis(x, axis, keeps), 2);
        break;
    case 2:
        keep(m, reel_max_axis(x, axis, keeps), 2);
        break;
    case 3:
        keep(m, reel_logsumexp_axis(x, axis, keeps), 2 + n);
        break;
    case 4:
        keep(m, reel_norm_axis(reel_shift(x, 3), axis, keeps), 5 * n);
        break;
    case 5:
        keep(m, reel_softmax(x, axis), 1);
        break;
    case 6:
        keep(m, reel_log_softmax(x, axis), 4 + n);
        break;
    case 7:
        keep(m, reel_cumsum(x, axis), 2 * n);
        break;
    case 8:
        keep(m, reel_cumprod_reverse(reel_tanh(x), axis), 1);
        break;
    case 9:
        keep(m, reel_standardize(x, 0.1), 4);
        break;
    case 10:
        keep(m, reel_variance_axis(x, axis, n > 1 && keeps, keeps), 8);
        break;
    case 11:
        keep_result(m, reel_argmax_axis(x, axis, keeps), 40);
        break;
    case 12:
        keep(m, reel_prod_axis(reel_cos(x), axis, keeps), 1);
        break;
    default:
        keep(m, reel_sub(x, reel_mean_axis(x, axis, true)), 4);
        break;
    }
}

void sum_many(machine *m)
{
    enum { MOST = 24 };
    reel_node *x[MOST];
    reel_shape shape = reel_node_shape(any_value(m).x);
    reel_node *shared = any_of_shape(m, shape);
    int n = 1 + below(m, MOST);
    for (int i = 0; i < n; i++) {
        x[i] = i % 3 ? reel_mul(shared, reel_number(m->tape, 0.1 * i)) : any_of_shape(m, shape);
    }
    reel_node *y = x[0];
    if (chance(m, 60)) {
        y = reel_sum_of(n, x);
    } else {
        for (int i = 1; i < n; i++) {
            y = reel_add(y, x[i]);
        }
    }
    keep(m, y, 1.5 * n + 1);
}

/* Masks: fresh ones, one used twice, test mode. */
void drop_out(machine *m)
{
    value v = any_value(m);
    static const double p[] = {0.5, 0.25, 0.1, 0};
    double drop = p[below(m, 4)];
    bool test = chance(m, 20);
    reel_tape_set_training(m->tape, !test);
    reel_node *a = reel_dropout(v.x, drop), *b = reel_dropout(v.x, drop);
    reel_node *mask = reel_dropout_mask(v.x, reel_node_shape(v.x), drop);
    reel_node *twice = reel_tanh(reel_mul(reel_sin(reel_mul(v.x, mask)), mask));
    reel_tape_set_training(m->tape, true);
    keep(m, a, 2 * v.most);
    keep(m, reel_sub(a, b), 4 * v.most);
    keep(m, twice, 1);
}
