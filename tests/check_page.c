/* The page of a graph: all of it is in the file as JSON that any parser takes, whatever things are
 * called, and nothing that is called somehow ends an element. What the page does with it:
 * check_browser.sh. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reel/cell.h>
#include <reel/models.h>
#include <reel/ops.h>
#include <reel/page.h>
#include <reel/params.h>
#include <reel/tape.h>

#include "../src/memory.h"
#include "folder.h"
#include "suite.h"

static char *shown(reel_page_args args)
{
    char *text = NULL;
    size_t n = 0;
    args.stream = open_memstream(&text, &n);
    args.at = "test.c:1";
    ck_assert_ptr_nonnull(args.stream);
    reel_status status = reel_page_with(&args);
    fclose(args.stream);
    ck_assert_msg(status == REEL_OK, "%s", reel_tape_message(reel_node_tape(args.root)));
    return text;
}

/* Without strstr, which the address sanitizer makes look to the end of the text each time. */
static size_t count(const char *text, const char *part)
{
    size_t n = 0, length = strlen(part);
    for (const char *c = text; *c; c++) {
        n += *c == *part && strncmp(c, part, length) == 0;
    }
    return n;
}

/* The graph that stands in the page. */
static json_t *graph_of(const char *page)
{
    const char *start = strstr(page, "id=\"graph\">");
    ck_assert_ptr_nonnull(start);
    start = strchr(start, '>') + 1;
    const char *end = strstr(start, "</script>");
    ck_assert_ptr_nonnull(end);
    json_error_t error;
    json_t *graph = json_loadb(start, (size_t)(end - start), 0, &error);
    ck_assert_msg(graph != NULL, "line %d: %s", error.line, error.text);
    return graph;
}

static const char *text_at(const json_t *node, size_t i)
{
    const char *text = json_string_value(json_array_get(node, i));
    ck_assert_ptr_nonnull(text);
    return text;
}

static int64_t number_at(const json_t *node, size_t i)
{
    ck_assert(json_is_integer(json_array_get(node, i)));
    return json_integer_value(json_array_get(node, i));
}

enum { PLACE, KIND, OP, LABEL, SHAPE, NAME, AT, ARGS, ROOT }; /* of a node */
enum { UP, PLACE_KIND, PLACE_NAME };
enum { MODULE, STEP, PASS };

/* The node's scope as reel_node_scope writes it; for gradients with the pass before. */
static void path_of(const json_t *places, int64_t place, char path[256])
{
    char up[256] = "";
    path[0] = '\0';
    if (place) {
        const json_t *p = json_array_get(places, (size_t)place);
        path_of(places, number_at(p, UP), up);
        ck_assert_int_lt(number_at(p, UP), place);
        snprintf(path, 256, "%.200s%s%.50s", up, *up ? "/" : "", text_at(p, PLACE_NAME));
    }
}

/* Two steps of a plain net and its gradient. */
typedef struct net {
    reel_params *params;
    reel_cell *cell;
    reel_tape *tape;
    reel_node *x[2], *y[2], *loss, *weight, *slope;
} net;

static net net_open(void)
{
    net n = {.params = reel_params_new(REEL_F32, 1), .tape = reel_tape_new(1)};
    n.cell = reel_cell_of(n.params, "net", &reel_lstm, .in = 2, .hidden = 3);
    for (int t = 0; t < 2; t++) {
        n.x[t] = reel_name(reel_input(n.tape, REEL_F64, (const double[2]){1, 2}, reel_dims(1, 2)),
                           "word");
    }
    ck_assert_int_eq(reel_unroll(n.cell, 2, n.x, NULL, n.y), REEL_OK);
    n.loss = reel_name(reel_sum(n.y[1]), "loss");
    n.weight = reel_use(n.tape, reel_params_find(n.params, "net.weight_hh_l0"));
    ck_assert_int_eq(reel_grad(n.loss, 1, &n.weight, &n.slope), REEL_OK);
    return n;
}

static void net_close(net *n)
{
    reel_tape_free(n->tape);
    reel_cell_free(n->cell);
    reel_params_free(n->params);
}

/* Walks the graph of the tape and that of the page side by side. */
static void expect_same(const json_t *graph, reel_node *x, int64_t at, int depth)
{
    const json_t *node = json_array_get(json_object_get(graph, "node"), (size_t)at);
    char path[256], scope[256], shape[64] = "[";
    ck_assert_ptr_nonnull(node);
    ck_assert_str_eq(text_at(node, OP), reel_node_op(x)->name);
    ck_assert_str_eq(text_at(node, NAME), reel_node_name(x));
    for (int i = 0; i < reel_node_rank(x); i++) {
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%" PRId64, i ? "," : "",
                 reel_node_dim(x, i));
    }
    strcat(shape, "]");
    ck_assert_str_eq(text_at(node, SHAPE), reel_node_rank(x) ? shape : "scalar");
    path_of(json_object_get(graph, "place"), number_at(node, PLACE), path);
    reel_node_scope(x, scope, sizeof scope);
    const char *inner = strncmp(path, "backward", 8) == 0 ? path + 8 : path;
    ck_assert_str_eq(*inner == '/' ? inner + 1 : inner, scope);
    const json_t *args = json_array_get(node, ARGS);
    ck_assert_uint_eq(json_array_size(args), (size_t)reel_node_arity(x));
    for (size_t i = 0; depth && i < json_array_size(args); i++) {
        ck_assert_int_lt(number_at(args, i), at);
        expect_same(graph, reel_node_arg(x, (int)i), number_at(args, i), depth - 1);
    }
}

START_TEST(the_whole_graph_is_there)
{
    net n = net_open();
    char *page = shown((reel_page_args){
        .root = n.loss, .more = 1, .roots = &n.slope, .title = "A <net> & its \"gradient\""});
    ck_assert_uint_eq(count(page, "<h1>A &lt;net&gt; &amp; its &quot;gradient&quot;</h1>"), 1);
    json_t *graph = graph_of(page);
    const json_t *node = json_object_get(graph, "node");
    int64_t loss = -1, slope = -1;
    for (size_t i = 0; i < json_array_size(node); i++) {
        const json_t *v = json_array_get(node, i);
        bool is_loss = strcmp(text_at(v, NAME), "loss") == 0;
        if (number_at(v, ROOT)) {
            *(is_loss ? &loss : &slope) = (int64_t)i;
        }
    }
    ck_assert(loss >= 0 && slope >= 0);
    expect_same(graph, n.loss, loss, 12);
    expect_same(graph, n.slope, slope, 12);
    json_decref(graph);
    free(page);
    net_close(&n);
}
END_TEST

static const char *const hostile[] = {
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "\"],\"node\":[",
    "back\\slash\\u0000",
    "a\nb\r\tc\x01\x7f",
    "\xff\xfe\xc3(\xed\xa0\x80",
    "\xef\xbf\xbe\xe2\x80\xa8\xe2\x80\xa9",
    "",
    "\xf0\x9f\x98\x80 %s%n",
};

START_TEST(any_name_gives_a_page)
{
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = reel_input(tape, REEL_F64, (const double[1]){1}, reel_dims(1));
    size_t n = sizeof hostile / sizeof *hostile;
    for (size_t i = 0; i < n; i++) {
        reel_scope_enter(tape, hostile[i]);
        x = reel_name(reel_tanh(x), hostile[i]);
    }
    for (size_t i = 0; i < n; i++) {
        char *page = shown((reel_page_args){.root = x, .title = hostile[i]});
        json_t *graph = graph_of(page);
        ck_assert_uint_eq(json_array_size(json_object_get(graph, "node")), n + 1);
        ck_assert_uint_eq(json_array_size(json_object_get(graph, "place")), n + 1);
        ck_assert_str_eq(text_at(json_array_get(json_object_get(graph, "node"), 1), NAME),
                         hostile[0]);
        ck_assert_uint_eq(count(page, "<script"), 2);
        ck_assert_uint_eq(count(page, "</script>"), 2);
        json_decref(graph);
        free(page);
    }
    reel_tape_free(tape);
}
END_TEST

START_TEST(the_page_needs_nothing_else)
{
    net n = net_open();
    char *page = shown((reel_page_args){.root = n.loss});
    static const char *const foreign[] = {" src=",  "href=",  "@import",
                                          "fetch(", "https:", "import "};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        ck_assert_msg(!strstr(page, foreign[i]), "the page has %s", foreign[i]);
    }
    ck_assert_uint_eq(count(page, "http:"), 1); /* the name of SVG's namespace */
    free(page);
    net_close(&n);
}
END_TEST

START_TEST(many_nodes_are_written)
{
    enum { NODES = 10000, DEEP = 3000 };
    reel_tape *tape = reel_tape_new(1);
    reel_node *x = reel_input(tape, REEL_F64, (const double[1]){1}, reel_dims(1));
    for (int i = 0; i < DEEP; i++) { /* deeper than any page shows */
        reel_scope_enter(tape, "in");
    }
    for (int i = 0; i < NODES; i++) {
        x = reel_tanh(x);
    }
    char *page = shown((reel_page_args){.root = x});
    json_t *graph = graph_of(page);
    ck_assert_uint_eq(json_array_size(json_object_get(graph, "node")), NODES + 1);
    ck_assert_uint_lt(json_array_size(json_object_get(graph, "place")), 100);
    json_decref(graph);
    free(page);
    reel_tape_free(tape);
}
END_TEST

START_TEST(misuse_is_told)
{
    net n = net_open();
    const struct {
        reel_page_args args;
        const char *message;
    } misuse[] = {
        {{.root = n.loss}, "expected either a path or a stream"},
        {{.root = n.loss, .path = "a.svg"},
         "a.svg: unknown kind of file: expected a name that ends in .html or .htm"},
    };
    for (size_t i = 0; i < sizeof misuse / sizeof *misuse; i++) {
        char wanted[256];
        net again = net_open();
        reel_page_args a = misuse[i].args;
        a.root = again.loss;
        a.at = "net.c:7";
        ck_assert_int_eq(reel_page_with(&a), REEL_ERR_ARGUMENT);
        snprintf(wanted, sizeof wanted, "net.c:7: reel_page: %s", misuse[i].message);
        ck_assert_str_eq(reel_tape_message(again.tape), wanted);
        net_close(&again);
    }
    ck_assert_int_eq(reel_page_with(NULL), REEL_ERR_ARGUMENT);
    ck_assert_int_eq(reel_page_with(&(reel_page_args){.path = "a.html"}), REEL_ERR_ARGUMENT);
    reel_node *stale = n.loss;
    reel_tape_reset(n.tape);
    reel_node *fresh = reel_input(n.tape, REEL_F64, (const double[1]){1}, reel_dims(1));
    ck_assert_int_eq(reel_page("a.html", fresh, .more = 1, .roots = &stale), REEL_ERR_STALE);
    ck_assert_ptr_nonnull(strstr(reel_tape_message(n.tape), "a node was kept over a reset"));
    net_close(&n);
}
END_TEST

START_TEST(files_are_replaced_whole)
{
    folder f = folder_make();
    char path[FOLDER_PATH];
    net n = net_open();
    ck_assert_int_eq(reel_page(folder_file(&f, path, "a.html"), n.loss), REEL_OK);
    char *text = shown((reel_page_args){.root = n.loss});
    assert_file_is(path, text);
    net_close(&n);
    for (uint64_t nth = 1;; nth++) {
        net again = net_open();
        reel__memory_fail(nth, false);
        reel_status status = reel_page(path, again.slope);
        bool failed = reel__memory_failed();
        reel__memory_fail(0, false);
        ck_assert_int_eq(reel_tape_status(again.tape), status);
        net_close(&again);
        if (!failed) {
            ck_assert_int_eq(status, REEL_OK);
            break;
        }
        ck_assert_int_eq(status, REEL_ERR_MEMORY);
        assert_file_is(path, text);
        ck_assert_int_eq(folder_files(&f, ".tmp", false), 0);
    }
    free(text);
    folder_remove(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page");
    TCase *tests = tcase_create("pages");
    tcase_add_test(tests, the_whole_graph_is_there);
    tcase_add_test(tests, any_name_gives_a_page);
    tcase_add_test(tests, the_page_needs_nothing_else);
    tcase_add_test(tests, many_nodes_are_written);
    tcase_add_test(tests, misuse_is_told);
    tcase_add_test(tests, files_are_replaced_whole);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
