/* reel-draw: draws the models that come with Reel, and recurrent nets in files. */
#include "../program/program.h"
#include "draw.h"

#include <stdio.h>
#include <string.h>

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
                       .score = "additive",
                       .drawing = {.level = REEL_LEVEL_MODULE}};

#define FLAG(name, member, help) {name, OPTION_FLAG, &set.member, NULL, 0, 0, 1, OPTION_FREE, help},
#define WHOLE(name, member, shown, low, high, help) \
    {name, OPTION_WHOLE, &set.member, shown, low, high, 1, OPTION_FREE, help},
#define TEXT(name, member, shown, help) \
    {name, OPTION_TEXT, &set.member, shown, 0, 0, 1, OPTION_FREE, help},
#define DRAWING_FLAG(name, member, help) FLAG(name, drawing.member, help)
#define DRAWING_WHOLE(name, member, shown, low, high, help) \
    WHOLE(name, drawing.member, shown, low, high, help)
#define DRAWING_TEXT(name, member, shown, help) TEXT(name, drawing.member, shown, help)
#define DRAWING_WORD(name, member, words, fallback, help) \
    {name, OPTION_WORD, &set.drawing.member, words, 0, 0, 1, OPTION_FREE, help},

/* clang-format off */
static const option options[] = {
    TEXT("output", output, "FILE",
         "what to write: .svg, .png, .pdf, .dot, or .html, a page whose modules open on a click "
         "[KIND.svg]")
    WHOLE("layers", layers, "N", 1, 32, "layers, one above the other")
    WHOLE("steps", steps, "N", 1, 4096, "steps in time")
    WHOLE("in", in, "N", 1, 65536, "features of an input; of seq2seq, of an embedded word")
    WHOLE("hidden", hidden, "N", 1, 65536, "units of a layer")
    WHOLE("batch", batch, "N", 1, 65536, "sequences")
    TEXT("options", options, "WORDS",
         "of the cell, such as 'peephole=diagonal coupled': see --list")
    FLAG("bidirectional", bidirectional, "layers go both ways; of seq2seq, the encoder's")
    FLAG("two-biases", two_biases, "an input and a recurrent bias, as PyTorch's")
    WHOLE("windows", windows, "N", 1, 64,
          "of --steps each, as truncated back-propagation cuts them")
    TEXT("lengths", lengths, "N,N,...",
         "sequences of so many steps, one after the other, in place of --steps")
    FLAG("padded", padded, "those as one batch, padded to the longest")
    WHOLE("source", source, "N", 1, 4096, "words of seq2seq's source")
    WHOLE("target", target, "N", 1, 4096, "and of its target")
    TEXT("score", score, "WORD",
         "of seq2seq's attention: additive, dot, general, scaled_dot, concatenated, multi_head")
    TEXT("module", module, "NAME", "of a file: which net, if not the first")
    FLAG("loss", loss,
         "draw down to a loss: the mean square of the last output, or cross-entropy")
    DRAWING_OPTIONS(DRAWING_FLAG, DRAWING_WORD, DRAWING_WHOLE, DRAWING_TEXT, "module")
    FLAG("list", list, "kinds of cells and their options")
    {.name = NULL}};
/* clang-format on */

static int list(void)
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
    return 0;
}

static bool is_file(const char *kind)
{
    size_t n = strlen(kind);
    return n > 12 && strcmp(kind + n - 12, ".safetensors") == 0;
}

/* What an option is for. */
enum { CELL = 1, PAIR = 2, FILE_OF = 4 };

static const struct {
    const char *name;
    int kinds;
} meant[] = {{"layers", CELL | PAIR},
             {"in", CELL | PAIR},
             {"hidden", CELL | PAIR},
             {"bidirectional", CELL | PAIR},
             {"two-biases", CELL},
             {"steps", CELL | FILE_OF},
             {"windows", CELL | FILE_OF},
             {"lengths", CELL},
             {"padded", CELL},
             {"source", PAIR | FILE_OF},
             {"target", PAIR | FILE_OF},
             {"score", PAIR},
             {"module", FILE_OF}};

static bool check_meant(int kind)
{
    static const char *const name[] = {[CELL] = "kinds of cells",
                                       [PAIR] = "seq2seq",
                                       [FILE_OF] = "files",
                                       [CELL | PAIR] = "kinds of cells and seq2seq",
                                       [CELL | FILE_OF] = "kinds of cells and files",
                                       [PAIR | FILE_OF] = "seq2seq and files"};
    for (size_t i = 0; i < sizeof meant / sizeof *meant; i++) {
        if (option_given(meant[i].name) && !(meant[i].kinds & kind)) {
            return complain("--%s is for %s alone: what is to be drawn is %s", meant[i].name,
                            name[meant[i].kinds], set.kind);
        }
    }
    return true;
}

static bool check(void)
{
    const bool pair = strcmp(set.kind, "seq2seq") == 0;
    if (!is_file(set.kind) && !pair && !reel_cell_type_find(set.kind)) {
        return complain("'%s' is no kind of cell: 'reel-draw --list' tells which there are; a "
                        "file's name ends in .safetensors",
                        set.kind);
    }
    if (!check_meant(pair ? PAIR : is_file(set.kind) ? FILE_OF : CELL)) {
        return false;
    }
    if (set.lengths && (set.windows > 1 || option_given("steps"))) {
        return complain("--lengths stands in place of --steps and --windows");
    }
    if (set.padded && (!set.lengths || option_given("batch"))) {
        return complain("--padded makes one batch of the sequences of --lengths: expected these, "
                        "and no --batch");
    }
    return (!set.lengths || lengths_read(set.lengths, &set.sequences)) &&
           drawing_check(&set.drawing, option_given("output") ? set.output : ".svg");
}

static bool draw(recording *r)
{
    char path[4096];
    const char *name = strrchr(set.kind, '/');
    name = name ? name + 1 : set.kind;
    snprintf(path, sizeof path, "%.*s.svg", (int)(is_file(name) ? strlen(name) - 12 : strlen(name)),
             name);
    const char *output = *set.output ? set.output : path;
    if (!drawing_write(&set.drawing, output, set.kind, r->roots, r->root)) {
        return false;
    }
    put_shown(stdout, output);
    fputs(*r->about ? ": " : "", stdout);
    put_shown(stdout, r->about);
    putchar('\n');
    return true;
}

static int run(int n, char *const *operand)
{
    if (set.list) {
        return list();
    }
    if (n == 0) {
        complain("what is to be drawn is missing: 'reel-draw --help'");
        return EXIT_USAGE;
    }
    set.kind = operand[0];
    if (!check()) {
        return EXIT_USAGE;
    }
    recording r = {0};
    bool ok = is_file(set.kind)                  ? record_file(&set, &r)
              : strcmp(set.kind, "seq2seq") == 0 ? record_seq2seq(&set, &r)
                                                 : record_cell(&set, &r);
    ok = ok && draw(&r);
    recording_free(&r);
    return ok ? 0 : EXIT_RUN;
}

int main(int argc, char **argv)
{
    static const command commands[] = {
        {"draw", "KIND | FILE.safetensors",
         "Draws a model that comes with Reel, unrolled in time, or the recurrent net in a file\n"
         "whose weights are named as PyTorch names them. KIND is a kind of cell or 'seq2seq', an\n"
         "encoder and a decoder with attention.",
         0, 1, run},
        {.name = NULL}};
    static const program self = {
        .name = "reel-draw",
        .commands = commands,
        .options = options,
        .more = "reel-draw lstm --layers 2 --steps 4 --level gate --backward -o lstm.svg\n",
        .single = true,
        .letters = "o=output l=layers t=steps"};
    return program_main(&self, argc, argv);
}
