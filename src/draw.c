/* Job: reel_draw: check what was asked for, collect the nodes, send the picture where it belongs.
 * Invariant: whatever fails, the old file stays whole and the reason is the tape's message.
 * Must not know: how pictures are laid out or rendered. */
#include <reel/draw.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deliver.h"
#include "memory.h"
#include "picture.h"
#include "trace.h"

reel_status reel__picture_fail(const reel__picture *p, reel_status status, const char *format, ...)
{
    char text[REEL__MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reel__fail(p->tape, status, p->args->at, "reel_draw: %s", text);
    return p->tape->status;
}

static reel_status no_memory(const reel__picture *p)
{
    return reel__picture_fail(p, REEL_ERR_MEMORY, "out of memory for a drawing of %zu nodes",
                              p->nodes.n);
}

static size_t root_count(const reel_draw_args *args)
{
    return args->more + (args->root != NULL);
}

static const reel_node *root_at(const reel_draw_args *args, size_t i)
{
    return args->root ? i ? args->roots[i - 1] : args->root : args->roots[i];
}

static reel_tape *tape_of(const reel_draw_args *args)
{
    for (size_t i = 0; i < root_count(args); i++) {
        reel_tape *tape = reel_node_tape(root_at(args, i));
        if (tape) {
            return tape;
        }
    }
    return NULL;
}

static bool admit(const reel__picture *p)
{
    for (size_t i = 0; i < root_count(p->args); i++) {
        const reel_node *x = root_at(p->args, i);
        const reel__slot *s = reel__live(x);
        if (!s) {
            reel__fail_dead(p->tape, p->args->at, "reel_draw", x);
            return false;
        }
        if (s->tape != p->tape) {
            reel__picture_fail(p, REEL_ERR_ARGUMENT, "root %zu is a node of another tape", i);
            return false;
        }
    }
    return true;
}

/* Arguments have smaller ids than what uses them, so one sweep down the ids finds all. */
static bool collect(reel__picture *p)
{
    reel_tape *tape = p->tape;
    uint32_t walk = reel__walk(tape), highest = 0;
    for (size_t i = 0; i < root_count(p->args); i++) {
        reel__slot *s = reel__slot_of(root_at(p->args, i));
        s->stamp = walk;
        highest = s->id > highest ? s->id : highest;
    }
    for (uint32_t id = highest + 1; id-- > 0;) {
        const reel__slot *s = reel__slot_at(tape, id);
        if (s->stamp != walk) {
            continue;
        }
        if (!reel__ids_push(&p->nodes, id)) {
            return false;
        }
        for (int i = 0; i < s->n; i++) {
            reel__args(s)[i]->stamp = walk;
        }
    }
    for (size_t i = 0, j = p->nodes.n - 1; i < j; i++, j--) {
        uint32_t swap = p->nodes.v[i];
        p->nodes.v[i] = p->nodes.v[j];
        p->nodes.v[j] = swap;
    }
    return true;
}

/* Evaluation has marks of its own, so these are set after it. */
static bool set_marks(reel__picture *p)
{
    p->is_root = reel__calloc(p->nodes.n, sizeof *p->is_root);
    for (uint32_t k = 0; p->is_root && k < p->nodes.n; k++) {
        reel__drawn(p, k)->mark = k;
    }
    for (size_t i = 0; p->is_root && i < root_count(p->args); i++) {
        p->is_root[reel__slot_of(root_at(p->args, i))->mark] = true;
    }
    return p->is_root != NULL;
}

static void mark_roots(reel__picture *p)
{
    for (size_t i = 0; i < root_count(p->args); i++) {
        uint32_t f = p->figure_of[reel__slot_of(root_at(p->args, i))->mark];
        if (f != REEL__NONE) {
            p->figure[f].root = true;
        }
    }
}

static bool same_word(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if ((*a >= 'A' && *a <= 'Z' ? *a - 'A' + 'a' : *a) != *b) {
            return false;
        }
    }
    return *a == *b;
}

/* "dot" for text, else the format that is asked of the program; NULL when the ending is unknown. */
static const char *format_of(const char *path)
{
    static const char *const format[][2] = {
        {"dot", "dot"}, {"gv", "dot"}, {"svg", "svg"}, {"png", "png"}, {"pdf", "pdf"}};
    const char *name = strrchr(path, '/');
    const char *end = strrchr(name ? name : path, '.');
    for (size_t i = 0; end && i < sizeof format / sizeof *format; i++) {
        if (same_word(end + 1, format[i][0])) {
            return format[i][1];
        }
    }
    return NULL;
}

static reel_status send(const reel__picture *p, const char *format)
{
    if (p->args->stream || strcmp(format, "dot") == 0) {
        char why[REEL__WRITER_MESSAGE];
        reel_status status =
            reel__deliver(p->args->path, p->args->stream, reel__picture_author, p, why);
        return status == REEL_ERR_MEMORY ? no_memory(p)
               : status                  ? reel__picture_fail(p, status, "%s", why)
                                         : REEL_OK;
    }
    return reel__picture_render(p, p->args->path, format);
}

static bool known_choices(const reel__picture *p)
{
    const reel_draw_args *a = p->args;
    const struct {
        const char *what;
        int number, last;
    } choice[] = {{"way to collapse", (int)a->collapse, REEL_BY_MODULE},
                  {"way to colour", (int)a->colour, REEL_BY_MEMORY},
                  {"level", (int)a->level, REEL_LEVEL_MODULE},
                  {"way to show weights", (int)a->weights, REEL_WEIGHTS_HIDDEN},
                  {"theme", (int)a->theme, REEL_THEME_SAFE},
                  {"pass", (int)a->pass, REEL_PASS_BACKWARD}};
    for (size_t i = 0; i < sizeof choice / sizeof *choice; i++) {
        if (choice[i].number < 0 || choice[i].number > choice[i].last) {
            reel__picture_fail(p, REEL_ERR_ARGUMENT, "no %s has number %d", choice[i].what,
                               choice[i].number);
            return false;
        }
    }
    if (a->depth < 0) {
        reel__picture_fail(p, REEL_ERR_ARGUMENT, "a depth of %d: expected 0 or more", a->depth);
        return false;
    }
    if (a->most_steps < -1 || (a->most_steps > 0 && a->most_steps < 3)) {
        reel__picture_fail(p, REEL_ERR_ARGUMENT, "at most %d steps: expected -1, 0, or 3 or more",
                           a->most_steps);
        return false;
    }
    return true;
}

static bool measures(const reel_draw_args *args)
{
    return args->values || args->nan || args->colour == REEL_BY_GRADIENT ||
           args->colour == REEL_BY_MEMORY;
}

static reel_status fill_and_send(reel__picture *p, bool by_plan, const char *format)
{
    if (!set_marks(p) || !reel__picture_fill(p) || (by_plan && !reel__picture_tint(p)) ||
        !reel__picture_sum_up(p)) {
        return no_memory(p);
    }
    if (p->outside) {
        return reel__picture_fail(p, REEL_ERR_ARGUMENT,
                                  "no step from %" PRId64 " to before %" PRId64
                                  ": there are %" PRId64 " to %" PRId64,
                                  p->args->from, p->args->to, p->earliest, p->latest);
    }
    if (*p->unknown) {
        return reel__picture_fail(p, REEL_ERR_ARGUMENT,
                                  "no module matches '%s': expected a pattern of %s", p->unknown,
                                  *p->modules ? p->modules : "modules, of which there are none");
    }
    reel__row_titles(p);
    mark_roots(p);
    return send(p, format);
}

reel_status reel_draw_with(const reel_draw_args *args)
{
    if (!args || (args->more && !args->roots)) {
        return REEL_ERR_ARGUMENT;
    }
    reel__picture p = {.args = args, .tape = tape_of(args)};
    if (!p.tape || p.tape->status) {
        return p.tape ? p.tape->status : REEL_ERR_ARGUMENT;
    }
    if (!args->path == !args->stream) {
        return reel__picture_fail(&p, REEL_ERR_ARGUMENT, "expected either a path or a stream");
    }
    if (!known_choices(&p)) {
        return p.tape->status;
    }
    p.palette = reel__palette_of(args->theme);
    const char *format = args->path ? format_of(args->path) : "dot";
    if (!format) {
        return reel__picture_fail(&p, REEL_ERR_ARGUMENT,
                                  "%.400s: unknown kind of file: expected a name that ends in "
                                  ".dot, .gv, .svg, .png or .pdf",
                                  args->path);
    }
    if (!admit(&p)) {
        return p.tape->status;
    }
    bool by_plan = args->colour == REEL_BY_PLAN || args->colour == REEL_BY_TIME;
    if (by_plan && !reel__is_traced(p.tape)) {
        return reel__picture_fail(&p, REEL_ERR_ARGUMENT,
                                  "no plan has run and been measured since the reset: colours by "
                                  "plan or time need reel_tape_set_profiling");
    }
    reel_status status = collect(&p) ? REEL_OK : no_memory(&p);
    status = status || !measures(args) ? status : reel__picture_measure(&p);
    status = status ? status : fill_and_send(&p, by_plan, format);
    reel__picture_free(&p);
    return status;
}
