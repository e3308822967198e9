/* Training speed of a character model: 2x128 LSTM, embedding of size 128, Adam, global-norm clip 5,
 * seq 50, batch 50, f32, one core, the state carried. Prints the median chars/s over chunks and, in
 * the same run, what large and small matrix products reach. The text is random: the work does not
 * depend on it. */
#include <reel/reel.h>

#include "bench.h"

enum { LAYERS = 2, HIDDEN = 128, SEQ = 50, BATCH = 50, VOCABULARY = 65, WARM = 5, CHUNKS = 60 };

static double gemm_rate(int64_t m, int64_t n, int64_t k)
{
    enum { TIMES = 15 };
    float *a = malloc((size_t)(m * k) * sizeof *a), *b = malloc((size_t)(k * n) * sizeof *b),
          *c = malloc((size_t)(m * n) * sizeof *c);
    double rate[TIMES];
    for (int64_t i = 0; i < m * k; i++) {
        a[i] = 0.5F;
    }
    for (int64_t i = 0; i < k * n; i++) {
        b[i] = 0.25F;
    }
    int64_t passes = 1 + 100000000 / (m * n * k);
    for (int t = 0; t < TIMES; t++) {
        double start = bench_seconds();
        for (int64_t p = 0; p < passes; p++) {
            reel_gemm(REEL_F32, m, n, k, 1, a, k, 1, b, 1, k, 0, c, n, 1);
        }
        rate[t] = 2e-9 * (double)(m * n * k * passes) / (bench_seconds() - start);
    }
    free(a);
    free(b);
    free(c);
    return bench_median(rate, TIMES);
}

int main(void)
{
    reel_params *ps = reel_params_new(REEL_F32, 1);
    reel_cell *cell = reel_layers_with(
        &(reel_cell_args){
            .params = ps, .name = "rnn", .type = &reel_lstm, .in = HIDDEN, .hidden = HIDDEN},
        LAYERS, 0);
    reel_opt *opt = reel_adam(ps, .rate = 2e-3, .clip_norm = 5);
    reel_tape *tape = reel_tape_new(1);
    reel_carry carry = {0};
    reel_random random = reel_random_new(1, 1);
    double seconds[CHUNKS];
    reel_tape_stats stats = {0};
    for (int chunk = -WARM; chunk < CHUNKS; chunk++) {
        int32_t input[SEQ * BATCH], target[SEQ * BATCH];
        for (int i = 0; i < SEQ * BATCH; i++) {
            input[i] = (int32_t)reel_random_below(&random, VOCABULARY);
            target[i] = (int32_t)reel_random_below(&random, VOCABULARY);
        }
        double start = bench_seconds();
        reel_tape_reset(tape);
        reel_node *x[SEQ], *y[SEQ];
        reel_node *index = reel_input(tape, REEL_I32, input, reel_dims(SEQ, BATCH));
        reel_unstack(reel_embedding(ps, "embedding", VOCABULARY, HIDDEN, index), SEQ, x);
        reel_state s = reel_state_from(tape, cell, BATCH, &carry);
        BENCH_CHECK(tape, reel_unroll(cell, SEQ, x, &s, y));
        reel_node *logits = reel_linear(ps, "readout", VOCABULARY, reel_stack(SEQ, y));
        reel_node *loss =
            reel_cross_entropy(logits, reel_input(tape, REEL_I32, target, reel_dims(SEQ, BATCH)));
        double value;
        BENCH_CHECK(tape, reel_opt_step(opt, loss, &value));
        BENCH_CHECK(tape, reel_state_keep(&carry, &s));
        if (chunk >= 0) {
            seconds[chunk] = bench_seconds() - start;
        }
        stats = reel_tape_statistics(tape);
    }
    double median = bench_median(seconds, CHUNKS);
    double flops =
        3.0 * 2 * SEQ * BATCH * (LAYERS * 4.0 * HIDDEN * 2 * HIDDEN + VOCABULARY * HIDDEN);
    printf("chars/s             %10.0f\n", SEQ * BATCH / median);
    printf("ms per chunk        %10.2f (fastest %.2f)\n", median * 1e3, seconds[0] * 1e3);
    printf("GFLOP/s of matmuls  %10.1f\n", flops / median * 1e-9);
    printf("sgemm 50x512x128    %10.1f GFLOP/s\n", gemm_rate(BATCH, 4 * HIDDEN, HIDDEN));
    printf("sgemm 1000^3        %10.1f GFLOP/s\n", gemm_rate(1000, 1000, 1000));
    printf("nodes               %10lld\n", (long long)stats.nodes);
    printf("kernels run         %10lld\n", (long long)stats.evaluated);
    printf("peak value bytes    %10zu\n", stats.peak_value_bytes);
    reel_carry_free(&carry);
    reel_tape_free(tape);
    reel_opt_free(opt);
    reel_cell_free(cell);
    reel_params_free(ps);
    return 0;
}
