import { httpUrlList } from '../network-values.js';
import { setting } from '../setting.js';

/** The device registry, apart from its entrance. */
export const registryKeys = {
  'registry.webhook.origins': setting(httpUrlList, {
    doc: 'Where webhooks may send events of devices: addresses like `https://host:8443`, separated by commas. Nothing is sent anywhere else, so nobody can use webhooks to reach services of the internal network. Without TLS others can read the events on the way.',
    default: [],
    examples: ['https://hooks.example'],
    isOwn: true,
  }),
} as const;
