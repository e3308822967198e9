/* Recordings of the cells that come with Reel, of stacks of them, and of an encoder and decoder. */
#include "draw.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 4096 };

void recording_free(recording *r)
{
    reel_tape_free(r->tape);
    reel_cell_free(r->cell);
    reel_cell_free(r->decoder);
    reel_params_free(r->params);
}

reel_cell *record_layers(const reel_cell_args *a, int64_t n)
{
    return n == 1 && !a->bidirectional ? reel_cell_new_with(a) : reel_layers_with(a, (int)n, 0);
}

bool record_keep(recording *r, reel_node *x)
{
    if (r->roots == MOST_ROOTS) {
        return complain("more than %d results: expected fewer steps or weights", MOST_ROOTS);
    }
    r->root[r->roots++] = x;
    return true;
}

bool record_good(const recording *r)
{
    if (r->params && reel_params_status(r->params)) {
        return complain("%s", reel_params_message(r->params));
    }
    return !reel_tape_status(r->tape) || complain("%s", reel_tape_message(r->tape));
}

bool record_derivatives(const settings *s, recording *r)
{
    const int order = drawing_order(&s->drawing);
    if (order == 0) {
        return true;
    }
    size_t n = reel_params_count(r->params);
    reel_node **slope = calloc(n + 1, sizeof(reel_node *));
    bool ok = slope || out_of_memory();
    ok = ok && drawing_differentiate(r->tape, r->params, r->root[r->roots - 1], order, slope);
    for (size_t i = 0; ok && i < n; i++) {
        ok = record_keep(r, slope[i]);
    }
    free(slope);
    return ok;
}

/* Numbers that say nothing, but are not zero, so that gradients are not; words are all the first.
 */
reel_node *record_input(recording *r, reel_dtype dtype, int64_t rows, int64_t columns)
{
    reel_shape shape = columns ? reel_dims(rows, columns) : reel_dims(rows);
    const int64_t n = reel_shape_size(shape);
    double *values = calloc((size_t)n + 1, sizeof *values);
    if (!values) {
        return reel_tape_fail(r->tape, REEL_HERE, REEL_ERR_MEMORY, "out of memory");
    }
    if (dtype == REEL_I32) {
        reel_node *words = reel_input(r->tape, REEL_I32, values, shape);
        free(values);
        return words;
    }
    reel_random random = reel_random_new(1, r->inputs++);
    for (int64_t i = 0; i < n; i++) {
        values[i] = reel_random_normal(&random);
    }
    reel_node *x = reel_input(r->tape, REEL_F64, values, shape);
    free(values);
    return x;
}

/* Windows of truncated back-propagation go on from the values of the states before, not from their
 * graph. */
bool record_run(const settings *s, recording *r, reel_node *const *x)
{
    const int64_t n = s->steps * s->windows;
    reel_node **y = calloc((size_t)n + 1, sizeof(reel_node *));
    if (!y) {
        return out_of_memory();
    }
    reel_state state = reel_state_zero(r->tape, r->cell, s->batch);
    reel_status status = REEL_OK;
    for (int64_t w = 0; !status && w < s->windows; w++) {
        state = w ? reel_state_detach(&state) : state;
        status = reel_run(r->cell, s->steps, x + w * s->steps, &state, y + w * s->steps,
                          .first = w * s->steps);
    }
    int64_t last = n - s->steps + reel_cell_steps(r->cell, s->steps) - 1;
    bool ok = true;
    if (!status && (s->loss || drawing_order(&s->drawing) > 0)) {
        /* in both directions no output has seen all steps */
        reel_node *all = reel_cell_stepwise(r->cell) ? y[last] : reel_stack((int)last + 1, y);
        ok = record_keep(r, reel_name(reel_mean(reel_square(all)), "loss"));
    } else if (!status && reel_cell_stepwise(r->cell)) {
        ok = record_keep(r, reel_name(y[last], "h"));
    } else {
        for (int64_t t = 0; !status && ok && t <= last; t++) {
            ok = record_keep(r, reel_name(y[t], "y"));
        }
    }
    free(y);
    ok = ok && record_good(r);
    return ok && record_derivatives(s, r);
}

bool record_cell(const settings *s, recording *r)
{
    const reel_cell_type *type = reel_cell_type_find(s->kind);
    r->params = reel_params_new(REEL_F32, 1);
    r->tape = reel_tape_new(1);
    if (!type || !r->params || !r->tape) {
        return out_of_memory();
    }
    r->cell = record_layers(&(reel_cell_args){.params = r->params,
                                              .name = s->kind,
                                              .type = type,
                                              .in = s->in,
                                              .hidden = s->hidden,
                                              .options = s->options,
                                              .two_biases = s->two_biases,
                                              .bidirectional = s->bidirectional,
                                              .at = REEL_HERE},
                            s->layers);
    if (s->lengths) {
        return record_good(r) && record_sequences(s, r);
    }
    const int64_t n = s->steps * s->windows;
    reel_node **x = calloc((size_t)n + 1, sizeof(reel_node *));
    bool ok = x && record_good(r);
    for (int64_t t = 0; ok && t < n; t++) {
        x[t] = reel_name(record_input(r, REEL_F64, s->batch, s->in), "x");
    }
    ok = ok && record_run(s, r, x);
    free(x);
    return ok;
}

/* Encoder and decoder */

static bool find_score(const char *word, reel_score *score)
{
    static const char *const name[] = {
        [REEL_ADDITIVE] = "additive",         [REEL_DOT] = "dot",
        [REEL_GENERAL] = "general",           [REEL_SCALED_DOT] = "scaled_dot",
        [REEL_CONCATENATED] = "concatenated", [REEL_MULTI_HEAD] = "multi_head"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        if (strcmp(name[i], word) == 0) {
            *score = (reel_score)i;
            return true;
        }
    }
    return complain("--score: '%s' is none of additive, dot, general, scaled_dot, concatenated, "
                    "multi_head",
                    word);
}

static reel_cell *layers(const settings *s, recording *r, const char *name, int64_t in,
                         int64_t hidden, bool both)
{
    return record_layers(&(reel_cell_args){.params = r->params,
                                           .name = name,
                                           .type = &reel_gru,
                                           .in = in,
                                           .hidden = hidden,
                                           .options = s->options,
                                           .bidirectional = both,
                                           .at = REEL_HERE},
                         s->layers);
}

bool record_sentence(const settings *s, recording *r, const reel_encoder *encoder,
                     const reel_decoder *decoder)
{
    if (s->source > LONGEST || s->target > LONGEST) {
        return complain("sentences of %lld and %lld words: expected no more than %d",
                        (long long)s->source, (long long)s->target, LONGEST);
    }
    reel_node *word[LONGEST], *h[LONGEST], *last[LONGEST], *logits[LONGEST], *loss[LONGEST];
    for (int64_t t = 0; t < s->source; t++) {
        word[t] = reel_name(record_input(r, REEL_I32, s->batch, 0), "source word");
    }
    for (int64_t t = 0; t < s->target; t++) {
        last[t] = reel_name(record_input(r, REEL_I32, s->batch, 0), "word before");
    }
    reel_source source = reel_encode(encoder, s->source, word, h);
    reel_state state = reel_decoder_start(decoder, &source);
    if (reel_decode_all(decoder, &source, s->target, last, &state, logits, NULL) != REEL_OK) {
        return record_good(r);
    }
    if (!s->loss && drawing_order(&s->drawing) == 0) {
        bool ok = true;
        for (int64_t t = 0; ok && t < s->target; t++) {
            ok = record_keep(r, reel_name(logits[t], "logits"));
        }
        return ok && record_good(r);
    }
    for (int64_t t = 0; t < s->target; t++) {
        reel_node *right = reel_name(record_input(r, REEL_I32, s->batch, 0), "right word");
        loss[t] = reel_cross_entropy(logits[t], right);
    }
    return record_keep(r, reel_name(reel_sum_of((int)s->target, loss), "loss")) && record_good(r) &&
           record_derivatives(s, r);
}

bool record_seq2seq(const settings *s, recording *r)
{
    r->params = reel_params_new(REEL_F32, 1);
    r->tape = reel_tape_new(1);
    if (!r->params || !r->tape) {
        return out_of_memory();
    }
    reel_attention attention = {.params = r->params, .name = "attention"};
    if (!find_score(s->score, &attention.score)) {
        return false;
    }
    const int64_t memory = s->hidden * (s->bidirectional ? 2 : 1);
    /* the query is the decoder's state: as wide as the memory, for the scores that need it */
    r->cell = layers(s, r, "encoder", s->in, s->hidden, s->bidirectional);
    r->decoder = layers(s, r, "decoder", s->in + memory, memory, false);
    reel_encoder encoder = {.params = r->params,
                            .name = "encoder",
                            .cell = r->cell,
                            .vocabulary = s->vocabulary,
                            .attention = &attention};
    reel_decoder decoder = {.params = r->params,
                            .name = "decoder",
                            .cell = r->decoder,
                            .attention = &attention,
                            .vocabulary = s->vocabulary,
                            .embedding = s->in};
    attention.query = memory;
    return r->cell && r->decoder && record_good(r) && record_sentence(s, r, &encoder, &decoder);
}
