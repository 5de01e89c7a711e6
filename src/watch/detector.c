/* detector.c - the table of detectors (detector_list.h), and how one is found and called. */
#include "watch/detector.h"

#include <string.h>

#include "watch/detector_list.h"

#define X(detector) extern const gm_detector detector;
GM_DETECTOR_LIST(X)
#undef X

#define X(detector) &detector.item,
static const gm_item *const items[] = { GM_DETECTOR_LIST(X) };
#undef X

const gm_registry gm_detectors = { .kind = "detector", .items = items, .count = sizeof(items) / sizeof(items[0]) };

static const char *const compat_names[] = { "default", "evidently", "nannyml", "tfdv", "deequ" };
enum { COMPATS = sizeof(compat_names) / sizeof(compat_names[0]) };

gm_rc gm_compat_from_name(const char *name, gm_compat *out, gm_err *err)
{
    for (unsigned k = 0; k < COMPATS; k++) {
        if (strcmp(name, compat_names[k]) != 0) continue;
        *out = (gm_compat)k;
        return GM_OK;
    }
    gm_rc rc = gm_err_set(err, GM_EINVALID, "unrecognized program \"%.60s\" to be compatible with", name);
    const char *near = gm_nearest(name, compat_names, COMPATS);
    if (near)
        gm_err_hint(err, "Did you mean \"%s\"?", near);
    else
        gm_err_hint(err, "Known: default, evidently, nannyml, tfdv, deequ.");
    return rc;
}

const char *gm_compat_name(gm_compat c)
{
    return compat_names[c];
}

gm_rc gm_detector_find(const char *name, const gm_detector **out, gm_err *err)
{
    const gm_item *item = NULL;
    gm_rc rc = gm_registry_find(&gm_detectors, name, &item, err);
    if (!rc) *out = (const gm_detector *)item; /* item is its first member */
    return rc;
}

bool gm_detector_judges(const gm_detector *d, gm_type type)
{
    return type == GM_TYPE_STRING || type == GM_TYPE_BOOL ? d->texts : d->numbers;
}

gm_rc gm_detector_defined(const gm_detector *d, gm_compat compat, gm_err *err)
{
    if (d->compat >> (unsigned)compat & 1u) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "%s has no detector \"%s\"", gm_compat_name(compat), d->item.name);
    gm_buf list = { 0 };
    for (size_t k = 0; k < gm_detectors.count; k++)
        if (((const gm_detector *)items[k])->compat >> (unsigned)compat & 1u)
            gm_buf_printf(&list, "%s%s", list.len ? ", " : "", items[k]->name);
    gm_err_hint(err, "It has %s.", gm_buf_str(&list));
    gm_buf_clear(&list);
    return rc;
}

gm_rc gm_detector_value_of(const gm_detector *d, gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    if (pair->texts ? !d->texts : !d->numbers)
        return gm_err_set(err, GM_EINVALID, "detector \"%s\" judges %s, the column holds %s", d->item.name,
                          pair->texts ? "numbers" : "texts", pair->texts ? "texts" : "numbers");
    gm_rc rc = gm_detector_defined(d, compat, err);
    if (rc) return rc;
    if (compat && (pair->reference->error + pair->current->error > 0 || pair->reference->rest + pair->current->rest > 0))
        return gm_err_set(err, GM_EINVALID, "%s's numbers need the raw rows: the profile holds a sketch of this column",
                          gm_compat_name(compat));
    gm_detector_value v = { .value = NAN, .plain = NAN, .p_value = NAN };
    rc = d->compute(pair, compat, &v, err);
    if (!rc) *out = v;
    return rc;
}

double gm_bins_noise(const gm_bins *b)
{
    return b->count > 1 ? (double)(b->count - 1) * (1 / b->n + 1 / b->m) : 0;
}
