/** @file
 * Drawing the recorded graph with Graphviz.
 */
#ifndef REEL_DRAW_H
#define REEL_DRAW_H

#include <reel/base.h>
#include <stdio.h>

REEL_BEGIN

/** How much is shown. */
typedef enum reel_draw_collapse {
    REEL_DRAW_ALL = 0, /**< every node, in clusters per module and time step */
    REEL_BY_STEP,      /**< one box per module and time step */
    REEL_BY_MODULE     /**< one box per module */
} reel_draw_collapse;

/** What colours mean. The last two show the plan that ran last on the tape (see reel/plan.h), and need
 * reel_tape_set_profiling before it ran. Weights and other leaves stay as they are; what this plan did
 * not compute, or reads in place, is white. */
typedef enum reel_draw_colour {
    REEL_BY_KIND = 0, /**< products, views, gradients */
    REEL_BY_PLAN,     /**< a colour for each step of the plan, a shade for each of its kernels; labels
                           and tooltips say which: "step 3.1" is kernel 1 of step 3 */
    REEL_BY_TIME      /**< from white to red by the time that a node's kernels took, shared equally
                           among the nodes of a fused kernel; tooltips have the time */
} reel_draw_colour;

/** What is drawn, and how; zero members mean the default. */
typedef struct reel_draw_args {
    const char *path;      /**< .dot or .gv: text; .svg .png .pdf: rendered by the `dot` program */
    reel_node *root;       /**< what it draws: this node and all it depends on */
    size_t more;           /**< further roots, such as gradients */
    reel_node *const *roots;
    reel_draw_collapse collapse;
    reel_draw_colour colour;
    const char *title;
    bool no_shapes;        /**< leave shapes out of the labels */
    bool hide_weights;
    FILE *stream;          /**< reel_draw_stream: where the DOT text goes */
    const char *at;
} reel_draw_args;

/** reel_draw("unrolled.svg", loss, .collapse = REEL_BY_STEP). Nodes made by gradient rules are drawn apart
 * from forward nodes. On error (the tape's, a bad extension, no `dot` program, a file that cannot be
 * written) the status is returned and the message is the tape's; the old file stays whole. */
#define reel_draw(...) reel_draw_with(&(reel_draw_args){__VA_ARGS__, .at = REEL_HERE})
/** As the macros reel_draw and reel_draw_stream. */
REEL_API REEL_CHECKED reel_status reel_draw_with(const reel_draw_args *args);
/** reel_draw_stream(stdout, loss, .title = "..."): DOT text only. */
#define reel_draw_stream(out, ...)                                                                 \
    reel_draw_with(&(reel_draw_args){.stream = (out), .at = REEL_HERE, .root = __VA_ARGS__})

REEL_END

#endif
