/* Job: gradient flow through an unroll: norms of the derivatives at every step, and the report.
 * Invariant: a report that has an error holds no figures. Must not know: what any cell computes,
 * nor how a picture is made (flow_plot.c). */
#include "flow.h"
#include <reel/op.h>
#include <reel/tape.h>

#include <math.h>
#include <string.h>

#include "memory.h"

/* States by step */

static void fill_states(reel_node *error, int n, int64_t T, reel_state *state, reel_node **y)
{
    for (int64_t t = 0; t < T; t++) {
        y[t] = error;
        state[t + 1].n = n;
        for (int i = 0; i < n; i++) {
            state[t + 1].v[i] = error;
        }
    }
}

reel_status reel_flow_unroll_at(const char *at, reel_cell *cell, int64_t T, reel_node *const *x,
                                reel_state *state, reel_node **y)
{
    if (T == 0) {
        return REEL_OK;
    }
    reel_tape *tape = T > 0 && x ? reel_node_tape(x[0]) : NULL;
    if (T < 0 || !x || !state || !y) {
        reel_tape_fail(tape, at, REEL_ERR_ARGUMENT,
                       "reel_flow_unroll: T = %lld with NULL or negative arguments", (long long)T);
        return REEL_ERR_ARGUMENT;
    }
    for (int64_t t = 0; t < T; t++) {
        state[t + 1] = state[t];
        y[t] = reel_step_once_at(at, cell, t, x[t], &state[t + 1]);
    }
    reel_status status = tape ? reel_tape_status(tape) : REEL_ERR_ARGUMENT;
    if (status) {
        int n = cell ? reel_cell_states(cell) : 0;
        fill_states(y[T - 1], n < REEL_MAX_STATES ? n : REEL_MAX_STATES, T, state, y);
    }
    return status;
}

/* Norms */

/* Scaled, so that the squares of what has nearly vanished do not. */
double reel__norm(const reel_node *x, const void *data)
{
    int64_t n = reel_node_size(x);
    bool wide = reel_node_dtype(x) == REEL_F64;
    double scale = 0, sum = 1;
    for (int64_t i = 0; i < n; i++) {
        double v = fabs(wide ? ((const double *)data)[i] : (double)((const float *)data)[i]);
        if (isnan(v)) {
            return NAN;
        }
        if (isinf(v)) {
            return INFINITY;
        }
        if (v > scale) {
            sum = 1 + sum * (scale / v) * (scale / v);
            scale = v;
        } else if (v > 0) {
            sum += (v / scale) * (v / scale);
        }
    }
    return scale * sqrt(sum);
}

static reel_status check_states(const char *at, reel_node *loss, int64_t n, const reel_state *state)
{
    reel_tape *tape = reel_node_tape(loss);
    int per_step = state ? state[0].n : 0;
    if (n < 1 || !state || per_step < 1 || per_step > REEL_MAX_STATES) {
        reel_tape_fail(tape, at, REEL_ERR_ARGUMENT,
                       "reel_flow: %lld steps of %d states: expected 1 or more of 1 to %d",
                       (long long)n, per_step, REEL_MAX_STATES);
        return REEL_ERR_ARGUMENT;
    }
    for (int64_t t = 1; t < n; t++) {
        if (state[t].n != per_step) {
            reel_tape_fail(tape, at, REEL_ERR_ARGUMENT,
                           "reel_flow: step %lld has %d states: expected %d, as step 0",
                           (long long)t, state[t].n, per_step);
            return REEL_ERR_ARGUMENT;
        }
    }
    return REEL_OK;
}

/* With room for all states of all steps, in the order of `norm`. */
static reel_status measure_nodes(const char *at, reel_node *loss, int64_t n,
                                 const reel_state *state, reel_node **x, const void **data,
                                 double *norm)
{
    size_t count = 0;
    for (int i = 0; i < state[0].n; i++) {
        for (int64_t t = 0; t < n; t++) {
            x[count++] = state[t].v[i];
        }
    }
    reel_status status = reel_gradients_at(at, loss, count, x, data);
    for (size_t k = 0; !status && k < count; k++) {
        norm[k] = reel__norm(x[k], data[k]);
    }
    return status;
}

reel_status reel_flow_norms_at(const char *at, reel_node *loss, int64_t n, const reel_state *state,
                               double *norm)
{
    reel_tape *tape = reel_node_tape(loss);
    reel_status status = check_states(at, loss, n, state);
    if (status) {
        return status;
    }
    if (!norm) {
        reel_tape_fail(tape, at, REEL_ERR_ARGUMENT, "reel_flow_norms: the list of norms is NULL");
        return REEL_ERR_ARGUMENT;
    }
    size_t per_step = (size_t)state[0].n;
    reel_node **x = reel__reallocarray(NULL, (size_t)n, per_step * sizeof *x);
    const void **data = reel__reallocarray(NULL, (size_t)n, per_step * sizeof *data);
    if (x && data) {
        status = measure_nodes(at, loss, n, state, x, data, norm);
    } else {
        reel_tape_fail(tape, at, REEL_ERR_MEMORY, "reel_flow_norms: out of memory");
        status = REEL_ERR_MEMORY;
    }
    reel__free(x);
    reel__free(data);
    return status;
}

/* The report */

void reel_flow_free(reel_flow *flow)
{
    if (!flow) {
        return;
    }
    reel__free(flow->norm);
    reel__free(flow->weight);
    *flow = (reel_flow){.name = flow->name};
}

static reel_status fail(reel_flow *flow, reel_status status, const char *message)
{
    reel_flow_free(flow);
    flow->status = status;
    snprintf(flow->message, sizeof flow->message, "%s", message);
    return status;
}

static bool recurrent(const reel_param *p)
{
    return reel_name_matches("*weight_hh*", reel_param_name(p)) && reel_param_blocks(p) > 0 &&
           (reel_param_blocks(p) > 1 || reel_param_shape(p).dim[0] == reel_param_shape(p).dim[1]);
}

static int count_blocks(const reel_params *ps)
{
    int64_t n = 0;
    for (size_t i = 0; ps && i < reel_params_count(ps); i++) {
        const reel_param *p = reel_params_at(ps, i);
        n += recurrent(p) ? reel_param_blocks(p) : 0;
    }
    return (int)n;
}

static reel_status measure_weights(reel_flow *flow, reel_params *ps)
{
    int n = count_blocks(ps), filled = 0;
    if (!n) {
        return REEL_OK;
    }
    flow->weight = reel__calloc((size_t)n, sizeof *flow->weight);
    if (!flow->weight) {
        return fail(flow, REEL_ERR_MEMORY, "reel_flow_measure: out of memory");
    }
    for (size_t i = 0; i < reel_params_count(ps); i++) {
        const reel_param *p = reel_params_at(ps, i);
        int64_t blocks = recurrent(p) ? reel_param_blocks(p) : 0;
        for (int64_t k = 0; k < blocks; k++) {
            reel_flow_weight *w = &flow->weight[filled++];
            w->singular = reel_param_singular(p, k);
            w->radius = reel_param_radius(p, k);
            snprintf(w->name, sizeof w->name, blocks > 1 ? "%s[%lld]" : "%s", reel_param_name(p),
                     (long long)k);
            if (reel_params_status(ps)) {
                return fail(flow, reel_params_status(ps), reel_params_message(ps));
            }
        }
    }
    flow->weights = filled;
    return REEL_OK;
}

reel_status reel_flow_measure_at(const char *at, reel_flow *flow, reel_node *loss, int64_t n,
                                 const reel_state *state, reel_params *ps)
{
    if (!flow) {
        reel_tape_fail(reel_node_tape(loss), at, REEL_ERR_ARGUMENT,
                       "reel_flow_measure: the report is NULL");
        return REEL_ERR_ARGUMENT;
    }
    reel_flow_free(flow);
    reel_tape *tape = reel_node_tape(loss);
    reel_status status = check_states(at, loss, n, state);
    if (!status) {
        flow->states = state[0].n;
        flow->steps = n;
        flow->norm = reel__reallocarray(NULL, (size_t)n, (size_t)flow->states * sizeof *flow->norm);
        if (!flow->norm) {
            return fail(flow, REEL_ERR_MEMORY, "reel_flow_measure: out of memory");
        }
        status = reel_flow_norms_at(at, loss, n, state, flow->norm);
    }
    if (status) {
        return fail(flow, status, tape ? reel_tape_message(tape) : "the loss is no node");
    }
    return measure_weights(flow, ps);
}

/* States are called as by convention: h, then c; those of a stack by their number. */
const char *reel__flow_state_name(const reel_flow *flow, int i, char *text, size_t n)
{
    static const char *const common[] = {"h", "c"};
    if (flow->states <= 2) {
        return common[i];
    }
    snprintf(text, n, "s%d", i);
    return text;
}

static void print_norms(const reel_flow *flow, FILE *out)
{
    enum { ROWS = 20 };
    char head[32], name[16];
    fprintf(out, "%8s %8s", "t", "T - t");
    for (int i = 0; i < flow->states; i++) {
        snprintf(head, sizeof head, "|dL/d%s|", reel__flow_state_name(flow, i, name, sizeof name));
        fprintf(out, " %12s", head);
    }
    fputc('\n', out);
    int64_t last = flow->steps - 1, rows = flow->steps < ROWS ? flow->steps : ROWS + 1;
    for (int64_t r = 0; r < rows; r++) {
        int64_t t = rows > 1 ? last * r / (rows - 1) : 0;
        fprintf(out, "%8lld %8lld", (long long)t, (long long)(last - t));
        for (int i = 0; i < flow->states; i++) {
            fprintf(out, " %12.4g", flow->norm[i * flow->steps + t]);
        }
        fputc('\n', out);
    }
}

reel_status reel_flow_print(const reel_flow *flow, FILE *out)
{
    if (!flow || !out) {
        return REEL_ERR_ARGUMENT;
    }
    if (flow->name) {
        fprintf(out, "%s\n", flow->name);
    }
    if (flow->status) {
        fprintf(out, "%s\n", flow->message);
    } else if (flow->norm) {
        print_norms(flow, out);
    }
    if (flow->weights) {
        fprintf(out, "%-32s %12s %12s\n", "weight", "singular", "radius");
    }
    for (int i = 0; i < flow->weights; i++) {
        const reel_flow_weight *w = &flow->weight[i];
        fprintf(out, "%-32s %12.6g %12.6g\n", w->name, w->singular, w->radius);
    }
    return fflush(out) || ferror(out) ? REEL_ERR_FILE : REEL_OK;
}
