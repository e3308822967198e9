/* Attention: golden vectors of every score, padding, derivatives to second order, bad input. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "suite.h"

enum { MOST_T = 8, MOST_READS = 4, MOST_BATCH = 4, MOST_WEIGHTS = 12 };

typedef struct fixture {
    reel_params *ps;
    reel_tape *tape;
} fixture;

static fixture f;

static void setup(void)
{
    f.ps = reel_params_new(REEL_F64, 3);
    f.tape = reel_tape_new(1, .dtype = REEL_F64);
    ck_assert(f.ps && f.tape);
}

static void teardown(void)
{
    reel_tape_free(f.tape);
    reel_params_free(f.ps);
}

static const struct {
    const char *name;
    reel_score score;
    bool coverage;
} kinds[] = {{"additive", REEL_ADDITIVE, false},
             {"coverage", REEL_ADDITIVE, true},
             {"concatenated", REEL_CONCATENATED, false},
             {"general", REEL_GENERAL, false},
             {"dot", REEL_DOT, false},
             {"scaled_dot", REEL_SCALED_DOT, false},
             {"multi_head", REEL_MULTI_HEAD, false}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Golden vectors */

static void offer_weights(const reel_archive *a, const char *name)
{
    static const char *const others[] = {"h", "s", "c", "a", "R", "Ra", "loss", "lengths"};
    size_t length = strlen(name);
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const reel_archive_tensor *t = reel_archive_at(a, i);
        const char *what = t->name + length + 1;
        bool weight = strncmp(t->name, name, length) == 0 && t->name[length] == '/' &&
                      strncmp(what, "grad.", 5) != 0;
        for (size_t k = 0; weight && k < sizeof others / sizeof *others; k++) {
            weight = strcmp(what, others[k]) != 0;
        }
        if (weight) {
            char key[96];
            snprintf(key, sizeof key, "att.%s", what);
            ck_assert_int_eq(reel_params_offer(f.ps, key, t->dtype, t->data, t->shape), REEL_OK);
        }
    }
}

START_TEST(golden_vectors)
{
    char name[96] = "";
    reel_archive *a = golden_open("attention.safetensors");
    for (size_t i = 0; i < reel_archive_count(a) && !*name; i++) {
        const char *key = reel_archive_at(a, i)->name, *dot = strchr(key, '.');
        size_t n = strlen(kinds[_i].name);
        if (dot && (size_t)(dot - key) == n && strncmp(key, kinds[_i].name, n) == 0) {
            snprintf(name, sizeof name, "%.*s", (int)(strchr(key, '/') - key), key);
        }
    }
    ck_assert_msg(*name, "there is no case of %s", kinds[_i].name);
    long long v[6];
    ck_assert_int_eq(sscanf(strchr(name, '.'), ".%lld.%lld.%lld.%lld.%lld.%lld", v, v + 1, v + 2,
                            v + 3, v + 4, v + 5),
                     6);
    bool heads = kinds[_i].score == REEL_MULTI_HEAD;
    const reel_attention att = {.params = f.ps,
                                .name = "att",
                                .score = kinds[_i].score,
                                .query = v[0],
                                .size = heads ? 0 : v[2],
                                .heads = heads ? (int)v[2] : 0,
                                .coverage = kinds[_i].coverage};
    const int64_t batch = v[3], T = v[4];
    const int reads = (int)v[5];
    offer_weights(a, name);
    int64_t length[MOST_BATCH];
    for (int64_t b = 0; b < batch; b++) {
        length[b] = ((const int32_t *)golden_tensor(a, name, "lengths")->data)[b];
    }
    reel_node *h = golden_leaf(f.tape, a, name, "h"), *s = golden_leaf(f.tape, a, name, "s"),
              *hs[MOST_T], *ss[MOST_READS];
    reel_node *c[MOST_READS], *w[MOST_READS], *penalty[MOST_READS];
    reel_unstack(h, (int)T, hs);
    reel_unstack(s, reads, ss);
    reel_memory m = reel_memory_of(&att, T, hs, length);
    for (int r = 0; r < reads; r++) {
        reel_node *before = m.coverage;
        c[r] = reel_attend(&att, &m, ss[r], &w[r]);
        penalty[r] = before ? reel_coverage_loss(w[r], before) : reel_number(f.tape, 0);
    }
    ck_assert_msg(reel_tape_status(f.tape) == REEL_OK, "%s", reel_tape_message(f.tape));
    ck_assert_ptr_null(reel_params_unclaimed(f.ps, 0));
    reel_node *cs = reel_stack(reads, c), *ws = reel_stack(reads, w);
    reel_node *loss = reel_sum(reel_mul(cs, golden_leaf(f.tape, a, name, "R")));
    loss = reel_add(loss, reel_sum(reel_mul(ws, golden_leaf(f.tape, a, name, "Ra"))));
    loss = reel_add(loss, reel_sum_of(reads, penalty));
    golden_compare(a, name, "c", cs);
    golden_compare(a, name, "a", ws);
    golden_compare(a, name, "loss", loss);
    reel_node *to[MOST_WEIGHTS] = {h, s}, *d[MOST_WEIGHTS];
    char what[MOST_WEIGHTS][64] = {"grad.h", "grad.s"};
    size_t n = 2;
    for (size_t i = 0; i < reel_params_count(f.ps); i++) {
        reel_param *p = reel_params_at(f.ps, i);
        ck_assert(reel_param_loaded(p));
        snprintf(what[n], sizeof what[n], "grad.%s", reel_param_name(p) + strlen("att."));
        to[n++] = reel_use(f.tape, p);
    }
    ck_assert_int_eq(reel_grad(loss, n, to, d), REEL_OK);
    for (size_t i = 0; i < n; i++) {
        golden_compare(a, name, what[i], d[i]);
    }
    reel_archive_free(a);
}
END_TEST

/* A batch with padding, NaN in it, gives what its sequences give one by one. */

enum { N = 6, HEADS = 2 };

static double number(int64_t t, int64_t b, int64_t i)
{
    return sin(1.7 * (double)t + 2.3 * (double)b + 0.9 * (double)i + 0.3);
}

static reel_node *rows(int64_t t, int64_t first, int64_t batch, const int64_t *length)
{
    double v[MOST_BATCH * N];
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t i = 0; i < N; i++) {
            v[b * N + i] = length && t >= length[b] ? NAN : number(t, first + b, i);
        }
    }
    return reel_input(f.tape, REEL_F64, v, reel_dims(batch, N));
}

static void read_all(const reel_attention *att, int64_t first, int64_t batch, int64_t T,
                     const int64_t *length, double *context, double *weights)
{
    reel_node *h[MOST_T], *w;
    for (int64_t t = 0; t < T; t++) {
        h[t] = rows(t, first, batch, length);
    }
    reel_memory m = reel_memory_of(att, T, h, length);
    reel_attend(att, &m, rows(50, first, batch, NULL), NULL);
    reel_node *c = reel_attend(att, &m, rows(51, first, batch, NULL), &w);
    ck_assert_msg(reel_read(c, context, (size_t)(batch * N)) == REEL_OK, "%s",
                  reel_tape_message(f.tape));
    ck_assert_int_eq(reel_read(w, weights, (size_t)reel_node_size(w)), REEL_OK);
}

START_TEST(padding_does_not_matter)
{
    enum { B = 3, T = 5 };
    const int64_t length[B] = {5, 1, 3};
    const reel_attention att = {.params = f.ps,
                                .name = "att",
                                .score = kinds[_i].score,
                                .heads = HEADS,
                                .coverage = kinds[_i].coverage};
    double c[B * N], w[B * HEADS * T], alone[N], some[HEADS * T];
    const int64_t heads = att.score == REEL_MULTI_HEAD ? HEADS : 1;
    read_all(&att, 0, B, T, length, c, w);
    for (int64_t b = 0; b < B; b++) {
        read_all(&att, b, 1, length[b], NULL, alone, some);
        for (int64_t i = 0; i < N; i++) {
            ck_assert_double_eq_tol(c[b * N + i], alone[i], 1e-12);
        }
        for (int64_t k = 0; k < heads; k++) {
            double sum = 0;
            for (int64_t t = 0; t < T; t++) {
                double have = w[(b * heads + k) * T + t];
                sum += have;
                if (t < length[b]) {
                    ck_assert_double_eq_tol(have, some[k * length[b] + t], 1e-12);
                } else {
                    ck_assert_double_eq(have, 0);
                }
            }
            ck_assert_double_eq_tol(sum, 1, 1e-14);
        }
    }
}
END_TEST

/* Derivatives to second order, with a cell that attends to its own inputs */

static reel_node *attending(reel_cell *c, reel_node *x, reel_state *s)
{
    const reel_attention *att = reel_cell_context(c);
    reel_node *h[3] = {x, s->v[0], reel_tanh(reel_add(x, s->v[0]))}, *w;
    reel_memory m = reel_memory_of(att, 3, h, (const int64_t[]){3, 2});
    reel_attend(att, &m, reel_sin(x), NULL);
    reel_node *read = reel_attend(att, &m, reel_add(s->v[0], x), &w);
    reel_node *spread = reel_sum(reel_square(w));
    return s->v[0] = reel_add(reel_tanh(read), reel_mul(spread, x));
}

START_TEST(second_order)
{
    reel_attention att = {.params = f.ps,
                          .name = "att",
                          .score = kinds[_i].score,
                          .heads = HEADS,
                          .coverage = kinds[_i].coverage};
    reel_cell *cell = reel_cell_new(f.ps, "net", attending, .in = 4, .hidden = 4, .context = &att);
    reel_check_report report;
    ck_assert_msg(reel_check_cell(&report, cell, .steps = 2, .batch = 2, .order = 2), "%s",
                  report.message);
    ck_assert_int_gt(report.compared, 10);
    reel_cell_free(cell);
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
    reel_attention att = {.params = f.ps, .name = "att", .score = REEL_DOT};
    reel_node *h[2] = {rows(0, 0, 2, NULL), rows(1, 0, 2, NULL)};
    reel_memory_of(&att, 2, h, (const int64_t[]){2, 0});
    expect("attention: sequence 1 has length 0: expected 1 to 2");
    h[0] = rows(0, 0, 2, NULL);
    reel_memory_of(&att, 0, h, NULL);
    expect("attention: 0 nodes to attend to: expected 1 or more");
    h[0] = rows(0, 0, 2, NULL);
    att.score = REEL_MULTI_HEAD;
    att.heads = 4;
    reel_memory_of(&att, 1, h, NULL);
    expect("attention 'att': rank 2, 6 features, 4 heads: expected [batch, features]");
    h[0] = rows(0, 0, 2, NULL);
    att = (reel_attention){.params = f.ps, .name = "att", .score = (reel_score)9};
    reel_memory_of(&att, 1, h, NULL);
    expect("attention 'att': no score has number 9");
    h[0] = rows(0, 0, 2, NULL);
    att = (reel_attention){.params = f.ps, .name = "att", .score = REEL_DOT, .coverage = true};
    reel_memory_of(&att, 1, h, NULL);
    expect("coverage is for additive scores alone");
    h[0] = rows(0, 0, 2, NULL);
    att = (reel_attention){.params = f.ps, .name = NULL, .score = REEL_ADDITIVE};
    reel_memory_of(&att, 1, h, NULL);
    expect("attention: expected a params set and a name");
    h[0] = rows(0, 0, 2, NULL);
    att.name = "att";
    reel_memory m = reel_memory_of(&att, 1, h, NULL);
    reel_attend(&att, &m, reel_sum(h[0]), NULL);
    expect("attention: a query of rank 0: expected [batch, features]");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("attention");
    TCase *c = tcase_create("attention");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, golden_vectors, 0, KINDS);
    tcase_add_loop_test(c, padding_does_not_matter, 0, KINDS);
    tcase_add_loop_test(c, second_order, 0, KINDS);
    tcase_add_test(c, bad_input);
    suite_add_tcase(s, c);
    return suite_run(s);
}
