/* Files that are read piece by piece, and the tokens in them. */
#ifndef REEL_SRC_TEXT_SOURCE_H
#define REEL_SRC_TEXT_SOURCE_H

#include <reel/text.h>

enum { REEL__TEXT_MESSAGE = 1536 };

/* The status and message of an object: the first error stays. */
typedef struct reel__trouble {
    reel_status status;
    char message[REEL__TEXT_MESSAGE];
} reel__trouble;

/* Returns the status that the object has then. */
reel_status reel__trouble_set(reel__trouble *t, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);

/* An open file. */
typedef struct reel__source {
    int fd;        /* -1: closed */
    bool seekable; /* a file on a disk, not a pipe or a terminal */
    int64_t place; /* where reading begins */
    int64_t size;  /* bytes when it was opened, if seekable */
    char *label;   /* what messages call it */
    reel__trouble trouble;
} reel__source;

/* "-" is standard input. False on failure, told by the trouble; close it in any case. */
bool reel__source_open(reel__source *f, const char *path);
void reel__source_close(reel__source *f);

/* A part of a file that moves on. Several may move over one file that is seekable. All zero but for
 * place and limit is one that has read nothing. */
typedef struct reel__window {
    char *buffer; /* [begin, end) waits to be used; there is room for a byte behind it */
    size_t room, begin, end;
    int64_t place; /* in the file, of what is read next */
    int64_t limit; /* where the file ends for this window; INT64_MAX: where it ends */
} reel__window;

typedef enum reel__filled { REEL__MORE, REEL__ENDED, REEL__FAILED } reel__filled;

/* Reads on, with more room where all of it waits; what waited may be somewhere else then. */
reel__filled reel__window_fill(reel__source *f, reel__window *w);
/* Where in the file the next byte to be used stands. */
int64_t reel__window_tell(const reel__window *w);
void reel__window_seek(reel__window *w, int64_t place);
void reel__window_free(reel__window *w);

/* What a text consists of. */
typedef enum reel__piece {
    REEL__TOKEN,
    REEL__INVALID,   /* a byte that is no character */
    REEL__LINE_END,  /* of words alone: a line feed */
    REEL__NONE,      /* nothing more, or nothing that is whole */
    REEL__UNREADABLE /* of files: the trouble tells why */
} reel__piece;

/* The first piece of n bytes is s[*begin..*end). `last`: nothing comes behind them. Before *begin
 * is nothing of use. */
reel__piece reel__scan(reel_units units, bool last, const char *s, size_t n, size_t *begin,
                       size_t *end);
/* The next piece of a file, n bytes that live until the next call. */
reel__piece reel__window_next(reel__source *f, reel__window *w, reel_units units, const char **s,
                              size_t *n);
/* Spaces, tabs and carriage returns, which stand between words. */
bool reel__is_blank(char c);

#endif
