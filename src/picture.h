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
    const char *kind; /* of a cell's module: what kind of cell it is; else NULL */
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
    bool used;        /* a row: holds figures */
    bool inmost;      /* a row: a cell, or a module without modules inside */
    uint32_t telling; /* how many parts of a row's path tell it from others of its kind */
    bool linked;      /* an edge leads from here to the next step beside it */
    uint32_t run;     /* of a module whose steps were recorded several times, as one sequence after
                       * the other: which of them, from 0 */
    uint32_t first;   /* such a module's first run; a place */
    uint32_t runs;    /* a first run's: how many there are */
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
    uint32_t times;       /* how many figures of its own kind it stands for */
    uint32_t place;
    uint32_t next;    /* in the same place; REEL__NONE: none */
    uint32_t word;    /* a node that a box took in; REEL__NONE: none */
    uint32_t tail;    /* the last node of a linear map that it took in; REEL__NONE: none */
    uint32_t tails;   /* how many maps */
    uint32_t column;  /* of p->column; REEL__NONE: none */
    uint32_t ordinal; /* among the single figures of its place, or of those that are alike */
    uint32_t stub;    /* a weight's: where its list begins in p->stubs; REEL__NONE: in p->after */
    uint32_t uses;    /* a stub's: how many figures use what it lists */
    uint8_t products; /* matrix products in it, when it is W x + U h + b */
    uint8_t tail_products;
    uint8_t kind, order;
    bool root;   /* holds what was asked to be drawn */
    bool shared; /* a weight used in several places */
} reel__figure;

/* How much of a layout by rows and columns is left to dot, which cannot lay out all graphs by it.
 */
enum reel__ease {
    REEL__EASE_NOTHING = 0,
    REEL__EASE_ORDER, /* what keeps rows in order */
    REEL__EASE_ROWS,  /* and rows */
    REEL__EASE_PLAIN  /* and modules' frames */
};

/* What the plan did for a figure. */
typedef struct reel__tint {
    uint32_t nodes;               /* that it computed; 0: the figure stays white */
    uint32_t first, last, kernel; /* steps, and the first one's kernel */
    uint32_t most;                /* the step of most nodes */
    int votes;
    const char *segment;
    double seconds, flops;
} reel__tint;

/* One or several time steps that are drawn as one column. Steps of different outermost modules have
 * nothing to do with each other. */
typedef struct reel__column {
    uint32_t axis;      /* the outermost module, a place; 0: none */
    uint32_t index, of; /* its number among those of the axis, and how many there are */
    uint32_t count;     /* of steps */
    int64_t first, last;
} reel__column;

/* What was measured of a figure's values. */
typedef struct reel__measured {
    double mean, deviation;
    uint32_t bin[8];
    double gradient; /* ‖∂L/∂node‖ of its last node; NAN: not known */
    size_t bytes;
    bool known;  /* mean and the rest are */
    bool origin; /* of NaN or infinity */
    bool again;  /* computed again for the backward pass */
} reel__measured;

typedef struct reel__palette {
    const char *ground, *ink, *quiet, *faint, *panel, *leaf, *leaf_line, *stroke;
    const char *line[3];            /* by order of differentiation */
    const char *fill[3][2];         /* and whether it is strong */
    const char *smooth, *pointwise; /* nonlinearities, and ⊙ + */
    const char *weight_fill, *weight_line, *weight_ink, *weight_edge, *alarm;
    bool grey, dark; /* what scales of colour are made of */
} reel__palette;

typedef struct reel__picture {
    const reel_draw_args *args;
    reel_tape *tape;
    reel__ids nodes;     /* ids of all drawn nodes, ascending; a slot's mark is its index here */
    uint32_t *figure_of; /* per node; REEL__NONE: hidden */
    uint32_t *after;     /* per node: the index of the next weight in the same figure */
    uint8_t *order;      /* per node */
    bool *is_root;       /* per node: drawn for its own sake */
    reel__figure *figure;
    size_t figures, figure_capacity;
    reel__place *place;
    bool outside; /* no step is in the window that args asks for, of those that there are */
    int64_t earliest, latest;
    char unknown[128]; /* of args->open and closed, a pattern that no module's path matches */
    char modules[256]; /* and the paths that there are */
    size_t places, place_capacity;
    uint64_t *edge; /* reel__edge, ascending by target, then source when collapsed */
    size_t edges;
    uint32_t *strands; /* at the upper levels: how many nodes each edge is from */
    uint32_t *strand;  /* and the first of them, an index of nodes */
    bool *cut;         /* and whether no gradient comes back over the edge */
    bool *later;       /* and whether it leads to another step of the same column */
    reel__ids stubs;   /* weights by stub: indices of nodes */
    reel__column *column;
    size_t columns;
    uint32_t *column_of; /* per place */
    uint32_t *box_of;    /* per place: the module it is drawn as, a row; REEL__NONE: none */
    reel__measured *node_measured; /* by node; NULL: nothing was */
    reel__measured *measured;      /* by figure */
    const reel__palette *palette;
    uint8_t ease;     /* what is left to dot, of enum reel__ease */
    reel__tint *tint; /* by figure; NULL: colours are by kind */
    double slowest;   /* of all figures, in seconds */
    double steepest;  /* of all figures: the largest gradient */
    double flattest;  /* and the smallest but 0 */
    size_t most_bytes;
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

/* Whether there is an edge from one figure to another; p->edge is complete. */
bool reel__has_edge(const reel__picture *p, uint32_t from, uint32_t to);
/* Whether b's step is the one after a's. */
static inline bool reel__next_step(const reel__place *a, const reel__place *b)
{
    return a->t != INT64_MAX && a->t + 1 == b->t;
}

static inline reel__slot *reel__drawn(const reel__picture *p, size_t k)
{
    return reel__slot_at(p->tape, p->nodes.v[k]);
}

/* Fills in figures, places and edges for p->nodes, whose slots' marks and is_root are set. False
 * when memory is out. */
bool reel__picture_fill(reel__picture *p);
void reel__picture_free(reel__picture *p);
/* A figure for the node of that index alone, or, with others to come, of which it is the first;
 * REEL__NONE when memory is out. */
uint32_t reel__new_figure(reel__picture *p, reel__figure_kind kind, uint32_t node, uint32_t place);

/* The places of scopes (draw_places.c). Where pictures are laid out by rows, runs of a module over
 * steps that it has made before are places of their own. */
typedef struct reel__places reel__places;
reel__places *reel__places_new(reel__picture *p);
/* The place of a scope for an order of differentiation; REEL__NONE when memory is out. */
uint32_t reel__place_of(reel__places *w, uint32_t scope, uint8_t order);
void reel__places_free(reel__places *w);

/* Columns of time, for places (draw_columns.c). False when memory is out. */
bool reel__picture_columns(reel__picture *p);
/* Which modules are drawn as boxes. False when memory is out. */
bool reel__picture_boxes(reel__picture *p);
/* Figures and edges at the upper levels (draw_levels.c), after the places and orders. */
bool reel__picture_levels(reel__picture *p, const uint32_t *place);
/* Joins figures that say one thing (draw_join.c). edge: between figures, ascending, each once.
 * False when memory is out. */
bool reel__join_figures(reel__picture *p, const uint64_t *edge, size_t edges);
/* A function that bends, such as tanh or softmax. */
bool reel__smooth(const reel__slot *s);
/* Whether the picture is laid out by rows and columns (draw_rows.c). */
bool reel__picture_rows(const reel__picture *p);
bool reel__picture_write_rows(const reel__picture *p, reel__text *out);
/* What a node does, as papers write it. */
void reel__op_label(const reel__slot *s, reel__text *out);
/* The attribute fontname. */
void reel__text_font(const reel_draw_args *args, reel__text *out);
/* Finds out how much of their paths modules are called by; before any of the labels. */
void reel__row_titles(reel__picture *p);
/* Which run of its module a row is, from 1, where there are several; 0 where there is one. */
uint32_t reel__row_run(const reel__picture *p, uint32_t row);
/* A module with its step, for boxes and clusters. */
void reel__row_place_title(const reel__picture *p, uint32_t place, uint32_t column,
                           reel__text *out);
/* Labels and names there (draw_row_label.c). */
void reel__row_label(const reel__picture *p, uint32_t figure, reel__text *out);
void reel__row_name(const reel__picture *p, uint32_t figure, reel__text *out);
/* A figure in a word or two, such as "LSTM". */
void reel__row_short(const reel__picture *p, uint32_t figure, reel__text *out);
/* Where it is in time: "t=3". */
void reel__row_time(const reel__picture *p, uint32_t figure, reel__text *out);
/* The attribute label: what an edge carries, such as "h, c"; nothing when that is plain. remark:
 * stands below; NULL: nothing does. */
void reel__row_edge_label(const reel__picture *p, size_t edge, const char *remark, reel__text *out);

/* Values, gradients, bytes (draw_measure.c): before the marks are set. The status is the tape's. */
reel_status reel__picture_measure(reel__picture *p);
/* By figure, after figures are made. False when memory is out. */
bool reel__picture_sum_up(reel__picture *p);
/* Attributes that stand over a figure's own: colours by plan, time, gradient or memory, and marks.
 */
void reel__figure_overlay(const reel__picture *p, uint32_t figure, reel__text *out);
/* What goes to the end of a label: figures of its values. */
void reel__figure_values(const reel__picture *p, uint32_t figure, reel__text *out);

const reel__palette *reel__palette_of(reel_draw_theme theme);

/* The picture as DOT text. False when memory is out; what `out` failed at, it knows itself. */
bool reel__picture_write(const reel__picture *p, reel__text *out);
/* The same for reel__deliver. */
bool reel__picture_author(const void *picture, reel__text *out);
/* One figure's label, as the inside of an HTML-like label; and its tooltip, as the inside of
 * quotes. */
void reel__figure_label(const reel__picture *p, uint32_t figure, reel__text *out);
void reel__figure_tooltip(const reel__picture *p, uint32_t figure, reel__text *out);
/* Finds out what the plan did (draw_colour.c). False when memory is out. */
bool reel__picture_tint(reel__picture *p);
/* From the ground's colour, for 0, to a strong one, for 1. */
void reel__part_colour(const reel__picture *p, double part, reel__text *out);
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
