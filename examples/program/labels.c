/* Classes and tags: their names, and how often which was taken for which. */
#include "labels.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

/* Names
 * ---------------------------------------------------------------------------------------------- */

int32_t labels_find(const labels *l, const char *name, size_t n)
{
    for (int64_t i = 0; i < l->n; i++) {
        if (strlen(l->name[i]) == n && memcmp(l->name[i], name, n) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

int32_t labels_add(labels *l, const char *name, size_t n)
{
    int32_t found = labels_find(l, name, n);
    if (found >= 0) {
        return found;
    }
    if (l->n == l->room) {
        int64_t room = l->room > 0 ? 2 * l->room : 16;
        char **more = realloc(l->name, (size_t)room * sizeof *more);
        if (!more) {
            out_of_memory();
            return -1;
        }
        l->name = more;
        l->room = room;
    }
    char *copy = malloc(n + 1);
    if (!copy) {
        out_of_memory();
        return -1;
    }
    memcpy(copy, name, n);
    copy[n] = '\0';
    l->name[l->n] = copy;
    return (int32_t)l->n++;
}

void labels_free(labels *l)
{
    for (int64_t i = 0; i < l->n; i++) {
        free(l->name[i]);
    }
    free(l->name);
    *l = (labels){0};
}

bool labels_put(reel_archive *a, const labels *l)
{
    size_t size = 1;
    for (int64_t i = 0; i < l->n; i++) {
        size += strlen(l->name[i]) + 1;
    }
    char *text = malloc(size), *end = text;
    if (!text) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < l->n; i++) {
        size_t n = strlen(l->name[i]);
        memcpy(end, l->name[i], n);
        end[n] = '\n';
        end += n + 1;
    }
    *end = '\0';
    bool ok =
        reel_archive_set(a, "labels", text) == REEL_OK || complain("%s", reel_archive_message(a));
    free(text);
    return ok;
}

bool labels_take(reel_archive *a, const char *path, labels *l)
{
    const char *text = reel_archive_get(a, "labels");
    if (!text || !*text) {
        return complain("%s: no labels in it: expected a checkpoint of %s", path,
                        the_program->name);
    }
    while (*text) {
        size_t n = strcspn(text, "\n");
        if (labels_add(l, text, n) < 0) {
            return false;
        }
        text += n + (text[n] != '\0');
    }
    return true;
}

/* Counts
 * --------------------------------------------------------------------------------------------- */

bool scores_new(scores *s, const labels *l)
{
    *s = (scores){.labels = l, .count = calloc((size_t)l->n, (size_t)l->n * sizeof *s->count)};
    return s->count || out_of_memory();
}

void scores_free(scores *s)
{
    free(s->count);
    *s = (scores){0};
}

void scores_add(scores *s, int32_t truth, int32_t said)
{
    s->count[truth * s->labels->n + said]++;
    s->all++;
    s->right += truth == said;
}

double scores_accuracy(const scores *s)
{
    return s->all > 0 ? (double)s->right / (double)s->all : 0;
}

static double share(int64_t part, int64_t all)
{
    return all > 0 ? (double)part / (double)all : 0;
}

f1 f1_of(int64_t right, int64_t said, int64_t truth)
{
    f1 f = {.precision = share(right, said), .recall = share(right, truth)};
    f.f1 = share(2 * right, said + truth);
    return f;
}

static int64_t times_true(const scores *s, int64_t i)
{
    int64_t sum = 0;
    for (int64_t j = 0; j < s->labels->n; j++) {
        sum += s->count[i * s->labels->n + j];
    }
    return sum;
}

static int64_t times_said(const scores *s, int64_t j)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < s->labels->n; i++) {
        sum += s->count[i * s->labels->n + j];
    }
    return sum;
}

/* Prints a name in a column, which may hold characters of several bytes. */
static void print_name(const char *name, int width)
{
    int wide = 0;
    for (const char *c = name; *c; c++) {
        wide += ((unsigned char)*c & 0xC0) != 0x80;
    }
    printf("%s%*s", name, width > wide ? width - wide : 0, "");
}

void scores_print(const scores *s, const char *what)
{
    f1 mean = {0};
    int64_t present = 0;
    printf("%-24s %10s %10s %10s %10s\n", what, "precision", "recall", "F1", "count");
    for (int64_t i = 0; i < s->labels->n; i++) {
        int64_t n = times_true(s, i);
        f1 f = f1_of(s->count[i * s->labels->n + i], times_said(s, i), n);
        print_name(s->labels->name[i], 24);
        printf(" %10.4f %10.4f %10.4f %10lld\n", f.precision, f.recall, f.f1, (long long)n);
        if (n > 0) {
            present++;
            mean.precision += f.precision;
            mean.recall += f.recall;
            mean.f1 += f.f1;
        }
    }
    double n = present > 0 ? (double)present : 1;
    printf("%-24s %10.4f %10.4f %10.4f %10lld\n", "mean of those present", mean.precision / n,
           mean.recall / n, mean.f1 / n, (long long)s->all);
}

enum { WIDEST_TABLE = 12, LISTED = 10 };

static void print_table(const scores *s)
{
    int64_t n = s->labels->n;
    printf("%-24s", "true, taken for:");
    for (int64_t j = 0; j < n; j++) {
        printf(" %9.9s", s->labels->name[j]);
    }
    putchar('\n');
    for (int64_t i = 0; i < n; i++) {
        print_name(s->labels->name[i], 24);
        for (int64_t j = 0; j < n; j++) {
            printf(" %9lld", (long long)s->count[i * n + j]);
        }
        putchar('\n');
    }
}

/* The most frequent mistake that comes after one of `last` mistakes at place `after`: in falling
 * order of their number, equal ones as they stand in the table. -1: none. */
static int64_t next_mistake(const scores *s, int64_t last, int64_t after)
{
    int64_t n = s->labels->n, best = -1;
    for (int64_t k = 0; k < n * n; k++) {
        int64_t c = s->count[k];
        bool later = after < 0 || c < last || (c == last && k > after);
        if (k / n != k % n && c > 0 && later && (best < 0 || c > s->count[best])) {
            best = k;
        }
    }
    return best;
}

static void print_mistakes(const scores *s)
{
    int64_t n = s->labels->n, k = -1;
    printf("most frequent mistakes: true, taken for, times\n");
    for (int shown = 0; shown < LISTED; shown++) {
        k = next_mistake(s, k < 0 ? 0 : s->count[k], k);
        if (k < 0) {
            return;
        }
        print_name(s->labels->name[k / n], 24);
        putchar(' ');
        print_name(s->labels->name[k % n], 24);
        printf(" %9lld\n", (long long)s->count[k]);
    }
}

void scores_print_confusion(const scores *s)
{
    if (s->labels->n <= WIDEST_TABLE) {
        print_table(s);
    } else {
        print_mistakes(s);
    }
}

/* Shaded by the row's shares, so that frequent labels do not outshine rare ones. */
bool scores_draw(const scores *s, const char *path)
{
    char why[256];
    int64_t n = s->labels->n;
    double *count = malloc((size_t)(n * n) * sizeof *count);
    if (!count) {
        return out_of_memory();
    }
    for (int64_t k = 0; k < n * n; k++) {
        count[k] = (double)s->count[k];
    }
    bool ok = reel_heat_map(path, .rows = n, .columns = n, .value = count,
                            .row_label = (const char *const *)s->labels->name,
                            .column_label = (const char *const *)s->labels->name,
                            .row_title = "true", .column_title = "taken for", .by_row = true,
                            .numbers = true, .message = why, .room = sizeof why) == REEL_OK ||
              complain("%s", why);
    free(count);
    return ok;
}

uint64_t hash_bytes(uint64_t h, const void *data, size_t n)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ byte[i]) * UINT64_C(1099511628211);
    }
    return h;
}
