/* Job: random leaves for tests, which the same requests give again so that a sample can be recorded
 * once more with perturbed values. Invariant: the k-th request of every recording gets the k-th
 * leaf; a request that differs from the first recording's is an error on the tape. Must not know:
 * what is made of the leaves. */
#include "sampler.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

void reel__sampler_init(reel_sampler *s, uint64_t seed, uint64_t stream)
{
    *s = (reel_sampler){.random = reel_random_new(seed, stream)};
}

void reel__sampler_begin(reel_sampler *s, reel_tape *tape)
{
    s->tape = tape;
    s->next = 0;
}

void reel__sampler_free(reel_sampler *s)
{
    for (size_t i = 0; i < s->n; i++) {
        reel__free(s->leaf[i].value);
        reel__free(s->leaf[i].index);
    }
    reel__free(s->leaf);
    *s = (reel_sampler){.tape = NULL};
}

reel_tape *reel_sampler_tape(reel_sampler *s)
{
    return s->tape;
}

static bool shape_fits(reel_shape shape, int64_t *size)
{
    int64_t n = 1;
    if (shape.rank < 0 || shape.rank > REEL_MAX_RANK) {
        return false;
    }
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] < 0 || __builtin_mul_overflow(n, shape.dim[i], &n)) {
            return false;
        }
    }
    *size = n;
    return n <= INT64_MAX / (int64_t)sizeof(double);
}

static bool grow(reel_sampler *s)
{
    if (s->n < s->capacity) {
        return true;
    }
    size_t capacity = s->capacity ? 2 * s->capacity : 8;
    reel__leaf *leaf = reel__reallocarray(s->leaf, capacity, sizeof *leaf);
    if (!leaf) {
        return false;
    }
    s->leaf = leaf;
    s->capacity = capacity;
    return true;
}

/* Appends a leaf without values; NULL after reporting. */
static reel__leaf *append(reel_sampler *s, reel__leaf_kind kind, reel_shape shape)
{
    int64_t size;
    if (!shape_fits(shape, &size)) {
        reel_tape_fail(s->tape, REEL_HERE, REEL_ERR_SHAPE, "sample: no such shape");
        return NULL;
    }
    reel__leaf leaf = {.kind = kind, .shape = shape, .size = size};
    if (kind == REEL__LEAF_INDEX) {
        leaf.index = reel__calloc((size_t)size, sizeof *leaf.index);
    } else {
        leaf.value = reel__calloc((size_t)size, sizeof *leaf.value);
    }
    if ((!leaf.index && !leaf.value) || !grow(s)) {
        reel__free(leaf.index);
        reel__free(leaf.value);
        reel_tape_fail(s->tape, REEL_HERE, REEL_ERR_MEMORY, "sample: out of memory");
        return NULL;
    }
    s->leaf[s->n] = leaf;
    return &s->leaf[s->n++];
}

/* The leaf that answers this request. *fresh: its values are still to be drawn. NULL after
 * reporting. */
static reel__leaf *request(reel_sampler *s, reel__leaf_kind kind, reel_shape shape, bool *fresh)
{
    *fresh = s->next == s->n;
    reel__leaf *leaf = *fresh ? append(s, kind, shape) : &s->leaf[s->next];
    if (!leaf) {
        return NULL;
    }
    if (leaf->kind != kind || !reel_shape_equal(leaf->shape, shape)) {
        reel_tape_fail(s->tape, REEL_HERE, REEL_ERR_ARGUMENT,
                       "sample: leaf %zu is asked for with another shape than before", s->next);
        return NULL;
    }
    s->next++;
    return leaf;
}

static reel_node *give(reel_sampler *s, reel__leaf *leaf)
{
    if (leaf->kind == REEL__LEAF_INDEX) {
        leaf->node = reel_input(s->tape, REEL_I32, leaf->index, leaf->shape);
    } else {
        leaf->node = reel_input(s->tape, REEL_F64, leaf->value, leaf->shape);
    }
    return leaf->node;
}

/* Uniform in the open interval, in f32 so that an f32 tape gets the very same values. */
static double draw(reel_random *r, double lo, double hi)
{
    double steps = 8388608; /* 2^23 */
    double u = ((double)reel_random_below(r, (uint64_t)steps) + 0.5) / steps;
    return (double)(float)(lo + (hi - lo) * u);
}

static reel_node *sample(reel_sampler *s, reel__leaf_kind kind, double lo, double hi,
                         reel_shape shape)
{
    bool fresh;
    reel__leaf *leaf = request(s, kind, shape, &fresh);
    if (!leaf) {
        return reel_tape_fail(s->tape, REEL_HERE, REEL_ERR_ARGUMENT, "sample: no leaf");
    }
    for (int64_t i = 0; fresh && i < leaf->size; i++) {
        leaf->value[i] = draw(&s->random, lo, hi);
    }
    return give(s, leaf);
}

reel_node *reel_sample_real(reel_sampler *s, double lo, double hi, reel_shape shape)
{
    return sample(s, REEL__LEAF_REAL, lo, hi, shape);
}

reel_node *reel_sample_fixed(reel_sampler *s, double lo, double hi, reel_shape shape)
{
    return sample(s, REEL__LEAF_FIXED, lo, hi, shape);
}

reel_node *reel_sample_index(reel_sampler *s, int32_t n, reel_shape shape)
{
    if (n <= 0) {
        return reel_tape_fail(s->tape, REEL_HERE, REEL_ERR_ARGUMENT, "sample: no index below %d",
                              (int)n);
    }
    bool fresh;
    reel__leaf *leaf = request(s, REEL__LEAF_INDEX, shape, &fresh);
    if (!leaf) {
        return reel_tape_fail(s->tape, REEL_HERE, REEL_ERR_ARGUMENT, "sample: no leaf");
    }
    for (int64_t i = 0; fresh && i < leaf->size; i++) {
        leaf->index[i] = (int32_t)reel_random_below(&s->random, (uint64_t)n);
    }
    return give(s, leaf);
}

static void set_name(reel__leaf *leaf, const char *name)
{
    snprintf(leaf->name, sizeof leaf->name, "%s", name);
}

reel_node *reel__sample_value(reel_sampler *s, reel__leaf_kind kind, const char *name,
                              const double *value, reel_shape shape)
{
    bool fresh;
    reel__leaf *leaf = request(s, kind, shape, &fresh);
    if (!leaf) {
        return reel_tape_fail(s->tape, REEL_HERE, REEL_ERR_ARGUMENT, "sample: no leaf");
    }
    if (fresh) {
        memcpy(leaf->value, value, (size_t)leaf->size * sizeof *value);
        set_name(leaf, name);
    }
    return give(s, leaf);
}

reel_node *reel__sample_weight(reel_sampler *s, reel__leaf_kind kind, const char *name,
                               reel_shape shape)
{
    bool fresh;
    reel__leaf *leaf = request(s, kind, shape, &fresh);
    if (!leaf) {
        return reel_tape_fail(s->tape, REEL_HERE, REEL_ERR_ARGUMENT, "sample: no leaf");
    }
    for (int64_t i = 0; fresh && i < leaf->size; i++) {
        double sign = reel_random_below(&s->random, 2) ? 1 : -1;
        leaf->value[i] = sign * draw(&s->random, 0.5, 1.5);
    }
    if (fresh) {
        set_name(leaf, name);
    }
    return give(s, leaf);
}

void reel__sampler_name(reel_sampler *s, const char *format, ...)
{
    if (s->next == 0 || s->leaf[s->next - 1].name[0]) {
        return;
    }
    reel__leaf *leaf = &s->leaf[s->next - 1];
    va_list args;
    va_start(args, format);
    vsnprintf(leaf->name, sizeof leaf->name, format, args);
    va_end(args);
}
