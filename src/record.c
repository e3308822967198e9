/* Job: recording: checks arguments, infers shapes, makes the node's slot.
 * Invariant: an argument's id is smaller than its node's, so ids are a topological order; a slot
 * never moves and is not given back to the system before the tape is freed. Must not know: what any
 * op computes. */
#include "tape.h"

#include <reel/axis.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

static bool grow(reel_tape *tape)
{
    if (tape->count > UINT32_MAX - REEL__CHUNK) {
        return false;
    }
    if (tape->chunks == tape->chunk_capacity) {
        size_t capacity = tape->chunk_capacity ? 2 * tape->chunk_capacity : 16;
        reel__slot **v = reel__reallocarray(tape->chunk, capacity, sizeof *v);
        if (!v) {
            return false;
        }
        tape->chunk = v;
        tape->chunk_capacity = capacity;
    }
    reel__slot *c = reel__arena_alloc(&tape->slots, REEL__CHUNK * sizeof *c);
    if (!c) {
        return false;
    }
    tape->chunk[tape->chunks++] = c;
    return true;
}

/* Whether a shape has no negative size and its bytes can be counted. Zeros do not excuse an
 * overflow in the others. */
static bool countable(const reel_shape *shape)
{
    int64_t bytes = 8;
    for (int i = 0; i < shape->rank; i++) {
        int64_t d = shape->dim[i];
        if (d < 0 || __builtin_mul_overflow(bytes, d ? d : 1, &bytes)) {
            return false;
        }
    }
    return true;
}

/* Whether a slot's node was recorded where the next node will be: in its scope, for its origin. */
static bool same_stand(const reel_tape *tape, const reel__slot *s)
{
    const reel__slot *origin = tape->origin;
    return origin ? s->origin == origin->id + 1 && s->scope == origin->scope
                  : s->origin == 0 && s->scope == tape->scope;
}

static bool same_shape(const reel__slot *s, const reel_shape *shape)
{
    bool same = s->rank == shape->rank;
    for (int i = 0; same && i < shape->rank; i++) {
        same = s->dim[i] == shape->dim[i];
    }
    return same;
}

/* The slot of the next node, with all but its shape. */
static inline reel__slot *take_slot(reel_tape *tape, const char *at, const reel_op *op)
{
    if (tape->count == tape->chunks * REEL__CHUNK && !grow(tape)) {
        reel__fail(tape, REEL_ERR_MEMORY, at, "%s: out of memory for node %u", op->name,
                   tape->count);
        return NULL;
    }
    uint32_t id = tape->count++;
    reel__slot *s = reel__slot_at(tape, id);
    const reel__slot *origin = tape->origin;
    s->tape = tape;
    s->op = op;
    s->at = origin ? origin->at : at;
    s->attr = NULL;
    s->data = NULL;
    s->id = id;
    s->epoch = tape->epoch;
    s->scope = origin ? origin->scope : tape->scope;
    s->origin = origin ? origin->id + 1 : 0;
    s->stamp = 0;
    s->n = 0;
    s->flags = 0;
    return s;
}

/* The slot of the next node. `shape` can be counted and has sizes of 1 behind its rank. */
static reel__slot *next_slot(reel_tape *tape, const char *at, const reel_op *op, reel_dtype dtype,
                             const reel_shape *shape)
{
    if (tape->echo && tape->count < tape->before) {
        const reel__slot *s = reel__slot_at(tape, tape->count);
        tape->echo =
            s->op == op && s->dtype == dtype && same_stand(tape, s) && same_shape(s, shape);
    } else {
        tape->echo = false;
    }
    reel__slot *s = take_slot(tape, at, op);
    if (s) {
        memcpy(s->dim, shape->dim, sizeof s->dim);
        s->rank = (uint8_t)shape->rank;
        s->dtype = (uint8_t)dtype;
    }
    return s;
}

/* Sees that a shape that somebody gives can be a node's, and puts sizes of 1 behind its rank. */
static bool settle_shape(reel_tape *tape, const char *at, const reel_op *op, reel_shape *shape)
{
    if (shape->rank < 0 || shape->rank > REEL_MAX_RANK) {
        reel__fail(tape, REEL_ERR_SHAPE, at, "%s: rank %d: expected 0 to %d", op->name, shape->rank,
                   REEL_MAX_RANK);
        return false;
    }
    if (!countable(shape)) {
        char text[128];
        reel__fail(tape, REEL_ERR_SHAPE, at, "%s: shape %s is negative or too large", op->name,
                   reel__shape_text(text, sizeof text, *shape));
        return false;
    }
    for (int i = shape->rank; i < REEL_MAX_RANK; i++) {
        shape->dim[i] = 1;
    }
    return true;
}

/* What is recorded in a scope is mostly what was recorded in the scope before it, as in the next
 * time step, or the next sequence: tape->like goes along there, one node behind another. */

/* To where the scope before this one began, for the first node of a scope that is not like the one
 * that tape->like is at; false when there is nowhere to go. */
static bool begin_like(reel_tape *tape)
{
    const reel__scope *scope = &tape->scopes[tape->scope];
    bool may = scope->first == tape->count && tape->like != scope->like;
    tape->like = may ? scope->like : REEL__NO_ID;
    return may;
}

/* A leaf has the shape that it is given: it is like any other. */
static void follow_leaf(reel_tape *tape, const reel_op *op)
{
    do {
        if (tape->like < tape->count && reel__slot_at(tape, tape->like)->op == op) {
            tape->like++;
            return;
        }
    } while (begin_like(tape));
}

reel__slot *reel__record(reel_tape *tape, const char *at, const reel_op *op, reel_dtype dtype,
                         reel_shape shape)
{
    if (tape->status || !settle_shape(tape, at, op, &shape)) {
        return NULL;
    }
    if (!tape->echo) {
        follow_leaf(tape, op);
    }
    return next_slot(tape, at, op, dtype, &shape);
}

/* Appends "[2,3] x [3,4]: " of the arguments; many are cut short. */
static void shapes_text(char *text, size_t size, int n, reel_node *const *x)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < n && used + 80 < size; i++) {
        if (i == 6 && n > 8) {
            used += (size_t)snprintf(text + used, size - used, " x ... (%d in all)", n);
            break;
        }
        char one[128];
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " x " : "",
                                 reel__shape_text(one, sizeof one, reel_node_shape(x[i])));
    }
    if (used && used < size) {
        snprintf(text + used, size - used, ": ");
    }
}

enum { SHAPING_MESSAGE = 256 };

bool reel_shaping_fail(reel_shaping *s, const char *format, ...)
{
    if (s->status == REEL_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(s->message, SHAPING_MESSAGE, format, args);
        va_end(args);
        s->status = REEL_ERR_SHAPE;
    }
    return false;
}

int reel_shaping_axis(reel_shaping *s, int i, int axis)
{
    int rank = reel_node_rank(s->x[i]);
    int resolved = axis < 0 ? axis + rank : axis;
    if (resolved < 0 || resolved >= rank) {
        reel_shaping_fail(s, "axis %d: expected %d to %d", axis, -rank, rank - 1);
        return -1;
    }
    return resolved;
}

/* NumPy's broadcasting, aligned at the last axis. */
static bool broadcast(reel_shape *y, const reel__slot *x)
{
    int rank = y->rank > x->rank ? y->rank : x->rank;
    reel_shape out = {rank, {1, 1, 1, 1}};
    for (int k = 1; k <= rank; k++) {
        int64_t a = k <= y->rank ? y->dim[y->rank - k] : 1;
        int64_t b = k <= x->rank ? x->dim[x->rank - k] : 1;
        if (a != b && a != 1 && b != 1) {
            return false;
        }
        out.dim[rank - k] = a == 1 ? b : a;
    }
    *y = out;
    return true;
}

static bool same_dims(const reel__slot *a, const reel__slot *b)
{
    return a->rank == b->rank && a->dim[0] == b->dim[0] && a->dim[1] == b->dim[1] &&
           a->dim[2] == b->dim[2] && a->dim[3] == b->dim[3];
}

static void reject(reel_tape *tape, const char *at, const reel_op *op, int n, reel_node *const *x,
                   reel_status status, const char *why)
{
    char shapes[512];
    shapes_text(shapes, sizeof shapes, n, x);
    reel__fail(tape, status, at, "%s: %s%s", op->name, shapes, why);
}

/* The result's shape, settled. */
static bool infer(reel_tape *tape, const char *at, const reel_op *op, int n, reel_node *const *x,
                  const void *attr, reel_shape *y)
{
    if (op->shape) {
        char message[SHAPING_MESSAGE];
        message[0] = '\0'; /* clearing all of it would cost as much as the rest */
        reel_shaping s = {.op = op, .n = n, .x = x, .attr = attr, .message = message};
        s.y = reel_shape_of(0, NULL);
        if (op->shape(&s) && s.status == REEL_OK) {
            *y = s.y;
            return settle_shape(tape, at, op, y);
        }
        if (tape->status == REEL_OK) {
            reject(tape, at, op, n, x, REEL_ERR_SHAPE, *message ? message : "these do not fit");
        }
        return false;
    }
    const reel__slot *first = reel__slot_of(x[0]);
    *y = reel__shape(first);
    if (!(op->flags & REEL_OP_ELEMENTWISE)) {
        return true;
    }
    bool same = true;
    for (int i = 1; i < n; i++) {
        const reel__slot *s = reel__slot_of(x[i]);
        if (same_dims(first, s)) {
            continue;
        }
        same = false;
        if (!broadcast(y, s)) {
            reject(tape, at, op, n, x, REEL_ERR_SHAPE, "shapes do not broadcast");
            return false;
        }
    }
    return same || settle_shape(tape, at, op, y);
}

/* Whether all arguments can be recorded from; reports the first that cannot. */
static bool admit(reel_tape *tape, const char *at, const reel_op *op, int n, reel_node *const *x)
{
    for (int i = 0; i < n; i++) {
        const reel__slot *s = reel__live(x[i]);
        if (!s) {
            reel__fail_dead(tape, at, op->name, x[i]);
            return false;
        }
        if (s->tape != tape) {
            reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: argument %d is a node of another tape",
                       op->name, i);
            return false;
        }
        bool index = i < 32 && (op->index_args >> i & 1U);
        if (index != (s->dtype == REEL_I32)) {
            char why[96];
            snprintf(why, sizeof why, "argument %d is %s: expected %s", i,
                     reel_dtype_name((reel_dtype)s->dtype),
                     index ? "i32" : reel_dtype_name(tape->dtype));
            reject(tape, at, op, n, x, REEL_ERR_SHAPE, why);
            return false;
        }
    }
    return true;
}

/* Whether the executor's broadcasting serves an element-wise op as it is declared. */
static bool mappable(reel_tape *tape, const char *at, const reel_op *op, int n)
{
    if (n > REEL_MAX_MAPPED) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "%s: %d arguments: an element-wise op takes at most %d", op->name, n,
                   REEL_MAX_MAPPED);
        return false;
    }
    if (op->index_args || op->flags & REEL_OP_INDEX_RESULT) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "%s: an element-wise op takes and gives real values, not i32", op->name);
        return false;
    }
    return true;
}

/* Whether an op is the reduction along an axis that it says it is, as calls for rows alone take it
 * to be. */
static bool reduces_lines(reel_tape *tape, const char *at, const reel_op *op, int n,
                          reel_node *const *x, const void *attr, reel_shape y)
{
    if (n != 1 || !(op->flags & REEL_OP_REDUCTION) || op->units != reel_reduce_units ||
        op->attr_size != sizeof(reel_reduce_attr) || op->index_args ||
        op->flags & REEL_OP_INDEX_RESULT) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "%s: REEL_OP_ALONG_AXIS: expected REEL_OP_REDUCTION, one real argument and "
                   "result, the attribute reel_reduce_attr and the units reel_reduce_units",
                   op->name);
        return false;
    }
    const reel_reduce_attr *a = attr;
    reel_shape from = reel_node_shape(x[0]);
    if (a->axis != REEL_ALL_AXES && (a->axis < 0 || a->axis >= from.rank)) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "%s: REEL_OP_ALONG_AXIS: axis %d: expected 0 to %d or REEL_ALL_AXES", op->name,
                   (int)a->axis, from.rank - 1);
        return false;
    }
    reel_shaping expected = {.op = op, .n = 1, .x = x, .attr = attr};
    if (!reel_reduce_shape(&expected) || !reel_shape_equal(expected.y, y)) {
        char text[64], wanted[64];
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "%s: REEL_OP_ALONG_AXIS: the result is %s: expected %s, as reel_reduce_shape "
                   "has it",
                   op->name, reel__shape_text(text, sizeof text, y),
                   reel__shape_text(wanted, sizeof wanted, expected.y));
        return false;
    }
    return true;
}

/* Takes the memory of so many bytes that the list of s's arguments and its attribute lie in, if
 * that is what comes next. What is not the same is not taken: else it would lie elsewhere the next
 * time, and the recording after that be another one again. */
static inline bool echo_rest(reel_tape *tape, const reel__slot *s, size_t list, size_t attr)
{
    if (list) {
        if (reel__arena_peek(&tape->arena, list) != s->arg.more) {
            return false;
        }
        reel__arena_alloc(&tape->arena, list);
    }
    if (attr) {
        if (reel__arena_peek(&tape->arena, attr) != s->attr) {
            return false;
        }
        reel__arena_alloc(&tape->arena, attr);
    }
    return true;
}

/* A training loop records the same nodes again and again, into the same slots. As long as it does,
 * the slot still holds what was found out about the node the last time: only that op, arguments and
 * attribute are the same has to be seen. Its arguments' slots come before it and have been recorded
 * anew, so that a pointer that is such a slot's address with its tag is live. NULL: from here on
 * this recording is another one. */
static inline reel__slot *echo(reel_tape *tape, const char *at, const reel_op *op, int n,
                               reel_node *const *x, const void *attr)
{
    if (tape->count >= tape->before) {
        return NULL;
    }
    reel__slot *s = reel__slot_at(tape, tape->count);
    if (s->op != op || s->n != n || !same_stand(tape, s)) {
        return NULL;
    }
    const uintptr_t tag = tape->epoch & (REEL__SLOT_ALIGN - 1); /* of live pointers */
    reel__slot *const *arg = n > 3 ? s->arg.more : s->arg.in;
    for (int i = 0; i < n; i++) {
        if ((uintptr_t)x[i] != ((uintptr_t)arg[i] | tag)) {
            return NULL;
        }
    }
    if (op->attr_size && (!attr || memcmp(s->attr, attr, op->attr_size) != 0)) {
        return NULL;
    }
    const size_t list = n > 3 ? (size_t)n * sizeof *arg : 0;
    if ((list || op->attr_size) && !echo_rest(tape, s, list, op->attr_size)) {
        return NULL;
    }
    tape->count++;
    s->at = tape->origin ? tape->origin->at : at;
    s->epoch = tape->epoch;
    s->data = NULL;
    s->stamp = 0;
    s->flags = 0;
    return s;
}

/* Whether the next node has the op and attribute of s, and arguments of the same shapes and types:
 * all that shapes go by. */
static inline bool is_like(const reel_tape *tape, const reel__slot *s, const reel_op *op, int n,
                           reel_node *const *x, const void *attr)
{
    if (s->op != op || s->n != n ||
        (op->attr_size && (!attr || memcmp(s->attr, attr, op->attr_size) != 0))) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        const reel__slot *own = reel__live(x[i]), *other = reel__args(s)[i];
        if (!own || own->tape != tape || own->dtype != other->dtype || !same_dims(own, other)) {
            return false;
        }
    }
    return true;
}

static inline const reel__slot *follow(reel_tape *tape, const reel_op *op, int n,
                                       reel_node *const *x, const void *attr)
{
    if (tape->like == REEL__NO_ID && tape->scopes[tape->scope].first != tape->count) {
        return NULL;
    }
    do {
        const reel__slot *s = tape->like < tape->count ? reel__slot_at(tape, tape->like) : NULL;
        if (s && is_like(tape, s, op, n, x, attr)) {
            tape->like++;
            return s;
        }
    } while (begin_like(tape));
    return NULL;
}

/* Room for what a node has besides its slot; false after reporting. */
static inline bool take_rest(reel_tape *tape, const char *at, const reel_op *op, int n,
                             reel__slot ***more, void **copy)
{
    *more = NULL;
    *copy = NULL;
    if (n > 3) {
        *more = reel__arena_alloc(&tape->arena, (size_t)n * sizeof **more);
    }
    if (op->attr_size) {
        *copy = reel__arena_alloc(&tape->arena, op->attr_size);
    }
    if ((n > 3 && !*more) || (op->attr_size && !*copy)) {
        reel__fail(tape, REEL_ERR_MEMORY, at, "%s: out of memory", op->name);
        return false;
    }
    return true;
}

static inline reel_node *fill_rest(reel__slot *s, int n, reel_node *const *x, const void *attr,
                                   reel__slot **more, void *copy)
{
    reel__slot **to = n > 3 ? more : s->arg.in;
    for (int i = 0; i < n; i++) {
        to[i] = reel__slot_of(x[i]);
    }
    if (n > 3) {
        s->arg.more = more;
    }
    if (copy) {
        s->attr = memcpy(copy, attr, s->op->attr_size);
    }
    s->n = n;
    return reel__node_of(s);
}

/* A node with the shape of s, of which all has been seen that record_op sees to. */
static inline reel_node *record_like(reel_tape *tape, const char *at, const reel__slot *like, int n,
                                     reel_node *const *x, const void *attr)
{
    reel__slot **more;
    void *copy;
    reel__slot *s =
        take_rest(tape, at, like->op, n, &more, &copy) ? take_slot(tape, at, like->op) : NULL;
    if (!s) {
        return reel__error_node(tape);
    }
    memcpy(s->dim, like->dim, sizeof s->dim);
    s->rank = like->rank;
    s->dtype = like->dtype;
    return fill_rest(s, n, x, attr, more, copy);
}

static reel_node *record_op(reel_tape *tape, const char *at, const reel_op *op, int n,
                            reel_node *const *x, const void *attr)
{
    reel_shape shape;
    if (op->attr_size && !attr) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: its attribute is NULL", op->name);
    }
    if (op->flags & REEL_OP_ELEMENTWISE && !mappable(tape, at, op, n)) {
        return reel__error_node(tape);
    }
    if (!admit(tape, at, op, n, x) || !infer(tape, at, op, n, x, attr, &shape)) {
        return reel__error_node(tape);
    }
    if (op->flags & REEL_OP_ALONG_AXIS && !reduces_lines(tape, at, op, n, x, attr, shape)) {
        return reel__error_node(tape);
    }
    reel__slot **more;
    void *copy;
    if (!take_rest(tape, at, op, n, &more, &copy)) {
        return reel__error_node(tape);
    }
    reel_dtype dtype = op->flags & REEL_OP_INDEX_RESULT ? REEL_I32 : tape->dtype;
    reel__slot *s = next_slot(tape, at, op, dtype, &shape);
    return s ? fill_rest(s, n, x, attr, more, copy) : reel__error_node(tape);
}

/* Not inline, so that what repeats is not held up. */
__attribute__((noinline)) static reel_node *record_another(reel_tape *tape, const char *at,
                                                           const reel_op *op, int n,
                                                           reel_node *const *x, const void *attr)
{
    const reel__slot *like = follow(tape, op, n, x, attr);
    return like ? record_like(tape, at, like, n, x, attr) : record_op(tape, at, op, n, x, attr);
}

/* A node like the one that was recorded in its place the last time, or another one. Inline in any
 * case: a call is a fifth of its time. */
__attribute__((always_inline)) static inline reel_node *
repeat_or_record(reel_tape *tape, const char *at, const reel_op *op, int n, reel_node *const *x,
                 const void *attr)
{
    if (tape->echo) {
        const reel__slot *same = echo(tape, at, op, n, x, attr);
        if (same) {
            return reel__node_of(same);
        }
        tape->echo = false;
    }
    return record_another(tape, at, op, n, x, attr);
}

/* The tape of the first argument that has one. */
static reel_tape *tape_of(int n, reel_node *const *x)
{
    for (int i = 0; i < n; i++) {
        const reel__slot *s = reel__slot_of(x[i]);
        if (s && s->tape) {
            return s->tape;
        }
    }
    return NULL;
}

/* Inline in each of those below, so that where the number of arguments is known it costs nothing.
 */
static inline reel_node *apply(const char *at, const reel_op *op, int n, reel_node *const *x,
                               const void *attr)
{
    if (!op || n <= 0 || !x) {
        return reel__error_node(NULL);
    }
    reel_tape *tape = tape_of(n, x);
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    if (op->arity >= 0 && op->arity != n) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: %d arguments: expected %d", op->name, n,
                          op->arity);
    }
    return repeat_or_record(tape, at, op, n, x, attr);
}

reel_node *reel_apply(const char *at, const reel_op *op, int n, reel_node *const *x,
                      const void *attr)
{
    return apply(at, op, n, x, attr);
}

reel_node *reel_apply1(const char *at, const reel_op *op, reel_node *a, const void *attr)
{
    return apply(at, op, 1, &a, attr);
}

reel_node *reel_apply2(const char *at, const reel_op *op, reel_node *a, reel_node *b,
                       const void *attr)
{
    return apply(at, op, 2, (reel_node *[]){a, b}, attr);
}

reel_node *reel_apply3(const char *at, const reel_op *op, reel_node *a, reel_node *b, reel_node *c,
                       const void *attr)
{
    return apply(at, op, 3, (reel_node *[]){a, b, c}, attr);
}

reel_node *reel_apply0(const char *at, reel_tape *tape, const reel_op *op, const void *attr)
{
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    if (!op) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at, "reel_apply0: the op is NULL");
    }
    if (!op->shape) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at,
                          "%s: an op without arguments needs a shape rule", op->name);
    }
    return repeat_or_record(tape, at, op, 0, NULL, attr);
}
