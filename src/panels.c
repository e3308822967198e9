/* Job: products with a right matrix that was packed before.
 * Invariant: the order in which an element's terms are summed depends on k alone.
 * Must not know: instruction sets, tapes, ops, threads. */
#include "panels.h"

#include "cpu.h"
#include "panels_kernels.h"

#include <pthread.h>
#include <string.h>

/* m is cut into blocks of at most so many rows: what these have of A and of C then stays in the
 * second cache while the panels go through it. */
enum { TALL = 80 };

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

static const reel__tiles *tiles_of(reel_dtype dtype)
{
    pthread_once(&chosen.once, choose);
    return chosen.tiles[dtype == REEL_F32 ? 0 : 1];
}

int64_t reel__panels_step(reel_dtype dtype)
{
    return REEL__PANEL / element_size(dtype);
}

static int64_t pieces(int64_t size, int64_t most)
{
    return (size + most - 1) / most;
}

/* Where the i-th of `count` pieces of nearly equal length begins. */
static int64_t cut(int64_t size, int64_t count, int64_t i)
{
    int64_t longer = size % count;
    return size / count * i + (i < longer ? i : longer);
}

size_t reel__panels_bytes(reel_dtype dtype, int64_t k, int64_t n)
{
    return (size_t)k * (size_t)pieces(n, reel__panels_step(dtype)) * REEL__PANEL;
}

/* Whether A's rows are copied first: columns that lie apart are slow to read, and each panel reads
 * them again. */
static bool gathers(const reel__tiles *tiles, int64_t m, int64_t a_column)
{
    return a_column != 1 && m > tiles->rows;
}

size_t reel__panels_scratch(reel_dtype dtype, int64_t m, int64_t k)
{
    int64_t deep = tiles_of(dtype)->deep;
    return (size_t)((m < TALL ? m : TALL) * (k < deep ? k : deep) * element_size(dtype));
}

static const char *at(const void *base, int64_t element, int64_t size)
{
    return (const char *)base + element * size;
}

/* One panel's part of `deep` rows and `wide` columns; what is missing to its full width is 0. */
static void pack_f32(int64_t deep, int64_t wide, const float *w, int64_t row, int64_t column,
                     float *to)
{
    enum { WIDTH = REEL__PANEL / sizeof(float) };
    for (int64_t l = 0; l < deep; l++) {
        for (int64_t j = 0; j < wide; j++) {
            to[l * WIDTH + j] = w[l * row + j * column];
        }
        for (int64_t j = wide; j < WIDTH; j++) {
            to[l * WIDTH + j] = 0;
        }
    }
}

static void pack_f64(int64_t deep, int64_t wide, const double *w, int64_t row, int64_t column,
                     double *to)
{
    enum { WIDTH = REEL__PANEL / sizeof(double) };
    for (int64_t l = 0; l < deep; l++) {
        for (int64_t j = 0; j < wide; j++) {
            to[l * WIDTH + j] = w[l * row + j * column];
        }
        for (int64_t j = wide; j < WIDTH; j++) {
            to[l * WIDTH + j] = 0;
        }
    }
}

/* The packed matrix is a sequence of blocks of k, each a sequence of panels [deep][width]. */
void reel__panels_pack(reel_dtype dtype, int64_t k, int64_t n, const void *w, int64_t row,
                       int64_t column, void *panels)
{
    int64_t size = element_size(dtype), width = reel__panels_step(dtype);
    int64_t blocks = pieces(k, tiles_of(dtype)->deep);
    char *to = panels;
    for (int64_t b = 0; b < blocks; b++) {
        int64_t begin = cut(k, blocks, b), deep = cut(k, blocks, b + 1) - begin;
        for (int64_t j = 0; j < n; j += width) {
            const void *from = at(w, begin * row + j * column, size);
            int64_t wide = n - j < width ? n - j : width;
            if (dtype == REEL_F32) {
                pack_f32(deep, wide, from, row, column, (float *)(void *)to);
            } else {
                pack_f64(deep, wide, from, row, column, (double *)(void *)to);
            }
            to += deep * REEL__PANEL;
        }
    }
}

typedef struct product {
    const reel__tiles *tiles;
    int64_t size, width; /* bytes of an element, columns of a panel */
    int64_t m, n, k;
    const char *a;
    int64_t a_row, a_column;
    const char *end; /* of the packed matrix */
    char *gathered;  /* the rows that are at work, tile by tile; NULL: where they stand in A */
    char *c;
    int64_t c_row, c_column;
    bool load;
} product;

/* Copies a tile between C and a dense buffer of `wide` columns; columns from n on are not in C. */
static void copy_tile(const product *p, bool out, int64_t i, int64_t rows, int64_t j, int64_t wide,
                      char *tile)
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
static void run_aside(const product *p, reel__tile_kernel *kernel, reel__tile *tile, int64_t i,
                      int64_t rows, int64_t j, int64_t wide)
{
    _Alignas(REEL__PANEL) char buffer[REEL__TILE_PANELS * REEL__PANEL];
    memset(buffer, 0, sizeof buffer);
    if (tile->load) {
        copy_tile(p, false, i, rows, j, wide, buffer);
    }
    tile->c = buffer;
    tile->c_row = wide;
    kernel(tile);
    copy_tile(p, true, i, rows, j, wide, buffer);
}

/* Where a tile finds its rows of A: [i, i + rows), with those from `begin` on in the copy. */
static void set_rows(const product *p, reel__tile *tile, int64_t begin, int64_t i, int64_t rows)
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

static void gather_f32(int64_t k, int64_t rows, const float *a, int64_t row, int64_t column,
                       float *to)
{
    for (int64_t l = 0; l < k; l++) {
        for (int64_t r = 0; r < rows; r++) {
            to[l * rows + r] = a[l * column + r * row];
        }
    }
}

static void gather_f64(int64_t k, int64_t rows, const double *a, int64_t row, int64_t column,
                       double *to)
{
    for (int64_t l = 0; l < k; l++) {
        for (int64_t r = 0; r < rows; r++) {
            to[l * rows + r] = a[l * column + r * row];
        }
    }
}

static void gather(const product *p, int64_t begin, int64_t end)
{
    int64_t count = pieces(end - begin, p->tiles->rows);
    for (int64_t b = 0; b < count; b++) {
        int64_t from = cut(end - begin, count, b), rows = cut(end - begin, count, b + 1) - from;
        const char *a = p->a + (begin + from) * p->a_row * p->size;
        char *to = p->gathered + from * p->k * p->size;
        if (p->size == sizeof(float)) {
            gather_f32(p->k, rows, (const float *)(const void *)a, p->a_row, p->a_column,
                       (float *)(void *)to);
        } else {
            gather_f64(p->k, rows, (const double *)(const void *)a, p->a_row, p->a_column,
                       (double *)(void *)to);
        }
    }
}

/* What tile b of `count`, one below the other, calls into the cache: its share of the panels that
 * come next, if so many do. A single tile would push out what it reads itself. */
static void look_ahead(const product *p, reel__tile *tile, int64_t b, int64_t count, int choice)
{
    int64_t group = (p->k << choice) * REEL__PANEL;
    const char *panel = tile->panel;
    if (count > 1 && p->end - panel >= 2 * group) {
        tile->ahead = panel + group + cut(p->k, count, b) * REEL__PANEL;
        tile->ahead_step = p->width / count;
    } else {
        tile->ahead = panel;
        tile->ahead_step = p->width;
    }
}

/* Rows [begin, end), a block of k, 1 << choice panels from column j on. */
static void multiply_strip(const product *p, int64_t begin, int64_t end, const char *panel,
                           int64_t j, int choice)
{
    int64_t count = pieces(end - begin, p->tiles->rows), wide = p->width << choice;
    bool whole = p->c_column == 1 && j + wide <= p->n;
    for (int64_t b = 0; b < count; b++) {
        int64_t i = begin + cut(end - begin, count, b);
        int64_t rows = begin + cut(end - begin, count, b + 1) - i;
        reel__tile_kernel *kernel = p->tiles->kernel[rows][choice];
        reel__tile tile = {
            .k = p->k,
            .panel = panel,
            .panel_step = p->k * p->width,
            .c = p->c + (i * p->c_row + j * p->c_column) * p->size,
            .c_row = p->c_row,
            .load = p->load,
        };
        set_rows(p, &tile, begin, i, rows);
        look_ahead(p, &tile, b, count, choice);
        if (whole) {
            kernel(&tile);
        } else {
            run_aside(p, kernel, &tile, i, rows, j, wide);
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

/* A block of rows and of k, whose panels begin at `panels`; columns [from, to). */
static void multiply_block(const product *p, int64_t begin, int64_t end, const char *panels,
                           int64_t from, int64_t to)
{
    int64_t rows = pieces(end - begin, pieces(end - begin, p->tiles->rows));
    int choice = widest(p->tiles, rows);
    if (p->gathered != NULL) {
        gather(p, begin, end);
    }
    for (int64_t j = from; j < to; j += p->width << choice) {
        while (j + (p->width << choice) >= to + p->width) {
            choice--; /* panels from `to` on are not ours */
        }
        multiply_strip(p, begin, end, panels + j / p->width * p->k * REEL__PANEL, j, choice);
    }
}

static void clear(const product *p, int64_t from, int64_t to)
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
    product p = {
        .tiles = tiles_of(dtype),
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
    int64_t strips = pieces(m, TALL), blocks = pieces(k, p.tiles->deep);
    for (int64_t s = 0; s < strips; s++) {
        const char *panel = panels;
        for (int64_t b = 0; b < blocks; b++) {
            int64_t begin = cut(k, blocks, b);
            p.k = cut(k, blocks, b + 1) - begin;
            p.a = at(a, begin * a_column, p.size);
            p.load = accumulate || b > 0;
            multiply_block(&p, cut(m, strips, s), cut(m, strips, s + 1), panel, from, to);
            panel += p.k * pieces(n, p.width) * REEL__PANEL;
        }
    }
}
