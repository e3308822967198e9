/* Tagged sentences: read from files, and made. */
#ifndef TAG_SENTENCES_H
#define TAG_SENTENCES_H

#include "../program/labels.h"

#include <stdio.h>

/* A word is a place in the block of bytes, where it ends with a NUL. Different words are forms. */
typedef struct sentences {
    int64_t n, room;
    int64_t *first;  /* [n + 1]: places in word and tag; the last one is the number of words */
    bool open;       /* a further sentence is being made, up to first[n + 1] */
    int64_t *length; /* [n]; after sentences_settle */
    int64_t word_room;
    int64_t *word; /* places in byte */
    int32_t *tag;  /* -1: not known */
    char *byte;
    int64_t bytes, byte_room;
    /* after sentences_settle */
    reel_vocabulary *forms;
    int32_t *form; /* [words] */
} sentences;

void sentences_free(sentences *s);
/* Words of all sentences. */
int64_t sentences_words(const sentences *s);
const char *sentences_word(const sentences *s, int64_t i);
/* A word at the end of the sentence that is being made; and that sentence's end, which makes it one
 * unless it is empty. False after a complaint. */
/* What words end at; and whether n bytes are a word: some, and none of these. */
bool sentences_blank(char c);
bool sentences_word_is(const char *word, size_t n);
bool sentences_add(sentences *s, const char *word, size_t n, int32_t tag);
void sentences_end(sentences *s);
/* Reads a file; where `learn`, new tags are added to the list, else they are an error. */
bool sentences_read(sentences *s, const char *path, bool slashes, bool learn, labels *tags);
/* Gives words their forms and brings sentences into a random order, in their own where `keep`. */
bool sentences_settle(sentences *s, bool keep, uint64_t seed);
uint64_t sentences_hash(const sentences *s);

/* Made up: who does something to whom, in the active or the passive voice, so that what the first
 * one is shows only later: AGENT, PATIENT, and PLACE for who is only near. Tags B-, I-, O. */
bool sentences_make(sentences *s, int64_t lines, uint64_t seed, labels *tags);

/* From plain text: each paragraph as a sequence of lower-case words without punctuation, tagged by
 * what was taken away: "lower", "Capital" or "UPPER", and behind it the mark that followed:
 * "Capital,". Left out are a paragraph's first line that ends in a colon, a speaker in a play, and
 * the capital that a line of verse begins with in the middle of a sentence, where the word is found
 * without one inside of lines. */
bool restore_prepare(const char *path, int64_t longest, FILE *out);
/* A word as its tag says; one that is none of these says nothing. `begins`: nothing stands before
 * it. */
void restore_print(FILE *out, const char *word, const char *tag, bool begins);

#endif
