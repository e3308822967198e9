/* The options, in the order of their help. This is the only list of them: parsing, help, presets,
 * what a checkpoint stores and what a resumed run is held to are all read off it. */
#include "options_table.h"
#include "../program/say.h"
#include "../program/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(config, member)

#define DRAW_FLAG(name, member, help) \
    {name, FLAG, AT(drawing.member), NULL, NULL, 0, 0, DRAW, FREE, help},
#define DRAW_WORD(name, member, words, fallback, help) \
    {name, WORDS, AT(drawing.member), words, fallback, 0, 0, DRAW, FREE, help},
#define DRAW_WHOLE(name, member, shown, low, high, help) \
    {name, INTEGER, AT(drawing.member), shown, "0", low, high, DRAW, FREE, help},
#define DRAW_TEXT(name, member, shown, help) \
    {name, PATH, AT(drawing.member), shown, NULL, 0, 0, DRAW, FREE, help},

static const double most = 1e9;
const option_spec options_table[] = {
    {"units", WORDS, AT(units), "bytes|chars", "bytes", 0, 0, TRAIN, KEPT,
     "what the model reads: bytes, or characters of UTF-8"},
    {"valid", NUMBER, AT(valid), "SHARE", "0.05", 0, 0.9, TRAIN, KEPT,
     "share of the text, at its end, held out"},
    {"cell", TEXT, AT(cell), "NAME", "lstm", 0, 0, TRAIN | DRAW, KEPT, "kind of cell, see below"},
    {"cell-options", TEXT, AT(cell_options), "LIST", "", 0, 0, TRAIN | DRAW, KEPT,
     "options of that kind, as \"name=value name\""},
    {"layers", INTEGER, AT(layers), "N", "2", 1, 32, TRAIN | DRAW, KEPT, "layers of cells"},
    {"hidden", INTEGER, AT(hidden), "N", "128", 1, 65536, TRAIN | DRAW, KEPT, "units per layer"},
    {"embed", INTEGER, AT(embed), "N", "-1", -1, 65536, TRAIN | DRAW, KEPT,
     "size of the embedding; 0: one-hot input; -1: as --hidden"},
    {"two-biases", FLAG, AT(two_biases), NULL, NULL, 0, 0, TRAIN | DRAW, KEPT,
     "a recurrent bias beside the input's, as PyTorch has"},
    {"init", NUMBER, AT(init), "R", "0", 0, 10, TRAIN, KEPT,
     "start all weights from U(-R, R); 0: each kind's own start"},
    {"dropout", NUMBER, AT(dropout), "P", "0", 0, 0.99, TRAIN | DRAW, KEPT,
     "dropout between layers and before the readout"},
    {"dtype", WORDS, AT(dtype), "f32|f64", "f32", 0, 0, TRAIN, KEPT, "element type"},
    {"seq", INTEGER, AT(seq), "N", "50", 1, 1e6, TRAIN, KEPT,
     "steps that a gradient flows back through (k2)"},
    {"stride", INTEGER, AT(stride), "N", "0", 0, 1e6, TRAIN, KEPT,
     "steps between updates (k1 <= k2); 0: as --seq"},
    {"batch", INTEGER, AT(batch), "N", "50", 1, 65536, TRAIN, KEPT, "streams the text is cut into"},
    {"optimizer", WORDS, AT(optimizer), "sgd|adagrad|rmsprop|adadelta|adam|adamw", "adam", 0, 0,
     TRAIN, KEPT, "the optimizer"},
    {"rate", NUMBER, AT(rate), "R", "2e-3", 1e-12, 1e3, TRAIN, KEPT, "learning rate"},
    {"decay", NUMBER, AT(decay), "F", "1", 1e-6, 1, TRAIN, KEPT,
     "factor on the rate per epoch ..."},
    {"decay-after", INTEGER, AT(decay_after), "N", "1", 0, most, TRAIN, KEPT, "... after this one"},
    {"warmup", INTEGER, AT(warmup), "N", "0", 0, most, TRAIN, KEPT,
     "updates over which the rate rises linearly at first"},
    {"alpha", NUMBER, AT(alpha), "A", "0", 0, 1, TRAIN, KEPT,
     "smoothing of rmsprop or adadelta; 0: the optimizer's own"},
    {"momentum", NUMBER, AT(momentum), "M", "0", 0, 1, TRAIN, KEPT, "momentum of sgd or rmsprop"},
    {"weight-decay", NUMBER, AT(weight_decay), "D", "0", 0, 10, TRAIN, KEPT, "weight decay"},
    {"clip", NUMBER, AT(clip), "C", "5", 0, most, TRAIN, KEPT,
     "limit on the gradient's global norm; 0: none"},
    {"clip-value", NUMBER, AT(clip_value), "C", "0", 0, most, TRAIN, KEPT,
     "limit on each element of the gradient; 0: none"},
    {"loss", WORDS, AT(loss), "mean|sum", "mean", 0, 0, TRAIN, KEPT,
     "over time; the batch is always averaged"},
    {"average", NUMBER, AT(average), "D", "0", 0, 0.999999, TRAIN, KEPT,
     "judge an exponential average of the weights; 0: the weights"},
    {"seed", INTEGER, AT(seed), "N", "1", 0, 9e15, TRAIN | SAMPLE, KEPT,
     "seed of everything random"},
    {"valid-every", INTEGER, AT(valid_every), "N", "0", 0, most, TRAIN, KEPT,
     "updates between looks at the held-out text; 0: an epoch"},
    {"log-every", INTEGER, AT(log_every), "N", "20", 1, most, TRAIN, KEPT,
     "updates that a row of the log averages"},
    {"epochs", INTEGER, AT(epochs), "N", "10", 1, most, TRAIN, GOAL, "times through the text"},
    {"steps", INTEGER, AT(steps), "N", "0", 0, most, TRAIN, GOAL,
     "stop after this many updates in all"},
    {"seconds", INTEGER, AT(seconds), "N", "0", 0, most, TRAIN, FREE, "stop after this much time"},
    {"threads", INTEGER, AT(threads), "N", "1", 0, 1024, TRAIN | SAMPLE | EVAL | DEMO, FREE,
     "threads; 0: one per core. The results do not depend on it"},
    {"checkpoint", PATH, AT(checkpoint), "FILE", "charlm.safetensors", 0, 0,
     TRAIN | SAMPLE | EVAL | DRAW, FREE, "the model's file"},
    {"save-every", INTEGER, AT(save_every), "N", "500", 1, most, TRAIN, FREE,
     "updates between checkpoints"},
    {"resume", FLAG, AT(resume), NULL, NULL, 0, 0, TRAIN, FREE, "go on from the checkpoint"},
    {"overwrite", FLAG, AT(overwrite), NULL, NULL, 0, 0, TRAIN, FREE,
     "replace an existing checkpoint"},
    {"log", PATH, AT(log), "FILE.tsv", NULL, 0, 0, TRAIN, FREE, "keep the figures as a table"},
    {"plot", PATH, AT(plot), "FILE.svg", NULL, 0, 0, TRAIN, FREE,
     "draw the curves of --log through gnuplot"},
    {"no-samples", FLAG, AT(no_samples), NULL, NULL, 0, 0, TRAIN, FREE,
     "write no samples on the way"},
    {"quiet", FLAG, AT(quiet), NULL, NULL, 0, 0, TRAIN | EVAL, FREE, "show no progress"},
    {"preset", PATH, AT(preset), "NAME", NULL, 0, 0, TRAIN, FREE,
     "defaults as a whole: char-rnn (Karpathy's) or demo"},
    {"length", INTEGER, AT(length), "N", "400", 0, most, TRAIN | SAMPLE, FREE, "units in a sample"},
    {"temperature", NUMBER, AT(temperature), "T", "1", 0, 100, TRAIN | SAMPLE, FREE,
     "of samples; 0: always the likeliest"},
    {"prime", PATH, AT(prime), "TEXT", NULL, 0, 0, TRAIN | SAMPLE, FREE,
     "text that a sample goes on from [a line break]"},
    {"held-out", FLAG, AT(held_out), NULL, NULL, 0, 0, EVAL, FREE,
     "only the share at the text's end that training held out"},
    {"batch", INTEGER, AT(eval_batch), "N", "0", 0, 65536, EVAL, FREE,
     "streams read side by side; 1: exact; 0: of 10,000 units or more"},
    {"steps", INTEGER, AT(draw_steps), "N", "5", 1, 1e5, DRAW, FREE, "time steps"},
    {"collapse", WORDS, AT(drawing.collapse), "all|step|module", "all", 0, 0, DRAW, FREE,
     "every node, a box per module and step, or per module"},
    /* clang-format off */
    DRAWING_OPTIONS(DRAW_FLAG, DRAW_WORD, DRAW_WHOLE, DRAW_TEXT, "op")
    /* clang-format on */
};
const int options_count = sizeof options_table / sizeof options_table[0];
_Static_assert(sizeof options_table / sizeof options_table[0] <= MAX_OPTIONS,
               "config.given has room");

typedef struct preset {
    const char *name, *options;
} preset;

/* char-rnn: the defaults of Karpathy's program (github.com/karpathy/char-rnn, train.lua,
 * model/LSTM.lua). Its loss sums over the 50 steps, its gradients are clipped element by element,
 * its LSTM adds two linear maps with a bias each, and its rate is multiplied by 0.97 after each
 * epoch from the tenth on. */
static const preset presets[] = {
    {"char-rnn",
     "units=bytes valid=0.05 cell=lstm layers=2 hidden=128 embed=0 two-biases init=0.08 "
     "dropout=0 seq=50 batch=50 loss=sum optimizer=rmsprop rate=2e-3 alpha=0.95 decay=0.97 "
     "decay-after=10 clip=0 clip-value=5 epochs=50"},
    {"demo", "valid=0.05 layers=1 hidden=128 seq=50 batch=32 rate=5e-3 warmup=50 average=0.99 "
             "valid-every=400 epochs=1000 temperature=0.8"},
};

static void *member(config *c, const option_spec *o)
{
    return (char *)c + o->offset;
}

static const void *member_of(const config *c, const option_spec *o)
{
    return (const char *)c + o->offset;
}

bool option_set(config *c, const option_spec *o, const char *text)
{
    switch (o->kind) {
    case INTEGER:
        return value_whole(o->name, text, o->low, o->high, member(c, o));
    case NUMBER:
        return value_number(o->name, text, o->low, o->high, member(c, o));
    case WORDS:
        return value_word(o->name, text, o->value, member(c, o));
    case TEXT:
        if (strlen(text) >= TEXT_SIZE) {
            return complain("--%s: longer than %d characters", o->name, TEXT_SIZE - 1);
        }
        snprintf(member(c, o), TEXT_SIZE, "%s", text);
        return true;
    case PATH:
        *(const char **)member(c, o) = text;
        return true;
    case FLAG:
        *(bool *)member(c, o) = strcmp(text, "no") != 0;
        return true;
    }
    return false;
}

/* The option's value as text, such that set_option reads the same value back. */
void option_text(const config *c, const option_spec *o, char *text, size_t size)
{
    const void *value = member_of(c, o);
    text[0] = '\0';
    switch (o->kind) {
    case INTEGER:
        snprintf(text, size, "%" PRId64, *(const int64_t *)value);
        return;
    case NUMBER:
        snprintf(text, size, "%.17g", *(const double *)value);
        return;
    case WORDS:
        value_word_at(o->value, *(const int64_t *)value, text, size);
        return;
    case TEXT:
        snprintf(text, size, "%s", (const char *)value);
        return;
    case FLAG:
        snprintf(text, size, "%s", *(const bool *)value ? "yes" : "no");
        return;
    case PATH:
        return;
    }
}

int option_find(const char *name, size_t length, unsigned commands)
{
    for (int i = 0; i < options_count; i++) {
        if ((options_table[i].commands & commands) != 0 &&
            strlen(options_table[i].name) == length &&
            memcmp(options_table[i].name, name, length) == 0) {
            return i;
        }
    }
    return -1;
}

const char *preset_find(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            return presets[i].options;
        }
    }
    return NULL;
}
