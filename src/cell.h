/* The inside of a cell, for src/cell*.c only. */
#ifndef REEL_SRC_CELL_H
#define REEL_SRC_CELL_H

#include <reel/cell.h>

/* A weight that was asked for by name before: steps find it again without building its full name.
 */
typedef struct reel__known {
    char *what;
    reel_param *param;
} reel__known;

typedef struct reel__gate_bias {
    int n, k;
    double value;
} reel__gate_bias;

enum { REEL__MOST_GATES = 16, REEL__MOST_STEPS = 16 /* that a pyramid joins */ };

/* What a cell is made of. */
typedef enum reel__form {
    REEL__PLAIN, /* a step function */
    REEL__STACK,
    REEL__BOTH, /* two directions, outputs side by side */
    REEL__BOTH_SUM,
    REEL__RESIDUAL,
    REEL__HIGHWAY,
    REEL__PYRAMID
} reel__form;

/* The arrows that masks are for. */
enum { REEL__INPUT, REEL__RECURRENT, REEL__CANDIDATE, REEL__OUTPUT, REEL__BETWEEN, REEL__ZONE };

/* What the masks of a run go by. */
typedef struct reel__drops {
    reel_tape *tape;
    const int32_t *sequence; /* NULL: sequences have no names */
    int64_t batch;
    bool once;       /* a step by itself: sequences are named by their places */
    uint64_t stream; /* of this run; 0: names say it all */
    reel_node *id;   /* made when the first mask is */
} reel__drops;

typedef struct reel__made {
    int arrow;
    uint64_t gate;
    bool lasts; /* beyond the step */
    reel_node *mask;
} reel__made;

/* What is true of the present step. */
typedef struct reel__now {
    reel_node *time; /* NULL: not asked for, or not given */
    int64_t step;
    reel__drops *drops; /* NULL: no run is going on */
    uint32_t scope;     /* of the layer */
    uint64_t place;
    unsigned seen; /* arrows, as bits, that the cell has asked for masks of */
    int masks;
    reel__made made[4 * REEL__MOST_GATES];
} reel__now;

struct reel_cell {
    reel_params *params;
    char *name;
    reel_step *step; /* NULL: a stack */
    int64_t in, hidden;
    int states, layer;
    bool
        broken; /* made with bad arguments: refuses to run, even when its set's error was cleared */
    const reel_cell_type *type;
    double option[REEL_MAX_OPTIONS];
    bool chosen[REEL_MAX_OPTIONS]; /* options that were given */
    reel_init weight, recurrent, bias;
    bool two_biases, no_bias;
    void *context;

    reel__known *known;
    size_t known_n, known_capacity;
    size_t asked; /* the one after the last that was asked for: a guess */
    reel__gate_bias gate_bias[REEL__MOST_GATES];
    int gate_biases;

    char *suffix; /* behind the names of weights */
    reel_regularizers regular;
    reel__now now;

    reel__form form;
    reel_cell **layers; /* of what is made of cells */
    int layer_count;
    int factor;     /* of a pyramid */
    double dropout; /* between the layers of a stack */
};

/* A run of the cell begins, in the scope that is in force; each step begins. */
void reel__drops_begin(reel_cell *c, reel__drops *drops);
void reel__drops_step(reel_cell *c);
/* x with the mask of that arrow and gate, where there is one. */
reel_node *reel__drop(const char *at, reel_cell *c, int arrow, uint64_t gate, reel_node *x);
/* Whether each gate has a mask of its own there. */
bool reel__drops_by_gate(const reel_cell *c, int arrow);
/* Whether the cell has used all masks that it was given, which not all cells have a place for; when
 * it has not, the tape fails. */
bool reel__drops_used(const char *at, const reel_cell *c);
/* x between two layers, with probability p of dropping. */
reel_node *reel__drop_between(const char *at, reel__drops *drops, reel_node *x, double p);
/* Keeps some of the old states; gives the step's output, which is the new h if it was before. */
reel_node *reel__zone_out(const char *at, reel_cell *c, const reel_state *old, reel_state *s,
                          reel_node *y);

#endif
