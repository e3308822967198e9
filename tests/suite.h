/* Every tests/check_*.c is a program of its own: it makes a suite and hands it over here. */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Whether each test has a process of its own. CK_FORK=no, as valgrind likes it, takes that away; a test that
 * ends its process can then not be run. */
static inline bool suite_forks(void)
{
    const char *fork = getenv("CK_FORK");
    return fork == NULL || strcmp(fork, "no") != 0;
}

/* Runs the suite, prints Check's summary (CK_VERBOSITY says how much) and returns main's exit
 * status. */
static inline int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

#endif
