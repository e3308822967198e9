/* For sources that include themselves once per instruction set: includes ISA_SOURCE for each, and defines EACH_ISA(name),
 * an initializer of what it has made by that name, by reel_isa. No include guard. */
#if defined __x86_64__ && defined __GNUC__ && !defined VECTOR_X86
#define VECTOR_X86
#endif

#include "isa_baseline.h"

#include ISA_SOURCE

#ifdef VECTOR_X86
#include "isa_avx2.h"

#include ISA_SOURCE

#include "isa_avx512.h"

#include ISA_SOURCE
#endif
#include "isa_end.h"

#ifndef EACH_ISA
#ifdef VECTOR_X86
#define EACH_ISA_(typed) {typed##_baseline, typed##_avx2, typed##_avx512}
#else
#define EACH_ISA_(typed) {typed##_baseline}
#endif
#define EACH_ISA(typed) EACH_ISA_(typed)
#endif
