/* Job: the colours and fonts of the themes. Must not know: what is drawn in them. */
#include "picture.h"

static const reel__palette palettes[] = {
    [REEL_THEME_LIGHT] = {.ground = "white",
                          .ink = "black",
                          .quiet = "#999999",
                          .faint = "#555555",
                          .panel = "#F7F7F7",
                          .leaf = "#F4F4F4",
                          .leaf_line = "#BBBBBB",
                          .stroke = "#333333",
                          .line = {"#0072B2", "#D55E00", "#AA4499"},
                          .fill = {{"#E3EFF8", "#B5D3EA"},
                                   {"#FDEADF", "#F7CDB4"},
                                   {"#F6E6F1", "#E6C3DC"}},
                          .smooth = "#FFE9A8",
                          .pointwise = "#F9D5DC",
                          .weight_fill = "#FFF3C4",
                          .weight_line = "#B8860B",
                          .weight_ink = "#8A6508",
                          .weight_edge = "#D8C48A",
                          .alarm = "#E0202A"},
    [REEL_THEME_DARK] = {.ground = "#16191D",
                         .ink = "#E8E8E8",
                         .quiet = "#7C858E",
                         .faint = "#A9B2BA",
                         .panel = "#1F242A",
                         .leaf = "#2A3037",
                         .leaf_line = "#59626B",
                         .stroke = "#C8CDD2",
                         .line = {"#58B4E8", "#F08C4A", "#D68AC6"},
                         .fill = {{"#1E3444", "#27506C"},
                                  {"#43281A", "#69402A"},
                                  {"#3B2638", "#5C3A56"}},
                         .smooth = "#5A4A14",
                         .pointwise = "#5A2C38",
                         .weight_fill = "#3A3418",
                         .weight_line = "#C9A23A",
                         .weight_ink = "#DDBD62",
                         .weight_edge = "#7D6C34",
                         .alarm = "#FF5A5F",
                         .dark = true},
    [REEL_THEME_PRINT] = {.ground = "white",
                          .ink = "black",
                          .quiet = "#808080",
                          .faint = "#404040",
                          .panel = "#FAFAFA",
                          .leaf = "white",
                          .leaf_line = "#A0A0A0",
                          .stroke = "black",
                          .line = {"black", "black", "black"},
                          .fill = {{"white", "#E4E4E4"},
                                   {"white", "#E4E4E4"},
                                   {"white", "#E4E4E4"}},
                          .smooth = "#F0F0F0",
                          .pointwise = "white",
                          .weight_fill = "white",
                          .weight_line = "#808080",
                          .weight_ink = "#404040",
                          .weight_edge = "#A0A0A0",
                          .alarm = "black",
                          .grey = true},
    [REEL_THEME_SAFE] = {.ground = "white",
                         .ink = "black",
                         .quiet = "#8C8C8C",
                         .faint = "#444444",
                         .panel = "#F7F7F7",
                         .leaf = "#F2F2F2",
                         .leaf_line = "#AAAAAA",
                         .stroke = "#333333",
                         .line = {"#0072B2", "#D55E00", "#009E73"},
                         .fill = {{"#DCEBF5", "#9CC9E6"},
                                  {"#FBE3CF", "#F3B98A"},
                                  {"#D5EFE6", "#8FD3BC"}},
                         .smooth = "#F7EE9B",
                         .pointwise = "#E9CBDD",
                         .weight_fill = "#FFFBE0",
                         .weight_line = "#7A6A00",
                         .weight_ink = "#5C5000",
                         .weight_edge = "#B0A668",
                         .alarm = "#CC0000"},
};

const reel__palette *reel__palette_of(reel_draw_theme theme)
{
    return &palettes[theme];
}

void reel__text_font(const reel_draw_args *args, reel__text *out)
{
    reel__text_add(out, "fontname=\"");
    if (args->font && *args->font) {
        reel__text_quoted(out, args->font, 100);
    } else {
        reel__text_add(out, "Helvetica,DejaVu Sans,sans-serif");
    }
    reel__text_add(out, "\"");
}
