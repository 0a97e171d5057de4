/* bittern.h: the C API of Bittern, an inference runtime for trained 1- to 8-bit
 * networks.
 *
 * Conventions
 * - Two handles: bittern_model (immutable, any thread) and bittern_session (one
 * thread at a time; different sessions concurrently). A session keeps its model
 * alive: release in any order. *_release(NULL) does nothing.
 * - Every fallible function returns a bittern_status. The output pointer is
 * last and is set to NULL on failure. bittern_last_error() describes the last
 * failure of the calling thread.
 * - Strings and shapes returned are borrowed from the handle and live as long
 * as it does. Nothing returned must be freed.
 * - Structs begin with struct_size, set by their BITTERN_..._INIT macro; zero
 * in other fields means the default; fields are only appended. flags must be 0
 * unless a flag is named.
 * - Sizes in bytes, strides in bytes, text in UTF-8. No function throws,
 * prints, aborts or reads the environment.
 * - Order: load -> create -> (set_input_shape) -> prepare -> input -> run ->
 * output -> release. A call out of order gives BITTERN_STATUS_INVALID_STATE.
 * - Until version 1.0 there is no ABI promise.
 */
#ifndef BITTERN_BITTERN_H_
#define BITTERN_BITTERN_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BITTERN_API __attribute__((visibility("default")))
#else
#define BITTERN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define BITTERN_VERSION_MAJOR 0
#define BITTERN_VERSION_MINOR 1
#define BITTERN_VERSION_PATCH 0
#define BITTERN_MAX_RANK 8

typedef int32_t bittern_status;
enum {
  BITTERN_STATUS_OK = 0,
  BITTERN_STATUS_INVALID_ARGUMENT =
      1, /* NULL, wrong size, wrong shape, unknown name */
  BITTERN_STATUS_INVALID_STATE = 2, /* a call out of order */
  BITTERN_STATUS_NOT_FOUND = 3,     /* no such file, input, output or key */
  BITTERN_STATUS_IO = 4,            /* the system refused to read */
  BITTERN_STATUS_CORRUPT_FILE = 5,  /* the bytes are not a valid model */
  BITTERN_STATUS_UNSUPPORTED =
      6, /* valid, but beyond this version or this CPU */
  BITTERN_STATUS_OUT_OF_MEMORY = 7,
  BITTERN_STATUS_INTERNAL = 8
};

typedef int32_t bittern_dtype;
enum {
  BITTERN_DTYPE_F32 = 1,
  BITTERN_DTYPE_I32 = 2,
  BITTERN_DTYPE_I64 = 3,
  BITTERN_DTYPE_U8 = 4,
  BITTERN_DTYPE_S8 = 5,
  BITTERN_DTYPE_BOOL = 6,
  BITTERN_DTYPE_CODE = 7 /* packed codes: only inside a model */
};

typedef struct bittern_model bittern_model;
typedef struct bittern_session bittern_session;

/* Calls task(task_context, i) for each i in [0, count), in any order and on any
 * threads; returns when all are done. */
typedef void (*bittern_parallel_for)(void* parallel_context,
                                     void (*task)(void* task_context,
                                                  size_t index),
                                     void* task_context, size_t count);

typedef struct bittern_cpu_info {
  size_t struct_size;
  const char* detected; /* space-separated instruction groups of this CPU,
                           static storage */
  const char* targets;  /* space-separated targets compiled in and usable here,
                           weakest first; static storage */
  const char* chosen;   /* the strongest of them; static storage */
} bittern_cpu_info;
#define BITTERN_CPU_INFO_INIT \
  { sizeof(bittern_cpu_info), NULL, NULL, NULL }

#define BITTERN_MODEL_COPY_DATA \
  1u /* load_memory copies the bytes instead of borrowing them */

typedef struct bittern_model_options {
  size_t struct_size;
  uint32_t flags;
} bittern_model_options;
#define BITTERN_MODEL_OPTIONS_INIT \
  { sizeof(bittern_model_options), 0 }

#define BITTERN_SESSION_PROFILE \
  1u /* time every op: see bittern_session_profile */

typedef struct bittern_session_options {
  size_t struct_size;
  uint32_t num_threads; /* 0 = 1 */
  uint32_t flags;
  bittern_parallel_for parallel_for; /* NULL = the library's own threads */
  void* parallel_context;
  size_t arena_limit_bytes; /* prepare fails if it needs more; 0 = no limit */
  const char* max_target;   /* caps the instructions used ("avx2"); NULL = the
                               best; read during create only */
} bittern_session_options;
#define BITTERN_SESSION_OPTIONS_INIT \
  { sizeof(bittern_session_options), 0, 0, NULL, NULL, 0, NULL }

typedef struct bittern_tensor_info {
  size_t struct_size;
  const char* name; /* borrowed from the model */
  bittern_dtype dtype;
  uint32_t rank;
  int64_t dims[BITTERN_MAX_RANK]; /* -1 = dynamic */
  float scale; /* of a quantised tensor; 0 if not quantised */
} bittern_tensor_info;
#define BITTERN_TENSOR_INFO_INIT \
  { sizeof(bittern_tensor_info), NULL, 0, 0, {0}, 0 }

typedef struct bittern_tensor_view {
  size_t struct_size;
  void* data; /* borrowed from the session, until prepare, bind or release */
  size_t bytes;
  bittern_dtype dtype;
  uint32_t rank;
  int64_t dims[BITTERN_MAX_RANK];
} bittern_tensor_view;
#define BITTERN_TENSOR_VIEW_INIT                      \
  {                                                   \
    sizeof(bittern_tensor_view), NULL, 0, 0, 0, { 0 } \
  }

typedef struct bittern_image {
  size_t struct_size;
  const uint8_t*
      pixels; /* rows of interleaved 8-bit channels; borrowed during the call */
  int32_t width, height;
  int32_t channels; /* 1 grey, 3 RGB, 4 RGBA (alpha ignored) */
  size_t stride;    /* bytes between rows; 0 = width * channels */
} bittern_image;
#define BITTERN_IMAGE_INIT \
  { sizeof(bittern_image), NULL, 0, 0, 0, 0 }

typedef struct bittern_profile_entry {
  size_t struct_size;
  const char*
      name; /* op name; borrowed from the session until prepare or release */
  const char* op;
  const char* kernel; /* what was chosen */
  int64_t calls;
  int64_t total_ns;
  double macs; /* logical multiply-accumulates of one call */
  int32_t weight_bits, activation_bits; /* 0 if the op has no product */
} bittern_profile_entry;
#define BITTERN_PROFILE_ENTRY_INIT \
  { sizeof(bittern_profile_entry), NULL, NULL, NULL, 0, 0, 0, 0, 0 }

/* ---- library */
BITTERN_API uint32_t
bittern_version(void); /* major * 1000000 + minor * 1000 + patch */
BITTERN_API const char* bittern_version_string(void);
BITTERN_API uint32_t
bittern_format_version(void); /* newest readable file format */
BITTERN_API const char* bittern_status_string(
    bittern_status code); /* static; never NULL */
BITTERN_API const char* bittern_last_error(
    void); /* this thread's last failure; valid until its next failing call;
              never NULL */
BITTERN_API bittern_status bittern_cpu_features(bittern_cpu_info* info);

/* ---- model: immutable, shareable */
/* Maps and verifies the file. `options` may be NULL. */
BITTERN_API bittern_status
bittern_model_load_file(const char* path, const bittern_model_options* options,
                        bittern_model** model);
/* Borrows `data` until the last reference to the model is gone, unless
 * BITTERN_MODEL_COPY_DATA. */
BITTERN_API bittern_status bittern_model_load_memory(
    const void* data, size_t size, const bittern_model_options* options,
    bittern_model** model);
BITTERN_API bittern_status bittern_model_retain(bittern_model* model);
BITTERN_API void bittern_model_release(bittern_model* model);
BITTERN_API uint32_t bittern_model_input_count(const bittern_model* model);
BITTERN_API uint32_t bittern_model_output_count(const bittern_model* model);
BITTERN_API bittern_status bittern_model_input_info(const bittern_model* model,
                                                    uint32_t index,
                                                    bittern_tensor_info* info);
BITTERN_API bittern_status bittern_model_output_info(const bittern_model* model,
                                                     uint32_t index,
                                                     bittern_tensor_info* info);
BITTERN_API bittern_status bittern_model_find_input(const bittern_model* model,
                                                    const char* name,
                                                    uint32_t* index);
BITTERN_API bittern_status bittern_model_find_output(const bittern_model* model,
                                                     const char* name,
                                                     uint32_t* index);
/* Value of a metadata key ("source_sha256", "converter_version", "report",
 * ...); labels as "label.<n>". */
BITTERN_API bittern_status bittern_model_metadata(const bittern_model* model,
                                                  const char* key,
                                                  const char** value);

/* ---- session: one thread at a time */
BITTERN_API bittern_status bittern_session_create(
    bittern_model* model, const bittern_session_options* options,
    bittern_session** session);
BITTERN_API void bittern_session_release(bittern_session* session);
/* Sets the shape of a dynamic input; undoes prepare. */
BITTERN_API bittern_status
bittern_session_set_input_shape(bittern_session* session, uint32_t index,
                                const int64_t* dims, uint32_t rank);
/* Plans and allocates everything; run does neither. */
BITTERN_API bittern_status bittern_session_prepare(bittern_session* session);
BITTERN_API bittern_status
bittern_session_input(bittern_session* session, uint32_t index,
                      bittern_tensor_view* view); /* write here */
BITTERN_API bittern_status
bittern_session_output(bittern_session* session, uint32_t index,
                       bittern_tensor_view* view); /* read here */
/* Uses the caller's buffer instead of the session's until rebound; `data` must
 * stay valid during run, 64-byte alignment is fastest, element alignment is
 * required. NULL, 0 unbinds. */
BITTERN_API bittern_status bittern_session_bind_input(bittern_session* session,
                                                      uint32_t index,
                                                      const void* data,
                                                      size_t bytes);
BITTERN_API bittern_status bittern_session_bind_output(bittern_session* session,
                                                       uint32_t index,
                                                       void* data,
                                                       size_t bytes);
/* 8-bit pixels of any size in; applies the preprocessing stored in the file. */
BITTERN_API bittern_status bittern_session_set_image(
    bittern_session* session, uint32_t index, const bittern_image* image);
BITTERN_API bittern_status
bittern_session_run(bittern_session* session); /* allocates nothing */
/* *count: in, capacity of `entries`; out, number of ops. `entries` may be NULL
 * to ask for the number. entries[0].struct_size must be set. */
BITTERN_API bittern_status
bittern_session_profile(const bittern_session* session,
                        bittern_profile_entry* entries, size_t* count);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BITTERN_BITTERN_H_ */
