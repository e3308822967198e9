/* Pass: kernels. Element-wise values of one shape that need not wait for anything between them run
 * as one kernel, block by block, and with them reductions of their rows that are no longer than a
 * block; everything else has a kernel of its own.
 * Invariant: a kernel reads what earlier kernels of its segment, earlier segments or ports have
 * completed; within a fused group an element is computed from the same element of other members.
 * Must not know: instances. */
#include "code.h"

#include <reel/axis.h>

#include <string.h>

#include "memory.h"
#include "plant.h"

enum { MOST_OPS = 96, ALIGN = 64, GATHERED = 8 };

typedef struct work {
    reel__code *code;
    reel__ir *ir;
    unsigned passes;
    reel__draft *draft[REEL__SEGMENTS];
    int drafts[REEL__SEGMENTS], room[REEL__SEGMENTS];
    int *at;              /* value -> position of the kernel that completes it in the segment; -1 */
    int *group;           /* MAP, reductions of rows: position of their kernel in the segment */
    uint8_t *used, *made; /* segments in which it is read, written: bits */
    int *first, *last;    /* positions, of values of one segment */
    bool failed;
} work;

/* Operands */

/* Where value i is read or written. */
static reel__operand operand_of(const reel__ir *ir, int i)
{
    const reel__value *v = &ir->v[i];
    if (v->kind == REEL__VIEW) {
        return (reel__operand){v->arg[0], *v->window};
    }
    if (v->store == REEL__INSIDE) {
        return (reel__operand){v->home, v->inside};
    }
    return (reel__operand){i, reel__window_all(v->shape)};
}

static reel__matrix matrix_of(const reel__ir *ir, int i, bool transposed)
{
    const reel__value *v = &ir->v[i];
    reel__matrix m = {.x = operand_of(ir, i)};
    int rank = v->shape.rank;
    m.row = m.x.window.stride[rank - 2];
    m.column = m.x.window.stride[rank - 1];
    if (transposed) {
        int64_t row = m.row;
        m.row = m.column;
        m.column = row;
    }
    return m;
}

static int term_segment(const reel__ir *ir, const reel__value *v, int term)
{
    int a = ir->v[reel__base_of(ir, v->arg[2 * term])].segment;
    int b = ir->v[reel__base_of(ir, v->arg[2 * term + 1])].segment;
    bool early = a == REEL__PRE && b == REEL__PRE;
    return early && !(v->flags & REEL__ADDED) ? REEL__PRE : v->segment;
}

/* Parts computed in their place */

static int64_t covered(const reel__ir *ir, const reel__value *v)
{
    int64_t n = 0;
    for (int k = 0; k < v->n; k++) {
        n += ir->v[v->arg[k]].size;
    }
    return n;
}

/* Whether every reader of value i can read it through a window. */
static bool readable_anywhere(const reel__ir *ir, int i)
{
    int holders = 0;
    for (int j = i + 1; j < ir->n; j++) {
        const reel__value *u = &ir->v[j];
        for (int k = 0; k < u->n; k++) {
            if (u->arg[k] != i) {
                continue;
            }
            holders += u->kind == REEL__ASSEMBLE;
            if (u->kind != REEL__MAP && u->kind != REEL__ASSEMBLE &&
                (u->kind != REEL__PRODUCT || ir->v[i].shape.rank != 2)) {
                return false;
            }
        }
    }
    return holders == 1;
}

static void put_inside(reel__ir *ir)
{
    for (int i = ir->ports; i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        if (v->kind != REEL__ASSEMBLE || covered(ir, v) != v->size) {
            continue;
        }
        for (int k = 0; k < v->n; k++) {
            reel__value *a = &ir->v[v->arg[k]];
            bool made = a->kind == REEL__MAP || (a->kind == REEL__PRODUCT && a->shape.rank == 2);
            if (made && !a->flags && a->dtype == v->dtype && readable_anywhere(ir, v->arg[k])) {
                a->store = REEL__INSIDE;
                a->home = i;
                a->inside = v->window[k];
            }
        }
    }
}

/* Kernels */

static reel__draft *add_draft(work *w, int segment, int kind, int value)
{
    if (w->drafts[segment] == w->room[segment]) {
        int room = w->room[segment] ? 2 * w->room[segment] : 16;
        reel__draft *d = reel__reallocarray(w->draft[segment], (size_t)room, sizeof *d);
        if (!d) {
            w->failed = true;
            return NULL;
        }
        w->draft[segment] = d;
        w->room[segment] = room;
    }
    reel__draft *d = &w->draft[segment][w->drafts[segment]++];
    *d = (reel__draft){.kind = (uint8_t)kind, .value = value};
    return d;
}

/* Position after which the argument can be read from memory. */
static int ready(const work *w, int arg, int segment)
{
    int base = reel__base_of(w->ir, arg);
    return w->made[base] >> segment & 1 ? w->at[base] : -1;
}

/* The earliest kernel that element-wise value i could be part of. */
static int earliest(const work *w, int i, int segment)
{
    const reel__ir *ir = w->ir;
    const reel__value *v = &ir->v[i];
    int need = 0;
    for (int k = 0; k < v->n; k++) {
        const reel__value *a = &ir->v[v->arg[k]];
        int at = ready(w, v->arg[k], segment);
        bool beside =
            a->kind == REEL__MAP && a->segment == segment && reel_shape_equal(a->shape, v->shape);
        int least = beside ? at : at + 1;
        need = least > need ? least : need;
    }
    return need;
}

static void add_member(work *w, reel__draft *d, int position, int i)
{
    if (d->members == d->room) {
        int room = d->room ? 2 * d->room : 8;
        int *m = reel__ir_alloc(w->ir, (size_t)room, sizeof *m);
        if (!m) {
            w->failed = true;
            return;
        }
        if (d->members) {
            memcpy(m, d->member, (size_t)d->members * sizeof *m);
        }
        d->member = m;
        d->room = room;
    }
    d->member[d->members++] = i;
    w->group[i] = position;
    w->at[i] = position;
}

static void place_map(work *w, int i, int segment)
{
    reel__ir *ir = w->ir;
    reel__value *v = &ir->v[i];
    reel__draft *found = NULL;
    int position = 0;
    if (w->passes & REEL__PASS_FUSE && v->n <= MOST_OPS) {
        int need = earliest(w, i, segment);
        for (int g = w->drafts[segment] - 1; g >= need && !found; g--) {
            reel__draft *d = &w->draft[segment][g];
            if (d->kind == REEL__DO_MAP && d->members < MOST_OPS &&
                reel_shape_equal(ir->v[d->member[0]].shape, v->shape)) {
                found = d;
                position = g;
            }
        }
    }
    if (!found) {
        found = add_draft(w, segment, REEL__DO_MAP, i);
        position = w->drafts[segment] - 1;
    }
    if (!found) {
        return;
    }
    if (found->members) {
        reel__pass_used(REEL__PASS_FUSE);
    }
    add_member(w, found, position, i);
}

static void made_at(work *w, int i, int segment, int position)
{
    w->made[i] = (uint8_t)(w->made[i] | 1U << segment);
    w->at[i] = position > w->at[i] ? position : w->at[i];
}

static void read_in(work *w, int i, int segment)
{
    int base = reel__base_of(w->ir, i);
    const reel__value *v = &w->ir->v[base];
    w->used[base] = (uint8_t)(w->used[base] | 1U << segment);
    if (v->store == REEL__INSIDE) { /* its memory is its home's */
        w->used[v->home] = (uint8_t)(w->used[v->home] | 1U << segment);
    }
}

/* Whether value i reduces rows of an element-wise one of its segment that fit into a block, each by
 * itself, so that their group can do it. */
static bool reduces_rows(const work *w, int i, int segment)
{
    const reel__ir *ir = w->ir;
    const reel__value *v = &ir->v[i];
    if (!(w->passes & REEL__PASS_ROWS) || v->kind != REEL__RUN || v->flags & REEL__ADDED ||
        !(v->op->flags & REEL_OP_ALONG_AXIS)) {
        return false;
    }
    const reel__value *a = &ir->v[v->arg[0]];
    int rank = a->shape.rank;
    if (a->kind != REEL__MAP || a->segment != segment || rank < 1 ||
        a->dtype != (uint8_t)ir->real || v->dtype != (uint8_t)ir->real) {
        return false;
    }
    int64_t n = a->shape.dim[rank - 1];
    const reel_reduce_attr *r = v->attr;
    bool last = r->axis == REEL_ALL_AXES ? a->size == n : r->axis == rank - 1;
    return last && n > 1 && n <= REEL__BLOCK_BYTES / (int64_t)reel_dtype_size(ir->real) &&
           w->draft[segment][w->group[v->arg[0]]].members < MOST_OPS;
}

static void place_reduction(work *w, int i, int segment)
{
    int position = w->group[w->ir->v[i].arg[0]];
    reel__pass_used(REEL__PASS_ROWS);
    add_member(w, &w->draft[segment][position], position, i);
    made_at(w, i, segment, position);
}

static void place_product(work *w, int i, int segment)
{
    const reel__value *v = &w->ir->v[i];
    bool before = (w->made[i] & ((1U << segment) - 1)) != 0;
    for (int t = 0; t < v->n / 2; t++) {
        if (term_segment(w->ir, v, t) != segment) {
            continue;
        }
        reel__draft *d = add_draft(w, segment, REEL__DO_PRODUCT, i);
        if (!d) {
            return;
        }
        d->term = t;
        d->accumulate = before && !v->part && !reel__planted(REEL__LOST_BETA);
        before = true;
        made_at(w, i, segment, w->drafts[segment] - 1);
        read_in(w, v->arg[2 * t], segment);
        read_in(w, v->arg[2 * t + 1], segment);
    }
}

static void place_assemble(work *w, int i, int segment)
{
    const reel__ir *ir = w->ir;
    const reel__value *v = &ir->v[i];
    bool whole = covered(ir, v) == v->size;
    if (!whole && add_draft(w, segment, REEL__DO_ZERO, i)) {
        made_at(w, i, segment, w->drafts[segment] - 1);
    }
    for (int k = 0; k < v->n; k++) {
        const reel__value *a = &ir->v[v->arg[k]];
        if (a->store == REEL__INSIDE && a->home == i) {
            if (w->made[v->arg[k]] >> segment & 1) {
                made_at(w, i, segment, w->at[v->arg[k]]);
            }
            w->made[i] = (uint8_t)(w->made[i] | w->made[v->arg[k]]);
            continue;
        }
        reel__draft *d = add_draft(w, segment, REEL__DO_COPY, i);
        if (!d) {
            return;
        }
        d->term = k;
        made_at(w, i, segment, w->drafts[segment] - 1);
        read_in(w, v->arg[k], segment);
    }
}

static void place(work *w, int i, int segment)
{
    const reel__value *v = &w->ir->v[i];
    if (v->kind == REEL__PRODUCT) {
        place_product(w, i, segment);
        return;
    }
    if (v->segment != segment) {
        return;
    }
    switch (v->kind) {
    case REEL__MAP:
        place_map(w, i, segment);
        made_at(w, i, segment, w->at[i]);
        for (int k = 0; k < v->n; k++) {
            read_in(w, v->arg[k], segment);
        }
        break;
    case REEL__ASSEMBLE:
        place_assemble(w, i, segment);
        break;
    case REEL__RUN:
    case REEL__ACCUMULATE:
        if (v->kind == REEL__ACCUMULATE && v->n == 0) {
            break;
        }
        if (reduces_rows(w, i, segment)) {
            place_reduction(w, i, segment);
        } else if (add_draft(w, segment, REEL__DO_RUN, i)) {
            made_at(w, i, segment, w->drafts[segment] - 1);
        }
        for (int k = 0; k < v->n; k++) {
            read_in(w, v->arg[k], segment);
        }
        break;
    default:
        break;
    }
}

/* Places */

static bool several(unsigned bits)
{
    return bits & (bits - 1);
}

/* Whether a member of a fused group is read anywhere but in the group. */
static void find_stored(work *w, bool *stored)
{
    const reel__ir *ir = w->ir;
    for (int i = 0; i < ir->n; i++) {
        stored[i] = ir->v[i].kind != REEL__MAP || ir->v[i].flags || ir->v[i].store == REEL__INSIDE;
    }
    for (int j = ir->ports; j < ir->n; j++) {
        const reel__value *u = &ir->v[j];
        for (int k = 0; k < u->n; k++) {
            int i = u->arg[k];
            const reel__value *v = &ir->v[i];
            bool beside = w->group[j] >= 0 && v->kind == REEL__MAP && u->segment == v->segment &&
                          w->group[i] == w->group[j];
            stored[i] = stored[i] || !beside;
        }
    }
}

/* Many parts that come from elsewhere, such as the outputs of all steps: they may lie there just as
 * the value wants them, or be computed in its place, if it has a lasting one. Few parts are what
 * every step joins, and are better close by. */
static bool gathers(const reel__ir *ir, const reel__value *v)
{
    bool all = v->kind == REEL__ASSEMBLE && v->n >= GATHERED;
    for (int k = 0; all && k < v->n; k++) {
        const reel__value *part = &ir->v[v->arg[k]];
        all = part->kind == REEL__PORT && reel__window_dense(part->shape, &v->window[k]);
    }
    return all;
}

static void give_places(work *w, const bool *stored)
{
    reel__ir *ir = w->ir;
    for (int i = ir->ports; i < ir->n; i++) {
        const reel__value *v = &ir->v[i];
        if (v->kind == REEL__VIEW && v->flags & REEL__OUT) {
            w->used[v->arg[0]] |= REEL__LASTING;
        }
    }
    for (int i = ir->ports; i < ir->n; i++) {
        reel__value *v = &ir->v[i];
        if (v->kind == REEL__VIEW || v->kind == REEL__CONST || v->store == REEL__INSIDE) {
            continue;
        }
        if (v->flags & REEL__ADDED || !stored[i]) {
            v->store = REEL__NOWHERE;
            continue;
        }
        bool lasting = v->flags & REEL__OUT || v->kind == REEL__ACCUMULATE || gathers(ir, v) ||
                       several((unsigned)(w->used[i] | w->made[i]));
        v->store = lasting ? REEL__ARRAY : REEL__TEMP;
        v->made = w->made[i];
        v->used = w->used[i];
    }
}

/* Final kernels */

static reel__operand spread(const reel__ir *ir, int i, reel_shape to)
{
    reel_shape own = ir->v[i].shape;
    reel__operand x = operand_of(ir, i);
    reel_window w = {.offset = x.window.offset};
    for (int k = 0; k < own.rank; k++) {
        w.stride[to.rank - own.rank + k] = own.dim[k] == 1 ? 0 : x.window.stride[k];
    }
    x.window = w;
    return x;
}

/* Where a reduction of the rows of a group of that shape is written: one element for each. */
static reel__operand spread_rows(const reel__ir *ir, int i, reel_shape group)
{
    reel_shape own = ir->v[i].shape;
    reel__operand x = operand_of(ir, i);
    reel_window w = {.offset = x.window.offset};
    for (int k = 0; k < own.rank && k < group.rank - 1; k++) {
        w.stride[k] = own.dim[k] == 1 ? 0 : x.window.stride[k];
    }
    x.window = w;
    return x;
}

/* Drops axes of size 1 and joins neighbours along which all operands step evenly. */
static void collapse(reel__fused *f)
{
    reel__operand *const list[2] = {f->input, f->output};
    const int count[2] = {f->inputs, f->outputs};
    int rank = 0;
    for (int k = 0; k < f->shape.rank; k++) {
        int64_t d = f->shape.dim[k];
        if (d == 1) {
            continue;
        }
        bool joins = rank > 0;
        for (int l = 0; l < 2; l++) {
            for (int i = 0; i < count[l]; i++) {
                const int64_t *s = list[l][i].window.stride;
                joins = joins && s[rank - 1] == s[k] * d;
            }
        }
        int to = joins ? rank - 1 : rank++;
        f->shape.dim[to] = joins ? f->shape.dim[to] * d : d;
        for (int l = 0; l < 2; l++) {
            for (int i = 0; i < count[l]; i++) {
                list[l][i].window.stride[to] = list[l][i].window.stride[k];
            }
        }
    }
    for (int k = rank; k < REEL_MAX_RANK; k++) {
        f->shape.dim[k] = 1;
    }
    f->shape.rank = rank;
}

typedef struct registers {
    int free[MOST_OPS], frees, count;
} registers;

static int take_register(registers *r)
{
    return r->frees ? r->free[--r->frees] : r->count++;
}

/* The number of an input of the group, added when it is new. */
static int input_of(const reel__ir *ir, reel__fused *f, int *known, int value)
{
    for (int k = 0; k < f->inputs; k++) {
        if (known[k] == value) {
            return k;
        }
    }
    known[f->inputs] = value;
    f->input[f->inputs] = spread(ir, value, f->shape);
    return f->inputs++;
}

static reel__fused *fuse(work *w, const reel__draft *d)
{
    reel__ir *ir = w->ir;
    size_t args = 0;
    for (int m = 0; m < d->members; m++) {
        args += (size_t)ir->v[d->member[m]].n;
    }
    reel__fused *f = reel__ir_alloc(ir, 1, sizeof *f);
    int *known = reel__ir_alloc(ir, args + 1, sizeof *known);
    int *member_of = reel__ir_alloc(ir, (size_t)d->members, sizeof *member_of);
    int *last = reel__ir_alloc(ir, (size_t)d->members, sizeof *last);
    int *reg = reel__ir_alloc(ir, (size_t)d->members, sizeof *reg);
    if (!f || !known || !member_of || !last || !reg) {
        return NULL;
    }
    f->input = reel__ir_alloc(ir, args + 1, sizeof *f->input);
    f->op = reel__ir_alloc(ir, (size_t)d->members, sizeof *f->op);
    f->output = reel__ir_alloc(ir, (size_t)d->members, sizeof *f->output);
    if (!f->input || !f->op || !f->output) {
        return NULL;
    }
    f->shape = ir->v[d->member[0]].shape;
    for (int m = 0; m < d->members; m++) {
        ir->v[d->member[m]].position = m; /* within the group, for now */
        last[m] = m;
        const reel__value *v = &ir->v[d->member[m]];
        for (int k = 0; k < v->n; k++) {
            const reel__value *a = &ir->v[v->arg[k]];
            if (a->kind == REEL__MAP && a->segment == v->segment &&
                w->group[v->arg[k]] == w->group[d->member[m]]) {
                last[a->position] = m;
            }
        }
    }
    registers r = {.frees = 0};
    for (int m = 0; m < d->members; m++) {
        const reel__value *v = &ir->v[d->member[m]];
        reel__map_op *op = &f->op[f->ops++];
        *op = (reel__map_op){.op = v->op,
                             .attr = v->attr,
                             .n = v->n,
                             .to = -1,
                             .out = -1,
                             .node = v->node,
                             .reduces = v->kind == REEL__RUN};
        op->arg = reel__ir_alloc(ir, (size_t)v->n + 1, sizeof *op->arg);
        if (!op->arg) {
            return NULL;
        }
        for (int k = 0; k < v->n; k++) {
            const reel__value *a = &ir->v[v->arg[k]];
            bool beside = a->kind == REEL__MAP && a->segment == v->segment &&
                          w->group[v->arg[k]] == w->group[d->member[m]];
            op->arg[k] = beside ? reg[a->position] : -1 - input_of(ir, f, known, v->arg[k]);
        }
        /* a sum writes its result before it has read all arguments: none may share its register */
        bool sum = !op->reduces && !(v->op->flags & REEL_OP_ELEMENTWISE);
        if (sum) {
            reg[m] = take_register(&r);
        }
        for (int k = 0; k < v->n; k++) {
            const reel__value *a = &ir->v[v->arg[k]];
            if (op->arg[k] >= 0 && last[a->position] == m) {
                last[a->position] = -1;
                r.free[r.frees++] = reg[a->position];
            }
        }
        if (op->reduces) {
            op->out = f->outputs;
            f->output[f->outputs++] = spread_rows(ir, d->member[m], f->shape);
            continue;
        }
        if (!sum) {
            reg[m] = take_register(&r);
        }
        op->to = reg[m];
        if (v->store != REEL__NOWHERE) {
            op->out = f->outputs;
            f->output[f->outputs++] = spread(ir, d->member[m], f->shape);
        }
        if (last[m] == m) {
            r.free[r.frees++] = reg[m];
        }
    }
    f->registers = r.count;
    collapse(f);
    return f;
}

static reel__term *term_of(work *w, const reel__draft *d)
{
    reel__ir *ir = w->ir;
    const reel__value *v = &ir->v[d->value];
    int a = v->arg[2 * d->term], b = v->arg[2 * d->term + 1];
    uint8_t t = v->transposed[d->term];
    reel__term *term = reel__ir_alloc(ir, 1, sizeof *term);
    if (!term) {
        return NULL;
    }
    int rank = v->shape.rank;
    term->n = v->shape.dim[rank - 1];
    term->m = term->n ? v->size / term->n : 0;
    reel_shape left = ir->v[a].shape, right = ir->v[b].shape;
    if (v->part) {
        term->m = left.dim[t & 1 ? 1 : 0];
        term->n = right.dim[t & 2 ? 0 : 1];
    }
    term->k = left.dim[left.rank - (t & 1 ? 2 : 1)];
    term->a = matrix_of(ir, a, t & 1);
    term->b = matrix_of(ir, b, t & 2);
    term->c = matrix_of(ir, d->value, false);
    term->c.x.window.offset += v->part ? v->part[d->term] : 0;
    return term;
}

static bool finish(work *w, const reel__draft *d, reel__kernel *kernel)
{
    reel__ir *ir = w->ir;
    const reel__value *v = &ir->v[d->value];
    *kernel = (reel__kernel){.kind = d->kind,
                             .value = d->value,
                             .accumulate = d->accumulate,
                             .added = v->flags & REEL__ADDED,
                             .beside = d->beside,
                             .node = v->node};
    if (v->store != REEL__NOWHERE) {
        kernel->to = operand_of(ir, d->value);
    }
    switch (d->kind) {
    case REEL__DO_MAP:
        kernel->fused = fuse(w, d);
        return kernel->fused != NULL;
    case REEL__DO_PRODUCT:
        kernel->node = v->term_node ? v->term_node[d->term] : v->node;
        kernel->term = term_of(w, d);
        return kernel->term != NULL;
    case REEL__DO_COPY:
        kernel->args = reel__ir_alloc(ir, 1, sizeof *kernel->args);
        if (kernel->args) {
            kernel->args[0] = operand_of(ir, v->arg[d->term]);
            kernel->to.window = v->window[d->term];
            kernel->term_value = v->arg[d->term];
        }
        return kernel->args != NULL;
    case REEL__DO_RUN:
        kernel->accumulate = v->kind == REEL__ACCUMULATE;
        kernel->args = reel__ir_alloc(ir, (size_t)v->n + 1, sizeof *kernel->args);
        for (int k = 0; kernel->args && k < v->n; k++) {
            kernel->args[k] = operand_of(ir, v->arg[k]);
        }
        return kernel->args != NULL;
    default:
        return true;
    }
}

/* Temporaries: the same bytes again once nobody reads them. */

static void touch(work *w, int value, int position)
{
    const reel__value *v = &w->ir->v[value];
    if (v->store == REEL__INSIDE) {
        touch(w, v->home, position);
        return;
    }
    if (v->store != REEL__TEMP) {
        return;
    }
    w->first[value] = w->first[value] < 0 ? position : w->first[value];
    w->last[value] = position;
}

static void find_lives(work *w, int segment)
{
    reel__ir *ir = w->ir;
    for (int p = 0; p < w->drafts[segment]; p++) {
        const reel__draft *d = &w->draft[segment][p];
        if (d->kind == REEL__DO_MAP) {
            for (int m = 0; m < d->members; m++) {
                const reel__value *v = &ir->v[d->member[m]];
                touch(w, d->member[m], p);
                for (int k = 0; k < v->n; k++) {
                    touch(w, reel__base_of(ir, v->arg[k]), p);
                }
            }
            continue;
        }
        const reel__value *v = &ir->v[d->value];
        touch(w, d->value, p);
        for (int k = 0; k < v->n; k++) {
            bool read = d->kind == REEL__DO_PRODUCT ? k / 2 == d->term
                        : d->kind == REEL__DO_COPY  ? k == d->term
                                                    : d->kind == REEL__DO_RUN;
            if (read) {
                touch(w, reel__base_of(ir, v->arg[k]), p);
            }
        }
    }
}

static size_t rounded(const reel__value *v)
{
    size_t bytes = (size_t)v->size * reel_dtype_size((reel_dtype)v->dtype);
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static void give_offsets(work *w, int segment)
{
    reel__ir *ir = w->ir;
    reel__segment *s = &w->code->segment[segment];
    for (int i = ir->ports; i < ir->n; i++) {
        reel__value *v = &ir->v[i];
        if (v->store != REEL__TEMP || w->first[i] < 0 ||
            !((w->made[i] | w->used[i]) >> segment & 1)) {
            continue;
        }
        size_t at = 0, bytes = rounded(v);
        if (bytes > (size_t)1 << 46) { /* beyond any memory */
            w->failed = ir->failed = true;
            return;
        }
        bool moved = true;
        while (moved) {
            moved = false;
            for (int j = ir->ports; j < i; j++) {
                const reel__value *u = &ir->v[j];
                bool here = u->store == REEL__TEMP && w->first[j] >= 0 &&
                            ((w->made[j] | w->used[j]) >> segment & 1);
                bool together = !(w->passes & REEL__PASS_MEMORY) ||
                                (w->first[j] <= w->last[i] && w->first[i] <= w->last[j]);
                if (here && together && at < u->offset + rounded(u) && u->offset < at + bytes) {
                    at = u->offset + rounded(u);
                    moved = true;
                }
            }
        }
        v->offset = at;
        s->scratch = at + bytes > s->scratch ? at + bytes : s->scratch;
    }
}

/* The ports that the segment's kernels read. */
static bool find_ports(work *w, reel__segment *s)
{
    reel__ir *ir = w->ir;
    bool *seen = reel__ir_alloc(ir, (size_t)ir->ports + 1, sizeof *seen);
    s->port = reel__ir_alloc(ir, (size_t)ir->ports + 1, sizeof *s->port);
    s->binding = reel__ir_alloc(ir, (size_t)ir->ports + 1, sizeof *s->binding);
    if (!seen || !s->port || !s->binding) {
        return false;
    }
    for (int p = 0; p < s->kernels; p++) {
        const reel__kernel *k = &s->kernel[p];
        const reel__value *v = &ir->v[k->value];
        int n = k->kind == REEL__DO_MAP       ? k->fused->inputs
                : k->kind == REEL__DO_PRODUCT ? 2
                : k->kind == REEL__DO_RUN     ? v->n
                                              : k->kind == REEL__DO_COPY;
        for (int i = 0; i < n; i++) {
            int value = k->kind == REEL__DO_MAP       ? k->fused->input[i].value
                        : k->kind == REEL__DO_PRODUCT ? (i ? k->term->b : k->term->a).x.value
                                                      : k->args[i].value;
            if (value < ir->ports && !seen[value]) {
                seen[value] = true;
                s->binding[value] = s->ports;
                s->port[s->ports++] = value;
            }
        }
    }
    return true;
}

static bool finish_segment(work *w, int segment)
{
    reel__segment *s = &w->code->segment[segment];
    if (w->passes & REEL__PASS_BESIDE) {
        reel__pass_beside(w->ir, w->draft[segment], w->drafts[segment]);
    }
    s->kernels = w->drafts[segment];
    s->kernel = reel__ir_alloc(w->ir, (size_t)s->kernels + 1, sizeof *s->kernel);
    if (!s->kernel) {
        return false;
    }
    for (int p = 0; p < s->kernels; p++) {
        if (!finish(w, &w->draft[segment][p], &s->kernel[p])) {
            return false;
        }
        s->added += s->kernel[p].added;
    }
    find_lives(w, segment);
    give_offsets(w, segment);
    return find_ports(w, s) && !w->failed;
}

static bool run(work *w, bool *stored)
{
    reel__ir *ir = w->ir;
    for (int i = 0; i < ir->n; i++) {
        w->first[i] = w->group[i] = -1;
    }
    if (w->passes & REEL__PASS_ASSEMBLE) {
        put_inside(ir);
    }
    for (int segment = 0; segment < REEL__SEGMENTS; segment++) {
        for (int i = 0; i < ir->n; i++) {
            w->at[i] = -1;
        }
        for (int i = ir->ports; i < ir->n; i++) {
            place(w, i, segment);
            if (w->failed) { /* a kernel may lack what it is made of */
                return false;
            }
        }
    }
    find_stored(w, stored);
    give_places(w, stored);
    bool ok = !w->failed && !ir->failed;
    for (int segment = 0; ok && segment < REEL__SEGMENTS; segment++) {
        ok = finish_segment(w, segment);
    }
    return ok;
}

bool reel__pass_fuse(reel__code *code, unsigned passes)
{
    size_t n = (size_t)code->ir.n + 1;
    work w = {.code = code, .ir = &code->ir, .passes = passes};
    w.at = reel__reallocarray(NULL, 4 * n, sizeof *w.at);
    w.used = reel__calloc(2 * n, 1);
    bool *stored = reel__calloc(n, sizeof *stored);
    bool ok = w.at && w.used && stored;
    if (ok) {
        w.group = w.at + n;
        w.first = w.group + n;
        w.last = w.first + n;
        w.made = w.used + n;
        ok = run(&w, stored);
    }
    for (int s = 0; s < REEL__SEGMENTS; s++) {
        reel__free(w.draft[s]);
    }
    reel__free(w.at);
    reel__free(w.used);
    reel__free(stored);
    return ok;
}
