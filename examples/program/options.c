/* Commands, options and their help, and options in checkpoints: all read off a program's tables. */
#include "program.h"
#include "value.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OPTIONS = 96, VALUE = 256 };

const program *the_program;
static bool given[MOST_OPTIONS];

static size_t option_count(void)
{
    size_t n = 0;
    while (the_program->options && the_program->options[n].name) {
        n++;
    }
    return n;
}

bool option_given(const char *name)
{
    size_t n = option_count();
    for (size_t i = 0; i < n; i++) {
        if (given[i] && strcmp(the_program->options[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Values and text */

/* The text must live on where the option is one. */
static bool option_set(const option *o, const char *text)
{
    switch (o->kind) {
    case OPTION_WHOLE:
        return value_whole(o->name, text, o->low, o->high, o->value);
    case OPTION_NUMBER:
        return value_number(o->name, text, o->low, o->high, o->value);
    case OPTION_WORD:
        return value_word(o->name, text, o->shown, o->value);
    case OPTION_TEXT:
        *(const char **)o->value = text;
        return true;
    case OPTION_FLAG:
        *(bool *)o->value = strcmp(text, "no") != 0;
        return true;
    }
    return false;
}

/* As text from which option_set makes the same value. */
static const char *option_text(const option *o, char *text, size_t size)
{
    text[0] = '\0';
    switch (o->kind) {
    case OPTION_WHOLE:
        snprintf(text, size, "%" PRId64, *(const int64_t *)o->value);
        break;
    case OPTION_NUMBER:
        snprintf(text, size, "%.17g", *(const double *)o->value);
        break;
    case OPTION_WORD:
        value_word_at(o->shown, *(const int64_t *)o->value, text, size);
        break;
    case OPTION_TEXT: {
        const char *value = *(const char *const *)o->value;
        return value ? value : "";
    }
    case OPTION_FLAG:
        snprintf(text, size, "%s", *(const bool *)o->value ? "yes" : "no");
        break;
    }
    return text;
}

/* Help */

static void print_default(const option *o, FILE *out)
{
    char text[VALUE];
    if (o->kind == OPTION_NUMBER) {
        fprintf(out, " [%g]", *(const double *)o->value);
    } else if (o->kind != OPTION_FLAG && *option_text(o, text, sizeof text) != '\0') {
        fprintf(out, " [%s]", option_text(o, text, sizeof text));
    }
}

/* The option's letter, or 0. */
static char letter_of(const option *o)
{
    const size_t n = strlen(o->name);
    for (const char *at = the_program->letters; at && *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (length == n + 2 && memcmp(at + 2, o->name, n) == 0) {
            return *at;
        }
        at += length;
    }
    return 0;
}

static void print_option(const option *o, FILE *out)
{
    char head[VALUE];
    const char letter[] = {letter_of(o), '\0'};
    bool words = o->kind == OPTION_WORD;
    snprintf(head, sizeof head, "%s%s%s--%s%s%s", *letter ? "-" : "", letter, *letter ? ", " : "",
             o->name, o->kind == OPTION_FLAG ? "" : " ",
             o->kind == OPTION_FLAG ? ""
             : words                ? "WORD"
                                    : o->shown);
    fprintf(out, "  %-22s %s", head, o->help);
    if (words) {
        fprintf(out, ": %s", o->shown);
    }
    print_default(o, out);
    fputc('\n', out);
}

/* What is typed for a command: "reel-translate train". */
static const char *call_of(size_t k, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s", the_program->name, the_program->single ? "" : " ",
             the_program->single ? "" : the_program->commands[k].name);
    return text;
}

/* Complains of how a command was called: the text before and after a word. */
static int misused(size_t k, const char *before, const char *word, const char *after)
{
    char call[VALUE];
    const bool single = the_program->single;
    complain("%s%s%s%s%s '%s --help' tells what there is",
             single ? "" : the_program->commands[k].name, single ? "" : ": ", before, word, after,
             call_of(k, call, sizeof call));
    return EXIT_USAGE;
}

static void command_help(size_t k)
{
    const command *c = &the_program->commands[k];
    size_t n = option_count();
    char call[VALUE];
    printf("Usage: %s [OPTION]...%s%s\n%s\n\n", call_of(k, call, sizeof call),
           c->operands ? " " : "", c->operands ? c->operands : "", c->help);
    for (size_t i = 0; i < n; i++) {
        if (the_program->options[i].commands & 1U << k) {
            print_option(&the_program->options[i], stdout);
        }
    }
    printf("  %-22s this text\n  %-22s the version\n", "-h, --help", "-V, --version");
    if (the_program->single && the_program->more) {
        printf("\n%s", the_program->more);
    }
}

static void program_help(void)
{
    printf("Usage: %s COMMAND [OPTION]...\n%s\n", the_program->name, the_program->about);
    for (const command *c = the_program->commands; c->name; c++) {
        printf("  %-9s %s\n", c->name, c->help);
    }
    printf("\n'%s COMMAND --help' lists a command's options.\n"
           "  -h, --help     this text\n"
           "  -V, --version  the version\n",
           the_program->name);
    if (the_program->more) {
        printf("\n%s", the_program->more);
    }
}

static void print_version(void)
{
    printf("%s (Reel %s)\n", the_program->name, reel_version());
}

/* The command line */

enum { GO_ON = -1 };

static void fill(struct option *to, unsigned commands)
{
    size_t n = option_count(), used = 0;
    for (size_t i = 0; i < n; i++) {
        const option *o = &the_program->options[i];
        if (o->commands & commands) {
            to[used++] =
                (struct option){.name = o->name,
                                .has_arg = o->kind == OPTION_FLAG ? no_argument : required_argument,
                                .val = VALUE + (int)i};
        }
    }
    to[used++] = (struct option){.name = "help", .val = 'h'};
    to[used++] = (struct option){.name = "version", .val = 'V'};
    to[used] = (struct option){.name = NULL};
}

/* One option that getopt has found; GO_ON or an exit status. */
static int take(size_t k, int code, const char *word)
{
    if (code == 'h') {
        command_help(k);
        return 0;
    }
    if (code == 'V') {
        print_version();
        return 0;
    }
    if (code == ':') {
        return misused(k, "option '", word, "' needs a value:");
    }
    size_t i = (size_t)code - VALUE, n = option_count();
    for (size_t j = 0; code < VALUE && j < n; j++) {
        i = letter_of(&the_program->options[j]) == code ? j : i;
    }
    if (i >= n) {
        return misused(k, "unknown or ambiguous option '", word, "':");
    }
    const option *o = &the_program->options[i];
    given[i] = true;
    return option_set(o, o->kind == OPTION_FLAG ? "yes" : optarg) ? GO_ON : EXIT_USAGE;
}

/* What getopt is told of letters. */
static void fill_letters(unsigned commands, char *to, size_t size)
{
    size_t n = option_count(), used = (size_t)snprintf(to, size, ":hV");
    for (size_t i = 0; i < n && used + 3 < size; i++) {
        const option *o = &the_program->options[i];
        if (o->commands & commands && letter_of(o)) {
            to[used++] = letter_of(o);
            to[used] = ':';
            used += o->kind != OPTION_FLAG;
            to[used] = '\0';
        }
    }
}

static int parse(size_t k, int argc, char **argv)
{
    struct option options[MOST_OPTIONS + 3];
    char letters[3 * MOST_OPTIONS];
    fill(options, 1U << k);
    fill_letters(1U << k, letters, sizeof letters);
    opterr = 0;
    for (;;) {
        int code = getopt_long(argc, argv, letters, options, NULL);
        if (code == -1) {
            return GO_ON;
        }
        int status = take(k, code, argv[optind - 1]);
        if (status != GO_ON) {
            return status;
        }
    }
}

static int run(size_t k, int argc, char **argv)
{
    const command *c = &the_program->commands[k];
    int status = parse(k, argc, argv), n = argc - optind;
    if (status != GO_ON) {
        return status;
    }
    if (n > c->most && c->most >= 0) {
        return misused(k, "what is '", argv[optind + c->most], "'?");
    }
    if (n < c->least) {
        return misused(k, "", c->operands ? c->operands : "an operand is", " missing:");
    }
    return c->run(n, argv + optind);
}

static int dispatch(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (the_program->single) {
        return run(0, argc, argv);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        program_help();
        return 0;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        print_version();
        return 0;
    }
    for (size_t k = 0; the_program->commands[k].name; k++) {
        if (strcmp(word, the_program->commands[k].name) == 0) {
            return run(k, argc - 1, argv + 1);
        }
    }
    if (argc > 1) {
        complain("'%s' is no command: '%s --help' lists them", word, the_program->name);
    } else {
        complain("a command is missing: '%s --help' lists them", the_program->name);
    }
    return EXIT_USAGE;
}

int program_main(const program *p, int argc, char **argv)
{
    the_program = p;
    program_name = p->name;
    int status = option_count() > MOST_OPTIONS ? EXIT_RUN : dispatch(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
        complain("standard output could not be written");
        return EXIT_RUN;
    }
    return status;
}

/* Checkpoints */

static const char *key_of(const option *o, char *key, size_t size)
{
    snprintf(key, size, "option.%s", o->name);
    return key;
}

bool options_store(reel_archive *a, option_care care)
{
    size_t n = option_count();
    char key[VALUE], text[VALUE];
    for (size_t i = 0; i < n; i++) {
        const option *o = &the_program->options[i];
        if ((o->care == care || (care == OPTION_KEPT && o->care == OPTION_MODEL)) &&
            reel_archive_set(a, key_of(o, key, sizeof key), option_text(o, text, sizeof text)) !=
                REEL_OK) {
            return complain("%s", reel_archive_message(a));
        }
    }
    return true;
}

/* Texts that come out of an archive must outlive it: to the program's end. */
static const char *lasting(const option *o, const char *text)
{
    return o->kind == OPTION_TEXT ? strdup(text) : text;
}

static bool restore(const option *o, bool was_given, const char *path, const char *kept,
                    bool resume)
{
    char now[VALUE];
    if (!was_given) {
        const char *text = lasting(o, kept);
        return text ? option_set(o, text) : out_of_memory();
    }
    return !resume || o->care == OPTION_GOAL ||
           strcmp(option_text(o, now, sizeof now), kept) == 0 ||
           complain("--%s %s: %s was made with %s, and a resumed run cannot change it", o->name,
                    option_text(o, now, sizeof now), path, *kept ? kept : "nothing");
}

/* What a new run starts from is the model alone. */
static bool wanted(const option *o, checkpoint_use use)
{
    return o->care == OPTION_MODEL || (o->care != OPTION_FREE && use != CHECKPOINT_START);
}

bool options_restore(const reel_archive *a, const char *path, checkpoint_use use)
{
    size_t n = option_count();
    char key[VALUE];
    for (size_t i = 0; i < n; i++) {
        const option *o = &the_program->options[i];
        const char *kept = wanted(o, use) ? reel_archive_get(a, key_of(o, key, sizeof key)) : NULL;
        if (kept && !restore(o, given[i], path, kept, use == CHECKPOINT_RESUME)) {
            return false;
        }
    }
    return true;
}
