/* Scenes and what is seen of them. Must not know: how they are told. */
#include "scene.h"

#include <math.h>
#include <string.h>

enum { PARTS = SHAPES + COLOURS + SIZES + 2, NOVEL_EVERY = 4 };

void eye_make(eye *e, double noise, uint64_t seed)
{
    reel_random random = reel_random_new(seed, reel_random_stream("eye"));
    e->noise = noise;
    /* a thing has about five parts that are not 0 */
    double scale = 1 / sqrt(5 * THINGS);
    for (int i = 0; i < FEATURES; i++) {
        for (int j = 0; j < THINGS * PARTS; j++) {
            e->weight[i][j] = (float)(scale * reel_random_normal(&random));
        }
    }
}

static void look(scene *s, const eye *e, reel_random *random)
{
    float part[THINGS][PARTS] = {{0}};
    for (int k = 0; k < THINGS; k++) {
        const thing *t = &s->thing[k];
        part[k][t->shape] = 1;
        part[k][SHAPES + t->colour] = 1;
        part[k][SHAPES + COLOURS + t->size] = 1;
        part[k][PARTS - 2] = (float)(4 * t->x - 2);
        part[k][PARTS - 1] = (float)(4 * t->y - 2);
    }
    const float *all = part[0];
    for (int i = 0; i < FEATURES; i++) {
        double sum = e->noise * reel_random_normal(random);
        for (int j = 0; j < THINGS * PARTS; j++) {
            sum += (double)e->weight[i][j] * (double)all[j];
        }
        s->feature[i] = (float)sum;
    }
}

static bool is_novel(const thing *t)
{
    return (t->colour + 3 * t->shape) % NOVEL_EVERY == 0;
}

static int below(reel_random *random, int n)
{
    return (int)reel_random_below(random, (uint64_t)n);
}

/* How many of its things are of a novel pair. */
static int place_things(scene *s, reel_random *random)
{
    int novel = 0;
    uint32_t shape[SHAPES];
    reel_random_shuffle(random, shape, SHAPES);
    for (int k = 0; k < THINGS; k++) {
        thing *t = &s->thing[k];
        t->shape = (int)shape[k];
        t->colour = below(random, COLOURS);
        t->size = below(random, SIZES);
        t->x = reel_random_uniform(random);
        t->y = reel_random_uniform(random);
        novel += is_novel(t);
    }
    return novel;
}

void scene_make(scene *s, bool novel, const eye *e, reel_random *random)
{
    while ((place_things(s, random) > 0) != novel) {
    }
    look(s, e, random);
}

int scene_relation(const thing *a, const thing *b)
{
    double dx = a->x - b->x, dy = a->y - b->y;
    return fabs(dx) > fabs(dy) ? dx > 0 : dy > 0 ? 2 : 3;
}

static const char *const sizes[SIZES] = {"small", "medium", "large"};
static const char *const shapes[SHAPES] = {"circle", "square", "triangle", "star",
                                           "cross",  "heart",  "ring",     "diamond"};
static const char *const colours[COLOURS] = {"red",    "green", "blue",  "yellow",
                                             "purple", "white", "black", "orange"};

const char *colour_name(int colour)
{
    return colours[colour];
}

void scene_print(const scene *s, FILE *out)
{
    enum { WIDE = 40, HIGH = 10 };
    char field[HIGH][WIDE + 1];
    for (int y = 0; y < HIGH; y++) {
        memset(field[y], ' ', WIDE);
        field[y][WIDE] = '\0';
    }
    for (int k = 0; k < THINGS; k++) {
        int x = (int)(s->thing[k].x * WIDE), y = HIGH - 1 - (int)(s->thing[k].y * HIGH);
        field[y][x] = (char)('1' + k);
    }
    for (int y = 0; y < HIGH; y++) {
        fprintf(out, "  |%s|", field[y]);
        if (y < THINGS) {
            const thing *t = &s->thing[y];
            fprintf(out, "  %d: %s %s %s%s", y + 1, sizes[t->size], colours[t->colour],
                    shapes[t->shape], is_novel(t) ? " (novel)" : "");
        }
        fputc('\n', out);
    }
}
