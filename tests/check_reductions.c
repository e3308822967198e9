/* Reductions of rows that fused kernels make: on rows of all lengths, in all layouts, the bits of
 * the reference executor, which makes them by themselves. And sums of all lengths, in all ways. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <reel/axis.h>
#include <reel/isa.h>
#include <reel/reel.h>

#include "../src/isa.h"
#include "suite.h"
#include "written.h"

enum { STEPS = 3, ROWS = 5, WIDE = 1100, LARGE = 300 };

typedef reel_node *reducer(reel_node *x, int axis, bool keep);

/* Reel's are macros, which know the line they stand in. */
#define REDUCER(name)                                              \
    static reel_node *name##_of(reel_node *x, int axis, bool keep) \
    {                                                              \
        return reel_##name##_axis(x, axis, keep);                  \
    }
REDUCER(sum)
REDUCER(mean)
REDUCER(max)
REDUCER(min)
REDUCER(logsumexp)
REDUCER(norm)
REDUCER(prod)

static reducer *const reducers[] = {sum_of,       mean_of, max_of, min_of,
                                    logsumexp_of, norm_of, prod_of};
enum { REDUCERS = sizeof reducers / sizeof *reducers };

static double number(int64_t i)
{
    return (double)(i * 2654435761U % 1000003) / 500001.5 - 1;
}

typedef enum layout { DENSE, TRANSPOSED, WINDOW, SPREAD, LAYOUTS } layout;

/* A tensor [2, ROWS, n] that lies in memory as told. */
static reel_node *laid(reel_tape *tape, layout how, int64_t n, int64_t from)
{
    static float data[2 * ROWS * WIDE];
    for (int64_t i = 0; i < (int64_t)(sizeof data / sizeof *data); i++) {
        data[i] = (float)number(i + from);
    }
    switch (how) {
    case TRANSPOSED:
        return reel_transpose(reel_input(tape, REEL_F32, data, reel_dims(2, n, ROWS)));
    case WINDOW:
        return reel_slice(reel_input(tape, REEL_F32, data, reel_dims(2, ROWS, n + 3)), 2, 2, n + 2);
    case SPREAD:
        return reel_broadcast_to(reel_input(tape, REEL_F32, data, reel_dims(ROWS, 1)),
                                 reel_dims(2, ROWS, n));
    default:
        return reel_input(tape, REEL_F32, data, reel_dims(2, ROWS, n));
    }
}

/* Steps of one structure, each of which needs the one before; y gets what they return. */
static void recur(reel_tape *tape, reducer *op, layout how, int64_t n, bool keep, reel_node **y)
{
    reel_node *h = laid(tape, how, n, 0);
    for (int t = 0; t < STEPS; t++) {
        reel_scope_enter(tape, "step");
        reel_node *a = reel_tanh(reel_add(laid(tape, how, n, t + 1), h));
        reel_node *r = op(a, -1, keep);
        h = keep ? reel_sub(a, r) : reel_mul(a, reel_reshape(r, reel_dims(2, ROWS, 1)));
        y[2 * t] = r;
        y[2 * t + 1] = h;
        reel_scope_leave(tape);
    }
}

static void assert_same(reel_node *a, reel_node *b, size_t element)
{
    size_t size = (size_t)reel_shape_size(reel_node_shape(a));
    ck_assert_int_eq(memcmp(reel_data(a), reel_data(b), size * element), 0);
}

static const int64_t lengths[] = {1, 2, 7, 31, 32, 128, 159, 160, 256, 511, 512, 513, 1024, 1025};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

START_TEST(same_bits_as_by_themselves)
{
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reducer *op = reducers[_i / 2];
    reel_tape *reference = reel_tape_new(1, .dtype = dtype, .executor = REEL_REFERENCE,
                                         .on_error = reel_print_and_exit);
    reel_tape *compiled = reel_tape_new(1, .dtype = dtype, .executor = REEL_COMPILED,
                                        .on_error = reel_print_and_exit);
    for (int i = 0; i < LENGTHS * LAYOUTS * 2; i++) {
        layout how = (layout)(i / 2 % LAYOUTS);
        int64_t n = lengths[i / 2 / LAYOUTS];
        reel_node *expected[2 * STEPS], *got[2 * STEPS];
        reel_tape_reset(reference);
        reel_tape_reset(compiled);
        recur(reference, op, how, n, i % 2, expected);
        recur(compiled, op, how, n, i % 2, got);
        ck_assert_int_eq(reel_eval(2 * STEPS, expected), REEL_OK);
        ck_assert_int_eq(reel_eval(2 * STEPS, got), REEL_OK);
        for (int k = 0; k < 2 * STEPS; k++) {
            assert_same(expected[k], got[k], reel_dtype_size(dtype));
        }
    }
    reel_tape_free(reference);
    reel_tape_free(compiled);
}
END_TEST

/* All of a tensor in one row, of one dimension and more, and in sequences of several lengths. */
static void record_rows(reel_tape *tape, int64_t n, reel_node **y)
{
    static float data[WIDE];
    for (int64_t i = 0; i < WIDE; i++) {
        data[i] = (float)number(i);
    }
    reel_node *x = reel_tanh(reel_input(tape, REEL_F32, data, reel_dims(n)));
    y[0] = reel_sum(x);
    y[1] = reel_mean(reel_exp(reel_reshape(x, reel_dims(1, 1, n))));
    y[2] = reel_sum_axis(reel_square(reel_reshape(x, reel_dims(1, n))), 1, true);
    y[3] =
        reel_sum_axis(reel_square(reel_slice(reel_reshape(x, reel_dims(1, n)), 0, 0, 0)), 1, false);
    for (int s = 0; s < STEPS; s++) {
        reel_node *h = reel_input(tape, REEL_F32, data + s, reel_dims(1, n));
        for (int t = 0; t <= 2 * s; t++) {
            reel_scope_enter(tape, "step");
            h = reel_tanh(reel_add(h, reel_input(tape, REEL_F32, data + t, reel_dims(1, n))));
            h = reel_div(h, reel_norm_axis(reel_shift(h, 1), 1, true));
            reel_scope_leave(tape);
        }
        y[4 + s] = h;
    }
}

START_TEST(same_bits_of_single_rows)
{
    enum { RESULTS = 4 + STEPS };
    reel_tape *tape[2];
    for (int k = 0; k < 2; k++) {
        tape[k] = reel_tape_new(1, .executor = k ? REEL_COMPILED : REEL_REFERENCE,
                                .on_error = reel_print_and_exit);
    }
    for (int i = 0; i < LENGTHS; i++) {
        reel_node *y[2][RESULTS];
        for (int k = 0; k < 2; k++) {
            reel_tape_reset(tape[k]);
            record_rows(tape[k], lengths[i], y[k]);
            ck_assert_int_eq(reel_eval(RESULTS, y[k]), REEL_OK);
        }
        for (int j = 0; j < RESULTS; j++) {
            assert_same(y[0][j], y[1][j], sizeof(float));
        }
    }
    reel_tape_free(tape[0]);
    reel_tape_free(tape[1]);
}
END_TEST

/* A program's own reductions: one that has more to say than an axis, and one that is marked. */

typedef struct power {
    int32_t axis;
    float p;
} power;

static bool power_shape(reel_shaping *s)
{
    const power *a = s->attr;
    s->y = reel_shape_without(reel_node_shape(s->x[0]), a->axis);
    return true;
}

static void power_run(const reel_call *c)
{
    const power *a = c->attr;
    reel_along x = reel_along_axis(c->x[0].shape, a->axis);
    for (int64_t u = c->begin; u < c->end; u++) {
        double total = 0;
        for (int64_t k = 0; k < x.n; k++) {
            total += pow(fabs((double)((const float *)c->x[0].data)[u * x.n + k]), a->p);
        }
        ((float *)c->y.data)[u] = (float)pow(total, 1 / (double)a->p);
    }
}

static void first_run(const reel_call *c)
{
    reel_along x = reel_reduce_along(c);
    for (int64_t u = c->begin; u < c->end; u++) {
        ((float *)c->y.data)[u] = ((const float *)c->x[0].data)[u * x.n];
    }
}

START_TEST(ops_of_a_program)
{
    static const reel_op power_op = {.name = "power",
                                     .arity = 1,
                                     .flags = REEL_OP_REDUCTION,
                                     .attr_size = sizeof(power),
                                     .shape = power_shape,
                                     .run_f32 = power_run,
                                     .units = reel_reduce_units};
    static const reel_op first_op = {.name = "first",
                                     .arity = 1,
                                     .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
                                     .attr_size = sizeof(reel_reduce_attr),
                                     .shape = reel_reduce_shape,
                                     .run_f32 = first_run,
                                     .units = reel_reduce_units};
    reel_node *y[2][2];
    reel_tape *tape[2];
    for (int k = 0; k < 2; k++) {
        tape[k] = reel_tape_new(1, .executor = k ? REEL_COMPILED : REEL_REFERENCE,
                                .on_error = reel_print_and_exit);
        reel_node *x =
            reel_reshape(reel_tanh(laid(tape[k], DENSE, 40, 0)), reel_dims(2 * ROWS, 40));
        x = reel_mul(x, x);
        y[k][0] = reel_apply("test.c:1", &power_op, 1, &x, &(power){1, 3});
        y[k][1] = reel_reduce_apply("test.c:1", &first_op, x, -1, false);
        ck_assert_int_eq(reel_eval(2, y[k]), REEL_OK);
    }
    assert_same(y[0][0], y[1][0], sizeof(float));
    assert_same(y[0][1], y[1][1], sizeof(float));
    reel_tape_free(tape[0]);
    reel_tape_free(tape[1]);
}
END_TEST

/* Whoever says that lines are reduced has to do so. */
START_TEST(marks_are_checked)
{
    static const reel_op wrong = {.name = "wrong",
                                  .arity = 1,
                                  .flags = REEL_OP_ALONG_AXIS,
                                  .attr_size = sizeof(power),
                                  .run_f32 = power_run,
                                  .units = reel_reduce_units};
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = laid(tape, DENSE, 4, 0);
    reel_apply("test.c:1", &wrong, 1, &x, &(power){2, 3});
    ck_assert_ptr_nonnull(strstr(reel_tape_message(tape), "wrong: REEL_OP_ALONG_AXIS: expected"));
    reel_tape_free(tape);
}
END_TEST

static bool turned_shape(reel_shaping *s)
{
    reel_shape x = reel_node_shape(s->x[0]);
    s->y = reel_dims(x.dim[1], x.dim[0]);
    return true;
}

/* As many results as there are lines are not enough: they have to stand as lines do. */
START_TEST(shapes_are_checked)
{
    static const reel_op turned = {.name = "turned",
                                   .arity = 1,
                                   .flags = REEL_OP_REDUCTION | REEL_OP_ALONG_AXIS,
                                   .attr_size = sizeof(reel_reduce_attr),
                                   .shape = turned_shape,
                                   .run_f32 = first_run,
                                   .units = reel_reduce_units};
    static const struct {
        int axis;
        const char *message;
    } wrong[] = {
        {2, "turned: REEL_OP_ALONG_AXIS: the result is [5,2]: expected [2,5]"},
        {-1, "turned: REEL_OP_ALONG_AXIS: axis -1: expected 0 to 2 or REEL_ALL_AXES"},
        {3, "turned: REEL_OP_ALONG_AXIS: axis 3: expected 0 to 2"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        reel_tape *tape = reel_tape_new(1);
        reel_node *x = reel_tanh(laid(tape, DENSE, 4, 0));
        reel_apply("test.c:1", &turned, 1, &x, &(reel_reduce_attr){wrong[i].axis, 0});
        ck_assert_msg(strstr(reel_tape_message(tape), wrong[i].message) != NULL, "%s",
                      reel_tape_message(tape));
        reel_tape_free(tape);
    }
}
END_TEST

/* Enough rows for threads to share them. */
START_TEST(same_bits_with_threads)
{
    static float data[LARGE * LARGE];
    for (int64_t i = 0; i < LARGE * LARGE; i++) {
        data[i] = (float)number(i);
    }
    reel_node *y[2][2];
    reel_tape *tape[2];
    for (int k = 0; k < 2; k++) {
        tape[k] =
            reel_tape_new(k ? 3 : 1, .executor = REEL_COMPILED, .on_error = reel_print_and_exit);
        reel_node *x = reel_input(tape[k], REEL_F32, data, reel_dims(LARGE, LARGE));
        reel_node *a = reel_mul(reel_sigmoid(x), reel_tanh(x));
        y[k][0] = reel_sum_axis(a, 1, false);
        y[k][1] = reel_logsumexp_axis(a, 1, true);
        ck_assert_int_eq(reel_eval(2, y[k]), REEL_OK);
    }
    assert_same(y[0][0], y[1][0], sizeof(float));
    assert_same(y[0][1], y[1][1], sizeof(float));
    reel_tape_free(tape[0]);
    reel_tape_free(tape[1]);
}
END_TEST

/* Sums of rows and of columns of a matrix [m, n] that lies within a larger one of n + 3 columns. */
enum { SUMS = 5 };

static void sum_up(reel_tape *tape, const void *data, int64_t m, int64_t n, reel_node **y)
{
    reel_node *all = reel_input(tape, reel_tape_dtype(tape), data, reel_dims(m, n + 3));
    reel_node *x = reel_slice(all, 1, 2, n + 2);
    y[0] = reel_sum_axis(x, 1, false);
    y[1] = reel_sum_axis(x, 0, false);
    y[2] = reel_sum_to(x, reel_dims(n));
    y[3] = reel_sum_to(x, reel_dims(m, 1));
    y[4] = reel_sum(x);
}

static double element_of(reel_node *y, int64_t i)
{
    const void *data = reel_data(y);
    return reel_node_dtype(y) == REEL_F64 ? ((const double *)data)[i]
                                          : (double)((const float *)data)[i];
}

/* Whole numbers are added up without rounding in any order; of others all instruction sets have to
 * make the same bits. */
START_TEST(sums_of_all_lengths)
{
    enum { ROWS_MOST = 19, WIDEST = 150 };
    static double wide[ROWS_MOST * (WIDEST + 3)];
    static float narrow[ROWS_MOST * (WIDEST + 3)];
    bool whole = _i % 2, f64 = _i / 2;
    for (int64_t i = 0; i < (int64_t)(sizeof wide / sizeof *wide); i++) {
        wide[i] = whole ? (double)(i * 7919 % 201 - 100) : number(i) * exp2((double)(i % 40 - 20));
        narrow[i] = (float)wide[i];
    }
    int sets = (int)reel__isa_best() + 1;
    reel_tape *tape[REEL_ISAS];
    for (int k = 0; k < sets; k++) {
        tape[k] =
            reel_tape_new(1, .dtype = f64 ? REEL_F64 : REEL_F32, .on_error = reel_print_and_exit);
    }
    for (int64_t n = 1; n <= WIDEST; n += n < 70 ? 1 : 13) {
        int64_t m = 1 + n % ROWS_MOST, stride = n + 3;
        reel_node *y[REEL_ISAS][SUMS];
        for (int k = 0; k < sets; k++) {
            reel__isa_force((reel_isa)k);
            reel_tape_reset(tape[k]);
            sum_up(tape[k], f64 ? (const void *)wide : narrow, m, n, y[k]);
            ck_assert_int_eq(reel_eval(SUMS, y[k]), REEL_OK);
            for (int j = 0; k && j < SUMS; j++) {
                assert_same(y[0][j], y[k][j], f64 ? sizeof(double) : sizeof(float));
            }
        }
        double total = 0;
        for (int64_t r = 0; whole && r < m; r++) {
            double row = 0;
            for (int64_t c = 0; c < n; c++) {
                row += wide[r * stride + c + 2];
            }
            total += row;
            ck_assert(element_of(y[0][0], r) == row && element_of(y[0][3], r) == row);
        }
        for (int64_t c = 0; whole && c < n; c++) {
            double column = 0;
            for (int64_t r = 0; r < m; r++) {
                column += wide[r * stride + c + 2];
            }
            ck_assert(element_of(y[0][1], c) == column && element_of(y[0][2], c) == column);
        }
        ck_assert(!whole || element_of(y[0][4], 0) == total);
    }
    reel__isa_force(reel__isa_best());
    for (int k = 0; k < sets; k++) {
        reel_tape_free(tape[k]);
    }
}
END_TEST

/* The first of the largest of sign x; NaN is beyond all. */
static int64_t place_of(const double *x, int64_t n, double sign)
{
    int64_t place = 0;
    for (int64_t k = 1; k < n && !isnan(x[place]); k++) {
        if (isnan(x[k]) || sign * x[k] > sign * x[place]) {
            place = k;
        }
    }
    return place;
}

/* With equal elements, zeros of both signs, infinities, NaNs, in rows and in columns. */
START_TEST(extremes_of_all_lengths)
{
    enum { LONGEST = 300, ROWS_MADE = 6 };
    static const double odd[] = {0, -0.0, INFINITY, -INFINITY, NAN, 3};
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    bool columns = _i / 2;
    reel_tape *tape = reel_tape_new(1, .dtype = dtype, .on_error = reel_print_and_exit);
    reel_random random = reel_random_new(1, (uint64_t)_i);
    for (int isa = 0; isa <= (int)reel__isa_best(); isa++) {
        reel__isa_force((reel_isa)isa);
        for (int64_t n = 1; n <= LONGEST; n += n < 140 ? 1 : 7) {
            double x[ROWS_MADE][LONGEST], laid_out[ROWS_MADE * LONGEST];
            for (int64_t i = 0; i < ROWS_MADE * n; i++) {
                int64_t row = i / n, column = i % n;
                uint64_t range = row == 0 ? 1 : row == 1 ? 5 : 1000000;
                double v = (double)reel_random_below(&random, range) - (double)(range / 2);
                if (row > 2 && reel_random_below(&random, (uint64_t)n) == 0) {
                    v = odd[reel_random_below(&random, sizeof odd / sizeof *odd)];
                }
                x[row][column] = row == 5 ? odd[reel_random_below(&random, 2)] : v;
                laid_out[columns ? column * ROWS_MADE + row : i] = x[row][column];
            }
            reel_tape_reset(tape);
            reel_node *a = reel_input(tape, REEL_F64, laid_out,
                                      columns ? reel_dims(n, ROWS_MADE) : reel_dims(ROWS_MADE, n));
            int axis = columns ? 0 : 1;
            reel_node *y[4] = {reel_max_axis(a, axis, false), reel_min_axis(a, axis, false),
                               reel_argmax_axis(a, axis, false), reel_argmin_axis(a, axis, false)};
            ck_assert_int_eq(reel_eval(4, y), REEL_OK);
            for (int64_t row = 0; row < ROWS_MADE; row++) {
                for (int k = 0; k < 2; k++) {
                    int64_t place = place_of(x[row], n, k ? -1 : 1);
                    double got = element_of(y[k], row), wanted = x[row][place];
                    ck_assert_msg(((const int32_t *)reel_data(y[2 + k]))[row] == place,
                                  "%s, n %d, row %d", k ? "min" : "max", (int)n, (int)row);
                    ck_assert(isnan(wanted) ? isnan(got)
                                            : got == wanted && signbit(got) == signbit(wanted));
                }
            }
        }
    }
    reel__isa_force(reel__isa_best());
    reel_tape_free(tape);
}
END_TEST

/* Many small numbers beside a large one: f32 sums are made in f64. */
START_TEST(sums_keep_small_terms)
{
    static float data[4 * LARGE];
    for (int64_t i = 0; i < 4 * LARGE; i++) {
        data[i] = i ? 1 : 0x1p25F;
    }
    reel_tape *tape = reel_tape_new(1, .on_error = reel_print_and_exit);
    reel_node *row = reel_input(tape, REEL_F32, data, reel_dims(1, 4 * LARGE));
    reel_node *column = reel_reshape(row, reel_dims(4 * LARGE, 1));
    reel_node *y[] = {reel_sum(row), reel_sum_axis(row, 1, false), reel_sum_axis(column, 0, false),
                      reel_sum_to(column, reel_dims(1))};
    ck_assert_int_eq(reel_eval(4, y), REEL_OK);
    for (int k = 0; k < 4; k++) {
        ck_assert(element_of(y[k], 0) == (double)(0x1p25F + (float)(4 * LARGE)));
    }
    reel_tape_free(tape);
}
END_TEST

/* How the plan of sum(tanh(x)) over rows of n makes the sum. */
static bool with_their_values(int64_t n, int axis)
{
    reel_tape *tape = reel_tape_new(1, .executor = REEL_COMPILED, .on_error = reel_print_and_exit);
    reel_node *y = reel_sum_axis(reel_tanh(laid(tape, DENSE, n, 0)), axis, false);
    ck_assert_int_eq(reel_eval(1, &y), REEL_OK);
    char *text = written(tape, reel_plan_dump_at);
    bool fused = strstr(text, "= sum r0") != NULL;
    ck_assert(fused != (strstr(text, "  op  ") != NULL));
    free(text);
    reel_tape_free(tape);
    return fused;
}

START_TEST(rows_up_to_a_block)
{
    ck_assert(with_their_values(2, -1));
    ck_assert(with_their_values(1024, 2));
    ck_assert(!with_their_values(1025, 2));
    ck_assert(!with_their_values(100, 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reductions");
    TCase *rows = tcase_create("rows");
    tcase_add_loop_test(rows, same_bits_as_by_themselves, 0, 2 * REDUCERS);
    tcase_add_test(rows, same_bits_of_single_rows);
    tcase_add_test(rows, same_bits_with_threads);
    tcase_add_test(rows, ops_of_a_program);
    tcase_add_test(rows, marks_are_checked);
    tcase_add_test(rows, shapes_are_checked);
    tcase_add_test(rows, rows_up_to_a_block);
    tcase_add_loop_test(rows, sums_of_all_lengths, 0, 4);
    tcase_add_test(rows, sums_keep_small_terms);
    tcase_add_loop_test(rows, extremes_of_all_lengths, 0, 4);
    suite_add_tcase(suite, rows);
    return suite_run(suite);
}
