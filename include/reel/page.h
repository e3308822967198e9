/** @file
 * The recorded graph as a page to walk through: one HTML file that needs nothing else.
 */
#ifndef REEL_PAGE_H
#define REEL_PAGE_H

#include <reel/base.h>
#include <stdio.h>

REEL_BEGIN

/** What the page shows; zero members mean the default. */
typedef struct reel_page_args {
    const char *path; /**< ends in .html or .htm */
    reel_node *root;  /**< what it shows: this node and all it depends on */
    size_t more;      /**< further roots, such as gradients */
    reel_node *const *roots;
    const char *title;
    FILE *stream; /**< reel_page_stream: where the text goes */
    const char *at;
} reel_page_args;

/** reel_page("model.html", loss): a page on which modules, time steps and the backward pass are boxes
 * that open in their place, and close again, on a click (or the Enter key). Tooltips tell a node's
 * operation, shape, scope, and where in the program it was made; weights are shown if one likes, and
 * nodes found by name. Of many steps those in the middle are one box. The page holds its script and
 * draws itself: it needs no network and no other program. It follows the reader's light or dark theme.
 * On error (the tape's, a bad extension, a file that cannot be written) the status is returned and the
 * message is the tape's; the old file stays whole. */
#define reel_page(...) reel_page_with(&(reel_page_args){__VA_ARGS__, .at = REEL_HERE})
/** As the macros reel_page and reel_page_stream. */
REEL_API REEL_CHECKED reel_status reel_page_with(const reel_page_args *args);
/** reel_page_stream(stdout, loss, .title = "..."). */
#define reel_page_stream(out, ...)                                                                 \
    reel_page_with(&(reel_page_args){.stream = (out), .at = REEL_HERE, .root = __VA_ARGS__})

REEL_END

#endif
