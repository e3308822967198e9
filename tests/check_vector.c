/* The element-wise kernels on every instruction set of this machine: that bits do not depend on where an element
 * stands, how far values are off, and what becomes of special ones. A new op is tested here without a
 * line of this file being touched. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <reel/isa.h>
#include <reel/ops.h>

#include "../src/isa.h"
#include "suite.h"
#include "ulp.h"

enum { N = 75, SPACE = N + 16, ARGS = 3, LONGEST = 36 };

#define EXPECT(condition, ...)         \
    do {                               \
        if (!(condition)) {            \
            ck_abort_msg(__VA_ARGS__); \
        }                              \
    } while (0)

static bool testable(const reel_op *op)
{
    return (op->flags & REEL_OP_ELEMENTWISE) && op->arity <= ARGS &&
           op->attr_size <= sizeof ulp_attr;
}

static void for_each(void (*test)(const reel_op *op))
{
    for (int isa = 0; isa <= (int)reel__isa_best(); isa++) {
        reel__isa_force((reel_isa)isa);
        for (const reel_op *const *op = reel_ops(); *op; op++) {
            if (testable(*op)) {
                test(*op);
            }
        }
    }
}

/* Places. */

static const double special[] = {0.0,      -0.0,       INFINITY,    -INFINITY,    NAN,     0x1p-140,
                                 -0x1p-149, 0x1.fp127, -0x1.8p127, 0x1p-1060, 88.9,    -103.5,
                                 -87.5,    1.0,        -1.0,        0x1p23,       -746.0,  710.0};

/* Ordinary numbers, with a special one here and there, for argument j. */
static double element(int i, int j)
{
    const int specials = (int)(sizeof special / sizeof *special);
    if (i % 3 == j) {
        return special[(i / 3 * (j + 1)) % specials];
    }
    return -4 + 8 * (double)((i * 29 + j * 13) % N) / N;
}

/* The inputs and the output of a kernel, each of N elements `shift` elements into its buffer. */
typedef struct buffers {
    _Alignas(64) unsigned char x[ARGS][SPACE * sizeof(double)];
    _Alignas(64) unsigned char y[SPACE * sizeof(double)];
    size_t size, shift;
} buffers;

static void fill(buffers *b, size_t size, size_t shift)
{
    memset(b, 0x55, sizeof *b);
    b->size = size;
    b->shift = shift;
    for (int j = 0; j < ARGS; j++) {
        for (int i = 0; i < N; i++) {
            double v = element(i, j);
            float single = (float)v;
            memcpy(b->x[j] + ((size_t)i + shift) * size, size == 4 ? (void *)&single : (void *)&v,
                   size);
        }
    }
}

/* Elements [from, to), written to y, or over input `over` where that is not negative. */
static void run(const reel_op *op, buffers *b, size_t from, size_t to, int over)
{
    const void *at[ARGS];
    size_t offset = (from + b->shift) * b->size;
    for (int j = 0; j < ARGS; j++) {
        at[j] = b->x[j] + offset;
    }
    void *y = (over < 0 ? b->y : b->x[over]) + offset;
    if (b->size == 4) {
        op->map_f32(to - from, (const float *const *)at, y, ulp_attr);
    } else {
        op->map_f64(to - from, (const double *const *)at, y, ulp_attr);
    }
}

static void expect_same(const reel_op *op, const buffers *whole, const unsigned char *y,
                        size_t shift, size_t from, size_t to, const char *what)
{
    size_t size = whole->size;
    EXPECT(memcmp(whole->y + from * size, y + (from + shift) * size, (to - from) * size) == 0,
           "%s (f%d, %s): elements %zu to %zu, %zu off alignment, differ %s", op->name,
           (int)size * 8, reel_isa_name(reel_isa_used()), from, to, shift, what);
}

static void cut_everywhere(const reel_op *op, buffers *whole, size_t size)
{
    static buffers part;
    fill(&part, size, 0);
    for (size_t from = 0; from < N; from++) {
        for (size_t to = from + 1; to <= N && to <= from + LONGEST; to++) {
            run(op, &part, from, to, -1);
            expect_same(op, whole, part.y, 0, from, to, "when cut");
        }
    }
}

static void shift_everywhere(const reel_op *op, buffers *whole, size_t size)
{
    static buffers moved;
    for (size_t shift = 0; shift < SPACE - N; shift++) {
        fill(&moved, size, shift);
        run(op, &moved, 0, N, -1);
        expect_same(op, whole, moved.y, shift, 0, N, "when moved");
        for (size_t i = 0; i < SPACE * size; i++) {
            EXPECT(moved.y[i] == 0x55 || (i >= shift * size && i < (shift + N) * size),
                   "%s writes outside its output", op->name);
        }
        for (int j = 0; j < op->arity; j++) {
            fill(&moved, size, shift);
            run(op, &moved, 0, N, j);
            expect_same(op, whole, moved.x[j], shift, 0, N, "in place");
        }
    }
}

static void places(const reel_op *op)
{
    static buffers whole;
    for (size_t size = 4; size <= 8; size += 4) {
        fill(&whole, size, 0);
        run(op, &whole, 0, N, -1);
        cut_everywhere(op, &whole, size);
        shift_everywhere(op, &whole, size);
    }
}

START_TEST(bits_do_not_depend_on_the_place)
{
    for_each(places);
}
END_TEST

/* Errors. */

static void unary_floats(const reel_op *op)
{
    const uint32_t step = getenv("REEL_TEST_SLOW") ? 65537 : 4099;
    ulp_worst worst = {.error = 0};
    if (!ulp_measurable(op)) {
        return;
    }
    for (uint64_t first = 0; first < (uint64_t)1 << 32; first += (uint64_t)step * ULP_BLOCK) {
        ulp_scan(op, (uint32_t)first, step, &worst);
    }
    EXPECT(worst.error <= ULP_BOUND,
           "%s (%s): %.9g for x = %.9g, expected %.9g: %.3g ulp, at most %g expected", op->name,
           reel_isa_name(reel_isa_used()), (double)worst.got, (double)worst.x, worst.want,
           worst.error, ULP_BOUND);
}

START_TEST(floats_are_near_doubles)
{
    for_each(unary_floats);
}
END_TEST

static long double logistic(long double x)
{
    return 1 / (1 + expl(-x));
}
static long double softplus(long double x)
{
    return fmaxl(x, 0) + log1pl(expl(-fabsl(x)));
}
static long double log_sigmoid(long double x)
{
    return -softplus(-x);
}
static long double silu(long double x)
{
    return x * logistic(x);
}
static long double mish(long double x)
{
    return x * tanhl(softplus(x));
}
static long double gelu(long double x)
{
    return x * erfcl(-x * 0.70710678118654752440084436210485L) / 2;
}
static long double gelu_tanh(long double x)
{
    long double u = 0.79788456080286535587989211986876L * (x + 0.044715L * x * x * x);
    return x / (1 + expl(-2 * u));
}

/* In doubles, against the C library in long doubles, for numbers in (low, high). */
static const struct {
    const char *op;
    long double (*value)(long double x);
    double low, high;
} wide[] = {
    {"exp", expl, -700, 700},
    {"exp2", exp2l, -1000, 1000},
    {"expm1", expm1l, -40, 700},
    {"log", logl, 1e-300, 3},
    {"log2", log2l, 1e-300, 3},
    {"log10", log10l, 1e-300, 3},
    {"log1p", log1pl, -0.99, 3},
    {"sin", sinl, -1000, 1000},
    {"cos", cosl, -1000, 1000},
    {"tan", tanl, -1000, 1000},
    {"asin", asinl, -1, 1},
    {"acos", acosl, -1, 1},
    {"atan", atanl, -30, 30},
    {"sinh", sinhl, -700, 700},
    {"cosh", coshl, -700, 700},
    {"tanh", tanhl, -20, 20},
    {"asinh", asinhl, -30, 30},
    {"acosh", acoshl, 1, 30},
    {"atanh", atanhl, -1, 1},
    {"cbrt", cbrtl, -30, 30},
    {"erf", erfl, -6, 6},
    {"erfc", erfcl, -6, 20},
    {"sigmoid", logistic, -700, 40},
    {"softplus", softplus, -700, 40},
    {"log_sigmoid", log_sigmoid, -40, 700},
    {"silu", silu, -700, 40},
    {"mish", mish, -700, 40},
    {"gelu", gelu, -1, 9},
    {"gelu_tanh", gelu_tanh, -1, 9},
};

/* Also near zero, by the cube. */
static double between(double low, double high, int i)
{
    double t = 2.0 * (double)(i * 7919LL % 10007) / 10007 - 1;
    double x = t < 0 ? -low * t : high * t;
    return i % 2 ? x * t * t : low >= 0 ? low + (high - low) * (t + 1) / 2 : x;
}

static double unit_of_double(double v)
{
    return nextafter(fabs(v), INFINITY) - fabs(v);
}

static void wide_unary(size_t k)
{
    const reel_op *op = reel_op_find(wide[k].op);
    ck_assert_ptr_nonnull(op);
    for (int i = 0; i < 10007; i++) {
        double x = between(wide[k].low, wide[k].high, i), y;
        if (x <= wide[k].low || x >= wide[k].high) {
            continue;
        }
        op->map_f64(1, (const double *const[]){&x}, &y, ulp_attr);
        long double want = wide[k].value((long double)x);
        long double error = fabsl((long double)y - want) / unit_of_double((double)want);
        EXPECT(error <= 6, "%s (%s): %.17g for x = %.17g, expected %.17g: %.3g ulp", op->name,
               reel_isa_name(reel_isa_used()), y, x, (double)want, (double)error);
    }
}

START_TEST(doubles_are_near_the_c_library)
{
    for (int isa = 0; isa <= (int)reel__isa_best(); isa++) {
        reel__isa_force((reel_isa)isa);
        for (size_t k = 0; k < sizeof wide / sizeof *wide; k++) {
            wide_unary(k);
        }
    }
}
END_TEST

/* Valgrind computes long doubles with the digits of a double; powl then loses some that pow keeps. */
static long double power(long double a, long double b)
{
    volatile long double least = LDBL_EPSILON;
    return least + 1 > 1 ? powl(a, b) : (long double)pow((double)a, (double)b);
}

static const struct {
    const char *op;
    long double (*value)(long double a, long double b);
    double low, high;
} binary[] = {
    {"pow", power, 1e-3, 100},
    {"hypot", hypotl, -1e30, 1e30},
    {"atan2", atan2l, -30, 30},
};

static void check_binary(size_t k)
{
    const reel_op *op = reel_op_find(binary[k].op);
    ck_assert_ptr_nonnull(op);
    for (int i = 0; i < 10007; i++) {
        float a = (float)between(binary[k].low, binary[k].high, i), y;
        float b = (float)between(k ? binary[k].low : -15, k ? binary[k].high : 15, (i * 31) % 9973);
        double wa = (double)a, wb = (double)b, wy;
        op->map_f32(1, (const float *const[]){&a, &b}, &y, NULL);
        op->map_f64(1, (const double *const[]){&wa, &wb}, &wy, NULL);
        long double want = binary[k].value((long double)wa, (long double)wb);
        double error = ulp_error(y, (double)want);
        EXPECT(error <= ULP_BOUND && fabsl((long double)wy - want) <=
                                         6 * (long double)unit_of_double((double)want),
               "%s(%.9g, %.9g) (%s): %.9g and %.17g, expected %.17g: %.3g ulp", op->name, wa, wb,
               reel_isa_name(reel_isa_used()), (double)y, wy, (double)want, error);
    }
}

START_TEST(binary_values)
{
    for (int isa = 0; isa <= (int)reel__isa_best(); isa++) {
        reel__isa_force((reel_isa)isa);
        for (size_t k = 0; k < sizeof binary / sizeof *binary; k++) {
            check_binary(k);
        }
    }
}
END_TEST

/* Special values. */

#define INF INFINITY
static const struct {
    const char *op;
    double x, y;
} exact[] = {
    {"exp", INF, INF},     {"exp", -INF, 0},        {"exp", 0, 1},         {"exp", 1000, INF},
    {"exp", -1000, 0},     {"exp", NAN, NAN},       {"log", 0, -INF},      {"log", -0.0, -INF},
    {"log", -1, NAN},      {"log", -INF, NAN},      {"log", INF, INF},     {"log", 1, 0},
    {"log", NAN, NAN},     {"tanh", INF, 1},        {"tanh", -INF, -1},    {"tanh", -0.0, -0.0},
    {"tanh", 0, 0},        {"tanh", NAN, NAN},      {"sigmoid", INF, 1},   {"sigmoid", -INF, 0},
    {"sigmoid", 0, 0.5},   {"sigmoid", NAN, NAN},   {"silu", -INF, -0.0},  {"silu", INF, INF},
    {"silu", -0.0, -0.0},  {"silu", NAN, NAN},      {"mish", INF, INF},    {"mish", -INF, -0.0},
    {"mish", NAN, NAN},    {"softplus", INF, INF},  {"softplus", -INF, 0}, {"softplus", NAN, NAN},
    {"log_sigmoid", -INF, -INF}, {"log_sigmoid", INF, 0}, {"log_sigmoid", NAN, NAN},
    {"relu", -INF, 0},     {"relu", INF, INF},      {"relu", NAN, NAN},    {"expm1", -INF, -1},
    {"expm1", INF, INF},   {"expm1", -0.0, -0.0},   {"log1p", -1, -INF},   {"log1p", -2, NAN},
    {"log1p", -0.0, -0.0}, {"sqrt", -1, NAN},       {"sqrt", -0.0, -0.0},  {"sqrt", INF, INF},
    {"sin", INF, NAN},     {"sin", -0.0, -0.0},     {"cos", -INF, NAN},    {"tan", INF, NAN},
    {"erf", INF, 1},       {"erf", -INF, -1},       {"erfc", INF, 0},      {"erfc", -INF, 2},
    {"atan", -0.0, -0.0},  {"asin", 2, NAN},        {"acos", -2, NAN},     {"atanh", 1, INF},
    {"atanh", -1, -INF},   {"sinh", -INF, -INF},    {"cosh", -INF, INF},   {"cbrt", -INF, -INF},
    {"floor", -0.5, -1},   {"ceil", -0.5, -0.0},    {"round", 2.5, 2},     {"trunc", -0.5, -0.0},
    {"abs", -0.0, 0},      {"neg", 0, -0.0},        {"sign", NAN, NAN},    {"sign", -0.0, -0.0},
    {"gelu", INF, INF},    {"gelu", NAN, NAN},      {"reciprocal", -0.0, -INF},
};

static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b);
}

START_TEST(special_values)
{
    for (int isa = 0; isa <= (int)reel__isa_best(); isa++) {
        reel__isa_force((reel_isa)isa);
        for (size_t k = 0; k < sizeof exact / sizeof *exact; k++) {
            const reel_op *op = reel_op_find(exact[k].op);
            double x = exact[k].x, y;
            float single = (float)x, z;
            op->map_f32(1, (const float *const[]){&single}, &z, NULL);
            op->map_f64(1, (const double *const[]){&x}, &y, NULL);
            EXPECT(same((double)z, exact[k].y) && same(y, exact[k].y),
                   "%s(%g) (%s) is %g in f32 and %g in f64, expected %g", op->name, x,
                   reel_isa_name((reel_isa)isa), (double)z, y, exact[k].y);
        }
    }
}
END_TEST

START_TEST(names)
{
    ck_assert_str_eq(reel_isa_name(REEL_ISA_BASELINE), "baseline");
    ck_assert_str_eq(reel_isa_name(REEL_ISA_AVX2), "avx2");
    ck_assert_str_eq(reel_isa_name(REEL_ISA_AVX512), "avx512");
    ck_assert_str_eq(reel_isa_name((reel_isa)17), "unknown");
    ck_assert_int_le((int)reel_isa_used(), (int)reel__isa_best());
}
END_TEST

int main(void)
{
    printf("instruction sets up to %s\n", reel_isa_name(reel__isa_best()));
    fflush(stdout);
    Suite *suite = suite_create("vector kernels");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 600);
    tcase_add_test(all, names);
    tcase_add_test(all, bits_do_not_depend_on_the_place);
    tcase_add_test(all, floats_are_near_doubles);
    tcase_add_test(all, doubles_are_near_the_c_library);
    tcase_add_test(all, binary_values);
    tcase_add_test(all, special_values);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
