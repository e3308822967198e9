/* Ops of one's own, outside the library: an element-wise one, one with a shape rule and kernels,
 * and what the gradient checker says to a rule that is wrong. An op is a constant; it needs no
 * registration and gets what the built-in ones get. */
#ifndef REEL_REAL

#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The attribute of snake. */
typedef struct snake_attr {
    double a;
} snake_attr;

/* Kernels are written once, as REAL; this file includes itself for each type. */
#include <reel/real32.h>

#include "customop.c"

#include <reel/real64.h>

#include "customop.c"

/* Element-wise: snake, y = x + sin²(a x)/a (Ziyin et al. 2020), dy/dx = 1 + sin(2 a x). */

static reel_node *snake(reel_node *x, double a);

static reel_node *snake_gradient(reel_node *y, reel_node *dy, int i)
{
    const snake_attr *attr = reel_node_attr(y);
    (void)i;
    reel_node *wave = reel_sin(reel_scale(reel_node_arg(y, 0), 2 * attr->a));
    return reel_mul(dy, reel_shift(wave, 1));
}

static reel_node *snake_sample(reel_sampler *s, int k)
{
    return k < 3 ? snake(reel_sample_real(s, -2, 2, reel_dims(3, 4)), 0.5 + k) : NULL;
}

static const reel_op snake_op = {
    .name = "snake",
    .arity = 1,
    .flags = REEL_OP_ELEMENTWISE,
    .attr_size = sizeof(snake_attr),
    .map_f32 = snake_f32,
    .map_f64 = snake_f64,
    .gradient = snake_gradient,
    .sample = snake_sample,
};

static reel_node *snake(reel_node *x, double a)
{
    return reel_apply1(REEL_HERE, &snake_op, x, &(snake_attr){a});
}

/* With a shape rule: the outer product of the rows of a and b, y[n,i,j] = a[n,i] b[n,j], which fast
 * weights are made of (Ba et al. 2016). */

static bool outer_shape(reel_shaping *s)
{
    reel_shape a = reel_node_shape(s->x[0]), b = reel_node_shape(s->x[1]);
    if (a.rank != 2 || b.rank != 2 || a.dim[0] != b.dim[0]) {
        return reel_shaping_fail(s, "expected [batch, n] and [batch, m]");
    }
    s->y = reel_dims(a.dim[0], a.dim[1], b.dim[1]);
    return true;
}

/* One unit for each sequence of the batch: these may run on different threads. */
static int64_t outer_units(const reel_call *call)
{
    return call->y.shape.dim[0];
}

static reel_node *outer_gradient(reel_node *y, reel_node *dy, int i)
{
    reel_node *a = reel_node_arg(y, 0), *b = reel_node_arg(y, 1);
    if (i == 0) {
        return reel_squeeze(reel_matmul(dy, reel_expand_dims(b, 2)), 2);
    }
    return reel_squeeze(reel_matmul(reel_expand_dims(a, 1), dy), 1);
}

static reel_node *outer(reel_node *a, reel_node *b);

static reel_node *outer_sample(reel_sampler *s, int k)
{
    if (k >= 3) {
        return NULL;
    }
    reel_node *a = reel_sample_real(s, -1, 1, reel_dims(1 + k, 4));
    return outer(a, reel_sample_real(s, -1, 1, reel_dims(1 + k, 3)));
}

static const reel_op outer_op = {
    .name = "outer",
    .arity = 2,
    .shape = outer_shape,
    .run_f32 = outer_f32,
    .run_f64 = outer_f64,
    .units = outer_units,
    .gradient = outer_gradient,
    .sample = outer_sample,
};

static reel_node *outer(reel_node *a, reel_node *b)
{
    return reel_apply2(REEL_HERE, &outer_op, a, b, NULL);
}

/* A whole gradient check. */
static bool check(const reel_op *op)
{
    reel_check_report report;
    reel_check_op(&report, op, .order = 2);
    puts(report.message);
    return report.ok;
}

/* The factor 2 of the chain rule is missing. */
static reel_node *wrong_gradient(reel_node *y, reel_node *dy, int i)
{
    const snake_attr *attr = reel_node_attr(y);
    (void)i;
    return reel_mul(dy, reel_shift(reel_sin(reel_scale(reel_node_arg(y, 0), attr->a)), 1));
}

static const reel_op wrong_op;

static reel_node *wrong_sample(reel_sampler *s, int k)
{
    reel_node *x = k < 1 ? reel_sample_real(s, -2, 2, reel_dims(3, 4)) : NULL;
    return x ? reel_apply1(REEL_HERE, &wrong_op, x, &(snake_attr){1}) : NULL;
}

static const reel_op wrong_op = {
    .name = "wrong snake",
    .arity = 1,
    .flags = REEL_OP_ELEMENTWISE,
    .attr_size = sizeof(snake_attr),
    .map_f32 = snake_f32,
    .map_f64 = snake_f64,
    .gradient = wrong_gradient,
    .sample = wrong_sample,
};

/* They compose with the built-in ones, forward and backward. */
static bool use(void)
{
    const float va[] = {1, 2, 3}, vb[] = {4, 5};
    double slope[3];
    reel_tape *tape = reel_tape_new(1);
    reel_node *a = reel_input(tape, REEL_F32, va, reel_dims(1, 3));
    reel_node *b = reel_input(tape, REEL_F32, vb, reel_dims(1, 2));
    reel_node *loss = reel_sum(snake(outer(a, b), 0.5)), *da;
    bool ok = reel_grad(loss, 1, &a, &da) == REEL_OK && reel_read(da, slope, 3) == REEL_OK;
    if (ok) {
        printf("gradient of the sum of snake(outer(a, b)) by a: %.3f %.3f %.3f\n", slope[0],
               slope[1], slope[2]);
    } else {
        fprintf(stderr, "customop: %s\n", reel_tape_message(tape));
    }
    reel_tape_free(tape);
    return ok;
}

int main(int argc, char **argv)
{
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    if (argc > 1) {
        fputs("Usage: customop\n"
              "Checks the gradients of two ops defined in this program, and of a wrong one.\n",
              help ? stdout : stderr);
        return help ? 0 : 2;
    }
    bool right = check(&snake_op) && check(&outer_op) && use();
    puts("and one that is wrong:");
    return right && !check(&wrong_op) ? 0 : 1;
}

#else

static void TYPED(snake)(size_t n, const REAL *const *x, REAL *y, const void *attr)
{
    const REAL a = (REAL)((const snake_attr *)attr)->a;
    for (size_t k = 0; k < n; k++) {
        REAL s = LIBM(sin)(a * x[0][k]);
        y[k] = x[0][k] + s * s / a;
    }
}

static void TYPED(outer)(const reel_call *call)
{
    const REAL *a = call->x[0].data, *b = call->x[1].data;
    REAL *y = call->y.data;
    const int64_t n = call->y.shape.dim[1], m = call->y.shape.dim[2];
    for (int64_t row = call->begin * n; row < call->end * n; row++) {
        for (int64_t j = 0; j < m; j++) {
            y[row * m + j] = a[row] * b[row / n * m + j];
        }
    }
}

#endif
