/* ort_slots.h - the calls of ONNX Runtime that we use, by their slot in its table of functions.
 *
 * The library's C interface is one append-only table of function pointers (`OrtApi`), so a slot never changes its meaning. The numbers
 * were taken from the table's order as declared by the crate ort-sys 2.0.0-rc.15 (generated from the official header, API 28) and hold
 * for every version since 1.17, whose table we ask for. To add a call: count its slot there, add its line here.
 *
 *   X(slot, name, return type, (parameters))
 */
#ifndef GM_MODEL_ORT_SLOTS_H
#define GM_MODEL_ORT_SLOTS_H

#include <stddef.h>
#include <stdint.h>

enum { GM_ORT_API = 17 }; /* the version of the table that we ask for */

typedef struct ort_status ort_status;
typedef struct ort_env ort_env;
typedef struct ort_options ort_options;
typedef struct ort_session ort_session;
typedef struct ort_run_options ort_run_options;
typedef struct ort_value ort_value;
typedef struct ort_memory ort_memory;
typedef struct ort_allocator ort_allocator;
typedef struct ort_type_info ort_type_info;
typedef struct ort_shape ort_shape; /* element type and dimensions of a tensor */

enum { ORT_LOG_ERROR = 3, ORT_LOG_FATAL = 4, ORT_OPTIMISE_NOTHING = 0, ORT_DEVICE_ALLOCATOR = 0, ORT_MEMORY_DEFAULT = 0 };
/* Values of its error codes that we tell apart. */
enum { ORT_INVALID_ARGUMENT = 2, ORT_NO_SUCH_FILE = 3, ORT_NO_MODEL = 4, ORT_INVALID_PROTOBUF = 7, ORT_NOT_IMPLEMENTED = 9, ORT_INVALID_GRAPH = 10 };
/* Element types of tensors; the numbers are those of onnx.proto. */
enum { ORT_FLOAT = 1, ORT_INT32 = 6, ORT_INT64 = 7, ORT_STRING = 8, ORT_BOOL = 9, ORT_DOUBLE = 11 };

#define GM_ORT_SLOTS(X)                                                                                                       \
    X(1, get_error_code, int, (const ort_status *))                                                                           \
    X(2, get_error_message, const char *, (const ort_status *))                                                               \
    X(3, create_env, ort_status *, (int level, const char *id, ort_env **))                                                   \
    X(6, disable_telemetry, ort_status *, (const ort_env *))                                                                  \
    X(7, create_session, ort_status *, (const ort_env *, const char *path, const ort_options *, ort_session **))              \
    X(9, run, ort_status *,                                                                                                   \
      (ort_session *, const ort_run_options *, const char *const *input_names, const ort_value *const *inputs, size_t count, \
       const char *const *output_names, size_t outputs_count, ort_value **outputs))                                           \
    X(10, create_options, ort_status *, (ort_options **))                                                                     \
    X(22, set_log_level, ort_status *, (ort_options *, int level))                                                            \
    X(23, set_optimisation, ort_status *, (ort_options *, int level))                                                         \
    X(24, set_intra_threads, ort_status *, (ort_options *, int))                                                              \
    X(25, set_inter_threads, ort_status *, (ort_options *, int))                                                              \
    X(30, input_count, ort_status *, (const ort_session *, size_t *))                                                         \
    X(31, output_count, ort_status *, (const ort_session *, size_t *))                                                        \
    X(33, input_type, ort_status *, (const ort_session *, size_t index, ort_type_info **))                                    \
    X(34, output_type, ort_status *, (const ort_session *, size_t index, ort_type_info **))                                   \
    X(36, input_name, ort_status *, (const ort_session *, size_t index, ort_allocator *, char **))                            \
    X(37, output_name, ort_status *, (const ort_session *, size_t index, ort_allocator *, char **))                           \
    X(39, create_run_options, ort_status *, (ort_run_options **))                                                             \
    X(41, set_run_log_level, ort_status *, (ort_run_options *, int level))                                                    \
    X(46, stop_run, ort_status *, (ort_run_options *))                                                                        \
    X(47, go_on, ort_status *, (ort_run_options *))                                                                           \
    X(48, create_tensor, ort_status *, (ort_allocator *, const int64_t *dims, size_t rank, int type, ort_value **))           \
    X(49, create_tensor_over, ort_status *,                                                                                   \
      (const ort_memory *, void *data, size_t size_bytes, const int64_t *dims, size_t rank, int type, ort_value **))          \
    X(50, is_tensor, ort_status *, (const ort_value *, int *))                                                                \
    X(51, tensor_data, ort_status *, (ort_value *, void **))                                                                  \
    X(52, fill_strings, ort_status *, (ort_value *, const char *const *texts, size_t count))                                  \
    X(53, strings_size, ort_status *, (const ort_value *, size_t *))                                                          \
    X(54, strings_content, ort_status *, (const ort_value *, void *bytes, size_t size, size_t *offsets, size_t count))        \
    X(55, tensor_type, ort_status *, (const ort_type_info *, const ort_shape **)) /* borrowed; NULL: not a tensor */          \
    X(60, element_type, ort_status *, (const ort_shape *, int *))                                                             \
    X(61, rank, ort_status *, (const ort_shape *, size_t *))                                                                  \
    X(62, dims, ort_status *, (const ort_shape *, int64_t *, size_t rank))                                                    \
    X(65, value_shape, ort_status *, (const ort_value *, ort_shape **))                                                       \
    X(69, create_cpu_memory, ort_status *, (int allocator_type, int memory_type, ort_memory **))                              \
    X(76, allocator_free, ort_status *, (ort_allocator *, void *))                                                            \
    X(78, default_allocator, ort_status *, (ort_allocator **))                                                                \
    X(92, release_env, void, (ort_env *))                                                                                     \
    X(93, release_status, void, (ort_status *))                                                                               \
    X(94, release_memory, void, (ort_memory *))                                                                               \
    X(95, release_session, void, (ort_session *))                                                                             \
    X(96, release_value, void, (ort_value *))                                                                                 \
    X(97, release_run_options, void, (ort_run_options *))                                                                     \
    X(98, release_type_info, void, (ort_type_info *))                                                                         \
    X(99, release_shape, void, (ort_shape *))                                                                                 \
    X(100, release_options, void, (ort_options *))

/* The table with only our calls, each with its type. */
typedef struct gm_ort_api {
#define X(slot, name, result, parameters) result(*name) parameters;
    GM_ORT_SLOTS(X)
#undef X
} gm_ort_api;

/* What OrtGetApiBase() gives. */
typedef struct ort_api_base {
    const void *(*get_api)(uint32_t version); /* NULL when the library is older */
    const char *(*version)(void);
} ort_api_base;

#endif
