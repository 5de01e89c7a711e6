/* predlog_format.h - the raw segments of the prediction log, for its writer and its readers. See docs/formats/prediction-log.md.
 *
 *   segment = "GMPLOG1\n" record*          record = u32 length, u32 crc32c, body [length]
 *   body    = u8 kind, ...                 all numbers little-endian, nothing is aligned
 */
#ifndef GM_SERVE_PREDLOG_FORMAT_H
#define GM_SERVE_PREDLOG_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define GM_PREDLOG_MAGIC "GMPLOG1\n"
#define GM_PREDLOG_RAW "raw" /* folder of segments */

enum {
    GM_PREDLOG_MAGIC_LEN = 8,
    GM_PREDLOG_FRAME = 8,       /* length and checksum                                                       */
    GM_PREDLOG_DEFINITION = 1,  /* u8 kind, 3 unused, u32 number, JSON                                       */
    GM_PREDLOG_ROWS = 2,        /* gm_predlog_head, id, arm, protocol, u8 type per column, columns, answers   */
    GM_PREDLOG_RECORD_MAX = 1 << 30
};

/* What a column of a record holds: a gm_type, or nothing at all. */
enum { GM_PREDLOG_ABSENT = 0 };
/* Length of a text that is missing. */
#define GM_PREDLOG_MISSING_TEXT UINT32_MAX

/* The beginning of a record of rows, as it lies in the file. */
typedef struct gm_predlog_head {
    uint8_t kind, arm_len, protocol_len, unused;
    uint32_t definition; /* number of the version's definition, the latest before this record */
    uint32_t id_len;
    uint32_t first_row, rows, rows_total; /* a large request is several records */
    int64_t time_us, latency_us;
} gm_predlog_head;
_Static_assert(sizeof(gm_predlog_head) == 40, "no padding in the file");

/* CRC-32C (polynomial 0x1edc6f41, reflected), as in iSCSI; by the processor's instruction where there is one. */
uint32_t gm_crc32c(const void *bytes, size_t len);

#endif
