/* For tests of drawings: graphs of any kind, and their text. */
#ifndef TESTS_DRAWN_H
#define TESTS_DRAWN_H

#include <reel/draw.h>

enum { RANDOM_NODES = 60 };

/* Any graph: modules and steps entered again and again in any order, views and constants among what
 * is recorded, every fourth node with a name. */
reel_node *random_graph(reel_tape *tape, uint64_t seed, reel_node **node);
/* The DOT text, which is the caller's. */
char *drawn(reel_draw_args args);

#endif
