/* The command quick: whether learning happens, in seconds. */
#include "batches.h"

#include "../program/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPEECHES = 500, SUBJECTS = 12, SUBJECT_WORDS = 9, PLAIN_WORDS = 40, LINE_ROOM = 128 };

/* A word of two syllables, another one for each number. */
static void invent_word(int64_t number, char *word)
{
    static const char first[] = "bdfgklmnprst", vowel[] = "aeiou";
    word[0] = first[number % 12];
    word[1] = vowel[number / 12 % 5];
    word[2] = first[(number / 60 + number) % 12];
    word[3] = vowel[(number / 7) % 5];
    word[4] = "nrlst"[number / 3 % 5];
    word[5] = '\0';
}

/* A speech: its lines share a subject, and each begins with a word that goes with the end of the
 * one before. */
static void invent_speech(FILE *out, reel_random *random)
{
    char word[8];
    uint64_t subject = reel_random_below(random, SUBJECTS);
    uint64_t lines = 2 + reel_random_below(random, 4),
             end = reel_random_below(random, SUBJECT_WORDS);
    fprintf(out, "PLAYER %c:\n", (int)('A' + subject));
    for (uint64_t k = 0; k < lines; k++) {
        for (uint64_t i = 0; i < 6; i++) {
            bool own = i % 2 == 0;
            uint64_t w = own ? reel_random_below(random, SUBJECT_WORDS)
                             : reel_random_below(random, PLAIN_WORDS);
            w = i == 0 && k > 0 ? (end + 1) % SUBJECT_WORDS : w;
            end = own ? w : end;
            invent_word((int64_t)(own ? PLAIN_WORDS + subject * SUBJECT_WORDS + w : w), word);
            fprintf(out, "%s%s", i > 0 ? " " : "", word);
        }
        fputs(k + 1 < lines ? ",\n" : ".\n\n", out);
    }
}

static bool invent(play *p)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return out_of_memory();
    }
    reel_random random = reel_random_new((uint64_t)set.seed, reel_random_stream("play"));
    for (int k = 0; k < SPEECHES; k++) {
        invent_speech(out, &random);
    }
    bool ok = fclose(out) == 0 || out_of_memory();
    ok = ok && play_take(p, "made-up play", text);
    free(text);
    return ok;
}

static bool learn(batches *b, reel_opt *opt)
{
    int64_t updates = set.epochs * batches_count(b);
    reel_schedule s = {.kind = REEL_RATE_COSINE, .rate = set.rate, .total = updates, .floor = 1e-5};
    for (int64_t i = 0; i < updates && !interrupted(); i++) {
        reel_tape_reset(b->tape);
        reel_tape_set_counter(b->tape, (uint64_t)i);
        reel_node *loss = batches_loss(b, i);
        reel_opt_set_rate(opt, reel_schedule_rate(&s, i));
        if (loss == NULL) {
            return false;
        }
        if (reel_opt_step(opt, loss, NULL) != REEL_OK) {
            return tape_complain(b->tape);
        }
    }
    return true;
}

/* First five times as often as chance would have it, or more. */
static bool as_claimed(const ranks r[KINDS])
{
    double first = (double)r[ALL].at[0] / (double)r[ALL].n, chance = 1 / (double)set.candidates;
    return first >= 5 * chance ||
           complain(
               "the true next line is first in %.2f %% of the cases; expected at least %.2f %%",
               100 * first, 500 * chance);
}

static bool try(session *s, const char *text)
{
    model_sizes sizes;
    ranks r[KINDS];
    if (!sizes_of(&sizes) || !(text ? play_read(&s->play, text) : invent(&s->play)) ||
        !(s->known = play_vocabulary(&s->play, set.least)) || !play_number(&s->play, s->known) ||
        !model_make(&s->model, &sizes, &s->play, s->known)) {
        return false;
    }
    reel_tape *tape = reel_tape_new((int)set.threads, .seed = (uint64_t)set.seed);
    reel_opt *opt = reel_adam(s->model.params, .rate = set.rate, .clip_norm = set.clip);
    s->tape = reel_tape_new((int)set.threads, .inference = true);
    batches b = {.model = NULL};
    bool ok = (tape && opt && s->tape) || out_of_memory();
    ok = ok && rank_enough(s->play.n - s->play.test, set.candidates) &&
         batches_make(&b, &s->model, tape) && learn(&b, opt) &&
         rank_all(&s->model, s->tape, s->play.test, s->play.n, set.candidates, (uint64_t)set.draws,
                  true, r);
    if (ok && !interrupted()) {
        rank_print(r, set.candidates);
        ok = as_claimed(r);
    }
    batches_free(&b);
    reel_opt_free(opt);
    reel_tape_free(tape);
    return ok;
}

int run_quick(int n, char *const *operand)
{
    session s = {.tape = NULL};
    set.batch = 64;
    set.word = set.hidden = set.characters = set.size = 32;
    set.letter = 16;
    set.rate = 5e-3;
    set.candidates = 100;
    bool ok = try(&s, n > 0 ? operand[0] : NULL);
    session_close(&s);
    return exit_status(ok);
}
