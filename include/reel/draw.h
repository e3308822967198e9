/** @file
 * Drawing the recorded graph with Graphviz.
 */
#ifndef REEL_DRAW_H
#define REEL_DRAW_H

#include <reel/base.h>
#include <stdio.h>

REEL_BEGIN

/** How near one looks. At the two upper levels constants, views and broadcasts are left out, and
 * what they pass on is drawn as coming from where it came from. See docs/drawing.md. */
typedef enum reel_draw_level {
    REEL_LEVEL_OP = 0, /**< every node of the tape */
    REEL_LEVEL_GATE,   /**< the inside of each cell: W x + U h + b, σ, tanh, ⊙, + */
    REEL_LEVEL_MODULE  /**< a box for each module and time step: LSTM, attention, softmax */
} reel_draw_level;

/** How much is shown. At the gate and module level the first two are the same, and
 * REEL_BY_MODULE draws the net before it is unrolled: what goes from step to step is a loop. */
typedef enum reel_draw_collapse {
    REEL_DRAW_ALL = 0, /**< every node, in clusters per module and time step */
    REEL_BY_STEP,      /**< one box per module and time step */
    REEL_BY_MODULE     /**< one box per module */
} reel_draw_collapse;

/** What colours mean. REEL_BY_PLAN and REEL_BY_TIME show the plan that ran last on the tape (see
 * reel/plan.h), and need reel_tape_set_profiling before it ran. Weights and other leaves stay as
 * they are; what this plan did not compute, or reads in place, is white, and what the backward pass
 * computed once more has a double border. REEL_BY_GRADIENT and REEL_BY_MEMORY need no run. */
typedef enum reel_draw_colour {
    REEL_BY_KIND = 0, /**< products, views, gradients */
    REEL_BY_PLAN, /**< a colour for each step of the plan, a shade for each of its kernels; labels
                       and tooltips say which: "step 3.1" is kernel 1 of step 3 */
    REEL_BY_TIME, /**< from white to red by the time that a node's kernels took, shared equally
                       among the nodes of a fused kernel; labels and tooltips have the time and the
                       floating-point operations, with what was computed once more */
    REEL_BY_GRADIENT, /**< by log10 ‖∂L/∂node‖, L the root: strong where the loss feels the node,
                         and fading over two to seven powers of ten. Differentiates and evaluates.
                       */
    REEL_BY_MEMORY /**< by the bytes of what a figure's nodes give */
} reel_draw_colour;

/** How weights are shown. */
typedef enum reel_draw_weights {
    REEL_WEIGHTS_DEFAULT = 0, /**< at op level once; hidden at the others */
    REEL_WEIGHTS_ONCE,        /**< weights that are used together, in one box */
    REEL_WEIGHTS_STUBS,       /**< a small note at each figure that uses some; "×5": it is used by
                                   five, of which this is one */
    REEL_WEIGHTS_HIDDEN
} reel_draw_weights;

/** What a picture is for. */
typedef enum reel_draw_theme {
    REEL_THEME_LIGHT = 0,
    REEL_THEME_DARK,
    REEL_THEME_PRINT, /**< black, white and greys: passes differ by their line alone */
    REEL_THEME_SAFE   /**< hues that colour-blind readers tell apart (Okabe & Ito) */
} reel_draw_theme;

/** Which of the passes are drawn. */
typedef enum reel_draw_pass {
    REEL_PASS_ALL = 0,
    REEL_PASS_FORWARD,
    REEL_PASS_BACKWARD /**< what gradient rules recorded, of any order */
} reel_draw_pass;

/** What is drawn, and how; zero members mean the default. */
typedef struct reel_draw_args {
    const char *path; /**< .dot or .gv: text; .svg .png .pdf: rendered by the `dot` program */
    reel_node *root;  /**< what it draws: this node and all it depends on */
    size_t more;      /**< further roots, such as gradients */
    reel_node *const *roots;
    reel_draw_collapse collapse;
    reel_draw_colour colour;
    const char *title;
    bool no_shapes;    /**< leave shapes out of the labels */
    bool hide_weights; /**< as .weights = REEL_WEIGHTS_HIDDEN */
    reel_draw_level level;
    const char *open;   /**< modules to look into, as "decoder,lstm/l?": paths without steps,
                         * for any characters; at module level. A pattern that matches none, of
                         * these or of .closed, is an error */
    const char *closed; /**< modules to draw as one box for each step, whatever the level */
    int depth;          /**< modules nested deeper are part of the one at that depth; 0: any */
    int64_t from, to;   /**< steps from <= t < to, when to > from; others are collapsed */
    int most_steps;     /**< of longer unrolls the first ones and the last are drawn and what is
                             between is one column, "×N". 0: 10 at module level, 5 at gate level,
                             any at op level; -1: any; else 3 or more */
    reel_draw_weights weights;
    reel_draw_pass pass;
    reel_draw_theme theme;
    const char *font; /**< NULL: Helvetica or what is like it */
    bool cut;         /**< long edges end in a stub that names what they come from */
    bool values;      /**< labels have mean, standard deviation and histogram; evaluates */
    bool nan;         /**< a node with NaN or infinity that no argument has is red; evaluates */
    FILE *stream;     /**< reel_draw_stream: where the DOT text goes */
    const char *at;
} reel_draw_args;

/** reel_draw("unrolled.svg", loss, .collapse = REEL_BY_STEP). Nodes made by gradient rules are
 * drawn apart from forward nodes. On error (the tape's, a bad extension, no `dot` program, a file
 * that cannot be written) the status is returned and the message is the tape's; the old file stays
 * whole. */
#define reel_draw(...) reel_draw_with(&(reel_draw_args){__VA_ARGS__, .at = REEL_HERE})
/** As the macros reel_draw and reel_draw_stream. */
REEL_API REEL_CHECKED reel_status reel_draw_with(const reel_draw_args *args);
/** reel_draw_stream(stdout, loss, .title = "..."): DOT text only. */
#define reel_draw_stream(out, ...) \
    reel_draw_with(&(reel_draw_args){.stream = (out), .at = REEL_HERE, .root = __VA_ARGS__})

REEL_END

#endif
