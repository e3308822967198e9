/* Files of weights: to and from a set, through other programs' eyes, and when things go wrong. */
#include <math.h>
#include <reel/cell.h>
#include <reel/file.h>
#include <reel/params.h>
#include <sys/wait.h>

#include "folder.h"
#include "memory.h"
#include "memory_file.h"
#include "suite.h"

#define assert_ok(status, ps) ck_assert_msg((status) == REEL_OK, "%s", reel_params_message(ps))

static const reel_init normal = {REEL_INIT_NORMAL, 0, 1};

static const char *golden(char out[FOLDER_PATH], const char *name)
{
    const char *dir = getenv("srcdir");
    snprintf(out, FOLDER_PATH, "%s/tests/golden/%s", dir ? dir : ".", name);
    return out;
}

/* A small net's weights, names and shapes of all kinds. */
static reel_params *make_params(reel_dtype dtype, uint64_t seed)
{
    reel_params *ps = reel_params_new(dtype, seed);
    reel_params_get(ps, "lstm.weight_ih_l0", reel_dims(20, 3), normal, 4);
    reel_params_get(ps, "lstm.bias_ih_l0", reel_dims(20), normal, 0);
    reel_params_get(ps, "größe/\"層\"", reel_dims(2, 1, 3, 2), normal, 0);
    reel_params_get(ps, "scale", reel_scalar_shape(), normal, 0);
    reel_params_get(ps, "nothing", reel_dims(0, 5), normal, 0);
    assert_ok(reel_params_status(ps), ps);
    return ps;
}

static void assert_equal(const reel_params *a, const reel_params *b)
{
    ck_assert_uint_eq(reel_params_count(a), reel_params_count(b));
    for (size_t i = 0; i < reel_params_count(a); i++) {
        const reel_param *p = reel_params_at(a, i), *q = reel_params_find(b, reel_param_name(p));
        ck_assert_ptr_nonnull(q);
        ck_assert(reel_shape_equal(reel_param_shape(p), reel_param_shape(q)));
        ck_assert_mem_eq(reel_param_data(p), reel_param_data(q),
                         (size_t)reel_param_size(p) * reel_dtype_size(reel_param_dtype(p)));
    }
}

static void save(reel_params *ps, const char *path)
{
    reel_status status = reel_params_save(ps, path);
    assert_ok(status, ps);
}

static void load(reel_params *ps, const char *path)
{
    reel_status status = reel_params_load(ps, path);
    assert_ok(status, ps);
}

START_TEST(comes_back_bit_for_bit)
{
    reel_dtype dtype = _i ? REEL_F64 : REEL_F32;
    folder f = folder_make();
    char path[FOLDER_PATH];
    reel_params *ps = make_params(dtype, 1), *other = make_params(dtype, 2);
    save(ps, folder_file(&f, path, "a"));
    uint64_t version = reel_param_version(reel_params_at(other, 0));
    load(other, path);
    assert_equal(ps, other);
    ck_assert(reel_param_loaded(reel_params_at(other, 0)));
    ck_assert_uint_ne(reel_param_version(reel_params_at(other, 0)), version);
    ck_assert_ptr_null(reel_params_unclaimed(other, 0));
    reel_params_free(ps);
    reel_params_free(other);
    folder_remove(&f);
}
END_TEST

START_TEST(waits_for_names)
{
    folder f = folder_make();
    char path[FOLDER_PATH], copy[FOLDER_PATH];
    reel_params *ps = make_params(REEL_F32, 1), *other = reel_params_new(REEL_F32, 2);
    save(ps, folder_file(&f, path, "a"));
    load(other, path);
    ck_assert_uint_eq(reel_params_count(other), 0);
    ck_assert_str_eq(reel_params_unclaimed(other, 2), "größe/\"層\"");
    /* Saved before any weight was made, nothing is lost, and the bytes are the same. */
    save(other, folder_file(&f, copy, "b"));
    char *first = file_text(path), *second = file_text(copy);
    ck_assert_mem_eq(first, second, 600);
    free(first);
    free(second);
    reel_param *p = reel_params_get(other, "scale", reel_scalar_shape(), normal, 0);
    ck_assert_mem_eq(reel_param_data(p), reel_param_data(reel_params_find(ps, "scale")), 4);
    ck_assert_ptr_null(reel_params_get(other, "nothing", reel_dims(5, 0), normal, 0));
    ck_assert_int_eq(reel_params_status(other), REEL_ERR_SHAPE);
    reel_params_free(ps);
    reel_params_free(other);
    folder_remove(&f);
}
END_TEST

START_TEST(converts_between_dtypes)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    reel_params *narrow = make_params(REEL_F32, 1), *wide = make_params(REEL_F64, 2),
                *back = make_params(REEL_F32, 3);
    save(narrow, folder_file(&f, path, "a"));
    load(wide, path);
    const float *x = reel_param_data(reel_params_at(narrow, 0));
    const double *y = reel_param_data(reel_params_at(wide, 0));
    for (int i = 0; i < 60; i++) {
        ck_assert(y[i] == (double)x[i]);
    }
    save(wide, path);
    load(back, path);
    assert_equal(narrow, back);
    reel_params_free(narrow);
    reel_params_free(wide);
    reel_params_free(back);
    folder_remove(&f);
}
END_TEST

START_TEST(same_weights_same_bytes)
{
    folder f = folder_make();
    char path[2][FOLDER_PATH];
    for (int i = 0; i < 2; i++) {
        reel_params *ps = make_params(REEL_F64, 5);
        save(ps, folder_file(&f, path[i], i ? "b" : "a"));
        reel_params_free(ps);
    }
    struct stat a, b;
    ck_assert(stat(path[0], &a) == 0 && stat(path[1], &b) == 0);
    ck_assert_int_eq(a.st_size, b.st_size);
    char *first = file_text(path[0]), *second = file_text(path[1]);
    ck_assert_mem_eq(first, second, (size_t)a.st_size);
    free(first);
    free(second);
    folder_remove(&f);
}
END_TEST

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    char message[256];
    ck_assert_int_eq(reel_write_file(path, bytes, size, message, sizeof message), REEL_OK);
}

/* Loading the file fails like that, and nothing has changed. */
static void assert_refused(const char *path, reel_status status, const char *expected)
{
    reel_params *ps = make_params(REEL_F32, 1), *before = make_params(REEL_F32, 1);
    reel_status got = reel_params_load(ps, path);
    const char *message = reel_params_message(ps);
    ck_assert_msg(got == status, "%s: %s", reel_status_name(got), message);
    ck_assert_int_eq(reel_params_status(ps), status);
    ck_assert_msg(strncmp(message, path, strlen(path)) == 0, "no path in '%s'", message);
    ck_assert_msg(strcmp(message + strlen(path), expected) == 0, "got: %s", message + strlen(path));
    assert_equal(before, ps);
    ck_assert_ptr_null(reel_params_unclaimed(ps, 0));
    /* The set says so until it is told to go on. */
    ck_assert_int_eq(reel_params_load(ps, path), status);
    reel_params_free(ps);
    reel_params_free(before);
}

START_TEST(bad_paths_are_told)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    assert_refused(folder_file(&f, path, "none"), REEL_ERR_FILE,
                   ": cannot open: No such file or directory");
    assert_refused(f.path, REEL_ERR_FILE, ": is a folder, expected a safetensors file");
    assert_refused("/dev/null", REEL_ERR_FILE, ": is no regular file, expected a safetensors file");
    ck_assert_int_eq(mkfifo(folder_file(&f, path, "pipe"), 0600), 0);
    assert_refused(path, REEL_ERR_FILE, ": is no regular file, expected a safetensors file");
    write_bytes(folder_file(&f, path, "secret"), "x", 1);
    ck_assert(chmod(path, 0) == 0 && chmod(f.path, 0755) == 0);
    uid_t user = geteuid();
    if (user == 0) {
        ck_assert_int_eq(seteuid(65534), 0);
    }
    assert_refused(path, REEL_ERR_FILE, ": cannot open: Permission denied");
    ck_assert_int_eq(seteuid(user), 0);
    reel_params *ps = make_params(REEL_F32, 1);
    ck_assert_int_eq(reel_params_save(ps, f.path), REEL_ERR_FILE);
    ck_assert(strstr(reel_params_message(ps), ": cannot write: it is a folder"));
    reel_params_clear_error(ps);
    ck_assert_int_eq(reel_params_save(ps, NULL), REEL_ERR_ARGUMENT);
    reel_params_clear_error(ps);
    ck_assert_int_eq(reel_params_load(ps, NULL), REEL_ERR_ARGUMENT);
    ck_assert_str_eq(reel_params_message(ps), "the path to read is NULL");
    ck_assert_int_eq(reel_params_save(NULL, path), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_params_load(NULL, path), REEL_ERR_ARGUMENT);
    reel_params_free(ps);
    folder_remove(&f);
}
END_TEST

START_TEST(full_disks_are_told)
{
    reel_params *ps = make_params(REEL_F64, 1);
    if (access("/dev/full", W_OK) == 0) {
        ck_assert_int_eq(reel_params_save(ps, "/dev/full"), REEL_ERR_FILE);
        ck_assert_str_eq(reel_params_message(ps),
                         "/dev/full: cannot write: No space left on device");
    }
    reel_params_free(ps);
}
END_TEST

/* A file with one tensor of that kind after one that fits. */
static void write_tensor(const char *path, const char *name, const char *dtype, const char *shape,
                         size_t size)
{
    static const char zeros[256];
    char header[512];
    snprintf(header, sizeof header,
             "{\"scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
             "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[4,%zu]}}",
             name, dtype, shape, size + 4);
    memory_file file = memory_file_make(header, zeros, size + 4);
    write_bytes(path, file.bytes, file.size);
    free(file.bytes);
}

START_TEST(tensors_that_do_not_fit_are_told)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    folder_file(&f, path, "a");
    write_tensor(path, "lstm.bias_ih_l0", "F32", "[5,4]", 80);
    assert_refused(path, REEL_ERR_SHAPE,
                   ": tensor 'lstm.bias_ih_l0' has shape [5,4], expected [20] "
                   "as the weight has");
    write_tensor(path, "lstm.bias_ih_l0", "F64", "[19]", 152);
    assert_refused(path, REEL_ERR_SHAPE,
                   ": tensor 'lstm.bias_ih_l0' has shape [19], expected [20] "
                   "as the weight has");
    write_tensor(path, "lstm.bias_ih_l0", "I32", "[20]", 80);
    assert_refused(path, REEL_ERR_FORMAT,
                   ": tensor 'lstm.bias_ih_l0' is I32 [20], expected F64, "
                   "F32, F16 or BF16 of shape [20]");
    write_tensor(path, "lstm.bias_ih_l0", "I64", "[20]", 160);
    assert_refused(path, REEL_ERR_FORMAT,
                   ": tensor 'lstm.bias_ih_l0' is I64 [20], expected F64, "
                   "F32, F16 or BF16 of shape [20]");
    write_tensor(path, "lstm.bias_ih_l0", "F32", "[1,1,20,1,1]", 80);
    assert_refused(path, REEL_ERR_FORMAT,
                   ": tensor 'lstm.bias_ih_l0' is F32 [1,1,20,1,1], expected "
                   "F64, F32, F16 or BF16 of shape [20]");
    write_tensor(path, "lstm.bias_ih_l0", "FP8", "[20]", 20);
    assert_refused(path, REEL_ERR_FORMAT,
                   ": tensor 'lstm.bias_ih_l0': unknown dtype 'FP8', expected such as F32");
    write_tensor(path, "", "F32", "[20]", 80);
    assert_refused(path, REEL_ERR_ARGUMENT, ": reel_params_offer: a tensor needs a name");
    folder_remove(&f);
}
END_TEST

START_TEST(foreign_tensors_do_no_harm_until_asked_for)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    write_tensor(folder_file(&f, path, "a"), "num_batches_tracked", "I64", "[]", 8);
    reel_params *ps = make_params(REEL_F32, 1);
    load(ps, path);
    ck_assert_float_eq(*(const float *)reel_param_data(reel_params_find(ps, "scale")), 0);
    ck_assert_str_eq(reel_params_unclaimed(ps, 0), "num_batches_tracked");
    ck_assert_ptr_null(reel_params_unclaimed(ps, 1));
    reel_params *copy = reel_params_copy(ps);
    save(ps, path);
    ck_assert_ptr_null(reel_params_get(ps, "num_batches_tracked", reel_scalar_shape(), normal, 0));
    const char *expected =
        "weight 'num_batches_tracked': the loaded tensor of that name is I64 [], "
        "expected F64, F32, F16 or BF16 of rank 4 or less";
    ck_assert_str_eq(reel_params_message(ps), expected);
    ck_assert_ptr_null(
        reel_params_get(copy, "num_batches_tracked", reel_scalar_shape(), normal, 0));
    ck_assert_str_eq(reel_params_message(copy), expected);
    reel_params_free(ps);
    reel_params_free(copy);
    folder_remove(&f);
}
END_TEST

/* Several modules in one file. */
START_TEST(prefixes_keep_sets_apart)
{
    reel_params *a = make_params(REEL_F32, 1), *b = make_params(REEL_F64, 2),
                *c = make_params(REEL_F64, 3), *d = reel_params_new(REEL_F32, 1);
    reel_archive *archive = reel_archive_new();
    reel_status status = reel_archive_put_params(archive, "encoder.", a);
    status = status ? status : reel_archive_put_params(archive, "decoder.", b);
    status = status ? status : reel_archive_take_params(archive, "decoder.", c);
    status = status ? status : reel_archive_take_params(archive, "", d);
    ck_assert_msg(status == REEL_OK, "%s", reel_archive_message(archive));
    assert_equal(b, c);
    ck_assert_str_eq(reel_params_unclaimed(d, 0), "encoder.lstm.weight_ih_l0");
    ck_assert_str_eq(reel_params_unclaimed(d, 5), "decoder.lstm.weight_ih_l0");
    ck_assert_int_eq(reel_archive_put_params(archive, "encoder.", b), REEL_ERR_ARGUMENT);
    ck_assert_str_eq(
        reel_archive_message(archive),
        "tensor 'encoder.lstm.weight_ih_l0' is in the archive already: names must differ");
    reel_archive_free(archive);
    reel_params_free(a);
    reel_params_free(b);
    reel_params_free(c);
    reel_params_free(d);
}
END_TEST

START_TEST(every_allocation_of_saving_may_fail)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    reel_params *old = make_params(REEL_F32, 1), *ps = make_params(REEL_F32, 2),
                *read = make_params(REEL_F32, 3);
    folder_file(&f, path, "a");
    bool failed = true;
    uint64_t n = 0;
    while (failed) {
        save(old, path);
        reel__memory_fail(++n, false);
        reel_status status = reel_params_save(ps, path);
        failed = reel__memory_failed();
        reel__memory_fail(0, false);
        ck_assert_int_eq(status, failed ? REEL_ERR_MEMORY : REEL_OK);
        ck_assert(!failed || strstr(reel_params_message(ps), "out of memory"));
        ck_assert_int_eq(folder_files(&f, "", false), 1);
        reel_params_clear_error(ps);
        load(read, path);
        assert_equal(failed ? old : ps, read);
    }
    ck_assert_uint_gt(n, 20);
    reel_params_free(old);
    reel_params_free(ps);
    reel_params_free(read);
    folder_remove(&f);
}
END_TEST

START_TEST(every_allocation_of_loading_may_fail)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    reel_params *ps = make_params(REEL_F32, 1);
    reel_params_get(ps, "more", reel_dims(4), normal, 0);
    save(ps, folder_file(&f, path, "a"));
    bool failed = true;
    uint64_t n = 0;
    while (failed) {
        /* Some tensors find their weight, one replaces another that waits, some start to wait. */
        reel_params *to = reel_params_new(REEL_F32, 2);
        float four[4] = {1, 2, 3, 4};
        reel_params_get(to, "lstm.bias_ih_l0", reel_dims(20), normal, 0);
        ck_assert_int_eq(reel_params_offer(to, "more", REEL_F32, four, reel_dims(2, 2)), REEL_OK);
        reel_params *before = reel_params_copy(to);
        reel__memory_fail(++n, false);
        reel_status status = reel_params_load(to, path);
        failed = reel__memory_failed();
        reel__memory_fail(0, false);
        ck_assert_int_eq(status, failed ? REEL_ERR_MEMORY : REEL_OK);
        ck_assert(!failed || strstr(reel_params_message(to), "out of memory"));
        reel_params_clear_error(to);
        if (failed) {
            assert_equal(before, to);
            ck_assert_ptr_null(reel_params_unclaimed(to, 1));
            reel_param *p = reel_params_get(to, "more", reel_dims(2, 2), normal, 0);
            ck_assert_mem_eq(reel_param_data(p), four, sizeof four);
        } else {
            ck_assert_ptr_nonnull(reel_params_unclaimed(to, 4));
        }
        reel_params_free(to);
        reel_params_free(before);
    }
    ck_assert_uint_gt(n, 30);
    reel_params_free(ps);
    folder_remove(&f);
}
END_TEST

/* Other programs. */

START_TEST(reads_what_python_wrote)
{
    char path[FOLDER_PATH];
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_archive *a = reel_archive_new();
    load(ps, golden(path, "interop.safetensors"));
    reel_status status = reel_archive_read(a, path);
    ck_assert_msg(status == REEL_OK, "%s", reel_archive_message(a));
    ck_assert_str_eq(reel_archive_get(a, "format"), "pt");
    ck_assert_uint_eq(reel_archive_count(a), 14);
    reel_param *w = reel_params_get(ps, "weight_ih_l1", reel_dims(20, 5), normal, 4);
    ck_assert_msg(w != NULL, "%s", reel_params_message(ps));
    ck_assert_mem_eq(reel_param_data(w), reel_archive_find(a, "weight_ih_l1")->data, 400);
    /* Its own bytes come out again, header and all: there is but one way to write them. */
    memory_file f = memory_file_of(a);
    char *text = file_text(path);
    ck_assert_mem_eq(f.bytes, text, f.size);
    free(text);
    free(f.bytes);
    reel_archive_free(a);
    reel_params_free(ps);
}
END_TEST

/* "name dtype shape sum" as Python's package would see the weight. */
static void python_line(char out[256], const reel_param *p)
{
    char shape[64] = "scalar";
    double value[64], sum = 0;
    size_t used = 0, n = (size_t)reel_param_size(p);
    reel_shape s = reel_param_shape(p);
    for (int i = 0; i < s.rank; i++) {
        used += (size_t)snprintf(shape + used, sizeof shape - used, i ? "x%lld" : "%lld",
                                 (long long)s.dim[i]);
    }
    ck_assert_int_eq(reel_param_read(p, value, n), REEL_OK);
    for (size_t i = 0; i < n; i++) {
        sum += value[i];
    }
    snprintf(out, 256, "%s %s %s %.17g", reel_param_name(p),
             reel_param_dtype(p) == REEL_F64 ? "float64" : "float32", shape, sum);
}

/* The line of that name, up to its sum, which is compared to the last digits but one. */
static void assert_line(const char *output, const char *expected)
{
    size_t length = (size_t)(strrchr(expected, ' ') + 1 - expected);
    const char *line = output;
    while (line && strncmp(line, expected, length) != 0) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    ck_assert_msg(line != NULL, "no line '%s' in:\n%s", expected, output);
    double have = strtod(line + length, NULL), want = strtod(expected + length, NULL);
    ck_assert_msg(fabs(have - want) <= 1e-13 * fmax(1, fabs(want)), "%.17g for '%s'", have,
                  expected);
}

START_TEST(python_reads_what_reel_wrote)
{
    folder f = folder_make();
    char path[FOLDER_PATH], script[FOLDER_PATH], command[3 * FOLDER_PATH];
    reel_params *ps = make_params(_i ? REEL_F64 : REEL_F32, 1);
    save(ps, folder_file(&f, path, "a.safetensors"));
    const char *python = getenv("PYTHON");
    snprintf(command, sizeof command, "'%s' '%s' '%s' 2>&1", python && *python ? python : "python3",
             golden(script, "read_by_python.py"), path);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    static char output[4096];
    output[fread(output, 1, sizeof output - 1, pipe)] = 0;
    int status = pclose(pipe);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == 77 || code == 127) {
        printf("check_files: not read back by Python: %s", output);
    } else {
        ck_assert_msg(code == 0, "%s", output);
        for (size_t i = 0; i < reel_params_count(ps); i++) {
            char line[256];
            python_line(line, reel_params_at(ps, i));
            assert_line(output, line);
        }
    }
    reel_params_free(ps);
    folder_remove(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *files = tcase_create("files");
    tcase_add_loop_test(files, comes_back_bit_for_bit, 0, 2);
    tcase_add_test(files, waits_for_names);
    tcase_add_test(files, converts_between_dtypes);
    tcase_add_test(files, same_weights_same_bytes);
    tcase_add_test(files, bad_paths_are_told);
    tcase_add_test(files, full_disks_are_told);
    tcase_add_test(files, tensors_that_do_not_fit_are_told);
    tcase_add_test(files, foreign_tensors_do_no_harm_until_asked_for);
    tcase_add_test(files, prefixes_keep_sets_apart);
    tcase_add_test(files, every_allocation_of_saving_may_fail);
    tcase_add_test(files, every_allocation_of_loading_may_fail);
    suite_add_tcase(suite, files);
    TCase *others = tcase_create("others");
    tcase_add_test(others, reads_what_python_wrote);
    tcase_add_loop_test(others, python_reads_what_reel_wrote, 0, 2);
    suite_add_tcase(suite, others);
    return suite_run(suite);
}
