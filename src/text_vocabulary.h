/* What a vocabulary is. */
#ifndef REEL_SRC_TEXT_VOCABULARY_H
#define REEL_SRC_TEXT_VOCABULARY_H

#include <reel/text.h>

#include "arena.h"
#include "text_source.h"

/* A token that was counted. */
typedef struct reel__word {
    const char *s; /* ended by a NUL behind its n bytes */
    size_t n;
    uint64_t hash;
    int64_t count;
    int32_t number; /* -1: none */
} reel__word;

struct reel_vocabulary {
    reel_units units;
    bool special;
    reel__trouble trouble;
    reel__arena bytes; /* of the tokens, which therefore never move */
    reel__word *word;
    size_t words, word_room;
    uint32_t
        *slot; /* place in word[] + 1; 0: free. A power of two of them, half of which is free */
    size_t slots;
    uint32_t *numbered; /* place in word[] by number, special ones not included */
    int32_t size;       /* tokens with numbers, special ones included */
    int64_t total;      /* tokens counted, and those of them that have numbers */
    int64_t known;
};

/* How special tokens are written. */
extern const char *const reel__special_name[REEL_SPECIALS];

/* How many numbers are special ones. */
int32_t reel__vocabulary_base(const reel_vocabulary *v);
/* Whether that is how a special token of v is written; its number, else -1. */
int32_t reel__special_number(const reel_vocabulary *v, const char *s, size_t n);
/* The token, with count 0 and no number where it is new (*fresh); NULL when memory is out. */
reel__word *reel__vocabulary_add(reel_vocabulary *v, const char *s, size_t n, bool *fresh);
/* What a token of a text is encoded as. */
int32_t reel__vocabulary_number(const reel_vocabulary *v, const char *s, size_t n);
/* What a token without a number is encoded as. */
int32_t reel__vocabulary_unknown(const reel_vocabulary *v);

#endif
