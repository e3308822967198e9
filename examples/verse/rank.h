/* Ranks of true next lines among others. */
#ifndef EXAMPLES_VERSE_RANK_H
#define EXAMPLES_VERSE_RANK_H

#include "model.h"

enum { CUTS = 4 };     /* recall at 1, 5, 30, 150 */
enum { FIRST = 1000 }; /* ranks that are counted one by one */

/* What the ranks of some queries come to. */
typedef struct ranks {
    int64_t n;
    double sum, reciprocal;
    int64_t at[CUTS];
    int64_t of[FIRST + 1]; /* by rank, from 1 */
} ranks;

/* Next lines of the same speech, next lines that begin another, and both. */
enum { WITHIN, ACROSS, ALL, KINDS };

/* Codes of the lines [begin, end) of a play and, where they are asked for, of the contexts that end
 * with them. */
typedef struct codes {
    int64_t begin, end, width;
    float *past, *own; /* [end - begin][width] */
} codes;

bool codes_make(codes *e, model *m, reel_tape *tape, int64_t begin, int64_t end, bool contexts);
void codes_free(codes *e);

/* Scores n lines as the next one; `past` and own[n] are codes. The tape is reset. */
bool score_lines(model *m, reel_tape *tape, const verse_context *c, const float *past, int64_t n,
                 const line *const *l, const float *own, double *score);
/* For each line but the last of [begin, end): the rank of the next one among it and candidates - 1
 * others of these lines, drawn by the seed. Lines that read the same as the next one are not drawn,
 * nor are the RECENT lines before it. A line counts as before the true one when its score is as
 * high. */
bool rank_all(model *m, reel_tape *tape, int64_t begin, int64_t end, int64_t candidates,
              uint64_t seed, bool quiet, ranks r[KINDS]);
/* Whether that many lines are enough for so many candidates; false after a complaint. */
bool rank_enough(int64_t lines, int64_t candidates);
void rank_print(const ranks r[KINDS], int64_t candidates);
/* Draws the share of true lines that are among the first k of the candidates, over k. */
bool rank_draw(const ranks r[KINDS], int64_t candidates, const char *path);

#endif
