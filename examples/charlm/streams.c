/* Streams and windows. As in char-rnn, stream b + 1 begins where stream b ends, and what does not
 * fill a stream is left out at the text's end. A stream's last target is the first unit of the next
 * one: unit[] is read one place past batch * length, which streams_make has left room for. */
#include "streams.h"
#include "../program/say.h"

#include <inttypes.h>

bool streams_make(streams *s, const int32_t *unit, int64_t n, int64_t batch, int64_t stride,
                  int64_t seq)
{
    int64_t per_epoch = (n - 1) / batch / stride;
    if (per_epoch < 1) {
        return complain("the text is too short: %" PRId64 " units to train on, at least %" PRId64
                        " are needed for --batch %" PRId64 " and windows of %" PRId64
                        "; make --batch or --seq smaller",
                        n, batch * stride + 1, batch, stride);
    }
    *s = (streams){.unit = unit,
                   .batch = batch,
                   .length = per_epoch * stride,
                   .stride = stride,
                   .seq = seq,
                   .per_epoch = per_epoch};
    return true;
}

/* Windows end k1 apart and reach k2 back, the first ones to the stream's start. With k1 = k2 they
 * lie side by side, and with k2 no less than the stream's length every update sees the whole past
 * (Williams & Peng 1990). */
window streams_window(const streams *s, int64_t update)
{
    window w = {.fresh = update * s->stride, .end = (update + 1) * s->stride};
    w.start = w.end > s->seq ? w.end - s->seq : 0;
    w.next = w.end + s->stride > s->seq ? w.end + s->stride - s->seq : 0;
    return w;
}

void streams_read(const streams *s, int64_t start, int64_t end, int32_t *out)
{
    for (int64_t t = start; t < end; t++) {
        for (int64_t b = 0; b < s->batch; b++) {
            *out++ = s->unit[b * s->length + t];
        }
    }
}
