/* What random programs know about each op: valid arguments, learnt from the op's own samples. */
#ifndef TESTS_RANDOM_CATALOGUE_H
#define TESTS_RANDOM_CATALOGUE_H

#include <reel/op.h>

enum { CATALOGUE_ARGS = 8 };

typedef enum catalogue_kind {
    CATALOGUE_REAL,
    CATALOGUE_INDEX,  /* i32, elements in 0..limit-1 */
    CATALOGUE_COUNTER /* the tape's counter */
} catalogue_kind;

typedef struct catalogue_arg {
    catalogue_kind kind;
    reel_shape shape;
    double low, high; /* of the elements seen */
    int32_t limit;
} catalogue_arg;

/* One sample: what the op was applied to. */
typedef struct catalogue_sample {
    int n;
    catalogue_arg x[CATALOGUE_ARGS];
    void *attr;
    double most; /* the largest element of the result in size */
} catalogue_sample;

typedef struct catalogue_op {
    const reel_op *op;
    int n;
    catalogue_sample *sample;
} catalogue_op;

typedef struct catalogue {
    int n;
    catalogue_op *op;
} catalogue;

/* All ops that Reel ships, and two such as a user would write. Made on first use, never freed: held
 * by a static pointer. */
const catalogue *catalogue_get(void);

#endif
