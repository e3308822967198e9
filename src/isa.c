/* Job: choose the vector instruction set that kernels run on.
 * Invariant: the choice is one that processor and system can run, and is made once.
 * Must not know: what kernels there are, tapes, nodes. */
#include "isa.h"

#include "cpu.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int used = -1; /* -1: not yet chosen */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *const names[REEL_ISAS] = {"baseline", "avx2", "avx512"};

const char *reel_isa_name(reel_isa isa)
{
    return (unsigned)isa < REEL_ISAS ? names[isa] : "unknown";
}

reel_isa reel__isa_best(void)
{
#if defined __x86_64__ && defined __GNUC__
    const unsigned avx2 = REEL__CPU_AVX | REEL__CPU_AVX2 | REEL__CPU_FMA;
    reel__cpu cpu;
    reel__cpu_query(&cpu);
    if ((cpu.features & avx2) == avx2) {
        return cpu.features & REEL__CPU_AVX512 ? REEL_ISA_AVX512 : REEL_ISA_AVX2;
    }
#endif
    return REEL_ISA_BASELINE;
}

static reel_isa obey(const char *wanted, reel_isa best)
{
    for (int isa = 0; isa < REEL_ISAS; isa++) {
        if (strcmp(wanted, names[isa]) != 0) {
            continue;
        }
        if (isa <= (int)best) {
            return (reel_isa)isa;
        }
        fprintf(stderr, "reel: REEL_ISA=%s: this machine cannot run it; %s is used\n", wanted,
                names[best]);
        return best;
    }
    fprintf(stderr, "reel: REEL_ISA=%s: expected baseline, avx2 or avx512; %s is used\n", wanted,
            names[best]);
    return best;
}

static void choose(void)
{
    const char *wanted = getenv("REEL_ISA");
    reel_isa best = reel__isa_best();
    atomic_store(&used, (int)(wanted ? obey(wanted, best) : best));
}

reel_isa reel_isa_used(void)
{
    int isa = atomic_load_explicit(&used, memory_order_relaxed);
    if (isa < 0) {
        pthread_once(&once, choose);
        isa = atomic_load(&used);
    }
    return (reel_isa)isa;
}

void reel__isa_force(reel_isa isa)
{
    (void)reel_isa_used();
    atomic_store(&used, (int)isa);
}
