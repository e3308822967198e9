/* Job: scores by aligned words: METEOR, ROUGE-L, word error rate.
 * Invariant: an alignment matches a word at most once. */
#include "metrics.h"

#include <libstemmer.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* Two sentences in numbers. */
typedef struct pair {
    int32_t *a, *b;
    int64_t m, n;
} pair;

static bool pair_of(pair *p, const reel__lexicon *l, const reel_words *a, const reel_words *b)
{
    *p = (pair){reel__numbered(l, a), reel__numbered(l, b), a->n, b->n};
    return p->a && p->b;
}

static void pair_free(pair *p)
{
    reel__free(p->a);
    reel__free(p->b);
}

/* Longest common subsequence and edits, both by rows of their tables */

static bool common(const pair *p, int64_t *length)
{
    int64_t *row = reel__calloc((size_t)p->n + 1, sizeof *row);
    for (int64_t i = 0; row && i < p->m; i++) {
        int64_t corner = 0;
        for (int64_t j = 0; j < p->n; j++) {
            int64_t above = row[j + 1];
            row[j + 1] = p->a[i] == p->b[j] ? corner + 1 : above > row[j] ? above : row[j];
            corner = above;
        }
    }
    *length = row ? row[p->n] : 0;
    reel__free(row);
    return row != NULL;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool edits(const pair *p, int64_t *count)
{
    int64_t *row = reel__reallocarray(NULL, (size_t)p->n + 1, sizeof *row);
    for (int64_t j = 0; row && j <= p->n; j++) {
        row[j] = j;
    }
    for (int64_t i = 0; row && i < p->m; i++) {
        int64_t corner = row[0]++;
        for (int64_t j = 0; j < p->n; j++) {
            int64_t above = row[j + 1], replaced = corner + (p->a[i] != p->b[j]);
            row[j + 1] = least(replaced, least(above, row[j]) + 1);
            corner = above;
        }
    }
    *count = row ? row[p->n] : 0;
    reel__free(row);
    return row != NULL;
}

static bool judge_rouge(const reel__lexicon *l, const reel_judged *x, double *score)
{
    const double beta2 = 1.2 * 1.2;
    double precision = 0, recall = 0;
    for (int k = 0; k < x->references; k++) {
        pair p;
        int64_t both = 0;
        bool good = pair_of(&p, l, &x->candidate, &x->reference[k]) && common(&p, &both);
        pair_free(&p);
        if (!good) {
            return false;
        }
        precision = fmax(precision, p.m ? (double)both / (double)p.m : 0);
        recall = fmax(recall, p.n ? (double)both / (double)p.n : 0);
    }
    bool some = precision > 0 && recall > 0;
    *score = some ? (1 + beta2) * precision * recall / (recall + beta2 * precision) : 0;
    return true;
}

reel_status reel_rouge_l(int64_t n, const reel_judged *x, double *rouge, double *each)
{
    *rouge = 0;
    reel_status status = reel__judgeable(n, x);
    double sum = 0, score = 0;
    for (int64_t i = 0; !status && i < n; i++) {
        reel__lexicon l;
        status = reel__lexicon_of(&l, 1, x + i);
        status = status ? status : judge_rouge(&l, x + i, &score) ? REEL_OK : REEL_ERR_MEMORY;
        reel__lexicon_free(&l);
        sum += score;
        if (each) {
            each[i] = score;
        }
    }
    *rouge = status ? 0 : sum / (double)n;
    return status;
}

reel_status reel_word_error_rate(int64_t n, const reel_judged *x, double *rate)
{
    *rate = 0;
    reel_status status = reel__judgeable(n, x);
    int64_t wrong = 0, all = 0;
    for (int64_t i = 0; !status && i < n; i++) {
        reel__lexicon l;
        status = reel__lexicon_of(&l, 1, x + i);
        int64_t fewest = INT64_MAX, words = 0;
        for (int k = 0; !status && k < x[i].references; k++) {
            pair p;
            int64_t own = 0;
            bool good = pair_of(&p, &l, &x[i].candidate, &x[i].reference[k]) && edits(&p, &own);
            status = good ? REEL_OK : REEL_ERR_MEMORY;
            if (own < fewest) {
                fewest = own;
                words = p.n;
            }
            pair_free(&p);
        }
        wrong += status ? 0 : fewest;
        all += words;
        reel__lexicon_free(&l);
    }
    if (!status) {
        *rate = all ? (double)wrong / (double)all : wrong ? INFINITY : 0;
    }
    return status;
}

/* METEOR */

enum { BEAM = 40, NONE = -1 };

/* Words and their stems. */
typedef struct meteor {
    reel_meteor_args args;
    struct sb_stemmer *stemmer; /* NULL: none */
} meteor;

/* An alignment of the candidate's first words. */
typedef struct alignment {
    int64_t exact, stems, chunks, distance;
    int64_t last; /* what the word before stands with; NONE: nothing */
    int64_t from; /* the place of what it goes on from */
    bool *taken;  /* by the reference's word */
} alignment;

/* More words, exact ones first, then fewer chunks, then less distance; equal ones have an order. */
static int better(const void *x, const void *y)
{
    const alignment *a = x, *b = y;
    const int64_t left[] = {b->exact + b->stems, b->exact, a->chunks,
                            a->distance,         a->from,  a->last},
                  right[] = {a->exact + a->stems, a->exact, b->chunks,
                             b->distance,         b->from,  b->last};
    for (size_t k = 0; k < sizeof left / sizeof *left; k++) {
        if (left[k] != right[k]) {
            return left[k] < right[k] ? -1 : 1;
        }
    }
    return 0;
}

/* The candidates for the place of one beam: each has room of its own. */
typedef struct beam {
    alignment *a;
    int64_t n;
    bool *taken;
} beam;

static bool beam_make(beam *b, int64_t room, const pair *p)
{
    *b = (beam){.a = reel__calloc((size_t)room, sizeof *b->a),
                .taken = reel__calloc((size_t)room, (size_t)p->n + 1)};
    for (int64_t i = 0; b->a && b->taken && i < room; i++) {
        b->a[i].taken = b->taken + i * (p->n + 1);
    }
    return b->a && b->taken;
}

static void beam_free(beam *b)
{
    reel__free(b->a);
    reel__free(b->taken);
}

/* The k-th of `now`, with word i matched to j, or to NONE. */
static void extend(beam *b, const beam *now, int64_t k, const pair *p, int64_t i, int64_t j,
                   bool exact)
{
    alignment *x = &b->a[b->n++];
    const alignment *from = &now->a[k];
    bool *taken = x->taken;
    memcpy(taken, from->taken, (size_t)p->n * sizeof *taken);
    *x = *from;
    x->taken = taken;
    x->from = k;
    if (j != NONE) {
        taken[j] = true;
        x->exact += exact;
        x->stems += !exact;
        x->chunks += from->last == NONE || j != from->last + 1;
        x->distance += llabs(i - j);
    }
    x->last = j;
}

/* The best alignment found; stem: [candidate's, then the reference's]. */
static bool align(const pair *p, const int32_t *stem_a, const int32_t *stem_b, alignment *best)
{
    beam now, next;
    const int64_t room = BEAM * (p->n + 1);
    bool good = beam_make(&now, room, p);
    good = beam_make(&next, room, p) && good;
    if (good) {
        now.a[0].last = NONE;
        now.n = 1;
    }
    for (int64_t i = 0; good && i < p->m; i++) {
        next.n = 0;
        for (int64_t k = 0; k < now.n; k++) {
            extend(&next, &now, k, p, i, NONE, false);
            for (int64_t j = 0; j < p->n; j++) {
                bool exact = p->a[i] == p->b[j];
                if ((exact || stem_a[i] == stem_b[j]) && !now.a[k].taken[j]) {
                    extend(&next, &now, k, p, i, j, exact);
                }
            }
        }
        qsort(next.a, (size_t)next.n, sizeof *next.a, better);
        next.n = next.n < BEAM ? next.n : BEAM;
        beam other = now;
        now = next;
        next = other;
    }
    *best = good ? now.a[0] : (alignment){0};
    best->taken = NULL;
    beam_free(&now);
    beam_free(&next);
    return good;
}

/* The words' stems, made in one block; NULL when memory is out. */
static char **stems_of(const meteor *m, const reel_words *s)
{
    size_t bytes = 0;
    for (int64_t i = 0; i < s->n; i++) {
        bytes += 2 * strlen(s->word[i]) + 8; /* a stem is hardly longer than its word */
    }
    char **stem = reel__malloc(((size_t)s->n + 1) * sizeof *stem + bytes);
    char *at = stem ? (char *)(stem + s->n + 1) : NULL;
    for (int64_t i = 0; stem && i < s->n; i++) {
        const char *word = s->word[i];
        size_t n = strlen(word), most = 2 * n + 7;
        const sb_symbol *made =
            sb_stemmer_stem(m->stemmer, (const sb_symbol *)word, n > INT32_MAX ? 0 : (int)n);
        if (!made) {
            reel__free(stem);
            return NULL;
        }
        size_t length = (size_t)sb_stemmer_length(m->stemmer);
        length = length < most ? length : most;
        stem[i] = at;
        memcpy(at, made, length);
        at[length] = '\0';
        at += length + 1;
    }
    return stem;
}

static double score_of(const meteor *m, const pair *p, const alignment *a)
{
    double matched = (double)(a->exact + a->stems);
    if (matched == 0) {
        return 0;
    }
    double P = matched / (double)p->m, R = matched / (double)p->n;
    double mean = P * R / (m->args.alpha * P + (1 - m->args.alpha) * R);
    return (1 - m->args.gamma * pow((double)a->chunks / matched, m->args.beta)) * mean;
}

static reel_status judge_one(const meteor *m, const reel_words *candidate,
                             const reel_words *reference, double *score)
{
    const reel_judged whole = {*candidate, 1, reference};
    char **stem_a = m->stemmer ? stems_of(m, candidate) : NULL,
         **stem_b = m->stemmer ? stems_of(m, reference) : NULL;
    reel__lexicon words = {0}, roots = {0};
    const reel_words root_b = {reference->n, (const char *const *)stem_b};
    const reel_judged stems = {{candidate->n, (const char *const *)stem_a}, 1, &root_b};
    pair p = {0}, q = {0};
    alignment a;
    bool good = !m->stemmer || (stem_a && stem_b);
    good =
        good && !reel__lexicon_of(&words, 1, &whole) && pair_of(&p, &words, candidate, reference);
    if (good && m->stemmer) {
        good = !reel__lexicon_of(&roots, 1, &stems) &&
               pair_of(&q, &roots, &stems.candidate, stems.reference);
    }
    good = good && align(&p, m->stemmer ? q.a : p.a, m->stemmer ? q.b : p.b, &a);
    *score = good ? score_of(m, &p, &a) : 0;
    pair_free(&p);
    pair_free(&q);
    reel__lexicon_free(&words);
    reel__lexicon_free(&roots);
    reel__free(stem_a);
    reel__free(stem_b);
    return good ? REEL_OK : REEL_ERR_MEMORY;
}

reel_status reel_meteor(int64_t n, const reel_judged *x, const reel_meteor_args *args,
                        double *result, double *each)
{
    meteor m = {.args = args ? *args : (reel_meteor_args){0}};
    m.args.alpha = m.args.alpha > 0 ? m.args.alpha : 0.9;
    m.args.beta = m.args.beta > 0 ? m.args.beta : 3;
    m.args.gamma = m.args.gamma > 0 ? m.args.gamma : 0.5;
    const char *name = m.args.stemmer ? m.args.stemmer : "porter";
    *result = 0;
    m.stemmer = *name ? sb_stemmer_new(name, "UTF_8") : NULL;
    reel_status status = *name && !m.stemmer ? REEL_ERR_ARGUMENT : reel__judgeable(n, x);
    double sum = 0;
    for (int64_t i = 0; !status && i < n; i++) {
        double best = 0;
        for (int k = 0; !status && k < x[i].references; k++) {
            double score;
            status = judge_one(&m, &x[i].candidate, &x[i].reference[k], &score);
            best = fmax(best, score);
        }
        sum += best;
        if (each) {
            each[i] = best;
        }
    }
    sb_stemmer_delete(m.stemmer);
    *result = status ? 0 : sum / (double)n;
    return status;
}
