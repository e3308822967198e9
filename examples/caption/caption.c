/* Captions from patterns: its things are A, B and C, and
 *
 *     $A   a small red circle      @A   circle      %AB   left of
 *
 * in any of their names. */
#include "caption.h"

#include <string.h>

enum { NAMES = 3 };

static const char *const patterns[] = {
    "$A is %AB $B , and $C is %CB it",
    "there is $A %AB $B , with $C %CA the @A",
    "%AB $B is $A , and %CA the @A is $C",
    "$A , $B and $C : the @A is %AB the @B , the @C is %CB it",
    "we see $A that is %AB $B and %AC $C",
};

static const char *const shapes[SHAPES][NAMES] = {
    {"circle", "disc"}, {"square", "box"}, {"triangle", "wedge"}, {"star"},
    {"cross", "plus"},  {"heart"},         {"ring", "hoop"},      {"diamond", "rhombus"}};
static const char *const colours[COLOURS] = {"red",    "green", "blue",  "yellow",
                                             "purple", "white", "black", "orange"};
static const char *const sizes[SIZES][NAMES] = {
    {"small", "tiny", "little"}, {"medium", "middling"}, {"large", "big", "huge"}};
static const char *const relations[4][NAMES] = {{"left of", "to the left of"},
                                                {"right of", "to the right of"},
                                                {"above", "over", "higher than"},
                                                {"below", "under", "lower than"}};

/* Appends the words of a text. */
static void say(caption *c, const char *text)
{
    char *to = c->text;
    if (c->n > 0) {
        const char *last = c->word[c->n - 1];
        to += last - c->text + (long)strlen(last) + 1;
    }
    while (*text) {
        size_t n = strcspn(text, " ");
        memcpy(to, text, n);
        to[n] = '\0';
        c->word[c->n++] = to;
        to += n + 1;
        text += n + (text[n] == ' ');
    }
}

static void say_one_of(caption *c, const char *const name[NAMES], reel_random *random)
{
    int n = 0;
    while (n < NAMES && name[n]) {
        n++;
    }
    say(c, name[reel_random_below(random, (uint64_t)n)]);
}

static void say_thing(caption *c, const thing *t, reel_random *random)
{
    say(c, "a");
    say_one_of(c, sizes[t->size], random);
    say(c, colours[t->colour]);
    say_one_of(c, shapes[t->shape], random);
}

static void say_item(caption *c, const char *item, const scene *s, reel_random *random)
{
    switch (*item) {
    case '$':
        say_thing(c, &s->thing[item[1] - 'A'], random);
        break;
    case '@':
        say_one_of(c, shapes[s->thing[item[1] - 'A'].shape], random);
        break;
    case '%':
        say_one_of(c, relations[scene_relation(&s->thing[item[1] - 'A'], &s->thing[item[2] - 'A'])],
                   random);
        break;
    default:
        say(c, item);
    }
}

void caption_make(caption *c, const scene *s, reel_random *random)
{
    c->n = 0;
    const char *p = patterns[reel_random_below(random, sizeof patterns / sizeof *patterns)];
    while (*p) {
        char item[16];
        size_t n = strcspn(p, " ");
        memcpy(item, p, n);
        item[n] = '\0';
        say_item(c, item, s, random);
        p += n + (p[n] == ' ');
    }
}
