/* Job: what training remembers beside the weights, to and from an archive: an optimizer's state,
 * the states carried between chunks. Invariant: taking checks everything, and allocates everything,
 * before it changes anything. Must not know: files and their format; what an optimizer's slots
 * mean. */
#include <inttypes.h>
#include <reel/cell.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "memory.h"
#include "params.h"

/* Optimizers. */

#define COUNT_OF "opt.count."

static reel_status put_slots(reel_archive *a, reel_opt *opt, reel_param *p)
{
    const char *slot;
    for (int k = 0; reel_opt_slot(opt, p, k, &slot); k++) {
        const void *data = reel_opt_slot(opt, p, k, &slot);
        char *name = reel__format("opt.%s.%s", slot, reel_param_name(p));
        if (!name) {
            return reel__archive_no_memory(a, "adding the optimizer");
        }
        reel_status status =
            reel_archive_put(a, name, reel_param_dtype(p), data, reel_param_shape(p));
        reel__free(name);
        if (status != REEL_OK) {
            return status;
        }
    }
    return REEL_OK;
}

static reel_status put_count(reel_archive *a, const reel_opt *opt, const reel_param *p)
{
    char *key = reel__format(COUNT_OF "%s", reel_param_name(p));
    if (!key) {
        return reel__archive_no_memory(a, "adding the optimizer");
    }
    reel_status status = reel_archive_set_u64(a, key, reel_opt_param_count(opt, p));
    reel__free(key);
    return status;
}

reel_status reel_archive_put_opt(reel_archive *a, reel_opt *opt)
{
    if (!opt) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "adding an optimizer: it is NULL");
    }
    const reel_params *ps = reel_opt_params(opt);
    reel_status status = reel_archive_set(a, "opt.kind", reel_opt_kind_name(reel_opt_kind_of(opt)));
    if (status == REEL_OK) {
        status = reel_archive_set_u64(a, "opt.count", reel_opt_count(opt));
    }
    if (status == REEL_OK) {
        status = reel_archive_set_f64(a, "opt.rate", reel_opt_rate(opt));
    }
    for (size_t i = 0; status == REEL_OK && i < reel_params_count(ps); i++) {
        reel_param *p = reel_params_at(ps, i);
        if (reel_opt_param_count(opt, p) > 0) { /* else its slots, if any, are still zero */
            status = put_slots(a, opt, p);
            status = status == REEL_OK ? put_count(a, opt, p) : status;
        }
    }
    return status;
}

/* One slot to be filled from one tensor. */
typedef struct slot_move {
    void *slot;
    const reel__entry *entry;
    const reel_param *p;
} slot_move;

/* What is to be restored, found and checked. */
typedef struct opt_plan {
    uint64_t count;
    double rate;
    uint64_t *param_count; /* one per weight of the set */
    slot_move *move;       /* room for every tensor of the archive */
    size_t moves;
} opt_plan;

static reel_status check_kind(reel_archive *a, const reel_opt *opt)
{
    char quote[REEL__QUOTE];
    const char *expected = reel_opt_kind_name(reel_opt_kind_of(opt));
    const char *found = reel_archive_get(a, "opt.kind");
    if (!found) {
        return reel_archive_fail(a, REEL_ERR_FORMAT,
                                 "%s: holds no optimizer (no entry 'opt.kind' in the metadata)",
                                 reel__archive_label(a));
    }
    if (strcmp(found, expected) != 0) {
        return reel_archive_fail(a, REEL_ERR_FORMAT, "%s: holds the optimizer '%s', expected '%s'",
                                 reel__archive_label(a), reel__quote(quote, found), expected);
    }
    return REEL_OK;
}

/* The state of a weight that the set lacks would be lost without a word. */
static reel_status check_weights_made(reel_archive *a, const reel_params *ps)
{
    char quote[REEL__QUOTE];
    json_t *text = a->table.text;
    for (void *i = json_object_iter(text); i; i = json_object_iter_next(text, i)) {
        const char *name = reel__name_after(COUNT_OF, json_object_iter_key(i));
        if (name && !reel_params_find(ps, name)) {
            return reel_archive_fail(
                a, REEL_ERR_FORMAT,
                "%s: holds optimizer state of a weight '%s', which the params do "
                "not have: make the weights first",
                reel__archive_label(a), reel__quote(quote, name));
        }
    }
    return REEL_OK;
}

static reel_status read_param_count(reel_archive *a, const reel_param *p, uint64_t *count)
{
    char *key = reel__format(COUNT_OF "%s", reel_param_name(p));
    if (!key) {
        return reel__archive_no_memory(a, "restoring the optimizer");
    }
    reel_status status = REEL_OK;
    if (reel_archive_get(a, key)) {
        status = reel_archive_get_u64(a, key, count);
    }
    reel__free(key);
    return status;
}

/* The saved tensor of a slot, which must be there and fit; NULL with an error. */
static const reel__entry *find_slot(reel_archive *a, const char *slot, const reel_param *p)
{
    char quote[REEL__QUOTE];
    char *name = reel__format("opt.%s.%s", slot, reel_param_name(p));
    if (!name) {
        reel__archive_no_memory(a, "restoring the optimizer");
        return NULL;
    }
    const reel__entry *e = reel__table_find(&a->table, name);
    if (!e) {
        reel_archive_fail(a, REEL_ERR_FORMAT,
                          "%s: no tensor '%s', expected as the weight has been updated",
                          reel__archive_label(a), reel__quote(quote, name));
    }
    reel__free(name);
    return e && reel__archive_check_fit(a, e, p) == REEL_OK ? e : NULL;
}

static reel_status plan_slots(reel_archive *a, reel_opt *opt, reel_param *p, opt_plan *plan)
{
    const char *name;
    char quote[REEL__QUOTE];
    reel_status status = reel_opt_make_slots(opt, p);
    if (status != REEL_OK) {
        return reel_archive_fail(a, status, "%s: no room for the optimizer's state of '%s'",
                                 reel__archive_label(a), reel__quote(quote, reel_param_name(p)));
    }
    for (int k = 0; reel_opt_slot(opt, p, k, &name); k++) {
        void *slot = reel_opt_slot(opt, p, k, &name);
        const reel__entry *e = find_slot(a, name, p);
        if (!e) {
            return reel_archive_status(a);
        }
        plan->move[plan->moves++] = (slot_move){.slot = slot, .entry = e, .p = p};
    }
    return REEL_OK;
}

static reel_status make_plan(reel_archive *a, reel_opt *opt, opt_plan *plan)
{
    const reel_params *ps = reel_opt_params(opt);
    if (check_kind(a, opt) != REEL_OK || check_weights_made(a, ps) != REEL_OK ||
        reel_archive_get_u64(a, "opt.count", &plan->count) != REEL_OK ||
        reel_archive_get_f64(a, "opt.rate", &plan->rate) != REEL_OK) {
        return reel_archive_status(a);
    }
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        reel_param *p = reel_params_at(ps, i);
        if (read_param_count(a, p, &plan->param_count[i]) != REEL_OK ||
            (plan->param_count[i] && plan_slots(a, opt, p, plan) != REEL_OK)) {
            return reel_archive_status(a);
        }
    }
    return REEL_OK;
}

static void fill_slot(const slot_move *m)
{
    const reel_archive_tensor *t = &m->entry->tensor;
    reel__convert(m->slot, reel_param_dtype(m->p), t->data, t->dtype,
                  (size_t)reel_param_size(m->p));
}

static void zero_slots(reel_opt *opt, reel_param *p)
{
    const char *name;
    for (int k = 0; reel_opt_slot(opt, p, k, &name); k++) {
        memset(reel_opt_slot(opt, p, k, &name), 0,
               (size_t)reel_param_size(p) * reel_dtype_size(reel_param_dtype(p)));
    }
}

/* Cannot fail. */
static void carry_out(reel_opt *opt, const opt_plan *plan)
{
    const reel_params *ps = reel_opt_params(opt);
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        reel_param *p = reel_params_at(ps, i);
        if (plan->param_count[i] == 0) {
            zero_slots(opt, p);
        }
        if (plan->param_count[i] || reel_opt_param_count(opt, p)) {
            reel_opt_restore_param_count(opt, p, plan->param_count[i]);
        }
    }
    for (size_t i = 0; i < plan->moves; i++) {
        fill_slot(&plan->move[i]);
    }
    reel_opt_restore_counts(opt, plan->count);
    reel_opt_set_rate(opt, plan->rate);
}

reel_status reel_archive_take_opt(reel_archive *a, reel_opt *opt)
{
    if (!a || a->status != REEL_OK) {
        return reel_archive_status(a);
    }
    if (!opt) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "restoring an optimizer: it is NULL");
    }
    opt_plan plan = {
        .param_count = reel__calloc(reel_params_count(reel_opt_params(opt)), sizeof(uint64_t)),
        .move = reel__calloc(a->table.count, sizeof(slot_move)),
    };
    if (!plan.param_count || !plan.move) {
        reel__archive_no_memory(a, "restoring the optimizer");
    } else if (make_plan(a, opt, &plan) == REEL_OK) {
        carry_out(opt, &plan);
    }
    reel__free(plan.param_count);
    reel__free(plan.move);
    return a->status;
}

/* Carried states. */

enum { CARRY_NAME = 32 };

static const char *carry_name(char out[CARRY_NAME], int k)
{
    snprintf(out, CARRY_NAME, "carry.%d", k);
    return out;
}

reel_status reel_archive_put_carry(reel_archive *a, const reel_carry *carry)
{
    char name[CARRY_NAME];
    if (!carry) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "adding carried states: NULL");
    }
    reel_status status = reel_archive_set_u64(a, "carry.count", (uint64_t)carry->n);
    for (int k = 0; status == REEL_OK && k < carry->n; k++) {
        status =
            reel_archive_put(a, carry_name(name, k), REEL_F64, carry->value[k], carry->shape[k]);
    }
    return status;
}

static reel_status take_state(reel_archive *a, reel_carry *carry, int k)
{
    char name[CARRY_NAME];
    const char *label = carry_name(name, k);
    const reel_archive_tensor *t = reel_archive_find(a, label);
    if (!t || t->dtype != REEL_F64) {
        return reel_archive_fail(a, REEL_ERR_FORMAT, "%s: tensor '%s' is %s, expected F64 states",
                                 reel__archive_label(a), label, t ? "of another dtype" : "missing");
    }
    size_t bytes = (size_t)reel_shape_size(t->shape) * sizeof(double);
    carry->value[k] = reel__malloc_aligned(bytes);
    if (!carry->value[k]) {
        return reel__archive_no_memory(a, "restoring states");
    }
    memcpy(carry->value[k], t->data, bytes);
    carry->shape[k] = t->shape;
    carry->n = k + 1;
    return REEL_OK;
}

reel_status reel_archive_take_carry(reel_archive *a, reel_carry *carry)
{
    uint64_t count = 0;
    reel_carry new = {.n = 0};
    if (!carry) {
        return reel_archive_fail(a, REEL_ERR_ARGUMENT, "restoring carried states: NULL");
    }
    if (reel_archive_get_u64(a, "carry.count", &count) != REEL_OK) {
        return reel_archive_status(a);
    }
    if (count > REEL_MAX_STATES) {
        return reel_archive_fail(a, REEL_ERR_FORMAT,
                                 "%s: metadata 'carry.count' is %" PRIu64 ", expected at most %d",
                                 reel__archive_label(a), count, REEL_MAX_STATES);
    }
    for (int k = 0; k < (int)count; k++) {
        if (take_state(a, &new, k) != REEL_OK) {
            reel_carry_free(&new);
            return a->status;
        }
    }
    reel_carry_free(carry);
    *carry = new;
    return REEL_OK;
}
