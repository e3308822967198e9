/* SIGINT and SIGTERM as a request, SIGPIPE as an error of the write. The handler removes itself, so
 * that a second signal has its usual effect. */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t caught;

static void handle(int signal)
{
    caught = signal;
}

void interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* whoever reads samples may go away; the training stays */
}

int interrupt_signal(void)
{
    return caught;
}
