/* Captions of scenes, in varied words. */
#ifndef EXAMPLES_CAPTION_CAPTION_H
#define EXAMPLES_CAPTION_CAPTION_H

#include "scene.h"

enum { MOST_WORDS = 48, MOST_TEXT = 320 };

typedef struct caption {
    int n;
    const char *word[MOST_WORDS]; /* in text: a caption must not be moved */
    int32_t token[MOST_WORDS];    /* with an end behind the last */
    char text[MOST_TEXT];         /* words ended by NULs */
} caption;

/* Says what is in the scene, by one pattern of several and with one name of several for each thing.
 */
void caption_make(caption *c, const scene *s, reel_random *random);

#endif
