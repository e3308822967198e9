/* Job: a tape's life, recording of nodes, leaves.
 * Invariant: an argument's id is smaller than its node's, so ids are a topological order; a slot never
 * moves and is not given back to the system before the tape is freed.
 * Must not know: what any op computes. */
#include "tape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "params.h"

/* Life ------------------------------------------------------------------------------------------- */

static void forget(reel_tape *tape)
{
    tape->count = 0;
    tape->scope = 0;
    tape->scope_count = 1;
    tape->origin = NULL;
    tape->counter_leaf = NULL;
    tape->used.n = 0;
    tape->evaluated = 0;
    reel__arena_rewind(&tape->arena);
    reel__pool_rewind(&tape->pool);
    reel__map_clear(&tape->scope_seen);
    reel__map_clear(&tape->uses);
    reel__map_clear(&tape->names);
    tape->scopes[0] = (reel__scope){.name = "", .hash = reel__mix(tape->seed, 0x7265656cU)};
}

static void tell_unread(reel_tape *tape)
{
    if (tape->status && !tape->error_read) {
        fprintf(stderr, "reel: unread error: %s\n", tape->message);
    }
    tape->status = REEL_OK;
    tape->error_read = false;
}

static int cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 1024 ? 1024 : (int)n;
}

static void configure(reel_tape *tape, const reel_tape_args *args)
{
    tape->threads = args->threads ? args->threads : cores();
    if (args->threads < 0 || args->threads > 1024) {
        tape->threads = 1;
        reel__fail(tape, REEL_ERR_ARGUMENT, args->at,
                   "reel_tape_new: %d threads: expected 0 (one per core) to 1024", args->threads);
    }
    tape->dtype = args->dtype ? args->dtype : REEL_F32;
    if (tape->dtype != REEL_F32 && tape->dtype != REEL_F64) {
        tape->dtype = REEL_F32;
        reel__fail(tape, REEL_ERR_ARGUMENT, args->at, "reel_tape_new: dtype: expected REEL_F32 or REEL_F64");
    }
    tape->executor = &reel__reference;
    if (args->executor != REEL_EXECUTOR_DEFAULT) {
        if (args->executor != REEL_REFERENCE) {
            reel__fail(tape, REEL_ERR_ARGUMENT, args->at, "reel_tape_new: no executor has number %d",
                       (int)args->executor);
        }
        return;
    }
    const char *wish = getenv("REEL_EXECUTOR");
    if (wish && *wish) {
        const reel__executor *found = reel__executor_find(wish);
        if (!found) {
            reel__fail(tape, REEL_ERR_ARGUMENT, args->at,
                       "environment variable REEL_EXECUTOR is '%.40s': expected 'reference'", wish);
            return;
        }
        tape->executor = found;
    }
}

reel_tape *reel_tape_new_with(const reel_tape_args *args)
{
    static const reel_tape_args defaults = {0};
    if (!args) {
        args = &defaults;
    }
    reel_tape *tape = reel__calloc(1, sizeof *tape);
    if (!tape) {
        return NULL;
    }
    tape->scopes = reel__calloc(64, sizeof *tape->scopes);
    tape->scope_capacity = tape->scopes ? 64 : 0;
    tape->error_slot = reel__malloc_aligned(sizeof *tape->error_slot);
    if (!tape->scopes || !tape->error_slot) {
        reel__free(tape->scopes);
        reel__free(tape->error_slot);
        reel__free(tape);
        return NULL;
    }
    *tape->error_slot = (reel__slot){.tape = tape, .flags = REEL__ERROR};
    tape->epoch = 1;
    tape->seed = args->seed;
    tape->inference = args->inference;
    tape->training = !args->inference;
    tape->trap_nan = args->trap_nan;
    tape->on_error = args->on_error;
    tape->context = args->context;
    forget(tape);
    configure(tape, args);
    return tape;
}

void reel_tape_free(reel_tape *tape)
{
    if (!tape) {
        return;
    }
    tell_unread(tape);
    reel__free(tape->chunk);
    reel__arena_free(&tape->slots);
    reel__free(tape->scopes);
    reel__free(tape->error_slot);
    reel__arena_free(&tape->arena);
    reel__pool_free(&tape->pool);
    reel__map_free(&tape->scope_seen);
    reel__map_free(&tape->uses);
    reel__map_free(&tape->names);
    reel__ids_free(&tape->used);
    reel__ids_free(&tape->needed);
    reel__pending_free(&tape->pending);
    reel__arena_free(&tape->work);
    reel_tape_free(tape->probe);
    reel__free(tape);
}

void reel_tape_reset(reel_tape *tape)
{
    if (!tape) {
        return;
    }
    tell_unread(tape);
    tape->epoch++;
    tape->error_slot->epoch = tape->epoch;
    forget(tape);
}

uint32_t reel__walk(reel_tape *tape)
{
    if (++tape->stamp == 0) {
        for (uint32_t id = 0; id < tape->count; id++) {
            reel__slot_at(tape, id)->stamp = 0;
        }
        tape->stamp = 1;
    }
    return tape->stamp;
}

reel_tape_stats reel_tape_statistics(const reel_tape *tape)
{
    if (!tape) {
        return (reel_tape_stats){0};
    }
    return (reel_tape_stats){
        .nodes = tape->count,
        .evaluated = tape->evaluated,
        .node_bytes = (size_t)tape->count * sizeof(reel__slot) + tape->arena.total +
                      tape->scope_count * sizeof(reel__scope),
        .value_bytes = tape->pool.alive,
        .peak_value_bytes = tape->pool.peak,
        .reserved_bytes = tape->slots.reserved + tape->arena.reserved + tape->work.reserved +
                          tape->pool.arena.reserved + tape->scope_capacity * sizeof(reel__scope),
    };
}

reel_dtype reel_tape_dtype(const reel_tape *tape)
{
    return tape ? tape->dtype : REEL_F32;
}

int reel_tape_threads(const reel_tape *tape)
{
    return tape ? tape->threads : 1;
}

void reel_tape_set_training(reel_tape *tape, bool training)
{
    if (tape) {
        tape->training = training;
    }
}

bool reel_tape_training(const reel_tape *tape)
{
    return tape && tape->training;
}

void reel_tape_set_trap_nan(reel_tape *tape, bool trap)
{
    if (tape) {
        tape->trap_nan = trap;
    }
}

void reel_tape_set_counter(reel_tape *tape, uint64_t counter)
{
    if (tape) {
        tape->counter = counter;
    }
}

uint64_t reel_tape_counter(const reel_tape *tape)
{
    return tape ? tape->counter : 0;
}

uint64_t reel_tape_seed(const reel_tape *tape)
{
    return tape ? tape->seed : 0;
}

/* Recording -------------------------------------------------------------------------------------- */

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

/* The number of elements of a shape; -1 when a size is negative or the bytes would not fit. Zeros do not
 * excuse an overflow in the others. */
static bool countable(reel_shape shape)
{
    int64_t bytes = 8;
    for (int i = 0; i < shape.rank; i++) {
        int64_t d = shape.dim[i];
        if (d < 0 || __builtin_mul_overflow(bytes, d ? d : 1, &bytes)) {
            return false;
        }
    }
    return true;
}

reel__slot *reel__record(reel_tape *tape, const char *at, const reel_op *op, reel_dtype dtype,
                         reel_shape shape)
{
    if (tape->status) {
        return NULL;
    }
    if (shape.rank < 0 || shape.rank > REEL_MAX_RANK) {
        reel__fail(tape, REEL_ERR_SHAPE, at, "%s: rank %d: expected 0 to %d", op->name, shape.rank,
                   REEL_MAX_RANK);
        return NULL;
    }
    if (!countable(shape)) {
        char text[128];
        reel__fail(tape, REEL_ERR_SHAPE, at, "%s: shape %s is negative or too large", op->name,
                   reel__shape_text(text, sizeof text, shape));
        return NULL;
    }
    if (tape->count == tape->chunks * REEL__CHUNK && !grow(tape)) {
        reel__fail(tape, REEL_ERR_MEMORY, at, "%s: out of memory for node %u", op->name, tape->count);
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
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        s->dim[i] = i < shape.rank ? shape.dim[i] : 1;
    }
    s->id = id;
    s->epoch = tape->epoch;
    s->scope = origin ? origin->scope : tape->scope;
    s->origin = origin ? origin->id + 1 : 0;
    s->stamp = 0;
    s->n = 0;
    s->rank = (uint8_t)shape.rank;
    s->dtype = (uint8_t)dtype;
    s->flags = 0;
    return s;
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

static bool infer(reel_tape *tape, const char *at, const reel_op *op, int n, reel_node *const *x,
                  const void *attr, reel_shape *y)
{
    if (op->shape) {
        char message[SHAPING_MESSAGE] = "";
        reel_shaping s = {.op = op, .n = n, .x = x, .attr = attr, .message = message};
        s.y = reel_shape_of(0, NULL);
        if (op->shape(&s) && s.status == REEL_OK) {
            *y = s.y;
            return true;
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
    for (int i = 1; i < n; i++) {
        const reel__slot *s = reel__slot_of(x[i]);
        if (!same_dims(first, s) && !broadcast(y, s)) {
            reject(tape, at, op, n, x, REEL_ERR_SHAPE, "shapes do not broadcast");
            return false;
        }
    }
    return true;
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
            reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: argument %d is a node of another tape", op->name,
                       i);
            return false;
        }
        bool index = i < 32 && (op->index_args >> i & 1U);
        if (index != (s->dtype == REEL_I32)) {
            char why[96];
            snprintf(why, sizeof why, "argument %d is %s: expected %s", i,
                     reel_dtype_name((reel_dtype)s->dtype), index ? "i32" : reel_dtype_name(tape->dtype));
            reject(tape, at, op, n, x, REEL_ERR_SHAPE, why);
            return false;
        }
    }
    return true;
}

static reel_node *record_op(reel_tape *tape, const char *at, const reel_op *op, int n,
                            reel_node *const *x, const void *attr)
{
    reel_shape shape;
    if (!admit(tape, at, op, n, x) || !infer(tape, at, op, n, x, attr, &shape)) {
        return reel__error_node(tape);
    }
    reel__slot **more = NULL;
    void *copy = NULL;
    if (n > 3) {
        more = reel__arena_alloc(&tape->arena, (size_t)n * sizeof *more);
    }
    if (op->attr_size) {
        copy = reel__arena_alloc(&tape->arena, op->attr_size);
    }
    if ((n > 3 && !more) || (op->attr_size && !copy)) {
        return reel__fail(tape, REEL_ERR_MEMORY, at, "%s: out of memory", op->name);
    }
    reel_dtype dtype = op->flags & REEL_OP_INDEX_RESULT ? REEL_I32 : tape->dtype;
    reel__slot *s = reel__record(tape, at, op, dtype, shape);
    if (!s) {
        return reel__error_node(tape);
    }
    s->n = n;
    if (n > 3) {
        s->arg.more = more;
        for (int i = 0; i < n; i++) {
            more[i] = reel__slot_of(x[i]);
        }
    } else {
        for (int i = 0; i < n; i++) {
            s->arg.in[i] = reel__slot_of(x[i]);
        }
    }
    if (copy) {
        memcpy(copy, attr, op->attr_size);
        s->attr = copy;
    }
    return reel__node_of(s);
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

reel_node *reel_apply(const char *at, const reel_op *op, int n, reel_node *const *x, const void *attr)
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
    return record_op(tape, at, op, n, x, attr);
}

reel_node *reel_apply1(const char *at, const reel_op *op, reel_node *a, const void *attr)
{
    return reel_apply(at, op, 1, &a, attr);
}

reel_node *reel_apply2(const char *at, const reel_op *op, reel_node *a, reel_node *b, const void *attr)
{
    reel_node *x[2] = {a, b};
    return reel_apply(at, op, 2, x, attr);
}

reel_node *reel_apply3(const char *at, const reel_op *op, reel_node *a, reel_node *b, reel_node *c,
                       const void *attr)
{
    reel_node *x[3] = {a, b, c};
    return reel_apply(at, op, 3, x, attr);
}

reel_node *reel_apply0(const char *at, reel_tape *tape, const reel_op *op, const void *attr)
{
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    if (!op->shape) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: an op without arguments needs a shape rule",
                          op->name);
    }
    return record_op(tape, at, op, 0, NULL, attr);
}

/* Leaves ----------------------------------------------------------------------------------------- */

const reel_op reel__op_input = {.name = "input", .flags = REEL_OP_LEAF};
const reel_op reel__op_param = {.name = "param", .flags = REEL_OP_LEAF};

static void convert(reel_dtype to, void *y, reel_dtype from, const void *x, size_t n)
{
    if (to == from) {
        memcpy(y, x, n * reel_dtype_size(to));
    } else if (to == REEL_F64) {
        for (size_t i = 0; i < n; i++) {
            ((double *)y)[i] = ((const float *)x)[i];
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            ((float *)y)[i] = (float)((const double *)x)[i];
        }
    }
}

/* Gives a leaf a value of its own, copied and converted from x. */
static bool fill_leaf(reel__slot *s, reel_dtype from, const void *x)
{
    size_t bytes = reel__bytes(s);
    s->data = reel__pool_get(&s->tape->pool, bytes);
    if (!s->data) {
        reel__fail_node(s, REEL_ERR_MEMORY, "out of memory for %zu bytes", bytes);
        return false;
    }
    if (bytes) {
        convert((reel_dtype)s->dtype, s->data, from, x, (size_t)reel__size(s));
    }
    s->flags |= REEL__COMPUTED | REEL__OWNED | REEL__WANT;
    return true;
}

static reel__slot *input_slot(const char *at, reel_tape *tape, reel_dtype dtype, const void *data,
                              reel_shape shape)
{
    if (dtype != REEL_F32 && dtype != REEL_F64 && dtype != REEL_I32) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at, "input: dtype %d: expected REEL_F32, REEL_F64 or REEL_I32",
                   (int)dtype);
        return NULL;
    }
    reel__slot *s =
        reel__record(tape, at, &reel__op_input, dtype == REEL_I32 ? REEL_I32 : tape->dtype, shape);
    if (s && !data && reel__size(s)) {
        char text[128];
        reel__fail(tape, REEL_ERR_ARGUMENT, at, "input: %s: data is NULL",
                   reel__shape_text(text, sizeof text, shape));
        return NULL;
    }
    return s;
}

reel_node *reel_input_at(const char *at, reel_tape *tape, reel_dtype dtype, const void *data,
                         reel_shape shape)
{
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    reel__slot *s = input_slot(at, tape, dtype, data, shape);
    return s && fill_leaf(s, dtype, data) ? reel__node_of(s) : reel__error_node(tape);
}

reel_node *reel_input_borrowed_at(const char *at, reel_tape *tape, reel_dtype dtype, const void *data,
                                  reel_shape shape)
{
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    if (dtype != REEL_I32 && dtype != tape->dtype) {
        return reel__fail(tape, REEL_ERR_SHAPE, at, "reel_input_borrowed: data is %s: expected %s or i32",
                          reel_dtype_name(dtype), reel_dtype_name(tape->dtype));
    }
    reel__slot *s = input_slot(at, tape, dtype, data, shape);
    if (!s) {
        return reel__error_node(tape);
    }
    /* Kernels never write to a leaf; a size-0 leaf is never read. */
    static const double nothing;
    s->data = (void *)(uintptr_t)(data ? data : &nothing);
    s->flags |= REEL__COMPUTED | REEL__WANT;
    return reel__node_of(s);
}

reel_node *reel_number_at(const char *at, reel_tape *tape, double value)
{
    return reel_input_at(at, tape, REEL_F64, &value, reel_shape_of(0, NULL));
}

reel_node *reel_counter_at(const char *at, reel_tape *tape)
{
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    if (!tape->counter_leaf) {
        uint32_t words[2] = {(uint32_t)tape->counter, (uint32_t)(tape->counter >> 32)};
        int32_t value[2];
        memcpy(value, words, sizeof value);
        const int64_t dim[1] = {2};
        tape->counter_leaf = reel__live(reel_input_at(at, tape, REEL_I32, value, reel_shape_of(1, dim)));
        if (!tape->counter_leaf) {
            return reel__error_node(tape);
        }
    }
    return reel__node_of(tape->counter_leaf);
}

static reel_node *no_param(const char *at, reel_tape *tape, const char *who)
{
    return reel__fail(tape, REEL_ERR_ARGUMENT, at,
                      "%s: the weight is NULL (see reel_params_message of its set)", who);
}

reel_node *reel_use_at(const char *at, reel_tape *tape, reel_param *param)
{
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    if (!param) {
        return no_param(at, tape, "reel_use");
    }
    uint64_t key = reel__param_key(param);
    reel__slot *known = reel__map_get(&tape->uses, key);
    if (known) {
        return reel__node_of(known);
    }
    const reel_params *set = reel_param_set(param);
    if (reel_params_status(set)) {
        return reel__fail(tape, reel_params_status(set), at, "%s", reel_params_message(set));
    }
    reel_dtype dtype = reel_param_dtype(param);
    if (dtype == REEL_F64 && tape->dtype == REEL_F32) {
        return reel__fail(tape, REEL_ERR_SHAPE, at,
                          "weight '%s' is f64, the tape f32: expected a tape with .dtype = REEL_F64",
                          reel_param_name(param));
    }
    /* A leaf shared by the whole recording belongs to no gradient rule and to no step. */
    reel__slot *origin = tape->origin;
    uint32_t scope = tape->scope;
    tape->origin = NULL;
    tape->scope = 0;
    reel__slot *s = reel__record(tape, at, &reel__op_param, tape->dtype, reel_param_shape(param));
    tape->origin = origin;
    tape->scope = scope;
    reel__use *use = s ? reel__arena_alloc(&tape->arena, sizeof *use) : NULL;
    if (!use || !reel__map_put(&tape->uses, key, s) || !reel__ids_push(&tape->used, s->id)) {
        return reel__fail(tape, REEL_ERR_MEMORY, at, "out of memory for weight '%s'",
                          reel_param_name(param));
    }
    *use = (reel__use){.param = param, .version = reel_param_version(param)};
    s->attr = use;
    if (dtype == tape->dtype) {
        s->data = (void *)(uintptr_t)reel_param_data(param);
        s->flags |= REEL__COMPUTED | REEL__WANT;
    } else if (!fill_leaf(s, dtype, reel_param_data(param))) {
        return reel__error_node(tape);
    }
    s->flags |= REEL__PARAM;
    return reel__node_of(s);
}

reel_status reel_bind_at(const char *at, reel_tape *tape, reel_param *param, reel_node *node)
{
    if (!tape) {
        return REEL_ERR_ARGUMENT;
    }
    if (tape->status) {
        return tape->status;
    }
    if (!param) {
        no_param(at, tape, "reel_bind");
        return tape->status;
    }
    reel__slot *s = reel__live(node);
    if (!s) {
        reel__fail_dead(tape, at, "reel_bind", node);
        return tape->status;
    }
    if (s->tape != tape) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at, "reel_bind: the node is of another tape");
        return tape->status;
    }
    uint64_t key = reel__param_key(param);
    if (reel__map_get(&tape->uses, key)) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "reel_bind: weight '%s' has been used on this tape already: bind before the first use",
                   reel_param_name(param));
        return tape->status;
    }
    if (!reel_shape_equal(reel__shape(s), reel_param_shape(param)) || s->dtype == REEL_I32) {
        char want[128], have[128];
        reel__fail(tape, REEL_ERR_SHAPE, at, "reel_bind: weight '%s' is %s, the node %s",
                   reel_param_name(param),
                   reel__shape_text(want, sizeof want, reel_param_shape(param)),
                   reel__shape_text(have, sizeof have, reel__shape(s)));
        return tape->status;
    }
    if (!reel__map_put(&tape->uses, key, s)) {
        reel__fail(tape, REEL_ERR_MEMORY, at, "reel_bind: out of memory");
    }
    return tape->status;
}

size_t reel__tape_params(reel_tape *tape, size_t n, reel_param **p, reel_node **node)
{
    for (size_t i = 0; i < tape->used.n && i < n; i++) {
        reel__slot *s = reel__slot_at(tape, tape->used.v[i]);
        p[i] = ((const reel__use *)s->attr)->param;
        node[i] = reel__node_of(s);
    }
    return tape->used.n;
}
