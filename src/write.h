/* Atomic writing of files, piece by piece. */
#ifndef REEL_SRC_WRITE_H
#define REEL_SRC_WRITE_H

#include <reel/base.h>

enum { REEL__WRITER_MESSAGE = 1536 };

typedef struct reel__writer {
    int fd;       /* -1 when closed */
    char *target; /* the file to be replaced, symbolic links followed; NULL: written in place */
    char *temp;   /* the temporary beside it; NULL when there is none */
    reel_status status;
    char message[REEL__WRITER_MESSAGE];
    const char *path; /* as the caller named it; must outlive the writer */
} reel__writer;

/* Each returns false on failure, with status and message set; later calls then do nothing but fail.
 * Whatever happened, end with one reel__writer_drop or a reel__writer_commit that succeeded. */
bool reel__writer_open(reel__writer *w, const char *path);
bool reel__writer_put(reel__writer *w, const void *bytes, size_t size);
/* Makes the new content the file's, for good: fsync, rename, fsync of the folder. */
bool reel__writer_commit(reel__writer *w);
/* Removes the temporary; the old file stays as it was. */
void reel__writer_drop(reel__writer *w);

#endif
