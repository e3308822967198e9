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

/* Copies a tile between C, of which it has the first `there` columns, and a dense buffer of `wide`
 * ones. */
static void copy_tile(const reel__strips *p, bool out, char *c, int64_t rows, int64_t there,
                      int64_t wide, char *tile)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t s = 0; s < there; s++) {
            char *x = c + (r * p->c_row + s * p->c_column) * p->size;
            char *t = tile + (r * wide + s) * p->size;
            memcpy(out ? x : t, out ? t : x, (size_t)p->size);
        }
    }
}

/* Tiles that C has not whole, or not in dense rows, are made aside. `left`: how many columns C has
 * there and further right. */
static void run_aside(const reel__strips *p, reel__tile_kernel *kernel, reel__tile tile,
                      int64_t rows, char *c, int64_t left, int64_t wide)
{
    _Alignas(REEL__PANEL) char buffer[REEL__TILE_LINES * REEL__PANEL];
    int64_t there = left < wide ? left : wide;
    memset(buffer, 0, (size_t)(rows * wide * p->size));
    if (tile.load) {
        copy_tile(p, false, c, rows, there, wide, buffer);
    }
    tile.c = buffer;
    tile.next = buffer; /* with this stride */
    tile.c_row = wide;
    kernel(&tile);
    copy_tile(p, true, c, rows, there, wide, buffer);
}

/* Rows of A are columns of what is gathered. */
static void gather(const reel__strips *p, int64_t count, int64_t first, int64_t last)
{
    reel__lines lines;
    reel__lines_set(&lines, p->a, p->a_column * p->size, p->k, p->a_row);
    reel__tiles_gather(&lines, p->size, p->m, count, first, last, p->gathered);
}

/* What is the same of a tile for all columns of its strip: it is found out once, as finding it out
 * takes a part of a tile's own time. */
typedef struct stand {
    int64_t rows;
    const char *a; /* its rows of A */
    int64_t a_row, a_column;
    int64_t c;     /* bytes from the first row of C to its own */
    int64_t ahead; /* what it calls into the cache of the panels that come next: from where on */
} stand;

typedef struct strip {
    int64_t tiles;
    int64_t ahead_step; /* bytes of each line of a panel that a tile calls for */
    stand at[REEL__STRIP_ROWS];
} strip;

/* Tiles [first, last) of `count`. Of the panels that come next each calls for its share, byte by
 * byte rounded up; a single tile would push out what it reads itself. */
static void find_strip(const reel__strips *p, int64_t first, int64_t last, int64_t count, strip *s)
{
    int64_t begin = reel__cut(p->m, count, first), i = begin;
    int64_t bytes = p->k * REEL__PANEL;
    s->tiles = last - first;
    s->ahead_step = s->tiles > 1 ? reel__pieces(REEL__PANEL, s->tiles) : 0;
    for (int64_t b = 0; b < s->tiles; b++) {
        int64_t next = reel__cut(p->m, count, first + b + 1);
        int64_t ahead = reel__cut(bytes, s->tiles, b), most = bytes - p->k * s->ahead_step;
        stand *t = &s->at[b];
        t->rows = next - i;
        t->c = i * p->c_row * p->size;
        t->ahead = ahead < most ? ahead : most;
        if (p->gathered) { /* rows from `begin` on are in the copy */
            t->a = p->gathered + (i - begin) * p->k * p->size;
            t->a_row = 1;
            t->a_column = t->rows;
        } else {
            t->a = p->a + i * p->a_row * p->size;
            t->a_row = p->a_row;
            t->a_column = p->a_column;
        }
        i = next;
    }
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

/* The tiles of a strip, 1 << choice panels from column j on. Each is told where the next one stands
 * in C. */
static void multiply_tiles(const reel__strips *p, const strip *s, const char *panel, int64_t j,
                           int choice)
{
    int64_t wide = p->width << choice, group = p->k * REEL__PANEL << choice;
    bool whole = p->c_column == 1 && j + wide <= p->n;
    bool ahead = s->tiles > 1 && p->end - panel >= 2 * group;
    char *c = p->c + j * p->c_column * p->size;
    const char *after = p->c + (j + wide < p->n ? j + wide : 0) * p->c_column * p->size;
    reel__tile tile = {.k = p->k,
                       .panel = panel,
                       .panel_step = p->k * p->width,
                       .c_row = p->c_row,
                       .load = p->load,
                       .ahead_step = ahead ? s->ahead_step : REEL__PANEL};
    for (int64_t b = 0; b < s->tiles; b++) {
        const stand *t = &s->at[b];
        reel__tile_kernel *kernel = p->tiles->kernel[t->rows][choice];
        tile.a = t->a;
        tile.a_row = t->a_row;
        tile.a_column = t->a_column;
        tile.c = c + t->c;
        tile.next = b + 1 < s->tiles ? c + t[1].c : after + s->at[0].c;
        tile.ahead = ahead ? panel + group + t->ahead : panel;
        if (p->coming) {
            call_for_rows(p->coming);
        }
        if (whole) {
            kernel(&tile);
        } else {
            run_aside(p, kernel, tile, t->rows, c + t->c, p->n - j, wide);
        }
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
    strip s;
    find_strip(p, first, last, count, &s);
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
