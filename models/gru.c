/* Gated recurrent unit (Cho et al. 2014).
 *
 *     r = σ(W_r x + U_r h⁻ + b_r),  z = σ(W_z x + U_z h⁻ + b_z)
 *     h̃ = tanh(W x + U (r ⊙ h⁻) + b)               reset=before (default)
 *     h̃ = tanh(W x + b + r ⊙ (U h⁻ + b_u))         reset=after, as cuDNN, PyTorch, Keras
 *     h = (1 - z) ⊙ h⁻ + z ⊙ h̃                     update=new (default): z takes the new value
 *     h = (1 - z) ⊙ h̃ + z ⊙ h⁻                     update=old, as PyTorch
 *
 * Rows stored in PyTorch's order r, z, n. The option `pytorch` sets reset=after and update=old. */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

enum { RESET, UPDATE, PYTORCH };
enum { BEFORE, AFTER };
enum { NEW, OLD };
enum { R, Z, N, GATES };

static reel_node *gru(reel_cell *c, reel_node *x, reel_state *s)
{
    bool pytorch = reel_cell_option_value(c, PYTORCH) != 0;
    bool after = pytorch || reel_cell_option_value(c, RESET) == AFTER;
    bool old = pytorch || reel_cell_option_value(c, UPDATE) == OLD;
    reel_node *h = s->v[0], *xs[GATES], *hs[GATES];
    reel_gates_apart(c, GATES, after ? GATES : N, x, h, after, xs, hs);
    reel_node *r = reel_sigmoid(reel_add(xs[R], hs[R]));
    reel_node *z = reel_sigmoid(reel_add(xs[Z], hs[Z]));
    reel_node *u = after ? reel_mul(r, hs[N]) : reel_gate_recurrent(c, GATES, N, reel_mul(r, h));
    reel_node *n = reel_candidate(c, reel_tanh(reel_add(xs[N], u)));
    return s->v[0] = old ? reel_lerp(n, h, z) : reel_lerp(h, n, z);
}

/** h = (1 - z) ⊙ h⁻ + z ⊙ h̃. */
const reel_cell_type reel_gru = {
    .name = "gru",
    .help = "gated recurrent unit (Cho et al. 2014)",
    .states = 1,
    .step = gru,
    .option =
        {
            [RESET] = {"reset", BEFORE, "before|after",
                       "reset gate before or after the matrix product"},
            [UPDATE] = {"update", NEW, "new|old", "what the update gate takes when it is open"},
            [PYTORCH] = {"pytorch", 0, "", "reset=after update=old"},
        },
};
