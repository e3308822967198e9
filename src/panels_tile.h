/* A template that panels_kernels.c includes once for each instruction set and type. It makes
 * NAME(tiles), the table of kernels, from
 *   REAL, VECTOR     element and vector types,
 *   NAME(x)          names of their own for this pass,
 *   TARGET           the function attribute that switches the instruction set on,
 *   LOAD, STORE      a vector at an address without alignment,
 *   SPREAD(x)        a vector of equal elements,
 *   MULTIPLY_ADD     a * b + c,
 *   KERNELS(K)       the kernels there shall be: K(rows, log2 of panels),
 *   NEEDS, ROWS, DEEP   of reel__tiles.
 * No include guard; what belongs to the type is undefined at the end, for the next pass. */

enum {
    NAME(LANES) = sizeof(VECTOR) / sizeof(REAL),
    NAME(WIDTH) = REEL__PANEL / sizeof(REAL),
    NAME(VECTORS) = REEL__PANEL / sizeof(VECTOR) /* in a panel's row */
};

/* Calls for the next tile's part of C. Addresses are numbers here: that tile may be smaller, and C
 * end before. */
TARGET INLINE void NAME(call_for)(const void *c, int64_t row, const int rows, const int panels)
{
    const uintptr_t begin = (uintptr_t)c, step = (uintptr_t)row * sizeof(REAL);
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int p = 0; p < panels; p++) {
            const uintptr_t line = begin + (uintptr_t)i * step + (uintptr_t)(p * REEL__PANEL);
            __builtin_prefetch((const void *)line, 0, 2);
        }
        /* a row that does not begin with a line goes on into one more */
        const uintptr_t last = begin + (uintptr_t)i * step + (uintptr_t)(panels * REEL__PANEL) - 1;
        __builtin_prefetch((const void *)last, 0, 2);
    }
}

/* Row i of A at the column that is next: the address of every third row, so that a row's is one of
 * few registers and at most twice another. They are numbers, as after the last column they may be
 * anywhere. */
TARGET INLINE REAL NAME(row)(const uintptr_t *a, uintptr_t stride, const int i)
{
    return *(const REAL *)(a[i / 3] + (uintptr_t)(i % 3) * stride);
}

/* Rows and panels are constants where this is inlined: all loops over them vanish and the sums stay
 * in registers. */
TARGET INLINE void NAME(tile)(const reel__tile *t, const int rows, const int panels)
{
    VECTOR sum[REEL__TILE_ROWS][REEL__TILE_PANELS * NAME(VECTORS)];
    const int columns = panels * NAME(VECTORS), thirds = (rows + 2) / 3;
    const uintptr_t stride = (uintptr_t)t->a_row * sizeof(REAL);
    const uintptr_t next_column = (uintptr_t)t->a_column * sizeof(REAL);
    uintptr_t a[(REEL__TILE_ROWS + 2) / 3];
    const char *ahead = t->ahead;
    const REAL *panel = t->panel;
    const int64_t panel_step = t->panel_step, panel_bytes = panel_step * (int64_t)sizeof(REAL);
    const int64_t ahead_step = t->ahead_step, c_row = t->c_row;
    REAL *const c = t->c;
    UNROLL
    for (int i = 0; i < thirds; i++) {
        a[i] = (uintptr_t)t->a + (uintptr_t)(3 * i) * stride;
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < columns; j++) {
            sum[i][j] = t->load ? LOAD(c + i * c_row + j * NAME(LANES)) : SPREAD(0);
        }
    }
    NAME(call_for)(t->next, c_row, rows, panels);
    for (int64_t l = t->k; l > 0; l--) {
        VECTOR b[REEL__TILE_PANELS * NAME(VECTORS)];
        UNROLL
        for (int j = 0; j < columns; j++) {
            b[j] = LOAD(panel + j / NAME(VECTORS) * panel_step + j % NAME(VECTORS) * NAME(LANES));
        }
        UNROLL
        for (int p = 0; p < panels && rows > REEL__TILE_STREAMED; p++) {
            __builtin_prefetch(ahead + p * panel_bytes, 0, 3);
        }
        UNROLL
        for (int i = 0; i < rows; i++) {
            VECTOR x = SPREAD(NAME(row)(a, stride, i));
            UNROLL
            for (int j = 0; j < columns; j++) {
                sum[i][j] = MULTIPLY_ADD(x, b[j], sum[i][j]);
            }
        }
        panel += NAME(WIDTH);
        ahead += ahead_step;
        UNROLL
        for (int i = 0; i < thirds; i++) {
            a[i] += next_column;
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < columns; j++) {
            STORE(c + i * c_row + j * NAME(LANES), sum[i][j]);
        }
    }
}

#define KERNEL(rows, choice)                                               \
    _Static_assert((rows) << (choice) <= REEL__TILE_LINES, "larger tile"); \
    TARGET static void NAME(tile_##rows##_##choice)(const reel__tile *t)   \
    {                                                                      \
        NAME(tile)(t, rows, 1 << choice);                                  \
    }
KERNELS(KERNEL)
#undef KERNEL

#define KERNEL(rows, choice) .kernel[rows][choice] = NAME(tile_##rows##_##choice),
static const reel__tiles NAME(tiles) = {
    .needs = NEEDS, .rows = ROWS, .deep = DEEP, KERNELS(KERNEL)};
#undef KERNEL

#undef REAL
#undef VECTOR
#undef NAME
#undef LOAD
#undef STORE
#undef SPREAD
#undef MULTIPLY_ADD
