/* Decoding by one model or an ensemble, and the scores of what is said. */
#include "judge.h"
#include "../program/program.h"

#include <stdlib.h>

enum { AT_ONCE = 100 }; /* scenes that are decoded together */

static bool say_some(captioner *const *model, int models, int beam, int64_t n, const scene *seen,
                     reel_hypothesis *found)
{
    float feature[AT_ONCE][FEATURES];
    reel_decode_step *step[MOST_MODELS];
    void *context[MOST_MODELS];
    int states[MOST_MODELS];
    reel_state start[MOST_MODELS];
    for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < FEATURES; k++) {
            feature[i][k] = seen[i].feature[k];
        }
    }
    reel_tape *tape = reel_tape_new(1, .inference = true);
    for (int k = 0; k < models; k++) {
        step[k] = captioner_step;
        context[k] = model[k];
        start[k] = captioner_start(model[k], tape, n, feature[0]);
        states[k] = start[k].n;
    }
    reel_ensemble all = {.n = models, .step = step, .context = context, .states = states};
    reel_state joined = reel_state_join(models, start);
    bool ok = reel_decode(found, .tape = tape, .step = reel_ensemble_step, .context = &all,
                          .start = &joined, .sources = n, .beam = beam, .begin = REEL_BEGINNING,
                          .end = REEL_END_OF_TEXT, .longest = MOST_WORDS) == REEL_OK ||
              tape_complain(tape);
    reel_tape_free(tape);
    return ok;
}

bool say_captions(captioner *const *model, int models, int beam, int64_t n, const scene *seen,
                  reel_hypothesis *found)
{
    for (int64_t from = 0; from < n; from += AT_ONCE) {
        int64_t some = n - from < AT_ONCE ? n - from : AT_ONCE;
        if (!say_some(model, models, beam, some, seen + from, found + from)) {
            reel_decode_free(found, from);
            return false;
        }
    }
    return true;
}

int said_words(const reel_hypothesis *h, const reel_vocabulary *v, const char **word)
{
    int n = 0;
    for (int64_t i = 0; i < h->length; i++) {
        if (h->token[i] != REEL_END_OF_TEXT && h->token[i] != REEL_BEGINNING) {
            word[n++] = reel_vocabulary_token(v, h->token[i], NULL);
        }
    }
    return n;
}

/* What one scene is judged by. */
typedef struct sheet {
    const char *word[MOST_WORDS];
    reel_words reference[REFERENCES];
} sheet;

static void fill(sheet *p, reel_judged *x, const caption *right, const reel_hypothesis *h,
                 const reel_vocabulary *v)
{
    for (int k = 0; k < REFERENCES; k++) {
        p->reference[k] = (reel_words){right[k].n, right[k].word};
    }
    *x = (reel_judged){
        {said_words(h, v, p->word), p->word}, .references = REFERENCES, .reference = p->reference};
}

static bool score(int64_t n, const reel_judged *x, scores *result)
{
    reel_bleu b;
    if (reel_corpus_bleu(n, x, REEL_BLEU_ORDERS, &b) != REEL_OK ||
        reel_meteor(n, x, NULL, &result->meteor, NULL) != REEL_OK ||
        reel_cider_d(n, x, &result->cider, NULL) != REEL_OK) {
        return out_of_memory();
    }
    result->bleu = b.bleu;
    return true;
}

bool judge_captions(captioner *const *model, int models, int beam, const split *s,
                    const reel_vocabulary *v, scores *result)
{
    size_t n = (size_t)s->n;
    reel_hypothesis *found = calloc(n, sizeof *found);
    sheet *paper = malloc(n * sizeof *paper);
    reel_judged *x = malloc(n * sizeof *x);
    bool ok = found && paper && x;
    if (!ok) {
        out_of_memory();
    }
    ok = ok && say_captions(model, models, beam, s->n, s->scene, found);
    if (ok) {
        for (int64_t i = 0; i < s->n; i++) {
            fill(&paper[i], &x[i], s->caption + i * REFERENCES, &found[i], v);
        }
        ok = score(s->n, x, result);
        reel_decode_free(found, s->n);
    }
    free(found);
    free(paper);
    free(x);
    return ok;
}
