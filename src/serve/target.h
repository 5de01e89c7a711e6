/* target.h - where a model can be deployed to: each target writes what its platform takes, from one package. */
#ifndef GM_SERVE_TARGET_H
#define GM_SERVE_TARGET_H

#include "base/digest.h"
#include "base/registry.h"

typedef struct gm_target_in {
    const char *package_dir; /* verified */
    const char *model, *version;
    gm_digest digest;
    const char *out;         /* folder or file to write; not there yet */
    const char *program;     /* path of this program; image: copied */
    const char *store_root;  /* NULL when it came as a folder */
} gm_target_in;

typedef struct gm_target {
    gm_item item;
    bool runs; /* starts a server under gm_supervise_start in `out`, which can be asked and stopped there */
    /* report: lines for people, what was written and the command that comes next. Whole or not at all. */
    gm_rc (*write)(const void *conf, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err);
} gm_target;

extern const gm_registry gm_targets;

#endif
