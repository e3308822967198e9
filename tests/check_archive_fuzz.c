/* The reader of safetensors on damaged files: a fixed sequence of them, no fuzzer needed. */
#include "fuzz/archive.h"
#include "suite.h"

enum { SEEDS = 5, ROOM = 4096 };

typedef struct sample {
    unsigned char bytes[ROOM];
    size_t size;
} sample;

static uint64_t state;

/* xorshift64* (Vigna 2016): below n. */
static size_t any(size_t n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (size_t)(state * UINT64_C(2685821657736338717) >> 32) % (n ? n : 1);
}

#define T(dtype, shape, begin, end) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

/* Whole files, each with something of its own to break. */
static const struct {
    const char *header;
    size_t data;
} seed[SEEDS] = {
    {"{}      ", 0},
    {"{\"w\":" T("F32", "[2]", 0, 8) "}", 8},
    {"{\"__metadata__\":{\"opt.rate\":\"0x1.8p-3\",\"é\":\"\\u00e9\"},\"a\":" T(
         "F64", "[2,3]", 0, 48) ",\"b\":" T("I32", "[]", 48, 52) ",\"c\":" T("F32", "[0,7]", 52,
                                                                             52) "}",
     52},
    {"{\"w\":" T("BF16", "[2]", 6, 10) ",\"h\":" T("F16", "[3,1]", 0, 6) "}", 10},
    {"{\"num_batches_tracked\":" T("I64", "[]", 0, 8) ",\"five\":" T(
         "F32", "[1,1,1,1,2]", 8, 16) ",\"bits\":" T("F4", "[4]", 16, 18) "}",
     18},
};

static sample make_seed(size_t i)
{
    unsigned char data[64];
    sample s = {.size = 0};
    for (size_t k = 0; k < sizeof data; k++) {
        data[k] = (unsigned char)(k * 37);
    }
    memory_file f = memory_file_make(seed[i].header, data, seed[i].data);
    memcpy(s.bytes, f.bytes, f.size);
    s.size = f.size;
    free(f.bytes);
    return s;
}

/* Replaces `size` bytes at `at` by others, as far as there is room. */
static void splice(sample *s, size_t at, size_t size, const void *bytes, size_t count)
{
    size_t rest = s->size - at - size;
    if (at + count + rest > ROOM) {
        return;
    }
    memmove(s->bytes + at + count, s->bytes + at + size, rest);
    memcpy(s->bytes + at, bytes, count);
    s->size = at + count + rest;
}

static void damage(sample *s)
{
    static const char *const word[] = {
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "0",
        "-1",
        "1e9",
        "null",
        "F32",
        "F16",
        "I64",
        "BOOL",
        "9223372036854775807",
        "[2,3]",
        "[0,8]",
        "\\u0000",
        "\\ud800",
        "\xff",
        "\xc3\xa9",
        " ",
        "\"dtype\":",
        "\"w\":",
        "\"__metadata__\":",
        "4611686018427387904",
        "18446744073709551616",
        "\"shape\":[]",
    };
    unsigned char piece[64];
    size_t at = any(s->size + 1), count = any(s->size - at + 1);
    count = count < sizeof piece ? count : sizeof piece;
    const char *w = word[any(sizeof word / sizeof *word)];
    switch (any(7)) {
    case 0:
        s->size = at;
        break;
    case 1:
        splice(s, at, count, "", 0);
        break;
    case 2:
        memcpy(piece, s->bytes + at, count);
        splice(s, any(s->size + 1), 0, piece, count);
        break;
    case 3:
        splice(s, at, 0, w, strlen(w));
        break;
    case 4:
        splice(s, at, count < strlen(w) ? count : strlen(w), w, strlen(w));
        break;
    default:
        if (at < s->size) {
            s->bytes[at] = (unsigned char)(any(2) ? s->bytes[at] ^ 1U << any(8) : any(256));
        }
    }
}

/* Lets the header's length fit the header again, so that damage gets past the first check. */
static void repair_length(sample *s, size_t data)
{
    if (s->size < 8 + data) {
        return;
    }
    size_t length = s->size - 8 - data;
    for (int i = 0; i < 8; i++) {
        s->bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
    }
}

START_TEST(damaged_files_are_read_or_refused)
{
    int rounds = getenv("REEL_TEST_SLOW") ? 1000 : 30000;
    state = UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)_i;
    for (int round = 0; round < rounds; round++) {
        sample s = make_seed((size_t)_i);
        for (size_t n = 1 + any(4); n > 0; n--) {
            damage(&s);
        }
        if (any(4)) {
            repair_length(&s, seed[_i].data);
        }
        /* A block of just that size, so that reading past it shows under a checker. */
        unsigned char *bytes = malloc(s.size ? s.size : 1);
        ck_assert_ptr_nonnull(bytes);
        memcpy(bytes, s.bytes, s.size);
        fuzz_archive(bytes, s.size);
        free(bytes);
    }
}
END_TEST

START_TEST(the_samples_are_whole)
{
    sample s = make_seed((size_t)_i);
    reel_archive *a = reel_archive_new();
    reel_status status = reel__archive_read_bytes(a, "fuzz", s.bytes, s.size);
    ck_assert_msg(status == REEL_OK, "%s", reel_archive_message(a));
    reel_archive_free(a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("archive fuzz");
    TCase *files = tcase_create("files");
    tcase_add_loop_test(files, the_samples_are_whole, 0, SEEDS);
    tcase_add_loop_test(files, damaged_files_are_read_or_refused, 0, SEEDS);
    suite_add_tcase(suite, files);
    return suite_run(suite);
}
