/* The scenes of a run: made, told, and the words numbered. */
#include "data.h"
#include "../program/program.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_VALID = 100 }; /* they are measured after each epoch */

static bool split_make(split *s, int64_t n, bool novel, const eye *e, const char *name,
                       uint64_t seed)
{
    s->n = n;
    s->scene = malloc((size_t)n * sizeof *s->scene);
    s->caption = malloc((size_t)(n * REFERENCES) * sizeof *s->caption);
    if (!s->scene || !s->caption) {
        return out_of_memory();
    }
    reel_random random = reel_random_new(seed, reel_random_stream(name));
    for (int64_t i = 0; i < n; i++) {
        scene_make(&s->scene[i], novel, e, &random);
        for (int k = 0; k < REFERENCES; k++) {
            caption_make(&s->caption[i * REFERENCES + k], &s->scene[i], &random);
        }
    }
    return true;
}

static bool count_words(reel_vocabulary *v, const split *s)
{
    for (int64_t i = 0; i < s->n * REFERENCES; i++) {
        const caption *c = &s->caption[i];
        for (int k = 0; k < c->n; k++) {
            if (reel_vocabulary_count(v, c->word[k], strlen(c->word[k])) != REEL_OK) {
                return vocabulary_complain(v);
            }
        }
    }
    return reel_vocabulary_cut(v, 0, 0) == REEL_OK || vocabulary_complain(v);
}

static void number_words(const reel_vocabulary *v, split *s)
{
    for (int64_t i = 0; i < s->n * REFERENCES; i++) {
        caption *c = &s->caption[i];
        for (int k = 0; k < c->n; k++) {
            int32_t token = reel_vocabulary_find(v, c->word[k], strlen(c->word[k]));
            c->token[k] = token < 0 ? REEL_UNKNOWN : token;
        }
        c->token[c->n] = REEL_END_OF_TEXT;
    }
}

bool data_make(data *d, const data_args *args)
{
    const int64_t valid = args->heldout < MOST_VALID ? args->heldout : MOST_VALID;
    eye e;
    eye_make(&e, args->noise, args->seed);
    *d = (data){.vocabulary = reel_vocabulary_new(REEL_WORDS, true)};
    if (!d->vocabulary ||
        !split_make(&d->training, args->scenes, false, &e, "training", args->seed) ||
        !split_make(&d->valid, valid, true, &e, "valid", args->seed) ||
        !split_make(&d->test, args->heldout, true, &e, "test", args->seed) ||
        !count_words(d->vocabulary, &d->training)) {
        return d->vocabulary ? false : out_of_memory();
    }
    number_words(d->vocabulary, &d->training);
    number_words(d->vocabulary, &d->valid);
    number_words(d->vocabulary, &d->test);
    return true;
}

static void split_free(split *s)
{
    free(s->scene);
    free(s->caption);
}

void data_free(data *d)
{
    reel_vocabulary_free(d->vocabulary);
    split_free(&d->training);
    split_free(&d->valid);
    split_free(&d->test);
    *d = (data){0};
}

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ byte[i]) * 0x100000001b3u; /* FNV-1a */
    }
    return h;
}

uint64_t data_hash(const data *d)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < d->training.n; i++) {
        h = hash_bytes(h, d->training.scene[i].feature, sizeof d->training.scene[i].feature);
    }
    for (int64_t i = 0; i < d->training.n * REFERENCES; i++) {
        const caption *c = &d->training.caption[i];
        h = hash_bytes(h, c->token, (size_t)(c->n + 1) * sizeof *c->token);
    }
    return h;
}
