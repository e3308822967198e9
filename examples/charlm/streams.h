/* How truncated back-propagation walks through the text. */
#ifndef CHARLM_STREAMS_H
#define CHARLM_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

/* The text as `batch` contiguous streams of `length` units each, read side by side. Every update
 * moves on by k1 = stride units and sends gradients back through at most k2 = seq of them. */
typedef struct streams {
    const int32_t *unit;
    int64_t batch, length, stride, seq;
    int64_t per_epoch; /* updates per time through the text */
} streams;

/* The window of one update: steps [start, end) are run, those from `fresh` on, which no window had
 * before, are counted in the loss, and the state before step `next` is carried to the next window.
 */
typedef struct window {
    int64_t start, next, fresh, end;
} window;

/* Lays out n units. Complains and returns false when they are too few for one window. */
bool streams_make(streams *s, const int32_t *unit, int64_t n, int64_t batch, int64_t stride,
                  int64_t seq);
window streams_window(const streams *s, int64_t update);
/* Units [start, end) of all streams as [end - start, batch]. */
void streams_read(const streams *s, int64_t start, int64_t end, int32_t *out);

#endif
