/* Job: copies of matrices as the inner kernels of products read them.
 * Invariant: every element of the copy is written, and no memory beyond it.
 * Must not know: what the products are for. */
#include "panels_inner.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* So many rows ahead are called into the second cache: they lie apart, and nothing else foresees
 * them. In the first one, rows that are multiples of 4 KiB apart would push each other out. */
enum { AHEAD = 32, LINE = 64, FEW = 4 };

/* Sizes and lengths are constants where these are inlined, which makes a copy one or two moves. */
INLINE void copy_apart(char *to, const char *from, int64_t count, int64_t step, int64_t size)
{
    for (int64_t i = 0; i < count; i++) {
        memcpy(to + i * size, from + i * step * size, (size_t)size);
    }
}

/* Dense columns of k rows, as `tiles` tiles of so many bytes: a few tiles at a time, as they may
 * lie so far apart that writing one pushes another out of the first cache. */
INLINE void gather_dense(const reel__lines *lines, int64_t left, int64_t tiles, int64_t bytes,
                         char *out)
{
    int64_t k = lines->k;
    for (int64_t first = 0; first < tiles; first += FEW) {
        int64_t few = tiles - first < FEW ? tiles - first : FEW;
        for (int64_t l = 0; l < k; l++) {
            const char *x = lines->start[l] + left + first * bytes;
            if (l + AHEAD < k) {
                const char *next = lines->start[l + AHEAD] + left + first * bytes;
                for (int64_t at = 0; at < few * bytes; at += LINE) {
                    __builtin_prefetch(next + at, 0, 2);
                }
            }
            char *to = out + (first * k + l) * bytes;
            for (int64_t b = 0; b < few; b++) {
                memcpy(to + b * k * bytes, x + b * bytes, (size_t)bytes);
            }
        }
    }
}

static void gather_apart(const reel__lines *lines, int64_t size, int64_t left, int64_t tiles,
                         int64_t rows, char *out)
{
    int64_t k = lines->k, step = lines->step;
    for (int64_t b = 0; b < tiles; b++) {
        for (int64_t l = 0; l < k; l++) {
            const char *x = lines->start[l] + (left + b * rows) * step * size;
            char *to = out + (b * k + l) * rows * size;
            if (size == sizeof(float)) {
                copy_apart(to, x, rows, step, sizeof(float));
            } else {
                copy_apart(to, x, rows, step, sizeof(double));
            }
        }
    }
}

/* Tiles of equal height. */
static void gather_tiles(const reel__lines *lines, int64_t size, int64_t left, int64_t tiles,
                         int64_t rows, char *out)
{
    int64_t bytes = rows * size, at = left * size;
    if (lines->step != 1) {
        gather_apart(lines, size, left, tiles, rows, out);
        return;
    }
    switch (bytes) {
    case 20:
        gather_dense(lines, at, tiles, 20, out);
        break;
    case 24:
        gather_dense(lines, at, tiles, 24, out);
        break;
    case 32:
        gather_dense(lines, at, tiles, 32, out);
        break;
    case 40:
        gather_dense(lines, at, tiles, 40, out);
        break;
    case 48:
        gather_dense(lines, at, tiles, 48, out);
        break;
    case 64:
        gather_dense(lines, at, tiles, 64, out);
        break;
    default:
        gather_dense(lines, at, tiles, bytes, out);
    }
}

void reel__lines_set(reel__lines *lines, const char *x, int64_t row, int64_t k, int64_t step)
{
    for (int64_t l = 0; l < k; l++) {
        lines->start[l] = x + l * row;
    }
    lines->k = k;
    lines->step = step;
}

void reel__tiles_gather(const reel__lines *lines, int64_t size, int64_t m, int64_t count,
                        int64_t from, int64_t to, char *out)
{
    int64_t rows = m / count, longer = m % count, left = reel__cut(m, count, from);
    int64_t high = longer < from ? 0 : longer < to ? longer - from : to - from;
    gather_tiles(lines, size, left, high, rows + 1, out);
    gather_tiles(lines, size, left + high * (rows + 1), to - from - high, rows,
                 out + high * (rows + 1) * lines->k * size);
}

/* Rows and columns change places, a few of each at a time: that many loads, shuffles and stores
 * instead of one for every element. */

typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef double pair __attribute__((vector_size(16), aligned(8), may_alias));
enum { QUAD = 4, PAIR = 2 };

static void turn_floats(const char *x, int64_t apart, char *to)
{
    for (int64_t j = 0; j < REEL__PANEL; j += (int64_t)sizeof(quad), x += QUAD * apart) {
        const quad a = *(const quad *)(const void *)x;
        const quad b = *(const quad *)(const void *)(x + apart);
        const quad c = *(const quad *)(const void *)(x + 2 * apart);
        const quad d = *(const quad *)(const void *)(x + 3 * apart);
        const quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        const quad cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        const quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        char *y = to + j;
        *(quad *)(void *)y = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
        *(quad *)(void *)(y + REEL__PANEL) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
        *(quad *)(void *)(y + 2 * REEL__PANEL) =
            __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
        *(quad *)(void *)(y + 3 * REEL__PANEL) =
            __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    }
}

static void turn_doubles(const char *x, int64_t apart, char *to)
{
    for (int64_t j = 0; j < REEL__PANEL; j += (int64_t)sizeof(pair), x += PAIR * apart) {
        const pair a = *(const pair *)(const void *)x;
        const pair b = *(const pair *)(const void *)(x + apart);
        char *y = to + j;
        *(pair *)(void *)y = __builtin_shufflevector(a, b, 0, 2);
        *(pair *)(void *)(y + REEL__PANEL) = __builtin_shufflevector(a, b, 1, 3);
    }
}

/* Whether the next few rows are one element apart from l on, as columns that lie dense make them.
 * They are numbers: rows may be of different matrices. */
static bool side_by_side(const reel__lines *lines, int64_t size, int64_t l, int64_t few)
{
    bool beside = l + few <= lines->k;
    for (int64_t i = 1; beside && i < few; i++) {
        beside =
            (uintptr_t)lines->start[l + i] - (uintptr_t)lines->start[l] == (uintptr_t)(i * size);
    }
    return beside;
}

/* Of a matrix that stands transposed, a panel is as many dense rows as it has columns; the rows of
 * the next one are called for line by line. Addresses are numbers, as the next may not be there. */
static void call_for_next(const reel__lines *lines, int64_t size, int64_t column, int64_t l)
{
    int64_t width = REEL__PANEL / size;
    uintptr_t next = (uintptr_t)lines->start[l / width * width];
    next += (uintptr_t)((column + width + l % width) * lines->step * size);
    __builtin_prefetch((const void *)next, 0, 2);
}

static void pack_apart(const reel__lines *lines, int64_t size, int64_t column, int64_t wide,
                       char *to)
{
    int64_t few = size == sizeof(float) ? QUAD : PAIR, apart = lines->step * size;
    bool transposed = side_by_side(lines, size, 0, 2), whole = wide * size == REEL__PANEL;
    for (int64_t l = 0, n; l < lines->k; l += n) {
        const char *x = lines->start[l] + column * apart;
        char *y = to + l * REEL__PANEL;
        n = transposed && whole && side_by_side(lines, size, l, few) ? few : 1;
        for (int64_t i = 0; transposed && i < n; i++) {
            call_for_next(lines, size, column, l + i);
        }
        if (n > 1 && size == sizeof(float)) {
            turn_floats(x, apart, y);
        } else if (n > 1) {
            turn_doubles(x, apart, y);
        } else if (size == sizeof(float)) {
            copy_apart(y, x, wide, lines->step, sizeof(float));
        } else {
            copy_apart(y, x, wide, lines->step, sizeof(double));
        }
        memset(y + wide * size, 0, (size_t)(REEL__PANEL - wide * size));
    }
}

void reel__lines_pack(const reel__lines *lines, int64_t size, int64_t left, int64_t right,
                      char *out)
{
    int64_t width = REEL__PANEL / size;
    int64_t whole = lines->step == 1 ? (right - left) / width : 0;
    gather_dense(lines, left * size, whole, REEL__PANEL, out);
    for (int64_t j = left + whole * width; j < right; j += width) {
        int64_t wide = right - j < width ? right - j : width;
        pack_apart(lines, size, j, wide, out + (j - left) * lines->k * size);
    }
}
