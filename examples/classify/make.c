/* Labelled texts that are made: up, or from plain text. */
#include "../program/program.h"
#include "texts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Agreement
 * ------------------------------------------------------------------------------------------ */

enum { LONGEST_SENTENCE = 256, PHRASES = 4 };

static const char *const nouns[][2] = {
    {"key", "keys"},         {"cabinet", "cabinets"}, {"door", "doors"},   {"lamp", "lamps"},
    {"picture", "pictures"}, {"shelf", "shelves"},    {"chair", "chairs"}, {"letter", "letters"}};
static const char *const adjectives[] = {"old", "small", "red", "heavy", "wooden"};
static const char *const prepositions[] = {"near", "behind", "of", "under", "above"};

#define ANY_OF(array, random) (array)[reel_random_below((random), sizeof(array) / sizeof *(array))]

static void say(char *sentence, const char *word)
{
    size_t n = strlen(sentence);
    snprintf(sentence + n, LONGEST_SENTENCE - n, "%s%s", n > 0 ? " " : "", word);
}

static void say_noun(char *sentence, bool plural, reel_random *random)
{
    say(sentence, "the");
    if (reel_random_below(random, 3) == 0) {
        say(sentence, ANY_OF(adjectives, random));
    }
    const char *const *noun = ANY_OF(nouns, random);
    say(sentence, noun[plural]);
}

/* "near the old doors the key to the cabinets above the lamp": `before` phrases come before the
 * noun that counts. Returns whether that is plural. */
static bool say_sentence(char *sentence, reel_random *random)
{
    bool plural[PHRASES];
    uint32_t order[PHRASES];
    int n = reel_random_below(random, 2) == 0 ? 2 : PHRASES;
    reel_random_shuffle(random, order, (size_t)n);
    for (int i = 0; i < n; i++) {
        plural[i] = order[i] % 2 == 1;
    }
    int head = (int)reel_random_below(random, (uint64_t)n);
    sentence[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (i != head) {
            say(sentence, ANY_OF(prepositions, random));
        }
        say_noun(sentence, plural[i], random);
    }
    return plural[head];
}

bool texts_make_agreement(texts *t, int64_t lines, uint64_t seed, labels *l)
{
    char sentence[LONGEST_SENTENCE];
    reel_random random = reel_random_new(seed, reel_random_stream("agreement"));
    int32_t number[2] = {labels_add(l, "is", 2), labels_add(l, "are", 3)};
    bool ok = number[0] >= 0 && number[1] >= 0;
    for (int64_t i = 0; ok && i < lines; i++) {
        bool plural = say_sentence(sentence, &random);
        ok = texts_add(t, sentence, strlen(sentence), number[plural]);
    }
    return ok;
}

/* Order
 * ---------------------------------------------------------------------------------------------- */

/* The words of a line, each as its place and length; at most `most`. */
static size_t split(const char *line, size_t n, const char **word, size_t *length, size_t most)
{
    size_t words = 0, i = 0;
    while (i < n && words < most) {
        size_t from = i;
        while (i < n && line[i] != ' ' && line[i] != '\t') {
            i++;
        }
        if (i > from) {
            word[words] = line + from;
            length[words++] = i - from;
        }
        i++;
    }
    return words;
}

static void print_words(FILE *out, const char *label, const char *const *word, const size_t *length,
                        const uint32_t *order, size_t n)
{
    fprintf(out, "%s\t", label);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%s%.*s", i > 0 ? " " : "", (int)length[order[i]], word[order[i]]);
    }
    fputc('\n', out);
}

bool texts_print_order(const char *path, uint64_t seed, FILE *out)
{
    enum { MOST = 1000, LEAST = 4 };
    static const char *word[MOST];
    static size_t length[MOST];
    uint32_t order[MOST];
    reel_random random = reel_random_new(seed, reel_random_stream("order"));
    reel_lines *lines = reel_lines_open(path);
    if (!lines) {
        return out_of_memory();
    }
    size_t n;
    for (const char *line; (line = reel_lines_next(lines, &n));) {
        size_t words = split(line, n, word, length, MOST);
        bool shuffled = reel_random_below(&random, 2) == 1;
        for (size_t i = 0; i < words; i++) {
            order[i] = (uint32_t)i;
        }
        if (shuffled) {
            reel_random_shuffle(&random, order, words);
        }
        if (words >= LEAST) {
            print_words(out, shuffled ? "shuffled" : "straight", word, length, order, words);
        }
    }
    bool ok = reel_lines_status(lines) == REEL_OK || complain("%s", reel_lines_message(lines));
    reel_lines_close(lines);
    return ok;
}

/* Speakers
 * ------------------------------------------------------------------------------------------- */

/* Reads a play into lines under their speakers' names. */
static bool read_play(const char *path, texts *t, labels *l)
{
    reel_lines *lines = reel_lines_open(path);
    if (!lines) {
        return out_of_memory();
    }
    int32_t speaker = -1;
    bool ok = true, begins = true;
    size_t n;
    for (const char *line; ok && (line = reel_lines_next(lines, &n));) {
        if (n > 1 && begins && line[n - 1] == ':') {
            speaker = labels_add(l, line, n - 1);
            ok = speaker >= 0;
        } else if (n > 0 && speaker >= 0) {
            ok = texts_add(t, line, n, speaker);
        }
        begins = n == 0;
    }
    if (ok && reel_lines_status(lines) != REEL_OK) {
        ok = complain("%s", reel_lines_message(lines));
    }
    reel_lines_close(lines);
    return ok;
}

/* Takes the speakers who are not among the `classes` with the most lines off: count becomes -1. */
static void keep_most(int64_t *count, int64_t n, int64_t classes)
{
    for (int64_t out = n - classes; out > 0; out--) {
        int64_t least = -1;
        for (int64_t i = 0; i < n; i++) {
            if (count[i] >= 0 && (least < 0 || count[i] <= count[least])) {
                least = i;
            }
        }
        count[least] = -1;
    }
}

bool texts_print_speakers(const char *path, int64_t classes, FILE *out)
{
    texts t = {0};
    labels l = {0};
    bool ok = read_play(path, &t, &l);
    if (ok && l.n < 2) {
        ok = complain("%s: %" PRId64 " speakers: expected paragraphs that begin with lines 'NAME:'",
                      path, l.n);
    }
    int64_t *count = calloc((size_t)l.n + 1, sizeof *count);
    ok = ok && (count || out_of_memory());
    for (int64_t i = 0; ok && i < t.n; i++) {
        count[t.label[i]]++;
    }
    if (ok) {
        keep_most(count, l.n, classes);
    }
    for (int64_t i = 0; ok && i < t.n; i++) {
        if (count[t.label[i]] >= 0) {
            fprintf(out, "%s\t%.*s\n", l.name[t.label[i]], (int)t.size[i], t.byte + t.begin[i]);
        }
    }
    free(count);
    texts_free(&t);
    labels_free(&l);
    return ok;
}
