/* lightgbm_api.c - see lightgbm_api.h. */
#include "train/lightgbm_api.h"

#include "base/fs.h"
#include "train/boosting.h"

gm_rc gm_lightgbm_load(gm_lightgbm *out, gm_err *err)
{
    void *library = NULL;
    gm_lightgbm api;
    gm_openmp_sleep_when_idle();
    gm_rc rc = gm_library_open("lib_lightgbm.so", &library, err);
    if (rc) return rc;
    /* dlsym gives data pointers; POSIX lets them be read as function pointers. */
#define RESOLVE(ret, name, args) \
    if (!rc) rc = gm_library_symbol(library, #name, (void **)(void *)&api.name, err);
    GM_LIGHTGBM_API(RESOLVE)
#undef RESOLVE
    if (!rc) *out = api;
    return rc;
}
