/* Encoder and decoder (Cho et al. 2014; Sutskever et al. 2014; Bahdanau et al. 2015; Luong et al.
 * 2015). One step of the decoder, y⁻ the word before:
 *
 *     c = attend(s⁻)    s = cell([E y⁻, c], s⁻)    r = tanh(W [s, c, E y⁻] + b)    logits = W_o r +
 * b_o
 *
 * encoder_decoder.h has the variants. */
#include <reel/axis.h>
#include <reel/encoder_decoder.h>
#include <reel/ops.h>
#include <reel/tape.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_NAME = 256 };

static const char *named(char *room, const char *name, const char *what)
{
    int n = snprintf(room, MOST_NAME, "%s.%s", name ? name : "", what);
    return name && *name && n < MOST_NAME - 16 ? room : NULL;
}

static reel_node *nameless(const char *at, reel_node *like, const char *who)
{
    return reel_node_fail(at, like, REEL_ERR_ARGUMENT,
                          "%s: expected a params set and a name of 1 to %d characters", who,
                          MOST_NAME - 48);
}

/* E y, and what is left of it, in the scope "embedding". */
static reel_node *embedding_of(const char *at, reel_params *ps, const char *name, const char *words,
                               int64_t vocabulary, int64_t size, reel_node *word)
{
    char own[MOST_NAME];
    words = words ? words : named(own, name, "embedding");
    if (!ps || !words) {
        return nameless(at, word, "embedding");
    }
    reel_tape *tape = reel_node_tape(word);
    reel_scope_enter(tape, "embedding");
    reel_node *x = reel_embedding_at(at, ps, words, vocabulary, size, word);
    reel_scope_leave(tape);
    return x;
}

static reel_node *dropped(const char *at, reel_node *x, double dropout, const int32_t *sequence)
{
    reel_tape *tape = reel_node_tape(x);
    if (dropout == 0) {
        return x;
    }
    reel_scope_enter(tape, "embedding");
    x = reel_sequence_dropout_at(at, x, dropout, sequence);
    reel_scope_leave(tape);
    return x;
}

/* The encoder */

static reel_source no_source(reel_node *why)
{
    return (reel_source){.memory = {.value = why, .key = why}, .summary = why};
}

reel_source reel_encode_with(const reel_encode_args *args)
{
    const char *at = args->at;
    const reel_encoder *e = args->encoder;
    const int64_t T = args->T;
    reel_node **h = args->h, *first = args->words;
    first = !first && args->word && T > 0 ? args->word[0] : first;
    if (e && T < 1) { /* no node that leads to a tape */
        reel_params_fail(e->params, REEL_ERR_ARGUMENT, "%s: encode: %lld words: expected 1 or more",
                         at, (long long)T);
        return no_source(NULL);
    }
    if (!e || !e->cell || !first || !h ||
        (args->words && (reel_node_rank(first) != 2 || reel_node_dim(first, 0) != T))) {
        return no_source(reel_node_fail(at, first, REEL_ERR_ARGUMENT,
                                        "encode: expected an encoder with a cell, T words, and "
                                        "room for what it says"));
    }
    reel_tape *tape = reel_node_tape(first);
    reel_scope_enter(tape, e->name ? e->name : "encoder");
    if (args->words) {
        reel_unstack_at(at,
                        embedding_of(at, e->params, e->name, e->words, e->vocabulary,
                                     reel_cell_in(e->cell), args->words),
                        (int)T, h);
    }
    for (int64_t t = 0; t < T; t++) {
        reel_scope_step(tape, t);
        if (!args->words) {
            h[t] = embedding_of(at, e->params, e->name, e->words, e->vocabulary,
                                reel_cell_in(e->cell), args->word[t]);
        }
        h[t] = dropped(at, h[t], e->dropout, args->sequence);
        reel_scope_leave(tape);
    }
    reel_state s = reel_state_zero_at(at, tape, e->cell, reel_node_dim(first, args->words ? 1 : 0));
    reel_run_with(&(reel_run_args){.cell = e->cell,
                                   .T = T,
                                   .x = h,
                                   .state = &s,
                                   .y = h,
                                   .length = args->length,
                                   .sequence = args->sequence,
                                   .at = at});
    int sums_up = reel_cell_summary(e->cell);
    reel_source source = {.summary = sums_up < s.n ? s.v[sums_up] : h[0]};
    if (e->attention) {
        reel_attention a = *e->attention;
        a.factor = reel_cell_factor(e->cell);
        source.memory = reel_memory_of_at(at, &a, reel_cell_steps(e->cell, T), h, args->length);
    }
    reel_scope_leave(tape);
    return source;
}

/* The decoder */

static int64_t size_of(const reel_decoder *d)
{
    return d->size > 0 ? d->size : d->embedding;
}

/* in: how many features it starts by. */
static reel_node *weight(const char *at, const reel_decoder *d, reel_node *like, const char *what,
                         reel_shape shape, int64_t in)
{
    char own[MOST_NAME];
    const char *name = named(own, d->name, what);
    if (!d->params || !name) {
        return nameless(at, like, "decoder");
    }
    double r = in > 0 ? 1 / sqrt((double)in) : 0;
    reel_param *p =
        reel_params_get(d->params, name, shape, (reel_init){REEL_INIT_UNIFORM, -r, r}, 1);
    return p ? reel_use_at(at, reel_node_tape(like), p)
             : reel_node_fail(at, like, reel_params_status(d->params), "%s",
                              reel_params_message(d->params));
}

static bool covers(const reel_decoder *d)
{
    return d->attention && (d->attention->coverage || d->covers);
}

/* How many states a decoder carries beside the cell's. */
static int extra_states(const reel_decoder *d)
{
    return d->feeding + covers(d);
}

reel_state reel_decoder_start_at(const char *at, const reel_decoder *d, const reel_source *source)
{
    reel_state s = {0};
    reel_node *summary = source ? source->summary : NULL;
    reel_tape *tape = reel_node_tape(summary);
    int n = d ? reel_cell_states(d->cell) : 0;
    bool heads = d && d->covers && d->attention && d->attention->score == REEL_MULTI_HEAD;
    if (n < 1 || n + extra_states(d) > REEL_MAX_STATES || !tape || heads ||
        (covers(d) && !source->memory.value)) {
        reel_node_fail(
            at, summary, REEL_ERR_ARGUMENT,
            "decoder: %d states%s: expected a source, with what is attended to, a cell, at most "
            "%d states, and no heads where what is covered is kept",
            n, heads ? ", several heads" : "", REEL_MAX_STATES - 2);
        return s;
    }
    const int64_t batch = reel_node_dim(summary, 0), m = reel_node_dim(summary, -1);
    reel_scope_enter(tape, d->name ? d->name : "decoder");
    reel_state zero = reel_state_zero_at(at, tape, d->cell, batch);
    s.n = n;
    for (int k = 0; k < n; k++) {
        char what[32] = "start.weight";
        if (k > 0) {
            snprintf(what, sizeof what, "start_%d.weight", k);
        }
        reel_node *W = weight(at, d, summary, what, reel_dims(reel_node_dim(zero.v[k], -1), m), m);
        s.v[k] = reel_tanh_at(at, reel_affine_at(at, summary, W, NULL));
    }
    if (d->feeding) {
        s.v[s.n++] = reel_constant_at(at, tape, 0, reel_dims(batch, size_of(d)));
    }
    if (covers(d)) {
        int64_t T = reel_node_dim(source->memory.value, 1);
        s.v[s.n++] = reel_constant_at(at, tape, 0, reel_dims(batch, T));
    }
    reel_scope_leave(tape);
    return s;
}

/* r of what it sees: [rows, features]. */
static reel_node *readout(const char *at, const reel_decoder *d, reel_node *seen)
{
    const int64_t size = size_of(d), pieces = d->readout == REEL_READOUT_MAXOUT ? 2 : 1;
    char own[MOST_NAME];
    const char *name = named(own, d->name, "readout");
    reel_tape *tape = reel_node_tape(seen);
    if (!d->params || !name) {
        return nameless(at, seen, "decoder");
    }
    reel_scope_enter(tape, "readout");
    reel_node *r = reel_linear_at(at, d->params, name, pieces * size, seen);
    if (pieces > 1) {
        r = reel_reshape_at(at, r, reel_dims(reel_node_dim(r, 0), size, pieces));
        r = reel_max_axis_at(at, r, -1, false);
    } else {
        r = reel_tanh_at(at, r);
    }
    r = reel_sequence_dropout_at(at, r, d->dropout, d->sequence);
    reel_scope_leave(tape);
    return r;
}

static reel_node *logits(const char *at, const reel_decoder *d, reel_node *r)
{
    char own[MOST_NAME], words[MOST_NAME];
    const char *E = d->words ? d->words : named(own, d->name, "embedding");
    const int64_t size = size_of(d);
    reel_node *W, *b = weight(at, d, r, "out.bias", reel_dims(d->vocabulary), size);
    if (!d->tied) {
        W = weight(at, d, r, "out.weight", reel_dims(d->vocabulary, size), size);
    } else if (size != d->embedding || !E) {
        return reel_node_fail(at, r, REEL_ERR_SHAPE,
                              "decoder '%s': tied: readout of %lld features: expected as many as "
                              "the embedding has, %lld",
                              d->name ? d->name : "", (long long)size, (long long)d->embedding);
    } else {
        reel_param *p = reel_params_find(d->params, named(words, E, "weight"));
        W = p ? reel_use_at(at, reel_node_tape(r), p) : nameless(at, r, "decoder");
    }
    return reel_affine_at(at, r, W, b);
}

/* The context, by a query; c and its weights of a memory whose coverage is the state's. */
static reel_node *context(const char *at, const reel_decoder *d, const reel_source *source,
                          reel_node *query, reel_state *s, reel_node **weights)
{
    if (!d->attention) {
        return source->summary;
    }
    reel_memory m = source->memory;
    int covered = s->n - 1;
    m.coverage = d->attention->coverage ? s->v[covered] : NULL;
    reel_scope_enter(reel_node_tape(query), "attention");
    reel_node *c = reel_attend_at(at, d->attention, &m, query, weights);
    reel_scope_leave(reel_node_tape(query));
    if (covers(d)) {
        s->v[covered] = reel_add_at(at, s->v[covered], *weights);
    }
    return c;
}

/* Whether the states are those that the decoder makes, and it can go step by step. */
static reel_node *unusable(const char *at, const reel_decoder *d, const reel_source *source,
                           reel_node *last, const reel_state *s)
{
    const int n = d ? reel_cell_states(d->cell) : 0;
    if (n < 1 || !source || !s || s->n != n + extra_states(d)) {
        return reel_node_fail(at, last, REEL_ERR_ARGUMENT,
                              "decoder: %d states: expected a source and the states that "
                              "reel_decoder_start makes, %d",
                              s ? s->n : 0, d ? n + extra_states(d) : 0);
    }
    if (!reel_cell_stepwise(d->cell) || (d->attention && !source->memory.value)) {
        return reel_node_fail(at, last, REEL_ERR_ARGUMENT,
                              "decoder '%s': expected a cell that runs step by step and, to attend "
                              "to, a source that was encoded for attention",
                              d->name ? d->name : "");
    }
    return NULL;
}

static reel_node *misfit(const char *at, const reel_decoder *d, reel_node *x, reel_node *c)
{
    return reel_node_fail(at, x, REEL_ERR_SHAPE,
                          "decoder '%s': its cell takes %lld features: expected %lld, %lld of "
                          "the word, %lld of the context, %lld of the readout",
                          d->name ? d->name : "", (long long)reel_cell_in(d->cell),
                          (long long)reel_node_dim(x, -1), (long long)d->embedding,
                          (long long)(c ? reel_node_dim(c, -1) : 0),
                          (long long)(d->feeding ? size_of(d) : 0));
}

/* The cell's step, in the decoder's scope: a mask that lasts goes by a scope without the step. */
static reel_node *cell_step(const char *at, const reel_decoder *d, int64_t t, reel_node *x,
                            reel_state *s)
{
    const int n = reel_cell_states(d->cell);
    reel_state cell = *s;
    reel_node *y = x;
    cell.n = n;
    if (d->sequence) {
        reel_run_with(&(reel_run_args){.cell = d->cell,
                                       .T = 1,
                                       .x = &x,
                                       .state = &cell,
                                       .y = &y,
                                       .first = t,
                                       .sequence = d->sequence,
                                       .at = at});
    } else {
        y = reel_step_once_at(at, d->cell, t, x, &cell);
    }
    memcpy(s->v, cell.v, (size_t)n * sizeof *s->v);
    return y;
}

/* The word before, [batch] (i32), or, for all steps together, embedded already. */
static reel_node *word_before(const char *at, const reel_decoder *d, reel_node *last,
                              reel_node *embedded)
{
    if (!embedded) {
        embedded =
            embedding_of(at, d->params, d->name, d->words, d->vocabulary, d->embedding, last);
    }
    return dropped(at, embedded, d->dropout, d->sequence);
}

/* What the readout of step t sees, or, of a single step, the logits; within the decoder's scope. */
static reel_node *advance(const char *at, const reel_decoder *d, int64_t t,
                          const reel_source *source, reel_node *last, reel_node *embedded,
                          reel_state *s, reel_node **weights)
{
    reel_tape *tape = reel_node_tape(last);
    const int n = reel_cell_states(d->cell);
    reel_scope_step(tape, t);
    reel_node *word = word_before(at, d, last, embedded);
    reel_node *before = s->v[reel_cell_summary(d->cell)], *c = NULL, *in[3] = {word};
    int ins = 1;
    if (!d->after) {
        in[ins++] = c = context(at, d, source, before, s, weights);
    }
    if (d->feeding) {
        in[ins++] = s->v[n];
    }
    reel_node *x = ins > 1 ? reel_concat_at(at, 1, ins, in) : word;
    reel_scope_leave(tape);
    if (reel_node_dim(x, -1) != reel_cell_in(d->cell) && reel_tape_status(tape) == REEL_OK) {
        return misfit(at, d, x, c);
    }
    x = cell_step(at, d, t, x, s);
    reel_scope_step(tape, t);
    c = c ? c : context(at, d, source, x, s, weights);
    reel_node *seen[3] = {d->previous ? before : x, c, word};
    reel_node *all = reel_concat_at(at, 1, d->wordless ? 2 : 3, seen);
    if (d->feeding || !embedded) {
        all = readout(at, d, all);
    }
    if (d->feeding) {
        s->v[n] = all;
    }
    if (!embedded) {
        all = logits(at, d, all);
    }
    reel_scope_leave(tape);
    return all;
}

reel_node *reel_decoder_step_at(const char *at, const reel_decoder *d, int64_t t,
                                const reel_source *source, reel_node *last, reel_state *s,
                                reel_node **weights)
{
    reel_tape *tape = reel_node_tape(last);
    reel_node *own = NULL, *wrong;
    weights = weights ? weights : &own;
    *weights = NULL;
    wrong = unusable(at, d, source, last, s);
    if (wrong) {
        return wrong;
    }
    reel_scope_enter(tape, d->name ? d->name : "decoder");
    reel_node *result = advance(at, d, t, source, last, NULL, s, weights);
    reel_scope_leave(tape);
    return result;
}

reel_status reel_decode_all_at(const char *at, const reel_decoder *d, const reel_source *source,
                               int64_t N, reel_node *const *last, reel_state *s, reel_node **out,
                               reel_node **weights)
{
    reel_tape *tape = reel_node_tape(source ? source->summary : NULL);
    if (N < 0 || !last || !out) {
        reel_node_fail(at, source ? source->summary : NULL, REEL_ERR_ARGUMENT,
                       "decode_all: %lld steps: expected 0 or more, words and room for logits",
                       (long long)N);
        return REEL_ERR_ARGUMENT;
    }
    for (int64_t t = 0; t < N; t++) {
        out[t] = reel_decoder_step_at(at, d, t, source, last[t], s, weights ? weights + t : NULL);
    }
    return tape ? reel_tape_status(tape) : REEL_ERR_ARGUMENT;
}

/* Rows of N steps, one step after another. */
static reel_node *rows_of(const char *at, int64_t N, reel_node *const *x)
{
    reel_node *all = reel_stack_at(at, (int)N, x);
    return reel_reshape_at(at, all, reel_dims(N * reel_node_dim(x[0], 0), reel_node_dim(x[0], 1)));
}

reel_node *reel_decode_rows_at(const char *at, const reel_decoder *d, const reel_source *source,
                               int64_t N, reel_node *last, reel_state *s, reel_node **room,
                               reel_node **weights)
{
    reel_tape *tape = reel_node_tape(last);
    reel_node *own, *wrong = unusable(at, d, source, last, s);
    for (int64_t t = 0; weights && t < N; t++) {
        weights[t] = NULL;
    }
    if (!wrong && (N < 1 || N > INT32_MAX || !room || reel_node_rank(last) != 2 ||
                   reel_node_dim(last, 0) != N)) {
        wrong = reel_node_fail(at, last, REEL_ERR_ARGUMENT,
                               "decode_rows: expected last words [%lld, batch] of 1 or more "
                               "steps, and room for as many nodes",
                               (long long)N);
    }
    if (wrong) {
        return wrong;
    }
    reel_scope_enter(tape, d->name ? d->name : "decoder");
    reel_unstack_at(
        at, embedding_of(at, d->params, d->name, d->words, d->vocabulary, d->embedding, last),
        (int)N, room);
    for (int64_t t = 0; t < N; t++) {
        room[t] = advance(at, d, t, source, last, room[t], s, weights ? weights + t : &own);
    }
    reel_node *rows = rows_of(at, N, room);
    reel_scope_leave(tape);
    return rows;
}

reel_node *reel_rows_logits_at(const char *at, const reel_decoder *d, reel_node *rows)
{
    reel_tape *tape = reel_node_tape(rows);
    if (!d || reel_node_rank(rows) != 2) {
        return reel_node_fail(at, rows, REEL_ERR_ARGUMENT,
                              "rows_logits: rank %d: expected a decoder, and rows [rows, features] "
                              "as reel_decode_rows gives them",
                              reel_node_rank(rows));
    }
    reel_decoder here = *d;
    here.sequence = NULL; /* a row is no sequence */
    reel_scope_enter(tape, d->name ? d->name : "decoder");
    reel_node *result = logits(at, d, d->feeding ? rows : readout(at, &here, rows));
    reel_scope_leave(tape);
    return result;
}

reel_node *reel_decode_together_at(const char *at, const reel_decoder *d, const reel_source *source,
                                   int64_t N, reel_node *last, reel_state *s, reel_node **room,
                                   reel_node **weights)
{
    reel_node *rows = reel_decode_rows_at(at, d, source, N, last, s, room, weights);
    reel_shape shape = reel_dims(N, reel_node_dim(last, 1), d ? d->vocabulary : 0);
    return reel_reshape_at(at, reel_rows_logits_at(at, d, rows), shape);
}

/* Decoding */

static bool same_rows(reel_node *a, reel_node *b)
{
    const int32_t *x = reel_data(a), *y = reel_data(b);
    return a == b || (x && y && reel_node_size(a) == reel_node_size(b) &&
                      memcmp(x, y, (size_t)reel_node_size(a) * sizeof *x) == 0);
}

reel_node *reel_decoder_continue(void *at_hand, int64_t t, reel_node *last, reel_node *source,
                                 reel_state *s)
{
    reel_decoding *d = at_hand;
    /* hypotheses change places, but what they belong to only when one of them ends */
    if (t == 0 || !d->rows || !same_rows(d->rows, source)) {
        const reel_memory *m = &d->source->memory;
        d->rows = source;
        d->here = (reel_source){.memory = {.value = m->value ? reel_gather(m->value, source) : NULL,
                                           .mask = m->mask ? reel_gather(m->mask, source) : NULL},
                                .summary = reel_gather(d->source->summary, source)};
        d->here.memory.key = m->key == m->value ? d->here.memory.value
                             : m->key           ? reel_gather(m->key, source)
                                                : NULL;
    }
    return reel_log_softmax(reel_decoder_step(d->decoder, t, &d->here, last, s, NULL), -1);
}
