/* Ends what isa_baseline.h, isa_avx2.h or isa_avx512.h began, if one did. */
#ifdef ISA_FEATURES
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
#undef ISA_OPEN
#undef ISA_NAMED
#undef ISA_FEATURES
#undef VECTOR_BYTES
#undef MVEC_LETTER
