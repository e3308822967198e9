/* For sources that include themselves once per instruction set: AVX-512. See isa_baseline.h. */
#include "isa_end.h"
#define ISA_OPEN REEL_ISA_AVX512
#define ISA_NAMED(name) name##_avx512
#define VECTOR_BYTES 64
#define MVEC_LETTER e
#define ISA_FEATURES "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"
#include "vector.h"
