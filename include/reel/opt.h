/** @file
 * Optimizers, clipping, schedules, weight averaging.
 *
 * Conventions are PyTorch's. Gradients are nodes: reel_opt_grads gives them to be accumulated, edited or
 * split; reel_opt_apply applies values, all or nothing.
 */
#ifndef REEL_OPT_H
#define REEL_OPT_H

#include <reel/base.h>
#include <reel/params.h>

REEL_BEGIN

/** An optimizer: a rule, its options, and its own tensors for each weight. */
typedef struct reel_opt reel_opt;

/** The rules. g is the gradient after clipping and decay, w the weight. */
typedef enum reel_opt_kind {
    REEL_SGD,      /**< v = μ v + g (v = g at first); w -= rate v; Nesterov: w -= rate (g + μ v) */
    REEL_ADAGRAD,  /**< s += g²; w -= rate g/(√s + ε) (Duchi et al. 2011) */
    REEL_RMSPROP,  /**< s = α s + (1-α) g²; w -= rate g/(√s + ε); centred: √(s - m²), m = α m + (1-α) g (Graves 2013) */
    REEL_ADADELTA, /**< Zeiler 2012: s = ρ s + (1-ρ) g²; u = √(d + ε)/√(s + ε) g; d = ρ d + (1-ρ) u²; w -= rate u */
    REEL_ADAM,     /**< Kingma & Ba 2015, bias-corrected, ε outside the root */
    REEL_ADAMW     /**< the same with decay taken from the weight: w -= rate decay w (Loshchilov & Hutter 2019) */
} reel_opt_kind;

/** Options of all optimizers; a zero means the default in brackets. A negative number where a default is
 * not zero asks for 0 itself. An option that the kind of optimizer does not have is an error. */
typedef struct reel_opt_args {
    reel_params *params;
    double rate;          /**< [SGD 0.01, Adagrad 0.01, RMSprop 0.01, Adadelta 1, Adam(W) 0.001] */
    double momentum;      /**< SGD, RMSprop [0] */
    bool nesterov;        /**< SGD with momentum */
    double decay;         /**< weight decay [0; AdamW 0.01]; L2 added to the gradient except in AdamW */
    double alpha;         /**< RMSprop's smoothing [0.99], Adadelta's ρ [0.9] */
    bool centered;        /**< RMSprop */
    double beta1, beta2;  /**< Adam(W) [0.9, 0.999] */
    double epsilon;       /**< [1e-8; Adagrad 1e-10; Adadelta 1e-6] */
    double clip_norm;     /**< global norm: g·min(1, c/‖g‖) over all weights together [off] */
    double clip_value;    /**< element-wise: each element to ±c [off] */
    double clip_param;    /**< per-parameter norm: each weight's gradient to norm c [off] */
    double clip_step;     /**< the step: each weight's update to norm c [off] */
    reel_opt_kind kind;   /**< filled in by the macros */
    const char *at;
} reel_opt_args;

/** A new optimizer; NULL only when memory is out. Bad options are an error on the params set, which must outlive
 * the optimizer. */
REEL_API reel_opt *reel_opt_new_with(const reel_opt_args *args);
#define reel_sgd(...) reel_opt_new_with(&(reel_opt_args){__VA_ARGS__, .kind = REEL_SGD, .at = REEL_HERE})
#define reel_adagrad(...) reel_opt_new_with(&(reel_opt_args){__VA_ARGS__, .kind = REEL_ADAGRAD, .at = REEL_HERE})
#define reel_rmsprop(...) reel_opt_new_with(&(reel_opt_args){__VA_ARGS__, .kind = REEL_RMSPROP, .at = REEL_HERE})
#define reel_adadelta(...) reel_opt_new_with(&(reel_opt_args){__VA_ARGS__, .kind = REEL_ADADELTA, .at = REEL_HERE})
#define reel_adam(...) reel_opt_new_with(&(reel_opt_args){__VA_ARGS__, .kind = REEL_ADAM, .at = REEL_HERE})
#define reel_adamw(...) reel_opt_new_with(&(reel_opt_args){__VA_ARGS__, .kind = REEL_ADAMW, .at = REEL_HERE})
/** Frees the optimizer, not the weights. NULL is allowed. */
REEL_API void reel_opt_free(reel_opt *opt);

/** One update: gradients of the loss for every weight of the set that was used on its tape and is not
 * frozen, clipping, and the update. *value (may be NULL) gets the loss. All or nothing: on any error, a
 * gradient that is not finite included (REEL_ERR_NAN), no weight has changed. The message is the tape's.
 * Clipping comes in the order clip_value, clip_param, clip_norm, decay, rule, clip_step. */
REEL_API REEL_CHECKED reel_status reel_opt_step_at(const char *at, reel_opt *opt, reel_node *loss,
                                                   double *value);
#define reel_opt_step(...) reel_opt_step_at(REEL_HERE, __VA_ARGS__)
/** The gradients of the loss as nodes. Fills params[] and grads[] with up to `n` entries and returns the
 * number of trainable weights used on the loss's tape (call with n = 0 to learn it). 0 also on error. */
REEL_API size_t reel_opt_grads_at(const char *at, reel_opt *opt, reel_node *loss, size_t n,
                                  reel_param **params, reel_node **grads);
#define reel_opt_grads(...) reel_opt_grads_at(REEL_HERE, __VA_ARGS__)
/** Evaluates the gradients, clips, and updates the weights, all or nothing. Frozen weights are left alone. The message
 * is that of the gradients' tape. */
REEL_API REEL_CHECKED reel_status reel_opt_apply(reel_opt *opt, size_t n, reel_param *const *params,
                                                 reel_node *const *grads);
/** The same from values: grads[i] has the size of params[i], as f64. For gradients accumulated over
 * micro-batches or reduced over processes. The message is the params set's. */
REEL_API REEL_CHECKED reel_status reel_opt_apply_values(reel_opt *opt, size_t n, reel_param *const *params,
                                                        const double *const *grads);

/** The global norm of the gradient of the last step, before any clipping; not finite when that step failed
 * because of it. */
REEL_API double reel_opt_norm(const reel_opt *opt);
/** Number of updates made. */
REEL_API uint64_t reel_opt_count(const reel_opt *opt);
/** The learning rate now, and setting it: schedules are applied by the program. */
REEL_API double reel_opt_rate(const reel_opt *opt);
REEL_API void reel_opt_set_rate(reel_opt *opt, double rate);
/** Weights whose name matches get their own rate factor and decay (a negative decay: the optimizer's).
 * Later groups win. */
REEL_API reel_status reel_opt_group(reel_opt *opt, const char *pattern, double rate_factor, double decay);
/** The set whose weights it changes. */
REEL_API reel_params *reel_opt_params(const reel_opt *opt);
/** Which rule it is. */
REEL_API reel_opt_kind reel_opt_kind_of(const reel_opt *opt);
/** "sgd", "adagrad", ... ; and back (false when the name is none). */
REEL_API const char *reel_opt_kind_name(reel_opt_kind kind);
REEL_API bool reel_opt_kind_find(const char *name, reel_opt_kind *kind);

/** The optimizer's own tensors, to be saved and restored: the k-th slot of a weight, or NULL when k is past
 * the last or the weight has had no update. Slots have the weight's dtype and shape; slot names are such as
 * "m" and "v". */
REEL_API void *reel_opt_slot(reel_opt *opt, reel_param *p, int k, const char **name);
/** Makes the slots of a weight (zero) if there are none, for restoring. */
REEL_API reel_status reel_opt_make_slots(reel_opt *opt, reel_param *p);
/** Number of updates a weight has had, which Adam's bias correction uses. */
REEL_API uint64_t reel_opt_param_count(const reel_opt *opt, const reel_param *p);
/** Put back what reel_opt_count and reel_opt_param_count gave. */
REEL_API void reel_opt_restore_counts(reel_opt *opt, uint64_t count);
REEL_API void reel_opt_restore_param_count(reel_opt *opt, const reel_param *p, uint64_t count);

/* Clipping of gradients as values, each named for what it does */

/** √Σ g² over n tensors of f64. */
REEL_API double reel_clip_global_norm(double limit, size_t n, double *const *g, const size_t *size);
/** Brings each element to within ±limit. */
REEL_API void reel_clip_elements(double limit, double *g, size_t size);
/** Scales one tensor down to a norm of at most limit. Returns the norm it had. */
REEL_API double reel_clip_param_norm(double limit, double *g, size_t size);

/* Schedules */

/** How a rate depends on the number t of steps or epochs done. */
typedef enum reel_schedule_kind {
    REEL_RATE_CONSTANT = 0,
    REEL_RATE_STEP,         /**< rate · factor^⌊t/every⌋ */
    REEL_RATE_EXPONENTIAL,  /**< rate · factor^t */
    REEL_RATE_COSINE,       /**< floor + (rate - floor)(1 + cos(π t/total))/2, t ≤ total (Loshchilov & Hutter 2017) */
    REEL_RATE_INVERSE_SQRT, /**< rate · √(max(warmup, 1)/(t + 1)) (Vaswani et al. 2017, eq. 3, without its model-size factor) */
    REEL_RATE_PLATEAU       /**< rate · factor each time the loss has not improved for `patience` reports */
} reel_schedule_kind;

/** A learning-rate schedule; zero members mean the default in brackets. `warmup` steps of linear warm-up
 * (rate·(t+1)/warmup) come before any kind, t then counting from the end of the warm-up (except for the
 * inverse square root, whose formula has it). */
typedef struct reel_schedule {
    reel_schedule_kind kind;
    double rate;
    double factor;          /**< [0.5] */
    int64_t every;          /**< REEL_RATE_STEP [1] */
    int64_t after;          /**< t starts to count here: a rate that first shrinks for the eleventh
                                 epoch, t = 10, has after = 9 [0] */
    int64_t total;          /**< REEL_RATE_COSINE; 0: the rate stays */
    int64_t warmup;         /**< [0] */
    double floor;           /**< never below this [0] */
    int64_t patience;       /**< REEL_RATE_PLATEAU [1] */
    /* what REEL_RATE_PLATEAU remembers; saved and restored by programs */
    double best;
    int64_t bad, cuts;
    bool started;
} reel_schedule;
/** The rate at step (or epoch) t. */
REEL_API double reel_schedule_rate(const reel_schedule *s, int64_t t);
/** Tells a plateau schedule a validation loss. */
REEL_API void reel_schedule_report(reel_schedule *s, double loss);

/* Weight averaging */

/** Averages of all weights of a set: exponential (a = decay a + (1-decay) w) or, with decay 0, the mean of
 * all updates (Polyak). Kept in f64. A weight's first update starts its average at the weight. */
typedef struct reel_average reel_average;
/** A new average of the weights of a set, which must outlive it; NULL when memory is out. */
REEL_API reel_average *reel_average_new(reel_params *ps, double decay);
/** Frees the averages, not the weights. NULL is allowed. */
REEL_API void reel_average_free(reel_average *avg);
/** Takes the present weights into the averages. On error nothing has changed. */
REEL_API REEL_CHECKED reel_status reel_average_update(reel_average *avg);
/** Exchanges weights and averages: once to evaluate with the averages, once more to train on. */
REEL_API REEL_CHECKED reel_status reel_average_swap(reel_average *avg);
/** A weight's average, one f64 per element, and of how many updates it is, to be saved; NULL and 0 when there
 * is none yet. Lives until the next update. */
REEL_API const double *reel_average_read(const reel_average *avg, const reel_param *p, uint64_t *updates);
/** Puts back what reel_average_read gave. n must be the weight's size. On error nothing has changed. */
REEL_API REEL_CHECKED reel_status reel_average_restore(reel_average *avg, const reel_param *p,
                                                       const double *mean, size_t n, uint64_t updates);

REEL_END

#endif
