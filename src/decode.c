/* Job: greedy decoding and beam search over any step function.
 * Must not know: what a step computes.
 * Invariant: a candidate is a hypothesis and a token; of equal log-probabilities the earlier
 * hypothesis comes first, then the smaller token, so that results do not depend on how they are
 * sorted. */
#include <reel/decode.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* A sequence in the making: its tokens are those of its parent and one more. */
typedef struct link {
    int64_t parent; /* in search.link; -1: none */
    int64_t length;
    int32_t token;
    double log_probability;
    double left_out; /* of an ended one: what attention did not cover, as it counts */
} link;

typedef struct candidate {
    int64_t live; /* which of the source's hypotheses */
    int32_t token;
    double log_probability;
} candidate;

typedef struct search {
    const reel_decode_args *a;
    int beam, best;
    link *link;
    int64_t links, room;
    int64_t *live;                /* [sources][beam]: links */
    int64_t *made;                /* [beam]: those of one source after the step */
    int *lives;                   /* by source */
    int *ended;                   /* by source: sequences that are set aside */
    int32_t *row, *last, *source; /* of hypotheses in the step */
    double *value;
    size_t values;
    double *covered; /* [rows][T] */
    size_t covered_room;
    int64_t places;
    candidate *top;
    candidate *drawn; /* [vocabulary]: what a token is drawn from */
    int64_t drawn_room;
    reel_hypothesis *found;
} search;

static reel_status no_memory(const search *s)
{
    reel_tape_fail(s->a->tape, s->a->at, REEL_ERR_MEMORY, "decode: out of memory");
    return REEL_ERR_MEMORY;
}

static int64_t add_link(search *s, link x)
{
    if (s->links == s->room) {
        int64_t room = s->room ? 2 * s->room : 256;
        link *more = reel__reallocarray(s->link, (size_t)room, sizeof *more);
        if (!more) {
            return -1;
        }
        s->link = more;
        s->room = room;
    }
    s->link[s->links] = x;
    return s->links++;
}

static double score_of(const reel_decode_args *a, const link *x)
{
    double n = (double)x->length;
    double by = a->penalty == REEL_LENGTH_POWER ? n : (5 + n) / 6;
    return x->log_probability / pow(by > 0 ? by : 1, a->alpha) + x->left_out;
}

static const double nothing = 1e-10; /* the least that counts as covered, against -inf */

/* The row's share of the score that is for what was left out. */
static double left_out(const search *s, int64_t source, int64_t row)
{
    const reel_decode_args *a = s->a;
    double sum = 0;
    for (int64_t j = 0; s->covered && j < (a->length ? a->length[source] : s->places); j++) {
        sum += log(fmin(fmax(s->covered[row * s->places + j], nothing), 1));
    }
    return s->covered ? a->beta * sum : 0;
}

/* Whether a token may come next. */
static bool may(const search *s, const link *x, int64_t v, double log_probability)
{
    const reel_decode_args *a = s->a;
    return !(v == a->end && x->length < a->least) && !(a->allowed && !a->allowed[v]) &&
           !isnan(log_probability) && log_probability != -INFINITY;
}

/* Puts a finished sequence in its place among the source's best. */
static bool set_aside(search *s, int64_t source, int64_t at, bool ended)
{
    const link *x = &s->link[at];
    double score = score_of(s->a, x);
    reel_hypothesis *best = s->found + source * s->best;
    int k = 0;
    while (k < s->best && best[k].length >= 0 && best[k].score >= score) {
        k++;
    }
    s->ended[source]++;
    if (k == s->best) {
        return true;
    }
    int32_t *token = reel__malloc((size_t)(x->length + 1) * sizeof *token);
    if (!token) {
        return false;
    }
    reel__free(best[s->best - 1].token);
    memmove(best + k + 1, best + k, (size_t)(s->best - 1 - k) * sizeof *best);
    best[k] = (reel_hypothesis){x->length, token, ended, x->log_probability, score};
    for (int64_t i = x->length, from = at; i-- > 0; from = s->link[from].parent) {
        token[i] = s->link[from].token;
    }
    return true;
}

/* Whether x comes before y. */
static bool before(const candidate *x, const candidate *y)
{
    if (x->log_probability != y->log_probability) {
        return x->log_probability > y->log_probability;
    }
    return x->live != y->live ? x->live < y->live : x->token < y->token;
}

/* The first `most` of the continuations of a source's hypotheses, whose rows begin at `row`. */
static int64_t choose(search *s, int64_t source, int64_t row, int64_t vocabulary, int64_t most)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->lives[source]; i++) {
        const link *x = &s->link[s->live[source * s->beam + i]];
        for (int64_t v = 0; v < vocabulary; v++) {
            double p = s->value[(row + i) * vocabulary + v];
            candidate c = {i, (int32_t)v, x->log_probability + p};
            if (!may(s, x, v, p) || (n == most && !before(&c, &s->top[n - 1]))) {
                continue;
            }
            int64_t at = n < most ? n++ : n - 1;
            while (at > 0 && before(&c, &s->top[at - 1])) {
                s->top[at] = s->top[at - 1];
                at--;
            }
            s->top[at] = c;
        }
    }
    return n;
}

static int likelier(const void *a, const void *b)
{
    return before(a, b) ? -1 : 1;
}

/* One continuation of a hypothesis, drawn at random; false when nothing may come. */
static bool draw(search *s, int64_t live, const link *x, const double *value, int64_t vocabulary,
                 candidate *out)
{
    const reel_decode_args *a = s->a;
    const double temperature = a->temperature > 0 ? a->temperature : 1;
    int64_t n = 0;
    for (int64_t v = 0; v < vocabulary; v++) {
        if (may(s, x, v, value[v])) {
            s->drawn[n++] = (candidate){live, (int32_t)v, value[v]};
        }
    }
    if (n == 0) {
        return false;
    }
    qsort(s->drawn, (size_t)n, sizeof *s->drawn, likelier);
    n = a->top_k > 0 && a->top_k < n ? a->top_k : n;
    double top = s->drawn[0].log_probability, all = 0, sum = 0;
    for (int64_t k = 0; k < n; k++) {
        all += exp((s->drawn[k].log_probability - top) / temperature);
    }
    for (int64_t k = 0; a->top_p > 0 && k < n; k++) {
        sum += exp((s->drawn[k].log_probability - top) / temperature);
        if (sum >= a->top_p * all) {
            n = k + 1;
            all = sum;
        }
    }
    double goal = reel_random_uniform(a->random) * all;
    int64_t k = 0;
    for (sum = 0; k + 1 < n; k++) {
        sum += exp((s->drawn[k].log_probability - top) / temperature);
        if (goal < sum) {
            break;
        }
    }
    *out = s->drawn[k];
    out->log_probability += x->log_probability;
    return true;
}

/* One continuation of each hypothesis; at first there is one, which goes on in `beam` ways. */
static int64_t draw_all(search *s, int64_t source, int64_t row, int64_t vocabulary)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->lives[source]; i++) {
        const link *x = &s->link[s->live[source * s->beam + i]];
        for (int k = 0; k < (x->length ? 1 : s->beam); k++) {
            n += draw(s, i, x, s->value + (row + i) * vocabulary, vocabulary, &s->top[n]);
        }
    }
    return n;
}

/* The source's hypotheses after the step; what ends is set aside. Fills in the rows that go on. */
static bool go_on(search *s, int64_t source, int64_t row, int64_t vocabulary, int64_t t,
                  int64_t *rows)
{
    /* each hypothesis ends in one way, so that with so many there are enough that do not */
    int64_t n = s->a->random ? draw_all(s, source, row, vocabulary)
                             : choose(s, source, row, vocabulary, 2 * (int64_t)s->beam);
    int kept = 0;
    for (int64_t k = 0; k < n && kept < s->beam; k++) {
        const candidate *c = &s->top[k];
        int64_t parent = s->live[source * s->beam + c->live];
        bool ends = c->token == s->a->end;
        if (ends && k >= s->beam) {
            continue; /* not among the best of this step */
        }
        bool done = ends || t + 1 == s->a->longest;
        link x = {parent, s->link[parent].length + 1, c->token, c->log_probability,
                  done ? left_out(s, source, row + c->live) : 0};
        int64_t at = add_link(s, x);
        if (at < 0 || (ends && !set_aside(s, source, at, true))) {
            return false;
        }
        if (!ends) {
            s->row[*rows] = (int32_t)(row + c->live);
            s->last[*rows] = c->token;
            s->source[*rows] = (int32_t)source;
            (*rows)++;
            s->made[kept++] = at;
        }
    }
    bool last = t + 1 == s->a->longest, over = last || s->ended[source] >= s->beam;
    for (int k = 0; k < kept; k++) {
        s->live[source * s->beam + k] = s->made[k];
        if (last && s->ended[source] < s->beam && !set_aside(s, source, s->made[k], false)) {
            return false;
        }
    }
    *rows -= over ? kept : 0;
    s->lives[source] = over ? 0 : kept;
    return true;
}

static double *room_for(double *have, size_t *n, size_t wanted)
{
    wanted = wanted ? wanted : 1;
    if (wanted <= *n) {
        return have;
    }
    double *more = reel__reallocarray(have, wanted, sizeof *more);
    *n = more ? wanted : *n;
    return more;
}

/* Reads the step's log-probabilities. */
static reel_status read_values(search *s, reel_node *logp, int64_t rows)
{
    const reel_decode_args *a = s->a;
    if (reel_tape_status(a->tape)) {
        return reel_tape_status(a->tape);
    }
    if (!logp || reel_node_rank(logp) != 2 || reel_node_dim(logp, 0) != rows) {
        reel_tape_fail(a->tape, a->at, REEL_ERR_SHAPE,
                       "decode: the step gives %d axes, %lld rows: expected [%lld, vocabulary]",
                       logp ? reel_node_rank(logp) : 0,
                       (long long)(logp ? reel_node_dim(logp, 0) : 0), (long long)rows);
        return REEL_ERR_SHAPE;
    }
    size_t n = (size_t)reel_node_size(logp);
    int64_t vocabulary = reel_node_dim(logp, 1);
    double *more = room_for(s->value, &s->values, n);
    if (!more) {
        return no_memory(s);
    }
    s->value = more;
    if (a->random && vocabulary > s->drawn_room) {
        candidate *drawn = reel__reallocarray(s->drawn, (size_t)vocabulary, sizeof *drawn);
        if (!drawn) {
            return no_memory(s);
        }
        s->drawn = drawn;
        s->drawn_room = vocabulary;
    }
    return reel_read(logp, s->value, n);
}

/* Reads what attention has covered. */
static reel_status read_covered(search *s, const reel_state *state, int64_t rows)
{
    const reel_decode_args *a = s->a;
    if (a->beta == 0) {
        return REEL_OK;
    }
    reel_node *x = a->covered > 0 && a->covered <= state->n ? state->v[a->covered - 1] : NULL;
    if (!x || reel_node_rank(x) != 2 || reel_node_dim(x, 0) != rows) {
        reel_tape_fail(a->tape, a->at, REEL_ERR_SHAPE,
                       "decode: beta %g and state %d of %d: expected one that is [%lld, places]",
                       a->beta, a->covered, state->n, (long long)rows);
        return REEL_ERR_SHAPE;
    }
    s->places = reel_node_dim(x, 1);
    double *more = room_for(s->covered, &s->covered_room, (size_t)reel_node_size(x));
    if (!more) {
        return no_memory(s);
    }
    s->covered = more;
    for (int64_t i = 0; a->length && i < a->sources; i++) {
        if (a->length[i] > s->places) {
            reel_tape_fail(a->tape, a->at, REEL_ERR_ARGUMENT,
                           "decode: source %lld has length %lld: expected at most %lld",
                           (long long)i, (long long)a->length[i], (long long)s->places);
            return REEL_ERR_ARGUMENT;
        }
    }
    return reel_read(x, s->covered, (size_t)reel_node_size(x));
}

/* All hypotheses by one token. `rows`: how many there are, and will be. */
static reel_status extend(search *s, int64_t t, reel_state *state, int64_t *rows)
{
    const reel_decode_args *a = s->a;
    reel_node *last = reel_input_at(a->at, a->tape, REEL_I32, s->last, reel_dims(*rows));
    reel_node *source = reel_input_at(a->at, a->tape, REEL_I32, s->source, reel_dims(*rows));
    reel_node *logp = a->step(a->context, t, last, source, state);
    reel_status status = read_values(s, logp, *rows);
    status = status ? status : read_covered(s, state, *rows);
    int64_t row = 0, next = 0;
    for (int64_t i = 0; !status && i < a->sources; i++) {
        int lives = s->lives[i];
        if (lives && !go_on(s, i, row, reel_node_dim(logp, 1), t, &next)) {
            status = no_memory(s);
        }
        row += lives;
    }
    *rows = next;
    if (!status && next > 0 && state->n > 0) {
        reel_node *from = reel_input_at(a->at, a->tape, REEL_I32, s->row, reel_dims(next));
        *state = reel_state_gather_at(a->at, state, from);
        status = reel_tape_status(a->tape);
    }
    return status;
}

static reel_status run(search *s)
{
    const reel_decode_args *a = s->a;
    int64_t rows = a->sources;
    reel_state state = {.n = 0};
    reel_status status = REEL_OK;
    if (a->start) {
        state = *a->start;
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = add_link(s, (link){.parent = -1});
        if (at < 0) {
            return no_memory(s);
        }
        s->live[i * s->beam] = at;
        s->lives[i] = 1;
        s->last[i] = a->begin;
        s->source[i] = (int32_t)i;
    }
    for (int64_t t = 0; !status && t < a->longest && rows > 0; t++) {
        status = extend(s, t, &state, &rows);
    }
    return status;
}

static bool countable(const reel_decode_args *a)
{
    const int64_t most = INT32_MAX / 4;
    return a->sources >= 0 && a->sources < most && a->beam >= 0 && a->best >= 0 &&
           a->sources * ((int64_t)a->beam + 1) < most && a->sources * ((int64_t)a->best + 1) < most;
}

static bool sensible(const reel_decode_args *a)
{
    return countable(a) && a->step && a->longest >= 1 && a->least <= a->longest &&
           isfinite(a->alpha) && isfinite(a->beta) && a->top_k >= 0 && a->top_p >= 0 &&
           a->top_p <= 1 && isfinite(a->temperature) && a->temperature >= 0;
}

reel_status reel_decode_with(const reel_decode_args *args, reel_hypothesis *found)
{
    if (!args || !args->tape || !found) {
        return REEL_ERR_ARGUMENT;
    }
    search s = {.a = args,
                .beam = args->beam > 0 ? args->beam : 1,
                .best = args->best > 0 ? args->best : 1,
                .found = found};
    for (int64_t i = 0; countable(args) && i < args->sources * s.best; i++) {
        found[i] = (reel_hypothesis){.length = -1};
    }
    if (!sensible(args)) {
        reel_tape_fail(
            args->tape, args->at, REEL_ERR_ARGUMENT,
            "decode: %lld sources, beam %d, best %d, longest %lld, least %lld, top_k %d, "
            "top_p %g, temperature %g, alpha %g, beta %g: expected a step function, 1 "
            "token or more, no more at least than at most, a share of at most 1, and 0 or "
            "more of the others",
            (long long)args->sources, args->beam, args->best, (long long)args->longest,
            (long long)args->least, args->top_k, args->top_p, args->temperature, args->alpha,
            args->beta);
        return REEL_ERR_ARGUMENT;
    }
    size_t sources = (size_t)args->sources, all = sources * (size_t)s.beam + 1;
    s.live = reel__calloc(all, sizeof *s.live);
    s.made = reel__calloc((size_t)s.beam, sizeof *s.made);
    s.lives = reel__calloc(sources + 1, sizeof *s.lives);
    s.ended = reel__calloc(sources + 1, sizeof *s.ended);
    s.row = reel__calloc(all, sizeof *s.row);
    s.last = reel__calloc(all, sizeof *s.last);
    s.source = reel__calloc(all, sizeof *s.source);
    s.top = reel__calloc(2 * (size_t)s.beam + 1, sizeof *s.top);
    bool room = s.live && s.made && s.lives && s.ended && s.row && s.last && s.source && s.top;
    reel_status status = reel_tape_status(args->tape);
    status = status ? status : room ? run(&s) : no_memory(&s);
    if (status) {
        reel_decode_free(found, args->sources * s.best);
    }
    void *const own[] = {s.live,   s.made, s.lives, s.ended, s.row,     s.last,
                         s.source, s.top,  s.link,  s.value, s.covered, s.drawn};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        reel__free(own[i]);
    }
    return status;
}

void reel_decode_free(reel_hypothesis *found, int64_t n)
{
    for (int64_t i = 0; found && i < n; i++) {
        reel__free(found[i].token);
        found[i] = (reel_hypothesis){.length = -1};
    }
}

/* Ensembles */

reel_node *reel_ensemble_step(void *context, int64_t t, reel_node *last, reel_node *source,
                              reel_state *s)
{
    const reel_ensemble *e = context;
    enum { MOST = REEL_MAX_STATES };
    reel_node *each[MOST];
    int at = 0;
    if (!e || e->n < 1 || e->n > MOST) {
        return reel_node_fail(REEL_HERE, last, REEL_ERR_ARGUMENT,
                              "ensemble: %d models: expected 1 to %d", e ? e->n : 0, MOST);
    }
    for (int k = 0; k < e->n; k++) {
        reel_state own = {.n = e->states[k]};
        if (own.n < 0 || own.n > s->n - at) {
            return reel_node_fail(REEL_HERE, last, REEL_ERR_ARGUMENT,
                                  "ensemble: model %d has %d states: expected at most %d, which is "
                                  "what is left of those joined",
                                  k, own.n, s->n - at);
        }
        memcpy(own.v, s->v + at, (size_t)own.n * sizeof *own.v);
        each[k] = e->step[k](e->context[k], t, last, source, &own);
        if (own.n != e->states[k]) {
            return reel_node_fail(REEL_HERE, last, REEL_ERR_ARGUMENT,
                                  "ensemble: model %d leaves %d states: expected the %d it had", k,
                                  own.n, e->states[k]);
        }
        memcpy(s->v + at, own.v, (size_t)own.n * sizeof *own.v);
        at += own.n;
    }
    return reel_shift(reel_logsumexp_axis(reel_stack_axis(2, e->n, each), 2, false), -log(e->n));
}

reel_state reel_state_join_at(const char *at, int n, const reel_state *s)
{
    reel_state all = {.n = 0};
    for (int k = 0; k < n; k++) {
        if (s[k].n < 0 || s[k].n > REEL_MAX_STATES - all.n) {
            reel_node_fail(at, s[k].v[0], REEL_ERR_ARGUMENT, "state_join: more than %d states",
                           REEL_MAX_STATES);
            return (reel_state){.n = 0};
        }
        memcpy(all.v + all.n, s[k].v, (size_t)s[k].n * sizeof *all.v);
        all.n += s[k].n;
    }
    return all;
}
