import { entrances } from '@sallyport/protocol';
import { certificateValidity, positiveDuration, renewalGrace } from '../durations.js';
import { certificateHosts, httpUrl, ipAddress, port } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath, subjectName, trustDomain } from '../text-values.js';

const isOwn = true;

const addresses = {
  'pki.bind.address': setting(ipAddress, {
    doc: 'Address the certificate authority listens on for enrolment and renewal (EST over HTTPS).',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '0.0.0.0'],
    isOwn,
  }),
  'pki.bind.port': setting(port, {
    doc: 'Port the certificate authority listens on for enrolment and renewal; 0 takes any free port.',
    default: entrances.pki.defaultPort,
    examples: ['8443'],
    isOwn,
  }),
  'pki.url': setting(httpUrl, {
    doc: 'Address under which devices and services reach the certificate authority.',
    default: {
      text: '`https://localhost:` followed by the value of `pki.bind.port`',
      from: (context) => `https://localhost:${context.value('pki.bind.port')}`,
    },
    examples: ['https://gateway.local:8443'],
    isOwn,
  }),
  'pki.coap.bind.address': setting(ipAddress, {
    doc: 'Address the certificate authority listens on for enrolment over CoAP (EST-coaps, RFC 9148, over TCP and TLS).',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '0.0.0.0'],
    isOwn,
  }),
  'pki.coap.bind.port': setting(port, {
    doc: 'Port the certificate authority listens on for enrolment over CoAP; 0 takes any free port.',
    default: entrances['pki.coap'].defaultPort,
    examples: ['5685'],
    isOwn,
  }),
  'pki.public.bind.address': setting(ipAddress, {
    doc: 'Address of the plain HTTP listener that hands out revocation lists and CA certificates.',
    default: '127.0.0.1',
    examples: ['127.0.0.1', '0.0.0.0'],
    isOwn,
  }),
  'pki.public.bind.port': setting(port, {
    doc: 'Port of the plain HTTP listener that hands out revocation lists and CA certificates; 0 takes any free port.',
    default: entrances['pki.public'].defaultPort,
    examples: ['8442'],
    isOwn,
  }),
  'pki.public.url': setting(httpUrl, {
    doc: 'Address of that listener as written into certificates; it cannot change for those already issued.',
    default: {
      text: '`http://localhost:` followed by the value of `pki.public.bind.port`',
      from: (context) => `http://localhost:${context.value('pki.public.bind.port')}`,
    },
    examples: ['http://gateway.local:8442'],
    isOwn,
  }),
  'pki.hostnames': setting(certificateHosts, {
    doc: 'Names and addresses, besides localhost, under which others reach the services of this site; they go into server certificates.',
    default: [],
    examples: ['gateway.local,192.168.1.6'],
    isOwn,
  }),
} as const;

const lifetimes = {
  'pki.token.validity': setting(positiveDuration, {
    doc: 'How long a one-time enrolment token can be used.',
    default: '24h',
    examples: ['24h'],
    isOwn,
  }),
  'pki.profile.device.validity': setting(certificateValidity, {
    doc: 'Lifetime of device certificates, which are renewed from two thirds of it on.',
    default: '90d',
    examples: ['90d'],
    isOwn,
  }),
  'pki.profile.service.validity': setting(certificateValidity, {
    doc: 'Lifetime of the certificates Sallyport uses itself, which renew themselves from two thirds of it on.',
    default: '30d',
    examples: ['30d'],
    isOwn,
  }),
  'pki.renewal.grace': setting(renewalGrace, {
    doc: 'How long after its end a device may still renew its certificate, if the device registry says that it is active; 0 is not at all. At most 90 days. Services of this site need no grace.',
    default: '0',
    examples: ['14d'],
    isOwn,
  }),
  'pki.crl.validity': setting(positiveDuration, {
    doc: 'How long a revocation list may be relied on.',
    default: '7d',
    examples: ['7d'],
    isOwn,
  }),
  'pki.crl.interval': setting(positiveDuration, {
    doc: 'How often the revocation list is signed again, even when nothing was revoked.',
    default: '6h',
    examples: ['6h'],
    isOwn,
  }),
  'pki.crl.file': optionalSetting(absolutePath, {
    doc: 'File the signer keeps with the revocation lists of all its CAs (PEM), for a broker such as Mosquitto. `FILE.revoked` beside it names what was revoked in the last seven days.',
    examples: ['/etc/mosquitto/sallyport/crl.pem'],
    isOwn: true,
  }),
  'pki.root.validity': setting(positiveDuration, {
    doc: 'Lifetime of the root CA made on first start.',
    default: '20y',
    examples: ['20y'],
    isOwn,
  }),
  'pki.issuing.validity': setting(positiveDuration, {
    doc: 'Lifetime of the issuing CAs made on first start and by rotation.',
    default: '5y',
    examples: ['5y'],
    isOwn,
  }),
} as const;

/** The site's own certificate authority. */
export const pkiKeys = {
  ...addresses,
  'pki.organization': setting(subjectName, {
    doc: 'Organization (O) in the subject of CA certificates and of the certificates they issue.',
    default: 'Sallyport',
    examples: ['Acme Ltd'],
    isOwn,
  }),
  'pki.trust_domain': setting(trustDomain, {
    doc: 'SPIFFE trust domain of this site: the host part of the identity URI in every certificate.',
    default: 'sallyport.local',
    examples: ['factory7.example'],
    isOwn,
  }),
  ...lifetimes,
} as const;
