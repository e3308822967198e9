/* Values of ops worked out by hand: what tests that only compare an op with itself cannot see. */
#include "suite.h"
#include "values.h"

/* Reductions */

START_TEST(sums)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT_SCALAR(reel_sum(x), 21);
    EXPECT(reel_sum_axis(x, 0, false), reel_dims(3), 5, 7, 9);
    EXPECT(reel_sum_axis(x, -1, true), reel_dims(2, 1), 6, 15);
    EXPECT_SCALAR(reel_mean(x), 3.5);
    EXPECT(reel_mean_axis(x, 1, false), reel_dims(2), 2, 5);
    EXPECT_SCALAR(reel_prod(x), 720);
    EXPECT(reel_prod_axis(x, 0, true), reel_dims(1, 3), 4, 10, 18);
    EXPECT(slope(reel_mean_axis(x, 1, false), x), reel_dims(2, 3), 1. / 3, 1. / 3, 1. / 3, 2. / 3,
           2. / 3, 2. / 3);
}
END_TEST

START_TEST(nothing_to_reduce)
{
    reel_node *x = reel_input(tape, REEL_F64, NULL, reel_dims(2, 0));
    EXPECT(reel_sum_axis(x, 1, false), reel_dims(2), 0, 0);
    EXPECT_SCALAR(reel_prod(x), 1);
    EXPECT(reel_logsumexp_axis(x, 1, true), reel_dims(2, 1), -INFINITY, -INFINITY);
    EXPECT_FAILURE(reel_mean(x), REEL_ERR_SHAPE, "no elements");
    x = reel_input(tape, REEL_F64, NULL, reel_dims(2, 0));
    EXPECT_FAILURE(reel_max_axis(x, -1, false), REEL_ERR_SHAPE, "no elements");
    x = REAL_LEAF(reel_dims(2, 1), 1, 2);
    EXPECT_FAILURE(reel_sum_axis(x, 2, false), REEL_ERR_SHAPE, "axis");
    x = REAL_LEAF(reel_dims(2, 1), 1, 2);
    EXPECT_FAILURE(reel_sum_axis(x, -3, false), REEL_ERR_SHAPE, "axis");
}
END_TEST

START_TEST(long_sums_keep_their_digits)
{
    enum { N = 1 << 20 };
    reel_tape *single = reel_tape_new(1);
    reel_node *x = reel_constant(single, 0.1, reel_dims(N, 1));
    double got[3];
    ck_assert_int_eq(reel_scalar(reel_sum(x), &got[0]), REEL_OK);
    ck_assert_int_eq(reel_scalar(reel_sum_axis(x, 0, false), &got[1]), REEL_OK);
    reel_node *last = reel_slice(reel_cumsum(x, 0), 0, -1, INT64_MAX);
    ck_assert_int_eq(reel_scalar(last, &got[2]), REEL_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(fabs(got[i] / (0.1 * N) - 1) < 1e-6, "sum %d is %.9g", i, got[i]);
    }
    reel_tape_free(single);
}
END_TEST

START_TEST(extremes)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 4), 3, 1, 3, 1, -2, -2, -5, -5);
    EXPECT_SCALAR(reel_max(x), 3);
    EXPECT_SCALAR(reel_min(x), -5);
    EXPECT_SCALAR(reel_argmax(x), 0);
    EXPECT_SCALAR(reel_argmin(x), 6);
    EXPECT(reel_argmax_axis(x, -1, false), reel_dims(2), 0, 0);
    EXPECT(reel_argmin_axis(x, 1, true), reel_dims(2, 1), 1, 2);
    EXPECT(reel_argmin_axis(x, 0, false), reel_dims(4), 1, 1, 1, 1);
    EXPECT(reel_max_axis(x, 0, false), reel_dims(4), 3, 1, 3, 1);
    EXPECT(slope(reel_max_axis(x, 1, true), x), reel_dims(2, 4), 1, 0, 0, 0, 2, 0, 0, 0);
    EXPECT(slope(reel_min(x), x), reel_dims(2, 4), 0, 0, 0, 0, 0, 0, 1, 0);
    ck_assert_int_eq(reel_node_dtype(reel_argmax(x)), REEL_I32);
}
END_TEST

START_TEST(extremes_of_nan)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1, NAN, NAN, INFINITY, -INFINITY, 2);
    EXPECT(reel_max_axis(x, 1, false), reel_dims(2), NAN, INFINITY);
    EXPECT(reel_min_axis(x, 1, false), reel_dims(2), NAN, -INFINITY);
    EXPECT(reel_argmax_axis(x, 1, false), reel_dims(2), 1, 0);
    EXPECT(reel_argmin_axis(x, 1, false), reel_dims(2), 1, 1);
}
END_TEST

START_TEST(logsumexp_of_infinities)
{
    reel_node *x =
        REAL_LEAF(reel_dims(4, 2), -INFINITY, -INFINITY, -INFINITY, 3, 1000, 1000, INFINITY, 0);
    reel_node *y = reel_logsumexp_axis(x, 1, false);
    EXPECT(y, reel_dims(4), -INFINITY, 3, 1000 + log(2), INFINITY);
    reel_node *finite = reel_slice(y, 0, 0, 3);
    EXPECT(reel_slice(slope(finite, x), 0, 0, 3), reel_dims(3, 2), 0, 0, 0, 2, 1.5, 1.5);
}
END_TEST

START_TEST(norms)
{
    reel_node *x = REAL_LEAF(reel_dims(3, 2), 3, 4, 0, 0, 1e200, 0);
    EXPECT(reel_norm_axis(x, 1, false), reel_dims(3), 5, 0, 1e200);
    EXPECT(slope(reel_norm_axis(x, 1, true), x), reel_dims(3, 2), 0.6, 0.8, 0, 0, 3, 0);
    reel_node *tiny = REAL_LEAF(reel_dims(2), 3e-200, 4e-200);
    EXPECT_SCALAR(reel_scale(reel_norm(tiny), 1e200), 5);
    EXPECT_SCALAR(reel_norm(REAL_LEAF(reel_dims(2), NAN, INFINITY)), NAN);
    EXPECT(reel_inverse_or_zero(REAL_LEAF(reel_dims(2), 4, 0)), reel_dims(2), 0.25, 0);
}
END_TEST

START_TEST(norm_of_zero_has_no_slope_of_any_order)
{
    reel_node *x = REAL_LEAF(reel_dims(2), 0, 0);
    reel_node *first = slope(reel_norm(x), x);
    EXPECT(first, reel_dims(2), 0, 0);
    EXPECT(slope(first, x), reel_dims(2), 0, 0);
}
END_TEST

START_TEST(variances)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1, 2, 6, 4, 4, 4);
    EXPECT(reel_variance_axis(x, 1, false, false), reel_dims(2), 14. / 3, 0);
    EXPECT(reel_variance_axis(x, -1, true, true), reel_dims(2, 1), 7, 0);
    EXPECT_SCALAR(reel_variance(x, true), 15.5 / 5);
    EXPECT_FAILURE(reel_variance_axis(REAL_LEAF(reel_dims(1), 1), 0, true, false), REEL_ERR_SHAPE,
                   "one element");
}
END_TEST

START_TEST(scans)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 0, 5);
    EXPECT(reel_cumsum(x, 1), reel_dims(2, 3), 1, 3, 6, 4, 4, 9);
    EXPECT(reel_cumsum(x, 0), reel_dims(2, 3), 1, 2, 3, 5, 2, 8);
    EXPECT(reel_cumsum_reverse(x, -1), reel_dims(2, 3), 6, 5, 3, 9, 5, 5);
    EXPECT(reel_cumprod(x, 1), reel_dims(2, 3), 1, 2, 6, 4, 0, 0);
    EXPECT(reel_cumprod_reverse(x, 1), reel_dims(2, 3), 6, 6, 3, 0, 0, 5);
    reel_node *b = REAL_LEAF(reel_dims(3), 1, 10, 100);
    EXPECT(reel_linear_scan(REAL_LEAF(reel_dims(3), 7, 2, 3), b, 0), reel_dims(3), 1, 12, 136);
    EXPECT(reel_linear_scan(reel_number(tape, 0.5), b, 0), reel_dims(3), 1, 10.5, 105.25);
}
END_TEST

START_TEST(products_of_zeros_have_slopes)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 2, 0, 3, 0, 0, 5);
    EXPECT(slope(reel_prod_axis(x, 1, false), x), reel_dims(2, 3), 0, 6, 0, 0, 0, 0);
    reel_node *z = REAL_LEAF(reel_dims(3), 2, 0, 3);
    EXPECT_SCALAR(reel_prod(z), 0);
    EXPECT(slope(reel_prod(z), z), reel_dims(3), 0, 6, 0);
    /* 1 x0 + 2 x0 x1 + 3 x0 x1 x2 */
    EXPECT(slope(reel_cumprod(z, 0), z), reel_dims(3), 1, 2 * 2 + 3 * 6, 0);
}
END_TEST

/* Movement */

START_TEST(slices)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 4), 0, 1, 2, 3, 10, 11, 12, 13);
    EXPECT(reel_slice(x, 1, 1, 3), reel_dims(2, 2), 1, 2, 11, 12);
    EXPECT(reel_slice(x, -1, -2, INT64_MAX), reel_dims(2, 2), 2, 3, 12, 13);
    EXPECT(reel_slice(x, 0, -1, 2), reel_dims(1, 4), 10, 11, 12, 13);
    EXPECT(reel_slice_step(x, 1, 0, 4, 3), reel_dims(2, 2), 0, 3, 10, 13);
    EXPECT(reel_slice_step(x, 1, 1, 4, 2), reel_dims(2, 2), 1, 3, 11, 13);
    EXPECT(reel_select(x, 0, 1), reel_dims(4), 10, 11, 12, 13);
    EXPECT(reel_select(x, 1, -1), reel_dims(2), 3, 13);
    ck_assert_int_eq((int)reel_node_size(reel_slice(x, 1, 2, 2)), 0);
    EXPECT(slope(reel_slice_step(x, 1, 1, 4, 2), x), reel_dims(2, 4), 0, 1, 0, 2, 0, 3, 0, 4);
    EXPECT(slope(reel_select(x, 1, 2), x), reel_dims(2, 4), 0, 0, 1, 0, 0, 0, 2, 0);
}
END_TEST

static reel_node *five(void)
{
    return REAL_LEAF(reel_dims(5), 0, 1, 2, 3, 4);
}

START_TEST(slices_out_of_range)
{
    EXPECT_FAILURE(reel_slice(five(), 0, 2, 6), REEL_ERR_SHAPE, "2:6");
    EXPECT_FAILURE(reel_slice(five(), 0, -6, 2), REEL_ERR_SHAPE, "-6:2");
    EXPECT_FAILURE(reel_slice(five(), 0, 3, 2), REEL_ERR_SHAPE, "3:2");
    EXPECT_FAILURE(reel_slice(five(), 1, 0, 2), REEL_ERR_SHAPE, "axis");
    EXPECT_FAILURE(reel_slice_step(five(), 0, 0, 5, 0), REEL_ERR_SHAPE, "step 0");
    EXPECT_FAILURE(reel_select(five(), 0, 5), REEL_ERR_SHAPE, "index 5");
    EXPECT_FAILURE(reel_select(five(), 0, -6), REEL_ERR_SHAPE, "index -6");
    EXPECT_FAILURE(reel_select(five(), 0, INT64_MAX), REEL_ERR_SHAPE, "index");
    EXPECT_FAILURE(reel_pad(five(), 0, -1, 0), REEL_ERR_ARGUMENT, "-1 rows");
    EXPECT_FAILURE(reel_pad(five(), 0, INT64_MAX, 1), REEL_ERR_ARGUMENT, "rows");
}
END_TEST

START_TEST(padding)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 2), 1, 2, 3, 4);
    EXPECT(reel_pad(x, 0, 1, 0), reel_dims(3, 2), 0, 0, 1, 2, 3, 4);
    EXPECT(reel_pad(x, -1, 0, 1), reel_dims(2, 3), 1, 2, 0, 3, 4, 0);
    EXPECT(reel_delay(five(), 0, 2), reel_dims(5), 0, 0, 0, 1, 2);
    EXPECT(reel_delay(five(), 0, -1), reel_dims(5), 1, 2, 3, 4, 0);
    EXPECT(reel_delay(five(), 0, 9), reel_dims(5), 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(joins)
{
    reel_node *x[3] = {REAL_LEAF(reel_dims(2, 1), 1, 2), REAL_LEAF(reel_dims(2, 2), 3, 4, 5, 6),
                       REAL_LEAF(reel_dims(2, 1), 7, 8)};
    reel_node *y = reel_concat(1, 3, x);
    EXPECT(y, reel_dims(2, 4), 1, 3, 4, 7, 2, 5, 6, 8);
    EXPECT(slope(y, x[1]), reel_dims(2, 2), 2, 3, 6, 7);
    EXPECT(slope(y, x[2]), reel_dims(2, 1), 4, 8);
    reel_node *z[2] = {x[0], x[2]};
    EXPECT(reel_concat(0, 2, z), reel_dims(4, 1), 1, 2, 7, 8);
    EXPECT(reel_stack(2, z), reel_dims(2, 2, 1), 1, 2, 7, 8);
    EXPECT(reel_stack_axis(-1, 2, z), reel_dims(2, 1, 2), 1, 7, 2, 8);
    EXPECT(slope(reel_stack_axis(-1, 2, z), x[2]), reel_dims(2, 1), 2, 4);
    EXPECT_FAILURE(reel_concat(0, 3, x), REEL_ERR_SHAPE, "argument 1");
}
END_TEST

START_TEST(joins_that_fail)
{
    reel_node *x[2] = {REAL_LEAF(reel_dims(2, 1), 1, 2), REAL_LEAF(reel_dims(2), 3, 4)};
    EXPECT_FAILURE(reel_stack(2, x), REEL_ERR_SHAPE, "argument 1");
    x[0] = REAL_LEAF(reel_dims(1, 1, 1, 1), 1);
    EXPECT_FAILURE(reel_stack(1, x), REEL_ERR_SHAPE, "rank 5");
    x[0] = REAL_LEAF(reel_dims(1), 1);
    EXPECT_FAILURE(reel_stack_axis(2, 1, x), REEL_ERR_SHAPE, "axis 2");
    ck_assert_ptr_nonnull(reel_stack(0, x));
    ck_assert_ptr_nonnull(reel_concat(0, 1, NULL));
}
END_TEST

START_TEST(parts)
{
    reel_node *part[3];
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    reel_split(x, -1, 3, part);
    EXPECT(part[0], reel_dims(2, 1), 1, 4);
    EXPECT(part[2], reel_dims(2, 1), 3, 6);
    reel_unstack(x, 2, part);
    EXPECT(part[1], reel_dims(3), 4, 5, 6);
    reel_split(x, 1, 2, part);
    EXPECT_FAILURE(part[1], REEL_ERR_SHAPE, "2 parts of 3 rows");
    reel_unstack(REAL_LEAF(reel_dims(2), 1, 2), 3, part);
    EXPECT_FAILURE(part[2], REEL_ERR_SHAPE, "3 parts of 2 rows");
    x = REAL_LEAF(reel_dims(2), 1, 2);
    reel_split(x, 0, 2, NULL);
    EXPECT_FAILURE(x, REEL_ERR_SHAPE, "a place for them");
    x = REAL_LEAF(reel_dims(2), 1, 2);
    EXPECT_FAILURE(reel_permute(x, 1, NULL), REEL_ERR_ARGUMENT, "no axes");
}
END_TEST

START_TEST(shapes)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(reel_reshape(x, reel_dims(3, -1)), reel_dims(3, 2), 1, 2, 3, 4, 5, 6);
    EXPECT(reel_expand_dims(x, 0), reel_dims(1, 2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(reel_expand_dims(x, -1), reel_dims(2, 3, 1), 1, 2, 3, 4, 5, 6);
    EXPECT(reel_squeeze(reel_expand_dims(x, 1), -2), reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(reel_permute(x, 2, (const int[]){1, 0}), reel_dims(3, 2), 1, 4, 2, 5, 3, 6);
    EXPECT(reel_flip(x, 0), reel_dims(2, 3), 4, 5, 6, 1, 2, 3);
    EXPECT(reel_flip(x, -1), reel_dims(2, 3), 3, 2, 1, 6, 5, 4);
    EXPECT(reel_repeat(x, 0, 2), reel_dims(4, 3), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
    EXPECT(reel_tile(x, 0, 2), reel_dims(4, 3), 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6);
    EXPECT(reel_repeat(five(), 0, 2), reel_dims(10), 0, 0, 1, 1, 2, 2, 3, 3, 4, 4);
    EXPECT(slope(reel_repeat(x, 1, 2), x), reel_dims(2, 3), 3, 7, 11, 15, 19, 23);
    EXPECT(slope(reel_tile(x, 1, 2), x), reel_dims(2, 3), 5, 7, 9, 17, 19, 21);
}
END_TEST

START_TEST(permutations)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 1, 3, 2), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    EXPECT(reel_permute(x, 4, (const int[]){2, 0, 3, 1}), reel_dims(3, 2, 2, 1), 1, 2, 7, 8, 3, 4,
           9, 10, 5, 6, 11, 12);
    EXPECT(reel_permute(x, 4, (const int[]){-1, 1, 2, 0}), reel_dims(2, 1, 3, 2), 1, 7, 3, 9, 5, 11,
           2, 8, 4, 10, 6, 12);
    EXPECT_FAILURE(reel_permute(five(), 2, (const int[]){0, 1}), REEL_ERR_SHAPE, "2 axes");
    x = REAL_LEAF(reel_dims(2, 1), 1, 2);
    EXPECT_FAILURE(reel_permute(x, 2, (const int[]){1, 1}), REEL_ERR_SHAPE, "axis 1 at place 1");
}
END_TEST

START_TEST(shapes_that_fail)
{
    EXPECT_FAILURE(reel_reshape(five(), reel_dims(2, 3)), REEL_ERR_SHAPE, "5 elements");
    EXPECT_FAILURE(reel_reshape(five(), reel_dims(-1, 2)), REEL_ERR_SHAPE, "size -1 of axis 0");
    EXPECT_FAILURE(reel_reshape(five(), reel_dims(-1, -1)), REEL_ERR_SHAPE, "size -1");
    EXPECT_FAILURE(reel_reshape(five(), reel_dims(INT64_MAX, 4)), REEL_ERR_SHAPE, "5 elements");
    EXPECT_FAILURE(reel_reshape(five(), reel_dims(1, 1, 1, 1, 5)), REEL_ERR_SHAPE, "rank 5");
    EXPECT_FAILURE(reel_squeeze(five(), 0), REEL_ERR_SHAPE, "expected 1");
    EXPECT_FAILURE(reel_expand_dims(five(), 2), REEL_ERR_SHAPE, "axis 2");
    EXPECT_FAILURE(reel_flip(five(), 1), REEL_ERR_SHAPE, "axis");
    EXPECT_FAILURE(reel_tile(five(), 0, -1), REEL_ERR_ARGUMENT, "-1 times");
    EXPECT_FAILURE(reel_repeat(five(), 0, INT64_MAX), REEL_ERR_SHAPE, "too large");
}
END_TEST

/* Indexing */

START_TEST(gathers)
{
    reel_node *table = REAL_LEAF(reel_dims(3, 2), 1, 2, 3, 4, 5, 6);
    reel_node *index = INDEX_LEAF(reel_dims(2, 2), 2, 0, 2, 2);
    reel_node *y = reel_gather(table, index);
    EXPECT(y, reel_dims(2, 2, 2), 5, 6, 1, 2, 5, 6, 5, 6);
    EXPECT(slope(y, table), reel_dims(3, 2), 3, 4, 0, 0, 1 + 5 + 7, 2 + 6 + 8);
    EXPECT(reel_gather_skip(table, index, 2), reel_dims(2, 2, 2), 0, 0, 1, 2, 0, 0, 0, 0);
    EXPECT(reel_gather(table, INDEX_LEAF(reel_scalar_shape(), 1)), reel_dims(2), 3, 4);
}
END_TEST

START_TEST(scatters)
{
    reel_node *x = REAL_LEAF(reel_dims(4, 2), 1, 2, 3, 4, 5, 6, 7, 8);
    reel_node *index = INDEX_LEAF(reel_dims(4), 1, 3, 1, 1);
    reel_node *y = reel_scatter_add(x, index, 4);
    EXPECT(y, reel_dims(4, 2), 0, 0, 13, 16, 0, 0, 3, 4);
    EXPECT(slope(y, x), reel_dims(4, 2), 3, 4, 7, 8, 3, 4, 3, 4);
    EXPECT(reel_scatter_add_skip(x, index, 4, 1), reel_dims(4, 2), 0, 0, 0, 0, 0, 0, 3, 4);
    reel_node *counts = reel_constant(tape, 1, reel_dims(4));
    EXPECT(reel_scatter_add(counts, index, 5), reel_dims(5), 0, 3, 0, 1, 0);
}
END_TEST

START_TEST(picks)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    reel_node *index = INDEX_LEAF(reel_dims(2), 2, 0);
    EXPECT(reel_pick(x, index), reel_dims(2), 3, 4);
    EXPECT(slope(reel_pick(x, index), x), reel_dims(2, 3), 0, 0, 1, 2, 0, 0);
    EXPECT(reel_pick_skip(x, index, 2), reel_dims(2), 0, 4);
    reel_node *across = INDEX_LEAF(reel_dims(3), 1, 0, 1);
    EXPECT(reel_pick_axis(x, across, 0), reel_dims(3), 4, 2, 6);
    EXPECT(slope(reel_pick_axis(x, across, -2), x), reel_dims(2, 3), 0, 2, 0, 1, 0, 3);
    EXPECT(reel_one_hot(index, 3), reel_dims(2, 3), 0, 0, 1, 1, 0, 0);
}
END_TEST

START_TEST(indices_out_of_range)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT_FAILURE(reel_gather(x, INDEX_LEAF(reel_dims(3), 0, 1, 2)), REEL_ERR_VALUE,
                   "index 2 at position 2: expected 0 to 1");
    x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT_FAILURE(reel_pick(x, INDEX_LEAF(reel_dims(2), 0, -1)), REEL_ERR_VALUE,
                   "index -1 at position 1: expected 0 to 2");
    EXPECT_FAILURE(reel_one_hot(INDEX_LEAF(reel_dims(1), 3), 3), REEL_ERR_VALUE, "index 3");
    x = REAL_LEAF(reel_dims(1), 1);
    EXPECT_FAILURE(reel_scatter_add(x, INDEX_LEAF(reel_dims(1), 7), 7), REEL_ERR_VALUE, "index 7");
    x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT_FAILURE(reel_pick(x, INDEX_LEAF(reel_dims(3), 0, 1, 1)), REEL_ERR_SHAPE,
                   "without axis 1");
    x = REAL_LEAF(reel_dims(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT_FAILURE(reel_scatter_add(x, INDEX_LEAF(reel_dims(3), 0, 1, 1), 4), REEL_ERR_SHAPE,
                   "first sizes");
    x = reel_constant(tape, 0, reel_dims(1, 1, 1, 1));
    EXPECT_FAILURE(reel_gather(x, INDEX_LEAF(reel_dims(1, 1), 0)), REEL_ERR_SHAPE, "rank 5");
}
END_TEST

/* Softmax and normalisation */

START_TEST(softmaxes)
{
    double e = exp(1);
    reel_node *x = REAL_LEAF(reel_dims(2, 2), 1000, 1001, -INFINITY, 0);
    EXPECT(reel_softmax(x, 1), reel_dims(2, 2), 1 / (1 + e), e / (1 + e), 0, 1);
    EXPECT(reel_log_softmax(x, 1), reel_dims(2, 2), -log(1 + e), 1 - log(1 + e), -INFINITY, 0);
    EXPECT(reel_softmax(REAL_LEAF(reel_dims(2, 2), 0, 5, log(3), 5), 0), reel_dims(2, 2), 0.25, 0.5,
           0.75, 0.5);
    reel_node *none = REAL_LEAF(reel_dims(2), -INFINITY, -INFINITY);
    EXPECT(reel_softmax(none, 0), reel_dims(2), 0, 0);
    EXPECT(slope(reel_softmax(none, 0), none), reel_dims(2), 0, 0);
    EXPECT(reel_log_softmax(none, 0), reel_dims(2), -INFINITY, -INFINITY);
    EXPECT(reel_softmax(REAL_LEAF(reel_dims(2), NAN, 1), 0), reel_dims(2), NAN, NAN);
}
END_TEST

START_TEST(masks_of_softmax)
{
    reel_node *x = REAL_LEAF(reel_dims(3, 2), 0, log(3), 5, NAN, 7, 8);
    reel_node *mask = REAL_LEAF(reel_dims(3, 2), 1, 1, 1, 0, 0, 0);
    reel_node *y = reel_masked_softmax(x, mask, 1);
    EXPECT(y, reel_dims(3, 2), 0.25, 0.75, 1, 0, 0, 0);
    EXPECT(slope(y, x), reel_dims(3, 2), -0.1875, 0.1875, 0, 0, 0, 0);
    reel_node *first = REAL_LEAF(reel_dims(2), 1, 0);
    EXPECT(reel_masked_softmax(x, first, -1), reel_dims(3, 2), 1, 0, 1, 0, 1, 0);
    EXPECT_FAILURE(reel_masked_softmax(five(), REAL_LEAF(reel_dims(2), 1, 0), 0), REEL_ERR_SHAPE,
                   "[2]");
}
END_TEST

START_TEST(layer_norms)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 2), 1, 3, 5, 5);
    EXPECT(reel_layer_norm(x, NULL, NULL, 3), reel_dims(2, 2), -0.5, 0.5, 0, 0);
    reel_node *gain = REAL_LEAF(reel_dims(2), 2, 4);
    reel_node *bias = REAL_LEAF(reel_dims(2), 10, 20);
    EXPECT(reel_layer_norm(x, gain, NULL, 3), reel_dims(2, 2), -1, 2, 0, 0);
    EXPECT(reel_layer_norm(x, gain, bias, 3), reel_dims(2, 2), 9, 22, 10, 20);
    EXPECT_FAILURE(reel_layer_norm(x, NULL, NULL, -1), REEL_ERR_SHAPE, "epsilon -1");
    EXPECT_FAILURE(reel_layer_norm(reel_number(tape, 1), NULL, NULL, 1), REEL_ERR_SHAPE, "axis");
}
END_TEST

/* Errors passed on */

START_TEST(null_is_an_error_everywhere)
{
    reel_node *part[2];
    ck_assert_ptr_nonnull(reel_sum(NULL));
    ck_assert_ptr_nonnull(reel_slice(NULL, 0, 1, 2));
    ck_assert_ptr_nonnull(reel_reshape(NULL, reel_dims(-1)));
    ck_assert_ptr_nonnull(reel_variance(NULL, true));
    ck_assert_ptr_nonnull(reel_repeat(NULL, 0, 2));
    ck_assert_ptr_nonnull(reel_dropout(NULL, 0));
    ck_assert_ptr_nonnull(reel_bernoulli(NULL, reel_dims(2), 0.5));
    ck_assert_ptr_nonnull(reel_cross_entropy(NULL, NULL));
    ck_assert_ptr_nonnull(reel_layer_norm(NULL, NULL, NULL, 1));
    ck_assert_ptr_nonnull(reel_linear_scan(NULL, NULL, 0));
    reel_split(NULL, 0, 2, part);
    ck_assert_ptr_nonnull(part[1]);
    reel_unstack(NULL, 2, part);
    ck_assert_ptr_nonnull(part[1]);
    reel_node *bad = reel_sum_axis(five(), 3, false);
    EXPECT_FAILURE(reel_cross_entropy_full(reel_stack(1, &bad), bad, bad, 3, 0.1, REEL_MEAN),
                   REEL_ERR_SHAPE, "sum");
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, open_tape, close_tape);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("values of ops");
    TCase *reductions = add_case(suite, "reductions");
    tcase_add_test(reductions, sums);
    tcase_add_test(reductions, nothing_to_reduce);
    tcase_add_test(reductions, long_sums_keep_their_digits);
    tcase_add_test(reductions, extremes);
    tcase_add_test(reductions, extremes_of_nan);
    tcase_add_test(reductions, logsumexp_of_infinities);
    tcase_add_test(reductions, norms);
    tcase_add_test(reductions, norm_of_zero_has_no_slope_of_any_order);
    tcase_add_test(reductions, variances);
    tcase_add_test(reductions, scans);
    tcase_add_test(reductions, products_of_zeros_have_slopes);
    TCase *movement = add_case(suite, "movement");
    tcase_add_test(movement, slices);
    tcase_add_test(movement, slices_out_of_range);
    tcase_add_test(movement, padding);
    tcase_add_test(movement, joins);
    tcase_add_test(movement, joins_that_fail);
    tcase_add_test(movement, parts);
    tcase_add_test(movement, shapes);
    tcase_add_test(movement, permutations);
    tcase_add_test(movement, shapes_that_fail);
    TCase *indexing = add_case(suite, "indexing");
    tcase_add_test(indexing, gathers);
    tcase_add_test(indexing, scatters);
    tcase_add_test(indexing, picks);
    tcase_add_test(indexing, indices_out_of_range);
    TCase *softmax = add_case(suite, "softmax");
    tcase_add_test(softmax, softmaxes);
    tcase_add_test(softmax, masks_of_softmax);
    tcase_add_test(softmax, layer_norms);
    tcase_add_test(softmax, null_is_an_error_everywhere);
    return suite_run(suite);
}
