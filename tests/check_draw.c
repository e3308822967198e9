/* Drawing: every node and edge is there, names cannot break the text, time and gradients are told
 * apart, whatever fails leaves the old file whole. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <reel/cell.h>
#include <reel/draw.h>
#include <reel/models.h>
#include <reel/ops.h>
#include <reel/params.h>
#include <reel/random.h>
#include <reel/tape.h>

#include "../src/label.h"
#include "../src/memory.h"
#include "drawn.h"
#include "folder.h"
#include "suite.h"

typedef struct vertex {
    char *name, *line;
} vertex;

typedef struct arrow {
    char *from, *to, *line; /* as the arrow points, which the layout may not */
    bool seen;
} arrow;

typedef struct picture {
    char *copy;
    vertex *vertex;
    arrow *arrow;
    size_t vertices, arrows;
} picture;

static void add_arrow(picture *p, char *from, char *to, char *line)
{
    bool back = strstr(line, "dir=back") != NULL;
    p->arrow[p->arrows++] = (arrow){.from = back ? to : from,
                                    .to = back ? from : to,
                                    .line = line,
                                    .seen = strstr(line, "style=invis") == NULL};
}

/* Takes the text apart, line by line, as it is written. */
static picture parse(const char *text)
{
    size_t lines = 1;
    for (const char *c = text; *c; c++) {
        lines += *c == '\n';
    }
    picture p = {.copy = strdup(text),
                 .vertex = calloc(lines, sizeof(vertex)),
                 .arrow = calloc(lines, sizeof(arrow))};
    ck_assert(p.copy && p.vertex && p.arrow);
    char *rest = p.copy;
    for (char *line; (line = strtok_r(rest, "\n", &rest));) {
        char *start = line + strspn(line, " ");
        char *attributes = strstr(start, " [");
        if ((*start != 'n' && *start != 'b') || !attributes || strncmp(start, "node ", 5) == 0) {
            continue;
        }
        *attributes++ = '\0';
        char *to = strstr(start, " -> ");
        if (to) {
            *to = '\0';
            add_arrow(&p, start, to + 4, attributes);
        } else {
            p.vertex[p.vertices++] = (vertex){.name = start, .line = attributes};
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

static const vertex *find(const picture *p, const char *name)
{
    for (size_t i = 0; i < p->vertices; i++) {
        if (strcmp(p->vertex[i].name, name) == 0) {
            return &p->vertex[i];
        }
    }
    return NULL;
}

static bool has_label(const vertex *v, const char *label)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "[label=<%s>", label);
    return strncmp(v->line, wanted, strlen(wanted)) == 0;
}

static const vertex *find_label(const picture *p, const char *label)
{
    for (size_t i = 0; i < p->vertices; i++) {
        if (has_label(&p->vertex[i], label)) {
            return &p->vertex[i];
        }
    }
    return NULL;
}

static size_t count_arrows(const picture *p, const char *from, const char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < p->arrows; i++) {
        n += p->arrow[i].seen && strcmp(p->arrow[i].from, from) == 0 &&
             strcmp(p->arrow[i].to, to) == 0;
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

static const char *short_name(char text[16], const reel_node *x)
{
    snprintf(text, 16, "n%" PRId64, reel_node_id(x));
    return text;
}

static bool have_dot(void)
{
    static int known = -1;
    if (known < 0) {
        known = system("dot -V >/dev/null 2>&1") == 0;
        if (!known) {
            printf("check_draw: dot is not in PATH: texts are not parsed by it, nothing is "
                   "rendered\n");
        }
    }
    return known == 1;
}

/* Whether dot takes the text; with a layout, also whether it can lay it out. */
static void expect_valid(const char *text, bool layout)
{
    if (!have_dot()) {
        return;
    }
    FILE *dot = popen(layout ? "dot -Tsvg -o /dev/null" : "dot -Tcanon -o /dev/null", "w");
    ck_assert_ptr_nonnull(dot);
    fputs(text, dot);
    ck_assert_msg(pclose(dot) == 0, "dot rejects:\n%s", text);
}

static reel_node *filled(reel_tape *tape, int64_t rows, int64_t columns)
{
    return reel_input_at("net.c:1", tape, REEL_F64, (const double[64]){0},
                         reel_dims(rows, columns));
}

/* A plain recurrent net over three steps, with places that do not change when this file does. */
typedef struct net {
    reel_params *params;
    reel_tape *tape;
    reel_node *u, *w, *loss;
} net;

static net net_open(int steps)
{
    net n = {.params = reel_params_new(REEL_F32, 1), .tape = reel_tape_new(1)};
    reel_init zero = {0};
    reel_param *u = reel_params_get(n.params, "rnn.weight_hh", reel_dims(2, 2), zero, 1);
    reel_param *w = reel_params_get(n.params, "out.weight", reel_dims(2, 1), zero, 1);
    n.u = reel_use_at("net.c:2", n.tape, u);
    n.w = reel_use_at("net.c:3", n.tape, w);
    reel_node *h = reel_name(filled(n.tape, 1, 2), "h");
    reel_scope_enter(n.tape, "rnn");
    for (int t = 0; t < steps; t++) {
        reel_scope_step(n.tape, t);
        h = reel_tanh_at("net.c:5", reel_matmul_at("net.c:4", h, n.u));
        reel_scope_leave(n.tape);
    }
    reel_scope_leave(n.tape);
    n.loss = reel_name(reel_sum_at("net.c:7", reel_matmul_at("net.c:6", h, n.w)), "loss");
    ck_assert_msg(reel_tape_status(n.tape) == REEL_OK, "%s", reel_tape_message(n.tape));
    return n;
}

static void net_close(net *n)
{
    reel_tape_free(n->tape);
    reel_params_free(n->params);
}

static const struct {
    const char *in, *html, *quoted;
} escapes[] = {
    {"plain", "plain", "plain"},
    {"a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;", "a<b>&amp;\\\"c\\\""},
    {"\\N|{}\n", "\\\\N|{}<br/>", "\\\\\\\\N|{}\\n"},
    {"&amp;", "&amp;amp;", "&amp;amp;"},
    {"\x01\x7f\t", "\xe2\x90\x81\xe2\x90\xa1\xe2\x90\x89", "\xe2\x90\x81\xe2\x90\xa1\xe2\x90\x89"},
    {"\xcf\x83\xf0\x9f\x98\x80", "\xcf\x83\xf0\x9f\x98\x80", "\xcf\x83\xf0\x9f\x98\x80"},
    {"a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd", "a\xef\xbf\xbd\xef\xbf\xbd"},
    /* overlong, surrogate, beyond the last plane: each byte is no character */
    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xef\xbf\xbe\xc2\x85", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"},
    {"twelve chars and more", "twelve chars\xe2\x80\xa6", "twelve chars\xe2\x80\xa6"},
};

START_TEST(labels_are_escaped)
{
    for (int quoted = 0; quoted < 2; quoted++) {
        reel__text text = {0};
        (quoted ? reel__text_quoted : reel__text_html)(&text, escapes[_i].in, 12);
        reel__text_add(&text, "!");
        ck_assert(reel__text_flush(&text));
        const char *wanted = quoted ? escapes[_i].quoted : escapes[_i].html;
        ck_assert_uint_eq(text.n, strlen(wanted) + 1);
        ck_assert_mem_eq(text.data, wanted, strlen(wanted));
        reel__text_free(&text);
    }
}
END_TEST

static const char *const hostile[] = {
    "\"]; evil [label=\"",
    "<b>not bold",
    "</b>&lt;",
    "a|b{c}d",
    "back\\slash\\",
    "\\N\\G\\E",
    "line\nbreak\r\t",
    "",
    " ",
    "\x01\x02\x1b[31m",
    "\xff\xfe\xc3(",
    "--> <!-- ]]>",
    "&#0;&bogus;",
    "\xe2\x80\xae\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
    "subgraph cluster_0 {",
    "n0 -> n1; }",
    "%s%n",
    "\xef\xbb\xbf",
};

START_TEST(hostile_names_break_nothing)
{
    reel_tape *tape = reel_tape_new(1);
    char huge[20001];
    memset(huge, '<', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    int n = (int)(sizeof hostile / sizeof *hostile);
    reel_node *x = filled(tape, 1, 1);
    for (int i = 0; i <= n; i++) {
        const char *name = i < n ? hostile[i] : huge;
        reel_scope_enter(tape, name);
        x = reel_name(reel_tanh_at(name, x), name);
        reel_scope_leave(tape);
    }
    for (int c = REEL_DRAW_ALL; c <= REEL_BY_MODULE; c++) {
        for (int i = 0; i <= n; i++) {
            char *text = drawn((reel_draw_args){
                .root = x, .collapse = (reel_draw_collapse)c, .title = i < n ? hostile[i] : huge});
            ck_assert_uint_lt(strlen(text), 40000);
            picture p = parse(text);
            ck_assert_uint_eq(p.vertices, (size_t)n + 2);
            ck_assert_uint_eq(p.arrows, (size_t)n + 1);
            expect_valid(text, i == n);
            picture_free(&p);
            free(text);
        }
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(every_node_and_edge_is_drawn)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *node[RANDOM_NODES], *all = random_graph(tape, (uint64_t)_i, node);
    char *text = drawn((reel_draw_args){.root = all});
    picture p = parse(text);
    size_t edges = 0;
    for (int i = 0; i <= RANDOM_NODES; i++) {
        const reel_node *x = i < RANDOM_NODES ? node[i] : all;
        char name[16], other[16];
        ck_assert_ptr_nonnull(find(&p, short_name(name, x)));
        for (int k = 0; k < reel_node_arity(x); k++) {
            size_t wanted = 0;
            for (int j = 0; j < reel_node_arity(x); j++) {
                wanted += reel_node_arg(x, j) == reel_node_arg(x, k);
            }
            ck_assert_uint_eq(count_arrows(&p, short_name(other, reel_node_arg(x, k)), name),
                              wanted);
        }
        edges += (size_t)reel_node_arity(x);
    }
    size_t seen = 0;
    for (size_t i = 0; i < p.arrows; i++) {
        seen += p.arrow[i].seen;
    }
    ck_assert_uint_eq(p.vertices, RANDOM_NODES + 1);
    ck_assert_uint_eq(seen, edges);
    expect_valid(text, true);
    picture_free(&p);
    free(text);
    reel_tape_free(tape);
}
END_TEST

/* The label that a node's figure has when collapsed without shapes; "" for nodes outside modules.
 */
static void box_label(const reel_node *x, bool steps, char *label, size_t n)
{
    char path[128], *rest = path, modules[64] = "", times[64] = "";
    reel_node_scope(x, path, sizeof path);
    label[0] = '\0';
    for (char *part; (part = strtok_r(rest, "/", &rest));) {
        char was[64];
        if (strncmp(part, "t=", 2) == 0) {
            snprintf(was, sizeof was, "%s%.40s", *times ? " in " : "", times);
            snprintf(times, sizeof times, "%.20s%.40s", part, was);
        } else {
            snprintf(was, sizeof was, "%s", modules);
            snprintf(modules, sizeof modules, "%.30s%s%.30s", was, *was ? "/" : "", part);
        }
    }
    bool timed = steps && *times;
    if (*modules) {
        snprintf(label, n, "<b>%s</b>%s%s", modules, timed ? "<br/>" : "", timed ? times : "");
    } else if (timed) {
        snprintf(label, n, "%s", times);
    }
}

/* Whether an arrow leads from a figure of the one label to one of the other. t=1/a/t=2 and
 * t=1/t=2/a have the same. */
static bool leads(const picture *p, const char *from, const char *to)
{
    for (size_t i = 0; i < p->arrows; i++) {
        const vertex *a = find(p, p->arrow[i].from), *b = find(p, p->arrow[i].to);
        if (p->arrow[i].seen && a && b && has_label(a, from) && has_label(b, to)) {
            return true;
        }
    }
    return false;
}

/* Whatever leads from node to node leads from figure to figure, so what is reachable stays
 * reachable. */
START_TEST(collapse_keeps_what_leads_where)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *node[RANDOM_NODES], *all = random_graph(tape, (uint64_t)_i, node);
    for (int by_step = 0; by_step < 2; by_step++) {
        char *text = drawn((reel_draw_args){
            .root = all, .collapse = by_step ? REEL_BY_STEP : REEL_BY_MODULE, .no_shapes = true});
        picture p = parse(text);
        for (int i = 0; i < RANDOM_NODES; i++) {
            for (int k = 0; k < reel_node_arity(node[i]); k++) {
                char from[160], to[160];
                box_label(reel_node_arg(node[i], k), by_step, from, sizeof from);
                box_label(node[i], by_step, to, sizeof to);
                if (*from && *to && strcmp(from, to) != 0) {
                    ck_assert_msg(leads(&p, from, to), "no arrow from '%s' to '%s'", from, to);
                }
            }
        }
        for (size_t i = 0; i < p.arrows; i++) {
            ck_assert_ptr_nonnull(find(&p, p.arrow[i].from));
            ck_assert_ptr_nonnull(find(&p, p.arrow[i].to));
        }
        expect_valid(text, true);
        picture_free(&p);
        free(text);
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(collapsed_unroll_is_a_row)
{
    net n = net_open(4);
    char *text =
        drawn((reel_draw_args){.root = n.loss, .collapse = REEL_BY_STEP, .no_shapes = true});
    picture p = parse(text);
    /* h, four steps, two weights, the product and its sum */
    ck_assert_uint_eq(p.vertices, 9);
    const vertex *last = NULL;
    for (int t = 0; t < 4; t++) {
        char label[48];
        snprintf(label, sizeof label, "<b>rnn</b><br/>t=%d", t);
        const vertex *box = find_label(&p, label);
        ck_assert_ptr_nonnull(box);
        ck_assert_uint_eq(count_arrows(&p, find_label(&p, "rnn.weight_hh")->name, box->name), 1);
        if (last) {
            ck_assert_uint_eq(count_arrows(&p, last->name, box->name), 1);
        }
        last = box;
    }
    ck_assert_uint_eq(count(text, "rank=same"), 1);
    picture_free(&p);
    free(text);
    text = drawn((reel_draw_args){.root = n.loss, .collapse = REEL_BY_MODULE, .no_shapes = true});
    p = parse(text);
    ck_assert_uint_eq(p.vertices, 6);
    const vertex *box = find_label(&p, "<b>rnn</b>");
    ck_assert_ptr_nonnull(box);
    ck_assert_uint_eq(count_arrows(&p, box->name, box->name), 1);
    picture_free(&p);
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(weights_are_apart_or_hidden)
{
    net n = net_open(3);
    char *text = drawn((reel_draw_args){.root = n.loss});
    picture p = parse(text);
    char u[16], w[16];
    /* used by three steps: once, in a cluster of its own, named by its users; used once: at its
     * user */
    const char *apart = strstr(text, "cluster_weights");
    ck_assert_ptr_nonnull(apart);
    ck_assert_ptr_nonnull(strstr(apart, "rnn.weight_hh<br/>"));
    ck_assert_uint_eq(count(text, ">weight_hh</font>"), 3);
    ck_assert_ptr_nonnull(find(&p, short_name(u, n.u)));
    ck_assert_ptr_nonnull(find(&p, short_name(w, n.w)));
    ck_assert_uint_eq(count_arrows(&p, w, "n9"), 1);
    ck_assert_uint_eq(count(text, "[2,1]"), 1);
    picture_free(&p);
    free(text);
    text = drawn((reel_draw_args){.root = n.loss, .hide_weights = true});
    ck_assert_ptr_null(strstr(text, "weight"));
    expect_valid(text, true);
    free(text);
    text = drawn((reel_draw_args){.root = n.loss, .no_shapes = true});
    ck_assert_ptr_null(strstr(text, "[2,"));
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(gradients_are_told_apart)
{
    net n = net_open(3);
    reel_node *dw[2];
    ck_assert_int_eq(reel_grad(n.loss, 2, ((reel_node *[]){n.u, n.w}), dw), REEL_OK);
    for (int c = REEL_DRAW_ALL; c <= REEL_BY_MODULE; c++) {
        reel_draw_args args = {
            .root = n.loss, .more = 2, .roots = dw, .collapse = (reel_draw_collapse)c};
        char *text = drawn(args);
        picture p = parse(text);
        char name[16], loss[16];
        ck_assert_ptr_nonnull(strstr(find(&p, short_name(name, dw[0]))->line, ",dashed"));
        ck_assert_ptr_null(strstr(find(&p, short_name(loss, n.loss))->line, "dashed"));
        ck_assert_uint_eq(count(text, "<b>backward</b>"), c == REEL_DRAW_ALL);
        expect_valid(text, true);
        picture_free(&p);
        free(text);
    }
    net_close(&n);
}
END_TEST

START_TEST(second_order_is_told_apart)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = filled(tape, 1, 1), *dx, *ddx;
    ck_assert_int_eq(reel_grad(reel_sum(reel_tanh(x)), 1, &x, &dx), REEL_OK);
    ck_assert_int_eq(reel_grad(reel_sum(dx), 1, &x, &ddx), REEL_OK);
    char *text = drawn((reel_draw_args){.root = ddx});
    ck_assert_ptr_nonnull(strstr(text, "<b>derivative of order 2</b>"));
    expect_valid(text, true);
    free(text);
    reel_tape_free(tape);
}
END_TEST

/* The same graph later on a tape, or on another, gives the same text. */
START_TEST(text_is_deterministic)
{
    char *text[2];
    for (int i = 0; i < 2; i++) {
        reel_tape *tape = reel_tape_new(1);
        for (int k = 0; k < 7 * i; k++) {
            reel_scope_enter(tape, "other");
            filled(tape, 1, 1);
            reel_scope_leave(tape);
        }
        reel_node *node[RANDOM_NODES];
        text[i] = drawn((reel_draw_args){.root = random_graph(tape, 5, node)});
        reel_tape_free(tape);
    }
    ck_assert_str_eq(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}
END_TEST

static const struct {
    const char *file;
    bool gradient;
    reel_draw_collapse collapse;
    reel_draw_level level;
} goldens[] = {
    {"draw_all.dot", false, REEL_DRAW_ALL, REEL_LEVEL_OP},
    {"draw_gradient.dot", true, REEL_DRAW_ALL, REEL_LEVEL_OP},
    {"draw_step.dot", true, REEL_BY_STEP, REEL_LEVEL_OP},
    {"draw_module.dot", false, REEL_BY_MODULE, REEL_LEVEL_OP},
    {"draw_level_gate.dot", true, REEL_DRAW_ALL, REEL_LEVEL_GATE},
    {"draw_level_module.dot", true, REEL_DRAW_ALL, REEL_LEVEL_MODULE},
};

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return strdup("");
    }
    char *text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    ck_assert(fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1);
    fclose(f);
    return text;
}

/* REEL_TEST_GOLDEN=folder writes the drawings there, to be looked at and committed. */
START_TEST(golden_drawings)
{
    net n = net_open(2);
    reel_node *dw[1];
    ck_assert_int_eq(reel_grad_at("net.c:8", n.loss, 1, &n.u, dw), REEL_OK);
    char *text = drawn((reel_draw_args){.root = n.loss,
                                        .more = goldens[_i].gradient,
                                        .roots = dw,
                                        .collapse = goldens[_i].collapse,
                                        .level = goldens[_i].level,
                                        .title = "A small net"});
    const char *source = getenv("srcdir"), *target = getenv("REEL_TEST_GOLDEN");
    char path[512];
    if (target) {
        snprintf(path, sizeof path, "%.200s/%s", target, goldens[_i].file);
        FILE *f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
    }
    snprintf(path, sizeof path, "%.200s/tests/golden/%s", source ? source : ".", goldens[_i].file);
    char *wanted = read_all(path);
    size_t same = 0;
    while (text[same] && text[same] == wanted[same]) {
        same++;
    }
    ck_assert_msg(text[same] == wanted[same], "%s: drawn '%.80s', expected '%.80s'",
                  goldens[_i].file, text + same, wanted + same);
    expect_valid(text, true);
    free(wanted);
    free(text);
    net_close(&n);
}
END_TEST

START_TEST(long_chain_needs_no_recursion)
{
    const int64_t steps = getenv("REEL_TEST_SLOW") ? 5000 : 100000;
    folder f = folder_make();
    char path[FOLDER_PATH];
    reel_tape *tape = reel_tape_new(1);
    reel_node *h = filled(tape, 1, 1), *x = h, *dx;
    reel_scope_enter(tape, "cell");
    for (int64_t t = 0; t < steps; t++) {
        reel_scope_step(tape, t);
        h = reel_tanh(reel_add(h, x));
        reel_scope_leave(tape);
    }
    reel_scope_leave(tape);
    ck_assert_int_eq(reel_grad(reel_sum(h), 1, &x, &dx), REEL_OK);
    folder_file(&f, path, "long.dot");
    for (int c = REEL_DRAW_ALL; c <= REEL_BY_MODULE; c++) {
        ck_assert_msg(reel_draw(path, h, .more = 1, .roots = &dx,
                                .collapse = (reel_draw_collapse)c) == REEL_OK,
                      "%s", reel_tape_message(tape));
        struct stat s;
        ck_assert_int_eq(stat(path, &s), 0);
        ck_assert(c == REEL_BY_MODULE ? s.st_size < 20000 : s.st_size > (off_t)steps * 2 * 50);
    }
    reel_tape_free(tape);
    folder_remove(&f);
}
END_TEST

START_TEST(deep_scopes_need_no_recursion)
{
    enum { DEPTH = 50000 };
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = filled(tape, 1, 1);
    for (int i = 0; i < DEPTH; i++) {
        reel_scope_enter(tape, "in");
        if (i % 1000 == 0) {
            x = reel_tanh(x);
        }
    }
    for (int c = REEL_DRAW_ALL; c <= REEL_BY_MODULE; c++) {
        char *text = drawn((reel_draw_args){.root = x, .collapse = (reel_draw_collapse)c});
        expect_valid(text, false);
        free(text);
    }
    for (int i = 0; i < DEPTH; i++) {
        reel_scope_leave(tape);
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(steps_of_any_number)
{
    static const int64_t steps[] = {INT64_MAX, INT64_MIN, 0, -1, 1, INT64_MAX - 1};
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = filled(tape, 1, 1);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        reel_scope_step(tape, steps[i]);
        x = reel_tanh(x);
        reel_scope_leave(tape);
    }
    for (int c = REEL_DRAW_ALL; c <= REEL_BY_MODULE; c++) {
        char *text = drawn((reel_draw_args){.root = x, .collapse = (reel_draw_collapse)c});
        expect_valid(text, true);
        free(text);
    }
    reel_tape_free(tape);
}
END_TEST

static void expect_failure(reel_status status, reel_status wanted, reel_tape *tape,
                           const char *part)
{
    ck_assert_msg(status == wanted, "status %d: %s", (int)status, reel_tape_message(tape));
    ck_assert_msg(strstr(reel_tape_message(tape), part) != NULL, "'%s' is not in '%s'", part,
                  reel_tape_message(tape));
    reel_tape_reset(tape);
}

START_TEST(bad_arguments_are_told)
{
    reel_tape *tape = reel_tape_new(1), *other = reel_tape_new(1);
    reel_node *x = filled(tape, 1, 1), *y = filled(other, 1, 1);
    ck_assert_int_eq(reel_draw_with(NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_draw("x.dot", NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_draw("x.dot", x, .more = 1), REEL_ERR_ARGUMENT);
    expect_failure(reel_draw(NULL, x), REEL_ERR_ARGUMENT, tape, "either a path or a stream");
    static const char *const path[] = {"x.bmp", "x", "a.svg/x", ".", "", "x.svgz"};
    for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
        x = filled(tape, 1, 1);
        expect_failure(reel_draw(path[i], x), REEL_ERR_ARGUMENT, tape,
                       ".dot, .gv, .svg, .png or .pdf");
    }
    x = filled(tape, 1, 1);
    expect_failure(reel_draw("x.dot", x, .more = 1, .roots = &y), REEL_ERR_ARGUMENT, tape,
                   "another tape");
    expect_failure(reel_draw("x.dot", x), REEL_ERR_STALE, tape, "kept over a reset");
    x = filled(tape, 1, 1);
    expect_failure(reel_draw("x.dot", x, .collapse = (reel_draw_collapse)7), REEL_ERR_ARGUMENT,
                   tape, "number 7");
    x = reel_add(filled(tape, 1, 2), filled(tape, 1, 3));
    expect_failure(reel_draw("x.dot", x), REEL_ERR_SHAPE, tape, "do not broadcast");
    ck_assert_int_ne(access("x.dot", F_OK), 0);
    reel_tape_free(tape);
    reel_tape_free(other);
}
END_TEST

START_TEST(what_cannot_be_written_is_told)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = filled(tape, 1, 1);
    expect_failure(reel_draw(folder_file(&f, path, "none/x.dot"), x), REEL_ERR_FILE, tape,
                   "none/x.dot");
    ck_assert_int_eq(mkdir(folder_file(&f, path, "dir.dot"), 0700), 0);
    x = filled(tape, 1, 1);
    expect_failure(reel_draw(path, x), REEL_ERR_FILE, tape, "dir.dot");
    ck_assert_int_eq(rmdir(path), 0);
    if (have_dot()) {
        x = filled(tape, 1, 1);
        expect_failure(reel_draw(folder_file(&f, path, "none/x.svg"), x), REEL_ERR_FILE, tape,
                       "none/x.svg");
    }
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        x = filled(tape, 1, 1);
        expect_failure(reel_draw_stream(full, x), REEL_ERR_FILE, tape, strerror(ENOSPC));
        fclose(full);
    }
    ck_assert_int_eq(folder_files(&f, "", false), 0);
    reel_tape_free(tape);
    folder_remove(&f);
}
END_TEST

START_TEST(pictures_are_rendered)
{
    static const struct {
        const char *name, *begin;
    } kind[] = {{"x.svg", "<?xml"},
                {"x.PNG", "\x89PNG"},
                {"x.pdf", "%PDF"},
                {"x.dot", "digraph"},
                {"x.gv", "digraph"}};
    folder f = folder_make();
    net n = net_open(2);
    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
        char path[FOLDER_PATH];
        folder_file(&f, path, kind[i].name);
        if (strcmp(kind[i].begin, "digraph") != 0 && !have_dot()) {
            continue;
        }
        ck_assert_msg(reel_draw(path, n.loss) == REEL_OK, "%s", reel_tape_message(n.tape));
        char *text = read_all(path);
        ck_assert_int_eq(strncmp(text, kind[i].begin, strlen(kind[i].begin)), 0);
        free(text);
    }
    net_close(&n);
    folder_remove(&f);
}
END_TEST

/* Programs that pose as dot, and what must then be said. */
static const struct {
    const char *script;
    const char *told;
} impostors[] = {
    {NULL, "not in PATH: install Graphviz"},
    {"echo 'sad\nnews' >&2; exit 3", "failed with exit status 3: sad news"},
    {"echo half a picture; kill -9 $$", "ended by signal 9"},
    {"exit 0", "gave no picture"},
    {"exit 127", "failed with exit status 127"},
    {"exit 1", "failed with exit status 1"},
    {"i=0; while test $i -lt 20000; do echo complaint >&2; i=$((i+1)); done; exit 1",
     "complaint complaint"},
};

START_TEST(failing_dot_leaves_the_old_file)
{
    folder f = folder_make(), bin = folder_make();
    char path[FOLDER_PATH], program[FOLDER_PATH];
    FILE *file = fopen(folder_file(&f, path, "x.svg"), "w");
    ck_assert_ptr_nonnull(file);
    fputs("old", file);
    fclose(file);
    if (impostors[_i].script) {
        file = fopen(folder_file(&bin, program, "dot"), "w");
        ck_assert_ptr_nonnull(file);
        fprintf(file, "#!/bin/sh\n%s\n", impostors[_i].script);
        fclose(file);
        ck_assert_int_eq(chmod(program, 0700), 0);
    }
    char *was = strdup(getenv("PATH"));
    ck_assert_int_eq(setenv("PATH", bin.path, 1), 0);
    net n = net_open(2);
    expect_failure(reel_draw(path, n.loss), REEL_ERR_PROGRAM, n.tape, impostors[_i].told);
    ck_assert_int_eq(setenv("PATH", was, 1), 0);
    free(was);
    char *text = read_all(path);
    ck_assert_str_eq(text, "old");
    free(text);
    ck_assert_int_eq(folder_files(&f, "", false), 1);
    net_close(&n);
    folder_remove(&f);
    folder_remove(&bin);
}
END_TEST

START_TEST(memory_may_run_out_anywhere)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    folder_file(&f, path, _i == 3 ? "x.svg" : "x.dot");
    if (_i == 3 && !have_dot()) {
        folder_remove(&f);
        return;
    }
    reel_draw_collapse collapse = _i == 3 ? REEL_BY_STEP : (reel_draw_collapse)_i;
    net n = net_open(20);
    reel_node *dw;
    ck_assert_int_eq(reel_grad(n.loss, 1, &n.u, &dw), REEL_OK);
    net_close(&n);
    for (uint64_t nth = 1;; nth++) {
        ck_assert_uint_lt(nth, 500);
        n = net_open(20);
        ck_assert_int_eq(reel_grad(n.loss, 1, &n.u, &dw), REEL_OK);
        reel__memory_fail(nth, false);
        reel_status status = reel_draw(path, n.loss, .more = 1, .roots = &dw, .collapse = collapse);
        bool failed = reel__memory_failed();
        reel__memory_fail(0, false);
        if (failed) {
            ck_assert_int_eq(status, REEL_ERR_MEMORY);
            ck_assert_ptr_nonnull(strstr(reel_tape_message(n.tape), "memory"));
            ck_assert_int_eq(folder_files(&f, "", false), 0);
        }
        net_close(&n);
        if (!failed) {
            ck_assert_int_eq(status, REEL_OK);
            break;
        }
    }
    folder_remove(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("draw");
    TCase *labels = tcase_create("labels");
    tcase_set_timeout(labels, 120);
    tcase_add_loop_test(labels, labels_are_escaped, 0, (int)(sizeof escapes / sizeof *escapes));
    tcase_add_test(labels, hostile_names_break_nothing);
    suite_add_tcase(suite, labels);

    TCase *content = tcase_create("content");
    tcase_add_loop_test(content, every_node_and_edge_is_drawn, 0, 12);
    tcase_add_loop_test(content, collapse_keeps_what_leads_where, 0, 12);
    tcase_add_test(content, collapsed_unroll_is_a_row);
    tcase_add_test(content, weights_are_apart_or_hidden);
    tcase_add_test(content, gradients_are_told_apart);
    tcase_add_test(content, second_order_is_told_apart);
    tcase_add_test(content, text_is_deterministic);
    tcase_add_loop_test(content, golden_drawings, 0, (int)(sizeof goldens / sizeof *goldens));
    suite_add_tcase(suite, content);

    TCase *size = tcase_create("size");
    tcase_set_timeout(size, 300);
    tcase_add_test(size, long_chain_needs_no_recursion);
    tcase_add_test(size, deep_scopes_need_no_recursion);
    tcase_add_test(size, steps_of_any_number);
    suite_add_tcase(suite, size);

    TCase *files = tcase_create("files");
    tcase_add_test(files, bad_arguments_are_told);
    tcase_add_test(files, what_cannot_be_written_is_told);
    tcase_add_test(files, pictures_are_rendered);
    tcase_add_loop_test(files, failing_dot_leaves_the_old_file, 0,
                        (int)(sizeof impostors / sizeof *impostors));
    tcase_add_loop_test(files, memory_may_run_out_anywhere, 0, 4);
    suite_add_tcase(suite, files);
    return suite_run(suite);
}
