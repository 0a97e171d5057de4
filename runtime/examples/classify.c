/* classify: the whole C API on one page. Reads a model and a binary PPM or PGM
 * image, prints the five best labels.
 *
 *   cc -std=c99 classify.c $(pkg-config --cflags --libs bittern) -o classify
 *   ./classify model.bittern picture.ppm
 */
#include <bittern/bittern.h>
#include <stdio.h>
#include <stdlib.h>

enum { kBest = 5 };

typedef struct Picture {
  unsigned char* pixels;
  int width, height, channels;
} Picture;

/* Reads "P5" (grey) or "P6" (RGB) with 8 bits a channel. Returns 0 if the file
 * is something else. */
static int read_picture(const char* path, Picture* picture) {
  char kind = 0;
  int max_value = 0;
  size_t size = 0;
  FILE* file = fopen(path, "rb");
  if (file == NULL) return 0;
  if (fscanf(file, "P%c %d %d %d", &kind, &picture->width, &picture->height,
             &max_value) == 4 &&
      (kind == '5' || kind == '6') && max_value == 255 && picture->width > 0 &&
      picture->height > 0 && picture->width <= 16384 &&
      picture->height <= 16384 && fgetc(file) != EOF) {
    picture->channels = kind == '6' ? 3 : 1;
    size = (size_t)picture->width * (size_t)picture->height *
           (size_t)picture->channels;
    picture->pixels = malloc(size);
    if (picture->pixels != NULL &&
        fread(picture->pixels, 1, size, file) != size) {
      free(picture->pixels);
      picture->pixels = NULL;
    }
  }
  fclose(file);
  return picture->pixels != NULL;
}

/* Index of the largest score that is smaller than `below`, or equal to it but
 * later than `after`; -1 if there is none. */
static long next_best(const float* scores, long count, float below,
                      long after) {
  long best = -1;
  long i;
  for (i = 0; i < count; ++i) {
    const int is_left =
        after < 0 || scores[i] < below || (scores[i] == below && i > after);
    if (is_left && (best < 0 || scores[i] > scores[best])) best = i;
  }
  return best;
}

static void print_best(const bittern_model* model, const float* scores,
                       long count) {
  float below = 0;
  long index = -1;
  int rank;
  for (rank = 0; rank < kBest; ++rank) {
    char key[32];
    const char* label = NULL;
    index = next_best(scores, count, below, index);
    if (index < 0) return;
    below = scores[index];
    snprintf(key, sizeof(key), "label.%ld", index);
    if (bittern_model_metadata(model, key, &label) != BITTERN_STATUS_OK)
      label = "(no label)";
    printf("%ld %s %.4f\n", index, label, (double)below);
  }
}

static bittern_status classify(const char* model_path, const Picture* picture) {
  bittern_model* model = NULL;
  bittern_session* session = NULL;
  bittern_tensor_view scores = BITTERN_TENSOR_VIEW_INIT;
  bittern_image image = BITTERN_IMAGE_INIT;
  bittern_status status = bittern_model_load_file(model_path, NULL, &model);
  image.pixels = picture->pixels;
  image.width = picture->width;
  image.height = picture->height;
  image.channels = picture->channels;
  if (status == BITTERN_STATUS_OK)
    status = bittern_session_create(model, NULL, &session);
  if (status == BITTERN_STATUS_OK) status = bittern_session_prepare(session);
  if (status == BITTERN_STATUS_OK)
    status = bittern_session_set_image(session, 0, &image);
  if (status == BITTERN_STATUS_OK) status = bittern_session_run(session);
  if (status == BITTERN_STATUS_OK)
    status = bittern_session_output(session, 0, &scores);
  if (status == BITTERN_STATUS_OK && scores.dtype == BITTERN_DTYPE_F32) {
    print_best(model, scores.data, (long)(scores.bytes / sizeof(float)));
  }
  bittern_session_release(session);
  bittern_model_release(model);
  return status;
}

int main(int argc, char** argv) {
  Picture picture = {NULL, 0, 0, 0};
  bittern_status status;
  if (argc != 3) {
    fprintf(stderr, "usage: %s MODEL.bittern PICTURE.ppm|PICTURE.pgm\n",
            argv[0]);
    return 2;
  }
  if (!read_picture(argv[2], &picture)) {
    fprintf(stderr,
            "'%s': got no binary PPM or PGM picture with 8 bits a channel, "
            "expected one\n",
            argv[2]);
    return 1;
  }
  status = classify(argv[1], &picture);
  free(picture.pixels);
  if (status == BITTERN_STATUS_OK) return 0;
  fprintf(stderr, "%s: %s\n", bittern_status_string(status),
          bittern_last_error());
  return 1;
}
