/* fuzz_yaml.c - any bytes are a document of the YAML subset, or an error that has a place. */
#include "fuzz_node.h"

/* libfyaml loses one chunk of its iterator when a long quoted key turns out wrong; a program that reads one file does not mind.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:fy_atom_iter_grow_chunk\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_reader(gm_yaml_read, true, data, size);
    return 0;
}
