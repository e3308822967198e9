/* Random programs over the public interface, to compare executors: the same seed makes the same
 * calls on any tape. */
#ifndef TESTS_RANDOM_GRAPH_H
#define TESTS_RANDOM_GRAPH_H

#include <stdio.h>

#include <reel/cell.h>
#include <reel/op.h>
#include <reel/opt.h>
#include <reel/params.h>
#include <reel/random.h>
#include <reel/tape.h>

enum { GRAPH_STRUCTURES = 2, GRAPH_STATEMENTS = 24, GRAPH_ROUNDS = 6 };

/* A program: some structures of statements, recorded round after round on one tape with a reset in
 * between, each time with other data and changed weights. What is left out is left out in every
 * round; nothing else changes, so that a failing program can be made smaller. */
typedef struct random_graph {
    uint64_t seed;
    uint32_t without[GRAPH_STRUCTURES]; /* bit i: without statement i */
    uint32_t without_rounds;            /* bit r: without round r */
} random_graph;

/* A value that a program has asked for. */
typedef struct random_output {
    int round, statement;
    int64_t id;
    const char *op;
    char scope[96], where[48];
    reel_dtype dtype;
    reel_shape shape;
    bool exact; /* no op whose rounding may differ takes part in it */
    size_t n;
    double *value;
} random_output;

/* What a run has given: everything that can be compared. */
typedef struct random_trace {
    reel_status status; /* of the first round that failed */
    char message[400];
    random_output *out;
    size_t n, capacity;
    unsigned char *decision; /* what the program decided upon values that it read */
    size_t decisions, decision_capacity;
    size_t taken;
    const struct random_trace *follow; /* NULL, or whose decisions are taken */
    int64_t nodes;                     /* recorded in all rounds together */
    uint64_t *count; /* NULL, or how often each op was evaluated, as catalogue_get() numbers them */
    FILE *dump;      /* NULL, or where to tell what is recorded */
} random_trace;

/* Runs the program. The tape must be new, with a dtype of choice; its seed should be the
 * program's. */
void random_graph_run(const random_graph *g, reel_tape *tape, random_trace *trace);
void random_trace_free(random_trace *trace);
/* Whether the program is one for an inference tape. */
bool random_graph_inference(const random_graph *g);
/* How many statements there are in a structure, and which structure a round records. */
int random_graph_statements(const random_graph *g, int structure);
int random_graph_rounds(const random_graph *g);
int random_graph_structure(const random_graph *g, int round);

#endif
