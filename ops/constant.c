/* constant: y[k] = value, with no arguments. */
#ifndef REEL_REAL

#include <reel/op.h>
#include <reel/ops.h>

#include <stdio.h>
#include <string.h>

typedef struct constant_attr {
    double value;
    int64_t rank;
    int64_t dim[REEL_MAX_RANK];
} constant_attr;

#include <reel/real32.h>

#include "constant.c"

#include <reel/real64.h>

#include "constant.c"

static bool shape(reel_shaping *s)
{
    const constant_attr *attr = s->attr;
    s->y = reel_shape_of((int)attr->rank, attr->dim);
    s->y.rank = (int)attr->rank;
    return true;
}

static void label(const reel_node *y, char *text, size_t n)
{
    snprintf(text, n, "%g", ((const constant_attr *)reel_node_attr(y))->value);
}

static reel_node *sample(reel_sampler *s, int k)
{
    static const reel_shape shapes[] = {{0, {1, 1, 1, 1}}, {1, {5, 1, 1, 1}}, {4, {2, 1, 3, 2}}};
    return k < 3 ? reel_constant(reel_sampler_tape(s), 1.5 - k, shapes[k]) : NULL;
}

const reel_op reel_op_constant = {
    .name = "constant",
    .arity = 0,
    .attr_size = sizeof(constant_attr),
    .shape = shape,
    .run_f32 = constant_f32,
    .run_f64 = constant_f64,
    .label = label,
    .sample = sample,
};

/** A tensor filled with a constant that is part of the graph's structure. For a number that changes
 * from one recording to the next, reel_number(). */
reel_node *reel_constant_at(const char *at, reel_tape *tape, double value, reel_shape shape_)
{
    constant_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.value = value;
    attr.rank = shape_.rank;
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        attr.dim[i] = i < shape_.rank ? shape_.dim[i] : 1;
    }
    return reel_apply0(at, tape, &reel_op_constant, &attr);
}

#else

static void TYPED(constant)(const reel_call *c)
{
    const REAL value = (REAL)((const constant_attr *)c->attr)->value;
    REAL *y = c->y.data;
    for (int64_t i = 0; i < c->y.size; i++) {
        y[i] = value;
    }
}

#endif
