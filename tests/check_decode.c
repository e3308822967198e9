/* Decoding against the enumeration of all sequences, and against a loop that takes the likeliest;
 * draws against probabilities; ensembles. */
#include <reel/reel.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

enum { V = 3, H = 4, SOURCES = 3, LONGEST = 4, END = 0, BEGIN = 1, MOST = 400, BEST = 5 };

typedef struct model {
    reel_params *ps;
    reel_tape *tape;
    reel_cell *cell;
    reel_node *bias; /* [sources, V]: what a source prefers */
    reel_state start;
} model;

static model m;

static void setup(void)
{
    m.ps = reel_params_new(REEL_F64, 4);
    m.tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_params_set_init(m.ps, "*", (reel_init){REEL_INIT_UNIFORM, -1.5, 1.5});
    m.cell = reel_cell_of(m.ps, "net", &reel_gru, .in = V, .hidden = H);
    double v[SOURCES * V], h[SOURCES * H];
    for (int i = 0; i < SOURCES * V; i++) {
        v[i] = 0.8 * sin(2.1 * i + 0.4);
    }
    for (int i = 0; i < SOURCES * H; i++) {
        h[i] = sin(1.3 * i + 1);
    }
    m.bias = reel_input(m.tape, REEL_F64, v, reel_dims(SOURCES, V));
    m.start = (reel_state){.n = 1, .v = {reel_input(m.tape, REEL_F64, h, reel_dims(SOURCES, H))}};
    ck_assert_int_eq(reel_tape_status(m.tape), REEL_OK);
}

static void teardown(void)
{
    reel_cell_free(m.cell);
    reel_tape_free(m.tape);
    reel_params_free(m.ps);
}

static reel_node *step(void *context, int64_t t, reel_node *last, reel_node *source, reel_state *s)
{
    const model *own = context;
    reel_node *h = reel_step_once(own->cell, t, reel_one_hot(last, V), s);
    reel_node *logits = reel_linear(own->ps, "out", V, h);
    return reel_log_softmax(reel_add(logits, reel_gather(own->bias, source)), 1);
}

/* All sequences of a source, one by one. */

typedef struct sequence {
    int64_t length;
    int32_t token[LONGEST];
    bool ended;
    double log_probability;
} sequence;

static sequence all[MOST];
static int count;

static void next_log_probabilities(const reel_state *s, int64_t t, int32_t last, int32_t source,
                                   reel_state *after, double *v)
{
    *after = *s;
    reel_node *one = reel_input(m.tape, REEL_I32, &last, reel_dims(1));
    reel_node *which = reel_input(m.tape, REEL_I32, &source, reel_dims(1));
    ck_assert_int_eq(reel_read(step(&m, t, one, which, after), v, V), REEL_OK);
}

static void enumerate(int32_t source, sequence x, const reel_state *s)
{
    double v[V];
    reel_state after;
    int32_t last = x.length ? x.token[x.length - 1] : BEGIN;
    next_log_probabilities(s, x.length, last, source, &after, v);
    for (int32_t k = 0; k < V; k++) {
        sequence y = x;
        y.token[y.length++] = k;
        y.log_probability += v[k];
        y.ended = k == END;
        if (y.ended || y.length == LONGEST) {
            ck_assert_int_lt(count, MOST);
            all[count++] = y;
        } else {
            enumerate(source, y, &after);
        }
    }
}

static reel_length_penalty penalty;
static double alpha;

static double score(const sequence *x)
{
    double n = (double)x->length;
    return x->log_probability /
           (penalty == REEL_LENGTH_POWER ? pow(n, alpha) : pow((5 + n) / 6, alpha));
}

static int by_score(const void *x, const void *y)
{
    double a = score(x), b = score(y);
    return (a < b) - (a > b);
}

START_TEST(a_wide_beam_finds_the_best)
{
    static const struct {
        reel_length_penalty penalty;
        double alpha;
        int64_t least;
    } cases[] = {{REEL_LENGTH_WU, 0, 0},
                 {REEL_LENGTH_WU, 0.8, 0},
                 {REEL_LENGTH_POWER, 1, 0},
                 {REEL_LENGTH_POWER, 0.6, 2}};
    penalty = cases[_i].penalty;
    alpha = cases[_i].alpha;
    reel_hypothesis found[SOURCES * BEST];
    reel_status status = reel_decode(found, .tape = m.tape, .step = step, .context = &m,
                                     .start = &m.start, .sources = SOURCES, .beam = 81,
                                     .best = BEST, .begin = BEGIN, .end = END, .longest = LONGEST,
                                     .least = cases[_i].least, .penalty = penalty, .alpha = alpha);
    ck_assert_msg(status == REEL_OK, "%s", reel_tape_message(m.tape));
    for (int32_t k = 0; k < SOURCES; k++) {
        reel_state own = reel_state_slice(&m.start, k, k + 1);
        count = 0;
        enumerate(k, (sequence){.length = 0}, &own);
        int n = 0;
        for (int i = 0; i < count; i++) {
            if (!all[i].ended || all[i].length > cases[_i].least) {
                all[n++] = all[i];
            }
        }
        qsort(all, (size_t)n, sizeof *all, by_score);
        for (int i = 0; i < BEST; i++) {
            const reel_hypothesis *x = &found[k * BEST + i];
            ck_assert_double_eq_tol(x->score, score(&all[i]), 1e-12);
            ck_assert_double_eq_tol(x->log_probability, all[i].log_probability, 1e-12);
            ck_assert_int_eq(x->length, all[i].length);
            ck_assert_int_eq(x->ended, all[i].ended);
            ck_assert_mem_eq(x->token, all[i].token, (size_t)x->length * sizeof *x->token);
        }
    }
    reel_decode_free(found, SOURCES * BEST);
}
END_TEST

START_TEST(a_beam_of_one_is_greedy)
{
    enum { LONG = 12 };
    reel_hypothesis found[SOURCES];
    ck_assert_int_eq(reel_decode(found, .tape = m.tape, .step = step, .context = &m,
                                 .start = &m.start, .sources = SOURCES, .begin = BEGIN, .end = END,
                                 .longest = LONG),
                     REEL_OK);
    for (int32_t k = 0; k < SOURCES; k++) {
        reel_state s = reel_state_slice(&m.start, k, k + 1), after;
        int32_t last = BEGIN;
        double sum = 0, v[V];
        int64_t t = 0;
        do {
            next_log_probabilities(&s, t, last, k, &after, v);
            s = after;
            last = 0;
            for (int32_t i = 1; i < V; i++) {
                last = v[i] > v[last] ? i : last;
            }
            sum += v[last];
            ck_assert_int_lt(t, found[k].length);
            ck_assert_int_eq(found[k].token[t], last);
            t++;
        } while (last != END && t < LONG);
        ck_assert_int_eq(found[k].length, t);
        ck_assert_int_eq(found[k].ended, last == END);
        ck_assert_double_eq_tol(found[k].log_probability, sum, 1e-12);
    }
    reel_decode_free(found, SOURCES);
}
END_TEST

/* All tokens are as likely: the earlier ones come first. */
static reel_node *even(void *context, int64_t t, reel_node *last, reel_node *source, reel_state *s)
{
    (void)context;
    (void)t;
    (void)source;
    (void)s;
    return reel_constant(reel_node_tape(last), -log(V), reel_dims(reel_node_dim(last, 0), V));
}

START_TEST(ties_have_an_order)
{
    reel_hypothesis found[3];
    ck_assert_int_eq(reel_decode(found, .tape = m.tape, .step = even, .sources = 1, .beam = 4,
                                 .best = 3, .begin = BEGIN, .end = 7, .longest = 2, .least = 2),
                     REEL_OK);
    /* tokens 0, 1, 2 are all ordinary here */
    static const int32_t ordinary[3][2] = {{0, 0}, {0, 1}, {0, 2}};
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(found[k].length, 2);
        ck_assert_mem_eq(found[k].token, ordinary[k], sizeof ordinary[k]);
        ck_assert(!found[k].ended);
    }
    reel_decode_free(found, 3);
}
END_TEST

/* Drawing */

static int64_t place_of(const reel_hypothesis *x)
{
    for (int i = 0; i < count; i++) {
        if (all[i].length == x->length && all[i].ended == x->ended &&
            memcmp(all[i].token, x->token, (size_t)x->length * sizeof *x->token) == 0) {
            return i;
        }
    }
    ck_abort_msg("a sequence that there is not");
}

/* How often each sequence of source 1 comes, against its probability. */
START_TEST(draws_have_their_probabilities)
{
    enum { N = 4000 };
    reel_random random = reel_random_new(3, 1);
    static reel_hypothesis found[SOURCES * N];
    ck_assert_msg(reel_decode(found, .tape = m.tape, .step = step, .context = &m, .start = &m.start,
                              .sources = SOURCES, .beam = N, .best = N, .begin = BEGIN, .end = END,
                              .longest = LONGEST, .random = &random) == REEL_OK,
                  "%s", reel_tape_message(m.tape));
    reel_state own = reel_state_slice(&m.start, 1, 2);
    count = 0;
    enumerate(1, (sequence){.length = 0}, &own);
    int times[MOST] = {0};
    for (int i = 0; i < N; i++) {
        const reel_hypothesis *x = &found[N + i];
        int64_t k = place_of(x);
        ck_assert_double_eq_tol(x->log_probability, all[k].log_probability, 1e-12);
        times[k]++;
    }
    for (int k = 0; k < count; k++) {
        double p = exp(all[k].log_probability), deviation = sqrt(N * p * (1 - p));
        ck_assert_double_le(fabs(times[k] - N * p), 5 * deviation + 1);
    }
    reel_decode_free(found, SOURCES * N);
}
END_TEST

static void expect_greedy(const reel_decode_args *args, const reel_hypothesis *greedy, bool same)
{
    reel_hypothesis found[SOURCES];
    bool equal = true;
    ck_assert_int_eq(reel_decode_with(args, found), REEL_OK);
    for (int k = 0; k < SOURCES; k++) {
        equal = equal && found[k].length == greedy[k].length &&
                memcmp(found[k].token, greedy[k].token,
                       (size_t)found[k].length * sizeof *found[k].token) == 0;
    }
    ck_assert_int_eq(equal, same);
    reel_decode_free(found, SOURCES);
}

START_TEST(draws_from_few_or_cold_are_greedy)
{
    reel_hypothesis greedy[SOURCES];
    reel_decode_args args = {.tape = m.tape,
                             .step = step,
                             .context = &m,
                             .start = &m.start,
                             .sources = SOURCES,
                             .begin = BEGIN,
                             .end = END,
                             .longest = 12,
                             .at = "here"};
    ck_assert_int_eq(reel_decode_with(&args, greedy), REEL_OK);
    reel_random random = reel_random_new(5, 1);
    args.random = &random;
    expect_greedy(&args, greedy, false);
    args.top_k = 1;
    expect_greedy(&args, greedy, true);
    args.top_k = 0;
    args.top_p = 1e-9;
    expect_greedy(&args, greedy, true);
    args.top_p = 0;
    args.temperature = 1e-3;
    expect_greedy(&args, greedy, true);
    reel_decode_free(greedy, SOURCES);
}
END_TEST

/* Steps that are the same for all: of 0.5, 0.3, 0.2, the top two have a share of 0.8. */
static reel_node *uneven(void *context, int64_t t, reel_node *last, reel_node *source,
                         reel_state *s)
{
    (void)context;
    (void)t;
    (void)source;
    (void)s;
    const double p[V] = {log(0.3), log(0.5), log(0.2)};
    reel_node *row = reel_input(reel_node_tape(last), REEL_F64, p, reel_dims(1, V));
    return reel_broadcast_to(row, reel_dims(reel_node_dim(last, 0), V));
}

START_TEST(draws_are_cut_off)
{
    enum { N = 2000 };
    static const struct {
        int top_k;
        double top_p, temperature, share; /* of token 1 */
    } cases[] = {{2, 0, 0, 0.5 / 0.8},
                 {0, 0.79, 0, 0.5 / 0.8},
                 {0, 0.81, 0, 0.5},
                 {0, 0.49, 0, 1},
                 {0, 0, 0.5, 0.25 / (0.25 + 0.09 + 0.04)}};
    static reel_hypothesis found[N];
    reel_random random = reel_random_new(7, 1);
    ck_assert_int_eq(reel_decode(found, .tape = m.tape, .step = uneven, .sources = 1, .beam = N,
                                 .best = N, .begin = BEGIN, .end = 7, .longest = 1,
                                 .random = &random, .top_k = cases[_i].top_k,
                                 .top_p = cases[_i].top_p, .temperature = cases[_i].temperature),
                     REEL_OK);
    double ones = 0, p = cases[_i].share;
    for (int i = 0; i < N; i++) {
        ones += found[i].token[0] == 1;
    }
    ck_assert_double_le(fabs(ones - N * p), 5 * sqrt(N * p * (1 - p)));
    reel_decode_free(found, N);
}
END_TEST

START_TEST(what_is_not_allowed_is_not_said)
{
    const bool allowed[V] = {true, false, true};
    reel_random random = reel_random_new(9, 1);
    for (int drawn = 0; drawn < 2; drawn++) {
        reel_hypothesis found[SOURCES * BEST];
        ck_assert_int_eq(reel_decode(found, .tape = m.tape, .step = step, .context = &m,
                                     .start = &m.start, .sources = SOURCES, .beam = 6, .best = BEST,
                                     .begin = BEGIN, .end = END, .longest = LONGEST,
                                     .allowed = allowed, .random = drawn ? &random : NULL),
                         REEL_OK);
        for (int i = 0; i < SOURCES * BEST; i++) {
            ck_assert_int_ge(found[i].length, 1);
            for (int64_t t = 0; t < found[i].length; t++) {
                ck_assert(allowed[found[i].token[t]]);
            }
        }
        reel_decode_free(found, SOURCES * BEST);
    }
}
END_TEST

/* A state that adds up where the last token points: what stays 0 costs. */
static reel_node *pointing(void *context, int64_t t, reel_node *last, reel_node *source,
                           reel_state *s)
{
    s->v[1] = reel_add(s->v[1], reel_scale(reel_one_hot(last, V), 0.4));
    reel_state own = {.n = 1, .v = {s->v[0]}};
    reel_node *y = step(context, t, last, source, &own);
    s->v[0] = own.v[0];
    return y;
}

START_TEST(what_is_not_covered_costs)
{
    const double beta = 0.3;
    const int64_t length[SOURCES] = {V, 2, V};
    reel_node *start = reel_constant(m.tape, 0.1, reel_dims(SOURCES, V));
    const reel_state both = {.n = 2, .v = {m.start.v[0], start}};
    reel_hypothesis found[SOURCES * BEST];
    ck_assert_msg(reel_decode(found, .tape = m.tape, .step = pointing, .context = &m,
                              .start = &both, .sources = SOURCES, .beam = 30, .best = BEST,
                              .begin = BEGIN, .end = END, .longest = LONGEST, .beta = beta,
                              .covered = 2, .length = length) == REEL_OK,
                  "%s", reel_tape_message(m.tape));
    for (int k = 0; k < SOURCES; k++) {
        for (int i = 0; i < BEST; i++) {
            const reel_hypothesis *x = &found[k * BEST + i];
            double sum[V] = {0.1, 0.1, 0.1}, out = 0;
            for (int64_t t = 0; t < x->length; t++) {
                sum[t ? x->token[t - 1] : BEGIN] += 0.4;
            }
            for (int64_t j = 0; j < length[k]; j++) {
                out += beta * log(fmin(sum[j], 1));
            }
            ck_assert_double_eq_tol(x->score, x->log_probability + out, 1e-12);
            ck_assert(i == 0 || x->score <= x[-1].score);
        }
    }
    reel_decode_free(found, SOURCES * BEST);
    ck_assert_int_ne(reel_decode(found, .tape = m.tape, .step = step, .context = &m,
                                 .start = &m.start, .sources = SOURCES, .longest = 2, .beta = 1,
                                 .covered = 2),
                     REEL_OK);
    ck_assert_ptr_nonnull(strstr(reel_tape_message(m.tape), "beta 1 and state 2 of 1: expected"));
}
END_TEST

/* Two models: the log of the mean of their probabilities. */
START_TEST(ensembles_average)
{
    reel_cell *cell = reel_cell_of(m.ps, "other", &reel_lstm, .in = V, .hidden = H);
    model other = m;
    other.cell = cell;
    reel_state own = reel_state_zero(m.tape, cell, SOURCES);
    reel_decode_step *const steps[] = {step, step};
    void *const contexts[] = {&m, &other};
    const int states[] = {1, 2};
    reel_ensemble e = {2, steps, contexts, states};
    const reel_state parts[] = {m.start, own};
    reel_state joined = reel_state_join(2, parts), first = m.start;
    ck_assert_int_eq(joined.n, 3);
    const int32_t last[SOURCES] = {0, 1, 2}, source[SOURCES] = {0, 1, 2};
    reel_node *l = reel_input(m.tape, REEL_I32, last, reel_dims(SOURCES));
    reel_node *which = reel_input(m.tape, REEL_I32, source, reel_dims(SOURCES));
    double v[3][SOURCES * V];
    ck_assert_int_eq(reel_read(reel_ensemble_step(&e, 0, l, which, &joined), v[0], SOURCES * V),
                     REEL_OK);
    ck_assert_int_eq(reel_read(step(&m, 0, l, which, &first), v[1], SOURCES * V), REEL_OK);
    ck_assert_int_eq(reel_read(step(&other, 0, l, which, &own), v[2], SOURCES * V), REEL_OK);
    for (int i = 0; i < SOURCES * V; i++) {
        ck_assert_double_eq_tol(v[0][i], log((exp(v[1][i]) + exp(v[2][i])) / 2), 1e-12);
    }
    double a[SOURCES * H], b[SOURCES * H];
    ck_assert_int_eq(reel_read(joined.v[2], a, SOURCES * H), REEL_OK);
    ck_assert_int_eq(reel_read(own.v[1], b, SOURCES * H), REEL_OK);
    ck_assert_mem_eq(a, b, sizeof a);
    e.n = 0;
    reel_ensemble_step(&e, 0, l, which, &joined);
    ck_assert_ptr_nonnull(strstr(reel_tape_message(m.tape), "ensemble: 0 models: expected 1 to"));
    reel_cell_free(cell);
}
END_TEST

static reel_node *flat(void *context, int64_t t, reel_node *last, reel_node *source, reel_state *s)
{
    (void)context;
    (void)t;
    (void)source;
    (void)s;
    return reel_constant(reel_node_tape(last), 0, reel_dims(7));
}

START_TEST(bad_input)
{
    reel_hypothesis found[2];
    ck_assert_int_eq(reel_decode(found, .tape = m.tape, .step = step, .sources = 1, .longest = 0),
                     REEL_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(
        strstr(reel_tape_message(m.tape), "longest 0, least 0, top_k 0, top_p 0, temperature"));
    ck_assert_int_eq(found[0].length, -1);
    reel_tape_reset(m.tape);
    ck_assert_int_eq(reel_decode(found, .tape = m.tape, .step = flat, .sources = 2, .longest = 3),
                     REEL_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(reel_tape_message(m.tape), "expected [2, vocabulary]"));
    ck_assert_int_eq(found[1].length, -1);
    reel_tape_reset(m.tape);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode");
    TCase *c = tcase_create("decode");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, a_wide_beam_finds_the_best, 0, 4);
    tcase_add_test(c, a_beam_of_one_is_greedy);
    tcase_add_test(c, ties_have_an_order);
    tcase_add_test(c, draws_have_their_probabilities);
    tcase_add_test(c, draws_from_few_or_cold_are_greedy);
    tcase_add_loop_test(c, draws_are_cut_off, 0, 5);
    tcase_add_test(c, what_is_not_allowed_is_not_said);
    tcase_add_test(c, what_is_not_covered_costs);
    tcase_add_test(c, ensembles_average);
    tcase_add_test(c, bad_input);
    suite_add_tcase(s, c);
    return suite_run(s);
}
