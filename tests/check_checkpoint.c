/* Checkpoints: what training remembers, saved and taken back, continues bit for bit. */
#include <reel/cell.h>
#include <reel/file.h>
#include <reel/opt.h>

#include "folder.h"
#include "memory.h"
#include "suite.h"

enum { WEIGHTS = 3, LARGEST = 6 };

static const reel_init normal = {REEL_INIT_NORMAL, 0, 1};

typedef struct training {
    reel_params *params;
    reel_opt *opt;
} training;

static reel_opt *make_opt(reel_params *ps, int kind)
{
    switch (kind) {
    case 0:
        return reel_sgd(ps, .rate = 0.1);
    case 1:
        return reel_sgd(ps, .rate = 0.1, .momentum = 0.9, .nesterov = true);
    case 2:
        return reel_adagrad(ps);
    case 3:
        return reel_rmsprop(ps, .momentum = 0.5, .centered = true);
    case 4:
        return reel_adadelta(ps);
    case 5:
        return reel_adam(ps, .rate = 0.01);
    default:
        return reel_adamw(ps);
    }
}
enum { KINDS = 7 };

static training training_make(reel_dtype dtype, uint64_t seed, int kind)
{
    training t = {.params = reel_params_new(dtype, seed)};
    reel_params_get(t.params, "w", reel_dims(3, 2), normal, 0);
    reel_params_get(t.params, "opt.m.w", reel_dims(2), normal, 0); /* a name to be confused by */
    reel_params_get(t.params, "late", reel_scalar_shape(), normal, 0);
    t.opt = make_opt(t.params, kind);
    ck_assert_ptr_nonnull(t.opt);
    ck_assert_msg(reel_params_status(t.params) == REEL_OK, "%s", reel_params_message(t.params));
    return t;
}

static void training_free(training *t)
{
    reel_opt_free(t->opt);
    reel_params_free(t->params);
}

/* Update k: the last weight gets a gradient from step 6 on. */
static void step(training *t, int k)
{
    double value[WEIGHTS][LARGEST];
    const double *grad[WEIGHTS];
    reel_param *param[WEIGHTS];
    size_t n = k >= 6 ? WEIGHTS : WEIGHTS - 1;
    for (size_t i = 0; i < n; i++) {
        param[i] = reel_params_at(t->params, i);
        for (int j = 0; j < LARGEST; j++) {
            value[i][j] = (double)((k * 7 + (int)i * 5 + j * 3) % 11) / 7 - 0.6;
        }
        grad[i] = value[i];
    }
    reel_status status = reel_opt_apply_values(t->opt, n, param, grad);
    ck_assert_msg(status == REEL_OK, "%s", reel_params_message(t->params));
}

static void assert_equal(const training *a, const training *b)
{
    for (size_t i = 0; i < WEIGHTS; i++) {
        reel_param *p = reel_params_at(a->params, i), *q = reel_params_at(b->params, i);
        size_t bytes = (size_t)reel_param_size(p) * reel_dtype_size(reel_param_dtype(p));
        ck_assert_mem_eq(reel_param_data(p), reel_param_data(q), bytes);
        ck_assert_uint_eq(reel_opt_param_count(a->opt, p), reel_opt_param_count(b->opt, q));
        const char *name, *other;
        for (int k = 0; reel_opt_slot(a->opt, p, k, &name); k++) {
            const void *slot = reel_opt_slot(b->opt, q, k, &other);
            ck_assert_ptr_nonnull(slot);
            ck_assert_str_eq(name, other);
            ck_assert_mem_eq(reel_opt_slot(a->opt, p, k, &name), slot, bytes);
        }
    }
    ck_assert_uint_eq(reel_opt_count(a->opt), reel_opt_count(b->opt));
    ck_assert(reel_opt_rate(a->opt) == reel_opt_rate(b->opt));
}

static reel_status put(reel_archive *a, const training *t)
{
    reel_status status = reel_archive_put_params(a, "model.", t->params);
    return status ? status : reel_archive_put_opt(a, t->opt);
}

static reel_status take(reel_archive *a, const training *t)
{
    reel_status status = reel_archive_take_params(a, "model.", t->params);
    return status ? status : reel_archive_take_opt(a, t->opt);
}

#define assert_ok(status, a) ck_assert_msg((status) == REEL_OK, "%s", reel_archive_message(a))

/* Through a file, so that all of it is what a later run would find. */
static void save(const training *t, const char *path)
{
    reel_archive *a = reel_archive_new();
    reel_status status = put(a, t);
    status = status ? status : reel_archive_write(a, path);
    assert_ok(status, a);
    reel_archive_free(a);
}

static void restore(const training *t, const char *path)
{
    reel_archive *a = reel_archive_new();
    reel_status status = reel_archive_read(a, path);
    status = status ? status : take(a, t);
    assert_ok(status, a);
    reel_archive_free(a);
}

START_TEST(resumes_bit_for_bit)
{
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    folder f = folder_make();
    char path[FOLDER_PATH];
    folder_file(&f, path, "checkpoint");
    training whole = training_make(dtype, 1, _i / 2);
    int k = 0;
    for (; k < 5; k++) {
        step(&whole, k);
    }
    reel_opt_set_rate(whole.opt, 0.0123);
    save(&whole, path);
    training resumed = training_make(dtype, 2, _i / 2);
    restore(&resumed, path);
    assert_equal(&whole, &resumed);
    for (; k < 12; k++) {
        step(&whole, k);
        step(&resumed, k);
    }
    assert_equal(&whole, &resumed);
    /* Going back: what the optimizer has learned since is forgotten, of a weight too that was new
     * then. */
    training again = training_make(dtype, 3, _i / 2);
    restore(&resumed, path);
    restore(&again, path);
    for (k = 5; k < 8; k++) {
        step(&again, k);
        step(&resumed, k);
    }
    assert_equal(&again, &resumed);
    training_free(&whole);
    training_free(&resumed);
    training_free(&again);
    folder_remove(&f);
}
END_TEST

START_TEST(state_changes_dtype_with_the_weights)
{
    training narrow = training_make(REEL_F32, 1, 5), wide = training_make(REEL_F64, 2, 5),
             back = training_make(REEL_F32, 3, 5);
    step(&narrow, 0);
    step(&narrow, 1);
    reel_archive *a = reel_archive_new(), *b = reel_archive_new();
    reel_status status = put(a, &narrow);
    status = status ? status : take(a, &wide);
    assert_ok(status, a);
    status = put(b, &wide);
    status = status ? status : take(b, &back);
    assert_ok(status, b);
    assert_equal(&narrow, &back);
    reel_archive_free(a);
    reel_archive_free(b);
    training_free(&narrow);
    training_free(&wide);
    training_free(&back);
}
END_TEST

/* Taking the optimizer fails like that, and it has not changed. */
static void assert_refused(reel_archive *a, int kind, const char *expected)
{
    training t = training_make(REEL_F64, 1, kind), before = training_make(REEL_F64, 1, kind);
    step(&t, 3);
    step(&before, 3);
    ck_assert_int_ne(reel_archive_take_opt(a, t.opt), REEL_OK);
    ck_assert_msg(strcmp(reel_archive_message(a), expected) == 0, "got: %s",
                  reel_archive_message(a));
    assert_equal(&before, &t);
    reel_archive_free(a);
    training_free(&t);
    training_free(&before);
}

static reel_archive *archive_of_adam(int steps)
{
    training t = training_make(REEL_F64, 1, 5);
    for (int k = 0; k < steps; k++) {
        step(&t, k);
    }
    reel_archive *a = reel_archive_new();
    ck_assert_int_eq(reel_archive_put_opt(a, t.opt), REEL_OK);
    training_free(&t);
    return a;
}

START_TEST(what_does_not_fit_is_told)
{
    static const double zeros[8];
    assert_refused(reel_archive_new(), 5,
                   "archive: holds no optimizer (no entry 'opt.kind' in the metadata)");
    assert_refused(archive_of_adam(1), 0, "archive: holds the optimizer 'adam', expected 'sgd'");

    reel_archive *a = archive_of_adam(2);
    ck_assert_int_eq(reel_archive_set(a, "opt.count", "two"), REEL_OK);
    assert_refused(a, 5, "archive: metadata 'opt.count' is 'two', expected a whole number");
    a = archive_of_adam(2);
    ck_assert_int_eq(reel_archive_set(a, "opt.rate", "fast"), REEL_OK);
    assert_refused(a, 5, "archive: metadata 'opt.rate' is 'fast', expected a hexadecimal float");
    a = archive_of_adam(2);
    ck_assert_int_eq(reel_archive_set(a, "opt.count.w", "-2"), REEL_OK);
    assert_refused(a, 5, "archive: metadata 'opt.count.w' is '-2', expected a whole number");
    a = archive_of_adam(2);
    ck_assert_int_eq(reel_archive_set_u64(a, "opt.count.gone", 2), REEL_OK);
    assert_refused(
        a, 5,
        "archive: holds optimizer state of a weight 'gone', which the params do not have: "
        "make the weights first");
    a = archive_of_adam(2);
    ck_assert_int_eq(reel_archive_set_u64(a, "opt.count.late", 2), REEL_OK);
    assert_refused(a, 5,
                   "archive: no tensor 'opt.m.late', expected as the weight has been updated");
    a = archive_of_adam(2);
    ck_assert_int_eq(reel_archive_set_u64(a, "opt.count.late", 2), REEL_OK);
    ck_assert_int_eq(reel_archive_put(a, "opt.m.late", REEL_F64, zeros, reel_dims(2)), REEL_OK);
    assert_refused(a, 5,
                   "archive: tensor 'opt.m.late' has shape [2], expected [] as the weight has");
    a = archive_of_adam(2);
    ck_assert_int_eq(reel_archive_set_u64(a, "opt.count.late", 2), REEL_OK);
    ck_assert_int_eq(reel_archive_put(a, "opt.m.late", REEL_I32, zeros, reel_scalar_shape()),
                     REEL_OK);
    assert_refused(
        a, 5, "archive: tensor 'opt.m.late' is I32 [], expected F64, F32, F16 or BF16 of shape []");
}
END_TEST

START_TEST(names_may_clash)
{
    training t = training_make(REEL_F32, 1, 5);
    reel_archive *a = reel_archive_new();
    step(&t, 0);
    ck_assert_int_eq(reel_archive_put_params(a, "", t.params), REEL_OK);
    ck_assert_int_eq(reel_archive_put_opt(a, t.opt), REEL_ERR_ARGUMENT);
    ck_assert_str_eq(reel_archive_message(a),
                     "tensor 'opt.m.w' is in the archive already: names must differ");
    reel_archive_free(a);
    training_free(&t);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    training from = training_make(REEL_F32, 1, 5), old = training_make(REEL_F32, 2, 5);
    step(&from, 0);
    step(&from, 7);
    step(&old, 4);
    bool failed = true;
    uint64_t n = 0;
    while (failed) {
        training to = training_make(REEL_F32, 2, 5);
        step(&to, 4);
        reel_archive *a = reel_archive_new();
        reel__memory_fail(++n, false);
        reel_status status = reel_archive_put_opt(a, from.opt);
        status = status ? status : reel_archive_take_opt(a, to.opt);
        failed = reel__memory_failed();
        reel__memory_fail(0, false);
        ck_assert_int_eq(status, failed ? REEL_ERR_MEMORY : REEL_OK);
        ck_assert_int_eq(reel_archive_status(a), status);
        reel_param *p = reel_params_at(to.params, 0);
        ck_assert_uint_eq(reel_opt_param_count(to.opt, p), failed ? 1 : 2);
        if (failed) {
            assert_equal(&old, &to);
        }
        reel_archive_free(a);
        training_free(&to);
    }
    ck_assert_uint_gt(n, 20);
    training_free(&from);
    training_free(&old);
}
END_TEST

/* Carried states. */

static reel_carry make_carry(int n, double first)
{
    reel_carry carry = {.n = n};
    for (int k = 0; k < n; k++) {
        carry.shape[k] = reel_dims(2, k + 1);
        carry.value[k] = reel__malloc(sizeof(double) * 2 * (size_t)(k + 1));
        ck_assert_ptr_nonnull(carry.value[k]);
        for (int i = 0; i < 2 * (k + 1); i++) {
            carry.value[k][i] = first + k + i / 10.0;
        }
    }
    return carry;
}

static void assert_carry(const reel_carry *a, const reel_carry *b)
{
    ck_assert_int_eq(a->n, b->n);
    for (int k = 0; k < a->n; k++) {
        ck_assert(reel_shape_equal(a->shape[k], b->shape[k]));
        ck_assert_mem_eq(a->value[k], b->value[k],
                         sizeof(double) * (size_t)reel_shape_size(a->shape[k]));
    }
}

START_TEST(states_come_back)
{
    for (int n = 0; n <= REEL_MAX_STATES; n += 16) {
        reel_carry carry = make_carry(n, 1), back = make_carry(3, 5);
        reel_archive *a = reel_archive_new();
        assert_ok(reel_archive_put_carry(a, &carry), a);
        assert_ok(reel_archive_take_carry(a, &back), a);
        assert_carry(&carry, &back);
        reel_archive_free(a);
        reel_carry_free(&carry);
        reel_carry_free(&back);
    }
}
END_TEST

START_TEST(bad_states_are_told)
{
    static const struct {
        const char *count, *message;
        reel_dtype dtype;
    } bad[] = {
        {NULL, "archive: no entry 'carry.count' in the metadata, expected a whole number",
         REEL_F64},
        {"65", "archive: metadata 'carry.count' is 65, expected at most 64", REEL_F64},
        {"2", "archive: tensor 'carry.1' is missing, expected F64 states", REEL_F64},
        {"1", "archive: tensor 'carry.0' is of another dtype, expected F64 states", REEL_F32},
    };
    static const double zeros[4];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reel_carry carry = make_carry(2, 1), before = make_carry(2, 1);
        reel_archive *a = reel_archive_new();
        ck_assert_int_eq(reel_archive_put(a, "carry.0", bad[i].dtype, zeros, reel_dims(2)),
                         REEL_OK);
        if (bad[i].count) {
            ck_assert_int_eq(reel_archive_set(a, "carry.count", bad[i].count), REEL_OK);
        }
        ck_assert_int_eq(reel_archive_take_carry(a, &carry), REEL_ERR_FORMAT);
        ck_assert_str_eq(reel_archive_message(a), bad[i].message);
        assert_carry(&before, &carry);
        reel_archive_free(a);
        reel_carry_free(&carry);
        reel_carry_free(&before);
    }
}
END_TEST

START_TEST(null_is_no_crash)
{
    reel_archive *a = reel_archive_new();
    ck_assert_int_eq(reel_archive_put_opt(a, NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_take_opt(a, NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_put_carry(a, NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_take_carry(a, NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_take_carry(NULL, NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_put_opt(NULL, NULL), REEL_ERR_ARGUMENT);
    reel_archive_free(a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *opt = tcase_create("optimizers");
    tcase_add_loop_test(opt, resumes_bit_for_bit, 0, 2 * KINDS);
    tcase_add_test(opt, state_changes_dtype_with_the_weights);
    tcase_add_test(opt, what_does_not_fit_is_told);
    tcase_add_test(opt, names_may_clash);
    tcase_add_test(opt, every_allocation_may_fail);
    suite_add_tcase(suite, opt);
    TCase *carry = tcase_create("states");
    tcase_add_test(carry, states_come_back);
    tcase_add_test(carry, bad_states_are_told);
    tcase_add_test(carry, null_is_no_crash);
    suite_add_tcase(suite, carry);
    return suite_run(suite);
}
