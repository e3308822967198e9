/* Job: the reverse sweep: derivatives as nodes, to any order.
 * Invariant: it does once what gradient rules need not: ask only for what is wanted, sum
 * contributions, sum a gradient down to the shape of an argument that was broadcast. Iterative over
 * ids. Must not know: any op by name but the sum, the sum over broadcast axes and the constant it
 * builds with. */
#include <reel/ops.h>

#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "tape.h"

typedef struct contribution {
    reel_node *node;
    uint32_t next; /* index + 1 of the one before it for the same node; 0: none */
} contribution;

typedef struct sweep {
    reel_tape *tape;
    const char *at;
    uint32_t walk;
    bool linear;       /* refuse rules that are not linear in dy */
    uint32_t lowest;   /* no node below this id matters */
    bool *matters;     /* per needed node: it depends on an x */
    uint32_t *last;    /* per needed node: index + 1 of its latest contribution */
    uint32_t *count;   /* and how many there are */
    reel_node **total; /* per needed node: its cotangent, when summed */
    contribution *list;
    uint32_t list_n;
    reel_node **gathered; /* working memory for sums */
} sweep;

static bool no_memory(const sweep *w)
{
    reel__fail(w->tape, REEL_ERR_MEMORY, w->at, "gradient: out of memory");
    return false;
}

static void *work(sweep *w, size_t count, size_t size)
{
    size_t bytes;
    void *p = __builtin_mul_overflow(count, size, &bytes)
                  ? NULL
                  : reel__arena_alloc(&w->tape->work, bytes);
    if (!p) {
        no_memory(w);
        return NULL;
    }
    return memset(p, 0, bytes);
}

static void visit(sweep *w, reel__slot *s)
{
    if (s->stamp != w->walk && s->id >= w->lowest && s->dtype != REEL_I32) {
        s->stamp = w->walk;
        reel__pending_add(&w->tape->pending, s->id);
    }
}

/* All that the ys depend on, down to the lowest x, latest first; counts the edges between them. */
static bool reach(sweep *w, size_t m, reel_node *const *y, size_t *edges)
{
    reel_tape *tape = w->tape;
    tape->needed.n = 0;
    *edges = m;
    reel__pending_clear(&tape->pending);
    if (!reel__pending_reserve(&tape->pending, tape->count)) {
        return no_memory(w);
    }
    for (size_t i = 0; i < m; i++) {
        visit(w, reel__slot_of(y[i]));
    }
    while (tape->pending.count) {
        reel__slot *s = reel__slot_at(tape, reel__pending_take(&tape->pending));
        s->mark = (uint32_t)tape->needed.n;
        if (!reel__ids_push(&tape->needed, s->id)) {
            return no_memory(w);
        }
        *edges += (size_t)s->n;
        for (int i = 0; i < s->n; i++) {
            visit(w, reel__args(s)[i]);
        }
    }
    return true;
}

/* Which of them depend on an x. */
static bool find_paths(sweep *w, size_t n, reel_node *const *x, size_t edges)
{
    reel_tape *tape = w->tape;
    size_t count = tape->needed.n;
    w->matters = work(w, count, sizeof *w->matters);
    w->last = work(w, count, sizeof *w->last);
    w->count = work(w, count, sizeof *w->count);
    w->total = work(w, count, sizeof *w->total);
    w->list = work(w, edges, sizeof *w->list);
    w->gathered = work(w, edges, sizeof *w->gathered);
    if (tape->status) {
        return false;
    }
    for (size_t j = 0; j < n; j++) {
        const reel__slot *s = reel__slot_of(x[j]);
        if (s->stamp == w->walk) {
            w->matters[s->mark] = true;
        }
    }
    for (size_t k = count; k-- > 0;) {
        const reel__slot *s = reel__slot_at(tape, tape->needed.v[k]);
        for (int i = 0; i < s->n && !w->matters[k]; i++) {
            const reel__slot *a = reel__args(s)[i];
            w->matters[k] = a->stamp == w->walk && w->matters[a->mark];
        }
    }
    return true;
}

static void contribute(sweep *w, const reel__slot *s, reel_node *node)
{
    w->list[w->list_n++] = (contribution){.node = node, .next = w->last[s->mark]};
    w->last[s->mark] = w->list_n;
    w->count[s->mark]++;
}

reel_node *reel__gradient_sum(reel__slot *s, size_t n, reel_node *const *term)
{
    if (n < 2) {
        return n ? term[0] : NULL;
    }
    s->tape->origin = s;
    reel_node *sum = reel_sum_of_at(NULL, (int)n, term);
    s->tape->origin = NULL;
    return sum;
}

/* The sum of all contributions to s, in the order they came; NULL when there are none. */
static reel_node *total_of(sweep *w, reel__slot *s)
{
    uint32_t n = w->count[s->mark];
    uint32_t at = w->last[s->mark];
    for (uint32_t i = n; i > 0; i--) {
        w->gathered[i - 1] = w->list[at - 1].node;
        at = w->list[at - 1].next;
    }
    return reel__gradient_sum(s, n, w->gathered);
}

static void bad_rule(const reel__slot *s, int i, reel_status status, const char *what)
{
    reel__fail_node(s, status, "the gradient rule for argument %d %s", i, what);
}

/* dx brought to the shape of argument a of s; NULL after reporting. */
static reel_node *fit(const reel__slot *s, int i, const reel__slot *a, reel_node *dx)
{
    reel_shape want = reel__shape(a), have = reel_node_shape(dx);
    if (reel_shape_equal(want, have)) {
        return dx;
    }
    bool fits = have.rank >= want.rank;
    for (int k = 1; fits && k <= want.rank; k++) {
        int64_t d = want.dim[want.rank - k];
        fits = d == have.dim[have.rank - k] || d == 1;
    }
    if (!fits) {
        char text[160], shape[128], other[128];
        snprintf(text, sizeof text, "gave %s for a %s", reel__shape_text(shape, sizeof shape, have),
                 reel__shape_text(other, sizeof other, want));
        bad_rule(s, i, REEL_ERR_SHAPE, text);
        return NULL;
    }
    return reel_sum_to_at(NULL, dx, want);
}

bool reel__gradient_rule(reel__slot *s, int i, reel_node *dy, reel_node **dx)
{
    reel_tape *tape = s->tape;
    if (!s->op->gradient) {
        reel__fail_node(s, REEL_ERR_GRADIENT, "the op has no gradient rule");
        return false;
    }
    tape->origin = s;
    reel_node *made = s->op->gradient(reel__node_of(s), dy, i);
    bool live = made != reel_zero_gradient() && reel__live(made) && reel__live(made)->tape == tape;
    *dx = live && !tape->status ? fit(s, i, reel__args(s)[i], made) : NULL;
    tape->origin = NULL;
    if (tape->status) {
        return false;
    }
    if (!live && made != reel_zero_gradient()) {
        bad_rule(s, i, REEL_ERR_GRADIENT,
                 made ? "gave a node that is not on this tape" : "gave NULL");
        return false;
    }
    return true;
}

static bool propagate(sweep *w, reel__slot *s, reel_node *dy)
{
    for (int i = 0; i < s->n; i++) {
        const reel__slot *a = reel__args(s)[i];
        if (a->stamp != w->walk || !w->matters[a->mark]) {
            continue;
        }
        if (w->linear && s->op->gradient && s->op->flags & REEL_OP_NONLINEAR_GRADIENT) {
            reel__fail_node(s, REEL_ERR_GRADIENT,
                            "the gradient rule is not linear in the cotangent: no forward mode");
            return false;
        }
        reel_node *dx;
        if (!reel__gradient_rule(s, i, dy, &dx)) {
            return false;
        }
        if (dx) {
            contribute(w, a, dx);
        }
    }
    return true;
}

static bool descend(sweep *w)
{
    reel_tape *tape = w->tape;
    for (size_t k = 0; k < tape->needed.n; k++) {
        reel__slot *s = reel__slot_at(tape, tape->needed.v[k]);
        if (!w->matters[k]) {
            continue;
        }
        w->total[k] = total_of(w, s);
        if (tape->status || (w->total[k] && !propagate(w, s, w->total[k]))) {
            return false;
        }
    }
    return true;
}

/* Whether all nodes may be used together; reports the first that may not. */
static bool admit(reel_tape *tape, const char *at, const char *who, size_t n, reel_node *const *x)
{
    for (size_t i = 0; i < n; i++) {
        const reel__slot *s = reel__live(x[i]);
        if (!s) {
            reel__fail_dead(tape, at, who, x[i]);
            return false;
        }
        if (s->tape != tape) {
            reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: node %zu is of another tape", who, i);
            return false;
        }
    }
    return true;
}

static reel_status give_up(reel_tape *tape, size_t n, reel_node **dx)
{
    for (size_t j = 0; j < n && dx; j++) {
        dx[j] = reel__error_node(tape);
    }
    return tape ? tape->status : REEL_ERR_ARGUMENT;
}

static void start(sweep *w, size_t m, reel_node *const *y, reel_node *const *dy)
{
    for (size_t i = 0; i < m; i++) {
        const reel__slot *s = reel__slot_of(y[i]);
        if (s->stamp == w->walk && w->matters[s->mark]) {
            contribute(w, s, dy[i]);
        }
    }
}

static bool same_shapes(reel_tape *tape, const char *at, const char *who, size_t n,
                        reel_node *const *a, reel_node *const *b)
{
    for (size_t i = 0; i < n; i++) {
        reel_shape sa = reel_node_shape(a[i]), sb = reel_node_shape(b[i]);
        if (!reel_shape_equal(sa, sb)) {
            char ta[128], tb[128];
            reel__fail(tape, REEL_ERR_SHAPE, at, "%s: node %zu is %s, its direction %s", who, i,
                       reel__shape_text(ta, sizeof ta, sa), reel__shape_text(tb, sizeof tb, sb));
            return false;
        }
        if (reel_node_dtype(b[i]) == REEL_I32) {
            reel__fail(tape, REEL_ERR_SHAPE, at, "%s: direction %zu is i32: expected %s", who, i,
                       reel_dtype_name(tape->dtype));
            return false;
        }
    }
    return true;
}

static reel_status run_sweep(const char *at, reel_tape *tape, size_t m, reel_node *const *y,
                             reel_node *const *dy, size_t n, reel_node *const *x, reel_node **dx,
                             bool linear)
{
    sweep w = {
        .tape = tape, .at = at, .walk = reel__walk(tape), .lowest = UINT32_MAX, .linear = linear};
    for (size_t j = 0; j < n; j++) {
        uint32_t id = reel__slot_of(x[j])->id;
        w.lowest = id < w.lowest ? id : w.lowest;
    }
    size_t edges = 0;
    reel__arena_rewind(&tape->work);
    bool done = reach(&w, m, y, &edges) && find_paths(&w, n, x, edges);
    if (done) {
        start(&w, m, y, dy);
        done = descend(&w);
    }
    for (size_t j = 0; done && j < n; j++) {
        const reel__slot *s = reel__slot_of(x[j]);
        reel_node *total = s->stamp == w.walk ? w.total[s->mark] : NULL;
        dx[j] = total ? total : reel_constant_at(at, tape, 0, reel__shape(s));
    }
    return tape->status ? give_up(tape, n, dx) : REEL_OK;
}

static bool missing(reel_tape *tape, const char *at, const char *who, bool is)
{
    if (is) {
        reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: a list of nodes is NULL", who);
    }
    return is;
}

static reel_tape *tape_of(size_t n, reel_node *const *x)
{
    for (size_t i = 0; x && i < n; i++) {
        if (reel_node_tape(x[i])) {
            return reel_node_tape(x[i]);
        }
    }
    return NULL;
}

reel_status reel_vjp_at(const char *at, size_t m, reel_node *const *y, reel_node *const *dy,
                        size_t n, reel_node *const *x, reel_node **dx)
{
    reel_tape *tape = tape_of(m, y);
    if (!tape || tape->status || missing(tape, at, "reel_vjp", !dy || (n && (!x || !dx)))) {
        return give_up(tape, n, dx);
    }
    if (!admit(tape, at, "reel_vjp", m, y) || !admit(tape, at, "reel_vjp", m, dy) ||
        !admit(tape, at, "reel_vjp", n, x) || !same_shapes(tape, at, "reel_vjp", m, y, dy)) {
        return give_up(tape, n, dx);
    }
    return run_sweep(at, tape, m, y, dy, n, x, dx, false);
}

bool reel__may_differentiate(const char *at, const char *who, reel_node *y, size_t n,
                             reel_node *const *x, bool nowhere)
{
    reel_tape *tape = reel_node_tape(y);
    if (!tape || tape->status || missing(tape, at, who, n && (!x || nowhere)) ||
        !admit(tape, at, who, 1, &y) || !admit(tape, at, who, n, x)) {
        return false;
    }
    const reel__slot *s = reel__slot_of(y);
    if (reel__size(s) != 1 || s->dtype == REEL_I32) {
        char text[128];
        reel__fail(tape, REEL_ERR_SHAPE, at,
                   "%s: %s %s: expected one real element (see reel_vjp for more)", who,
                   reel_dtype_name((reel_dtype)s->dtype),
                   reel__shape_text(text, sizeof text, reel__shape(s)));
        return false;
    }
    return true;
}

reel_status reel_grad_at(const char *at, reel_node *y, size_t n, reel_node *const *x,
                         reel_node **dx)
{
    reel_tape *tape = reel_node_tape(y);
    if (!reel__may_differentiate(at, "reel_grad", y, n, x, !dx)) {
        return give_up(tape, n, dx);
    }
    reel_node *one = reel_constant_at(at, tape, 1, reel_node_shape(y));
    if (tape->status) {
        return give_up(tape, n, dx);
    }
    return run_sweep(at, tape, 1, &y, &one, n, x, dx, false);
}

/* g(u) = vjp(y, u) is linear in u, so its vjp in the direction dx is the Jacobian times dx. */
reel_status reel_jvp_at(const char *at, size_t m, reel_node *const *y, size_t n,
                        reel_node *const *x, reel_node *const *dx, reel_node **dy)
{
    reel_tape *tape = tape_of(m, y);
    if (!tape || tape->status || missing(tape, at, "reel_jvp", !dy || (n && (!x || !dx)))) {
        return give_up(tape, m, dy);
    }
    if (!admit(tape, at, "reel_jvp", m, y) || !admit(tape, at, "reel_jvp", n, x) ||
        !admit(tape, at, "reel_jvp", n, dx) || !same_shapes(tape, at, "reel_jvp", n, x, dx)) {
        return give_up(tape, m, dy);
    }
    reel_node **u = reel__reallocarray(NULL, m + n, sizeof *u);
    if (!u) {
        reel__fail(tape, REEL_ERR_MEMORY, at, "reel_jvp: out of memory");
        return give_up(tape, m, dy);
    }
    reel_node **g = u + m;
    for (size_t i = 0; i < m; i++) {
        u[i] = reel_constant_at(at, tape, 0, reel_node_shape(y[i]));
    }
    if (tape->status || run_sweep(at, tape, m, y, u, n, x, g, true) ||
        run_sweep(at, tape, n, g, dx, m, u, dy, false)) {
        give_up(tape, m, dy);
    }
    reel__free(u);
    return tape->status;
}
