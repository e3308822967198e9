/* Job: running averages of a set's weights.
 * Invariant: swapping twice gives back the same bits, weights and averages both; averages are kept
 * in f64, since small contributions to a long mean are lost in f32. Must not know: optimizers,
 * tapes. */
#include "memory.h"
#include "params.h"

#include <reel/opt.h>

#include <math.h>
#include <string.h>

typedef struct entry {
    double *mean;
    void *weights;    /* what training had, while the averages are in its place */
    uint64_t count;   /* of updates; the mean is rubbish before the first */
    uint64_t version; /* of the weight, as the last exchange left it */
} entry;

struct reel_average {
    reel_params *params;
    double decay;
    entry *entry; /* by index of the weight */
    size_t n;
    uint64_t updates;
    bool swapped;
};

reel_average *reel_average_new(reel_params *ps, double decay)
{
    reel_average *avg = reel__calloc(1, sizeof *avg);
    if (!avg) {
        return NULL;
    }
    avg->params = ps;
    avg->decay = decay;
    if (!(decay >= 0 && decay < 1)) {
        avg->decay = 0;
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "reel_average_new: decay %g: expected 0 to below 1",
                         decay);
    }
    return avg;
}

void reel_average_free(reel_average *avg)
{
    if (!avg) {
        return;
    }
    for (size_t i = 0; i < avg->n; i++) {
        reel__free(avg->entry[i].mean);
        reel__free(avg->entry[i].weights);
    }
    reel__free(avg->entry);
    reel__free(avg);
}

static reel_status fail(reel_average *avg, reel_status status, const char *what)
{
    reel_params_fail(avg->params, status, "%s", what);
    return status;
}

/* Memory for every weight there is now. */
static bool prepare(reel_average *avg)
{
    size_t n = reel_params_count(avg->params);
    if (n > avg->n) {
        entry *e = reel__reallocarray(avg->entry, n, sizeof *e);
        if (!e) {
            return false;
        }
        memset(e + avg->n, 0, (n - avg->n) * sizeof *e);
        avg->entry = e;
        avg->n = n;
    }
    for (size_t i = 0; i < avg->n; i++) {
        entry *e = &avg->entry[i];
        const reel_param *p = reel_params_at(avg->params, i);
        e->mean = e->mean ? e->mean : reel__malloc_aligned(p->size * sizeof *e->mean);
        if (!e->mean) {
            return false;
        }
    }
    return true;
}

static void add(entry *e, const reel_param *p, double decay)
{
    e->count++;
    /* The first value is the average of one; starting from zero would need a correction of bias. */
    double part = e->count == 1 ? 1 : decay > 0 ? 1 - decay : 1 / (double)e->count;
    for (size_t i = 0; i < p->size; i++) {
        double w =
            p->dtype == REEL_F32 ? ((const float *)p->data)[i] : ((const double *)p->data)[i];
        e->mean[i] = e->count == 1 ? w : e->mean[i] + part * (w - e->mean[i]);
    }
}

reel_status reel_average_update(reel_average *avg)
{
    if (!avg || !avg->params) {
        return REEL_ERR_ARGUMENT;
    }
    if (avg->swapped) {
        return fail(
            avg, REEL_ERR_ARGUMENT,
            "reel_average_update: the averages are in the weights' place: swap them back first");
    }
    if (!prepare(avg)) {
        return fail(avg, REEL_ERR_MEMORY, "reel_average_update: out of memory");
    }
    for (size_t i = 0; i < avg->n; i++) {
        add(&avg->entry[i], reel_params_at(avg->params, i), avg->decay);
    }
    avg->updates++;
    return REEL_OK;
}

/* Memory for the weights that the averages displace. */
static bool prepare_swap(reel_average *avg)
{
    for (size_t i = 0; i < avg->n; i++) {
        entry *e = &avg->entry[i];
        const reel_param *p = reel_params_at(avg->params, i);
        e->weights =
            e->weights ? e->weights : reel__malloc_aligned(p->size * reel_dtype_size(p->dtype));
        if (!e->weights) {
            return false;
        }
    }
    return true;
}

reel_status reel_average_swap(reel_average *avg)
{
    if (!avg || !avg->params) {
        return REEL_ERR_ARGUMENT;
    }
    if (avg->updates == 0) {
        return fail(avg, REEL_ERR_ARGUMENT,
                    "reel_average_swap: there are no averages before an update");
    }
    if (!prepare_swap(avg)) {
        return fail(avg, REEL_ERR_MEMORY, "reel_average_swap: out of memory");
    }
    for (size_t i = 0; avg->swapped && i < avg->n; i++) {
        const reel_param *p = reel_params_at(avg->params, i);
        if (avg->entry[i].count && p->version != avg->entry[i].version) {
            return fail(avg, REEL_ERR_STALE,
                        "reel_average_swap: a weight has changed while the averages stood in its "
                        "place: swap before training on");
        }
    }
    for (size_t i = 0; i < avg->n; i++) {
        entry *e = &avg->entry[i];
        reel_param *p = reel_params_at(avg->params, i);
        size_t bytes = p->size * reel_dtype_size(p->dtype);
        if (e->count == 0) {
            continue;
        }
        if (avg->swapped) {
            memcpy(p->data, e->weights, bytes);
        } else {
            memcpy(e->weights, p->data, bytes);
            reel__convert(p->data, p->dtype, e->mean, REEL_F64, p->size);
        }
        e->version = ++p->version;
    }
    avg->swapped = !avg->swapped;
    return REEL_OK;
}

const double *reel_average_read(const reel_average *avg, const reel_param *p, uint64_t *updates)
{
    bool there =
        avg && p && p->set == avg->params && p->index < avg->n && avg->entry[p->index].count > 0;
    if (updates) {
        *updates = there ? avg->entry[p->index].count : 0;
    }
    return there ? avg->entry[p->index].mean : NULL;
}

reel_status reel_average_restore(reel_average *avg, const reel_param *p, const double *mean,
                                 size_t n, uint64_t updates)
{
    if (!avg || !avg->params) {
        return REEL_ERR_ARGUMENT;
    }
    if (!p || p->set != avg->params || n != p->size || !mean || updates == 0 || avg->swapped) {
        return fail(avg, REEL_ERR_ARGUMENT,
                    "reel_average_restore: expected a weight of the set, as many elements as it "
                    "has, at least one update, and averages that are not swapped in");
    }
    if (!prepare(avg)) {
        return fail(avg, REEL_ERR_MEMORY, "reel_average_restore: out of memory");
    }
    entry *e = &avg->entry[p->index];
    memcpy(e->mean, mean, n * sizeof *mean);
    e->count = updates;
    avg->updates = updates > avg->updates ? updates : avg->updates;
    return REEL_OK;
}
