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

/* Calls for C, which is written at the end only. */
TARGET INLINE void NAME(call_for)(const REAL *c, int64_t row, const int rows, const int panels)
{
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int p = 0; p < panels; p++) {
            __builtin_prefetch(c + i * row + p * NAME(WIDTH), 1, 3);
        }
    }
}

/* Rows and panels are constants where this is inlined: all loops over them vanish and the sums stay
 * in registers. */
TARGET INLINE void NAME(tile)(const reel__tile *t, const int rows, const int panels)
{
    VECTOR sum[REEL__TILE_ROWS][REEL__TILE_PANELS * NAME(VECTORS)];
    const int columns = panels * NAME(VECTORS);
    const REAL *a = t->a, *panel = t->panel;
    const char *ahead = t->ahead;
    const int64_t a_row = t->a_row, a_column = t->a_column;
    const int64_t panel_step = t->panel_step, ahead_step = t->ahead_step;
    const int64_t panel_bytes = panel_step * (int64_t)sizeof(REAL);
    const int64_t c_row = t->c_row, k = t->k;
    REAL *const c = t->c;
    NAME(call_for)(c, c_row, rows, panels);
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < columns; j++) {
            sum[i][j] = t->load ? LOAD(c + i * c_row + j * NAME(LANES)) : SPREAD(0);
        }
    }
    for (int64_t l = 0; l < k; l++) {
        VECTOR b[REEL__TILE_PANELS * NAME(VECTORS)];
        UNROLL
        for (int j = 0; j < columns; j++) {
            b[j] = LOAD(panel + l * NAME(WIDTH) + j / NAME(VECTORS) * panel_step +
                        j % NAME(VECTORS) * NAME(LANES));
        }
        UNROLL
        for (int p = 0; p < panels && rows > REEL__TILE_STREAMED; p++) {
            __builtin_prefetch(ahead + l * ahead_step + p * panel_bytes, 0, 3);
        }
        UNROLL
        for (int i = 0; i < rows; i++) {
            VECTOR x = SPREAD(a[i * a_row + l * a_column]);
            UNROLL
            for (int j = 0; j < columns; j++) {
                sum[i][j] = MULTIPLY_ADD(x, b[j], sum[i][j]);
            }
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
