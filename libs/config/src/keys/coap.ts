import { entrances } from '@sallyport/protocol';
import { ipAddress, port } from '../network-values.js';
import { setting } from '../setting.js';
import { flag } from '../text-values.js';

const isOwn = true;

/** Where devices of OCF connect, over CoAP and TLS. */
export const coapKeys = {
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
  'coap.tls.client_certificate_required': setting(flag, {
    doc: 'Whether a device must show its identity certificate. With `false` it is not asked for one, and only its access token says which device it is.',
    default: true,
    examples: ['true', 'false'],
    isOwn,
  }),
} as const;
