/* Job: the colours of heat maps.
 * Must not know: what is drawn with them. */
#include "chart.h"

#include <math.h>

enum { MOST_STOPS = 11 };

typedef struct stops {
    int n;
    uint32_t at[MOST_STOPS]; /* 0xRRGGBB, evenly spaced */
} stops;

/* Sequential and diverging after ColorBrewer's Blues and RdBu (Harrower & Brewer 2003), viridis
 * after Smith and van der Walt. On dark ground the colour nearest to the ground stands for nothing,
 * as on white. */
static const stops light[] = {
    [REEL_CHART_SEQUENTIAL] = {9,
                               {0xffffff, 0xe3eef8, 0xc6dbef, 0x9ecae1, 0x6baed6, 0x4292c6,
                                0x2171b5, 0x08519c, 0x08306b}},
    [REEL_CHART_DIVERGING] = {9,
                              {0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xffffff, 0xfddbc7, 0xf4a582,
                               0xd6604d, 0xb2182b}},
    [REEL_CHART_VIRIDIS] = {10,
                            {0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779,
                             0x6ece58, 0xb5de2b, 0xfde725}},
    [REEL_CHART_GREY] = {2, {0xffffff, 0x000000}},
};
static const stops dark[] = {
    [REEL_CHART_SEQUENTIAL] = {6, {0x1b2027, 0x173a5e, 0x1f5f99, 0x2f8fd0, 0x73c2f0, 0xdcf2ff}},
    [REEL_CHART_DIVERGING] = {7,
                              {0x9fd4ff, 0x4a94d6, 0x1f4f7d, 0x1b2027, 0x6b2f27, 0xcf5c43,
                               0xffb199}},
    [REEL_CHART_VIRIDIS] = {10,
                            {0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779,
                             0x6ece58, 0xb5de2b, 0xfde725}},
    [REEL_CHART_GREY] = {2, {0x1b2027, 0xffffff}},
};

static uint8_t mix(uint32_t a, uint32_t b, int shift, double share)
{
    double from = (double)(a >> shift & 0xff), to = (double)(b >> shift & 0xff);
    return (uint8_t)lround(from + (to - from) * share);
}

reel__rgb reel__scale_colour(reel_chart_scale scale, reel_chart_theme theme, double x)
{
    const stops *s = theme == REEL_CHART_PRINT  ? &light[REEL_CHART_GREY]
                     : theme == REEL_CHART_DARK ? &dark[scale]
                                                : &light[scale];
    double place = fmin(fmax(x, 0), 1) * (s->n - 1);
    int i = (int)place < s->n - 2 ? (int)place : s->n - 2;
    uint32_t a = s->at[i], b = s->at[i + 1];
    double share = place - i;
    return (reel__rgb){mix(a, b, 16, share), mix(a, b, 8, share), mix(a, b, 0, share)};
}

static double linear(uint8_t c)
{
    double x = c / 255.0;
    return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

/* The contrasts of WCAG, (L + 0.05) to black's 0.05 and white's 1.05, are equal at L = 0.179. */
bool reel__is_bright(reel__rgb c)
{
    return 0.2126 * linear(c.r) + 0.7152 * linear(c.g) + 0.0722 * linear(c.b) > 0.179;
}

const reel__ink *reel__ink_of(reel_chart_theme theme)
{
    static const reel__ink ink[] = {
        [REEL_CHART_LIGHT] = {"#ffffff", "#1c1c1c", "#5f6368", {0xe6, 0xe6, 0xe6}},
        [REEL_CHART_DARK] = {"#14181d", "#e8eaed", "#9aa0a6", {0x3a, 0x3f, 0x45}},
        [REEL_CHART_PRINT] = {"#ffffff", "#000000", "#333333", {0xff, 0xff, 0xff}},
    };
    return &ink[theme];
}
