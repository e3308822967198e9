/* A page of a graph, for page*.c. */
#ifndef REEL_SRC_PAGE_H
#define REEL_SRC_PAGE_H

#include <reel/page.h>

#include "label.h"
#include "tape.h"

/* Lines up to a NULL. */
extern const char *const reel__page_style[], *const reel__page_script[];

/* Where nodes stand: a scope's path, apart for each order of differentiation. Place 0 is the
 * outermost; parents come before children. */
typedef struct reel__page_place {
    uint32_t parent, scope; /* scope 0: a pass */
    uint32_t depth;
    uint8_t order;
} reel__page_place;

typedef struct reel__page {
    const reel_page_args *args;
    reel_tape *tape;
    reel__ids nodes;    /* ids of all nodes shown, ascending; a slot's mark is its index here */
    uint32_t *place_of; /* per node */
    reel__page_place *place;
    size_t places, place_capacity;
    reel__map known; /* (path, order) -> place + 1 */
    uint32_t walk;   /* a slot that is shown has this stamp */
} reel__page;

/* Finds the nodes and their places. False when memory is out. */
bool reel__page_collect(reel__page *p, size_t n, reel_node *const *root);
/* The graph as JSON that may stand inside a page. */
void reel__page_graph(const reel__page *p, size_t n, reel_node *const *root, reel__text *out);

#endif
