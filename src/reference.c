/* Job: the reference executor: what is needed, one node after another in recording order.
 * Invariant: a value is computed from its arguments' values alone; it is given back as soon as
 * nobody in this evaluation needs it, unless it was asked for or a gradient rule may read it later.
 * Must not know: what an op computes; it reads flags only. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "memory.h"
#include "tape.h"

static bool out_of_memory(reel_tape *tape)
{
    reel__fail(tape, REEL_ERR_MEMORY, NULL, "evaluation: out of memory");
    return false;
}

/* A weight's leaf borrows the weight's present value: it must still be the one that was recorded.
 */
bool reel__fresh(const reel__slot *s)
{
    if (!(s->flags & REEL__PARAM)) {
        return true;
    }
    const reel__use *use = s->attr;
    if (reel_param_version(use->param) == use->version) {
        return true;
    }
    reel__fail_node(
        s, REEL_ERR_STALE,
        "weight '%s' has changed since it was used: what depends on it can be read if it was "
        "computed before, but not computed now; reset the tape and record again",
        reel_param_name(use->param));
    return false;
}

/* The first element that is NaN or infinite; -1 when all are finite. */
static int64_t first_bad(const reel__slot *s)
{
    int64_t n = reel__size(s);
    for (int64_t i = 0; s->dtype == REEL_F32 && i < n; i++) {
        if (!isfinite(((const float *)s->data)[i])) {
            return i;
        }
    }
    for (int64_t i = 0; s->dtype == REEL_F64 && i < n; i++) {
        if (!isfinite(((const double *)s->data)[i])) {
            return i;
        }
    }
    return -1;
}

static bool trap(const reel__slot *s)
{
    int64_t bad = first_bad(s);
    if (bad < 0) {
        return true;
    }
    double value = s->dtype == REEL_F32 ? (double)((const float *)s->data)[bad]
                                        : ((const double *)s->data)[bad];
    char shape[128];
    reel__fail_node(s, REEL_ERR_NAN, "element %lld of %s is %s", (long long)bad,
                    reel__shape_text(shape, sizeof shape, reel__shape(s)),
                    isnan(value)  ? "NaN"
                    : value > 0.0 ? "+infinity"
                                  : "-infinity");
    return false;
}

bool reel__kept(const reel__slot *s)
{
    return s->flags & REEL__WANT || (s->flags & REEL__READ && !s->origin && !s->tape->inference);
}

/* Notes one more use of s. */
static bool need(reel_tape *tape, reel__slot *s, uint32_t walk)
{
    if (s->flags & REEL__COMPUTED) {
        return reel__fresh(s);
    }
    if (s->stamp != walk) {
        s->stamp = walk;
        s->mark = 0;
        reel__pending_add(&tape->pending, s->id);
    }
    s->mark++;
    return true;
}

void reel__mark_read(reel__slot *s)
{
    uint64_t reads = reel__rule_reads(s);
    reel__slot *const *arg = reel__args(s);
    if (reads & REEL__READS_Y) {
        s->flags |= REEL__READ;
    }
    for (int i = 0; i < s->n; i++) {
        if (reads & reel__reads_bit(i)) {
            arg[i]->flags |= REEL__READ;
        }
    }
}

/* A contribution that only a sum reads is added to the sum's buffer at once, without a buffer of
 * its own: a weight's T gradient contributions never exist side by side. Whether others read it too
 * shows later. */
static void offer_to(reel__slot *s, reel__slot *sum)
{
    if (!(s->flags & REEL__COMPUTED) && s->op->flags & REEL_OP_ACCUMULATES &&
        !(s->op->flags & REEL_OP_SUM)) {
        s->flags |= REEL__INTO;
        s->data = sum;
    }
}

/* Lists what must be computed in tape->needed, latest first, with its number of uses in mark: a
 * node is visited after all who use it. */
static bool gather(reel_tape *tape, size_t n, reel__slot *const *roots, uint32_t walk)
{
    tape->needed.n = 0;
    reel__pending_clear(&tape->pending);
    if (!reel__pending_reserve(&tape->pending, tape->count)) {
        return out_of_memory(tape);
    }
    for (size_t i = 0; i < n; i++) {
        roots[i]->flags |= REEL__WANT;
        if (tape->trap_nan && roots[i]->op->flags & REEL_OP_LEAF && !trap(roots[i])) {
            return false;
        }
        if (!need(tape, roots[i], walk)) {
            return false;
        }
    }
    while (tape->pending.count) {
        reel__slot *s = reel__slot_at(tape, reel__pending_take(&tape->pending));
        reel__slot *const *arg = reel__args(s);
        if (!reel__ids_push(&tape->needed, s->id)) {
            return out_of_memory(tape);
        }
        if (!s->origin && !tape->inference) {
            reel__mark_read(s);
        }
        /* Not under trap_nan: a contribution that is not finite is to be named, not the sum. */
        bool sum = s->op->flags & REEL_OP_SUM && s->n > 1 && !tape->trap_nan;
        for (int i = 0; i < s->n; i++) {
            if (!need(tape, arg[i], walk)) {
                return false;
            }
            if (sum) {
                offer_to(arg[i], s);
            }
        }
    }
    return true;
}

/* The sum that s alone contributes to, if it may go straight there. */
static reel__slot *sum_for(reel__slot *s)
{
    if (!(s->flags & REEL__INTO)) {
        return NULL;
    }
    reel__slot *sum = s->data;
    s->flags &= (uint16_t)~REEL__INTO;
    s->data = NULL;
    return s->mark == 1 && !reel__kept(s) ? sum : NULL;
}

static reel_tensor tensor_of(const reel__slot *s)
{
    return (reel_tensor){.data = s->data,
                         .dtype = (reel_dtype)s->dtype,
                         .shape = reel__shape(s),
                         .size = reel__size(s)};
}

static bool take_buffer(reel__slot *s)
{
    s->data = reel__pool_get(&s->tape->pool, reel__bytes(s));
    if (!s->data) {
        reel__fail_node(s, REEL_ERR_MEMORY, "out of memory for %zu bytes", reel__bytes(s));
        return false;
    }
    s->flags |= REEL__OWNED;
    return true;
}

static void drop_buffer(reel__slot *s)
{
    if (s->flags & REEL__OWNED && s->data) {
        reel__pool_put(&s->tape->pool, s->data, reel__bytes(s));
        s->data = NULL;
    }
    s->flags &= (uint16_t) ~(REEL__COMPUTED | REEL__OWNED);
}

/* An element-wise op may write over an argument that nobody needs any more. */
static bool take_over(reel__slot *s, uint32_t walk)
{
    if (!(s->op->flags & REEL_OP_ELEMENTWISE)) {
        return false;
    }
    for (int i = 0; i < s->n; i++) {
        reel__slot *a = reel__args(s)[i];
        if (a->stamp == walk && a->mark == 1 && !reel__kept(a) && a->data && a->flags & REEL__OWNED &&
            reel__bytes(a) == reel__bytes(s)) {
            s->data = a->data;
            s->flags |= REEL__OWNED;
            return true;
        }
    }
    return false;
}

static void disown(reel__slot *s)
{
    for (int i = 0; i < s->n; i++) {
        reel__slot *a = reel__args(s)[i];
        if (a->data == s->data) {
            a->data = NULL;
            a->flags &= (uint16_t) ~(REEL__COMPUTED | REEL__OWNED);
        }
    }
}

/* Runs s's kernel on those of its arguments that have values, into `into`'s buffer. */
static bool run(reel__slot *s, const reel__slot *into, bool accumulate)
{
    enum { FEW = 8 };
    reel_tensor few[FEW];
    reel_tensor *x = s->n <= FEW ? few : reel__reallocarray(NULL, (size_t)s->n, sizeof *x);
    if (!x) {
        reel__fail_node(s, REEL_ERR_MEMORY, "out of memory for %d arguments", s->n);
        return false;
    }
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        const reel__slot *a = reel__args(s)[i];
        if (a->flags & REEL__COMPUTED) {
            x[n++] = tensor_of(a);
        }
    }
    reel_call_state state = {.status = REEL_OK};
    reel_call call = {.op = s->op,
                      .n = n,
                      .x = x,
                      .y = tensor_of(into),
                      .attr = s->attr,
                      .accumulate = accumulate,
                      .begin = 0,
                      .end = 1,
                      .state = &state};
    reel_status status = reel__call_run(&call, s->tape->dtype, s->tape->threads);
    if (x != few) {
        reel__free(x);
    }
    s->tape->evaluated++;
    if (status) {
        reel__fail_node(s, status, "%s", state.message);
    }
    return status == REEL_OK;
}

/* Leaves come from outside and have values already: they are looked at where they are first read.
 */
static bool trap_leaves(const reel__slot *s)
{
    for (int i = 0; i < s->n; i++) {
        const reel__slot *a = reel__args(s)[i];
        if (a->op->flags & REEL_OP_LEAF && !trap(a)) {
            return false;
        }
    }
    return true;
}

static bool compute(reel_tape *tape, reel__slot *s, uint32_t walk)
{
    if (tape->trap_nan && !trap_leaves(s)) {
        return false;
    }
    reel__slot *sum = sum_for(s);
    if (sum) {
        bool started = sum->data != NULL;
        return (started || take_buffer(sum)) && run(s, sum, started);
    }
    bool started = s->data != NULL; /* a sum that contributions went into already */
    bool over = !started && take_over(s, walk);
    if (!started && !over && !take_buffer(s)) {
        return false;
    }
    if (!run(s, s, started)) {
        return false;
    }
    if (over) {
        disown(s);
    }
    s->flags |= REEL__COMPUTED;
    return !tape->trap_nan || trap(s);
}

static void release(reel__slot *s, uint32_t walk)
{
    reel__slot *const *arg = reel__args(s);
    for (int i = 0; i < s->n; i++) {
        reel__slot *a = arg[i];
        if (a->stamp == walk && --a->mark == 0 && !reel__kept(a)) {
            drop_buffer(a);
        }
    }
}

/* A long recording lies in memory, not in the cache, and a backward pass meets the forward values
 * in an order that the processor does not foresee: what the next nodes will read is asked for ahead
 * of time. */
static void look_ahead(const reel_tape *tape, size_t k)
{
    enum { SLOTS = 12, VALUES = 4, LINE = 64, LINES = 8 };
    if (k >= SLOTS) {
        const reel__slot *s = reel__slot_at(tape, tape->needed.v[k - SLOTS]);
        for (int i = 0; i < s->n && i < 3; i++) {
            __builtin_prefetch(reel__args(s)[i]);
        }
    }
    if (k >= VALUES) {
        const reel__slot *s = reel__slot_at(tape, tape->needed.v[k - VALUES]);
        for (int i = 0; i < s->n && i < 3; i++) {
            const reel__slot *a = reel__args(s)[i];
            size_t bytes = a->flags & REEL__COMPUTED ? reel__bytes(a) : 0;
            for (size_t at = 0; at < bytes && at < (size_t)LINE * LINES; at += LINE) {
                __builtin_prefetch((const char *)a->data + at);
            }
        }
    }
}

static reel_status eval(reel_tape *tape, size_t n, reel__slot *const *roots)
{
    uint32_t walk = reel__walk(tape);
    if (!gather(tape, n, roots, walk)) {
        return tape->status;
    }
    for (size_t k = tape->needed.n; k-- > 0;) {
        reel__slot *s = reel__slot_at(tape, tape->needed.v[k]);
        look_ahead(tape, k);
        if (!compute(tape, s, walk)) {
            return tape->status;
        }
        release(s, walk);
    }
    return tape->status;
}

const reel__executor reel__reference = {.name = "reference", .eval = eval};

