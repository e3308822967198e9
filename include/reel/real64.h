/* For sources that re-include themselves once per real type: this makes REAL double. No include guard: a
 * source includes it each time it wants the f64 pass. */
#undef REAL
#undef TYPED
#undef LIBM
#undef REEL_REAL
#define REEL_REAL 64
#define REAL double
/** A kernel's name for this type: TYPED(softmax) is softmax_f64. */
#define TYPED(name) name##_f64
/** The libm function for this type: LIBM(tanh) is tanh. */
#define LIBM(name) name
