/* Job: run a group of element-wise ops block by block, so that what is between them stays in the
 * first cache.
 * Invariant: an element is computed by the same calls of map kernels as if each op ran alone; map
 * kernels give an element the same bits wherever it stands.
 * Must not know: what an op computes. */
#include "replay.h"

#include <stdatomic.h>
#include <string.h>

#include "memory.h"
#include "threads.h"

enum {
    BLOCK_BYTES = 2048,
    SHORT_RUN = 160,
    MOST_AXES = REEL_MAX_RANK + 1,
    WORTH_THREADS = 1 << 14
};

/* One input or output: where element (row, i) of the group's space is. */
typedef struct line {
    const reel__ref *ref;
    int64_t stride[MOST_AXES]; /* in elements; the first is that of instances */
    int64_t inner;
    char *slot;         /* a block of its own, for what is not dense; NULL: not needed so far */
    const char *spread; /* the element that fills the slot, when it is one */
    int64_t filled;
} line;

typedef struct space {
    reel__running *r;
    const reel__fused *f;
    size_t element;
    int axes;
    int64_t dim[MOST_AXES];
    int64_t run, rows; /* the last axis, and the product of the others */
    bool tables;       /* instances are looked up one by one: axis 0 stays apart */
    line *line;        /* inputs, then outputs */
    reel__ref *ref;
    char *memory;
    size_t memory_bytes; /* of one thread */
    int64_t block;       /* elements */
    int64_t units, unit; /* rows or blocks of a row that threads share */
} space;

static void set_lines(space *s)
{
    const reel__fused *f = s->f;
    int n = f->inputs + f->outputs;
    for (int i = 0; i < n; i++) {
        const reel__operand *x = i < f->inputs ? &f->input[i] : &f->output[i - f->inputs];
        s->ref[i] = reel__find(s->r, x);
        s->tables = s->tables || s->ref[i].each;
        s->line[i] = (line){.ref = &s->ref[i]};
        s->line[i].stride[0] = s->ref[i].stride / (int64_t)s->element;
        for (int k = 0; k < f->shape.rank; k++) {
            s->line[i].stride[k + 1] = x->window.stride[k];
        }
    }
}

/* The axes: instances, then the group's, neighbours joined where all lines step evenly. */
static void set_axes(space *s)
{
    const reel__fused *f = s->f;
    int n = f->inputs + f->outputs;
    s->axes = 1;
    s->dim[0] = s->r->count;
    for (int k = 0; k < f->shape.rank; k++) {
        int64_t d = f->shape.dim[k];
        int last = s->axes - 1;
        bool joins = !(s->tables && last == 0);
        for (int i = 0; joins && i < n; i++) {
            int64_t before = s->line[i].stride[last], own = s->line[i].stride[k + 1];
            joins = s->dim[last] == 1 || before == own * d;
        }
        int to = joins ? last : s->axes++;
        s->dim[to] = joins ? s->dim[to] * d : d;
        for (int i = 0; i < n; i++) {
            s->line[i].stride[to] = s->line[i].stride[k + 1];
        }
    }
    if (s->tables && s->axes == 1) {
        s->axes = 2; /* instances are rows of one element */
        s->dim[1] = 1;
        for (int i = 0; i < n; i++) {
            s->line[i].stride[1] = 1;
        }
    }
    s->run = s->dim[s->axes - 1];
    s->rows = 1;
    for (int k = 0; k < s->axes - 1; k++) {
        s->rows *= s->dim[k];
    }
    for (int i = 0; i < n; i++) {
        s->line[i].inner = s->line[i].stride[s->axes - 1];
    }
}

static void find_row(const space *s, int64_t row, int64_t *index)
{
    for (int k = s->axes - 2; k >= 0; k--) {
        index[k] = row % s->dim[k];
        row /= s->dim[k];
    }
}

static void next_row(const space *s, int64_t *index)
{
    for (int k = s->axes - 2; k >= 0 && ++index[k] == s->dim[k]; k--) {
        index[k] = 0;
    }
}

static char *row_start(const space *s, const line *x, const int64_t *index)
{
    int64_t offset = 0;
    if (s->tables) {
        for (int k = 1; k < s->axes - 1; k++) {
            offset += index[k] * x->stride[k];
        }
        return reel__ref_at(s->r, x->ref, index[0]) + offset * (int64_t)s->element;
    }
    for (int k = 0; k < s->axes - 1; k++) {
        offset += index[k] * x->stride[k];
    }
    return x->ref->at + offset * (int64_t)s->element;
}

static void fill(char *to, const char *from, size_t element, int64_t n)
{
    if (element == 4) {
        float v = *(const float *)(const void *)from;
        float *y = (float *)(void *)to;
        for (int64_t i = 0; i < n; i++) {
            y[i] = v;
        }
    } else {
        double v = *(const double *)(const void *)from;
        double *y = (double *)(void *)to;
        for (int64_t i = 0; i < n; i++) {
            y[i] = v;
        }
    }
}

static void gather(char *to, const char *from, size_t element, int64_t stride, int64_t n)
{
    if (stride == 1) {
        memcpy(to, from, (size_t)n * element);
    } else if (stride == 0) {
        fill(to, from, element, n);
    } else {
        for (int64_t i = 0; i < n; i++) {
            memcpy(to + (size_t)i * element, from + i * stride * (int64_t)element, element);
        }
    }
}

static void scatter(char *to, const char *from, size_t element, int64_t stride, int64_t n)
{
    if (stride == 1) {
        memcpy(to, from, (size_t)n * element);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        memcpy(to + i * stride * (int64_t)element, from + (size_t)i * element, element);
    }
}

static void sum_f32(size_t n, const float *const *x, int terms, float *y)
{
    if (terms == 1) {
        memcpy(y, x[0], n * sizeof *y);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        y[i] = x[0][i] + x[1][i];
    }
    for (int k = 2; k < terms; k++) {
        for (size_t i = 0; i < n; i++) {
            y[i] += x[k][i];
        }
    }
}

static void sum_f64(size_t n, const double *const *x, int terms, double *y)
{
    if (terms == 1) {
        memcpy(y, x[0], n * sizeof *y);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        y[i] = x[0][i] + x[1][i];
    }
    for (int k = 2; k < terms; k++) {
        for (size_t i = 0; i < n; i++) {
            y[i] += x[k][i];
        }
    }
}

/* All ops of the group on one block of n elements; `now`: where the lines' blocks are. */
static void run_block(const reel__fused *f, size_t element, char *const *now, char **reg,
                      char *registers, const void **x, size_t n)
{
    for (int o = 0; o < f->ops; o++) {
        const reel__map_op *op = &f->op[o];
        for (int k = 0; k < op->n; k++) {
            x[k] = op->arg[k] >= 0 ? reg[op->arg[k]] : now[-1 - op->arg[k]];
        }
        char *y =
            op->out >= 0 ? now[f->inputs + op->out] : registers + (size_t)op->to * BLOCK_BYTES;
        if (element == 4) {
            if (op->op->flags & REEL_OP_ELEMENTWISE) {
                op->op->map_f32(n, (const float *const *)x, (float *)(void *)y, op->attr);
            } else {
                sum_f32(n, (const float *const *)x, op->n, (float *)(void *)y);
            }
        } else if (op->op->flags & REEL_OP_ELEMENTWISE) {
            op->op->map_f64(n, (const double *const *)x, (double *)(void *)y, op->attr);
        } else {
            sum_f64(n, (const double *const *)x, op->n, (double *)(void *)y);
        }
        reg[op->to] = y;
    }
}

typedef struct worker {
    line *lines;
    char **now; /* by line: the present block */
    char **reg;
    char *registers;
    const void **x;
} worker;

/* Elements [from, from + n) of one row. */
static void run_part(const space *s, worker *w, const int64_t *index, int64_t from, int64_t n)
{
    const reel__fused *f = s->f;
    for (int i = 0; i < f->inputs; i++) {
        line *x = &w->lines[i];
        char *start = row_start(s, x, index);
        if (x->inner == 1) {
            w->now[i] = start + from * (int64_t)s->element;
        } else if (x->inner == 0) {
            if (x->spread != start || x->filled < n) {
                fill(x->slot, start, s->element, n);
                x->spread = start;
                x->filled = n;
            }
            w->now[i] = x->slot;
        } else {
            gather(x->slot, start + from * x->inner * (int64_t)s->element, s->element, x->inner, n);
            w->now[i] = x->slot;
        }
    }
    for (int i = f->inputs; i < f->inputs + f->outputs; i++) {
        line *x = &w->lines[i];
        w->now[i] = x->inner == 1 ? row_start(s, x, index) + from * (int64_t)s->element : x->slot;
    }
    run_block(f, s->element, w->now, w->reg, w->registers, w->x, (size_t)n);
    for (int i = f->inputs; i < f->inputs + f->outputs; i++) {
        line *x = &w->lines[i];
        if (x->inner != 1) {
            char *start = row_start(s, x, index) + from * x->inner * (int64_t)s->element;
            scatter(start, w->now[i], s->element, x->inner, n);
        }
    }
}

/* Several short rows as one block. */
static void run_rows(const space *s, worker *w, const int64_t *first, int64_t rows)
{
    const reel__fused *f = s->f;
    size_t bytes = (size_t)s->run * s->element;
    for (int i = 0; i < f->inputs + f->outputs; i++) {
        line *x = &w->lines[i];
        int64_t index[MOST_AXES];
        memcpy(index, first, sizeof index);
        char *start = row_start(s, x, index);
        bool dense = x->inner == 1 || s->run == 1;
        for (int64_t row = 1; dense && row < rows; row++) {
            next_row(s, index);
            dense = row_start(s, x, index) == start + (size_t)row * bytes;
        }
        w->now[i] = dense ? start : x->slot;
        if (dense || i >= f->inputs) {
            continue;
        }
        x->spread = NULL;
        memcpy(index, first, sizeof index);
        for (int64_t row = 0; row < rows; row++) {
            gather(x->slot + (size_t)row * bytes, row_start(s, x, index), s->element, x->inner,
                   s->run);
            next_row(s, index);
        }
    }
    run_block(f, s->element, w->now, w->reg, w->registers, w->x, (size_t)(rows * s->run));
    for (int i = f->inputs; i < f->inputs + f->outputs; i++) {
        line *x = &w->lines[i];
        if (w->now[i] != x->slot) {
            continue;
        }
        int64_t index[MOST_AXES];
        memcpy(index, first, sizeof index);
        for (int64_t row = 0; row < rows; row++) {
            scatter(row_start(s, x, index), x->slot + (size_t)row * bytes, s->element, x->inner,
                    s->run);
            next_row(s, index);
        }
    }
}

static bool by_rows(const space *s)
{
    return s->rows > 1 && s->run < SHORT_RUN;
}

/* Units [begin, end), with working memory of its own. */
static void run_units(const space *s, char *memory, int64_t begin, int64_t end)
{
    const reel__fused *f = s->f;
    int n = f->inputs + f->outputs;
    worker w;
    w.registers = memory;
    char *slots = memory + (size_t)f->registers * BLOCK_BYTES;
    w.lines = (line *)(void *)(slots + (size_t)n * BLOCK_BYTES);
    w.reg = (char **)(void *)(w.lines + n);
    w.now = w.reg + f->registers;
    w.x = (const void **)(void *)(w.now + n);
    memcpy(w.lines, s->line, (size_t)n * sizeof *w.lines);
    for (int i = 0; i < n; i++) {
        w.lines[i].slot = slots + (size_t)i * BLOCK_BYTES;
    }
    int64_t index[MOST_AXES] = {0};
    if (by_rows(s)) {
        for (int64_t u = begin; u < end; u++) {
            int64_t row = u * s->unit;
            int64_t rows = s->rows - row < s->unit ? s->rows - row : s->unit;
            find_row(s, row, index);
            run_rows(s, &w, index, rows);
        }
        return;
    }
    int64_t blocks = (s->run + s->block - 1) / s->block;
    for (int64_t u = begin; u < end; u++) {
        int64_t from = u % blocks * s->block;
        find_row(s, u / blocks, index);
        run_part(s, &w, index, from, s->run - from < s->block ? s->run - from : s->block);
    }
}

typedef struct job {
    const space *s;
    _Atomic int next;
} job;

static void body(void *context, int64_t begin, int64_t end)
{
    job *j = context;
    int number = atomic_fetch_add(&j->next, 1);
    run_units(j->s, j->s->memory + (size_t)number * j->s->memory_bytes, begin, end);
}

/* One instance of one short row, as a step with batch 1 is: no more than a block, and worth no
 * preparation. */
static void run_single(reel__running *r, const reel__fused *f, size_t element, char *room, size_t n)
{
    int lines = f->inputs + f->outputs;
    char *slots = room + (size_t)f->registers * BLOCK_BYTES;
    char **reg = (char **)(void *)(slots + (size_t)lines * BLOCK_BYTES);
    char **now = reg + f->registers;
    for (int i = 0; i < lines; i++) {
        const reel__operand *x = i < f->inputs ? &f->input[i] : &f->output[i - f->inputs];
        reel__ref ref = reel__find(r, x);
        char *slot = slots + (size_t)i * BLOCK_BYTES;
        now[i] = reel__ref_at(r, &ref, 0);
        if (n > 1 && x->window.stride[0] != 1) {
            if (i < f->inputs) {
                gather(slot, now[i], element, x->window.stride[0], (int64_t)n);
            }
            now[i] = slot;
        }
    }
    run_block(f, element, now, reg, room, (const void **)(void *)(now + lines), n);
    for (int i = f->inputs; i < lines; i++) {
        const reel__operand *x = &f->output[i - f->inputs];
        if (n > 1 && x->window.stride[0] != 1) {
            reel__ref ref = reel__find(r, x);
            scatter(reel__ref_at(r, &ref, 0), now[i], element, x->window.stride[0], (int64_t)n);
        }
    }
}

bool reel__run_fused(reel__running *r, const reel__kernel *k)
{
    const reel__fused *f = k->fused;
    space s = {.r = r, .f = f, .element = reel_dtype_size(r->tape->dtype)};
    size_t n = (size_t)(f->inputs + f->outputs);
    int64_t size = r->count * reel_shape_size(f->shape);
    if (size == 0) {
        return true;
    }
    int most = 1;
    for (int o = 0; o < f->ops; o++) {
        const reel_op *op = f->op[o].op;
        most = f->op[o].n > most ? f->op[o].n : most;
        if (op->flags & REEL_OP_ELEMENTWISE && (s.element == 4 ? !op->map_f32 : !op->map_f64)) {
            r->c->kernel_failed = true;
            return false;
        }
    }
    int threads = size < WORTH_THREADS ? 1 : r->tape->threads;
    size_t bytes = ((size_t)f->registers + n) * BLOCK_BYTES + n * sizeof(line) +
                   ((size_t)f->registers + n) * sizeof(char *) + (size_t)most * sizeof(void *);
    s.memory_bytes = (bytes + 127) / 128 * 128;
    size_t shared = (n * (sizeof(line) + sizeof(reel__ref)) + 127) / 128 * 128;
    char *room = reel__room(r->c, shared + (size_t)threads * s.memory_bytes);
    if (!room) {
        return false;
    }
    if (r->count == 1 && f->shape.rank <= 1 && (size_t)size * s.element <= BLOCK_BYTES) {
        run_single(r, f, s.element, room, (size_t)size);
        return true;
    }
    s.line = (line *)(void *)room;
    s.ref = (reel__ref *)(void *)(s.line + n);
    s.memory = room + shared;
    s.block = (int64_t)(BLOCK_BYTES / s.element);
    set_lines(&s);
    set_axes(&s);
    if (by_rows(&s)) {
        s.unit = s.block / s.run;
        s.units = (s.rows + s.unit - 1) / s.unit;
    } else {
        s.units = s.rows * ((s.run + s.block - 1) / s.block);
    }
    job j = {.s = &s};
    atomic_init(&j.next, 0);
    reel__parallel(threads, s.units, body, &j);
    return true;
}
