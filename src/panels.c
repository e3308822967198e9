/* Job: products with a right matrix that was packed before.
 * Invariant: the order in which an element's terms are summed depends on k alone.
 * Must not know: instruction sets, tapes, ops, threads. */
#include "panels.h"

#include "cpu.h"
#include "panels_inner.h"

#include <pthread.h>
#include <string.h>

/* Chosen once; only tests change it later. */
static struct {
    pthread_once_t once;
    unsigned features;
    const reel__tiles *tiles[2];
} chosen = {.once = PTHREAD_ONCE_INIT};

static void choose(void)
{
    reel__cpu cpu;
    reel__cpu_query(&cpu);
    chosen.features = cpu.features;
    chosen.tiles[0] = reel__tiles_for(REEL_F32, cpu.features);
    chosen.tiles[1] = reel__tiles_for(REEL_F64, cpu.features);
}

void reel__panels_limit(unsigned features)
{
    pthread_once(&chosen.once, choose);
    chosen.tiles[0] = reel__tiles_for(REEL_F32, chosen.features & features);
    chosen.tiles[1] = reel__tiles_for(REEL_F64, chosen.features & features);
}

static int64_t element_size(reel_dtype dtype)
{
    return dtype == REEL_F32 ? (int64_t)sizeof(float) : (int64_t)sizeof(double);
}

const reel__tiles *reel__panel_tiles(reel_dtype dtype)
{
    pthread_once(&chosen.once, choose);
    return chosen.tiles[dtype == REEL_F32 ? 0 : 1];
}

int64_t reel__panels_step(reel_dtype dtype)
{
    return REEL__PANEL / element_size(dtype);
}

size_t reel__panels_bytes(reel_dtype dtype, int64_t k, int64_t n)
{
    return (size_t)k * (size_t)reel__pieces(n, reel__panels_step(dtype)) * REEL__PANEL;
}

/* Whether A's rows are copied first: columns that lie apart are slow to read, and each panel reads
 * them again. */
static bool gathers(const reel__tiles *tiles, int64_t m, int64_t a_column)
{
    return a_column != 1 && m > tiles->rows;
}

size_t reel__panels_scratch(reel_dtype dtype, int64_t m, int64_t k)
{
    int64_t deep = reel__panel_tiles(dtype)->deep;
    int64_t rows = m < REEL__STRIP_ROWS ? m : REEL__STRIP_ROWS;
    return (size_t)(rows * (k < deep ? k : deep) * element_size(dtype));
}

static const char *at(const void *base, int64_t element, int64_t size)
{
    return (const char *)base + element * size;
}

/* The packed matrix is a sequence of blocks of k, each a sequence of panels [deep][width]. */
void reel__panels_pack(reel_dtype dtype, int64_t k, int64_t n, const void *w, int64_t row,
                       int64_t column, void *panels)
{
    int64_t size = element_size(dtype), wide = reel__pieces(n, reel__panels_step(dtype));
    int64_t blocks = reel__pieces(k, reel__panel_tiles(dtype)->deep);
    char *to = panels;
    for (int64_t b = 0; b < blocks; b++) {
        int64_t begin = reel__cut(k, blocks, b);
        reel__lines lines;
        reel__lines_set(&lines, at(w, begin * row, size), row * size,
                        reel__cut(k, blocks, b + 1) - begin, column);
        reel__lines_pack(&lines, size, 0, n, to);
        to += lines.k * wide * REEL__PANEL;
    }
}

/* Copies a tile between C and a dense buffer of `wide` columns; columns from n on are not in C. */
static void copy_tile(const reel__strips *p, bool out, int64_t i, int64_t rows, int64_t j,
                      int64_t wide, char *tile)
{
    int64_t there = p->n - j < wide ? p->n - j : wide;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t s = 0; s < there; s++) {
            char *c = p->c + ((i + r) * p->c_row + (j + s) * p->c_column) * p->size;
            char *t = tile + (r * wide + s) * p->size;
            memcpy(out ? c : t, out ? t : c, (size_t)p->size);
        }
    }
}

/* Tiles that C has not whole, or not in dense rows, are made aside. */
static void run_aside(const reel__strips *p, reel__tile_kernel *kernel, reel__tile *tile, int64_t i,
                      int64_t rows, int64_t j, int64_t wide)
{
    _Alignas(REEL__PANEL) char buffer[REEL__TILE_LINES * REEL__PANEL];
    memset(buffer, 0, (size_t)(rows * wide * p->size));
    if (tile->load) {
        copy_tile(p, false, i, rows, j, wide, buffer);
    }
    tile->c = buffer;
    tile->next = buffer; /* with this stride */
    tile->c_row = wide;
    kernel(tile);
    copy_tile(p, true, i, rows, j, wide, buffer);
}

/* Where a tile finds its rows of A: [i, i + rows), with those from `begin` on in the copy. */
static void set_rows(const reel__strips *p, reel__tile *tile, int64_t begin, int64_t i,
                     int64_t rows)
{
    if (p->gathered != NULL) {
        tile->a = p->gathered + (i - begin) * p->k * p->size;
        tile->a_row = 1;
        tile->a_column = rows;
    } else {
        tile->a = p->a + i * p->a_row * p->size;
        tile->a_row = p->a_row;
        tile->a_column = p->a_column;
    }
}

/* Rows of A are columns of what is gathered. */
static void gather(const reel__strips *p, int64_t count, int64_t first, int64_t last)
{
    reel__lines lines;
    reel__lines_set(&lines, p->a, p->a_column * p->size, p->k, p->a_row);
    reel__tiles_gather(&lines, p->size, p->m, count, first, last, p->gathered);
}

/* How a strip is divided, found out once for all its tiles, since dividing takes as long as some of
 * their work. */
typedef struct strip {
    int64_t first, last; /* tiles */
    int64_t begin;       /* the row where the first begins */
    int64_t rows, more;  /* a tile's; those before `more` have one row more */
    int64_t step;        /* bytes of each line of a panel that a tile calls for */
    int64_t share, rest; /* likewise of a panel; those before `rest` one more */
} strip;

static strip strip_of(const reel__strips *p, int64_t first, int64_t last, int64_t count)
{
    int64_t tiles = last - first, bytes = p->k * REEL__PANEL;
    return (strip){.first = first,
                   .last = last,
                   .begin = reel__cut(p->m, count, first),
                   .rows = p->m / count,
                   .more = p->m % count,
                   .step = tiles ? reel__pieces(REEL__PANEL, tiles) : 0,
                   .share = tiles ? bytes / tiles : 0,
                   .rest = tiles ? bytes % tiles : 0};
}

/* What the b-th tile of the strip, one below the other, calls into the cache: its share of the
 * panels that come next, if so many do, byte by byte rounded up. A single tile would push out what
 * it reads itself. */
static void look_ahead(const reel__strips *p, const strip *s, reel__tile *tile, int64_t b,
                       int choice)
{
    int64_t bytes = p->k * REEL__PANEL, group = bytes << choice;
    const char *panel = tile->panel;
    tile->ahead = panel;
    tile->ahead_step = REEL__PANEL;
    if (s->last - s->first > 1 && p->end - panel >= 2 * group) {
        int64_t begin = s->share * b + (b < s->rest ? b : s->rest), last = bytes - p->k * s->step;
        tile->ahead = panel + group + (begin < last ? begin : last);
        tile->ahead_step = s->step;
    }
}

/* Where the tile at a row and a column stands in C, if it is there. */
static const char *next_tile(const reel__strips *p, int64_t i, int64_t j)
{
    return p->c + (i * p->c_row + (j < p->n ? j : 0) * p->c_column) * p->size;
}

static void call_for_rows(reel__coming *x)
{
    const reel__lines *lines = x->lines;
    for (int64_t i = 0; i < x->each && x->next < lines->k; i++, x->next++) {
        const char *row = lines->start[x->next] + x->left;
        for (int64_t at = 0; at < x->bytes; at += REEL__PANEL) {
            __builtin_prefetch(row + at, 0, 2);
        }
    }
}

/* The tiles of a strip, 1 << choice panels from column j on. */
static void multiply_tiles(const reel__strips *p, const strip *s, const char *panel, int64_t j,
                           int choice)
{
    int64_t wide = p->width << choice, i = s->begin;
    bool whole = p->c_column == 1 && j + wide <= p->n;
    reel__tile tile = {.k = p->k,
                       .panel = panel,
                       .panel_step = p->k * p->width,
                       .c_row = p->c_row,
                       .load = p->load};
    for (int64_t b = s->first; b < s->last; b++) {
        int64_t rows = s->rows + (b < s->more), next = i + rows;
        reel__tile_kernel *kernel = p->tiles->kernel[rows][choice];
        bool more = b + 1 < s->last;
        tile.c = p->c + (i * p->c_row + j * p->c_column) * p->size;
        tile.next = next_tile(p, more ? next : s->begin, more ? j : j + wide);
        set_rows(p, &tile, s->begin, i, rows);
        look_ahead(p, s, &tile, b - s->first, choice);
        if (p->coming) {
            call_for_rows(p->coming);
        }
        if (whole) {
            kernel(&tile);
        } else {
            reel__tile aside = tile;
            run_aside(p, kernel, &aside, i, rows, j, wide);
        }
        i = next;
    }
}

/* The most panels at a time, as a power of two, that kernels take for tiles of so many rows. */
static int widest(const reel__tiles *tiles, int64_t rows)
{
    int choice = 0;
    while (choice + 1 < REEL__TILE_CHOICES && tiles->kernel[rows][choice + 1] != NULL) {
        choice++;
    }
    return choice;
}

void reel__strip_multiply(const reel__strips *p, int64_t first, int64_t last, const char *panels,
                          int64_t from, int64_t to)
{
    int64_t count = reel__pieces(p->m, p->tiles->rows);
    int choice = widest(p->tiles, reel__pieces(p->m, count));
    strip s = strip_of(p, first, last, count);
    for (int64_t j = from; j < to; j += p->width << choice) {
        while (j + (p->width << choice) >= to + p->width) {
            choice--; /* panels from `to` on are not ours */
        }
        multiply_tiles(p, &s, panels + j / p->width * p->k * REEL__PANEL, j, choice);
    }
}

static void clear(const reel__strips *p, int64_t from, int64_t to)
{
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = from; j < to; j++) {
            memset(p->c + (i * p->c_row + j * p->c_column) * p->size, 0, (size_t)p->size);
        }
    }
}

void reel__panels_multiply(reel_dtype dtype, int64_t m, int64_t n, int64_t k, const void *a,
                           int64_t a_row, int64_t a_column, const void *panels, int64_t from,
                           int64_t to, bool accumulate, void *c, int64_t c_row, int64_t c_column,
                           void *scratch)
{
    if (m <= 0 || from >= to) {
        return;
    }
    reel__strips p = {
        .tiles = reel__panel_tiles(dtype),
        .size = element_size(dtype),
        .width = reel__panels_step(dtype),
        .m = m,
        .n = n,
        .a_row = a_row,
        .a_column = a_column,
        .c = c,
        .c_row = c_row,
        .c_column = c_column,
    };
    if (k <= 0) {
        if (!accumulate) {
            clear(&p, from, to);
        }
        return;
    }
    p.end = (const char *)panels + reel__panels_bytes(dtype, k, n);
    p.gathered = gathers(p.tiles, m, a_column) ? scratch : NULL;
    int64_t tiles = reel__pieces(m, p.tiles->rows), blocks = reel__pieces(k, p.tiles->deep);
    int64_t strips = reel__pieces(tiles, reel__strip_tiles(p.tiles));
    for (int64_t s = 0; s < strips; s++) {
        int64_t first = reel__cut(tiles, strips, s), last = reel__cut(tiles, strips, s + 1);
        const char *panel = panels;
        for (int64_t b = 0; b < blocks; b++) {
            int64_t begin = reel__cut(k, blocks, b);
            p.k = reel__cut(k, blocks, b + 1) - begin;
            p.a = at(a, begin * a_column, p.size);
            p.load = accumulate || b > 0;
            if (p.gathered) {
                gather(&p, tiles, first, last);
            }
            reel__strip_multiply(&p, first, last, panel, from, to);
            panel += p.k * reel__pieces(n, p.width) * REEL__PANEL;
        }
    }
}
