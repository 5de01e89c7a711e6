/* tar.h - archives whose bytes follow from their files alone: sorted, without times, owners or links. */
#ifndef GM_SERVE_TARGETS_TAR_H
#define GM_SERVE_TARGETS_TAR_H

#include "serve/targets/target_write.h"

/* Append an archive (POSIX ustar; names over 100 bytes in a pax header) of the files, sorted by name, and of the folders on their
 * way. Sorts f. Errors: GM_ENOTFOUND, GM_EIO, GM_ENOMEM; GM_EINVALID (a file over 1 GiB, a name over 4,000 bytes). */
gm_rc gm_tar_write(gm_target_files *f, gm_buf *out, gm_err *err);
/* Append the bytes as gzip without a time or a name in its header. Equal bytes of one zlib give equal bytes. */
gm_rc gm_gzip(const void *bytes, size_t len, gm_buf *out, gm_err *err);

#endif
