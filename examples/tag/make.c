/* Sentences that are made up. */
#include "../program/program.h"
#include "sentences.h"

#include <string.h>

static const char *const nouns[] = {"dog", "cat", "fox", "bear", "horse", "goose", "goat", "wolf"};
static const char *const adjectives[] = {"old", "small", "brown", "hungry", "quiet"};
static const char *const active[] = {"bites", "follows", "sees", "hears", "meets"};
static const char *const passive[] = {"bitten", "followed", "seen", "heard", "met"};

#define ANY_OF(array, random) (array)[reel_random_below((random), sizeof(array) / sizeof *(array))]

/* What one sentence after the other is made with. */
typedef struct maker {
    sentences *s;
    labels *tags;
    reel_random random;
} maker;

static bool say(maker *m, const char *word, const char *tag)
{
    int32_t number = labels_add(m->tags, tag, strlen(tag));
    return number >= 0 && sentences_add(m->s, word, strlen(word), number);
}

/* "the old dog" */
static bool say_noun(maker *m, const char *role)
{
    char begin[16], inside[16];
    snprintf(begin, sizeof begin, "B-%s", role);
    snprintf(inside, sizeof inside, "I-%s", role);
    bool ok = say(m, "the", begin);
    if (reel_random_below(&m->random, 2) == 0) {
        ok = ok && say(m, ANY_OF(adjectives, &m->random), inside);
    }
    return ok && say(m, ANY_OF(nouns, &m->random), inside);
}

/* "near the goat", half of the time */
static bool say_place(maker *m)
{
    return reel_random_below(&m->random, 2) == 0 || (say(m, "near", "O") && say_noun(m, "PLACE"));
}

static bool say_verb(maker *m, bool passively)
{
    if (!passively) {
        return say(m, ANY_OF(active, &m->random), "O");
    }
    return say(m, "is", "O") && say(m, ANY_OF(passive, &m->random), "O") && say(m, "by", "O");
}

bool sentences_make(sentences *s, int64_t lines, uint64_t seed, labels *tags)
{
    maker m = {.s = s, .tags = tags, .random = reel_random_new(seed, reel_random_stream("roles"))};
    bool ok = true;
    for (int64_t i = 0; ok && i < lines; i++) {
        bool passively = reel_random_below(&m.random, 2) == 1;
        ok = say_place(&m) && say_noun(&m, passively ? "PATIENT" : "AGENT") && say_place(&m) &&
             say_verb(&m, passively) && say_noun(&m, passively ? "AGENT" : "PATIENT") &&
             say_place(&m);
        sentences_end(s);
    }
    return ok;
}
