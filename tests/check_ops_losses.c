/* Losses and normalisations against PyTorch's (tests/golden), random masks, and ops that change the
 * gradient alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "suite.h"
#include "values.h"

#include <reel/attention.h>
#include <reel/cell.h>
#include <reel/check.h>
#include <reel/file.h>

/* Golden vectors */

static reel_archive *golden;

static void open_golden(const char *file)
{
    char path[1024];
    const char *srcdir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/golden/%s", srcdir ? srcdir : ".", file);
    golden = reel_archive_new();
    ck_assert_ptr_nonnull(golden);
    ck_assert_msg(reel_archive_read(golden, path) == REEL_OK, "%s", reel_archive_message(golden));
    open_tape();
}

static void open_losses(void)
{
    open_golden("losses.safetensors");
}

static void open_activations(void)
{
    open_golden("activations.safetensors");
}

static void close_golden(void)
{
    close_tape();
    reel_archive_free(golden);
}

static const reel_archive_tensor *find(const char *set, const char *name)
{
    char key[128];
    snprintf(key, sizeof key, "%s/%s", set, name);
    return reel_archive_find(golden, key);
}

/* The tensor as a leaf; NULL when the case has none. */
static reel_node *leaf(const char *set, const char *name)
{
    const reel_archive_tensor *t = find(set, name);
    return t ? reel_input(tape, t->dtype, t->data, t->shape) : NULL;
}

static double number(const char *set, const char *name, double otherwise)
{
    const reel_archive_tensor *t = find(set, name);
    if (!t) {
        return otherwise;
    }
    return t->dtype == REEL_I32 ? *(const int32_t *)t->data : *(const double *)t->data;
}

static void agree(const char *set, const char *name, reel_node *x)
{
    const reel_archive_tensor *t = find(set, name);
    ck_assert_msg(t != NULL, "%s has no %s", set, name);
    ck_assert_msg(reel_shape_equal(t->shape, reel_node_shape(x)), "%s/%s: shape, or %s", set, name,
                  reel_tape_message(tape));
    const double *got = reel_data(x);
    ck_assert_msg(got != NULL, "%s: %s", set, reel_tape_message(tape));
    const double *want = t->data;
    for (int64_t i = 0; i < reel_shape_size(t->shape); i++) {
        ck_assert_msg(fabs(got[i] - want[i]) <= 1e-10 * fmax(1, fabs(want[i])),
                      "%s/%s[%d] is %.17g, expected %.17g", set, name, (int)i, got[i], want[i]);
    }
}

static void agree_loss(const char *set, reel_node *loss, const char *name, reel_node *x)
{
    char key[64];
    reel_node *dx = NULL;
    agree(set, "value", loss);
    ck_assert_msg(reel_grad(loss, 1, &x, &dx) == REEL_OK, "%s", reel_tape_message(tape));
    snprintf(key, sizeof key, "grad.%s", name);
    agree(set, key, dx);
}

static const char *const reduced[] = {"mean", "sum"};

START_TEST(cross_entropies)
{
    static const char *const option[] = {"plain",   "ignore",         "smooth",
                                         "weights", "smooth-weights", "all"};
    for (int k = 0; k < 12; k++) {
        char set[64];
        snprintf(set, sizeof set, "cross_entropy.%s.%s", option[k / 2], reduced[k % 2]);
        reel_node *x = leaf(set, "x");
        reel_node *target = leaf(set, "target");
        reel_node *loss = reel_cross_entropy_full(
            x, target, leaf(set, "weights"), (int64_t)number(set, "ignore", -1),
            number(set, "smoothing", 0), k % 2 ? REEL_SUM : REEL_MEAN);
        agree_loss(set, loss, "x", x);
        if (k == 0) {
            agree_loss(set, reel_cross_entropy(x, target), "x", x);
        }
    }
}
END_TEST

START_TEST(losses_of_two_tensors)
{
    for (int k = 0; k < 8; k++) {
        static const char *const name[] = {"bce_logits", "mse", "huber.1", "huber.0.5"};
        int reduction = k % 2 ? REEL_SUM : REEL_MEAN;
        char set[64];
        snprintf(set, sizeof set, "%s.%s", name[k / 2], reduced[k % 2]);
        reel_node *x = leaf(set, "x");
        reel_node *target = leaf(set, "target");
        reel_node *loss = k / 2 == 0   ? reel_bce_logits(x, target, reduction)
                          : k / 2 == 1 ? reel_squared_error(x, target, reduction)
                                       : reel_huber(x, target, k / 2 == 2 ? 1 : 0.5, reduction);
        agree_loss(set, loss, "x", x);
    }
}
END_TEST

START_TEST(hinges)
{
    for (int k = 0; k < 8; k++) {
        int reduction = k % 2 ? REEL_SUM : REEL_MEAN;
        char set[64];
        snprintf(set, sizeof set, "multi_hinge.p%d.m%s.%s", 1 + k / 4, k / 2 % 2 ? "0.7" : "1",
                 reduced[k % 2]);
        reel_node *x = leaf(set, "x");
        agree_loss(set,
                   reel_multi_hinge(x, leaf(set, "target"), number(set, "margin", 0), k / 4 == 1,
                                    reduction),
                   "x", x);
    }
    for (int k = 0; k < 4; k++) {
        char set[64];
        snprintf(set, sizeof set, "rank_hinge.m%s.%s", k / 2 ? "0.3" : "1", reduced[k % 2]);
        reel_node *positive = leaf(set, "positive");
        reel_node *negative = leaf(set, "negative");
        reel_node *loss = reel_ranking_hinge(positive, negative, number(set, "margin", 0),
                                             k % 2 ? REEL_SUM : REEL_MEAN);
        agree_loss(set, loss, "positive", positive);
        agree_loss(set, loss, "negative", negative);
    }
}
END_TEST

static void agree_function(const char *set, reel_node *y, reel_node *x)
{
    reel_node *dy = leaf(set, "dy");
    reel_node *dx = NULL;
    agree(set, "y", y);
    ck_assert_msg(reel_vjp(1, &y, &dy, 1, &x, &dx) == REEL_OK, "%s", reel_tape_message(tape));
    agree(set, "dx", dx);
}

START_TEST(functions_along_an_axis)
{
    for (int axis = 0; axis < 2; axis++) {
        static reel_node *(*const function[])(reel_node *, int) = {reel_softmax, reel_log_softmax,
                                                                   reel_cumsum};
        static const char *const name[] = {"softmax", "log_softmax", "cumsum"};
        char set[64];
        for (int k = 0; k < 3; k++) {
            snprintf(set, sizeof set, "%s.%s", name[k], axis ? "last" : "first");
            reel_node *x = leaf(set, "x");
            agree_function(set, function[k](x, axis), x);
        }
        snprintf(set, sizeof set, "logsumexp.%s", axis ? "last" : "first");
        reel_node *x = leaf(set, "x");
        agree_function(set, reel_logsumexp_axis(x, axis, false), x);
    }
}
END_TEST

START_TEST(normalised_layers)
{
    reel_node *x = leaf("layer_norm", "x");
    agree_function("layer_norm", reel_layer_norm(x, NULL, NULL, 1e-5), x);
    const char *set = "layer_norm.affine";
    reel_node *in[3] = {leaf(set, "x"), leaf(set, "gain"), leaf(set, "bias")};
    reel_node *y = reel_layer_norm(in[0], in[1], in[2], 1e-5);
    reel_node *dy = leaf(set, "dy");
    reel_node *d[3];
    agree(set, "y", y);
    ck_assert_int_eq(reel_vjp(1, &y, &dy, 3, in, d), REEL_OK);
    agree(set, "dx", d[0]);
    agree(set, "dgain", d[1]);
    agree(set, "dbias", d[2]);
}
END_TEST

static reel_node *activation(int k, reel_node *x)
{
    switch (k) {
    case 12:
        return reel_leaky_relu(x, 0.01);
    case 13:
        return reel_elu(x, 1);
    case 17:
        return reel_celu(x, 1.5);
    default:
        break;
    }
    static reel_node *(*const function[])(reel_node *) = {reel_erf,
                                                          reel_expm1,
                                                          reel_gelu,
                                                          reel_gelu_tanh,
                                                          reel_hard_sigmoid,
                                                          reel_hard_tanh,
                                                          reel_mish,
                                                          reel_log_sigmoid,
                                                          reel_relu,
                                                          reel_selu,
                                                          reel_sigmoid,
                                                          reel_silu,
                                                          NULL,
                                                          NULL,
                                                          reel_softplus,
                                                          reel_softsign,
                                                          reel_tanh};
    return function[k](x);
}

START_TEST(activations)
{
    static const char *const name[] = {
        "erf",        "expm1",       "gelu",     "gelu_tanh", "hard_sigmoid", "hard_tanh",
        "mish",       "log_sigmoid", "relu",     "selu",      "sigmoid",      "silu",
        "leaky_relu", "elu",         "softplus", "softsign",  "tanh",         "celu"};
    reel_node *x = leaf(name[_i], "x");
    if (strcmp(name[_i], "hard_sigmoid") == 0) {
        /* PyTorch's derivative of it takes 1/6 from f32. */
        agree(name[_i], "y", activation(_i, x));
    } else {
        agree_function(name[_i], activation(_i, x), x);
    }
}
END_TEST

/* Cross-entropy by hand */

START_TEST(cross_entropy_by_position)
{
    reel_node *x = REAL_LEAF(reel_dims(3, 2), 0, 0, 0, log(3), 5, 7);
    reel_node *index = INDEX_LEAF(reel_dims(3), 1, 0, -7);
    reel_node *each = reel_cross_entropy_full(x, index, NULL, -7, 0, REEL_NONE);
    EXPECT(each, reel_dims(3), log(2), log(4), 0);
    EXPECT(slope(each, x), reel_dims(3, 2), 0.5, -0.5, -1.5, 1.5, 0, 0);
    EXPECT_SCALAR(reel_cross_entropy_full(x, index, NULL, -7, 0, REEL_MEAN), log(8) / 2);
    EXPECT_SCALAR(reel_cross_entropy_full(x, index, NULL, -7, 0, REEL_SUM), log(8));
    EXPECT(reel_cross_entropy_each(reel_slice(x, 0, 0, 2), INDEX_LEAF(reel_dims(2), 1, 1)),
           reel_dims(2), log(2), log(4. / 3));
    reel_node *none = INDEX_LEAF(reel_dims(3), -7, -7, -7);
    EXPECT_SCALAR(reel_cross_entropy_full(x, none, NULL, -7, 0, REEL_SUM), 0);
    EXPECT_SCALAR(reel_cross_entropy_full(x, none, NULL, -7, 0, REEL_MEAN), NAN);
}
END_TEST

START_TEST(cross_entropy_of_infinities)
{
    reel_node *x = REAL_LEAF(reel_dims(2, 3), 1e4, -INFINITY, 1e4, -INFINITY, 0, -INFINITY);
    EXPECT(reel_cross_entropy_each(x, INDEX_LEAF(reel_dims(2), 2, 1)), reel_dims(2), log(2), 0);
    EXPECT(reel_cross_entropy_each(x, INDEX_LEAF(reel_dims(2), 1, 0)), reel_dims(2), INFINITY,
           INFINITY);
}
END_TEST

/* Three steps of three sequences of 3, 1 and 0 steps; NaN behind their ends. */
START_TEST(masked_means)
{
    static const double each[3][3] = {{1, 2, NAN}, {4, INFINITY, NAN}, {10, NAN, NAN}};
    static const double mask[3][3] = {{1, 1, 0}, {1, 0, 0}, {1, 0, 0}};
    reel_node *l = reel_input(tape, REEL_F64, each[0], reel_dims(3, 3)), *d;
    reel_node *m = reel_input(tape, REEL_F64, mask[0], reel_dims(3, 3));
    reel_node *mean[3] = {reel_mean_of_tokens(l, m), reel_mean_of_sequences(l, m),
                          reel_mean_of_sums(l, m)};
    static const double want[3] = {17 / 4.0, (5 + 2 + 0) / 3.0, (15 + 2 + 0) / 3.0};
    static const double slope[3][2] = {{0.25, 0.25}, {1 / 9.0, 1 / 3.0}, {1 / 3.0, 1 / 3.0}};
    for (int k = 0; k < 3; k++) {
        double v, by[9];
        ck_assert_int_eq(reel_scalar(mean[k], &v), REEL_OK);
        ck_assert_double_eq_tol(v, want[k], 1e-15);
        ck_assert_int_eq(reel_grad(mean[k], 1, &l, &d), REEL_OK);
        ck_assert_int_eq(reel_read(d, by, 9), REEL_OK);
        for (int i = 0; i < 9; i++) {
            double expected = mask[i / 3][i % 3] == 0 ? 0 : slope[k][i % 3];
            ck_assert_double_eq_tol(by[i], expected, 1e-15);
        }
    }
}
END_TEST

START_TEST(losses_refuse)
{
    reel_node *x = REAL_LEAF(reel_dims(1, 2), 0, 0);
    reel_node *index = INDEX_LEAF(reel_dims(1), 2);
    EXPECT_FAILURE(reel_cross_entropy(x, index), REEL_ERR_VALUE, "index 2 at position 0");
    x = REAL_LEAF(reel_dims(1, 2), 0, 0);
    index = INDEX_LEAF(reel_dims(1), -1);
    EXPECT_FAILURE(reel_cross_entropy_full(x, index, NULL, -1, 0, REEL_MEAN), REEL_ERR_VALUE,
                   "index -1");
    x = REAL_LEAF(reel_dims(1, 2), 0, 0);
    index = INDEX_LEAF(reel_dims(2), 0, 0);
    EXPECT_FAILURE(reel_cross_entropy(x, index), REEL_ERR_SHAPE, "without the last axis");
    x = REAL_LEAF(reel_dims(2, 2), 0, 0, 0, 0);
    index = INDEX_LEAF(reel_dims(2), 0, 0);
    EXPECT_FAILURE(reel_cross_entropy_full(x, index, NULL, -1, 2, REEL_MEAN), REEL_ERR_ARGUMENT,
                   "smoothing 2");
    x = REAL_LEAF(reel_dims(1), 0);
    EXPECT_FAILURE(reel_squared_error(x, x, 3), REEL_ERR_ARGUMENT, "reduction 3");
    x = REAL_LEAF(reel_dims(1), 0);
    EXPECT_FAILURE(reel_huber(x, x, 0, REEL_SUM), REEL_ERR_ARGUMENT, "delta 0");
}
END_TEST

/* Random tensors */

enum { MANY = 100000 };

/* Mean, variance, least and largest of x. */
static void statistics(reel_node *x, double out[4])
{
    reel_node *want[4] = {reel_mean(x), reel_variance(x, false), reel_min(x), reel_max(x)};
    for (int i = 0; i < 4; i++) {
        ck_assert_msg(reel_scalar(want[i], &out[i]) == REEL_OK, "%s", reel_tape_message(tape));
    }
}

START_TEST(distributions)
{
    reel_node *like = reel_number(tape, 0);
    double s[4];
    statistics(reel_bernoulli(like, reel_dims(MANY), 0.3), s);
    ck_assert_double_eq_tol(s[0], 0.3, 0.006);
    ck_assert_double_eq(s[2], 0);
    ck_assert_double_eq(s[3], 1);
    statistics(reel_dropout_mask(like, reel_dims(10, MANY / 10), 0.2), s);
    ck_assert_double_eq_tol(s[0], 1, 0.008);
    ck_assert_double_eq(s[3], 1.25);
    statistics(reel_uniform_noise(like, reel_dims(MANY), -1, 3), s);
    ck_assert_double_eq_tol(s[0], 1, 0.02);
    ck_assert_double_eq_tol(s[1], 16. / 12, 0.02);
    ck_assert(s[2] > -1 && s[3] < 3);
    statistics(reel_normal_noise(like, reel_dims(MANY), 2), s);
    ck_assert_double_eq_tol(s[0], 0, 0.04);
    ck_assert_double_eq_tol(s[1], 4, 0.1);
    ck_assert(s[3] > 7 && s[2] < -7);
    EXPECT(reel_bernoulli(like, reel_dims(3), 0), reel_dims(3), 0, 0, 0);
    EXPECT(reel_bernoulli(like, reel_dims(3), 1), reel_dims(3), 1, 1, 1);
}
END_TEST

static bool same_values(reel_node *a, reel_node *b)
{
    double va[37];
    double vb[37];
    ck_assert_int_eq(reel_read(a, va, 37), REEL_OK);
    ck_assert_int_eq(reel_read(b, vb, 37), REEL_OK);
    return memcmp(va, vb, sizeof va) == 0;
}

static reel_node *draw(reel_tape *on, const char *scope, uint64_t counter)
{
    reel_tape_reset(on);
    reel_tape_set_counter(on, counter);
    reel_scope_enter(on, scope);
    reel_node *mask = reel_dropout_mask(reel_number(on, 0), reel_dims(37), 0.5);
    reel_scope_leave(on);
    return mask;
}

START_TEST(masks_are_functions_of_seed_scope_and_counter)
{
    reel_tape *other = reel_tape_new(2, .seed = 5);
    reel_node *mask = draw(tape, "a", 3);
    ck_assert_msg(same_values(mask, draw(other, "a", 3)), "the type or the threads matter");
    ck_assert_msg(!same_values(mask, draw(other, "b", 3)), "the scope does not matter");
    ck_assert_msg(!same_values(mask, draw(other, "a", 4)), "the counter does not matter");
    ck_assert_msg(!same_values(mask, draw(other, "a", (uint64_t)3 << 32)), "its high word is lost");
    reel_tape_free(other);
    other = reel_tape_new(1, .seed = 6);
    ck_assert_msg(!same_values(mask, draw(other, "a", 3)), "the seed does not matter");
    reel_tape_free(other);
    reel_node *like = reel_number(tape, 0);
    reel_node *first = reel_dropout_mask(like, reel_dims(37), 0.5);
    ck_assert_msg(!same_values(first, reel_dropout_mask(like, reel_dims(37), 0.5)),
                  "two masks of one scope are the same");
}
END_TEST

START_TEST(dropout_in_training_and_at_test)
{
    double x[40];
    double y[40];
    for (int i = 0; i < 40; i++) {
        x[i] = i + 1;
    }
    reel_node *in = reel_input(tape, REEL_F64, x, reel_dims(5, 8));
    ck_assert_int_eq(reel_read(reel_dropout(in, 0.75), y, 40), REEL_OK);
    int dropped = 0;
    for (int i = 0; i < 40; i++) {
        ck_assert(y[i] == 0 || y[i] == 4 * x[i]);
        dropped += y[i] == 0;
    }
    ck_assert(dropped > 20 && dropped < 39);
    ck_assert_ptr_eq(reel_dropout(in, 0), in);
    reel_tape_set_training(tape, false);
    ck_assert_ptr_eq(reel_dropout(in, 0.75), in);
    EXPECT_FAILURE(reel_dropout(in, 1), REEL_ERR_ARGUMENT, "probability 1");
    in = reel_number(tape, 1);
    EXPECT_FAILURE(reel_bernoulli(in, reel_dims(2), -0.1), REEL_ERR_ARGUMENT, "probability -0.1");
    in = reel_number(tape, 1);
    EXPECT_FAILURE(reel_uniform_noise(in, reel_dims(2), 1, 0), REEL_ERR_ARGUMENT, "1 to 0");
    in = reel_number(tape, 1);
    EXPECT_FAILURE(reel_normal_noise(in, reel_dims(2), -1), REEL_ERR_ARGUMENT, "deviation -1");
    in = reel_number(tape, 1);
    EXPECT_FAILURE(reel_normal_noise(in, reel_dims(-2), 1), REEL_ERR_SHAPE, "-2");
}
END_TEST

/* Gradient control */

START_TEST(gradients_changed)
{
    reel_node *x = REAL_LEAF(reel_dims(3), -1, 2, 3);
    EXPECT(reel_detach(x), reel_dims(3), -1, 2, 3);
    EXPECT(reel_clip_gradient(x, 2), reel_dims(3), -1, 2, 3);
    EXPECT(reel_scale_gradient(x, 2), reel_dims(3), -1, 2, 3);
    EXPECT(slope(reel_mul(reel_detach(x), x), x), reel_dims(3), -1, 4, 9);
    EXPECT(slope(reel_clip_gradient(reel_neg(x), 2), x), reel_dims(3), -1, -2, -2);
    EXPECT(slope(reel_scale_gradient(x, -0.5), x), reel_dims(3), -0.5, -1, -1.5);
    reel_node *y = reel_clip_gradient(x, 2);
    reel_node *dy = NULL;
    ck_assert_int_eq(reel_jvp(1, &y, 1, &x, &x, &dy), REEL_ERR_GRADIENT);
    EXPECT_FAILURE(dy, REEL_ERR_GRADIENT, "clip_gradient");
    EXPECT_FAILURE(reel_clip_gradient(reel_number(tape, 1), 0), REEL_ERR_ARGUMENT,
                   "clip_gradient: 0");
    EXPECT_FAILURE(reel_scale_gradient(reel_number(tape, 1), INFINITY), REEL_ERR_ARGUMENT,
                   "finite");
}
END_TEST

/* Cost */

/* Bytes alive at most while the gradient of a sum over all rows of x, taken one by one, is
 * computed. */
static size_t bytes_of_rows(int64_t steps, int way)
{
    enum { WIDTH = 16 };
    reel_tape *on = reel_tape_new(1);
    double *v = calloc((size_t)steps * WIDTH, sizeof *v);
    int32_t *at = calloc((size_t)steps, sizeof *at);
    ck_assert(v && at);
    for (int64_t t = 0; t < steps; t++) {
        at[t] = (int32_t)t;
    }
    reel_node *x = reel_input(on, REEL_F64, v, reel_dims(steps, WIDTH));
    reel_node *total = reel_number(on, 0);
    for (int64_t t = 0; t < steps; t++) {
        reel_node *row = way == 0 ? reel_select(x, 0, t)
                                  : reel_gather(x, reel_input(on, REEL_I32, &at[t], reel_dims(1)));
        total = reel_add(total, reel_sum(reel_square(row)));
    }
    reel_node *dx = NULL;
    double sum;
    ck_assert_int_eq(reel_grad(total, 1, &x, &dx), REEL_OK);
    ck_assert_msg(reel_scalar(reel_sum(dx), &sum) == REEL_OK, "%s", reel_tape_message(on));
    size_t bytes = reel_tape_statistics(on).peak_value_bytes;
    reel_tape_free(on);
    free(v);
    free(at);
    return bytes;
}

START_TEST(rows_cost_no_copies_of_the_whole)
{
    size_t one = bytes_of_rows(200, _i);
    size_t ten = bytes_of_rows(2000, _i);
    ck_assert_msg(ten < 12 * one, "%zu bytes for 200 rows, %zu for 2000", one, ten);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, SFun open, SFun close)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, open, close);
    suite_add_tcase(suite, tcase);
    return tcase;
}

/* To second order */

enum { ROWS = 3, CLASSES_OF = 4 };

static reel_node *classes(reel_tape *on)
{
    return reel_input(on, REEL_I32, (const int32_t[ROWS]){2, 0, 3}, reel_dims(ROWS));
}

static reel_node *full_cross_entropy(reel_tape *on, reel_node *const *x, void *context)
{
    (void)context;
    const double w[CLASSES_OF] = {1, 0.5, 2, 0.7};
    reel_node *weight = reel_input(on, REEL_F64, w, reel_dims(CLASSES_OF));
    return reel_cross_entropy_full(x[0], classes(on), weight, 0, 0.1, REEL_MEAN);
}

static reel_node *binary(reel_tape *on, reel_node *const *x, void *context)
{
    (void)on;
    (void)context;
    return reel_bce_logits(x[0], reel_sigmoid(x[1]), REEL_NONE);
}

static reel_node *squared(reel_tape *on, reel_node *const *x, void *context)
{
    (void)on;
    (void)context;
    return reel_squared_error(x[0], x[1], REEL_NONE);
}

static reel_node *robust(reel_tape *on, reel_node *const *x, void *context)
{
    (void)on;
    (void)context;
    return reel_huber(x[0], x[1], 0.4, REEL_NONE);
}

static reel_node *hinged(reel_tape *on, reel_node *const *x, void *context)
{
    return reel_multi_hinge(x[0], classes(on), 0.5, context != NULL, REEL_SUM);
}

static reel_node *ranked(reel_tape *on, reel_node *const *x, void *context)
{
    (void)on;
    (void)context;
    /* squares, as the second derivative of a hinge is 0 */
    return reel_square(reel_ranking_hinge(x[0], x[1], 0.5, REEL_NONE));
}

static reel_node *covered(reel_tape *on, reel_node *const *x, void *context)
{
    (void)on;
    (void)context;
    return reel_square(reel_coverage_loss(reel_softmax(x[0], -1), reel_softmax(x[1], -1)));
}

static reel_node *steady(reel_tape *on, reel_node *const *x, void *context)
{
    (void)on;
    (void)context;
    const int64_t length[ROWS] = {2, 1, 2};
    return reel_norm_stabilizer(2, (reel_node *[]){reel_tanh(x[0]), reel_exp(x[1])}, x[0], length,
                                3);
}

static const struct {
    const char *name;
    reel_node *(*function)(reel_tape *on, reel_node *const *x, void *context);
    bool context;
} second[] = {{"cross_entropy_full", full_cross_entropy, false},
              {"bce_logits", binary, false},
              {"squared_error", squared, false},
              {"huber", robust, false},
              {"multi_hinge", hinged, false},
              {"multi_hinge, squared", hinged, true},
              {"ranking_hinge", ranked, false},
              {"coverage_loss", covered, false},
              {"norm_stabilizer", steady, false}};

START_TEST(losses_to_second_order)
{
    const reel_shape shape[2] = {reel_dims(ROWS, CLASSES_OF), reel_dims(ROWS, CLASSES_OF)};
    reel_check_report report;
    ck_assert_msg(reel_check_function(&report, second[_i].function, .inputs = 2, .shape = shape,
                                      .context = second[_i].context ? &report : NULL, .order = 2),
                  "%s: %s", second[_i].name, report.message);
    ck_assert_int_gt(report.compared, 8);
    ck_assert_int_lt(report.kinks, report.compared);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("losses and random ops");
    TCase *loss = add_case(suite, "golden losses", open_losses, close_golden);
    tcase_add_test(loss, cross_entropies);
    tcase_add_test(loss, losses_of_two_tensors);
    tcase_add_test(loss, hinges);
    tcase_add_loop_test(loss, losses_to_second_order, 0, (int)(sizeof second / sizeof *second));
    TCase *function = add_case(suite, "golden functions", open_activations, close_golden);
    tcase_add_test(function, functions_along_an_axis);
    tcase_add_test(function, normalised_layers);
    tcase_add_loop_test(function, activations, 0, 18);
    TCase *hand = add_case(suite, "losses by hand", open_tape, close_tape);
    tcase_add_test(hand, cross_entropy_by_position);
    tcase_add_test(hand, cross_entropy_of_infinities);
    tcase_add_test(hand, masked_means);
    tcase_add_test(hand, losses_refuse);
    TCase *noise = add_case(suite, "noise", open_tape, close_tape);
    tcase_add_test(noise, distributions);
    tcase_add_test(noise, masks_are_functions_of_seed_scope_and_counter);
    tcase_add_test(noise, dropout_in_training_and_at_test);
    TCase *gradient = add_case(suite, "gradients", open_tape, close_tape);
    tcase_add_test(gradient, gradients_changed);
    tcase_add_loop_test(gradient, rows_cost_no_copies_of_the_whole, 0, 2);
    return suite_run(suite);
}
