/* Job: send a report about plans to a stream.
 * Invariant: whatever fails is the tape's error.
 * Must not know: what is reported. */
#include "plan_write.h"

#include <errno.h>
#include <string.h>

static bool put(void *stream, const char *text, size_t n)
{
    return fwrite(text, 1, n, stream) == n;
}

reel_status reel__write_report(const char *at, reel_tape *tape, FILE *stream, const char *who,
                               bool (*write)(const reel_tape *tape, reel__text *out))
{
    if (!tape || tape->status) {
        return tape ? tape->status : REEL_ERR_ARGUMENT;
    }
    if (!stream) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: the stream is NULL", who);
        return tape->status;
    }
    reel__text out = {.sink = put, .context = stream};
    errno = 0;
    bool enough = write(tape, &out);
    bool taken = reel__text_flush(&out) && fflush(stream) == 0;
    int why = errno;
    enough = enough && !out.no_memory;
    reel__text_free(&out);
    if (!enough) {
        reel__fail(tape, REEL_ERR_MEMORY, at, "%s: out of memory", who);
    } else if (!taken) {
        reel__fail(tape, REEL_ERR_FILE, at, "%s: cannot write to the stream: %s", who,
                   why ? strerror(why) : "it is closed or in error");
    }
    return tape->status;
}
