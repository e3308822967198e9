/* Optimizers against trajectories of an independent implementation, and what must hold when a step
 * fails; clipping, schedules, averaging. */
#include <math.h>
#include <reel/file.h>
#include <reel/reel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "suite.h"

static const reel_init zeros = {.kind = REEL_INIT_CONSTANT};

static reel_init constant(double a)
{
    return (reel_init){.kind = REEL_INIT_CONSTANT, .a = a};
}

#define assert_ok(status, message) ck_assert_msg((status) == REEL_OK, "%s", message)

#define assert_tape_error(tape, wanted_status, text)                                \
    do {                                                                            \
        ck_assert_int_eq(reel_tape_status(tape), wanted_status);                    \
        ck_assert_msg(strstr(reel_tape_message(tape), text) != NULL, "message: %s", \
                      reel_tape_message(tape));                                     \
    } while (0)

#define assert_params_error(ps, wanted_status, text)                                \
    do {                                                                            \
        ck_assert_int_eq(reel_params_status(ps), wanted_status);                    \
        ck_assert_msg(strstr(reel_params_message(ps), text) != NULL, "message: %s", \
                      reel_params_message(ps));                                     \
        reel_params_clear_error(ps);                                                \
    } while (0)

/* Golden vectors */

static reel_archive *golden(const char *name)
{
    const char *srcdir = getenv("srcdir");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/golden/%s.safetensors", srcdir ? srcdir : ".", name);
    reel_archive *a = reel_archive_new();
    assert_ok(reel_archive_read(a, path), reel_archive_message(a));
    return a;
}

static const reel_archive_tensor *tensor(const reel_archive *a, const char *name, const char *key)
{
    char full[128];
    snprintf(full, sizeof full, "%s/%s", name, key);
    const reel_archive_tensor *t = reel_archive_find(a, full);
    ck_assert_msg(t && t->dtype == REEL_F64, "no golden f64 tensor %s", full);
    return t;
}

/* A number of the case; 0 when it has none of that name. */
static double setting(const reel_archive *a, const char *name, const char *key)
{
    char full[128];
    snprintf(full, sizeof full, "%s/set.%s", name, key);
    const reel_archive_tensor *t = reel_archive_find(a, full);
    return t ? *(const double *)t->data : 0;
}

typedef struct golden_case {
    const char *name;
    reel_opt_kind kind;
} golden_case;

static const golden_case cases[] = {
    {"sgd", REEL_SGD},
    {"sgd-decay", REEL_SGD},
    {"momentum", REEL_SGD},
    {"momentum-decay", REEL_SGD},
    {"nesterov", REEL_SGD},
    {"adagrad", REEL_ADAGRAD},
    {"rmsprop", REEL_RMSPROP},
    {"rmsprop-centered", REEL_RMSPROP},
    {"rmsprop-momentum", REEL_RMSPROP},
    {"adam", REEL_ADAM},
    {"adam-decay", REEL_ADAM},
    {"adamw", REEL_ADAMW},
    {"adadelta", REEL_ADADELTA},
};
enum { CASES = sizeof cases / sizeof *cases };

static reel_opt *golden_opt(const reel_archive *a, const char *name, reel_opt_kind kind,
                            reel_params *ps)
{
    return reel_opt_new_with(&(reel_opt_args){
        .params = ps,
        .kind = kind,
        .rate = setting(a, name, "rate"),
        .momentum = setting(a, name, "momentum"),
        .nesterov = setting(a, name, "nesterov") > 0,
        .centered = setting(a, name, "centered") > 0,
        .alpha = setting(a, name, "decay"),
        .beta1 = setting(a, name, "beta1"),
        .beta2 = setting(a, name, "beta2"),
        .epsilon = setting(a, name, "eps"),
        .decay = setting(a, name, "weight_decay"),
        .clip_norm = setting(a, name, "clip"),
    });
}

/* mean((tanh(x Aᵀ) + b - y)²) */
static reel_node *golden_loss(const reel_archive *a, reel_tape *tape, reel_params *ps)
{
    const reel_archive_tensor *x = tensor(a, "problem", "x"), *y = tensor(a, "problem", "y");
    reel_node *A = reel_use(tape, reel_params_find(ps, "A"));
    reel_node *b = reel_use(tape, reel_params_find(ps, "b"));
    reel_node *in = reel_input(tape, REEL_F64, x->data, x->shape);
    reel_node *wanted = reel_input(tape, REEL_F64, y->data, y->shape);
    reel_node *out = reel_tanh(reel_affine(in, A, NULL));
    return reel_mean(reel_square(reel_sub(reel_add(out, b), wanted)));
}

static reel_params *golden_params(const reel_archive *a, reel_dtype dtype)
{
    reel_params *ps = reel_params_new(dtype, 0);
    const reel_archive_tensor *A = tensor(a, "problem", "A0"), *b = tensor(a, "problem", "b0");
    assert_ok(reel_params_offer(ps, "A", REEL_F64, A->data, A->shape), reel_params_message(ps));
    assert_ok(reel_params_offer(ps, "b", REEL_F64, b->data, b->shape), reel_params_message(ps));
    ck_assert_ptr_nonnull(reel_params_get(ps, "A", A->shape, zeros, 0));
    ck_assert_ptr_nonnull(reel_params_get(ps, "b", b->shape, zeros, 0));
    return ps;
}

static void assert_near(const reel_param *p, const double *wanted, double tol, int step)
{
    double found[16];
    size_t n = (size_t)reel_param_size(p);
    ck_assert_int_eq(reel_param_read(p, found, n), REEL_OK);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(found[i] - wanted[i]) <= tol, "step %d, %s[%d]: %.17g, expected %.17g",
                      step, reel_param_name(p), (int)i, found[i], wanted[i]);
    }
}

static void follow(const char *name, reel_opt_kind kind, reel_dtype params, reel_dtype tape_type,
                   double tol)
{
    reel_archive *a = golden("optim");
    reel_params *ps = golden_params(a, params);
    reel_opt *opt = golden_opt(a, name, kind, ps);
    assert_ok(reel_params_status(ps), reel_params_message(ps));
    reel_tape *tape = reel_tape_new(1, .dtype = tape_type);
    const double *A = tensor(a, name, "A")->data, *b = tensor(a, name, "b")->data;
    const double *loss = tensor(a, name, "loss")->data, *norm = tensor(a, name, "norm")->data;
    for (int k = 0; k < 50; k++) {
        reel_tape_reset(tape);
        double value;
        assert_ok(reel_opt_step(opt, golden_loss(a, tape, ps), &value), reel_tape_message(tape));
        ck_assert_double_eq_tol(value, loss[k], tol);
        ck_assert_double_eq_tol(reel_opt_norm(opt), norm[k], tol);
        assert_near(reel_params_find(ps, "A"), A + 12 * k, tol, k);
        assert_near(reel_params_find(ps, "b"), b + 3 * k, tol, k);
    }
    ck_assert_uint_eq(reel_opt_count(opt), 50);
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_params_free(ps);
    reel_archive_free(a);
}

START_TEST(trajectories_agree)
{
    char name[64];
    const golden_case *c = &cases[_i % CASES];
    snprintf(name, sizeof name, "%s%s", c->name, _i < CASES ? "" : ".clip");
    follow(name, c->kind, REEL_F64, REEL_F64, 1e-10);
}
END_TEST

START_TEST(trajectories_agree_in_f32)
{
    const golden_case *c = &cases[_i];
    follow(c->name, c->kind, REEL_F32, REEL_F32, 2e-4);
    follow(c->name, c->kind, REEL_F32, REEL_F64, 2e-4);
}
END_TEST

/* Small worlds */

/* Weights "a" [3] and "b" [2, 2] of known values. */
static reel_params *two_weights(reel_dtype dtype)
{
    reel_params *ps = reel_params_new(dtype, 1);
    reel_param *a = reel_params_get(ps, "a", reel_dims(3), zeros, 0);
    reel_param *b = reel_params_get(ps, "b", reel_dims(2, 2), zeros, 0);
    const double start_a[3] = {1, -2, 3}, start_b[4] = {0.5, 0.25, -0.5, 4};
    ck_assert_int_eq(reel_param_write(a, start_a, 3), REEL_OK);
    ck_assert_int_eq(reel_param_write(b, start_b, 4), REEL_OK);
    return ps;
}

/* Σ a³/3 + Σ b³/3, whose gradient is the squares. */
static reel_node *cubes(reel_tape *tape, reel_params *ps)
{
    reel_node *a = reel_use(tape, reel_params_find(ps, "a"));
    reel_node *b = reel_use(tape, reel_params_find(ps, "b"));
    reel_node *sum =
        reel_add(reel_sum(reel_mul(a, reel_square(a))), reel_sum(reel_mul(b, reel_square(b))));
    return reel_div(sum, reel_number(tape, 3));
}

static void assert_values(const reel_param *p, const double *wanted)
{
    assert_near(p, wanted, 1e-15, 0);
}

/* Everything that a failed step must leave alone. */
typedef struct snapshot {
    double value[2][4], slot[2][3][4];
    uint64_t version[2], count[2], updates;
} snapshot;

static snapshot take_snapshot(reel_opt *opt, reel_params *ps)
{
    snapshot s;
    memset(&s, 0, sizeof s);
    s.updates = reel_opt_count(opt);
    for (size_t i = 0; i < 2; i++) {
        reel_param *p = reel_params_at(ps, i);
        size_t n = (size_t)reel_param_size(p);
        ck_assert_int_eq(reel_param_read(p, s.value[i], n), REEL_OK);
        s.version[i] = reel_param_version(p);
        s.count[i] = reel_opt_param_count(opt, p);
        for (int k = 0; k < 3; k++) {
            const void *slot = reel_opt_slot(opt, p, k, NULL);
            if (slot) {
                memcpy(s.slot[i][k], slot, n * reel_dtype_size(reel_param_dtype(p)));
            }
        }
    }
    return s;
}

static void assert_unchanged(reel_opt *opt, reel_params *ps, snapshot before)
{
    snapshot after = take_snapshot(opt, ps);
    ck_assert_mem_eq(&after, &before, sizeof after);
}

START_TEST(frozen_weights_stay)
{
    reel_params *ps = two_weights(REEL_F64);
    reel_opt *opt = reel_sgd(ps, .rate = 0.5);
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    assert_ok(reel_params_freeze(ps, "b", true), "");
    double value;
    assert_ok(reel_opt_step(opt, cubes(tape, ps), &value), reel_tape_message(tape));
    ck_assert_double_eq_tol(value, (1 - 8 + 27) / 3.0 + (0.125 + 0.015625 - 0.125 + 64) / 3, 1e-14);
    assert_values(reel_params_find(ps, "a"), (double[]){0.5, -4, -1.5});
    assert_values(reel_params_find(ps, "b"), (double[]){0.5, 0.25, -0.5, 4});
    ck_assert_double_eq_tol(reel_opt_norm(opt), sqrt(1 + 16 + 81), 1e-14);
    ck_assert_uint_eq(reel_opt_param_count(opt, reel_params_find(ps, "a")), 1);
    ck_assert_uint_eq(reel_opt_param_count(opt, reel_params_find(ps, "b")), 0);
    reel_param *b = reel_params_find(ps, "b");
    const double g[4] = {1, 1, 1, 1};
    assert_ok(reel_opt_apply_values(opt, 1, &b, (const double *[]){g}), "");
    reel_node *node = reel_constant(tape, 1, reel_dims(2, 2));
    assert_ok(reel_opt_apply(opt, 1, &b, &node), "");
    assert_values(b, (double[]){0.5, 0.25, -0.5, 4});
    ck_assert_uint_eq(reel_opt_count(opt), 1);
    reel_tape_reset(tape);
    assert_ok(reel_params_freeze(ps, "*", true), "");
    ck_assert_int_eq(reel_opt_step(opt, cubes(tape, ps), &value), REEL_ERR_ARGUMENT);
    assert_tape_error(tape, REEL_ERR_ARGUMENT, "no weight of the optimizer's set");
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

START_TEST(groups_have_their_own_numbers)
{
    reel_params *ps = two_weights(REEL_F64);
    reel_opt *opt = reel_sgd(ps, .rate = 0.5, .decay = 0.25);
    assert_ok(reel_opt_group(opt, "*", 100, 100), "");
    assert_ok(reel_opt_group(opt, "*", 1, -1), "");
    assert_ok(reel_opt_group(opt, "b", 2, 0), "");
    reel_param *p[2] = {reel_params_find(ps, "a"), reel_params_find(ps, "b")};
    const double ga[3] = {1, 1, 1}, gb[4] = {1, 1, 1, 1};
    assert_ok(reel_opt_apply_values(opt, 2, p, (const double *[]){ga, gb}), "");
    /* a: w - 0.5 (1 + w/4); b: w - 1 */
    assert_values(p[0], (double[]){1 - 0.5 * 1.25, -2 - 0.5 * 0.5, 3 - 0.5 * 1.75});
    assert_values(p[1], (double[]){-0.5, -0.75, -1.5, 3});
    ck_assert_int_eq(reel_opt_group(opt, "b", -1, 0), REEL_ERR_ARGUMENT);
    assert_params_error(ps, REEL_ERR_ARGUMENT, "reel_opt_group 'b': factor -1");
    ck_assert_int_eq(reel_opt_group(opt, NULL, 1, 0), REEL_ERR_ARGUMENT);
    reel_params_clear_error(ps);
    reel_opt_set_rate(opt, 0);
    assert_ok(reel_opt_apply_values(opt, 2, p, (const double *[]){ga, gb}), "");
    assert_values(p[1], (double[]){-0.5, -0.75, -1.5, 3});
    reel_opt_set_rate(opt, NAN);
    assert_params_error(ps, REEL_ERR_ARGUMENT, "a rate is finite");
    ck_assert(reel_opt_rate(opt) == 0);
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

/* The kinds that keep something per weight. */
static reel_opt *kind_with_slots(int i, reel_params *ps)
{
    switch (i) {
    case 0:
        return reel_sgd(ps, .rate = 0.1, .momentum = 0.9, .clip_step = 1);
    case 1:
        return reel_rmsprop(ps, .momentum = 0.5, .centered = true, .clip_value = 1);
    case 2:
        return reel_adadelta(ps, .rate = 1);
    default:
        return reel_adam(ps, .rate = 0.1, .clip_norm = 1);
    }
}

START_TEST(a_gradient_that_is_not_finite_changes_nothing)
{
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reel_params *ps = two_weights(dtype);
    reel_opt *opt = kind_with_slots(_i / 2, ps);
    reel_tape *tape = reel_tape_new(1, .dtype = dtype);
    assert_ok(reel_opt_step(opt, cubes(tape, ps), NULL), reel_tape_message(tape));
    snapshot before = take_snapshot(opt, ps);
    const double bad[4] = {0, NAN, INFINITY, -INFINITY};
    for (int k = 1; k < 4; k++) {
        reel_tape_reset(tape);
        reel_node *b = reel_use(tape, reel_params_find(ps, "b"));
        double factor[4] = {1, 1, 1, bad[k]};
        reel_node *by = reel_input(tape, REEL_F64, factor, reel_dims(2, 2));
        reel_node *loss = reel_add(cubes(tape, ps), reel_sum(reel_mul(b, by)));
        double value = 77;
        ck_assert_int_eq(reel_opt_step(opt, loss, &value), REEL_ERR_NAN);
        assert_tape_error(tape, REEL_ERR_NAN, "check_opt.c:");
        assert_tape_error(
            tape, REEL_ERR_NAN,
            "reel_opt_step: the gradient of 'b' is not finite; no weight has changed");
        ck_assert(value == 77);
        ck_assert(!isfinite(reel_opt_norm(opt)));
        assert_unchanged(opt, ps, before);
    }
    /* A training loop may skip the bad batch. */
    reel_tape_reset(tape);
    assert_ok(reel_opt_step(opt, cubes(tape, ps), NULL), reel_tape_message(tape));
    ck_assert_uint_eq(reel_opt_count(opt), 2);
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

START_TEST(gradients_too_large_are_told)
{
    reel_params *ps = two_weights(REEL_F32);
    reel_opt *opt = reel_sgd(ps, .momentum = 0.5);
    reel_param *p[1] = {reel_params_find(ps, "a")};
    const double huge[3] = {1e200, 1, 1}, large[3] = {1, 1e100, 1};
    snapshot before = take_snapshot(opt, ps);
    ck_assert_int_eq(reel_opt_apply_values(opt, 1, p, (const double *[]){huge}), REEL_ERR_NAN);
    assert_params_error(ps, REEL_ERR_NAN,
                        "reel_opt_apply_values: the norm of the gradient overflows");
    ck_assert_int_eq(reel_opt_apply_values(opt, 1, p, (const double *[]){large}), REEL_ERR_NAN);
    assert_params_error(ps, REEL_ERR_NAN, "the gradient of 'a' is too large for f32");
    assert_unchanged(opt, ps, before);
    reel_opt_free(opt);
    opt = reel_sgd(ps, .rate = 1, .clip_norm = 1);
    assert_ok(reel_opt_apply_values(opt, 1, p, (const double *[]){large}), reel_params_message(ps));
    assert_values(p[0], (double[]){1, -3, 3});
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

START_TEST(a_failed_allocation_changes_nothing)
{
    /* What the second step gives when nothing fails. */
    reel_params *ps = two_weights(REEL_F32);
    reel_opt *opt = kind_with_slots(_i, ps);
    reel_tape *tape = reel_tape_new(1);
    assert_ok(reel_opt_step(opt, cubes(tape, ps), NULL), "");
    snapshot wanted = take_snapshot(opt, ps);
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_params_free(ps);
    int told = 0;
    uint64_t n = 1;
    for (bool failed = true; failed; n++) {
        ps = two_weights(REEL_F32);
        opt = kind_with_slots(_i, ps);
        tape = reel_tape_new(1);
        snapshot before = take_snapshot(opt, ps);
        reel__memory_fail(n, false);
        reel_status status = reel_opt_step(opt, cubes(tape, ps), NULL);
        failed = reel__memory_failed();
        reel__memory_fail(0, false);
        if (status) {
            /* A few allocations can be done without; a step that goes through must be the same. */
            ck_assert(failed);
            ck_assert_int_eq(status, REEL_ERR_MEMORY);
            told++;
            ck_assert_str_ne(reel_tape_message(tape), "");
            assert_unchanged(opt, ps, before);
            reel_tape_reset(tape);
            assert_ok(reel_opt_step(opt, cubes(tape, ps), NULL), reel_tape_message(tape));
        }
        assert_unchanged(opt, ps, wanted);
        reel_tape_free(tape);
        reel_opt_free(opt);
        reel_params_free(ps);
    }
    ck_assert_int_gt(told, 10);
}
END_TEST

START_TEST(making_an_optimizer_may_fail)
{
    reel_params *ps = two_weights(REEL_F32);
    reel__memory_fail(1, false);
    ck_assert_ptr_null(reel_adam(ps, .rate = 1));
    reel__memory_fail(0, false);
    reel_opt *opt = reel_adam(ps, .rate = 1);
    for (uint64_t n = 1; n < 3; n++) {
        reel__memory_fail(n, false);
        ck_assert_int_eq(reel_opt_group(opt, "a", 2, 0), REEL_ERR_MEMORY);
        reel__memory_fail(0, false);
        assert_params_error(ps, REEL_ERR_MEMORY, "reel_opt_group 'a': out of memory");
        reel__memory_fail(n, false);
        ck_assert_int_eq(reel_opt_make_slots(opt, reel_params_find(ps, "a")), REEL_ERR_MEMORY);
        reel__memory_fail(0, false);
        assert_params_error(ps, REEL_ERR_MEMORY, "weight 'a': out of memory");
        ck_assert_ptr_null(reel_opt_slot(opt, reel_params_find(ps, "a"), 0, NULL));
    }
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

/* Gradients as nodes and values */

START_TEST(gradients_are_nodes)
{
    reel_params *ps = two_weights(REEL_F64), *others = two_weights(REEL_F64);
    reel_opt *opt = reel_sgd(ps, .rate = 1);
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_node *unused = reel_use(tape, reel_params_get(ps, "c", reel_dims(2), zeros, 0));
    reel_node *loss = reel_add(cubes(tape, others), cubes(tape, ps));
    ck_assert_uint_eq(reel_opt_grads(opt, loss, 0, NULL, NULL), 3);
    reel_param *p[3];
    reel_node *g[3];
    ck_assert_uint_eq(reel_opt_grads(opt, loss, 3, p, g), 3);
    ck_assert_ptr_eq(reel_node_param(unused), p[0]);
    ck_assert_ptr_eq(p[1], reel_params_find(ps, "a"));
    ck_assert_ptr_eq(p[2], reel_params_find(ps, "b"));
    double value[4];
    assert_ok(reel_read(g[0], value, 2), reel_tape_message(tape));
    ck_assert(value[0] == 0 && value[1] == 0);
    assert_ok(reel_read(g[1], value, 3), reel_tape_message(tape));
    ck_assert(value[0] == 1 && value[1] == 4 && value[2] == 9);

    /* Edited, and only some of them. */
    reel_node *edited = reel_mul(g[1], reel_number(tape, 0.5));
    assert_ok(reel_opt_apply(opt, 1, &p[1], &edited), reel_tape_message(tape));
    assert_values(p[1], (double[]){0.5, -4, -1.5});
    assert_values(p[2], (double[]){0.5, 0.25, -0.5, 4});
    ck_assert_uint_eq(reel_opt_param_count(opt, p[2]), 0);
    assert_ok(reel_opt_apply(opt, 0, NULL, NULL), "");
    ck_assert_uint_eq(reel_opt_count(opt), 1);

    /* The gradient of b is known already; the weight a has moved, so nothing new may be computed
     * from it. */
    double stale;
    ck_assert_int_eq(reel_scalar(reel_sum(reel_square(reel_use(tape, p[1]))), &stale),
                     REEL_ERR_STALE);
    ck_assert_uint_eq(reel_opt_grads(opt, loss, 0, NULL, NULL), 0);
    assert_tape_error(tape, REEL_ERR_STALE, "weight 'a' has changed");
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_params_free(ps);
    reel_params_free(others);
}
END_TEST

START_TEST(micro_batches_add_up)
{
    reel_params *ps = two_weights(REEL_F64), *whole = two_weights(REEL_F64);
    reel_opt *opt = reel_adam(ps, .rate = 0.1, .clip_norm = 2);
    reel_opt *once = reel_adam(whole, .rate = 0.1, .clip_norm = 2);
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    for (int step = 0; step < 3; step++) {
        double sum[2][4] = {{0}}, part[4];
        reel_param *p[2];
        reel_node *g[2];
        for (int k = 1; k <= 3; k++) {
            reel_tape_reset(tape);
            reel_node *loss = reel_mul(cubes(tape, ps), reel_number(tape, k));
            ck_assert_uint_eq(reel_opt_grads(opt, loss, 2, p, g), 2);
            for (int i = 0; i < 2; i++) {
                size_t n = (size_t)reel_param_size(p[i]);
                assert_ok(reel_read(g[i], part, n), reel_tape_message(tape));
                for (size_t j = 0; j < n; j++) {
                    sum[i][j] += part[j];
                }
            }
        }
        const double *sums[2] = {sum[0], sum[1]};
        assert_ok(reel_opt_apply_values(opt, 2, p, sums), reel_params_message(ps));
        reel_tape_reset(tape);
        reel_node *loss = reel_mul(cubes(tape, whole), reel_number(tape, 6));
        assert_ok(reel_opt_step(once, loss, NULL), reel_tape_message(tape));
        ck_assert_double_eq_tol(reel_opt_norm(opt), reel_opt_norm(once), 1e-12);
        for (size_t i = 0; i < 2; i++) {
            double wanted[4];
            size_t n = (size_t)reel_param_size(reel_params_at(whole, i));
            ck_assert_int_eq(reel_param_read(reel_params_at(whole, i), wanted, n), REEL_OK);
            assert_near(reel_params_at(ps, i), wanted, 1e-13, step);
        }
    }
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_opt_free(once);
    reel_params_free(ps);
    reel_params_free(whole);
}
END_TEST

START_TEST(wrong_gradients_are_told)
{
    reel_params *ps = two_weights(REEL_F64), *others = two_weights(REEL_F64);
    reel_opt *opt = reel_adam(ps, .rate = 1);
    reel_tape *tape = reel_tape_new(1, .dtype = REEL_F64);
    reel_param *a = reel_params_find(ps, "a"), *b = reel_params_find(ps, "b");
    snapshot before = take_snapshot(opt, ps);
    reel_node *good = reel_constant(tape, 1, reel_dims(3));
    reel_param *twice[2] = {a, a};
    reel_node *goods[2] = {good, good};
    ck_assert_int_eq(reel_opt_apply(opt, 2, twice, goods), REEL_ERR_ARGUMENT);
    assert_tape_error(tape, REEL_ERR_ARGUMENT, "reel_opt_apply: 'a' is given twice");
    reel_tape_reset(tape);
    reel_node *wrong[2] = {reel_constant(tape, 1, reel_dims(3)),
                           reel_constant(tape, 1, reel_dims(4))};
    ck_assert_int_eq(reel_opt_apply(opt, 2, (reel_param *[]){a, b}, wrong), REEL_ERR_SHAPE);
    assert_tape_error(tape, REEL_ERR_SHAPE,
                      "reel_opt_apply: the gradient of 'b' is f64 [4]: expected a real [2,2]");
    reel_tape_reset(tape);
    wrong[0] = reel_constant(tape, 1, reel_dims(3));
    reel_param *foreign = reel_params_find(others, "a");
    ck_assert_int_eq(reel_opt_apply(opt, 1, &foreign, wrong), REEL_ERR_ARGUMENT);
    assert_tape_error(tape, REEL_ERR_ARGUMENT, "'a' is not a weight of the optimizer's set");
    reel_tape_reset(tape);
    wrong[0] = reel_constant(tape, 1, reel_dims(3));
    reel_param *none = NULL;
    ck_assert_int_eq(reel_opt_apply(opt, 1, &none, wrong), REEL_ERR_ARGUMENT);
    assert_tape_error(tape, REEL_ERR_ARGUMENT, "weight 0 is NULL");
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_opt_apply(opt, 1, &a, wrong), REEL_ERR_STALE);
    reel_tape_status(tape);
    ck_assert_int_ne(reel_opt_apply(opt, 1, &a, &(reel_node *){NULL}), REEL_OK);
    ck_assert_int_eq(reel_opt_apply_values(opt, 1, &a, (const double *[]){NULL}),
                     REEL_ERR_ARGUMENT);
    assert_params_error(ps, REEL_ERR_ARGUMENT, "the gradient of 'a' is NULL");
    assert_unchanged(opt, ps, before);

    /* An error of the set flows into the tape; a NULL is told. */
    reel_tape_reset(tape);
    reel_node *loss = cubes(tape, ps);
    reel_params_fail(ps, REEL_ERR_FILE, "the disk is gone");
    ck_assert_int_eq(reel_opt_step(opt, loss, NULL), REEL_ERR_FILE);
    assert_tape_error(tape, REEL_ERR_FILE, "the disk is gone");
    reel_params_clear_error(ps);
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_opt_step(NULL, cubes(tape, ps), NULL), REEL_ERR_ARGUMENT);
    assert_tape_error(tape, REEL_ERR_ARGUMENT, "the optimizer is NULL");
    ck_assert_int_ne(reel_opt_step(opt, NULL, NULL), REEL_OK);
    ck_assert_int_eq(reel_opt_step(opt, loss, NULL), REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_opt_step(opt, reel_use(tape, a), NULL), REEL_ERR_SHAPE);
    reel_tape_status(tape);
    assert_unchanged(opt, ps, before);
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_params_free(ps);
    reel_params_free(others);
}
END_TEST

typedef struct bad_option {
    reel_opt_args args;
    const char *message;
} bad_option;

static const bad_option bad_options[] = {
    {{.kind = REEL_ADAM, .momentum = 0.9},
     "x.c:1: adam: momentum is not an option of this optimizer"},
    {{.kind = REEL_SGD, .nesterov = true}, "sgd: nesterov needs momentum"},
    {{.kind = REEL_ADAM, .nesterov = true}, "adam: nesterov is not an option"},
    {{.kind = REEL_SGD, .centered = true}, "sgd: centered is not an option"},
    {{.kind = REEL_ADAGRAD, .alpha = 0.9}, "adagrad: alpha is not an option"},
    {{.kind = REEL_SGD, .epsilon = 1e-8}, "sgd: epsilon is not an option"},
    {{.kind = REEL_RMSPROP, .beta1 = 0.9}, "rmsprop: beta1 is not an option"},
    {{.kind = REEL_RMSPROP, .alpha = 1}, "rmsprop: alpha must be below 1"},
    {{.kind = REEL_SGD, .momentum = 1}, "sgd: momentum must be below 1"},
    {{.kind = REEL_SGD, .momentum = -0.1}, "sgd: momentum must not be negative"},
    {{.kind = REEL_ADAM, .beta2 = 1}, "adam: beta2 must be below 1"},
    {{.kind = REEL_SGD, .rate = NAN}, "sgd: rate must be finite"},
    {{.kind = REEL_SGD, .clip_norm = -1}, "sgd: clip_norm must not be negative"},
    {{.kind = REEL_ADAM, .decay = -1}, "adam: decay must not be negative"},
    {{.kind = (reel_opt_kind)60}, "no optimizer of kind 60"},
};

START_TEST(bad_options_are_told)
{
    reel_params *ps = two_weights(REEL_F64);
    reel_opt_args args = bad_options[_i].args;
    args.params = ps;
    args.at = "dir/x.c:1";
    reel_opt *opt = reel_opt_new_with(&args);
    ck_assert_ptr_nonnull(opt);
    assert_params_error(ps, REEL_ERR_ARGUMENT, bad_options[_i].message);
    ck_assert(isfinite(reel_opt_rate(opt)));
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

START_TEST(defaults_are_as_documented)
{
    reel_params *ps = two_weights(REEL_F64);
    static const double rate[] = {0.01, 0.01, 0.01, 1, 0.001, 0.001};
    for (int k = 0; k < 6; k++) {
        reel_opt *opt = reel_opt_new_with(&(reel_opt_args){.params = ps, .kind = (reel_opt_kind)k});
        ck_assert(reel_opt_rate(opt) == rate[k]);
        reel_opt_kind found;
        ck_assert(reel_opt_kind_find(reel_opt_kind_name(reel_opt_kind_of(opt)), &found));
        ck_assert_int_eq((int)found, k);
        ck_assert_ptr_eq(reel_opt_params(opt), ps);
        reel_opt_free(opt);
    }
    reel_opt_kind kind;
    ck_assert(!reel_opt_kind_find("sga", &kind) && !reel_opt_kind_find(NULL, &kind));
    ck_assert_str_eq(reel_opt_kind_name((reel_opt_kind)60), "");

    /* AdamW decays by 0.01 unless a negative number asks for none: a zero gradient shows it. */
    reel_param *a = reel_params_find(ps, "a");
    const double none[3] = {0};
    reel_opt *opt = reel_adamw(ps, .rate = 0.5);
    assert_ok(reel_opt_apply_values(opt, 1, &a, (const double *[]){none}), "");
    assert_values(a, (double[]){0.995, -1.99, 2.985});
    reel_opt_free(opt);
    opt = reel_adamw(ps, .rate = 0.5, .decay = -1);
    assert_ok(reel_opt_apply_values(opt, 1, &a, (const double *[]){none}), "");
    assert_values(a, (double[]){0.995, -1.99, 2.985});
    reel_opt_free(opt);
    reel_params_free(ps);
    reel_opt_free(NULL);
}
END_TEST

/* Slots, counts and what crosses a checkpoint */

START_TEST(a_restored_optimizer_goes_on_bit_for_bit)
{
    reel_params *ps = two_weights(REEL_F32);
    reel_opt *opt = kind_with_slots(_i, ps);
    reel_tape *tape = reel_tape_new(1);
    for (int k = 0; k < 5; k++) {
        reel_tape_reset(tape);
        assert_ok(reel_opt_step(opt, cubes(tape, ps), NULL), reel_tape_message(tape));
    }
    reel_params *qs = reel_params_copy(ps);
    reel_opt *twin = kind_with_slots(_i, qs);
    reel_opt_restore_counts(twin, reel_opt_count(opt));
    for (size_t i = 0; i < 2; i++) {
        reel_param *p = reel_params_at(ps, i), *q = reel_params_at(qs, i);
        ck_assert_ptr_null(reel_opt_slot(twin, q, 0, NULL));
        assert_ok(reel_opt_make_slots(twin, q), reel_params_message(qs));
        reel_opt_restore_param_count(twin, q, reel_opt_param_count(opt, p));
        const char *name, *same;
        for (int k = 0; reel_opt_slot(opt, p, k, &name); k++) {
            void *slot = reel_opt_slot(twin, q, k, &same);
            ck_assert_ptr_nonnull(slot);
            ck_assert_str_eq(name, same);
            memcpy(slot, reel_opt_slot(opt, p, k, NULL),
                   (size_t)reel_param_size(p) * sizeof(float));
        }
    }
    for (int k = 0; k < 5; k++) {
        reel_tape_reset(tape);
        assert_ok(reel_opt_step(opt, cubes(tape, ps), NULL), reel_tape_message(tape));
        reel_tape_reset(tape);
        assert_ok(reel_opt_step(twin, cubes(tape, qs), NULL), reel_tape_message(tape));
    }
    snapshot one = take_snapshot(opt, ps), two = take_snapshot(twin, qs);
    memcpy(two.version, one.version, sizeof two.version);
    ck_assert_mem_eq(&one, &two, sizeof one);
    ck_assert_uint_eq(one.updates, 10);
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_opt_free(twin);
    reel_params_free(ps);
    reel_params_free(qs);
}
END_TEST

START_TEST(slots_have_names)
{
    reel_params *ps = two_weights(REEL_F32);
    static const char *const names[4][3] = {{"v"}, {"s", "m", "v"}, {"s", "d"}, {"m", "v"}};
    reel_param *a = reel_params_find(ps, "a");
    for (int i = 0; i < 4; i++) {
        reel_opt *opt = kind_with_slots(i, ps);
        assert_ok(reel_opt_make_slots(opt, a), reel_params_message(ps));
        const char *name;
        int k = 0;
        for (; reel_opt_slot(opt, a, k, &name); k++) {
            ck_assert_str_eq(name, names[i][k]);
        }
        ck_assert(k == 3 || !names[i][k]);
        ck_assert_ptr_null(reel_opt_slot(opt, reel_params_find(ps, "b"), 0, NULL));
        ck_assert_ptr_null(reel_opt_slot(opt, NULL, 0, NULL));
        reel_opt_free(opt);
    }
    reel_params *others = two_weights(REEL_F32);
    reel_opt *opt = reel_adam(ps, .rate = 1);
    ck_assert_int_eq(reel_opt_make_slots(opt, reel_params_at(others, 0)), REEL_ERR_ARGUMENT);
    assert_params_error(ps, REEL_ERR_ARGUMENT, "weight 'a' is not of the optimizer's set");
    reel_opt_free(opt);
    reel_params_free(others);
    reel_params_free(ps);
}
END_TEST

/* Weights of many blocks */

enum { MANY = 2500 };

/* Adam with L2 decay, written straight, with its step clipped to a norm. */
static void adam_by_hand(double *w, const double *g, double *m, double *v, int t, double clip)
{
    double step[MANY], square = 0;
    for (int i = 0; i < MANY; i++) {
        double decayed = g[i] + 0.1 * w[i];
        m[i] = 0.9 * m[i] + 0.1 * decayed;
        v[i] = 0.999 * v[i] + 0.001 * decayed * decayed;
        double mean = m[i] / (1 - pow(0.9, t)), variance = v[i] / (1 - pow(0.999, t));
        step[i] = 0.01 * mean / (sqrt(variance) + 1e-8);
        square += step[i] * step[i];
    }
    double scale = clip > 0 && sqrt(square) > clip ? clip / sqrt(square) : 1;
    for (int i = 0; i < MANY; i++) {
        w[i] -= scale * step[i];
    }
}

START_TEST(large_weights_and_clipped_steps)
{
    double clip = _i ? 0.04 : 0;
    reel_params *ps = reel_params_new(REEL_F64, 4);
    reel_init spread = {.kind = REEL_INIT_NORMAL, .b = 1};
    reel_param *p = reel_params_get(ps, "w", reel_dims(50, 50), spread, 0);
    reel_opt *opt = reel_adam(ps, .rate = 0.01, .decay = 0.1, .clip_step = clip);
    static double w[MANY], m[MANY], v[MANY], g[MANY], before[MANY], after[MANY];
    memset(m, 0, sizeof m);
    memset(v, 0, sizeof v);
    ck_assert_int_eq(reel_param_read(p, w, MANY), REEL_OK);
    for (int t = 1; t <= 4; t++) {
        for (int i = 0; i < MANY; i++) {
            g[i] = sin(i + 1.7 * t) * exp(0.002 * i);
        }
        ck_assert_int_eq(reel_param_read(p, before, MANY), REEL_OK);
        assert_ok(reel_opt_apply_values(opt, 1, &p, (const double *[]){g}), "");
        adam_by_hand(w, g, m, v, t, clip);
        ck_assert_int_eq(reel_param_read(p, after, MANY), REEL_OK);
        double square = 0;
        for (int i = 0; i < MANY; i++) {
            ck_assert_double_eq_tol(after[i], w[i], 1e-13);
            square += (after[i] - before[i]) * (after[i] - before[i]);
        }
        if (clip > 0) {
            ck_assert_double_eq_tol(sqrt(square), clip, 1e-12);
        } else {
            ck_assert_double_gt(sqrt(square), 0.04);
        }
    }
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

/* Clipping */

static const char *const clip_cases[] = {"mixed.0.5", "mixed.100", "zero.0.5", "zero.100"};

/* Gradient k of a golden case, clipped in the given way; NULL after the last. */
static const reel_archive_tensor *clip_tensor(const reel_archive *a, const char *name,
                                              const char *kind, int k)
{
    char key[16];
    snprintf(key, sizeof key, "%s%d", kind, k);
    return tensor(a, name, key);
}

START_TEST(clipping_of_values_agrees)
{
    reel_archive *a = golden("clip");
    const char *name = clip_cases[_i];
    double bound = *(const double *)tensor(a, name, "bound")->data;
    double norm = *(const double *)tensor(a, name, "norm")->data;
    double g[3][3][12];
    size_t size[3];
    for (int k = 0; k < 3; k++) {
        const reel_archive_tensor *t = clip_tensor(a, name, "g", k);
        size[k] = (size_t)reel_shape_size(t->shape);
        for (int kind = 0; kind < 3; kind++) {
            memcpy(g[kind][k], t->data, size[k] * sizeof(double));
        }
        reel_clip_elements(bound, g[1][k], size[k]);
        double own = reel_clip_param_norm(bound, g[2][k], size[k]);
        double square = 0;
        for (size_t i = 0; i < size[k]; i++) {
            square += g[0][k][i] * g[0][k][i];
        }
        ck_assert_double_eq_tol(own, sqrt(square), 1e-13);
    }
    double *all[3] = {g[0][0], g[0][1], g[0][2]};
    ck_assert_double_eq_tol(reel_clip_global_norm(bound, 3, all, size), norm, 1e-13);
    static const char *const kinds[] = {"global", "element", "param"};
    for (int kind = 0; kind < 3; kind++) {
        for (int k = 0; k < 3; k++) {
            const double *wanted = clip_tensor(a, name, kinds[kind], k)->data;
            for (size_t i = 0; i < size[k]; i++) {
                ck_assert_double_eq_tol(g[kind][k][i], wanted[i], 1e-14);
            }
        }
    }
    reel_archive_free(a);
}
END_TEST

START_TEST(clipping_by_the_optimizer_agrees)
{
    reel_archive *a = golden("clip");
    const char *name = clip_cases[_i / 3];
    static const char *const kinds[] = {"global", "element", "param"};
    double bound = *(const double *)tensor(a, name, "bound")->data;
    reel_params *ps = reel_params_new(REEL_F64, 0);
    reel_opt *opt = _i % 3 == 0   ? reel_sgd(ps, .rate = 1, .clip_norm = bound)
                    : _i % 3 == 1 ? reel_sgd(ps, .rate = 1, .clip_value = bound)
                                  : reel_sgd(ps, .rate = 1, .clip_param = bound);
    reel_param *p[3];
    const double *g[3];
    for (int k = 0; k < 3; k++) {
        const reel_archive_tensor *t = clip_tensor(a, name, "g", k);
        char label[2] = {(char)('a' + k), '\0'};
        p[k] = reel_params_get(ps, label, t->shape, zeros, 0);
        g[k] = t->data;
    }
    assert_ok(reel_opt_apply_values(opt, 3, p, g), reel_params_message(ps));
    ck_assert_double_eq_tol(reel_opt_norm(opt), *(const double *)tensor(a, name, "norm")->data,
                            1e-13);
    for (int k = 0; k < 3; k++) {
        const reel_archive_tensor *t = clip_tensor(a, name, kinds[_i % 3], k);
        double wanted[12];
        for (int64_t i = 0; i < reel_shape_size(t->shape); i++) {
            wanted[i] = -((const double *)t->data)[i];
        }
        assert_near(p[k], wanted, 1e-14, 0);
    }
    reel_opt_free(opt);
    reel_params_free(ps);
    reel_archive_free(a);
}
END_TEST

START_TEST(clipping_has_an_order)
{
    reel_params *ps = reel_params_new(REEL_F64, 0);
    reel_param *p[2] = {reel_params_get(ps, "a", reel_dims(2), zeros, 0),
                        reel_params_get(ps, "b", reel_dims(2), zeros, 0)};
    reel_opt *opt = reel_sgd(ps, .rate = 1, .clip_value = 4, .clip_param = 2.5, .clip_norm = 2);
    const double a[2] = {3, -40}, b[2] = {0, 1.5};
    assert_ok(reel_opt_apply_values(opt, 2, p, (const double *[]){a, b}), "");
    /* Elements: (3, -4), (0, 1.5). Weights: (1.5, -2), (0, 1.5). All: norm √(6.25 + 2.25). */
    double scale = 2 / sqrt(8.5);
    assert_values(p[0], (double[]){-1.5 * scale, 2 * scale});
    assert_values(p[1], (double[]){0, -1.5 * scale});
    ck_assert_double_eq_tol(reel_opt_norm(opt), sqrt(9 + 1600 + 2.25), 1e-12);
    reel_opt_free(opt);

    /* The step's norm is of what the rule makes of the gradient, weight by weight. */
    opt = reel_sgd(ps, .rate = 10, .clip_step = 5);
    reel_param_init_rows(p[0], 0, 2, zeros);
    reel_param_init_rows(p[1], 0, 2, zeros);
    const double c[2] = {3, -4}, d[2] = {0.3, 0.4};
    assert_ok(reel_opt_apply_values(opt, 2, p, (const double *[]){c, d}), "");
    assert_values(p[0], (double[]){-3, 4});
    assert_values(p[1], (double[]){-3, -4});
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

/* The norm is compared with the limit, not its square. */
START_TEST(norms_below_the_limit_stay)
{
    double g[2] = {2.4, 3.2};
    size_t size = 2;
    double *all = g;
    ck_assert_double_eq_tol(reel_clip_param_norm(5, g, 2), 4, 1e-15);
    ck_assert_double_eq_tol(reel_clip_global_norm(5, 1, &all, &size), 4, 1e-15);
    ck_assert(g[0] == 2.4 && g[1] == 3.2);
    reel_params *ps = reel_params_new(REEL_F64, 0);
    reel_param *p = reel_params_get(ps, "a", reel_dims(2), zeros, 0);
    reel_opt *opt = reel_sgd(ps, .rate = 1, .clip_norm = 5, .clip_param = 5, .clip_step = 5);
    assert_ok(reel_opt_apply_values(opt, 1, &p, (const double *[]){g}), "");
    assert_values(p, (double[]){-2.4, -3.2});
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

START_TEST(clipping_leaves_what_is_not_finite)
{
    double g[3] = {1, INFINITY, 2};
    ck_assert(isinf(reel_clip_param_norm(1, g, 3)));
    ck_assert(g[0] == 1 && isinf(g[1]) && g[2] == 2);
    g[1] = NAN;
    ck_assert(isnan(reel_clip_param_norm(1, g, 3)));
    reel_clip_elements(1.5, g, 3);
    ck_assert(g[0] == 1 && isnan(g[1]) && g[2] == 1.5);
    reel_clip_elements(0, g, 3);
    ck_assert(g[2] == 1.5);
}
END_TEST

/* Schedules */

typedef struct schedule_case {
    const char *name;
    reel_schedule schedule;
} schedule_case;

static const schedule_case schedules[] = {
    {"constant", {.rate = 0.1}},
    {"step", {.kind = REEL_RATE_STEP, .rate = 0.1, .factor = 0.1, .every = 30}},
    {"exponential", {.kind = REEL_RATE_EXPONENTIAL, .rate = 0.1, .factor = 0.97}},
    {"exponential-after", {.kind = REEL_RATE_EXPONENTIAL, .rate = 0.1, .factor = 0.97, .after = 9}},
    {"cosine", {.kind = REEL_RATE_COSINE, .rate = 0.1, .floor = 0.01, .total = 80}},
    {"warmup", {.rate = 0.1, .warmup = 20}},
    {"warmup-inverse-sqrt", {.kind = REEL_RATE_INVERSE_SQRT, .rate = 0.1, .warmup = 20}},
    {"inverse-sqrt", {.kind = REEL_RATE_INVERSE_SQRT, .rate = 0.1}},
};

START_TEST(schedules_agree)
{
    reel_archive *a = golden("schedules");
    const reel_archive_tensor *t = reel_archive_find(a, schedules[_i].name);
    ck_assert_ptr_nonnull(t);
    const double *wanted = t->data;
    for (int64_t k = 0; k < t->shape.dim[0]; k++) {
        ck_assert_double_eq_tol(reel_schedule_rate(&schedules[_i].schedule, k), wanted[k], 1e-15);
    }
    reel_archive_free(a);
}
END_TEST

START_TEST(plateaus_agree)
{
    reel_archive *a = golden("schedules");
    const double *loss = reel_archive_find(a, "plateau-losses")->data;
    const reel_archive_tensor *t = reel_archive_find(a, "plateau");
    /* The golden patience of 2 lets two bad reports pass and cuts at the third. */
    reel_schedule s = {.kind = REEL_RATE_PLATEAU, .rate = 0.1, .patience = 3};
    for (int64_t k = 0; k < t->shape.dim[0]; k++) {
        reel_schedule_report(&s, loss[k]);
        ck_assert_double_eq_tol(reel_schedule_rate(&s, k), ((const double *)t->data)[k], 1e-15);
    }
    reel_archive_free(a);
    s = (reel_schedule){.kind = REEL_RATE_PLATEAU, .rate = 1, .factor = 0.1, .floor = 0.05};
    static const double report[] = {NAN, 5, 5, 4, NAN, 6};
    static const double rate[] = {1, 1, 0.1, 0.1, 0.05, 0.05};
    for (int k = 0; k < 6; k++) {
        reel_schedule_report(&s, report[k]);
        ck_assert_double_eq_tol(reel_schedule_rate(&s, k), rate[k], 1e-15);
    }
    ck_assert(s.best == 4);
}
END_TEST

START_TEST(schedules_at_their_edges)
{
    reel_schedule cosine = {.kind = REEL_RATE_COSINE, .rate = 1, .total = 10, .warmup = 5};
    ck_assert_double_eq_tol(reel_schedule_rate(&cosine, 0), 0.2, 1e-15);
    ck_assert_double_eq_tol(reel_schedule_rate(&cosine, 4), 1, 1e-15);
    ck_assert_double_eq_tol(reel_schedule_rate(&cosine, 5), 1, 1e-15);
    ck_assert_double_eq_tol(reel_schedule_rate(&cosine, 10), 0.5, 1e-15);
    ck_assert_double_eq_tol(reel_schedule_rate(&cosine, 15), 0, 1e-15);
    ck_assert_double_eq_tol(reel_schedule_rate(&cosine, 1000), 0, 1e-15);
    reel_schedule half = {.kind = REEL_RATE_STEP, .rate = 1};
    ck_assert(reel_schedule_rate(&half, 3) == 0.125);
    ck_assert(reel_schedule_rate(&half, -3) == 1);
    reel_schedule bare = {.kind = REEL_RATE_COSINE, .rate = 2};
    ck_assert(reel_schedule_rate(&bare, 7) == 2);
}
END_TEST

/* Averages */

START_TEST(averages_follow_their_formula)
{
    double decay = _i ? 0.75 : 0;
    reel_params *ps = two_weights(REEL_F64);
    reel_param *a = reel_params_find(ps, "a");
    reel_average *avg = reel_average_new(ps, decay);
    double mean[3] = {0};
    for (int k = 0; k < 5; k++) {
        double w[3] = {k * k, 1 - k, 0.1 * k};
        ck_assert_int_eq(reel_param_write(a, w, 3), REEL_OK);
        assert_ok(reel_average_update(avg), reel_params_message(ps));
        for (int i = 0; i < 3; i++) {
            double part = k == 0 ? 1 : decay > 0 ? 1 - decay : 1.0 / (k + 1);
            mean[i] = (1 - part) * mean[i] + part * w[i];
        }
    }
    if (!_i) {
        ck_assert_double_eq_tol(mean[0], (0 + 1 + 4 + 9 + 16) / 5.0, 1e-14);
    }
    uint64_t version = reel_param_version(a);
    assert_ok(reel_average_swap(avg), reel_params_message(ps));
    assert_near(a, mean, 1e-14, 0);
    ck_assert_uint_gt(reel_param_version(a), version);
    assert_ok(reel_average_swap(avg), reel_params_message(ps));
    assert_values(a, (double[]){16, -3, 0.4});
    reel_average_free(avg);
    reel_params_free(ps);
}
END_TEST

START_TEST(swapping_twice_is_nothing)
{
    reel_params *ps = two_weights(REEL_F32);
    reel_average *avg = reel_average_new(ps, 0.9), *other = reel_average_new(ps, 0.9);
    reel_opt *opt = reel_sgd(ps, .rate = 0.1);
    reel_param *b = reel_params_find(ps, "b");
    ck_assert_int_eq(reel_average_swap(avg), REEL_ERR_ARGUMENT);
    assert_params_error(ps, REEL_ERR_ARGUMENT, "there are no averages before an update");
    for (int k = 0; k < 6; k++) {
        const double g[4] = {0.1, 0.3, -0.7, 0.01};
        assert_ok(reel_opt_apply_values(opt, 1, &b, (const double *[]){g}), "");
        assert_ok(reel_average_update(avg), "");
        assert_ok(reel_average_update(other), "");
        float before[4];
        memcpy(before, reel_param_data(b), sizeof before);
        assert_ok(reel_average_swap(avg), "");
        ck_assert(k == 0 || memcmp(before, reel_param_data(b), sizeof before) != 0);
        ck_assert_int_eq(reel_average_update(avg), REEL_ERR_ARGUMENT);
        assert_params_error(ps, REEL_ERR_ARGUMENT, "swap them back first");
        assert_ok(reel_average_swap(avg), "");
        ck_assert_mem_eq(before, reel_param_data(b), sizeof before);
    }
    /* Looking at the averages in between has not changed them. */
    float one[4];
    assert_ok(reel_average_swap(avg), "");
    memcpy(one, reel_param_data(b), sizeof one);
    assert_ok(reel_average_swap(avg), "");
    assert_ok(reel_average_swap(other), "");
    ck_assert_mem_eq(one, reel_param_data(b), sizeof one);
    reel_average_free(avg);
    reel_average_free(other);
    reel_opt_free(opt);
    reel_params_free(ps);
}
END_TEST

START_TEST(averages_take_late_weights_and_survive_failure)
{
    reel_params *ps = two_weights(REEL_F64);
    reel_average *avg = reel_average_new(ps, 0);
    for (uint64_t n = 1; n <= 3; n++) {
        reel__memory_fail(n, false);
        ck_assert_int_eq(reel_average_update(avg), REEL_ERR_MEMORY);
        reel__memory_fail(0, false);
        assert_params_error(ps, REEL_ERR_MEMORY, "reel_average_update: out of memory");
        ck_assert_int_eq(reel_average_swap(avg), REEL_ERR_ARGUMENT);
        reel_params_clear_error(ps);
        reel_average_free(avg);
        avg = reel_average_new(ps, 0);
    }
    assert_ok(reel_average_update(avg), "");
    reel_param *late = reel_params_get(ps, "late", reel_dims(1), constant(5), 0);
    reel__memory_fail(2, false);
    ck_assert_int_eq(reel_average_update(avg), REEL_ERR_MEMORY);
    reel__memory_fail(0, false);
    reel_params_clear_error(ps);
    reel__memory_fail(2, false);
    ck_assert_int_eq(reel_average_swap(avg), REEL_ERR_MEMORY);
    reel__memory_fail(0, false);
    assert_params_error(ps, REEL_ERR_MEMORY, "reel_average_swap: out of memory");
    assert_ok(reel_average_swap(avg), "");
    assert_values(late, (double[]){5});
    assert_ok(reel_average_swap(avg), "");
    assert_ok(reel_average_update(avg), "");
    ck_assert_int_eq(reel_param_write(late, (double[]){7}, 1), REEL_OK);
    assert_ok(reel_average_update(avg), "");
    reel_param *later = reel_params_get(ps, "later", reel_dims(1), constant(3), 0);
    assert_ok(reel_average_swap(avg), "");
    assert_values(late, (double[]){6});
    assert_values(later, (double[]){3});
    assert_values(reel_params_find(ps, "a"), (double[]){1, -2, 3});
    reel_average_free(avg);
    avg = reel_average_new(ps, 1);
    assert_params_error(ps, REEL_ERR_ARGUMENT, "reel_average_new: decay 1");
    reel_average_free(avg);
    reel_average_free(NULL);
    ck_assert_int_eq(reel_average_update(NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_average_swap(NULL), REEL_ERR_ARGUMENT);
    reel_params_free(ps);
}
END_TEST

START_TEST(averages_are_saved_and_restored)
{
    reel_params *ps = two_weights(REEL_F64), *qs = two_weights(REEL_F64);
    reel_average *avg = reel_average_new(ps, 0), *twin = reel_average_new(qs, 0);
    reel_param *a = reel_params_find(ps, "a"), *q = reel_params_find(qs, "a");
    uint64_t updates = 9;
    ck_assert_ptr_null(reel_average_read(avg, a, &updates));
    ck_assert_uint_eq(updates, 0);
    for (int k = 0; k < 4; k++) {
        ck_assert_int_eq(reel_param_write(a, (double[]){k, 0.1 * k, -k}, 3), REEL_OK);
        assert_ok(reel_average_update(avg), "");
    }
    const double *mean = reel_average_read(avg, a, &updates);
    ck_assert_uint_eq(updates, 4);
    assert_ok(reel_average_restore(twin, q, mean, 3, updates), reel_params_message(qs));
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(reel_param_write(a, (double[]){k, 7, k * k}, 3), REEL_OK);
        ck_assert_int_eq(reel_param_write(q, (double[]){k, 7, k * k}, 3), REEL_OK);
        assert_ok(reel_average_update(avg), "");
        assert_ok(reel_average_update(twin), "");
    }
    ck_assert_mem_eq(reel_average_read(avg, a, &updates), reel_average_read(twin, q, &updates),
                     3 * sizeof *mean);
    ck_assert_uint_eq(updates, 7);
    ck_assert_int_eq(reel_average_restore(twin, q, mean, 2, 1), REEL_ERR_ARGUMENT);
    assert_params_error(qs, REEL_ERR_ARGUMENT, "reel_average_restore");
    ck_assert_int_eq(reel_average_restore(twin, a, mean, 3, 1), REEL_ERR_ARGUMENT);
    reel_average_free(avg);
    reel_average_free(twin);
    reel_params_free(ps);
    reel_params_free(qs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("opt");
    TCase *rules = tcase_create("rules");
    tcase_add_loop_test(rules, trajectories_agree, 0, 2 * CASES);
    tcase_add_loop_test(rules, trajectories_agree_in_f32, 0, CASES);
    tcase_add_loop_test(rules, large_weights_and_clipped_steps, 0, 2);
    suite_add_tcase(suite, rules);
    TCase *steps = tcase_create("steps");
    tcase_add_test(steps, frozen_weights_stay);
    tcase_add_test(steps, groups_have_their_own_numbers);
    tcase_add_loop_test(steps, a_gradient_that_is_not_finite_changes_nothing, 0, 8);
    tcase_add_test(steps, gradients_too_large_are_told);
    tcase_add_loop_test(steps, a_failed_allocation_changes_nothing, 0, 4);
    tcase_add_test(steps, making_an_optimizer_may_fail);
    tcase_add_test(steps, gradients_are_nodes);
    tcase_add_test(steps, micro_batches_add_up);
    tcase_add_test(steps, wrong_gradients_are_told);
    tcase_add_loop_test(steps, bad_options_are_told, 0,
                        (int)(sizeof bad_options / sizeof *bad_options));
    tcase_add_test(steps, defaults_are_as_documented);
    tcase_add_loop_test(steps, a_restored_optimizer_goes_on_bit_for_bit, 0, 4);
    tcase_add_test(steps, slots_have_names);
    suite_add_tcase(suite, steps);
    TCase *clips = tcase_create("clipping");
    tcase_add_loop_test(clips, clipping_of_values_agrees, 0, 4);
    tcase_add_loop_test(clips, clipping_by_the_optimizer_agrees, 0, 12);
    tcase_add_test(clips, clipping_has_an_order);
    tcase_add_test(clips, norms_below_the_limit_stay);
    tcase_add_test(clips, clipping_leaves_what_is_not_finite);
    suite_add_tcase(suite, clips);
    TCase *time = tcase_create("schedules");
    tcase_add_loop_test(time, schedules_agree, 0, (int)(sizeof schedules / sizeof *schedules));
    tcase_add_test(time, plateaus_agree);
    tcase_add_test(time, schedules_at_their_edges);
    suite_add_tcase(suite, time);
    TCase *averages = tcase_create("averages");
    tcase_add_loop_test(averages, averages_follow_their_formula, 0, 2);
    tcase_add_test(averages, swapping_twice_is_nothing);
    tcase_add_test(averages, averages_take_late_weights_and_survive_failure);
    tcase_add_test(averages, averages_are_saved_and_restored);
    suite_add_tcase(suite, averages);
    return suite_run(suite);
}
