/* The minimal gated unit (Zhou et al. 2016): one gate f that both forgets and resets.
 *
 *   f = sigmoid(W_f x + U_f h + b_f)
 *   g = tanh(W_g x + U_g (f h) + b_g)
 *   h' = h + f (g - h)
 *
 * This is all that a new cell needs: the step below, and a line that says how many states it
 * carries. Layers, unrolling, gradients, drawing and files come from the library. */
#include "mgu.h"

static reel_node *mgu(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *h = s->v[0];
    reel_node *f = reel_sigmoid(reel_gate(c, "f", x, h));
    reel_node *g = reel_tanh(reel_gate(c, "g", x, reel_mul(f, h)));
    return s->v[0] = reel_lerp(h, g, f);
}

const reel_cell_type mgu_cell = {
    .name = "mgu",
    .help = "minimal gated unit (Zhou et al. 2016), defined in this program",
    .states = 1,
    .step = mgu,
};
