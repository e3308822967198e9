/* The public recording calls on random bytes: a fixed sequence of them, no fuzzer needed.
 *
 *   check_record_fuzz                 the test
 *   check_record_fuzz FIRST [COUNT]   the bytes of these seeds
 */
#include "fuzz/record.h"
#include "suite.h"

enum { INPUTS = 3000, LONGEST = 1500 };

static int try_seed(uint64_t seed)
{
    unsigned char bytes[LONGEST];
    reel_random r = reel_random_new(seed, 3);
    size_t n = 1 + (size_t)reel_random_below(&r, LONGEST);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (unsigned char)reel_random_below(&r, 256);
    }
    return fuzz_record(bytes, n);
}

START_TEST(random_bytes)
{
    int right = 0;
    for (int i = 0; i < INPUTS / 10; i++) {
        right += try_seed((uint64_t)(INPUTS / 10 * _i + i));
    }
    ck_assert_int_gt(right, 30 * INPUTS / 10); /* it does not only make errors */
}
END_TEST

/* What the fuzzer has found, by the address or the undefined-behaviour sanitizer. */
START_TEST(found_before)
{
    static const struct {
        size_t n;
        unsigned char bytes[40];
    } found[] = {
        {6, {0xf8, 0xff, 0xff, 0x09, 0x52, 0x0a}}, /* evaluates before any recording was repeated */
        {9, {0xf9, 0x24, 0x26, 0x00, 0x32, 0x2b, 0x00, 0xfd, 0x16}}, /* a block of no nodes */
        {12,
         {0xf6, 0x8f, 0xff, 0xfd, 0x00, 0x6e, 0x01, 0x5d, 0x63, 0x6f, 0x6e,
          0x73}}, /* no elements */
        {34,
         {0x73, 0x68, 0x69, 0x94, 0x2a, 0x91, 0x91, 0x2b, 0x08, 0x01, 0xff, 0x00,
          0x34, 0x02, 0x25, 0x25, 0x72, 0x65, 0x63, 0x91, 0x91, 0x63, 0x75, 0x37,
          0x37, 0x6c, 0x37, 0x37, 0x37, 0x69, 0x6d, 0x70, 0x37, 0x37}}, /* one row, a huge step */
    };
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        fuzz_record(found[i].bytes, found[i].n);
    }
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1) {
        uint64_t first = strtoull(argv[1], NULL, 0), n = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
        int right = 0;
        for (uint64_t seed = first; seed < first + n; seed++) {
            right += try_seed(seed);
        }
        printf("%d statements without an error\n", right);
        return 0;
    }
    Suite *suite = suite_create("recording from bytes");
    TCase *bytes = tcase_create("random bytes");
    tcase_set_timeout(bytes, 600);
    tcase_add_loop_test(bytes, random_bytes, 0, 10);
    tcase_add_test(bytes, found_before);
    suite_add_tcase(suite, bytes);
    return suite_run(suite);
}
