import { entrances } from '@sallyport/protocol';
import { byteSize } from '../byte-sizes.js';
import { positiveDuration } from '../durations.js';
import { hostAndPort, ipAddress, ocfHubId, port } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath, flag, text } from '../text-values.js';

const isOwn = true;

const entrance = {
  'coap.bind.address': setting(ipAddress, {
    doc: 'Address the CoAP gateway listens on (coaps+tcp). 0.0.0.0 opens it to every network of the device.',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '0.0.0.0'],
    isOwn,
  }),
  'coap.bind.port': setting(port, {
    doc: 'Port the CoAP gateway listens on; 0 takes any free port.',
    default: entrances.coap.defaultPort,
    examples: ['5684'],
    isOwn,
  }),
  'coap.external_address': optionalSetting(hostAndPort, {
    doc: 'Host and port at which devices reach the CoAP gateway, for the addresses that it tells them (`eps` in the answer to `/oic/res`). Unset: the first name of this site, with `coap.bind.port`.',
    examples: ['coap.plant.example:5684'],
    plgdNames: ['externalAddress'],
    isOwn,
  }),
  'coap.hub_id': optionalSetting(ocfHubId, {
    doc: 'UUID of this site as a cloud of OCF devices (`sid`). It is the name in the certificate of the CoAP gateway. Unset: it follows from the id of the site.',
    examples: ['3f4a9c1e-5b7d-4e2a-8c6f-0d1e2f3a4b5c'],
    isOwn,
  }),
} as const;

const tls = {
  'coap.tls.client_certificate_required': setting(flag, {
    doc: 'Whether a device must show its identity certificate. With `false` it is not asked for one, and only its access token says which device it is.',
    default: true,
    examples: ['true', 'false'],
    plgdNames: ['tls.clientCertificateRequired'],
    isOwn,
  }),
  'coap.tls.identity_properties_required': setting(flag, {
    doc: 'Whether the certificate of a device must be an OCF identity: named `uuid:<uuid>`, and made for it (extended key usage 1.3.6.1.4.1.44924.1.6). With `false` a certificate without such a name does not say which device it is, and the request does. `false` does not go together with `coap.authorization.device_id_claim`.',
    default: true,
    examples: ['true', 'false'],
    plgdNames: ['tls.identityPropertiesRequired'],
    isOwn,
  }),
  'coap.tls.ca_path': optionalSetting(absolutePath, {
    doc: 'File or directory of more CA certificates (PEM) that devices may prove themselves with. The CA of this site is always trusted.',
    examples: ['/etc/ssl/ocf-cas'],
    plgdNames: ['tls.caPool'],
    isOwn,
  }),
  'coap.tls.cert_path': optionalSetting(absolutePath, {
    doc: 'Certificate that the CoAP gateway shows to devices (PEM, leaf first). Unset: it gets one from the CA of this site, named `uuid:` and the id of this site as a cloud.',
    examples: ['/etc/ssl/coap-gateway.pem'],
    plgdNames: ['tls.certFile'],
    isOwn,
  }),
  'coap.tls.key_path': optionalSetting(absolutePath, {
    doc: 'Private key of `coap.tls.cert_path` (PEM).',
    examples: ['/etc/ssl/private/coap-gateway.key'],
    plgdNames: ['tls.keyFile'],
    isOwn,
  }),
} as const;

const sessions = {
  'coap.max_message_size': setting(byteSize, {
    doc: 'Largest message from a device, its header included.',
    default: '256KiB',
    examples: ['256KiB', '1MiB'],
    plgdNames: ['maxMessageSize'],
    isOwn,
  }),
  'coap.keep_alive.timeout': setting(positiveDuration, {
    doc: 'How long a device may be silent before its connection ends. It is asked for a sign of life before. Also how long a device may take to answer a command.',
    default: '20s',
    examples: ['20s', '2m'],
    plgdNames: ['keepAlive.timeout'],
    isOwn,
  }),
  'coap.sign_in.timeout': setting(positiveDuration, {
    doc: 'How long a device may be connected without being signed in. Each answer to a sign-up or a refresh of its token begins this time anew.',
    default: '1m',
    examples: ['1m', '10s'],
    isOwn,
  }),
  'coap.owner_cache_expiration': setting(positiveDuration, {
    doc: 'How long the gateway remembers who owns a device. A session ends twice this time before its access token expires, so that the device can still sign off; a token that expires sooner is refused.',
    default: '1m',
    examples: ['1m', '10s'],
    plgdNames: ['ownerCacheExpiration'],
    isOwn,
  }),
  'coap.requires_batch_observe': setting(flag, {
    doc: 'Whether a device that cannot be observed as a whole (batch observation of `/oic/res`) is disconnected. With `false` its resources are observed one by one.',
    default: false,
    examples: ['true', 'false'],
    plgdNames: ['requireBatchObserveEnabled'],
    isOwn,
  }),
} as const;

const authorization = {
  'coap.authorization.device_id_claim': optionalSetting(text, {
    doc: 'The claim of access tokens with the id of the device. A token without it is refused, and the id must be that in the certificate of the device where one is required. Unset: tokens are of an owner, and not of one device.',
    examples: ['https://plant.example/deviceId', 'deviceId'],
    plgdNames: ['authorization.deviceIDClaim', 'authorization.deviceIdClaim'],
    isOwn,
  }),
  'coap.authorization.owner_claim': setting(text, {
    doc: 'The claim of access tokens that says who owns the device.',
    default: 'sub',
    examples: ['sub', 'https://plant.example/owner'],
    plgdNames: ['authorization.ownerClaim'],
    isOwn,
  }),
  'coap.authorization.audience': optionalSetting(text, {
    doc: 'What the claim `aud` of access tokens must hold. Unset: it is not looked at.',
    examples: ['https://api.plant.example'],
    plgdNames: ['authorization.audience'],
    isOwn,
  }),
  'coap.authorization.code_validity': setting(positiveDuration, {
    doc: 'How long a device may sign up with a code of this site (`sallyport coap code`).',
    default: '10m',
    examples: ['10m', '1h'],
    isOwn,
  }),
  'coap.authorization.token_validity': setting(positiveDuration, {
    doc: 'How long an access token of this site is good. A device gets a new one before. It must be more than twice `coap.owner_cache_expiration`.',
    default: '1h',
    examples: ['1h', '1d'],
    isOwn,
  }),
  'coap.authorization.providers_path': optionalSetting(absolutePath, {
    doc: 'File with the OpenID Connect providers that devices bring authorization codes from: a table `[[provider]]` for each (docs/coap.md). Unset: only codes of this site count (`sallyport coap code`).',
    examples: ['/etc/tedge/coap-providers.toml'],
    isOwn,
  }),
} as const;

/** Where devices of OCF connect, over CoAP and TLS. */
export const coapKeys = { ...entrance, ...tls, ...sessions, ...authorization } as const;
