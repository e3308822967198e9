/* The command `demo`: two minutes of learning to write C, with everything to look at in one folder.
 */
#include "../program/say.h"
#include "commands.h"
#include "train.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SECONDS = 105, PATH_SIZE = 4096 };

typedef struct places {
    char model[PATH_SIZE], log[PATH_SIZE], curve[PATH_SIZE], unrolled[PATH_SIZE], steps[PATH_SIZE];
} places;

static bool name_places(places *p, const char *folder)
{
    const struct {
        char *to;
        const char *name;
    } all[] = {
        {p->model, "model.safetensors"}, {p->log, "log.tsv"},     {p->curve, "curve.svg"},
        {p->unrolled, "unrolled.svg"},   {p->steps, "steps.svg"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int n = snprintf(all[i].to, PATH_SIZE, "%s/%s", folder, all[i].name);
        if (n < 0 || n >= PATH_SIZE) {
            return complain("the folder's name is longer than %d bytes", PATH_SIZE);
        }
    }
    return true;
}

/* An LSTM unrolled over 5 steps: every operation, and a box per step. */
static int draw_unrolled(const places *p)
{
    config c;
    if (!config_preset(&c, NULL)) {
        return EXIT_RUN;
    }
    c.layers = 1;
    int status = command_draw(&c, false, p->unrolled);
    c.layers = 2;
    c.drawing.collapse = REEL_BY_STEP;
    return status != 0 ? status : command_draw(&c, false, p->steps);
}

static void tell(const char *what, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        fprintf(stderr, "  %-28s %s\n", what, path);
    }
}

int command_demo(const config *c, const char *folder)
{
    places p;
    config learning;
    if (!name_places(&p, folder) || !config_preset(&learning, "demo")) {
        return EXIT_RUN;
    }
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        complain("%s: %s", folder, strerror(errno));
        return EXIT_RUN;
    }
    remove(p.curve);
    remove(p.unrolled);
    remove(p.steps);
    learning.seconds = SECONDS;
    learning.threads = c->threads;
    learning.overwrite = true;
    learning.checkpoint = p.model;
    learning.log = p.log;
    learning.plot = p.curve;
    fprintf(stderr, "Learning to write C from the kernel's headers, for about two minutes.\n");
    int status = train(&learning, 0, NULL);
    if (status != 0) {
        return status;
    }
    status = draw_unrolled(&p);
    fprintf(stderr, "\nLeft for you to look at:\n");
    tell("the learning curve", p.curve);
    tell("an LSTM unrolled, 5 steps", p.unrolled);
    tell("two layers, a box per step", p.steps);
    tell("the figures", p.log);
    tell("the model", p.model);
    fprintf(stderr, "More text from it: reel-charlm sample --checkpoint %s\n", p.model);
    return status;
}
