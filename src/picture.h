/* A picture: what stands between the tape and the text of a drawing. For draw*.c. */
#ifndef REEL_SRC_PICTURE_H
#define REEL_SRC_PICTURE_H

#include <reel/draw.h>

#include "label.h"
#include "tape.h"

/* Where a figure is: a scope's path, apart for each order of differentiation. Scopes of one path
 * that were entered several times are one place. Place 0 is the outermost; parents come before
 * children. */
typedef struct reel__place {
    const char *name; /* NULL: a time step, or a pass */
    int64_t t;        /* of a step */
    int64_t column;   /* of the outermost step at or above; only if timed */
    uint32_t parent;
    uint32_t module; /* the same path without steps */
    uint32_t row;    /* and of order 0 */
    uint32_t depth;
    uint32_t child, last_child, sibling; /* 0: none */
    uint32_t figure, last_figure;        /* those directly inside; REEL__NONE: none */
    uint32_t lowest, highest;            /* figures in here or below; REEL__NONE: none */
    uint8_t order;                       /* 0: forward; k: made by differentiating k times */
    bool pass; /* what a whole order of differentiation is in; has no name */
    bool timed;
    bool linked; /* an edge leads from here to the next step beside it */
} reel__place;

#define REEL__NONE UINT32_MAX

typedef enum reel__figure_kind {
    REEL__FIGURE_NODE,
    REEL__FIGURE_WEIGHT, /* one, or several that are used by the same modules */
    REEL__FIGURE_MODULE, /* all nodes of a place, or of a module */
    REEL__FIGURE_ALIKE   /* several nodes outside all modules that do the same */
} reel__figure_kind;

/* What is drawn as one shape. */
typedef struct reel__figure {
    uint32_t first, last; /* ids of its first and last node */
    uint32_t count;       /* of nodes */
    uint32_t place;
    uint32_t next; /* in the same place; REEL__NONE: none */
    uint8_t kind, order;
    bool root;   /* holds what was asked to be drawn */
    bool shared; /* a weight used in several places */
} reel__figure;

/* What the plan did for a figure. */
typedef struct reel__tint {
    uint32_t nodes; /* that it computed; 0: the figure stays white */
    uint32_t first, last, kernel; /* steps, and the first one's kernel */
    uint32_t most; /* the step of most nodes */
    int votes;
    const char *segment;
    double seconds;
} reel__tint;

typedef struct reel__picture {
    const reel_draw_args *args;
    reel_tape *tape;
    reel__ids nodes;     /* ids of all drawn nodes, ascending; a slot's mark is its index here */
    uint32_t *figure_of; /* per node; REEL__NONE: hidden */
    uint32_t *after;     /* per node: the index of the next weight in the same figure */
    uint8_t *order;      /* per node */
    reel__figure *figure;
    size_t figures, figure_capacity;
    reel__place *place;
    size_t places, place_capacity;
    uint64_t *edge; /* reel__edge, ascending by target, then source when collapsed */
    size_t edges;
    reel__tint *tint; /* by figure; NULL: colours are by kind */
    double slowest;   /* of all figures, in seconds */
} reel__picture;

static inline uint64_t reel__edge(uint32_t from, uint32_t to)
{
    return (uint64_t)to << 32 | from;
}

static inline uint32_t reel__edge_from(uint64_t edge)
{
    return (uint32_t)edge;
}

static inline uint32_t reel__edge_to(uint64_t edge)
{
    return (uint32_t)(edge >> 32);
}

/* Whether b's step is the one after a's. */
static inline bool reel__next_step(const reel__place *a, const reel__place *b)
{
    return a->t != INT64_MAX && a->t + 1 == b->t;
}

static inline reel__slot *reel__drawn(const reel__picture *p, size_t k)
{
    return reel__slot_at(p->tape, p->nodes.v[k]);
}

/* Fills in figures, places and edges for p->nodes, whose slots' marks are set. False when memory is
 * out. */
bool reel__picture_fill(reel__picture *p);
void reel__picture_free(reel__picture *p);

/* The places of scopes (draw_places.c). */
typedef struct reel__places reel__places;
reel__places *reel__places_new(reel__picture *p);
/* The place of a scope for an order of differentiation; REEL__NONE when memory is out. */
uint32_t reel__place_of(reel__places *w, uint32_t scope, uint8_t order);
void reel__places_free(reel__places *w);

/* The picture as DOT text. False when memory is out; what `out` failed at, it knows itself. */
bool reel__picture_write(const reel__picture *p, reel__text *out);
/* One figure's label, as the inside of an HTML-like label; and its tooltip, as the inside of
 * quotes. */
void reel__figure_label(const reel__picture *p, uint32_t figure, reel__text *out);
void reel__figure_tooltip(const reel__picture *p, uint32_t figure, reel__text *out);
/* Finds out what the plan did (draw_colour.c). False when memory is out. */
bool reel__picture_tint(reel__picture *p);
/* The figure's colour, as Graphviz writes it. */
void reel__figure_colour(const reel__picture *p, uint32_t figure, reel__text *out);
/* What goes to the end of its label, and of its tooltip. */
void reel__figure_step(const reel__picture *p, uint32_t figure, reel__text *out);
void reel__figure_trace(const reel__picture *p, uint32_t figure, reel__text *out);
/* The path of a place without its steps. */
void reel__place_label(const reel__picture *p, uint32_t place, reel__text *out);

/* Has the program `dot` make an "svg", "png" or "pdf" of the picture and puts it at path, all or
 * nothing. */
reel_status reel__picture_render(const reel__picture *p, const char *path, const char *format);
/* Raises an error of the drawing on the tape. Returns its status. */
reel_status reel__picture_fail(const reel__picture *p, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);

#endif
