/* What the parts of arrange.c share: arrange_groups.c finds what is alike and what recurs,
 * arrange_order.c what runs when, arrange_places.c where values lie. */
#ifndef REEL_SRC_ARRANGE_H
#define REEL_SRC_ARRANGE_H

#include "plan.h"

typedef struct reel__array {
    size_t bytes; /* of one instance */
    uint32_t count;
    int64_t first, last; /* steps between which it is in use */
    size_t wanted;       /* how many bytes of it are kept */
    bool read;           /* by another block, or kept */
    bool far;            /* and not just by the window and the next one of its recurrence */
    bool lasts;          /* and not just by main of the next level */
    bool rolling, paired;
    uint32_t within; /* the array that it is a stretch of + 1; 0: none */
    size_t at;       /* and where */
    uint32_t asked;  /* the array that asked last whether this can be a stretch of it, + 1 */
    size_t covered;  /* how many bytes are parts of that one */
    reel__place place;
} reel__array;

typedef struct reel__member {
    uint64_t key;
    uint32_t block;
} reel__member;

/* Instances of one group that are of one level. */
typedef struct reel__range {
    uint32_t level, group, from, to;
} reel__range;

typedef struct reel__arranging {
    reel__compiled *c;
    reel__graph *g;
    reel__plan *plan;
    reel__arena *arena; /* working memory */
    uint32_t groups;
    reel__group *group;
    uint32_t *component; /* by group */
    bool *recurrent;     /* by component */
    uint32_t components;
    uint32_t *by_component, *component_start; /* groups */
    uint32_t *last_turn, *last_level;         /* by component: its last window, level */
    reel__range *covers;                      /* by group: of the present window; `level` counts */
    uint8_t **recurs, **feeds;                /* by group */
    uint32_t *added_start;                    /* by block: its entries in added_of */
    uint32_t *added_of;
    reel__member *member, *moved; /* scratch for sorting */
    uint32_t *array_start;        /* by group */
    reel__array *array;
    uint32_t arrays;
    struct reel__spot *spot;     /* by port of the graph */
    struct reel__wanted *wanted; /* nodes that are kept */
    size_t wanteds;
    reel__step *step;
    uint32_t steps, step_room;
    bool failed;
} reel__arranging;

/* Zeroed working memory; NULL after setting failed. */
void *reel__arrange_take(reel__arranging *a, size_t count, size_t size);

/* Likewise, not zeroed. */
void *reel__arrange_room(reel__arranging *a, size_t count, size_t size);

/* Not zeroed, of the plan. */
void *reel__arrange_keep(reel__arranging *a, size_t count, size_t size);

/* Each is one after another; false when memory is out. */
bool reel__arrange_groups(reel__arranging *a);
bool reel__arrange_order(reel__arranging *a);
bool reel__arrange_places(reel__arranging *a);

static inline uint32_t reel__larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static inline const reel__source *reel__ports_of(const reel__arranging *a, const reel__block *b)
{
    return a->g->port + b->first_port;
}

static inline uint32_t reel__component_of(const reel__arranging *a, uint32_t block)
{
    return a->component[a->g->block[block].group];
}

/* Whether block x feeds block j within one recurrence. */
static inline bool reel__inside(const reel__arranging *a, uint32_t x, uint32_t j)
{
    uint32_t recurrence = a->g->block[j].recurrence;
    return recurrence && a->g->block[x].recurrence == recurrence;
}

#endif
