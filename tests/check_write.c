/* Replacing files: whole or not at all, whatever happens. */
#include <errno.h>
#include <fcntl.h>
#include <reel/file.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "archive.h"
#include "folder.h"
#include "memory.h"
#include "suite.h"

static reel_status write_text(const char *path, const char *text, char message[1024])
{
    return reel_write_file(path, text, strlen(text), message, 1024);
}

static void assert_written(const char *path, const char *text)
{
    char message[1024];
    ck_assert_msg(write_text(path, text, message) == REEL_OK, "%s", message);
    ck_assert_str_eq(message, "");
    assert_file_is(path, text);
}

/* The write fails with this message behind the path, and what was there stays. */
static void assert_refused(const char *path, const char *expected)
{
    char message[1024];
    ck_assert_int_eq(write_text(path, "new", message), REEL_ERR_FILE);
    ck_assert_msg(strncmp(message, path, strlen(path)) == 0 &&
                      strcmp(message + strlen(path), expected) == 0,
                  "got: %s", message);
}

START_TEST(makes_and_replaces)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    folder_file(&f, path, "a");
    assert_written(path, "first");
    assert_written(path, "");
    assert_written(path, "a longer second text");
    ck_assert_int_eq(folder_files(&f, "", false), 1);
    ck_assert_int_eq(chdir(f.path), 0);
    assert_written("a", "in the working folder");
    assert_written("./b", "x");
    ck_assert_int_eq(folder_files(&f, "", false), 2);
    ck_assert_int_eq(chdir("/"), 0);
    folder_remove(&f);
}
END_TEST

START_TEST(keeps_modes)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    struct stat info;
    folder_file(&f, path, "new");
    mode_t mask = umask(027);
    assert_written(path, "x");
    umask(mask);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 07777, 0640);
    static const mode_t modes[] = {0600, 0666, 0755};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        assert_written(path, "y");
        ck_assert_int_eq(stat(path, &info), 0);
        ck_assert_uint_eq(info.st_mode & 07777, modes[i]);
    }
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(path, 1234, 4321), 0);
        assert_written(path, "z");
        ck_assert_int_eq(stat(path, &info), 0);
        ck_assert_uint_eq(info.st_uid, 1234);
        ck_assert_uint_eq(info.st_gid, 4321);
    }
    folder_remove(&f);
}
END_TEST

START_TEST(writes_through_links)
{
    folder f = folder_make();
    char file[FOLDER_PATH], link[FOLDER_PATH], more[FOLDER_PATH];
    struct stat info;
    folder_file(&f, file, "file");
    folder_file(&f, link, "link");
    folder_file(&f, more, "more");
    ck_assert_int_eq(symlink("file", link), 0); /* to nothing yet */
    ck_assert_int_eq(symlink(link, more), 0);
    assert_written(more, "one");
    assert_file_is(file, "one");
    assert_written(link, "two");
    assert_file_is(file, "two");
    ck_assert(lstat(link, &info) == 0 && S_ISLNK(info.st_mode));
    ck_assert(lstat(more, &info) == 0 && S_ISLNK(info.st_mode));
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(symlink("link", file), 0);
    assert_refused(link, ": cannot write: Too many levels of symbolic links");
    folder_remove(&f);
}
END_TEST

START_TEST(long_names_fit)
{
    folder f = folder_make();
    char path[FOLDER_PATH], name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    assert_written(folder_file(&f, path, name), "x");
    ck_assert_int_eq(folder_files(&f, "", false), 1);
    folder_remove(&f);
}
END_TEST

START_TEST(devices_stay_devices)
{
    struct stat info;
    char message[1024];
    ck_assert_int_eq(write_text("/dev/null", "x", message), REEL_OK);
    ck_assert(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    if (access("/dev/full", W_OK) == 0) {
        assert_refused("/dev/full", ": cannot write: No space left on device");
        ck_assert(stat("/dev/full", &info) == 0 && S_ISCHR(info.st_mode));
    }
}
END_TEST

START_TEST(bad_paths_are_told)
{
    folder f = folder_make();
    char path[FOLDER_PATH], message[1024];
    assert_refused(f.path, ": cannot write: it is a folder");
    assert_refused(folder_file(&f, path, "none/a"),
                   ": cannot create a temporary file beside it: No such file or directory");
    assert_written(folder_file(&f, path, "file"), "x");
    assert_refused(folder_file(&f, path, "file/a"), ": cannot write: Not a directory");
    ck_assert_int_eq(write_text("", "x", message), REEL_ERR_ARGUMENT);
    ck_assert_str_eq(message, ": cannot write: the path is empty");
    ck_assert_int_eq(reel_write_file(NULL, "x", 1, message, sizeof message), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_write_file(NULL, "x", 1, NULL, 0), REEL_ERR_ARGUMENT);
    folder_remove(&f);
}
END_TEST

START_TEST(permissions_are_respected)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    folder_file(&f, path, "file");
    assert_written(path, "old");
    ck_assert_int_eq(chmod(path, 0444), 0);
    ck_assert_int_eq(chmod(f.path, 0777), 0);
    uid_t user = geteuid();
    if (user == 0) {
        ck_assert_int_eq(seteuid(65534), 0);
    }
    assert_refused(path, ": cannot write: Permission denied");
    ck_assert_int_eq(seteuid(user), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(chmod(f.path, 0555), 0);
    if (user == 0) {
        ck_assert_int_eq(seteuid(65534), 0);
    }
    assert_refused(path, ": cannot create a temporary file beside it: Permission denied");
    ck_assert_int_eq(seteuid(user), 0);
    ck_assert_int_eq(chmod(f.path, 0777), 0);
    assert_file_is(path, "old");
    ck_assert_int_eq(folder_files(&f, "", false), 1);
    folder_remove(&f);
}
END_TEST

START_TEST(a_full_disk_keeps_the_old_file)
{
    enum { SIZE = 1 << 16 };
    folder f = folder_make();
    char path[FOLDER_PATH], message[1024];
    static char large[SIZE];
    folder_file(&f, path, "file");
    assert_written(path, "old");
    /* A limit on file sizes fails a write half-way, as a full disk does. */
    struct rlimit limit, before;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 0; room < SIZE; room += 5000) {
        limit = (struct rlimit){.rlim_cur = room, .rlim_max = before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        reel_status status = reel_write_file(path, large, SIZE, message, sizeof message);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        ck_assert_int_eq(status, REEL_ERR_FILE);
        ck_assert_msg(strstr(message, "cannot write: File too large"), "%s", message);
        assert_file_is(path, "old");
        ck_assert_int_eq(folder_files(&f, "", false), 1);
    }
    signal(SIGXFSZ, handler);
    folder_remove(&f);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    folder f = folder_make();
    char file[FOLDER_PATH], link[FOLDER_PATH], message[1024];
    folder_file(&f, file, "file");
    folder_file(&f, link, "link");
    ck_assert_int_eq(symlink("file", link), 0);
    bool failed = true;
    uint64_t n = 0;
    while (failed) {
        assert_written(file, "old");
        reel__memory_fail(++n, false);
        reel_status status = write_text(link, "new", message);
        failed = reel__memory_failed();
        reel__memory_fail(0, false);
        ck_assert_int_eq(status, failed ? REEL_ERR_MEMORY : REEL_OK);
        ck_assert(!failed || strstr(message, ": out of memory while writing"));
        assert_file_is(file, failed ? "old" : "new");
        ck_assert_int_eq(folder_files(&f, "", false), 2);
    }
    ck_assert_uint_gt(n, 4);
    folder_remove(&f);
}
END_TEST

/* An archive whose tensors all hold one number, so that a mixture of two shows. */
enum { TENSORS = 6, ELEMENTS = 3000 };

static void write_numbered(reel_archive *a, const char *path, double number)
{
    static double value[ELEMENTS];
    char name[8];
    for (int i = 0; i < ELEMENTS; i++) {
        value[i] = number;
    }
    for (int i = 0; i < TENSORS; i++) {
        snprintf(name, sizeof name, "t%d", i);
        if (reel_archive_put(a, name, REEL_F64, value, reel_dims(ELEMENTS))) {
            _exit(1);
        }
    }
    if (reel_archive_set_f64(a, "number", number) || reel_archive_write(a, path)) {
        _exit(1);
    }
}

static _Noreturn void write_forever(const char *path)
{
    for (int i = 0;; i++) {
        reel_archive *a = reel_archive_new();
        if (!a) {
            _exit(1);
        }
        write_numbered(a, path, i);
        reel_archive_free(a);
    }
}

/* So that kills come at any stage of writing, however slow the machine or the checker. */
static long nanoseconds_of_a_few_writes(const char *path)
{
    enum { FEW = 4, SHORTEST = 1000000, LONGEST = 100000000 };
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < FEW; i++) {
        reel_archive *a = reel_archive_new();
        ck_assert_ptr_nonnull(a);
        write_numbered(a, path, -7);
        reel_archive_free(a);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    int64_t time = (end.tv_sec - start.tv_sec) * INT64_C(1000000000) + end.tv_nsec - start.tv_nsec;
    return (long)(time < SHORTEST ? SHORTEST : time > LONGEST ? LONGEST : time);
}

static void assert_whole(const char *path)
{
    double number = -1;
    reel_archive *a = reel_archive_new();
    reel_status status = reel_archive_read(a, path);
    status = status ? status : reel_archive_get_f64(a, "number", &number);
    ck_assert_msg(status == REEL_OK, "%s", reel_archive_message(a));
    ck_assert_uint_eq(reel_archive_count(a), TENSORS);
    for (size_t i = 0; i < TENSORS; i++) {
        const double *value = reel_archive_at(a, i)->data;
        int same = 0;
        while (same < ELEMENTS && value[same] == number) {
            same++;
        }
        ck_assert_int_eq(same, ELEMENTS);
    }
    reel_archive_free(a);
}

START_TEST(a_kill_leaves_a_whole_file)
{
    const int kills = getenv("REEL_TEST_SLOW") ? 20 : 150; /* under a checker that slows all down */
    folder f = folder_make();
    char path[FOLDER_PATH];
    folder_file(&f, path, "model.safetensors");
    long longest = nanoseconds_of_a_few_writes(path);
    uint32_t random = 1;
    int left = 0;
    for (int i = 0; i < kills; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            write_forever(path);
        }
        random = random * 1664525U + 1013904223U;
        nanosleep(&(struct timespec){.tv_nsec = (long)(random >> 8) % longest}, NULL);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        int how;
        ck_assert_int_eq(waitpid(child, &how, 0), child);
        ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
        assert_whole(path);
        left += folder_files(&f, ".tmp", true);
        ck_assert_int_eq(folder_files(&f, "", false), 1);
    }
    /* Some kills must have come in the midst of writing, or nothing was tried. */
    ck_assert_int_gt(left, 0);
    folder_remove(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("write");
    TCase *files = tcase_create("files");
    tcase_add_test(files, makes_and_replaces);
    tcase_add_test(files, keeps_modes);
    tcase_add_test(files, writes_through_links);
    tcase_add_test(files, long_names_fit);
    tcase_add_test(files, devices_stay_devices);
    tcase_add_test(files, bad_paths_are_told);
    tcase_add_test(files, permissions_are_respected);
    tcase_add_test(files, a_full_disk_keeps_the_old_file);
    tcase_add_test(files, every_allocation_may_fail);
    tcase_add_test(files, a_kill_leaves_a_whole_file);
    suite_add_tcase(suite, files);
    return suite_run(suite);
}
