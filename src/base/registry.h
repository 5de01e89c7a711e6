/* registry.h - the table form in which every pluggable thing is kept: checks, transforms, trainers, metrics ...
 * There is no registration at run time: a list file has one line per item, and a missing file is a link error. */
#ifndef GM_BASE_REGISTRY_H
#define GM_BASE_REGISTRY_H

#include "base/param.h"

typedef struct gm_item {
    const char *name;       /* as written in gristmill.yaml; unique in its kind */
    const char *help;       /* one line                                         */
    const gm_param *params; /* ends with an empty row; NULL = none              */
    size_t conf_size;       /* bytes of the struct that params fill             */
} gm_item;

typedef struct gm_registry {
    const char *kind;            /* "metric" */
    const gm_item *const *items; /* [count] alphabetical */
    size_t count;
} gm_registry;

/* Errors: GM_EINVALID `unrecognized metric "acuracy"`, with "Did you mean" or the whole list as hint. */
gm_rc gm_registry_find(const gm_registry *r, const char *name, const gm_item **out_item, gm_err *err);

#endif
