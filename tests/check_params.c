/* Weights: making, starting, overriding, loading, freezing, copying them, and what is said when
 * that fails. */
#include <math.h>
#include <reel/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "params.h"
#include "suite.h"

static const reel_init zeros = {.kind = REEL_INIT_CONSTANT};
static const reel_init glorot = {.kind = REEL_INIT_GLOROT};
static const reel_init orthogonal = {.kind = REEL_INIT_ORTHOGONAL};

static reel_init normal(double a, double b)
{
    return (reel_init){.kind = REEL_INIT_NORMAL, .a = a, .b = b};
}

static reel_init constant(double a)
{
    return (reel_init){.kind = REEL_INIT_CONSTANT, .a = a};
}

/* The elements as f64, to be freed. */
static double *values(const reel_param *p)
{
    size_t n = (size_t)reel_param_size(p);
    double *v = malloc((n + 1) * sizeof *v);
    ck_assert_int_eq(reel_param_read(p, v, n), REEL_OK);
    return v;
}

static bool same_values(const reel_param *p, const reel_param *q)
{
    return reel_param_dtype(p) == reel_param_dtype(q) && reel_param_size(p) == reel_param_size(q) &&
           memcmp(reel_param_data(p), reel_param_data(q),
                  (size_t)reel_param_size(p) * reel_dtype_size(reel_param_dtype(p))) == 0;
}

#define assert_message(ps, wanted_status, text)                  \
    do {                                                         \
        ck_assert_int_eq(reel_params_status(ps), wanted_status); \
        ck_assert_str_eq(reel_params_message(ps), text);         \
        reel_params_clear_error(ps);                             \
        ck_assert_int_eq(reel_params_status(ps), REEL_OK);       \
        ck_assert_str_eq(reel_params_message(ps), "");           \
    } while (0)

/* The set */

START_TEST(a_weight_is_made_once)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_param *a = reel_params_get(ps, "a", reel_dims(3, 4), glorot, 0);
    reel_param *b = reel_params_get(ps, "b", reel_dims(5), zeros, 0);
    reel_param *s = reel_params_get(ps, "s", reel_scalar_shape(), constant(2.5), 0);
    reel_param *none = reel_params_get(ps, "none", reel_dims(4, 0, 2), glorot, 0);
    ck_assert_ptr_nonnull(none);
    ck_assert_ptr_eq(reel_params_get(ps, "a", reel_dims(3, 4), constant(9), 0), a);
    ck_assert_ptr_eq(reel_params_find(ps, "b"), b);
    ck_assert_ptr_null(reel_params_find(ps, "c"));
    ck_assert_uint_eq(reel_params_count(ps), 4);
    ck_assert_int_eq(reel_params_size(ps), 12 + 5 + 1);
    ck_assert_ptr_eq(reel_params_at(ps, 1), b);
    ck_assert_ptr_null(reel_params_at(ps, 4));
    ck_assert_str_eq(reel_param_name(a), "a");
    ck_assert(reel_shape_equal(reel_param_shape(a), reel_dims(3, 4)));
    ck_assert_int_eq(reel_param_dtype(a), REEL_F32);
    ck_assert_ptr_eq(reel_param_set(a), ps);
    ck_assert_uint_eq((uintptr_t)reel_param_data(a) % 64, 0);
    ck_assert(*(const float *)reel_param_data(s) == 2.5f);
    ck_assert(reel_param_take_fresh(a));
    ck_assert(!reel_param_take_fresh(a));
    ck_assert_int_eq(reel_params_status(ps), REEL_OK);
    reel_params_free(ps);
}
END_TEST

START_TEST(many_names_are_found)
{
    reel_params *ps = reel_params_new(REEL_F64, 1);
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "layer%d.weight", i);
        ck_assert_ptr_nonnull(reel_params_get(ps, name, reel_dims(1), constant(i), 0));
    }
    for (int i = 999; i >= 0; i--) {
        snprintf(name, sizeof name, "layer%d.weight", i);
        ck_assert(*(const double *)reel_param_data(reel_params_find(ps, name)) == i);
    }
    reel_params_free(ps);
}
END_TEST

START_TEST(keys_are_never_used_again)
{
    uint64_t key[40];
    for (int i = 0; i < 40; i++) {
        reel_params *ps = reel_params_new(REEL_F64, 1);
        reel_params_get(ps, "a", reel_dims(1), zeros, 0);
        reel_param *p = reel_params_get(ps, "b", reel_dims(1), zeros, 0);
        key[i] = reel__param_key(p);
        ck_assert_uint_ne(key[i], 0);
        ck_assert_uint_ne(key[i], reel__param_key(reel_params_at(ps, 0)));
        for (int j = 0; j < i; j++) {
            ck_assert_uint_ne(key[i], key[j]);
        }
        reel_params_free(ps);
    }
}
END_TEST

START_TEST(versions_count_changes)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_param *p = reel_params_get(ps, "p", reel_dims(2), zeros, 0);
    uint64_t v = reel_param_version(p);
    const double in[2] = {0.5, -2};
    double out[2];
    ck_assert_int_eq(reel_param_read(p, out, 2), REEL_OK);
    ck_assert_ptr_nonnull(reel_param_data(p));
    ck_assert_uint_eq(reel_param_version(p), v);
    ck_assert_int_eq(reel_param_write(p, in, 2), REEL_OK);
    ck_assert_uint_gt(reel_param_version(p), v);
    v = reel_param_version(p);
    ck_assert_int_eq(reel_param_read(p, out, 2), REEL_OK);
    ck_assert(out[0] == 0.5 && out[1] == -2);
    ((float *)reel_param_change(p))[0] = 3;
    ck_assert_uint_gt(reel_param_version(p), v);
    v = reel_param_version(p);
    ck_assert_int_eq(reel_params_offer(ps, "p", REEL_F64, in, reel_dims(2)), REEL_OK);
    ck_assert_uint_gt(reel_param_version(p), v);
    v = reel_param_version(p);
    ck_assert_int_eq(reel_param_write(p, in, 3), REEL_ERR_SHAPE);
    ck_assert_uint_eq(reel_param_version(p), v);
    assert_message(ps, REEL_ERR_SHAPE, "reel_param_write: weight 'p' has 2 elements, not 3");
    reel_params_free(ps);
}
END_TEST

START_TEST(bad_requests_are_told)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_params_get(ps, "w", reel_dims(2, 3), zeros, 0);
    ck_assert_ptr_null(reel_params_get(ps, "w", reel_dims(3, 2), zeros, 0));
    assert_message(ps, REEL_ERR_SHAPE,
                   "weight 'w': asked for with shape [3,2], but it exists with [2,3]");
    ck_assert_ptr_null(reel_params_get(ps, "", reel_dims(1), zeros, 0));
    assert_message(ps, REEL_ERR_ARGUMENT, "reel_params_get: a weight needs a name");
    ck_assert_ptr_null(reel_params_get(ps, "v", reel_dims(7, 2), zeros, 3));
    assert_message(ps, REEL_ERR_ARGUMENT, "weight 'v': 7 rows do not split into 3 blocks");
    ck_assert_ptr_null(reel_params_get(ps, "v", reel_dims(7, -2), zeros, 0));
    assert_message(ps, REEL_ERR_SHAPE,
                   "weight 'v': its shape is invalid: rank 2 (0 to 4), sizes not negative, their "
                   "product within memory");
    int64_t huge = INT64_C(1) << 40;
    ck_assert_ptr_null(reel_params_get(ps, "v", reel_dims(huge, huge), zeros, 0));
    ck_assert_int_eq(reel_params_status(ps), REEL_ERR_SHAPE);
    reel_params_clear_error(ps);
    ck_assert_ptr_null(reel_params_get(ps, "v", (reel_shape){.rank = 9}, zeros, 0));
    reel_params_clear_error(ps);
    ck_assert_ptr_null(reel_params_get(ps, "v", reel_dims(2), constant(NAN), 0));
    assert_message(ps, REEL_ERR_ARGUMENT,
                   "weight 'v': its start has a parameter that is not finite");
    ck_assert_ptr_null(reel_params_get(ps, "v", reel_dims(2), normal(0, -1), 0));
    assert_message(ps, REEL_ERR_ARGUMENT,
                   "weight 'v': its start has a negative standard deviation");
    reel_init odd = {.kind = (reel_init_kind)77};
    ck_assert_int_eq(reel_params_set_init(ps, "v", odd), REEL_ERR_ARGUMENT);
    assert_message(ps, REEL_ERR_ARGUMENT,
                   "reel_params_set_init: 'v': its start is of no known kind");
    ck_assert_int_eq(reel_params_freeze(ps, NULL, true), REEL_ERR_ARGUMENT);
    assert_message(ps, REEL_ERR_ARGUMENT, "reel_params_freeze: the pattern is NULL");
    ck_assert_int_eq(reel_param_init_rows(reel_params_at(ps, 0), 1, 3, zeros), REEL_ERR_ARGUMENT);
    assert_message(ps, REEL_ERR_ARGUMENT, "weight 'w': no rows [1, 3) in 2 rows");
    ck_assert_uint_eq(reel_params_count(ps), 1);
    reel_params_free(ps);
    ps = reel_params_new(REEL_I32, 1);
    assert_message(ps, REEL_ERR_ARGUMENT, "reel_params_new: dtype i32 (3): weights are f32 or f64");
    reel_params_free(ps);
}
END_TEST

START_TEST(the_first_error_is_kept)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_params_fail(ps, REEL_ERR_FILE, "first %d", 1);
    reel_params_fail(ps, REEL_ERR_SHAPE, "second");
    ck_assert_ptr_nonnull(reel_params_get(ps, "works", reel_dims(1), zeros, 0));
    assert_message(ps, REEL_ERR_FILE, "first 1");
    reel_params_free(ps);
}
END_TEST

START_TEST(null_is_no_crash)
{
    ck_assert_ptr_null(reel_params_get(NULL, "a", reel_dims(1), zeros, 0));
    ck_assert_ptr_null(reel_params_find(NULL, "a"));
    ck_assert_ptr_null(reel_params_at(NULL, 0));
    ck_assert_ptr_null(reel_params_copy(NULL));
    ck_assert_ptr_null(reel_params_unclaimed(NULL, 0));
    ck_assert_int_eq(reel_params_status(NULL), REEL_ERR_ARGUMENT);
    ck_assert_str_eq(reel_params_message(NULL), "the params set is NULL");
    ck_assert_int_eq(reel_params_offer(NULL, "a", REEL_F32, NULL, reel_dims(0)), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_params_set_init(NULL, "a", zeros), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_params_freeze(NULL, "a", true), REEL_ERR_ARGUMENT);
    reel_params_fail(NULL, REEL_ERR_FILE, "nothing");
    reel_params_clear_error(NULL);
    reel_params_free(NULL);
    ck_assert_str_eq(reel_param_name(NULL), "");
    ck_assert_ptr_null(reel_param_change(NULL));
    ck_assert_int_eq(reel_param_size(NULL), 0);
    ck_assert_int_eq(reel_param_init_rows(NULL, 0, 0, zeros), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_param_write(NULL, NULL, 0), REEL_ERR_ARGUMENT);
    ck_assert(!reel_param_take_fresh(NULL));
}
END_TEST

START_TEST(patterns_match_names)
{
    ck_assert(reel_name_matches("*", ""));
    ck_assert(reel_name_matches("*", "anything"));
    ck_assert(reel_name_matches("lstm.*_l0", "lstm.weight_hh_l0"));
    ck_assert(!reel_name_matches("lstm.*_l0", "lstm.weight_hh_l1"));
    ck_assert(reel_name_matches("*bias*", "a.bias_ih"));
    ck_assert(reel_name_matches("a*b*c", "axbxbxc"));
    ck_assert(!reel_name_matches("a*b*c", "axcxb"));
    ck_assert(reel_name_matches("l?.w", "l3.w"));
    ck_assert(!reel_name_matches("l?.w", "l.w"));
    ck_assert(!reel_name_matches("", "x"));
    ck_assert(reel_name_matches("", ""));
    ck_assert(reel_name_matches("ab**", "ab"));
    ck_assert(!reel_name_matches("ab?", "ab"));
    ck_assert(!reel_name_matches(NULL, "x"));
}
END_TEST

START_TEST(frozen_goes_by_pattern)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_param *before = reel_params_get(ps, "embed.weight", reel_dims(1), zeros, 0);
    ck_assert(!reel_param_frozen(before));
    ck_assert_int_eq(reel_params_freeze(ps, "embed.*", true), REEL_OK);
    ck_assert(reel_param_frozen(before));
    reel_param *after = reel_params_get(ps, "embed.bias", reel_dims(1), zeros, 0);
    reel_param *other = reel_params_get(ps, "out", reel_dims(1), zeros, 0);
    ck_assert(reel_param_frozen(after) && !reel_param_frozen(other));
    ck_assert_int_eq(reel_params_freeze(ps, "*.bias", false), REEL_OK);
    ck_assert(reel_param_frozen(before) && !reel_param_frozen(after));
    ck_assert(!reel_param_frozen(reel_params_get(ps, "embed.x.bias", reel_dims(1), zeros, 0)));
    reel_params_free(ps);
}
END_TEST

/* Starts */

typedef struct spread {
    double mean, sd, min, max;
} spread;

static spread spread_of(const double *v, size_t n)
{
    spread s = {.min = v[0], .max = v[0]};
    for (size_t i = 0; i < n; i++) {
        s.mean += v[i] / (double)n;
        s.min = fmin(s.min, v[i]);
        s.max = fmax(s.max, v[i]);
    }
    for (size_t i = 0; i < n; i++) {
        s.sd += (v[i] - s.mean) * (v[i] - s.mean) / (double)n;
    }
    s.sd = sqrt(s.sd);
    return s;
}

static spread start_of(reel_init init, reel_shape shape, int blocks)
{
    reel_params *ps = reel_params_new(REEL_F64, 42);
    reel_param *p = reel_params_get(ps, "w", shape, init, blocks);
    ck_assert_msg(p != NULL, "%s", reel_params_message(ps));
    double *v = values(p);
    spread s = spread_of(v, (size_t)reel_param_size(p));
    free(v);
    reel_params_free(ps);
    return s;
}

static void assert_uniform(spread s, double low, double high)
{
    ck_assert(s.min >= low && s.max <= high);
    double width = high - low;
    ck_assert_double_eq_tol(s.min, low, 0.002 * width);
    ck_assert_double_eq_tol(s.max, high, 0.002 * width);
    ck_assert_double_eq_tol(s.mean, (low + high) / 2, 0.005 * width);
    ck_assert_double_eq_tol(s.sd, width / sqrt(12), 0.005 * width);
}

START_TEST(starts_have_their_distributions)
{
    reel_init uniform = {.kind = REEL_INIT_UNIFORM, .a = -0.08, .b = 0.16};
    assert_uniform(start_of(uniform, reel_dims(200, 300), 0), -0.08, 0.16);

    spread s = start_of(normal(1.5, 0.2), reel_dims(200, 300), 0);
    ck_assert_double_eq_tol(s.mean, 1.5, 0.003);
    ck_assert_double_eq_tol(s.sd, 0.2, 0.003);

    double r = sqrt(6 / 500.0);
    assert_uniform(start_of(glorot, reel_dims(200, 300), 0), -r, r);
    reel_init gained = {.kind = REEL_INIT_GLOROT, .a = 3};
    assert_uniform(start_of(gained, reel_dims(200, 300), 0), -3 * r, 3 * r);
    /* Fans are those of one block, and fan_in is all but the first dimension. */
    r = sqrt(6 / (50.0 + 300));
    assert_uniform(start_of(glorot, reel_dims(200, 300), 4), -r, r);
    assert_uniform(start_of(glorot, reel_dims(200, 30, 10), 4), -r, r);

    reel_init he = {.kind = REEL_INIT_HE};
    s = start_of(he, reel_dims(200, 300), 0);
    ck_assert_double_eq_tol(s.mean, 0, 0.001);
    ck_assert_double_eq_tol(s.sd, sqrt(2 / 300.0), 0.001);

    s = start_of(constant(-1.25), reel_dims(3, 3), 0);
    ck_assert(s.min == -1.25 && s.max == -1.25);
    reel_init none = {.kind = REEL_INIT_DEFAULT};
    s = start_of(none, reel_dims(7), 0);
    ck_assert(s.min == 0 && s.max == 0);
    r = sqrt(6 / 500.0);
    assert_uniform(start_of(none, reel_dims(200, 300), 0), -r, r);
}
END_TEST

START_TEST(identity_is_by_block)
{
    reel_params *ps = reel_params_new(REEL_F64, 1);
    reel_init identity = {.kind = REEL_INIT_IDENTITY, .a = 0.5};
    double *v = values(reel_params_get(ps, "w", reel_dims(6, 4), identity, 2));
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 4; j++) {
            ck_assert(v[i * 4 + j] == (i % 3 == j ? 0.5 : 0));
        }
    }
    free(v);
    reel_params_free(ps);
}
END_TEST

/* Rows of w[rows, cols] (or columns, when there are more rows) are orthonormal up to gain². */
static void assert_orthogonal(const double *w, int64_t rows, int64_t cols, double gain, double tol)
{
    bool wide = rows <= cols;
    int64_t count = wide ? rows : cols, length = wide ? cols : rows;
    int64_t down = wide ? cols : 1, right = wide ? 1 : cols;
    double worst = 0;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double dot = 0;
            for (int64_t k = 0; k < length; k++) {
                dot += w[i * down + k * right] * w[j * down + k * right];
            }
            worst = fmax(worst, fabs(dot - (i == j ? gain * gain : 0)));
        }
    }
    ck_assert_double_lt(worst, tol);
}

typedef struct orthogonal_case {
    int64_t rows, cols;
    int blocks;
    double gain;
} orthogonal_case;

static const orthogonal_case orthogonals[] = {{1, 1, 0, 0},    {5, 5, 0, 0},     {200, 200, 0, 0},
                                              {3, 8, 0, 0},    {8, 3, 0, 2},     {100, 100, 0, 0},
                                              {33, 70, 0, 0},  {280, 70, 4, 0},  {70, 33, 0, 0.5},
                                              {128, 20, 4, 0}, {64, 64, 2, 1.4}, {40, 1, 0, 0}};

START_TEST(orthogonal_is_orthogonal)
{
    const orthogonal_case *c = &orthogonals[_i];
    int64_t blocks = c->blocks ? c->blocks : 1, rows = c->rows / blocks;
    for (int t = 0; t < 2; t++) {
        reel_params *ps = reel_params_new(t ? REEL_F64 : REEL_F32, 5);
        reel_init init = {.kind = REEL_INIT_ORTHOGONAL, .a = c->gain};
        reel_param *p = reel_params_get(ps, "w", reel_dims(c->rows, c->cols), init, c->blocks);
        double *v = values(p);
        for (int64_t b = 0; b < blocks; b++) {
            double gain = c->gain != 0 ? c->gain : 1;
            assert_orthogonal(v + b * rows * c->cols, rows, c->cols, gain, t ? 2e-14 : 1e-6);
        }
        free(v);
        reel_params_free(ps);
    }
}
END_TEST

/* Haar measure: an entry has mean 0 and variance 1/n, and both signs of a diagonal occur. A QR
 * whose signs are not put right fails this. */
START_TEST(orthogonal_is_uniform)
{
    reel_params *ps = reel_params_new(REEL_F64, 6);
    double sum[4] = {0}, square[4] = {0};
    enum { SETS = 4000 };
    for (int i = 0; i < SETS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        const double *v =
            reel_param_data(reel_params_get(ps, name, reel_dims(2, 2), orthogonal, 0));
        for (int k = 0; k < 4; k++) {
            sum[k] += v[k] / SETS;
            square[k] += v[k] * v[k] / SETS;
        }
    }
    for (int k = 0; k < 4; k++) {
        ck_assert_double_eq_tol(sum[k], 0, 0.04);
        ck_assert_double_eq_tol(square[k], 0.5, 0.02);
    }
    reel_params_free(ps);
}
END_TEST

START_TEST(starts_do_not_depend_on_order)
{
    reel_params *a = reel_params_new(REEL_F32, 9), *b = reel_params_new(REEL_F32, 9);
    reel_params *other = reel_params_new(REEL_F32, 10);
    reel_param *a1 = reel_params_get(a, "one", reel_dims(8, 6), glorot, 2);
    reel_param *a2 = reel_params_get(a, "two", reel_dims(8, 6), glorot, 2);
    reel_param *b2 = reel_params_get(b, "two", reel_dims(8, 6), glorot, 2);
    reel_params_get(b, "between", reel_dims(3, 3), orthogonal, 0);
    reel_param *b1 = reel_params_get(b, "one", reel_dims(8, 6), glorot, 2);
    reel_param *o1 = reel_params_get(other, "one", reel_dims(8, 6), glorot, 2);
    ck_assert(same_values(a1, b1) && same_values(a2, b2));
    ck_assert(!same_values(a1, a2));
    ck_assert(!same_values(a1, o1));
    /* The blocks of one weight differ from each other. */
    const float *v = reel_param_data(a1);
    ck_assert_mem_ne(v, v + 24, 24 * sizeof *v);
    reel_params_free(a);
    reel_params_free(b);
    reel_params_free(other);
}
END_TEST

START_TEST(f32_rounds_what_f64_has)
{
    reel_params *a = reel_params_new(REEL_F32, 9), *b = reel_params_new(REEL_F64, 9);
    const float *x = reel_param_data(reel_params_get(a, "w", reel_dims(20, 30), orthogonal, 0));
    const double *y = reel_param_data(reel_params_get(b, "w", reel_dims(20, 30), orthogonal, 0));
    for (int i = 0; i < 600; i++) {
        ck_assert(x[i] == (float)y[i]);
    }
    reel_params_free(a);
    reel_params_free(b);
}
END_TEST

START_TEST(rows_start_as_blocks_do)
{
    reel_params *ps = reel_params_new(REEL_F64, 3), *qs = reel_params_new(REEL_F64, 3);
    reel_param *p = reel_params_get(ps, "w", reel_dims(6, 4), orthogonal, 2);
    reel_param *q = reel_params_get(qs, "w", reel_dims(6, 4), zeros, 0);
    uint64_t version = reel_param_version(q);
    ck_assert_int_eq(reel_param_init_rows(q, 3, 6, orthogonal), REEL_OK);
    ck_assert_uint_gt(reel_param_version(q), version);
    const double *v = reel_param_data(q);
    for (int i = 0; i < 12; i++) {
        ck_assert(v[i] == 0);
    }
    ck_assert_int_eq(reel_param_init_rows(q, 0, 3, orthogonal), REEL_OK);
    ck_assert(same_values(p, q));
    reel_params_free(ps);
    reel_params_free(qs);
}
END_TEST

START_TEST(overrides_go_by_pattern)
{
    reel_params *ps = reel_params_new(REEL_F64, 3);
    reel_param *before = reel_params_get(ps, "l0.bias", reel_dims(2), constant(7), 0);
    ck_assert_int_eq(reel_params_set_init(ps, "*", constant(1)), REEL_OK);
    ck_assert_int_eq(reel_params_set_init(ps, "*.bias", constant(2)), REEL_OK);
    ck_assert_int_eq(reel_params_set_init(ps, "keep.*", (reel_init){.kind = REEL_INIT_DEFAULT}),
                     REEL_OK);
    const double *v = reel_param_data(before);
    ck_assert(v[0] == 7);
    v = reel_param_data(reel_params_get(ps, "l1.weight", reel_dims(2), zeros, 0));
    ck_assert(v[0] == 1 && v[1] == 1);
    v = reel_param_data(reel_params_get(ps, "l1.bias", reel_dims(2), zeros, 0));
    ck_assert(v[0] == 2 && v[1] == 2);
    v = reel_param_data(reel_params_get(ps, "keep.bias", reel_dims(2), constant(5), 0));
    ck_assert(v[0] == 5 && v[1] == 5);
    reel_params_free(ps);
}
END_TEST

/* Loading */

static const float floats[6] = {1, 2, 3, 4, 5, 6.1f};
static const double doubles[6] = {0.1, 0.2, 0.3, 0.4, 0.5, 1e300};

START_TEST(loaded_tensors_wait_for_their_name)
{
    reel_params *ps = reel_params_new(REEL_F64, 3);
    ck_assert_int_eq(reel_params_offer(ps, "w", REEL_F64, doubles, reel_dims(2, 2)), REEL_OK);
    ck_assert_int_eq(reel_params_offer(ps, "left", REEL_F32, floats, reel_dims(3)), REEL_OK);
    ck_assert_int_eq(reel_params_offer(ps, "over", REEL_F32, floats, reel_dims(2)), REEL_OK);
    ck_assert_int_eq(reel_params_offer(ps, "w", REEL_F32, floats, reel_dims(2, 3)), REEL_OK);
    ck_assert_uint_eq(reel_params_count(ps), 0);
    ck_assert_ptr_null(reel_params_find(ps, "w"));
    ck_assert_str_eq(reel_params_unclaimed(ps, 0), "w");
    ck_assert_str_eq(reel_params_unclaimed(ps, 1), "left");
    ck_assert_str_eq(reel_params_unclaimed(ps, 2), "over");
    ck_assert_ptr_null(reel_params_unclaimed(ps, 3));

    /* The tensor takes precedence over an override and over the rows of a cell's start. */
    ck_assert_int_eq(reel_params_set_init(ps, "*", constant(9)), REEL_OK);
    reel_param *w = reel_params_get(ps, "w", reel_dims(2, 3), glorot, 0);
    ck_assert_ptr_nonnull(w);
    ck_assert(reel_param_loaded(w));
    ck_assert(reel_param_take_fresh(w));
    ck_assert_int_eq(reel_param_init_rows(w, 0, 2, constant(4)), REEL_OK);
    const double *v = reel_param_data(w);
    for (int i = 0; i < 6; i++) {
        ck_assert(v[i] == floats[i]);
    }
    ck_assert_str_eq(reel_params_unclaimed(ps, 0), "left");
    ck_assert_ptr_null(reel_params_unclaimed(ps, 2));
    ck_assert(!reel_param_loaded(reel_params_get(ps, "new", reel_dims(1), zeros, 0)));

    ck_assert_ptr_null(reel_params_get(ps, "left", reel_dims(4), zeros, 0));
    assert_message(ps, REEL_ERR_SHAPE,
                   "weight 'left' of shape [4]: the loaded tensor of that name has shape [3]");
    ck_assert_str_eq(reel_params_unclaimed(ps, 0), "left");
    reel_params_free(ps);
}
END_TEST

START_TEST(loaded_tensors_replace_values)
{
    reel_params *ps = reel_params_new(REEL_F32, 3);
    reel_param *w = reel_params_get(ps, "w", reel_dims(3, 2), glorot, 0);
    const void *address = reel_param_data(w);
    ck_assert_int_eq(reel_params_offer(ps, "w", REEL_F64, doubles, reel_dims(3, 2)), REEL_OK);
    ck_assert_ptr_eq(reel_param_data(w), address);
    const float *v = reel_param_data(w);
    ck_assert(v[0] == 0.1f && v[4] == 0.5f && isinf(v[5]));
    ck_assert(reel_param_loaded(w));
    ck_assert_ptr_null(reel_params_unclaimed(ps, 0));

    ck_assert_int_eq(reel_params_offer(ps, "w", REEL_F32, floats, reel_dims(2, 3)), REEL_ERR_SHAPE);
    assert_message(ps, REEL_ERR_SHAPE, "loaded tensor 'w' has shape [2,3], the weight has [3,2]");
    ck_assert_int_eq(reel_params_offer(ps, "w", REEL_I32, floats, reel_dims(3, 2)), REEL_ERR_SHAPE);
    assert_message(ps, REEL_ERR_SHAPE, "loaded tensor 'w' is i32: weights are f32 or f64");
    ck_assert_int_eq(reel_params_offer(ps, "w", REEL_F32, NULL, reel_dims(3, 2)),
                     REEL_ERR_ARGUMENT);
    assert_message(ps, REEL_ERR_ARGUMENT, "loaded tensor 'w': its data is NULL");
    ck_assert_int_eq(reel_params_offer(ps, NULL, REEL_F32, floats, reel_dims(3)),
                     REEL_ERR_ARGUMENT);
    reel_params_clear_error(ps);
    ck_assert(v[0] == 0.1f && v[4] == 0.5f);
    reel_params_free(ps);
}
END_TEST

/* A set with everything in it. */
static reel_params *make_set(void)
{
    reel_params *ps = reel_params_new(REEL_F32, 3);
    if (!ps || reel_params_set_init(ps, "*.bias", constant(2)) ||
        reel_params_freeze(ps, "embed.*", true) ||
        reel_params_offer(ps, "late", REEL_F64, doubles, reel_dims(5)) ||
        reel_params_offer(ps, "embed.weight", REEL_F32, floats, reel_dims(3, 2)) ||
        !reel_params_get(ps, "embed.weight", reel_dims(3, 2), zeros, 0) ||
        !reel_params_get(ps, "w", reel_dims(40, 40), orthogonal, 2) ||
        !reel_params_get(ps, "l.bias", reel_dims(4), zeros, 0)) {
        reel_params_free(ps);
        return NULL;
    }
    return ps;
}

START_TEST(a_copy_is_whole_and_apart)
{
    reel_params *ps = make_set();
    reel_param_take_fresh(reel_params_at(ps, 0));
    reel_params *copy = reel_params_copy(ps);
    ck_assert_ptr_nonnull(copy);
    ck_assert_uint_eq(reel_params_count(copy), 3);
    ck_assert_uint_eq(reel_params_seed(copy), 3);
    ck_assert_int_eq(reel_params_dtype(copy), REEL_F32);
    for (size_t i = 0; i < 3; i++) {
        reel_param *p = reel_params_at(ps, i), *q = reel_params_at(copy, i);
        ck_assert_str_eq(reel_param_name(p), reel_param_name(q));
        ck_assert(same_values(p, q));
        ck_assert_int_eq(reel_param_frozen(p), reel_param_frozen(q));
        ck_assert_int_eq(reel_param_loaded(p), reel_param_loaded(q));
        ck_assert_ptr_eq(reel_param_set(q), copy);
        ck_assert_uint_ne(reel__param_key(p), reel__param_key(q));
        ck_assert(!reel_param_take_fresh(q));
        ck_assert_ptr_eq(reel_params_find(copy, reel_param_name(p)), q);
    }
    uint64_t version = reel_param_version(reel_params_at(copy, 0));
    *(float *)reel_param_change(reel_params_at(ps, 0)) = -1;
    ck_assert_uint_eq(reel_param_version(reel_params_at(copy, 0)), version);
    ck_assert(!same_values(reel_params_at(ps, 0), reel_params_at(copy, 0)));
    reel_params_free(ps);

    /* Rules and waiting tensors came along. */
    ck_assert_str_eq(reel_params_unclaimed(copy, 0), "late");
    const float *late = reel_param_data(reel_params_get(copy, "late", reel_dims(5), zeros, 0));
    ck_assert(late[1] == 0.2f);
    ck_assert(reel_param_frozen(reel_params_get(copy, "embed.more", reel_dims(1), zeros, 0)));
    const float *bias = reel_param_data(reel_params_get(copy, "m.bias", reel_dims(1), zeros, 0));
    ck_assert(*bias == 2);
    reel_params_free(copy);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    for (uint64_t n = 1;; n++) {
        reel__memory_fail(n, _i == 1);
        reel_params *ps = make_set();
        reel_params *copy = ps ? reel_params_copy(ps) : NULL;
        bool failed = reel__memory_failed();
        reel__memory_fail(0, false);
        ck_assert_msg(failed == !copy, "allocation %d", (int)n);
        reel_params_free(ps);
        reel_params_free(copy);
        if (!failed) {
            ck_assert_uint_gt(n, 20);
            return;
        }
    }
}
END_TEST

START_TEST(a_failed_call_changes_nothing)
{
    for (uint64_t n = 1;; n++) {
        reel_params *ps = make_set();
        reel__memory_fail(n, false);
        reel_param *p = _i ? reel_params_get(ps, "late", reel_dims(5), zeros, 0)
                           : reel_params_get(ps, "more", reel_dims(70, 70), orthogonal, 0);
        bool failed = reel__memory_failed();
        reel__memory_fail(0, false);
        if (failed) {
            ck_assert_ptr_null(p);
            const char *text = _i ? "weight 'late': out of memory" : "weight 'more': out of memory";
            assert_message(ps, REEL_ERR_MEMORY, text);
            ck_assert_uint_eq(reel_params_count(ps), 3);
            ck_assert_str_eq(reel_params_unclaimed(ps, 0), "late");
            ck_assert_ptr_nonnull(reel_params_get(ps, "late", reel_dims(5), zeros, 0));
            ck_assert_ptr_nonnull(reel_params_get(ps, "more", reel_dims(2), zeros, 0));
        }
        reel_params_free(ps);
        if (!failed) {
            return;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *set = tcase_create("set");
    tcase_add_test(set, a_weight_is_made_once);
    tcase_add_test(set, many_names_are_found);
    tcase_add_test(set, keys_are_never_used_again);
    tcase_add_test(set, versions_count_changes);
    tcase_add_test(set, bad_requests_are_told);
    tcase_add_test(set, the_first_error_is_kept);
    tcase_add_test(set, null_is_no_crash);
    tcase_add_test(set, patterns_match_names);
    tcase_add_test(set, frozen_goes_by_pattern);
    tcase_add_test(set, a_copy_is_whole_and_apart);
    tcase_add_loop_test(set, every_allocation_may_fail, 0, 2);
    tcase_add_loop_test(set, a_failed_call_changes_nothing, 0, 2);
    suite_add_tcase(suite, set);
    TCase *starts = tcase_create("starts");
    tcase_add_test(starts, starts_have_their_distributions);
    tcase_add_test(starts, identity_is_by_block);
    tcase_add_loop_test(starts, orthogonal_is_orthogonal, 0,
                        (int)(sizeof orthogonals / sizeof *orthogonals));
    tcase_add_test(starts, orthogonal_is_uniform);
    tcase_add_test(starts, starts_do_not_depend_on_order);
    tcase_add_test(starts, f32_rounds_what_f64_has);
    tcase_add_test(starts, rows_start_as_blocks_do);
    tcase_add_test(starts, overrides_go_by_pattern);
    suite_add_tcase(suite, starts);
    TCase *loading = tcase_create("loading");
    tcase_add_test(loading, loaded_tensors_wait_for_their_name);
    tcase_add_test(loading, loaded_tensors_replace_values);
    suite_add_tcase(suite, loading);
    return suite_run(suite);
}
