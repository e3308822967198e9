/* Job: the sum of many products A_iᵀ B_i, as the gradients of weights are, by packing a bounded
 * depth of both sides at a time.
 * Invariant: each element of C is one chain of multiply-adds in the order of the sum, however C is
 * shared out.
 * Must not know: instruction sets, tapes, ops, threads. */
#include "panels_inner.h"

#include <reel/op.h>

#include <string.h>

/* So many columns of all B are packed at a time, at most: whole panels. */
enum { WIDE = 1024 };

/* Columns of one B that are packed at a time. */
typedef struct chunk {
    const reel__side *side;
    int64_t left, n;
    char *packed;
} chunk;

typedef struct chunks {
    chunk v[REEL__MOST_SIDES];
    int n;
    int64_t panels;
} chunks;

/* What is still to do of the sides. */
typedef struct rest {
    int side;
    int64_t done; /* columns of it */
} rest;

static int64_t depth(const reel__tall *t)
{
    int64_t deep = reel__panel_tiles(t->dtype)->deep, k = t->k * t->count;
    return k < deep ? k : deep;
}

static int64_t packed_bytes(const reel__tall *t)
{
    int64_t width = reel__panels_step(t->dtype), panels = 0;
    for (int s = 0; s < t->sides; s++) {
        panels += reel__pieces(t->side[s].right - t->side[s].left, width);
    }
    panels = panels < WIDE / width ? panels : WIDE / width;
    return panels * depth(t) * REEL__PANEL;
}

size_t reel__tall_scratch(const reel__tall *t)
{
    int64_t size = (int64_t)reel_dtype_size(t->dtype);
    return (size_t)(packed_bytes(t) + REEL__STRIP_ROWS * depth(t) * size);
}

/* The columns that are packed next: as many as there is room for, of as many sides as that makes.
 */
static bool next_chunks(const reel__tall *t, rest *at, char *packed, chunks *all)
{
    int64_t width = reel__panels_step(t->dtype), room = WIDE;
    all->n = 0;
    all->panels = 0;
    while (at->side < t->sides && room > 0) {
        const reel__side *side = &t->side[at->side];
        int64_t left = side->left + at->done, there = side->right - left;
        int64_t n = there < room ? there : room, panels = reel__pieces(n, width);
        if (n > 0) {
            all->v[all->n++] =
                (chunk){side, left, n, packed + all->panels * depth(t) * REEL__PANEL};
        }
        all->panels += panels;
        room -= panels * width;
        at->done += n;
        if (n == there) {
            *at = (rest){.side = at->side + 1};
        }
    }
    return all->n > 0;
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

/* The rows of tiles [from, to) of `count`, to be called for by `calls` tiles of each column of
 * `panels`. */
static void rows_after(const reel__strips *p, const reel__lines *a, int64_t count, int64_t from,
                       int64_t to, int64_t calls, int64_t panels, reel__coming *coming)
{
    int64_t left = reel__cut(p->m, count, from), right = reel__cut(p->m, count, to);
    *coming = (reel__coming){.lines = a,
                             .left = left * p->size,
                             .bytes = (right - left) * p->size,
                             .each = reel__pieces(2 * a->k, calls * panels)};
}

/* Rows from `from` on of what the chunk is for. */
static void aim(reel__strips *p, const chunk *x, int64_t from, bool more)
{
    const reel__side *side = x->side;
    p->n = x->n;
    p->c = side->c + (from * side->c_row + x->left * side->c_column) * p->size;
    p->c_row = side->c_row;
    p->c_column = side->c_column;
    p->load = more || side->accumulate;
    p->end = x->packed + reel__pieces(x->n, p->width) * p->k * REEL__PANEL;
}

/* One block of k of C's rows from `from` on, to all chunks, whose panels are packed; `more`: to
 * what earlier blocks have made. */
static void multiply_block(reel__strips *p, const reel__lines *a, const chunks *all, int64_t from,
                           bool more)
{
    int64_t tiles = reel__pieces(p->m, p->tiles->rows);
    int64_t strips = reel__pieces(tiles, reel__strip_tiles(p->tiles));
    for (int64_t s = 0; s < strips; s++) {
        int64_t first = reel__cut(tiles, strips, s), last = reel__cut(tiles, strips, s + 1);
        reel__coming coming;
        reel__tiles_gather(a, p->size, p->m, tiles, first, last, p->gathered);
        p->coming = s + 1 < strips && a->step == 1 ? &coming : NULL;
        if (p->coming) {
            rows_after(p, a, tiles, last, reel__cut(tiles, strips, s + 2), last - first,
                       all->panels, &coming);
        }
        for (int i = 0; i < all->n; i++) {
            aim(p, &all->v[i], from, more);
            reel__strip_multiply(p, first, last, all->v[i].packed, 0, p->n);
        }
    }
}

void reel__tall_multiply(const reel__tall *t, int64_t from, int64_t to, void *scratch)
{
    int64_t k = t->k * t->count;
    reel__strips p = {.tiles = reel__panel_tiles(t->dtype),
                      .size = (int64_t)reel_dtype_size(t->dtype),
                      .width = reel__panels_step(t->dtype),
                      .m = to - from,
                      .gathered = (char *)scratch + packed_bytes(t)};
    if (p.m <= 0) {
        return;
    }
    int64_t blocks = reel__pieces(k, p.tiles->deep);
    chunks all;
    for (rest at = {0}; next_chunks(t, &at, scratch, &all);) {
        for (int64_t b = 0; b < blocks; b++) {
            int64_t begin = reel__cut(k, blocks, b);
            reel__lines lines;
            p.k = reel__cut(k, blocks, b + 1) - begin;
            for (int i = 0; i < all.n; i++) {
                const chunk *x = &all.v[i];
                stack(t, x->side->b, x->side->row, x->side->column, x->left, begin, p.k, &lines);
                reel__lines_pack(&lines, p.size, 0, x->n, x->packed);
            }
            stack(t, t->a, t->a_row, t->a_column, from, begin, p.k, &lines);
            multiply_block(&p, &lines, &all, from, b > 0);
        }
    }
}
