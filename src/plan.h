/* How the compiled executor sees a recording: blocks of it, their compiled form, and the plan that
 * says what runs when and where values live. See docs/execution.md. */
#ifndef REEL_SRC_PLAN_H
#define REEL_SRC_PLAN_H

#include <string.h>

#include "ir.h"
#include "tape.h"

#define REEL__NONE UINT32_MAX

/* A block's structure: what is recorded in one scope in one go. Blocks of the same structure share
 * a template. */
typedef struct reel__template {
    uint64_t hash;
    struct reel__template *next; /* in its bucket */
    struct reel__template *then; /* that of the block after the last one that had it: a guess */
    uint32_t group;              /* of a plan, that of the last block that had it: a guess */
    uint64_t *key;
    size_t words;
    uint32_t *flag_at; /* by node: where the key says who reads it */
    reel__ir raw;      /* one value a node, before any pass */
    reel__arena arena;
    struct reel__code *codes;
    struct reel__paths *paths; /* what derive.c found out */
    struct reel__pullback *pullbacks;
} reel__template;

/* What a block reads: a node of another block, or one with a value. */
typedef struct reel__source {
    uint32_t block; /* REEL__NONE: outside */
    uint32_t at;    /* the node's place in its block, or the number of the outside node */
} reel__source;

typedef struct reel__block {
    reel__template *template;
    uint32_t first, nodes;      /* in graph.node */
    uint32_t first_port, ports; /* in graph.port */
    uint32_t scope;
    bool backward;
    bool copy;       /* computed again: what it keeps, its original keeps */
    uint32_t window; /* blocks of different windows do not run together */
    /* how the plan arranges it */
    uint32_t group, position, level, tail;
    uint32_t recurrence; /* its number + 1; 0: none */
    uint32_t turn; /* number of its window in its recurrence */
    uint32_t slot; /* its place where two windows' instances have one */
    uint32_t near; /* likewise two levels' */
} reel__block;

/* Terms of a sum from which on they are added in place: within a cell, and from other blocks. */
enum { REEL__MANY_TERMS = 16, REEL__SOME_TERMS = 4 };

/* A value that goes straight into a sum of another block. */
typedef struct reel__added {
    uint32_t block, at;       /* the contribution */
    uint32_t to_block, to_at; /* the sum */
} reel__added;

/* What one evaluation needs. */
typedef struct reel__graph {
    reel_tape *tape;
    reel__arena *arena;
    bool step; /* forward and backward in one, of which only what is wanted is kept */
    uint32_t nodes;
    reel__slot **node; /* by block */
    uint8_t *kept;     /* by the same number: readable after the run */
    reel__block *block;
    uint32_t blocks;
    reel__source *port;
    uint32_t port_count;
    reel__slot **outside;
    uint32_t outsides;
    reel__added *added;
    uint32_t added_count;
    uint64_t *key; /* the structure of it all */
    size_t words;
    uint64_t hash;
} reel__graph;

/* The first node of the block from number `at` on that is kept; as many as it has when there is
 * none. */
static inline uint32_t reel__next_kept(const reel__graph *g, const reel__block *b, uint32_t at)
{
    const uint8_t *kept = g->kept + b->first;
    const uint8_t *found = at < b->nodes ? memchr(kept + at, true, b->nodes - at) : NULL;
    return found ? (uint32_t)(found - kept) : b->nodes;
}

typedef struct reel__compiled reel__compiled;

/* Takes apart what the roots need; templates are found or made. False after reporting. */
bool reel__collect(reel__compiled *c, reel__graph *g, size_t n, reel__slot *const *roots);

/* The same of nodes that are recorded for a while, with all that they read computed. Gives the
 * place of each root; one with added[i] is added in place to a sum that is elsewhere, if it can be:
 * else added[i] becomes false. The graph gets no key. */
bool reel__collect_part(reel__compiled *c, reel__graph *g, size_t n, reel__slot *const *roots,
                        bool *added, reel__source *where);
/* The template like t whose nodes in the set are read from outside, too. NULL when memory is out.
 */
reel__template *reel__template_read(reel__compiled *c, reel__template *t, const uint64_t *nodes);
/* The template of one sum of n terms of that shape; of more than those, when it has been started.
 * NULL when memory is out. */
reel__template *reel__template_sum(reel__compiled *c, const reel__slot *like, uint32_t n,
                                   bool started);

void reel__templates_free(reel__compiled *c);

/* Makes the graph of a loss and its gradients from that of the loss, block by block: a block's
 * backward pass is recorded once, for all blocks of its template. x: outside values of g, or
 * REEL__NONE for leaves that are none; `gradient` gets the places of their gradients. False when it
 * cannot be done: the status may say why. */
bool reel__derive(reel__compiled *c, const reel__graph *g, reel__slot *loss, size_t n,
                  const uint32_t *x, reel__slot *const *slots, reel__graph *all,
                  reel__source *gradient);
void reel__pullbacks_free(reel__template *t);
size_t reel__pullbacks_bytes(const reel__template *t);

/* Compiled blocks */

/* An operand of a kernel: a value of the block (port, constant, array or temporary) seen through a
 * window of it. */
typedef struct reel__operand {
    int value;
    reel_window window;
} reel__operand;

typedef enum reel__kernel_kind {
    REEL__DO_MAP,     /* a fused group */
    REEL__DO_PRODUCT, /* one term of a product */
    REEL__DO_RUN,     /* an op's own kernel */
    REEL__DO_COPY,    /* a window into a window */
    REEL__DO_ZERO
} reel__kernel_kind;

enum { REEL__MOST_BESIDE = 8 }; /* products that run at once, at most */

enum { REEL__BLOCK_BYTES = 4096 }; /* what a fused group computes of a value at a time */

/* One op of a fused group: an element-wise one, or a reduction of another one's rows. Registers
 * hold a block of elements, of whole rows where any are reduced. */
typedef struct reel__map_op {
    const reel_op *op;
    const void *attr;
    int n;
    int *arg; /* >= 0: register; < 0: input -1 - arg */
    int to;   /* register; -1 for a reduction */
    int out;  /* output that it is stored to, or -1 */
    int node;
    bool reduces; /* its output has one element for each row: stride 0 along the last axis */
} reel__map_op;

typedef struct reel__fused {
    reel_shape shape;
    int inputs, ops, outputs, registers;
    reel__operand *input; /* broadcast to the shape: strides along its axes */
    reel__map_op *op;
    reel__operand *output;
} reel__fused;

typedef struct reel__matrix {
    reel__operand x; /* offset of the window only */
    int64_t row, column;
} reel__matrix;

typedef struct reel__term {
    int64_t m, n, k;
    reel__matrix a, b, c;
} reel__term;

typedef struct reel__kernel {
    uint8_t kind;
    bool accumulate; /* add to what is there */
    bool added;      /* into the sum of another block */
    uint8_t beside;  /* PRODUCT, added: so many that follow may run with it */
    int term_value;  /* COPY: what is copied */
    int value;
    int node; /* of the template, for profiles; -1 */
    union {
        reel__fused *fused;
        reel__term *term;
        reel__operand *args; /* RUN: as many as the value has arguments; COPY: one */
    };
    reel__operand to;
} reel__kernel;

typedef struct reel__segment {
    reel__kernel *kernel;
    int kernels;
    int added; /* how many of them go into sums of other blocks */
    int *port; /* the ports that are read */
    int ports;
    int *binding;   /* by port: its place in the list */
    size_t scratch; /* bytes for each instance */
} reel__segment;

/* Where others find a node's value: so many bytes into a value of the block, which is no view. */
typedef struct reel__exit {
    int value;
    uint8_t kind;
    size_t offset; /* of CONST: an address */
} reel__exit;

/* A template compiled for one way of being arranged. */
typedef struct reel__code {
    struct reel__code *next;
    reel__template *template;
    const uint8_t *key; /* by port: recurs; by node: feeds a recurring port */
    reel__ir ir;
    reel__exit *exit; /* by node */
    reel__arena arena;
    reel__segment segment[REEL__SEGMENTS];
} reel__code;

/* Finds or makes the template's code. recurs[port], feeds[node]. NULL when memory is out. */
reel__code *reel__code_find(reel__template *t, unsigned passes, const uint8_t *recurs,
                            const uint8_t *feeds);
void reel__code_free(reel__code *code);

/* Plans */

/* Whose a block is, in reel__plan.like beside the number of a node, which is REEL__NO_NODE where
 * none is known: of the backward pass; of what is computed again for it. */
#define REEL__BACKWARD (UINT32_C(1) << 31)
#define REEL__AGAIN    (UINT32_C(1) << 30)
#define REEL__NO_NODE  (REEL__AGAIN - 1)

/* Where something lies: base 0: the run's scratch, 1: what is kept, 2: constants (offset is an
 * address), 3 + k: the outside value k. */
typedef struct reel__place {
    uint32_t base;
    size_t offset;
} reel__place;
enum { REEL__SCRATCH, REEL__KEPT, REEL__CONSTANT, REEL__OUTSIDE };

/* The places of one port, or of one sum, for the instances of a step. */
typedef struct reel__binding {
    reel__place at; /* of the first, when `each` is NULL */
    int64_t stride; /* in bytes, from instance to instance */
    const reel__place *each;
} reel__binding;

typedef struct reel__step {
    uint32_t group;
    uint8_t segment;
    uint32_t from, to;      /* instances */
    uint32_t origin;        /* the first instance of its window */
    bool odd;               /* whether the window's number is */
    uint32_t near;          /* of main: the first instance's place where two levels' have one */
    size_t temporary;       /* where in the scratch its temporaries lie */
    reel__binding *binding; /* by place in the segment's list of ports */
    reel__place *sum;       /* of `added` kernels in order, by instance: where they go */
    uint8_t *starts;        /* likewise: whether it is the first of the sum */
} reel__step;

/* The steps between which an array is in use; first > last: never. */
typedef struct reel__life {
    uint32_t first, last;
} reel__life;

/* Blocks with one code, which may run together. */
typedef struct reel__group {
    reel__template *template;
    reel__code *code;
    uint32_t count, first; /* its blocks are order[first..] */
    uint32_t window;       /* the most instances that run in one window */
    uint32_t width;        /* the most that are of one level */
    reel__place *array;    /* by value of the code */
    reel__life *life;      /* likewise */
    uint8_t *given;        /* by value: REEL__WINDOWED and the like */
} reel__group;

enum {
    REEL__WINDOWED = 1, /* only a window's instances have a place at a time */
    REEL__ROLLING = 4,  /* this window's and the last one's do */
    REEL__PAIRED = 8,   /* this level's and the last one's do */
    REEL__IN_PLACE = 2  /* its parts lie as they should where they are: no copies */
};

/* A value to be copied out of the scratch, because it is to be kept. */
typedef struct reel__keep {
    reel__place from, to;
    size_t bytes;
} reel__keep;

/* A node and where its value is after the run. */
typedef struct reel__result {
    uint32_t node; /* its number in the graph */
    reel__place place;
} reel__result;

typedef struct reel__plan {
    uint64_t hash;
    struct reel__plan *next; /* in its bucket */
    struct reel__plan *newer, *older;
    uint64_t *key;
    size_t words;
    reel__arena arena;
    uint32_t nodes, groups, steps, keeps, results, outsides;
    reel__group *group;
    reel__step *step;
    reel__keep *keep;
    reel__result *result;          /* kept nodes */
    size_t scratch, kept, working; /* bytes; working: of scratch, one step's temporaries at most */
    uint32_t *order;               /* blocks by group */
    uint32_t *from;                /* outside value k is number from[k] of the forward graph */
    reel__place *gradient;
    uint32_t gradients;
    uint32_t *like;    /* of gradients, by block: a forward node in its scope, and flags */
    uint32_t *start;   /* likewise: its first node; NULL: made without profiling, or no gradients */
    uint32_t *forward; /* likewise, by node: its number in the forward graph */
    size_t shared;     /* bytes of scratch before reuse */
    int64_t kernels;
} reel__plan;

/* A weight's panels, packed once per update. */
typedef struct reel__pack {
    const void *data; /* where the matrix lies; NULL: free */
    uint64_t version; /* of the weight, or of the run that computed it */
    int64_t k, n, row, column;
    void *panels;
    size_t bytes;
    uint64_t used;
} reel__pack;

/* One evaluation of a recording, for the next recording if it is the same. */
typedef struct reel__turn {
    uint32_t count; /* nodes at the time */
    uint64_t wants;
    size_t n;
    uint32_t *root; /* ids */
    bool gradients; /* the first is the loss, the others are leaves */
    reel__plan *plan;
    uint32_t nodes, outsides;
    reel__slot **node, **outside; /* of the graph */
    size_t room;
    void *memory;
} reel__turn;

/* What ran last, for those who look at it. */
typedef struct reel__ran {
    const reel_tape *tape;
    const reel__plan *plan;                   /* NULL: none, or it is forgotten */
    reel__slot *const *node, *const *outside; /* of the graph; NULL: not known any more */
    uint32_t epoch;
} reel__ran;

enum {
    REEL__TEMPLATE_BUCKETS = 256,
    REEL__PATTERN_BUCKETS = 64,
    REEL__MOST_PATTERNS = 1024, /* then all are forgotten */
    REEL__PLAN_BUCKETS = 256,
    REEL__MOST_PLANS = 256,
    REEL__MOST_PLAN_BYTES = 64 << 20,
    REEL__MOST_TEMPLATES = 8192 /* then all are forgotten */
};

/* The compiled executor's side of a tape. */
struct reel__compiled {
    reel_tape *tape;
    unsigned passes;
    reel__template *bucket[REEL__TEMPLATE_BUCKETS];
    uint32_t templates;
    struct reel__pattern *pattern[REEL__PATTERN_BUCKETS]; /* see pattern.h */
    uint32_t patterns;
    reel__arena pattern_memory;
    uint64_t known; /* blocks that matched one, also where all was then taken apart */
    reel__plan *plan[REEL__PLAN_BUCKETS], *newest, *oldest;
    uint32_t plans;
    size_t plan_bytes;
    reel__plan *spare; /* forgotten; its memory is for the next one */
    reel__arena work;  /* of one evaluation */
    uint64_t *key;     /* while one is being built */
    size_t key_capacity;
    reel__pack *pack;
    size_t packs, pack_capacity;
    uint64_t run;        /* number of the run */
    reel__turn *turn_of; /* evaluations of the recording before, in order */
    uint32_t turns, turn, turn_room;
    reel__arena lay; /* matrices laid together, within one kernel */
    void *room;      /* working memory of kernels */
    size_t room_bytes;
    reel__ran ran;
    struct reel__profile *profile; /* while it is on */
    struct reel__profile *measured;
    bool kernel_failed; /* the run that failed did so because of a value or a missing kernel */
    uint64_t hits, misses, evicted, recorded;
};

/* Lets the backward pass compute the forward values of time steps again from every k-th one. False
 * when memory is out. */
bool reel__pass_recompute(reel__graph *g, int64_t k);

/* Arranges the graph. NULL when memory is out. */
reel__plan *reel__arrange(reel__compiled *c, reel__graph *g);
void reel__plan_free(reel__plan *plan);

/* Runs the plan. `outside` are the addresses of outside values, `version` tells weights among them
 * apart from what they were before (0: no weight); `scratch` has plan->scratch bytes, `kept`
 * plan->kept. False when memory is out or a kernel reports an error. */
bool reel__replay(reel__compiled *c, const reel__plan *plan, const void *const *outside,
                  const uint64_t *version, char *scratch, char *kept);
void reel__packs_free(reel__compiled *c);

extern const reel__executor reel__compiled_executor;
/* See reel__tape_gradients. No node of the backward pass remains on the tape, and none is recorded
 * when the same structure has been seen before. False when it cannot be done this way: the tape's
 * status may say why. */
bool reel__plan_gradients(reel_tape *tape, const char *at, reel__slot *loss, size_t n,
                          reel_node *const *x, const void **data);
void reel__compiled_free(reel__compiled *c);
/* The tape's, made when it has none; NULL when memory is out. */
reel__compiled *reel__compiled_of(reel_tape *tape);
void reel__plans_forget(reel__compiled *c);
/* Which passes run from here on: a set of reel__pass. Forgets all plans. For tests. */
void reel__tape_set_passes(reel_tape *tape, unsigned passes);
/* The name of bit i of reel__pass; NULL past the last. */
const char *reel__pass_name(int i);

#endif
