/* Running sums and products along an axis, and the linear recurrence that is behind their
 * gradients. Invariant: the gradient of each is made of these ops again, and no rule divides, so
 * that zeros among the elements do no harm. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <stdio.h>

enum { WIDTH = 64 };

typedef struct scan_attr {
    int32_t axis;
    int32_t reverse; /* 1: from the last element to the first */
} scan_attr;

#include <reel/real32.h>

#include "scan.c"

#include <reel/real64.h>

#include "scan.c"

static reel_node *scan_apply(const char *at, const reel_op *op, int n, reel_node *const *x,
                             int axis, bool reverse)
{
    scan_attr a = {.axis = reel_axis_from_first(reel_node_rank(x[0]), axis), .reverse = reverse};
    return reel_apply(at, op, n, x, &a);
}

static bool scan_shape(reel_shaping *s)
{
    const scan_attr *a = s->attr;
    s->y = reel_node_shape(s->x[0]);
    if (reel_shaping_axis(s, 0, a->axis) < 0) {
        return false;
    }
    return s->n == 1 || reel_shape_equal(s->y, reel_node_shape(s->x[1])) ||
           reel_shaping_fail(s, "shapes differ");
}

static int64_t scan_units(const reel_call *c)
{
    const scan_attr *a = c->attr;
    int64_t n = c->y.shape.dim[a->axis];
    return n ? c->y.size / n : 0;
}

static void scan_label(const reel_node *y, char *text, size_t n)
{
    const scan_attr *a = reel_node_attr(y);
    snprintf(text, n, "%s axis %d%s", reel_node_op(y)->name, a->axis, a->reverse ? " reverse" : "");
}

/* One step towards the elements that a scan comes to later. */
static reel_node *later(reel_node *x, const scan_attr *a)
{
    return reel_delay(x, a->axis, a->reverse ? -1 : 1);
}

static reel_node *earlier(reel_node *x, const scan_attr *a)
{
    return reel_delay(x, a->axis, a->reverse ? 1 : -1);
}

/* Zeros but for the element that a scan starts with. */
static reel_node *first_one(reel_node *x, const scan_attr *a)
{
    reel_shape shape = reel_node_shape(x);
    int64_t others = shape.dim[a->axis] - 1;
    shape.dim[a->axis] = 1;
    reel_node *one = reel_constant(reel_node_tape(x), 1, shape);
    return reel_pad(one, a->axis, a->reverse ? others : 0, a->reverse ? 0 : others);
}

/* y before each element instead of after it. */
static reel_node *exclusive(reel_node *y, const scan_attr *a)
{
    return reel_add(later(y, a), first_one(y, a));
}

static reel_node *cumsum_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const scan_attr *a = reel_node_attr(y);
    return scan_apply(REEL_HERE, &reel_op_cumsum, 1, &dy, a->axis, !a->reverse);
}

/* dx[i] = Π_{j<i} x[j] · Σ_{k≥i} dy[k] Π_{i<j≤k} x[j]; the sum over k is a linear recurrence. */
static reel_node *cumprod_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    const scan_attr *a = reel_node_attr(y);
    if (reel_node_size(y) == 0) {
        return reel_zero_gradient();
    }
    reel_node *arg[2] = {earlier(reel_node_arg(y, 0), a), dy};
    reel_node *rest = scan_apply(REEL_HERE, &reel_op_linear_scan, 2, arg, a->axis, !a->reverse);
    return reel_mul(exclusive(y, a), rest);
}

/* db[t] = dy[t] + a[t+1] db[t+1], da[t] = db[t] y[t-1]. */
static reel_node *linear_scan_gradient(reel_node *y, reel_node *dy, int i)
{
    const scan_attr *a = reel_node_attr(y);
    reel_node *arg[2] = {earlier(reel_node_arg(y, 0), a), dy};
    reel_node *db = scan_apply(REEL_HERE, &reel_op_linear_scan, 2, arg, a->axis, !a->reverse);
    return i == 1 ? db : reel_mul(db, later(y, a));
}

enum { SAMPLES = 8 };

static reel_shape sample_shape(int k, int *axis)
{
    static const struct {
        reel_shape shape;
        int axis;
    } sample[SAMPLES / 2] = {
        {{1, {7, 1, 1, 1}}, -1},
        {{2, {3, 5, 1, 1}}, 0},
        {{3, {2, 4, 3, 1}}, 1},
        {{4, {2, 1, 3, 2}}, -1},
    };
    *axis = sample[k / 2].axis;
    return sample[k / 2].shape;
}

static reel_node *unary_sample(reel_sampler *s, int k, const reel_op *op)
{
    int axis;
    if (k >= SAMPLES) {
        return NULL;
    }
    reel_node *x = reel_sample_real(s, -2, 2, sample_shape(k, &axis));
    return scan_apply(REEL_HERE, op, 1, &x, axis, k % 2);
}

static reel_node *cumsum_sample(reel_sampler *s, int k)
{
    return unary_sample(s, k, &reel_op_cumsum);
}

static reel_node *cumprod_sample(reel_sampler *s, int k)
{
    return unary_sample(s, k, &reel_op_cumprod);
}

static reel_node *linear_scan_sample(reel_sampler *s, int k)
{
    int axis;
    if (k >= SAMPLES) {
        return NULL;
    }
    reel_shape shape = sample_shape(k, &axis);
    reel_node *x[2] = {reel_sample_real(s, -1, 1, shape), reel_sample_real(s, -1, 1, shape)};
    return scan_apply(REEL_HERE, &reel_op_linear_scan, 2, x, axis, k % 2);
}

const reel_op reel_op_cumsum = {
    .name = "cumsum",
    .arity = 1,
    .attr_size = sizeof(scan_attr),
    .shape = scan_shape,
    .run_f32 = cumsum_run_f32,
    .run_f64 = cumsum_run_f64,
    .units = scan_units,
    .gradient = cumsum_gradient,
    .label = scan_label,
    .sample = cumsum_sample,
};

const reel_op reel_op_cumprod = {
    .name = "cumprod",
    .arity = 1,
    .attr_size = sizeof(scan_attr),
    .shape = scan_shape,
    .run_f32 = cumprod_run_f32,
    .run_f64 = cumprod_run_f64,
    .units = scan_units,
    .gradient = cumprod_gradient,
    .label = scan_label,
    .sample = cumprod_sample,
};

const reel_op reel_op_linear_scan = {
    .name = "linear_scan",
    .arity = 2,
    .attr_size = sizeof(scan_attr),
    .shape = scan_shape,
    .run_f32 = linear_scan_run_f32,
    .run_f64 = linear_scan_run_f64,
    .units = scan_units,
    .gradient = linear_scan_gradient,
    .label = scan_label,
    .sample = linear_scan_sample,
};

/** y[k] = Σ_{j≤k} x[j] along an axis (negative: from the last), shaped as x. */
reel_node *reel_cumsum_at(const char *at, reel_node *x, int axis)
{
    return scan_apply(at, &reel_op_cumsum, 1, &x, axis, false);
}

/** y[k] = Σ_{j≥k} x[j] along an axis (negative: from the last), shaped as x. */
reel_node *reel_cumsum_reverse_at(const char *at, reel_node *x, int axis)
{
    return scan_apply(at, &reel_op_cumsum, 1, &x, axis, true);
}

/** y[k] = Π_{j≤k} x[j] along an axis (negative: from the last), shaped as x. Right also at zeros,
 * as are its derivatives. */
reel_node *reel_cumprod_at(const char *at, reel_node *x, int axis)
{
    return scan_apply(at, &reel_op_cumprod, 1, &x, axis, false);
}

/** y[k] = Π_{j≥k} x[j] along an axis (negative: from the last), shaped as x. */
reel_node *reel_cumprod_reverse_at(const char *at, reel_node *x, int axis)
{
    return scan_apply(at, &reel_op_cumprod, 1, &x, axis, true);
}

/** y[t] = a[t] y[t-1] + b[t] with y[-1] = 0 along an axis (negative: from the last): a linear
 * recurrence with gates. Shaped as b, to which a is broadcast: a scalar a is a decay. */
reel_node *reel_linear_scan_at(const char *at, reel_node *a, reel_node *b, int axis)
{
    if (!reel_shape_equal(reel_node_shape(a), reel_node_shape(b))) {
        a = reel_broadcast_to_at(at, a, reel_node_shape(b));
    }
    reel_node *x[2] = {a, b};
    return scan_apply(at, &reel_op_linear_scan, 2, x, axis, false);
}

#else

/* One row of columns: reads x, writes y and what the next row needs, in f64, to carry. */
typedef void TYPED(scan_step)(int64_t n, const REAL *const *x, REAL *y, double *carry);

static void TYPED(scan_run)(const reel_call *c, double start, TYPED(scan_step) * step)
{
    const scan_attr *attr = c->attr;
    reel_along a = reel_along_axis(c->y.shape, attr->axis);
    reel_columns part = {.unit = c->begin};
    while (reel_columns_next(&part, &a, c->end, WIDTH)) {
        double carry[WIDTH];
        for (int64_t i = 0; i < part.width; i++) {
            carry[i] = start;
        }
        for (int64_t k = 0; k < a.n; k++) {
            int64_t row = part.first + (attr->reverse ? a.n - 1 - k : k) * a.inner;
            const REAL *x[2] = {(const REAL *)c->x[0].data + row,
                                (const REAL *)c->x[c->n - 1].data + row};
            step(part.width, x, (REAL *)c->y.data + row, carry);
        }
    }
}

static void TYPED(cumsum_step)(int64_t n, const REAL *const *x, REAL *y, double *carry)
{
    for (int64_t i = 0; i < n; i++) {
        carry[i] += (double)x[0][i];
        y[i] = (REAL)carry[i];
    }
}

static void TYPED(cumprod_step)(int64_t n, const REAL *const *x, REAL *y, double *carry)
{
    for (int64_t i = 0; i < n; i++) {
        carry[i] *= (double)x[0][i];
        y[i] = (REAL)carry[i];
    }
}

static void TYPED(linear_scan_step)(int64_t n, const REAL *const *x, REAL *y, double *carry)
{
    for (int64_t i = 0; i < n; i++) {
        carry[i] = (double)x[0][i] * carry[i] + (double)x[1][i];
        y[i] = (REAL)carry[i];
    }
}

static void TYPED(cumsum_run)(const reel_call *c)
{
    TYPED(scan_run)(c, 0, TYPED(cumsum_step));
}

static void TYPED(cumprod_run)(const reel_call *c)
{
    TYPED(scan_run)(c, 1, TYPED(cumprod_step));
}

static void TYPED(linear_scan_run)(const reel_call *c)
{
    TYPED(scan_run)(c, 0, TYPED(linear_scan_step));
}

#endif
