/* Capitals and punctuation: taken away from plain text, as tags, and put back. */
#include "../program/program.h"
#include "sentences.h"

#include <string.h>

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static char lower(char c)
{
    return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
    return is_lower(c) ? (char)(c - 'a' + 'A') : c;
}

/* Where capitals count: behind an apostrophe in "'Tis". */
static size_t first_letter(const char *word, size_t n)
{
    size_t i = 0;
    while (i + 1 < n && word[i] == '\'') {
        i++;
    }
    return i;
}

static const char *case_of(const char *word, size_t n)
{
    size_t uppers = 0, lowers = 0;
    for (size_t i = 0; i < n; i++) {
        uppers += is_upper(word[i]);
        lowers += is_lower(word[i]);
    }
    bool first = n > 0 && is_upper(word[first_letter(word, n)]);
    return uppers > 1 && lowers == 0 ? "UPPER" : first ? "Capital" : "lower";
}

/* The place in text at which what is cut off at its end begins: marks, brackets and quotes. */
static size_t stem(const char *text, size_t n)
{
    while (n > 0 && strchr(",.;:!?-)]}\"'", text[n - 1]) && text[n - 1] != '\0') {
        n--;
    }
    return n;
}

/* The first mark in what was cut off: 0 for none. */
static char mark_in(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr(",.;:!?-", text[i])) {
            return text[i];
        }
    }
    return '\0';
}

/* What the preparation of a text goes by. */
typedef struct preparation {
    FILE *out;
    const char *path;
    int64_t longest, words;  /* of the sequence that is being printed */
    reel_vocabulary *inside; /* words that stand in lower case inside of lines */
    bool learning;           /* those are being counted: nothing is printed */
    bool opens;              /* the next word begins a line */
    bool goes_on;            /* and that is in the middle of a sentence */
} preparation;

/* A word in lower case; false where it is too long to be one. */
static bool lowered(const char *word, size_t n, char *text, size_t size)
{
    if (n >= size) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        text[i] = lower(word[i]);
    }
    text[n] = '\0';
    return true;
}

/* Verse begins each line with a capital, which says nothing of the word. */
static const char *case_in(const preparation *p, const char *word, size_t n)
{
    char text[64];
    bool verse = p->opens && p->goes_on && lowered(word, n, text, sizeof text);
    return verse && reel_vocabulary_find(p->inside, text, n) >= 0 ? "lower" : case_of(word, n);
}

static bool take_stem(preparation *p, const char *word, size_t n, char mark)
{
    const char *spelled = p->learning ? case_of(word, n) : case_in(p, word, n);
    if (p->learning) {
        bool counts = !p->opens && *spelled == 'l';
        return !counts || reel_vocabulary_count(p->inside, word, n) == REEL_OK ||
               complain("%s: %s", p->path, reel_vocabulary_message(p->inside));
    }
    for (size_t i = 0; i < n; i++) {
        fputc(lower(word[i]), p->out);
    }
    fprintf(p->out, "\t%s%.*s\n", spelled, mark != '\0', &mark);
    p->words++;
    p->goes_on = mark == '\0' || !strchr(".!?", mark);
    return true;
}

static bool take_piece(preparation *p, const char *piece, size_t n, bool dash)
{
    while (n > 0 && strchr("([{\"-", piece[0])) {
        piece++;
        n--;
    }
    size_t end = stem(piece, n);
    if (end == 0) {
        return true;
    }
    char mark = mark_in(piece + end, n - end);
    bool ok = take_stem(p, piece, end, mark == '\0' && dash ? '-' : mark);
    p->opens = false;
    return ok;
}

/* A word of the text; "home--and" is two. */
static bool take_word(preparation *p, const char *word, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (word[i] == '-' && word[i + 1] == '-') {
            return take_piece(p, word, i, true) && take_word(p, word + i + 2, n - i - 2);
        }
    }
    return take_piece(p, word, n, false);
}

static void end_sequence(preparation *p)
{
    if (p->words > 0) {
        fputc('\n', p->out);
    }
    p->words = 0;
}

static bool take_line(preparation *p, const char *line, size_t n)
{
    bool ok = true;
    p->opens = true;
    for (size_t i = 0; ok && i < n; i++) {
        size_t from = i;
        while (i < n && line[i] != ' ' && line[i] != '\t') {
            i++;
        }
        ok = i == from || take_word(p, line + from, i - from);
        if (p->words >= p->longest) {
            end_sequence(p);
        }
    }
    return ok;
}

/* All lines of the file but speakers' names. */
static bool take_file(preparation *p)
{
    reel_lines *lines = reel_lines_open(p->path);
    if (!lines) {
        return out_of_memory();
    }
    bool begins = true, ok = true;
    size_t n;
    for (const char *line; ok && (line = reel_lines_next(lines, &n));) {
        if (n == 0) {
            end_sequence(p);
        } else if (!begins || line[n - 1] != ':') {
            ok = take_line(p, line, n);
        }
        begins = n == 0;
        p->goes_on = p->goes_on && !begins;
    }
    end_sequence(p);
    if (ok && reel_lines_status(lines) != REEL_OK) {
        ok = complain("%s", reel_lines_message(lines));
    }
    reel_lines_close(lines);
    return ok;
}

bool restore_prepare(const char *path, int64_t longest, FILE *out)
{
    if (strcmp(path, "-") == 0) {
        return complain("prepare: a text is read twice: expected a file, not standard input");
    }
    preparation p = {.out = out,
                     .path = path,
                     .longest = longest,
                     .inside = reel_vocabulary_new(REEL_WORDS, false),
                     .learning = true};
    bool ok = p.inside ? take_file(&p) : out_of_memory();
    if (ok && reel_vocabulary_cut(p.inside, 1, 0) != REEL_OK) {
        ok = vocabulary_complain(p.inside);
    }
    p.learning = false;
    ok = ok && take_file(&p);
    reel_vocabulary_free(p.inside);
    return ok;
}

void restore_print(FILE *out, const char *word, const char *tag, bool begins)
{
    bool all = strncmp(tag, "UPPER", 5) == 0, first = strncmp(tag, "Capital", 7) == 0;
    size_t n = strlen(word), capital = first_letter(word, n), m = strlen(tag);
    fputs(begins ? "" : " ", out);
    for (size_t i = 0; i < n; i++) {
        fputc(all || (first && i == capital) ? upper(word[i]) : word[i], out);
    }
    if (m > 0 && strchr(",.;:!?-", tag[m - 1])) {
        fputs(tag[m - 1] == '-' ? "--" : tag + m - 1, out);
    }
}
