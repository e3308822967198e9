/* Independently recurrent network (Li et al. 2018).
 *
 *     h = relu(W x + u ⊙ h⁻ + b)        u a vector
 *
 * u starts uniform in (0, 2^(1/T)) for sequences of T steps (option steps), so that no unit's
 * gradient grows beyond 2 over them. Weights: weight_ih, bias, weight_hh [hidden]. */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

#include <math.h>

enum { STEPS, ACTIVATION };
enum { RELU, TANH };

static reel_node *indrnn(reel_cell *c, reel_node *x, reel_state *s)
{
    double steps = reel_cell_option_value(c, STEPS);
    if (!(steps >= 1)) {
        return reel_node_fail(REEL_HERE, x, REEL_ERR_ARGUMENT,
                              "cell '%s': steps=%g: expected 1 or more", reel_cell_name(c), steps);
    }
    reel_node *u = reel_cell_weight(c, x, "weight_hh", reel_dims(reel_cell_hidden(c)),
                                    (reel_init){REEL_INIT_UNIFORM, 0, pow(2, 1 / steps)});
    reel_node *a = reel_gate(c, "h", x, NULL);
    a = reel_add(a, reel_mul(u, reel_recurrent(c, s->v[0])));
    return s->v[0] = reel_cell_option_value(c, ACTIVATION) == TANH ? reel_tanh(a) : reel_relu(a);
}

/** h = relu(W x + u ⊙ h⁻ + b). */
const reel_cell_type reel_indrnn = {
    .name = "indrnn",
    .help = "independently recurrent network (Li et al. 2018)",
    .states = 1,
    .step = indrnn,
    .option =
        {
            [STEPS] = {"steps", 100, NULL, "sequence length for which u starts within bounds"},
            [ACTIVATION] = {"activation", RELU, "relu|tanh", "the nonlinearity"},
        },
};
