/* Text as numbers: UTF-8, vocabularies, lines, streams and buckets, by hand, against simple code
 * that does the same another way, and with memory that runs out. */
#include <reel/reel.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/memory.h"
#include "folder.h"
#include "suite.h"

static folder place;
static char path[FOLDER_PATH];

static void setup(void)
{
    place = folder_make();
    folder_file(&place, path, "text");
}

static void teardown(void)
{
    folder_remove(&place);
}

static void write_bytes(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_string(const char *text)
{
    write_bytes(text, strlen(text));
}

/* "PATH: " and what follows. */
static void expect_message(const char *message, const char *rest)
{
    char wanted[2 * FOLDER_PATH];
    snprintf(wanted, sizeof wanted, "%s: %s", path, rest);
    ck_assert_str_eq(message, wanted);
}

static bool slow(void)
{
    return getenv("REEL_TEST_SLOW") != NULL;
}

static size_t below(reel_random *r, size_t n)
{
    return (size_t)reel_random_below(r, n);
}

/* Random bytes of an alphabet of short texts, joined; returns the length. */
static size_t random_text(reel_random *r, const char *const *piece, size_t pieces, char *out,
                          size_t n)
{
    size_t length = 0;
    for (;;) {
        const char *s = piece[below(r, pieces)];
        size_t more = *s ? strlen(s) : 1; /* "" stands for a NUL */
        if (length + more > n) {
            return length;
        }
        memcpy(out + length, s, more);
        length += more;
    }
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const valid[] = {"a",
                                    "b",
                                    "cc",
                                    "the",
                                    " ",
                                    " ",
                                    "\n",
                                    "\t",
                                    "\r",
                                    "",
                                    "\\",
                                    "\xc3\xa9",
                                    "\xe2\x82\xac",
                                    "\xf0\x9f\x98\x80",
                                    "\r\n",
                                    "<s>",
                                    " <unk> ",
                                    "x"};
static const char *const wild[] = {"a",        "b ",   "\n",       "\xff",         "\xc3",
                                   " ",        "\xa9", "\xe2\x82", "\xf0\x9f\x98", "\xed\xa0\x80",
                                   "\xc0\x80", "",     "\r\n",     "\xc3\xa9",     "\\xFF"};

/* UTF-8 */

START_TEST(utf8_by_hand)
{
    static const struct {
        const char *s;
        size_t n, length;
        uint32_t code;
    } c[] = {{"", 1, 1, 0},
             {"A", 1, 1, 'A'},
             {"\x7f", 1, 1, 0x7f},
             {"\xc2\x80", 2, 2, 0x80},
             {"\xdf\xbf", 2, 2, 0x7ff},
             {"\xe0\xa0\x80", 3, 3, 0x800},
             {"\xed\x9f\xbf", 3, 3, 0xd7ff},
             {"\xee\x80\x80", 3, 3, 0xe000},
             {"\xef\xbf\xbf", 3, 3, 0xffff},
             {"\xf0\x90\x80\x80", 4, 4, 0x10000},
             {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
             {"A", 0, 0, 0},
             {"\x80", 1, 0, 0},
             {"\xc0\x80", 2, 0, 0},
             {"\xc1\xbf", 2, 0, 0},
             {"\xc3", 1, 0, 0},
             {"\xc3z", 2, 0, 0},
             {"\xe0\x9f\xbf", 3, 0, 0},
             {"\xe2\x82", 2, 0, 0},
             {"\xed\xa0\x80", 3, 0, 0},
             {"\xed\xbf\xbf", 3, 0, 0},
             {"\xf0\x8f\xbf\xbf", 4, 0, 0},
             {"\xf4\x90\x80\x80", 4, 0, 0},
             {"\xf8\x88\x80\x80\x80", 5, 0, 0},
             {"\xff", 1, 0, 0}};
    for (size_t i = 0; i < COUNT(c); i++) {
        uint32_t code = 0;
        ck_assert_uint_eq(reel_utf8_decode(c[i].s, c[i].n, &code), c[i].length);
        ck_assert_uint_eq(code, c[i].code);
    }
    ck_assert_uint_eq(reel_utf8_invalid("ab\xc3\xa9\xff", 5), 4);
    ck_assert_uint_eq(reel_utf8_invalid("ab\xc3", 3), 2);
    ck_assert_uint_eq(reel_utf8_invalid("ab\xc3\xa9", 4), 4);
    ck_assert_uint_eq(reel_utf8_invalid("", 0), 0);
}
END_TEST

START_TEST(utf8_both_ways)
{
    uint32_t wrong_codes = 0;
    for (uint32_t code = 0; code < 0x110100; code++) {
        char s[4];
        uint32_t back = code;
        bool is = code < 0x110000 && (code < 0xd800 || code > 0xdfff);
        size_t n = reel_utf8_encode(code, s);
        bool good = (n > 0) == is && (n == 0 || reel_utf8_decode(s, n, &back) == n) &&
                    back == code && (n < 2 || reel_utf8_decode(s, n - 1, &back) == 0);
        wrong_codes += !good;
    }
    ck_assert_uint_eq(wrong_codes, 0);
}
END_TEST

/* Vocabularies */

static reel_vocabulary *counted(reel_units units, bool special, const char *text, size_t n)
{
    reel_vocabulary *v = reel_vocabulary_new(units, special);
    ck_assert_ptr_nonnull(v);
    ck_assert_msg(reel_vocabulary_count(v, text, n) == REEL_OK, "%s", reel_vocabulary_message(v));
    ck_assert_int_eq(reel_vocabulary_cut(v, 0, 0), REEL_OK);
    return v;
}

static void expect_text(reel_vocabulary *v, const char *wanted)
{
    char *text = reel_vocabulary_text(v);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, wanted);
    free(text);
}

static void expect_tokens(const reel_vocabulary *v, const char *text, size_t n, int64_t wanted,
                          const int32_t *token)
{
    int32_t got[64];
    ck_assert_int_eq(reel_vocabulary_encode(v, text, n, got, 64), wanted);
    for (int64_t i = 0; i < wanted; i++) {
        ck_assert_int_eq(got[i], token[i]);
    }
}

START_TEST(words_by_hand)
{
    static const char text[] = "b a  c\tb\r\n\n b <s> z\rd\na";
    reel_vocabulary *v = counted(REEL_WORDS, true, text, strlen(text));
    expect_text(v, "reel-vocabulary 1 words special\n"
                   "1\t<unk>\n0\t<s>\n0\t</s>\n3\tb\n2\ta\n1\tc\n1\td\n1\tz\n");
    ck_assert_int_eq(reel_vocabulary_size(v), 8);
    ck_assert_int_eq(reel_vocabulary_find(v, "a", 1), 4);
    ck_assert_int_eq(reel_vocabulary_find(v, "</s>", 4), REEL_END_OF_TEXT);
    ck_assert_int_eq(reel_vocabulary_find(v, "", 0), -1);
    expect_tokens(v, "a <s> b </s> new <unk>", 22, 6, (int32_t[]){4, 0, 3, 0, 0, 0});
    expect_tokens(v, " \r\n\t", 4, 0, NULL);
    /* cut anew: by count, by number; what is left out is unknown */
    ck_assert_int_eq(reel_vocabulary_cut(v, 2, 0), REEL_OK);
    ck_assert_int_eq(reel_vocabulary_size(v), 5);
    ck_assert_int_eq(reel_vocabulary_counted(v, REEL_UNKNOWN), 4);
    ck_assert_int_eq(reel_vocabulary_find(v, "c", 1), -1);
    expect_tokens(v, "c a", 3, 2, (int32_t[]){0, 4});
    ck_assert_int_eq(reel_vocabulary_cut(v, 1, 4), REEL_OK);
    expect_text(v, "reel-vocabulary 1 words special\n6\t<unk>\n0\t<s>\n0\t</s>\n3\tb\n");
    ck_assert_int_eq(reel_vocabulary_cut(v, 0, 3), REEL_OK);
    ck_assert_int_eq(reel_vocabulary_size(v), 3);
    ck_assert_int_eq(reel_vocabulary_counted(v, 0), 9);
    ck_assert_int_eq(reel_vocabulary_cut(v, 0, 0), REEL_OK);
    ck_assert_int_eq(reel_vocabulary_size(v), 8);
    /* numbers outside */
    ck_assert_ptr_null(reel_vocabulary_token(v, 8, NULL));
    ck_assert_ptr_null(reel_vocabulary_token(v, -1, NULL));
    ck_assert_int_eq(reel_vocabulary_counted(v, 8), 0);
    reel_vocabulary_free(v);
}
END_TEST

START_TEST(counts_go_on_behind_a_cut)
{
    reel_vocabulary *v = counted(REEL_WORDS, true, "a a b", 5);
    const char *a = reel_vocabulary_token(v, 3, NULL);
    char word[16];
    for (int i = 0; i < 5000; i++) { /* the table grows, tokens stay where they are */
        int n = snprintf(word, sizeof word, "w%d b", i);
        ck_assert_int_eq(reel_vocabulary_count(v, word, (size_t)n), REEL_OK);
    }
    ck_assert_ptr_eq(reel_vocabulary_token(v, 3, NULL), a);
    ck_assert_str_eq(a, "a");
    ck_assert_int_eq(reel_vocabulary_counted(v, 4), 5001);
    ck_assert_int_eq(reel_vocabulary_counted(v, REEL_UNKNOWN), 5000);
    ck_assert_int_eq(reel_vocabulary_size(v), 5);
    ck_assert_int_eq(reel_vocabulary_cut(v, 0, 0), REEL_OK);
    ck_assert_int_eq(reel_vocabulary_size(v), 5005);
    ck_assert_int_eq(reel_vocabulary_find(v, "b", 1), 3);
    for (int32_t i = 0; i < 5005; i++) {
        size_t n;
        const char *s = reel_vocabulary_token(v, i, &n);
        ck_assert_int_eq(reel_vocabulary_find(v, s, n), i);
        ck_assert_uint_eq(strlen(s), n);
    }
    reel_vocabulary_free(v);
}
END_TEST

START_TEST(characters_and_bytes_by_hand)
{
    static const char text[] = "\xe2\x82\xac\n\0a\xe2\x82\xac\r\n";
    reel_vocabulary *v = counted(REEL_CHARACTERS, false, text, sizeof text - 1);
    expect_text(v, "reel-vocabulary 1 characters\n"
                   "2\t\\n\n2\t\xe2\x82\xac\n1\t\\0\n1\t\\r\n1\ta\n");
    expect_tokens(v, "a\xe2\x82\xac\xe2\x82z\n", 8, 6, (int32_t[]){4, 1, -1, -1, -1, 0});
    reel_vocabulary_free(v);
    v = counted(REEL_BYTES, true, "\xff\t\\\xff\xc3", 5);
    expect_text(v, "reel-vocabulary 1 bytes special\n"
                   "0\t<unk>\n0\t<s>\n0\t</s>\n2\t\\xFF\n1\t\\t\n1\t\\\\\n1\t\\xC3\n");
    expect_tokens(v, "\xc3z\xff", 3, 3, (int32_t[]){6, 0, 3});
    reel_vocabulary_free(v);
}
END_TEST

START_TEST(decoding_by_hand)
{
    reel_vocabulary *v = counted(REEL_WORDS, true, "x x y", 5);
    const int32_t token[] = {1, 3, 0, 4, 99, 2};
    char text[32];
    ck_assert_uint_eq(reel_vocabulary_decode(v, token, 6, text, sizeof text), 15);
    ck_assert_str_eq(text, "x <unk> y <unk>");
    for (size_t size = 0; size < 16; size++) { /* cut off, and no byte further */
        memset(text, '#', sizeof text);
        ck_assert_uint_eq(reel_vocabulary_decode(v, token, 6, text, size), 15);
        ck_assert_int_eq(text[size], '#');
        ck_assert(size == 0 ||
                  (strlen(text) == size - 1 && strncmp(text, "x <unk> y <unk>", size - 1) == 0));
    }
    ck_assert_uint_eq(reel_vocabulary_decode(v, token, 0, text, 1), 0);
    ck_assert_str_eq(text, "");
    int32_t first[1] = {-5};
    ck_assert_int_eq(reel_vocabulary_encode(v, "y x x", 5, first, 1), 3);
    ck_assert_int_eq(first[0], 4);
    ck_assert_int_eq(reel_vocabulary_encode(v, "y x x", 5, NULL, 0), 3);
    reel_vocabulary_free(v);
}
END_TEST

enum { LONG = 3000, ROUNDS = 40 };

static int rounds(void)
{
    return slow() ? 4 : ROUNDS;
}

/* The numbers of a vocabulary do not depend on the order of counting, counting a file gives what
 * counting it in memory does, and with everything in it, decoding undoes encoding. */
START_TEST(random_texts_there_and_back)
{
    static char text[LONG], back[2 * LONG];
    static int32_t token[LONG], again[LONG];
    reel_random r = reel_random_new(1, (uint64_t)_i);
    const reel_units units = (reel_units)(_i % 3);
    for (int round = 0; round < rounds(); round++) {
        size_t n = units == REEL_BYTES ? random_text(&r, wild, COUNT(wild), text, LONG)
                                       : random_text(&r, valid, COUNT(valid), text, LONG);
        n = round % 4 ? n : below(&r, 8); /* short ones, too, which may end anywhere */
        n = units == REEL_BYTES ? n : reel_utf8_invalid(text, n);
        reel_vocabulary *v = counted(units, _i / 3, text, n);
        write_bytes(text, n);
        reel_vocabulary *of_file = reel_vocabulary_new(units, _i / 3);
        ck_assert_int_eq(reel_vocabulary_count_file(of_file, path), REEL_OK);
        ck_assert_int_eq(reel_vocabulary_cut(of_file, 0, 0), REEL_OK);
        char *as_text = reel_vocabulary_text(v);
        expect_text(of_file, as_text);
        free(as_text);
        int64_t count = reel_vocabulary_encode(v, text, n, token, LONG), sum = 0;
        for (int32_t i = 0; i < reel_vocabulary_size(v); i++) {
            sum += reel_vocabulary_counted(v, i);
        }
        ck_assert_int_eq(sum, count);
        size_t length = reel_vocabulary_decode(v, token, count, back, sizeof back);
        if (units != REEL_WORDS) {
            ck_assert_uint_eq(length, n);
            ck_assert(memcmp(back, text, n) == 0);
        } else {
            ck_assert_int_eq(reel_vocabulary_encode(v, back, length, again, LONG), count);
            ck_assert(memcmp(again, token, (size_t)count * sizeof *token) == 0);
        }
        reel_vocabulary_free(of_file);
        reel_vocabulary_free(v);
    }
}
END_TEST

/* Saved, loaded and saved again: the same file, the same numbers; and a cut of what was loaded. */
START_TEST(saving_is_undone_by_loading)
{
    static char text[LONG];
    static int32_t token[LONG], again[LONG];
    reel_random r = reel_random_new(2, (uint64_t)_i);
    const reel_units units = (reel_units)(_i % 3);
    for (int round = 0; round < rounds(); round++) {
        size_t n = units == REEL_BYTES ? random_text(&r, wild, COUNT(wild), text, LONG)
                                       : random_text(&r, valid, COUNT(valid), text, LONG);
        reel_vocabulary *v = counted(units, _i / 3, text, n);
        ck_assert_int_eq(reel_vocabulary_cut(v, 0, 3 + (int64_t)below(&r, 20)), REEL_OK);
        ck_assert_int_eq(reel_vocabulary_save(v, path), REEL_OK);
        reel_vocabulary *other = counted(REEL_WORDS, true, "what is there", 13);
        ck_assert_msg(reel_vocabulary_load(other, path) == REEL_OK, "%s",
                      reel_vocabulary_message(other));
        char *as_text = reel_vocabulary_text(v);
        assert_file_is(path, as_text);
        expect_text(other, as_text);
        ck_assert_int_eq(reel_vocabulary_units(other), units);
        ck_assert_int_eq(reel_vocabulary_special(other), _i / 3);
        int64_t count = reel_vocabulary_encode(v, text, n, token, LONG);
        ck_assert_int_eq(reel_vocabulary_encode(other, text, n, again, LONG), count);
        ck_assert(memcmp(again, token, (size_t)count * sizeof *token) == 0);
        ck_assert_int_eq(reel_vocabulary_cut(other, 0, 0), REEL_OK);
        expect_text(other, as_text);
        free(as_text);
        reel_vocabulary_free(other);
        reel_vocabulary_free(v);
    }
}
END_TEST

static const struct {
    const char *text, *message;
} wrong[] = {
    {"", "line 1: missing: expected a vocabulary"},
    {"reel-vocabulary 2 words\n", "line 1: expected 'reel-vocabulary 1', then words, characters or "
                                  "bytes, then perhaps special"},
    {"reel-vocabulary 1 words special\n0\t<unk>\n0\t<s>\n",
     "line 4: missing: expected the special tokens"},
    {"reel-vocabulary 1 words special\n0\t<unk>\n0\t</s>\n0\t<s>\n",
     "line 3: expected the special token <s>"},
    {"reel-vocabulary 1 words special\n0\t<unk>\n7\t<s>\n0\t</s>\n",
     "line 3: no text contains this token: expected the count 0"},
    {"reel-vocabulary 1 words special\n0\t<unk>\n0\t<s>\n0\t</s>\n1\ta\n1\t<s>\n",
     "line 6: this token has a line already"},
    {"reel-vocabulary 1 words\n1\ta\n1\tb\n1\ta\n", "line 4: this token has a line already"},
    {"reel-vocabulary 1 words\n1\ta\n\n", "line 3: expected a count, a tab and a token"},
    {"reel-vocabulary 1 words\n-1\ta\n", "line 2: expected a count, a tab and a token"},
    {"reel-vocabulary 1 words\n1 a\n", "line 2: expected a count, a tab and a token"},
    {"reel-vocabulary 1 words\n9223372036854775808\ta\n",
     "line 2: expected a count, a tab and a token"},
    {"reel-vocabulary 1 words\n9223372036854775807\ta\n1\tb\n", "line 3: the counts are too large"},
    {"reel-vocabulary 1 words\n1\ta b\n", "line 2: expected a word, in UTF-8, without spaces"},
    {"reel-vocabulary 1 words\n1\ta\\n\n", "line 2: expected a word, in UTF-8, without spaces"},
    {"reel-vocabulary 1 words\n1\t\n", "line 2: expected a word, in UTF-8, without spaces"},
    {"reel-vocabulary 1 words\n1\t\\xff\n", "line 2: expected a word, in UTF-8, without spaces"},
    {"reel-vocabulary 1 characters\n1\tab\n", "line 2: expected one character, in UTF-8"},
    {"reel-vocabulary 1 characters\n1\t\\xC3\n", "line 2: expected one character, in UTF-8"},
    {"reel-vocabulary 1 bytes\n1\t\xc3\xa9\n", "line 2: expected one byte"},
    {"reel-vocabulary 1 bytes\n1\t\\q\n",
     "line 2: expected one of \\\\, \\n, \\r, \\t, \\0 and \\xHH where there is a backslash"},
    {"reel-vocabulary 1 bytes\n1\t\\xf",
     "line 2: expected one of \\\\, \\n, \\r, \\t, \\0 and \\xHH where there is a backslash"},
    {"reel-vocabulary 1 bytes\n1\t\t",
     "line 2: a tab, carriage return or NUL in a token: expected \\t, \\r or \\0"},
};

START_TEST(wrong_vocabularies_are_refused)
{
    char message[FOLDER_PATH];
    reel_vocabulary *v = counted(REEL_WORDS, true, "it stays", 8);
    char *before = reel_vocabulary_text(v);
    ck_assert_int_eq(reel_vocabulary_read(v, wrong[_i].text), REEL_ERR_FORMAT);
    snprintf(message, sizeof message, "vocabulary: %s", wrong[_i].message);
    ck_assert_str_eq(reel_vocabulary_message(v), message);
    /* nothing has changed but the status, which stays */
    ck_assert_int_eq(reel_vocabulary_find(v, "stays", 5), 4);
    ck_assert_int_eq(reel_vocabulary_size(v), 5);
    ck_assert_int_eq(reel_vocabulary_read(v, before), REEL_ERR_FORMAT);
    reel_vocabulary_free(v);
    v = reel_vocabulary_new(REEL_BYTES, false);
    ck_assert_int_eq(reel_vocabulary_read(v, before), REEL_OK);
    expect_text(v, before);
    free(before);
    write_string(wrong[_i].text);
    ck_assert_int_eq(reel_vocabulary_load(v, path), REEL_ERR_FORMAT);
    expect_message(reel_vocabulary_message(v), wrong[_i].message);
    reel_vocabulary_free(v);
}
END_TEST

/* Line ends of other systems, and a last line without one. */
START_TEST(edited_vocabularies_are_read)
{
    reel_vocabulary *v = reel_vocabulary_new(REEL_BYTES, true);
    ck_assert_int_eq(reel_vocabulary_read(v, "reel-vocabulary 1 words\r\n3\tb\r\n5\t\\x61"),
                     REEL_OK);
    expect_text(v, "reel-vocabulary 1 words\n3\tb\n5\ta\n");
    reel_vocabulary_free(v);
}
END_TEST

START_TEST(invalid_utf8_is_named)
{
    reel_vocabulary *v = reel_vocabulary_new((reel_units)_i, true);
    ck_assert_int_eq(reel_vocabulary_count(v, "ab \xff", 4), REEL_ERR_FORMAT);
    ck_assert_str_eq(reel_vocabulary_message(v),
                     "count: byte 4 of the text (0xff) is not valid UTF-8");
    reel_vocabulary_free(v);
    v = reel_vocabulary_new((reel_units)_i, true);
    write_string("first\r\n\n\xc3\xa9 caf\xe9 x\n");
    ck_assert_int_eq(reel_vocabulary_count_file(v, path), REEL_ERR_FORMAT);
    expect_message(reel_vocabulary_message(v), "line 3: byte 7 (0xe9) is not valid UTF-8");
    reel_vocabulary_free(v);
    v = reel_vocabulary_new((reel_units)_i, true);
    write_string("first\n\xe2\x82");
    ck_assert_int_eq(reel_vocabulary_count_file(v, path), REEL_ERR_FORMAT);
    expect_message(reel_vocabulary_message(v), "line 2: byte 1 (0xe2) is not valid UTF-8");
    reel_vocabulary_free(v);
}
END_TEST

START_TEST(what_makes_no_sense)
{
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    ck_assert_int_eq(reel_vocabulary_cut(v, 0, 2), REEL_ERR_ARGUMENT);
    ck_assert_str_eq(reel_vocabulary_message(v),
                     "cut: at least 0 times, at most 2 tokens: expected 0 or more, and room for "
                     "the 3 special tokens");
    reel_vocabulary_free(v);
    v = reel_vocabulary_new((reel_units)9, true);
    ck_assert_int_eq(reel_vocabulary_status(v), REEL_ERR_ARGUMENT);
    ck_assert_ptr_null(reel_vocabulary_text(v));
    reel_vocabulary_free(v);
    v = reel_vocabulary_new(REEL_WORDS, true);
    ck_assert_int_eq(reel_vocabulary_count(v, NULL, 1), REEL_ERR_ARGUMENT);
    reel_vocabulary_free(v);
    reel_vocabulary_free(NULL);
    ck_assert_int_eq(reel_vocabulary_status(NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_vocabulary_size(NULL), 0);
    reel_lines_close(NULL);
    reel_streams_close(NULL);
    ck_assert_ptr_null(reel_lines_next(NULL, NULL));
}
END_TEST

/* Files that cannot be read are one error for all who read files. */
static void expect_unreadable(const char *name, reel_status status, const char *message)
{
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    ck_assert_int_eq(reel_vocabulary_count_file(v, name), status);
    ck_assert_str_eq(reel_vocabulary_message(v), message);
    reel_vocabulary_free(v);
    v = reel_vocabulary_new(REEL_WORDS, true);
    reel_lines *l = reel_lines_open(name);
    ck_assert_int_eq(reel_lines_status(l), status);
    ck_assert_str_eq(reel_lines_message(l), message);
    ck_assert_ptr_null(reel_lines_next(l, NULL));
    reel_lines_close(l);
    reel_streams *s = reel_streams_open(name, v, 2);
    int32_t token[2];
    ck_assert_int_eq(reel_streams_status(s), status);
    ck_assert_str_eq(reel_streams_message(s), message);
    ck_assert_int_eq(reel_streams_next(s, 1, token), status);
    reel_streams_close(s);
    ck_assert_int_eq(reel_vocabulary_load(v, name), status);
    ck_assert_str_eq(reel_vocabulary_message(v), message);
    reel_vocabulary_free(v);
}

START_TEST(unreadable_files)
{
    char message[2 * FOLDER_PATH];
    snprintf(message, sizeof message, "%s: cannot open: No such file or directory", path);
    expect_unreadable(path, REEL_ERR_FILE, message);
    snprintf(message, sizeof message, "%s: cannot read: it is a folder", place.path);
    expect_unreadable(place.path, REEL_ERR_FILE, message);
    expect_unreadable("", REEL_ERR_ARGUMENT, "cannot open: the path is empty");
    expect_unreadable(NULL, REEL_ERR_ARGUMENT, "cannot open: the path is empty");
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    ck_assert_int_eq(reel_vocabulary_save(v, place.path), REEL_ERR_FILE);
    snprintf(message, sizeof message, "%s: cannot write: it is a folder", place.path);
    ck_assert_str_eq(reel_vocabulary_message(v), message);
    reel_vocabulary_free(v);
}
END_TEST

/* Lines */

/* All lines of the file, one behind the other, each with "|" behind it. */
static void expect_lines(const char *text, size_t size, const char *wanted, size_t wanted_size)
{
    static char got[1 << 16];
    size_t length = 0, n;
    write_bytes(text, size);
    reel_lines *l = reel_lines_open(path);
    int64_t number = 0;
    for (const char *line; (line = reel_lines_next(l, &n));) {
        memcpy(got + length, line, n);
        ck_assert_int_eq(line[n], 0);
        got[length + n] = '|';
        length += n + 1;
        ck_assert_int_eq(reel_lines_number(l), ++number);
    }
    ck_assert_int_eq(reel_lines_status(l), REEL_OK);
    ck_assert_ptr_null(reel_lines_next(l, &n));
    ck_assert_int_eq(reel_lines_tell(l), (int64_t)size);
    ck_assert_uint_eq(length, wanted_size);
    ck_assert(memcmp(got, wanted, length) == 0);
    reel_lines_close(l);
}

START_TEST(lines_by_hand)
{
    expect_lines("", 0, "", 0);
    expect_lines("\n", 1, "|", 1);
    expect_lines("a", 1, "a|", 2);
    expect_lines("a\nb\n", 4, "a|b|", 4);
    expect_lines("a\r\n\r\n\rb\r\r\nc\r", 12, "a||\rb\r|c\r|", 10);
    expect_lines("a\0b\n\0\n\n", 7, "a\0b|\0||", 7);
}
END_TEST

/* Lines longer than any buffer, and going to each from each. */
START_TEST(lines_of_any_length)
{
    enum { LINES = 5 };
    static const size_t length[LINES] = {0, 32767, 100000, 1, 1 << 20};
    int64_t begin[LINES + 1] = {0};
    FILE *f = fopen(path, "wb");
    for (int i = 0; i < LINES; i++) {
        for (size_t k = 0; k < length[i]; k++) {
            fputc('a' + i, f);
        }
        fputs("\r\n", f);
        begin[i + 1] = begin[i] + (int64_t)length[i] + 2;
    }
    fclose(f);
    reel_lines *l = reel_lines_open(path);
    for (int i = 0; i < LINES * LINES; i++) {
        int k = i * 7 % LINES;
        ck_assert_int_eq(reel_lines_seek(l, begin[k], k + 1), REEL_OK);
        for (; k < LINES; k++) {
            size_t n;
            ck_assert_int_eq(reel_lines_tell(l), begin[k]);
            const char *line = reel_lines_next(l, &n);
            ck_assert_uint_eq(n, length[k]);
            ck_assert_uint_eq(strlen(line), n);
            ck_assert(n == 0 || (line[0] == 'a' + k && line[n - 1] == 'a' + k));
            ck_assert_int_eq(reel_lines_number(l), k + 1);
        }
        ck_assert_ptr_null(reel_lines_next(l, NULL));
    }
    ck_assert_int_eq(reel_lines_seek(l, begin[LINES] + 1, 1), REEL_ERR_ARGUMENT);
    char message[200];
    snprintf(message, sizeof message,
             "cannot go to byte %lld as line 1: it has %lld bytes, and lines are numbered from 1",
             (long long)begin[LINES] + 1, (long long)begin[LINES]);
    expect_message(reel_lines_message(l), message);
    reel_lines_close(l);
}
END_TEST

/* "-", once a pipe and once a file that was read in part. */
START_TEST(standard_input)
{
    int kept = dup(STDIN_FILENO), end[2];
    ck_assert_int_eq(pipe(end), 0);
    ck_assert_int_eq(write(end[1], "one two\nthree", 13), 13);
    close(end[1]);
    dup2(end[0], STDIN_FILENO);
    close(end[0]);
    reel_lines *l = reel_lines_open("-");
    ck_assert_str_eq(reel_lines_next(l, NULL), "one two");
    ck_assert_int_eq(reel_lines_tell(l), 8);
    ck_assert_str_eq(reel_lines_next(l, NULL), "three");
    ck_assert_ptr_null(reel_lines_next(l, NULL));
    ck_assert_int_eq(reel_lines_seek(l, 0, 1), REEL_ERR_FILE);
    ck_assert_str_eq(reel_lines_message(l), "standard input: cannot go to a place in it: it is no "
                                            "file on a disk");
    reel_lines_close(l);
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    reel_streams *s = reel_streams_open("-", v, 1);
    ck_assert_str_eq(reel_streams_message(s),
                     "standard input: cannot be read as streams: it is no file on a disk");
    reel_streams_close(s);
    write_string("skipped\nb b a\n");
    int fd = open(path, O_RDONLY);
    dup2(fd, STDIN_FILENO);
    close(fd);
    lseek(STDIN_FILENO, 8, SEEK_SET);
    ck_assert_int_eq(reel_vocabulary_count_file(v, "-"), REEL_OK);
    ck_assert_int_eq(reel_vocabulary_cut(v, 0, 0), REEL_OK);
    ck_assert_int_eq(reel_vocabulary_size(v), 5);
    ck_assert_int_eq(reel_vocabulary_counted(v, 3), 2);
    reel_vocabulary_free(v);
    dup2(kept, STDIN_FILENO);
    close(kept);
}
END_TEST

/* Streams */

/* n tokens of each stream as text: "0 1 | 2 3". */
static void expect_streams(const char *text, const reel_vocabulary *v, int64_t batch, int64_t n,
                           const char *wanted)
{
    char got[400] = "";
    int32_t token[100];
    write_string(text);
    reel_streams *s = reel_streams_open(path, v, batch);
    ck_assert_msg(reel_streams_next(s, n, token) == REEL_OK, "%s", reel_streams_message(s));
    ck_assert_int_eq(reel_streams_read(s), n * batch);
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t t = 0; t < n; t++) {
            const char *word = reel_vocabulary_token(v, token[t * batch + b], NULL);
            size_t used = strlen(got);
            snprintf(got + used, sizeof got - used, "%s%s", word ? word : "-",
                     t + 1 < n       ? " "
                     : b + 1 < batch ? " | "
                                     : "");
        }
    }
    ck_assert_str_eq(got, wanted);
    reel_streams_close(s);
}

START_TEST(streams_by_hand)
{
    reel_vocabulary *v = counted(REEL_WORDS, true, "a b c d e", 9);
    expect_streams("a b\nc d\n", v, 1, 8, "a b </s> c d </s> a b");
    expect_streams("a b\nc d", v, 1, 8, "a b </s> c d </s> a b");
    expect_streams("a b\nc d \t", v, 1, 8, "a b </s> c d </s> a b");
    expect_streams("a b\nc d\n\n", v, 1, 8, "a b </s> c d </s> </s> a");
    expect_streams("\n", v, 1, 2, "</s> </s>");
    expect_streams(" ", v, 1, 2, "</s> </s>");
    expect_streams("a b\r\nx d", v, 2, 4, "a b </s> a | <unk> d </s> <unk>");
    /* the middle is behind the first line's beginning */
    expect_streams("a b c d e\na\nb\n", v, 2, 3, "a b c | a </s> b");
    /* no line begins in the second half: it begins with a word, and no line ends before it */
    expect_streams("a b c d e a", v, 2, 5, "a b c a b | d e a </s> d");
    expect_streams("\xff \xff x", v, 1, 4, "<unk> <unk> <unk> </s>");
    reel_vocabulary_free(v);
    v = counted(REEL_WORDS, false, "a b c d e", 9);
    expect_streams("a b\n\nc x\n", v, 1, 6, "a b c - a b");
    reel_vocabulary_free(v);
    v = counted(REEL_CHARACTERS, true, "a\xc3\xa9\xe2\x82\xac\n", 7);
    expect_streams("a\nx\xc3\xa9\n", v, 2, 3, "a \n <unk> | \xc3\xa9 \n \xc3\xa9");
    expect_streams("aa\xe2\x82\xac\xc3", v, 2, 3, "a a \xe2\x82\xac | <unk> <unk> <unk>");
    reel_vocabulary_free(v);
    v = counted(REEL_BYTES, false, "ab", 2);
    expect_streams("abba", v, 2, 3, "a b a | b a b");
    reel_vocabulary_free(v);
}
END_TEST

START_TEST(streams_that_cannot_be)
{
    int32_t token[8];
    reel_vocabulary *v = counted(REEL_WORDS, false, "a b", 3);
    write_string("");
    reel_streams *s = reel_streams_open(path, v, 1);
    ck_assert_int_eq(reel_streams_status(s), REEL_ERR_VALUE);
    expect_message(reel_streams_message(s), "0 bytes of it are too few for a batch of 1: stream 0 "
                                            "would have no token of its own");
    reel_streams_close(s);
    write_string("aaaaaa b\n");
    s = reel_streams_open(path, v, 3);
    expect_message(reel_streams_message(s), "9 bytes of it are too few for a batch of 3: stream 1 "
                                            "would have no token of its own");
    reel_streams_close(s);
    s = reel_streams_open(path, v, 1000000);
    ck_assert_int_eq(reel_streams_status(s), REEL_ERR_VALUE);
    reel_streams_close(s);
    s = reel_streams_open(path, v, INT64_MAX);
    ck_assert_int_eq(reel_streams_status(s), REEL_ERR_VALUE);
    reel_streams_close(s);
    s = reel_streams_open(path, v, 0);
    ck_assert_int_eq(reel_streams_status(s), REEL_ERR_ARGUMENT);
    reel_streams_close(s);
    s = reel_streams_open(path, NULL, 1);
    ck_assert_int_eq(reel_streams_status(s), REEL_ERR_ARGUMENT);
    reel_streams_close(s);
    write_string("a\n\n\n\n\n\n");
    s = reel_streams_open(path, v, 2);
    ck_assert_int_eq(reel_streams_next(s, 1, token), REEL_ERR_VALUE);
    expect_message(reel_streams_message(s), "stream 1, bytes 3 to 7, has no token");
    reel_streams_close(s);
    /* places of another file, and a file that was cut off meanwhile */
    write_string("a b\na b\n");
    s = reel_streams_open(path, v, 2);
    ck_assert_int_eq(reel_streams_seek(s, (int64_t[]){1, 2}), REEL_ERR_ARGUMENT);
    expect_message(reel_streams_message(s), "stream 1 cannot go on at byte 2: it has bytes 4 to 8; "
                                            "were file and batch the same?");
    reel_streams_close(s);
    s = reel_streams_open(path, v, 2);
    write_string("a b\n");
    ck_assert_int_eq(reel_streams_next(s, 1, token), REEL_ERR_FILE);
    expect_message(reel_streams_message(s),
                   "cannot read: it has become shorter since it was opened");
    reel_streams_close(s);
    reel_vocabulary_free(v);
}
END_TEST

/* What a stream of those bytes gives in one round: the tokens of its lines by the other reader, or
 * the tokens of its text. */
static int64_t one_round(const reel_vocabulary *v, const char *text, size_t n, bool last,
                         int32_t *token)
{
    bool ends = reel_vocabulary_units(v) == REEL_WORDS && reel_vocabulary_special(v);
    int64_t count = 0;
    if (!ends) {
        return reel_vocabulary_encode(v, text, n, token, LONG);
    }
    while (n) {
        const char *end = memchr(text, '\n', n);
        size_t length = end ? (size_t)(end - text) : n;
        count += reel_vocabulary_encode(v, text, length, token + count, LONG);
        if (end || last) {
            token[count++] = REEL_END_OF_TEXT;
        }
        text += length + (end != NULL);
        n -= length + (end != NULL);
    }
    return count;
}

enum { MOST_BATCH = 5, TOKENS = 200 };

/* The parts cover the file without overlap, each stream gives what its part has, over and over, and
 * from every place everything goes on as if nothing had been. */
static void check_streams(const reel_vocabulary *v, const char *text, size_t n, int64_t batch)
{
    static int32_t all[TOKENS * MOST_BATCH], again[TOKENS * MOST_BATCH], wanted[2 * LONG];
    int64_t where[TOKENS + 1][MOST_BATCH];
    reel_streams *s = reel_streams_open(path, v, batch);
    if (reel_streams_status(s) == REEL_ERR_VALUE) { /* too short for so many */
        reel_streams_close(s);
        return;
    }
    reel_streams_tell(s, where[0]);
    ck_assert_int_eq(where[0][0], 0);
    for (int64_t t = 0; t < TOKENS; t++) {
        reel_status status = reel_streams_next(s, 1, all + t * batch);
        if (status == REEL_ERR_VALUE && t == 0) { /* nothing but spaces */
            reel_streams_close(s);
            return;
        }
        ck_assert_msg(status == REEL_OK, "%s", reel_streams_message(s));
        reel_streams_tell(s, where[t + 1]);
    }
    for (int64_t b = 0; b < batch; b++) {
        size_t begin = (size_t)where[0][b], end = b + 1 < batch ? (size_t)where[0][b + 1] : n;
        ck_assert_uint_lt(begin, end);
        ck_assert_uint_ge(begin, n * (size_t)b / (size_t)batch);
        int64_t count = one_round(v, text + begin, end - begin, b + 1 == batch, wanted);
        for (int64_t t = 0; t < TOKENS; t++) {
            ck_assert_int_eq(all[t * batch + b], wanted[t % count]);
        }
    }
    for (int64_t t = 0; t < TOKENS; t += slow() ? 17 : 1) {
        reel_streams *fresh = t % 2 ? s : reel_streams_open(path, v, batch);
        ck_assert_int_eq(reel_streams_seek(fresh, where[t]), REEL_OK);
        ck_assert_int_eq(reel_streams_next(fresh, TOKENS - t, again), REEL_OK);
        ck_assert(memcmp(again, all + t * batch, (size_t)((TOKENS - t) * batch) * sizeof *again) ==
                  0);
        if (fresh != s) {
            reel_streams_close(fresh);
        }
    }
    reel_streams_close(s);
}

START_TEST(streams_of_random_texts)
{
    static char text[LONG];
    reel_random r = reel_random_new(3, (uint64_t)_i);
    reel_vocabulary *v = counted((reel_units)(_i % 3), _i / 3, "a b cc \\ \xc3\xa9\nb", 13);
    for (int round = 0; round < rounds() / 2; round++) {
        const char *const *piece = round % 2 ? wild : valid;
        size_t pieces = round % 2 ? COUNT(wild) : COUNT(valid);
        size_t n = random_text(&r, piece, pieces, text, 1 + below(&r, round % 4 ? 600 : 30));
        write_bytes(text, n);
        check_streams(v, text, n, 1 + (int64_t)below(&r, MOST_BATCH));
    }
    reel_vocabulary_free(v);
}
END_TEST

/* A part begins with the first line of its first megabyte, else with its first word. */
START_TEST(parts_of_files_with_few_lines)
{
    enum { SIZE = 2300000, HALF = SIZE / 2, NEAR = 1 << 20 };
    static const struct {
        int64_t line_end, begin;
    } c[] = {{HALF - 1, HALF},
             {HALF, HALF + 1},
             {HALF + 100000, HALF + 100001},
             {HALF + NEAR - 2, HALF + NEAR - 1},
             {HALF + NEAR - 1, HALF + 2},
             {HALF - 2, HALF + 2},
             {SIZE - 1, HALF + 2}};
    static char text[SIZE];
    for (size_t i = 0; i < SIZE; i++) {
        text[i] = (i + 3 - (HALF + 1) % 3) % 3 ? 'a' : ' '; /* a space at HALF + 1 */
    }
    reel_vocabulary *v = counted(REEL_WORDS, true, text, SIZE);
    for (size_t i = 0; i < COUNT(c); i++) {
        char kept = text[c[i].line_end];
        text[c[i].line_end] = '\n';
        write_bytes(text, SIZE);
        text[c[i].line_end] = kept;
        reel_streams *s = reel_streams_open(path, v, 2);
        int64_t where[2];
        reel_streams_tell(s, where);
        ck_assert_msg(where[1] == c[i].begin, "%s: %lld, not %lld", reel_streams_message(s),
                      (long long)where[1], (long long)c[i].begin);
        reel_streams_close(s);
    }
    reel_vocabulary_free(v);
}
END_TEST

/* Words and parts longer than the buffers: tokens at every place of a buffer's edge. */
START_TEST(streams_of_long_words)
{
    enum { WORDS = 30, WORD = 9001 };
    static char text[WORDS * WORD];
    static int32_t token[4 * WORDS];
    for (size_t i = 0; i < WORDS; i++) {
        memset(text + i * WORD, 'a' + (int)(i % 3), WORD - 1);
        text[(i + 1) * WORD - 1] = i % 7 ? ' ' : '\n';
    }
    text[5 * WORD - 1] = 'x'; /* a word of two */
    reel_vocabulary *v = counted(REEL_WORDS, true, text, sizeof text);
    write_bytes(text, sizeof text);
    reel_streams *s = reel_streams_open(path, v, 1);
    ck_assert_int_eq(reel_streams_next(s, 2 * (WORDS + 5), token), REEL_OK);
    int64_t n = 0;
    for (size_t i = 0; i < WORDS; i++) {
        size_t length = i == 4 ? 2 * WORD - 1 : WORD - 1;
        ck_assert_int_eq(token[n], reel_vocabulary_find(v, text + i * WORD, length));
        ck_assert_int_eq(token[n], token[n + WORDS - 1 + 6]);
        ck_assert_int_ge(token[n++], REEL_SPECIALS);
        if (i % 7 == 0) {
            ck_assert_int_eq(token[n++], REEL_END_OF_TEXT);
        }
        i += i == 4;
    }
    reel_streams_close(s);
    reel_vocabulary_free(v);
}
END_TEST

/* Characters that stand across the edges of buffers, wherever those are. */
START_TEST(characters_over_edges)
{
    enum { MANY = 40000, BATCH = 3 };
    static char text[3 * MANY + 4];
    static int32_t token[MANY + 4];
    for (int shift = 0; shift < 3; shift++) {
        memset(text, 'a', (size_t)shift);
        for (int i = 0; i < MANY; i++) {
            memcpy(text + shift + 3 * i, "\xe2\x82\xac", 3);
        }
        write_bytes(text, 3 * MANY + (size_t)shift);
        reel_vocabulary *v = reel_vocabulary_new(REEL_CHARACTERS, true);
        ck_assert_msg(reel_vocabulary_count_file(v, path) == REEL_OK, "%s",
                      reel_vocabulary_message(v));
        ck_assert_int_eq(reel_vocabulary_cut(v, 3, 0), REEL_OK);
        ck_assert_int_eq(reel_vocabulary_counted(v, 3), MANY);
        reel_streams *s = reel_streams_open(path, v, BATCH);
        ck_assert_int_eq(reel_streams_next(s, MANY / BATCH - 2, token), REEL_OK);
        int unknown = 0;
        for (int i = 0; i < BATCH * (MANY / BATCH - 2); i++) {
            unknown += token[i] != 3;
        }
        ck_assert_int_eq(unknown, shift);
        reel_streams_close(s);
        reel_vocabulary_free(v);
    }
}
END_TEST

/* Buckets */

enum { SEQUENCES = 500 };

static int64_t padding(const reel_bucketing *b, const int64_t *order, const int64_t *length)
{
    int64_t waste = 0;
    for (int64_t at = 0; at < b->n; at += b->batch) {
        int64_t end = at + b->batch < b->n ? at + b->batch : b->n, most = 0;
        for (int64_t i = at; i < end; i++) {
            most = length[order[i]] > most ? length[order[i]] : most;
        }
        for (int64_t i = at; i < end; i++) {
            waste += most - length[order[i]];
        }
    }
    return waste;
}

/* A batch has rising lengths, and second ones that rise or fall with each, the other way with the
 * next. */
static void check_sorted(const int64_t *order, int64_t n, const int64_t *length,
                         const int64_t *second)
{
    int before = 0;
    for (int64_t from = 0, to; from < n; from = to) {
        int turn = 0;
        for (to = from + 1; to < n && length[order[to]] == length[order[from]]; to++) {
            int64_t step = second ? second[order[to]] - second[order[to - 1]] : 0;
            ck_assert(step == 0 || turn == 0 || (step > 0) == (turn > 0));
            turn = step == 0 ? turn : step > 0 ? 1 : -1;
        }
        ck_assert(to == n || length[order[from]] < length[order[to]]);
        ck_assert(turn == 0 || before == 0 || turn != before);
        before = turn;
    }
}

START_TEST(random_buckets)
{
    static int64_t length[SEQUENCES], second[SEQUENCES], order[SEQUENCES], again[SEQUENCES];
    reel_random r = reel_random_new(4, 0);
    for (int round = 0; round < 4 * rounds(); round++) {
        const int64_t longest = 1 + (int64_t)below(&r, 60);
        reel_bucketing b = {.n = (int64_t)below(&r, SEQUENCES + 1),
                            .length = length,
                            .second = round % 3 ? second : NULL,
                            .batch = 1 + (int64_t)below(&r, 40),
                            .pool = round % 2 ? (int64_t)below(&r, 12) : 0,
                            .shuffled = true,
                            .seed = reel_random_bits(&r)};
        for (int64_t i = 0; i < b.n; i++) {
            length[i] = (int64_t)below(&r, (size_t)longest + 1);
            second[i] = (int64_t)below(&r, (size_t)longest + 1);
        }
        ck_assert_int_eq(reel_bucket_count(&b), (b.n + b.batch - 1) / b.batch);
        ck_assert_int_eq(reel_bucket_epoch(&b, round, order), REEL_OK);
        ck_assert_int_eq(reel_bucket_epoch(&b, round, again), REEL_OK);
        ck_assert(memcmp(order, again, (size_t)b.n * sizeof *order) == 0);
        bool seen[SEQUENCES] = {false};
        for (int64_t i = 0; i < b.n; i++) {
            ck_assert(order[i] >= 0 && order[i] < b.n && !seen[order[i]]);
            seen[order[i]] = true;
        }
        /* Sorted batches of a pool overlap in no more than one length each: their waste adds up to
         * no more than a batch of the whole range. */
        int64_t pool = b.pool * b.batch, pools = pool ? (b.n + pool - 1) / pool : 1;
        if (b.pool != 1) {
            ck_assert_int_le(padding(&b, order, length), pools * b.batch * longest);
        }
        for (int64_t i = 0; i < b.n && b.pool != 1; i += b.batch) {
            int64_t n = b.n - i < b.batch ? b.n - i : b.batch;
            check_sorted(order + i, n, length, b.second);
        }
    }
}
END_TEST

START_TEST(buckets_of_all_are_the_best)
{
    enum { N = 103, BATCH = 10 };
    int64_t length[N], sorted[N], order[N];
    reel_random r = reel_random_new(5, 0);
    for (int i = 0; i < N; i++) {
        length[i] = (int64_t)below(&r, 30);
    }
    reel_bucketing b = {.n = N, .length = length, .batch = BATCH, .shuffled = true, .seed = 7};
    int64_t first[N], smaller[3], changes = 0, others = 0;
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, first), REEL_OK);
    for (int64_t epoch = 0; epoch < 20; epoch++) {
        ck_assert_int_eq(reel_bucket_epoch(&b, epoch, order), REEL_OK);
        /* the batches, sorted by where they begin, are a sorted list: none lies within another */
        int64_t n = 0;
        bool used[11] = {false};
        for (int k = 0; k < 11; k++) {
            int best = -1;
            for (int j = 0; j < 11; j++) {
                int64_t last = j < 10 ? 10 * j + 9 : N - 1, old = best < 0    ? 0
                                                                  : best < 10 ? 10 * best + 9
                                                                              : N - 1;
                bool less = best < 0 || length[order[10 * j]] < length[order[10 * best]] ||
                            (length[order[10 * j]] == length[order[10 * best]] &&
                             length[order[last]] < length[order[old]]);
                best = !used[j] && less ? j : best;
            }
            used[best] = true;
            for (int i = 0; i < (best < 10 ? 10 : 3); i++) {
                sorted[n++] = length[order[10 * best + i]];
            }
        }
        for (int i = 1; i < N; i++) {
            ck_assert_int_le(sorted[i - 1], sorted[i]);
        }
        changes += memcmp(order, first, sizeof order) != 0;
        memcpy(smaller, order + 100, sizeof smaller);
        others += length[smaller[0]] != length[first[100]];
    }
    ck_assert_int_eq(changes, 19);
    ck_assert_int_ge(others, 10); /* the smaller batch is not always the longest */
    b.seed = 8;
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, order), REEL_OK);
    ck_assert(memcmp(order, first, sizeof order) != 0);
}
END_TEST

START_TEST(buckets_by_hand)
{
    static const int64_t length[] = {3, 1, 2, 0, 5};
    int64_t order[5];
    reel_bucketing b = {.n = 5, .batch = 2};
    ck_assert_int_eq(reel_bucket_epoch(&b, 3, order), REEL_OK); /* in their own order */
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(order[i], i);
    }
    b = (reel_bucketing){.n = 0, .batch = 2, .shuffled = true};
    ck_assert_int_eq(reel_bucket_count(&b), 0);
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, NULL), REEL_OK);
    b = (reel_bucketing){.n = 5, .batch = 2, .shuffled = true, .pool = 1}; /* needs no lengths */
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, order), REEL_OK);
    b.pool = INT64_MAX;
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, order), REEL_ERR_ARGUMENT);
    b.length = length;
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, order), REEL_OK);
    ck_assert_int_eq(reel_bucket_epoch(&b, -1, order), REEL_ERR_ARGUMENT);
    b.batch = 0;
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, order), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_bucket_count(&b), 0);
    b.batch = INT64_MAX;
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, order), REEL_OK);
    b = (reel_bucketing){.n = 1, .length = (int64_t[]){-1}, .batch = 1, .shuffled = true};
    ck_assert_int_eq(reel_bucket_epoch(&b, 0, order), REEL_ERR_ARGUMENT);
}
END_TEST

/* Memory runs out at every allocation in turn: one error, "out of memory", or what had been there.
 */

static reel_status everything(char message[FOLDER_PATH])
{
    int32_t token[4];
    int64_t order[4];
    reel_status status = REEL_ERR_MEMORY;
    reel_vocabulary *v = reel_vocabulary_new(REEL_WORDS, true);
    reel_vocabulary *other = reel_vocabulary_new(REEL_BYTES, false);
    reel_streams *s = v ? reel_streams_open(path, v, 2) : NULL;
    reel_lines *l = reel_lines_open(path);
    char *text = NULL;
    snprintf(message, FOLDER_PATH, "out of memory");
    if (v && other && s && l) {
        status = reel_vocabulary_count_file(v, path);
        status = status ? status : reel_vocabulary_cut(v, 0, 0);
        text = status ? NULL : reel_vocabulary_text(v);
        status = status ? status : reel_vocabulary_status(v);
        snprintf(message, FOLDER_PATH, "%s", reel_vocabulary_message(v));
    }
    if (!status) {
        status = reel_vocabulary_read(other, text);
        snprintf(message, FOLDER_PATH, "%s", reel_vocabulary_message(other));
        ck_assert(status || reel_vocabulary_size(other) == reel_vocabulary_size(v));
    }
    if (!status) {
        status = reel_streams_next(s, 2, token);
        snprintf(message, FOLDER_PATH, "%s", reel_streams_message(s));
    }
    if (!status) {
        while (reel_lines_next(l, NULL)) {
        }
        status = reel_lines_status(l);
        snprintf(message, FOLDER_PATH, "%s", reel_lines_message(l));
    }
    if (!status) {
        reel_bucketing b = {.n = 4, .length = order, .batch = 2, .shuffled = true};
        memset(order, 0, sizeof order);
        status = reel_bucket_epoch(&b, 0, order);
        snprintf(message, FOLDER_PATH, "out of memory");
    }
    free(text);
    reel_lines_close(l);
    reel_streams_close(s);
    reel_vocabulary_free(other);
    reel_vocabulary_free(v);
    return status;
}

START_TEST(memory_runs_out)
{
    enum { BYTES = 70000 };
    static char text[BYTES];
    memset(text, 'w', sizeof text); /* a word that makes buffers grow */
    for (int i = 0; i < 600; i++) { /* and enough for the table to */
        char word[8];
        int n = snprintf(word, sizeof word, "%d ", i);
        memcpy(text + 6 * i, word, (size_t)n);
        memset(text + 6 * i + n, ' ', 6 - (size_t)n);
    }
    text[1200] = text[BYTES / 2 + 1] = '\n';
    write_bytes(text, sizeof text);
    uint64_t nth = 1;
    for (bool failed = true; failed; nth += nth < 40 ? 1 : slow() ? 53 : 7) {
        char message[FOLDER_PATH];
        reel__memory_fail(nth, _i);
        reel_status status = everything(message);
        failed = reel__memory_failed();
        reel__memory_fail(0, false);
        ck_assert_msg(status == (failed ? REEL_ERR_MEMORY : REEL_OK), "allocation %llu: %d: %s",
                      (unsigned long long)nth, status, message);
        ck_assert_msg(!failed || strstr(message, "out of memory"), "allocation %llu: '%s'",
                      (unsigned long long)nth, message);
    }
    ck_assert_uint_gt(nth, 60);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, utf8_by_hand);
    tcase_add_test(tests, utf8_both_ways);
    tcase_add_test(tests, words_by_hand);
    tcase_add_test(tests, counts_go_on_behind_a_cut);
    tcase_add_test(tests, characters_and_bytes_by_hand);
    tcase_add_test(tests, decoding_by_hand);
    tcase_add_loop_test(tests, random_texts_there_and_back, 0, 6);
    tcase_add_loop_test(tests, saving_is_undone_by_loading, 0, 6);
    tcase_add_loop_test(tests, wrong_vocabularies_are_refused, 0, (int)COUNT(wrong));
    tcase_add_test(tests, edited_vocabularies_are_read);
    tcase_add_loop_test(tests, invalid_utf8_is_named, 0, 2);
    tcase_add_test(tests, what_makes_no_sense);
    tcase_add_test(tests, unreadable_files);
    tcase_add_test(tests, lines_by_hand);
    tcase_add_test(tests, lines_of_any_length);
    tcase_add_test(tests, standard_input);
    tcase_add_test(tests, streams_by_hand);
    tcase_add_test(tests, streams_that_cannot_be);
    tcase_add_loop_test(tests, streams_of_random_texts, 0, 6);
    tcase_add_test(tests, parts_of_files_with_few_lines);
    tcase_add_test(tests, streams_of_long_words);
    tcase_add_test(tests, characters_over_edges);
    tcase_add_test(tests, random_buckets);
    tcase_add_test(tests, buckets_of_all_are_the_best);
    tcase_add_test(tests, buckets_by_hand);
    tcase_add_loop_test(tests, memory_runs_out, 0, 2);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
