/* Drawings by rows and columns: levels, what is collapsed and what is looked into, weights, passes,
 * what is measured; whatever can be reached on the tape can be reached in the picture. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/cell.h>
#include <reel/draw.h>
#include <reel/encoder_decoder.h>
#include <reel/models.h>
#include <reel/ops.h>
#include <reel/opt.h>
#include <reel/params.h>
#include <reel/plan.h>
#include <reel/tape.h>

#include "../src/memory.h"
#include "drawn.h"
#include "folder.h"
#include "suite.h"

typedef struct vertex {
    char *name, *line;
} vertex;

typedef struct arrow {
    size_t from, to; /* vertices, as the arrow points */
    bool seen;
} arrow;

typedef struct picture {
    char *copy;
    vertex *vertex;
    arrow *arrow;
    size_t vertices, arrows;
} picture;

static size_t index_of(picture *p, const char *name)
{
    for (size_t i = 0; i < p->vertices; i++) {
        if (strcmp(p->vertex[i].name, name) == 0) {
            return i;
        }
    }
    ck_abort_msg("an edge to %s, which is not drawn", name);
    return 0;
}

/* `"a" [...]` or `"a" -> "b" [...]`, one a line. */
static void take_line(picture *p, char *line, bool edges)
{
    char *start = line + strspn(line, " "), *attributes = strstr(start, "\" [");
    if (*start != '"' || !attributes) {
        return;
    }
    char *arrows = strstr(start, "\" -> \"");
    bool edge = arrows && arrows < attributes;
    if (edge != edges) {
        return;
    }
    attributes[1] = '\0';
    attributes += 2;
    if (!edge) {
        p->vertex[p->vertices++] = (vertex){start, attributes};
        return;
    }
    arrows[1] = '\0';
    size_t from = index_of(p, start), to = index_of(p, arrows + 5);
    bool back = strstr(attributes, "dir=back") || strstr(attributes, "arrowhead=nonenonetee");
    p->arrow[p->arrows++] = (arrow){.from = back ? to : from,
                                    .to = back ? from : to,
                                    .seen = strstr(attributes, "style=invis") == NULL};
}

static picture parse(const char *text)
{
    size_t lines = 1;
    for (const char *c = text; *c; c++) {
        lines += *c == '\n';
    }
    picture p = {.copy = malloc(2 * strlen(text) + 2),
                 .vertex = calloc(lines, sizeof(vertex)),
                 .arrow = calloc(lines, sizeof(arrow))};
    ck_assert(p.copy && p.vertex && p.arrow);
    for (int edges = 0; edges < 2; edges++) {
        char *rest = strcpy(p.copy + (size_t)edges * (strlen(text) + 1), text);
        for (char *line; (line = strtok_r(rest, "\n", &rest));) {
            take_line(&p, line, edges);
        }
    }
    return p;
}

static void picture_free(picture *p)
{
    free(p->copy);
    free(p->vertex);
    free(p->arrow);
}

/* Nodes that a reader sees: no points that keep others in order. */
static size_t shown(const picture *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->vertices; i++) {
        n += strstr(p->vertex[i].line, "shape=point") == NULL;
    }
    return n;
}

static size_t seen_arrows(const picture *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->arrows; i++) {
        n += p->arrow[i].seen;
    }
    return n;
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *c = text; (c = strstr(c, part)); c += strlen(part)) {
        n++;
    }
    return n;
}

static bool have_dot(void)
{
    static int known = -1;
    if (known < 0) {
        known = system("dot -V >/dev/null 2>&1") == 0;
        if (!known) {
            printf("check_draw_levels: dot is not in PATH: texts are not parsed by it\n");
        }
    }
    return known == 1;
}

static void expect_valid(const char *text, bool layout)
{
    if (!have_dot()) {
        return;
    }
    FILE *dot = popen(layout ? "dot -Tsvg -o /dev/null 2>/dev/null"
                             : "dot -Tcanon -o /dev/null 2>/dev/null",
                      "w");
    ck_assert_ptr_nonnull(dot);
    fputs(text, dot);
    int ended = pclose(dot);
    ck_assert_msg(ended == 0, "dot rejects:\n%.2000s", text);
}

/* Nets */

enum { FEATURES = 4, HIDDEN = 4, MOST = 1000 };

typedef struct net {
    reel_params *params;
    reel_tape *tape;
    reel_cell *cell, *other;
    reel_node *loss;
} net;

static net net_open(void)
{
    return (net){.params = reel_params_new(REEL_F32, 1), .tape = reel_tape_new(1)};
}

static void net_close(net *n)
{
    reel_tape_free(n->tape);
    reel_cell_free(n->cell);
    reel_cell_free(n->other);
    reel_params_free(n->params);
}

static net unrolled(const reel_cell_type *type, int layers, bool both_ways, int steps)
{
    static reel_node *x[MOST], *y[MOST];
    static const float value[FEATURES] = {1, 2, 3, 4};
    net n = net_open();
    n.cell = reel_layers_with(&(reel_cell_args){.params = n.params,
                                                .name = type->name,
                                                .type = type,
                                                .in = FEATURES,
                                                .hidden = HIDDEN,
                                                .bidirectional = both_ways,
                                                .at = "net.c:1"},
                              layers, 0);
    for (int t = 0; t < steps; t++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", t);
        x[t] = reel_name(reel_input(n.tape, REEL_F32, value, reel_dims(1, FEATURES)), name);
    }
    ck_assert_int_eq(reel_unroll(n.cell, steps, x, NULL, y), REEL_OK);
    n.loss = reel_name(reel_mean(reel_square(both_ways ? reel_concat(0, steps, y) : y[steps - 1])),
                       "loss");
    return n;
}

/* An encoder that reads 7 words and a decoder that writes 6. */
static net translating(void)
{
    enum { T = 7, N = 6, WORDS = 9 };
    net n = net_open();
    const reel_attention attention = {
        .params = n.params, .name = "attention", .query = HIDDEN, .size = HIDDEN};
    n.cell = reel_layers_with(&(reel_cell_args){.params = n.params,
                                                .name = "encoder",
                                                .type = &reel_gru,
                                                .in = FEATURES,
                                                .hidden = HIDDEN,
                                                .bidirectional = true,
                                                .at = "net.c:1"},
                              1, 0);
    n.other =
        reel_cell_of(n.params, "decoder", &reel_gru, .in = FEATURES + 2 * HIDDEN, .hidden = HIDDEN);
    const reel_encoder encoder = {.params = n.params,
                                  .name = "encoder",
                                  .cell = n.cell,
                                  .vocabulary = WORDS,
                                  .attention = &attention};
    const reel_decoder decoder = {.params = n.params,
                                  .name = "decoder",
                                  .cell = n.other,
                                  .attention = &attention,
                                  .vocabulary = WORDS,
                                  .embedding = FEATURES};
    reel_node *word[T], *h[T], *last[N], *out[N];
    for (int t = 0; t < T; t++) {
        word[t] = reel_input(n.tape, REEL_I32, &t, reel_dims(1));
    }
    for (int t = 0; t < N; t++) {
        last[t] = reel_input(n.tape, REEL_I32, &t, reel_dims(1));
    }
    reel_source source = reel_encode(&encoder, T, word, h);
    reel_state s = reel_decoder_start(&decoder, &source);
    ck_assert_int_eq(reel_decode_all(&decoder, &source, N, last, &s, out, NULL), REEL_OK);
    for (int t = 0; t < N; t++) {
        out[t] = reel_softmax(out[t], -1);
    }
    n.loss = reel_concat(0, N, out);
    return n;
}

/* Content */

START_TEST(op_level_has_every_node_and_edge)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *node[RANDOM_NODES], *all = random_graph(tape, (uint64_t)_i, node);
    char *text = drawn((reel_draw_args){.root = all, .most_steps = -1});
    picture p = parse(text);
    size_t edges = 0;
    for (int i = 0; i <= RANDOM_NODES; i++) {
        const reel_node *x = i < RANDOM_NODES ? node[i] : all;
        for (int k = 0; k < reel_node_arity(x); k++) {
            bool first = true; /* edges that repeat are one */
            for (int j = 0; j < k; j++) {
                first = first && reel_node_arg(x, j) != reel_node_arg(x, k);
            }
            edges += first;
        }
    }
    ck_assert_uint_eq(shown(&p), RANDOM_NODES + 1);
    ck_assert_uint_eq(seen_arrows(&p), edges);
    expect_valid(text, false);
    picture_free(&p);
    free(text);
    reel_tape_free(tape);
}
END_TEST

static void reach(const picture *p, size_t from, bool *reached)
{
    bool more = true;
    reached[from] = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < p->arrows; i++) {
            const arrow *a = &p->arrow[i];
            if (a->seen && reached[a->from] && !reached[a->to]) {
                reached[a->to] = more = true;
            }
        }
    }
}

/* The vertex that has that name in its label; SIZE_MAX: none has, as a part of a module. */
static size_t find_named(const picture *p, const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "<b>%s</b>", name);
    for (size_t i = 0; i < p->vertices; i++) {
        if (strstr(p->vertex[i].line, wanted)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void expect_reachable(const picture *p, reel_node *const *node)
{
    bool *reached = calloc(p->vertices, sizeof *reached);
    bool below[RANDOM_NODES];
    size_t pairs = 0;
    ck_assert_ptr_nonnull(reached);
    for (int i = 0; i < RANDOM_NODES; i += 4) {
        size_t from = find_named(p, reel_node_name(node[i]));
        if (from == SIZE_MAX) {
            continue;
        }
        memset(reached, 0, p->vertices * sizeof *reached);
        reach(p, from, reached);
        for (int j = 0; j < RANDOM_NODES; j++) {
            below[j] = j == i;
            for (int k = 0; k < reel_node_arity(node[j]) && j > i; k++) {
                below[j] = below[j] || below[reel_node_id(reel_node_arg(node[j], k))];
            }
            size_t to = below[j] && j % 4 == 0 ? find_named(p, reel_node_name(node[j])) : SIZE_MAX;
            ck_assert_msg(to == SIZE_MAX || reached[to], "%s is not reached from %s",
                          reel_node_name(node[j]), reel_node_name(node[i]));
            pairs += to != SIZE_MAX && to != from;
        }
    }
    ck_assert_uint_gt(pairs, 0);
    free(reached);
}

/* Random graphs, 12 seeds at each level. */
START_TEST(what_is_reachable_stays_reachable)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *node[RANDOM_NODES], *all = random_graph(tape, (uint64_t)(_i / 2), node);
    reel_draw_level level = _i % 2 ? REEL_LEVEL_MODULE : REEL_LEVEL_GATE;
    char *text = drawn((reel_draw_args){.root = all, .level = level, .no_shapes = true});
    picture p = parse(text);
    ck_assert_uint_lt(shown(&p), RANDOM_NODES);
    expect_reachable(&p, node);
    expect_valid(text, false);
    if (have_dot()) {
        folder f = folder_make();
        char path[FOLDER_PATH];
        ck_assert_msg(reel_draw(folder_file(&f, path, "x.svg"), all, .level = level) == REEL_OK,
                      "%s", reel_tape_message(tape));
        folder_remove(&f);
    }
    picture_free(&p);
    free(text);
    reel_tape_free(tape);
}
END_TEST

static size_t nodes_of(net *n, reel_draw_level level)
{
    char *text = drawn((reel_draw_args){.root = n->loss, .level = level});
    picture p = parse(text);
    size_t nodes = shown(&p);
    expect_valid(text, true);
    picture_free(&p);
    free(text);
    net_close(n);
    return nodes;
}

START_TEST(modules_are_few)
{
    net n = unrolled(&reel_lstm, 2, false, 5);
    ck_assert_uint_eq(nodes_of(&n, REEL_LEVEL_MODULE), 2 * 5 + 5 + 2);
    n = unrolled(&reel_lstm, 2, false, 5); /* five of σ, ⊙ and so on each, and W x + U h + b */
    ck_assert_uint_eq(nodes_of(&n, REEL_LEVEL_GATE), 2 * 5 * 10 + 5 + 2);
    n = unrolled(&reel_gru, 1, true, 20);
    ck_assert_uint_eq(nodes_of(&n, REEL_LEVEL_MODULE), 2 * 4 + 4 + 2);
    /* 7 words in: embedding and a cell each way; 6 out: embedding, attention, cell, readout; the
     * first state, what attention looks at, and the root */
    n = translating();
    ck_assert_uint_eq(nodes_of(&n, REEL_LEVEL_MODULE), 7 * 3 + 6 * 4 + 3);
}
END_TEST

static const char *line_of(const picture *p, const char *name)
{
    for (size_t i = 0; i < p->vertices; i++) {
        if (strcmp(p->vertex[i].name, name) == 0) {
            return p->vertex[i].line;
        }
    }
    ck_abort_msg("%s is not drawn", name);
    return "";
}

/* The layer that alone reads a module is written into its box, and a linear map of what others read
 * as well stands with that; where a module is looked into, neither. */
START_TEST(what_says_one_thing_is_one_box)
{
    net n = translating();
    char *text = drawn((reel_draw_args){.root = n.loss, .level = REEL_LEVEL_MODULE});
    picture p = parse(text);
    const char *readout = line_of(&p, "\"decoder/readout@5\""),
               *memory = line_of(&p, "\"encoder#0\"");
    ck_assert_ptr_nonnull(strstr(readout, "<br/>softmax<br/>"));
    ck_assert_ptr_nonnull(strstr(readout, ">W x + b</font>"));
    ck_assert_ptr_nonnull(strstr(memory, "label=<stack<br/>and W x>"));
    ck_assert_uint_eq(count(text, "softmax"), 6);
    ck_assert_uint_eq(count(text, "\"encoder#0\" -> \"decoder/attention@"), 6);
    ck_assert_uint_eq(count(text, "\"decoder/readout@0\" -> "), 1 + 1); /* the next one, not seen */
    picture_free(&p);
    free(text);
    text = drawn(
        (reel_draw_args){.root = n.loss, .level = REEL_LEVEL_MODULE, .open = "decoder/attention"});
    ck_assert_ptr_null(strstr(text, "and W x"));
    ck_assert_ptr_nonnull(strstr(text, "label=<stack>"));
    free(text);
    net_close(&n);
}
END_TEST

/* Two linear maps of what the same modules read: one label cannot say both. */
START_TEST(maps_that_differ_stand_apart)
{
    net n = net_open();
    static const float value[2 * HIDDEN];
    reel_node *x[2] = {reel_input(n.tape, REEL_F32, value, reel_dims(2, HIDDEN)),
                       reel_input(n.tape, REEL_F32, value, reel_dims(2, HIDDEN))};
    reel_node *both = reel_stack(2, x), *out[2];
    reel_node *keys = reel_name(reel_linear(n.params, "k", HIDDEN, both), "keys");
    reel_node *values = reel_linear(n.params, "v", HIDDEN, both);
    values = reel_name(_i ? reel_tanh(values) : values, _i ? "values" : "keys2");
    for (int i = 0; i < 2; i++) {
        reel_scope_enter(n.tape, i ? "first" : "second");
        out[i] = reel_tanh(reel_mul(reel_mul(keys, values), both));
        reel_scope_leave(n.tape);
    }
    char *text =
        drawn((reel_draw_args){.root = reel_add(out[0], out[1]), .level = REEL_LEVEL_MODULE});
    ck_assert_uint_eq(count(text, "and <b>"), _i ? 0 : 1);
    ck_assert_uint_eq(count(text, "\xc3\x97"
                                  "2"),
                      _i ? 0 : 1);
    ck_assert_uint_eq(count(text, "<b>values</b>"), _i ? 1 : 0);
    ck_assert_uint_eq(count(text, "<b>keys</b>"), _i ? 1 : 0);
    free(text);
    net_close(&n);
}
END_TEST

/* Graphviz would put names of its own for these, and one backslash for two. */
START_TEST(backslashes_are_doubled)
{
    net n = net_open();
    static const float value[2];
    reel_node *x = reel_name(reel_input(n.tape, REEL_F32, value, reel_dims(2)), "A\\N");
    reel_scope_enter(n.tape, "S\\G");
    reel_node *y = reel_tanh(x);
    reel_scope_leave(n.tape);
    char *text = drawn((reel_draw_args){.root = y, .level = REEL_LEVEL_OP, .title = "T\\L"});
    ck_assert_ptr_nonnull(strstr(text, "A\\\\N"));
    ck_assert_ptr_nonnull(strstr(text, "<b>S\\\\G</b>"));
    ck_assert_ptr_nonnull(strstr(text, "T\\\\L"));
    ck_assert_ptr_nonnull(strstr(text, "tanh in S\\\\\\\\G"));
    free(text);
    net_close(&n);
}
END_TEST

/* What is right is a word of the layer that compares with it; what joins both directions is not
 * drawn between layers, and is where it is asked for. */
START_TEST(words_and_directions_are_part_of_what_reads_them)
{
    net n = unrolled(&reel_gru, 2, true, 3);
    reel_node *y = reel_node_arg(reel_node_arg(n.loss, 0), 0);
    char *text = drawn((reel_draw_args){.root = y, .level = REEL_LEVEL_MODULE});
    picture p = parse(text);
    ck_assert_uint_eq(shown(&p), 3 * (1 + 4) + 1);
    for (int t = 0; t < 3; t++) {
        char edge[96];
        for (int k = 0; k < 4; k++) {
            static const char *const way[] = {"forward", "backward"};
            snprintf(edge, sizeof edge, "\"gru/l0/%s@%d\" -> \"gru/l1/%s@%d\"", way[k / 2], t,
                     way[k % 2], t);
            ck_assert_msg(strstr(text, edge), "no %s", edge);
        }
    }
    picture_free(&p);
    free(text);
    static const int32_t right[1] = {1};
    reel_node *word = reel_name(reel_input(n.tape, REEL_I32, right, reel_dims(1)), "right");
    reel_node *logits =
        reel_name(reel_linear(n.params, "out", 5, reel_slice(y, 0, 0, 1)), "logits");
    text = drawn(
        (reel_draw_args){.root = reel_cross_entropy(logits, word), .level = REEL_LEVEL_MODULE});
    ck_assert_ptr_nonnull(strstr(text, ">logits = W x + b</font><br/><i>right</i>"));
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(a_layer_is_a_row_of_cells)
{
    net n = unrolled(&reel_lstm, 1, false, 4);
    char *text = drawn((reel_draw_args){.root = n.loss, .level = REEL_LEVEL_MODULE});
    for (int t = 0; t < 4; t++) {
        char name[64];
        snprintf(name, sizeof name, "\"lstm/l0@%d\" [label=<<b>LSTM</b>", t);
        ck_assert_uint_eq(count(text, name), 1);
        snprintf(name, sizeof name, "\"lstm/l0@%d\" -> \"lstm/l0@%d\" [", t, t + 1);
        ck_assert_uint_eq(count(text, name), t < 3);
    }
    ck_assert_uint_eq(count(text, "label=<h, c>"), 3);
    ck_assert_ptr_null(strstr(text, "weight_"));
    free(text);
    net_close(&n);
}
END_TEST

static reel_node *half(reel_cell *cell, reel_node *x, reel_state *s)
{
    reel_scope_enter(reel_node_tape(x), "inside");
    s->v[0] = reel_tanh(reel_gate(cell, "h", x, s->v[0]));
    reel_scope_leave(reel_node_tape(x));
    return s->v[0];
}

/* A cell of a program's own, whose step has a scope of its own: still one box. */
START_TEST(a_users_cell_is_a_box)
{
    net n = net_open();
    n.cell = reel_cell_new(n.params, "half", half, .in = FEATURES, .hidden = HIDDEN);
    static const float value[FEATURES];
    reel_node *x[3], *y[3];
    for (int t = 0; t < 3; t++) {
        x[t] = reel_input(n.tape, REEL_F32, value, reel_dims(1, FEATURES));
    }
    ck_assert_int_eq(reel_unroll(n.cell, 3, x, NULL, y), REEL_OK);
    char *text = drawn((reel_draw_args){.root = y[2], .level = REEL_LEVEL_MODULE});
    ck_assert_uint_eq(count(text, "<b>half</b>"), 3);
    ck_assert_uint_eq(count(text, "inside"), 0);
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(backward_in_time_points_left)
{
    net n = unrolled(&reel_rnn, 1, true, 3);
    char *text = drawn((reel_draw_args){.root = n.loss, .level = REEL_LEVEL_MODULE});
    char line[160] = "";
    const char *edge = strstr(text, "\"rnn/l0/backward@0\" -> \"rnn/l0/backward@1\" [");
    ck_assert_ptr_nonnull(edge);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(edge, "\n"), edge);
    ck_assert_ptr_nonnull(strstr(line, "dir=back"));
    edge = strstr(text, "\"rnn/l0/forward@0\" -> \"rnn/l0/forward@1\" [");
    ck_assert_ptr_nonnull(edge);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(edge, "\n"), edge);
    ck_assert_ptr_null(strstr(line, "dir=back"));
    free(text);
    net_close(&n);
}
END_TEST

#define DOTS  "\xe2\x80\xa6"
#define TIMES "\xc3\x97"

START_TEST(steps_that_repeat_are_one_column)
{
    net n = unrolled(&reel_rnn, 1, false, 40);
    reel_draw_args args = {.root = n.loss, .level = REEL_LEVEL_MODULE};
    const struct {
        int64_t from, to;
        int most;
        size_t columns;
        const char *label;
    } window[] = {{0, 0, 0, 4, "t=2" DOTS "38 " TIMES "37"},
                  {0, 0, 6, 7, "t=5" DOTS "38 " TIMES "34"},
                  {10, 13, 0, 5, "t=13" DOTS "39 " TIMES "27"},
                  {0, 2, 0, 3, "t=2" DOTS "39 " TIMES "38"},
                  {0, 0, -1, 40, "t=39"}};
    for (size_t i = 0; i < sizeof window / sizeof *window; i++) {
        args.from = window[i].from;
        args.to = window[i].to;
        args.most_steps = window[i].most;
        char *text = drawn(args);
        ck_assert_uint_eq(count(text, "<b>RNN</b>"), window[i].columns);
        ck_assert_ptr_nonnull(strstr(text, window[i].label));
        expect_valid(text, true);
        free(text);
    }
    args = (reel_draw_args){.root = n.loss, .level = REEL_LEVEL_MODULE, .collapse = REEL_BY_MODULE};
    char *text = drawn(args); /* not unrolled: a loop */
    ck_assert_uint_eq(count(text, "<b>RNN</b>"), 1);
    ck_assert_ptr_nonnull(strstr(text, "\"rnn/l0\" -> \"rnn/l0\" ["));
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(modules_open_and_close)
{
    net n = unrolled(&reel_lstm, 2, false, 2);
    reel_draw_args args = {.root = n.loss, .level = REEL_LEVEL_MODULE, .open = " ,lstm/l1"};
    char *text = drawn(args);
    ck_assert_uint_eq(count(text, "\"lstm/l0@0\" [label"), 1);
    ck_assert_uint_eq(count(text, "\"lstm/l1@0\" [label"), 0);
    ck_assert_uint_eq(count(text, "subgraph cluster_"), 2);
    free(text);
    args = (reel_draw_args){.root = n.loss, .level = REEL_LEVEL_GATE, .closed = "*/l1"};
    text = drawn(args);
    ck_assert_uint_eq(count(text, "\"lstm/l1@0\" [label"), 1);
    ck_assert_uint_eq(count(text, "\"lstm/l0@0\" [label"), 0);
    free(text);
    args = (reel_draw_args){.root = n.loss, .depth = 1};
    text = drawn(args); /* all of a step in one box */
    ck_assert_uint_eq(count(text, "\"lstm@0\" [label"), 1);
    ck_assert_uint_eq(count(text, "\"lstm@"),
                      count(text, "\"lstm@0\"") + count(text, "\"lstm@1\""));
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(weights_once_as_stubs_or_hidden)
{
    net n = unrolled(&reel_rnn, 1, false, 3);
    static const size_t times[] = {[REEL_WEIGHTS_DEFAULT] = 0,
                                   [REEL_WEIGHTS_ONCE] = 1,
                                   [REEL_WEIGHTS_STUBS] = 3,
                                   [REEL_WEIGHTS_HIDDEN] = 0};
    for (int w = REEL_WEIGHTS_DEFAULT; w <= REEL_WEIGHTS_HIDDEN; w++) {
        for (int level = REEL_LEVEL_GATE; level <= REEL_LEVEL_MODULE; level++) {
            char *text = drawn((reel_draw_args){
                .root = n.loss, .level = (reel_draw_level)level, .weights = (reel_draw_weights)w});
            ck_assert_uint_eq(count(text, "weight_hh_l0"), times[w]);
            ck_assert_uint_eq(count(text, "shared " TIMES "3"), w == REEL_WEIGHTS_STUBS ? 3 : 0);
            expect_valid(text, true);
            free(text);
        }
    }
    net_close(&n);
}
END_TEST

START_TEST(passes_are_apart_or_alone)
{
    net n = unrolled(&reel_lstm, 1, false, 3);
    reel_node *w = reel_use(n.tape, reel_params_at(n.params, 0)), *dw;
    ck_assert_int_eq(reel_grad(n.loss, 1, &w, &dw), REEL_OK);
    reel_draw_args args = {.root = n.loss, .more = 1, .roots = &dw, .level = REEL_LEVEL_MODULE};
    const char *forward = "\"lstm/l0@1\" [label", *backward = "\"lstm/l0@1'\" [label";
    for (int pass = REEL_PASS_ALL; pass <= REEL_PASS_BACKWARD; pass++) {
        args.pass = (reel_draw_pass)pass;
        char *text = drawn(args);
        ck_assert_uint_eq(count(text, forward), pass != REEL_PASS_BACKWARD);
        ck_assert_uint_eq(count(text, backward), pass != REEL_PASS_FORWARD);
        expect_valid(text, true);
        free(text);
    }
    args.pass = REEL_PASS_ALL;
    args.level = REEL_LEVEL_GATE;
    for (int cut = 0; cut < 2; cut++) {
        args.cut = cut != 0;
        char *text = drawn(args);
        ck_assert_uint_eq(count(text, "\"stub 0\" [") > 0, args.cut);
        expect_valid(text, true);
        free(text);
    }
    net_close(&n);
}
END_TEST

/* What a second sweep makes is of second order, be it by rules of the forward pass or not. */
START_TEST(second_derivatives_are_of_second_order)
{
    enum { WEIGHTS = 3 };
    net n = unrolled(&reel_rnn, 1, false, 2);
    reel_node *w[WEIGHTS], *d[WEIGHTS], *dd[WEIGHTS];
    ck_assert_uint_eq(reel_params_count(n.params), WEIGHTS);
    for (size_t i = 0; i < WEIGHTS; i++) {
        w[i] = reel_use(n.tape, reel_params_at(n.params, i));
    }
    ck_assert_int_eq(reel_grad(n.loss, WEIGHTS, w, d), REEL_OK);
    for (int i = 0; i < WEIGHTS; i++) {
        reel_name(d[i], "first");
        d[i] = reel_sum(reel_square(d[i]));
    }
    reel_node *norm = reel_name(reel_sum_of(WEIGHTS, d), "norm");
    ck_assert_int_eq(reel_grad(norm, WEIGHTS, w, dd), REEL_OK);
    for (int i = 0; i < WEIGHTS; i++) {
        reel_name(dd[i], "second");
    }
    reel_draw_args args = {.root = norm, .more = WEIGHTS, .roots = dd};
    for (int level = REEL_LEVEL_OP; level <= REEL_LEVEL_MODULE; level++) {
        args.level = (reel_draw_level)level;
        args.most_steps = -1; /* at op level laid out by rows, too */
        char *text = drawn(args);
        ck_assert_uint_eq(count(text, "''\" [label=<<b>second"), WEIGHTS);
        ck_assert_uint_eq(count(text, "''\" [label=<<b>first"), 0);
        ck_assert_uint_eq(count(text, "'\" [label=<<b>first"), WEIGHTS);
        ck_assert_uint_eq(count(text, "'\" [label=<<b>norm"), 1);
        expect_valid(text, true);
        free(text);
    }
    net_close(&n);
}
END_TEST

/* The sum of what an input's several readers contribute is a derivative like them. */
START_TEST(derivatives_of_inputs_are_of_first_order)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = reel_name(reel_input(tape, REEL_F64, (const double[]){1, 2}, reel_dims(2)), "x");
    reel_node *y = reel_sum(reel_add(reel_square(x), reel_mul(reel_tanh(x), x))), *dx;
    ck_assert_int_eq(reel_grad(y, 1, &x, &dx), REEL_OK);
    reel_name(dx, "slope");
    char *text =
        drawn((reel_draw_args){.root = y, .more = 1, .roots = &dx, .level = REEL_LEVEL_GATE});
    ck_assert_uint_eq(count(text, "'\" [label=<<b>slope"), 1);
    ck_assert_uint_eq(count(text, "''"), 0);
    expect_valid(text, true);
    free(text);
    reel_tape_free(tape);
}
END_TEST

/* A cell that is not unrolled has each of its ops once, whatever the first step leaves out. */
START_TEST(cells_are_looked_into_before_they_are_unrolled)
{
    net n = unrolled(&reel_lstm, 1, false, 4);
    char *text = drawn(
        (reel_draw_args){.root = n.loss, .level = REEL_LEVEL_GATE, .collapse = REEL_BY_MODULE});
    ck_assert_uint_eq(count(text, "[label=<\xcf\x83>"), 3);
    ck_assert_uint_eq(count(text, "[label=<tanh>"), 2);
    ck_assert_uint_eq(count(text, "[label=<\xe2\x8a\x99>"), 3);
    ck_assert_uint_eq(count(text, "[label=<+>"), 1);
    ck_assert_uint_eq(count(text, "W x + U h + b>"), 1);
    expect_valid(text, true);
    free(text);
    net_close(&n);
}
END_TEST

/* Two drawings of what is alike have alike names, whatever else is on the tape. */
START_TEST(names_are_stable)
{
    char *text[2];
    for (int i = 0; i < 2; i++) {
        net n = unrolled(&reel_gru, 1, false, 3);
        reel_node *root = n.loss, *other = NULL;
        if (i) { /* something in a module of its own, which is drawn, too */
            reel_scope_enter(n.tape, "aside");
            other = reel_tanh(reel_input(n.tape, REEL_F32, (const float[2]){0}, reel_dims(2)));
            reel_scope_leave(n.tape);
        }
        text[i] = drawn((reel_draw_args){
            .root = root, .more = (size_t)i, .roots = &other, .level = REEL_LEVEL_GATE});
        net_close(&n);
    }
    picture a = parse(text[0]), b = parse(text[1]);
    ck_assert_uint_eq(a.vertices + 2, b.vertices);
    for (size_t i = 0; i < a.vertices; i++) {
        size_t k = index_of(&b, a.vertex[i].name);
        ck_assert_str_eq(a.vertex[i].line, b.vertex[k].line);
    }
    picture_free(&a);
    picture_free(&b);
    free(text[0]);
    free(text[1]);
}
END_TEST

START_TEST(hostile_names_break_nothing)
{
    static const char *const hostile[] = {"\"]; evil [label=\"",
                                          "<b>",
                                          "a|b{c}",
                                          "\\N\\",
                                          "line\nbreak",
                                          "",
                                          "\xff\xfe",
                                          "--> ]]>",
                                          "a@1#2'",
                                          "a/b",
                                          "%s%n",
                                          "\xe2\x80\xae\xd7\xa9"};
    reel_tape *tape = reel_tape_new(1);
    int n = (int)(sizeof hostile / sizeof *hostile);
    reel_node *x = reel_input(tape, REEL_F64, (const double[1]){1}, reel_dims(1, 1));
    for (int i = 0; i < n; i++) {
        reel_scope_enter(tape, hostile[i]);
        reel_scope_step(tape, i % 3 - 1);
        x = reel_name(reel_tanh_at(hostile[i], reel_exp(x)), hostile[i]);
        reel_scope_leave(tape);
        reel_scope_leave(tape);
    }
    for (int level = REEL_LEVEL_OP; level <= REEL_LEVEL_MODULE; level++) {
        char *text = drawn((reel_draw_args){.root = x,
                                            .level = (reel_draw_level)level,
                                            .most_steps = -1,
                                            .title = hostile[0],
                                            .font = hostile[0],
                                            .values = true,
                                            .weights = REEL_WEIGHTS_STUBS});
        picture p = parse(text);
        ck_assert_uint_eq(p.vertices,
                          level == REEL_LEVEL_MODULE ? (size_t)n + 1 : 2 * (size_t)n + 1);
        expect_valid(text, true);
        picture_free(&p);
        free(text);
    }
    reel_tape_free(tape);
}
END_TEST

/* What is measured */

START_TEST(values_are_described)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = reel_input(tape, REEL_F64, (const double[]){1, 1, 1, 5}, reel_dims(4));
    reel_node *y = reel_name(reel_scale(x, 2), "y");
    for (int rows = 0; rows < 2; rows++) {
        char *text = drawn((reel_draw_args){
            .root = y, .values = true, .level = rows ? REEL_LEVEL_GATE : REEL_LEVEL_OP});
        ck_assert_ptr_nonnull(strstr(text, "4 \xc2\xb1 3.5")); /* of 2 2 2 10 */
        ck_assert_ptr_nonnull(strstr(text, "2 \xc2\xb1 1.7"));
        ck_assert_ptr_nonnull(strstr(text, "\xe2\x96\x87\xe2\x96\x81")); /* three to one */
        free(text);
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(time_and_work_are_told)
{
    net n = unrolled(&reel_rnn, 1, false, 2);
    reel_tape_set_profiling(n.tape, true);
    double value;
    ck_assert_int_eq(reel_scalar(n.loss, &value), REEL_OK);
    char *text =
        drawn((reel_draw_args){.root = n.loss, .level = REEL_LEVEL_OP, .colour = REEL_BY_TIME});
    double flops = 0;
    for (const char *at = text; (at = strstr(at, "<i>")) != NULL; at++) {
        double time, part;
        char unit[8] = "", of[8] = "";
        if (sscanf(at, "<i>%lf %7[^,], %lf %7[a-z]", &time, unit, &part, of) == 4) {
            ck_assert_msg(strcmp(of, "flop") == 0, "%s", of);
            flops += part;
        }
    }
    reel_plan_stats stats = reel_plan_statistics(n.tape);
    ck_assert_double_eq(flops, (double)stats.flops);
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(origin_of_nan_is_told)
{
    reel_tape *tape = reel_tape_new(1, .trap_nan = true);
    reel_node *x = reel_input(tape, REEL_F64, (const double[]){1, -1}, reel_dims(2));
    reel_node *y = reel_sum(reel_tanh(reel_name(reel_log(x), "culprit")));
    for (int level = REEL_LEVEL_OP; level <= REEL_LEVEL_GATE; level++) {
        char *text =
            drawn((reel_draw_args){.root = y, .nan = true, .level = (reel_draw_level)level});
        ck_assert_uint_eq(count(text, "fontcolor=white"), 1);
        const char *line = strstr(text, "<b>culprit</b>");
        ck_assert_ptr_nonnull(line);
        ck_assert_uint_lt((size_t)(strstr(line, "fontcolor=white") - line), strcspn(line, "\n"));
        free(text);
    }
    reel_node *again = reel_log(x); /* the trap is set as before */
    ck_assert_int_ne(reel_eval(1, &again), REEL_OK);
    reel_tape_free(tape);
}
END_TEST

/* h <- h/2: the gradient halves with each step back. */
START_TEST(gradients_fade_along_time)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *h = reel_input(tape, REEL_F64, (const double[1]){1}, reel_dims(1));
    reel_scope_enter(tape, "cell");
    for (int t = 0; t < 8; t++) {
        reel_scope_step(tape, t);
        h = reel_scale(h, 0.5);
        reel_scope_leave(tape);
    }
    reel_scope_leave(tape);
    reel_node *loss = reel_sum(h);
    char *text = drawn(
        (reel_draw_args){.root = loss, .level = REEL_LEVEL_MODULE, .colour = REEL_BY_GRADIENT});
    double last = 0, strong = -1;
    for (int t = 0; t < 8; t++) {
        char name[32];
        double norm, hue, saturation;
        snprintf(name, sizeof name, "\"cell@%d\" [label", t);
        const char *line = strstr(text, name);
        ck_assert_ptr_nonnull(line);
        const char *at = strstr(line, "\xe2\x88\x87\xe2\x80\x96 ");
        ck_assert_int_eq(sscanf(at + 7, "%lf", &norm), 1);
        ck_assert_double_eq_tol(norm, 1.0 / (1 << (7 - t)), 0.05 * norm);
        const char *fill = line; /* the last one counts */
        for (const char *c = line;
             (c = strstr(c, "fillcolor=\"")) && c < line + strcspn(line, "\n");) {
            c += 11;
            fill = c;
        }
        ck_assert_int_eq(sscanf(fill, "%lf %lf", &hue, &saturation), 2);
        ck_assert_double_gt(norm, last);
        ck_assert_double_gt(saturation, strong);
        last = norm;
        strong = saturation;
    }
    free(text);
    reel_node *two = reel_input(tape, REEL_F64, (const double[2]){0}, reel_dims(2));
    ck_assert_int_eq(reel_draw_stream(stdout, two, .colour = REEL_BY_GRADIENT), REEL_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(reel_tape_message(tape), "one element"));
    reel_tape_free(tape);
}
END_TEST

START_TEST(memory_is_told)
{
    reel_tape *tape = reel_tape_new(1);
    static const double zero[500];
    reel_node *x = reel_input(tape, REEL_F64, zero, reel_dims(500));
    char *text = drawn((reel_draw_args){.root = reel_tanh(x), .colour = REEL_BY_MEMORY});
    ck_assert_uint_eq(count(text, reel_tape_dtype(tape) == REEL_F64 ? "4 kB" : "2 kB"), 2);
    free(text);
    reel_tape_free(tape);
}
END_TEST

/* What the backward pass computes once more has a double border, when that was seen. */
START_TEST(what_is_computed_again_is_marked)
{
    for (int every = 0; every < 4; every += 3) {
        static const float value[FEATURES] = {1};
        net n = {.params = reel_params_new(REEL_F32, 1),
                 .tape = reel_tape_new(1, .keep_every = every, .executor = REEL_COMPILED)};
        n.cell = reel_cell_of(n.params, "rnn", &reel_rnn, .in = FEATURES, .hidden = HIDDEN);
        reel_opt *opt = reel_sgd(n.params);
        reel_node *x[8], *y[8];
        for (int t = 0; t < 8; t++) {
            x[t] = reel_input(n.tape, REEL_F32, value, reel_dims(1, FEATURES));
        }
        ck_assert_int_eq(reel_unroll(n.cell, 8, x, NULL, y), REEL_OK);
        n.loss = reel_sum(y[7]);
        reel_tape_set_profiling(n.tape, true);
        ck_assert_int_eq(reel_opt_step(opt, n.loss, NULL), REEL_OK);
        char *text = drawn(
            (reel_draw_args){.root = n.loss, .level = REEL_LEVEL_MODULE, .colour = REEL_BY_TIME});
        ck_assert_uint_eq(count(text, "peripheries=2"), every ? 8 : 0);
        free(text);
        reel_opt_free(opt);
        net_close(&n);
    }
}
END_TEST

START_TEST(themes_differ)
{
    char *text[REEL_THEME_SAFE + 1];
    net n = unrolled(&reel_rnn, 1, false, 2);
    for (int rows = 0; rows < 2; rows++) {
        for (int theme = 0; theme <= REEL_THEME_SAFE; theme++) {
            text[theme] = drawn((reel_draw_args){.root = n.loss,
                                                 .theme = (reel_draw_theme)theme,
                                                 .level = rows ? REEL_LEVEL_GATE : REEL_LEVEL_OP,
                                                 .font = "Fira Sans"});
            ck_assert_ptr_nonnull(strstr(text[theme], "fontname=\"Fira Sans\""));
            expect_valid(text[theme], true);
            for (int other = 0; other < theme; other++) {
                ck_assert_str_ne(text[theme], text[other]);
            }
        }
        for (int theme = 0; theme <= REEL_THEME_SAFE; theme++) {
            free(text[theme]);
        }
    }
    net_close(&n);
}
END_TEST

START_TEST(patterns_that_match_nothing_are_told)
{
    for (int closed = 0; closed < 2; closed++) {
        net n = unrolled(&reel_lstm, 2, false, 2);
        const char *pattern = "lstm/l1, lst";
        reel_draw_args args = {.root = n.loss,
                               .level = REEL_LEVEL_MODULE,
                               .open = closed ? NULL : pattern,
                               .closed = closed ? pattern : NULL,
                               .stream = stdout};
        ck_assert_int_eq(reel_draw_with(&args), REEL_ERR_ARGUMENT);
        ck_assert_msg(strstr(reel_tape_message(n.tape),
                             "no module matches 'lst': expected a pattern of lstm, lstm/l0, "
                             "lstm/l1") != NULL,
                      "%s", reel_tape_message(n.tape));
        net_close(&n);
    }
}
END_TEST

/* However long the names of modules are, the message has room for whole ones. */
START_TEST(many_modules_are_told)
{
    for (int length = 1; length < 120; length++) {
        reel_tape *tape = reel_tape_new(1);
        reel_node *x = reel_input(tape, REEL_F64, (const double[1]){0}, reel_dims(1));
        for (int k = 0; k < 6; k++) {
            char name[128];
            int n = k % 2 ? length : 120 - length;
            memset(name, 'a' + k, (size_t)n);
            name[n] = '\0';
            reel_scope_enter(tape, name);
            x = reel_tanh(x);
            reel_scope_leave(tape);
        }
        ck_assert_int_eq(reel_draw_stream(stdout, x, .level = REEL_LEVEL_MODULE, .open = "nosuch"),
                         REEL_ERR_ARGUMENT);
        const char *told = reel_tape_message(tape);
        const char *list = strstr(told, "expected a pattern of ");
        ck_assert_msg(list && strlen(list) < 300, "%s", told);
        ck_assert_str_eq(told + strlen(told) - 5, ", ...");
        reel_tape_free(tape);
    }
}
END_TEST

START_TEST(bad_choices_are_told)
{
    reel_tape *tape = reel_tape_new(1);
    const struct {
        reel_draw_args args;
        const char *told;
    } bad[] = {{{.level = (reel_draw_level)9}, "no level has number 9"},
               {{.theme = (reel_draw_theme)-1}, "no theme has number -1"},
               {{.pass = (reel_draw_pass)3}, "no pass has number 3"},
               {{.weights = (reel_draw_weights)4}, "no way to show weights has number 4"},
               {{.most_steps = 2}, "at most 2 steps: expected -1, 0, or 3 or more"},
               {{.depth = -1}, "a depth of -1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reel_draw_args args = bad[i].args;
        args.root = reel_input(tape, REEL_F64, (const double[1]){0}, reel_dims(1));
        args.stream = stdout;
        ck_assert_int_eq(reel_draw_with(&args), REEL_ERR_ARGUMENT);
        ck_assert_msg(strstr(reel_tape_message(tape), bad[i].told) != NULL, "%s",
                      reel_tape_message(tape));
        reel_tape_reset(tape);
    }
    reel_tape_free(tape);
}
END_TEST

/* Size */

/* The part of a figure's line that says which column it stands in. */
static void group_of(const picture *p, const char *name, char group[16])
{
    const char *at = strstr(line_of(p, name), "group=\"");
    ck_assert_msg(at, "%s is in no column", name);
    snprintf(group, 16, "%.*s", (int)strcspn(at + 7, "\""), at + 7);
}

/* Sequences that are recorded one after the other are rows, whose steps stand in the same columns
 * and end where they end. */
START_TEST(sequences_are_rows)
{
    enum { SEQUENCES = 3 };
    static const int64_t length[SEQUENCES] = {4, 2, 3};
    static const float value[SEQUENCES * FEATURES];
    net n = net_open();
    n.cell = reel_cell_of(n.params, "lstm", &reel_lstm, .in = FEATURES, .hidden = HIDDEN);
    reel_node *x[4], *last[SEQUENCES];
    for (int i = 0; i < SEQUENCES; i++) {
        reel_state s = reel_state_zero(n.tape, n.cell, 1);
        for (int64_t t = 0; t < length[i]; t++) { /* the second is cut into windows of a step */
            x[t] = reel_input(n.tape, REEL_F32, value, reel_dims(1, FEATURES));
            if (i == 1) {
                ck_assert_int_eq(reel_run(n.cell, 1, x + t, &s, x + t, .first = t), REEL_OK);
            }
        }
        if (i != 1) {
            ck_assert_int_eq(reel_run(n.cell, length[i], x, &s, x), REEL_OK);
        }
        last[i] = x[length[i] - 1];
    }
    reel_node *all = reel_sum_of(SEQUENCES, last);
    char *text = drawn((reel_draw_args){.root = all, .level = REEL_LEVEL_MODULE});
    picture p = parse(text);
    ck_assert_uint_eq(shown(&p), 2 * (4 + 2 + 3) + 1);
    for (int i = 0; i < SEQUENCES; i++) {
        for (int64_t t = 0; t < length[i]; t++) {
            char name[32], first[32], run[32], group[16], above[16];
            char which[8] = "";
            if (i) {
                snprintf(which, sizeof which, ":%d", i + 1);
            }
            snprintf(name, sizeof name, "\"lstm%s@%d\"", which, (int)t);
            snprintf(first, sizeof first, "\"lstm@%d\"", (int)t);
            snprintf(run, sizeof run, "run %d t=%d<", i + 1, (int)t);
            ck_assert_ptr_nonnull(strstr(line_of(&p, name), run));
            group_of(&p, name, group);
            group_of(&p, first, above);
            ck_assert_str_eq(group, above);
        }
    }
    ck_assert_uint_eq(count(text, "\"lstm:2@0\" -> \"lstm:2@1\" ["), 1);
    ck_assert_ptr_null(strstr(text, "\"lstm@1\" -> \"lstm:"));
    expect_valid(text, true);
    picture_free(&p);
    free(text);
    text = drawn(
        (reel_draw_args){.root = all, .level = REEL_LEVEL_MODULE, .collapse = REEL_BY_MODULE});
    ck_assert_ptr_null(strstr(text, "run ")); /* the net is one */
    free(text);

    reel_tape_reset(n.tape);
    for (int t = 0; t < 4; t++) {
        x[t] = reel_input(n.tape, REEL_F32, value, reel_dims(SEQUENCES, FEATURES));
    }
    ck_assert_int_eq(reel_run(n.cell, 4, x, NULL, x, .length = length), REEL_OK);
    text = drawn((reel_draw_args){.root = reel_stack(4, x), .level = REEL_LEVEL_MODULE});
    ck_assert_ptr_null(strstr(text, "run "));
    ck_assert_uint_eq(count(text, "go on</b>"), 2);
    ck_assert_uint_eq(count(text, "<b>2 of 3 go on</b>"), 1);
    ck_assert_uint_eq(count(text, "<b>1 of 3 go on</b>"), 1);
    free(text);
    net_close(&n);
}
END_TEST

/* Where windows of truncated back-propagation meet, states go on as values: one edge a layer says
 * so, and no other; and what was carried from another tape is called that. */
START_TEST(truncation_is_marked)
{
    enum { T = 2, WINDOWS = 3 };
    net n = unrolled(&reel_lstm, 2, false, 1);
    static const float value[FEATURES];
    reel_node *x[T], *y[T];
    reel_tape_reset(n.tape);
    reel_state s = reel_state_zero(n.tape, n.cell, 1);
    for (int w = 0; w < WINDOWS; w++) {
        for (int t = 0; t < T; t++) {
            x[t] = reel_input(n.tape, REEL_F32, value, reel_dims(1, FEATURES));
        }
        s = reel_state_detach(&s);
        ck_assert_int_eq(reel_run(n.cell, T, x, &s, y, .first = w * T), REEL_OK);
    }
    for (int level = REEL_LEVEL_GATE; level <= REEL_LEVEL_MODULE; level++) {
        char *text = drawn(
            (reel_draw_args){.root = y[T - 1], .level = (reel_draw_level)level, .most_steps = -1});
        int states = level == REEL_LEVEL_MODULE ? 1 : 2; /* h and c go together there */
        ck_assert_uint_eq(count(text, "<i>truncated</i>"), (size_t)(2 * (WINDOWS - 1) * states));
        ck_assert_uint_eq(count(text, "nonenonetee"), (size_t)(2 * (WINDOWS - 1) * states));
        expect_valid(text, true);
        free(text);
    }
    char *text = drawn((reel_draw_args){.root = y[T - 1], .level = REEL_LEVEL_MODULE});
    for (int t = 1; t < T * WINDOWS; t++) {
        char edge[64];
        snprintf(edge, sizeof edge, "\"lstm/l1@%d\" -> \"lstm/l1@%d\" [", t - 1, t);
        const char *line = strstr(text, edge);
        ck_assert_ptr_nonnull(line);
        const char *end = strchr(line, '\n'), *mark = strstr(line, "truncated");
        ck_assert_int_eq(mark && mark < end, t % T == 0);
    }
    free(text);
    reel_node *other = reel_tanh(reel_detach(reel_name(y[0], "y")));
    text = drawn((reel_draw_args){.root = other, .level = REEL_LEVEL_MODULE});
    ck_assert_uint_eq(count(text, "<i>no gradient</i>"), 1);
    ck_assert_uint_eq(count(text, "<i>truncated</i>"), 2 * (WINDOWS - 1));
    free(text);
    text = drawn(
        (reel_draw_args){.root = y[T - 1], .level = REEL_LEVEL_MODULE, .collapse = REEL_BY_MODULE});
    ck_assert_ptr_null(strstr(text, "truncated")); /* the loop has both kinds of steps */
    free(text);

    reel_carry carry = {0};
    ck_assert_int_eq(reel_state_keep(&carry, &s), REEL_OK);
    reel_tape_reset(n.tape);
    s = reel_state_from(n.tape, n.cell, 1, &carry);
    x[0] = reel_input(n.tape, REEL_F32, value, reel_dims(1, FEATURES));
    ck_assert_int_eq(reel_unroll(n.cell, 1, x, &s, y), REEL_OK);
    text = drawn((reel_draw_args){.root = y[0], .level = REEL_LEVEL_MODULE});
    ck_assert_uint_eq(count(text, "<b>carried</b>"), 4);
    free(text);
    reel_carry_free(&carry);
    net_close(&n);
}
END_TEST

START_TEST(long_unrolls_are_drawn)
{
    const int steps = getenv("REEL_TEST_SLOW") ? 200 : 1000;
    net n = unrolled(&reel_lstm, 1, false, steps);
    char *text = drawn((reel_draw_args){.root = n.loss, .level = REEL_LEVEL_MODULE});
    expect_valid(text, true);
    ck_assert_uint_eq(count(text, "<b>LSTM</b>"), 4);
    free(text);
    text = drawn(
        (reel_draw_args){.root = n.loss, .level = REEL_LEVEL_GATE, .most_steps = -1, .cut = true});
    ck_assert_uint_eq(count(text, "<b>LSTM</b>"), (size_t)steps);
    free(text);
    net_close(&n);
}
END_TEST

static reel_status draw_all_kinds(net *n, FILE *out, reel_draw_level level)
{
    return reel_draw_stream(out, n->loss, .level = level, .weights = REEL_WEIGHTS_STUBS,
                            .values = true, .colour = REEL_BY_MEMORY, .cut = true,
                            .most_steps = -1);
}

START_TEST(memory_may_run_out_anywhere)
{
    FILE *out = fopen("/dev/null", "w");
    ck_assert_ptr_nonnull(out);
    for (uint64_t nth = 1;; nth++) {
        ck_assert_uint_lt(nth, 2000);
        net n = unrolled(&reel_lstm, 1, false, 3);
        reel__memory_fail(nth, false);
        reel_status status = draw_all_kinds(&n, out, (reel_draw_level)_i);
        bool failed = reel__memory_failed();
        reel__memory_fail(0, false);
        ck_assert(status == REEL_OK || (failed && status == REEL_ERR_MEMORY));
        net_close(&n);
        if (!failed) {
            break;
        }
    }
    fclose(out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("draw_levels");
    TCase *content = tcase_create("content");
    tcase_set_timeout(content, 120);
    tcase_add_loop_test(content, op_level_has_every_node_and_edge, 0, 12);
    tcase_add_loop_test(content, what_is_reachable_stays_reachable, 0, 24);
    tcase_add_test(content, modules_are_few);
    tcase_add_test(content, what_says_one_thing_is_one_box);
    tcase_add_test(content, backslashes_are_doubled);
    tcase_add_loop_test(content, maps_that_differ_stand_apart, 0, 2);
    tcase_add_test(content, words_and_directions_are_part_of_what_reads_them);
    tcase_add_test(content, a_layer_is_a_row_of_cells);
    tcase_add_test(content, a_users_cell_is_a_box);
    tcase_add_test(content, backward_in_time_points_left);
    tcase_add_test(content, steps_that_repeat_are_one_column);
    tcase_add_test(content, modules_open_and_close);
    tcase_add_test(content, weights_once_as_stubs_or_hidden);
    tcase_add_test(content, passes_are_apart_or_alone);
    tcase_add_test(content, truncation_is_marked);
    tcase_add_test(content, sequences_are_rows);
    tcase_add_test(content, names_are_stable);
    tcase_add_test(content, hostile_names_break_nothing);
    tcase_add_test(content, themes_differ);
    tcase_add_test(content, second_derivatives_are_of_second_order);
    tcase_add_test(content, derivatives_of_inputs_are_of_first_order);
    tcase_add_test(content, cells_are_looked_into_before_they_are_unrolled);
    tcase_add_test(content, patterns_that_match_nothing_are_told);
    tcase_add_test(content, many_modules_are_told);
    tcase_add_test(content, bad_choices_are_told);
    suite_add_tcase(suite, content);

    TCase *measured = tcase_create("measured");
    tcase_add_test(measured, values_are_described);
    tcase_add_test(measured, time_and_work_are_told);
    tcase_add_test(measured, origin_of_nan_is_told);
    tcase_add_test(measured, gradients_fade_along_time);
    tcase_add_test(measured, memory_is_told);
    tcase_add_test(measured, what_is_computed_again_is_marked);
    suite_add_tcase(suite, measured);

    TCase *size = tcase_create("size");
    tcase_set_timeout(size, 300);
    tcase_add_test(size, long_unrolls_are_drawn);
    tcase_add_loop_test(size, memory_may_run_out_anywhere, 0, 3);
    suite_add_tcase(suite, size);
    return suite_run(suite);
}
