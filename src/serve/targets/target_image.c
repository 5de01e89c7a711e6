/* target_image.c - a container image with the program and the model: an OCI layout as a folder, or one file when `out` ends in
 * .tar. */
#include <string.h>

#include "serve/targets/oci.h"

typedef struct conf {
    const char *image;
} conf;

static const gm_param params[] = {
    { "image", GM_PARAM_STR, offsetof(conf, image), "", "name and tag; MODEL:VERSION", 0, 0, NULL },
    { 0 },
};

static bool is_tar(const char *path)
{
    size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".tar") == 0;
}

static gm_rc write_archive(gm_oci_image *image, const char *out, gm_err *err)
{
    gm_buf b = { 0 };
    gm_rc rc = gm_oci_archive(image, &b, err);
    if (!rc) rc = gm_target_put(out, &b, err);
    gm_buf_clear(&b);
    return rc;
}

static gm_rc write_layout(const gm_oci_image *image, const char *out, gm_arena *a, gm_err *err)
{
    gm_stage s;
    gm_rc rc = gm_stage_begin(out, a, &s, err);
    return rc ? rc : gm_stage_end(&s, gm_stage_files(&s, &image->files, err), err);
}

static gm_rc write_image(const void *opaque, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err)
{
    const conf *c = opaque;
    const char *name = NULL;
    gm_oci_image image;
    bool tar = is_tar(in->out);
    gm_rc rc = gm_target_image_name(c->image, in, a, &name, err);
    if (!rc) rc = gm_oci_build(in, name, false, a, &image, err);
    if (!rc) rc = tar ? write_archive(&image, in->out, err) : write_layout(&image, in->out, a, err);
    if (rc) return rc;
    gm_buf_printf(report, "wrote the image %s, %.1f MiB, to %s\n  sha256:%s\n", name, (double)image.size_bytes / (1 << 20),
                  in->out, image.digest.hex);
    if (tar)
        gm_buf_printf(report, "next:\n  docker load -i %s        (or podman load -i %s)\n  docker run --rm -p 8080:8080 %s\n",
                      in->out, in->out, name);
    else
        gm_buf_printf(report, "next:\n  skopeo copy oci:%s docker://REGISTRY/%s\n", in->out, name);
    return GM_OK;
}

const gm_target gm_target_image = {
    .item = { "image", "a container image: program, libraries and model, nothing else", params, sizeof(conf) },
    .write = write_image,
};
