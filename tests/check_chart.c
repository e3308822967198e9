/* Heat maps: the text as it was looked at and found right, colours that mean what they say, and XML
 * whatever labels and values are. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/chart.h>

#include "../src/chart.h"
#include "../src/memory.h"
#include "folder.h"
#include "suite.h"

static char *drawn(reel_heat_map_args args)
{
    char *text = NULL, why[512];
    size_t n = 0;
    args.stream = open_memstream(&text, &n);
    args.message = why;
    args.room = sizeof why;
    ck_assert_ptr_nonnull(args.stream);
    reel_status status = reel_heat_map_with(&args);
    fclose(args.stream);
    ck_assert_msg(status == REEL_OK, "%s", why);
    ck_assert_str_eq(why, "");
    return text;
}

/* Without strstr, which the address sanitizer makes look to the end of the text each time. */
static size_t count(const char *text, const char *part)
{
    size_t n = 0, length = strlen(part);
    for (const char *c = text; *c; c++) {
        n += *c == *part && strncmp(c, part, length) == 0;
    }
    return n;
}

/* Character data and attribute values: no character that XML forbids, no & that begins no entity.
 */
static const char *expect_data(const char *s, const char *until)
{
    static const char *const entity[] = {"&amp;", "&lt;", "&gt;", "&quot;"};
    for (; *s && !strchr(until, *s); s++) {
        bool known = *s != '&';
        for (size_t i = 0; i < 4; i++) {
            known = known || strncmp(s, entity[i], strlen(entity[i])) == 0;
        }
        ck_assert_msg(known, "no entity: %.40s", s);
        ck_assert_msg((unsigned char)*s >= 0x20 || *s == '\n', "a control character: %.40s", s);
        ck_assert_msg(*s != '>', "a bracket: %.40s", s);
        uint32_t point;
        size_t n = reel__character((const unsigned char *)s, &point);
        ck_assert_msg(n > 0 && point != 0xfffe && point != 0xffff, "no UTF-8: %.40s", s);
        s += n - 1;
    }
    return s;
}

static const char *expect_attributes(const char *s)
{
    while (*s == ' ') {
        s += 1 + strspn(s + 1, "abcdefghijklmnopqrstuvwxyzBW:-123");
        ck_assert_msg(strncmp(s, "=\"", 2) == 0, "no attribute: %.40s", s);
        s = expect_data(s + 2, "\"<");
        ck_assert_msg(*s == '"', "a value does not end: %.40s", s);
        s++;
    }
    return s;
}

/* That the text is one well-formed element of XML. */
static void expect_xml(const char *s)
{
    enum { DEEPEST = 16, NAME = 16 };
    char open[DEEPEST][NAME];
    int depth = 0;
    bool root = false;
    for (s = expect_data(s, "<"); *s; s = expect_data(s, "<")) {
        bool ends = s[1] == '/';
        s += ends ? 2 : 1;
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzG");
        ck_assert_msg(n > 0 && n < NAME, "no name of an element: %.40s", s);
        if (ends) {
            ck_assert_int_gt(depth, 0);
            depth--;
            ck_assert_msg(strlen(open[depth]) == n && memcmp(open[depth], s, n) == 0,
                          "closes %s: %.40s", open[depth], s);
            s += n;
        } else {
            ck_assert_msg(depth > 0 || !root, "a second root: %.40s", s);
            ck_assert_int_lt(depth, DEEPEST);
            root = true;
            snprintf(open[depth++], NAME, "%.*s", (int)n, s);
            s = expect_attributes(s + n);
            if (*s == '/') {
                depth--;
                s++;
            }
        }
        ck_assert_msg(*s == '>', "an element does not end: %.40s", s);
        s++;
    }
    ck_assert_int_eq(depth, 0);
    ck_assert(root);
}

/* Golden pictures: made by this program when REEL_GOLDEN_WRITE is set, then looked at. */

static const char *const source_word[] = {"the", "agreement", "was", "signed", "</s>"};
static const char *const target_word[] = {"l'accord", "a", "\xc3\xa9t\xc3\xa9", "sign\xc3\xa9"};
static const double alignment[] = {0.4, 0.6, 0,   0,   0, /**/ 0, 0.1,  0.7, 0.1,  0.1,
                                   0,   0,   0.8, 0.2, 0, /**/ 0, 0.05, 0,   0.95, 0};
static const double counts[] = {50, 3, 0, 4, 44, 2, 0, 10, 30};
static const char *const class_name[] = {"up", "down", "left"};
static const double strange[] = {-1.5, NAN, INFINITY, -INFINITY, 0.25, 3};
static const reel_heat heads[] = {
    {.rows = 1, .columns = 2, .value = alignment, .title = "head 0"},
    {.rows = 2, .columns = 1, .value = alignment, .title = "head 1", .row_title = "t"},
    {.rows = 1, .columns = 1, .value = alignment}};

static const struct {
    const char *name;
    reel_heat_map_args args;
} golden[] = {
    {"chart_alignment.svg",
     {.rows = 4,
      .columns = 5,
      .value = alignment,
      .row_label = target_word,
      .column_label = source_word,
      .row_title = "target",
      .column_title = "source",
      .title = "Alignment"}},
    {"chart_confusion.svg",
     {.rows = 3,
      .columns = 3,
      .value = counts,
      .row_label = class_name,
      .column_label = class_name,
      .numbers = true,
      .by_row = true,
      .theme = REEL_CHART_PRINT}},
    {"chart_strange.svg",
     {.rows = 2,
      .columns = 3,
      .value = strange,
      .numbers = true,
      .digits = 1,
      .scale = REEL_CHART_DIVERGING,
      .theme = REEL_CHART_DARK}},
    {"chart_heads.svg",
     {.maps = 3, .map = heads, .scale = REEL_CHART_VIRIDIS, .low = 0, .high = 1, .across = 2}},
};

START_TEST(pictures_are_as_they_were_found_right)
{
    const char *srcdir = getenv("srcdir");
    char path[FOLDER_PATH];
    snprintf(path, sizeof path, "%.300s/tests/golden/%s", srcdir ? srcdir : ".", golden[_i].name);
    char *text = drawn(golden[_i].args);
    expect_xml(text);
    if (getenv("REEL_GOLDEN_WRITE")) {
        FILE *file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fputs(text, file);
        fclose(file);
    }
    assert_file_is(path, text);
    free(text);
}
END_TEST

START_TEST(the_locale_changes_nothing)
{
    char *plain = drawn(golden[1].args), *number = drawn(golden[2].args);
    static const char *const with_comma[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "ru_RU.UTF-8"};
    bool found = false;
    for (size_t i = 0; i < 4 && !found; i++) {
        found = setlocale(LC_ALL, with_comma[i]) != NULL;
    }
    if (!found) {
        printf("check_chart: no locale with a decimal comma here: not tried\n");
    }
    char *again = drawn(golden[1].args), *number_again = drawn(golden[2].args);
    setlocale(LC_ALL, "C");
    ck_assert_str_eq(plain, again);
    ck_assert_str_eq(number, number_again);
    free(plain);
    free(number);
    free(again);
    free(number_again);
}
END_TEST

static const char *const hostile[] = {
    "\"/><script>alert(1)</script>",
    "<b>&amp;&bogus;&#0;",
    "]]> <!-- --> <![CDATA[",
    "a\nb\r\tc\x01\x1b[31m\x7f",
    "\xff\xfe\xc3(\xed\xa0\x80\xf4\x90\x80\x80",
    "\xef\xbf\xbe\xef\xbf\xbf\xc2\x85",
    "",
    "\xe2\x80\xae\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
    "\xf0\x9f\x98\x80\xe4\xb8\xad\xe6\x96\x87",
    "' onload='x",
    "%s%n%d",
    "a word that is far too long to stand beside any map, and is cut",
};
enum { HOSTILE = sizeof hostile / sizeof *hostile };

START_TEST(any_label_gives_xml)
{
    double value[HOSTILE * HOSTILE] = {0};
    for (int i = 0; i < HOSTILE; i++) {
        reel_heat one = {.rows = HOSTILE,
                         .columns = HOSTILE,
                         .value = value,
                         .row_label = hostile,
                         .column_label = hostile,
                         .title = hostile[i],
                         .row_title = hostile[i],
                         .column_title = hostile[i]};
        char *text = drawn(
            (reel_heat_map_args){.maps = 1, .map = &one, .title = hostile[i], .font = hostile[i]});
        expect_xml(text);
        ck_assert_uint_eq(count(text, "<script"), 0);
        ck_assert_uint_eq(count(text, "<g>"), HOSTILE * HOSTILE);
        free(text);
    }
}
END_TEST

START_TEST(colours_follow_values)
{
    for (int scale = REEL_CHART_SEQUENTIAL; scale <= REEL_CHART_GREY; scale++) {
        for (int theme = REEL_CHART_LIGHT; theme <= REEL_CHART_PRINT; theme++) {
            int last = -1, distinct = 0;
            for (int i = 0; i <= 20; i++) {
                reel__rgb c =
                    reel__scale_colour((reel_chart_scale)scale, (reel_chart_theme)theme, i / 20.0);
                int code = c.r << 16 | c.g << 8 | c.b;
                distinct += code != last;
                last = code;
                if (theme == REEL_CHART_PRINT) {
                    ck_assert(c.r == c.g && c.g == c.b);
                }
            }
            ck_assert_int_eq(distinct, 21);
        }
    }
    reel__rgb none = reel__scale_colour(REEL_CHART_SEQUENTIAL, REEL_CHART_LIGHT, 0);
    ck_assert(none.r == 255 && none.g == 255 && none.b == 255);
    none = reel__scale_colour(REEL_CHART_DIVERGING, REEL_CHART_LIGHT, 0.5);
    ck_assert(none.r == 255 && none.g == 255 && none.b == 255);
    /* beyond the ends: the ends */
    reel__rgb end = reel__scale_colour(REEL_CHART_GREY, REEL_CHART_LIGHT, 7);
    ck_assert(end.r == 0 && end.g == 0 && end.b == 0);
    ck_assert(reel__is_bright((reel__rgb){255, 255, 0}) &&
              !reel__is_bright((reel__rgb){0, 0, 255}));
}
END_TEST

/* The two cells of one map in the colours that the given range makes. */
START_TEST(the_range_can_be_given)
{
    const double v[] = {-3, 1};
    const reel_heat_map_args a = {
        .rows = 1, .columns = 2, .value = v, .scale = REEL_CHART_GREY, .no_legend = true};
    reel_heat_map_args given = a, from_data = a, diverging = a;
    given.low = -7;
    given.high = 1;
    char *text = drawn(given);
    ck_assert_uint_eq(count(text, "fill=\"#808080\""), 1); /* half way */
    ck_assert_uint_eq(count(text, "fill=\"#000000\""), 1);
    free(text);
    text = drawn(from_data);
    ck_assert_uint_eq(count(text, "fill=\"#ffffff\"/><title"), 1);
    ck_assert_uint_eq(count(text, "fill=\"#000000\"/><title"), 1);
    free(text);
    diverging.scale = REEL_CHART_DIVERGING; /* from -3 to 3: the greatest is not at the end */
    text = drawn(diverging);
    ck_assert_uint_eq(count(text, "fill=\"#2166ac\"/><title"), 1);
    ck_assert_uint_eq(count(text, "fill=\"#b2182b\"/><title"), 0);
    free(text);
}
END_TEST

START_TEST(extreme_values_are_drawn)
{
    const double v[] = {1e308, -1e308, 5e-324, 0, -0.0, 1e15, 123456789.125, 1e-9};
    for (int by_row = 0; by_row < 2; by_row++) {
        for (int scale = REEL_CHART_SEQUENTIAL; scale <= REEL_CHART_GREY; scale++) {
            char *text = drawn((reel_heat_map_args){.rows = 2,
                                                    .columns = 4,
                                                    .value = v,
                                                    .numbers = true,
                                                    .by_row = by_row == 1,
                                                    .scale = (reel_chart_scale)scale});
            expect_xml(text);
            ck_assert_uint_eq(count(text, "nan"), 0);
            ck_assert_uint_eq(count(text, "inf"), 0);
            free(text);
        }
    }
    const double all_nan[] = {NAN, NAN};
    char *text = drawn((reel_heat_map_args){.rows = 1, .columns = 2, .value = all_nan});
    ck_assert_uint_eq(count(text, ": NaN</title>"), 2);
    ck_assert_uint_eq(count(text, "<path"), 3); /* and one in the legend */
    free(text);
}
END_TEST

START_TEST(large_maps_are_drawn)
{
    enum { ROWS = 30, COLUMNS = 1000 };
    double *v = calloc(ROWS * COLUMNS, sizeof *v);
    ck_assert_ptr_nonnull(v);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        v[i] = sin(i);
    }
    char *text = drawn((reel_heat_map_args){.rows = ROWS, .columns = COLUMNS, .value = v});
    ck_assert_uint_eq(count(text, "<g>"), ROWS * COLUMNS);
    ck_assert_uint_eq(count(text, ">0</text>"), 2);
    ck_assert_uint_eq(count(text, ">900</text>"), 1);
    ck_assert_uint_eq(count(text, ">901</text>"), 0);
    free(text);
    free(v);
}
END_TEST

static const double one[] = {1};
static const char *const no_label[] = {NULL};
static const reel_heat broken_map[] = {{.rows = 1, .columns = 1, .value = one},
                                       {.rows = 1, .columns = 1}};

static const struct {
    reel_heat_map_args args;
    const char *message;
} misuse[] = {
    {{.rows = 1, .columns = 1, .value = one}, "expected either a path or a stream"},
    {{.path = "a.png", .rows = 1, .columns = 1, .value = one},
     "a.png: unknown kind of file: expected a name that ends in .svg"},
    {{.path = ".svg", .rows = 1, .columns = 1, .value = one},
     ".svg: unknown kind of file: expected a name that ends in .svg"},
    {{.path = "a.svg", .rows = 0, .columns = 3, .value = one},
     "0 rows and 3 columns: expected 1 or more of each"},
    {{.path = "a.svg", .rows = INT64_MAX, .columns = INT64_MAX, .value = one},
     "9223372036854775807 rows and 9223372036854775807 columns: expected no more than 1000000 "
     "cells in all"},
    {{.path = "a.svg", .rows = 1, .columns = 1}, "no values: .value is NULL"},
    {{.path = "a.svg", .rows = 1, .columns = 1, .value = one, .row_label = no_label},
     "the label of row 0 is NULL"},
    {{.path = "a.svg", .rows = 1, .columns = 1, .value = one, .column_label = no_label},
     "the label of column 0 is NULL"},
    {{.path = "a.svg", .maps = 2, .map = broken_map}, "map 1: no values: .value is NULL"},
    {{.path = "a.svg", .maps = 2}, "2 maps, and .map is NULL"},
    {{.path = "a.svg", .maps = 1, .map = broken_map, .value = one},
     "1 maps, and also .value: expected one of the two"},
    {{.path = "a.svg", .rows = 1, .columns = 1, .value = one, .low = 2, .high = 1},
     "the scale goes from 2 to 1: expected .low below .high, both finite"},
    {{.path = "a.svg", .rows = 1, .columns = 1, .value = one, .high = NAN},
     "the scale goes from 0 to nan: expected .low below .high, both finite"},
    {{.path = "a.svg", .rows = 1, .columns = 1, .value = one, .scale = (reel_chart_scale)4},
     "no scale has number 4"},
    {{.path = "a.svg", .rows = 1, .columns = 1, .value = one, .theme = (reel_chart_theme)3},
     "no theme has number 3"},
    {{.path = "a.svg", .rows = 1, .columns = 1, .value = one, .cell_width = -1},
     "cells of -1 x 0 px: expected from 1 to 1000, or 0"},
    {{.path = "a.svg", .rows = 1, .columns = 1, .value = one, .digits = 10},
     "10 digits: expected no more than 9"},
};

START_TEST(misuse_is_told)
{
    char why[512], wanted[512];
    reel_heat_map_args a = misuse[_i].args;
    a.message = why;
    a.room = sizeof why;
    a.at = "there/net.c:7";
    ck_assert_int_eq(reel_heat_map_with(&a), REEL_ERR_ARGUMENT);
    snprintf(wanted, sizeof wanted, "net.c:7: reel_heat_map: %s", misuse[_i].message);
    ck_assert_str_eq(why, wanted);
    a.message = NULL; /* and without a place to tell it */
    ck_assert_int_eq(reel_heat_map_with(&a), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_heat_map_with(NULL), REEL_ERR_ARGUMENT);
}
END_TEST

START_TEST(files_are_replaced_whole)
{
    folder f = folder_make();
    char path[FOLDER_PATH], why[512], short_why[8];
    ck_assert(reel_heat_map(folder_file(&f, path, "a.svg"), .rows = 1, .columns = 1, .value = one,
                            .message = why, .room = sizeof why) == REEL_OK);
    char *text = drawn((reel_heat_map_args){.rows = 1, .columns = 1, .value = one});
    assert_file_is(path, text);
    for (uint64_t nth = 1;; nth++) { /* memory that runs out anywhere leaves it as it was */
        reel__memory_fail(nth, false);
        reel_status status = reel_heat_map(path, .rows = 1, .columns = 1, .value = alignment,
                                           .message = why, .room = sizeof why);
        bool failed = reel__memory_failed();
        reel__memory_fail(0, false);
        if (!failed) {
            ck_assert_int_eq(status, REEL_OK);
            break;
        }
        ck_assert_int_eq(status, REEL_ERR_MEMORY);
        ck_assert_ptr_nonnull(strstr(why, "out of memory"));
        assert_file_is(path, text);
        ck_assert_int_eq(folder_files(&f, ".tmp", false), 0);
    }
    ck_assert_int_eq(reel_heat_map("no/such/folder/a.svg", .rows = 1, .columns = 1, .value = one,
                                   .message = short_why, .room = sizeof short_why),
                     REEL_ERR_FILE);
    ck_assert_str_eq(short_why, "check_c");
    free(text);
    folder_remove(&f);
}
END_TEST

START_TEST(a_full_stream_is_told)
{
    FILE *full = fopen("/dev/full", "w");
    if (!full) {
        printf("check_chart: no /dev/full here: not tried\n");
        return;
    }
    char why[512];
    ck_assert_int_eq(reel_heat_map_stream(full, .rows = 1, .columns = 1, .value = one,
                                          .message = why, .room = sizeof why),
                     REEL_ERR_FILE);
    ck_assert_ptr_nonnull(strstr(why, "cannot write to the stream: "));
    fclose(full);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chart");
    TCase *tests = tcase_create("heat maps");
    tcase_add_loop_test(tests, pictures_are_as_they_were_found_right, 0,
                        sizeof golden / sizeof *golden);
    tcase_add_test(tests, the_locale_changes_nothing);
    tcase_add_test(tests, any_label_gives_xml);
    tcase_add_test(tests, colours_follow_values);
    tcase_add_test(tests, the_range_can_be_given);
    tcase_add_test(tests, extreme_values_are_drawn);
    tcase_add_test(tests, large_maps_are_drawn);
    tcase_add_loop_test(tests, misuse_is_told, 0, sizeof misuse / sizeof *misuse);
    tcase_add_test(tests, files_are_replaced_whole);
    tcase_add_test(tests, a_full_stream_is_told);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
