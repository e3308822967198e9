/* What the benchmarks share: a clock and medians, the large sgemm that rates are compared with,
 * tapes, and options. */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <reel/reel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Time */

static inline double bench_read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What times are measured by: --cpu-time changes it. */
static inline clockid_t *bench_clock(void)
{
    static clockid_t clock = CLOCK_MONOTONIC;
    return &clock;
}

static inline double bench_seconds(void)
{
    return bench_read_clock(*bench_clock());
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median; sorts v. */
static inline double bench_median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, bench_compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Measurements of one quantity; what comes after the last place is dropped. */
typedef struct bench_samples {
    size_t n;
    double v[1000];
} bench_samples;

static inline void bench_add(bench_samples *s, double value)
{
    if (s->n < sizeof s->v / sizeof s->v[0]) {
        s->v[s->n++] = value;
    }
}

/* The median; 0 without measurements. */
static inline double bench_middle(bench_samples *s)
{
    return s->n ? bench_median(s->v, s->n) : 0;
}

/* Memory and errors */

/* Stops with the tape's message. */
#define BENCH_CHECK(tape, status)                             \
    do {                                                      \
        if (status) {                                         \
            fprintf(stderr, "%s\n", reel_tape_message(tape)); \
            exit(1);                                          \
        }                                                     \
    } while (0)

/* Memory for n things of that size, all zero; stops where there is none. */
static inline void *bench_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* n normal numbers, times `scale`, from that stream. */
static inline float *bench_normal(size_t n, double scale, uint64_t stream)
{
    float *v = bench_alloc(n, sizeof *v);
    reel_random random = reel_random_new(1, stream);
    for (size_t i = 0; i < n; i++) {
        v[i] = (float)(scale * reel_random_normal(&random));
    }
    return v;
}

/* Matrix products */

enum { BENCH_LARGE = 2000 };

/* GFLOP/s of [m, k] x [k, n] in f32 on one core, all of them at most BENCH_LARGE: one measurement
 * over at least one product and 0.1 GFLOP. */
static inline double bench_gemm(int64_t m, int64_t n, int64_t k)
{
    static float *data;
    const int64_t size = (int64_t)BENCH_LARGE * BENCH_LARGE;
    if (!data) {
        data = bench_normal(3 * (size_t)size, 1, 0);
    }
    int64_t passes = 1 + 50000000 / (m * n * k);
    double start = bench_seconds();
    for (int64_t p = 0; p < passes; p++) {
        reel_gemm(REEL_F32, m, n, k, 1, data, k, 1, data + size, n, 1, 0, data + 2 * size, n, 1);
    }
    return 2e-9 * (double)(m * n * k * passes) / (bench_seconds() - start);
}

/* All rates of the large product in this run, and for how much of that time it had a core. */
typedef struct bench_large {
    bench_samples rate;
    double seconds, on_core;
} bench_large;

static inline bench_large *bench_sgemm_all(void)
{
    static bench_large all;
    return &all;
}

/* GFLOP/s of one large product, what ratios are taken to. Called between the measurements, since
 * a machine's speed changes during a run. */
static inline double bench_sgemm(void)
{
    bench_large *all = bench_sgemm_all();
    if (!all->rate.n) {
        bench_gemm(BENCH_LARGE, BENCH_LARGE, BENCH_LARGE); /* warms up */
    }
    double start = bench_read_clock(CLOCK_MONOTONIC);
    double before = bench_read_clock(CLOCK_PROCESS_CPUTIME_ID);
    double rate = bench_gemm(BENCH_LARGE, BENCH_LARGE, BENCH_LARGE);
    all->on_core += bench_read_clock(CLOCK_PROCESS_CPUTIME_ID) - before;
    all->seconds += bench_read_clock(CLOCK_MONOTONIC) - start;
    bench_add(&all->rate, rate);
    return rate;
}

/* Tells what it was over the whole run. */
static inline void bench_sgemm_print(void)
{
    bench_large *all = bench_sgemm_all();
    bench_samples *rate = &all->rate;
    double median = bench_middle(rate); /* sorts */
    reel_blas blas;
    reel_blas_info(&blas);
    printf("sgemm %d^3, one core: median %.1f, best %.1f GFLOP/s of %zu; BLIS %s, %s kernels\n",
           BENCH_LARGE, median, rate->n ? rate->v[rate->n - 1] : 0, rate->n, blas.version,
           blas.architecture);
    if (all->on_core < 0.98 * all->seconds) {
        printf("the machine was busy: a core was to be had for %.0f %% of the time%s\n",
               100 * all->on_core / all->seconds,
               *bench_clock() == CLOCK_MONOTONIC ? "" : ", and the rest was not counted");
    }
}

/* Options */

/* An option of a program. */
typedef struct bench_option {
    const char *name;  /* such as "--rows" */
    const char *value; /* what its value is called; NULL: it has none */
    const char *help;
    const char **text; /* gets the value, or the name of an option without one */
} bench_option;

/* What all programs understand. */
typedef struct bench_settings {
    const char *program;
    int threads;
    bool quick;
} bench_settings;

/* Stops with status 2: the one message that a wrong option deserves. */
#define bench_reject(settings, ...)                    \
    do {                                               \
        fprintf(stderr, "%s: ", (settings)->program);  \
        fprintf(stderr, __VA_ARGS__);                  \
        fputs("; --help lists the options\n", stderr); \
        exit(2);                                       \
    } while (0)

/* The number at the start of *text, which moves behind it; from 1 to `most`, else 0. */
static inline int bench_number(const char **text, int most)
{
    char *end;
    errno = 0;
    long n = **text >= '0' && **text <= '9' ? strtol(*text, &end, 10) : 0;
    if (errno || n < 1 || n > most) {
        return 0;
    }
    *text = end;
    return (int)n;
}

/* Whether a name is one of those in a list with commas; NULL lists everything. */
static inline bool bench_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    while (list) {
        size_t n = strcspn(list, ",");
        if (n == length && memcmp(list, name, n) == 0) {
            return true;
        }
        list = list[n] ? list + n + 1 : NULL;
        if (!list) {
            return false;
        }
    }
    return true;
}

/* Rejects a list that names what is not one of the n names. */
static inline void bench_check_list(const bench_settings *settings, const char *option,
                                    const char *list, int n, const char *const *name)
{
    int known = 0, asked = 1;
    char names[200] = "";
    for (int i = 0; i < n; i++) {
        known += list && bench_listed(list, name[i]);
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name[i]);
    }
    for (const char *p = list; p && *p; p++) {
        asked += *p == ',';
    }
    if (list && known != asked) {
        bench_reject(settings, "%s '%s': expected some of %s, with commas between", option, list,
                     names);
    }
}

/* A tape of the executor that was asked for. */
static inline reel_tape *bench_tape(int threads)
{
    reel_tape *tape = reel_tape_new(threads);
    BENCH_CHECK(tape, reel_tape_status(tape));
    return tape;
}

/* Tapes for one thread, and for as many as were asked for. */
enum { BENCH_ONE, BENCH_MANY, BENCH_TAPES };

/* Makes them; the second only if it is another. Returns how many there are. */
static inline int bench_tapes(const bench_settings *settings, reel_tape **tape)
{
    tape[BENCH_ONE] = bench_tape(1);
    if (settings->threads == 1) {
        return 1;
    }
    tape[BENCH_MANY] = bench_tape(settings->threads);
    return BENCH_TAPES;
}

static inline void bench_tapes_free(reel_tape *const *tape, int n)
{
    for (int i = 0; i < n; i++) {
        reel_tape_free(tape[i]);
    }
}

static inline void bench_help(const bench_settings *settings, const char *what, int n,
                              const bench_option *options)
{
    printf("Usage: %s [OPTION]...\n%s\n\n", settings->program, what);
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        printf("  %-18s %s\n", name, options[i].help);
    }
}

/* The executor is chosen as the library's users choose it, so that it alone knows their names. */
static inline void bench_choose_executor(const bench_settings *settings, const char *name)
{
    if (!name) {
        return;
    }
    setenv("REEL_EXECUTOR", name, 1);
    reel_tape *tape = reel_tape_new(1);
    if (reel_tape_status(tape)) {
        const char *message = reel_tape_message(tape), *place = strstr(message, ": ");
        bench_reject(settings, "--executor '%s': %s", name, place ? place + 2 : message);
    }
    reel_tape_free(tape);
}

/* Reads the options of all programs and `n` of this one's own, which `what` describes. */
static inline bench_settings bench_options(int argc, char **argv, const char *what, int n,
                                           const bench_option *own)
{
    enum { COMMON = 5, MOST = 16 };
    const char *threads = "1", *quick = NULL, *executor = NULL, *cpu = NULL, *help = NULL;
    const bench_option common[COMMON] = {
        {"--threads", "N", "threads to measure with (1)", &threads},
        {"--executor", "NAME", "the engine that computes values, as in REEL_EXECUTOR", &executor},
        {"--cpu-time", NULL, "count time on a core only: one thread on a busy machine", &cpu},
        {"--quick", NULL, "fewer repetitions", &quick},
        {"--help", NULL, "print this and exit", &help},
    };
    bench_option option[MOST];
    for (int i = 0; i < n + COMMON; i++) {
        option[i] = i < n ? own[i] : common[i - n];
    }
    n += COMMON;
    const char *slash = strrchr(argv[0], '/');
    bench_settings s = {.program = slash ? slash + 1 : argv[0]};
    for (int a = 1; a < argc; a++) {
        int i = 0;
        while (i < n && strcmp(argv[a], option[i].name) != 0) {
            i++;
        }
        if (i == n) {
            bench_reject(&s, "unknown argument '%s'", argv[a]);
        }
        if (option[i].value && ++a == argc) {
            bench_reject(&s, "%s needs a value", option[i].name);
        }
        *option[i].text = option[i].value ? argv[a] : option[i].name;
    }
    if (help) {
        bench_help(&s, what, n, option);
        exit(0);
    }
    const char *end = threads;
    s.threads = bench_number(&end, 64);
    if (!s.threads || *end) {
        bench_reject(&s, "--threads '%s': expected a number from 1 to 64", threads);
    }
    if (cpu && s.threads > 1) {
        bench_reject(&s, "--cpu-time is for one thread");
    }
    *bench_clock() = cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    s.quick = quick != NULL;
    bench_choose_executor(&s, executor);
    return s;
}

#endif
