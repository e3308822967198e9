/* Job: the compiled executor: takes an evaluation apart, finds or makes its plan, runs it, and
 * hands the results to the nodes. Invariant: when a kernel reports an error, the reference executor
 * computes the same again and says what is wrong where; so both report alike. Must not know: how
 * plans are made or run. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "params.h"
#include "pattern.h"
#include "plan.h"
#include "plant.h"
#include "profile.h"

static const char *const pass_names[] = {"cse",      "views", "products", "sink", "assemble",
                                         "segments", "batch", "fuse",     "pack", "memory",
                                         "narrow",   "again", "rows",     "beside", "known"};
enum { PASSES = sizeof pass_names / sizeof *pass_names };

const char *reel__pass_name(int i)
{
    return i >= 0 && i < PASSES ? pass_names[i] : NULL;
}

static void tell_no_pass(const char *name, size_t n)
{
    fprintf(stderr,
            "reel: environment variable REEL_SKIP_PASSES: no pass is called '%.*s': expected ",
            (int)(n < 40 ? n : 40), name);
    for (int i = 0; i < PASSES; i++) {
        const char *between = i == 0 ? "" : i + 1 < PASSES ? ", " : " or ";
        fprintf(stderr, "%s%s", between, pass_names[i]);
    }
    fprintf(stderr, "\n");
}

/* All passes but those that REEL_SKIP_PASSES names, a list with commas. What it names wrongly is
 * told to the first that asks. */
static unsigned passes_wanted(void)
{
    static atomic_flag asked = ATOMIC_FLAG_INIT;
    const bool first = !atomic_flag_test_and_set(&asked);
    unsigned passes = REEL__PASS_ALL;
    const char *skip = getenv("REEL_SKIP_PASSES");
    for (const char *p = skip ? skip : ""; *p;) {
        size_t n = strcspn(p, ",");
        int i = 0;
        while (i < PASSES && (strlen(pass_names[i]) != n || memcmp(pass_names[i], p, n) != 0)) {
            i++;
        }
        if (i < PASSES) {
            passes &= ~(1U << i);
        } else if (n && first) {
            tell_no_pass(p, n);
        }
        p += n + (p[n] == ',');
    }
    return passes;
}

static reel__compiled *state_of(reel_tape *tape)
{
    if (!tape->compiled) {
        tape->compiled = reel__calloc(1, sizeof *tape->compiled);
        if (tape->compiled) {
            tape->compiled->tape = tape;
            tape->compiled->passes = passes_wanted();
        }
    }
    return tape->compiled;
}

/* The plans seen last */

static void unlink_plan(reel__compiled *c, reel__plan *p)
{
    *(p->newer ? &p->newer->older : &c->newest) = p->older;
    *(p->older ? &p->older->newer : &c->oldest) = p->newer;
    p->newer = p->older = NULL;
}

static void put_first(reel__compiled *c, reel__plan *p)
{
    p->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = p;
    c->newest = p;
}

static void forget(reel__compiled *c, reel__plan *p)
{
    c->turns = 0; /* one of them may be of this plan */
    c->ran.plan = c->ran.plan == p ? NULL : c->ran.plan;
    reel__plan **at = &c->plan[p->hash % REEL__PLAN_BUCKETS];
    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    unlink_plan(c, p);
    c->plans--;
    c->plan_bytes -= p->arena.reserved;
    reel__plan_free(c->spare);
    c->spare = p; /* the next one can have its memory */
}

static reel__plan *known_plan(reel__compiled *c, uint64_t hash, const uint64_t *key, size_t words)
{
    for (reel__plan *p = c->plan[hash % REEL__PLAN_BUCKETS]; p; p = p->next) {
        if (p->hash == hash && p->words == words &&
            memcmp(p->key, key, words * sizeof *p->key) == 0) {
            unlink_plan(c, p);
            put_first(c, p);
            c->hits++;
            return p;
        }
    }
    return NULL;
}

static void remember(reel__compiled *c, reel__plan *p)
{
    c->plan_bytes += p->arena.reserved;
    while (c->plans && (c->plans == REEL__MOST_PLANS || c->plan_bytes > REEL__MOST_PLAN_BYTES)) {
        forget(c, c->oldest);
        c->evicted++;
    }
    p->next = c->plan[p->hash % REEL__PLAN_BUCKETS];
    c->plan[p->hash % REEL__PLAN_BUCKETS] = p;
    put_first(c, p);
    c->plans++;
}

static reel__plan *find_plan(reel__compiled *c, reel__graph *g)
{
    reel__plan *p = known_plan(c, g->hash, g->key, g->words);
    if (p) {
        return p;
    }
    c->misses++;
    p = reel__arrange(c, g);
    if (p) {
        remember(c, p);
    }
    return p;
}

void reel__plans_forget(reel__compiled *c)
{
    while (c->oldest) {
        forget(c, c->oldest);
    }
    reel__plan_free(c->spare);
    c->spare = NULL;
}

static void forget_all(reel__compiled *c)
{
    reel__plans_forget(c);
    reel__patterns_free(c);
    reel__templates_free(c);
    reel__packs_free(c);
}

/* A program whose structures never repeat is not to fill the memory with them. */
static void bound_templates(reel__compiled *c)
{
    if (c->templates > REEL__MOST_TEMPLATES) {
        forget_all(c);
    }
}

void reel__compiled_free(reel__compiled *c)
{
    if (c) {
        forget_all(c);
        reel__arena_free(&c->work);
        reel__arena_free(&c->lay);
        for (uint32_t i = 0; i < c->turn_room; i++) {
            reel__free(c->turn_of[i].memory);
        }
        reel__free(c->turn_of);
        reel__free(c->key);
        reel__free(c->room);
        reel__profile_free(c->measured);
        reel__free(c);
    }
}

reel__compiled *reel__compiled_of(reel_tape *tape)
{
    return state_of(tape);
}

void reel__tape_set_passes(reel_tape *tape, unsigned passes)
{
    reel__compiled *c = state_of(tape);
    if (c && c->passes != passes) {
        forget_all(c);
        c->passes = passes;
    }
}

/* Running */

/* `g` has the plan's nodes and outside values, or, for a plan of gradients, those of the forward
 * pass alone. *memory: what is kept. */
static bool run(reel__compiled *c, const reel__graph *g, const reel__plan *plan, char **memory)
{
    reel_tape *tape = c->tape;
    const void **outside = reel__arena_alloc(&c->work, (plan->outsides + 1) * sizeof *outside);
    uint64_t *version = reel__arena_alloc(&c->work, (plan->outsides + 1) * sizeof *version);
    if (!outside || !version) {
        return false;
    }
    for (uint32_t i = 0; i < plan->outsides; i++) {
        const reel__slot *s = g->outside[plan->from ? plan->from[i] : i];
        const reel__use *use = s->flags & REEL__PARAM ? s->attr : NULL;
        outside[i] = s->data;
        if (reel__planted(REEL__FOLDED_NUMBER) && reel__size(s) == 1 && s->dtype != REEL_I32) {
            static double folded[64]; /* each plan's first number, for ever */
            static bool known[64];
            size_t k = (size_t)(plan->hash + i) % 64;
            if (!known[k]) {
                memcpy(&folded[k], s->data, reel__dtype_size((reel_dtype)s->dtype));
                known[k] = true;
            }
            outside[i] = &folded[k];
        }
        version[i] = use ? reel__mix(reel__param_key(use->param), use->version) | 1 : 0;
    }
    size_t bytes = plan->scratch + 64;
    char *kept = reel__pool_get(&tape->pool, plan->kept); /* also for values of no elements */
    char *scratch = reel__pool_get(&tape->pool, bytes);
    c->kernel_failed = false;
    c->ran = (reel__ran){tape, plan, g->node, g->outside, tape->epoch};
    bool ok = scratch && kept && reel__replay(c, plan, outside, version, scratch, kept);
    for (uint32_t i = 0; ok && i < plan->results; i++) {
        const reel__result *x = &plan->result[i];
        reel__slot *s = g->node[x->node];
        s->data = kept + x->place.offset;
        s->flags |= REEL__COMPUTED;
    }
    if (scratch) {
        reel__pool_put(&tape->pool, scratch, bytes);
    }
    if (kept && !ok) {
        reel__pool_put(&tape->pool, kept, plan->kept);
    }
    tape->evaluated += ok ? plan->nodes : 0;
    *memory = kept;
    return ok;
}

/* Turns: what was evaluated in the recording before this one, while this one is the same */

enum { MOST_TURNS = 64 };

static bool is_turn(reel__compiled *c, size_t n, reel__slot *const *root, bool gradients)
{
    const reel_tape *tape = c->tape;
    if (!tape->echo || tape->keep_every || c->turn >= c->turns) {
        return false;
    }
    const reel__turn *t = &c->turn_of[c->turn];
    if (t->count != tape->count || t->n != n || t->wants != tape->wants ||
        t->gradients != gradients) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (t->root[i] != root[i]->id) {
            return false;
        }
    }
    for (uint32_t i = 0; i < t->outsides; i++) {
        if (!(t->outside[i]->flags & REEL__COMPUTED)) {
            return false;
        }
    }
    return true;
}

/* The turn that this evaluation repeats, or NULL: then no later one counts either. */
static const reel__turn *same_turn(reel__compiled *c, size_t n, reel__slot *const *root,
                                   bool gradients)
{
    if (is_turn(c, n, root, gradients)) {
        return &c->turn_of[c->turn];
    }
    c->turns = c->turn < c->turns ? c->turn : c->turns;
    return NULL;
}

/* Remembers the evaluation as the present turn. That memory is out only costs time. */
static void keep_turn(reel__compiled *c, const reel__graph *g, reel__plan *plan, size_t n,
                      reel__slot *const *root, bool gradients)
{
    if (c->turn != c->turns || c->turn == MOST_TURNS) {
        return;
    }
    if (c->turn == c->turn_room) {
        uint32_t room = c->turn_room ? 2 * c->turn_room : 4;
        reel__turn *v = reel__reallocarray(c->turn_of, room, sizeof *v);
        if (!v) {
            return;
        }
        memset(v + c->turn_room, 0, (room - c->turn_room) * sizeof *v);
        c->turn_of = v;
        c->turn_room = room;
    }
    reel__turn *t = &c->turn_of[c->turn];
    size_t bytes = ((size_t)g->nodes + g->outsides) * sizeof *t->node + n * sizeof *t->root;
    if (bytes > t->room) {
        reel__free(t->memory);
        t->memory = reel__malloc(bytes + bytes / 4);
        t->room = t->memory ? bytes + bytes / 4 : 0;
        if (!t->memory) {
            return;
        }
    }
    t->node = t->memory;
    t->outside = t->node + g->nodes;
    t->root = (uint32_t *)(void *)(t->outside + g->outsides);
    t->nodes = g->nodes;
    t->outsides = g->outsides;
    if (g->nodes) {
        memcpy(t->node, g->node, g->nodes * sizeof *t->node);
    }
    if (g->outsides) {
        memcpy(t->outside, g->outside, g->outsides * sizeof *t->outside);
    }
    for (size_t i = 0; i < n; i++) {
        t->root[i] = root[i]->id;
    }
    t->count = c->tape->count;
    t->wants = c->tape->wants;
    t->n = n;
    t->gradients = gradients;
    t->plan = plan;
    c->turns = c->turn + 1;
}

static bool all_fresh(const reel__turn *t)
{
    for (uint32_t i = 0; i < t->outsides; i++) {
        if (!reel__fresh(t->outside[i])) {
            return false;
        }
    }
    return true;
}

/* Plays the turn again. */
static bool repeat(reel__compiled *c, const reel__turn *t, char **kept)
{
    reel__graph g = {.tape = c->tape,
                     .nodes = t->nodes,
                     .node = t->node,
                     .outsides = t->outsides,
                     .outside = t->outside};
    c->hits++;
    return run(c, &g, t->plan, kept);
}

static void begin(reel__compiled *c)
{
    reel__arena_rewind(&c->work);
    c->ran.node = c->ran.outside = NULL;
}

static reel_status no_memory(reel_tape *tape)
{
    reel__fail(tape, REEL_ERR_MEMORY, NULL, "evaluation: out of memory");
    return tape->status;
}

static reel_status eval(reel_tape *tape, size_t n, reel__slot *const *roots)
{
    reel__compiled *c = state_of(tape);
    bool computed = !tape->trap_nan;
    for (size_t i = 0; computed && i < n; i++) {
        roots[i]->flags |= REEL__WANT;
        computed = roots[i]->flags & REEL__COMPUTED;
    }
    if (computed) {
        return tape->status;
    }
    /* What looks at every value wants them one after another. */
    if (tape->trap_nan) {
        return reel__reference.eval(tape, n, roots);
    }
    if (!c) {
        return no_memory(tape);
    }
    begin(c);
    char *kept;
    const reel__turn *turn = same_turn(c, n, roots, false);
    reel__plan *plan = turn ? turn->plan : NULL;
    bool done;
    if (turn) {
        if (!all_fresh(turn)) {
            return tape->status;
        }
        done = repeat(c, turn, &kept);
    } else {
        bound_templates(c);
        reel__graph g = {.tape = tape};
        if (!reel__collect(c, &g, n, roots)) {
            return tape->status;
        }
        plan = find_plan(c, &g);
        if (plan) {
            keep_turn(c, &g, plan, n, roots, false);
        }
        done = plan && run(c, &g, plan, &kept);
    }
    c->turn++;
    if (done) {
        return tape->status;
    }
    if (plan && c->kernel_failed) {
        return reel__reference.eval(tape, n, roots);
    }
    return no_memory(tape);
}

/* Gradients without their nodes */

/* What a plan of gradients goes by: the forward pass, and by which outside values; `number` gets
 * these, REEL__NONE for what is none. */
static bool gradient_key(reel__compiled *c, reel__graph *g, size_t n, reel_node *const *x,
                         uint32_t *number)
{
    uint64_t *key =
        reel__arena_alloc(&c->work, (g->words + n + 2 + 2 * (size_t)g->blocks) * sizeof *key);
    if (!key) {
        return false;
    }
    memcpy(key, g->key, g->words * sizeof *key);
    key[g->words] = UINT64_MAX;
    key[g->words + 1] = n;
    for (size_t i = 0; i < n; i++) {
        const reel__slot *s = reel__live(x[i]);
        bool used = s->stamp == c->tape->stamp && s->flags & REEL__COMPUTED;
        number[i] = used ? s->mark : REEL__NONE;
        /* where there is nothing to differentiate by, the plan makes as many zeros */
        key[g->words + 2 + i] = used ? s->mark : (uint64_t)1 << 63 | (uint64_t)reel__size(s);
        g->hash = reel__mix(g->hash, key[g->words + 2 + i]);
    }
    g->key = key;
    g->words += n + 2;
    for (uint32_t j = 0; c->tape->keep_every && j < g->blocks; j++) { /* windows go by the time */
        const reel__scope *scope = &c->tape->scopes[g->block[j].scope];
        key[g->words++] = (uint64_t)scope->t;
        key[g->words++] = c->tape->scopes[scope->parent].hash;
        g->hash = reel__mix(g->hash, key[g->words - 2] ^ key[g->words - 1]);
    }
    return true;
}

/* Which nodes and scopes of the forward pass the plan is about, for dumps and profiles.
 * plan->forward is there, and to be filled in, when it is wanted. */
static bool note_forward(reel__compiled *c, reel__plan *plan, const reel__graph *all,
                         const reel__graph *forward)
{
    uint32_t *of_scope = reel__arena_alloc(&c->work, c->tape->scope_count * sizeof *of_scope);
    plan->like = reel__arena_alloc(&plan->arena, (all->blocks + 1) * sizeof *plan->like);
    if (c->profile) {
        plan->start = reel__arena_alloc(&plan->arena, (all->blocks + 1) * sizeof *plan->start);
        plan->forward = reel__arena_alloc(&plan->arena, (all->nodes + 1) * sizeof *plan->forward);
    }
    if (!of_scope || !plan->like || (c->profile && (!plan->start || !plan->forward))) {
        return false;
    }
    memset(of_scope, 0xff, c->tape->scope_count * sizeof *of_scope);
    for (uint32_t j = 0; j < forward->blocks; j++) {
        const reel__block *b = &forward->block[j];
        if (b->nodes) {
            of_scope[b->scope] = b->first;
        }
    }
    for (uint32_t j = 0; j < all->blocks; j++) {
        const reel__block *b = &all->block[j];
        uint32_t node = of_scope[b->scope];
        plan->like[j] =
            (node < REEL__NO_NODE ? node : REEL__NO_NODE) | (b->backward ? REEL__BACKWARD
                                                             : b->copy   ? REEL__AGAIN
                                                                         : 0);
        if (plan->start) {
            plan->start[j] = b->first;
        }
    }
    return true;
}

/* Makes the plan speak of the forward pass alone. False: it needs more than that. */
static bool refer_to(reel__compiled *c, reel__plan *plan, const reel__graph *all,
                     const reel__graph *forward, size_t n, reel_node *const *gradient)
{
    reel__map known = {0}; /* id + 1 -> number + 1 in the forward pass */
    bool ok = true;
    for (uint32_t i = 0; ok && i < forward->outsides; i++) {
        ok = reel__map_put(&known, (uint64_t)forward->outside[i]->id + 1,
                           (void *)((uintptr_t)i + 1));
    }
    for (uint32_t i = 0; ok && i < forward->nodes; i++) {
        ok = reel__map_put(&known, (uint64_t)forward->node[i]->id + 1, (void *)((uintptr_t)i + 1));
    }
    plan->from = reel__arena_alloc(&plan->arena, (all->outsides + 1) * sizeof *plan->from);
    plan->gradient = reel__arena_alloc(&plan->arena, (n + 1) * sizeof *plan->gradient);
    ok = ok && plan->from && plan->gradient;
    for (uint32_t i = 0; ok && i < all->outsides; i++) {
        uintptr_t at = (uintptr_t)reel__map_get(&known, (uint64_t)all->outside[i]->id + 1);
        ok = at != 0;
        c->kernel_failed = !ok; /* a leaf of the backward pass: it has to be recorded each time */
        plan->from[i] = (uint32_t)(at - 1);
    }
    for (size_t k = 0; ok && k < n; k++) {
        const reel__slot *s = reel__live(gradient[k]);
        ok = false;
        for (uint32_t i = 0; i < plan->results && !ok; i++) {
            ok = all->node[plan->result[i].node] == s;
            plan->gradient[k] = plan->result[i].place;
        }
        c->kernel_failed = !ok; /* a value that is there already: no plan is needed for it */
    }
    uint32_t results = 0;
    for (uint32_t i = 0; ok && i < plan->results; i++) {
        const reel__slot *s = all->node[plan->result[i].node];
        uintptr_t at = (uintptr_t)reel__map_get(&known, (uint64_t)s->id + 1);
        if (at) {
            plan->result[results++] =
                (reel__result){.node = (uint32_t)(at - 1), .place = plan->result[i].place};
        }
    }
    plan->results = results;
    ok = ok && note_forward(c, plan, all, forward);
    for (uint32_t i = 0; ok && plan->forward && i < all->nodes; i++) {
        uintptr_t at = (uintptr_t)reel__map_get(&known, (uint64_t)all->node[i]->id + 1);
        plan->forward[i] = (uint32_t)at - 1;
    }
    reel__map_free(&known);
    return ok;
}

/* Likewise for a graph made by reel__derive, which begins with the forward pass and has the same
 * outside values. */
static bool refer_to_blocks(reel__compiled *c, reel__plan *plan, const reel__graph *all,
                            const reel__graph *forward, size_t n, const reel__source *gradient)
{
    uint32_t results = 0;
    uint32_t *result_of = reel__arena_alloc(&c->work, (all->nodes + 1) * sizeof *result_of);
    plan->gradient = reel__arena_alloc(&plan->arena, (n + 1) * sizeof *plan->gradient);
    if (!result_of || !plan->gradient || !note_forward(c, plan, all, forward)) {
        return false;
    }
    for (uint32_t i = 0; i < plan->results; i++) {
        result_of[plan->result[i].node] = i;
    }
    for (size_t k = 0; k < n; k++) {
        uint32_t node = all->block[gradient[k].block].first + gradient[k].at;
        plan->gradient[k] = plan->result[result_of[node]].place;
    }
    for (uint32_t i = 0; i < plan->results; i++) {
        if (plan->result[i].node < forward->nodes) {
            plan->result[results++] = plan->result[i];
        }
    }
    plan->results = results;
    for (uint32_t i = 0; plan->forward && i < all->nodes; i++) {
        plan->forward[i] = i < forward->nodes ? i : REEL__NONE;
    }
    return true;
}

/* Takes nodes from `count` on off the tape again. */
static void unrecord(reel_tape *tape, uint32_t count)
{
    tape->count = count;
    if (tape->counter_leaf && tape->counter_leaf->id >= count) {
        tape->counter_leaf = NULL;
    }
}

/* Records the backward pass, plans both passes in one, and takes it off again. NULL: not possible,
 * or out of memory; the status may say why. */
static reel__plan *plan_both(reel__compiled *c, const char *at, const reel__graph *forward,
                             reel__slot *loss, size_t n, reel_node *const *x)
{
    reel_tape *tape = c->tape;
    uint32_t count = tape->count;
    c->recorded++;
    reel_node **gradient = reel__arena_alloc(&c->work, (n + 1) * sizeof *gradient);
    reel__slot **root = reel__arena_alloc(&c->work, (n + 1) * sizeof *root);
    if (!gradient || !root || reel_grad_at(at, reel__node_of(loss), n, x, gradient)) {
        return NULL;
    }
    root[0] = loss;
    for (size_t i = 0; i < n; i++) {
        root[i + 1] = reel__live(gradient[i]);
    }
    reel__graph all = {.tape = tape, .arena = &c->work, .step = true};
    reel__plan *plan = NULL;
    bool ok = reel__collect(c, &all, n + 1, root);
    if (ok && tape->keep_every) {
        ok = reel__pass_recompute(&all, tape->keep_every);
    }
    if (ok) {
        all.key = forward->key;
        all.words = forward->words;
        all.hash = forward->hash;
        plan = reel__arrange(c, &all);
    }
    if (plan && !refer_to(c, plan, &all, forward, n, gradient)) {
        reel__plan_free(plan);
        plan = NULL;
    }
    unrecord(tape, count);
    return plan;
}

/* Plans both passes from what is known of the blocks. NULL: not possible, or out of memory; the
 * status may say why. */
static reel__plan *plan_blocks(reel__compiled *c, const reel__graph *forward, size_t n,
                               reel__slot *const *root, const uint32_t *number)
{
    reel__graph all;
    reel__source *gradient = reel__arena_alloc(&c->work, (n + 1) * sizeof *gradient);
    if (!gradient || c->tape->keep_every ||
        !reel__derive(c, forward, root[0], n, number, root + 1, &all, gradient)) {
        return NULL;
    }
    all.key = forward->key;
    all.words = forward->words;
    all.hash = forward->hash;
    reel__plan *plan = reel__arrange(c, &all);
    if (plan && !refer_to_blocks(c, plan, &all, forward, n, gradient)) {
        reel__plan_free(plan);
        plan = NULL;
    }
    if (!plan) {
        no_memory(c->tape);
    }
    return plan;
}

static reel__plan *find_gradients(reel__compiled *c, const char *at, reel__graph *g, size_t n,
                                  reel__slot **root, reel_node *const *x, const uint32_t *number)
{
    reel__plan *plan = known_plan(c, g->hash, g->key, g->words);
    if (plan) {
        return plan;
    }
    c->misses++;
    plan = plan_blocks(c, g, n, root, number);
    if (!plan && !c->tape->status) {
        plan = plan_both(c, at, g, root[0], n, x);
    }
    if (plan) {
        remember(c, plan);
    }
    return plan;
}

/* Whether the forward pass reads nodes, not leaves, that were computed before. */
static bool reads_computed(const reel__graph *g)
{
    for (uint32_t k = 0; k < g->outsides; k++) {
        if (g->outside[k]->n > 0) {
            return true;
        }
    }
    return false;
}

/* Finds or makes the plan and runs it. NULL: the reason is in the status or in kernel_failed. */
static reel__plan *run_gradients(reel__compiled *c, const char *at, size_t n, reel__slot **root,
                                 reel_node *const *x, char **kept)
{
    const reel__turn *turn = same_turn(c, n + 1, root, true);
    if (turn) {
        return all_fresh(turn) && repeat(c, turn, kept) ? turn->plan : NULL;
    }
    bound_templates(c);
    reel__graph g = {.tape = c->tape, .step = true};
    if (!reel__collect(c, &g, 1, root)) {
        return NULL;
    }
    if (reads_computed(&g)) {
        c->kernel_failed = true; /* the backward pass goes on behind them: it has to be recorded */
        return NULL;
    }
    uint32_t *number = reel__arena_alloc(&c->work, (n + 1) * sizeof *number);
    if (!number || !gradient_key(c, &g, n, x, number)) {
        return NULL;
    }
    reel__plan *plan = find_gradients(c, at, &g, n, root, x, number);
    if (plan) {
        keep_turn(c, &g, plan, n + 1, root, true);
    }
    return plan && run(c, &g, plan, kept) ? plan : NULL;
}

bool reel__plan_gradients(reel_tape *tape, const char *at, reel__slot *loss, size_t n,
                          reel_node *const *x, const void **data)
{
    reel__compiled *c = state_of(tape);
    if (c) {
        begin(c);
    }
    reel__slot **root = c ? reel__arena_alloc(&c->work, (n + 1) * sizeof *root) : NULL;
    if (!root) {
        no_memory(tape);
        return false;
    }
    root[0] = loss;
    for (size_t i = 0; i < n; i++) {
        root[i + 1] = reel__live(x[i]);
    }
    c->kernel_failed = false;
    char *kept;
    reel__plan *plan = run_gradients(c, at, n, root, x, &kept);
    c->turn++;
    if (!plan) {
        if (!tape->status && !c->kernel_failed) {
            no_memory(tape);
        }
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        data[i] = kept + plan->gradient[i].offset;
    }
    return true;
}

const reel__executor reel__compiled_executor = {.name = "compiled", .eval = eval};
