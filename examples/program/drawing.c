/* Recordings differentiated and drawn as options say. */
#include "drawing.h"
#include "say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int drawing_order(const drawing *d)
{
    return d->second ? 2 : d->backward ? 1 : 0;
}

/* Each order's derivatives under names of their own. */
static void name_slopes(reel_params *ps, int order, reel_node **slope)
{
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        char name[160];
        snprintf(name, sizeof name, "\xe2\x88\x82%s %s", order > 1 ? "\xc2\xb2" : "",
                 reel_param_name(reel_params_at(ps, i)));
        reel_name(slope[i], name);
    }
}

static bool differentiate(reel_params *ps, reel_node *y, int order, reel_node *const *weight,
                          reel_node **slope)
{
    const size_t n = reel_params_count(ps);
    for (int k = 1; k <= order; k++) {
        if (reel_grad(y, n, weight, slope) != REEL_OK) {
            return false;
        }
        name_slopes(ps, k, slope);
        for (size_t i = 0; k < order && i < n; i++) {
            slope[i] = reel_sum(reel_square(slope[i]));
        }
        y = k < order ? reel_name(reel_sum_of((int)n, slope),
                                  "\xe2\x80\x96\xe2\x88\x87\xe2\x80\x96\xc2\xb2")
                      : y;
    }
    return true;
}

bool drawing_differentiate(reel_tape *tape, reel_params *ps, reel_node *y, int order,
                           reel_node **slope)
{
    const size_t n = reel_params_count(ps);
    reel_node **weight = calloc(n + 1, sizeof(reel_node *));
    if (!weight) {
        return out_of_memory();
    }
    for (size_t i = 0; i < n; i++) {
        weight[i] = reel_use(tape, reel_params_at(ps, i));
    }
    bool ok = differentiate(ps, y, order, weight, slope) && reel_tape_status(tape) == REEL_OK;
    free(weight);
    return ok || tape_complain(tape);
}

static bool is_page(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && (strcasecmp(end, ".html") == 0 || strcasecmp(end, ".htm") == 0);
}

/* A page shows all of a recording; what pictures leave out or paint is not for it. */
static bool check_page(const drawing *d)
{
    const struct {
        bool given;
        const char *name;
    } picture[] = {{d->net, "net"},
                   {d->open != NULL, "open"},
                   {d->closed != NULL, "closed"},
                   {d->depth > 0, "depth"},
                   {d->to > 0, "to"},
                   {d->most_steps != 0, "most-steps"},
                   {d->pass != REEL_PASS_ALL, "pass"},
                   {d->colour != REEL_BY_KIND, "colour"},
                   {d->weights != REEL_WEIGHTS_DEFAULT, "weights"},
                   {d->theme != REEL_THEME_LIGHT, "theme"},
                   {d->values, "values"},
                   {d->nan, "nan"},
                   {d->cut, "cut"},
                   {d->no_shapes, "no-shapes"},
                   {d->font != NULL, "font"}};
    for (size_t i = 0; i < sizeof picture / sizeof *picture; i++) {
        if (picture[i].given) {
            return complain("--%s is for pictures, and not for .html: a page shows all there is",
                            picture[i].name);
        }
    }
    return true;
}

bool drawing_check(const drawing *d, const char *path)
{
    static const char *const known[] = {".svg", ".png", ".pdf", ".dot", ".gv", ".html", ".htm"};
    const char *name = strrchr(path, '/');
    const char *end = strrchr(name ? name : path, '.');
    bool found = false;
    for (size_t i = 0; end && i < sizeof known / sizeof *known; i++) {
        found = found || strcasecmp(end, known[i]) == 0;
    }
    if (!found) {
        return complain("%s: unknown kind of file: expected a name that ends in .svg, .png, .pdf, "
                        ".dot, .gv or .html",
                        path);
    }
    if ((d->from > 0 || d->to > 0) && d->to <= d->from) {
        return complain("--from %lld --to %lld: expected --to, and larger than --from",
                        (long long)d->from, (long long)d->to);
    }
    if (d->net && (d->to > 0 || d->most_steps != 0)) {
        return complain("--net draws what is not unrolled, which has no steps for --%s",
                        d->to > 0 ? "to" : "most-steps");
    }
    if (d->pass == REEL_PASS_BACKWARD && drawing_order(d) == 0) {
        return complain("--pass backward: no backward pass is recorded: add --backward");
    }
    return !is_page(path) || check_page(d);
}

/* Without the place in this file. */
static bool draw_complain(reel_tape *tape)
{
    static const char by[] = "reel_draw: ";
    const char *message = reel_tape_message(tape), *at = strstr(message, by);
    return complain("%s", at ? at + sizeof by - 1 : message);
}

bool drawing_write(const drawing *d, const char *path, const char *title, size_t roots,
                   reel_node *const *root)
{
    reel_tape *tape = reel_node_tape(root[0]);
    if (is_page(path)) {
        return reel_page(path, root[0], .more = roots - 1, .roots = root + 1,
                         .title = d->title ? d->title : title) == REEL_OK ||
               tape_complain(tape);
    }
    if (d->colour == REEL_BY_GRADIENT && reel_node_size(root[0]) != 1) {
        return complain("--colour gradient: expected one number to differentiate: add --loss");
    }
    /* plans and times are known when it has been computed */
    if (d->colour == REEL_BY_PLAN || d->colour == REEL_BY_TIME) {
        reel_tape_set_profiling(tape, true);
        if (reel_eval(roots, root) != REEL_OK) {
            return tape_complain(tape);
        }
    }
    return reel_draw(path, root[0], .more = roots - 1, .roots = root + 1, .title = d->title,
                     .collapse = d->net ? REEL_BY_MODULE : (reel_draw_collapse)d->collapse,
                     .level = (reel_draw_level)d->level, .colour = (reel_draw_colour)d->colour,
                     .weights = (reel_draw_weights)d->weights, .theme = (reel_draw_theme)d->theme,
                     .pass = (reel_draw_pass)d->pass, .open = d->open, .closed = d->closed,
                     .depth = (int)d->depth, .from = d->from, .to = d->to,
                     .most_steps = (int)d->most_steps, .values = d->values, .nan = d->nan,
                     .cut = d->cut, .no_shapes = d->no_shapes, .font = d->font) == REEL_OK ||
           draw_complain(tape);
}
