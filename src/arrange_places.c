/* Job: give the values of a plan places, and tell its steps where they are.
 * Invariant: two values share bytes only if no step uses one between the first and the last step
 * that uses the other. */
#include "arrange.h"

#include <stdlib.h>
#include <string.h>

#include "plant.h"

#ifdef REEL_STRESS
enum { ALIGN = 64, LITTLE = 1 << 8 }; /* so that small nets have some */
#else
enum { ALIGN = 64, LITTLE = 1 << 16 }; /* temporaries: not worth placing anew */
#endif

/* Where a value of a block lies: an array's instance and an offset in it, or, without an array, a
 * place. */
typedef struct reel__spot {
    uint32_t array; /* REEL__NONE: outside or constant */
    uint32_t from;  /* the block that makes it, or the place's base */
    size_t offset;
} reel__spot;

/* A node that is kept, and its origin or spot. */
typedef struct reel__wanted {
    reel__source node;
    reel__spot spot;
} reel__wanted;

static size_t element(const reel__value *v)
{
    return reel__dtype_size((reel_dtype)v->dtype);
}

/* The array that array `at` is a stretch of, if it is one. */
static inline uint32_t whole_of(const reel__arranging *a, uint32_t at, size_t *offset)
{
    while (a->array[at].within) {
        *offset += a->array[at].at;
        at = a->array[at].within - 1;
    }
    return at;
}

/* Which block makes a value in which array, with the offset within the block's own part of it: an
 * origin, as long as it is not settled where instances lie. */
static inline reel__spot origin_of(const reel__arranging *a, reel__source from)
{
    size_t offset = 0;
    while (from.block != REEL__NONE) {
        const reel__block *b = &a->g->block[from.block];
        const reel__exit *x = &a->group[b->group].code->exit[from.at];
        offset += x->offset;
        if (x->kind == REEL__CONST) {
            return (reel__spot){REEL__NONE, REEL__CONSTANT, offset};
        }
        if (x->kind != REEL__PORT) {
            return (reel__spot){a->array_start[b->group] + (uint32_t)x->value, from.block, offset};
        }
        from = reel__ports_of(a, b)[x->value];
    }
    return (reel__spot){REEL__NONE, REEL__OUTSIDE + from.at, offset};
}

/* The origin's place. */
static inline reel__spot settled(const reel__arranging *a, reel__spot s)
{
    if (s.array != REEL__NONE) {
        const reel__array *x = &a->array[s.array];
        const reel__block *b = &a->g->block[s.from];
        s.offset += (x->rolling ? b->slot : x->paired ? b->near : b->position) * x->bytes;
        s.array = whole_of(a, s.array, &s.offset);
    }
    return s;
}

static reel__spot spot_of(const reel__arranging *a, reel__source x)
{
    return settled(a, origin_of(a, x));
}

/* Several passes ask for the origin of a port or of what is kept, then for its spot. */
static bool find_origins(reel__arranging *a)
{
    a->spot = reel__arrange_room(a, a->g->port_count, sizeof *a->spot);
    for (uint32_t p = 0; a->spot && p < a->g->port_count; p++) {
        a->spot[p] = origin_of(a, a->g->port[p]);
    }
    return a->spot != NULL;
}

/* Once it is settled where instances lie. */
static void find_spots(reel__arranging *a)
{
    for (uint32_t p = 0; p < a->g->port_count; p++) {
        a->spot[p] = settled(a, a->spot[p]);
    }
    for (size_t i = 0; i < a->wanteds; i++) {
        a->wanted[i].spot = settled(a, a->wanted[i].spot);
    }
}

/* Lists the nodes that are kept. What copies keep, their originals do. */
static bool find_kept(reel__arranging *a)
{
    const reel__graph *g = a->g;
    size_t most = 0;
    for (uint32_t i = 0; i < g->nodes; i++) {
        most += g->kept[i];
    }
    a->wanted = reel__arrange_room(a, most, sizeof *a->wanted);
    for (uint32_t j = 0; a->wanted && a->wanteds < most && j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        for (uint32_t at = 0; !b->copy && (at = reel__next_kept(g, b, at)) < b->nodes; at++) {
            reel__source x = {j, at};
            a->wanted[a->wanteds++] = (reel__wanted){x, origin_of(a, x)};
        }
    }
    return a->wanted != NULL;
}

/* Whether the block is of its recurrence's last window. */
static bool last_turn(const reel__arranging *a, uint32_t block)
{
    return a->g->block[block].turn == a->last_turn[reel__component_of(a, block)];
}

/* Whether block j reads its port in `main` alone. */
static bool reads_in_main(const reel__arranging *a, const reel__block *b, uint32_t port)
{
    const reel__code *code = a->group[b->group].code;
    for (int s = 0; s < REEL__SEGMENTS; s++) {
        for (int p = 0; s != REEL__MAIN && p < code->segment[s].ports; p++) {
            if (code->segment[s].port[p] == (int)port) {
                return false;
            }
        }
    }
    return true;
}

/* Whether the block is of its recurrence's last level. */
static bool last_level(const reel__arranging *a, uint32_t block)
{
    return a->g->block[block].level == a->last_level[reel__component_of(a, block)];
}

/* Who reads what: a value that only the same recurrence reads, and soon, needs no lasting place;
 * and what first passes of recomputed steps have ready, nobody may read at all. */
static void find_readers(reel__arranging *a)
{
    const reel__graph *g = a->g;
    for (uint32_t j = 0; j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        for (uint32_t p = 0; p < b->ports; p++) {
            reel__spot s = a->spot[b->first_port + p];
            if (s.array != REEL__NONE) {
                const reel__block *maker = &g->block[s.from];
                reel__array *x = &a->array[s.array];
                bool inside = reel__inside(a, s.from, j);
                x->read = true;
                x->far = x->far || (inside ? b->turn > maker->turn + 1 : !last_turn(a, s.from));
                x->lasts =
                    x->lasts || (inside ? b->level > maker->level + 1 || !reads_in_main(a, b, p)
                                        : !last_level(a, s.from));
            }
        }
    }
    for (size_t i = 0; i < a->wanteds; i++) {
        reel__spot s = a->wanted[i].spot;
        if (s.array != REEL__NONE) {
            reel__array *x = &a->array[s.array];
            x->read = true;
            x->far = x->far || !last_turn(a, s.from);
            x->lasts = x->lasts || !last_level(a, s.from);
        }
    }
}

/* Beyond any memory, and so far below SIZE_MAX that sums of such sizes do not overflow. */
#define MOST_BYTES ((size_t)1 << 46)

/* Where a value of a recurrence has its place: for all instances, for those of a window, or for
 * those of two. */
static void choose_place(reel__arranging *a, uint32_t group, int i)
{
    reel__group *q = &a->group[group];
    const reel__value *v = &q->code->ir.v[i];
    reel__array *x = &a->array[a->array_start[group] + (uint32_t)i];
    x->bytes = (size_t)v->size * element(v);
    x->count = q->count;
    if (x->count && x->bytes > MOST_BYTES / x->count) {
        a->failed = true;
        return;
    }
    if (!(a->c->passes & REEL__PASS_MEMORY) || v->kind == REEL__ACCUMULATE) {
        return;
    }
    unsigned segments = (unsigned)(v->made | v->used) & ((1U << REEL__SEGMENTS) - 1);
    if (!x->lasts && segments == 1U << REEL__MAIN && q->width && q->width < q->count / 2) {
        q->given[i] = REEL__PAIRED;
        x->paired = true;
        x->count = 2 * q->width;
    } else if (!x->read && q->window < q->count) {
        q->given[i] = REEL__WINDOWED;
        x->count = q->window;
    } else if (!x->far && q->window < q->count / 2) {
        q->given[i] = REEL__ROLLING;
        x->rolling = true;
        x->count = 2 * q->window;
    }
}

static bool find_arrays(reel__arranging *a)
{
    a->array_start = reel__arrange_take(a, a->groups, sizeof *a->array_start);
    bool windows = false;
    for (uint32_t q = 0; !a->failed && q < a->groups; q++) {
        a->array_start[q] = a->arrays;
        a->arrays += (uint32_t)a->group[q].code->ir.n;
        windows = windows || a->group[q].window < a->group[q].count || a->group[q].width;
    }
    a->array = reel__arrange_take(a, (size_t)a->arrays + a->steps, sizeof *a->array);
    if (!a->failed && find_origins(a) && find_kept(a) && windows) {
        find_readers(a);
    }
    for (uint32_t q = 0; !a->failed && q < a->groups; q++) {
        const reel__ir *ir = &a->group[q].code->ir;
        a->group[q].given = reel__arrange_keep(a, (size_t)ir->n, 1);
        if (a->group[q].given) {
            memset(a->group[q].given, 0, (size_t)ir->n);
        }
        for (int i = 0; a->group[q].given && i < ir->n; i++) {
            reel__array *x = &a->array[a->array_start[q] + (uint32_t)i];
            x->first = INT64_MAX;
            x->last = -1;
            if (ir->v[i].store == REEL__ARRAY) {
                choose_place(a, q, i);
            }
        }
    }
    return !a->failed;
}

/* Where part k of a value is read, and how far into the value it belongs; no array where it is not
 * dense there. */
static reel__spot part_of(const reel__arranging *a, const reel__block *b, const reel__value *v,
                          int k, size_t *offset)
{
    const reel__value *part = &a->group[b->group].code->ir.v[v->arg[k]];
    *offset = (size_t)v->window[k].offset * element(v);
    bool dense = part->kind == REEL__PORT && part->dtype == v->dtype &&
                 reel__window_dense(part->shape, &v->window[k]);
    return dense ? spot_of(a, reel__ports_of(a, b)[v->arg[k]]) : (reel__spot){.array = REEL__NONE};
}

/* Whether the parts of a value lie in some array just as the value wants them: that stretch of the
 * array is the value then. */
static bool lies_ready(const reel__arranging *a, const reel__block *b, const reel__value *v,
                       reel__spot *first)
{
    const reel__ir *ir = &a->group[b->group].code->ir;
    int64_t size = 0;
    for (int k = 0; k < v->n; k++) {
        size_t offset = 0;
        reel__spot s = part_of(a, b, v, k, &offset);
        if (s.array == REEL__NONE || a->array[s.array].rolling || s.offset < offset) {
            return false;
        }
        s.offset -= offset;
        if (k == 0) {
            *first = s;
        }
        if (s.array != first->array || s.offset != first->offset) {
            return false;
        }
        size += ir->v[v->arg[k]].size;
    }
    return size == v->size && v->n > 0;
}

/* Whether an array that parts are read from, and that is no stretch, may be one of another: it has
 * a place for each instance. (What is read has more than a window's.) */
static bool stays_apart(const reel__arranging *a, uint32_t array, uint32_t whole)
{
    size_t offset = 0;
    const reel__array *x = &a->array[array];
    return array != whole_of(a, whole, &offset) && !x->rolling && !x->paired;
}

/* Whether the arrays of a value's parts can be stretches of its own one, which they fill. Several
 * groups have such parts: the steps of a recurrence and its first one, whose state is another. */
static bool takes_in(reel__arranging *a, const reel__block *b, int i)
{
    const reel__ir *ir = &a->group[b->group].code->ir;
    const reel__value *v = &ir->v[i];
    uint32_t whole = a->array_start[b->group] + (uint32_t)i;
    size_t size = 0;
    for (int k = 0; k < v->n; k++) {
        size_t offset = 0;
        reel__spot s = part_of(a, b, v, k, &offset);
        if (s.array == REEL__NONE || s.offset > offset || !stays_apart(a, s.array, whole)) {
            return false;
        }
        reel__array *x = &a->array[s.array];
        if (x->asked != whole + 1) {
            x->asked = whole + 1;
            x->at = offset - s.offset;
            x->covered = 0;
        }
        if (x->at != offset - s.offset) {
            return false;
        }
        size_t bytes = (size_t)ir->v[v->arg[k]].size * element(v);
        x->covered += bytes;
        size += bytes;
    }
    bool fits = size == (size_t)v->size * element(v);
    for (int k = 0; fits && k < v->n; k++) {
        const reel__array *x = &a->array[spot_of(a, reel__ports_of(a, b)[v->arg[k]]).array];
        fits = x->covered == x->bytes * x->count;
    }
    for (int k = 0; fits && k < v->n; k++) {
        reel__array *x = &a->array[spot_of(a, reel__ports_of(a, b)[v->arg[k]]).array];
        if (x->asked == whole + 1) { /* else a part of this array came before */
            x->within = whole + 1;
        }
    }
    return fits;
}

static void find_stretches(reel__arranging *a)
{
    for (uint32_t j = 0; j < a->g->blocks; j++) {
        const reel__block *b = &a->g->block[j];
        reel__group *q = &a->group[b->group];
        const reel__ir *ir = &q->code->ir;
        for (int i = ir->ports; q->count == 1 && i < ir->n; i++) {
            reel__spot s = {.array = REEL__NONE};
            if (ir->v[i].kind != REEL__ASSEMBLE || ir->v[i].store != REEL__ARRAY) {
                continue;
            }
            reel__array *x = &a->array[a->array_start[b->group] + (uint32_t)i];
            if (lies_ready(a, b, &ir->v[i], &s)) {
                x->within = s.array + 1;
                x->at = s.offset;
                q->given[i] |= REEL__IN_PLACE;
            } else if (!x->within && takes_in(a, b, i)) {
                q->given[i] |= REEL__IN_PLACE;
            }
        }
    }
}

static void use_at(reel__array *x, int64_t step)
{
    x->first = step < x->first ? step : x->first;
    x->last = step > x->last ? step : x->last;
}

/* Which entry of the block's goes from node `at` into a sum. */
static const reel__added *added_by(const reel__arranging *a, uint32_t block, const reel__code *code,
                                   int value)
{
    for (uint32_t i = a->added_start[block]; i < a->added_start[block + 1]; i++) {
        const reel__added *s = &a->g->added[a->added_of[i]];
        if (code->ir.out[s->at] == value) {
            return s;
        }
    }
    return NULL;
}

/* What a group has arrays for is in use from the first step of a segment that makes or reads it to
 * the last one. */
static bool find_own_uses(reel__arranging *a)
{
    reel__life *life = reel__arrange_room(a, (size_t)a->groups * REEL__SEGMENTS, sizeof *life);
    for (size_t i = 0; life && i < (size_t)a->groups * REEL__SEGMENTS; i++) {
        life[i] = (reel__life){1, 0}; /* never, so far */
    }
    for (uint32_t s = 0; life && s < a->steps; s++) {
        reel__life *x = &life[(size_t)a->step[s].group * REEL__SEGMENTS + a->step[s].segment];
        x->first = x->first > x->last ? s : x->first;
        x->last = s;
    }
    for (uint32_t q = 0; life && q < a->groups; q++) {
        const reel__ir *ir = &a->group[q].code->ir;
        for (int i = ir->ports; i < ir->n; i++) {
            const reel__value *v = &ir->v[i];
            for (int k = 0; v->store == REEL__ARRAY && k < REEL__SEGMENTS; k++) {
                const reel__life *x = &life[(size_t)q * REEL__SEGMENTS + (size_t)k];
                if ((v->made | v->used) >> k & 1 && x->first <= x->last) {
                    size_t offset = 0;
                    uint32_t at = whole_of(a, a->array_start[q] + (uint32_t)i, &offset);
                    use_at(&a->array[at], x->first);
                    use_at(&a->array[at], x->last);
                }
            }
        }
    }
    return life != NULL;
}

static void find_uses(reel__arranging *a)
{
    for (uint32_t s = 0; s < a->steps; s++) {
        const reel__step *step = &a->step[s];
        const reel__group *q = &a->group[step->group];
        const reel__segment *segment = &q->code->segment[step->segment];
        for (uint32_t m = step->from; m < step->to; m++) {
            uint32_t j = a->plan->order[q->first + m];
            const reel__block *b = &a->g->block[j];
            for (int p = 0; p < segment->ports; p++) {
                const reel__spot *x = &a->spot[b->first_port + (uint32_t)segment->port[p]];
                if (x->array != REEL__NONE) {
                    use_at(&a->array[x->array], s);
                }
            }
            for (int kernel = 0; segment->added && kernel < segment->kernels; kernel++) {
                if (!segment->kernel[kernel].added) {
                    continue;
                }
                const reel__added *to = added_by(a, j, q->code, segment->kernel[kernel].value);
                if (to) {
                    reel__spot x = spot_of(a, (reel__source){to->to_block, to->to_at});
                    use_at(&a->array[x.array], s);
                }
            }
        }
    }
}

static void find_wanted(reel__arranging *a)
{
    for (size_t i = 0; i < a->wanteds; i++) {
        const reel__wanted *x = &a->wanted[i];
        if (x->spot.array != REEL__NONE) {
            const reel__ir *ir = &a->group[a->g->block[x->node.block].group].code->ir;
            const reel__value *v = &ir->v[ir->out[x->node.at]];
            a->array[x->spot.array].wanted += (size_t)v->size * element(v);
            a->array[x->spot.array].last = a->steps;
        }
    }
}

typedef struct placed {
    size_t from, to;
    int64_t first, last;
} placed;

static int by_size(const void *x, const void *y)
{
    const reel__array *const *a = x, *const *b = y;
    size_t m = (*a)->bytes * (*a)->count, n = (*b)->bytes * (*b)->count;
    if (m != n) {
        return m > n ? -1 : 1;
    }
    return (*a > *b) - (*a < *b);
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* The lowest place where the array meets none that is in use at the same time. */
static size_t lowest(const placed *all, uint32_t n, const reel__array *x, size_t bytes, bool reuse)
{
    size_t at = 0;
    int64_t early = reel__planted(REEL__EARLY_REUSE) ? 1 : 0;
    for (uint32_t i = 0; i < n; i++) {
        bool together =
            !reuse || (all[i].first <= x->last - early && x->first <= all[i].last - early);
        if (!together) {
            reel__pass_used(REEL__PASS_MEMORY);
        }
        if (together && all[i].from < at + bytes && at < all[i].to) {
            at = all[i].to;
        }
    }
    return at;
}

/* Bytes of the step's temporaries. */
static size_t working_of(const reel__arranging *a, const reel__step *step)
{
    size_t bytes = a->group[step->group].code->segment[step->segment].scratch;
    return bytes * (step->to - step->from);
}

/* Temporaries as arrays: one for all steps in a row that want about the same. */
static uint32_t find_working(reel__arranging *a)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < a->steps; s++) {
        reel__array *x = n ? &a->array[a->arrays + n - 1] : NULL;
        size_t bytes = working_of(a, &a->step[s]), least = bytes, most = bytes;
        if (x) {
            least = x->bytes < bytes ? x->bytes : bytes;
            most = x->bytes > bytes ? x->bytes : bytes;
        }
        if (!x || !(most <= LITTLE || most / 2 <= least || !(a->c->passes & REEL__PASS_MEMORY))) {
            x = &a->array[a->arrays + n++];
            *x = (reel__array){.count = 1, .first = s};
            most = bytes;
        }
        x->bytes = most;
        x->last = s;
        a->plan->working = most > a->plan->working ? most : a->plan->working;
    }
    return n;
}

/* Tells the steps where their temporaries have been placed. */
static void bind_working(reel__arranging *a, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const reel__array *x = &a->array[a->arrays + i];
        for (int64_t s = x->first; s <= x->last; s++) {
            a->step[s].temporary = x->place.offset;
        }
    }
}

static bool place_arrays(reel__arranging *a)
{
    uint32_t working = find_working(a);
    reel__array **list = reel__arrange_room(a, (size_t)a->arrays + working, sizeof *list);
    placed *all = reel__arrange_room(a, (size_t)a->arrays + working, sizeof *all);
    uint32_t n = 0, done = 0;
    if (a->failed) {
        return false;
    }
    for (uint32_t i = 0; i < working; i++) {
        if (a->array[a->arrays + i].bytes) {
            list[n++] = &a->array[a->arrays + i];
        }
    }
    for (uint32_t i = 0; i < a->arrays; i++) {
        reel__array *x = &a->array[i];
        size_t bytes = rounded(x->bytes * x->count);
        if (x->last < 0 || x->within) {
            continue;
        }
        a->plan->shared += bytes;
        if (x->wanted && 2 * x->wanted >= x->bytes * x->count) {
            x->place = (reel__place){REEL__KEPT, a->plan->kept};
            a->plan->kept += bytes;
        } else {
            list[n++] = x;
        }
    }
    qsort(list, n, sizeof *list, by_size);
    for (uint32_t i = 0; i < n; i++) {
        reel__array *x = list[i];
        size_t bytes = rounded(x->bytes * x->count);
        size_t at = lowest(all, done, x, bytes, a->c->passes & REEL__PASS_MEMORY);
        x->place = (reel__place){REEL__SCRATCH, at};
        a->plan->scratch = at + bytes > a->plan->scratch ? at + bytes : a->plan->scratch;
        uint32_t to = done++;
        while (to > 0 && all[to - 1].from > at) {
            all[to] = all[to - 1];
            to--;
        }
        all[to] = (placed){at, at + bytes, x->first, x->last};
    }
    bind_working(a, working);
    return true;
}

static reel__place place_at(const reel__arranging *a, const reel__spot *s)
{
    if (s->array == REEL__NONE) {
        return (reel__place){s->from, s->offset};
    }
    reel__place p = a->array[s->array].place;
    p.offset += s->offset;
    return p;
}

static reel__place place_of(const reel__arranging *a, reel__source x)
{
    reel__spot s = spot_of(a, x);
    return place_at(a, &s);
}

static reel__place port_place(const reel__arranging *a, uint32_t block, int port)
{
    return place_at(a, &a->spot[a->g->block[block].first_port + (uint32_t)port]);
}

static bool bind_port(reel__arranging *a, const reel__step *step, int port, reel__binding *binding)
{
    const uint32_t *order = a->plan->order + a->group[step->group].first + step->from;
    uint32_t n = step->to - step->from;
    reel__place first = port_place(a, order[0], port), second = {0, 0};
    reel__place *each = NULL;
    if (n == 1) {
        *binding = (reel__binding){.at = first};
        return true;
    }
    for (uint32_t m = 0; m < n; m++) {
        uint32_t at = reel__planted(REEL__WRONG_ORDER) ? n - 1 - m : m;
        reel__place p = port_place(a, order[at], port);
        if (m == 0) {
            first = p;
        } else if (m == 1) {
            second = p;
        }
        int64_t stride = m ? (int64_t)(second.offset - first.offset) : 0;
        bool even =
            p.base == first.base && (int64_t)(p.offset - first.offset) == stride * (int64_t)m;
        if (!even && !each) {
            each = reel__arrange_keep(a, n, sizeof *each);
            if (!each) {
                return false;
            }
            for (uint32_t i = 0; i < m; i++) {
                each[i] = (reel__place){first.base, first.offset + (size_t)(stride * (int64_t)i)};
            }
            if (m == 1) {
                each[0] = first;
            }
        }
        if (each) {
            each[m] = p;
        }
    }
    *binding = (reel__binding){.at = first, .each = each};
    binding->stride = (int64_t)(second.offset - first.offset);
    return true;
}

/* Where the step's contributions to sums go, and which of them come first. */
static bool bind_sums(reel__arranging *a, reel__step *step, bool *started)
{
    const reel__group *q = &a->group[step->group];
    const reel__segment *s = &q->code->segment[step->segment];
    size_t n = step->to - step->from;
    if (!s->added) {
        return true;
    }
    step->sum = reel__arrange_keep(a, (size_t)s->added * n, sizeof *step->sum);
    step->starts = reel__arrange_keep(a, (size_t)s->added * n, 1);
    if (a->failed) {
        return false;
    }
    size_t to = 0;
    for (int k = 0; k < s->kernels; k++) {
        /* A value's parts are first where the value is. */
        bool part = k > 0 && s->kernel[k - 1].added && s->kernel[k - 1].value == s->kernel[k].value;
        for (uint32_t m = step->from; s->kernel[k].added && m < step->to; m++, to++) {
            uint32_t j = a->plan->order[q->first + m];
            const reel__added *x = added_by(a, j, q->code, s->kernel[k].value);
            const reel__block *b = &a->g->block[x->to_block];
            uint32_t node = b->first + x->to_at;
            step->sum[to] = place_of(a, (reel__source){x->to_block, x->to_at});
            step->starts[to] = part ? step->starts[to - n] : !started[node];
            started[node] = true;
        }
    }
    return true;
}

static const reel__segment *segment_of(const reel__arranging *a, const reel__step *step)
{
    return &a->group[step->group].code->segment[step->segment];
}

static bool bind(reel__arranging *a)
{
    size_t ports = 0;
    for (uint32_t i = 0; i < a->steps; i++) {
        ports += (size_t)segment_of(a, &a->step[i])->ports;
    }
    bool *started = reel__arrange_take(a, a->g->nodes, sizeof *started);
    reel__binding *binding = reel__arrange_keep(a, ports, sizeof *binding);
    for (uint32_t i = 0; !a->failed && i < a->steps; i++) {
        reel__step *step = &a->step[i];
        const reel__segment *s = segment_of(a, step);
        step->binding = binding;
        for (int p = 0; !a->failed && p < s->ports; p++) {
            bind_port(a, step, s->port[p], binding++);
        }
        bind_sums(a, step, started);
        a->plan->kernels += s->kernels;
    }
    for (uint32_t q = 0; !a->failed && q < a->groups; q++) {
        reel__group *group = &a->group[q];
        group->array = reel__arrange_keep(a, (size_t)group->code->ir.n, sizeof *group->array);
        group->life = reel__arrange_keep(a, (size_t)group->code->ir.n, sizeof *group->life);
        for (int i = 0; !a->failed && i < group->code->ir.n; i++) {
            size_t offset = 0;
            uint32_t at = whole_of(a, a->array_start[q] + (uint32_t)i, &offset);
            const reel__array *x = &a->array[at];
            group->array[i] = x->place;
            group->array[i].offset += offset;
            group->life[i] = x->last < 0 ? (reel__life){1, 0}
                                         : (reel__life){(uint32_t)x->first, (uint32_t)x->last};
        }
    }
    return !a->failed;
}

/* Kept nodes: those whose array is not kept as a whole are copied. */
static bool find_results(reel__arranging *a)
{
    reel__graph *g = a->g;
    reel__plan *plan = a->plan;
    plan->result = reel__arrange_keep(a, a->wanteds, sizeof *plan->result);
    plan->keep = reel__arrange_keep(a, a->wanteds, sizeof *plan->keep);
    if (a->failed) {
        return false;
    }
    for (size_t i = 0; i < a->wanteds; i++) {
        const reel__source x = a->wanted[i].node;
        reel__place p = place_at(a, &a->wanted[i].spot);
        if (p.base != REEL__KEPT) {
            reel__place to = {REEL__KEPT, plan->kept};
            const reel__ir *raw = &g->block[x.block].template->raw; /* not every node is recorded */
            const reel__value *v = &raw->v[raw->out[x.at]];
            size_t bytes = (size_t)v->size * element(v);
            plan->keep[plan->keeps++] = (reel__keep){p, to, bytes};
            plan->kept += rounded(bytes);
            p = to;
        }
        plan->result[plan->results++] =
            (reel__result){.node = g->block[x.block].first + x.at, .place = p};
    }
    return true;
}

bool reel__arrange_places(reel__arranging *a)
{
    if (!find_arrays(a)) {
        return false;
    }
    if (a->c->passes & REEL__PASS_MEMORY) {
        find_stretches(a);
    }
    find_spots(a);
    if (!find_own_uses(a)) {
        return false;
    }
    find_uses(a);
    find_wanted(a);
    return place_arrays(a) && bind(a) && find_results(a);
}
