/* Job: every allocation of the library, and the means to make one of them fail.
 * Invariant: a size that overflows is a failed allocation, never a short block.
 * Must not know: who allocates what. */
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fault injection for the tests: 0 in production, where it costs one predictable branch.
 * Process-wide, as only the counter that tells params sets apart and what is done once (BLIS's
 * start, the fork handler) are beside it. */
static uint64_t countdown;
static bool fail_after;
static bool failed;

void reel__memory_fail(uint64_t nth, bool all_after)
{
    countdown = nth;
    fail_after = all_after;
    failed = false;
}

bool reel__memory_failed(void)
{
    return failed;
}

static bool must_fail(void)
{
    if (countdown == 0) {
        return failed && fail_after;
    }
    countdown--;
    if (countdown == 0) {
        failed = true;
        return true;
    }
    return false;
}

void *reel__malloc(size_t bytes)
{
    if (must_fail()) {
        return NULL;
    }
    return malloc(bytes ? bytes : 1);
}

void *reel__calloc(size_t count, size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    return calloc(count ? count : 1, size ? size : 1);
}

void *reel__realloc(void *block, size_t bytes)
{
    if (must_fail()) {
        return NULL;
    }
    return realloc(block, bytes ? bytes : 1);
}

void *reel__reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return reel__realloc(block, bytes);
}

void *reel__malloc_aligned(size_t bytes)
{
    if (must_fail() || bytes > SIZE_MAX - 128) {
        return NULL;
    }
    return aligned_alloc(128, bytes ? (bytes + 127) / 128 * 128 : 128);
}

char *reel__strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = reel__malloc(bytes);
    if (copy) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

char *reel__format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        return NULL;
    }
    char *text = reel__malloc((size_t)length + 1);
    if (!text) {
        return NULL;
    }
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void reel__free(void *block)
{
    free(block);
}
