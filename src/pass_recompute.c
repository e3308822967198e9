/* Pass: forward values of time steps are computed again in the backward pass instead of being kept.
 * Invariant: steps are cut into windows of k along time. A window's backward blocks read copies of
 * its forward blocks, which are computed from what the window before handed on; of the first pass
 * only that, and what blocks outside the steps read, stays alive. Ops are pure, so the copies have
 * the same bits.
 * Must not know: how blocks are compiled or arranged. */
#include <string.h>

#include "memory.h"
#include "plan.h"

typedef struct pass {
    reel__graph *g;
    uint32_t *window; /* by block: number + 1 of its window; 0: in no time step */
    uint32_t *copy;   /* by block: number + 1 of its copy among the copies; 0: none */
    uint32_t *before; /* by copy: the block that it stands before */
    uint32_t copies;
    bool failed;
} pass;

static void *take(pass *p, size_t count, size_t size)
{
    size_t bytes;
    void *m = __builtin_mul_overflow(count + 1, size, &bytes)
                  ? NULL
                  : reel__arena_alloc(p->g->arena, bytes);
    if (!m) {
        p->failed = true;
        return NULL;
    }
    return memset(m, 0, bytes);
}

/* The window of a scope: that of the outermost time step it is in. Scopes of one sequence share
 * their parent, of which the hash tells it. */
static uint64_t window_of(const reel_tape *tape, uint32_t scope, int64_t k)
{
    uint64_t found = 0;
    for (uint32_t s = scope; s; s = tape->scopes[s].parent) {
        if (!tape->scopes[s].name) {
            uint32_t parent = tape->scopes[s].parent;
            found = reel__mix(tape->scopes[parent].hash, (uint64_t)(tape->scopes[s].t / k)) | 1;
        }
    }
    return found;
}

static bool find_windows(pass *p, int64_t k)
{
    reel__graph *g = p->g;
    reel__map number = {0};
    uintptr_t windows = 0;
    p->window = take(p, g->blocks, sizeof *p->window);
    for (uint32_t j = 1; p->window && j < g->blocks; j++) {
        uint64_t key = g->block[j].scope ? window_of(g->tape, g->block[j].scope, k) : 0;
        if (!key) {
            continue;
        }
        uintptr_t known = (uintptr_t)reel__map_get(&number, key);
        if (!known) {
            known = ++windows;
            if (!reel__map_put(&number, key, (void *)known)) {
                p->failed = true;
                break;
            }
        }
        p->window[j] = (uint32_t)known;
    }
    reel__map_free(&number);
    return !p->failed;
}

/* Whether block j reads the forward block x of its own window, or of any if j is backward. */
static bool reads_step(const pass *p, uint32_t j, const reel__source *x)
{
    if (x->block == REEL__NONE || !p->window[x->block] || p->g->block[x->block].backward) {
        return false;
    }
    return p->window[x->block] == p->window[j];
}

/* Forward blocks that backward blocks of their window read, and what those need of the window. */
static bool find_copies(pass *p)
{
    reel__graph *g = p->g;
    p->copy = take(p, g->blocks, sizeof *p->copy);
    p->before = take(p, g->blocks, sizeof *p->before);
    if (p->failed) {
        return false;
    }
    uint32_t *first = take(p, g->blocks, sizeof *first); /* backward block that reads it first */
    for (uint32_t j = g->blocks; first && j-- > 1;) {
        const reel__block *b = &g->block[j];
        if (!p->window[j] || (!b->backward && !first[j])) {
            continue;
        }
        for (uint32_t i = 0; i < b->ports; i++) {
            const reel__source *x = &g->port[b->first_port + i];
            if (reads_step(p, j, x)) {
                uint32_t reader = b->backward ? j : first[j];
                first[x->block] =
                    first[x->block] && first[x->block] < reader ? first[x->block] : reader;
            }
        }
    }
    /* A window's copies stand together, before the first backward block of the window. */
    uint32_t *start = take(p, g->blocks, sizeof *start); /* by window */
    for (uint32_t j = 1; start && j < g->blocks; j++) {
        uint32_t w = p->window[j];
        if (w && g->block[j].backward && !start[w]) {
            start[w] = j;
        }
    }
    for (uint32_t j = 1; start && j < g->blocks; j++) {
        if (first[j] && start[p->window[j]]) {
            p->before[p->copies++] = start[p->window[j]];
            p->copy[j] = p->copies;
        }
    }
    return !p->failed;
}

/* The new place of every block, copies in between. */
static bool rebuild(pass *p)
{
    reel__graph *g = p->g;
    uint32_t n = g->blocks + p->copies, to = 0;
    uint32_t *place = take(p, g->blocks, sizeof *place),
             *copy_place = take(p, p->copies, sizeof *place);
    uint32_t *origin = take(p, n, sizeof *origin);
    reel__block *block = take(p, n, sizeof *block);
    reel__source *port = take(p, (size_t)g->port_count * 2, sizeof *port);
    uint32_t *head = take(p, g->blocks, sizeof *head), *next = take(p, p->copies, sizeof *next);
    uint32_t *source = take(p, p->copies, sizeof *source);
    if (p->failed) {
        return false;
    }
    for (uint32_t j = g->blocks; j-- > 0;) {
        if (p->copy[j]) {
            uint32_t c = p->copy[j] - 1, before = p->before[c];
            source[c] = j;
            next[c] = head[before];
            head[before] = c + 1;
        }
    }
    for (uint32_t j = 0; j < g->blocks; j++) {
        for (uint32_t c = head[j]; c; c = next[c - 1]) {
            copy_place[c - 1] = to;
            origin[to] = source[c - 1];
            block[to] = g->block[source[c - 1]];
            block[to].copy = true;
            block[to++].window = p->window[source[c - 1]];
        }
        place[j] = to;
        origin[to] = j;
        block[to] = g->block[j];
        block[to].window = g->block[j].backward ? p->window[j] : 0;
        to++;
    }
    uint32_t ports = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = origin[i];
        uint32_t first = ports;
        for (uint32_t k = 0; k < block[i].ports; k++) {
            reel__source x = g->port[g->block[j].first_port + k];
            if (x.block != REEL__NONE) {
                bool again = (block[i].copy || block[i].backward) && reads_step(p, j, &x) &&
                             p->copy[x.block];
                x.block = again ? copy_place[p->copy[x.block] - 1] : place[x.block];
            }
            port[ports++] = x;
        }
        block[i].first_port = first;
    }
    for (uint32_t i = 0; i < g->added_count; i++) {
        g->added[i].block = place[g->added[i].block];
        g->added[i].to_block = place[g->added[i].to_block];
    }
    g->block = block;
    g->blocks = n;
    g->port = port;
    g->port_count = ports;
    return true;
}

bool reel__pass_recompute(reel__graph *g, int64_t k)
{
    pass p = {.g = g};
    return find_windows(&p, k) && find_copies(&p) && (p.copies == 0 || rebuild(&p));
}
