/* Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000).
 *
 *     (i, f, o) = σ(W x + U h⁻ + b),  g = tanh(W_g x + U_g h⁻ + b_g)
 *     c = f ⊙ c⁻ + i ⊙ g
 *     h = o ⊙ tanh(c)
 *
 * Rows stored in PyTorch's order i, f, g, o, without those of gates that there are not. The forget
 * gate's bias starts at 1 (Jozefowicz et al. 2015). Options:
 *
 *     peephole=diagonal   + p ⊙ c⁻ in i and f, + p ⊙ c in o (Gers et al. 2002): o sees the new c
 *     peephole=full       + P c⁻, + P c with matrices P
 *     coupled             i = 1 - f (CIFG)
 *     nig nfg nog         i = 1, f = 1, o = 1
 *     niaf noaf           g = W_g x + U_g h⁻ + b_g,  h = o ⊙ c
 *     fgr                 + R [i⁻, f⁻, o⁻] in every gate: full gate recurrence
 *     clip=c              the gradient of each gate's W x + U h⁻ + b is cut to ±c (Graves 2013)
 *
 * Those from coupled to fgr are the variants of Greff et al. 2017, whose LSTM has diagonal
 * peepholes. */
#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>

enum { FORGET_BIAS, PEEPHOLE, COUPLED, NIG, NFG, NOG, NIAF, NOAF, FGR, CLIP };
enum { NONE, DIAGONAL, FULL };
enum { I, F, G, O, GATES };
enum { H, C, BEFORE }; /* states; with fgr the gates are, too */

static bool is(const reel_cell *cell, int option)
{
    return reel_cell_option_value(cell, option) != 0;
}

static bool has_gate(const reel_cell *cell, int k)
{
    static const int without[GATES] = {[I] = NIG, [F] = NFG, [O] = NOG};
    return k == G || !(is(cell, without[k]) || (k == I && is(cell, COUPLED)));
}

/* W x + U h⁻ + b (+ R [i⁻, f⁻, o⁻]); NULL where there is no gate. */
static void sums(reel_cell *cell, reel_node *x, const reel_state *s, reel_node **a)
{
    reel_node *all[GATES], *before[GATES];
    bool has[GATES];
    int n = 0, gates = 0;
    double clip = reel_cell_option_value(cell, CLIP);
    for (int k = 0; k < GATES; k++) {
        has[k] = has_gate(cell, k);
        if (has[k]) {
            if (k == F) {
                reel_cell_gate_bias(cell, is(cell, NIG) || is(cell, COUPLED) ? GATES - 1 : GATES, n,
                                    reel_cell_option_value(cell, FORGET_BIAS));
            }
            n++;
        }
    }
    reel_gates(cell, n, x, s->v[H], all);
    for (int k = 0, at = 0; k < GATES; k++) {
        a[k] = has[k] ? all[at++] : NULL;
        a[k] = a[k] && clip != 0 ? reel_clip_gradient(a[k], clip) : a[k];
    }
    for (int k = 0; is(cell, FGR) && k < GATES; k++) {
        if (k != G && a[k]) {
            before[gates] = s->v[BEFORE + gates];
            gates++;
        }
    }
    int64_t size = reel_cell_hidden(cell);
    reel_node *seen = gates ? reel_concat(1, gates, before) : NULL;
    for (int k = 0; gates && k < GATES; k++) {
        if (k != G && a[k]) {
            char what[] = "weight_gg_?";
            what[sizeof what - 2] = "ifgo"[k];
            reel_node *R = reel_cell_weight(cell, x, what, reel_dims(size, gates * size),
                                            (reel_init){REEL_INIT_ORTHOGONAL, 1, 0});
            a[k] = reel_add(a[k], reel_affine(seen, R, NULL));
        }
    }
}

/* σ(a) with what the gate sees of c; NULL: it is 1. */
static reel_node *gate(reel_cell *cell, int k, reel_node *a, reel_node *c)
{
    int peephole = (int)reel_cell_option_value(cell, PEEPHOLE);
    if (!a || peephole == NONE) {
        return a ? reel_sigmoid(a) : NULL;
    }
    char what[] = "weight_ch_?";
    what[sizeof what - 2] = "ifgo"[k];
    int64_t n = reel_cell_hidden(cell);
    if (peephole == FULL) {
        reel_node *P = reel_cell_weight(cell, c, what, reel_dims(n, n),
                                        (reel_init){REEL_INIT_ORTHOGONAL, 1, 0});
        return reel_sigmoid(reel_add(a, reel_affine(c, P, NULL)));
    }
    reel_node *p =
        reel_cell_weight(cell, c, what, reel_dims(n), (reel_init){REEL_INIT_UNIFORM, -0.1, 0.1});
    return reel_sigmoid(reel_add(a, reel_mul(p, c)));
}

/* x, or g ⊙ x through a gate that there is. */
static reel_node *through(reel_node *g, reel_node *x)
{
    return g ? reel_mul(g, x) : x;
}

static reel_node *lstm(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *a[GATES], *c = s->v[C];
    bool late = reel_cell_option_value(cell, PEEPHOLE) != NONE;
    if (is(cell, COUPLED) && (is(cell, NIG) || is(cell, NFG))) {
        return reel_node_fail(REEL_HERE, x, REEL_ERR_ARGUMENT,
                              "cell '%s': coupled gates and %s: expected one of the two",
                              reel_cell_name(cell), is(cell, NIG) ? "nig" : "nfg");
    }
    sums(cell, x, s, a);
    reel_node *i = gate(cell, I, a[I], c), *f = gate(cell, F, a[F], c);
    reel_node *o = late ? NULL : gate(cell, O, a[O], c);
    reel_node *g = reel_candidate(cell, is(cell, NIAF) ? a[G] : reel_tanh(a[G]));
    i = is(cell, COUPLED) ? reel_one_minus(f) : i;
    reel_node *fresh = through(i, g); /* one order of recording, whatever the compiler */
    c = reel_add(through(f, c), fresh);
    o = late ? gate(cell, O, a[O], c) : o;
    reel_node *h = through(o, is(cell, NOAF) ? c : reel_tanh(c));
    reel_node *open[] = {a[I] ? i : NULL, f, o};
    for (int k = 0, at = BEFORE; is(cell, FGR) && k < 3; k++) {
        if (open[k]) {
            s->v[at++] = open[k];
        }
    }
    s->v[C] = c;
    return s->v[H] = h;
}

static int states(const reel_cell *cell)
{
    return is(cell, FGR) ? BEFORE + has_gate(cell, I) + has_gate(cell, F) + has_gate(cell, O) : 2;
}

/** c = f ⊙ c⁻ + i ⊙ g, h = o ⊙ tanh(c). States: h, c; with fgr also i, f, o. Peephole weights:
 * weight_ch_i, weight_ch_f, weight_ch_o; of fgr: weight_gg_i, weight_gg_f, weight_gg_o. */
const reel_cell_type reel_lstm = {
    .name = "lstm",
    .help = "long short-term memory (Hochreiter & Schmidhuber 1997)",
    .states = 2,
    .step = lstm,
    .count = states,
    .option =
        {
            [FORGET_BIAS] = {"forget_bias", 1, NULL, "where the forget gate's bias starts"},
            [PEEPHOLE] = {"peephole", NONE, "none|diagonal|full", "what the gates see of c"},
            [COUPLED] = {"coupled", 0, "", "i = 1 - f"},
            [NIG] = {"nig", 0, "", "no input gate"},
            [NFG] = {"nfg", 0, "", "no forget gate"},
            [NOG] = {"nog", 0, "", "no output gate"},
            [NIAF] = {"niaf", 0, "", "no input activation function"},
            [NOAF] = {"noaf", 0, "", "no output activation function"},
            [FGR] = {"fgr", 0, "", "full gate recurrence"},
            [CLIP] = {"clip", 0, NULL, "limit on the gradient of what gates sum up; 0: none"},
        },
};
