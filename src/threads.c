/* Job: run independent units of work on several threads. The one file that knows about threads.
 * Invariant: the cut into ranges depends on the number of threads, the results never do, since a
 * unit is computed alike whoever computes it. Must not know: what the units are. */
#include "threads.h"

#if defined(_OPENMP)
#include <omp.h>
#elif defined(REEL_HAVE_LIBGOMP)
/* clang's own OpenMP would load libomp beside the libgomp that BLIS brings; these are libgomp's. */
int omp_get_num_threads(void);
int omp_get_thread_num(void);
int omp_pause_resource_all(int kind);
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
enum { omp_pause_soft = 1 };
#endif

#if defined(_OPENMP) || defined(REEL_HAVE_LIBGOMP)
#include <pthread.h>

typedef struct region {
    reel__body *body;
    void *context;
    int64_t units;
} region;

/* A region run in a forked child hangs under libgomp once the parent has run one: its pool of
 * threads is not in the child. Giving the pool up before the fork cures it. */
static void before_fork(void)
{
    omp_pause_resource_all(omp_pause_soft);
}

static void at_first_use(void)
{
    pthread_atfork(before_fork, NULL, NULL);
}

/* What each thread of a region runs. */
static void run_part(void *data)
{
    const region *r = data;
    int64_t n = omp_get_num_threads(), k = omp_get_thread_num();
    int64_t share = r->units / n, rest = r->units % n;
    int64_t begin = share * k + (rest < k ? rest : k);
    int64_t end = begin + share + (k < rest);
    if (begin < end) {
        r->body(r->context, begin, end);
    }
}

static void run_region(int threads, region *r)
{
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
    run_part(r);
#else
    GOMP_parallel(run_part, r, (unsigned)threads, 0);
#endif
}

void reel__parallel(int threads, int64_t units, reel__body *body, void *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (threads > units) {
        threads = (int)units;
    }
    if (threads <= 1) {
        body(context, 0, units);
        return;
    }
    pthread_once(&once, at_first_use);
    run_region(threads, &(region){.body = body, .context = context, .units = units});
}

const char *reel__threads_kind(void)
{
#ifdef _OPENMP
    return "OpenMP";
#else
    return "libgomp";
#endif
}

#else

void reel__parallel(int threads, int64_t units, reel__body *body, void *context)
{
    (void)threads;
    body(context, 0, units);
}

const char *reel__threads_kind(void)
{
    return "none";
}

#endif
