/* The intermediate form of one block of a recording: values that are computed from other values, on
 * which the passes of a plan work. */
#ifndef REEL_SRC_IR_H
#define REEL_SRC_IR_H

#include <reel/op.h>

#include "arena.h"

typedef enum reel__kind {
    REEL__PORT,      /* comes from outside the block */
    REEL__CONST,     /* known when the block is compiled; small */
    REEL__MAP,       /* element-wise, or a sum of equal shapes */
    REEL__PRODUCT,   /* Σ_i A_i B_i, two arguments a term */
    REEL__RUN,       /* any other op, by its own kernel */
    REEL__VIEW,      /* a window of arg[0], which is no view itself */
    REEL__ASSEMBLE,  /* arg[i] stands in window[i], 0 elsewhere */
    REEL__ACCUMULATE /* its buffer has been added to by other blocks; the arguments are added too */
} reel__kind;

enum {
    REEL__OUT = 1 << 0,   /* read from outside the block, or kept */
    REEL__ADDED = 1 << 1, /* goes straight into a sum of another block, and nowhere else */
};

enum { REEL__PRE, REEL__MAIN, REEL__POST, REEL__SEGMENTS };
enum { REEL__LASTING = 0xc0 };

/* Where a value of the compiled block lives. */
typedef enum reel__store {
    REEL__NOWHERE, /* in registers, within a fused group */
    REEL__ARRAY,   /* one place for each instance, from plan start to last reader */
    REEL__TEMP,    /* one place for each instance of the group that runs */
    REEL__INSIDE,  /* in a window of another value's place */
    REEL__GIVEN    /* ports and constants */
} reel__store;

typedef struct reel__value {
    uint8_t kind, dtype, flags, segment;
    uint8_t store;
    const reel_op *op;
    const void *attr;
    reel_shape shape;
    int64_t size;
    int n;
    int *arg;
    reel_window *window; /* VIEW: 1; ASSEMBLE: n */
    uint8_t *transposed; /* PRODUCT, by term: 1 for A, 2 for B */
    int *term_node;      /* PRODUCT, by term: as `node`; NULL: all of `node` */
    int64_t *part;       /* PRODUCT that is ADDED, by term: where in the result it begins; NULL: all
                            of the result is each term's */
    int uses;
    int node;           /* of the template, for profiles and dumps; -1: made by a pass */
    int home;           /* INSIDE: of which value */
    reel_window inside; /* and where */
    void *constant;     /* CONST */
    size_t offset;      /* TEMP: in the group's scratch, per instance */
    int position;       /* among the members of its fused group */
    uint8_t made, used; /* the segments in which it is written, read: bits; LASTING: also later */
} reel__value;

typedef struct reel__ir {
    reel__value *v;
    int n, capacity;
    int ports; /* values 0..ports-1 */
    int *out;  /* by template node: its value; -1 when it is computed nowhere */
    int *into; /* by template node: another one, in whose value it is now; -1 */
    int outs;
    reel_dtype real;
    reel__arena *arena; /* lists, windows, attributes */
    bool failed;        /* out of memory */
} reel__ir;

/* Which passes run; for tests, all by default. */
typedef enum reel__pass {
    REEL__PASS_CSE = 1 << 0,   /* equal work once */
    REEL__PASS_VIEWS = 1 << 1, /* windows are read in place */
    REEL__PASS_PRODUCTS =
        1 << 2,               /* sums of products accumulate; products of concatenations split */
    REEL__PASS_SINK = 1 << 3, /* windows of element-wise results become narrower results */
    REEL__PASS_ASSEMBLE = 1 << 4, /* parts are computed in their place */
    REEL__PASS_SEGMENTS = 1 << 5, /* what does not recur runs for all steps at once */
    REEL__PASS_BATCH = 1 << 6,    /* instances that are ready together run together */
    REEL__PASS_FUSE = 1 << 7,     /* element-wise neighbourhoods run block by block */
    REEL__PASS_PACK = 1 << 8,     /* weights are packed once per update */
    REEL__PASS_MEMORY = 1 << 9,   /* buffers are used again when nobody needs them */
    REEL__PASS_NARROW = 1 << 10,  /* products are as narrow as what is read of them */
    REEL__PASS_AGAIN = 1 << 11,   /* what is had cheaply is computed again, not kept */
    REEL__PASS_ROWS = 1 << 12,    /* reductions of rows are made while these are in the cache */
    REEL__PASS_BESIDE = 1 << 13,  /* products with the same left matrix are made at once */
    REEL__PASS_KNOWN = 1 << 14,   /* blocks that are known are not taken apart */
    REEL__PASS_ALL = (1 << 15) - 1
} reel__pass;

/* A fresh, zeroed value at the end; NULL after setting failed. */
reel__value *reel__ir_add(reel__ir *ir, reel__kind kind, int n);
/* Zeroed memory that lives as long as the form. NULL after setting failed. */
void *reel__ir_alloc(reel__ir *ir, size_t count, size_t size);
/* An empty form with the same ports and room for the same outputs. */
bool reel__ir_start(reel__ir *to, const reel__ir *from);
/* Appends a copy of value i of `from` with its arguments mapped; returns its number or -1. */
int reel__ir_copy(reel__ir *to, const reel__ir *from, int i, const int *map);
/* Notes that a template node's value has become part of another one's. */
void reel__ir_into(reel__ir *ir, int node, int to);
/* What a pass ends with: `made` takes the place of `ir`, with outputs mapped, if `ok`; else it is
 * freed. Returns ok. */
bool reel__ir_become(reel__ir *ir, reel__ir *made, const int *map, bool ok);
/* Counts how often each value is read. */
void reel__ir_count(reel__ir *ir);
/* Leaves out what no output needs. False when memory is out. */
bool reel__ir_sweep(reel__ir *ir);
void reel__ir_free(reel__ir *ir);

/* The window that is all of a dense tensor. */
reel_window reel__window_all(reel_shape shape);
/* Whether the window's elements lie next to each other in row-major order. */
bool reel__window_dense(reel_shape shape, const reel_window *w);
/* Window w, of shape `small`, of a tensor of shape `large` that itself stands in window `p`. False
 * when the result is no window. */
bool reel__window_of(reel_shape large, const reel_window *p, reel_shape small, const reel_window *w,
                     reel_window *out);
/* Whether two windows of one tensor of that shape are known to share no element. */
bool reel__windows_apart(reel_shape large, reel_shape a, const reel_window *wa, reel_shape b,
                         const reel_window *wb);
/* The positions [from[k], to[k]) along each axis of the tensor between which all of the window
 * lies. False when they are not known. */
bool reel__window_span(reel_shape large, reel_shape small, const reel_window *w, int64_t *from,
                       int64_t *to);

/* The passes; each leaves the form whole. False when memory is out. */
bool reel__pass_cse(reel__ir *ir);
bool reel__pass_views(reel__ir *ir);
bool reel__pass_products(reel__ir *ir);
bool reel__pass_sink(reel__ir *ir);
bool reel__pass_assemble(reel__ir *ir);
bool reel__pass_narrow(reel__ir *ir);

#endif
