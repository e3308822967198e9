/* A template that panels_kernels.c includes once for each instruction set and type. It makes
 * NAME(tiles), the table of kernels, from
 *   REAL, VECTOR      element and vector types,
 *   NAME(x)           names of their own for this pass,
 *   TARGET            the function attribute that switches the instruction set on,
 *   LOAD, STORE       a vector at an address without alignment,
 *   SPREAD(x)         a vector of equal elements,
 *   MULTIPLY_ADD      a * b + c,
 *   KERNELS(K), TABLE the kernels there shall be: K(rows, panels), and their table.
 * No include guard, and everything is undefined at the end, for the next pass. */

enum {
    NAME(LANES) = sizeof(VECTOR) / sizeof(REAL),
    NAME(WIDTH) = REEL__PANEL / sizeof(REAL),
    NAME(VECTORS) = REEL__PANEL / sizeof(VECTOR) /* in a panel's row */
};

/* Rows and panels are constants where this is inlined: all loops over them vanish and the sums stay
 * in registers. */
TARGET INLINE void NAME(tile)(const reel__tile *t, const int rows, const int panels)
{
    VECTOR sum[REEL__TILE_ROWS][REEL__TILE_PANELS];
    const int columns = panels * NAME(VECTORS);
    REAL *c = t->c;
    const REAL *a = t->a, *panel = t->panel;
    const int64_t a_row = t->a_row, a_column = t->a_column, panel_step = t->panel_step;
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < columns; j++) {
            sum[i][j] = t->load ? LOAD(c + i * t->c_row + j * NAME(LANES)) : SPREAD(0);
        }
    }
    for (int64_t l = t->k; l > 0; l--) {
        UNROLL
        for (int p = 0; p < panels; p++) {
            VECTOR b[NAME(VECTORS)];
            UNROLL
            for (int j = 0; j < NAME(VECTORS); j++) {
                b[j] = LOAD(panel + p * panel_step + j * NAME(LANES));
            }
            UNROLL
            for (int i = 0; i < rows; i++) {
                VECTOR x = SPREAD(a[i * a_row]);
                UNROLL
                for (int j = 0; j < NAME(VECTORS); j++) {
                    VECTOR *s = &sum[i][p * NAME(VECTORS) + j];
                    *s = MULTIPLY_ADD(x, b[j], *s);
                }
            }
        }
        a += a_column;
        panel += NAME(WIDTH);
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < columns; j++) {
            STORE(c + i * t->c_row + j * NAME(LANES), sum[i][j]);
        }
    }
}

#define KERNEL(rows, panels)                                             \
    TARGET static void NAME(tile_##rows##_##panels)(const reel__tile *t) \
    {                                                                    \
        NAME(tile)(t, rows, panels);                                     \
    }
KERNELS(KERNEL)
#undef KERNEL

#define KERNEL(rows, panels) NAME(tile_##rows##_##panels)
static const reel__tiles NAME(tiles) = TABLE(KERNEL);
#undef KERNEL

#undef REAL
#undef VECTOR
#undef NAME
#undef LOAD
#undef STORE
#undef SPREAD
#undef MULTIPLY_ADD
