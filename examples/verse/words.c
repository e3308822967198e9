/* What a line's words are, and how it looks. */
#include "play.h"

#include <ctype.h>
#include <string.h>

static const char marks[] = ".,;:?!-";

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || c == '\'' || (unsigned char)c >= 0x80;
}

static bool is_mark(char c)
{
    return c != '\0' && strchr(marks, c) != NULL;
}

static char small_letter(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* A run of letters, or one mark; a dash is one mark, however long. Returns its end. */
static size_t word_end(const char *text, size_t from, size_t n)
{
    size_t to = from + 1;
    if (is_letter(text[from])) {
        while (to < n && is_letter(text[to])) {
            to++;
        }
    } else if (text[from] == '-') {
        while (to < n && text[to] == '-') {
            to++;
        }
    }
    return to;
}

size_t words_of(const char *text, size_t n, char *out, size_t size)
{
    size_t length = 0;
    for (size_t i = 0, to; i < n; i = to) {
        to = word_end(text, i, n);
        if (!is_letter(text[i]) && !is_mark(text[i])) {
            continue;
        }
        size_t letters = is_letter(text[i]) ? to - i : 1;
        if (length + letters + 2 > size) {
            break;
        }
        for (size_t k = 0; k < letters; k++) {
            out[length++] = small_letter(text[i + k]);
        }
        out[length++] = ' ';
    }
    out[length] = '\0';
    return length;
}

static bool is_vowel(char c)
{
    return c != '\0' && strchr("aeiouy", c) != NULL;
}

static int32_t count_syllables(const char *word, size_t n)
{
    int32_t runs = 0;
    for (size_t i = 0; i < n; i++) {
        runs += is_vowel(word[i]) && (i == 0 || !is_vowel(word[i - 1]));
    }
    bool mute = n > 2 && word[n - 1] == 'e' && !is_vowel(word[n - 2]) && runs > 1;
    return runs - mute;
}

/* The letters from the last run of vowels on; a mute e at the end belongs to the run before it. */
static void find_rhyme(const char *word, size_t n, char *rhyme, size_t size)
{
    size_t from = n;
    if (n > 2 && word[n - 1] == 'e' && !is_vowel(word[n - 2])) {
        from = n - 1;
    }
    while (from > 0 && !is_vowel(word[from - 1])) {
        from--;
    }
    while (from > 0 && is_vowel(word[from - 1])) {
        from--;
    }
    size_t length = n - from < size ? n - from : size - 1;
    memcpy(rhyme, word + n - length, length);
    rhyme[length] = '\0';
}

static bool among(const char *word, size_t n, const char *list)
{
    for (const char *w = list; *w != '\0'; w += strlen(w) + 1) {
        if (strlen(w) == n && memcmp(w, word, n) == 0) {
            return true;
        }
    }
    return false;
}

static int32_t end_of(const char *text, size_t n)
{
    while (n > 0 && (isspace((unsigned char)text[n - 1]) || text[n - 1] == '\'')) {
        n--;
    }
    char c = n > 0 ? text[n - 1] : ' ';
    return c == '.'               ? END_STOP
           : c == '?' || c == '!' ? END_QUESTION
           : is_mark(c)           ? END_PAUSE
                                  : END_OPEN;
}

/* `words`: what words_of made of it. */
static void look(line *l, const char *words)
{
    l->first = l->last = -1;
    l->thou = l->you = l->syllables = 0;
    l->rhyme[0] = '\0';
    l->end = end_of(l->text, (size_t)l->bytes);
    l->small = l->text[0] >= 'a' && l->text[0] <= 'z';
    for (int32_t k = 0; k < l->words; k++) {
        size_t n = strcspn(words, " ");
        if (!is_mark(words[0])) {
            l->first = l->first < 0 ? k : l->first;
            l->last = k;
            l->thou += among(words, n, "thou\0thee\0thy\0thine\0thyself\0thou'rt\0thou'lt\0");
            l->you += among(words, n, "you\0your\0yours\0yourself\0you're\0you'll\0ye\0");
            l->syllables += count_syllables(words, n);
            find_rhyme(words, n, l->rhyme, sizeof l->rhyme);
        }
        words += n + 1;
    }
}

void line_make(line *l, const play *p, const reel_vocabulary *known, const char *text,
               int32_t *numbers, int64_t room)
{
    char words[4096];
    size_t n = strlen(text);
    size_t length = words_of(text, n, words, sizeof words);
    *l = (line){.text = text, .bytes = (int32_t)n, .speech = -1, .speaker = -1};
    l->known = numbers;
    l->every = numbers + room;
    int64_t all = reel_vocabulary_encode(known, words, length, l->known, room);
    reel_vocabulary_encode(p->every, words, length, l->every, room);
    l->words = (int32_t)(all < room ? all : room);
    look(l, words);
}

/* Moves on to the next letter. */
static const char *letter(const char *s)
{
    while (*s != '\0' && !is_letter(*s)) {
        s++;
    }
    return s;
}

bool line_same(const line *a, const line *b)
{
    const char *s = letter(a->text), *t = letter(b->text);
    while (*s != '\0' && small_letter(*s) == small_letter(*t)) {
        s = letter(s + 1);
        t = letter(t + 1);
    }
    return *s == *t;
}
