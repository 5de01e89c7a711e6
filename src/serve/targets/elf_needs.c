/* elf_needs.c - see elf_needs.h.
 *
 * Invariants
 *  (1) nothing outside the file's bytes is read, whatever its tables say;
 *  (2) a library is taken only if it is for the same machine.
 * Searched as a loader does: the object's run path, LD_LIBRARY_PATH, the system's folders, those of ld.so.conf.
 */
#include "serve/targets/elf_needs.h"

#include <elf.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

enum { NEEDED_MAX = 256, DEPTH_MAX = 32 };

static const struct machine {
    unsigned code;
    const char *architecture, *triple;
} machines[] = {
    { EM_X86_64, "amd64", "x86_64-linux-gnu" },   { EM_AARCH64, "arm64", "aarch64-linux-gnu" },
    { EM_RISCV, "riscv64", "riscv64-linux-gnu" }, { EM_PPC64, "ppc64le", "powerpc64le-linux-gnu" },
    { EM_S390, "s390x", "s390x-linux-gnu" },
};

static const struct machine *machine_of(unsigned code)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (machines[i].code == code) return &machines[i];
    return NULL;
}

const char *gm_elf_architecture(unsigned machine)
{
    const struct machine *m = machine_of(machine);
    return m ? m->architecture : NULL;
}

/* ---- one file ------------------------------------------------------------------------------------------------------ */

typedef struct image {
    const char *bytes;
    size_t len;
    Elf64_Ehdr head;
} image;

static bool copy(const image *m, uint64_t offset, void *out, size_t size)
{
    if (offset > m->len || size > m->len - offset) return false; /* see (1) */
    memcpy(out, m->bytes + offset, size);
    return true;
}

static bool segment(const image *m, unsigned index, Elf64_Phdr *out)
{
    uint64_t at = m->head.e_phoff + (uint64_t)index * sizeof(Elf64_Phdr);
    return index < m->head.e_phnum && m->head.e_phoff < m->len && copy(m, at, out, sizeof(*out));
}

/* Where the byte of an address of the running program is in the file; len when nowhere. */
static uint64_t offset_of(const image *m, uint64_t address)
{
    Elf64_Phdr p;
    for (unsigned i = 0; segment(m, i, &p); i++)
        if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz)
            return p.p_offset + (address - p.p_vaddr);
    return m->len;
}

/* A text of the file, or NULL when it does not end within limit. */
static const char *text_at(const image *m, uint64_t offset, uint64_t limit, gm_arena *a)
{
    if (offset >= m->len) return NULL;
    size_t most = limit < m->len - offset ? (size_t)limit : m->len - (size_t)offset;
    const char *end = memchr(m->bytes + offset, '\0', most);
    return end ? gm_arena_strndup(a, m->bytes + offset, (size_t)(end - (m->bytes + offset))) : NULL;
}

/* The value of the first entry with this tag. */
static uint64_t dynamic(const image *m, const Elf64_Phdr *p, int64_t tag)
{
    Elf64_Dyn d;
    for (uint64_t at = 0; at < p->p_filesz && copy(m, p->p_offset + at, &d, sizeof(d)) && d.d_tag != DT_NULL; at += sizeof(d))
        if (d.d_tag == tag) return d.d_un.d_val;
    return 0;
}

static bool read_dynamic(const image *m, const Elf64_Phdr *p, gm_arena *a, gm_elf *out)
{
    uint64_t texts = offset_of(m, dynamic(m, p, DT_STRTAB)), size = dynamic(m, p, DT_STRSZ), runpath = dynamic(m, p, DT_RUNPATH);
    if (!runpath) runpath = dynamic(m, p, DT_RPATH);
    if (texts >= m->len || size > m->len - texts) return false;
    if (runpath && (runpath >= size || !(out->runpath = text_at(m, texts + runpath, size - runpath, a)))) return false;
    Elf64_Dyn d;
    for (uint64_t at = 0; at < p->p_filesz && copy(m, p->p_offset + at, &d, sizeof(d)) && d.d_tag != DT_NULL; at += sizeof(d)) {
        if (d.d_tag != DT_NEEDED) continue;
        if (out->needed_count == NEEDED_MAX || d.d_un.d_val >= size) return false;
        const char *name = text_at(m, texts + d.d_un.d_val, size - d.d_un.d_val, a);
        if (!name || !name[0]) return false;
        out->needed[out->needed_count++] = name;
    }
    return true;
}

static bool read_segments(const image *m, gm_arena *a, gm_elf *out)
{
    Elf64_Phdr p;
    for (unsigned i = 0; i < m->head.e_phnum; i++) {
        if (!segment(m, i, &p)) return false;
        if (p.p_type == PT_INTERP && !(out->loader = text_at(m, p.p_offset, p.p_filesz, a))) return false;
        if (p.p_type == PT_DYNAMIC && !read_dynamic(m, &p, a, out)) return false;
    }
    return !out->loader || out->loader[0] == '/';
}

gm_rc gm_elf_read(const void *bytes, size_t len, const char *name, gm_arena *a, gm_elf *out, gm_err *err)
{
    image m = { .bytes = bytes, .len = len };
    gm_elf elf = { .needed = GM_ARENA_ARRAY(a, const char *, NEEDED_MAX) };
    if (!elf.needed) return gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", name);
    uint16_t one = 1;
    unsigned char order = *(unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
    bool good = copy(&m, 0, &m.head, sizeof(m.head)) && memcmp(m.head.e_ident, ELFMAG, SELFMAG) == 0 &&
                m.head.e_ident[EI_CLASS] == ELFCLASS64 && m.head.e_ident[EI_DATA] == order &&
                (m.head.e_phnum == 0 || m.head.e_phentsize == sizeof(Elf64_Phdr));
    if (!good) return gm_err_set(err, GM_EINVALID, "\"%s\" is not a 64-bit ELF file of this kind of machine", name);
    elf.machine = m.head.e_machine;
    if (!read_segments(&m, a, &elf)) return gm_err_set(err, GM_EINVALID, "the ELF file \"%s\" is damaged", name);
    *out = elf;
    return GM_OK;
}

/* ---- a program and all it needs -------------------------------------------------------------------------------------- */

/* The walk over what needs what. */
typedef struct walk {
    gm_arena *a;
    gm_target_files *files;
    const char *loader; /* of the program: it is there under its own name already */
    unsigned machine;   /* of the program; see (2) */
} walk;

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool has(const walk *w, const char *base)
{
    for (size_t i = 0; i < w->files->count; i++)
        if (strcmp(base_of(w->files->items[i].name), base) == 0) return true;
    return false;
}

static gm_rc read_file(const walk *w, const char *path, gm_elf *out, gm_err *err)
{
    gm_buf b = { 0 };
    gm_rc rc = gm_fs_read(path, 0, &b, err);
    if (!rc) rc = gm_elf_read(gm_buf_str(&b), b.len, path, w->a, out, err);
    gm_buf_clear(&b);
    return rc;
}

/* dir/name if it is a library for our machine, else NULL. */
static const char *fitting(const walk *w, const char *dir, const char *name, gm_elf *out)
{
    gm_err ignored;
    const char *path = dir[0] == '/' ? gm_path_join(w->a, dir, name) : NULL;
    return path && gm_fs_exists(path) && read_file(w, path, out, &ignored) == GM_OK && out->machine == w->machine ? path : NULL;
}

/* In folders that a list parts by colons, $ORIGIN being the folder of the object. */
static const char *in_list(const walk *w, const char *list, const char *object, const char *name, gm_elf *out)
{
    const char *origin = gm_arena_strndup(w->a, object, (size_t)(base_of(object) - object));
    for (const char *at = list; at && origin && *at;) {
        size_t len = strcspn(at, ":");
        char *dir = gm_arena_strndup(w->a, at, len);
        at += len + (at[len] == ':');
        if (!dir) return NULL;
        size_t word = strncmp(dir, "${ORIGIN}", 9) == 0 ? 9 : strncmp(dir, "$ORIGIN", 7) == 0 ? 7 : 0;
        const char *whole = word ? gm_arena_printf(w->a, "%s%s", origin, dir + word) : dir;
        const char *path = whole ? fitting(w, whole, name, out) : NULL;
        if (path) return path;
    }
    return NULL;
}

/* Folders that every loader of the machine searches by itself. */
static const char *in_own_folders(const walk *w, const char *name, gm_elf *out)
{
    const struct machine *m = machine_of(w->machine);
    const char *dirs[] = { m ? gm_arena_printf(w->a, "/lib/%s", m->triple) : NULL,
                           m ? gm_arena_printf(w->a, "/usr/lib/%s", m->triple) : NULL,
                           "/lib64",
                           "/usr/lib64",
                           "/lib",
                           "/usr/lib" };
    const char *path = NULL;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !path; i++)
        if (dirs[i]) path = fitting(w, dirs[i], name, out);
    return path;
}

static const char *in_configured(const walk *w, const char *name, gm_elf *out)
{
    glob_t found = { 0 };
    const char *path = NULL;
    if (glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &found) != 0) return NULL;
    for (size_t i = 0; i < found.gl_pathc && !path; i++) {
        gm_buf b = { 0 };
        if (gm_fs_read(found.gl_pathv[i], 1 << 16, &b, NULL) == GM_OK) {
            char *text = gm_arena_strdup(w->a, gm_buf_str(&b));
            for (char *line = text, *end = text ? text + strlen(text) : NULL, *rest = NULL; line < end && !path; line = rest) {
                size_t len = strcspn(line, "\r\n");
                rest = line[len] ? line + len + 1 : line + len;
                line[len] = '\0';
                path = fitting(w, line, name, out);
            }
        }
        gm_buf_clear(&b);
    }
    globfree(&found);
    return path;
}

static gm_rc add_needs(const walk *w, const char *object, const gm_elf *elf, int depth, gm_err *err);

static gm_rc add_library(const walk *w, const char *object, const gm_elf *of, const char *name, int depth, gm_err *err)
{
    gm_elf elf;
    const char *place = NULL, *path = in_list(w, of->runpath, object, name, &elf);
    if (!path) path = in_list(w, getenv("LD_LIBRARY_PATH"), object, name, &elf);
    if (!path && (path = in_own_folders(w, name, &elf))) place = path + 1; /* without the / in front */
    if (!path) path = in_configured(w, name, &elf);
    if (!path) return gm_err_set(err, GM_ENOTFOUND, "the library \"%s\", which \"%s\" needs, is nowhere", name, object);
    if (!place) place = gm_arena_printf(w->a, "usr/lib/gristmill/%s", name);
    gm_rc rc = gm_target_files_add(w->files, w->a, place, path, 0644, err);
    return rc ? rc : add_needs(w, path, &elf, depth + 1, err);
}

static gm_rc add_needs(const walk *w, const char *object, const gm_elf *elf, int depth, gm_err *err)
{
    gm_rc rc = depth > DEPTH_MAX ? gm_err_set(err, GM_EINVALID, "libraries need each other more than %d deep", DEPTH_MAX) : GM_OK;
    for (size_t i = 0; i < elf->needed_count && !rc; i++) {
        const char *name = elf->needed[i];
        if (strchr(name, '/')) return gm_err_set(err, GM_EUNSUPPORTED, "\"%s\" needs \"%s\" at that very path", object, name);
        if ((w->loader && strcmp(base_of(w->loader), name) == 0) || has(w, name)) continue;
        rc = add_library(w, object, elf, name, depth, err);
    }
    return rc;
}

gm_rc gm_elf_add(const char *path, const char *name, gm_arena *a, gm_target_files *f, unsigned *out_machine, gm_err *err)
{
    gm_elf elf;
    walk w = { .a = a, .files = f };
    gm_rc rc = read_file(&w, path, &elf, err);
    if (rc) return rc;
    w.machine = elf.machine;
    w.loader = elf.loader;
    rc = gm_target_files_add(f, a, name, path, 0755, err);
    if (!rc && elf.loader && !has(&w, base_of(elf.loader))) rc = gm_target_files_add(f, a, elf.loader + 1, elf.loader, 0755, err);
    if (!rc) rc = add_needs(&w, path, &elf, 0, err);
    if (!rc && out_machine) *out_machine = elf.machine;
    return rc;
}
