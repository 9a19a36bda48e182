import { hostList, httpUrlList } from '../network-values.js';
import { setting } from '../setting.js';

const isOwn = true;

/** The device registry, apart from its entrance. */
export const registryKeys = {
  'registry.crl.hosts': setting(hostList, {
    doc: 'Hosts from which revocation lists of Client CAs may be fetched, on any port. Empty: no list is fetched, only uploaded. An address in the form of a Client CA must not let anybody reach other hosts.',
    default: [],
    examples: ['crl.example.com,pki.factory.local'],
    isOwn,
  }),
  'registry.webhook.origins': setting(httpUrlList, {
    doc: 'Where webhooks may send events of devices, and where the hook of a connector may be: addresses like `https://host:8443`, separated by commas. Nothing is sent anywhere else, so nobody can use webhooks to reach services of the internal network. Without TLS others can read the events on the way.',
    default: [],
    examples: ['https://hooks.example'],
    isOwn,
  }),
} as const;
