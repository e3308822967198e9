/* Archives in memory: what they hold, their bytes, and what is said about bytes that are none. */
#include <math.h>
#include <reel/file.h>
#include <stdio.h>

#include "memory.h"
#include "memory_file.h"
#include "suite.h"

#define assert_good(a) \
    ck_assert_msg(reel_archive_status(a) == REEL_OK, "%s", reel_archive_message(a))

static void put(reel_archive *a, const char *name, reel_dtype dtype, const void *data,
                reel_shape shape)
{
    reel_status status = reel_archive_put(a, name, dtype, data, shape);
    ck_assert_msg(status == REEL_OK, "%s", reel_archive_message(a));
}

static reel_archive *read_back(memory_file f)
{
    reel_archive *a = reel_archive_new();
    reel_status status = reel__archive_read_bytes(a, "test", f.bytes, f.size);
    ck_assert_msg(status == REEL_OK, "%s", reel_archive_message(a));
    return a;
}

static const double doubles[] = {0.0, -0.0, 1.5, -INFINITY, 0x1p-1074, 1e308, NAN, 0.1};
static const float floats[] = {0.0f, -0.0f, 0x1p-149f, INFINITY, NAN, 0.1f};
static const int32_t integers[] = {0, -1, INT32_MAX, INT32_MIN};

static reel_archive *make_mixed(void)
{
    reel_archive *a = reel_archive_new();
    put(a, "odd", REEL_F32, floats, reel_dims(3));
    put(a, "", REEL_F64, doubles, reel_dims(2, 1, 4, 1));
    put(a, "größe/層.\"x\"\\\n", REEL_I32, integers, reel_dims(2, 2));
    put(a, "scalar", REEL_F64, doubles + 2, reel_scalar_shape());
    put(a, "empty", REEL_F32, NULL, reel_dims(3, 0, 2));
    put(a, "f", REEL_F32, floats, reel_dims(6));
    reel_status status = reel_archive_set(a, "z", "last");
    status = status ? status : reel_archive_set(a, "é", "größe \"quoted\"");
    status = status ? status : reel_archive_set_u64(a, "a", UINT64_MAX);
    ck_assert_int_eq(status, REEL_OK);
    return a;
}

static void assert_same(const reel_archive *a, const reel_archive *b)
{
    ck_assert_uint_eq(reel_archive_count(a), reel_archive_count(b));
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const reel_archive_tensor *x = reel_archive_at(a, i), *y = reel_archive_at(b, i);
        ck_assert_str_eq(x->name, y->name);
        ck_assert_int_eq(x->dtype, y->dtype);
        ck_assert(reel_shape_equal(x->shape, y->shape));
        ck_assert_mem_eq(x->data, y->data,
                         (size_t)reel_shape_size(x->shape) * reel_dtype_size(x->dtype));
    }
}

START_TEST(comes_back_bit_for_bit)
{
    reel_archive *a = make_mixed();
    memory_file f = memory_file_of(a);
    reel_archive *b = read_back(f);
    assert_same(a, b);
    ck_assert_str_eq(reel_archive_get(b, "z"), "last");
    ck_assert_str_eq(reel_archive_get(b, "é"), "größe \"quoted\"");
    ck_assert_str_eq(reel_archive_get(b, "a"), "18446744073709551615");
    ck_assert_ptr_null(reel_archive_get(b, "b"));
    const reel_archive_tensor *t = reel_archive_find(b, "scalar");
    ck_assert_int_eq(t->shape.rank, 0);
    ck_assert_double_eq(*(const double *)t->data, 1.5);
    ck_assert_int_eq(reel_archive_find(b, "empty")->shape.dim[1], 0);
    ck_assert_ptr_null(reel_archive_find(b, "none"));
    ck_assert_ptr_null(reel_archive_at(b, 6));
    reel_archive_free(a);
    reel_archive_free(b);
    free(f.bytes);
}
END_TEST

START_TEST(bytes_are_those_of_the_format)
{
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},"
                                 "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]},"
                                 "\"d\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}";
    static const float w[] = {1, 2};
    static const double d = 3;
    reel_archive *a = reel_archive_new();
    put(a, "w", REEL_F32, w, reel_dims(2));
    put(a, "d", REEL_F64, &d, reel_scalar_shape());
    ck_assert_int_eq(reel_archive_set(a, "k", "v"), REEL_OK);
    memory_file f = memory_file_of(a);
    size_t length = sizeof header - 1, padded = (length + 7) / 8 * 8;
    ck_assert_uint_eq(f.size, 8 + padded + 16);
    ck_assert_uint_eq(f.bytes[0] + 256U * f.bytes[1], padded);
    ck_assert_mem_eq(f.bytes + 2, "\0\0\0\0\0\0", 6);
    ck_assert_mem_eq(f.bytes + 8, header, length);
    for (size_t i = length; i < padded; i++) {
        ck_assert_int_eq(f.bytes[8 + i], ' ');
    }
    /* The wide tensor lies first, where it is aligned. */
    ck_assert_mem_eq(f.bytes + 8 + padded, "\0\0\0\0\0\0\x08\x40", 8);
    ck_assert_mem_eq(f.bytes + 8 + padded + 8, "\0\0\x80\x3f\0\0\0\x40", 8);
    reel_archive_free(a);
    free(f.bytes);
}
END_TEST

START_TEST(same_content_same_bytes)
{
    reel_archive *a = reel_archive_new(), *b = reel_archive_new();
    char key[16];
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_int_eq(reel_archive_set_u64(a, key, (uint64_t)i), REEL_OK);
        snprintf(key, sizeof key, "k%d", 49 - i);
        ck_assert_int_eq(reel_archive_set_u64(b, key, (uint64_t)(49 - i)), REEL_OK);
    }
    put(a, "w", REEL_F32, floats, reel_dims(6));
    put(b, "w", REEL_F32, floats, reel_dims(6));
    ck_assert_int_eq(reel_archive_set(b, "k0", "replaced"), REEL_OK);
    ck_assert_int_eq(reel_archive_set(b, "k0", "0"), REEL_OK);
    memory_file f = memory_file_of(a), g = memory_file_of(b);
    ck_assert_uint_eq(f.size, g.size);
    ck_assert_mem_eq(f.bytes, g.bytes, f.size);
    reel_archive *c = read_back(f);
    memory_file h = memory_file_of(c);
    ck_assert_uint_eq(f.size, h.size);
    ck_assert_mem_eq(f.bytes, h.bytes, f.size);
    reel_archive_free(a);
    reel_archive_free(b);
    reel_archive_free(c);
    free(f.bytes);
    free(g.bytes);
    free(h.bytes);
}
END_TEST

START_TEST(an_empty_archive_is_a_file)
{
    reel_archive *a = reel_archive_new();
    memory_file f = memory_file_of(a);
    ck_assert_mem_eq(f.bytes, "\x08\0\0\0\0\0\0\0{}      ", 16);
    ck_assert_uint_eq(f.size, 16);
    reel_archive *b = read_back(f);
    ck_assert_uint_eq(reel_archive_count(b), 0);
    reel_archive_free(a);
    reel_archive_free(b);
    free(f.bytes);
}
END_TEST

#define T(dtype, shape, begin, end) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static const struct {
    const char *header;
    size_t data;
    const char *message;
} malformed[] = {
    {"", 0, "test: header of 0 bytes, expected 2 to 100000000: corrupted, or no safetensors file"},
    {"[]", 0,
     "test: corrupted header: it does not start with '{' (byte 0 of the header), expected JSON"},
    {" {}", 0, "it does not start with '{'"},
    {"{\"a\":", 0,
     "test: corrupted header: unexpected token near end of file (byte 5 of the header)"},
    {"{}x", 0, "corrupted header: end of file expected near 'x'"},
    {"{\"a\":" T("F32", "[1]", 0, 4) ",\"a\":" T("F32", "[1]", 0, 4) "}", 4,
     "corrupted header: duplicate object key near '\"a\"'"},
    {"{\"a\xff\":1}", 0, "corrupted header: unable to decode byte 0xff"},
    {"{\"a\\u0000b\":1}", 0, "corrupted header: NUL byte in object key not supported"},
    {"{\"__metadata__\":[]}", 0, "test: __metadata__ is no object of strings"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "test: metadata 'k' is no string"},
    {"{\"a\":3}", 0, "test: tensor 'a': its description is no object"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "test: tensor 'a': dtype is missing or no string"},
    {"{\"a\":" T("F99", "[1]", 0, 4) "}", 4,
     "test: tensor 'a': unknown dtype 'F99', expected such as F32"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4,
     "test: tensor 'a': shape is missing or no list of sizes"},
    {"{\"a\":" T("F32", "[-1]", 0, 4) "}", 4, "shape is missing or no list of sizes"},
    {"{\"a\":" T("F32", "[1.0]", 0, 4) "}", 4, "shape is missing or no list of sizes"},
    {"{\"a\":" T("F32", "[99999999999999999999]", 0, 4) "}", 4, "too big integer"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4,
     "test: tensor 'a': data_offsets are not two offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4,
     "test: tensor 'a': data_offsets are not two offsets, the second not below"},
    {"{\"a\":" T("F32", "[1]", 4, 0) "}", 4,
     "data_offsets are not two offsets, the second not below"},
    {"{\"a\":" T("F32", "[2,3]", 0, 20) "}", 20,
     "test: tensor 'a': 20 bytes by its data_offsets, expected 24 for F32 [2,3]"},
    {"{\"a\":" T("F32", "[1]", 0, 8) "}", 8,
     "test: tensor 'a': 8 bytes by its data_offsets, expected 4 for F32 [1]"},
    {"{\"a\":" T("F32", "[4611686018427387904,4]", 0, 0) "}", 0,
     "test: tensor 'a': F32 [4611686018427387904,4] is no possible shape"},
    {"{\"a\":" T("F32", "[0,4611686018427387904,4]", 0, 0) "}", 0, "is no possible shape"},
    {"{\"a\":" T("F4", "[3]", 0, 1) "}", 1, "F4 [3] is no possible shape"},
    {"{\"a\":" T("F32", "[2]", 0, 8) ",\"b\":" T("F32", "[2]", 4, 12) "}", 12,
     "test: tensor 'b' starts at byte 4 of the data, expected 8: tensors overlap"},
    {"{\"a\":" T("F32", "[2]", 0, 8) ",\"b\":" T("F32", "[2]", 0, 8) "}", 8, "tensors overlap"},
    {"{\"a\":" T("F32", "[2]", 0, 8) ",\"b\":" T("F32", "[2]", 12, 20) "}", 20,
     "test: tensor 'b' starts at byte 12 of the data, expected 8: tensors leave a gap"},
    {"{\"a\":" T("F32", "[2]", 4, 12) "}", 12, "starts at byte 4 of the data, expected 0"},
    {"{\"a\":" T("F32", "[2]", 0, 8) "}", 7,
     "test: truncated: tensor 'a' ends at byte 8 of the data, the file has 7 bytes of it"},
    {"{\"a\":" T("F64", "[1000000000000]", 0, 8000000000000) "}", 8,
     "ends at byte 8000000000000 of the data"},
    {"{\"a\":" T("F32", "[2]", 0, 8) "}", 9,
     "test: 1 trailing bytes after the last tensor, expected none"},
    {"{}", 1, "test: 1 trailing bytes"},
    {"{\"a\\u001b[31m\":3}", 0, "test: tensor 'a?[31m': its description is no object"},
};

START_TEST(malformed_files_are_told)
{
    static const char zeros[64];
    memory_file f = memory_file_make(malformed[_i].header, zeros, malformed[_i].data);
    reel_archive *a = make_mixed(), *unchanged = make_mixed();
    ck_assert_int_eq(reel__archive_read_bytes(a, "test", f.bytes, f.size), REEL_ERR_FORMAT);
    ck_assert_msg(strstr(reel_archive_message(a), malformed[_i].message), "got: %s",
                  reel_archive_message(a));
    ck_assert_ptr_null(strchr(reel_archive_message(a), '\n'));
    assert_same(a, unchanged);
    reel_archive_free(a);
    reel_archive_free(unchanged);
    free(f.bytes);
}
END_TEST

START_TEST(oversized_headers_are_refused)
{
    /* Length of 100 MB and 1 byte, of 2^63, of all ones; and one that the file is too short for. */
    static const unsigned char length[][8] = {{0x01, 0xe1, 0xf5, 0x05},
                                              {0, 0, 0, 0, 0, 0, 0, 0x80},
                                              {255, 255, 255, 255, 255, 255, 255, 255},
                                              {0x00, 0xe1, 0xf5, 0x05}};
    static const char *const message[] = {
        "test: header of 100000001 bytes, expected 2 to 100000000",
        "test: header of 9223372036854775808 bytes", "test: header of 18446744073709551615 bytes",
        "test: truncated in its header: it has 10 bytes, the header alone needs 100000008"};
    for (int i = 0; i < 4; i++) {
        unsigned char bytes[10] = "........{}";
        memcpy(bytes, length[i], 8);
        reel_archive *a = reel_archive_new();
        ck_assert_int_eq(reel__archive_read_bytes(a, "test", bytes, 10), REEL_ERR_FORMAT);
        ck_assert_msg(strstr(reel_archive_message(a), message[i]), "got: %s",
                      reel_archive_message(a));
        reel_archive_free(a);
    }
}
END_TEST

START_TEST(every_truncation_is_told)
{
    reel_archive *whole = make_mixed();
    memory_file f = memory_file_of(whole);
    for (size_t n = 0; n < f.size; n++) {
        /* A block of just that size, so that reading past it shows under a checker. */
        unsigned char *cut = malloc(n ? n : 1);
        memcpy(cut, f.bytes, n);
        reel_archive *a = reel_archive_new();
        ck_assert_int_eq(reel__archive_read_bytes(a, "cut.st", cut, n), REEL_ERR_FORMAT);
        ck_assert_msg(strncmp(reel_archive_message(a), "cut.st: ", 8) == 0 &&
                          strstr(reel_archive_message(a), "truncated"),
                      "%zu bytes: %s", n, reel_archive_message(a));
        ck_assert_uint_eq(reel_archive_count(a), 0);
        reel_archive_free(a);
        free(cut);
    }
    reel_archive_free(whole);
    free(f.bytes);
}
END_TEST

START_TEST(sixteen_bit_floats_widen_exactly)
{
    enum { N = 65536 };
    uint16_t *half = malloc(2 * N * sizeof *half);
    for (int i = 0; i < N; i++) {
        half[i] = half[N + i] = (uint16_t)i;
    }
    memory_file f = memory_file_make(
        "{\"h\":" T("F16", "[65536]", 0, 131072) ",\"b\":" T("BF16", "[65536]", 131072, 262144) "}",
        half, 2 * N * sizeof *half);
    reel_archive *a = read_back(f);
    const float *h = reel_archive_find(a, "h")->data, *b = reel_archive_find(a, "b")->data;
    ck_assert_int_eq(reel_archive_find(a, "h")->dtype, REEL_F32);
    for (int i = 0; i < N; i++) {
        int exponent = i >> 10 & 31, mantissa = i & 1023, sign = i >> 15;
        double expected = exponent == 31 ? (mantissa ? NAN : INFINITY)
                          : exponent     ? ldexp(1024 + mantissa, exponent - 25)
                                         : ldexp(mantissa, -24);
        ck_assert(isnan(expected) ? isnan(h[i]) : (double)fabsf(h[i]) == expected);
        ck_assert_int_eq(signbit(h[i]) != 0, sign);
        uint32_t bits;
        memcpy(&bits, &b[i], sizeof bits);
        ck_assert_uint_eq(bits, (uint32_t)i << 16);
    }
    /* What was read narrow is written wide, and valid. */
    memory_file g = memory_file_of(a);
    reel_archive *c = read_back(g);
    assert_same(a, c);
    reel_archive_free(a);
    reel_archive_free(c);
    free(f.bytes);
    free(g.bytes);
    free(half);
}
END_TEST

START_TEST(what_reel_cannot_hold_is_kept)
{
    static const char data[] = "0123456789abcdefABCDEFGHxyz";
    memory_file f = memory_file_make(
        "{\"num_batches_tracked\":" T("I64", "[]", 0, 8) ",\"w\":" T(
            "F32", "[2]", 8, 16) ",\"five\":" T("F32", "[1,1,2,1,1]", 16,
                                                24) ",\"mask\":" T("BOOL", "[3]", 24, 27) "}",
        data, 27);
    reel_archive *a = read_back(f);
    ck_assert_uint_eq(reel_archive_count(a), 1);
    ck_assert_str_eq(reel_archive_at(a, 0)->name, "w");
    ck_assert_ptr_null(reel_archive_find(a, "num_batches_tracked"));
    ck_assert_str_eq(reel_archive_skipped(a, 0),
                     "'num_batches_tracked': elements are I64, Reel holds "
                     "F64, F32, F16, BF16 and I32");
    ck_assert_str_eq(reel_archive_skipped(a, 1), "'five': rank 5, Reel holds at most 4");
    ck_assert(strstr(reel_archive_skipped(a, 2), "'mask': elements are BOOL"));
    ck_assert_ptr_null(reel_archive_skipped(a, 3));
    memory_file g = memory_file_of(a);
    ck_assert_mem_eq(g.bytes + g.size - 27, data, 27);
    reel_archive *b = read_back(g);
    ck_assert_ptr_nonnull(reel_archive_skipped(b, 2));
    ck_assert_mem_eq(reel_archive_find(b, "w")->data, "89abcdef", 8);
    /* A name that is kept is taken. */
    ck_assert_int_eq(reel_archive_put(b, "five", REEL_F32, floats, reel_dims(1)),
                     REEL_ERR_ARGUMENT);
    reel_archive_free(a);
    reel_archive_free(b);
    free(f.bytes);
    free(g.bytes);
}
END_TEST

START_TEST(bad_puts_are_told)
{
    static const struct {
        const char *name;
        reel_dtype dtype;
        const void *data;
        reel_shape shape;
        reel_status status;
        const char *message;
    } bad[] = {
        {NULL, REEL_F32, floats, {1, {1}}, REEL_ERR_ARGUMENT, "expected a name"},
        {"a\xc3", REEL_F32, floats, {1, {1}}, REEL_ERR_ARGUMENT, "not valid UTF-8"},
        {"\xed\xa0\x80", REEL_F32, floats, {1, {1}}, REEL_ERR_ARGUMENT, "not valid UTF-8"},
        {"\xc0\x80", REEL_F32, floats, {1, {1}}, REEL_ERR_ARGUMENT, "not valid UTF-8"},
        {"\xf4\x90\x80\x80", REEL_F32, floats, {1, {1}}, REEL_ERR_ARGUMENT, "not valid UTF-8"},
        {"__metadata__",
         REEL_F32,
         floats,
         {1, {1}},
         REEL_ERR_ARGUMENT,
         "keeps this name for itself"},
        {"w",
         REEL_DTYPE_DEFAULT,
         floats,
         {1, {1}},
         REEL_ERR_ARGUMENT,
         "tensor 'w': dtype 0, expected f32, f64 or i32"},
        {"w", (reel_dtype)7, floats, {1, {1}}, REEL_ERR_ARGUMENT, "dtype 7"},
        {"w", REEL_F32, floats, {5, {1}}, REEL_ERR_SHAPE, "tensor 'w': rank 5, expected 0 to 4"},
        {"w", REEL_F32, floats, {-1, {1}}, REEL_ERR_SHAPE, "rank -1"},
        {"w", REEL_F32, floats, {2, {3, -2}}, REEL_ERR_SHAPE, "[3,-2] is no possible shape"},
        {"w", REEL_F32, floats, {2, {INT64_MAX, 2}}, REEL_ERR_SHAPE, "is no possible shape"},
        {"w", REEL_F32, NULL, {1, {1}}, REEL_ERR_ARGUMENT, "tensor 'w': the data is NULL"},
        {"there",
         REEL_F32,
         floats,
         {1, {1}},
         REEL_ERR_ARGUMENT,
         "tensor 'there' is in the archive already"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reel_archive *a = reel_archive_new();
        put(a, "there", REEL_F32, floats, reel_dims(1));
        ck_assert_int_eq(reel_archive_put(a, bad[i].name, bad[i].dtype, bad[i].data, bad[i].shape),
                         bad[i].status);
        ck_assert_msg(strstr(reel_archive_message(a), bad[i].message), "%zu: %s", i,
                      reel_archive_message(a));
        ck_assert_uint_eq(reel_archive_count(a), 1);
        /* The first error stays. */
        ck_assert_int_eq(reel_archive_put(a, "fine", REEL_F32, floats, reel_dims(1)),
                         bad[i].status);
        ck_assert_int_eq(reel_archive_set(a, "k", "v"), bad[i].status);
        ck_assert_int_eq(reel_archive_fail(a, REEL_ERR_NAN, "later"), bad[i].status);
        ck_assert(strstr(reel_archive_message(a), bad[i].message));
        reel_archive_free(a);
    }
}
END_TEST

START_TEST(null_is_no_crash)
{
    uint64_t n;
    double x;
    reel_archive_free(NULL);
    ck_assert_int_eq(reel_archive_status(NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_put(NULL, "w", REEL_F32, floats, reel_dims(1)),
                     REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_read(NULL, "x"), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_write(NULL, "x"), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_set(NULL, "k", "v"), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_get_u64(NULL, "k", &n), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_get_f64(NULL, "k", &x), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_archive_put_params(NULL, "", NULL), REEL_ERR_ARGUMENT);
    ck_assert_uint_eq(reel_archive_count(NULL), 0);
    ck_assert_ptr_null(reel_archive_at(NULL, 0));
    ck_assert_ptr_null(reel_archive_find(NULL, "w"));
    ck_assert_ptr_null(reel_archive_get(NULL, "k"));
    ck_assert_ptr_null(reel_archive_skipped(NULL, 0));
    ck_assert_str_eq(reel_archive_message(NULL), "the archive is NULL");
    reel_archive *a = reel_archive_new();
    ck_assert_ptr_null(reel_archive_find(a, NULL));
    ck_assert_ptr_null(reel_archive_get(a, NULL));
    ck_assert_int_eq(reel_archive_set(a, NULL, "v"), REEL_ERR_ARGUMENT);
    reel_archive_free(a);
}
END_TEST

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void assert_number_returns(reel_archive *a, uint64_t bits)
{
    double x, y = 7;
    memcpy(&x, &bits, sizeof x);
    ck_assert_int_eq(reel_archive_set_f64(a, "x", x), REEL_OK);
    ck_assert_int_eq(reel_archive_get_f64(a, "x", &y), REEL_OK);
    ck_assert_msg(bits_of(y) == bits, "%a came back as %a from '%s'", x, y,
                  reel_archive_get(a, "x"));
    if (isfinite(x)) { /* and any C program would read the same from it */
        ck_assert_uint_eq(bits_of(strtod(reel_archive_get(a, "x"), NULL)), bits);
    }
}

START_TEST(numbers_come_back_bit_for_bit)
{
    static const double some[] = {0.0,
                                  -0.0,
                                  1.0,
                                  -1.5,
                                  0.1,
                                  0x1p-1074,
                                  0x1p-1022,
                                  0x1.fffffffffffffp-1023,
                                  1.7976931348623157e308,
                                  INFINITY,
                                  -INFINITY,
                                  NAN,
                                  3e-4};
    reel_archive *a = reel_archive_new();
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        assert_number_returns(a, bits_of(some[i]));
    }
    uint64_t state = 1;
    for (int i = 0; i < 20000; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        assert_number_returns(a, state ^ state >> 29);
    }
    for (int i = 0; i < 64; i++) {
        uint64_t n = UINT64_MAX << i, back = 0;
        ck_assert_int_eq(reel_archive_set_u64(a, "n", n), REEL_OK);
        ck_assert_int_eq(reel_archive_get_u64(a, "n", &back), REEL_OK);
        ck_assert_uint_eq(back, n);
    }
    reel_archive_free(a);
}
END_TEST

START_TEST(malformed_numbers_are_told)
{
    static const char *const whole[] = {"",   "-1",  "+1",   " 1",
                                        "1 ", "1.0", "0x10", "18446744073709551616"};
    static const char *const real[] = {"",
                                       "1.5",
                                       "0x",
                                       "0x1",
                                       "0x.p+0",
                                       "0x1p",
                                       "0x1p+",
                                       "0x1p+99999",
                                       "0x1p+1 ",
                                       "--0x1p+0",
                                       "nan(0x)",
                                       "nan(0x0)",
                                       "infinity",
                                       "0x1p+2000",
                                       "nan(0x1",
                                       "0x1.00000000000000000000p+0",
                                       "0x3fffffffffffff.8p+0"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        reel_archive *a = reel_archive_new();
        uint64_t n = 7;
        ck_assert_int_eq(reel_archive_set(a, "n", whole[i]), REEL_OK);
        ck_assert_int_eq(reel_archive_get_u64(a, "n", &n), REEL_ERR_FORMAT);
        ck_assert_uint_eq(n, 7);
        ck_assert(strstr(reel_archive_message(a), "metadata 'n' is '"));
        ck_assert(strstr(reel_archive_message(a), "expected a whole number"));
        reel_archive_free(a);
    }
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        reel_archive *a = reel_archive_new();
        double x = 7;
        ck_assert_int_eq(reel_archive_set(a, "x", real[i]), REEL_OK);
        ck_assert_msg(reel_archive_get_f64(a, "x", &x) == REEL_ERR_FORMAT, "'%s' read as %a",
                      real[i], x);
        ck_assert_double_eq(x, 7);
        reel_archive_free(a);
    }
    reel_archive *a = reel_archive_new();
    double x = 7;
    ck_assert_int_eq(reel_archive_get_f64(a, "rate", &x), REEL_ERR_FORMAT);
    ck_assert_str_eq(reel_archive_message(a),
                     "archive: no entry 'rate' in the metadata, expected a hexadecimal float");
    reel_archive_free(a);
}
END_TEST

/* Jansson's allocations, made to fail from outside. */
static uint64_t jansson_countdown;
static bool jansson_failed;

static void *jansson_malloc(size_t size)
{
    if (jansson_countdown && --jansson_countdown == 0) {
        jansson_failed = true;
        return NULL;
    }
    return malloc(size);
}

static void fail_next(bool in_jansson, uint64_t nth)
{
    jansson_failed = false;
    jansson_countdown = in_jansson ? nth : 0;
    reel__memory_fail(in_jansson ? 0 : nth, false);
}

static bool has_failed(void)
{
    bool failed = jansson_failed || reel__memory_failed();
    jansson_countdown = 0;
    reel__memory_fail(0, false);
    return failed;
}

/* Fails the nth allocation of an action, for n = 1, 2, ... until it needs fewer. */
static void fail_each(bool in_jansson, void (*action)(uint64_t n, bool in_jansson, bool *failed))
{
    bool failed = true;
    json_set_alloc_funcs(jansson_malloc, free);
    uint64_t n = 0;
    while (failed) {
        ck_assert_uint_lt(n, 100000);
        action(++n, in_jansson, &failed);
    }
    ck_assert_uint_gt(n, 2); /* something was made to fail */
    json_set_alloc_funcs(malloc, free);
}

static void assert_clean(const reel_archive *a, bool failed, uint64_t n)
{
    ck_assert_msg((reel_archive_status(a) == REEL_ERR_MEMORY) == failed, "allocation %llu: %s",
                  (unsigned long long)n, reel_archive_message(a));
    ck_assert(!failed || strstr(reel_archive_message(a), "out of memory"));
}

static void read_failing(uint64_t n, bool in_jansson, bool *failed)
{
    static const uint16_t half[4];
    reel_archive *mixed = make_mixed(), *a = make_mixed();
    memory_file f = memory_file_of(mixed);
    memory_file g = memory_file_make(
        "{\"h\":" T("F16", "[2]", 0, 4) ",\"i\":" T("I16", "[2]", 4, 8) "}", half, 8);
    fail_next(in_jansson, n);
    reel_status status = reel__archive_read_bytes(a, "f", f.bytes, f.size);
    status = status ? status : reel__archive_read_bytes(a, "g", g.bytes, g.size);
    *failed = has_failed();
    assert_clean(a, *failed, n);
    ck_assert_int_eq(status, reel_archive_status(a));
    if (reel_archive_count(a) != 1) {
        assert_same(a, mixed);
    }
    reel_archive_free(a);
    reel_archive_free(mixed);
    free(f.bytes);
    free(g.bytes);
}

static void write_failing(uint64_t n, bool in_jansson, bool *failed)
{
    reel_archive *a = make_mixed();
    fail_next(in_jansson, n);
    memory_file f = memory_file_of(a);
    *failed = has_failed();
    assert_clean(a, *failed, n);
    ck_assert_int_eq(f.size == 0, *failed);
    reel_archive_free(a);
    free(f.bytes);
}

static void put_failing(uint64_t n, bool in_jansson, bool *failed)
{
    reel_archive *a = reel_archive_new();
    char name[16];
    fail_next(in_jansson, n);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "w%d", i);
        if (reel_archive_put(a, name, REEL_F64, doubles, reel_dims(8)) ||
            reel_archive_set_u64(a, name, 1)) {
            break;
        }
    }
    *failed = has_failed();
    assert_clean(a, *failed, n);
    reel_archive_free(a);
}

START_TEST(every_allocation_may_fail)
{
    fail_each(false, read_failing);
    fail_each(false, write_failing);
    fail_each(false, put_failing);
    /* Reading is left out here: Jansson's scanner does not check all of its own allocations. */
    fail_each(true, write_failing);
    fail_each(true, put_failing);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("archive");
    TCase *holds = tcase_create("holds");
    tcase_add_test(holds, comes_back_bit_for_bit);
    tcase_add_test(holds, bytes_are_those_of_the_format);
    tcase_add_test(holds, same_content_same_bytes);
    tcase_add_test(holds, an_empty_archive_is_a_file);
    tcase_add_test(holds, sixteen_bit_floats_widen_exactly);
    tcase_add_test(holds, what_reel_cannot_hold_is_kept);
    tcase_add_test(holds, numbers_come_back_bit_for_bit);
    suite_add_tcase(suite, holds);
    TCase *refuses = tcase_create("refuses");
    tcase_add_loop_test(refuses, malformed_files_are_told, 0,
                        (int)(sizeof malformed / sizeof *malformed));
    tcase_add_test(refuses, oversized_headers_are_refused);
    tcase_add_test(refuses, every_truncation_is_told);
    tcase_add_test(refuses, bad_puts_are_told);
    tcase_add_test(refuses, malformed_numbers_are_told);
    tcase_add_test(refuses, null_is_no_crash);
    tcase_add_test(refuses, every_allocation_may_fail);
    suite_add_tcase(suite, refuses);
    return suite_run(suite);
}
