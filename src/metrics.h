/* What the metrics share, for src/metrics*.c only. */
#ifndef REEL_SRC_METRICS_H
#define REEL_SRC_METRICS_H

#include <reel/metrics.h>

/* The words of sentences as numbers: equal words have equal ones, whatever the sentence. */
typedef struct reel__lexicon {
    const char **word; /* sorted, each once */
    int64_t words;
} reel__lexicon;

/* Refuses what no metric can judge. */
reel_status reel__judgeable(int64_t n, const reel_judged *x);
/* Of all candidates and references. */
reel_status reel__lexicon_of(reel__lexicon *l, int64_t n, const reel_judged *x);
void reel__lexicon_free(reel__lexicon *l);
/* The sentence in numbers, which the caller frees; NULL when memory is out. */
int32_t *reel__numbered(const reel__lexicon *l, const reel_words *s);

#endif
