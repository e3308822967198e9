/* Products with packed matrices against their definition, by every set of kernels that the
 * processor runs. */
#include "cpu.h"
#include "panels.h"
#include "suite.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Buffers have a margin of so many elements before and after the matrix, which must stay as it is.
 */
enum { MARGIN = 8 };

static const unsigned limits[] = {~0U, REEL__CPU_AVX2 | REEL__CPU_FMA, 0};
enum { LIMITS = sizeof limits / sizeof *limits };

/* A matrix in a buffer that its strides may walk in either direction. */
typedef struct matrix {
    reel_dtype dtype;
    int64_t m, n, row, column;
    int64_t start, elements; /* of the buffer */
    void *data;
} matrix;

/* The ways in which an [m, n] matrix may lie in its buffer. */
enum { BY_ROWS, BY_COLUMNS, PADDED_ROWS, SPREAD, BACKWARDS, LAYOUTS };

static size_t size_of(reel_dtype dtype)
{
    return dtype == REEL_F32 ? sizeof(float) : sizeof(double);
}

static double number(uint64_t k)
{
    k = (k + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (double)(k >> 40) / (double)(1 << 24) - 0.5;
}

static double read_at(const matrix *x, int64_t at)
{
    return x->dtype == REEL_F32 ? (double)((const float *)x->data)[at]
                                : ((const double *)x->data)[at];
}

static void write_at(const matrix *x, int64_t at, double value)
{
    if (x->dtype == REEL_F32) {
        ((float *)x->data)[at] = (float)value;
    } else {
        ((double *)x->data)[at] = value;
    }
}

static int64_t place(const matrix *x, int64_t i, int64_t j)
{
    return x->start + i * x->row + j * x->column;
}

static void *origin(const matrix *x)
{
    return (char *)x->data + (size_t)x->start * size_of(x->dtype);
}

static matrix new_matrix(reel_dtype dtype, int64_t m, int64_t n, int layout, uint64_t seed)
{
    matrix x = {.dtype = dtype, .m = m, .n = n, .row = n, .column = 1, .start = MARGIN};
    switch (layout) {
    case BY_COLUMNS:
        x.row = 1;
        x.column = m;
        break;
    case PADDED_ROWS:
        x.row = n + 3;
        break;
    case SPREAD:
        x.row = 2 * n + 1;
        x.column = 2;
        break;
    case BACKWARDS:
        x.row = -n;
        x.column = -1;
        x.start = MARGIN + m * n;
        break;
    default:
        break;
    }
    x.elements = 2 * MARGIN + m * (2 * n + 4);
    x.data = calloc((size_t)x.elements, size_of(dtype));
    ck_assert_ptr_nonnull(x.data);
    for (int64_t i = 0; i < x.elements; i++) {
        write_at(&x, i, number(seed * UINT64_C(1000003) + (uint64_t)i));
    }
    return x;
}

static void *new_aligned(size_t bytes)
{
    void *block = NULL;
    ck_assert_int_eq(posix_memalign(&block, 128, bytes + 1), 0);
    memset(block, 0xff, bytes + 1); /* NaN */
    return block;
}

static void *pack(const matrix *w)
{
    void *panels = new_aligned(reel__panels_bytes(w->dtype, w->m, w->n));
    reel__panels_pack(w->dtype, w->m, w->n, origin(w), w->row, w->column, panels);
    return panels;
}

static void multiply(const matrix *a, const void *panels, int64_t from, int64_t to, bool accumulate,
                     const matrix *c)
{
    void *scratch = new_aligned(reel__panels_scratch(a->dtype, a->m, a->n));
    reel__panels_multiply(a->dtype, a->m, c->n, a->n, origin(a), a->row, a->column, panels, from,
                          to, accumulate, origin(c), c->row, c->column, scratch);
    free(scratch);
}

/* Whether [from, to) of the product stands in C, whose elements were those of `old`; all others
 * must be what they were. */
static void compare(const matrix *a, const matrix *w, int64_t from, int64_t to, bool accumulate,
                    const matrix *old, const matrix *c)
{
    long double epsilon = c->dtype == REEL_F32 ? 0x1p-23L : 0x1p-52L;
    bool *made = calloc((size_t)c->elements, sizeof *made);
    ck_assert_ptr_nonnull(made);
    for (int64_t i = 0; i < c->m; i++) {
        for (int64_t j = from; j < to; j++) {
            int64_t at = place(c, i, j);
            long double sum = accumulate ? read_at(old, at) : 0, size = fabsl(sum);
            for (int64_t l = 0; l < a->n; l++) {
                long double term =
                    (long double)read_at(a, place(a, i, l)) * read_at(w, place(w, l, j));
                sum += term;
                size += fabsl(term);
            }
            long double bound = (long double)(a->n + 1) * epsilon * size;
            made[at] = true;
            if (!(fabsl(read_at(c, at) - sum) <= bound)) {
                ck_abort_msg("%s m %lld n %lld k %lld: (%lld, %lld) is %.17g, expected %.17Lg",
                             reel_dtype_name(c->dtype), (long long)c->m, (long long)c->n,
                             (long long)a->n, (long long)i, (long long)j, read_at(c, at), sum);
            }
        }
    }
    for (int64_t i = 0; i < c->elements; i++) {
        if (!made[i] && read_at(c, i) != read_at(old, i)) {
            ck_abort_msg("element %lld was touched", (long long)i);
        }
    }
    free(made);
}

typedef struct layouts {
    int a, w, c;
} layouts;

static void check_product(reel_dtype dtype, int64_t m, int64_t n, int64_t k, layouts lay,
                          bool accumulate)
{
    matrix a = new_matrix(dtype, m, k, lay.a, 1), w = new_matrix(dtype, k, n, lay.w, 2);
    matrix c = new_matrix(dtype, m, n, lay.c, 3), old = new_matrix(dtype, m, n, lay.c, 3);
    if (!accumulate) { /* C must not be read */
        for (int64_t i = 0; i < m * n; i++) {
            write_at(&c, place(&c, i / n, i % n), NAN);
        }
    }
    void *panels = pack(&w);
    multiply(&a, panels, 0, n, accumulate, &c);
    compare(&a, &w, 0, n, accumulate, &old, &c);
    free(panels);
    free(a.data);
    free(w.data);
    free(c.data);
    free(old.data);
}

static const int64_t small[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 16, 17, 20};
enum { SMALL = sizeof small / sizeof *small };

/* Every way to lie and to add is met by every size many times over. */
START_TEST(small_shapes)
{
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    int turn = 0;
    reel__panels_limit(limits[_i / 2]);
    for (int m = 0; m < SMALL; m++) {
        for (int n = 0; n < SMALL; n++) {
            for (int k = 0; k < SMALL; k++) {
                layouts lay = {turn % LAYOUTS, turn / 2 % LAYOUTS, turn / 3 % LAYOUTS};
                check_product(dtype, small[m], small[n], small[k], lay, turn / 7 % 2);
                turn++;
            }
        }
    }
}
END_TEST

START_TEST(every_way_to_lie)
{
    static const int64_t sizes[][3] = {{3, 21, 5}, {14, 37, 9}};
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reel__panels_limit(limits[_i / 2]);
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < 2 * LAYOUTS * LAYOUTS * LAYOUTS; i++) {
            layouts lay = {i / 2 % LAYOUTS, i / 2 / LAYOUTS % LAYOUTS, i / 2 / LAYOUTS / LAYOUTS};
            check_product(dtype, sizes[s][0], sizes[s][1], sizes[s][2], lay, i % 2);
        }
    }
}
END_TEST

START_TEST(large_shapes)
{
    static const int64_t sizes[][3] = {
        {1, 300, 257}, {2, 150, 600}, {3, 70, 513},  {4, 33, 256}, {5, 16, 1030}, {16, 64, 300},
        {50, 40, 520}, {241, 9, 270}, {500, 17, 12}, {1, 1, 2000}, {90, 20, 520},
    };
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reel__panels_limit(limits[_i / 2]);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (int i = 0; i < LAYOUTS; i++) {
            layouts lay = {i, (i + 1) % LAYOUTS, i % 2 ? i : BY_ROWS};
            check_product(dtype, sizes[s][0], sizes[s][1], sizes[s][2], lay, i % 2);
        }
    }
}
END_TEST

/* The bits of rows [first, first + some.m) of `all`. */
static void expect_rows(const matrix *all, int64_t first, const matrix *some)
{
    for (int64_t i = 0; i < some->m; i++) {
        for (int64_t j = 0; j < some->n; j++) {
            double x = read_at(all, place(all, first + i, j)), y = read_at(some, place(some, i, j));
            if (x != y) {
                ck_abort_msg("row %lld, column %lld: %.17g in a part, %.17g in the whole",
                             (long long)(first + i), (long long)j, y, x);
            }
        }
    }
}

static void expect_cuts(const matrix *a, const void *panels, bool accumulate, const matrix *whole)
{
    int64_t step = reel__panels_step(a->dtype), n = whole->n;
    for (int64_t width = step; width < n + step; width += step) {
        matrix c = new_matrix(a->dtype, a->m, n, PADDED_ROWS, 3);
        for (int64_t from = 0; from < n; from += width) {
            multiply(a, panels, from, from + width < n ? from + width : n, accumulate, &c);
        }
        expect_rows(whole, 0, &c);
        free(c.data);
    }
}

static void expect_parts(const matrix *a, const void *panels, const matrix *whole)
{
    for (int64_t rows = 1; rows < a->m; rows++) {
        int64_t first = a->m - rows;
        matrix part = *a, c = new_matrix(a->dtype, rows, whole->n, BY_ROWS, 4);
        part.m = rows;
        part.start = place(a, first, 0);
        multiply(&part, panels, 0, whole->n, false, &c);
        expect_rows(whole, first, &c);
        free(c.data);
    }
}

START_TEST(bits_depend_on_nothing_else)
{
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reel__panels_limit(limits[_i / 2]);
    matrix a = new_matrix(dtype, 27, 520, BY_COLUMNS, 1),
           w = new_matrix(dtype, 520, 150, BY_ROWS, 2);
    void *panels = pack(&w);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        matrix c = new_matrix(dtype, 27, 150, PADDED_ROWS, 3);
        multiply(&a, panels, 0, 150, accumulate, &c);
        expect_cuts(&a, panels, accumulate, &c);
        if (!accumulate) {
            expect_parts(&a, panels, &c);
        }
        free(c.data);
    }
    free(panels);
    free(a.data);
    free(w.data);
}
END_TEST

START_TEST(a_cut_touches_its_own_columns)
{
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    int64_t step = reel__panels_step(dtype), n = 5 * step + 3;
    reel__panels_limit(limits[_i / 2]);
    for (int64_t m = 1; m < 15; m++) {
        for (int64_t from = 0; from < n; from += step) {
            for (int64_t to = from; to < n + step; to += step) {
                matrix a = new_matrix(dtype, m, 10, BY_ROWS, 1);
                matrix w = new_matrix(dtype, 10, n, BY_COLUMNS, 2);
                matrix c = new_matrix(dtype, m, n, BY_ROWS, 3);
                matrix old = new_matrix(dtype, m, n, BY_ROWS, 3);
                void *panels = pack(&w);
                int64_t end = to < n ? to : n;
                multiply(&a, panels, from, end, m % 2, &c);
                compare(&a, &w, from, end, m % 2, &old, &c);
                free(panels);
                free(a.data);
                free(w.data);
                free(c.data);
                free(old.data);
            }
        }
    }
}
END_TEST

/* What is not finite gets into its row or column, and nowhere else, whatever pads the panels. */
START_TEST(what_is_not_finite_spreads)
{
    static const double values[] = {NAN, INFINITY, -INFINITY};
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reel__panels_limit(limits[_i / 2]);
    for (int64_t m = 1; m < 15; m++) {
        double value = values[m % 3];
        matrix a = new_matrix(dtype, m, 7, BY_ROWS, 1), w = new_matrix(dtype, 7, 19, BY_ROWS, 2);
        matrix c = new_matrix(dtype, m, 19, BY_ROWS, 3);
        write_at(&a, place(&a, m / 2, 3), value);
        write_at(&w, place(&w, 5, 17), value);
        void *panels = pack(&w);
        multiply(&a, panels, 0, 19, false, &c);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < 19; j++) {
                double got = read_at(&c, place(&c, i, j));
                bool finite = i != m / 2 && j != 17;
                bool right = finite ? isfinite(got) : isnan(value) ? isnan(got) : !isfinite(got);
                if (!right) {
                    ck_abort_msg("(%d, %d) is %g", (int)i, (int)j, got);
                }
            }
        }
        free(panels);
        free(a.data);
        free(w.data);
        free(c.data);
    }
}
END_TEST

/* Sums of products of many pairs: A is [m, k] here, cut along k as W is. */

static void tall(const matrix *a, const matrix *w, int64_t count, const int64_t part[4],
                 bool accumulate, const matrix *c)
{
    int64_t k = a->n / count, size = (int64_t)size_of(a->dtype);
    const char **at = calloc((size_t)count, sizeof *at), **wt = calloc((size_t)count, sizeof *wt);
    ck_assert(at && wt);
    for (int64_t i = 0; i < count; i++) {
        at[i] = (const char *)a->data + place(a, 0, i * k) * size;
        wt[i] = (const char *)w->data + place(w, i * k, 0) * size;
    }
    const reel__side side = {
        .b = wt,
        .row = w->row,
        .column = w->column,
        .left = part[2],
        .right = part[3],
        .accumulate = accumulate,
        .c = origin(c),
        .c_row = c->row,
        .c_column = c->column,
    };
    reel__tall t = {a->dtype, a->m, k, count, at, a->column, a->row, &side, 1};
    void *scratch = new_aligned(reel__tall_scratch(&t));
    reel__tall_multiply(&t, part[0], part[1], scratch);
    free(scratch);
    free(at);
    free(wt);
}

/* By the definition, and bit for bit as with a packed matrix. */
static void check_tall(reel_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t count,
                       layouts lay, bool accumulate)
{
    matrix a = new_matrix(dtype, m, k * count, lay.a, 1);
    matrix w = new_matrix(dtype, k * count, n, lay.w, 2);
    matrix c = new_matrix(dtype, m, n, lay.c, 3), old = new_matrix(dtype, m, n, lay.c, 3);
    matrix other = new_matrix(dtype, m, n, lay.c, 3);
    tall(&a, &w, count, (int64_t[]){0, m, 0, n}, accumulate, &c);
    compare(&a, &w, 0, n, accumulate, &old, &c);
    void *panels = pack(&w);
    multiply(&a, panels, 0, n, accumulate, &other);
    ck_assert_int_eq(memcmp(other.data, c.data, (size_t)c.elements * size_of(dtype)), 0);
    free(panels);
    free(a.data);
    free(w.data);
    free(c.data);
    free(old.data);
    free(other.data);
}

START_TEST(tall_shapes)
{
    static const int64_t sizes[][4] = {
        {1, 1, 1, 1},     {5, 16, 3, 1},    {6, 17, 1, 9},     {13, 5, 4, 7},     {40, 33, 1, 300},
        {7, 1, 2, 130},   {1, 50, 300, 1},  {100, 40, 32, 9},  {161, 130, 50, 6}, {20, 1100, 6, 3},
        {90, 20, 40, 14}, {90, 33, 530, 1}, {3, 1040, 520, 1},
    };
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reel__panels_limit(limits[_i / 2]);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (int i = 0; i < 2 * LAYOUTS; i++) {
            layouts lay = {i % LAYOUTS, (i + i / LAYOUTS) % LAYOUTS, i % 3 ? BY_ROWS : i % LAYOUTS};
            check_tall(dtype, sizes[s][0], sizes[s][1], sizes[s][2], sizes[s][3], lay, i % 2);
        }
    }
}
END_TEST

/* Parts that cover C once give the whole, bit for bit, and touch nothing else. */
START_TEST(tall_parts)
{
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reel__panels_limit(limits[_i / 2]);
    matrix a = new_matrix(dtype, 90, 520, BY_COLUMNS, 1),
           w = new_matrix(dtype, 520, 70, BY_ROWS, 2);
    matrix whole = new_matrix(dtype, 90, 70, PADDED_ROWS, 3);
    tall(&a, &w, 52, (int64_t[]){0, 90, 0, 70}, true, &whole);
    for (int64_t step = 1; step < 90; step += 13) {
        matrix rows = new_matrix(dtype, 90, 70, PADDED_ROWS, 3);
        matrix columns = new_matrix(dtype, 90, 70, PADDED_ROWS, 3);
        for (int64_t i = 0; i < 90; i += step) {
            tall(&a, &w, 52, (int64_t[]){i, i + step < 90 ? i + step : 90, 0, 70}, true, &rows);
        }
        for (int64_t j = 0; j < 70; j += step) {
            tall(&a, &w, 52, (int64_t[]){0, 90, j, j + step < 70 ? j + step : 70}, true, &columns);
        }
        size_t bytes = (size_t)whole.elements * size_of(dtype);
        ck_assert_int_eq(memcmp(rows.data, whole.data, bytes), 0);
        ck_assert_int_eq(memcmp(columns.data, whole.data, bytes), 0);
        free(rows.data);
        free(columns.data);
    }
    free(a.data);
    free(w.data);
    free(whole.data);
}
END_TEST

/* Several right sides at once give each the bits that it has alone. */
START_TEST(tall_sides)
{
    enum { SIDES = 4 };
    const bool slow = getenv("REEL_TEST_SLOW") != NULL;
    const int64_t wide[SIDES] = {70, slow ? 200 : 1000, 3, 130}, deep = slow ? 104 : 520;
    reel_dtype dtype = _i % 2 ? REEL_F64 : REEL_F32;
    reel__panels_limit(limits[_i / 2]);
    matrix a = new_matrix(dtype, 90, deep, BY_COLUMNS, 1), w[SIDES], alone[SIDES], beside[SIDES];
    const int64_t count = 52, k = a.n / count, size = (int64_t)size_of(dtype);
    const char *at[52], *wt[SIDES][52];
    reel__side side[SIDES];
    for (int64_t i = 0; i < count; i++) {
        at[i] = (const char *)a.data + place(&a, 0, i * k) * size;
    }
    for (int s = 0; s < SIDES; s++) {
        w[s] = new_matrix(dtype, deep, wide[s], s == 1 ? BY_COLUMNS : BY_ROWS, 2 + (uint64_t)s);
        alone[s] = new_matrix(dtype, 90, wide[s], s == 3 ? BY_COLUMNS : PADDED_ROWS, 9);
        beside[s] = new_matrix(dtype, 90, wide[s], s == 3 ? BY_COLUMNS : PADDED_ROWS, 9);
        for (int64_t i = 0; i < count; i++) {
            wt[s][i] = (const char *)w[s].data + place(&w[s], i * k, 0) * size;
        }
        const int64_t left = s == 0 ? 16 : 0;
        side[s] = (reel__side){.b = wt[s],
                               .row = w[s].row,
                               .column = w[s].column,
                               .left = left,
                               .right = wide[s],
                               .accumulate = s % 2,
                               .c = origin(&beside[s]),
                               .c_row = beside[s].row,
                               .c_column = beside[s].column};
        tall(&a, &w[s], count, (int64_t[]){7, 83, left, wide[s]}, s % 2, &alone[s]);
    }
    reel__tall t = {dtype, a.m, k, count, at, a.column, a.row, side, SIDES};
    void *scratch = new_aligned(reel__tall_scratch(&t));
    reel__tall_multiply(&t, 7, 83, scratch);
    for (int s = 0; s < SIDES; s++) {
        size_t bytes = (size_t)alone[s].elements * size_of(dtype);
        ck_assert_int_eq(memcmp(alone[s].data, beside[s].data, bytes), 0);
        free(w[s].data);
        free(alone[s].data);
        free(beside[s].data);
    }
    free(scratch);
    free(a.data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("panels");
    TCase *products = tcase_create("products");
    tcase_add_loop_test(products, small_shapes, 0, 2 * LIMITS);
    tcase_add_loop_test(products, every_way_to_lie, 0, 2 * LIMITS);
    tcase_add_loop_test(products, large_shapes, 0, 2 * LIMITS);
    tcase_add_loop_test(products, bits_depend_on_nothing_else, 0, 2 * LIMITS);
    tcase_add_loop_test(products, a_cut_touches_its_own_columns, 0, 2 * LIMITS);
    tcase_add_loop_test(products, what_is_not_finite_spreads, 0, 2 * LIMITS);
    tcase_add_loop_test(products, tall_shapes, 0, 2 * LIMITS);
    tcase_add_loop_test(products, tall_parts, 0, 2 * LIMITS);
    tcase_add_loop_test(products, tall_sides, 0, 2 * LIMITS);
    suite_add_tcase(suite, products);
    return suite_run(suite);
}
