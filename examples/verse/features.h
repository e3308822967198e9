/* What can be told of a line and those before it without a network: rhyme, length, words that come again,
 * how lines begin and end. */
#ifndef EXAMPLES_VERSE_FEATURES_H
#define EXAMPLES_VERSE_FEATURES_H

#include "play.h"

enum { DEPTH = 20 /* lines before that are looked at */ };

/* The lines before, the latest first. */
typedef struct context {
    int32_t n;
    const line *line[DEPTH];
} context;

enum {
    /* of the lines before */
    PAST_STOP,
    PAST_QUESTION,
    PAST_PAUSE,
    PAST_OPEN,
    PAST_LENGTH,
    PAST_SMALL,  /* share of small beginnings among the last four */
    PAST_SPEECH, /* how many lines the speech has had */
    PAST_SHORT,  /* mean length of the last four */
    /* of the line itself */
    OWN_STOP,
    OWN_QUESTION,
    OWN_PAUSE,
    OWN_OPEN,
    OWN_LENGTH,
    OWN_SMALL,
    OWN_THOU,
    OWN_YOU,
    /* of both */
    RHYME,        /* with the last line */
    RHYME_SECOND, /* with the one before it */
    SAME_END,     /* the last word is the same */
    SAME_BEGIN,   /* the first word is */
    LENGTHS,      /* difference */
    AGAIN,        /* words of the last line, by their rarity */
    AGAIN_NEAR,   /* of the four before it */
    AGAIN_FAR,    /* of those before them */
    NAMED,        /* names of those who spoke last */
    MANNER,       /* thou after thou and you after you; the other way round: negative */
    /* of speakers */
    SAME_SPEAKER,
    SPOKE_BEFORE, /* another one, who has spoken in these lines */
    FEATURES,
    TEXT_FEATURES = SAME_SPEAKER /* without speakers */
};

typedef struct matcher {
    const play *play;
    uint8_t *level; /* by number among all words: how near a context has it, 0 where it has not */
} matcher;

bool matcher_make(matcher *m, const play *p);
void matcher_free(matcher *m);
/* Lines i, i - 1, ... down to `begin`, no more than DEPTH. */
void context_at(context *c, const play *p, int64_t i, int64_t begin);
/* out[n][width], width being FEATURES or TEXT_FEATURES. */
void features(matcher *m, const context *c, int64_t n, const line *const *candidate, int64_t width,
              float *out);

#endif
