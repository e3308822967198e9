/* Scores of text: against other implementations' of the same corpora, by hand, and bad input. */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

enum { MOST = 32, MOST_WORDS = 40, MOST_REFERENCES = 4, LINE = 2048 };

/* A corpus, and its lines, which the words stand in. */
typedef struct corpus {
    int64_t n;
    reel_judged x[MOST];
    reel_words reference[MOST][MOST_REFERENCES];
    const char *word[MOST][MOST_REFERENCES + 1][MOST_WORDS];
    char *line[MOST * (MOST_REFERENCES + 1)];
    int lines;
} corpus;

static reel_words split(corpus *c, const char *text, const char **word)
{
    char *line = strdup(text);
    ck_assert_ptr_nonnull(line);
    ck_assert_int_lt(c->lines, (int)(sizeof c->line / sizeof c->line[0]));
    c->line[c->lines++] = line;
    reel_words w = {.word = word};
    for (char *p = strtok(line, " \n"); p; p = strtok(NULL, " \n")) {
        ck_assert_int_lt(w.n, MOST_WORDS);
        word[w.n++] = p;
    }
    return w;
}

static void add_candidate(corpus *c, const char *text)
{
    ck_assert_int_lt(c->n, MOST);
    reel_judged *x = &c->x[c->n];
    *x = (reel_judged){.reference = c->reference[c->n]};
    x->candidate = split(c, text, c->word[c->n][MOST_REFERENCES]);
    c->n++;
}

static void add_reference(corpus *c, const char *text)
{
    reel_judged *x = &c->x[c->n - 1];
    ck_assert_int_lt(x->references, MOST_REFERENCES);
    c->reference[c->n - 1][x->references] = split(c, text, c->word[c->n - 1][x->references]);
    x->references++;
}

static void empty(corpus *c)
{
    for (int i = 0; i < c->lines; i++) {
        free(c->line[i]);
    }
    memset(c, 0, sizeof *c);
}

static corpus c;

static void teardown(void)
{
    empty(&c);
}

/* The score of that name; each: of every sentence. NAN: it has no such. */
static double score(const char *name, double *each)
{
    double value = NAN;
    reel_bleu b;
    if (strncmp(name, "bleu", 4) == 0) {
        ck_assert_int_eq(reel_corpus_bleu(c.n, c.x, name[4] - '0', &b), REEL_OK);
        value = b.bleu;
    } else if (strcmp(name, "smooth4") == 0) {
        for (int64_t i = 0; i < c.n; i++) {
            ck_assert_int_eq(reel_sentence_bleu(&c.x[i], 4, &b), REEL_OK);
            each[i] = b.bleu;
        }
    } else if (strcmp(name, "cider") == 0) {
        ck_assert_int_eq(reel_cider_d(c.n, c.x, &value, each), REEL_OK);
    } else if (strcmp(name, "rouge") == 0) {
        ck_assert_int_eq(reel_rouge_l(c.n, c.x, &value, each), REEL_OK);
    } else if (strcmp(name, "meteor") == 0 || strcmp(name, "nltk") == 0) {
        ck_assert_int_eq(reel_meteor(c.n, c.x, NULL, &value, each), REEL_OK);
    } else if (strcmp(name, "wer") == 0) {
        ck_assert_int_eq(reel_word_error_rate(c.n, c.x, &value), REEL_OK);
    }
    return value;
}

static int compare(char *line)
{
    double each[MOST] = {0};
    char *kind = strtok(line, " \n"), *name = strtok(NULL, " \n");
    ck_assert(kind && name);
    double value = score(name, each);
    int n = 0;
    for (char *p = strtok(NULL, " \n"); p; p = strtok(NULL, " \n"), n++) {
        double wanted = strtod(p, NULL), have = strcmp(kind, "score") == 0 ? value : each[n];
        bool good = strcmp(name, "nltk") == 0 ? have >= wanted - 1e-12
                                              : fabs(have - wanted) <= 1e-12 * fmax(1, wanted);
        ck_assert_msg(good, "%s %s, number %d: %.17g: expected %.17g", kind, name, n, have, wanted);
    }
    return n;
}

START_TEST(as_others_score)
{
    char path[1024], line[LINE];
    const char *dir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/golden/metrics.txt", dir ? dir : ".");
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s", path);
    int compared = 0;
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "corpus", 6) == 0) {
            empty(&c);
        } else if (strncmp(line, "c ", 2) == 0) {
            add_candidate(&c, line + 2);
        } else if (strncmp(line, "r ", 2) == 0) {
            add_reference(&c, line + 2);
        } else {
            compared += compare(line);
        }
    }
    fclose(f);
    ck_assert_int_gt(compared, 100);
}
END_TEST

/* The example of Papineni et al. 2002, section 2.1: "the" is in a reference twice at most. */
START_TEST(counts_are_clipped)
{
    add_candidate(&c, "the the the the the the the");
    add_reference(&c, "the cat is on the mat");
    add_reference(&c, "there is a cat on the mat");
    reel_bleu b;
    ck_assert_int_eq(reel_corpus_bleu(1, c.x, 1, &b), REEL_OK);
    ck_assert_double_eq_tol(b.precision[0], 2.0 / 7, 1e-15);
    ck_assert_double_eq(b.brevity, 1);
    ck_assert_int_eq(b.candidate_words, 7);
    ck_assert_int_eq(b.reference_words, 7);
    ck_assert_int_eq(reel_corpus_bleu(1, c.x, 2, &b), REEL_OK);
    ck_assert_double_eq(b.bleu, 0);
    ck_assert_int_eq(reel_sentence_bleu(c.x, 2, &b), REEL_OK);
    ck_assert_double_eq_tol(b.bleu, sqrt(2.0 / 7 * (1.0 / 7)), 1e-15);
}
END_TEST

/* Of "the cat sat" 3, 2 and 1 n-grams are right of 4 + 3 + 2 + 1 that are to be said; with the
 * second reference it has 3 of 6 in common. */
START_TEST(gleu_counts_both_sides)
{
    double v = 1;
    add_candidate(&c, "the cat sat");
    add_reference(&c, "the cat sat down");
    ck_assert_int_eq(reel_sentence_gleu(c.x, 4, &v), REEL_OK);
    ck_assert_double_eq_tol(v, 6.0 / 10, 1e-15);
    ck_assert_int_eq(reel_sentence_gleu(c.x, 1, &v), REEL_OK);
    ck_assert_double_eq_tol(v, 3.0 / 4, 1e-15);
    add_reference(&c, "a cat sat");
    ck_assert_int_eq(reel_sentence_gleu(c.x, 4, &v), REEL_OK);
    ck_assert_double_eq_tol(v, 6.0 / 10, 1e-15);
    empty(&c);
    add_candidate(&c, "so so it is so");
    add_reference(&c, "so it is");
    add_reference(&c, "so it is so");
    /* in common with the second: so twice, it, is; so it, it is, is so; both of three; all four */
    ck_assert_int_eq(reel_sentence_gleu(c.x, 4, &v), REEL_OK);
    ck_assert_double_eq_tol(v, (4 + 3 + 2 + 1) / 14.0, 1e-15);
    empty(&c);
    add_candidate(&c, "");
    add_reference(&c, "so it is");
    ck_assert_int_eq(reel_sentence_gleu(c.x, 4, &v), REEL_OK);
    ck_assert_double_eq(v, 0);
    v = 1;
    ck_assert_int_eq(reel_sentence_gleu(c.x, 5, &v), REEL_ERR_ARGUMENT);
    ck_assert_double_eq(v, 0);
}
END_TEST

START_TEST(by_hand)
{
    double v, each[2];
    add_candidate(&c, "dogs ran home");
    add_reference(&c, "the dog ran home");
    add_candidate(&c, "so it is");
    add_reference(&c, "so it is");
    /* 3 of 3 and 3 of 4 words in one chunk; without stems 2 of 3 and of 4 */
    ck_assert_int_eq(reel_meteor(2, c.x, NULL, &v, each), REEL_OK);
    double mean = 0.75 / (0.9 + 0.1 * 0.75);
    ck_assert_double_eq_tol(each[0], (1 - 0.5 / 27) * mean, 1e-15);
    ck_assert_double_eq_tol(each[1], 1 - 0.5 / 27, 1e-15);
    ck_assert_double_eq_tol(v, (each[0] + each[1]) / 2, 1e-15);
    const reel_meteor_args plain = {.stemmer = "", .alpha = 0.5};
    ck_assert_int_eq(reel_meteor(1, c.x, &plain, &v, NULL), REEL_OK);
    mean = 2.0 / 3 * 0.5 / (0.5 * (2.0 / 3 + 0.5));
    ck_assert_double_eq_tol(v, (1 - 0.5 / 8) * mean, 1e-15);
    ck_assert_int_eq(reel_word_error_rate(2, c.x, &v), REEL_OK);
    ck_assert_double_eq_tol(v, 2.0 / 7, 1e-15); /* dogs for dog, and the */
}
END_TEST

START_TEST(nothing_said)
{
    double v;
    reel_bleu b;
    add_candidate(&c, "");
    add_reference(&c, "so it is");
    ck_assert_int_eq(reel_corpus_bleu(1, c.x, 4, &b), REEL_OK);
    ck_assert_double_eq(b.bleu, 0);
    ck_assert_int_eq(reel_meteor(1, c.x, NULL, &v, NULL), REEL_OK);
    ck_assert_double_eq(v, 0);
    ck_assert_int_eq(reel_rouge_l(1, c.x, &v, NULL), REEL_OK);
    ck_assert_double_eq(v, 0);
    ck_assert_int_eq(reel_cider_d(1, c.x, &v, NULL), REEL_OK);
    ck_assert_double_eq(v, 0);
    ck_assert_int_eq(reel_word_error_rate(1, c.x, &v), REEL_OK);
    ck_assert_double_eq(v, 1);
}
END_TEST

START_TEST(bad_input)
{
    double v = 1;
    reel_bleu b = {.bleu = 1};
    add_candidate(&c, "so it is");
    ck_assert_int_eq(reel_corpus_bleu(1, c.x, 4, &b), REEL_ERR_ARGUMENT);
    ck_assert_double_eq(b.bleu, 0);
    ck_assert_int_eq(reel_cider_d(1, c.x, &v, NULL), REEL_ERR_ARGUMENT);
    ck_assert_double_eq(v, 0);
    add_reference(&c, "so it is");
    ck_assert_int_eq(reel_corpus_bleu(0, c.x, 4, &b), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_corpus_bleu(1, c.x, 5, &b), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_sentence_bleu(c.x, 0, &b), REEL_ERR_ARGUMENT);
    const reel_meteor_args klingon = {.stemmer = "klingon"};
    ck_assert_int_eq(reel_meteor(1, c.x, &klingon, &v, NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_meteor(1, c.x, NULL, &v, NULL), REEL_OK);
    ck_assert_double_gt(v, 0.9);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, as_others_score);
    tcase_add_test(t, counts_are_clipped);
    tcase_add_test(t, gleu_counts_both_sides);
    tcase_add_test(t, by_hand);
    tcase_add_test(t, nothing_said);
    tcase_add_test(t, bad_input);
    suite_add_tcase(s, t);
    return suite_run(s);
}
