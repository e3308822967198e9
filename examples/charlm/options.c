/* Command lines, presets, help, and options in checkpoints: all by the one table in
 * options_table.c. */
#include "options.h"
#include "../program/say.h"
#include "model.h"
#include "options_table.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool config_given(const config *c, const char *name, unsigned command)
{
    int i = option_find(name, strlen(name), command);
    return i >= 0 && c->given[i];
}

/* Sets what the user has not set by options of their own. */
static bool apply_preset(config *c, const char *name)
{
    const char *preset = preset_find(name);
    if (preset == NULL) {
        return complain("--preset: '%s' is none of char-rnn, demo", name);
    }
    for (const char *at = preset; *at != '\0'; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        size_t key = strcspn(at, "= ");
        int i = option_find(at, key, TRAIN);
        char value[TEXT_SIZE];
        const char *from = key < length ? at + key + 1 : at + length;
        snprintf(value, sizeof value, "%.*s", (int)(at + length - from), from);
        if (i >= 0 && !c->given[i]) {
            c->given[i] = true;
            if (!option_set(c, &options_table[i], value)) {
                return false;
            }
        }
        at += length;
    }
    return true;
}

/* Settles what follows from other options, and checks what they say together. */
static bool settle(config *c)
{
    c->embed = c->embed < 0 ? c->hidden : c->embed;
    c->stride = c->stride == 0 ? c->seq : c->stride;
    if (c->stride > c->seq) {
        return complain("--stride %" PRId64 " is more than --seq %" PRId64
                        ": the steps between updates must lie within the window",
                        c->stride, c->seq);
    }
    if (c->plot != NULL && c->log == NULL) {
        return complain("--plot draws the figures that --log keeps: give --log FILE.tsv too");
    }
    return model_check_cell(c->cell);
}

static void set_defaults(config *c)
{
    *c = (config){0};
    for (int i = 0; i < options_count; i++) {
        if (options_table[i].fallback != NULL) {
            (void)option_set(c, &options_table[i], options_table[i].fallback);
        }
    }
}

bool config_preset(config *c, const char *name)
{
    set_defaults(c);
    return (name == NULL || apply_preset(c, name)) && settle(c);
}

static void fill_long_options(struct option *o, unsigned command)
{
    int n = 0;
    for (int i = 0; i < options_count; i++) {
        if ((options_table[i].commands & command) != 0) {
            o[n++] = (struct option){.name = options_table[i].name,
                                     .has_arg = options_table[i].kind == FLAG ? no_argument
                                                                              : required_argument,
                                     .val = 256 + i};
        }
    }
    o[n++] = (struct option){.name = "help", .val = 'h'};
    o[n++] = (struct option){.name = "version", .val = 'V'};
    o[n] = (struct option){.name = NULL};
}

parse_result config_parse(config *c, unsigned command, int argc, char **argv, int *first)
{
    struct option options[MAX_OPTIONS + 3];
    fill_long_options(options, command);
    set_defaults(c);
    opterr = 0;
    for (;;) {
        int code = getopt_long(argc, argv, ":hV", options, NULL);
        if (code == -1) {
            break;
        }
        const char *word = argv[optind - 1];
        if (code == 'h') {
            options_help(command);
            return PARSE_DONE;
        }
        if (code == 'V') {
            printf("reel-charlm (Reel %s)\n", reel_version());
            return PARSE_DONE;
        }
        if (code == ':') {
            complain("%s: option '%s' needs a value", argv[0], word);
            return PARSE_BAD;
        }
        if (code < 256) {
            complain("%s: unknown or ambiguous option '%s'; 'reel-charlm %s --help' lists them",
                     argv[0], word, argv[0]);
            return PARSE_BAD;
        }
        c->given[code - 256] = true;
        if (!option_set(c, &options_table[code - 256], optarg != NULL ? optarg : "")) {
            return PARSE_BAD;
        }
    }
    *first = optind;
    if (c->preset != NULL && !apply_preset(c, c->preset)) {
        return PARSE_BAD;
    }
    return settle(c) ? PARSE_OK : PARSE_BAD;
}

void options_help(unsigned command)
{
    static const struct {
        unsigned command;
        const char *text;
    } heads[] = {
        {TRAIN,
         "train [OPTION]... [TEXT]...\n"
         "Trains a character model on files, or on all files in folders; '-' is standard input.\n"
         "With no TEXT it learns C from the headers in /usr/include/linux and asm-generic.\n"},
        {SAMPLE, "sample [OPTION]...\nWrites text as the model in the checkpoint would.\n"},
        {EVAL, "eval [OPTION]... [TEXT]...\nMeasures how well the model in the checkpoint predicts "
               "a text.\n"},
        {DRAW,
         "draw [OPTION]... [OUTPUT]\n"
         "Draws the unrolled graph of the model in the checkpoint if --checkpoint is given, "
         "else of\n"
         "the one that the options describe, to OUTPUT (.svg, .png, .pdf, .dot, or .html for a "
         "page\n"
         "whose modules open on a click) [unrolled.svg].\n"},
        {DEMO,
         "demo [OPTION]... [FOLDER]\n"
         "Learns to write C for about two minutes, and leaves a model, its learning curve and a\n"
         "drawing of an unrolled LSTM in FOLDER [demo].\n"},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        if (heads[i].command == command) {
            printf("Usage: reel-charlm %s\nOptions [and their defaults]:\n", heads[i].text);
        }
    }
    for (int i = 0; i < options_count; i++) {
        const option_spec *o = &options_table[i];
        if ((o->commands & command) == 0) {
            continue;
        }
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->value != NULL ? " " : "",
                 o->value == NULL ? "" : o->value);
        bool wide = strlen(left) > 23;
        printf("  %-23s%s%s", left, wide ? "\n                           " : "  ", o->help);
        if (o->fallback != NULL && o->fallback[0] != '\0') {
            printf(" [%s]", o->fallback);
        }
        putchar('\n');
    }
    printf("  %-23s  this text\n  %-23s  the version\n", "-h, --help", "-V, --version");
    if ((command & (TRAIN | DRAW)) != 0) {
        printf("\nCells:\n");
        model_print_cells();
    }
}

static bool store(const config *c, reel_archive *a, int kept)
{
    for (int i = 0; i < options_count; i++) {
        if (options_table[i].kept != kept) {
            continue;
        }
        char key[64], text[TEXT_SIZE];
        snprintf(key, sizeof key, "option.%s", options_table[i].name);
        option_text(c, &options_table[i], text, sizeof text);
        if (reel_archive_set(a, key, text) != REEL_OK) {
            return complain("%s", reel_archive_message(a));
        }
    }
    return true;
}

bool config_store_model(const config *c, reel_archive *a)
{
    return store(c, a, KEPT);
}

bool config_store_goals(const config *c, reel_archive *a)
{
    return store(c, a, GOAL);
}

/* Takes a stored value. Given options win, but for those that a resumed run (`strict`) must not
 * change. */
static bool restore_option(config *c, int i, const char *stored, const char *path, bool strict)
{
    const option_spec *o = &options_table[i];
    if (c->given[i]) {
        char now[TEXT_SIZE];
        option_text(c, o, now, sizeof now);
        return !strict || o->kept == GOAL || strcmp(now, stored) == 0 ||
               complain("--%s %s contradicts %s, which was trained with %s", o->name, now, path,
                        stored);
    }
    return option_set(c, o, stored) || complain("%s: a damaged entry for --%s", path, o->name);
}

bool config_restore(config *c, reel_archive *a, const char *path, bool strict)
{
    for (int i = 0; i < options_count; i++) {
        if (options_table[i].kept == FREE) {
            continue;
        }
        char key[64];
        snprintf(key, sizeof key, "option.%s", options_table[i].name);
        const char *stored = reel_archive_get(a, key);
        if (stored == NULL && options_table[i].kept == KEPT) {
            return complain("%s: not a checkpoint of reel-charlm: it has no %s", path, key);
        }
        if (stored != NULL && !restore_option(c, i, stored, path, strict)) {
            return false;
        }
    }
    return true;
}
