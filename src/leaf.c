/* Job: leaves: values that come from outside the graph, weights among them.
 * Invariant: a leaf has its value from the moment it is recorded; a weight has one leaf a
 * recording. Must not know: what is computed from them. */
#include "tape.h"

#include <string.h>

#include "params.h"

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
        reel__fail(tape, REEL_ERR_ARGUMENT, at,
                   "input: dtype %d: expected REEL_F32, REEL_F64 or REEL_I32", (int)dtype);
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

reel_node *reel_input_borrowed_at(const char *at, reel_tape *tape, reel_dtype dtype,
                                  const void *data, reel_shape shape)
{
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    if (dtype != REEL_I32 && dtype != tape->dtype) {
        return reel__fail(tape, REEL_ERR_SHAPE, at,
                          "reel_input_borrowed: data is %s: expected %s or i32",
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
        tape->counter_leaf =
            reel__live(reel_input_at(at, tape, REEL_I32, value, reel_shape_of(1, dim)));
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
        return reel__fail(
            tape, REEL_ERR_SHAPE, at,
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
        reel__fail(
            tape, REEL_ERR_ARGUMENT, at,
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
