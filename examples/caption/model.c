/* The captioner as a graph. Must not know: where scenes come from, how it is trained. */
#include "model.h"
#include "../program/program.h"

#include <stdlib.h>

reel_state captioner_start(captioner *m, reel_tape *tape, int64_t n, const float *feature)
{
    int64_t hidden = reel_cell_hidden(m->cell);
    reel_node *x = reel_input(tape, REEL_F32, feature, reel_dims(n, FEATURES));
    return (reel_state){.n = 2,
                        .v = {reel_tanh(reel_linear(m->params, "start_h", hidden, x)),
                              reel_tanh(reel_linear(m->params, "start_c", hidden, x))}};
}

reel_node *captioner_step(void *context, int64_t t, reel_node *last, reel_node *source,
                          reel_state *s)
{
    captioner *m = context;
    (void)source;
    reel_node *x = reel_embedding(m->params, "embedding", m->vocabulary, m->embedding, last);
    reel_node *h = reel_step_once(m->cell, t, reel_dropout(x, m->dropout), s);
    return reel_log_softmax(
        reel_linear(m->params, "out", m->vocabulary, reel_dropout(h, m->dropout)), 1);
}

/* Weights are made on first use: one step makes them all. */
static bool make_weights(captioner *m)
{
    static const float feature[FEATURES];
    static const int32_t word;
    reel_tape *tape = reel_tape_new(1, .inference = true);
    reel_state s = captioner_start(m, tape, 1, feature);
    (void)captioner_step(m, 0, reel_input(tape, REEL_I32, &word, reel_dims(1)), NULL, &s);
    bool ok = reel_tape_status(tape) == REEL_OK || tape_complain(tape);
    reel_tape_free(tape);
    return ok;
}

bool captioner_make(captioner *m, const captioner_args *args)
{
    *m = (captioner){.params = reel_params_new(REEL_F32, args->seed),
                     .vocabulary = args->vocabulary,
                     .embedding = args->embedding,
                     .dropout = args->dropout};
    m->cell = reel_cell_of(m->params, "decoder", &reel_lstm, .in = args->embedding,
                           .hidden = args->hidden);
    return m->cell ? make_weights(m) : out_of_memory();
}

void captioner_free(captioner *m)
{
    reel_cell_free(m->cell);
    reel_params_free(m->params);
    *m = (captioner){0};
}

/* What a batch of captions is made of, [steps][n] where nothing else is said. */
typedef struct lines {
    int64_t n, steps;
    int32_t *before, *after; /* the word that a step sees, and the one it is to say */
    double *weight;          /* 0 behind the end */
    float *feature;          /* [n][FEATURES] */
    reel_node **out;         /* [steps] */
} lines;

static void lines_free(lines *l)
{
    free(l->before);
    free(l->after);
    free(l->weight);
    free(l->feature);
    free(l->out);
}

static bool lines_make(lines *l, int64_t n, const scene *const *seen, const caption *const *told)
{
    *l = (lines){.n = n};
    for (int64_t b = 0; b < n; b++) {
        l->steps = told[b]->n + 1 > l->steps ? told[b]->n + 1 : l->steps;
    }
    size_t all = (size_t)(n * l->steps);
    l->before = malloc(all * sizeof *l->before);
    l->after = malloc(all * sizeof *l->after);
    l->weight = malloc(all * sizeof *l->weight);
    l->feature = malloc((size_t)n * FEATURES * sizeof *l->feature);
    l->out = malloc((size_t)l->steps * sizeof(reel_node *));
    if (!l->before || !l->after || !l->weight || !l->feature || !l->out) {
        return false;
    }
    for (int64_t b = 0; b < n; b++) {
        for (int64_t t = 0; t < l->steps; t++) {
            int64_t last = told[b]->n;
            l->before[t * n + b] =
                t == 0 ? REEL_BEGINNING : told[b]->token[t <= last ? t - 1 : last];
            l->after[t * n + b] = told[b]->token[t <= last ? t : last];
            l->weight[t * n + b] = t <= last;
        }
        for (int i = 0; i < FEATURES; i++) {
            l->feature[b * FEATURES + i] = seen[b]->feature[i];
        }
    }
    return true;
}

reel_node *captioner_loss(captioner *m, reel_tape *tape, int64_t n, const scene *const *seen,
                          const caption *const *told, const lesson *how)
{
    lines l;
    reel_node *loss = NULL;
    if (!lines_make(&l, n, seen, told)) {
        loss = reel_tape_fail(tape, REEL_HERE, REEL_ERR_MEMORY, "out of memory");
    } else {
        reel_state s = captioner_start(m, tape, n, l.feature);
        reel_status status =
            reel_roll_out(.tape = tape, .step = captioner_step, .context = m, .state = &s,
                          .batch = n, .N = l.steps, .truth = l.before, .share = how->share,
                          .own = how->own, .random = how->random, .out = l.out);
        /* with the truth's words and an advantage of 1 this is cross-entropy */
        loss = status == REEL_OK ? reel_policy_loss(l.steps, l.out, l.after, l.weight) : NULL;
    }
    lines_free(&l);
    return loss;
}
