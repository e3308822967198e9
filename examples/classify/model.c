/* The classifier as a graph. What it must not know: where texts come from, how it is trained. */
#include "model.h"

void model_free(model *m)
{
    reel_cell_free(m->cell);
    reel_params_free(m->params);
    *m = (model){0};
}

/* Weights are made on first use: a recorded text makes them all. */
static bool make_weights(model *m)
{
    int32_t token = 0, label = 0;
    int64_t length = 1;
    batch one = {.n = 1, .T = 1, .token = &token, .length = &length, .label = &label};
    reel_tape *tape = reel_tape_new(1, .inference = true);
    (void)model_loss(m, tape, &one);
    bool ok = reel_tape_status(tape) == REEL_OK || tape_complain(tape);
    reel_tape_free(tape);
    return ok && (reel_params_status(m->params) == REEL_OK || params_complain(m->params));
}

bool model_new(model *m, int64_t words, int64_t classes)
{
    *m = (model){.params = reel_params_new(REEL_F32, (uint64_t)set.common.seed),
                 .words = words,
                 .classes = classes};
    if (!m->params) {
        return out_of_memory();
    }
    if (!set.common.no_recurrence) {
        if (!reader_check(&set.common.net)) {
            return false;
        }
        m->cell = reader_new(m->params, "reader", set.common.embed, &set.common.net);
    } else if (set.pool == POOL_LAST || set.pool == POOL_ATTENTION) {
        return complain("--no-recurrence: nothing has been read at a text's end: expected --pool "
                        "mean or max");
    }
    return make_weights(m);
}

static reel_node *dropped(reel_node *x)
{
    return set.common.net.dropout > 0 ? reel_dropout(x, set.common.net.dropout) : x;
}

/* The mean over each text's own steps; y is 0 beyond them. */
static reel_node *mean(reel_tape *tape, reel_node *y, const batch *b)
{
    reel_node *within = reader_mask(tape, b->T, b->n, b->length);
    return reel_div(reel_sum_axis(y, 0, false), reel_sum_axis(within, 0, false));
}

static reel_node *largest(reel_tape *tape, reel_node *y, const batch *b)
{
    reel_node *within = reader_mask(tape, b->T, b->n, b->length);
    reel_node *low = reel_constant(tape, -1e30, reel_scalar_shape());
    return reel_max_axis(reel_where(within, y, low), 0, false);
}

/* What the last output asks for. */
static reel_node *attended(model *m, reel_node *y, const batch *b)
{
    reel_node *last = reader_last(y, b->length, set.common.net.direction == DIRECTION_BOTH);
    const reel_attention a = {.params = m->params, .name = "attention", .score = REEL_ADDITIVE};
    reel_memory memory = reader_memory(&a, y, b->length);
    return reel_attend(&a, &memory, last, NULL);
}

/* [T, n, features] to [n, features] */
static reel_node *pooled(model *m, reel_tape *tape, reel_node *y, const batch *b)
{
    switch (set.pool) {
    case POOL_LAST:
        return reader_last(y, b->length, set.common.net.direction == DIRECTION_BOTH);
    case POOL_MAX:
        return largest(tape, y, b);
    case POOL_ATTENTION:
        return attended(m, y, b);
    default:
        return mean(tape, y, b);
    }
}

reel_node *model_logits(model *m, reel_tape *tape, const batch *b)
{
    reel_node *word = reel_input(tape, REEL_I32, b->token, reel_dims(b->T, b->n));
    reel_node *x =
        dropped(reel_embedding(m->params, "embedding", m->words, set.common.embed, word));
    reel_node *y = m->cell ? reader_run(m->cell, x, b->length)
                           : reel_mul(x, reader_mask(tape, b->T, b->n, b->length));
    return reel_linear(m->params, "readout", m->classes, dropped(pooled(m, tape, y, b)));
}

reel_node *model_loss(model *m, reel_tape *tape, const batch *b)
{
    reel_node *label = reel_input(tape, REEL_I32, b->label, reel_dims(b->n));
    return reel_cross_entropy(model_logits(m, tape, b), label);
}
