/* Matrix products against their definition, and the choice of kernels. */
#include "blas.h"
#include "suite.h"

#include <reel/blas.h>

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 8000 };

/* A matrix inside a buffer that its strides may walk in either direction. */
typedef struct view {
    void *data;
    int64_t start, row, column;
} view;

static double element(uint64_t k)
{
    k = (k + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (double)(k >> 40) / (double)(1 << 24) - 0.5;
}

static size_t size_of(reel_dtype dtype)
{
    return dtype == REEL_F32 ? 4 : 8;
}

static double read_at(reel_dtype dtype, const void *data, int64_t at)
{
    return dtype == REEL_F32 ? (double)((const float *)data)[at] : ((const double *)data)[at];
}

static void write_at(reel_dtype dtype, void *data, int64_t at, double value)
{
    if (dtype == REEL_F32) {
        ((float *)data)[at] = (float)value;
    } else {
        ((double *)data)[at] = value;
    }
}

static void *new_buffer(reel_dtype dtype, uint64_t seed)
{
    void *data = calloc(ROOM, size_of(dtype));
    ck_assert_ptr_nonnull(data);
    for (int64_t i = 0; i < ROOM; i++) {
        write_at(dtype, data, i, element(seed * ROOM + (uint64_t)i));
    }
    return data;
}

static double at(reel_dtype dtype, view v, int64_t i, int64_t j)
{
    return read_at(dtype, v.data, v.start + i * v.row + j * v.column);
}

static void *origin(reel_dtype dtype, view v)
{
    return (char *)v.data + (size_t)v.start * size_of(dtype);
}

/* Every element of C's buffer is compared: those of the product with the definition, all others
 * with what they were. */
static void check_product(reel_dtype dtype, int64_t m, int64_t n, int64_t k, double alpha,
                          double beta, view a, view b, view c)
{
    double *expected = calloc(ROOM, sizeof *expected);
    ck_assert_ptr_nonnull(expected);
    for (int64_t i = 0; i < ROOM; i++) {
        expected[i] = read_at(dtype, c.data, i);
    }
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++) {
                sum += at(dtype, a, i, l) * at(dtype, b, l, j);
            }
            double *e = &expected[c.start + i * c.row + j * c.column];
            *e = alpha * sum + (beta == 0 ? 0 : beta * *e);
        }
    }
    reel_gemm(dtype, m, n, k, alpha, origin(dtype, a), a.row, a.column, origin(dtype, b), b.row,
              b.column, beta, origin(dtype, c), c.row, c.column);
    /* |a b| ≤ 1/4, so that k terms in any order are off by less than k² ε / 4. */
    double epsilon = dtype == REEL_F32 ? 0x1p-23 : 0x1p-52;
    double bound = epsilon * (1 + (double)(k * k) / 4);
    for (int64_t i = 0; i < ROOM; i++) {
        double got = read_at(dtype, c.data, i);
        if (!(fabs(got - expected[i]) <= bound)) {
            ck_abort_msg("%s %lldx%lldx%lld alpha %g beta %g, element %lld: %.17g, expected %.17g",
                         reel_dtype_name(dtype), (long long)m, (long long)n, (long long)k, alpha,
                         beta, (long long)i, got, expected[i]);
        }
    }
    free(expected);
}

/* The ways in which an [m, n] matrix may lie in its buffer. */
enum { BY_ROWS, BY_COLUMNS, PADDED_ROWS, PADDED_COLUMNS, SPREAD, BACKWARDS, LAYOUTS };

static view lay(int layout, void *data, int64_t m, int64_t n)
{
    switch (layout) {
    case BY_ROWS:
        return (view){data, 0, n, 1};
    case BY_COLUMNS:
        return (view){data, 0, 1, m};
    case PADDED_ROWS:
        return (view){data, 5, n + 3, 1};
    case PADDED_COLUMNS:
        return (view){data, 5, 1, m + 2};
    case SPREAD:
        return (view){data, 1, 2 * n + 1, 2};
    default:
        return (view){data, m * n - 1, -n, -1};
    }
}

static void check_size(reel_dtype dtype, int64_t m, int64_t n, int64_t k)
{
    static const double factors[][2] = {{1, 0}, {1, 1}, {-0.5, 1}, {2, -0.25}, {0, 1}};
    for (int i = 0; i < LAYOUTS * LAYOUTS * LAYOUTS; i++) {
        void *a = new_buffer(dtype, 1), *b = new_buffer(dtype, 2), *c = new_buffer(dtype, 3);
        const double *factor = factors[i % 5];
        check_product(dtype, m, n, k, factor[0], factor[1], lay(i % LAYOUTS, a, m, k),
                      lay(i / LAYOUTS % LAYOUTS, b, k, n), lay(i / LAYOUTS / LAYOUTS, c, m, n));
        free(a);
        free(b);
        free(c);
    }
}

static const struct {
    int64_t m, n, k;
} sizes[] = {
    {1, 1, 1}, {1, 7, 5},   {6, 1, 4},    {5, 6, 1},   {1, 9, 1},   {8, 1, 1}, {2, 33, 17},
    {8, 8, 8}, {9, 10, 11}, {50, 64, 37}, {3, 2, 300}, {70, 3, 20}, {4, 5, 0},
};

START_TEST(products_follow_the_definition)
{
    check_size(REEL_F32, sizes[_i].m, sizes[_i].n, sizes[_i].k);
    check_size(REEL_F64, sizes[_i].m, sizes[_i].n, sizes[_i].k);
}
END_TEST

START_TEST(strides_that_let_elements_coincide)
{
    void *a = new_buffer(REEL_F32, 4), *b = new_buffer(REEL_F32, 5), *c = new_buffer(REEL_F32, 6);
    view dense = {c, 0, 9, 1};
    check_product(REEL_F32, 6, 9, 8, 1, 0, (view){a, 0, 1, 1}, (view){b, 0, 9, 1}, dense);
    check_product(REEL_F32, 6, 9, 8, 1, 0, (view){a, 0, 0, 1}, (view){b, 0, 1, 0}, dense);
    check_product(REEL_F32, 6, 9, 8, 1, 0, (view){a, 0, 0, 0}, (view){b, 0, 0, 0}, dense);
    check_product(REEL_F32, 6, 9, 8, 1, 1, (view){a, 3, 2, 3}, (view){b, 7, 2, 1}, dense);
    /* a stride that is never taken may be anything */
    check_product(REEL_F32, 1, 9, 8, 1, 0, (view){a, 0, 0, 1}, (view){b, 0, 9, 1},
                  (view){c, 0, -7, 1});
    check_product(REEL_F32, 6, 1, 8, 1, 0, (view){a, 0, 8, 1}, (view){b, 0, 1, 1},
                  (view){c, 0, 1, 0});
    check_product(REEL_F32, 6, 9, 1, 1, 1, (view){a, 0, 1, 1}, (view){b, 0, 0, 1}, dense);
    free(a);
    free(b);
    free(c);
}
END_TEST

START_TEST(beta_zero_does_not_read)
{
    for (int64_t m = 1; m < 40; m += 13) {
        for (int64_t k = 0; k < 3; k++) {
            float a[80], b[80], c[1600];
            for (int i = 0; i < 80; i++) {
                a[i] = b[i] = 1;
            }
            for (int i = 0; i < 1600; i++) {
                c[i] = NAN;
            }
            reel_gemm(REEL_F32, m, m, k, 1, a, k, 1, b, m, 1, 0, c, m, 1);
            for (int64_t i = 0; i < m * m; i++) {
                ck_assert(c[i] == (float)k);
            }
            ck_assert(isnan(c[m * m]));
        }
    }
}
END_TEST

START_TEST(nothing_to_do)
{
    float a[4] = {1, 2, 3, 4}, c[4] = {5, 6, 7, 8};
    reel_gemm(REEL_F32, 0, 2, 2, 1, a, 2, 1, a, 2, 1, 0, c, 2, 1);
    reel_gemm(REEL_F32, 2, -1, 2, 1, a, 2, 1, a, 2, 1, 0, c, 2, 1);
    reel_gemm(REEL_I32, 2, 2, 2, 1, a, 2, 1, a, 2, 1, 0, c, 2, 1);
    reel_gemm((reel_dtype)77, 2, 2, 2, 1, a, 2, 1, a, 2, 1, 0, c, 2, 1);
    ck_assert(c[0] == 5 && c[1] == 6 && c[2] == 7 && c[3] == 8);
}
END_TEST

typedef struct job {
    float a[48 * 40], b[40 * 56], c[48 * 56];
} job;

static void *multiply(void *data)
{
    job *j = data;
    for (int run = 0; run < 50; run++) {
        reel_gemm(REEL_F32, 48, 56, 40, 1, j->a, 40, 1, j->b, 56, 1, 0, j->c, 56, 1);
    }
    return NULL;
}

START_TEST(threads_do_not_disturb_each_other)
{
    enum { THREADS = 4 };
    job *jobs = calloc(THREADS, sizeof *jobs);
    pthread_t thread[THREADS];
    ck_assert_ptr_nonnull(jobs);
    for (int i = 0; i < THREADS; i++) {
        for (uint64_t l = 0; l < sizeof jobs[i].a / sizeof(float); l++) {
            jobs[i].a[l] = (float)element(l);
        }
        for (uint64_t l = 0; l < sizeof jobs[i].b / sizeof(float); l++) {
            jobs[i].b[l] = (float)element(l + 10000);
        }
        ck_assert_int_eq(pthread_create(&thread[i], NULL, multiply, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_mem_eq(jobs[i].c, jobs[0].c, sizeof jobs[0].c);
    }
    ck_assert(jobs[0].c[0] != 0);
    free(jobs);
}
END_TEST

START_TEST(info_is_complete)
{
    reel_blas info = {.version = NULL};
    reel_blas_info(&info);
    ck_assert_ptr_nonnull(info.version);
    ck_assert_uint_gt(strlen(info.version), 0);
    ck_assert_uint_gt(strlen(info.architecture), 0);
    ck_assert_uint_gt(strlen(info.message), 0);
    ck_assert_ptr_null(strchr(info.message, '\n'));
}
END_TEST

#if defined(__x86_64__)
enum {
    AVX2 = REEL__CPU_SSE3 | REEL__CPU_SSSE3 | REEL__CPU_AVX | REEL__CPU_AVX2 | REEL__CPU_FMA,
    AVX512 = AVX2 | REEL__CPU_AVX512
};

static const struct {
    reel__cpu cpu;
    const char *set;
} processors[] = {
    {{.name = "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz",
      .vendor = "GenuineIntel",
      .features = AVX512},
     NULL},
    {{.name = "Intel(R) Xeon(R) Silver 4110 CPU @ 2.10GHz",
      .vendor = "GenuineIntel",
      .features = AVX512},
     NULL},
    {{.name = "11th Gen Intel(R) Core(TM) i7-1165G7", .vendor = "GenuineIntel", .features = AVX512},
     NULL},
    {{.name = "Intel(R) Xeon(R) Processor", .vendor = "GenuineIntel", .features = AVX512}, "skx"},
    {{.name = "Intel(R) Xeon(R) Processor", .vendor = "GenuineIntel", .features = AVX2}, NULL},
    {{.name = "Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz",
      .vendor = "GenuineIntel",
      .features = AVX512},
     "skx"},
    {{.name = "Intel(R) Xeon(R) Silver 4310", .vendor = "GenuineIntel", .features = AVX512}, "skx"},
    {{.name = "Intel(R) Xeon(R) Platinum 8358", .vendor = "GenuineIntel", .features = AVX512},
     NULL},
    {{.vendor = "AuthenticAMD", .family = 0x17, .features = AVX2}, NULL},
    {{.vendor = "AuthenticAMD", .family = 0x19, .features = AVX512}, NULL},
    {{.vendor = "AuthenticAMD", .family = 0x1a, .features = AVX512}, "skx"},
    {{.vendor = "AuthenticAMD", .family = 0x1a, .features = AVX2}, "zen3"},
    {{.vendor = "AuthenticAMD", .family = 0x1a, .features = REEL__CPU_AVX}, NULL},
    {{.vendor = "HygonGenuine", .family = 0x18, .features = AVX2}, "haswell"},
    {{.vendor = "CentaurHauls", .family = 7, .features = AVX512}, "skx"},
    {{.vendor = "", .family = 0, .features = 0}, NULL},
};

START_TEST(unknown_processors_get_better_kernels)
{
    reel_blas info;
    reel_blas_info(&info);
    if (strncmp(info.version, "0.9.", 4) != 0) {
        return; /* other releases know other processors */
    }
    const char *set = reel__blas_better(&processors[_i].cpu);
    if (processors[_i].set == NULL) {
        ck_assert_ptr_null(set);
    } else {
        ck_assert_ptr_nonnull(set);
        ck_assert_str_eq(set, processors[_i].set);
    }
}
END_TEST
#endif

START_TEST(features_as_text)
{
    char text[64];
    reel__cpu_features_text(REEL__CPU_AVX2 | REEL__CPU_FMA | REEL__CPU_SSE3, text, sizeof text);
    ck_assert_str_eq(text, "sse3 fma avx2");
    reel__cpu_features_text(0, text, sizeof text);
    ck_assert_str_eq(text, "");
    reel__cpu_features_text(REEL__CPU_AVX2 | REEL__CPU_SSE3, text, 7);
    ck_assert_str_eq(text, "sse3 a");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("blas");
    TCase *products = tcase_create("products");
    tcase_add_loop_test(products, products_follow_the_definition, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(products, strides_that_let_elements_coincide);
    tcase_add_test(products, beta_zero_does_not_read);
    tcase_add_test(products, nothing_to_do);
    tcase_add_test(products, threads_do_not_disturb_each_other);
    suite_add_tcase(suite, products);
    TCase *choice = tcase_create("choice");
    tcase_add_test(choice, info_is_complete);
    tcase_add_test(choice, features_as_text);
#if defined(__x86_64__)
    tcase_add_loop_test(choice, unknown_processors_get_better_kernels, 0,
                        sizeof processors / sizeof *processors);
#endif
    suite_add_tcase(suite, choice);
    return suite_run(suite);
}
