/* Training's gradients, which are derived block by block from what is known of each block's
 * template, against reel_grad on the reference executor: bit for bit where all numbers are whole,
 * else within the bound of agreement.h. Each program runs on one tape at one length after another,
 * so that its backward passes are put together from parts learnt at other lengths, and played
 * again; the bits must be those of a tape that has seen nothing before.
 *
 * check_derive PROGRAM...: those programs alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/ops.h>
#include <reel/opt.h>
#include <reel/plan.h>

#include "agreement.h"
#include "derive_programs.h"
#include "noisy.h"
#include "plan.h"
#include "suite.h"

enum { MOST_WEIGHTS = 24, MOST_ELEMENTS = 4096 };

/* A loss and its gradients, one weight after another. */
typedef struct outcome {
    double loss;
    size_t weights, n;
    size_t first[MOST_WEIGHTS + 1];
    bool used[MOST_WEIGHTS];
    double gradient[MOST_ELEMENTS];
} outcome;

typedef struct trainer {
    const derive_program *program;
    reel_dtype dtype;
    study s;
    unsigned passes;
    reel_tape *tape, *oracle;
} trainer;

static trainer open_trainer(const derive_program *program, reel_dtype dtype)
{
    trainer t = {.program = program, .dtype = dtype, .passes = REEL__PASS_ALL};
    t.s.params = reel_params_new(dtype, 1);
    t.s.whole = program->whole;
    t.tape = reel_tape_new(1, .dtype = dtype, .executor = REEL_COMPILED);
    t.oracle = reel_tape_new(1, .dtype = dtype, .executor = REEL_REFERENCE);
    ck_assert(t.s.params && t.tape && t.oracle);
    return t;
}

static void close_trainer(trainer *t)
{
    reel_tape_free(t->tape);
    reel_tape_free(t->oracle);
    for (int i = 0; i < DERIVE_CELLS; i++) {
        reel_cell_free(t->s.cell[i]);
    }
    reel_params_free(t->s.params);
}

/* Records the program on the tape. The same turn has the same numbers, masks included. */
static reel_node *record(trainer *t, reel_tape *tape, int length, int turn)
{
    reel_tape_reset(tape);
    reel_tape_set_counter(tape, (uint64_t)turn);
    t->s.tape = tape;
    t->s.length = length;
    t->s.data = reel_random_new((uint64_t)turn, 2);
    reel_node *loss = t->program->record(&t->s);
    ck_assert_msg(reel_tape_status(tape) == REEL_OK, "%s", reel_tape_message(tape));
    return loss;
}

/* New weights for every turn: a gradient of the turn before is no use. */
static void change_weights(trainer *t, int turn)
{
    reel_random r = reel_random_new((uint64_t)turn, 3);
    for (size_t k = 0; k < reel_params_count(t->s.params); k++) {
        reel_param *p = reel_params_at(t->s.params, k);
        double v[MOST_ELEMENTS];
        size_t n = (size_t)reel_param_size(p);
        ck_assert_uint_le(n, MOST_ELEMENTS);
        for (size_t i = 0; i < n; i++) {
            v[i] = t->program->whole ? (double)reel_random_below(&r, 5) - 2
                                     : reel_random_uniform(&r) - 0.5;
        }
        ck_assert_int_eq(reel_param_write(p, v, n), REEL_OK);
    }
}

static double *room_for(outcome *o, const reel_param *p)
{
    size_t n = (size_t)reel_param_size(p);
    ck_assert(o->weights < MOST_WEIGHTS && o->n + n <= MOST_ELEMENTS);
    o->first[o->weights++] = o->n;
    o->n += n;
    o->first[o->weights] = o->n;
    return o->gradient + o->first[o->weights - 1];
}

/* By reel_grad, evaluated on that tape. */
static void by_nodes(trainer *t, reel_tape *tape, int length, int turn, outcome *o)
{
    reel_opt *opt = reel_sgd(t->s.params, .rate = 0.1);
    reel_node *loss = record(t, tape, length, turn), *g[MOST_WEIGHTS];
    reel_param *p[MOST_WEIGHTS];
    size_t n = reel_opt_grads(opt, loss, MOST_WEIGHTS, p, g);
    ck_assert_msg(n > 0 && n <= MOST_WEIGHTS && reel_eval(n, g) == REEL_OK, "%s",
                  reel_tape_message(tape));
    *o = (outcome){.n = 0};
    for (size_t k = 0; k < reel_params_count(t->s.params); k++) {
        const reel_param *w = reel_params_at(t->s.params, k);
        double *to = room_for(o, w);
        for (size_t i = 0; i < n; i++) {
            if (p[i] == w) {
                o->used[k] = true;
                ck_assert_int_eq(reel_read(g[i], to, (size_t)reel_param_size(w)), REEL_OK);
            }
        }
    }
    ck_assert_int_eq(reel_scalar(loss, &o->loss), REEL_OK);
    reel_opt_free(opt);
}

static derive_way way_of(reel_tape *tape)
{
    const reel__plan *plan = reel__compiled_of(tape)->ran.plan;
    ck_assert_msg(plan && plan->gradient, "the gradients were recorded and evaluated");
    return plan->from ? RECORDED : BY_BLOCKS;
}

/* By an optimizer's step: the first momentum is the gradient. The weights are what they were. */
static void by_step(trainer *t, reel_tape *tape, int length, int turn, outcome *o)
{
    reel_opt *opt = reel_sgd(t->s.params, .rate = 1e-3, .momentum = 0.5);
    reel_node *loss = record(t, tape, length, turn);
    *o = (outcome){.n = 0};
    ck_assert_msg(reel_opt_step(opt, loss, &o->loss) == REEL_OK, "%s", reel_tape_message(tape));
    for (size_t k = 0; k < reel_params_count(t->s.params); k++) {
        reel_param *p = reel_params_at(t->s.params, k);
        const void *slot = reel_opt_slot(opt, p, 0, NULL);
        double *to = room_for(o, p);
        o->used[k] = slot != NULL;
        for (int64_t i = 0; slot && i < reel_param_size(p); i++) {
            to[i] =
                t->dtype == REEL_F32 ? (double)((const float *)slot)[i] : ((const double *)slot)[i];
        }
    }
    reel_opt_free(opt);
    change_weights(t, turn);
}

/* What differs between two outcomes that must have the same bits. */
static void expect_same(const trainer *t, const outcome *a, const outcome *b, const char *what,
                        int turn)
{
    const char *name = t->program->name, *dtype = reel_dtype_name(t->dtype);
    ck_assert_uint_eq(a->n, b->n);
    ck_assert_msg(a->loss == b->loss, "%s, %s, turn %d, %s: loss %.17g, expected %.17g", name,
                  dtype, turn, what, b->loss, a->loss);
    for (size_t k = 0; k < a->weights; k++) {
        ck_assert_msg(a->used[k] == b->used[k], "%s, %s, turn %d, %s: use of weight %zu", name,
                      dtype, turn, what, k);
        for (size_t i = a->first[k]; i < a->first[k + 1]; i++) {
            ck_assert_msg(a->gradient[i] == b->gradient[i],
                          "%s, %s, turn %d, %s: gradient of %s, element %zu is %.17g, expected "
                          "%.17g",
                          name, dtype, turn, what, reel_param_name(reel_params_at(t->s.params, k)),
                          i - a->first[k], b->gradient[i], a->gradient[i]);
        }
    }
}

/* What the noisy executor finds, run by run. */
static outcome noise[MORE_NOISES];

static void listen(trainer *t, int length, int turn, int from, int to)
{
    for (int i = from; i < to; i++) {
        reel_tape *tape = reel_tape_new(1, .dtype = t->dtype, .executor = REEL_REFERENCE);
        noisy_start(agreement_epsilon(t->dtype), (uint64_t)i + 1);
        noisy_take(tape);
        by_nodes(t, tape, length, turn, &noise[i]);
        reel_tape_free(tape);
    }
}

static double movement(const outcome *want, size_t i, int noises)
{
    double most = 0;
    for (int j = 0; j < noises; j++) {
        most = fmax(most, fabs(noise[j].gradient[i] - want->gradient[i]));
    }
    return most;
}

/* The first element of weight k beyond agreement.h's bound, or the one behind the last. */
static size_t beyond(const trainer *t, const outcome *want, const outcome *got, size_t k,
                     int noises, double *bound)
{
    double largest = 0, most = 0;
    size_t i;
    for (i = want->first[k]; i < want->first[k + 1]; i++) {
        most = fmax(most, movement(want, i, noises));
        largest = fmax(largest, fabs(want->gradient[i]));
    }
    ck_assert(isfinite(most) && most <= largest);
    for (i = want->first[k]; i < want->first[k + 1]; i++) {
        *bound = agreement_bound(t->dtype, movement(want, i, noises), most, largest);
        if (!(fabs(got->gradient[i] - want->gradient[i]) <= *bound)) {
            break;
        }
    }
    return i;
}

/* Few runs may all leave an element where it was by chance: before it is called wrong, more are
 * made. */
static void expect_near(trainer *t, const outcome *want, const outcome *got, int length, int turn)
{
    int noises = FEW_NOISES;
    listen(t, length, turn, 0, noises);
    for (size_t k = 0; k < want->weights; k++) {
        double bound = 0;
        ck_assert_int_eq(want->used[k], got->used[k]);
        size_t i = beyond(t, want, got, k, noises, &bound);
        if (i < want->first[k + 1] && noises < MORE_NOISES) {
            listen(t, length, turn, noises, MORE_NOISES);
            noises = MORE_NOISES;
            i = beyond(t, want, got, k, noises, &bound);
        }
        ck_assert_msg(i == want->first[k + 1],
                      "%s, %s, turn %d: gradient of %s, element %zu is %.17g, expected %.17g, off "
                      "by %.3g, bound %.3g",
                      t->program->name, reel_dtype_name(t->dtype), turn,
                      reel_param_name(reel_params_at(t->s.params, k)), i - want->first[k],
                      got->gradient[i], want->gradient[i],
                      fabs(got->gradient[i] - want->gradient[i]), bound);
    }
}

static void one_turn(trainer *t, int length, int turn)
{
    static outcome want, got, anew;
    record(t, t->oracle, length, turn); /* makes the weights */
    change_weights(t, turn);
    by_nodes(t, t->oracle, length, turn, &want);
    by_step(t, t->tape, length, turn, &got);
    derive_way way = way_of(t->tape);
    if (t->program->whole) {
        expect_same(t, &want, &got, "as by the reference executor", turn);
    } else {
        expect_near(t, &want, &got, length, turn);
    }
    ck_assert_msg(t->program->way == ANY_WAY || way == t->program->way, "%s: gradients were %s",
                  t->program->name, way == RECORDED ? "recorded" : "derived");
    reel_tape *fresh = reel_tape_new(1, .dtype = t->dtype, .executor = REEL_COMPILED);
    reel__tape_set_passes(fresh, t->passes);
    by_step(t, fresh, length, turn, &anew);
    expect_same(t, &anew, &got, "as on a new tape", turn);
    reel_tape_free(fresh);
}

/* One length after another, twice what has just been seen, what was seen some time ago. */
static void all_turns(trainer *t)
{
    static const int lengths[] = {3, 3, 20, 16, 20, 20, 15, 3, 17, 1, 20, 2, 3};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        bool known = false;
        for (size_t k = 0; k < i; k++) {
            known = known || lengths[k] == lengths[i];
        }
        reel_plan_stats before = reel_plan_statistics(t->tape);
        one_turn(t, lengths[i], (int)i);
        reel_plan_stats after = reel_plan_statistics(t->tape);
        ck_assert_int_eq(after.misses - before.misses, !known);
        ck_assert(!known || after.templates == before.templates);
    }
}

static int programs(void)
{
    int n = 0;
    while (derive_programs[n].name) {
        n++;
    }
    return n;
}

START_TEST(gradients_agree)
{
    for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
        trainer t = open_trainer(&derive_programs[_i], (reel_dtype)dtype);
        all_turns(&t);
        close_trainer(&t);
    }
}
END_TEST

/* Each pass alone, and none; under a memory checker two of them for each program. */
START_TEST(gradients_agree_by_each_pass)
{
    static const int lengths[] = {17, 3, 17};
    const bool slow = getenv("REEL_TEST_SLOW") != NULL;
    for (int pass = -1; pass < compiled_passes(); pass++) {
        if (slow && (pass + 1 + _i) % 6) {
            continue;
        }
        trainer t = open_trainer(&derive_programs[_i], pass % 2 ? REEL_F32 : REEL_F64);
        t.passes = pass < 0 ? 0 : 1U << pass;
        reel__tape_set_passes(t.tape, t.passes);
        for (int i = 0; i < 3; i++) {
            one_turn(&t, lengths[i], i);
        }
        close_trainer(&t);
    }
}
END_TEST

/* More windows of one value than are put together at once. */
START_TEST(hundreds_of_contributions)
{
    trainer t = open_trainer(&derive_programs[_i], REEL_F64);
    if (getenv("REEL_TEST_SLOW")) { /* its memory is seen to by one of many */
        if (_i % 5 == 0) {
            one_turn(&t, 257, 1);
        }
        close_trainer(&t);
        return;
    }
    one_turn(&t, 300, 1);
    one_turn(&t, 257, 2);
    one_turn(&t, 256, 3);
    one_turn(&t, 300, 4);
    close_trainer(&t);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("derived gradients");
    TCase *agree = tcase_create("agreement");
    tcase_set_timeout(agree, 900);
    for (int k = 0; k < programs(); k++) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++) {
            wanted = wanted || strcmp(derive_programs[k].name, argv[i]) == 0;
        }
        if (wanted) {
            tcase_add_loop_test(agree, gradients_agree, k, k + 1);
            tcase_add_loop_test(agree, gradients_agree_by_each_pass, k, k + 1);
            tcase_add_loop_test(agree, hundreds_of_contributions, k, k + 1);
        }
    }
    suite_add_tcase(suite, agree);
    return suite_run(suite);
}
