/* The inside of a tape, for src/ only. */
#ifndef REEL_SRC_TAPE_H
#define REEL_SRC_TAPE_H

#include <reel/op.h>
#include <reel/params.h>
#include <reel/tape.h>

#include "arena.h"

/* A node's record. A reel_node pointer is the address of a slot with the low bits of the tape's
 * epoch in its own low bits: a slot is reused after a reset, and the tag tells an old pointer to it
 * from a new one (all but one in 128 resets). */
typedef struct reel__slot {
    reel_tape *tape; /* NULL for the static error and zero-gradient slots */
    const reel_op *op;
    const char *at;
    union {
        struct reel__slot *in[3]; /* arguments, when there are at most three */
        struct reel__slot **more; /* else here, in the arena */
    } arg;
    const void *attr;
    void *data; /* the value, when computed or while it is being accumulated; with REEL__INTO the
                   sum's slot */
    int64_t dim[REEL_MAX_RANK];
    uint32_t id, epoch;
    uint32_t scope;
    uint32_t origin; /* id + 1 of the forward node whose gradient rule made this one; 0: none */
    uint32_t stamp;  /* which walk has visited the slot */
    uint32_t mark;   /* that walk's number for it: an index, or how often it is still needed */
    int32_t n;       /* number of arguments */
    uint8_t rank, dtype;
    uint16_t flags;
} reel__slot;

enum { REEL__SLOT_ALIGN = 128 };
_Static_assert(sizeof(reel__slot) == REEL__SLOT_ALIGN, "a slot is two cache lines");

enum {
    REEL__COMPUTED = 1 << 0, /* data holds the value */
    REEL__WANT = 1 << 1,     /* keep the value: asked for, or reel_want */
    REEL__OWNED = 1 << 2,    /* data came from the pool */
    REEL__ERROR = 1 << 3,
    REEL__NAMED = 1 << 4,
    REEL__PARAM = 1 << 5, /* attr is a reel__use */
    REEL__READ = 1 << 6,  /* a gradient rule reads the value */
    REEL__INTO = 1 << 7   /* within an evaluation: may be added straight into a sum */
};

/* What a weight's leaf remembers. */
typedef struct reel__use {
    reel_param *param;
    uint64_t version;
} reel__use;

typedef struct reel__scope {
    uint32_t parent;
    uint32_t ordinal; /* random streams handed out */
    const char *name; /* NULL: a time step */
    const char *kind; /* what kind of cell the module is; NULL: none */
    int64_t t;
    uint64_t hash;
    uint64_t place; /* of the path's names and steps alone */
    uint32_t first; /* the next node when it was entered */
    uint32_t like;  /* likewise of the scope before it in its parent, or REEL__NO_ID */
    uint32_t child; /* the scope in it that was entered last; 0: none */
} reel__scope;

#define REEL__NO_ID UINT32_MAX

enum { REEL__CHUNK = 512, REEL__MESSAGE = 1024, REEL__READS = 256 };

typedef struct reel__reads {
    const reel_op *op;
    uint64_t mask; /* bit i: the rule reads argument i (62: any from there on); REEL__READS_Y */
} reel__reads;
#define REEL__READS_Y ((uint64_t)1 << 63)

static inline uint64_t reel__reads_bit(int i)
{
    return (uint64_t)1 << (i < 62 ? i : 62);
}

typedef struct reel__executor {
    const char *name;
    reel_status (*eval)(reel_tape *tape, size_t n, reel__slot *const *roots);
} reel__executor;

struct reel_tape {
    reel__slot **chunk;
    reel__arena slots; /* where the chunks lie; never rewound */
    size_t chunks, chunk_capacity;
    uint32_t count, epoch;
    uint32_t before; /* nodes that the recording before this one had */
    bool echo;       /* so far this recording is the one before, node for node */
    uint32_t like;   /* a node that the next one may well be like, or REEL__NO_ID */
    uint64_t wants;  /* of reel_want calls since the reset, mixed */
    uint32_t scope;     /* in force */
    reel__slot *origin; /* set while a gradient rule records */
    uint32_t stamp;

    reel__arena arena; /* attributes, long argument lists, names */
    reel__pool pool;   /* values */
    reel__scope *scopes;
    size_t scope_count, scope_capacity;
    reel__map scope_seen; /* how often a scope path was entered */
    reel__map uses;       /* weight -> its leaf or what is bound in its place */
    reel__ids used;       /* leaves of weights in order of first use */
    reel__map names;      /* id + 1 -> name */
    reel__slot *counter_leaf;

    reel__pending pending;          /* of walks: what is still to be visited */
    reel__ids needed;               /* of walks: what was, latest recorded first */
    reel__arena work;               /* of walks: rewound at the start of each sweep */
    reel__reads reads[REEL__READS]; /* a cache: what each op's gradient rule reads */
    reel_tape *probe;               /* where rules are tried out */
    bool reads_failed;              /* the last answer was a guess, since memory was out */

    const reel__executor *executor;
    struct reel__compiled *compiled; /* the compiled executor's, when it has run */
    int threads;
    reel_dtype dtype;
    bool inference, training, trap_nan;
    int64_t keep_every;
    uint64_t seed, counter;
    int64_t evaluated;

    reel_status status;
    bool error_read;
    char message[REEL__MESSAGE];
    reel_error_handler *on_error;
    void *context;
    reel__slot *error_slot;
};

static inline reel__slot *reel__slot_of(const reel_node *x)
{
    return (reel__slot *)((uintptr_t)x & ~(uintptr_t)(REEL__SLOT_ALIGN - 1));
}

static inline reel_node *reel__node_of(const reel__slot *s)
{
    return (reel_node *)((uintptr_t)s | (s->epoch & (REEL__SLOT_ALIGN - 1)));
}

/* The slot of a node that may be used, else NULL: for NULL, error nodes and nodes kept over a
 * reset. */
static inline reel__slot *reel__live(const reel_node *x)
{
    reel__slot *s = reel__slot_of(x);
    if (!s || (s->flags & REEL__ERROR) || !s->tape || s->epoch != s->tape->epoch ||
        ((uintptr_t)x & (REEL__SLOT_ALIGN - 1)) != (s->epoch & (REEL__SLOT_ALIGN - 1))) {
        return NULL;
    }
    return s;
}

static inline reel__slot *reel__slot_at(const reel_tape *tape, uint32_t id)
{
    return tape->chunk[id / REEL__CHUNK] + id % REEL__CHUNK;
}

static inline reel__slot *const *reel__args(const reel__slot *s)
{
    return s->n <= 3 ? s->arg.in : s->arg.more;
}

static inline int64_t reel__size(const reel__slot *s)
{
    return s->dim[0] * s->dim[1] * s->dim[2] * s->dim[3];
}

static inline reel_shape reel__shape(const reel__slot *s)
{
    return (reel_shape){s->rank, {s->dim[0], s->dim[1], s->dim[2], s->dim[3]}};
}

/* reel_dtype_size, where it is asked for often. */
static inline size_t reel__dtype_size(reel_dtype dtype)
{
    return dtype == REEL_F64 ? 8 : dtype == REEL_F32 || dtype == REEL_I32 ? 4 : 0;
}

static inline size_t reel__bytes(const reel__slot *s)
{
    return (size_t)reel__size(s) * reel__dtype_size((reel_dtype)s->dtype);
}

/* Starts a walk: a slot is visited when its stamp is the one returned. */
uint32_t reel__walk(reel_tape *tape);

/* Records the first error; later ones are dropped. The place to put a breakpoint on. `at` may be
 * NULL. Returns the error node. A NULL tape is allowed. */
reel_node *reel__fail(reel_tape *tape, reel_status status, const char *at, const char *format, ...)
    REEL_PRINTF(4, 5);
/* The same about a recorded node: its place, op, scope, and the forward node when a gradient rule
 * made it. */
void reel__fail_node(const reel__slot *s, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);
reel_node *reel__error_node(reel_tape *tape);
/* Says why x is not live, on `tape` if it has none itself. Returns the error node. */
reel_node *reel__fail_dead(reel_tape *tape, const char *at, const char *who, const reel_node *x);

/* A fresh slot for a leaf or an op, stamped with place, scope and origin; NULL after reporting. */
reel__slot *reel__record(reel_tape *tape, const char *at, const reel_op *op, reel_dtype dtype,
                         reel_shape shape);

/* Text of a shape, "[32,100]". */
const char *reel__shape_text(char *text, size_t n, reel_shape shape);
/* "file.c:12" without folders. */
const char *reel__base_name(const char *at);
/* Says what kind of cell the module in force is; copied. */
void reel__scope_kind(reel_tape *tape, const char *kind);
size_t reel__scope_text(const reel_tape *tape, uint32_t scope, char *text, size_t n, bool in_words);

/* Shared by executors. Whether a weight's leaf still has the value that was recorded (reports if
 * not); whether a forward value that a rule reads is to be kept; marks what s's rule reads. */
bool reel__fresh(const reel__slot *s);
bool reel__kept(const reel__slot *s);
void reel__mark_read(reel__slot *s);

/* What gradient rules read of s's op: see reel__reads. */
uint64_t reel__rule_reads(const reel__slot *s);

/* What s's gradient rule gives for argument i, brought to the argument's shape; *dx is NULL when that
 * is zero. False after reporting. */
bool reel__gradient_rule(reel__slot *s, int i, reel_node *dy, reel_node **dx);
/* How often one has to differentiate to get each of some nodes (orders.c). A leaf that is read by
 * derivatives alone, such as the 1 that ∂L/∂L is, has their order. `order`: room for all. False
 * when memory is out. */
enum { REEL__MOST_ORDER = UINT8_MAX - 1 };
bool reel__find_orders(const reel_tape *tape, const reel__ids *nodes, uint8_t *order);

/* The sum of contributions to s's cotangent, in their order; NULL when there are none. */
reel_node *reel__gradient_sum(reel__slot *s, size_t n, reel_node *const *term);

/* Whether the gradients of y by x can be asked for; false after reporting. `nowhere`: there is no
 * array for them. */
bool reel__may_differentiate(const char *at, const char *who, reel_node *y, size_t n,
                             reel_node *const *x, bool nowhere);

/* reel_gradients, for what may be differentiated. */
reel_status reel__tape_gradients(const char *at, reel_node *loss, size_t n, reel_node *const *x,
                                 const void **data);

/* The weights used on the tape since the reset, in order of first use (bound ones left out): fills
 * up to n entries and returns how many there are. */
size_t reel__tape_params(reel_tape *tape, size_t n, reel_param **p, reel_node **node);

extern const reel__executor reel__reference;

extern const reel_op reel__op_input, reel__op_param;

#endif
