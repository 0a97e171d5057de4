/* bittern.h: the C API of Bittern, which runs trained 1- to 8-bit networks.
 *
 * - Two handles: bittern_model (immutable, any thread) and bittern_session (one
 *   thread at a time; different sessions concurrently). A session keeps its
 *   model alive: release in any order. Releasing NULL does nothing.
 * - Fallible functions return a bittern_status. The output pointer is last and
 *   a returned handle or text is NULL on failure; bittern_last_error() tells.
 * - Texts and shapes returned are borrowed. Nothing returned must be freed.
 * - Structs begin with struct_size, set by BITTERN_..._INIT; zero means the
 *   default; fields are only appended. flags are 0 unless one is named.
 * - Sizes and strides are in bytes, text is UTF-8. No function throws, prints,
 *   aborts or reads the environment.
 * - Order: load, create, (set_input_shape), prepare, input, run, output,
 *   release. A call out of order gives BITTERN_STATUS_INVALID_STATE.
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
  BITTERN_STATUS_INVALID_ARGUMENT = 1, /* NULL, wrong size, wrong shape */
  BITTERN_STATUS_INVALID_STATE = 2,    /* a call out of order */
  BITTERN_STATUS_NOT_FOUND = 3,        /* no such file, input, output or key */
  BITTERN_STATUS_IO = 4,               /* the system refused to read */
  BITTERN_STATUS_CORRUPT_FILE = 5,     /* the bytes are not a valid model */
  BITTERN_STATUS_UNSUPPORTED = 6, /* valid, but beyond this version or CPU */
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

typedef struct bittern_cpu_info { /* words between spaces, static storage */
  size_t struct_size;
  const char* detected; /* instruction groups of this CPU */
  const char* targets;  /* compiled in and usable here, weakest first */
  const char* chosen;   /* the strongest of them */
} bittern_cpu_info;
#define BITTERN_CPU_INFO_INIT \
  { sizeof(bittern_cpu_info), NULL, NULL, NULL }

/* Flag: load_memory copies the bytes instead of borrowing them. */
#define BITTERN_MODEL_COPY_DATA 1u

typedef struct bittern_model_options {
  size_t struct_size;
  uint32_t flags;
} bittern_model_options;
#define BITTERN_MODEL_OPTIONS_INIT \
  { sizeof(bittern_model_options), 0 }

/* Flag: time every op, for bittern_session_profile. */
#define BITTERN_SESSION_PROFILE 1u

typedef struct bittern_session_options {
  size_t struct_size;
  uint32_t num_threads; /* 0 = 1 */
  uint32_t flags;
  bittern_parallel_for parallel_for; /* NULL = the library's own threads */
  void* parallel_context;
  size_t arena_limit_bytes; /* prepare fails if it needs more; 0 = no limit */
  /* Caps the instructions used ("avx2"); NULL = the best. Read by create. */
  const char* max_target;
} bittern_session_options;
#define BITTERN_SESSION_OPTIONS_INIT \
  { sizeof(bittern_session_options), 0, 0, NULL, NULL, 0, NULL }

typedef struct bittern_tensor_info {
  size_t struct_size;
  const char* name; /* borrowed from the model */
  bittern_dtype dtype;
  uint32_t rank;
  int64_t dims[BITTERN_MAX_RANK]; /* -1 = dynamic */
  float scale;                    /* of a quantised tensor; else 0 */
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
  const uint8_t* pixels; /* rows of interleaved channels */
  int32_t width, height;
  int32_t channels; /* 1 grey, 3 RGB, 4 RGBA (alpha ignored) */
  size_t stride;    /* bytes between rows; 0 = width * channels */
} bittern_image;
#define BITTERN_IMAGE_INIT \
  { sizeof(bittern_image), NULL, 0, 0, 0, 0 }

typedef struct bittern_detection {
  size_t struct_size;
  /* Pixels of the image, or 0 to 1 of the network's input. */
  float left, top, right, bottom;
  float score;   /* 0 to 1 */
  int32_t label; /* class */
  int32_t query; /* row of the outputs */
} bittern_detection;
#define BITTERN_DETECTION_INIT \
  { sizeof(bittern_detection), 0, 0, 0, 0, 0, 0, 0 }

typedef struct bittern_profile_entry {
  size_t struct_size;
  /* Texts are borrowed from the session until prepare or release. */
  const char* name;
  const char* op;
  const char* kernel;      /* what was chosen */
  int64_t calls, total_ns; /* 0 without BITTERN_SESSION_PROFILE */
  double macs;             /* logical multiply-accumulates of one call */
  int32_t weight_bits, activation_bits; /* 0 if the op has no product */
} bittern_profile_entry;
#define BITTERN_PROFILE_ENTRY_INIT \
  { sizeof(bittern_profile_entry), NULL, NULL, NULL, 0, 0, 0, 0, 0 }

/* ---- library */
/* major * 1000000 + minor * 1000 + patch, and the same as text. */
BITTERN_API uint32_t bittern_version(void);
BITTERN_API const char* bittern_version_string(void);
/* The newest file format that can be read. */
BITTERN_API uint32_t bittern_format_version(void);
/* Name of a status; static, never NULL. */
BITTERN_API const char* bittern_status_string(bittern_status code);
/* This thread's last failure; valid until its next one; never NULL. */
BITTERN_API const char* bittern_last_error(void);
/* What this CPU has and what of it is used. */
BITTERN_API bittern_status bittern_cpu_features(bittern_cpu_info* info);

/* ---- model: immutable, any thread. Texts live as long as the model. */
/* Maps and verifies a file, which may be deleted or replaced afterwards but not
 * changed in place while the model lives. `options` may be NULL. */
BITTERN_API bittern_status
bittern_model_load_file(const char* path, const bittern_model_options* options,
                        bittern_model** model);
/* Borrows `data` until the last reference to the model is gone, unless
 * BITTERN_MODEL_COPY_DATA. Data that is not aligned to 64 bytes is copied. */
BITTERN_API bittern_status bittern_model_load_memory(
    const void* data, size_t size, const bittern_model_options* options,
    bittern_model** model);
/* Adds a reference; each needs a release, as does the one of load. */
BITTERN_API bittern_status bittern_model_retain(bittern_model* model);
BITTERN_API void bittern_model_release(bittern_model* model);
/* 0 for NULL. */
BITTERN_API uint32_t bittern_model_input_count(const bittern_model* model);
BITTERN_API uint32_t bittern_model_output_count(const bittern_model* model);
/* Declared name, type and shape of an input or output. */
BITTERN_API bittern_status bittern_model_input_info(const bittern_model* model,
                                                    uint32_t index,
                                                    bittern_tensor_info* info);
BITTERN_API bittern_status bittern_model_output_info(const bittern_model* model,
                                                     uint32_t index,
                                                     bittern_tensor_info* info);
/* Index of the input or output of that name, or BITTERN_STATUS_NOT_FOUND. */
BITTERN_API bittern_status bittern_model_find_input(const bittern_model* model,
                                                    const char* name,
                                                    uint32_t* index);
BITTERN_API bittern_status bittern_model_find_output(const bittern_model* model,
                                                     const char* name,
                                                     uint32_t* index);
/* Text of a metadata key ("source_sha256", "converter_version", "report", ...);
 * names of classes as "label.<n>". */
BITTERN_API bittern_status bittern_model_metadata(const bittern_model* model,
                                                  const char* key,
                                                  const char** value);

/* ---- session: one thread at a time */
/* `options` may be NULL. The session keeps the model alive. */
BITTERN_API bittern_status bittern_session_create(
    bittern_model* model, const bittern_session_options* options,
    bittern_session** session);
BITTERN_API void bittern_session_release(bittern_session* session);
/* Sets the shape of a dynamic input; undoes prepare. */
BITTERN_API bittern_status
bittern_session_set_input_shape(bittern_session* session, uint32_t index,
                                const int64_t* dims, uint32_t rank);
/* Plans and allocates everything but what only the run knows. Drops bindings.
 */
BITTERN_API bittern_status bittern_session_prepare(bittern_session* session);
/* Where to write an input and to read an output; inputs keep their values. */
BITTERN_API bittern_status bittern_session_input(bittern_session* session,
                                                 uint32_t index,
                                                 bittern_tensor_view* view);
BITTERN_API bittern_status bittern_session_output(bittern_session* session,
                                                  uint32_t index,
                                                  bittern_tensor_view* view);
/* Uses the caller's buffer, of exactly the tensor's bytes, in every run until
 * rebound or prepared; it must be aligned to its elements, and to 64 bytes to
 * save a copy. NULL, 0 unbinds. Not for outputs of a size of the run. */
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
/* Computes the outputs; allocates nothing unless values make a new size. */
BITTERN_API bittern_status bittern_session_run(bittern_session* session);
/* Boxes that a detector's last run found in a sample of its batch, with scores
 * from `threshold` on, best first, by the post-processing stored in the file.
 * width, height: of the image that set_image took, into which boxes are
 * clipped; 0, 0: relative to the network's input. *count: in, capacity of
 * `detections`; out, number found. `detections` may be NULL to ask for it;
 * detections[0].struct_size must be set and holds for all. */
BITTERN_API bittern_status bittern_session_detections(
    bittern_session* session, uint32_t sample, float threshold, int32_t width,
    int32_t height, bittern_detection* detections, size_t* count);
/* *count: in, capacity of `entries`; out, number of ops. `entries` may be NULL
 * to ask for it; entries[0].struct_size must be set and holds for all. */
BITTERN_API bittern_status
bittern_session_profile(const bittern_session* session,
                        bittern_profile_entry* entries, size_t* count);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BITTERN_BITTERN_H_ */
