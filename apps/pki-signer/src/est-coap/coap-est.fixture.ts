import type { KeyObject } from 'node:crypto';
import { type CoapClient, connectCoap } from '@sallyport/coap-wire/testing';
import { pemFromDer } from '@sallyport/x509';
import { type OpenEstEntrance, openEntrance } from '../est/est-entrance.fixture.js';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import { coapEstHandler } from './coap-est-handler.js';

/** A signer with its entrance for EST over CoAP open on loopback. */
export function openCoapEst({ idleMs }: { readonly idleMs?: number } = {}): Promise<OpenEstEntrance> {
  const patience = idleMs === undefined ? {} : { idleMs };
  return openEntrance(({ signer }, log) => coapEstHandler({ ...signer, ...patience, log }));
}

/** What a client proves in its handshake. */
export interface ClientIdentity {
  readonly record: CertificateRecord;
  readonly key: KeyObject;
}

export interface ClientOptions {
  readonly identity?: ClientIdentity;
  /** The largest message that it sends and takes. */
  readonly messageBytes?: number;
}

/** A client that verifies the signer against the root of the site. */
export function connectTo(
  { port, rootPem }: OpenEstEntrance,
  { identity, messageBytes }: ClientOptions = {},
): Promise<CoapClient> {
  const shown = identity === undefined ? {} : certificateOf(identity);
  const limits = messageBytes === undefined ? {} : { limits: { messageBytes } };
  const tls = { ca: [rootPem], servername: 'localhost', ALPNProtocols: ['coap'], ...shown };
  return connectCoap({ port, tls, ...limits });
}

function certificateOf({ record, key }: ClientIdentity) {
  const cert = pemFromDer('CERTIFICATE', Buffer.from(record.certificate, 'base64'));
  return { cert, key: key.export({ type: 'pkcs8', format: 'pem' }) };
}
