/* How recordings are drawn: the options that programs have in common, and what they mean. */
#ifndef EXAMPLES_PROGRAM_DRAWING_H
#define EXAMPLES_PROGRAM_DRAWING_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>

/* What the options say; words as their position in their list. */
typedef struct drawing {
    int64_t level, colour, weights, theme, pass;
    int64_t depth, from, to, most_steps;
    int64_t collapse; /* no option of all programs */
    const char *open, *closed, *font, *title;
    bool net, values, nan, cut, no_shapes;
    bool backward, second;
} drawing;

/* The only list of them, from which programs make their tables: each is FLAG(name, member, help),
 * WORD(name, member, words, default, help), WHOLE(name, member, shown, low, high, help) of 0 or
 * TEXT(name, member, shown, help). level: the default. */
#define DRAWING_OPTIONS(FLAG, WORD, WHOLE, TEXT, level_)                                      \
    FLAG("backward", backward, "and the derivatives of a loss for all weights")               \
    FLAG("second", second, "and those of the squares of these")                               \
    WORD("level", level, "op|gate|module", level_, "how near to look")                        \
    FLAG("net", net, "before it is unrolled: what goes from step to step is a loop")          \
    TEXT("open", open, "PATTERNS", "modules to look into, such as 'decoder,lstm/l?'")         \
    TEXT("closed", closed, "PATTERNS", "modules to draw as one box a step")                   \
    WHOLE("depth", depth, "N", 0, 1000, "modules nested deeper are one; 0: any")              \
    WHOLE("from", from, "T", 0, 1000000, "with --to: draw steps from <= t < to alone")        \
    WHOLE("to", to, "T", 0, 1000000, "see --from")                                            \
    WHOLE("most-steps", most_steps, "N", -1, 1000000,                                         \
          "of longer unrolls the middle is one column; -1: never, 0: as the level suggests")  \
    WORD("pass", pass, "all|forward|backward", "all", "which passes to draw")                 \
    WORD("colour", colour, "kind|plan|time|gradient|memory", "kind", "what colours mean")     \
    WORD("weights", weights, "default|once|stubs|hidden", "default", "how weights are shown") \
    WORD("theme", theme, "light|dark|print|safe", "light",                                    \
         "what readers it is for, safe being for the colour-blind")                           \
    FLAG("values", values, "mean, deviation and histogram in the labels")                     \
    FLAG("nan", nan, "where NaN and infinities come from, in red")                            \
    FLAG("cut", cut, "long edges end in a note")                                              \
    FLAG("no-shapes", no_shapes, "leave shapes out")                                          \
    TEXT("font", font, "NAME", "another font")                                                \
    TEXT("title", title, "TEXT", "what stands above")

/* How often what is drawn is differentiated. */
int drawing_order(const drawing *d);
/* The derivatives of a scalar for all weights, by their order in the set: of a higher order, those
 * of the sum of squares of the derivatives before. They are named "∂ weight", of the
 * second order "∂² weight". slope: room for all
 * weights. False after a complaint. */
bool drawing_differentiate(reel_tape *tape, reel_params *ps, reel_node *y, int order,
                           reel_node **slope);
/* Whether what the options say can be drawn there: to be asked before anything is recorded. False
 * after a complaint. */
bool drawing_check(const drawing *d, const char *path);
/* Draws the roots as a picture or, where the path ends in .html, a page, which has that title if
 * none was given. False after a complaint. */
bool drawing_write(const drawing *d, const char *path, const char *title, size_t roots,
                   reel_node *const *root);

#endif
