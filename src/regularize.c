/* Job: the masks of a cell's arrows, and zoneout.
 * Invariant: a mask is a function of the tape's seed and counter, of the arrow's place, and of the
 * sequence; not of the batch that the sequence is in. Must not know: any kind of cell. */
#include <reel/ops.h>
#include <reel/random.h>

#include <stdio.h>

#include "cell.h"
#include "memory.h"
#include "tape.h"

/* Making cells regular */

static bool check_mask(reel_cell *c, const char *what, const reel_mask *m)
{
    if ((m->p >= 0 && m->p < 1) || m->given) {
        return true;
    }
    reel_params_fail(c->params, REEL_ERR_ARGUMENT,
                     "cell '%s': dropout %g on its %s: expected 0 or more, below 1", c->name, m->p,
                     what);
    return false;
}

static bool check_zoneout(reel_cell *c, const char *what, double z)
{
    if (z >= 0 && z <= 1) {
        return true;
    }
    reel_params_fail(c->params, REEL_ERR_ARGUMENT, "cell '%s': zoneout %g of %s: expected 0 to 1",
                     c->name, z, what);
    return false;
}

void reel_cell_regularize(reel_cell *c, const reel_regularizers *r)
{
    if (!c || !r) {
        return;
    }
    for (int l = 0; l < c->layer_count; l++) {
        reel_cell_regularize(c->layers[l], r);
    }
    if (check_mask(c, "input", &r->input) && check_mask(c, "recurrent arrow", &r->recurrent) &&
        check_mask(c, "candidate", &r->candidate) && check_mask(c, "output", &r->output) &&
        check_zoneout(c, "h", r->zoneout_h) && check_zoneout(c, "c", r->zoneout_c)) {
        c->regular = *r;
    } else {
        c->broken = true;
    }
}

/* Masks */

void reel__drops_begin(reel_cell *c, reel__drops *drops)
{
    c->now = (reel__now){
        .drops = drops, .scope = drops->tape->scope, .place = reel_tape_place(drops->tape)};
}

void reel__drops_step(reel_cell *c)
{
    int kept = 0;
    for (int i = 0; i < c->now.masks; i++) {
        if (c->now.made[i].lasts) {
            c->now.made[kept++] = c->now.made[i];
        }
    }
    c->now.masks = kept;
}

static const reel_mask *mask_for(const reel_cell *c, int arrow)
{
    const reel_regularizers *r = &c->regular;
    return arrow == REEL__INPUT       ? &r->input
           : arrow == REEL__RECURRENT ? &r->recurrent
           : arrow == REEL__CANDIDATE ? &r->candidate
                                      : &r->output;
}

static bool active(const reel_cell *c, const reel_mask *m)
{
    const reel__drops *d = c->now.drops;
    return d && (m->given || (m->p > 0 && reel_tape_training(d->tape)));
}

bool reel__drops_by_gate(const reel_cell *c, int arrow)
{
    const reel_mask *m = mask_for(c, arrow);
    return c->regular.per_gate && !m->given && active(c, m);
}

/* The sequences' names, or their places in the batch: a leaf. */
static reel_node *id_of(const char *at, reel__drops *d)
{
    if (d->id) {
        return d->id;
    }
    int32_t few[64], *id = few;
    if (!d->sequence) {
        d->stream = d->once ? 0 : reel_tape_stream(d->tape);
        if (d->batch > (int64_t)(sizeof few / sizeof *few)) {
            id = reel__arena_alloc(&d->tape->arena, (size_t)d->batch * sizeof *id);
        }
        if (!id) {
            return reel__fail(d->tape, REEL_ERR_MEMORY, at, "out of memory for a mask");
        }
        for (int64_t b = 0; b < d->batch; b++) {
            id[b] = (int32_t)b;
        }
    }
    d->id =
        reel_input_at(at, d->tape, REEL_I32, d->sequence ? d->sequence : id, reel_dims(d->batch));
    return d->id;
}

/* A mask for x at that place: `value` with probability p. */
static reel_node *make_mask(const char *at, reel__drops *d, uint64_t place, int arrow,
                            uint64_t gate, const reel_node *x, double p, double value)
{
    reel_node *id = id_of(at, d);
    uint64_t stream = reel__mix(reel__mix(place, (uint64_t)arrow), gate) ^ d->stream;
    return reel_keyed_mask_at(at, id, id, reel_node_dim(x, -1), p, value, stream);
}

/* Apart from the question whether there is a mask, which every step asks several times. */
__attribute__((noinline)) static reel_node *masked(const char *at, reel_cell *c, const reel_mask *m,
                                                   int arrow, uint64_t gate, reel_node *x)
{
    reel__now *now = &c->now;
    if (m->given) {
        return reel_mul_at(at, x, m->given);
    }
    gate = c->regular.per_gate ? gate : 0;
    for (int i = 0; i < now->masks; i++) {
        if (now->made[i].arrow == arrow && now->made[i].gate == gate) {
            return reel_mul_at(at, x, now->made[i].mask);
        }
    }
    bool lasts = m->lifetime == REEL_EACH_SEQUENCE;
    reel_tape *tape = now->drops->tape;
    uint32_t scope = tape->scope;
    uint64_t place = lasts ? now->place : reel_tape_place(tape);
    tape->scope = lasts ? now->scope : scope;
    reel_node *mask = make_mask(at, now->drops, place, arrow, gate, x, 1 - m->p, 1 / (1 - m->p));
    tape->scope = scope;
    if (now->masks < (int)(sizeof now->made / sizeof *now->made)) {
        now->made[now->masks++] = (reel__made){arrow, gate, lasts, mask};
    }
    return reel_mul_at(at, x, mask);
}

reel_node *reel__drop(const char *at, reel_cell *c, int arrow, uint64_t gate, reel_node *x)
{
    const reel_mask *m = mask_for(c, arrow);
    c->now.seen |= 1U << arrow;
    return active(c, m) ? masked(at, c, m, arrow, gate, x) : x;
}

reel_node *reel__drop_between(const char *at, reel__drops *d, reel_node *x, double p)
{
    if (!reel_tape_training(d->tape)) {
        return x;
    }
    uint64_t place = reel_tape_place(d->tape);
    return reel_mul_at(at, x, make_mask(at, d, place, REEL__BETWEEN, 0, x, 1 - p, 1 / (1 - p)));
}

reel_node *reel_candidate_at(const char *at, reel_cell *c, reel_node *g)
{
    return c ? reel__drop(at, c, REEL__CANDIDATE, 0, g) : g;
}

reel_node *reel_recurrent_at(const char *at, reel_cell *c, reel_node *h)
{
    if (c && reel__drops_by_gate(c, REEL__RECURRENT)) {
        return reel_node_fail(at, h, REEL_ERR_ARGUMENT,
                              "cell '%s': recurrent masks by gate: its gates see one and the same",
                              c->name);
    }
    return c ? reel__drop(at, c, REEL__RECURRENT, 0, h) : h;
}

bool reel__drops_used(const char *at, const reel_cell *c)
{
    static const struct {
        int arrow;
        const char *name;
    } of[] = {{REEL__INPUT, "its input, by gate"},
              {REEL__RECURRENT, "its recurrent arrow"},
              {REEL__CANDIDATE, "its candidate"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        bool asked = of[i].arrow == REEL__INPUT ? reel__drops_by_gate(c, REEL__INPUT)
                                                : active(c, mask_for(c, of[i].arrow));
        if (asked && !(c->now.seen >> of[i].arrow & 1)) {
            reel__fail(c->now.drops->tape, REEL_ERR_ARGUMENT, at,
                       "cell '%s': a mask on %s: %s has no place for one", c->name, of[i].name,
                       c->type ? c->type->name : "its step function");
            return false;
        }
    }
    return true;
}

reel_node *reel_cell_time_at(const char *at, reel_cell *c)
{
    reel__drops *d = c ? c->now.drops : NULL;
    if (!d || c->now.time) {
        return d ? c->now.time : NULL;
    }
    double *time = reel__arena_alloc(&d->tape->arena, 2 * (size_t)d->batch * sizeof *time);
    if (!time) {
        return reel__fail(d->tape, REEL_ERR_MEMORY, at, "out of memory for the time of a step");
    }
    for (int64_t b = 0; b < d->batch; b++) {
        time[2 * b] = (double)c->now.step;
        time[2 * b + 1] = 0;
    }
    c->now.time = reel_input_at(at, d->tape, REEL_F64, time, reel_dims(d->batch, 2));
    return c->now.time;
}

/* Word types */

reel_node *reel_word_dropout_at(const char *at, reel_node *x, reel_node *words, double p,
                                const int32_t *sequence)
{
    reel_tape *tape = reel_node_tape(x);
    if (!(p >= 0 && p < 1)) {
        return reel_node_fail(
            at, x, REEL_ERR_ARGUMENT,
            "word_dropout: probability %g of dropping: expected 0 or more, below 1", p);
    }
    if (!tape || p == 0 || !reel_tape_training(tape)) {
        return x;
    }
    reel__drops d = {
        .tape = tape, .sequence = sequence, .batch = reel_node_dim(words, -1), .once = true};
    reel_node *mask = reel_keyed_mask_at(at, id_of(at, &d), words, 1, 1 - p, 1 / (1 - p),
                                         reel_random_stream("word dropout"));
    return reel_mul_at(at, x, mask);
}

reel_node *reel_sequence_dropout_at(const char *at, reel_node *x, double p, const int32_t *sequence)
{
    reel_tape *tape = reel_node_tape(x);
    if (!(p >= 0 && p < 1) || (tape && reel_node_rank(x) != 2)) {
        return reel_node_fail(
            at, x, REEL_ERR_ARGUMENT,
            "sequence_dropout: probability %g of dropping, rank %d: expected 0 or "
            "more, below 1, and [batch, features]",
            p, reel_node_rank(x));
    }
    if (!tape || p == 0 || !reel_tape_training(tape)) {
        return x;
    }
    reel__drops d = {
        .tape = tape, .sequence = sequence, .batch = reel_node_dim(x, 0), .once = true};
    return reel_mul_at(
        at, x, make_mask(at, &d, reel_tape_place(tape), REEL__INPUT, 0, x, 1 - p, 1 / (1 - p)));
}

/* Zoneout */

static reel_node *zoned(const char *at, reel__drops *d, int i, reel_node *old, reel_node *fresh,
                        double z)
{
    if (!reel_tape_training(d->tape)) {
        return reel_add_at(at, reel_scale_at(at, old, z), reel_scale_at(at, fresh, 1 - z));
    }
    reel_node *keeps =
        make_mask(at, d, reel_tape_place(d->tape), REEL__ZONE, (uint64_t)i, fresh, z, 1);
    return reel_where_at(at, keeps, old, fresh);
}

reel_node *reel__zone_out(const char *at, reel_cell *c, const reel_state *old, reel_state *s,
                          reel_node *y)
{
    bool output = y == s->v[0];
    for (int i = 0; i < s->n; i++) {
        double z = i ? c->regular.zoneout_c : c->regular.zoneout_h;
        if (z > 0) {
            s->v[i] = zoned(at, c->now.drops, i, old->v[i], s->v[i], z);
        }
    }
    return output ? s->v[0] : y;
}

/* The norm stabilizer */

reel_node *reel_norm_stabilizer_at(const char *at, int64_t T, reel_node *const *h, reel_node *h0,
                                   const int64_t *length, double beta)
{
    if (T < 1 || !h) {
        return reel_node_fail(at, h0, REEL_ERR_ARGUMENT,
                              "norm_stabilizer: %lld steps: expected 1 or more", (long long)T);
    }
    reel_tape *tape = reel_node_tape(h[0]);
    int64_t batch = reel_node_dim(h[0], 0);
    reel_node **term = tape ? reel__arena_alloc(&tape->arena, (size_t)T * sizeof *term) : NULL;
    double *share = tape ? reel__arena_alloc(&tape->arena, (size_t)batch * sizeof *share) : NULL;
    if (!term || !share) {
        return reel__fail(tape, REEL_ERR_MEMORY, at, "out of memory for a penalty");
    }
    reel_node *before = h0 ? reel_norm_axis_at(at, h0, 1, true) : NULL;
    for (int64_t t = 0; t < T; t++) {
        reel_node *norm = reel_norm_axis_at(at, h[t], 1, true);
        for (int64_t b = 0; b < batch; b++) {
            int64_t n = length ? length[b] : T;
            share[b] = t < n ? beta / ((double)n * (double)batch) : 0;
        }
        reel_node *change = before ? reel_sub_at(at, norm, before) : norm;
        reel_node *weight = reel_input_at(at, tape, REEL_F64, share, reel_dims(batch, 1));
        term[t] = reel_sum_at(at, reel_mul_at(at, reel_square_at(at, change), weight));
        before = norm;
    }
    return reel_sum_of_at(at, (int)T, term);
}
