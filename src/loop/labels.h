/* labels.h - what became true: the labels source as a table of keys, and the rows of a log joined with it.
 *
 * A label belongs to the rows that have its key. Key values are compared as what the labels are (a time is a time however the
 * request spelled it). Where several rows have a key the last one wins. The target is the pipeline's own expression over the
 * label rows. Threads: constant once read; any number may join.
 */
#ifndef GM_LOOP_LABELS_H
#define GM_LOOP_LABELS_H

#include "data/engine.h"
#include "feature/program.h"
#include "pipe/spec.h"

typedef struct gm_labels gm_labels; /* in arena */

/* Where labels come from: `labels.from`, else the primary data set; and by which columns, `labels.key`, else the data set's. */
typedef struct gm_labels_from {
    gm_source source;
    gm_strs key; /* count 0: there is no key, so there are no labels */
    const char *base_dir;
    const char *target; /* text of the target */
    gm_pos target_pos;
    gm_task task;
    const char *const *classes; /* [classes_count] */
    size_t classes_count;
} gm_labels_from;
/* task and classes are left to the caller: the package knows them. */
gm_labels_from gm_labels_source(const gm_spec *spec);

/* Of the source as it is now, without reading it. */
typedef struct gm_labels_look {
    uint64_t
        stamp; /* changes when names, sizes or times of its files do; a database's each ten minutes; 0: there is none (yet) */
    int64_t changed_us; /* when a file of it was last written or put there; a database's: the last such ten minutes */
} gm_labels_look;
gm_labels_look gm_labels_look_at(const gm_labels_from *f);

/* Read all labels; in a. tmp: a folder of the caller's for scratch. Errors: GM_ENOTFOUND (no such file yet), GM_EINVALID (a key
 * or the target is not in it, with the place in the pipeline file), GM_EIO, GM_ENOMEM. */
gm_rc gm_labels_read(gm_engine *e, const gm_labels_from *f, const char *tmp, gm_arena *a, gm_labels **out, gm_err *err);
int64_t gm_labels_rows(const gm_labels *l);

/* The truth of each row of t: class index or value, NaN = no label yet. t has the key columns under the names [keys] (the log may
 * have renamed them); a row without a value in one of them has no label. out_truth [t->rows] is filled here; out_keyed: rows that
 * have all key values. Errors: GM_EINVALID t has no such column; GM_ENOMEM. */
gm_rc gm_labels_join(const gm_labels *l, const gm_table *t, const char *const *names, gm_arena *scratch, double *out_truth,
                     int64_t *out_keyed, gm_err *err);

#endif
