/* A text of speeches as lines: who speaks each of them, in which speech, its words as numbers, and
 * how it looks.
 *
 * Speeches are set apart by empty lines; the first line of one is its speaker's name and a colon.
 */
#ifndef EXAMPLES_VERSE_PLAY_H
#define EXAMPLES_VERSE_PLAY_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>

/* How a line ends. */
enum { END_STOP, END_QUESTION, END_PAUSE, END_OPEN, ENDS };

typedef struct line {
    const char *text; /* without its end */
    int32_t bytes;
    int32_t speech;  /* from 0 */
    int32_t speaker; /* in play.speaker; -1: nobody */
    int64_t number;  /* in the file, from 1 */
    int32_t words;   /* punctuation marks are words of their own */
    int32_t *known;  /* [words]: numbers among the words that a model knows */
    int32_t *every;  /* [words]: numbers among all words of the text; -1 elsewhere */
    int32_t first,
        last;          /* places of the first and last word that is none of punctuation; -1: none */
    int32_t end;       /* END_... */
    bool small;        /* begins with a small letter, as prose does within a sentence */
    int32_t syllables; /* runs of vowels */
    int32_t thou, you; /* how often it says thou, thee, thy ..., and you, your ... */
    char rhyme[16];    /* the last word's letters from its last vowels on; "" */
} line;

typedef struct speaker {
    char *name;
    int32_t words, *every; /* its words, as a line's */
} speaker;

typedef struct play {
    char *text; /* all lines */
    line *line;
    int64_t n;
    speaker *speaker;
    int64_t speakers;
    int64_t validation, test; /* the first lines of these parts; each begins with a speech */
    uint64_t hash;            /* of all lines and speakers */
    reel_vocabulary *every;   /* all words */
    double *weight;   /* by number in `every`: the inverse document frequency, learned from the
                       * lines before `validation`; 0 of punctuation */
    int32_t *stem;    /* by number: the first word that begins with the same four letters */
    int32_t *numbers; /* what lines and speakers point into */
} play;

/* Reads a file, "-" for standard input, and finds its parts: the last tenth of its bytes is the
 * test, and the twentieth before it validation, both moved on to the next speech. False after a
 * complaint. */
bool play_read(play *p, const char *path);
/* Takes a text in memory, of which `name` is told in complaints. */
bool play_take(play *p, const char *name, const char *text);
void play_free(play *p);
/* The vocabulary of words seen at least `least` times before `validation`; NULL after a complaint.
 */
reel_vocabulary *play_vocabulary(const play *p, int64_t least);
/* Gives the lines' words their numbers. */
bool play_number(play *p, const reel_vocabulary *known);
/* A line from elsewhere, with room for its words in `numbers`, [2][room]; the rest of a longer one
 * is left out. It borrows the text. */
void line_make(line *l, const play *p, const reel_vocabulary *known, const char *text,
               int32_t *numbers, int64_t room);
/* Whether two lines have the same words in the same order, punctuation and case aside. */
bool line_same(const line *a, const line *b);
/* "" for nobody. */
const char *line_speaker(const play *p, const line *l);

/* A text's words, in small letters, with a space behind each; at most `size` bytes with the NUL. 2
 * n + 1 bytes are enough for n. */
size_t words_of(const char *text, size_t n, char *out, size_t size);

#endif
