/* Job: how often one has to differentiate to get each of some nodes.
 * Invariant: no node has a lower order than what it reads, and what a gradient rule made has a
 * higher one than the node whose rule it was. Must not know: who asks. */
#include "memory.h"
#include "tape.h"

static bool is_free_leaf(const reel__slot *s)
{
    return s->n == 0 && !s->origin && !(s->flags & REEL__PARAM);
}

/* A second derivative is made by rules of nodes of the forward pass, too, from cotangents that are
 * second derivatives: so arguments count as well as what the rule is of. */
static uint8_t order_of(const reel__slot *s, const uint8_t *order)
{
    uint8_t most = 0;
    if (s->origin) {
        uint8_t of = order[s->origin - 1];
        of = of == UINT8_MAX ? 0 : of; /* a leaf that is read several times */
        most = of < REEL__MOST_ORDER ? (uint8_t)(of + 1) : REEL__MOST_ORDER;
    }
    for (int i = 0; i < s->n; i++) {
        uint8_t o = order[reel__args(s)[i]->id];
        most = o != UINT8_MAX && o > most ? o : most;
    }
    return most;
}

/* Of all that was recorded, as rules may be of nodes that are not asked for. */
static void find_all(const reel_tape *tape, uint32_t n, uint8_t *order)
{
    for (uint32_t id = 0; id < n; id++) {
        const reel__slot *s = reel__slot_at(tape, id);
        order[id] = is_free_leaf(s) ? UINT8_MAX : order_of(s, order);
    }
    for (uint32_t id = n; id-- > 0;) {
        const reel__slot *s = reel__slot_at(tape, id);
        for (int i = 0; i < s->n; i++) {
            const reel__slot *a = reel__args(s)[i];
            if (is_free_leaf(a) && order[id] < order[a->id]) {
                order[a->id] = order[id];
            }
        }
    }
}

bool reel__find_orders(const reel_tape *tape, const reel__ids *nodes, uint8_t *order)
{
    uint32_t n = 0;
    for (size_t k = 0; k < nodes->n; k++) {
        n = nodes->v[k] >= n ? nodes->v[k] + 1 : n;
    }
    uint8_t *all = reel__calloc((size_t)n + 1, sizeof *all);
    if (!all) {
        return false;
    }
    find_all(tape, n, all);
    for (size_t k = 0; k < nodes->n; k++) {
        uint8_t o = all[nodes->v[k]];
        order[k] = o == UINT8_MAX ? 0 : o;
    }
    reel__free(all);
    return true;
}
