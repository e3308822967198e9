/* Job: compile a template: run the passes over its values, for one way of being arranged.
 * Invariant: a template's own form is never changed; the same template, passes and arrangement give
 * the same code.
 * Must not know: instances, plans. */
#include "code.h"

#include <string.h>

#include "call.h"
#include "memory.h"

enum { CONSTANT_BYTES = 4096 };

/* Values of small ops without arguments are known once and for all. */
static bool find_constants(reel__ir *ir)
{
    for (int i = ir->ports; i < ir->n; i++) {
        reel__value *v = &ir->v[i];
        size_t bytes = (size_t)v->size * reel_dtype_size((reel_dtype)v->dtype);
        if (v->kind != REEL__RUN || v->n || v->flags || bytes > CONSTANT_BYTES || !v->op->shape) {
            continue;
        }
        void *data = reel__ir_alloc(ir, 1, bytes + 64);
        if (!data) {
            return false;
        }
        reel_call_state state = {.status = REEL_OK};
        reel_call call = {.op = v->op, .attr = v->attr, .end = 1, .state = &state};
        call.y = (reel_tensor){data, (reel_dtype)v->dtype, v->shape, v->size};
        if (reel__call_run(&call, ir->real, 1) == REEL_OK) {
            v->kind = REEL__CONST;
            v->store = REEL__GIVEN;
            v->constant = data;
        }
    }
    return true;
}

static bool copy_raw(reel__code *code, const reel__ir *raw)
{
    reel__ir from = *raw;
    from.arena = &code->arena;
    if (!reel__ir_start(&code->ir, &from)) {
        return false;
    }
    for (int i = raw->ports; i < raw->n; i++) {
        if (reel__ir_copy(&code->ir, raw, i, NULL) < 0) {
            return false;
        }
    }
    for (int i = 0; i < raw->outs; i++) {
        code->ir.out[i] = raw->out[i];
    }
    return true;
}

static bool run_passes(reel__code *code, unsigned passes, const uint8_t *recurs,
                       const uint8_t *feeds)
{
    reel__ir *ir = &code->ir;
    return find_constants(ir) && (!(passes & REEL__PASS_CSE) || reel__pass_cse(ir)) &&
           (!(passes & REEL__PASS_ASSEMBLE) || reel__pass_assemble(ir)) &&
           (!(passes & REEL__PASS_VIEWS) || reel__pass_views(ir)) &&
           (!(passes & REEL__PASS_PRODUCTS) || reel__pass_products(ir)) &&
           (!(passes & REEL__PASS_SINK) || reel__pass_sink(ir)) &&
           (!(passes & REEL__PASS_ASSEMBLE) || reel__pass_assemble(ir)) && reel__ir_sweep(ir) &&
           (!(passes & REEL__PASS_NARROW) || reel__pass_narrow(ir)) &&
           reel__pass_segments(ir, recurs, feeds, !(passes & REEL__PASS_SEGMENTS)) &&
           reel__pass_fuse(code, passes);
}

static bool find_exits(reel__code *code)
{
    const reel__ir *ir = &code->ir;
    code->exit = reel__arena_alloc(&code->arena, ((size_t)ir->outs + 1) * sizeof *code->exit);
    for (int at = 0; code->exit && at < ir->outs; at++) {
        int value = ir->out[at];
        reel__exit *x = &code->exit[at];
        *x = (reel__exit){0};
        if (value < 0) { /* computed nowhere, so that nobody asks */
            continue;
        }
        const reel__value *v = &ir->v[value];
        if (v->kind == REEL__VIEW) {
            x->offset = (size_t)v->window->offset * reel_dtype_size((reel_dtype)v->dtype);
            value = v->arg[0];
            v = &ir->v[value];
        }
        x->value = value;
        x->kind = v->kind;
        x->offset += v->kind == REEL__CONST ? (size_t)(uintptr_t)v->constant : 0;
    }
    return code->exit != NULL;
}

reel__code *reel__code_find(reel__template *t, unsigned passes, const uint8_t *recurs,
                            const uint8_t *feeds)
{
    size_t ports = (size_t)t->raw.ports, nodes = (size_t)t->raw.outs;
    for (reel__code *code = t->codes; code; code = code->next) {
        if (memcmp(code->key, recurs, ports + nodes) == 0 &&
            memcmp(code->key + ports + nodes, feeds, nodes) == 0) {
            return code;
        }
    }
    reel__code *code = reel__calloc(1, sizeof *code);
    if (!code) {
        return NULL;
    }
    uint8_t *key = reel__arena_alloc(&code->arena, ports + 2 * nodes + 1);
    if (!key || !copy_raw(code, &t->raw) || !run_passes(code, passes, recurs, feeds) ||
        !find_exits(code)) {
        reel__code_free(code);
        return NULL;
    }
    memcpy(key, recurs, ports + nodes);
    memcpy(key + ports + nodes, feeds, nodes);
    code->key = key;
    code->template = t;
    code->next = t->codes;
    t->codes = code;
    return code;
}

void reel__code_free(reel__code *code)
{
    reel__ir_free(&code->ir);
    reel__arena_free(&code->arena);
    reel__free(code);
}
