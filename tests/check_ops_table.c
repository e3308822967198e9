/* Every op of the library, driven by the samples in its descriptor: values, derivatives, kernels,
 * labels. A new op is tested here without a line of this file being touched. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/check.h>
#include <reel/op.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include "../src/call.h"
#include "../src/check_slope.h"
#include "../src/sampler.h"
#include "suite.h"

enum { SEED = 7, MOST_ARGS = 16 };

/* ck_assert_msg tells Check's parent process of every call: too slow to be asked about each
 * element. */
#define EXPECT(condition, ...)         \
    do {                               \
        if (!(condition)) {            \
            ck_abort_msg(__VA_ARGS__); \
        }                              \
    } while (0)

/* The k-th sample of an op, recorded. */
typedef struct trial {
    const reel_op *op;
    int k;
    reel_tape *tape;
    reel_sampler sampler;
    reel_node *y;
} trial;

/* Records the sample; false when there is none. */
static bool begin(trial *t, const reel_op *op, int k, reel_tape *tape)
{
    *t = (trial){.op = op, .k = k, .tape = tape};
    ck_assert_ptr_nonnull(tape);
    EXPECT(op->sample != NULL, "%s has no samples", op->name);
    reel__sampler_init(&t->sampler, SEED, (uint64_t)k);
    reel__sampler_begin(&t->sampler, tape);
    t->y = op->sample(&t->sampler, k);
    EXPECT(reel_tape_status(tape) == REEL_OK, "%s, sample %d: %s", op->name, k,
           reel_tape_message(tape));
    return t->y != NULL;
}

static void end(trial *t)
{
    reel__sampler_free(&t->sampler);
    reel_tape_free(t->tape);
}

static const reel_op *op_at(int i)
{
    return reel_ops()[i];
}

static bool is_real(const reel_node *x)
{
    return reel_node_dtype(x) != REEL_I32;
}

static reel_tape *tape_of(reel_dtype dtype, int threads)
{
    return reel_tape_new(threads, .dtype = dtype, .seed = SEED);
}

/* Runs `test` on every sample of the op in the given type. */
static int for_samples(const reel_op *op, reel_dtype dtype, void (*test)(trial *t))
{
    int k = 0;
    for (;; k++) {
        trial t;
        bool there = begin(&t, op, k, tape_of(dtype, 1));
        if (there) {
            test(&t);
        }
        end(&t);
        if (!there) {
            return k;
        }
    }
}

static void for_both_types(const reel_op *op, void (*test)(trial *t))
{
    EXPECT(for_samples(op, REEL_F64, test) > 0, "%s has no samples", op->name);
    for_samples(op, REEL_F32, test);
}

static double *values_of(trial *t, reel_node *x)
{
    size_t n = (size_t)reel_node_size(x);
    double *v = malloc((n + 1) * sizeof *v);
    ck_assert_ptr_nonnull(v);
    EXPECT(reel_read(x, v, n) == REEL_OK, "%s, sample %d: %s", t->op->name, t->k,
           reel_tape_message(t->tape));
    return v;
}

/* The table. */

static void table_is_sorted_and_searchable(int i)
{
    const reel_op *op = op_at(i);
    ck_assert_ptr_eq(reel_op_find(op->name), op);
    EXPECT(i == 0 || strcmp(op_at(i - 1)->name, op->name) < 0, "%s is out of order", op->name);
    for (const char *c = op->name; *c; c++) {
        EXPECT(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_', "%s",
               op->name);
    }
    if (op->flags & REEL_OP_ELEMENTWISE) {
        EXPECT(op->map_f32 && op->map_f64, "%s lacks a kernel", op->name);
        EXPECT(!(op->flags & REEL_OP_ACCUMULATES), "%s", op->name);
    } else {
        EXPECT(op->run_f32 && op->run_f64, "%s lacks a kernel", op->name);
    }
    ck_assert_ptr_null(reel_op_find("no such op"));
    ck_assert_ptr_null(reel_op_find(NULL));
}

/* Values. */

static void value_is_finite(trial *t)
{
    EXPECT(reel_node_op(t->y) == t->op, "sample %d of %s is a %s", t->k, t->op->name,
           reel_node_op(t->y)->name);
    double *v = values_of(t, t->y);
    for (int64_t i = 0; i < reel_node_size(t->y); i++) {
        EXPECT(isfinite(v[i]), "%s, sample %d: element %lld is %g", t->op->name, t->k, (long long)i,
               v[i]);
    }
    free(v);
}

/* Both types compute from the same inputs, which f32 holds exactly. */
static void single_agrees(trial *t)
{
    trial s;
    double largest = 1;
    ck_assert(begin(&s, t->op, t->k, tape_of(REEL_F32, 1)));
    ck_assert(reel_shape_equal(reel_node_shape(t->y), reel_node_shape(s.y)));
    double *wide = values_of(t, t->y), *single = values_of(&s, s.y);
    for (int64_t i = 0; i < reel_node_size(t->y); i++) {
        largest = fmax(largest, fabs(wide[i]));
    }
    for (int64_t i = 0; i < reel_node_size(t->y); i++) {
        EXPECT(fabs(wide[i] - single[i]) <= 2e-6 * largest,
               "%s, sample %d: element %lld is %.9g in f64 and %.9g in f32", t->op->name, t->k,
               (long long)i, wide[i], single[i]);
    }
    free(wide);
    free(single);
    end(&s);
}

static void threads_agree(trial *t)
{
    trial s;
    ck_assert(begin(&s, t->op, t->k, tape_of(reel_tape_dtype(t->tape), 3)));
    double *one = values_of(t, t->y), *three = values_of(&s, s.y);
    ck_assert_mem_eq(one, three, (size_t)reel_node_size(t->y) * sizeof *one);
    free(one);
    free(three);
    end(&s);
}

/* Kernels, called without an executor. */

enum { GUARD = 64 /* bytes on either side of an output that no kernel may touch */ };

typedef struct bench {
    reel_tensor x[MOST_ARGS];
    reel_call call;
    reel_call_state state;
    size_t bytes;
} bench;

static reel_tensor tensor_of(reel_node *x)
{
    return (reel_tensor){.data = (void *)(uintptr_t)reel_data(x),
                         .dtype = reel_node_dtype(x),
                         .shape = reel_node_shape(x),
                         .size = reel_node_size(x)};
}

static void bench_init(bench *b, trial *t)
{
    memset(b, 0, sizeof *b);
    int n = reel_node_arity(t->y);
    ck_assert_int_le(n, MOST_ARGS);
    for (int i = 0; i < n; i++) {
        b->x[i] = tensor_of(reel_node_arg(t->y, i));
        EXPECT(b->x[i].data != NULL, "%s", reel_tape_message(t->tape));
    }
    b->call = (reel_call){.op = t->op,
                          .n = n,
                          .x = b->x,
                          .y = {.dtype = reel_node_dtype(t->y),
                                .shape = reel_node_shape(t->y),
                                .size = reel_node_size(t->y)},
                          .attr = reel_node_attr(t->y),
                          .end = 1,
                          .state = &b->state};
    b->bytes = (size_t)b->call.y.size * reel_dtype_size(b->call.y.dtype);
}

/* A block with guards, all bytes `fill`. */
static unsigned char *block_new(const bench *b, int fill)
{
    unsigned char *block = aligned_alloc(64, (b->bytes + 2 * GUARD + 63) / 64 * 64);
    ck_assert_ptr_nonnull(block);
    memset(block, fill, b->bytes + 2 * GUARD);
    return block;
}

static void check_guards(const bench *b, const unsigned char *block, int fill, const trial *t)
{
    for (size_t i = 0; i < GUARD; i++) {
        EXPECT(block[i] == (unsigned char)fill &&
                   block[GUARD + b->bytes + i] == (unsigned char)fill,
               "%s, sample %d: the kernel writes outside its output", t->op->name, t->k);
    }
}

/* Runs the op's kernel, or another in its place, on a block. */
static void run_on(bench *b, trial *t, const reel_op *op, unsigned char *block)
{
    b->call.op = op;
    b->call.y.data = block + GUARD;
    b->state = (reel_call_state){.status = REEL_OK};
    EXPECT(reel__call_run(&b->call, reel_tape_dtype(t->tape), 1) == REEL_OK, "%s: %s", t->op->name,
           b->state.message);
}

static unsigned char *run_filled(bench *b, trial *t, const reel_op *op, int fill)
{
    unsigned char *block = block_new(b, fill);
    run_on(b, t, op, block);
    check_guards(b, block, fill, t);
    return block;
}

static void same_bytes(const bench *b, const unsigned char *p, const unsigned char *q,
                       const trial *t, const char *what)
{
    EXPECT(memcmp(p + GUARD, q + GUARD, b->bytes) == 0, "%s, sample %d (%s): %s", t->op->name, t->k,
           reel_dtype_name(reel_tape_dtype(t->tape)), what);
}

static void output_is_overwritten(trial *t)
{
    bench b;
    bench_init(&b, t);
    unsigned char *zero = run_filled(&b, t, t->op, 0), *nan = run_filled(&b, t, t->op, 0xff);
    same_bytes(&b, zero, nan, t, "the result depends on what was in the output before");
    if (b.bytes) {
        ck_assert_mem_eq(zero + GUARD, reel_data(t->y), b.bytes);
    }
    free(zero);
    free(nan);
}

/* The op whose kernel the stand-ins below call in pieces. */
static const reel_op *whole;
static uint32_t dice;

static int64_t below(int64_t n)
{
    dice = dice * 1664525U + 1013904223U;
    return (int64_t)((dice >> 8) % (uint32_t)n);
}

static void run_piece(const reel_call *c, int64_t begin_at, int64_t end_at)
{
    reel_call part = *c;
    bool single = c->y.dtype == REEL_F32 || (c->y.dtype == REEL_I32 && c->x[0].dtype == REEL_F32);
    part.op = whole;
    part.begin = begin_at;
    part.end = end_at;
    (single ? whole->run_f32 : whole->run_f64)(&part);
}

/* The later pieces first: a unit may not rely on those before it. */
static void run_in_pieces(const reel_call *c)
{
    int64_t to = c->end;
    while (to > c->begin) {
        int64_t from = c->begin + below(to - c->begin);
        run_piece(c, from, to);
        to = from;
    }
}

static void map_pieces_f32(size_t n, const float *const *x, float *y, const void *attr)
{
    for (size_t from = 0, to; from < n; from = to) {
        const float *at[MOST_ARGS];
        to = from + 1 + (size_t)below((int64_t)(n - from));
        for (int i = 0; i < (whole->arity < 0 ? MOST_ARGS : whole->arity); i++) {
            at[i] = x[i] + from;
        }
        whole->map_f32(to - from, at, y + from, attr);
    }
}

static void map_pieces_f64(size_t n, const double *const *x, double *y, const void *attr)
{
    for (size_t from = 0, to; from < n; from = to) {
        const double *at[MOST_ARGS];
        to = from + 1 + (size_t)below((int64_t)(n - from));
        for (int i = 0; i < (whole->arity < 0 ? MOST_ARGS : whole->arity); i++) {
            at[i] = x[i] + from;
        }
        whole->map_f64(to - from, at, y + from, attr);
    }
}

static void split_composes(trial *t)
{
    bench b;
    reel_op pieces = *t->op;
    pieces.map_f32 = map_pieces_f32;
    pieces.map_f64 = map_pieces_f64;
    pieces.run_f32 = pieces.run_f64 = run_in_pieces;
    whole = t->op;
    dice = (uint32_t)t->k + 1;
    bench_init(&b, t);
    unsigned char *at_once = run_filled(&b, t, t->op, 0xff);
    for (int i = 0; i < 5; i++) {
        unsigned char *in_parts = run_filled(&b, t, &pieces, 0xff);
        same_bytes(&b, at_once, in_parts, t, "computed in parts, the result differs");
        free(in_parts);
    }
    free(at_once);
}

static double element(const bench *b, const unsigned char *block, int64_t i)
{
    return b->call.y.dtype == REEL_F32 ? (double)((const float *)(const void *)(block + GUARD))[i]
                                       : ((const double *)(const void *)(block + GUARD))[i];
}

static void accumulates(trial *t)
{
    bench b;
    bench_init(&b, t);
    unsigned char *value = run_filled(&b, t, t->op, 0), *sum = block_new(&b, 0);
    double largest = 1, eps = b.call.y.dtype == REEL_F32 ? 1.2e-7 : 2.3e-16;
    for (int64_t i = 0; i < b.call.y.size; i++) {
        double start = 0.25 + (double)(i % 7);
        largest = fmax(largest, fabs(element(&b, value, i)) + start);
        if (b.call.y.dtype == REEL_F32) {
            ((float *)(void *)(sum + GUARD))[i] = (float)start;
        } else {
            ((double *)(void *)(sum + GUARD))[i] = start;
        }
    }
    b.call.accumulate = true;
    run_on(&b, t, t->op, sum);
    check_guards(&b, sum, 0, t);
    for (int64_t i = 0; i < b.call.y.size; i++) {
        double wanted = element(&b, value, i) + 0.25 + (double)(i % 7);
        EXPECT(fabs(element(&b, sum, i) - wanted) <= 16 * eps * largest,
               "%s, sample %d: element %lld accumulates to %.9g instead of %.9g", t->op->name, t->k,
               (long long)i, element(&b, sum, i), wanted);
    }
    free(value);
    free(sum);
}

static void in_place_equals(trial *t)
{
    bench b;
    bench_init(&b, t);
    unsigned char *apart = run_filled(&b, t, t->op, 0xff);
    for (int i = 0; i < b.call.n; i++) {
        reel_tensor kept = b.x[i];
        if (kept.size != b.call.y.size || kept.dtype != b.call.y.dtype) {
            continue;
        }
        unsigned char *block = block_new(&b, 0);
        memcpy(block + GUARD, kept.data, b.bytes);
        for (int j = 0; j < b.call.n; j++) { /* also where an argument appears twice */
            b.x[j].data = b.x[j].data == kept.data ? block + GUARD : b.x[j].data;
        }
        run_on(&b, t, t->op, block);
        same_bytes(&b, apart, block, t, "computed in place, the result differs");
        for (int j = 0; j < b.call.n; j++) {
            b.x[j].data = b.x[j].data == block + GUARD ? kept.data : b.x[j].data;
        }
        free(block);
    }
    free(apart);
}

/* Derivatives. */

static int real_leaves(const trial *t)
{
    int n = 0;
    for (size_t i = 0; i < t->sampler.n; i++) {
        n += t->sampler.leaf[i].kind == REEL__LEAF_REAL;
    }
    return n;
}

static void no_rule_is_an_error(trial *t)
{
    if (!real_leaves(t) || !is_real(t->y)) {
        return;
    }
    reel_node *x = NULL, *dx;
    for (size_t i = 0; i < t->sampler.n && !x; i++) {
        x = t->sampler.leaf[i].kind == REEL__LEAF_REAL ? t->sampler.leaf[i].node : NULL;
    }
    ck_assert_int_eq(reel_grad(reel_sum(t->y), 1, &x, &dx), REEL_ERR_GRADIENT);
    EXPECT(strstr(reel_tape_message(t->tape), t->op->name) != NULL, "%s",
           reel_tape_message(t->tape));
}

/* <w, y> on the line x + t v, for the numeric side of forward mode. */
typedef struct line {
    trial *t;
    double *base[MOST_ARGS];
} line;

static reel_node *record_weighed(trial *t, reel_node **x, reel_node **v, int *n)
{
    reel_tape_reset(t->tape);
    reel__sampler_begin(&t->sampler, t->tape);
    t->y = t->op->sample(&t->sampler, t->k);
    size_t leaves = t->sampler.next;
    *n = 0;
    for (size_t i = 0; i < leaves; i++) {
        if (t->sampler.leaf[i].kind == REEL__LEAF_REAL) {
            ck_assert_int_lt(*n, MOST_ARGS);
            x[*n] = t->sampler.leaf[i].node;
            v[*n] =
                reel__sample_weight(&t->sampler, REEL__LEAF_FIXED, "", t->sampler.leaf[i].shape);
            ++*n;
        }
    }
    return reel__sample_weight(&t->sampler, REEL__LEAF_FIXED, "", reel_node_shape(t->y));
}

static bool along(void *context, double step, double *f)
{
    line *l = context;
    trial *t = l->t;
    reel_node *x[MOST_ARGS], *v[MOST_ARGS];
    int n = 0, real = 0;
    size_t leaves = t->sampler.n;
    for (size_t i = 0; i < leaves; i++) {
        real += t->sampler.leaf[i].kind == REEL__LEAF_REAL;
    }
    size_t first = leaves - (size_t)real - 1; /* the directions, then the weights of the result */
    for (size_t i = 0; i < first; i++) {
        reel__leaf *leaf = &t->sampler.leaf[i];
        for (int64_t k = 0; leaf->kind == REEL__LEAF_REAL && k < leaf->size; k++) {
            leaf->value[k] = l->base[n][k] + step * t->sampler.leaf[first + (size_t)n].value[k];
        }
        n += leaf->kind == REEL__LEAF_REAL;
    }
    reel_node *w = record_weighed(t, x, v, &n);
    return reel_scalar(reel_sum(reel_mul(w, t->y)), f) == REEL_OK;
}

static void keep_base(line *l)
{
    int n = 0;
    for (size_t i = 0; i < l->t->sampler.n; i++) {
        const reel__leaf *leaf = &l->t->sampler.leaf[i];
        if (leaf->kind == REEL__LEAF_REAL) {
            size_t bytes = (size_t)leaf->size * sizeof(double);
            l->base[n] = malloc(bytes + 1);
            ck_assert_ptr_nonnull(l->base[n]);
            memcpy(l->base[n++], leaf->value, bytes);
        }
    }
}

static void forward_mode_agrees(trial *t)
{
    reel_node *x[MOST_ARGS], *v[MOST_ARGS], *dy;
    int n = real_leaves(t);
    if (n == 0 || !is_real(t->y) || !t->op->gradient) {
        return;
    }
    line l = {.t = t};
    keep_base(&l);
    reel_node *w = record_weighed(t, x, v, &n);
    reel_status status = reel_jvp(1, &t->y, (size_t)n, x, v, &dy);
    if (t->op->flags & REEL_OP_NONLINEAR_GRADIENT) {
        ck_assert_int_eq(status, REEL_ERR_GRADIENT);
        ck_assert_ptr_nonnull(strstr(reel_tape_message(t->tape), t->op->name));
    } else {
        double analytic = 0, f0 = 0;
        reel__slope found;
        EXPECT(status == REEL_OK, "%s", reel_tape_message(t->tape));
        ck_assert_int_eq(reel_scalar(reel_sum(reel_mul(w, dy)), &analytic), REEL_OK);
        ck_assert_int_eq(reel_scalar(reel_sum(reel_mul(w, t->y)), &f0), REEL_OK);
        reel__slope_args args = {.f = along,
                                 .context = &l,
                                 .f0 = f0,
                                 .magnitude = fabs(f0) + (double)reel_node_size(t->y),
                                 .step = 1e-3,
                                 .tolerance = 1e-6};
        ck_assert(reel__slope_find(&args, &found));
        EXPECT(found.kink || !found.settled ||
                   fabs(found.value - analytic) <= 1e-6 * fabs(analytic) + found.error,
               "%s, sample %d: forward mode gives %.10g, differences %.10g", t->op->name, t->k,
               analytic, found.value);
    }
    for (int i = 0; i < n; i++) {
        free(l.base[i]);
    }
}

/* The rest. */

static void label_is_valid(trial *t)
{
    char text[96], again[96];
    for (size_t n = 1; n <= 64; n++) {
        memset(text, '#', sizeof text);
        if (t->op->label) {
            t->op->label(t->y, text, n);
        } else {
            snprintf(text, n, "%s", t->op->name);
        }
        EXPECT(memchr(text, '\0', n) != NULL, "%s: a label without an end", t->op->name);
        for (size_t i = n; i < sizeof text; i++) {
            EXPECT(text[i] == '#', "%s: a label beyond its room", t->op->name);
        }
        for (const char *c = text; *c; c++) {
            EXPECT((unsigned char)*c >= ' ', "%s: a control character in a label", t->op->name);
        }
    }
    EXPECT(*text, "%s: an empty label", t->op->name);
    if (t->op->label) {
        t->op->label(t->y, again, sizeof again);
        ck_assert_int_eq(strncmp(text, again, strlen(text)), 0);
    }
}

static void errors_propagate(const reel_op *op)
{
    for (int k = 0; k < 3; k++) {
        reel_tape *tape = tape_of(REEL_F64, 1);
        reel_node *error = reel_tape_fail(tape, "x.c:1", REEL_ERR_VALUE, "first");
        reel_sampler s;
        reel__sampler_init(&s, SEED, 0);
        reel__sampler_begin(&s, tape);
        reel_node *y = op->sample(&s, k);
        EXPECT(!y || y == error, "%s: not the error node", op->name);
        ck_assert_str_eq(reel_tape_message(tape), "x.c:1: first");
        reel__sampler_free(&s);
        reel_tape_free(tape);
    }
    if (op->arity > 0) {
        reel_tape *tape = tape_of(REEL_F64, 1);
        reel_node *x[MOST_ARGS];
        for (int i = 0; i <= op->arity; i++) {
            x[i] = reel_number(tape, 1);
        }
        reel_apply(REEL_HERE, op, op->arity + 1, x, NULL);
        ck_assert_int_eq(reel_tape_status(tape), REEL_ERR_ARGUMENT);
        reel_tape_free(tape);
    }
}

static void derivatives_to_order_2(const reel_op *op)
{
    reel_check_report r;
    if (!op->gradient) {
        for_samples(op, REEL_F64, no_rule_is_an_error);
        return;
    }
    EXPECT(reel_check_op(&r, op, .order = 2, .seed = SEED), "%s", r.message);
    EXPECT(r.kinks <= r.compared, "too many kinks to call this tested: %s", r.message);
}

/* One test per op and kind. */

START_TEST(descriptor)
{
    table_is_sorted_and_searchable(_i);
    for_samples(op_at(_i), REEL_F64, label_is_valid);
    errors_propagate(op_at(_i));
}
END_TEST

START_TEST(values)
{
    for_both_types(op_at(_i), value_is_finite);
    for_samples(op_at(_i), REEL_F64, single_agrees);
    for_both_types(op_at(_i), threads_agree);
}
END_TEST

START_TEST(kernels)
{
    const reel_op *op = op_at(_i);
    for_both_types(op, output_is_overwritten);
    for_both_types(op, split_composes);
    if (op->flags & REEL_OP_ACCUMULATES) {
        for_both_types(op, accumulates);
    }
    if (op->flags & REEL_OP_ELEMENTWISE) {
        for_both_types(op, in_place_equals);
    }
}
END_TEST

START_TEST(derivatives)
{
    derivatives_to_order_2(op_at(_i));
    for_samples(op_at(_i), REEL_F64, forward_mode_agrees);
}
END_TEST

static int count_samples(int ops)
{
    int samples = 0;
    reel_tape *tape = tape_of(REEL_F64, 1);
    for (int i = 0; i < ops; i++) {
        bool there = op_at(i)->sample != NULL;
        for (int k = 0; there; k++, samples += there) {
            reel_sampler s;
            reel_tape_reset(tape);
            reel__sampler_init(&s, SEED, 0);
            reel__sampler_begin(&s, tape);
            there = op_at(i)->sample(&s, k) != NULL;
            reel__sampler_free(&s);
        }
    }
    reel_tape_free(tape);
    return samples;
}

int main(void)
{
    int ops = 0;
    while (op_at(ops)) {
        ops++;
    }
    printf("%d ops, %d samples\n", ops, count_samples(ops));
    fflush(stdout);
    Suite *suite = suite_create("ops");
    TCase *each = tcase_create("each op");
    tcase_set_timeout(each, 600);
    tcase_add_loop_test(each, descriptor, 0, ops);
    tcase_add_loop_test(each, values, 0, ops);
    tcase_add_loop_test(each, kernels, 0, ops);
    tcase_add_loop_test(each, derivatives, 0, ops);
    suite_add_tcase(suite, each);
    return suite_run(suite);
}
