/* The gradient checker must catch rules that are wrong and pass those that are right. Every wrong
 * rule below is one that somebody has written somewhere; each stands beside its right twin, which
 * must pass. */
#include <math.h>
#include <string.h>

#include <reel/cell.h>
#include <reel/check.h>
#include <reel/op.h>
#include <reel/ops.h>
#include <reel/params.h>
#include <reel/tape.h>

#include "../src/check_slope.h"
#include "suite.h"

enum { SEEDS = 5 };

/* Ops under test. */

#define MAP(name, value)                                                                  \
    static void name##_map(size_t n, const double *const *x, double *y, const void *attr) \
    {                                                                                     \
        (void)attr;                                                                       \
        for (size_t i = 0; i < n; i++) {                                                  \
            y[i] = value;                                                                 \
        }                                                                                 \
    }

MAP(sine, sin(x[0][i]))
MAP(cube, x[0][i] * x[0][i] * x[0][i])
MAP(twist, x[0][i] * sin(x[1][i]))
MAP(whisper, x[0][i] + 1e-6 * sin(x[1][i]))
MAP(bell, tanh(x[0][i]))
MAP(fast, x[0][i] * exp(2 * x[1][i]))
MAP(root, sqrt(x[0][i]))
MAP(ramp, x[0][i] > 0 ? x[0][i] : 0.1 * x[0][i])

static reel_node *arg(reel_node *y, int i)
{
    return reel_node_arg(y, i);
}

static reel_node *sine_right(reel_node *y, reel_node *dy, int i)
{
    return reel_mul(dy, reel_cos(arg(y, i)));
}
static reel_node *sine_wrong_sign(reel_node *y, reel_node *dy, int i)
{
    return reel_neg(reel_mul(dy, reel_cos(arg(y, i))));
}
static reel_node *sine_silent_zero(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)dy, (void)i;
    return reel_zero_gradient();
}
static reel_node *sine_ignores_cotangent(reel_node *y, reel_node *dy, int i)
{
    (void)dy;
    return reel_cos(arg(y, i));
}
static reel_node *sine_cuts_cotangent(reel_node *y, reel_node *dy, int i)
{
    return reel_mul(reel_detach(dy), reel_cos(arg(y, i)));
}
static reel_node *sine_slightly_off(reel_node *y, reel_node *dy, int i)
{
    return reel_scale(reel_mul(dy, reel_cos(arg(y, i))), 1.00002);
}
static reel_node *sine_nan(reel_node *y, reel_node *dy, int i)
{
    reel_node *zero = reel_sub(arg(y, i), arg(y, i));
    return reel_mul(dy, reel_div(zero, zero));
}

static reel_node *cube_right(reel_node *y, reel_node *dy, int i)
{
    return reel_mul(dy, reel_scale(reel_square(arg(y, i)), 3));
}
static reel_node *cube_missing_factor(reel_node *y, reel_node *dy, int i)
{
    return reel_mul(dy, reel_square(arg(y, i)));
}
static reel_node *cube_dropped_contribution(reel_node *y, reel_node *dy, int i)
{
    return reel_mul(dy, reel_scale(reel_square(arg(y, i)), 2));
}

static reel_node *twist_right(reel_node *y, reel_node *dy, int i)
{
    reel_node *a = arg(y, 0), *b = arg(y, 1);
    return reel_mul(dy, i == 0 ? reel_sin(b) : reel_mul(a, reel_cos(b)));
}
static reel_node *twist_wrong_input(reel_node *y, reel_node *dy, int i)
{
    return twist_right(y, dy, 1 - i);
}
static reel_node *twist_first_stray(reel_node *y, reel_node *dy, int i)
{
    return twist_right(y, dy, i == 0 ? 1 : i);
}

static reel_node *whisper_right(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? dy : reel_scale(reel_mul(dy, reel_cos(arg(y, 1))), 1e-6);
}
static reel_node *whisper_wrong_factor(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? dy : reel_scale(reel_mul(dy, reel_cos(arg(y, 1))), 1.1e-6);
}
static reel_node *whisper_lost(reel_node *y, reel_node *dy, int i)
{
    (void)y;
    return i == 0 ? dy : reel_zero_gradient();
}

static reel_node *bell_right(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_mul(dy, reel_one_minus(reel_square(y)));
}
static reel_node *bell_wrong_at_order_2(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_mul(dy, reel_one_minus(reel_square(reel_detach(y))));
}
static reel_node *bell_half_detached(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_mul(dy, reel_one_minus(reel_mul(y, reel_detach(y))));
}

static reel_node *fast_right(reel_node *y, reel_node *dy, int i)
{
    reel_node *grown = reel_exp(reel_scale(arg(y, 1), 2));
    return reel_mul(dy, i == 0 ? grown : reel_scale(y, 2));
}
static reel_node *fast_missing_chain_factor(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? fast_right(y, dy, 0) : reel_mul(dy, y);
}

static reel_node *root_right(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_div(dy, reel_scale(y, 2));
}
static reel_node *root_wrong_power(reel_node *y, reel_node *dy, int i)
{
    return reel_div(dy, reel_scale(arg(y, i), 2));
}

static reel_node *ramp_right(reel_node *y, reel_node *dy, int i)
{
    reel_node *up = reel_heaviside(arg(y, i));
    return reel_mul(dy, reel_add(up, reel_scale(reel_one_minus(up), 0.1)));
}
static reel_node *ramp_wrong_below(reel_node *y, reel_node *dy, int i)
{
    return reel_mul(dy, reel_heaviside(arg(y, i)));
}
static reel_node *ramp_step_everywhere(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)i;
    return dy;
}

static reel_node *sample_one(reel_sampler *s, const reel_op *op, int k, double lo, double hi)
{
    return k == 0 ? reel_apply1(REEL_HERE, op, reel_sample_real(s, lo, hi, reel_dims(2, 3)), NULL)
                  : NULL;
}

static reel_node *sample_two(reel_sampler *s, const reel_op *op, int k, reel_shape second)
{
    if (k > 0) {
        return NULL;
    }
    reel_node *a = reel_sample_real(s, 0.2, 1, reel_dims(3, 3));
    return reel_apply2(REEL_HERE, op, a, reel_sample_real(s, 0.2, 1, second), NULL);
}

#define ELEMENTWISE(base, rule)                                     \
    static reel_node *rule##_sample(reel_sampler *s, int k);        \
    static const reel_op rule##_op = {.name = #rule,                \
                                      .arity = ARITY_##base,        \
                                      .flags = REEL_OP_ELEMENTWISE, \
                                      .map_f64 = base##_map,        \
                                      .gradient = rule,             \
                                      .sample = rule##_sample};
#define ONE(base, rule, lo, hi)                             \
    ELEMENTWISE(base, rule)                                 \
    static reel_node *rule##_sample(reel_sampler *s, int k) \
    {                                                       \
        return sample_one(s, &rule##_op, k, lo, hi);        \
    }
#define TWO(base, rule)                                       \
    ELEMENTWISE(base, rule)                                   \
    static reel_node *rule##_sample(reel_sampler *s, int k)   \
    {                                                         \
        return sample_two(s, &rule##_op, k, reel_dims(3, 3)); \
    }
enum { ARITY_sine = 1, ARITY_cube = 1, ARITY_bell = 1, ARITY_root = 1, ARITY_ramp = 1 };
enum { ARITY_twist = 2, ARITY_whisper = 2, ARITY_fast = 2 };

ONE(sine, sine_right, -2, 2)
ONE(sine, sine_wrong_sign, -2, 2)
ONE(sine, sine_silent_zero, -2, 2)
ONE(sine, sine_ignores_cotangent, -2, 2)
ONE(sine, sine_cuts_cotangent, -2, 2)
ONE(sine, sine_slightly_off, -2, 2)
ONE(sine, sine_nan, -2, 2)
ONE(cube, cube_right, -2, 2)
ONE(cube, cube_missing_factor, -2, 2)
ONE(cube, cube_dropped_contribution, -2, 2)
TWO(twist, twist_right)
TWO(twist, twist_wrong_input)
TWO(twist, twist_first_stray)
TWO(whisper, whisper_right)
TWO(whisper, whisper_wrong_factor)
TWO(whisper, whisper_lost)
ONE(bell, bell_right, -2, 2)
ONE(bell, bell_wrong_at_order_2, -2, 2)
ONE(bell, bell_half_detached, -2, 2)
TWO(fast, fast_right)
TWO(fast, fast_missing_chain_factor)
ONE(root, root_right, 0.01, 3)
ONE(root, root_wrong_power, 0.01, 3)
ONE(ramp, ramp_right, -1, 1)
ONE(ramp, ramp_wrong_below, -1, 1)
ONE(ramp, ramp_step_everywhere, -1, 1)

/* y[r,k] = x0[r,k] x1[k]: the argument that is repeated along rows must get a sum over rows. */
static void scale_rows_run(const reel_call *c)
{
    const double *x = c->x[0].data, *g = c->x[1].data;
    double *y = c->y.data;
    int64_t width = c->x[1].size;
    for (int64_t k = 0; k < c->y.size; k++) {
        y[k] = x[k] * g[k % width];
    }
}
static reel_node *scale_rows_right(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? reel_mul(dy, arg(y, 1)) : reel_sum_axis(reel_mul(dy, arg(y, 0)), 0, false);
}
static reel_node *scale_rows_first_row_only(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? reel_mul(dy, arg(y, 1)) : reel_select(reel_mul(dy, arg(y, 0)), 0, 0);
}
static reel_node *scale_rows_mean(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? reel_mul(dy, arg(y, 1)) : reel_mean_axis(reel_mul(dy, arg(y, 0)), 0, false);
}

/* y = x0 x1, square matrices. */
static void product_run(const reel_call *c)
{
    const double *a = c->x[0].data, *b = c->x[1].data;
    double *y = c->y.data;
    int64_t n = c->y.shape.dim[0];
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++) {
                sum += a[i * n + k] * b[k * n + j];
            }
            y[i * n + j] = sum;
        }
    }
}
static reel_node *product_right(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? reel_matmul(dy, reel_transpose(arg(y, 1)))
                  : reel_matmul(reel_transpose(arg(y, 0)), dy);
}
static reel_node *product_transposed(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? product_right(y, dy, 0) : reel_transpose(product_right(y, dy, 1));
}
static reel_node *product_not_transposed(reel_node *y, reel_node *dy, int i)
{
    return i == 0 ? reel_matmul(dy, arg(y, 1)) : product_right(y, dy, 1);
}

/* y = x0[1:3] of 5 rows, times the numbers of x1. */
static bool middle_shape(reel_shaping *s)
{
    s->y = reel_dims(2, reel_node_dim(s->x[0], 1));
    return true;
}
static void middle_run(const reel_call *c)
{
    const double *x = c->x[0].data;
    double *y = c->y.data;
    for (int64_t k = 0; k < c->y.size; k++) {
        y[k] = x[k + c->y.shape.dim[1]];
    }
}
static reel_node *middle_right(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)i;
    return reel_pad(dy, 0, 1, 2);
}
static reel_node *middle_off_by_one(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)i;
    return reel_pad(dy, 0, 2, 1);
}

/* y = softmax(x) of a vector: each output depends on every input. */
static void share_run(const reel_call *c)
{
    const double *x = c->x[0].data;
    double *y = c->y.data, sum = 0;
    for (int64_t k = 0; k < c->y.size; k++) {
        sum += y[k] = exp(x[k]);
    }
    for (int64_t k = 0; k < c->y.size; k++) {
        y[k] /= sum;
    }
}
static reel_node *share_right(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_mul(y, reel_sub(dy, reel_sum(reel_mul(dy, y))));
}
static reel_node *share_diagonal_only(reel_node *y, reel_node *dy, int i)
{
    (void)i;
    return reel_mul(dy, reel_mul(y, reel_one_minus(y)));
}

/* y[t] = x[0] + ... + x[t]: the cotangent must be summed from the other end. */
static void tally_run(const reel_call *c)
{
    const double *x = c->x[0].data;
    double *y = c->y.data, sum = 0;
    for (int64_t k = 0; k < c->y.size; k++) {
        y[k] = sum += x[k];
    }
}
static reel_node *tally_right(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)i;
    return reel_sub(reel_add(reel_sum(dy), dy), reel_cumsum(dy, 0));
}
static reel_node *tally_forwards(reel_node *y, reel_node *dy, int i)
{
    (void)y, (void)i;
    return reel_cumsum(dy, 0);
}

#define KERNEL(base, rule, count, shaper, drawn)                \
    static reel_node *rule##_sample(reel_sampler *s, int k);    \
    static const reel_op rule##_op = {.name = #rule,            \
                                      .arity = count,           \
                                      .shape = shaper,          \
                                      .run_f64 = base##_run,    \
                                      .gradient = rule,         \
                                      .sample = rule##_sample}; \
    static reel_node *rule##_sample(reel_sampler *s, int k)     \
    {                                                           \
        const reel_op *op = &rule##_op;                         \
        return drawn;                                           \
    }
#define VECTOR \
    (k ? NULL : reel_apply1(REEL_HERE, op, reel_sample_real(s, -1, 1, reel_dims(5)), NULL))
#define ROWS \
    (k ? NULL : reel_apply1(REEL_HERE, op, reel_sample_real(s, -1, 1, reel_dims(5, 2)), NULL))

KERNEL(scale_rows, scale_rows_right, 2, NULL, sample_two(s, op, k, reel_dims(3)))
KERNEL(scale_rows, scale_rows_first_row_only, 2, NULL, sample_two(s, op, k, reel_dims(3)))
KERNEL(scale_rows, scale_rows_mean, 2, NULL, sample_two(s, op, k, reel_dims(3)))
KERNEL(product, product_right, 2, NULL, sample_two(s, op, k, reel_dims(3, 3)))
KERNEL(product, product_transposed, 2, NULL, sample_two(s, op, k, reel_dims(3, 3)))
KERNEL(product, product_not_transposed, 2, NULL, sample_two(s, op, k, reel_dims(3, 3)))
KERNEL(middle, middle_right, 1, middle_shape, ROWS)
KERNEL(middle, middle_off_by_one, 1, middle_shape, ROWS)
KERNEL(share, share_right, 1, NULL, VECTOR)
KERNEL(share, share_diagonal_only, 1, NULL, VECTOR)
KERNEL(tally, tally_right, 1, NULL, VECTOR)
KERNEL(tally, tally_forwards, 1, NULL, VECTOR)

/* Verdicts. */

typedef struct broken_rule {
    const reel_op *op;
    const char *input; /* which the report must name */
    int order;         /* at which it is wrong */
} broken_rule;

static const broken_rule broken[] = {
    {&sine_wrong_sign_op, "x0", 1},        {&sine_silent_zero_op, "x0", 1},
    {&sine_ignores_cotangent_op, "x0", 1}, {&sine_cuts_cotangent_op, "the cotangent", 2},
    {&sine_slightly_off_op, "x0", 1},      {&sine_nan_op, "x0", 1},
    {&cube_missing_factor_op, "x0", 1},    {&cube_dropped_contribution_op, "x0", 1},
    {&twist_wrong_input_op, NULL, 1}, /* both are wrong */
    {&twist_first_stray_op, "x0", 1},      {&whisper_wrong_factor_op, "x1", 1},
    {&whisper_lost_op, "x1", 1},           {&bell_wrong_at_order_2_op, "x0", 2},
    {&bell_half_detached_op, "x0", 2},     {&fast_missing_chain_factor_op, "x1", 1},
    {&root_wrong_power_op, "x0", 1},       {&ramp_wrong_below_op, "x0", 1},
    {&ramp_step_everywhere_op, "x0", 1},   {&scale_rows_first_row_only_op, "x1", 1},
    {&scale_rows_mean_op, "x1", 1},        {&product_transposed_op, "x1", 1},
    {&product_not_transposed_op, "x0", 1}, {&middle_off_by_one_op, "x0", 1},
    {&share_diagonal_only_op, "x0", 1},    {&tally_forwards_op, "x0", 1},
};

static const reel_op *const right[] = {
    &sine_right_op,   &cube_right_op,  &twist_right_op, &whisper_right_op,    &bell_right_op,
    &fast_right_op,   &root_right_op,  &ramp_right_op,  &scale_rows_right_op, &product_right_op,
    &middle_right_op, &share_right_op, &tally_right_op,
};

enum { BROKEN = sizeof broken / sizeof broken[0], RIGHT = sizeof right / sizeof right[0] };

static const reel_check_mode modes[] = {REEL_CHECK_FULL, REEL_CHECK_DIRECTIONS};

START_TEST(broken_rule_is_caught)
{
    const broken_rule *rule = &broken[_i];
    for (int m = 0; m < 2; m++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            reel_check_report r;
            ck_assert_msg(!reel_check_op(&r, rule->op, .order = 2, .mode = modes[m], .seed = seed),
                          "%s", r.message);
            ck_assert(!r.ok);
            ck_assert_msg(r.status == REEL_OK, "%s", r.message);
            ck_assert_msg(!rule->input || strcmp(r.name, rule->input) == 0, "%s names %s",
                          r.message, r.name);
            ck_assert_msg(r.order == rule->order, "%s", r.message);
            ck_assert_msg(r.index >= 0, "%s", r.message);
            ck_assert_msg(strstr(r.message, rule->op->name) && strstr(r.message, r.name), "%s",
                          r.message);
        }
    }
}
END_TEST

START_TEST(wrong_at_order_2_alone_is_right_at_order_1)
{
    reel_check_report r;
    ck_assert_msg(reel_check_op(&r, &bell_wrong_at_order_2_op), "%s", r.message);
    ck_assert_msg(reel_check_op(&r, &sine_cuts_cotangent_op), "%s", r.message);
}
END_TEST

START_TEST(right_rule_passes)
{
    for (int m = 0; m < 2; m++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            reel_check_report r;
            ck_assert_msg(reel_check_op(&r, right[_i], .order = 2, .mode = modes[m], .seed = seed),
                          "%s", r.message);
            ck_assert(r.ok && r.status == REEL_OK);
            ck_assert_int_gt(r.compared, 0);
            ck_assert_msg(r.kinks == 0, "%s", r.message);
            ck_assert_double_le(r.relative, 1e-5);
        }
    }
}
END_TEST

/* What is wrong is one entry of 500: a direction must notice and lead to it. */
static reel_node *one_of_500_gradient(reel_node *y, reel_node *dy, int i)
{
    reel_node *right_one = reel_mul(dy, reel_cos(arg(y, i)));
    reel_node *at = reel_slice(right_one, 0, 317, 318);
    return reel_add(right_one, reel_pad(at, 0, 317, 500 - 318));
}
static reel_node *one_of_500_sample(reel_sampler *s, int k);
static const reel_op one_of_500_op = {.name = "one_of_500",
                                      .arity = 1,
                                      .flags = REEL_OP_ELEMENTWISE,
                                      .map_f64 = sine_map,
                                      .gradient = one_of_500_gradient,
                                      .sample = one_of_500_sample};
static reel_node *one_of_500_sample(reel_sampler *s, int k)
{
    reel_node *x = k ? NULL : reel_sample_real(s, -1, 1, reel_dims(500));
    return k ? NULL : reel_apply1(REEL_HERE, &one_of_500_op, x, NULL);
}

START_TEST(direction_leads_to_the_entry)
{
    reel_check_report r;
    ck_assert(!reel_check_op(&r, &one_of_500_op));
    ck_assert_str_eq(r.name, "x0");
    ck_assert_msg(r.index == 317, "%s", r.message);
    ck_assert_double_eq_tol(r.analytic, 2 * r.numeric, 1e-6);
    ck_assert_double_eq_tol(r.absolute, fabs(r.analytic - r.numeric), 1e-15);
    ck_assert_ptr_nonnull(strstr(r.message, "x0[317]"));
}
END_TEST

/* Checks that cannot be carried out. */

static const reel_op ruleless_op;
static reel_node *ruleless_sample(reel_sampler *s, int k)
{
    return sample_one(s, &ruleless_op, k, -1, 1);
}
static const reel_op ruleless_op = {.name = "ruleless",
                                    .arity = 1,
                                    .flags = REEL_OP_ELEMENTWISE,
                                    .map_f64 = sine_map,
                                    .sample = ruleless_sample};

START_TEST(missing_rule_is_named)
{
    reel_check_report r;
    ck_assert(!reel_check_op(&r, &ruleless_op));
    ck_assert_int_eq(r.status, REEL_ERR_GRADIENT);
    ck_assert_ptr_nonnull(strstr(r.message, "ruleless"));
}
END_TEST

static reel_node *bad_shapes(reel_tape *tape, reel_node *const *x, void *context)
{
    (void)tape, (void)context;
    return reel_add(x[0], x[1]);
}

static reel_node *domain_error(reel_tape *tape, reel_node *const *x, void *context)
{
    (void)tape, (void)context;
    return reel_log(x[0]);
}

static reel_node *fickle(reel_tape *tape, reel_node *const *x, void *context)
{
    int *calls = context;
    (void)tape;
    return (*calls)++ ? reel_sum(x[0]) : x[0];
}

START_TEST(what_cannot_be_checked_is_said)
{
    reel_check_report r;
    ck_assert(!reel_check_op(&r, NULL));
    ck_assert_int_eq(r.status, REEL_ERR_ARGUMENT);
    ck_assert(!reel_check_function(&r, NULL));
    ck_assert_int_eq(r.status, REEL_ERR_ARGUMENT);
    ck_assert(!reel_check_cell(&r, NULL));
    ck_assert_int_eq(r.status, REEL_ERR_ARGUMENT);
    reel_shape shapes[] = {reel_dims(2, 3), reel_dims(2, 4)};
    ck_assert(!reel_check_function(&r, bad_shapes, .inputs = 2, .shape = shapes));
    ck_assert_int_eq(r.status, REEL_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(r.message, "add"));
    ck_assert(!reel_check_function(&r, bad_shapes, .inputs = 2));
    ck_assert_int_eq(r.status, REEL_ERR_ARGUMENT);
    ck_assert(!reel_check_function(&r, domain_error, .inputs = 1, .shape = shapes, .low = -2,
                                   .high = -1));
    ck_assert_int_eq(r.status, REEL_ERR_NAN);
    ck_assert(
        !reel_check_function(&r, domain_error, .inputs = 1, .shape = shapes, .low = 2, .high = 1));
    ck_assert_int_eq(r.status, REEL_ERR_ARGUMENT);
    ck_assert(!reel_check_function(&r, domain_error, .inputs = 1, .shape = shapes, .order = 3));
    ck_assert_int_eq(r.status, REEL_ERR_ARGUMENT);
    int calls = 0;
    ck_assert(!reel_check_function(&r, fickle, .inputs = 1, .shape = shapes, .context = &calls));
    ck_assert_int_eq(r.status, REEL_ERR_ARGUMENT);
}
END_TEST

/* Functions of weights. */

static reel_node *with_weights(reel_tape *tape, reel_node *const *x, void *context)
{
    reel_params *ps = context;
    reel_init start = {REEL_INIT_UNIFORM, -1, 1};
    reel_node *W = reel_use(tape, reel_params_get(ps, "W", reel_dims(4, 3), start, 0));
    reel_node *b = reel_use(tape, reel_params_get(ps, "b", reel_dims(4), start, 0));
    return reel_tanh(reel_affine(x[0], W, b));
}

static reel_node *with_broken_weight(reel_tape *tape, reel_node *const *x, void *context)
{
    reel_params *ps = context;
    reel_init start = {REEL_INIT_UNIFORM, -1, 1};
    reel_node *W = reel_use(tape, reel_params_get(ps, "W", reel_dims(4, 3), start, 0));
    reel_node *b = reel_use(tape, reel_params_get(ps, "b", reel_dims(4), start, 0));
    return reel_affine(x[0], W, reel_apply1(REEL_HERE, &sine_wrong_sign_op, b, NULL));
}

START_TEST(weights_are_checked_and_left_alone)
{
    reel_dtype types[] = {REEL_F32, REEL_F64};
    reel_shape shape = reel_dims(2, 3);
    for (int i = 0; i < 2; i++) {
        reel_params *ps = reel_params_new(types[i], 1);
        reel_check_report r;
        ck_assert_msg(reel_check_function(&r, with_weights, .context = ps, .params = ps,
                                          .inputs = 1, .shape = &shape),
                      "%s", r.message);
        ck_assert_int_eq(r.compared, 6 + 12 + 4);
        reel_param *b = reel_params_find(ps, "b");
        uint64_t version = reel_param_version(b);
        double before[4], after[4];
        ck_assert_int_eq(reel_param_read(b, before, 4), REEL_OK);
        ck_assert(!reel_check_function(&r, with_broken_weight, .context = ps, .params = ps,
                                       .inputs = 1, .shape = &shape));
        ck_assert_int_eq(r.status, REEL_OK);
        ck_assert_str_eq(r.name, "b");
        ck_assert_int_eq(reel_param_read(b, after, 4), REEL_OK);
        ck_assert_mem_eq(before, after, sizeof before);
        ck_assert_uint_eq(reel_param_version(b), version);
        ck_assert_int_eq(reel_params_freeze(ps, "b", true), REEL_OK);
        ck_assert_msg(reel_check_function(&r, with_broken_weight, .context = ps, .params = ps,
                                          .inputs = 1, .shape = &shape),
                      "a frozen weight is not checked: %s", r.message);
        reel_params_free(ps);
    }
}
END_TEST

/* Cells. */

static reel_node *plain_step(reel_cell *c, reel_node *x, reel_state *s)
{
    return s->v[0] = reel_tanh(reel_gate(c, "a", x, s->v[0]));
}

static reel_node *cut_step(reel_cell *c, reel_node *x, reel_state *s)
{
    return s->v[0] = reel_tanh(reel_gate(c, "a", x, reel_detach(s->v[0])));
}

static reel_node *odd_step(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *a = reel_gate(c, "a", x, s->v[0]);
    return s->v[0] = reel_apply1(REEL_HERE, &bell_wrong_at_order_2_op, a, NULL);
}

START_TEST(cells_are_checked)
{
    reel_params *ps = reel_params_new(REEL_F32, 3);
    reel_cell *plain = reel_cell_new(ps, "plain", plain_step, .in = 3, .hidden = 4);
    reel_cell *cut = reel_cell_new(ps, "cut", cut_step, .in = 3, .hidden = 4);
    reel_cell *odd = reel_cell_new(ps, "odd", odd_step, .in = 3, .hidden = 4);
    reel_check_report r;
    ck_assert_msg(reel_check_cell(&r, plain, .steps = 5, .batch = 3, .order = 2), "%s", r.message);
    ck_assert_int_eq(r.kinks, 0);
    ck_assert(!reel_check_cell(&r, cut));
    ck_assert_int_eq(r.status, REEL_OK);
    ck_assert(!reel_check_cell(&r, cut, .mode = REEL_CHECK_DIRECTIONS));
    ck_assert_msg(reel_check_cell(&r, odd), "%s", r.message);
    ck_assert(!reel_check_cell(&r, odd, .order = 2));
    ck_assert_int_eq(r.order, 2);
    reel_cell_free(plain);
    reel_cell_free(cut);
    reel_cell_free(odd);
    reel_params_free(ps);
}
END_TEST

/* Kinks. */

static reel_node *relu_and_more(reel_tape *tape, reel_node *const *x, void *context)
{
    reel_node *shifted = reel_add(x[0], reel_input(tape, REEL_F64, context, reel_node_shape(x[0])));
    return reel_relu(shifted);
}

START_TEST(kinks_are_left_out_and_counted)
{
    reel_check_report r;
    reel_shape shape = reel_dims(6);
    double low = 0.5,
           high = low + 1e-9; /* x is 0.5 up to its last digits; four entries are moved away */
    double offset[6] = {-0.5, 1, 1e-3 - 0.5, -0.5, -2, 1e-4 - 0.5};
    ck_assert_msg(reel_check_function(&r, relu_and_more, .inputs = 1, .shape = &shape, .low = low,
                                      .high = high, .context = offset),
                  "%s", r.message);
    ck_assert_int_eq(r.kinks, 2);
    ck_assert_int_eq(r.compared, 4);
    double all[6] = {-0.5, -0.5, -0.5, -0.5, -0.5, -0.5};
    ck_assert(!reel_check_function(&r, relu_and_more, .inputs = 1, .shape = &shape, .low = low,
                                   .high = high, .context = all));
    ck_assert_int_eq(r.kinks, 6);
    ck_assert_ptr_nonnull(strstr(r.message, "kink"));
}
END_TEST

/* The difference formula. */

typedef struct known {
    const char *name;
    double (*f)(double t);
    double slope, magnitude;
    bool kink;
    double within; /* the error bound must be at most this */
} known;

static double at_sine(double t)
{
    return sin(1 + t);
}
static double at_steep(double t)
{
    return exp(30 * t);
}
static double at_wave(double t)
{
    return sin(500 * t) / 500;
}
static double at_relu(double t)
{
    return t > 0 ? t : 0;
}
static double at_abs(double t)
{
    return fabs(t);
}
static double at_small_kink(double t)
{
    return sin(1 + t) + 1e-3 * fabs(t);
}
static double beside_relu(double t)
{
    return t + 1e-5 > 0 ? 3 * (t + 1e-5) : 0;
}
static double at_edge(double t)
{
    return sqrt(1e-3 + t);
}
static double at_tiny(double t)
{
    return 1 + 1e-6 * sin(0.3 + t);
}
static double at_step(double t)
{
    return t >= 0 ? 1 : 0;
}
static double beside_step(double t)
{
    return floor(0.7003 + t) + 0.3 * floor(0.9999 + t);
}
static double at_flat(double t)
{
    (void)t;
    return 7;
}

static bool call_known(void *context, double t, double *f)
{
    *f = ((const known *)context)->f(t);
    return true;
}

START_TEST(slopes_and_kinks)
{
    static const known cases[] = {
        {"sin", at_sine, 0.54030230586813971740, 1, false, 1e-9},
        {"exp(30 t)", at_steep, 30, 1, false, 1e-6},
        {"a fast wave", at_wave, 1, 1, false, 1e-6},
        {"relu at 0", at_relu, 0, 1, true, 0},
        {"abs at 0", at_abs, 0, 1, true, 0},
        {"a small kink", at_small_kink, 0, 1, true, 0},
        {"beside a kink", beside_relu, 3, 1, false, 1e-6},
        {"beside the edge of the domain", at_edge, 15.811388300841896660, 0.03, false, 1e-4},
        {"1e-6", at_tiny, 0.95533648912560601964e-6, 1, false, 1e-11},
        {"beside a step", beside_step, 0, 1, false, 1e-6},
        {"a constant", at_flat, 0, 7, false, 1e-9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        known k = cases[i];
        reel__slope found;
        reel__slope_args args = {.f = call_known,
                                 .context = &k,
                                 .f0 = k.f(0),
                                 .magnitude = k.magnitude,
                                 .step = 1e-2,
                                 .tolerance = 1e-6};
        ck_assert(reel__slope_find(&args, &found));
        ck_assert_msg(found.kink == k.kink, "%s: kink %d", k.name, found.kink);
        if (!k.kink) {
            ck_assert_msg(fabs(found.value - k.slope) <= found.error,
                          "%s: %g is not within %g of %g", k.name, found.value, found.error,
                          k.slope);
            ck_assert_msg(found.error <= k.within, "%s: error bound %g", k.name, found.error);
        }
    }
}
END_TEST

START_TEST(a_jump_has_no_slope)
{
    known k = {"step", at_step, 0, 1, false, 0};
    reel__slope found;
    reel__slope_args args = {
        .f = call_known, .context = &k, .f0 = 1, .magnitude = 1, .step = 1e-2, .tolerance = 1e-6};
    ck_assert(reel__slope_find(&args, &found));
    ck_assert(found.kink || (!found.settled && found.error > 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checker");
    TCase *rules = tcase_create("rules");
    tcase_set_timeout(rules, 120);
    tcase_add_loop_test(rules, broken_rule_is_caught, 0, BROKEN);
    tcase_add_loop_test(rules, right_rule_passes, 0, RIGHT);
    tcase_add_test(rules, wrong_at_order_2_alone_is_right_at_order_1);
    tcase_add_test(rules, direction_leads_to_the_entry);
    suite_add_tcase(suite, rules);
    TCase *rest = tcase_create("subjects");
    tcase_set_timeout(rest, 120);
    tcase_add_test(rest, missing_rule_is_named);
    tcase_add_test(rest, what_cannot_be_checked_is_said);
    tcase_add_test(rest, weights_are_checked_and_left_alone);
    tcase_add_test(rest, cells_are_checked);
    tcase_add_test(rest, kinks_are_left_out_and_counted);
    tcase_add_test(rest, slopes_and_kinks);
    tcase_add_test(rest, a_jump_has_no_slope);
    suite_add_tcase(suite, rest);
    return suite_run(suite);
}
