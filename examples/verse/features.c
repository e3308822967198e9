/* Features of a line and of those before it. */
#include "features.h"

#include "../program/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOWHERE, LAST, NEAR, FAR, SCENE, NAME, NEAR_LINES = 5 };

bool matcher_make(matcher *m, const play *p)
{
    size_t words = (size_t)reel_vocabulary_size(p->every) + 1;
    m->play = p;
    m->level = calloc(words, 1);
    m->stem = calloc(words, 1);
    m->scene = calloc(words, 1);
    return (m->level && m->stem && m->scene) || out_of_memory();
}

void matcher_free(matcher *m)
{
    free(m->level);
    free(m->stem);
    free(m->scene);
    *m = (matcher){0};
}

void context_at(verse_context *c, const play *p, int64_t i, int64_t begin)
{
    c->n = 0;
    for (; i >= begin && c->n < DEPTH; i--) {
        c->line[c->n++] = &p->line[i];
    }
}

static void mark(matcher *m, int32_t n, const int32_t *word, int level)
{
    for (int32_t k = 0; k < n; k++) {
        if (word[k] >= 0) {
            m->level[word[k]] = (uint8_t)level;
            m->stem[m->play->stem[word[k]]] = level == LAST || level == NEAR || level == FAR;
        }
    }
}

static void count_scene(matcher *m, const line *l, bool on)
{
    for (int32_t k = 0; k < l->words; k++) {
        uint8_t *count = l->every[k] >= 0 ? &m->scene[l->every[k]] : NULL;
        if (count) {
            *count = on ? (uint8_t)(*count + (*count < UINT8_MAX)) : 0;
        }
    }
}

/* From the farthest to the nearest, which wins; with `on` false everything is unmarked. */
static void mark_all(matcher *m, const verse_context *c, bool on)
{
    for (int32_t k = c->n - 1; k >= 0; k--) {
        const line *l = c->line[k];
        if (l->speaker >= 0 && k < NEAR_LINES) {
            const speaker *s = &m->play->speaker[l->speaker];
            mark(m, s->words, s->every, on ? NAME : NOWHERE);
        }
    }
    for (int32_t k = c->n - 1; k >= 0; k--) {
        if (k >= RECENT) {
            count_scene(m, c->line[k], on);
        }
        int level = k == 0 ? LAST : k < NEAR_LINES ? NEAR : k < RECENT ? FAR : SCENE;
        mark(m, c->line[k]->words, c->line[k]->every, on ? level : NOWHERE);
    }
}

static bool rhymes(const line *a, const line *b)
{
    return a->rhyme[0] != '\0' && strcmp(a->rhyme, b->rhyme) == 0;
}

static void past(const verse_context *c, float *f)
{
    const line *last = c->line[0];
    int32_t n = c->n < 4 ? c->n : 4, speech = 0;
    while (speech < c->n && c->line[speech]->speech == last->speech) {
        speech++;
    }
    f[PAST_STOP + last->end] = 1;
    f[PAST_LENGTH] = (float)last->bytes / 40;
    f[PAST_SYLLABLES] = (float)last->syllables / 10;
    f[PAST_COUPLET] = c->n > 1 && rhymes(last, c->line[1]);
    f[PAST_SPEECH] = (float)(speech < 8 ? speech : 8) / 4;
    for (int32_t k = 0; k < n; k++) {
        f[PAST_SMALL] += (float)c->line[k]->small / (float)n;
        f[PAST_SHORT] += (float)c->line[k]->bytes / (float)n / 40;
    }
    n = c->n < RECENT ? c->n : RECENT;
    for (int32_t k = 0; k < n; k++) {
        f[PAST_PROSE] += (float)c->line[k]->small / (float)n;
    }
}

static bool same_word(const line *a, int32_t i, const line *b, int32_t k)
{
    return i >= 0 && k >= 0 && a->every[i] >= 0 && a->every[i] == b->every[k];
}

static bool in_scene(const verse_context *c, const line *l)
{
    for (int32_t k = RECENT; k < c->n; k++) {
        if (c->line[k] == l) {
            return true;
        }
    }
    return false;
}

/* Whether the scene has the word but for the line itself, which is in it. */
static bool has_besides(const matcher *m, const line *l, int32_t word)
{
    int own = 0;
    for (int32_t k = 0; k < l->words; k++) {
        own += l->every[k] == word;
    }
    return m->scene[word] > own;
}

static void again(const matcher *m, const verse_context *c, const line *l, float *f)
{
    static const int feature[] = {[NOWHERE] = OWN_NEW, [LAST] = AGAIN,        [NEAR] = AGAIN_NEAR,
                                  [FAR] = AGAIN_FAR,   [SCENE] = AGAIN_SCENE, [NAME] = NAMED};
    bool inside = in_scene(c, l);
    for (int32_t k = 0; k < l->words; k++) {
        int32_t word = l->every[k];
        if (word < 0) {
            continue;
        }
        float weight = (float)m->play->weight[word] / 8;
        int level = m->level[word];
        level = level == SCENE && inside && !has_besides(m, l, word) ? NOWHERE : level;
        bool stem = (level == NOWHERE || level == SCENE) && m->stem[m->play->stem[word]] != 0;
        f[stem ? AGAIN_STEM : feature[level]] += weight;
        f[AGAIN_MOST] = fmaxf(f[AGAIN_MOST], level != NOWHERE ? weight : 0);
    }
}

static void speakers(const matcher *m, const verse_context *c, const line *l, float *f)
{
    int32_t last = c->line[0]->speaker, k = 0, others = 0, other = last;
    if (m->alone || l->speaker == last) {
        f[SAME_SPEAKER] = 1;
        return;
    }
    for (; k < c->n && c->line[k]->speaker != l->speaker; k++) {
        others += c->line[k]->speaker != last && c->line[k]->speaker != other;
        other = c->line[k]->speaker != last ? c->line[k]->speaker : other;
    }
    if (k < c->n) {
        f[others == 0 ? SPOKE_LAST : k < RECENT ? SPOKE_RECENT : SPOKE_SCENE] = 1;
    }
}

/* How much more thou than you the lines say: -1 to 1. */
static float manner(const verse_context *c, int32_t lines)
{
    int32_t thou = 0, you = 0;
    for (int32_t k = 0; k < c->n && k < lines; k++) {
        thou += c->line[k]->thou;
        you += c->line[k]->you;
    }
    return (float)(thou - you) / (float)(thou + you + 1);
}

static void both(const matcher *m, const verse_context *c, const line *l, const float *thou,
                 float *f)
{
    const line *last = c->line[0];
    bool same = same_word(l, l->last, last, last->last);
    f[OWN_STOP + l->end] = 1;
    f[OWN_LENGTH] = (float)l->bytes / 40;
    f[OWN_SYLLABLES] = (float)l->syllables / 10;
    f[OWN_SMALL] = l->small;
    f[OWN_THOU] = (float)l->thou;
    f[OWN_YOU] = (float)l->you;
    f[RHYME] = !same && rhymes(l, last);
    f[RHYME_SECOND] = c->n > 1 && rhymes(l, c->line[1]);
    f[SAME_END] = same;
    f[SAME_BEGIN] = same_word(l, l->first, last, last->first);
    f[LENGTHS] = (float)abs(l->bytes - last->bytes) / 20;
    f[MANNER] = thou[0] * (float)(l->thou - l->you);
    f[MANNER_FAR] = thou[1] * (float)(l->thou - l->you);
    again(m, c, l, f);
}

void features(matcher *m, const verse_context *c, int64_t n, const line *const *candidate,
              int64_t width, float *out)
{
    float common[FEATURES] = {0}, f[FEATURES];
    const float thou[] = {manner(c, NEAR_LINES), manner(c, RECENT)};
    past(c, common);
    mark_all(m, c, true);
    for (int64_t i = 0; i < n; i++) {
        memcpy(f, common, sizeof f);
        both(m, c, candidate[i], thou, f);
        speakers(m, c, candidate[i], f);
        memcpy(out + i * width, f, (size_t)width * sizeof *f);
    }
    mark_all(m, c, false);
}
