/* Job: a tape's life: making, resetting, freeing; its settings and its figures.
 * Invariant: a reset forgets everything recorded and keeps all memory; the epoch it moves makes
 * nodes kept over it recognisable. Must not know: ops, and how nodes are recorded (record.c,
 * leaf.c). */
#include "tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "plan.h"

static void forget(reel_tape *tape)
{
    tape->before = tape->count;
    tape->echo = tape->count > 0;
    tape->wants = 0;
    tape->count = 0;
    tape->like = REEL__NO_ID;
    tape->scope = 0;
    tape->scope_count = 1;
    tape->origin = NULL;
    tape->counter_leaf = NULL;
    tape->used.n = 0;
    tape->evaluated = 0;
    reel__arena_rewind(&tape->arena);
    reel__pool_rewind(&tape->pool);
    reel__map_clear(&tape->scope_seen);
    reel__map_clear(&tape->uses);
    reel__map_clear(&tape->names);
    tape->scopes[0] = (reel__scope){
        .name = "", .hash = reel__mix(tape->seed, 0x7265656cU), .like = REEL__NO_ID};
}

static void tell_unread(reel_tape *tape)
{
    if (tape->status && !tape->error_read) {
        fprintf(stderr, "reel: unread error: %s\n", tape->message);
    }
    tape->status = REEL_OK;
    tape->error_read = false;
}

static int cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 1024 ? 1024 : (int)n;
}

static const reel__executor *executor_named(const char *name)
{
    return strcmp(name, "compiled") == 0    ? &reel__compiled_executor
           : strcmp(name, "reference") == 0 ? &reel__reference
                                            : NULL;
}

static void configure(reel_tape *tape, const reel_tape_args *args)
{
    tape->threads = args->threads ? args->threads : cores();
    if (args->threads < 0 || args->threads > 1024) {
        tape->threads = 1;
        reel__fail(tape, REEL_ERR_ARGUMENT, args->at,
                   "reel_tape_new: %d threads: expected 0 (one per core) to 1024", args->threads);
    }
    if (args->keep_every < 0) {
        tape->keep_every = 0;
        reel__fail(tape, REEL_ERR_ARGUMENT, args->at,
                   "reel_tape_new: .keep_every = %d: expected 0 (keep all) or more",
                   args->keep_every);
    }
    tape->dtype = args->dtype ? args->dtype : REEL_F32;
    if (tape->dtype != REEL_F32 && tape->dtype != REEL_F64) {
        tape->dtype = REEL_F32;
        reel__fail(tape, REEL_ERR_ARGUMENT, args->at,
                   "reel_tape_new: dtype: expected REEL_F32 or REEL_F64");
    }
    tape->executor = &reel__compiled_executor;
    if (args->executor != REEL_EXECUTOR_DEFAULT) {
        if (args->executor == REEL_REFERENCE) {
            tape->executor = &reel__reference;
        } else if (args->executor != REEL_COMPILED) {
            reel__fail(tape, REEL_ERR_ARGUMENT, args->at,
                       "reel_tape_new: no executor has number %d", (int)args->executor);
        }
        return;
    }
    const char *wish = getenv("REEL_EXECUTOR");
    if (wish && *wish) {
        const reel__executor *found = executor_named(wish);
        if (!found) {
            reel__fail(tape, REEL_ERR_ARGUMENT, args->at,
                       "environment variable REEL_EXECUTOR is '%.40s': expected 'compiled' or 'reference'", wish);
            return;
        }
        tape->executor = found;
    }
}

reel_tape *reel_tape_new_with(const reel_tape_args *args)
{
    static const reel_tape_args defaults = {0};
    if (!args) {
        args = &defaults;
    }
    reel_tape *tape = reel__calloc(1, sizeof *tape);
    if (!tape) {
        return NULL;
    }
    tape->scopes = reel__calloc(64, sizeof *tape->scopes);
    tape->scope_capacity = tape->scopes ? 64 : 0;
    tape->error_slot = reel__malloc_aligned(sizeof *tape->error_slot);
    if (!tape->scopes || !tape->error_slot) {
        reel__free(tape->scopes);
        reel__free(tape->error_slot);
        reel__free(tape);
        return NULL;
    }
    *tape->error_slot = (reel__slot){.tape = tape, .flags = REEL__ERROR};
    tape->epoch = 1;
    tape->seed = args->seed;
    tape->inference = args->inference;
    tape->training = !args->inference;
    tape->trap_nan = args->trap_nan;
    tape->keep_every = args->keep_every;
    tape->on_error = args->on_error;
    tape->context = args->context;
    forget(tape);
    configure(tape, args);
    return tape;
}

void reel_tape_free(reel_tape *tape)
{
    if (!tape) {
        return;
    }
    tell_unread(tape);
    reel__free(tape->chunk);
    reel__arena_free(&tape->slots);
    reel__free(tape->scopes);
    reel__free(tape->error_slot);
    reel__arena_free(&tape->arena);
    reel__pool_free(&tape->pool);
    reel__map_free(&tape->scope_seen);
    reel__map_free(&tape->uses);
    reel__map_free(&tape->names);
    reel__ids_free(&tape->used);
    reel__ids_free(&tape->needed);
    reel__pending_free(&tape->pending);
    reel__arena_free(&tape->work);
    reel_tape_free(tape->probe);
    reel__compiled_free(tape->compiled);
    reel__free(tape);
}

void reel_tape_reset(reel_tape *tape)
{
    if (!tape) {
        return;
    }
    tell_unread(tape);
    tape->epoch++;
    tape->error_slot->epoch = tape->epoch;
    forget(tape);
    reel__compiled *c = tape->compiled;
    if (c) { /* evaluations that this recording did not come to are of another one */
        c->turns = c->turn < c->turns ? c->turn : c->turns;
        c->turn = 0;
    }
}

uint32_t reel__walk(reel_tape *tape)
{
    if (++tape->stamp == 0) {
        for (uint32_t id = 0; id < tape->count; id++) {
            reel__slot_at(tape, id)->stamp = 0;
        }
        tape->stamp = 1;
    }
    return tape->stamp;
}

reel_tape_stats reel_tape_statistics(const reel_tape *tape)
{
    if (!tape) {
        return (reel_tape_stats){0};
    }
    return (reel_tape_stats){
        .nodes = tape->count,
        .evaluated = tape->evaluated,
        .node_bytes = (size_t)tape->count * sizeof(reel__slot) + tape->arena.total +
                      tape->scope_count * sizeof(reel__scope),
        .value_bytes = tape->pool.alive,
        .peak_value_bytes = tape->pool.peak,
        .reserved_bytes = tape->slots.reserved + tape->arena.reserved + tape->work.reserved +
                          tape->pool.arena.reserved + tape->scope_capacity * sizeof(reel__scope),
    };
}

reel_dtype reel_tape_dtype(const reel_tape *tape)
{
    return tape ? tape->dtype : REEL_F32;
}

int reel_tape_threads(const reel_tape *tape)
{
    return tape ? tape->threads : 1;
}

void reel_tape_set_training(reel_tape *tape, bool training)
{
    if (tape) {
        tape->training = training;
    }
}

bool reel_tape_training(const reel_tape *tape)
{
    return tape && tape->training;
}

void reel_tape_set_trap_nan(reel_tape *tape, bool trap)
{
    if (tape) {
        tape->trap_nan = trap;
    }
}

void reel_tape_set_counter(reel_tape *tape, uint64_t counter)
{
    if (tape) {
        tape->counter = counter;
    }
}

uint64_t reel_tape_counter(const reel_tape *tape)
{
    return tape ? tape->counter : 0;
}

uint64_t reel_tape_seed(const reel_tape *tape)
{
    return tape ? tape->seed : 0;
}
