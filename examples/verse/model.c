/* Encoders and score. */
#include "model.h"

#include "../program/program.h"

#include <math.h>
#include <stdlib.h>

enum {
    PAST_LINES = 3,  /* that the words' net reads */
    TOPIC_LINES = 8, /* that make the topic */
    MOST_WORDS = 24, /* of a line; the rest is left out */
    MOST_BYTES = 80, /* of a line, from its end, where it rhymes */
    PAST_BYTES = 32, /* likewise, of the last line before */
    BYTES = 256,
    HIDDEN_FEATURES = 24
};

bool model_encodes(const model *m)
{
    return (m->s.parts & (PART_WORDS | PART_CHARACTERS | PART_TOPIC)) != 0;
}

int64_t model_features(const model *m)
{
    return (m->s.parts & PART_SPEAKERS) != 0   ? FEATURES
           : (m->s.parts & PART_FEATURES) != 0 ? TEXT_FEATURES
                                               : 0;
}

int64_t model_width(const model *m)
{
    unsigned parts = m->s.parts;
    int n = ((parts & PART_WORDS) != 0) + ((parts & PART_CHARACTERS) != 0) +
            ((parts & PART_TOPIC) != 0);
    return n * m->s.size;
}

static reel_cell *both_ways(model *m, const char *name, int64_t in, int64_t hidden)
{
    return reel_layers_with(&(reel_cell_args){.params = m->params,
                                              .name = name,
                                              .type = &reel_gru,
                                              .in = in,
                                              .hidden = hidden,
                                              .bidirectional = true,
                                              .at = REEL_HERE},
                            1, 0);
}

/* Weights are made on first use: here, so that a checkpoint's can be taken. */
static bool make_weights(model *m)
{
    reel_tape *tape = reel_tape_new(1, .inference = true);
    verse_context c = {.n = 1, .line = {m->play->line}};
    float f[FEATURES] = {0};
    int64_t wide = model_features(m);
    bool ok = tape || out_of_memory();
    if (ok && model_encodes(m)) {
        ok = model_contexts(m, tape, 1, &c) && model_lines(m, tape, 1, c.line);
    }
    if (ok && wide > 0) {
        model_judge(m, reel_input(tape, REEL_F32, f, reel_dims(1, wide)));
        ok = reel_tape_status(tape) == REEL_OK || tape_complain(tape);
    }
    reel_tape_free(tape);
    return ok;
}

bool model_make(model *m, const model_sizes *s, const play *p, const reel_vocabulary *known)
{
    *m = (model){.s = *s, .play = p, .known = known};
    m->params = reel_params_new(REEL_F32, s->seed);
    if (m->params == NULL || !matcher_make(&m->matcher, p)) {
        return m->params ? false : out_of_memory();
    }
    reel_init table = {REEL_INIT_NORMAL, 0, 0.1};
    if (reel_params_set_init(m->params, "*_table.weight", table)) {
        return params_complain(m->params);
    }
    m->past = reel_cell_of(m->params, "past", &reel_gru, .in = s->word, .hidden = s->hidden);
    m->own = both_ways(m, "own", s->word, s->hidden);
    m->letters = both_ways(m, "letters", s->letter, s->characters);
    return ((m->past && m->own && m->letters) || out_of_memory()) && make_weights(m);
}

void model_free(model *m)
{
    reel_cell_free(m->past);
    reel_cell_free(m->own);
    reel_cell_free(m->letters);
    matcher_free(&m->matcher);
    reel_params_free(m->params);
    free(m->index);
    free(m->weight);
    free(m->length);
    *m = (model){.play = NULL};
}

/* Room for `steps` numbers and weights of each of n rows, all 0. */
static bool make_room(model *m, int64_t steps, int64_t n)
{
    if (steps * n > m->room || n > m->rows) {
        m->room = steps * n > m->room ? steps * n : m->room;
        m->rows = n > m->rows ? n : m->rows;
        free(m->index);
        free(m->weight);
        free(m->length);
        m->index = malloc((size_t)m->room * sizeof *m->index);
        m->weight = malloc((size_t)m->room * sizeof *m->weight);
        m->length = malloc((size_t)m->rows * sizeof *m->length);
        if (!m->index || !m->weight || !m->length) {
            m->room = m->rows = 0;
            return out_of_memory();
        }
    }
    for (int64_t i = 0; i < steps * n; i++) {
        m->index[i] = 0;
        m->weight[i] = 0;
    }
    return true;
}

/* Row b of n gets one more number. */
static void put(model *m, int64_t n, int64_t b, int32_t number, double weight)
{
    int64_t at = m->length[b]++ * n + b;
    m->index[at] = number;
    m->weight[at] = (float)weight;
}

static int64_t longest(const model *m, int64_t n)
{
    int64_t most = 1;
    for (int64_t b = 0; b < n; b++) {
        most = m->length[b] > most ? m->length[b] : most;
    }
    return most;
}

/* What a recurrent net makes of the numbers put before: the last states side by side. */
static reel_node *encode(model *m, reel_tape *tape, reel_cell *cell, const char *table,
                         int64_t count, int64_t size, int64_t n)
{
    int64_t T = longest(m, n);
    reel_node **x = malloc((size_t)T * sizeof(reel_node *));
    if (x == NULL) {
        out_of_memory();
        return NULL;
    }
    reel_node *index = reel_input(tape, REEL_I32, m->index, reel_dims(T, n));
    reel_node *embedded = reel_embedding(m->params, table, count, size, index);
    reel_unstack(reel_dropout(embedded, m->s.dropout), (int)T, x);
    reel_state state = reel_state_zero(tape, cell, n);
    reel_status status = reel_run(cell, T, x, &state, x, .length = m->length);
    free(x);
    if (status != REEL_OK) {
        tape_complain(tape);
        return NULL;
    }
    return state.n == 1 ? state.v[0] : reel_concat(1, state.n, state.v);
}

/* Words of the lines before, the latest at the end, with marks where a line and where a speech
 * ends. */
static reel_node *encode_past(model *m, reel_tape *tape, int64_t n, const verse_context *c)
{
    if (!make_room(m, PAST_LINES * (MOST_WORDS + 1), n)) {
        return NULL;
    }
    for (int64_t b = 0; b < n; b++) {
        m->length[b] = 0;
        for (int32_t k = (c[b].n < PAST_LINES ? c[b].n : PAST_LINES) - 1; k >= 0; k--) {
            const line *l = c[b].line[k];
            for (int32_t i = 0; i < l->words && i < MOST_WORDS; i++) {
                put(m, n, b, l->known[i], 1);
            }
            if (k > 0) {
                bool same = c[b].line[k - 1]->speech == l->speech;
                put(m, n, b, same ? REEL_END_OF_TEXT : REEL_BEGINNING, 1);
            }
        }
    }
    return encode(m, tape, m->past, "word_table", reel_vocabulary_size(m->known), m->s.word, n);
}

static reel_node *encode_own(model *m, reel_tape *tape, int64_t n, const line *const *l)
{
    if (!make_room(m, MOST_WORDS, n)) {
        return NULL;
    }
    for (int64_t b = 0; b < n; b++) {
        m->length[b] = 0;
        for (int32_t i = 0; i < l[b]->words && i < MOST_WORDS; i++) {
            put(m, n, b, l[b]->known[i], 1);
        }
    }
    return encode(m, tape, m->own, "word_table", reel_vocabulary_size(m->known), m->s.word, n);
}

static reel_node *encode_letters(model *m, reel_tape *tape, int64_t n, const line *const *l,
                                 int32_t most)
{
    if (!make_room(m, most, n)) {
        return NULL;
    }
    for (int64_t b = 0; b < n; b++) {
        m->length[b] = 0;
        int32_t from = l[b]->bytes > most ? l[b]->bytes - most : 0;
        for (int32_t i = from; i < l[b]->bytes; i++) {
            put(m, n, b, (unsigned char)l[b]->text[i], 1);
        }
    }
    return encode(m, tape, m->letters, "letter_table", BYTES, m->s.letter, n);
}

static void put_topic(model *m, int64_t n, int64_t b, const line *l, double share)
{
    for (int32_t i = 0; i < l->words && i < MOST_WORDS; i++) {
        if (l->known[i] >= REEL_SPECIALS && l->every[i] >= 0) {
            put(m, n, b, l->known[i], share * m->play->weight[l->every[i]]);
        }
    }
}

/* The sum of the vectors of the words put before, by their weights, which become a vector of
 * length 1. */
static reel_node *sum_topic(model *m, reel_tape *tape, int64_t n)
{
    int64_t T = longest(m, n);
    for (int64_t b = 0; b < n; b++) {
        double squares = 1e-6;
        for (int64_t t = 0; t < m->length[b]; t++) {
            squares += pow(m->weight[t * n + b], 2);
        }
        for (int64_t t = 0; t < m->length[b]; t++) {
            m->weight[t * n + b] /= (float)sqrt(squares);
        }
    }
    reel_node *index = reel_input(tape, REEL_I32, m->index, reel_dims(T, n));
    reel_node *weight = reel_input(tape, REEL_F32, m->weight, reel_dims(T, n, 1));
    reel_node *x =
        reel_embedding(m->params, "topic_table", reel_vocabulary_size(m->known), m->s.size, index);
    return reel_sum_axis(reel_mul(x, weight), 0, false);
}

static reel_node *topic_past(model *m, reel_tape *tape, int64_t n, const verse_context *c)
{
    if (!make_room(m, TOPIC_LINES * MOST_WORDS, n)) {
        return NULL;
    }
    for (int64_t b = 0; b < n; b++) {
        m->length[b] = 0;
        for (int32_t k = 0; k < c[b].n && k < TOPIC_LINES; k++) {
            put_topic(m, n, b, c[b].line[k], 1 / (1 + (double)k / 2));
        }
    }
    return sum_topic(m, tape, n);
}

static reel_node *topic_own(model *m, reel_tape *tape, int64_t n, const line *const *l)
{
    if (!make_room(m, MOST_WORDS, n)) {
        return NULL;
    }
    for (int64_t b = 0; b < n; b++) {
        m->length[b] = 0;
        put_topic(m, n, b, l[b], 1);
    }
    return sum_topic(m, tape, n);
}

/* A code from what an encoder found. */
static reel_node *code(model *m, const char *name, reel_node *x)
{
    return x ? reel_linear(m->params, name, m->s.size, reel_dropout(x, m->s.dropout)) : NULL;
}

static reel_node *side_by_side(int n, reel_node **x)
{
    for (int i = 0; i < n; i++) {
        if (x[i] == NULL) {
            return NULL;
        }
    }
    return n == 1 ? x[0] : reel_concat(1, n, x);
}

reel_node *model_contexts(model *m, reel_tape *tape, int64_t n, const verse_context *c)
{
    reel_node *x[3];
    int parts = 0;
    if ((m->s.parts & PART_WORDS) != 0) {
        x[parts++] = code(m, "words_past", encode_past(m, tape, n, c));
    }
    if ((m->s.parts & PART_CHARACTERS) != 0) {
        const line **last = malloc((size_t)n * sizeof(const line *));
        for (int64_t b = 0; last && b < n; b++) {
            last[b] = c[b].line[0];
        }
        reel_node *letters = last ? encode_letters(m, tape, n, last, PAST_BYTES) : NULL;
        x[parts++] = code(m, "letters_past", letters);
        free(last);
    }
    if ((m->s.parts & PART_TOPIC) != 0) {
        x[parts++] = code(m, "topic_past", topic_past(m, tape, n, c));
    }
    return side_by_side(parts, x);
}

reel_node *model_lines(model *m, reel_tape *tape, int64_t n, const line *const *l)
{
    reel_node *x[3];
    int parts = 0;
    if ((m->s.parts & PART_WORDS) != 0) {
        x[parts++] = code(m, "words_own", encode_own(m, tape, n, l));
    }
    if ((m->s.parts & PART_CHARACTERS) != 0) {
        x[parts++] = code(m, "letters_own", encode_letters(m, tape, n, l, MOST_BYTES));
    }
    if ((m->s.parts & PART_TOPIC) != 0) {
        x[parts++] = code(m, "topic_own", topic_own(m, tape, n, l));
    }
    return side_by_side(parts, x);
}

reel_node *model_judge(model *m, reel_node *x)
{
    reel_node *hidden = reel_tanh(reel_linear(m->params, "features", HIDDEN_FEATURES, x));
    reel_node *y = reel_linear(m->params, "judge", 1, hidden);
    return reel_reshape(y, reel_dims(reel_node_dim(y, 0)));
}
