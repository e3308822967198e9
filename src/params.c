/* Job: the set of named weights: making, finding, loading, copying, freezing them.
 * Invariants: a weight keeps its address and its data's address for the life of its set; a name
 * occurs once, as a weight or as a tensor waiting for one; a call that fails has changed nothing
 * but the set's error. Must not know: tapes, optimizers, files. */
#include "params.h"

#include "memory.h"
#include "rules.h"

#include <reel/random.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE = 1024, SHAPE_TEXT = 96 };

typedef struct list {
    reel_param **at;
    size_t n, capacity;
} list;

struct reel_params {
    uint64_t id, serial; /* of the set in the process; of the next weight in the set */
    uint64_t seed;
    reel_dtype dtype;
    list made, waiting;
    reel_param **bucket; /* both lists by name; a power of two of them */
    size_t buckets;
    reel__rules starts, freezes;
    reel_status status;
    char message[MESSAGE];
};

/* Sets are told apart for the life of the process, so that a tape never takes a new weight for an
 * old one that lay at the same address. */
static _Atomic uint64_t sets_made;

static const char *shape_text(char text[SHAPE_TEXT], reel_shape s)
{
    size_t used = 0;
    text[used++] = '[';
    for (int i = 0; i < s.rank; i++) {
        int n = snprintf(text + used, SHAPE_TEXT - used, i ? ",%lld" : "%lld", (long long)s.dim[i]);
        used += (size_t)n;
    }
    text[used++] = ']';
    text[used] = '\0';
    return text;
}

/* Errors */

reel_status reel_params_status(const reel_params *ps)
{
    return ps ? ps->status : REEL_ERR_ARGUMENT;
}

const char *reel_params_message(const reel_params *ps)
{
    return ps ? ps->message : "the params set is NULL";
}

void reel_params_fail(reel_params *ps, reel_status status, const char *format, ...)
{
    if (!ps || ps->status || !status) {
        return;
    }
    ps->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(ps->message, sizeof ps->message, format, args);
    va_end(args);
}

void reel_params_clear_error(reel_params *ps)
{
    if (ps) {
        ps->status = REEL_OK;
        ps->message[0] = '\0';
    }
}

static reel_status out_of_memory(reel_params *ps, const char *what, const char *name)
{
    reel_params_fail(ps, REEL_ERR_MEMORY, "%s '%s': out of memory", what, name);
    return REEL_ERR_MEMORY;
}

/* Shapes, lists and names */

/* The number of elements; false for a shape that is none or whose bytes overflow. */
static bool shape_size(reel_shape s, size_t *size)
{
    if (s.rank < 0 || s.rank > REEL_MAX_RANK) {
        return false;
    }
    size_t n = 1;
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] < 0 || __builtin_mul_overflow(n, (size_t)s.dim[i], &n)) {
            return false;
        }
    }
    *size = n;
    return n <= PTRDIFF_MAX / sizeof(double);
}

/* Makes room for `more` entries. */
static bool list_reserve(list *l, size_t more)
{
    if (more <= l->capacity - l->n) {
        return true;
    }
    size_t capacity = l->capacity ? 2 * l->capacity : 16;
    capacity = capacity - l->n < more ? l->n + more : capacity;
    reel_param **at = reel__reallocarray(l->at, capacity, sizeof *at);
    if (!at) {
        return false;
    }
    l->at = at;
    l->capacity = capacity;
    return true;
}

static void list_remove(list *l, const reel_param *p)
{
    size_t i = 0;
    while (l->at[i] != p) {
        i++;
    }
    l->n--;
    memmove(l->at + i, l->at + i + 1, (l->n - i) * sizeof *l->at);
}

static reel_param **bucket_of(const reel_params *ps, const char *name)
{
    return &ps->bucket[reel_random_stream(name) & (ps->buckets - 1)];
}

/* A weight or a waiting tensor of that name, or NULL. */
static reel_param *lookup(const reel_params *ps, const char *name)
{
    if (!ps->buckets) {
        return NULL;
    }
    reel_param *p = *bucket_of(ps, name);
    while (p && strcmp(p->name, name) != 0) {
        p = p->next;
    }
    return p;
}

static void link_name(reel_params *ps, reel_param *p)
{
    reel_param **head = bucket_of(ps, p->name);
    p->next = *head;
    *head = p;
}

/* Makes room for `more` names. */
static bool buckets_reserve(reel_params *ps, size_t more)
{
    size_t names = ps->made.n + ps->waiting.n + more, buckets = ps->buckets ? ps->buckets : 32;
    if (names <= ps->buckets) {
        return true;
    }
    while (buckets < names) {
        buckets *= 2;
    }
    reel_param **bucket = reel__calloc(buckets, sizeof *bucket);
    if (!bucket) {
        return false;
    }
    reel__free(ps->bucket);
    ps->bucket = bucket;
    ps->buckets = buckets;
    for (size_t i = 0; i < ps->made.n; i++) {
        link_name(ps, ps->made.at[i]);
    }
    for (size_t i = 0; i < ps->waiting.n; i++) {
        link_name(ps, ps->waiting.at[i]);
    }
    return true;
}

/* Rules */

reel_status reel_params_set_init(reel_params *ps, const char *pattern, reel_init init)
{
    const char *problem = reel__init_problem(init);
    if (!ps || !pattern || problem) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "reel_params_set_init: '%s': %s",
                         pattern ? pattern : "", pattern ? problem : "the pattern is NULL");
        return REEL_ERR_ARGUMENT;
    }
    if (!reel__rules_add(&ps->starts, pattern, (reel__rule){.init = init})) {
        return out_of_memory(ps, "reel_params_set_init", pattern);
    }
    return REEL_OK;
}

reel_status reel_params_freeze(reel_params *ps, const char *pattern, bool frozen)
{
    if (!ps || !pattern) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "reel_params_freeze: the pattern is NULL");
        return REEL_ERR_ARGUMENT;
    }
    if (!reel__rules_add(&ps->freezes, pattern, (reel__rule){.frozen = frozen})) {
        return out_of_memory(ps, "reel_params_freeze", pattern);
    }
    for (size_t i = 0; i < ps->made.n; i++) {
        reel_param *p = ps->made.at[i];
        if (reel_name_matches(pattern, p->name)) {
            p->frozen = frozen;
        }
    }
    return REEL_OK;
}

/* Life */

static void param_free(reel_param *p)
{
    if (p) {
        reel__free(p->data);
        reel__free(p->name);
        reel__free(p->problem);
        reel__free(p);
    }
}

/* A weight with rubbish in it, in no list yet; NULL when memory is out. */
static reel_param *param_new(reel_params *ps, const char *name, reel_shape shape, size_t size)
{
    reel_param *p = reel__calloc(1, sizeof *p);
    if (!p) {
        return NULL;
    }
    *p = (reel_param){.set = ps,
                      .shape = reel_shape_of(shape.rank, shape.dim),
                      .size = size,
                      .dtype = ps->dtype,
                      .key = ps->id << 32 | ++ps->serial};
    p->name = reel__strdup(name);
    p->data = reel__malloc_aligned(size * reel_dtype_size(ps->dtype));
    if (!p->name || !p->data) {
        param_free(p);
        return NULL;
    }
    return p;
}

/* Room for more names in the table and the list, so that adding then cannot fail. */
static bool reserve(reel_params *ps, list *l, size_t more)
{
    return list_reserve(l, more) && buckets_reserve(ps, more);
}

static void add_made(reel_params *ps, reel_param *p)
{
    const reel__rule *freeze = reel__rules_find(&ps->freezes, p->name);
    p->frozen = freeze && freeze->frozen;
    p->fresh = true;
    p->waiting = false;
    p->index = ps->made.n;
    ps->made.at[ps->made.n++] = p;
}

static void add_waiting(reel_params *ps, reel_param *p)
{
    p->waiting = true;
    ps->waiting.at[ps->waiting.n++] = p;
}

reel_params *reel_params_new(reel_dtype dtype, uint64_t seed)
{
    reel_params *ps = reel__calloc(1, sizeof *ps);
    if (!ps) {
        return NULL;
    }
    ps->id = atomic_fetch_add(&sets_made, 1) + 1;
    ps->seed = seed;
    ps->dtype = dtype == REEL_DTYPE_DEFAULT ? REEL_F32 : dtype;
    if (ps->dtype != REEL_F32 && ps->dtype != REEL_F64) {
        ps->dtype = REEL_F32;
        reel_params_fail(ps, REEL_ERR_ARGUMENT,
                         "reel_params_new: dtype %s (%d): weights are f32 or f64",
                         reel_dtype_name(dtype), (int)dtype);
    }
    return ps;
}

void reel_params_free(reel_params *ps)
{
    if (!ps) {
        return;
    }
    for (size_t i = 0; i < ps->made.n; i++) {
        param_free(ps->made.at[i]);
    }
    for (size_t i = 0; i < ps->waiting.n; i++) {
        param_free(ps->waiting.at[i]);
    }
    reel__free(ps->made.at);
    reel__free(ps->waiting.at);
    reel__free(ps->bucket);
    reel__rules_free(&ps->starts);
    reel__rules_free(&ps->freezes);
    reel__free(ps);
}

/* A copy of a weight or waiting tensor, with room made for it in the list; NULL when memory is out.
 */
static reel_param *param_copy(reel_params *to, list *l, const reel_param *p)
{
    if (!reserve(to, l, 1)) {
        return NULL;
    }
    reel_param *q = param_new(to, p->name, p->shape, p->size);
    if (!q) {
        return NULL;
    }
    q->problem = p->problem ? reel__strdup(p->problem) : NULL;
    if (p->problem && !q->problem) {
        param_free(q);
        return NULL;
    }
    memcpy(q->data, p->data, p->size * reel_dtype_size(p->dtype));
    q->loaded = p->loaded;
    return q;
}

static bool params_copy(reel_params *to, const reel_params *from)
{
    if (!reel__rules_copy(&to->starts, &from->starts) ||
        !reel__rules_copy(&to->freezes, &from->freezes)) {
        return false;
    }
    for (size_t i = 0; i < from->made.n; i++) {
        const reel_param *p = from->made.at[i];
        reel_param *q = param_copy(to, &to->made, p);
        if (!q) {
            return false;
        }
        add_made(to, q);
        link_name(to, q);
        q->fresh = false;
    }
    for (size_t i = 0; i < from->waiting.n; i++) {
        reel_param *q = param_copy(to, &to->waiting, from->waiting.at[i]);
        if (!q) {
            return false;
        }
        add_waiting(to, q);
        link_name(to, q);
    }
    return true;
}

reel_params *reel_params_copy(const reel_params *ps)
{
    reel_params *copy = ps ? reel_params_new(ps->dtype, ps->seed) : NULL;
    if (copy && !params_copy(copy, ps)) {
        reel_params_free(copy);
        return NULL;
    }
    return copy;
}

/* Making and loading */

/* The loaded tensor becomes a weight. */
static reel_param *claim(reel_params *ps, reel_param *p, reel_shape shape)
{
    if (p->problem) {
        reel_params_fail(ps, REEL_ERR_FORMAT, "weight '%s': the loaded tensor of that name %s",
                         p->name, p->problem);
        return NULL;
    }
    if (!reel_shape_equal(p->shape, shape)) {
        char have[SHAPE_TEXT], want[SHAPE_TEXT];
        reel_params_fail(ps, REEL_ERR_SHAPE,
                         "weight '%s' of shape %s: the loaded tensor of that name has shape %s",
                         p->name, shape_text(want, shape), shape_text(have, p->shape));
        return NULL;
    }
    if (!list_reserve(&ps->made, 1)) {
        out_of_memory(ps, "weight", p->name);
        return NULL;
    }
    list_remove(&ps->waiting, p);
    add_made(ps, p);
    return p;
}

/* Gives each block its start. False when memory is out. */
static bool start(reel_param *p, reel_init init, int64_t blocks)
{
    const reel__rule *override = reel__rules_find(&p->set->starts, p->name);
    if (override && override->init.kind != REEL_INIT_DEFAULT) {
        init = override->init;
    }
    int64_t rows = (p->shape.rank ? p->shape.dim[0] : 1) / blocks;
    for (int64_t b = 0; b < blocks; b++) {
        if (!reel__init_rows(p, b * rows, (b + 1) * rows, init)) {
            return false;
        }
    }
    return true;
}

static reel_param *make(reel_params *ps, const char *name, reel_shape shape, size_t size,
                        reel_init init, int64_t blocks)
{
    reel_param *p = reserve(ps, &ps->made, 1) ? param_new(ps, name, shape, size) : NULL;
    if (!p || !start(p, init, blocks)) {
        param_free(p);
        out_of_memory(ps, "weight", name);
        return NULL;
    }
    add_made(ps, p);
    link_name(ps, p);
    return p;
}

static reel_param *existing(reel_params *ps, reel_param *p, reel_shape shape)
{
    if (reel_shape_equal(p->shape, shape)) {
        return p;
    }
    char have[SHAPE_TEXT], want[SHAPE_TEXT];
    reel_params_fail(ps, REEL_ERR_SHAPE,
                     "weight '%s': asked for with shape %s, but it exists with %s", p->name,
                     shape_text(want, shape), shape_text(have, p->shape));
    return NULL;
}

reel_param *reel_params_get(reel_params *ps, const char *name, reel_shape shape, reel_init init,
                            int blocks)
{
    if (!ps) {
        return NULL;
    }
    if (!name || !*name) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "reel_params_get: a weight needs a name");
        return NULL;
    }
    size_t size;
    if (!shape_size(shape, &size)) {
        reel_params_fail(
            ps, REEL_ERR_SHAPE,
            "weight '%s': its shape is invalid: rank %d (0 to %d), sizes not negative, "
            "their product within memory",
            name, shape.rank, (int)REEL_MAX_RANK);
        return NULL;
    }
    reel_param *p = lookup(ps, name);
    if (p) {
        return p->waiting ? claim(ps, p, shape) : existing(ps, p, shape);
    }
    const char *problem = reel__init_problem(init);
    if (problem) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "weight '%s': %s", name, problem);
        return NULL;
    }
    int64_t rows = shape.rank ? shape.dim[0] : 1;
    if (blocks < 0 || (blocks > 0 && rows % blocks != 0)) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT,
                         "weight '%s': %lld rows do not split into %d blocks", name,
                         (long long)rows, blocks);
        return NULL;
    }
    return make(ps, name, shape, size, init, blocks ? blocks : 1);
}

static reel_status check_offer(reel_params *ps, const reel__offer *o, size_t *size)
{
    if (!o->name || !*o->name) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "reel_params_offer: a tensor needs a name");
        return REEL_ERR_ARGUMENT;
    }
    if (o->problem) {
        return REEL_OK;
    }
    if (o->dtype != REEL_F32 && o->dtype != REEL_F64) {
        reel_params_fail(ps, REEL_ERR_SHAPE, "loaded tensor '%s' is %s: weights are f32 or f64",
                         o->name, reel_dtype_name(o->dtype));
        return REEL_ERR_SHAPE;
    }
    if (!shape_size(o->shape, size)) {
        reel_params_fail(ps, REEL_ERR_SHAPE, "loaded tensor '%s': its shape is invalid", o->name);
        return REEL_ERR_SHAPE;
    }
    if (!o->data && *size) {
        reel_params_fail(ps, REEL_ERR_ARGUMENT, "loaded tensor '%s': its data is NULL", o->name);
        return REEL_ERR_ARGUMENT;
    }
    return REEL_OK;
}

/* What an offer comes to: a value for a weight, or a tensor that waits, perhaps in another's place.
 */
typedef struct landing {
    reel_param *existing, *fresh;
} landing;

static reel_status land_on_weight(reel_params *ps, const reel__offer *o, const reel_param *p)
{
    if (o->problem) {
        reel_params_fail(ps, REEL_ERR_FORMAT, "weight '%s': the loaded tensor of that name %s",
                         o->name, o->problem);
        return REEL_ERR_FORMAT;
    }
    if (!reel_shape_equal(p->shape, o->shape)) {
        char have[SHAPE_TEXT], want[SHAPE_TEXT];
        reel_params_fail(ps, REEL_ERR_SHAPE, "loaded tensor '%s' has shape %s, the weight has %s",
                         o->name, shape_text(have, o->shape), shape_text(want, p->shape));
        return REEL_ERR_SHAPE;
    }
    return REEL_OK;
}

/* The tensor that will wait; NULL when memory is out. */
static reel_param *waiting_new(reel_params *ps, const reel__offer *o, size_t size)
{
    reel_param *p = param_new(ps, o->name, o->problem ? reel_dims(0) : o->shape, size);
    if (!p) {
        return NULL;
    }
    if (o->problem) {
        p->problem = reel__strdup(o->problem);
        if (!p->problem) {
            param_free(p);
            return NULL;
        }
    }
    reel__convert(p->data, p->dtype, o->data, o->dtype, size);
    p->loaded = true;
    return p;
}

/* All of an offer that can fail. */
static reel_status prepare(reel_params *ps, const reel__offer *o, landing *l)
{
    size_t size = 0;
    reel_status status = check_offer(ps, o, &size);
    if (status) {
        return status;
    }
    l->existing = lookup(ps, o->name);
    if (l->existing && !l->existing->waiting) {
        return land_on_weight(ps, o, l->existing);
    }
    l->fresh = waiting_new(ps, o, size);
    return l->fresh ? REEL_OK : out_of_memory(ps, "loaded tensor", o->name);
}

/* The waiting tensor becomes what `fresh` is, which is used up. */
static void replace_waiting(reel_param *old, reel_param *fresh)
{
    reel_param taken = *old;
    old->data = fresh->data;
    old->shape = fresh->shape;
    old->size = fresh->size;
    old->problem = fresh->problem;
    fresh->data = taken.data;
    fresh->problem = taken.problem;
    param_free(fresh);
}

static void land(reel_params *ps, const reel__offer *o, const landing *l)
{
    if (!l->fresh) {
        reel_param *p = l->existing;
        reel__convert(p->data, p->dtype, o->data, o->dtype, p->size);
        p->loaded = true;
        p->version++;
    } else if (l->existing) {
        replace_waiting(l->existing, l->fresh);
    } else {
        add_waiting(ps, l->fresh);
        link_name(ps, l->fresh);
    }
}

reel_status reel__params_offer_all(reel_params *ps, size_t n, const reel__offer *offers)
{
    landing *at = reel__calloc(n, sizeof *at);
    if (!at || !reserve(ps, &ps->waiting, n)) {
        reel__free(at);
        return out_of_memory(ps, "loaded tensor", n && offers->name ? offers->name : "");
    }
    reel_status status = REEL_OK;
    for (size_t i = 0; i < n && !status; i++) {
        status = prepare(ps, &offers[i], &at[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (status) {
            param_free(at[i].fresh);
        } else {
            land(ps, &offers[i], &at[i]);
        }
    }
    reel__free(at);
    return status;
}

reel_status reel_params_offer(reel_params *ps, const char *name, reel_dtype dtype, const void *data,
                              reel_shape shape)
{
    if (!ps) {
        return REEL_ERR_ARGUMENT;
    }
    const reel__offer offer = {.name = name, .dtype = dtype, .data = data, .shape = shape};
    return reel__params_offer_all(ps, 1, &offer);
}

/* Asking the set */

reel_dtype reel_params_dtype(const reel_params *ps)
{
    return ps ? ps->dtype : REEL_DTYPE_DEFAULT;
}

uint64_t reel_params_seed(const reel_params *ps)
{
    return ps ? ps->seed : 0;
}

reel_param *reel_params_find(const reel_params *ps, const char *name)
{
    reel_param *p = ps && name ? lookup(ps, name) : NULL;
    return p && !p->waiting ? p : NULL;
}

size_t reel_params_count(const reel_params *ps)
{
    return ps ? ps->made.n : 0;
}

reel_param *reel_params_at(const reel_params *ps, size_t i)
{
    return ps && i < ps->made.n ? ps->made.at[i] : NULL;
}

int64_t reel_params_size(const reel_params *ps)
{
    int64_t size = 0;
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        size += (int64_t)ps->made.at[i]->size;
    }
    return size;
}

const reel_param *reel__params_waiting(const reel_params *ps, size_t k)
{
    return ps && k < ps->waiting.n ? ps->waiting.at[k] : NULL;
}

const char *reel_params_unclaimed(const reel_params *ps, size_t k)
{
    return ps && k < ps->waiting.n ? ps->waiting.at[k]->name : NULL;
}
