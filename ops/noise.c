/* Random tensors: masks and noise.
 * Invariant: an element depends on the tape's seed, the node's stream, the counter and its own
 * place alone: it can be computed again at will, by any thread, and is the same choice in f32 and
 * f64. */
#ifndef REEL_REAL
#include <reel/axis.h>
#include <reel/ops.h>
#include <reel/random.h>
#include <reel/tape.h>

#include <math.h>
#include <stdio.h>

/* Of reel_op_keyed_mask. */
typedef struct keyed_attr {
    uint64_t seed, stream;
    double p, value;
    int64_t n;
} keyed_attr;

typedef struct noise_attr {
    uint64_t seed, stream;
    double a, b; /* the distribution's parameters */
    int64_t rank, dim[REEL_MAX_RANK];
} noise_attr;

enum { WORDS = 4 /* of a block of random bits; a unit makes as many elements */ };

/* Uniform in (0, 1), never either end. */
static double unit_interval(uint32_t word)
{
    return ((double)word + 0.5) * 0x1p-32;
}

/* The k-th unit's random words. */
static void unit_words(const reel_call *c, int64_t k, uint32_t word[WORDS])
{
    const noise_attr *a = c->attr;
    const uint32_t *counter = c->x[0].data;
    uint64_t high = (uint64_t)counter[1] << 32 | counter[0];
    reel_random_block(a->seed, a->stream, high, (uint64_t)k, word);
}

/* Two independent standard normals (Box & Muller 1958). */
static void normal_pair(const uint32_t word[2], double out[2])
{
    double radius = sqrt(-2 * log(unit_interval(word[0])));
    double angle = 6.28318530717958647693 * unit_interval(word[1]);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

static void mask_values(const noise_attr *a, const uint32_t *word, double *v)
{
    /* As a product: a branch would be mispredicted every other time. */
    for (int i = 0; i < WORDS; i++) {
        v[i] = (double)(unit_interval(word[i]) < a->a) * a->b;
    }
}

static void uniform_values(const noise_attr *a, const uint32_t *word, double *v)
{
    for (int i = 0; i < WORDS; i++) {
        v[i] = a->a + (a->b - a->a) * unit_interval(word[i]);
    }
}

static void normal_values(const noise_attr *a, const uint32_t *word, double *v)
{
    normal_pair(word, v);
    normal_pair(word + 2, v + 2);
    for (int i = 0; i < WORDS; i++) {
        v[i] *= a->a;
    }
}

static int64_t units_of_row(const keyed_attr *a)
{
    return a->n / WORDS + (a->n % WORDS != 0);
}

/* What the units of a row have in common: random words are a function of its keys and the unit. */
typedef struct keyed_row {
    uint64_t seed, stream, high, low;
} keyed_row;

static keyed_row row_of(const reel_call *c, int64_t r)
{
    const keyed_attr *a = c->attr;
    const uint32_t *counter = c->x[0].data, *id = c->x[1].data, *second = c->x[2].data;
    /* odd multiples keep different second keys apart */
    return (keyed_row){.seed = a->seed,
                       .stream = a->stream + second[r] * 0x9e3779b97f4a7c15U,
                       .high = (uint64_t)counter[1] << 32 | counter[0],
                       .low = (uint64_t)id[r % c->x[1].size] << 32};
}

typedef void values(const noise_attr *a, const uint32_t *word, double *v);

#include <reel/real32.h>

#include "noise.c"

#include <reel/real64.h>

#include "noise.c"

static bool noise_shape(reel_shaping *s)
{
    const noise_attr *a = s->attr;
    if (!reel_shape_equal(reel_node_shape(s->x[0]), reel_dims(2))) {
        return reel_shaping_fail(s, "expected a counter: two words");
    }
    s->y = reel_shape_of((int)a->rank, a->dim);
    s->y.rank = (int)a->rank;
    return true;
}

static int64_t noise_units(const reel_call *c)
{
    return c->y.size / WORDS + (c->y.size % WORDS != 0);
}

static reel_node *noise_gradient(reel_node *y, reel_node *dy, int i)
{
    (void)y;
    (void)dy;
    (void)i;
    return reel_zero_gradient();
}

static void mask_label(const reel_node *y, char *text, size_t n)
{
    const noise_attr *a = reel_node_attr(y);
    snprintf(text, n, "mask %g", a->a);
}

static bool keyed_shape(reel_shaping *s)
{
    const keyed_attr *a = s->attr;
    reel_shape id = reel_node_shape(s->x[1]), second = reel_node_shape(s->x[2]);
    if (id.rank != 1 || second.rank < 1 || second.rank >= REEL_MAX_RANK ||
        second.dim[second.rank - 1] != id.dim[0]) {
        return reel_shaping_fail(
            s, "expected one key a sequence, [batch], and second keys [..., batch]");
    }
    s->y = second;
    s->y.dim[s->y.rank++] = a->n;
    return true;
}

static int64_t keyed_units(const reel_call *c)
{
    const keyed_attr *a = c->attr;
    return a->n ? c->y.size / a->n * units_of_row(a) : 0;
}

static void keyed_label(const reel_node *y, char *text, size_t n)
{
    const keyed_attr *a = reel_node_attr(y);
    snprintf(text, n, "mask %g", a->p);
}

static reel_node *keyed_sample(reel_sampler *s, int k)
{
    reel_node *id = reel_sample_index(s, 100, reel_dims(3));
    switch (k) {
    case 0:
        return reel_keyed_mask(id, id, 9, 0.3, 2, 7);
    case 1:
        return reel_keyed_mask(id, reel_sample_index(s, 5, reel_dims(2, 3)), 4, 0.5, 1, 8);
    default:
        return NULL;
    }
}

static reel_node *mask_sample(reel_sampler *s, int k)
{
    reel_node *like = reel_counter(reel_sampler_tape(s));
    switch (k) {
    case 0:
        return reel_dropout_mask(like, reel_dims(37), 0.3);
    case 1:
        return reel_bernoulli(like, reel_dims(2, 3, 1, 4), 0.5);
    case 2:
        return reel_bernoulli(like, reel_scalar_shape(), 1);
    default:
        return NULL;
    }
}

static reel_node *uniform_sample(reel_sampler *s, int k)
{
    reel_node *like = reel_counter(reel_sampler_tape(s));
    return k ? NULL : reel_uniform_noise(like, reel_dims(3, 7), -2, 5);
}

static reel_node *normal_sample(reel_sampler *s, int k)
{
    reel_node *like = reel_counter(reel_sampler_tape(s));
    return k ? NULL : reel_normal_noise(like, reel_dims(5, 5), 0.1);
}

const reel_op reel_op_mask = {
    .name = "mask",
    .arity = 1,
    .index_args = 1 << 0,
    .attr_size = sizeof(noise_attr),
    .shape = noise_shape,
    .run_f32 = mask_run_f32,
    .run_f64 = mask_run_f64,
    .units = noise_units,
    .gradient = noise_gradient,
    .label = mask_label,
    .sample = mask_sample,
};

const reel_op reel_op_keyed_mask = {
    .name = "keyed_mask",
    .arity = 3,
    .index_args = 1 << 0 | 1 << 1 | 1 << 2,
    .attr_size = sizeof(keyed_attr),
    .shape = keyed_shape,
    .run_f32 = keyed_run_f32,
    .run_f64 = keyed_run_f64,
    .units = keyed_units,
    .gradient = noise_gradient,
    .label = keyed_label,
    .sample = keyed_sample,
};

const reel_op reel_op_uniform_noise = {
    .name = "uniform_noise",
    .arity = 1,
    .index_args = 1 << 0,
    .attr_size = sizeof(noise_attr),
    .shape = noise_shape,
    .run_f32 = uniform_run_f32,
    .run_f64 = uniform_run_f64,
    .units = noise_units,
    .gradient = noise_gradient,
    .sample = uniform_sample,
};

const reel_op reel_op_normal_noise = {
    .name = "normal_noise",
    .arity = 1,
    .index_args = 1 << 0,
    .attr_size = sizeof(noise_attr),
    .shape = noise_shape,
    .run_f32 = normal_run_f32,
    .run_f64 = normal_run_f64,
    .units = noise_units,
    .gradient = noise_gradient,
    .sample = normal_sample,
};

static reel_node *noise(const char *at, const reel_op *op, const reel_node *like, reel_shape shape,
                        double a, double b)
{
    reel_tape *tape = reel_node_tape(like);
    noise_attr attr = {.seed = reel_tape_seed(tape),
                       .stream = reel_tape_stream(tape),
                       .a = a,
                       .b = b,
                       .rank = shape.rank};
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        attr.dim[i] = i < shape.rank ? shape.dim[i] : 1;
    }
    return reel_apply1(at, op, reel_counter_at(at, tape), &attr);
}

/** A tensor of 1 with probability p and 0 otherwise, each element by itself, on the tape of `like`.
 * It is a function of the tape's seed, the scope, how many random nodes the scope already has, and
 * the tape's counter. */
reel_node *reel_bernoulli_at(const char *at, reel_node *like, reel_shape shape, double p)
{
    if (!(p >= 0 && p <= 1)) {
        return reel_node_fail(at, like, REEL_ERR_ARGUMENT,
                              "bernoulli: probability %g: expected 0 to 1", p);
    }
    return noise(at, &reel_op_mask, like, shape, p, 1);
}

/** A dropout mask on the tape of `like`: 0 with probability p, else 1/(1-p), each element by
 * itself; 0 ≤ p < 1. Drawn as reel_bernoulli's, also in test mode. Multiply several steps by one
 * mask for variational dropout (Gal & Ghahramani 2016). */
reel_node *reel_dropout_mask_at(const char *at, reel_node *like, reel_shape shape, double p)
{
    if (!(p >= 0 && p < 1)) {
        return reel_node_fail(at, like, REEL_ERR_ARGUMENT,
                              "dropout: probability %g of dropping: expected 0 or more, below 1",
                              p);
    }
    return noise(at, &reel_op_mask, like, shape, 1 - p, 1 / (1 - p));
}

/** A mask whose rows go by keys: y[..., b, :] is n elements, each `value` with probability p and 0
 * otherwise, a function of the tape's seed, its counter, the stream, id[b] and second[..., b]
 * alone. So a sequence has the same mask in any batch and in any place of it. id [batch] and second
 * [..., batch] are i32, and may be the same node. */
reel_node *reel_keyed_mask_at(const char *at, reel_node *id, reel_node *second, int64_t n, double p,
                              double value, uint64_t stream)
{
    if (!(p >= 0 && p <= 1) || !isfinite(value) || n < 0) {
        return reel_node_fail(at, id, REEL_ERR_ARGUMENT,
                              "keyed_mask: probability %g of %g, %lld columns: expected a "
                              "probability from 0 to 1, a finite value, 0 columns or more",
                              p, value, (long long)n);
    }
    reel_tape *tape = reel_node_tape(id);
    const keyed_attr attr = {
        .seed = reel_tape_seed(tape), .stream = stream, .p = p, .value = value, .n = n};
    return reel_apply3(at, &reel_op_keyed_mask, reel_counter_at(at, tape), id, second, &attr);
}

/** x with each element zero with probability p, else x/(1-p) (Srivastava et al. 2014); x itself
 * when the tape is not training or p = 0. 0 ≤ p < 1. */
reel_node *reel_dropout_at(const char *at, reel_node *x, double p)
{
    const reel_tape *tape = reel_node_tape(x);
    if (tape && p >= 0 && p < 1 && (p == 0 || !reel_tape_training(tape))) {
        return x;
    }
    return reel_mul_at(at, x, reel_dropout_mask_at(at, x, reel_node_shape(x), p));
}

/** A tensor of numbers uniform in (low, high), on the tape of `like`, drawn as reel_bernoulli's. */
reel_node *reel_uniform_noise_at(const char *at, reel_node *like, reel_shape shape, double low,
                                 double high)
{
    if (!(low <= high) || !isfinite(high - low)) {
        return reel_node_fail(at, like, REEL_ERR_ARGUMENT,
                              "uniform_noise: %g to %g: expected finite bounds in order", low,
                              high);
    }
    return noise(at, &reel_op_uniform_noise, like, shape, low, high);
}

/** A tensor of normal numbers of mean 0 and the given standard deviation, on the tape of `like`,
 * drawn as reel_bernoulli's. */
reel_node *reel_normal_noise_at(const char *at, reel_node *like, reel_shape shape, double deviation)
{
    if (!(deviation >= 0) || isinf(deviation)) {
        return reel_node_fail(at, like, REEL_ERR_ARGUMENT,
                              "normal_noise: deviation %g: expected 0 or more", deviation);
    }
    return noise(at, &reel_op_normal_noise, like, shape, deviation, 0);
}

#else

static void TYPED(noise_run)(const reel_call *c, values *make)
{
    REAL *y = c->y.data;
    for (int64_t k = c->begin; k < c->end; k++) {
        uint32_t word[WORDS];
        double v[WORDS];
        unit_words(c, k, word);
        make(c->attr, word, v);
        for (int64_t i = k * WORDS; i < (k + 1) * WORDS && i < c->y.size; i++) {
            y[i] = (REAL)v[i - k * WORDS];
        }
    }
}

/* Elements [from, from + count) of a row, those of one unit. */
static void TYPED(keyed_unit)(const keyed_attr *a, const keyed_row *row, int64_t from,
                              int64_t count, REAL *y)
{
    uint32_t word[WORDS];
    reel_random_block(row->seed, row->stream, row->high, row->low | (uint32_t)(from / WORDS), word);
    for (int64_t i = 0; i < count; i++) {
        y[from + i] = (REAL)((double)(unit_interval(word[i]) < a->p) * a->value);
    }
}

static void TYPED(keyed_run)(const reel_call *c)
{
    const keyed_attr *a = c->attr;
    const int64_t units = units_of_row(a), whole = a->n / WORDS;
    for (int64_t k = c->begin, end; k < c->end; k = end) {
        const int64_t r = k / units, first = r * units;
        const keyed_row row = row_of(c, r);
        REAL *y = (REAL *)c->y.data + r * a->n;
        end = first + units < c->end ? first + units : c->end;
        for (int64_t u = k - first; u < end - first; u++) {
            TYPED(keyed_unit)(a, &row, u * WORDS, u < whole ? WORDS : a->n % WORDS, y);
        }
    }
}

static void TYPED(mask_run)(const reel_call *c)
{
    TYPED(noise_run)(c, mask_values);
}

static void TYPED(uniform_run)(const reel_call *c)
{
    TYPED(noise_run)(c, uniform_values);
}

static void TYPED(normal_run)(const reel_call *c)
{
    TYPED(noise_run)(c, normal_values);
}

#endif
