/* A weight from the inside, for src/ only: cheap to read while a tape records. */
#ifndef REEL_SRC_PARAMS_H
#define REEL_SRC_PARAMS_H

#include <reel/params.h>

struct reel_param {
    uint64_t key;     /* identifies the weight among all of the process's life; never 0 */
    uint64_t version; /* counts changes of the value */
    void *data;       /* size elements of dtype, 64-byte aligned, at one address for life */
    reel_params *set;
    char *name;
    reel_shape shape;
    size_t size;
    size_t index; /* reel_params_at(set, index); meaningless while waiting */
    reel_dtype dtype;
    bool waiting; /* a loaded tensor whose name nobody has asked for: not yet a weight */
    bool frozen, loaded, fresh;
    char *problem;    /* why this waiting tensor can be no weight; NULL when it can */
    reel_param *next; /* in its hash bucket */
};

static inline uint64_t reel__param_key(const reel_param *p)
{
    return p->key;
}

/* Copies n elements between real types. */
void reel__convert(void *to, reel_dtype to_dtype, const void *from, reel_dtype from_dtype,
                   size_t n);

/* A tensor to be offered. One that can be no weight (its elements are no reals, ...) still waits, without
 * data, with the problem that is to be told when a weight of its name is made. */
typedef struct reel__offer {
    const char *name;
    reel_dtype dtype;
    const void *data;
    reel_shape shape;
    const char *problem; /* text to follow the name; NULL when there is none */
} reel__offer;

/* reel_params_offer for n tensors of different names: for all of them or, on an error, for none. */
reel_status reel__params_offer_all(reel_params *ps, size_t n, const reel__offer *offers);
/* The k-th loaded tensor that no weight has claimed; NULL after the last. */
const reel_param *reel__params_waiting(const reel_params *ps, size_t k);

/* What is wrong with a start, as text to follow "start "; NULL when nothing is. */
const char *reel__init_problem(reel_init init);
/* Gives rows [first, last) of the first dimension their start, from (seed, name, first). False when
 * memory is out: the rows then hold what they held. Does not touch the version. */
bool reel__init_rows(reel_param *p, int64_t first, int64_t last, reel_init init);

#endif
