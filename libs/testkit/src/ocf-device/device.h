// A device of OCF for the tests, made of libcoap: it signs in and serves resources on one connection.
#ifndef SALLYPORT_OCF_DEVICE_H
#define SALLYPORT_OCF_DEVICE_H

// For memmem and open_memstream.
#define _GNU_SOURCE

#include <coap3/coap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// application/vnd.ocf+cbor
enum { OCF_CBOR = 10000 };

struct device_options {
  const char *uri, *certificate, *key, *ca, *device_id;
  // /oic/res can be observed, and tells all values at once (interface oic.if.b).
  bool is_batch;
  // How long /light/1 thinks before it answers, in milliseconds.
  unsigned slow_ms;
  // What /light/1 does instead of its work: "silent", "garbage", "huge" or "missing"; NULL for nothing.
  const char *misbehaviour;
};

// resources.c
void serve_resources(coap_context_t *context, const struct device_options *options);
void switch_light(bool is_on);

// cbor.c
struct cbor_writer {
  uint8_t bytes[2048];
  size_t length;
};
void cbor_map(struct cbor_writer *to, unsigned entries);
void cbor_array(struct cbor_writer *to, unsigned entries);
void cbor_text(struct cbor_writer *to, const char *text);
void cbor_number(struct cbor_writer *to, unsigned number);
void cbor_bool(struct cbor_writer *to, bool value);
// Prints it as people write it (RFC 8949 section 8), or as hexadecimal digits when it is no CBOR.
void print_cbor(const uint8_t *bytes, size_t length);

#endif
