/* What someone who watches a run sees on stderr. */
#ifndef CHARLM_PROGRESS_H
#define CHARLM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    bool quiet, terminal, colour;
    double started;     /* seconds, of a clock that never goes back */
    double shown;       /* when the last line was shown */
    int64_t first_step; /* of this process */
    int64_t since_step; /* at the last line shown */
    double since;
    double loss, norm; /* running means, for the eye only */
    double rate;       /* units per second, over the last line's stretch */
} progress;

/* What one update did. */
typedef struct update {
    int64_t step, steps; /* made, and planned in all */
    int64_t epoch;       /* from 1 */
    double loss;         /* nats per unit */
    double norm;         /* of the gradient, before clipping */
    int64_t units;       /* predicted per update */
    double seconds_left; /* of a time limit; infinity: none */
} update;

void progress_start(progress *p, bool quiet, int64_t step);
/* Counts an update, and shows a line when it is time: rewritten four times a second on a terminal,
 * a plain one every ten seconds elsewhere. */
void progress_update(progress *p, const update *u);
/* The held-out loss after a stretch of training; `best` tells whether it is the lowest so far. */
void progress_valid(progress *p, int64_t epoch, int64_t step, double training, double valid,
                    bool best);
/* Wipes the line, before something else is written to the terminal. */
void progress_clear(const progress *p);

#endif
