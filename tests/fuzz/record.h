/* The public recording calls, driven by any bytes at all: right and wrong arguments, NULL, stale
 * and foreign nodes. Nothing may crash, hang or leak, and what a call says must be in order. Sizes
 * are bounded: a node that is too large is recorded and then left alone. */
#ifndef TESTS_FUZZ_RECORD_H
#define TESTS_FUZZ_RECORD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/reel.h>

#define record_require(x) ((x) ? (void)0 : record_broken(#x))

enum {
    RECORD_NODES = 48,
    RECORD_CELLS = 4,
    RECORD_STEPS = 400,
    RECORD_LARGE = 600,
    RECORD_LIST = 5
};

typedef struct record {
    const unsigned char *at, *end;
    reel_tape *tape[2];
    reel_params *params;
    reel_opt *opt;
    reel_cell *cell[RECORD_CELLS];
    reel_carry carry;
    reel_node *node[RECORD_NODES];
    int n;
    unsigned sum;     /* of all bytes of all values: a checker looks at each */
    int right, wrong; /* statements that gave no error, and that gave one */
} record;

static inline void record_broken(const char *what)
{
    fprintf(stderr, "not true: %s\n", what);
    abort();
}

/* Arguments from bytes */

static inline int record_byte(record *r)
{
    return r->at < r->end ? *r->at++ : 0;
}

static inline int record_below(record *r, int n)
{
    return record_byte(r) % n;
}

static inline reel_tape *record_tape(record *r)
{
    int b = record_byte(r);
    return b == 255 ? NULL : r->tape[b > 240];
}

/* Before a reset of the tape. */
static inline void record_forget(record *r, const reel_tape *tape)
{
    if (record_byte(r) < 40) {
        return; /* what is kept is stale */
    }
    int kept = 0;
    for (int i = 0; i < r->n && i < RECORD_NODES; i++) {
        if (reel_node_tape(r->node[i]) != tape) {
            r->node[kept++] = r->node[i];
        }
    }
    r->n = kept;
}

/* Mostly a late node, at times one that may be stale or of the other tape, or none. */
static inline reel_node *record_node(record *r)
{
    int b = record_byte(r);
    if (b == 255 && record_byte(r) > 128) {
        return NULL;
    }
    if (b >= 220 || r->n == 0) {
        return reel_constant(r->tape[0], b / 200.0, b % 2 ? reel_dims(3, 3) : reel_dims(3));
    }
    int n = r->n < RECORD_NODES ? r->n : RECORD_NODES;
    return r->node[(r->n - 1 - b % n) % RECORD_NODES];
}

static inline int64_t record_size(record *r)
{
    static const int64_t odd[] = {-1, INT64_MAX, INT64_MIN, (int64_t)1 << 40, (int64_t)1 << 62};
    static const int64_t usual[] = {3, 3, 3, 2, 1, 3, 0, 4};
    int b = record_byte(r);
    return b >= 251 ? odd[b - 251] : usual[b % 8];
}

static inline int record_axis(record *r)
{
    int b = record_byte(r);
    return b == 255 ? INT32_MIN : b == 254 ? INT32_MAX : b > 240 ? b % 8 - 3 : b % 3 - 1;
}

static inline double record_number(record *r)
{
    static const double odd[] = {0, -0.0, 1.0 / 0.0, 0.0 / 0.0, -1, 1e300};
    int b = record_byte(r);
    return b >= 250 ? odd[b - 250] : (b - 128) / 100.0;
}

static inline reel_shape record_shape(record *r)
{
    int b = record_byte(r);
    reel_shape s = {b == 255 ? -1 : b == 254 ? 9 : b > 200 ? b % 5 : 1 + b % 2, {1, 1, 1, 1}};
    for (int i = 0; i < s.rank && i < REEL_MAX_RANK; i++) {
        s.dim[i] = record_size(r);
    }
    return s;
}

static inline const char *record_name(record *r)
{
    static const char *const name[] = {"a", "b", "step", "", "a/b", "a\nb", NULL};
    return name[record_below(r, 7)];
}

static inline void record_keep(record *r, reel_node *x)
{
    record_require(x != NULL);
    record_require(reel_node_dtype(x) <= REEL_I32 && reel_node_rank(x) <= REEL_MAX_RANK);
    if (reel_node_size(x) <= RECORD_LARGE) {
        r->node[r->n++ % RECORD_NODES] = x;
    }
}

static inline int record_nodes(record *r, reel_node **x)
{
    int n = record_below(r, RECORD_LIST + 1);
    for (int i = 0; i < n; i++) {
        x[i] = record_node(r);
    }
    return n;
}

/* Constructors, by what they take */

static inline void record_leaf(record *r)
{
    static const double real[RECORD_LARGE] = {0.5, -1, 2};
    static const int32_t index[RECORD_LARGE] = {0, 1, 2, 1, 0, -1, 70};
    reel_shape s = record_shape(r);
    int b = record_byte(r);
    reel_dtype dtype = b > 250 ? (reel_dtype)(b - 248) : b % 4 ? REEL_F64 : REEL_I32;
    const void *data = dtype == REEL_I32 ? (const void *)index : real;
    int64_t size = 1;
    for (int i = 0; i < s.rank && i < REEL_MAX_RANK; i++) {
        bool over = s.dim[i] < 0 || s.dim[i] > RECORD_LARGE || (size *= s.dim[i]) > RECORD_LARGE;
        data = over ? NULL : data;
        size = over ? 1 : size;
    }
    if (record_below(r, 4)) {
        record_keep(r, reel_input(record_tape(r), dtype, data, s));
    } else {
        record_keep(r, reel_input_borrowed(record_tape(r), dtype, data, s));
    }
}

static inline void record_simple_leaf(record *r)
{
    switch (record_below(r, 4)) {
    case 0:
        record_keep(r, reel_number(record_tape(r), record_number(r)));
        break;
    case 1:
        record_keep(r, reel_counter(record_tape(r)));
        break;
    case 2: {
        double value = record_number(r);
        record_keep(r, reel_constant(record_tape(r), value, record_shape(r)));
        break;
    }
    default:
        record_leaf(r);
        break;
    }
}

static inline void record_weight(record *r)
{
    const char *name = record_name(r);
    reel_init init = {(reel_init_kind)record_below(r, 10), record_number(r), record_number(r)};
    reel_shape shape = record_shape(r);
    for (int i = 0; i < shape.rank && i < REEL_MAX_RANK; i++) {
        shape.dim[i] = shape.dim[i] > 8 ? 3 : shape.dim[i];
    }
    reel_param *p = reel_params_get(r->params, name, shape, init, record_below(r, 3));
    if (record_below(r, 4) == 0) {
        reel_status status = reel_bind(record_tape(r), p, record_node(r));
        record_require(status <= REEL_ERR_PROGRAM);
    } else {
        record_keep(r, reel_use(record_tape(r), p));
    }
}

static inline void record_op(record *r)
{
    int n = 0;
    while (reel_ops()[n]) {
        n++;
    }
    const reel_op *op = reel_ops()[(record_byte(r) + 256 * record_below(r, 2)) % n];
    reel_node *x[RECORD_LIST];
    int count = record_nodes(r, x);
    if (op->attr_size == 0) {
        count = op->arity >= 0 && record_below(r, 8) ? op->arity : count;
        for (int i = 0; i < count; i++) {
            x[i] = record_node(r);
        }
        record_keep(r, reel_apply(REEL_HERE, op, count, x, NULL));
    }
}

static inline void record_unary(record *r)
{
    static reel_node *(*const f[])(reel_node *) = {
        reel_sum,       reel_mean,    reel_max,       reel_min,  reel_argmax,    reel_argmin,
        reel_logsumexp, reel_norm,    reel_transpose, reel_prod, reel_detach,    reel_tanh,
        reel_relu,      reel_sigmoid, reel_neg,       reel_exp,  reel_reciprocal};
    record_keep(r, f[record_below(r, (int)(sizeof f / sizeof *f))](record_node(r)));
}

static inline void record_binary(record *r)
{
    static reel_node *(*const f[])(reel_node *,
                                   reel_node *) = {reel_add,           reel_sub,
                                                   reel_mul,           reel_div,
                                                   reel_matmul,        reel_matmul,
                                                   reel_gather,        reel_pick,
                                                   reel_pow,           reel_mod,
                                                   reel_maximum,       reel_cross_entropy_each,
                                                   reel_cross_entropy, reel_squared_difference};
    reel_node *a = record_node(r);
    record_keep(r, f[record_below(r, (int)(sizeof f / sizeof *f))](a, record_node(r)));
}

static inline void record_ternary(record *r)
{
    reel_node *a = record_node(r), *b = record_node(r), *c = record_node(r);
    switch (record_below(r, 6)) {
    case 0:
        record_keep(r, reel_where(a, b, c));
        break;
    case 1:
        record_keep(r, reel_lerp(a, b, c));
        break;
    case 2:
        record_keep(r, reel_affine(a, b, c));
        break;
    case 3:
        record_keep(r, reel_layer_norm(a, b, c, record_number(r)));
        break;
    case 4:
        record_keep(r, reel_masked_softmax(a, b, record_axis(r)));
        break;
    default:
        record_keep(r, reel_cross_entropy_full(a, b, c, record_size(r), record_number(r),
                                               record_below(r, 5)));
        break;
    }
}

static inline void record_reduction(record *r)
{
    static reel_node *(*const f[])(reel_node *, int, bool) = {
        reel_sum_axis,    reel_mean_axis,      reel_max_axis,  reel_min_axis, reel_argmax_axis,
        reel_argmin_axis, reel_logsumexp_axis, reel_norm_axis, reel_prod_axis};
    reel_node *x = record_node(r);
    int axis = record_axis(r);
    record_keep(r, f[record_below(r, (int)(sizeof f / sizeof *f))](x, axis, record_below(r, 2)));
}

static inline void record_along(record *r)
{
    static reel_node *(*const f[])(reel_node *, int) = {
        reel_softmax,         reel_log_softmax, reel_cumsum,      reel_cumsum_reverse, reel_cumprod,
        reel_cumprod_reverse, reel_flip,        reel_expand_dims, reel_squeeze};
    reel_node *x = record_node(r);
    record_keep(r, f[record_below(r, (int)(sizeof f / sizeof *f))](x, record_axis(r)));
}

static inline void record_window(record *r)
{
    reel_node *x = record_node(r);
    int axis = record_axis(r);
    int64_t a = record_size(r), b = record_size(r);
    switch (record_below(r, 7)) {
    case 0:
        record_keep(r, reel_slice(x, axis, a, b));
        break;
    case 1:
        record_keep(r, reel_slice_step(x, axis, a, b, record_size(r)));
        break;
    case 2:
        record_keep(r, reel_pad(x, axis, a, b));
        break;
    case 3:
        record_keep(r, reel_select(x, axis, a));
        break;
    case 4:
        record_keep(r, reel_delay(x, axis, a));
        break;
    case 5:
        record_keep(r, reel_repeat(x, axis, a));
        break;
    default:
        record_keep(r, reel_tile(x, axis, b));
        break;
    }
}

static inline void record_indexed(record *r)
{
    reel_node *x = record_node(r), *index = record_node(r);
    int64_t n = record_size(r), skip = record_size(r);
    switch (record_below(r, 7)) {
    case 0:
        record_keep(r, reel_scatter_add(x, index, n));
        break;
    case 1:
        record_keep(r, reel_gather_skip(x, index, skip));
        break;
    case 2:
        record_keep(r, reel_pick_axis(x, index, record_axis(r)));
        break;
    case 3:
        record_keep(r, reel_unpick_axis(x, index, record_axis(r), n));
        break;
    case 4:
        record_keep(r, reel_one_hot(index, n));
        break;
    case 5:
        record_keep(r, reel_multi_hinge(x, index, record_number(r), skip & 1, record_below(r, 4)));
        break;
    default:
        record_keep(r, reel_unpick_skip(x, index, n, skip));
        break;
    }
}

static inline void record_shaped(record *r)
{
    reel_node *x = record_node(r);
    reel_shape s = record_shape(r);
    int axes[REEL_MAX_RANK] = {record_axis(r), record_axis(r), record_axis(r), 0};
    switch (record_below(r, 6)) {
    case 0:
        record_keep(r, reel_broadcast_to(x, s));
        break;
    case 1:
        record_keep(r, reel_sum_to(x, s));
        break;
    case 2:
        record_keep(r, reel_permute(x, s.rank < REEL_MAX_RANK ? s.rank : 3, axes));
        break;
    case 3:
        record_keep(r, reel_dropout_mask(x, s, record_number(r)));
        break;
    case 4:
        record_keep(r, reel_uniform_noise(x, s, record_number(r), record_number(r)));
        break;
    default:
        record_keep(r, reel_reshape(x, s));
        break;
    }
}

static inline void record_numbered(record *r)
{
    static reel_node *(*const f[])(reel_node *, double) = {
        reel_scale,   reel_shift,         reel_power,          reel_elu,
        reel_dropout, reel_clip_gradient, reel_scale_gradient, reel_standardize};
    reel_node *x = record_node(r);
    record_keep(r, f[record_below(r, (int)(sizeof f / sizeof *f))](x, record_number(r)));
}

static inline void record_list(record *r)
{
    reel_node *x[RECORD_LIST], *part[RECORD_LIST];
    int n = record_nodes(r, x);
    switch (record_below(r, 5)) {
    case 0:
        record_keep(r, reel_concat(record_axis(r), n, x));
        break;
    case 1:
        record_keep(r, reel_stack_axis(record_axis(r), n, x));
        break;
    case 2:
        record_keep(r, reel_sum_of(n, x));
        break;
    case 3:
        reel_unstack(x[0] = record_node(r), n, part);
        n = reel_tape_status(reel_node_tape(x[0])) ? 0 : n;
        break;
    default:
        reel_split(x[0] = record_node(r), record_axis(r), n, part);
        n = reel_tape_status(reel_node_tape(x[0])) ? 0 : n;
        break;
    }
    (void)part;
}

/* Cells, one of which does not keep to its contract */

static inline reel_node *record_step(reel_cell *c, reel_node *x, reel_state *s)
{
    reel_node *h = reel_tanh(reel_gate(c, "a", x, s->v[0]));
    return s->v[0] = h;
}

static inline reel_node *record_bad_step(reel_cell *c, reel_node *x, reel_state *s)
{
    record *r = reel_cell_context(c);
    switch (record_below(r, 4)) {
    case 0:
        return NULL;
    case 1:
        s->n++;
        return x;
    case 2:
        return s->v[0] = record_node(r);
    default:
        return s->v[0];
    }
}

static inline void record_cell(record *r)
{
    static const reel_cell_type *const type[] = {&reel_lstm, &reel_gru, &reel_rnn};
    int64_t in = record_below(r, 5), hidden = record_below(r, 5);
    const char *name = record_name(r);
    reel_cell **c = &r->cell[record_below(r, RECORD_CELLS)];
    reel_cell_free(*c);
    int kind = record_below(r, 6);
    if (kind < 3) {
        *c = reel_cell_of(r->params, name, type[kind], .in = in, .hidden = hidden,
                          .two_biases = record_below(r, 2), .options = record_name(r));
    } else if (kind == 3) {
        *c = reel_layers_with(&(reel_cell_args){.params = r->params,
                                                .name = name,
                                                .type = type[record_below(r, 3)],
                                                .in = in,
                                                .hidden = hidden},
                              record_below(r, 4), record_number(r));
    } else {
        *c = reel_cell_new(r->params, name, kind == 4 ? record_step : record_bad_step, .in = in,
                           .hidden = hidden, .context = r, .states = record_below(r, 3));
    }
}

static inline void record_unroll(record *r)
{
    reel_cell *c = r->cell[record_below(r, RECORD_CELLS)];
    reel_node *x[RECORD_LIST], *y[RECORD_LIST];
    int n = record_nodes(r, x);
    reel_tape *tape = record_tape(r);
    int64_t batch = record_size(r);
    batch = batch > RECORD_LARGE ? 1 : batch; /* states are evaluated however large they are */
    reel_state s = record_below(r, 2) ? reel_state_zero(tape, c, batch)
                                      : reel_state_from(tape, c, batch, &r->carry);
    for (int i = 0; i < s.n && record_below(r, 3) == 0; i++) {
        s.v[i] = record_node(r);
    }
    if (!reel_unroll(c, n, x, record_below(r, 3) ? &s : NULL, y)) {
        for (int i = 0; i < n; i++) {
            record_keep(r, y[i]);
        }
    }
    if (record_below(r, 4) == 0) {
        record_keep(r, reel_step_once(c, record_size(r), record_node(r), &s));
        reel_status status = reel_state_keep(&r->carry, &s);
        record_require(status <= REEL_ERR_PROGRAM);
    }
}

static inline void record_layer(record *r)
{
    reel_node *x = record_node(r);
    const char *name = record_name(r);
    int64_t a = record_below(r, 6), b = record_below(r, 6);
    record_keep(r, record_below(r, 2) ? reel_linear(r->params, name, a, x)
                                      : reel_embedding(r->params, name, a, b, x));
}

/* Scopes, names and switches */

static inline void record_scope(record *r)
{
    reel_tape *tape = record_tape(r);
    switch (record_below(r, 6)) {
    case 0:
        reel_scope_enter(tape, record_name(r));
        break;
    case 1:
        reel_scope_step(tape, record_size(r));
        break;
    case 2:
        reel_tape_set_training(tape, record_below(r, 2));
        break;
    case 3:
        reel_tape_set_counter(tape, (uint64_t)record_size(r));
        break;
    case 4:
        reel_tape_set_trap_nan(tape, record_below(r, 2));
        break;
    default:
        reel_scope_leave(tape);
        break;
    }
}

/* Evaluation */

static inline void record_touch(record *r, reel_node *x)
{
    const unsigned char *data = reel_data(x);
    size_t bytes = (size_t)reel_node_size(x) * reel_dtype_size(reel_node_dtype(x));
    for (size_t i = 0; data && i < bytes; i++) {
        r->sum += data[i];
    }
    record_require((data != NULL) == reel_is_computed(x));
}

static inline void record_eval(record *r)
{
    reel_node *x[RECORD_LIST] = {NULL};
    int n = record_nodes(r, x);
    reel_status status = reel_eval((size_t)n, x);
    record_require(status <= REEL_ERR_PROGRAM);
    for (int i = 0; i < n && !status; i++) {
        record_touch(r, x[i]);
    }
}

static inline void record_read(record *r)
{
    reel_node *x = record_node(r);
    double v[RECORD_LARGE];
    size_t n = record_below(r, 4) ? (size_t)reel_node_size(x) : (size_t)record_below(r, 200);
    if (n <= RECORD_LARGE && reel_read(x, v, n) == REEL_OK) {
        record_require(n == (size_t)reel_node_size(x));
    }
    double one = 7;
    if (reel_scalar(x, &one)) {
        record_require(one == 7);
    }
    reel_want(x);
}

static inline void record_look(record *r)
{
    reel_node *x = record_node(r);
    char text[16];
    size_t n = reel_node_scope(x, text, sizeof text);
    record_require(strlen(text) < sizeof text && strlen(text) <= n);
    record_require(reel_node_name(x) && reel_node_where(x));
    for (int i = 0; i < reel_node_arity(x); i++) {
        record_require(reel_node_id(reel_node_arg(x, i)) < reel_node_id(x));
    }
    reel_name(x, record_name(r));
}

/* Memory that nobody else writes to takes the picture. */
static inline void record_draw(record *r)
{
    char *text = NULL;
    size_t n = 0;
    reel_node *more[RECORD_LIST];
    int count = record_nodes(r, more);
    FILE *f = open_memstream(&text, &n);
    if (!f) {
        return;
    }
    reel_status status = reel_draw_stream(f, record_node(r), .more = (size_t)count, .roots = more,
                                          .collapse = (reel_draw_collapse)record_below(r, 3));
    fclose(f);
    record_require(status || n > 0);
    free(text);
}

/* Derivatives and training */

static inline void record_differentiate(record *r)
{
    reel_node *y[RECORD_LIST], *dy[RECORD_LIST], *x[RECORD_LIST], *dx[RECORD_LIST];
    int m = record_nodes(r, y), n = record_nodes(r, x);
    for (int i = 0; i < m; i++) {
        dy[i] = record_below(r, 3) ? y[i] : record_node(r);
    }
    for (int i = 0; i < n && m < n; i++) {
        dy[i] = record_node(r);
    }
    int kind = record_below(r, 4), results = n;
    reel_status status;
    if (kind == 0) {
        status = reel_vjp((size_t)m, y, dy, (size_t)n, x, dx);
    } else if (kind == 1) {
        results = m;
        status = reel_jvp((size_t)m, y, (size_t)n, x, n <= m ? dy : x, dx);
    } else {
        reel_node *loss = kind == 2 ? reel_sum(record_node(r)) : record_node(r);
        status = reel_grad(loss, (size_t)n, x, dx);
    }
    for (int i = 0; i < results && !status; i++) {
        record_keep(r, dx[i]);
    }
}

static inline void record_opt(record *r)
{
    reel_opt_args a = {.params = record_below(r, 16) ? r->params : NULL,
                       .rate = record_number(r),
                       .momentum = record_below(r, 2) ? 0.9 : 0,
                       .clip_norm = record_number(r),
                       .kind = (reel_opt_kind)record_below(r, 7),
                       .at = REEL_HERE};
    reel_opt_free(r->opt);
    r->opt = reel_opt_new_with(&a);
}

static inline void record_train(record *r)
{
    reel_node *loss = record_below(r, 3) ? reel_mean(reel_square(record_node(r))) : record_node(r);
    double value = 7;
    if (record_below(r, 3)) {
        if (reel_opt_step(r->opt, loss, record_below(r, 2) ? &value : NULL)) {
            record_require(value == 7);
        }
        return;
    }
    reel_param *p[RECORD_LIST];
    reel_node *g[RECORD_LIST];
    size_t n = reel_opt_grads(r->opt, loss, RECORD_LIST, p, g);
    n = n < RECORD_LIST ? n : RECORD_LIST;
    reel_status status = reel_opt_apply(r->opt, n, p, g);
    record_require(status <= REEL_ERR_PROGRAM);
}

static inline void record_change_weight(record *r)
{
    size_t n = reel_params_count(r->params);
    reel_param *p = n ? reel_params_at(r->params, (size_t)record_byte(r) % n) : NULL;
    if (p && reel_param_size(p) > 0) {
        memset(reel_param_change(p), 0, reel_dtype_size(reel_param_dtype(p)));
    }
}

static inline void record_reset(record *r)
{
    int which = record_below(r, 2);
    record_require(reel_tape_message(r->tape[which]) != NULL);
    if (record_below(r, 8)) {
        record_forget(r, r->tape[which]);
        reel_tape_reset(r->tape[which]);
        return;
    }
    reel_tape_free(r->tape[which]); /* its nodes must not be touched any more */
    r->tape[which] = reel_tape_new(1 + record_below(r, 2), .inference = record_below(r, 2));
    r->n = 0;
}

/* The frame */

static inline void record_do(record *r)
{
    static void (*const what[])(record *) = {
        record_simple_leaf, record_leaf,          record_weight,        record_op,
        record_op,          record_unary,         record_binary,        record_binary,
        record_ternary,     record_reduction,     record_along,         record_window,
        record_indexed,     record_shaped,        record_numbered,      record_list,
        record_cell,        record_unroll,        record_layer,         record_scope,
        record_eval,        record_eval,          record_read,          record_look,
        record_draw,        record_differentiate, record_differentiate, record_opt,
        record_train,       record_change_weight, record_reset};
    what[record_below(r, (int)(sizeof what / sizeof *what))](r);
}

/* An error sticks: once it has been seen, recording starts again, so that more than error nodes
 * comes about. */
static inline void record_recover(record *r)
{
    bool error = reel_tape_status(r->tape[0]) || reel_tape_status(r->tape[1]);
    r->right += !error;
    r->wrong += error;
    for (int i = 0; i < 2; i++) {
        if (reel_tape_status(r->tape[i])) {
            record_require(reel_tape_message(r->tape[i])[0] != 0);
            if (record_byte(r) > 20) {
                record_forget(r, r->tape[i]);
                reel_tape_reset(r->tape[i]);
            }
        }
    }
    reel_params_clear_error(r->params);
}

/* Returns how many statements gave no error. */
static inline int fuzz_record(const unsigned char *bytes, size_t size)
{
    record r = {.at = bytes, .end = bytes + size};
    reel_dtype dtype = record_below(&r, 2) ? REEL_F32 : REEL_F64;
    reel_executor executor = (reel_executor)record_below(&r, 3);
    r.tape[0] = reel_tape_new(1, .dtype = dtype, .executor = executor, .seed = 3);
    r.tape[1] = reel_tape_new(1, .dtype = REEL_F32, .inference = record_below(&r, 2));
    r.params = reel_params_new(record_below(&r, 2) ? dtype : REEL_F32, 1);
    r.opt = reel_sgd(r.params, .rate = 0.1);
    for (int i = 0; i < RECORD_STEPS && r.at < r.end; i++) {
        record_do(&r);
        record_recover(&r);
    }
    for (int i = 0; i < RECORD_CELLS; i++) {
        reel_cell_free(r.cell[i]);
    }
    for (int i = 0; i < 2; i++) {
        reel_status status = reel_tape_status(r.tape[i]);
        record_require(status <= REEL_ERR_PROGRAM);
        reel_tape_free(r.tape[i]);
    }
    reel_carry_free(&r.carry);
    reel_opt_free(r.opt);
    reel_params_free(r.params);
    return r.right;
}

#endif
