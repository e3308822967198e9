/* Job: arrange a graph's blocks into a plan: which run together, in what order, and where their
 * values live.
 * Invariant: a step runs after every step whose results it reads. A plan is a function of structure
 * alone: the same graph gives the same plan.
 * Must not know: what kernels do, nor any address. */
#include "arrange.h"

#include <string.h>

#include "memory.h"

static void *room_in(reel__arranging *a, reel__arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void *p =
        __builtin_mul_overflow(count + 1, size, &bytes) ? NULL : reel__arena_alloc(arena, bytes);
    if (!p) {
        a->failed = true;
    }
    return p;
}

void *reel__arrange_room(reel__arranging *a, size_t count, size_t size)
{
    return room_in(a, a->arena, count, size);
}

void *reel__arrange_take(reel__arranging *a, size_t count, size_t size)
{
    void *p = reel__arrange_room(a, count, size);
    return p ? memset(p, 0, (count + 1) * size) : NULL;
}

void *reel__arrange_keep(reel__arranging *a, size_t count, size_t size)
{
    return room_in(a, &a->plan->arena, count, size);
}

static bool finish(reel__arranging *a)
{
    reel__plan *plan = a->plan;
    plan->step = reel__arrange_keep(a, a->steps, sizeof *plan->step);
    plan->key = reel__arrange_keep(a, a->g->words, sizeof *plan->key);
    if (a->failed) {
        return false;
    }
    if (a->steps) {
        memcpy(plan->step, a->step, a->steps * sizeof *plan->step);
    }
    memcpy(plan->key, a->g->key, a->g->words * sizeof *plan->key);
    plan->words = a->g->words;
    plan->hash = a->g->hash;
    plan->steps = a->steps;
    plan->group = a->group;
    plan->groups = a->groups;
    plan->outsides = a->g->outsides;
    plan->nodes = a->g->nodes;
    return true;
}

reel__plan *reel__arrange(reel__compiled *c, reel__graph *g)
{
    reel__plan *plan = c->spare ? c->spare : reel__calloc(1, sizeof *plan);
    if (c->spare) {
        reel__arena arena = plan->arena;
        reel__arena_rewind(&arena);
        *plan = (reel__plan){.arena = arena};
        c->spare = NULL;
    }
    reel__arranging a = {.c = c, .g = g, .plan = plan, .arena = &c->work};
    if (plan && reel__arrange_groups(&a) && reel__arrange_order(&a) && reel__arrange_places(&a) &&
        finish(&a)) {
        return plan;
    }
    reel__plan_free(plan);
    return NULL;
}

void reel__plan_free(reel__plan *plan)
{
    if (plan) {
        reel__arena_free(&plan->arena);
        reel__free(plan);
    }
}
