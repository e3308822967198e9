/* Job: replace a file's content as a whole or not at all.
 * Invariant: the name of the file always leads to the old or to the new content, complete and on
 * disk; a failure leaves no temporary behind. (A kill may leave one; it is never read and harms
 * nothing.) Must not know: what is written. */
#include "write.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <reel/file.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

enum { LINKS = 40, LINK_ROOM = 4096, ATTEMPTS = 100, PIECE = 1 << 30 };

static bool fail(reel__writer *w, reel_status status, const char *what, const char *why)
{
    if (w->status == REEL_OK) {
        w->status = status;
        snprintf(w->message, sizeof w->message, "%.1024s: %s%s%s", w->path ? w->path : "(no path)",
                 what, *why ? ": " : "", why);
    }
    return false;
}

static bool fail_errno(reel__writer *w, const char *what)
{
    return fail(w, REEL_ERR_FILE, what, strerror(errno));
}

static bool no_memory(reel__writer *w)
{
    return fail(w, REEL_ERR_MEMORY, "out of memory while writing", "");
}

/* The length of the path's folder, its last slash included; 0 for the working folder. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Follows symbolic links, also to a file that does not exist yet: it is the file they lead to that
 * is replaced, not the link. */
static bool follow_links(reel__writer *w)
{
    char *link = reel__malloc(LINK_ROOM);
    if (!link) {
        return no_memory(w);
    }
    for (int i = 0; i < LINKS; i++) {
        ssize_t n = readlink(w->target, link, LINK_ROOM - 1);
        if (n < 0) { /* no link: a file, or nothing yet, or an error that opening will meet again */
            reel__free(link);
            return true;
        }
        link[n] = 0;
        size_t folder = *link == '/' ? 0 : folder_length(w->target);
        char *next = reel__malloc(folder + (size_t)n + 1);
        if (!next) {
            reel__free(link);
            return no_memory(w);
        }
        memcpy(next, w->target, folder);
        memcpy(next + folder, link, (size_t)n + 1);
        reel__free(w->target);
        w->target = next;
    }
    reel__free(link);
    return fail(w, REEL_ERR_FILE, "cannot write", strerror(ELOOP));
}

/* A name that nobody else is likely to choose; O_EXCL catches the rest. Names that are short enough
 * keep the target's in them, so that a leftover tells where it came from. */
static char *temporary_name(const char *target, int attempt)
{
    enum { LONGEST = 200 };
    struct timespec now = {.tv_sec = 0};
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t mark =
        ((uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 44) +
        (uint64_t)attempt;
    mark *= UINT64_C(0x9e3779b97f4a7c15);
    size_t folder = folder_length(target);
    const char *base = target + folder;
    return reel__format("%.*s.%s.%016" PRIx64 ".tmp", (int)folder, target,
                        strlen(base) <= LONGEST ? base : "reel", mark);
}

static bool open_temporary(reel__writer *w, mode_t mode)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        w->temp = temporary_name(w->target, i);
        if (!w->temp) {
            return no_memory(w);
        }
        w->fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (w->fd >= 0) {
            return true;
        }
        reel__free(w->temp);
        w->temp = NULL;
        if (errno != EEXIST && errno != EINTR) {
            break;
        }
    }
    return fail_errno(w, "cannot create a temporary file beside it");
}

/* The new file gets the old one's owner, where that is allowed, and its mode. */
static bool inherit(reel__writer *w, const struct stat *old)
{
    struct stat new;
    if (fstat(w->fd, &new) != 0) {
        return fail_errno(w, "cannot write");
    }
    if (new.st_uid != old->st_uid || new.st_gid != old->st_gid) {
        /* Only the superuser may give files away: failing here is the ordinary case. */
        if (fchown(w->fd, old->st_uid, old->st_gid) != 0) {
            errno = 0;
        }
    }
    return fchmod(w->fd, old->st_mode & 07777) == 0 || fail_errno(w, "cannot set its mode");
}

/* A device, pipe or socket has no content to keep whole, and must not be replaced by a file. */
static bool open_in_place(reel__writer *w)
{
    reel__free(w->target);
    w->target = NULL;
    w->fd = open(w->path, O_WRONLY | O_CLOEXEC);
    return w->fd >= 0 || fail_errno(w, "cannot open for writing");
}

static bool open_beside(reel__writer *w)
{
    struct stat old;
    if (stat(w->target, &old) != 0) {
        if (errno != ENOENT) {
            return fail_errno(w, "cannot write");
        }
        return open_temporary(w, 0666);
    }
    if (S_ISDIR(old.st_mode)) {
        return fail(w, REEL_ERR_FILE, "cannot write", "it is a folder");
    }
    if (!S_ISREG(old.st_mode)) {
        return open_in_place(w);
    }
    /* A rename would happily replace a write-protected file; its owner meant otherwise. */
    if (faccessat(AT_FDCWD, w->target, W_OK, AT_EACCESS) != 0) {
        return fail_errno(w, "cannot write");
    }
    return open_temporary(w, old.st_mode & 0777) && inherit(w, &old);
}

bool reel__writer_open(reel__writer *w, const char *path)
{
    *w = (reel__writer){.fd = -1, .path = path};
    if (!path || !*path) {
        return fail(w, REEL_ERR_ARGUMENT, "cannot write", "the path is empty");
    }
    w->target = reel__strdup(path);
    if (!w->target) {
        return no_memory(w);
    }
    return follow_links(w) && open_beside(w);
}

bool reel__writer_put(reel__writer *w, const void *bytes, size_t size)
{
    const char *next = bytes;
    if (w->status != REEL_OK) {
        return false;
    }
    while (size > 0) {
        ssize_t n = write(w->fd, next, size < PIECE ? size : PIECE);
        if (n < 0 && errno != EINTR) {
            return fail_errno(w, "cannot write");
        }
        if (n > 0) {
            next += n;
            size -= (size_t)n;
        }
    }
    return true;
}

/* What cannot be synced (a pipe, some file systems) says EINVAL and has nothing to sync. */
static bool sync_fd(int fd)
{
    int status;
    do {
        status = fsync(fd);
    } while (status != 0 && errno == EINTR);
    return status == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP;
}

/* Opens the target's folder, which must be synced to make a rename last. A folder that may be
 * written but not read cannot be opened (*fd = -1): then the file system's own order must do. */
static bool open_folder(reel__writer *w, int *fd)
{
    size_t length = folder_length(w->target);
    char *folder = length ? reel__format("%.*s", (int)length, w->target) : reel__strdup(".");
    if (!folder) {
        return no_memory(w);
    }
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    reel__free(folder);
    return true;
}

static bool replace_target(reel__writer *w, int folder)
{
    if (rename(w->temp, w->target) != 0) {
        return fail_errno(w, "cannot replace it");
    }
    reel__free(w->temp);
    w->temp = NULL;
    return folder < 0 || sync_fd(folder) ||
           fail_errno(w, "written, but its folder cannot be synced");
}

static bool finish_data(reel__writer *w)
{
    if (!sync_fd(w->fd)) {
        return fail_errno(w, "cannot write");
    }
    int fd = w->fd;
    w->fd = -1;
    return close(fd) == 0 || errno == EINTR || fail_errno(w, "cannot write");
}

bool reel__writer_commit(reel__writer *w)
{
    int folder = -1;
    if (w->status != REEL_OK || !finish_data(w) || (w->target && !open_folder(w, &folder))) {
        return false;
    }
    bool good = !w->target || replace_target(w, folder);
    if (folder >= 0) {
        close(folder);
    }
    if (good) {
        reel__writer_drop(w);
    }
    return good;
}

void reel__writer_drop(reel__writer *w)
{
    if (w->fd >= 0) {
        close(w->fd);
        w->fd = -1;
    }
    if (w->temp) {
        unlink(w->temp);
    }
    reel__free(w->temp);
    reel__free(w->target);
    w->temp = w->target = NULL;
}

reel_status reel_write_file(const char *path, const void *data, size_t size, char *message,
                            size_t n)
{
    reel__writer w;
    bool good =
        reel__writer_open(&w, path) && reel__writer_put(&w, data, size) && reel__writer_commit(&w);
    if (!good) {
        reel__writer_drop(&w);
    }
    if (message && n) {
        snprintf(message, n, "%s", w.message);
    }
    return w.status;
}
