/* tar.c - see tar.h. The header's fields are those of POSIX.1-2017, pax, "ustar Interchange Format". */
#include "serve/targets/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, NAME_FIELD = 100, NAME_LIMIT = 4000 };

typedef struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32],
        group[32], dev_major[8], dev_minor[8], prefix[155], rest[12];
} header;
_Static_assert(sizeof(header) == BLOCK, "a header is one block");

static void octal(char *field, size_t size, uint64_t value)
{
    (void)snprintf(field, size, "%0*llo", (int)size - 1, (unsigned long long)value);
}

static void add_header(gm_buf *b, const char *name, unsigned mode, uint64_t size, char type)
{
    header h = { .type = type };
    unsigned sum = 0;
    memcpy(h.name, name, strnlen(name, NAME_FIELD)); /* no NUL when it fills the field */
    octal(h.mode, sizeof(h.mode), mode);
    octal(h.uid, sizeof(h.uid), 0);
    octal(h.gid, sizeof(h.gid), 0);
    octal(h.size, sizeof(h.size), size);
    octal(h.mtime, sizeof(h.mtime), 0);
    memcpy(h.magic, "ustar", sizeof(h.magic));
    memcpy(h.version, "00", sizeof(h.version));
    octal(h.dev_major, sizeof(h.dev_major), 0);
    octal(h.dev_minor, sizeof(h.dev_minor), 0);
    memset(h.checksum, ' ', sizeof(h.checksum)); /* as which it counts in its own sum */
    for (size_t i = 0; i < sizeof(h); i++) sum += ((const unsigned char *)&h)[i];
    (void)snprintf(h.checksum, sizeof(h.checksum), "%06o", sum); /* six digits, NUL, and the space that is there */
    gm_buf_add(b, &h, sizeof(h));
}

static void pad(gm_buf *b, size_t len)
{
    static const char zeros[BLOCK];
    if (len % BLOCK) gm_buf_add(b, zeros, BLOCK - len % BLOCK);
}

/* "LENGTH path=NAME\n", where the length counts its own digits. */
static void add_long_name(gm_buf *b, const char *name)
{
    size_t rest = strlen(" path=\n") + strlen(name), len = rest + 1;
    char digits[24];
    while (rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len) != len) len++;
    add_header(b, "pax/header", 0644, len, 'x');
    gm_buf_printf(b, "%zu path=%s\n", len, name);
    pad(b, len);
}

static void add_entry(gm_buf *b, const char *name, unsigned mode, const void *bytes, size_t len, char type)
{
    if (strlen(name) > NAME_FIELD) add_long_name(b, name);
    add_header(b, name, mode, len, type);
    gm_buf_add(b, bytes, len);
    pad(b, len);
}

/* The folders of name that before (the name of the last entry) does not share. Sorted names keep each folder's entries together.
 */
static void add_folders(gm_buf *b, const char *before, const char *name)
{
    char folder[NAME_LIMIT + 1];
    for (const char *slash = strchr(name, '/'); slash && slash[1]; slash = strchr(slash + 1, '/')) {
        size_t len = (size_t)(slash - name) + 1;
        if (strncmp(before, name, len) == 0) continue;
        memcpy(folder, name, len);
        folder[len] = '\0';
        add_entry(b, folder, 0755, "", 0, '5');
    }
}

static gm_rc add_file(gm_buf *b, const gm_target_file *f, gm_err *err)
{
    gm_buf read = { 0 };
    bool folder = f->name[strlen(f->name) - 1] == '/';
    gm_rc rc = f->path ? gm_fs_read(f->path, 0, &read, err) : GM_OK;
    if (!rc)
        add_entry(b, f->name, f->mode, f->path ? gm_buf_str(&read) : f->bytes, f->path ? read.len : f->len, folder ? '5' : '0');
    gm_buf_clear(&read);
    return rc;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const gm_target_file *)x)->name, ((const gm_target_file *)y)->name);
}

gm_rc gm_tar_write(gm_target_files *f, gm_buf *out, gm_err *err)
{
    static const char end[2 * BLOCK];
    gm_rc rc = GM_OK;
    if (f->count) qsort(f->items, f->count, sizeof(f->items[0]), by_name);
    for (size_t i = 0; i < f->count && !rc; i++) {
        const char *name = f->items[i].name;
        if (!name[0] || strlen(name) > NAME_LIMIT)
            return gm_err_set(err, GM_EINVALID, "\"%.100s\" cannot be a name in an archive", name);
        add_folders(out, i ? f->items[i - 1].name : "", name);
        rc = add_file(out, &f->items[i], err);
    }
    gm_buf_add(out, end, sizeof(end));
    return !rc && out->failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for an archive") : rc;
}
