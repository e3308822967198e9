/* Job: run independent units of work on several threads. The one file that knows about threads.
 * Invariant: the cut into ranges depends on the number of threads, the results never do, since a unit is
 * computed alike whoever computes it.
 * Must not know: what the units are. */
#include "threads.h"

#ifdef _OPENMP
#include <omp.h>
#include <pthread.h>

/* A region run in a forked child hangs under libgomp once the parent has run one: its pool of threads is
 * not in the child. Giving the pool up before the fork cures it. */
static void before_fork(void)
{
    omp_pause_resource_all(omp_pause_soft);
}

static void at_first_use(void)
{
    pthread_atfork(before_fork, NULL, NULL);
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
#pragma omp parallel num_threads(threads)
    {
        int64_t n = omp_get_num_threads(), k = omp_get_thread_num();
        int64_t begin = units / n * k + (units % n < k ? units % n : k);
        int64_t end = begin + units / n + (k < units % n);
        if (begin < end) {
            body(context, begin, end);
        }
    }
}

#else

void reel__parallel(int threads, int64_t units, reel__body *body, void *context)
{
    (void)threads;
    body(context, 0, units);
}

#endif
