/* A folder of its own for a test that writes files, and what is in it. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_PATH = 512 };

typedef struct folder {
    char path[FOLDER_PATH / 2];
} folder;

static inline folder folder_make(void)
{
    folder f;
    const char *temporary = getenv("TMPDIR");
    snprintf(f.path, sizeof f.path, "%.100s/reel-test-XXXXXX", temporary ? temporary : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(f.path));
    return f;
}

/* The path of a file in the folder. */
static inline const char *folder_file(const folder *f, char out[FOLDER_PATH], const char *name)
{
    snprintf(out, FOLDER_PATH, "%s/%s", f->path, name);
    return out;
}

/* How many files there are whose name ends like that, and, if asked, removes them. */
static inline int folder_files(const folder *f, const char *ending, bool remove_them)
{
    int count = 0;
    DIR *dir = opendir(f->path);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name), m = strlen(ending);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || n < m ||
            strcmp(entry->d_name + n - m, ending) != 0) {
            continue;
        }
        count++;
        if (remove_them) {
            char path[FOLDER_PATH];
            ck_assert_int_eq(unlink(folder_file(f, path, entry->d_name)), 0);
        }
    }
    closedir(dir);
    return count;
}

static inline void folder_remove(const folder *f)
{
    folder_files(f, "", true);
    ck_assert_int_eq(rmdir(f->path), 0);
}

/* The whole file as a string; NULL when there is none. */
static inline char *file_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    char *text = malloc(1 << 20);
    ck_assert_ptr_nonnull(text);
    text[fread(text, 1, (1 << 20) - 1, file)] = 0;
    fclose(file);
    return text;
}

static inline void assert_file_is(const char *path, const char *expected)
{
    char *text = file_text(path);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, expected);
    free(text);
}

#endif
