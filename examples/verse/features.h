/* What can be told of a line and those before it without a network: rhyme, length, words that come
 * again, how lines begin and end. */
#ifndef EXAMPLES_VERSE_FEATURES_H
#define EXAMPLES_VERSE_FEATURES_H

#include "play.h"

enum { DEPTH = 100 /* lines before that are looked at */, RECENT = 20 /* of them are near */ };

/* The lines before, the latest first. */
typedef struct verse_context {
    int32_t n;
    const line *line[DEPTH];
} verse_context;

enum {
    /* of the lines before */
    PAST_STOP,
    PAST_QUESTION,
    PAST_PAUSE,
    PAST_OPEN,
    PAST_LENGTH,
    PAST_SYLLABLES,
    PAST_SMALL,   /* share of small beginnings among the last four */
    PAST_PROSE,   /* and among the last twenty */
    PAST_SPEECH,  /* how many lines the speech has had */
    PAST_SHORT,   /* mean length of the last four */
    PAST_COUPLET, /* the last two rhyme */
    /* of the line itself */
    OWN_STOP,
    OWN_QUESTION,
    OWN_PAUSE,
    OWN_OPEN,
    OWN_LENGTH,
    OWN_SYLLABLES,
    OWN_SMALL,
    OWN_THOU,
    OWN_YOU,
    OWN_NEW, /* words that the lines before have not, by their rarity */
    /* of both */
    RHYME,        /* with the last line */
    RHYME_SECOND, /* with the one before it */
    SAME_END,     /* the last word is the same */
    SAME_BEGIN,   /* the first word is */
    LENGTHS,      /* difference */
    AGAIN,        /* words of the last line, by their rarity */
    AGAIN_NEAR,   /* of the four before it */
    AGAIN_FAR,    /* of the fifteen before them */
    AGAIN_SCENE,  /* of those before them */
    AGAIN_STEM,   /* words that begin as one of the last twenty lines */
    AGAIN_MOST,   /* the rarest word that comes again */
    NAMED,        /* names of those who spoke last */
    MANNER,       /* thou after thou and you after you; the other way round: negative */
    MANNER_FAR,   /* the same for the last twenty lines */
    /* of speakers */
    SAME_SPEAKER,
    SPOKE_LAST,   /* another one, the last who spoke before */
    SPOKE_RECENT, /* yet another one, who spoke in the last twenty lines */
    SPOKE_SCENE,  /* or before them */
    FEATURES,
    TEXT_FEATURES = SAME_SPEAKER /* without speakers */
};

typedef struct matcher {
    const play *play;
    uint8_t *level; /* by number among all words: how near a context has it, 0 where it has not */
    uint8_t *stem;  /* by number of the first word with the same stem: likewise */
    uint8_t *scene; /* by number: in how many places the lines beyond the recent ones have it */
    bool alone;     /* whatever is said, one speaker says it */
} matcher;

bool matcher_make(matcher *m, const play *p);
void matcher_free(matcher *m);
/* Lines i, i - 1, ... down to `begin`, no more than DEPTH. */
void context_at(verse_context *c, const play *p, int64_t i, int64_t begin);
/* out[n][width], width being FEATURES or TEXT_FEATURES. */
void features(matcher *m, const verse_context *c, int64_t n, const line *const *candidate,
              int64_t width, float *out);

#endif
