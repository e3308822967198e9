/* Job: scores by n-grams: BLEU and CIDEr-D; words as numbers for all metrics.
 * Invariant: a list of n-grams is sorted and has each n-gram once, with its count; what lists have
 * in common is found by going through them side by side. */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* Words */

static bool readable(const reel_words *s)
{
    return s->n == 0 || (s->n > 0 && s->word);
}

reel_status reel__judgeable(int64_t n, const reel_judged *x)
{
    bool good = n > 0 && x;
    for (int64_t i = 0; good && i < n; i++) {
        good = x[i].references > 0 && x[i].reference && readable(&x[i].candidate);
        for (int k = 0; good && k < x[i].references; k++) {
            good = readable(&x[i].reference[k]);
        }
    }
    return good ? REEL_OK : REEL_ERR_ARGUMENT;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

reel_status reel__lexicon_of(reel__lexicon *l, int64_t n, const reel_judged *x)
{
    int64_t all = 0;
    for (int64_t i = 0; i < n; i++) {
        all += x[i].candidate.n;
        for (int k = 0; k < x[i].references; k++) {
            all += x[i].reference[k].n;
        }
    }
    *l = (reel__lexicon){.word = reel__reallocarray(NULL, (size_t)all + 1, sizeof *l->word)};
    if (!l->word) {
        return REEL_ERR_MEMORY;
    }
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int k = -1; k < x[i].references; k++) {
            const reel_words *s = k < 0 ? &x[i].candidate : &x[i].reference[k];
            for (int64_t j = 0; j < s->n; j++) {
                l->word[at++] = s->word[j];
            }
        }
    }
    qsort(l->word, (size_t)all, sizeof *l->word, by_text);
    for (int64_t i = 0; i < all; i++) {
        if (i == 0 || strcmp(l->word[i], l->word[l->words - 1]) != 0) {
            l->word[l->words++] = l->word[i];
        }
    }
    return REEL_OK;
}

void reel__lexicon_free(reel__lexicon *l)
{
    reel__free(l->word);
    *l = (reel__lexicon){0};
}

int32_t *reel__numbered(const reel__lexicon *l, const reel_words *s)
{
    int32_t *number = reel__reallocarray(NULL, (size_t)s->n + 1, sizeof *number);
    for (int64_t j = 0; number && j < s->n; j++) {
        const char **found =
            bsearch(&s->word[j], l->word, (size_t)l->words, sizeof *l->word, by_text);
        number[j] = (int32_t)(found - l->word);
    }
    return number;
}

/* n-grams */

enum { ORDERS = REEL_BLEU_ORDERS };

/* Shorter ones end in -1. */
typedef struct gram {
    int32_t word[ORDERS];
    int64_t count;
} gram;

typedef struct grams {
    gram *g;
    int64_t n, room;
} grams;

static int compare(const gram *a, const gram *b)
{
    for (int k = 0; k < ORDERS; k++) {
        if (a->word[k] != b->word[k]) {
            return a->word[k] < b->word[k] ? -1 : 1;
        }
    }
    return 0;
}

static int by_words(const void *a, const void *b)
{
    return compare(a, b);
}

/* Sorts the list, and makes one of equal ones. */
static void gather(grams *l)
{
    int64_t kept = 0;
    if (l->n) {
        qsort(l->g, (size_t)l->n, sizeof *l->g, by_words);
    }
    for (int64_t i = 0; i < l->n; i++) {
        if (kept && compare(&l->g[kept - 1], &l->g[i]) == 0) {
            l->g[kept - 1].count += l->g[i].count;
        } else {
            l->g[kept++] = l->g[i];
        }
    }
    l->n = kept;
}

static bool add(grams *l, const gram *g)
{
    if (l->n == l->room) {
        int64_t room = l->room ? 2 * l->room : 64;
        gram *more = reel__reallocarray(l->g, (size_t)room, sizeof *more);
        if (!more) {
            return false;
        }
        l->g = more;
        l->room = room;
    }
    l->g[l->n++] = *g;
    return true;
}

/* Adds all n-grams of a sentence, of 1 to `order` words. */
static bool add_sentence(grams *l, const int32_t *word, int64_t n, int order)
{
    for (int64_t i = 0; i < n; i++) {
        gram g = {{-1, -1, -1, -1}, 1};
        for (int k = 0; k < order && i + k < n; k++) {
            g.word[k] = word[i + k];
            if (!add(l, &g)) {
                return false;
            }
        }
    }
    return true;
}

static int order_of(const gram *g)
{
    int n = ORDERS;
    while (g->word[n - 1] < 0) {
        n--;
    }
    return n;
}

static bool count_sentence(grams *l, const reel__lexicon *lexicon, const reel_words *s, int order)
{
    int32_t *word = reel__numbered(lexicon, s);
    bool good = word && add_sentence(l, word, s->n, order);
    reel__free(word);
    if (good) {
        gather(l);
    }
    return good;
}

static const gram *find(const grams *l, const gram *g)
{
    return l->n ? bsearch(g, l->g, (size_t)l->n, sizeof *l->g, by_words) : NULL;
}

/* BLEU */

typedef struct matches {
    int64_t matched[ORDERS], all[ORDERS], candidate, reference;
} matches;

static int64_t closest_length(const reel_judged *x)
{
    int64_t best = x->reference[0].n, c = x->candidate.n;
    for (int k = 1; k < x->references; k++) {
        int64_t r = x->reference[k].n, d = llabs(r - c), least = llabs(best - c);
        best = d < least || (d == least && r < best) ? r : best;
    }
    return best;
}

static bool match(const reel__lexicon *lexicon, const reel_judged *x, int order, matches *m)
{
    grams candidate = {0}, most = {0};
    bool good = count_sentence(&candidate, lexicon, &x->candidate, order);
    for (int k = 0; good && k < x->references; k++) {
        grams own = {0};
        good = count_sentence(&own, lexicon, &x->reference[k], order);
        for (int64_t i = 0; good && i < own.n; i++) { /* the most of any reference */
            gram *had = (gram *)find(&most, &own.g[i]);
            if (had) {
                had->count = had->count > own.g[i].count ? had->count : own.g[i].count;
                own.g[i].count = 0;
            }
        }
        for (int64_t i = 0; good && i < own.n; i++) {
            good = own.g[i].count == 0 || add(&most, &own.g[i]);
        }
        gather(&most);
        reel__free(own.g);
    }
    for (int64_t i = 0; good && i < candidate.n; i++) {
        const gram *g = &candidate.g[i], *r = find(&most, g);
        int k = order_of(g) - 1;
        m->all[k] += g->count;
        m->matched[k] += !r ? 0 : r->count < g->count ? r->count : g->count;
    }
    m->candidate += x->candidate.n;
    m->reference += closest_length(x);
    reel__free(candidate.g);
    reel__free(most.g);
    return good;
}

static void finish_bleu(const matches *m, int order, bool smooth, reel_bleu *b)
{
    double sum = 0;
    b->candidate_words = m->candidate;
    b->reference_words = m->reference;
    double c = (double)m->candidate, r = (double)m->reference;
    b->brevity = c >= r ? 1 : c > 0 ? exp(1 - r / c) : 0;
    for (int k = 0; k < order; k++) {
        double more = smooth && k > 0 ? 1 : 0;
        double of = (double)m->all[k] + more;
        b->precision[k] = of > 0 ? ((double)m->matched[k] + more) / of : 0;
        sum += log(b->precision[k]);
    }
    b->bleu = b->brevity * exp(sum / order); /* log(0) is -inf, and so this is 0 */
}

static reel_status bleu(int64_t n, const reel_judged *x, int order, bool smooth, reel_bleu *b)
{
    *b = (reel_bleu){0};
    reel_status status = reel__judgeable(n, x);
    if (status || order < 1 || order > ORDERS) {
        return REEL_ERR_ARGUMENT;
    }
    matches m = {0};
    for (int64_t i = 0; !status && i < n; i++) {
        reel__lexicon lexicon;
        status = reel__lexicon_of(&lexicon, 1, x + i);
        if (!status && !match(&lexicon, x + i, order, &m)) {
            status = REEL_ERR_MEMORY;
        }
        reel__lexicon_free(&lexicon);
    }
    if (!status) {
        finish_bleu(&m, order, smooth, b);
    }
    return status;
}

reel_status reel_corpus_bleu(int64_t n, const reel_judged *x, int order, reel_bleu *b)
{
    return bleu(n, x, order, false, b);
}

reel_status reel_sentence_bleu(const reel_judged *x, int order, reel_bleu *b)
{
    return bleu(1, x, order, true, b);
}

/* GLEU */

static double common_share(const matches *m, int order)
{
    int64_t matched = 0, said = 0, right = 0;
    for (int k = 0; k < order; k++) {
        matched += m->matched[k];
        said += m->all[k];
        right += m->reference > k ? m->reference - k : 0;
    }
    int64_t more = said > right ? said : right;
    return more ? (double)matched / (double)more : 0;
}

reel_status reel_sentence_gleu(const reel_judged *x, int order, double *gleu)
{
    *gleu = 0;
    if (reel__judgeable(1, x) || order < 1 || order > ORDERS) {
        return REEL_ERR_ARGUMENT;
    }
    reel__lexicon lexicon;
    reel_status status = reel__lexicon_of(&lexicon, 1, x);
    double best = 0;
    for (int k = 0; !status && k < x->references; k++) {
        const reel_judged one = {x->candidate, 1, x->reference + k};
        matches m = {0};
        status = match(&lexicon, &one, order, &m) ? REEL_OK : REEL_ERR_MEMORY;
        best = fmax(best, common_share(&m, order));
    }
    reel__lexicon_free(&lexicon);
    *gleu = status ? 0 : best;
    return status;
}

/* CIDEr-D */

static const double sigma = 6;

typedef struct cider {
    reel__lexicon lexicon;
    grams frequency; /* in how many sentences' references */
    double documents;
} cider;

/* Counts n-grams once for each sentence whose references have them. */
static bool find_frequencies(cider *c, int64_t n, const reel_judged *x)
{
    bool good = true;
    for (int64_t i = 0; good && i < n; i++) {
        grams own = {0};
        for (int k = 0; good && k < x[i].references; k++) {
            good = count_sentence(&own, &c->lexicon, &x[i].reference[k], ORDERS);
        }
        for (int64_t j = 0; good && j < own.n; j++) {
            own.g[j].count = 1;
            good = add(&c->frequency, &own.g[j]);
        }
        reel__free(own.g);
    }
    gather(&c->frequency);
    return good;
}

static double weight(const cider *c, const gram *g)
{
    const gram *f = find(&c->frequency, g);
    return (double)g->count * (log(c->documents) - log(f ? (double)f->count : 1));
}

static void norms(const cider *c, const grams *l, double *norm)
{
    for (int64_t i = 0; i < l->n; i++) {
        double w = weight(c, &l->g[i]);
        norm[order_of(&l->g[i]) - 1] += w * w;
    }
    for (int k = 0; k < ORDERS; k++) {
        norm[k] = sqrt(norm[k]);
    }
}

/* Lengths are those in 2-grams, as the evaluation counts them. */
static double length_of(const reel_words *s)
{
    return s->n > 1 ? (double)(s->n - 1) : 0;
}

static double similarity(const cider *c, const grams *a, const grams *b, double apart)
{
    double norm_a[ORDERS] = {0}, norm_b[ORDERS] = {0}, sum[ORDERS] = {0}, mean = 0;
    norms(c, a, norm_a);
    norms(c, b, norm_b);
    for (int64_t i = 0; i < a->n; i++) {
        const gram *same = find(b, &a->g[i]);
        if (same) {
            double wa = weight(c, &a->g[i]), wb = weight(c, same);
            sum[order_of(same) - 1] += fmin(wa, wb) * wb;
        }
    }
    for (int k = 0; k < ORDERS; k++) {
        double norm = norm_a[k] * norm_b[k];
        mean += (norm > 0 ? sum[k] / norm : sum[k]) / ORDERS;
    }
    return mean * exp(-apart * apart / (2 * sigma * sigma));
}

static bool judge(const cider *c, const reel_judged *x, double *score)
{
    grams said = {0};
    bool good = count_sentence(&said, &c->lexicon, &x->candidate, ORDERS);
    *score = 0;
    for (int k = 0; good && k < x->references; k++) {
        grams right = {0};
        good = count_sentence(&right, &c->lexicon, &x->reference[k], ORDERS);
        double apart = length_of(&x->candidate) - length_of(&x->reference[k]);
        *score += good ? 10 * similarity(c, &said, &right, apart) / x->references : 0;
        reel__free(right.g);
    }
    reel__free(said.g);
    return good;
}

reel_status reel_cider_d(int64_t n, const reel_judged *x, double *result, double *each)
{
    cider c = {.documents = (double)n};
    *result = 0;
    reel_status status = reel__judgeable(n, x);
    status = status ? status : reel__lexicon_of(&c.lexicon, n, x);
    bool good = !status && find_frequencies(&c, n, x);
    double sum = 0, score;
    for (int64_t i = 0; good && i < n; i++) {
        good = judge(&c, x + i, &score);
        sum += score;
        if (each) {
            each[i] = score;
        }
    }
    reel__free(c.frequency.g);
    reel__lexicon_free(&c.lexicon);
    *result = good ? sum / (double)n : 0;
    return status ? status : good ? REEL_OK : REEL_ERR_MEMORY;
}
