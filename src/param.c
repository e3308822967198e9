/* Job: one weight: what it says of itself, and changes of its elements.
 * Invariant: whoever may change the elements moves the version.
 * Must not know: how its set finds and loads it. */
#include "params.h"

#include <string.h>

void reel__convert(void *to, reel_dtype to_dtype, const void *from, reel_dtype from_dtype, size_t n)
{
    if (n == 0) {
        return;
    }
    if (to_dtype == from_dtype) {
        memcpy(to, from, n * reel_dtype_size(to_dtype));
    } else if (to_dtype == REEL_F64) {
        double *y = to;
        const float *x = from;
        for (size_t i = 0; i < n; i++) {
            y[i] = x[i];
        }
    } else {
        float *y = to;
        const double *x = from;
        for (size_t i = 0; i < n; i++) {
            y[i] = (float)x[i];
        }
    }
}

const char *reel_param_name(const reel_param *p)
{
    return p ? p->name : "";
}

reel_shape reel_param_shape(const reel_param *p)
{
    return p ? p->shape : reel_scalar_shape();
}

reel_dtype reel_param_dtype(const reel_param *p)
{
    return p ? p->dtype : REEL_DTYPE_DEFAULT;
}

int64_t reel_param_size(const reel_param *p)
{
    return p ? (int64_t)p->size : 0;
}

bool reel_param_frozen(const reel_param *p)
{
    return p && p->frozen;
}

reel_params *reel_param_set(const reel_param *p)
{
    return p ? p->set : NULL;
}

uint64_t reel_param_version(const reel_param *p)
{
    return p ? p->version : 0;
}

const void *reel_param_data(const reel_param *p)
{
    return p ? p->data : NULL;
}

bool reel_param_loaded(const reel_param *p)
{
    return p && p->loaded;
}

bool reel_param_take_fresh(reel_param *p)
{
    bool fresh = p && p->fresh;
    if (fresh) {
        p->fresh = false;
    }
    return fresh;
}

void *reel_param_change(reel_param *p)
{
    if (!p) {
        return NULL;
    }
    p->version++;
    return p->data;
}

static reel_status check_copy(const reel_param *p, const void *buffer, size_t n, const char *who)
{
    if (!p) {
        return REEL_ERR_ARGUMENT;
    }
    if (n != p->size) {
        reel_params_fail(p->set, REEL_ERR_SHAPE, "%s: weight '%s' has %zu elements, not %zu", who,
                         p->name, p->size, n);
        return REEL_ERR_SHAPE;
    }
    if (!buffer && n) {
        reel_params_fail(p->set, REEL_ERR_ARGUMENT, "%s: weight '%s': the buffer is NULL", who,
                         p->name);
        return REEL_ERR_ARGUMENT;
    }
    return REEL_OK;
}

reel_status reel_param_read(const reel_param *p, double *out, size_t n)
{
    reel_status status = check_copy(p, out, n, "reel_param_read");
    if (!status) {
        reel__convert(out, REEL_F64, p->data, p->dtype, n);
    }
    return status;
}

reel_status reel_param_write(reel_param *p, const double *in, size_t n)
{
    reel_status status = check_copy(p, in, n, "reel_param_write");
    if (!status) {
        reel__convert(p->data, p->dtype, in, REEL_F64, n);
        p->version++;
    }
    return status;
}

reel_status reel_param_init_rows(reel_param *p, int64_t first, int64_t last, reel_init init)
{
    if (!p) {
        return REEL_ERR_ARGUMENT;
    }
    int64_t rows = p->shape.rank ? p->shape.dim[0] : 1;
    const char *problem = reel__init_problem(init);
    if (problem) {
        reel_params_fail(p->set, REEL_ERR_ARGUMENT, "weight '%s': %s", p->name, problem);
        return REEL_ERR_ARGUMENT;
    }
    if (first < 0 || last < first || last > rows) {
        reel_params_fail(p->set, REEL_ERR_ARGUMENT,
                         "weight '%s': no rows [%lld, %lld) in %lld rows", p->name,
                         (long long)first, (long long)last, (long long)rows);
        return REEL_ERR_ARGUMENT;
    }
    if (p->loaded) {
        return REEL_OK;
    }
    if (!reel__init_rows(p, first, last, init)) {
        reel_params_fail(p->set, REEL_ERR_MEMORY, "weight '%s': out of memory", p->name);
        return REEL_ERR_MEMORY;
    }
    p->version++;
    return REEL_OK;
}
