/* Memory of a tape: an arena for what lives until the reset, a pool for values, and small helpers.
 */
#ifndef REEL_SRC_ARENA_H
#define REEL_SRC_ARENA_H

#include <reel/base.h>

/* A bump allocator whose blocks survive a rewind. Blocks start at multiples of 128 bytes. */
typedef struct reel__arena {
    struct reel__stock *first, *current;
    char *at, *end;  /* of the current block: what is free; its size is a multiple of 16 */
    size_t total;    /* handed out since the rewind */
    size_t reserved; /* held from the system */
} reel__arena;

/* Of the current block there is too little. */
void *reel__arena_more(reel__arena *a, size_t bytes);

/* 16-byte aligned; NULL when memory is out. Valid until the rewind. */
static inline void *reel__arena_alloc(reel__arena *a, size_t bytes)
{
    if (!a->at || (size_t)(a->end - a->at) < bytes) {
        return reel__arena_more(a, bytes);
    }
    void *p = a->at;
    bytes = (bytes + 15) / 16 * 16;
    a->at += bytes;
    a->total += bytes;
    return p;
}

/* What is behind the current block, see below. */
const void *reel__arena_peek_more(const reel__arena *a, size_t bytes);

/* Where reel__arena_alloc would put so many bytes; NULL where it would have to ask the system. */
static inline const void *reel__arena_peek(const reel__arena *a, size_t bytes)
{
    return a->at && (size_t)(a->end - a->at) >= bytes ? a->at : reel__arena_peek_more(a, bytes);
}

/* A copy of the n elements at v with room for more; *capacity becomes for how many. NULL when
 * memory is out. */
void *reel__arena_enlarge(reel__arena *a, const void *v, uint32_t n, uint32_t *capacity,
                          size_t size);

/* v, or a larger copy of it when n elements are all that it has room for. */
static inline void *reel__arena_grow(reel__arena *a, void *v, uint32_t n, uint32_t *capacity,
                                     size_t size)
{
    return n < *capacity ? v : reel__arena_enlarge(a, v, n, capacity, size);
}

void reel__arena_rewind(reel__arena *a);
void reel__arena_free(reel__arena *a);

enum { REEL__CLASSES = 4 * 60 };

/* Buffers for values: 64-byte aligned, recycled by size class, all taken back by a rewind. */
typedef struct reel__pool {
    reel__arena arena;
    struct reel__spare *spare[REEL__CLASSES]; /* free buffers, by class */
    size_t alive, peak;                       /* bytes in use, rounded up to cache lines */
    size_t most;                              /* handed out between two rewinds */
} reel__pool;

/* NULL when memory is out. The content is rubbish. */
void *reel__pool_get(reel__pool *p, size_t bytes);
/* Gives back a buffer got with the same number of bytes. */
void reel__pool_put(reel__pool *p, void *buffer, size_t bytes);
void reel__pool_rewind(reel__pool *p);
void reel__pool_free(reel__pool *p);

/* A hash map from 64-bit keys to pointers. Key 0 is not a key. */
typedef struct reel__map {
    uint64_t *key;
    void **value;
    size_t count, capacity;
} reel__map;

/* NULL when absent. */
void *reel__map_get(const reel__map *m, uint64_t key);
/* False when memory is out; the map is then unchanged. */
bool reel__map_put(reel__map *m, uint64_t key, void *value);
void reel__map_clear(reel__map *m);
void reel__map_free(reel__map *m);

/* A growing array of 32-bit numbers. */
typedef struct reel__ids {
    uint32_t *v;
    size_t n, capacity;
} reel__ids;

/* Room for one more at least; false when memory is out. */
bool reel__ids_grow(reel__ids *ids);
void reel__ids_free(reel__ids *ids);

/* False when memory is out. */
static inline bool reel__ids_push(reel__ids *ids, uint32_t id)
{
    if (ids->n == ids->capacity && !reel__ids_grow(ids)) {
        return false;
    }
    ids->v[ids->n++] = id;
    return true;
}

/* A set of ids from which the largest is taken first: a walk against recording order. One bit an
 * id, so that passing over a long stretch that the walk does not touch costs next to nothing. */
typedef struct reel__pending {
    uint64_t *bits;
    size_t words;
    size_t count;
    uint32_t top; /* no id in the set is larger */
} reel__pending;

/* Room for ids below count; false when memory is out. */
bool reel__pending_reserve(reel__pending *p, uint32_t count);
void reel__pending_clear(reel__pending *p);
void reel__pending_free(reel__pending *p);

/* Adds an id that is not in the set. */
static inline void reel__pending_add(reel__pending *p, uint32_t id)
{
    p->bits[id / 64] |= (uint64_t)1 << id % 64;
    p->count++;
    if (id > p->top) {
        p->top = id;
    }
}

/* Takes out an id that is in the set. */
static inline void reel__pending_drop(reel__pending *p, uint32_t id)
{
    p->bits[id / 64] &= ~((uint64_t)1 << id % 64);
    p->count--;
}

/* Takes the largest; the set must not be empty. */
static inline uint32_t reel__pending_take(reel__pending *p)
{
    size_t word = p->top / 64;
    while (!p->bits[word]) {
        word--;
    }
    unsigned bit = 63U - (unsigned)__builtin_clzll(p->bits[word]);
    p->bits[word] &= ~((uint64_t)1 << bit);
    p->count--;
    p->top = (uint32_t)(word * 64 + bit);
    return p->top;
}

/* A good 64-bit mixture of two words. */
uint64_t reel__mix(uint64_t a, uint64_t b);

#endif
