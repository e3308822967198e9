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

enum { REEL__MOST_GATES = 16 };

struct reel_cell {
    reel_params *params;
    char *name;
    reel_step *step; /* NULL: a stack */
    int64_t in, hidden;
    int states, layer;
    bool broken; /* made with bad arguments: refuses to run, even when its set's error was cleared */
    const reel_cell_type *type;
    double option[REEL_MAX_OPTIONS];
    reel_init weight, recurrent, bias;
    bool two_biases, no_bias;
    void *context;

    reel__known *known;
    size_t known_n, known_capacity;
    reel__gate_bias gate_bias[REEL__MOST_GATES];
    int gate_biases;

    reel_cell **layers; /* of a stack */
    int layer_count;
    double dropout;
};

#endif
