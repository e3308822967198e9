/* Multiplicative LSTM (Krause et al. 2016).
 *
 *     m = (W_mx x) ⊙ (W_mh h⁻)
 *     (i, f, o) = σ(W x + U m + b),  g = tanh(W_g x + U_g m + b_g)
 *     c = f ⊙ c⁻ + i ⊙ g
 *     h = o ⊙ tanh(c)
 *
 * Weights: weight_mx, weight_mh, and the LSTM's. */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

#include <math.h>

enum { FORGET_BIAS };
enum { I, F, G, O, GATES };

static reel_node *multiplicative_lstm(reel_cell *cell, reel_node *x, reel_state *s)
{
    int64_t n = reel_cell_hidden(cell);
    double r = 1 / sqrt((double)n);
    reel_node *a[GATES], *h = s->v[0], *c = s->v[1];
    reel_node *W = reel_cell_weight(cell, x, "weight_mx", reel_dims(n, reel_cell_in(cell)),
                                    (reel_init){REEL_INIT_UNIFORM, -r, r});
    reel_node *U = reel_cell_weight(cell, x, "weight_mh", reel_dims(n, n),
                                    (reel_init){REEL_INIT_ORTHOGONAL, 1, 0});
    reel_node *from_x = reel_affine(x, W, NULL);
    reel_node *m = reel_mul(from_x, reel_affine(h, U, NULL));
    reel_cell_gate_bias(cell, GATES, F, reel_cell_option_value(cell, FORGET_BIAS));
    reel_gates(cell, GATES, x, m, a);
    reel_node *i = reel_sigmoid(a[I]), *f = reel_sigmoid(a[F]), *o = reel_sigmoid(a[O]);
    reel_node *g = reel_candidate(cell, reel_tanh(a[G]));
    reel_node *fresh = reel_mul(i, g);
    c = reel_add(reel_mul(f, c), fresh);
    s->v[1] = c;
    return s->v[0] = reel_mul(o, reel_tanh(c));
}

/** As the LSTM, with m = (W_mx x) ⊙ (W_mh h⁻) in h⁻'s place. States: h, c. */
const reel_cell_type reel_multiplicative_lstm = {
    .name = "multiplicative_lstm",
    .help = "multiplicative LSTM (Krause et al. 2016)",
    .states = 2,
    .step = multiplicative_lstm,
    .option = {[FORGET_BIAS] = {"forget_bias", 1, NULL, "where the forget gate's bias starts"}},
};
