/* fuzz_yaml.c - any bytes are a document of the YAML subset, or an error that has a place. */
#include "fuzz_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reader(gm_yaml_read, true, data, size);
    return 0;
}
