/* Simple recurrent unit (Lei et al. 2018, version 2).
 *
 *     x̃ = W x
 *     f = σ(W_f x + v_f ⊙ c⁻ + b_f)
 *     r = σ(W_r x + v_r ⊙ c⁻ + b_r)
 *     c = f ⊙ c⁻ + (1 - f) ⊙ x̃
 *     h = r ⊙ c + (1 - r) ⊙ x α          α = √3, so that the variance of x is kept
 *
 * No product waits for the step before. Where the sizes of x and h differ, x in the last line is
 * W_p x. Weights: weight_ih_f, bias_f, weight_ih_r, bias_r, weight_c, weight_v_f, weight_v_r, and
 * weight_p. */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

#include <math.h>

enum { SCALE };

static reel_node *matrix(reel_cell *c, reel_node *x, const char *what)
{
    double r = sqrt(3.0 / (double)reel_cell_in(c));
    return reel_cell_weight(c, x, what, reel_dims(reel_cell_hidden(c), reel_cell_in(c)),
                            (reel_init){REEL_INIT_UNIFORM, -r, r});
}

static reel_node *gate(reel_cell *c, const char *name, const char *v, reel_node *x,
                       reel_node *before)
{
    double r = 1 / sqrt((double)reel_cell_hidden(c));
    reel_node *sees = reel_cell_weight(c, x, v, reel_dims(reel_cell_hidden(c)),
                                       (reel_init){REEL_INIT_UNIFORM, -r, r});
    reel_node *a = reel_gate(c, name, x, NULL);
    return reel_sigmoid(reel_add(a, reel_mul(sees, before)));
}

static reel_node *sru(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *c = s->v[0];
    reel_node *seen = reel_recurrent(cell, c);
    reel_node *f = gate(cell, "f", "weight_v_f", x, seen);
    reel_node *r = gate(cell, "r", "weight_v_r", x, seen);
    reel_node *fresh = reel_candidate(cell, reel_affine(x, matrix(cell, x, "weight_c"), NULL));
    bool same = reel_cell_in(cell) == reel_cell_hidden(cell);
    reel_node *around = same ? x : reel_affine(x, matrix(cell, x, "weight_p"), NULL);
    s->v[0] = c = reel_lerp(fresh, c, f);
    return reel_lerp(reel_scale(around, reel_cell_option_value(cell, SCALE)), c, r);
}

/** c = f ⊙ c⁻ + (1 - f) ⊙ x̃, h = r ⊙ c + (1 - r) ⊙ x α. State: c. */
const reel_cell_type reel_sru = {
    .name = "sru",
    .help = "simple recurrent unit (Lei et al. 2018)",
    .states = 1,
    .step = sru,
    .option = {[SCALE] = {"scale", 1.7320508075688772, NULL, "alpha, what x is scaled by"}},
};
