/* An optimizer from the inside, for src/opt*.c only. */
#ifndef REEL_SRC_OPT_H
#define REEL_SRC_OPT_H

#include <reel/opt.h>

enum { REEL__SLOTS = 3 };

/* What an optimizer remembers about one weight. */
typedef struct reel__state {
    void *slot[REEL__SLOTS]; /* of the weight's dtype and shape */
    bool made;               /* the slots are there (a kind may have none) */
    uint64_t count;          /* updates */
    uint64_t call;           /* the last call that named the weight */
} reel__state;

/* Weights whose name matches get their own numbers. */
typedef struct reel__group {
    char *pattern;
    double factor, decay;
} reel__group;

/* A weight, its gradient, and what clipping makes of it. */
typedef struct reel__gradient {
    reel_param *param;
    const void *data;
    reel_dtype dtype;
    double norm;  /* raw */
    double scale; /* from clipping by norms, after the element-wise limit */
} reel__gradient;

/* Working memory of a step, kept between steps. */
typedef struct reel__work {
    size_t capacity;
    reel_param **param;
    reel_node **node, **root;
    const void **data;
    reel__gradient *gradient;
    void *step; /* for clip_step: the largest weight's step */
    size_t step_bytes;
} reel__work;

struct reel_opt {
    reel_opt_args o; /* with the defaults filled in */
    const char *slot_name[REEL__SLOTS];
    int slots;
    reel__state *state; /* by index of the weight in its set */
    size_t states;
    reel__group *group;
    size_t groups;
    reel__work work;
    double norm;
    uint64_t count, calls;
};

/* The weight's state, made if it is not there; NULL when memory is out. The weight must be of the
 * optimizer's set. Moves the states of other weights. */
reel__state *reel__opt_state(reel_opt *opt, const reel_param *p);
/* Makes the slots if there are none; false when memory is out. */
bool reel__opt_slots(reel_opt *opt, reel__state *s, const reel_param *p);
/* The last group that the weight is in, or NULL. */
const reel__group *reel__opt_group(const reel_opt *opt, const reel_param *p);

/* One weight's update with every number ready. */
typedef struct reel__update {
    reel_opt_kind kind;
    bool nesterov, centered;
    double rate, decay, momentum, alpha, beta1, beta2, epsilon;
    double bias1, bias2; /* Adam: 1 - β1ᵗ and √(1 - β2ᵗ) */
    double limit, scale; /* of the gradient: clamped to ±limit, then multiplied */
    double clip_step;    /* 0: off */
    const void *gradient;
    reel_dtype gradient_dtype;
    size_t n;
    void *weight;
    void *slot[REEL__SLOTS];
    void *step; /* n elements when clip_step is on */
} reel__update;

/* Performs it; cannot fail. */
void reel__update_f32(const reel__update *u);
void reel__update_f64(const reel__update *u);
/* Σ min(|x|, limit)², in f64 and in one fixed order. */
double reel__squares_f32(const void *x, size_t n, double limit);
double reel__squares_f64(const void *x, size_t n, double limit);

#endif
