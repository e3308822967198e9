/* Matrix products of the sizes that recurrent networks need: GFLOP/s by reel_gemm and with the
 * right matrix packed before (+=: by what gradients of weights go through), and the ratios to a
 * large product. The processor's time is measured, in rounds of all three after each other: rates
 * are medians, ratios medians of the rounds' ratios.
 */
#include <reel/blas.h>
#include <reel/reel.h>

#include "bench.h"
#include "panels.h"

#include <string.h>

enum { LARGE = 1000, ROUNDS = 7, PACKED = 0, PLAIN = 1, RUN = 40000000 };

typedef struct shape {
    int64_t m, k, n;
    bool tall; /* A is read transposed and C is added to, as for the gradients of weights */
} shape;

static const shape shapes[] = {
    {1, 64, 256, false},      {1, 128, 512, false},      {1, 512, 2048, false},
    {2, 128, 512, false},     {4, 128, 512, false},      {16, 128, 512, false},
    {16, 256, 1024, false},   {16, 512, 2048, false},    {16, 512, 128, false},
    {16, 1024, 256, false},   {16, 2048, 512, false},    {32, 128, 512, false},
    {32, 256, 1024, false},   {32, 512, 2048, false},    {32, 512, 128, false},
    {32, 1024, 256, false},   {32, 2048, 512, false},    {50, 128, 512, false},
    {50, 256, 1024, false},   {50, 512, 2048, false},    {50, 512, 128, false},
    {50, 1024, 256, false},   {50, 2048, 512, false},    {64, 128, 512, false},
    {64, 256, 1024, false},   {64, 512, 2048, false},    {64, 512, 128, false},
    {64, 1024, 256, false},   {64, 2048, 512, false},    {1600, 128, 512, false},
    {1600, 256, 1024, false}, {1600, 512, 2048, false},  {1600, 512, 128, false},
    {1600, 1024, 256, false}, {1600, 2048, 512, false},  {512, 1600, 128, true},
    {512, 512, 128, true},    {1024, 256, 256, true},    {1024, 1600, 256, true},
    {2048, 1600, 512, true},  {2000, 2000, 2000, false},
};

static void *memory(size_t bytes)
{
    void *block = aligned_alloc(128, (bytes + 255) / 128 * 128);
    if (block == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    memset(block, 0, bytes + 1);
    return block;
}

typedef struct job {
    reel_dtype dtype;
    shape s;
    void *a, *b, *c, *panels, *scratch;
} job;

static void fill(reel_dtype dtype, void *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double v = (double)(i * 2654435761U % 1000003) / 1000003 - 0.5;
        if (dtype == REEL_F32) {
            ((float *)x)[i] = (float)v;
        } else {
            ((double *)x)[i] = v;
        }
    }
}

/* C += Aᵀ B; `a`, `b`: where the addresses of A and B stand. */
static reel__side side_of(const job *j, const char *const *b)
{
    return (reel__side){.b = b,
                        .row = j->s.n,
                        .column = 1,
                        .right = j->s.n,
                        .accumulate = true,
                        .c = j->c,
                        .c_row = j->s.n,
                        .c_column = 1};
}

static reel__tall tall_of(const job *j, const char *const *a, const reel__side *side)
{
    return (reel__tall){.dtype = j->dtype,
                        .m = j->s.m,
                        .k = j->s.k,
                        .count = 1,
                        .a = a,
                        .a_row = j->s.m,
                        .a_column = 1,
                        .side = side,
                        .sides = 1};
}

static job new_job(reel_dtype dtype, shape s)
{
    size_t size = dtype == REEL_F32 ? sizeof(float) : sizeof(double);
    job j = {dtype, s, NULL, NULL, NULL, NULL, NULL};
    j.a = memory((size_t)(s.m * s.k) * size);
    j.b = memory((size_t)(s.k * s.n) * size);
    j.c = memory((size_t)(s.m * s.n) * size);
    fill(dtype, j.a, s.m * s.k);
    fill(dtype, j.b, s.k * s.n);
    j.panels = memory(reel__panels_bytes(dtype, s.k, s.n));
    reel__side side = side_of(&j, NULL);
    reel__tall t = tall_of(&j, NULL, &side);
    j.scratch = memory(s.tall ? reel__tall_scratch(&t) : reel__panels_scratch(dtype, s.m, s.k));
    reel__panels_pack(dtype, s.k, s.n, j.b, s.n, 1, j.panels);
    return j;
}

static void free_job(const job *j)
{
    free(j->a);
    free(j->b);
    free(j->c);
    free(j->panels);
    free(j->scratch);
}

static void run(const job *j, int how)
{
    const shape *s = &j->s;
    int64_t row = s->tall ? 1 : s->k, column = s->tall ? s->m : 1;
    if (how == PACKED && s->tall) {
        const char *a = j->a, *b = j->b;
        reel__side side = side_of(j, &b);
        reel__tall t = tall_of(j, &a, &side);
        reel__tall_multiply(&t, 0, s->m, j->scratch);
    } else if (how == PACKED) {
        reel__panels_multiply(j->dtype, s->m, s->n, s->k, j->a, row, column, j->panels, 0, s->n,
                              false, j->c, s->n, 1, j->scratch);
    } else {
        reel_gemm(j->dtype, s->m, s->n, s->k, 1, j->a, row, column, j->b, s->n, 1, s->tall, j->c,
                  s->n, 1);
    }
}

static double work(shape s)
{
    return 2.0 * (double)s.m * (double)s.n * (double)s.k;
}

/* Of this thread alone: other programs may have the core in between. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* GFLOP/s, of `times` runs in a row, after one that warms the caches if there are several. */
static double rate(const job *j, int how, int times)
{
    if (times > 1) {
        run(j, how);
    }
    double start = seconds();
    for (int i = 0; i < times; i++) {
        run(j, how);
    }
    return work(j->s) * times / (seconds() - start) * 1e-9;
}

static void report(reel_dtype dtype, shape s, const job *large)
{
    job j = new_job(dtype, s);
    int times = (int)(RUN / work(s)) + 2;
    double v[2][ROUNDS], ratio[2][ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        double of_large = rate(large, PLAIN, 1);
        for (int how = 0; how < 2; how++) {
            v[how][r] = rate(&j, how, times);
            ratio[how][r] = v[how][r] / of_large;
        }
    }
    printf("%5d %5d %5d%s", (int)s.m, (int)s.k, (int)s.n, s.tall ? " +=" : "   ");
    for (int how = PLAIN; how >= PACKED; how--) {
        printf("  %8.1f %6.2f", bench_median(v[how], ROUNDS), bench_median(ratio[how], ROUNDS));
    }
    printf("\n");
    free_job(&j);
}

static void report_all(reel_dtype dtype)
{
    job large = new_job(dtype, (shape){LARGE, LARGE, LARGE, false});
    printf("\n%s, large: %.1f\n%5s %5s %5s     %8s %6s  %8s %6s\n", reel_dtype_name(dtype),
           rate(&large, PLAIN, 1), "m", "k", "n", "gemm", "ratio", "packed", "ratio");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        report(dtype, shapes[i], &large);
    }
    free_job(&large);
}

int main(void)
{
    reel_blas info;
    reel_blas_info(&info);
    printf("GFLOP/s on one core and ratios to a large product (%d cubed); BLIS %s, %s\n", LARGE,
           info.version, info.architecture);
    report_all(REEL_F32);
    report_all(REEL_F64);
    return 0;
}
