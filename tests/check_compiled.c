/* Random programs on the compiled executor and on the reference executor: see agreement.h for what
 * must agree how closely. Without arguments it tests REEL_RANDOM_GRAPHS programs (default 200).
 *
 * check_compiled run N [FIRST]: N programs from seed FIRST on, with every pass alone too, and what
 * they covered.
 *
 * check_compiled replay SEED [WITHOUT0 WITHOUT1 ROUNDS] [f32|f64] [passes=MASK] [plan]: tells what
 * one program records, and the plan that ran last if asked to, and compares it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agreement.h"
#include "compiled_hooks.h"
#include "plan.h"
#include "random_catalogue.h"
#include "suite.h"

enum {
    TEXT = 4096,
    DEFAULT_GRAPHS = 200,
    SLOW_GRAPHS = 8,
    OFTEN = 100,
    MOST_OPS = 512,
    MOST_PASSES = 32
};
enum { MOST_FAILURES = 10 /* after which a long run stops */ };

typedef struct campaign {
    bool thorough; /* every pass alone for every program, in f32 or f64, not one of them in turn */
    tally tally;
    uint64_t count[MOST_OPS], pass[MOST_PASSES]; /* how often each was at work */
    char text[TEXT];
    lane lane; /* tried last */
    uint64_t seed;
    bool ok;
} campaign;

static bool compare(campaign *c, oracle *o, const lane *l)
{
    c->lane = *l;
    return oracle_agrees(o, l, &c->tally, c->text, sizeof c->text);
}

/* Some passes, others for every program. */
static unsigned some_passes(uint64_t seed)
{
    reel_random r = reel_random_new(seed, 5);
    return (unsigned)reel_random_bits(&r);
}

/* All passes, no pass, each alone, and some of them together. */
static bool compare_passes(campaign *c, oracle *o)
{
    lane l = {.dtype = o->dtype, .compiled = true, .passes = ALL_PASSES};
    l.threads = o->g.seed % 100 == 99 ? 2 : 1; /* idle threads wait busily */
    int passes = compiled_passes();
    bool ok = compare(c, o, &l);
    for (int i = 0; ok && i <= passes; i++) {
        l.passes = i < passes ? 1U << i : 0;
        bool both = i == passes || (o->dtype == REEL_F32) == ((o->g.seed + (uint64_t)i) % 2 == 0);
        if ((c->thorough && both) || o->g.seed % (uint64_t)(passes + 1) == (uint64_t)i) {
            ok = compare(c, o, &l);
        }
    }
    l.passes = some_passes(o->g.seed);
    return ok && compare(c, o, &l);
}

static bool one_program(campaign *c, uint64_t seed)
{
    random_graph g = {.seed = seed};
    static const reel_dtype dtype[] = {REEL_F64, REEL_F32};
    bool ok = true;
    for (int i = 0; i < 2 && ok; i++) {
        oracle o;
        oracle_make(&o, &g, dtype[i], c->count);
        ok = compare_passes(c, &o);
        if (o.reference.status) {
            fprintf(stderr, "program %llu ends early: %s\n", (unsigned long long)seed,
                    o.reference.message);
        }
        oracle_free(&o);
    }
    return ok;
}

static void shrink(campaign *c, uint64_t seed)
{
    random_graph g = {.seed = seed};
    make_smaller(&g, &c->lane, c->text, sizeof c->text);
}

static void print_tally(const tally *t)
{
    printf("%llu runs, %llu nodes, %llu elements compared: %llu of them bit for bit, %llu left out "
           "at kinks or where ill-conditioned; %llu ended early; at most %.3g of a bound used\n",
           (unsigned long long)t->programs, (unsigned long long)t->nodes,
           (unsigned long long)t->elements, (unsigned long long)t->exact,
           (unsigned long long)t->left_out, (unsigned long long)t->failed_programs, t->closest);
}

/* How often every op and every pass was at work. Returns how many were too seldom. */
static int print_coverage(const campaign *c)
{
    int rare = 0;
    for (int i = 0; i < catalogue_get()->n; i++) {
        printf("%-20s %10llu%s", catalogue_get()->op[i].op->name, (unsigned long long)c->count[i],
               i % 3 == 2 ? "\n" : "   ");
        rare += c->count[i] < OFTEN;
    }
    putchar('\n');
    if (!reel__pass_count) {
        puts("the executor does not tell how often its passes were at work");
        return rare;
    }
    for (int i = 0; i < compiled_passes() && i < MOST_PASSES; i++) {
        printf("pass %-20s %10llu\n", reel__pass_name(i), (unsigned long long)c->pass[i]);
        rare += c->pass[i] < OFTEN;
    }
    return rare;
}

/* One program in a process of its own: a crash ends no long run. */
static void run_one(void *context)
{
    campaign *c = context;
    c->ok = one_program(c, c->seed);
    for (int i = 0; i < compiled_passes() && i < MOST_PASSES && reel__pass_count; i++) {
        c->pass[i] += reel__pass_count(i);
    }
}

static bool survives(campaign *c)
{
    snprintf(c->text, sizeof c->text, "program %llu", (unsigned long long)c->seed);
    if (in_child(run_one, c, c->text, sizeof c->text) && c->ok) {
        return true;
    }
    printf("%s\n", c->text);
    shrink(c, c->seed);
    printf("smaller: %s\n", c->text);
    fflush(stdout);
    return false;
}

static int run(int argc, char **argv)
{
    campaign *c = shared_memory(sizeof *c);
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : DEFAULT_GRAPHS;
    uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    int failures = 0;
    c->thorough = true;
    catalogue_get();
    for (c->seed = first; c->seed < first + n && failures < MOST_FAILURES; c->seed++) {
        failures += !survives(c);
        if ((c->seed - first + 1) % 1000 == 0) {
            printf("%llu programs\n", (unsigned long long)(c->seed - first + 1));
            fflush(stdout);
        }
    }
    int rare = print_coverage(c);
    print_tally(&c->tally);
    if (failures) {
        fprintf(stderr,
                "%d programs failed: check_compiled replay and the four numbers behind "
                "'program' tell what they do\n",
                failures);
    }
    if (rare && n >= 5000) {
        fprintf(stderr, "%d ops or passes were at work less than %d times\n", rare, OFTEN);
    }
    return failures || (rare && n >= 5000);
}

static int replay(int argc, char **argv)
{
    random_graph g = {.seed = 1};
    lane l = {.dtype = REEL_F64, .compiled = true, .passes = ALL_PASSES, .threads = 1};
    uint64_t number[4] = {1};
    lane telling = {.dtype = REEL_F64};
    for (int i = 2, n = 0; i < argc; i++) {
        if (strcmp(argv[i], "f32") == 0) {
            l.dtype = REEL_F32;
        } else if (strncmp(argv[i], "passes=", 7) == 0) {
            l.passes = (unsigned)strtoul(argv[i] + 7, NULL, 0);
        } else if (strcmp(argv[i], "plan") == 0) {
            telling = l;
        } else if (strcmp(argv[i], "f64") != 0 && n < 4) {
            number[n++] = strtoull(argv[i], NULL, 0);
        }
    }
    g.seed = number[0];
    g.without[0] = (uint32_t)number[1];
    g.without[1] = (uint32_t)number[2];
    g.without_rounds = (uint32_t)number[3];
    random_trace told = {.dump = stdout};
    telling.dtype = l.dtype;
    telling.passes = l.passes;
    run_lane(&g, &telling, NULL, &told);
    printf("status %d: %s\n", (int)told.status, told.message);
    random_trace_free(&told);
    char text[TEXT];
    tally t = {0};
    oracle o;
    oracle_make(&o, &g, l.dtype, NULL);
    bool ok = oracle_agrees(&o, &l, &t, text, sizeof text);
    printf("%s\n", ok ? "agrees" : text);
    print_tally(&t);
    oracle_free(&o);
    return !ok;
}

/* Tests */

static uint64_t wished(void)
{
    const char *n = getenv("REEL_RANDOM_GRAPHS");
    return n && *n ? strtoull(n, NULL, 0) : getenv("REEL_TEST_SLOW") ? SLOW_GRAPHS : DEFAULT_GRAPHS;
}

START_TEST(executors_agree)
{
    campaign *c = calloc(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    for (uint64_t seed = 1; seed <= wished(); seed++) {
        if (!one_program(c, seed)) {
            fprintf(stderr, "%s\nmaking it smaller...\n", c->text);
            shrink(c, seed);
            ck_abort_msg("%s", c->text);
        }
    }
    print_tally(&c->tally);
    ck_assert_uint_le(c->tally.left_out * 50, c->tally.elements);
    ck_assert_uint_le(c->tally.failed_programs * 50, c->tally.programs);
    ck_assert_uint_ge(c->tally.exact * 20, c->tally.elements);
    free(c);
}
END_TEST

/* Rounding otherwise, as another executor may: every noisy op off by about two units in the last
 * place of its magnitude. No program may fail for that. */
START_TEST(rounding_is_within_bounds)
{
    reel_dtype dtype = _i ? REEL_F32 : REEL_F64;
    lane l = {.dtype = dtype, .epsilon = _i ? 0x1p-23 : 0x1p-52, .noise = 99};
    char text[TEXT];
    tally t = {0};
    for (uint64_t seed = 1; seed <= wished() / 4; seed++) {
        random_graph g = {.seed = seed};
        oracle o;
        oracle_make(&o, &g, dtype, NULL);
        bool agree = oracle_agrees(&o, &l, &t, text, sizeof text);
        oracle_free(&o);
        ck_assert_msg(agree, "%s", text);
    }
    print_tally(&t);
    ck_assert_uint_le(t.left_out * 50, t.elements);
}
END_TEST

/* The noisy executor without noise is the reference executor, and with a tiny fault in one op it
 * is not: the comparison has teeth. */
START_TEST(faults_are_found)
{
    static const char *const broken[] = {NULL,    "matmul", "sum_of", "tanh",
                                         "slice", "sum",    "softmax"};
    const bool slow = getenv("REEL_TEST_SLOW") != NULL;
    bool found = false;
    for (uint64_t seed = 1; seed < (slow && !broken[_i] ? 4 : 60) && !found; seed++) {
        random_graph g = {.seed = seed};
        lane l = {.dtype = REEL_F64, .broken = broken[_i] ? broken[_i] : "none"};
        char text[TEXT];
        tally t = {0};
        oracle o;
        oracle_make(&o, &g, REEL_F64, NULL);
        found = !oracle_agrees(&o, &l, &t, text, sizeof text);
        oracle_free(&o);
        ck_assert_msg(!found || broken[_i], "%s", text);
    }
    ck_assert_int_eq(found, broken[_i] != NULL);
}
END_TEST

/* A failing program is made smaller, and then still fails. */
START_TEST(programs_are_made_smaller)
{
    if (getenv("REEL_TEST_SLOW")) { /* hundreds of programs, for what is no part of the library */
        return;
    }
    random_graph g = {.seed = 1};
    lane l = {.dtype = REEL_F64, .broken = "matmul"};
    char text[TEXT] = "";
    for (bool fails = false; !fails; g.seed += !fails) {
        tally t = {0};
        oracle o;
        oracle_make(&o, &g, REEL_F64, NULL);
        fails = !oracle_agrees(&o, &l, &t, text, sizeof text);
        oracle_free(&o);
    }
    make_smaller(&g, &l, text, sizeof text);
    ck_assert_msg(strstr(text, "element") != NULL, "%s", text);
    ck_assert(g.without[0] | g.without[1] | g.without_rounds);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1) {
        return strcmp(argv[1], "replay") == 0 ? replay(argc, argv) : run(argc, argv);
    }
    Suite *suite = suite_create("compiled");
    TCase *random = tcase_create("random programs");
    tcase_set_timeout(random, 3600);
    tcase_add_test(random, executors_agree);
    TCase *bounds = tcase_create("bounds");
    tcase_set_timeout(bounds, 3600);
    tcase_add_loop_test(bounds, rounding_is_within_bounds, 0, 2);
    suite_add_tcase(suite, bounds);
    tcase_add_loop_test(random, faults_are_found, 0, 7);
    tcase_add_test(random, programs_are_made_smaller);
    suite_add_tcase(suite, random);
    return suite_run(suite);
}
