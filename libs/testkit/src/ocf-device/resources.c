// What the device serves: its description, a light, and the list of its links.
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// More than a gateway takes.
enum { HUGE_BYTES = 2000000 };

static const struct device_options *device;
static coap_resource_t *light, *links;
static bool is_light_on;

static void forget(coap_session_t *session, void *body) {
  (void)session;
  free(body);
}

static void answer(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                   const coap_string_t *query, coap_pdu_t *response, const void *body, size_t length) {
  void *copy = malloc(length);
  memcpy(copy, body, length);
  coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
  coap_add_data_large_response(resource, session, request, response, query, OCF_CBOR, -1, 0, length, copy, forget,
                               copy);
}

static bool has_query(const coap_string_t *query, const char *wanted) {
  return query != NULL && strstr((const char *)query->s, wanted) != NULL;
}

static void report(const char *method, const char *path, const coap_string_t *query) {
  printf("<- %s %s%s%.*s\n", method, path, query == NULL ? "" : "?", query == NULL ? 0 : (int)query->length,
         query == NULL ? "" : (const char *)query->s);
}

static void put_link(struct cbor_writer *to, const char *href, const char *const types[2], bool is_observable) {
  cbor_map(to, 4);
  cbor_text(to, "href");
  cbor_text(to, href);
  cbor_text(to, "rt");
  cbor_array(to, 1);
  cbor_text(to, types[0]);
  cbor_text(to, "if");
  cbor_array(to, 2);
  cbor_text(to, types[1]);
  cbor_text(to, "oic.if.baseline");
  cbor_text(to, "p");
  cbor_map(to, 1);
  cbor_text(to, "bm");
  cbor_number(to, is_observable ? 3 : 1);
}

static void put_light(struct cbor_writer *to) {
  cbor_map(to, 2);
  cbor_text(to, "state");
  cbor_bool(to, is_light_on);
  cbor_text(to, "power");
  cbor_number(to, is_light_on ? 100 : 0);
}

static void put_description(struct cbor_writer *to) {
  cbor_map(to, 2);
  cbor_text(to, "di");
  cbor_text(to, device->device_id);
  cbor_text(to, "n");
  cbor_text(to, "lamp");
}

static void put_links(struct cbor_writer *to) {
  static const char *const description[2] = {"oic.wk.d", "oic.if.r"}, *const lamp[2] = {"oic.r.light", "oic.if.rw"};
  static const char *const batch[2] = {"oic.wk.res", "oic.if.b"}, *const list[2] = {"oic.wk.res", "oic.if.ll"};
  cbor_array(to, 3);
  put_link(to, "/oic/res", device->is_batch ? batch : list, device->is_batch);
  put_link(to, "/oic/d", description, false);
  put_link(to, "/light/1", lamp, true);
}

// All values at once (OCF Core section 7.6.3.4).
static void put_batch(struct cbor_writer *to) {
  cbor_array(to, 2);
  cbor_map(to, 2);
  cbor_text(to, "href");
  cbor_text(to, "/oic/d");
  cbor_text(to, "rep");
  put_description(to);
  cbor_map(to, 2);
  cbor_text(to, "href");
  cbor_text(to, "/light/1");
  cbor_text(to, "rep");
  put_light(to);
}

static void get_links(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                      const coap_string_t *query, coap_pdu_t *response) {
  struct cbor_writer body = {.length = 0};
  report("GET", "/oic/res", query);
  if (has_query(query, "if=oic.if.b") && !has_query(query, "if=oic.if.baseline")) {
    if (!device->is_batch) return coap_pdu_set_code(response, COAP_RESPONSE_CODE_BAD_REQUEST);
    put_batch(&body);
  } else {
    put_links(&body);
  }
  answer(resource, session, request, query, response, body.bytes, body.length);
}

static void get_description(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                            const coap_string_t *query, coap_pdu_t *response) {
  struct cbor_writer body = {.length = 0};
  report("GET", "/oic/d", query);
  put_description(&body);
  answer(resource, session, request, query, response, body.bytes, body.length);
}

// True when there is nothing left to do: the answer comes later, never, or is a wrong one.
static bool misbehaves(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                       const coap_string_t *query, coap_pdu_t *response) {
  const char *how = device->misbehaviour;
  if (how == NULL) return false;
  if (strcmp(how, "garbage") == 0)
    answer(resource, session, request, query, response, "\xa1\xff\xff", 3);
  else if (strcmp(how, "missing") == 0)
    coap_pdu_set_code(response, COAP_RESPONSE_CODE_NOT_FOUND);
  else if (strcmp(how, "huge") == 0) {
    uint8_t *bytes = calloc(1, HUGE_BYTES);
    answer(resource, session, request, query, response, bytes, HUGE_BYTES);
    free(bytes);
  }
  // "silent": a response without a code is not sent.
  return true;
}

static bool waits(coap_session_t *session, const coap_pdu_t *request) {
  if (device->slow_ms == 0 || request == NULL) return false;
  if (coap_find_async(session, coap_pdu_get_token(request)) != NULL) return false;
  coap_register_async(session, request, device->slow_ms * COAP_TICKS_PER_SECOND / 1000);
  return true;
}

static void get_light(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                      const coap_string_t *query, coap_pdu_t *response) {
  if (waits(session, request)) return;
  report("GET", "/light/1", query);
  if (misbehaves(resource, session, request, query, response)) return;
  struct cbor_writer body = {.length = 0};
  put_light(&body);
  answer(resource, session, request, query, response, body.bytes, body.length);
}

static void post_light(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                       const coap_string_t *query, coap_pdu_t *response) {
  static const uint8_t key[] = {0x65, 's', 't', 'a', 't', 'e'};
  size_t length = 0;
  const uint8_t *bytes = NULL;
  if (waits(session, request)) return;
  report("POST", "/light/1", query);
  if (misbehaves(resource, session, request, query, response)) return;
  const uint8_t *found = coap_get_data(request, &length, &bytes) ? memmem(bytes, length, key, sizeof key) : NULL;
  size_t after = found == NULL ? length : (size_t)(found - bytes) + sizeof key;
  if (after >= length || (bytes[after] & 0xfe) != 0xf4)
    return coap_pdu_set_code(response, COAP_RESPONSE_CODE_BAD_REQUEST);
  switch_light(bytes[after] == 0xf5);
  struct cbor_writer body = {.length = 0};
  put_light(&body);
  answer(resource, session, request, query, response, body.bytes, body.length);
  coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
}

void switch_light(bool is_on) {
  if (is_on == is_light_on) return;
  is_light_on = is_on;
  coap_resource_notify_observers(light, NULL);
  if (device->is_batch) coap_resource_notify_observers(links, NULL);
}

static coap_resource_t *serve(coap_context_t *context, const char *path, coap_method_handler_t get) {
  coap_resource_t *resource = coap_resource_init(coap_make_str_const(path), 0);
  coap_register_request_handler(resource, COAP_REQUEST_GET, get);
  coap_add_resource(context, resource);
  return resource;
}

void serve_resources(coap_context_t *context, const struct device_options *options) {
  device = options;
  links = serve(context, "oic/res", get_links);
  coap_resource_set_get_observable(links, options->is_batch);
  serve(context, "oic/d", get_description);
  light = serve(context, "light/1", get_light);
  coap_resource_set_get_observable(light, 1);
  coap_register_request_handler(light, COAP_REQUEST_POST, post_light);
}
