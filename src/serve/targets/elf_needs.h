/* elf_needs.h - which shared libraries a program needs to start, read from its ELF file: what a loader would search for, without
 * running it. */
#ifndef GM_SERVE_TARGETS_ELF_NEEDS_H
#define GM_SERVE_TARGETS_ELF_NEEDS_H

#include "serve/targets/target_write.h"

typedef struct gm_elf {
    unsigned machine;    /* EM_X86_64, ... */
    const char *loader;  /* "/lib64/ld-linux-x86-64.so.2"; NULL in a static program and in libraries */
    const char *runpath; /* "$ORIGIN/../lib:..."; NULL = none */
    const char **needed; /* [needed_count] "libc.so.6" */
    size_t needed_count;
} gm_elf;

/* Of the bytes of a 64-bit ELF file of this machine's byte order; texts in arena.
 * Errors: GM_EINVALID (no such file, or one whose tables lie outside of it). */
gm_rc gm_elf_read(const void *bytes, size_t len, const char *name, gm_arena *a, gm_elf *out, gm_err *err);

/* "amd64", "arm64": the machine as images call it; NULL when not known. Static. */
const char *gm_elf_architecture(unsigned machine);

/* Add to f the file at path under `name`, its loader, and every library that it needs and that those need. Libraries of the
 * loader's own folders keep their place, others go to usr/lib/gristmill. What f has already is not added again. out_machine may
 * be NULL. Errors: GM_ENOTFOUND (a library is nowhere), as gm_elf_read, GM_EIO. */
gm_rc gm_elf_add(const char *path, const char *name, gm_arena *a, gm_target_files *f, unsigned *out_machine, gm_err *err);

#endif
