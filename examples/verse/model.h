/* The score of a line as the next one: products of what encoders make of the lines before and of
 * the line, and a small network over features that need none. */
#ifndef EXAMPLES_VERSE_MODEL_H
#define EXAMPLES_VERSE_MODEL_H

#include "features.h"

/* The parts of the score. */
enum {
    PART_WORDS = 1,      /* recurrent nets over words */
    PART_CHARACTERS = 2, /* over bytes */
    PART_TOPIC = 4,      /* weighted sums of word vectors */
    PART_FEATURES = 8,   /* features without speakers */
    PART_SPEAKERS = 16   /* who speaks the line, beside the features */
};

typedef struct model_sizes {
    unsigned parts;
    int64_t word, hidden;       /* word vectors; units each way */
    int64_t letter, characters; /* the same for bytes */
    int64_t size;               /* of each part's code */
    double dropout;
    uint64_t seed;
} model_sizes;

typedef struct model {
    model_sizes s;
    const play *play;
    const reel_vocabulary *known;
    reel_params *params;
    reel_cell *past, *own, *letters;
    matcher matcher;
    int32_t *index; /* room for numbers and weights that become leaves */
    float *weight;
    int64_t *length;
    int64_t room, rows;
} model;

bool model_make(model *m, const model_sizes *s, const play *p, const reel_vocabulary *known);
void model_free(model *m);
/* Whether there are encoders; and the features that the score sees: 0, TEXT_FEATURES or FEATURES.
 */
bool model_encodes(const model *m);
int64_t model_features(const model *m);
int64_t model_width(const model *m); /* of a code */

/* Codes of n contexts, and of n lines: [n, width]. NULL after a complaint. */
reel_node *model_contexts(model *m, reel_tape *tape, int64_t n, const verse_context *c);
reel_node *model_lines(model *m, reel_tape *tape, int64_t n, const line *const *l);
/* Scores [n] of the features [n, features]. */
reel_node *model_judge(model *m, reel_node *features);

#endif
