/* Training by the reward of what the model says itself: self-critical (Rennie et al. 2017), where
 * the reward of the likeliest words is the baseline, or MIXER (Ranzato et al. 2016), where the last
 * words of a sentence are the model's own and a baseline is learned. */
#include "translate.h"

#include <stdlib.h>
#include <string.h>

/* The step of a roll-out, which keeps the states that the baseline sees. */
typedef struct rolling {
    const translator *m;
    const reel_source *source;
    reel_node **h;
} rolling;

static reel_node *step(void *context, int64_t t, reel_node *last, reel_node *source, reel_state *s)
{
    rolling *r = context;
    (void)source;
    reel_node *logits = reel_decoder_step(&r->m->decoder, t, r->source, last, s, NULL);
    r->h[t] = s->v[reel_cell_summary(r->m->decoder.cell)];
    return reel_log_softmax(logits, -1);
}

/* What an update by rewards works on, step by step: [N][n] each. */
typedef struct work {
    int64_t n, N;
    int32_t *word;   /* the model's own */
    int32_t *truth;  /* before each step */
    int64_t *length; /* [n] */
    double *advantage, *reward, *weight, *value;
    reel_node **out, **h; /* [N] */
    const char **text;    /* room for the words of two sentences */
} work;

static bool make(work *w, const batch *b)
{
    size_t places = (size_t)(b->N * b->n), N = (size_t)b->N;
    *w = (work){.n = b->n, .N = b->N, .truth = b->last};
    w->word = calloc(places, sizeof *w->word);
    w->length = calloc((size_t)b->n, sizeof *w->length);
    w->advantage = calloc(4 * places, sizeof *w->advantage);
    w->out = calloc(2 * N, sizeof *w->out);
    w->text = calloc(4 * N + 4, sizeof *w->text);
    if (!w->word || !w->length || !w->advantage || !w->out || !w->text) {
        return out_of_memory();
    }
    w->reward = w->advantage + places;
    w->weight = w->reward + places;
    w->value = w->weight + places;
    w->h = w->out + N;
    return true;
}

static void drop(work *w)
{
    free(w->word);
    free(w->length);
    free(w->advantage);
    free(w->out);
    free(w->text);
}

/* What a sentence of tokens, up to its end, is worth against a pair's target. Of a word that is not
 * known nothing that is said is right. */
static double worth(const translator *m, const pairs *p, int64_t pair, const int32_t *token,
                    int64_t stride, int64_t n, const char **text)
{
    const corpus *c = &p->target;
    const int64_t right = c->length[pair];
    int64_t spoken = 0;
    for (int64_t t = 0; t < right; t++) {
        int32_t right_one = c->token[pair][t];
        text[t] =
            right_one == REEL_UNKNOWN ? "" : reel_vocabulary_token(m->target, right_one, NULL);
    }
    for (int64_t t = 0; t < n && token[t * stride] != REEL_END_OF_TEXT; t++) {
        text[right + spoken++] = reel_vocabulary_token(m->target, token[t * stride], NULL);
    }
    const reel_words reference = {right, text};
    const reel_judged x = {{spoken, text + right}, 1, &reference};
    if (set.reward == REWARD_GLEU) {
        double gleu;
        return reel_sentence_gleu(&x, 4, &gleu) == REEL_OK ? gleu : 0;
    }
    reel_bleu b;
    return reel_sentence_bleu(&x, 4, &b) == REEL_OK ? b.bleu : 0;
}

/* The rewards of the likeliest words, said without being recorded for training. */
static bool greedy_rewards(const translator *m, reel_tape *tape, const pairs *p, const batch *b,
                           const int64_t *which, const reel_source *source, work *w, double *reward)
{
    reel_state s = reel_decoder_start(&m->decoder, source);
    rolling r = {m, source, w->h};
    if (reel_roll_out(.tape = tape, .step = step, .context = &r, .state = &s, .batch = b->n,
                      .N = b->N, .begin = REEL_BEGINNING, .own = REEL_OWN_LIKELIEST, .ends = true,
                      .end = REEL_END_OF_TEXT, .out = w->out, .next = w->word,
                      .length = w->length) != REEL_OK) {
        return tape_complain(tape);
    }
    for (int64_t i = 0; i < b->n; i++) {
        reward[i] = worth(m, p, which[i], w->word + i, b->n, w->length[i], w->text);
    }
    return true;
}

static reel_node *self_critical(const translator *m, reel_tape *tape, const pairs *p,
                                const batch *b, const int64_t *which, const reel_source *source,
                                work *w, reel_random *random)
{
    double *greedy = w->value;
    int64_t steps = 0;
    if (!greedy_rewards(m, tape, p, b, which, source, w, greedy)) {
        return NULL;
    }
    reel_state s = reel_decoder_start(&m->decoder, source);
    rolling r = {m, source, w->h};
    if (reel_roll_out(.tape = tape, .step = step, .context = &r, .state = &s, .batch = b->n,
                      .N = b->N, .begin = REEL_BEGINNING, .own = REEL_OWN_DRAWN, .random = random,
                      .ends = true, .end = REEL_END_OF_TEXT, .out = w->out, .next = w->word,
                      .length = w->length, .steps = &steps) != REEL_OK) {
        tape_complain(tape);
        return NULL;
    }
    for (int64_t i = 0; i < b->n; i++) {
        double own = worth(m, p, which[i], w->word + i, b->n, w->length[i], w->text);
        for (int64_t t = 0; t < steps; t++) {
            w->advantage[t * b->n + i] = t < w->length[i] ? own - greedy[i] : 0;
        }
    }
    return reel_policy_loss(steps, w->out, w->word, w->advantage);
}

/* The words before `forced` are the truth's and have no reward of their own; BLEU is that of the
 * whole sentence. */
static reel_node *mixer(const translator *m, reel_tape *tape, const pairs *p, const batch *b,
                        const int64_t *which, const reel_source *source, work *w,
                        reel_random *random, int64_t forced)
{
    reel_state s = reel_decoder_start(&m->decoder, source);
    rolling r = {m, source, w->h};
    if (reel_roll_out(.tape = tape, .step = step, .context = &r, .state = &s, .batch = b->n,
                      .N = b->N, .truth = b->last, .forced = forced, .share = 0,
                      .own = REEL_OWN_DRAWN, .random = random, .out = w->out,
                      .next = w->word) != REEL_OK) {
        tape_complain(tape);
        return NULL;
    }
    for (int64_t i = 0; i < b->n; i++) {
        for (int64_t t = 0; t < forced && t < b->N; t++) {
            w->word[t * b->n + i] = b->next[t * b->n + i];
        }
        double own = worth(m, p, which[i], w->word + i, b->n, b->N, w->text);
        bool on = true;
        for (int64_t t = 0; t < b->N; t++) {
            int64_t k = t * b->n + i;
            w->reward[k] = own;
            w->weight[k] = on && t >= forced;
            on = on && w->word[k] != REEL_END_OF_TEXT;
        }
    }
    int64_t drawn = b->N - forced;
    reel_node *regress =
        reel_baseline(m->params, "baseline", drawn, w->h + forced, w->reward + forced * b->n,
                      w->weight + forced * b->n, w->value + forced * b->n);
    for (int64_t k = forced * b->n; k < b->N * b->n; k++) {
        w->advantage[k] = w->weight[k] > 0 ? w->reward[k] - w->value[k] : 0;
    }
    reel_node *policy = reel_policy_loss(drawn, w->out + forced, w->word + forced * b->n,
                                         w->advantage + forced * b->n);
    return reel_add(policy, reel_scale(regress, set.baseline_rate));
}

/* Cross-entropy of the first N steps, by the truth, per word; w->out are log-probabilities. */
static reel_node *forced_loss(reel_tape *tape, const batch *b, int64_t N, reel_node *const *out)
{
    int64_t words = 0;
    for (int64_t k = 0; k < N * b->n; k++) {
        words += b->next[k] != REEL_BEGINNING;
    }
    for (int64_t t = 0; t < N; t++) {
        reel_node *next = reel_input(tape, REEL_I32, b->next + t * b->n, reel_dims(b->n));
        b->y[t] = reel_cross_entropy_full(out[t], next, NULL, REEL_BEGINNING, 0, REEL_SUM);
    }
    return reel_mul(reel_sum_of((int)N, b->y), reel_number(tape, 1 / (double)(words ? words : 1)));
}

static reel_node *mixed(const translator *m, reel_tape *tape, const pairs *p, const batch *b,
                        const int64_t *which, const reel_source *source, work *w,
                        reel_random *random, int64_t epoch)
{
    const reel_mixer plan = {set.mixer_first, set.mixer_each, set.mixer_by};
    int64_t forced = reel_mixer_forced(&plan, epoch, b->N);
    reel_node *loss = NULL, *likely = NULL;
    if (forced < b->N) {
        loss = mixer(m, tape, p, b, which, source, w, random, forced);
        if (!loss) {
            return NULL;
        }
    } else {
        if (!batch_force(m, tape, b, source)) {
            return NULL;
        }
        memcpy(w->out, b->logits, (size_t)b->N * sizeof *w->out);
    }
    if (forced > 0) {
        likely = forced_loss(tape, b, forced, w->out);
        loss = loss ? reel_add(loss, reel_scale(likely, set.weight)) : likely;
    }
    return loss;
}

reel_node *reward_loss(const translator *m, reel_tape *tape, const pairs *p, const batch *b,
                       const int64_t *which, int64_t update, int64_t epoch)
{
    work w;
    reel_node *loss = NULL;
    reel_random random =
        reel_random_new((uint64_t)set.seed, reel_random_stream("rewards") + (uint64_t)update);
    if (make(&w, b)) {
        reel_tape_set_training(tape, false); /* rewards are those of the whole network */
        reel_source source = batch_encode(m, tape, b);
        if (set.objective == OBJECTIVE_MIXER) {
            loss = mixed(m, tape, p, b, which, &source, &w, &random, epoch);
        } else {
            loss = self_critical(m, tape, p, b, which, &source, &w, &random);
            if (loss && set.weight > 0 && batch_force(m, tape, b, &source)) {
                loss =
                    reel_add(loss, reel_scale(forced_loss(tape, b, b->N, b->logits), set.weight));
            }
        }
        reel_tape_set_training(tape, true);
    }
    drop(&w);
    return loss;
}

bool reward_weights(const translator *m)
{
    if (set.objective != OBJECTIVE_MIXER) {
        return true;
    }
    reel_tape *tape = translator_tape(false);
    double reward = 0, value;
    reel_state zero = reel_state_zero(tape, m->decoder.cell, 1);
    reel_node *h = reel_constant(tape, 0, reel_dims(1, reel_node_dim(zero.v[0], -1)));
    (void)reel_baseline(m->params, "baseline", 1, &h, &reward, NULL, &value);
    bool ok = reel_tape_status(tape) == REEL_OK || tape_complain(tape);
    reel_tape_free(tape);
    return ok;
}
