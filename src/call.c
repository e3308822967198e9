/* Job: run one kernel: choose it by type, cut its work over threads, and do the broadcasting of
 * element-wise ops, whose kernels see dense runs only.
 * Invariant: every output element is computed by the same code whatever the cut.
 * Must not know: tapes, nodes, when a kernel runs. */
#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "threads.h"

typedef struct reel__scrap {
    struct reel__scrap *next;
    size_t pad[15]; /* what follows is aligned as the block is */
} reel__scrap;

void reel_call_fail(const reel_call *call, const char *format, ...)
{
    reel_call_state *state = call->state;
    if (atomic_exchange(&state->failed, true)) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(state->message, sizeof state->message, format, args);
    va_end(args);
    state->status = REEL_ERR_VALUE;
}

void *reel_call_scratch(const reel_call *call, size_t bytes)
{
    reel_call_state *state = call->state;
    reel__scrap *scrap =
        bytes < SIZE_MAX - sizeof *scrap ? reel__malloc_aligned(sizeof *scrap + bytes) : NULL;
    if (!scrap) {
        if (!atomic_exchange(&state->failed, true)) {
            snprintf(state->message, sizeof state->message,
                     "out of memory for %zu bytes of scratch", bytes);
            state->status = REEL_ERR_MEMORY;
        }
        return NULL;
    }
    scrap->next = atomic_load(&state->scratch);
    while (!atomic_compare_exchange_weak(&state->scratch, &scrap->next, scrap)) {
    }
    return scrap + 1;
}

static void free_scratch(reel_call_state *state)
{
    for (reel__scrap *s = atomic_load(&state->scratch); s;) {
        reel__scrap *next = s->next;
        reel__free(s);
        s = next;
    }
    atomic_store(&state->scratch, NULL);
}

/* Element-wise */

enum { BLOCK = 512 /* elements of a broadcast scalar that are spread out at a time */ };

/* An element-wise op over its output: `rows` runs of `run` elements. In each run an input is either
 * dense or one element; from run to run it moves by its strides. */
typedef struct layout {
    int n;
    size_t size; /* of an element */
    int64_t run, rows;
    int outer;                                      /* dimensions outside the run */
    int64_t dim[REEL_MAX_RANK];                     /* their sizes */
    int64_t stride[REEL_MAX_MAPPED][REEL_MAX_RANK]; /* in elements */
    bool dense[REEL_MAX_MAPPED];                    /* whether the input is dense in a run */
} layout;

/* The stride of input x along axis k of the output, 0 where it is broadcast. */
static int64_t stride_of(const reel_tensor *x, int rank, int k)
{
    int axis = k - (rank - x->shape.rank);
    if (axis < 0 || x->shape.dim[axis] == 1) {
        return 0;
    }
    int64_t stride = 1;
    for (int i = axis + 1; i < x->shape.rank; i++) {
        stride *= x->shape.dim[i];
    }
    return stride;
}

/* Grows the run from the last axis outwards as long as every input stays dense or stays one
 * element. */
static void plan(layout *p, const reel_call *c)
{
    int rank = c->y.shape.rank;
    p->n = c->n;
    p->size = reel_dtype_size(c->y.dtype);
    p->run = 1;
    bool free_choice[REEL_MAX_MAPPED];
    for (int i = 0; i < c->n; i++) {
        free_choice[i] = true;
        p->dense[i] = false;
    }
    int k = rank - 1;
    for (; k >= 0; k--) {
        int64_t d = c->y.shape.dim[k];
        if (d == 1) {
            continue;
        }
        bool fits = true;
        for (int i = 0; i < c->n; i++) {
            bool dense = stride_of(&c->x[i], rank, k) != 0;
            fits = fits && (free_choice[i] || p->dense[i] == dense);
        }
        if (!fits) {
            break;
        }
        for (int i = 0; i < c->n; i++) {
            p->dense[i] = stride_of(&c->x[i], rank, k) != 0;
            free_choice[i] = false;
        }
        p->run *= d;
    }
    p->outer = k + 1;
    p->rows = 1;
    for (int j = 0; j <= k; j++) {
        p->dim[j] = c->y.shape.dim[j];
        p->rows *= p->dim[j];
        for (int i = 0; i < c->n; i++) {
            p->stride[i][j] = stride_of(&c->x[i], rank, j);
        }
    }
}

static void apply_map(const reel_call *c, size_t n, const void *const *x, void *y)
{
    if (c->y.dtype == REEL_F32) {
        c->op->map_f32(n, (const float *const *)x, y, c->attr);
    } else {
        c->op->map_f64(n, (const double *const *)x, y, c->attr);
    }
}

static void spread(void *to, const void *from, size_t size, size_t n)
{
    if (size == 4) {
        float v = *(const float *)from;
        for (size_t i = 0; i < n; i++) {
            ((float *)to)[i] = v;
        }
    } else {
        double v = *(const double *)from;
        for (size_t i = 0; i < n; i++) {
            ((double *)to)[i] = v;
        }
    }
}

/* One run, or the part [from, to) of it; `x` point at the run's first elements. */
static void map_run(const reel_call *c, const layout *p, const char *const *x, char *y,
                    int64_t from, int64_t to)
{
    union {
        _Alignas(64) float f32[BLOCK];
        double f64[BLOCK];
    } block[REEL_MAX_MAPPED];
    const void *at[REEL_MAX_MAPPED];
    bool all_dense = true;
    for (int i = 0; i < p->n; i++) {
        all_dense = all_dense && p->dense[i];
    }
    int64_t step = all_dense ? to - from : BLOCK;
    for (int i = 0; i < p->n; i++) {
        if (!p->dense[i]) {
            spread(&block[i], x[i], p->size, (size_t)(to - from < BLOCK ? to - from : BLOCK));
            at[i] = &block[i];
        }
    }
    for (int64_t k = from; k < to; k += step) {
        int64_t n = to - k < step ? to - k : step;
        for (int i = 0; i < p->n; i++) {
            if (p->dense[i]) {
                at[i] = x[i] + (size_t)k * p->size;
            }
        }
        apply_map(c, (size_t)n, at, y + (size_t)k * p->size);
    }
}

/* Rows [begin, end). */
static void map_rows(const reel_call *c, const layout *p, int64_t begin, int64_t end)
{
    int64_t index[REEL_MAX_RANK] = {0};
    int64_t rest = begin;
    for (int j = p->outer - 1; j >= 0; j--) {
        index[j] = rest % p->dim[j];
        rest /= p->dim[j];
    }
    for (int64_t row = begin; row < end; row++) {
        const char *x[REEL_MAX_MAPPED];
        for (int i = 0; i < p->n; i++) {
            int64_t offset = 0;
            for (int j = 0; j < p->outer; j++) {
                offset += index[j] * p->stride[i][j];
            }
            x[i] = (const char *)c->x[i].data + (size_t)offset * p->size;
        }
        map_run(c, p, x, (char *)c->y.data + (size_t)(row * p->run) * p->size, 0, p->run);
        for (int j = p->outer - 1; j >= 0 && ++index[j] == p->dim[j]; j--) {
            index[j] = 0;
        }
    }
}

typedef struct job {
    const reel_call *call;
    const layout *plan; /* NULL: not element-wise */
    int64_t piece;      /* elements of a unit when there is a single row; 0: a unit is a row */
    void (*run)(const reel_call *call);
} job;

static void body(void *context, int64_t begin, int64_t end)
{
    const job *j = context;
    if (!j->plan) {
        reel_call part = *j->call;
        part.begin = begin;
        part.end = end;
        j->run(&part);
        return;
    }
    if (!j->piece) {
        map_rows(j->call, j->plan, begin, end);
        return;
    }
    const char *x[REEL_MAX_MAPPED];
    for (int i = 0; i < j->plan->n; i++) {
        x[i] = j->call->x[i].data;
    }
    int64_t to = end * j->piece < j->plan->run ? end * j->piece : j->plan->run;
    map_run(j->call, j->plan, x, j->call->y.data, begin * j->piece, to);
}

/* Below this many output elements waking other threads costs more than it saves. */
enum { WORTH_THREADS = 1 << 15, PIECE = 1 << 12 };

static reel_status no_kernel(reel_call *c, reel_dtype real)
{
    snprintf(c->state->message, sizeof c->state->message, "the op has no %s kernel",
             reel_dtype_name(real));
    return REEL_ERR_ARGUMENT;
}

static reel_status run_mapped(reel_call *c, int threads)
{
    if (c->y.dtype == REEL_F32 ? !c->op->map_f32 : !c->op->map_f64) {
        return no_kernel(c, c->y.dtype);
    }
    if (c->y.size == 0) {
        return REEL_OK;
    }
    layout p;
    plan(&p, c);
    job j = {.call = c, .plan = &p};
    int64_t units = p.rows;
    if (p.rows == 1) {
        j.piece = PIECE;
        units = (p.run + PIECE - 1) / PIECE;
    }
    reel__parallel(c->y.size < WORTH_THREADS ? 1 : threads, units, body, &j);
    return REEL_OK;
}

reel_status reel__call_run(reel_call *c, reel_dtype real, int threads)
{
    reel_call_state *state = c->state;
    if (c->op->flags & REEL_OP_ELEMENTWISE) {
        return run_mapped(c, threads);
    }
    job j = {.call = c, .run = real == REEL_F32 ? c->op->run_f32 : c->op->run_f64};
    if (!j.run) {
        return no_kernel(c, real);
    }
    int64_t units = c->op->units ? c->op->units(c) : 1;
    reel__parallel(units > 1 ? threads : 1, units, body, &j);
    free_scratch(state);
    return atomic_load(&state->failed) ? state->status : REEL_OK;
}
