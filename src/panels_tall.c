/* Job: the sum of many products A_iᵀ B_i, as the gradients of weights are, by packing a bounded
 * depth of both sides at a time.
 * Invariant: each element of C is one chain of multiply-adds in the order of the sum, however C is
 * shared out.
 * Must not know: instruction sets, tapes, ops, threads. */
#include "panels_inner.h"

#include <reel/op.h>

#include <string.h>

/* So many columns of B are packed at a time, at most. */
enum { WIDE = 1024 };

static int64_t depth(const reel__tall *t)
{
    int64_t deep = reel__panel_tiles(t->dtype)->deep, k = t->k * t->count;
    return k < deep ? k : deep;
}

static int64_t packed_bytes(const reel__tall *t)
{
    int64_t width = reel__panels_step(t->dtype), n = t->n < WIDE ? t->n : WIDE;
    return reel__pieces(n, width) * depth(t) * REEL__PANEL;
}

size_t reel__tall_scratch(const reel__tall *t)
{
    int64_t size = (int64_t)reel_dtype_size(t->dtype);
    return (size_t)(packed_bytes(t) + REEL__STRIP_ROWS * depth(t) * size);
}

/* Rows [begin, begin + k) of the stack of all matrices, from a column on. */
static void stack(const reel__tall *t, const char *const *x, int64_t row, int64_t column,
                  int64_t from, int64_t begin, int64_t k, reel__lines *lines)
{
    int64_t size = (int64_t)reel_dtype_size(t->dtype), i = begin / t->k, l = begin % t->k;
    for (int64_t at = 0; at < k; at++) {
        lines->start[at] = x[i] + (l * row + from * column) * size;
        l = l + 1 == t->k ? 0 : l + 1;
        i += l == 0;
    }
    lines->k = k;
    lines->step = column;
}

/* The rows of tiles [from, to) of `count`, to be called for by `calls` tiles of each column of C's
 * panels. */
static void rows_after(const reel__strips *p, const reel__lines *a, int64_t count, int64_t from,
                       int64_t to, int64_t calls, reel__coming *coming)
{
    int64_t left = reel__cut(p->m, count, from), right = reel__cut(p->m, count, to);
    int64_t panels = reel__pieces(p->n, p->width);
    *coming = (reel__coming){.lines = a,
                             .left = left * p->size,
                             .bytes = (right - left) * p->size,
                             .each = reel__pieces(2 * a->k, calls * panels)};
}

/* One block of k; C's part and the columns of B begin at 0. */
static void multiply_block(reel__strips *p, const reel__lines *a, const reel__lines *b,
                           char *packed)
{
    int64_t tiles = reel__pieces(p->m, p->tiles->rows);
    int64_t strips = reel__pieces(tiles, reel__strip_tiles(p->tiles));
    reel__lines_pack(b, p->size, 0, p->n, packed);
    p->k = b->k;
    p->end = packed + reel__pieces(p->n, p->width) * p->k * REEL__PANEL;
    for (int64_t s = 0; s < strips; s++) {
        int64_t first = reel__cut(tiles, strips, s), last = reel__cut(tiles, strips, s + 1);
        reel__coming coming;
        reel__tiles_gather(a, p->size, p->m, tiles, first, last, p->gathered);
        p->coming = s + 1 < strips && a->step == 1 ? &coming : NULL;
        if (p->coming) {
            rows_after(p, a, tiles, last, reel__cut(tiles, strips, s + 2), last - first, &coming);
        }
        reel__strip_multiply(p, first, last, packed, 0, p->n);
    }
}

void reel__tall_multiply(const reel__tall *t, int64_t from, int64_t to, int64_t left, int64_t right,
                         bool accumulate, void *c, int64_t c_row, int64_t c_column, void *scratch)
{
    int64_t k = t->k * t->count;
    reel__strips p = {.tiles = reel__panel_tiles(t->dtype),
                      .size = (int64_t)reel_dtype_size(t->dtype),
                      .width = reel__panels_step(t->dtype),
                      .m = to - from,
                      .gathered = (char *)scratch + packed_bytes(t),
                      .c_row = c_row,
                      .c_column = c_column};
    if (p.m <= 0) {
        return;
    }
    int64_t blocks = reel__pieces(k, p.tiles->deep);
    for (int64_t j = left; j < right; j += WIDE) {
        p.n = right - j < WIDE ? right - j : WIDE;
        p.c = (char *)c + (from * c_row + j * c_column) * p.size;
        for (int64_t b = 0; b < blocks; b++) {
            int64_t begin = reel__cut(k, blocks, b), deep = reel__cut(k, blocks, b + 1) - begin;
            reel__lines rows_of_a, rows_of_b;
            stack(t, t->a, t->a_row, t->a_column, from, begin, deep, &rows_of_a);
            stack(t, t->b, t->b_row, t->b_column, j, begin, deep, &rows_of_b);
            p.load = accumulate || b > 0;
            multiply_block(&p, &rows_of_a, &rows_of_b, scratch);
        }
    }
}
