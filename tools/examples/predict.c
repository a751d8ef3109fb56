/* One cell image through an exported .tflite file, in C: no Python, no TensorFlow.
 *
 *   LITERT=$(python -c 'import ai_edge_litert, os; print(os.path.dirname(ai_edge_litert.__file__))')
 *   cc -std=c11 -O2 tools/examples/predict.c -o predict "$LITERT/libLiteRt.so" -Wl,-rpath,"$LITERT" -lm
 *   ./predict exports/ctc/1/model_int8.tflite cell.pgm
 *
 * Prints the probability of the positive class and the call: positive if it reaches the model's threshold, else negative,
 * or other if the model has this class and it is the more probable of the two. The image is a binary PGM
 * ("P5") of 8 or 16 bits whose maximum value is the full scale of the model's bit depth. It has the model's size, or any
 * size if the model's record says crop_or_pad. A PGM file declares no scale: the caller must see to it that the image has
 * the micrometres per pixel of the record (mpp of dataset). From a PNG or TIFF of 12 bits:
 * `python -c 'import sys; from tfctc.io.pixels import read_plane; p = read_plane(sys.argv[1]).pixels;
 * sys.stdout.buffer.write(b"P5 %d %d 4095\n" % p.shape[::-1] + p.astype(">u2").tobytes())' cell.png >cell.pgm`.
 * Exit code 2 and one line if anything is not as it should be. This example does not compute `quality`: an empty or
 * damaged image gets a probability like any other. `tfctc predict` computes it.
 *
 * libLiteRt.so comes with the Python package ai-edge-litert, which ships no headers. The few prototypes and the two
 * structs of its C interface that are needed here are declared below, for LiteRT 2.3. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Environment *Environment;
typedef struct Model *Model;
typedef struct Options *Options;
typedef struct CompiledModel *CompiledModel;
typedef struct Signature *Signature;
typedef struct Tensor *Tensor;
typedef struct Requirements *Requirements;
typedef struct Buffer *Buffer;
enum { FLOAT32 = 1, INT8 = 9, CPU = 1, READ = 0, WRITE = 1 };
typedef struct {
  int element_type;
  unsigned rank : 7, has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
} TensorType;
typedef struct {
  float scale;
  int64_t zero_point;
} Quantization;
_Static_assert(sizeof(TensorType) == 72, "LiteRtRankedTensorType has 72 bytes");

int LiteRtCreateEnvironment(int, const void *, Environment *);
int LiteRtCreateModelFromFile(Environment, const char *, Model *);
int LiteRtGetModelSignature(Model, size_t, Signature *);
int LiteRtGetSignatureInputTensorByIndex(Signature, size_t, Tensor *);
int LiteRtGetSignatureOutputTensorByIndex(Signature, size_t, Tensor *);
int LiteRtGetRankedTensorType(Tensor, TensorType *);
int LiteRtGetPerTensorQuantization(Tensor, Quantization *);
int LiteRtCreateOptions(Options *);
int LiteRtSetOptionsHardwareAccelerators(Options, int);
int LiteRtCreateCompiledModel(Environment, Model, Options, CompiledModel *);
int LiteRtGetCompiledModelInputBufferRequirements(CompiledModel, size_t, size_t, Requirements *);
int LiteRtGetCompiledModelOutputBufferRequirements(CompiledModel, size_t, size_t, Requirements *);
int LiteRtCreateManagedTensorBufferFromRequirements(Environment, const TensorType *, Requirements, Buffer *);
int LiteRtLockTensorBuffer(Buffer, void **, int);
int LiteRtUnlockTensorBuffer(Buffer);
int LiteRtRunCompiledModel(CompiledModel, size_t, size_t, Buffer *, size_t, Buffer *);
void LiteRtDestroyTensorBuffer(Buffer);
void LiteRtDestroyCompiledModel(CompiledModel);
void LiteRtDestroyOptions(Options);
void LiteRtDestroyModel(Model);
void LiteRtDestroyEnvironment(Environment);

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("predict: error: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  exit(2);
}

/* A LiteRT call that must return 0. */
#define CHECK(path, call)                                                              \
  do {                                                                                 \
    int status = (call);                                                               \
    if (status) fail("%s: cannot be run (LiteRT status %d at %s)", path, status, #call); \
  } while (0)

/* The number behind `"name": ` in the record that tfctc appends to a .tflite file as plain text; 1 for true, 0 for false,
 * `missing` if the record has no such name. */
static double recorded(const char *path, const char *name, double missing) {
  FILE *file = fopen(path, "rb");
  if (!file) fail("%s: cannot be read", path);
  fseek(file, 0, SEEK_END);
  long size = ftell(file), found = -1;
  rewind(file);
  char *text = malloc(size + 1), key[64];
  if (size < 0 || !text || fread(text, 1, size, file) != (size_t)size) fail("%s: cannot be read", path);
  fclose(file);
  text[size] = 0;
  size_t length = snprintf(key, sizeof key, "\"%s\": ", name);
  for (long i = size - (long)length; i >= 0 && found < 0; i--)
    if (!memcmp(text + i, key, length)) found = i + length;
  if (found < 0 && isnan(missing)) fail("%s: holds no record of tfctc", path);
  double value = found < 0 ? missing : text[found] == 't' ? 1 : strtod(text + found, NULL);
  free(text);
  return value;
}

/* A number of a PGM header: blanks and comments are passed over. */
static int header_number(FILE *file, const char *path) {
  int c = fgetc(file), value = 0, digits = 0;
  while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
    if (c == '#')
      while (c != '\n' && c != EOF) c = fgetc(file);
    c = fgetc(file);
  }
  for (; c >= '0' && c <= '9' && digits < 9; c = fgetc(file), digits++) value = 10 * value + (c - '0');
  if (!digits) fail("%s: is not a binary PGM", path);
  return value;
}

static int compare(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* The middle of an image of h x w pixels as one of height x width, never resized. Padding is the lower median of the
 * outermost pixels; an odd number of rows or columns loses or gains the greater part at its end. */
static float *crop_or_pad(float *pixels, int h, int w, int height, int width) {
  float *border = malloc(sizeof(float) * h * w), *result = malloc(sizeof(float) * height * width);
  if (!border || !result) fail("not enough memory");
  int count = 0;
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++)
      if (y == 0 || y == h - 1 || x == 0 || x == w - 1) border[count++] = pixels[y * w + x];
  qsort(border, count, sizeof(float), compare);
  int cut_y = h > height ? (h - height) / 2 : 0, cut_x = w > width ? (w - width) / 2 : 0;
  int gap_y = height > h ? (height - h) / 2 : 0, gap_x = width > w ? (width - w) / 2 : 0;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      int from_y = y - gap_y, from_x = x - gap_x;
      int inside = from_y >= 0 && from_x >= 0 && from_y < h && from_x < w;
      result[y * width + x] = inside ? pixels[(from_y + cut_y) * w + from_x + cut_x] : border[(count - 1) / 2];
    }
  free(border);
  free(pixels);
  return result;
}

/* Pixels of a PGM as an image of height x width, divided by its full scale, which must be the model's. A PGM of another
 * size is cropped or padded if the model was trained so; otherwise it is an error. */
static float *read_image(const char *path, int height, int width, int full_scale, int any_size) {
  FILE *file = fopen(path, "rb");
  if (!file) fail("%s: cannot be read", path);
  if (fgetc(file) != 'P' || fgetc(file) != '5') fail("%s: is not a binary PGM", path);
  int w = header_number(file, path), h = header_number(file, path), most = header_number(file, path);
  int fits = h == height && w == width;
  if (!fits && !any_size) fail("%s: is %d x %d px, %d x %d expected", path, h, w, height, width);
  if (h < 1 || w < 1 || h > 8192 || w > 8192) fail("%s: is %d x %d px, which is no cell", path, h, w);
  if (most != full_scale) fail("%s: has a maximum value of %d, %d expected", path, most, full_scale);
  float *pixels = malloc(sizeof(float) * h * w);
  if (!pixels) fail("not enough memory");
  for (int i = 0; i < h * w; i++) {
    int value = fgetc(file);
    if (most > 255 && value != EOF) {
      int low = fgetc(file);
      value = low == EOF ? EOF : value << 8 | low;
    }
    if (value == EOF) fail("%s: is truncated", path);
    if (value > full_scale) fail("%s: has a pixel of %d, above %d", path, value, full_scale);
    pixels[i] = (float)value / (float)full_scale;
  }
  fclose(file);
  return fits ? pixels : crop_or_pad(pixels, h, w, height, width);
}

int main(int count, char **words) {
  if (count != 3) fail("two files are expected: predict MODEL.tflite IMAGE.pgm");
  const char *path = words[1];
  int full_scale = (1 << (int)recorded(path, "bit_depth", NAN)) - 1;
  double threshold = recorded(path, "threshold", NAN);

  Environment environment;
  Model model;
  Signature signature;
  Tensor tensors[2];
  TensorType types[2];
  Quantization scales[2];
  Options options;
  CompiledModel network;
  Requirements needs[2];
  Buffer buffers[2];
  CHECK(path, LiteRtCreateEnvironment(0, NULL, &environment));
  CHECK(path, LiteRtCreateModelFromFile(environment, path, &model));
  CHECK(path, LiteRtGetModelSignature(model, 0, &signature));
  CHECK(path, LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensors[0]));
  CHECK(path, LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensors[1]));
  CHECK(path, LiteRtCreateOptions(&options));
  CHECK(path, LiteRtSetOptionsHardwareAccelerators(options, CPU));
  CHECK(path, LiteRtCreateCompiledModel(environment, model, options, &network));
  CHECK(path, LiteRtGetCompiledModelInputBufferRequirements(network, 0, 0, &needs[0]));
  CHECK(path, LiteRtGetCompiledModelOutputBufferRequirements(network, 0, 0, &needs[1]));
  for (int i = 0; i < 2; i++) {
    CHECK(path, LiteRtGetRankedTensorType(tensors[i], &types[i]));
    if (types[i].element_type == INT8) CHECK(path, LiteRtGetPerTensorQuantization(tensors[i], &scales[i]));
    else if (types[i].element_type != FLOAT32) fail("%s: is of another type than float32 and int8", path);
    CHECK(path, LiteRtCreateManagedTensorBufferFromRequirements(environment, &types[i], needs[i], &buffers[i]));
  }

  int height = types[0].dimensions[1], width = types[0].dimensions[2];
  float *pixels = read_image(words[2], height, width, full_scale, recorded(path, "crop_or_pad", 0) != 0);
  void *memory;
  CHECK(path, LiteRtLockTensorBuffer(buffers[0], &memory, WRITE));
  for (int i = 0; i < height * width; i++) {
    if (types[0].element_type == FLOAT32) {
      ((float *)memory)[i] = pixels[i];
    } else {
      float step = rintf(pixels[i] / scales[0].scale + (float)scales[0].zero_point);
      ((int8_t *)memory)[i] = (int8_t)fminf(fmaxf(step, -128.0f), 127.0f);
    }
  }
  CHECK(path, LiteRtUnlockTensorBuffer(buffers[0]));
  CHECK(path, LiteRtRunCompiledModel(network, 0, 1, &buffers[0], 1, &buffers[1]));
  CHECK(path, LiteRtLockTensorBuffer(buffers[1], &memory, READ));
  int classes = types[1].rank > 1 ? types[1].dimensions[1] : 1;
  float found[3] = {0};
  if (classes != 1 && classes != 3) fail("%s: gives %d numbers, 1 or 3 expected", path, classes);
  for (int i = 0; i < classes; i++)
    found[i] = types[1].element_type == FLOAT32
                   ? ((float *)memory)[i]
                   : ((float)((int8_t *)memory)[i] - (float)scales[1].zero_point) * scales[1].scale;
  CHECK(path, LiteRtUnlockTensorBuffer(buffers[1]));
  float probability = classes == 3 ? found[1] : found[0];
  const char *below = classes == 3 && found[2] > found[0] ? "other" : "negative";
  printf("%.9g %s\n", probability, (double)probability >= threshold ? "positive" : below);

  free(pixels);
  for (int i = 0; i < 2; i++) LiteRtDestroyTensorBuffer(buffers[i]);
  LiteRtDestroyCompiledModel(network);
  LiteRtDestroyOptions(options);
  LiteRtDestroyModel(model);
  LiteRtDestroyEnvironment(environment);
  return 0;
}
