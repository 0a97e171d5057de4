/* bittern.h compiles as C99 with -pedantic -Werror, and the functions that need
 * no model work from C. Exit code: the failing line. */
#include <bittern/bittern.h>
#include <string.h>

#define EXPECT(condition)              \
  do {                                 \
    if (!(condition)) return __LINE__; \
  } while (0)

int main(void) {
  bittern_cpu_info cpu = BITTERN_CPU_INFO_INIT;
  bittern_model_options model_options = BITTERN_MODEL_OPTIONS_INIT;
  bittern_session_options session_options = BITTERN_SESSION_OPTIONS_INIT;
  bittern_tensor_info info = BITTERN_TENSOR_INFO_INIT;
  bittern_tensor_view view = BITTERN_TENSOR_VIEW_INIT;
  bittern_image image = BITTERN_IMAGE_INIT;
  bittern_profile_entry entry = BITTERN_PROFILE_ENTRY_INIT;
  bittern_model* model = (bittern_model*)&cpu;
  EXPECT(model_options.struct_size == sizeof(model_options) &&
         model_options.flags == 0);
  EXPECT(session_options.struct_size == sizeof(session_options) &&
         session_options.max_target == NULL);
  EXPECT(info.struct_size == sizeof(info) && view.struct_size == sizeof(view));
  EXPECT(image.struct_size == sizeof(image) &&
         entry.struct_size == sizeof(entry));
  EXPECT(bittern_version() == BITTERN_VERSION_MAJOR * 1000000 +
                                  BITTERN_VERSION_MINOR * 1000 +
                                  BITTERN_VERSION_PATCH);
  EXPECT(strcmp(bittern_last_error(), "") == 0);
  EXPECT(bittern_cpu_features(&cpu) == BITTERN_STATUS_OK &&
         strlen(cpu.chosen) > 0);
  EXPECT(bittern_model_load_file("/nothing/here", &model_options, &model) ==
         BITTERN_STATUS_NOT_FOUND);
  EXPECT(model == NULL);
  EXPECT(strstr(bittern_last_error(), "/nothing/here") != NULL);
  return 0;
}
