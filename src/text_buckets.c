/* Job: batches of sequences of like length, in random order.
 * Invariant: an epoch's order is a function of the lengths, the seed and the epoch's number.
 * Must not know: what the sequences are. */
#include <reel/random.h>
#include <reel/text.h>

#include <stdlib.h>
#include <string.h>

#include "memory.h"

typedef struct sequence {
    int64_t length, second;
    int64_t drawn; /* its place in the draw: what decides among equal lengths */
    int64_t index;
} sequence;

static int compare(const void *a, const void *b)
{
    const sequence *x = a, *y = b;
    if (x->length != y->length) {
        return x->length < y->length ? -1 : 1;
    }
    if (x->second != y->second) {
        return x->second < y->second ? -1 : 1;
    }
    return (x->drawn > y->drawn) - (x->drawn < y->drawn);
}

static bool is_sorted(const reel_bucketing *b)
{
    return b->shuffled && b->pool != 1;
}

static bool makes_sense(const reel_bucketing *b)
{
    if (!b || b->n < 0 || b->batch < 1 || b->pool < 0 || (b->n && is_sorted(b) && !b->length)) {
        return false;
    }
    for (int64_t i = 0; is_sorted(b) && i < b->n; i++) {
        if (b->length[i] < 0 || (b->second && b->second[i] < 0)) {
            return false;
        }
    }
    return true;
}

int64_t reel_bucket_count(const reel_bucketing *b)
{
    return b && b->n > 0 && b->batch > 0 ? (b->n - 1) / b->batch + 1 : 0;
}

static void draw(reel_random *r, int64_t *v, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)reel_random_below(r, (uint64_t)i + 1), kept = v[i];
        v[i] = v[j];
        v[j] = kept;
    }
}

/* Sorts one pool; n sequences. Second lengths rise and fall in turns, so that a batch that goes
 * over from one length to the next has like ones. */
static void sort_pool(const reel_bucketing *b, sequence *s, int64_t *order, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t k = order[i];
        s[i] = (sequence){b->length[k], b->second ? b->second[k] : 0, i, k};
    }
    qsort(s, (size_t)n, sizeof *s, compare);
    bool falls = false;
    for (int64_t from = 0, to; from < n; from = to, falls = b->second && !falls) {
        for (to = from; to < n && s[to].length == s[from].length; to++) {
        }
        for (int64_t i = from; i < to; i++) {
            order[i] = s[falls ? from + to - 1 - i : i].index;
        }
    }
}

/* Takes `few` of n sorted sequences to the end, from a random place where a batch begins: else it
 * would be the longest that are always in the smaller batch. */
static void choose_smaller(reel_random *r, int64_t *order, int64_t n, int64_t few, int64_t batch,
                           int64_t *kept)
{
    int64_t at = batch * (int64_t)reel_random_below(r, (uint64_t)(n / batch) + 1);
    memcpy(kept, order + at, (size_t)few * sizeof *kept);
    memmove(order + at, order + at + few, (size_t)(n - at - few) * sizeof *order);
    memcpy(order + n - few, kept, (size_t)few * sizeof *kept);
}

/* Puts whole batches into the order of turn[]. */
static void arrange(int64_t *order, const int64_t *turn, int64_t batches, int64_t batch,
                    int64_t *kept)
{
    const size_t bytes = (size_t)batch * sizeof *order;
    memcpy(kept, order, (size_t)batches * bytes);
    for (int64_t i = 0; i < batches; i++) {
        memcpy(order + i * batch, kept + turn[i] * batch, bytes);
    }
}

static void make_order(const reel_bucketing *b, reel_random *r, int64_t *order, sequence *s,
                       int64_t *kept, int64_t *turn)
{
    const int64_t n = b->n, batch = b->batch, whole = n / batch, few = n % batch;
    draw(r, order, n);
    if (is_sorted(b)) {
        int64_t pool = b->pool && b->pool <= whole ? b->pool * batch : n, at = 0;
        for (; at + pool < n; at += pool) {
            sort_pool(b, s, order + at, pool);
        }
        sort_pool(b, s, order + at, n - at);
        choose_smaller(r, order + at, n - at, few, batch, kept);
    }
    for (int64_t i = 0; i < whole; i++) {
        turn[i] = i;
    }
    draw(r, turn, whole);
    arrange(order, turn, whole, batch, kept);
}

reel_status reel_bucket_epoch(const reel_bucketing *b, int64_t epoch, int64_t *order)
{
    if (!makes_sense(b) || epoch < 0 || (b->n && !order)) {
        return REEL_ERR_ARGUMENT;
    }
    for (int64_t i = 0; i < b->n; i++) {
        order[i] = i;
    }
    if (!b->shuffled || b->n == 0) {
        return REEL_OK;
    }
    sequence *s = reel__reallocarray(NULL, (size_t)b->n, sizeof *s);
    int64_t *kept = reel__reallocarray(NULL, (size_t)b->n, sizeof *kept);
    int64_t *turn = reel__reallocarray(NULL, (size_t)reel_bucket_count(b), sizeof *turn);
    bool room = s && kept && turn;
    if (room) {
        reel_random r =
            reel_random_new(b->seed, reel_random_stream("reel.buckets") + (uint64_t)epoch);
        make_order(b, &r, order, s, kept, turn);
    }
    reel__free(s);
    reel__free(kept);
    reel__free(turn);
    return room ? REEL_OK : REEL_ERR_MEMORY;
}
