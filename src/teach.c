/* Job: training of sequences by their own words and by rewards.
 * Must not know: what a step computes.
 * Invariant: a word that is drawn is a number: nothing differentiates through it. The draws are
 * those of one generator, step after step and row after row, one for each word that may be either,
 * and another for each that is drawn. */
#include <reel/ops.h>
#include <reel/tape.h>
#include <reel/teach.h>

#include <limits.h>
#include <math.h>
#include <string.h>

#include "memory.h"
#include "tape.h"

double reel_truth_share(const reel_teacher *t, int64_t i)
{
    double n = (double)i, share = t->k;
    switch (t->decay) {
    case REEL_DECAY_NONE:
        break;
    case REEL_DECAY_LINEAR:
        share = fmax(t->floor, t->k - t->c * n);
        break;
    case REEL_DECAY_EXPONENTIAL:
        share = pow(t->k, n);
        break;
    case REEL_DECAY_INVERSE_SIGMOID:
        share = 1 / (1 + exp(n / t->k - log(t->k))); /* exp may become infinite, this not */
        break;
    }
    return share > 1 ? 1 : share > 0 ? share : 0;
}

int64_t reel_mixer_forced(const reel_mixer *m, int64_t epoch, int64_t N)
{
    int64_t stage = epoch < m->first || m->each < 1 ? 0 : 1 + (epoch - m->first) / m->each;
    int64_t free_steps = m->by < 1 ? 0 : stage > N / m->by ? N : stage * m->by;
    return free_steps < N ? N - free_steps : 0;
}

/* Roll-outs */

typedef struct rolling {
    const reel_roll_args *a;
    int32_t *last, *own, *source; /* [batch] */
    bool *ended;
    double *value; /* [batch][vocabulary] */
    size_t room;
} rolling;

static reel_status no_memory(const rolling *r)
{
    reel_tape_fail(r->a->tape, r->a->at, REEL_ERR_MEMORY, "roll_out: out of memory");
    return REEL_ERR_MEMORY;
}

/* Whether some word after step t is read from its values. */
static bool needs_own(const reel_roll_args *a, int64_t t)
{
    bool last = t + 1 == a->N;
    bool truth = a->truth && !last && (t + 1 <= a->forced || a->share >= 1);
    return a->next || (!last && !truth) || a->length;
}

/* One word from log-probabilities. */
static int32_t choose(const reel_roll_args *a, double *logp, int64_t n)
{
    if (a->own == REEL_OWN_UNIFORM) {
        return (int32_t)reel_random_below(a->random, (uint64_t)n);
    }
    int64_t best = 0;
    for (int64_t v = 1; v < n; v++) {
        best = logp[v] > logp[best] ? v : best;
    }
    if (a->own == REEL_OWN_LIKELIEST) {
        return (int32_t)best;
    }
    for (int64_t v = 0; v < n; v++) {
        logp[v] = exp(logp[v]);
    }
    return (int32_t)reel_random_choice(a->random, logp, (size_t)n);
}

/* Reads the step's values and says a word for each row. */
static reel_status say(rolling *r, int64_t t, reel_node *out)
{
    const reel_roll_args *a = r->a;
    if (!needs_own(a, t)) {
        return reel_tape_status(a->tape);
    }
    if (!out || reel_node_rank(out) != 2 || reel_node_dim(out, 0) != a->batch) {
        if (!reel_tape_status(a->tape)) {
            reel_tape_fail(a->tape, a->at, REEL_ERR_SHAPE,
                           "roll_out: step %lld gives %d axes: expected [%lld, vocabulary]",
                           (long long)t, out ? reel_node_rank(out) : 0, (long long)a->batch);
        }
        return reel_tape_status(a->tape);
    }
    const int64_t n = reel_node_dim(out, 1);
    const size_t size = (size_t)reel_node_size(out);
    if (size > r->room) {
        double *more = reel__reallocarray(r->value, size, sizeof *more);
        if (!more) {
            return no_memory(r);
        }
        r->value = more;
        r->room = size;
    }
    reel_status status = reel_read(out, r->value, size);
    for (int64_t b = 0; !status && b < a->batch; b++) {
        if (r->ended[b]) {
            r->own[b] = a->end;
        } else {
            r->own[b] = choose(a, r->value + b * n, n);
            if (a->length) {
                a->length[b]++;
            }
        }
    }
    return status;
}

/* The words before step t + 1. Returns whether there is a sequence that goes on. */
static bool next_words(rolling *r, int64_t t)
{
    const reel_roll_args *a = r->a;
    const int32_t *truth = a->truth && t + 1 < a->N ? a->truth + (t + 1) * a->batch : NULL;
    bool more = false;
    for (int64_t b = 0; b < a->batch; b++) {
        bool forced = truth && (t + 1 <= a->forced || a->share >= 1);
        bool given = forced || (truth && a->share > 0 && !r->ended[b] &&
                                reel_random_uniform(a->random) < a->share);
        r->last[b] = given ? truth[b] : r->own[b];
        r->ended[b] = r->ended[b] || (!given && a->ends && r->own[b] == a->end);
        more = more || !r->ended[b];
    }
    return more;
}

static reel_status roll(rolling *r)
{
    const reel_roll_args *a = r->a;
    reel_state none = {0};
    reel_status status = reel_tape_status(a->tape);
    for (int64_t b = 0; b < a->batch; b++) {
        r->last[b] = a->truth ? a->truth[b] : a->begin;
        r->source[b] = (int32_t)b;
        if (a->length) {
            a->length[b] = 0;
        }
    }
    reel_node *source = reel_input_at(a->at, a->tape, REEL_I32, r->source, reel_dims(a->batch));
    bool more = true;
    int64_t t = 0;
    for (; !status && more && t < a->N; t++) {
        reel_node *last = reel_input_at(a->at, a->tape, REEL_I32, r->last, reel_dims(a->batch));
        a->out[t] = a->step(a->context, t, last, source, a->state ? a->state : &none);
        status = say(r, t, a->out[t]);
        if (!status && a->next) {
            memcpy(a->next + t * a->batch, r->own, (size_t)a->batch * sizeof *r->own);
        }
        more = !status && next_words(r, t);
    }
    if (a->steps) {
        *a->steps = t;
    }
    for (; t < a->N; t++) { /* all have ended, or an error stands in the way */
        a->out[t] = NULL;
        for (int64_t b = 0; a->next && b < a->batch; b++) {
            a->next[t * a->batch + b] = a->end;
        }
    }
    return status;
}

reel_status reel_roll_out_with(const reel_roll_args *a)
{
    if (!a || !a->tape) {
        return REEL_ERR_ARGUMENT;
    }
    if (a->steps) {
        *a->steps = 0;
    }
    bool own = a->next || a->length || !(a->truth && a->share >= 1);
    bool chance =
        (own && a->own != REEL_OWN_LIKELIEST) || (a->truth && a->share > 0 && a->share < 1);
    if (!a->step || !a->out || a->batch < 1 || a->N < 1 || !(a->share >= 0 && a->share <= 1) ||
        (chance && !a->random)) {
        reel_tape_fail(
            a->tape, a->at, REEL_ERR_ARGUMENT,
            "roll_out: batch %lld, %lld steps, share %g%s: expected a step function, room "
            "for its results, 1 or more of the first two, a share from 0 to 1, and a "
            "generator where something is drawn",
            (long long)a->batch, (long long)a->N, a->share, a->random ? "" : ", no generator");
        return REEL_ERR_ARGUMENT;
    }
    const size_t batch = (size_t)a->batch;
    rolling r = {.a = a,
                 .last = reel__calloc(batch, sizeof *r.last),
                 .own = reel__calloc(batch, sizeof *r.own),
                 .source = reel__calloc(batch, sizeof *r.source),
                 .ended = reel__calloc(batch, sizeof *r.ended)};
    bool room = r.last && r.own && r.source && r.ended;
    reel_status status = room ? roll(&r) : no_memory(&r);
    reel__free(r.last);
    reel__free(r.own);
    reel__free(r.source);
    reel__free(r.ended);
    reel__free(r.value);
    return status;
}

/* Rewards */

reel_node *reel_policy_loss_at(const char *at, int64_t N, reel_node *const *out,
                               const int32_t *next, const double *advantage)
{
    if (N < 1 || N > INT_MAX || !out || !next || !advantage) {
        return reel_node_fail(at, out && N > 0 ? out[0] : NULL, REEL_ERR_ARGUMENT,
                              "policy_loss: %lld steps: expected 1 or more, their words and "
                              "advantages",
                              (long long)N);
    }
    enum { SKIPPED = -1 };
    reel_tape *tape = reel_node_tape(out[0]);
    const int64_t batch = reel_node_dim(out[0], 0);
    reel_node **term = tape ? reel__arena_alloc(&tape->arena, (size_t)N * sizeof *term) : NULL;
    int32_t *some =
        tape ? reel__arena_alloc(&tape->arena, ((size_t)batch + 1) * sizeof *some) : NULL;
    if (!term || !some) {
        return reel__fail(tape, REEL_ERR_MEMORY, at, "out of memory for a loss");
    }
    for (int64_t t = 0; t < N; t++) {
        reel_shape shape = reel_dims(batch);
        for (int64_t b = 0; b < batch; b++) {
            some[b] = advantage[t * batch + b] == 0 ? SKIPPED : next[t * batch + b];
        }
        reel_node *word = reel_input_at(at, tape, REEL_I32, some, shape);
        reel_node *gain = reel_input_at(at, tape, REEL_F64, advantage + t * batch, shape);
        reel_node *logp = reel_pick_skip_at(at, out[t], word, SKIPPED);
        term[t] = reel_sum_at(at, reel_mul_at(at, logp, gain));
    }
    return reel_scale_at(at, reel_sum_of_at(at, (int)N, term), batch > 0 ? -1 / (double)batch : 0);
}

reel_node *reel_baseline_at(const char *at, reel_params *ps, const char *name, int64_t N,
                            reel_node *const *h, const double *reward, const double *weight,
                            double *value)
{
    if (N < 1 || N > INT_MAX || !h || !reward || !value) {
        return reel_node_fail(at, h && N > 0 ? h[0] : NULL, REEL_ERR_ARGUMENT,
                              "baseline: %lld steps: expected 1 or more, rewards and room for "
                              "values",
                              (long long)N);
    }
    reel_tape *tape = reel_node_tape(h[0]);
    const int64_t batch = reel_node_dim(h[0], 0);
    double all = 0;
    for (int64_t i = 0; i < N * batch; i++) {
        all += weight ? weight[i] : 1;
    }
    reel_node *seen = reel_detach_at(at, reel_stack_at(at, (int)N, h));
    reel_node *b = reel_linear_at(at, ps, name, 1, seen); /* [N, batch, 1] */
    reel_shape shape = reel_dims(N, batch, 1);
    reel_node *error = reel_sub_at(at, b, reel_input_at(at, tape, REEL_F64, reward, shape));
    reel_node *square = reel_square_at(at, error);
    if (weight) {
        square = reel_mul_at(at, square, reel_input_at(at, tape, REEL_F64, weight, shape));
    }
    if (reel_read(b, value, (size_t)(N * batch))) {
        return square; /* the error node */
    }
    return reel_scale_at(at, reel_sum_at(at, square), all > 0 ? 1 / all : 0);
}
