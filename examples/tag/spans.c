/* Spans of words. */
#include "spans.h"
#include "../program/program.h"

#include <stdlib.h>
#include <string.h>

typedef struct span {
    int64_t from, to;
    int32_t type;
} span;

static bool begins(const char *tag)
{
    return strncmp(tag, "B-", 2) == 0;
}

static bool has_spans(const labels *tags)
{
    for (int64_t i = 0; i < tags->n; i++) {
        if (begins(tags->name[i])) {
            return true;
        }
    }
    return false;
}

static bool read_tag(spans *s, int64_t i)
{
    const char *name = s->tags->name[i];
    s->begins[i] = begins(name);
    s->type[i] = -1;
    if (s->begins[i] || strncmp(name, "I-", 2) == 0) {
        s->type[i] = labels_add(&s->types, name + 2, strlen(name + 2));
        return s->type[i] >= 0;
    }
    return true;
}

bool spans_new(spans *s, const labels *tags)
{
    size_t n = (size_t)tags->n + 1;
    *s = (spans){.tags = tags,
                 .type = calloc(n, sizeof *s->type),
                 .begins = calloc(n, sizeof *s->begins),
                 .right = calloc(n, sizeof *s->right),
                 .said = calloc(n, sizeof *s->said),
                 .truth = calloc(n, sizeof *s->truth)};
    if (!s->type || !s->begins || !s->right || !s->said || !s->truth) {
        return out_of_memory();
    }
    for (int64_t i = 0; i < tags->n && has_spans(tags); i++) {
        if (!read_tag(s, i)) {
            return false;
        }
    }
    return true;
}

void spans_free(spans *s)
{
    labels_free(&s->types);
    free(s->type);
    free(s->begins);
    free(s->right);
    free(s->said);
    free(s->truth);
    *s = (spans){0};
}

/* The next span from a place on; false: there is none. */
static bool next(const spans *s, const int32_t *tag, int64_t n, int64_t from, span *found)
{
    while (from < n && s->type[tag[from]] < 0) {
        from++;
    }
    if (from == n) {
        return false;
    }
    *found = (span){.from = from, .to = from + 1, .type = s->type[tag[from]]};
    while (found->to < n && s->type[tag[found->to]] == found->type && !s->begins[tag[found->to]]) {
        found->to++;
    }
    return true;
}

void spans_add(spans *s, const int32_t *truth, const int32_t *said, int64_t n)
{
    if (s->types.n == 0) {
        return;
    }
    span a = {.to = 0}, b = {.to = 0};
    bool is_a = next(s, truth, n, 0, &a), is_b = next(s, said, n, 0, &b);
    while (is_a || is_b) {
        bool take_a = is_a && (!is_b || a.from <= b.from);
        bool take_b = is_b && (!is_a || b.from <= a.from);
        s->right[take_a ? a.type : b.type] += take_a && take_b && a.to == b.to && a.type == b.type;
        if (take_a) {
            s->truth[a.type]++;
            is_a = next(s, truth, n, a.to, &a);
        }
        if (take_b) {
            s->said[b.type]++;
            is_b = next(s, said, n, b.to, &b);
        }
    }
}

static void print_row(const char *name, int64_t right, int64_t said, int64_t truth)
{
    f1 f = f1_of(right, said, truth);
    printf("%-24s %10.4f %10.4f %10.4f %10lld\n", name, f.precision, f.recall, f.f1,
           (long long)truth);
}

void spans_print(const spans *s)
{
    int64_t right = 0, said = 0, truth = 0;
    printf("%-24s %10s %10s %10s %10s\n", "span", "precision", "recall", "F1", "count");
    for (int64_t i = 0; i < s->types.n; i++) {
        print_row(s->types.name[i], s->right[i], s->said[i], s->truth[i]);
        right += s->right[i];
        said += s->said[i];
        truth += s->truth[i];
    }
    print_row("all spans", right, said, truth);
}
