/* For sources that include themselves once per instruction set: what every processor has. No include guard,
 * like reel/real32.h. The set that was in force before ends. */
#include "isa_end.h"
#define ISA_OPEN REEL_ISA_BASELINE
#define ISA_NAMED(name) name##_baseline
#if defined VECTOR_X86
#define VECTOR_BYTES 16
#define MVEC_LETTER b
#endif
#include "vector.h"
