/* Heat maps of what nets do: where an attention looks while a decoder writes words backward, what
 * the gates of an LSTM do over time, and which letters are said for which. */
#include <reel/reel.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LETTERS = 8,
    BEGIN = LETTERS,
    SYMBOLS,
    LENGTH = 6,
    BATCH = 16,
    EMBED = 12,
    HIDDEN = 24,
    UPDATES = 400,
    STEPS = 40,
    UNITS = 6
};

typedef struct net {
    reel_params *params;
    reel_attention attention;
    reel_encoder encoder;
    reel_decoder decoder;
    reel_tape *tape;
    reel_random random;
    int32_t word[LENGTH][BATCH], before[LENGTH][BATCH], right[LENGTH][BATCH];
} net;

static bool complain(const char *message)
{
    fprintf(stderr, "charts: %s\n", message);
    return false;
}

static reel_cell *cell(reel_params *ps, const char *name, int64_t in, int64_t hidden, bool both)
{
    return reel_layers_with(&(reel_cell_args){.params = ps,
                                              .name = name,
                                              .type = &reel_gru,
                                              .in = in,
                                              .hidden = hidden,
                                              .bidirectional = both,
                                              .at = REEL_HERE},
                            1, 0);
}

static void net_open(net *n)
{
    n->params = reel_params_new(REEL_F32, 1);
    n->tape = reel_tape_new(1);
    n->random = reel_random_new(1, reel_random_stream("words"));
    n->attention =
        (reel_attention){.params = n->params, .name = "attention", .query = HIDDEN, .size = HIDDEN};
    n->encoder = (reel_encoder){.params = n->params,
                                .name = "encoder",
                                .cell = cell(n->params, "encoder", EMBED, HIDDEN / 2, true),
                                .vocabulary = SYMBOLS,
                                .attention = &n->attention};
    n->decoder = (reel_decoder){.params = n->params,
                                .name = "decoder",
                                .cell = cell(n->params, "decoder", EMBED + HIDDEN, HIDDEN, false),
                                .attention = &n->attention,
                                .vocabulary = SYMBOLS,
                                .embedding = EMBED};
}

static void net_close(net *n)
{
    reel_tape_free(n->tape);
    reel_cell_free(n->encoder.cell);
    reel_cell_free(n->decoder.cell);
    reel_params_free(n->params);
}

/* Random words, and the same backward. */
static void draw_words(net *n)
{
    for (int b = 0; b < BATCH; b++) {
        for (int t = 0; t < LENGTH; t++) {
            n->word[t][b] = (int32_t)reel_random_below(&n->random, LETTERS);
        }
        for (int t = 0; t < LENGTH; t++) {
            n->right[t][b] = n->word[LENGTH - 1 - t][b];
            n->before[t][b] = t ? n->right[t - 1][b] : BEGIN;
        }
    }
}

/* Says the words that were drawn; logits and weights: [LENGTH]. */
static reel_node *run(net *n, reel_node **logits, reel_node **weights)
{
    reel_node *word[LENGTH], *before[LENGTH], *h[LENGTH], *loss[LENGTH];
    for (int t = 0; t < LENGTH; t++) {
        word[t] = reel_input(n->tape, REEL_I32, n->word[t], reel_dims(BATCH));
        before[t] = reel_input(n->tape, REEL_I32, n->before[t], reel_dims(BATCH));
    }
    reel_source source = reel_encode(&n->encoder, LENGTH, word, h);
    reel_state s = reel_decoder_start(&n->decoder, &source);
    for (int t = 0; t < LENGTH; t++) {
        logits[t] = reel_decoder_step(&n->decoder, t, &source, before[t], &s, &weights[t]);
        reel_node *right = reel_input(n->tape, REEL_I32, n->right[t], reel_dims(BATCH));
        loss[t] = reel_cross_entropy(logits[t], right);
    }
    return reel_sum_of(LENGTH, loss);
}

static bool train(net *n)
{
    reel_node *logits[LENGTH], *weights[LENGTH];
    reel_opt *opt = reel_adam(n->params, .rate = 0.01, .clip_norm = 5);
    bool ok = opt != NULL;
    for (int i = 0; ok && i < UPDATES; i++) {
        reel_tape_reset(n->tape);
        draw_words(n);
        ok = reel_opt_step(opt, run(n, logits, weights), NULL) == REEL_OK;
    }
    reel_opt_free(opt);
    return ok || complain(reel_tape_message(n->tape));
}

/* One heat map; what is wrong is told. */
static bool save(const char *folder, const char *name, reel_heat_map_args map)
{
    char path[4096], why[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    map.path = path;
    map.message = why;
    map.room = sizeof why;
    return reel_heat_map_with(&map) == REEL_OK || complain(why);
}

static const char *letter(int32_t symbol)
{
    static const char *const name[SYMBOLS] = {"a", "b", "c", "d", "e", "f", "g", "h", "<s>"};
    return name[symbol];
}

/* Where attention looks: a row for each letter that is said, a column for each that was read. */
static bool save_alignments(net *n, reel_node *const *weights, const char *folder)
{
    enum { WORDS = 4 };
    static double value[WORDS][LENGTH][LENGTH];
    const char *row[WORDS][LENGTH], *column[WORDS][LENGTH];
    reel_heat map[WORDS];
    double all[BATCH * LENGTH];
    for (int t = 0; t < LENGTH; t++) {
        if (reel_read(weights[t], all, BATCH * LENGTH) != REEL_OK) {
            return complain(reel_tape_message(n->tape));
        }
        for (int b = 0; b < WORDS; b++) {
            memcpy(value[b][t], all + b * LENGTH, sizeof value[b][t]);
            row[b][t] = letter(n->right[t][b]);
            column[b][t] = letter(n->word[t][b]);
        }
    }
    for (int b = 0; b < WORDS; b++) {
        map[b] = (reel_heat){.rows = LENGTH,
                             .columns = LENGTH,
                             .value = value[b][0],
                             .row_label = row[b],
                             .column_label = column[b],
                             .row_title = "said",
                             .column_title = "read"};
    }
    return save(folder, "alignment.svg",
                (reel_heat_map_args){.title = "Attention of a net that writes words backward",
                                     .maps = WORDS,
                                     .map = map,
                                     .across = WORDS,
                                     .high = 1});
}

/* Which letter was said for which. */
static bool save_confusion(net *n, reel_node *const *logits, const char *folder)
{
    static double count[LETTERS][LETTERS];
    const char *name[LETTERS];
    double said[BATCH];
    memset(count, 0, sizeof count);
    for (int t = 0; t < LENGTH; t++) {
        if (reel_read(reel_argmax_axis(logits[t], -1, false), said, BATCH) != REEL_OK) {
            return complain(reel_tape_message(n->tape));
        }
        for (int b = 0; b < BATCH; b++) {
            int32_t letter_said = (int32_t)said[b];
            if (letter_said < LETTERS) {
                count[n->right[t][b]][letter_said]++;
            }
        }
    }
    for (int32_t i = 0; i < LETTERS; i++) {
        name[i] = letter(i);
    }
    return save(folder, "confusion.svg",
                (reel_heat_map_args){.title = "Letters of new words",
                                     .rows = LETTERS,
                                     .columns = LETTERS,
                                     .value = count[0],
                                     .row_label = name,
                                     .column_label = name,
                                     .row_title = "right",
                                     .column_title = "said",
                                     .numbers = true,
                                     .by_row = true});
}

/* The outputs of an LSTM, before it is trained, that hears a beat every eight steps. */
static bool save_units(const char *folder)
{
    reel_params *ps = reel_params_new(REEL_F32, 3);
    reel_tape *tape = reel_tape_new(1);
    reel_cell *lstm =
        reel_cell_of(ps, "lstm", &reel_lstm, .in = 1, .hidden = UNITS, .options = "forget_bias=1",
                     .weight = {.kind = REEL_INIT_NORMAL, .a = 0, .b = 1});
    reel_node *x[STEPS], *h[STEPS];
    static double value[UNITS][STEPS];
    for (int t = 0; t < STEPS; t++) {
        x[t] = reel_constant(tape, t % 8 == 0 ? 3 : 0, reel_dims(1, 1));
    }
    bool ok = reel_unroll(lstm, STEPS, x, NULL, h) == REEL_OK;
    for (int t = 0; ok && t < STEPS; t++) {
        double unit[UNITS];
        ok = reel_read(h[t], unit, UNITS) == REEL_OK;
        for (int i = 0; ok && i < UNITS; i++) {
            value[i][t] = unit[i];
        }
    }
    ok = ok || complain(reel_tape_message(tape));
    ok =
        ok &&
        save(folder, "units.svg",
             (reel_heat_map_args){.title = "Outputs of an LSTM that hears a beat every eight steps",
                                  .rows = UNITS,
                                  .columns = STEPS,
                                  .value = value[0],
                                  .row_title = "unit",
                                  .column_title = "step",
                                  .scale = REEL_CHART_DIVERGING});
    reel_cell_free(lstm);
    reel_tape_free(tape);
    reel_params_free(ps);
    return ok;
}

static int draw(const char *folder)
{
    net n;
    reel_node *logits[LENGTH], *weights[LENGTH];
    net_open(&n);
    bool ok = save_units(folder) && train(&n);
    if (ok) {
        reel_tape_reset(n.tape);
        draw_words(&n);
        run(&n, logits, weights);
        ok = save_alignments(&n, weights, folder) && save_confusion(&n, logits, folder);
    }
    net_close(&n);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && argv[1][0] != '-') {
        return draw(argv[1]);
    }
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fputs("Usage: charts FOLDER\n"
          "Draws alignment.svg, confusion.svg and units.svg into the folder.\n"
          "\n"
          "  --help  print this and exit\n",
          help ? stdout : stderr);
    return help ? 0 : 2;
}
