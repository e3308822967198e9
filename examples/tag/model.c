/* The tagger as a graph. What it must not know: where sentences come from, how it is trained. */
#include "model.h"

void model_free(model *m)
{
    reel_cell_free(m->cell);
    reel_cell_free(m->speller);
    reel_params_free(m->params);
    *m = (model){0};
}

/* Weights are made on first use: a recorded word makes them all. */
static bool make_weights(model *m)
{
    int32_t zero = 0;
    int64_t length = 1;
    batch one = {.n = 1,
                 .T = 1,
                 .word = &zero,
                 .tag = &zero,
                 .length = &length,
                 .different = 1,
                 .C = 1,
                 .which = &zero,
                 .character = &zero,
                 .spelled = &length};
    reel_tape *tape = reel_tape_new(1, .inference = true);
    (void)model_loss(m, tape, &one);
    bool ok = reel_tape_status(tape) == REEL_OK || tape_complain(tape);
    reel_tape_free(tape);
    return ok && (reel_params_status(m->params) == REEL_OK || params_complain(m->params));
}

bool model_new(model *m, int64_t words, int64_t characters, int64_t tags)
{
    *m = (model){.params = reel_params_new(REEL_F32, (uint64_t)set.common.seed),
                 .words = words,
                 .characters = characters,
                 .tags = tags};
    if (!m->params) {
        return out_of_memory();
    }
    if (!reader_check(&set.common.net)) {
        return false;
    }
    if (set.characters > 0) {
        const reader_options spelling = {.cell = set.common.net.cell,
                                         .cell_options = set.common.net.cell_options,
                                         .layers = 1,
                                         .hidden = set.characters,
                                         .direction = DIRECTION_BOTH};
        m->speller = reader_new(m->params, "speller", set.characters, &spelling);
    }
    if (!set.common.no_recurrence) {
        m->cell =
            reader_new(m->params, "reader",
                       set.common.embed + 2 * (m->speller ? set.characters : 0), &set.common.net);
    }
    return make_weights(m);
}

static reel_node *dropped(reel_node *x)
{
    return set.common.net.dropout > 0 ? reel_dropout(x, set.common.net.dropout) : x;
}

/* What the characters say of each word: [T, n, 2 characters]. */
static reel_node *spelling(model *m, reel_tape *tape, const batch *b)
{
    reel_node *character = reel_input(tape, REEL_I32, b->character, reel_dims(b->C, b->different));
    reel_node *x =
        reel_embedding(m->params, "characters", m->characters, set.characters, character);
    reel_node *each = reader_last(reader_run(m->speller, x, b->spelled), b->spelled, true);
    return reel_gather(each, reel_input(tape, REEL_I32, b->which, reel_dims(b->T, b->n)));
}

reel_node *model_logits(model *m, reel_tape *tape, const batch *b)
{
    reel_node *word = reel_input(tape, REEL_I32, b->word, reel_dims(b->T, b->n));
    reel_node *x = reel_embedding(m->params, "embedding", m->words, set.common.embed, word);
    if (m->speller) {
        x = reel_concat(-1, 2, (reel_node *[]){x, spelling(m, tape, b)});
    }
    x = dropped(x);
    reel_node *y = m->cell ? dropped(reader_run(m->cell, x, b->length)) : x;
    return reel_linear(m->params, "readout", m->tags, y);
}

reel_node *model_loss(model *m, reel_tape *tape, const batch *b)
{
    reel_node *tag = reel_input(tape, REEL_I32, b->tag, reel_dims(b->T, b->n));
    reel_node *each = reel_cross_entropy_each(model_logits(m, tape, b), tag);
    reel_node *within = reader_mask(tape, b->T, b->n, b->length);
    return reel_mean_of_tokens(each, reel_reshape(within, reel_dims(b->T, b->n)));
}
