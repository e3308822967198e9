/* reel-draw: draws the models that come with Reel, and recurrent nets in files. */
#include "draw.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("reel-draw: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

typedef enum choice_kind { WHOLE, TEXT, FLAG, WORD } choice_kind;

typedef struct choice {
    const char *name;
    const char *letter; /* or NULL */
    choice_kind kind;
    const char *shown; /* the argument in the help; of a word its choices */
    int64_t low, high;
    void *value; /* int64_t; const char *; bool; int */
    const char *help;
} choice;

static settings set = {.options = "",
                       .output = "",
                       .layers = 1,
                       .steps = 2,
                       .in = 3,
                       .hidden = 4,
                       .batch = 1,
                       .windows = 1,
                       .source = 7,
                       .target = 6,
                       .vocabulary = 10,
                       .score = "additive"};
static bool backward, second, net;
static int64_t depth, from, to, most_steps;
static reel_draw_args look = {.level = REEL_LEVEL_MODULE};
static int level = REEL_LEVEL_MODULE, colour, weights, theme, pass;

static const choice choices[] = {
    {"output", "o", TEXT, "FILE", 0, 0, &set.output,
     "what to write: .svg, .png, .pdf, .dot, or .html, a page whose modules open on a click "
     "[KIND.svg]"},
    {"layers", "l", WHOLE, "N", 1, 32, &set.layers, "layers, one above the other"},
    {"steps", "t", WHOLE, "N", 1, 4096, &set.steps, "steps in time"},
    {"in", NULL, WHOLE, "N", 1, 65536, &set.in,
     "features of an input; of seq2seq, of an embedded word"},
    {"hidden", NULL, WHOLE, "N", 1, 65536, &set.hidden, "units of a layer"},
    {"batch", NULL, WHOLE, "N", 1, 65536, &set.batch, "sequences"},
    {"options", NULL, TEXT, "WORDS", 0, 0, &set.options,
     "of the cell, such as 'peephole=diagonal coupled': see --list"},
    {"bidirectional", NULL, FLAG, "", 0, 0, &set.bidirectional,
     "layers go both ways; of seq2seq, the encoder's"},
    {"two-biases", NULL, FLAG, "", 0, 0, &set.two_biases,
     "an input and a recurrent bias, as PyTorch's"},
    {"windows", NULL, WHOLE, "N", 1, 64, &set.windows,
     "of --steps each, as truncated back-propagation cuts them"},
    {"source", NULL, WHOLE, "N", 1, 4096, &set.source, "words of seq2seq's source"},
    {"target", NULL, WHOLE, "N", 1, 4096, &set.target, "and of its target"},
    {"score", NULL, TEXT, "WORD", 0, 0, &set.score,
     "of seq2seq's attention: additive, dot, general, scaled_dot, concatenated, multi_head"},
    {"module", NULL, TEXT, "NAME", 0, 0, &set.module, "of a file: which net, if not the first"},
    {"loss", NULL, FLAG, "", 0, 0, &set.loss,
     "draw down to a loss: the mean square of the last output, or cross-entropy"},
    {"backward", NULL, FLAG, "", 0, 0, &backward, "and the derivatives of a loss for all weights"},
    {"second", NULL, FLAG, "", 0, 0, &second, "and those of the squares of these"},
    {"level", NULL, WORD, "op|gate|module", 0, 0, &level, "how near to look"},
    {"net", NULL, FLAG, "", 0, 0, &net,
     "before it is unrolled: what goes from step to step is a loop"},
    {"open", NULL, TEXT, "PATTERNS", 0, 0, &look.open,
     "modules to look into, such as 'decoder,lstm/l?'"},
    {"closed", NULL, TEXT, "PATTERNS", 0, 0, &look.closed, "modules to draw as one box a step"},
    {"depth", NULL, WHOLE, "N", 0, 1000, &depth, "modules nested deeper are one; 0: any"},
    {"from", NULL, WHOLE, "T", 0, 1000000, &from, "with --to: draw steps from <= t < to alone"},
    {"to", NULL, WHOLE, "T", 0, 1000000, &to, "see --from"},
    {"most-steps", NULL, WHOLE, "N", -1, 1000000, &most_steps,
     "of longer unrolls the middle is one column; -1: never, 0: as the level suggests"},
    {"pass", NULL, WORD, "all|forward|backward", 0, 0, &pass, "which passes to draw"},
    {"colour", NULL, WORD, "kind|plan|time|gradient|memory", 0, 0, &colour, "what colours mean"},
    {"weights", NULL, WORD, "default|once|stubs|hidden", 0, 0, &weights, "how weights are shown"},
    {"theme", NULL, WORD, "light|dark|print|safe", 0, 0, &theme, "safe: for colour-blind readers"},
    {"values", NULL, FLAG, "", 0, 0, &look.values, "mean, deviation and histogram in the labels"},
    {"nan", NULL, FLAG, "", 0, 0, &look.nan, "where NaN and infinities come from, in red"},
    {"cut", NULL, FLAG, "", 0, 0, &look.cut, "long edges end in a note"},
    {"no-shapes", NULL, FLAG, "", 0, 0, &look.no_shapes, "leave shapes out"},
    {"font", NULL, TEXT, "NAME", 0, 0, &look.font, "another font"},
    {"title", NULL, TEXT, "TEXT", 0, 0, &set.title, "what stands above"},
};
enum { CHOICES = sizeof choices / sizeof *choices, CODE = 256 };

static void help(void)
{
    fputs("Usage: reel-draw KIND [OPTION]...\n"
          "       reel-draw FILE.safetensors [OPTION]...\n"
          "Draws a model that comes with Reel, unrolled in time, or the recurrent net in a file\n"
          "whose weights are named as PyTorch names them. KIND is a kind of cell or 'seq2seq', an\n"
          "encoder and a decoder with attention.\n\n",
          stdout);
    for (int i = 0; i < CHOICES; i++) {
        const choice *c = &choices[i];
        char head[64];
        snprintf(head, sizeof head, "%s%s%s--%s%s%s", c->letter ? "-" : "",
                 c->letter ? c->letter : "", c->letter ? ", " : "    ", c->name,
                 c->kind == FLAG ? "" : " ",
                 c->kind == FLAG   ? ""
                 : c->kind == WORD ? "WORD"
                                   : c->shown);
        printf("  %-22s %s", head, c->help);
        if (c->kind == WORD) {
            printf(": %s", c->shown);
        } else if (c->kind == WHOLE) {
            printf(" [%lld]", (long long)*(int64_t *)c->value);
        } else if (c->kind == TEXT && *(const char **)c->value && **(const char **)c->value) {
            printf(" [%s]", *(const char **)c->value);
        }
        putchar('\n');
    }
    fputs("      --list             kinds of cells and their options\n"
          "  -h, --help             this text\n"
          "  -V, --version          the version\n\n"
          "reel-draw lstm --layers 2 --steps 4 --level gate --backward -o lstm.svg\n",
          stdout);
}

static void list(void)
{
    for (const reel_cell_type *const *t = reel_cell_types(); *t; t++) {
        printf("%s: %s\n", (*t)->name, (*t)->help);
        for (int i = 0; i < REEL_MAX_OPTIONS && (*t)->option[i].name; i++) {
            const reel_cell_option *o = &(*t)->option[i];
            char text[80];
            if (o->words) {
                snprintf(text, sizeof text, "%s%s%s", o->name, *o->words ? "=" : "", o->words);
            } else {
                snprintf(text, sizeof text, "%s=%.4g", o->name, o->value);
            }
            printf("  %-30s %s\n", text, o->help);
        }
    }
    puts("seq2seq: encoder and decoder of GRUs with attention (Bahdanau et al. 2015)");
}

static bool set_word(const choice *c, const char *text)
{
    int position = 0;
    for (const char *w = c->shown; *w; position++) {
        size_t n = strcspn(w, "|");
        if (n == strlen(text) && memcmp(w, text, n) == 0) {
            *(int *)c->value = position;
            return true;
        }
        w += n + (w[n] == '|');
    }
    return complain("--%s: '%s' is none of %s", c->name, text, c->shown);
}

static bool set_choice(const choice *c, const char *text)
{
    switch (c->kind) {
    case FLAG:
        *(bool *)c->value = true;
        return true;
    case TEXT:
        *(const char **)c->value = text;
        return true;
    case WORD:
        return set_word(c, text);
    case WHOLE:
        break;
    }
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || errno || n < c->low || n > c->high) {
        return complain("--%s: '%s' is not a whole number from %lld to %lld", c->name, text,
                        (long long)c->low, (long long)c->high);
    }
    *(int64_t *)c->value = n;
    return true;
}

static void option_table(struct option *table)
{
    for (int i = 0; i < CHOICES; i++) {
        table[i] =
            (struct option){.name = choices[i].name,
                            .has_arg = choices[i].kind == FLAG ? no_argument : required_argument,
                            .val = CODE + i};
    }
    table[CHOICES] = (struct option){.name = "help", .val = 'h'};
    table[CHOICES + 1] = (struct option){.name = "version", .val = 'V'};
    table[CHOICES + 2] = (struct option){.name = "list", .val = 'L'};
    table[CHOICES + 3] = (struct option){.name = NULL};
}

enum { GO_ON = -1 };

/* GO_ON, or an exit status. */
static int take(int code, char **argv)
{
    if (code == 'h' || code == 'V' || code == 'L') {
        if (code == 'V') {
            printf("reel-draw (Reel %s)\n", reel_version());
        } else if (code == 'h') {
            help();
        } else {
            list();
        }
        return 0;
    }
    for (int i = 0; i < CHOICES; i++) {
        if (code == CODE + i || (choices[i].letter && code == *choices[i].letter)) {
            return set_choice(&choices[i], optarg) ? GO_ON : EXIT_USAGE;
        }
    }
    complain(code == ':' ? "option '%s' needs a value"
                         : "unknown or ambiguous option '%s': 'reel-draw --help' lists them",
             argv[optind - 1]);
    return EXIT_USAGE;
}

static bool is_file(const char *kind)
{
    size_t n = strlen(kind);
    return n > 12 && strcmp(kind + n - 12, ".safetensors") == 0;
}

static bool check(int n, char *const *operand)
{
    if (n != 1) {
        return n ? complain("what is '%s'? One kind or file is drawn: 'reel-draw --help'",
                            operand[1])
                 : complain("what is to be drawn is missing: 'reel-draw --help'");
    }
    set.kind = operand[0];
    return is_file(set.kind) || strcmp(set.kind, "seq2seq") == 0 || reel_cell_type_find(set.kind) ||
           complain("'%s' is no kind of cell: 'reel-draw --list' tells which there are; a file's "
                    "name ends in .safetensors",
                    set.kind);
}

static bool is_page(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && (strcmp(end, ".html") == 0 || strcmp(end, ".htm") == 0);
}

/* Plans and times are known when it has been computed. */
static reel_status compute(recording *r)
{
    reel_tape_set_profiling(r->tape, true);
    return reel_eval(r->roots, r->root);
}

static bool draw(recording *r, const char *path)
{
    reel_status status = REEL_OK;
    if (is_page(path)) {
        status = reel_page(path, r->root[0], .more = r->roots - 1, .roots = r->root + 1,
                           .title = set.title ? set.title : set.kind);
    } else {
        bool measured = colour == REEL_BY_PLAN || colour == REEL_BY_TIME;
        look.path = path;
        look.root = r->root[0];
        look.more = r->roots - 1;
        look.roots = r->root + 1;
        look.title = set.title;
        look.level = (reel_draw_level)level;
        look.collapse = net ? REEL_BY_MODULE : REEL_DRAW_ALL;
        look.colour = (reel_draw_colour)colour;
        look.weights = (reel_draw_weights)weights;
        look.theme = (reel_draw_theme)theme;
        look.pass = (reel_draw_pass)pass;
        look.depth = (int)depth;
        look.from = from;
        look.to = to;
        look.most_steps = (int)most_steps;
        look.at = REEL_HERE;
        status = measured ? compute(r) : REEL_OK;
        status = status ? status : reel_draw_with(&look);
    }
    return status == REEL_OK || complain("%s", reel_tape_message(r->tape));
}

static int run(void)
{
    char path[4096];
    const char *name = strrchr(set.kind, '/');
    name = name ? name + 1 : set.kind;
    snprintf(path, sizeof path, "%.*s.svg", (int)(is_file(name) ? strlen(name) - 12 : strlen(name)),
             name);
    set.order = second ? 2 : backward ? 1 : 0;
    recording r = {0};
    bool ok = is_file(set.kind)                  ? record_file(&set, &r)
              : strcmp(set.kind, "seq2seq") == 0 ? record_seq2seq(&set, &r)
                                                 : record_cell(&set, &r);
    const char *output = *set.output ? set.output : path;
    ok = ok && draw(&r, output);
    if (ok) {
        printf("%s%s%s\n", output, *r.about ? ": " : "", r.about);
    }
    recording_free(&r);
    return ok ? 0 : EXIT_RUN;
}

static int finish(int status)
{
    if (fflush(stdout) != 0 && status == 0) {
        complain("standard output could not be written");
        return EXIT_RUN;
    }
    return status;
}

int main(int argc, char **argv)
{
    struct option table[CHOICES + 4];
    option_table(table);
    opterr = 0;
    for (int code; (code = getopt_long(argc, argv, ":o:l:t:hV", table, NULL)) != -1;) {
        int status = take(code, argv);
        if (status != GO_ON) {
            return finish(status);
        }
    }
    if (!check(argc - optind, argv + optind)) {
        return EXIT_USAGE;
    }
    return finish(run());
}
