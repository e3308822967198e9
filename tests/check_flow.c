/* Gradient flow: norms against closed forms and against losses that were moved, singular values and
 * spectral radii against matrices whose own are known, the report, and what is said of bad input.
 */
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "suite.h"

enum { H = 7, B = 3, T = 12 };

static reel_tape *tape;
static reel_params *ps;
static reel_random r;

static void setup(void)
{
    tape = reel_tape_new(1, .dtype = REEL_F64);
    ps = reel_params_new(REEL_F64, 3);
    r = reel_random_new(5, 0);
}

static void teardown(void)
{
    reel_tape_free(tape);
    reel_params_free(ps);
}

static void close_by(double have, double want, double tolerance)
{
    ck_assert_msg(fabs(have - want) <= tolerance * fabs(want), "%.17g: expected %.17g", have, want);
}

static reel_node *random_leaf(int64_t rows, int64_t cols)
{
    double v[B * H * H];
    for (int64_t i = 0; i < rows * cols; i++) {
        v[i] = reel_random_normal(&r);
    }
    return reel_input(tape, REEL_F64, v, reel_dims(rows, cols));
}

/* Matrices */

/* a [n, n] multiplied from the left by the reflection 1 - 2 u uᵀ/‖u‖² of a random u, or by its
 * transpose from the right. */
static void reflect(int n, double *a, bool right)
{
    double u[32], length = 0;
    for (int i = 0; i < n; i++) {
        u[i] = reel_random_normal(&r);
        length += u[i] * u[i];
    }
    int step = right ? 1 : n, other = right ? n : 1;
    for (int j = 0; j < n; j++) {
        double dot = 0;
        for (int i = 0; i < n; i++) {
            dot += u[i] * a[i * step + j * other];
        }
        for (int i = 0; i < n; i++) {
            a[i * step + j * other] -= 2 * dot / length * u[i];
        }
    }
}

START_TEST(singular_values_of_orthogonal_times_diagonal)
{
    static const double gap[] = {0.5, 1 - 1e-3, 1 - 1e-8, 1};
    for (int k = 0; k < 4; k++) {
        double a[32 * 32] = {0};
        for (int i = 0; i < 32; i++) {
            a[i * 33] = 3.25 * (i == 17 ? 1 : i == 4 ? gap[k] : 0.3);
        }
        for (int i = 0; i < 32; i++) {
            reflect(32, a, false);
            reflect(32, a, true);
        }
        close_by(reel_matrix_singular(32, 32, a), 3.25, 1e-12);
    }
}
END_TEST

START_TEST(singular_values_of_oblong_and_extreme_matrices)
{
    /* aᵀa = [[25, 20], [20, 25]] has the eigenvalues 45 and 5 */
    double a[] = {3, 0, 4, 5}, row[] = {3, 4, 12}, wide[] = {3, 0, 0, 4, 5, 0};
    close_by(reel_matrix_singular(2, 2, a), sqrt(45), 1e-14);
    close_by(reel_matrix_singular(1, 3, row), 13, 1e-14);
    close_by(reel_matrix_singular(3, 1, row), 13, 1e-14);
    close_by(reel_matrix_singular(2, 3, wide), sqrt(45), 1e-14);
    for (int i = 0; i < 4; i++) {
        a[i] *= 1e-250;
    }
    close_by(reel_matrix_singular(2, 2, a), sqrt(45) * 1e-250, 1e-14);
    for (int i = 0; i < 4; i++) {
        a[i] = a[i] * 1e250 * 1e200;
    }
    close_by(reel_matrix_singular(2, 2, a), sqrt(45) * 1e200, 1e-14);
    ck_assert(reel_matrix_singular(0, 3, a) == 0);
    ck_assert(reel_matrix_singular(2, 2, (double[4]){0}) == 0);
    ck_assert(isnan(reel_matrix_singular(2, 2, (double[]){1, NAN, 2, 3})));
    ck_assert(isnan(reel_matrix_singular(2, 2, (double[]){1, 2, INFINITY, 3})));
}
END_TEST

START_TEST(spectral_radii)
{
    /* λ² - 1.2 λ + 0.85: a complex pair of modulus √0.85 */
    close_by(reel_matrix_radius(2, (double[]){1.2, -0.85, 1, 0}), sqrt(0.85), 1e-11);
    close_by(reel_matrix_radius(2, (double[]){0, 2, 8, 0}), 4, 1e-11);        /* ±4 */
    close_by(reel_matrix_radius(2, (double[]){0.9, 1e3, 0, 0.9}), 0.9, 1e-9); /* defective */
    close_by(reel_matrix_radius(3, (double[]){-2, 5, 1, 0, 1, 7, 0, 0, 1.5}), 2, 1e-11);
    ck_assert(reel_matrix_radius(2, (double[]){0, 1, 0, 0}) == 0);
    ck_assert(reel_matrix_radius(0, NULL) == 0);
    ck_assert(isnan(reel_matrix_radius(1, (double[]){NAN})));
    double q[16 * 16] = {0};
    for (int i = 0; i < 16; i++) {
        q[i * 17] = 1;
    }
    for (int i = 0; i < 15; i++) {
        reflect(16, q, false);
    }
    close_by(reel_matrix_radius(16, q), 1, 1e-11);
}
END_TEST

static reel_param *stacked(void)
{
    reel_param *p = reel_params_get(ps, "net.weight_hh_l0", reel_dims(3 * H, H),
                                    (reel_init){REEL_INIT_NORMAL, 0, 1}, 3);
    ck_assert_ptr_nonnull(p);
    return p;
}

START_TEST(blocks_are_scaled_one_by_one)
{
    reel_param *p = stacked();
    ck_assert_int_eq(reel_param_blocks(p), 3);
    double before[3 * H * H], after[3 * H * H];
    ck_assert_int_eq(reel_param_read(p, before, 3 * H * H), REEL_OK);
    double other = reel_param_singular(p, 2);
    close_by(reel_param_singular(p, 1), reel_matrix_singular(H, H, before + H * H), 1e-14);
    ck_assert_int_eq(reel_param_set_singular(p, 1, 1.25), REEL_OK);
    close_by(reel_param_singular(p, 1), 1.25, 1e-12);
    ck_assert(reel_param_singular(p, 2) == other);
    ck_assert_int_eq(reel_param_read(p, after, 3 * H * H), REEL_OK);
    for (int i = 0; i < 3 * H * H; i++) {
        double factor = after[H * H] / before[H * H];
        bool inside = i >= H * H && i < 2 * H * H;
        ck_assert(fabs(after[i] - before[i] * (inside ? factor : 1)) <= 1e-14);
    }
    ck_assert_int_eq(reel_param_set_singular(p, 0, 0), REEL_OK);
    ck_assert(reel_param_singular(p, 0) == 0 && reel_param_radius(p, 0) == 0);
}
END_TEST

static void expect_set(const char *text)
{
    ck_assert_msg(strstr(reel_params_message(ps), text) != NULL, "'%s' lacks '%s'",
                  reel_params_message(ps), text);
    reel_params_clear_error(ps);
}

START_TEST(bad_weights)
{
    reel_param *p = stacked();
    ck_assert(isnan(reel_param_singular(p, 3)));
    expect_set("block 3 of weight 'net.weight_hh_l0': expected a block from 0 to 2");
    ck_assert(isnan(reel_param_radius(p, -1)));
    expect_set("block -1 of weight");
    ck_assert_int_eq(reel_param_set_singular(p, 0, -1), REEL_ERR_ARGUMENT);
    expect_set("expected a finite value of 0 or more");
    ck_assert_int_eq(reel_param_set_singular(p, 0, NAN), REEL_ERR_ARGUMENT);
    expect_set("expected a finite value of 0 or more");
    ck_assert_int_eq(reel_param_set_singular(p, 0, 0), REEL_OK);
    ck_assert_int_eq(reel_param_set_singular(p, 0, 1), REEL_ERR_VALUE);
    expect_set("expected an element that is not 0");
    ((double *)reel_param_change(p))[2 * H * H] = INFINITY;
    ck_assert(isnan(reel_param_singular(p, 2)));
    expect_set("block 2 of weight 'net.weight_hh_l0': expected finite elements");
    reel_param *bias = reel_params_get(ps, "bias", reel_dims(4), (reel_init){0}, 1);
    ck_assert_int_eq(reel_param_blocks(bias), 0);
    ck_assert(isnan(reel_param_singular(bias, 0)));
    expect_set("expected a weight that is a matrix");
    reel_param *oblong = reel_params_get(ps, "oblong", reel_dims(3, 5), (reel_init){0}, 1);
    ck_assert(reel_param_singular(oblong, 0) > 0);
    ck_assert(isnan(reel_param_radius(oblong, 0)));
    expect_set("expected a square matrix");
    ck_assert(isnan(reel_param_singular(NULL, 0)) && isnan(reel_param_radius(NULL, 0)));
    ck_assert_int_eq(reel_param_set_singular(NULL, 0, 1), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_param_blocks(NULL), 0);
}
END_TEST

/* Norms */

static reel_node *linear(reel_cell *c, reel_node *x, reel_state *s)
{
    return s->v[0] = reel_gate(c, "h", x, s->v[0]);
}

/* h_t = W h_{t-1} + U x_t + b: a cotangent g at h_T is (Wᵀ)^(T-t) g at h_t, to 1e-12 of it. */
START_TEST(linear_network_passes_powers_of_the_weight)
{
    reel_cell *cell = reel_cell_new(ps, "net", linear, .in = 2, .hidden = H);
    reel_node *x[T], *y[T];
    for (int t = 0; t < T; t++) {
        x[t] = random_leaf(B, 2);
    }
    reel_state s[T + 1] = {{.n = 1, .v = {random_leaf(B, H)}}};
    ck_assert_int_eq(reel_flow_unroll(cell, T, x, s, y), REEL_OK);
    reel_param *W = reel_params_find(ps, "net.weight_hh_h");
    double w[H * H], g[B * H], norm[T + 1];
    for (int i = 0; i < H * H; i++) {
        w[i] = reel_random_normal(&r) / 2;
    }
    reel_node *cotangent = random_leaf(B, H);
    ck_assert_int_eq(reel_param_write(W, w, H * H), REEL_OK);
    ck_assert_int_eq(reel_read(cotangent, g, B * H), REEL_OK);
    reel_tape_reset(tape);
    for (int t = 0; t < T; t++) {
        x[t] = random_leaf(B, 2);
    }
    s[0].v[0] = random_leaf(B, H);
    ck_assert_int_eq(reel_flow_unroll(cell, T, x, s, y), REEL_OK);
    cotangent = reel_input(tape, REEL_F64, g, reel_dims(B, H));
    reel_node *h[T + 1], *dh[T + 1];
    for (int t = 0; t <= T; t++) {
        h[t] = s[t].v[0];
    }
    ck_assert_int_eq(reel_vjp(1, &h[T], &cotangent, T + 1, h, dh), REEL_OK);
    reel_node *loss = reel_sum(reel_mul(s[T].v[0], cotangent));
    ck_assert_int_eq(reel_flow_norms(loss, T + 1, s, norm), REEL_OK);
    for (int t = T; t >= 0; t--) {
        double have[B * H], length = 0, next[B * H] = {0};
        ck_assert_int_eq(reel_read(dh[t], have, B * H), REEL_OK);
        for (int i = 0; i < B * H; i++) {
            length += g[i] * g[i];
        }
        for (int i = 0; i < B * H; i++) {
            ck_assert(fabs(have[i] - g[i]) <= 1e-12 * sqrt(length));
        }
        close_by(norm[t], sqrt(length), 1e-12);
        for (int b = 0; b < B; b++) { /* a row g becomes g W, which is Wᵀ times it as a column */
            for (int i = 0; i < H; i++) {
                for (int j = 0; j < H; j++) {
                    next[b * H + j] += g[b * H + i] * w[i * H + j];
                }
            }
        }
        memcpy(g, next, sizeof g);
    }
    reel_cell_free(cell);
}
END_TEST

static reel_cell *two_layers(void)
{
    reel_cell_args args = {
        .params = ps, .name = "net", .type = &reel_lstm, .in = 2, .hidden = H, .at = REEL_HERE};
    return reel_layers_with(&args, 2, 0);
}

/* The same values as the driver's own unroll. */
START_TEST(unrolled_as_by_the_driver)
{
    reel_cell *cell = two_layers();
    double sum[2], state[2];
    for (int way = 0; way < 2; way++) {
        reel_tape_reset(tape);
        r = reel_random_new(9, 1);
        reel_node *x[T], *y[T];
        for (int t = 0; t < T; t++) {
            x[t] = random_leaf(B, 2);
        }
        reel_state s[T + 1] = {reel_state_zero(tape, cell, B)};
        ck_assert_int_eq(way ? reel_flow_unroll(cell, T, x, s, y) : reel_unroll(cell, T, x, s, y),
                         REEL_OK);
        ck_assert_int_eq(reel_scalar(reel_sum(y[T - 1]), &sum[way]), REEL_OK);
        ck_assert_int_eq(reel_scalar(reel_sum(s[way ? T : 0].v[1]), &state[way]), REEL_OK);
    }
    close_by(sum[1], sum[0], 1e-12);
    close_by(state[1], state[0], 1e-12);
    reel_cell_free(cell);
}
END_TEST

/* What `memory` below adds to state i at step t: e d. */
typedef struct move {
    int t, i, now;
    const double *d;
    double e;
} move;

static reel_node *moved(reel_cell *cell, reel_node *v, int i)
{
    const move *m = reel_cell_context(cell);
    if (m->now != m->t || m->i != i) {
        return v;
    }
    double step[B * H];
    for (int k = 0; k < B * H; k++) {
        step[k] = m->e * m->d[k];
    }
    return reel_add(v, reel_input(tape, REEL_F64, step, reel_dims(B, H)));
}

/* A memory behind a forget gate, and a hidden state that shows it. */
static reel_node *memory(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_node *f = reel_sigmoid(reel_gate(cell, "f", x, s->v[0]));
    reel_node *g = reel_tanh(reel_gate(cell, "g", x, s->v[0]));
    s->v[1] = moved(cell, reel_add(reel_mul(f, s->v[1]), g), 1);
    return s->v[0] = moved(cell, reel_tanh(s->v[1]), 0);
}

/* Σ_t h_t ⊙ R_t over T steps. */
static reel_node *loss_of(reel_cell *cell, move *m, reel_state *s)
{
    reel_tape_reset(tape);
    r = reel_random_new(11, 1);
    reel_node *loss = reel_number(tape, 0);
    s[0] = reel_state_zero(tape, cell, B);
    for (int t = 0; t < T; t++) {
        s[t + 1] = s[t];
        m->now = t + 1;
        reel_node *h = reel_step_once(cell, t, random_leaf(B, 2), &s[t + 1]);
        loss = reel_add(loss, reel_sum(reel_mul(h, random_leaf(B, H))));
    }
    return loss;
}

START_TEST(norms_are_slopes_of_the_loss)
{
    enum { N = 2 * (T + 1) };
    move m = {.t = -1};
    reel_cell *cell =
        reel_cell_new(ps, "net", memory, .in = 2, .hidden = H, .states = 2, .context = &m);
    reel_state s[T + 1];
    reel_node *loss = loss_of(cell, &m, s), *x[N];
    double norm[N], direction[N][B * H];
    const void *data[N];
    for (int k = 0; k < N; k++) {
        x[k] = s[k % (T + 1)].v[k / (T + 1)];
    }
    ck_assert_int_eq(reel_flow_norms(loss, T + 1, s, norm), REEL_OK);
    ck_assert_int_eq(reel_gradients(loss, N, x, data), REEL_OK);
    for (int k = 0; k < N; k++) {
        for (int i = 0; i < B * H; i++) {
            direction[k][i] = ((const double *)data[k])[i] / norm[k];
        }
    }
    for (int k = 0; k < N; k++) {
        double e = 2e-4, f[4];
        m = (move){.t = k % (T + 1), .i = k / (T + 1), .d = direction[k]};
        for (int n = 0; n < 4 && m.t > 0; n++) {
            m.e = (n < 2 ? n - 2 : n - 1) * e;
            ck_assert_int_eq(reel_scalar(loss_of(cell, &m, s), &f[n]), REEL_OK);
        }
        if (m.t > 0) {
            close_by((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * e), norm[k], 1e-8);
        }
    }
    reel_cell_free(cell);
}
END_TEST

START_TEST(norms_in_f32_and_of_what_has_nearly_vanished)
{
    reel_tape *narrow = reel_tape_new(1);
    reel_node *h = reel_input(narrow, REEL_F32, ((float[]){1, 2}), reel_dims(1, 2));
    double norm = 0;
    reel_node *w = reel_input(narrow, REEL_F32, ((float[]){3e-30F, 4e-30F}), reel_dims(1, 2));
    ck_assert_int_eq(
        reel_flow_norms(reel_sum(reel_mul(h, w)), 1, &(reel_state){.n = 1, .v = {h}}, &norm),
        REEL_OK);
    close_by(norm, 5e-30, 1e-6);
    reel_tape_free(narrow);
    h = reel_input(tape, REEL_F64, ((double[]){1, 2}), reel_dims(1, 2));
    w = reel_input(tape, REEL_F64, ((double[]){3e-200, 4e-200}), reel_dims(1, 2));
    ck_assert_int_eq(
        reel_flow_norms(reel_sum(reel_mul(h, w)), 1, &(reel_state){.n = 1, .v = {h}}, &norm),
        REEL_OK);
    close_by(norm, 5e-200, 1e-14);
}
END_TEST

/* The report */

static void make_report(reel_flow *flow)
{
    reel_cell *cell = reel_cell_of(ps, "net", &reel_lstm, .in = 2, .hidden = H);
    reel_node *x[T], *y[T];
    for (int t = 0; t < T; t++) {
        x[t] = random_leaf(B, 2);
    }
    reel_state s[T + 1] = {reel_state_zero(tape, cell, B)};
    ck_assert_int_eq(reel_flow_unroll(cell, T, x, s, y), REEL_OK);
    ck_assert_int_eq(reel_flow_measure(flow, reel_sum(y[T - 1]), T + 1, s, ps), REEL_OK);
    double norm[2 * (T + 1)];
    ck_assert_int_eq(reel_flow_norms(reel_sum(y[T - 1]), T + 1, s, norm), REEL_OK);
    ck_assert(memcmp(norm, flow->norm, sizeof norm) == 0);
    reel_cell_free(cell);
}

START_TEST(report_holds_norms_and_gates)
{
    reel_flow flow = {.name = "an LSTM"};
    make_report(&flow);
    ck_assert_int_eq(flow.states, 2);
    ck_assert_int_eq(flow.steps, T + 1);
    ck_assert_int_eq(flow.weights, 4);
    ck_assert_str_eq(flow.weight[3].name, "net.weight_hh_l0[3]");
    close_by(flow.weight[1].singular, 1, 1e-12); /* gates start orthogonal */
    close_by(flow.weight[1].radius, 1, 1e-11);
    close_by(flow.norm[T], sqrt(B * H), 1e-14);
    char text[8192] = "";
    FILE *out = tmpfile();
    ck_assert_int_eq(reel_flow_print(&flow, out), REEL_OK);
    rewind(out);
    ck_assert(fread(text, 1, sizeof text - 1, out) > 0);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "an LSTM\n"));
    ck_assert_ptr_nonnull(strstr(text, "|dL/dh|      |dL/dc|\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n      12        0        4.583 "));
    ck_assert_ptr_nonnull(strstr(text, "net.weight_hh_l0[3]"));
    reel_flow_free(&flow);
    ck_assert(flow.norm == NULL && flow.steps == 0);
    ck_assert_str_eq(flow.name, "an LSTM");
    reel_flow_free(NULL);
}
END_TEST

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

START_TEST(plots)
{
    reel_flow flow[2] = {{.name = "it's one"}, {.name = "two"}};
    make_report(&flow[0]);
    make_report(&flow[1]);
    folder f = folder_make();
    char path[FOLDER_PATH], script[FOLDER_PATH];
    ck_assert_int_eq(reel_flow_plot(folder_file(&f, path, "flow.gp"), 2, flow), REEL_OK);
    char *text = file_text(path);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "title 'it''s one, h'"));
    ck_assert_ptr_nonnull(strstr(text, "$flow1 using 1:3"));
    ck_assert_ptr_nonnull(strstr(text, "\n12 "));
    free(text);
    folder_file(&f, path, "flow.svg");
    folder_file(&f, script, "flow.svg.gp");
    reel_status status = reel_flow_plot(path, 2, flow);
    ck_assert(status == REEL_OK || status == REEL_ERR_PROGRAM);
    ck_assert_int_eq(exists(path), status == REEL_OK);
    ck_assert_int_eq(exists(script), status != REEL_OK);
    remove(path);
    ck_assert_int_eq(setenv("PATH", f.path, 1), 0);
    ck_assert_int_eq(reel_flow_plot(path, 2, flow), REEL_ERR_PROGRAM);
    ck_assert_ptr_nonnull(strstr(flow[0].message, "gnuplot"));
    ck_assert(exists(script) && !exists(path));
    folder_file(&f, path, "none/flow.svg");
    ck_assert_int_eq(reel_flow_plot(path, 1, flow), REEL_ERR_FILE);
    ck_assert_ptr_nonnull(strstr(flow[0].message, path));
    ck_assert_int_eq(reel_flow_plot("flow.jpeg", 1, flow), REEL_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(flow[0].message, "'flow.jpeg': expected"));
    ck_assert_int_eq(reel_flow_plot("flow.gp", 1, &(reel_flow){0}), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_flow_plot(NULL, 1, flow), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_flow_plot(path, 0, NULL), REEL_ERR_ARGUMENT);
    folder_remove(&f);
    reel_flow_free(&flow[0]);
    reel_flow_free(&flow[1]);
}
END_TEST

static void expect_tape(const char *text)
{
    ck_assert_msg(strstr(reel_tape_message(tape), text) != NULL, "'%s' lacks '%s'",
                  reel_tape_message(tape), text);
    reel_tape_reset(tape);
}

START_TEST(bad_calls)
{
    double norm[8];
    reel_flow flow = {0};
    reel_node *h = random_leaf(B, H);
    reel_state s[2] = {{.n = 1, .v = {h}}, {.n = 2, .v = {h, h}}};
    ck_assert_int_eq(reel_flow_norms(reel_sum(h), 2, s, norm), REEL_ERR_ARGUMENT);
    expect_tape("step 1 has 2 states: expected 1, as step 0");
    h = random_leaf(B, H);
    ck_assert_int_eq(reel_flow_norms(reel_sum(h), 0, s, norm), REEL_ERR_ARGUMENT);
    expect_tape("0 steps of 1 states");
    s[0].v[0] = h = random_leaf(B, H);
    ck_assert_int_eq(reel_flow_norms(reel_sum(h), 1, s, NULL), REEL_ERR_ARGUMENT);
    expect_tape("the list of norms is NULL");
    s[0].v[0] = h = random_leaf(B, H);
    ck_assert(reel_flow_norms(h, 1, s, norm) != REEL_OK);
    expect_tape("expected one real element");
    ck_assert(reel_flow_norms(reel_sum(random_leaf(B, H)), 1, s, norm) == REEL_ERR_STALE);
    expect_tape("a node was kept over a reset");
    h = random_leaf(B, H);
    ck_assert_int_eq(reel_flow_measure(NULL, reel_sum(h), 1, s, NULL), REEL_ERR_ARGUMENT);
    expect_tape("the report is NULL");
    h = random_leaf(B, H);
    ck_assert_int_eq(reel_flow_measure(&flow, reel_sum(h), 1, NULL, NULL), REEL_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(flow.message, "expected 1 or more"));
    ck_assert(flow.norm == NULL && flow.status == REEL_ERR_ARGUMENT);
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_flow_measure(&flow, NULL, 1, s, NULL), REEL_ERR_ARGUMENT);
    ck_assert_str_eq(flow.message, "the loss is no node");
    ck_assert_int_eq(reel_flow_print(NULL, stdout), REEL_ERR_ARGUMENT);

    reel_cell *cell = reel_cell_of(ps, "net", &reel_rnn, .in = 2, .hidden = H);
    reel_node *x[2] = {random_leaf(B, 2), random_leaf(B, 5)}, *y[2];
    reel_state state[3] = {reel_state_zero(tape, cell, B)};
    ck_assert_int_eq(reel_flow_unroll(cell, 2, x, state, y), REEL_ERR_SHAPE);
    ck_assert(y[0] == y[1] && state[2].n == 1 && state[2].v[0] == y[0]);
    reel_tape_reset(tape);
    ck_assert_int_eq(reel_flow_unroll(cell, 2, NULL, state, y), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_flow_unroll(cell, 0, NULL, state, y), REEL_OK);
    x[0] = random_leaf(B, 2);
    ck_assert_int_eq(reel_flow_unroll(cell, 1, x, NULL, y), REEL_ERR_ARGUMENT);
    expect_tape("NULL or negative");
    x[0] = random_leaf(B, 2);
    ck_assert_int_eq(reel_flow_unroll(NULL, 1, x, state, y), REEL_ERR_ARGUMENT);
    expect_tape("the cell is NULL");
    reel_cell_free(cell);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("flow");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, singular_values_of_orthogonal_times_diagonal);
    tcase_add_test(c, singular_values_of_oblong_and_extreme_matrices);
    tcase_add_test(c, spectral_radii);
    tcase_add_test(c, blocks_are_scaled_one_by_one);
    tcase_add_test(c, bad_weights);
    tcase_add_test(c, linear_network_passes_powers_of_the_weight);
    tcase_add_test(c, unrolled_as_by_the_driver);
    tcase_add_test(c, norms_are_slopes_of_the_loss);
    tcase_add_test(c, norms_in_f32_and_of_what_has_nearly_vanished);
    tcase_add_test(c, report_holds_norms_and_gates);
    tcase_add_test(c, plots);
    tcase_add_test(c, bad_calls);
    Suite *suite = suite_create("flow");
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
