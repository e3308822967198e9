/* Faults planted in the compiled executor, one at a time: the comparison of random programs must
 * find each of them, soon. */
#include <stdio.h>

#include "agreement.h"
#include "compiled_hooks.h"
#include "suite.h"

enum { MOST_PROGRAMS = 400, TEXT = 4096 };

static bool differs(uint64_t seed, reel_dtype dtype, char *text, size_t n)
{
    random_graph g = {.seed = seed};
    lane l = {.dtype = dtype, .compiled = true, .passes = ALL_PASSES, .threads = 1};
    tally t = {0};
    oracle o;
    oracle_make(&o, &g, dtype, NULL);
    bool found = !oracle_agrees(&o, &l, &t, text, n);
    oracle_free(&o);
    return found;
}

START_TEST(fault_is_found)
{
    char text[TEXT] = "";
    uint64_t seed = 0;
    reel__plant(_i);
    bool found = false;
    while (!found && seed < MOST_PROGRAMS) {
        seed++;
        found = differs(seed, REEL_F64, text, sizeof text) ||
                differs(seed, REEL_F32, text, sizeof text);
    }
    reel__plant(0);
    const char *name = reel__plant_name ? reel__plant_name(_i) : "";
    printf("fault %d (%s): %s after %d programs\n", _i, name, found ? "found" : "NOT found",
           (int)seed);
    fflush(stdout);
    ck_assert_msg(found, "fault %d (%s) was not found by %d programs", _i, name, MOST_PROGRAMS);
    ck_assert_msg(!differs(seed, REEL_F64, text, sizeof text), "mended, and still: %s", text);
}
END_TEST

static int faults(void)
{
    int n = 0;
    while (reel__plant_name && reel__plant_name(n + 1)) {
        n++;
    }
    return n ? n : 10;
}

int main(void)
{
    if (!reel__plant) {
        puts("skipped: the executor in this build has no faults to plant");
        return 77;
    }
    Suite *suite = suite_create("planted faults");
    TCase *each = tcase_create("each fault");
    tcase_set_timeout(each, 900);
    tcase_add_loop_test(each, fault_is_found, 1, faults() + 1);
    suite_add_tcase(suite, each);
    return suite_run(suite);
}
