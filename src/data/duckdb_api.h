/* duckdb_api.h - the part of DuckDB's C API (1.5) that we call: own prototypes, loaded when first used.
 *
 * Included by engine.c and table_io.c only. One line of GM_DUCKDB_FUNCTIONS per function; a name that the library
 * lacks is an error at loading, not at the first call. Struct layouts were compared with duckdb.h of 1.5.6.
 */
#ifndef GM_DATA_DUCKDB_API_H
#define GM_DATA_DUCKDB_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Handles are pointers to structs that only the library knows. */
typedef struct duck_database_ *duck_database;
typedef struct duck_connection_ *duck_connection;
typedef struct duck_config_ *duck_config;
typedef struct duck_prepared_ *duck_prepared;
typedef struct duck_logical_type_ *duck_logical_type;
typedef struct duck_chunk_ *duck_chunk;
typedef struct duck_vector_ *duck_vector;
typedef struct duck_table_function_ *duck_table_function;
typedef struct duck_bind_info_ *duck_bind_info;
typedef struct duck_init_info_ *duck_init_info;
typedef struct duck_function_info_ *duck_function_info;

/* Passed by value: the layout matters, the fields are the library's own business. */
typedef struct duck_result {
    uint64_t column_count, row_count, rows_changed;
    void *columns;
    char *error;
    void *internal;
} duck_result;

/* A text in a vector: up to 12 bytes inside, longer ones behind a pointer with the first four bytes beside it. */
typedef struct duck_string {
    union {
        struct {
            uint32_t len;
            char prefix[4];
            const char *ptr;
        } far;
        struct {
            uint32_t len;
            char bytes[12];
        } near;
    };
} duck_string;
_Static_assert(sizeof(duck_string) == 16, "duckdb_string_t is 16 bytes");
_Static_assert(sizeof(duck_result) == 48, "duckdb_result is 48 bytes");

enum { DUCK_OK = 0, DUCK_VECTOR_SIZE = 2048 };
enum duck_type {
    DUCK_BOOLEAN = 1, DUCK_TINYINT = 2, DUCK_SMALLINT = 3, DUCK_INTEGER = 4, DUCK_BIGINT = 5,
    DUCK_UTINYINT = 6, DUCK_USMALLINT = 7, DUCK_UINTEGER = 8, DUCK_UBIGINT = 9, DUCK_FLOAT = 10,
    DUCK_DOUBLE = 11, DUCK_TIMESTAMP = 12, DUCK_DATE = 13, DUCK_TIME = 14, DUCK_HUGEINT = 16,
    DUCK_VARCHAR = 17, DUCK_DECIMAL = 19, DUCK_TIMESTAMP_S = 20, DUCK_TIMESTAMP_MS = 21,
    DUCK_TIMESTAMP_NS = 22, DUCK_ENUM = 23, DUCK_UUID = 27, DUCK_TIMESTAMP_TZ = 31, DUCK_UHUGEINT = 32,
    DUCK_SQLNULL = 36
};

#define GM_DUCKDB_FUNCTIONS(X)                                                                    \
    X(const char *, library_version, (void))                                                      \
    X(int, create_config, (duck_config *out))                                                     \
    X(int, set_config, (duck_config config, const char *name, const char *option))                \
    X(void, destroy_config, (duck_config *config))                                                \
    X(int, open_ext, (const char *path, duck_database *out, duck_config config, char **out_error)) \
    X(void, close, (duck_database *database))                                                     \
    X(int, connect, (duck_database database, duck_connection *out))                               \
    X(void, disconnect, (duck_connection *connection))                                            \
    X(void, free, (void *memory))                                                                 \
    X(int, query, (duck_connection connection, const char *sql, duck_result *out))                \
    X(void, destroy_result, (duck_result *result))                                                \
    X(const char *, result_error, (duck_result *result))                                          \
    X(const char *, column_name, (duck_result *result, uint64_t column))                          \
    X(uint64_t, column_count, (duck_result *result))                                              \
    X(int, column_type, (duck_result *result, uint64_t column))                                   \
    X(int, prepare, (duck_connection connection, const char *sql, duck_prepared *out))            \
    X(const char *, prepare_error, (duck_prepared prepared))                                      \
    X(void, destroy_prepare, (duck_prepared *prepared))                                           \
    X(int, execute_prepared_streaming, (duck_prepared prepared, duck_result *out))                \
    X(duck_chunk, fetch_chunk, (duck_result result))                                              \
    X(uint64_t, data_chunk_get_size, (duck_chunk chunk))                                          \
    X(void, data_chunk_set_size, (duck_chunk chunk, uint64_t size))                               \
    X(duck_vector, data_chunk_get_vector, (duck_chunk chunk, uint64_t column))                    \
    X(void, destroy_data_chunk, (duck_chunk *chunk))                                              \
    X(void *, vector_get_data, (duck_vector vector))                                              \
    X(uint64_t *, vector_get_validity, (duck_vector vector))                                      \
    X(void, vector_ensure_validity_writable, (duck_vector vector))                                \
    X(duck_logical_type, create_logical_type, (int type))                                         \
    X(void, destroy_logical_type, (duck_logical_type *type))                                      \
    X(duck_table_function, create_table_function, (void))                                         \
    X(void, destroy_table_function, (duck_table_function *function))                              \
    X(void, table_function_set_name, (duck_table_function function, const char *name))            \
    X(void, table_function_set_extra_info,                                                        \
      (duck_table_function function, void *info, void (*destroy)(void *)))                        \
    X(void, table_function_set_bind, (duck_table_function function, void (*bind)(duck_bind_info))) \
    X(void, table_function_set_init, (duck_table_function function, void (*init)(duck_init_info))) \
    X(void, table_function_set_function,                                                          \
      (duck_table_function function, void (*main)(duck_function_info, duck_chunk)))               \
    X(int, register_table_function, (duck_connection connection, duck_table_function function))   \
    X(void *, bind_get_extra_info, (duck_bind_info info))                                         \
    X(void, bind_add_result_column, (duck_bind_info info, const char *name, duck_logical_type type)) \
    X(void, init_set_max_threads, (duck_init_info info, uint64_t threads))                        \
    X(void *, function_get_extra_info, (duck_function_info info))                                 \
    X(void, function_set_error, (duck_function_info info, const char *error))

typedef struct duck_api {
#define X(result, name, args) result(*name) args;
    GM_DUCKDB_FUNCTIONS(X)
#undef X
} duck_api;

/* The loaded library; static, constant after the first call. Errors: GM_EUNAVAILABLE. Any thread. */
gm_rc gm_duck(const duck_api **out, gm_err *err);

#endif
