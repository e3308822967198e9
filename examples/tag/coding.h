/* Batches of sentences as numbers. */
#ifndef TAG_CODING_H
#define TAG_CODING_H

#include "model.h"
#include "sentences.h"

/* What turns sentences into numbers. */
typedef struct coding {
    reel_vocabulary *words, *characters;
    int32_t *word;     /* [forms]: each form's number */
    int32_t *spelling; /* [forms][LONGEST_WORD] */
    int64_t *spelled;  /* [forms] */
    int32_t *place;    /* [forms]: among the different ones of a batch; -1 between batches */
} coding;

/* Words and characters of the first n sentences. False after a complaint. */
bool coding_learn(coding *c, const sentences *s, int64_t n);
/* Prepares for the forms of these sentences. */
bool coding_of(coding *c, const sentences *s);
void coding_free(coding *c);

/* Sentences chosen by number. False after a complaint. */
bool batch_fill(batch *b, const coding *c, const sentences *s, const int64_t *which, int64_t n);
void batch_free(batch *b);

#endif
