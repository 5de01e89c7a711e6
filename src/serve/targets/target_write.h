/* target_write.h - what the deployment targets share: a folder that appears whole or not at all, the files of a package, names
 * and texts that a platform takes. */
#ifndef GM_SERVE_TARGETS_TARGET_WRITE_H
#define GM_SERVE_TARGETS_TARGET_WRITE_H

#include "base/fs.h"
#include "serve/target.h"

enum {
    GM_TARGET_PORT = 8080,
    GM_TARGET_DRAIN_S = 5,
    GM_TARGET_STOP_S = 45
}; /* seconds of not-ready before the door closes; until the kill */

/* ---- folders ------------------------------------------------------------------------------------------------------- */

/* A folder beside `out` that is renamed to it in the end. */
typedef struct gm_stage {
    const char *out, *dir;
    gm_arena *a;
} gm_stage;

/* Errors: GM_ECONFLICT (out is there already), GM_EIO. */
gm_rc gm_stage_begin(const char *out, gm_arena *a, gm_stage *s, gm_err *err);
/* Name the folder when rc is GM_OK, remove it otherwise; returns rc, or what naming it gave. */
gm_rc gm_stage_end(const gm_stage *s, gm_rc rc, gm_err *err);
/* Write s->dir/name, with the folders on the way, synced. */
gm_rc gm_stage_put(const gm_stage *s, const char *name, const void *bytes, size_t len, unsigned mode, gm_err *err);
/* Copy a file there, synced. */
gm_rc gm_stage_copy(const gm_stage *s, const char *from, const char *name, unsigned mode, gm_err *err);
/* One file that is all there is to write. Errors: GM_ECONFLICT (out is there already), GM_EIO. */
gm_rc gm_target_put(const char *out, const gm_buf *text, gm_err *err);

/* ---- what goes there ----------------------------------------------------------------------------------------------- */

/* A file by its place in what is written. */
typedef struct gm_target_file {
    const char *name;  /* relative, with /, no leading /; a / at the end: an empty folder */
    const char *path;  /* where its bytes are; NULL: they are here                       */
    const void *bytes; /* [len]                                                          */
    size_t len;
    unsigned mode;
} gm_target_file;

typedef struct gm_target_files {
    gm_target_file *items; /* [count] */
    size_t count, capacity;
} gm_target_files;

/* name and path are borrowed until the arena is reset. NULL is GM_ENOMEM, so that callers need not ask. */
gm_rc gm_target_files_add(gm_target_files *f, gm_arena *a, const char *name, const char *path, unsigned mode, gm_err *err);
gm_rc gm_target_files_bytes(gm_target_files *f, gm_arena *a, const char *name, const void *bytes, size_t len, unsigned mode,
                            gm_err *err);
/* Write all of them to the stage. */
gm_rc gm_stage_files(const gm_stage *s, const gm_target_files *f, gm_err *err);
/* The manifest of a package and the files that it lists, under prefix ("package"; "" = none): what its digest speaks of, and no
 * more. Errors: GM_ENOTFOUND, GM_ECORRUPT. */
gm_rc gm_target_package(const char *package_dir, const char *prefix, gm_arena *a, gm_target_files *f, gm_err *err);
/* The heavy library that the package's model needs at run time, or NULL: ONNX Runtime for models that came as ONNX, and none for
 * trees and linear models. out_path in arena. Errors: GM_EUNAVAILABLE when it is needed and not there. */
gm_rc gm_target_library(const char *package_dir, gm_arena *a, const char **out_name, const char **out_path, gm_err *err);

/* ---- names and texts ----------------------------------------------------------------------------------------------- */

/* The given name, or one made of the model's: a DNS label (a-z, 0-9, -, a letter first, at most 40 characters). Errors:
 * GM_EINVALID. */
gm_rc gm_target_name(const char *given, const char *model, gm_arena *a, const char **out, gm_err *err);
/* "flights:3": the image's name when none is given. */
gm_rc gm_target_image_name(const char *given, const gm_target_in *in, gm_arena *a, const char **out, gm_err *err);
/* Value of a Kubernetes label: letters, digits, "-_.", at most 63. In arena. */
const char *gm_target_label(const char *text, gm_arena *a);
/* The text in double quotes, as YAML and JSON both read it. In arena; NULL when memory is out. */
const char *gm_target_quoted(const char *text, gm_arena *a);
/* "500m", "2", "1.5": processors as Kubernetes writes them, and the next whole number. Errors: GM_EINVALID. */
gm_rc gm_target_cpu(const char *text, unsigned *out_loops, gm_err *err);
/* "512Mi", "1G". Errors: GM_EINVALID. */
gm_rc gm_target_memory(const char *text, gm_err *err);

#endif
