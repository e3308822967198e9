/* Sequences that differ in length: one after the other on one tape, or as a batch. */
#include "draw.h"

#include <stdlib.h>

bool lengths_read(const char *text, sequences *q)
{
    for (const char *at = text; q->n < MOST_SEQUENCES;) {
        char *end = NULL;
        long long length = strtoll(at, &end, 10);
        if (end == at || length < 1 || length > MOST_STEPS || (*end && *end != ',')) {
            break;
        }
        q->length[q->n++] = length;
        q->longest = length > q->longest ? length : q->longest;
        if (!*end) {
            return true;
        }
        at = end + 1;
    }
    return complain("--lengths: '%s' is no list of at most %d lengths from 1 to %d, such as 5,3,4",
                    text, MOST_SEQUENCES, MOST_STEPS);
}

/* T steps of a batch, some of which have fewer when lengths are given; y: room for T outputs. */
static bool run(const settings *s, recording *r, int64_t T, int64_t batch, const int64_t *length,
                reel_node **y)
{
    for (int64_t t = 0; t < T; t++) {
        y[t] = reel_name(record_input(r, REEL_F64, batch, s->in), "x");
    }
    return reel_run(r->cell, T, y, NULL, y, .length = length) == REEL_OK || record_good(r);
}

/* What is drawn of a run: a loss, or what the cell gives in the end. */
static bool end(const settings *s, recording *r, int64_t T, reel_node **y, reel_node **loss)
{
    /* in both directions no output has seen all steps; in a batch not all have the last */
    const bool last = reel_cell_stepwise(r->cell) && !s->padded;
    if (loss) {
        reel_node *all = last ? y[T - 1] : reel_stack((int)T, y);
        *loss = reel_mean(reel_square(all));
        return true;
    }
    for (int64_t t = last ? T - 1 : 0; t < T; t++) {
        if (!record_keep(r, reel_name(y[t], last ? "h" : "y"))) {
            return false;
        }
    }
    return true;
}

bool record_sequences(const settings *s, recording *r)
{
    const sequences q = s->sequences;
    reel_node *loss[MOST_SEQUENCES], **y = calloc((size_t)q.longest, sizeof(reel_node *));
    const bool down = s->loss || drawing_order(&s->drawing) > 0;
    const int runs = s->padded ? 1 : q.n;
    bool ok = y || out_of_memory();
    for (int i = 0; ok && i < runs; i++) {
        const int64_t T = s->padded ? q.longest : q.length[i];
        ok = run(s, r, T, s->padded ? q.n : s->batch, s->padded ? q.length : NULL, y) &&
             end(s, r, T, y, down ? &loss[i] : NULL);
    }
    free(y);
    if (ok && down) {
        ok = record_keep(r, reel_name(runs == 1 ? loss[0] : reel_sum_of(runs, loss), "loss"));
    }
    return ok && record_good(r) && record_derivatives(s, r);
}
