/* The processor, as the cpuid instruction shows it. */
#ifndef REEL_SRC_CPU_H
#define REEL_SRC_CPU_H

#include <stddef.h>

/* Instruction sets that kernels are chosen by; each counts only if the system saves its registers.
 */
typedef enum reel__cpu_feature {
    REEL__CPU_SSE3 = 1 << 0,
    REEL__CPU_SSSE3 = 1 << 1,
    REEL__CPU_AVX = 1 << 2,
    REEL__CPU_FMA4 = 1 << 3,
    REEL__CPU_FMA = 1 << 4,
    REEL__CPU_AVX2 = 1 << 5,
    REEL__CPU_AVX512 = 1 << 6,    /* F, DQ, BW and VL */
    REEL__CPU_AVX512_KNL = 1 << 7 /* F and PF */
} reel__cpu_feature;

typedef struct reel__cpu {
    unsigned features; /* reel__cpu_feature */
    unsigned family;
    char vendor[13]; /* "GenuineIntel", "AuthenticAMD", "" where there is no cpuid */
    char name[64];   /* "AMD EPYC 9454", "unknown" where it cannot be found out */
} reel__cpu;

/* Cannot fail; what is not known is empty. Reads cpuid only, so that emulators which mask it are
 * believed. */
void reel__cpu_query(reel__cpu *out);
/* Writes "avx2 fma avx512", truncated to n bytes with the NUL. */
void reel__cpu_features_text(unsigned features, char *text, size_t n);

#endif
