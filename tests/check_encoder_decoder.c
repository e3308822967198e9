/* Encoder and decoder: golden vectors, batches against sequences one by one, derivatives to second
 * order, beam search over a decoder, bad input. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "suite.h"

enum {
    V = 7,
    EMBEDDED = 3,
    HIDDEN = 4,
    SIZE = 6,
    SCORE = 5,
    MOST_T = 6,
    MOST_BATCH = 4,
    MOST_WEIGHTS = 40
};

/* What a case of the golden vectors is made of, as make_encoder_decoder.py has it. */
typedef struct form {
    const char *name;
    const reel_cell_type *encoder, *decoder;
    bool both_ways, attends;
    reel_score score;
    int64_t targets;
    bool coverage, shared;
    reel_decoder with;
} form;

static const form forms[] = {
    {"bahdanau", &reel_gru, &reel_gru, true, true, REEL_ADDITIVE, 5, false, false, {.size = SIZE}},
    {"appendix",
     &reel_gru,
     &reel_gru,
     true,
     true,
     REEL_ADDITIVE,
     5,
     false,
     false,
     {.size = SIZE, .previous = true, .readout = REEL_READOUT_MAXOUT}},
    {"luong",
     &reel_lstm,
     &reel_lstm,
     false,
     true,
     REEL_GENERAL,
     5,
     false,
     false,
     {.size = SIZE, .after = true, .feeding = true, .wordless = true}},
    {"plain", &reel_gru, &reel_lstm, false, false, REEL_DOT, V, false, true, {.tied = true}},
    {"covered",
     &reel_gru,
     &reel_gru,
     true,
     true,
     REEL_ADDITIVE,
     5,
     true,
     false,
     {.feeding = true, .tied = true}}};
enum { FORMS = sizeof forms / sizeof *forms };

typedef struct fixture {
    reel_params *ps;
    reel_tape *tape;
    reel_attention attention;
    reel_encoder encoder;
    reel_decoder decoder;
} fixture;

static fixture f;

static void make(const form *k, const reel_regularizers *regular, double dropout)
{
    f.ps = reel_params_new(REEL_F64, 3);
    f.tape = reel_tape_new(1, .dtype = REEL_F64);
    ck_assert(f.ps && f.tape);
    const int layers = k->both_ways ? 1 : 2;
    const int64_t n = k->both_ways ? 2 * HIDDEN : HIDDEN;
    f.attention = (reel_attention){.params = f.ps,
                                   .name = "att",
                                   .score = k->score,
                                   .query = HIDDEN,
                                   .size = SCORE,
                                   .coverage = k->coverage};
    f.encoder = (reel_encoder){.params = f.ps,
                               .name = "enc",
                               .vocabulary = V,
                               .words = k->shared ? "words" : NULL,
                               .attention = k->attends ? &f.attention : NULL,
                               .dropout = dropout};
    f.encoder.cell = reel_layers_with(&(reel_cell_args){.params = f.ps,
                                                        .name = "enc",
                                                        .type = k->encoder,
                                                        .in = EMBEDDED,
                                                        .hidden = HIDDEN,
                                                        .bidirectional = k->both_ways},
                                      layers, 0);
    f.decoder = k->with;
    f.decoder.params = f.ps;
    f.decoder.name = "dec";
    f.decoder.attention = f.encoder.attention;
    f.decoder.vocabulary = k->targets;
    f.decoder.embedding = EMBEDDED;
    f.decoder.words = f.encoder.words;
    f.decoder.dropout = dropout;
    int64_t size = k->with.size ? k->with.size : EMBEDDED;
    int64_t in = EMBEDDED + (k->with.after ? 0 : n) + (k->with.feeding ? size : 0);
    f.decoder.cell = reel_cell_of(f.ps, "dec", k->decoder, .in = in, .hidden = HIDDEN);
    if (regular) {
        reel_cell_regularize(f.encoder.cell, regular);
        reel_cell_regularize(f.decoder.cell, regular);
    }
}

static void setup(void)
{
    f = (fixture){0};
}

static void teardown(void)
{
    reel_cell_free(f.encoder.cell);
    reel_cell_free(f.decoder.cell);
    reel_tape_free(f.tape);
    reel_params_free(f.ps);
}

/* Golden vectors */

/* Words [n, batch] as n nodes. */
static int words(const reel_archive *a, const char *name, const char *what, reel_node **x)
{
    const reel_archive_tensor *t = golden_tensor(a, name, what);
    const int64_t n = t->shape.dim[0], batch = t->shape.dim[1];
    ck_assert_int_le(n, MOST_T);
    for (int64_t i = 0; i < n; i++) {
        x[i] = reel_input(f.tape, REEL_I32, (const int32_t *)t->data + i * batch, reel_dims(batch));
    }
    return (int)n;
}

static void offer_weights(const reel_archive *a, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const reel_archive_tensor *t = reel_archive_at(a, i);
        const char *what = t->name + length + 1;
        if (strncmp(t->name, name, length) == 0 && t->name[length] == '/' && strchr(what, '.') &&
            strncmp(what, "grad.", 5) != 0) {
            ck_assert_int_eq(reel_params_offer(f.ps, what, t->dtype, t->data, t->shape), REEL_OK);
        }
    }
}

static reel_node *weighed(const reel_archive *a, const char *name, const char *by, reel_node *x)
{
    const reel_archive_tensor *t = golden_tensor(a, name, by);
    return reel_sum(reel_mul(x, reel_input(f.tape, t->dtype, t->data, t->shape)));
}

START_TEST(golden_vectors)
{
    const form *k = &forms[_i];
    reel_archive *a = golden_open("encoder_decoder.safetensors");
    make(k, NULL, 0);
    offer_weights(a, k->name);
    reel_node *word[MOST_T], *last[MOST_T], *h[MOST_T], *logits[MOST_T], *weights[MOST_T];
    int T = words(a, k->name, "words", word), N = words(a, k->name, "last", last);
    int64_t length[MOST_BATCH];
    for (int64_t b = 0; b < reel_node_dim(word[0], 0); b++) {
        length[b] = ((const int32_t *)golden_tensor(a, k->name, "lengths")->data)[b];
    }
    reel_source source = reel_encode(&f.encoder, T, word, h, .length = length);
    reel_state s = reel_decoder_start(&f.decoder, &source);
    ck_assert_msg(reel_decode_all(&f.decoder, &source, N, last, &s, logits, weights) == REEL_OK,
                  "%s", reel_tape_message(f.tape));
    ck_assert_ptr_null(reel_params_unclaimed(f.ps, 0));
    reel_node *all = reel_stack(N, logits), *loss = weighed(a, k->name, "R", all);
    golden_compare(a, k->name, "logits", all);
    if (k->attends) {
        reel_node *attended = reel_stack(N, weights);
        golden_compare(a, k->name, "a", attended);
        loss = reel_add(loss, weighed(a, k->name, "Ra", attended));
    } else {
        ck_assert_ptr_null(weights[0]);
    }
    golden_compare(a, k->name, "loss", loss);
    reel_node *to[MOST_WEIGHTS], *d[MOST_WEIGHTS];
    size_t n = reel_params_count(f.ps);
    ck_assert_uint_le(n, MOST_WEIGHTS);
    for (size_t i = 0; i < n; i++) {
        ck_assert(reel_param_loaded(reel_params_at(f.ps, i)));
        to[i] = reel_use(f.tape, reel_params_at(f.ps, i));
    }
    ck_assert_int_eq(reel_grad(loss, n, to, d), REEL_OK);
    for (size_t i = 0; i < n; i++) {
        char what[96];
        snprintf(what, sizeof what, "grad.%s", reel_param_name(reel_params_at(f.ps, i)));
        golden_compare(a, k->name, what, d[i]);
    }
    reel_archive_free(a);
}
END_TEST

/* A batch, dropout included, gives what its sequences give one by one. */

static int32_t word_at(int64_t t, int64_t b, int64_t words)
{
    return (int32_t)((5 * t + 3 * b + t * b) % words);
}

static void read_batch(int64_t first, int64_t batch, const int64_t *length, int64_t T, int64_t N,
                       double *y)
{
    reel_node *word[MOST_T], *last[MOST_T], *h[MOST_T], *logits[MOST_T];
    int32_t w[MOST_BATCH], sequence[MOST_BATCH];
    for (int64_t b = 0; b < batch; b++) {
        sequence[b] = (int32_t)(100 + first + b);
    }
    reel_tape_reset(f.tape);
    reel_tape_set_counter(f.tape, 5);
    for (int64_t t = 0; t < T; t++) {
        for (int64_t b = 0; b < batch; b++) {
            w[b] = t < length[b] ? word_at(t, first + b, V) : 0;
        }
        word[t] = reel_input(f.tape, REEL_I32, w, reel_dims(batch));
    }
    for (int64_t t = 0; t < N; t++) {
        for (int64_t b = 0; b < batch; b++) {
            w[b] = word_at(t + 1, first + b, f.decoder.vocabulary);
        }
        last[t] = reel_input(f.tape, REEL_I32, w, reel_dims(batch));
    }
    reel_source source =
        reel_encode(&f.encoder, T, word, h, .length = length, .sequence = sequence);
    f.decoder.sequence = sequence;
    reel_state s = reel_decoder_start(&f.decoder, &source);
    ck_assert_msg(reel_decode_all(&f.decoder, &source, N, last, &s, logits, NULL) == REEL_OK, "%s",
                  reel_tape_message(f.tape));
    reel_node *all = reel_stack((int)N, logits);
    ck_assert_int_eq(reel_read(all, y, (size_t)reel_node_size(all)), REEL_OK);
}

START_TEST(a_batch_is_its_sequences)
{
    enum { B = 3, T = 5, N = 3 };
    const reel_regularizers regular = {.input = {.p = 0.3},
                                       .recurrent = {.p = 0.3, .lifetime = REEL_EACH_SEQUENCE},
                                       .zoneout_h = 0.1};
    const int64_t length[B] = {5, 1, 3};
    make(&forms[_i], &regular, 0.4);
    double all[N * B * V], alone[N * V], plain[N * B * V];
    const int64_t n = f.decoder.vocabulary;
    read_batch(0, B, length, T, N, all);
    for (int64_t b = 0; b < B; b++) {
        read_batch(b, 1, length + b, length[b], N, alone);
        for (int64_t t = 0; t < N; t++) {
            for (int64_t v = 0; v < n; v++) {
                ck_assert_double_eq_tol(all[(t * B + b) * n + v], alone[t * n + v], 1e-12);
            }
        }
    }
    reel_tape_set_training(f.tape, false);
    read_batch(0, B, length, T, N, plain);
    int same = 0;
    for (int64_t i = 0; i < N * B * n; i++) {
        same += plain[i] == all[i];
    }
    ck_assert_int_eq(same, 0);
}
END_TEST

/* A cell without memory of a word that stays: what it says stays the same while its mask lasts. */
static reel_node *forgetful(reel_cell *c, reel_node *x, reel_state *s)
{
    return s->v[0] = reel_tanh(reel_gate(c, "g", x, NULL));
}

START_TEST(masks_last_a_sequence)
{
    enum { STEPS = 4 };
    const reel_lifetime lifetime = _i ? REEL_EACH_SEQUENCE : REEL_EACH_STEP;
    const reel_regularizers regular = {.input = {.p = 0.5, .lifetime = lifetime}};
    make(&forms[3], NULL, 0);
    int64_t in = reel_cell_in(f.decoder.cell);
    reel_cell_free(f.decoder.cell);
    f.decoder.cell = reel_cell_new(f.ps, "dec", forgetful, .in = in, .hidden = HIDDEN);
    reel_cell_regularize(f.decoder.cell, &regular);
    for (int named = 0; named < 2; named++) {
        const int32_t sequence[2] = {5, 9};
        reel_tape_reset(f.tape);
        reel_node *word = reel_input(f.tape, REEL_I32, (const int32_t[2]){1, 2}, reel_dims(2));
        reel_node *h[1], *last[STEPS] = {word, word, word, word}, *logits[STEPS];
        reel_source source = reel_encode(&f.encoder, 1, &word, h);
        f.decoder.sequence = named ? sequence : NULL;
        reel_state s = reel_decoder_start(&f.decoder, &source);
        ck_assert_msg(reel_decode_all(&f.decoder, &source, STEPS, last, &s, logits, NULL) ==
                          REEL_OK,
                      "%s", reel_tape_message(f.tape));
        double first[2 * V], v[2 * V];
        bool same = true;
        ck_assert_int_eq(reel_read(logits[0], first, 2 * V), REEL_OK);
        for (int t = 1; t < STEPS; t++) {
            ck_assert_int_eq(reel_read(logits[t], v, 2 * V), REEL_OK);
            same = same && memcmp(first, v, sizeof v) == 0;
        }
        ck_assert_int_eq(same, lifetime == REEL_EACH_SEQUENCE);
    }
}
END_TEST

/* What the simple recurrent unit says is none of its states: all of its weights are learned. */
START_TEST(says_what_the_cell_gives)
{
    make(&forms[0], NULL, 0);
    int64_t in = reel_cell_in(f.decoder.cell);
    reel_cell_free(f.decoder.cell);
    f.decoder.cell = reel_cell_of(f.ps, "dec", &reel_sru, .in = in, .hidden = HIDDEN);
    reel_node *word = reel_input(f.tape, REEL_I32, (const int32_t[2]){1, 2}, reel_dims(2)), *h[1];
    reel_source source = reel_encode(&f.encoder, 1, &word, h);
    reel_state s = reel_decoder_start(&f.decoder, &source);
    reel_node *y = reel_decoder_step(&f.decoder, 0, &source, word, &s, NULL), *d;
    reel_param *p = reel_params_find(f.ps, "dec.weight_ih_r");
    ck_assert_ptr_nonnull(p);
    reel_node *w = reel_use(f.tape, p);
    ck_assert_int_eq(reel_grad(reel_sum(reel_square(y)), 1, &w, &d), REEL_OK);
    double norm;
    ck_assert_int_eq(reel_scalar(reel_sum(reel_square(d)), &norm), REEL_OK);
    ck_assert_double_gt(norm, 1e-12);
}
END_TEST

/* Two steps of a pyramid become one: lengths are rounded up. */
START_TEST(pyramid_reads_its_own_length)
{
    enum { B = 2, T = 5 };
    make(&forms[0], NULL, 0);
    reel_cell_free(f.encoder.cell);
    reel_cell *inside = reel_cell_of(f.ps, "enc", &reel_gru, .in = 2 * EMBEDDED, .hidden = 8);
    f.encoder.cell = reel_cell_pyramid(f.ps, "enc", inside, .factor = 2);
    const int64_t length[B] = {5, 2};
    reel_node *word[T], *h[T], *weights;
    for (int64_t t = 0; t < T; t++) {
        word[t] = reel_input(f.tape, REEL_I32, (const int32_t[B]){1, 2}, reel_dims(B));
    }
    reel_source source = reel_encode(&f.encoder, T, word, h, .length = length);
    reel_state s = reel_decoder_start(&f.decoder, &source);
    reel_decoder_step(&f.decoder, 0, &source, word[0], &s, &weights);
    double a[B * 3];
    ck_assert_int_eq(reel_node_dim(weights, 1), 3);
    ck_assert_msg(reel_read(weights, a, B * 3) == REEL_OK, "%s", reel_tape_message(f.tape));
    for (int i = 0; i < 3; i++) {
        ck_assert_double_gt(a[i], 0);
    }
    ck_assert_double_eq_tol(a[3], 1, 1e-14);
    ck_assert_double_eq(a[4], 0);
    ck_assert_double_eq(a[5], 0);
}
END_TEST

/* Derivatives to second order of every weight and of the initial input */

static reel_node *function(reel_tape *tape, reel_node *const *x, void *context)
{
    enum { B = 2, T = 3, N = 2 };
    const form *k = context;
    reel_node *word[T], *h[T], *logits[N], *weights[N];
    for (int64_t t = 0; t < T; t++) {
        const int32_t w[B] = {word_at(t, 0, V), word_at(t, 1, V)};
        word[t] = reel_input(tape, REEL_I32, w, reel_dims(B));
    }
    reel_source source = reel_encode(&f.encoder, T, word, h, .length = (const int64_t[B]){3, 2});
    source.summary = reel_add(source.summary, x[0]);
    reel_state s = reel_decoder_start(&f.decoder, &source);
    for (int64_t t = 0; t < N; t++) {
        const int32_t w[B] = {word_at(t, 2, k->targets), word_at(t, 3, k->targets)};
        word[t] = reel_input(tape, REEL_I32, w, reel_dims(B));
    }
    reel_decode_all(&f.decoder, &source, N, word, &s, logits, weights);
    reel_node *y = reel_stack(N, logits);
    return k->attends ? reel_mul(y, reel_mean(reel_square(reel_stack(N, weights)))) : y;
}

START_TEST(second_order)
{
    form k = forms[_i];
    make(&k, NULL, 0);
    const reel_shape shape = reel_dims(2, HIDDEN);
    reel_check_report report;
    ck_assert_msg(reel_check_function(&report, function, .context = &k, .params = f.ps, .inputs = 1,
                                      .shape = &shape, .order = 2, .directions = 1),
                  "%s", report.message);
    ck_assert_int_gt(report.compared, 20);
}
END_TEST

/* Beam search: what it finds has the probability that the decoder gives it alone, and enough
 * hypotheses find everything. */

enum { BEGIN = 1, END = 0, LONGEST = 3, BEAM = 40, SOURCES = 3 };

static reel_source encode_sources(int64_t first, int64_t n, const int64_t *length, int64_t T)
{
    reel_node *word[MOST_T], *h[MOST_T];
    for (int64_t t = 0; t < T; t++) {
        int32_t w[SOURCES];
        for (int64_t b = 0; b < n; b++) {
            w[b] = word_at(t, first + b, V);
        }
        word[t] = reel_input(f.tape, REEL_I32, w, reel_dims(n));
    }
    return reel_encode(&f.encoder, T, word, h, .length = length);
}

static double probability_alone(int64_t source, int64_t length, const reel_hypothesis *found)
{
    reel_source alone = encode_sources(source, 1, NULL, length);
    reel_state s = reel_decoder_start(&f.decoder, &alone);
    reel_node *last[LONGEST], *logits[LONGEST];
    for (int64_t t = 0; t < found->length; t++) {
        const int32_t w[1] = {t ? found->token[t - 1] : BEGIN};
        last[t] = reel_input(f.tape, REEL_I32, w, reel_dims(1));
    }
    ck_assert_int_eq(reel_decode_all(&f.decoder, &alone, found->length, last, &s, logits, NULL),
                     REEL_OK);
    double sum = 0, p[V];
    for (int64_t t = 0; t < found->length; t++) {
        ck_assert_int_eq(
            reel_read(reel_log_softmax(logits[t], -1), p, (size_t)f.decoder.vocabulary), REEL_OK);
        sum += p[found->token[t]];
    }
    return sum;
}

/* All steps together against step by step, and the words as one node against one for each step: the
 * same values, weights of attention and gradients. */

static reel_source encode_together(int64_t n, const int64_t *length, int64_t steps)
{
    int32_t w[MOST_T * SOURCES];
    reel_node *h[MOST_T];
    for (int64_t t = 0; t < steps; t++) {
        for (int64_t b = 0; b < n; b++) {
            w[t * n + b] = word_at(t, b, V);
        }
    }
    return reel_encode(&f.encoder, steps, .h = h, .length = length,
                       .words = reel_input(f.tape, REEL_I32, w, reel_dims(steps, n)));
}

static void expect_equal(reel_node *a, reel_node *b, const char *what)
{
    static double x[4096], y[4096];
    const size_t n = (size_t)reel_node_size(a);
    ck_assert_msg(reel_shape_equal(reel_node_shape(a), reel_node_shape(b)) && n <= 4096, "%s: %s",
                  what, reel_tape_message(f.tape));
    ck_assert_msg(reel_read(a, x, n) == REEL_OK && reel_read(b, y, n) == REEL_OK, "%s: %s", what,
                  reel_tape_message(f.tape));
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(x[i] - y[i]) <= 1e-12 * (1 + fabs(x[i])), "%s: element %zu: %g and %g",
                      what, i, x[i], y[i]);
    }
}

static void expect_equal_gradients(reel_node *one, reel_node *two)
{
    for (size_t i = 0; i < reel_params_count(f.ps); i++) {
        reel_param *p = (reel_param *)reel_params_at(f.ps, i);
        reel_node *x = reel_use(f.tape, p), *a, *b;
        ck_assert_int_eq(reel_grad(reel_sum(reel_tanh(one)), 1, &x, &a), REEL_OK);
        ck_assert_int_eq(reel_grad(reel_sum(reel_tanh(two)), 1, &x, &b), REEL_OK);
        expect_equal(a, b, reel_param_name(p));
    }
}

START_TEST(steps_together)
{
    enum { STEPS = 3 };
    const form *k = &forms[_i];
    make(k, NULL, 0);
    const int64_t length[SOURCES] = {4, 1, 3};
    reel_source one = encode_sources(0, SOURCES, length, 4);
    reel_source two = encode_together(SOURCES, length, 4);
    int32_t w[STEPS * SOURCES];
    reel_node *last[STEPS], *logits[STEPS], *room[STEPS], *single[STEPS], *joint[STEPS];
    for (int64_t t = 0; t < STEPS; t++) {
        for (int64_t b = 0; b < SOURCES; b++) {
            w[t * SOURCES + b] = word_at(t, b + 2, k->targets);
        }
        last[t] = reel_input(f.tape, REEL_I32, w + t * SOURCES, reel_dims(SOURCES));
        joint[t] = last[t];
    }
    reel_state s = reel_decoder_start(&f.decoder, &one), u = reel_decoder_start(&f.decoder, &two);
    ck_assert_int_eq(reel_decode_all(&f.decoder, &one, STEPS, last, &s, logits, single), REEL_OK);
    reel_node *all = reel_decode_together(
        &f.decoder, &two, STEPS, reel_input(f.tape, REEL_I32, w, reel_dims(STEPS, SOURCES)), &u,
        room, joint);
    reel_node *stacked = reel_stack(STEPS, logits);
    expect_equal(stacked, all, "logits");
    for (int i = 0; i < s.n; i++) {
        expect_equal(s.v[i], u.v[i], "states");
    }
    for (int64_t t = 0; t < STEPS; t++) {
        ck_assert(k->attends ? single[t] && joint[t] : !single[t] && !joint[t]);
        if (k->attends) {
            expect_equal(single[t], joint[t], "weights");
        }
    }
    expect_equal_gradients(stacked, all);
}
END_TEST

/* Batches of different sizes and numbers of steps, the output layer over the rows of both: as each
 * has them alone. */
START_TEST(rows_of_batches)
{
    enum { BATCHES = 2, STEPS = 3 };
    const form *k = &forms[_i];
    make(k, NULL, 0);
    const int64_t length[BATCHES][2] = {{4, 1}, {3}}, n[BATCHES] = {2, 1}, N[BATCHES] = {2, 3};
    reel_node *rows[BATCHES], *alone[BATCHES], *room[STEPS];
    for (int i = 0; i < BATCHES; i++) {
        int32_t w[STEPS * 2];
        for (int64_t t = 0; t < N[i] * n[i]; t++) {
            w[t] = word_at(t, i + 2, k->targets);
        }
        reel_node *last = reel_input(f.tape, REEL_I32, w, reel_dims(N[i], n[i]));
        reel_source source = encode_together(n[i], length[i], length[i][0]);
        reel_state s = reel_decoder_start(&f.decoder, &source), u = s;
        rows[i] = reel_decode_rows(&f.decoder, &source, N[i], last, &s, room, NULL);
        alone[i] = reel_decode_together(&f.decoder, &source, N[i], last, &u, room, NULL);
        alone[i] = reel_reshape(alone[i], reel_dims(N[i] * n[i], k->targets));
    }
    reel_node *all = reel_rows_logits(&f.decoder, reel_concat(0, BATCHES, rows));
    reel_node *both = reel_concat(0, BATCHES, alone);
    expect_equal(both, all, "logits");
    expect_equal_gradients(both, all);
}
END_TEST

/* Masks of batches on one tape go by the names of their sequences. */
START_TEST(names_of_batches)
{
    enum { STEPS = 3 };
    const form *k = &forms[_i];
    make(k, NULL, 0);
    f.encoder.dropout = f.decoder.dropout = 0.5;
    reel_tape_set_training(f.tape, true);
    const int32_t name[3] = {7, 8, 7}, w[STEPS] = {1, 1, 1};
    const int64_t length = STEPS;
    double said[3][64];
    reel_node *h[STEPS], *room[STEPS];
    size_t size = 0;
    for (int i = 0; i < 3; i++) {
        reel_node *words = reel_input(f.tape, REEL_I32, w, reel_dims(STEPS, 1));
        reel_source source = reel_encode(&f.encoder, STEPS, .h = h, .length = &length,
                                         .words = words, .sequence = name + i);
        f.decoder.sequence = name + i;
        reel_state s = reel_decoder_start(&f.decoder, &source);
        reel_node *rows = reel_decode_rows(&f.decoder, &source, STEPS, words, &s, room, NULL);
        size = (size_t)reel_node_size(rows);
        ck_assert_msg(size <= 64 && reel_read(rows, said[i], size) == REEL_OK, "%s",
                      reel_tape_message(f.tape));
    }
    double apart[3] = {0};
    for (size_t i = 0; i < size; i++) {
        apart[1] = fmax(apart[1], fabs(said[1][i] - said[0][i]));
        apart[2] = fmax(apart[2], fabs(said[2][i] - said[0][i]));
    }
    ck_assert_double_gt(apart[1], 1e-3);
    ck_assert_double_lt(apart[2], 1e-14);
}
END_TEST

START_TEST(beam_search)
{
    make(&forms[_i], NULL, 0);
    reel_params_set_init(f.ps, "*", (reel_init){REEL_INIT_UNIFORM, -1.5, 1.5});
    reel_tape_set_training(f.tape, false);
    const int64_t length[SOURCES] = {4, 1, 3};
    reel_source source = encode_sources(0, SOURCES, length, 4);
    reel_decoding decoding = {.decoder = &f.decoder, .source = &source};
    reel_state start = reel_decoder_start(&f.decoder, &source);
    enum { BEST = 4 };
    reel_hypothesis found[SOURCES * BEST], greedy[SOURCES];
    ck_assert_msg(reel_decode(found, .tape = f.tape, .step = reel_decoder_continue,
                              .context = &decoding, .start = &start, .sources = SOURCES,
                              .beam = BEAM, .best = BEST, .begin = BEGIN, .end = END,
                              .longest = LONGEST) == REEL_OK,
                  "%s", reel_tape_message(f.tape));
    decoding = (reel_decoding){.decoder = &f.decoder, .source = &source};
    ck_assert_int_eq(reel_decode(greedy, .tape = f.tape, .step = reel_decoder_continue,
                                 .context = &decoding, .start = &start, .sources = SOURCES,
                                 .begin = BEGIN, .end = END, .longest = LONGEST),
                     REEL_OK);
    for (int64_t b = 0; b < SOURCES; b++) {
        for (int i = 0; i < BEST; i++) {
            const reel_hypothesis *x = &found[b * BEST + i];
            ck_assert_int_ge(x->length, 1);
            ck_assert_double_eq_tol(x->log_probability, probability_alone(b, length[b], x), 1e-10);
            ck_assert(i == 0 || x->score <= x[-1].score);
        }
        ck_assert_double_eq_tol(greedy[b].log_probability,
                                probability_alone(b, length[b], &greedy[b]), 1e-10);
        ck_assert_double_le(greedy[b].log_probability, found[b * BEST].log_probability + 1e-12);
    }
    reel_decode_free(found, SOURCES * BEST);
    reel_decode_free(greedy, SOURCES);
}
END_TEST

/* Bad input */

static void expect(const char *part)
{
    ck_assert_int_ne(reel_tape_status(f.tape), REEL_OK);
    ck_assert_msg(strstr(reel_tape_message(f.tape), part) != NULL, "'%s' does not say '%s'",
                  reel_tape_message(f.tape), part);
    reel_tape_reset(f.tape);
}

START_TEST(bad_input)
{
    enum { B = 2 };
    make(&forms[0], NULL, 0);
    const int32_t w[B] = {1, 2};
    reel_node *word = reel_input(f.tape, REEL_I32, w, reel_dims(B)), *h[1];
    reel_encode(&f.encoder, 0, &word, h);
    ck_assert_ptr_nonnull(strstr(reel_params_message(f.ps), "encode: 0 words: expected 1 or more"));
    reel_params_clear_error(f.ps);
    reel_cell *cell = f.encoder.cell;
    f.encoder.cell = NULL;
    reel_encode(&f.encoder, 1, &word, h);
    f.encoder.cell = cell;
    expect("encode: expected an encoder with a cell");
    word = reel_input(f.tape, REEL_I32, w, reel_dims(B));
    reel_source source = reel_encode(&f.encoder, 1, &word, h, .length = (const int64_t[B]){1, 2});
    expect("sequence 1 has length 2: expected 0 to 1");
    word = reel_input(f.tape, REEL_I32, w, reel_dims(B));
    f.encoder.name = "";
    reel_encode(&f.encoder, 1, &word, h);
    expect("embedding: expected a params set and a name");
    f.encoder.name = "enc";
    word = reel_input(f.tape, REEL_I32, w, reel_dims(B));
    source = reel_encode(&f.encoder, 1, &word, h);
    reel_state s = reel_decoder_start(&f.decoder, &source);
    f.decoder.feeding = true;
    reel_decoder_step(&f.decoder, 0, &source, word, &s, NULL);
    expect("decoder: 1 states: expected a source and the states that reel_decoder_start makes, 2");
    word = reel_input(f.tape, REEL_I32, w, reel_dims(B));
    source = reel_encode(&f.encoder, 1, &word, h);
    s = reel_decoder_start(&f.decoder, &source);
    reel_decoder_step(&f.decoder, 0, &source, word, &s, NULL);
    expect("decoder 'dec': its cell takes 11 features: expected 17, 3 of the word, 8 of the "
           "context, 6 of the readout");
    f.decoder.feeding = false;
    f.decoder.tied = true;
    word = reel_input(f.tape, REEL_I32, w, reel_dims(B));
    source = reel_encode(&f.encoder, 1, &word, h);
    s = reel_decoder_start(&f.decoder, &source);
    reel_decoder_step(&f.decoder, 0, &source, word, &s, NULL);
    expect("decoder 'dec': tied: readout of 6 features: expected as many as the embedding has, 3");
    f.decoder.tied = false;
    word = reel_input(f.tape, REEL_I32, w, reel_dims(B));
    reel_rows_logits(&f.decoder, word);
    expect("rows_logits: rank 1: expected a decoder, and rows [rows, features]");
    word = reel_input(f.tape, REEL_I32, w, reel_dims(B));
    reel_sequence_dropout(word, 0.5, NULL);
    expect("sequence_dropout: probability 0.5 of dropping, rank 1");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encoder and decoder");
    TCase *c = tcase_create("encoder and decoder");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, golden_vectors, 0, FORMS);
    tcase_add_loop_test(c, a_batch_is_its_sequences, 0, FORMS);
    tcase_add_loop_test(c, masks_last_a_sequence, 0, 2);
    tcase_add_test(c, says_what_the_cell_gives);
    tcase_add_test(c, pyramid_reads_its_own_length);
    tcase_add_loop_test(c, second_order, 0, FORMS);
    tcase_add_loop_test(c, beam_search, 0, FORMS);
    tcase_add_loop_test(c, steps_together, 0, FORMS);
    tcase_add_loop_test(c, rows_of_batches, 0, FORMS);
    tcase_add_loop_test(c, names_of_batches, 0, FORMS);
    tcase_add_test(c, bad_input);
    suite_add_tcase(s, c);
    return suite_run(s);
}
