/* Job: sticky errors, and the words they are told in.
 * Invariant: the first error since the reset is the one that is kept; a message is always
 * terminated and never needs memory, so that running out of memory can be told too. Must not know:
 * how values are computed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape.h"

/* What NULL, and an error on no tape, become. Never written to. */
static _Alignas(REEL__SLOT_ALIGN) const reel__slot nowhere = {.flags = REEL__ERROR};
static _Alignas(REEL__SLOT_ALIGN) const reel__slot zero = {.flags = REEL__ERROR};

reel_node *reel__error_node(reel_tape *tape)
{
    return reel__node_of(tape ? tape->error_slot : &nowhere);
}

reel_node *reel_zero_gradient(void)
{
    return reel__node_of(&zero);
}

const char *reel__base_name(const char *at)
{
    const char *slash = strrchr(at, '/');
    return slash ? slash + 1 : at;
}

const char *reel__shape_text(char *text, size_t n, reel_shape shape)
{
    size_t used = 0;
    used += (size_t)snprintf(text, n, "[");
    for (int i = 0; i < shape.rank && used < n; i++) {
        used +=
            (size_t)snprintf(text + used, n - used, i ? ",%lld" : "%lld", (long long)shape.dim[i]);
    }
    if (used < n) {
        snprintf(text + used, n - used, "]");
    }
    return text;
}

/* Appends to the tape's message, silently cut at its end. */
static void append(reel_tape *tape, const char *format, ...) REEL_PRINTF(2, 3);
static void append(reel_tape *tape, const char *format, ...)
{
    size_t used = strlen(tape->message);
    va_list args;
    va_start(args, format);
    vsnprintf(tape->message + used, sizeof tape->message - used, format, args);
    va_end(args);
}

static void append_place(reel_tape *tape, const char *at)
{
    if (at && *at) {
        append(tape, "%s: ", reel__base_name(at));
    }
}

static void append_scope(reel_tape *tape, uint32_t scope)
{
    char path[256];
    if (scope && reel__scope_text(tape, scope, path, sizeof path, true)) {
        append(tape, " (in %s)", path);
    }
}

static void raise(reel_tape *tape, reel_status status)
{
    tape->status = status;
    tape->error_read = false;
    if (tape->on_error) {
        tape->error_read = true;
        tape->on_error(tape->context, status, tape->message);
    }
}

reel_node *reel__fail(reel_tape *tape, reel_status status, const char *at, const char *format, ...)
{
    if (!tape || tape->status) {
        return reel__error_node(tape);
    }
    tape->message[0] = '\0';
    append_place(tape, tape->origin ? tape->origin->at : at);
    size_t used = strlen(tape->message);
    va_list args;
    va_start(args, format);
    vsnprintf(tape->message + used, sizeof tape->message - used, format, args);
    va_end(args);
    if (tape->origin) {
        append(tape, " (in the gradient rule of %s)", tape->origin->op->name);
    }
    append_scope(tape, tape->origin ? tape->origin->scope : tape->scope);
    raise(tape, status);
    return reel__error_node(tape);
}

void reel__fail_node(const reel__slot *s, reel_status status, const char *format, ...)
{
    reel_tape *tape = s->tape;
    if (tape->status) {
        return;
    }
    tape->message[0] = '\0';
    append_place(tape, s->at);
    append(tape, "%s: ", s->op->name);
    size_t used = strlen(tape->message);
    va_list args;
    va_start(args, format);
    vsnprintf(tape->message + used, sizeof tape->message - used, format, args);
    va_end(args);
    if (s->origin) {
        append(tape, ", in the gradient of %s", reel__slot_at(tape, s->origin - 1)->op->name);
    }
    append_scope(tape, s->scope);
    raise(tape, status);
}

reel_node *reel__fail_dead(reel_tape *tape, const char *at, const char *who, const reel_node *x)
{
    const reel__slot *s = reel__slot_of(x);
    if (!s || s == &nowhere) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at, "%s: a node is NULL", who);
    }
    if (s == &zero) {
        return reel__fail(tape, REEL_ERR_ARGUMENT, at,
                          "%s: reel_zero_gradient() is for gradient rules to return", who);
    }
    if (s->flags & REEL__ERROR) {
        return reel__fail(tape ? tape : s->tape, REEL_ERR_ARGUMENT, at,
                          "%s: a node is the error node of an earlier recording", who);
    }
    return reel__fail(tape ? tape : s->tape, REEL_ERR_STALE, at,
                      "%s: a node was kept over a reset of its tape", who);
}

reel_node *reel_tape_fail(reel_tape *tape, const char *at, reel_status status, const char *format,
                          ...)
{
    char text[REEL__MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return reel__fail(tape, status ? status : REEL_ERR_ARGUMENT, at, "%s", text);
}

reel_node *reel_node_fail(const char *at, reel_node *x, reel_status status, const char *format, ...)
{
    char text[REEL__MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const reel__slot *s = reel__slot_of(x);
    return reel__fail(s ? s->tape : NULL, status ? status : REEL_ERR_ARGUMENT, at, "%s", text);
}

reel_status reel_tape_status(reel_tape *tape)
{
    if (!tape) {
        return REEL_ERR_MEMORY;
    }
    tape->error_read = true;
    return tape->status;
}

const char *reel_tape_message(reel_tape *tape)
{
    if (!tape) {
        return "no tape: memory is out, or a node is NULL";
    }
    tape->error_read = true;
    return tape->status ? tape->message : "";
}

void reel_print_and_exit(void *context, reel_status status, const char *message)
{
    (void)context;
    (void)status;
    fprintf(stderr, "%s\n", message);
    exit(1);
}

const char *reel_status_name(reel_status status)
{
    switch (status) {
    case REEL_OK:
        return "success";
    case REEL_ERR_MEMORY:
        return "out of memory";
    case REEL_ERR_ARGUMENT:
        return "bad argument";
    case REEL_ERR_SHAPE:
        return "shapes or types do not fit";
    case REEL_ERR_STALE:
        return "outdated node or weight";
    case REEL_ERR_NAN:
        return "not a number";
    case REEL_ERR_GRADIENT:
        return "no gradient";
    case REEL_ERR_VALUE:
        return "value out of range";
    case REEL_ERR_FILE:
        return "file cannot be accessed";
    case REEL_ERR_FORMAT:
        return "malformed file";
    case REEL_ERR_PROGRAM:
        return "program missing or failed";
    }
    return "unknown status";
}
