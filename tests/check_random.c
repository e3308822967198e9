/* Random numbers: known answers, independence of order, and distributions. Seeds are fixed, so a
 * bound that holds once holds always. */
#include <math.h>
#include <reel/random.h>

#include "suite.h"

typedef struct known {
    uint64_t key, high, low;
    uint32_t out[4];
} known;

/* Known answers of philox4x32 with 10 rounds, as Random123 publishes them (kat_vectors). */
static const known answers[] = {
    {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {UINT64_C(0x299f31d0a4093822),
     UINT64_C(0x0370734413198a2e),
     UINT64_C(0x85a308d3243f6a88),
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(known_answers)
{
    const known *k = &answers[_i];
    uint32_t out[4];
    reel_random_block(k->key, 0, k->high, k->low, out);
    ck_assert_mem_eq(out, k->out, sizeof out);
}
END_TEST

START_TEST(streams_and_seeds_differ)
{
    uint64_t seen[64];
    for (uint64_t i = 0; i < 64; i++) {
        reel_random r = reel_random_new(7 + i / 8, i % 8);
        seen[i] = reel_random_bits(&r);
        for (uint64_t j = 0; j < i; j++) {
            ck_assert_uint_ne(seen[i], seen[j]);
        }
    }
}
END_TEST

START_TEST(a_number_depends_on_its_position_alone)
{
    reel_random r = reel_random_new(3, 5);
    uint64_t first[9];
    for (int i = 0; i < 9; i++) {
        first[i] = reel_random_bits(&r);
    }
    ck_assert_uint_eq(r.position, 9);
    for (uint64_t i = 9; i > 0; i--) {
        reel_random again = {.seed = 3, .stream = 5, .position = i - 1};
        ck_assert_uint_eq(reel_random_bits(&again), first[i - 1]);
    }
    uint32_t word[4];
    reel_random_block(3, 5, 0, 2, word);
    ck_assert_uint_eq(first[4], (uint64_t)word[1] << 32 | word[0]);
    ck_assert_uint_eq(first[5], (uint64_t)word[3] << 32 | word[2]);
}
END_TEST

enum { DRAWS = 200000 };

/* Σ (observed - expected)²/expected over equally likely bins. */
static double chi_square(const int *count, int bins, int total)
{
    double expected = (double)total / bins, sum = 0;
    for (int i = 0; i < bins; i++) {
        sum += (count[i] - expected) * (count[i] - expected) / expected;
    }
    return sum;
}

START_TEST(uniform_is_uniform)
{
    reel_random r = reel_random_new(11, 0);
    int count[64] = {0}, outside = 0;
    for (int i = 0; i < DRAWS; i++) {
        double u = reel_random_uniform(&r);
        outside += !(u >= 0 && u < 1);
        count[(int)(u * 64) % 64]++;
    }
    ck_assert_int_eq(outside, 0);
    ck_assert_double_lt(chi_square(count, 64, DRAWS), 103.4); /* 99.9 % point, 63 degrees */
}
END_TEST

START_TEST(normal_is_normal)
{
    reel_random r = reel_random_new(12, 0);
    double moment[5] = {0};
    int beyond = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = reel_random_normal(&r);
        double power = 1;
        for (int k = 1; k < 5; k++) {
            power *= x;
            moment[k] += power / DRAWS;
        }
        beyond += fabs(x) > 2;
    }
    ck_assert_double_eq_tol(moment[1], 0, 0.008);
    ck_assert_double_eq_tol(moment[2], 1, 0.011);
    ck_assert_double_eq_tol(moment[3], 0, 0.03);
    ck_assert_double_eq_tol(moment[4], 3, 0.08);
    ck_assert_double_eq_tol((double)beyond / DRAWS, 0.0455, 0.0016);
}
END_TEST

START_TEST(below_is_without_bias)
{
    reel_random r = reel_random_new(13, 0);
    int count[6] = {0};
    for (int i = 0; i < DRAWS; i++) {
        count[reel_random_below(&r, 6)]++;
    }
    ck_assert_double_lt(chi_square(count, 6, DRAWS), 20.5);
    /* Taking bits modulo three quarters of their range would make its first third twice as likely.
     */
    uint64_t n = UINT64_C(3) << 62;
    int first = 0, outside = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t x = reel_random_below(&r, n);
        outside += x >= n;
        first += x < n / 3;
    }
    ck_assert_int_eq(outside, 0);
    ck_assert_double_eq_tol((double)first / DRAWS, 1 / 3.0, 0.004);
    ck_assert_uint_eq(reel_random_below(&r, 1), 0);
    ck_assert_uint_eq(reel_random_below(&r, 0), 0);
}
END_TEST

START_TEST(choice_follows_the_weights)
{
    reel_random r = reel_random_new(14, 0);
    const double weight[5] = {0, 3, 0, 1, 0};
    int count[5] = {0};
    for (int i = 0; i < DRAWS; i++) {
        count[reel_random_choice(&r, weight, 5)]++;
    }
    ck_assert_int_eq(count[0] + count[2] + count[4], 0);
    ck_assert_double_eq_tol((double)count[1] / DRAWS, 0.75, 0.004);
    const double zero[3] = {0};
    ck_assert_uint_eq(reel_random_choice(&r, zero, 3), 2);
    ck_assert_uint_eq(reel_random_choice(&r, zero, 1), 0);
}
END_TEST

START_TEST(shuffle_is_a_fair_permutation)
{
    reel_random r = reel_random_new(15, 0);
    int count[6] = {0}, wrong = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint32_t p[3] = {9, 9, 9};
        reel_random_shuffle(&r, p, 3);
        wrong += ((1u << p[0]) | (1u << p[1]) | (1u << p[2])) != 7;
        count[2 * (p[0] % 3) + (p[1] > p[2])]++;
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_double_lt(chi_square(count, 6, DRAWS), 20.5);
    uint32_t one = 4;
    reel_random_shuffle(&r, &one, 0);
    ck_assert_uint_eq(one, 4);
    reel_random_shuffle(&r, &one, 1);
    ck_assert_uint_eq(one, 0);
}
END_TEST

/* From the page of FNV's authors. */
START_TEST(stream_is_fnv_1a)
{
    ck_assert_uint_eq(reel_random_stream(""), UINT64_C(0xcbf29ce484222325));
    ck_assert_uint_eq(reel_random_stream("a"), UINT64_C(0xaf63dc4c8601ec8c));
    ck_assert_uint_eq(reel_random_stream("foobar"), UINT64_C(0x85944171f73967e8));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random");
    TCase *exact = tcase_create("exact");
    tcase_add_loop_test(exact, known_answers, 0, (int)(sizeof answers / sizeof *answers));
    tcase_add_test(exact, streams_and_seeds_differ);
    tcase_add_test(exact, a_number_depends_on_its_position_alone);
    tcase_add_test(exact, stream_is_fnv_1a);
    suite_add_tcase(suite, exact);
    TCase *spread = tcase_create("spread");
    tcase_add_test(spread, uniform_is_uniform);
    tcase_add_test(spread, normal_is_normal);
    tcase_add_test(spread, below_is_without_bias);
    tcase_add_test(spread, choice_follows_the_weights);
    tcase_add_test(spread, shuffle_is_a_fair_permutation);
    suite_add_tcase(suite, spread);
    return suite_run(suite);
}
