/* Job: run one term of a product for all instances of a step: as one product of stacked rows where
 * the right matrix is shared (few rows by a weight also where they go to different places), as one
 * of tall matrices where contributions are summed, with several right sides where kernels have the
 * same left one, or the left matrix of a large one stands transposed, else one by one. Weights are
 * packed once and used until they change, but for wide ones that have many rows to multiply.
 * Invariant: how a product is cut into calls depends on structure alone, never on addresses or
 * threads, so the bits do neither.
 * Must not know: nodes, ops. */
#include <reel/blas.h>

#include <string.h>

#include "memory.h"
#include "panels.h"
#include "plant.h"
#include "replay.h"
#include "threads.h"

enum {
    PIECE = 256,             /* columns or rows that a thread takes of a large product ... */
    PIECES = 16,             /* ... of which there are no more than so many, of columns */
    ROUND = 16,              /* columns that a piece is a multiple of */
    WORTH_CUTTING = 1 << 21, /* multiplications */
    WORTH_THREADS = 1 << 18,
    /* beyond both, packing anew costs little, and what is packed is too much for the cache */
    MOST_PACKED_ROWS = 512,
    MOST_PACKED_COLUMNS = 2048,
    MOST_PACKS = 1024,
    FEW_ROWS = 16,  /* of a product: as few as do not make full use of panels */
    MOST_APART = 64 /* instances whose results are laid together */
};

_Static_assert((int)REEL__MOST_BESIDE <= (int)REEL__MOST_SIDES, "more at once than panels take");

typedef struct matrix {
    const char *data;
    int64_t row, column;
} matrix;

typedef struct call {
    reel__running *r;
    int64_t m, n, k;
    matrix a, b;
    char *c;
    int64_t c_row, c_column;
    bool accumulate;
    size_t element;
    const reel__pack *pack;
    int64_t pieces, step;
    bool by_columns;
    char *scratch;
    size_t scratch_bytes;
} call;

/* Packs */

static size_t round_up(size_t bytes)
{
    return (bytes + 127) / 128 * 128;
}

static bool same_matrix(const reel__pack *p, const call *x)
{
    return p->data == x->b.data && p->k == x->k && p->n == x->n && p->row == x->b.row &&
           p->column == x->b.column;
}

static reel__pack *room_for_pack(reel__compiled *c)
{
    if (c->packs < MOST_PACKS) {
        if (c->packs == c->pack_capacity) {
            size_t capacity = c->pack_capacity ? 2 * c->pack_capacity : 16;
            reel__pack *v = reel__reallocarray(c->pack, capacity, sizeof *v);
            if (!v) {
                return NULL;
            }
            c->pack = v;
            c->pack_capacity = capacity;
        }
        c->pack[c->packs] = (reel__pack){.data = NULL};
        return &c->pack[c->packs++];
    }
    reel__pack *oldest = &c->pack[0];
    for (size_t i = 1; i < c->packs; i++) {
        oldest = c->pack[i].used < oldest->used ? &c->pack[i] : oldest;
    }
    return oldest;
}

/* The right matrix in panels; NULL when there is no memory for them. */
static const reel__pack *find_pack(reel__compiled *c, const call *x, reel_dtype dtype,
                                   uint64_t version)
{
    reel__pack *p = NULL;
    for (size_t i = 0; i < c->packs && !p; i++) {
        p = same_matrix(&c->pack[i], x) ? &c->pack[i] : NULL;
    }
    if (!p) {
        p = room_for_pack(c);
        if (!p) {
            return NULL;
        }
        p->version = 0;
    }
    p->used = c->run;
    bool current = p->version == version || (p->version && reel__planted(REEL__STALE_PACK));
    if (current && same_matrix(p, x)) {
        return p;
    }
    size_t bytes = reel__panels_bytes(dtype, x->k, x->n);
    if (bytes > p->bytes) {
        reel__free(p->panels);
        p->panels = reel__malloc_aligned(bytes);
        p->bytes = p->panels ? bytes : 0;
    }
    p->data = NULL;
    p->version = 0;
    if (!p->panels) {
        return NULL;
    }
    reel__pass_used(REEL__PASS_PACK);
    reel__panels_pack(dtype, x->k, x->n, x->b.data, x->b.row, x->b.column, p->panels);
    p->data = x->b.data;
    p->k = x->k;
    p->n = x->n;
    p->row = x->b.row;
    p->column = x->b.column;
    p->version = version;
    return p;
}

void reel__packs_free(reel__compiled *c)
{
    for (size_t i = 0; i < c->packs; i++) {
        reel__free(c->pack[i].panels);
    }
    reel__free(c->pack);
    c->pack = NULL;
    c->packs = c->pack_capacity = 0;
}

/* One product, cut into pieces */

static void piece(const call *x, int64_t p, char *scratch)
{
    reel_dtype dtype = x->element == 4 ? REEL_F32 : REEL_F64;
    int64_t all = x->by_columns ? x->n : x->m;
    int64_t from = p * x->step, to = all - from < x->step ? all : from + x->step;
    int64_t e = (int64_t)x->element;
    if (x->pack) {
        reel__panels_multiply(dtype, x->m, x->n, x->k, x->a.data, x->a.row, x->a.column,
                              x->pack->panels, from, to, x->accumulate, x->c, x->c_row, x->c_column,
                              scratch);
        return;
    }
    int64_t m = x->by_columns ? x->m : to - from, n = x->by_columns ? to - from : x->n;
    const char *a = x->by_columns ? x->a.data : x->a.data + from * x->a.row * e;
    const char *b = x->by_columns ? x->b.data + from * x->b.column * e : x->b.data;
    char *c = x->c + from * (x->by_columns ? x->c_column : x->c_row) * e;
    reel_gemm(dtype, m, n, x->k, 1, a, x->a.row, x->a.column, b, x->b.row, x->b.column,
              x->accumulate ? 1 : 0, c, x->c_row, x->c_column);
}

static void body(void *context, int64_t begin, int64_t end)
{
    const call *x = context;
    char *scratch = x->scratch;
    if (scratch && x->r->tape->threads > 1) {
        /* pieces are few and each thread's first one is its own */
        scratch += (size_t)begin * x->scratch_bytes;
    }
    for (int64_t p = begin; p < end; p++) {
        piece(x, p, scratch);
    }
}

static bool multiply(call *x, uint64_t version)
{
    reel__running *r = x->r;
    reel_dtype dtype = r->tape->dtype;
    int64_t work = x->m * x->n * x->k;
    x->by_columns = true;
    x->step = x->n;
    if (version && (x->m <= MOST_PACKED_ROWS || x->n <= MOST_PACKED_COLUMNS) &&
        r->c->passes & REEL__PASS_PACK) {
        x->pack = find_pack(r->c, x, dtype, version);
        if (!x->pack) {
            return false;
        }
    }
    if (x->pack) {
        /* The panels' bits do not depend on the cut. */
        int64_t threads = work < WORTH_THREADS ? 1 : r->tape->threads;
        int64_t unit = reel__panels_step(dtype), panels = (x->n + unit - 1) / unit;
        x->step = (panels + threads - 1) / threads * unit;
    } else if (work >= WORTH_CUTTING) {
        x->by_columns = x->n >= x->m;
        x->step = PIECE;
        if (x->by_columns && x->n > PIECES * PIECE) { /* each packs the left matrix for itself */
            x->step = (x->n + PIECES * ROUND - 1) / (PIECES * ROUND) * ROUND;
        }
    }
    int64_t all = x->by_columns ? x->n : x->m;
    x->pieces = x->step > 0 ? (all + x->step - 1) / x->step : 0;
    x->scratch = NULL;
    if (x->pack) {
        x->scratch_bytes = round_up(reel__panels_scratch(dtype, x->m, x->k));
        size_t bytes = x->scratch_bytes * (size_t)(x->pieces ? x->pieces : 1);
        x->scratch = bytes ? reel__room(r->c, bytes) : NULL;
        if (bytes && !x->scratch) {
            return false;
        }
    }
    reel__parallel(x->pieces > 1 ? r->tape->threads : 1, x->pieces, body, x);
    return true;
}

/* Gathering */

/* Copies a matrix [rows, columns]; t and f are strides. */
static void copy(char *to, matrix t, const char *from, matrix f, int64_t rows, int64_t columns,
                 size_t element)
{
    int64_t e = (int64_t)element;
    for (int64_t i = 0; i < rows; i++) {
        const char *x = from + i * f.row * e;
        char *y = to + i * t.row * e;
        if (f.column == 1 && t.column == 1) {
            memcpy(y, x, (size_t)columns * element);
            continue;
        }
        for (int64_t j = 0; j < columns; j++) {
            memcpy(y + j * t.column * e, x + j * f.column * e, element);
        }
    }
}

/* That of dense rows. */
static matrix dense(int64_t columns)
{
    return (matrix){NULL, columns, 1};
}

/* Whether the instances' matrices [rows, columns] are one matrix of all their rows; fixes the row
 * stride of single rows. */
static bool stacked(const reel__ref *x, int64_t rows, int64_t count, matrix *m, size_t element)
{
    if (x->each && count > 1) {
        return false;
    }
    if (count == 1) {
        return true;
    }
    if (rows == 1 && x->stride > 0) {
        m->row = x->stride / (int64_t)element;
        return true;
    }
    return x->stride == m->row * rows * (int64_t)element && x->stride > 0;
}

static char *gather(reel__running *r, char *to, const reel__ref *x, const matrix *m, int64_t rows,
                    int64_t columns, int64_t from, int64_t count, size_t element)
{
    for (int64_t i = 0; i < count; i++) {
        copy(to + (size_t)(i * rows * columns) * element, dense(columns),
             reel__ref_at(r, x, from + i), *m, rows, columns, element);
    }
    return to;
}

/* Kinds */

typedef struct operands {
    const reel__term *t;
    reel__ref a, b, c;
    size_t element;
} operands;

static call call_of(reel__running *r, const operands *o, bool accumulate)
{
    return (call){.r = r,
                  .m = o->t->m,
                  .n = o->t->n,
                  .k = o->t->k,
                  .a = {NULL, o->t->a.row, o->t->a.column},
                  .b = {NULL, o->t->b.row, o->t->b.column},
                  .c_row = o->t->c.row,
                  .c_column = o->t->c.column,
                  .accumulate = accumulate,
                  .element = o->element};
}

/* Tall products */

typedef struct tall_call {
    reel__tall t;
    reel__side side[REEL__MOST_SIDES];
    bool by_columns; /* threads share those of the only side, else rows */
    int64_t step;
    char *scratch;
    size_t scratch_bytes;
} tall_call;

static void tall_body(void *context, int64_t begin, int64_t end)
{
    const tall_call *x = context;
    char *scratch = x->scratch + (size_t)begin * x->scratch_bytes;
    for (int64_t p = begin; p < end; p++) {
        reel__tall t = x->t;
        reel__side part = x->side[0];
        int64_t all = x->by_columns ? part.right : t.m;
        int64_t from = p * x->step, to = all - from < x->step ? all : from + x->step;
        if (x->by_columns) {
            part.left = from;
            part.right = to;
            t.side = &part;
            from = 0;
            to = t.m;
        }
        reel__tall_multiply(&t, from, to, scratch);
    }
}

/* A panel that is not full wastes time: the narrow side of C is better cut into tiles of rows. */
static void turn(tall_call *x)
{
    reel__tall t = x->t;
    reel__side *side = &x->side[0], old = *side;
    x->t.m = old.right;
    x->t.a = old.b;
    x->t.a_row = old.row;
    x->t.a_column = old.column;
    side->right = t.m;
    side->b = t.a;
    side->row = t.a_row;
    side->column = t.a_column;
    side->c_row = old.c_column;
    side->c_column = old.c_row;
}

/* All columns of each side; where there are several, none has more than there are rows. */
static bool run_tall(reel__running *r, tall_call *x)
{
    int64_t width = reel__panels_step(x->t.dtype), columns = 0;
    x->t.side = x->side;
    if (x->t.sides == 1 && x->side[0].right < width && x->t.m > x->side[0].right) {
        turn(x);
    }
    for (int s = 0; s < x->t.sides; s++) {
        columns += x->side[s].right;
    }
    x->by_columns = x->t.sides == 1 && columns > x->t.m;
    int64_t all = x->by_columns ? columns : x->t.m;
    int64_t work = x->t.m * columns * x->t.k * x->t.count;
    int64_t threads = work < WORTH_THREADS ? 1 : r->tape->threads;
    x->step = (all + threads * width - 1) / (threads * width) * width;
    int64_t pieces = (all + x->step - 1) / x->step;
    x->scratch_bytes = round_up(reel__tall_scratch(&x->t));
    x->scratch = reel__room(r->c, (size_t)pieces * x->scratch_bytes);
    if (x->scratch) {
        reel__parallel(pieces > 1 ? r->tape->threads : 1, pieces, tall_body, x);
    }
    return x->scratch != NULL;
}

static const char *const *addresses(reel__running *r, const reel__ref *x, int64_t from,
                                    int64_t count)
{
    const char **v = reel__arena_alloc(&r->c->lay, (size_t)count * sizeof *v);
    for (int64_t i = 0; v && i < count; i++) {
        v[i] = reel__ref_at(r, x, from + i);
    }
    return v;
}

/* The left side of Σ_i A_i B_i over instances [from, from + x->t.count): the summed axes follow one
 * another. False when memory is out. */
static bool find_left(reel__running *r, const operands *o, int64_t from, tall_call *x)
{
    x->t.dtype = r->tape->dtype;
    x->t.m = o->t->m;
    x->t.k = o->t->k;
    x->t.a = addresses(r, &o->a, from, x->t.count);
    x->t.a_row = o->t->a.column;
    x->t.a_column = o->t->a.row;
    return x->t.a != NULL;
}

static bool find_right(reel__running *r, const operands *o, int64_t from, reel__side *side,
                       int64_t count)
{
    side->b = addresses(r, &o->b, from, count);
    return side->b != NULL;
}

/* One more right side, without its addresses. */
static void add_side(const operands *o, char *to, bool accumulate, tall_call *x)
{
    x->side[x->t.sides++] = (reel__side){.row = o->t->b.row,
                                         .column = o->t->b.column,
                                         .right = o->t->n,
                                         .accumulate = accumulate,
                                         .c = to,
                                         .c_row = o->t->c.row,
                                         .c_column = o->t->c.column};
}

static bool tall(reel__running *r, const operands *o, int64_t from, int64_t count, char *to,
                 bool accumulate)
{
    if (o->t->m * o->t->n * o->t->k == 0) {
        call x = call_of(r, o, accumulate);
        x.c = to;
        x.k = 0;
        return multiply(&x, 0);
    }
    tall_call x = {.t = {.count = count}};
    add_side(o, to, accumulate, &x);
    bool ok =
        find_left(r, o, from, &x) && find_right(r, o, from, &x.side[0], count) && run_tall(r, &x);
    reel__arena_rewind(&r->c->lay);
    return ok;
}

static bool single(reel__running *r, const operands *o, int64_t i, char *to, bool accumulate)
{
    call x = call_of(r, o, accumulate);
    x.a.data = reel__ref_at(r, &o->a, i);
    x.b.data = reel__ref_at(r, &o->b, i);
    x.c = to;
    return multiply(&x, o->b.version);
}

/* Large ones whose left matrix stands transposed, as gradients of weights do, are tall ones of one
 * pair, which is faster than BLIS. */
static bool one_by_one(reel__running *r, const operands *o, bool accumulate)
{
    bool transposed = o->t->a.row == 1 && o->t->a.column != 1 && !o->b.version &&
                      o->t->m * o->t->n * o->t->k >= WORTH_CUTTING;
    for (int64_t i = 0; i < r->count; i++) {
        char *to = reel__ref_at(r, &o->c, i);
        if (!(transposed ? tall(r, o, i, 1, to, accumulate) : single(r, o, i, to, accumulate))) {
            return false;
        }
    }
    return true;
}

/* Lets x have the left matrices of instances [from, from + count) as one, gathered if they are not.
 */
static bool stack_left(reel__running *r, const operands *o, int64_t from, int64_t count, call *x)
{
    if (stacked(&o->a, x->m, count, &x->a, o->element)) {
        x->a.data = reel__ref_at(r, &o->a, from);
        return true;
    }
    char *laid = reel__arena_alloc(&r->c->lay, (size_t)(count * x->m * x->k) * o->element + 64);
    if (!laid) {
        return false;
    }
    x->a.data = gather(r, laid, &o->a, &x->a, x->m, x->k, from, count, o->element);
    x->a.row = x->k;
    x->a.column = 1;
    return true;
}

/* One right matrix for all instances: their rows are stacked. */
static bool all_rows(reel__running *r, const operands *o, const matrix *c, bool accumulate)
{
    call x = call_of(r, o, accumulate);
    x.c_row = c->row;
    if (reel__planted(REEL__WRONG_STRIDE)) {
        x.a.row = x.a.row > x.k ? x.k : x.a.row;
    }
    x.c = reel__ref_at(r, &o->c, 0);
    x.b.data = reel__ref_at(r, &o->b, 0);
    bool ok = stack_left(r, o, 0, r->count, &x);
    x.m *= r->count;
    ok = ok && multiply(&x, o->b.version);
    reel__arena_rewind(&r->c->lay);
    return ok;
}

/* Rows that go to different places */

/* Some instances, where their results go, and what is there already. */
typedef struct results {
    int64_t from, count;
    char *to[MOST_APART];
    bool more[MOST_APART];
} results;

/* Whether it is worth while to make the results together and bring them to where they belong.
 * Panels give the same bits however many rows they are multiplied by. */
static bool few_rows(const reel__running *r, const operands *o)
{
    return r->count > 1 && !o->b.each && o->b.stride == 0 && o->b.version &&
           r->c->passes & REEL__PASS_PACK && o->t->m <= FEW_ROWS && o->t->n > 0 &&
           o->t->n <= MOST_PACKED_COLUMNS;
}

static bool apart(reel__running *r, const operands *o, const results *y)
{
    call x = call_of(r, o, false);
    const matrix c = {NULL, x.c_row, x.c_column};
    const size_t bytes = (size_t)(x.m * x.n) * o->element;
    char *laid = reel__arena_alloc(&r->c->lay, (size_t)y->count * bytes + 64);
    bool ok = laid && stack_left(r, o, y->from, y->count, &x);
    for (int64_t i = 0; i < y->count; i++) {
        x.accumulate = x.accumulate || y->more[i];
    }
    for (int64_t i = 0; ok && x.accumulate && i < y->count; i++) {
        if (y->more[i]) {
            copy(laid + (size_t)i * bytes, dense(x.n), y->to[i], c, x.m, x.n, o->element);
        } else {
            memset(laid + (size_t)i * bytes, 0, bytes);
        }
    }
    x.m *= y->count;
    x.b.data = reel__ref_at(r, &o->b, 0);
    x.c = laid;
    x.c_row = x.n;
    x.c_column = 1;
    ok = ok && multiply(&x, o->b.version);
    for (int64_t i = 0; ok && i < y->count; i++) {
        int64_t row = i > 0 && reel__planted(REEL__ROWS_ASTRAY) ? i - 1 : i;
        copy(y->to[i], c, laid + (size_t)row * bytes, dense(x.n), o->t->m, x.n, o->element);
    }
    reel__arena_rewind(&r->c->lay);
    return ok;
}

static bool all_apart(reel__running *r, const operands *o, bool accumulate)
{
    results y;
    for (y.from = 0; y.from < r->count; y.from += y.count) {
        y.count = r->count - y.from < MOST_APART ? r->count - y.from : MOST_APART;
        for (int64_t i = 0; i < y.count; i++) {
            y.to[i] = reel__ref_at(r, &o->c, y.from + i);
            y.more[i] = accumulate;
        }
        if (!apart(r, o, &y)) {
            return false;
        }
    }
    return true;
}

/* Sums */

/* Where an instance's sum is. */
static char *sum_at(const reel__running *r, const operands *o, int64_t i)
{
    const reel__place *sum = r->step->sum + (int64_t)r->sums * r->count;
    return reel__address(r, sum[i]) + o->t->c.x.window.offset * (int64_t)o->element;
}

/* Whether something is in it already: of an earlier instance, or, with `accumulate`, term. */
static bool goes_on(const reel__running *r, bool accumulate, int64_t i)
{
    const uint8_t *starts = r->step->starts + (int64_t)r->sums * r->count;
    return (accumulate || !starts[i]) && !reel__planted(REEL__MISSING_ACCUMULATION);
}

static bool same_sum(const reel__running *r, int64_t i, int64_t j)
{
    const reel__place *sum = r->step->sum + (int64_t)r->sums * r->count;
    return sum[i].base == sum[j].base && sum[i].offset == sum[j].offset;
}

/* Sums that follow one another and are the same are made in one product. */
static bool in_turn(reel__running *r, const operands *o, int64_t from, int64_t to, bool accumulate)
{
    for (int64_t i = from, n; i < to; i += n) {
        char *sum = sum_at(r, o, i);
        bool more = goes_on(r, accumulate, i);
        for (n = 1; i + n < to && same_sum(r, i, i + n); n++) {
        }
        if (!(n == 1 && o->b.version ? single(r, o, i, sum, more) : tall(r, o, i, n, sum, more))) {
            return false;
        }
    }
    return true;
}

/* Whether the sums of instances [from, from + count) are all different ones. */
static bool differ(const reel__running *r, int64_t from, int64_t count)
{
    for (int64_t i = from + 1; i < from + count; i++) {
        for (int64_t j = from; j < i; j++) {
            if (same_sum(r, i, j)) {
                return false;
            }
        }
    }
    return true;
}

static bool into_sums(reel__running *r, const operands *o, bool accumulate)
{
    results y;
    if (!few_rows(r, o)) {
        return in_turn(r, o, 0, r->count, accumulate);
    }
    for (y.from = 0; y.from < r->count; y.from += y.count) {
        y.count = r->count - y.from < MOST_APART ? r->count - y.from : MOST_APART;
        for (int64_t i = 0; i < y.count; i++) {
            y.to[i] = sum_at(r, o, y.from + i);
            y.more[i] = goes_on(r, accumulate, y.from + i);
        }
        if (!(differ(r, y.from, y.count) ? apart(r, o, &y)
                                         : in_turn(r, o, y.from, y.from + y.count, accumulate))) {
            return false;
        }
    }
    return true;
}

static operands operands_of(const reel__running *r, const reel__kernel *k)
{
    operands o = {.t = k->term, .element = reel__dtype_size(r->tape->dtype)};
    o.a = reel__find(r, &k->term->a.x);
    o.b = reel__find(r, &k->term->b.x);
    return o;
}

bool reel__run_product(reel__running *r, const reel__kernel *k)
{
    operands o = operands_of(r, k);
    if (k->added) {
        return into_sums(r, &o, k->accumulate);
    }
    o.c = reel__find(r, &k->term->c.x);
    matrix c = {NULL, k->term->c.row, k->term->c.column};
    if (r->count > 1 && !o.b.each && o.b.stride == 0 && k->term->n > 0 &&
        stacked(&o.c, k->term->m, r->count, &c, o.element)) {
        return all_rows(r, &o, &c, k->accumulate);
    }
    return few_rows(r, &o) ? all_apart(r, &o, k->accumulate) : one_by_one(r, &o, k->accumulate);
}

/* Products with the same left matrix */

static bool one_sum(const reel__running *r)
{
    for (int64_t i = 1; i < r->count; i++) {
        if (!same_sum(r, 0, i)) {
            return false;
        }
    }
    return true;
}

/* Whether k[i], the sum of which is that of r->sums, goes into the same place as one before. Parts
 * of one value have places of their own, in the one sum. */
static bool place_taken(const reel__running *r, const reel__kernel *k, const tall_call *x,
                        const char *to, int i)
{
    const reel__place *own = r->step->sum + (int64_t)r->sums * r->count;
    for (int j = 0; j < i; j++) {
        const reel__place *other = own - (i - j) * r->count;
        bool same = own->base == other->base && own->offset == other->offset;
        if (same && (k[j].value != k[i].value || x->side[j].c == to)) {
            return true;
        }
    }
    return false;
}

/* Those of k[0..n), from the first on, of which each adds all instances to one sum, no two to the
 * same, so that a sum has its order, and none multiplies by a weight, which is packed; their sides
 * in x. */
static int find_sides(reel__running *r, const reel__kernel *k, int n, tall_call *x)
{
    const int sums = r->sums;
    int i = 0;
    for (; i < n; i++, r->sums++) {
        operands o = operands_of(r, &k[i]);
        char *to = sum_at(r, &o, 0);
        if (o.b.version || !one_sum(r) || place_taken(r, k, x, to, i)) {
            break;
        }
        add_side(&o, to, goes_on(r, k[i].accumulate, 0), x);
    }
    r->sums = sums;
    return i;
}

bool reel__run_beside(reel__running *r, const reel__kernel *k, int n, int *done)
{
    tall_call x = {.t = {.count = r->count}};
    n = find_sides(r, k, n, &x);
    *done = n > 1 ? n : 0;
    if (!*done) {
        return true;
    }
    reel__pass_used(REEL__PASS_BESIDE);
    operands o = operands_of(r, k);
    bool ok = find_left(r, &o, 0, &x);
    for (int i = 0; ok && i < n; i++) {
        o = operands_of(r, &k[i]);
        ok = find_right(r, &o, 0, &x.side[i], r->count);
    }
    x.t.sides -= reel__planted(REEL__NOT_BESIDE);
    ok = ok && run_tall(r, &x);
    reel__arena_rewind(&r->c->lay);
    return ok;
}
