/* Job: collect what this build is and what the machine offers.
 * Invariant: only looks; nothing is changed but that BLIS is started.
 * Must not know: tapes, nodes, ops. */
#include <reel/info.h>

#include "cpu.h"
#include "isa.h"
#include "threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

static bool runnable(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0;
}

bool reel_program_exists(const char *name)
{
    const char *path = getenv("PATH");
    if (name == NULL || *name == 0 || path == NULL) {
        return false;
    }
    for (;;) {
        char file[4096];
        size_t length = strcspn(path, ":");
        int written = snprintf(file, sizeof file, "%.*s%s%s", (int)(length < 4096 ? length : 4096),
                               path, length > 0 ? "/" : "./", name);
        if (written > 0 && (size_t)written < sizeof file && runnable(file)) {
            return true;
        }
        if (path[length] == 0) {
            return false;
        }
        path += length + 1;
    }
}

void reel_info_get(reel_info *out)
{
    reel__cpu cpu;
    reel__cpu_query(&cpu);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *out = (reel_info){
        .version = reel_version(),
        .compiler = COMPILER,
        .threads = reel__threads_kind(),
        .isa = reel_isa_name(reel_isa_used()),
        .cores = cores > 0 ? (int)cores : 1,
        .dot = reel_program_exists("dot"),
        .gnuplot = reel_program_exists("gnuplot"),
    };
    snprintf(out->cpu, sizeof out->cpu, "%s", cpu.name);
    reel__cpu_features_text(cpu.features, out->features, sizeof out->features);
    reel_blas_info(&out->blas);
}
