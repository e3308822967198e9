/* Job: reel_page: check what was asked for, write the page's parts where they belong.
 * Invariant: whatever fails, the old file stays whole and the reason is the tape's message.
 * Must not know: how the graph is shown. */
#include "page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deliver.h"
#include "memory.h"

enum { LONGEST_TITLE = 200 };

static reel_status fail(const reel__page *p, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);
static reel_status fail(const reel__page *p, reel_status status, const char *format, ...)
{
    char text[REEL__MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reel__fail(p->tape, status, p->args->at, "reel_page: %s", text);
    return p->tape->status;
}

static reel_status no_memory(const reel__page *p)
{
    return fail(p, REEL_ERR_MEMORY, "out of memory for a page of %zu nodes", p->nodes.n);
}

/* The roots as one list, which the caller frees. */
static reel_node **list_roots(const reel_page_args *a, size_t *n)
{
    *n = a->more + (a->root != NULL);
    reel_node **root = reel__reallocarray(NULL, *n + 1, sizeof(reel_node *));
    size_t k = 0;
    if (root && a->root) {
        root[k++] = a->root;
    }
    for (size_t i = 0; root && i < a->more; i++) {
        root[k++] = a->roots[i];
    }
    return root;
}

static reel_tape *tape_of(const reel_page_args *a)
{
    reel_tape *tape = a->root ? reel_node_tape(a->root) : NULL;
    for (size_t i = 0; !tape && i < a->more; i++) {
        tape = reel_node_tape(a->roots[i]);
    }
    return tape;
}

static bool admit(const reel__page *p, size_t n, reel_node *const *root)
{
    for (size_t i = 0; i < n; i++) {
        const reel__slot *s = reel__live(root[i]);
        if (!s) {
            reel__fail_dead(p->tape, p->args->at, "reel_page", root[i]);
            return false;
        }
        if (s->tape != p->tape) {
            fail(p, REEL_ERR_ARGUMENT, "root %zu is a node of another tape", i);
            return false;
        }
    }
    return true;
}

static void add_lines(const char *const *line, reel__text *out)
{
    for (; *line; line++) {
        reel__text_add(out, *line);
    }
}

static void write_page(const reel__page *p, size_t n, reel_node *const *root, reel__text *out)
{
    const char *title = p->args->title ? p->args->title : "";
    reel__text_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "<title>");
    reel__text_xml(out, *title ? title : "A recorded graph", LONGEST_TITLE);
    reel__text_add(out, "</title>\n<style>\n");
    add_lines(reel__page_style, out);
    reel__text_add(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
    reel__text_xml(out, title, LONGEST_TITLE);
    reel__text_add(
        out,
        "</h1>\n<button id=\"more\">Open one level more</button>\n"
        "<button id=\"none\">Close all</button>\n<button id=\"fit\">Fit</button>\n"
        "<label><input type=\"checkbox\" id=\"weights\"> weights</label>\n"
        "<label><input type=\"checkbox\" id=\"shapes\" checked> shapes</label>\n"
        "<input type=\"search\" id=\"find\" placeholder=\"find a name\" aria-label=\"find\">\n"
        "<span id=\"count\"></span>\n</header>\n<svg id=\"picture\">\n<defs><marker id=\"arrow\" "
        "viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
        "orient=\"auto-start-reverse\"><path d=\"M0,0 L8,4 L0,8 Z\"/></marker></defs>\n</svg>\n"
        "<footer id=\"about\">Click on a box to open it, on an open one to close it; drag to "
        "move, turn the wheel to zoom.</footer>\n"
        "<script type=\"application/json\" id=\"graph\">\n");
    reel__page_graph(p, n, root, out);
    reel__text_add(out, "\n</script>\n<script>\n");
    add_lines(reel__page_script, out);
    reel__text_add(out, "</script>\n</body>\n</html>\n");
}

/* What a page is written from. */
typedef struct source {
    const reel__page *page;
    size_t n;
    reel_node *const *root;
} source;

static bool write_source(const void *context, reel__text *out)
{
    const source *s = context;
    write_page(s->page, s->n, s->root, out);
    return true;
}

static reel_status send(const reel__page *p, size_t n, reel_node *const *root)
{
    char why[REEL__WRITER_MESSAGE];
    const source all = {p, n, root};
    reel_status status = reel__deliver(p->args->path, p->args->stream, write_source, &all, why);
    return status == REEL_ERR_MEMORY ? no_memory(p) : status ? fail(p, status, "%s", why) : REEL_OK;
}

static bool ends_in_html(const char *path)
{
    size_t n = strlen(path);
    return (n > 5 && strcmp(path + n - 5, ".html") == 0) ||
           (n > 4 && strcmp(path + n - 4, ".htm") == 0);
}

static void page_free(reel__page *p)
{
    reel__ids_free(&p->nodes);
    reel__free(p->place_of);
    reel__free(p->place);
    reel__map_free(&p->known);
}

reel_status reel_page_with(const reel_page_args *args)
{
    if (!args || (args->more && !args->roots)) {
        return REEL_ERR_ARGUMENT;
    }
    reel__page p = {.args = args, .tape = tape_of(args)};
    if (!p.tape || p.tape->status) {
        return p.tape ? p.tape->status : REEL_ERR_ARGUMENT;
    }
    if (!args->path == !args->stream) {
        return fail(&p, REEL_ERR_ARGUMENT, "expected either a path or a stream");
    }
    if (args->path && !ends_in_html(args->path)) {
        return fail(&p, REEL_ERR_ARGUMENT,
                    "%.400s: unknown kind of file: expected a name that ends in .html or .htm",
                    args->path);
    }
    size_t n = 0;
    reel_node **root = list_roots(args, &n);
    reel_status status = REEL_OK;
    if (!root) {
        status = no_memory(&p);
    } else if (!admit(&p, n, root)) {
        status = p.tape->status;
    } else if (!reel__page_collect(&p, n, root)) {
        status = no_memory(&p);
    } else {
        status = send(&p, n, root);
    }
    reel__free(root);
    page_free(&p);
    return status;
}
