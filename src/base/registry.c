/* registry.c - see registry.h. */
#include "base/registry.h"

#include <string.h>

enum { NAMES_MAX = 256 };

gm_rc gm_registry_find(const gm_registry *r, const char *name, const gm_item **out_item, gm_err *err)
{
    const char *names[NAMES_MAX];
    gm_assert(r->count <= NAMES_MAX);
    for (size_t i = 0; i < r->count; i++) {
        names[i] = r->items[i]->name;
        if (strcmp(names[i], name) == 0) {
            *out_item = r->items[i];
            return GM_OK;
        }
    }
    gm_rc rc = gm_err_set(err, GM_EINVALID, "unrecognized %s \"%.100s\"", r->kind, name);
    const char *near = gm_nearest(name, names, r->count);
    if (near) {
        gm_err_hint(err, "Did you mean \"%s\"?", near);
    } else {
        gm_buf list = { 0 };
        for (size_t i = 0; i < r->count; i++) gm_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
        gm_err_hint(err, "Known: %s.", gm_buf_str(&list));
        gm_buf_clear(&list);
    }
    return rc;
}
