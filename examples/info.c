/* reel-info: what this build of Reel is, what it found on this machine, and how fast matrix
 * products are. */
#include <reel/reel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIZE = 1000, RUNS = 7 };

static void usage(FILE *to)
{
    fputs("Usage: reel-info [OPTION]\n"
          "Prints Reel's version, the processor, the vector instructions that are used, which "
          "kernels BLIS\n"
          "uses and why, and the measured rate of matrix products.\n"
          "\n"
          "  --no-bench  do not measure\n"
          "  --help      print this and exit\n"
          "  --version   print the version and exit\n",
          to);
}

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median rate of a SIZE³ product on one thread in GFLOP/s; 0 when memory is out. */
static double gemm_rate(reel_dtype dtype)
{
    const size_t n = SIZE;
    /* All bits zero is 0.0 in both types, and products of zeros take as long as any. */
    char *data = calloc(3 * n * n, reel_dtype_size(dtype));
    double rate[RUNS];
    if (data == NULL) {
        return 0;
    }
    const size_t step = n * n * reel_dtype_size(dtype);
    for (int run = -1; run < RUNS; run++) { /* the first run warms up and does not count */
        double start = seconds();
        reel_gemm(dtype, SIZE, SIZE, SIZE, 1, data, SIZE, 1, data + step, SIZE, 1, 0,
                  data + 2 * step, SIZE, 1);
        double taken = seconds() - start;
        if (run >= 0) {
            rate[run] = taken > 0 ? 2e-9 * SIZE * SIZE * SIZE / taken : 0;
        }
    }
    free(data);
    qsort(rate, RUNS, sizeof rate[0], by_value);
    return rate[RUNS / 2];
}

static void print_rate(const char *name, reel_dtype dtype)
{
    double rate = gemm_rate(dtype);
    if (rate > 0) {
        printf("%-10s %.1f GFLOP/s on one core (median of %d, %d x %d x %d)\n", name, rate, RUNS,
               SIZE, SIZE, SIZE);
    } else {
        printf("%-10s not measured: out of memory\n", name);
    }
}

static void print_info(void)
{
    reel_info info;
    reel_info_get(&info);
    printf("Reel       %s\n", info.version);
    printf("compiler   %s\n", info.compiler);
    printf("CPU        %s\n", info.cpu);
    printf("features   %s\n", info.features[0] ? info.features : "none that kernels are chosen by");
    printf("vectors    %s\n", info.isa);
    printf("threads    %s, %d %s\n", info.threads, info.cores, info.cores == 1 ? "core" : "cores");
    printf("BLIS       %s\n", info.blas.version);
    printf("kernels    %s: %s\n", info.blas.architecture, info.blas.message);
    printf("dot        %s\n",
           info.dot ? "found" : "not found: no .svg, .png or .pdf drawings (graphviz)");
    printf("gnuplot    %s\n",
           info.gnuplot ? "found" : "not found: no plots of curves (gnuplot-nox)");
}

int main(int argc, char **argv)
{
    bool bench = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-bench") == 0) {
            bench = false;
        } else if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        } else if (strcmp(argv[i], "--version") == 0) {
            printf("reel-info %s\n", reel_version());
            return 0;
        } else {
            fprintf(stderr, "reel-info: unknown argument: %s\n", argv[i]);
            usage(stderr);
            return 2;
        }
    }
    print_info();
    if (bench) {
        print_rate("sgemm", REEL_F32);
        print_rate("dgemm", REEL_F64);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "reel-info: cannot write: %s\n", strerror(errno));
        return 1;
    }
    return 0;
}
