/* oci.c - see oci.h.
 *
 * Invariants
 *  (1) a blob is named by the SHA-256 of its bytes, and every name in a JSON text here is of a blob that was added;
 *  (2) no byte depends on the time, the place or the person that made it.
 */
#include "serve/targets/oci.h"

#include <stdlib.h>
#include <string.h>

#include "serve/targets/elf_needs.h"
#include "serve/targets/tar.h"

#define MEDIA "application/vnd.oci.image."
#define EPOCH "1970-01-01T00:00:00Z"

/* One blob as the JSON texts speak of it. */
typedef struct blob {
    gm_digest digest;
    size_t len;
} blob;

typedef struct layer {
    blob compressed;
    gm_digest plain; /* of the archive before gzip */
    const char *what;
} layer;

typedef struct build {
    const gm_target_in *in;
    const char *name, *architecture;
    gm_arena *a;
    gm_oci_image *image;
    layer layers[2];
    size_t layers_count;
} build;

static void clear_buf(void *b)
{
    gm_buf_clear(b);
}

/* A buffer that the arena gives back. */
static gm_buf *buf_in(gm_arena *a)
{
    gm_buf *b = GM_ARENA_NEW(a, gm_buf);
    return b && gm_arena_defer(a, clear_buf, b) ? b : NULL;
}

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for an image");
}

static gm_rc add_blob(build *m, const gm_buf *bytes, blob *out, gm_err *err)
{
    if (!bytes || bytes->failed) return no_memory(err);
    gm_digest_of(bytes->data, bytes->len, &out->digest);
    out->len = bytes->len;
    m->image->size_bytes += bytes->len;
    return gm_target_files_bytes(&m->image->files, m->a, gm_arena_printf(m->a, "blobs/sha256/%s", out->digest.hex), bytes->data,
                                 bytes->len, 0644, err);
}

/* ---- layers -------------------------------------------------------------------------------------------------------- */

static gm_rc add_layer(build *m, gm_target_files *files, const char *what, gm_err *err)
{
    gm_buf plain = { 0 }, *compressed = buf_in(m->a);
    layer *l = &m->layers[m->layers_count++];
    l->what = what;
    gm_rc rc = compressed ? gm_tar_write(files, &plain, err) : no_memory(err);
    if (!rc) gm_digest_of(plain.data, plain.len, &l->plain);
    if (!rc) rc = gm_gzip(plain.data, plain.len, compressed, err);
    gm_buf_clear(&plain);
    return rc ? rc : add_blob(m, compressed, &l->compressed, err);
}

static gm_rc add_text(build *m, gm_target_files *f, const char *name, const char *text, gm_err *err)
{
    return gm_target_files_bytes(f, m->a, name, text, strlen(text), 0644, err);
}

static gm_rc add_program(build *m, gm_err *err)
{
    gm_target_files f = { 0 };
    unsigned machine = 0;
    const char *library = NULL, *library_path = NULL;
    gm_rc rc = gm_elf_add(m->in->program, "usr/bin/gristmill", m->a, &f, &machine, err);
    if (!rc && !(m->architecture = gm_elf_architecture(machine)))
        rc = gm_err_set(err, GM_EUNSUPPORTED, "images have no name for the machine of \"%s\"", m->in->program);
    if (!rc) rc = gm_target_library(m->in->package_dir, m->a, &library, &library_path, err);
    if (!rc && library) rc = gm_elf_add(library_path, gm_path_join(m->a, "usr/lib/gristmill", library), m->a, &f, NULL, err);
    if (!rc) rc = add_text(m, &f, "etc/passwd", "root:x:0:0::/:/sbin/nologin\ngristmill:x:65532:65532::/:/sbin/nologin\n", err);
    if (!rc) rc = add_text(m, &f, "etc/group", "root:x:0:\ngristmill:x:65532:\n", err);
    if (!rc) rc = gm_target_files_bytes(&f, m->a, "tmp/", "", 0, 01777, err);
    if (!rc) rc = gm_target_files_bytes(&f, m->a, "opt/ml/model/", "", 0, 0755, err);
    return rc ? rc : add_layer(m, &f, "gristmill " GM_VERSION, err);
}

static gm_rc add_model(build *m, gm_err *err)
{
    gm_target_files f = { 0 };
    const char *what = gm_arena_printf(m->a, "model %s, package sha256:%s", m->in->model, m->in->digest.hex);
    gm_rc rc = gm_target_package(m->in->package_dir, &GM_OCI_PACKAGE[1], m->a, &f, err);
    if (!rc && !what) rc = no_memory(err);
    return rc ? rc : add_layer(m, &f, what, err);
}

/* ---- texts --------------------------------------------------------------------------------------------------------- */

static void texts(gm_json *j, const char *key, const char *const *items, size_t count)
{
    gm_json_key(j, key);
    gm_json_array(j);
    for (size_t i = 0; i < count; i++) gm_json_str(j, items[i]);
    gm_json_array_end(j);
}

static void digest(gm_json *j, const gm_digest *d)
{
    char text[72] = "sha256:";
    memcpy(text + 7, d->hex, sizeof(d->hex));
    gm_json_str(j, text);
}

static void descriptor(gm_json *j, const char *media, const blob *b)
{
    gm_json_object(j);
    gm_json_kstr(j, "mediaType", media);
    gm_json_key(j, "digest");
    digest(j, &b->digest);
    gm_json_kint(j, "size", (int64_t)b->len);
}

static void labels(const build *m, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "org.opencontainers.image.title", m->in->model);
    gm_json_kstr(j, "org.opencontainers.image.version", m->in->version ? m->in->version : "");
    gm_json_kstr(j, "gristmill.package", m->in->digest.hex);
    gm_json_kstr(j, "gristmill.version", GM_VERSION);
    gm_json_object_end(j);
}

/* The port is not in the environment: Vertex AI and SageMaker name theirs in variables of their own, which it would hide. `IMAGE
 * serve`, SageMaker's way to start, replaces Cmd, so what the server needs to know is in Env. */
static void run_config(const build *m, gm_json *j)
{
    static const char *const env[] = { "PATH=/usr/bin", "LD_LIBRARY_PATH=/usr/lib/gristmill",
                                       ("GRISTMILL_PACKAGE=" GM_OCI_PACKAGE), "GRISTMILL_HOST=0.0.0.0" };
    static const char *const entry[] = { "/usr/bin/gristmill" };
    const char *cmd[] = { "serve", "--name", m->in->model };
    gm_json_object(j);
    gm_json_kstr(j, "User", "65532:65532");
    gm_json_key(j, "ExposedPorts");
    gm_json_raw(j, "{\"8080/tcp\":{}}");
    texts(j, "Env", env, sizeof(env) / sizeof(env[0]));
    texts(j, "Entrypoint", entry, 1);
    texts(j, "Cmd", cmd, m->layers_count > 1 ? 3 : 1);
    gm_json_kstr(j, "WorkingDir", "/");
    gm_json_key(j, "Labels");
    labels(m, j);
    gm_json_kstr(j, "StopSignal", "SIGTERM");
    gm_json_object_end(j);
}

static void config_text(const build *m, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "created", EPOCH);
    gm_json_kstr(j, "architecture", m->architecture);
    gm_json_kstr(j, "os", "linux");
    gm_json_key(j, "config");
    run_config(m, j);
    gm_json_key(j, "rootfs");
    gm_json_object(j);
    gm_json_kstr(j, "type", "layers");
    gm_json_key(j, "diff_ids");
    gm_json_array(j);
    for (size_t i = 0; i < m->layers_count; i++) digest(j, &m->layers[i].plain);
    gm_json_array_end(j);
    gm_json_object_end(j);
    gm_json_key(j, "history");
    gm_json_array(j);
    for (size_t i = 0; i < m->layers_count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "created", EPOCH);
        gm_json_kstr(j, "created_by", m->layers[i].what);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

static void manifest_text(const build *m, const blob *config, gm_json *j)
{
    gm_json_object(j);
    gm_json_kint(j, "schemaVersion", 2);
    gm_json_kstr(j, "mediaType", MEDIA "manifest.v1+json");
    gm_json_key(j, "config");
    descriptor(j, MEDIA "config.v1+json", config);
    gm_json_object_end(j);
    gm_json_key(j, "layers");
    gm_json_array(j);
    for (size_t i = 0; i < m->layers_count; i++) {
        descriptor(j, MEDIA "layer.v1.tar+gzip", &m->layers[i].compressed);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_key(j, "annotations");
    labels(m, j);
    gm_json_object_end(j);
}

static void index_text(const build *m, const blob *manifest, gm_json *j)
{
    const char *slash = strrchr(m->name, '/'), *tag = strchr(slash ? slash : m->name, ':');
    gm_json_object(j);
    gm_json_kint(j, "schemaVersion", 2);
    gm_json_kstr(j, "mediaType", MEDIA "index.v1+json");
    gm_json_key(j, "manifests");
    gm_json_array(j);
    descriptor(j, MEDIA "manifest.v1+json", manifest);
    gm_json_key(j, "platform");
    gm_json_object(j);
    gm_json_kstr(j, "architecture", m->architecture);
    gm_json_kstr(j, "os", "linux");
    gm_json_object_end(j);
    gm_json_key(j, "annotations");
    gm_json_object(j);
    gm_json_kstr(j, "io.containerd.image.name", m->name);
    gm_json_kstr(j, "org.opencontainers.image.ref.name", tag ? tag + 1 : "latest");
    gm_json_object_end(j);
    gm_json_object_end(j);
    gm_json_array_end(j);
    gm_json_object_end(j);
}

/* What older `docker load` reads, which does not know index.json. */
static void docker_text(const build *m, const blob *config, gm_json *j)
{
    gm_json_array(j);
    gm_json_object(j);
    gm_json_kstr(j, "Config", gm_arena_printf(m->a, "blobs/sha256/%s", config->digest.hex));
    texts(j, "RepoTags", &m->name, 1);
    gm_json_key(j, "Layers");
    gm_json_array(j);
    for (size_t i = 0; i < m->layers_count; i++)
        gm_json_str(j, gm_arena_printf(m->a, "blobs/sha256/%s", m->layers[i].compressed.digest.hex));
    gm_json_array_end(j);
    gm_json_object_end(j);
    gm_json_array_end(j);
}

static gm_rc add_file(build *m, const char *name, const gm_buf *text, gm_err *err)
{
    if (!text || text->failed) return no_memory(err);
    return gm_target_files_bytes(&m->image->files, m->a, name, text->data, text->len, 0644, err);
}

static gm_rc add_texts(build *m, gm_err *err)
{
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    gm_buf *b[4];
    gm_json j[4];
    blob config, manifest;
    for (size_t i = 0; i < 4; i++) {
        if (!(b[i] = buf_in(m->a))) return no_memory(err);
        gm_json_init(&j[i], b[i], false);
    }
    config_text(m, &j[0]);
    gm_rc rc = add_blob(m, b[0], &config, err);
    if (rc) return rc;
    manifest_text(m, &config, &j[1]);
    rc = add_blob(m, b[1], &manifest, err);
    if (rc) return rc;
    m->image->digest = manifest.digest;
    index_text(m, &manifest, &j[2]);
    docker_text(m, &config, &j[3]);
    rc = add_file(m, "index.json", b[2], err);
    if (!rc) rc = add_file(m, "manifest.json", b[3], err);
    return rc ? rc : gm_target_files_bytes(&m->image->files, m->a, "oci-layout", layout, sizeof(layout) - 1, 0644, err);
}

gm_rc gm_oci_build(const gm_target_in *in, const char *name, bool without_model, gm_arena *a, gm_oci_image *out, gm_err *err)
{
    gm_oci_image image = { 0 };
    build m = { .in = in, .name = name, .a = a, .image = &image };
    const char *slash = strrchr(name, '/');
    if (!strchr(slash ? slash : name, ':') && !(m.name = gm_arena_printf(a, "%s:latest", name))) return no_memory(err);
    gm_rc rc = add_program(&m, err);
    if (!rc && !without_model) rc = add_model(&m, err);
    if (!rc) rc = add_texts(&m, err);
    if (!rc) *out = image;
    return gm_err_ctx(err, rc, "making an image of the model \"%s\"", in->model);
}

gm_rc gm_oci_archive(gm_oci_image *image, gm_buf *out, gm_err *err)
{
    return gm_tar_write(&image->files, out, err);
}
