/* Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000).
 *
 *     (i, f, o) = σ(W x + U h⁻ + b),  g = tanh(W_g x + U_g h⁻ + b_g)
 *     c = f ⊙ c⁻ + i ⊙ g
 *     h = o ⊙ tanh(c)
 *
 * Rows stored in PyTorch's order i, f, g, o. The forget gate's bias starts at 1 (Jozefowicz et al.
 * 2015). */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

enum { FORGET_BIAS };
enum { I, F, G, O, GATES };

static reel_node *lstm(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *a[GATES], *h = s->v[0], *c = s->v[1];
    reel_cell_gate_bias(cell, GATES, F, reel_cell_option_value(cell, FORGET_BIAS));
    reel_gates(cell, GATES, x, h, a);
    reel_node *i = reel_sigmoid(a[I]), *f = reel_sigmoid(a[F]), *o = reel_sigmoid(a[O]);
    reel_node *g = reel_candidate(cell, reel_tanh(a[G]));
    reel_node *fresh = reel_mul(i, g); /* one order of recording, whatever the compiler */
    c = reel_add(reel_mul(f, c), fresh);
    h = reel_mul(o, reel_tanh(c));
    s->v[1] = c;
    return s->v[0] = h;
}

/** c = f ⊙ c⁻ + i ⊙ g, h = o ⊙ tanh(c). States: h, c. */
const reel_cell_type reel_lstm = {
    .name = "lstm",
    .help = "long short-term memory (Hochreiter & Schmidhuber 1997)",
    .states = 2,
    .step = lstm,
    .option = {[FORGET_BIAS] = {"forget_bias", 1, NULL, "where the forget gate's bias starts"}},
};
