/* For sources that re-include themselves once per real type: this makes REAL float. No include guard: a
 * source includes it each time it wants the f32 pass. */
#undef REAL
#undef TYPED
#undef LIBM
#undef REEL_REAL
#define REEL_REAL 32
#define REAL float
/** A kernel's name for this type: TYPED(softmax) is softmax_f32. */
#define TYPED(name) name##_f32
/** The libm function for this type: LIBM(tanh) is tanhf. */
#define LIBM(name) name##f
