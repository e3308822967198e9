/* Batches of sentences as numbers. */
#include "coding.h"

#include <stdlib.h>
#include <string.h>

/* Coding
 * --------------------------------------------------------------------------------------------- */

static bool count(coding *c, const sentences *s, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        const char *word = sentences_word(s, i);
        if (reel_vocabulary_count(c->words, word, strlen(word)) != REEL_OK) {
            return vocabulary_complain(c->words);
        }
        if (reel_vocabulary_count(c->characters, word, strlen(word)) != REEL_OK) {
            return vocabulary_complain(c->characters);
        }
    }
    return true;
}

bool coding_learn(coding *c, const sentences *s, int64_t n)
{
    c->words = reel_vocabulary_new(REEL_WORDS, true);
    c->characters = reel_vocabulary_new(REEL_CHARACTERS, true);
    if (!c->words || !c->characters) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < n; i++) {
        if (!count(c, s, s->first[i], s->first[i] + s->length[i])) {
            return false;
        }
    }
    if (reel_vocabulary_cut(c->words, set.common.least, 0) != REEL_OK) {
        return vocabulary_complain(c->words);
    }
    return reel_vocabulary_cut(c->characters, set.common.least, 0) == REEL_OK ||
           vocabulary_complain(c->characters);
}

static void forget_forms(coding *c)
{
    free(c->word);
    free(c->spelling);
    free(c->spelled);
    free(c->place);
    c->word = c->spelling = c->place = NULL;
    c->spelled = NULL;
}

bool coding_of(coding *c, const sentences *s)
{
    size_t n = (size_t)reel_vocabulary_size(s->forms);
    forget_forms(c);
    c->word = malloc((n + 1) * sizeof *c->word);
    c->spelling = malloc((n + 1) * LONGEST_WORD * sizeof *c->spelling);
    c->spelled = malloc((n + 1) * sizeof *c->spelled);
    c->place = malloc((n + 1) * sizeof *c->place);
    if (!c->word || !c->spelling || !c->spelled || !c->place) {
        return out_of_memory();
    }
    for (size_t i = 0; i < n; i++) {
        size_t size;
        const char *form = reel_vocabulary_token(s->forms, (int32_t)i, &size);
        int32_t word = reel_vocabulary_find(c->words, form, size);
        int64_t letters = reel_vocabulary_encode(c->characters, form, size,
                                                 c->spelling + i * LONGEST_WORD, LONGEST_WORD);
        c->word[i] = word >= 0 ? word : REEL_UNKNOWN;
        c->spelled[i] = letters < LONGEST_WORD ? letters : LONGEST_WORD;
        c->place[i] = -1;
    }
    return true;
}

void coding_free(coding *c)
{
    forget_forms(c);
    reel_vocabulary_free(c->words);
    reel_vocabulary_free(c->characters);
    *c = (coding){0};
}

/* Batches
 * -------------------------------------------------------------------------------------------- */

void batch_free(batch *b)
{
    free(b->word);
    free(b->tag);
    free(b->length);
    free(b->which);
    free(b->character);
    free(b->spelled);
    *b = (batch){0};
}

/* Different words and their characters come in multiples of these, and so do steps: a graph of a
 * size that was seen before need not be compiled and kept again. */
enum { WORDS_UNIT = 64, CHARACTERS_UNIT = 4, STEPS_UNIT = 4 };

static int64_t rounded(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static bool room(batch *b, int64_t n, int64_t T)
{
    batch_free(b);
    size_t words = (size_t)rounded(n * T, WORDS_UNIT);
    *b = (batch){.n = n,
                 .T = T,
                 .word = calloc(words, sizeof *b->word),
                 .tag = calloc(words, sizeof *b->tag),
                 .length = calloc((size_t)n, sizeof *b->length),
                 .which = calloc(words, sizeof *b->which),
                 .character = calloc(words * LONGEST_WORD, sizeof *b->character),
                 .spelled = calloc(words, sizeof *b->spelled)};
    return (b->word && b->tag && b->length && b->which && b->character && b->spelled) ||
           out_of_memory();
}

/* The place of a form among the batch's different ones, which it joins if it is new. */
static int32_t place_of(batch *b, const coding *c, int32_t form)
{
    if (c->place[form] < 0) {
        c->place[form] = (int32_t)b->different;
        b->spelled[b->different++] = c->spelled[form];
        b->C = c->spelled[form] > b->C ? c->spelled[form] : b->C;
    }
    return c->place[form];
}

static void fill_sentence(batch *b, const coding *c, const sentences *s, int64_t i, int64_t k)
{
    b->length[k] = s->length[i];
    b->tokens += s->length[i];
    for (int64_t t = 0; t < s->length[i]; t++) {
        int64_t at = s->first[i] + t;
        b->word[t * b->n + k] = c->word[s->form[at]];
        b->tag[t * b->n + k] = s->tag[at] >= 0 ? s->tag[at] : 0;
        b->which[t * b->n + k] = place_of(b, c, s->form[at]);
    }
}

/* Once all are known, and with them the longest: their characters. */
static void spell(batch *b, const coding *c, const sentences *s, int64_t i)
{
    for (int64_t t = 0; t < s->length[i]; t++) {
        int32_t form = s->form[s->first[i] + t], place = c->place[form];
        for (int64_t k = 0; place >= 0 && k < c->spelled[form]; k++) {
            b->character[k * b->different + place] = c->spelling[form * LONGEST_WORD + k];
        }
        c->place[form] = -1;
    }
}

/* Adds words of one unknown character. */
static void round_up(batch *b)
{
    int64_t all = rounded(b->different, WORDS_UNIT);
    while (b->different < all) {
        b->spelled[b->different++] = 1;
    }
    b->C = rounded(b->C, CHARACTERS_UNIT);
}

bool batch_fill(batch *b, const coding *c, const sentences *s, const int64_t *which, int64_t n)
{
    int64_t T = 1;
    for (int64_t k = 0; k < n; k++) {
        T = s->length[which[k]] > T ? s->length[which[k]] : T;
    }
    if (!room(b, n, rounded(T, STEPS_UNIT))) {
        return false;
    }
    for (int64_t k = 0; k < n; k++) {
        fill_sentence(b, c, s, which[k], k);
    }
    round_up(b);
    for (int64_t k = 0; k < n; k++) {
        spell(b, c, s, which[k]);
    }
    return true;
}
