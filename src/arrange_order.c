/* Job: put the blocks of a graph in order, and cut that into steps.
 * Invariant: a block's level within its recurrence is above those of all that it reads there. What
 * a step reads has been computed by steps before it. */
#include "arrange.h"

#include <string.h>

#include "plant.h"

#ifdef REEL_STRESS
enum {
    STEP_SCRATCH = 1 << 10,
    LEAST_WINDOW = 1 << 9,
    MOST_WINDOW = 1 << 9,
    FEW = 1
}; /* small nets, too */
#else
enum { STEP_SCRATCH = 1 << 20, LEAST_WINDOW = 1 << 17, MOST_WINDOW = 15 << 16, FEW = 6 };
#endif
/* SHARE: a window's, of what a recurrence hands from segment to segment. FEW: levels; products over
 * all of a window that has less are short, so that as many as fit are taken from short sequences.
 */
enum { SHARE = 8 };

/* A block's level: the longest way to it within its recurrence; its tail: the longest way on. */
static void find_levels(reel__arranging *a)
{
    reel__graph *g = a->g;
    for (uint32_t j = 0; j < g->blocks; j++) {
        g->block[j].level = g->block[j].tail = 0;
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        reel__block *b = &g->block[j];
        if (!b->recurrence) {
            continue;
        }
        for (uint32_t p = 0; p < b->ports; p++) {
            const reel__source *x = &reel__ports_of(a, b)[p];
            if (p && reel__planted(REEL__DROPPED_DEPENDENCY)) {
                continue;
            }
            if (x->block != REEL__NONE && reel__inside(a, x->block, j)) {
                b->level = reel__larger(b->level, g->block[x->block].level + 1);
            }
        }
        for (uint32_t i = a->added_start[j]; i < a->added_start[j + 1]; i++) {
            const reel__added *s = &g->added[a->added_of[i]];
            if (reel__inside(a, j, s->to_block)) {
                g->block[s->to_block].level =
                    reel__larger(g->block[s->to_block].level, b->level + 1);
            }
        }
    }
    for (uint32_t j = g->blocks; j-- > 0;) {
        reel__block *b = &g->block[j];
        if (!b->recurrence) {
            continue;
        }
        for (uint32_t i = a->added_start[j]; i < a->added_start[j + 1]; i++) {
            const reel__added *s = &g->added[a->added_of[i]];
            if (reel__inside(a, j, s->to_block)) {
                b->tail = reel__larger(b->tail, g->block[s->to_block].tail + 1);
            }
        }
        for (uint32_t p = 0; p < b->ports; p++) {
            const reel__source *x = &reel__ports_of(a, b)[p];
            if (x->block != REEL__NONE && reel__inside(a, x->block, j)) {
                g->block[x->block].tail = reel__larger(g->block[x->block].tail, b->tail + 1);
            }
        }
    }
}

/* The forward block of each scope, for backward blocks to go by. */
static uint32_t *find_partners(reel__arranging *a)
{
    reel__graph *g = a->g;
    size_t scopes = g->tape->scope_count;
    uint32_t *of_scope = reel__arrange_take(a, scopes, sizeof *of_scope);
    uint32_t *partner = reel__arrange_room(a, g->blocks, sizeof *partner);
    if (a->failed) {
        return NULL;
    }
    for (uint32_t j = 1; j < g->blocks; j++) {
        const reel__block *b = &g->block[j];
        partner[j] = REEL__NONE;
        if (b->scope && !b->backward) { /* a copy, if there is one, stands behind its original */
            of_scope[b->scope] = j + 1;
        } else if (b->scope && of_scope[b->scope]) {
            partner[j] = of_scope[b->scope] - 1;
        }
    }
    partner[0] = REEL__NONE;
    return partner;
}

/* A backward recurrence goes through the groups of its forward one in the opposite order, when that
 * is a valid order: values then lie for both as they are used together. */
static bool mirrors(reel__arranging *a, uint32_t k, const uint32_t *partner, uint32_t *most)
{
    reel__graph *g = a->g;
    *most = 0;
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        const reel__group *q = &a->group[a->by_component[i]];
        for (uint32_t m = 0; m < q->count; m++) {
            uint32_t j = a->plan->order[q->first + m];
            if (partner[j] == REEL__NONE) {
                return false;
            }
            *most = reel__larger(*most, g->block[partner[j]].level);
        }
    }
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        const reel__group *q = &a->group[a->by_component[i]];
        for (uint32_t m = 0; m < q->count; m++) {
            uint32_t j = a->plan->order[q->first + m];
            const reel__block *b = &g->block[j];
            uint32_t own = g->block[partner[j]].level;
            for (uint32_t p = 0; p < b->ports; p++) {
                const reel__source *x = &reel__ports_of(a, b)[p];
                if (x->block != REEL__NONE && reel__inside(a, x->block, j) &&
                    g->block[partner[x->block]].level <= own) {
                    return false;
                }
            }
            for (uint32_t s = a->added_start[j]; s < a->added_start[j + 1]; s++) {
                const reel__added *to = &g->added[a->added_of[s]];
                if (reel__inside(a, j, to->to_block) &&
                    g->block[partner[to->to_block]].level >= own) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* By key, those with one key as they stand: by one byte of it after another, of those in which any
 * differ. */
static void sort_members(reel__arranging *a, uint32_t n)
{
    reel__member *from = a->member, *to = a->moved;
    uint64_t differ = 0;
    for (uint32_t m = 1; m < n; m++) {
        differ |= from[m].key ^ from[0].key;
    }
    for (int shift = 0; shift < 64; shift += 8) {
        uint32_t start[257] = {0};
        if (!(differ >> shift & 0xff)) {
            continue;
        }
        for (uint32_t m = 0; m < n; m++) {
            start[(from[m].key >> shift & 0xff) + 1]++;
        }
        for (int i = 0; i < 256; i++) {
            start[i + 1] += start[i];
        }
        for (uint32_t m = 0; m < n; m++) {
            to[start[from[m].key >> shift & 0xff]++] = from[m];
        }
        reel__member *other = from;
        from = to;
        to = other;
    }
    a->member = from;
    a->moved = to;
}

/* Orders the instances of each group of the component. */
static void order_component(reel__arranging *a, uint32_t k, const uint32_t *partner)
{
    reel__graph *g = a->g;
    uint32_t most = 0;
    bool backward = a->recurrent[k] && mirrors(a, k, partner, &most);
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        reel__group *q = &a->group[a->by_component[i]];
        bool sorted = true;
        for (uint32_t m = 0; m < q->count; m++) {
            uint32_t j = a->plan->order[q->first + m];
            reel__block *b = &g->block[j];
            uint64_t tail = UINT16_MAX - (b->tail < UINT16_MAX ? b->tail : UINT16_MAX);
            bool has = partner[j] != REEL__NONE;
            uint64_t key = (uint64_t)b->level << 16 | tail;
            if (backward || (has && !a->recurrent[k])) {
                const reel__block *p = &g->block[partner[j]];
                key = (uint64_t)p->group << 32 | p->position;
            }
            if (backward) {
                b->level = most - g->block[partner[j]].level;
            }
            a->member[m] = (reel__member){.key = key, .block = j};
            sorted = sorted && (m == 0 || a->member[m - 1].key <= key);
        }
        if (!sorted) {
            sort_members(a, q->count);
        }
        for (uint32_t m = 0; m < q->count; m++) {
            a->plan->order[q->first + m] = a->member[m].block;
            g->block[a->member[m].block].position = m;
        }
    }
}

/* Steps */

/* `origin`: where the window begins that the instances are of. */
static void add_step(reel__arranging *a, uint32_t group, int segment, uint32_t from, uint32_t to,
                     uint32_t origin, bool odd)
{
    const reel__segment *s = &a->group[group].code->segment[segment];
    if (s->kernels == 0 || from == to) {
        return;
    }
    uint32_t chunk = to - from;
    if (s->scratch && chunk > STEP_SCRATCH / s->scratch) {
        chunk = s->scratch >= STEP_SCRATCH ? 1 : (uint32_t)(STEP_SCRATCH / s->scratch);
    }
    for (uint32_t at = from; at < to; at += chunk) {
        if (a->steps == a->step_room) {
            uint32_t room = a->step_room ? 2 * a->step_room : 64;
            reel__step *step = reel__arrange_room(a, room, sizeof *step);
            if (!step) {
                return;
            }
            if (a->steps) {
                memcpy(step, a->step, a->steps * sizeof *step);
            }
            a->step = step;
            a->step_room = room;
        }
        uint32_t end = to - at < chunk ? to : at + chunk;
        a->step[a->steps++] = (reel__step){.group = group,
                                           .segment = (uint8_t)segment,
                                           .from = at,
                                           .to = end,
                                           .origin = origin,
                                           .odd = odd};
        a->group[group].window = reel__larger(a->group[group].window, end - origin);
    }
}

/* Ranges by level, those of one level as they stand; NULL when memory is out. */
static reel__range *sort_ranges(reel__arranging *a, const reel__range *r, uint32_t n)
{
    uint32_t levels = 0;
    for (uint32_t i = 0; i < n; i++) {
        levels = reel__larger(levels, r[i].level + 1);
    }
    uint32_t *start = reel__arrange_take(a, (size_t)levels + 1, sizeof *start);
    reel__range *sorted = reel__arrange_room(a, n, sizeof *sorted);
    if (a->failed) {
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        start[r[i].level + 1]++;
    }
    for (uint32_t level = 0; level < levels; level++) {
        start[level + 1] += start[level];
    }
    for (uint32_t i = 0; i < n; i++) {
        sorted[start[r[i].level]++] = r[i];
    }
    return sorted;
}

/* The component's instances by level, then by group: what runs together. Their number; *ranges is
 * NULL when memory is out. */
static uint32_t find_ranges(reel__arranging *a, uint32_t k, reel__range **ranges)
{
    reel__graph *g = a->g;
    uint32_t n = 0, most = 0;
    bool sorted = true;
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        most += a->group[a->by_component[i]].count;
    }
    reel__range *r = reel__arrange_room(a, most, sizeof *r);
    for (uint32_t i = a->component_start[k]; r && i < a->component_start[k + 1]; i++) {
        uint32_t group = a->by_component[i];
        const reel__group *q = &a->group[group];
        const uint32_t *order = a->plan->order + q->first;
        for (uint32_t m = 0; m < q->count;) {
            uint32_t from = m, level = g->block[order[m]].level;
            while (m < q->count && g->block[order[m]].level == level) {
                m++;
            }
            sorted = sorted && (n == 0 || r[n - 1].level <= level);
            r[n++] = (reel__range){level, group, from, m};
        }
    }
    *ranges = r && !sorted ? sort_ranges(a, r, n) : r;
    return n;
}

/* Bytes that an instance of the group hands from segment to segment. */
static size_t handed_on(const reel__group *q)
{
    const reel__ir *ir = &q->code->ir;
    size_t bytes = 0;
    for (int i = ir->ports; i < ir->n; i++) {
        unsigned segments =
            (unsigned)(ir->v[i].made | ir->v[i].used) & ((1U << REEL__SEGMENTS) - 1);
        if (ir->v[i].store == REEL__ARRAY && segments & (segments - 1)) {
            bytes += (size_t)ir->v[i].size * reel__dtype_size((reel_dtype)ir->v[i].dtype);
        }
    }
    return bytes;
}

/* Which instances of each group the window's ranges cover; false when some group's are no
 * neighbours. */
static bool cover(reel__arranging *a, uint32_t k, const reel__range *r, uint32_t n)
{
    bool neighbours = true;
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        a->covers[a->by_component[i]] = (reel__range){.from = UINT32_MAX};
    }
    for (uint32_t i = 0; i < n; i++) {
        reel__range *c = &a->covers[r[i].group];
        c->from = r[i].from < c->from ? r[i].from : c->from;
        c->to = reel__larger(c->to, r[i].to);
        c->level += r[i].to - r[i].from; /* how many they are */
    }
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        const reel__range *c = &a->covers[a->by_component[i]];
        neighbours = neighbours && (c->level == 0 || c->level == c->to - c->from);
    }
    return neighbours;
}

static void add_segment_steps(reel__arranging *a, uint32_t k, int segment, bool odd)
{
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        const reel__range *c = &a->covers[a->by_component[i]];
        if (c->from < c->to) {
            add_step(a, a->by_component[i], segment, c->from, c->to, c->from, odd);
        }
    }
}

/* Tells the blocks of a window which one it is, and where in it they are. */
static void take_turn(reel__arranging *a, const reel__range *r, uint32_t n, uint32_t turn)
{
    uint32_t beside = 0; /* instances of the same level and group before */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = a->covers[r[i].group].from;
        reel__group *q = &a->group[r[i].group];
        bool more = i && r[i - 1].level == r[i].level && r[i - 1].group == r[i].group;
        beside = more ? beside + r[i - 1].to - r[i - 1].from : 0;
        q->width = reel__larger(q->width, beside + r[i].to - r[i].from);
        for (uint32_t m = r[i].from; m < r[i].to; m++) {
            reel__block *b = &a->g->block[a->plan->order[q->first + m]];
            b->turn = turn;
            b->slot = m - first;              /* and a window further, when the turn is odd */
            b->near = beside + m - r[i].from; /* and a level further, when that is odd */
        }
    }
}

/* How a recurrence is cut into windows of levels. */
typedef struct cut {
    const reel__range *r;
    uint32_t n;
    size_t *until; /* by range: bytes that go from segment to segment before it */
    size_t windows;
} cut;

static uint32_t next_level(const cut *c, uint32_t i)
{
    uint32_t level = c->r[i].level;
    while (i < c->n && c->r[i].level == level) {
        i++;
    }
    return i;
}

/* As many windows as are needed for none to be too large: it is to fit into the cache, and to be
 * little of all that the recurrence makes, if that is more than FEW levels. */
static bool find_cut(reel__arranging *a, uint32_t k, cut *c)
{
    size_t *bytes = reel__arrange_room(a, a->groups, sizeof *bytes);
    c->until = reel__arrange_take(a, (size_t)c->n + 1, sizeof *c->until);
    if (a->failed) {
        return false;
    }
    for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
        bytes[a->by_component[i]] = handed_on(&a->group[a->by_component[i]]);
    }
    for (uint32_t i = 0; i < c->n; i++) {
        c->until[i + 1] = c->until[i] + bytes[c->r[i].group] * (c->r[i].to - c->r[i].from);
    }
    size_t all = c->until[c->n], levels = 0;
    for (uint32_t i = 0; i < c->n; i = next_level(c, i)) {
        levels++;
    }
    size_t few = levels ? all / levels * FEW : 0, limit = few > MOST_WINDOW ? few : MOST_WINDOW;
    size_t most = all / SHARE, least = few < MOST_WINDOW ? few : MOST_WINDOW;
    least = least < LEAST_WINDOW ? LEAST_WINDOW : least;
    most = most < least ? least : most > limit ? limit : most;
    for (uint32_t from = 0, to, more; from < c->n; from = to) {
        to = next_level(c, from);
        while (to < c->n) {
            more = next_level(c, to);
            if (c->until[more] - c->until[from] > most) {
                break;
            }
            to = more;
        }
        c->windows++;
    }
    return true;
}

/* Where the window that begins at range `from` ends: all are about as large. */
static uint32_t window_end(const cut *c, uint32_t from, uint32_t turn)
{
    if (turn + 1 >= c->windows) {
        return c->n;
    }
    size_t all = c->until[c->n];
    size_t goal = all / c->windows * (turn + 1) + all % c->windows * (turn + 1) / c->windows;
    uint32_t to = next_level(c, from);
    while (to < c->n && c->until[to] < goal) {
        to = next_level(c, to);
    }
    return to;
}

/* Whether the instances of each window are neighbours in every group. Where they are not, as when
 * the levels of several forward groups interleave, the recurrence is one window. */
static bool has_windows(reel__arranging *a, uint32_t k, const cut *c)
{
    for (uint32_t turn = 0, from = 0, to; from < c->n; turn++, from = to) {
        to = window_end(c, from, turn);
        if (!cover(a, k, c->r + from, to - from)) {
            return false;
        }
    }
    return true;
}

/* A recurrence runs in windows of levels: what does not recur runs for a window's instances at
 * once, and what it hands on is still in the cache when it is used. */
static void add_recurrent_steps(reel__arranging *a, uint32_t k)
{
    reel__range *r;
    uint32_t n = find_ranges(a, k, &r);
    cut c = {.r = r, .n = n};
    if (!r || !find_cut(a, k, &c)) {
        return;
    }
    if (!has_windows(a, k, &c)) {
        c.windows = 1;
    }
    for (uint32_t turn = 0, from = 0, to; from < n; turn++, from = to) {
        to = window_end(&c, from, turn);
        cover(a, k, r + from, to - from);
        take_turn(a, r + from, to - from, turn);
        a->last_turn[k] = turn;
        a->last_level[k] = r[to - 1].level;
        add_segment_steps(a, k, REEL__PRE, turn % 2);
        for (uint32_t i = from; i < to; i++) {
            add_step(a, r[i].group, REEL__MAIN, r[i].from, r[i].to, a->covers[r[i].group].from,
                     turn % 2);
        }
        add_segment_steps(a, k, REEL__POST, turn % 2);
    }
}

bool reel__arrange_order(reel__arranging *a)
{
    uint32_t *partner = find_partners(a);
    a->last_turn = reel__arrange_take(a, a->components, sizeof *a->last_turn);
    a->last_level = reel__arrange_take(a, a->components, sizeof *a->last_level);
    a->covers = reel__arrange_take(a, a->groups, sizeof *a->covers);
    a->member = reel__arrange_room(a, a->g->blocks, sizeof *a->member);
    a->moved = reel__arrange_room(a, a->g->blocks, sizeof *a->moved);
    if (!partner || a->failed) {
        return false;
    }
    find_levels(a);
    for (uint32_t k = 0; k < a->components; k++) {
        order_component(a, k, partner);
        if (a->recurrent[k]) {
            add_recurrent_steps(a, k);
            continue;
        }
        for (int segment = 0; segment < REEL__SEGMENTS; segment++) {
            for (uint32_t i = a->component_start[k]; i < a->component_start[k + 1]; i++) {
                uint32_t group = a->by_component[i];
                add_step(a, group, segment, 0, a->group[group].count, 0, false);
            }
        }
    }
    for (uint32_t j = 0; !a->failed && j < a->g->blocks; j++) {
        reel__block *b = &a->g->block[j];
        b->slot += b->turn % 2 ? a->group[b->group].window : 0;
        b->near += b->level % 2 ? a->group[b->group].width : 0;
    }
    for (uint32_t s = 0; !a->failed && s < a->steps; s++) {
        const reel__group *q = &a->group[a->step[s].group];
        a->step[s].near = a->g->block[a->plan->order[q->first + a->step[s].from]].near;
    }
    return !a->failed;
}
