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

/* The gradients of the loss for all weights, which the caller frees; *n of them. */
static reel_node **gradients(model *m, reel_node *loss, size_t *n)
{
    reel_opt *opt = reel_sgd(m->params);
    *n = reel_opt_grads(opt, loss, 0, NULL, NULL);
    reel_param **param = malloc(*n * sizeof *param + 1);
    reel_node **grad = malloc(*n * sizeof *grad + 1);
    if (param == NULL || grad == NULL) {
        *n = 0;
    } else {
        *n = reel_opt_grads(opt, loss, *n, param, grad);
    }
    for (size_t i = 0; i < *n; i++) {
        char name[256];
        snprintf(name, sizeof name, "gradient of %s", reel_param_name(param[i]));
        reel_name(grad[i], name);
    }
    free(param);
    reel_opt_free(opt);
    return grad;
}

static bool compute(reel_node *loss, size_t n, reel_node **grad)
{
    reel_node **all = malloc((n + 1) * sizeof(reel_node *));
    if (all == NULL) {
        return false;
    }
    all[0] = loss;
    for (size_t i = 0; i < n; i++) {
        all[i + 1] = grad[i];
    }
    bool ok = reel_eval(n + 1, all) == REEL_OK;
    free(all);
    return ok;
}

static bool draw(model *m, const config *c, const char *output)
{
    reel_tape *tape = model_tape(c, true);
    reel_node *loss = record(m, tape, c->draw_steps);
    size_t n = 0;
    reel_node **grad = c->backward ? gradients(m, loss, &n) : NULL;
    static const reel_draw_collapse collapse[] = {[COLLAPSE_ALL] = REEL_DRAW_ALL,
                                                  [COLLAPSE_STEP] = REEL_BY_STEP,
                                                  [COLLAPSE_MODULE] = REEL_BY_MODULE};
    static const reel_draw_colour colour[] = {[COLOUR_KIND] = REEL_BY_KIND,
                                              [COLOUR_PLAN] = REEL_BY_PLAN,
                                              [COLOUR_TIME] = REEL_BY_TIME,
                                              [COLOUR_GRADIENT] = REEL_BY_GRADIENT,
                                              [COLOUR_MEMORY] = REEL_BY_MEMORY};
    static const reel_draw_level level[] = {[LEVEL_OP] = REEL_LEVEL_OP,
                                            [LEVEL_GATE] = REEL_LEVEL_GATE,
                                            [LEVEL_MODULE] = REEL_LEVEL_MODULE};
    const bool runs = c->colour == COLOUR_PLAN || c->colour == COLOUR_TIME;
    reel_tape_set_profiling(tape, runs);
    bool ok = (!runs || compute(loss, n, grad)) &&
              reel_draw(output, loss, .collapse = collapse[c->collapse], .more = n, .roots = grad,
                        .level = level[c->level], .colour = colour[c->colour]) == REEL_OK;
    ok = ok || tape_complain(tape);
    free(grad);
    reel_tape_free(tape);
    return ok;
}

int command_draw(config *c, bool from_checkpoint, const char *output)
{
    vocabulary v = {0};
    model m = {0};
    bool ok = from_checkpoint ? checkpoint_open(c, true, &v, &m) : model_new(&m, c, ALPHABET);
    ok = ok && draw(&m, c, output);
    model_free(&m);
    vocabulary_free(&v);
    return ok ? 0 : EXIT_RUN;
}
