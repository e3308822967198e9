/* Job: scopes: the module path and time step in force when a node is made.
 * Invariant: scope 0 is the outermost; a scope's parent has a smaller number.
 * Must not know: what is recorded inside them. */
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "tape.h"

static void enter(reel_tape *tape, const char *name, int64_t t, uint64_t word)
{
    if (!tape || tape->status) {
        return;
    }
    if (tape->scope_count == tape->scope_capacity) {
        size_t capacity = tape->scope_capacity ? 2 * tape->scope_capacity : 64;
        reel__scope *v = reel__reallocarray(tape->scopes, capacity, sizeof *v);
        if (!v || capacity > UINT32_MAX) {
            tape->scopes = v ? v : tape->scopes;
            reel__fail(tape, REEL_ERR_MEMORY, NULL, "out of memory for a scope");
            return;
        }
        tape->scopes = v;
        tape->scope_capacity = capacity;
    }
    uint64_t path = reel__mix(tape->scopes[tape->scope].hash, word) | 1;
    uintptr_t times = (uintptr_t)reel__map_get(&tape->scope_seen, path) + 1;
    if (!reel__map_put(&tape->scope_seen, path, (void *)times)) {
        reel__fail(tape, REEL_ERR_MEMORY, NULL, "out of memory for a scope");
        return;
    }
    reel__scope *parent = &tape->scopes[tape->scope];
    uint32_t begun = parent->first == tape->count ? parent->like : REEL__NO_ID;
    tape->scopes[tape->scope_count] =
        (reel__scope){.parent = tape->scope,
                      .name = name,
                      .t = t,
                      .hash = reel__mix(path, times),
                      .place = reel__mix(parent->place, word),
                      .first = tape->count,
                      .like = parent->child ? tape->scopes[parent->child].first : begun};
    parent->child = (uint32_t)tape->scope_count;
    tape->scope = (uint32_t)tape->scope_count++;
}

void reel_scope_enter(reel_tape *tape, const char *name)
{
    if (!tape || tape->status) {
        return;
    }
    if (!name) {
        name = "";
    }
    size_t bytes = strlen(name) + 1;
    char *copy = reel__arena_alloc(&tape->arena, bytes);
    if (!copy) {
        reel__fail(tape, REEL_ERR_MEMORY, NULL, "out of memory for a scope");
        return;
    }
    memcpy(copy, name, bytes);
    uint64_t word = 0xcbf29ce484222325U; /* FNV-1a */
    for (const char *c = name; *c; c++) {
        word = (word ^ (unsigned char)*c) * 0x100000001b3U;
    }
    enter(tape, copy, 0, word);
}

void reel_scope_step(reel_tape *tape, int64_t t)
{
    enter(tape, NULL, t, reel__mix((uint64_t)t, 0x7374657021U));
}

void reel_scope_leave(reel_tape *tape)
{
    if (!tape || tape->status) {
        return;
    }
    if (tape->scope == 0) {
        reel__fail(tape, REEL_ERR_ARGUMENT, NULL,
                   "reel_scope_leave: no scope is open: it was called once too often");
        return;
    }
    tape->scope = tape->scopes[tape->scope].parent;
}

void reel__scope_kind(reel_tape *tape, const char *kind)
{
    if (tape->status || !kind) {
        return;
    }
    size_t bytes = strlen(kind) + 1;
    char *copy = reel__arena_alloc(&tape->arena, bytes);
    if (!copy) {
        reel__fail(tape, REEL_ERR_MEMORY, NULL, "out of memory for a scope");
        return;
    }
    tape->scopes[tape->scope].kind = memcpy(copy, kind, bytes);
}

uint64_t reel_tape_stream(reel_tape *tape)
{
    if (!tape) {
        return 0;
    }
    reel__scope *s = &tape->scopes[tape->scope];
    return reel__mix(s->hash, ++s->ordinal);
}

uint64_t reel_tape_place(const reel_tape *tape)
{
    return tape ? tape->scopes[tape->scope].place : 0;
}

size_t reel__scope_text(const reel_tape *tape, uint32_t scope, char *text, size_t n, bool in_words)
{
    enum { DEEPEST = 64 };
    uint32_t path[DEEPEST];
    int depth = 0;
    for (uint32_t s = scope; s && depth < DEEPEST; s = tape->scopes[s].parent) {
        path[depth++] = s;
    }
    size_t length = 0;
    if (n) {
        text[0] = '\0';
    }
    for (int i = depth - 1; i >= 0; i--) {
        const reel__scope *s = &tape->scopes[path[i]];
        char *to = length < n ? text + length : NULL;
        size_t room = length < n ? n - length : 0;
        const char *between = i == depth - 1 ? "" : in_words && !s->name && i == 0 ? ", " : "/";
        int more = s->name ? snprintf(to, room, "%s%s", between, s->name)
                           : snprintf(to, room, "%st=%lld", between, (long long)s->t);
        length += more > 0 ? (size_t)more : 0;
    }
    return length;
}

size_t reel_node_scope(const reel_node *x, char *text, size_t n)
{
    const reel__slot *s = reel__live(x);
    if (!s) {
        if (n) {
            text[0] = '\0';
        }
        return 0;
    }
    return reel__scope_text(s->tape, s->scope, text, n, false);
}
