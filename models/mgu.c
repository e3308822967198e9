/* Minimal gated unit (Zhou et al. 2016).
 *
 *     f = σ(W_f x + U_f h⁻ + b_f)
 *     h̃ = tanh(W x + U (f ⊙ h⁻) + b)
 *     h = (1 - f) ⊙ h⁻ + f ⊙ h̃
 *
 * Weights: weight_ih_f, weight_hh_f, bias_f, and the same with g for the candidate. */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

static reel_node *mgu(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *h = s->v[0];
    reel_node *f = reel_sigmoid(reel_gate(c, "f", x, h));
    reel_node *g = reel_candidate(c, reel_tanh(reel_gate(c, "g", x, reel_mul(f, h))));
    return s->v[0] = reel_lerp(h, g, f);
}

/** h = (1 - f) ⊙ h⁻ + f ⊙ h̃. */
const reel_cell_type reel_mgu = {
    .name = "mgu",
    .help = "minimal gated unit (Zhou et al. 2016)",
    .states = 1,
    .step = mgu,
};
