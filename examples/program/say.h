/* What programs say on stderr, and how they are asked to stop. */
#ifndef EXAMPLES_PROGRAM_SAY_H
#define EXAMPLES_PROGRAM_SAY_H

#include <reel/reel.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { EXIT_RUN = 1, EXIT_USAGE = 2, EXIT_SIGNAL = 128 };

/* The name that messages begin with; main sets it. */
extern const char *program_name;

/* Text that may come out of a file: what would steer a terminal, or is not UTF-8, as \x1b. */
void put_shown(FILE *out, const char *text);
/* A line on stderr, put so. Always returns false, for `return complain(...)`. */
bool complain(const char *format, ...) REEL_PRINTF(1, 2);
/* The same for a remark that is no error. */
void note(const char *format, ...) REEL_PRINTF(1, 2);
/* The complaint of an allocation that failed; returns false. */
bool out_of_memory(void);
/* Complain with the message of a tape, of parameters, of a vocabulary; return false. */
bool tape_complain(reel_tape *tape);
bool params_complain(const reel_params *ps);
bool vocabulary_complain(const reel_vocabulary *v);

/* "1,234,567" in the caller's buffer, which it returns. */
const char *thousands(int64_t n, char *text, size_t size);
/* "1:02:03" or "2:03" in the caller's buffer, which it returns. */
const char *duration(double seconds, char *text, size_t size);
/* Of a clock that never goes back. */
double clock_seconds(void);

/* From here on the first Ctrl-C asks the program to stop at the next good moment, the second ends
 * it. */
void interrupt_catch(void);
/* The signal that asked to stop, or 0. */
int interrupted(void);
/* An exit status for a command: 0, EXIT_RUN, or EXIT_SIGNAL + the signal. */
int exit_status(bool ok);

/* A line of progress for anything that takes long: shown four times a second on a terminal, every
 * ten seconds elsewhere, unless `quiet`. */
typedef struct meter {
    bool quiet, terminal, colour;
    double started, shown;
} meter;
void meter_start(meter *m, bool quiet);
/* Whether meter_show would show anything now. */
bool meter_due(const meter *m);
void meter_show(meter *m, int64_t done, int64_t all, const char *format, ...) REEL_PRINTF(4, 5);
/* Wipes the line, before something else is written. */
void meter_clear(const meter *m);

#endif
