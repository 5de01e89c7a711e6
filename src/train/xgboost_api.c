/* xgboost_api.c - see xgboost_api.h. */
#include "train/xgboost_api.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "train/boosting.h"

static gm_rc check_version(const gm_xgboost *api, gm_err *err)
{
    int major = 0, minor = 0, patch = 0;
    char found[48];
    api->XGBoostVersion(&major, &minor, &patch);
    (void)snprintf(found, sizeof(found), "%d.%d.%d", major, minor, patch);
    if (strcmp(found, GM_XGBOOST_VERSION) == 0) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EUNAVAILABLE, "libxgboost.so is version %s, not %s", found, GM_XGBOOST_VERSION);
    gm_err_hint(err, "Put the pinned library beside the program, or name its folder in GRISTMILL_LIB_DIR.");
    return rc;
}

gm_rc gm_xgboost_load(gm_xgboost *out, gm_err *err)
{
    void *library = NULL;
    gm_xgboost api;
    gm_openmp_sleep_when_idle();
    gm_rc rc = gm_library_open("libxgboost.so", &library, err);
    if (rc) return rc;
    /* dlsym gives data pointers; POSIX lets them be read as function pointers. */
#define RESOLVE(ret, name, args) \
    if (!rc) rc = gm_library_symbol(library, #name, (void **)(void *)&api.name, err);
    GM_XGBOOST_API(RESOLVE)
#undef RESOLVE
    if (!rc) rc = check_version(&api, err);
    if (!rc) *out = api;
    return rc;
}
