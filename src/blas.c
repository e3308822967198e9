/* Job: matrix products. The one file that includes BLIS's header.
 * Invariant: BLIS is started once, by choose(), before anything else is asked of it; every call
 * runs on the calling thread.
 * Must not know: tapes, nodes, ops. */
#include <reel/blas.h>

#include "blas.h"
#include "cpu.h"

#include <blis.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel sets that this BLIS contains and what a processor needs to run them. */
typedef struct kernel_set {
    int id;
    unsigned needs;
} kernel_set;

enum {
    AVX2_FMA = REEL__CPU_AVX | REEL__CPU_AVX2 | REEL__CPU_FMA,
    AVX512 = AVX2_FMA | REEL__CPU_AVX512,
    NEWEST_AMD_FAMILY = 0x19 /* that BLIS 0.9 recognises: Zen 3 and 4 */
};

static const kernel_set kernel_sets[] = {
#ifdef BLIS_CONFIG_SKX
    {BLIS_ARCH_SKX, AVX512},
#endif
#ifdef BLIS_CONFIG_KNL
    {BLIS_ARCH_KNL, AVX2_FMA | REEL__CPU_AVX512_KNL},
#endif
#ifdef BLIS_CONFIG_HASWELL
    {BLIS_ARCH_HASWELL, AVX2_FMA},
#endif
#ifdef BLIS_CONFIG_SANDYBRIDGE
    {BLIS_ARCH_SANDYBRIDGE, REEL__CPU_AVX},
#endif
#ifdef BLIS_CONFIG_PENRYN
    {BLIS_ARCH_PENRYN, REEL__CPU_SSE3 | REEL__CPU_SSSE3},
#endif
#ifdef BLIS_CONFIG_ZEN3
    {BLIS_ARCH_ZEN3, AVX2_FMA},
#endif
#ifdef BLIS_CONFIG_ZEN2
    {BLIS_ARCH_ZEN2, AVX2_FMA},
#endif
#ifdef BLIS_CONFIG_ZEN
    {BLIS_ARCH_ZEN, AVX2_FMA},
#endif
#ifdef BLIS_CONFIG_EXCAVATOR
    {BLIS_ARCH_EXCAVATOR, AVX2_FMA},
#endif
#ifdef BLIS_CONFIG_STEAMROLLER
    {BLIS_ARCH_STEAMROLLER, REEL__CPU_AVX | REEL__CPU_FMA | REEL__CPU_FMA4},
#endif
#ifdef BLIS_CONFIG_PILEDRIVER
    {BLIS_ARCH_PILEDRIVER, REEL__CPU_AVX | REEL__CPU_FMA | REEL__CPU_FMA4},
#endif
#ifdef BLIS_CONFIG_BULLDOZER
    {BLIS_ARCH_BULLDOZER, REEL__CPU_AVX | REEL__CPU_FMA4},
#endif
#ifdef BLIS_CONFIG_ARMSVE
    {BLIS_ARCH_ARMSVE, 0},
#endif
#ifdef BLIS_CONFIG_A64FX
    {BLIS_ARCH_A64FX, 0},
#endif
#ifdef BLIS_CONFIG_FIRESTORM
    {BLIS_ARCH_FIRESTORM, 0},
#endif
#ifdef BLIS_CONFIG_THUNDERX2
    {BLIS_ARCH_THUNDERX2, 0},
#endif
#ifdef BLIS_CONFIG_CORTEXA57
    {BLIS_ARCH_CORTEXA57, 0},
#endif
#ifdef BLIS_CONFIG_CORTEXA53
    {BLIS_ARCH_CORTEXA53, 0},
#endif
#ifdef BLIS_CONFIG_CORTEXA15
    {BLIS_ARCH_CORTEXA15, 0},
#endif
#ifdef BLIS_CONFIG_CORTEXA9
    {BLIS_ARCH_CORTEXA9, 0},
#endif
#ifdef BLIS_CONFIG_POWER10
    {BLIS_ARCH_POWER10, 0},
#endif
#ifdef BLIS_CONFIG_POWER9
    {BLIS_ARCH_POWER9, 0},
#endif
#ifdef BLIS_CONFIG_POWER7
    {BLIS_ARCH_POWER7, 0},
#endif
    {BLIS_ARCH_GENERIC, 0},
};

static const char variable[] = "BLIS_ARCH_TYPE";

/* What was chosen: written once, by choose(), which pthread_once runs; BLIS's own state is as
 * global. */
static struct {
    pthread_once_t once;
    reel_blas info;
    int64_t few; /* up to so many rows or columns a product is taken vector by vector */
} chosen = {.once = PTHREAD_ONCE_INIT};

/* Whether BLIS contains the kernel set and the processor runs it. */
static bool usable(long id, const reel__cpu *cpu)
{
    for (size_t i = 0; i < sizeof kernel_sets / sizeof *kernel_sets; i++) {
        if (kernel_sets[i].id == id) {
            return (kernel_sets[i].needs & ~cpu->features) == 0;
        }
    }
    return false;
}

/* BLIS gives Intel's processors with AVX-512 the skx set only if it reads from the name that they
 * have two units for it, and the haswell set, with half the speed, to names it cannot read: virtual
 * machines' ("Intel(R) Xeon(R) Processor") and those of the third generation on ("Gold 6330",
 * "Silver 4310"). These are servers, which have two from then on. */
static bool unreadable(const char *name)
{
    enum { NUMBERED = 3 }; /* the second digit is the generation */
    static const char *const known[] = {"Gold", "Silver", "Bronze", "Platinum",
                                        " W-",  " D-",    "Core",   "Phi"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *family = strstr(name, known[i]);
        if (family != NULL) {
            const char *number = family + strcspn(family, "0123456789");
            return i < NUMBERED && strlen(number) >= 2 && number[1] >= '3';
        }
    }
    return true;
}

/* The set that BLIS should be made to take, or -1: it knows the processor, or has nothing better
 * than what it would choose. It cannot be asked without fixing its choice, hence this copy of its
 * rule: Intel's processors are told by their features and name, AMD's by their family, others not
 * at all. */
static int better_than_generic(const reel__cpu *cpu)
{
#if defined(BLIS_CONFIG_ZEN4) || defined(BLIS_CONFIG_ZEN5) || !defined(BLIS_CONFIG_HASWELL)
    (void)cpu;
    return -1;
#else
    bool amd = strcmp(cpu->vendor, "AuthenticAMD") == 0;
    if (amd && cpu->family <= NEWEST_AMD_FAMILY) {
        return -1;
    }
    if (strcmp(cpu->vendor, "GenuineIntel") == 0) {
        return usable(BLIS_ARCH_SKX, cpu) && unreadable(cpu->name) ? BLIS_ARCH_SKX : -1;
    }
    if (usable(BLIS_ARCH_SKX, cpu)) {
        return BLIS_ARCH_SKX;
    }
    if (amd && usable(BLIS_ARCH_ZEN3, cpu)) {
        return BLIS_ARCH_ZEN3;
    }
    return usable(BLIS_ARCH_HASWELL, cpu) ? BLIS_ARCH_HASWELL : -1;
#endif
}

const char *reel__blas_better(const reel__cpu *cpu)
{
    int id = better_than_generic(cpu);
    return id < 0 ? NULL : bli_arch_string((arch_t)id);
}

/* The user's BLIS_ARCH_TYPE, or -1: none, or one that BLIS would abort or crash on, which is
 * reported and removed. */
static int users_choice(const reel__cpu *cpu)
{
    const char *text = getenv(variable);
    if (text == NULL) {
        return -1;
    }
    char *end;
    errno = 0;
    long id = strtol(text, &end, 10);
    if (end != text && *end == 0 && errno == 0 && usable(id, cpu)) {
        return (int)id;
    }
    fprintf(stderr,
            "reel: BLIS_ARCH_TYPE=%.20s ignored: not the number of a kernel set that "
            "BLIS %s contains and this processor runs\n",
            text, bli_info_get_version_str());
    unsetenv(variable);
    return -1;
}

static reel_blas_chooser start_blis(void)
{
    reel__cpu cpu;
    reel__cpu_query(&cpu);
    int user = users_choice(&cpu);
    int better = user < 0 ? better_than_generic(&cpu) : -1;
    if (better >= 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", better);
        setenv(variable, number, 1);
    }
    bli_init();
    if (better >= 0) { /* BLIS has read it; programs that this one starts decide for themselves */
        unsetenv(variable);
    }
    int id = (int)bli_arch_query_id();
    if (user >= 0) {
        return id == user ? REEL_BLAS_USER : REEL_BLAS_TOO_LATE;
    }
    if (better >= 0) {
        return id == better ? REEL_BLAS_REEL : REEL_BLAS_TOO_LATE;
    }
    return REEL_BLAS_ITSELF;
}

static void choose(void)
{
    static const char *const reason[] = {
        [REEL_BLAS_ITSELF] = "chosen by BLIS, which knows this processor",
        [REEL_BLAS_USER] = "chosen by the environment variable BLIS_ARCH_TYPE",
        [REEL_BLAS_REEL] = "chosen by Reel, since BLIS takes slower kernels on this processor",
        [REEL_BLAS_TOO_LATE] = "chosen before Reel was first used, which is too late to change it",
    };
    reel_blas_chooser chooser = start_blis();
    arch_t id = bli_arch_query_id();
    const char *text = reason[chooser];
    if (chooser == REEL_BLAS_ITSELF && id == BLIS_ARCH_GENERIC) {
        text = "chosen by BLIS, which has nothing better for this processor";
    }
    /* The skx set of BLIS 0.9 packs both matrices however small they are: with fewer rows than
     * this, one matrix-vector product for each is faster (measured on Zen 4: 5 to 2 at 8 rows, 10
     * to 1 at 2). */
    chosen.few = id == BLIS_ARCH_SKX ? 8 : 1;
    chosen.info = (reel_blas){
        .version = bli_info_get_version_str(),
        .architecture = bli_arch_string(id),
        .chooser = chooser,
        .message = text,
    };
}

void reel_blas_info(reel_blas *out)
{
    pthread_once(&chosen.once, choose);
    *out = chosen.info;
}

typedef struct matrix {
    const void *data;
    int64_t m, n, row, column;
} matrix;

typedef struct product {
    reel_dtype dtype;
    double alpha, beta;
    matrix a, b, c;
    rntm_t *threads;
} product;

/* BLIS aborts on strides that let elements coincide; a stride that is never taken may be anything,
 * so it is put right. Returns false for what BLIS would refuse. */
static bool put_right(matrix *x)
{
    if (x->m == 1 && x->n == 1) {
        x->row = x->column = 1;
    } else if (x->m == 1) {
        x->row = x->column > 0 && x->column < INT64_MAX / x->n ? x->n * x->column : 0;
    } else if (x->n == 1) {
        x->column = x->row > 0 && x->row < INT64_MAX / x->m ? x->m * x->row : 0;
    }
    if (x->row <= 0 || x->column <= 0) {
        return false;
    }
    return x->row < x->column ? x->column / x->m >= x->row : x->row / x->n >= x->column;
}

static matrix transposed(matrix x)
{
    return (matrix){x.data, x.n, x.m, x.column, x.row};
}

static size_t element_size(reel_dtype dtype)
{
    return dtype == REEL_F32 ? sizeof(float) : sizeof(double);
}

static matrix row_of(reel_dtype dtype, matrix x, int64_t i)
{
    ptrdiff_t offset = (ptrdiff_t)(i * x.row) * (ptrdiff_t)element_size(dtype);
    return (matrix){(const char *)x.data + offset, 1, x.n, x.row, x.column};
}

static double get(reel_dtype dtype, matrix x, int64_t i, int64_t j)
{
    int64_t at = i * x.row + j * x.column;
    return dtype == REEL_F32 ? (double)((const float *)x.data)[at] : ((const double *)x.data)[at];
}

static void put(reel_dtype dtype, matrix x, int64_t i, int64_t j, double value)
{
    int64_t at = i * x.row + j * x.column;
    if (dtype == REEL_F32) {
        ((float *)(uintptr_t)x.data)[at] = (float)value;
    } else {
        ((double *)(uintptr_t)x.data)[at] = value;
    }
}

/* By the definition, for what BLIS does not take. */
static void multiply_plainly(const product *p)
{
    for (int64_t i = 0; i < p->c.m; i++) {
        for (int64_t j = 0; j < p->c.n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < p->a.n; l++) {
                sum += get(p->dtype, p->a, i, l) * get(p->dtype, p->b, l, j);
            }
            double old = p->beta == 0 ? 0 : p->beta * get(p->dtype, p->c, i, j);
            put(p->dtype, p->c, i, j, p->alpha * sum + old);
        }
    }
}

/* c = α a b + β c for one row a and c: cᵀ = α bᵀ aᵀ + β cᵀ. */
static void multiply_row(const product *p, matrix a, matrix c)
{
    matrix b = transposed(p->b);
    if (p->dtype == REEL_F32) {
        float alpha = (float)p->alpha, beta = (float)p->beta;
        bli_sgemv_ex(BLIS_NO_TRANSPOSE, BLIS_NO_CONJUGATE, b.m, b.n, &alpha,
                     (float *)(uintptr_t)b.data, b.row, b.column, (float *)(uintptr_t)a.data,
                     a.column, &beta, (float *)(uintptr_t)c.data, c.column, NULL, p->threads);
    } else {
        double alpha = p->alpha, beta = p->beta;
        bli_dgemv_ex(BLIS_NO_TRANSPOSE, BLIS_NO_CONJUGATE, b.m, b.n, &alpha,
                     (double *)(uintptr_t)b.data, b.row, b.column, (double *)(uintptr_t)a.data,
                     a.column, &beta, (double *)(uintptr_t)c.data, c.column, NULL, p->threads);
    }
}

static void multiply_rows(const product *p)
{
    for (int64_t i = 0; i < p->c.m; i++) {
        multiply_row(p, row_of(p->dtype, p->a, i), row_of(p->dtype, p->c, i));
    }
}

/* c += α a b for one column a and one row b. */
static void add_outer(const product *p)
{
    if (p->dtype == REEL_F32) {
        float alpha = (float)p->alpha;
        bli_sger_ex(BLIS_NO_CONJUGATE, BLIS_NO_CONJUGATE, p->c.m, p->c.n, &alpha,
                    (float *)(uintptr_t)p->a.data, p->a.row, (float *)(uintptr_t)p->b.data,
                    p->b.column, (float *)(uintptr_t)p->c.data, p->c.row, p->c.column, NULL,
                    p->threads);
    } else {
        double alpha = p->alpha;
        bli_dger_ex(BLIS_NO_CONJUGATE, BLIS_NO_CONJUGATE, p->c.m, p->c.n, &alpha,
                    (double *)(uintptr_t)p->a.data, p->a.row, (double *)(uintptr_t)p->b.data,
                    p->b.column, (double *)(uintptr_t)p->c.data, p->c.row, p->c.column, NULL,
                    p->threads);
    }
}

static void multiply(const product *p)
{
    const matrix *a = &p->a, *b = &p->b, *c = &p->c;
    if (p->dtype == REEL_F32) {
        float alpha = (float)p->alpha, beta = (float)p->beta;
        bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, c->m, c->n, a->n, &alpha,
                     (float *)(uintptr_t)a->data, a->row, a->column, (float *)(uintptr_t)b->data,
                     b->row, b->column, &beta, (float *)(uintptr_t)c->data, c->row, c->column, NULL,
                     p->threads);
    } else {
        double alpha = p->alpha, beta = p->beta;
        bli_dgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, c->m, c->n, a->n, &alpha,
                     (double *)(uintptr_t)a->data, a->row, a->column, (double *)(uintptr_t)b->data,
                     b->row, b->column, &beta, (double *)(uintptr_t)c->data, c->row, c->column,
                     NULL, p->threads);
    }
}

/* From about this size on, packing both matrices pays; below, BLIS's kernels for small products
 * read them where they stand. BLIS itself draws the line by single sides: a product with one short
 * side, as gradients of weights are, would run at 0.7 of its rate (measured on Zen 3, f32). */
static bool worth_packing(int64_t m, int64_t n, int64_t k)
{
    enum { SIDE = 64, AREA = 1 << 16 };
    return m >= SIDE && n >= SIDE && k >= SIDE && m >= AREA / n;
}

void reel_gemm(reel_dtype dtype, int64_t m, int64_t n, int64_t k, double alpha, const void *a,
               int64_t a_row, int64_t a_column, const void *b, int64_t b_row, int64_t b_column,
               double beta, void *c, int64_t c_row, int64_t c_column)
{
    if (m <= 0 || n <= 0 || (dtype != REEL_F32 && dtype != REEL_F64)) {
        return;
    }
    pthread_once(&chosen.once, choose);
    rntm_t alone = BLIS_RNTM_INITIALIZER;
    bli_rntm_set_ways(1, 1, 1, 1, 1, &alone);
    if (worth_packing(m, n, k)) {
        bli_rntm_disable_l3_sup(&alone);
    }
    product p = {
        .dtype = dtype,
        .alpha = alpha,
        .beta = beta,
        .a = {a, m, k, a_row, a_column},
        .b = {b, k, n, b_row, b_column},
        .c = {c, m, n, c_row, c_column},
        .threads = &alone,
    };
    if (k <= 0 || !put_right(&p.a) || !put_right(&p.b) || !put_right(&p.c)) {
        multiply_plainly(&p);
        return;
    }
    if (k == 1 && beta == 1) {
        add_outer(&p);
        return;
    }
    if (m <= chosen.few || n <= chosen.few) {
        if (n < m) { /* cᵀ = bᵀ aᵀ: rows are taken one by one */
            matrix left = transposed(p.b);
            p.b = transposed(p.a);
            p.a = left;
            p.c = transposed(p.c);
        }
        multiply_rows(&p);
        return;
    }
    multiply(&p);
}
