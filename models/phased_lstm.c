/* Phased LSTM (Neil, Pfeiffer & Liu 2016, eqs. 6 to 12).
 *
 *     φ = ((t - s) mod τ)/τ
 *     k = 2φ/r for φ < r/2,  2 - 2φ/r for r/2 ≤ φ < r,  αφ otherwise
 *     i = σ(W_i x + U_i h⁻ + p_i ⊙ c⁻ + b_i),  f likewise
 *     c̃ = f ⊙ c⁻ + i ⊙ tanh(W_g x + U_g h⁻ + b_g)
 *     o = σ(W_o x + U_o h⁻ + p_o ⊙ c̃ + b_o)
 *     c = k ⊙ c̃ + (1 - k) ⊙ c⁻
 *     h = k ⊙ o ⊙ tanh(c̃) + (1 - k) ⊙ h⁻
 *
 * Each unit opens for a share r of its period τ, from its shift s on. The time t of each step and
 * sequence comes from the driver (reel_run's .time); without it, step n is at n. τ and r count by
 * their size, which is kept above 1e-3. The leak α is 0.001 in training and 0 at test, or at both.
 * Starts: τ = exp U(period_low, period_high), s uniform in (0, shift), or in (0, τ) if that is 0,
 * r = open. At the kinks φ = 0, r/2 and r, k has the value and the derivative of what lies to the
 * right. With clip the gradient of each gate's W x + U h⁻ + b is cut to ±clip, element by element,
 * as the paper's program has it. Weights: the LSTM's, peepholes weight_ch_i, weight_ch_f,
 * weight_ch_o, and period, shift, open_ratio [hidden]. */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>
#include <reel/random.h>
#include <reel/tape.h>

#include <math.h>

enum { FORGET_BIAS, PEEPHOLE, LOW, HIGH, SHIFT, OPEN, LEAK, LEAKS, CLIP };
enum { DIAGONAL, NONE };
enum { TRAINING, ALWAYS };
enum { I, F, G, O, GATES };

static const double least = 1e-3; /* of a period, and of the share that is open */

/* Starts τ and s together: s may go by τ. */
static void start(reel_cell *cell)
{
    int64_t n = reel_cell_hidden(cell);
    reel_init none = {REEL_INIT_CONSTANT, 1, 0};
    reel_param *period = reel_cell_param(cell, "period", reel_dims(n), none);
    reel_param *shift = reel_cell_param(cell, "shift", reel_dims(n), none);
    if (!period || !shift) {
        return;
    }
    bool new_period = reel_param_take_fresh(period), new_shift = reel_param_take_fresh(shift);
    double low = reel_cell_option_value(cell, LOW), high = reel_cell_option_value(cell, HIGH);
    double given = reel_cell_option_value(cell, SHIFT);
    uint64_t stream = reel_random_stream(reel_param_name(period));
    reel_random random = reel_random_new(reel_params_seed(reel_cell_params(cell)), stream);
    for (int64_t i = 0; (new_period || new_shift) && i < n; i++) {
        double tau = exp(low + (high - low) * reel_random_uniform(&random));
        double s = (given > 0 ? given : tau) * reel_random_uniform(&random);
        reel_init at_tau = {REEL_INIT_CONSTANT, tau, 0}, at_s = {REEL_INIT_CONSTANT, s, 0};
        if (new_period) {
            reel_param_init_rows(period, i, i + 1, at_tau);
        }
        if (new_shift) {
            reel_param_init_rows(shift, i, i + 1, at_s);
        }
    }
}

/* k */
static reel_node *openness(reel_cell *cell, reel_node *x)
{
    reel_shape units = reel_dims(reel_cell_hidden(cell));
    reel_init open = {REEL_INIT_CONSTANT, reel_cell_option_value(cell, OPEN), 0},
              one = {REEL_INIT_CONSTANT, 1, 0};
    start(cell);
    reel_tape *tape = reel_node_tape(x);
    reel_node *floor = reel_number(tape, least);
    reel_node *tau = reel_maximum(reel_abs(reel_cell_weight(cell, x, "period", units, one)), floor);
    reel_node *s = reel_cell_weight(cell, x, "shift", units, one);
    reel_node *r =
        reel_maximum(reel_abs(reel_cell_weight(cell, x, "open_ratio", units, open)), floor);
    bool leaks = reel_cell_option_value(cell, LEAKS) == ALWAYS || reel_tape_training(tape);
    double alpha = leaks ? reel_cell_option_value(cell, LEAK) : 0;
    reel_node *phi = reel_phase(reel_cell_time(cell), tau, s);
    reel_node *slope = reel_scale(reel_reciprocal(r), 2); /* one division for a whole batch */
    reel_node *rising = reel_mul(phi, slope), *falling = reel_shift(reel_neg(rising), 2);
    reel_node *early = reel_lt(phi, reel_scale(r, 0.5)), *late = reel_ge(phi, r);
    return reel_where(early, rising, reel_where(late, reel_scale(phi, alpha), falling));
}

static reel_node *peephole(reel_cell *cell, const char *what, reel_node *a, reel_node *c)
{
    if (reel_cell_option_value(cell, PEEPHOLE) == NONE) {
        return reel_sigmoid(a);
    }
    reel_node *p = reel_cell_weight(cell, c, what, reel_dims(reel_cell_hidden(cell)),
                                    (reel_init){REEL_INIT_UNIFORM, -0.1, 0.1});
    return reel_sigmoid(reel_add(a, reel_mul(p, c)));
}

static reel_node *phased_lstm(reel_cell *cell, reel_node *x, reel_state *s)
{
    double low = reel_cell_option_value(cell, LOW), high = reel_cell_option_value(cell, HIGH);
    double open = reel_cell_option_value(cell, OPEN), shift = reel_cell_option_value(cell, SHIFT);
    if (!(low <= high && open > 0 && open <= 1 && shift >= 0)) {
        return reel_node_fail(REEL_HERE, x, REEL_ERR_ARGUMENT,
                              "cell '%s': period_low=%g period_high=%g open=%g shift=%g: expected "
                              "the low one first, a share above 0 to 1, and no shift below 0",
                              reel_cell_name(cell), low, high, open, shift);
    }
    reel_node *a[GATES], *h = s->v[0], *c = s->v[1];
    reel_cell_gate_bias(cell, GATES, F, reel_cell_option_value(cell, FORGET_BIAS));
    reel_gates(cell, GATES, x, h, a);
    double clip = reel_cell_option_value(cell, CLIP);
    for (int n = 0; clip != 0 && n < GATES; n++) {
        a[n] = reel_clip_gradient(a[n], clip);
    }
    reel_node *k = openness(cell, x);
    reel_node *i = peephole(cell, "weight_ch_i", a[I], c),
              *f = peephole(cell, "weight_ch_f", a[F], c);
    reel_node *g = reel_candidate(cell, reel_tanh(a[G]));
    reel_node *fresh = reel_mul(i, g);
    reel_node *c_open = reel_add(reel_mul(f, c), fresh);
    reel_node *o = peephole(cell, "weight_ch_o", a[O], c_open);
    reel_node *h_open = reel_mul(o, reel_tanh(c_open));
    s->v[1] = reel_lerp(c, c_open, k);
    return s->v[0] = reel_lerp(h, h_open, k);
}

/** c and h move where the time gate k is open. States: h, c. Needs reel_run's .time for times that
 * are not 0, 1, 2, ... */
const reel_cell_type reel_phased_lstm = {
    .name = "phased_lstm",
    .help = "LSTM with time gates (Neil et al. 2016)",
    .states = 2,
    .step = phased_lstm,
    .option =
        {
            [FORGET_BIAS] = {"forget_bias", 1, NULL, "where the forget gate's bias starts"},
            [PEEPHOLE] = {"peephole", DIAGONAL, "diagonal|none", "what the gates see of c"},
            [LOW] = {"period_low", 1, NULL, "the least log of a period at first"},
            [HIGH] = {"period_high", 3, NULL, "the largest"},
            [SHIFT] = {"shift", 0, NULL, "the largest shift at first; 0: the period"},
            [OPEN] = {"open", 0.05, NULL, "the share of the period that is open at first"},
            [LEAK] = {"leak", 0.001, NULL, "alpha, the rate of the closed gate"},
            [LEAKS] = {"leaks", TRAINING, "training|always", "when the closed gate leaks"},
            [CLIP] = {"clip", 0, NULL, "limit on the gradient of what gates sum up; 0: none"},
        },
};
