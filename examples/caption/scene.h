/* Scenes: three things of different shapes on a square, and the noisy features that are seen of
 * them. */
#ifndef EXAMPLES_CAPTION_SCENE_H
#define EXAMPLES_CAPTION_SCENE_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stdio.h>

enum { THINGS = 3, SHAPES = 8, COLOURS = 8, SIZES = 3, FEATURES = 40 };

typedef struct thing {
    int shape, colour, size;
    double x, y; /* from 0 to 1, to the right and upward */
} thing;

typedef struct scene {
    thing thing[THINGS];
    float feature[FEATURES];
} scene;

/* What is seen: a fixed random projection of all that a scene is, and normal noise on it. */
typedef struct eye {
    float weight[FEATURES][THINGS * (SHAPES + COLOURS + SIZES + 2)];
    double noise; /* its deviation; a feature's own is about 1 */
} eye;

void eye_make(eye *e, double noise, uint64_t seed);
/* A scene with features. Some colours of each shape are novel: a scene has none of these pairs, or
 * one at least. */
void scene_make(scene *s, bool novel, const eye *e, reel_random *random);
/* Where a is, seen from b: 0 left, 1 right, 2 above, 3 below. */
int scene_relation(const thing *a, const thing *b);
const char *colour_name(int colour);
/* The scene as a picture in letters, and a line about each thing. */
void scene_print(const scene *s, FILE *out);

#endif
