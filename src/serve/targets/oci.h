/* oci.h - a container image (OCI image format 1.0) made from files alone: no daemon, no base image, no shell in it.
 *
 * Layer 1 is the program, its loader and the libraries that it and the model need; layer 2 the package. So the versions of a
 * model share layer 1. Equal inputs give equal bytes: no times, no owners but 0, sorted names.
 */
#ifndef GM_SERVE_TARGETS_OCI_H
#define GM_SERVE_TARGETS_OCI_H

#include "serve/targets/target_write.h"

#define GM_OCI_PACKAGE "/opt/ml/model"

typedef struct gm_oci_image {
    gm_target_files files; /* of the layout: oci-layout, index.json, manifest.json, blobs/sha256/...; bytes in the arena's care */
    gm_digest digest;      /* of the image's manifest */
    size_t size_bytes;     /* compressed */
} gm_oci_image;

/* name: "flights:3". without_model: the package is put at GM_OCI_PACKAGE by the platform.
 * Errors: as gm_elf_add, gm_target_package, gm_target_library; GM_EUNSUPPORTED (a machine that images have no name for). */
gm_rc gm_oci_build(const gm_target_in *in, const char *name, bool without_model, gm_arena *a, gm_oci_image *out, gm_err *err);
/* As one file that `docker load`, `podman load` and `ctr images import` take. */
gm_rc gm_oci_archive(gm_oci_image *image, gm_buf *out, gm_err *err);

#endif
