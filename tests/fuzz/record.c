/* The public recording calls under libFuzzer; `tests/fuzz/run record` builds and starts it. */
#include "fuzz/record.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
    fuzz_record(bytes, size);
    return 0;
}
