/* What commands share: the parts of a score, and a model from its checkpoint. */
#include "settings.h"

#include "../program/program.h"

#include <string.h>

bool parts_of(const char *text, unsigned *parts)
{
    static const char *const names[] = {"words", "characters", "topic", "features", "speakers"};
    enum { PARTS = sizeof names / sizeof *names };
    *parts = 0;
    for (const char *s = text;; s++) {
        size_t n = strcspn(s, "+");
        int k = 0;
        while (k < PARTS && (strlen(names[k]) != n || memcmp(names[k], s, n) != 0)) {
            k++;
        }
        if (k == PARTS) {
            return complain("--parts: '%.*s' is none of words, characters, topic, features and "
                            "speakers, with + between",
                            (int)n, s);
        }
        *parts |= 1U << k;
        s += n;
        if (*s == '\0') {
            return true;
        }
    }
}

bool sizes_of(model_sizes *s)
{
    *s = (model_sizes){.word = set.word,
                       .hidden = set.hidden,
                       .letter = set.letter,
                       .characters = set.characters,
                       .size = set.size,
                       .dropout = set.dropout,
                       .seed = (uint64_t)set.seed};
    return parts_of(set.parts, &s->parts);
}

/* Another text than that of the training is all new to the model, but so it may not be meant. */
static bool compare(reel_archive *a, const session *s, const char *text)
{
    uint64_t hash;
    if (reel_archive_get_u64(a, "verse.text", &hash)) {
        return complain("%s: %s", set.checkpoint, reel_archive_message(a));
    }
    if (hash != s->play.hash) {
        note("%s is not the text that %s was trained on", text, set.checkpoint);
    }
    return true;
}

bool session_open(session *s, const char *text)
{
    model_sizes sizes;
    *s = (session){.tape = NULL};
    reel_archive *a = checkpoint_open(set.checkpoint, CHECKPOINT_USE);
    bool ok = a && sizes_of(&sizes) && play_read(&s->play, text) && compare(a, s, text);
    if (ok) {
        s->known = checkpoint_take_vocabulary(a, set.checkpoint, "words");
        ok = s->known && play_number(&s->play, s->known) &&
             model_make(&s->model, &sizes, &s->play, s->known) &&
             archive_weights(a, set.checkpoint, s->model.params);
    }
    reel_archive_free(a);
    s->tape = reel_tape_new((int)set.threads, .inference = true);
    return ok && (s->tape || out_of_memory());
}

void session_close(session *s)
{
    reel_tape_free(s->tape);
    model_free(&s->model);
    reel_vocabulary_free(s->known);
    play_free(&s->play);
}
