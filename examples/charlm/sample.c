/* Sampling, one unit at a time: each step is recorded, evaluated, drawn from and forgotten, its
 * state carried to the next. What it must not know: files and training. */
#include "sample.h"
#include "../program/say.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    model *m;
    reel_tape *tape;
    reel_carry carry;
    double *score;
} writer;

/* Reads one unit; leaves the scores of the next in w->score when they are wanted. */
static bool step(writer *w, int32_t unit, bool scores)
{
    reel_tape_reset(w->tape);
    reel_state s = reel_state_from(w->tape, w->m->cell, 1, &w->carry);
    reel_node *logits = model_run(w->m, w->tape, 1, 1, &unit, &s);
    if ((scores && reel_read(logits, w->score, (size_t)w->m->vocabulary) != REEL_OK) ||
        reel_state_keep(&w->carry, &s) != REEL_OK) {
        return tape_complain(w->tape);
    }
    return true;
}

static size_t likeliest(const double *score, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = score[i] > score[best] ? i : best;
    }
    return best;
}

/* Draws from softmax(score / temperature); the greatest score is taken off first, against overflow.
 */
static size_t draw(double *score, size_t n, double temperature, reel_random *r)
{
    size_t best = likeliest(score, n);
    if (temperature <= 0) {
        return best;
    }
    double top = score[best];
    for (size_t i = 0; i < n; i++) {
        score[i] = exp((score[i] - top) / temperature);
    }
    return reel_random_choice(r, score, n);
}

static bool write_units(writer *w, const vocabulary *v, const sampling *how, FILE *out)
{
    reel_random random = reel_random_new(how->seed, how->stream);
    size_t n = (size_t)w->m->vocabulary;
    for (int64_t i = 0; i < how->length && interrupted() == 0; i++) {
        int32_t unit = (int32_t)draw(w->score, n, how->temperature, &random);
        if (!vocabulary_write(v, unit, out) || (how->flush && fflush(out) != 0)) {
            return complain("the sample cannot be written: %s", strerror(errno));
        }
        if (i + 1 < how->length && !step(w, unit, true)) {
            return false;
        }
    }
    return true;
}

/* The units to start from; the caller frees them. */
static bool encode_prime(const vocabulary *v, const char *prime, int32_t **unit, int64_t *n)
{
    if (prime != NULL && prime[0] != '\0') {
        return vocabulary_encode(v, "--prime", (const unsigned char *)prime, strlen(prime), unit,
                                 n);
    }
    *unit = malloc(sizeof **unit);
    if (*unit == NULL) {
        return out_of_memory();
    }
    **unit = v->index['\n'] >= 0 ? v->index['\n'] : 0;
    *n = 1;
    return true;
}

bool sample(model *m, reel_tape *tape, const vocabulary *v, const sampling *how, FILE *out)
{
    int32_t *prime = NULL;
    int64_t n = 0;
    writer w = {.m = m, .tape = tape, .score = malloc((size_t)m->vocabulary * sizeof *w.score)};
    bool ok = (w.score != NULL || out_of_memory()) && encode_prime(v, how->prime, &prime, &n);
    for (int64_t i = 0; ok && i < n; i++) {
        ok = step(&w, prime[i], i + 1 == n);
    }
    if (ok && how->prime != NULL) {
        fputs(how->prime, out);
    }
    ok = ok && write_units(&w, v, how, out);
    reel_tape_reset(tape);
    reel_carry_free(&w.carry);
    free(w.score);
    free(prime);
    return ok;
}
