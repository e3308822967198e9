/* Batches and the loss. Wrong lines come from the same stretch of the text as the right one, as
 * they do when the model is measured: lines of another play would be told apart by their subject
 * alone. */
#include "batches.h"

#include "../program/program.h"

#include <stdlib.h>

static const float never = -1e4F; /* a score that no loss minds */

bool batches_make(batches *b, model *m, reel_tape *tape)
{
    int64_t end = m->play->validation;
    *b = (batches){.model = m, .tape = tape, .end = end};
    b->window = set.window < end - 1 ? set.window : end - 1;
    b->n = set.batch < b->window ? set.batch : b->window;
    size_t n = (size_t)b->n;
    b->context = malloc(n * sizeof *b->context);
    b->next = malloc(n * sizeof(const line *));
    b->order = malloc((size_t)b->window * sizeof *b->order);
    b->features = malloc(n * n * FEATURES * sizeof *b->features);
    b->mask = malloc(n * n * sizeof *b->mask);
    b->index = malloc(n * sizeof *b->index);
    if (!b->context || !b->next || !b->order || !b->features || !b->mask || !b->index) {
        return out_of_memory();
    }
    for (int32_t i = 0; i < (int32_t)b->n; i++) {
        b->index[i] = i;
    }
    return true;
}

void batches_free(batches *b)
{
    free(b->context);
    free(b->next);
    free(b->order);
    free(b->features);
    free(b->mask);
    free(b->index);
    *b = (batches){0};
}

int64_t batches_count(const batches *b)
{
    return (b->end - 1 + b->n - 1) / b->n;
}

static void draw(batches *b, int64_t i)
{
    const play *p = b->model->play;
    reel_random random =
        reel_random_new((uint64_t)set.seed, reel_random_stream("batch") + (uint64_t)i);
    int64_t start = (int64_t)reel_random_below(&random, (uint64_t)(b->end - b->window));
    reel_random_shuffle(&random, b->order, (size_t)b->window);
    for (int64_t k = 0; k < b->n; k++) {
        int64_t at = start + b->order[k];
        context_at(&b->context[k], p, at, 0);
        b->next[k] = &p->line[at + 1];
    }
}

static bool in_context(const verse_context *c, const line *l)
{
    for (int32_t k = 0; k < c->n; k++) {
        if (c->line[k] == l) {
            return true;
        }
    }
    return false;
}

static reel_node *mask(batches *b)
{
    for (int64_t i = 0; i < b->n; i++) {
        for (int64_t k = 0; k < b->n; k++) {
            const line *l = b->next[k];
            bool wrong = k != i && !line_same(l, b->next[i]) && !in_context(&b->context[i], l);
            b->mask[i * b->n + k] = wrong || k == i ? 0 : never;
        }
    }
    return reel_input(b->tape, REEL_F32, b->mask, reel_dims(b->n, b->n));
}

/* Scores of every line of the batch for every context of it. */
static reel_node *scores(batches *b)
{
    model *m = b->model;
    reel_node *sum = mask(b);
    int64_t n = b->n, wide = model_features(m);
    if (model_encodes(m)) {
        reel_node *past = model_contexts(m, b->tape, n, b->context);
        reel_node *own = model_lines(m, b->tape, n, b->next);
        if (!past || !own) {
            return NULL;
        }
        sum = reel_add(sum, reel_matmul(past, reel_transpose(own)));
    }
    if (wide > 0) {
        for (int64_t i = 0; i < n; i++) {
            features(&m->matcher, &b->context[i], n, b->next, wide, b->features + i * n * wide);
        }
        reel_node *x = reel_input(b->tape, REEL_F32, b->features, reel_dims(n * n, wide));
        sum = reel_add(sum, reel_reshape(model_judge(m, x), reel_dims(n, n)));
    }
    return sum;
}

reel_node *batches_loss(batches *b, int64_t i)
{
    draw(b, i);
    reel_node *x = scores(b), *index = reel_input(b->tape, REEL_I32, b->index, reel_dims(b->n));
    return x == NULL                 ? NULL
           : set.loss == LOSS_MARGIN ? reel_multi_hinge(x, index, set.margin, false, REEL_MEAN)
                                     : reel_cross_entropy(x, index);
}
