/* The inside of random programs: what their statements share. */
#ifndef TESTS_RANDOM_MACHINE_H
#define TESTS_RANDOM_MACHINE_H

#include "random_graph.h"

enum { MOST_VALUES = 160, MOST_CELLS = 24, MOST_BORROWED = 64, MOST_WEIGHED = 16 };

/* A node and about how large its elements are. */
typedef struct value {
    reel_node *x;
    double most;
} value;

typedef struct machine {
    const random_graph *g;
    random_trace *trace;
    reel_tape *tape;
    reel_params *params;
    reel_opt *opt;
    int round, statement;
    reel_random choice; /* of what is recorded: the same in every round of a structure */
    reel_random data;   /* of the elements of leaves: new in every round */
    value pool[MOST_VALUES];
    int n;
    struct {
        char key[48];
        reel_cell *cell;
    } cell[MOST_CELLS];
    int cells;
    void *borrowed[MOST_BORROWED];
    int borrowings;
    unsigned char *mark; /* by id: see random_graph.c */
    uint32_t marks, mark_capacity;
    bool moved; /* weights have been updated from noisy gradients */
} machine;

/* Choices */

static inline int below(machine *m, int n)
{
    return (int)reel_random_below(&m->choice, (uint64_t)n);
}

static inline bool chance(machine *m, int percent)
{
    return below(m, 100) < percent;
}

/* A size: small, often odd or 1, seldom 0 when `zero` allows it. */
int64_t any_size(machine *m, bool zero);
reel_shape any_shape(machine *m, int rank);

/* Values */

/* A leaf with elements in (low, high), of what an f32 holds exactly. */
reel_node *leaf(machine *m, double low, double high, reel_shape shape);
reel_node *index_leaf(machine *m, int32_t limit, reel_shape shape);
/* The weight of that name and shape. */
reel_node *weight(machine *m, const char *name, reel_shape shape);
/* An earlier value, rather a late one. */
value any_value(machine *m);
/* x brought to a shape by moving its elements. */
reel_node *fit(machine *m, reel_node *x, reel_shape shape);
/* x, of elements up to `most`, brought into a range. */
reel_node *into_range(machine *m, reel_node *x, double most, double low, double high);
/* An earlier value of that shape, at most about 1. */
reel_node *any_of_shape(machine *m, reel_shape shape);
/* Makes a node available to later statements. */
void keep(machine *m, reel_node *x, double most);
/* A scalar that depends on all elements of x. */
reel_node *weigh(machine *m, reel_node *x);

/* Evaluation: everything that is evaluated is noted down and compared. */

void emit(machine *m, int n, reel_node *const *x);
/* Whether no noisy op takes part in x: then it has the same bits in every run. */
bool is_exact(machine *m, const reel_node *x);
/* Whether the mean of x is above a threshold: from its value, or as the run that is followed
 * decided. */
bool decide(machine *m, reel_node *x, double threshold);

/* Statements */

void apply_any_op(machine *m);
void apply_chain(machine *m);
void multiply(machine *m);
void move_elements(machine *m);
void reduce(machine *m);
void sum_many(machine *m);
void unroll_cells(machine *m);
void unroll_ragged(machine *m);
/* A loss of a cell's steps alone, of which nothing has been computed; NULL when there is none. */
reel_node *cell_loss(machine *m);
void grow_tree(machine *m);
void repeat_scope(machine *m);
void drop_out(machine *m);

#endif
