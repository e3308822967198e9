/* Job: write what an author makes to a stream or, atomically, to a file.
 * Invariant: a file is replaced only by a text that is complete.
 * Must not know: what the text is. */
#include "deliver.h"

#include <errno.h>
#include <string.h>

static bool put_stream(void *stream, const char *text, size_t n)
{
    return fwrite(text, 1, n, stream) == n;
}

static bool put_file(void *file, const char *text, size_t n)
{
    return reel__writer_put(file, text, n);
}

static reel_status failed(char message[REEL__WRITER_MESSAGE], reel_status status, const char *what,
                          const char *why)
{
    snprintf(message, REEL__WRITER_MESSAGE, "%s%s", what, why);
    return status;
}

static reel_status no_memory(char message[REEL__WRITER_MESSAGE])
{
    return failed(message, REEL_ERR_MEMORY, "out of memory", "");
}

static reel_status to_stream(FILE *stream, reel__author *author, const void *context,
                             char message[REEL__WRITER_MESSAGE])
{
    reel__text out = {.sink = put_stream, .context = stream};
    errno = 0;
    bool enough = author(context, &out);
    bool taken = reel__text_flush(&out) && fflush(stream) == 0;
    int why = errno;
    enough = enough && !out.no_memory;
    reel__text_free(&out);
    if (!enough) {
        return no_memory(message);
    }
    return taken ? REEL_OK
                 : failed(message, REEL_ERR_FILE, "cannot write to the stream: ",
                          why ? strerror(why) : "it is closed or in error");
}

static reel_status to_file(const char *path, reel__author *author, const void *context,
                           char message[REEL__WRITER_MESSAGE])
{
    reel__writer file;
    reel__text out = {.sink = put_file, .context = &file};
    bool written = reel__writer_open(&file, path);
    bool enough = !written || author(context, &out);
    written = written && enough && reel__text_flush(&out) && reel__writer_commit(&file);
    enough = enough && !out.no_memory;
    if (!written) {
        reel__writer_drop(&file);
    }
    reel__text_free(&out);
    if (!enough) {
        return no_memory(message);
    }
    return written ? REEL_OK : failed(message, file.status, file.message, "");
}

reel_status reel__deliver(const char *path, FILE *stream, reel__author *author, const void *context,
                          char message[REEL__WRITER_MESSAGE])
{
    return stream ? to_stream(stream, author, context, message)
                  : to_file(path, author, context, message);
}
