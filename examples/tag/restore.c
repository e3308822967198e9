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

static void print_piece(FILE *out, const char *piece, size_t n, bool dash, int64_t *words)
{
    while (n > 0 && strchr("([{\"-", piece[0])) {
        piece++;
        n--;
    }
    size_t end = stem(piece, n);
    if (end == 0) {
        return;
    }
    char mark = mark_in(piece + end, n - end);
    mark = mark == '\0' && dash ? '-' : mark;
    for (size_t i = 0; i < end; i++) {
        fputc(lower(piece[i]), out);
    }
    fprintf(out, "\t%s%.*s\n", case_of(piece, end), mark != '\0', &mark);
    ++*words;
}

/* A word of the text; "home--and" is two. */
static void print_word(FILE *out, const char *word, size_t n, int64_t *words)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (word[i] == '-' && word[i + 1] == '-') {
            print_piece(out, word, i, true, words);
            print_word(out, word + i + 2, n - i - 2, words);
            return;
        }
    }
    print_piece(out, word, n, false, words);
}

static void end_sequence(FILE *out, int64_t *words)
{
    if (*words > 0) {
        fputc('\n', out);
    }
    *words = 0;
}

static void print_line(FILE *out, const char *line, size_t n, int64_t longest, int64_t *words)
{
    for (size_t i = 0; i < n; i++) {
        size_t from = i;
        while (i < n && line[i] != ' ' && line[i] != '\t') {
            i++;
        }
        if (i > from) {
            print_word(out, line + from, i - from, words);
        }
        if (*words >= longest) {
            end_sequence(out, words);
        }
    }
}

bool restore_prepare(const char *path, int64_t longest, FILE *out)
{
    reel_lines *lines = reel_lines_open(path);
    if (!lines) {
        return out_of_memory();
    }
    int64_t words = 0;
    bool begins = true;
    size_t n;
    for (const char *line; (line = reel_lines_next(lines, &n));) {
        if (n == 0) {
            end_sequence(out, &words);
        } else if (!begins || line[n - 1] != ':') {
            print_line(out, line, n, longest, &words);
        }
        begins = n == 0;
    }
    end_sequence(out, &words);
    bool ok = reel_lines_status(lines) == REEL_OK || complain("%s", reel_lines_message(lines));
    reel_lines_close(lines);
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
