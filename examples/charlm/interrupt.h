/* Ctrl-C: the first asks the program to stop at the next good moment, the second ends it at once.
 */
#ifndef CHARLM_INTERRUPT_H
#define CHARLM_INTERRUPT_H

void interrupt_catch(void);
/* The signal that asked to stop, or 0. */
int interrupt_signal(void);

#endif
