/* Matrix products of the sizes that recurrent networks need, in GFLOP/s: by reel_gemm, with the
 * right matrix packed before, and a large reel_gemm in the same run, to which the ratios are.
 * Medians of rounds that take turns. */
#include <reel/blas.h>
#include <reel/reel.h>

#include "bench.h"
#include "panels.h"

#include <string.h>

enum { LARGE = 2000, ROUNDS = 15, LARGE_ROUNDS = 5, PACKED = 0, PLAIN = 1 };

typedef struct shape {
    int64_t m, k, n;
    bool tall; /* A is read transposed and C is added to, as for the gradients of weights */
} shape;

static const shape shapes[] = {
    {1, 64, 256, false},      {1, 128, 512, false},     {1, 512, 2048, false},
    {2, 128, 512, false},     {4, 128, 512, false},     {16, 128, 512, false},
    {16, 256, 1024, false},   {16, 512, 2048, false},   {16, 512, 128, false},
    {16, 1024, 256, false},   {16, 2048, 512, false},   {32, 128, 512, false},
    {32, 256, 1024, false},   {32, 512, 2048, false},   {32, 512, 128, false},
    {32, 1024, 256, false},   {32, 2048, 512, false},   {50, 128, 512, false},
    {50, 256, 1024, false},   {50, 512, 2048, false},   {50, 512, 128, false},
    {50, 1024, 256, false},   {50, 2048, 512, false},   {64, 128, 512, false},
    {64, 256, 1024, false},   {64, 512, 2048, false},   {64, 512, 128, false},
    {64, 1024, 256, false},   {64, 2048, 512, false},   {1600, 128, 512, false},
    {1600, 256, 1024, false}, {1600, 512, 2048, false}, {1600, 512, 128, false},
    {1600, 1024, 256, false}, {1600, 2048, 512, false}, {512, 1600, 128, true},
    {1024, 1600, 256, true},  {2048, 1600, 512, true},  {2000, 2000, 2000, false},
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
    j.scratch = memory(reel__panels_scratch(dtype, s.m, s.k));
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
    if (how == PACKED) {
        reel__panels_multiply(j->dtype, s->m, s->n, s->k, j->a, row, column, j->panels, 0, s->n,
                              s->tall, j->c, s->n, 1, j->scratch);
    } else {
        reel_gemm(j->dtype, s->m, s->n, s->k, 1, j->a, row, column, j->b, s->n, 1, s->tall, j->c,
                  s->n, 1);
    }
}

static double work(shape s)
{
    return 2.0 * (double)s.m * (double)s.n * (double)s.k;
}

/* GFLOP/s, of `times` runs in a row. */
static double rate(const job *j, int how, int times)
{
    run(j, how);
    double start = bench_seconds();
    for (int i = 0; i < times; i++) {
        run(j, how);
    }
    return work(j->s) * times / (bench_seconds() - start) * 1e-9;
}

static void report(reel_dtype dtype, shape s, double large)
{
    job j = new_job(dtype, s);
    int times = (int)(1e8 / work(s)) + 1;
    double v[2][ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        for (int how = 0; how < 2; how++) {
            v[how][r] = rate(&j, how, times);
        }
    }
    double packed = bench_median(v[PACKED], ROUNDS), plain = bench_median(v[PLAIN], ROUNDS);
    printf("%5d %5d %5d%s  %8.1f %6.2f  %8.1f %6.2f\n", (int)s.m, (int)s.k, (int)s.n,
           s.tall ? " +=" : "   ", plain, plain / large, packed, packed / large);
    free_job(&j);
}

static double large_rate(reel_dtype dtype)
{
    double v[LARGE_ROUNDS];
    job j = new_job(dtype, (shape){LARGE, LARGE, LARGE, false});
    for (int r = 0; r < LARGE_ROUNDS; r++) {
        v[r] = rate(&j, PLAIN, 1);
    }
    free_job(&j);
    return bench_median(v, LARGE_ROUNDS);
}

int main(void)
{
    reel_blas info;
    reel_blas_info(&info);
    printf("GFLOP/s on one core and ratios to a large product; BLIS %s, %s\n", info.version,
           info.architecture);
    for (int t = 0; t < 2; t++) {
        reel_dtype dtype = t == 0 ? REEL_F32 : REEL_F64;
        double large = large_rate(dtype);
        printf("\n%s, large: %.1f\n%5s %5s %5s     %8s %6s  %8s %6s\n", reel_dtype_name(dtype),
               large, "m", "k", "n", "gemm", "ratio", "packed", "ratio");
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            report(dtype, shapes[i], large);
        }
    }
    return 0;
}
