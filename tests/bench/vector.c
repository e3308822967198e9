/* What an element costs: ns per element of the element-wise kernels, on blocks that stay in the first cache, for
 * each instruction set of this machine and both types. Arguments are names of ops. */
#include <reel/isa.h>
#include <reel/op.h>
#include <reel/ops.h>

#include <string.h>

#include "../../src/isa.h"
#include "bench.h"

enum { N = 512, REPEATS = 9 };

static float x32[3][N], y32[N];
static double x64[3][N], y64[N];
static const double attr[2] = {0.5, 2};

static void run(const reel_op *op, reel_dtype dtype)
{
    if (dtype == REEL_F32) {
        op->map_f32(N, (const float *const[]){x32[0], x32[1], x32[2]}, y32, attr);
    } else {
        op->map_f64(N, (const double *const[]){x64[0], x64[1], x64[2]}, y64, attr);
    }
}

/* Median ns per element, of runs of about a millisecond. */
static double cost(const reel_op *op, reel_dtype dtype)
{
    double v[REPEATS];
    int times = 1;
    for (double start = bench_seconds(); bench_seconds() - start < 1e-3; times++) {
        run(op, dtype);
    }
    for (int i = 0; i < REPEATS; i++) {
        double start = bench_seconds();
        for (int k = 0; k < times; k++) {
            run(op, dtype);
        }
        v[i] = (bench_seconds() - start) * 1e9 / times / N;
    }
    return bench_median(v, REPEATS);
}

static void print_op(const reel_op *op)
{
    printf("%-20s", op->name);
    for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
        for (int isa = 0; isa <= (int)reel__isa_best(); isa++) {
            reel__isa_force((reel_isa)isa);
            printf(" %9.3f", cost(op, (reel_dtype)dtype));
        }
    }
    printf("\n");
}

static void fill(void)
{
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < N; i++) {
            x64[j][i] = 0.1 + 0.8 * ((i * 37 + j * 11) % N) / N;
            x32[j][i] = (float)x64[j][i];
        }
    }
}

int main(int argc, char **argv)
{
    fill();
    printf("ns per element      ");
    for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
        for (int isa = 0; isa <= (int)reel__isa_best(); isa++) {
            printf(" %s %s", dtype == REEL_F32 ? "f32" : "f64", reel_isa_name((reel_isa)isa));
        }
    }
    printf("\n");
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        bool wanted = argc == 1;
        for (int i = 1; i < argc; i++) {
            wanted = wanted || strcmp(argv[i], (*op)->name) == 0;
        }
        if (wanted && ((*op)->flags & REEL_OP_ELEMENTWISE)) {
            print_op(*op);
        }
    }
    return 0;
}
