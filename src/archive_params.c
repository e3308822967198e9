/* Job: weights to and from an archive.
 * Invariant: taking checks everything against its receiver before it changes anything.
 * Must not know: files and their format. */
#include <reel/file.h>
#include <string.h>

#include "archive.h"
#include "memory.h"
#include "params.h"

static bool is_real(reel_dtype dtype)
{
    return dtype == REEL_F32 || dtype == REEL_F64;
}

static reel_status put_param(reel_archive *a, const char *prefix, const reel_param *p)
{
    char *name = reel__format("%s%s", prefix, reel_param_name(p));
    if (!name) {
        return reel__archive_no_memory(a, "adding weights");
    }
    reel_status status =
        reel_archive_put(a, name, reel_param_dtype(p), reel_param_data(p), reel_param_shape(p));
    reel__free(name);
    return status;
}

reel_status reel_archive_put_params(reel_archive *a, const char *prefix, const reel_params *ps)
{
    if (!ps || !prefix) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "adding weights: %s is NULL",
                                 ps ? "the prefix" : "the params set");
    }
    reel_status status = reel_archive_status(a);
    for (size_t i = 0; status == REEL_OK && i < reel_params_count(ps); i++) {
        status = put_param(a, prefix, reel_params_at(ps, i));
    }
    /* A program that loads and saves before it has made its weights must not lose them. */
    const reel_param *p;
    for (size_t k = 0; status == REEL_OK && (p = reel__params_waiting(ps, k)); k++) {
        status = p->problem ? REEL_OK : put_param(a, prefix, p);
    }
    return status;
}

reel_status reel__archive_check_fit(reel_archive *a, const reel__entry *e, const reel_param *p)
{
    char quote[REEL__QUOTE], found[REEL__QUOTE], wanted[REEL__QUOTE];
    reel_shape shape = reel_param_shape(p);
    reel__quote(quote, e->name);
    if (e->why || !is_real(e->element->dtype)) {
        return reel_archive_fail(
            a, REEL_ERR_FORMAT,
            "%s: tensor '%s' is %s %s, expected F64, F32, F16 or BF16 of shape %s",
            reel__archive_label(a), quote, e->element->name,
            reel__dims_text(found, e->rank, e->dim),
            reel__dims_text(wanted, (size_t)shape.rank, shape.dim));
    }
    if (!reel_shape_equal(e->tensor.shape, shape)) {
        return reel_archive_fail(
            a, REEL_ERR_SHAPE, "%s: tensor '%s' has shape %s, expected %s as the weight has",
            reel__archive_label(a), quote, reel__dims_text(found, e->rank, e->dim),
            reel__dims_text(wanted, (size_t)shape.rank, shape.dim));
    }
    return REEL_OK;
}

const char *reel__name_after(const char *prefix, const char *name)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

/* What the entry is to the set. The problem, if any, is fresh; false when memory is out. */
static bool make_offer(const reel__entry *e, const char *name, reel__offer *offer)
{
    char dims[REEL__QUOTE];
    *offer = (reel__offer){
        .name = name, .dtype = e->tensor.dtype, .data = e->tensor.data, .shape = e->tensor.shape};
    if (e->why || !is_real(e->element->dtype)) {
        offer->problem = reel__format("is %s %s, expected F64, F32, F16 or BF16 of rank 4 or less",
                                      e->element->name, reel__dims_text(dims, e->rank, e->dim));
        return offer->problem;
    }
    return true;
}

static reel_status offer_all(reel_archive *a, const char *prefix, reel_params *ps,
                             reel__offer *offers)
{
    size_t n = 0;
    bool good = true;
    for (size_t i = 0; good && i < a->table.count; i++) {
        const char *name = reel__name_after(prefix, a->table.entry[i]->name);
        if (name) {
            good = make_offer(a->table.entry[i], name, &offers[n++]);
        }
    }
    if (!good) {
        reel__archive_no_memory(a, "taking weights");
    } else if (reel__params_offer_all(ps, n, offers) != REEL_OK) {
        reel_archive_fail(a, reel_params_status(ps), "%s: %s", reel__archive_label(a),
                          reel_params_message(ps));
    }
    for (size_t i = 0; i < n; i++) {
        reel__free((char *)(uintptr_t)offers[i].problem);
    }
    return reel_archive_status(a);
}

reel_status reel_archive_take_params(reel_archive *a, const char *prefix, reel_params *ps)
{
    if (!a || a->status != REEL_OK) {
        return reel_archive_status(a);
    }
    if (!ps || !prefix) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "taking weights: %s is NULL",
                                 ps ? "the prefix" : "the params set");
    }
    const reel__table *t = &a->table;
    for (size_t i = 0; i < t->count; i++) {
        const char *name = reel__name_after(prefix, t->entry[i]->name);
        const reel_param *p = name ? reel_params_find(ps, name) : NULL;
        if (p && reel__archive_check_fit(a, t->entry[i], p) != REEL_OK) {
            return a->status;
        }
    }
    reel__offer *offers = reel__calloc(t->count, sizeof *offers);
    if (!offers) {
        return reel__archive_no_memory(a, "taking weights");
    }
    reel_status status = offer_all(a, prefix, ps, offers);
    reel__free(offers);
    return status;
}

reel_status reel_params_save(reel_params *ps, const char *path)
{
    if (!ps) {
        return REEL_ERR_ARGUMENT;
    }
    reel_archive *a = reel_archive_new();
    if (!a) {
        reel_params_fail(ps, REEL_ERR_MEMORY, "%s: out of memory while saving",
                         path ? path : "(no path)");
        return REEL_ERR_MEMORY;
    }
    reel_status status = reel_archive_put_params(a, "", ps);
    if (status == REEL_OK) {
        status = reel_archive_write(a, path);
    }
    if (status != REEL_OK) {
        reel_params_fail(ps, status, "%s", reel_archive_message(a));
    }
    reel_archive_free(a);
    return status;
}

reel_status reel_params_load(reel_params *ps, const char *path)
{
    reel_status status = reel_params_status(ps);
    if (status != REEL_OK) {
        return status;
    }
    reel_archive *a = reel_archive_new();
    if (!a) {
        reel_params_fail(ps, REEL_ERR_MEMORY, "%s: out of memory while loading",
                         path ? path : "(no path)");
        return REEL_ERR_MEMORY;
    }
    status = reel_archive_read(a, path);
    if (status == REEL_OK) {
        status = reel_archive_take_params(a, "", ps);
    }
    if (status != REEL_OK) {
        reel_params_clear_error(ps); /* an offer's own, which does not name the file */
        reel_params_fail(ps, status, "%s", reel_archive_message(a));
    }
    reel_archive_free(a);
    return status;
}
