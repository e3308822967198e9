/* Job: the element types of the safetensors format, and the two narrow ones that Reel widens.
 * Invariant: widening is exact, NaN payloads included.
 * Must not know: archives, files. */
#include <string.h>

#include "archive.h"

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float widen_bf16(uint16_t half)
{
    return float_of_bits((uint32_t)half << 16);
}

static float widen_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half >> 15) << 31;
    uint32_t exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
    if (exponent == 0) { /* zero or subnormal: mantissa 2^-24, a normal f32 */
        float x = (float)mantissa * 0x1p-24f;
        return sign ? -x : x;
    }
    if (exponent == 0x1f) {
        return float_of_bits(sign | 0x7f800000 | mantissa << 13);
    }
    return float_of_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

/* Every type of the format. The first of a dtype is what that dtype is written as. */
static const reel__element elements[] = {
    {.name = "F32", .bits = 32, .dtype = REEL_F32},
    {.name = "F64", .bits = 64, .dtype = REEL_F64},
    {.name = "I32", .bits = 32, .dtype = REEL_I32},
    {.name = "F16", .bits = 16, .dtype = REEL_F32, .widen = widen_f16},
    {.name = "BF16", .bits = 16, .dtype = REEL_F32, .widen = widen_bf16},
    {.name = "BOOL", .bits = 8},
    {.name = "I8", .bits = 8},
    {.name = "U8", .bits = 8},
    {.name = "I16", .bits = 16},
    {.name = "U16", .bits = 16},
    {.name = "U32", .bits = 32},
    {.name = "I64", .bits = 64},
    {.name = "U64", .bits = 64},
    {.name = "C64", .bits = 64},
    {.name = "F4", .bits = 4},
    {.name = "F6_E2M3", .bits = 6},
    {.name = "F6_E3M2", .bits = 6},
    {.name = "F8_E4M3", .bits = 8},
    {.name = "F8_E5M2", .bits = 8},
    {.name = "F8_E8M0", .bits = 8},
};
enum { ELEMENTS = sizeof elements / sizeof *elements };

const reel__element *reel__element_named(const char *name)
{
    for (int i = 0; i < ELEMENTS; i++) {
        if (strcmp(elements[i].name, name) == 0) {
            return &elements[i];
        }
    }
    return NULL;
}

const reel__element *reel__element_of(reel_dtype dtype)
{
    for (int i = 0; i < ELEMENTS; i++) {
        if (dtype != REEL_DTYPE_DEFAULT && elements[i].dtype == dtype) {
            return &elements[i];
        }
    }
    return NULL;
}

bool reel__element_bytes(const reel__element *element, size_t rank, const int64_t *dim,
                         size_t *bytes)
{
    int64_t full = element->bits; /* as if no size were 0, so that no partial product overflows */
    bool empty = false;
    for (size_t i = 0; i < rank; i++) {
        if (dim[i] < 0 || __builtin_mul_overflow(full, dim[i] ? dim[i] : 1, &full)) {
            return false;
        }
        empty = empty || dim[i] == 0;
    }
    *bytes = empty ? 0 : (size_t)full / 8;
    return empty || full % 8 == 0;
}
