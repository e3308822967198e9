/* Job: see noisy.h. Invariant: values are those of the reference executor when epsilon is 0.
 * Nothing is given back before the reset. */
#include "noisy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <reel/random.h>

#include "call.h"
#include "tape.h"

static struct {
    double epsilon, by;
    const char *broken;
    reel_random random;
    bool moved; /* weights have been updated from noisy gradients */
} noise;

void noisy_start(double epsilon, uint64_t seed)
{
    noise.epsilon = epsilon;
    noise.random = reel_random_new(seed, 77);
    noise.moved = false;
}

void noisy_weights_moved(void)
{
    noise.moved = true;
}

void noisy_break(const char *op, double by)
{
    noise.broken = op;
    noise.by = by;
}

static bool is_one_of(const reel_op *op, const char *const *name)
{
    for (; *name; name++) {
        if (strcmp(op->name, *name) == 0) {
            return true;
        }
    }
    return false;
}

bool noisy_op(const reel_op *op)
{
    /* these only move or choose elements, or make them from bits */
    static const char *const exact[] = {
        "gather",   "pick",         "unpick", "pad", "one_hot", "mask",   "uniform_noise",
        "constant", "normal_noise", "max",    "min", "argmax",  "argmin", NULL};
    unsigned same = REEL_OP_ELEMENTWISE | REEL_OP_VIEW | REEL_OP_LEAF | REEL_OP_INDEX_RESULT;
    return !(op->flags & same) && !is_one_of(op, exact);
}

/* Ops that are sums of products of their arguments: at the arguments' absolute values they give the
 * magnitude of the terms. */
static bool is_linear(const reel_op *op)
{
    static const char *const linear[] = {"matmul",      "sum",         "sum_to", "sum_of", "mean",
                                         "scatter_add", "linear_scan", "cumsum", NULL};
    return is_one_of(op, linear);
}

static reel_tensor tensor_of(const reel__slot *s)
{
    return (reel_tensor){.data = s->data,
                         .dtype = (reel_dtype)s->dtype,
                         .shape = reel__shape(s),
                         .size = reel__size(s)};
}

/* A slot's flag, of the tapes that compute so: noise has gone into the value. */
enum { TOUCHED = 1 << 15 };

static bool touched(const reel__slot *s)
{
    int mark = noise.moved ? TOUCHED | REEL__PARAM : TOUCHED;
    for (int i = 0; i < s->n; i++) {
        if (reel__args(s)[i]->flags & mark) {
            return true;
        }
    }
    return false;
}

static double element(const reel_tensor *t, int64_t i)
{
    return t->dtype == REEL_F32 ? (double)((const float *)t->data)[i]
                                : ((const double *)t->data)[i];
}

static void set_element(const reel_tensor *t, int64_t i, double v)
{
    if (t->dtype == REEL_F32) {
        ((float *)t->data)[i] = (float)v;
    } else {
        ((double *)t->data)[i] = v;
    }
}

static void *buffer(reel_tape *tape, size_t bytes)
{
    void *p = reel__pool_get(&tape->pool, bytes);
    if (!p) {
        abort();
    }
    return p;
}

static double draw(void)
{
    double u = reel_random_uniform(&noise.random);
    return u < 0.5 ? -0.5 - u : u;
}

static bool run(const reel__slot *s, const reel_tensor *x, reel_tensor y)
{
    reel_call_state state = {.status = REEL_OK};
    reel_call call = {
        .op = s->op, .n = s->n, .x = x, .y = y, .attr = s->attr, .end = 1, .state = &state};
    reel_status status = reel__call_run(&call, s->tape->dtype, 1);
    if (status) {
        reel__fail_node(s, status, "%s", state.message);
    }
    return status == REEL_OK;
}

/* Copies of the real arguments: absolute values, or values off by a random part of themselves. */
static void copy_args(const reel__slot *s, reel_tensor *x, bool absolute, double epsilon)
{
    for (int i = 0; i < s->n; i++) {
        if (x[i].dtype == REEL_I32) {
            continue;
        }
        reel_tensor copy = x[i];
        copy.data = buffer(s->tape, reel__bytes(reel__args(s)[i]));
        for (int64_t k = 0; k < copy.size; k++) {
            double v = element(&x[i], k);
            set_element(&copy, k, absolute ? fabs(v) : v * (1 + epsilon * draw()));
        }
        x[i] = copy;
    }
}

/* These come so close to whole numbers that they are rounded to them. */
static bool saturates(const reel_op *op)
{
    static const char *const smooth[] = {"tanh", "sigmoid",  "erf",      "erfc", "exp",
                                         "cos",  "softsign", "softplus", "cosh", NULL};
    return is_one_of(op, smooth);
}

/* An op by element rounds its result. Other whole numbers stay: they are truth values and the
 * like. */
static void disturb_relative(reel_tensor y, double epsilon, bool whole_too)
{
    for (int64_t k = 0; k < y.size; k++) {
        double v = element(&y, k);
        if (whole_too || v != rint(v)) {
            set_element(&y, k, v * (1 + epsilon * draw()));
        }
    }
}

/* x: the arguments' absolute values. */
static bool disturb_sum(const reel__slot *s, const reel_tensor *x, reel_tensor y, double epsilon)
{
    reel_tensor magnitude = y;
    magnitude.data = buffer(s->tape, reel__bytes(s));
    if (!run(s, x, magnitude)) {
        return false;
    }
    for (int64_t k = 0; k < y.size; k++) {
        set_element(&y, k, element(&y, k) + epsilon * draw() * element(&magnitude, k));
    }
    return true;
}

static bool run_disturbed(reel__slot *s, reel_tensor *x, reel_tensor y, double epsilon, bool broken)
{
    bool linear = is_linear(s->op), noisy = noisy_op(s->op);
    if (noisy && !linear) {
        copy_args(s, x, false, epsilon);
    }
    if (!run(s, x, y)) {
        return false;
    }
    if (noisy && linear) {
        copy_args(s, x, true, epsilon);
        return disturb_sum(s, x, y, epsilon);
    }
    if (noisy || broken || s->op->flags & REEL_OP_ELEMENTWISE) {
        disturb_relative(y, epsilon, noisy || broken || saturates(s->op));
    }
    return true;
}

static bool compute(reel__slot *s)
{
    reel_tensor *x = calloc((size_t)s->n + 1, sizeof *x);
    if (!x) {
        abort();
    }
    for (int i = 0; i < s->n; i++) {
        x[i] = tensor_of(reel__args(s)[i]);
    }
    s->data = buffer(s->tape, reel__bytes(s));
    bool loose = noisy_op(s->op) || touched(s);
    bool broken = noise.broken && strcmp(noise.broken, s->op->name) == 0;
    double epsilon = broken ? noise.by : loose ? noise.epsilon : 0;
    bool done = epsilon != 0 && s->dtype != REEL_I32
                    ? run_disturbed(s, x, tensor_of(s), epsilon, broken)
                    : run(s, x, tensor_of(s));
    s->flags |= loose ? TOUCHED : 0;
    s->flags |= REEL__COMPUTED | REEL__OWNED;
    free(x);
    return done;
}

static reel_status eval(reel_tape *tape, size_t n, reel__slot *const *roots)
{
    uint32_t walk = reel__walk(tape), top = 0;
    for (size_t i = 0; i < n; i++) {
        roots[i]->flags |= REEL__WANT;
        roots[i]->stamp = walk;
        top = roots[i]->id > top ? roots[i]->id : top;
    }
    for (uint32_t id = top + 1; id-- > 0 && tape->count;) {
        const reel__slot *s = reel__slot_at(tape, id);
        for (int i = 0; s->stamp == walk && !(s->flags & REEL__COMPUTED) && i < s->n; i++) {
            reel__args(s)[i]->stamp = walk;
        }
    }
    for (uint32_t id = 0; id <= top && tape->count; id++) {
        reel__slot *s = reel__slot_at(tape, id);
        if (s->stamp == walk && !(s->flags & REEL__COMPUTED) && !compute(s)) {
            break;
        }
    }
    return tape->status;
}

void noisy_take(reel_tape *tape)
{
    static const reel__executor noisy = {.name = "noisy", .eval = eval};
    tape->executor = &noisy;
}
