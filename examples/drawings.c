/* Draws the nets of docs/drawing.md: stacked LSTMs, a bidirectional GRU, an encoder and a decoder
 * with attention, at any level. */
#include <reel/encoder_decoder.h>
#include <reel/models.h>
#include <reel/reel.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 8, HIDDEN = 16, WORDS = 20, MOST = 2000 };

typedef struct net {
    reel_params *params;
    reel_tape *tape;
    reel_cell *cell, *other;
    reel_node *loss;
} net;

typedef struct request {
    reel_draw_args args;
    int steps, layers;
    bool backward, twice, spoil;
} request;

static reel_node *noise(net *n, const char *name, int t, reel_shape shape)
{
    static float value[FEATURES];
    char text[32];
    reel_random random = reel_random_new((uint64_t)t, 1);
    for (int i = 0; i < FEATURES; i++) {
        value[i] = (float)(2 * reel_random_uniform(&random) - 1);
    }
    snprintf(text, sizeof text, "%s%d", name, t);
    return reel_name(reel_input(n->tape, REEL_F32, value, shape), text);
}

/* The loss looks at the last step alone, so that what it feels of earlier ones came through time.
 */
static void run_stack(net *n, const request *r, const reel_cell_type *type)
{
    static reel_node *x[MOST], *y[MOST];
    n->cell = reel_layers_with(&(reel_cell_args){.params = n->params,
                                                 .name = type->name,
                                                 .type = type,
                                                 .in = FEATURES,
                                                 .hidden = HIDDEN,
                                                 .at = REEL_HERE},
                               r->layers, 0);
    for (int t = 0; t < r->steps; t++) {
        x[t] = noise(n, "x", t, reel_dims(1, FEATURES));
        x[t] = r->spoil && t == 1 ? reel_log(x[t]) : x[t];
    }
    if (reel_unroll(n->cell, r->steps, x, NULL, y) == REEL_OK) {
        n->loss = reel_name(reel_mean(reel_square(y[r->steps - 1])), "loss");
    }
}

/* A label for each step, as in tagging. */
static void run_both_ways(net *n, const request *r)
{
    static reel_node *x[MOST], *y[MOST], *loss[MOST];
    n->cell = reel_layers_with(&(reel_cell_args){.params = n->params,
                                                 .name = "tagger",
                                                 .type = &reel_gru,
                                                 .in = FEATURES,
                                                 .hidden = HIDDEN,
                                                 .bidirectional = true,
                                                 .at = REEL_HERE},
                               r->layers, 0);
    for (int t = 0; t < r->steps; t++) {
        x[t] = noise(n, "x", t, reel_dims(1, FEATURES));
    }
    if (reel_unroll(n->cell, r->steps, x, NULL, y)) {
        return;
    }
    for (int t = 0; t < r->steps; t++) {
        reel_scope_enter(n->tape, "readout");
        reel_scope_step(n->tape, t);
        reel_node *logits = reel_linear(n->params, "readout", WORDS, y[t]);
        loss[t] = reel_softmax(logits, -1);
        reel_scope_leave(n->tape);
        reel_scope_leave(n->tape);
    }
    n->loss = reel_name(reel_concat(0, r->steps, loss), "labels");
}

static void run_attention(net *n, const request *r)
{
    static const char *const source[] = {"the", "agreement", "on", "the", "European", "area", "."};
    static const char *const target[] = {"<s>", "l'accord", "sur", "la", "zone", "."};
    enum { T = 7, N = 6 };
    const reel_attention attention = {
        .params = n->params, .name = "attention", .query = HIDDEN, .size = HIDDEN};
    n->cell = reel_layers_with(&(reel_cell_args){.params = n->params,
                                                 .name = "encoder",
                                                 .type = &reel_gru,
                                                 .in = FEATURES,
                                                 .hidden = HIDDEN,
                                                 .bidirectional = true,
                                                 .at = REEL_HERE},
                               1, 0);
    n->other = reel_cell_of(n->params, "decoder", &reel_gru, .in = FEATURES + 2 * HIDDEN,
                            .hidden = HIDDEN);
    const reel_encoder encoder = {.params = n->params,
                                  .name = "encoder",
                                  .cell = n->cell,
                                  .vocabulary = WORDS,
                                  .attention = &attention};
    const reel_decoder decoder = {.params = n->params,
                                  .name = "decoder",
                                  .cell = n->other,
                                  .attention = &attention,
                                  .vocabulary = WORDS,
                                  .embedding = FEATURES};
    reel_node *word[T], *h[T], *last[N], *out[N];
    (void)r;
    for (int t = 0; t < T; t++) {
        word[t] = reel_name(reel_input(n->tape, REEL_I32, &t, reel_dims(1)), source[t]);
    }
    for (int t = 0; t < N; t++) {
        last[t] = reel_name(reel_input(n->tape, REEL_I32, &t, reel_dims(1)), target[t]);
    }
    reel_source seen = reel_encode(&encoder, T, word, h);
    reel_state s = reel_decoder_start(&decoder, &seen);
    if (reel_decode_all(&decoder, &seen, N, last, &s, out, NULL) == REEL_OK) {
        for (int t = 0; t < N; t++) {
            out[t] = reel_softmax(out[t], -1);
        }
        n->loss = reel_concat(0, N, out);
    }
}

static const char *value_of(const char *text, const char *key)
{
    size_t n = strlen(key);
    return strncmp(text, key, n) == 0 && text[n] == '=' ? text + n + 1 : NULL;
}

static int index_of(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0) {
            return i;
        }
    }
    return -1;
}

typedef struct choice {
    const char *key, *const *words;
    size_t offset;
} choice;

static const choice choices[] = {
    {"level", (const char *const[]){"op", "gate", "module", NULL}, offsetof(request, args.level)},
    {"collapse", (const char *const[]){"all", "step", "module", NULL},
     offsetof(request, args.collapse)},
    {"colour", (const char *const[]){"kind", "plan", "time", "gradient", "memory", NULL},
     offsetof(request, args.colour)},
    {"weights", (const char *const[]){"default", "once", "stubs", "hidden", NULL},
     offsetof(request, args.weights)},
    {"theme", (const char *const[]){"light", "dark", "print", "safe", NULL},
     offsetof(request, args.theme)},
    {"pass", (const char *const[]){"all", "forward", "backward", NULL},
     offsetof(request, args.pass)},
};

static bool take_number(request *r, const char *text)
{
    const struct {
        const char *key;
        int *to;
    } number[] = {{"steps", &r->steps},
                  {"layers", &r->layers},
                  {"depth", &r->args.depth},
                  {"most", &r->args.most_steps}};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        const char *value = value_of(text, number[i].key);
        if (value) {
            *number[i].to = atoi(value);
            return true;
        }
    }
    return false;
}

static bool take_text(request *r, const char *text)
{
    const struct {
        const char *key, **to;
    } member[] = {{"open", &r->args.open},
                  {"closed", &r->args.closed},
                  {"title", &r->args.title},
                  {"font", &r->args.font}};
    for (size_t i = 0; i < sizeof member / sizeof *member; i++) {
        const char *value = value_of(text, member[i].key);
        if (value) {
            *member[i].to = value;
            return true;
        }
    }
    const char *window = value_of(text, "window");
    if (!window) {
        return false;
    }
    char *end;
    r->args.from = strtol(window, &end, 10);
    r->args.to = *end == ':' ? strtol(end + 1, NULL, 10) : r->args.from + 1;
    return true;
}

static bool take_switch(request *r, const char *text)
{
    const struct {
        const char *key;
        bool *to;
    } on[] = {{"backward", &r->backward},      {"second", &r->twice},       {"spoil", &r->spoil},
              {"cut", &r->args.cut},           {"values", &r->args.values}, {"nan", &r->args.nan},
              {"noshapes", &r->args.no_shapes}};
    for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
        if (strcmp(text, on[i].key) == 0) {
            return *on[i].to = true;
        }
    }
    return false;
}

static bool take(request *r, const char *text)
{
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        const char *value = value_of(text, choices[i].key);
        int n = value ? index_of(value, choices[i].words) : -1;
        if (n >= 0) {
            memcpy((char *)r + choices[i].offset, &n, sizeof n);
            return true;
        }
    }
    return take_number(r, text) || take_text(r, text) || take_switch(r, text);
}

/* With the gradients of all weights as further roots, or those of their sum again. */
static reel_status draw(net *n, request *r)
{
    reel_node *weight[64], *gradient[64];
    size_t count = reel_params_count(n->params);
    r->args.root = n->loss;
    r->args.at = REEL_HERE;
    if (!n->loss || !(r->backward || r->twice) || count > 64) {
        return reel_draw_with(&r->args);
    }
    for (size_t i = 0; i < count; i++) {
        weight[i] = reel_use(n->tape, reel_params_at(n->params, i));
    }
    reel_status status = reel_grad(n->loss, count, weight, gradient);
    if (!status && r->twice) {
        reel_node *length = reel_sum(reel_square(gradient[0]));
        status = reel_grad(length, 1, weight, gradient);
        count = 1;
    }
    for (size_t i = 0; i < count && !status; i++) {
        char name[128];
        snprintf(name, sizeof name, "\xe2\x88\x82 %s", reel_node_name(weight[i]));
        reel_name(gradient[i], name);
    }
    r->args.more = count;
    r->args.roots = gradient;
    return status ? status : reel_draw_with(&r->args);
}

static int run(const char *kind, request *r)
{
    net n = {.params = reel_params_new(REEL_F32, 1), .tape = reel_tape_new(1)};
    const reel_cell_type *type = reel_cell_type_find(kind);
    if (strcmp(kind, "attention") == 0) {
        run_attention(&n, r);
    } else if (strcmp(kind, "tagger") == 0) {
        run_both_ways(&n, r);
    } else if (type) {
        run_stack(&n, r, type);
    } else {
        fprintf(stderr, "drawings: there is no net '%s'\n", kind);
    }
    bool ok = n.loss && draw(&n, r) == REEL_OK;
    if (!ok && *reel_tape_message(n.tape)) {
        fprintf(stderr, "drawings: %s\n", reel_tape_message(n.tape));
    }
    reel_tape_free(n.tape);
    reel_cell_free(n.cell);
    reel_cell_free(n.other);
    reel_params_free(n.params);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    request r = {.steps = 3, .layers = 1};
    int used = 3;
    while (used < argc && take(&r, argv[used])) {
        used++;
    }
    if (argc >= 3 && used == argc && r.steps >= 1 && r.steps <= MOST && r.layers >= 1) {
        r.args.path = argv[2];
        return run(argv[1], &r);
    }
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fputs(
        "Usage: drawings NET FILE [OPTION=VALUE | SWITCH]...\n"
        "Draws one of the nets of docs/drawing.md.\n"
        "\n"
        "  NET       a kind of cell, 'tagger' (a bidirectional GRU) or 'attention'\n"
        "  FILE      a .dot, .svg, .png or .pdf file\n"
        "  options   steps, layers; level, collapse, colour, weights, theme, pass, open, closed,\n"
        "            depth, most, window=FROM:TO, title, font: as in reel/draw.h\n"
        "  switches  backward, second, spoil, cut, values, nan, noshapes\n",
        help ? stdout : stderr);
    return help ? 0 : 2;
}
