/* Job: run a group of element-wise ops block by block, so that what is between them stays in the
 * first cache, and reductions of their rows.
 * Invariant: an element is computed by the same calls of map kernels as if each op ran alone; map
 * kernels give an element the same bits wherever it stands, and reductions a row.
 * Must not know: what an op computes. */
#include "replay.h"

#include <reel/axis.h>
#include <reel/ops.h>

#include <stdatomic.h>
#include <string.h>

#include "call.h"
#include "memory.h"
#include "threads.h"

enum {
    SHORT_RUN = 160,
    TINY_RUN = 32,
    MOST_AXES = REEL_MAX_RANK + 1,
    WORTH_THREADS = 1 << 15 /* elements times ops */
};

/* One input or output: where element (row, i) of the group's space is. */
typedef struct line {
    const reel__ref *ref;
    int64_t stride[MOST_AXES]; /* in elements; the first is that of instances */
    int64_t inner;
    char *slot;         /* a block of its own, for what is not dense; NULL: not needed so far */
    const char *spread; /* the element that fills the slot, when it is one */
    int64_t filled;
    bool result; /* of a reduction: one element for each row */
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
    int most;            /* arguments of an op */
    int64_t units, unit; /* rows or blocks of a row that threads share */
    bool reduces;
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
    for (int o = 0; o < f->ops; o++) {
        if (f->op[o].reduces) {
            s->line[f->inputs + f->op[o].out].result = true;
            s->reduces = true;
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

static void map(const reel_op *op, size_t element, const void *const *x, void *y, const void *attr,
                size_t n)
{
    if (element == 4) {
        op->map_f32(n, (const float *const *)x, y, attr);
    } else {
        op->map_f64(n, (const double *const *)x, y, attr);
    }
}

/* In the order of the terms, as the op itself does. */
static void sum(size_t element, const void *const *x, int terms, void *y, size_t n)
{
    if (terms == 1) {
        memcpy(y, x[0], n * element);
        return;
    }
    map(&reel_op_add, element, x, y, NULL, n);
    for (int k = 2; k < terms; k++) {
        map(&reel_op_add, element, (const void *[]){y, x[k]}, y, NULL, n);
    }
}

/* Where the rows of a block are. */
typedef struct cursor {
    char *at;
    int64_t step; /* bytes from one row to the next */
} cursor;

typedef struct worker {
    line *lines;
    cursor *now; /* by line: the present block */
    cursor *reg; /* by register */
    cursor *arg; /* of the present op */
    const void **x;
    char *registers;
    reel_status status; /* of reductions */
} worker;

static void apply(const reel__map_op *op, size_t element, const void *const *x, void *y, size_t n)
{
    if (op->op->flags & REEL_OP_ELEMENTWISE) {
        map(op->op, element, x, y, op->attr, n);
    } else {
        sum(element, x, op->n, y, n);
    }
}

/* One op on rows of n elements, in one call where they follow one another everywhere. */
static void run_op(const worker *w, const reel__map_op *op, size_t element, cursor y, int64_t rows,
                   size_t n)
{
    int64_t bytes = (int64_t)(n * element);
    bool dense = rows == 1 || y.step == bytes;
    for (int k = 0; k < op->n; k++) {
        w->x[k] = w->arg[k].at;
        dense = dense && (rows == 1 || w->arg[k].step == bytes);
    }
    if (dense) {
        apply(op, element, w->x, y.at, n * (size_t)rows);
        return;
    }
    for (int64_t row = 0; row < rows; row++) {
        apply(op, element, w->x, y.at + row * y.step, n);
        for (int k = 0; k < op->n; k++) {
            w->x[k] = (const char *)w->x[k] + w->arg[k].step;
        }
    }
}

static void reduce_rows(worker *w, const reel_op *op, size_t element, char *x, char *y,
                        int64_t rows, size_t n)
{
    reel_dtype dtype = element == 4 ? REEL_F32 : REEL_F64;
    reel_reduce_attr attr = {.axis = 1};
    reel_call_state state = {.status = REEL_OK};
    reel_tensor from = {x, dtype, reel_dims(rows, (int64_t)n), rows * (int64_t)n};
    reel_call call = {.op = op, .n = 1, .x = &from, .attr = &attr, .state = &state};
    call.y = (reel_tensor){y, dtype, reel_dims(rows), rows};
    reel_status status = reel__call_run(&call, dtype, 1);
    w->status = w->status ? w->status : status;
}

/* The results are laid side by side. */
static void run_reduction(worker *w, const reel__map_op *op, size_t element, cursor y, int64_t rows,
                          size_t n)
{
    const cursor x = w->arg[0];
    if (rows == 1 || x.step == (int64_t)(n * element)) {
        reduce_rows(w, op->op, element, x.at, y.at, rows, n);
        return;
    }
    for (int64_t row = 0; row < rows; row++) {
        reduce_rows(w, op->op, element, x.at + row * x.step, y.at + row * y.step, 1, n);
    }
}

/* All ops of the group on one block of rows of n elements. */
static void run_block(const reel__fused *f, size_t element, worker *w, int64_t rows, size_t n)
{
    for (int o = 0; o < f->ops; o++) {
        const reel__map_op *op = &f->op[o];
        for (int k = 0; k < op->n; k++) {
            w->arg[k] = op->arg[k] >= 0 ? w->reg[op->arg[k]] : w->now[-1 - op->arg[k]];
        }
        if (op->reduces) {
            run_reduction(w, op, element, w->now[f->inputs + op->out], rows, n);
            continue;
        }
        cursor y = {w->registers + (size_t)op->to * REEL__BLOCK_BYTES, (int64_t)(n * element)};
        if (op->out >= 0) {
            y = w->now[f->inputs + op->out];
        }
        run_op(w, op, element, y, rows, n);
        w->reg[op->to] = y;
    }
}

/* Elements [from, from + n) of one row. */
static void run_part(const space *s, worker *w, const int64_t *index, int64_t from, int64_t n)
{
    const reel__fused *f = s->f;
    for (int i = 0; i < f->inputs; i++) {
        line *x = &w->lines[i];
        char *start = row_start(s, x, index);
        if (x->inner == 1) {
            w->now[i].at = start + from * (int64_t)s->element;
        } else if (x->inner == 0) {
            if (x->spread != start || x->filled < n) {
                fill(x->slot, start, s->element, n);
                x->spread = start;
                x->filled = n;
            }
            w->now[i].at = x->slot;
        } else {
            gather(x->slot, start + from * x->inner * (int64_t)s->element, s->element, x->inner, n);
            w->now[i].at = x->slot;
        }
    }
    for (int i = f->inputs; i < f->inputs + f->outputs; i++) {
        line *x = &w->lines[i];
        w->now[i].at = x->result       ? row_start(s, x, index)
                       : x->inner == 1 ? row_start(s, x, index) + from * (int64_t)s->element
                                       : x->slot;
    }
    run_block(f, s->element, w, 1, (size_t)n);
    for (int i = f->inputs; i < f->inputs + f->outputs; i++) {
        line *x = &w->lines[i];
        if (x->inner != 1 && !x->result) {
            char *start = row_start(s, x, index) + from * x->inner * (int64_t)s->element;
            scatter(start, w->now[i].at, s->element, x->inner, n);
        }
    }
}

/* Whether rows from `first` on are evenly spaced, so that they need not be laid side by side. */
static bool even_rows(const space *s, const line *x, const int64_t *first, int64_t rows,
                      cursor *rows_at)
{
    int64_t index[MOST_AXES];
    rows_at->at = row_start(s, x, first);
    rows_at->step = s->run * (int64_t)s->element;
    if (x->inner != 1 && s->run > 1) {
        return false;
    }
    if (s->axes == 2 && !s->tables) {
        rows_at->step = x->stride[0] * (int64_t)s->element;
        return true;
    }
    memcpy(index, first, sizeof index);
    for (int64_t row = 1; row < rows; row++) {
        next_row(s, index);
        const char *at = row_start(s, x, index);
        rows_at->step = row == 1 ? at - rows_at->at : rows_at->step;
        if (at != rows_at->at + row * rows_at->step) {
            return false;
        }
    }
    return true;
}

/* Several short rows as one block. */
static void run_rows(const space *s, worker *w, const int64_t *first, int64_t rows)
{
    const reel__fused *f = s->f;
    int64_t bytes = s->run * (int64_t)s->element, index[MOST_AXES];
    bool tiny = s->run < TINY_RUN; /* not worth calls of their own */
    for (int i = 0; i < f->inputs + f->outputs; i++) {
        line *x = &w->lines[i];
        if (x->result) {
            w->now[i] = (cursor){x->slot, (int64_t)s->element};
            continue;
        }
        if (even_rows(s, x, first, rows, &w->now[i]) && (!tiny || w->now[i].step == bytes)) {
            continue;
        }
        w->now[i] = (cursor){x->slot, bytes};
        memcpy(index, first, sizeof index);
        for (int64_t row = 0; i < f->inputs && row < rows; row++) {
            gather(x->slot + row * bytes, row_start(s, x, index), s->element, x->inner, s->run);
            next_row(s, index);
        }
        x->spread = NULL;
    }
    run_block(f, s->element, w, rows, (size_t)s->run);
    for (int i = f->inputs; i < f->inputs + f->outputs; i++) {
        line *x = &w->lines[i];
        if (w->now[i].at != x->slot) {
            continue;
        }
        memcpy(index, first, sizeof index);
        for (int64_t row = 0; row < rows; row++) {
            if (x->result) {
                memcpy(row_start(s, x, index), x->slot + row * (int64_t)s->element, s->element);
            } else {
                scatter(row_start(s, x, index), x->slot + row * bytes, s->element, x->inner,
                        s->run);
            }
            next_row(s, index);
        }
    }
}

/* Whether a block is of several rows: always where they are short, so that each would be worth no
 * calls of its own; else where at least two fit, unless instances are looked up one by one, whose
 * rows would all have to be copied to bring them together. Where rows are reduced they cannot be
 * joined, which would make long runs of them. */
static bool by_rows(const space *s)
{
    return s->rows > 1 &&
           (s->run < SHORT_RUN || ((s->reduces || !s->tables) && 2 * s->run <= s->block));
}

/* Units [begin, end), with working memory of its own. Returns the status of reductions. */
static reel_status run_units(const space *s, char *memory, int64_t begin, int64_t end)
{
    const reel__fused *f = s->f;
    int n = f->inputs + f->outputs;
    worker w = {.registers = memory};
    char *slots = memory + (size_t)f->registers * REEL__BLOCK_BYTES;
    w.lines = (line *)(void *)(slots + (size_t)n * REEL__BLOCK_BYTES);
    w.reg = (cursor *)(void *)(w.lines + n);
    w.now = w.reg + f->registers;
    w.arg = w.now + n;
    w.x = (const void **)(void *)(w.arg + s->most);
    memcpy(w.lines, s->line, (size_t)n * sizeof *w.lines);
    for (int i = 0; i < n; i++) {
        w.lines[i].slot = slots + (size_t)i * REEL__BLOCK_BYTES;
    }
    int64_t index[MOST_AXES] = {0};
    if (by_rows(s)) {
        for (int64_t u = begin; u < end; u++) {
            int64_t row = u * s->unit;
            int64_t rows = s->rows - row < s->unit ? s->rows - row : s->unit;
            find_row(s, row, index);
            run_rows(s, &w, index, rows);
        }
        return w.status;
    }
    int64_t blocks = (s->run + s->block - 1) / s->block;
    for (int64_t u = begin; u < end; u++) {
        int64_t from = u % blocks * s->block;
        find_row(s, u / blocks, index);
        run_part(s, &w, index, from, s->run - from < s->block ? s->run - from : s->block);
    }
    return w.status;
}

typedef struct job {
    const space *s;
    _Atomic int next, status;
} job;

static void body(void *context, int64_t begin, int64_t end)
{
    job *j = context;
    int number = atomic_fetch_add(&j->next, 1);
    reel_status status =
        run_units(j->s, j->s->memory + (size_t)number * j->s->memory_bytes, begin, end);
    int none = REEL_OK;
    /* A kernel's own error goes before a lack of memory, whichever came first. */
    if (status && !atomic_compare_exchange_strong(&j->status, &none, (int)status) &&
        status != REEL_ERR_MEMORY) {
        atomic_store(&j->status, (int)status);
    }
}

/* Whether an operand of a row of n elements needs a slot; an output that all of the row goes into
 * is a reduction's. */
static bool needs_slot(const reel__operand *x, bool output, size_t n)
{
    int64_t stride = x->window.stride[0];
    return n > 1 && stride != 1 && !(output && stride == 0);
}

/* One instance of one short row, as a step with batch 1 is: no more than a block, and worth no
 * preparation. */
static reel_status run_single(reel__running *r, const reel__fused *f, size_t element, char *room,
                              int most, size_t n)
{
    int lines = f->inputs + f->outputs;
    char *slots = room + (size_t)f->registers * REEL__BLOCK_BYTES;
    worker w = {.registers = room,
                .reg = (cursor *)(void *)(slots + (size_t)lines * REEL__BLOCK_BYTES)};
    w.now = w.reg + f->registers;
    w.arg = w.now + lines;
    w.x = (const void **)(void *)(w.arg + most);
    for (int i = 0; i < lines; i++) {
        const reel__operand *x = i < f->inputs ? &f->input[i] : &f->output[i - f->inputs];
        reel__ref ref = reel__find(r, x);
        char *slot = slots + (size_t)i * REEL__BLOCK_BYTES;
        w.now[i].at = reel__ref_at(r, &ref, 0);
        if (needs_slot(x, i >= f->inputs, n)) {
            if (i < f->inputs) {
                gather(slot, w.now[i].at, element, x->window.stride[0], (int64_t)n);
            }
            w.now[i].at = slot;
        }
    }
    run_block(f, element, &w, 1, n);
    for (int i = f->inputs; i < lines; i++) {
        const reel__operand *x = &f->output[i - f->inputs];
        if (needs_slot(x, true, n)) {
            reel__ref ref = reel__find(r, x);
            scatter(reel__ref_at(r, &ref, 0), w.now[i].at, element, x->window.stride[0],
                    (int64_t)n);
        }
    }
    return w.status;
}

/* A kernel of a reduction said why it could not: the reference executor will say it again. */
static bool succeeded(reel__running *r, reel_status status)
{
    r->c->kernel_failed = r->c->kernel_failed || (status && status != REEL_ERR_MEMORY);
    return !status;
}

bool reel__run_fused(reel__running *r, const reel__kernel *k)
{
    const reel__fused *f = k->fused;
    space s = {.r = r, .f = f, .element = reel__dtype_size(r->tape->dtype)};
    size_t n = (size_t)(f->inputs + f->outputs);
    int64_t size = r->count * reel_shape_size(f->shape);
    if (size == 0) {
        return true;
    }
    s.most = 1;
    for (int o = 0; o < f->ops; o++) {
        const reel_op *op = f->op[o].op;
        s.most = f->op[o].n > s.most ? f->op[o].n : s.most;
        if (op->flags & REEL_OP_ELEMENTWISE && (s.element == 4 ? !op->map_f32 : !op->map_f64)) {
            r->c->kernel_failed = true;
            return false;
        }
    }
    int threads = size * f->ops < WORTH_THREADS ? 1 : r->tape->threads;
    size_t bytes = ((size_t)f->registers + n) * REEL__BLOCK_BYTES + n * sizeof(line) +
                   ((size_t)f->registers + n) * sizeof(cursor) +
                   (size_t)s.most * (sizeof(cursor) + sizeof(void *));
    s.memory_bytes = (bytes + 127) / 128 * 128;
    size_t shared = (n * (sizeof(line) + sizeof(reel__ref)) + 127) / 128 * 128;
    char *room = reel__room(r->c, shared + (size_t)threads * s.memory_bytes);
    if (!room) {
        return false;
    }
    if (r->count == 1 && f->shape.rank <= 1 && (size_t)size * s.element <= REEL__BLOCK_BYTES) {
        return succeeded(r, run_single(r, f, s.element, room, s.most, (size_t)size));
    }
    s.line = (line *)(void *)room;
    s.ref = (reel__ref *)(void *)(s.line + n);
    s.memory = room + shared;
    s.block = (int64_t)(REEL__BLOCK_BYTES / s.element);
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
    atomic_init(&j.status, REEL_OK);
    reel__parallel(threads, s.units, body, &j);
    return succeeded(r, (reel_status)atomic_load(&j.status));
}
