/* Job: what may be asked of a node: its shape, its place in the graph, its value.
 * Invariant: every question to a NULL, stale or error node has a harmless answer.
 * Must not know: how values are computed (the executor's) or derivatives built (grad.c). */
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "tape.h"

reel_shape reel_node_shape(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s ? reel__shape(s) : reel_shape_of(0, NULL);
}

int reel_node_rank(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s ? s->rank : 0;
}

int64_t reel_node_dim(const reel_node *x, int axis)
{
    const reel__slot *s = reel__live(x);
    if (!s) {
        return 0;
    }
    int i = axis < 0 ? axis + s->rank : axis;
    return i < 0 || i >= s->rank ? 0 : s->dim[i];
}

int64_t reel_node_size(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s ? reel__size(s) : 0;
}

reel_dtype reel_node_dtype(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s ? (reel_dtype)s->dtype : REEL_DTYPE_DEFAULT;
}

reel_tape *reel_node_tape(const reel_node *x)
{
    const reel__slot *s = reel__slot_of(x);
    return s ? s->tape : NULL;
}

int64_t reel_node_id(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s ? (int64_t)s->id : -1;
}

const reel_op *reel_node_op(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s ? s->op : NULL;
}

const void *reel_node_attr(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s && !(s->flags & REEL__PARAM) ? s->attr : NULL;
}

int reel_node_arity(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s ? s->n : 0;
}

reel_node *reel_node_arg(const reel_node *x, int i)
{
    const reel__slot *s = reel__live(x);
    if (!s || i < 0 || i >= s->n) {
        return NULL;
    }
    return reel__node_of(reel__args(s)[i]);
}

reel_param *reel_node_param(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s && (s->flags & REEL__PARAM) ? ((const reel__use *)s->attr)->param : NULL;
}

reel_node *reel_node_origin(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s && s->origin ? reel__node_of(reel__slot_at(s->tape, s->origin - 1)) : NULL;
}

const char *reel_node_where(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s && s->at ? reel__base_name(s->at) : "";
}

reel_node *reel_name(reel_node *x, const char *name)
{
    reel__slot *s = reel__live(x);
    if (!s || !name || s->tape->status) {
        return x;
    }
    size_t bytes = strlen(name) + 1;
    char *copy = reel__arena_alloc(&s->tape->arena, bytes);
    if (copy) {
        memcpy(copy, name, bytes);
    }
    if (!copy || !reel__map_put(&s->tape->names, (uint64_t)s->id + 1, copy)) {
        return reel__fail(s->tape, REEL_ERR_MEMORY, NULL, "out of memory for the name of a node");
    }
    s->flags |= REEL__NAMED;
    return x;
}

const char *reel_node_name(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    if (!s) {
        return "";
    }
    if (s->flags & REEL__NAMED) {
        return reel__map_get(&s->tape->names, (uint64_t)s->id + 1);
    }
    return s->flags & REEL__PARAM ? reel_param_name(((const reel__use *)s->attr)->param) : "";
}

reel_node *reel_want(reel_node *x)
{
    reel__slot *s = reel__live(x);
    if (s) {
        s->flags |= REEL__WANT;
        s->tape->wants = reel__mix(s->tape->wants, s->id);
    }
    return x;
}

bool reel_is_computed(const reel_node *x)
{
    const reel__slot *s = reel__live(x);
    return s && (s->flags & REEL__COMPUTED);
}

/* Values */

reel_status reel_eval(size_t n, reel_node *const *x)
{
    enum { FEW = 16 };
    reel__slot *few[FEW];
    if (n == 0) {
        return REEL_OK;
    }
    if (!x) {
        return REEL_ERR_ARGUMENT;
    }
    reel_tape *tape = NULL;
    for (size_t i = 0; i < n && !tape; i++) {
        tape = reel_node_tape(x[i]);
    }
    if (!tape) {
        return REEL_ERR_ARGUMENT;
    }
    if (tape->status) {
        return tape->status;
    }
    reel__slot **roots = n <= FEW ? few : reel__reallocarray(NULL, n, sizeof *roots);
    if (!roots) {
        reel__fail(tape, REEL_ERR_MEMORY, NULL, "reel_eval: out of memory for %zu roots", n);
        return tape->status;
    }
    for (size_t i = 0; i < n && !tape->status; i++) {
        roots[i] = reel__live(x[i]);
        if (!roots[i]) {
            reel__fail_dead(tape, NULL, "reel_eval", x[i]);
        } else if (roots[i]->tape != tape) {
            reel__fail(tape, REEL_ERR_ARGUMENT, NULL, "reel_eval: node %zu is of another tape", i);
        }
    }
    if (!tape->status) {
        tape->executor->eval(tape, n, roots);
    }
    if (roots != few) {
        reel__free(roots);
    }
    return tape->status;
}

const void *reel_data(reel_node *x)
{
    return reel_eval(1, &x) == REEL_OK ? reel__live(x)->data : NULL;
}

static reel_status wrong_size(reel_node *x, size_t n)
{
    char text[128];
    reel__fail(reel_node_tape(x), REEL_ERR_ARGUMENT, NULL,
               "reel_read: room for %zu elements: expected %lld for %s", n,
               (long long)reel_node_size(x),
               reel__shape_text(text, sizeof text, reel_node_shape(x)));
    return reel_node_tape(x)->status;
}

/* Evaluates x and checks that `out` has room for just its elements. */
static reel_status prepare_read(reel_node *x, const void *out, size_t n)
{
    reel_status status = reel_eval(1, &x);
    if (status) {
        return status;
    }
    return (size_t)reel_node_size(x) != n || (n && !out) ? wrong_size(x, out ? n : 0) : REEL_OK;
}

reel_status reel_read(reel_node *x, double *out, size_t n)
{
    reel_status status = prepare_read(x, out, n);
    if (status) {
        return status;
    }
    const reel__slot *s = reel__live(x);
    for (size_t i = 0; i < n; i++) {
        out[i] = s->dtype == REEL_F32   ? (double)((const float *)s->data)[i]
                 : s->dtype == REEL_F64 ? ((const double *)s->data)[i]
                                        : (double)((const int32_t *)s->data)[i];
    }
    return REEL_OK;
}

reel_status reel_read_f32(reel_node *x, float *out, size_t n)
{
    reel_status status = prepare_read(x, out, n);
    if (status) {
        return status;
    }
    const reel__slot *s = reel__live(x);
    for (size_t i = 0; i < n; i++) {
        out[i] = s->dtype == REEL_F32   ? ((const float *)s->data)[i]
                 : s->dtype == REEL_F64 ? (float)((const double *)s->data)[i]
                                        : (float)((const int32_t *)s->data)[i];
    }
    return REEL_OK;
}

reel_status reel_scalar(reel_node *x, double *out)
{
    const reel__slot *s = reel__live(x);
    if (s && reel__size(s) != 1 && !s->tape->status) {
        char text[128];
        reel__fail(s->tape, REEL_ERR_SHAPE, NULL, "reel_scalar: %s: expected one element",
                   reel__shape_text(text, sizeof text, reel__shape(s)));
        return s->tape->status;
    }
    double value = 0;
    reel_status status = reel_read(x, &value, 1);
    if (status == REEL_OK && out) {
        *out = value;
    }
    return status;
}

size_t reel_dtype_size(reel_dtype dtype)
{
    return reel__dtype_size(dtype);
}

const char *reel_dtype_name(reel_dtype dtype)
{
    switch (dtype) {
    case REEL_F32:
        return "f32";
    case REEL_F64:
        return "f64";
    case REEL_I32:
        return "i32";
    case REEL_DTYPE_DEFAULT:
        break;
    }
    return "no dtype";
}

const char *reel_version(void)
{
    return REEL_VERSION;
}
