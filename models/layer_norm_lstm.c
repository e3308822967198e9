/* LSTM with layer normalization (Ba, Kiros & Hinton 2016, eqs. 20 to 22).
 *
 *     (i, f, g, o) = LN(W_h h⁻) + LN(W_x x) + b,  i, f, o through σ, g through tanh
 *     c = f ⊙ c⁻ + i ⊙ g
 *     h = o ⊙ tanh(LN(c))
 *
 * LN(a) = gain ⊙ (a - mean)/√(variance + 1e-5): over all four gates' sums together, and over c,
 * where it has a bias, too. Weights: weight_ih, weight_hh, bias in the order i, f, g, o; gain_ih,
 * gain_hh, gain_c, which start at 1, bias_c. */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

#include <math.h>

enum { FORGET_BIAS };
enum { I, F, G, O, GATES };

static const double epsilon = 1e-5;

static reel_node *weight(reel_cell *cell, reel_node *x, const char *what, reel_shape shape,
                         reel_init init)
{
    return reel_cell_weight(cell, x, what, shape, init);
}

static reel_node *normed(reel_cell *cell, reel_node *a, const char *gain, const char *bias)
{
    int64_t n = reel_node_dim(a, -1);
    reel_node *g = weight(cell, a, gain, reel_dims(n), (reel_init){REEL_INIT_CONSTANT, 1, 0});
    reel_node *b =
        bias ? weight(cell, a, bias, reel_dims(n), (reel_init){REEL_INIT_CONSTANT, 0, 0}) : NULL;
    return reel_layer_norm(a, g, b, epsilon);
}

/* The bias of all gates, which starts at 0, that of the forget gate elsewhere. */
static reel_node *bias_of(reel_cell *cell, reel_node *x, int64_t n)
{
    reel_init zero = {REEL_INIT_CONSTANT, 0, 0};
    reel_param *p = reel_cell_param(cell, "bias", reel_dims(GATES * n), zero);
    if (p && reel_param_take_fresh(p)) {
        reel_init forget = {REEL_INIT_CONSTANT, reel_cell_option_value(cell, FORGET_BIAS), 0};
        reel_param_init_rows(p, F * n, (F + 1) * n, forget);
    }
    return weight(cell, x, "bias", reel_dims(GATES * n), zero);
}

static reel_node *layer_norm_lstm(reel_cell *cell, reel_node *x, reel_state *s)
{
    int64_t n = reel_cell_hidden(cell), in = reel_cell_in(cell);
    double r = 1 / sqrt((double)n);
    reel_node *h = s->v[0], *c = s->v[1], *a[GATES];
    reel_node *W = weight(cell, x, "weight_ih", reel_dims(GATES * n, in),
                          (reel_init){REEL_INIT_UNIFORM, -r, r});
    reel_node *U = weight(cell, x, "weight_hh", reel_dims(GATES * n, n),
                          (reel_init){REEL_INIT_ORTHOGONAL, 1, 0});
    reel_node *from_h =
        normed(cell, reel_affine(reel_recurrent(cell, h), U, NULL), "gain_hh", NULL);
    reel_node *from_x = normed(cell, reel_affine(x, W, NULL), "gain_ih", NULL);
    reel_node *all = reel_add(reel_add(from_h, from_x), bias_of(cell, x, n));
    for (int k = 0; k < GATES; k++) {
        a[k] = reel_slice(all, 1, k * n, (k + 1) * n);
    }
    reel_node *i = reel_sigmoid(a[I]), *f = reel_sigmoid(a[F]), *o = reel_sigmoid(a[O]);
    reel_node *g = reel_candidate(cell, reel_tanh(a[G]));
    reel_node *fresh = reel_mul(i, g);
    c = reel_add(reel_mul(f, c), fresh);
    s->v[1] = c;
    return s->v[0] = reel_mul(o, reel_tanh(normed(cell, c, "gain_c", "bias_c")));
}

/** c = f ⊙ c⁻ + i ⊙ g, h = o ⊙ tanh(LN(c)). States: h, c. */
const reel_cell_type reel_layer_norm_lstm = {
    .name = "layer_norm_lstm",
    .help = "LSTM with layer normalization (Ba et al. 2016)",
    .states = 2,
    .step = layer_norm_lstm,
    .option = {[FORGET_BIAS] = {"forget_bias", 1, NULL, "where the forget gate's bias starts"}},
};
