/* The recurrent net in a file of safetensors, by PyTorch's names: how many rows weights have tells
 * the kind, how many there are the layers and directions. */
#include "draw.h"

#include <stdlib.h>
#include <string.h>

static const reel_archive_tensor *tensor(const reel_archive *a, const char *prefix,
                                         const char *name, int64_t layer, const char *suffix)
{
    char text[2 * NAME];
    snprintf(text, sizeof text, "%s%s%s%lld%s", prefix, *prefix ? "." : "", name, (long long)layer,
             suffix);
    return reel_archive_find(a, text);
}

static bool has(const reel_archive *a, const char *prefix, const char *name)
{
    char text[2 * NAME];
    snprintf(text, sizeof text, "%s%s%s", prefix, *prefix ? "." : "", name);
    return reel_archive_find(a, text) != NULL;
}

/* Whether the name is the prefix, if any, and that word. */
static bool split(const char *name, const char *word, char prefix[NAME])
{
    size_t n = strlen(name), m = strlen(word);
    if (n < m || strcmp(name + n - m, word) != 0 || n - m > NAME - 1 ||
        (n > m && name[n - m - 1] != '.')) {
        return false;
    }
    snprintf(prefix, NAME, "%.*s", n > m ? (int)(n - m - 1) : 0, name);
    return true;
}

/* The minimal gated unit has a weight for each gate. */
static bool find_mgu(const reel_archive *a, const reel_archive_tensor *t, found *f)
{
    if (!split(t->name, "weight_ih_f", f->prefix) || t->shape.rank != 2 ||
        !has(a, f->prefix, "weight_hh_f") || !has(a, f->prefix, "weight_ih_g")) {
        return false;
    }
    *f = (found){.kind = "mgu",
                 .options = "",
                 .in = t->shape.dim[1],
                 .hidden = t->shape.dim[0],
                 .layers = 1,
                 .biases = has(a, f->prefix, "bias_f")};
    while (has(a, f->prefix, "weight_ih_f_l1")) {
        return complain("%s: more than one layer of mgu", t->name);
    }
    return split(t->name, "weight_ih_f", f->prefix);
}

static bool find_layers(const reel_archive *a, const reel_archive_tensor *t, found *f)
{
    char prefix[NAME];
    if (!split(t->name, "weight_ih_l0", prefix) || t->shape.rank != 2) {
        return false;
    }
    const reel_archive_tensor *hh = tensor(a, prefix, "weight_hh_l", 0, "");
    if (!hh || hh->shape.rank != 2 || hh->shape.dim[1] < 1 || hh->shape.dim[0] != t->shape.dim[0]) {
        return false;
    }
    static const char *const kind[] = {NULL, "rnn", NULL, "gru", "lstm"};
    int64_t gates = hh->shape.dim[0] / hh->shape.dim[1];
    if (gates * hh->shape.dim[1] != hh->shape.dim[0] || gates < 1 || gates > 4 || !kind[gates]) {
        return false;
    }
    bool coupled = has(a, prefix, "weight_ch_i");
    *f = (found){.kind = kind[gates],
                 .options = gates == 3 ? "pytorch"
                            : coupled  ? "peephole=diagonal"
                                       : "",
                 .in = t->shape.dim[1],
                 .hidden = hh->shape.dim[1],
                 .both = tensor(a, prefix, "weight_ih_l", 0, "_reverse") != NULL,
                 .biases = tensor(a, prefix, "bias_ih_l", 0, "") != NULL,
                 .two_biases = tensor(a, prefix, "bias_hh_l", 0, "") != NULL};
    snprintf(f->prefix, NAME, "%s", prefix);
    while (tensor(a, prefix, "weight_ih_l", f->layers, "")) {
        f->layers++;
    }
    return true;
}

/* A matrix of what the net reads, [words, in], and one of what is made of what it says, [n, out].
 */
static void find_ends(const reel_archive *a, found *f)
{
    char prefix[NAME];
    const int64_t out = f->hidden * (f->both ? 2 : 1);
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const reel_archive_tensor *t = reel_archive_at(a, i);
        if (t->shape.rank != 2 || !split(t->name, "weight", prefix) || !*prefix) {
            continue;
        }
        bool biased = has(a, prefix, "bias");
        if (!f->embedding && !biased && t->shape.dim[1] == f->in) {
            f->embedding = t;
        } else if (!f->out && biased && t->shape.dim[1] == out) {
            f->out = t;
        }
    }
}

bool file_find(const reel_archive *a, const char *prefix, found *f)
{
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const reel_archive_tensor *t = reel_archive_at(a, i);
        if ((find_layers(a, t, f) || find_mgu(a, t, f)) &&
            (!prefix || strcmp(prefix, f->prefix) == 0)) {
            find_ends(a, f);
            return true;
        }
    }
    return false;
}

static bool find(const reel_archive *a, const settings *s, found *f)
{
    return file_find(a, s->module, f) ||
           complain("%s: no recurrent net%s%s in it that reel-draw knows: expected weights named "
                    "...weight_ih_l0 and ...weight_hh_l0 with rows for 1, 3 or 4 gates (rnn, gru, "
                    "lstm), or ...weight_ih_f (mgu)",
                    s->kind, s->module ? " of the name " : "", s->module ? s->module : "");
}

/* The module's name of a weight "name.weight". */
static void module_of(const reel_archive_tensor *t, char name[NAME])
{
    split(t->name, "weight", name);
}

static void inputs(const settings *s, recording *r, const found *f, int64_t n, reel_node **x)
{
    char name[NAME];
    for (int64_t t = 0; t < n; t++) {
        if (!f->embedding) {
            x[t] = reel_name(record_input(r, REEL_F64, s->batch, f->in), "x");
            continue;
        }
        module_of(f->embedding, name);
        reel_node *word = reel_name(record_input(r, REEL_I32, s->batch, 0), "word");
        reel_scope_enter(r->tape, name);
        x[t] = reel_embedding(r->params, name, f->embedding->shape.dim[0],
                              f->embedding->shape.dim[1], word);
        reel_scope_leave(r->tape);
    }
}

/* What the file's linear layer makes of the outputs, in the outputs' place. */
static void apply_out(recording *r, const found *f)
{
    char name[NAME];
    if (!f->out) {
        return;
    }
    module_of(f->out, name);
    reel_scope_enter(r->tape, name);
    for (size_t i = 0; i < r->roots; i++) {
        r->root[i] =
            reel_name(reel_linear(r->params, name, f->out->shape.dim[0], r->root[i]), name);
    }
    reel_scope_leave(r->tape);
}

/* A net that is the whole file has no name there, and its kind's here. */
static const char *name_of(const found *f)
{
    return *f->prefix ? f->prefix : f->kind;
}

/* All tensors, to be taken by the weights of their names. */
static bool offer(const reel_archive *a, reel_params *ps, const found *f)
{
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        char name[2 * NAME];
        const reel_archive_tensor *t = reel_archive_at(a, i);
        bool bare = !*f->prefix && !strchr(t->name, '.');
        snprintf(name, sizeof name, "%s%s%s", bare ? f->kind : "", bare ? "." : "", t->name);
        if (t->dtype != REEL_I32 &&
            reel_params_offer(ps, name, t->dtype, t->data, t->shape) != REEL_OK) {
            return complain("%s", reel_params_message(ps));
        }
    }
    return true;
}

reel_cell *file_cell(recording *r, const found *f, const char *options)
{
    return record_layers(&(reel_cell_args){.params = r->params,
                                           .name = name_of(f),
                                           .type = reel_cell_type_find(f->kind),
                                           .in = f->in,
                                           .hidden = f->hidden,
                                           .options = *options ? options : f->options,
                                           .two_biases = f->two_biases,
                                           .no_bias = !f->biases,
                                           .bidirectional = f->both,
                                           .at = REEL_HERE},
                         f->layers);
}

static bool build(const settings *s, recording *r, const found *f)
{
    settings own = *s;
    own.in = f->in;
    own.hidden = f->hidden;
    r->cell = file_cell(r, f, s->options);
    const int64_t n = s->steps * s->windows;
    reel_node **x = calloc((size_t)n + 1, sizeof(reel_node *));
    bool ok = r->cell && x;
    if (ok) {
        inputs(s, r, f, n, x);
        ok = record_run(&own, r, x);
    }
    if (ok && drawing_order(&s->drawing) == 0 && !s->loss) {
        apply_out(r, f);
    }
    free(x);
    return ok;
}

static void describe(const found *f, char *text, size_t n)
{
    snprintf(text, n, "%s%s%s, %lld layer%s%s, %lld features in, %lld units", f->prefix,
             *f->prefix ? ": " : "", f->kind, (long long)f->layers, f->layers == 1 ? "" : "s",
             f->both ? " both ways" : "", (long long)f->in, (long long)f->hidden);
}

bool record_file(const settings *s, recording *r)
{
    found f = {.kind = ""};
    reel_archive *a = reel_archive_new();
    r->params = reel_params_new(REEL_F32, 1);
    r->tape = reel_tape_new(1);
    if (!a || !r->params || !r->tape) {
        reel_archive_free(a);
        return out_of_memory();
    }
    bool ok = reel_archive_read(a, s->kind) == REEL_OK || complain("%s", reel_archive_message(a));
    ok = ok && find(a, s, &f) && offer(a, r->params, &f);
    if (ok && !s->module && file_is_translator(a)) {
        ok = record_translator(s, r, a);
    } else if (ok) {
        ok = build(s, r, &f);
        describe(&f, r->about, sizeof r->about);
    }
    reel_archive_free(a);
    return ok;
}
