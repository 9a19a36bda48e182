// As much of CBOR (RFC 8949) as OCF needs.
#include "device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum major { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

static void put(struct cbor_writer *to, uint8_t byte) {
  if (to->length < sizeof to->bytes) to->bytes[to->length++] = byte;
}

static void put_head(struct cbor_writer *to, enum major major, unsigned value) {
  uint8_t type = (uint8_t)(major << 5);
  if (value < 24) {
    put(to, type | (uint8_t)value);
  } else if (value < 256) {
    put(to, type | 24);
    put(to, (uint8_t)value);
  } else {
    put(to, type | 25);
    put(to, (uint8_t)(value >> 8));
    put(to, (uint8_t)value);
  }
}

void cbor_map(struct cbor_writer *to, unsigned entries) { put_head(to, MAP, entries); }
void cbor_array(struct cbor_writer *to, unsigned entries) { put_head(to, ARRAY, entries); }
void cbor_number(struct cbor_writer *to, unsigned number) { put_head(to, UNSIGNED, number); }
void cbor_bool(struct cbor_writer *to, bool value) { put(to, value ? 0xf5 : 0xf4); }

void cbor_text(struct cbor_writer *to, const char *text) {
  put_head(to, TEXT, (unsigned)strlen(text));
  for (; *text != '\0'; text++) put(to, (uint8_t)*text);
}

struct reader {
  const uint8_t *at, *end;
};

// False when the bytes end too early, or the length is not known from the head.
static bool read_head(struct reader *from, enum major *major, uint64_t *value) {
  if (from->at == from->end) return false;
  uint8_t first = *from->at++;
  unsigned more = first & 0x1f;
  *major = (enum major)(first >> 5);
  if (more < 24) {
    *value = more;
    return true;
  }
  if (more > 27 || from->end - from->at < (1 << (more - 24))) return false;
  *value = 0;
  for (int left = 1 << (more - 24); left > 0; left--) *value = *value << 8 | *from->at++;
  return true;
}

static bool write_item(FILE *to, struct reader *from, int depth);

static bool write_array(FILE *to, struct reader *from, uint64_t entries, int depth) {
  fputc('[', to);
  for (uint64_t entry = 0; entry < entries; entry++) {
    if (entry > 0) fputs(", ", to);
    if (!write_item(to, from, depth)) return false;
  }
  fputc(']', to);
  return true;
}

static bool write_map(FILE *to, struct reader *from, uint64_t entries, int depth) {
  fputc('{', to);
  for (uint64_t entry = 0; entry < entries; entry++) {
    if (entry > 0) fputs(", ", to);
    if (!write_item(to, from, depth)) return false;
    fputs(": ", to);
    if (!write_item(to, from, depth)) return false;
  }
  fputc('}', to);
  return true;
}

static bool write_bytes(FILE *to, struct reader *from, uint64_t length, bool is_text) {
  if ((uint64_t)(from->end - from->at) < length) return false;
  fputs(is_text ? "\"" : "h'", to);
  for (; length > 0; length--, from->at++) {
    if (!is_text) fprintf(to, "%02x", *from->at);
    else if (*from->at == '"' || *from->at == '\\') fprintf(to, "\\%c", *from->at);
    else fputc(*from->at, to);
  }
  fputc(is_text ? '"' : '\'', to);
  return true;
}

static bool write_simple(FILE *to, uint64_t value) {
  static const char *const names[] = {"false", "true", "null", "undefined"};
  if (value < 20 || value > 23) return false;
  fputs(names[value - 20], to);
  return true;
}

static bool write_item(FILE *to, struct reader *from, int depth) {
  enum major major;
  uint64_t value;
  if (depth == 0 || !read_head(from, &major, &value)) return false;
  switch (major) {
  case UNSIGNED:
    fprintf(to, "%" PRIu64, value);
    return true;
  case NEGATIVE:
    fprintf(to, "-%" PRIu64, value + 1);
    return true;
  case BYTES:
  case TEXT:
    return write_bytes(to, from, value, major == TEXT);
  case ARRAY:
    return write_array(to, from, value, depth - 1);
  case MAP:
    return write_map(to, from, value, depth - 1);
  case SIMPLE:
    return write_simple(to, value);
  default:
    return false;
  }
}

void print_cbor(const uint8_t *bytes, size_t length) {
  char *text = NULL;
  size_t size = 0;
  FILE *memory = open_memstream(&text, &size);
  struct reader from = {bytes, bytes + length};
  bool is_cbor = write_item(memory, &from, 16) && from.at == from.end;
  fclose(memory);
  if (is_cbor) fputs(text, stdout);
  else
    for (size_t index = 0; index < length; index++) printf("%02x", bytes[index]);
  free(text);
}
