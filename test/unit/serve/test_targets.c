/* test_targets.c - what the deployment targets write: whole or not at all, the same bytes each time, nothing from outside
 * unquoted. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "harness/harness.h"
#include "model/package.h"
#include "serve/target.h"
#include "serve/targets/elf_needs.h"
#include "serve/targets/oci.h"
#include "serve/targets/tar.h"

static const char *at(const char *dir, const char *name)
{
    const char *path = gm_path_join(gm_harness_arena(), dir, name);
    CHECK(path != NULL);
    return path;
}

static void put(const char *dir, const char *name, const char *text)
{
    gm_err err;
    CHECK_OK(gm_fs_write(at(dir, name), text, strlen(text), &err), &err);
}

/* A sealed package of a format, as far as targets look at it. */
static gm_target_in a_package(const char *dir, const char *format)
{
    gm_err err;
    gm_target_in in = {
        .package_dir = at(dir, "package"), .model = "Flights_2", .version = "3", .program = "/bin/true"
    }; /* any small one */
    CHECK_OK(gm_fs_mkdirs(at(in.package_dir, "model"), &err), &err);
    put(in.package_dir, "MLmodel", "flavors: {}\n");
    put(in.package_dir, "schema.json", gm_arena_printf(gm_harness_arena(), "{\"format\": \"%s\"}\n", format));
    put(in.package_dir, "model/model.json", "{}\n");
    put(in.package_dir, "card.md", "not in the manifest\n");
    CHECK_OK(gm_package_seal(in.package_dir, &in.digest, &err), &err);
    return in;
}

/* As the command line does: defaults, then key=value texts, NULL-terminated. */
static gm_rc write_target(const char *name, gm_target_in *in, const char *out, const char *const *set, gm_buf *report,
                          gm_err *err)
{
    const gm_item *item = NULL;
    gm_arena *a = gm_harness_arena();
    CHECK_OK(gm_registry_find(&gm_targets, name, &item, err), err);
    void *conf = gm_arena_alloc(a, 1, item->conf_size);
    for (const gm_param *p = item->params; p->type != GM_PARAM_END; p++) {
        const char *value = p->fallback; /* NULL = must be given, which the tests do */
        for (size_t i = 0; set && set[i]; i++)
            if (strncmp(set[i], p->name, strlen(p->name)) == 0 && set[i][strlen(p->name)] == '=')
                value = set[i] + strlen(p->name) + 1;
        CHECK_OK(gm_param_parse(p, value, a, conf, err), err);
    }
    in->out = out;
    return ((const gm_target *)item)->write(conf, in, a, report, err);
}

static const char *text_of(const char *path)
{
    gm_buf b = { 0 };
    gm_err err;
    CHECK_OK(gm_fs_read(path, 0, &b, &err), &err);
    const char *text = gm_arena_strdup(gm_harness_arena(), gm_buf_str(&b));
    gm_buf_clear(&b);
    return text;
}

/* ---- archives ------------------------------------------------------------------------------------------------------ */

static void a_tar_is_sorted_and_has_folders_and_checksums(void)
{
    gm_target_files f = { 0 };
    gm_arena *a = gm_harness_arena();
    gm_buf b = { 0 };
    gm_err err;
    CHECK_OK(gm_target_files_bytes(&f, a, "b/two", "22", 2, 0755, &err), &err);
    CHECK_OK(gm_target_files_bytes(&f, a, "tmp/", "", 0, 01777, &err), &err);
    CHECK_OK(gm_target_files_bytes(&f, a, "b/one", "1", 1, 0644, &err), &err);
    CHECK_OK(gm_tar_write(&f, &b, &err), &err);
    static const char *const names[] = { "b/", "b/one", "b/two", "tmp/" };
    static const char types[] = { '5', '0', '0', '5' };
    size_t offset = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *h = b.data + offset;
        unsigned sum = 0;
        for (size_t k = 0; k < 512; k++) sum += k >= 148 && k < 156 ? ' ' : (unsigned char)h[k];
        CHECK_STR(h, names[i]);
        CHECK(h[156] == types[i]);
        CHECK(strtoul(h + 148, NULL, 8) == sum);
        CHECK(memcmp(h + 257,
                     "ustar\0"
                     "00",
                     8) == 0);
        CHECK(strtoul(h + 136, NULL, 8) == 0); /* the time */
        size_t size = strtoul(h + 124, NULL, 8);
        offset += 512 + (size + 511) / 512 * 512;
    }
    CHECK(strtoul(b.data + 512 * 5 + 100, NULL, 8) == 01777 || strtoul(b.data + offset - 512 + 100, NULL, 8) == 01777);
    CHECK(b.len == offset + 1024);
    for (size_t k = offset; k < b.len; k++) CHECK(b.data[k] == 0);
    gm_buf_clear(&b);
}

static void a_long_name_gets_a_pax_header_that_counts_itself(void)
{
    gm_target_files f = { 0 };
    gm_buf b = { 0 };
    gm_err err;
    char name[300] = "";
    memset(name, 'n', 180);
    CHECK_OK(gm_target_files_bytes(&f, gm_harness_arena(), name, "x", 1, 0644, &err), &err);
    CHECK_OK(gm_tar_write(&f, &b, &err), &err);
    CHECK(b.data[156] == 'x');
    size_t len = strtoul(b.data + 124, NULL, 8), said = strtoul(b.data + 512, NULL, 10);
    CHECK(len == said && len == strlen("190 path=\n") + 180);
    CHECK(memcmp(b.data + 512 + 9, name, 180) == 0 && b.data[512 + len - 1] == '\n');
    CHECK(b.data[1024 + 156] == '0');
    gm_buf_clear(&b);
}

static void names_that_no_archive_holds_are_refused(void)
{
    gm_target_files f = { 0 };
    gm_buf b = { 0 };
    gm_err err;
    char *name = gm_arena_alloc(gm_harness_arena(), 5000, 1);
    memset(name, 'n', 4500);
    CHECK_OK(gm_target_files_bytes(&f, gm_harness_arena(), name, "x", 1, 0644, &err), &err);
    CHECK_RC(gm_tar_write(&f, &b, &err), GM_EINVALID);
    gm_buf_clear(&b);
}

/* ---- ELF ----------------------------------------------------------------------------------------------------------- */

static void the_needs_of_this_program_are_found(void)
{
    gm_target_files f = { 0 };
    gm_err err;
    unsigned machine = 0;
    CHECK_OK(gm_elf_add("/proc/self/exe", "usr/bin/x", gm_harness_arena(), &f, &machine, &err), &err);
    bool libc = false;
    for (size_t i = 0; i < f.count; i++) {
        CHECK(gm_fs_exists(f.items[i].path));
        CHECK(f.items[i].name[0] != '/');
        libc = libc || strstr(f.items[i].name, "libc.so.6");
        for (size_t k = 0; k < i; k++) CHECK(strcmp(f.items[i].name, f.items[k].name) != 0);
    }
    CHECK(libc && f.count >= 3); /* the program, its loader, libc */
    CHECK(gm_elf_architecture(machine) != NULL);
}

/* Whatever is cut off or changed: an answer or an error, and no byte outside is read (which the sanitizer would tell). */
static void damaged_programs_are_refused_or_read(void)
{
    gm_buf b = { 0 };
    gm_err err;
    gm_elf elf;
    CHECK_OK(gm_fs_read("/proc/self/exe", 0, &b, &err), &err);
    CHECK_RC(gm_elf_read(b.data, 10, "x", gm_harness_arena(), &elf, &err), GM_EINVALID);
    CHECK_RC(gm_elf_read("#!/bin/sh\n", 10, "x", gm_harness_arena(), &elf, &err), GM_EINVALID);
    size_t head = b.len < 4096 ? b.len : 4096;
    for (size_t len = 0; len < head; len += 7) {
        char *cut = malloc(len + 1);
        CHECK(cut != NULL);
        memcpy(cut, b.data, len);
        gm_arena *a = gm_arena_new(0);
        (void)gm_elf_read(cut, len, "x", a, &elf, &err);
        gm_arena_free(a);
        free(cut);
    }
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 3000; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        size_t where = (size_t)(state % 1024);
        char kept = b.data[where];
        b.data[where] = (char)(state >> 32);
        gm_arena *a = gm_arena_new(0);
        (void)gm_elf_read(b.data, b.len, "x", a, &elf, &err);
        gm_arena_free(a);
        b.data[where] = kept;
    }
    gm_buf_clear(&b);
}

/* ---- images -------------------------------------------------------------------------------------------------------- */

static void an_image_names_its_blobs_and_is_the_same_each_time(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_target_in in = a_package(dir, "xgboost");
    gm_err err;
    gm_oci_image one, two;
    CHECK_OK(gm_oci_build(&in, "flights:3", false, gm_harness_arena(), &one, &err), &err);
    CHECK_OK(gm_oci_build(&in, "flights:3", false, gm_harness_arena(), &two, &err), &err);
    CHECK_STR(one.digest.hex, two.digest.hex);
    int blobs = 0;
    for (size_t i = 0; i < one.files.count; i++) {
        const gm_target_file *f = &one.files.items[i];
        if (strncmp(f->name, "blobs/sha256/", 13) != 0) continue;
        gm_digest d;
        gm_digest_of(f->bytes, f->len, &d);
        CHECK_STR(f->name + 13, d.hex);
        blobs++;
    }
    CHECK(blobs == 4); /* two layers, config, manifest */
    put(in.package_dir, "model/model.json", "{\"changed\": 1}\n");
    CHECK_OK(gm_package_seal(in.package_dir, &in.digest, &err), &err);
    CHECK_OK(gm_oci_build(&in, "flights:3", false, gm_harness_arena(), &two, &err), &err);
    CHECK(strcmp(one.digest.hex, two.digest.hex) != 0);
    CHECK_STR(one.files.items[0].name, two.files.items[0].name); /* layer 1 is shared */
}

static void an_image_is_a_folder_or_a_tar(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_target_in in = a_package(dir, "linear");
    gm_buf report = { 0 };
    gm_err err;
    CHECK_OK(write_target("image", &in, at(dir, "layout"), NULL, &report, &err), &err);
    CHECK_HAS(gm_buf_str(&report), "flights-2:3");
    CHECK(gm_harness_files_in(dir, "layout/blobs/sha256") == 4);
    CHECK_STR(text_of(at(dir, "layout/oci-layout")), "{\"imageLayoutVersion\":\"1.0.0\"}");
    CHECK_HAS(text_of(at(dir, "layout/index.json")), "\"org.opencontainers.image.ref.name\":\"3\"");
    CHECK_OK(write_target("image", &in, at(dir, "image.tar"), (const char *const[]){ "image=registry:5000/a/b:x", NULL }, &report,
                          &err),
             &err);
    CHECK_STR(text_of(at(dir, "image.tar")), "blobs/");
    CHECK_RC(write_target("image", &in, at(dir, "layout"), NULL, &report, &err), GM_ECONFLICT);
    CHECK_RC(write_target("image", &in, at(dir, "c.tar"), (const char *const[]){ "image=a b", NULL }, &report, &err),
             GM_EINVALID);
    gm_buf_clear(&report);
}

/* ---- whole or not at all ------------------------------------------------------------------------------------------- */

static void what_fails_leaves_nothing(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_target_in in = a_package(dir, "xgboost");
    gm_buf report = { 0 };
    gm_err err;
    CHECK(unlink(at(in.package_dir, "model/model.json")) == 0); /* which the manifest lists */
    CHECK_RC(write_target("systemd", &in, at(dir, "out/unit"), NULL, &report, &err), GM_ENOTFOUND);
    CHECK_RC(write_target("image", &in, at(dir, "out/image"), NULL, &report, &err), GM_ENOTFOUND);
    CHECK_RC(write_target("image", &in, at(dir, "out/image.tar"), NULL, &report, &err), GM_ENOTFOUND);
    CHECK(gm_harness_files_in(dir, "out") <= 0);
    CHECK(report.len == 0);
    gm_buf_clear(&report);
}

static void a_manifest_cannot_name_files_outside(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_target_in in = a_package(dir, "xgboost");
    gm_target_files f = { 0 };
    gm_err err;
    static const char *const names[] = { "../secret", "/etc/passwd", "a/../../b", "..", "" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        put(in.package_dir, "manifest.json", gm_arena_printf(gm_harness_arena(), "{\"files\": [{\"name\": \"%s\"}]}", names[i]));
        CHECK_RC(gm_target_package(in.package_dir, "p", gm_harness_arena(), &f, &err), GM_ECORRUPT);
    }
}

/* ---- texts --------------------------------------------------------------------------------------------------------- */

static void a_unit_runs_the_copy_or_follows_the_store(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_target_in in = a_package(dir, "xgboost");
    gm_buf report = { 0 };
    gm_err err;
    CHECK_OK(write_target("systemd", &in, at(dir, "unit"), (const char *const[]){ "memory=1Gi", "port=80", NULL }, &report, &err),
             &err);
    const char *unit = text_of(at(dir, "unit/gristmill-flights-2.service"));
    CHECK_HAS(
        unit,
        "ExecStart=/opt/gristmill-flights-2/bin/gristmill serve --package /opt/gristmill-flights-2/package --name \"Flights_2\"");
    CHECK_HAS(unit, "DynamicUser=yes");
    CHECK_HAS(unit, "MemoryMax=1G\n");
    CHECK_HAS(unit, "AmbientCapabilities=CAP_NET_BIND_SERVICE\n");
    CHECK_HAS(text_of(at(dir, "unit/gristmill-flights-2.env")), "GRISTMILL_PORT=80\n");
    CHECK(gm_fs_exists(at(dir, "unit/package/model/model.json")) && !gm_fs_exists(at(dir, "unit/package/card.md")));
    CHECK(access(at(dir, "unit/bin/gristmill"), X_OK) == 0);

    const char *const follow[] = { "follow=true", "user=ml", NULL };
    CHECK_RC(write_target("systemd", &in, at(dir, "second"), follow, &report, &err), GM_EINVALID); /* no store */
    CHECK_OK(gm_fs_mkdirs(at(dir, "project/.gristmill"), &err), &err);
    in.store_root = at(dir, "project/.gristmill");
    CHECK_OK(write_target("systemd", &in, at(dir, "second"), follow, &report, &err), &err);
    unit = text_of(at(dir, "second/gristmill-flights-2.service"));
    CHECK_HAS(unit, "User=ml\n");
    CHECK_HAS(unit, gm_arena_printf(gm_harness_arena(), "WorkingDirectory=%s\n", at(dir, "project")));
    CHECK(!strstr(unit, "DynamicUser") && !gm_fs_exists(at(dir, "second/package")));
    CHECK_RC(write_target("systemd", &in, at(dir, "third"), (const char *const[]){ "follow=true", NULL }, &report, &err),
             GM_EINVALID);
    gm_buf_clear(&report);
}

static void texts_from_outside_stay_texts(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_target_in in = a_package(dir, "xgboost");
    gm_buf report = { 0 };
    gm_err err;
    in.model = "a\"b\n%h $HOME: x";
    CHECK_OK(write_target("systemd", &in, at(dir, "unit"), NULL, &report, &err), &err);
    CHECK_HAS(text_of(at(dir, "unit/gristmill-a-b-h-home-x.service")), "--name \"a\\\"b\\n%%h $$HOME: x\" ");
    CHECK_OK(write_target("kubernetes", &in, at(dir, "k.yaml"), NULL, &report, &err), &err);
    CHECK_HAS(text_of(at(dir, "k.yaml")), "--name, \"a\\\"b\\n%h $HOME: x\", ");
    static const char *const bad[][2] = { { "systemd", "dir=relative" },      { "systemd", "dir=/a b" },
                                          { "systemd", "dir=/a%h" },          { "systemd", "host=0 .0" },
                                          { "systemd", "memory=lots" },       { "kubernetes", "cpu=many" },
                                          { "kubernetes", "memory=-1" },      { "kubernetes", "name=A" },
                                          { "kubernetes", "namespace=a: b" }, { "kubernetes", "image=a\nb" },
                                          { "kubernetes", "cpu=1.5.2" },      { "kserve", "name=-a" },
                                          { "kubernetes", "replicas_max=1" }, { "kserve", "memory=1Gi }" } };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_RC(write_target(bad[i][0], &in, at(dir, "bad"), (const char *const[]){ bad[i][1], NULL }, &report, &err),
                 GM_EINVALID);
        CHECK(!gm_fs_exists(at(dir, "bad")));
    }
    gm_buf_clear(&report);
}

static void kubernetes_objects_follow_the_parameters(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_target_in in = a_package(dir, "xgboost");
    gm_buf report = { 0 };
    gm_err err;
    CHECK_OK(write_target("kubernetes", &in, at(dir, "a.yaml"), (const char *const[]){ "cpu=1500m", "network_policy=true", NULL },
                          &report, &err),
             &err);
    const char *text = text_of(at(dir, "a.yaml"));
    CHECK_HAS(text, "kind: HorizontalPodAutoscaler");
    CHECK_HAS(text, "kind: NetworkPolicy");
    CHECK_HAS(text, "--loops, \"2\"");
    CHECK_HAS(text, in.digest.hex);
    CHECK(!strstr(text, "\n  replicas:"));
    CHECK_OK(write_target("kubernetes", &in, at(dir, "b.yaml"), (const char *const[]){ "replicas=3", "replicas_max=3", NULL },
                          &report, &err),
             &err);
    text = text_of(at(dir, "b.yaml"));
    CHECK_HAS(text, "\n  replicas: 3\n");
    CHECK(!strstr(text, "HorizontalPodAutoscaler") && !strstr(text, "NetworkPolicy"));
    CHECK_OK(write_target("kserve", &in, at(dir, "c.yaml"), (const char *const[]){ "storage=s3://b/m", NULL }, &report, &err),
             &err);
    CHECK_HAS(text_of(at(dir, "c.yaml")), "storageUri: \"s3://b/m\"");
    CHECK_HAS(text_of(at(dir, "c.yaml")), "--package, /mnt/models");
    gm_buf_clear(&report);
}

static void the_clouds_get_image_model_and_requests(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_target_in in = a_package(dir, "xgboost");
    gm_buf report = { 0 };
    gm_err err;
    const char *const aws[] = { "image=1.dkr.ecr.eu-west-1.amazonaws.com/flights:3", "model_data=s3://b/k/model.tar.gz",
                                "role=arn:aws:iam::1:role/r", NULL };
    CHECK_OK(write_target("sagemaker", &in, at(dir, "sm"), aws, &report, &err), &err);
    CHECK(gm_harness_files_in(dir, "sm") == 5);
    const char *text = text_of(at(dir, "sm/create-model.json"));
    CHECK_HAS(text, "\"Image\": \"1.dkr.ecr.eu-west-1.amazonaws.com/flights:3\"");
    CHECK_HAS(text, gm_arena_printf(gm_harness_arena(), "\"ModelName\": \"flights-2-%.12s\"", in.digest.hex));
    CHECK_HAS(text_of(at(dir, "sm/create-endpoint.json")), "\"EndpointName\": \"flights-2\"");
    CHECK_RC(write_target("sagemaker", &in, at(dir, "bad"), (const char *const[]){ aws[0], aws[2], "model_data=gs://b", NULL },
                          &report, &err),
             GM_EINVALID);

    const char *const google[] = { "image=europe-west1-docker.pkg.dev/p/r/flights:3", "region=europe-west1", NULL };
    CHECK_OK(write_target("vertex", &in, at(dir, "vx"), google, &report, &err), &err);
    CHECK(gm_harness_files_in(dir, "vx") == 3);
    CHECK_HAS(text_of(at(dir, "vx/upload.yaml")), "--container-image-uri: \"europe-west1-docker.pkg.dev/p/r/flights:3\"\n");
    CHECK_RC(write_target("vertex", &in, at(dir, "bad"), (const char *const[]){ google[0], "region=a b", NULL }, &report, &err),
             GM_EINVALID);
    CHECK(!gm_fs_exists(at(dir, "bad")));
    gm_buf_clear(&report);
}

static void processors_and_sizes_are_read(void)
{
    gm_err err;
    unsigned loops = 0;
    static const struct {
        const char *text;
        unsigned loops;
    } good[] = { { "1", 1 }, { "500m", 1 }, { "0.1", 1 }, { "1.5", 2 }, { "2000m", 2 }, { "2001m", 3 } };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_OK(gm_target_cpu(good[i].text, &loops, &err), &err);
        CHECK(loops == good[i].loops);
    }
    static const char *const bad[] = { "", "m", "-1", "1k", "0", "1e3", "nan", "99999999999999" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) CHECK_RC(gm_target_cpu(bad[i], &loops, &err), GM_EINVALID);
    CHECK_OK(gm_target_memory("1.5Gi", &err), &err);
    CHECK_RC(gm_target_memory("1.5GB", &err), GM_EINVALID);
    const char *name = NULL;
    CHECK_OK(gm_target_name("", "9__Ünder score!", gm_harness_arena(), &name, &err), &err);
    CHECK_STR(name, "nder-score");
    CHECK_OK(gm_target_name("", "!!!", gm_harness_arena(), &name, &err), &err);
    CHECK_STR(name, "model");
    CHECK_STR(gm_target_label("-3 (x)-", gm_harness_arena()), "3--x");
}

TESTS(T(a_tar_is_sorted_and_has_folders_and_checksums), T(a_long_name_gets_a_pax_header_that_counts_itself),
      T(names_that_no_archive_holds_are_refused), T(the_needs_of_this_program_are_found), T(damaged_programs_are_refused_or_read),
      T(an_image_names_its_blobs_and_is_the_same_each_time), T(an_image_is_a_folder_or_a_tar), T(what_fails_leaves_nothing),
      T(a_manifest_cannot_name_files_outside), T(a_unit_runs_the_copy_or_follows_the_store), T(texts_from_outside_stay_texts),
      T(kubernetes_objects_follow_the_parameters), T(the_clouds_get_image_model_and_requests), T(processors_and_sizes_are_read))
