/* profile.h - everything one pass can say about a table, in a form that merges.
 *
 * Checks, schema inference, drift and monitoring read the same profile; profile.bin in a model package is the drift reference.
 */
#ifndef GM_DATA_PROFILE_H
#define GM_DATA_PROFILE_H

#include "base/buf.h"
#include "base/column.h"

typedef struct gm_profile gm_profile; /* in arena */

/* Profile t in fixed chunks of rows merged in row order: the same bits on any number of threads. */
gm_rc gm_profile_of(const gm_table *t, gm_arena *a, gm_profile **out, gm_err *err);
/* into := into + other (columns by name). Errors: GM_EINVALID when columns or types differ. */
gm_rc gm_profile_merge(gm_profile *into, const gm_profile *other, gm_arena *a, gm_err *err);
void gm_profile_write(const gm_profile *p, gm_buf *out); /* binary, versioned, little-endian */
gm_rc gm_profile_read(const void *bytes, size_t len, gm_arena *a, gm_profile **out, gm_err *err);
void gm_profile_json(const gm_profile *p, gm_json *j);   /* for people and `show` */

#endif
