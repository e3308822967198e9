/* Job: find out which values an op's gradient rule reads, by trying the rule on a tape of its own.
 * Invariant: an answer that cannot be had is "all of them": keeping too much is never wrong.
 * Must not know: any op by name. */
#include "tape.h"

#define EVERYTHING UINT64_MAX

/* A node with a shape and no value, which is never evaluated. */
static reel__slot *stand_in(reel_tape *probe, const reel__slot *like)
{
    return reel__record(probe, NULL, &reel__op_input, (reel_dtype)like->dtype, reel__shape(like));
}

static void visit(reel_tape *probe, reel__slot *s, uint32_t walk)
{
    if (s->stamp != walk) {
        s->stamp = walk;
        reel__pending_add(&probe->pending, s->id);
    }
}

/* Which of y and its arguments the node dx is computed from. */
static bool reached(reel_tape *probe, reel__slot *dx, const reel__slot *y, uint32_t walk,
                    uint64_t *mask)
{
    if (!reel__pending_reserve(&probe->pending, probe->count)) {
        reel__fail(probe, REEL_ERR_MEMORY, NULL, "out of memory");
        return false;
    }
    visit(probe, dx, walk);
    while (probe->pending.count) {
        reel__slot *s = reel__slot_at(probe, reel__pending_take(&probe->pending));
        if (s == y) {
            *mask |= REEL__READS_Y;
            continue;
        }
        if (s->id < y->id) {
            *mask |= reel__reads_bit((int)s->id); /* the stand-ins were recorded first, in order */
            continue;
        }
        for (int i = 0; i < s->n; i++) {
            visit(probe, reel__args(s)[i], walk);
        }
    }
    return true;
}

static bool try_rule(reel_tape *probe, const reel__slot *s, uint64_t *mask)
{
    const reel_op *op = s->op;
    for (int i = 0; i < s->n; i++) {
        if (!stand_in(probe, reel__args(s)[i])) {
            return false;
        }
    }
    reel__slot *y = reel__record(probe, NULL, op, (reel_dtype)s->dtype, reel__shape(s));
    reel__slot *dy = stand_in(probe, s);
    if (!y || !dy) {
        return false;
    }
    y->n = s->n;
    y->attr = s->attr;
    if (s->n > 3) {
        y->arg.more = reel__arena_alloc(&probe->arena, (size_t)s->n * sizeof *y->arg.more);
        if (!y->arg.more) {
            reel__fail(probe, REEL_ERR_MEMORY, NULL, "out of memory");
            return false;
        }
    }
    reel__slot **to = s->n > 3 ? y->arg.more : y->arg.in;
    for (int i = 0; i < s->n; i++) {
        to[i] = reel__slot_at(probe, (uint32_t)i);
    }
    dy->flags |= REEL__COMPUTED;
    uint32_t walk = reel__walk(probe);
    dy->stamp = walk;
    for (int i = 0; i < s->n; i++) {
        if (reel__args(s)[i]->dtype == REEL_I32) {
            continue;
        }
        reel_node *dx = op->gradient(reel__node_of(y), reel__node_of(dy), i);
        if (!dx || dx == reel_zero_gradient()) {
            continue;
        }
        reel__slot *d = reel__live(dx);
        if (!d || probe->status || !reached(probe, d, y, walk, mask)) {
            return false;
        }
    }
    return true;
}

/* Where the answer for the op stands, or a place for it. With a full table answers take each
 * other's. */
static reel__reads *place(reel_tape *tape, const reel_op *op)
{
    size_t home = (size_t)reel__mix((uint64_t)(uintptr_t)op, 1) % REEL__READS;
    for (size_t i = 0; i < REEL__READS; i++) {
        reel__reads *r = &tape->reads[(home + i) % REEL__READS];
        if (r->op == op || !r->op) {
            return r;
        }
    }
    return &tape->reads[home];
}

uint64_t reel__rule_reads(const reel__slot *s)
{
    const reel_op *op = s->op;
    reel_tape *tape = s->tape;
    if (!op->gradient || s->n == 0) {
        return 0;
    }
    reel__reads *known = place(tape, op);
    if (known->op == op) {
        return known->mask;
    }
    if (!tape->probe) {
        tape->probe = reel_tape_new_with(&(reel_tape_args){
            .threads = 1, .dtype = tape->dtype, .inference = true, .executor = REEL_REFERENCE});
        if (!tape->probe) {
            tape->reads_failed = true;
            return EVERYTHING;
        }
    }
    uint64_t mask = 0;
    bool tried = try_rule(tape->probe, s, &mask);
    bool memory = tape->probe->status == REEL_ERR_MEMORY;
    tape->probe->error_read = true;
    reel_tape_reset(tape->probe);
    if (!tried) {
        mask = EVERYTHING;
        if (memory) {
            tape->reads_failed = true;
            return mask; /* another time it may be found out */
        }
    }
    *known = (reel__reads){.op = op, .mask = mask};
    return mask;
}
