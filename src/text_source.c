/* Job: read files piece by piece, with one buffer a reader.
 * Invariant: a buffer holds what was read and not yet used, without a gap, and grows only when a
 * line or a word does not fit into it. Must not know: what the text is for. */
#include "text_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

enum { FIRST_ROOM = 1 << 15, PIECE = 1 << 30 };

reel_status reel__trouble_set(reel__trouble *t, reel_status status, const char *format, ...)
{
    if (t->status == REEL_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(t->message, sizeof t->message, format, args);
        va_end(args);
        t->status = status;
    }
    return t->status;
}

static bool fail(reel__source *f, const char *what, const char *why)
{
    reel__trouble_set(&f->trouble, REEL_ERR_FILE, "%.1024s: %s: %s", f->label, what, why);
    return false;
}

bool reel__source_open(reel__source *f, const char *path)
{
    *f = (reel__source){.fd = -1};
    if (!path || !*path) {
        reel__trouble_set(&f->trouble, REEL_ERR_ARGUMENT, "cannot open: the path is empty");
        return false;
    }
    bool standard = strcmp(path, "-") == 0;
    f->label = reel__strdup(standard ? "standard input" : path);
    if (!f->label) {
        reel__trouble_set(&f->trouble, REEL_ERR_MEMORY, "%.1024s: out of memory", path);
        return false;
    }
    f->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat s;
    if (f->fd < 0 || fstat(f->fd, &s) != 0) {
        return fail(f, "cannot open", strerror(errno));
    }
    if (S_ISDIR(s.st_mode)) {
        return fail(f, "cannot read", "it is a folder");
    }
    f->seekable = S_ISREG(s.st_mode);
    f->size = f->seekable ? (int64_t)s.st_size : 0;
    off_t place = f->seekable && standard ? lseek(f->fd, 0, SEEK_CUR) : 0;
    f->place = place > 0 ? (int64_t)place : 0;
    return true;
}

void reel__source_close(reel__source *f)
{
    if (f->fd >= 0 && f->fd != STDIN_FILENO) {
        close(f->fd);
    }
    f->fd = -1;
    reel__free(f->label);
    f->label = NULL;
}

static bool make_room(reel__source *f, reel__window *w)
{
    if (w->begin > 0) {
        memmove(w->buffer, w->buffer + w->begin, w->end - w->begin);
        w->end -= w->begin;
        w->begin = 0;
    }
    if (w->end + 1 < w->room) {
        return true;
    }
    char *more = NULL;
    size_t room = w->room ? 2 * w->room : FIRST_ROOM;
    if (room > w->room) {
        more = reel__realloc(w->buffer, room);
    }
    if (!more) {
        reel__trouble_set(&f->trouble, REEL_ERR_MEMORY, "%.1024s: byte %lld: out of memory",
                          f->label, (long long)reel__window_tell(w));
        return false;
    }
    w->buffer = more;
    w->room = room;
    return true;
}

reel__filled reel__window_fill(reel__source *f, reel__window *w)
{
    if (f->trouble.status || !make_room(f, w)) {
        return REEL__FAILED;
    }
    int64_t left = w->limit - w->place;
    size_t want = w->room - 1 - w->end;
    want = left < (int64_t)want ? (size_t)left : want;
    want = want < PIECE ? want : PIECE;
    if (want == 0) {
        return REEL__ENDED;
    }
    ssize_t n;
    do {
        n = f->seekable ? pread(f->fd, w->buffer + w->end, want, (off_t)w->place)
                        : read(f->fd, w->buffer + w->end, want);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        fail(f, "cannot read", strerror(errno));
        return REEL__FAILED;
    }
    if (n == 0 && w->limit != INT64_MAX) {
        fail(f, "cannot read", "it has become shorter since it was opened");
        return REEL__FAILED;
    }
    w->end += (size_t)n;
    w->place += n;
    return n ? REEL__MORE : REEL__ENDED;
}

int64_t reel__window_tell(const reel__window *w)
{
    return w->place - (int64_t)(w->end - w->begin);
}

void reel__window_seek(reel__window *w, int64_t place)
{
    w->begin = w->end = 0;
    w->place = place;
}

void reel__window_free(reel__window *w)
{
    reel__free(w->buffer);
    *w = (reel__window){0};
}
