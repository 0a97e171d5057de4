/* Runs a model on zeros and prints its labels. */
#include <bittern/bittern.h>
#include <stdio.h>

int main(int argc, char** argv) {
  bittern_model* model = NULL;
  bittern_session* session = NULL;
  const char* label = NULL;
  const char* const keys[] = {"label.0", "label.1", "label.2"};
  int i;
  if (argc != 2 ||
      bittern_model_load_file(argv[1], NULL, &model) != BITTERN_STATUS_OK ||
      bittern_session_create(model, NULL, &session) != BITTERN_STATUS_OK ||
      bittern_session_prepare(session) != BITTERN_STATUS_OK ||
      bittern_session_run(session) != BITTERN_STATUS_OK) {
    fprintf(stderr, "%s\n", bittern_last_error());
    return 1;
  }
  printf("ran");
  for (i = 0; i < 3; ++i) {
    if (bittern_model_metadata(model, keys[i], &label) == BITTERN_STATUS_OK)
      printf(" %s", label);
  }
  printf("\n");
  bittern_session_release(session);
  bittern_model_release(model);
  return 0;
}
