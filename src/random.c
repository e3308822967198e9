/* Job: random numbers as a pure function of (seed, stream, position), by Philox 4x32-10.
 * Invariant: no state beside the three words of a reel_random; two streams of one seed never share
 * a key. Must not know: what the numbers are for. The only file that includes Random123. */
#include <reel/random.h>

#include <Random123/philox.h>

#include <math.h>

static const double TWO_PI = 6.283185307179586476925286766559;

/* The finaliser of SplitMix64 (Steele et al. 2014): a bijection that keeps 0, so that stream 0 is
 * plain Philox keyed by the seed and different streams of a seed get different keys. */
static uint64_t scatter(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t low(uint64_t x)
{
    return (uint32_t)(x & UINT32_MAX);
}

static uint32_t high(uint64_t x)
{
    return (uint32_t)(x >> 32);
}

void reel_random_block(uint64_t seed, uint64_t stream, uint64_t counter_high, uint64_t counter_low,
                       uint32_t out[4])
{
    uint64_t key = seed ^ scatter(stream);
    philox4x32_key_t k = {{low(key), high(key)}};
    philox4x32_ctr_t c = {
        {low(counter_low), high(counter_low), low(counter_high), high(counter_high)}};
    philox4x32_ctr_t r = philox4x32(c, k);
    for (int i = 0; i < 4; i++) {
        out[i] = r.v[i];
    }
}

reel_random reel_random_new(uint64_t seed, uint64_t stream)
{
    return (reel_random){.seed = seed, .stream = stream};
}

uint64_t reel_random_bits(reel_random *r)
{
    uint32_t word[4];
    reel_random_block(r->seed, r->stream, 0, r->position / 2, word);
    const uint32_t *half = word + 2 * (r->position % 2);
    r->position++;
    return (uint64_t)half[1] << 32 | half[0];
}

double reel_random_uniform(reel_random *r)
{
    return (double)(reel_random_bits(r) >> 11) * 0x1p-53;
}

double reel_random_normal(reel_random *r)
{
    double radius = 1 - reel_random_uniform(r); /* in (0, 1]: its logarithm is finite */
    double angle = reel_random_uniform(r);
    return sqrt(-2 * log(radius)) * cos(TWO_PI * angle);
}

uint64_t reel_random_below(reel_random *r, uint64_t n)
{
    if (n == 0) {
        return 0;
    }
    /* 2^64 mod n leading values would be drawn once too often. */
    uint64_t surplus = (0 - n) % n;
    uint64_t bits;
    do {
        bits = reel_random_bits(r);
    } while (bits < surplus);
    return bits % n;
}

size_t reel_random_choice(reel_random *r, const double *weight, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += weight[i];
    }
    /* Drawn even when it is not needed: the position moves by one whatever the weights are. */
    double left = reel_random_uniform(r) * sum;
    size_t last = n ? n - 1 : 0;
    for (size_t i = 0; i < n; i++) {
        if (!(weight[i] > 0)) {
            continue;
        }
        if (left < weight[i]) {
            return i;
        }
        left -= weight[i];
        last = i; /* rounding may leave a remainder past the last possible index */
    }
    return last;
}

void reel_random_shuffle(reel_random *r, uint32_t *index, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        index[i] = (uint32_t)i;
    }
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)reel_random_below(r, i);
        uint32_t moved = index[i - 1];
        index[i - 1] = index[j];
        index[j] = moved;
    }
}

uint64_t reel_random_stream(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        hash = (hash ^ *c) * UINT64_C(0x100000001b3);
    }
    return hash;
}
