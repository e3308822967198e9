/* Job: the memory of a tape, and the two containers that recording and sweeping need.
 * Invariant: memory taken from the system is kept over a rewind and used again in the same order,
 * so a training loop stops allocating after its first iteration. Must not know: nodes, shapes, ops.
 */
/* madvise is not in POSIX. */
#define _DEFAULT_SOURCE

#include "arena.h"

#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "memory.h"

typedef struct reel__stock {
    struct reel__stock *next;
    size_t size;
    size_t pad[14]; /* to 128 bytes, so that what follows is aligned as the block is */
} reel__stock;

typedef struct reel__spare {
    struct reel__spare *next;
} reel__spare;

#ifdef REEL_STRESS
enum { FIRST_BLOCK = 256, LARGEST_BLOCK = 4096 };
#else
enum { FIRST_BLOCK = 64 * 1024, LARGEST_BLOCK = 64 * 1024 * 1024 };
#endif
enum { HUGE_PAGE = 2 * 1024 * 1024 };

static reel__stock *block_new(size_t size)
{
    if (size > SIZE_MAX - sizeof(reel__stock) - HUGE_PAGE) {
        return NULL;
    }
    reel__stock *b = reel__malloc_aligned(sizeof *b + size);
    if (!b) {
        return NULL;
    }
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    /* A long unroll walks through hundreds of megabytes: without huge pages every step pays for
     * page faults and TLB misses. Advice only, so failure does not matter. */
    if (size >= 2 * HUGE_PAGE) {
        uintptr_t from = ((uintptr_t)b + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        uintptr_t to = ((uintptr_t)b + sizeof *b + size) / HUGE_PAGE * HUGE_PAGE;
        if (to > from) {
            madvise((void *)from, to - from, MADV_HUGEPAGE);
        }
    }
#endif
    b->next = NULL;
    b->size = size;
    return b;
}

/* Puts a block behind the current one and moves on to it. */
static void move_on(reel__arena *a, reel__stock *b)
{
    reel__stock **behind = a->current ? &a->current->next : &a->first;
    b->next = *behind;
    *behind = b;
    a->current = b;
    a->at = (char *)(b + 1);
    a->end = a->at + b->size;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 15) / 16 * 16;
}

const void *reel__arena_peek_more(const reel__arena *a, size_t bytes)
{
    const reel__stock *kept = a->current ? a->current->next : a->first;
    while (kept && kept->size < rounded(bytes)) {
        kept = kept->next;
    }
    return kept ? kept + 1 : NULL;
}

/* Moves on to a block with room for `bytes`: the first that fits of those kept from before the
 * rewind, else a fresh one. */
static bool next_block(reel__arena *a, size_t bytes)
{
    for (reel__stock **at = a->current ? &a->current->next : &a->first; *at; at = &(*at)->next) {
        reel__stock *kept = *at;
        if (kept->size >= bytes) {
            *at = kept->next;
            move_on(a, kept);
            return true;
        }
    }
    size_t size = a->current ? a->current->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK) {
        size = LARGEST_BLOCK;
    }
    if (size < bytes) {
        size = bytes;
    }
    reel__stock *b = block_new(size);
    if (!b) {
        return false;
    }
    a->reserved += size;
    move_on(a, b);
    return true;
}

void *reel__arena_more(reel__arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX - 16 || !next_block(a, rounded(bytes))) {
        return NULL;
    }
    return reel__arena_alloc(a, bytes);
}

void *reel__arena_enlarge(reel__arena *a, const void *v, uint32_t n, uint32_t *capacity,
                          size_t size)
{
    uint32_t more = 64;
    size_t bytes;
    if (*capacity && __builtin_mul_overflow(*capacity, 2U, &more)) {
        return NULL;
    }
    void *to = __builtin_mul_overflow(more, size, &bytes) ? NULL : reel__arena_alloc(a, bytes);
    if (!to) {
        return NULL;
    }
    if (n) {
        memcpy(to, v, n * size);
    }
    *capacity = more;
    return to;
}

void reel__arena_rewind(reel__arena *a)
{
    a->current = NULL;
    a->at = a->end = NULL;
    a->total = 0;
}

void reel__arena_free(reel__arena *a)
{
    for (reel__stock *b = a->first; b;) {
        reel__stock *next = b->next;
        reel__free(b);
        b = next;
    }
    *a = (reel__arena){0};
}

/* Size classes: four per doubling, from 64 bytes up, so that rounding up wastes at most a fifth. */
static size_t class_of(size_t bytes, size_t *rounded)
{
    if (bytes <= 256) {
        size_t c = bytes ? (bytes + 63) / 64 - 1 : 0;
        *rounded = (c + 1) * 64;
        return c;
    }
    unsigned top = 63U - (unsigned)__builtin_clzll((unsigned long long)bytes - 1);
    size_t quarter = (size_t)1 << (top - 2);
    size_t step = (bytes - 1 - ((size_t)1 << top)) / quarter;
    *rounded = ((size_t)1 << top) + (step + 1) * quarter;
    return 4 * (top - 7) + step;
}

/* What counts as alive: what a class has beyond that is not touched. */
static size_t lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

void *reel__pool_get(reel__pool *p, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) {
        return NULL;
    }
    size_t rounded;
    size_t class = class_of(bytes, &rounded);
    void *buffer;
    if (p->spare[class]) {
        buffer = p->spare[class];
        p->spare[class] = p->spare[class]->next;
    } else {
        buffer = reel__arena_alloc(&p->arena, rounded);
        if (!buffer) {
            return NULL;
        }
    }
    p->alive += lines(bytes);
    if (p->alive > p->peak) {
        p->peak = p->alive;
    }
#ifdef REEL_STRESS
    memset(buffer, 0xff,
           rounded); /* all ones is a NaN in either type: what is read too early shows */
#endif
    return buffer;
}

void reel__pool_put(reel__pool *p, void *buffer, size_t bytes)
{
    size_t rounded;
    size_t class = class_of(bytes, &rounded);
#ifdef REEL_STRESS
    memset(buffer, 0xff, rounded);
#endif
    reel__spare *spare = buffer;
    spare->next = p->spare[class];
    p->spare[class] = spare;
    p->alive -= lines(bytes);
}

/* Structures of many sizes leave blocks of many sizes, the smaller ones of no use to the larger
 * ones: then one block for twice the most that was ever needed takes their place, which is less
 * than they are. A block just large enough would have to be taken from the system, and cleared by
 * it, again and again while ever larger structures come. */
static void merge_blocks(reel__pool *p)
{
    reel__arena *a = &p->arena;
    p->most = a->total > p->most ? a->total : p->most;
    if (a->reserved > (size_t)LARGEST_BLOCK && a->reserved / 2 > p->most) {
        reel__arena_free(a);
        a->first = block_new(2 * p->most);
        a->reserved = a->first ? 2 * p->most : 0;
    }
}

void reel__pool_rewind(reel__pool *p)
{
    merge_blocks(p);
    reel__arena_rewind(&p->arena);
    memset(p->spare, 0, sizeof p->spare);
    p->alive = 0;
    p->peak = 0;
}

void reel__pool_free(reel__pool *p)
{
    reel__arena_free(&p->arena);
    *p = (reel__pool){0};
}

uint64_t reel__mix(uint64_t a, uint64_t b)
{
    /* The finaliser of SplitMix64 (Steele et al. 2014) over the two words. */
    uint64_t z = a + 0x9e3779b97f4a7c15U * (b + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static size_t map_slot(const reel__map *m, uint64_t key)
{
    size_t mask = m->capacity - 1;
    size_t i = (size_t)reel__mix(key, 0) & mask;
    while (m->key[i] && m->key[i] != key) {
        i = (i + 1) & mask;
    }
    return i;
}

void *reel__map_get(const reel__map *m, uint64_t key)
{
    if (m->count == 0) {
        return NULL;
    }
    size_t i = map_slot(m, key);
    return m->key[i] ? m->value[i] : NULL;
}

static bool map_grow(reel__map *m)
{
    size_t capacity = m->capacity ? 2 * m->capacity : 16;
    reel__map bigger = {.capacity = capacity};
    bigger.key = reel__calloc(capacity, sizeof *bigger.key);
    bigger.value = reel__calloc(capacity, sizeof *bigger.value);
    if (!bigger.key || !bigger.value) {
        reel__map_free(&bigger);
        return false;
    }
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->key[i]) {
            size_t j = map_slot(&bigger, m->key[i]);
            bigger.key[j] = m->key[i];
            bigger.value[j] = m->value[i];
            bigger.count++;
        }
    }
    reel__map_free(m);
    *m = bigger;
    return true;
}

bool reel__map_put(reel__map *m, uint64_t key, void *value)
{
    if (2 * (m->count + 1) > m->capacity && !map_grow(m)) {
        return false;
    }
    size_t i = map_slot(m, key);
    m->count += m->key[i] == 0;
    m->key[i] = key;
    m->value[i] = value;
    return true;
}

void reel__map_clear(reel__map *m)
{
    if (m->count) {
        memset(m->key, 0, m->capacity * sizeof *m->key);
    }
    m->count = 0;
}

void reel__map_free(reel__map *m)
{
    reel__free(m->key);
    reel__free(m->value);
    *m = (reel__map){0};
}

bool reel__ids_grow(reel__ids *ids)
{
    size_t capacity = ids->capacity ? 2 * ids->capacity : 256;
    uint32_t *v = reel__reallocarray(ids->v, capacity, sizeof *v);
    if (v) {
        ids->v = v;
        ids->capacity = capacity;
    }
    return v != NULL;
}

void reel__ids_free(reel__ids *ids)
{
    reel__free(ids->v);
    *ids = (reel__ids){0};
}

bool reel__pending_reserve(reel__pending *p, uint32_t count)
{
    size_t words = (size_t)count / 64 + 1;
    if (words <= p->words) {
        return true;
    }
    size_t more = 2 * p->words > words ? 2 * p->words : words;
    uint64_t *v = reel__reallocarray(p->bits, more, sizeof *v);
    if (!v) {
        return false;
    }
    memset(v + p->words, 0, (more - p->words) * sizeof *v);
    p->bits = v;
    p->words = more;
    return true;
}

void reel__pending_clear(reel__pending *p)
{
    if (p->count) {
        memset(p->bits, 0, p->words * sizeof *p->bits);
    }
    p->count = 0;
    p->top = 0;
}

void reel__pending_free(reel__pending *p)
{
    reel__free(p->bits);
    *p = (reel__pending){0};
}
