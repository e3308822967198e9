/** @file
 * Text as numbers: vocabularies, lines of files of any size, batches of sequences of like length.
 *
 *     reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
 *     if (reel_vocabulary_count_file(v, "train.en") != REEL_OK ||
 *         reel_vocabulary_cut(v, 2, 0) != REEL_OK) { ... reel_vocabulary_message(v) ... }
 *     int64_t n = reel_vocabulary_encode(v, line, strlen(line), word, room);
 *
 * Nothing here depends on the locale, and everything random on a seed alone.
 */
#ifndef REEL_TEXT_H
#define REEL_TEXT_H

#include <reel/base.h>
#include <stddef.h>

REEL_BEGIN

/** Decodes the character at the start of n > 0 bytes (RFC 3629) and returns its length in bytes; 0 when
 * it is not valid: cut off, overlong, a surrogate or beyond U+10FFFF. */
REEL_API size_t reel_utf8_decode(const char *s, size_t n, uint32_t *code);
/** Writes 1 to 4 bytes, and returns how many; 0 when there is no such character. */
REEL_API size_t reel_utf8_encode(uint32_t code, char out[4]);
/** The place of the first byte that is not valid UTF-8; n when all is. */
REEL_API size_t reel_utf8_invalid(const char *s, size_t n);

/* Vocabularies */

/** What a token is. */
typedef enum reel_units {
    REEL_WORDS,      /**< what stands between spaces, tabs, carriage returns and line ends */
    REEL_CHARACTERS, /**< a character of UTF-8; the line end is one */
    REEL_BYTES       /**< a byte */
} reel_units;

/** Tokens of vocabularies that have special ones, written <unk>, <s>, </s>. */
enum { REEL_UNKNOWN, REEL_BEGINNING, REEL_END_OF_TEXT, REEL_SPECIALS };

typedef struct reel_vocabulary reel_vocabulary;

/** An empty one. With `special`, numbers 0 to 2 are REEL_UNKNOWN, REEL_BEGINNING and
 * REEL_END_OF_TEXT, which no text contains: a word "<s>" of a text is unknown. NULL only when memory
 * is out. */
REEL_API reel_vocabulary *reel_vocabulary_new(reel_units units, bool special);
/** NULL is allowed. */
REEL_API void reel_vocabulary_free(reel_vocabulary *v);
/** REEL_OK, or the first error; and its message, "" when there is none. */
REEL_API reel_status reel_vocabulary_status(const reel_vocabulary *v);
REEL_API const char *reel_vocabulary_message(const reel_vocabulary *v);
/** Counts the tokens of n bytes of text. A character that is not valid UTF-8 (of bytes none is) is an
 * error that names the byte, from 1. */
REEL_API REEL_CHECKED reel_status reel_vocabulary_count(reel_vocabulary *v, const char *text,
                                                        size_t n);
/** The same for a file, of which no more than a word is held in memory; an error names file, line and
 * byte of the line. "-" is standard input. */
REEL_API REEL_CHECKED reel_status reel_vocabulary_count_file(reel_vocabulary *v, const char *path);
/** Gives numbers to the tokens counted at least `least` times (0: 1), the most frequent first, equal
 * ones in the order of their bytes, and to no more than `most` in all, special ones included (0: no
 * limit). The counts remain, so that it can be cut anew. */
REEL_API REEL_CHECKED reel_status reel_vocabulary_cut(reel_vocabulary *v, int64_t least,
                                                      int64_t most);
/** How many tokens have numbers. */
REEL_API int64_t reel_vocabulary_size(const reel_vocabulary *v);
REEL_API reel_units reel_vocabulary_units(const reel_vocabulary *v);
REEL_API bool reel_vocabulary_special(const reel_vocabulary *v);
/** How often a token was counted, by number; special ones: 0, but for REEL_UNKNOWN, which has what the
 * cut left out. */
REEL_API int64_t reel_vocabulary_counted(const reel_vocabulary *v, int32_t token);
/** The number of a token of n bytes; -1 when it has none. */
REEL_API int32_t reel_vocabulary_find(const reel_vocabulary *v, const char *token, size_t n);
/** A token's bytes, ended by a NUL which *n (NULL: not asked for) does not count; NULL when there is no
 * such number. They live as long as the vocabulary is not cut anew. */
REEL_API const char *reel_vocabulary_token(const reel_vocabulary *v, int32_t token, size_t *n);
/** The numbers of a text's tokens, of which the first `room` are written, and how many there are. A
 * token without a number is REEL_UNKNOWN, or -1 where there are no special ones. Of characters,
 * what is not UTF-8 is unknown byte by byte; a word with such bytes is one unknown word. */
REEL_API int64_t reel_vocabulary_encode(const reel_vocabulary *v, const char *text, size_t n,
                                        int32_t *token, int64_t room);
/** n tokens as text, ended by a NUL: words with a space between, the end and the beginning of text
 * left out, numbers that no token has as <unk>. Returns the length without the NUL, of which less than
 * `size` bytes are written. */
REEL_API size_t reel_vocabulary_decode(const reel_vocabulary *v, const int32_t *token, int64_t n,
                                       char *text, size_t size);
/** The vocabulary as text: a line "reel-vocabulary 1 words special", then by number a line with the
 * count, a tab and the token, in which backslash, line feed, carriage return, tab, NUL and bytes that
 * are not UTF-8 are written \\, \n, \r, \t, \0 and \xHH. Where there are no special tokens, the word
 * "special" is missing. Freed by the caller; NULL when memory is out, which is also the vocabulary's
 * error. */
REEL_API char *reel_vocabulary_text(reel_vocabulary *v);
/** Reads such a text in the place of what it held, units and special tokens included. An error names
 * the line; then nothing has changed but status and message. */
REEL_API REEL_CHECKED reel_status reel_vocabulary_read(reel_vocabulary *v, const char *text);
/** The same as a file, written atomically. */
REEL_API REEL_CHECKED reel_status reel_vocabulary_save(reel_vocabulary *v, const char *path);
REEL_API REEL_CHECKED reel_status reel_vocabulary_load(reel_vocabulary *v, const char *path);

/* Files of any size */

typedef struct reel_lines reel_lines;

/** Opens a file to be read line by line; "-": standard input. NULL only when memory is out; whether it
 * could be opened is told by reel_lines_status. */
REEL_API reel_lines *reel_lines_open(const char *path);
REEL_API void reel_lines_close(reel_lines *l);
REEL_API reel_status reel_lines_status(const reel_lines *l);
REEL_API const char *reel_lines_message(const reel_lines *l);
/** The next line without its end ("\n" or "\r\n"), with a NUL behind it, and its length; the last one
 * needs no end. NULL at the end of the file or on an error. It lives until the next call. */
REEL_API const char *reel_lines_next(reel_lines *l, size_t *n);
/** The number of the line that was read last, from 1. */
REEL_API int64_t reel_lines_number(const reel_lines *l);
/** Where the next line begins, in bytes; and going on from there, as the number-th line. An error for
 * what cannot be sought. */
REEL_API int64_t reel_lines_tell(const reel_lines *l);
REEL_API REEL_CHECKED reel_status reel_lines_seek(reel_lines *l, int64_t place, int64_t number);

/** A text read as `batch` streams side by side: the file is cut in so many parts of the same number of
 * bytes (each cut moved on to the next line's beginning, or, where none is near, to the next token's),
 * and each stream reads its part, over and over. Memory does not grow with the file. */
typedef struct reel_streams reel_streams;

/** The vocabulary must outlive it; what it holds when a token is read counts. An error where a part
 * has no token, and for what is no file on a disk. NULL only when memory is out. */
REEL_API reel_streams *reel_streams_open(const char *path, const reel_vocabulary *v, int64_t batch);
REEL_API void reel_streams_close(reel_streams *s);
REEL_API reel_status reel_streams_status(const reel_streams *s);
REEL_API const char *reel_streams_message(const reel_streams *s);
/** The next n tokens of each stream: token[n][batch], as reel_vocabulary_encode gives them. Words'
 * lines, empty ones too, end with REEL_END_OF_TEXT where there are special tokens. */
REEL_API REEL_CHECKED reel_status reel_streams_next(reel_streams *s, int64_t n, int32_t *token);
/** Tokens that the streams have given in all. */
REEL_API int64_t reel_streams_read(const reel_streams *s);
/** Where each stream stands: place[batch], the byte behind the last token, to go on from exactly there
 * later with the same file, vocabulary and batch. */
REEL_API void reel_streams_tell(const reel_streams *s, int64_t *place);
REEL_API REEL_CHECKED reel_status reel_streams_seek(reel_streams *s, const int64_t *place);

/* Batches */

/** How sequences become batches. */
typedef struct reel_bucketing {
    int64_t n;              /**< sequences */
    const int64_t *length;  /**< by sequence: what they are sorted by, at least 0 */
    const int64_t *second;  /**< a second length, for pairs: sorted by among equal ones, rising and falling in turns,
                                 so that neighbours are alike; NULL: none */
    int64_t batch;          /**< sequences in a batch; the last one may have fewer */
    /** Sequences that are sorted together: so many batches of them are drawn at random, sorted by
     * length and cut into batches. 0: all, which wastes least; 1: none are sorted. */
    int64_t pool;
    bool shuffled;          /**< false: in their own order, batch after batch, unsorted */
    uint64_t seed;
} reel_bucketing;

/** How many batches an epoch has. */
REEL_API int64_t reel_bucket_count(const reel_bucketing *b);
/** One epoch: order[n] is written, the sequences batch after batch; the batches come in random order,
 * of which the one with fewer sequences is the last. It depends on the seed and the epoch (from 0)
 * alone, so that a resumed run needs no more than the number of the update. REEL_ERR_ARGUMENT where b
 * makes no sense, REEL_ERR_MEMORY. */
REEL_API REEL_CHECKED reel_status reel_bucket_epoch(const reel_bucketing *b, int64_t epoch,
                                                    int64_t *order);

REEL_END

#endif
