/* Allocation. The library allocates through these alone, so that tests can make the n-th one fail.
 */
#ifndef REEL_SRC_MEMORY_H
#define REEL_SRC_MEMORY_H

#include <reel/base.h>

/* Each returns NULL when memory is out or the size overflows. */
void *reel__malloc(size_t bytes);
void *reel__calloc(size_t count, size_t size);
/* Grows or shrinks; on failure the old block stays as it was. */
void *reel__realloc(void *block, size_t bytes);
void *reel__reallocarray(void *block, size_t count, size_t size);
/* 128-byte aligned; freed by reel__free. */
void *reel__malloc_aligned(size_t bytes);
char *reel__strdup(const char *text);
/* printf into a fresh string. */
char *reel__format(const char *format, ...) REEL_PRINTF(1, 2);
void reel__free(void *block);

/* Tests only: the `nth` allocation from now on (1: the next) fails, and, if `all_after`, every
 * later one. 0 switches it off. Process-wide: not for use while other threads allocate. */
void reel__memory_fail(uint64_t nth, bool all_after);
/* Whether an injected failure has happened since reel__memory_fail. */
bool reel__memory_failed(void);

#endif
