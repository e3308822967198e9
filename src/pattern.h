/* Blocks that were taken apart before, and are known again by a look at their nodes. */
#ifndef REEL_SRC_PATTERN_H
#define REEL_SRC_PATTERN_H

#include "plan.h"

enum { REEL__PATTERN_NODES = 64, REEL__PATTERN_PORTS = 64 };

typedef struct reel__pattern_port {
    int64_t dim[REEL_MAX_RANK];
    uint8_t rank, dtype;
    bool weight;
} reel__pattern_port;

typedef struct reel__pattern {
    struct reel__pattern *next; /* in its bucket */
    struct reel__pattern *then; /* what matched after it the last time: a guess */
    reel__template *template;
    bool barred; /* has matched where the block was another one after all: does so no more */
    uint32_t nodes, ports;
    uint64_t asked; /* nodes that are asked for from elsewhere */
    uint64_t read;  /* nodes that are asked for or kept */
    bool ruled;     /* whether it is known what the nodes' gradient rules read: */
    uint64_t rules_read, rules_port; /* which nodes, and which ports */
    struct reel__pattern_node *node;
    int32_t *ref;   /* arguments of one node after another: a node of the block, or -1 - a port */
    uint32_t *call; /* ports in the order in which a walk from the last node on meets them */
    reel__pattern_port *port;
} reel__pattern;

/* A block that a pattern may be made of. */
typedef struct reel__specimen {
    reel__template *template;
    uint32_t nodes, ports;
    reel__slot *const *slot; /* its nodes */
    const bool *weight;      /* by port of the template */
    uint64_t asked, read;
} reel__specimen;

/* A block that is looked for. */
typedef struct reel__sought {
    const reel__slot *last;
    uint32_t walk;  /* nodes stamped with it are asked for */
    bool mark_read; /* marks what the gradient rules read of what has a pattern's structure */
    /* Which of the nodes are kept. Called for what has a pattern's structure, whatever is kept. */
    uint64_t (*kept_of)(void *context, uint32_t n, reel__slot *const *slot);
    void *context;
    /* of the pattern that is found: the nodes, what they read, what is kept of them; slot[] and
     * port[] are to have room for the most that there are */
    reel__slot **slot, **port;
    uint64_t kept;
} reel__sought;

/* The pattern that the nodes up to the last one match, or NULL; it may be barred. `before`: what
 * was found before it, or NULL. */
reel__pattern *reel__pattern_find(reel__compiled *c, const reel__pattern *before, reel__sought *x);

/* Makes a pattern, unless there is such a one, or there are too many. Without memory there is none.
 */
void reel__pattern_learn(reel__compiled *c, const reel__specimen *x);

/* Forgets all. Not while a graph is being collected. */
void reel__patterns_free(reel__compiled *c);

#endif
