/* Roll-outs: whose words they are; the policy's gradient against that of the expected reward, by
 * enumeration; baselines and schedules. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

enum { V = 3, H = 4, N = 3, BATCH = 5, BEGIN = 2, END = 0 };

typedef struct model {
    reel_params *ps;
    reel_tape *tape;
    reel_cell *cell;
    reel_node *h[8]; /* of each step */
} model;

static model m;

static void setup(void)
{
    m = (model){.ps = reel_params_new(REEL_F64, 4), .tape = reel_tape_new(1, .dtype = REEL_F64)};
    reel_params_set_init(m.ps, "*", (reel_init){REEL_INIT_UNIFORM, -1, 1});
    m.cell = reel_cell_of(m.ps, "net", &reel_gru, .in = V, .hidden = H);
    ck_assert(m.ps && m.tape && m.cell);
}

static void teardown(void)
{
    reel_cell_free(m.cell);
    reel_tape_free(m.tape);
    reel_params_free(m.ps);
}

static reel_node *step(void *context, int64_t t, reel_node *last, reel_node *source, reel_state *s)
{
    model *own = context;
    (void)source;
    reel_node *h = reel_step_once(own->cell, t, reel_one_hot(last, V), s);
    own->h[t] = h;
    return reel_log_softmax(reel_linear(own->ps, "out", V, h), 1);
}

static reel_state start(int64_t batch)
{
    return reel_state_zero(m.tape, m.cell, batch);
}

/* Schedules */

START_TEST(shares_of_the_truth)
{
    const reel_teacher linear = {REEL_DECAY_LINEAR, 0.9, 0.1, 0.25},
                       exponential = {REEL_DECAY_EXPONENTIAL, 0.5, 0, 0},
                       sigmoid = {REEL_DECAY_INVERSE_SIGMOID, 10, 0, 0},
                       always = {REEL_DECAY_NONE, 0.3, 0, 0};
    ck_assert_double_eq_tol(reel_truth_share(&linear, 0), 0.9, 1e-15);
    ck_assert_double_eq_tol(reel_truth_share(&linear, 3), 0.6, 1e-15);
    ck_assert_double_eq_tol(reel_truth_share(&linear, 100), 0.25, 1e-15);
    ck_assert_double_eq_tol(reel_truth_share(&exponential, 3), 0.125, 1e-15);
    ck_assert_double_eq_tol(reel_truth_share(&always, 7), 0.3, 1e-15);
    for (int64_t i = 0; i < 60; i += 7) {
        double k = 10;
        ck_assert_double_eq_tol(reel_truth_share(&sigmoid, i), k / (k + exp((double)i / k)), 1e-14);
    }
    ck_assert_double_eq(reel_truth_share(&sigmoid, 1000000), 0);
    const reel_mixer mixer = {.first = 25, .each = 5, .by = 3};
    static const int64_t wanted[][2] = {{0, 10}, {24, 10}, {25, 7}, {29, 7},
                                        {30, 4}, {35, 1},  {40, 0}, {1000, 0}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        ck_assert_int_eq(reel_mixer_forced(&mixer, wanted[i][0], 10), wanted[i][1]);
    }
}
END_TEST

/* Roll-outs */

enum { MANY = 400, LONG = 6 };

/* What a roll-out's steps say, computed again from its words. */
static void expect_steps(reel_node *const *out, const int32_t (*word)[MANY], int steps)
{
    double have[MANY * V], want[MANY * V];
    reel_state s = start(MANY);
    for (int t = 0; t < steps; t++) {
        reel_node *last = reel_input(m.tape, REEL_I32, word[t], reel_dims(MANY));
        ck_assert_int_eq(reel_read(step(&m, t, last, NULL, &s), want, MANY * V), REEL_OK);
        ck_assert_int_eq(reel_read(out[t], have, MANY * V), REEL_OK);
        for (int i = 0; i < MANY * V; i++) {
            ck_assert_double_eq_tol(have[i], want[i], 1e-12);
        }
    }
}

/* ε = 1 is teacher forcing; with less, each word after the forced ones is the truth's or the own
 * one, in the right share. */
START_TEST(words_are_the_truths_or_own)
{
    static const double shares[] = {1, 0.7, 0, 0.4};
    static const int64_t forced[] = {0, 0, 0, 2};
    static int32_t truth[LONG][MANY], said[LONG][MANY], used[LONG][MANY];
    for (int t = 0; t < LONG; t++) {
        for (int b = 0; b < MANY; b++) {
            truth[t][b] = 1; /* what is not the truth's is told by being another */
        }
    }
    reel_random random = reel_random_new(3, 1);
    reel_node *out[LONG];
    reel_state s = start(MANY);
    int64_t steps;
    ck_assert_msg(reel_roll_out(.tape = m.tape, .step = step, .context = &m, .state = &s,
                                .batch = MANY, .N = LONG, .truth = truth[0], .share = shares[_i],
                                .forced = forced[_i], .random = &random, .own = REEL_OWN_UNIFORM,
                                .out = out, .next = said[0], .steps = &steps) == REEL_OK,
                  "%s", reel_tape_message(m.tape));
    ck_assert_int_eq(steps, LONG);
    /* the words that were used: by what the steps say of them */
    memcpy(used[0], truth[0], sizeof used[0]);
    reel_state again = start(MANY);
    int given = 0, own = 0;
    for (int t = 0; t + 1 < LONG; t++) {
        reel_node *last = reel_input(m.tape, REEL_I32, used[t], reel_dims(MANY));
        step(&m, t, last, NULL, &again);
        double have[MANY * V], by_truth[MANY * V], by_own[MANY * V];
        reel_state a = again, b = again;
        reel_node *one = reel_input(m.tape, REEL_I32, truth[t + 1], reel_dims(MANY));
        reel_node *other = reel_input(m.tape, REEL_I32, said[t], reel_dims(MANY));
        ck_assert_int_eq(reel_read(step(&m, t + 1, one, NULL, &a), by_truth, MANY * V), REEL_OK);
        ck_assert_int_eq(reel_read(step(&m, t + 1, other, NULL, &b), by_own, MANY * V), REEL_OK);
        ck_assert_int_eq(reel_read(out[t + 1], have, MANY * V), REEL_OK);
        for (int k = 0; k < MANY; k++) {
            bool is_truth = fabs(have[k * V] - by_truth[k * V]) < 1e-12;
            ck_assert(is_truth || fabs(have[k * V] - by_own[k * V]) < 1e-12);
            used[t + 1][k] = is_truth ? truth[t + 1][k] : said[t][k];
            if (said[t][k] != truth[t + 1][k] && t + 1 > forced[_i]) {
                given += is_truth;
                own += !is_truth;
            }
            ck_assert(is_truth || t + 1 > forced[_i]);
        }
    }
    double n = given + own, p = shares[_i];
    ck_assert_double_le(fabs(given - n * p), 5 * sqrt(n * p * (1 - p)));
    expect_steps(out, (const int32_t(*)[MANY])used, LONG);
}
END_TEST

/* Own words have the model's probabilities, or are its likeliest. */
START_TEST(own_words_are_the_models)
{
    static int32_t said[N][MANY];
    reel_node *out[N];
    reel_random random = reel_random_new(7, 2);
    reel_state s = start(MANY);
    ck_assert_int_eq(reel_roll_out(.tape = m.tape, .step = step, .context = &m, .state = &s,
                                   .batch = MANY, .N = N, .begin = BEGIN, .random = &random,
                                   .out = out, .next = said[0]),
                     REEL_OK);
    double p[MANY * V], times[V] = {0};
    ck_assert_int_eq(reel_read(out[0], p, MANY * V), REEL_OK);
    for (int b = 0; b < MANY; b++) {
        times[said[0][b]]++;
    }
    for (int v = 0; v < V; v++) {
        double share = exp(p[v]);
        ck_assert_double_le(fabs(times[v] - MANY * share), 5 * sqrt(MANY * share * (1 - share)));
    }
    s = start(MANY);
    ck_assert_int_eq(reel_roll_out(.tape = m.tape, .step = step, .context = &m, .state = &s,
                                   .batch = MANY, .N = N, .begin = BEGIN, .own = REEL_OWN_LIKELIEST,
                                   .out = out, .next = said[0]),
                     REEL_OK);
    for (int t = 0; t < N; t++) {
        ck_assert_int_eq(reel_read(out[t], p, MANY * V), REEL_OK);
        for (int b = 0; b < MANY; b++) {
            for (int v = 0; v < V; v++) {
                ck_assert(p[b * V + said[t][b]] >= p[b * V + v]);
            }
        }
    }
}
END_TEST

START_TEST(sequences_end)
{
    enum { MOST = 40 };
    static int32_t said[MOST][MANY];
    static reel_node *out[MOST];
    static int64_t length[MANY];
    int64_t steps;
    reel_random random = reel_random_new(11, 1);
    ck_assert_int_eq(reel_roll_out(.tape = m.tape, .step = step, .context = &m,
                                   .state = &(reel_state){.n = 1, .v = {start(MANY).v[0]}},
                                   .batch = MANY, .N = 8, .begin = BEGIN, .random = &random,
                                   .own = REEL_OWN_UNIFORM, .ends = true, .end = END, .out = out,
                                   .next = said[0], .length = length, .steps = &steps),
                     REEL_OK);
    ck_assert_int_eq(steps, 8);
    int ended = 0;
    for (int b = 0; b < MANY; b++) {
        for (int64_t t = 0; t < steps; t++) {
            bool inside = t < length[b];
            ck_assert(inside || said[t][b] == END);
            ck_assert(!inside || t + 1 == length[b] || said[t][b] != END);
        }
        ended += said[length[b] - 1][b] == END;
    }
    double p = 1 - pow(2.0 / 3, 8);
    ck_assert_double_le(fabs(ended - MANY * p), 5 * sqrt(MANY * p * (1 - p)));
    /* when the likeliest word ends all of them, there is one step */
    reel_state s = start(BATCH);
    int32_t likeliest[2][BATCH];
    ck_assert_int_eq(reel_roll_out(.tape = m.tape, .step = step, .context = &m, .state = &s,
                                   .batch = BATCH, .N = 1, .begin = BEGIN,
                                   .own = REEL_OWN_LIKELIEST, .out = out, .next = likeliest[0]),
                     REEL_OK);
    s = start(BATCH);
    ck_assert_int_eq(reel_roll_out(.tape = m.tape, .step = step, .context = &m, .state = &s,
                                   .batch = BATCH, .N = 8, .begin = BEGIN,
                                   .own = REEL_OWN_LIKELIEST, .ends = true, .end = likeliest[0][0],
                                   .out = out, .steps = &steps),
                     REEL_OK);
    ck_assert_int_eq(steps, 1);
}
END_TEST

/* Rewards: that of a sequence, and what is still to come after its first t words, which is all of
 * it here. */

static double reward(const int32_t *w, int64_t stride)
{
    return sin(2.0 * w[0] + 1) + 0.7 * w[stride] * w[2 * stride] - 0.4 * w[2 * stride] + 1;
}

enum { WEIGHTS = 5, MOST_NUMBERS = 128 };

static size_t weights(reel_node **to)
{
    size_t n = reel_params_count(m.ps);
    for (size_t i = 0; i < n; i++) {
        to[i] = reel_use(m.tape, reel_params_at(m.ps, i));
    }
    return n;
}

static size_t read_all(size_t n, reel_node *const *d, double *v)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t size = (size_t)reel_node_size(d[i]);
        ck_assert_uint_le(at + size, MOST_NUMBERS);
        ck_assert_int_eq(reel_read(d[i], v + at, size), REEL_OK);
        at += size;
    }
    return at;
}

/* The derivative of minus the expected reward, over all V^N sequences. */
static size_t exact_gradient(double *v)
{
    enum { ALL = V * V * V };
    int32_t word[N + 1][ALL];
    double gain[ALL];
    for (int b = 0; b < ALL; b++) {
        word[0][b] = BEGIN;
        word[1][b] = b % V;
        word[2][b] = b / V % V;
        word[3][b] = b / V / V;
        gain[b] = reward(&word[1][b], ALL);
    }
    reel_state s = start(ALL);
    reel_node *logp = NULL, *to[WEIGHTS], *d[WEIGHTS];
    for (int t = 0; t < N; t++) {
        reel_node *last = reel_input(m.tape, REEL_I32, word[t], reel_dims(ALL));
        reel_node *next = reel_input(m.tape, REEL_I32, word[t + 1], reel_dims(ALL));
        reel_node *own = reel_pick(step(&m, t, last, NULL, &s), next);
        logp = logp ? reel_add(logp, own) : own;
    }
    reel_node *r = reel_input(m.tape, REEL_F64, gain, reel_dims(ALL));
    size_t n = weights(to);
    ck_assert_int_eq(reel_grad(reel_neg(reel_sum(reel_mul(reel_exp(logp), r))), n, to, d), REEL_OK);
    return read_all(n, d, v);
}

/* How the baseline of each word is found. */
enum { NO_BASELINE, CONSTANT, LEARNED, BASELINES };

static size_t estimate(int baseline, int64_t batch, reel_random *random, double *v)
{
    static int32_t said[N * MANY];
    static double advantage[N * MANY], gain[N * MANY], value[N * MANY];
    reel_node *out[N], *to[WEIGHTS + 2], *d[WEIGHTS + 2];
    reel_state s = start(batch);
    ck_assert_int_eq(reel_roll_out(.tape = m.tape, .step = step, .context = &m, .state = &s,
                                   .batch = batch, .N = N, .begin = BEGIN, .random = random,
                                   .out = out, .next = said),
                     REEL_OK);
    for (int64_t i = 0; i < N * batch; i++) {
        int64_t b = i % batch;
        gain[i] = reward(said + b, batch);
        advantage[i] = gain[i] - (baseline == CONSTANT ? 1.5 : 0);
    }
    if (baseline == LEARNED) {
        double loss;
        reel_node *l = reel_baseline(m.ps, "net", N, m.h, gain, NULL, value);
        ck_assert_int_eq(reel_scalar(l, &loss), REEL_OK);
        ck_assert_double_gt(loss, 0);
        for (int64_t i = 0; i < N * batch; i++) {
            advantage[i] -= value[i];
        }
    }
    reel_node *loss = reel_policy_loss(N, out, said, advantage);
    size_t n = weights(to), kept = 0;
    for (size_t i = 0; i < n; i++) { /* not the baseline's own */
        const char *name = reel_param_name(reel_params_at(m.ps, i));
        if (strcmp(name, "net.weight") != 0 && strcmp(name, "net.bias") != 0) {
            to[kept++] = to[i];
        }
    }
    ck_assert_msg(reel_grad(loss, kept, to, d) == REEL_OK, "%s", reel_tape_message(m.tape));
    return read_all(kept, d, v);
}

START_TEST(policy_gradient_is_that_of_the_expected_reward)
{
    const int rounds = getenv("REEL_TEST_SLOW") ? 20 : 200;
    static double exact[MOST_NUMBERS], v[MOST_NUMBERS], sum[MOST_NUMBERS], square[MOST_NUMBERS];
    double spread[BASELINES];
    size_t n = exact_gradient(exact);
    for (int baseline = 0; baseline < BASELINES; baseline++) {
        reel_random random = reel_random_new(13, (uint64_t)baseline);
        memset(sum, 0, sizeof sum);
        memset(square, 0, sizeof square);
        for (int k = 0; k < rounds; k++) {
            reel_tape_reset(m.tape);
            ck_assert_uint_eq(estimate(baseline, MANY, &random, v), n);
            for (size_t i = 0; i < n; i++) {
                sum[i] += v[i];
                square[i] += v[i] * v[i];
            }
        }
        spread[baseline] = 0;
        for (size_t i = 0; i < n; i++) {
            double mean = sum[i] / rounds, variance = square[i] / rounds - mean * mean;
            spread[baseline] += variance;
            ck_assert_double_le(fabs(mean - exact[i]), 5 * sqrt(variance / (rounds - 1)) + 1e-12);
        }
    }
    printf(
        "variance of the policy gradient: %.3g, with a constant baseline %.3g, with a linear one "
        "that has not learned %.3g\n",
        spread[NO_BASELINE], spread[CONSTANT], spread[LEARNED]);
    ck_assert_double_lt(spread[CONSTANT], spread[NO_BASELINE]);
}
END_TEST

/* A baseline learns the mean reward of each state, moves no other weight, and leaves out what has
 * weight 0. */
START_TEST(baselines_learn_alone)
{
    double h[2 * BATCH * H], gain[2 * BATCH], weight[2 * BATCH], value[2 * BATCH];
    for (int i = 0; i < 2 * BATCH * H; i++) {
        h[i] = sin(1.7 * i);
    }
    for (int i = 0; i < 2 * BATCH; i++) {
        weight[i] = i != 4;
        gain[i] = i != 4 ? 0.5 + 2 * h[i * H + 1] : 1e9;
    }
    reel_opt *opt = reel_sgd(m.ps, .rate = 0.2);
    double loss = 1;
    for (int k = 0; k < 2000; k++) {
        reel_tape_reset(m.tape);
        reel_node *x[2];
        for (int t = 0; t < 2; t++) {
            x[t] = reel_input(m.tape, REEL_F64, h + t * BATCH * H, reel_dims(BATCH, H));
        }
        reel_node *l = reel_baseline(m.ps, "value", 2, x, gain, weight, value);
        ck_assert_msg(reel_opt_step(opt, l, &loss) == REEL_OK, "%s", reel_tape_message(m.tape));
    }
    ck_assert_double_lt(loss, 1e-6);
    ck_assert_double_eq_tol(value[BATCH + 2], gain[BATCH + 2], 1e-2);
    reel_tape_reset(m.tape);
    reel_state s = start(BATCH);
    reel_node *begin = reel_input(m.tape, REEL_I32, (int32_t[BATCH]){0}, reel_dims(BATCH));
    step(&m, 0, begin, NULL, &s);
    reel_node *l = reel_baseline(m.ps, "value", 1, m.h, gain, NULL, value), *dh;
    ck_assert_int_eq(reel_grad(l, 1, m.h, &dh), REEL_OK);
    double d[BATCH * H];
    ck_assert_int_eq(reel_read(dh, d, BATCH * H), REEL_OK);
    for (int i = 0; i < BATCH * H; i++) {
        ck_assert_double_eq(d[i], 0);
    }
    reel_opt_free(opt);
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

static void expect(const char *part)
{
    ck_assert_msg(strstr(reel_tape_message(m.tape), part) != NULL, "'%s' does not say '%s'",
                  reel_tape_message(m.tape), part);
    reel_tape_reset(m.tape);
}

START_TEST(bad_input)
{
    reel_node *out[N];
    int32_t said[N][BATCH];
    ck_assert_int_eq(reel_roll_out(.tape = m.tape, .step = flat, .batch = BATCH, .N = N,
                                   .share = 0.5, .out = out, .next = said[0]),
                     REEL_ERR_ARGUMENT);
    expect("roll_out: batch 5, 3 steps, share 0.5, no generator: expected a step function");
    ck_assert_int_eq(reel_roll_out(.tape = m.tape, .step = flat, .batch = BATCH, .N = N,
                                   .own = REEL_OWN_LIKELIEST, .out = out, .next = said[0]),
                     REEL_ERR_SHAPE);
    expect("roll_out: step 0 gives 1 axes: expected [5, vocabulary]");
    reel_policy_loss(0, out, said[0], NULL);
    out[0] = reel_constant(m.tape, 0, reel_dims(BATCH, V));
    reel_policy_loss(1, out, said[0], NULL);
    expect("policy_loss: 1 steps: expected 1 or more, their words and advantages");
    out[0] = reel_constant(m.tape, 0, reel_dims(BATCH, V));
    reel_baseline(m.ps, "value", 1, out, NULL, NULL, NULL);
    expect("baseline: 1 steps: expected 1 or more, rewards and room");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("teach");
    TCase *c = tcase_create("teach");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, shares_of_the_truth);
    tcase_add_loop_test(c, words_are_the_truths_or_own, 0, 4);
    tcase_add_test(c, own_words_are_the_models);
    tcase_add_test(c, sequences_end);
    tcase_add_test(c, policy_gradient_is_that_of_the_expected_reward);
    tcase_add_test(c, baselines_learn_alone);
    tcase_add_test(c, bad_input);
    suite_add_tcase(s, c);
    return suite_run(s);
}
