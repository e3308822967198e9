/* Sentence pairs, and batches of them as the network reads them. */
#include "translate.h"

#include <inttypes.h>
#include <stdlib.h>

bool pairs_read(pairs *p, const translator *m, const char *source, const char *target,
                bool keep_target)
{
    *p = (pairs){.source = {.n = 0}};
    if (!corpus_read(&p->source, source, m->source, set.longest, false) ||
        !corpus_read(&p->target, target, m->target, set.longest, keep_target)) {
        return false;
    }
    if (p->source.n != p->target.n) {
        return complain("%s has %" PRId64 " lines, %s has %" PRId64 ": expected one for each",
                        source, p->source.n, target, p->target.n);
    }
    return p->source.n > 0 || complain("%s: no lines", source);
}

void pairs_free(pairs *p)
{
    corpus_free(&p->source);
    corpus_free(&p->target);
}

uint64_t pairs_hash(const pairs *p)
{
    return corpus_hash(&p->source) * 3 + corpus_hash(&p->target);
}

static int64_t longest(const corpus *c, const int64_t *which, int64_t n)
{
    int64_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        most = c->length[which[i]] > most ? c->length[which[i]] : most;
    }
    return most;
}

static bool allocate(batch *b)
{
    size_t n = (size_t)b->n, T = (size_t)b->T, N = (size_t)b->N;
    b->length = malloc(2 * n * sizeof *b->length);
    b->word = malloc((T + 2 * N) * n * sizeof *b->word);
    b->h = calloc(T + 3 * N, sizeof *b->h);
    if (!b->length || !b->word || !b->h) {
        return out_of_memory();
    }
    b->spoken = b->length + n;
    b->last = b->word + T * n;
    b->next = b->last + N * n;
    b->y = b->h + T;
    b->logits = b->y + N;
    b->weights = b->logits + N;
    return true;
}

static void fill_source(batch *b, const corpus *c, const int64_t *which)
{
    for (int64_t i = 0; i < b->n; i++) {
        int64_t length = c->length[which[i]];
        b->length[i] = length > 0 ? length : 1;
        for (int64_t t = 0; t < b->T; t++) {
            b->word[t * b->n + i] = t < length ? c->token[which[i]][t] : REEL_UNKNOWN;
        }
    }
}

/* Beyond a target's end the word that comes next is the beginning, which no target has: it counts
 * nowhere. What was cut off has no end to be learned. */
static void fill_target(batch *b, const corpus *c, const int64_t *which)
{
    for (int64_t i = 0; i < b->n; i++) {
        int64_t length = c->length[which[i]];
        b->spoken[i] = length + 1;
        b->words += length + 1;
        for (int64_t t = 0; t < b->N; t++) {
            int32_t here = t < length ? c->token[which[i]][t] : REEL_END_OF_TEXT;
            bool counts = t < length || (t == length && length < set.longest);
            b->next[t * b->n + i] = counts ? here : REEL_BEGINNING;
            if (t + 1 < b->N) {
                b->last[(t + 1) * b->n + i] = here;
            }
        }
        b->last[i] = REEL_BEGINNING;
    }
}

bool batch_make(batch *b, const corpus *source, const corpus *target, const int64_t *which,
                int64_t n)
{
    int64_t T = longest(source, which, n);
    *b = (batch){.n = n, .T = T > 0 ? T : 1};
    b->N = target ? longest(target, which, n) + 1 : 0;
    if (!allocate(b)) {
        return false;
    }
    fill_source(b, source, which);
    if (target) {
        fill_target(b, target, which);
    }
    return true;
}

void batch_free(batch *b)
{
    free(b->length);
    free(b->word);
    free(b->h);
    *b = (batch){.n = 0};
}

reel_source batch_encode(const translator *m, reel_tape *tape, const batch *b)
{
    reel_node *words = reel_input(tape, REEL_I32, b->word, reel_dims(b->T, b->n));
    return reel_encode(&m->encoder, b->T, .words = words, .h = b->h, .length = b->length,
                       .sequence = b->name);
}

bool batch_force(const translator *m, reel_tape *tape, const batch *b, const reel_source *source)
{
    reel_state s = reel_decoder_start(&m->decoder, source);
    for (int64_t t = 0; t < b->N; t++) {
        b->y[t] = reel_input(tape, REEL_I32, b->last + t * b->n, reel_dims(b->n));
    }
    (void)reel_decode_all(&m->decoder, source, b->N, b->y, &s, b->logits, b->weights);
    return reel_tape_status(tape) == REEL_OK || tape_complain(tape);
}
