/* Every unary element-wise op on all 2^32 floats: the largest error in units in the last place, for each
 * instruction set of this machine. Arguments: -s N for every Nth float only, names of ops. */
#include <stdlib.h>

#include <reel/ops.h>

#include "../../src/isa.h"
#include "../ulp.h"

static ulp_worst scan_all(const reel_op *op, uint32_t step)
{
    const int64_t blocks = (((int64_t)1 << 32) / step + ULP_BLOCK - 1) / ULP_BLOCK;
    ulp_worst worst = {.error = 0};
#pragma omp parallel
    {
        ulp_worst mine = {.error = 0};
#pragma omp for schedule(dynamic, 256)
        for (int64_t b = 0; b < blocks; b++) {
            ulp_scan(op, (uint32_t)(b * ULP_BLOCK * step), step, &mine);
        }
#pragma omp critical
        if (mine.error > worst.error) {
            worst = mine;
        }
    }
    return worst;
}

static bool wanted(const reel_op *op, int n, char **names)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], op->name) == 0) {
            return true;
        }
    }
    return n == 0 && ulp_measurable(op);
}

int main(int argc, char **argv)
{
    int first = 1;
    unsigned long step = 1;
    if (argc > 2 && strcmp(argv[1], "-s") == 0) {
        step = strtoul(argv[2], NULL, 10);
        first = 3;
    }
    if (step < 1 || step > 1000000) {
        fprintf(stderr, "ulp: -s %s: expected 1 to 1000000\n", argv[2]);
        return 2;
    }
    int failed = 0;
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        if (!wanted(*op, argc - first, argv + first)) {
            continue;
        }
        for (int isa = 0; isa <= (int)reel__isa_best(); isa++) {
            reel__isa_force((reel_isa)isa);
            ulp_worst w = scan_all(*op, (uint32_t)step);
            bool good = w.error <= ULP_BOUND;
            printf("%-14s %-9s %8.3g ulp%s  at x = %-14.9g %.9g, expected %.9g\n", (*op)->name,
                   reel_isa_name((reel_isa)isa), w.error, good ? "" : " TOO FAR", (double)w.x,
                   (double)w.got, w.want);
            fflush(stdout);
            failed += !good;
        }
    }
    return failed > 0;
}
