/* reel-charlm: character models that are trained by truncated back-propagation through time, write
 * samples while they learn, and draw their own unrolled graph. This file finds the command; the
 * others are
 *
 *   options     what can be said on the command line        text            files to bytes
 *   model, mgu  the network, and a cell of one's own         vocabulary      bytes to indices
 *   streams     the walk of truncated BPTT through the text  train           the loop around it
 *   evaluate    the held-out loss                            sample          writing text
 *   checkpoint  a run on disk                                log, plot, progress
 */
#include "../program/say.h"
#include "commands.h"
#include "train.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "Usage: reel-charlm COMMAND [OPTION]...\n"
                            "Character models on recurrent networks.\n\n"
                            "  train    learn a text\n"
                            "  sample   write as the model does\n"
                            "  eval     measure how well the model predicts a text\n"
                            "  draw     draw the model's unrolled graph\n"
                            "  demo     learn to write C in two minutes\n\n"
                            "'reel-charlm COMMAND --help' lists a command's options.\n"
                            "  -h, --help     this text\n"
                            "  -V, --version  the version\n";

static const struct {
    const char *name;
    unsigned command;
    int operands; /* at most; -1: any number */
} commands[] = {
    {"train", TRAIN, -1}, {"sample", SAMPLE, 0}, {"eval", EVAL, -1},
    {"draw", DRAW, 1},    {"demo", DEMO, 1},
};

static int run(unsigned command, config *c, int n, char **operand)
{
    switch (command) {
    case TRAIN:
        return train(c, n, operand);
    case SAMPLE:
        return command_sample(c);
    case EVAL:
        return command_eval(c, n, operand);
    case DRAW:
        return command_draw(c, config_given(c, "checkpoint", DRAW),
                            n == 1 ? operand[0] : "unrolled.svg");
    default:
        return command_demo(c, n == 1 ? operand[0] : "demo");
    }
}

static int parse_and_run(size_t k, int argc, char **argv)
{
    config c;
    int first = 0;
    parse_result result = config_parse(&c, commands[k].command, argc, argv, &first);
    if (result != PARSE_OK) {
        return result == PARSE_DONE ? 0 : EXIT_USAGE;
    }
    int n = argc - first;
    if (commands[k].operands >= 0 && n > commands[k].operands) {
        complain("%s: what is '%s'? 'reel-charlm %s --help' tells what it takes", argv[0],
                 argv[first + commands[k].operands], argv[0]);
        return EXIT_USAGE;
    }
    return run(commands[k].command, &c, n, argv + first);
}

static int dispatch(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("reel-charlm (Reel %s)\n", reel_version());
        return 0;
    }
    for (size_t k = 0; k < sizeof commands / sizeof commands[0]; k++) {
        if (strcmp(word, commands[k].name) == 0) {
            return parse_and_run(k, argc - 1, argv + 1);
        }
    }
    if (argc > 1) {
        complain(
            "'%s' is no command: train, sample, eval, draw and demo are ('reel-charlm --help')",
            word);
    } else {
        complain("a command is missing: train, sample, eval, draw or demo ('reel-charlm --help')");
    }
    return EXIT_USAGE;
}

/* What could not be written is a failure, whichever command wrote it; but training, whose samples
 * are not its work, has said so and gone on. */
int main(int argc, char **argv)
{
    program_name = "reel-charlm";
    int status = dispatch(argc, argv);
    bool trains = argc > 1 && (strcmp(argv[1], "train") == 0 || strcmp(argv[1], "demo") == 0);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0 && !trains) {
        complain("standard output could not be written");
        return 1;
    }
    return status;
}
