/* For tests of the tape: short ways to make one and to ask for values and messages. */
#ifndef TESTS_TAPES_H
#define TESTS_TAPES_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <check.h>
#include <reel/ops.h>
#include <reel/tape.h>

static inline reel_tape *tape64(void)
{
    return reel_tape_new(1, .dtype = REEL_F64);
}

static inline reel_node *vector(reel_tape *tape, double a, double b, double c)
{
    return reel_input(tape, REEL_F64, ((const double[]){a, b, c}), reel_dims(3));
}

static inline reel_node *filled(reel_tape *tape, int64_t rows, int64_t columns)
{
    return reel_constant(tape, 1, reel_dims(rows, columns));
}

static inline double value(reel_node *x)
{
    double v = NAN;
    ck_assert_msg(reel_scalar(x, &v) == REEL_OK, "%s", reel_tape_message(reel_node_tape(x)));
    return v;
}

/* "file.c:12: " and the rest. */
static inline void expect_message(reel_tape *tape, const char *file, int line, const char *rest)
{
    char wanted[512];
    const char *slash = strrchr(file, '/');
    snprintf(wanted, sizeof wanted, "%s:%d: %s", slash ? slash + 1 : file, line, rest);
    ck_assert_str_eq(reel_tape_message(tape), wanted);
}

static inline void expect_in_message(reel_tape *tape, const char *part)
{
    ck_assert_msg(strstr(reel_tape_message(tape), part) != NULL, "'%s' is not in '%s'", part,
                  reel_tape_message(tape));
}

#define EXPECT_MESSAGE(tape, line, rest) expect_message(tape, __FILE__, line, rest)

#endif
