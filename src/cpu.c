/* Job: tell what the processor is and what it can do.
 * Invariant: a feature is reported only if both processor and operating system support it.
 * Must not know: who asks, or what kernels there are. */
#include "cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

typedef struct registers {
    unsigned a, b, c, d;
} registers;

/* All zero where the processor has no such leaf. */
static registers leaf(unsigned number, unsigned sub)
{
    registers r = {0, 0, 0, 0};
    if (!__get_cpuid_count(number, sub, &r.a, &r.b, &r.c, &r.d)) {
        return (registers){0, 0, 0, 0};
    }
    return r;
}

static int bit(unsigned word, int k)
{
    return (int)(word >> k & 1U);
}

/* Which register sets the system saves when it switches tasks: XCR0. */
static unsigned saved_registers(void)
{
    unsigned low, high;
    if (!bit(leaf(1, 0).c, 27)) {
        return 0;
    }
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static unsigned query_features(void)
{
    const unsigned ymm = 0x6, zmm = 0xe6;
    registers basic = leaf(1, 0), extended = leaf(7, 0), amd = leaf(0x80000001U, 0);
    unsigned saved = saved_registers(), features = 0;
    if (bit(basic.c, 0)) {
        features |= REEL__CPU_SSE3;
    }
    if (bit(basic.c, 9)) {
        features |= REEL__CPU_SSSE3;
    }
    if ((saved & ymm) != ymm || !bit(basic.c, 28)) {
        return features;
    }
    features |= REEL__CPU_AVX;
    if (bit(basic.c, 12)) {
        features |= REEL__CPU_FMA;
    }
    if (bit(amd.c, 16)) {
        features |= REEL__CPU_FMA4;
    }
    if (bit(extended.b, 5)) {
        features |= REEL__CPU_AVX2;
    }
    if ((saved & zmm) != zmm || !bit(extended.b, 16)) {
        return features;
    }
    if (bit(extended.b, 17) && bit(extended.b, 30) && bit(extended.b, 31)) {
        features |= REEL__CPU_AVX512;
    }
    if (bit(extended.b, 26)) {
        features |= REEL__CPU_AVX512_KNL;
    }
    return features;
}

static unsigned query_family(void)
{
    unsigned a = leaf(1, 0).a, family = a >> 8 & 0xf;
    return family == 0xf ? family + (a >> 20 & 0xff) : family;
}

static void query_vendor(char vendor[13])
{
    registers r = leaf(0, 0);
    memcpy(vendor, &r.b, 4);
    memcpy(vendor + 4, &r.d, 4);
    memcpy(vendor + 8, &r.c, 4);
    vendor[12] = 0;
}

static void query_name(char name[64])
{
    char text[49] = "";
    if (leaf(0x80000000U, 0).a < 0x80000004U) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        registers r = leaf(0x80000002U + i, 0);
        memcpy(text + 16 * i, &r, 16);
    }
    text[48] = 0;
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == ' ') {
        text[--length] = 0;
    }
    if (length > 0) {
        snprintf(name, 64, "%s", text + strspn(text, " "));
    }
}

void reel__cpu_query(reel__cpu *out)
{
    *out = (reel__cpu){.name = "unknown"};
    out->features = query_features();
    out->family = query_family();
    query_vendor(out->vendor);
    query_name(out->name);
}

#else

void reel__cpu_query(reel__cpu *out)
{
    *out = (reel__cpu){.name = "unknown"};
}

#endif

void reel__cpu_features_text(unsigned features, char *text, size_t n)
{
    static const struct {
        unsigned feature;
        const char *name;
    } names[] = {
        {REEL__CPU_SSE3, "sse3"},     {REEL__CPU_SSSE3, "ssse3"},
        {REEL__CPU_AVX, "avx"},       {REEL__CPU_FMA4, "fma4"},
        {REEL__CPU_FMA, "fma"},       {REEL__CPU_AVX2, "avx2"},
        {REEL__CPU_AVX512, "avx512"}, {REEL__CPU_AVX512_KNL, "avx512pf"},
    };
    size_t used = 0;
    if (n > 0) {
        text[0] = 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names && used < n; i++) {
        if (features & names[i].feature) {
            used += (size_t)snprintf(text + used, n - used, "%s%s", used ? " " : "", names[i].name);
        }
    }
}
