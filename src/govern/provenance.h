/* provenance.h - how a package came to be, as an in-toto Statement v1 with the SLSA provenance v1 predicate: the form in which other tools
 * ask where a file is from. */
#ifndef GM_GOVERN_PROVENANCE_H
#define GM_GOVERN_PROVENANCE_H

#include "base/buf.h"
#include "store/store.h"

/* One JSON line and a newline. The subject is the package's manifest; resolvedDependencies are the files and programs at the far end of the
 * lineage, by digest; byproducts are the logs of the steps that led to it. Errors: those of the store. */
gm_rc gm_provenance(gm_store *store, const gm_model_version *v, gm_buf *out, gm_err *err);

#endif
