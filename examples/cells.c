/* The kinds of cells that Reel has: lists them with their options, or draws two steps of one. */
#include <reel/models.h>
#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

enum { FEATURES = 3, HIDDEN = 4, BATCH = 1, STEPS = 2 };

static void list(void)
{
    for (const reel_cell_type *const *t = reel_cell_types(); *t; t++) {
        printf("%s: %s\n", (*t)->name, (*t)->help);
        for (int i = 0; i < REEL_MAX_OPTIONS && (*t)->option[i].name; i++) {
            const reel_cell_option *o = &(*t)->option[i];
            char text[80], start[32] = "";
            if (!o->words) {
                snprintf(text, sizeof text, "%s=NUMBER", o->name);
                snprintf(start, sizeof start, " (%.4g)", o->value);
            } else {
                snprintf(text, sizeof text, "%s%s%s", o->name, *o->words ? "=" : "", o->words);
            }
            printf("  %-30s %s%s\n", text, o->help, start);
        }
    }
}

/* From zero states, each step's output. */
static int draw(const char *path, const char *kind, const char *options)
{
    static const float zero[BATCH * FEATURES];
    const reel_cell_type *type = reel_cell_type_find(kind);
    if (!type) {
        fprintf(stderr, "cells: there is no cell '%s': cells --list tells which there are\n", kind);
        return 2;
    }
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_cell *cell =
        reel_cell_of(ps, kind, type, .in = FEATURES, .hidden = HIDDEN, .options = options);
    reel_tape *tape = reel_tape_new(1);
    reel_node *x[STEPS], *y[STEPS];
    for (int t = 0; t < STEPS; t++) {
        x[t] = reel_name(reel_input(tape, REEL_F32, zero, reel_dims(BATCH, FEATURES)), "x");
    }
    bool ok = reel_unroll(cell, STEPS, x, NULL, y) == REEL_OK &&
              reel_draw(path, reel_name(y[STEPS - 1], "h")) == REEL_OK;
    if (ok) {
        printf("drawn: %s\n", path);
    } else {
        fprintf(stderr, "cells: %s\n", reel_tape_message(tape));
    }
    reel_tape_free(tape);
    reel_cell_free(cell);
    reel_params_free(ps);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 1 || (argc == 2 && strcmp(argv[1], "--list") == 0)) {
        list();
        return 0;
    }
    if ((argc == 4 || argc == 5) && strcmp(argv[1], "--draw") == 0) {
        return draw(argv[2], argv[3], argv[4]);
    }
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fputs("Usage: cells [--list]\n"
          "       cells --draw FILE KIND [OPTIONS]\n"
          "Lists the kinds of cells with their options, or draws one.\n"
          "\n"
          "  --list  what there is (the default)\n"
          "  --draw  two steps of a cell: a .dot, .svg, .png or .pdf file\n"
          "  --help  print this and exit\n",
          help ? stdout : stderr);
    return help ? 0 : 2;
}
