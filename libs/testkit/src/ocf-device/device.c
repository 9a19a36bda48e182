// Connects, sends the requests that it reads from standard input, one after the other, and serves its resources:
//
//   POST /oic/sec/session sign-in.cbor      with the content of a file
//   POST /authz-info token.txt 0            of another format than 10000
//   POST /.well-known/est/sen csr 286 287   the same, and the format of the answer
//   GET /oic/rd?rt=oic.wk.rdpub
//   DELETE /oic/sec/account
//   light on                                changes the light; whoever observes it is told
//
// Prints the answer of each request ("2.04 {...}"), and each request that it gets ("<- GET /light/1"). Ends with 0 when
// the input ends (with --stay it goes on), and with 1 when the connection ends first.
#include "device.h"

#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 1024, ANSWER_SECONDS = 30 };

static coap_context_t *context;
static coap_session_t *session;
static bool is_connected, is_gone, is_waiting;

static void fail(const char *what) {
  fprintf(stderr, "ocf-device: %s\n", what);
  exit(2);
}

static void release_body(coap_session_t *of, void *body) {
  (void)of;
  free(body);
}

static coap_response_t on_response(coap_session_t *from, const coap_pdu_t *sent, const coap_pdu_t *received,
                                   const coap_mid_t mid) {
  (void)from, (void)sent, (void)mid;
  coap_pdu_code_t code = coap_pdu_get_code(received);
  size_t length = 0, offset, total;
  const uint8_t *body = NULL;
  coap_get_data_large(received, &length, &body, &offset, &total);
  printf("%u.%02u", code >> 5, code & 0x1f);
  if (length > 0) {
    putchar(' ');
    // Faults come with a text (RFC 7252 section 5.5.2).
    if (code >> 5 == 2) print_cbor(body, length);
    else printf("%.*s", (int)length, (const char *)body);
  }
  putchar('\n');
  is_waiting = false;
  return COAP_RESPONSE_OK;
}

static int on_event(coap_session_t *of, const coap_event_t event) {
  (void)of;
  if (event == COAP_EVENT_SESSION_CONNECTED) is_connected = true;
  if (event == COAP_EVENT_DTLS_CLOSED || event == COAP_EVENT_DTLS_ERROR || event == COAP_EVENT_TCP_CLOSED ||
      event == COAP_EVENT_TCP_FAILED || event == COAP_EVENT_SESSION_CLOSED || event == COAP_EVENT_SESSION_FAILED)
    is_gone = true;
  return 0;
}

static coap_address_t resolve(const coap_uri_t *uri) {
  char host[256], port[8];
  snprintf(host, sizeof host, "%.*s", (int)uri->host.length, (const char *)uri->host.s);
  snprintf(port, sizeof port, "%u", uri->port);
  const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  if (getaddrinfo(host, port, &hints, &found) != 0) fail("the host is not known");
  coap_address_t address;
  coap_address_init(&address);
  address.size = found->ai_addrlen;
  memcpy(&address.addr, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return address;
}

static void connect_to(const struct device_options *options) {
  coap_uri_t uri;
  if (coap_split_uri((const uint8_t *)options->uri, strlen(options->uri), &uri) < 0) fail("that is no URI");
  coap_address_t address = resolve(&uri);
  char host[256];
  snprintf(host, sizeof host, "%.*s", (int)uri.host.length, (const char *)uri.host.s);
  coap_dtls_pki_t pki = {
    .version = COAP_DTLS_PKI_SETUP_VERSION,
    .verify_peer_cert = 1,
    .cert_chain_validation = 1,
    .cert_chain_verify_depth = 3,
    // The root of a CA signs itself.
    .allow_self_signed = 1,
    .client_sni = host,
    .pki_key = {.key_type = COAP_PKI_KEY_PEM,
                .key.pem = {.public_cert = options->certificate, .private_key = options->key}},
  };
  coap_context_set_pki_root_cas(context, options->ca, NULL);
  session = coap_new_client_session_pki(context, NULL, &address, COAP_PROTO_TLS, &pki);
  if (session == NULL) fail("no session");
}

static void add_target(coap_optlist_t **options, const char *target) {
  uint8_t buffer[LINE_BYTES], *segment = buffer;
  size_t size = sizeof buffer, path_length = strcspn(target, "?");
  int count = coap_split_path((const uint8_t *)target + 1, path_length - 1, buffer, &size);
  for (; count > 0; count--, segment += coap_opt_size(segment))
    coap_insert_optlist(options, coap_new_optlist(COAP_OPTION_URI_PATH, coap_opt_length(segment), coap_opt_value(segment)));
  if (target[path_length] == '\0') return;
  size = sizeof buffer, segment = buffer;
  const char *query = target + path_length + 1;
  count = coap_split_query((const uint8_t *)query, strlen(query), buffer, &size);
  for (; count > 0; count--, segment += coap_opt_size(segment))
    coap_insert_optlist(options, coap_new_optlist(COAP_OPTION_URI_QUERY, coap_opt_length(segment), coap_opt_value(segment)));
}

static void add_number(coap_optlist_t **options, uint16_t option, unsigned value) {
  uint8_t bytes[4];
  coap_insert_optlist(options, coap_new_optlist(option, coap_encode_var_safe(bytes, sizeof bytes, value), bytes));
}

static uint8_t *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail("the file cannot be read");
  uint8_t *bytes = malloc(1 << 20);
  *length = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

// More than any number of a content format.
enum { NO_FORMAT = 65536 };

// Numbers of content formats; "content" is that of the file.
struct formats {
  unsigned content, accepted;
};

static void send_request(coap_pdu_code_t method, const char *target, const char *path, struct formats formats) {
  coap_pdu_t *request = coap_new_pdu(COAP_MESSAGE_CON, method, session);
  uint8_t token[8];
  size_t length;
  coap_session_new_token(session, &length, token);
  coap_add_token(request, length, token);
  coap_optlist_t *options = NULL;
  add_target(&options, target);
  if (path != NULL) add_number(&options, COAP_OPTION_CONTENT_FORMAT, formats.content);
  if (formats.accepted != NO_FORMAT) add_number(&options, COAP_OPTION_ACCEPT, formats.accepted);
  // Devices of OCF send both, and both are critical: 2048 is OCF 1.0.
  if (path != NULL && formats.content == OCF_CBOR) add_number(&options, 2053, 2048);
  if (formats.accepted == OCF_CBOR) add_number(&options, 2049, 2048);
  coap_add_optlist_pdu(request, &options);
  coap_delete_optlist(options);
  if (path != NULL) {
    uint8_t *body = read_file(path, &length);
    coap_add_data_large_request(session, request, length, body, release_body, body);
  }
  is_waiting = coap_send(session, request) != COAP_INVALID_MID;
}

static unsigned next_number(unsigned otherwise) {
  const char *word = strtok(NULL, " \n");
  return word == NULL ? otherwise : (unsigned)atoi(word);
}

static void obey(char *line) {
  char *verb = strtok(line, " \n"), *target = strtok(NULL, " \n"), *path = strtok(NULL, " \n");
  if (verb == NULL) return;
  if (target == NULL) fail("a command needs a target");
  struct formats formats = {.content = next_number(OCF_CBOR)};
  formats.accepted = next_number(formats.content == OCF_CBOR ? OCF_CBOR : NO_FORMAT);
  if (strcmp(verb, "light") == 0) switch_light(strcmp(target, "on") == 0);
  else if (strcmp(verb, "GET") == 0) send_request(COAP_REQUEST_CODE_GET, target, NULL, formats);
  else if (strcmp(verb, "POST") == 0) send_request(COAP_REQUEST_CODE_POST, target, path, formats);
  else if (strcmp(verb, "DELETE") == 0) send_request(COAP_REQUEST_CODE_DELETE, target, NULL, formats);
  else fail("commands are POST, GET, DELETE and light");
}

// Serves the connection until there is something to read, if that is wanted, or the time is over.
static bool serve(bool reads, int milliseconds) {
  struct pollfd watched[2] = {{.fd = coap_context_get_coap_fd(context), .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
  if (poll(watched, reads ? 2 : 1, milliseconds) < 0) fail("poll");
  if (coap_io_process(context, COAP_IO_NO_WAIT) < 0) fail("the connection cannot be served");
  fflush(stdout);
  return reads && watched[1].revents != 0;
}

static void await_answer(void) {
  coap_tick_t now, end;
  coap_ticks(&now);
  end = now + ANSWER_SECONDS * COAP_TICKS_PER_SECOND;
  while (is_waiting && !is_gone && now < end) {
    serve(false, 10);
    coap_ticks(&now);
  }
  if (is_waiting && !is_gone) puts("no answer"), is_waiting = false;
}

static int run(bool stays) {
  char line[LINE_BYTES];
  bool is_reading = true;
  while (!is_gone) {
    if (!serve(is_reading && is_connected, 10)) continue;
    // The input is not buffered, so poll knows of every line.
    if (fgets(line, sizeof line, stdin) != NULL) obey(line), await_answer();
    else if (!stays) return 0;
    else is_reading = false;
  }
  puts("closed");
  return 1;
}

static struct device_options read_options(int count, char **words, bool *stays) {
  static const struct option known[] = {
    {"cert", required_argument, NULL, 'c'}, {"key", required_argument, NULL, 'k'}, {"ca", required_argument, NULL, 'a'},
    {"di", required_argument, NULL, 'd'},   {"batch", no_argument, NULL, 'b'},     {"slow", required_argument, NULL, 's'},
    {"misbehave", required_argument, NULL, 'm'}, {"stay", no_argument, NULL, 't'}, {"verbose", no_argument, NULL, 'v'}, {0},
  };
  struct device_options options = {0};
  for (int found; (found = getopt_long(count, words, "", known, NULL)) != -1;) switch (found) {
    case 'c': options.certificate = optarg; break;
    case 'k': options.key = optarg; break;
    case 'a': options.ca = optarg; break;
    case 'd': options.device_id = optarg; break;
    case 'b': options.is_batch = true; break;
    case 's': options.slow_ms = (unsigned)atoi(optarg); break;
    case 'm': options.misbehaviour = optarg; break;
    case 't': *stays = true; break;
    case 'v': coap_set_log_level(LOG_DEBUG); break;
    default: exit(2);
  }
  options.uri = words[optind];
  if (options.uri == NULL || options.ca == NULL || options.device_id == NULL)
    fail("usage: ocf-device --di UUID --ca FILE [--cert FILE --key FILE] coaps+tcp://HOST:PORT");
  return options;
}

int main(int count, char **words) {
  bool stays = false;
  struct device_options options = read_options(count, words, &stays);
  setvbuf(stdin, NULL, _IONBF, 0);
  coap_startup();
  context = coap_new_context(NULL);
  coap_context_set_block_mode(context, COAP_BLOCK_USE_LIBCOAP | COAP_BLOCK_SINGLE_BODY);
  coap_register_response_handler(context, on_response);
  coap_register_event_handler(context, on_event);
  coap_register_option(context, 2049);
  coap_register_option(context, 2053);
  serve_resources(context, &options);
  connect_to(&options);
  int code = run(stays);
  if (session != NULL) coap_session_release(session);
  coap_free_context(context);
  coap_cleanup();
  return code;
}
