/** @file
 * Scores of generated text: BLEU, GLEU, CIDEr-D, METEOR, ROUGE-L, word error rate.
 *
 *     const char *const said[] = {"the", "cat", "sat"}, *const right[] = {"a", "cat", "sat"};
 *     const reel_words reference = {3, right};
 *     const reel_judged x = {{3, said}, 1, &reference};
 *     reel_bleu b;
 *     if (reel_corpus_bleu(1, &x, 4, &b)) ...
 *
 * Words are compared byte by byte: lower-case and tokenize them before. Nothing here is kept, and
 * what is given stays its owner's.
 */
#ifndef REEL_METRICS_H
#define REEL_METRICS_H

#include <reel/base.h>

REEL_BEGIN

/** A sentence as its words, of UTF-8 text; n may be 0. */
typedef struct reel_words {
    int64_t n;
    const char *const *word;
} reel_words;

/** A sentence that was generated and what is right. */
typedef struct reel_judged {
    reel_words candidate;
    int references; /**< 1 or more */
    const reel_words *reference;
} reel_judged;

enum { REEL_BLEU_ORDERS = 4 /**< BLEU counts n-grams of at most so many words */ };

/** What BLEU is made of. */
typedef struct reel_bleu {
    double bleu;                              /**< from 0 to 1 */
    double precision[REEL_BLEU_ORDERS];       /**< of 1-grams, 2-grams, ...: those asked for */
    double brevity;                           /**< the penalty, exp(1 - r/c) where c < r, else 1 */
    int64_t candidate_words, reference_words; /**< c and r, of the reference closest in length, the
                                                 shorter of two */
} reel_bleu;

/** BLEU of a corpus (Papineni et al. 2002), as multi-bleu.perl computes it: brevity · (Π
 * precision_k)^(1/order), counts of n-grams clipped by the reference that has most of them and
 * added up over all sentences; 0 where some precision is 0. order: from 1 to 4. REEL_ERR_ARGUMENT:
 * an order out of range, no sentence, or a sentence without references; REEL_ERR_MEMORY; then *b is
 * all 0. */
REEL_API REEL_CHECKED reel_status reel_corpus_bleu(int64_t n, const reel_judged *x, int order,
                                                   reel_bleu *b);
/** BLEU of one sentence with 1 added to the numbers of matches and of n-grams from 2-grams on (Lin
 * & Och 2004), so that it is seldom 0. */
REEL_API REEL_CHECKED reel_status reel_sentence_bleu(const reel_judged *x, int order, reel_bleu *b);
/** GLEU of one sentence (Wu et al. 2016, section 5): the n-grams of 1 to `order` words that it has in
 * common with a reference, over all that it has or all that the reference has, whichever are more;
 * the highest of all references. From 0 to 1; 0 where neither says anything. As a reward it prefers
 * neither short nor long sentences. Errors as of reel_corpus_bleu, and then *gleu is 0. */
REEL_API REEL_CHECKED reel_status reel_sentence_gleu(const reel_judged *x, int order, double *gleu);

/** CIDEr-D of a corpus (Vedantam et al. 2015), as the MS COCO evaluation computes it: ten times the
 * mean over references and over n = 1 to 4 of the cosine of n-gram vectors, weighed by inverse
 * document frequency among the references of this corpus, counts clipped, times exp(-d²/72) for a
 * difference d in length. each: [n], the score of each sentence, or NULL. */
REEL_API REEL_CHECKED reel_status reel_cider_d(int64_t n, const reel_judged *x, double *cider,
                                               double *each);

/** What METEOR is told; 0 everywhere else is as {0}. */
typedef struct reel_meteor_args {
    double alpha;       /**< weight of precision against recall; 0: 0.9 */
    double beta, gamma; /**< of the penalty; 0: 3 and 0.5 */
    const char
        *stemmer; /**< Snowball's name of a language or algorithm; NULL: "porter", "": none */
} reel_meteor_args;

/** METEOR (Banerjee & Lavie 2005) with the modules exact and stem: the mean over sentences of the
 * best reference's (1 - γ (chunks/matches)^β) P R/(α P + (1 - α) R), of the alignment that matches
 * most words, exact ones before stems, in the fewest chunks (sought with a beam of 40).
 * REEL_ERR_ARGUMENT also where there is no such stemmer. args may be NULL. each as reel_cider_d's.
 */
REEL_API REEL_CHECKED reel_status reel_meteor(int64_t n, const reel_judged *x,
                                              const reel_meteor_args *args, double *meteor,
                                              double *each);

/** ROUGE-L (Lin 2004) as the MS COCO evaluation computes it: the mean over sentences of
 * (1 + β²) P R/(R + β² P), β = 1.2, P and R the longest common subsequence's share of the candidate
 * and of the reference, each of the reference that is best for it. each as reel_cider_d's. */
REEL_API REEL_CHECKED reel_status reel_rouge_l(int64_t n, const reel_judged *x, double *rouge,
                                               double *each);

/** Word error rate: words put in, left out or replaced, against the reference that needs fewest,
 * over all words of those references. Infinite when these have no words and the candidates have. */
REEL_API REEL_CHECKED reel_status reel_word_error_rate(int64_t n, const reel_judged *x,
                                                       double *rate);

REEL_END

#endif
