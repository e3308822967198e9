/* Reading the text. Files are taken in the order given, those of a folder in the order of their
 * paths' bytes, so that the same folder gives the same text everywhere. What it must not know:
 * vocabularies and models. */
#include "text.h"
#include "../program/say.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_LIMIT = 5000000 };

/* A growing list of paths. */
typedef struct paths {
    char **item;
    size_t n, room;
} paths;

static void paths_free(paths *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->item[i]);
    }
    free(p->item);
    *p = (paths){0};
}

static bool paths_add(paths *p, const char *folder, const char *name)
{
    if (p->n == p->room) {
        size_t room = p->room == 0 ? 64 : 2 * p->room;
        char **item = realloc(p->item, room * sizeof *item);
        if (item == NULL) {
            return out_of_memory();
        }
        p->item = item;
        p->room = room;
    }
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path == NULL) {
        return out_of_memory();
    }
    snprintf(path, size, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);
    p->item[p->n++] = path;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

/* Whether it is a folder, and not a link to one: links could lead round in a circle. */
static bool is_folder(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Sorts the entries of one folder into folders still to be walked and files with the ending. */
static bool list_folder(const char *folder, const char *ending, paths *folders, paths *files)
{
    DIR *d = opendir(folder);
    if (d == NULL) {
        return complain("%s: %s", folder, strerror(errno));
    }
    bool ok = true;
    for (struct dirent *e = readdir(d); ok && e != NULL; e = readdir(d)) {
        if (e->d_name[0] == '.') {
            continue;
        }
        ok = paths_add(folders, folder, e->d_name);
        if (!ok || is_folder(folders->item[folders->n - 1])) {
            continue;
        }
        char *path = folders->item[--folders->n];
        if (ends_with(path, ending) && is_file(path)) {
            ok = paths_add(files, "", path);
        }
        free(path);
    }
    closedir(d);
    return ok;
}

/* All files under a folder whose name ends so, in the order of their paths. */
static bool walk(const char *top, const char *ending, paths *files)
{
    paths folders = {0};
    size_t first = files->n;
    bool ok = paths_add(&folders, "", top);
    while (ok && folders.n > 0) {
        char *folder = folders.item[--folders.n];
        ok = list_folder(folder, ending, &folders, files);
        free(folder);
    }
    paths_free(&folders);
    if (files->n > first) {
        qsort(files->item + first, files->n - first, sizeof *files->item, by_bytes);
    }
    return ok;
}

static bool check_utf8(const char *path, const unsigned char *s, size_t n)
{
    uint32_t code;
    for (size_t i = 0; i < n;) {
        size_t length = reel_utf8_decode((const char *)s + i, n - i, &code);
        if (length == 0) {
            return complain(
                "%s: byte %zu (0x%02x) is not valid UTF-8; --units bytes reads any file", path, i,
                s[i]);
        }
        i += length;
    }
    return true;
}

/* Appends the whole stream. Doubling keeps the copying linear. */
static bool append(text *t, size_t *room, FILE *in, const char *path)
{
    for (;;) {
        if (*room - t->size < 65536) {
            size_t more = *room == 0 ? 1u << 20 : 2 * *room;
            unsigned char *byte = realloc(t->byte, more);
            if (byte == NULL) {
                return out_of_memory();
            }
            t->byte = byte;
            *room = more;
        }
        size_t n = fread(t->byte + t->size, 1, *room - t->size, in);
        t->size += n;
        if (n == 0) {
            return !ferror(in) || complain("%s: %s", path, strerror(errno));
        }
    }
}

static bool read_file(text *t, size_t *room, const char *path, bool utf8)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    FILE *in = standard ? stdin : fopen(path, "rb");
    if (in == NULL) {
        return complain("%s: %s", name, strerror(errno));
    }
    size_t start = t->size;
    bool ok = append(t, room, in, name);
    if (!standard) {
        fclose(in);
    }
    t->files++;
    return ok && (!utf8 || check_utf8(name, t->byte + start, t->size - start));
}

static bool list_default(paths *files)
{
    if (walk("/usr/include/asm-generic", ".h", files) && walk("/usr/include/linux", ".h", files) &&
        files->n > 0) {
        return true;
    }
    return complain(
        "no default corpus here: install the kernel's headers (Debian: linux-libc-dev) or name "
        "a text");
}

static bool list_operands(paths *files, int n, char *const *path)
{
    for (int i = 0; i < n; i++) {
        struct stat st;
        bool folder = stat(path[i], &st) == 0 && S_ISDIR(st.st_mode);
        size_t before = files->n;
        if (!(folder ? walk(path[i], "", files) : paths_add(files, "", path[i]))) {
            return false;
        }
        if (files->n == before) {
            return complain("%s: the folder holds no files", path[i]);
        }
    }
    return true;
}

/* Cuts to the limit, back to the start of a character. */
static void cut(text *t, size_t limit)
{
    if (t->size <= limit) {
        return;
    }
    while (limit > 0 && (t->byte[limit] & 0xC0) == 0x80) {
        limit--;
    }
    t->size = limit;
}

bool text_read(text *t, int n, char *const *path, bool utf8)
{
    *t = (text){0};
    paths files = {0};
    size_t room = 0;
    bool ok = n == 0 ? list_default(&files) : list_operands(&files, n, path);
    for (size_t i = 0; ok && i < files.n && (n > 0 || t->size < DEFAULT_LIMIT); i++) {
        ok = read_file(t, &room, files.item[i], utf8);
    }
    if (n == 0) {
        cut(t, DEFAULT_LIMIT);
    }
    if (ok && t->size == 0) {
        ok = complain("%s: there is no text in it", n == 1 ? path[0] : "the files named");
    }
    paths_free(&files);
    return ok;
}

void text_free(text *t)
{
    free(t->byte);
    *t = (text){0};
}

uint64_t text_hash(const text *t)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < t->size; i++) {
        h = (h ^ t->byte[i]) * 0x100000001B3u;
    }
    return h;
}
