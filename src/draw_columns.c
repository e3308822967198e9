/* Job: which time steps are drawn apart, and which modules are drawn as boxes.
 * Invariant: a place has the column of its outermost step; steps in one column follow each other.
 * Must not know: what is drawn in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/params.h>

#include "memory.h"
#include "picture.h"

enum { MOST_MODULE = 10, MOST_GATE = 5, LONGEST_PATH = 512, LONGEST_PATTERN = 512 };

/* Columns */

typedef struct timed {
    uint32_t axis;
    int64_t t;
} timed;

static int compare_timed(const void *a, const void *b)
{
    const timed *x = a, *y = b;
    if (x->axis != y->axis) {
        return x->axis < y->axis ? -1 : 1;
    }
    return x->t < y->t ? -1 : x->t > y->t;
}

/* The row of the outermost module that each place is in; of runs of it, that of the first, so that
 * their steps stand above each other. */
static void find_axes(const reel__picture *p, uint32_t *axis)
{
    axis[0] = 0;
    for (uint32_t i = 1; i < p->places; i++) {
        const reel__place *q = &p->place[i], *up = &p->place[q->parent];
        bool outermost = (up->depth == 0 || up->pass) && q->name;
        axis[i] = outermost ? p->place[p->place[q->module].row].first : axis[q->parent];
    }
}

/* Of n steps of an axis, whether the i-th, which is number t, is a column of its own. */
static bool apart(const reel_draw_args *a, size_t i, size_t n, int64_t t)
{
    if (a->to > a->from) {
        return t >= a->from && t < a->to;
    }
    static const int usual[] = {-1, MOST_GATE, MOST_MODULE};
    int most = a->most_steps ? a->most_steps : usual[a->level];
    if (most < 0 || n <= (size_t)most) {
        return true;
    }
    size_t first = a->most_steps ? (size_t)(most - 1) : 2;
    return i < first || i == n - 1;
}

/* Columns of one axis's steps, which are in order. */
static void make_axis(reel__picture *p, const timed *step, size_t n, uint32_t *column)
{
    size_t begin = p->columns;
    for (size_t i = 0; i < n; i++) {
        bool own = apart(p->args, i, n, step[i].t);
        bool joins = i && !own && !apart(p->args, i - 1, n, step[i - 1].t);
        if (!joins) {
            uint32_t index = (uint32_t)(p->columns - begin);
            p->column[p->columns++] =
                (reel__column){.axis = step[i].axis, .index = index, .first = step[i].t};
        }
        reel__column *c = &p->column[p->columns - 1];
        c->last = step[i].t;
        c->count++;
        column[i] = (uint32_t)(p->columns - 1);
    }
    for (size_t i = begin; i < p->columns; i++) {
        p->column[i].of = (uint32_t)(p->columns - begin);
    }
}

static size_t gather(const reel__picture *p, const uint32_t *axis, timed *step)
{
    size_t n = 0, kept = 0;
    for (uint32_t i = 0; i < p->places; i++) {
        if (p->place[i].timed) {
            step[n++] = (timed){axis[i], p->place[i].column};
        }
    }
    qsort(step, n, sizeof *step, compare_timed);
    for (size_t i = 0; i < n; i++) {
        if (!kept || compare_timed(&step[kept - 1], &step[i]) != 0) {
            step[kept++] = step[i];
        }
    }
    return kept;
}

static void look_up(reel__picture *p, const uint32_t *axis, const timed *step, size_t n,
                    const uint32_t *column)
{
    for (uint32_t i = 0; i < p->places; i++) {
        p->column_of[i] = REEL__NONE;
        if (p->place[i].timed) {
            timed key = {axis[i], p->place[i].column};
            const timed *found = bsearch(&key, step, n, sizeof *step, compare_timed);
            p->column_of[i] = column[found - step];
        }
    }
}

static void check_window(reel__picture *p, const timed *step, size_t n)
{
    const reel_draw_args *a = p->args;
    p->outside = n > 0 && a->to > a->from;
    for (size_t i = 0; i < n; i++) {
        p->outside = p->outside && !(step[i].t >= a->from && step[i].t < a->to);
        p->earliest = i && p->earliest < step[i].t ? p->earliest : step[i].t;
        p->latest = i && p->latest > step[i].t ? p->latest : step[i].t;
    }
}

bool reel__picture_columns(reel__picture *p)
{
    uint32_t *axis = reel__reallocarray(NULL, p->places, sizeof *axis);
    timed *step = reel__reallocarray(NULL, p->places, sizeof *step);
    uint32_t *column = reel__reallocarray(NULL, p->places, sizeof *column);
    p->column = reel__reallocarray(NULL, p->places, sizeof *p->column);
    p->column_of = reel__reallocarray(NULL, p->places, sizeof *p->column_of);
    bool done = axis && step && column && p->column && p->column_of;
    if (done) {
        find_axes(p, axis);
        size_t n = gather(p, axis, step);
        for (size_t begin = 0, end; begin < n; begin = end) {
            for (end = begin + 1; end < n && step[end].axis == step[begin].axis; end++) {
            }
            make_axis(p, step + begin, end - begin, column + begin);
        }
        look_up(p, axis, step, n, column);
        check_window(p, step, n);
    }
    reel__free(axis);
    reel__free(step);
    reel__free(column);
    return done;
}

/* Boxes */

/* The path of a module without steps, "decoder/attention"; cut where it is too long. */
static void write_path(const reel__picture *p, uint32_t module, char *path)
{
    size_t at = LONGEST_PATH - 1;
    path[at] = '\0';
    for (uint32_t q = module; p->place[q].depth && at; q = p->place[q].parent) {
        const char *name = p->place[q].name ? p->place[q].name : "";
        size_t n = strlen(name), room = at - (path[at] != '\0');
        if (path[at]) {
            path[--at] = '/';
        }
        n = n < room ? n : room;
        at -= n;
        memcpy(path + at, name, n);
    }
    memmove(path, path + at, LONGEST_PATH - at);
}

/* The next of patterns that commas part: its length, 0 at the end. */
static size_t next_pattern(const char **at)
{
    *at += strspn(*at, ", ");
    return strcspn(*at, ",");
}

static bool matches_one(const char *pattern, size_t n, const char *path)
{
    char one[LONGEST_PATTERN];
    if (n >= sizeof one) {
        return false;
    }
    memcpy(one, pattern, n);
    one[n] = '\0';
    return reel_name_matches(one, path);
}

static bool matches(const char *patterns, const char *path)
{
    const char *at = patterns ? patterns : "";
    for (size_t n; (n = next_pattern(&at)) > 0; at += n) {
        if (matches_one(at, n, path)) {
            return true;
        }
    }
    return false;
}

static bool is_module(const reel__picture *p, uint32_t i)
{
    const reel__place *q = &p->place[i];
    return q->row == i && q->name && !q->pass && q->depth && !q->run;
}

static bool known(const reel__picture *p, const char *pattern, size_t n)
{
    char path[LONGEST_PATH];
    for (uint32_t i = 1; i < p->places; i++) {
        if (is_module(p, i)) {
            write_path(p, i, path);
            if (matches_one(pattern, n, path)) {
                return true;
            }
        }
    }
    return false;
}

static void list_modules(reel__picture *p)
{
    char path[LONGEST_PATH];
    size_t at = 0;
    for (uint32_t i = 1; i < p->places; i++) {
        if (!is_module(p, i)) {
            continue;
        }
        write_path(p, i, path);
        if (at + strlen(", ") + strlen(path) + sizeof ", ..." > sizeof p->modules) {
            memcpy(p->modules + at, at ? ", ..." : "...", at ? sizeof ", ..." : sizeof "...");
            return;
        }
        at +=
            (size_t)snprintf(p->modules + at, sizeof p->modules - at, "%s%s", at ? ", " : "", path);
    }
}

/* A pattern that matches nothing is a slip of the pen. */
static void find_unknown(reel__picture *p, const char *patterns)
{
    const char *at = patterns ? patterns : "";
    for (size_t n; !*p->unknown && (n = next_pattern(&at)) > 0; at += n) {
        if (!known(p, at, n)) {
            snprintf(p->unknown, sizeof p->unknown, "%.*s", (int)(n < 100 ? n : 100), at);
            list_modules(p);
        }
    }
}

typedef struct seeking {
    bool *outer;  /* by place: a module that has modules inside */
    bool *opened; /* it, or one that it is in, is to be looked into */
} seeking;

static bool closes(const reel__picture *p, const seeking *s, uint32_t row, const char *path)
{
    const reel_draw_args *a = p->args;
    if (matches(a->closed, path) || (a->depth > 0 && p->place[row].depth == (uint32_t)a->depth)) {
        return true;
    }
    return a->level == REEL_LEVEL_MODULE && p->place[row].inmost && !s->opened[row];
}

static void find_boxes(reel__picture *p, const seeking *s)
{
    for (uint32_t i = 1; i < p->places; i++) {
        const reel__place *q = &p->place[i];
        if (q->module == i && q->name && !q->pass) {
            s->outer[p->place[q->parent].row] = true;
            p->place[q->row].kind = p->place[q->row].kind ? p->place[q->row].kind : q->kind;
        }
    }
    for (uint32_t i = 1; i < p->places; i++) {
        reel__place *q = &p->place[i];
        q->inmost = q->row == i && !q->pass && (q->kind || !s->outer[i]);
    }
    char path[LONGEST_PATH];
    p->box_of[0] = REEL__NONE;
    for (uint32_t i = 1; i < p->places; i++) {
        const reel__place *q = &p->place[i];
        if (q->row != i) { /* a row comes before the places that are in it */
            p->box_of[i] = p->box_of[q->row];
            continue;
        }
        uint32_t up = p->box_of[q->parent];
        write_path(p, i, path);
        s->opened[i] = s->opened[q->parent] || matches(p->args->open, path);
        p->box_of[i] = up != REEL__NONE ? up : closes(p, s, i, path) ? i : REEL__NONE;
    }
}

bool reel__picture_boxes(reel__picture *p)
{
    p->box_of = reel__reallocarray(NULL, p->places, sizeof *p->box_of);
    seeking s = {.outer = reel__calloc(p->places, sizeof *s.outer),
                 .opened = reel__calloc(p->places, sizeof *s.opened)};
    bool done = p->box_of && s.outer && s.opened;
    if (done) {
        find_boxes(p, &s);
        find_unknown(p, p->args->open);
        find_unknown(p, p->args->closed);
    }
    reel__free(s.outer);
    reel__free(s.opened);
    return done;
}
