/* For sources that include themselves once per instruction set: AVX2 with FMA. See isa_baseline.h. */
#include "isa_end.h"
#define ISA_OPEN REEL_ISA_AVX2
#define ISA_NAMED(name) name##_avx2
#define VECTOR_BYTES 32
#define MVEC_LETTER d
#define ISA_FEATURES "avx2,fma"
#include "vector.h"
