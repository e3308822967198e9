/* What a function writes about a tape, as text. */
#ifndef TESTS_WRITTEN_H
#define TESTS_WRITTEN_H

#include <stdio.h>

#include <reel/reel.h>

#include "suite.h"

/* `write`: reel_plan_dump_at or the like. The text is the caller's. */
static inline char *written(reel_tape *tape,
                            reel_status (*write)(const char *, reel_tape *, FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(stream);
    ck_assert_msg(write("test.c:1", tape, stream) == REEL_OK, "%s", reel_tape_message(tape));
    fclose(stream);
    return text;
}

#endif
