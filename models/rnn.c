/* The simple recurrent network (Elman 1990).
 *
 *     h = tanh(W x + U h⁻ + b)        or relu in tanh's place
 *
 * Stored as PyTorch's nn.RNN: weight_ih, weight_hh, bias_ih (bias_hh). */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

enum { ACTIVATION };
enum { TANH, RELU };

static reel_node *rnn(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *a;
    reel_gates(c, 1, x, s->v[0], &a);
    return s->v[0] = reel_cell_option_value(c, ACTIVATION) == RELU ? reel_relu(a) : reel_tanh(a);
}

/** h = tanh(W x + U h⁻ + b). */
const reel_cell_type reel_rnn = {
    .name = "rnn",
    .help = "simple recurrent network (Elman 1990)",
    .states = 1,
    .step = rnn,
    .option = {[ACTIVATION] = {"activation", TANH, "tanh|relu", "the nonlinearity"}},
};
