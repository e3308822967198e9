/* The command `draw`: the graph of a few steps of the model, as a picture. */
#include "../program/say.h"
#include "checkpoint.h"
#include "commands.h"

#include <stdlib.h>

enum { ALPHABET = 65 }; /* what a model that is not yet trained is drawn with */

/* The loss over a few steps of a batch of one. What the text says does not matter: only how
 * it is computed can be seen. */
static reel_node *record(model *m, reel_tape *tape, int64_t steps)
{
    int32_t *index = calloc((size_t)steps, sizeof *index);
    if (index == NULL) {
        return reel_tape_fail(tape, REEL_HERE, REEL_ERR_MEMORY, "out of memory");
    }
    reel_state s = reel_state_zero(tape, m->cell, 1);
    reel_node *logits = model_run(m, tape, steps, 1, index, &s);
    reel_node *target = reel_name(reel_input(tape, REEL_I32, index, reel_dims(steps, 1)), "next");
    free(index);
    return reel_name(reel_cross_entropy(logits, target), "loss");
}

static bool draw(model *m, const config *c, const char *output)
{
    const size_t n = reel_params_count(m->params);
    const int order = drawing_order(&c->drawing);
    reel_tape *tape = model_tape(c, true);
    reel_node **root = calloc(n + 1, sizeof(reel_node *));
    bool ok = (tape && root) || out_of_memory();
    if (ok) {
        root[0] = record(m, tape, c->draw_steps);
        ok = reel_tape_status(tape) == REEL_OK || tape_complain(tape);
    }
    ok = ok && (order == 0 || drawing_differentiate(tape, m->params, root[0], order, root + 1));
    ok = ok && drawing_write(&c->drawing, output, c->cell, order ? n + 1 : 1, root);
    free(root);
    reel_tape_free(tape);
    return ok;
}

int command_draw(config *c, bool from_checkpoint, const char *output)
{
    vocabulary v = {0};
    model m = {0};
    if (!drawing_check(&c->drawing, output)) {
        return EXIT_USAGE;
    }
    bool ok = from_checkpoint ? checkpoint_open(c, true, &v, &m) : model_new(&m, c, ALPHABET);
    ok = ok && draw(&m, c, output);
    model_free(&m);
    vocabulary_free(&v);
    return ok ? 0 : EXIT_RUN;
}
